"""Project Gutenberg's catalogue: authors with years, languages, subjects, bookshelves and rights by number.

Read are ``pg_catalog.csv`` (also ``.gz``), the archive of RDF files ``rdf-files.tar.bz2`` (``.tar``,
``.tar.gz``), a folder with RDF files at any depth (``cache/epub`` of a mirror), and one RDF file. Only the
RDF files tell rights. Source of both forms: https://www.gutenberg.org/ebooks/offline_catalogs.html

A table or an archive is read once for each process and held as one short JSON text for each book, some 400
bytes; RDF files in a folder are read as they are asked for.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from corpuskit.errors import InputError
from corpuskit.sources.folders import survey
from corpuskit.sources.gutenberg import rdf
from corpuskit.sources.gutenberg.rdf import CatalogEntry, RdfError
from corpuskit.storage.files import sha256_file
from corpuskit.storage.places import stamp
from corpuskit.storage.streams import BrokenStreamError, chunks

MAX_BOOKS = 2_000_000
"""Numbers after which a catalogue is refused; Project Gutenberg had given 77,000 in 2025."""

_MAX_TABLE = 2**30
"""Bytes of a table, unpacked: that of 2026 has 22 million. A packed file may have no end."""
_MAX_LINE = 2**20
"""Characters: a file without line ends must not fill the memory."""
_TABLES = (".csv", ".csv.gz")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2")
_COLUMNS = ("Text#", "Type", "Title", "Language", "Authors", "Subjects", "Bookshelves")
_RDF_NAME = re.compile(r"(?:.*/)?pg(\d{1,7})\.rdf$")
_FORMS = "pg_catalog.csv, rdf-files.tar.bz2, a folder with RDF files or one of them"


@dataclass(frozen=True)
class Catalog:
    """A catalogue to look numbers up in.

    Attributes:
        entries: JSON by number: of a table the cells of `_COLUMNS` but the first, of an archive a
            `CatalogEntry`.
        files: RDF file by number, where they lie in a folder.
        problems: sentences about what could not be read.
    """

    entries: Mapping[int, bytes] = field(default_factory=dict)
    files: Mapping[int, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def find(self, number: int) -> CatalogEntry | None:
        """The entry of a book; None for a number that the catalogue does not have.

        Raises:
            RdfError: the RDF file of the number cannot be read.
        """
        if number in self.files:
            try:
                with open(self.files[number], "rb") as stream:
                    return rdf.read_rdf(stream.read(rdf.MAX_RDF_BYTES + 1))
            except OSError as error:
                raise RdfError(f"cannot be read ({error.strerror})") from error
        if (known := self.entries.get(number)) is None:
            return None
        facts: dict[str, Any] | list[str] = json.loads(known)
        if isinstance(facts, list):
            return _of_cells(facts)
        lists = {key: tuple(value) for key, value in facts.items() if isinstance(value, list)}
        return CatalogEntry(**{**facts, **lists})


def require_catalog(path: str) -> None:
    """Raise `InputError` unless ``path`` is a catalogue by its name, and a table by its first line."""
    lower = path.lower()
    if not os.path.exists(path):
        raise InputError(f"gutenberg: catalog {path!r} does not exist", remedy=f"Give {_FORMS}.")
    if os.path.isdir(path) or lower.endswith((*_ARCHIVES, ".rdf")):
        return
    if not lower.endswith(_TABLES):
        raise InputError(f"gutenberg: catalog {path!r} is no known form", remedy=f"Give {_FORMS}.")
    next(_table_rows(path), None)


def digest(path: str) -> str:
    """The sha256 of a catalogue's bytes; of a folder, of the names and bytes of its RDF files."""
    return _digest(path, _stamps(path))


def load(path: str, content: str = "") -> Catalog:
    """The catalogue at ``path``, read once for each process and content.

    Args:
        content: its `digest` where that is known. A folder with the files of 75,000 books takes seconds to
            look at, too long for each part of a source.

    Raises:
        InputError: it is not there, of no known form, or damaged as a whole. A single entry that cannot be
            read becomes one of `Catalog.problems`.
    """
    if not content:
        require_catalog(path)
    return _load(path, content or digest(path))


def _rdf_files(path: str) -> list[tuple[str, str]]:
    """Names and paths of the RDF files of a folder, or the file itself."""
    if not os.path.isdir(path):
        return [(Path(path).name, path)]
    return [(name, file) for name, file in survey(path).files if name.lower().endswith(".rdf")]


def _stamps(path: str) -> tuple[tuple[int, ...], ...]:
    try:
        return tuple(stamp(file) for _, file in _rdf_files(path))
    except OSError as error:
        message = f"gutenberg: catalog {path!r} cannot be read: {error.strerror}"
        raise InputError(message, remedy=f"Give {_FORMS}.") from error


@lru_cache(maxsize=4)
def _digest(path: str, stamps: tuple[tuple[int, ...], ...]) -> str:
    total = hashlib.sha256()
    for name, file in _rdf_files(path):
        if os.path.isdir(path):
            total.update(name.encode("utf-8", "backslashreplace") + b"\n")
        total.update(bytes.fromhex(sha256_file(Path(file))))
    return total.hexdigest()


