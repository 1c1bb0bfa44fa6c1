"""Reading shards: a folder of shards, checked when opened, each split as one memory-mapped line of tokens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from corpuskit.errors import SettingError, ShardError, checks_arguments, nearest
from corpuskit.shards.batches import Batches
from corpuskit.shards.folder import Folder, LocalFolder, folder_of, local_only, sha256_of
from corpuskit.shards.format import (
    MANIFEST_FORMAT,
    MANIFEST_NAME,
    NO_PROVENANCE,
    PACKING_NAME,
    REMEDY,
    ShardInfo,
    index_bytes,
    numpy_dtype,
)
from corpuskit.shards.packed import Origin, packed_index
from corpuskit.shards.packing import (
    Geometry,
    Method,
    PackReport,
    best_fit,
    cut_report,
    geometry,
    packed_report,
    piece_lengths,
)
from corpuskit.shards.rows import CutRows, Epoch, Facts, Rows, check_method, rows_of
from corpuskit.shards.split import SplitTokens as SplitTokens
from corpuskit.storage.files import sha256_json, unsealed
from corpuskit.storage.places import below, is_uri

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
        self.files = folder_of(folder)
        manifest = _load_manifest(self.files)
        self.dtype: str = _field(manifest, "dtype", str, self._path)
        self.vocab_size: int = _field(manifest, "vocab_size", int, self._path)
        self.end_of_text: int = _field(manifest, "end_of_text", int, self._path)
        self.tokenizer_sha256: str = _field(manifest, "tokenizer_sha256", str, self._path)
        splits: dict[str, Any] = _field(manifest, "splits", dict, self._path)
        self.splits = {name: self._shard_infos(name, entries) for name, entries in splits.items()}
        itemsize = numpy_dtype(self.dtype).itemsize
        for info in self._all():
            _check_size(self.files, f"{info.name}.bin", info.tokens * itemsize)
            _check_size(self.files, f"{info.name}.idx", index_bytes(info.sequences))

    @property
    def folder(self) -> Path:
        """Where the shards are on this machine; raises SettingError where they lie elsewhere."""
        return local_only(self.files)

    @property
    def _path(self) -> str:
        return self.files.name(MANIFEST_NAME)

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
        assert isinstance(self.files, LocalFolder)  # Others cannot be moved.
        # The splits that were given have the same object.
        self.files.path = folder

    def split(self, name: str) -> SplitTokens:
        """The shards of one split as one line of tokens; raises SettingError where there is none."""
        if name not in self.splits:
            raise SettingError(f"{self._path} has no split {name!r}", remedy=nearest(name, self.splits))
        return SplitTokens(self.files, name, self.splits[name], self.dtype)

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
        packing: str = "concatenate",
        shift: bool = False,
    ) -> Epoch:
        """One epoch of a split as `Batch`es of NumPy arrays, for a training loop of one's own.

        Batch k follows from (shards, rows, context, seed, epoch, packing, k) alone, so that a loop resumes at
        any. What `world` processes read at a step is together, in order of rank, what one alone reads. Each
        row stands once in an epoch, and each epoch has an order of its own; the last batch holds the rows
        that are left. `corpuskit.Loader` goes on over the ends of epochs, mixes sources and reads ahead.

        Args:
            rows: rows of a batch over all processes, B; a multiple of `world`.
            context: tokens of a row, T.
            seed: fixes the order.
            epoch: number of the epoch, from 0.
            rank, world: which process this is of how many: it has the rows [rank, rank + 1) * B / world.
            split: name of the split.
            step: number of the first batch to give.
            packing: "concatenate" cuts the line of all documents into rows of T + 1 tokens that share one,
                from the first token on; "best_fit" parts no document that fits into a row, and fills rows up
                with ends of text that are never trained on.
            shift: cut each epoch from an offset of its own: the batches that corpuskit's trainer reads when
                it concatenates, one row perhaps fewer.

        Raises SettingError for an argument out of bounds, and for a split with less than a batch.
        """
        counts = {"rows": rows, "context": context, "epoch": epoch, "step": step, "world": world}
        check_share(counts, rank)
        line = self.split(split)
        shape = geometry(context)
        found: Rows
        if shift and check_method(packing) == "concatenate":
            moving = Batches(line, shape.row_tokens, shape.stride, rows, seed, self.vocab_size)
            found = CutRows(line, shape, moving.offset(epoch), moving.rows_per_epoch)
        else:
            found = rows_of(line, self.origin(line), packing, shape, self.end_of_text)
        check_rows(found.count, rows, context, split)
        return Epoch(self.facts(split), context + 1, found, (seed, epoch), rows, step).of(rank, world)

    def facts(self, split: str) -> Facts:
        """What rows of a split are made with."""
        far = not isinstance(self.files, LocalFolder)
        return Facts(split, numpy_dtype(self.dtype), self.vocab_size, self.end_of_text, far)

    def origin(self, line: SplitTokens) -> Origin:
        """What packed rows of a split are made of, and where their index is kept."""
        fingerprint = sha256_json([self.fingerprint, line.name])
        return Origin(line.name, fingerprint, line.lengths, self.index_folder)

    @property
    def index_folder(self) -> Path | None:
        """Where indices of packed rows are kept: beside the shards of a run; None on an object store."""
        if not isinstance(self.files, LocalFolder):
            return None
        folder = self.files.path
        return (folder.parent if (folder.parent / "run.json").is_file() else folder) / "packing"

    @property
    def packed_by(self) -> Method | None:
        """The way of packing that the recipe of the shards names, as `PACKING_NAME` beside them says."""
        if not self.files.exists(PACKING_NAME):
            return None
        path = self.files.name(PACKING_NAME)
        try:
            return check_method(_field(unsealed(self.files.read(PACKING_NAME)), "method", str, path))
        except (OSError, ValueError, RecursionError, SettingError) as error:
            raise ShardError(f"cannot read {path}: {error}", remedy=REMEDY) from error

    def packing(self, context: int, split: str = "train") -> tuple[PackReport, PackReport]:
        """What both ways of packing do with a split, best fit first; nothing is written.

        Raises SettingError for a context below 1, and for an unknown split.
        """
        return pack_reports(self.split(split), geometry(context))

    def packed_rows(self, context: int, split: str = "train") -> Iterator[list[Part]]:
        """What best fit puts into each row, row by row, as it stands there; raises as `packing`."""
        line = self.split(split)
        index = packed_index(self.origin(line), geometry(context))
        for row in range(index.rows):
            found = []
            for start, tokens in index.pieces(row):
                document = line.sequence_at(start)
                first = start - line.sequence_start(document)
                found.append(Part(document, first, first + tokens))
            yield found

    def verify(self) -> None:
        """Read every file; raises ShardError for the first that is missing, or not as its sha256 records it.

        A shard of which no provenance is recorded needs no table of it. A recorded one is needed although
        tokens are read without it: losses of each source would be missing, and nobody would say why.
        """
        for info in self._all():
            for suffix in ("bin", "idx", "provenance.parquet"):
                file = f"{info.name}.{suffix}"
                expected = getattr(info, f"{suffix.partition('.')[0]}_sha256")
                if suffix == "provenance.parquet" and expected == NO_PROVENANCE:
                    continue
                try:
                    actual = sha256_of(self.files, file)
                except OSError as error:
                    raise _unreadable(self.files.name(file), error) from error
                if actual != expected:
                    raise ShardError(
                        f"{self.files.name(file)} is damaged: sha256 {actual}, recorded {expected}",
                        remedy=REMEDY,
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
        for inputs, targets, bounds in shards.batches(rows=8, context=128, seed=1, packing="best_fit"):
            ...

    A URI is read where it lies: ``s3://bucket/runs/sample``.

    Raises ShardError where there are none, and when anything does not hold together.
    """
    place = str(folder)
    tried = [place, below(place, "shards") if is_uri(place) else str(Path(place) / "shards")]
    found = next((each for each in tried if folder_of(each).exists(MANIFEST_NAME)), None)
    if found is None:
        raise ShardError(
            f"{folder} is no run with shards and no shards folder: there is neither {MANIFEST_NAME} "
            f"nor shards/{MANIFEST_NAME}",
            remedy="Name the folder of a finished build.",
        )
    return Shards(found)


