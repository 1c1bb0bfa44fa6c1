"""Windows: pieces of equal length out of the documents of a split, all of them or a sample by seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corpuskit.shards.permutation import Permutation
from corpuskit.shards.reader import SplitTokens

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """Pieces of W x L tokens, each of one document (or section of one), its end-of-text left out.

    Attributes:
        ids: (W, L).
        places: of the first token of each in the split, (W,).
        texts: a number for each document's text, (W,): copies of a text have the same.
        all: how many such windows the split has; these are all of them where it is W.
        sequences, short: documents of the split, and those of them that are shorter than a window.
    """

    ids: Ids
    places: Ids
    texts: Ids
    all: int
    sequences: int
    short: int

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: npt.NDArray[np.integer]) -> Windows:
        """Some of them, by number."""
        return Windows(
            self.ids[rows], self.places[rows], self.texts[rows], self.all, self.sequences, self.short
        )


def draw_windows(
    split: SplitTokens, length: int, most: int, seed: int = 0, only: npt.NDArray[np.int64] | None = None
) -> Windows:
    """All windows of so many tokens where there are no more than `most`, else so many drawn evenly.

    Where all are taken they stand in the order of the split, whatever the seed.

    Args:
        only: numbers of the sequences to draw from; None for all.
    """
    counts = _window_counts(split, length)
    if only is not None:
        chosen = np.zeros(len(counts), bool)
        chosen[only] = True
        counts = np.where(chosen, counts, -1)
    sequences, short = int((counts >= 0).sum()), int((counts == 0).sum())
    ends = np.cumsum(np.maximum(counts, 0))
    total = int(ends[-1]) if len(ends) else 0
    if total <= most:
        numbers = np.arange(total)
    else:
        order = Permutation(total, seed)
        numbers = np.array([order[number] for number in range(most)], np.int64)
    owners = np.searchsorted(ends, numbers, side="right")
    offsets = numbers - (ends[owners] - counts[owners]) if len(numbers) else numbers
    ids, places, texts = np.empty((len(numbers), length), np.int64), np.empty(len(numbers), np.int64), []
    known: dict[bytes, int] = {}
    starts = _starts(split)
    for row, (owner, offset) in enumerate(zip(owners.tolist(), offsets.tolist(), strict=True)):
        sequence = split.sequence(owner)
        ids[row], places[row] = sequence[offset : offset + length], starts[owner] + offset
        digest = hashlib.sha256(sequence.tobytes()).digest()[:8]
        texts.append(known.setdefault(digest, len(known)))
    return Windows(ids, places, np.array(texts, np.int64), total, sequences, short)


def _starts(split: SplitTokens) -> Ids:
    """Where each sequence starts in the split: 8 bytes a document."""
    pieces = [before + starts[:-1] for before, starts in split.starts()]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)


def _window_counts(split: SplitTokens, length: int) -> Ids:
    """Windows of each sequence; the last token of a sequence is its end-of-text."""
    pieces = [np.maximum(np.diff(starts) - 1 - length + 1, 0) for _, starts in split.starts()]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
