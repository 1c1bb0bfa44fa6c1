"""Where does a token sequence stand in the shards? An index of all n-grams, of any length, answers.

How it is made and kept is told in `corpuskit.shards.ngrams.files`. What is asked for is found within one
document: no match goes on behind an end-of-text, which may be the last token of a query alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError, ShardError, StorageError
from corpuskit.shards.ngrams.files import (
    SUFFIX,
    Ids,
    ShardIndex,
    Told,
    build_index,
    index_folder,
    missing,
    sequence_starts,
)
from corpuskit.shards.provenance import Origin, origins
from corpuskit.shards.reader import Shards, open_shards

_MOST = 2**62
"""Places that are asked for at most: no shards hold as many tokens."""

_OPEN = 64
"""Shards whose files are mapped at a time."""

Query = Sequence[int] | npt.NDArray[np.integer]


class Matches(NamedTuple):
    """The longest match from each token of a query on.

    Attributes:
        lengths: tokens, (T,); 0 for a token that does not stand there.
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


class Hit(NamedTuple):
    """A place where a sequence stands.

    Attributes:
        split, place: the split, and the place of the first token in it.
        sequence: number in the split of the sequence (a document, or a section of one) that holds it.
        offset: its place in that sequence, in tokens.
        origin: shard and place there, and the document; see `Origin`.
    """

    split: str
    place: int
    sequence: int
    offset: int
    origin: Origin


class SplitNgrams:
    """The index of one split; places are those of `SplitTokens`."""

    def __init__(self, shards: Shards, name: str, folder: Path) -> None:
        self.name = name
        self._shards, self._folder = shards, folder
        self._infos = shards.splits[name]
        self._bases = np.cumsum([0, *(info.tokens for info in self._infos)], dtype=np.int64)
        self._open: OrderedDict[int, ShardIndex] = OrderedDict()

    def count(self, query: Query) -> int:
        """How often a sequence stands within a document; occurrences that overlap count each."""
        return self.counts([query])[0]

    def counts(self, queries: Sequence[Query]) -> list[int]:
        """The same for many; each shard is looked through once."""
        wanted = [query_ids(query) for query in queries]
        found = [0] * len(wanted)
        for _, shard in self._each():
            for number, query in enumerate(wanted):
                found[number] += sum(high - low for low, high in shard.ranges(query))
        return found

    def documents(self, query: Query) -> int:
        """In how many documents (sections, of documents that are parted) a sequence stands."""
        wanted, found = query_ids(query), 0
        for number, shard in self._each():
            starts, last = sequence_starts(self._shards, self._infos[number]), -1
            for places in shard.places(wanted, self._infos[number].tokens):
                own = np.unique(np.searchsorted(starts, places, side="right"))
                found += len(own) - int(len(own) > 0 and own[0] == last)
                last = int(own[-1]) if len(own) else last
        return found

    def places(self, query: Query, limit: int) -> Ids:
        """Where a sequence stands, ascending: the first `limit` places, (n,)."""
        wanted, found = query_ids(query), [np.zeros(0, np.int64)]
        for number, shard in self._each():
            for places in shard.places(wanted, limit) if limit > 0 else ():
                found.append(places + self._bases[number])
                limit -= len(places)
        return np.concatenate(found)

    def find(self, query: Query, limit: int = 10) -> list[Hit]:
        """The first `limit` occurrences, in the order of the documents, with these."""
        places = self.places(query, min(limit, _MOST))
        shards = np.searchsorted(self._bases, places, side="right") - 1
        sequences, offsets = np.empty_like(places), np.empty_like(places)
        for number in np.unique(shards).tolist():
            rows, starts = shards == number, sequence_starts(self._shards, self._infos[number])
            inside = places[rows] - self._bases[number]
            own = np.searchsorted(starts, inside, side="right") - 1
            sequences[rows] = own + sum(info.sequences for info in self._infos[:number])
            offsets[rows] = inside - starts[own]
        told = origins(self._shards, self.name, places.tolist())
        facts = zip(places.tolist(), sequences.tolist(), offsets.tolist(), told, strict=True)
        return [Hit(self.name, *fact) for fact in facts]

    def matches(self, queries: Sequence[Query]) -> list[Matches]:
        """The longest match within a document from each token of each query on."""
        wanted = [query_ids(query, empty=True) for query in queries]
        found = [Matches(np.zeros(len(ids), np.int64), np.full(len(ids), -1)) for ids in wanted]
        for number, shard in self._each():
            for ids, best in zip(wanted, found, strict=True):
                lengths, places = shard.matches(ids)
                longer = lengths > best.lengths
                best.lengths[longer] = lengths[longer]
                best.places[longer] = places[longer] + self._bases[number]
        return found

    def _each(self) -> Iterator[tuple[int, ShardIndex]]:
        for number, info in enumerate(self._infos):
            if info.tokens == 0:
                continue
            if number not in self._open:
                self._open[number] = ShardIndex(self._shards, info, self._folder)
            self._open.move_to_end(number)
            if len(self._open) > _OPEN:
                self._open.popitem(last=False)
            yield number, self._open[number]


