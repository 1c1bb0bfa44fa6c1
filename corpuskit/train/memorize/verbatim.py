"""Does this stand in the training split, word for word, and where? A suffix array over the shards answers.

It is made block by block of 4 million tokens, which a sort of 4 to 64 tokens from each place on orders (ranks
doubled as by Manber and Myers, SIAM J. Comput. 22, 1993; only what is not yet told apart is sorted again).
Making one takes about 40 bytes a token of a block, 170 MB; 4 bytes a token are kept of the last 16 blocks, so
that memory is below 0.5 GB whatever the corpus. Longer matches are followed in the memory-mapped shards.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from corpuskit.shards.reader import SplitTokens

Ids = npt.NDArray[np.int64]

DEPTH = 64
"""Tokens by which suffixes are ordered."""

BLOCK_TOKENS = 2**22
KEPT_BLOCKS = 16

MOST_PLACES = 4096
"""Where more than `DEPTH` tokens match, and at more places, so many of them are followed to their end."""

_AT_ONCE = 2**14
"""Places of queries that are looked up at a time."""


@dataclass(frozen=True)
class Matches:
    """The longest match from each token of a query on.

    Attributes:
        lengths: tokens, (T,); 0 for a token that does not stand in the split.
        places: where in the split one such match begins, (T,); -1 where there is none.
    """

    lengths: Ids
    places: Ids

    @property
    def longest(self) -> int:
        """Where in the query its longest match begins; 0 for an empty query."""
        return int(np.argmax(self.lengths)) if len(self.lengths) else 0

    def covered(self, least: int) -> int:
        """Tokens of the query that lie in a match of at least so many tokens."""
        reach = np.where(self.lengths >= least, np.arange(len(self.lengths)) + self.lengths, 0)
        ends = np.maximum.accumulate(reach) if len(reach) else reach
        return int((ends > np.arange(len(ends))).sum())


class VerbatimIndex(Protocol):
    """What `memorize` asks of a split; an index that is stored beside the shards can answer it too."""

    def matches(self, queries: Sequence[Ids]) -> list[Matches]:
        """The longest verbatim matches of token sequences; without end-of-text none leaves a document."""

    def counts(self, queries: Sequence[Ids]) -> list[int]:
        """How often each token sequence stands in the split, overlapping ones too."""


class SuffixIndex:
    """A `VerbatimIndex` of suffix arrays."""

    def __init__(
        self, split: SplitTokens, vocab_size: int, *, block_tokens: int = BLOCK_TOKENS, depth: int = DEPTH
    ) -> None:
        self._split, self._depth, self._block_tokens = split, depth, block_tokens
        self._vocab_size = vocab_size
        self._blocks: OrderedDict[int, npt.NDArray[np.int32]] = OrderedDict()

    def matches(self, queries: Sequence[Ids]) -> list[Matches]:
        """See `VerbatimIndex`. Each block is looked through once."""
        found = [Matches(np.zeros(len(q), np.int64), np.full(len(q), -1)) for q in queries]
        spots = [(number, place) for number, q in enumerate(queries) for place in range(len(q))]
        for start in range(0, self._split.tokens, self._block_tokens):
            block = self._block(start)
            for first in range(0, len(spots), _AT_ONCE):
                self._match(block, queries, spots[first : first + _AT_ONCE], found)
        return found

    def counts(self, queries: Sequence[Ids]) -> list[int]:
        """See `VerbatimIndex`. Each block is looked through once."""
        found = [0] * len(queries)
        for start in range(0, self._split.tokens, self._block_tokens):
            block = self._block(start)
            for first in range(0, len(queries), _AT_ONCE):
                some = queries[first : first + _AT_ONCE]
                low, high = self._range(block, some)
                for number, query in enumerate(some):
                    found[first + number] += self._count(block, query, int(low[number]), int(high[number]))
        return found

    def _count(self, block: _Block, query: Ids, low: int, high: int) -> int:
        if len(query) <= self._depth or low == high:
            return high - low
        rest = query[self._depth :]
        starts = block.places[low:high].astype(np.int64) + block.start + self._depth
        return sum(self._read(int(place), len(rest)).tolist() == rest.tolist() for place in starts)

    def _match(
        self, block: _Block, queries: Sequence[Ids], spots: Sequence[tuple[int, int]], found: list[Matches]
    ) -> None:
        heads = [queries[number][place : place + self._depth] for number, place in spots]
        low, high = self._range(block, heads)
        wanted = _table(heads, self._depth, 0)
        for beside in (low - 1, low):  # The nearest in order share the most.
            there = (beside >= 0) & (beside < len(block.places))
            at = block.places[np.where(there, beside, 0)]
            own = block.tokens[at[:, None] + np.arange(self._depth)]
            same = (own == wanted) & (wanted > 0)
            lengths = np.where(there, np.cumprod(same, axis=1).sum(1), 0)
            for (number, place), length, start in zip(spots, lengths.tolist(), at.tolist(), strict=True):
                if length > found[number].lengths[place]:
                    found[number].lengths[place] = length
                    found[number].places[place] = start + block.start
        for number in np.flatnonzero(high > low).tolist():
            query, place = spots[number]
            if len(heads[number]) == self._depth and len(queries[query]) > place + self._depth:
                members = block.places[low[number] : min(high[number], low[number] + MOST_PLACES)]
                self._follow(members + np.int64(block.start), queries[query], place, found[query])

    def _follow(self, members: Ids, query: Ids, place: int, found: Matches) -> None:
        """Lengthen the match from a token of a query on over what was sorted."""
        rest = query[place + self._depth :]
        for start in members.tolist():
            known = int(found.lengths[place]) - self._depth
            # One that is to be longer has at least one token more than the best so far.
            if known >= len(rest):
                return
            own = self._read(start + self._depth, len(rest))
            if known > 0 and (len(own) <= known or own[known] != rest[known]):
                continue
            differ = np.flatnonzero(own != rest[: len(own)])
            length = int(differ[0]) if len(differ) else len(own)
            if length > known:
                found.lengths[place], found.places[place] = self._depth + length, start

    def _read(self, start: int, count: int) -> npt.NDArray[np.integer]:
        return self._split.read(start, max(0, min(count, self._split.tokens - start)))

    # -------------------------------------------------------------------------------------- one block
    def _range(self, block: _Block, queries: Sequence[Ids]) -> tuple[Ids, Ids]:
        """The part of a block's order that begins with each query, or with its first `depth` tokens."""
        low = block.search(_table(queries, self._depth, 0), after=False)
        return low, block.search(_table(queries, self._depth, self._vocab_size + 1), after=True)

    def _block(self, start: int) -> _Block:
        count = min(self._block_tokens, self._split.tokens - start)
        # 0 stands behind the end of the split, before all tokens in order.
        tokens = np.zeros(count + self._depth, np.int32)
        read = self._read(start, count + self._depth)
        tokens[: len(read)] = read
        tokens[: len(read)] += 1
        if start not in self._blocks:
            self._blocks[start] = _suffixes(tokens, count, self._depth, self._vocab_size)
            if len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        return _Block(start, tokens, self._blocks[start])


