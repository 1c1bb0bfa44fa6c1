"""The pages of one part of a dump become documents, drops and errors; each is accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpuskit.documents.batch import BATCH_BYTES, byte_lengths, empty_batch
from corpuskit.documents.reading import Dropped, Quarantined, Reading
from corpuskit.sources.wikipedia import dump
from corpuskit.sources.wikipedia.definitions import store_of
from corpuskit.sources.wikipedia.expand import Expanded, account, expand
from corpuskit.sources.wikipedia.extract import STATUS, Extracted, engine_options, extract, namespace_prefixes
from corpuskit.sources.wikipedia.items import BadPage, Break, Page, Range
from corpuskit.sources.wikipedia.loss import measure, side_tables
from corpuskit.sources.wikipedia.page_kinds import page_kind
from corpuskit.sources.wikipedia.page_xml import PageXml, Revision, name_of_fragment, parse_page
from corpuskit.sources.wikipedia.pages import FRAGMENT_BYTES
from corpuskit.sources.wikipedia.rules import template_table
from corpuskit.sources.wikipedia.site import Site
from corpuskit.storage.files import canonical_json

if TYPE_CHECKING:
    from corpuskit.sources.wikipedia.source import Wikipedia

EXCERPT_BYTES = 200
MAX_ENTRIES = 65_536
"""Documents, drops and errors after which a reading is closed, however little text they hold."""

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

_BREAK_REMEDY = "Compare the file's size and checksum with the mirror's and download it again."


@dataclass
class _Pending:
    """Pages that wait to be extracted together.

    Attributes:
        expanded: the first ``expanded_pages`` of them with their templates expanded, ``expanded_bytes`` long.
    """

    pages: list[PageXml] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    expanded: list[Expanded] = field(default_factory=list)
    expanded_pages: int = 0
    expanded_bytes: int = 0


class PartReader:
    """Turns pages into `Reading`s of one part, and keeps the account."""

    def __init__(self, settings: Wikipedia, file: str, site: Site, wiki: str, warnings: list[str]) -> None:
        self._settings, self._site, self._wiki = settings, site, wiki
        self._file, self.warnings = file, warnings
        self._language = settings.language or site.language or _language_of(wiki)
        self._names = site.namespaces
        self.definitions = ""
        """The dump with the definitions of templates, where they are expanded."""
        self._clear()

    def _clear(self) -> None:
        self.documents_in = self.bytes_in = 0
        self._pending = _Pending()
        self._tables: dict[str, pa.Table] = {}
        self._dropped: list[Dropped] = []
        self._quarantined: list[Quarantined] = []
        self._aliases: list[dict[str, str]] = []

    @property
    def full(self) -> bool:
        """Whether enough has come together for a reading."""
        large = self.bytes_in >= BATCH_BYTES or self._pending.expanded_bytes >= EXPANDED_BYTES
        return large or self.documents_in >= MAX_ENTRIES

    def accept(self, found: Page | BadPage | Break, piece: Range) -> None:
        """Take one thing that the scanner found."""
        if isinstance(found, Page):
            self._page(found, piece)
        elif isinstance(found, Break):
            place = f"{self._file}#{found.offset}"
            error = f"{place}: {found.kind}: {found.error}; {found.size} bytes are lost. {_BREAK_REMEDY}"
            self._quarantine(place, found.kind, error, found.size, b"")
        else:
            place = f"{self._file}#{piece.start}+{found.offset}"
            limit = f" (limit {dump.PAGE_BYTES})" if found.kind == "page_too_large" else ""
            who = _named(found.excerpt)
            error = f"{place}: {found.kind}: {who}{found.size} bytes of XML{limit}. {_BREAK_REMEDY}"
            self._quarantine(place, found.kind, error, found.size, found.excerpt)

    def _quarantine(
        self, id: str, kind: str, error: str, size: int, excerpt: bytes, origin: str = "", *, met: bool = True
    ) -> None:
        if met:
            self._met(size)
        shown = excerpt[:EXCERPT_BYTES].decode("utf-8", "replace")
        origin = origin or canonical_json({"file": self._file})
        self._quarantined.append(Quarantined(id, kind, error, size, shown, origin))

    def _met(self, size: int) -> None:
        self.documents_in += 1
        self.bytes_in += size

    def _page(self, found: Page, piece: Range) -> None:
        place = f"{self._file}#{piece.start}+{found.offset}"
        try:
            page = parse_page(found.xml, self._file)
        except expat.ExpatError as error:
            kind = "malformed_xml" if _is_utf8(found.xml) else "invalid_utf8"
            message = (
                f"{place}: {kind}: {_named(found.xml)}{error}."
                " The other pages are read; mend this one or download it again."
            )
            self._quarantine(place, kind, message, len(found.xml), found.xml)
            return
        missing = [
            n for n, v in (("id", page.id), ("title", page.title), ("revision", page.revision)) if not v
        ]
        revision = page.revision
        if missing or revision is None:
            who = _named(found.xml)
            message = f"{place}: incomplete_page: {who}no {', '.join(missing)}. Download the dump again."
            self._quarantine(place, "incomplete_page", message, len(found.xml), found.xml)
            return
        for old in page.older:
            self._met(old.size)
            self._drop(page, old, "older_revision")
        self._met(revision.size)
        reason = self._reason_to_drop(page, revision)
        if reason:
            self._drop(page, revision, reason)
            if reason == "redirect":
                target, fragment = page.leads_to
                row = {"wiki": self._wiki, "title": page.title, "target": target, "fragment": fragment}
                self._aliases.append(row)
        else:
            self._pending.pages.append(page)
            self._pending.texts.append(revision.data or b"")
            self._pending.sizes.append(revision.size)
            if self._expands and len(self._pending.texts) >= self._pending.expanded_pages + EXPAND_PAGES:
                self._expand_waiting()

    def _reason_to_drop(self, page: PageXml, revision: Revision) -> str:
        namespace = self._site.namespace_of(page.title) if page.namespace is None else page.namespace
        if namespace not in self._settings.namespaces:
            return f"namespace_{namespace}"
        if revision.model not in ("", "wikitext"):
            return f"model_{revision.model}"
        if page.is_redirect:
            return "redirect"
        return "empty" if revision.is_blank else ""

    def _drop(self, page: PageXml, revision: Revision, reason: str) -> None:
        origin = self._origin(page, revision)
        self._dropped.append(
            Dropped(self._id(page), reason, revision.size, page.title, revision.wikitext, origin)
        )

    def _id(self, page: PageXml) -> str:
        return f"wikipedia:{self._wiki}:{page.id}"

    def _origin(self, page: PageXml, revision: Revision) -> str:
        origin = {"file": self._file, "page": page.id, "revision": revision.id}
        return canonical_json(origin | {"timestamp": revision.timestamp})

    def take(self) -> Reading:
        """Extract what waits and hand out the reading."""
        batch, cut, added = self._extract()
        if self._aliases:
            self._tables["aliases"] = pa.Table.from_pylist(self._aliases, schema=ALIASES)
        reading = Reading(
            batch=batch,
            documents_in=self.documents_in,
            bytes_in=self.bytes_in,
            cut={"markup": cut} if cut else {},
            added={"templates": added} if added else {},
            dropped=self._dropped,
            quarantined=self._quarantined,
            warnings=self.warnings,
            tables=self._tables,
        )
        self.warnings = []
        self._clear()
        return reading

    def _extraction(self) -> dict[str, Any]:
        """Settings of `extract`."""
        return {
            "file_prefixes": namespace_prefixes(6, (self._names.get(6, "File"),)),
            "category_prefixes": namespace_prefixes(14, (self._names.get(14, "Category"),)),
            "language": self._language,
            "options": self._settings.extraction,
            "templates": template_table(
                self._language, self._settings.template_rules, self._settings.conversions
            ),
        }

    def _extract(self) -> tuple[pa.RecordBatch, int, int]:
        """The documents, bytes cut and bytes added."""
        pages, texts = self._pending.pages, _column(self._pending.texts)
        titles = pa.array([page.title for page in pages], pa.large_string())
        settings = self._extraction()
        result = extract(self._expanded(texts), titles=titles, **settings)
        self._measure(texts, result, settings)
        sizes, lengths = np.array(self._pending.sizes, np.int64), byte_lengths(result.texts)
        kept = (result.status == 0) & (lengths > 0)
        for i in np.flatnonzero(~kept):
            page, revision = pages[i], pages[i].newest
            if result.status[i] != 0:
                self._over_budget(page, revision, STATUS[result.status[i]], int(result.counters[i, 0]))
            else:
                self._drop(page, revision, "empty")
        mask = pa.array(kept)
        batch = self._batch(
            [page for page, keep in zip(pages, kept.tolist(), strict=True) if keep],
            result.texts.filter(mask),
            result.categories.filter(mask),
            result.flags[kept].tolist(),
            (sizes[kept], lengths[kept]),
        )
        change = lengths[kept] - sizes[kept]
        return batch, -int(change[change < 0].sum()), int(change[change > 0].sum())

    def _batch(
        self,
        pages: list[PageXml],
        texts: pa.LargeStringArray,
        categories: pa.ListArray,
        flags: list[int],
        sizes: tuple[NDArray[np.int64], NDArray[np.int64]],
    ) -> pa.RecordBatch:
        """The kept pages as a batch; ``sizes`` are the bytes of their wikitext and of their text."""
        count, language = len(pages), self._language
        names = categories.to_pylist()
        revisions = [page.newest for page in pages]
        columns: dict[str, Any] = {
            "id": [self._id(page) for page in pages],
            "source": [self._settings.name] * count,
            "text": texts,
            "title": [page.title for page in pages],
            "url": [self._site.url(page.title, self._wiki) for page in pages],
            "language": [language] * count,
            "licence": [self._settings.licence] * count,
            "origin": [self._origin(page, revision) for page, revision in zip(pages, revisions, strict=True)],
            "preference": [revision.id for revision in revisions],
            "categories": categories,
            "kind": [
                page_kind(page.title, flag, named, language)
                for page, flag, named in zip(pages, flags, names, strict=True)
            ],
            "wikitext_bytes": sizes[0],
            "text_bytes": sizes[1],
        }
        schema = empty_batch(COLUMNS).schema
        arrays = [
            column if isinstance(column, pa.Array) else pa.array(column, schema.field(name).type)
            for name, column in columns.items()
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    @property
    def _expands(self) -> bool:
        return self._settings.templates == "expand" and bool(self.definitions)

    def _expand_waiting(self) -> None:
        """Expand the templates of the pages that have come since the last time."""
        waiting = self._pending
        texts = _column(waiting.texts[waiting.expanded_pages :])
        titles = pa.array([page.title for page in waiting.pages[waiting.expanded_pages :]], pa.large_string())
        expanded = expand(texts, titles, store_of(self.definitions), engine_options(**self._extraction()))
        waiting.expanded.append(expanded)
        waiting.expanded_pages += len(texts)
        waiting.expanded_bytes += int(byte_lengths(expanded.texts).sum())

    def _expanded(self, texts: pa.LargeStringArray) -> pa.LargeStringArray:
        """The pages with templates expanded, if the settings say so."""
        if not self._expands:
            return texts
        self._expand_waiting()
        pieces = self._pending.expanded
        whole = pa.concat_arrays([piece.texts for piece in pieces])
        self._tables["expansion"] = account(Expanded(whole, np.concatenate([p.counters for p in pieces])))
        pieces.clear()
        return whole

    def _measure(self, texts: pa.LargeStringArray, result: Extracted, settings: dict[str, Any]) -> None:
        """Measure the loss of every ``loss_every``-th page, chosen by its id."""
        every, pages = self._settings.loss_every, self._pending.pages
        chosen = [i for i, p in enumerate(pages) if every and p.id % every == 0 and result.status[i] == 0]
        if not chosen:
            return
        titles = [pages[i].title for i in chosen]
        loss = measure(texts.take(chosen), result.texts.take(chosen), titles, engine_options(**settings))
        self._tables |= side_tables(loss, [self._id(pages[i]) for i in chosen])

    def _over_budget(self, page: PageXml, revision: Revision, bound: str, steps: int) -> None:
        message = (
            f"{self._id(page)} ({page.title!r}): over_budget: more {bound} than allowed after {steps} steps"
            f" for {revision.size} bytes of wikitext. Look at the page: it is damaged or hostile."
        )
        origin = self._origin(page, revision)
        excerpt = (revision.data or b"")[:EXCERPT_BYTES]
        self._quarantine(self._id(page), "over_budget", message, revision.size, excerpt, origin, met=False)


def _column(texts: list[bytes]) -> pa.LargeStringArray:
    """Texts that are known to be UTF-8 as a column, without looking at them again."""
    return pa.array(texts, pa.large_binary()).view(pa.large_string())


def _named(xml: bytes) -> str:
    """``page 7 ('Ulm'): `` of a fragment, as far as it tells."""
    name = name_of_fragment(xml[:FRAGMENT_BYTES])
    return f"{name}: " if name else ""


def _language_of(wiki: str) -> str:
    """``de`` for ``dewiki``; empty for names that tell no language."""
    code = wiki.removesuffix("wiki").replace("_", "-")
    return code if wiki.endswith("wiki") and 2 <= len(code) <= 12 and code not in ("commons", "meta") else ""


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
