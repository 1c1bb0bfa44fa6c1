"""Rows of tokens to be read at random: cut from a line, or packed by an index; and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError, nearest
from corpuskit.shards.batch import Batch
from corpuskit.shards.batches import Order, TokenLine, check_ids
from corpuskit.shards.packed import Origin, PackedIndex, fill_row, packed_index
from corpuskit.shards.packing import METHODS, Geometry, Method, cut_rows


class Rows(Protocol):
    """Rows of R tokens.

    Attributes:
        count: how many there are.
    """

    count: int

    def fill(self, row: int, out: Any) -> list[int] | None:
        """Write a row's tokens to `out`, (R,); where its documents begin, and where the last ends.

        None where each document ends with the token for that, and nothing is padding.
        """

    def first(self, row: int) -> int:
        """Place in the line of a row's first token."""


class CutRows:
    """Rows that a line of tokens is cut into; what fills no row is left over.

    Attributes:
        count: whole rows.
        left_over: tokens that stand in none.
    """

    def __init__(self, line: TokenLine, rows: Geometry, offset: int = 0, count: int | None = None) -> None:
        """From a token on, all whole rows or so many. Raises SettingError for a line shorter than a row."""
        self._line, self._rows, self._offset = line, rows, offset
        self.count = cut_rows(line.tokens, rows) if count is None else count
        if not self.count:
            raise SettingError(
                f"the split {line.name!r} has {line.tokens} tokens, a row of this context needs "
                f"{rows.row_tokens}",
                remedy="Lower context, pack by best_fit, or build shards of more text.",
            )
        self.left_over = line.tokens - (self.count - 1) * rows.stride - rows.row_tokens

    def fill(self, row: int, out: Any) -> None:
        """A row's tokens, none of which is padding."""
        out[:] = self._line.read(self._offset + row * self._rows.stride, self._rows.row_tokens)

    def first(self, row: int) -> int:
        """Place in the line of a row's first token."""
        return self._offset + row * self._rows.stride


class PackedRows:
    """Rows that hold documents as `corpuskit.shards.packing` places them; what is over of a row is padding.

    Attributes:
        count: how many there are.
        index: of their pieces.
        left_over: tokens that stand in none: 0.
    """

    left_over = 0

    def __init__(self, line: TokenLine, index: PackedIndex, padding: int) -> None:
        self._line, self._padding = line, padding
        self.index, self.count = index, index.rows

    def fill(self, row: int, out: Any) -> list[int]:
        """A row's tokens and, where they do not fill it, padding."""
        borders = fill_row(self.index.pieces(row), self._line.read, out)
        out[borders[-1] :] = self._padding
        return borders

    def first(self, row: int) -> int:
        """Place in the line of a row's first token."""
        return self.index.pieces(row)[0].start


def rows_of(
    line: TokenLine, origin: Origin, method: str, rows: Geometry, padding: int
) -> CutRows | PackedRows:
    """The rows of a line, by the name of a method. Raises SettingError for one that is unknown.

    Args:
        line: of all tokens of the split where rows are packed; else of those that are to be cut.
        padding: the id that fills rows up.
    """
    if check_method(method) == "concatenate":
        return CutRows(line, rows)
    return PackedRows(line, packed_index(origin, rows), padding)


def check_method(method: str) -> Method:
    """A known method of packing; raises SettingError for another, with the nearest one."""
    for known in METHODS:
        if method == known:
            return known
    raise SettingError(f"packing = {method!r} is unknown", remedy=nearest(str(method), METHODS))


