"""Folders of files as sources see them: walked, named relative to their root, grouped into parts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from corpuskit.errors import InputError
from corpuskit.stage import Part


def walk(root: str) -> Iterator[str]:
    """All files below a folder, or the one file that ``root`` is. Hidden files and folders are left out."""
    if os.path.isfile(root):
        yield root
        return
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [n for n in subfolders if not n.startswith(".")]
        yield from (os.path.join(folder, n) for n in names if not n.startswith("."))


def relative_name(root: str, path: str) -> str:
    """The path of a file below ``root`` with ``/`` as separator, as it stands in ids.

    A name that is not UTF-8 could not be stored; its odd bytes are written out.
    """
    name = Path(root).name if Path(path) == Path(root) else Path(path).relative_to(root).as_posix()
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def matches(name: str, globs: Sequence[str]) -> bool:
    """Whether the relative name, or its last piece alone, matches one of the globs."""
    base = name.rsplit("/", 1)[-1]
    return any(fnmatchcase(name, glob) or fnmatchcase(base, glob) for glob in globs)


def require(path: str, owner: str) -> None:
    """Raise `InputError` unless ``path`` is there."""
    if not os.path.exists(path):
        raise InputError(f"{owner}: {path!r} does not exist", remedy="Check `path`.")


def group(paths: Sequence[str], limit: int) -> list[Part]:
    """Parts of whole files in the given order, closed before they exceed ``limit`` bytes on disk."""
    parts: list[Part] = []
    held: list[str] = []
    size = 0
    for path in paths:
        on_disk = os.path.getsize(path)
        if held and size + on_disk > limit:
            parts.append(Part(f"{len(parts):05d}", tuple(held), bytes=size))
            held, size = [], 0
        held.append(path)
        size += on_disk
    if held:
        parts.append(Part(f"{len(parts):05d}", tuple(held), bytes=size))
    return parts
