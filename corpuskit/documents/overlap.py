"""Texts that share words in a row with some given ones: what is known of an evaluation by heart.

Words and their n-grams are those of `corpuskit.documents.runs`. The given texts are held as hashes; others
are looked through in time linear in their words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpuskit.documents.runs import WordRuns, word_runs

Ints = npt.NDArray[np.int64]


class Overlaps(NamedTuple):
    """Stretches of texts whose every n-gram stands in one item; one entry each, by item within a row.

    Attributes:
        row: of the text.
        item: number of the item.
        first, words: the word at which it begins, counted from 0, and how many there are in a row.
        start, end: bytes of the text.
    """

    row: Ints
    item: Ints
    first: Ints
    words: Ints
    start: Ints
    end: Ints


class Items:
    """Texts that are looked for in others.

    Attributes:
        lengths: int64 of shape (items,); words of each item.
        sought: int64 of shape (items,); words in a row by which it is looked for, 0 where it is too short.
    """

    def __init__(self, texts: Sequence[str], words: int, shortest: int | None = None) -> None:
        """Items of fewer than ``words`` words are looked for whole if they have at least ``shortest``."""
        column = pa.array(list(texts), pa.large_string())
        found = word_runs(column, words)
        self.lengths = np.diff(found.ends)
        least = words if shortest is None else min(shortest, words)
        self.sought = np.where(self.lengths >= least, np.minimum(self.lengths, words), 0)
        self._tables = []
        for size in np.unique(self.sought[self.sought > 0]).tolist():
            items = np.flatnonzero(self.sought == size)
            some = found if size == words else word_runs(column.take(pa.array(items)), size)
            owner = np.repeat(np.arange(len(texts)) if size == words else items, np.diff(some.ends))
            self._tables.append(_Table.of(size, some, owner))

    def search(self, texts: pa.LargeStringArray) -> Overlaps:
        """All that texts share with items."""
        parts = [table.search(texts) for table in self._tables]
        columns = [np.concatenate([part[i] for part in parts]) if parts else _NONE for i in range(6)]
        order = np.lexsort((columns[2], columns[1], columns[0]))
        return Overlaps(*(column[order] for column in columns))


_NONE = np.zeros(0, np.int64)


class _Table(NamedTuple):
    """The n-grams of some items: sorted by the first half of their digests, each once for an item."""

    size: int
    first: npt.NDArray[np.uint64]
    second: npt.NDArray[np.uint64]
    owner: Ints
    known: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, size: int, runs: WordRuns, owner: Ints) -> _Table:
        there = runs.until > 0
        first, second, owner = runs.digests[there, 0], runs.digests[there, 1], owner[there]
        order = np.lexsort((owner, second, first))
        first, second, owner = first[order], second[order], owner[order]
        same = (first[1:] == first[:-1]) & (second[1:] == second[:-1]) & (owner[1:] == owner[:-1])
        new = np.append(True, ~same)[: len(first)]
        first, second, owner = first[new], second[new], owner[new]
        # One of eight places at most is taken: most n-grams of other texts need no search.
        known = np.zeros(1 << max(10, (8 * len(first)).bit_length()), bool)
        known[first & np.uint64(len(known) - 1)] = True
        return cls(size, first, second, owner, known)

    def search(self, texts: pa.LargeStringArray) -> tuple[Ints, ...]:
        runs = word_runs(texts, self.size)
        likely = self.known[runs.digests[:, 0] & np.uint64(len(self.known) - 1)]
        places = np.flatnonzero(likely & (runs.until > 0))
        keys = runs.digests[places, 0]
        low, high = (np.searchsorted(self.first, keys, side=side) for side in ("left", "right"))
        # Every pair of an n-gram here and an item that has it.
        counts = high - low
        places = np.repeat(places, counts)
        entries = (
            np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(low, counts)
        )
        equal = self.second[entries] == runs.digests[places, 1]
        places, item = places[equal], self.owner[entries[equal]]
        row = np.searchsorted(runs.ends, places, side="right") - 1
        order = np.lexsort((places, item, row))
        places, item, row = places[order], item[order], row[order]
        # N-grams that begin at one word after the other are one stretch.
        goes_on = (np.diff(places) == 1) & (np.diff(item) == 0) & (np.diff(row) == 0)
        begins = np.flatnonzero(np.append(True, ~goes_on)[: len(places)])
        ends = np.append(begins[1:], len(places))[: len(begins)] - 1
        head, tail = places[begins], places[ends] + self.size - 1
        spans = runs.spans
        return (
            row[begins],
            item[begins],
            head - runs.ends[row[begins]],
            tail - head + 1,
            spans[head, 0],
            spans[tail, 1],
        )
