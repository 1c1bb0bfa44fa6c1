"""Taking down: a line is one id whatever stands in it, unknown ones are all named, sources are not read."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpuskit import Files, Pipeline
from corpuskit.build.build import BuildResult, build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.errors import InputError, SettingError
from corpuskit.stages.dedup.remove import Removal
from tests.build.tables import ids_of, rows_of

IDS = [
    *("plain", "with space", "tab\there", "comma,id", 'quote"d', "caf\u00e9", "50%25"),
    *("#7", "a:b:c", "UPPER", "upper", "trailing", "007", "dup"),
]

LIST = (
    "\ufefffiles:x:plain\r\nfiles:x:with space\r\nfiles:x:comma,id\r\nfiles:x:caf\u00e9\r\nfiles:x:50%25\r\n"
    "files:x:#7\r\nfiles:x:a:b:c\r\nfiles:x:upper \r\n\r\nfiles:x:7\r\nfiles:x:nobody\r\n"
    "files:x:cafe\u0301_2\r\nfiles:x:dup\r\nfiles:x:dup\r\n"
)

GONE = {"plain", "with space", "comma,id", "caf\u00e9", "50%25", "#7", "a:b:c", "upper", "dup"}


@pytest.fixture
def recipe(tmp_path: Path, jsonl: Callable[..., None], prose: Any) -> Path:
    """14 documents with odd ids, and a list that names some of them and others."""
    words = prose(4)
    jsonl(tmp_path / "in.jsonl", [{"id": identity, "text": words.text(24)} for identity in IDS])
    (tmp_path / "ids.txt").write_bytes(LIST.encode())
    (tmp_path / "recipe.yaml").write_text(
        "sources: [files: {label: x, path: in.jsonl}]\nstages: [unicode, whitespace]\n"
    )
    return tmp_path / "recipe.yaml"


def build(recipe: Path, out: Path, *overrides: str, **options: Any) -> BuildResult:
    return build_corpus(load(recipe, overrides), out, **options)


def test_ids_with_odd_characters_go_and_unknown_ones_are_all_named(recipe: Path, tmp_path: Path) -> None:
    result = build(recipe, tmp_path / "run", f"remove={tmp_path / 'ids.txt'}")
    dropped = rows_of(tmp_path / "run", "dropped")
    assert {row["id"].removeprefix("files:x:") for row in dropped} == GONE
    assert {(row["stage"], row["reason"]) for row in dropped} == {("remove", "removed")}
    assert len(ids_of(tmp_path / "run", "documents")) == 5
    assert result.ledger.entries["remove decided"].documents_dropped == {"removed": 9}
    [told] = [w for w in result.warnings if w.startswith("remove: listed")]
    assert told == (
        "remove: listed, and no document has it: 3: 'files:x:7', 'files:x:cafe\u0301_2', 'files:x:nobody'"
    )


def test_an_id_without_its_source_is_told(recipe: Path, tmp_path: Path) -> None:
    result = build(recipe, tmp_path / "run", "remove={listed: [plain]}")
    [told] = [w for w in result.warnings if w.startswith("remove: listed")]
    assert told == (
        "remove: listed, and no document has it: 1: 'plain'. Ids begin with their source, as 'files:x:plain' "
        "does and 'plain' does not"
    )


def test_an_unknown_id_can_be_an_error(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no document has it: 3: 'files:x:7'") as caught:
        build(recipe, tmp_path / "run", f"remove={{ids: {tmp_path / 'ids.txt'}, unknown: refuse}}")
    assert "unknown: warn" in caught.value.remedy


@pytest.mark.parametrize(
    "form", ["{path}", "[{path}]", "{{hashes: {path}}}", "{{ids: [], hashes: [{path}]}}"]
)
def test_a_text_goes_by_its_sha256(form: str, recipe: Path, tmp_path: Path) -> None:
    build(recipe, tmp_path / "plain")
    [text] = [r["text"] for r in rows_of(tmp_path / "plain", "documents") if r["id"] == "files:x:007"]
    digest = hashlib.sha256(text.encode()).hexdigest()
    (tmp_path / "hash.txt").write_text(digest.upper() + "\n")
    result = build(recipe, tmp_path / "run", f"remove={form.format(path=tmp_path / 'hash.txt')}")
    assert ids_of(tmp_path / "run", "dropped") == ["files:x:007"]
    assert not any(w.startswith("remove: listed") for w in result.warnings)
    (tmp_path / "hash.txt").write_text("0" * 64 + "\n")
    result = build(recipe, tmp_path / "run", f"remove={form.format(path=tmp_path / 'hash.txt')}")
    assert f"no document has it: 1: '{'0' * 64}'" in result.warnings[0]


def test_a_second_build_redoes_decisions_and_reads_no_source(
    recipe: Path, tmp_path: Path, outputs: Callable[[Path], dict[str, str]]
) -> None:
    build(recipe, tmp_path / "run")
    steps: list[str] = []

    def listen(event: str, facts: Any) -> None:
        if event == "done":
            steps.append(facts["title"])

    removed = f"remove={tmp_path / 'ids.txt'}"
    build(recipe, tmp_path / "run", removed, listen=listen)
    assert steps == ["decisions/candidates", "pass 2: documents"]
    build(recipe, tmp_path / "fresh", removed)
    assert outputs(tmp_path / "run") == outputs(tmp_path / "fresh")
    # The same ids in another order and form are the same decision; where the list lies is told nowhere.
    steps.clear()
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "o.txt").write_text("\n".join(sorted(set(LIST[1:].split("\r\n")), reverse=True)))
    build(recipe, tmp_path / "run", f"remove={tmp_path / 'again' / 'o.txt'}", listen=listen)
    assert steps == []
    texts = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.suffix in (".json", ".yaml")]
    kept = [text for text in texts if b"nobody" in text]
    assert not kept or all(b"logs" not in text for text in kept)


def test_a_list_of_a_hundred_thousand_ids_is_quick_and_no_part_of_a_fingerprint(
    recipe: Path, tmp_path: Path
) -> None:
    (tmp_path / "ids.txt").write_text("".join(f"files:x:{number}\n" for number in range(100_000)) + LIST[1:])
    started = time.perf_counter()
    result = build(recipe, tmp_path / "run", f"remove={tmp_path / 'ids.txt'}")
    assert time.perf_counter() - started < 20
    assert len(ids_of(tmp_path / "run", "documents")) == 5
    assert "no document has it: 100002: " in result.warnings[0]
    record = tmp_path / "run/manifest/decisions/candidates.json"
    assert record.stat().st_size < 10_000
    assert (tmp_path / "run/recipe.yaml").stat().st_size < 10_000
    assert "100011 lines, sha256 " in (tmp_path / "run/recipe.yaml").read_text()


def test_lists_are_found_beside_the_recipe_and_on_the_command_line_where_one_stands(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe.write_text(recipe.read_text() + "remove: {ids: [ids.txt]}\n")
    assert len(load(recipe).pipeline.removed.ids) == 12
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "one.txt").write_text("files:x:007\n")
    monkeypatch.chdir(tmp_path / "here")
    assert load(recipe, ["remove=one.txt"]).pipeline.removed.ids == ("files:x:007",)
    assert load(recipe, ["remove.ids=[one.txt]"]).pipeline.removed.ids == ("files:x:007",)


@pytest.mark.parametrize(
    ("written", "words", "remedy"),
    [
        ("remove: none.txt", "none.txt is not there", "path"),
        ("remove: utf16.txt", "utf16.txt: 'utf-8' codec", "UTF-8"),
        ("remove: {hashes: ids.txt}", "'files:x:plain' is no sha256", "ids"),
        ("remove: {id: ids.txt}", "unknown setting 'id'", "'ids'"),
        ("remove: 7", "is no mapping", ""),
        ("remove: {unknown: skip}", "remove.unknown: 'skip'", ""),
    ],
)
def test_what_is_no_list_is_an_error_with_its_line(
    written: str, words: str, remedy: str, recipe: Path, tmp_path: Path
) -> None:
    (tmp_path / "utf16.txt").write_bytes("files:x:plain\n".encode("utf-16"))
    recipe.write_text(recipe.read_text() + written + "\n")
    with pytest.raises(SettingError) as caught:
        load(recipe)
    assert "line 3: " in caught.value.message
    assert words in caught.value.message
    assert remedy in caught.value.remedy


def test_in_python_ids_are_given_as_they_are(recipe: Path, tmp_path: Path) -> None:
    source = Files(path=str(tmp_path / "in.jsonl"), label="x")
    build_corpus(Pipeline([source], remove=["files:x:#7"]), tmp_path / "one")
    build_corpus(Pipeline([source], remove=Removal(listed=("files:x:#7",))), tmp_path / "two")
    assert ids_of(tmp_path / "one", "dropped") == ids_of(tmp_path / "two", "dropped") == ["files:x:#7"]
