"""Rows of Parquet files and of Arrow streams and files, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpuskit.errors import InputError
from corpuskit.storage.rows.row import Damage, Row, Rows, Wanted, excerpt, not_utf8, once, there_are
from corpuskit.storage.streams import arrow_file, compression, size_on_disk, unreadable, what_it_is

_ROWS = 256  # a row may be a book
_FILE_MAGIC = b"ARROW1"
_STRINGS = (pa.string(), pa.large_string(), pa.string_view())
_BYTES = (pa.binary(), pa.large_binary(), pa.binary_view())
DAMAGE = (OSError, pa.ArrowException, ValueError, LookupError, OverflowError, SystemError)
"""A damaged file makes Arrow raise what it likes: bytes of a name that are no text, a size without sense."""
Place = tuple[str, ...]
"""Name of a column, and of fields inside of it."""


def read_parquet(path: str, name: str, wanted: Wanted) -> Rows:
    """One row per row of a Parquet file; memory holds a row group."""
    size = size_on_disk(path)
    try:
        _requireplain(path, name)
        with arrow_file(path) as raw, pq.ParquetFile(raw) as file:
            columns = _columns(file.schema_arrow, name, wanted)
            rows = file.metadata.num_rows
            batches = file.iter_batches(batch_size=_ROWS, columns=[".".join(c) for c in columns.values()])
            known = _names(file.schema_arrow)
            yield from _rows(batches, name, wanted, columns, known, lambda row: size * (rows - row) // rows)
    except InputError as error:
        yield Damage(0, "unreadable_file", error.one_line(), size)
    except DAMAGE as error:
        yield _damaged(path, name, "Parquet file", error, size)


def read_arrow(path: str, name: str, wanted: Wanted) -> Rows:
    """One row per row of an Arrow stream (what ``datasets.save_to_disk`` writes) or file (Feather)."""
    size = size_on_disk(path)
    try:
        _requireplain(path, name)
        with arrow_file(path) as file:
            schema, batches = open_batches(file)
            columns = _columns(schema, name, wanted)
            yield from _rows(batches, name, wanted, columns, _names(schema), lambda row: size - file.tell())
    except InputError as error:
        yield Damage(0, "unreadable_file", error.one_line(), size)
    except DAMAGE as error:
        yield _damaged(path, name, "Arrow stream or file", error, size)


def open_batches(file: pa.OSFile) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Schema and batches: a file begins with its magic bytes, a stream with its schema."""
    whole = file.read(len(_FILE_MAGIC)) == _FILE_MAGIC
    file.seek(0)
    if not whole:
        stream = pa.ipc.open_stream(file)
        return stream.schema, iter(stream)
    table = pa.ipc.open_file(file)
    return table.schema, (table.get_batch(index) for index in range(table.num_record_batches))


def column_problem(path: str, name: str, kind: str, wanted: Wanted) -> InputError | None:
    """Why no row of a table can have a text; None for a table that has the column.

    A file that is damaged is no problem of its columns: it is reported when it is read.
    """
    try:
        _columns(schema_of(path, kind), name, wanted)
    except InputError as error:
        return error
    except DAMAGE:
        return None
    return None


def _requireplain(path: str, name: str) -> None:
    """Tables carry their own compression; a packed one cannot be read at random."""
    if packed := compression(path):
        raise InputError(f"{name}: a table packed as {packed}", remedy="Unpack it: tables are packed inside.")


def _damaged(path: str, name: str, what: str, error: BaseException, size: int) -> Damage:
    """A table that cannot be read. Raises `InputError` where it is the system that refuses."""
    if isinstance(error, OSError) and error.errno:
        raise unreadable(path, error) from error
    with open(path, "rb") as file:
        known, _ = what_it_is(file.read(512))
    why = f"it is {known}" if known and known.split()[-1] != "file" else " ".join(str(error).split())
    message = f"{name}: not a readable {what}: {why or type(error).__name__}. Fetch or write it again."
    return Damage(0, "corrupt", message, size)


def schema_of(path: str, kind: str) -> pa.Schema:
    """The columns of a table, ``parquet`` or ``datasets`` (Arrow). Raises one of `DAMAGE` if it is none."""
    with arrow_file(path) as file:
        return pq.read_schema(file) if kind == "parquet" else open_batches(file)[0]


def count_rows(path: str, kind: str) -> int:
    """Rows of a table by its footer or the heads of its batches. Raises one of `DAMAGE` if it is none."""
    with arrow_file(path) as file:
        if kind == "parquet":
            return int(pq.read_metadata(file).num_rows)
        return sum(batch.num_rows for batch in open_batches(file)[1])


