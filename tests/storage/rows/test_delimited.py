"""Delimited tables: every cell as it stands, every damaged record named, no row made or lost."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from corpuskit.errors import InputError
from corpuskit.storage import streams
from corpuskit.storage.rows import delimited
from corpuskit.storage.rows.formats import read_rows, table_problem
from corpuskit.storage.rows.row import Damage, Decoded, Row, Wanted

WANTED = Wanted("text", ("label",))


def read(folder: Path, data: bytes, wanted: Wanted = WANTED, name: str = "a.csv") -> list[Row | Damage]:
    (folder / name).write_bytes(data)
    return list(read_rows(str(folder / name), wanted, name=name))


def pairs(found: list[Row | Damage]) -> list[tuple[object, ...]]:
    return [(row.kind,) if isinstance(row, Damage) else (row.get("text"), row.get("label")) for row in found]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # A spreadsheet's: byte order mark, CR LF, no end of the last line.
        (b"\xef\xbb\xbftext,label\r\ncaf\xc3\xa9,yes\r\nshut,no", [("café", "yes"), ("shut", "no")]),
        (b'text,label\n"two\nlines",a\n"x,y",c\n', [("two\nlines", "a"), ("x,y", "c")]),
        (b'text,label\n"he said ""no""",b\n', [('he said "no"', "b")]),
        (b'text,label\r\n"two\r\nlines",a\r\n', [("two\r\nlines", "a")]),
        (b"text,label\rone,a\rtwo,b\r", [("one", "a"), ("two", "b")]),
        (b"text;label\nGood, but dear;x\n", [("Good, but dear", "x")]),
        (b"text|label\none|a\n", [("one", "a")]),
        (b" text , label \none,a\n", [("one", "a")]),
        (b"text,label\nTRUE,007\n1e5,-0\n", [("TRUE", "007"), ("1e5", "-0")]),
        (b"text\n12345678901234567890\n", [("12345678901234567890", None)]),
        (b"text,label\nNA,NA\nnull,None\nnan,N/A\n", [("NA", "NA"), ("null", "None"), ("nan", "N/A")]),
        (b"\n\ntext,label\n\none,a\n   \n,\n", [("one", "a"), ("", "")]),
        (b"text,label,\none,a\ntwo,b,,\n", [("one", "a"), ("two", "b")]),
        (b'text,label\n"nul \x00 in it",a\n', [("nul \x00 in it", "a")]),
        (b"", []),
        (b"\n\r\n", []),
        (b"text,label\n", []),
    ],
)  # fmt: skip
def test_cells_are_taken_as_they_stand(tmp_path: Path, data: bytes, expected: list[object]) -> None:
    assert pairs(read(tmp_path, data)) == expected


def test_tabs_part_the_cells_of_tsv(tmp_path: Path) -> None:
    found = read(tmp_path, b"text\tlabel\none, two\ta\n", name="a.TSV")
    assert pairs(found) == [("one, two", "a")]
    packed = read(tmp_path, gzip.compress(b"text\tlabel\none\ta\n"), name="a.tsv.gz")
    assert pairs(packed) == [("one", "a")]


def test_a_cell_of_more_than_pythons_own_limit(tmp_path: Path) -> None:
    text = "x" * 200_000
    assert pairs(read(tmp_path, f"text,label\n{text},a\n".encode())) == [(text, "a")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # Too many or too few cells: a text cut at its comma would be wrong without a word.
        (b"text,label\nHello, world,a\nonly\nlast,b\n", [("ragged",), ("ragged",), ("last", "b")]),
        (b"text\nHello, world\n", [("ragged",)]),
        # A quote that is never closed costs its line, not the rest of the file.
        (b'text,label\n"open,a\none,b\ntwo,c\n', [("bad_csv",), ("one", "b"), ("two", "c")]),
        (b'text,label\n"a"b,x\none,b\n', [("bad_csv",), ("one", "b")]),
        (b'text,label\nsays "hi",x\n', [('says "hi"', "x")]),
        (b"text,label\nna\xc3\xafve,a\n\xff,b\nok,c\n", [("naïve", "a"), ("invalid_utf8",), ("ok", "c")]),
    ],
)  # fmt: skip
def test_a_damaged_record_costs_itself_alone(tmp_path: Path, data: bytes, expected: list[object]) -> None:
    found = read(tmp_path, data)
    assert pairs(found) == expected
    assert [row.row for row in found] == list(range(len(expected)))
    for row in found:
        if isinstance(row, Damage):
            assert row.error.startswith(f"a.csv#{row.row} (line {row.row + 2}): ")
            assert row.size > 0


