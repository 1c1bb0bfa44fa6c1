"""Statistics of documents as one column, and back."""

from __future__ import annotations

import functools
import sys
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpuskit.documents.words import APART
from corpuskit.stages.quality.figures import Counts
from corpuskit.stages.quality.measure import measure_texts
from corpuskit.stages.quality.statistics import FIGURES, Splitter, Variant

COLUMN = "statistics"
"""Name of the column."""

APART_WORDS = "apart_words"
"""Words that are a letter of a script without blanks (`documents.words.APART`); 0 of words at white space."""

TYPE = pa.struct(
    [*(pa.field(name, pa.int64()) for name in (*FIGURES, APART_WORDS)), pa.field("language", pa.string())]
)
"""Its type: the figures of `statistics`, `APART_WORDS`, and the language that the document had then."""


def score(
    texts: pa.LargeStringArray,
    languages: pa.Array,
    *,
    splitter: Splitter = "unicode",
    variant: Variant = "corpuskit",
) -> pa.StructArray:
    """The statistics of each text, of type `TYPE`.

    Args:
        texts: of shape (documents,).
        languages: the language of each, kept beside the figures, since rules ask for it.
    """
    figures = measure_texts(texts, splitter=splitter, variant=variant)
    columns = [pa.array(np.ascontiguousarray(column), pa.int64()) for column in figures.T]
    if splitter == "unicode":
        columns.append(pc.count_substring_regex(texts, _apart()).cast(pa.int64()))
    else:
        columns.append(pa.array(np.zeros(len(texts), np.int64)))
    return pa.StructArray.from_arrays([*columns, languages.cast(pa.string())], fields=list(TYPE))


def counts_of(column: pa.StructArray) -> tuple[Counts, list[str]]:
    """The figures by name, each int64 of shape (documents,), and the languages."""
    counts: Counts = {
        name: column.field(name).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        for name in (*FIGURES, APART_WORDS)
    }
    return counts, column.field("language").to_pylist()


@functools.cache
def _apart() -> str:
    """A class of RE2: what begins a word of its own there, as `corpuskit.documents.words.pattern` has it."""
    letters = [
        n
        for first, last in APART
        for n in range(first, min(last, sys.maxunicode) + 1)
        if chr(n).isalnum() and not chr(n).isdecimal()
    ]
    runs = [[n for _, n in run] for _, run in groupby(enumerate(letters), lambda pair: pair[1] - pair[0])]
    return "[" + "".join(rf"\x{{{run[0]:X}}}-\x{{{run[-1]:X}}}" for run in runs) + "]"
