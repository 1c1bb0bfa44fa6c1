"""The bytes of a MediaWiki XML dump: parts and decompression.

A dump is plain XML, gzip, Zstandard, xz, or bzip2 in one stream or in many. Plain files are cut into byte
ranges, bzip2 into ranges of blocks (see `corpuskit.sources.wikipedia.bzip2`); the others are read in one
part. A page belongs to the part in which its ``<page>`` begins: a reader skips to the first one and reads
past the end of its range to finish the last one.

What stands between pages should be white space alone. Anything else is what damage left of a page, and is
reported as ``stray`` by the part of the page before it: each byte of a dump belongs to exactly one part. The
pages are found by `corpuskit.sources.wikipedia.pages`.

Dumps are UTF-8. One that begins with the byte order mark of UTF-16 is recoded as it is read, in one part.

Memory is bounded: input and output of the decompressors are taken in chunks, and a page that is longer than
`PAGE_BYTES` is passed over and reported, not held.
"""

from __future__ import annotations

import codecs
import lzma
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, Literal

import pyarrow as pa

from corpuskit.errors import InputError
from corpuskit.sources.folders import some, survey
from corpuskit.sources.wikipedia import bzip2
from corpuskit.sources.wikipedia.items import Break, Chunk, Range
from corpuskit.storage.places import base_name, kind_of, open_file, size_of, stamp

PLAIN_PART_BYTES = 64 * 2**20
"""Size of the byte ranges that a plain file is cut into, at most."""

BZ2_PART_BYTES = 8 * 2**20
"""Compressed bytes in a range of bzip2 blocks, at most, but for the block that goes beyond them."""

# MediaWiki takes 2 MiB of wikitext; but a page of a dump with all revisions has one text for each of them.
PAGE_BYTES = 64 * 2**20
"""Bytes of XML above which a page is reported as too large."""

CHUNK_BYTES = 2**20
"""Bytes that are decompressed at a time."""

_OPEN = re.compile(rb"<page[\s>]")

_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

Compression = Literal["plain", "bz2", "gz", "zst", "xz"]

