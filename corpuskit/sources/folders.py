"""Folders of files as sources see them: walked, named relative to their root, grouped into parts."""

from __future__ import annotations

import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from corpuskit.documents.reading import Quarantined
from corpuskit.errors import CorpuskitError, InputError
from corpuskit.sources.source import Part
from corpuskit.storage.files import canonical_json
from corpuskit.storage.places import is_uri, kind_of, list_files, name_below

NO_KNOWN_FORMAT = "no known format"
COMPANION = re.compile(
    r"(?:.*/)?(?:fetch\.json|[^/]+-multistream-index\d*\.txt[^/]*|pg_catalog\.csv(?:\.gz)?)"
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


def survey(root: str) -> Found:
    """All files below a folder, or the one file that ``root`` is; it may be a URI.

    Hidden files and folders are left out. Links to folders are followed, each real folder being read once:
    where it lies itself, else under the first link to it. Nothing but regular files is ever opened.

    Raises:
        InputError: ``root`` is a folder that may not be listed, or neither a file nor a folder.
    """
    if kind_of(root) == "file":
        return Found([(relative_name(root, root), root)], {})
    if is_uri(root):
        places, hidden = list_files(root)
        named = [(relative_name(root, place), place) for place in places]
        return Found(named, {"hidden": hidden} if hidden else {})
    if not os.path.isdir(root):
        raise InputError(f"{root}: neither a file nor a folder", remedy="Check `path`.")
    files: list[str] = []
    others: dict[str, list[str]] = {}
    links, seen = [root], set[str]()
    while links:
        folder = links.pop(0)
        if os.path.realpath(folder) in seen:
            others.setdefault("link to a folder that is read already", []).append(relative_name(root, folder))
            continue
        links += sorted(_walk(folder, root, seen, files, others))
    found = sorted((relative_name(root, path), path) for path in files)
    return Found(found, {kind: sorted(names) for kind, names in sorted(others.items())})


def _walk(top: str, root: str, seen: set[str], files: list[str], others: dict[str, list[str]]) -> list[str]:
    """Take in what lies below ``top`` without following links; returns those that lead to folders."""
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
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if folder == root:
                raise InputError(f"{root}: {error.strerror}", remedy="Check its rights.") from error
            kind = f"folder that cannot be listed ({error.strerror})"
            others.setdefault(kind, []).append(relative_name(root, folder))
            continue
        for entry in entries:
            kind = "hidden" if entry.name.startswith(".") else _kind(entry)
            if kind == "file":
                files.append(entry.path)
            elif kind == "folder":
                waiting.append(entry.path)
            elif kind == "link":
                links.append(entry.path)
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
        return "file"
    if stat.S_ISDIR(mode):
        return "link" if entry.is_symlink() else "folder"
    kinds = {stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")


def not_read(owner: str, cause: str, names: Sequence[str]) -> str:
    """A sentence for the log about files that were passed over.

    >>> not_read("files 'notes'", "no known format", ["a.pdf", "b/c.pdf", "LICENSE"])
    "files 'notes': not read, no known format: .pdf (2), LICENSE (1)"
    >>> not_read("files 'notes'", "dangling link", ["b.txt"])
    "files 'notes': not read, dangling link: b.txt"
    """
    if cause != NO_KNOWN_FORMAT:
        return f"{owner}: not read, {cause}: {some(names)}"
    return f"{owner}: not read, {cause}: {by_suffix(names)}"


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


def passed_over(
    owner: str,
    left: Mapping[str, Sequence[str]],
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> list[str]:
    """Sentences about names, by cause, that a source does not read although its globs would let them in."""
    sentences = []
    for cause, names in left.items():
        wanted = [n for n in names if (not include or matches(n, include)) and not matches(n, exclude)]
        wanted = [n for n in wanted if not COMPANION.fullmatch(n)]
        if wanted:
            sentences.append(not_read(owner, cause, wanted))
    return sentences


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
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return [f"{owner}: of this dump are not fetched yet: {', '.join(map(str, missing[:SHOWN]))}{more}"]


def noted(parts: list[Part], sentences: Sequence[str]) -> list[Part]:
    """The same parts, the first of which carries sentences for the log to where it is read."""
    if not sentences or not parts:
        return parts
    detail = {**parts[0].detail, "not_read": list(sentences)}
    return [replace(parts[0], detail=detail), *parts[1:]]


def unreadable(name: str, size: int, error: str) -> Quarantined:
    """The row for a file of a folder that cannot be read at all, while the others are."""
    return Quarantined(name, "unreadable_file", error, size, "", canonical_json({"file": name}))


def one_line(error: CorpuskitError) -> str:
    """Message and remedy of an error as one line, as a quarantined row has it."""
    return " ".join(f"{error.message}. {error.remedy}".split())


def relative_name(root: str, path: str) -> str:
    """The path of a file below ``root`` with ``/`` as separator, as it stands in ids.

    A name that is not UTF-8 could not be stored; its odd bytes are written out.
    """
    if is_uri(path):
        return name_below(root, path)
    name = Path(root).name if Path(path) == Path(root) else Path(path).relative_to(root).as_posix()
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def matches(name: str, globs: Sequence[str]) -> bool:
    """Whether the relative name, or its last piece alone, matches one of the globs."""
    base = name.rsplit("/", 1)[-1]
    return any(fnmatchcase(name, glob) or fnmatchcase(base, glob) for glob in globs)


def require(path: str, owner: str) -> None:
    """Raise `InputError` unless ``path`` is there."""
    if not (kind_of(path) or (not is_uri(path) and os.path.exists(path))):
        raise InputError(f"{owner}: {path!r} does not exist", remedy="Check `path`.")


def group(paths: Sequence[str], limit: int) -> list[Part]:
    """Parts of whole files in the given order, closed before they exceed ``limit`` bytes on disk.

    Raises:
        InputError: a path is a URI.
    """
    parts: list[Part] = []
    held: list[str] = []
    size = 0
    for path in paths:
        if is_uri(path):
            raise InputError(
                f"{path}: a URI, and only dumps of wikis are read from where they lie",
                remedy="Copy the files to a folder of this machine, and give that.",
            )
        on_disk = os.path.getsize(path)
        if held and size + on_disk > limit:
            parts.append(Part(f"{len(parts):05d}", tuple(held), bytes=size))
            held, size = [], 0
        held.append(path)
        size += on_disk
    if held:
        parts.append(Part(f"{len(parts):05d}", tuple(held), bytes=size))
    return parts
