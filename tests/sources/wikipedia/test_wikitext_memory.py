"""What the engine holds for a page beside its texts is bounded in proportion to the page, in each pass."""

import numpy as np
import pyarrow as pa
import pytest

from corpuskit import _native
from corpuskit.documents.columns import to_engine
from corpuskit.sources.wikipedia.extract import engine_options, namespace_prefixes

MOST_PER_BYTE = 32
"""Bytes of tables per byte of a page: a bar takes 16, and what is grown is doubled."""
MOST = 60_000_000
"""Bytes of tables for any page, so that one of 10 MB stays under 100 MB with its texts."""

OPTIONS = engine_options(
    file_prefixes=namespace_prefixes(6), category_prefixes=namespace_prefixes(14), language="zh"
)
UNITS = [
    "{{", "{{{{", "[[", "{|\n", "<ref>", "''", "-{", "&", "=", "<", "[http://", "{{a|", "{{{a|",
    "{{a}}", "[[File:a|", "'''a''b", "{|\n|-\n|a||b\n!c!!d\n", "{|\n|}\n", "a b ", "\u4e2d",
    "{{a|[[b|{|\n|<ref>''c'''\n* [http://d {{{e|", "{{a|[[b|''c'']]}}<ref>d</ref>{|\n|e\n|}\n",
    "{{convert|1|", "{{#if:x|", "&amp;", "<nowiki>a", "}}]]|}-->",
]  # fmt: skip
OTHERS = [
    "bars of a template", "bars of a link", "words of a template", "words of a footnote",
    "words of a template, no two alike", "words, no two alike",
]  # fmt: skip


def hostile_page(kind: str, size: int) -> str:
    different = " ".join(f"{i:x}" for i in range(size // 6))
    pages = {
        "bars of a template": "{{a" + "|" * size,
        "bars of a link": "[[a" + "|" * size + "]]",
        "words of a template": "{{a|" + "b " * (size // 2) + "}}",
        "words of a footnote": "<ref>" + "b " * (size // 2) + "</ref>",
        "words of a template, no two alike": "{{a|" + different + "}}",
        "words, no two alike": different,
    }
    return pages[kind] if kind in pages else kind * (size // len(kind.encode()))


def strings(text: str) -> tuple[np.ndarray, np.ndarray]:
    return to_engine(pa.array([text], pa.large_string()), "pages")


def held_for(page: tuple[np.ndarray, np.ndarray], store: _native.TemplateStore) -> dict[str, int]:
    budget = (4_000_000, 64, 2 << 20, 4, 40)
    expanded = _native.expand_wikitext(page, strings("Ulm"), store, OPTIONS, budget)
    extracted = _native.extract_wikitext(page, strings("Ulm"), OPTIONS)
    measured = _native.measure_loss(page, extracted["texts"], OPTIONS)
    tables = (expanded[2], extracted["table_bytes"], measured["table_bytes"])
    return dict(zip(("expanded", "extracted", "measured"), tables, strict=True))


@pytest.mark.parametrize("kind", UNITS + OTHERS)
def test_tables_are_bounded_in_proportion_to_the_page(kind: str) -> None:
    page = strings(hostile_page(kind, 400_000))
    store = _native.TemplateStore([])
    store.add("A", "{{{1|}}}")
    most = MOST_PER_BYTE * len(page[1]) + 65536
    assert {way: n for way, n in held_for(page, store).items() if n > most} == {}


@pytest.mark.parametrize("kind", ["{{a}}", "{{a|", "'''a''b", *OTHERS])
def test_tables_of_a_page_of_ten_megabytes_are_bounded(kind: str) -> None:
    held = held_for(strings(hostile_page(kind, 10_000_000)), _native.TemplateStore([]))
    assert {way: n for way, n in held.items() if n > MOST} == {}


def test_the_tables_that_are_counted_are_there() -> None:
    """Each pass holds something for a page with places, so the bounds above are about figures that move."""
    held = held_for(strings("{{a|b}} ''c'' [[d|e]] " * 1000), _native.TemplateStore([]))
    assert held["extracted"] > 100
    assert held["expanded"] > 28_000
    assert held["measured"] > 16_000
