"""The pages of one part of a dump become documents, drops and errors; each is accounted for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

import pyarrow as pa

from corpuskit.batch import BATCH_BYTES, SCHEMA, byte_lengths
from corpuskit.ingest import dump
from corpuskit.ingest.dump_items import BadPage, Break, Page, Range
from corpuskit.ingest.dump_xml import PageXml, Revision, Site, name_of_fragment, parse_page
from corpuskit.ingest.page_scanner import FRAGMENT_BYTES
from corpuskit.ingest.templates import template_table
from corpuskit.ingest.wikitext import STATUS, extract, namespace_prefixes
from corpuskit.stage import Dropped, Quarantined, Reading, canonical_json

if TYPE_CHECKING:
    from corpuskit.ingest.wikipedia import Wikipedia

EXCERPT_BYTES = 200
MAX_ENTRIES = 65_536
"""Documents, drops and errors after which a reading is closed, however little text they hold."""

_BREAK_REMEDY = "Compare the file's size and checksum with the mirror's and download it again."


@dataclass
class _Pending:
    """Pages that wait to be extracted together."""

    pages: list[PageXml] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


class PartReader:
    """Turns pages into `Reading`s of one part, and keeps the account."""

    def __init__(self, settings: Wikipedia, file: str, site: Site, wiki: str, warnings: list[str]) -> None:
        self._settings, self._site, self._wiki = settings, site, wiki
        self._file, self.warnings = file, warnings
        self._language = settings.language or site.language or _language_of(wiki)
        self._names = site.namespaces
        self._clear()

    def _clear(self) -> None:
        self.documents_in = self.bytes_in = 0
        self._pending = _Pending()
        self._dropped: list[Dropped] = []
        self._quarantined: list[Quarantined] = []

    @property
    def full(self) -> bool:
        """Whether enough has come together for a reading."""
        return self.bytes_in >= BATCH_BYTES or self.documents_in >= MAX_ENTRIES

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
        else:
            self._pending.pages.append(page)
            self._pending.texts.append(revision.text or "")
            self._pending.sizes.append(revision.size)

    def _reason_to_drop(self, page: PageXml, revision: Revision) -> str:
        namespace = self._site.namespace_of(page.title) if page.namespace is None else page.namespace
        if namespace not in self._settings.namespaces:
            return f"namespace_{namespace}"
        if revision.model not in ("", "wikitext"):
            return f"model_{revision.model}"
        if page.is_redirect:
            return "redirect"
        return "" if revision.text and not revision.text.isspace() else "empty"

    def _drop(self, page: PageXml, revision: Revision, reason: str) -> None:
        origin = self._origin(page, revision)
        text = revision.text or ""
        self._dropped.append(Dropped(self._id(page), reason, revision.size, page.title, text, origin))

    def _id(self, page: PageXml) -> str:
        return f"wikipedia:{self._wiki}:{page.id}"

    def _origin(self, page: PageXml, revision: Revision) -> str:
        return canonical_json(
            {"file": self._file, "page": page.id, "revision": revision.id, "timestamp": revision.timestamp}
        )

    def take(self) -> Reading:
        """Extract what waits and hand out the reading."""
        rows, cut, added = self._extract()
        columns: dict[str, Any] = {f.name: [row[f.name] for row in rows] for f in SCHEMA if f.name != "text"}
        texts = pa.concat_arrays([row["text"] for row in rows]) if rows else pa.array([], pa.large_string())
        arrays = [texts if f.name == "text" else pa.array(columns[f.name], f.type) for f in SCHEMA]
        reading = Reading(
            batch=pa.RecordBatch.from_arrays(arrays, schema=SCHEMA),
            documents_in=self.documents_in,
            bytes_in=self.bytes_in,
            cut={"markup": cut} if cut else {},
            added={"templates": added} if added else {},
            dropped=self._dropped,
            quarantined=self._quarantined,
            warnings=self.warnings,
        )
        self.warnings = []
        self._clear()
        return reading

    def _extract(self) -> tuple[list[dict[str, Any]], int, int]:
        """Rows of the documents, bytes cut and bytes added."""
        pages, texts = self._pending.pages, pa.array(self._pending.texts, pa.large_string())
        result = extract(
            texts,
            file_prefixes=namespace_prefixes(6, (self._names.get(6, "File"),)),
            category_prefixes=namespace_prefixes(14, (self._names.get(14, "Category"),)),
            language=self._language,
            titles=pa.array([page.title for page in pages], pa.large_string()),
            options=self._settings.extraction,
            templates=template_table(self._language, self._settings.template_rules),
        )
        lengths = byte_lengths(result.texts)
        rows: list[dict[str, Any]] = []
        cut = added = 0
        for i, page in enumerate(pages):
            revision, size, length = page.revision, self._pending.sizes[i], int(lengths[i])
            if revision is None:
                continue
            if result.status[i] != 0:
                self._over_budget(page, revision, STATUS[result.status[i]], int(result.counters[i, 0]))
                continue
            if length == 0:
                self._drop(page, revision, "empty")
                continue
            cut += max(0, size - length)
            added += max(0, length - size)
            rows.append(self._row(page, revision) | {"text": result.texts.slice(i, 1)})
        return rows, cut, added

    def _over_budget(self, page: PageXml, revision: Revision, bound: str, steps: int) -> None:
        message = (
            f"{self._id(page)} ({page.title!r}): over_budget: more {bound} than allowed after {steps} steps"
            f" for {revision.size} bytes of wikitext. Look at the page: it is damaged or hostile."
        )
        excerpt = (revision.text or "")[:EXCERPT_BYTES].encode()
        origin = self._origin(page, revision)
        self._quarantine(self._id(page), "over_budget", message, revision.size, excerpt, origin, met=False)

    def _row(self, page: PageXml, revision: Revision) -> dict[str, Any]:
        return {
            "id": self._id(page),
            "source": self._settings.name,
            "title": page.title,
            "url": self._site.url(page.title, self._wiki),
            "language": self._language,
            "licence": self._settings.licence,
            "origin": self._origin(page, revision),
            "preference": revision.id,
        }


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
