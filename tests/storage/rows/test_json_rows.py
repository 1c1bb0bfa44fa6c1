"""JSON in all the forms that rows come in."""

from __future__ import annotations

import gzip
import json
import lzma
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpuskit.storage import streams
from corpuskit.storage.rows import json_values
from corpuskit.storage.rows.formats import read_rows
from corpuskit.storage.rows.row import Damage, Decoded, Row, TwiceError, Wanted

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
        (b'[{"text": "one"}, {"text": nothing}, {"text": "two"}]', ["one", "bad_json", "two"]),
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


# -------------------------------------------------------------------------------- behind what is damaged
LAYOUTS: dict[str, tuple[str, str, str, Callable[[Any], str]]] = {
    "one line": ("[", ", ", "]", json.dumps),
    "a line each": ("[\n", ",\n", "\n]\n", json.dumps),
    "beside brackets": ("[", ",\n ", "]", json.dumps),
    "indented": ("[\n  ", ",\n  ", "\n]", lambda v: json.dumps(v, indent=2).replace("\n", "\n  ")),
    "one behind the other": ("", "\n", "\n", lambda v: json.dumps(v, indent=1)),
}
FAULTS: dict[str, Callable[[str], str]] = {
    "a word": lambda v: v.replace('"b1"', "b1"),
    "no colon": lambda v: v.replace(":", "", 1),
    "no comma": lambda v: v.replace(",", "", 1),
    "no quote": lambda v: v.replace("bad 2", 'bad" 2'),
    "no end of a string": lambda v: v.replace('b1"', "b1"),
    "no closing bracket": lambda v: v[:-1].rstrip(),
    "half of it": lambda v: v[: len(v) // 2],
    "a line end in a string": lambda v: v.replace("bad 2", "bad\n2"),
    "an odd escape": lambda v: v.replace("bad", "b\\xad"),
    "two brackets": lambda v: v + "}",
}
AROUND = [{"text": 'say "x" }, {"text": ', "id": "1"}, {"text": "[{\n", "id": 2}, {"id": 3, "text": "c]"}]
BAD = {"text": "bad 2", "id": "b1", "inside": {"text": "not a row", "id": 9}}


@pytest.mark.parametrize("chunk", [5, 2**18])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_damaged_object_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, fault: str, chunk: int
) -> None:
    monkeypatch.setattr(streams, "CHUNK_BYTES", chunk)
    before, between, after, dump = LAYOUTS[layout]
    bad = FAULTS[fault](dump(BAD))
    values = [*map(dump, AROUND), bad, *map(dump, AROUND), bad, *map(dump, AROUND)]
    data = (before + between.join(values) + after).encode()
    found = read(tmp_path, data)
    # What is whole up to the fault is read: two brackets make a whole object, and one too many.
    expected = [BAD["text"]] if fault == "two brackets" else []
    rows = [row.get("text") for row in found if isinstance(row, Row)]
    around = [each["text"] for each in AROUND]
    assert rows == [*around, *expected, *around, *expected, *around]
    damaged = [each for each in found if isinstance(each, Damage)]
    assert [each.kind for each in damaged] == ["bad_json"] * 2
    for each in damaged:
        place = rf"a\.json#{each.row} \(line \d+\): not JSON: .+ at character \d+ of the file\. Mend it: "
        assert re.match(place + rf"what stands behind it is read \({each.size} bytes are lost\)", each.error)
        if fault != "two brackets":
            assert bad.startswith(each.excerpt[: len(bad) // 3])
    marks = len(values) * len(between) + len(before + after)
    assert len(data) - marks <= sum(each.size for each in found) <= len(data)


def test_the_place_of_damage_is_that_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CHUNK_BYTES", 64)
    values = [json.dumps({"text": f"number {i}"}) for i in range(100)]
    values[70] = '{"text": @}'
    data = "[\n" + ",\n".join(values) + "\n]"
    (damage,) = (each for each in read(tmp_path, data.encode()) if isinstance(each, Damage))
    place = f"a.json#70 (line 72): not JSON: Expecting value at character {data.index('@') + 1:,} of the file"
    assert damage.error.startswith(place)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # Nothing was read before: its own brackets end it, where a whole object follows.
        ('[{"text": @}, {"text": "b"}, {"text": "c"}]', ["bad_json", "b", "c"]),
        ('[{"text": "a", "l": [@, {"text": "in"}]}, {"text": "b"}]', ["bad_json", "b"]),
        ('[{"text": "a"}, @, {"text": "b"}]', ["a", "bad_json", "b"]),
        ('[{"text": "a"}, {"text": @}]', ["a", "bad_json"]),
        # Objects in lists may begin as others do: what is one cannot be told without their brackets.
        (
            '[{"text": "a", "l": [{"text": "in"}]}, {"text": @, "l": [{"text": "in"}, {"text": "in"}]}, '
            '{"text": "c"}]',
            ["a", "bad_json", "c"],
        ),
        (
            '[{"text": "a", "l": [{"text": "in"}]}, {"text": "b", "l": [{"text": "in", {"text": "in"}]}, '
            '{"text": "c"}]',
            ["a", "bad_json"],
        ),
        (
            '[\n{\n"text": "a", "l": [\n{\n"text": "in"\n}\n]\n},\n{\0\n"l": [\n{\n"text": 1\n',
            ["a", "bad_json"],
        ),
        # One bracket too many ends an object before what belongs to it.
        (
            '[{"text": "a"}, "l": [{"text": "in"}, {"text": "in"}]}, {"text": "b"}]',
            ["a", "bad_json", "bad_json", "b"],
        ),
    ],
)  # fmt: skip
def test_what_stands_inside_of_values_is_never_a_row(tmp_path: Path, data: str, expected: list[str]) -> None:
    found = read(tmp_path, data.encode())
    assert texts(found) == expected
    assert sum(row.size for row in found) >= len(data) - 3 * len(expected) - 2
    for row in found:
        if isinstance(row, Damage) and row is found[-1]:
            assert row.error.endswith(f"what follows is not read ({row.size} bytes are lost).")


