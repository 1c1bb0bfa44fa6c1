"""Folders of files as sources see them: walked, named relative to their root, grouped into parts."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from corpuskit.documents.reading import Quarantined, ReadingBuilder
from corpuskit.errors import InputError
from corpuskit.sources.source import Part
from corpuskit.storage.files import canonical_json
from corpuskit.storage.ownership import FETCHED, RUN, kind_of_folder
from corpuskit.storage.places import is_uri, kind_of, list_files, name_below, plain_name
from corpuskit.storage.streams import size_on_disk, unreadable

_WILD = re.compile(r"[*?\[]")
NO_KNOWN_FORMAT = "no known format"
COMPANION = re.compile(
    r"(.*/)?(fetch\.json|[^/]+-multistream-index\d*\.txt[^/]*|pg_catalog\.csv(\.gz)?"
    r"|\.fetch-(lock|tmp))"
)
"""What `corpuskit fetch` brings beside the texts. Nobody needs to be told that it is not read as one."""

SHOWN = 8
"""Names, or kinds of names, that a sentence lists."""


@dataclass(frozen=True)
class Found:
    """What lies below a folder.

    Attributes:
        files: relative name and path of the regular files, sorted by name.
        others: relative names of what is no such file, by what it is (``dangling link``, ``named pipe``...).
    """

    files: list[tuple[str, str]]
    others: dict[str, list[str]]


def require_local(owner: str, root: str) -> None:
    """Raise `InputError` for a URI, before anything is asked of it."""
    if is_uri(root):
        message = f"{owner}: {root} is a URI, and only dumps of wikis are read from where they lie"
        raise InputError(message, remedy="Copy the files to a folder of this machine, and give that.")


def split_pattern(path: str) -> tuple[str, str]:
    """The folder to look in and the pattern of names below it; no pattern for the path of a file or folder.

    >>> split_pattern("in/2024-*/**/*.txt"), split_pattern("in")
    (('in', '2024-*/**/*.txt'), ('in', ''))
    """
    if not _WILD.search(path) or is_uri(path) or os.path.lexists(path):
        return path, ""
    pieces = path.split("/")
    first = next(i for i, piece in enumerate(pieces) if _WILD.search(piece))
    root = "/".join(pieces[:first]) or ("/" if path.startswith("/") else ".")
    return root, "/".join(pieces[first:])


def fits_pattern(name: str, pattern: str) -> bool:
    """Whether a relative name fits a pattern as shells know them.

    ``*`` and ``?`` stay within a folder, ``**`` is any number of folders.

    >>> [fits_pattern(name, "**/a*.txt") for name in ("a.txt", "b/c/ab.txt", "b/c.txt")]
    [True, True, False]
    """
    return _fits(name.split("/"), pattern.split("/"))


def _fits(names: list[str], globs: list[str]) -> bool:
    # How many names may be taken by the globs so far: several ``**`` then cost no more than one.
    taken = {0}
    for number, glob in enumerate(globs, 1):
        if glob == "**":
            # At the end it stands for what lies in a folder, not for the folder.
            least = min(taken, default=len(names) + 1) + (number == len(globs))
            taken = set(range(least, len(names) + 1))
        else:
            taken = {n + 1 for n in taken if n < len(names) and fnmatchcase(names[n], glob)}
    return len(names) in taken


def survey(root: str, depth: int | None = None) -> Found:
    """All files below a folder, or the one file that ``root`` is; it may be a URI.

    Hidden files and folders are left out, and so are runs and models of corpuskit. Links to folders are
    followed, each real folder being read once: where it lies itself, else under the first link to it. Nothing
    but regular files is ever opened.

    Args:
        depth: how many folders below ``root`` are entered; all without it.

    Raises:
        InputError: ``root`` is a folder that may not be listed, a run or a model, or neither a file nor a
            folder.
    """
    if kind_of(root) == "file":
        return Found([(relative_name(root, root), root)], {})
    if is_uri(root):
        places, hidden = list_files(root)
        named = [(relative_name(root, place), place) for place in places]
        return Found(named, {"hidden": hidden} if hidden else {})
    if not os.path.isdir(root):
        raise InputError(f"{root}: neither a file nor a folder", remedy="Check `path`.")
    if (made := kind_of_folder(root)) is not None and made is not FETCHED:
        own = f" To read the documents of a run, name them: {root}/documents." if made is RUN else ""
        raise InputError(f"{root}: is {made} of corpuskit, no texts", remedy=f"Check `path`.{own}")
    files: list[str] = []
    others: dict[str, list[str]] = {}
    deepest = None if depth is None else len(Path(root).parts) + depth
    # Links wait until all that lies below is known: a folder keeps its own name, whatever leads to it.
    links, seen = [root], set[str]()
    while links:
        folder = links.pop(0)
        if os.path.realpath(folder) in seen:
            others.setdefault("link to a folder that is read already", []).append(relative_name(root, folder))
            continue
        links += sorted(_walk(folder, root, seen, files, others, deepest))
    found = sorted((relative_name(root, path), path) for path in files)
    return Found(found, {kind: sorted(names) for kind, names in sorted(others.items())})


def _walk(
    top: str,
    root: str,
    seen: set[str],
    files: list[str],
    others: dict[str, list[str]],
    deepest: int | None,
) -> list[str]:
    """Take in what lies below ``top`` without following links; returns those that lead to folders.

    Args:
        deepest: pieces that the path of a folder may have to be entered.
    """
    links: list[str] = []
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(folder)
        if real in seen:
            continue  # a link led to it before its own place was come to
        seen.add(real)
        try:
            with os.scandir(folder) as listing:
                # File systems list in orders of their own; parts and ids must not show them.
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if folder == root or error.errno in (errno.EMFILE, errno.ENFILE):
                raise unreadable(folder, error) from error
            kind = f"folder that cannot be listed ({error.strerror})"
            others.setdefault(kind, []).append(relative_name(root, folder))
            continue
        made = None if folder == root else kind_of_folder(folder, [entry.name for entry in entries])
        if made is not None and made is not FETCHED:
            # Its documents are copies of others, its logs and tables no text at all.
            others.setdefault(f"{made.name} of corpuskit", []).append(relative_name(root, folder))
            continue
        for entry in entries:
            kind = "hidden" if entry.name.startswith(".") else _kind(entry)
            if kind == "file":
                files.append(entry.path)
            elif kind in ("folder", "link"):
                if deepest is None or len(Path(entry.path).parts) <= deepest:
                    (waiting if kind == "folder" else links).append(entry.path)
            else:
                others.setdefault(kind, []).append(relative_name(root, entry.path))
    return links


def _kind(entry: os.DirEntry[str]) -> str:
    """``file``, ``folder``, ``link`` (to a folder), or what else stands in a folder."""
    try:
        mode = entry.stat().st_mode
    except OSError as error:
        return "dangling link" if entry.is_symlink() else f"file that is not there ({error.strerror})"
    if stat.S_ISREG(mode):
        return "file" if os.access(entry.path, os.R_OK) else "file that you may not read"
    if stat.S_ISDIR(mode):
        return "link" if entry.is_symlink() else "folder"
    kinds = {stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")


def some(names: Sequence[str]) -> str:
    """The first `SHOWN` names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def by_suffix(names: Iterable[str]) -> str:
    """``.pdf (3), .html (1)``: how many names end how, the most frequent endings first."""
    counts = Counter(PurePosixPath(name).suffix.lower() or PurePosixPath(name).name for name in names)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    more = f" and {len(ranked) - SHOWN} other kinds" if len(ranked) > SHOWN else ""
    return ", ".join(f"{suffix} ({count})" for suffix, count in ranked[:SHOWN]) + more


