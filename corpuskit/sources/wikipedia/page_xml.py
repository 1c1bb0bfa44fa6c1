"""The XML of single pages of a MediaWiki dump.

The engine reads pages that are plain, which those of sound dumps are, several times as fast as expat does
with a call into Python for each element. Every page that it does not understand is left to expat, which alone
decides what is well-formed. Both collect the same fields of a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import unescape

from corpuskit import _native
from corpuskit.sources.wikipedia.site import xml_parser

_REDIRECT = re.compile(
    r"\s*#\s*(?:redirect\w*|rinvia|weiterleitung|redirección|redirecionamento|przekieruj|patrz|doorverwijzing|"
    r"omdirigering|omdiriger|ohjaus|uudelleenohjaus|перенаправление|перенапр|перенаправлення|пренасочване|"
    r"přesměruj|presmeruj|átirányítás|preusmjeri|преусмери|yönlendi̇rme|yönlendirme|đổi|重定向|転送|リダイレクト|"
    r"넘겨주기|تحويل|تغییر_مسیر|הפניה|ανακατευθυνση|ανακατεύθυνση|alih|lencong|tilvísun|birzuzendu|alidirektu)"
    r"\s*:?\s*\[\[",
    re.IGNORECASE,
)

_LINK = re.compile(r"\[\[([^\[\]|#]*)(?:#([^\[\]|]*))?")

_FRAGMENT_ID = re.compile(r"<id>\s*(\d{1,19})\s*</id>")
_FRAGMENT_TITLE = re.compile(r"<title>([^<>]{1,400})</title>")

Field = tuple[str, bytes]
"""A name of `_FIELDS` and a value, UTF-8."""

_FIELDS = ("title", "ns", "id", "redirect", "revision", "revision/id", "timestamp", "model", "text")
"""Names of fields in the order of the engine's numbers. ``revision`` stands where one begins."""

_IN_PAGE = {name: name for name in ("title", "ns", "id")}
_IN_REVISION = {"id": "revision/id", "timestamp": "timestamp", "model": "model", "text": "text"}


@dataclass
class Revision:
    """One revision; ``data`` is its wikitext in UTF-8, None where the dump has no ``<text>``."""

    id: int = 0
    timestamp: str = ""
    model: str = ""
    data: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes of the wikitext."""
        return len(self.data or b"")

    @property
    def wikitext(self) -> str:
        """The wikitext; empty without one."""
        return (self.data or b"").decode()

    def begins(self, characters: int) -> str:
        """The first characters of the wikitext, at most so many."""
        # A character has at most four bytes; a cut one at the end is left out.
        return (self.data or b"")[: 4 * characters].decode("utf-8", "ignore")[:characters]

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing but white space."""
        return not self.begins(64).strip() and not self.wikitext.strip()


@dataclass
class Page:
    """One page: its newest revision, and what else is known.

    Attributes:
        namespace: None where the dump does not say.
        target: title that it redirects to, as the dump says; empty where it only has the wikitext.
        older: the revisions that are not the newest, in the dump's order.
    """

    title: str = ""
    namespace: int | None = None
    id: int = 0
    redirect: bool = False
    target: str = ""
    revision: Revision | None = None
    older: list[Revision] = field(default_factory=list)

    @property
    def newest(self) -> Revision:
        """The newest revision; an empty one if the page has none."""
        return self.revision or Revision()

    @property
    def is_redirect(self) -> bool:
        """Whether it says so, or its text begins with a redirect (older dumps only have that)."""
        return self.redirect or bool(_REDIRECT.match(self.newest.begins(200)))

    @property
    def leads_to(self) -> tuple[str, str]:
        """Title and fragment (the heading) that a redirect leads to; empty where it does not say."""
        link = _LINK.search(self.newest.begins(2000))
        target, fragment = (link[1], link[2] or "") if link else ("", "")
        named = (self.target or target, fragment)
        title, heading = (" ".join(unescape(name).replace("_", " ").split()) for name in named)
        return title.removeprefix(":"), heading


