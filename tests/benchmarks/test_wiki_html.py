"""Precision and recall of words against the blocks of a rendered page."""

from __future__ import annotations

from benchmarks.wiki_html import ALL, PROSE, agree, differences, words_of

BLOCKS = [
    ("prose", "The mill stands at the river."),
    ("table", "wheel 6 380 kg"),
    ("hatnote", "Not to be confused with a factory."),
]


def test_words_are_compared_by_what_a_reader_sees() -> None:
    assert words_of("6\u00a0380 km², l’eau_x") == ["6380", "km", "2", "l", "eau", "x"]
    assert words_of("n° 5, nº 5, no 5") == ["no", "5"] * 3
    assert words_of("in 1990 200 people came, 12 345 678 of them") == words_of(
        "in 1990200 people came, 12345678 of them"
    )


def test_free_parts_neither_help_nor_harm() -> None:
    prose = agree("The mill stands at the river.", BLOCKS, PROSE)
    assert (prose.recall, prose.precision) == (100.0, 100.0)
    with_table = agree("The mill stands at the river.\nwheel 6380 kg", BLOCKS, PROSE)
    assert (with_table.recall, with_table.precision) == (100.0, 100.0)
    assert agree("The mill stands at the river.", BLOCKS, ALL).recall == 100 * 6 / 9


def test_what_the_page_does_not_say_costs_precision() -> None:
    found = agree("The mill stands at the river thumb", BLOCKS, PROSE)
    assert (found.found, found.asked, found.true, found.written) == (6, 6, 6, 7)
    assert differences("The mill at the river thumb", BLOCKS, PROSE) == ([("stands", 1)], [("thumb", 1)])


def test_pairs_see_order_and_holes() -> None:
    assert agree("The mill stands at the river.", BLOCKS, PROSE, pairs=True).recall == 100.0
    assert agree("river the at stands mill The", BLOCKS, PROSE, pairs=True).recall == 0.0
    assert agree("The mill at the river.", BLOCKS, PROSE, pairs=True).found == 3


def test_pages_add_up() -> None:
    total = agree("The mill", BLOCKS, PROSE) + agree("", BLOCKS, PROSE)
    assert (total.found, total.asked) == (2, 12)
    assert agree("", BLOCKS, PROSE).precision == 100.0
