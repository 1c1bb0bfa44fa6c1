"""Files: every row becomes a document or is accounted for, whatever the file looks like."""

from __future__ import annotations

import bz2
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpuskit.documents import batch as batches
from corpuskit.documents.reading import Reading
from corpuskit.errors import InputError
from corpuskit.sources.files import files as files_module
from corpuskit.sources.files.files import Files
from corpuskit.storage import streams


def read_all(source: Files) -> list[Reading]:
    """All readings of all parts; each account and each batch is checked on the way."""
    readings = [reading for part in source.parts() for reading in source.read(part)]
    for reading in readings:
        batches.check(reading.batch, source.columns, "files")
        rows = reading.batch.num_rows
        assert reading.documents_in == rows + len(reading.dropped) + len(reading.quarantined)
        out = sum(d.bytes for d in reading.dropped) + sum(q.bytes for q in reading.quarantined)
        added = sum(reading.added.values())
        cut = sum(reading.cut.values())
        assert reading.bytes_in + added == batches.text_bytes(reading.batch) + cut + out
    return readings


def documents(source: Files) -> dict[str, str]:
    """Id to text."""
    return {row["id"]: row["text"] for reading in read_all(source) for row in reading.batch.to_pylist()}


def quarantined(source: Files) -> list[tuple[str, str]]:
    return [(q.id, q.kind) for reading in read_all(source) for q in reading.quarantined]


def dropped(source: Files) -> list[tuple[str, str]]:
    return [(d.id, d.reason) for reading in read_all(source) for d in reading.dropped]


def warned(source: Files) -> list[str]:
    return [sentence for reading in read_all(source) for sentence in reading.warnings]


def lines(*values: object) -> bytes:
    return b"".join(json.dumps(v, ensure_ascii=False).encode() + b"\n" for v in values)


def test_text_files_are_documents_named_by_their_relative_path(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.md").write_bytes("\ufeffzwei\r\nZeilen".encode())
    (tmp_path / "a.txt").write_text("one", encoding="utf-8")
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"three"))
    source = Files(path=str(tmp_path), label="notes", language="de", licence="CC0-1.0")
    (reading,) = read_all(source)
    assert reading.batch.to_pylist() == [
        {
            "id": f"files:notes:{name}#0",
            "source": "notes",
            "text": text,
            "title": title,
            "url": "",
            "language": "de",
            "licence": "CC0-1.0",
            "origin": f'{{"file":"{name}","row":0}}',
            "preference": 0,
        }
        for name, text, title in [
            ("a.txt", "one", "a"),
            ("b/two.md", "zwei\r\nZeilen", "two"),
            ("c.txt.gz", "three", "c"),
        ]
    ]


def test_jsonl_reads_on_after_every_kind_of_bad_row(tmp_path: Path) -> None:
    data = b"".join(
        [
            b"\xef\xbb\xbf" + lines({"text": "first"}),
            b'{"text": "broken\n',
            b"\r\n",
            b'{"text": "bad \xff byte"}\n',
            lines(
                {"txt": "no text"}, {"text": 7}, {"text": None}, [1, 2], {"text": ""}, {"text": " \u3000\n"}
            ),
            b'{"text": "half \\ud800 pair"}\n',
            b'{"text": "x", "id": {"a": 1}}\n',
            b'{"text": "x", "id": true}\n',
            b"[" * 100_000 + b"\n",
            b'{"text": "x", "n": ' + b"9" * 5000 + b"}\n",
            b'{"text": "last", "id": 12, "title": "T", "url": "http://x/", "other": [1]}',
        ]
    )
    (tmp_path / "a.jsonl").write_bytes(data)
    source = Files(path=str(tmp_path), label="x")
    assert documents(source) == {
        "files:x:a.jsonl#0": "first",
        "files:x:a.jsonl#11": "x",
        "files:x:true": "x",
        "files:x:a.jsonl#14": "x",
        "files:x:12": "last",
    }
    assert quarantined(source) == [
        ("a.jsonl#1", "bad_json"),
        ("a.jsonl#3", "invalid_utf8"),
        ("a.jsonl#4", "no_text"),
        ("a.jsonl#5", "no_text"),
        ("a.jsonl#6", "no_text"),
        ("a.jsonl#7", "bad_json"),
        ("a.jsonl#10", "invalid_utf8"),
        ("a.jsonl#13", "bad_json"),
    ]
    assert dropped(source) == [("files:x:a.jsonl#8", "empty"), ("files:x:a.jsonl#9", "empty")]
    (row,) = [r for reading in read_all(source) for r in reading.batch.to_pylist() if r["id"] == "files:x:12"]
    assert (row["title"], row["url"], row["origin"]) == ("T", "http://x/", '{"file":"a.jsonl","row":15}')


