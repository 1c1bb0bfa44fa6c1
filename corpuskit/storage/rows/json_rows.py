"""JSON as rows: an object a line, a list of objects, or objects one after the other."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice

from corpuskit.storage import streams
from corpuskit.storage.rows.json_values import Unread, Values, parse
from corpuskit.storage.rows.row import Damage, Row, Rows, Wanted, broken_stream, excerpt, not_utf8, too_large
from corpuskit.storage.rows.text import BOM, Line, Lines
from corpuskit.storage.streams import BrokenStreamError

_LEAST = 3
"""Bytes beyond ASCII from which lines that are not UTF-8 are decoded. JSON is UTF-8 by its standard: one or
two odd bytes are damage rather than another encoding."""

_FORM_BYTES = 2**20
"""Bytes of a first line up to which it is asked whether it is an object by itself."""


def read_json(path: str, name: str, wanted: Wanted) -> Rows:
    """One row per object of a JSON file: of a list, of lines, or of one object after the other.

    Lines that hold an object each are read one by one, so that a damaged one costs itself alone; ``row``
    counts lines then, and objects otherwise.
    """
    lines = Lines(path, wanted.decode, _LEAST, wanted.encoding)
    yield from (_read_lines if _form(lines) == "lines" else _read_values)(lines, name)


def _form(lines: Lines) -> str:
    """``lines`` or ``values``, by the first two lines that are not blank."""
    bare = ((data.removeprefix(BOM).strip(), size) for data, size in lines)
    found: list[Line] = []
    breaks = True  # It is told with its place when it is met again.
    with suppress(BrokenStreamError):
        found.extend(islice((line for line in bare if line[0]), 2))
        breaks = False
    first, size = found[0] if found else (b"", 0)
    second = found[1][0] if len(found) > 1 else b""
    if first.startswith(b"["):
        # Lists of lists or of numbers are no rows, and are told so line by line.
        opened = first[1:].lstrip() or second
        return "values" if opened.startswith((b"{", b"]")) else "lines"
    if (
        breaks
        or size > _FORM_BYTES
        or not first.startswith(b"{")
        or not first.endswith((b",", b"{", b"[", b":"))
    ):
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
    values = Values(lines)
    for row, (value, size) in enumerate(values):
        place = f"{name}#{row}"
        if isinstance(value, dict):
            yield Row(row, value, size, decoded=values.decoded or lines.wide)
        elif isinstance(value, BrokenStreamError):
            yield Damage(row, value.kind, broken_stream(place, value), size)
        elif isinstance(value, Unread):
            behind = "what stands behind it is read" if value.goes_on else "what follows is not read"
            error = f"{place} (line {value.line}): {value.why}. Mend it: {behind} ({size:,} bytes are lost)."
            yield Damage(row, value.kind, error, size, value.excerpt)
        else:
            error = f"{place}: {type(value).__name__} where an object is needed. Write a list of objects."
            yield Damage(row, "bad_json", error, size)
