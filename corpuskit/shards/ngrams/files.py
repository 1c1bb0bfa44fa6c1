"""The files of the n-gram index: how they are made, and what is read of them.

For each shard a file holds its places sorted by the tokens that follow, a suffix array, in blocks of 2**24
tokens that are searched one after the other:

    bytes 0-7      b"CKNGRAMS"
    bytes 8-95     version, bytes of an entry, end-of-text: uint32; tokens, tokens of a block: uint64;
                   sha256 of the shard's .bin; zero bytes
    bytes 96-127   sha256 of the 96 before
    3 bytes[t]     entries: for each rank of a block where, from the block's start on, the suffix begins
    0 to 7 bytes   zero, up to a multiple of 8
    uint64[...]    XXH64 of each page of 4,096 entries of a block, with which what is read is checked

The order is that of the tokens up to the end of the document. The file follows from the shard, byte for byte,
whatever the machine or the workers.

Building takes, whatever the tokens, time that is linear in them and for each worker about 12 bytes a token
of a block, 200 MB, however many there are. Searching maps the files and holds nothing of them.
"""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from corpuskit import _native
from corpuskit.errors import ShardError
from corpuskit.shards.format import REMEDY, ShardInfo, numpy_dtype, read_index
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import ATOMIC, TEMPORARY, atomic, remove_files, sha256_file
from corpuskit.storage.lock import hold, written_by

FOLDER = "index"
"""Of a run, or beside shards that are in none."""
VERSION = 1
BLOCK_TOKENS: int = _native.NGRAM_BLOCK_TOKENS
SUFFIX = ".ngrams"
AGAIN = "Delete this file: it is made again when something is searched for."

_MAGIC = b"CKNGRAMS"
_HEAD = struct.Struct("<8sIIIQQ32s28x")
_ENTRY, _PAGE = 3, 4096

Ids = npt.NDArray[np.int64]
Told = Callable[[int, int], None]
"""Hears of the tokens that are indexed, and of those that are to be."""