def require_text(schema: pa.Schema, name: str, wanted: Wanted) -> None:
    """Raise `InputError` for columns among which the wanted text is not, or is of another type."""
    _columns(schema, name, wanted)


def rows_of(batches: Iterator[pa.RecordBatch], name: str, wanted: Wanted) -> Rows:
    """One row per row of batches that are there. Raises `InputError` as `require_text`."""
    row, columns, known = 0, dict[str, Place](), list[str]()
    for batch in batches:
        if not columns:
            columns, known = _columns(batch.schema, name, wanted), _names(batch.schema)
        for first in range(0, batch.num_rows, _ROWS):
            yield from _batch_rows(batch.slice(first, _ROWS), row, name, wanted, columns, known)
            row += min(_ROWS, batch.num_rows - first)


# ------------------------------------------------------------------------------------------------ columns
def _columns(schema: pa.Schema, name: str, wanted: Wanted) -> dict[str, Place]:
    """The wanted columns that are there, by what they are asked for as.

    Raises:
        InputError: there is no text column of strings or bytes, or a wanted column stands twice.
    """
    found: dict[str, Place] = {}
    for asked in dict.fromkeys((wanted.text, *wanted.others)):
        once(asked, schema.names, name)
        if asked and (place := _find(schema, asked, name)):
            found[asked] = place
    if wanted.text not in found:
        remedy = f"Set {wanted.setting}. {there_are(wanted.text, _names(schema))}"
        raise InputError(f"{name}: no column {wanted.text!r}", remedy=remedy)
    kind = _plain_type(_type(schema, found[wanted.text]))
    # Of a column without a value nothing is known but that its rows have no text.
    if kind not in (*_STRINGS, *_BYTES, pa.null()):
        texts = ", ".join(_text_columns(schema)) or "none"
        remedy = f"Set {wanted.setting}. Columns of text: {texts}."
        raise InputError(f"{name}: column {wanted.text!r} holds {in_words(kind)}, not text", remedy=remedy)
    return found


def _text_columns(schema: pa.Schema) -> list[str]:
    """Names of the columns that hold text, those inside others with a dot."""
    names = []
    for field in schema:
        within = field.type if pa.types.is_struct(field.type) else ()
        inner = [(f"{field.name}.{each.name}", each.type) for each in within] or [(field.name, field.type)]
        names += [name for name, kind in inner if _plain_type(kind) in _STRINGS]
    return names


def in_words(kind: pa.DataType) -> str:
    """A type as a person says it.

    >>> in_words(pa.list_(pa.string())), in_words(pa.struct({"en": pa.string()})), in_words(pa.int64())
    ('list of string', 'fields en', 'int64')
    """
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"list of {in_words(kind.value_type)}"
    if pa.types.is_struct(kind):
        return f"fields {', '.join(field.name for field in kind)}"
    return str(kind)


def _find(fields: pa.Schema | pa.StructType, asked: str, name: str) -> Place:
    """Where a column stands, also one inside another (``meta.text``); empty if nowhere.

    A column whose own name has a dot comes first.
    """
    names = [field.name for field in fields]
    once(asked, names, name)
    if asked in names:
        return (asked,)
    at = asked.rfind(".")
    while at > 0:
        head = asked[:at]
        if names.count(head) == 1 and pa.types.is_struct(inner := fields.field(head).type):
            below = _find(inner, asked[at + 1 :], name)
            if below:
                return (head, *below)
        at = asked.rfind(".", 0, at)
    return ()


def _names(schema: pa.Schema) -> list[str]:
    """Names of all columns, of those with fields inside the fields' with a dot."""
    names: list[str] = []
    for field in schema:
        inner = [f"{field.name}.{each.name}" for each in field.type] if pa.types.is_struct(field.type) else []
        names += inner or [field.name]
    return names


