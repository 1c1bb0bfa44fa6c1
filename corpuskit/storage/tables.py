"""Parquet files: written by fixed rules, one row group a batch, and read back batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpuskit.errors import RunError
from corpuskit.storage.files import atomic

PARQUET: Mapping[str, Any] = {
    "compression": "zstd",
    # Columns of few values; a dictionary of ids or texts would be as large as they are.
    "use_dictionary": ["source", "language", "licence", "stage", "reason"],
    # Nobody filters by them, and smallest and greatest values of texts would be stored twice.
    "write_statistics": False,
    # Named, so that another default of a later pyarrow changes no bytes unnoticed.
    "version": "2.6",
    "data_page_version": "1.0",
}
"""Fixed encoding rules: the same rows in the same batches give the same bytes (per pyarrow version)."""

SMALL_LEVEL, FAST_LEVEL = 3, 1
"""zstd levels: of what is set aside or exported, and of what passes write and read again, the corpus too.

A corpus of books and articles takes 40.8 MB of 100 at level 1 and 36.1 at level 3, in about twice the time;
the default of pyarrow is 1 too. Texts that are set aside are often those of copies, which level 3 sees from
farther away: 12.4 MB of 55 instead of 20.6, in nearly the same time.
"""


GATHERED_BYTES = 4 * 2**20
"""Of a row group in a table of small rows: each row group costs a reader as much as hundreds of these."""


class Sink:
    """A Parquet file in the making: each `write` becomes one row group, or several do."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema, gathered: int = 0) -> None:
        self.rows = 0
        self._writer = writer
        self._schema = schema
        self._gathered = gathered
        self._held: list[pa.Table] = []
        self._held_bytes = 0

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Add rows; nothing for no rows."""
        if batch.num_rows:
            table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
            # In the order of the file, whatever the batch's.
            self._held.append(table.select(self._schema.names))
            self._held_bytes += table.nbytes if self._gathered else 0
            self.rows += table.num_rows
            if self._held_bytes >= self._gathered:
                self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            table = pa.concat_tables(self._held)
            self._writer.write_table(table, row_group_size=table.num_rows)
            self._held, self._held_bytes = [], 0


@contextmanager
def parquet(
    path: Path, schema: pa.Schema, temporary: Path, level: int = SMALL_LEVEL, gathered: int = 0
) -> Iterator[Sink]:
    """Write a Parquet file batch by batch; it appears under its name when the block ends well.

    Args:
        level: of zstd.
        gathered: rows are held until they take so many bytes, and then become one row group.
    """
    dictionary = [c for c in PARQUET["use_dictionary"] if c in schema.names]
    options = {**PARQUET, "use_dictionary": dictionary, "compression_level": level}
    with atomic(path, temporary) as unfinished:
        writer = pq.ParquetWriter(unfinished, schema, **options)
        try:
            sink = Sink(writer, schema, gathered)
            yield sink
            sink.flush()
        finally:
            writer.close()


@contextmanager
def reading_table(path: Path) -> Iterator[None]:
    """Turn what pyarrow says of a file that is missing or damaged into a `RunError` that names it."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise RunError(
            f"{path}: cannot be read as Parquet: {reason}",
            remedy="Call `corpuskit build` with the same recipe: what is damaged is made again.",
        ) from error


def read_batches(path: Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield one record batch per row group of a Parquet file; memory holds one at a time."""
    with reading_table(path), pq.ParquetFile(path) as file:
        # Arrow leaves out in silence what a table does not have: such a one stands in place of another.
        for name in set(columns or ()).difference(file.schema_arrow.names):
            raise pa.ArrowInvalid(f"it has no column {name!r}")
        for index in range(file.num_row_groups):
            # Workers are as many as cores: threads of Arrow's own would take them from one another.
            table = file.read_row_group(index, columns=columns, use_threads=False)
            yield from table.combine_chunks().to_batches()
