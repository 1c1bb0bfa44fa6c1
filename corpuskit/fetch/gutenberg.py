"""Fetching books from a mirror of Project Gutenberg, one request every two seconds.

Project Gutenberg's own site is for people: it blocks programs, and asks those who want many books to take
them from a mirror. So there is no default mirror, and www.gutenberg.org is refused. How a mirror is laid out
(https://www.gutenberg.org/help/mirroring.html and its 00README):

    cache/epub/feeds/pg_catalog.csv.gz  the catalogue: Text#, Type, Issued, Title, Language, Authors, ...
    1/3/4/1342/1342-0.txt               a book below its number's digits but the last (0/9/ for 9); -0 is
                                        UTF-8, -8 an 8-bit encoding, without either ASCII
    cache/epub/1342/pg1342.txt          the same book as the site generates it, in UTF-8

Names are tried in the order of `candidates`; 404 leads on to the next one. The catalogue does not say which
books are under copyright; their header does, so it is read when a book has come, and such a book is removed
and noted.
Everything keeps its path on the mirror, so that the folder is a small mirror itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from corpuskit.errors import SettingError
from corpuskit.fetch.download import Fetched
from corpuskit.fetch.manifest import Manifest, finished_name, locked
from corpuskit.fetch.mirrors import LackingError
from corpuskit.fetch.part import Remote
from corpuskit.fetch.shelf import CATALOGS, MIRRORS, CatalogRow, Library
from corpuskit.sources.gutenberg.header import HEAD_CHARS, read_header

PAUSE = 2.0
"""Seconds between two requests, which is what Project Gutenberg asks of programs."""

LICENCE = (
    "Public domain in the USA; the Project Gutenberg licence in each file's header and footer applies to"
    " copies that keep its name. Elsewhere the law of that country decides."
)
MAIN_SITES = ("gutenberg.org", "www.gutenberg.org", "m.gutenberg.org")
_SAVE_EVERY = 50
"""Books after which the manifest is written, every two minutes or so. What a kill keeps out of it is known by
its name."""
_IDS = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")


@dataclass(frozen=True)
class Wanted:
    """Which books: of any of these languages, of these numbers, at most so many; empty and None for all.

    Raises:
        SettingError: nothing is asked for; all books would take days.
    """

    languages: tuple[str, ...] = ()
    ids: frozenset[int] = frozenset()
    limit: int | None = None

    def __post_init__(self) -> None:
        if not (self.languages or self.ids or self.limit):
            remedy = "Give --languages, --ids or --limit."
            raise SettingError("fetch gutenberg: nothing is asked for", remedy=remedy)


@dataclass
class FetchStatus:
    """What became of the wanted books, by number.

    Attributes:
        missing: those that are still to be fetched.
        there: those that were there and whole before.
        not_found: those that the mirror does not have.
        copyrighted: those that are left out because their header says so.
        fetched: those that have come now.
        misses: names that were asked for and are not on the mirror.
    """

    missing: list[CatalogRow] = field(default_factory=list)
    there: list[int] = field(default_factory=list)
    not_found: list[int] = field(default_factory=list)
    copyrighted: list[int] = field(default_factory=list)
    fetched: list[int] = field(default_factory=list)
    misses: int = 0


def refused_hosts(permitted: bool) -> dict[str, str]:
    """Hosts that `Web` shall not ask, with the reason."""
    return {} if permitted else dict.fromkeys(MAIN_SITES, f"That site is for people, not programs. {MIRRORS}")


def parse_ids(text: str) -> frozenset[int]:
    """Book numbers from a list with ranges.

    >>> sorted(parse_ids("84, 1340-1342"))
    [84, 1340, 1341, 1342]

    Raises:
        SettingError: a piece is no number and no range.
    """
    found: set[int] = set()
    for piece in filter(None, re.split(r"[,\s]+", text)):
        match = _IDS.fullmatch(piece)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not 0 < first <= last:
            remedy = "Give numbers and ranges: 84,1340-1342"
            raise SettingError(f"--ids {piece!r}: no book number", remedy=remedy)
        found.update(range(first, last + 1))
    return frozenset(found)


def candidates(number: int) -> tuple[str, ...]:
    """Where a book's text may lie on a mirror, best first: UTF-8, generated UTF-8, 8-bit, ASCII.

    >>> candidates(1342)[:2], candidates(9)[0]
    (('1/3/4/1342/1342-0.txt', 'cache/epub/1342/pg1342.txt'), '0/9/9-0.txt')
    """
    digits = str(number)
    folder = "/".join([*digits[:-1]] or ["0"]) + f"/{number}"
    return (
        f"{folder}/{number}-0.txt",
        f"cache/epub/{number}/pg{number}.txt",
        f"{folder}/{number}-8.txt",
        f"{folder}/{number}.txt",
    )


def _is_of_a_mirror(path: str) -> bool:
    """Whether a file of a folder without a manifest has its place on a mirror, whoever has brought it."""
    name = finished_name(path)
    number = re.search(r"(\d{1,6})(?:-[08])?\.txt$", name)
    return name in CATALOGS or (number is not None and name in candidates(int(number[1])))


def select(books: Sequence[CatalogRow], wanted: Wanted) -> list[CatalogRow]:
    """The books that are wanted, lowest numbers first.

    Raises:
        SettingError: a language is not in the catalogue, or no book is left.
    """
    known = {code for book in books for code in book.languages}
    if strange := sorted(set(wanted.languages) - known):
        message = f"--languages {','.join(strange)}: no book of the catalogue is in it"
        remedy = f"Give codes such as en, de, fr. Known: {', '.join(sorted(known))}."
        raise SettingError(message, remedy=remedy)
    spoken = [b for b in books if not wanted.languages or set(wanted.languages) & set(b.languages)]
    if not (chosen := [book for book in spoken if not wanted.ids or book.number in wanted.ids]):
        remedy = "Check --ids and --languages: both must hold for a book."
        raise SettingError("fetch gutenberg: no text of the catalogue is what is asked for", remedy=remedy)
    return chosen[: wanted.limit]


def duration(books: int, pause: float) -> str:
    """The least time that so many books take.

    >>> duration(1200, 2.0), duration(10, 2.0)
    ('40 min', '1 min')
    """
    minutes = max(1, math.ceil(books * pause / 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def dry_run(library: Library, wanted: Wanted, *, copyrighted: bool = False) -> FetchStatus:
    """What `fetch` would begin with; it writes nothing but the catalogue."""
    # Who has the catalogue needs no lock: a fetch may be at work there.
    with nullcontext() if library.catalog_path() else locked(library.folder, _is_of_a_mirror):
        return _status(library, _manifest(library), wanted, copyrighted)


def fetch(library: Library, wanted: Wanted, *, copyrighted: bool = False) -> FetchStatus:
    """Bring the wanted books into the library's folder, which then holds them and their manifest.

    Args:
        copyrighted: keep books whose header says that they are under copyright.

    Raises:
        FetchError: no mirror can be asked; what has come is kept and noted.
        SettingError: the selection cannot be right.
    """
    with locked(library.folder, _is_of_a_mirror):
        manifest = _manifest(library)
        status = _status(library, manifest, wanted, copyrighted)
        library.web.listen("begin", {"books": status.missing, "there": status.there})
        try:
            for count, book in enumerate(status.missing, 1):
                _fetch_book(library, manifest, book, status, copyrighted)
                if count % _SAVE_EVERY == 0:
                    manifest.write()
        finally:
            manifest.write()
    return status


def _selected(library: Library, wanted: Wanted) -> list[CatalogRow]:
    """The wanted books; numbers that the catalogue lacks are told, since a range may well hold some."""
    books = library.catalog()
    if strange := sorted(wanted.ids - {book.number for book in books}):
        note = f"--ids: no texts of the catalogue, and passed over: {listed(strange)}"
        library.web.listen("note", {"note": note})
    return select(books, wanted)


def listed(numbers: Sequence[int]) -> str:
    """Numbers as a person reads them.

    >>> listed([5, 9]), listed(range(1, 100))
    ('5, 9', '1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 89 more')
    """
    shown = ", ".join(map(str, numbers[:10]))
    return shown if len(numbers) <= 10 else f"{shown} and {len(numbers) - 10} more"


def _fetch_book(
    library: Library, manifest: Manifest, book: CatalogRow, status: FetchStatus, copyrighted: bool
) -> None:
    left = manifest.about["left_out"]
    names = candidates(book.number)
    try:
        fetched, misses = library.fetch_first(names)
    except LackingError as error:
        misses = len(names) * len(error.addresses)
        status.not_found.append(book.number)
        lacking = sorted(_lacking(left, book).union(error.addresses))
        left[str(book.number)] = {"reason": "not_found", "mirrors": lacking, **_facts(book)}
        found = False
    else:
        found = True
        path = library.folder / fetched.remote.name
        if not copyrighted and is_copyrighted(path):
            path.unlink()
            status.copyrighted.append(book.number)
            left[str(book.number)] = {"reason": "copyrighted", "url": fetched.remote.url, **_facts(book)}
        else:
            left.pop(str(book.number), None)
            status.fetched.append(book.number)
            _note(manifest, book, fetched)
    status.misses += misses
    library.web.listen("done", {"what": book.title, "number": book.number, "found": found})


def _lacking(left: Mapping[str, dict[str, Any]], book: CatalogRow) -> set[str]:
    """The mirrors that are known not to have a book."""
    out = left.get(str(book.number), {})
    # Manifests of one mirror a call have `mirror`.
    return set(out.get("mirrors", [out.get("mirror")])) if out.get("reason") == "not_found" else set()


def _facts(book: CatalogRow) -> dict[str, Any]:
    return {"title": book.title, "authors": book.authors, "languages": list(book.languages)}


def _note(manifest: Manifest, book: CatalogRow, fetched: Fetched) -> None:
    """Put a book into the manifest, with its rights."""
    own = is_copyrighted(manifest.folder / fetched.remote.name)
    rights = "copyrighted" if own else "public domain in the USA"
    manifest.add(fetched, id=book.number, rights=rights, **_facts(book))


def is_copyrighted(path: Path) -> bool:
    """Whether a book's header says that it is not in the public domain."""
    with path.open("rb") as file:
        head = file.read(4 * HEAD_CHARS).decode("utf-8", "replace")
    return read_header(head[:HEAD_CHARS]).copyrighted


