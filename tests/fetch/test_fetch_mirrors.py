"""Several mirrors in turn: which one gives what, what is gone on with, and what is said when none does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpuskit.errors import FetchError, SettingError
from corpuskit.fetch import wikipedia
from corpuskit.fetch.download import download
from corpuskit.fetch.gutenberg import Wanted, refused_hosts
from corpuskit.fetch.gutenberg import fetch as fetch_books
from corpuskit.fetch.http import RefusedError
from corpuskit.fetch.manifest import check
from corpuskit.fetch.mirrors import LackingError, Mirrors
from corpuskit.fetch.part import Remote, part_path
from corpuskit.fetch.shelf import Library
from corpuskit.fetch.wikipedia import Dump, choose, fetch

WIKI, DATE = "testwiki", "20261101"
BASE = f"{WIKI}-{DATE}-pages-articles-multistream"
FIRST, SECOND = f"{BASE}1.xml-p1p9.bz2", f"{BASE}2.xml-p10p20.bz2"


def at(name: str) -> str:
    return f"/{WIKI}/{DATE}/{name}"


def notes(asking: Any) -> list[str]:
    return [facts["note"] for event, facts in asking.told if event == "note"]


@pytest.fixture
def both(mirror: Any, second: Any, body: bytes) -> tuple[Any, Any]:
    """Two mirrors of one dump of two files."""
    for one in (mirror, second):
        one.dump(WIKI, DATE, {FIRST: body, SECOND: body[::-1]})
    return mirror, second


def dump_of(asking: Any, *mirrors: Any) -> Dump:
    return choose(asking.web, WIKI, mirrors=[one.url for one in mirrors])


# Each is what a mirror does with every request for a file, and what is said of it.
TROUBLES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "breaks": (lambda tricks: tricks.drop(0), r"ended after 0 of|peer closed"),
    "trickles": (lambda tricks: tricks.trickle(10, 0.005), r"only \d+ bytes came in"),
    "never ends": (lambda tricks: tricks.endless(), "more than 300000 bytes came"),
    "other bytes": (lambda tricks: tricks.other(b"x" * 300_000, etag='"x"'), "sha1 is"),
    "other length": (lambda tricks: tricks.other(b"x" * 299_999, etag='"x"'), "offers 299999 bytes"),
    "a web page": (
        lambda tricks: tricks.status(200, b"<html>", Content_Type="text/html"),
        "sends a web page instead of the file",
    ),
    "refuses": (lambda tricks: tricks.status(403), "answers 403"),
    "has it not": (lambda tricks: tricks.status(404), "answers 404"),
    "is broken": (lambda tricks: tricks.status(500), "answers 500"),
    "wants hours": (lambda tricks: tricks.status(503, Retry_After="7200"), "7200 s of quiet"),
    "a negative length": (lambda tricks: tricks.length("-5"), "bad Content-Length"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_mirror_in_trouble_is_left_and_the_next_one_gives_the_file(
    trouble: str, both: tuple[Any, Any], ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    first, second = both
    make, said = TROUBLES[trouble]
    first.trick(at(FIRST), *[make(tricks)] * 50)
    asking = ask(stall=0.02, stall_bytes=10_000, attempts=3)
    fetched, _ = fetch(asking.web, dump_of(asking, first, second), tmp_path, connections=1)
    assert fetched == [FIRST, SECOND]
    assert (tmp_path / FIRST).read_bytes() == body
    assert (tmp_path / SECOND).read_bytes() == body[::-1]
    held = json.loads((tmp_path / "fetch.json").read_text())
    assert held["files"][FIRST]["url"] == second.url + at(FIRST)
    assert (held["mirror"], held["mirrors"]) == (first.url, [first.url, second.url])
    assert not list(tmp_path.glob(".*part*"))
    (note,) = notes(asking)
    assert note.startswith(f"{FIRST}: ")
    assert first.url in note
    assert note.endswith(f"; {second.url} is asked")
    assert re.search(said, note)


def test_wrong_bytes_are_asked_for_once_where_another_mirror_is_left(
    both: tuple[Any, Any], ask: Any, tmp_path: Path
) -> None:
    """And three times at the last one, where a second try is all that can help."""
    first, second = both
    for one in both:
        one.files[at(FIRST)] = b"x" * 300_000
    asking = ask()
    dump = dump_of(asking, first, second)
    with pytest.raises(FetchError, match="none of 2 mirrors gives it") as caught:
        fetch(asking.web, dump, tmp_path, connections=1)
    assert (len(first.asked(at(FIRST))), len(second.asked(at(FIRST)))) == (1, 3)
    for one in both:
        assert one.url + at(FIRST) in caught.value.message
    assert caught.value.message.count("sha1 is") == 2
    assert not list(tmp_path.glob(".*part*"))


def wrong_list(mirror: Any, name: str, **facts: Any) -> None:
    """Make the list of a mirror say something else of a file than what it serves."""
    status = json.loads(mirror.files[at("dumpstatus.json")])
    status["jobs"]["articlesmultistreamdump"]["files"][name] |= facts
    mirror.files[at("dumpstatus.json")] = json.dumps(status).encode()


@pytest.mark.parametrize(
    "facts", [{"sha1": "0" * 40}, {"size": 299_999}, {"size": 300_001, "sha1": "1" * 40}]
)
def test_a_wrong_list_of_the_first_mirror_is_held_against_that_of_the_next(
    facts: dict[str, Any], both: tuple[Any, Any], ask: Any, body: bytes, tmp_path: Path
) -> None:
    """Told, checked, and not fetched again by a later call that reads the same wrong list."""
    first, second = both
    wrong_list(first, FIRST, **facts)
    asking = ask()
    assert fetch(asking.web, dump_of(asking, *both), tmp_path, connections=1) == ([FIRST, SECOND], [])
    assert (tmp_path / FIRST).read_bytes() == body
    assert any(f"the list of {second.url} says otherwise" in note for note in notes(asking))
    assert check(tmp_path)[1] == []
    first.requests.clear()
    later = ask()
    assert fetch(later.web, dump_of(later, *both), tmp_path) == ([], [FIRST, SECOND])
    assert first.asked(at(FIRST)) == []


def test_a_mirror_that_agrees_with_nobody_but_itself_is_not_believed(
    both: tuple[Any, Any], ask: Any, tmp_path: Path
) -> None:
    """The first one's list and the second one's bytes and list: nobody but the second says so."""
    first, second = both
    first.files[at(FIRST)] = b"damaged" * 1000
    second.dump(WIKI, DATE, {FIRST: b"x" * 300_000, SECOND: second.files[at(SECOND)]})
    asking = ask()
    with pytest.raises(FetchError, match="none of 2 mirrors gives it"):
        fetch(asking.web, dump_of(asking, *both), tmp_path, connections=1)
    assert not (tmp_path / FIRST).exists()


def test_a_wrong_list_is_no_help_where_the_next_one_cannot_be_read(
    both: tuple[Any, Any], ask: Any, tmp_path: Path
) -> None:
    first, second = both
    wrong_list(first, FIRST, sha1="0" * 40)
    second.files[at("dumpstatus.json")] = b"<html>"
    asking = ask()
    with pytest.raises(FetchError, match=r"sha1 is \w+ instead of 0000"):
        fetch(asking.web, dump_of(asking, *both), tmp_path, connections=1)
    assert any("is of no use" in note for note in notes(asking))


def test_when_all_fail_each_ones_reason_is_told_and_what_is_whole_stays(
    both: tuple[Any, Any], ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    first, second = both
    first.trick(at(SECOND), *[tricks.status(403)] * 9)
    second.trick(at(SECOND), *[tricks.status(404)] * 9)
    asking = ask()
    with pytest.raises(FetchError, match=f"{SECOND}: none of 2 mirrors gives it") as caught:
        fetch(asking.web, dump_of(asking, first, second), tmp_path, connections=1)
    assert f"{first.url}{at(SECOND)}: the server answers 403" in caught.value.message
    assert f"{second.url}{at(SECOND)}: the server answers 404" in caught.value.message
    assert "further --mirror" in caught.value.remedy
    assert "goes on where it stopped" in caught.value.remedy
    assert notes(asking)[-1].endswith("; none is left to ask")
    assert (tmp_path / FIRST).read_bytes() == body
    first.tricks.clear()
    first.requests.clear()
    later = ask()
    fetched, there = fetch(later.web, dump_of(later, first, second), tmp_path)
    assert (fetched, there) == ([SECOND], [FIRST])
    assert first.asked(at(FIRST)) == []


def test_what_helps_with_all_is_said(both: tuple[Any, Any], ask: Any, tricks: Any, tmp_path: Path) -> None:
    for one in both:
        one.trick(at(FIRST), tricks.status(403))
    asking = ask()
    with pytest.raises(FetchError) as caught:
        fetch(asking.web, dump_of(asking, *both), tmp_path, connections=1)
    assert "--contact" in caught.value.remedy


def test_a_mirror_that_failed_is_asked_last_from_then_on(
    both: tuple[Any, Any], ask: Any, tricks: Any, tmp_path: Path
) -> None:
    first, second = both
    first.trick(at(FIRST), *[tricks.status(403)] * 9)
    second.trick(at(SECOND), *[tricks.status(404)] * 9)
    asking = ask()
    fetch(asking.web, dump_of(asking, first, second), tmp_path, connections=1)
    order = [(one is first, path) for one in both for path, _ in one.requests if path.endswith(".bz2")]
    assert sorted(order) == sorted(
        [(True, at(FIRST)), (False, at(FIRST)), (False, at(SECOND)), (True, at(SECOND))]
    )
    assert [note.split(":")[0] for note in notes(asking)] == [FIRST, SECOND]


# ----------------------------------------------------------------------------------------- half a file


def test_half_a_file_is_gone_on_with_at_another_mirror(
    both: tuple[Any, Any], ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    """The list gives its checksum: tags, which each server makes in its own way, need not be the same."""
    first, second = both
    first.trick(at(FIRST), tricks.drop(100_000), *[tricks.status(403)] * 9)
    second.trick(at(FIRST), tricks.other(body, etag='"its own"'))
    asking = ask()
    fetch(asking.web, dump_of(asking, first, second), tmp_path, connections=1)
    assert (tmp_path / FIRST).read_bytes() == body
    assert second.ranges(at(FIRST)) == ["bytes=100000-"]
    assert "If-Range" not in second.asked(at(FIRST))[0]


def test_a_half_of_wrong_bytes_does_not_spoil_the_next_mirror(
    both: tuple[Any, Any], ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    first, second = both

    def half_of_another(handler: Any, data: bytes) -> None:
        handler.answer(200, b"x" * 100_000, {"ETag": '"x"'}, length=len(data))
        handler.close_connection = True

    first.trick(at(FIRST), half_of_another, *[tricks.status(403)] * 9)
    asking = ask()
    fetch(asking.web, dump_of(asking, first, second), tmp_path, connections=1)
    assert (tmp_path / FIRST).read_bytes() == body
    assert second.ranges(at(FIRST)) == ["bytes=100000-", None]


def test_half_a_file_is_not_gone_on_with_where_the_length_is_another(
    both: tuple[Any, Any], ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    first, second = both
    first.trick(at(FIRST), tricks.drop(100_000), *[tricks.status(403)] * 9)
    second.trick(at(FIRST), tricks.other(body + b"more"))
    asking = ask()
    fetch(asking.web, dump_of(asking, first, second), tmp_path, connections=1)
    assert (tmp_path / FIRST).read_bytes() == body
    assert second.ranges(at(FIRST)) == ["bytes=100000-", None]
    assert any("not the same" in reason for reason in asking.reasons())


def test_a_half_from_another_mirror_goes_on_in_a_later_call(
    both: tuple[Any, Any], ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    first, second = both
    first.trick(at(FIRST), tricks.drop(100_000), *[tricks.status(403)] * 9)
    asking = ask()
    with pytest.raises(RefusedError):
        fetch(asking.web, dump_of(asking, first), tmp_path, connections=1)
    later = ask()
    fetch(later.web, dump_of(later, second), tmp_path, connections=1)
    assert second.ranges(at(FIRST)) == ["bytes=100000-"]
    assert (tmp_path / FIRST).read_bytes() == body


@pytest.mark.parametrize(
    ("headers", "length", "resumed"),
    [
        ({"ETag": '"5-1"'}, 300_000, True),
        ({"ETag": '"5-2"'}, 300_000, False),
        ({"ETag": '"5-1"'}, 300_001, False),
        ({"Last-Modified": "Sun, 01 Nov 2026 00:00:00 GMT"}, 300_000, False),
        ({"ETag": 'W/"5-1"'}, 300_000, False),
    ],
    ids=["tag and length", "another tag", "another length", "a date alone", "a weak tag"],
)
def test_without_a_checksum_only_the_same_tag_and_length_are_gone_on_with(
    headers: dict[str, str],
    length: int,
    resumed: bool,
    mirror: Any,
    second: Any,
    ask: Any,
    body: bytes,
    tmp_path: Path,
) -> None:
    """A book: no list tells its checksum. The first mirror says all that may be said of the version."""
    version = {"ETag": '"5-1"'} if headers.get("ETag", "W/").startswith('"') else headers
    said = {"Last-Modified": "Sun, 01 Nov 2026 00:00:00 GMT"} | version
    other = (body + b"+")[:length]
    starts: list[int] = []

    def half(handler: Any, data: bytes) -> None:
        handler.answer(200, body[:100_000], said, length=len(body))
        handler.close_connection = True

    def rest(handler: Any, data: bytes) -> None:
        start = handler.start_of_range()
        if handler.headers.get("If-Range", "") not in ("", *headers.values()):
            start = 0
        starts.append(start)
        part = {"Content-Range": f"bytes {start}-{length - 1}/{length}"} if start else {}
        handler.answer(206 if start else 200, other[start:], headers | part)

    mirror.trick("/b", half)
    second.trick("/b", rest, rest)
    with pytest.raises(FetchError):
        download(ask(attempts=1).web, Remote("b", mirror.url + "/b"), tmp_path)
    assert part_path(tmp_path / "b").stat().st_size == 100_000
    fetched = download(ask().web, Remote("b", second.url + "/b"), tmp_path)
    assert (tmp_path / "b").read_bytes() == other
    assert starts[-1] == (100_000 if resumed else 0)
    assert fetched.resumed == (100_000 if version == {"ETag": '"5-1"'} else 0)


# ----------------------------------------------------------------------------------------- which dump


def test_the_next_mirror_is_asked_for_a_dump_that_one_has_not(
    both: tuple[Any, Any], ask: Any, tmp_path: Path
) -> None:
    first, second = both
    first.files.clear()
    asking = ask()
    dump = dump_of(asking, first, second)
    assert (dump.mirror, dump.others) == (second.url, (first.url,))
    assert notes(asking) == [f"{WIKI}: {first.url} has no dumps of it; {second.url} is asked"]
    fetch(asking.web, dump, tmp_path)
    assert check(tmp_path)[1] == []


def test_no_mirror_has_the_dump(both: tuple[Any, Any], ask: Any) -> None:
    first, second = both
    first.files.clear()
    second.dump(WIKI, DATE, {FIRST: b""}, status="failed")
    with pytest.raises(FetchError, match="testwiki: none of 2 mirrors gives it") as caught:
        dump_of(ask(), first, second)
    assert f"{first.url} has no dumps of it" in caught.value.message
    assert "articles-multistream is 'failed'" in caught.value.message


def test_connections_of_the_main_site_hold_for_any_place(ask: Any, tmp_path: Path) -> None:
    dump = Dump(WIKI, DATE, "articles", "https://mirror.example", (), (wikipedia.MIRROR,))
    with pytest.raises(SettingError, match="grants 2"):
        fetch(ask().web, dump, tmp_path, connections=3)


def test_a_mirror_named_twice_is_asked_once(ask: Any) -> None:
    mirrors = Mirrors(["https://a.example/x/", "https://b.example", "https://a.example/x"], ask().web.listen)
    assert mirrors.addresses == ("https://a.example/x", "https://b.example")


# ----------------------------------------------------------------------------------------- books

CATALOGUE = b"""\
Text#,Type,Issued,Title,Language,Authors,Subjects,LoCC,Bookshelves
5,Text,1975-12-01,The Kettle,en,"Poe, Ann",Kettles,PS,
9,Text,1979-12-01,The Ferry,en,"Roe, Bo",Ferries,PR,
"""
KETTLE, FERRY, FEED = "/0/5/5-0.txt", "/0/9/9-0.txt", "/cache/epub/feeds/pg_catalog.csv"
BOOK = b"*** START OF THIS PROJECT GUTENBERG EBOOK ***\n" + b"It rained all day.\n" * 500


@pytest.fixture
def libraries(mirror: Any, second: Any) -> tuple[Any, Any]:
    """Two mirrors of two books."""
    for one in (mirror, second):
        one.files |= {FEED: CATALOGUE, KETTLE: BOOK, FERRY: BOOK[::-1]}
    return mirror, second


def books(asking: Any, folder: Path, *mirrors: Any) -> Any:
    return fetch_books(Library(asking.web, [one.url for one in mirrors], folder), Wanted(languages=("en",)))


def test_a_book_that_one_mirror_has_not_comes_from_the_next(
    libraries: tuple[Any, Any], ask: Any, tmp_path: Path
) -> None:
    first, second = libraries
    del first.files[KETTLE]
    asking = ask(pause=0.0)
    status = books(asking, tmp_path, first, second)
    assert (status.fetched, status.not_found, status.misses) == ([5, 9], [], 0)
    assert (
        json.loads((tmp_path / "fetch.json").read_text())["files"][KETTLE[1:]]["url"] == second.url + KETTLE
    )
    assert second.asked(FERRY) == [], "the first one has not failed: it is still the first to be asked"


def test_a_book_that_no_mirror_has_is_noted_with_all_that_were_asked(
    libraries: tuple[Any, Any], ask: Any, tmp_path: Path
) -> None:
    first, second = libraries
    del first.files[KETTLE], second.files[KETTLE]
    assert books(ask(pause=0.0), tmp_path, first).not_found == [5]
    second.requests.clear()
    status = books(ask(pause=0.0), tmp_path, first, second)
    assert (status.not_found, status.there, status.misses) == ([5], [9], 8)
    left = json.loads((tmp_path / "fetch.json").read_text())["left_out"]["5"]
    assert left["mirrors"] == sorted([first.url, second.url])
    for one in libraries:
        one.requests.clear()
    assert books(ask(pause=0.0), tmp_path, second, first).not_found == [5]
    assert first.requests == second.requests == []


def test_a_mirror_that_fails_is_not_waited_for_at_each_book(
    libraries: tuple[Any, Any], ask: Any, tricks: Any, tmp_path: Path
) -> None:
    """The one that works has one of the books; the other one is said to be left, once."""
    first, second = libraries
    del second.files[FERRY]
    for path in (KETTLE, FERRY):
        first.trick(path, *[tricks.status(500)] * 20)
    asking = ask(pause=0.0, attempts=2)
    status = books(asking, tmp_path, first, second)
    assert (status.fetched, status.not_found) == ([5], [9])
    assert first.asked(FERRY) == []
    (note,) = notes(asking)
    assert f"{first.url}{KETTLE}: the server answers 500" in note
    left = json.loads((tmp_path / "fetch.json").read_text())["left_out"]["9"]
    assert left["mirrors"] == [second.url], "the first one is asked for it in a later call"
    first.tricks.clear()
    assert books(ask(pause=0.0), tmp_path, first, second).fetched == [9]


def test_a_mirror_that_forbids_programs_is_left_for_the_next(
    libraries: tuple[Any, Any], ask: Any, tmp_path: Path
) -> None:
    first, second = libraries
    first.files["/robots.txt"] = b"User-agent: *\nDisallow: /\n"
    asking = ask(pause=0.0)
    assert books(asking, tmp_path, first, second).fetched == [5, 9]
    assert [path for path, _ in first.requests] == ["/robots.txt"]
    assert "robots.txt of the mirror forbids it" in notes(asking)[0]
    second.files["/robots.txt"] = first.files["/robots.txt"]
    (tmp_path / KETTLE[1:]).unlink()
    with pytest.raises(FetchError, match="none of 2 mirrors gives it"):
        books(ask(pause=0.0), tmp_path, first, second)


def test_a_catalogue_that_is_none_is_taken_from_the_next(
    libraries: tuple[Any, Any], ask: Any, tmp_path: Path
) -> None:
    first, second = libraries
    first.files[FEED] = b"no,table\n"
    asking = ask(pause=0.0)
    assert books(asking, tmp_path, first, second).fetched == [5, 9]
    assert (tmp_path / FEED[1:]).read_bytes() == CATALOGUE
    assert "no column Text#" in notes(asking)[0]


def test_the_main_site_is_refused_wherever_it_stands(ask: Any, tmp_path: Path) -> None:
    web = ask(refused=refused_hosts(False)).web
    with pytest.raises(SettingError, match="is not asked"):
        Library(web, ["https://mirror.example", "https://www.gutenberg.org"], tmp_path)


def test_what_none_has_names_who_was_asked(ask: Any) -> None:
    def lacks(address: str, last: bool) -> None:
        raise LackingError

    with pytest.raises(LackingError) as caught:
        Mirrors(["https://a.example", "https://b.example"], ask().web.listen).in_turn("x", lacks)
    assert caught.value.addresses == ("https://a.example", "https://b.example")
