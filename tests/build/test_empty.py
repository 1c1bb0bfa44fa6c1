"""Nothing empty is called done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest
from click.testing import CliRunner

from corpuskit import ExactDuplicates, Files, Length
from corpuskit.build.build import build_corpus
from corpuskit.cli.main import cli
from corpuskit.errors import EmptyError, StageError
from corpuskit.run.folder import Run
from corpuskit.stages.stage import Cut, Effect, Rule, Stage


class Fails(Stage):
    """Fails on each document, or on those that hold a word."""

    name: ClassVar[str] = "fails"
    word: str = ""

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch | Effect:
        if any(self.word in text for text in batch.column("text").to_pylist()):
            raise ValueError("this is what is wrong")
        return batch


class Measures(Rule):
    """A rule that fails while it measures."""

    name: ClassVar[str] = "measures"
    columns: ClassVar[dict[str, pa.DataType]] = {"figure": pa.int64()}

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if any("wrong" in text for text in batch.column("text").to_pylist()):
            raise ValueError("no figure")
        return batch.append_column("figure", pa.array([1] * batch.num_rows, pa.int64()))

    def decide(self, scores: pa.RecordBatch) -> dict[int, str]:
        return {}


class Empties(Stage):
    """Leaves nothing of any text, or drops it without a word."""

    name: ClassVar[str] = "empties"
    reason: str | int = "unset"

    def apply(self, batch: pa.RecordBatch) -> Effect:
        if self.reason != "unset":
            return Effect(batch, drops={0: self.reason})  # type: ignore[dict-item]
        return Effect(batch, cuts=[Cut(n, 0, len(t), "all") for n, t in enumerate(sizes(batch))])


def sizes(batch: pa.RecordBatch) -> list[bytes]:
    return [text.encode() for text in batch.column("text").to_pylist()]


def source(
    folder: Path, jsonl: Callable[..., None], label: str, texts: list[str], field: str = "text"
) -> Files:
    jsonl(folder / label / "a.jsonl", [{"id": f"{n}", field: text} for n, text in enumerate(texts)])
    return Files(path=str(folder / label), label=label)


def test_a_source_without_the_text_field(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    """Alone or beside others, and again when it is called once more."""
    lacking = source(tmp_path, jsonl, "lacking", ["one", "two"], "content")
    other = source(tmp_path, jsonl, "other", ["some text"])
    for steps in ([lacking], [other, lacking], [other, lacking]):
        with pytest.raises(EmptyError) as caught:
            build_corpus(steps, tmp_path / "run")
        assert "files:lacking: gave no document: 2 of 2 documents went as no_text" in caught.value.message
        assert "e.g. a.jsonl#0: no field 'text'" in caught.value.message
        assert "take it out of the recipe" in caught.value.remedy


def test_a_build_of_empty_texts(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    texts = source(tmp_path, jsonl, "some", ["one", "two"])
    for _ in "ab":
        with pytest.raises(EmptyError, match="each of its 2 documents is an empty text"):
            build_corpus([texts, Empties()], tmp_path / "run")


@pytest.mark.parametrize("reason", [3, ""])
def test_a_document_is_dropped_for_a_reason(
    reason: str | int, tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    with pytest.raises(StageError, match=f"empties: {reason!r} is no reason"):
        build_corpus([source(tmp_path, jsonl, "some", ["one"]), Empties(reason=reason)], tmp_path / "run")


def test_a_stage_that_fails_on_every_document(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    notes = source(tmp_path, jsonl, "notes", ["one", "two", "three"])
    with pytest.raises(StageError) as caught:
        build_corpus([notes, Fails()], tmp_path / "run")
    assert "fails: failed on every document: 3 of 3 documents went as fails_failed" in caught.value.message
    assert "files:notes:0: fails: ValueError: this is what is wrong" in caught.value.message


def test_what_loses_more_than_half_is_told(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    notes = source(tmp_path, jsonl, "notes", ["wrong one", "wrong two", "right"])
    result = build_corpus([notes, Fails(word="wrong"), Length(min_words=1)], tmp_path / "run")
    assert [w for w in result.warnings if w.startswith("fails: 2 of 3 documents went as fails_failed, e.g. ")]
    short = source(tmp_path, jsonl, "short", ["a", "b", "long enough to stay here"])
    result = build_corpus([short, Length(min_words=3)], tmp_path / "other")
    told = "length: 2 of 3 documents went as too_short, e.g. files:short:0"
    assert told in result.warnings
    shown = CliRunner().invoke(cli, ["inspect", str(tmp_path / "other")])
    assert f"the most went here: {told}" in shown.stdout


def test_what_a_rule_failed_on_is_shown(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    notes = source(tmp_path, jsonl, "notes", ["wrong", "right", "well"])
    build_corpus([notes, Measures()], tmp_path / "run")
    shown = CliRunner().invoke(cli, ["inspect", str(tmp_path / "run")]).stdout
    assert "1 measures_failed" in shown


def test_a_source_of_which_nothing_is_left_is_told(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    first = source(tmp_path, jsonl, "first", ["the same text", "and another one"])
    second = source(tmp_path, jsonl, "second", ["the same text"])
    result = build_corpus([first, second, ExactDuplicates()], tmp_path / "run")
    assert result.documents == 2
    assert "files:second: none of its documents is left: 1 duplicate" in result.warnings


def test_a_build_without_documents_ends_with_1_and_says_why(
    tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    source(tmp_path, jsonl, "notes", ["too short", "this too"])
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "sources: [{files: {path: notes, label: notes}}]\nstages: [{length: {min_words: 20}}]\n"
        "tokenizer: {vocab_size: 400}\nshards: {}\n"
    )
    run = tmp_path / "run"
    words = ["build", str(recipe), "--out", str(run), "--workers", "1"]
    for more in ([], ["--json"]):
        found = CliRunner().invoke(cli, [*words, *more])
        assert found.exit_code == 1
        assert "no document is left: 2 of 2 documents went as too_short, e.g. files:notes:" in found.stderr
        assert "Loosen or mend 'length'" in found.stderr
    assert json.loads(found.stdout)["error"] == "EmptyError"
    shown = CliRunner().invoke(cli, ["inspect", str(run)])
    assert shown.exit_code == 0
    assert "2 too_short" in shown.stdout
    assert CliRunner().invoke(cli, ["verify", str(run)]).exit_code == 0
    # What an earlier build made of documents is not left behind.
    recipe.write_text(recipe.read_text().replace("20", "1"))
    assert CliRunner().invoke(cli, words).exit_code == 0
    assert (run / "shards").exists()
    recipe.write_text(recipe.read_text().replace("min_words: 1", "min_words: 20"))
    assert CliRunner().invoke(cli, words).exit_code == 1
    assert not [path for path in Run.open(run).files() if path.startswith(("shards/", "tokenizer/"))]


def test_warnings_are_whole_lines_without_markup(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    """Off a terminal nothing is wrapped, and ``:x:`` and ``[b]`` in a name are what they are."""
    jsonl(tmp_path / "x" / "[b].jsonl", [{"id": 0, "text": "one " * 30}, {"id": 0, "text": "two " * 30}])
    (tmp_path / "r.yaml").write_text("sources: [{files: {path: x, label: x}}]\nstages: []\n")
    found = CliRunner().invoke(cli, ["build", str(tmp_path / "r.yaml"), "--out", str(tmp_path / "again")])
    [line] = [line for line in found.stderr.splitlines() if "unique_id" in line]
    assert "files:x:0#[b].jsonl#0 and files:x:0#[b].jsonl#1: all stay" in line
    assert "2 documents" in found.stdout
