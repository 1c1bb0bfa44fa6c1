"""Which copy of each repeated run of words stays, and what is cut: one document after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from corpuskit.storage.spill import Ordinals, array_on_disk

Flags = npt.NDArray[np.bool_]

_CHUNK = 2**20
"""Runs that are looked at at a time."""


class WordCut(NamedTuple):
    """Words ``begin`` to ``end`` of a document that go.

    Attributes:
        left, right: whether what stands before and behind them stands there beside the copy that stays, too.
    """

    begin: int
    end: int
    left: bool
    right: bool


class Copies:
    """Remembers of each group of equal runs whether one of them stays already.

    A document's runs that are the first of their group to come stay, the others must go: all their words are
    cut that no run needs which stays. So maximal repeats are cut whole, and of a text with a period one
    stretch stays that holds each of its runs once.

    Where runs that stay cover one that must go, some of them have to stay in another document. If there is
    none, the covered one is reserved for this document: when all documents are taken once more, it goes in
    the others.

    It is not always possible that each run stays once. Let runs have N >= 4 words, and let C be N - 2
    words; a1 b1 to a3 b3 may stand before it and d1 e1 to d3 e3 behind it, which gives nine texts x a b C
    d e y, each with an x and y of its own, and each in two documents. The first run of a text, the third,
    which begins at b, and the fifth, which ends at y, stand in no other text. Two of these three must
    stay in one document; they meet there, and so the second (a b C) or the fourth (C d e), which lies
    between, stays as well. So each of the nine texts keeps one of these, of which there are only six, or
    loses a run: three at least are lost.
    """

    def __init__(self, found: npt.NDArray[np.void], group: Ordinals, groups: int, folder: Path) -> None:
        """``found`` are the runs by place; ``group`` the group of each, -1 for one that stands once."""
        self._found, self._group = found, group
        self._stays, self._left, self._reserved = (
            array_on_disk(folder, np.int64, (groups,), name=name) for name in ("stays", "left", "reserved")
        )
        self._reserved[:] = -1

    def begin(self) -> None:
        """Forget what stays: all documents are taken anew. What was reserved is remembered."""
        self._stays[:] = -1
        self._left[:] = 0
        for first in range(0, len(self._group), _CHUNK):
            some = np.asarray(self._group[first : first + _CHUNK])
            np.add.at(self._left, some[some >= 0], 1)

    def of(self, ordinal: int, first: int, last: int) -> Iterator[WordCut]:
        """What is cut of a document that has the words from ``first`` to ``last`` of the corpus."""
        low, high = np.searchsorted(self._found["place"], [first, last])
        numbers = low + np.flatnonzero(self._group[low:high] >= 0)
        group, own = self._group[numbers], self._found[numbers]
        begin, end = own["place"] - first, own["until"] - first
        np.subtract.at(self._left, group, 1)
        new = np.zeros(len(numbers), bool)
        new[np.unique(group, return_index=True)[1]] = True
        reserved = self._reserved[group]
        new &= (self._stays[group] < 0) & ((reserved < 0) | (reserved == ordinal))
        if new.all():
            self._stays[group] = numbers
            return
        choice = choose(begin, end, new, self._left[group] > 0)
        self._stays[group[choice.staying]] = numbers[choice.staying]
        wanted = group[choice.wanted]
        self._reserved[wanted[self._reserved[wanted] < 0]] = ordinal
        kept = self._stays[group]
        for start, stop in choice.cut:
            at = int(np.searchsorted(begin, start))
            to = int(np.searchsorted(end, stop, side="right")) - 1
            yield WordCut(
                start,
                stop,
                begin[at : at + 1].tolist() == [start] and self._same("before", numbers[at], kept[at]),
                int(end[to]) == stop and self._same("behind", numbers[to], kept[to]),
            )

    def _same(self, side: str, number: int, kept: int) -> bool:
        return kept >= 0 and kept != number and bool(self._found[side][number] == self._found[side][kept])

    def lost(self) -> int:
        """How many groups there are of which no run stays."""
        return int((self._stays < 0).sum())


class Choice(NamedTuple):
    """What becomes of a document.

    Attributes:
        staying: which of its runs stay.
        cut: first word and end of each stretch that is cut.
        wanted: numbers of runs that would have to stay here, so that no run is lost.
    """

    staying: Flags
    cut: list[tuple[int, int]]
    wanted: list[int]


def choose(begin: Ordinals, end: Ordinals, new: Flags, elsewhere: Flags) -> Choice:
    """What stays of a document's repeated runs, and the words that are cut for the others.

    Args:
        begin, end: words of each run, ascending.
        new: whether it is the first of its group; all others must be parted by a cut.
        elsewhere: whether its group has runs in documents that are still to come.

    >>> begin = np.arange(6)  # Runs of 4 words; the words from 3 on repeat the first three, again and again.
    >>> choose(begin, begin + 4, begin < 3, np.zeros(6, bool)).cut
    [(6, 9)]
    """
    base, size = int(begin[0]), int(end.max() - begin[0])
    begin, end = begin - base, end - base
    gone = _covered(begin[~new], end[~new], size)
    staying, wanted = new.copy(), list[int]()
    cut = gone & ~_covered(begin[new], end[new], size)
    untouched = ~new & ~_holds(begin, end, cut)
    if untouched.any():
        borders = np.zeros(size, bool)
        for word, numbers in _borders(begin, end, new, elsewhere, np.flatnonzero(untouched).tolist()):
            borders[word] = True
            wanted += numbers
        staying &= ~_holds(begin, end, borders)
        cut = gone & ~_covered(begin[staying], end[staying], size)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], cut.astype(np.int8), [0]]))) + base
    return Choice(staying, list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)), wanted)


def _borders(
    begin: Ordinals, end: Ordinals, new: Flags, elsewhere: Flags, untouched: list[int]
) -> Iterator[tuple[int, list[int]]]:
    """A word for each run that must go although runs that stay cover it, with the runs that it parts.

    Runs behind one another that share a word are parted by one. It is that for which the fewest runs are lost
    that stand in no document to come, of equal ones the last, so that what stands before stays here. The
    runs that it parts come along where some are lost.
    """
    places = np.flatnonzero(new)
    first, last = begin[places], end[places]
    alone = np.concatenate([[0], np.cumsum(~elsewhere[places])])
    while untouched:
        head = untouched[0]
        shared = [number for number in untouched if begin[number] < end[head]]
        words = np.arange(begin[shared[-1]], end[head])
        low, high = np.searchsorted(last, words, side="right"), np.searchsorted(first, words, side="right")
        costs = (alone[high] - alone[low])[::-1]
        best = int(np.argmin(costs))
        yield int(words[len(words) - 1 - best]), shared if costs[best] else []
        untouched = untouched[len(shared) :]


def _covered(begin: Ordinals, end: Ordinals, size: int) -> Flags:
    """Which words lie within a run."""
    depth = np.zeros(size + 1, np.int64)
    np.add.at(depth, begin, 1)
    np.add.at(depth, end, -1)
    covered: Flags = np.cumsum(depth)[:-1] > 0
    return covered


def _holds(begin: Ordinals, end: Ordinals, words: Flags) -> Flags:
    """Which runs hold one of some words."""
    before = np.concatenate([[0], np.cumsum(words)])
    held: Flags = before[end] > before[begin]
    return held
