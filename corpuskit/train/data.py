"""Batches: number s is a function of (shards, settings, seed, s) alone, and so is all that follows from it.

Sample i of the run belongs to epoch e = i // n of n rows. An epoch cuts the split into rows of T + 1 tokens
from an offset that the seed and e fix, and visits them in an order that they fix too; so a token stands at
another place of its row in each epoch. Nothing is kept between batches, and only the rows asked for are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from corpuskit.errors import ShardError
from corpuskit.shards import Permutation, Split, concatenate, derive_key

# What a key is drawn for; part of the key, so that draws for different ends are independent.
_ORDER, _OFFSET, _DROPOUT = 1, 2, 3


@dataclass(frozen=True)
class Batches:
    """The training batches of a split.

    Attributes:
        split: where the tokens are.
        context: T.
        batch_rows: rows in a batch, B.
        seed: fixes the order and the offsets.
        vocab_size: every id must be below it.
    """

    split: Split
    context: int
    batch_rows: int
    seed: int
    vocab_size: int

    @property
    def rows_per_epoch(self) -> int:
        """n: whole rows that fit from every offset, or one where the split is too short for that."""
        return max((self.split.tokens - self.context) // self.context, 1)

    def starts(self, step: int) -> list[int]:
        """Position in the split of the first token of each row of batch `step`."""
        samples = range(step * self.batch_rows, (step + 1) * self.batch_rows)
        return [self._start(sample) for sample in samples]

    def batch(self, step: int) -> npt.NDArray[np.int64]:
        """Batch `step`, (B, T + 1). Raises ShardError for an id outside the vocabulary."""
        rows = [self.split.read(start, self.context + 1) for start in self.starts(step)]
        return checked_ids(np.stack(rows).astype(np.int64), self.vocab_size, self.split.name)

    def _start(self, sample: int) -> int:
        epoch, place = divmod(sample, self.rows_per_epoch)
        slack = self.split.tokens - (self.rows_per_epoch * self.context + 1)
        offset = derive_key(self.seed, _OFFSET, epoch) % min(slack + 1, self.context)
        row = _order(self.rows_per_epoch, self.seed, epoch)[place]
        return concatenate(self.split.tokens, self.context, offset).start(row)


@lru_cache(maxsize=8)
def _order(rows: int, seed: int, epoch: int) -> Permutation:
    return Permutation(rows, seed, _ORDER, epoch)


def dropout_seed(seed: int, step: int, micro_batch: int) -> int:
    """Seed of one micro-batch's dropout masks: they follow from the step too, so resuming needs no state."""
    return derive_key(seed, _DROPOUT, step, micro_batch) >> 1


def validation_rows(split: Split, context: int, max_tokens: int, vocab_size: int) -> npt.NDArray[np.int64]:
    """Fixed rows of a split to measure on, (R, T + 1): all whole rows, or spread ones up to max_tokens.

    A split shorter than a row gives one shorter row, one without two tokens gives no row.
    """
    if split.tokens < 2:
        return np.zeros((0, 2), np.int64)
    packed = concatenate(split.tokens, min(context, split.tokens - 1))
    count = min(packed.rows, max(1, max_tokens // packed.length))
    chosen = [packed.rows * number // count for number in range(count)]
    rows = [split.read(packed.start(row), packed.length + 1) for row in chosen]
    return checked_ids(np.stack(rows).astype(np.int64), vocab_size, split.name)


def checked_ids(ids: npt.NDArray[np.int64], vocab_size: int, split: str) -> npt.NDArray[np.int64]:
    """The ids as they are; raises ShardError when one is no token of the vocabulary."""
    if ids.size and (int(ids.max()) >= vocab_size or int(ids.min()) < 0):
        raise ShardError(
            f"split {split!r} holds id {int(ids.max())}, but its manifest says vocab_size {vocab_size}",
            remedy="Build the shards again with the tokenizer that goes with them.",
        )
    return ids
