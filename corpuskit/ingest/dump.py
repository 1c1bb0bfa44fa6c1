"""The bytes of a MediaWiki XML dump: parts and decompression.

A dump is plain XML, gzip, or bzip2 in one stream or in many. Plain files are cut into byte ranges, bzip2 with
several streams into ranges of streams. A page belongs to the part in which its ``<page>`` begins: a reader
skips to the first one and reads past the end of its range to finish the last one.

What stands between pages should be white space alone. Anything else is what damage left of a page, and is
reported as ``stray`` by the part of the page before it: each byte of a dump belongs to exactly one part. The
pages are found by `corpuskit.ingest.page_scanner`.

Dumps are UTF-8. One that begins with the byte order mark of UTF-16 is recoded as it is read, in one part.

Memory is bounded: input and output of the decompressors are taken in chunks, and a page that is longer than
`PAGE_BYTES` is passed over and reported, not held.
"""

from __future__ import annotations

import bz2
import codecs
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from corpuskit.errors import InputError

PLAIN_PART_BYTES = 64 * 2**20
"""Size of the byte ranges that a plain file is cut into."""

BZ2_PART_BYTES = 16 * 2**20
"""Compressed bytes after which a range of bzip2 streams is closed, at the next stream."""

PAGE_BYTES = 64 * 2**20
"""Bytes of XML above which a page is reported as too large."""

CHUNK_BYTES = 2**20
"""Bytes that are decompressed at a time."""

WINDOW_BYTES = 2**20
"""Compressed bytes that are searched at a time."""

_STREAM = re.compile(rb"BZh[1-9]1AY&SY")
_STREAM_BYTES = 10
_OPEN = re.compile(rb"<page[\s>]")

_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

Compression = Literal["plain", "bz2", "gz"]


@dataclass(frozen=True)
class Range:
    """Bytes ``start`` to ``end`` of a file as it lies on disk."""

    start: int
    end: int


@dataclass(frozen=True)
class Page:
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


@dataclass(frozen=True)
class Break:
    """A place in the file behind which nothing, or nothing up to the next stream, can be decompressed.

    Attributes:
        kind: ``truncated`` or ``damaged``.
        offset: of the stream that breaks, in the file as it lies on disk.
        size: bytes on disk that could not be read.
        error: what the decompressor said.
        beyond: whether the stream lies behind the range, so that it is for another part to report.
    """

    kind: str
    offset: int
    size: int
    error: str
    beyond: bool = False


def sniff(path: str, name: str) -> Compression:
    """Tell the compression by the first bytes, never by the file's name.

    Args:
        name: what messages call the file.

    Raises:
        InputError: the file is not there, empty, or of a kind that is not read.
    """
    try:
        with open(path, "rb") as file:
            magic = file.read(16)
    except FileNotFoundError:
        raise InputError(f"{name}: there is no such file", remedy="Check `path`.") from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}", remedy="Check `path`.") from error
    if not magic:
        raise InputError(f"{name}: the file is empty", remedy="Download it again.")
    if magic.startswith(b"BZh"):
        return "bz2"
    if magic.startswith(b"\x1f\x8b"):
        return "gz"
    refused = {b"7z\xbc\xaf\x27\x1c": ("7-Zip", "7z x"), b"\x28\xb5\x2f\xfd": ("Zstandard", "zstd -d"),
               b"\xfd7zXZ\x00": ("xz", "xz -d"), b"PK\x03\x04": ("a zip archive", "unzip")}  # fmt: skip
    for start, (kind, command) in refused.items():
        if magic.startswith(start):
            raise InputError(
                f"{name}: {kind} is not read",
                remedy=f"Unpack it first ({command} {os.path.basename(name)}), or download the dump as .bz2.",
            )
    if magic[:2] not in _UTF16 and not magic.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise InputError(
            f"{name}: no XML dump: it begins with {magic!r}",
            remedy="Give a pages-articles dump (.xml, .bz2, .gz).",
        )
    return "plain"


@dataclass(frozen=True)
class Head:
    """The decoded bytes before the first page.

    Attributes:
        data: at most 4 MiB, UTF-8.
        page: whether a page follows, or may follow behind damage.
        encoding: ``utf-8``, ``utf-16-le`` or ``utf-16-be``.
    """

    data: bytes
    page: bool
    encoding: str


def read_head(path: str, compression: Compression) -> Head:
    """Read what stands before the first page, and tell the encoding."""
    head, encoding = bytearray(), ""
    for chunk in _decompress(path, compression, Range(0, os.path.getsize(path))):
        if isinstance(chunk, Break):
            return Head(bytes(head), True, encoding or "utf-8")
        if not encoding:
            encoding = _UTF16.get(chunk.data[:2], "utf-8")
            recode = codecs.getincrementaldecoder(encoding)("replace")
        head += chunk.data if encoding == "utf-8" else recode.decode(chunk.data).encode()
        match = _OPEN.search(head)
        if match is not None:
            return Head(bytes(head[: match.start()]), True, encoding)
        if len(head) > 4 * CHUNK_BYTES:
            break
    return Head(bytes(head), False, encoding or "utf-8")


