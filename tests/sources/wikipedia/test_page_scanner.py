"""The page scanner: every byte of a dump belongs to a page, to what may stand between, or is reported."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit.sources.wikipedia import pages as page_scanner
from corpuskit.sources.wikipedia.items import BadPage, Break, Chunk, RawPage
from corpuskit.sources.wikipedia.pages import PageScanner, first_stray

HEAD = b"<mediawiki>\n<siteinfo><dbname>xwiki</dbname></siteinfo>\n"


def scan(data: bytes, start: int = 0, end: int = -1, size: int = 7) -> list[tuple[str, int, bytes]]:
    """Kind, place in ``data`` and first bytes of what belongs to a range, read ``size`` bytes at a time."""
    end = len(data) if end < 0 else end
    cuts = sorted({*range(start, len(data), size), end, len(data)} - set(range(start)))
    chunks = [Chunk(data[a:b], a >= end) for a, b in pairwise(cuts)]
    found = []
    for item in PageScanner(first=start == 0).pages(iter(chunks)):
        if isinstance(item, RawPage):
            found.append(("page", start + item.offset, item.xml))
        else:
            assert isinstance(item, BadPage)
            found.append((item.kind, start + item.offset, item.excerpt))
    return found


PIECES = [
    b"<page><id>1</id></page>",
    b"<page>\n<title>A</title>\n</page>",
    b"<page>never closed ",
    b"\n  ",
    b"<!-- a note -->",
    b"</mediawiki>\n" + HEAD,
    b"<pabe><id>2</id></page>",
    b"left of a page</text></revision></page>",
    b"\0\0\0",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12), st.data())
def test_ranges_report_together_what_the_whole_does(pieces: list[bytes], data: st.DataObject) -> None:
    """However a dump is cut into ranges and chunks, each thing is reported once, by one range."""
    whole = HEAD + b"".join(pieces)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=4)))
    size = data.draw(st.integers(1, 40))
    together = [
        item
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)
        for item in scan(whole, start, end, size)
    ]
    assert together == scan(whole, size=len(whole))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_every_byte_that_is_not_harmless_is_in_something_reported(pieces: list[bytes]) -> None:
    whole = HEAD + b"".join(pieces)
    left = bytearray(whole)
    for _, at, excerpt in scan(whole):
        left[at : at + len(excerpt)] = b" " * len(excerpt)
    assert first_stray(left, head=True) == len(left)


@pytest.mark.parametrize(
    ("between", "stray"),
    [
        (b"\n <!-- <x> -->\n<?pi?> </mediawiki>\n", b""),
        (b"</mediawiki>\n<?xml version='1.0'?>\n\xef\xbb\xbf" + HEAD, b""),
        (b"\n<revision><text>lost</text></revision>\n ", b"<revision><text>lost</text></revision>"),
        (b"\n<!-- open <b>", b"<!-- open <b>"),
        (b"<siteinfo>cut", b"<siteinfo>cut"),
        (b"\0\0", b"\0\0"),
    ],
)
def test_what_may_stand_between_pages(between: bytes, stray: bytes) -> None:
    pages = [b"<page>1</page>", b"<page>2</page>"]
    whole = HEAD + pages[0] + between + pages[1]
    expected = [("stray", whole.index(stray, len(HEAD)), stray)] if stray else []
    found = scan(whole)
    assert [f for f in found if f[0] != "page"] == expected
    assert [f[2] for f in found if f[0] == "page"] == pages


def test_a_first_page_that_is_damaged_is_no_head() -> None:
    whole = HEAD + b"<pabe><id>1</id></page>\n<page>2</page>"
    assert scan(whole)[0] == ("stray", len(HEAD), b"<pabe><id>1</id></page>")


def test_a_long_gap_is_counted_and_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_scanner, "GAP_BYTES", 4096)
    blank, junk = b" \n" * 50_000, b"x" * 100_000
    chunks = [
        HEAD,
        b"<page>1</page>",
        *[blank[:999]] * 90,
        b"<page>2</page>",
        *[junk[:999]] * 90,
        b"<page>3</page>",
    ]
    scanner = PageScanner()
    held = 0
    found = []
    for item in scanner.pages(Chunk(c, False) for c in chunks):
        found.append(item)
        held = max(held, len(scanner._gap._held) if scanner._gap else 0)
    bad = [f for f in found if isinstance(f, BadPage)]
    assert [(b.kind, b.size, len(b.excerpt)) for b in bad] == [
        ("stray", 90 * 999, page_scanner.FRAGMENT_BYTES)
    ]
    assert held <= 4096 + 999
    assert len(found) == 4


def test_hostile_gaps_are_linear_work() -> None:
    """A megabyte of openings without ends: each would be searched for its end, were the first not enough."""
    for piece in (b"<!--", b"<?", b"<siteinfo ", b"<mediawiki ", b"</a"):
        whole = HEAD + b"<page>1</page>" + piece * (2**20 // len(piece)) + b"<page>2</page>"
        assert [f[0] for f in scan(whole, size=2**16)] == ["page", "stray", "page"]


def test_a_break_behind_the_range_belongs_to_another_part() -> None:
    broken = Break("damaged", 500, 20, "bad", beyond=True)
    chunks = [Chunk(HEAD + b"<page>1</page><page>2", False), broken]
    assert [getattr(f, "kind", "page") for f in PageScanner().pages(iter(chunks))] == [
        "page",
        "truncated_page",
    ]
    assert list(PageScanner(first=False).pages(iter([broken]))) == []