class NgramIndex:
    """The index of all splits of a folder of shards.

    Attributes:
        shards: the shards.
        folder: where its files lie.
        splits: the index of each split, by name.
    """

    def __init__(self, shards: Shards, folder: Path) -> None:
        self.shards, self.folder = shards, folder
        self.splits = {name: SplitNgrams(shards, name, folder) for name in shards.splits}

    @property
    def bytes(self) -> int:
        """Size of its files."""
        infos = [info for split in self.shards.splits.values() for info in split]
        return sum((self.folder / f"{info.name}{SUFFIX}").stat().st_size for info in infos)

    def split(self, name: str) -> SplitNgrams:
        """The index of one split; raises SettingError where there is none."""
        self.shards.split(name)
        return self.splits[name]

    def count(self, query: Query, split: str | None = None) -> int:
        """How often a sequence of ids stands within a document, in one split or in all.

        Occurrences that overlap count each: 2 of ``[7, 7]`` in ``[7, 7, 7]``. The end-of-text may be the last
        token of the query; before others it stands nowhere. Raises SettingError for an empty query.
        """
        return sum(each.count(query) for each in self._chosen(split))

    def find(self, query: Query, limit: int = 10, split: str | None = None) -> list[Hit]:
        """The first `limit` occurrences: split by split, there in the order of the documents."""
        hits: list[Hit] = []
        for each in self._chosen(split):
            hits += each.find(query, limit - len(hits))
        return hits

    def longest(self, query: Query, split: str = "train") -> Matches:
        """The longest match within a document of a split, from each token of a query on."""
        return self.split(split).matches([query])[0]

    def _chosen(self, split: str | None) -> list[SplitNgrams]:
        return list(self.splits.values()) if split is None else [self.split(split)]


def query_ids(query: Query, *, empty: bool = False) -> Ids:
    """A query as ids; raises SettingError for what is no line of whole numbers and, unless allowed, for none.

    An empty query would stand everywhere: it is an error that somebody made before.
    """
    ids = np.asarray(query)
    if ids.ndim != 1 or (len(ids) and not np.issubdtype(ids.dtype, np.integer)):
        raise SettingError(f"query: {query!r:.80} is no line of ids", remedy="Give whole numbers.")
    if not len(ids) and not empty:
        raise SettingError("query: is empty: it has no token", remedy="Give a token at least.")
    return np.ascontiguousarray(ids, np.int64)


def open_index(
    folder: Path | str,
    index: Path | str | None = None,
    *,
    build: bool = True,
    told: Told | None = None,
    workers: int = 1,
) -> NgramIndex:
    """The n-gram index of a run, or of a folder of shards; what is missing of it is built first.

        index = open_index("runs/sample")
        index.count([523, 889])

    Args:
        index: the folder that holds its files; `index_folder` says where that is without it.
        build: whether to build what is missing, or is not of the shards as they are now.
        told: hears of what is built.
        workers: blocks that are sorted at a time, each with 200 MB.

    Raises:
        ShardError: there are no shards, they do not hold together, or the index is missing or stale and is
            not to be built.
        StorageError: it cannot be written there.
    """
    shards = open_shards(folder)
    place = index_folder(shards) if index is None else Path(index)
    lacking = missing(shards, place)
    if lacking and not build:
        raise ShardError(
            f"{place}: lacks the index of {len(lacking)} shards as they are now, the first is"
            f" {lacking[0].name}",
            remedy=f"Call `corpuskit search {folder} --build`.",
        )
    if lacking:
        try:
            build_index(shards, place, told=told, workers=workers)
        except StorageError as error:
            remedy = (
                "Name a folder for it that can be written, with room for 3 bytes a token: --index FOLDER."
            )
            raise StorageError(error.message, remedy=remedy) from error
    return NgramIndex(shards, place)
