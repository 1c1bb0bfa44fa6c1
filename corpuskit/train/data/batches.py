"""Batches: number s is a function of (shards, settings, seed, s) alone, and so is all that follows from it.

Sample i of the run belongs to epoch e = i // n of n rows. An epoch cuts the split into rows from an offset
that the seed and e fix, and visits them in an order that they fix too; so a token stands at another place of
its row in each epoch. Nothing is kept between batches, and only the rows asked for are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from corpuskit.errors import SettingError, ShardError
from corpuskit.shards.permutation import Permutation, derive_key
from corpuskit.shards.reader import Split
from corpuskit.train.data.objectives import Arrays
from corpuskit.train.tasks.task import Tensors

# What a key is drawn for; part of the key, so that draws for different ends are independent.
_ORDER, _OFFSET, _DROPOUT, _OBJECTIVE, _EVALUATION, MIXTURE = 1, 2, 3, 4, 5, 6


class TokenLine(Protocol):
    """Tokens one behind the other: a split, or one source's part of it."""

    name: str
    tokens: int

    def read(self, start: int, count: int) -> npt.NDArray[np.integer]:
        """The tokens [start, start + count)."""
        ...


@dataclass(frozen=True)
class Batches:
    """The rows of a line of tokens in the order in which they are trained on.

    Attributes:
        line: the tokens, of a split or of one source of it.
        row_tokens: tokens of a row, R.
        stride: tokens from the start of a row to that of the next in the line; at most R.
        batch_rows: rows in a batch, B.
        seed: fixes the order and the offsets.
        vocab_size: every id must be below it.
    """

    line: TokenLine
    row_tokens: int
    stride: int
    batch_rows: int
    seed: int
    vocab_size: int

    def __post_init__(self) -> None:
        """Raises SettingError for rows longer than the line."""
        if self.row_tokens > self.line.tokens:
            raise SettingError(
                f"the split {self.line.name!r} has {self.line.tokens} tokens, a row of this context needs "
                f"{self.row_tokens}",
                remedy="Lower context, or build shards of more text.",
            )

    @property
    def rows_per_epoch(self) -> int:
        """n: whole rows that fit from every offset, or one where the line is too short for that."""
        return max((self.line.tokens - self.row_tokens + 1) // self.stride, 1)

    @property
    def tokens_left_out(self) -> int:
        """Tokens of the line that an epoch does not reach: before the first row and behind the last."""
        return self.line.tokens - self._tokens_of(self.rows_per_epoch)

    def samples(self, step: int, rows: range) -> range:
        """Numbers, counted over the run, of these rows of batch `step`."""
        return range(step * self.batch_rows + rows.start, step * self.batch_rows + rows.stop)

    def starts(self, samples: Sequence[int]) -> list[int]:
        """Position in the line of the first token of each sample."""
        return [self._start(sample) for sample in samples]

    def read(self, samples: Sequence[int]) -> npt.NDArray[np.int64]:
        """The rows of these samples, (samples, R). Raises ShardError for an id outside the vocabulary."""
        rows = [self.line.read(start, self.row_tokens) for start in self.starts(samples)]
        return checked_ids(np.stack(rows).astype(np.int64), self.vocab_size, self.line.name)

    def _tokens_of(self, rows: int) -> int:
        return (rows - 1) * self.stride + self.row_tokens

    def _start(self, sample: int) -> int:
        epoch, place = divmod(sample, self.rows_per_epoch)
        slack = self.line.tokens - self._tokens_of(self.rows_per_epoch)
        offset = derive_key(self.seed, _OFFSET, epoch) % min(slack + 1, self.stride)
        return offset + _order(self.rows_per_epoch, self.seed, epoch)[place] * self.stride


@lru_cache(maxsize=8)
def _order(rows: int, seed: int, epoch: int) -> Permutation:
    return Permutation(rows, seed, _ORDER, epoch)


def dropout_seed(seed: int, step: int, micro_batch: int) -> int:
    """Seed of one micro-batch's dropout masks: they follow from the step too, so resuming needs no state."""
    return derive_key(seed, _DROPOUT, step, micro_batch) >> 1


def objective_key(seed: int, sample: int) -> int:
    """Key of what is masked in a sample of the run."""
    return derive_key(seed, _OBJECTIVE, sample)


def evaluation_key(row: int) -> int:
    """Key of what is masked in a row that is measured on: the same in all runs, so that they compare."""
    return derive_key(_EVALUATION, row)


def spread_rows(
    split: Split, row_tokens: int, stride: int, max_tokens: int, vocab_size: int
) -> npt.NDArray[np.int64]:
    """Fixed rows of a split to measure on, (rows, R): all whole rows, or spread ones up to max_tokens.

    A split shorter than a row gives one shorter row, one without two tokens gives no row.
    """
    if split.tokens < 2:
        return np.zeros((0, 2), np.int64)
    row_tokens = min(row_tokens, split.tokens)
    starts = spread_starts(split.tokens, row_tokens, stride, max_tokens)
    rows = [split.read(start, row_tokens) for start in starts]
    return checked_ids(np.stack(rows).astype(np.int64), vocab_size, split.name)


def spread_starts(tokens: int, row_tokens: int, stride: int, max_tokens: int) -> list[int]:
    """Where the rows of `spread_rows` begin in a split of so many tokens, row_tokens at least."""
    whole = (tokens - row_tokens) // stride + 1
    count = min(whole, max(1, max_tokens // stride))
    return [whole * number // count * stride for number in range(count)]


def checked_ids(ids: npt.NDArray[np.int64], vocab_size: int, split: str) -> npt.NDArray[np.int64]:
    """The ids as they are; raises ShardError when one is no token of the vocabulary."""
    if ids.size and (int(ids.max()) >= vocab_size or int(ids.min()) < 0):
        raise ShardError(
            f"split {split!r} holds id {int(ids.max())}, but its manifest says vocab_size {vocab_size}",
            remedy="Build the shards again with the tokenizer that goes with them.",
        )
    return ids


def as_tensors(arrays: Arrays) -> Tensors:
    """Arrays as tensors of their own memory."""
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
