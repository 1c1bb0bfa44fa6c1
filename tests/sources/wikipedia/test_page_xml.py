"""The XML of pages: what the engine reads is what expat reads; what is not plain is left to expat."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from xml.parsers import expat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit.errors import InputError
from corpuskit.sources.wikipedia import dump
from corpuskit.sources.wikipedia.items import RawPage
from corpuskit.sources.wikipedia.page_xml import Field, fields, parse_page, plain_fields
from corpuskit.sources.wikipedia.pages import read_pages

CORPORA = os.environ.get("CORPUSKIT_CORPORA", "")
SEEDS = Path(__file__).parents[3] / "native" / "fuzz" / "page_xml"
ORDINARY = (SEEDS / "ordinary.xml").read_bytes()


def by_expat(xml: bytes) -> list[Field] | None:
    """What expat reads; None if it refuses the page."""
    try:
        return fields(xml, "dump")
    except (expat.ExpatError, InputError):
        return None


def test_an_ordinary_page_is_read_by_the_engine() -> None:
    """Entities are decoded, attributes in both quotes taken, and a contributor's id is not the revision's."""
    page = parse_page(ORDINARY, "dump")
    assert plain_fields(ORDINARY) == by_expat(ORDINARY) != []
    assert (page.title, page.namespace, page.id, page.target) == ("Ulm & um Ulm", 0, 7, 'Ulm "herum"')
    assert (page.newest.id, page.newest.timestamp, page.newest.model) == (
        12,
        "2026-01-02T03:04:05Z",
        "wikitext",
    )
    assert page.newest.wikitext == "Größe: 20&nbsp;m <ref>ßää😀</ref> 'x' \"y\" ]] >"


def wrapped(text: str) -> bytes:
    return f"<page><title>A</title><revision><id>1</id><text>{text}</text></revision></page>".encode()


@pytest.mark.parametrize(
    "text",
    [
        "a<!-- b -->c",
        "<![CDATA[a & b]]>",
        "<?php a ?>",
        "a\r\nb",
        "&nbsp;",
        "a<b/>c",
        "<b x='1' x='2'/>",
        "&#0;",
        "&#xD800;",
        "&#x110000;",
        "&#xFFFE;",
        "&#;",
        "a ]]> b",
        "a & b",
        "a < b",
        "a\x01b",
        "￾",
        "<ö>a</ö>",
    ],
)
def test_what_is_not_plain_is_left_to_expat(text: str) -> None:
    assert plain_fields(wrapped("plain"))
    assert plain_fields(wrapped(text)) == []


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"<page>",
        b"<page></pagf>",
        b"</page>",
        b"<page/><page/>",
        b"<page/>x",
        b"<page a='<'/>",
        b"<page a='b\tc'/>",
        b"<page a=b/>",
        b"<page a='b'c='d'/>",
        b"<page><title>\xc3</title></page>",
        b"<page><title>\xed\xa0\x80</title></page>",
        b"<page><title>\xc0\xaf</title></page>",
        b"<page><title>\xf4\x90\x80\x80</title></page>",
        b"<a>" * 40 + b"</a>" * 40,
    ],
)
def test_a_page_that_is_not_well_formed_or_too_deep_is_left_to_expat(xml: bytes) -> None:
    assert plain_fields(xml) == []


def test_a_declared_entity_is_refused() -> None:
    with pytest.raises(InputError, match="document type"):
        parse_page(b'<!DOCTYPE page [<!ENTITY a "b">]><page><title>&a;</title></page>', "dump")


def test_the_newest_revision_is_told_from_the_older_ones_by_both() -> None:
    revisions = b"".join(b"<revision><id>%d</id><text>%d</text></revision>" % (i, i) for i in (3, 9, 4))
    xml = b"<page><id>1</id>" + revisions + b"<upload><timestamp>x</timestamp></upload></page>"
    for form in (xml, xml.replace(b"<id>1", b"<!-- for expat --><id>1")):
        page = parse_page(form, "dump")
        assert page.newest.wikitext == "9"
        assert sorted(r.id for r in page.older) == [3, 4]
        assert page.newest.timestamp == ""


PIECES = [
    *(bytes([c]) for c in b"<>&;/=\"' \t\n\r]!?-#x09aZ:"),
    b"\x00",
    b"\xc3",
    b"\xc3\xa4",
    b"\xef\xbf\xbe",
    b"\xf0\x9f\x98\x80",
]
PIECES += [
    b"&amp;",
    b"&#10;",
    b"&#xD;",
    b"]]>",
    b"<!--",
    b"-->",
    b"<id>",
    b"</id>",
    b"<text/>",
    b"<revision>",
    b"</revision>",
]


@settings(max_examples=1500, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(ORDINARY)), st.integers(0, 12), st.sampled_from(PIECES)),
        min_size=1,
        max_size=4,
    )
)
def test_a_damaged_page_is_read_alike_or_left_to_expat(changes: list[tuple[int, int, bytes]]) -> None:
    """Whatever replaces some bytes of a page, what the engine reads, expat reads alike."""
    xml = ORDINARY
    for at, gone, put in changes:
        xml = xml[:at] + put + xml[at + gone :]
    plain = plain_fields(xml)
    assert not plain or plain == by_expat(xml)


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from([b"<page>", b"</page>", b"<a b='c'>", b"</a>", *PIECES]), max_size=12))
def test_a_heap_of_pieces_is_read_alike_or_left_to_expat(pieces: list[bytes]) -> None:
    xml = b"<page>" + b"".join(pieces) + b"</page>"
    plain = plain_fields(xml)
    assert not plain or plain == by_expat(xml)


@pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA does not name the corpora")
def test_real_dumps_are_read_alike() -> None:
    """Every page of every dump of up to 2 MB; nearly all are understood."""
    seen: Counter[str] = Counter()
    for path in sorted(Path(CORPORA, "wikipedia").glob("*.xml*")):
        if path.stat().st_size > 2 * 2**20:
            continue
        try:
            compression = dump.sniff(str(path), path.name)
        except InputError:
            continue  # no dump: tests of the source tell what becomes of it
        head = dump.read_head(str(path), compression)
        for found in read_pages(str(path), compression, head.encoding):
            if isinstance(found, RawPage):
                plain = plain_fields(found.xml)
                seen["read" if plain else "left"] += 1
                assert not plain or plain == by_expat(found.xml), (path.name, found.offset)
    assert seen["read"] > 2000
    assert seen["left"] < seen["read"] / 100
