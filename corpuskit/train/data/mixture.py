"""Mixtures: what share of a run each source of the corpus has, whatever its share of the corpus.

The samples of a run are dealt to the sources in rounds of a thousand: in each, every source has as many as
its weight says, at places that the seed and the round fix. The samples of a source, counted through all
rounds, are those of an ordinary run over its tokens alone, so that each source has epochs of its own. Which
sample is whose follows from its number; nothing is kept.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError
from corpuskit.shards.batches import MIXTURE, Batches
from corpuskit.shards.packed import packed_index
from corpuskit.shards.packing import Geometry, Method
from corpuskit.shards.permutation import Permutation
from corpuskit.shards.reader import Shards, SplitTokens
from corpuskit.shards.rows import PackedBatches, PackedRows
from corpuskit.shards.sources import SourceTokens, source_lines

ROUND = 1000
"""Samples of a round; the finest share of a run that a source can have is one in so many."""

_MOST_RAISED = 20
"""Samples of a round that small sources may take from the largest: 2 % of the run."""


@dataclass(frozen=True)
class Mixture:
    """The rows of several sources in the order in which they are trained on: `Batches`, dealt by weight.

    Attributes:
        lines: the tokens of each source.
        parts: the batches of each source alone, cut from its line.
        counts: how many samples of a round are of each source.
        stride, batch_rows, seed: of all parts, see `Batches`.
    """

    lines: Mapping[str, SourceTokens]
    parts: Mapping[str, Batches | PackedBatches]
    counts: Mapping[str, int]
    stride: int
    batch_rows: int
    seed: int

    @property
    def fingerprint(self) -> str:
        """sha256, in hex, of which tokens are whose, which the shards themselves do not say."""
        found = hashlib.sha256()
        for source, line in self.lines.items():
            found.update(source.encode() + b"\0")
            found.update(np.ascontiguousarray(line.ranges).tobytes())
        return found.hexdigest()

    @property
    def rows_per_epoch(self) -> int:
        """Rows of all sources, each read once."""
        return sum(part.rows_per_epoch for part in self.parts.values())

    @property
    def tokens_left_out(self) -> int:
        """Tokens that no epoch of their source reaches."""
        return sum(part.tokens_left_out for part in self.parts.values())

    def epochs(self, samples: int) -> dict[str, float]:
        """How often each source is read by so many samples of the run."""
        return {
            source: samples * self.counts[source] / ROUND * part.stride / self.lines[source].tokens
            for source, part in self.parts.items()
        }

    def mean_epochs(self, samples: int) -> float:
        """How often a token that is read is read, on average over what so many samples read."""
        return sum(self.counts[source] / ROUND * each for source, each in self.epochs(samples).items())

    def samples(self, step: int, rows: range) -> range:
        """Numbers, counted over the run, of these rows of batch `step`."""
        return range(step * self.batch_rows + rows.start, step * self.batch_rows + rows.stop)

    def starts(self, samples: Sequence[int]) -> list[int]:
        """Position in the split of the first token of each sample."""
        return [self._start(*self.dealt(sample)) for sample in samples]

    def _start(self, source: str, own: int) -> int:
        part = self.parts[source]
        start = part.starts([own])[0]
        # A packed row says where in the split it begins, a cut one where in the line of its source.
        return start if isinstance(part, PackedBatches) else self.lines[source].position(start)

    def real(self, samples: Sequence[int]) -> npt.NDArray[np.int64] | None:
        """How many tokens of each of these rows are no padding; None where there is none."""
        found = [self.parts[source].real([own]) for source, own in map(self.dealt, samples)]
        held = [each for each in found if each is not None]
        return np.concatenate(held) if held else None

    def read(self, samples: Sequence[int]) -> npt.NDArray[np.int64]:
        """The rows of these samples, (samples, R). Raises ShardError for an id outside the vocabulary."""
        return np.concatenate([self.parts[source].read([own]) for source, own in map(self.dealt, samples)])

    def dealt(self, sample: int) -> tuple[str, int]:
        """The source of a sample of the run, and the sample's number within that source."""
        number, slot = divmod(sample, ROUND)
        place = _places(self.seed, number)[slot]
        for source, end in zip(self.counts, accumulate(self.counts.values()), strict=True):
            if place < end:
                count = self.counts[source]
                return source, number * count + place - (end - count)
        raise AssertionError("the counts of a round add up to ROUND")


