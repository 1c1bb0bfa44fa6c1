"""A split by source: whose its tokens are, as the provenance tables beside the shards say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError
from corpuskit.shards.batches import find
from corpuskit.shards.packed import Origin
from corpuskit.shards.packing import Numbers
from corpuskit.shards.provenance import source_ranges
from corpuskit.shards.reader import Shards, SplitTokens
from corpuskit.storage.files import sha256_json


class SourceTokens:
    """The tokens of one source in a split, one document behind the other, as if there were no others.

    Attributes:
        name: of the split and the source, for messages.
        tokens: tokens of the source.
        ranges: where they are in the split, (ranges, 2).
    """

    def __init__(self, split: SplitTokens, name: str, ranges: npt.NDArray[np.int64]) -> None:
        """Of the tokens [start, end) of the split that `ranges`, (ranges, 2), names in order."""
        self.name, self.ranges = name, ranges
        self._split = split
        self._starts = ranges[:, 0]
        self._ends = np.cumsum(ranges[:, 1] - ranges[:, 0])
        self.tokens = int(self._ends[-1]) if len(ranges) else 0

    def position(self, token: int) -> int:
        """Where the source's token number `token` stands in the split."""
        place, offset = find(self._ends, token)
        return int(self._starts[place]) + offset

    def read(self, start: int, count: int) -> npt.NDArray[np.integer]:
        """The source's tokens [start, start + count), (count,) of the shards' type."""
        pieces = []
        while count > 0:
            place, offset = find(self._ends, start)
            here = min(count, int(self._ends[place]) - start)
            pieces.append(self._split.read(int(self._starts[place]) + offset, here))
            start, count = start + here, count - here
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def lengths(self) -> Iterator[tuple[Numbers, Numbers]]:
        """Where the source's documents begin in the split, and how many tokens each has."""
        for begins, lengths in self._split.lengths():
            place = np.searchsorted(self._starts, begins, side="right") - 1
            own = (place >= 0) & (begins < self.ranges[np.maximum(place, 0), 1])
            yield begins[own], lengths[own]

    @property
    def digest(self) -> str:
        """sha256, in hex, of which tokens of the split are the source's."""
        return hashlib.sha256(np.ascontiguousarray(self.ranges, "<i8").tobytes()).hexdigest()

    def origin(self, shards: Shards) -> Origin:
        """What packed rows of the source are made of, and where their index is kept."""
        # By a digest: the name of a source need not be one of a file.
        name = f"{self._split.name}.{hashlib.sha256(self.name.encode()).hexdigest()[:12]}"
        return Origin(name, sha256_json([shards.fingerprint, self.digest]), self.lengths, shards.index_folder)


def source_lines(shards: Shards, split: SplitTokens) -> dict[str, SourceTokens]:
    """The tokens of each source of a split, by name, in the order of names.

    Raises SettingError where no table beside the shards says whose the tokens are, ShardError for a damaged
    one.
    """
    found = source_ranges(shards, split.name)
    if found is None:
        raise SettingError(
            f"a mixture, but nothing beside {shards.files.name('shards.json')} says whose its tokens are",
            remedy="Bring the tables *.provenance.parquet back, or build the shards again.",
        )
    names, ends, owners = found
    bounds = np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1)
    return {
        name: SourceTokens(split, f"{split.name}, {name}", joined(bounds[owners == number]))
        for number, name in enumerate(names)
    }


def joined(ranges: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Ranges in order, with those that touch made one."""
    opens = np.concatenate([[True], ranges[1:, 0] != ranges[:-1, 1]])
    closes = np.concatenate([opens[1:], [True]])
    return np.stack([ranges[opens, 0], ranges[closes, 1]], axis=1)
