"""Against an earlier build: what it kept goes, it is only read, and ids that meet are told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpuskit.build.build import BuildResult, build_corpus
from corpuskit.build.forecast.dry_run import dry_run
from corpuskit.build.recipe.recipe import load
from corpuskit.errors import RunError, SettingError
from corpuskit.report.check import problems
from corpuskit.run.folder import Run
from corpuskit.stages.dedup.near import shingles
from tests.build.tables import digests_of, ids_of, rows_of

STAGES = (
    "stages: [unicode, whitespace, length: {{min_words: {least}}}, exact_duplicates, near_duplicates: {{}}]\n"
)


def jaccard(one: str, other: str) -> float:
    left, right = shingles(one, 5), shingles(other, 5)
    return len(left & right) / len(left | right)


@pytest.fixture
def recipe(tmp_path: Path, jsonl: Callable[..., None], prose: Any) -> Path:
    """An old corpus, and a new one that holds copies of it, near copies, and ids that it has, too."""
    words = prose(11)
    old = {f"o{number}": words.text(144).strip() for number in range(1, 5)}
    old["o4"] = "caf\u00e9 " + old["o4"]
    old["o5"] = "too short"
    changed = old["o3"].split(" ")
    changed[10::10] = [f"changed{n}" for n in range(len(changed[10::10]))]
    new = {
        "n1": old["o1"],
        "n2": "changed0 " + old["o2"].split(" ", 1)[1],
        "n3": " ".join(changed),
        "n4": "cafe\u0301 " + old["o4"].split(" ", 1)[1],
        "n5": words.text(144).strip(),
        "n7": "too short",
        "o2": words.text(144).strip(),
        "n8": words.text(144).strip(),
    }
    new["n6"] = new["n5"]
    assert jaccard(new["n2"], old["o2"]) > 0.85
    assert jaccard(new["n3"], old["o3"]) < 0.5
    for name, documents, least in (("old", old, 5), ("new", new, 1)):
        rows = [{"id": i, "text": text} for i, text in documents.items()]
        jsonl(tmp_path / f"{name}.jsonl", rows)
        text = f"sources: [files: {{label: x, path: {name}.jsonl}}]\n" + STAGES.format(least=least)
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "new.yaml").write_text((tmp_path / "new.yaml").read_text() + "dedup: {against: old_run}\n")
    build_corpus(load(tmp_path / "old.yaml"), tmp_path / "old_run")
    return tmp_path / "new.yaml"


def build(recipe: Path, out: Path, *overrides: str, **options: Any) -> BuildResult:
    return build_corpus(load(recipe, overrides), out, **options)


def test_what_an_earlier_build_kept_goes_and_names_it(recipe: Path, tmp_path: Path) -> None:
    assert ids_of(tmp_path / "old_run", "documents") == [f"files:x:o{number}" for number in range(1, 5)]
    before = digests_of(tmp_path / "old_run")
    result = build(recipe, tmp_path / "new_run")
    assert digests_of(tmp_path / "old_run") == before
    kept = {i.removeprefix("files:x:") for i in ids_of(tmp_path / "new_run", "documents")}
    assert kept == {"n3", "n5", "n7", "o2", "n8"}
    dropped = {
        r["id"].removeprefix("files:x:"): (r["stage"], r["duplicate_of"])
        for r in rows_of(tmp_path / "new_run", "dropped")
    }
    assert dropped == {
        "n1": ("exact_duplicates", "old_run: files:x:o1"),
        "n2": ("near_duplicates", "old_run: files:x:o2"),
        "n4": ("exact_duplicates", "old_run: files:x:o4"),
        "n6": ("exact_duplicates", "files:x:n5"),
    }
    [told] = [w for w in result.warnings if "unique_id" in w]
    assert "1 documents have ids that an earlier build gave to other texts" in told
    assert "files:x:o2, met in old_run: files:x:o2" in told
    assert list(problems(Run.open_finished(tmp_path / "new_run"))) == []


def test_a_longer_copy_does_not_win_against_an_earlier_document(
    recipe: Path, tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    [text] = [r["text"] for r in rows_of(tmp_path / "old_run", "documents") if r["id"] == "files:x:o1"]
    jsonl(tmp_path / "new.jsonl", [{"id": "n", "text": text + " And more."}, {"id": "m", "text": "Other."}])
    build(recipe, tmp_path / "new_run")
    assert ids_of(tmp_path / "new_run", "documents") == ["files:x:m"]


def test_workers_and_where_the_earlier_build_lies_change_nothing(
    recipe: Path, tmp_path: Path, outputs: Callable[[Path], dict[str, str]]
) -> None:
    build(recipe, tmp_path / "one")
    build(recipe, tmp_path / "two", workers=2)
    (tmp_path / "elsewhere").mkdir()
    shutil.copytree(tmp_path / "old_run", tmp_path / "elsewhere" / "old_run")
    moved = f"dedup.against={tmp_path / 'elsewhere' / 'old_run'}"
    build(recipe, tmp_path / "three", moved)
    assert outputs(tmp_path / "one") == outputs(tmp_path / "two") == outputs(tmp_path / "three")
    assert not [
        p for p in outputs(tmp_path / "one") if str(tmp_path) in (tmp_path / "one" / p).read_text("latin1")
    ]
    assert build(recipe, tmp_path / "one", moved).done == 0
    assert dry_run(load(recipe).pipeline, tmp_path / "one")["later"] == []


def test_another_earlier_build_redoes_decisions_and_reads_no_source(recipe: Path, tmp_path: Path) -> None:
    build(recipe, tmp_path / "run")
    build(tmp_path / "old.yaml", tmp_path / "old_run", "remove={listed: ['files:x:o1']}")
    steps: list[str] = []

    def listen(event: str, facts: Any) -> None:
        if event == "done":
            steps.append(facts["title"])

    build(recipe, tmp_path / "run", listen=listen)
    assert steps == ["earlier builds/candidates", "decisions/candidates", "pass 2: documents"]
    assert "files:x:n1" in ids_of(tmp_path / "run", "documents")
    # And without any it is the build that it was before.
    build(recipe, tmp_path / "run", "dedup={}")
    assert "files:x:n4" in ids_of(tmp_path / "run", "documents")
    assert not list((tmp_path / "run/scans").glob("*-earlier"))


def unfinished(run: Path) -> None:
    (run / "ledger.json").unlink()


def other_format(run: Path) -> None:
    (run / "run.json").write_text(json.dumps({"format": 99}))


def lacking(run: Path) -> None:
    next((run / "documents").glob("*.parquet")).unlink()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (shutil.rmtree, "old_run"),
        (unfinished, "not finished"),
        (other_format, "format 99"),
        (lacking, "damaged"),
    ],
)
def test_a_run_that_cannot_be_compared_with_is_an_error_before_the_first_document(
    change: Callable[[Path], None], words: str, recipe: Path, tmp_path: Path
) -> None:
    change(tmp_path / "old_run")
    with pytest.raises(RunError, match=words) as caught:
        build(recipe, tmp_path / "new_run")
    assert caught.value.remedy
    assert not (tmp_path / "new_run").exists()


def test_a_damaged_earlier_document_is_never_compared_with(recipe: Path, tmp_path: Path) -> None:
    [table] = (tmp_path / "old_run/documents").glob("*.parquet")
    data = bytearray(table.read_bytes())
    data[len(data) // 2] ^= 1
    table.write_bytes(bytes(data))
    with pytest.raises(RunError, match="is damaged"):
        build(recipe, tmp_path / "new_run")


def test_calls_that_are_wrong(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"dedup\.against reads"):
        build(recipe, tmp_path / "old_run")
    with pytest.raises(SettingError, match="no stage that compares texts"):
        load(recipe, ["stages=[unicode]"])
    with pytest.raises(SettingError, match="unknown setting 'agains'") as caught:
        load(recipe, ["dedup={agains: x}"])
    assert "'against'" in caught.value.remedy
    (tmp_path / "elsewhere").mkdir()
    shutil.copytree(tmp_path / "old_run", tmp_path / "elsewhere" / "old_run")
    both = f"dedup={{against: [{tmp_path}/old_run, {tmp_path}/elsewhere/old_run]}}"
    with pytest.raises(SettingError, match="have the same name, 'old_run'"):
        build(recipe, tmp_path / "new_run", both)


def test_a_document_goes_for_the_first_of_several_earlier_builds(recipe: Path, tmp_path: Path) -> None:
    build(tmp_path / "old.yaml", tmp_path / "b_run", "remove={listed: ['files:x:o1']}")
    both = f"dedup={{against: [{tmp_path}/b_run, {tmp_path}/old_run]}}"
    build(recipe, tmp_path / "new_run", both)
    gone = {r["id"]: r["duplicate_of"] for r in rows_of(tmp_path / "new_run", "dropped")}
    assert gone["files:x:n1"] == "old_run: files:x:o1"
    assert gone["files:x:n4"] == "b_run: files:x:o4"
