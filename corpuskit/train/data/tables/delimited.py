"""Rows of a delimited file, and of a file whose lines are texts; every cell stays the text that it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from corpuskit.storage.files import sha256_file, sha256_json
from corpuskit.storage.rows.delimited import Record
from corpuskit.storage.streams import BrokenStreamError
from corpuskit.train.data.tables.encodings import not_utf8
from corpuskit.train.data.tables.row import Place, Problem, Row
from corpuskit.train.data.tables.shape import NAMES, Shape, records


@dataclass(frozen=True)
class DelimitedFile:
    """A file of records, with the shape that was found.

    Attributes:
        given: names that were given to the columns; empty if the file's own are taken.
        keys: by what the values of a row are known, one a column: its name, or ``#3`` for the third where
            the name is empty or stands twice.
    """

    path: str
    name: str
    shape: Shape
    encoding: str
    given: tuple[str, ...] = ()
    keys: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", _keys(self.columns))

    @property
    def columns(self) -> tuple[str, ...]:
        """What the columns are called: by the first row, as was given, or by their numbers from 1."""
        if self.given:
            more = range(len(self.given) + 1, len(self.shape.first) + 1)
            return (*self.given, *map(str, more))
        if self.shape.header:
            return tuple(cell.strip() for cell in self.shape.first)
        if not self.shape.delimiter:
            return ("text",)
        return tuple(str(number) for number in range(1, len(self.shape.first) + 1))

    @property
    def told(self) -> tuple[str, ...]:
        """What was found out about the file."""
        return self.shape.told

    def fingerprint(self) -> str:
        """A sha256, in hex, of what is read and of how: it changes when either does."""
        shape = self.shape
        how = [shape.delimiter, shape.quotes, shape.header, self.encoding, list(self.columns)]
        return sha256_json({"contents": sha256_file(Path(self.path)), "how": how})

    def with_header(self, header: bool) -> DelimitedFile:
        """The same file, its first row taken for names or for data."""
        return replace(self, shape=replace(self.shape, header=header, doubt="", told=()))

    def rows(self, only: frozenset[str] | None = None) -> Iterator[Row | Problem]:
        """Rows in order, and a problem for each that is none."""
        shape, number = self.shape, 0
        wanted = [(at, key) for at, key in enumerate(self.keys) if only is None or key in only]
        found = records(self.path, shape.delimiter, shape.quotes, self.encoding, len(self.given))
        # A record is handed on when the next one is there: the last one before a break may be half of one.
        pending: Record | None = None
        try:
            for record in islice(found, int(shape.header), None):
                if pending is not None:
                    number += 1
                    yield self._row(pending, number, wanted)
                pending = record
        except BrokenStreamError as error:
            where = Place(self.name, number + 1, pending.line if pending else 0)
            yield Problem(where, error.kind, f"the file cannot be read from here on: {error}", error.remedy)
            return
        if pending is not None:
            yield self._row(pending, number + 1, wanted)

    def _row(self, record: Record, number: int, wanted: list[tuple[int, str]]) -> Row | Problem:
        place = Place(self.name, number, record.line)
        return self._problem(record, place) or Row(place, self._values(record.cells, wanted))

    def _values(self, cells: list[str], wanted: list[tuple[int, str]]) -> dict[str, Any]:
        # Empty cells at the end come and go with the programs that write such files.
        return {key: cells[at] if at < len(cells) else "" for at, key in wanted}

    def _problem(self, record: Record, place: Place) -> Problem | None:
        names, cells = self.columns, record.cells
        if record.kind == "invalid_utf8":
            odd = next((i for i, line in enumerate(record.raw) if not _is_utf8(line)), 0)
            line, data = (record.line + odd if odd else 0), record.raw[odd]
            return Problem(place, record.kind, ask=lambda: not_utf8(self.path, line, data))
        if record.problem:
            why, _, remedy = record.problem.rpartition(". ")
            return Problem(
                place, record.kind, why or record.problem, f"{remedy}." if why else "Mend the line."
            )
        if any("\0" in cell for cell in cells):
            return Problem(place, "nul", "a NUL byte in the text", "Take it out, or --set encoding=...")
        short = any(names[len(cells) :]) and len(cells) < len(names)
        if any(cells[len(names) :]) or short:
            by = NAMES.get(self.shape.delimiter, repr(self.shape.delimiter))
            why = f"{len(cells)} cells, parted by {by}, under {len(names)} columns"
            remedy = "Quote cells that hold the delimiter, or name another one: --set delimiter=..."
            return Problem(place, "ragged", why, remedy)
        return None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _keys(names: tuple[str, ...]) -> tuple[str, ...]:
    """One key a column, none twice: its name where that is its own."""
    once = {name for name in names if name and names.count(name) == 1}
    keys: list[str] = []
    for number, name in enumerate(names, 1):
        key = name if name in once else f"#{number}"
        while name not in once and key in once:
            key = f"#{key}"
        keys.append(key)
    return tuple(keys)
