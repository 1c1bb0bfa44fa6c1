"""Templates that nothing tells of: their first text in running text, gaps that are named, and what goes."""

from __future__ import annotations

import random
import re

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
        ("De letter {{unheard|ar|ق}} staat hier.", "De letter ق staat hier."),
        ("De klank {{unheard|/aɪ/}} klinkt.", "De klank /aɪ/ klinkt."),
        ("In {{unheard|Cyrs|глаголи}} staat het.", "In глаголи staat het."),
        ("Bij de {{17th}} Air Force.", "Bij de 17th Air Force."),
        ("Op {{unheard|43|ha|acre}} land.", "Op 43 ha land."),
        ("Het telt {{unheard|20|cm|0}} en meer.", "Het telt 20 cm en meer."),
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
        *("Q42", "bpt6k_12", "12,5", "TIMESTAMP", "0ex", "1.5rem", "type:landmark", "region:DE-BE"),
        *("ZqwI5DrhxrA", "/DMS", "''x''"),
    ],
)
def test_what_is_no_text_is_passed_over(skipped: str) -> None:
    assert text(f"It is {{{{unheard|{skipped}|A stone tower}}}} here.") == "It is A stone tower here."


@pytest.mark.parametrize(
    ("wiki", "page", "expected"),
    [
        ("fr", "le {{unheard|11|juin|1948}} à Rome", "le 11 juin 1948 à Rome"),
        ("it", "il {{unheard|4|marzo|1849}} a Roma", "il 4 marzo 1849 a Roma"),
        ("fr", "le {{unheard|11|juni|1948}} à Rome", "le à Rome"),
        ("fr", "le {{unheard|11|juin|1948-50}} à Rome", "le à Rome"),
    ],
)
def test_a_day_whose_month_the_wiki_names_is_a_date(wiki: str, page: str, expected: str) -> None:
    assert text(page, wiki) == expected


def test_pieces_of_a_formula_are_no_text() -> None:
    assert text("Said {{unheard|ə|ˈ|s|ɛ|juː|t}} there.") == text("Said {{unheard|Te|2|O|4}} there.")
    assert text("A {{unheard|Te|2|O|Oxide of tellurium}} there.") == "A Oxide of tellurium there."


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
    counts = extract_wikitext("A {{unheard|tower}} c {{unheard}} {{lang|de|d}}.").counts
    assert (counts["templates_fallback"], counts["templates_dropped"], counts["templates_rendered"]) == (
        1,
        1,
        1,
    )


@pytest.mark.parametrize(
    ("language", "page", "expected"),
    [
        ("ru", "Город{{unheard+|Пояснение}} стоит.", "Город стоит."),
        ("fr", "La cité{{unheard|Une note}} dort.", "La cité dort."),
        ("el", "Η πόλη{{unheard|σημείωση}} εδώ.", "Η πόλη εδώ."),
        ("de", "In 1990{{unheard|Eine Notiz}} war es.", "In 1990 war es."),
        # No notes: behind a sign, within a word, behind an article that is written with its word,
        # and in scripts without blanks.
        ("ru", "«{{unheard|слово}}» тут", "«слово» тут"),
        ("en", "the H{{unheard|two}}O here", "the HtwoO here"),
        ("he", "העיר ב{{unheard|מגדל}} כאן", "העיר במגדל כאן"),
        ("ar", "وال{{unheard|برج}} كبير", "والبرج كبير"),
        ("hi", "और शहर{{unheard|नोट}} है", "और शहर है"),
        ("ko", "서울{{unheard|시}}는", "서울시는"),
        ("ja", "町{{unheard|文字}}が", "町文字が"),
        ("th", "เมือง{{unheard|หอคอย}}นี้", "เมืองหอคอยนี้"),
    ],
)
def test_a_call_attached_to_a_word_is_a_note(language: str, page: str, expected: str) -> None:
    assert text(page, language) == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("{{unheard|70|m}}", "It is 70 here."),
        ("{{unheard|34|w}}", "It is 34 here."),
        ("{{unheard|5|gg}}", "It is 5 here."),
        ("{{unheard|14|julho|1789}}", "It is here."),
        ("{{unheard|14|Juli|1789}}", "It is here."),
        ("{{unheard|2|A tower}}", "It is A tower here."),
    ],
)
def test_no_measure_or_date_is_made_of_arguments(call: str, expected: str) -> None:
    assert text(f"It is {call} here.") == expected


@pytest.mark.parametrize(
    "name", ["Population", "Einwohner Ulm", "density", "Metadaten Ulm", "UN_Population", "xref"]
)
def test_a_template_that_looks_up_a_key_is_a_gap(name: str) -> None:
    assert text(f"It has {{{{{name}|Ulm Town}}}} people.") == "It has people."


