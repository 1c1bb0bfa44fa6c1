"""A page without a dump: what the Wikipedia source makes of it, from one call."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from corpuskit.errors import InputError, SettingError
from corpuskit.sources.wikipedia.extract import COUNTERS, extract_wikitext
from corpuskit.sources.wikipedia.source import Wikipedia

PAGES = {
    "Ulm": "'''Ulm''' is {{convert|10|mi|km}} from [[Blaubeuren|there]].\n[[Category:Towns]] {{PAGENAME}}",
    "Table": "{|\n! a !! b\n|-\n| c || d\n|}\nText.<ref>Note</ref>\n\n== References ==\n{{reflist}}",
    "Box": "{{Infobox town|area=12}}\n{{about|a box}}\n[[File:x.jpg|thumb|Caption]]\n'''Box''' is {{pop|7}}.",
    "Umlaut": "Größe & <b>Höhe</b>: {{val|1.5|u=m}} 漢字",
}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"output": "markdown", "tables": "keep", "infobox": "lines", "captions": True, "hatnotes": True},
    {"drop_sections": (), "template_rules": {"pop": "{1:number} people"}, "conversions": "author"},
]


def dump_of(pages: dict[str, str], folder: Path) -> str:
    """A dump of these pages."""
    xml = "".join(
        f"<page><title>{title}</title><ns>0</ns><id>{n}</id><revision><id>{n}</id>"
        f"<text>{escape(text)}</text></revision></page>\n"
        for n, (title, text) in enumerate(pages.items(), 1)
    )
    head = '<mediawiki xml:lang="en"><siteinfo><dbname>enwiki</dbname></siteinfo>'
    path = folder / "enwiki.xml"
    path.write_text(f"{head}{xml}</mediawiki>\n")
    return str(path)


@pytest.mark.parametrize("settings", SETTINGS)
def test_it_is_what_the_source_makes_of_the_same_pages(settings: dict[str, Any], tmp_path: Path) -> None:
    source = Wikipedia(path=dump_of(PAGES, tmp_path), loss_every=1, **settings)
    readings = [reading for part in source.parts() for reading in source.read(part)]
    rows = [row for reading in readings for row in reading.batch.to_pylist()]
    measured = [row for reading in readings for row in reading.tables["loss_pages"].to_pylist()]
    assert [row["title"] for row in rows] == list(PAGES)
    for _ in range(2):
        found = extract_wikitext(list(PAGES.values()), title=list(PAGES), measure_loss=True, **settings)
        assert [page.text for page in found] == [row["text"] for row in rows]
        assert [list(page.categories) for page in found] == [row["categories"] for row in rows]
        for page, row in zip(found, measured, strict=True):
            assert page.loss is not None
            assert page.loss.counts == {name: row[name] for name in page.loss.counts}
    for title, text in PAGES.items():
        alone = [extract_wikitext(text, "en", title, **settings) for _ in range(2)]
        assert alone[0] == alone[1]
        assert (alone[0].text, alone[0].title) == (rows[list(PAGES).index(title)]["text"], title)
        assert alone[0].loss is None


def test_the_language_chooses_the_rules() -> None:
    assert extract_wikitext("{{citation|mot}}", "fr").text == "«\u00a0mot\u00a0»"
    assert extract_wikitext("{{citation|mot}}").text == ""


def test_what_was_met_is_counted() -> None:
    page = extract_wikitext(PAGES["Table"])
    assert set(page.counts) == set(COUNTERS)
    assert (page.counts["tables_kept"], page.counts["references"], page.status) == (1, 1, "ok")


def test_no_pages_are_no_texts() -> None:
    assert extract_wikitext([]) == []
    assert extract_wikitext("").text == ""


def test_a_page_that_cannot_be_unravelled_says_so_and_the_others_are_read() -> None:
    hostile, good = extract_wikitext(["{{a|" * 300 + "}}" * 300, "Text"], measure_loss=True)
    assert (hostile.status, hostile.text, hostile.loss) == ("nesting", "", None)
    assert (good.status, good.text) == ("ok", "Text")


def test_wrong_settings_are_named() -> None:
    with pytest.raises(SettingError, match="output: 'markdwn'") as caught:
        extract_wikitext("x", output="markdwn")  # type: ignore[call-overload]
    assert caught.value.remedy == "Did you mean 'markdown'?"
    with pytest.raises(SettingError, match="2 titles for 1 texts"):
        extract_wikitext(["x"], title=["a", "b"])
    with pytest.raises(SettingError, match="template_rules"):
        extract_wikitext("x", template_rules={"pop": "{1:nosuch"})
    with pytest.raises(SettingError, match="no setting is called 'ouput'") as caught:
        extract_wikitext("x", ouput="plain")  # type: ignore[call-overload]
    assert "'output'" in caught.value.remedy


@pytest.mark.parametrize(
    "setting",
    [{"conversions": "autor"}, {"drop_sections": "History"}, {"captions": "yes"}, {"template_rules": "pop"}],
)
def test_a_wrong_value_is_named(setting: dict[str, str]) -> None:
    [(name, value)] = setting.items()
    with pytest.raises(SettingError, match=f"extract_wikitext: {name} = '{value}'"):
        extract_wikitext("x", **setting)  # type: ignore[call-overload]


@pytest.mark.parametrize("text", [b"x", ["a", None], {"a": "b"}])
def test_what_is_no_text_is_named(text: object) -> None:
    with pytest.raises((SettingError, InputError), match="extract_wikitext: "):
        extract_wikitext(text)  # type: ignore[call-overload]


def test_half_of_a_surrogate_pair_is_named() -> None:
    with pytest.raises(InputError, match="a text holds half of a surrogate pair at character 2"):
        extract_wikitext("ab\ud800")
