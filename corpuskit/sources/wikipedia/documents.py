"""The pages of one part of a dump become documents, drops and errors; each is accounted for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from xml.parsers import expat

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpuskit.documents.batch import BATCH_BYTES, byte_lengths, empty_batch
from corpuskit.documents.reading import MAX_ENTRIES, Dropped, Quarantined, Reading, ReadingBuilder
from corpuskit.sources.wikipedia import dump
from corpuskit.sources.wikipedia.definitions import store_of
from corpuskit.sources.wikipedia.expand import Expanded, expand, expansion_table
from corpuskit.sources.wikipedia.extract import (
    FLAGS,
    STATUS,
    ExtractedBatch,
    Options,
    engine_options,
    extract,
    namespace_prefixes,
    table_rows,
)
from corpuskit.sources.wikipedia.items import BadPage, Break, Range, RawPage
from corpuskit.sources.wikipedia.loss import measure_loss, side_tables
from corpuskit.sources.wikipedia.page_xml import Page, Revision, name_of_fragment, parse_page
from corpuskit.sources.wikipedia.pages import FRAGMENT_BYTES
from corpuskit.sources.wikipedia.rules import Conversions, TemplateRules, template_table
from corpuskit.sources.wikipedia.site import Site
from corpuskit.storage.files import canonical_json

EXCERPT_BYTES = 200
LICENCE = "CC BY-SA 4.0"

COLUMNS: Mapping[str, pa.DataType] = {
    "categories": pa.list_(pa.string()),
    "kind": pa.string(),
    "wikitext_bytes": pa.int64(),
    "text_bytes": pa.int64(),
}
"""What a document of a wiki has beside the columns of all documents."""

ALIASES = pa.schema([(name, pa.string()) for name in ("wiki", "title", "target", "fragment")])
"""The side table of redirects; the fragment is a heading of the target, or empty."""

EXPAND_PAGES = 16
"""Pages whose templates are expanded together: a page of 20 bytes may become one of 2 MiB."""

EXPANDED_BYTES = 4 * BATCH_BYTES
"""Bytes of expanded pages after which a reading is closed."""

_Sizes = NDArray[np.int64]
_BREAK_REMEDY = "Compare the file's size and checksum with the mirror's and download it again."


@dataclass(frozen=True)
class PageRules:
    """What becomes of the pages of one wiki; the settings of `Wikipedia` that a reader of pages needs.

    Attributes:
        wiki: name of the wiki, as it stands in ids.
        language: code; if empty, that of the dump, else the one that the wiki's name tells.
        licence: of all documents.
        namespaces: keys of the namespaces whose pages are kept.
        options: what becomes of the parts of a page; the default ones if not given.
        template_rules, conversions: see `corpuskit.sources.wikipedia.rules.template_table`.
        definitions: the dump with the definitions of templates, where these are expanded; else empty.
        loss_every: the loss is measured of pages whose id is divisible by this; 0 for none.
    """

    wiki: str
    language: str = ""
    licence: str = LICENCE
    namespaces: tuple[int, ...] = (0,)
    options: Options | None = None
    template_rules: TemplateRules = field(default_factory=dict)
    conversions: Conversions = "both"
    definitions: str = ""
    loss_every: int = 0


class PartReader:
    """Turns the pages of one part into `Reading`s.

    Args:
        file: name of the dump, as it stands in messages and origins.
        out: takes what becomes of the pages.
    """

    def __init__(self, rules: PageRules, site: Site, file: str, out: ReadingBuilder) -> None:
        self._rules, self._site, self._file, self._out = rules, site, file, out
        self._language = rules.language or site.language or _language_of(rules.wiki)
        self._settings: dict[str, Any] = {
            "file_prefixes": namespace_prefixes(6, (site.namespaces.get(6, "File"),)),
            "category_prefixes": namespace_prefixes(14, (site.namespaces.get(14, "Category"),)),
            "language": self._language,
            "options": rules.options,
            "templates": template_table(self._language, rules.template_rules, rules.conversions),
        }
        self._clear()

    def _clear(self) -> None:
        self._pages: list[Page] = []  # that wait to be extracted together
        self._expanded: list[Expanded] = []  # the first of them, `EXPAND_PAGES` at a time
        self._expanded_bytes = 0
        self._aliases: list[dict[str, str]] = []

    def take(self, *, rest: bool = False) -> Iterator[Reading]:
        """Yield the reading that is full, as `ReadingBuilder.take` does.

        It is full by the wikitext that was met, whatever became of it: texts are known when it is closed.
        """
        large = self._out.bytes_in >= BATCH_BYTES or self._expanded_bytes >= EXPANDED_BYTES
        if large or self._out.documents_in >= MAX_ENTRIES or (rest and not self._out.empty):
            self._extract()
            if self._aliases:
                self._out.side_table("aliases", pa.Table.from_pylist(self._aliases, schema=ALIASES))
            self._clear()
            yield from self._out.take(rest=True)

    def accept(self, found: RawPage | BadPage | Break, piece: Range) -> None:
        """Take one thing that the scanner found."""
        if isinstance(found, RawPage):
            self._page(found, f"{self._file}#{piece.start}+{found.offset}")
            return
        if isinstance(found, Break):
            place = f"{self._file}#{found.offset}"
            what, excerpt = f"{found.error}; {found.size} bytes are lost", b""
        else:
            place = f"{self._file}#{piece.start}+{found.offset}"
            limit = f" (limit {dump.PAGE_BYTES})" if found.kind == "page_too_large" else ""
            what, excerpt = f"{_named(found.excerpt)}{found.size} bytes of XML{limit}", found.excerpt
        self._out.met(found.size)
        error = f"{place}: {found.kind}: {what}. {_BREAK_REMEDY}"
        self._quarantine(place, found.kind, error, found.size, excerpt)

    def _quarantine(
        self, id: str, kind: str, error: str, size: int, excerpt: bytes, origin: str = ""
    ) -> None:
        shown = excerpt[:EXCERPT_BYTES].decode("utf-8", "replace")
        origin = origin or canonical_json({"file": self._file})
        self._out.quarantine(Quarantined(id, kind, error, size, shown, origin))

    def _page(self, found: RawPage, place: str) -> None:
        try:
            page = parse_page(found.xml, self._file)
        except expat.ExpatError as error:
            # expat says the same of both, but they are mended differently.
            is_utf8 = found.xml.decode("utf-8", "ignore").encode() == found.xml
            kind = "malformed_xml" if is_utf8 else "invalid_utf8"
            what = f"{error}. The other pages are read; mend this one or download it again."
            self._no_page(found, place, kind, what)
            return
        parts = {"id": page.id, "title": page.title, "revision": page.revision}
        if missing := [name for name, value in parts.items() if not value]:
            what = f"no {', '.join(missing)}. Download the dump again."
            self._no_page(found, place, "incomplete_page", what)
            return
        # Each revision counts, so that the bytes of a page with many are accounted for.
        for old in page.older:
            self._out.met(old.size)
            self._drop(page, old, "older_revision")
        self._out.met(page.newest.size)
        if reason := self._reason_to_drop(page):
            self._drop(page, page.newest, reason)
            if reason == "redirect":
                target, fragment = page.leads_to
                row = {"wiki": self._rules.wiki, "title": page.title, "target": target, "fragment": fragment}
                self._aliases.append(row)
            return
        self._pages.append(page)
        if self._rules.definitions and len(self._pages) % EXPAND_PAGES == 0:
            self._expand_waiting()

    def _no_page(self, found: RawPage, place: str, kind: str, what: str) -> None:
        """Quarantine an element of which no page can be made."""
        self._out.met(len(found.xml))
        error = f"{place}: {kind}: {_named(found.xml)}{what}"
        self._quarantine(place, kind, error, len(found.xml), found.xml)

    def _reason_to_drop(self, page: Page) -> str:
        # The namespace is asked first: a redirect between pages that are not kept is no alias of a document.
        namespace = self._site.namespace_of(page.title, page.namespace)
        if namespace not in self._rules.namespaces:
            return f"namespace_{namespace}"
        if page.newest.model not in ("", "wikitext"):
            return f"model_{page.newest.model}"
        if page.is_redirect:
            return "redirect"
        return "empty" if page.newest.is_blank else ""

    def _drop(self, page: Page, revision: Revision, reason: str) -> None:
        origin = self._origin(page, revision)
        self._out.drop(Dropped(self._id(page), reason, revision.size, page.title, revision.wikitext, origin))

    def _id(self, page: Page) -> str:
        return f"wikipedia:{self._rules.wiki}:{page.id}"

    def _origin(self, page: Page, revision: Revision) -> str:
        origin = {"file": self._file, "page": page.id, "revision": revision.id}
        return canonical_json(origin | {"timestamp": revision.timestamp})

    def _extract(self) -> None:
        """Make documents of the pages that wait."""
        pages = self._pages
        texts, titles = _columns(pages)
        result = extract(self._all_expanded(texts), titles=titles, **self._settings)
        self._measure(texts, result)
        # Also a page with templates alone is empty, and only known now.
        lengths = byte_lengths(result.texts)
        kept = (result.status == 0) & (lengths > 0)
        for i in np.flatnonzero(~kept):
            if result.status[i] != 0:
                self._over_budget(pages[i], STATUS[result.status[i]], int(result.counters[i, 0]))
            else:
                self._drop(pages[i], pages[i].newest, "empty")
        sizes = np.array([page.newest.size for page in pages], np.int64)
        self._out.keep_batch(self._batch(result, kept, sizes, lengths))
        # Of a page the balance is known: it lost bytes (marks) or gained some (texts of templates).
        change = lengths[kept] - sizes[kept]
        if cut := -int(change[change < 0].sum()):
            self._out.cut_bytes("markup", cut)
        if added := int(change[change > 0].sum()):
            self._out.add_bytes("templates", added)

    def _batch(
        self, result: ExtractedBatch, kept: NDArray[np.bool_], sizes: _Sizes, lengths: _Sizes
    ) -> pa.RecordBatch:
        """The pages that are kept; ``sizes`` are the bytes of the wikitext, ``lengths`` those of the text."""
        pages = [page for page, keep in zip(self._pages, kept.tolist(), strict=True) if keep]
        mask = pa.array(kept)
        categories = result.categories.filter(mask)
        told = zip(pages, result.flags[kept].tolist(), categories.to_pylist(), strict=True)
        columns: dict[str, Any] = {
            "id": [self._id(page) for page in pages],
            "source": ["wikipedia"] * len(pages),
            "text": result.texts.filter(mask),
            "title": [page.title for page in pages],
            "url": [self._site.url(page.title, self._rules.wiki) for page in pages],
            "language": [self._language] * len(pages),
            "licence": [self._rules.licence] * len(pages),
            "origin": [self._origin(page, page.newest) for page in pages],
            "preference": [page.newest.id for page in pages],
            "categories": categories,
            "kind": [page_kind(page.title, flags, names, self._language) for page, flags, names in told],
            "wikitext_bytes": sizes[kept],
            "text_bytes": lengths[kept],
        }
        return pa.RecordBatch.from_pydict(columns, schema=empty_batch(COLUMNS).schema)

    def _expand_waiting(self) -> None:
        """Expand the templates of the pages that have come since the last time."""
        texts, titles = _columns(self._pages[len(self._expanded) * EXPAND_PAGES :])
        store = store_of(self._rules.definitions)
        expanded = expand(texts, titles, store, engine_options(**self._settings))
        self._expanded.append(expanded)
        self._expanded_bytes += int(byte_lengths(expanded.texts).sum())

    def _all_expanded(self, texts: pa.LargeStringArray) -> pa.LargeStringArray:
        """The pages with templates expanded, if the settings say so."""
        if not self._rules.definitions:
            return texts
        self._expand_waiting()
        whole = pa.concat_arrays([batch.texts for batch in self._expanded])
        counters = np.concatenate([batch.counters for batch in self._expanded])
        self._out.side_table("expansion", expansion_table(Expanded(whole, counters)))
        self._expanded.clear()  # held twice otherwise, while they are extracted
        return whole

    def _measure(self, texts: pa.LargeStringArray, result: ExtractedBatch) -> None:
        """Measure the loss of every ``loss_every``-th page, chosen by its id."""
        every, pages = self._rules.loss_every, self._pages
        chosen = [i for i, p in enumerate(pages) if every and p.id % every == 0 and result.status[i] == 0]
        if not chosen:
            return
        titles, options = [pages[i].title for i in chosen], engine_options(**self._settings)
        loss = measure_loss(texts.take(chosen), result.texts.take(chosen), titles, options)
        for name, table in side_tables(loss, [self._id(pages[i]) for i in chosen]).items():
            self._out.side_table(name, table)

    def _over_budget(self, page: Page, bound: str, steps: int) -> None:
        size = page.newest.size
        error = (
            f"{self._id(page)} ({page.title!r}): over_budget: more {bound} than allowed after {steps} steps"
            f" for {size} bytes of wikitext. Look at the page: it is damaged or hostile."
        )
        excerpt, origin = page.newest.data or b"", self._origin(page, page.newest)
        self._quarantine(self._id(page), "over_budget", error, size, excerpt, origin)


def _columns(pages: Iterable[Page]) -> tuple[pa.LargeStringArray, pa.LargeStringArray]:
    """Wikitext and titles of pages; the wikitext is known to be UTF-8 and not looked at again."""
    texts = pa.array([page.newest.data or b"" for page in pages], pa.large_binary())
    return texts.view(pa.large_string()), pa.array([page.title for page in pages], pa.large_string())


def _named(xml: bytes) -> str:
    """``page 7 ('Ulm'): `` of a fragment, as far as it tells."""
    name = name_of_fragment(xml[:FRAGMENT_BYTES])
    return f"{name}: " if name else ""


def _language_of(wiki: str) -> str:
    """``de`` for ``dewiki``; empty for names that tell no language."""
    code = wiki.removesuffix("wiki").replace("_", "-")
    # The longest code of a Wikipedia is zh-classical.
    return code if wiki.endswith("wiki") and 2 <= len(code) <= 12 and code not in ("commons", "meta") else ""


@cache
def _kind_words(language: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """Words by kind and place (``prefix``, ``suffix``, ``category``) for a wiki."""
    words: dict[tuple[str, str], tuple[str, ...]] = {}
    for kind, place, code, row in table_rows("page_kinds.tsv"):
        if code in ("*", language):
            words[kind, place] = words.get((kind, place), ()) + tuple(row.casefold().split("|"))
    return words


def page_kind(title: str, flags: int, categories: Iterable[str], language: str) -> str:
    """The kind of a page: ``article``, or one of `corpuskit.sources.wikipedia.extract.FLAGS`.

    Told by what the extractor found (magic words and templates), by the title and by the categories; a page
    that is both is a disambiguation.

    Args:
        flags: the page's bits, as in `corpuskit.sources.wikipedia.extract.ExtractedBatch`.
        language: code of the wiki's language.

    >>> page_kind("Mercury (disambiguation)", 0, [], "en"), page_kind("List of rivers", 0, [], "en")
    ('disambiguation', 'list')
    >>> page_kind("Listen", 0, ["Verbs"], "en"), page_kind("Ulm", 0b10, [], "de")
    ('article', 'list')
    """
    words = _kind_words(language)
    folded = title.casefold()
    names = [category.casefold() for category in categories]
    for bit, kind in enumerate(FLAGS):
        if (
            flags >> bit & 1
            or folded.startswith(words.get((kind, "prefix"), ()))
            or folded.endswith(words.get((kind, "suffix"), ()))
            or any(name.startswith(words.get((kind, "category"), ())) for name in names)
        ):
            return kind
    return "article"