# Few: each holds some 30 MB.
@lru_cache(maxsize=2)
def _load(path: str, content: str) -> Catalog:
    lower = path.lower()
    if os.path.isdir(path) or lower.endswith(".rdf"):
        named = {int(m[1]): file for name, file in _rdf_files(path) if (m := _RDF_NAME.match(name))}
        if not named:
            raise InputError(f"gutenberg: no pg<number>.rdf in {path!r}", remedy=f"Give {_FORMS}.")
        return Catalog(files=named)
    return _gather(path, _of_table(path) if lower.endswith(_TABLES) else _of_archive(path))


def _gather(path: str, found: Iterable[tuple[str, int, list[str] | CatalogEntry | str]]) -> Catalog:
    """Hold the entries of a table or archive; what is no entry is a problem's sentence."""
    entries: dict[int, bytes] = {}
    wrong: list[str] = []  # the first ones: a broken table may have nothing else
    wrong_count = 0
    for place, number, entry in found:
        if isinstance(entry, str) or number in entries:
            wrong_count += 1
            if len(wrong) < 3:
                twice = f"number {number} stands twice, the first is taken"
                wrong.append(f"{place}: {entry if isinstance(entry, str) else twice}")
        else:
            facts = entry if isinstance(entry, list) else vars(entry)
            entries[number] = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()
        if len(entries) > MAX_BOOKS:
            message = f"gutenberg: catalog {Path(path).name!r} has more than {MAX_BOOKS:,} books"
            raise InputError(message, remedy=f"Give {_FORMS}.")
    if not entries:
        raise InputError(f"gutenberg: no book in catalog {path!r}", remedy=f"Give {_FORMS}.")
    left_out = f"gutenberg: {wrong_count:,} entries of the catalogue are left out: {'; '.join(wrong)}"
    return Catalog(entries, problems=(left_out,) if wrong else ())


def _table_rows(path: str) -> Iterator[list[str]]:
    """The rows of a table below its heading, cut to `_COLUMNS`. Raises `InputError` for what is none."""
    name = Path(path).name
    rows = csv.reader(_lines(path), strict=True)
    try:
        heading = next(rows, [])
        if missing := [column for column in _COLUMNS if column not in heading]:
            remedy = "Give pg_catalog.csv as Project Gutenberg publishes it."
            raise InputError(f"gutenberg: catalog {name!r} has no column {', '.join(missing)}", remedy=remedy)
        at = [heading.index(column) for column in _COLUMNS]
        for row in rows:
            yield [row[i] for i in at] if len(row) > max(at) else row
    except (csv.Error, UnicodeDecodeError, BrokenStreamError) as error:
        message = f"gutenberg: catalog {name!r} cannot be read after line {rows.line_num}: {error}"
        raise InputError(message, remedy="Fetch it again.") from error


def _of_table(path: str) -> Iterator[tuple[str, int, list[str] | str]]:
    for line, row in enumerate(_table_rows(path), 2):
        number = row[0].strip() if row else ""
        if len(row) == len(_COLUMNS) and number.isascii() and number.isdigit() and len(number) < 8:
            yield f"row {line}", int(number), row[1:]
        else:
            yield f"row {line}", 0, "no row of a book"


def _of_cells(cells: Sequence[str]) -> CatalogEntry:
    kind, title, languages, authors, subjects, shelves = cells
    return CatalogEntry(
        title=rdf.plain_title(title),
        authors=_several(authors),
        languages=tuple(filter(None, re.split(r"[;,\s]+", languages.strip()))),
        subjects=_several(subjects),
        bookshelves=_several(shelves),
        kind=kind.strip(),
    )


def _several(cell: str) -> tuple[str, ...]:
    """Values between semicolons, each once."""
    values = (" ".join(value.split()) for value in re.split(r";\s", cell))
    return tuple(dict.fromkeys(value for value in values if value))


def _lines(path: str) -> Iterator[str]:
    """The lines of a UTF-8 file with their ends. Raises `csv.Error` for one above `_MAX_LINE` characters."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    rest = ""
    length = 0
    for chunk in chunks(path):
        if (length := length + len(chunk)) > _MAX_TABLE:
            raise csv.Error(f"it unpacks to more than {_MAX_TABLE:,} bytes")
        *whole, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from (line + "\n" for line in whole)
        if len(rest) > _MAX_LINE:
            raise csv.Error(f"a line of more than {_MAX_LINE:,} characters")
    rest += decoder.decode(b"", True)
    if rest:
        yield rest


def _of_archive(path: str) -> Iterator[tuple[str, int, CatalogEntry | str]]:
    """The entries of an archive of RDF files."""
    try:
        for name, data in rdf.members(path):
            if not (named := _RDF_NAME.match(name)):
                continue
            try:
                yield name, int(named[1]), rdf.read_rdf(data)
            except RdfError as error:
                yield name, 0, str(error)
    except (OSError, EOFError, zlib.error, RdfError) as error:
        message = f"gutenberg: catalog {Path(path).name!r} cannot be read: {error}"
        raise InputError(message, remedy="Fetch it again.") from error