@pytest.mark.parametrize(
    "argument",
    [
        *("k", "ab", "mi", "km2", "sqmi", "m/s", "/DMS", "08421000", "Q1", "нп"),
        *("rechts", "gauche", "sí", "destra", "direita", "слева", "праворуч", "lewo", "midden", "höger"),
        *("يسار", "چپ", "zentriert", "oui", "não", "нет"),
        *("Kategorie:Towers", "Categoría:Towers", "Категория:Башни", "File:Tower", "Vorlage:Tower"),
        *("Tower#Roof", "example.org", "sub.example.org/a", "color:red", "text-align:left"),
        *("10.1000/182", "10.1000/abc", "978-3-16-148410-0", "978-3-16-148410-X", "ISBN:316"),
    ],
)
def test_keys_options_and_addresses_are_no_text(argument: str) -> None:
    assert text(f"It is {{{{unheard|{argument}}}}} here.") == "It is here."


def test_a_call_that_fills_a_cell_is_written() -> None:
    def cell(content: str) -> str:
        return text(f"{{|\n! A !! B\n|-\n| {content} || end\n|}}", "it")

    assert cell("{{Numero|199}}") == "A | B\n199 | end"
    assert cell("{{unheard|a tower}}") == "A | B\na tower | end"
    assert cell("{{unheard|GER}}") == "A | B\nend"
    assert cell("{{unheard|Tower.jpg}}") == "A | B\nend"
    assert cell("{{bandiera|ITA}}") == "A | B\nend"
    assert text("{{unheard box|a={{unheard|a tower}}|b=c}}") == ""


def test_rows_keep_their_places_without_signs_of_their_own() -> None:
    head = "{|\n! A !! B !! C\n|-\n"
    assert text(head + "| rowspan=2 | x || b || c\n|-\n| d\n|}") == "A | B | C\nx | b | c\nx | d"
    assert text(head + "| colspan=2 | || b\n|}") == "A | B | C\n– | | b"
    # x fills a hundred places, of which all behind the third are one column.
    assert text(head + "| colspan=999 | x || y\n|}") == "A | B | C\nx | | | y"
    assert text(head + "| x || colspan=999 | y\n|}") == "A | B | C\nx | y"


def random_table(draw: random.Random) -> str:
    """Up to five rows of up to five cells, some of them empty, some spanning; each text is another one."""
    words = (f"w{number}" for number in range(100))
    spans = ["", "", "", "colspan=2 |", "rowspan=2 |", "colspan=3 rowspan=2 |"]
    rows = [
        [
            f"|{draw.choice(spans)}{next(words) if draw.random() < 0.6 else ''}"
            for _ in range(draw.randint(1, 5))
        ]
        for _ in range(draw.randint(1, 5))
    ]
    return "{|\n" + "\n|-\n".join("\n".join(row) for row in rows) + "\n|}"


def test_columns_that_go_take_no_text_along_and_no_row_begins_with_a_bar() -> None:
    """All words of the table in its own order; a cell that reaches down is repeated at most."""
    draw = random.Random(5)
    tables = [random_table(draw) for _ in range(500)]
    for table in tables:
        flat = text(table)
        assert list(dict.fromkeys(re.findall(r"w\d+", flat))) == re.findall(r"w\d+", table), table
        assert not re.search(r"^\s*\|", flat, re.MULTILINE), table


def test_beyond_the_bound_of_spans_no_text_is_lost() -> None:
    """A hundred rows or columns a cell, as `Options.tables` states: cells move to the left behind them."""
    rows = "\n".join(f"|-\n| v{i}" for i in range(1, 150))
    tall = text(f"{{|\n! rowspan=150 | head\n| v0\n{rows}\n|}}").split("\n")
    assert tall == [f"head | v{i}" if i < 100 else f"v{i}" for i in range(150)]
    cells = " || ".join(f"c{i}" for i in range(300))
    row = text(f"{{|\n! a\n|-\n| rowspan=9 | x\n|-\n| {cells}\n|}}").split("\n")[-1]
    assert row == "x | " + cells.replace("||", "|")


def test_lists_and_summaries_of_unknown_templates_stay() -> None:
    assert text("A tower.\n\n{{unheard|\n* a stone\n* a roof\n}}\n\nIt stands.") == (
        "A tower.\n\n- a stone\n- a roof\n\nIt stands."
    )
    told = "The town lies by the river and has an old tower."
    for name in ("ShortSummary", "Summary", "ZF", "trama", "résumé", "resumen"):
        assert text(f"{{{{unheard\n|Title=A\n|{name}={told}\n}}}}") == told
    assert text("{{unheard|Title=A|Summary=A tower}}") == ""
    assert text("{{unheard|style=\n* a stone\n* a roof\n}}") == ""


def test_links_to_other_wikis_are_no_text() -> None:
    assert text("町{{enlink|Tower}}がある。", "ja") == "町がある。"
    assert text("המגדל {{אנ|Tower}} כאן", "he") == "המגדל כאן"
    assert text("{{Détail|Tour}}\nLa tour.", "fr") == "La tour."
    assert text("{{DetailsLink|Tháp}}\nTháp cao.", "vi") == "Tháp cao."


def test_codes_of_countries_are_told_from_words_by_their_case() -> None:
    assert text("A {{ESP}} ganhou {{esp|a copa}} aqui.", "pt") == "A Espanha ganhou a copa aqui."
    assert text("Qui {{per}} e {{PER}} sono.", "it") == "Qui e Perù sono."
