"""Texts of an evaluation are found in documents however they are written, and each hit is named."""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpuskit import Files, build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.errors import CorpuskitError, InputError, SettingError
from corpuskit.stages.dedup.decontaminate import Decontaminate, read_items
from tests.stages.dedup.conftest import Built, bare

ITEMS = {
    "q1": "A ferryman has thirteen ropes and all but four are wet; how many dry ropes has he then?",
    "q2": "Which river is the longest of all?",
    "q3": "The clockmaker's café-théâtre opened when the sixth bell struck the hour just as the others did.",
    "q4": "In which month did the old stone tower over the green valley burn down after a storm in summer?",
    "q5": "Explain why the clay pot turns hard when a hot fire burns around its whole body for hours.",
    "q6": "Name the fish that swims up the stream in late autumn to the ponds in the hills.",
}
ROPES = "a FERRYMAN has thirteen ropes, and all but four are wet - how many dry ropes has he then?"
CLOCKS = ITEMS["q3"][0].lower() + ITEMS["q3"][1:].replace("'", "’")
TOWER = "in which month did the\nold stone tower over\nthe green valley burn\ndown after a storm\nin summer"
DOCUMENTS = [
    ("clean", "The market was full of ropes on that day and nobody thought of towers or fish."),
    ("exact", f"Riddle for today: {ROPES} Tell us."),
    ("short", "Which river is the longest of all? asked the child, and nobody knew."),
    ("accents", unicodedata.normalize("NFD", f"She wrote: {CLOCKS} So she said.")),
    ("wrapped", f"{TOWER} they ask"),
    ("twelve", "Explain why the clay pot turns hard when a hot fire smokes below another pan."),
    ("half1", "Name the fish that swims up the stream in"),
    ("half2", "late autumn to the ponds in the hills."),
]


