"""Columns of a data set: the wanted ones are there and of their types, classes go by their names."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from corpuskit.errors import InputError
from corpuskit.storage.datasets.features import class_name, class_names, noted_features
from corpuskit.storage.rows.arrow import DAMAGE, count_rows, schema_of
from corpuskit.storage.rows.formats import read_rows, table_problem
from corpuskit.storage.rows.row import Row, Rows, TwiceError, Wanted, there_are

TABLES = ("parquet", "datasets")
"""Kinds of files whose rows have types, and whose number stands in them."""

_SAMPLE = 1000
"""Rows in which a column that was named must be found."""


@dataclass
class Fields:
    """Which columns are what, in the words of `corpuskit.sources.files.accept.FieldSettings`."""

    label: str
    text_field: str
    id_field: str
    title_field: str
    url_field: str
    language: str
    licence: str
    keep: dict[str, str]
    model_fields_set: set[str]
    language_field: str = ""


def require_columns(where: str, kind: str, files: Sequence[str], wanted: Wanted, named_id: str) -> None:
    """Raise `InputError` unless some file can have texts, and rows have the id that was named.

    Args:
        where: what messages call the split.
        named_id: the column of the id where it was named on purpose.
    """
    problems = (table_problem(path, f"{where}: {os.path.basename(path)}", kind, wanted) for path in files)
    first: InputError | None = None
    for problem in problems:
        if problem is None:
            break
        first = first or problem
    else:
        if first is not None:
            raise first
    fields: dict[str, None] = {}
    rows = 0
    for row in (row for path in files for row in read_rows(path, wanted, kind=kind)):
        if not isinstance(row, Row):
            continue
        rows += 1
        fields.update(dict.fromkeys([*row.fields(), *row.values]))
        value = _text(row, wanted.text)
        if value is not None and not isinstance(value, str):
            message = f"{where}: field {wanted.text!r} holds {type(value).__name__}, not text"
            raise InputError(message, remedy=f"Set text. {there_are(wanted.text, list(fields))}")
        if (value is not None or kind != "jsonl") and (rows >= _SAMPLE or not _lacks(fields, named_id)):
            return
    if rows and _lacks(fields, wanted.text):
        message = f"{where}: none of {rows} rows has the field {wanted.text!r}"
        raise InputError(message, remedy=f"Set text. {there_are(wanted.text, list(fields))}")
    if rows:
        require_id(where, list(fields), named_id)


def require_id(where: str, fields: Sequence[str], named_id: str) -> None:
    """Raise `InputError` for an id that was named on purpose and is no column."""
    if _lacks(fields, named_id):
        message = f"{where}: no column {named_id!r} for the id"
        remedy = f"Set id, or leave it out for places. {there_are(named_id, list(fields))}"
        raise InputError(message, remedy=remedy)


def columns_of(path: str, kind: str) -> list[str]:
    """Names of the columns of a file, for a message; none where there is none that can be read."""
    if kind in TABLES:
        try:
            return list(schema_of(path, kind).names)
        except DAMAGE:
            return []
    # The names that head a table of cells are its first row where none is taken for names.
    numbers = tuple(map(str, range(2, _SAMPLE)))
    rows = read_rows(path, Wanted("1", numbers, header=False), kind=kind) if kind else iter(())
    first = next((row for row in rows if isinstance(row, Row)), None)
    if first is None:
        return []
    return [str(each) for each in first.values.values()] if kind == "csv" else first.fields()


def count_of(path: str, kind: str, wanted: Wanted) -> int:
    """Rows of a file, damaged ones too; of one that breaks off as many as can be told apart."""
    if kind in TABLES:
        with suppress(*DAMAGE):
            return count_rows(path, kind)
    last = -1
    for row in read_rows(path, wanted, kind=kind):
        last = row.row
    return last + 1


def with_class_names(rows: Rows, schema: pa.Schema, columns: Collection[str]) -> Rows:
    """The same rows, the numbers of classes in some columns replaced by their names."""
    every = class_names(noted_features(schema))
    classes = {column: names for column, names in every.items() if column in columns}
    for row in rows:
        if classes and isinstance(row, Row):
            row.values = {**row.values, **dict(_named(row.values, classes))}
        yield row


def _named(values: Mapping[str, Any], classes: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, Any]]:
    return ((column, class_name(values.get(column), names)) for column, names in classes.items())


def _text(row: Row, name: str) -> Any:
    try:
        return row.get(name)
    except TwiceError:
        return None  # It is quarantined when it is read.


def _lacks(fields: Collection[str], name: str) -> bool:
    return bool(name) and name not in fields and name.partition(".")[0] not in fields