def test_errors_name_place_value_and_remedy(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines({"text": 7}) + b"\xff\xfe\n")
    errors = [q.error for r in read_all(Files(path=str(tmp_path), label="x")) for q in r.quarantined]
    assert errors == [
        "a.jsonl#0: field 'text' holds int, not a string. Set text_field, or mend the row.",
        "a.jsonl#1 (line 2): not UTF-8: byte 0xff at offset 0. Convert it: iconv -f UTF-16 -t UTF-8",
    ]


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


@pytest.mark.parametrize("suffix", ["gz", "bz2", "zst"])
def test_compressed_jsonl_of_two_members(tmp_path: Path, suffix: str) -> None:
    packs: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "zst": zstd}
    data = b"".join(packs[suffix](lines({"text": text})) for text in ("one", "two"))
    (tmp_path / f"a.jsonl.{suffix}").write_bytes(data)
    assert list(documents(Files(path=str(tmp_path), label="x")).values()) == ["one", "two"]


def test_truncated_gzip_gives_what_can_be_read_and_quarantines_the_rest(tmp_path: Path) -> None:
    rows = [{"text": f"document {i} " + "word " * (i % 7)} for i in range(20_000)]
    packed = gzip.compress(lines(*rows), mtime=0)
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    source = Files(path=str(tmp_path), label="x")
    found = documents(source)
    assert 8_000 < len(found) < 12_000
    assert list(found.values()) == [row["text"] for row in rows[: len(found)]]
    assert quarantined(source) == [(f"a.jsonl.gz#{len(found)}", "truncated")]


def test_corrupt_and_truncated_text_files_are_quarantined_alone(tmp_path: Path) -> None:
    packed = gzip.compress(b"some text " * 100, mtime=0)
    (tmp_path / "a.txt.gz").write_bytes(packed[:-12])
    (tmp_path / "b.txt.gz").write_bytes(packed[:12] + bytes([packed[12] ^ 0xFF]) + packed[13:])
    (tmp_path / "c.txt.gz").write_bytes(b"not gzip at all")
    (tmp_path / "d.txt").write_bytes("café".encode("latin-1"))
    (tmp_path / "e.txt").write_text("good", encoding="utf-8")
    (tmp_path / "f.txt").write_text("", encoding="utf-8")
    source = Files(path=str(tmp_path), label="x")
    assert documents(source) == {"files:x:e.txt#0": "good"}
    assert quarantined(source) == [
        ("a.txt.gz#0", "truncated"),
        ("b.txt.gz#0", "corrupt"),
        ("c.txt.gz#0", "corrupt"),
        ("d.txt#0", "invalid_utf8"),
    ]
    assert dropped(source) == [("files:x:f.txt#0", "empty")]


def test_overlong_lines_and_files_are_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_ROW_BYTES", 1000)
    monkeypatch.setattr(streams, "CHUNK_BYTES", 64)
    long = {"text": "x" * 5000}
    (tmp_path / "a.jsonl").write_bytes(lines({"text": "one"}, long, {"text": "two"}, long))
    (tmp_path / "b.txt").write_text("y" * 1001, encoding="utf-8")
    source = Files(path=str(tmp_path), label="x")
    assert list(documents(source).values()) == ["one", "two"]
    assert quarantined(source) == [
        ("a.jsonl#1", "too_large"),
        ("a.jsonl#3", "too_large"),
        ("b.txt#0", "too_large"),
    ]
    assert [q.bytes for r in read_all(source) for q in r.quarantined] == [5012, 5012, 1001]


