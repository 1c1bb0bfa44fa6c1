"""What the place and name of a file in a Project Gutenberg tree say: the book's number and the edition."""

from __future__ import annotations

import re

_FILE_NUMBER = re.compile(r"(?:.*__)?(?:pg)?(\d{1,6})(?:-(?:0|8|utf-?8))?$", re.IGNORECASE)
_TITLED_FOLDER = re.compile(r"(\d{5,6})_.+$")
_OLD = re.compile(r"(?:^|/|_)old(?:/|_|-)", re.IGNORECASE)
_RELEASE = re.compile(r"[a-z]{2,}\d?(\d\d)[a-z]?$", re.IGNORECASE)
"""Old names have eight characters, the last digits of which count releases: ``pandp12``, ``8fau110``."""


def stem(name: str) -> str:
    """A file's name without folders and suffixes."""
    base = name.rsplit("/", 1)[-1].lower()
    return base.removesuffix(".gz").removesuffix(".txt")


def release(name: str) -> int:
    """Rank of a file among others by its name: 999 for a current one, below for old ones, newest first.

    >>> [release(n) for n in ("pg84.txt", "old__2008-84.txt", "old/frank15.txt", "8fau110.txt")]
    [999, 100, 15, 10]
    """
    base = stem(name)
    eight_characters = None if _FILE_NUMBER.match(base) else _RELEASE.search(base)
    if eight_characters:
        return int(eight_characters[1])
    return 100 if _OLD.search(name) else 999


def number_in_path(name: str) -> int | None:
    """The book number in a relative path, by the file name and else by the nearest folder.

    >>> [number_in_path(n) for n in ("1342-0.txt", "cache/epub/1342/pg1342.txt")]
    [1342, 1342]
    >>> [number_in_path(n) for n in ("1/3/4/1342/old/pandp10.txt", "01342_Pride/x.txt.gz", "2023/notes.txt")]
    [1342, 1342, None]
    """
    in_name = _FILE_NUMBER.match(stem(name))
    if in_name:
        return int(in_name[1]) or None
    folders = name.split("/")[:-1]
    for depth in reversed(range(len(folders))):
        titled = _TITLED_FOLDER.match(folders[depth])
        if titled:
            return int(titled[1]) or None
        if folders[depth].isascii() and folders[depth].isdigit() and _is_mirror_folder(folders[: depth + 1]):
            return int(folders[depth])
    return None


def _is_mirror_folder(folders: list[str]) -> bool:
    """Whether a folder lies where a mirror puts a book: ``1/3/4/1342``, ``0/7``, ``cache/epub/1342``."""
    *above, last = folders
    digits = list(last[:-1]) or ["0"]
    return above[-len(digits) :] == digits or above[-1:] == ["epub"]