def _type(schema: pa.Schema, place: Place) -> pa.DataType:
    kind = schema.field(place[0]).type
    for inner in place[1:]:
        kind = kind.field(inner).type
    return kind


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values, whatever they are packed in."""
    while True:
        if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
            kind = kind.value_type
        elif isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif pa.types.is_fixed_size_binary(kind):
            kind = pa.binary()
        else:
            return kind


# --------------------------------------------------------------------------------------------------- rows
def _rows(
    batches: Iterator[pa.RecordBatch],
    name: str,
    wanted: Wanted,
    columns: dict[str, Place],
    known: list[str],
    left: Callable[[int], int],
) -> Rows:
    """Rows of all batches; where they break off, ``left(row)`` says about how many bytes were not read."""
    row = 0
    try:
        for batch in batches:
            for first in range(0, batch.num_rows, _ROWS):
                yield from _batch_rows(batch.slice(first, _ROWS), row, name, wanted, columns, known)
                row += min(_ROWS, batch.num_rows - first)
    except DAMAGE as error:
        why = " ".join(str(error).split()) or type(error).__name__
        message = f"{name}#{row}: the file cannot be read from here on: {why}. Fetch or write it again."
        yield Damage(row, "corrupt", message, left(row))


def _batch_rows(
    batch: pa.RecordBatch, first: int, name: str, wanted: Wanted, columns: dict[str, Place], known: list[str]
) -> Rows:
    """Rows of a batch. The bytes of a text are decoded here: Arrow does not check that they are UTF-8."""
    texts = plain(_column(batch, columns[wanted.text])).cast(pa.large_binary()).to_pylist()
    others = {asked: place for asked, place in columns.items() if asked != wanted.text}
    rest = zip(*(_values(_column(batch, place)) for place in others.values()), strict=True)
    for i, data in enumerate(texts):
        values: dict[str, Any] = dict(zip(others, next(rest, ()), strict=True))
        if data is None:
            yield Row(first + i, values, 0, known)
            continue
        try:
            values[wanted.text] = data.decode("utf-8")
        except UnicodeDecodeError:
            message = not_utf8(f"{name}#{first + i}", data)
            yield Damage(first + i, "invalid_utf8", message, len(data), excerpt(data))
        else:
            yield Row(first + i, values, len(data), known)


def _column(batch: pa.RecordBatch, place: Place) -> pa.Array:
    column = batch.column(place[0])
    _require_sound(column)
    return pc.struct_field(column, list(place[1:])) if len(place) > 1 else column


def _require_sound(column: pa.Array) -> None:
    """Raise ArrowInvalid for offsets that lead out of the data: a damaged stream is taken in as it is.

    Whether strings are UTF-8 is looked at string by string.
    """
    as_bytes = {
        pa.string(): pa.binary(),
        pa.large_string(): pa.large_binary(),
        pa.string_view(): pa.binary_view(),
    }
    kind = as_bytes.get(column.type)
    (column.view(kind) if kind else column).validate(full=True)


def plain(column: pa.Array) -> pa.Array:
    """The values of a column, whatever they are packed in."""
    while True:
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        elif pa.types.is_run_end_encoded(column.type):
            column = pc.run_end_decode(column)
        elif isinstance(column.type, pa.BaseExtensionType):
            column = column.storage
        elif pa.types.is_fixed_size_binary(column.type):
            column = column.cast(pa.binary())
        else:
            return column


def _values(column: pa.Array) -> list[Any]:
    """Python values of a column of ids, titles or kept fields; bytes of strings that are not UTF-8 are
    written out, and times are ISO 8601, those of a zone in UTC."""
    column = plain(column)
    kind = column.type
    if kind in _STRINGS:
        raw = column.cast(pa.large_binary()).to_pylist()  # of strings to_pylist would raise
        return [None if v is None else v.decode("utf-8", "backslashreplace") for v in raw]
    try:
        if pa.types.is_timestamp(kind):
            naive = column.cast(pa.timestamp(kind.unit)).cast(pa.string()).to_pylist()
            return [v and _iso(v) + ("Z" if kind.tz else "") for v in naive]
        if pa.types.is_duration(kind):
            return [None if v is None else f"{v}{kind.unit}" for v in column.cast(pa.int64()).to_pylist()]
        if pa.types.is_temporal(kind):
            return [v and _iso(v) for v in column.cast(pa.string()).to_pylist()]
        values: list[Any] = column.to_pylist()
        return values
    except DAMAGE:
        return [_value(item) for item in column]


def _iso(time: str) -> str:
    """Arrow's form of a time with the ``T`` of ISO 8601 and no zeros at the end of its fraction."""
    head, dot, fraction = time.replace(" ", "T").partition(".")
    fraction = fraction.rstrip("0")
    return f"{head}.{fraction}" if dot and fraction else head


def _value(item: pa.Scalar) -> Any:
    """The Python value of one item; None where it has none, as strings inside a list that are not UTF-8."""
    try:
        return item.as_py()
    except DAMAGE:
        return None
