"""Pipelines: order, labels, segments, columns; and what a recipe builds is what Python builds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpuskit import (
    ExactDuplicates,
    Files,
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
from corpuskit.errors import SettingError
from corpuskit.recipe import load
from corpuskit.stage import Stage

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
    sources = [Files(path="a", label=label) for label in ("x", "x", "x-2", "x")]
    labels = [label for label, _ in Pipeline([*sources, Length(), Length(), Unicode()]).sources]
    assert labels == ["files:x", "files:x-2", "files:x-2-2", "files:x-3"]
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
    found["candidates"] = [label for label in found["candidates"] if label not in ("leave_out", "unique_id")]
    assert found == passes


class Titled(Stage):
    name: ClassVar[str] = "titled"
    columns: ClassVar[Mapping[str, pa.DataType]] = {"title": pa.string()}

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch


def test_a_column_that_is_taken() -> None:
    with pytest.raises(SettingError, match="titled: column 'title' is taken"):
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
  - near_duplicates: {threshold: 0.7, keep: first}
  - lowercase
tokenizer: {vocab_size: 430}
shards: {split: {validation: 0.1, test: 0.05}}
leave_out: ["files:reports:3"]
"""


@pytest.fixture
def both(corpus: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Runs of the recipe above and of the same pipeline in Python."""
    (corpus / "recipe.yaml").write_text(RECIPE)
    load(corpus / "recipe.yaml").pipeline.run(tmp_path / "recipe-run")
    Pipeline(
        [
            Files(path=str(corpus / "letters"), label="letters"),
            Files(path=str(corpus / "reports"), label="reports"),
            Unicode(),
            Whitespace(),
            Length(min_words=8),
            ExactDuplicates(),
            NearDuplicates(threshold=0.7, keep="first"),
            Lowercase(),
            TrainTokenizer(vocab_size=430),
            WriteShards(split=Split(validation=0.1, test=0.05)),
        ],
        leave_out=("files:reports:3",),
    ).run(tmp_path / "python-run")
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
    result = pipeline.run(tmp_path / "run", listen=lambda event, facts: events.append((event, facts)))
    steps = [facts["title"] for event, facts in events if event == "step"]
    assert steps == [
        "pass 1: candidates",
        "decisions/candidates",
        "pass 2: documents",
        "tokenizer",
        "encode",
        "shards",
    ]
    assert sum(event == "done" for event, _ in events) == result.done
