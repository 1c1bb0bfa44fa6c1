"""The mirrors of Project Gutenberg that are asked, what they allow, and their catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.robotparser import RobotFileParser

from corpuskit.errors import FetchError, InputError, SettingError
from corpuskit.fetch.download import Fetched, download
from corpuskit.fetch.http import RefusedError, Web
from corpuskit.fetch.mirrors import LackingError, Mirrors
from corpuskit.fetch.part import Remote
from corpuskit.sources.gutenberg.catalog import load

MOST_BYTES = 256 * 2**20
"""Bytes of a book or of the catalogue: the largest text has some 60 MB, the catalogue packed 6."""
CATALOGS = ("cache/epub/feeds/pg_catalog.csv.gz", "cache/epub/feeds/pg_catalog.csv")
MIRRORS = (
    "Mirrors are listed at https://www.gutenberg.org/MIRRORS.ALL; take one near you that speaks http and"
    " carries cache/epub, and give its address: --mirror https://MIRROR/PATH"
    " (or CORPUSKIT_GUTENBERG_MIRROR). For very many books rsync is better:"
    " https://www.gutenberg.org/help/mirroring.html; a build reads such a folder as it is."
)
_ROBOTS_BYTES = 2**20
"""RFC 9309 (2.5) asks for 500 KiB at least."""


@dataclass(frozen=True)
class CatalogRow:
    """A row of the catalogue; ``languages`` are ISO 639 codes."""

    number: int
    title: str
    authors: str
    languages: tuple[str, ...]


def read_catalog(path: Path) -> tuple[list[CatalogRow], tuple[str, ...]]:
    """The texts of a catalogue by number, without its sounds, pictures and data; and what is wrong in it.

    Raises:
        InputError: it is damaged, or no catalogue.
    """
    catalog = load(str(path))
    books = []
    for number in sorted(catalog.entries):
        entry = catalog.find(number)
        if entry is not None and entry.kind == "Text":
            codes = tuple(code.lower() for code in entry.languages)
            books.append(CatalogRow(number, entry.title, "; ".join(entry.authors), codes))
    return books, catalog.problems


class Library:
    """The mirrors that are asked in turn, and the folder that takes after them.

    Args:
        permitted: their operators allow what ``robots.txt`` does not, or it is the main site.

    Raises:
        SettingError: no mirror, or the main site without permission.
    """

    def __init__(self, web: Web, mirrors: Sequence[str], folder: Path, *, permitted: bool = False) -> None:
        if not mirrors:
            raise SettingError("fetch gutenberg: no --mirror", remedy=MIRRORS)
        self.web = web
        self.mirrors = Mirrors(mirrors, web.listen)
        for address in self.mirrors.addresses:
            try:
                web.check_host(address)
            except FetchError as error:
                raise SettingError(f"--mirror {error.message}", remedy=error.remedy) from error
        self.folder = folder
        self._permitted = permitted
        self._robots: dict[str, RobotFileParser] = {}

    def catalog(self) -> list[CatalogRow]:
        """The catalogue: the one in the folder if it is there, else a mirror's is fetched into it.

        Raises:
            FetchError: no mirror carries one.
            InputError: it is damaged or no catalogue; one that has just come is removed.
        """
        if (there := self.catalog_path()) is not None:
            books, problems = read_catalog(there)
        else:
            books, problems = self.mirrors.in_turn("catalogue", self._fetch_catalog)
        for problem in problems:
            self.web.listen("note", {"note": problem})
        return books

    def catalog_path(self) -> Path | None:
        """Where the catalogue lies in the folder, if it does."""
        return next((self.folder / name for name in CATALOGS if (self.folder / name).is_file()), None)

    def _fetch_catalog(self, address: str, last: bool) -> tuple[list[CatalogRow], tuple[str, ...]]:
        try:
            found, _ = self._first(address, CATALOGS)
        except LackingError:
            remedy = f"Choose a mirror that does, or put the file at {self.folder / CATALOGS[0]} yourself."
            raise FetchError(f"{address}: carries no {CATALOGS[0]}", remedy=remedy) from None
        path = self.folder / found.remote.name
        try:
            return read_catalog(path)
        except InputError:
            path.unlink()
            raise

    def fetch_first(self, names: Sequence[str]) -> tuple[Fetched, int]:
        """Fetch the first of these files that a mirror has; with the number of those that it has not.

        Raises:
            FetchError: no mirror can be asked.
            LackingError: those that can be asked have none of them.
        """
        return self.mirrors.in_turn(names[0], lambda address, last: self._first(address, names))

    def _first(self, address: str, names: Sequence[str]) -> tuple[Fetched, int]:
        for misses, name in enumerate(names):
            self._allowed(address, name)
            try:
                remote = Remote(name, f"{address}/{name}", most=MOST_BYTES)
                return download(self.web, remote, self.folder), misses
            except RefusedError as error:
                if not error.not_there:
                    raise
        raise LackingError(names[0])

    def _allowed(self, address: str, name: str) -> None:
        """Raise `FetchError` if a mirror's ``robots.txt`` forbids a path; obey its ``Crawl-delay``."""
        if self._permitted:
            return
        root = "/".join(address.split("/")[:3])
        if root not in self._robots:
            self._robots[root] = self._read_robots(root)
        if not self._robots[root].can_fetch("corpuskit", f"{address}/{name}"):
            message = f"{address}/{name}: robots.txt of the mirror forbids it to programs"
            remedy = "Choose another --mirror, or ask its operator and then give --i-have-permission."
            raise FetchError(message, remedy=remedy)

    def _read_robots(self, root: str) -> RobotFileParser:
        parser = RobotFileParser()
        try:
            text = self.web.get(f"{root}/robots.txt", limit=_ROBOTS_BYTES).decode("utf-8", "replace")
        except RefusedError as error:
            if error.status >= 500:
                raise
            text = ""  # RFC 9309, 2.3.1.3: none there means none is meant
        parser.parse(text.splitlines())
        if delay := parser.crawl_delay("corpuskit"):
            # The longest of any mirror's: there is one clock for all of them.
            self.web.pause = max(self.web.pause, float(delay))
        return parser