def ranges(path: str, compression: Compression, encoding: str) -> list[Range]:
    """Cut a file into parts by its content alone."""
    size = os.path.getsize(path)
    if compression == "gz" or encoding != "utf-8":
        return [Range(0, size)]
    if compression == "plain":
        return [Range(at, min(at + PLAIN_PART_BYTES, size)) for at in range(0, size, PLAIN_PART_BYTES)]
    cuts = [0]
    with open(path, "rb") as file:
        # Only as much is looked at as lies between the least size of a part and the next stream.
        while (start := next(_streams(file, cuts[-1] + BZ2_PART_BYTES), -1)) >= 0:
            cuts.append(start)
    return [Range(a, b) for a, b in zip(cuts, [*cuts[1:], size], strict=True)]


def _streams(file: BinaryIO, start: int) -> Iterator[int]:
    """Offsets of bzip2 streams from ``start`` on.

    They are found by the ten bytes that begin a stream and its first block. Streams begin at whole bytes, and
    the odds that compressed data hold these bytes by chance are one in 10^23 per byte.
    """
    window = bytearray(_STREAM_BYTES - 1 + WINDOW_BYTES)
    kept, at = 0, start
    while True:
        file.seek(at)  # between two results the caller may read elsewhere
        count = file.readinto(memoryview(window)[kept : kept + WINDOW_BYTES])  # type: ignore[attr-defined]
        if not count:
            return
        for match in _STREAM.finditer(window, 0, kept + count):
            yield at - kept + match.start()
        at, filled = at + count, kept + count
        kept = min(filled, _STREAM_BYTES - 1)
        window[:kept] = window[filled - kept : filled]


@dataclass(frozen=True)
class Chunk:
    """Decoded bytes; ``beyond`` tells that they lie behind the end of the range."""

    data: bytes
    beyond: bool


def decode(path: str, compression: Compression, encoding: str, part: Range) -> Iterator[Chunk | Break]:
    """Decode a range to UTF-8 and, for as long as the caller asks, what follows it."""
    recode = codecs.getincrementaldecoder(encoding)("replace") if encoding != "utf-8" else None
    for chunk in _decompress(path, compression, part):
        if recode is None or isinstance(chunk, Break):
            yield chunk
        else:
            yield Chunk(recode.decode(chunk.data).encode(), chunk.beyond)


def _decompress(path: str, compression: Compression, part: Range) -> Iterator[Chunk | Break]:
    with open(path, "rb") as file:
        if compression == "bz2":
            yield from _decode_bz2(file, part)
        elif compression == "gz":
            yield from _decode_gz(file)
        else:
            yield from _read_plain(file, part)


def _read_plain(file: BinaryIO, part: Range) -> Iterator[Chunk]:
    file.seek(part.start)
    at = part.start
    while data := file.read(min(CHUNK_BYTES, part.end - at) if at < part.end else CHUNK_BYTES):
        yield Chunk(data, at >= part.end)
        at += len(data)


def _decode_bz2(file: BinaryIO, part: Range) -> Iterator[Chunk | Break]:
    start = part.start
    while True:
        try:
            yield from _bz2_streams(file, start, part)
            return
        except _BrokenError as broken:
            # Another stream may begin behind the damage: what it holds is not lost.
            beyond = broken.offset >= part.end
            start = next(_streams(file, broken.offset + 1), -1)
            end = os.fstat(file.fileno()).st_size if start < 0 else start
            kind = "damaged" if start >= 0 else broken.kind
            yield Break(kind, broken.offset, end - broken.offset, broken.error, beyond)
            if start < 0 or beyond:
                return


class _BrokenError(Exception):
    def __init__(self, kind: str, offset: int, error: str) -> None:
        super().__init__(kind, offset, error)
        self.kind, self.offset, self.error = kind, offset, error


def _bz2_streams(file: BinaryIO, start: int, part: Range) -> Iterator[Chunk]:
    """Decode streams from ``start`` to the end of the file; raises `_BrokenError` where one breaks."""
    file.seek(start)
    decoder, data = bz2.BZ2Decompressor(), b""
    while True:
        if decoder.needs_input and not data:
            data = file.read(CHUNK_BYTES // 4)
            if not data:
                if file.tell() != start:
                    raise _BrokenError("truncated", start, "the file ends inside a compressed stream")
                return
        try:
            out = decoder.decompress(data, CHUNK_BYTES)
        except (OSError, ValueError, EOFError) as error:
            raise _BrokenError("damaged", start, str(error)) from None
        data = b""
        if out:
            yield Chunk(out, start >= part.end)
        if decoder.eof:
            data = decoder.unused_data
            start = file.tell() - len(data)
            decoder = bz2.BZ2Decompressor()


def _decode_gz(file: BinaryIO) -> Iterator[Chunk | Break]:
    size = os.fstat(file.fileno()).st_size
    start, data, decoder = 0, b"", zlib.decompressobj(wbits=31)
    while True:
        data = data or file.read(CHUNK_BYTES // 4)
        if not data:
            if start < size:
                yield Break("truncated", start, 0, "the file ends inside a compressed stream")
            return
        try:
            out = decoder.decompress(data, CHUNK_BYTES)
        except zlib.error as error:
            yield Break("damaged", start, size - file.tell() + len(data), str(error))
            return
        data = decoder.unconsumed_tail
        if out:
            yield Chunk(out, False)
        if decoder.eof:
            data = decoder.unused_data or file.read(CHUNK_BYTES // 4)
            start = file.tell() - len(data)
            data = data.lstrip(b"\0") if set(data) == {0} else data  # padding to a block of tape or disk
            start = size if not data else start
            decoder = zlib.decompressobj(wbits=31)
