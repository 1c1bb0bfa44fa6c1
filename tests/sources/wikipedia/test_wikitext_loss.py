"""The loss meter: what counts as a visible word, which are missing, holes, leftovers, real dumps."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

from corpuskit.cli.main import cli
from corpuskit.errors import SettingError
from corpuskit.sources.wikipedia.extract import Options, engine_options, extract
from corpuskit.sources.wikipedia.loss import COLUMNS, KINDS, Loss, LossTotals, measure_loss
from corpuskit.sources.wikipedia.source import Wikipedia

SAMPLE = Path(__file__).parents[3] / "sample_corpora" / "encyclopedia.xml"
CORPORA = os.environ.get("CORPUSKIT_CORPORA", "")
NAMES = {"file_prefixes": ["File"], "category_prefixes": ["Category"]}


def column(*texts: str) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


def compare(page: str, text: str, language: str = "en", options: Options | None = None) -> Loss:
    settings = engine_options(**NAMES, language=language, options=options)
    return measure_loss(column(page), column(text), ["Title"], settings)


def counts(page: str, text: str = "", language: str = "en") -> dict[str, int]:
    loss = compare(page, text, language)
    return {name: int(n) for name, n in zip(COLUMNS, loss.columns[0], strict=True) if n}


VISIBLE = [
    ("one two  three", {"prose": 3}, "words"),
    ("1,300 and 1.5 and 1 300", {"prose": 6}, "digits joined by signs are one number"),
    ("don't", {"prose": 2}, "an apostrophe parts words"),
    ("'''A'''b H<sub>2</sub>O [[bus]]es", {"prose": 3}, "marks within a word"),
    ("caf&eacute; a&nbsp;b", {"prose": 3}, "character references"),
    ("東京は", {"prose": 3}, "Chinese and Japanese characters are words"),
    ("<!-- no --> <span style='x'>yes</span> __NOTOC__", {"prose": 1}, "comments, tags, switches"),
    ("[[target|text]] [[shown]] [http://a.org label] [http://a.org]", {"prose": 3}, "links"),
    ("[[Category:Towns]] [[de:Ulm]] [[:Category:Shown]]", {"prose": 2}, "categories and languages"),
    ("[[File:a.jpg|thumb|200px|a caption]] [[File:b.jpg|thumb]]", {"caption": 2}, "files"),
    ("<gallery>\nFile:a.jpg|first one\nFile:b.jpg\n</gallery>", {"caption": 2}, "galleries"),
    ("{{foo|bar|name=two words|style=red|url=http://x}}", {"template": 3}, "templates"),
    ("{{foo|{{bar|in}} out}}", {"template": 2}, "templates within templates"),
    ("{{formatnum:1234}} {{lc:TEXT}}", {"template": 2}, "functions whose argument is text"),
    ("{{#if:cond|yes|no}}", {"template": 2}, "a condition is no text"),
    ("{{Infobox town|name=Ulm}} {{main|Other page}}", {"infobox": 1, "hatnote": 2}, "classes of templates"),
    ("a<ref name=x>note {{cite|title=t}}</ref> b<ref name=x/>", {"prose": 2, "reference": 2}, "footnotes"),
    (
        "{| class=x\n|+ cap\n! h1 !! h2\n|-\n| style=y | a || b\n| c\n|}\nend",
        {"table": 6, "prose": 1},
        "tables",
    ),
    (
        "a\n== See also ==\n* x\n=== y ===\nz\n== Next ==\nb",
        {"prose": 2, "heading": 1, "section": 5},
        "dropped sections",
    ),
    (
        "a{{sfn|Ruiz|1999}} b {{efn|a {{lang|fr|note}}}} {{citation needed|why}} {{unheard of|c}}",
        {"prose": 2, "reference": 5, "dropped": 1, "gap": 1},
        "what a rule drops, by its class",
    ),
    ("=== {{lang|fr|a}} b ===\n c", {"template": 2, "heading": 1, "prose": 1}, "headings"),
    ("<math>x^2</math> <nowiki>''raw''</nowiki>", {"prose": 1}, "formulas are no words, raw text is"),
    ("{{open|never closed\n\ntext", {"template": 3}, "what is never closed"),
]


@pytest.mark.parametrize(("page", "expected", "why"), VISIBLE, ids=[v[2] for v in VISIBLE])
def test_visible_words(page: str, expected: dict[str, int], why: str) -> None:
    found = counts(page)
    assert {k: found[f"words_{k}"] for k in KINDS if f"words_{k}" in found} == expected, why
    assert {k: found[f"lost_{k}"] for k in KINDS if f"lost_{k}" in found} == expected, "all of them are lost"


def test_a_word_answers_for_one_word_and_prose_comes_first() -> None:
    found = counts("{{a|word}} word", "word")
    assert (found["words_prose"], found.get("lost_prose", 0)) == (1, 0)
    assert (found["words_gap"], found["lost_gap"]) == (1, 1)
    found = counts("{{a|word}} word", "word word")
    assert (found["words_fallback"], found.get("lost_fallback", 0)) == (1, 0)


def test_the_table_names_the_template_and_shows_a_use_that_lost() -> None:
    page = "{{Kept|x}} {{lost|one}} {{lost|two\nlines}} y"
    rows = {r["template"]: r for r in compare(page, "x one y").table.to_pylist()}
    assert rows["kept"] == {
        "kind": "template", "template": "kept", "uses": 1, "words": 1, "lost": 0, "page": "", "example": "",
    }  # fmt: skip
    assert (rows["lost"]["uses"], rows["lost"]["words"], rows["lost"]["lost"]) == (2, 3, 2)
    assert (rows["lost"]["page"], rows["lost"]["example"]) == ("Title", "{{lost|two lines}}")


HOLES = [
    ("Ulm () lies.", "en", {"empty_brackets": 1}),
    ("Ulm (, 1900) and (; x) lies.", "en", {"empty_brackets": 2}),
    ("one, , two,. three...", "en", {"doubled_separator": 2, "blank_before_stop": 1}),
    ("At , Alabama", "en", {"blank_before_stop": 1}),
    ("It is approximately. It lies in the.", "en", {"open_ended_word": 2}),
    ("an area of and a population of 7", "en", {"words_that_cannot_meet": 1}),
    ("une superficie de et une population", "fr", {"words_that_cannot_meet": 1}),
    ("(text) and the end, of it. A list of.. 3 .5", "en", {}),
]


@pytest.mark.parametrize(("text", "language", "expected"), HOLES)
def test_holes(text: str, language: str, expected: dict[str, int]) -> None:
    found = counts(text, text, language)
    assert {k.removeprefix("hole_"): n for k, n in found.items() if k.startswith("hole_")} == expected


def test_leftovers_and_sentences() -> None:
    found = counts("", "[[a]] {{b}} {|\n|- style=x\n== h ==\n<b> ''i'' a < b. So! Was? 3.5")
    left = {k.removeprefix("left_"): n for k, n in found.items() if k.startswith("left_")}
    assert left == {
        "[[": 1,
        "]]": 1,
        "{{": 1,
        "}}": 1,
        "{|": 1,
        "|-": 1,
        "style=": 1,
        "tags": 1,
        "'' or ==": 3,
    }
    assert found["sentences"] == 3


def test_a_batch_equals_single_pages() -> None:
    pages = [page for page, _, _ in VISIBLE]
    settings = engine_options(**NAMES, language="en")
    texts = extract(column(*pages), **NAMES, language="en").texts
    together = measure_loss(column(*pages), texts, pages, settings).columns
    for i, page in enumerate(pages):
        alone = measure_loss(column(page), texts.slice(i, 1), [page], settings).columns
        assert together[i].tolist() == alone[0].tolist()


def test_lengths_must_agree() -> None:
    with pytest.raises(SettingError, match="2 pages, 1 texts"):
        measure_loss(column("a", "b"), column("a"), ["t"], engine_options(**NAMES))


@pytest.mark.parametrize(
    "unit", ["{{", "[[", "{|\n", "<ref>", "<math>", "{{a|b=", "[[File:a|", "<!--", "''", "&#"]
)
def test_hostile_pages_end(unit: str) -> None:
    page = unit * (300_000 // len(unit))
    assert int(compare(page, page).columns[0, 0]) >= 0


def test_the_source_measures_pages_by_id() -> None:
    def measured(every: int) -> set[str]:
        source = Wikipedia(path=str(SAMPLE), loss_every=every)
        tables = [r.tables for part in source.parts() for r in source.read(part) if "loss" in r.tables]
        return {row for t in tables for row in t["loss_pages"].column("id").to_pylist()}

    everything = measured(1)
    assert len(everything) > 40
    assert measured(7) == {name for name in everything if int(name.rsplit(":", 1)[1]) % 7 == 0}
    assert measured(0) == set()


def test_errors_of_the_command_name_nothing_that_it_lacks(tmp_path: Path) -> None:
    def refused(path: Path) -> str:
        called = CliRunner().invoke(cli, ["wikipedia", "loss", str(path)])
        assert called.exit_code != 0
        assert not [key for key in ("`path`", "`include`", "`wiki`") if key in called.stderr]
        return called.stderr

    assert "Check the name of the dump" in refused(tmp_path / "none.xml")
    assert "Name one file" in refused(tmp_path)
    nameless = tmp_path / "nameless.xml"
    nameless.write_text(SAMPLE.read_text(encoding="utf-8").replace("dbname", "dbnome"), encoding="utf-8")
    assert "--wiki enwiki" in refused(nameless)


def test_the_command_prints_a_table_and_json() -> None:
    shown = CliRunner().invoke(cli, ["wikipedia", "loss", str(SAMPLE), "--top", "3"])
    assert shown.exit_code == 0, shown.stderr
    assert "prose" in shown.stdout
    assert "1,000 sentences" in shown.stdout
    facts = json.loads(CliRunner().invoke(cli, ["wikipedia", "loss", str(SAMPLE), "--json"]).stdout)
    assert facts["pages"] > 40
    assert facts["kinds"]["prose"]["kept"] > 0.99
    losses = [row["lost"] for row in facts["templates"]]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA is not set: no real dumps")
def test_prose_of_a_real_dump_is_kept() -> None:
    path = Path(CORPORA) / "wikipedia" / "dbpedia-minidump-fr-large.xml.bz2"
    source = Wikipedia(path=str(path), wiki="frwiki", language="fr", loss_every=1)
    totals = LossTotals()
    for part in source.parts():
        for reading in source.read(part):
            if "loss" in reading.tables:
                totals.add(reading.tables)
    assert totals.pages > 90
    assert totals.kept(("prose",)) > 0.998
