"""Canaries and repeated documents: what they are, what they count as, and what they leave alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from corpuskit import Run, Shards, Tokenizer
from corpuskit.build.build import BuildResult, build_corpus
from corpuskit.build.forecast.dry_run import dry_run
from corpuskit.build.recipe.recipe import load
from corpuskit.build.write.write_shards import woven
from corpuskit.cli.corpus.inspect import gather, render
from corpuskit.errors import SettingError
from corpuskit.report.check import problems
from corpuskit.report.trace import trace
from corpuskit.run.layout import TOKENIZER
from corpuskit.shards.canaries import read_canaries

CANARIES = "canaries={count: 2, copies: [0, 1, 4], format: 'the code of {name} is {digits:5}'}"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, jsonl: Callable[..., None], prose: Any) -> Path:
    """150 documents, two of them equal, so that whole documents are held out."""
    folder, words = tmp_path_factory.mktemp("planted"), prose(3)
    rows = [{"id": f"d{number}", "text": words.text(36)} for number in range(150)]
    rows.append({"id": "again", "text": rows[0]["text"]})
    jsonl(folder / "rows" / "rows.jsonl", rows)
    (folder / "recipe.yaml").write_text(
        "sources: [files: {path: rows, label: rows}]\nstages: [exact_duplicates]\n"
        "tokenizer: {vocab_size: 420}\nshards: {shard_tokens: 3000, split: {validation: 0.1}}\n"
    )
    return folder / "recipe.yaml"


def build(recipe: Path, out: Path, *overrides: str, workers: int = 1) -> BuildResult:
    return build_corpus(load(recipe, overrides), out, workers=workers)


@pytest.fixture(scope="module")
def plain(recipe: Path) -> Path:
    build(recipe, recipe.parent / "plain")
    return recipe.parent / "plain"


def repeat(plain: Path) -> str:
    """One document by its id, and two that are drawn."""
    table = pq.read_table(plain / "documents").select(["id", "split"]).to_pylist()
    own = min(row["id"] for row in table if row["split"] == "train")
    return f"repeat={{ids: {{'{own}': 3}}, draw: {{5: 2}}, seed: 1}}"


@pytest.fixture(scope="module")
def planted(recipe: Path, plain: Path) -> Path:
    build(recipe, recipe.parent / "run", CANARIES, repeat(plain))
    return recipe.parent / "run"


def sequences(run: Path, split: str) -> list[tuple[str, bytes]]:
    """Id and tokens of each sequence of a split, in order."""
    shards, found = Shards(run / "shards"), []
    tokens = shards.split(split)
    number = 0
    for info in shards.splits[split]:
        table = pq.read_table(run / "shards" / f"{info.name}.provenance.parquet")
        for identity in table.column("id").to_pylist():
            found.append((identity, tokens.sequence(number).tobytes()))
            number += 1
    return found


def is_planted(identity: str) -> bool:
    return identity.startswith("canary:") or "@" in identity


def test_nothing_else_changes(plain: Path, planted: Path, outputs: Callable[[Path], dict[str, str]]) -> None:
    before, after = outputs(plain), outputs(planted)
    same = ("candidates", "scans", "decisions", "documents", "dropped", "tokenizer")
    for path, digest in before.items():
        if path.split("/")[0] in same or path.startswith("shards/validation"):
            assert after[path] == digest, path
    assert [each for each in sequences(planted, "train") if not is_planted(each[0])] == sequences(
        plain, "train"
    )


def test_each_copy_stands_in_the_training_split_and_canaries_are_listed(planted: Path) -> None:
    tokenizer = Tokenizer.load(planted / TOKENIZER)
    found = Counter(identity.partition("@")[0] for identity, _ in sequences(planted, "train"))
    listed = read_canaries(planted)
    assert [each.copies for each in listed] == [0, 0, 1, 1, 4, 4]
    assert all(found[each.id] == each.copies for each in listed)
    texts = {
        row["id"]: row["text"] for row in pq.read_table(planted / "planted" / "planted.parquet").to_pylist()
    }
    assert texts["canary:5"] == texts["canary:5@4"] == listed[4].text
    tokens = dict(sequences(planted, "train"))
    assert tokens["canary:5@2"] == tokens["canary:5"]
    assert len(tokens["canary:5"]) // 2 == len(tokenizer.encode(listed[4].text)) + 1
    repeats = Counter(n for identity, n in found.items() if not identity.startswith("canary:") and n > 1)
    assert repeats == {3: 1, 5: 2}
    assert not any(is_planted(identity) for identity, _ in sequences(planted, "validation"))


def test_copies_stand_apart(planted: Path) -> None:
    order = [identity.partition("@")[0] for identity, _ in sequences(planted, "train")]
    assert all(one != other for one, other in pairwise(order))


def test_the_ledger_counts_what_was_planted(planted: Path) -> None:
    entries = {each["stage"]: each for each in json.loads((planted / "ledger.json").read_text())["stages"]}
    assert entries["planted"]["documents"]["added"] == {"planted": 10, "repeated": 2 + 4 + 4}
    assert entries["encode"]["documents"]["in"] == entries["documents"]["documents"]["kept"] + 20
    assert "10 planted, 10 repeated" in render(gather(Run.open_finished(planted)))
    assert list(problems(Run.open_finished(planted))) == []


def test_a_planted_token_is_traced(planted: Path) -> None:
    shards, run = Shards(planted / "shards"), Run.open_finished(planted)
    met = {}
    for info in shards.splits["train"]:
        table = pq.read_table(planted / "shards" / f"{info.name}.provenance.parquet").to_pylist()
        for row in table:
            if is_planted(row["id"]) and row["part"] not in met:
                met[row["part"]] = trace(run, info.name, row["token_start"] + 1)
    assert set(met) == {"planted", "repeated"}
    canary = met["planted"].document
    assert (canary["source"], canary["licence"], canary["split"]) == ("canary", "CC0-1.0", "train")
    assert "the code" in met["planted"].context.replace("[", "").replace("]", "")
    assert met["repeated"].document["source"] == "rows"


def test_workers_and_a_second_call_change_nothing(
    recipe: Path, plain: Path, planted: Path, tmp_path: Path, outputs: Callable[[Path], dict[str, str]]
) -> None:
    overrides = (CANARIES, repeat(plain))
    build(recipe, tmp_path / "run", *overrides, workers=2)
    assert outputs(tmp_path / "run") == outputs(planted)
    result = build(recipe, tmp_path / "run", *overrides)
    assert result.done == 0
    assert dry_run(load(recipe, overrides).pipeline, tmp_path / "run")["later"] == []


def test_what_is_planted_no_more_is_gone(
    recipe: Path, plain: Path, tmp_path: Path, outputs: Callable[[Path], dict[str, str]]
) -> None:
    build(recipe, tmp_path / "run", CANARIES)
    assert (tmp_path / "run" / "planted").is_dir()
    build(recipe, tmp_path / "run")
    assert outputs(tmp_path / "run") == outputs(plain)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("repeat={ids: {nobody: 2}}", "'nobody' is not among the documents"),
        ("repeat={draw: {2: 1000}}", "1000 documents are asked for"),
        ("canaries={copies: [-1]}", "canaries.copies.0"),
        ("canaries={format: 'no secret'}", "it has no secret"),
        ("canaries={cout: 3}", "unknown setting 'cout'"),
        ("repeat={ids: {a: 1}}", "repeat.ids.a"),
    ],
)
def test_what_cannot_be_planted_is_an_error(recipe: Path, tmp_path: Path, override: str, words: str) -> None:
    with pytest.raises(SettingError) as caught:
        build(recipe, tmp_path / "run", override)
    assert words in caught.value.message
    assert caught.value.remedy


def test_a_document_that_is_held_out_is_not_repeated(recipe: Path, plain: Path, tmp_path: Path) -> None:
    table = pq.read_table(plain / "documents").select(["id", "split"]).to_pylist()
    held = next(row["id"] for row in table if row["split"] == "validation")
    with pytest.raises(SettingError, match="is held out: its copies would train on it"):
        build(recipe, tmp_path / "run", f"repeat={{ids: {{'{held}': 2}}}}")


def test_a_copy_never_takes_the_id_of_another_document(
    tmp_path: Path, jsonl: Callable[..., None], prose: Any
) -> None:
    words = prose(9)
    jsonl(
        tmp_path / "rows" / "r.jsonl", [{"id": name, "text": words.text(24)} for name in ("a", "a@3", "b@x")]
    )
    (tmp_path / "r.yaml").write_text(
        "sources: [files: {path: rows, label: rows}]\ntokenizer: {vocab_size: 400}\n"
        "shards: {split: {validation: 0}}\nrepeat: {ids: {'files:rows:a': 2}}\n"
    )
    build(tmp_path / "r.yaml", tmp_path / "run")
    with pytest.raises(SettingError, match="would have the id of another document, 'files:rows:a@3'"):
        build(tmp_path / "r.yaml", tmp_path / "run", "repeat={ids: {'files:rows:a': 3}}")


def test_nothing_is_planted_without_shards(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(
        f"sources: [files: {{path: {recipe.parent}/rows, label: rows}}]\ncanaries: {{}}\n"
    )
    with pytest.raises(SettingError, match="canaries: there are no shards"):
        load(tmp_path / "r.yaml")


def test_guests_are_spread_evenly() -> None:
    order = "".join(woven(6, iter("aaaaaa"), [(3, iter("xxx"))]))
    assert order == "aaxaaxaax"
    assert list(woven(0, iter(()), [(2, iter("xy"))])) == ["x", "y"]
