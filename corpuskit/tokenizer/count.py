"""Pretokens of texts, counted while the texts pass: all that training a byte-pair encoding needs of them.

The engine cuts texts as the published regular expressions of `corpuskit.tokenizer.special` do
(``native/engine/bpe/pretokens.hpp``), which tests compare with Hugging Face's on every kind of character. The
classes of letters are those of the version of ``tokenizers`` that `native/tables/pretokens.py` was run with.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpuskit import _native
from corpuskit.documents.columns import from_engine, to_engine

SCANNERS = {"gpt2": 0, "llama3": 1, "cl100k": 1, "qwen2": 2, "qwen3.5": 3, "o200k": 4}
"""Patterns of `special.PATTERNS` that the engine cuts by; cl100k and Llama 3's cut alike."""

_BATCH_BYTES = 2**20


class Counted(NamedTuple):
    """Pretokens and how often each came, in the order of their bytes.

    Attributes:
        words: each once, as bytes.
        counts: int64 of shape (words,), each 1 at least.
    """

    words: pa.LargeBinaryArray
    counts: npt.NDArray[np.int64]


class PretokenCounter:
    """Counts the pretokens of texts that come one after the other; what it holds grows with unlike ones.

    >>> counter = PretokenCounter("llama3")
    >>> counter.add(["one fish, two fish"])
    >>> words, counts = counter.take()
    >>> dict(zip(words.to_pylist(), counts.tolist()))
    {b' fish': 2, b' two': 1, b',': 1, b'one': 1}
    """

    def __init__(self, pattern: str) -> None:
        self._counter = _native.PretokenCounter(SCANNERS[pattern])

    @property
    def bytes(self) -> int:
        """Bytes of memory that the counts take."""
        return self._counter.bytes

    def add(self, texts: pa.LargeStringArray | Iterable[str]) -> None:
        """Count the pretokens of more texts; none lies across two of them."""
        if isinstance(texts, pa.Array):
            self._counter.add(to_engine(texts, "texts"))
            return
        batch: list[str] = []
        size = 0
        for text in texts:
            batch.append(text)
            size += len(text)
            if size >= _BATCH_BYTES:
                self.add(pa.array(batch, pa.large_string()))
                batch, size = [], 0
        self.add(pa.array(batch, pa.large_string()))

    def add_counted(self, counted: Counted) -> None:
        """Count what another counter has counted."""
        words = counted.words.cast(pa.large_string(), safe=False)
        self._counter.add_counted(to_engine(words, "words"), np.ascontiguousarray(counted.counts, np.int64))

    def take(self) -> Counted:
        """What was counted; the counter is empty afterwards."""
        words, counts = self._counter.take()
        return Counted(from_engine(words).cast(pa.large_binary()), counts)


def pretokens(text: str, pattern: str) -> list[bytes]:
    """The pretokens of a text, by the engine.

    >>> pretokens("It's 2024!", "llama3")
    [b'It', b"'s", b' ', b'202', b'4', b'!']
    """
    raw = text.encode()
    ends = [0, *_native.pretoken_ends(SCANNERS[pattern], raw).tolist()]
    return [raw[first:last] for first, last in pairwise(ends)]
