"""What can be drawn out of a model: of windows of text, how many it completes word for word.

A window is k-extractable when the model, given its first tokens, writes the next ones verbatim, the
likeliest token each time (Carlini et al., "Quantifying Memorization", arXiv:2202.07646; there 50 and 50).
Nothing stands before the window, and what it recites of the first tokens counts for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from corpuskit.shards.ngrams.index import SplitNgrams
from corpuskit.shards.permutation import Permutation
from corpuskit.shards.reader import SplitTokens
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.memorize.membership import share_interval
from corpuskit.train.memorize.scoring import ScoredWindows, score_windows
from corpuskit.train.memorize.windows import Windows, draw_windows

BUCKETS = ((1, 1), (2, 9), (10, 99), (100, None))
"""Numbers of copies that are told apart."""

_POOL = 8
"""Windows that are looked at for each that is asked for, to find enough of those that stand more often."""


@dataclass(frozen=True)
class Extraction:
    """Windows of a split, read by a model.

    Attributes:
        windows, scored: the windows, and what was found out.
        copies: how often each stands in the training split.
        sampled: how many of them, the first ones, are a fair sample of the split: the others were added to
            know enough of windows with more copies.
        prefix: tokens that the model is given.
    """

    windows: Windows
    scored: ScoredWindows
    copies: npt.NDArray[np.int64]
    sampled: int
    prefix: int

    @property
    def recited(self) -> npt.NDArray[np.int64]:
        """Tokens that are recited of each window behind its prefix before the first error."""
        return self.scored.recited(self.prefix)

    @property
    def extracted(self) -> npt.NDArray[np.bool_]:
        """Whether all of them are."""
        whole: npt.NDArray[np.bool_] = self.recited == self.windows.ids.shape[1] - self.prefix
        return whole

    def rate(self, rows: npt.NDArray[np.bool_] | None = None) -> dict[str, Any]:
        """The share that is extracted, with its interval; of the fair sample unless rows are named."""
        chosen = np.arange(len(self.windows)) < self.sampled if rows is None else rows
        hits, texts = self.extracted[chosen], self.windows.texts[chosen]
        low, high = share_interval(hits, texts)
        count = int(chosen.sum())
        return {
            "windows": count,
            "documents": len(np.unique(texts)),
            "extracted": int(hits.sum()),
            "rate": float(hits.mean()) if count else None,
            "low": low,
            "high": high,
            "recited_tokens": float(self.recited[chosen].mean()) if count else None,
        }

    def by_copies(self, epochs: float | None) -> list[dict[str, Any]]:
        """The rate for windows that stand so often in the training split; those that there are none of fail.

        Args:
            epochs: how often the model has read the split: copies times epochs are readings.
        """
        found = []
        for low, high in BUCKETS:
            rows = (self.copies >= low) & (self.copies <= (high or np.inf))
            if rows.any():
                mean = float(self.copies[rows].mean())
                readings = mean * epochs if epochs is not None else None
                name = {"least": low, "most": high, "mean": mean, "readings": readings}
                found.append({"copies": name, **self.rate(rows)})
        return found

    def named(self, most: int) -> npt.NDArray[np.int64]:
        """The extracted windows that are shown: one of each text, those with the fewest copies first."""
        order = sorted(np.flatnonzero(self.extracted).tolist(), key=lambda n: (self.copies[n], n))
        chosen: dict[int, int] = {}
        for number in order:
            chosen.setdefault(int(self.windows.texts[number]), number)
        return np.array(list(chosen.values())[:most], np.int64)


def extract(
    model: LanguageModel,
    split: SplitTokens,
    index: SplitNgrams,
    *,
    prefix: int = 50,
    following: int = 50,
    most: int = 1000,
    seed: int = 0,
    batch_rows: int = 32,
    only: npt.NDArray[np.int64] | None = None,
) -> Extraction:
    """Ask for windows of a split: all where there are no more than `most`, else a sample.

    Of windows that stand 2 to 9, 10 to 99 and 100 times or more in the training split a quarter as many are
    asked for beyond the sample, where a pool of eight times the sample holds so many.

    Args:
        index: of the training split.
        only: numbers of the sequences to draw from.

    Raises SettingError for prefix and next tokens that do not fit the context, and for an encoder.
    """
    pool = draw_windows(split, prefix + following, _POOL * most, seed, only)
    # A pool that is all there is stands in the order of the split: a fair sample of it is drawn by seed.
    fair = np.arange(len(pool))
    if len(pool) == pool.all > most:
        order = Permutation(len(pool), seed)
        fair = np.array([order[number] for number in range(len(pool))])
    pool = pool.take(fair)
    copies = np.array(index.counts(list(pool.ids)), np.int64)
    chosen = np.arange(len(pool)) < most
    for low, high in BUCKETS[1:]:
        rows = np.flatnonzero((copies >= low) & (copies <= (high or np.inf)))
        missing = most // 4 - int(chosen[rows].sum())
        chosen[rows[~chosen[rows]][: max(0, missing)]] = True
    rows = np.flatnonzero(chosen)
    windows = pool.take(rows)
    scored = score_windows(model, windows.ids, batch_rows)
    return Extraction(windows, scored, copies[rows], min(most, len(pool)), prefix)
