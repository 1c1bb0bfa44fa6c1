"""Wikipedia, and any other MediaWiki, from its XML dumps (``pages-articles``), as a source.

Reads plain XML, .gz and .bz2, the latter with one stream or many (``multistream``). Each page becomes plain
text (see `corpuskit.ingest.wikitext`). A document's id is ``wikipedia:<wiki>:<page id>``.

Every page is accounted for. It becomes a document, or is dropped as ``namespace_<n>``, ``model_<name>``,
``redirect``, ``empty`` (nothing is left as text) or ``older_revision``, or it is quarantined as

    truncated, damaged      the file breaks off or cannot be decompressed from some place on
    truncated_page          the page has no end
    stray                   what stands between pages and is none: a page whose beginning is damaged
    page_too_large          the page is longer than 64 MiB of XML
    malformed_xml, invalid_utf8, incomplete_page
    over_budget             its wikitext is so nested or so long to unravel that it was given up
    unreadable_file         a file among other dumps in a folder is no dump
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar
from xml.parsers import expat

import pyarrow as pa

from corpuskit.batch import BATCH_BYTES, SCHEMA, byte_lengths
from corpuskit.errors import InputError, SettingError
from corpuskit.ingest import dump
from corpuskit.ingest.dump_xml import PageXml, Revision, Site, name_of_fragment, parse_page, parse_site
from corpuskit.ingest.page_scanner import FRAGMENT_BYTES, PageScanner
from corpuskit.ingest.paths import (
    matches,
    noted,
    one_line,
    passed_over,
    relative_name,
    require,
    survey,
    unreadable,
)
from corpuskit.ingest.reading import ReadingBuilder
from corpuskit.ingest.wikitext import STATUS, extract, namespace_prefixes
from corpuskit.stage import Dropped, Location, Part, Quarantined, Reading, Source, canonical_json

EXCERPT_BYTES = 200
MAX_ENTRIES = 65_536
"""Documents, drops and errors after which a reading is closed, however little text they hold."""

_BREAK_REMEDY = "Compare the file's size and checksum with the mirror's and download it again."


class Wikipedia(Source):
    """Pages of a MediaWiki XML dump as plain text.

    Attributes:
        path: a dump, or a folder that is searched for files with ``.xml`` in their name.
        wiki: name of the wiki as it stands in ids (``enwiki``); if empty, the ``dbname`` that the dump gives.
        language: language code; if empty, what the dump says, which is wrong in some dumps that were copied.
        licence: licence of all documents.
        namespaces: keys of the namespaces whose pages are kept; 0 are the articles.
        include: globs, matched against the relative path and against the name alone; empty for all.
    """

    name: ClassVar[str] = "wikipedia"
    version: ClassVar[int] = 3
    same_id_reason: ClassVar[str] = "older_revision"

    path: Location[str]
    wiki: str = ""
    language: str = ""
    licence: str = "CC BY-SA 4.0"
    namespaces: tuple[int, ...] = (0,)
    include: tuple[str, ...] = ()

    def parts(self) -> list[Part]:
        """Ranges of bytes or of bzip2 streams, in the order of the files' relative paths.

        A file of a folder that is no dump is a part of its own, from which one quarantined item is read.

        Raises:
            InputError: there is nothing to read, or no file that could be.
            SettingError: neither the dump nor `wiki` names the wiki.
        """
        require(self.path, "wikipedia")
        if os.path.isfile(self.path):
            return self._parts_of(self.path, self.path, 0)
        dumps, sentences = self._choose()
        parts: list[Part] = []
        bad: list[InputError | SettingError] = []
        for name, path in dumps:
            try:
                parts += self._parts_of(path, name, len(parts))
            except (InputError, SettingError) as error:
                bad.append(error)
                parts.append(
                    Part(
                        _part_name(name, len(parts)),
                        (path,),
                        {"unreadable": one_line(error)},
                        os.path.getsize(path),
                    )
                )
        if len(bad) == len(dumps):
            message = f"wikipedia: no dump in {self.path} can be read: {bad[0].message}"
            raise type(bad[0])(message, remedy=bad[0].remedy)
        return noted(parts, sentences)

    def _parts_of(self, path: str, name: str, first: int) -> list[Part]:
        """The parts of one dump, numbered from ``first``; ``name`` is what messages call it."""
        compression = dump.sniff(path, name)
        head = dump.read_head(path, compression)
        if not head.page:
            raise InputError(
                f"{name}: no <page> within the first {len(head.data)} bytes",
                remedy="Give a pages-articles dump; indexes and SQL tables are not read.",
            )
        self._wiki(parse_site(head.data, name), name)
        parts: list[Part] = []
        for piece in dump.ranges(path, compression, head.encoding):
            detail = {"compression": compression, "start": piece.start, "end": piece.end}
            part_name = _part_name(relative_name(self.path, path), first + len(parts))
            parts.append(Part(part_name, (path,), detail, piece.end - piece.start))
        return parts

    def read(self, part: Part) -> Iterator[Reading]:
        """Read the pages that begin in a part."""
        path = part.files[0]
        name = relative_name(self.path, path)
        warnings = list(part.detail.get("not_read", ()))
        if "unreadable" in part.detail:
            yield from _unreadable(name, part, warnings)
            return
        compression: dump.Compression = part.detail["compression"]
        head = dump.read_head(path, compression)
        site = parse_site(head.data, name)
        reader = _PartReader(self, name, site, self._wiki(site, name), warnings)
        piece = dump.Range(int(part.detail["start"]), int(part.detail["end"]))
        scanner = PageScanner(first=piece.start == 0)
        for found in scanner.pages(dump.decode(path, compression, head.encoding, piece)):
            reader.accept(found, piece)
            if reader.full:
                yield reader.take()
        if reader.documents_in or reader.warnings:
            yield reader.take()

    def _choose(self) -> tuple[list[tuple[str, str]], list[str]]:
        """Name and path of the dumps in the folder, and sentences about what is passed over."""
        found = survey(self.path)
        chosen = [
            (name, path)
            for name, path in found.files
            if (matches(name, self.include) if self.include else _looks_like_dump(name))
        ]
        if not chosen:
            raise InputError(
                f"wikipedia: no dump among the {len(found.files)} files in {self.path}",
                remedy="Name a file, or files with `include`; dumps have .xml in their name.",
            )
        read = {name for name, _ in chosen}
        left = {"no name of a dump (`include` chooses others)": [n for n, _ in found.files if n not in read]}
        return chosen, passed_over("wikipedia", left | found.others, self.include)

    def _wiki(self, site: Site, name: str) -> str:
        wiki = self.wiki or site.dbname
        if not wiki:
            raise SettingError(
                f"{name}: does not name its wiki (no <dbname>), and ids need it",
                remedy="Set `wiki`, for example to enwiki.",
            )
        return wiki


def _looks_like_dump(name: str) -> bool:
    base = name.rsplit("/", 1)[-1]
    return ".xml" in base and "-index" not in base and not base.endswith((".sha1", ".md5", ".tmp", ".part"))


def _part_name(name: str, number: int) -> str:
    return f"{re.sub(r'[^A-Za-z0-9._-]', '-', name)}.{number:05d}"


def _unreadable(name: str, part: Part, warnings: list[str]) -> Iterator[Reading]:
    """The reading of a file that is no dump."""
    out = ReadingBuilder()
    error = str(part.detail["unreadable"])
    out.met(part.bytes)
    out.quarantine(unreadable(name, part.bytes, error))
    for sentence in (*warnings, f"wikipedia: not read: {error}"):
        out.warn(sentence)
    yield from out.take(rest=True)


@dataclass
class _Pending:
    """Pages that wait to be extracted together."""

    pages: list[PageXml] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


class _PartReader:
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

    def accept(self, found: dump.Page | dump.BadPage | dump.Break, piece: dump.Range) -> None:
        """Take one thing that the scanner found."""
        if isinstance(found, dump.Page):
            self._page(found, piece)
        elif isinstance(found, dump.Break):
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

    def _page(self, found: dump.Page, piece: dump.Range) -> None:
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