@lru_cache(maxsize=8)
def _places(seed: int, number: int) -> Permutation:
    return Permutation(ROUND, seed, MIXTURE, number)


def mix(
    shards: Shards,
    name: str,
    weights: Mapping[str, float],
    rows: tuple[int, int],
    batch_rows: int,
    seed: int,
    packing: Method = "concatenate",
) -> Mixture:
    """The sources of a split, each as often as its weight says; a source of weight 0 is left out.

    Args:
        shards: with the provenance tables beside them.
        name: of the split.
        weights: of each source that the split has; only their ratios matter.
        rows: tokens of a row, and from the start of one to that of the next.
        batch_rows: rows in a batch.
        seed: fixes who is dealt what.
        packing: how the documents of each source come into rows.

    Raises:
        SettingError: sources without a weight, or weights without a source; a source too short for a row.
        ShardError: a provenance table that cannot be read or does not cover its shard.
    """
    split = shards.split(name)
    known = source_lines(shards, split)
    if set(weights) != set(known):
        raise SettingError(
            f"mixture names {', '.join(sorted(weights))}; "
            f"the sources of the split {name!r} are {', '.join(known)}",
            remedy="Give each a weight; 0 leaves it out.",
        )
    counts = {source: count for source, count in round_counts(weights).items() if count}
    lines = {source: known[source] for source in counts}
    parts: dict[str, Batches | PackedBatches] = {
        source: batches_of(shards, split, line, rows, batch_rows, seed, packing)
        for source, line in lines.items()
    }
    return Mixture(lines, parts, counts, rows[1], batch_rows, seed)


def batches_of(
    shards: Shards,
    split: SplitTokens,
    line: SplitTokens | SourceTokens,
    rows: tuple[int, int],
    batch_rows: int,
    seed: int,
    packing: Method,
) -> Batches | PackedBatches:
    """The rows of a split, or of a source of it, cut or packed, in the order in which they are trained on."""
    if packing == "concatenate":
        return Batches(line, *rows, batch_rows, seed, shards.vocab_size)
    origin = line.origin(shards) if isinstance(line, SourceTokens) else shards.origin(line)
    packed = PackedRows(split, packed_index(origin, Geometry(*rows)), shards.end_of_text)
    return PackedBatches(packed, line.name, *rows, batch_rows, seed, shards.vocab_size)


def round_counts(weights: Mapping[str, float]) -> dict[str, int]:
    """Samples of each source in a round: its share, rounded by largest remainders; one at least, if any.

    >>> round_counts({"books": 2, "wiki": 1, "web": 0})
    {'books': 667, 'web': 0, 'wiki': 333}

    Raises SettingError where many sources have less than that, so that the largest had much too little.
    """
    total = sum(weights.values())
    exact = {source: weight / total * ROUND for source, weight in sorted(weights.items())}
    counts = {source: max(math.floor(each), 1 if each else 0) for source, each in exact.items()}
    while (left := ROUND - sum(counts.values())) > 0:
        counts[max(counts, key=lambda source: exact[source] - counts[source])] += 1
    # Shares below one in a thousand were raised to it: the largest gives.
    counts[max(counts, key=lambda source: counts[source])] += left
    if left < -_MOST_RAISED:
        small = [source for source, share in exact.items() if 0 < share < 1]
        raise SettingError(
            f"mixture gives {len(small)} sources, among them {small[0]}, less than a thousandth of the run "
            "each, which is the least that one can have; together they would take too much from the others",
            remedy="Give some of them the weight 0.",
        )
    return counts