def _manifest(library: Library) -> Manifest:
    manifest = Manifest.read_or_begin(library.folder, {"source": "gutenberg"})
    if manifest.about.get("source") != "gutenberg":
        message = f"--out {library.folder}: holds files of {manifest.about.get('source')}"
        raise SettingError(message, remedy="Choose another --out.")
    addresses = list(library.mirrors.addresses)
    manifest.about |= {"licence": LICENCE, "mirror": addresses[0], "mirrors": addresses}
    manifest.about.setdefault("left_out", {})
    return manifest


def _status(library: Library, manifest: Manifest, wanted: Wanted, copyrighted: bool) -> FetchStatus:
    """The wanted books: those that are there, left out, or not found at these mirrors need no request."""
    status = FetchStatus()
    left: dict[str, dict[str, Any]] = manifest.about["left_out"]
    asked = set(library.mirrors.addresses)
    for book in _selected(library, wanted):
        out = left.get(str(book.number), {})
        files = (Remote(name, f"{library.mirrors.addresses[0]}/{name}") for name in candidates(book.number))
        if any(manifest.holds(file, partial(_note, manifest, book)) for file in files):
            status.there.append(book.number)
        elif out.get("reason") == "copyrighted" and not copyrighted:
            status.copyrighted.append(book.number)
        elif asked <= _lacking(left, book):
            status.not_found.append(book.number)
        else:
            status.missing.append(book)
    return status
