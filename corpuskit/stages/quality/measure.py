"""Statistics of a batch of texts, as one column."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from corpuskit.stages.quality.figures import Counts
from corpuskit.stages.quality.statistics import FIGURES, Splitter, Variant, statistics

COLUMN = "statistics"
"""Name of the column."""

TYPE = pa.struct([*(pa.field(name, pa.int64()) for name in FIGURES), pa.field("language", pa.string())])
"""Its type: the figures of `statistics`, and the language that the document had when they were taken."""


def measure(
    texts: pa.Array, languages: pa.Array, *, splitter: Splitter = "unicode", variant: Variant = "corpuskit"
) -> pa.StructArray:
    """The statistics of each text, of type `TYPE`.

    Args:
        texts: strings, of shape (documents,).
        languages: the language of each, kept beside the figures, since rules ask for it.
    """
    found = [statistics(text, splitter=splitter, variant=variant) for text in texts.to_pylist()]
    columns: list[pa.Array] = [
        pa.array([getattr(each, name) for each in found], pa.int64()) for name in FIGURES
    ]
    return pa.StructArray.from_arrays([*columns, languages.cast(pa.string())], fields=list(TYPE))


def counts_of(column: pa.StructArray) -> tuple[Counts, list[str]]:
    """The figures by name, each int64 of shape (documents,), and the languages."""
    counts: Mapping[str, np.ndarray] = {
        name: column.field(name).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        for name in FIGURES
    }
    return counts, column.field("language").to_pylist()
