"""What a delimited file is like: its delimiter, whether quotes are marks, whether a first row names columns.

What is given is believed. What is not is found by the first records, and said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median

from corpuskit.errors import EmptyError, SettingError
from corpuskit.storage import streams
from corpuskit.storage.places import plain_name
from corpuskit.storage.rows.delimited import Record, Records
from corpuskit.storage.rows.text import BOM, Lines
from corpuskit.storage.streams import BrokenStreamError, bare
from corpuskit.train.data.tables.usual import KNOWN

DELIMITERS = ",;\t|"
NAMES = {
    ",": "commas",
    ";": "semicolons",
    "\t": "tabs",
    "|": "bars",
    " ": "blanks",
}
_WORDS = {
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    r"\t": "\t",
    "bar": "|",
    "pipe": "|",
    "blank": " ",
    "space": " ",
    "none": "",
}
_SAMPLE, _SAMPLE_BYTES = 100, 2**22
_CHECKED_BYTES = 2**25
"""Bytes of a file that are read to see whether quotes are marks in it."""
_AGREE = 0.8
"""Share of the first records that must have as many cells as the very first to believe a delimiter."""
_MANY_WORDS, _FEW_WORDS, _LONG = 4, 3, 80
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)*|\.\d+)([eE][+-]?\d+)?%?")


@dataclass(frozen=True)
class Shape:
    """How the records of a file are to be read.

    Attributes:
        delimiter: between cells; ``""`` for a file whose lines are texts.
        quotes: whether quotes hold a cell together, or are characters like others.
        header: whether the first record names the columns.
        first: the cells of the first record.
        doubt: why the first record was taken for data; ``""`` if it names columns or if that was told.
        told: what was found out, in sentences.
    """

    delimiter: str
    quotes: bool
    header: bool
    first: tuple[str, ...]
    doubt: str = ""
    told: tuple[str, ...] = ()


def known_delimiter(delimiter: str | None) -> str | None:
    """A delimiter that was told, as a character or in a word (``tab``, ``none``); None if none was."""
    if delimiter is None:
        return None
    if "\n" in delimiter or "\r" in delimiter or delimiter == '"':
        remedy = "Say comma, semicolon, tab, bar, blank or none."
        raise SettingError(f"delimiter {delimiter!r} can part no cells", remedy=remedy)
    return _WORDS.get(delimiter, delimiter)


def records(path: str, delimiter: str, quotes: bool, encoding: str, cells: int = 0) -> Iterator[Record]:
    """The records of a file that are not blank; of a file of lines (no delimiter) also the blank ones.

    A delimiter of blanks or of several characters knows no quotes; with it, a record has at most ``cells``
    cells, if that is given, of which the last takes the rest of the line.

    Raises BrokenStreamError where the stream breaks off.
    """
    lines = Lines(path, None, 0, encoding)
    if delimiter and len(delimiter) == 1 and delimiter != " ":
        found = Records(lines, delimiter, quotes)
        while (record := found.next()) is not None:
            if not record.blank:
                yield record
        return
    for number, (raw, size) in enumerate(lines, 1):
        data = (raw.removeprefix(BOM) if number == 1 else raw).removesuffix(b"\r")
        record = Record([], [data], number, size)
        if size > streams.MAX_ROW_BYTES:
            record.kind, record.problem = "too_large", f"{size:,} bytes in one line. Split it"
        elif (decoded := lines.decode(data)) is None:
            record.kind, record.problem = "invalid_utf8", "bytes that are not UTF-8"
        else:
            text = decoded[0]
            record.cells = text.split(delimiter, cells - 1 if cells else -1) if delimiter else [text]
        if not delimiter or not record.blank:
            yield record


def find_shape(
    path: str,
    name: str,
    encoding: str,
    *,
    delimiter: str | None = None,
    header: bool | None = None,
    columns: Sequence[str] | None = None,
    table: bool = True,
) -> Shape:
    """What a file is like; what is told is not asked for.

    Args:
        name: what messages call it.
        columns: names that are given to its columns.
        table: whether its name says that it is a table; otherwise it is one only if it looks so.

    Raises:
        EmptyError: there is not one record.
        BrokenStreamError: the stream breaks off before the first.
    """
    told: list[str] = []
    if delimiter is None:
        delimiter, said = _delimiter(path, name, encoding, columns, table)
        told += said
    if delimiter == "":
        sample = _sample(path, "", False, encoding)
        return Shape("", False, bool(header), _first(sample, name), told=tuple(told))
    quotes = True
    if len(delimiter) == 1 and delimiter != " ":
        quotes = _quotes_are_marks(path, delimiter, encoding)
        if not quotes:
            told.append("quotes are taken for characters: as marks they would tear records apart")
    sample = _sample(path, delimiter, quotes, encoding, len(columns or ()))
    first, doubt = _first(sample, name), ""
    if header is None:
        doubt = looks_like_data(first, [record.cells for record in sample[1:]])
        header = not doubt
        named = "names given" if columns else "numbers"
        if doubt:
            told.append(
                f"the first row is taken for data ({doubt}): columns have {named} "
                "(--set header=true: it has names)"
            )
        else:
            told.append("the first row is taken for the columns' names")
    return Shape(delimiter, quotes, header, first, doubt, tuple(told))


def _first(sample: list[Record], name: str) -> tuple[str, ...]:
    if not sample:
        raise EmptyError(f"{name}: no row: it is empty", remedy="Name another file.")
    return tuple(sample[0].cells)


def _sample(path: str, delimiter: str, quotes: bool, encoding: str, cells: int = 0) -> list[Record]:
    """The first records. A stream that breaks off behind some of them is told when it is read."""
    found: list[Record] = []
    size = 0
    try:
        for record in islice(records(path, delimiter, quotes, encoding, cells), _SAMPLE):
            found.append(record)
            size += record.size
            if size > _SAMPLE_BYTES:
                break
    except BrokenStreamError:
        if not found:
            raise
    return found


def _delimiter(
    path: str, name: str, encoding: str, columns: Sequence[str] | None, table: bool
) -> tuple[str, list[str]]:
    """The delimiter with which the first records agree best in how many cells they have, and what is said."""
    own = "\t" if bare(name).endswith((".tsv", ".tab")) else ","
    best: tuple[tuple[float, ...], str] | None = None
    for each in own + DELIMITERS.replace(own, ""):
        sample = _sample(path, each, True, encoding)
        if not table and len(sample) < 2 and not _is_known(sample[0].cells if sample else []):
            continue
        scored = _score(sample, each == own, columns)
        if scored and not table and each in ",;" and not _is_known(sample[0].cells):
            continue  # Sentences have commas too; where nothing says that it is a table, a name must.
        if scored and (best is None or scored > best[0]):
            best = (scored, each)
    if best is not None:
        return best[1], [f"cells are parted by {NAMES[best[1]]}"]
    if table:
        looked = ", ".join(NAMES[each] for each in DELIMITERS)
        return own, [f"one column: of {looked} none parts the first rows alike (--set delimiter=... does)"]
    return "", ["each line is a text (--set delimiter=... parts lines into cells)"]


def _score(sample: list[Record], own: bool, columns: Sequence[str] | None) -> tuple[float, ...] | None:
    """How well a delimiter parts the first records; None where it does not."""
    cells = len(sample[0].cells) if sample and not sample[0].problem else 0
    if cells < 2:
        return None
    agree = sum(not record.problem and len(record.cells) == cells for record in sample) / len(sample)
    if agree < _AGREE:
        return None
    return (columns is not None and len(columns) == cells, _is_known(sample[0].cells), agree, own, cells)


def _is_known(cells: Sequence[str]) -> bool:
    return any(cell.strip().casefold() in KNOWN for cell in cells)


def _quotes_are_marks(path: str, delimiter: str, encoding: str) -> bool:
    """Whether records hold together better with quotes as marks than without; true where there are none."""
    if not _a_cell_begins_with_a_quote(path, delimiter):
        return True
    with_marks = _torn(path, delimiter, True, encoding)
    return not with_marks or with_marks <= _torn(path, delimiter, False, encoding)


def _a_cell_begins_with_a_quote(path: str, delimiter: str) -> bool:
    pattern = re.compile(rb"(?:\A|[\r\n\x00" + re.escape(delimiter.encode()) + rb'])"')
    size, last = 0, b"\n"
    try:
        for chunk in streams.chunks(path):
            if pattern.search(last + chunk):
                return True
            size, last = size + len(chunk), chunk[-1:]
            if size > _CHECKED_BYTES:
                break
    except BrokenStreamError:
        pass  # It is told when rows are read.
    return False


def _torn(path: str, delimiter: str, quotes: bool, encoding: str) -> int:
    """Records of the beginning that do not hold together, or that have swallowed others."""
    torn = size = cells = 0
    try:
        for record in records(path, delimiter, quotes, encoding):
            cells = cells or len(record.cells)
            wrong = record.problem or (len(record.cells) != cells and any(record.cells[cells:]))
            wrong = wrong or len(record.cells) < cells
            swallowed = cells > 1 and len(record.raw) > 1 and _each_is_a_record(record, delimiter, cells)
            torn += bool(wrong or swallowed)
            size += record.size
            if size > _CHECKED_BYTES:
                break
    except BrokenStreamError:
        pass  # It is told when rows are read.
    return torn


def _each_is_a_record(record: Record, delimiter: str, cells: int) -> bool:
    mark = delimiter.encode()
    return all(line.count(mark) == cells - 1 for line in record.raw)


def looks_like_data(first: Sequence[str], others: Sequence[Sequence[str]]) -> str:
    """Why a first row names no columns; ``""`` if it may.

    >>> looks_like_data(["the train is late", "complaint"], [["cold soup", "complaint"]])
    "'complaint' stands in that column again"
    >>> looks_like_data(["v1", "v2"], [["ham", "see you at six"]])
    ''
    """
    filled = [cell for cell in first if cell.strip()]
    if not filled:
        return "it is empty"
    if _is_known(first):
        return ""
    for at, cell in enumerate(first):
        below = [cells[at] for cells in others if at < len(cells) and list(cells) != list(first)]
        shown = plain_name(cell if len(cell) <= _LONG else cell[:_LONG] + "...")
        if _NUMBER.fullmatch(cell.strip()):
            return f"{shown!r} is a number"
        if len(cell) > _LONG:
            return f"{shown!r} is long for a name"
        if cell.strip() and cell in below:
            return f"{shown!r} stands in that column again"
        words = [len(each.split()) for each in below]
        if len(cell.split()) >= _MANY_WORDS and words and median(words) >= _FEW_WORDS:
            return f"{shown!r} reads like the texts below it"
    return ""
