"""Rules judge rows of several batches at a time: which rows come together decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpuskit import Files, Length
from corpuskit.build.build import build_corpus
from corpuskit.build.decide import decide
from corpuskit.build.decide.decide import _together


def batch(*numbers: int) -> pa.RecordBatch:
    return pa.record_batch({"n": pa.array(numbers, pa.int64())})


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1, [(3, [0, 1]), (5, [2]), (6, [3, 4, 5])]),
        (24, [(3, [0, 1, 2]), (6, [3, 4, 5])]),
        (999, [(3, None)]),
    ],
)
def test_rows_come_together_and_keep_their_numbers(
    monkeypatch: pytest.MonkeyPatch, most: int, expected: list[tuple[int, list[int] | None]]
) -> None:
    monkeypatch.setattr(decide, "GATHERED_BYTES", most)
    batches = [(3, batch(0, 1)), (5, batch(2)), (6, batch(3, 4, 5))]
    found = [(first, rows.column("n").to_pylist()) for first, rows in _together(iter(batches))]
    assert found == [(first, rows or list(range(6))) for first, rows in expected]
    assert list(_together(iter([]))) == []


def test_a_rule_decides_the_same_however_many_rows_it_is_given(
    tmp_path: Path, jsonl: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        rows = [{"id": f"{name}{n}", "text": f"{name} {n} " * (n % 5)} for n in range(40)]
        jsonl(tmp_path / "in" / name / "x.jsonl", rows)
    steps = [Files(path=str(tmp_path / "in" / name), label=name) for name in ("a", "b", "c")]
    decided = []
    for most in (1, 2**22):
        monkeypatch.setattr(decide, "GATHERED_BYTES", most)
        run = build_corpus([*steps, Length(min_words=5)], tmp_path / f"run-{most}").folder
        decided.append({path.name: path.read_bytes() for path in run.glob("decisions/*/*.parquet")})
        dropped = [
            row for path in run.glob("decisions/*/*.parquet") for row in pq.read_table(path).to_pylist()
        ]
        assert sum(not row["kept"] for row in dropped) == 3 * 16  # The empty ones are no documents.
    assert len(decided[0]) == 3
    assert decided[0] == decided[1]
