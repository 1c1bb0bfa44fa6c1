"""Spans that a barrier decides to cut: written with the decisions, applied by the next pass, booked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpuskit import Barrier, Files, Length, Lowercase, build_corpus
from corpuskit.build.passes.inputs import CUTS, CutReader
from corpuskit.build.pipeline import Pipeline
from corpuskit.errors import StageError
from corpuskit.report.check import problems
from corpuskit.run.folder import Run
from corpuskit.stages.dedup.repeats import LineRepeats, ParagraphRepeats
from corpuskit.stages.dedup.substrings import SubstringDuplicates
from corpuskit.stages.scans import Scans


class CutWord(Barrier):
    """Cuts each "bad" of every text, or what it is told to."""

    name = "cut_word"
    scan_schema: ClassVar[pa.Schema] = pa.schema([("text", pa.large_string())])

    spans: tuple[tuple[int, int, int], ...] = ()
    says_so: bool = True
    drops: int = -1

    @property
    def cuts(self) -> bool:
        return self.says_so

    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.select(["text"])

    def decide(self, scans: Scans) -> None:
        for span in self.spans:
            scans.cut(*span, "asked")
        for first, rows in scans.rows("text") if not self.spans else ():
            for ordinal, text in enumerate(rows.column("text").to_pylist(), first):
                for at in range(len(text)):
                    if text.startswith("bad", at):
                        scans.cut(ordinal, at, at + 3, "bad_word")
        if self.drops >= 0:
            scans.drop(self.drops, "gone")


@pytest.fixture
def source(tmp_path: Path) -> Files:
    texts = ["a bad day", "good", "bad bad luck", "é"]
    lines = [json.dumps({"id": f"d{i}", "text": text}) for i, text in enumerate(texts)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return Files(path=str(tmp_path / "in.jsonl"), label="x")


def rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [
        row for path in sorted((folder / kind).glob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


def test_cuts_are_written_applied_and_booked(tmp_path: Path, source: Files) -> None:
    result = build_corpus([source, CutWord()], tmp_path / "run")
    assert [row["text"] for row in rows(result.folder, "documents")] == ["a  day", "good", "  luck", "é"]
    [table] = (tmp_path / "run" / "decisions" / "candidates").glob("*.cuts.parquet")
    decided = pq.read_table(table).to_pylist()
    assert [(r["row"], r["start"], r["end"]) for r in decided] == [(0, 2, 5), (2, 0, 3), (2, 4, 7)]
    cut = [(r["id"], r["stage"], r["reason"], r["text"]) for r in rows(result.folder, "cuts")]
    assert cut == [(f"files:x:d{i}", "cut_word", "bad_word", "bad") for i in (0, 2, 2)]
    entry = result.ledger.entries["cut_word decided"]
    assert entry.bytes_cut == {"bad_word": 9}
    assert entry.bytes_in - 9 == entry.bytes_kept == result.ledger.entries["documents"].bytes_in
    assert list(problems(Run.open_finished(result.folder))) == []


def test_what_follows_sees_the_text_without_them(source: Files) -> None:
    steps = [source, CutWord(), Length(min_words=1), CutWord(), Lowercase()]
    segments = Pipeline(steps).segments()
    labels = [
        [label for label, _ in segment.steps if label not in ("unique_id", "remove")] for segment in segments
    ]
    assert labels == [["cut_word"], ["length", "cut_word-2"], ["lowercase"]]


def test_two_kinds_of_repeats_keep_one_copy_between_them(tmp_path: Path) -> None:
    """The paragraph that stays must not be cut by the stage behind, as a repeat of those that are gone."""
    paragraph = " ".join(f"word{i}" for i in range(60))
    lines = [json.dumps({"id": f"d{i}", "text": f"{paragraph}\n\nOwn {i}."}) for i in range(5)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    source = Files(path=str(tmp_path / "in.jsonl"), label="x")
    result = build_corpus(
        [source, ParagraphRepeats(), LineRepeats(), SubstringDuplicates()], tmp_path / "run"
    )
    texts = [row["text"] for row in rows(result.folder, "documents")]
    assert sum(text.count(paragraph) for text in texts) == 1
    assert sorted(text[-6:] for text in texts) == [f"Own {i}." for i in range(5)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"spans": ((0, 0, 99),)}, "cuts 0-99 of document 0"),
        ({"spans": ((9, 0, 1),)}, "cuts document 9 of 4"),
        ({"spans": ((0, 3, 3),)}, "cuts 3-3 of document 0"),
        ({"spans": ((0, 0, 4), (0, 2, 5))}, "overlaps another"),
        ({"spans": ((3, 0, 1),)}, "inside a character"),
        ({"says_so": False}, "cuts spans without saying so"),
        ({"drops": 0}, "drops document 0, of which it has cut something"),
    ],
)
def test_a_barrier_that_cuts_wrongly_is_named(
    tmp_path: Path, source: Files, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(StageError, match=message):
        build_corpus([source, CutWord(**settings)], tmp_path / "run")


def test_another_threshold_redoes_decisions_alone(tmp_path: Path, outputs: Callable[[Path], Any]) -> None:
    lines = [json.dumps({"id": f"d{i}", "text": f"Menu of all.\n\nOwn {i}."}) for i in range(4)]
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.jsonl").write_text(
            "\n".join(lines).replace('"d', f'"{name}'), encoding="utf-8"
        )

    def steps(least: int) -> Sequence[Any]:
        source = Files(path=str(tmp_path / "in"), label="x")
        return [source, ParagraphRepeats(min_documents=least)]

    build_corpus(steps(9), tmp_path / "run")  # There are eight.
    again = build_corpus(steps(8), tmp_path / "run")
    assert again.skipped > 0
    assert sum(r["text"].count("Menu") for r in rows(again.folder, "documents")) == 1
    # And back: no cut of the build before is left over.
    build_corpus(steps(9), tmp_path / "run")
    build_corpus(steps(9), tmp_path / "fresh", workers=2)
    assert outputs(tmp_path / "run") == outputs(tmp_path / "fresh")


def test_cuts_are_taken_in_pieces_whatever_their_row_groups() -> None:
    def group(*numbers: int) -> pa.RecordBatch:
        return pa.RecordBatch.from_pylist(
            [{"row": n, "start": 0, "end": 1, "stage": "s", "reason": "r"} for n in numbers], CUTS
        )

    reader = CutReader(iter([group(0, 0), group(3), group(4, 9)]))
    taken = [reader.take(count).column("row").to_pylist() for count in (1, 3, 1, 5, 2)]
    assert taken == [[0, 0], [2], [0], [4], []]
