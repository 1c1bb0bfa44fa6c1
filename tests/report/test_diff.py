"""`corpuskit diff`: exact counts by source and reason, of runs of any size."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit import Files, Pipeline
from corpuskit.build.build import build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.errors import RunError, SettingError
from corpuskit.report import diff as module
from corpuskit.report.diff import STATES, Diff
from corpuskit.storage import spill
from tests.build.tables import digests_of, rows_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, jsonl: Callable[..., None], prose: Any) -> Path:
    """Two runs of two sources, with a document of each kind of change."""
    folder, words = tmp_path_factory.mktemp("diff"), prose(6)
    texts = {f"d{number}": words.text(36) for number in range(12)}
    jsonl(folder / "x.jsonl", [{"id": i, "text": text} for i, text in texts.items()])
    jsonl(folder / "y.jsonl", [{"id": "only", "text": words.text(48)}])
    (folder / "a.yaml").write_text(
        "sources:\n  - files: {path: x.jsonl, label: x}\n  - files: {path: y.jsonl, label: y}\n"
        "stages: [length: {min_words: 2}, exact_duplicates]\n"
        "tokenizer: {vocab_size: 400}\nshards: {split: {validation: 0}}\n"
    )
    build_corpus(load(folder / "a.yaml"), folder / "a")
    changed = dict(texts)
    changed["d1"] = words.text(36)  # another text
    changed["d2"] = "short"  # dropped by a rule
    changed["d3"] = texts["d0"]  # dropped as a copy
    del changed["d4"]  # not read any more
    changed["moved"] = changed.pop("d5")  # another id
    changed["new"] = words.text(24)
    jsonl(folder / "x2.jsonl", [{"id": i, "text": text} for i, text in changed.items()])
    (folder / "b.yaml").write_text(
        (folder / "a.yaml").read_text().replace("x.jsonl", "x2.jsonl")
        + "remove: {listed: ['files:x:d6']}\nmix: {y: 2}\n"
    )
    build_corpus(load(folder / "b.yaml"), folder / "b")
    return folder


def size(run: Path, identity: str) -> int:
    rows = rows_of(run, "documents") + rows_of(run, "planted")
    return len(next(row["text"] for row in rows if row["id"] == identity).encode())


def tokens(run: Path, identity: str) -> int:
    rows = [row for row in rows_of(run, "shards") if row["id"] == identity]
    return sum(row["token_end"] - row["token_start"] for row in rows)


def test_each_document_is_where_it_belongs_with_its_reason(runs: Path) -> None:
    before = digests_of(runs / "a"), digests_of(runs / "b")
    with Diff(runs / "a", runs / "b") as diff:
        listed = {state: list(diff.listed(state)) for state in STATES[1:]}
        found = {state: {(d.id, d.stage, d.reason) for d in listed[state]} for state in listed}
        assert found["removed"] == {
            ("files:x:d2", "length", "too_short"),
            ("files:x:d3", "exact_duplicates", "duplicate"),
            ("files:x:d4", "", "not read"),
            ("files:x:d5", "", "not read"),
            ("files:x:d6", "remove", "removed"),
        }
        assert found["changed"] == {("files:x:d1", "", "another text")}
        assert found["added"] == {
            ("files:x:moved", "", "not read"),
            ("files:x:new", "", "not read"),
            ("files:y:only@2", "planted", "repeated"),
        }
        for each in listed["removed"]:
            assert (each.bytes, each.tokens) == (size(runs / "a", each.id), tokens(runs / "a", each.id))
        for each in listed["added"]:
            assert (each.bytes, each.tokens) == (size(runs / "b", each.id), tokens(runs / "b", each.id))
        [changed] = listed["changed"]
        assert changed.bytes == size(runs / "b", changed.id) - size(runs / "a", changed.id)
        assert changed.tokens == tokens(runs / "b", changed.id) - tokens(runs / "a", changed.id)
        assert {state: diff.total(state).documents for state in STATES} == {
            "same": 7,
            "removed": 5,
            "added": 3,
            "changed": 1,
        }
        assert diff.total("added", "y").documents == 1
        assert diff.total("same", "y").documents == 1
        assert diff.renamed == 1
        one, other = (side.figures for side in diff.sides)
        totals = [diff.total(state) for state in STATES]
        assert sum(each.bytes for each in totals) == other.bytes - one.bytes
        assert sum(each.tokens for each in totals) == other.tokens - one.tokens
    assert (digests_of(runs / "a"), digests_of(runs / "b")) == before


def test_the_other_way_round_added_is_removed(runs: Path) -> None:
    with Diff(runs / "a", runs / "b") as one, Diff(runs / "b", runs / "a") as other:
        for state, turned in (("added", "removed"), ("removed", "added"), ("changed", "changed")):
            here, there = one.total(state), other.total(turned)
            assert (here.documents, here.bytes, here.tokens) == (there.documents, -there.bytes, -there.tokens)
            ids = [{d.id for d in diff.listed(s)} for diff, s in ((one, state), (other, turned))]
            assert ids[0] == ids[1]
        # What B dropped and A has was added because A did not drop it: B's decision says why.
        reasons = {(d.id, d.reason) for d in other.listed("added")}
        assert {("files:x:d2", "too_short"), ("files:x:d6", "removed")} < reasons


def test_a_run_does_not_differ_from_itself(runs: Path) -> None:
    with Diff(runs / "a", runs / "a") as diff:
        assert {state for state in STATES if diff.total(state).documents} == {"same"}
        assert diff.reasons() == []


def test_partitions_change_nothing(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Diff(runs / "a", runs / "b") as diff:
        whole = diff.totals, [list(diff.listed(state)) for state in STATES[1:]], diff.renamed
    monkeypatch.setattr(spill, "PARTITION_ROWS", 3)
    monkeypatch.setattr(module, "_CHUNK", 2)
    with Diff(runs / "a", runs / "b") as diff:
        assert (diff.totals, [list(diff.listed(s)) for s in STATES[1:]], diff.renamed) == whole


@settings(max_examples=15, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["one", "two", "three"]), min_size=1),
    st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["one", "two", "three"]), min_size=1),
)
def test_it_says_what_dictionaries_would(old: dict[str, str], new: dict[str, str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for name, texts in (("old", old), ("new", new)):
            lines = [json.dumps({"id": i, "text": text}) for i, text in texts.items()]
            Path(folder, f"{name}.jsonl").write_text("\n".join(lines) + "\n")
            source = Files(path=f"{folder}/{name}.jsonl", label="x")
            build_corpus(Pipeline([source]), Path(folder, name))
        with Diff(f"{folder}/old", f"{folder}/new") as diff:
            found = {s: sorted(d.id.removeprefix("files:x:") for d in diff.listed(s)) for s in STATES[1:]}
            same = diff.total("same").documents
    assert found["added"] == sorted(new.keys() - old.keys())
    assert found["removed"] == sorted(old.keys() - new.keys())
    assert found["changed"] == sorted(i for i in old.keys() & new.keys() if old[i] != new[i])
    assert same == len([i for i in old.keys() & new.keys() if old[i] == new[i]])


def test_the_command(runs: Path, command: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    said = command("diff", str(runs / "a"), str(runs / "b"))
    lines = [line.split() for line in said.stdout.splitlines()]
    assert ["x", "6", "2", "5", "1"] in [line[:5] for line in lines]
    assert ["removed", "exact_duplicates", "duplicate", "1"] in [line[:4] for line in lines]
    assert "of these, 1 text left one id for another" in said.stdout
    data = json.loads(command("diff", str(runs / "a"), str(runs / "b"), "--json", "--list", "added").stdout)
    assert data["documents"] == {"same": 7, "removed": 5, "added": 3, "changed": 1}
    assert [each["id"] for each in data["listed"]] == ["files:x:moved", "files:x:new", "files:y:only@2"]
    [removed] = [r for r in data["reasons"] if r["reason"] == "removed"]
    assert removed["documents"] == 1
    assert removed["tokens"] < 0
    named = command("diff", str(runs / "a"), str(runs / "b"), "--list", "removed").stdout.splitlines()
    assert named[0].split("\t")[:4] == ["files:x:d2", "x", "length", "too_short"]
    assert len(named) == 5


def test_what_is_no_finished_run(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError):
        Diff(runs / "a", tmp_path)
    with Diff(runs / "a", runs / "b") as diff, pytest.raises(SettingError, match="'gone' is unknown"):
        list(diff.listed("gone"))
