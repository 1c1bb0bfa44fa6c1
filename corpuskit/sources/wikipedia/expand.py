"""Templates that a dump itself defines are expanded before a page is extracted.

As in MediaWiki: ``{{{1|default}}}``, arguments by name and by position, ``<noinclude>``, ``<includeonly>``
and ``<onlyinclude>``, redirects of templates, parser functions that need no wiki, the page's title.

A template that has a rule (`corpuskit.sources.wikipedia.rules`) is not expanded: a rule says what a reader
reads, while a definition often holds hidden text, dates of the day and calls of Lua modules. Neither are
calls that cannot be: of templates that are not defined, that call themselves, nest too deep, or run a Lua
module. Modules are not run; the template whose definition runs one is left as it is called, with its
arguments expanded. What is left is for the rules, or is dropped and counted as ever.

A dump in several files rarely holds all templates in the file that calls them, and what a definition calls
but the file lacks leaves a hole: name a file with all of them (``template_pages``).

The work on a page is bounded by an `ExpandBudget` of counted steps, bytes and depth. A call of a page may
take half of what the page has left; one that needs more is left as it stands, and the page goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpuskit import _native
from corpuskit.documents.columns import from_engine, to_engine
from corpuskit.errors import SettingError

STORE_BYTES = 128 * 2**20
"""Bytes of definitions that a worker holds at most; what they are parsed into takes up to 64 MiB more."""

EXPAND_COUNTERS = ("steps", "depth", "expanded", "ruled", "undefined", "lua", "loops", "over")
"""Names of the columns of `Expanded.counters`: steps, deepest nesting, and calls that were expanded, left to
a rule, not defined, left because of a Lua module, left because of a loop, given up for the budget."""

EXPANSION_SCHEMA = pa.schema(
    [pa.field(name, pa.int64(), nullable=False) for name in ("pages", *EXPAND_COUNTERS[1:])]
)
"""The side table ``expansion``: one row per reading, sums over its pages; of ``depth`` the greatest."""


@dataclass(frozen=True)
class ExpandBudget:
    """Bounds for one page of n bytes: ``base + per_byte * n`` for steps and for output bytes.

    Attributes:
        steps_base, steps_per_byte: nodes visited and bytes moved.
        output_base, output_per_byte: bytes of the expanded page and of the arguments that are held.
        depth: templates within templates.
    """

    # MediaWiki has 2 MiB too and, up to 1.37, had a depth of 40. Of 2,317 pages in dumps with their
    # templates, those of over 2,000 bytes took 10 steps a byte and grew eightfold at most, 4 templates deep.
    steps_base: int = 4_000_000
    steps_per_byte: int = 64
    output_base: int = 2 * 2**20
    output_per_byte: int = 4
    depth: int = 40


@dataclass(frozen=True)
class Expanded:
    """Pages with the calls of templates expanded.

    Attributes:
        texts: wikitext.
        counters: shape (rows, len(EXPAND_COUNTERS)), int64.
    """

    texts: pa.LargeStringArray
    counters: NDArray[np.int64]


def expansion_table(expanded: Expanded) -> pa.Table:
    """One row of `EXPANSION_SCHEMA`."""
    counters = expanded.counters
    depth = int(counters[:, 1].max(initial=0))
    row = [len(counters), depth, *counters[:, 2:].sum(axis=0).tolist()]
    return pa.table([[figure] for figure in row], schema=EXPANSION_SCHEMA)


def template_store(
    definitions: Iterable[tuple[str, str]],
    redirects: Iterable[tuple[str, str]] = (),
    prefixes: Iterable[str] = (),
) -> _native.TemplateStore:
    """Collect definitions of templates.

    Args:
        definitions: title without namespace, and wikitext. The first one of a title counts.
        redirects: title and title.
        prefixes: names of the template namespace beside ``Template``.

    Raises:
        SettingError: they hold more than `STORE_BYTES`.
    """
    store = _native.TemplateStore(sorted(prefixes))
    for title, text in definitions:  # asked for room one by one: a dump may define more than fits in memory
        store.add(title, text)
        _require_room(store, title)
    add_redirects(store, redirects)
    return store


def add_redirects(store: _native.TemplateStore, redirects: Iterable[tuple[str, str]]) -> None:
    """Add redirects of templates, title and title. Raises `SettingError` above `STORE_BYTES`."""
    for title, target in redirects:
        store.add_redirect(title, target)
        _require_room(store, title)


def _require_room(store: _native.TemplateStore, title: str) -> None:
    if store.bytes > STORE_BYTES:
        raise SettingError(
            f"templates: expand: the definitions hold more than {STORE_BYTES} bytes at {title!r}",
            remedy="Write a smaller set with `corpuskit wikipedia templates DUMP --out FILE --min-uses 2`"
            " and name it in `template_pages`.",
        )


def expand(
    texts: pa.LargeStringArray,
    titles: pa.LargeStringArray,
    store: _native.TemplateStore,
    options: _native.WikitextOptions,
    budget: ExpandBudget | None = None,
) -> Expanded:
    """Expand the calls of templates in each page.

    Args:
        texts: pages of wikitext.
        titles: of the pages, with namespace.
        store: the definitions, of `template_store`.
        options: what the pages will be extracted with, of
            `corpuskit.sources.wikipedia.extract.engine_options`; its rules and classes decide which templates
            are left.
        budget: bounds for each page, the default ones if not given.

    Raises:
        SettingError: a column is not large_string, or there are not as many titles as texts.

    >>> from corpuskit.sources.wikipedia.extract import engine_options
    >>> store = template_store([("Greet", "Hello, {{{1|world}}}!")])
    >>> page = pa.array(["{{greet|Ulm}} {{greet}}"], pa.large_string())
    >>> title = pa.array([""], pa.large_string())
    >>> options = engine_options(file_prefixes=[], category_prefixes=[], language="en")
    >>> expand(page, title, store, options).texts[0].as_py()
    'Hello, Ulm! Hello, world!'
    """
    if len(texts) != len(titles):
        message = f"expand: {len(titles)} titles for {len(texts)} texts"
        raise SettingError(message, remedy="Give one title for each text.")
    pages, names = to_engine(texts, "texts"), to_engine(titles, "titles")
    bounds = astuple(budget or ExpandBudget())
    strings, counters, _ = _native.expand_wikitext(pages, names, store, options, bounds)
    return Expanded(from_engine(strings), counters)