class Part(NamedTuple):
    """A document, or a piece of one, in a row: the tokens [first, last) of sequence `document` of a split."""

    document: int
    first: int
    last: int


def pack_reports(line: SplitTokens, rows: Geometry) -> tuple[PackReport, PackReport]:
    """What best fit and concatenating do with a line."""
    histogram, before = piece_lengths(line.lengths(), rows)
    packed = packed_report(histogram, before, best_fit(histogram))
    return packed, cut_report(line.lengths(), line.tokens, rows)


def check_share(counts: Mapping[str, int], rank: int) -> None:
    """Raises SettingError for numbers out of bounds: rows, world, context, and what else is counted."""
    for name, value in counts.items():
        least = 0 if name in ("epoch", "step") else 1
        if value < least:
            raise SettingError(f"{name} = {value} is below {least}", remedy=f"Give {least} or more.")
    rows, world = counts["rows"], counts["world"]
    if not 0 <= rank < world:
        raise SettingError(f"rank = {rank} of world = {world}", remedy=f"Ranks are 0 to {world - 1}.")
    if rows % world:
        raise SettingError(
            f"rows = {rows} cannot be shared by world = {world}", remedy=f"Give a multiple of {world}."
        )


def check_rows(count: int, rows: int, context: int, split: str) -> None:
    """Raises SettingError for a split with less than a batch."""
    if count < rows:
        raise SettingError(
            f"the split {split!r} has {count} rows of context = {context}, a batch has rows = {rows}",
            remedy="Lower rows or context, or build shards of more text.",
        )


def _load_manifest(files: Folder) -> dict[str, Any]:
    path = files.name(MANIFEST_NAME)
    try:
        manifest = unsealed(files.read(MANIFEST_NAME))
    except FileNotFoundError as error:
        raise ShardError(
            f"{path.removesuffix('/' + MANIFEST_NAME)} holds no {MANIFEST_NAME}",
            remedy="Name the shards folder of a finished build.",
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ShardError(f"cannot read {path}: {error}", remedy=REMEDY) from error
    if manifest.get("format") != MANIFEST_FORMAT:
        found = manifest.get("format")
        raise ShardError(
            f"{path} has format {found!r}; this version reads format {MANIFEST_FORMAT}", remedy=REMEDY
        )
    return manifest


def _field(entry: dict[str, Any], key: str, kind: type, path: str) -> Any:
    """A manifest field of the wanted type; raises ShardError, naming the file and the field, otherwise."""
    value = entry.get(key)
    # Not isinstance: true and false would be numbers.
    if type(value) is not kind or (isinstance(value, int) and value < 0):
        raise ShardError(f"{path}: {key} is {value!r} where {kind.__name__} is needed", remedy=REMEDY)
    return value


def _unreadable(path: str, error: OSError) -> ShardError:
    return ShardError(f"the shard file {path} cannot be read: {error.strerror or error}", remedy=REMEDY)


def _check_size(files: Folder, file: str, expected: int) -> None:
    try:
        actual = files.size(file)
    except OSError as error:
        raise _unreadable(files.name(file), error) from error
    if actual != expected:
        raise ShardError(
            f"{files.name(file)} has {actual} bytes where the manifest counts {expected}", remedy=REMEDY
        )
