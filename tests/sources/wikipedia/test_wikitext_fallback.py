"""Templates that nothing tells of: their first text in running text, gaps that are named, and what goes."""

from __future__ import annotations

import pytest

from corpuskit.sources.wikipedia.extract import extract_wikitext


def text(page: str, language: str = "en") -> str:
    return extract_wikitext(page, language).text


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("It is {{unheard|a tower}} of stone.", "It is a tower of stone."),
        ("It is {{unheard|[[Tower|a tower]]}} of stone.", "It is a tower of stone."),
        ("It is {{unheard|{{unknown|a tower}}}} of stone.", "It is a tower of stone."),
        ("* {{unheard|Ada}} – a builder", "- Ada – a builder"),
        ("It is ({{unheard|text=a tower}}) here.", "It is (a tower) here."),
        ("It is {{unheard|1=a tower}} here.", "It is a tower here."),
        ("no {{unheard|XIII}}, Berlim", "no XIII, Berlim"),
        ("Het telt {{unheard|90|km}} en meer.", "Het telt 90 km en meer."),
        ("Het telt {{unheard|90}} en meer.", "Het telt 90 en meer."),
        ("この{{unheard|語}}は{{unheard|将|ひき}}だ。", "この語は将だ。"),
        ("и {{unheard|Кот}} спит.", "и Кот спит."),
    ],
)
def test_the_first_text_stands_in_running_text(page: str, expected: str) -> None:
    assert text(page, "nl") == expected


@pytest.mark.parametrize(
    "skipped",
    [
        *(
            "2",
            "tower.jpg",
            "File:Tower.png",
            "https://a.example",
            "www.a.example",
            "#ff0000",
            "20em",
            "120px",
        ),
        *(
            "color: red;",
            "red",
            "left",
            "yes",
            "nocat",
            "fr",
            "zh-hant",
            "GER",
            "DE-NHN",
            "x",
            "2010-05",
            "May 2010",
        ),
        *("Q42", "bpt6k_12", "12,5", "TIMESTAMP"),
    ],
)
def test_what_is_no_text_is_passed_over(skipped: str) -> None:
    assert text(f"It is {{{{unheard|{skipped}|A stone tower}}}} here.") == "It is A stone tower here."


def test_a_sort_key_is_passed_over() -> None:
    assert text("Here {{unheard|Stone, Ada|Ada Stone}} lived.") == "Here Ada Stone lived."


@pytest.mark.parametrize(
    "page",
    [
        "{{unheard|a tower}}",
        "* {{unheard|a tower}}",
        "{{unheard|a tower}}{{unknown|a bar}}",
        "[[File:A.jpg]]{{unheard|a tower}}",
        "{{unheard\n|a tower\n}}",
        "{{unheard|a|b=\n* {{unknown|a tower}} of stone\n}}",
        "{{unheard|a tower}}[[Category:Towers]]",
    ],
)
def test_what_stands_by_itself_goes(page: str) -> None:
    assert text(page) == ""


def test_boxes_cells_and_known_names_go() -> None:
    assert text("{{unheard\n|a tower\n}}'''Ulm''' is a town.") == "Ulm is a town."
    assert text("{|\n! A !! B\n|-\n| {{unheard|x}} || c\n|}") == "A | B\nc"
    assert text("It lies {{portal|Towers}} here, {{commons|Towers}} and {{flagicon|ULM}} there.") == (
        "It lies here, and there."
    )
    assert text("It {{citation needed|a|May 2010}} is.") == "It is."
    assert text("It is {{Template talk:Tower|a}} or {{#unheard:a|b}} here.") == "It is or here."


@pytest.mark.parametrize(
    "note",
    ["stands.{{Note x|Stone}} It", "stands{{Note x|Stone|2001}}. It", "stands.<ref>a</ref>{{pg|iv}} It"],
)
def test_a_mark_behind_a_word_without_a_blank_is_a_note(note: str) -> None:
    shown = text(f"The tower {note} is high.")
    assert "Stone" not in shown
    assert "iv" not in shown


def test_a_gap_is_not_tidied_over_where_a_number_was() -> None:
    assert text("no {{unheard|12|5}}, Berlim") == "no , Berlim"
    assert text("no ({{unheard|12|5}}) Berlim") == "no () Berlim"
    assert text("no {{unheard}}, Berlim ({{unheard|GER}})") == "no, Berlim"


@pytest.mark.parametrize(
    ("page", "kind", "words", "lost"),
    [
        ("It is {{unheard|a tower}} here.", "fallback", 2, 0),
        ("It is {{unheard|a tower|lost}} here.", "fallback", 3, 1),
        ("It is {{unheard}} here.", "gap", 0, 0),
        ("It is {{unheard|12|5}} here.", "gap", 2, 2),
        ("{{unheard|a tower}}", "template", 2, 2),
        ("It is {{portal|Tower}} here.", "dropped", 1, 1),
        ("It is {{lang|de|Turm}} here.", "template", 2, 1),
    ],
)
def test_the_loss_meter_names_them(page: str, kind: str, words: int, lost: int) -> None:
    loss = extract_wikitext(page, measure_loss=True).loss
    assert loss is not None
    (row,) = [row for row in loss.rows.values() if row.template]
    assert (row.kind, row.uses, row.words, row.lost) == (kind, 1, words, lost)


def test_a_gap_without_words_is_shown_among_the_costliest() -> None:
    loss = extract_wikitext("It is {{unheard}} here and {{unheard}} there.", measure_loss=True).loss
    assert loss is not None
    assert [(row.template, row.kind, row.uses) for row in loss.costliest(5)] == [("unheard", "gap", 2)]


def test_conversions_lose_no_words() -> None:
    loss = extract_wikitext("It is {{convert|1300|mi|km|abbr=on}} long.", measure_loss=True).loss
    assert loss is not None
    assert loss.costliest(5) == []
    assert loss.rows["template", "convert"].words == 1


def test_what_came_of_them_is_counted() -> None:
    counts = extract_wikitext("A {{unheard|b}} c {{unheard}} {{lang|de|d}}.").counts
    assert (counts["templates_fallback"], counts["templates_dropped"], counts["templates_rendered"]) == (
        1,
        1,
        1,
    )
