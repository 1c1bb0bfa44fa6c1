"""Reading shards: a folder of shards, checked when opened, each split as one memory-mapped line of tokens."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError, ShardError, checks_arguments, nearest
from corpuskit.shards.batches import Batch, Batches, epoch_batches, find
from corpuskit.shards.format import (
    MANIFEST_FORMAT,
    MANIFEST_NAME,
    NO_PROVENANCE,
    REMEDY,
    ShardInfo,
    index_bytes,
    numpy_dtype,
    read_index,
)
from corpuskit.storage.files import read_sealed, sha256_file

_OPEN_FILES = 128
"""Maps at a time: a corpus may have thousands of shards, a process 256 files (macOS) or 1,024 (Linux)."""
_ENTRY: dict[str, type] = dict.fromkeys((field.name for field in fields(ShardInfo)), str)
_ENTRY |= {"tokens": int, "sequences": int}


class Shards:
    """A folder of shards with its manifest, `shards.json`:

        {"format": 1, "dtype": "uint16", "vocab_size": 8192, "end_of_text": 0, "tokenizer_sha256": "...",
         "splits": {"train": [{"name": "train-00000", "tokens": 10, "sequences": 2, "bin_sha256": "...",
                               "idx_sha256": "...", "provenance_sha256": "..."}], "validation": [...]}}

    Opening checks the manifest and the size of every file; `verify` reads every byte and checks the digests.

    Attributes:
        folder: where the shards are.
        dtype: name of the token type, "uint16" or "int32".
        vocab_size: token ids are below it.
        end_of_text: id that ends each document.
        tokenizer_sha256: digest of the tokenizer.json that made the tokens.
        splits: shards of each split, in order.
        fingerprint: sha256 over all digests of content; equal shards have equal ones, wherever they lie.
    """

    def __init__(self, folder: Path | str) -> None:
        """Open a folder; raises ShardError, naming the file, when anything does not hold together."""
        self.folder = Path(folder)
        self._path = self.folder / MANIFEST_NAME
        manifest = _load_manifest(self._path)
        self.dtype: str = _field(manifest, "dtype", str, self._path)
        self.vocab_size: int = _field(manifest, "vocab_size", int, self._path)
        self.end_of_text: int = _field(manifest, "end_of_text", int, self._path)
        self.tokenizer_sha256: str = _field(manifest, "tokenizer_sha256", str, self._path)
        splits: dict[str, Any] = _field(manifest, "splits", dict, self._path)
        self.splits = {name: self._shard_infos(name, entries) for name, entries in splits.items()}
        itemsize = numpy_dtype(self.dtype).itemsize
        for info in self._all():
            _check_size(self.folder / f"{info.name}.bin", info.tokens * itemsize)
            _check_size(self.folder / f"{info.name}.idx", index_bytes(info.sequences))

    @property
    def fingerprint(self) -> str:
        """sha256, in hex, of the manifest's content: type, vocabulary, tokenizer and shard digests."""
        # Neither names nor provenance: equal tokens train equal models. A mixture has one of its own.
        names = ("dtype", "vocab_size", "end_of_text", "tokenizer_sha256")
        content = {"format": MANIFEST_FORMAT, **{name: getattr(self, name) for name in names}}
        content["splits"] = {
            split: [[info.tokens, info.sequences, info.bin_sha256, info.idx_sha256] for info in infos]
            for split, infos in self.splits.items()
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def moved(self, folder: Path) -> None:
        """Told that the folder is called this now: its splits are read there from here on."""
        self.folder, self._path = folder, folder / MANIFEST_NAME

    def split(self, name: str) -> SplitTokens:
        """The shards of one split as one line of tokens; raises SettingError where there is none."""
        if name not in self.splits:
            raise SettingError(f"{self._path} has no split {name!r}", remedy=nearest(name, self.splits))
        return SplitTokens(self, name)

    @checks_arguments
    def batches(
        self,
        rows: int = 8,
        context: int = 1024,
        seed: int = 0,
        epoch: int = 0,
        rank: int = 0,
        world: int = 1,
        split: str = "train",
        step: int = 0,
    ) -> Iterator[Batch]:
        """One epoch of a split as NumPy arrays, for a training loop of one's own.

        Batch k follows from (shards, rows, context, seed, epoch, k) alone, so that a loop resumes at any.
        What `world` processes read at a step is together, in order of rank, what one alone reads. Batches of
        epoch 0 are those that a decoder of corpuskit is trained on with the same rows, context and seed. Rows
        at the end of an epoch that fill no batch are left out; each epoch has an order and cuts of its own.

        Args:
            rows: rows of a batch over all processes, B; a multiple of `world`.
            context: tokens of a row, T.
            seed: fixes the order and the cuts.
            epoch: number of the epoch, from 0.
            rank, world: which process this is of how many: it has the rows [rank, rank + 1) * B / world.
            split: name of the split.
            step: number of the first batch to give.

        Raises SettingError for an argument out of bounds, and for a split with less than a batch.
        """
        counts = {"rows": rows, "context": context, "epoch": epoch, "step": step, "world": world}
        for name, value in counts.items():
            least = 0 if name in ("epoch", "step") else 1
            if value < least:
                raise SettingError(f"{name} = {value} is below {least}", remedy=f"Give {least} or more.")
        if not 0 <= rank < world:
            raise SettingError(f"rank = {rank} of world = {world}", remedy=f"Ranks are 0 to {world - 1}.")
        if rows % world:
            raise SettingError(
                f"rows = {rows} cannot be shared by world = {world}", remedy=f"Give a multiple of {world}."
            )
        batches = Batches(self.split(split), context + 1, context, rows, seed, self.vocab_size)
        if batches.rows_per_epoch < rows:
            raise SettingError(
                f"the split {split!r} has {batches.rows_per_epoch} rows of context = {context}, "
                f"a batch has rows = {rows}",
                remedy="Lower rows or context, or build shards of more text.",
            )
        own = range(rank * rows // world, (rank + 1) * rows // world)
        return epoch_batches(batches, self.end_of_text, epoch, own, step)

    def verify(self) -> None:
        """Read every file; raises ShardError for the first that is missing, or not as its sha256 records it.

        A shard of which no provenance is recorded needs no table of it. A recorded one is needed although
        tokens are read without it: losses of each source would be missing, and nobody would say why.
        """
        for info in self._all():
            for suffix in ("bin", "idx", "provenance.parquet"):
                path = self.folder / f"{info.name}.{suffix}"
                expected = getattr(info, f"{suffix.partition('.')[0]}_sha256")
                if suffix == "provenance.parquet" and expected == NO_PROVENANCE:
                    continue
                try:
                    actual = sha256_file(path)
                except OSError as error:
                    raise _unreadable(path, error) from error
                if actual != expected:
                    raise ShardError(
                        f"{path} is damaged: sha256 {actual}, recorded {expected}", remedy=REMEDY
                    )

    def _all(self) -> list[ShardInfo]:
        return [info for infos in self.splits.values() for info in infos]

    def _shard_infos(self, split: str, entries: Any) -> list[ShardInfo]:
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ShardError(
                f"{self._path}: split {split!r} must be a list of shards, not {entries!r}", remedy=REMEDY
            )
        return [
            ShardInfo(**{key: _field(entry, key, kind, self._path) for key, kind in _ENTRY.items()})
            for entry in entries
        ]


def open_shards(folder: Path | str) -> Shards:
    """The shards of a run, or of a shards folder:

        shards = open_shards("runs/sample")
        for inputs, targets, bounds in shards.batches(rows=8, context=128, seed=1):
            ...

    Raises ShardError where there are none, and when anything does not hold together.
    """
    folder = Path(folder)
    found = next((f for f in (folder, folder / "shards") if (f / MANIFEST_NAME).is_file()), None)
    if found is None:
        raise ShardError(
            f"{folder} is no run with shards and no shards folder: there is neither {MANIFEST_NAME} "
            f"nor shards/{MANIFEST_NAME}",
            remedy="Name the folder of a finished build.",
        )
    return Shards(found)


class SplitTokens:
    """One split's shards as one line of tokens; files are memory-mapped on first use, 128 at most at a time.

    Attributes:
        name: the split's name.
        tokens: tokens in the split.
        sequences: sequences (documents, or sections of them) in the split.
    """

    def __init__(self, shards: Shards, name: str) -> None:
        self.name = name
        self._shards = shards
        self._dtype = numpy_dtype(shards.dtype)
        self._infos = shards.splits[name]
        self._token_ends = np.cumsum([info.tokens for info in self._infos], dtype=np.int64)
        self._sequence_ends = np.cumsum([info.sequences for info in self._infos], dtype=np.int64)
        self.tokens = int(self._token_ends[-1]) if self._infos else 0
        self.sequences = int(self._sequence_ends[-1]) if self._infos else 0
        self._maps: OrderedDict[int, npt.NDArray[np.integer]] = OrderedDict()
        self._indices: OrderedDict[int, npt.NDArray[np.int64]] = OrderedDict()

    def read(self, start: int, count: int) -> npt.NDArray[np.integer]:
        """The tokens [start, start + count), across shards where need be; (count,) of the shards' type.

        Inside one shard the answer is a read-only view of the file. Raises IndexError outside the split.
        """
        if start < 0 or count < 0 or start + count > self.tokens:
            raise IndexError(
                f"tokens [{start}, {start + count}) lie outside split {self.name!r} of {self.tokens}"
            )
        pieces = []
        while count > 0:
            shard, offset = find(self._token_ends, start)
            piece = self._map(shard)[offset : offset + count]
            pieces.append(piece)
            start += len(piece)
            count -= len(piece)
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else np.zeros(0, self._dtype)

    def sequence(self, number: int) -> npt.NDArray[np.integer]:
        """The tokens of sequence `number`, its end-of-text included. IndexError outside the split."""
        if not 0 <= number < self.sequences:
            raise IndexError(f"sequence {number} lies outside split {self.name!r} of {self.sequences}")
        shard, local = find(self._sequence_ends, number)
        start, end = self._starts(shard)[local : local + 2].tolist()
        before = int(self._token_ends[shard]) - self._infos[shard].tokens
        return self.read(before + start, end - start)

    def sequence_at(self, token: int) -> int:
        """Number of the sequence that holds the token at position `token`. IndexError outside the split."""
        name, offset = self.locate(token)
        shard = next(number for number, info in enumerate(self._infos) if info.name == name)
        before = int(self._sequence_ends[shard]) - self._infos[shard].sequences
        return before + int(np.searchsorted(self._starts(shard), offset, side="right")) - 1

    def starts(self) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """For each shard the place of its first token in the split, and where each sequence starts in it.

        The starts are (sequences + 1,), the end of the last one behind them. One shard is held at a time.
        """
        for number, info in enumerate(self._infos):
            yield int(self._token_ends[number]) - info.tokens, self._starts(number)

    def locate(self, token: int) -> tuple[str, int]:
        """The shard that holds the token at position `token`, and its position there; else IndexError."""
        if not 0 <= token < self.tokens:
            raise IndexError(f"token {token} lies outside split {self.name!r} of {self.tokens}")
        shard, offset = find(self._token_ends, token)
        return self._infos[shard].name, offset

    def _map(self, shard: int) -> npt.NDArray[np.integer]:
        if shard not in self._maps:
            path = self._shards.folder / f"{self._infos[shard].name}.bin"
            try:
                self._maps[shard] = np.memmap(path, self._dtype, mode="r", shape=(self._infos[shard].tokens,))
            except (OSError, ValueError) as error:
                raise ShardError(f"cannot read the shard {path}: {error}", remedy=REMEDY) from error
        return _recent(self._maps, shard)

    def _starts(self, shard: int) -> npt.NDArray[np.int64]:
        if shard not in self._indices:
            info = self._infos[shard]
            path = self._shards.folder / f"{info.name}.idx"
            starts = read_index(path)
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


def _load_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = read_sealed(path)
    except FileNotFoundError as error:
        raise ShardError(
            f"{path.parent} holds no {MANIFEST_NAME}", remedy="Name the shards folder of a finished build."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ShardError(f"cannot read {path}: {error}", remedy=REMEDY) from error
    if manifest.get("format") != MANIFEST_FORMAT:
        found = manifest.get("format")
        raise ShardError(
            f"{path} has format {found!r}; this version reads format {MANIFEST_FORMAT}", remedy=REMEDY
        )
    return manifest


def _field(entry: dict[str, Any], key: str, kind: type, path: Path) -> Any:
    """A manifest field of the wanted type; raises ShardError, naming the file and the field, otherwise."""
    value = entry.get(key)
    # Not isinstance: true and false would be numbers.
    if type(value) is not kind or (isinstance(value, int) and value < 0):
        raise ShardError(f"{path}: {key} is {value!r} where {kind.__name__} is needed", remedy=REMEDY)
    return value


def _unreadable(path: Path, error: OSError) -> ShardError:
    return ShardError(f"the shard file {path} cannot be read: {error.strerror}", remedy=REMEDY)


def _check_size(path: Path, expected: int) -> None:
    try:
        actual = path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error
    if actual != expected:
        raise ShardError(f"{path} has {actual} bytes where the manifest counts {expected}", remedy=REMEDY)
