"""The head of a MediaWiki dump: what it says about its wiki.

It is read by expat, as pages are that are not plain (`corpuskit.sources.wikipedia.page_xml`). Document types
and entity declarations are refused, so that no dump can make the parser read other files or blow up.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote
from xml.parsers import expat

from corpuskit.errors import InputError

# The English names hold in every wiki, beside its own.
_CANONICAL = {
    -2: "Media", -1: "Special", 1: "Talk", 2: "User", 3: "User talk", 4: "Wikipedia", 5: "Wikipedia talk",
    6: "File", 7: "File talk", 8: "MediaWiki", 9: "MediaWiki talk", 10: "Template", 11: "Template talk",
    12: "Help", 13: "Help talk", 14: "Category", 15: "Category talk", 100: "Portal", 101: "Portal talk",
}  # fmt: skip


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

    def namespace_of(self, title: str, told: int | None = None) -> int:
        """The namespace that the page tells; in dumps from before ``<ns>`` the one that its title names."""
        if told is not None:
            return told
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
    parser = xml_parser(path)

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
            raise _EnoughError  # there is no other way to stop expat

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = text.append
    try:
        with suppress(_EnoughError):
            parser.Parse(head, False)  # not the end: <mediawiki> is never closed in it
    except expat.ExpatError:
        return site  # pages are judged one by one; a wiki's name is asked for where it is missing
    return Site(values.get("dbname", ""), values.get("language", ""), values.get("base", ""), names)


def xml_parser(path: str) -> expat.XMLParserType:
    """An expat parser that refuses document types and entities; ``path`` is what the error names."""
    parser = expat.ParserCreate()
    parser.buffer_text = True  # one call for a text, not one for each of its lines
    parser.buffer_size = 1 << 16

    def refuse(*_: object) -> None:
        message = f"{path}: the XML declares a document type or an entity, which no MediaWiki dump does"
        raise InputError(message, remedy="Download the dump again from a source that you trust.")

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    return parser
