"""Rows of JSON files, and of Parquet and Arrow tables, whose class labels become their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpuskit.errors import EmptyError, InputError
from corpuskit.storage.datasets.features import class_name, class_names, noted_features
from corpuskit.storage.files import sha256_file, sha256_json
from corpuskit.storage.rows.arrow import DAMAGE, open_batches, plain
from corpuskit.storage.rows.json_rows import read_json
from corpuskit.storage.rows.row import Damage, TwiceDict, Wanted
from corpuskit.storage.rows.text import Lines
from corpuskit.storage.streams import arrow_file, unreadable
from corpuskit.train.data.tables.encodings import not_utf8
from corpuskit.train.data.tables.row import Place, Problem, Row

_SAMPLE = 100
_BATCH = 256
Batches = Iterator[pa.RecordBatch]


# ---------------------------------------------------------------------------------------------------- JSON
@dataclass(frozen=True)
class JsonFile:
    """A file of JSON objects: of a list, of lines, or one after the other.

    Attributes:
        columns: names of the fields of the first objects, in the order in which they are met.
    """

    path: str
    name: str
    encoding: str
    columns: tuple[str, ...] = field(init=False)
    told: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises EmptyError for a file without an object, InputError if what is there is none."""
        found: dict[str, None] = {}
        problem: Problem | None = None
        rows = 0
        for row in islice(self.rows(), _SAMPLE):
            if isinstance(row, Row):
                found.update(dict.fromkeys(row.values))
                rows += 1
            else:
                problem = problem or row
        if problem and not rows:
            raise problem.error()
        if not rows:
            raise EmptyError(f"{self.name}: no row: it is empty", remedy="Name another file.")
        object.__setattr__(self, "columns", tuple(found))

    @property
    def keys(self) -> tuple[str, ...]:
        """Values are known by the names of the fields."""
        return self.columns

    def fingerprint(self) -> str:
        """A sha256, in hex, of what is read and of how: it changes when either does."""
        return sha256_json({"contents": sha256_file(Path(self.path)), "encoding": self.encoding})

    def rows(self, only: frozenset[str] | None = None) -> Iterator[Row | Problem]:
        """Rows in order, all fields of each, and a problem for each that is none."""
        found = read_json(self.path, self.name, Wanted("", encoding=self.encoding))
        for number, row in enumerate(found, 1):
            place = Place(self.name, number, row.line)
            if isinstance(row, Damage):
                yield self._problem(row, place)
            elif isinstance(row.values, TwiceDict) and (only is None or only & row.values.twice):
                names = ", ".join(map(repr, sorted(row.values.twice)))
                yield Problem(place, "twice", f"{names} stands twice, with two values", "Rename one of them.")
            else:
                yield Row(place, row.values)

    def _problem(self, damage: Damage, place: Place) -> Problem:
        if damage.kind == "invalid_utf8" and damage.line:
            return Problem(place, damage.kind, ask=lambda: self._not_utf8(damage.line))
        text = damage.error.removeprefix(f"{self.name}#{damage.row}").removeprefix(f" (line {damage.line})")
        why, _, remedy = text.removeprefix(": ").rstrip(".").rpartition(". ")
        return Problem(place, damage.kind, why or remedy, f"{remedy}." if why else "Mend the file.")

    def _not_utf8(self, line: int) -> tuple[str, str]:
        lines = islice(Lines(self.path, None, 0, self.encoding), line - 1, None)
        return not_utf8(self.path, 0, next(lines)[0])


