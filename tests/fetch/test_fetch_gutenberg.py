"""Books: the catalogue, the names they may lie under, the pace, and what is noted."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from corpuskit.errors import FetchError, InputError, SettingError
from corpuskit.fetch import gutenberg
from corpuskit.fetch.gutenberg import Wanted, dry_run, fetch, refused_hosts, select
from corpuskit.fetch.manifest import check
from corpuskit.fetch.shelf import CatalogRow, Library, read_catalog

CATALOGUE = """\
Text#,Type,Issued,Title,Language,Authors,Subjects,LoCC,Bookshelves
5,Text,1975-12-01,The Kettle,en,"Poe, Ann",Kettles,PS,
9,Text,1979-12-01,"The Ferry
and the Fog",en; de,"Roe, Bo, 1900-1950",Ferries,PR,
12,Sound,1999-01-01,The Kettle (read aloud),en,"Poe, Ann",,,
84,Text,1993-10-01,Der Kahn,de,"Doe, Ute",,PT,
1342,Text,1998-06-01,A Proud Heart,en,"Loe, Di",,PR,
30001,Text,2009-01-01,Still Owned,en,"Moe, Al",,PS,
30002,Text,2009-01-01,Gone Astray,en,"Moe, Al",,PS,
"""


def book(number: int, extra: str = "") -> bytes:
    head = f"The Project Gutenberg EBook of Number {number}\n{extra}\n"
    head += "*** START OF THIS PROJECT GUTENBERG EBOOK ***\n"
    return (head + f"It was the year {number}, and the river rose.\n" * 50 + "*** END OF ***\n").encode()


COPYRIGHT = "** This is a COPYRIGHTED Project Gutenberg eBook, Details Below **\n"


@pytest.fixture
def library(mirror: Any) -> Any:
    """A mirror below a path, each book under another of the names, one of them copyrighted, one missing."""
    root = "/pub/gutenberg"
    mirror.files |= {
        f"{root}/cache/epub/feeds/pg_catalog.csv.gz": gzip.compress(CATALOGUE.encode(), mtime=0),
        f"{root}/0/5/5-0.txt": book(5),
        f"{root}/0/9/9.txt": book(9),
        f"{root}/8/84/84-8.txt": book(84).replace(b"river", b"Flu\xdf"),
        f"{root}/cache/epub/1342/pg1342.txt": book(1342),
        f"{root}/3/0/0/0/30001/30001-0.txt": book(30001, COPYRIGHT),
    }
    mirror.address = mirror.url + root
    return mirror


@pytest.fixture
def books(tmp_path: Path) -> list[CatalogRow]:
    """The texts of the catalogue."""
    (tmp_path / "c.csv").write_text(CATALOGUE)
    found, problems = read_catalog(tmp_path / "c.csv")
    assert [book.number for book in found] == [5, 9, 84, 1342, 30001, 30002]
    assert problems == ()
    return found


def visit(ask: Any, library: Any, folder: Path, **options: Any) -> Library:
    permitted = options.pop("permitted", False)
    web = ask(pause=0.0, refused=refused_hosts(permitted), **options).web
    return Library(web, [library.address], folder, permitted=permitted)


def test_books_from_the_first_name_that_the_mirror_has(library: Any, ask: Any, tmp_path: Path) -> None:
    status = fetch(visit(ask, library, tmp_path), Wanted(languages=("en", "de")))
    assert status.fetched == [5, 9, 84, 1342]
    assert status.not_found == [30002]
    assert status.copyrighted == [30001]
    assert status.misses == 0 + 3 + 2 + 1 + 0 + 4
    assert [path.removeprefix("/pub/gutenberg/") for path, _ in library.requests[:6]] == [
        "/robots.txt",
        "cache/epub/feeds/pg_catalog.csv.gz",
        "0/5/5-0.txt",
        "0/9/9-0.txt",
        "cache/epub/9/pg9.txt",
        "0/9/9-8.txt",
    ]
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.txt"))
    assert files == ["0/5/5-0.txt", "0/9/9.txt", "8/84/84-8.txt", "cache/epub/1342/pg1342.txt"]
    assert list(tmp_path.rglob("*.part*")) == []


def test_numbers_that_the_catalogue_lacks_are_told(library: Any, ask: Any, tmp_path: Path) -> None:
    asking = ask(pause=0.0)
    found = dry_run(Library(asking.web, [library.address], tmp_path), Wanted(ids=frozenset({5, 6, 12, 777})))
    assert [book.number for book in found.missing] == [5]
    assert found.there == found.not_found == found.copyrighted == []
    (note,) = [facts["note"] for event, facts in asking.told if event == "note"]
    assert note == "--ids: no texts of the catalogue, and passed over: 6, 12, 777"


def test_the_manifest_has_licences_and_what_was_not_found(library: Any, ask: Any, tmp_path: Path) -> None:
    fetch(visit(ask, library, tmp_path), Wanted(languages=("en",)))
    held = json.loads((tmp_path / "fetch.json").read_text())
    assert held["source"] == "gutenberg"
    assert "Public domain in the USA" in held["licence"]
    facts = held["files"]["0/9/9.txt"]
    assert facts["title"] == "The Ferry: and the Fog"
    assert facts["languages"] == ["en", "de"]
    assert facts["rights"] == "public domain in the USA"
    assert facts["url"] == f"{library.address}/0/9/9.txt"
    assert facts["sha1"] == hashlib.sha1(book(9), usedforsecurity=False).hexdigest()
    assert held["left_out"]["30002"]["reason"] == "not_found"
    assert held["left_out"]["30001"]["reason"] == "copyrighted"
    assert check(tmp_path)[1] == []


def test_a_second_run_asks_for_nothing(library: Any, ask: Any, tmp_path: Path) -> None:
    fetch(visit(ask, library, tmp_path), Wanted(languages=("en",)))
    library.requests.clear()
    again = fetch(visit(ask, library, tmp_path), Wanted(languages=("en",)))
    assert library.requests == []
    assert (again.there, again.not_found, again.copyrighted) == ([5, 9, 1342], [30002], [30001])
    (tmp_path / "0/5/5-0.txt").write_bytes(b"half of")
    assert fetch(visit(ask, library, tmp_path), Wanted(languages=("en",))).fetched == [5]


def test_another_mirror_is_asked_for_what_one_had_not(library: Any, ask: Any, tmp_path: Path) -> None:
    fetch(visit(ask, library, tmp_path), Wanted(ids=frozenset({5, 30002})))
    library.files["/other/3/0/0/0/30002/30002-0.txt"] = book(30002)
    library.address = library.url + "/other"
    status = fetch(visit(ask, library, tmp_path), Wanted(ids=frozenset({5, 30002})))
    assert (status.there, status.fetched) == ([5], [30002])
    assert json.loads((tmp_path / "fetch.json").read_text())["left_out"] == {}


def test_copyrighted_books_when_they_are_wanted(library: Any, ask: Any, tmp_path: Path) -> None:
    wanted = Wanted(ids=frozenset({30001}))
    fetch(visit(ask, library, tmp_path), wanted)
    assert not list(tmp_path.rglob("30001*.txt"))
    assert fetch(visit(ask, library, tmp_path), wanted, copyrighted=True).fetched == [30001]
    facts = json.loads((tmp_path / "fetch.json").read_text())["files"]["3/0/0/0/30001/30001-0.txt"]
    assert facts["rights"] == "copyrighted"


def test_a_kill_between_a_book_and_the_manifest(library: Any, ask: Any, tmp_path: Path) -> None:
    fetch(visit(ask, library, tmp_path), Wanted(limit=2))
    (tmp_path / "fetch.json").unlink()
    library.requests.clear()
    assert fetch(visit(ask, library, tmp_path), Wanted(limit=2)).there == [5, 9]
    assert library.requests == []
    assert len(check(tmp_path)[0].files) == 2


def test_a_folder_of_others_is_refused_before_the_first_request(
    library: Any, ask: Any, tmp_path: Path
) -> None:
    for name in ("notes.txt", "0/5/5-h.zip", "1/2/3/84-0.txt", ".git/HEAD"):
        path = tmp_path / name.replace("/", "-") / name
        path.parent.mkdir(parents=True)
        path.write_text("theirs")
        for call in (fetch, dry_run):
            with pytest.raises(FetchError, match="is not empty and is not a folder of fetched files"):
                call(visit(ask, library, tmp_path / name.replace("/", "-")), Wanted(limit=1))
        assert path.read_text() == "theirs"
    assert library.requests == []


def test_an_error_keeps_and_notes_what_has_come(library: Any, ask: Any, tricks: Any, tmp_path: Path) -> None:
    library.trick("/pub/gutenberg/0/9/9-0.txt", tricks.status(403))
    with pytest.raises(FetchError, match="403"):
        fetch(visit(ask, library, tmp_path), Wanted(languages=("en",)))
    assert list(check(tmp_path)[0].files) == ["0/5/5-0.txt"]


def test_a_book_goes_on_where_it_broke(library: Any, ask: Any, tricks: Any, tmp_path: Path) -> None:
    library.trick("/pub/gutenberg/0/5/5-0.txt", tricks.drop(500), tricks.status(429, Retry_After="3"))
    fetch(visit(ask, library, tmp_path), Wanted(ids=frozenset({5})))
    assert (tmp_path / "0/5/5-0.txt").read_bytes() == book(5)
    assert library.ranges("/pub/gutenberg/0/5/5-0.txt") == [None, "bytes=500-", "bytes=500-"]


def test_a_page_that_says_not_found_with_200(library: Any, ask: Any, tricks: Any, tmp_path: Path) -> None:
    page = tricks.status(200, b"<html>nothing here</html>", Content_Type="text/html")
    library.trick("/pub/gutenberg/0/5/5-0.txt", *[page] * 9)
    with pytest.raises(FetchError, match="web page"):
        fetch(visit(ask, library, tmp_path), Wanted(ids=frozenset({5})))
    assert not list(tmp_path.rglob("5-0.txt"))


# ----------------------------------------------------------------------------------------- politeness


@pytest.mark.parametrize("host", ["www.gutenberg.org", "gutenberg.org", "WWW.Gutenberg.org"])
def test_the_main_site_is_refused_with_where_to_go(host: str, ask: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="is not asked") as caught:
        Library(ask(refused=refused_hosts(False)).web, [f"https://{host}"], tmp_path)
    assert "MIRRORS.ALL" in caught.value.remedy
    assert "for people" in caught.value.remedy
    assert refused_hosts(True) == {}


def test_a_mirror_that_leads_to_the_main_site(library: Any, ask: Any, tricks: Any, tmp_path: Path) -> None:
    library.trick(
        "/pub/gutenberg/0/5/5-0.txt", tricks.status(302, Location="https://www.gutenberg.org/files/5/5-0.txt")
    )
    with pytest.raises(FetchError, match=r"www\.gutenberg\.org is not asked"):
        fetch(visit(ask, library, tmp_path), Wanted(ids=frozenset({5})))


def test_no_mirror_is_an_error_that_says_where_they_are(ask: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no --mirror") as caught:
        Library(ask().web, [], tmp_path)
    assert "MIRRORS.ALL" in caught.value.remedy


def test_one_request_in_two_seconds(library: Any, ask: Any, tmp_path: Path) -> None:
    asking = ask(pause=gutenberg.PAUSE)
    fetch(Library(asking.web, [library.address], tmp_path), Wanted(limit=1))
    assert len(asking.waits) == len(library.requests) - 1 == 2
    assert all(1.5 < wait <= 2.0 for wait in asking.waits)


def test_robots_txt_is_obeyed(library: Any, ask: Any, tmp_path: Path) -> None:
    library.files["/robots.txt"] = b"User-agent: *\nCrawl-delay: 5\nDisallow: /pub/gutenberg/0/\n"
    mirror = visit(ask, library, tmp_path)
    with pytest.raises(FetchError, match=r"0/5/5-0\.txt: robots\.txt") as caught:
        fetch(mirror, Wanted(ids=frozenset({5})))
    assert "--i-have-permission" in caught.value.remedy
    assert mirror.web.pause == 5.0
    assert fetch(visit(ask, library, tmp_path, permitted=True), Wanted(ids=frozenset({5}))).fetched == [5]


# ----------------------------------------------------------------------------------------- catalogue


def test_the_catalogue_packed_or_plain_and_kept(library: Any, ask: Any, tmp_path: Path) -> None:
    del library.files["/pub/gutenberg/cache/epub/feeds/pg_catalog.csv.gz"]
    library.files["/pub/gutenberg/cache/epub/feeds/pg_catalog.csv"] = CATALOGUE.encode()
    found = dry_run(visit(ask, library, tmp_path), Wanted(languages=("de",)))
    assert [one.number for one in found.missing] == [9, 84]
    assert found.there == []
    assert (tmp_path / "cache/epub/feeds/pg_catalog.csv").read_bytes() == CATALOGUE.encode()
    assert not (tmp_path / "fetch.json").exists(), "a dry run writes no manifest"
    library.requests.clear()
    dry_run(visit(ask, library, tmp_path), Wanted(languages=("de",)))
    assert library.requests == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<html>", "cannot be read"),
        (gzip.compress(b"<html>"), "no column Text#"),
        (gzip.compress(CATALOGUE.encode())[:-20], "cannot be read"),
        (gzip.compress(CATALOGUE.encode() + b'7,Text,,"open'), "cannot be read"),
        (gzip.compress(CATALOGUE.encode("utf-16")), "cannot be read"),
    ],
    ids=["plain", "no table", "cut short", "open quotation", "not UTF-8"],  # gzip's bytes hold the time
)
def test_a_catalogue_that_is_none_is_not_kept(
    data: bytes, said: str, library: Any, ask: Any, tmp_path: Path
) -> None:
    library.files["/pub/gutenberg/cache/epub/feeds/pg_catalog.csv.gz"] = data
    with pytest.raises(InputError, match=said):
        fetch(visit(ask, library, tmp_path), Wanted(languages=("en",)))
    assert not list(tmp_path.rglob("pg_catalog*"))


def test_a_mirror_without_a_catalogue(library: Any, ask: Any, tmp_path: Path) -> None:
    del library.files["/pub/gutenberg/cache/epub/feeds/pg_catalog.csv.gz"]
    with pytest.raises(FetchError, match="carries no cache/epub") as caught:
        fetch(visit(ask, library, tmp_path), Wanted(languages=("en",)))
    assert "pg_catalog" in caught.value.remedy


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Wanted(languages=("en",)), [5, 9, 1342, 30001, 30002]),
        (Wanted(languages=("de",), limit=1), [9]),
        (Wanted(ids=frozenset({84, 12, 7})), [84]),
        (Wanted(languages=("de",), ids=frozenset({5, 9})), [9]),
        (Wanted(limit=2), [5, 9]),
    ],
)
def test_what_is_wanted(wanted: Wanted, numbers: list[int], books: list[CatalogRow]) -> None:
    assert [b.number for b in select(books, wanted)] == numbers


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(languages=("english",)), "no book of the catalogue is in it"),
        (Wanted(ids=frozenset({12})), "no text of the catalogue"),
    ],
)
def test_what_cannot_be_wanted(wanted: Wanted, said: str, books: list[CatalogRow]) -> None:
    with pytest.raises(SettingError, match=said):
        select(books, wanted)


def test_something_must_be_wanted() -> None:
    with pytest.raises(SettingError, match="nothing is asked for"):
        Wanted()


@pytest.mark.parametrize("text", ["x", "5-", "9-5", "0", "-3", "1234567"])
def test_ids_that_are_none(text: str) -> None:
    with pytest.raises(SettingError, match="--ids"):
        gutenberg.parse_ids(text)


def test_a_catalogue_that_unpacks_without_end_is_left(
    library: Any, ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heading, row = b"Text#,Type,Issued,Title,Language,Authors,Subjects,LoCC,Bookshelves\n", b"x,y\n"
    name = "/pub/gutenberg/cache/epub/feeds/pg_catalog.csv.gz"
    library.files[name] = gzip.compress(heading + row * 2_000_000)
    monkeypatch.setattr("corpuskit.sources.gutenberg.catalog._MAX_TABLE", 2**20)
    mirror = Library(ask().web, [library.address], tmp_path)
    with pytest.raises(InputError, match="unpacks to more than 1,048,576 bytes"):
        mirror.catalog()
    assert mirror.catalog_path() is None
