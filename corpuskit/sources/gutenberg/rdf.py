"""RDF files of Project Gutenberg's catalogue, one for each book, alone or in one tar archive.

An archive is read as a stream and never unpacked to disk: names in it are compared, not opened. What is not
the RDF of a book, and all that its form could be misused for, is refused: links, members and headers above
`MAX_RDF_BYTES`, more than `MAX_TOTAL_BYTES` in all. XML with a document type is refused before it is parsed,
so there are no entities to expand.
"""

from __future__ import annotations

import bz2
import gzip
import re
import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

MAX_RDF_BYTES = 8 * 2**20
"""The largest met is below 200 KB."""

MAX_TOTAL_BYTES = 32 * 2**30
"""Unpacked bytes; those of 75,000 books are 1.5 GB."""

_CHUNK = 2**20
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/terms/}"
_DCAM = "{http://purl.org/dc/dcam/}"
_PG = "{http://www.gutenberg.org/2009/pgterms/}"
_ROLE = "{http://id.loc.gov/vocabulary/relators/}"
_HEADINGS = "LCSH"

_ROLES = """
    adp: Adapter; ann: Annotator; arr: Arranger; art: Artist; aui: Author of introduction, etc.;
    cmm: Commentator; cmp: Composer; com: Compiler; ctb: Contributor; dub: Dubious author; edt: Editor;
    egr: Engraver; ill: Illustrator; lbt: Librettist; oth: Other; pbl: Publisher; pht: Photographer;
    prf: Performer; prt: Printer; res: Researcher; trc: Transcriber; trl: Translator; unk: Unknown role
"""
ROLES = dict(role.strip().split(": ") for role in _ROLES.split(";"))
"""MARC relator codes and the words that the catalogue's table has for them."""


class RdfError(ValueError):
    """An RDF file, or an archive of them, that is refused or damaged; the message says why."""


@dataclass(frozen=True)
class CatalogEntry:
    """What the catalogue says of one book; empty where it says nothing.

    Attributes:
        authors: ``Carroll, Lewis, 1832-1898``, with the role of those who are not the author in brackets:
            ``Taylor, Bayard, 1825-1878 [Translator]``.
        languages: ISO 639 codes, the main one first.
        rights: ``Public domain in the USA.``, ``Copyrighted. Read the copyright notice...``
        kind: ``Text``, ``Sound``, ``Dataset``...
    """

    title: str = ""
    authors: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    bookshelves: tuple[str, ...] = ()
    rights: str = ""
    kind: str = ""

    @property
    def copyrighted(self) -> bool:
        """Whether the catalogue says that the book is not in the public domain."""
        return self.rights.lower().startswith("copyrighted")


def read_rdf(data: bytes) -> CatalogEntry:
    """Read one RDF file.

    Subjects and bookshelves are sorted: their order in the files is accidental.

    Raises:
        RdfError: it is too large, no UTF-8, no XML, has a document type, or describes no book.
    """
    book = _ebook(data)
    agents = {agent.get(f"{_RDF}about", ""): agent for agent in book.iter(f"{_PG}agent")}
    authors = [_person(element, agents, "") for element in book.findall(f"{_DC}creator")]
    for element in book:
        if element.tag.startswith(_ROLE):
            code = element.tag.removeprefix(_ROLE)
            authors.append(_person(element, agents, ROLES.get(code, code)))
    headings = [e for e in book.findall(f"{_DC}subject") if _scheme(e).endswith(_HEADINGS)]
    subjects = [value for element in headings for value in _values(element)]
    shelves = [value for element in book.findall(f"{_PG}bookshelf") for value in _values(element)]
    languages = [value for element in book.findall(f"{_DC}language") for value in _values(element)]
    kinds = [value for element in book.findall(f"{_DC}type") for value in _values(element)]
    return CatalogEntry(
        title=plain_title(book.findtext(f"{_DC}title") or ""),
        authors=tuple(dict.fromkeys(filter(None, authors))),
        languages=tuple(dict.fromkeys(languages)),
        subjects=tuple(sorted(set(subjects))),
        bookshelves=tuple(sorted(set(shelves))),
        rights=" ".join((book.findtext(f"{_DC}rights") or "").split()),
        kind=kinds[0] if kinds else "",
    )


def plain_title(title: str) -> str:
    """A title on one line; the catalogue puts subtitles on further lines, or behind ``$b``.

    >>> plain_title("Karlo\\r\\nFacila Legolibro"), plain_title("Emma :  $b a novel")
    ('Karlo: Facila Legolibro', 'Emma: a novel')
    """
    pieces = re.split(r"[\r\n]+|\s*[:;/]?\s*\$[a-z]\b", title)
    return ": ".join(" ".join(piece.split()) for piece in pieces if piece.strip())


