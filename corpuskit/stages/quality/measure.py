"""The statistics of whole columns of texts."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpuskit.stages.quality.statistics import FIGURES, Splitter, Variant, statistics


def measure_texts(
    texts: pa.LargeStringArray, *, splitter: Splitter = "unicode", variant: Variant = "corpuskit"
) -> NDArray[np.int64]:
    """The figures of texts, shape (texts, len(FIGURES)), in the order of `FIGURES`.

    Args:
        texts: UTF-8; a null has the figures of an empty text.
        splitter: see `corpuskit.stages.quality.statistics`.
        variant: the same.

    >>> found = measure_texts(pa.array(["To be, or not to be.", ""], pa.large_string()))
    >>> found[:, FIGURES.index("words")].tolist()
    [6, 0]
    """
    rows = [astuple(statistics(text or "", splitter=splitter, variant=variant)) for text in texts.to_pylist()]
    return np.array(rows, np.int64).reshape(len(rows), len(FIGURES))
