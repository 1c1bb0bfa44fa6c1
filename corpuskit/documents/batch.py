"""The document batch: an Arrow RecordBatch with a checked schema.

Everything that flows through a pipeline is a batch of documents. A batch always has the columns of
`SCHEMA`; stages may add columns that they declare. Batches are sized by bytes of text, not by rows,
because one book can weigh as much as a thousand stubs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpuskit._native import utf8_size
from corpuskit.errors import StageError

BATCH_BYTES = 4 * 2**20
"""Text bytes after which a source closes a batch. Bounds the memory of a worker."""

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("licence", pa.string(), nullable=False),
        # Canonical JSON: file, revision, byte range... whatever leads back to the raw input.
        pa.field("origin", pa.string(), nullable=False),
        # Which of several documents under one id is best: revision id, edition rank. Greater wins.
        pa.field("preference", pa.int64(), nullable=False),
    ]
)

COLUMNS = tuple(SCHEMA.names)


def check(batch: pa.RecordBatch, extra: Mapping[str, pa.DataType], owner: str) -> None:
    """Raise `StageError` unless ``batch`` has exactly the columns of `SCHEMA` and ``extra``.

    Args:
        extra: the declared columns, name to type, that must be there too.
        owner: the stage or source to blame in the message.
    """
    if len(set(batch.schema.names)) != len(batch.schema.names):
        remedy = "Replace it instead of adding it."
        raise StageError(f"{owner}: a column stands twice: {batch.schema.names}", remedy=remedy)
    expected = {f.name: f.type for f in SCHEMA} | dict(extra)
    actual = {f.name: f.type for f in batch.schema}
    if expected != actual:
        missing = sorted(expected.keys() - actual.keys())
        surplus = sorted(actual.keys() - expected.keys())
        unlike = [k for k in expected.keys() & actual.keys() if expected[k] != actual[k]]
        wrong = sorted(f"{k} is {actual[k]}, not {expected[k]}" for k in unlike)
        raise StageError(
            f"{owner}: batch columns differ from those declared:"
            f" missing {missing}, undeclared {surplus}, types {wrong}",
            remedy="Declare added columns in `columns`, and keep those of corpuskit.documents.batch.SCHEMA.",
        )
    for name in COLUMNS:
        if batch.column(name).null_count:
            message = f"{owner}: column {name!r} holds {batch.column(name).null_count} nulls"
            remedy = "Use an empty string (or 0 for preference) where nothing is known."
            raise StageError(message, remedy=remedy)


def byte_lengths(texts: pa.Array) -> np.ndarray:
    """UTF-8 bytes of each string of an Arrow string column, as int64 of shape (rows,)."""
    lengths: np.ndarray = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    return lengths


def text_bytes(batch: pa.RecordBatch) -> int:
    """UTF-8 bytes of all texts of a batch."""
    return int(byte_lengths(batch.column("text")).sum()) if batch.num_rows else 0


def replace_text(batch: pa.RecordBatch, texts: Sequence[str] | pa.Array) -> pa.RecordBatch:
    """The same batch with other texts; ``texts`` has one entry per row."""
    column = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.large_string())
    if len(column) != batch.num_rows:
        remedy = "Give one text per row."
        raise StageError(f"replace_text: {len(column)} texts for {batch.num_rows} rows", remedy=remedy)
    return batch.set_column(batch.schema.get_field_index("text"), SCHEMA.field("text"), column)


def empty_batch(extra: Mapping[str, pa.DataType] | None = None) -> pa.RecordBatch:
    """A batch of no rows with the columns of `SCHEMA` and ``extra``."""
    schema = SCHEMA
    for name, kind in (extra or {}).items():
        schema = schema.append(pa.field(name, kind))
    return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)


@dataclass
class BatchBuilder:
    """Collects documents row by row and closes a batch whenever it holds enough bytes of text.

    >>> builder = BatchBuilder(limit=10)
    >>> builder.add(id="files:x:1", source="x", text="twelve bytes")
    >>> [batch.num_rows for batch in builder.take()]
    [1]
    """

    limit: int = BATCH_BYTES
    extra: Mapping[str, pa.DataType] = field(default_factory=dict)
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _bytes: int = 0

    @property
    def full(self) -> bool:
        """Whether the limit is reached and `take` would hand out a batch."""
        return self._bytes >= self.limit

    def add(self, *, id: str, source: str, text: str, **columns: Any) -> None:
        """Add one document; text columns that are not given become ``""``, preference 0."""
        row = dict.fromkeys(COLUMNS, "") | {"preference": 0}
        row |= {"id": id, "source": source, "text": text, **columns}
        self._rows.append(row)
        self._bytes += utf8_size(text)

    def take(self, *, rest: bool = False) -> Iterator[pa.RecordBatch]:
        """Yield the batch that is full; with ``rest`` also one that is not (but never an empty one)."""
        if self._rows and (rest or self.full):
            schema = empty_batch(self.extra).schema
            yield pa.RecordBatch.from_pylist(self._rows, schema=schema)
            self._rows, self._bytes = [], 0


def place_of(origin: str) -> str:
    """Where a document stands by its origin: ``file#row``, or ``split#row``; ``""`` where it does not say."""
    facts = json.loads(origin) if origin else None
    if not isinstance(facts, dict) or "row" not in facts or not {"file", "split"} & facts.keys():
        return ""
    return f"{facts['file'] if 'file' in facts else facts['split']}#{facts['row']}"


CLUSTER = "cluster"
"""Column of every pass behind a decision: the id that stands for all variants of a text."""
