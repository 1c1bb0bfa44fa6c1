"""How often each token stands in the shards of a run, and which documents have most of them.

The shards are read a stretch at a time, twice: memory grows with the vocabulary alone. Which document may
have more than half of a token's occurrences is what is left when occurrences of unlike documents cancel each
other (Boyer and Moore 1991, in the mergeable form of Agarwal et al. 2012); the second reading counts those
exactly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from corpuskit.errors import ShardError
from corpuskit.run.folder import Run
from corpuskit.run.layout import SHARDS, original_id
from corpuskit.shards.format import REMEDY, numpy_dtype
from corpuskit.shards.reader import Shards

_STRETCH = 2**20
"""Tokens that are looked at together."""

Numbers = npt.NDArray[np.int64]


@dataclass
class Produced:
    """What the shards of all splits hold, by token.

    Attributes:
        counts: int64 of shape (vocabulary,), occurrences.
        most: int64 of shape (vocabulary,), occurrences in the document that has more than half of them; else
            0.
        document: that document's id, by token.
        sequences: sequences of all splits, each with one end mark.
    """

    counts: Numbers
    most: Numbers
    document: dict[int, str] = field(default_factory=dict)
    sequences: int = 0


def count_tokens(run: Run) -> Produced:
    """Count the tokens of a finished run. Raises `ShardError` where shards are not as their manifest says."""
    shards = Shards(run.local(SHARDS))
    shards.verify()
    size = shards.vocab_size
    found = Produced(np.zeros(size, np.int64), np.zeros(size, np.int64))
    held, weight = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    for tokens, owners in _stretches(run, shards):
        found.counts += np.bincount(tokens, minlength=size)
        _vote(tokens, owners, held, weight)
    for tokens, owners in _stretches(run, shards):
        own = (held[tokens] == owners) & (weight[tokens] > 0)
        found.most += np.bincount(tokens[own], minlength=size)
    found.most[2 * found.most <= found.counts] = 0
    found.sequences = sum(info.sequences for infos in shards.splits.values() for info in infos)
    _name(run, shards, found, held)
    return found


def _vote(
    tokens: Numbers, owners: npt.NDArray[np.uint64], held: npt.NDArray[np.uint64], weight: Numbers
) -> None:
    """Let the documents of a stretch vote for each token.

    Args:
        tokens, owners: shape (stretch,); the digest of the document of each token.
        held, weight: shape (vocabulary,), to be changed: the document that is ahead, and by how much.
    """
    names, which = np.unique(owners, return_inverse=True)
    pairs, counts = np.unique(tokens * len(names) + which, return_counts=True)
    kinds, first = np.unique(pairs // len(names), return_index=True)
    total = np.add.reduceat(counts, first)
    # Of each token the document that has most of it here: by count, then by its first place.
    order = np.lexsort((np.arange(len(pairs)), -counts, pairs // len(names)))
    best = order[first]
    lead = 2 * counts[best] - total
    ahead = lead > 0
    kinds, lead, names = kinds[ahead], lead[ahead], names[(pairs[best] % len(names))[ahead]]
    same = held[kinds] == names
    overtaken = ~same & (lead > weight[kinds])
    weight[kinds] = np.where(same, weight[kinds] + lead, np.abs(weight[kinds] - lead))
    held[kinds[overtaken]] = names[overtaken]


def _stretches(run: Run, shards: Shards) -> Iterator[tuple[Numbers, npt.NDArray[np.uint64]]]:
    """The tokens of all shards, a stretch at a time, with the digest of each token's document."""
    dtype = numpy_dtype(shards.dtype)
    for info in (info for infos in shards.splits.values() for info in infos):
        ends, digests = [], []
        for end, name in _rows(run, info.name):
            ends.append(end)
            digests.append(_digest(name))
        borders, owners = np.array(ends, np.int64), np.array(digests, np.uint64)
        if not ends or ends[-1] != info.tokens:
            raise ShardError(f"{info.name}.provenance.parquet does not cover its shard", remedy=REMEDY)
        start = 0
        # Read, not mapped: the pages of a map count as this process's memory until it ends.
        with run.reading(run.path("shards", f"{info.name}.bin")) as file:
            while start < info.tokens:
                tokens = np.fromfile(file, dtype, min(_STRETCH, info.tokens - start)).astype(np.int64)
                row = np.searchsorted(borders, np.arange(start, start + len(tokens)), side="right")
                yield tokens, owners[row]
                start += len(tokens)


def _rows(run: Run, shard: str) -> Iterator[tuple[int, str]]:
    """Where each range of a shard ends, and the id of its document; that of a copy is its original's."""
    table = run.path("shards", f"{shard}.provenance.parquet")
    for batch in run.read_batches(table, ["token_end", "id", "part"]):
        columns = (batch.column(name).to_pylist() for name in ("token_end", "id", "part"))
        for end, name, part in zip(*columns, strict=True):
            yield end, original_id(name, part)


def _digest(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def _name(run: Run, shards: Shards, found: Produced, held: npt.NDArray[np.uint64]) -> None:
    """Find the ids of the documents that have more than half of a token."""
    wanted: dict[int, list[int]] = {}
    for token in np.flatnonzero(found.most).tolist():
        wanted.setdefault(int(held[token]), []).append(token)
    for info in (info for infos in shards.splits.values() for info in infos if wanted):
        for _, name in _rows(run, info.name):
            for token in wanted.pop(_digest(name), ()):
                found.document[token] = name