_MAGIC: tuple[tuple[bytes, Compression], ...] = (
    (b"BZh", "bz2"),
    (b"\x1f\x8b", "gz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (b"\xfd7zXZ\x00", "xz"),
)
_REFUSED = {b"7z\xbc\xaf\x27\x1c": ("7-Zip", "7z x"), b"PK\x03\x04": ("a zip archive", "unzip")}


def looks_like_dump(name: str) -> bool:
    """Whether a file in a folder is taken for a dump.

    >>> looks_like_dump("a/simplewiki-pages-articles.xml.bz2"), looks_like_dump("a/fetch.json")
    (True, False)
    """
    base = name.rsplit("/", 1)[-1]
    # Dumps in pieces end in .xml-p1p41242, compressed or not, so that .xml may stand anywhere in the name.
    return ".xml" in base and "-index" not in base and not base.endswith((".sha1", ".md5", ".tmp", ".part"))


def the_dump_in(path: str) -> str:
    """The path itself if it is no folder, else the one dump in it, as ``corpuskit fetch`` leaves it there.

    Raises:
        InputError: the folder holds none, or several.
    """
    if kind_of(path) != "folder":
        return path
    found = [(name, place) for name, place in survey(path).files if looks_like_dump(name)]
    if len(found) != 1:
        names = f"{len(found)} dumps: {some([name for name, _ in found])}" if found else "no dump"
        raise InputError(f"{path}: a folder with {names}", remedy="Name the file of one dump.")
    return found[0][1]


def sniff(path: str, name: str) -> Compression:
    """Tell the compression by the first bytes, never by the file's name.

    Args:
        path: of a file, or its URI.
        name: what messages call the file.

    Raises:
        InputError: the file is not there, empty, or of a kind that is not read.
    """
    try:
        with open_file(path) as file:
            magic = file.read(16)
    except FileNotFoundError:
        raise InputError(f"{name}: there is no such file", remedy="Check `path`.") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{name}: cannot be read: {reason}", remedy="Check `path`.") from error
    if not magic:
        raise InputError(f"{name}: the file is empty", remedy="Download it again.")
    compression = _compression(magic)
    if compression != "plain":
        return compression
    for start, (kind, command) in _REFUSED.items():
        if magic.startswith(start):
            remedy = f"Unpack it first ({command} {base_name(name)}), or download the dump as .bz2."
            raise InputError(f"{name}: {kind} is not read", remedy=remedy)
    if magic[:2] not in _UTF16 and not magic.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        remedy = "Give a pages-articles dump (.xml, .bz2, .gz, .zst, .xz)."
        raise InputError(f"{name}: no XML dump: it begins with {magic!r}", remedy=remedy)
    return "plain"


def sniff_compression(path: str) -> Compression:
    """The compression of a file that need not be a dump: ``plain`` unless its first bytes say otherwise."""
    with open_file(path) as file:
        return _compression(file.read(16))


def _compression(magic: bytes) -> Compression:
    return next((compression for start, compression in _MAGIC if magic.startswith(start)), "plain")


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
    """Read what stands before the first page, and tell the encoding.

    Every part of a dump asks for it. A file is read again only when it has changed.
    """
    return _read_head(path, compression, stamp(path))


# Two: a worker that expands templates goes back and forth between a dump and the one with the definitions.
@lru_cache(maxsize=2)
def _read_head(path: str, compression: Compression, _: tuple[int, ...]) -> Head:
    head, encoding = bytearray(), ""
    # One block of bzip2 holds a whole head; eight would be decoded for the first of them.
    for chunk in _decompress(path, compression, None, blocks=1):
        if isinstance(chunk, Break):  # pages behind a damaged first block are still worth reading
            return Head(bytes(head), True, encoding or "utf-8")
        if not encoding:
            encoding = _UTF16.get(chunk.data[:2], "utf-8")
            recode = codecs.getincrementaldecoder(encoding)("replace")
        head += chunk.data if encoding == "utf-8" else recode.decode(chunk.data).encode()
        if (match := _OPEN.search(head)) is not None:
            return Head(bytes(head[: match.start()]), True, encoding)
        if len(head) > 4 * CHUNK_BYTES:
            break
    return Head(bytes(head), False, encoding or "utf-8")


def ranges(path: str, compression: Compression, encoding: str) -> list[Range]:
    """Cut a file into parts by its content alone."""
    with open_file(path) as file:
        size = size_of(file)
        cuts = [0]
        if encoding == "utf-8" and compression == "plain":
            cuts = list(range(0, size, _step(size, PLAIN_PART_BYTES)))
        elif encoding == "utf-8" and compression == "bz2":
            cuts = bzip2.cuts(file, size, _step(size, BZ2_PART_BYTES))
    return [Range(a, b) for a, b in zip(cuts, [*cuts[1:], size], strict=True)]


def _step(size: int, most: int) -> int:
    """Size of the parts of a file: equal, and in number a power of two, so that 2 or 4 workers end together.

    >>> _step(100, 100), _step(101, 100), _step(290, 100)
    (100, 51, 73)
    """
    count = 1 << (-(-size // most) - 1).bit_length() if size > most else 1
    return -(-size // count)


def read_chunks(
    path: str, compression: Compression, encoding: str, piece: Range | None = None
) -> Iterator[Chunk | Break]:
    """Read a range, or all, as UTF-8 and, for as long as the caller asks, what follows the range."""
    # UTF-8 is passed on as it is: whoever parses a page tells bytes that are none, page by page.
    recode = codecs.getincrementaldecoder(encoding)("replace") if encoding != "utf-8" else None
    for chunk in _decompress(path, compression, piece):
        if recode is None or isinstance(chunk, Break):
            yield chunk
        else:
            yield Chunk(recode.decode(chunk.data).encode(), chunk.beyond)


def _decompress(
    path: str, compression: Compression, piece: Range | None, blocks: int = bzip2.RUN_BLOCKS
) -> Iterator[Chunk | Break]:
    with open_file(path) as file:
        size = size_of(file)
        file.seek(0)
        piece = piece or Range(0, size)
        if compression == "bz2":
            yield from bzip2.decompress(file, size, piece, blocks=blocks)
        elif compression == "zst":
            yield from _decompress_zst(path, size)
        elif compression == "plain":
            yield from _read_plain(file, piece)
        else:
            yield from _decompress_streams(file, size, gzip=compression == "gz")


def _read_plain(file: BinaryIO, piece: Range) -> Iterator[Chunk]:
    file.seek(piece.start)
    at = piece.start
    while data := file.read(min(CHUNK_BYTES, piece.end - at) if at < piece.end else CHUNK_BYTES):
        yield Chunk(data, at >= piece.end)
        at += len(data)


def _decompress_streams(file: BinaryIO, size: int, *, gzip: bool) -> Iterator[Chunk | Break]:
    """Decompress streams of gzip or of xz that are laid end to end."""

    def begin() -> Any:
        # 31: the largest window (15), and a head of gzip (16) instead of one of zlib.
        return zlib.decompressobj(wbits=31) if gzip else lzma.LZMADecompressor(lzma.FORMAT_XZ)

    start, data, decoder = 0, b"", begin()
    while True:
        # xz's keeps what it has not used yet, and says when it wants more; zlib's gives it back.
        if not data and getattr(decoder, "needs_input", True):
            data = file.read(CHUNK_BYTES // 4)
            if not data:
                if start < size:
                    yield Break("truncated", start, 0, "the file ends inside a compressed stream")
                return
        try:
            out = decoder.decompress(data, CHUNK_BYTES)
        except (zlib.error, lzma.LZMAError) as error:
            left = size - file.tell() + len(data)
            # gzip has one checksum, at its end: the damage may lie anywhere from the start of the stream on.
            yield Break("damaged", start if gzip else size - left, left, str(error))
            return
        data = getattr(decoder, "unconsumed_tail", b"")
        if out:
            yield Chunk(out, False)
        if decoder.eof:
            data = decoder.unused_data or file.read(CHUNK_BYTES // 4)
            # Padding to a block of tape or disk; xz allows it between streams too.
            if not gzip or not data.strip(b"\0"):
                data = data.lstrip(b"\0")
            start = file.tell() - len(data) if data else size
            decoder = begin()


def _decompress_zst(path: str, size: int) -> Iterator[Chunk | Break]:
    """Decode frames of Zstandard.

    Where a read fails, what it had decoded is not handed out: it is read again up to there in smaller and
    smaller pieces, so that nothing before the damage is lost.
    """
    done, error, at = 0, "", 0
    for piece in (CHUNK_BYTES, 1024, 1):
        with open_file(path) as raw, pa.CompressedInputStream(raw, "zstd") as stream:
            left = done
            try:
                while left and (passed := stream.read(min(left, CHUNK_BYTES))):
                    left -= len(passed)
                while data := stream.read(piece):
                    done += len(data)
                    yield Chunk(data, False)
                return
            except OSError as failure:
                error, at = str(failure), raw.tell()
    # Arrow has no class of error for it; the sentence is "Truncated compressed stream".
    kind = "truncated" if at >= size and "runcated" in error else "damaged"
    yield Break(kind, at, size - at, error)
