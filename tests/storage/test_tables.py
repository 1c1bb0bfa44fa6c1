"""Parquet tables: what makes a row group, and that no row is lost on the way."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpuskit.storage.tables import FAST_LEVEL, SMALL_LEVEL, parquet, read_batches

SCHEMA = pa.schema([("number", pa.int64()), ("word", pa.string())])


def rows(first: int, count: int) -> pa.RecordBatch:
    """In another order of columns than the file's."""
    numbers = list(range(first, first + count))
    return pa.record_batch({"word": [f"w{n}" for n in numbers], "number": numbers})


@pytest.mark.parametrize(
    ("gathered", "groups"),
    [(0, [3, 4, 2]), (42, [3, 4, 2]), (43, [7, 2]), (98, [7, 2]), (99, [9]), (999, [9])],
)
def test_rows_are_gathered_into_row_groups(tmp_path: Path, gathered: int, groups: list[int]) -> None:
    path = tmp_path / "t.parquet"
    assert [rows(0, n).nbytes for n in (3, 4, 2)] == [42, 56, 28]
    with parquet(path, SCHEMA, tmp_path / "tmp", gathered=gathered) as sink:
        for first, count in ((0, 3), (3, 0), (3, 4), (7, 2)):
            sink.write(rows(first, count))
    assert sink.rows == 9
    batches = list(read_batches(path))
    assert [batch.num_rows for batch in batches] == groups
    assert pa.Table.from_batches(batches).to_pydict() == {
        "number": list(range(9)),
        "word": [f"w{n}" for n in range(9)],
    }


def test_a_table_that_fails_does_not_appear(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"

    def fail() -> None:
        with parquet(path, SCHEMA, tmp_path / "tmp", gathered=99) as sink:
            sink.write(rows(0, 3))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not path.exists()


def test_the_level_changes_the_size_and_not_the_rows(tmp_path: Path) -> None:
    sizes, tables = [], []
    for level in (FAST_LEVEL, SMALL_LEVEL):
        path = tmp_path / f"{level}.parquet"
        with parquet(path, SCHEMA, tmp_path / "tmp", level) as sink:
            sink.write(rows(0, 20_000))
        sizes.append(path.stat().st_size)
        tables.append(pq.read_table(path))
    assert tables[0] == tables[1]
    assert sizes[0] != sizes[1]