def name_of_fragment(xml: bytes) -> str:
    """Id and title of a page that cannot be parsed, as far as they can be made out; ``""`` if neither can.

    >>> name_of_fragment(b"<pabe><title>A &amp; B</title><ns>0</ns><id>7</id><revision><id>9</id>")
    "page 7 ('A & B')"
    """
    head = xml.split(b"<revision", 1)[0].decode("utf-8", "replace")
    number, title = _FRAGMENT_ID.search(head), _FRAGMENT_TITLE.search(head)
    shown = repr(unescape(title[1].strip())) if title else ""
    if number is None:
        return f"page {shown}" if shown else ""
    return f"page {number[1]} ({shown})" if shown else f"page {number[1]}"


def parse_page(xml: bytes, path: str) -> Page:
    """Parse one page element.

    Raises:
        xml.parsers.expat.ExpatError: it is not well-formed, or not UTF-8.
        InputError: it declares a document type or an entity.
    """
    return _page_of(plain_fields(xml) or fields(xml, path))


def plain_fields(xml: bytes) -> list[Field]:
    """The fields of a page as the engine reads them; none if it leaves the page to expat."""
    return [(_FIELDS[name], value) for name, value in _native.read_page_xml(xml)]


def fields(xml: bytes, path: str) -> list[Field]:
    """The fields of a page as expat reads them; errors as of `parse_page`.

    >>> fields(b"<page><title>A &amp; B</title><revision><id>7</id></revision></page>", "")
    [('title', b'A & B'), ('revision', b''), ('revision/id', b'7')]
    """
    collector = _Collector()
    parser = xml_parser(path)
    parser.StartElementHandler, parser.EndElementHandler = collector.start, collector.end
    parser.CharacterDataHandler = collector.data
    parser.Parse(xml, True)
    return collector.fields


class _Collector:
    """Collects fields. Only direct children count: a revision's contributor also has an ``<id>``."""

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self._text: list[str] | None = None
        self._depth = 0
        self._in_revision = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 2:
            self._in_revision = name == "revision"
            if self._in_revision:
                self.fields.append((name, b""))
            elif name == "redirect":
                self.fields.append((name, attributes.get("title", "").encode()))
        if self._known(name):
            self._text = []

    def _known(self, name: str) -> str:
        """The field that an element at this place holds."""
        if self._depth == 3 and self._in_revision:
            return _IN_REVISION.get(name, "")
        return _IN_PAGE.get(name, "") if self._depth == 2 else ""

    def data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def end(self, name: str) -> None:
        if (known := self._known(name)) and self._text is not None:
            self.fields.append((known, "".join(self._text).encode()))
            self._text = None
        self._depth -= 1


def _page_of(found: Iterable[Field]) -> Page:
    # What is no number stays 0, and the page is reported as incomplete.
    page, revision = Page(), Revision()
    revisions: list[Revision] = []
    for name, data in found:
        if name == "text":  # stays bytes: it may have megabytes, and the engine takes it as it is
            revision.data = data
            continue
        value = data.decode().strip()
        if name == "revision":
            revision = Revision()
            revisions.append(revision)
        elif name == "title":
            page.title = value
        elif name == "ns" and value.lstrip("-").isdecimal():
            page.namespace = int(value)
        elif name == "id" and value.isdecimal():
            page.id = int(value)
        elif name == "redirect":
            page.redirect, page.target = True, data.decode()
        elif name == "revision/id" and value.isdecimal():
            revision.id = int(value)
        elif name == "timestamp":
            revision.timestamp = value
        elif name == "model":
            revision.model = value
    # The newest is told from the others, whose texts fit in memory, as the page's XML did.
    for revision in revisions:
        newest, older = revision, page.revision
        if older is not None and older.id > newest.id:
            newest, older = older, newest
        page.revision = newest
        page.older += [older] if older is not None else []
    return page
