"""Packing: which documents stand in which row of R tokens, so that as few as can be are parted.

Best fit on decreasing lengths: the longest piece first, each into the row with the least room that still
holds it. A document longer than a row is parted into pieces that begin a stride apart; a piece shares
`row_tokens - stride` tokens with the one before, so that with a stride of R - 1 each token behind the
first of its document is the target of one place. Pieces of one length come in the order of the documents, and
of rows with equal room the one that was begun first is taken: the rows follow from the lengths alone.

How many pieces there are of each length decides all of it, so that memory and time are those of the lengths
that occur, however many documents there are. Rows that are filled alike are one group: what they hold is
told by arithmetic, and of a piece nothing is kept but where it begins.

Source: D. S. Johnson, "Near-Optimal Bin Packing Algorithms", 1973; documents as the items, and long ones
parted first, H. Ding et al., "Fewer Truncations Improve Language Modeling", arXiv:2404.10830.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError

Method = Literal["best_fit", "concatenate"]
METHODS: tuple[Method, ...] = ("best_fit", "concatenate")

Numbers = npt.NDArray[np.int64]
Sequences = Iterable[tuple[Numbers, Numbers]]
"""Where sequences begin in the line and how many tokens each has, some at a time, in order."""

MOST_CONTEXT = 1 << 24
"""Packing counts pieces by their length, in memory."""

_PIECES = 1 << 20
"""Pieces that are looked at together."""


@dataclass(frozen=True)
class Geometry:
    """How long rows are.

    Attributes:
        row_tokens: tokens of a row, R: T + 1 where the last one is a target only.
        stride: tokens from the start of a piece of a long document to that of the next; at most R.
    """

    row_tokens: int
    stride: int

    def __post_init__(self) -> None:
        """Raises SettingError for a row without a token, or a stride that leaves tokens out."""
        if self.row_tokens < 1 or not 1 <= self.stride <= self.row_tokens:
            raise SettingError(
                f"rows of {self.row_tokens} tokens, {self.stride} apart: there are no such rows",
                remedy="Give a context of 1 or more.",
            )

    def pieces(self, lengths: Numbers) -> Numbers:
        """Into how many pieces sequences of these lengths are parted.

        >>> Geometry(9, 8).pieces(np.array([1, 9, 10, 18])).tolist()
        [1, 1, 2, 3]
        """
        shared = self.row_tokens - self.stride
        return np.maximum(-((shared - lengths) // self.stride), 1)


def geometry(context: int) -> Geometry:
    """Rows for a context of T tokens: T + 1 tokens, the last of which the next piece begins with.

    Raises SettingError for a context below 1 or above `MOST_CONTEXT`.
    """
    if context < 1:
        raise SettingError(f"context = {context} is below 1", remedy="Give 1 or more.")
    if context > MOST_CONTEXT:
        raise SettingError(
            f"context = {context:,} is above {MOST_CONTEXT:,}", remedy="Give what a model reads at once."
        )
    return Geometry(context + 1, context)


@dataclass(frozen=True)
class PackReport:
    """What a way of packing does with a split.

    Attributes:
        method: "best_fit" or "concatenate".
        row_tokens, stride: as of `Geometry`.
        documents, tokens: of the split.
        rows: that an epoch has.
        pieces: parts of documents that stand in rows.
        padding: places of rows that hold no token.
        longer: documents that are longer than a row, which any way must part.
        parted: documents that would fit in a row and stand in several, or with a part in none.
        tokens_unused: tokens that stand in no row.
        targets_left_over: tokens that no place of a row predicts, though others stand before them: of best
            fit those before them in their document, of concatenated rows those in the line.
    """

    method: Method
    row_tokens: int
    stride: int
    documents: int
    tokens: int
    rows: int
    pieces: int
    padding: int
    longer: int
    parted: int
    tokens_unused: int
    targets_left_over: int

    @property
    def padding_share(self) -> float:
        """Share of the places of all rows that hold no token."""
        return self.padding / max(1, self.rows * self.row_tokens)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"padding_share": round(self.padding_share, 8)}


class Groups(NamedTuple):
    """Rows that are filled alike, group by group in the order of rows.

    Row r of group g holds, for each entry e of [paths[g], paths[g + 1]), the pieces base + (r - origin) *
    count and on, count of them, all of `length` tokens. Pieces are numbered by falling length, then in order.

    Attributes:
        firsts: number of each group's first row, (groups,).
        paths: where the entries of each group begin, (groups + 1,).
        entries: length, base, count and origin, (entries, 4).
        rows: how many rows there are.
    """

    firsts: Numbers
    paths: Numbers
    entries: Numbers
    rows: int


class _Entry(NamedTuple):
    before: _Entry | None
    length: int
    base: int
    each: int
    origin: int


class _Rooms:
    """Groups of rows by the room that their rows have left."""

    def __init__(self) -> None:
        self._rooms: list[int] = []  # ascending
        self._having: dict[int, list[tuple[int, int, _Entry]]] = {}  # heaps by first row

    def put(self, room: int, first: int, rows: int, path: _Entry) -> None:
        if room not in self._having:
            self._having[room] = []
            insort(self._rooms, room)
        heapq.heappush(self._having[room], (first, rows, path))

    def least(self, length: int) -> int | None:
        """The least room that holds so many tokens; None where no row does."""
        at = bisect_left(self._rooms, length)
        return self._rooms[at] if at < len(self._rooms) else None

    def take(self, room: int) -> tuple[int, int, _Entry]:
        """The first group with that room: its first row, its rows, what they hold."""
        group = heapq.heappop(self._having[room])
        if not self._having[room]:
            del self._having[room], self._rooms[bisect_left(self._rooms, room)]
        return group

    def all(self) -> list[tuple[int, int, _Entry]]:
        return sorted(group for groups in self._having.values() for group in groups)


def best_fit(histogram: Numbers) -> Groups:
    """Rows of R tokens for histogram[l] pieces of l tokens, l from 1 to R; `histogram` is (R + 1,).

    >>> groups = best_fit(np.bincount([3, 5, 2, 4, 1], minlength=7))
    >>> groups.rows, [row_pieces(groups, row) for row in range(3)]
    (3, [[(5, 0, 1), (1, 4, 1)], [(4, 1, 1), (2, 3, 1)], [(3, 2, 1)]])
    """
    capacity, rooms, rows, base = len(histogram) - 1, _Rooms(), 0, 0
    for length in (np.flatnonzero(histogram)[::-1]).tolist():
        left = int(histogram[length])
        while left:
            room = rooms.least(length)
            if room is None:
                room, before = capacity, None
                first, some = rows, -(-left // (capacity // length))
                rows += some
            else:
                first, some, before = rooms.take(room)
            # A row that is begun with this length takes as many as it holds: it then has the least room.
            each = room // length
            whole = min(some, left // each)
            if whole:
                path = _Entry(before, length, base, each, first)
                rooms.put(room - each * length, first, whole, path)
                base, left = base + whole * each, left - whole * each
            if left and whole < some:
                path = _Entry(before, length, base, left, first + whole)
                rooms.put(room - left * length, first + whole, 1, path)
                base, left, whole = base + left, 0, whole + 1
            if whole < some and before is not None:
                rooms.put(room, first + whole, some - whole, before)
    return _as_groups(rooms.all(), rows)


def _as_groups(found: list[tuple[int, int, _Entry]], rows: int) -> Groups:
    entries: list[tuple[int, int, int, int]] = []
    paths = [0]
    for _, _, path in found:
        held: list[tuple[int, int, int, int]] = []
        entry: _Entry | None = path
        while entry is not None:
            held.append(entry[1:])
            entry = entry.before
        entries += held[::-1]
        paths.append(len(entries))
    firsts = np.array([first for first, _, _ in found], np.int64)
    return Groups(firsts, np.array(paths, np.int64), np.array(entries, np.int64).reshape(-1, 4), rows)


def row_pieces(groups: Groups, row: int) -> list[tuple[int, int, int]]:
    """Length, first number and count of the pieces of a row, in the order in which they stand there."""
    group = int(groups.firsts.searchsorted(row, "right")) - 1
    held = groups.entries[groups.paths[group] : groups.paths[group + 1]].tolist()
    return [(length, base + (row - origin) * count, count) for length, base, count, origin in held]


# ------------------------------------------------------------------------------------------ the pieces
def piece_lengths(sequences: Sequences, rows: Geometry) -> tuple[Numbers, PackReport]:
    """How many pieces there are of each length, (R + 1,), and what is known before they are packed."""
    capacity = rows.row_tokens
    histogram = np.zeros(capacity + 1, np.int64)
    documents = tokens = longer = 0
    for _, lengths in sequences:
        counts = rows.pieces(lengths)
        histogram += np.bincount(lengths - (counts - 1) * rows.stride, minlength=capacity + 1)
        histogram[capacity] += int(counts.sum()) - len(counts)
        documents, tokens = documents + len(lengths), tokens + int(lengths.sum())
        longer += int((lengths > capacity).sum())
    pieces = int(histogram.sum())
    # Without a shared token the first one of each further piece is predicted nowhere.
    lost = pieces - documents if rows.stride == capacity else 0
    report = PackReport(
        "best_fit", capacity, rows.stride, documents, tokens, 0, pieces, 0, longer, 0, 0, lost
    )
    return histogram, report


def packed_report(histogram: Numbers, before: PackReport, groups: Groups) -> PackReport:
    """What best fit does."""
    placed = int((histogram * np.arange(len(histogram))).sum())
    padding = groups.rows * before.row_tokens - placed
    return PackReport(**{**asdict(before), "rows": groups.rows, "padding": padding})


def place_pieces(sequences: Sequences, rows: Geometry, histogram: Numbers, starts: Numbers) -> None:
    """Write where each piece begins into `starts`, (pieces,): by falling length, then in order."""
    capacity = rows.row_tokens
    ahead = np.zeros(capacity + 1, np.int64)  # pieces before those of each length
    ahead[:-1] = np.cumsum(histogram[:0:-1])[::-1]
    kind = np.uint16 if capacity < 1 << 16 else np.int64  # NumPy sorts 16 bits by radix.
    for begins, lengths in _pieces(sequences, rows):
        order = np.argsort((capacity - lengths).astype(kind), kind="stable")
        counts = np.bincount(lengths, minlength=capacity + 1)
        # In falling order, as the pieces are: how many of this look stand before those of a length.
        before = np.zeros(capacity + 1, np.int64)
        before[:-1] = np.cumsum(counts[:0:-1])[::-1]
        sorted_lengths = lengths[order]
        starts[ahead[sorted_lengths] + np.arange(len(order)) - before[sorted_lengths]] = begins[order]
        ahead += counts


def _pieces(sequences: Sequences, rows: Geometry) -> Iterator[tuple[Numbers, Numbers]]:
    """Where pieces begin and how long they are, in the order of the documents, so many at a time."""
    for begins, lengths in sequences:
        ends = np.cumsum(rows.pieces(lengths))
        total = int(ends[-1]) if len(ends) else 0
        for first in range(0, total, _PIECES):
            numbers = np.arange(first, min(first + _PIECES, total))
            owner = np.searchsorted(ends, numbers, side="right")
            offsets = (numbers - np.where(owner > 0, ends[owner - 1], 0)) * rows.stride
            yield begins[owner] + offsets, np.minimum(lengths[owner] - offsets, rows.row_tokens)


# ------------------------------------------------------------------------------- the other way: to cut
def cut_rows(tokens: int, rows: Geometry) -> int:
    """Whole rows that a line of so many tokens has, cut from its first token on."""
    return max(0, (tokens - rows.row_tokens) // rows.stride + 1)


def cut_report(sequences: Sequences, tokens: int, rows: Geometry) -> PackReport:
    """What cutting the line of all documents into whole rows does.

    Args:
        sequences: of one line without gaps, from its first token on; places count from there.
        tokens: of the line.
    """
    count = cut_rows(tokens, rows)
    covered = (count - 1) * rows.stride + rows.row_tokens if count else 0
    documents = longer = parted = pieces = place = 0
    for _, lengths in sequences:
        ends = place + np.cumsum(lengths)
        begins = ends - lengths
        row = np.minimum(begins // rows.stride, max(count - 1, 0))
        whole = ends <= row * rows.stride + rows.row_tokens
        long = lengths > rows.row_tokens
        parted += int(((begins < covered) & ~whole & ~long).sum())
        last = np.minimum((ends - 1) // rows.stride, count - 1)
        pieces += int(np.where(begins < covered, last - row + 1, 0).sum())
        documents, longer = documents + len(lengths), longer + int(long.sum())
        place = int(ends[-1]) if len(ends) else place
    unused = tokens - covered
    left_over = unused if count else max(0, tokens - 1)
    sizes = (rows.row_tokens, rows.stride, documents, tokens, count, pieces, 0, longer, parted)
    return PackReport("concatenate", *sizes, unused, left_over)


def by_method(both: tuple[PackReport, PackReport]) -> dict[str, dict[str, Any]]:
    """The reports of both ways, best fit first, by the name of the method, as JSON has them."""
    return {report.method: report.plain() for report in both}