class _Header(NamedTuple):
    """What makes the bytes of a file, and where they lie in it."""

    end_of_text: int
    tokens: int
    block_tokens: int
    sha256: str

    def pack(self) -> bytes:
        shard = bytes.fromhex(self.sha256)
        head = _HEAD.pack(_MAGIC, VERSION, _ENTRY, self.end_of_text, self.tokens, self.block_tokens, shard)
        return head + hashlib.sha256(head).digest()

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """First token and number of tokens of each block."""
        starts = range(0, self.tokens, self.block_tokens)
        return [(start, min(self.block_tokens, self.tokens - start)) for start in starts]

    @property
    def sums_at(self) -> int:
        return len(self.pack()) + -(-_ENTRY * self.tokens // 8) * 8

    @property
    def size(self) -> int:
        return self.sums_at + 8 * sum(-(-count // _PAGE) for _, count in self.blocks)


def _read_header(path: Path) -> _Header | None:
    """The header of a file; None where there is none that this version reads, or it has another size."""
    try:
        with path.open("rb") as file:
            data = file.read(_HEAD.size + 32)
            size = path.stat().st_size
    except OSError:
        return None
    head, digest = data[: _HEAD.size], data[_HEAD.size :]
    if len(data) < _HEAD.size + 32 or hashlib.sha256(head).digest() != digest:
        return None
    magic, version, entry, end_of_text, tokens, block_tokens, shard = _HEAD.unpack(head)
    if (magic, version, entry) != (_MAGIC, VERSION, _ENTRY) or not 1 <= block_tokens <= BLOCK_TOKENS:
        return None
    found = _Header(end_of_text, tokens, block_tokens, shard.hex())
    return found if size == found.size else None


# ------------------------------------------------------------------------------------------------- building
def index_folder(shards: Shards) -> Path:
    """Where the index of a folder of shards lies: in ``index/`` of the run, or of the folder itself."""
    in_run = shards.folder.name == "shards" and (shards.folder.parent / "run.json").is_file()
    return (shards.folder.parent if in_run else shards.folder) / FOLDER


def missing(shards: Shards, folder: Path) -> list[ShardInfo]:
    """The shards without an index that was made of them as they are now."""
    infos = [info for split in shards.splits.values() for info in split]
    return [info for info in infos if not _is_current(shards, info, folder)]


def _is_current(shards: Shards, info: ShardInfo, folder: Path) -> bool:
    found = _read_header(folder / f"{info.name}{SUFFIX}")
    made_from = (shards.end_of_text, info.tokens, info.bin_sha256)
    return found is not None and (found.end_of_text, found.tokens, found.sha256) == made_from


def build_index(
    shards: Shards,
    folder: Path,
    *,
    told: Told | None = None,
    workers: int = 1,
    again: bool = False,
    block_tokens: int = BLOCK_TOKENS,
) -> list[str]:
    """Index the shards that have no index yet, or another one; returns their names.

    Args:
        folder: where the files go; see `index_folder`. Those of shards that are gone are removed.
        told: hears of each block that is done.
        workers: blocks that are sorted at a time; the files do not depend on it.
        again: index all of them.

    Raises:
        ShardError: a shard is not as recorded, a document of it lacks its end-of-text, or another process
            is indexing it.
        StorageError: the folder cannot be written.
    """
    infos = [info for split in shards.splits.values() for info in split]
    names = [f"{info.name}{SUFFIX}" for info in infos]
    if wrong := [name for name in names if Path(name).name != name]:
        raise ShardError(
            f"{shards.folder}: a shard is called {wrong[0]!r}, which is no name of a file", remedy=REMEDY
        )

    def on_taken(who: str) -> ShardError:
        return ShardError(f"{folder}: another process is writing it ({who})", remedy="Wait for it to end.")

    lock = folder / "lock"
    if folder.is_dir() and any(folder.iterdir()) and written_by(lock) != FOLDER:
        raise ShardError(
            f"{folder}: is not empty and is no index of shards",
            remedy="Choose a new or empty folder. What others wrote is never touched.",
        )
    with hold(lock, FOLDER, on_taken):
        remove_files(folder / TEMPORARY, ATOMIC)
        gone = [p for p in sorted(folder.glob(f"*{SUFFIX}")) if p.name not in names and _read_header(p)]
        for path in gone:
            path.unlink()
        chosen = infos if again else missing(shards, folder)
        tasks = [
            (info, _Header(shards.end_of_text, info.tokens, block_tokens, info.bin_sha256)) for info in chosen
        ]
        _write_all(shards, tasks, folder, told or (lambda done, total: None), workers)
        with suppress(OSError):
            (folder / TEMPORARY).rmdir()
    return [info.name for info in chosen]


_Task = tuple[ShardInfo, _Header]
_Built = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint64]]


def _write_all(shards: Shards, tasks: list[_Task], folder: Path, told: Told, workers: int) -> None:
    done, total = 0, sum(info.tokens for info, _ in tasks)
    built = _sorted_blocks(shards, tasks, workers)
    for info, header in tasks:
        with atomic(folder / f"{info.name}{SUFFIX}", folder / TEMPORARY) as path, path.open("wb") as file:
            file.write(header.pack())
            sums = []
            for _, count in header.blocks:
                entries, pages = next(built)
                file.write(entries.data)
                del entries  # Before the next ones are there.
                sums.append(pages.astype("<u8").tobytes())
                done += count
                told(done, total)
            file.write(bytes(header.sums_at - file.tell()) + b"".join(sums))


def _sorted_blocks(shards: Shards, tasks: list[_Task], workers: int) -> Iterator[_Built]:
    """All blocks in order; so many are sorted at a time, in threads: the engine lets go of Python's lock."""
    waiting: deque[Future[_Built]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for info, header in tasks:
                starts = _checked_starts(shards, info)
                for start, count in header.blocks:
                    piece = _piece(shards, info, starts, start, count)
                    waiting.append(
                        pool.submit(_native.build_ngram_block, piece, shards.end_of_text, 0, count)
                    )
                    if len(waiting) >= workers:
                        yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _checked_starts(shards: Shards, info: ShardInfo) -> Ids:
    """Where the sequences of a shard start, once its tokens are known to be what the manifest says."""
    path = shards.folder / f"{info.name}.bin"
    if (found := sha256_file(path)) != info.bin_sha256:
        raise ShardError(
            f"{path} is damaged: sha256 {found}, recorded {info.bin_sha256}",
            remedy="Call `corpuskit build` with the same recipe, or bring the folder back.",
        )
    return sequence_starts(shards, info)


def _piece(shards: Shards, info: ShardInfo, starts: Ids, start: int, count: int) -> npt.NDArray[np.integer]:
    """The tokens of a block and what follows of the document that it ends within: no more is ever mapped."""
    ends = starts[(starts > start) & (starts < start + count)]
    ends = np.append(ends, starts[np.searchsorted(starts, start + count)])
    dtype = numpy_dtype(shards.dtype)
    path = shards.folder / f"{info.name}.bin"
    piece = np.memmap(path, dtype, "r", offset=start * dtype.itemsize, shape=(int(ends[-1]) - start,))
    if (open_ := np.flatnonzero(piece[ends - start - 1] != shards.end_of_text)).size:
        number = int(np.searchsorted(starts, ends[open_[0]])) - 1
        raise ShardError(
            f"{path}: sequence {number} does not end with the end-of-text {shards.end_of_text}",
            remedy="Without it a match could go on in the next document: write the shards with it.",
        )
    return piece


def _line(shards: Shards, info: ShardInfo) -> npt.NDArray[np.integer]:
    path = shards.folder / f"{info.name}.bin"
    return np.memmap(path, numpy_dtype(shards.dtype), mode="r", shape=(info.tokens,))


def sequence_starts(shards: Shards, info: ShardInfo) -> Ids:
    """Where each sequence of a shard starts, and the end of the last one: 8 bytes a document."""
    path = shards.folder / f"{info.name}.idx"
    starts = read_index(path)
    if (int(starts[-1]), len(starts) - 1) != (info.tokens, info.sequences):
        raise ShardError(
            f"{path} counts {starts[-1]} tokens in {len(starts) - 1} sequences, the manifest {info.tokens} in"
            f" {info.sequences}",
            remedy="Call `corpuskit build` with the same recipe, or bring the folder back.",
        )
    return starts


class ShardIndex:
    """The index of one shard, mapped."""

    def __init__(self, shards: Shards, info: ShardInfo, folder: Path) -> None:
        self.path = folder / f"{info.name}{SUFFIX}"
        header = _read_header(self.path)
        if header is None or not _is_current(shards, info, folder):
            raise ShardError(f"{self.path}: is no index of the shard {info.name}", remedy=AGAIN)
        line = _line(shards, info)
        data = np.memmap(self.path, np.uint8, mode="r")
        sums = np.frombuffer(data[header.sums_at :].tobytes(), "<u8")
        self.blocks = []
        at, page = len(header.pack()), 0
        for start, count in header.blocks:
            size, pages = _ENTRY * count, -(-count // _PAGE)
            self.blocks.append(
                _native.NgramBlock(
                    line, header.end_of_text, start, count, data[at : at + size], sums[page : page + pages]
                )
            )
            at, page = at + size, page + pages

    def _damaged(self, error: Exception) -> ShardError:
        return ShardError(f"{self.path}: is damaged: {error}", remedy=AGAIN)

    def ranges(self, query: Ids) -> list[tuple[int, int]]:
        """The ranks of each block that begin with a query."""
        try:
            return [block.find(query) for block in self.blocks]
        except _native.NgramDamageError as error:
            raise self._damaged(error) from error

    def places(self, query: Ids, most: int) -> Iterator[Ids]:
        """The first places in the shard, so many, by block."""
        try:
            for block, (low, high) in zip(self.blocks, self.ranges(query), strict=True):
                found = block.places(low, high, most)
                most -= len(found)
                yield found
                if not most:
                    return
        except _native.NgramDamageError as error:
            raise self._damaged(error) from error

    def matches(self, query: Ids) -> tuple[Ids, Ids]:
        """Length and a place, or -1, of the longest match from each token on."""
        try:
            return _native.match_ngrams(self.blocks, query)
        except _native.NgramDamageError as error:
            raise self._damaged(error) from error
