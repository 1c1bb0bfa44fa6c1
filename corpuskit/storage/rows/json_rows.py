"""JSON as rows: an object a line, a list of objects, or objects one after the other."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from corpuskit.storage import streams
from corpuskit.storage.rows.row import (
    Damage,
    Decoded,
    Row,
    Rows,
    TwiceDict,
    Wanted,
    broken_stream,
    excerpt,
    not_utf8,
    too_large,
)
from corpuskit.storage.rows.text import BOM, Lines
from corpuskit.storage.streams import BrokenStreamError

_LEAST = 3
"""Bytes beyond ASCII from which lines that are not UTF-8 are decoded. JSON is UTF-8 by its standard: one or
two odd bytes are damage rather than another encoding."""

_BETWEEN = re.compile(r"[\s,]*")
_FORM_BYTES = 2**20
"""Bytes of a first line up to which it is asked whether it is an object by itself."""


def _as_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object as Python's parser makes it, the last of equal names winning; which differ is remembered."""
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    twice = TwiceDict(value)
    twice.twice = frozenset(name for name, each in pairs if each != value[name])
    return twice


def _digits(number: str) -> int | str:
    """A whole number; its digits as they stand where Python refuses to convert so many."""
    try:
        return int(number)
    except ValueError:
        return number


_DECODER = json.JSONDecoder(object_pairs_hook=_as_dict)
_LENIENT = json.JSONDecoder(object_pairs_hook=_as_dict, parse_int=_digits)


def parse(text: str) -> Any:
    """The value of a JSON text. Raises ValueError or RecursionError."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # A number of too many digits, in whatever field: no reason to lose the text.
        return _LENIENT.decode(text)


def read_json(path: str, name: str, wanted: Wanted) -> Rows:
    """One row per object of a JSON file: of a list, of lines, or of one object after the other.

    Lines that hold an object each are read one by one, so that a damaged one costs itself alone; ``row``
    counts lines then, and objects otherwise.
    """
    lines = Lines(path, wanted.decode, _LEAST, wanted.encoding)
    try:
        form = _form(lines)
    except BrokenStreamError:
        form = "lines"  # It is told with its place when it is met again.
    yield from (_read_lines if form == "lines" else _read_values)(lines, name)


def _form(lines: Lines) -> str:
    """``lines`` or ``values``, by the first two lines that are not blank."""
    bare = ((data.removeprefix(BOM).strip(), size) for data, size in lines)
    found = list(islice((line for line in bare if line[0]), 2))
    first, size = found[0] if found else (b"", 0)
    second = found[1][0] if len(found) > 1 else b""
    if first.startswith(b"["):
        # Lists of lists or of numbers are no rows, and are told so line by line.
        opened = first[1:].lstrip() or second
        return "values" if opened.startswith((b"{", b"]")) else "lines"
    if size > _FORM_BYTES or not first.startswith(b"{") or not first.endswith((b",", b"{", b"[", b":")):
        return "lines"
    return "lines" if _is_object(second) else "values"


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(parse(line.decode("utf-8", "replace")), dict)
    except (ValueError, RecursionError):
        return False


def _read_lines(lines: Lines, name: str) -> Rows:
    """One row per line that is not blank; ``row`` counts all lines from 0."""
    # A line is parsed when the next one is there: the last one before a break may be half of a line.
    row, data, size = -1, b"", 0
    try:
        for following in lines:
            if row >= 0:
                yield from _line_row(lines, data, size, row, name)
            row, (data, size) = row + 1, following
    except BrokenStreamError as error:
        yield Damage(max(row, 0), error.kind, broken_stream(f"{name}#{row}", error), size, excerpt(data))
        return
    if row >= 0:
        yield from _line_row(lines, data, size, row, name)


def _line_row(lines: Lines, data: bytes, size: int, row: int, name: str) -> Rows:
    """Parse one line: a row, a damage, or nothing for a blank line."""
    place = f"{name}#{row} (line {row + 1})"
    data = data.removeprefix(BOM) if row == 0 else data
    if size > streams.MAX_ROW_BYTES:
        error = too_large(place, size, streams.MAX_ROW_BYTES, "Split it.")
        yield Damage(row, "too_large", error, size, excerpt(data), row + 1)
        return
    if not data.strip():
        return
    kind, decoded = "bad_json", lines.decode(data)
    if decoded is None:
        kind, error = "invalid_utf8", not_utf8(place, data)
    else:
        try:
            value = parse(decoded[0])
        except (ValueError, RecursionError) as bad:
            error = f"{place}: not JSON: {bad}. Mend the line or remove it."
        else:
            if isinstance(value, dict):
                yield Row(row, value, len(data), decoded=decoded[1], line=row + 1)
                return
            what = type(value).__name__
            error = f"{place}: {what} where an object is needed. Write one JSON object per line."
    yield Damage(row, kind, error, len(data), excerpt(data), row + 1)


def _read_values(lines: Lines, name: str) -> Rows:
    """One row per object of a list, or of objects that stand one after the other; memory holds one."""
    window = _Window(lines)
    for row, (value, size) in enumerate(_values(window)):
        place = f"{name}#{row}"
        if isinstance(value, dict):
            yield Row(row, value, size, decoded=window.decoded or lines.wide)
        elif isinstance(value, BrokenStreamError):
            yield Damage(row, value.kind, broken_stream(place, value), size)
        elif isinstance(value, Exception):
            kind = "too_large" if isinstance(value, _TooLargeError) else "bad_json"
            error = f"{place}: not JSON from here on: {value}. Mend the file: what follows is not read."
            yield Damage(row, kind, error, size)
        else:
            error = f"{place}: {type(value).__name__} where an object is needed. Write a list of objects."
            yield Damage(row, "bad_json", error, size)


class _TooLargeError(ValueError):
    """One value is larger than a document may be."""


class _Window:
    """The text of a file from some place on, as much of it as is needed.

    Attributes:
        text: what is held of the file.
        at: where in ``text`` to read on.
        ended: whether nothing follows.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._left = lines.utf8()
        self._decoder: codecs.IncrementalDecoder = codecs.getincrementaldecoder("utf-8")()
        self.text = ""
        self.at = 0
        self.ended = False
        self.decoded: Decoded | None = None

    def grow(self) -> None:
        """Take in more text: as much again as there is, so that parsing it anew stays linear."""
        pieces = [self.text[self.at :]]
        size, least = 0, len(pieces[0])
        while size <= least and not self.ended:
            data = next(self._left, None)
            self.ended = data is None
            pieces.append(self._decode(data or b""))
            size += len(pieces[-1])
        self.text, self.at = "".join(pieces), 0

    def _decode(self, data: bytes) -> str:
        try:
            return self._decoder.decode(data, final=self.ended)
        except UnicodeDecodeError as error:
            if self.decoded is None and (found := self._lines.judge(data)) is not None:
                self.decoded = found
                self._decoder = codecs.getincrementaldecoder(found.encoding)()
                return self._decoder.decode(data, final=self.ended)
            raise ValueError(f"bytes that are not UTF-8: {error.object[error.start :][:8]!r}") from error

    def rest(self) -> int:
        """Bytes that are left of the file, which are read for it."""
        size = len(self.text[self.at :].encode("utf-8", "surrogatepass"))
        try:
            return size + sum(map(len, self._left))
        except BrokenStreamError:
            return size


