"""The bounds of real books, marked by hand as line numbers, and what of them is kept and left."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpuskit.sources.encoding.decode import decode_text
from corpuskit.sources.gutenberg.body import Body, BodyOptions
from corpuskit.sources.gutenberg.header import declared_encoding

CASES = Path(__file__).parents[2] / "cases"
CORPORA = os.environ.get("CORPUSKIT_CORPORA")
needs_corpora = pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA does not name the corpora")


def marks() -> Iterator[tuple[str, int, int, list[tuple[int, int]]]]:
    """File, first and last line of the book, ranges of lines inside that its makers wrote; lines from 1."""
    for line in (CASES / "gutenberg_bounds.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        name, first, last, notes = line.split("\t")
        ranges = [tuple(map(int, (r.split("-") * 2)[:2])) for r in notes.split(",") if r]
        yield name, int(first), int(last), [(a, b) for a, b in ranges]


def real_text(name: str) -> str:
    data = gzip.decompress((Path(str(CORPORA)) / name).read_bytes())
    decoded = decode_text(data, declared_encoding(data))
    assert decoded is not None
    return decoded.text


def words(text: str) -> int:
    return sum(1 for word in text.split() if re.search(r"\w", word))


def pieces_of_the_book(
    text: str, first: int, last: int, notes: list[tuple[int, int]]
) -> Iterator[tuple[int, int, bool]]:
    """Ranges of characters in order, each with whether it is of the book."""
    starts = [0, *(m.end() for m in re.finditer(r"\r\n|\n|\r", text)), len(text)]
    edges = [
        (first, True),
        *((a, False) for a, _ in notes),
        *((b + 1, True) for _, b in notes),
        (last + 1, False),
    ]
    at, inside = 0, False
    for line, then in sorted(edges):
        yield at, starts[line - 1], inside
        at, inside = starts[line - 1], then
    yield at, len(text), inside


def kept_and_left(text: str, ranges: Iterator[tuple[int, int, bool]]) -> tuple[int, int, int]:
    """Words of the book; words of it that are kept; words of boilerplate that are left."""
    in_book = kept = left = 0
    cut = Body(text, BodyOptions()).pieces
    for start, stop, inside in ranges:
        rest, at = 0, start
        for piece in cut:
            if piece.start < stop and piece.stop > start:
                rest += words(text[at : max(at, piece.start)])
                at = min(stop, piece.stop)
        rest += words(text[at:stop])
        if inside:
            in_book, kept = in_book + words(text[start:stop]), kept + rest
        else:
            left += rest
    return in_book, kept, left


@pytest.mark.corpora
@needs_corpora
@pytest.mark.parametrize(
    "step", [pytest.param(1, marks=pytest.mark.slow, id="all"), pytest.param(7, id="every seventh")]
)
def test_bounds_of_real_books_marked_by_hand(step: int) -> None:
    """99.9 % of the words of each book are kept; of boilerplate less than one word in 5,000 is left."""
    books = kept_total = left_total = 0
    lost_by_book, left_by_book = {}, {}
    for name, first, last, notes in list(marks())[::step]:
        text = real_text(name)
        in_book, kept, left = kept_and_left(text, pieces_of_the_book(text, first, last, notes))
        books, kept_total, left_total = books + 1, kept_total + kept, left_total + left
        if kept < in_book:
            lost_by_book[name] = in_book - kept
        if left:
            left_by_book[name] = left
    assert books >= 60 // step
    assert lost_by_book == {}
    assert left_total * 5000 < kept_total, left_by_book
