"""The raw texts in one file of a Project Gutenberg tree: plain, gzipped, or one or more in a zip archive.

Nothing is unpacked to disk and no name in an archive is ever opened as a path. An archive is refused, as a
whole or by member, before its content can take more memory than `MAX_ROW_BYTES`: sizes are taken from the
archive's directory and not believed, but counted again while unpacking.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from corpuskit.storage.places import plain_name
from corpuskit.storage.streams import MAX_ROW_BYTES, BrokenStreamError, chunks

MAX_DIRECTORY_BYTES = 16 * 2**20
"""An archive's directory is read whole; that of a thousand page images is below 200 KB."""

MAX_TEXTS = 256
"""Texts in one archive after which the rest is refused; a book in volumes has a few dozen."""

MAX_RATIO = 100
"""Deflated prose is a third of its size. Above 1 MiB, what unpacks to more than this many times its size is
taken for a bomb (deflate itself ends at 1,032)."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How Project Gutenberg packs. Python unpacks bzip2 and LZMA without a bound: 1 KB becomes gigabytes."""

_CHUNK = 2**20
_END_RECORD = b"PK\x05\x06"
_END_BYTES = 22 + 65_535


@dataclass(frozen=True)
class RawText:
    """The bytes of a text; ``name`` is the file's relative name, for a member of an archive with its own."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Unreadable:
    """A file or member that is set aside.

    Attributes:
        kind: ``truncated``, ``corrupt``, ``too_large``, ``zip_bomb``, ``encrypted``, ``unsupported_zip``...
        error: the thing, the value and the remedy.
        size: bytes set aside: of the file, or of the member as it is stored.
        data: its beginning, to be recognised by.
    """

    name: str
    kind: str
    error: str
    size: int
    data: bytes = b""


@dataclass(frozen=True)
class NoText:
    """An archive without a text file: pictures, HTML, sound. ``size`` is its size on disk."""

    name: str
    size: int


def raw_texts(path: str, name: str) -> Iterator[RawText | Unreadable | NoText]:
    """What a file of the tree holds; at least one thing for every file.

    Args:
        path: where it lies.
        name: its name relative to the tree, as messages call it.
    """
    if name.lower().endswith(".zip"):
        yield from _zipped(path, name)
    else:
        yield _plain(path, name)


def _plain(path: str, name: str) -> RawText | Unreadable:
    """A plain or gzipped file."""
    if path.lower().endswith(".gz") and (whole := _unpacked(path)) is not None:
        return RawText(name, whole)
    held: list[bytes] = []
    size = 0
    try:
        for chunk in chunks(path):
            size += len(chunk)
            if size <= MAX_ROW_BYTES:
                held.append(chunk)
    except BrokenStreamError as broken:
        error = f"{name}: the compressed file is {broken.kind} ({broken}). Fetch it again."
        return Unreadable(name, broken.kind, error, size, b"".join(held[:1]))
    if size > MAX_ROW_BYTES:
        return Unreadable(name, "too_large", _too_large(name, size), size, held[0])
    return RawText(name, b"".join(held))


def _unpacked(path: str) -> bytes | None:
    """A gzipped file of one member, unpacked at once; None for what is more, broken or too large."""
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        with open(path, "rb") as file:
            whole = stream.decompress(file.read(MAX_ROW_BYTES), MAX_ROW_BYTES)
    except (OSError, zlib.error):
        return None  # `chunks` says what is wrong
    return whole if stream.eof and not stream.unused_data else None


def _too_large(name: str, size: int) -> str:
    return f"{name}: {size:,} bytes are more than the {MAX_ROW_BYTES:,} of one book. Exclude it."


def _zipped(path: str, name: str) -> Iterator[RawText | Unreadable | NoText]:
    """The texts of an archive in the order of its directory."""
    size = os.path.getsize(path)
    try:
        directory = _directory_bytes(path, size)
        if directory > MAX_DIRECTORY_BYTES:
            what = f"a directory of {directory:,} bytes, {MAX_DIRECTORY_BYTES:,} allowed"
            yield Unreadable(name, "zip_bomb", f"{name}: {what}. Exclude it.", size)
            return
        with zipfile.ZipFile(path) as archive:
            files = (m for m in archive.infolist() if not m.is_dir())
            if not (members := [m for m in files if m.filename.lower().endswith(".txt")]):
                yield NoText(name, size)
            for member in members[:MAX_TEXTS]:
                yield _member(archive, member, name)
            if len(members) > MAX_TEXTS:
                error = f"{name}: {len(members):,} texts, of which the first {MAX_TEXTS} are read. Unpack it."
                rest = sum(m.compress_size for m in members[MAX_TEXTS:])
                yield Unreadable(name, "too_many_texts", error, rest)
    except NotImplementedError as unknown:
        error = f"{name}: packed by a version of zip that is not read ({_words(unknown)}). Use unzip."
        yield Unreadable(name, "unsupported_zip", error, size)
    except (zipfile.BadZipFile, OSError, ValueError, struct.error) as broken:
        error = f"{name}: no zip archive that can be read ({_words(broken)}). Fetch it again."
        yield Unreadable(name, "corrupt", error, size)


def _words(said: object) -> str:
    """A foreign message or name as one line."""
    return " ".join(str(said).split())


def _directory_bytes(path: str, size: int) -> int:
    """Size of an archive's directory by its end record, which stands last, before a comment at most.

    Raises:
        zipfile.BadZipFile: there is no end record.
    """
    with open(path, "rb") as file:
        file.seek(max(0, size - _END_BYTES))
        tail = file.read(_END_BYTES)
    at = tail.rfind(_END_RECORD)
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile("no end of a zip archive: the file is cut off, or no zip at all")
    stated: int = struct.unpack_from("<L", tail, at + 12)[0]
    return stated  # 2**32 - 1 for the form of archives above 4 GiB, which is refused with the rest


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, archive_name: str) -> RawText | Unreadable:
    """Unpack one text, or say why not."""
    inside = member.filename.replace("\\", "/")
    name = f"{archive_name}/{plain_name(_words(inside))}"
    stored = member.compress_size
    if inside.startswith("/") or ":" in inside or ".." in PurePosixPath(inside).parts:
        error = f"{name}: a name that leads out of its archive. Unpack it by hand if it is to be trusted."
        return Unreadable(name, "unsafe_name", error, stored)
    if member.flag_bits & 1:
        return Unreadable(name, "encrypted", f"{name}: needs a password. Unpack it first.", stored)
    if member.file_size > MAX_ROW_BYTES:
        return Unreadable(name, "too_large", _too_large(name, member.file_size), stored)
    if member.compress_type not in _METHODS:
        error = f"{name}: packed by method {member.compress_type}, which is not read. Unpack it with unzip."
        return Unreadable(name, "unsupported_zip", error, stored)
    held: list[bytes] = []
    size = 0
    try:
        with archive.open(member) as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                if size > MAX_ROW_BYTES or size > max(2**20, MAX_RATIO * max(stored, 1)):
                    what = f"{stored:,} bytes unpack to more than {size:,}: no book does"
                    error = f"{name}: {what}. Exclude it."
                    return Unreadable(name, "zip_bomb", error, stored, held[0] if held else b"")
                held.append(chunk)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as broken:
        error = f"{name}: cannot be unpacked ({_words(broken)}). Fetch the archive again."
        return Unreadable(name, "corrupt", error, stored, held[0] if held else b"")
    return RawText(name, b"".join(held))