def test_a_truncated_table_gives_the_whole_records(tmp_path: Path) -> None:
    data = b"text,label\n" + b"".join(f"row {i},a\n".encode() for i in range(20_000))
    packed = gzip.compress(data, mtime=0)
    found = read(tmp_path, packed[: len(packed) // 2], name="a.csv.gz")
    *whole, last = found
    assert isinstance(last, Damage)
    assert last.kind == "truncated"
    assert pairs(whole) == [(f"row {i}", "a") for i in range(len(whole))]
    assert 5_000 < len(whole) < 20_000


def test_an_overlong_line_and_an_overlong_quote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_ROW_BYTES", 100)
    data = b"text,label\n" + b"x" * 200 + b',a\none,b\n"' + b"y\n" * 60 + b"two,c\n"
    found = pairs(read(tmp_path, data))
    assert found[:3] == [("too_large",), ("one", "b"), ("bad_csv",)]
    assert found[-1] == ("two", "c")


@pytest.mark.parametrize("chunk", [3, 50, 2**18])
def test_no_line_is_lost_where_a_record_would_be_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """The line with which it would be is read again, as those before it are; also one that is itself."""
    monkeypatch.setattr(streams, "MAX_ROW_BYTES", 100)
    monkeypatch.setattr(streams, "CHUNK_BYTES", chunk)
    lines = ['"open', *(f"line {i}" for i in range(40)), '"open', "x" * 120, "next", '"open', "last"]
    data = b"text\n" + "\n".join([*lines, ""]).encode()
    found = read(tmp_path, data)
    kinds = {'"open': "bad_csv", "x" * 120: "too_large"}
    assert pairs(found) == [(kinds[line],) if line in kinds else (line, None) for line in lines]
    sizes = [
        len(line) + (len(line) < 100) for line in lines
    ]  # Of a line that is too long its end is no part.
    assert [row.size for row in found] == sizes


@pytest.mark.parametrize("chunk", [7, 2**18])
def test_the_first_record_without_a_header_is_read_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """Whatever is wrong with it: it is looked at for the columns, and then read as any other."""
    monkeypatch.setattr(streams, "MAX_ROW_BYTES", 100)
    monkeypatch.setattr(streams, "CHUNK_BYTES", chunk)
    wanted = Wanted("1", header=False)
    for first, kind in ((b'"open', "bad_csv"), (b"x" * 120, "too_large"), (b'"a"b', "bad_csv")):
        found = read(tmp_path, b"\n\n" + first + b"\none\ntwo\n", wanted)
        told = [row.error if isinstance(row, Damage) else row.get("1") for row in found]
        assert [row.kind if isinstance(row, Damage) else "" for row in found] == [kind, "", ""]
        assert told[0].startswith("a.csv#0 (line 3): ")
        assert told[1:] == ["one", "two"]


@pytest.mark.parametrize("lines", [b"\n", b'"\n', b" \r\n", b'""\n"\n', b"a\n"])
@pytest.mark.parametrize("before", [b"", b'"', b'"b\n'])
def test_a_table_of_line_ends_and_quotes_takes_few_parsers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: bytes, before: bytes
) -> None:
    """One for each line took ten times as long: 4 MB of line ends behind an open quote ten seconds."""
    made = 0

    def reader(feed: Iterable[str], **how: Any) -> Any:
        nonlocal made
        made += 1
        return csv.reader(feed, **how)

    with monkeypatch.context() as patch:
        patch.setattr(delimited, "csv", SimpleNamespace(reader=reader, **vars_of_csv()))
        read(tmp_path, b"text,label\n" + before + lines * 10_000 + b"c,d\n")
    with_quotes = lines.count(b'"') * 10_000  # Behind an open quote each such line is looked at by itself.
    assert made < 20 + (with_quotes if before and lines.startswith(b'""') else 0)


def vars_of_csv() -> dict[str, Any]:
    return {"Error": csv.Error, "field_size_limit": csv.field_size_limit}


@pytest.mark.parametrize("chunk", [5, 64, 2**18])
def test_odd_tables_are_read_as_python_reads_each_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """Where nothing is damaged, all records are those of Python's own parser over the whole file."""
    monkeypatch.setattr(streams, "CHUNK_BYTES", chunk)
    chance = random.Random(chunk)
    cells = ["", "a", '"b,c"', '"two\nlines"', '"\r"', '"say ""x"""', "\u2028", "é", '"\n\n\n"', " "]
    for _ in range(150):
        ends = chance.choices(["\n", "\r\n", "\n\n", "\r"], k=chance.randrange(1, 40))
        body = "".join(f"{chance.choice(cells)},{chance.choice(cells)}{end}" for end in ends)
        expected = [tuple(row) for row in csv.reader(io.StringIO(body, newline="")) if row]
        assert pairs(read(tmp_path, f"text,label\n{body}".encode())) == expected


def test_columns_by_number(tmp_path: Path) -> None:
    data = b"the train is late,complaint\ngood coffee,praise\n"
    bare = Wanted("1", ("2",), header=False)
    assert [(row.get("1"), row.get("2")) for row in read(tmp_path, data, bare) if isinstance(row, Row)] == [
        ("the train is late", "complaint"),
        ("good coffee", "praise"),
    ]
    twice = b"text,label,text\nshort,a,longer\n"
    (row,) = read(tmp_path, twice, Wanted("3", ("2",)))
    assert isinstance(row, Row)
    assert (row.get("3"), row.get("2")) == ("longer", "a")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"text,label,text\nshort,a,longer\n", r"column 'text' stands 2 times \(columns 1, 3\)"),
        (b"the train is late,complaint\ngood,praise\n", "no column 'text'"),
        (b"texts\na\n", "Did you mean 'texts'"),
    ],
)
def test_a_table_without_its_column_is_named_before_any_row(
    tmp_path: Path, data: bytes, message: str
) -> None:
    (damage,) = read(tmp_path, data)
    assert isinstance(damage, Damage)
    assert damage.kind == "unreadable_file"
    problem = table_problem(str(tmp_path / "a.csv"), "a.csv", "csv", WANTED)
    assert isinstance(problem, InputError)
    with pytest.raises(InputError, match=message):
        raise problem


def test_encodings(tmp_path: Path) -> None:
    text = "text,label\nBär und Größe,é\n"
    assert pairs(read(tmp_path, text.encode("utf-16"))) == [("Bär und Größe", "é")]
    assert pairs(read(tmp_path, text.encode("cp1252"))) == [("invalid_utf8",)]
    by_hand = Wanted(
        "text", ("label",), decode=lambda data: Decoded(data.decode("cp1252"), "cp1252", ("odd",))
    )
    (row,) = read(tmp_path, text.encode("cp1252"), by_hand)
    assert isinstance(row, Row)
    assert (row.get("text"), row.decoded) == ("Bär und Größe", Decoded("", "cp1252", ("odd",)))
