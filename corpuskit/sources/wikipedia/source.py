"""Wikipedia, and any other MediaWiki, from its XML dumps (``pages-articles``), as a source.

Reads plain XML, .bz2 with one stream or many (``multistream``), .gz, .zst and .xz. Each page becomes plain
text (see `corpuskit.sources.wikipedia.extract`). A document's id is ``wikipedia:<wiki>:<page id>``.

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

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import ClassVar, Literal

import pyarrow as pa
from pydantic import Field, model_validator

from corpuskit.documents.reading import Reading
from corpuskit.documents.settings import Location
from corpuskit.errors import InputError, SettingError
from corpuskit.sources.folders import FolderSelection, begin_reading, relative_name, set_aside, still_to_come
from corpuskit.sources.source import Part, Source
from corpuskit.sources.wikipedia import dump
from corpuskit.sources.wikipedia.definitions import skipped_of
from corpuskit.sources.wikipedia.documents import ALIASES, COLUMNS, LICENCE, PageRules, PartReader
from corpuskit.sources.wikipedia.expand import EXPANSION_SCHEMA
from corpuskit.sources.wikipedia.extract import Infobox, Options, Output, Tables
from corpuskit.sources.wikipedia.items import Range
from corpuskit.sources.wikipedia.loss import SIDE_TABLES
from corpuskit.sources.wikipedia.pages import read_pages
from corpuskit.sources.wikipedia.rules import Conversions, template_table
from corpuskit.sources.wikipedia.site import Site, parse_site
from corpuskit.storage.places import kind_of, stamp

_CARRIED_BYTES = 2**16
"""A longer head of a dump is not carried along with each of its parts: their readers look for it again."""


class Wikipedia(Source):
    """Pages of a MediaWiki XML dump as text.

    Each document has its categories in the order of the page (``categories``), what it is (``kind``:
    ``article``, ``disambiguation`` or ``list``), and its length (``wikitext_bytes``, ``text_bytes`` as
    extracted). Redirects are told in the side table ``aliases``: wiki, title, target, and the fragment of the
    target that is meant.

    Attributes:
        path: a dump, or a folder that is searched for files with ``.xml`` in their name; or the URI of one
            (``s3://bucket/dumps``), which is read where it lies.
        wiki: name of the wiki as it stands in ids (``enwiki``); if empty, the ``dbname`` that the dump gives.
        language: language code; if empty, what the dump says, which is wrong in some dumps that were copied.
        licence: licence of all documents.
        namespaces: keys of the namespaces whose pages are kept; 0 are the articles.
        include: globs, matched against the relative path and against the name alone; empty for all.
        output, tables, infobox, captions, hatnotes, drop_sections: what becomes of the parts of a page, see
            `corpuskit.sources.wikipedia.extract.Options`.
        template_rules: how further templates are written as text, name -> format or
            name -> {language: format}: ``{"pop": "{1:number} people[ ({year})]"}``. They win over the shipped
            rules; an empty format removes a template. `corpuskit.sources.wikipedia.rules.template_table`
            tells how formats are written.
        templates: ``rules``, or ``expand``: templates without a rule that the dump itself defines are
            expanded, see `corpuskit.sources.wikipedia.expand`.
        template_pages: a dump that holds their definitions; if empty, each dump is read for its own. Make a
            small one of a large dump with ``corpuskit wikipedia templates``.
        loss_every: measures what is lost of every page whose id is divisible by this, see
            `corpuskit.sources.wikipedia.loss`; 1 for all pages, 0 for none. The side tables ``loss`` and
            ``loss_pages`` hold the figures.
        conversions: ``both``, "10 miles (16 km)", as the page shows ``{{convert|10|mi|km}}``; or ``author``,
            "10 miles".
    """

    name: ClassVar[str] = "wikipedia"
    version: ClassVar[int] = 5
    same_id_reason: ClassVar[str] = "older_revision"
    columns: ClassVar[Mapping[str, pa.DataType]] = COLUMNS
    side_tables: ClassVar[Mapping[str, pa.Schema]] = {
        "aliases": ALIASES,
        "expansion": EXPANSION_SCHEMA,
        **SIDE_TABLES,
    }

    path: Location[str]
    wiki: str = ""
    language: str = ""
    licence: str = LICENCE
    namespaces: tuple[int, ...] = (0,)
    include: tuple[str, ...] = ()
    output: Output = "plain"
    tables: Tables = "flatten"
    infobox: Infobox = "drop"
    captions: bool = False
    hatnotes: bool = False
    drop_sections: Literal["auto"] | tuple[str, ...] = "auto"

    templates: Literal["rules", "expand"] = "rules"
    template_pages: Location[str] = ""
    loss_every: int = Field(32, ge=0)
    template_rules: dict[str, str | dict[str, str]] = Field(default_factory=dict)
    conversions: Conversions = "both"

    # A wrong rule stops the recipe that holds it, not a worker in the middle of a build.
    @model_validator(mode="after")
    def _check_rules(self) -> Wikipedia:
        template_table(self.language, self.template_rules)
        return self

    @property
    def documents_source(self) -> str:
        """What the column ``source`` says of all documents."""
        return self.name

    def parts(self) -> list[Part]:
        """Ranges of bytes or of bzip2 blocks, in the order of the files' relative paths.

        A file of a folder that is no dump is a part of its own, from which one quarantined item is read.

        Raises:
            InputError: there is nothing to read, or no file that could be.
            SettingError: neither the dump nor `wiki` names the wiki.
        """
        if kind_of(self.path) == "file":
            return self._parts_of(self.path, self.path, 0)
        selection = self._select()
        parts: list[Part] = []
        bad: list[InputError | SettingError] = []
        for name, path in selection.files:
            try:
                parts += self._parts_of(path, name, len(parts))
            except (InputError, SettingError) as error:
                bad.append(error)
                why = {"unreadable": error.one_line()}
                parts.append(Part(_part_name(name, len(parts)), (path,), why, stamp(path)[0]))
        if len(bad) == len(selection.files):
            message = f"wikipedia: no dump in {self.path} can be read: {bad[0].message}"
            raise type(bad[0])(message, remedy=bad[0].remedy)
        return selection.noted(parts, *still_to_come("wikipedia", self.path))

    def _parts_of(self, path: str, name: str, first: int) -> list[Part]:
        """The parts of one dump, numbered from ``first``; ``name`` is what messages call it."""
        compression = dump.sniff(path, name)
        head = dump.read_head(path, compression)
        if not head.page:
            remedy = "Give a pages-articles dump; indexes and SQL tables are not read."
            raise InputError(f"{name}: no <page> within the first {len(head.data)} bytes", remedy=remedy)
        self._wiki(parse_site(head.data, name), name)  # asked now: each part would fail for want of it
        # Read for definitions, the file is an input of every part: its digest is in their fingerprints.
        expands = self.templates == "expand" and self.template_pages not in ("", path)
        definitions = (self.template_pages,) if expands else ()
        parts: list[Part] = []
        for piece in dump.ranges(path, compression, head.encoding):
            detail = {"compression": compression, "start": piece.start, "end": piece.end}
            part_name = _part_name(relative_name(self.path, path), first + len(parts))
            carried = head if len(head.data) <= _CARRIED_BYTES else None
            parts.append(Part(part_name, (path, *definitions), detail, piece.end - piece.start, carried))
        return parts

    def read(self, part: Part) -> Iterator[Reading]:
        """Read the pages that begin in a part."""
        path = part.files[0]
        name = relative_name(self.path, path)
        out = begin_reading(part, COLUMNS)
        if "unreadable" in part.detail:
            set_aside(out, "wikipedia", name, part.bytes, part.detail["unreadable"])
            yield from out.take(rest=True)
            return
        compression: dump.Compression = part.detail["compression"]
        head = part.found if isinstance(part.found, dump.Head) else dump.read_head(path, compression)
        site = parse_site(head.data, name)
        piece = Range(int(part.detail["start"]), int(part.detail["end"]))
        rules = self._rules(self._wiki(site, name), path)
        # Said once for a dump: by its first part.
        skipped = skipped_of(rules.definitions) if rules.definitions and piece.start == 0 else ""
        if skipped:
            out.warn(skipped)
        reader = PartReader(rules, site, name, out)
        for found in read_pages(path, compression, head.encoding, piece):
            reader.accept(found, piece)
            yield from reader.take()
        yield from reader.take(rest=True)

    def _rules(self, wiki: str, path: str) -> PageRules:
        """The settings that a reader of one dump's pages needs."""
        return PageRules(
            wiki=wiki,
            language=self.language,
            licence=self.licence,
            namespaces=self.namespaces,
            options=Options(**{f.name: getattr(self, f.name) for f in fields(Options)}),
            template_rules=self.template_rules,
            conversions=self.conversions,
            definitions=(self.template_pages or path) if self.templates == "expand" else "",
            loss_every=self.loss_every,
        )

    def _select(self) -> FolderSelection:
        """The dumps in the folder."""
        selection = FolderSelection("wikipedia", self.path, self.include)
        if not self.include:
            cause = "no name of a dump (`include` chooses others)"
            selection.leave(cause, lambda name: not dump.looks_like_dump(name))
        if not selection.files:
            chosen_by = f", none left by include {list(self.include)}" if self.include else ""
            message = f"wikipedia: no dump among the {len(selection.found)} files in {self.path}{chosen_by}"
            remedy = "Name a file, or files with `include`; dumps have .xml in their name."
            raise InputError(message, remedy=remedy)
        return selection

    def _wiki(self, site: Site, name: str) -> str:
        if not (wiki := self.wiki or site.dbname):
            message = f"{name}: does not name its wiki (no <dbname>), and ids need it"
            raise SettingError(message, remedy="Set `wiki`, for example to enwiki.")
        return wiki


def _part_name(name: str, number: int) -> str:
    return f"{re.sub(r'[^A-Za-z0-9._-]', '-', name)}.{number:05d}"
