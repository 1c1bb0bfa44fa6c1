"""Wikitext to plain text or Markdown, a batch of pages at a time, by the native engine.

What stays: prose, headings that have something under them, lists (``- item``, ``1. item``), quotations,
tables, formulas as LaTeX between dollar signs, code, and the templates that stand for text (numbers with
units, words in other languages, dates). A template within running text that neither a rule nor a class knows
is written as its first argument that reads as text, and counted (``templates_fallback``). What goes: other
templates, footnotes, files, categories and all marks. `Options` decide about tables, infoboxes, captions,
hatnotes and sections of references. Paragraphs
are separated by one blank line.

The work on a page is bounded by a `Budget` of counted steps, never by time, so that slow machines decide
alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal, TypedDict, Unpack, get_args, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpuskit import _native
from corpuskit.documents.columns import NO_STRINGS, from_engine, to_engine
from corpuskit.documents.texts import as_texts
from corpuskit.errors import InputError, SettingError, nearest
from corpuskit.sources.wikipedia.loss import LossTotals, measure_loss, side_tables
from corpuskit.sources.wikipedia.rules import Conversions, TemplateRules, template_table

STATUS = ("ok", "steps", "output", "nesting")
"""What the status codes mean: the text is there, or which bound of the budget was exceeded."""

COUNTERS = (
    *("steps", "nesting", "templates_dropped", "templates_rendered", "tables", "references", "files"),
    *("unclosed", "sections", "hatnotes", "infoboxes", "captions", "tables_kept", "templates_fallback"),
)
"""Names of the columns of `ExtractedBatch.counters`."""

FLAGS = ("disambiguation", "list")
"""What the bits of `ExtractedBatch.flags` mean, the lowest first."""

Output = Literal["plain", "markdown"]
Tables = Literal["drop", "flatten", "keep"]
Infobox = Literal["drop", "lines"]


@dataclass(frozen=True)
class Options:
    """What becomes of the parts of a page; the defaults keep what reads as text.

    Attributes:
        output: ``plain``, or ``markdown`` with headings, lists, tables, fenced code and emphasis as marks.
        tables: ``drop``; ``flatten``, a line per row with the cells joined by `` | ``, spanning ones kept in
            their columns, of which those go that are empty or that no cell has to itself, and ``–`` for an
            empty cell at the beginning of a row; or ``keep``, tables of Markdown in Markdown and cells apart
            by tabs in plain text.
            A cell spans 100 rows or columns at most, and spans fill 256 columns of a table: beyond that cells
            move to the left, and a flat row no longer begins with what reaches down into it. No text is
            lost by it, so that the loss table does not tell of it.
        infobox: ``drop``, or ``lines`` of ``key: value`` from the arguments of an infobox.
        captions: keep the captions of images and galleries.
        hatnotes: keep notes that lead elsewhere (``Main article: ...``, ``For other uses, see ...``).
        drop_sections: headings of sections that go with all that stands under them, unless most of it is
            prose: lines that are no part of a list or table, begin with their own words, end as a sentence
            does and name no ISBN, ISSN, DOI or address, counted in bytes; ``auto`` for those of references
            and pointers in the wiki's language, see `section_names`.
    """

    output: Output = "plain"
    tables: Tables = "flatten"
    infobox: Infobox = "drop"
    captions: bool = False
    hatnotes: bool = False
    drop_sections: Literal["auto"] | tuple[str, ...] = "auto"


@dataclass(frozen=True)
class Budget:
    """Bounds for one page of n bytes: ``base + per_byte * n`` for steps and for output bytes.

    Attributes:
        steps_base, steps_per_byte: bytes looked at or moved. Ordinary pages need 2 to 5 per byte.
        output_base, output_per_byte: bytes of text, before and after marks are removed.
        nesting: templates, links and tables that are open at a time. Ordinary pages need under 20.
    """

    # Of 5,256 pages of real dumps those of over 2,000 bytes took 1.7 steps a byte (median), 3.6 at most, and
    # gave at most 1.2 bytes of text a byte; the deepest nested 17. The bounds stop what is made to take long.
    steps_base: int = 1 << 20
    steps_per_byte: int = 64
    output_base: int = 1 << 16
    output_per_byte: int = 8
    nesting: int = 200


@dataclass(frozen=True)
class ExtractedBatch:
    """The texts of a batch, row by row.

    Attributes:
        texts: the texts; empty where ``status`` is not 0.
        status: shape (rows,), int32, an index into `STATUS`.
        counters: shape (rows, len(COUNTERS)), int64.
        flags: shape (rows,), uint32, bits as `FLAGS` names them.
        categories: the categories of each page, without prefix and sort key, in order, each once.
    """

    texts: pa.LargeStringArray
    status: NDArray[np.int32]
    counters: NDArray[np.int64]
    flags: NDArray[np.uint32]
    categories: pa.ListArray


def extract(
    texts: pa.LargeStringArray,
    *,
    file_prefixes: Iterable[str],
    category_prefixes: Iterable[str],
    language: str = "",
    titles: pa.LargeStringArray | None = None,
    options: Options | None = None,
    templates: _native.TemplateTable | None = None,
    budget: Budget | None = None,
) -> ExtractedBatch:
    """Extract the text of each page of wikitext.

    Args:
        texts: pages, UTF-8. May be a slice, empty or hold nulls (which count as empty pages).
        file_prefixes: names of the file namespace without colon; case does not matter. Links into it are
            dropped. `namespace_prefixes` knows those of the large Wikipedias.
        category_prefixes: the same for categories.
        language: code of the wiki's language; it chooses rules for templates and language variants.
        titles: titles of the pages, for magic words such as ``{{PAGENAME}}``; without them those are dropped.
        options: what stays, the default ones if not given.
        templates: rules for templates, of `corpuskit.sources.wikipedia.rules.template_table`; the shipped
            ones for the language if not given.
        budget: bounds for each page, the default ones if not given.

    Raises:
        SettingError: ``texts`` or ``titles`` is not a large_string array, or they differ in length.

    >>> page = "'''Ulm''' lies {{convert|10|mi|km}} from [[Blaubeuren|there]]."
    >>> pages = pa.array([page], pa.large_string())
    >>> extract(pages, file_prefixes=["File"], category_prefixes=["Category"], language="en").texts[0].as_py()
    'Ulm lies 10 miles (16 km) from there.'
    """
    if titles is not None and len(titles) != len(texts):
        remedy = "Give one title for each text, or none at all."
        raise SettingError(f"extract: {len(titles)} titles for {len(texts)} texts", remedy=remedy)
    result = _native.extract_wikitext(
        to_engine(texts, "texts"),
        NO_STRINGS if titles is None else to_engine(titles, "titles"),
        engine_options(
            file_prefixes=file_prefixes,
            category_prefixes=category_prefixes,
            language=language,
            options=options,
            templates=templates,
            budget=budget,
        ),
    )
    names, ends = (
        from_engine(result["categories"]).cast(pa.string()),
        pa.array(result["category_ends"], pa.int32()),
    )
    categories = pa.ListArray.from_arrays(ends, names)
    figures = result["status"], result["counters"], result["flags"]
    return ExtractedBatch(from_engine(result["texts"]), *figures, categories)


def engine_options(
    *,
    file_prefixes: Iterable[str],
    category_prefixes: Iterable[str],
    language: str = "",
    options: Options | None = None,
    templates: _native.TemplateTable | None = None,
    budget: Budget | None = None,
) -> _native.WikitextOptions:
    """The settings of `extract`, as the engine takes them."""
    options, bounds = options or Options(), budget or Budget()
    native = _native.WikitextOptions()
    native.file_prefixes = _spellings(tuple(file_prefixes))
    native.category_prefixes = _spellings(tuple(category_prefixes))
    native.language = language
    native.templates = templates or template_table(language)
    # The engine numbers the choices in the order in which they are written here.
    native.output = _choice("output", options.output, get_args(Output))
    native.tables = _choice("tables", options.tables, get_args(Tables))
    native.infobox = _choice("infobox", options.infobox, get_args(Infobox)) == 1
    native.captions = options.captions
    native.hatnotes = options.hatnotes
    names = section_names(language) if options.drop_sections == "auto" else options.drop_sections
    native.drop_sections = _spellings(tuple(names))
    native.template_classes = _template_classes(language)
    native.budget = astuple(bounds)
    return native


def _choice(name: str, value: str, known: tuple[str, ...]) -> int:
    """The engine's number of a setting's value."""
    if value not in known:
        raise SettingError(f"{name}: {value!r} is no such choice", remedy=nearest(value, known))
    return known.index(value)


@cache
def _spellings(prefixes: tuple[str, ...]) -> list[str]:
    """Each prefix as written and in the cases that are common outside ASCII; the engine folds ASCII."""
    forms = {f for p in prefixes for f in (p, p.lower(), p.upper(), p[:1].upper() + p[1:].lower()) if f}
    return sorted(forms | {form.replace(" ", "_") for form in forms})  # in a link both mean a blank


def table_rows(name: str) -> list[list[str]]:
    """The rows of a table that comes with the package; lines that begin with # are comments."""
    text = resources.files("corpuskit.sources.wikipedia").joinpath(name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]


