"""What the readers of a dump hand to each other: ranges, chunks of bytes, breaks, pages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """Bytes ``start`` to ``end`` of a file as it lies on disk."""

    start: int
    end: int


@dataclass(frozen=True)
class Chunk:
    """Decoded bytes; ``beyond`` tells that they lie behind the end of the range."""

    data: bytes
    beyond: bool


@dataclass(frozen=True)
class Break:
    """A place in the file behind which nothing, or nothing up to the next block, can be decompressed.

    Attributes:
        kind: ``truncated`` or ``damaged``.
        offset: where it begins, in the file as it lies on disk.
        size: bytes on disk that could not be read.
        error: what the decompressor said.
        beyond: whether it lies behind the range, so that it is for another part to report.
    """

    kind: str
    offset: int
    size: int
    error: str
    beyond: bool = False


@dataclass(frozen=True)
class RawPage:
    """The bytes of one page element; ``offset`` counts decoded bytes from the start of the range."""

    xml: bytes
    offset: int


@dataclass(frozen=True)
class BadPage:
    """A page element that is not whole, or too long to hold, or what is between pages and is none.

    Attributes:
        kind: ``truncated_page`` (no end before the next page or the end of the input), ``page_too_large``, or
            ``stray`` (a page whose ``<page>`` is damaged, or the rest of one).
        size: bytes of XML that were passed over.
        excerpt: the first bytes.
        offset: decoded bytes from the start of the range.
    """

    kind: str
    size: int
    excerpt: bytes
    offset: int
