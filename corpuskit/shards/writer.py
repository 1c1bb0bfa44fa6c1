"""Writing one shard: tokens stream into a temporary file that takes its final name when it is whole."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from corpuskit.errors import ShardError, StorageError, write_remedy
from corpuskit.shards.format import WrittenShard, encode_index, numpy_dtype
from corpuskit.storage.files import EarlySync, flush

_THREAD_BYTES = 2**16
"""Smaller blocks are digested sooner than a thread would begin to."""

_MAX_SEQUENCE = (1 << 31) - 1
"""Tokens: the index counts them as int32."""


class ShardWriter:
    """Writes `folder/name.bin` and `folder/name.idx`; `tokens` says where the next sequence will stand.

    Memory: 4 bytes for each sequence, nothing for the tokens. Both files are written under a temporary name,
    flushed to disk and renamed by `close`; a writer that is left by an exception removes what it wrote.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with ShardWriter(Path(folder), "train-00000", "uint16") as writer:
    ...         positions = [writer.append(np.array(ids)) for ids in ([5, 6, 0], [7, 0])]
    ...         shard = writer.close()
    >>> positions, shard.tokens, shard.sequences
    ([0, 3], 5, 2)
    """

    def __init__(self, folder: Path, name: str, dtype: str) -> None:
        """Open it; raises ShardError for an unknown token type, StorageError where it cannot be written."""
        self.name, self.dtype, self._numpy_dtype = name, dtype, numpy_dtype(dtype)
        self._folder = Path(folder)
        self._temporary = self._folder / f"{name}.bin.tmp"
        self._lengths = array("i")
        self.tokens = 0
        self._digest = _Digest()
        self._closed: WrittenShard | None = None
        with _storing(self._temporary):
            self._file: BinaryIO = open(self._temporary, "wb")  # noqa: SIM115 - close() closes it
        self._sync = EarlySync(self._file)

    def append(self, tokens: npt.NDArray[np.integer]) -> int:
        """Add a sequence (a document's ids with its end-of-text); returns its first token's position.

        Raises ShardError when it is empty, has more than 2**31 - 1 tokens, or holds an id above the type.
        """
        self._check(tokens, len(tokens))
        return self.append_parts([tokens])

    def append_all(
        self, tokens: npt.NDArray[np.integer], lengths: npt.NDArray[np.int64], *, given: bool = False
    ) -> int:
        """Add sequences that lie one behind the other; returns the first token's position.

        Args:
            tokens: those of all sequences.
            lengths: tokens of each.
            given: whether nobody changes the array from now on, so that it may be read after the call.

        Raises ShardError as `append`, and where the lengths do not add up to the tokens.
        """
        position = self.tokens
        for count in (int(lengths.min()), int(lengths.max())) if len(lengths) else ():
            self._check(tokens[:0], count)
        if int(lengths.sum()) != len(tokens):
            raise ShardError(
                f"shard {self.name}: {len(tokens)} tokens, and {int(lengths.sum())} in sequences"
            )
        if len(tokens):
            self._check(tokens, 1)
            self._write(tokens, given=given)
        self._lengths.frombytes(lengths.astype(np.int32).tobytes())
        self.tokens += len(tokens)
        return position

    def _write(self, tokens: npt.NDArray[np.integer], *, given: bool = False) -> None:
        data = np.ascontiguousarray(tokens, self._numpy_dtype).data.cast("B")
        with _storing(self._temporary):
            self._file.write(data)
            self._sync.wrote(len(data))
        self._digest.update(data, given=given)

    def append_parts(self, parts: Iterable[npt.NDArray[np.integer]]) -> int:
        """The same for a sequence that comes in parts, of which one at a time is held; the same bytes.

        What a part raises ends the shard: those before it are written.
        """
        position, count = self.tokens, 0
        for part in parts:
            count += len(part)
            self._check(part, count)
            if len(part):
                self._write(part)
        self._check(np.empty(0, self._numpy_dtype), count)
        self._lengths.append(count)
        self.tokens += count
        return position

    def close(self) -> WrittenShard:
        """Finish both files and give them their names, the index last; a second call answers the same."""
        if self._closed is not None:
            return self._closed
        index = encode_index(np.array(self._lengths, np.int32), self.dtype)
        with _storing(self._temporary):
            self._put_in_place(index)
        digest = hashlib.sha256(index).hexdigest()
        counts = self.tokens, len(self._lengths)
        self._closed = WrittenShard(self.name, *counts, self._digest.finish(), digest)
        return self._closed

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            if self._closed is None:
                self._abandon()

    def _abandon(self) -> None:
        """Remove what was written; what is wrong is being told already."""
        self._digest.finish()
        with suppress(OSError):
            self._sync.end()
        with suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)
        (self._folder / f"{self.name}.idx.tmp").unlink(missing_ok=True)

    def _put_in_place(self, index: bytes) -> None:
        self._sync.end()
        self._file.close()
        flush(self._temporary)
        index_temporary = self._folder / f"{self.name}.idx.tmp"
        index_temporary.write_bytes(index)
        flush(index_temporary)
        # The tokens before their index: a folder that has the index has the whole shard.
        os.replace(self._temporary, self._folder / f"{self.name}.bin")
        os.replace(index_temporary, self._folder / f"{self.name}.idx")
        flush(self._folder)

    def _check(self, tokens: npt.NDArray[np.integer], count: int) -> None:
        """A part of a sequence that has so many tokens up to its end."""
        where = f"shard {self.name}, sequence {len(self._lengths)}"
        if self._closed is not None or self._file.closed:
            raise ShardError(f"shard {self.name} is closed; open another ShardWriter to write more")
        if not np.issubdtype(tokens.dtype, np.integer) or tokens.ndim != 1:
            raise ShardError(
                f"{where}: tokens must be a line of integers, not {tokens.dtype}{list(tokens.shape)}"
            )
        if not 1 <= count <= _MAX_SEQUENCE:
            raise ShardError(f"{where}: lengths run from {count} to {count}; allowed are 1 to 2**31 - 1")
        # All that uint16 can say are ids: only wider types are looked through.
        if (tokens.dtype == self._numpy_dtype and self.dtype == "uint16") or not len(tokens):
            return
        low, high, limit = int(tokens.min()), int(tokens.max()), int(np.iinfo(self._numpy_dtype).max)
        if low < 0 or high > limit:
            raise ShardError(f"{where}: ids run from {low} to {high}, but {self.dtype} holds 0 to {limit}")


class _Digest:
    """The sha256 of blocks, made in a thread while the next block is read and written."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._thread: ThreadPoolExecutor | None = None
        self._pending: Future[None] | None = None

    def update(self, block: memoryview, *, given: bool) -> None:
        """Add a block; one is held at most, and that only if it is given."""
        self._wait()
        if given and len(block) >= _THREAD_BYTES:
            self._thread = self._thread or ThreadPoolExecutor(1, "digest")
            self._pending = self._thread.submit(self._sha256.update, block)
        else:
            self._sha256.update(block)

    def finish(self) -> str:
        """The digest in hex of what was added; ends the thread."""
        self._wait()
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        return self._sha256.hexdigest()

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"the shard {path} could not be written: {error.strerror}", remedy=write_remedy(error)
        ) from error
