"""Where each page of a MediaWiki XML dump begins and ends, and what stands between pages."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Literal

from corpuskit._native import find_page_tag
from corpuskit.sources.wikipedia import dump
from corpuskit.sources.wikipedia.items import BadPage, Break, Chunk, Range, RawPage

GAP_BYTES = 2**20
"""Bytes between two pages that are held to judge them together."""

FRAGMENT_BYTES = 2048
"""First bytes of what is no good page: enough for a title, which has 255 bytes at most, and an id."""

_CLOSE = b"</page>"
_PART_OF_TAG = len(_CLOSE) - 1
"""Last bytes of what is at hand in which a tag may begin that is not whole."""

_BETWEEN = re.compile(rb"\s+|</[\w:.-]+\s*>|<mediawiki(?:\s[^<>]*)?>|\xef\xbb\xbf")
"""What may stand between pages: white space, ends of elements, and the roots of dumps that were joined."""

_ENCLOSED = ((b"<!--", b"-->"), (b"<?", b"?>"), (b"<siteinfo", b"</siteinfo>"))
_ROOT = re.compile(rb"(?:\xef\xbb\xbf)?\s*<[A-Za-z][^<>]*>")


def first_stray(data: bytes | bytearray, *, head: bool = False) -> int:
    """Offset of the first byte that has no business between two pages; the length of ``data`` if none has.

    White space, comments, processing instructions, ends of elements and the head of another dump are in
    order. The work is linear: nothing is searched twice.

    Args:
        head: ``data`` begins a dump: what stands before its description is no concern, and a root of another
            name is in order.

    >>> first_stray(b" <!-- a --> </mediawiki>"), first_stray(b" </x><title>"), first_stray(b"<!-- a")
    (24, 5, 0)
    """
    at = 0
    if head:
        described = data.find(b"</siteinfo>")
        root = _ROOT.match(data)
        at = described + len(b"</siteinfo>") if described >= 0 else root.end() if root else 0
    while at < len(data):
        plain = _BETWEEN.match(data, at)
        after = plain.end() if plain is not None else _enclosed(data, at)
        if after < 0:
            return at
        at = after
    return at


def _enclosed(data: bytes | bytearray, at: int) -> int:
    """Where the comment, instruction or description ends that begins at ``at``; -1 if there is none."""
    for start, end in _ENCLOSED:
        if data.startswith(start, at):
            found = data.find(end, at)
            return found + len(end) if found >= 0 else -1
    return -1


class _Gap:
    """The bytes between two pages, as they come in."""

    def __init__(self, offset: int, *, head: bool = False) -> None:
        self._offset, self._head = offset, head
        self._held = bytearray()
        self._passed = 0  # bytes that were let go, because they are stray whatever follows

    def add(self, data: bytes | bytearray) -> None:
        if self._passed:
            self._passed += len(data)
            return
        self._held += data
        if len(self._held) > GAP_BYTES:
            self._let_go()

    def _let_go(self) -> None:
        good = first_stray(self._held, head=self._head)
        self._head = False
        self._offset += good
        del self._held[:good]
        # So much from a stray byte on stays stray. Less may be a comment that is not whole yet: it is looked
        # at again when as much more has come, so that all looks together are linear.
        if len(self._held) > GAP_BYTES // 2:
            self._passed = len(self._held)
            del self._held[FRAGMENT_BYTES:]

    def stray(self) -> Iterator[BadPage]:
        """What is stray in it, from the first such byte on."""
        good = 0 if self._passed else first_stray(self._held, head=self._head)
        if left := bytes(self._held[good:]).rstrip():
            yield BadPage("stray", self._passed or len(left), left[:FRAGMENT_BYTES], self._offset + good)


State = Literal["skip", "gap", "page"]


class PageScanner:
    """Finds the page elements in decoded chunks. Each byte is searched a bounded number of times.

    Args:
        first: whether the range begins the file. What stands before the first page of any other range belongs
            to the part before it.
    """

    def __init__(self, *, first: bool = True) -> None:
        self._buffer = bytearray()
        self._base = 0  # decoded offset of the buffer's first byte
        self._searched = 0  # bytes of the buffer in which nothing begins or ends
        self._state: State = "gap" if first else "skip"  # "page": the buffer begins with one
        self._gap: _Gap | None = _Gap(0, head=True) if first else None  # None: nothing but white space so far
        self._passed = 0  # bytes of a page that is too large, already let go
        self._excerpt = b""
        self._limit: int | None = None  # decoded offset at which the range ends

    def pages(self, chunks: Iterator[Chunk | Break]) -> Iterator[RawPage | BadPage | Break]:
        """Yield what belongs to the range, in order."""
        for chunk in chunks:
            if isinstance(chunk, Break):
                yield from self._cut_off()
                if chunk.beyond:
                    return  # the part in which it lies reports it, and what is left of a page behind it
                yield chunk
                continue
            if chunk.beyond and self._limit is None:
                self._limit = self._base + len(self._buffer)
            self._buffer += chunk.data
            done = yield from self._scan()
            if done:
                return
        yield from self._cut_off()

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._base += count
        self._searched = max(0, self._searched - count)

    def _scan(self) -> Generator[RawPage | BadPage, None, bool]:
        """Take what the buffer holds; returns whether the range is done."""
        while True:
            if self._state != "page":
                found, closes = find_page_tag(self._buffer, self._searched)
                if closes:  # of a page without a beginning: stray
                    self._searched = found + 1
                    continue
                self._pass_over(found if found >= 0 else max(0, len(self._buffer) - _PART_OF_TAG))
                if found < 0:
                    return self._state == "skip" and self._is_behind()
                if self._gap is not None:
                    yield from self._gap.stray()
                if self._is_behind():
                    return True
                # Searched from 1 on: the tag at 0 is the page's own.
                self._state, self._gap, self._searched, self._passed = "page", None, 1, 0
            done = yield from self._finish()
            if not done:
                return False

    def _is_behind(self) -> bool:
        return self._limit is not None and self._base >= self._limit

    def _pass_over(self, count: int) -> None:
        """Let bytes go that belong to no page."""
        if self._state == "gap" and count:
            self._add_to_gap(self._buffer[:count])
        self._drop(count)
        self._searched = 0

    def _add_to_gap(self, data: bytearray) -> None:
        if self._gap is None and data and not data.isspace():
            self._gap = _Gap(self._base)
        if self._gap is not None:
            self._gap.add(data)

    def _finish(self) -> Generator[RawPage | BadPage, None, bool]:
        """Look for the end of the page that is open; returns whether it was found."""
        found, closes = find_page_tag(self._buffer, self._searched)
        if found >= 0 and not closes:  # another page begins: this one was never closed
            yield self._bad("truncated_page", found)
            self._drop(found)
        elif found >= 0:
            end = found + len(_CLOSE)
            if self._passed or end > dump.PAGE_BYTES:
                yield self._bad("page_too_large", end)
            else:
                with memoryview(self._buffer) as whole:  # one copy of the page instead of two
                    xml = bytes(whole[:end])
                yield RawPage(xml, self._base)
            self._drop(end)
        else:
            self._searched = max(self._searched, len(self._buffer) - _PART_OF_TAG)
            if len(self._buffer) > dump.PAGE_BYTES or self._passed:
                self._excerpt = self._excerpt if self._passed else bytes(self._buffer[:FRAGMENT_BYTES])
                self._passed += self._searched
                self._drop(self._searched)
                self._searched = 0
            return False
        self._begin_gap()
        return True

    def _begin_gap(self) -> None:
        self._state, self._gap, self._searched, self._passed = "gap", None, 0, 0

    def _bad(self, kind: str, size: int) -> BadPage:
        excerpt = self._excerpt if self._passed else bytes(self._buffer[: min(size, FRAGMENT_BYTES)])
        return BadPage(kind, self._passed + size, excerpt, self._base - self._passed)

    def _cut_off(self) -> Iterator[BadPage]:
        """Report what is open where the input ends or breaks, and forget what is held."""
        if self._state == "page":
            yield self._bad("truncated_page", len(self._buffer))
        elif self._state == "gap":
            self._add_to_gap(self._buffer)
            if self._gap is not None:
                yield from self._gap.stray()
        self._drop(len(self._buffer))
        self._begin_gap()


def read_pages(
    path: str, compression: dump.Compression, encoding: str, piece: Range | None = None
) -> Iterator[RawPage | BadPage | Break]:
    """What stands in a dump, or in a range of it: the pages that begin there, and what is none."""
    scanner = PageScanner(first=piece is None or piece.start == 0)
    return scanner.pages(dump.read_chunks(path, compression, encoding, piece))
