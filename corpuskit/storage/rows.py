"""Rows of text, JSON Lines, Parquet and Arrow files, one at a time, with the damaged ones named.

Every reader yields `Row`s and `Damage`s in file order and goes on after a damaged row wherever the format
allows it. Memory is bounded by `MAX_ROW_BYTES` for text formats and by a row group for Parquet.
"""

from __future__ import annotations

import bz2
import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from corpuskit.errors import InputError, nearest

MAX_ROW_BYTES = 256 * 2**20
"""A line or a text file of more bytes than this is quarantined: it could not be one document."""

EXCERPT_BYTES = 200
_CHUNK = 2**18
_ARROW_ROWS = 256  # a row may be a book
_OPENERS: dict[str, Callable[[str], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".zst": lambda path: pa.CompressedInputStream(pa.OSFile(path, "rb"), "zstd"),
}
COMPRESSIONS = tuple(_OPENERS)


@dataclass(frozen=True)
class Fields:
    """Names of the fields or columns that are read; ``""`` for none."""

    text: str
    id: str
    title: str
    url: str


@dataclass(frozen=True)
class Row:
    """One row as it was found; the values have whatever type the file gave them.

    Attributes:
        row: counted from 0 within the file.
        size: bytes to set aside if the row turns out not to be a document.
    """

    row: int
    text: object
    id: object = None
    title: object = None
    url: object = None
    size: int = 0


@dataclass(frozen=True)
class Damage:
    """A row, or the rest of a file, that cannot be read.

    Attributes:
        row: counted from 0 within the file.
        kind: a short word that is counted: ``truncated``, ``invalid_utf8``...
        error: the thing, the value and the remedy, as one line.
        size: raw bytes that are not read.
        excerpt: the first of them, decoded with replacement.
    """

    row: int
    kind: str
    error: str
    size: int
    excerpt: str = ""


class BrokenStreamError(Exception):
    """A compressed stream broke off; what was read before has been handed on."""

    def __init__(self, kind: str, cause: object) -> None:
        super().__init__(str(cause))
        self.kind = kind


Reader = Callable[[str, str, Fields], Iterator[Row | Damage]]
"""Yields a file's rows and damaged places in order; takes its path, what messages call it, and the fields."""


def _open(path: str) -> BinaryIO:
    """Open a file, decompressing by its suffix. Raises `InputError` if it is not there."""
    try:
        opener = next((opener for suffix, opener in _OPENERS.items() if path.endswith(suffix)), None)
        return cast(BinaryIO, opener(path)) if opener else open(path, "rb")
    except OSError as error:
        remedy = "Check the path and its rights."
        raise InputError(f"{path}: cannot be opened: {error}", remedy=remedy) from error


def chunks(path: str, size: int = _CHUNK) -> Iterator[bytes]:
    """The decompressed bytes of a file. Raises `BrokenStreamError` where a compressed stream breaks off."""
    with _open(path) as stream:
        # read1 gives what is there before it fails on what is not, so that nothing readable is lost.
        read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        while True:
            try:
                chunk = read(size)
            except EOFError as error:
                raise BrokenStreamError("truncated", error) from error
            except (OSError, zlib.error) as error:
                # Arrow has no class of error for it: its sentence is "Truncated compressed stream".
                kind = "truncated" if "runcated" in str(error) else "corrupt"
                raise BrokenStreamError(kind, error) from error
            if not chunk:
                return
            yield chunk


def _excerpt(data: bytes) -> str:
    return data[:EXCERPT_BYTES].decode("utf-8", "replace")


def _broken_stream(name: str, error: BrokenStreamError) -> str:
    what = f"the compressed file is {error.kind} ({error}); what follows could not be read"
    return f"{name}: {what}. Fetch the file again."


def read_text(path: str, name: str, fields: Fields) -> Iterator[Row | Damage]:
    """A whole file as one row. No encoding is guessed: what is not UTF-8 is quarantined."""
    held, size = [], 0
    try:
        for chunk in chunks(path):
            size += len(chunk)
            if size <= MAX_ROW_BYTES:
                held.append(chunk)
    except BrokenStreamError as error:
        yield Damage(0, error.kind, _broken_stream(name, error), size, _excerpt(b"".join(held[:1])))
        return
    if size > MAX_ROW_BYTES:
        remedy = "Split it into documents, or into JSON lines."
        error_text = f"{name}: {size:,} bytes are more than the {MAX_ROW_BYTES:,} of one document. {remedy}"
        yield Damage(0, "too_large", error_text, size, _excerpt(b"".join(held[:1])))
        return
    data = b"".join(held)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield Damage(0, "invalid_utf8", _not_utf8(name, data, error), size, _excerpt(data))
        return
    yield Row(0, text, title=_stem(name), size=size)


def _stem(name: str) -> str:
    """The file's name without folders, compression and type: the title of a text file."""
    base = name.rsplit("/", 1)[-1]
    for suffix in COMPRESSIONS:
        base = base.removesuffix(suffix)
    return os.path.splitext(base)[0]


def _not_utf8(name: str, data: bytes, error: UnicodeDecodeError) -> str:
    guess = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "WINDOWS-1252 (or what it is in)"
    place = f"byte 0x{data[error.start]:02x} at offset {error.start}"
    return f"{name}: not UTF-8: {place}. Convert it: iconv -f {guess} -t UTF-8"


def _lines(path: str) -> Iterator[tuple[bytes, int]]:
    """Lines of a file, cut at LF alone, with their sizes; of one beyond the limit the first bytes alone.

    When the stream breaks off, what stands after the last line end is yielded before the error is raised.
    """
    held: list[bytes] = []
    size = 0
    try:
        for chunk in chunks(path):
            *whole, tail = chunk.split(b"\n")
            for piece in whole:
                yield _line([*held, piece], size + len(piece))
                held, size = [], 0
            size += len(tail)
            # Of a line that is too long the first piece is kept, for the excerpt; memory is bounded.
            held = [*held[:1], tail] if size > MAX_ROW_BYTES else [*held, tail]
    except BrokenStreamError:
        yield _line(held, size)
        raise
    if size:
        yield _line(held, size)


def _line(held: list[bytes], size: int) -> tuple[bytes, int]:
    return (held[0][:EXCERPT_BYTES] if size > MAX_ROW_BYTES else b"".join(held)), size


def read_jsonl(path: str, name: str, fields: Fields) -> Iterator[Row | Damage]:
    """One row per line that is not blank; ``row`` counts all lines from 0."""
    # A line is parsed when the next one is there: the last one before a break may be half of a line.
    row, data, size = -1, b"", 0
    try:
        for following in _lines(path):
            if row >= 0:
                yield from _json_row(data, size, row, name, fields)
            row, (data, size) = row + 1, following
    except BrokenStreamError as error:
        yield Damage(row, error.kind, _broken_stream(f"{name}#{row}", error), size, _excerpt(data))
        return
    if row >= 0:
        yield from _json_row(data, size, row, name, fields)


def _json_row(data: bytes, size: int, row: int, name: str, fields: Fields) -> Iterator[Row | Damage]:
    """Parse one line: a row, a damage, or nothing for a blank line."""
    place = f"{name}#{row} (line {row + 1})"
    data = data.removeprefix(b"\xef\xbb\xbf") if row == 0 else data
    if size > MAX_ROW_BYTES:
        error = f"{place}: {size:,} bytes are more than the {MAX_ROW_BYTES:,} of one row. Split it."
        yield Damage(row, "too_large", error, size, _excerpt(data))
        return
    if not data.strip():
        return
    kind = "bad_json"
    try:
        value = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as bad:
        kind, error = "invalid_utf8", _not_utf8(place, data, bad)
    except (ValueError, RecursionError) as bad:
        error = f"{place}: not JSON: {bad}. Mend the line or remove it."
    else:
        if isinstance(value, dict):
            yield Row(row, **_pick(value, fields), size=len(data))
            return
        error = f"{place}: {type(value).__name__} where an object is needed. Write one JSON object per line."
    yield Damage(row, kind, error, len(data), _excerpt(data))


def _pick(value: dict[str, Any], fields: Fields) -> dict[str, Any]:
    names = {"text": fields.text, "id": fields.id, "title": fields.title, "url": fields.url}
    return {key: value.get(name) if name else None for key, name in names.items()}


def read_parquet(path: str, name: str, fields: Fields) -> Iterator[Row | Damage]:
    """One row per row of a Parquet file, a row group at a time."""
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError as error:
        remedy = "Put the file back or run again."
        raise InputError(f"{path}: is not there any more", remedy=remedy) from error
    except (OSError, pa.ArrowException) as error:
        message = f"{name}: not a readable Parquet file: {error}. Fetch or write it again."
        yield Damage(0, "corrupt", message, os.path.getsize(path))
        return
    with file:
        try:
            columns = _columns(file.schema_arrow, name, fields)
        except InputError as error:
            yield Damage(0, "unreadable_file", error.one_line(), os.path.getsize(path))
            return
        batches = file.iter_batches(batch_size=_ARROW_ROWS, columns=columns)
        rows, size = file.metadata.num_rows, os.path.getsize(path)
        yield from _arrow_rows(batches, name, fields, lambda row: size * (rows - row) // rows)


def read_arrow(path: str, name: str, fields: Fields) -> Iterator[Row | Damage]:
    """One row per row of an Arrow stream, the files that ``datasets.save_to_disk`` writes."""
    size = os.path.getsize(path)
    try:
        with pa.OSFile(path, "rb") as file, pa.ipc.open_stream(file) as stream:
            try:
                columns = _columns(stream.schema, name, fields)
            except InputError as error:
                yield Damage(0, "unreadable_file", error.one_line(), size)
                return
            batches = (b.select(columns) for b in stream)
            yield from _arrow_rows(batches, name, fields, lambda row: size - file.tell())
    except pa.ArrowInvalid as error:
        yield Damage(0, "corrupt", f"{name}: not an Arrow stream: {error}. Save the dataset again.", size)


def column_problem(path: str, name: str, kind: str, fields: Fields) -> InputError | None:
    """Why no row of a table can have a text; None for a table that has the column and for other files.

    A file that is damaged is no problem of its columns: it is reported when it is read.
    """
    try:
        if kind == "parquet":
            schema = pq.read_schema(path)
        elif kind == "datasets":
            with pa.OSFile(path, "rb") as file, pa.ipc.open_stream(file) as stream:
                schema = stream.schema
        else:
            return None
        _columns(schema, name, fields)
    except InputError as error:
        return error
    except (OSError, pa.ArrowException):
        return None
    return None


def _columns(schema: pa.Schema, name: str, fields: Fields) -> list[str]:
    """The columns that are there. Raises `InputError` without a text column of strings or bytes."""
    if fields.text not in schema.names:
        hint = nearest(fields.text, schema.names)
        raise InputError(f"{name}: no column {fields.text!r}", remedy=f"Set text_field. {hint}")
    kind = schema.field(fields.text).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    # Parquet files of some writers lack the mark that tells strings from bytes.
    if kind not in (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()):
        raise InputError(f"{name}: column {fields.text!r} holds {kind}, not text", remedy="Set text_field.")
    wanted = dict.fromkeys((fields.text, fields.id, fields.title, fields.url))
    return [column for column in wanted if column in schema.names]


def _arrow_rows(
    batches: Iterator[pa.RecordBatch], name: str, fields: Fields, left: Callable[[int], int]
) -> Iterator[Row | Damage]:
    """Rows of all batches; where they break off, ``left(row)`` says about how many bytes were not read."""
    row = 0
    try:
        for batch in batches:
            yield from _batch_rows(batch, row, name, fields)
            row += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        message = f"{name}#{row}: the file cannot be read from here on: {error}. Fetch or write it again."
        yield Damage(row, "corrupt", message, left(row))


def _batch_rows(batch: pa.RecordBatch, first: int, name: str, fields: Fields) -> Iterator[Row | Damage]:
    """Rows of a batch. The bytes of a text are decoded here: Arrow does not check that they are UTF-8."""
    column = batch.column(fields.text)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    texts = column.cast(pa.large_binary()).to_pylist()
    others = {
        key: _values(batch.column(at)) if at and at in batch.schema.names else [None] * batch.num_rows
        for key, at in (("id", fields.id), ("title", fields.title), ("url", fields.url))
    }
    for i, data in enumerate(texts):
        rest: dict[str, Any] = {key: values[i] for key, values in others.items()}
        if data is None:
            yield Row(first + i, None, **rest)
            continue
        try:
            yield Row(first + i, data.decode("utf-8"), **rest, size=len(data))
        except UnicodeDecodeError as error:
            message = _not_utf8(f"{name}#{first + i}", data, error)
            yield Damage(first + i, "invalid_utf8", message, len(data), _excerpt(data))


def _values(column: pa.Array) -> list[object]:
    """Python values of a column of ids or titles; bytes that are not UTF-8 are written out."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        raw = column.cast(pa.large_binary()).to_pylist()  # of strings to_pylist would raise
        return [None if v is None else v.decode("utf-8", "backslashreplace") for v in raw]
    values: list[object] = column.to_pylist()
    return values
