"""The bytes of files as they are read: decompressed by their endings, and named by what they begin with."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

import pyarrow as pa

from corpuskit.errors import InputError, read_remedy

MAX_ROW_BYTES = 256 * 2**20
"""A line or a text file of more bytes than this is quarantined: it could not be one document."""

EXCERPT_BYTES = 200
CHUNK_BYTES = 2**18
_OPENERS: dict[str, Callable[[str], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": lambda path: pa.CompressedInputStream(arrow_file(path), "zstd"),
}
COMPRESSIONS = tuple(_OPENERS)

# What a file begins with that is something else than its name says.
_MAGIC = (
    (b"PK\x03\x04", "a zip archive", "Unpack it"),
    (b"\x1f\x8b", "compressed with gzip", "Give it the ending .gz, or unpack it with `gzip -d`"),
    (b"BZh", "compressed with bzip2", "Give it the ending .bz2, or unpack it with `bzip2 -d`"),
    (b"\xfd7zXZ\x00", "compressed with xz", "Give it the ending .xz, or unpack it with `xz -d`"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Give it the ending .zst, or unpack it with `zstd -d`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it"),
    (b"PAR1", "a Parquet file", "Give it the ending .parquet"),
    (b"ARROW1", "an Arrow file", "Give it the ending .arrow"),
    (b"%PDF-", "a PDF", "Convert it to text"),
    (b"SQLite format 3\x00", "an SQLite database", "Export its table as .csv or .jsonl"),
    (b"\x89PNG\r\n", "a picture", "Take it out of the folder"),
    (b"\xff\xd8\xff", "a picture", "Take it out of the folder"),
    (b"\x7fELF", "a program", "Take it out of the folder"),
)
_STARTS = {".gz": b"\x1f\x8b", ".bz2": b"BZh", ".xz": b"\xfd7zXZ\x00", ".zst": b""}
_TAR_AT, _TAR = 257, b"ustar"
_ZSTD_WINDOW = 2**27
"""Bytes of the largest window that a zstd frame may ask for: what `zstd` itself reads without --long.

Arrow has no setting for it, and Python has a reader of its own only from 3.14 on. Each worker would also
hold the window, 2 GiB for --long=31."""


class BrokenStreamError(Exception):
    """A compressed stream broke off; what was read before has been handed on."""

    def __init__(self, kind: str, cause: object, remedy: str = "Fetch the file again.") -> None:
        super().__init__(str(cause))
        self.kind = kind
        self.remedy = remedy


def arrow_file(path: str) -> pa.OSFile:
    """A file as Arrow opens it, also under a name that is not UTF-8. Raises OSError."""
    return pa.OSFile(os.fsencode(path), "rb")


def compression(name: str) -> str:
    """The ending that says how a file is compressed, as the file has it; ``""`` for none.

    >>> compression("A.TXT.GZ"), compression("a.txt")
    ('.GZ', '')
    """
    ending = os.path.splitext(name)[1]
    return ending if ending.lower() in _OPENERS else ""


def bare(name: str) -> str:
    """A name in small letters, without the ending of its compression.

    >>> bare("A.TXT.GZ")
    'a.txt'
    """
    return name.removesuffix(compression(name)).lower()


def what_it_is(data: bytes) -> tuple[str, str]:
    """What a file that begins so is, and what to do with it; empty strings for text and what is not known."""
    if data[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        return "a tar archive", "Unpack it"
    return next(((what, remedy) for magic, what, remedy in _MAGIC if data.startswith(magic)), ("", ""))


def unreadable(path: str, error: OSError) -> InputError:
    """The error for a file that the system does not let us read."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return InputError(f"{path}: cannot be read: {reason}", remedy=read_remedy(error))


def size_on_disk(path: str) -> int:
    """Bytes of a file. Raises `InputError` if it is not there any more."""
    try:
        return os.path.getsize(path)
    except OSError as error:
        raise unreadable(path, error) from error


def _open(path: str) -> BinaryIO:
    """Open a file, decompressing by its ending. Raises `InputError` if it is not there."""
    try:
        opener = _OPENERS.get(compression(path).lower())
        return cast(BinaryIO, opener(path)) if opener else open(path, "rb")
    except OSError as error:
        raise unreadable(path, error) from error


def chunks(path: str, size: int | None = None) -> Iterator[bytes]:
    """The decompressed bytes of a file. Raises `BrokenStreamError` where a compressed stream breaks off."""
    packed = compression(path)
    if packed and not size_on_disk(path):
        return  # An empty file in any compression: gzip reads it so, the others would call it truncated.
    with _open(path) as stream:
        # read1 gives what is there before it fails on what is not, so that nothing readable is lost.
        read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        while True:
            try:
                chunk = read(size or CHUNK_BYTES)
            except EOFError as error:
                raise BrokenStreamError("truncated", error) from error
            except (OSError, zlib.error, lzma.LZMAError) as error:
                if not packed or getattr(error, "errno", None) in (errno.EIO, errno.ESTALE):
                    raise unreadable(path, cast(OSError, error)) from error
                raise _broken(path, error) from error
            if not chunk:
                return
            yield chunk


def _broken(path: str, error: Exception) -> BrokenStreamError:
    """Why a compressed file cannot be read on."""
    with open(path, "rb") as file:
        head = file.read(512)
    window = _zstd_window(head)
    if window > _ZSTD_WINDOW or "too much memory" in str(error):
        size = f"{window >> 20:,} MiB" if window > _ZSTD_WINDOW else "more than that"
        cause = (
            f"packed with `zstd --long`: it needs a window of {size}, and {_ZSTD_WINDOW >> 20} MiB are given"
        )
        return BrokenStreamError(
            "long_window", cause, "Pack it again: zstd -dc --long=31 FILE | zstd > NEW.zst"
        )
    if not head.startswith(_STARTS[compression(path).lower()]):
        what, _ = what_it_is(head)
        cause = f"it is {what or 'something else'}, whatever its ending says"
        return BrokenStreamError("corrupt", cause, "Rename it by what it holds, or fetch it again.")
    # Arrow has no class of error for it: its sentence is "Truncated compressed stream".
    kind = "truncated" if "runcated" in str(error) else "corrupt"
    return BrokenStreamError(kind, error)


def _zstd_window(head: bytes) -> int:
    """Bytes of the window that the first frame of a zstd file asks for (RFC 8878, section 3.1.1.1)."""
    if head[:4] != b"\x28\xb5\x2f\xfd" or len(head) < 14:
        return 0
    if not head[4] & 0x20:
        exponent, mantissa = head[5] >> 3, head[5] & 7
        return (1 << (10 + exponent)) // 8 * (8 + mantissa)
    # A frame in one segment states its size in place of a window.
    at = 5 + (0, 1, 2, 4)[head[4] & 3]
    width = (1, 2, 4, 8)[head[4] >> 6]
    return int.from_bytes(head[at : at + width], "little") + (256 if width == 2 else 0)
