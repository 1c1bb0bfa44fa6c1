"""What the place and name of a file in a Project Gutenberg tree say: the book's number and the edition.

A mirror keeps book 1342 in ``1/3/4/1342/`` as ``1342-0.txt`` (UTF-8), ``1342-8.txt`` (8 bits),
``1342-5.txt`` (Big5) and ``1342.txt`` (ASCII), each with a zip archive of the same name beside it, older
files below ``old/`` and other formats as ``1342-h.zip`` and ``1342-h/``. What the site makes of the newest
file lies in ``cache/epub/1342/pg1342.txt`` (``.txt.utf8``). Files before 2004 have names of eight
characters: ``pandp12.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

TEXT_SUFFIXES = (".txt", ".txt.gz", ".txt.utf8", ".txt.utf-8")
ZIP_SUFFIX = ".zip"

_FILE_NUMBER = re.compile(r"(?:.*__)?(pg)?(\d{1,6})(?:-(?:0|5|8|utf-?8))?$", re.IGNORECASE)
_OTHER_FORMAT = re.compile(
    r"(?:pg)?\d{1,6}-(?:h|m|t|x|r|p|rst|tei|tex|lit|doc|rtf|pdf|pdb|prc|epub|kindle|mp3|ogg|m4b|spx|mid|mus|avi"
    r"|images?|page-images|index)$"
)
"""Archives of other formats by their names; what is not known here is opened."""
_TITLED_FOLDER = re.compile(r"(\d{5,6})_.+$")
_OLD = re.compile(r"(?:^|/|_)old(?:/|_|-)", re.IGNORECASE)
_RELEASE = re.compile(r"[a-z]{2,}\d?(\d\d)[a-z]?$", re.IGNORECASE)
"""Old names have eight characters, the last digits of which count releases: ``pandp12``, ``8fau110``."""


def stem(name: str) -> str:
    """A file's name without folders and suffixes."""
    base = name.rsplit("/", 1)[-1].lower()
    return re.sub(r"(?:\.txt)?(?:\.gz|\.zip|\.utf-?8)?$", "", base)


def is_other_format(name: str) -> bool:
    """Whether an archive holds no plain text, by its name.

    >>> [is_other_format(n) for n in ("1342-h.zip", "1342-0.zip", "pandp12.zip")]
    [True, False, False]
    """
    return bool(_OTHER_FORMAT.match(stem(name)))


def packed_twins(names: Iterable[str]) -> set[str]:
    """The archives that lie beside the same file unpacked, in the same folder under the same name.

    >>> sorted(packed_twins(["1/1-0.zip", "1/1-0.txt", "1/1.zip", "old/1-0.zip"]))
    ['1/1-0.zip']
    """
    names = list(names)
    plain = {_unsuffixed(n) for n in names if n.lower().endswith(TEXT_SUFFIXES)}
    return {n for n in names if n.lower().endswith(ZIP_SUFFIX) and _unsuffixed(n) in plain}


def _unsuffixed(name: str) -> str:
    folder, _, _ = name.rpartition("/")
    return f"{folder}/{stem(name)}"


def release(name: str) -> int:
    """Rank of a file among others by place and name, 999 for a mirror's current one, the oldest lowest.

    >>> [release(n) for n in ("84-0.txt", "cache/pg84.txt", "old/84.txt", "frank15.txt", "8fau110.txt")]
    [999, 998, 100, 15, 10]
    """
    # Above all releases of two digits, which are older: 100 for what was moved away, 998 and 999 for today.
    base = stem(name)
    numbered = _FILE_NUMBER.match(base)
    eight_characters = None if numbered else _RELEASE.search(base)
    if eight_characters:
        return int(eight_characters[1])
    if _OLD.search(name):
        return 100
    return 998 if numbered and numbered[1] else 999


def number_in_path(name: str) -> int | None:
    """The book number in a relative path, by the file name and else by the nearest folder.

    >>> [number_in_path(n) for n in ("1342-0.txt", "cache/epub/1342/pg1342.txt")]
    [1342, 1342]
    >>> [number_in_path(n) for n in ("1/3/4/1342/old/pandp10.txt", "01342_Pride/x.txt.gz", "2023/notes.txt")]
    [1342, 1342, None]
    """
    if in_name := _FILE_NUMBER.match(stem(name)):
        return int(in_name[2]) or None
    folders = name.split("/")[:-1]
    for depth in reversed(range(len(folders))):
        packed = folders[depth].lower().endswith(ZIP_SUFFIX) and _FILE_NUMBER.match(stem(folders[depth]))
        if packed:
            return int(packed[2]) or None
        if titled := _TITLED_FOLDER.match(folders[depth]):
            return int(titled[1]) or None
        if folders[depth].isascii() and folders[depth].isdigit() and _is_mirror_folder(folders[: depth + 1]):
            return int(folders[depth])
    return None


def _is_mirror_folder(folders: list[str]) -> bool:
    """Whether a folder lies where a mirror puts a book: ``1/3/4/1342``, ``0/7``, ``cache/epub/1342``."""
    *above, last = folders
    digits = list(last[:-1]) or ["0"]
    return above[-len(digits) :] == digits or above[-1:] == ["epub"]
