"""One decoded file of Project Gutenberg: its number, what is known of it, how it ranks, what was cut.

Where header and catalogue differ, the catalogue wins: it is kept up to date, while the header is what
somebody typed when the file was made. The differences are flagged. Two things are the header's alone: the
number, under which the catalogue is asked, and the dates of the file. A book is copyrighted if either says
so.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from corpuskit._native import utf8_size
from corpuskit.documents.reading import CutSpan
from corpuskit.sources.encoding.letters import Decoded
from corpuskit.sources.gutenberg.body import Body
from corpuskit.sources.gutenberg.header import Header, number_in_licence
from corpuskit.sources.gutenberg.rdf import CatalogEntry
from corpuskit.sources.gutenberg.tree import number_in_path, release
from corpuskit.storage.files import canonical_json


class Edition:
    """One decoded file and what is known about it.

    Attributes:
        number: what the header says, else the path, else the file's name as the licence gives it; None for
            a file that has none of these and is no book of Project Gutenberg's then.
    """

    def __init__(self, name: str, declared: str, decoded: Decoded, body: Body, header: Header) -> None:
        self.name = name
        self.declared = declared
        self.decoded = decoded
        self.body = body
        self.header = header
        in_path = number_in_path(name)
        self.number = header.number or in_path or number_in_licence(self._licence())
        self.number_from = "header" if header.number else "path" if in_path else "licence"
        self.id = f"gutenberg:{self.number}"
        self.title = header.title
        self.authors: tuple[str, ...] = (header.author,) if header.author else ()
        self.languages: tuple[str, ...] = (header.language,) if header.language else ()
        self.copyrighted = header.copyrighted
        self.entry: CatalogEntry | None = None
        self.differences: list[str] = []

    def join(self, entry: CatalogEntry) -> None:
        """Take over what the catalogue says, and note what the header says otherwise."""
        header = self.header
        said = {"title": (header.title, entry.title), "author": (header.author, " ".join(entry.authors))}
        self.differences = [f"{what}_differs_from_catalog" for what, pair in said.items() if _unlike(*pair)]
        if header.language and entry.languages and header.language not in entry.languages:
            self.differences.append("language_differs_from_catalog")
        if entry.rights and entry.copyrighted != header.copyrighted:
            self.differences.append("rights_differ_from_catalog")
        self.entry = entry
        self.title = entry.title or self.title
        self.authors = entry.authors or self.authors
        self.languages = entry.languages or self.languages
        self.copyrighted = self.copyrighted or entry.copyrighted

    @property
    def language(self) -> str:
        """Code of the main language, ``""`` where nothing names one."""
        return self.languages[0] if self.languages else ""

    def columns(self) -> dict[str, Any]:
        """Values of the columns that `corpuskit.sources.gutenberg.source.Gutenberg` declares; None for
        unknown."""
        entry = self.entry or CatalogEntry()
        return {
            "authors": list(self.authors) or None,
            "languages": list(self.languages) or None,
            "subjects": list(entry.subjects) or None,
            "bookshelves": list(entry.bookshelves) or None,
            "rights": entry.rights or None,
        }

    def _licence(self) -> str:
        pieces = [piece for piece in self.body.pieces if piece.reason == "licence"]
        return "".join(self.decoded.text[piece.start : piece.stop] for piece in pieces)

    def origin(self) -> str:
        """Canonical JSON that leads back to the file and says how it was read."""
        known = {
            "author": self.header.author,
            "declared_encoding": self.declared,
            "flags": self.flags(),
            "kind": self.entry.kind if self.entry else "",
            "lines_in_another_encoding": self.decoded.mixed,
            "language_name": "" if self.languages else self.header.language_name,
            "released": self.header.released,
        }
        origin: dict[str, Any] = {key: value for key, value in known.items() if value}
        origin |= {"file": self.name, "encoding": self.decoded.encoding, "number_from": self.number_from}
        return canonical_json(origin)

    def flags(self) -> list[str]:
        """All that is odd about the book."""
        in_path = number_in_path(self.name)
        number = ["number_differs_from_path"] if in_path and in_path != self.number else []
        return [*self.body.flags, *self.decoded.flags, *number, *self.differences]

    def preference(self) -> int:
        """The rank among editions of one number: the rules of `corpuskit.sources.gutenberg.source` as
        digits."""
        # A digit or more for each rule, the first ones foremost; the last holds the size in KiB.
        encoding = self.decoded.encoding
        rank = self.body.bounds_found
        rank = rank * 10 + (0 if encoding == "ascii" else 2 if encoding.startswith("utf") else 1)
        rank = rank * 1000 + release(self.name)
        rank = rank * 10**8 + self.header.released
        return rank * 10**5 + min(utf8_size(self.body.text) // 1024, 10**5 - 1)

    def cuts(self) -> list[CutSpan]:
        """What was removed, with offsets in UTF-8 bytes of the raw text."""
        text = self.decoded.text
        spans = []
        at = last = 0  # Characters and bytes up to the end of the piece before.
        for piece in self.body.pieces:
            removed = text[piece.start : piece.stop]
            first = last + utf8_size(text[at : piece.start])
            at, last = piece.stop, first + utf8_size(removed)
            spans.append(CutSpan(self.id, piece.reason, first, last, removed))
        return spans


def _unlike(said: str, known: str) -> bool:
    """Whether two titles, or names, have no word in common; False where one says nothing.

    >>> _unlike("Jane Austen", "Austen, Jane, 1775-1817"), _unlike("Emma", "Moby Dick; Or, The Whale")
    (False, True)
    """
    mine, theirs = _words(said), _words(known)
    return bool(mine and theirs) and mine.isdisjoint(theirs)


def _words(text: str) -> set[str]:
    """Words without accents and case; short ones only if there are no others."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    words = set(re.findall(r"[^\W_]+", plain))
    return {word for word in words if len(word) > 3} or words