@cache
def _known_prefixes() -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({key: tuple(names.split("|")) for key, names in table_rows("namespaces.tsv")})


@cache
def section_names(language: str) -> tuple[str, ...]:
    """Headings of sections of references and pointers in a language; the English ones where it is unknown.

    >>> "Einzelnachweise" in section_names("de"), "See also" in section_names("simple")
    (True, True)
    """
    # A variant of a language (be-tarask) has the headings of its language.
    names = {key: row.split("|") for key, row in table_rows("sections.tsv")}
    return tuple(names.get(language.split("-")[0], names["en"]))


@cache
def _template_classes(language: str) -> list[str]:
    """``class:name`` of the templates that the engine knows by class, and what hatnotes begin with."""
    wanted = {"*", language.split("-")[0]}
    entries = {
        f"{row[0]}:{template}": row[3] if len(row) > 3 else ""
        for row in table_rows("template_classes.tsv")
        if row[1] in wanted
        for template in row[2].split("|")
    }
    return [f"{name}\t{lead}" if lead else name for name, lead in sorted(entries.items())]


def namespace_prefixes(key: int, local: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of namespace ``key`` (6: files, 14: categories) in the large Wikipedias, with the ``local`` ones.

    A dump names one localised name per namespace but not its aliases (``Immagine`` beside ``File``), and
    pages are copied between wikis, so the names of all languages count everywhere.
    """
    return tuple(sorted({*_known_prefixes().get(str(key), ()), *local}))


@dataclass(frozen=True)
class Extracted:
    """What `extract_wikitext` makes of a page.

    Attributes:
        text: empty where ``status`` is not ``ok``.
        title: as it was given.
        categories: without prefix and sort key, in order, each once.
        status: ``ok``, or the bound of `Budget` at which the page was given up, one of `STATUS`.
        counts: what was met, by the names of `COUNTERS`: ``tables``, ``references``, ``templates_dropped``...
        loss: the words that the text lacks, by kind and by template; None where it was not measured.
    """

    text: str
    title: str
    categories: tuple[str, ...]
    status: str
    counts: Mapping[str, int]
    loss: LossTotals | None = None


class ExtractionSettings(TypedDict, total=False):
    """Keywords of `extract_wikitext`: those of `Options`, rules for templates, and whether to measure."""

    output: Output
    tables: Tables
    infobox: Infobox
    captions: bool
    hatnotes: bool
    drop_sections: Literal["auto"] | tuple[str, ...]
    template_rules: TemplateRules
    conversions: Conversions
    measure_loss: bool


@overload
def extract_wikitext(
    text: str, language: str = "en", title: str = "", **settings: Unpack[ExtractionSettings]
) -> Extracted: ...


@overload
def extract_wikitext(
    text: list[str] | tuple[str, ...],
    language: str = "en",
    title: Sequence[str] = (),
    **settings: Unpack[ExtractionSettings],
) -> list[Extracted]: ...


def extract_wikitext(
    text: str | list[str] | tuple[str, ...],
    language: str = "en",
    title: str | Sequence[str] = "",
    **settings: Unpack[ExtractionSettings],
) -> Extracted | list[Extracted]:
    """Extract the text of a page of wikitext, or of each of several, as the Wikipedia source does.

    Templates are written by rules; of those that only their wiki defines the first text stays in
    running text,
    and the others are dropped; both are counted. Links to files
    and categories are known by the names that these namespaces have in the large Wikipedias.

    Args:
        text: wikitext of a page, or of several.
        language: code of the wiki's language.
        title: of the page, or one for each; magic words such as ``{{PAGENAME}}`` need it.
        settings: fields of `Options` (``output="markdown"``, ``tables="keep"``...); ``template_rules`` and
            ``conversions``, see `corpuskit.sources.wikipedia.rules.template_table`; ``measure_loss=True`` to
            measure what each text lacks, see `corpuskit.sources.wikipedia.loss`.

    Returns:
        One `Extracted` for a string, else a list in the order of the pages.

    Raises:
        SettingError: a setting has an unknown value, a rule is not as it should be, or there are not as many
            titles as pages.
        InputError: a page or title holds half of a surrogate pair, which is no text.

    >>> ulm = extract_wikitext("'''Ulm''' is {{convert|10|mi|km}} away. [[Category:Towns]]", title="Ulm")
    >>> ulm.text, ulm.categories
    ('Ulm is 10 miles (16 km) away.', ('Towns',))
    >>> pages = extract_wikitext(["== A ==\\nb {{c}} d", "* e"], output="markdown", measure_loss=True)
    >>> [page.text for page in pages], [row.template for row in pages[0].loss.costliest(1)]
    (['## A\\n\\nb d', '- e'], ['c'])
    """
    texts = [text] if isinstance(text, str) else as_texts("extract_wikitext", text)
    titles = [title] if title and isinstance(title, str) else list(title) or [""] * len(texts)
    pages, names = _strings("text", texts), _strings("title", titles)
    _check_settings(settings)
    options: dict[str, Any] = dict(settings)
    rules, conversions = options.pop("template_rules", None), options.pop("conversions", "both")
    measured = options.pop("measure_loss", False)
    given: dict[str, Any] = {
        "file_prefixes": namespace_prefixes(6),
        "category_prefixes": namespace_prefixes(14),
        "language": language,
        "options": Options(**options),
        "templates": template_table(language, rules, conversions),
    }
    batch = extract(pages, titles=names if title else None, **given)
    found: list[Extracted] = []
    for row, status in enumerate(batch.status.tolist()):
        loss = LossTotals() if measured and not status else None
        name = names[row].as_py()
        if loss is not None:
            lost = measure_loss(
                pages.slice(row, 1), batch.texts.slice(row, 1), [name], engine_options(**given)
            )
            loss.add(side_tables(lost, [name]))
        counts = dict(zip(COUNTERS, batch.counters[row].tolist(), strict=True))
        categories = tuple(batch.categories[row].as_py())
        found.append(Extracted(batch.texts[row].as_py(), name, categories, STATUS[status], counts, loss))
    return found[0] if isinstance(text, str) else found


def _strings(what: str, strings: Sequence[object]) -> pa.LargeStringArray:
    try:
        return pa.array(strings, pa.large_string())
    except UnicodeEncodeError as error:
        message = f"extract_wikitext: a {what} holds half of a surrogate pair at character {error.start}"
        remedy = "Read its file as UTF-8, or replace it: text.encode('utf-8', 'replace').decode()."
        raise InputError(message, remedy=remedy) from None


def _check_settings(settings: Mapping[str, object]) -> None:
    for name, value in settings.items():
        if name not in ExtractionSettings.__annotations__:
            remedy = nearest(name, ExtractionSettings.__annotations__)
            raise SettingError(f"extract_wikitext: no setting is called {name!r}", remedy=remedy)
        sound, remedy = {
            "conversions": (value in ("both", "author"), "Give both or author."),
            "drop_sections": (
                value == "auto" or not isinstance(value, str),
                "Give auto, or a list of headings.",
            ),
            "captions": (isinstance(value, bool), "Give True or False."),
            "hatnotes": (isinstance(value, bool), "Give True or False."),
            "template_rules": (isinstance(value, Mapping | None), "Give rules by template."),
        }.get(name, (True, ""))
        if not sound:
            raise SettingError(f"extract_wikitext: {name} = {value!r}", remedy=remedy)
