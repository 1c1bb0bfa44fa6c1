"""The loss meter: which words of a wiki's pages are missing from the texts that were made of them.

It reads the wikitext by itself, so that it does not share the extractor's mistakes, and compares words. It
finds loss and ranks it; how good an extraction is, is for independent truth to say (rendered pages).

A **word** is a run of letters and digits (``1,300`` and ``1.5`` are one word each, whatever separates their
digits), or one Chinese or Japanese character.

A word of the wikitext is **visible** unless it stands in: a comment; a tag or its attributes; ``<math>`` and
other formulas, scores, maps, timelines and graphs; the name of a template or of an argument; an argument that
styles (``style``, ``width``, ``url``, ``image``...); the target of a link that has a text of its own; an
address; the options of a file; a category or a link to another language; the attributes of a table, row or
cell; a behaviour switch. Character references are decoded.

Each visible word has a **kind**: that of the place where it stands (`KINDS`). Where places nest, footnotes
win over dropped sections, these over dropped templates, hatnotes and infoboxes, and else the inner one wins;
so a word within ``{{lang|fr|...}}`` in a paragraph is a word of the template ``lang``.

A word is **kept** if the text still has an occurrence of it to give: each occurrence in the text answers for
one in the wikitext, those of prose first and then the others in the order of `KINDS`. Order and place do not
count, so a word that is lost in one place and stands in the text for another reason may be ascribed to the
wrong template; over many pages this evens out.

**Holes** (`HOLES`) are places in the text where something seems to be missing, **leftovers** (`LEFTOVERS`)
are marks that should have gone. Both are counted in the text alone, so code and formulas add some of their
own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpuskit import _native
from corpuskit.documents.columns import to_engine
from corpuskit.errors import SettingError

KINDS = (
    *("prose", "heading", "template", "gap", "fallback", "table", "caption", "infobox", "hatnote"),
    *("dropped", "section", "reference"),
)
"""Where words stand.

