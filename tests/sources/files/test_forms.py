"""Files as people have them: forms, encodings, compressions, nested fields, odd ids, patterns."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpuskit.documents.reading import Reading
from corpuskit.errors import InputError, SettingError
from corpuskit.sources.files.files import Files


def read(path: Path | str, **settings: Any) -> list[Reading]:
    source = Files(path=str(path), label="x", **settings)
    return [reading for part in source.parts() for reading in source.read(part)]


def rows(path: Path | str, **settings: Any) -> list[dict[str, Any]]:
    return [row for reading in read(path, **settings) for row in reading.batch.to_pylist()]


def documents(path: Path | str, **settings: Any) -> dict[str, str]:
    return {row["id"].removeprefix("files:x:"): row["text"] for row in rows(path, **settings)}


def quarantined(path: Path | str, **settings: Any) -> list[tuple[str, str, str]]:
    return [(q.id, q.kind, q.error) for reading in read(path, **settings) for q in reading.quarantined]


def warned(path: Path | str, **settings: Any) -> list[str]:
    return [sentence for reading in read(path, **settings) for sentence in reading.warnings]


def lines(*values: object) -> bytes:
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)


# ---------------------------------------------------------------------------------- endings and packing
def test_endings_in_any_case_with_any_compression(tmp_path: Path) -> None:
    import bz2
    import lzma

    packs: dict[str, Callable[[bytes], bytes]] = {
        ".gz": gzip.compress,
        ".BZ2": bz2.compress,
        ".Xz": lzma.compress,
        ".ZST": lambda data: bytes(pa.Codec("zstd").compress(data, asbytes=True)),
    }
    for ending, pack in packs.items():
        (tmp_path / f"NOTES{ending[1]}.TXT{ending}").write_bytes(pack(b"a note"))
        (tmp_path / f"rows{ending[1]}.Json{ending}").write_bytes(
            pack(lines({"text": "one"}, {"text": "two"}))
        )
        (tmp_path / f"table{ending[1]}.CSV{ending}").write_bytes(pack(b"text\nthree\n"))
    found = documents(tmp_path)
    assert sorted(found.values()) == ["a note"] * 4 + ["one"] * 4 + ["three"] * 4 + ["two"] * 4
    assert "NOTESg.TXT.gz#0" in found
    titles = {row["title"] for row in rows(tmp_path) if row["text"] == "a note"}
    assert titles == {"NOTESg", "NOTESB", "NOTESX", "NOTESZ"}
    assert warned(tmp_path) == []


def test_json_packed_is_read_where_jsonl_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "c4-train.00000-of-00002.json.gz").write_bytes(
        gzip.compress(lines({"text": "a", "url": "u"}))
    )
    assert list(documents(tmp_path, format="jsonl").values()) == ["a"]


def test_members_of_gzip_with_zeros_between_and_behind(tmp_path: Path) -> None:
    one, two = (gzip.compress(lines({"text": text})) for text in ("one", "two"))
    (tmp_path / "a.jsonl.gz").write_bytes(one + b"\x00" * 700 + two + b"\x00" * 500)
    assert list(documents(tmp_path).values()) == ["one", "two"]
    assert quarantined(tmp_path) == []
    (tmp_path / "a.jsonl.gz").write_bytes(one + b"what is no member")
    assert list(documents(tmp_path).values()) == ["one"]
    assert [(place, kind) for place, kind, _ in quarantined(tmp_path)] == [("a.jsonl.gz#1", "corrupt")]


# A frame of zstd that asks for a window of 2 GiB (descriptor 0xa8) and holds one raw block, "a".
LONG_WINDOW = b"\x28\xb5\x2f\xfd" + b"\x00\xa8" + b"\x09\x00\x00" + b"a" + b"\x00" * 16


def test_zstd_with_a_long_window_says_how_to_pack_it_again(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.zst").write_bytes(LONG_WINDOW)
    ((place, kind, error),) = quarantined(tmp_path)
    assert (place, kind) == ("a.jsonl.zst#0", "long_window")
    assert "a window of 2,048 MiB" in error
    assert "zstd -dc --long=31" in error


@pytest.mark.parametrize(
    ("name", "data", "kind", "said"),
    [
        (
            "a.jsonl.gz",
            b'{"text": "not packed"}\n',
            "corrupt",
            "it is something else, whatever its ending says",
        ),
        ("a.txt.gz", b"PK\x03\x04" + b"x" * 99, "corrupt", "it is a zip archive"),
        ("a.txt", b"PK\x03\x04\xff" + b"x" * 99, "not_text", "it is a zip archive. Unpack it"),
        ("a.txt", b"x" * 257 + b"ustar\xff" + b"x" * 99, "not_text", "a tar archive"),
        (
            "a.txt",
            gzip.compress(b"text", mtime=0),
            "not_text",
            "compressed with gzip. Give it the ending .gz",
        ),
        ("a.md", b"%PDF-1.7 \xff\xfe", "not_text", "a PDF. Convert it"),
        ("a.txt", bytes(range(128)) * 4, "not_text", "control characters"),
        ("a.txt", b"\x00" * 300, "not_text", "control characters"),
        ("a.txt", b"caf\xe9", "invalid_utf8", "byte 0xe9 at offset 3"),
        ("a.txt", b"\xff\xfe\x00", "invalid_utf8", "iconv -f UTF-16"),
    ],
)
def test_what_is_no_text_is_named_for_what_it_is(
    tmp_path: Path, name: str, data: bytes, kind: str, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    ((place, found, error),) = quarantined(tmp_path)
    assert (place, found) == (f"{name}#0", kind)
    assert said in error


def test_files_of_no_bytes(tmp_path: Path) -> None:
    names = [
        "a.txt",
        "b.txt.gz",
        "c.txt.bz2",
        "d.txt.xz",
        "e.txt.zst",
        "f.jsonl",
        "g.json",
        "h.csv",
        "i.tsv.gz",
    ]
    for name in [*names, "j.parquet", "k.arrow"]:
        (tmp_path / name).write_bytes(b"")
    readings = read(tmp_path)
    assert [d.id for r in readings for d in r.dropped] == [f"files:x:{name}#0" for name in names[:5]]
    assert [q.id for r in readings for q in r.quarantined] == ["j.parquet#0", "k.arrow#0"]
    assert warned(tmp_path) == ["files 'x': without any row: f.jsonl, g.json, h.csv, i.tsv.gz"]


# ---------------------------------------------------------------------------------------------- encodings
GERMAN = "Der größere Bär träumte von süßen Äpfeln und Öl."
RUSSIAN = "Порт города был построен гильдией канатчиков, и хранится в музее."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        (GERMAN, "utf-16"),
        (GERMAN, "utf-16-le"),
        (GERMAN, "utf-16-be"),
        (RUSSIAN, "utf-16"),
        (RUSSIAN, "utf-16-le"),
        (RUSSIAN, "utf-16-be"),
        (GERMAN, "utf-32"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.json"])
def test_encodings_are_decoded_as_those_of_books_are(
    tmp_path: Path, text: str, encoding: str, name: str
) -> None:
    whole = {
        "a.txt": text,
        "a.csv": f'text,note\n"{text}",ä\n"{text}",ü\n',
        "a.jsonl": "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for _ in range(2)),
        "a.json": json.dumps([{"text": text}, {"text": text}], ensure_ascii=False, indent=1),
    }[name]
    (tmp_path / name).write_bytes(whole.encode(encoding))
    found = rows(tmp_path)
    assert [row["text"] for row in found] == [text] * (1 if name == "a.txt" else 2)
    origin = json.loads(found[0]["origin"])
    assert origin["encoding"].startswith(encoding[:6] if encoding != "cp1252" else ("iso8859-1", "cp1252"))
    (sentence,) = warned(tmp_path)
    assert sentence.startswith("files 'x': not UTF-8, decoded as ")


def test_utf8_says_nothing_of_its_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(RUSSIAN, encoding="utf-8")
    (row,) = rows(tmp_path)
    assert json.loads(row["origin"]) == {"file": "a.txt", "row": 0}
    assert warned(tmp_path) == []


def test_one_line_in_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("text\nnaïve but kind\n".encode() + "déjà vu\n".encode("latin-1"))
    assert list(documents(tmp_path).values()) == ["naïve but kind", "déjà vu"]
    (sentence,) = warned(tmp_path)
    assert sentence.endswith("(mixed_encodings): 1 text")


# ------------------------------------------------------------------------------------------------- fields
def test_fields_inside_fields_and_kept_ones(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(
        lines(
            {"data": {"text": "one"}, "meta": {"id": "q", "lang": "de", "stars": 4.0, "tags": ["a"]}},
            {"data.text": "own", "data": {"text": "inner"}, "meta": {"stars": None}},
            {"content": "x"},
        )
    )
    pq.write_table(
        pa.table({"data": [{"text": "three"}], "meta": [{"id": 7, "lang": "", "stars": 0.5}]}),
        tmp_path / "b.parquet",
    )
    settings: dict[str, Any] = {"text_field": "data.text", "id_field": "meta.id", "language": "en"}
    settings |= {"language_field": "meta.lang", "keep": {"stars": "meta.stars", "tags": "meta.tags"}}
    found = rows(tmp_path, **settings)
    columns = ("id", "text", "language", "stars", "tags")
    assert [tuple(row[name] for name in columns) for row in found] == [
        ("files:x:q", "one", "de", "4", '["a"]'),
        ("files:x:a.jsonl#1", "own", "en", "", ""),
        ("files:x:7", "three", "en", "0.5", ""),
    ]
    ((place, kind, error),) = quarantined(tmp_path, **settings)
    assert (place, kind) == ("a.jsonl#2", "no_text")
    assert "no field 'data.text'. There are: content. Set text_field" in error


def test_kept_fields_by_a_list_and_their_names(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines({"text": "t", "stars": 5, "source": "web"}))
    (row,) = rows(tmp_path, keep=["stars"])
    assert row["stars"] == "5"
    (row,) = rows(tmp_path, keep={"own_source": "source"})
    assert (row["own_source"], row["source"]) == ("web", "x")
    with pytest.raises(SettingError, match="'source' is a column of every document"):
        Files.checked("Files", path="p", label="x", keep=["source"])
    assert warned(tmp_path, keep=["starts"]) == [
        "files 'x': no row has the field 'starts'. There are: text, stars, source. Did you mean 'stars'?"
    ]
    assert warned(tmp_path, id_field="key") == [
        "files 'x': no row has the field 'key'. There are: text, stars, source."
    ]


def test_rows_without_text_name_the_fields_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(*({"id": i, "content": "words"} for i in range(3))))
    errors = quarantined(tmp_path)
    assert errors[0][2] == (
        "a.jsonl#0: no field 'text'. There are: id, content. Set text_field, or mend the row."
    )
    assert warned(tmp_path) == [
        "files 'x': a.jsonl: none of 3 rows has the field 'text'. There are: id, content. Set text_field."
    ]


def test_names_of_fields_are_never_control(tmp_path: Path) -> None:
    names = {"\x1b[31m": 1, "\ud800": 2, "line\nend": 3, "x" * 900: 4}
    (tmp_path / "a.jsonl").write_bytes(json.dumps(names).encode())
    ((_, _, error),) = quarantined(tmp_path)
    assert "There are: \\x1b[31m, \\ud800, line\\x0aend, xxx" in error
    assert len(error) < 300


# ---------------------------------------------------------------------------------------------------- ids
def test_the_text_is_never_lost_over_its_id(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(
        lines(
            {"text": "a", "id": 1.0},
            {"text": "b", "id": 1e300},
            {"text": "c", "id": ["list"]},
            {"text": "d", "id": {"an": "object"}},
            {"text": "e", "id": float("nan")},
            {"text": "f", "id": ""},
            {"text": "g", "id": True},
            {"text": "h", "id": -0.0},
            {"text": "i", "id": 0.25},
        )
        + b'{"text": "j", "id": "half \\ud800"}\n'
    )
    assert documents(tmp_path) == {
        "1": "a",
        "a.jsonl#1": "b",
        "a.jsonl#2": "c",
        "a.jsonl#3": "d",
        "a.jsonl#4": "e",
        "a.jsonl#5": "f",
        "true": "g",
        "0": "h",
        "0.25": "i",
        "a.jsonl#9": "j",
    }
    assert warned(tmp_path) == [
        "files 'x': named by their places, since dict is no id: 1 row",
        "files 'x': named by their places, since float is no id: 1 row",
        "files 'x': named by their places, since list is no id: 1 row",
        "files 'x': named by their places, since str is no id: 1 row",
    ]


def test_a_field_that_stands_twice_with_other_values(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(
        b'{"text": "a", "text": "b"}\n{"text": "c", "text": "c"}\n{"text": "d", "x": 1, "x": 2}\n'
    )
    assert list(documents(tmp_path).values()) == ["c", "d"]
    ((place, kind, error),) = quarantined(tmp_path)
    assert (place, kind) == ("a.jsonl#0", "twice")
    assert "field 'text' stands twice, with different values" in error


def test_a_table_with_two_columns_of_one_name_among_others(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["good"], "id": ["g"]}), tmp_path / "a.parquet")
    twice = pa.Table.from_arrays([pa.array(["x"]), pa.array([1]), pa.array([2])], ["text", "id", "id"])
    pq.write_table(twice, tmp_path / "z.parquet")
    assert documents(tmp_path) == {"g": "good"}
    ((place, kind, error),) = quarantined(tmp_path)
    assert (place, kind) == ("z.parquet", "unreadable_file")
    assert "column 'id' stands 2 times (columns 2, 3)" in error
    with pytest.raises(InputError, match="stands 2 times"):
        read(tmp_path / "z.parquet")


# ------------------------------------------------------------------------------------------------ folders
def test_patterns_choose_files(tmp_path: Path) -> None:
    for name in ("a.txt", "b.jsonl", "sub/c.txt", "sub/deep/d.txt", "sub/e.md", ".f.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text('{"text": "t"}', encoding="utf-8")
    assert list(documents(tmp_path / "*.txt")) == ["a.txt#0"]
    assert list(documents(tmp_path / "**/*.txt")) == ["a.txt#0", "sub/c.txt#0", "sub/deep/d.txt#0"]
    assert list(documents(tmp_path / "s*/[a-d].*")) == ["sub/c.txt#0"]
    assert list(documents(tmp_path / "sub" / "**")) == ["c.txt#0", "deep/d.txt#0", "e.md#0"]
    assert list(documents(tmp_path / "*.jsonl", format="text")) == ["b.jsonl#0"]
    with pytest.raises(InputError, match=r"no file fits the pattern .*\*\.csv; files there: \.txt \(3\)"):
        read(tmp_path / "**/*.csv")
    (tmp_path / "[x].txt").write_text("in brackets", encoding="utf-8")
    assert documents(tmp_path / "[x].txt") == {"[x].txt#0": "in brackets"}


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert documents("~/notes") == documents("~/notes/*.txt") == {"a.txt#0": "mine"}
    with pytest.raises(InputError, match="does not exist"):
        read("~/nothing")


def test_an_include_that_nothing_fits_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("t", encoding="utf-8")
    assert warned(tmp_path, include=["*.txt", "*.jsnl"]) == ["files 'x': no file fits of `include`: *.jsnl"]


@pytest.mark.parametrize("path", ["s3://bucket/texts", "https://host/a.txt", "file:///tmp/a.txt", "x-y://z"])
def test_uris_are_refused_without_a_connection(path: str) -> None:
    with pytest.raises(InputError, match="is a URI") as caught:
        Files(path=path, label="x").parts()
    assert "Copy the files" in caught.value.remedy


def test_names_are_stored_without_control(tmp_path: Path) -> None:
    for name in (b"new\nline.txt", b"\x1b[31mred.txt", b"\xff.txt", b"\xc2\x9b31m.txt"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(b"text")
    (tmp_path / "[").mkdir()
    (tmp_path / "[" / "x].txt").write_bytes(b"text")
    assert list(documents(tmp_path)) == [
        "[/x].txt#0", "\\x1b[31mred.txt#0", "\\x9b31m.txt#0", "\\xff.txt#0", "new\\x0aline.txt#0",
    ]  # fmt: skip


def test_what_a_fetch_and_a_saved_dataset_bring_is_no_text(tmp_path: Path) -> None:
    for name in (
        "fetch.json",
        "pg_catalog.csv",
        "sub/dataset_info.json",
        "sub/state.json",
        "dataset_dict.json",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"text": "about"}', encoding="utf-8")
    (tmp_path / "a.txt").write_text("own", encoding="utf-8")
    assert documents(tmp_path) == {"a.txt#0": "own"}
    assert documents(tmp_path / "fetch.json") == {"fetch.json#0": "about"}


def test_a_state_nested_too_deeply_is_reported(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text("{}", encoding="utf-8")
    (tmp_path / "state.json").write_text("[" * 100_000, encoding="utf-8")
    table = pa.table({"text": ["one"]})
    with pa.ipc.new_stream(tmp_path / "data-00000-of-00001.arrow", table.schema) as writer:
        writer.write_table(table)
    assert list(documents(tmp_path).values()) == ["one"]
    assert [(place, kind) for place, kind, _ in quarantined(tmp_path)] == [("state.json", "unreadable_file")]


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines({"text": "a"}))
    (tmp_path / "b.parquet").write_bytes(b"")
    pq.write_table(pa.table({"text": ["b"]}), tmp_path / "b.parquet")
    source = Files(path=str(tmp_path), label="x")
    parts = source.parts()
    for name in ("a.jsonl", "b.parquet"):
        (tmp_path / name).unlink()
        with pytest.raises(InputError, match=f"{name}: cannot be read: No such file"):
            list(source.read(parts[0]))
        (tmp_path / name).write_bytes(b"")  # cut to nothing
        (tmp_path / "a.jsonl").touch()
    (reading,) = source.read(parts[0])
    assert [q.id for q in reading.quarantined] == ["b.parquet#0"]


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("t", encoding="utf-8")
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "b.txt" not in str(path) and allowed(path, mode))
    assert list(documents(tmp_path)) == ["a.txt#0"]
    assert warned(tmp_path) == ["files 'x': not read, file that you may not read: b.txt"]
