"""Pipelines: order, labels, segments, columns; and what a recipe builds is what Python builds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpuskit import (
    ExactDuplicates,
    Files,
    Gutenberg,
    Length,
    Lowercase,
    NearDuplicates,
    Pipeline,
    Split,
    TrainTokenizer,
    Unicode,
    Whitespace,
    WriteShards,
)
from corpuskit.build.build import build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.documents.reading import Reading
from corpuskit.errors import EmptyError, InputError, SettingError
from corpuskit.run.folder import Record, Run
from corpuskit.sources.source import Part
from corpuskit.stages.dedup.exact import UniqueId
from corpuskit.stages.stage import Stage

SOURCE = Files(path="/nowhere", label="x")


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], "there is no source"),
        ([Unicode()], "there is no source"),
        ([Unicode(), SOURCE], "wrong order: unicode, files"),
        ([SOURCE, TrainTokenizer(), Unicode()], "wrong order"),
        ([SOURCE, WriteShards(), TrainTokenizer()], "wrong order"),
        ([SOURCE, WriteShards()], "there is no tokenizer"),
        ([SOURCE, TrainTokenizer(), TrainTokenizer()], "more than one"),
        ([SOURCE, "unicode"], "'unicode' is no source"),
    ],
)
def test_steps_that_make_no_pipeline(steps: list[Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Pipeline(steps)
    assert message in caught.value.message
    assert caught.value.remedy


def test_labels_differ_however_things_are_called() -> None:
    sources = [Files(path="a", label="x"), Gutenberg(path="b"), Gutenberg(path="c")]
    labels = [label for label, _ in Pipeline([*sources, Length(), Length(), Unicode()]).sources]
    assert labels == ["files:x", "gutenberg", "gutenberg-2"]
    steps = [label for label, _ in Pipeline([SOURCE, Length(), Length(), Unicode()]).labelled]
    assert steps == ["length", "length-2", "unicode"]


@pytest.mark.parametrize(
    ("steps", "passes"),
    [
        ([], {"candidates": [], "documents": []}),
        ([Unicode()], {"candidates": ["unicode"], "documents": []}),
        ([ExactDuplicates(), Length()], {"candidates": ["exact_duplicates", "length"], "documents": []}),
        ([ExactDuplicates(), Unicode()], {"candidates": ["exact_duplicates"], "documents": ["unicode"]}),
        (
            [ExactDuplicates(), Unicode(), NearDuplicates()],
            {
                "candidates": ["exact_duplicates"],
                "candidates-2": ["unicode", "near_duplicates"],
                "documents": [],
            },
        ),
        ([Length(), Unicode()], {"candidates": ["length", "unicode"], "documents": []}),
    ],
)
def test_a_pipeline_is_cut_at_barriers(steps: list[Any], passes: dict[str, list[str]]) -> None:
    found = {s.folder: [label for label, _ in s.steps] for s in Pipeline([SOURCE, *steps]).segments()}
    found["candidates"] = [label for label in found["candidates"] if label not in ("remove", "unique_id")]
    assert found == passes


class Titled(Stage):
    name: ClassVar[str] = "titled"
    columns: ClassVar[Mapping[str, pa.DataType]] = {"title": pa.string()}

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch


def test_a_column_that_is_taken() -> None:
    with pytest.raises(SettingError, match="titled: column 'title' is there already"):
        Pipeline([SOURCE, Titled()]).segments()


RECIPE = """\
sources:
  - files: {path: letters, label: letters}
  - files: {path: reports, label: reports}
stages:
  - unicode
  - whitespace
  - length: {min_words: 8}
  - exact_duplicates
  - near_duplicates: {threshold: 0.7, keep: smallest_id}
  - lowercase
tokenizer: {vocab_size: 430}
shards: {split: {validation: 0.1, test: 0.05}}
remove: {listed: ["files:reports:3"]}
"""


@pytest.fixture
def both(corpus: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Runs of the recipe above and of the same pipeline in Python."""
    (corpus / "recipe.yaml").write_text(RECIPE)
    build_corpus(load(corpus / "recipe.yaml").pipeline, tmp_path / "recipe-run")
    build_corpus(
        Pipeline(
            [
                Files(path=str(corpus / "letters"), label="letters"),
                Files(path=str(corpus / "reports"), label="reports"),
                Unicode(),
                Whitespace(),
                Length(min_words=8),
                ExactDuplicates(),
                NearDuplicates(threshold=0.7, keep="smallest_id"),
                Lowercase(),
                TrainTokenizer(vocab_size=430),
                WriteShards(split=Split(validation=0.1, test=0.05)),
            ],
            remove=("files:reports:3",),
        ),
        tmp_path / "python-run",
    )
    return tmp_path / "recipe-run", tmp_path / "python-run"


def test_a_recipe_and_python_give_the_same_bytes(
    both: tuple[Path, Path], outputs: Callable[[Path], dict[str, str]]
) -> None:
    assert outputs(both[0]) == outputs(both[1])


def test_columns_of_rules_reach_the_documents(both: tuple[Path, Path]) -> None:
    table = pq.read_table(both[0] / "documents/files-letters-00000.parquet")
    assert {"words", "chars", "cluster", "split"} <= set(table.column_names)
    assert all(t == t.lower() for t in table.column("text").to_pylist())
    assert table.schema.metadata is None or b"pandas" not in table.schema.metadata


