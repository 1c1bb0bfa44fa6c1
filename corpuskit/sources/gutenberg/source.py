"""Project Gutenberg text files as a source: a mirror, or any folder with books in it.

A book's id is ``gutenberg:<number>``. The number is what the header says (``[EBook #1342]``), else what the
file name says (``1342-0.txt``, ``pg1342.txt``), else what the folder says (``01342_Title/``, and
``1/3/4/1342/`` of a mirror), else what the licence calls the file. A text without any of these cannot be
told from other books: it is quarantined as ``no_book_number``.

Texts are read from `corpuskit.sources.gutenberg.tree.TEXT_SUFFIXES` and from zip archives, each text in an
archive being a file of its own. An archive beside the same file unpacked, and one that by its name holds
another format (``1342-h.zip``), is not opened; the log counts them.

Header, licence and credits are cut and kept as cut spans (see `corpuskit.sources.gutenberg.bounds` for how
they are found and when they are left alone), and so are transcriber's notes and the headers inside a file of
several etexts (`corpuskit.sources.gutenberg.notes`). Hard-wrapped prose becomes one line a paragraph, and the
marks of plain text for italics, pages and illustrations are taken out (`corpuskit.sources.gutenberg.blocks`,
`corpuskit.sources.gutenberg.reflow`, `corpuskit.sources.gutenberg.marks`); settings say otherwise.

With a `catalog`, title, authors, languages, subjects, bookshelves and rights come from there; what a header
says otherwise is flagged (see `corpuskit.sources.gutenberg.book`). What the catalogue calls no text
(``Sound``, ``Dataset``) is dropped as ``kind_<name>``.

One number often has several files: in other encodings, and older ones below ``old/``. All are read;
``preference`` tells which is best, by these rules in order:

1. both bounds found, then one, then none: a file without them is often incomplete;
2. UTF-8, then an 8-bit encoding, then ASCII, which spells accents and quotes out;
3. a mirror's current file before what the site made of it (``cache/epub``, ``pg1342.txt``), that before one
   below ``old/``, and that before the eight-character names of the first years, of which the higher release
   wins (``pandp12`` before ``pandp10``);
4. the later date, of release or update;
5. the longer text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from importlib.metadata import version as installed
from typing import Any, ClassVar, Literal

import pyarrow as pa
from pydantic import Field, field_validator

from corpuskit._native import utf8_size
from corpuskit.documents.reading import Dropped, Quarantined, Reading, ReadingBuilder
from corpuskit.documents.settings import Location
from corpuskit.errors import InputError
from corpuskit.sources.encoding.decode import decode_text
from corpuskit.sources.folders import (
    NO_KNOWN_FORMAT,
    FolderSelection,
    begin_reading,
    relative_name,
    require_local,
    some,
)
from corpuskit.sources.gutenberg.archives import RawText, Unreadable, raw_texts
from corpuskit.sources.gutenberg.body import Body, BodyOptions
from corpuskit.sources.gutenberg.book import Edition
from corpuskit.sources.gutenberg.bounds import MAX_CUT
from corpuskit.sources.gutenberg.catalog import Catalog, digest, load, require_catalog
from corpuskit.sources.gutenberg.header import declared_encoding, declared_language, read_header
from corpuskit.sources.gutenberg.rdf import RdfError
from corpuskit.sources.gutenberg.tree import TEXT_SUFFIXES, ZIP_SUFFIX, is_other_format, packed_twins
from corpuskit.sources.source import Part, Source
from corpuskit.storage.files import canonical_json
from corpuskit.storage.streams import EXCERPT_BYTES

PART_BYTES = 16 * 2**20
"""Bytes on disk after which a part is closed; a part holds whole files."""

PACKED_TWIN = "archives beside the same files unpacked"
OTHER_ARCHIVE = "archives of other formats by their names"
_SUFFIXES = ", ".join((*TEXT_SUFFIXES, ZIP_SUFFIX))

_CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*")

FIRST_PART = "00000"
WARNED = {
    *("wrong_encoding_declared", "unknown_encoding_declared", "doubtful_encoding", "guessed_encoding"),
    *("mixed_encodings", "damaged_characters", "number_differs_from_path", "title_differs_from_catalog"),
    *("author_differs_from_catalog", "language_differs_from_catalog", "rights_differ_from_catalog"),
    "not_in_catalog",
}
"""Flags that the log counts too; all stand in the ``origin`` of their books."""

PUBLIC_DOMAIN = "Public domain in the USA"
COPYRIGHTED = "Copyrighted; see the terms in the book's header"


class Gutenberg(Source):
    """Books of Project Gutenberg as plain text.

    Attributes:
        path: a folder, searched with its subfolders for texts and zip archives, or one such file.
        catalog: Project Gutenberg's catalogue: ``pg_catalog.csv``, ``rdf-files.tar.bz2``, or a folder with
            its RDF files; the table does not tell rights. Without one the headers alone tell. Its
            contents, not its place, decide whether a finished run is still good. Every worker reads a table
            or an archive once, which for 75,000 books takes a second of ``pg_catalog.csv`` and a minute and
            a half of ``rdf-files.tar.bz2``; unpacked into a folder, files are read as they are asked for.
        include: globs, matched against the relative path and against the name alone; empty for all.
        exclude: globs of files that are left out.
        languages: codes of the languages to keep (``["en", "de"]``), empty for all. The main language of a
            book, named first, decides. Others are dropped as ``language_<code>``, books of which none is
            known as ``language_unknown``.
        copyrighted: what becomes of books of which header or catalogue say that they are copyrighted.
        max_cut: characters that may be cut at either end. A marker beyond them is not believed.
        transcriber_notes: what becomes of notes that the makers of the file wrote into it.
        reflow: join the hard-wrapped lines of prose into one line a paragraph; verse, drama, tables, lists,
            letter heads and headings keep their lines (see `corpuskit.sources.gutenberg.blocks`).
        emphasis: ``_italics_``, ``=bold=``, ``~spaced out~``: only the words, or as they are.
        illustrations: of ``[Illustration: caption]`` the caption, nothing, or all as it is.
        footnotes: left where they stand, or removed with their references.
        page_numbers: ``[Pg 12]``, ``{12}`` and lines that are only a number, where they count up.
    """

    name: ClassVar[str] = "gutenberg"
    version: ClassVar[int] = 4
    same_id_reason: ClassVar[str] = "other_edition"
    columns: ClassVar[Mapping[str, pa.DataType]] = {
        "authors": pa.list_(pa.string()),
        "languages": pa.list_(pa.string()),
        "subjects": pa.list_(pa.string()),
        "bookshelves": pa.list_(pa.string()),
        "rights": pa.string(),
    }

    path: Location[str]
    catalog: Location[str | None] = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    copyrighted: Literal["drop", "keep"] = "drop"
    max_cut: int = Field(default=MAX_CUT, ge=1000)
    transcriber_notes: Literal["remove", "keep"] = "remove"
    reflow: bool = True
    emphasis: Literal["unwrap", "keep"] = "unwrap"
    illustrations: Literal["caption", "remove", "keep"] = "caption"
    footnotes: Literal["keep", "remove"] = "keep"
    page_numbers: Literal["remove", "keep"] = "remove"

    @field_validator("languages")
    @classmethod
    def _check_languages(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        """A name in place of a code would drop every book."""
        for code in codes:
            if not _CODE.fullmatch(code):
                raise ValueError(f"{code!r} is no language code; write en, de, fr (ISO 639, small letters)")
        return codes

    def libraries(self) -> dict[str, Any]:
        """The version of chardet: another one may guess otherwise. The digest of the catalogue."""
        catalog = {"catalog_sha256": digest(self.catalog)} if self.catalog else {}
        return {"chardet": installed("chardet"), **catalog}

    @property
    def documents_source(self) -> str:
        """What the column ``source`` says of all documents."""
        return self.name

    def parts(self) -> list[Part]:
        """Whole files in the order of their relative paths, grouped up to `PART_BYTES`.

        Raises:
            InputError: the path is not there or holds no text file; the catalogue is not there or is none.
        """
        require_local("gutenberg", self.path)
        selection = FolderSelection("gutenberg", self.path, self.include, self.exclude)
        if self.catalog:
            require_catalog(self.catalog)
        selection.leave(NO_KNOWN_FORMAT, lambda name: _kind(name) == NO_KNOWN_FORMAT)
        selection.leave(OTHER_ARCHIVE, lambda name: _kind(name) == OTHER_ARCHIVE)
        selection.leave(PACKED_TWIN, packed_twins(name for name, _ in selection.files).__contains__)
        if not selection.files:
            texts = sum(not _kind(name) for name, _ in selection.found)
            raise InputError(
                f"gutenberg: no book in {self.path!r}: {len(selection.found)} files, {texts} of them"
                f" {_SUFFIXES}, none left by include {self.include} and exclude {self.exclude}",
                remedy=f"Check `path`, `include` and `exclude`; books are read from {_SUFFIXES}.",
            )
        return selection.parts(PART_BYTES, {"catalog_sha256": digest(self.catalog)} if self.catalog else {})

    def read(self, part: Part) -> Iterator[Reading]:
        """Read the books of a part, one document for each text."""
        out = begin_reading(part, self.columns)
        flagged: dict[str, list[str]] = {}
        catalog = load(self.catalog, part.detail["catalog_sha256"]) if self.catalog else None
        if catalog and part.name == FIRST_PART:
            for sentence in catalog.problems:
                out.warn(sentence)
        for path in part.files:
            for raw in raw_texts(path, relative_name(self.path, path)):
                if isinstance(raw, RawText):
                    self._book(raw, catalog, out, flagged)
                elif isinstance(raw, Unreadable):
                    _quarantine(raw, out)
                else:
                    out.met(raw.size)
                    identity, origin = f"gutenberg:file/{raw.name}", canonical_json({"file": raw.name})
                    out.drop(Dropped(identity, "no_text", raw.size, "", "", origin))
                yield from out.take()
        for flag, names in sorted(flagged.items()):
            out.warn(f"gutenberg: {flag}: {len(names)} of this part's texts, {some(names)}")
        yield from out.take(rest=True)

    def body_options(self) -> BodyOptions:
        """The settings that say how the inside of a book is treated."""
        return BodyOptions(**{field.name: getattr(self, field.name) for field in fields(BodyOptions)})

    def _book(
        self, raw: RawText, catalog: Catalog | None, out: ReadingBuilder, flagged: dict[str, list[str]]
    ) -> None:
        """Read one text into ``out``: kept, dropped or quarantined; its name into ``flagged`` by flag."""
        declared = declared_encoding(raw.data)
        if (decoded := decode_text(raw.data, declared, declared_language(raw.data))) is None:
            said = f"declared as {declared}" if declared else "no encoding declared"
            error = (
                f"{raw.name}: in no encoding that is known here, nor in that of its header ({said})."
                " Convert it: iconv -f ENCODING -t UTF-8"
            )
            _quarantine(Unreadable(raw.name, "undecodable", error, len(raw.data), raw.data), out)
            return
        body = Body(decoded.text, self.body_options())
        book = Edition(raw.name, declared, decoded, body, read_header(body.header))
        if book.number is None:
            error = (
                f"{raw.name}: no number of a book in its header, its name, its folders or its licence."
                " Name it NUMBER.txt, or read it with the source `files`."
            )
            _quarantine(Unreadable(raw.name, "no_book_number", error, len(raw.data), raw.data), out)
            return
        if catalog:
            _join(book, book.number, catalog, out)
        for flag in book.flags():
            if flag in WARNED:
                flagged.setdefault(flag, []).append(raw.name)
        self._accept(book, out)

    def _accept(self, book: Edition, out: ReadingBuilder) -> None:
        """Drop or keep a decoded book."""
        size = utf8_size(book.decoded.text)
        out.met(size)
        if reason := self._reason_to_drop(book):
            out.drop(Dropped(book.id, reason, size, book.title, book.decoded.text, book.origin()))
            return
        out.keep(
            id=book.id,
            source=self.name,
            text=book.body.text,
            title=book.title,
            url=f"https://www.gutenberg.org/ebooks/{book.number}",
            language=book.language,
            licence=COPYRIGHTED if book.copyrighted else PUBLIC_DOMAIN,
            origin=book.origin(),
            preference=book.preference(),
            **book.columns(),
        )
        for span in book.cuts():
            out.cut(span)
        for why, removed in book.body.cut.items():
            out.cut_bytes(why, removed)

    def _reason_to_drop(self, book: Edition) -> str:
        if book.copyrighted and self.copyrighted == "drop":
            return "copyrighted"
        if book.entry and book.entry.kind not in ("", "Text"):
            return f"kind_{'_'.join(book.entry.kind.lower().split())}"
        if self.languages and book.language not in self.languages:
            return f"language_{book.language or 'unknown'}"
        return "" if book.body.text.strip() else "empty"


def _join(book: Edition, number: int, catalog: Catalog, out: ReadingBuilder) -> None:
    """Give a book what the catalogue says of it."""
    entry = None
    try:
        entry = catalog.find(number)
    except RdfError as error:
        out.warn(f"gutenberg: the catalogue's entry of book {number} is left out: {error}")
    if entry is None:
        book.differences.append("not_in_catalog")
    else:
        book.join(entry)


def _kind(name: str) -> str:
    """Why a file is not read, by its name; ``""`` for one that is."""
    lower = name.lower()
    if lower.endswith(TEXT_SUFFIXES):
        return ""
    if lower.endswith(ZIP_SUFFIX):
        return OTHER_ARCHIVE if is_other_format(name) else ""
    return NO_KNOWN_FORMAT


def _quarantine(bad: Unreadable, out: ReadingBuilder) -> None:
    out.met(bad.size)
    excerpt, origin = bad.data[:EXCERPT_BYTES].decode("utf-8", "replace"), canonical_json({"file": bad.name})
    out.quarantine(Quarantined(bad.name, bad.kind, bad.error, bad.size, excerpt, origin))
