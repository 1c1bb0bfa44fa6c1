"""Delimited files as people have them: each is read as it was meant, or an error says why it cannot be."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from corpuskit.errors import CorpuskitError, EmptyError, InputError, SettingError
from corpuskit.train.data.tables.columns import Columns, find_columns
from corpuskit.train.data.tables.row import Account
from corpuskit.train.data.tables.table import LONG_CELL, Table, open_table
from corpuskit.train.data.tables.usual import LABEL, TEXT

WANTED = {"text": TEXT, "label": LABEL}


def opened(tmp_path: Path, data: bytes | str, name: str = "data.csv", **options: object) -> Table:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return open_table(path, **options)


def pairs(columns: Columns) -> list[tuple[str, str]]:
    return [(row.values["text"], row.values["label"]) for row in columns.rows()]


def read(
    tmp_path: Path, data: bytes | str, name: str = "data.csv", **options: object
) -> list[tuple[str, str]]:
    return pairs(find_columns(opened(tmp_path, data, name, **options), WANTED))


def test_a_mark_and_carriage_returns_are_no_part_of_cells(tmp_path: Path) -> None:
    data = "\ufefftext,label\r\nthé,yes\r\nclosed,no\r\nlast,no".encode()
    assert read(tmp_path, data) == [("thé", "yes"), ("closed", "no"), ("last", "no")]


def test_utf_16_is_read_by_its_mark(tmp_path: Path) -> None:
    assert read(tmp_path, "text,label\nthé,yes\nnon,no\n".encode("utf-16")) == [("thé", "yes"), ("non", "no")]


def test_cells_hold_lines_delimiters_and_quotes(tmp_path: Path) -> None:
    data = 'text,label\n"one\ntwo",a\n"he said ""no"", twice",b\n"x,y",a\n"\n\nlow",b\n'
    expected = [("one\ntwo", "a"), ('he said "no", twice', "b"), ("x,y", "a"), ("\n\nlow", "b")]
    assert read(tmp_path, data) == expected


def test_places_are_counted_as_people_count(tmp_path: Path) -> None:
    table = opened(tmp_path, 'text,label\n"one\ntwo",a\n\nthree,b\n')
    assert [str(row.place) for row in table.rows()] == ["data.csv row 1 (line 2)", "data.csv row 2 (line 5)"]


@pytest.mark.parametrize(
    "word", ["NA", "null", "nan", "None", "N/A", "007", "1e5", "3.10", "-0", "TRUE", "false"]
)
def test_a_cell_is_the_text_that_it_is(tmp_path: Path, word: str) -> None:
    assert read(tmp_path, f"text,label\n{word},{word}\nother,x\n")[0] == (word, word)


def test_a_column_of_nothing_but_truth_values_stays_text(tmp_path: Path) -> None:
    found = find_columns(opened(tmp_path, "text\nTRUE\nFALSE\ntrue\nFalse\n"), {"text": TEXT})
    assert [row.values["text"] for row in found.rows()] == ["TRUE", "FALSE", "true", "False"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["data.csv", "data.tsv", "data.txt", "data"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str, name: str) -> None:
    rows = [
        ("text", "label"),
        ("Gut und teuer", "lob"),
        ('"Ein ""Traum"" - oder"', "tadel"),
        ("Nie", "tadel"),
    ]
    table = opened(tmp_path, "\n".join(delimiter.join(row) for row in rows), name)
    assert pairs(find_columns(table, WANTED))[1] == ('Ein "Traum" - oder', "tadel")
    assert "cells are parted by" in table.told[0]


def test_commas_of_sentences_part_no_cells_of_a_table_with_semicolons(tmp_path: Path) -> None:
    data = 'text;label\nGut, aber teuer;lob\nLangsam, laut, kalt;tadel\n"Ein ""Traum""; wirklich";lob\n'
    assert read(tmp_path, data)[2] == ('Ein "Traum"; wirklich', "lob")


def test_another_delimiter_is_named_in_the_error_and_may_be_given(tmp_path: Path) -> None:
    data = "text^label\nred^a\nblue^b\n"
    with pytest.raises(SettingError, match=r"(?s)There are: text\^label.*--set delimiter"):
        find_columns(opened(tmp_path, data), WANTED)
    assert read(tmp_path, data, delimiter="^") == [("red", "a"), ("blue", "b")]
    assert read(tmp_path, data.replace("^", " ||| "), delimiter=" ||| ") == [("red", "a"), ("blue", "b")]


def test_the_wrong_delimiter_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"(?s)There are: text,label\. .*--set delimiter"):
        find_columns(opened(tmp_path, "text,label\na,b\n", delimiter="tab"), WANTED)


def test_a_label_before_the_first_blank(tmp_path: Path) -> None:
    data = "NUM:date When was it ?\nHUM:ind Who was it ?\nNUM:date Since when ?\n"
    table = opened(tmp_path, data, "questions.label", delimiter="blank", columns=("label", "text"))
    assert pairs(find_columns(table, WANTED))[1] == ("Who was it ?", "HUM:ind")


HEADLESS = "the train is late,complaint\ngood coffee,praise\ncold soup,complaint\nkind staff,praise\n"


def test_a_first_row_that_is_data_is_told(tmp_path: Path) -> None:
    table = opened(tmp_path, HEADLESS)
    with pytest.raises(SettingError, match=r"(?s)the train is late \| complaint.*looks like data") as error:
        find_columns(table, WANTED)
    assert "give its number" in error.value.remedy
    assert "--set header=true" in error.value.remedy
    by_number = find_columns(table, WANTED, {"text": 1, "label": "2"})
    assert len(pairs(by_number)) == 4


def test_names_for_columns_without_any(tmp_path: Path) -> None:
    table = opened(tmp_path, HEADLESS, columns=("text", "label"))
    assert len(pairs(find_columns(table, WANTED))) == 4


def test_a_column_that_is_named_makes_the_first_row_a_header(tmp_path: Path) -> None:
    data = "What did you think of us?,stars\nIt was all very good,5\nI will not come again,1\nGood for me,5\n"
    table = opened(tmp_path, data)
    assert table.doubt
    found = find_columns(table, WANTED, {"text": "What did you think of us?", "label": "stars"})
    assert [label for _, label in pairs(found)] == ["5", "1", "5"]


@pytest.mark.parametrize(("header", "rows"), [(True, 1), (False, 2)])
def test_what_is_told_of_the_header_is_believed(tmp_path: Path, header: bool, rows: int) -> None:
    assert len(list(opened(tmp_path, "1,2\n3,4\n", header=header).rows())) == rows


def test_a_column_that_stands_twice_is_an_error_unless_it_is_numbered(tmp_path: Path) -> None:
    table = opened(tmp_path, "text,label,text\nshort,a,the longer\nbrief,b,another\n")
    with pytest.raises(SettingError, match=r"'text' stands 2 times \(columns 1, 3\)"):
        find_columns(table, WANTED)
    assert pairs(find_columns(table, WANTED, {"text": 3})) == [("the longer", "a"), ("another", "b")]


def test_columns_without_names_disturb_nobody(tmp_path: Path) -> None:
    table = opened(tmp_path, "v1,v2,,,\nham,hello there,,,\nspam,free money,,,\n")
    assert table.keys == ("v1", "v2", "#3", "#4", "#5")
    assert pairs(find_columns(table, WANTED, {"text": "v2", "label": "v1"})) == [
        ("hello there", "ham"),
        ("free money", "spam"),
    ]


def test_a_missing_column_is_named_beside_those_that_are_there(tmp_path: Path) -> None:
    table = opened(tmp_path, "text,label\na,b\n")
    with pytest.raises(
        SettingError, match=r"(?s)no column 'txt'.*There are: text, label. Did you mean 'text'"
    ):
        find_columns(table, WANTED, {"text": "txt"})
    with pytest.raises(SettingError, match="given for text and for label"):
        find_columns(table, WANTED, {"text": 1, "label": 1})


def test_one_line_in_another_encoding_is_named(tmp_path: Path) -> None:
    data = b"text,label\nna\xc3\xafve,good\nd\xe9j\xe0,bad\nplain,good\n"
    with pytest.raises(
        InputError, match=r"(?s)data\.csv row 2 \(line 3\).*byte 0xE9.*not UTF-8.*two encodings"
    ):
        read(tmp_path, data)
    account = Account()
    rows = list(opened(tmp_path, data).rows(account))
    assert [row.values["text"] for row in rows] == ["naïve", "plain"]
    assert account.left_out == 1


def test_an_encoding_of_the_whole_file_is_asked_for_and_believed(tmp_path: Path) -> None:
    data = "text,label\ncafé,good\ndéjà,bad\n".encode("cp1252")
    with pytest.raises(InputError, match=r"--set encoding=\.\.\., windows-1252"):
        read(tmp_path, data)
    assert read(tmp_path, data, encoding="windows-1252") == [("café", "good"), ("déjà", "bad")]
    with pytest.raises(InputError, match="utf-16"):
        read(tmp_path, "text,label\na,b\n".encode("utf-16-le"))
    assert read(tmp_path, "text,label\na,b\nc,d\n".encode("utf-16-le"), encoding="utf-16-le")[1] == ("c", "d")


def test_quotes_of_a_file_that_knows_none_are_characters(tmp_path: Path) -> None:
    lines = ["label\ttext", 'a\t"Never" he said', 'b\t"open and not closed', "a\tplain", 'b\t"whole"']
    table = opened(tmp_path, "\n".join(lines), "data.tsv")
    assert [row.values["text"] for row in table.rows()] == [
        '"Never" he said',
        '"open and not closed',
        "plain",
        '"whole"',
    ]
    assert any("quotes are taken for characters" in told for told in table.told)


def test_a_quote_that_swallows_records_is_no_mark(tmp_path: Path) -> None:
    data = 'label\ttext\na\t"first\nb\tlast"\na\tplain\n'
    assert len(list(opened(tmp_path, data, "data.tsv").rows())) == 3


def test_a_record_of_too_many_cells_is_named(tmp_path: Path) -> None:
    data = "text,label\n" + "fine,a\n" * 9 + "yes, no,b\n" + "fine,b\n" * 9
    with pytest.raises(InputError, match=r"row 10 \(line 11\): 3 cells, parted by commas, under 2 columns"):
        read(tmp_path, data)


def test_a_nul_byte_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"row 1 \(line 2\): a NUL byte"):
        read(tmp_path, b"text,label\n" + b"a\0b,x\n" + b"plain text,y\n" * 30)


def test_a_book_in_one_cell_is_read_and_told(tmp_path: Path) -> None:
    account = Account()
    rows = list(opened(tmp_path, f"text,label\n{'x' * 10_000_000},a\nshort,b\n").rows(account))
    assert [len(row.values["text"]) for row in rows] == [10_000_000, 5]
    assert account.sentences() == [
        f"1 row: a text of {LONG_CELL:,} characters or more in column 'text' (data.csv row 1 (line 2))"
    ]


@pytest.mark.parametrize(
    ("data", "name", "error", "says"),
    [
        (b"", "a.csv", EmptyError, "a.csv: no row"),
        (b"\n\n", "a.csv", EmptyError, "no row"),
        (b"text,label\n", "a.csv", EmptyError, "no row; columns: text, label"),
        (b"", "a.jsonl", EmptyError, "no row"),
        (b"PK\x03\x04abc", "a.csv", InputError, "zip archive"),
        (b"\x1f\x8babc", "a.csv", InputError, "compressed with gzip"),
        (gzip.compress(b"text,label\n" * 9999, mtime=0)[:40], "a.csv.gz", InputError, "cannot be read"),
        (bytes(range(1, 9)) * 50, "a.csv", InputError, "control characters"),
    ],
)
def test_what_is_no_table_is_named(
    tmp_path: Path, data: bytes, name: str, error: type[CorpuskitError], says: str
) -> None:
    with pytest.raises(error, match=says):
        list(opened(tmp_path, data, name).rows())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"encoding": "klingon"}, "encoding 'klingon' is not known"),
        ({"delimiter": "\n"}, "can part no cells"),
        ({"columns": ("a", "b", "c")}, "3 names for 2 columns"),
        ({"split": "test"}, "has no split 'test'"),
    ],
)
def test_what_is_told_wrongly_is_named(tmp_path: Path, options: dict[str, object], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        opened(tmp_path, "text,label\na,b\n", **options)


def test_a_stream_that_breaks_off_is_named_behind_its_rows(tmp_path: Path) -> None:
    whole = gzip.compress(b"text,label\n" + b"".join(b"row %d,a\n" % i for i in range(90_000)), mtime=0)
    account = Account()
    rows = list(opened(tmp_path, whole[: len(whole) // 2], "a.csv.gz").rows(account))
    assert rows
    assert account.left_out == 1
    assert "truncated" in account.sentences()[0]


def test_reading_takes_no_memory_for_what_is_read(tmp_path: Path) -> None:
    peaks = []
    for rows in (15_000, 60_000):
        table = opened(tmp_path, "text,label\n" + "some words that make a long row of a table,a\n" * rows)
        tracemalloc.start()
        assert sum(1 for _ in find_columns(table, WANTED).rows()) == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