def test_a_byte_that_is_not_utf8_costs_its_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for chunk in (3, 2**18):
        monkeypatch.setattr(streams, "CHUNK_BYTES", chunk)
        data = '[{"text": "ä"}, {"text": "b"},\n{"text": "ö"}]'.encode().replace(b"b", b"\xe9")
        found = read(tmp_path, data)
        assert texts(found) == ["ä", "invalid_utf8", "ö"]
        assert sum(row.size for row in found) == len(data) - len("[, ,\n]")
        assert isinstance(found[1], Damage)
        assert found[1].error.startswith("a.json#1 (line 1): bytes that are not UTF-8: b'\\xe9'")


def test_a_break_behind_damage_is_told_too(tmp_path: Path) -> None:
    chance = random.Random(3)
    data = b'[{"text": @, "a": "' + chance.randbytes(60_000).hex().encode()
    packed = gzip.compress(data, mtime=0)
    found = read(tmp_path, packed[: len(packed) // 2], "a.json.gz")
    assert texts(found) == ["bad_json", "truncated"]
    rows = [{"text": chance.randbytes(20).hex()} for _ in range(2000)]
    packed = gzip.compress(json.dumps(rows).encode(), mtime=0)
    *whole, last = texts(read(tmp_path, packed[: len(packed) // 2], "a.json.gz"))
    assert last == "truncated"
    assert whole == [row["text"] for row in rows[: len(whole)]]
    assert len(whole) > 500


def test_many_damaged_objects_take_time_in_line_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each value is parsed twice at the most, and the rest of a file is not taken in to find one fault."""
    tried = 0
    raw = json_values._raw

    def counted(text: str, at: int) -> tuple[Any, int]:
        nonlocal tried
        tried += 1
        return raw(text, at)

    monkeypatch.setattr(json_values, "_raw", counted)
    nested = {"text": "a", "l": [{"text": "in"}, {"text": "in"}]}
    for value in ({"text": "a"}, nested):
        for between in (", ", ",\n"):
            good, bad = json.dumps(value), json.dumps(value).replace('"a"', "@")
            tried = 0
            found = read(tmp_path, f"[{between.join([good, *[bad, good] * 3000])}]".encode())
            assert [row.kind for row in found if isinstance(row, Damage)] == ["bad_json"] * 3000
            assert sum(isinstance(row, Row) for row in found) == 3001
            assert tried <= 2 * 6001 + 20


def test_a_stray_zero_byte_makes_no_utf16(tmp_path: Path) -> None:
    """Whoever guesses encodings may take it for that: then all lines would be one that nobody can read."""
    wanted = Wanted("text", decode=lambda data: Decoded(data.decode("utf-16-le", "replace"), "utf-16-le"))
    found = read(tmp_path, b'{"text": "first"}\n\0 ', "a.jsonl", wanted)
    assert texts(found) == ["first", "bad_json"]
