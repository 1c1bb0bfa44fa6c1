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

from corpuskit.errors import SettingError, ShardError
from corpuskit.shards.permutation import Permutation, derive_key

# What a key is drawn for; part of the key, so that draws for different ends are independent. A change of
# these numbers changes every run: none could be resumed.
ORDER, _OFFSET, _DROPOUT, _OBJECTIVE, _EVALUATION, MIXTURE, EXAMPLES = 1, 2, 3, 4, 5, 6, 7


class TokenLine(Protocol):
    """Tokens one behind the other: a split, or one source's part of it."""

    name: str
    tokens: int

    def read(self, start: int, count: int) -> npt.NDArray[np.integer]:
        """The tokens [start, start + count)."""


def find(ends: npt.NDArray[np.int64], position: int) -> tuple[int, int]:
    """Which of the pieces of a line that end at `ends` holds a position, and the position in that piece."""
    piece = int(np.searchsorted(ends, position, side="right"))
    return piece, position - (int(ends[piece - 1]) if piece else 0)


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
        return _checked_ids(np.stack(rows), self.vocab_size, self.line.name)

    def real(self, samples: Sequence[int]) -> None:
        """Nothing in these rows is padding."""

    def _tokens_of(self, rows: int) -> int:
        return (rows - 1) * self.stride + self.row_tokens

    def _start(self, sample: int) -> int:
        row = Order(self.rows_per_epoch, self.seed)[sample]
        return self.offset(sample // self.rows_per_epoch) + row * self.stride

    def offset(self, epoch: int) -> int:
        """Place in the line of the first row of an epoch."""
        # Any offset below the stride; in a line of few tokens only those with which the last row still fits.
        slack = self.line.tokens - self._tokens_of(self.rows_per_epoch)
        return derive_key(self.seed, _OFFSET, epoch) % min(slack + 1, self.stride)


_CHUNK = 2048
"""Places of an order that are computed together, which costs as much as ten one by one."""


class Order:
    """Which row each sample is: sample i is place i mod n of the permutation of epoch i // n.

    >>> order = Order(5, 1)
    >>> sorted(order[sample] for sample in range(5, 10))
    [0, 1, 2, 3, 4]
    """

    def __init__(self, count: int, seed: int, *part: int) -> None:
        """Of so many rows, of a part of the split if that is parted. Raises SettingError for no row."""
        if count < 1:
            raise SettingError("there are no rows to be put in order", remedy="Build shards of more text.")
        self._count, self._key = count, (seed, *part)

    def __getitem__(self, sample: int) -> int:
        epoch, place = divmod(sample, self._count)
        chunk, at = divmod(place, _CHUNK)
        return _places(self._count, self._key, epoch, chunk)[at]


# For the epochs that a batch spans and the sources that a mixture reads in turn.
@lru_cache(maxsize=64)
def _places(count: int, key: tuple[int, ...], epoch: int, chunk: int) -> list[int]:
    seed, *part = key
    order, first = Permutation(count, seed, ORDER, epoch, *part), chunk * _CHUNK
    places: list[int] = order.part(first, min(first + _CHUNK, count)).tolist()
    return places


def dropout_seed(seed: int, step: int, micro_batch: int) -> int:
    """Seed of one micro-batch's dropout masks: they follow from the step too, so resuming needs no state."""
    return derive_key(seed, _DROPOUT, step, micro_batch) >> 1  # Generators take signed integers of 64 bits.


def objective_key(seed: int, sample: int) -> int:
    """Key of what is masked in a sample of the run."""
    return derive_key(seed, _OBJECTIVE, sample)


def evaluation_key(row: int) -> int:
    """Key of what is masked in a row that is measured on: the same in all runs, so that they compare."""
    return derive_key(_EVALUATION, row)


def spread_rows(
    split: TokenLine, row_tokens: int, stride: int, max_tokens: int, vocab_size: int
) -> npt.NDArray[np.int64]:
    """Fixed rows of a split to measure on, (rows, R): all whole rows, or spread ones up to max_tokens.

    A split shorter than a row gives one shorter row.
    """
    row_tokens = min(row_tokens, split.tokens)
    starts = spread_starts(split.tokens, row_tokens, stride, max_tokens)
    rows = [split.read(start, row_tokens) for start in starts]
    return _checked_ids(np.stack(rows), vocab_size, split.name)


def spread_starts(tokens: int, row_tokens: int, stride: int, max_tokens: int) -> list[int]:
    """Where the rows of `spread_rows` begin in a split of so many tokens, row_tokens at least."""
    whole = (tokens - row_tokens) // stride + 1
    count = min(whole, max(1, max_tokens // stride))
    return [whole * number // count * stride for number in range(count)]


def check_ids(ids: npt.NDArray[np.integer], vocab_size: int, split: str) -> None:
    """Raises ShardError when an id is no token of the vocabulary."""
    if ids.size and (int(ids.max()) >= vocab_size or (ids.dtype.kind == "i" and int(ids.min()) < 0)):
        raise ShardError(
            f"split {split!r} holds id {int(ids.max())}, but its manifest says vocab_size {vocab_size}",
            remedy="Build the shards again with the tokenizer that goes with them.",
        )


def _checked_ids(ids: npt.NDArray[np.integer], vocab_size: int, split: str) -> npt.NDArray[np.int64]:
    """The ids as int64, checked."""
    check_ids(ids, vocab_size, split)
    return ids.astype(np.int64)
