"""Files by path or by URI: ``dumps/enwiki.xml.bz2`` and ``s3://bucket/enwiki.xml.bz2`` are read alike.

URIs are those of pyarrow's file systems: ``file://``, ``s3://``, ``gs://``, ``hdfs://``. Dumps are read at
random, so that parts of one object are read by several workers without a copy on the local disk.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, cast
from urllib.parse import quote, unquote

from corpuskit.errors import InputError, SettingError

if TYPE_CHECKING:  # Whoever only asks whether something is a URI does not wait for pyarrow.
    from pyarrow import fs

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What speaks to a terminal or ends a line."""

_PLAIN = "/:@!$&'()*+,;=~"
"""What is not percent-encoded in the path of a URI, beside letters, digits, ``-``, ``.`` and ``_``."""


def system_of(place: str) -> tuple[fs.FileSystem, str]:
    """The file system of a URI and the path within it. Raises InputError where none is known for it."""
    from pyarrow import ArrowException, fs

    try:
        system, path = fs.FileSystem.from_uri(place)
    except (ArrowException, OSError) as error:
        raise InputError(f"{place}: {error}", remedy="Use file://, s3://, gs:// or hdfs://.") from None
    return system, path


def below(place: str, name: str) -> str:
    """The URI of what lies below a folder that a URI names; what stands behind a ``?`` stays at the end.

    >>> below("s3://bucket/run/?region=eu-west-1", "shards")
    's3://bucket/run/shards?region=eu-west-1'
    """
    folder, mark, options = place.partition("?")
    return f"{folder.rstrip('/')}/{name}{mark}{options}"


def open_file(place: str) -> BinaryIO:
    """Open a file for reading at random.

    Raises:
        OSError: it is not there or may not be read.
        InputError: no file system is known for such a URI.
    """
    if not is_uri(place):
        return open(place, "rb")
    system, path = system_of(place)
    return cast(BinaryIO, system.open_input_file(path))


def size_of(file: BinaryIO) -> int:
    """Bytes of an open file; its position is left at its end."""
    return file.seek(0, os.SEEK_END)


def kind_of(place: str) -> Literal["file", "folder", ""]:
    """What lies at a place; empty if nothing does, or nothing that can be read."""
    if not is_uri(place):
        return "file" if os.path.isfile(place) else "folder" if os.path.isdir(place) else ""
    from pyarrow.fs import FileType

    system, path = system_of(place)
    try:
        kind = system.get_file_info(path).type
    except OSError as error:
        raise InputError(f"{place}: {error}", remedy="Check the address, and your rights.") from error
    return "file" if kind == FileType.File else "folder" if kind == FileType.Directory else ""


def list_files(folder: str) -> tuple[list[str], list[str]]:
    """What lies below the folder that a URI names, in the order of names.

    Returns:
        The URIs of the files, and the relative names of what is hidden (``.git``), which is left out.
    """
    from pyarrow.fs import FileSelector

    system, path = system_of(folder)
    found = system.get_file_info(FileSelector(path, recursive=True))
    files, hidden = [], set[str]()
    for name in sorted(info.path[len(path) :].strip("/") for info in found if info.is_file):
        pieces = name.split("/")
        first = next((i for i, piece in enumerate(pieces) if piece.startswith(".")), None)
        if first is None:
            files.append(f"{folder.rstrip('/')}/{quote(name, safe=_PLAIN)}")
        else:
            hidden.add("/".join(pieces[: first + 1]))
    return files, sorted(hidden)


def names_below(folder: Path) -> list[str]:
    """Relative names of all files below a folder that are not hidden, in order."""
    found: list[str] = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        found += [
            (Path(root) / each).relative_to(folder).as_posix() for each in files if not each.startswith(".")
        ]
    return sorted(found)


def base_name(place: str) -> str:
    """The last piece of a path or URI."""
    return unquote(place.rstrip("/").rpartition("/")[2]) if is_uri(place) else os.path.basename(place)


def name_below(root: str, place: str) -> str:
    """The path of a file below a folder, both given as URIs; the last piece alone of the root itself."""
    below = place.removeprefix(root.rstrip("/")).strip("/")
    return unquote(below) if below else base_name(place)


def plain_name(name: str) -> str:
    """A name of a file or field as it may be stored and shown: odd bytes and control characters written out.

    >>> plain_name("a\\x1b[31m\\n.txt")
    'a\\\\x1b[31m\\\\x0a.txt'
    """
    if name.isascii() and name.isprintable():
        return name
    try:
        text = os.fsencode(name).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half of a surrogate pair, which no file system gave
        text = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return CONTROL.sub(written_out, text)


def written_out(control: re.Match[str]) -> str:
    """A control character as it is written in Python: ``\\x1b``."""
    code = ord(control[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def is_uri(file: str) -> bool:
    """Whether an input is named by the URI of one of pyarrow's file systems (``s3://bucket/key``)."""
    return "://" in file


def local_path(place: str | Path) -> Path:
    """The path of something that must lie on this machine. Raises `SettingError` for a URI.

    As a path a URI has lost one of its slashes: it would become a folder called ``s3:``.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(place)):
        message = f"{place}: is a URI, and this must lie on this machine"
        raise SettingError(message, remedy="Give the path of a folder, and copy what is in it afterwards.")
    return Path(place)


def stamp(file: str | Path) -> tuple[int, ...]:
    """What changes when a file does: its size, times of change, and which file it is.

    The time of change alone can be kept (``cp -p``, ``rsync``, ``tar``); that of the entry cannot. An object
    store tells size and time alone.

    Raises:
        OSError: the file is not there or cannot be looked at.
        InputError: no file system is known for such a URI.
    """
    if is_uri(str(file)):
        system, path = system_of(str(file))
        info = system.get_file_info(path)
        if not info.is_file:
            raise FileNotFoundError(f"{file}: there is no such file")
        return int(info.size), int(info.mtime_ns or 0)
    state = Path(file).stat()
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino
