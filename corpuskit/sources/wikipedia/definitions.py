"""The templates that a dump defines: read from it, chosen by use, written as a small dump."""

from __future__ import annotations

import bz2
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape

from corpuskit import _native
from corpuskit.errors import InputError, SettingError
from corpuskit.sources.wikipedia import dump
from corpuskit.sources.wikipedia.expand import add_redirects, template_store
from corpuskit.sources.wikipedia.items import BadPage, Break, RawPage
from corpuskit.sources.wikipedia.page_xml import Page, parse_page
from corpuskit.sources.wikipedia.pages import read_pages
from corpuskit.sources.wikipedia.site import Site, parse_site
from corpuskit.storage.files import atomic
from corpuskit.storage.places import stamp

NAMESPACE = 10
_CALL = re.compile(r"\{\{\s*([^{}|<>\[\]\n#]{1,200}?)\s*(?=[|}\n])")
_HELP = ("/doc", "/sandbox", "/testcases", "/preload", "/documentation", "/dokumentation", "/documentación")


@dataclass(frozen=True)
class TemplatePage:
    """A page of the template namespace.

    Attributes:
        name: title without the namespace.
        target: name of the template that it redirects to, else empty.
    """

    name: str
    text: str
    target: str = ""


@dataclass
class WikiPages:
    """What is read of a dump: its site, and the pages one by one.

    Attributes:
        skipped: pages, and stretches that may hold pages, that the last reading could not read.
        first: where the first of them begins and what is wrong with it.
    """

    site: Site
    path: str
    skipped: int = 0
    first: str = ""

    def __iter__(self) -> Iterator[Page]:
        """Pages that can be parsed, in the order of the dump."""
        compression = dump.sniff(self.path, self.path)
        head = dump.read_head(self.path, compression)
        self.skipped, self.first = 0, ""
        for found in read_pages(self.path, compression, head.encoding):
            if (page := self._parsed(found)) is not None:
                yield page

    def _parsed(self, found: RawPage | BadPage | Break) -> Page | None:
        """The page; None for what is none that can be parsed, which is counted."""
        if isinstance(found, RawPage):
            try:
                return parse_page(found.xml, self.path)
            except (expat.ExpatError, InputError) as error:
                place = f"decoded byte {found.offset} ({error})"
        elif isinstance(found, Break):
            place = f"byte {found.offset} ({found.kind}: {found.error})"
        else:
            place = f"decoded byte {found.offset} ({found.kind}, {found.size} bytes)"
        self.skipped, self.first = self.skipped + 1, self.first or place
        return None

    def warning(self, path: str) -> str:
        """A sentence about what was skipped of the file; empty if all of it was read."""
        if not self.skipped:
            return ""
        return (
            f"{path.rsplit('/', 1)[-1]}: {self.skipped} damaged page{'s' * (self.skipped > 1)} passed over"
            f" while templates were read, the first at {self.first}. What they define is not expanded;"
            " download the file again."
        )

    @property
    def prefix(self) -> str:
        """Name of the template namespace."""
        return self.site.namespaces.get(NAMESPACE, "Template")

    def template(self, page: Page) -> TemplatePage | None:
        """The page as a template; None if it is none, or only documents one."""
        namespace = self.site.namespace_of(page.title, page.namespace)
        name = page.title.partition(":")[2].strip()
        if namespace != NAMESPACE or not name or name.lower().endswith(_HELP):
            return None
        target = page.leads_to[0] if page.is_redirect else ""
        prefix, colon, rest = target.partition(":")
        known = {self.prefix.lower(), "template"}
        name_of_target = rest.strip() if colon and prefix.strip().lower() in known else ""
        return TemplatePage(name, page.newest.wikitext, name_of_target)


def open_pages(path: str) -> WikiPages:
    """Open a dump.

    Raises:
        InputError: it is not there, or no dump.
    """
    head = dump.read_head(path, dump.sniff(path, path))
    if not head.page:
        raise InputError(f"{path}: no <page>", remedy="Give a dump with the pages of templates.")
    return WikiPages(parse_site(head.data, path), path)


def store_of(path: str) -> _native.TemplateStore:
    """The definitions in a dump; kept for as long as the file stays the same.

    Raises:
        InputError: it is not there, or no dump.
        SettingError: it holds more than a worker may (`corpuskit.sources.wikipedia.expand.STORE_BYTES`).
    """
    return _store(path, stamp(path))[0]


def skipped_of(path: str) -> str:
    """A warning about the pages that `store_of` passed over; empty if there were none. Raises as it does."""
    return _store(path, stamp(path))[1]


# One: a store may take what a worker may hold of them.
@lru_cache(maxsize=1)
def _store(path: str, _: tuple[int, ...]) -> tuple[_native.TemplateStore, str]:
    pages = open_pages(path)
    redirects: list[tuple[str, str]] = []  # met among the definitions, which the store takes one by one

    def definitions() -> Iterator[tuple[str, str]]:
        for page in pages:
            if (template := pages.template(page)) is None:
                continue
            if template.target:
                redirects.append((template.name, template.target))
            else:
                yield template.name, template.text

    store = template_store(definitions(), prefixes=[pages.prefix])
    add_redirects(store, redirects)
    return store, pages.warning(path)


@dataclass(frozen=True)
class Written:
    """What `write_templates` did.

    Attributes:
        pages: pages of the dump.
        found: templates among them.
        written: those that were written, of so many ``bytes``.
        skipped: damaged pages that were passed over.
        warning: a sentence about these, empty if there were none.
    """

    pages: int
    found: int
    written: int
    bytes: int
    skipped: int = 0
    warning: str = ""


def called_names(text: str, prefix: str = "Template") -> set[str]:
    """Names that stand behind ``{{`` in a wikitext, with a capital first letter; also those of functions.

    ``prefix`` is the name of the template namespace, which is taken off.

    >>> sorted(called_names("{{foo_bar|{{Baz}}}} {{lc:x}}"))
    ['Baz', 'Foo bar', 'Lc:x']
    """
    return {_key(name, prefix) for name in _CALL.findall(text)}


def _key(name: str, prefix: str = "Template") -> str:
    # As MediaWiki tells titles apart: blanks and underscores are alike, and the first letter is a capital.
    plain = " ".join(name.replace("_", " ").split())
    space, colon, rest = plain.partition(":")
    if colon and space.lower() in ("template", "subst", "safesubst", prefix.lower()):
        plain = rest.strip()
    return plain[:1].upper() + plain[1:]


def write_templates(path: str, out: Path, min_uses: int = 0) -> Written:
    """Write a dump that holds only the templates of a dump, for the setting ``template_pages``.

    Args:
        path: the dump, or the folder of one dump.
        out: the file to write: ``.xml``, or ``.xml.bz2``, which is compressed.
        min_uses: how many pages that are no templates must call a template, directly; what such a template
            calls itself is written with it. 0 for all templates.

    Raises:
        InputError: it is no dump, or defines no template.
        SettingError: ``out`` is neither of the two, by its name.
        StorageError: ``out`` cannot be written.
    """
    if not out.name.endswith((".xml", ".xml.bz2")):
        raise SettingError(f"--out {out}: no name of a dump", remedy="Let it end with .xml or .xml.bz2.")
    pages = open_pages(dump.the_dump_in(path))
    templates: list[TemplatePage] = []
    uses: Counter[str] = Counter()
    count = 0
    for page in pages:
        count += 1
        if (template := pages.template(page)) is not None:
            templates.append(template)
        elif min_uses:  # a page counts once, however often it calls a template
            uses.update(called_names(page.newest.wikitext, pages.prefix))
    if not templates:
        remedy = "Give a dump with the pages of templates, such as pages-articles of the whole wiki."
        raise InputError(f"{path}: none of its {count} pages defines a template", remedy=remedy)
    chosen = _closure(templates, pages.prefix, uses, min_uses) if min_uses else templates
    size = 0
    opened = bz2.open if out.suffix == ".bz2" else open
    with atomic(out, out.parent) as unfinished, opened(unfinished, "wb") as file:
        for piece in _dump_lines(pages, chosen):
            size += file.write(piece.encode())
    return Written(count, len(templates), len(chosen), size, pages.skipped, pages.warning(path))


def _closure(
    templates: list[TemplatePage], prefix: str, uses: Counter[str], least: int
) -> list[TemplatePage]:
    """The templates of so many uses with those that they call, in the order of the dump."""
    known = {_key(t.name): t for t in templates}
    wanted: set[str] = set()
    waiting = [name for name, n in uses.items() if n >= least and name in known]
    while waiting:
        name = waiting.pop()
        if name in wanted:
            continue
        wanted.add(name)
        template = known[name]
        called = {_key(template.target)} if template.target else called_names(template.text, prefix)
        waiting += [name for name in called if name in known and name not in wanted]
    return [t for t in templates if _key(t.name) in wanted]


def _dump_lines(pages: WikiPages, templates: list[TemplatePage]) -> Iterator[str]:
    site, prefix = pages.site, escape(pages.prefix)
    language = escape(site.language, {'"': "&quot;"})
    yield '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11"'
    yield f' xml:lang="{language}">\n  <siteinfo>\n    <dbname>{escape(site.dbname)}</dbname>\n'
    yield f'    <namespaces>\n      <namespace key="{NAMESPACE}">{prefix}</namespace>\n    </namespaces>\n'
    yield "  </siteinfo>\n"
    for number, template in enumerate(templates, 1):
        target = escape(f"{pages.prefix}:{template.target}", {'"': "&quot;"})
        redirect = f'    <redirect title="{target}" />\n' if template.target else ""
        yield f"  <page>\n    <title>{prefix}:{escape(template.name)}</title>\n    <ns>{NAMESPACE}</ns>\n"
        yield f"    <id>{number}</id>\n{redirect}    <revision>\n      <id>{number}</id>\n"
        yield f'      <text xml:space="preserve">{escape(template.text)}</text>\n    </revision>\n  </page>\n'
    yield "</mediawiki>\n"
