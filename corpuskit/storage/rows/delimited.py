"""Tables of delimited cells (.csv, .tsv): RFC 4180 with the quotes, line ends and encodings that occur."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from corpuskit.errors import InputError
from corpuskit.storage import streams
from corpuskit.storage.rows.row import (
    Damage,
    Decoded,
    Row,
    Rows,
    Wanted,
    broken_stream,
    excerpt,
    once,
    there_are,
)
from corpuskit.storage.rows.text import BOM, Line, Lines
from corpuskit.storage.streams import BrokenStreamError, size_on_disk

_DELIMITERS = ",;\t|"
_LEAST = 2
"""Bytes beyond ASCII from which lines that are not UTF-8 are decoded: one alone may be damage."""


def read_delimited(path: str, name: str, wanted: Wanted) -> Rows:
    """One row per record behind the header; ``row`` counts records from 0, without the header.

    All values are the cells' text as it stands: nothing is taken for a number, a date or a missing value.
    """
    records = Records(Lines(path, wanted.decode, _LEAST, wanted.encoding))
    row, pending = -1, None
    try:
        columns = _columns(records, name, wanted) or _Columns([], {})
        # A record is handed on when the next one is there: the last one before a break may be half of one.
        while columns.names and (record := records.next()) is not None:
            if pending and not pending.blank:
                row += 1
                yield _row(pending, row, columns, name)
            pending = record
    except InputError as error:
        yield Damage(0, "unreadable_file", error.one_line(), size_on_disk(path))
        return
    except BrokenStreamError as error:
        size = records.held_bytes + (pending.size if pending else 0)
        yield Damage(row + 1, error.kind, broken_stream(f"{name}#{row + 1}", error), size)
        return
    if pending and not pending.blank:
        yield _row(pending, row + 1, columns, name)


def header_problem(path: str, name: str, wanted: Wanted) -> InputError | None:
    """Why no record of a table can have a text; None for one that can, and for one that is damaged."""
    try:
        _columns(Records(Lines(path, wanted.decode, _LEAST, wanted.encoding)), name, wanted)
    except InputError as error:
        return error
    except BrokenStreamError:
        return None
    return None


@dataclass
class _Columns:
    """What the columns are called, and at which of them the wanted ones stand."""

    names: list[str]
    places: dict[str, int]


@dataclass
class Record:
    """The cells of a record, or what is wrong with it.

    Attributes:
        raw: the lines that it stands in.
        line: number of the first one, from 1.
    """

    cells: list[str]
    raw: list[bytes]
    line: int
    size: int
    decoded: Decoded | None = None
    kind: str = ""
    problem: str = ""

    @property
    def blank(self) -> bool:
        """Whether it is a line without anything."""
        return not self.problem and (not self.cells or (len(self.cells) == 1 and not self.cells[0].strip()))


class Records:
    """The records of a file.

    Args:
        quotes: whether quotes hold cells together; plain characters otherwise.

    A quote that is never closed would take in the rest of the file: then its first line alone is damage, and
    the lines behind it are read one by one.
    """

    def __init__(self, lines: Lines, delimiter: str = ",", quotes: bool = True) -> None:
        # A process has one limit for all cells; Python's own is 128 KiB, less than a document may have.
        csv.field_size_limit(max(csv.field_size_limit(), streams.MAX_ROW_BYTES))
        self._lines = lines
        self._physical = _physical(lines)
        self._again: deque[Line] = deque()  # lines that are read a second time, each by itself
        self._held: list[bytes] = []
        self._line = 0
        self.delimiter = delimiter
        self._quotes = quotes

    @property
    def held_bytes(self) -> int:
        """Bytes of the record that is being read."""
        return sum(map(len, self._held))

    def text(self, record: Record) -> str:
        """The lines of a record as text, whatever its cells are."""
        found = self._lines.decode(b"".join(record.raw))
        return found[0] if found else b"".join(record.raw).decode("utf-8", "replace")

    def push_back(self, record: Record) -> None:
        """Have a record read again, which was the first."""
        self._physical = chain([(line, len(line)) for line in record.raw], self._physical)
        self._line = 0

    def next(self) -> Record | None:
        """The next record; None at the end. Raises `BrokenStreamError` where the stream breaks off."""
        self._held = []
        alone = bool(self._again)
        first = self._take()
        if first is None:
            return None
        number, (data, size) = self._line, first
        if size > streams.MAX_ROW_BYTES:
            problem = f"{size:,} bytes in one line. Split it"
            return Record([], [data], number, size, None, "too_large", problem)
        record = Record([], self._held, number, size)
        try:
            feed = self._feed(first, alone, record)
            quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self._quotes else csv.QUOTE_NONE
            record.cells = next(csv.reader(feed, delimiter=self.delimiter, strict=True, quoting=quoting))
        except csv.Error as error:
            # Lines behind the first one may be records of their own.
            self._again.extendleft((line, len(line)) for line in reversed(self._held[1:]))
            self._line -= len(self._held) - 1
            return Record([], self._held[:1], number, size, None, "bad_csv", f"{error}. Mend the line")
        record.size = self.held_bytes
        return record

    def _feed(self, line: Line | None, alone: bool, record: Record) -> Iterator[str]:
        """The text of the lines of a record, as many as are asked for."""
        size = 0
        while line is not None:
            data, length = line
            size += length
            if size > streams.MAX_ROW_BYTES:
                raise csv.Error("a quote is not closed")
            self._held.append(data)
            found = self._lines.decode(data)
            if found is None:
                record.kind, record.problem = "invalid_utf8", "bytes that are not UTF-8. Convert the file"
            record.decoded = (found and found[1]) or record.decoded
            yield found[0] if found else data.decode("utf-8", "replace")
            line = None if alone else self._take()

    def _take(self) -> Line | None:
        line = self._again.popleft() if self._again else next(self._physical, None)
        self._line += line is not None
        return line


def _physical(lines: Lines) -> Iterator[Line]:
    """Lines with their ends, which belong to quoted cells; cut at LF, CR LF and CR."""
    start = BOM
    for data, size in lines:
        data, start = data.removeprefix(start), b""
        if size > streams.MAX_ROW_BYTES:
            yield data, size
            continue
        for line in (data + b"\n").splitlines(keepends=True):
            yield line, len(line)


def _columns(records: Records, name: str, wanted: Wanted) -> _Columns | None:
    """The columns, by the first record that is not blank; None without one. Sets the delimiter.

    The delimiter is the one with which the text's column is found, the ending's own first.

    Raises:
        InputError: the text's column is not there, or a wanted one stands twice.
        BrokenStreamError: the stream breaks off before.
    """
    own = "\t" if streams.bare(name).endswith((".tsv", ".tab")) else ","
    records.delimiter = own
    record = records.next()
    while record is not None and record.blank:
        record = records.next()
    if record is None:
        return None
    head = records.text(record)
    found = [(d, split_cells(head, d)) for d in (own, *_DELIMITERS.replace(own, ""))]
    named = (pair for pair in found if wanted.header and wanted.text in pair[1])
    records.delimiter, names = next(named, None) or max(found, key=lambda pair: len(pair[1]))
    if not wanted.header:
        records.push_back(record)
        names = [str(number) for number in range(1, len(names) + 1)]
    places = {column: _place(column, names, name) for column in (wanted.text, *wanted.others)}
    if places[wanted.text] is None:
        remedy = (
            "Set text_field to one of these or to a column's number; header: false if none names columns."
        )
        known = there_are(wanted.text, names)
        message = f"{name}: no column {wanted.text!r} with commas, semicolons, tabs or bars between cells"
        raise InputError(message, remedy=f"{known} {remedy}")
    return _Columns(names, {column: place for column, place in places.items() if place is not None})


def split_cells(text: str, delimiter: str) -> list[str]:
    """The cells of a text's first record, without blanks around them; none where it is no record."""
    try:
        return [
            cell.strip() for cell in next(csv.reader(text.splitlines(keepends=True), delimiter=delimiter), [])
        ]
    except csv.Error:
        return []


def _place(column: str, names: Sequence[str], name: str) -> int | None:
    """Where a column stands, by its name or else its number from 1. Raises `InputError` if it does twice."""
    once(column, names, name, numbered=True)
    if column in names:
        return names.index(column)
    numbered = column.isdecimal() and 1 <= int(column) <= len(names)
    return int(column) - 1 if numbered else None


def _row(record: Record, row: int, columns: _Columns, name: str) -> Row | Damage:
    place = f"{name}#{row} (line {record.line})"
    cells, names = record.cells, columns.names
    kind, problem = record.kind, record.problem
    # Empty cells at the end come and go with the programs that write such files.
    if not problem and (any(cells[len(names) :]) or any(names[len(cells) :])):
        kind, problem = (
            "ragged",
            f"{len(cells)} cells under {len(names)} columns. Quote cells that hold the delimiter",
        )
    if problem:
        start = excerpt(b"".join(record.raw[:1]))
        return Damage(row, kind, f"{place}: {problem}.", record.size, start, record.line)
    cells = cells + [""] * (len(names) - len(cells))
    values = {column: cells[at] for column, at in columns.places.items()}
    return Row(row, values, record.size, names, record.decoded, record.line)
