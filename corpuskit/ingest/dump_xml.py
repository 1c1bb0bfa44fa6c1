"""The XML of a MediaWiki dump: the site's description at its head, and single pages.

Both are read by expat. Document types and entity declarations are refused, so that no dump can make the
parser read other files or blow up.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import quote
from xml.parsers import expat

from corpuskit.errors import InputError

_CANONICAL = {
    -2: "Media", -1: "Special", 1: "Talk", 2: "User", 3: "User talk", 4: "Wikipedia", 5: "Wikipedia talk",
    6: "File", 7: "File talk", 8: "MediaWiki", 9: "MediaWiki talk", 10: "Template", 11: "Template talk",
    12: "Help", 13: "Help talk", 14: "Category", 15: "Category talk", 100: "Portal", 101: "Portal talk",
}  # fmt: skip
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


class _EnoughError(Exception):
    """Enough was read."""


@dataclass(frozen=True)
class Site:
    """What a dump says about its wiki; everything is empty where it says nothing.

    Attributes:
        dbname: ``enwiki``.
        language: ``xml:lang``, ``en``.
        base: address of the main page.
        namespaces: key to localised name.
    """

    dbname: str = ""
    language: str = ""
    base: str = ""
    namespaces: dict[int, str] = field(default_factory=dict)

    def namespace_of(self, title: str) -> int:
        """The namespace that a title's prefix names, 0 without one. For dumps from before ``<ns>``."""
        prefix, colon, _ = title.partition(":")
        if not colon:
            return 0
        folded = prefix.strip().replace("_", " ").casefold()
        for key, name in {**_CANONICAL, **self.namespaces}.items():
            if name and name.casefold() == folded:
                return key
        return next((key for key, name in _CANONICAL.items() if name.casefold() == folded), 0)

    def url(self, title: str, wiki: str) -> str:
        """Address of a page, empty if neither the dump nor the wiki's name tells where the wiki is."""
        path = quote(title.replace(" ", "_"), safe="/:,;@()!*'$~")
        if self.base and "/" in self.base.removeprefix("https://").removeprefix("http://"):
            return f"{self.base.rsplit('/', 1)[0]}/{path}"
        code = wiki.removesuffix("wiki").replace("_", "-")
        return f"https://{code}.wikipedia.org/wiki/{path}" if wiki.endswith("wiki") and code else ""


def parse_site(head: bytes, path: str) -> Site:
    """Read the description from the bytes before the first page.

    Raises:
        InputError: the head declares a document type or an entity.
    """
    site = Site()
    values: dict[str, str] = {}
    names: dict[int, str] = {}
    text: list[str] = []
    key: list[int | None] = [None]
    parser = _parser(path)

    def start(name: str, attributes: dict[str, str]) -> None:
        text.clear()
        if name == "mediawiki":
            values["language"] = attributes.get("xml:lang", "")
        elif name == "namespace":
            number = attributes.get("key", "")
            key[0] = int(number) if number.lstrip("-").isdigit() else None

    def end(name: str) -> None:
        if name in ("dbname", "base"):
            values[name] = "".join(text).strip()
        elif name == "namespace" and key[0] is not None:
            names[key[0]] = "".join(text).strip()
        elif name == "siteinfo":
            raise _EnoughError

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = text.append
    try:
        with suppress(_EnoughError):
            parser.Parse(head, False)
    except expat.ExpatError:
        return site  # pages are judged one by one; a wiki's name is asked for where it is missing
    return Site(values.get("dbname", ""), values.get("language", ""), values.get("base", ""), names)


def _parser(path: str) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = 1 << 16

    def refuse(*_: object) -> None:
        raise InputError(
            f"{path}: the XML declares a document type or an entity, which no MediaWiki dump does",
            remedy="Download the dump again from a source that you trust.",
        )

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    return parser


@dataclass
class Revision:
    """One revision. ``text`` is None where the dump has no ``<text>``; ``size`` are its UTF-8 bytes."""

    id: int = 0
    timestamp: str = ""
    model: str = ""
    text: str | None = None
    size: int = 0


@dataclass
class PageXml:
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
        text = self.revision.text if self.revision else None
        return self.redirect or bool(text and _REDIRECT.match(text[:200]))

    @property
    def leads_to(self) -> tuple[str, str]:
        """Title and fragment (the heading) that a redirect leads to; empty where it does not say."""
        link = _LINK.search(self.revision.text[:2000]) if self.revision and self.revision.text else None
        target, fragment = (link[1], link[2] or "") if link else ("", "")
        tidy = [
            " ".join(unescape(name).replace("_", " ").split()) for name in (self.target or target, fragment)
        ]
        return tidy[0].removeprefix(":"), tidy[1]


class _PageParser:
    """Collects a `PageXml`. Only direct children count: a revision's contributor also has an ``<id>``."""

    _PAGE = frozenset({"title", "ns", "id"})
    _REVISION = frozenset({"id", "timestamp", "model", "text"})

    def __init__(self, path: str) -> None:
        self.page = PageXml()
        self._revision: Revision | None = None
        self._text: list[str] | None = None
        self._depth = 0
        self.parser = _parser(path)
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 2:
            if name == "revision":
                self._revision = Revision()
            elif name == "redirect":
                self.page.redirect = True
                self.page.target = attributes.get("title", "")
            elif name in self._PAGE:
                self._text = []
        elif self._depth == 3 and self._revision is not None and name in self._REVISION:
            self._text = []

    def _data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def _end(self, name: str) -> None:
        if self._depth == 2 and name == "revision":
            self._close_revision()
        elif self._depth in (2, 3) and self._text is not None:
            value = "".join(self._text)
            self._text = None
            (self._page_field if self._depth == 2 else self._revision_field)(name, value)
        self._depth -= 1

    def _page_field(self, name: str, value: str) -> None:
        value = value.strip()
        if name == "title":
            self.page.title = value
        elif name == "ns" and value.lstrip("-").isdecimal():
            self.page.namespace = int(value)
        elif name == "id" and value.isdecimal():
            self.page.id = int(value)

    def _revision_field(self, name: str, value: str) -> None:
        revision = self._revision
        if revision is None:
            return
        if name == "text":
            revision.text, revision.size = value, len(value.encode("utf-8", "surrogatepass"))
        elif name == "timestamp":
            revision.timestamp = value.strip()
        elif name == "model":
            revision.model = value.strip()
        elif name == "id" and value.strip().isdecimal():
            revision.id = int(value)

    def _close_revision(self) -> None:
        """Tell the newest revision from the others. Their texts fit in memory, as the page's XML did."""
        new, self._revision = self._revision, None
        old = self.page.revision
        if new is None:
            return
        if old is not None and old.id > new.id:
            old, new = new, old
        self.page.revision = new
        if old is not None:
            self.page.older.append(old)


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


def parse_page(xml: bytes, path: str) -> PageXml:
    """Parse one page element.

    Raises:
        xml.parsers.expat.ExpatError: it is not well-formed, or not UTF-8.
        InputError: it declares a document type or an entity.
    """
    collector = _PageParser(path)
    collector.parser.Parse(xml, True)
    return collector.page