def test_events_tell_what_goes_on(corpus: Path, tmp_path: Path) -> None:
    events: list[tuple[str, Mapping[str, Any]]] = []
    pipeline = load(corpus / "recipe.yaml").pipeline
    result = build_corpus(
        pipeline, tmp_path / "run", listen=lambda event, facts: events.append((event, facts))
    )
    steps = [facts["title"] for event, facts in events if event == "step"]
    assert steps == [
        "pass 1: candidates",
        "decisions/candidates",
        "pass 2: documents",
        "counts",
        "tokenizer",
        "encode",
        "shards",
    ]
    assert sum(event == "done" for event, _ in events) == result.done


def test_a_stage_that_adds_columns_stands_once() -> None:
    with pytest.raises(SettingError, match="column 'words' is there already"):
        Pipeline([SOURCE, Length(), Length(min_words=9)]).segments()


def test_steps_that_every_pipeline_has_are_not_named() -> None:
    with pytest.raises(SettingError, match="unique_id is part of every pipeline"):
        Pipeline([SOURCE, UniqueId()])


def jsonl_source(folder: Path, texts: Mapping[str, str]) -> Files:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [json.dumps({"id": identity, "text": text}) for identity, text in texts.items()]
    (folder / "a.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return Files(path=str(folder), label="x")


def test_an_old_record_does_not_vouch_for_half_written_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between new files and their record, then set back to the old recipe."""
    source = jsonl_source(tmp_path / "in", {str(i): f"HELLO NUMBER {i}" for i in range(5)})
    old, new = Pipeline([source, ExactDuplicates()]), Pipeline([source, ExactDuplicates(), Lowercase()])
    build_corpus(old, tmp_path / "run")
    finish = Run.finish

    def killed(run: Run, record: Record) -> None:
        if record.task.startswith("documents/"):
            raise KeyboardInterrupt
        finish(run, record)

    monkeypatch.setattr(Run, "finish", killed)
    with pytest.raises(KeyboardInterrupt):
        build_corpus(new, tmp_path / "run")
    monkeypatch.setattr(Run, "finish", finish)
    assert build_corpus(old, tmp_path / "run").done > 0
    texts = [
        t for path in (tmp_path / "run/documents").glob("*") for t in pq.read_table(path)["text"].to_pylist()
    ]
    assert texts == [f"HELLO NUMBER {i}" for i in range(5)]


def test_a_build_that_stops_before_its_sweep_does_not_look_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = jsonl_source(tmp_path / "in", {"1": "some words"})
    monkeypatch.setattr(Run, "sweep", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build_corpus([source], tmp_path / "run")
    assert not (tmp_path / "run/ledger.json").exists()


def test_an_input_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = jsonl_source(tmp_path / "in", {"1": "some words"})
    read = Files.read

    def meddled(self: Files, part: Part) -> Iterator[Reading]:
        yield from read(self, part)
        (tmp_path / "in/a.jsonl").write_text("{}\n", encoding="utf-8")

    monkeypatch.setattr(Files, "read", meddled)
    with pytest.raises(InputError, match=r"a\.jsonl: changed while"):
        build_corpus([source], tmp_path / "run")


def test_an_input_with_its_old_time_stamp_is_noticed(tmp_path: Path) -> None:
    source = jsonl_source(tmp_path / "in", {"1": "some words"})
    path = tmp_path / "in/a.jsonl"
    build_corpus([source], tmp_path / "run")
    before = path.stat()
    path.write_text(path.read_text(encoding="utf-8").replace("words", "sword"), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert build_corpus([source], tmp_path / "run").done > 0


def test_clusters_hold_behind_a_second_pass(tmp_path: Path) -> None:
    """Near copies of one text stand together although a later pass decides again."""
    words = [f"word{i}" for i in range(60)]
    base = " ".join(words)
    texts = {"base": base + " end one two three", "copy": base + " end one two"}
    texts |= {str(i): " ".join(f"w{i}x{j}" for j in range(30)) for i in range(4)}
    steps = [NearDuplicates(threshold=0.8), Lowercase(), ExactDuplicates()]
    build_corpus([jsonl_source(tmp_path / "in", texts), *steps], tmp_path / "run")
    (decided,) = (tmp_path / "run/decisions/candidates").glob("*")
    first = {r["id"]: r["cluster"] for r in pq.read_table(decided).to_pylist()}
    assert first["files:x:copy"] == first["files:x:base"]
    (documents,) = (tmp_path / "run/documents").glob("*")
    kept = {r["id"]: r["cluster"] for r in pq.read_table(documents).to_pylist()}
    assert {i: first[i] for i in kept} == kept


def test_a_build_that_keeps_nothing_says_so(tmp_path: Path) -> None:
    source = jsonl_source(tmp_path / "in", {"1": "some words"})
    steps = [source, Length(min_words=50)]
    # Once more: what is finished is no success either.
    for _ in range(2):
        with pytest.raises(EmptyError, match="no document is left: 1 of 1 documents went as too_short"):
            build_corpus(steps, tmp_path / "run")


def test_names_beyond_the_file_system_are_shortened(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    name = "n" * 240 + ".txt"
    (folder / name).write_text("Some words to keep.", encoding="utf-8")
    result = build_corpus([Files(path=str(folder / name), label="l" * 200)], tmp_path / "run")
    assert result.documents == 1


def test_steps_may_come_from_a_generator(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A note.")
    steps = (step for step in [Files(path=str(tmp_path / "a.txt"), label="x"), ExactDuplicates()])
    assert build_corpus(steps, tmp_path / "run").documents == 1
