"""Which examples stand in which row and batch: packing by length, and an order for each epoch.

Packing is best fit on lengths in decreasing order: of the rows that still have room for an example it goes
into the one with the least room. Source: D. S. Johnson, "Near-Optimal Bin Packing Algorithms", 1973: at most
11/9 of the best number of rows, and a few.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError
from corpuskit.shards.batches import EXAMPLES
from corpuskit.shards.permutation import Permutation


def pack(lengths: Sequence[int] | npt.NDArray[np.integer], capacity: int) -> list[list[int]]:
    """Rows of example numbers, of which none holds more than `capacity` tokens; every example stands in one.

    The longest examples come first, equal ones in their order; of rows with equal room the one that was begun
    first is taken. Time O(n log n).

    >>> pack([3, 5, 2, 4, 1], capacity=6)
    [[1, 4], [3, 2], [0]]

    Raises SettingError for an example without tokens, and for one that is longer than a row.
    """
    sizes = np.asarray(lengths, np.int64)
    for wrong in np.flatnonzero((sizes < 1) | (sizes > capacity))[:1].tolist():
        remedy = "Leave empty examples out, and cut long ones to the context."
        raise SettingError(f"example {wrong} has {sizes[wrong]} tokens, a row {capacity}", remedy=remedy)
    rows: list[list[int]] = []
    rooms: list[int] = []  # those that some row has left, ascending
    having: dict[int, list[int]] = {}  # the rows with so much room, a heap of their numbers
    for example in np.argsort(-sizes, kind="stable").tolist():
        size = int(sizes[example])
        at = bisect_left(rooms, size)
        if at == len(rooms):
            row, left = len(rows), capacity
            rows.append([])
        else:
            left = rooms[at]
            row = heapq.heappop(having[left])
            if not having[left]:
                del having[left], rooms[at]
        rows[row].append(example)
        if left := left - size:
            if left not in having:
                having[left] = []
                insort(rooms, left)
            heapq.heappush(having[left], row)
    return rows


@dataclass(frozen=True)
class ExampleOrder:
    """The order in which examples or packed rows are learned from: a function of count, batch, seed and step.

    Each epoch visits all of them once, in an order of its own. The last batch of an epoch holds what is left,
    so that none is lost however few there are.

    >>> order = ExampleOrder(examples=3, batch=2, seed=1)
    >>> [len(order.batch_at(step)) for step in range(4)]
    [2, 1, 2, 1]
    >>> sorted(number for step in (2, 3) for number in order.batch_at(step).tolist())
    [0, 1, 2]

    Attributes:
        examples: how many there are, at least 1.
        batch: examples of a batch, at least 1.
        seed: fixes the order of each epoch.
    """

    examples: int
    batch: int
    seed: int

    def __post_init__(self) -> None:
        """Raises SettingError without an example, and for a batch without any."""
        for name in ("examples", "batch"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} = {getattr(self, name)} is below 1", remedy="Give 1 or more.")

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, the last one included."""
        return -(-self.examples // self.batch)

    def batch_at(self, step: int) -> npt.NDArray[np.int64]:
        """Numbers of the examples of batch `step` of the run, int64 (batch or fewer,)."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = _order(self.examples, self.seed, epoch)
        last = min((place + 1) * self.batch, self.examples)
        return np.array([order[at] for at in range(place * self.batch, last)], np.int64)

    def seen_before(self, step: int) -> int:
        """Examples that were learned from before a step, repeats counted."""
        epoch, place = divmod(step, self.steps_per_epoch)
        return epoch * self.examples + min(place * self.batch, self.examples)


@lru_cache(maxsize=8)
def _order(examples: int, seed: int, epoch: int) -> Permutation:
    return Permutation(examples, seed, EXAMPLES, epoch)


_WINDOW = 64  # batches, among whose examples those of about one length find each other


class LengthOrder:
    """The same, but that a batch holds examples of about one length, so that little is filled up.

    An epoch's order is taken in windows of 64 full batches. Within one the examples stand by length, equal
    ones as the order has them, and the batches that these make come in an order of their own. What does not
    fill a batch is the epoch's last one, as it is.

    >>> order = LengthOrder(ExampleOrder(examples=6, batch=2, seed=1), lengths=(9, 1, 8, 2, 1, 9))
    >>> sorted(sorted(order.batch_at(step).tolist()) for step in range(3))
    [[0, 5], [1, 4], [2, 3]]

    Attributes:
        steps_per_epoch: batches of an epoch, the last one included.
    """

    def __init__(self, order: ExampleOrder, lengths: Sequence[int] | npt.NDArray[np.integer]) -> None:
        """Of examples of these lengths, of which there is one each."""
        self._plain, self._lengths = order, np.asarray(lengths, np.int64)
        self.steps_per_epoch = order.steps_per_epoch
        self._made: tuple[tuple[int, int], list[npt.NDArray[np.int64]]] | None = None

    def batch_at(self, step: int) -> npt.NDArray[np.int64]:
        """Numbers of the examples of batch `step` of the run, int64 (batch or fewer,)."""
        epoch, place = divmod(step, self.steps_per_epoch)
        window, number = divmod(place, _WINDOW)
        if place >= self._plain.examples // self._plain.batch:
            return self._plain.batch_at(step)
        made = self._made
        if made is None or made[0] != (epoch, window):  # Steps go on in order: one window is enough.
            made = self._made = (epoch, window), self._window(epoch, window)
        return made[1][number]

    def seen_before(self, step: int) -> int:
        """Examples that were learned from before a step, repeats counted."""
        return self._plain.seen_before(step)

    def _window(self, epoch: int, window: int) -> list[npt.NDArray[np.int64]]:
        examples, size, seed = self._plain.examples, self._plain.batch, self._plain.seed
        first, count = window * _WINDOW, min(_WINDOW, examples // size - window * _WINDOW)
        order = _order(examples, seed, epoch)
        numbers = np.array([order[at] for at in range(first * size, (first + count) * size)], np.int64)
        numbers = numbers[np.argsort(self._lengths[numbers], kind="stable")]
        turns = Permutation(count, seed, EXAMPLES, epoch, window)
        return [numbers[turns[at] * size : (turns[at] + 1) * size] for at in range(count)]
