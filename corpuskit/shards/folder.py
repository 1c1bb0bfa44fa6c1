"""The files of a folder of shards: mapped where they lie on this machine, read by ranges where they do not.

A folder is named by a path or by the URI of one of pyarrow's file systems (``s3://bucket/run/shards``). Of
remote files blocks of 128 KiB are kept, 64 MiB for each folder: what is read over and over is fetched once,
and memory does not grow with the shards. Several threads may read, and wait for the net at a time.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np
import numpy.typing as npt
from pyarrow import fs

from corpuskit.errors import SettingError
from corpuskit.storage.places import below, is_uri, system_of

BLOCK = 1 << 17
"""Bytes of a remote file that are fetched together: of rows that lie apart the wait costs more than these."""
KEPT_BLOCKS = 512


_HASHED = 1 << 20


class Tokens(Protocol):
    """The integers of a file."""

    def __getitem__(self, part: slice, /) -> npt.NDArray[np.integer]: ...


class Folder(Protocol):
    """What shards ask of the place where they lie. All methods raise OSError where a file cannot be read."""

    def name(self, file: str) -> str:
        """What messages call a file of the folder."""

    def exists(self, file: str) -> bool:
        """Whether there is such a file."""

    def size(self, file: str) -> int:
        """Bytes of a file."""

    def read(self, file: str) -> bytes:
        """All bytes of a file."""

    def open(self, file: str) -> BinaryIO:
        """A file, to be read at random."""

    def map(self, file: str, dtype: np.dtype[np.integer], count: int) -> Tokens:
        """The first `count` integers of a file."""


class LocalFolder:
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def name(self, file: str) -> str:
        """Its path."""
        return str(self.path / file)

    def exists(self, file: str) -> bool:
        """Whether there is such a file."""
        return (self.path / file).is_file()

    def size(self, file: str) -> int:
        """By its entry."""
        return (self.path / file).stat().st_size

    def read(self, file: str) -> bytes:
        """All bytes of a file."""
        return (self.path / file).read_bytes()

    def open(self, file: str) -> BinaryIO:
        """A file, to be read at random."""
        return (self.path / file).open("rb")

    def map(self, file: str, dtype: np.dtype[np.integer], count: int) -> Tokens:
        """Mapped into memory, not to be written."""
        # As a plain array: a slice of a memmap costs three times as much.
        return np.memmap(self.path / file, dtype, mode="r", shape=(count,)).view(np.ndarray)


class RemoteFolder:
    """A folder that a URI names; what was fetched of its files is kept for a while."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        # Once: an object store is asked for its region each time.
        self._system, self._root = system_of(uri)
        self._blocks: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._coming: dict[tuple[str, int], Future[bytes]] = {}
        self._lock = threading.Lock()
        self.fetched = 0
        """Bytes that were fetched of mapped files."""

    def __getstate__(self) -> dict[str, object]:
        """Its name alone, for a worker."""
        return {"uri": self.uri}

    def __setstate__(self, state: dict[str, str]) -> None:
        self.__init__(state["uri"])  # type: ignore[misc]

    def name(self, file: str) -> str:
        """Its URI."""
        return below(self.uri, file)

    def exists(self, file: str) -> bool:
        """Whether there is such a file."""
        try:
            self.size(file)
        except FileNotFoundError:
            return False
        return True

    def size(self, file: str) -> int:
        """As the object store tells it."""
        info = self._system.get_file_info(self._path(file))
        if info.type != fs.FileType.File:
            raise FileNotFoundError(f"{self.name(file)}: there is no such file")
        return int(info.size)

    def read(self, file: str) -> bytes:
        """All bytes of a file."""
        with self.open(file) as opened:
            return opened.read()

    def open(self, file: str) -> BinaryIO:
        """A file, to be read at random."""
        return cast(BinaryIO, self._system.open_input_file(self._path(file)))

    def map(self, file: str, dtype: np.dtype[np.integer], count: int) -> Tokens:
        """Fetched when it is asked for."""
        return _Ranges(self, file, self.open(file), dtype, count)

    def _path(self, file: str) -> str:
        return f"{self._root.rstrip('/')}/{file}"

    def block(self, file: str, opened: BinaryIO, number: int) -> bytes:
        """Block `number` of an open file."""
        key = file, number
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
            coming = self._coming.get(key)
            if coming is None:
                mine = self._coming[key] = Future()
        if coming is not None:
            return coming.result()
        # Outside of the lock: only who asks for this block waits for it.
        try:
            data: bytes = opened.read_at(BLOCK, number * BLOCK)  # type: ignore[attr-defined]
        except BaseException as error:
            with self._lock:
                del self._coming[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._coming[key]
            self.fetched += len(data)
            self._blocks[key] = data
            if len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        mine.set_result(data)
        return data


class _Ranges:
    """The integers of a remote file."""

    def __init__(
        self, folder: RemoteFolder, file: str, opened: BinaryIO, dtype: np.dtype[np.integer], count: int
    ) -> None:
        self._folder, self._file, self._opened = folder, file, opened
        self._dtype, self._count = dtype, count

    def __getitem__(self, part: slice) -> npt.NDArray[np.integer]:
        first, last, _ = part.indices(self._count)
        size = self._dtype.itemsize
        if last <= first:
            return np.empty(0, self._dtype)
        numbers = range(first * size // BLOCK, (last * size - 1) // BLOCK + 1)
        data = b"".join(self._folder.block(self._file, self._opened, number) for number in numbers)
        skipped = first - numbers[0] * BLOCK // size
        if len(data) < (skipped + last - first) * size:
            raise OSError(f"{self._folder.name(self._file)} ends before its token {last}")
        return np.frombuffer(data, self._dtype, last - first, skipped * size)


def folder_of(place: Path | str) -> LocalFolder | RemoteFolder:
    """The folder at a path or URI."""
    return RemoteFolder(str(place)) if is_uri(str(place)) else LocalFolder(Path(place))


def sha256_of(folder: Folder, file: str) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with folder.open(file) as opened:
        digest = hashlib.sha256()
        while data := opened.read(_HASHED):
            digest.update(data)
        return digest.hexdigest()


def local_only(folder: Folder) -> Path:
    """The path of a folder of this machine. Raises SettingError for a URI."""
    if isinstance(folder, LocalFolder):
        return folder.path
    raise SettingError(
        f"{folder.name('')} is a URI, and this reads shards that lie on this machine",
        remedy="Copy the run here, or read it with `corpuskit.Loader`, which reads where shards lie.",
    )
