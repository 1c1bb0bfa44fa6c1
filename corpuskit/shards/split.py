"""One split's shards as one line of tokens, to be read at random."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from corpuskit.errors import ShardError
from corpuskit.shards.batches import find
from corpuskit.shards.folder import Folder, Tokens
from corpuskit.shards.format import REMEDY, ShardInfo, decode_index, numpy_dtype

_OPEN_FILES = 128
"""Maps at a time: a corpus may have thousands of shards, a process 256 files (macOS) or 1,024 (Linux)."""


class SplitTokens:
    """One split's shards as one line of tokens; files are memory-mapped on first use, 128 at most at a time.

    Attributes:
        name: the split's name.
        tokens: tokens in the split.
        sequences: sequences (documents, or sections of them) in the split.
    """

    def __init__(self, files: Folder, name: str, infos: Sequence[ShardInfo], dtype: str) -> None:
        self.name, self._files, self._infos = name, files, infos
        self.dtype = numpy_dtype(dtype)
        self._token_ends = np.cumsum([info.tokens for info in self._infos], dtype=np.int64)
        self._sequence_ends = np.cumsum([info.sequences for info in self._infos], dtype=np.int64)
        self.tokens = int(self._token_ends[-1]) if self._infos else 0
        self.sequences = int(self._sequence_ends[-1]) if self._infos else 0
        self._maps: OrderedDict[int, Tokens] = OrderedDict()
        self._indices: OrderedDict[int, npt.NDArray[np.int64]] = OrderedDict()
        self._opening = threading.Lock()
        # The shard that was read last: rows lie in one shard, and often in the same.
        self._last: tuple[int, int, Tokens | None] = (0, 0, None)

    def read(self, start: int, count: int) -> npt.NDArray[np.integer]:
        """The tokens [start, start + count), across shards where need be; (count,) of the shards' type.

        Inside one shard the answer is a read-only view of the file. Raises IndexError outside the split.
        """
        first, last, tokens = self._last
        if tokens is not None and first <= start and start + count <= last and count >= 0:
            return tokens[start - first : start - first + count]
        if start < 0 or count < 0 or start + count > self.tokens:
            raise IndexError(
                f"tokens [{start}, {start + count}) lie outside split {self.name!r} of {self.tokens}"
            )
        pieces = []
        while count > 0:
            shard, offset = find(self._token_ends, start)
            tokens = self._map(shard)
            piece = tokens[offset : offset + count]
            self._last = (start - offset, start - offset + self._infos[shard].tokens, tokens)
            pieces.append(piece)
            start += len(piece)
            count -= len(piece)
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else np.zeros(0, self.dtype)

    def sequence(self, number: int) -> npt.NDArray[np.integer]:
        """The tokens of sequence `number`, its end-of-text included. IndexError outside the split."""
        if not 0 <= number < self.sequences:
            raise IndexError(f"sequence {number} lies outside split {self.name!r} of {self.sequences}")
        shard, local = find(self._sequence_ends, number)
        start, end = self._starts(shard)[local : local + 2].tolist()
        before = int(self._token_ends[shard]) - self._infos[shard].tokens
        return self.read(before + start, end - start)

    def sequence_start(self, number: int) -> int:
        """Place in the split of the first token of sequence `number`. IndexError outside the split."""
        if not 0 <= number < self.sequences:
            raise IndexError(f"sequence {number} lies outside split {self.name!r} of {self.sequences}")
        shard, local = find(self._sequence_ends, number)
        return int(self._token_ends[shard]) - self._infos[shard].tokens + int(self._starts(shard)[local])

    def sequence_at(self, token: int) -> int:
        """Number of the sequence that holds the token at position `token`. IndexError outside the split."""
        if not 0 <= token < self.tokens:
            raise IndexError(f"token {token} lies outside split {self.name!r} of {self.tokens}")
        shard, offset = find(self._token_ends, token)
        before = int(self._sequence_ends[shard]) - self._infos[shard].sequences
        return before + int(np.searchsorted(self._starts(shard), offset, side="right")) - 1

    def starts(self) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """For each shard the place of its first token in the split, and where each sequence starts in it.

        The starts are (sequences + 1,), the end of the last one behind them. One shard is held at a time.
        """
        for number, info in enumerate(self._infos):
            yield int(self._token_ends[number]) - info.tokens, self._starts(number)

    def lengths(self) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """For each shard where each sequence begins in the split, and how many tokens it has."""
        for before, starts in self.starts():
            yield before + starts[:-1], np.diff(starts)

    def locate(self, token: int) -> tuple[str, int]:
        """The shard that holds the token at position `token`, and its position there; else IndexError."""
        if not 0 <= token < self.tokens:
            raise IndexError(f"token {token} lies outside split {self.name!r} of {self.tokens}")
        shard, offset = find(self._token_ends, token)
        return self._infos[shard].name, offset

    def _map(self, shard: int) -> Tokens:
        file, files = f"{self._infos[shard].name}.bin", self._files
        with self._opening:  # A loader reads ahead in a thread.
            if shard not in self._maps:
                try:
                    self._maps[shard] = files.map(file, self.dtype, self._infos[shard].tokens)
                except (OSError, ValueError) as error:
                    raise ShardError(
                        f"cannot read the shard {files.name(file)}: {error}", remedy=REMEDY
                    ) from error
            return _recent(self._maps, shard)

    def _starts(self, shard: int) -> npt.NDArray[np.int64]:
        if shard not in self._indices:
            info, files = self._infos[shard], self._files
            path = files.name(f"{info.name}.idx")
            try:
                starts = decode_index(files.read(f"{info.name}.idx"), path)
            except OSError as error:
                raise ShardError(f"cannot read the shard index {path}: {error}", remedy=REMEDY) from error
            if (starts[-1], len(starts) - 1) != (info.tokens, info.sequences):
                raise ShardError(
                    f"{path} counts {starts[-1]} tokens in {len(starts) - 1} sequences, "
                    f"the manifest {info.tokens} in {info.sequences}",
                    remedy=REMEDY,
                )
            self._indices[shard] = starts
        return _recent(self._indices, shard)


_Value = TypeVar("_Value")


def _recent(cache: OrderedDict[int, _Value], key: int) -> _Value:
    """Mark a cached file as the latest used and let go of the one that was used longest ago."""
    cache.move_to_end(key)
    if len(cache) > _OPEN_FILES:
        cache.popitem(last=False)
    return cache[key]