@dataclass(frozen=True)
class _Block:
    """Part of a split.

    Attributes:
        start: of its first token.
        tokens: ids + 1, with `depth` more than the block has.
        places: its places in the order of the tokens from each on.
    """

    start: int
    tokens: npt.NDArray[np.int32]
    places: npt.NDArray[np.int32]

    def search(self, wanted: npt.NDArray[np.int32], *, after: bool) -> Ids:
        """How many of the places come before each row, (m, depth), in order; with `after` its equals too."""
        low, high = np.zeros(len(wanted), np.int64), np.full(len(wanted), len(self.places), np.int64)
        columns, rows = np.arange(wanted.shape[1]), np.arange(len(wanted))
        while (open_ := low < high).any():
            middle = (low + high) // 2
            own = self.tokens[self.places[np.where(open_, middle, 0)][:, None] + columns]
            differ = own != wanted
            first = differ.argmax(1)
            before = np.where(differ[rows, first], own[rows, first] < wanted[rows, first], after)
            low = np.where(open_ & before, middle + 1, low)
            high = np.where(open_ & ~before, middle, high)
        return low


def _table(rows: Sequence[Ids], depth: int, fill: int) -> npt.NDArray[np.int32]:
    """The first `depth` tokens of each row + 1, (m, depth); `fill` behind those that are shorter."""
    table = np.full((len(rows), depth), fill, np.int32)
    for number, row in enumerate(rows):
        head = row[:depth]
        table[number, : len(head)] = head
        table[number, : len(head)] += 1
    return table


def _suffixes(
    tokens: npt.NDArray[np.int32], count: int, depth: int, vocab_size: int
) -> npt.NDArray[np.int32]:
    """The first `count` places in the order of the `depth` tokens from each on; equal ones by place."""
    bits = (vocab_size + 1).bit_length()
    sorted_by = min(63 // bits, depth)
    keys = np.zeros(len(tokens), np.int64)
    for number in range(sorted_by):
        keys <<= bits
        keys[: len(tokens) - number] |= tokens[number:]
    order = np.argsort(keys, kind="stable").astype(np.int32)
    keys = keys[order]
    fresh = np.concatenate([[True], keys[1:] != keys[:-1]])
    rank = np.empty(len(tokens), np.int64)
    rank[order] = np.maximum.accumulate(np.where(fresh, np.arange(len(fresh)), 0))
    while sorted_by < depth:
        # What stands alone has its place; the others of a group are told apart by what comes behind.
        alone = fresh & np.concatenate([fresh[1:], [True]])
        slots = np.flatnonzero(~alone)
        if not len(slots):
            break
        places = order[slots].astype(np.int64)
        behind = places + sorted_by
        following = np.where(behind < len(tokens), rank[np.minimum(behind, len(tokens) - 1)] + 1, 0)
        keys = rank[places] * np.int64(len(tokens) + 2) + following
        again = np.argsort(keys, kind="stable")
        keys = keys[again]
        order[slots] = places[again]
        mine = np.concatenate([[True], keys[1:] != keys[:-1]])
        fresh[slots] = mine
        rank[order[slots]] = np.maximum.accumulate(np.where(mine, slots, 0))
        sorted_by *= 2
    return order[order < count]