class FolderSelection:
    """What a source reads of a folder, and what it passes over and why.

    Names that the globs do not let in are as good as absent: nothing is said of them.

    Args:
        owner: what messages call the source.
        root: the folder, or one file; it may be a URI.
        include, exclude: globs, matched against the relative name and its last piece; no ``include`` lets
            all in.
        pattern: a pattern that the relative name must fit (`fits_pattern`); none without it.

    Attributes:
        found: relative name and path of all files, whatever the globs say, sorted by name.
        files: those to read: all that the globs let in, until `leave` takes some out.
        unreadable: relative names of files that are quarantined as a whole when they are read, and why.

    Raises:
        InputError: as of `survey`, or ``root`` does not exist.
    """

    def __init__(
        self,
        owner: str,
        root: str,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        pattern: str = "",
    ) -> None:
        if not (kind_of(root) or (not is_uri(root) and os.path.exists(root))):
            raise InputError(f"{owner}: {root!r} does not exist", remedy="Check `path`.")
        self._owner, self._root, self._include, self._exclude = owner, root, include, exclude
        self._pattern = pattern
        found = survey(root, None if not pattern or "**" in pattern else pattern.count("/"))
        self.found = found.files
        self.files = [(name, path) for name, path in found.files if self._lets_in(name)]
        self.unreadable: dict[str, str] = {}
        self._left: dict[str, list[str]] = {}
        names = [name for name, _ in found.files] + [name for each in found.others.values() for name in each]
        unused = [glob for glob in include if not any(matches(name, [glob]) for name in names)]
        self._unused = unused if len(unused) < len(include) else []
        self._others = {kind: list(filter(self._lets_in, names)) for kind, names in found.others.items()}

    def _lets_in(self, name: str) -> bool:
        if self._pattern and not fits_pattern(name, self._pattern):
            return False
        return (not self._include or matches(name, self._include)) and not matches(name, self._exclude)

    def leave(self, cause: str, test: Callable[[str], bool]) -> list[str]:
        """Take out the files whose relative names pass the test; returns these names."""
        self._left[cause] = [name for name, _ in self.files if test(name)]
        gone = set(self._left[cause])
        self.files = [(name, path) for name, path in self.files if name not in gone]
        return self._left[cause]

    def parts(self, limit: int, detail: Mapping[str, Any] | None = None) -> list[Part]:
        """Parts of whole files, closed before they exceed ``limit`` bytes on disk, each with ``detail``."""
        parts: list[Part] = []
        for paths, size in _groups([path for _, path in self.files], limit):
            names = [relative_name(self._root, path) for path in paths]
            bad = {name: self.unreadable[name] for name in names if name in self.unreadable}
            facts = {**(detail or {}), **({"unreadable": bad} if bad else {})}
            parts.append(Part(f"{len(parts):05d}", tuple(paths), facts, size))
        return self.noted(parts)

    def noted(self, parts: list[Part], *more: str) -> list[Part]:
        """The same parts, the first of which carries sentences for the log to where it is read.

        Args:
            more: sentences beside those about what is passed over.
        """
        sentences = []
        for cause, names in {**self._left, **self._others}.items():
            left = [name for name in names if not COMPANION.fullmatch(name)]
            # Of files of unknown kinds there may be thousands; their kinds are few.
            shown = by_suffix(left) if cause == NO_KNOWN_FORMAT else some(left)
            sentences += [f"{self._owner}: not read, {cause}: {shown}"] if left else []
        if self._unused:
            sentences.append(f"{self._owner}: no file fits of `include`: {some(self._unused)}")
        sentences += more
        if not parts or not sentences:
            return parts
        return [replace(parts[0], detail={**parts[0].detail, "not_read": sentences}), *parts[1:]]


