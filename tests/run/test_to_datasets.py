"""`Run.to_datasets`: the documents of a run by split, made of its Parquet."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpuskit import Files, Run, TrainTokenizer, WriteShards, build_corpus
from corpuskit.errors import RunError
from corpuskit.run.record import Output
from corpuskit.run.to_datasets import documents_as_datasets


def corpus(folder: Path, names: str) -> Path:
    """Files of 60 lines each, one document a line."""
    folder.mkdir()
    for name in names:
        lines = "".join(f'{{"text": "{name} note {n} {"of this and that " * (n % 5)}"}}\n' for n in range(60))
        (folder / f"{name}.jsonl").write_text(lines)
    return folder


def test_splits_are_those_of_the_documents(tmp_path: Path) -> None:
    one, two = corpus(tmp_path / "one", "ab"), corpus(tmp_path / "two", "c")
    sources = [Files(path=str(two), label="z"), Files(path=str(one), label="a")]
    shards = WriteShards(split={"validation": 0.1, "test": 0.1})
    build_corpus([*sources, TrainTokenizer(vocab_size=400), shards], tmp_path / "run")
    found = Run.open(tmp_path / "run").to_datasets(tmp_path / "cache")
    assert sorted(found) == ["test", "train", "validation"]
    rows = [
        row
        for label in ("z", "a")  # as the recipe has the sources
        for path in sorted((tmp_path / "run/documents").glob(f"files-{label}-*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    assert len(rows) == 180
    for split, data in found.items():
        assert data.to_list() == [row for row in rows if row["split"] == split]
        assert len(data) > 0
    assert str(found["train"].split) == "train"


def test_a_run_that_was_built_anew_is_not_answered_from_the_cache(tmp_path: Path) -> None:
    """Equal size, equal times: what is in the files counts."""
    for text in ("one fig", "two fig"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in/a.txt").write_text(text)
        build_corpus([Files(path=str(tmp_path / "in"), label="x")], tmp_path / "run")
        [path] = (tmp_path / "run/documents").iterdir()
        os.utime(path, (1_577_836_800, 1_577_836_800))
        assert Run(tmp_path / "run").to_datasets(tmp_path / "cache")["train"]["text"][:] == [text]


def test_a_run_that_is_not_whole_is_refused(finished: Path, tmp_path: Path) -> None:
    path = next((finished / "documents").iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(RunError, match="is damaged"):
        Run(finished).to_datasets(tmp_path / "cache")
    (finished / "ledger.json").unlink()
    with pytest.raises(RunError, match="not finished"):
        Run(finished).to_datasets(tmp_path / "cache")
    with pytest.raises(RunError):
        Run(tmp_path / "none").to_datasets(tmp_path / "cache")


@pytest.mark.parametrize("none", ["", None])
def test_no_document_is_lost_where_only_some_name_their_split(tmp_path: Path, none: str | None) -> None:
    pq.write_table(
        pa.table({"text": ["a", "b", "c"], "split": ["train", none, "test"]}), tmp_path / "x.parquet"
    )
    with pytest.raises(RunError, match=r"split 'train' has 2 documents, and 1 were read"):
        documents_as_datasets(tmp_path, [Output("x.parquet", "0", 1)], tmp_path / "cache")


_MEASURED = """
import resource, sys
from pathlib import Path
from corpuskit.run.record import Output
from corpuskit.run.to_datasets import documents_as_datasets

def made(folder):
    files = sorted(Path(folder).rglob("*.parquet"))
    outputs = [Output(str(path.relative_to(folder)), path.name, 1) for path in files]
    return documents_as_datasets(Path(folder), outputs, sys.argv[3])

peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
made(sys.argv[1])
before = peak()
data = made(sys.argv[2])
print(peak() - before, len(data["train"]))
"""


def test_memory_does_not_grow_with_the_run(
    tmp_path: Path, environment: Callable[..., dict[str, str]]
) -> None:
    """400 MB of documents in files that hold a few MB each when packed."""
    for name, files in (("small", 1), ("large", 20)):
        for number in range(files):
            text = pa.array([f"{number} {row} " * 200 for row in range(10_000)])
            path = tmp_path / name / "documents" / f"{number:02d}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            table = pa.table({"text": text, "split": pa.nulls(len(text), pa.string())})
            pq.write_table(table, path, row_group_size=1000, compression="zstd")
    places = [str(tmp_path / each) for each in ("small", "large", "cache")]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *places],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    grown, rows = map(int, done.stdout.split())
    assert rows == 200_000
    assert grown < 150