def _ebook(data: bytes) -> ET.Element:
    if len(data) > MAX_RDF_BYTES:
        raise RdfError(f"more than {MAX_RDF_BYTES:,} bytes are no description of a book")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RdfError(f"no UTF-8 ({error.reason} at byte {error.start})") from error
    # In UTF-8 a document type can be written in no other way than this.
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise RdfError("a document type, which could define entities")
    try:
        # Nine tenths of a file are about the book's files, which nobody asks for.
        first, *rest = data.split(b"<dcterms:hasFormat>")
        asked = first + b"".join(piece.partition(b"</dcterms:hasFormat>")[2] for piece in rest)
        root = ET.fromstring(asked, parser=ET.XMLParser(encoding="utf-8"))
    except ET.ParseError as error:
        raise RdfError(f"no XML ({error})") from error
    if (book := root.find(f"{_PG}ebook")) is None:
        raise RdfError("no pgterms:ebook in it")
    return book


def _values(element: ET.Element) -> list[str]:
    """The plain words of a property, which stand in it or in an ``rdf:value`` below it."""
    found = [value.text or "" for value in element.iter(f"{_RDF}value")] or [element.text or ""]
    return [words for value in found if (words := " ".join(value.split()))]


def _scheme(element: ET.Element) -> str:
    member = next(element.iter(f"{_DCAM}memberOf"), None)
    return "" if member is None else member.get(f"{_RDF}resource", "")


def _person(element: ET.Element, agents: dict[str, ET.Element], role: str) -> str:
    """``Name, 1832-1898 [Role]``, as the catalogue's table writes it."""
    if (agent := element.find(f"{_PG}agent")) is None:
        agent = agents.get(element.get(f"{_RDF}resource", ""))
    name = " ".join((agent.findtext(f"{_PG}name") or "").split()) if agent is not None else ""
    if agent is None or not name:
        return ""
    born, died = (_year(agent.findtext(f"{_PG}{when}date")) for when in ("birth", "death"))
    dates = f", {born}-{died}" if born or died else ""
    return f"{name}{dates}" + (f" [{role}]" if role else "")


def _year(written: str | None) -> str:
    """A year; those before our era have a minus sign in the files.

    >>> _year("1832"), _year("-100"), _year(None)
    ('1832', '100 BCE', '')
    """
    year = (written or "").strip()
    return f"{year[1:]} BCE" if year.startswith("-") else year


def members(path: str) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of the regular files in a tar archive, in its order.

    Raises:
        RdfError: it is damaged, or takes more room than the catalogue could.
        OSError, EOFError: its compression is damaged.
    """
    with _open(path) as stream:
        try:
            forward = _Forward(stream)
            archive = tarfile.TarFile(fileobj=cast(BinaryIO, forward), mode="r")
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # kept for look-ups that we never make
                if not member.isreg():
                    continue
                if member.size > MAX_RDF_BYTES:
                    raise RdfError(f"{member.name!r} has {member.size:,} bytes: no description of a book")
                if (held := archive.extractfile(member)) is not None:
                    yield member.name, held.read()
            while forward.read(_CHUNK):
                pass  # the checksum of a compressed archive stands at its very end
        except RdfError:
            raise
        except (tarfile.TarError, ValueError) as error:  # `tarfile` lets numbers through that are none
            raise RdfError(f"no tar archive that can be read ({error})") from error


def _open(path: str) -> BinaryIO:
    lower = path.lower()
    opener: Any = bz2.open if lower.endswith(".bz2") else gzip.open if lower.endswith("gz") else open
    return cast(BinaryIO, opener(path, "rb"))


class _Forward:
    """A stream read once, forwards, in bounded pieces: `tarfile` believes the sizes that headers state."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._at = 0

    def tell(self) -> int:
        """Bytes read so far."""
        return self._at

    def seek(self, position: int, whence: int = 0) -> int:
        """Go forward to a position. Raises `RdfError` for one before it or beyond `MAX_TOTAL_BYTES`."""
        if whence or position < self._at or position > MAX_TOTAL_BYTES:
            raise RdfError(f"a jump to byte {position:,} of an archive")
        while self._at < position:
            if not self.read(min(_CHUNK, position - self._at)):
                break
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Read ``size`` bytes. Raises `RdfError` for more than a member may have."""
        if not 0 <= size <= MAX_RDF_BYTES + tarfile.BLOCKSIZE or self._at > MAX_TOTAL_BYTES:
            raise RdfError(f"{size:,} bytes at once from byte {self._at:,} of an archive")
        data = self._stream.read(size)
        self._at += len(data)
        return data