def test_parquet_columns_types_and_rows_that_are_not_text(tmp_path: Path) -> None:
    raw = [b"one", None, b"bad \xff", "größer".encode(), b""]
    texts = pa.Array.from_buffers(pa.string(), 5, pa.array(raw, pa.binary()).buffers())
    table = pa.table({"body": texts, "id": [10, 11, 12, None, 14], "title": ["A", "B", "C", None, "E"]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    pq.write_table(pa.table({"body": pa.array(["dictionary"]).dictionary_encode()}), tmp_path / "b.parquet")
    source = Files(path=str(tmp_path), label="x", text_field="body")
    assert documents(source) == {
        "files:x:10": "one",
        "files:x:a.parquet#3": "größer",
        "files:x:b.parquet#0": "dictionary",
    }
    assert quarantined(source) == [("a.parquet#1", "no_text"), ("a.parquet#2", "invalid_utf8")]
    assert dropped(source) == [("files:x:14", "empty")]


def test_damaged_parquet_and_arrow_files_are_quarantined(tmp_path: Path) -> None:
    table = pa.table({"text": [f"text number {i}" * 30 for i in range(3000)]})
    pq.write_table(
        table, tmp_path / "a.parquet", compression="none", row_group_size=1000, use_dictionary=False
    )
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    middle = len(data) // 2
    data[middle - 2**17 : middle + 2**17] = b"\xff" * 2**18
    (tmp_path / "a.parquet").write_bytes(data)
    (tmp_path / "b.parquet").write_bytes(data[:5000])
    with pa.ipc.new_stream(tmp_path / "c.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=500)
    data = bytearray((tmp_path / "c.arrow").read_bytes())
    (tmp_path / "c.arrow").write_bytes(data[: len(data) * 2 // 3])
    (tmp_path / "d.arrow").write_bytes(b"no stream")
    pq.write_table(table.slice(0, 1), tmp_path / "e.parquet")
    source = Files(path=str(tmp_path), label="x")
    marks = quarantined(source)
    assert [kind for _, kind in marks] == ["corrupt"] * 4
    assert [place for place, _ in marks][1:] == ["b.parquet#0", "c.arrow#2000", "d.arrow#0"]
    found = documents(source)
    assert {"files:x:e.parquet#0", "files:x:c.arrow#1999", "files:x:a.parquet#900"} <= set(found)
    assert "files:x:a.parquet#2500" not in found


def test_datasets_folder(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = {"text": [f"row {i}" for i in range(50)], "id": [f"k{i}" for i in range(50)]}
    split = datasets.Dataset.from_dict(rows).select(range(49, 9, -1))
    datasets.DatasetDict({"train": split, "test": split.select([0])}).save_to_disk(
        str(tmp_path / "saved"), num_shards={"train": 3, "test": 1}
    )
    source = Files(path=str(tmp_path), label="x", id_field="", format="datasets")
    found = documents(source)
    assert found["files:x:saved/test/data-00000-of-00001.arrow#0"] == "row 49"
    assert [text for name, text in found.items() if "/train/" in name] == [
        f"row {i}" for i in range(49, 9, -1)
    ]
    assert documents(Files(path=str(tmp_path / "saved" / "test"), label="x")) == {"files:x:k49": "row 49"}
    assert warned(source) == []


def test_a_dataset_with_a_bad_state_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    for name in ("gone", "state", "whole"):
        rows = datasets.Dataset.from_dict({"text": [f"{name} {i}" for i in range(4)]})
        rows.save_to_disk(str(tmp_path / name), num_shards=2)
    (tmp_path / "gone" / "data-00000-of-00002.arrow").unlink()
    (tmp_path / "state" / "state.json").write_text("{", encoding="utf-8")
    (tmp_path / "whole" / "cache-12.arrow").write_bytes(b"what an earlier program left")
    source = Files(path=str(tmp_path), label="x")
    texts = list(documents(source).values())
    assert texts == ["gone 2", "gone 3", *(f"{n} {i}" for n in ("state", "whole") for i in range(4))]
    assert quarantined(source) == [
        ("gone/state.json", "unreadable_file"),
        ("state/state.json", "unreadable_file"),
    ]
    errors = {q.id: q for r in read_all(source) for q in r.quarantined}
    assert "names gone/data-00000-of-00002.arrow, not there" in errors["gone/state.json"].error
    assert "save the dataset again" in errors["state/state.json"].error
    assert errors["state/state.json"].bytes == 1
    assert "files 'x': not read, not named by state.json: whole/cache-12.arrow" in warned(source)
    (tmp_path / "gone" / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(InputError, match=r"nothing to read.*not there"):
        Files(path=str(tmp_path / "gone"), label="x").parts()


def test_parts_are_groups_of_whole_files_in_path_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_module, "PART_BYTES", 100)
    for name, size in [("z.txt", 60), ("a.txt", 50), ("b/a.txt", 50), ("b.txt", 500), ("c.txt", 10)]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x" * size, encoding="utf-8")
    parts = Files(path=str(tmp_path), label="x").parts()
    names = [[Path(f).relative_to(tmp_path).as_posix() for f in part.files] for part in parts]
    assert names == [["a.txt"], ["b.txt"], ["b/a.txt", "c.txt"], ["z.txt"]]
    assert [(part.name, part.bytes) for part in parts] == [
        ("00000", 50),
        ("00001", 500),
        ("00002", 60),
        ("00003", 60),
    ]


def test_ids_do_not_depend_on_where_the_folder_lies(tmp_path: Path) -> None:
    for root in ("one", "two"):
        (tmp_path / root / "sub").mkdir(parents=True)
        (tmp_path / root / "sub" / "a.jsonl").write_bytes(lines({"text": "t"}))
    one, two = (Files(path=str(tmp_path / root), label="x") for root in ("one", "two"))
    assert documents(one) == documents(two) == {"files:x:sub/a.jsonl#0": "t"}
    assert one.fingerprint(deciding=False) == two.fingerprint(deciding=False)
    single = Files(path=str(tmp_path / "one" / "sub" / "a.jsonl"), label="x")
    assert documents(single) == {"files:x:a.jsonl#0": "t"}


def test_include_and_format_choose_files(tmp_path: Path) -> None:
    for name in ("a.txt", "b.rst", "sub/c.rst", "d.jsonl", ".hidden.txt", "Makefile"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"text": "t"}', encoding="utf-8")
    where = str(tmp_path)
    assert list(documents(Files(path=where, label="x"))) == ["files:x:a.txt#0", "files:x:d.jsonl#0"]
    assert warned(Files(path=where, label="x")) == [
        "files 'x': not read, no known format: .rst (2), Makefile (1)",
        "files 'x': not read, hidden: .hidden.txt",
    ]
    rst = Files(path=where, label="x", format="text", include=("*.rst",))
    assert list(documents(rst)) == ["files:x:b.rst#0", "files:x:sub/c.rst#0"]
    assert warned(rst) == []
    below = Files(path=where, label="x", format="text", include=("sub/*",))
    assert list(documents(below)) == ["files:x:sub/c.rst#0"]
    single = Files(path=str(tmp_path / "b.rst"), label="x", format="jsonl")
    assert documents(single) == {"files:x:b.rst#0": "t"}


@pytest.mark.parametrize(
    ("make", "settings_", "message"),
    [
        (None, {}, "does not exist"),
        ([], {}, "0 files"),
        (["a.pdf", "b.pdf"], {}, r"only \.pdf \(2\)"),
        (["a.txt"], {"include": ("*.md",)}, "1 file, none of them included"),
        (["a.txt"], {"format": "parquet"}, r"only \.txt \(1\)"),
    ],
)
def test_nothing_to_read_is_an_error(
    tmp_path: Path, make: list[str] | None, settings_: dict[str, object], message: str
) -> None:
    root = tmp_path / "root"
    if make is not None:
        root.mkdir()
    for name in make or []:
        (root / name).write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        Files.model_validate({"path": str(root), "label": "x", **settings_}).parts()
    assert caught.value.remedy


def test_a_missing_or_wrong_text_column_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"texts": ["a"], "n": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"no column 'text'.*\n.*Did you mean 'texts'"):
        read_all(Files(path=str(tmp_path), label="x"))
    with pytest.raises(InputError, match="column 'n' holds int64"):
        read_all(Files(path=str(tmp_path), label="x", text_field="n"))


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_table_without_the_column_among_others_is_set_aside(tmp_path: Path, suffix: str) -> None:
    def table(name: str, values: dict[str, list[str]]) -> None:
        made = pa.table(values)
        if suffix == "parquet":
            pq.write_table(made, tmp_path / f"{name}.{suffix}")
        else:
            with pa.ipc.new_stream(tmp_path / f"{name}.{suffix}", made.schema) as writer:
                writer.write_table(made)

    table("a", {"id": ["1"]})
    with pytest.raises(InputError, match="no column 'text'"):
        Files(path=str(tmp_path), label="x").parts()
    table("b", {"text": ["good"]})
    source = Files(path=str(tmp_path), label="x")
    assert documents(source) == {f"files:x:b.{suffix}#0": "good"}
    (bad,) = [q for r in read_all(source) for q in r.quarantined]
    assert (bad.id, bad.kind) == (f"a.{suffix}", "unreadable_file")
    assert bad.bytes == (tmp_path / f"a.{suffix}").stat().st_size
    assert bad.error == f"a.{suffix}: no column 'text'. Set text_field. There are: id."
    assert warned(source) == [f"files 'x': not read: {bad.error}"]
    with pytest.raises(InputError, match="no column 'text'"):
        Files(path=str(tmp_path / f"a.{suffix}"), label="x").parts()


def test_links_pipes_and_dangling_links(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "a.txt").write_text("own", encoding="utf-8")
    (tmp_path / "out" / "b.txt").write_text("linked", encoding="utf-8")
    (tmp_path / "in" / "sub").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "gone.txt").symlink_to("/nowhere/at/all")
    os.mkfifo(tmp_path / "in" / "pipe.txt")
    source = Files(path=str(tmp_path / "in"), label="x")
    assert documents(source) == {"files:x:a.txt#0": "own", "files:x:sub/b.txt#0": "linked"}
    assert warned(source) == [
        "files 'x': not read, dangling link: gone.txt",
        "files 'x': not read, named pipe: pipe.txt",
    ]


def test_readings_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(*({"text": "x" * 1000} for _ in range(10_000))))
    readings = read_all(Files(path=str(tmp_path), label="x"))
    assert len(readings) == 3
    assert max(batches.text_bytes(r.batch) for r in readings) <= batches.BATCH_BYTES + 1000
    (tmp_path / "a.jsonl").write_bytes(lines(*({"text": "\u3000" * 1000} for _ in range(10_000))))
    readings = read_all(Files(path=str(tmp_path), label="x"))
    assert max(sum(d.bytes for d in r.dropped) for r in readings) <= batches.BATCH_BYTES + 3000
    (tmp_path / "a.jsonl").write_bytes(b"{}\n" * 100_000)
    assert len(read_all(Files(path=str(tmp_path), label="x"))) == 2


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.binary(max_size=40) | st.text(max_size=20).map(lambda t: json.dumps({"text": t}).encode()))
)
def test_any_bytes_are_accounted_for(tmp_path: Path, rows: list[bytes]) -> None:
    """Documents, drops and errors are as many as lines that are not blank, whatever the bytes."""
    # The first line tells what the file is: UTF-16 and lists of objects have other rows than lines.
    data = b"\n".join([b'{"text": "first"}', *rows])
    (tmp_path / "a.jsonl").write_bytes(data)
    readings = read_all(Files(path=str(tmp_path), label="x"))
    expected = sum(1 for line in data.split(b"\n") if line.strip())
    assert sum(r.documents_in for r in readings) == expected


def test_the_language_of_a_row(tmp_path: Path) -> None:
    """It stands in the field ``language`` where nothing else is said, and holds before that of all files."""
    rows = [{"id": "a", "text": "Ein Satz.", "language": "de"}, {"id": "b", "text": "A line."}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "c.txt").write_text("A text.")

    def languages(**settings: str) -> dict[str, str]:
        found = read_all(Files.model_validate({"path": str(tmp_path), "label": "x"} | settings))
        rows = [row for reading in found for row in reading.batch.to_pylist()]
        return {row["text"]: row["language"] for row in rows}

    assert languages() == {"A text.": "", "Ein Satz.": "de", "A line.": ""}
    assert languages(language="en") == {"A text.": "en", "Ein Satz.": "de", "A line.": "en"}
    assert languages(language_field="") == dict.fromkeys(["A text.", "Ein Satz.", "A line."], "")
