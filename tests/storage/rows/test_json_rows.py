"""JSON in all the forms that rows come in."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from corpuskit.storage import streams
from corpuskit.storage.rows.formats import read_rows
from corpuskit.storage.rows.row import Damage, Row, TwiceError, Wanted

WANTED = Wanted("text", ("id",))
ROWS = [{"text": "one"}, {"text": "two {]} \\"}, {"text": "dreißig"}]


def read(folder: Path, data: bytes, name: str = "a.json", wanted: Wanted = WANTED) -> list[Row | Damage]:
    (folder / name).write_bytes(data)
    return list(read_rows(str(folder / name), wanted, name=name))


def texts(found: list[Row | Damage]) -> list[object]:
    return [row.kind if isinstance(row, Damage) else row.get("text") for row in found]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize("chunk", [1, 7, 2**18])
@pytest.mark.parametrize(
    "data",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2, ensure_ascii=False),
        "[\n" + ",\n".join(map(json.dumps, ROWS)) + "\n]\n",
        "\n".join(map(json.dumps, ROWS)),
        "\r\n\r\n".join(map(json.dumps, ROWS)) + "\r\n",
        "\n".join(json.dumps(row, indent=1) for row in ROWS),
        "\ufeff" + json.dumps(ROWS),
        f"  {json.dumps(ROWS[:1])}\n{json.dumps(ROWS[1:])}",
    ],
)
def test_forms(tmp_path: Path, data: str, chunk: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CHUNK_BYTES", chunk)
    assert texts(read(tmp_path, data.encode(), name)) == [row["text"] for row in ROWS]


def test_one_object_and_none(tmp_path: Path) -> None:
    assert texts(read(tmp_path, b'{"text": "alone"}')) == ["alone"]
    assert texts(read(tmp_path, b'{\n "text": "alone"\n}')) == ["alone"]
    assert read(tmp_path, b"[]") == read(tmp_path, b"") == read(tmp_path, b" \n") == []
    assert texts(read(tmp_path, lzma.compress(b'{"text": "packed"}'), "a.JSON.XZ")) == ["packed"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'[{"text": "one"}, {"text": "tw', ["one", "bad_json"]),
        (b'[{"text": "one"}, 7, {"text": "two"}]', ["one", "bad_json", "two"]),
        (b'[{"text": "one"},\n{"text": "two"}', ["one", "two", "bad_json"]),
        (b'[{"text": "one"}, {"text": nothing}, {"text": "two"}]', ["one", "bad_json"]),
        (b'[{"text": "one"}, ' + b"[" * 100_000, ["one", "bad_json"]),
        (b"[" * 100_000, ["bad_json"]),
        (b'{"text": ' * 100_000, ["bad_json"]),
        (b'"just a string"', ["bad_json"]),
        (b"[1, 2, 3]", ["bad_json"]),
    ],
)
def test_damage_is_counted_with_all_of_its_bytes(tmp_path: Path, data: bytes, expected: list[str]) -> None:
    found = read(tmp_path, data)
    assert texts(found) == expected
    assert sum(row.size for row in found) >= len(data) - 8  # but the marks between the values


def test_a_value_larger_than_a_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_ROW_BYTES", 1000)
    monkeypatch.setattr(streams, "CHUNK_BYTES", 64)
    data = json.dumps([{"text": "one"}, {"text": "x" * 5000}]).encode()
    assert texts(read(tmp_path, data)) == ["one", "too_large"]


def test_numbers_beyond_limits_cost_no_text(tmp_path: Path) -> None:
    (row,) = read(tmp_path, b'{"text": "kept", "n": ' + b"9" * 5000 + b', "m": -1e999, "k": NaN}')
    assert isinstance(row, Row)
    assert (row.get("text"), row.get("n")) == ("kept", "9" * 5000)


def test_a_field_that_stands_twice(tmp_path: Path) -> None:
    same, other = read(tmp_path, b'{"text": "a", "text": "a"}\n{"id": 1, "text": "a", "text": "b", "x": 1}')
    assert isinstance(same, Row)
    assert isinstance(other, Row)
    assert (same.get("text"), other.get("id")) == ("a", 1)
    with pytest.raises(TwiceError, match="text"):
        other.get("text")


def test_fields_inside_fields(tmp_path: Path) -> None:
    values = {"meta": {"text": "inner", "a.b": {"c": 1}}, "meta.own": "dotted", "x": 1}
    (row,) = read(tmp_path, json.dumps(values).encode())
    assert isinstance(row, Row)
    asked = ("meta.text", "meta.own", "meta.a.b.c", "meta.none", "x.y", "none")
    assert [row.get(name) for name in asked] == ["inner", "dotted", 1, None, None, None]
    assert row.fields() == ["meta.text", "meta.a.b", "meta.own", "x"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("chunk", [3, 2**18])
def test_marked_encodings(tmp_path: Path, encoding: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CHUNK_BYTES", chunk)
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    if chunk > 3 or encoding == "utf-8-sig":
        assert texts(read(tmp_path, lines.encode(encoding))) == [row["text"] for row in ROWS]
    whole = json.dumps(ROWS, indent=1, ensure_ascii=False)
    if chunk > 3:
        assert texts(read(tmp_path, whole.encode(encoding))) == [row["text"] for row in ROWS]
        (cut,) = read(tmp_path, lines.encode("utf-16")[:-1])[-1:]
        assert isinstance(cut, Damage)
