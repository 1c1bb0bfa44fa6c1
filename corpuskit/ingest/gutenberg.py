"""Project Gutenberg text files as a source: a mirror, or any folder with books in it.

A book's id is ``gutenberg:<number>``. The number is what the header says (``[EBook #1342]``), else what the
file name says (``1342-0.txt``, ``pg1342.txt``), else what the folder says (``01342_Title/``, and
``1/3/4/1342/`` of a mirror). A file without any of these has the id ``gutenberg:path/<relative path>``.

Header, licence and credits are cut and kept as cut spans (see `corpuskit.ingest.gutenberg_markers` for how
they are found and when they are left alone). Lines and paragraphs stay as they are. Transcriber's notes stay
too: they describe the book, and where they end cannot be told safely.

One number often has several files: in other encodings, and older ones below ``old/``. All are read;
``preference`` tells which is best, by these rules in order:

1. both bounds found, then one, then none: a file without them is often incomplete;
2. UTF-8, then an 8-bit encoding, then ASCII, which spells accents and quotes out;
3. a current file before one below ``old/``, and that before the eight-character names of the first years,
   of which the higher release wins (``pandp12`` before ``pandp10``);
4. the later date, of release or update;
5. the longer text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from corpuskit.errors import InputError
from corpuskit.ingest.file_rows import EXCERPT_BYTES, MAX_ROW_BYTES, BrokenStreamError, chunks
from corpuskit.ingest.gutenberg_body import Body, BodyOptions, extract_body
from corpuskit.ingest.gutenberg_header import Header, declared_encoding, read_header
from corpuskit.ingest.gutenberg_markers import MAX_CUT
from corpuskit.ingest.gutenberg_tree import number_in_path, release
from corpuskit.ingest.paths import (
    NO_KNOWN_FORMAT,
    group,
    matches,
    noted,
    passed_over,
    relative_name,
    require,
    survey,
)
from corpuskit.ingest.reading import ReadingBuilder
from corpuskit.ingest.text_encoding import Decoded, decode
from corpuskit.stage import CutSpan, Dropped, Location, Part, Quarantined, Reading, Source, canonical_json

PART_BYTES = 16 * 2**20
"""Bytes on disk after which a part is closed; a part holds whole files."""

PUBLIC_DOMAIN = "Public domain in the USA"
COPYRIGHTED = "Copyrighted; see the terms in the book's header"

_SUFFIXES = (".txt", ".txt.gz")


class Gutenberg(Source):
    """Books of Project Gutenberg as plain text.

    Attributes:
        path: a folder, searched with its subfolders for ``.txt`` and ``.txt.gz``, or one such file.
        include: globs, matched against the relative path and against the name alone; empty for all.
        exclude: globs of files that are left out.
        languages: codes of the languages to keep (``["en", "de"]``), empty for all. Others are dropped as
            ``language_<code>``, books that name no language as ``language_unknown``.
        copyrighted: what becomes of books that are not in the public domain.
        max_cut: characters that may be cut at either end. A marker beyond them is not believed.
    """

    name: ClassVar[str] = "gutenberg"
    version: ClassVar[int] = 3
    same_id_reason: ClassVar[str] = "other_edition"

    path: Location[str]
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    copyrighted: Literal["drop", "keep"] = "drop"
    max_cut: int = Field(default=MAX_CUT, ge=1000)

    def parts(self) -> list[Part]:
        """Whole files in the order of their relative paths, grouped up to `PART_BYTES`.

        Raises:
            InputError: the path is not there or holds no text file.
        """
        require(self.path, "gutenberg")
        found = survey(self.path)
        texts = [(name, path) for name, path in found.files if name.lower().endswith(_SUFFIXES)]
        chosen = [
            path
            for name, path in texts
            if (not self.include or matches(name, self.include)) and not matches(name, self.exclude)
        ]
        if not chosen:
            raise InputError(
                f"gutenberg: no book in {self.path!r}: {len(found.files)} files, {len(texts)} of them"
                f" .txt or .txt.gz, none left by include {self.include} and exclude {self.exclude}",
                remedy="Check `path`, `include` and `exclude`; books are read from .txt and .txt.gz.",
            )
        others = [name for name, _ in found.files if not name.lower().endswith(_SUFFIXES)]
        left = {NO_KNOWN_FORMAT: others} | found.others
        return noted(group(chosen, PART_BYTES), passed_over("gutenberg", left, self.include, self.exclude))

    def read(self, part: Part) -> Iterator[Reading]:
        """Read the books of a part, one document each."""
        out = ReadingBuilder()
        for sentence in part.detail.get("not_read", ()):
            out.warn(sentence)
        for path in part.files:
            self._book(path, relative_name(self.path, path), out)
            yield from out.take()
        yield from out.take(rest=True)

    def _book(self, path: str, name: str, out: ReadingBuilder) -> None:
        """Read one file into ``out``: kept, dropped or quarantined."""
        data = self._raw(path, name, out)
        if data is None:
            return
        declared = declared_encoding(data)
        decoded = decode(data, declared)
        if decoded is None:
            said = f"declared as {declared}" if declared else "no encoding declared"
            error = (
                f"{name}: neither UTF-8 nor Windows-1252 nor what its header says ({said})."
                " Convert it: iconv -f ENCODING -t UTF-8"
            )
            _quarantine(name, "undecodable", error, data, len(data), out)
            return
        body = extract_body(decoded.text, BodyOptions(max_cut=self.max_cut))
        self._accept(_Book(name, declared, decoded, body, read_header(body.header)), out)

    def _raw(self, path: str, name: str, out: ReadingBuilder) -> bytes | None:
        """The file's bytes, decompressed; None after quarantining a file that cannot be read."""
        held: list[bytes] = []
        size = 0
        try:
            for chunk in chunks(path):
                size += len(chunk)
                if size <= MAX_ROW_BYTES:
                    held.append(chunk)
        except BrokenStreamError as broken:
            error = f"{name}: the compressed file is {broken.kind} ({broken}). Fetch it again."
            _quarantine(name, broken.kind, error, b"".join(held[:1]), size, out)
            return None
        if size > MAX_ROW_BYTES:
            error = f"{name}: {size:,} bytes are more than the {MAX_ROW_BYTES:,} of one book. Exclude it."
            _quarantine(name, "too_large", error, held[0], size, out)
            return None
        return b"".join(held)

    def _accept(self, book: _Book, out: ReadingBuilder) -> None:
        """Drop or keep a decoded book."""
        header = book.header
        size = len(book.decoded.text.encode("utf-8"))
        out.met(size)
        reason = self._reason_to_drop(header, book.body.text)
        if reason:
            out.drop(Dropped(book.id, reason, size, header.title, book.decoded.text, book.origin()))
            return
        out.keep(
            id=book.id,
            source=self.name,
            text=book.body.text,
            title=header.title,
            url=f"https://www.gutenberg.org/ebooks/{book.number}" if book.number else "",
            language=header.language,
            licence=COPYRIGHTED if header.copyrighted else PUBLIC_DOMAIN,
            origin=book.origin(),
            preference=book.preference(),
        )
        for span in book.cuts():
            out.cut(span)
        for why, removed in book.body.cut.items():
            out.cut_bytes(why, removed)
        for why, more in book.body.added.items():
            out.add_bytes(why, more)

    def _reason_to_drop(self, header: Header, body: str) -> str:
        if header.copyrighted and self.copyrighted == "drop":
            return "copyrighted"
        if self.languages and header.language not in self.languages:
            return f"language_{header.language or 'unknown'}"
        return "" if body.strip() else "empty"


def _quarantine(name: str, kind: str, error: str, data: bytes, size: int, out: ReadingBuilder) -> None:
    out.met(size)
    excerpt = data[:EXCERPT_BYTES].decode("utf-8", "replace")
    out.quarantine(Quarantined(name, kind, error, size, excerpt, canonical_json({"file": name})))


class _Book:
    """One decoded file and what is known about it."""

    def __init__(self, name: str, declared: str, decoded: Decoded, body: Body, header: Header) -> None:
        self.name = name
        self.declared = declared
        self.decoded = decoded
        self.body = body
        self.header = header
        in_path = number_in_path(name)
        self.number = header.number or in_path
        self.number_from = "header" if header.number else "path" if in_path else "none"
        self.id = f"gutenberg:{self.number}" if self.number else f"gutenberg:path/{name}"

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
        """The rank among editions of one number: the module's five rules as groups of decimal digits."""
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