``heading``: headings, which go where nothing that stays stands under them. ``template``: templates that are
written by a rule, or that no rule knows. ``gap`` and ``fallback``: templates within running text that neither
a rule nor a class knows; a ``gap`` gave nothing, of a ``fallback`` the first argument that reads as text was
written, which is kept but may be the wrong one. ``dropped``: templates that a rule or their class drops for
what they are, such as remarks for editors (the last column of templates.tsv). ``section``: sections that are
dropped by setting. ``reference``: footnotes, among them the templates that a rule drops as such (``sfn``,
``efn``).
"""

ON_PURPOSE = ("dropped", "reference")
"""Kinds that go whatever the settings."""

BY_SETTING = ("table", "caption", "infobox", "hatnote", "section")
"""Kinds that a setting may drop as a whole."""

HOLES = (
    *("empty_brackets", "doubled_separator", "blank_before_stop", "open_ended_word"),
    "words_that_cannot_meet",
)
"""``()`` or ``(,``; ``, ,`` or ``,.``; `` ,`` or `` .``; ``approximately .`` or ``of)``; ``of and``. The last
two know English, German, French, Spanish, Italian and Vietnamese."""

LEFTOVERS = ("[[", "]]", "{{", "}}", "{|", "|-", "style=", "tags", "'' or ==")
"""Marks of wikitext; ``|-`` and ``==`` at the start of a line, tags as ``<name ...>``."""

COLUMNS = (
    *(f"words_{k}" for k in KINDS),
    *(f"lost_{k}" for k in KINDS),
    "sentences",
    *(f"hole_{h}" for h in HOLES),
    *(f"left_{mark}" for mark in LEFTOVERS),
)
"""Names of the columns of `Loss.columns`."""

_TEXT, _COUNT = pa.string(), pa.int64()
_TABLE = {"kind": _TEXT, "template": _TEXT} | dict.fromkeys(("uses", "words", "lost"), _COUNT)
_TABLE |= {"page": _TEXT, "example": _TEXT}
TABLE_SCHEMA = pa.schema([pa.field(name, kind, nullable=False) for name, kind in _TABLE.items()])
"""One row per kind and template: uses, visible words, lost words, and the title of a page with a use that
lost words and how that use begins. ``template`` is empty for what is none."""

_PAGE = {"id": _TEXT} | dict.fromkeys(COLUMNS, _COUNT)
PAGE_SCHEMA = pa.schema([pa.field(name, kind, nullable=False) for name, kind in _PAGE.items()])
"""One row per page that was measured."""

SIDE_TABLES = {"loss": TABLE_SCHEMA, "loss_pages": PAGE_SCHEMA}


@dataclass(frozen=True)
class Loss:
    """What was measured of a batch.

    Attributes:
        columns: shape (pages, len(COLUMNS)), int64.
        table: columns of `TABLE_SCHEMA`, in the order in which kinds and templates were met.
    """

    columns: NDArray[np.int64]
    table: pa.Table


def measure_loss(
    pages: pa.LargeStringArray,
    texts: pa.LargeStringArray,
    titles: list[str],
    options: _native.WikitextOptions,
) -> Loss:
    """Compare pages with the texts that `corpuskit.sources.wikipedia.extract.extract` made of them.

    Args:
        pages: wikitext.
        texts: what became of it.
        titles: of the pages, for the examples.
        options: what the texts were extracted with, of `corpuskit.sources.wikipedia.extract.engine_options`.

    Raises:
        SettingError: the three are not of one length.
    """
    if not len(pages) == len(texts) == len(titles):
        message = f"measure_loss: {len(pages)} pages, {len(texts)} texts and {len(titles)} titles"
        raise SettingError(message, remedy="Give one text and one title for each page.")
    result = _native.measure_loss(to_engine(pages, "pages"), to_engine(texts, "texts"), options)
    examples = [titles[i] if i >= 0 else "" for i in result["pages"].tolist()]
    where = [pa.array([KINDS[kind] for kind in result["kinds"].tolist()], _TEXT), _decoded(result["names"])]
    figures = (result["uses"], result["words"], result["lost"])
    columns = [*where, *figures, pa.array(examples, _TEXT), _decoded(result["examples"])]
    return Loss(result["columns"], pa.table(columns, schema=TABLE_SCHEMA))


def side_tables(loss: Loss, ids: list[str]) -> dict[str, pa.Table]:
    """What was measured as side tables of a reading: ``loss`` and ``loss_pages``, see `SIDE_TABLES`."""
    columns = [pa.array(ids, pa.string()), *(pa.array(column) for column in loss.columns.T)]
    return {"loss": loss.table, "loss_pages": pa.table(columns, schema=PAGE_SCHEMA)}


def _decoded(strings: _native.Strings) -> pa.StringArray:
    """Strings that may be cut within a character, which then becomes the replacement character."""
    offsets, data = strings
    raw = data.tobytes()
    return pa.array([raw[a:b].decode("utf-8", "replace") for a, b in pairwise(offsets.tolist())], _TEXT)


@dataclass
class TemplateLoss:
    """Losses of one template or kind, summed up."""

    kind: str
    template: str
    uses: int = 0
    words: int = 0
    lost: int = 0
    page: str = ""
    example: str = ""


@dataclass
class LossTotals:
    """Losses of many batches, summed up.

    Attributes:
        pages: how many were measured.
        counts: sums of the columns of `COLUMNS`.
        rows: by kind and template.
    """

    pages: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COLUMNS, 0))
    rows: dict[tuple[str, str], TemplateLoss] = field(default_factory=dict)

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Add the side tables of one reading."""
        pages = tables["loss_pages"]
        self.pages += pages.num_rows
        for name in COLUMNS:
            if name in pages.column_names:  # runs made before a kind was told apart lack its columns
                self.counts[name] += sum(pages.column(name).to_pylist())
        for row in tables["loss"].to_pylist():
            key = (row["kind"], row["template"])
            total = self.rows.setdefault(key, TemplateLoss(*key))
            total.uses += row["uses"]
            total.words += row["words"]
            total.lost += row["lost"]
            if not total.example:
                total.page, total.example = row["page"], row["example"]

    def kept(self, kinds: Iterable[str] = KINDS) -> float:
        """Share of the visible words of these kinds that were kept; 1 where there are none."""
        chosen = tuple(kinds)
        words = sum(self.counts[f"words_{k}"] for k in chosen)
        lost = sum(self.counts[f"lost_{k}"] for k in chosen)
        return 1 - lost / words if words else 1.0

    def costliest(self, top: int) -> list[TemplateLoss]:
        """The templates that lost the most words, most costly first; a gap costs a word at least."""
        named = [row for (_, template), row in self.rows.items() if template and _cost(row)]
        # Ties by name: the order in which parts are read must not show.
        return sorted(named, key=lambda row: (-_cost(row), row.kind, row.template))[:top]


def _cost(row: TemplateLoss) -> int:
    return max(row.lost, row.uses) if row.kind == "gap" else row.lost
