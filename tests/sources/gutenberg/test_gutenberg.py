"""Gutenberg: the book is kept whole, what is around it is cut and recorded, and nothing else is touched."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpuskit.documents import batch as batches
from corpuskit.documents.reading import Reading
from corpuskit.errors import InputError
from corpuskit.sources.gutenberg import body as gutenberg_body
from corpuskit.sources.gutenberg.bounds import MAX_CUT, find_bounds
from corpuskit.sources.gutenberg.header import read_header
from corpuskit.sources.gutenberg.source import Gutenberg

CASES = Path(__file__).parents[2] / "cases"
CORPORA = os.environ.get("CORPUSKIT_CORPORA")
needs_corpora = pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA does not name the corpora")

HEAD = """The Project Gutenberg EBook of A Small Book, by Ann Author

Title: A Small Book
       In Two Lines

Author: Ann Author

Release Date: June 25, 2008 [EBook #4242]
Last Updated: July 3, 2011

Language: {language}

Character set encoding: {encoding}

*** START OF THIS PROJECT GUTENBERG EBOOK A SMALL BOOK ***



"""
CREDITS = "Produced by Some Body and the\nProofreading Team\n\n\n"
BODY = """A SMALL BOOK

It begins. End of Project Gutenberg is only spoken of here.

*** START OF a scene, and so on.

It ends: café."""
TAIL = """


End of the Project Gutenberg EBook of A Small Book, by Ann Author

*** END OF THIS PROJECT GUTENBERG EBOOK A SMALL BOOK ***

***** This file should be named 4242-0.txt *****

*** START: FULL LICENSE ***

THE FULL PROJECT GUTENBERG LICENSE
"""


def book(language: str = "English", encoding: str = "UTF-8", body: str = BODY) -> str:
    return HEAD.format(language=language, encoding=encoding) + CREDITS + body + TAIL


def read_all(source: Gutenberg) -> list[Reading]:
    """All readings; each ledger is checked on the way."""
    readings = [reading for part in source.parts() for reading in source.read(part)]
    for reading in readings:
        batches.check(reading.batch, source.columns, "gutenberg")
        sizes = [d.bytes for d in reading.dropped] + [q.bytes for q in reading.quarantined]
        assert reading.documents_in == reading.batch.num_rows + len(sizes)
        out = sum(sizes)
        assert reading.bytes_in == batches.text_bytes(reading.batch) + sum(reading.cut.values()) + out
        for reason in {span.reason for span in reading.spans}:
            recorded = sum(s.end - s.start for s in reading.spans if s.reason == reason)
            assert reading.cut[reason] == recorded
    return readings


def rows(source: Gutenberg) -> list[dict[str, Any]]:
    """Documents with their origin parsed."""
    found = [row for reading in read_all(source) for row in reading.batch.to_pylist()]
    return [row | {"origin": json.loads(row["origin"])} for row in found]


def only(tmp_path: Path, text: str | bytes, name: str = "4242-0.txt", **settings: Any) -> dict[str, Any]:
    """The one document of a folder with one file."""
    target = tmp_path / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    (row,) = rows(Gutenberg(path=str(tmp_path), **settings))
    return row


def test_a_book_with_both_markers(tmp_path: Path) -> None:
    row = only(tmp_path, book())
    assert row == {
        "id": "gutenberg:4242",
        "source": "gutenberg",
        "text": BODY,
        "title": "A Small Book In Two Lines",
        "url": "https://www.gutenberg.org/ebooks/4242",
        "language": "en",
        "licence": "Public domain in the USA",
        "origin": {
            "author": "Ann Author",
            "declared_encoding": "UTF-8",
            "encoding": "utf-8",
            "file": "4242-0.txt",
            "number_from": "header",
            "released": 20110703,
        },
        "preference": 229992011070300000,
        "authors": ["Ann Author"],
        "languages": ["en"],
        "subjects": None,
        "bookshelves": None,
        "rights": None,
    }


def test_what_was_cut_is_recorded_and_joins_to_the_raw_text(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"\xef\xbb\xbf" + book().encode())
    (reading,) = read_all(Gutenberg(path=str(tmp_path)))
    header, thanks, licence = reading.spans
    assert [span.reason for span in reading.spans] == ["header", "credits", "licence"]
    assert header.text + thanks.text + reading.batch.column("text")[0].as_py() + licence.text == book()
    assert thanks.text == CREDITS
    raw = book().encode()
    assert all(raw[s.start : s.end].decode() == s.text for s in reading.spans)


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_other_line_ends_give_the_same_bounds(tmp_path: Path, newline: str) -> None:
    row = only(tmp_path, book().replace("\n", newline))
    assert row["text"] == BODY
    assert row["title"] == "A Small Book In Two Lines"
    assert row["origin"].get("flags") is None


SMALL_PRINT = """**The Project Gutenberg Etext of A Small Book, by Ann Author**

March, 1994  [Etext #4242]
[Date last updated: May 3, 2005]

***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***
Why is this here?
*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*
"""


def test_an_old_book_between_small_print_and_closing_line(tmp_path: Path) -> None:
    extra = "[Portions of this header are copyright (C) 2001]\n\nThis etext was prepared by\nSome Body\n\n\n"
    closing = "\n\n\nEnd of this Project Gutenberg Etext of Ann's\nSmall Book.\n\n"
    row = only(tmp_path, SMALL_PRINT + extra + BODY + closing, name="old/small10.txt")
    assert row["text"] == BODY
    assert (row["id"], row["title"]) == ("gutenberg:4242", "A Small Book")
    assert row["origin"] == {
        "author": "Ann Author",
        "encoding": "utf-8",
        "file": "old/small10.txt",
        "number_from": "header",
        "released": 20050503,
    }


@pytest.mark.parametrize(
    "closing",
    [
        "End of the Project Gutenberg EBook of X",
        "End of Project Gutenberg's X",
        "End of Project Gutenberg’s X",
        "End of The Project Gutenberg Etext of X",
        "The End of the Project Gutenberg text of X",
        "This is the end of the Project Gutenberg Edition of X",
        "***End of this Etext of X",
        "Ende dieses Projekt Gutenberg Etextes X",
        "Ende dieses Projekt Gutenberg Etextes X\n\nEnd of Project Gutenberg Etext X",
        "Fin du Projet Gutenberg Etext X",
        "*** START: FULL LICENSE ***\nlong text",
        "End of the Project Gutenberg EBook of X\n\n" + "***START**THE SMALL PRINT!**\n" + "words\n" * 900,
    ],
)
def test_closing_lines(closing: str) -> None:
    text = SMALL_PRINT + "\n" + BODY + "\n\n\n" + closing + "\n"
    bounds = find_bounds(text)
    assert text[bounds.body : bounds.licence] == BODY
    assert bounds.flags == ()


@pytest.mark.parametrize(
    "credits",
    [
        "Produced by A. B.",
        "E-text prepared by A. B. and C. D.\nof the Team",
        "This eBook was produced by A. B.",
        "This etext of X was prepared by A. B.",
        "Transcribed from the 1889 edition by A. B., email a@b.org",
        "Special thanks are due to A. B. for\nproofreading this etext.",
        "[Chapters 1-6:  mostly scanned by A. B.,\na@b.edu]\n\nMore\nProofread by C. D. (c@d.edu)",
        "Produced by A. B.\n\n\nNote: Project Gutenberg also has an HTML version.\n  See 1h.htm or 1-h.zip:\n"
        "  (http://x.org/1-h.htm)\n  or\n  (http://x.org/1-h.zip)\n\n\n"
        "  Images of the original pages are available through\n  X. See http://x.org",
    ],
)
def test_credits(credits: str) -> None:
    text = HEAD + credits + "\n\n\n" + BODY + TAIL
    bounds = find_bounds(text)
    assert text[bounds.header : bounds.body].strip() == credits
    assert text[bounds.body : bounds.licence] == BODY


def test_a_book_that_only_sounds_like_credits_is_kept() -> None:
    body = "Produced on a stage, by chance, this play...\n\nThis book was a gift.\n\nScanned, he fell."
    text = HEAD + body + TAIL
    bounds = find_bounds(text)
    assert text[bounds.body : bounds.licence] == body


def test_a_wrapped_marker_belongs_to_the_header() -> None:
    text = "x\n***START OF THE PROJECT GUTENBERG EBOOK A LONG\nTITLE***\n\n" + BODY + TAIL
    bounds = find_bounds(text)
    assert text[bounds.body : bounds.licence] == BODY


def test_the_small_print_below_a_start_marker_belongs_to_the_header() -> None:
    head = HEAD.rstrip() + "\n\n***START**THE SMALL PRINT!**\nlegal\n*END THE SMALL PRINT!*\n\n"
    text = head + BODY + TAIL
    bounds = find_bounds(text)
    assert text[bounds.body : bounds.licence] == BODY


LONG = "\n\n".join(f"Paragraph {i} of a long book, with some words in it." for i in range(4000))


@pytest.mark.parametrize(
    ("text", "flags", "body"),
    [
        (BODY, ("no_start_marker", "no_end_marker"), BODY),
        (HEAD + LONG, ("no_end_marker",), LONG),
        (LONG + TAIL, ("no_start_marker",), LONG),
        # One marker alone must leave at least half: complete works have been cut to their last pages.
        (HEAD + BODY, ("no_end_marker", "cut_too_much"), HEAD + BODY),
        (BODY + TAIL, ("no_start_marker", "cut_too_much"), BODY + TAIL),
        ("SMALL BOOK ***\n\n\n" + BODY, ("start_marker_remnant", "no_end_marker"), BODY),
        # A marker in the middle of a long book must not take half of it away.
        (LONG + "\n" + HEAD + LONG, ("start_marker_too_late", "no_end_marker"), None),
        (HEAD + LONG + TAIL + LONG, ("end_marker_too_early",), None),
        (HEAD + BODY + TAIL + HEAD + BODY, ("start_after_end",), None),
        (HEAD + LONG + "\n\nEnd of the Project Gutenberg EBook\n\n" + LONG, ("no_end_marker",), None),
        (HEAD + LONG + "\n\nEnd of the Project Gutenberg EBook\n\n" + LONG[:2000], ("no_end_marker",), None),
    ],
)
def test_without_a_believable_marker_the_side_is_left_whole(
    text: str, flags: tuple[str, ...], body: str | None
) -> None:
    bounds = find_bounds(text)
    assert bounds.flags == flags
    if body is not None:
        assert text[bounds.body : bounds.licence] == body
    assert bounds.body <= len(HEAD)
    if any("end" in flag for flag in flags):
        assert bounds.licence == len(text)


def test_flags_reach_the_origin(tmp_path: Path) -> None:
    row = only(tmp_path, book(body=BODY * 40).removesuffix(TAIL))
    assert row["origin"]["flags"] == ["no_end_marker"]


def test_max_cut_is_a_setting(tmp_path: Path) -> None:
    text = book() + "words\n" * 400
    assert only(tmp_path, text)["text"] == BODY
    row = only(tmp_path, text, max_cut=1000)
    assert row["origin"]["flags"] == ["end_marker_too_early"]
    assert row["text"].startswith(BODY)
    assert "THE FULL PROJECT GUTENBERG LICENSE" in row["text"]


@given(st.text(alphabet="aE*\r\n GUTENBERG", max_size=400), st.integers(1000, 2000))
def test_bounds_are_ordered_and_cut_at_most_max_cut(noise: str, max_cut: int) -> None:
    for text in (noise, HEAD + noise, noise + TAIL, HEAD + noise + TAIL, HEAD + noise * 9 + TAIL):
        bounds = find_bounds(text, max_cut)
        assert 0 <= bounds.header <= bounds.body <= bounds.licence <= len(text)
        assert bounds.body <= max_cut
        # Blank lines above a licence go with it, however many.
        assert len(text[bounds.licence :].lstrip()) <= max_cut


def test_a_line_of_a_million_characters_is_linear_work() -> None:
    for text in ("*** START " * 10**5, "*" * 10**6, "\n" * 10**6, "x *** END OF " * 10**5, " " * 10**6):
        bounds = find_bounds(text)
        assert bounds.licence >= bounds.body


# ------------------------------------------------------------------------------- number, header, editions


@pytest.mark.parametrize(
    ("name", "id", "number_from"),
    [
        ("1342-0.txt", "gutenberg:1342", "path"),
        ("pg1342.txt", "gutenberg:1342", "path"),
        ("kw__1342.txt", "gutenberg:1342", "path"),
        ("01342_Pride/dh__pride.txt", "gutenberg:1342", "path"),
        ("1/3/4/1342/old/pandp10.txt", "gutenberg:1342", "path"),
        ("0/7/mayfl.txt", "gutenberg:7", "path"),
        ("cache/epub/1342/text.txt", "gutenberg:1342", "path"),
        ("1/3/4/1342/1342-readme.txt", "gutenberg:1342", "path"),
        ("cache/epub/1342/pg1342.txt.utf8", "gutenberg:1342", "path"),
    ],
)
def test_numbers_from_paths(tmp_path: Path, name: str, id: str, number_from: str) -> None:
    row = only(tmp_path, BODY, name=name)
    assert (row["id"], row["origin"]["number_from"]) == (id, number_from)
    assert row["url"] == "https://www.gutenberg.org/ebooks/" + id.removeprefix("gutenberg:")


def test_the_header_decides_over_the_path(tmp_path: Path) -> None:
    row = only(tmp_path, book(), name="17-0.txt")
    assert (row["id"], row["origin"]["flags"]) == ("gutenberg:4242", ["number_differs_from_path"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Release date: June 1, 1998 [eBook #1342]\r\n      Most recently updated: May 2, 2025",
            (1342, 20250502),
        ),
        ("March, 1994  [Etext #11]\n[Originally released in January, 1991]", (11, 19940300)),
        ("Posting Date: 3 Feb 2010 [EBook #9]", (9, 20100203)),
        ("Official release date October 31, 1993\n\nFrankenstein [frank10x.xxx] 84", (None, 19931031)),
        ("[EBook #84a]", (84, 0)),
        ("no header", (None, 0)),
    ],
)
def test_numbers_and_dates_in_headers(text: str, expected: tuple[int | None, int]) -> None:
    header = read_header(text)
    assert (header.number, header.released) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Language: English", "en"),
        ("Language: French, with English", "fr"),
        ("Language: Chinese", "zh"),
        ("Sprache: Deutsch", "de"),
        ("Language: Klingon", ""),
        ("The Project Gutenberg Etext of Don Quijote, in Spanish", "es"),
        ("This Etext is in Portuguese", "pt"),
        ("The Project Gutenberg Etext of A Life in Letters", ""),
    ],
)
def test_languages_in_headers(text: str, code: str) -> None:
    assert read_header(text).language == code


def test_editions_rank_by_the_documented_rules(tmp_path: Path) -> None:
    ascii_book = book(encoding="ASCII", body="plain")
    older = ascii_book.replace("2011", "2009")
    best_first = {
        "4242-0.txt": book().encode(),
        "4242-8.txt": book(encoding="ISO-8859-1").encode("latin-1"),
        "4242.txt": ascii_book.encode(),
        "pg4242.txt": older.encode(),
        "old/4242.txt": ascii_book.encode(),
        "old/small11.txt": older.encode(),
        "old/small10.txt": ascii_book.encode(),
        "x/4242-0.txt": (HEAD + BODY).encode(),
    }
    for name, data in best_first.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    found = rows(Gutenberg(path=str(tmp_path)))
    assert {row["id"] for row in found} == {"gutenberg:4242"}
    ranked = sorted(found, key=lambda row: -int(row["preference"]))
    assert [row["origin"]["file"] for row in ranked] == list(best_first)
    assert len({row["preference"] for row in found}) == len(found)
    assert Gutenberg.same_id_reason == "other_edition"


def test_languages_and_copyright_drop_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    protected = HEAD.replace("[EBook #4242]", "[EBook #5]") + BODY + TAIL
    files = {
        "1.txt": book(),
        "2.txt": book(language="French"),
        "3.txt": SMALL_PRINT + BODY,
        "4.txt": book(body="  \n \n"),
        "5.txt": "** This is a COPYRIGHTED Project Gutenberg eBook, Details Below **\n\n" + protected,
    }
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode())

    def dropped(**settings: Any) -> list[tuple[str, str]]:
        readings = read_all(Gutenberg(path=str(tmp_path), **settings))
        return [(json.loads(d.origin)["file"], d.reason) for r in readings for d in r.dropped]

    assert dropped() == [("4.txt", "empty"), ("5.txt", "copyrighted")]
    assert dropped(languages=("en",)) == [
        ("2.txt", "language_fr"),
        ("3.txt", "language_unknown"),
        ("4.txt", "empty"),
        ("5.txt", "copyrighted"),
    ]
    assert dropped(copyrighted="keep") == [("4.txt", "empty")]
    kept = rows(Gutenberg(path=str(tmp_path), copyrighted="keep"))
    assert [row["licence"][:11] for row in kept] == ["Public doma"] * 3 + ["Copyrighted"]

    def nobody_asked(*_: object) -> None:
        raise AssertionError("the inside of a dropped book is none of our business")

    monkeypatch.setattr(gutenberg_body, "_typeset", nobody_asked)
    assert [reason for _, reason in dropped(languages=("fi",))] == [
        *("language_en", "language_fr", "language_unknown", "language_en", "copyrighted")
    ]


# -------------------------------------------------------------------------------------------- encodings


def test_what_cannot_be_decoded_is_quarantined_and_the_rest_read_on(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_bytes(b"\x00\x01\x02\xff words" * 40)
    (tmp_path / "2.txt.gz").write_bytes(gzip.compress(book().encode())[:-20])
    (tmp_path / "3.txt.gz").write_bytes(b"\x1f\x8b damaged")
    (tmp_path / "4242.txt.gz").write_bytes(gzip.compress(book().encode()))
    readings = read_all(Gutenberg(path=str(tmp_path)))
    found = [(q.id, q.kind) for r in readings for q in r.quarantined]
    assert found == [("1.txt", "undecodable"), ("2.txt.gz", "truncated"), ("3.txt.gz", "corrupt")]
    assert [row["id"] for r in readings for row in r.batch.to_pylist()] == ["gutenberg:4242"]
    assert "iconv -f ENCODING -t UTF-8" in next(q.error for r in readings for q in r.quarantined)


# -------------------------------------------------------------------------------------------- selection


def test_include_exclude_and_kinds_of_files(tmp_path: Path) -> None:
    for name in ("1.txt", "sub/2.txt", "sub/3.txt", "4.html", "README.md", ".5.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(BODY, encoding="utf-8")
    everything = Gutenberg(path=str(tmp_path))
    assert [row["id"][10:] for row in rows(everything)] == ["1", "2", "3"]
    assert [sentence for r in read_all(everything) for sentence in r.warnings] == [
        "gutenberg: not read, no known format: .html (1), .md (1)",
        "gutenberg: not read, hidden: .5.txt",
    ]
    some = Gutenberg(path=str(tmp_path), include=("sub/*",), exclude=("3.txt",))
    assert [row["id"] for row in rows(some)] == ["gutenberg:2"]
    assert not any(r.warnings for r in read_all(some))
    one = Gutenberg(path=str(tmp_path / "1.txt"))
    assert [row["origin"]["file"] for row in rows(one)] == ["1.txt"]


@pytest.mark.parametrize("exclude", [(), ("*",)])
def test_no_book_is_an_error(tmp_path: Path, exclude: tuple[str, ...]) -> None:
    if exclude:
        (tmp_path / "1.txt").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="no book in"):
        Gutenberg(path=str(tmp_path), exclude=exclude).parts()
    with pytest.raises(InputError, match="does not exist"):
        Gutenberg(path=str(tmp_path / "gone")).parts()


# ------------------------------------------------------------------------------------------ real books


@pytest.mark.corpora
@needs_corpora
@pytest.mark.slow
def test_all_real_books_are_accounted_for_and_only_boilerplate_is_cut() -> None:
    root = Path(str(CORPORA)) / "gutenberg"
    readings = read_all(Gutenberg(path=str(root)))
    assert sum(r.documents_in for r in readings) == sum(1 for _ in root.rglob("*.txt*"))
    assert [q.id for r in readings for q in r.quarantined] == []
    for reading in readings:
        for span in reading.spans:
            assert len(span.text) <= MAX_CUT
            if span.reason in ("header", "licence"):
                assert "gutenberg" in span.text.lower()
        for text in reading.batch.column("text").to_pylist():
            assert "FULL PROJECT GUTENBERG LICENSE" not in text
