"""The statistics of whole columns of texts, by the engine.

Every figure is equal to that of `corpuskit.stages.quality.statistics`, which defines them. An n-gram is known
by the (n-1)-gram that begins it and its last token, so that nothing is taken for equal by a hash; and since
one that holds a part that occurs once occurs once itself, few are looked at from one order to the next.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpuskit import _native
from corpuskit.documents.columns import to_engine
from corpuskit.stages.quality.statistics import Splitter, Statistics, Variant


def measure_texts(
    texts: pa.LargeStringArray, *, splitter: Splitter = "unicode", variant: Variant = "corpuskit"
) -> NDArray[np.int64]:
    """The figures of texts, shape (texts, len(FIGURES)), in the order of `statistics.FIGURES`.

    Args:
        texts: UTF-8; a null has the figures of an empty text.
        splitter: see `corpuskit.stages.quality.statistics`.
        variant: the same.

    >>> found = measure_texts(pa.array(["To be, or not to be.", ""], pa.large_string()))
    >>> [figures.words for figures in as_statistics(found)]
    [6, 0]
    """
    return _native.text_statistics(
        to_engine(texts, "texts"), splitter == "white_space", variant == "datatrove"
    )


def as_statistics(figures: NDArray[np.int64]) -> list[Statistics]:
    """Rows of `measure_texts` as what `corpuskit.stages.quality.statistics.statistics` gives."""
    return [Statistics(*row) for row in figures.tolist()]