def _values(window: _Window) -> Iterator[tuple[Any, int]]:
    """Objects with their sizes in bytes; what ends the reading comes as an exception with the bytes left."""
    inside = False
    try:
        window.grow()
        window.at = len(window.text) - len(window.text.removeprefix("\ufeff"))
        while True:
            window.at = _BETWEEN.match(window.text, window.at).end()  # type: ignore[union-attr]
            mark = window.text[window.at : window.at + 1]
            if not mark:
                if window.ended:
                    break
                window.grow()
            elif mark == "]" or (mark == "[" and not inside):
                inside = mark == "["
                window.at += 1
            else:
                yield _next(window)
        if inside:
            raise ValueError("the list is not closed")
    except (ValueError, RecursionError, BrokenStreamError) as error:
        yield error, window.rest()


def _next(window: _Window) -> tuple[Any, int]:
    """The value at which the window stands, which moves behind it."""
    while True:
        try:
            value, end = _raw(window.text, window.at)
            # A number at the end of what is there may go on.
            if end < len(window.text) or window.ended:
                break
        except ValueError:
            if window.ended:
                raise
        if len(window.text) - window.at > streams.MAX_ROW_BYTES:
            raise _TooLargeError(f"a value of more than {streams.MAX_ROW_BYTES:,} bytes")
        window.grow()
    size = len(window.text[window.at : end].encode("utf-8", "surrogatepass"))
    window.at = end
    return value, size


def _raw(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _LENIENT.raw_decode(text, at)
