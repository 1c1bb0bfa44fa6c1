"""A book that is cleaned on its own is the book that the source gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpuskit import Gutenberg
from corpuskit.errors import InputError
from corpuskit.sources.gutenberg.body import BodyOptions
from corpuskit.sources.gutenberg.clean import clean_book

BOOKS = Path(__file__).parents[3] / "sample_corpora" / "books"


def by_file(**settings: object) -> dict[str, str]:
    source = Gutenberg(path=str(BOOKS), **settings)  # type: ignore[arg-type]
    found = {}
    for part in source.parts():
        for reading in source.read(part):
            for row in reading.batch.to_pylist():
                found[row["origin"]] = row["text"]
    return found


@pytest.mark.parametrize("settings", [{}, {"reflow": False, "footnotes": "remove", "emphasis": "keep"}])
def test_it_is_what_the_source_gives(settings: dict[str, object]) -> None:
    texts = set(by_file(**settings).values())
    files = sorted(BOOKS.rglob("*.txt"))
    books = [clean_book(path.read_bytes(), BodyOptions(**settings)) for path in files]  # type: ignore[arg-type]
    kept = [book for book in books if book.text in texts]
    # Copyrighted books and other editions are the source's to drop; what it keeps of plain files is here.
    assert len(kept) >= 10
    assert {"header", "licence"} <= {cut.reason for book in kept for cut in book.cuts}


def test_nothing_is_lost_between_the_book_and_what_was_cut() -> None:
    raw = (BOOKS / "90001" / "90001-0.txt").read_bytes()
    book = clean_book(raw, BodyOptions(reflow=False, emphasis="keep"))
    whole = raw.decode("utf-8-sig").encode()
    for cut in book.cuts:
        assert whole[cut.start : cut.end].decode() == cut.text
    assert book.encoding == "utf-8"
    assert book.header.number == 90001


def test_a_text_and_its_bytes_give_the_same_book() -> None:
    raw = (BOOKS / "90003" / "90003-0.txt").read_bytes()
    assert clean_book(raw).text == clean_book(raw.decode("utf-8-sig")).text


def test_bytes_in_no_encoding() -> None:
    with pytest.raises(InputError, match=r"clean_book: 300 bytes in no encoding"):
        clean_book(bytes(range(256)) + bytes(44))
