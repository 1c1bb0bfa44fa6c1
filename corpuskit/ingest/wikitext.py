"""Wikitext to plain text, a batch of pages at a time, by the native engine.

What stays: prose, headings that have something under them, lists (``- item``, ``1. item``), quotations,
formulas as LaTeX between dollar signs, code, and the templates that stand for text (numbers with units,
words in other languages, dates). What goes: other templates, tables, footnotes, files, categories, galleries
and all marks. Paragraphs are separated by one blank line.

The work on a page is bounded by a `Budget` of counted steps, never by time, so that slow machines decide
alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpuskit import _native
from corpuskit.errors import SettingError

STATUS = ("ok", "steps", "output", "nesting")
"""What the status codes mean: the text is there, or which bound of the budget was exceeded."""

COUNTERS = (
    "steps",
    "nesting",
    "templates_dropped",
    "templates_rendered",
    "tables",
    "references",
    "files",
    "unclosed",
)
"""Names of the columns of `Extracted.counters`."""


@dataclass(frozen=True)
class Budget:
    """Bounds for one page of n bytes: ``base + per_byte * n`` for steps and for output bytes.

    Attributes:
        steps_base, steps_per_byte: bytes looked at or moved. Ordinary pages need 2 to 5 per byte.
        output_base, output_per_byte: bytes of text, before and after marks are removed.
        nesting: templates, links and tables that are open at a time. Ordinary pages need under 20.
    """

    steps_base: int = 1 << 20
    steps_per_byte: int = 64
    output_base: int = 1 << 16
    output_per_byte: int = 8
    nesting: int = 200


@dataclass(frozen=True)
class Extracted:
    """The texts of a batch, row by row.

    Attributes:
        texts: the plain texts; empty where ``status`` is not 0.
        status: shape (rows,), int32, an index into `STATUS`.
        counters: shape (rows, len(COUNTERS)), int64.
    """

    texts: pa.LargeStringArray
    status: NDArray[np.int32]
    counters: NDArray[np.int64]


def extract(
    texts: pa.LargeStringArray,
    *,
    file_prefixes: Iterable[str],
    category_prefixes: Iterable[str],
    language: str = "",
    budget: Budget | None = None,
) -> Extracted:
    """Extract the plain text of each page of wikitext.

    Args:
        texts: pages, UTF-8. May be a slice, empty or hold nulls (which count as empty pages).
        file_prefixes: names of the file namespace without colon; case does not matter. Links into it are
            dropped. `namespace_prefixes` knows those of the large Wikipedias.
        category_prefixes: the same for categories.
        language: code of the wiki's language; it chooses rules for templates and language variants.
        budget: bounds for each page, the default ones if not given.

    Raises:
        SettingError: ``texts`` is not a large_string array.

    >>> page = "'''Ulm''' lies {{convert|10|mi|km}} from [[Blaubeuren|there]]."
    >>> pages = pa.array([page], pa.large_string())
    >>> extract(pages, file_prefixes=["File"], category_prefixes=["Category"], language="en").texts[0].as_py()
    'Ulm lies 10 miles from there.'
    """
    if not pa.types.is_large_string(texts.type):
        raise SettingError(
            f"wikitext.extract: texts are {texts.type}, not large_string",
            remedy="Cast them: texts.cast(pyarrow.large_string()).",
        )
    if texts.null_count:
        texts = texts.fill_null("")
    offsets, data = _views(texts)
    bounds = budget or Budget()
    out_offsets, out_bytes, status, counters = _native.extract_wikitext(
        offsets,
        data,
        file_prefixes=_spellings(tuple(file_prefixes)),
        category_prefixes=_spellings(tuple(category_prefixes)),
        language=language,
        steps_base=bounds.steps_base,
        steps_per_byte=bounds.steps_per_byte,
        output_base=bounds.output_base,
        output_per_byte=bounds.output_per_byte,
        nesting=bounds.nesting,
    )
    column = pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(out_offsets), pa.py_buffer(out_bytes))
    return Extracted(column, status, counters)


def _views(texts: pa.LargeStringArray) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Offsets (rows + 1,) and bytes of an Arrow column without nulls, both without a copy."""
    _, offset_buffer, data_buffer = texts.buffers()
    if offset_buffer is None or offset_buffer.size == 0:
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    offsets = np.frombuffer(offset_buffer, np.int64, count=len(texts) + 1, offset=8 * texts.offset)
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
    return offsets, data


@cache
def _spellings(prefixes: tuple[str, ...]) -> list[str]:
    """Each prefix as written and in the cases that are common outside ASCII; the engine folds ASCII."""
    seen = dict.fromkeys(
        form for p in prefixes for form in (p, p.lower(), p.upper(), p[:1].upper() + p[1:].lower())
    )
    seen |= dict.fromkeys(form.replace(" ", "_") for form in list(seen))
    return sorted(form for form in seen if form)


@cache
def _known_prefixes() -> Mapping[str, tuple[str, ...]]:
    text = resources.files("corpuskit.ingest").joinpath("namespaces.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return MappingProxyType({key: tuple(names.split("|")) for key, names in rows})


def namespace_prefixes(key: int, local: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of namespace ``key`` (6: files, 14: categories) in the large Wikipedias, with the ``local`` ones.

    A dump names one localised name per namespace but not its aliases (``Immagine`` beside ``File``), and
    pages are copied between wikis, so the names of all languages count everywhere.
    """
    return tuple(sorted({*_known_prefixes().get(str(key), ()), *local}))
