"""Tables of delimited cells (.csv, .tsv): RFC 4180 with the quotes, line ends and encodings that occur."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from csv import QUOTE_MINIMAL, QUOTE_NONE
from dataclasses import dataclass
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
            if pending:
                row += 1
                yield _row(pending, row, columns, name)
            pending = record
    except InputError as error:
        yield Damage(0, "unreadable_file", error.one_line(), size_on_disk(path))
        return
    except BrokenStreamError as error:
        if pending and records.passed_blank:  # So it is whole.
            row += 1
            yield _row(pending, row, columns, name)
            pending = None
        size = records.held_bytes + (pending.size if pending else 0)
        yield Damage(row + 1, error.kind, broken_stream(f"{name}#{row + 1}", error), size)
        return
    if pending:
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
    """The records of a file that are not blank.

    Args:
        quotes: whether quotes hold cells together; plain characters otherwise.

    A quote that is never closed would take in the rest of the file: then its first line alone is damage, and
    the lines behind it are read one by one.

    Lines are handed to Python's parser as many as come at a time, and its count of them tells which a record
    stands in: a file may hold little else than line ends.

    Attributes:
        passed_blank: whether a blank one was met since the last one that was given.
    """

    def __init__(self, lines: Lines, delimiter: str = ",", quotes: bool = True) -> None:
        # A process has one limit for all cells; Python's own is 128 KiB, less than a document may have.
        csv.field_size_limit(max(csv.field_size_limit(), streams.MAX_ROW_BYTES))
        self._lines = lines
        self._quoting: Literal[0, 3] = QUOTE_MINIMAL if quotes else QUOTE_NONE
        self._blocks = _blocks(lines)
        # Lines are numbered from 0. Held are those from `_first` on.
        self._held: list[bytes] = []
        self._first = self._start = 0  # The next record begins with line `_start`.
        self._alone = 0  # Before this line each is read by itself.
        self._long: Line | None = None  # It comes next, and is too long.
        self._fed = False  # No line is left for the parser.
        self._refused = False  # With the next one the record would be too large.
        # Of lines that are not UTF-8, how they were decoded; None where nothing reads them.
        self._odd: dict[int, Decoded | None] = {}
        self.passed_blank = False
        self.set_delimiter(delimiter)

    def set_delimiter(self, delimiter: str) -> None:
        """Have the records that follow cut at another one."""
        self._delimiter = delimiter
        self._parse_on()

    def _parse_on(self) -> None:
        """Have the lines read on from the next record, or from those that are read by themselves."""
        self._begun = max(self._start, self._alone)
        self._fed = self._refused = False
        self._reader = csv.reader(self._feed(), delimiter=self._delimiter, strict=True, quoting=self._quoting)

    @property
    def held_bytes(self) -> int:
        """Bytes of the record that is being read."""
        return self._size(self._start, self._first + len(self._held))

    def _size(self, start: int, end: int) -> int:
        return sum(map(len, self._held[start - self._first : end - self._first]))

    def text(self, record: Record) -> str:
        """The lines of a record as text, whatever its cells are."""
        found = self._lines.decode(b"".join(record.raw))
        return found[0] if found else b"".join(record.raw).decode("utf-8", "replace")

    def push_back(self, record: Record) -> None:
        """Have the record read again that was given last."""
        self._start = record.line - 1
        if record.kind == "too_large":
            self._first, self._long = self._start, (record.raw[0], record.size)
        self._parse_on()

    def next(self) -> Record | None:
        """The next record; None at the end. Raises `BrokenStreamError` where the stream breaks off."""
        self.passed_blank = False
        while self._start < self._alone:
            if record := self._next_alone():
                return record
        try:
            for cells in self._reader:
                start, self._start = self._start, self._begun + self._reader.line_num
                if len(cells) > 1 or (cells and cells[0].strip()):
                    return self._record(start, cells)
                self.passed_blank = True
        except csv.Error as error:
            # Lines behind the first one may be records of their own.
            start, self._start = self._start, self._start + 1
            self._alone = self._begun + self._reader.line_num
            record = self._damaged(start, "a quote is not closed" if self._refused else str(error))
            if self._fed:  # Else the parser goes on with the line behind.
                self._parse_on()
            return record
        if self._long is None:
            return None
        (data, size), self._long = self._long, None
        self._held, self._start = [], self._start + 1
        self._first = self._start
        self._parse_on()
        problem = f"{size:,} bytes in one line. Split it"
        return Record([], [data], self._start, size, None, "too_large", problem)

    def _next_alone(self) -> Record | None:
        """The record in the next line, which is read by itself; None if it is blank."""
        start = self._start
        self._start += 1
        data = self._held[start - self._first]
        if data in _LINE_ENDS:
            self.passed_blank = True
            return None
        [text] = self._texts([data], start)
        try:
            # What has no quotes is cut at each delimiter: a parser for each line takes six times as long.
            cells = (
                next(csv.reader([text], delimiter=self._delimiter, strict=True, quoting=self._quoting))
                if '"' in text
                else text.rstrip("\r\n").split(self._delimiter)
            )
        except csv.Error as error:
            return self._damaged(start, str(error))
        if len(cells) > 1 or cells[0].strip():
            return self._record(start, cells)
        self.passed_blank = True
        return None

    def _record(self, start: int, cells: list[str]) -> Record:
        raw = self._held[start - self._first : self._start - self._first]
        record = Record(cells, raw, start + 1, sum(map(len, raw)), self._lines.wide)
        for number in range(start, self._start) if self._odd else ():
            if number in self._odd:
                record.decoded = self._odd[number] or record.decoded
                if self._odd[number] is None:
                    record.kind = "invalid_utf8"
                    record.problem = "bytes that are not UTF-8. Convert the file"
        return record

    def _damaged(self, start: int, error: str) -> Record:
        """Of a record that cannot be read the first line."""
        line = self._held[start - self._first]
        return Record([], [line], start + 1, len(line), None, "bad_csv", f"{error}. Mend the line")

    def _feed(self) -> Iterator[str]:
        """The text of the lines from the next record on, for as long as they are asked for.

        Ends before a line that is too long, and before one with which a record would be too large.
        """
        at = since = self._begun
        size = 0
        while not self._fed:
            lines = self._held[at - self._first :]
            texts = self._texts(lines, at)
            if since != self._start:
                since, size = self._start, self._size(self._start, at)
            added = sum(map(len, lines))
            if size + added <= streams.MAX_ROW_BYTES:
                yield from texts
                at, size = at + len(lines), size + added
            else:
                for line, text in zip(lines, texts, strict=True):
                    if since != self._start:
                        since, size = self._start, self._size(self._start, at)
                    at, size = at + 1, size + len(line)
                    if size > streams.MAX_ROW_BYTES:
                        self._fed = self._refused = True
                        return
                    yield text
            self._fed = not self._grow()
        self._refused = self._long is not None

    def _grow(self) -> bool:
        """Take in lines of the file; False at its end, and before one that is too long."""
        block = None if self._long else next(self._blocks, None)
        if block is None:
            return False
        lines, size = block
        if size > streams.MAX_ROW_BYTES:
            self._long = lines[0], size
            return False
        del self._held[: self._start - self._first]
        self._first = self._start
        self._held += lines
        if self._odd:
            self._odd = {number: how for number, how in self._odd.items() if number >= self._first}
        return True

    def _texts(self, lines: list[bytes], first: int) -> list[str]:
        """The text of each of some lines, of which the number of the first is given."""
        try:
            return [line.decode("utf-8") for line in lines]
        except UnicodeDecodeError:
            texts = []
        for number, line in enumerate(lines, first):
            found = self._lines.decode(line)
            if found is None or found[1] is not None:
                self._odd[number] = found and found[1]
            texts.append(found[0] if found else line.decode("utf-8", "replace"))
        return texts


_LINE_ENDS = frozenset((b"\n", b"\r", b"\r\n"))


def _blocks(lines: Lines) -> Iterator[tuple[list[bytes], int]]:
    """Lines with their ends, which belong to quoted cells, as many as come at a time, and their bytes.

    They are cut at LF, CR LF and CR. Of one that is too long the beginning alone comes, and its size.
    """
    start = BOM
    for data, size in lines.runs():
        data, start = data.removeprefix(start), b""
        if size > streams.MAX_ROW_BYTES:
            yield [data], size
        else:
            yield (data if data.endswith(b"\n") else data + b"\n").splitlines(keepends=True), 0


def _columns(records: Records, name: str, wanted: Wanted) -> _Columns | None:
    """The columns, by the first record that is not blank; None without one. Sets the delimiter.

    The delimiter is the one with which the text's column is found, the ending's own first.

    Raises:
        InputError: the text's column is not there, or a wanted one stands twice.
        BrokenStreamError: the stream breaks off before.
    """
    own = "\t" if streams.bare(name).endswith((".tsv", ".tab")) else ","
    records.set_delimiter(own)
    record = records.next()
    if record is None:
        return None
    head = records.text(record)
    found = [(d, split_cells(head, d)) for d in (own, *_DELIMITERS.replace(own, ""))]
    named = (pair for pair in found if wanted.header and wanted.text in pair[1])
    delimiter, names = next(named, None) or max(found, key=lambda pair: len(pair[1]))
    records.set_delimiter(delimiter)
    if not wanted.header:
        records.push_back(record)
        names = [str(number) for number in range(1, len(names) + 1)]
    places = {column: _place(column, names, name) for column in (wanted.text, *wanted.others)}
    if places[wanted.text] is None:
        remedy = (
            f"Set {wanted.setting} to one of these or to a column's number;"
            " header: false if none names columns."
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
