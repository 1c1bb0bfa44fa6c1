"""One page of a dump, by title or by id.

From a multistream dump with its index one stream of a hundred pages is read; from any other dump, all that
stands before the page.
"""

from __future__ import annotations

import bz2
import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html import unescape
from itertools import islice
from typing import Any
from xml.parsers import expat

from corpuskit.documents.reading import ReadingBuilder
from corpuskit.errors import InputError
from corpuskit.sources.wikipedia import dump
from corpuskit.sources.wikipedia import index as multistream_index
from corpuskit.sources.wikipedia.documents import COLUMNS, PageRules, PartReader
from corpuskit.sources.wikipedia.items import Break, Chunk, Range, RawPage
from corpuskit.sources.wikipedia.page_xml import Page, name_of_fragment, parse_page
from corpuskit.sources.wikipedia.pages import PageScanner, read_pages
from corpuskit.sources.wikipedia.site import Site, parse_site
from corpuskit.storage.places import base_name, open_file

_NEAR_TITLES = 20_000
"""Titles with the same beginning that are kept to name near ones."""

_ID_DIGITS = 18
"""Digits that a page id may have; a longer number can only be a title."""

_TITLE = re.compile(rb"<title>([^<]*)</title>")
_ID = re.compile(rb"<id>\s*(\d+)\s*</id>")

Say = Callable[[str], None]


@dataclass(frozen=True)
class FoundPage:
    """A page as it stands in a dump.

    Attributes:
        xml: its ``<page>`` element.
        page: the same, parsed.
        redirected_from: titles of the redirects that led to it, in order.
    """

    xml: bytes
    page: Page
    site: Site
    redirected_from: tuple[str, ...] = ()


