"""Parquet and Arrow: columns of every type that holds text or an id, inside others, and damaged."""

from __future__ import annotations

import datetime
import decimal
import gzip
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from corpuskit.errors import InputError
from corpuskit.storage.rows.formats import read_rows
from corpuskit.storage.rows.row import Damage, Row, Wanted, as_id, as_text

WANTED = Wanted("text", ("id",))


def read(path: Path, wanted: Wanted = WANTED) -> list[Row | Damage]:
    return list(read_rows(str(path), wanted, name=path.name))


def parquet(folder: Path, table: pa.Table) -> Path:
    pq.write_table(table, folder / "a.parquet")
    return folder / "a.parquet"


def texts(found: list[Row | Damage]) -> list[Any]:
    return [row.kind if isinstance(row, Damage) else row.get("text") for row in found]


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()],
    ids=str,
)
@pytest.mark.parametrize("form", ["parquet", "stream", "file", "feather"])
def test_text_of_every_type(tmp_path: Path, kind: pa.DataType, form: str) -> None:
    column = pa.array([b"one", None, "größer".encode()], pa.binary()).cast(kind)
    table, path = pa.table({"text": column}), tmp_path / ("a.parquet" if form == "parquet" else "a.arrow")
    if form == "parquet":
        parquet(tmp_path, table)
    elif form == "feather":
        plain = table if kind in (pa.string(), pa.binary()) else pa.table({"text": ["one", None, "größer"]})
        feather.write_feather(plain, tmp_path / "a.arrow")
    else:
        make = pa.ipc.new_stream if form == "stream" else pa.ipc.new_file
        with make(path, table.schema) as writer:
            writer.write_table(table)
    assert texts(read(path)) == ["one", None, "größer"]


def test_text_that_is_packed(tmp_path: Path) -> None:
    words = ["a", "b", "b", None]
    ends = pa.RunEndEncodedArray.from_arrays(pa.array([1, 3, 4], pa.int32()), pa.array(["a", "b", None]))
    for column in (pa.array(words).dictionary_encode(), ends):
        table = pa.table({"text": column})
        with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
            writer.write_table(table)
        assert texts(read(tmp_path / "a.arrow")) == words
    fixed = pa.table({"text": pa.array([b"four", b"\xff\x00ab"], pa.binary(4))})
    assert texts(read(parquet(tmp_path, fixed))) == ["four", "invalid_utf8"]