# ------------------------------------------------------------------------------------------ Parquet, Arrow
@dataclass(frozen=True)
class ColumnFile:
    """A table of columns: a Parquet file, an Arrow stream or file, or a data set that is loaded.

    Attributes:
        opened: opens it anew: gives batches of the columns that are named, all for None.
        columns: names of the columns.
        classes: names of the classes by column, where the file has them (`datasets.ClassLabel`): numbers of
            such a column, also inside lists, are handed on as names.
        path: of the file; ``""`` of a data set that is loaded, which `stamp` stands for.
    """

    name: str
    columns: tuple[str, ...]
    opened: Callable[[list[str] | None], AbstractContextManager[Batches]]
    classes: Mapping[str, tuple[str, ...]]
    told: tuple[str, ...] = ()
    path: str = ""
    stamp: str = ""

    def fingerprint(self) -> str:
        """A sha256, in hex, of what is read and of how: it changes when either does."""
        contents = sha256_file(Path(self.path)) if self.path else self.stamp
        return sha256_json({"contents": contents, "classes": {k: list(v) for k, v in self.classes.items()}})

    @property
    def keys(self) -> tuple[str, ...]:
        """By what the values of a row are known: as of a delimited file."""
        return tuple(
            name if name and self.columns.count(name) == 1 else f"#{number}"
            for number, name in enumerate(self.columns, 1)
        )

    def rows(self, only: frozenset[str] | None = None) -> Iterator[Row | Problem]:
        """Rows in order, and a problem for each that is none; memory holds one batch of the file."""
        once = None if only is None else [key for key in self.keys if key in only and not key.startswith("#")]
        if only is not None and any(key.startswith("#") for key in only):
            once = None
        number = 0
        try:
            with self.opened(once) as batches:
                for batch in batches:
                    for first in range(0, batch.num_rows, _BATCH):
                        yield from self._rows(batch.slice(first, _BATCH), number, once)
                        number += min(_BATCH, batch.num_rows - first)
        except DAMAGE as error:
            if isinstance(error, OSError) and error.errno:
                raise unreadable(self.name, error) from error
            why = " ".join(str(error).split()) or type(error).__name__
            why = f"the file cannot be read from here on: {why}"
            yield Problem(Place(self.name, number + 1), "corrupt", why, "Fetch or write it again.")

    def _rows(self, batch: pa.RecordBatch, first: int, once: list[str] | None) -> Iterator[Row | Problem]:
        keys = self.keys if once is None else tuple(batch.schema.names)
        columns = [plain(column) for column in batch.columns]
        try:
            for column in columns:
                column.validate(full=True)
            values = [_named(c.to_pylist(), self.classes.get(k)) for k, c in zip(keys, columns, strict=True)]
        except DAMAGE:
            if batch.num_rows > 1:  # One by one, so that only the damaged one is lost.
                for at in range(batch.num_rows):
                    yield from self._rows(batch.slice(at, 1), first + at, once)
                return
            place = Place(self.name, first + 1)
            yield Problem(
                place, "invalid_utf8", "a text that is not UTF-8", "Write the table again as UTF-8."
            )
            return
        for at in range(batch.num_rows):
            row = dict(zip(keys, (column[at] for column in values), strict=True))
            yield Row(Place(self.name, first + at + 1), row)


def _named(values: list[Any], classes: tuple[str, ...] | None) -> list[Any]:
    """Values of a column of class labels by their names, lists of them too; -1 is none."""
    return values if classes is None else [class_name(value, classes) for value in values]


def parquet_file(path: str, name: str) -> ColumnFile:
    """A Parquet file. Raises InputError for one that cannot be read."""

    @contextmanager
    def opened(columns: list[str] | None) -> Iterator[Batches]:
        with arrow_file(path) as raw, pq.ParquetFile(raw) as file:
            yield file.iter_batches(batch_size=_BATCH, columns=columns)

    try:
        with arrow_file(path) as raw, pq.ParquetFile(raw) as file:
            schema = file.schema_arrow
            rows = file.metadata.num_rows
    except DAMAGE as error:
        raise _unreadable(path, name, "Parquet file", error) from error
    return _column_file(path, name, schema, opened, rows)


def arrow_table(path: str, name: str, features: Mapping[str, Any] | None = None) -> ColumnFile:
    """An Arrow stream or file; `features` as `datasets` notes them. Raises InputError if it is none."""

    @contextmanager
    def opened(columns: list[str] | None) -> Iterator[Batches]:
        with arrow_file(path) as file:
            _, batches = open_batches(file)
            yield batches if columns is None else (batch.select(columns) for batch in batches)

    try:
        with arrow_file(path) as file:
            schema, _ = open_batches(file)
    except DAMAGE as error:
        raise _unreadable(path, name, "Arrow stream or file", error) from error
    return _column_file(path, name, schema, opened, features=features)


def _column_file(
    path: str,
    name: str,
    schema: pa.Schema,
    opened: Callable[[list[str] | None], AbstractContextManager[Batches]],
    rows: int | None = None,
    features: Mapping[str, Any] | None = None,
) -> ColumnFile:
    if rows == 0:
        raise EmptyError(f"{name}: no row: its columns are {', '.join(schema.names) or 'none'}", remedy="")
    classes = class_names(features if features is not None else noted_features(schema))
    return ColumnFile(name, tuple(schema.names), opened, classes, tuple(said(classes)), path)


def said(classes: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Sentences that say which columns hold numbers of classes, and how these are called."""
    for column, names in classes.items():
        yield f"column {column!r} holds numbers of classes, read by their names: {', '.join(names)}"


def _unreadable(path: str, name: str, what: str, error: BaseException) -> InputError:
    if isinstance(error, OSError) and error.errno:
        return unreadable(path, error)
    why = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{name}: not a readable {what}: {why}", remedy="Fetch or write it again.")