def _groups(paths: Sequence[str], limit: int) -> Iterator[tuple[list[str], int]]:
    """Paths in their order, in groups of up to ``limit`` bytes on disk, with the bytes of each group."""
    held: list[str] = []
    size = 0
    for path in paths:
        on_disk = size_on_disk(path)
        if held and size + on_disk > limit:
            yield held, size
            held, size = [], 0
        held.append(path)
        size += on_disk
    if held:
        yield held, size


def begin_reading(part: Part, columns: Mapping[str, pa.DataType] | None = None) -> ReadingBuilder:
    """A builder for the readings of a part; its first one tells what was noted on the part."""
    out = ReadingBuilder(extra=columns or {})
    for sentence in part.detail.get("not_read", ()):
        out.warn(sentence)
    return out


def set_aside(out: ReadingBuilder, owner: str, name: str, size: int, error: str) -> None:
    """Quarantine a file of a folder that cannot be read at all, while the others are, and say so."""
    out.met(size)
    origin = canonical_json({"file": name})
    out.quarantine(Quarantined(name, "unreadable_file", error, size, "", origin))
    out.warn(f"{owner}: not read: {error}")


def still_to_come(owner: str, root: str) -> list[str]:
    """A sentence if `corpuskit fetch` has not brought all files of a dump into a folder yet.

    What it has brought is whole, so a build on the folder works, on less than the user may think.
    """
    try:
        missing = json.loads((Path(root) / "fetch.json").read_text(encoding="utf-8"))["missing"]
    except (OSError, ValueError, LookupError, TypeError):
        return []  # not fetched, or not by us: nothing is known of more files
    if not isinstance(missing, list) or not missing:
        return []
    return [f"{owner}: of this dump are not fetched yet: {some([str(name) for name in missing])}"]


def relative_name(root: str, path: str) -> str:
    """The path of a file below ``root`` with ``/`` as separator, as it stands in ids.

    Bytes that are not UTF-8 could not be stored, and control characters would speak to a terminal: both are
    written out.
    """
    if is_uri(path):
        return plain_name(name_below(root, path))
    top = f"{root.rstrip('/')}/"
    if path.startswith(top):  # as `survey` gives it
        return plain_name(path[len(top) :])
    name = Path(root).name if Path(path) == Path(root) else Path(path).relative_to(root).as_posix()
    return plain_name(name)


def matches(name: str, globs: Sequence[str]) -> bool:
    """Whether the relative name, or its last piece alone, matches one of the globs."""
    base = name.rsplit("/", 1)[-1]
    return any(fnmatchcase(name, glob) or fnmatchcase(base, glob) for glob in globs)