class PageFinder:
    """Finds pages in one dump.

    Args:
        path: the dump, or its URI; or the folder of one dump.
        cache: make a lookup of the index, if there is none yet.
        say: is told what takes long.

    Raises:
        InputError: it is no dump.
    """

    def __init__(self, path: str, *, cache: bool = False, say: Say = lambda _: None) -> None:
        path = dump.the_dump_in(path)
        self.path, self.name, self._say = path, base_name(path), say
        self._compression = dump.sniff(path, self.name)
        self._head = dump.read_head(path, self._compression)
        if not self._head.page:
            message = f"{self.name}: no <page> within its first {len(self._head.data)} bytes"
            raise InputError(message, remedy="Give a pages-articles dump; its index is found beside it.")
        self.site = parse_site(self._head.data, self.name)
        self.index = multistream_index.index_of(path) if self._compression == "bz2" else ""
        self._lookup = multistream_index.Lookup.open(self.index) if self.index else None
        if cache and not self.index:
            remedy = "Give a multistream dump, and lay its ...-multistream-index.txt.bz2 beside it."
            raise InputError(f"{self.name}: there is no index beside it to make a lookup of", remedy=remedy)
        if cache and self._lookup is None:
            say(f"making {base_name(multistream_index.lookup_of(self.index))}")
            multistream_index.build_lookup(self.index)
            self._lookup = multistream_index.Lookup.open(self.index)

    def find(self, wanted: str, *, by_id: bool = False, follow: bool = True) -> FoundPage:
        """Find a page.

        Args:
            wanted: a title (``_`` stands for a space, the first letter may be small) or an id. A number is
                taken for an id if there is no such title.
            by_id: take it for an id at once.
            follow: go on from a redirect to what it leads to.

        Raises:
            InputError: there is no such page, or the index does not belong to the dump.
        """
        found = self._one(wanted, by_id)
        trail: list[str] = []
        while follow and found.page.is_redirect:
            trail.append(found.page.title)
            target, _ = found.page.leads_to
            if not target or target in trail or len(trail) > 5:
                raise InputError(
                    f"{self.name}: the redirect {trail[-1]!r} leads to {target!r}: nowhere, or in a circle",
                    remedy="Show the redirect itself with --no-redirect.",
                )
            self._say(f"{trail[-1]} leads to {target}")
            try:
                found = self._one(target, False)
            except InputError as error:
                remedy = f"Show the redirect itself with --no-redirect. {error.remedy}"
                raise InputError(f"{error.message}, to which {trail[-1]!r} leads", remedy=remedy) from None
        return replace(found, redirected_from=tuple(trail))

    def _one(self, wanted: str, by_id: bool) -> FoundPage:
        if by_id and not wanted.isdecimal():
            remedy = "Ids are numbers; leave --id out for a title."
            raise InputError(f"{wanted!r} is no page id", remedy=remedy)
        title = " ".join(wanted.replace("_", " ").split())
        # MediaWiki's first letter is a capital, but a wiktionary's is as it is written: as given first.
        titles = [] if by_id else list(dict.fromkeys((title, title[:1].upper() + title[1:])))
        number = int(wanted) if wanted.isdecimal() and len(wanted) <= _ID_DIGITS else None
        near: list[str] = []
        xml = self._from_index(titles, number) if self.index else self._from_scan(titles, number, near)
        if xml is None:
            if self.index and titles:
                self._say("looking for near titles in the index")
                titles_there = (line.title for line in multistream_index.lines(self.index))
                near = list(islice((t for t in titles_there if _is_near(t, title)), _NEAR_TITLES))
            close = difflib.get_close_matches(title, near, 5, 0.6)
            hint = f"Near: {', '.join(close)}." if close else "Check the title, or look by --id."
            raise InputError(f"{self.name}: there is no page {wanted!r}", remedy=hint)
        try:
            return FoundPage(xml, parse_page(xml, self.name), self.site)
        except expat.ExpatError as error:
            message = f"{self.name}: {name_of_fragment(xml)} is no sound XML: {error}"
            raise InputError(message, remedy="Download the dump again.") from None

    def _from_index(self, titles: list[str], id: int | None) -> bytes | None:
        wanted: list[dict[str, Any]] = [{"title": title} for title in titles]
        wanted += [{"id": id}] if id is not None else []
        for asked in wanted:
            if self._lookup is not None:
                offsets = self._lookup.offsets(**asked)
            else:
                self._say(f"reading {base_name(self.index)} (--cache makes this quick)")
                line = multistream_index.scan(self.index, **asked)
                offsets = [line.offset] if line else []
            for offset in offsets:
                for page in self._stream(offset):
                    if _is_wanted(page, [asked["title"]] if "title" in asked else [], asked.get("id")):
                        return page
            # Two titles may share a hash: that a title of the lookup is not there proves nothing.
            if offsets and (self._lookup is None or "id" in asked):
                (what,) = asked.values()
                raise InputError(
                    f"{base_name(self.index)}: {what!r} should be at byte {offsets[0]}, and it is not there",
                    remedy="Give the dump the index that was published with it.",
                )
        return None

    def _stream(self, offset: int) -> Iterator[bytes]:
        """The pages of the stream that begins at ``offset``."""
        return (f.xml for f in PageScanner(first=False).pages(self._chunks(offset)) if isinstance(f, RawPage))

    def _chunks(self, offset: int) -> Iterator[Chunk | Break]:
        decoder = bz2.BZ2Decompressor()  # ends with the stream, where the engine's decoder goes on
        with open_file(self.path) as file:
            file.seek(offset)
            while not decoder.eof:
                data = file.read(dump.CHUNK_BYTES // 4) if decoder.needs_input else b""
                if decoder.needs_input and not data:
                    return
                try:
                    yield Chunk(decoder.decompress(data, dump.CHUNK_BYTES), False)
                except OSError as error:
                    message = f"{self.name}: no stream of bzip2 can be read at byte {offset}: {error}"
                    remedy = "Compare dump and index with the mirror's checksums and download them again."
                    raise InputError(message, remedy=remedy) from None

    def _from_scan(self, titles: list[str], id: int | None, near: list[str]) -> bytes | None:
        """Read the dump up to the page. A number that is no title is known for an id at the end alone."""
        self._say(f"{self.name} has no index beside it: reading it from its beginning, which may take long")
        by_id = None
        for found in read_pages(self.path, self._compression, self._head.encoding):
            if not isinstance(found, RawPage):
                continue
            if _is_wanted(found.xml, titles, None):
                return found.xml
            if id is not None and _is_wanted(found.xml, [], id):
                by_id = found.xml
                if not titles:
                    break
            title = _title(found.xml)
            if titles and len(near) < _NEAR_TITLES and _is_near(title, titles[0]):
                near.append(title)
        return by_id


def _title(xml: bytes) -> str:
    match = _TITLE.search(xml, 0, 4096)  # it is the first element; a text behind it may hold another one
    return unescape(match[1].decode("utf-8", "replace")).strip() if match else ""


def _is_wanted(xml: bytes, titles: list[str], id: int | None) -> bool:
    if titles:
        return _title(xml) in titles
    match = _ID.search(xml, 0, xml.find(b"<revision"))  # revisions and their authors have ids too
    return match is not None and int(match[1]) == id


def _is_near(title: str, wanted: str) -> bool:
    return title[:2].casefold() == wanted[:2].casefold()


def page_document(found: FoundPage, path: str, wiki: str = "") -> dict[str, Any]:
    """The page as the document that a build would make of it, with ``text``; without it where none is left.

    Args:
        wiki: name of the wiki, where the dump does not say.
    """
    page = found.page
    namespace = found.site.namespace_of(page.title, page.namespace)
    rules = PageRules(wiki or found.site.dbname or "wiki", namespaces=(namespace,))
    reader = PartReader(rules, found.site, base_name(path), ReadingBuilder(extra=COLUMNS))
    reader.accept(RawPage(found.xml, 0), Range(0, 0))
    readings = list(reader.take(rest=True))
    rows: list[dict[str, Any]] = readings[0].batch.to_pylist()
    return rows[0] if rows else {}
