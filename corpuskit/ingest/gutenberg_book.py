"""One decoded file of Project Gutenberg: its number, where it comes from, how it ranks, what was cut."""

from __future__ import annotations

from typing import Any

from corpuskit.ingest.gutenberg_body import Body
from corpuskit.ingest.gutenberg_header import Header, number_in_licence
from corpuskit.ingest.gutenberg_tree import number_in_path, release
from corpuskit.ingest.text_encoding import Decoded
from corpuskit.stage import CutSpan, canonical_json


class Book:
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
        tail = "" if header.number or in_path else self._licence()
        self.number = header.number or in_path or number_in_licence(tail)
        self.number_from = "header" if header.number else "path" if in_path else "licence"
        self.id = f"gutenberg:{self.number}"

    def _licence(self) -> str:
        pieces = [piece for piece in self.body.pieces if piece.reason == "licence"]
        return "".join(self.decoded.text[piece.start : piece.stop] for piece in pieces)

    def origin(self) -> str:
        """Canonical JSON that leads back to the file and says how it was read."""
        known = {
            "author": self.header.author,
            "declared_encoding": self.declared,
            "flags": [*self.body.flags, *self.decoded.flags, *self._other_flags()],
            "language_name": "" if self.header.language else self.header.language_name,
            "released": self.header.released,
        }
        origin: dict[str, Any] = {key: value for key, value in known.items() if value}
        origin |= {"file": self.name, "encoding": self.decoded.encoding, "number_from": self.number_from}
        return canonical_json(origin)

    def _other_flags(self) -> list[str]:
        in_path = number_in_path(self.name)
        return ["number_differs_from_path"] if in_path and in_path != self.number else []

    def preference(self) -> int:
        """The rank among editions of one number: the rules of `corpuskit.ingest.gutenberg` as digits."""
        encoding = self.decoded.encoding
        rank = self.body.bounds_found
        rank = rank * 10 + (0 if encoding == "ascii" else 2 if encoding.startswith("utf") else 1)
        rank = rank * 1000 + release(self.name)
        rank = rank * 10**8 + self.header.released
        return rank * 10**5 + min(len(self.body.text.encode("utf-8")) // 1024, 10**5 - 1)

    def cuts(self) -> list[CutSpan]:
        """What was removed, with offsets in UTF-8 bytes of the raw text."""
        text = self.decoded.text
        spans = []
        for piece in self.body.pieces:
            removed = text[piece.start : piece.stop]
            first = len(text[: piece.start].encode("utf-8"))
            last = first + len(removed.encode("utf-8"))
            spans.append(CutSpan(self.id, piece.reason, first, last, removed))
        return spans