@dataclass(frozen=True)
class PackedBatches:
    """Packed rows in the order in which they are trained on: what `Batches` is for a line that is cut.

    Attributes:
        rows: of the split, or of one source of it.
        name: of these, for messages.
        row_tokens, stride, batch_rows, seed, vocab_size: as of `Batches`.
    """

    rows: PackedRows
    name: str
    row_tokens: int
    stride: int
    batch_rows: int
    seed: int
    vocab_size: int

    tokens_left_out = 0

    @property
    def rows_per_epoch(self) -> int:
        """All of them."""
        return self.rows.count

    @property
    def tokens(self) -> int:
        """Of all documents."""
        return self.rows.index.report.tokens

    def samples(self, step: int, rows: range) -> range:
        """Numbers, counted over the run, of these rows of batch `step`."""
        return range(step * self.batch_rows + rows.start, step * self.batch_rows + rows.stop)

    def starts(self, samples: Sequence[int]) -> list[int]:
        """Position in the split of the first token of each sample."""
        return [self.rows.first(number) for number in self._numbers(samples)]

    def read(self, samples: Sequence[int]) -> npt.NDArray[np.int64]:
        """The rows of these samples, (samples, R). Raises ShardError for an id outside the vocabulary."""
        ids = np.empty((len(samples), self.row_tokens), np.int64)
        for number, out in zip(self._numbers(samples), ids, strict=True):
            self.rows.fill(number, out)
        check_ids(ids, self.vocab_size, self.name)
        return ids

    def real(self, samples: Sequence[int]) -> npt.NDArray[np.int64]:
        """How many tokens of each of these rows are no padding, (samples,)."""
        held = [self.rows.index.pieces(number) for number in self._numbers(samples)]
        return np.array([sum(piece.tokens for piece in pieces) for pieces in held], np.int64)

    def _numbers(self, samples: Sequence[int]) -> list[int]:
        order = Order(self.rows.count, self.seed)
        return [order[sample] for sample in samples]


class Facts(NamedTuple):
    """What rows of tokens are made with.

    Attributes:
        name: of the split, for messages.
        dtype: of the shards.
        vocab_size: every id must be below it.
        end_of_text: ends a document.
        far: whether each row is waited for, so that those of a batch are read at a time.
    """

    name: str
    dtype: np.dtype[np.integer]
    vocab_size: int
    end_of_text: int
    far: bool = False


_FAR_THREADS = 16


def batch_of(facts: Facts, row_tokens: int, rows: Sequence[tuple[Rows, int]]) -> Batch:
    """The batch of these rows, each by its number. Raises ShardError for an id outside the vocabulary."""
    ids = np.empty((len(rows), row_tokens), facts.dtype)

    def fill(place: int) -> list[int] | None:
        each, number = rows[place]
        return each.fill(number, ids[place])

    if facts.far and len(rows) > 1:
        with ThreadPoolExecutor(min(_FAR_THREADS, len(rows))) as threads:
            borders = list(threads.map(fill, range(len(rows))))
    else:
        borders = [fill(place) for place in range(len(rows))]
    check_ids(ids, facts.vocab_size, facts.name)
    if not any(borders):
        return Batch(ids, facts.end_of_text)
    real = [row_tokens if each is None else each[-1] for each in borders]
    return Batch(ids, facts.end_of_text, real, [each[:-1] for each in borders if each is not None])


class Epoch:
    """One epoch of rows in a seeded order, a batch at a time; `len` is how many batches are still to come.

    The last batch holds what is left. Of it one process may have a row less than another, or none.
    """

    def __init__(
        self, facts: Facts, row_tokens: int, rows: Rows, order: tuple[int, int], batch_rows: int, step: int
    ) -> None:
        """Batches from `step` on, of rows in the order of (seed, epoch)."""
        self._facts, self._row_tokens, self._rows = facts, row_tokens, rows
        self._order, self._first = Order(rows.count, order[0]), order[1] * rows.count
        self._batch_rows, self._step = batch_rows, step
        self._rank, self._world = 0, 1

    def of(self, rank: int, world: int) -> Epoch:
        """Process `rank` of `world`: it has its share of each batch, in order of rank."""
        self._rank, self._world = rank, world
        return self

    def __len__(self) -> int:
        return max(0, -(-self._rows.count // self._batch_rows) - self._step)

    def __iter__(self) -> Epoch:
        return self

    def __next__(self) -> Batch:
        first = self._step * self._batch_rows
        last = min(first + self._batch_rows, self._rows.count)
        if first >= last:
            raise StopIteration
        self._step += 1
        ours = share(range(first, last), self._rank, self._world)
        numbers = [self._order[self._first + sample] for sample in ours]
        return batch_of(self._facts, self._row_tokens, [(self._rows, number) for number in numbers])


def share(samples: range, rank: int, world: int) -> range:
    """What process `rank` of `world` has of some samples: a run of them, in order of rank.

    >>> [list(share(range(10, 16), rank, 3)) for rank in range(3)]
    [[10, 11], [12, 13], [14, 15]]
    """
    return samples[rank * len(samples) // world : (rank + 1) * len(samples) // world]