UTC = datetime.UTC
BERLIN = datetime.timezone(datetime.timedelta(hours=1))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (
            pa.array([1.0, -0.0, 0.5, float("nan"), float("inf"), 2.0**53]),
            ["1", "0", "0.5", None, None, None],
        ),
        (pa.array([7, None], pa.uint64()), ["7", None]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array([b"k7", b"\xff\x00", b"a\x00"]), ["k7", "ff00", "6100"]),
        (pa.array([decimal.Decimal("1.00"), decimal.Decimal("7.50")]), ["1", "7.5"]),
        (pa.array([datetime.date(2024, 2, 29)]), ["2024-02-29"]),
        (pa.array([datetime.time(9, 5, 0, 500_000)]), ["09:05:00.5"]),
        (pa.array([datetime.datetime(2024, 1, 2, 3, 4)], pa.timestamp("ns")), ["2024-01-02T03:04:00"]),
        (
            pa.array([datetime.datetime(2024, 1, 2, 3, tzinfo=UTC)], pa.timestamp("ms", "Europe/Berlin")),
            ["2024-01-02T03:00:00Z"],
        ),
        (pa.array([1], pa.timestamp("ns")), ["1970-01-01T00:00:00.000000001"]),
        (pa.array([1, None], pa.duration("ns")), ["1ns", None]),
        (pa.array([["a"]]), [None]),
        (pa.array([{"a": 1}]), [None]),
        (pa.nulls(1), [None]),
        (pa.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_ids_have_one_form(tmp_path: Path, column: pa.Array, expected: list[str | None]) -> None:
    table = pa.table({"text": ["t"] * len(column), "id": column})
    found = read(parquet(tmp_path, table))
    assert [as_id(row.get("id")) for row in found if isinstance(row, Row)] == expected


def test_the_form_of_values_of_python() -> None:
    assert as_text(datetime.datetime(2024, 1, 2, 3, tzinfo=BERLIN)) == "2024-01-02T02:00:00Z"
    assert (
        as_text({"b": [1, float("nan"), b"x"], "a": datetime.date(2024, 1, 2)})
        == '{"a":"2024-01-02","b":[1,null,"x"]}'
    )
    assert as_text(10**30) == "1" + "0" * 30
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    assert as_text(deep) is None


def test_columns_inside_columns(tmp_path: Path) -> None:
    meta = pa.array([{"text": "inner", "deep": {"id": 7}}, None, {"text": None, "deep": None}])
    table = pa.table({"meta": meta, "id": [1, 2, 3]})
    found = read(parquet(tmp_path, table), Wanted("meta.text", ("meta.deep.id", "meta.none")))
    assert [(row.get("meta.text"), row.get("meta.deep.id")) for row in found if isinstance(row, Row)] == [
        ("inner", 7),
        (None, None),
        (None, None),
    ]
    both = table.append_column("meta.text", pa.array(["own", "own", "own"]))
    for path in (parquet(tmp_path, both), tmp_path / "b.feather"):
        if path.suffix == ".feather":
            feather.write_feather(both, path)
        assert [row.get("meta.text") for row in read(path, Wanted("meta.text")) if isinstance(row, Row)] == [
            "own"
        ] * 3


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_two_columns_of_one_name(tmp_path: Path, suffix: str) -> None:
    table = pa.Table.from_arrays([pa.array(["t"]), pa.array([1]), pa.array([2])], ["text", "id", "id"])
    if suffix == "parquet":
        parquet(tmp_path, table)
    else:
        with pa.ipc.new_stream(tmp_path / "a.arrow", table.schema) as writer:
            writer.write_table(table)
    (damage,) = read(tmp_path / f"a.{suffix}")
    assert isinstance(damage, Damage)
    assert damage.kind == "unreadable_file"
    assert damage.error == f"a.{suffix}: column 'id' stands 2 times (columns 2, 3). Rename one of them."
    # A column that nobody asks for may stand as often as it likes.
    assert texts(read(tmp_path / f"a.{suffix}", Wanted("text"))) == ["t"]


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    table = pa.table({"text": ["t"]})
    path = os.path.join(os.fsencode(tmp_path), b"\xff.parquet")
    os.rename(parquet(tmp_path, table), path)
    assert [type(row) for row in read_rows(os.fsdecode(path), WANTED)] == [Row]


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a readable"),
        (b"PK\x03\x04" + b"x" * 600, "it is a zip archive"),
        (b"%PDF-1.7" + b"x" * 600, "it is a PDF"),
        (b"\x00" * 300, "not a readable"),
    ],
)
def test_what_is_no_table(tmp_path: Path, suffix: str, data: bytes, said: str) -> None:
    (tmp_path / f"a.{suffix}").write_bytes(data)
    (damage,) = read(tmp_path / f"a.{suffix}")
    assert isinstance(damage, Damage)
    assert damage.kind == "corrupt"
    assert said in damage.error
    (tmp_path / f"a.{suffix}.gz").write_bytes(gzip.compress(data))
    (packed,) = read(tmp_path / f"a.{suffix}.gz")
    assert isinstance(packed, Damage)
    assert "Unpack it" in packed.error


def test_offsets_that_lead_out_of_the_data(tmp_path: Path) -> None:
    """A stream whose offsets were damaged is not read, and does not read what lies beside it in memory."""
    table = pa.table({"text": ["some words"] * 3, "id": ["a", "b", "c"]})
    with pa.ipc.new_stream(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    data = bytearray((tmp_path / "a.arrow").read_bytes())
    at = data.index(b"\x0a\x00\x00\x00\x14\x00\x00\x00\x1e\x00\x00\x00")
    for damage in (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"):
        data[at : at + 4] = damage
        (tmp_path / "a.arrow").write_bytes(data)
        (found,) = read(tmp_path / "a.arrow")
        assert isinstance(found, Damage)
        assert found.kind == "corrupt"


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.arrow", "a.jsonl", "a.csv", "a.txt", "a.txt.gz"):
        with pytest.raises(InputError, match="cannot be read: No such file"):
            read(tmp_path / name)