@pytest.fixture
def items(tmp_path: Path) -> Path:
    path = tmp_path / "exam.jsonl"
    lines = [json.dumps({"id": name, "text": text}) for name, text in ITEMS.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def hits(found: Built) -> list[tuple[Any, ...]]:
    rows = found.table("contamination")
    return [(bare(r["id"]), r["set"], r["item"], r["words"], r["item_words"], r["first_word"]) for r in rows]


def test_hits_are_named_with_document_item_words_and_place(built: Callable[..., Built], items: Path) -> None:
    found = built(Decontaminate(against=str(items)), DOCUMENTS)
    assert hits(found) == [
        ("exact", "exam.jsonl", "q1", 18, 18, 3),
        ("accents", "exam.jsonl", "q3", 17, 17, 2),
        ("wrapped", "exam.jsonl", "q4", 19, 19, 0),
    ]
    assert {row["id"]: row["reason"] for row in found.dropped} == dict.fromkeys(
        ["exact", "accents", "wrapped"], "contaminated"
    )
    assert list(found.texts) == ["clean", "short", "twelve", "half1", "half2"]
    by_name = dict(DOCUMENTS)
    places = {bare(row["id"]): (row["start"], row["end"]) for row in found.table("contamination")}
    start, end = places["exact"]
    assert by_name["exact"].encode()[start:end].decode().startswith("a FERRYMAN")
    assert by_name["exact"].encode()[start:end].decode().endswith("he then")
    # Six items are read, one is too short: told, and not looked for.
    told = {
        row["item"]: (row["words"], row["sought"], row["documents"])
        for row in found.table("contamination_items")
    }
    assert told["q2"] == (7, "too short", 0)
    assert [sought for _, sought, _ in told.values()].count("n-grams") == 5
    assert [documents for _, _, documents in told.values()] == [1, 0, 1, 1, 0, 0]
    [warning] = found.result.warnings
    assert "too short for 13 words: 1 item of 6, e.g. q2" in warning


def test_short_items_are_looked_for_whole_where_that_is_asked(
    built: Callable[..., Built], items: Path
) -> None:
    found = built(Decontaminate(against=(str(items),), shortest=5), DOCUMENTS)
    assert ("short", "exam.jsonl", "q2", 7, 7, 0) in hits(found)
    assert found.result.warnings == ()
    [q2] = [row for row in found.table("contamination_items") if row["item"] == "q2"]
    assert (q2["sought"], q2["documents"]) == ("whole", 1)


def test_shared_words_are_cut_and_no_more(built: Callable[..., Built], items: Path) -> None:
    found = built(Decontaminate(against=str(items), action="cut"), [*DOCUMENTS, ("whole", ITEMS["q5"][:-1])])
    assert found.texts["exact"] == "Riddle for today: ? Tell us."
    assert found.texts["wrapped"] == "they ask"
    assert unicodedata.normalize("NFC", found.texts["accents"]) == "She wrote: . So she said."
    assert [(row["id"], row["reason"]) for row in found.dropped] == [("whole", "only_contaminations")]
    entry = found.entry("decontaminate decided")["bytes"]
    assert entry["cut"] == {"contamination": sum(len(row["text"].encode()) for row in found.cuts)}


def test_another_action_needs_no_other_pass(tmp_path: Path, items: Path) -> None:
    rows = [json.dumps({"id": name, "text": text}) for name, text in DOCUMENTS]
    (tmp_path / "in.jsonl").write_text("\n".join(rows), encoding="utf-8")
    source = Files(path=str(tmp_path / "in.jsonl"), label="x")
    first = build_corpus([source, Decontaminate(against=str(items))], tmp_path / "run")
    second = build_corpus([source, Decontaminate(against=str(items), action="cut")], tmp_path / "run")
    assert (first.done, second.skipped) == (3, 1)
    # Other items do.
    items.write_text(items.read_text() + '\n{"id": "q7", "text": "one more"}', encoding="utf-8")
    third = build_corpus([source, Decontaminate(against=str(items), action="cut")], tmp_path / "run")
    assert (third.done, third.skipped) == (2, 1)  # What was decided is the same, and so are the documents.


def test_items_of_any_table_and_of_several_fields(tmp_path: Path) -> None:
    rows = [{"question": "How so?", "answer": "Because."}, {"question": "And why?", "answer": None}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["question", "answer"])
        writer.writeheader()
        writer.writerows(rows)
    for name in ("a.parquet", "a.csv"):
        found = list(read_items(str(tmp_path / name)))
        assert [(item.name, item.text) for item in found] == [
            (f"{name}#0", "How so?"),
            (f"{name}#1", "And why?"),
        ]
    both = list(read_items(str(tmp_path / "a.parquet"), ("question", "answer")))
    assert [item.name for item in both] == [
        "a.parquet#0.question",
        "a.parquet#0.answer",
        "a.parquet#1.question",
    ]
    (tmp_path / "b.jsonl").write_text('{"id": 4, "prompt": "P", "choices": ["one", "two"]}\n')
    assert [(i.name, i.text) for i in read_items(str(tmp_path / "b.jsonl"), ("prompt", "choices"))] == [
        ("4.prompt", "P"),
        ("4.choices", "one\ntwo"),
    ]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Hills.")
    source = Files(path=str(tmp_path), label="x")
    with pytest.raises(InputError, match=r"none\.jsonl: cannot be read"):
        build_corpus([source, Decontaminate(against=str(tmp_path / "none.jsonl"))], tmp_path.parent / "run")
    assert not (tmp_path.parent / "run").exists()
    (tmp_path / "odd.jsonl").write_text('{"body": "x"}\n')
    with pytest.raises(InputError, match=r"odd\.jsonl: none of its fields"):
        list(read_items(str(tmp_path / "odd.jsonl")))
    (tmp_path / "broken.jsonl").write_text('{"text": "x"}\n{"text": \n')
    with pytest.raises(InputError, match=r"broken\.jsonl"):
        list(read_items(str(tmp_path / "broken.jsonl")))
    (tmp_path / "items.pdf").write_text("x")
    with pytest.raises(CorpuskitError, match=r"items\.pdf"):
        list(read_items(str(tmp_path / "items.pdf")))
    with pytest.raises(SettingError, match="against"):
        Decontaminate(against=())


def test_paths_are_those_of_the_recipe_and_stand_in_no_output(tmp_path: Path, items: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"id": "a", "text": "Hills."}\n')
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "sources: [{files: {path: in.jsonl, label: x}}]\nstages: [{decontaminate: {against: [exam.jsonl]}}]\n"
    )
    [(_, stage)] = load(recipe).pipeline.labelled
    assert stage.against == (str(items),)  # type: ignore[attr-defined]
    build_corpus(recipe, tmp_path / "run")
    assert str(tmp_path) not in (tmp_path / "run" / "recipe.yaml").read_text()


def test_inspect_shows_hits_and_items(tmp_path: Path, items: Path) -> None:
    from click.testing import CliRunner

    from corpuskit.cli.main import cli

    rows = [json.dumps({"id": name, "text": text}) for name, text in DOCUMENTS]
    (tmp_path / "in.jsonl").write_text("\n".join(rows), encoding="utf-8")
    build_corpus(
        [Files(path=str(tmp_path / "in.jsonl"), label="x"), Decontaminate(against=str(items))],
        tmp_path / "run",
    )
    shown = CliRunner().invoke(cli, ["inspect", str(tmp_path / "run")]).output
    assert "evaluation: 6 items read, 1 too short to be looked for; 3 of them in 3 documents" in shown
    assert "files:x:exact: q1 of exam.jsonl, 18 of 18 words, from word 3 on" in shown
    as_json = json.loads(CliRunner().invoke(cli, ["inspect", str(tmp_path / "run"), "--json"]).output)
    assert (as_json["contamination"]["items"], as_json["contamination"]["found"]) == (6, 3)
