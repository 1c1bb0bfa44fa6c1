"""Templates of the real dumps: the most used ones are decided, and where one held text no hole is left."""

from __future__ import annotations

import html
import os
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.template_counts import articles, inline_templates, most_used, undecided
from corpuskit.sources.wikipedia.extract import extract, namespace_prefixes

CORPORA = os.environ.get("CORPUSKIT_CORPORA", "")
pytestmark = pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA does not name the real corpora")

BETWEEN = r"of|is|at|about|approximately|over|than|from|was|by|with|di|de|da|per|con|um|von|của|là"
HOLES = re.compile(
    rf"\( ?\)|（\s*）|[(（] ?[,;，]|\b(?:{BETWEEN})(?: (?:and|or|et|e|ou|o|và)(?= )|,| ,| \.(?=\s))"
    r"|\b(?:approximately|about|At|In|Of) [,.]|\w {1,2},(?= \w)|\w,,",
)
MOST_PER_LANGUAGE = {"en": 4, "fr": 5, "it": 1, "la": 1, "vi": 1}
"""What looks like a hole and is none, each looked at: code and names (".at", "()"), blanks that authors typed
before a comma that follows a link or template, "that is, ...", and one sign that is shown as an image."""


@cache
def extracted() -> dict[str, list[tuple[str, str]]]:
    """Wikitext and text of every article, by language."""
    pages: dict[str, list[str]] = defaultdict(list)
    for language, wikitext in articles(Path(CORPORA)):
        pages[language].append(wikitext)
    texts = {}
    for language, sources in pages.items():
        out = extract(
            pa.array(sources, pa.large_string()),
            file_prefixes=namespace_prefixes(6),
            category_prefixes=namespace_prefixes(14),
            language=language,
        )
        texts[language] = list(zip(sources, out.texts.to_pylist(), strict=True))
    return texts


def test_none_of_the_200_most_used_templates_is_undecided() -> None:
    open_names = {name: undecided(name, use) for name, use in most_used(Path(CORPORA), 200)}
    assert {name: languages for name, languages in open_names.items() if languages} == {}


def plain(wikitext: str) -> str:
    """Wikitext without templates, links and quotes as marks: what an author typed around them."""
    text = re.sub(r"<!--.*?-->|<ref[^>/]*/>|<ref.*?</ref>|</?\w+[^>]*>", "", wikitext, flags=re.DOTALL)
    text = re.sub(r"'{2,}|\[\[(?:[^\]|]*\|)?|\]\]|\[https?:\S+|&\w+;", "", html.unescape(text))
    return re.sub(r"\s+", " ", text)


@pytest.mark.slow
def test_no_hole_is_left_where_a_template_held_text() -> None:
    """A hole that stands in the wikitext in the same words is its author's."""
    found: dict[str, list[str]] = defaultdict(list)
    for language, pages in extracted().items():
        for wikitext, text in pages:
            lines = [line for line in text.split("\n") if " | " not in line and "$" not in line]
            prose = "\n".join(lines)
            holes = list(HOLES.finditer(prose))
            source = plain(wikitext) if holes else ""
            for hole in holes:
                around = re.sub(r"\s+", " ", prose[max(0, hole.start() - 6) : hole.end() + 6])
                if around not in source:
                    found[language].append(prose[max(0, hole.start() - 40) : hole.end() + 20])
    too_many = {k: v for k, v in found.items() if len(v) > MOST_PER_LANGUAGE.get(k, 0)}
    assert too_many == {}


CONVERSIONS = re.compile(r"convert|cvt|unité|nombre|conversie|konversi", re.IGNORECASE)


@pytest.mark.slow
def test_the_numbers_of_conversions_are_kept() -> None:
    """Counted by a regular expression over the wikitext: the first number of each call stands in the text."""
    calls = kept = 0
    lost = []
    for pages in extracted().values():
        for wikitext, text in pages:
            numbers = None
            for name, source in inline_templates(wikitext):
                first = re.match(r"\{\{[^|]*\|\s*([\d.,]*\d)\s*\|", source)
                hidden = re.search(r"disp\s*=\s*(out|num|unit|preunit)", source)
                if not CONVERSIONS.fullmatch(name) or first is None or hidden:
                    continue
                if numbers is None:
                    digits = re.findall(r"\d[\d.,\u00a0\u202f ]*", text)
                    numbers = {re.sub(r"\D", "", part) for d in digits for part in (d, *d.split(" "))}
                calls += 1
                if re.sub(r"\D", "", first[1]) in numbers:
                    kept += 1
                else:
                    lost.append(source)
    assert calls > 1500
    assert kept >= 0.99 * calls, lost[:20]
