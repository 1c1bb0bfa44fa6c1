"""Mirror trees, archives and names of Project Gutenberg: every file is read, or counted as what it is."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from corpuskit.documents import batch as batches
from corpuskit.documents.reading import Reading
from corpuskit.errors import InputError
from corpuskit.sources.gutenberg import archives as gutenberg_files
from corpuskit.sources.gutenberg.header import read_header
from corpuskit.sources.gutenberg.source import Gutenberg
from corpuskit.sources.gutenberg.tree import release

PROSE = "It was a quiet morning in the valley, and nobody had yet opened the shop.\n\n" * 12


def book(number: int | None, words: str = PROSE, released: str = "June 25, 2008") -> str:
    mark = f" [EBook #{number}]" if number else ""
    return (
        f"Title: A Book\n\nRelease Date: {released}{mark}\n\nLanguage: English\n\n"
        "*** START OF THIS PROJECT GUTENBERG EBOOK A BOOK ***\n\n\n" + words + "\n\n"
        "*** END OF THIS PROJECT GUTENBERG EBOOK A BOOK ***\n"
    )


def packed(members: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return held.getvalue()


def lay(root: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return root


def readings(root: Path) -> list[Reading]:
    source = Gutenberg(path=str(root))
    found = [reading for part in source.parts() for reading in source.read(part)]
    for r in found:
        batches.check(r.batch, source.columns, "gutenberg")
        aside = [*r.dropped, *r.quarantined]
        assert r.documents_in == r.batch.num_rows + len(aside)
        out = batches.text_bytes(r.batch) + sum(r.cut.values()) + sum(a.bytes for a in aside)
        assert r.bytes_in + sum(r.added.values()) == out
    return found


def kept(root: Path) -> dict[str, str]:
    """File to id of every document."""
    rows = [row for r in readings(root) for row in r.batch.to_pylist()]
    return {json.loads(row["origin"])["file"]: row["id"] for row in rows}


def best(root: Path) -> dict[str, str]:
    """Id to the file that wins it."""
    rows = [row for r in readings(root) for row in r.batch.to_pylist()]
    rows.sort(key=lambda row: row["preference"])
    return {row["id"]: json.loads(row["origin"])["file"] for row in rows}


def quarantined(root: Path) -> list[tuple[str, str]]:
    return [(q.id, q.kind) for r in readings(root) for q in r.quarantined]


def test_a_mirror_tree_gives_one_best_file_for_each_book(tmp_path: Path) -> None:
    accents = PROSE + "Café.\n"
    place = "1/3/4/1342"
    lay(
        tmp_path,
        {
            f"{place}/1342-0.txt": book(1342, accents),
            f"{place}/1342-0.zip": packed({"1342-0.txt": book(1342, accents)}),
            f"{place}/1342-8.txt": book(1342, accents).encode("latin-1"),
            f"{place}/1342.txt": book(1342),
            f"{place}/1342-h.zip": packed({"1342-h/1342-h.htm": "<p>"}),
            f"{place}/1342-h/1342-h.htm": "<p>",
            f"{place}/old/1342-0.txt": book(1342, accents, released="May 1, 2021"),
            f"{place}/old/pandp10.zip": packed({"pandp10.txt": book(1342)}),
            "cache/epub/1342/pg1342.txt.utf8": book(1342, accents, released="May 1, 2022"),
            "cache/epub/1342/pg1342.rdf": "<rdf/>",
            "0/7/7.zip": packed({"7.txt": book(7), "7-images/cover.png": b"\x89PNG"}),
            "2/2/22/22-8.txt": book(22, accents).encode("latin-1"),
            "2/2/22/22.txt": book(22),
        },
    )
    assert best(tmp_path) == {
        "gutenberg:1342": f"{place}/1342-0.txt",
        "gutenberg:7": "0/7/7.zip/7.txt",
        "gutenberg:22": "2/2/22/22-8.txt",
    }
    assert f"{place}/old/pandp10.zip/pandp10.txt" in kept(tmp_path)
    assert [w for r in readings(tmp_path) for w in r.warnings] == [
        "gutenberg: not read, no known format: .htm (1), .rdf (1)",
        f"gutenberg: not read, archives of other formats by their names: {place}/1342-h.zip",
        f"gutenberg: not read, archives beside the same files unpacked: {place}/1342-0.zip",
    ]


def test_a_complete_text_wins_over_a_better_encoding(tmp_path: Path) -> None:
    cut_off = book(5, PROSE + "é").split("*** END")[0]
    lay(tmp_path, {"5/5-0.txt": cut_off, "5/5.txt": book(5)})
    assert best(tmp_path) == {"gutenberg:5": "5/5.txt"}


def test_of_equal_files_the_newer_wins_and_then_the_longer(tmp_path: Path) -> None:
    dated = {"a/9.txt": book(9, released="May 2, 2021"), "b/9.txt": book(9), "c/9.txt": book(9, PROSE * 9)}
    assert best(lay(tmp_path / "one", dated)) == {"gutenberg:9": "a/9.txt"}
    del dated["a/9.txt"]
    assert best(lay(tmp_path / "two", dated)) == {"gutenberg:9": "c/9.txt"}


def test_places_rank_as_documented() -> None:
    names = ("1342-0.txt", "cache/epub/1342/pg1342.txt", "old/1342.txt", "old/pandp12.txt", "old/pandp10.zip")
    assert sorted(names, key=release, reverse=True) == list(names)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("[EBook #1342]", 1342),
        ("[eBook #77]", 77),
        ("[Etext #11]", 11),
        ("[Etext No. 11]", 11),
        ("[EBook-No. 2229]", 2229),
        ("[eBook-Nr. 2229]", 2229),
        ("[E-text number 8]", 8),
        ("[Etexte n° 4791]", 4791),
        ("[E-boek nr. 11024]", 11024),
        ("[see page #12]", None),
        ("[EBook #0]", None),
    ],
)
def test_numbers_as_headers_of_several_languages_write_them(written: str, number: int | None) -> None:
    assert read_header(f"Release Date: May 1, 2001 {written}").number == number


def test_a_number_is_taken_from_the_licence_last_of_all(tmp_path: Path) -> None:
    text = book(None) + "\n***** This file should be named 4242-0.txt or 4242-0.zip *****\n"
    lay(tmp_path, {"emma.txt": text, "17.txt": text, "book.zip": packed({"anna.txt": book(5)})})
    assert kept(tmp_path) == {
        "17.txt": "gutenberg:17",
        "book.zip/anna.txt": "gutenberg:5",
        "emma.txt": "gutenberg:4242",
    }


def test_a_text_without_a_number_is_set_aside_with_the_remedy(tmp_path: Path) -> None:
    lay(tmp_path, {"2023/notes.txt": PROSE, "chapter-12.txt": PROSE, "3.txt": book(3)})
    assert quarantined(tmp_path) == [
        ("2023/notes.txt", "no_book_number"),
        ("chapter-12.txt", "no_book_number"),
    ]
    (error,) = {q.error.split(": ", 1)[1] for r in readings(tmp_path) for q in r.quarantined}
    assert "Name it NUMBER.txt" in error
    assert "the source `files`" in error


# ------------------------------------------------------------------------------------------ archives


def test_texts_in_archives_are_files_of_their_own(tmp_path: Path) -> None:
    members = {"8.txt": book(8), "8-readme.TXT": "words", "pictures/a.png": b"\x89PNG"}
    lay(tmp_path, {"8.zip": packed(members), "9.zip": packed({"9-h.htm": "<p>"}), "10.zip": packed({})})
    assert kept(tmp_path) == {"8.zip/8.txt": "gutenberg:8", "8.zip/8-readme.TXT": "gutenberg:8"}
    assert best(tmp_path) == {"gutenberg:8": "8.zip/8.txt"}
    dropped = [(d.id, d.reason) for r in readings(tmp_path) for d in r.dropped]
    assert dropped == [("gutenberg:file/10.zip", "no_text"), ("gutenberg:file/9.zip", "no_text")]


def test_names_that_lead_out_of_an_archive_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    members = {n: book(8) for n in ("../up.txt", "/root.txt", "a/../../b.txt", "c:\\d.txt", "good/8.txt")}
    root = lay(tmp_path / "books", {"8.zip": packed(members)})
    assert [kind for _, kind in quarantined(root)] == ["unsafe_name"] * 4
    assert kept(root) == {"8.zip/good/8.txt": "gutenberg:8"}
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["8.zip", "books"]


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = packed({"6.txt": b"a" * 2**24, "7.txt": book(7)})
    lay(tmp_path, {"6.zip": bomb})
    assert quarantined(tmp_path) == [("6.zip/6.txt", "zip_bomb")]
    assert kept(tmp_path) == {"6.zip/7.txt": "gutenberg:7"}
    monkeypatch.setattr(gutenberg_files, "MAX_ROW_BYTES", 5000)
    lay(tmp_path, {"5.zip": packed({"5.txt": book(5, PROSE * 9)}), "6.zip": packed({"7.txt": "7"})})
    assert quarantined(tmp_path) == [("5.zip/5.txt", "too_large")]


def test_a_member_that_lies_about_its_size_is_set_aside(tmp_path: Path) -> None:
    """The directory states 10 bytes; more are never unpacked than `zipfile` and the limits allow."""
    data = bytearray(packed({"6.txt": b"a" * 2**24}))
    at = data.rfind(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<L", 10)
    lay(tmp_path, {"6.zip": bytes(data), "7.txt": book(7)})
    assert quarantined(tmp_path) == [("6.zip/6.txt", "corrupt")]


def test_gzipped_files_of_several_members_and_broken_ones(tmp_path: Path) -> None:
    whole = gzip.compress(book(5).encode())
    half = len(book(6)) // 2
    members = gzip.compress(book(6)[:half].encode()) + gzip.compress(book(6)[half:].encode())
    checksum = bytearray(gzip.compress(book(9).encode()))
    checksum[-5] ^= 1
    files = {"5.txt.gz": whole, "6.txt.gz": members, "7.txt.gz": whole[:-9], "8.txt.gz": whole + b"junk"}
    lay(tmp_path, files | {"9.txt.gz": bytes(checksum)})
    assert kept(tmp_path) == {"5.txt.gz": "gutenberg:5", "6.txt.gz": "gutenberg:6"}
    broken = [("7.txt.gz", "truncated"), ("8.txt.gz", "corrupt"), ("9.txt.gz", "corrupt")]
    assert sorted(quarantined(tmp_path)) == broken


def test_a_method_that_unpacks_without_bound_is_refused(tmp_path: Path) -> None:
    """bzip2 packs zeros to a millionth, and what the directory states bounds the answer, not the memory."""
    data = bytearray(packed({"6.txt": bytes(2**24)}, zipfile.ZIP_BZIP2))
    at = data.rfind(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<L", 10)
    lay(tmp_path, {"6.zip": bytes(data), "7.zip": packed({"7.txt": book(7)}, zipfile.ZIP_LZMA)})
    tracemalloc.start()
    try:
        assert quarantined(tmp_path) == [
            ("6.zip/6.txt", "unsupported_zip"),
            ("7.zip/7.txt", "unsupported_zip"),
        ]
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_archives_with_too_much_in_them_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gutenberg_files, "MAX_TEXTS", 2)
    lay(tmp_path, {"1.zip": packed({f"{n}.txt": book(n) for n in (1, 2, 3)})})
    assert quarantined(tmp_path) == [("1.zip", "too_many_texts")]
    assert sorted(kept(tmp_path).values()) == ["gutenberg:1", "gutenberg:2"]
    monkeypatch.setattr(gutenberg_files, "MAX_DIRECTORY_BYTES", 100)
    assert quarantined(tmp_path) == [("1.zip", "zip_bomb")]


def test_damaged_archives_are_set_aside_and_the_rest_is_read(tmp_path: Path) -> None:
    good = packed({"4.txt": book(4)})
    locked = bytearray(good)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = bytes(locked).find(signature) + offset
        locked[at] |= 1
    old = bytearray(good)
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = bytes(old).find(signature) + offset
        old[at : at + 2] = struct.pack("<H", 6)  # "implode", of 1989
    future = bytearray(good)
    future[bytes(future).find(b"PK\x01\x02") + 6] = 200  # the version of zip that it needs
    flipped = bytearray(packed({"4.txt": book(4)}, zipfile.ZIP_STORED))
    flipped[300] ^= 1
    files = {
        "cut.zip": good[:-40],
        "empty.zip": b"",
        "flipped.zip": bytes(flipped),
        "future.zip": bytes(future),
        "locked.zip": bytes(locked),
        "nozip.zip": b"plain words " * 40,
        "old.zip": bytes(old),
    }
    lay(tmp_path, files | {"4.zip": good, "5.txt.gz": gzip.compress(book(5).encode())})
    assert quarantined(tmp_path) == [
        ("cut.zip", "corrupt"),
        ("empty.zip", "corrupt"),
        ("flipped.zip/4.txt", "corrupt"),
        ("future.zip", "unsupported_zip"),
        ("locked.zip/4.txt", "encrypted"),
        ("nozip.zip", "corrupt"),
        ("old.zip/4.txt", "unsupported_zip"),
    ]
    assert kept(tmp_path) == {"4.zip/4.txt": "gutenberg:4", "5.txt.gz": "gutenberg:5"}


CORPORA = os.environ.get("CORPUSKIT_CORPORA")


@pytest.mark.corpora
@pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA does not name the corpora")
def test_what_each_broken_file_of_the_corpora_gives() -> None:
    """Without a header, cut in it, in Windows-1252, in Shift-JIS with CR alone: all are documents."""
    rows = [row for r in readings(Path(str(CORPORA)) / "gutenberg_partial") for row in r.batch.to_pylist()]
    given = {}
    for row in rows:
        origin = json.loads(row["origin"])
        odd = {
            f
            for f in origin.get("flags", [])
            if f in ("start_marker_remnant", "no_start_marker", "guessed_encoding")
        }
        given[origin["file"]] = (row["id"], origin["encoding"], origin["number_from"], odd)
    assert given == {
        "24264-0.txt.gz": ("gutenberg:24264", "utf-8", "path", {"no_start_marker"}),
        "alexcuke__pg1342-cp1252.txt.gz": ("gutenberg:1342", "cp1252", "header", set()),
        "chardet__SHIFT_JIS__ude_1.txt.gz": ("gutenberg:1982", "shift_jis", "header", {"guessed_encoding"}),
        "kw__1342.txt.gz": ("gutenberg:1342", "utf-8", "path", {"start_marker_remnant"}),
        "kw__28500.txt.gz": ("gutenberg:28500", "ascii", "path", {"start_marker_remnant"}),
        "kw__84.txt.gz": ("gutenberg:84", "utf-8", "path", {"start_marker_remnant"}),
    }


def test_books_behind_a_uri_are_told_to_be_copied(tmp_path: Path) -> None:
    (tmp_path / "84-0.txt").write_text("The Project Gutenberg EBook of X\n")
    with pytest.raises(InputError, match="only dumps of wikis are read from where they lie") as caught:
        Gutenberg(path=tmp_path.as_uri()).parts()
    assert "Copy the files" in str(caught.value.remedy)
