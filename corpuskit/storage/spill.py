"""Sorting and grouping rows by key on disk, for more rows than memory should hold.

Rows are pairs of a 64-bit key and a 64-bit value. They are spilled to partitions by their keys, and one
partition after the other is sorted in memory. Each call has files of its own: two may be under way at once.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PARTITION_ROWS = 4_000_000
"""Rows (16 bytes each) that are sorted in memory at a time."""

_CHUNK = 1_000_000
"""Rows of a file that are read at a time."""

Keys = npt.NDArray[np.uint64]
Ordinals = npt.NDArray[np.int64]

_ROW = np.dtype([("key", np.uint64), ("value", np.int64)])


def sorted_rows(
    rows: Iterable[tuple[Keys, Ordinals]], folder: Path, expected: int, *, span: int | None = None
) -> Iterator[tuple[Keys, Ordinals]]:
    """Yield all rows, one partition at a time, sorted by key and then by value; none of them is empty.

    No key stands in two partitions. With ``span`` each partition is a range of keys, so that all rows come in
    one order, whatever the number of partitions.

    Args:
        rows: arrays of keys and of their values.
        folder: where the rows are spilled; what lies there is gone when the iterator ends or is closed.
        expected: about how many rows there will be, to choose the number of partitions.
        span: keys are below it and spread over it more or less evenly; by default keys go by their low bits,
            which do for hashes and for small numbers alike.
    """
    # A power of two, and one more than would do if the keys were spread quite evenly.
    partitions = 1 << (expected // PARTITION_ROWS).bit_length()
    width = None if span is None else np.uint64(-(-span // partitions))
    with tempfile.TemporaryDirectory(dir=folder, prefix="spill-") as own:
        paths = [Path(own, str(i)) for i in range(partitions)]
        for keys, values in rows:
            packed = np.empty(len(keys), _ROW)
            packed["key"], packed["value"] = keys, values
            where = keys & np.uint64(partitions - 1) if width is None else keys // width
            for i in np.unique(where).tolist():
                # Not `tofile`: its error for a full disk has no number that could be told from others.
                with paths[i].open("ab") as file:
                    file.write(packed[where == i].tobytes())
        for path in filter(Path.exists, paths):
            packed = np.fromfile(path, _ROW)
            path.unlink()
            # A quarter of the time that sorting the pairs as such takes: those are compared field by field.
            order = np.lexsort((packed["value"], packed["key"]))
            yield packed["key"][order], packed["value"][order]


def grouped(rows: Iterable[tuple[Keys, Ordinals]], folder: Path, expected: int) -> Iterator[Ordinals]:
    """Yield the values of each key that stands in at least two rows, ascending; see `sorted_rows`."""
    for keys, values in sorted_rows(rows, folder, expected):
        for first, last in runs(keys):
            if last - first > 1:
                yield values[first:last]


class Records:
    """Rows of some fields, appended to a file of their own and read back as an array that lies there."""

    def __init__(self, folder: Path, fields: Sequence[tuple[str, npt.DTypeLike]], name: str = "") -> None:
        self.dtype = np.dtype(list(fields))
        self._folder = folder
        descriptor, path = tempfile.mkstemp(".records", f"{name}-", folder)
        os.close(descriptor)
        self._path = Path(path)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, **columns: npt.ArrayLike) -> None:
        """Append rows, given by field; a single value stands for all of them."""
        rows = np.empty(max(np.size(column) for column in columns.values()), self.dtype)
        for name, column in columns.items():
            rows[name] = column
        with self._path.open("ab") as file:
            file.write(rows.tobytes())
        self._count += len(rows)

    def array(self) -> npt.NDArray[np.void]:
        """All rows, in the order in which they came."""
        return np.memmap(self._path, self.dtype, "r") if self._count else np.zeros(0, self.dtype)

    def keys(self, field: str) -> Iterator[tuple[Keys, Ordinals]]:
        """A field as keys, with the numbers of its rows as values: for `sorted_rows`."""
        rows = self.array()
        for first in range(0, len(rows), _CHUNK):
            some = rows[field][first : first + _CHUNK]
            yield some.astype(np.uint64), np.arange(first, first + len(some), dtype=np.int64)

    def ascending(self, field: str, span: int) -> Iterator[npt.NDArray[np.void]]:
        """All rows by a field whose values are below ``span``, some at a time; equal ones stay together."""
        for _, numbers in sorted_rows(self.keys(field), self._folder, len(self), span=max(1, span)):
            yield self.array()[numbers]


def runs(keys: npt.NDArray[Any]) -> Iterator[tuple[int, int]]:
    """The first index of each run of equal keys, and the one behind its last.

    >>> list(runs(np.array([3, 3, 5])))
    [(0, 2), (2, 3)]
    """
    borders = (np.flatnonzero(np.diff(keys)) + 1).tolist()
    yield from zip([0, *borders], [*borders, len(keys)], strict=True) if len(keys) else ()


def array_on_disk(
    folder: Path, kind: npt.DTypeLike, shape: tuple[int, ...], *, name: str = "", fill: int = 0
) -> npt.NDArray[Any]:
    """An array that lies in a new file of ``folder``: the system maps it and may page it out.

    Args:
        name: what its file's name begins with, for whoever looks into the folder.
    """
    rows, *others = shape
    descriptor, path = tempfile.mkstemp(".array", f"{name}-", folder)
    with open(descriptor, "wb") as file:
        # A file of no bytes cannot be mapped.
        _reserve(file.fileno(), int(np.prod([max(rows, 1), *others])) * np.dtype(kind).itemsize)
    made = np.memmap(path, kind, "r+", shape=(max(rows, 1), *others))
    if fill:
        made[:] = fill
    # As a plain array: one look into it costs a fifth of what it does through numpy's class of mapped ones.
    return np.asarray(made[:rows])


class Lists:
    """Lists of 64-bit numbers of different lengths that lie in a file, each known by its number.

    Args:
        folder: where the files are.
        count: how many lists there may be.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.starts = array_on_disk(folder, np.int64, (count,), name="starts")
        self.counts = array_on_disk(folder, np.int64, (count,), name="counts")
        descriptor, self._path = tempfile.mkstemp(".lists", dir=folder)
        os.close(descriptor)
        self._size = 0
        self._mapped: mmap.mmap | None = None

    def add(self, numbers: Ordinals, ends: Ordinals, values: Keys) -> None:
        """Append some lists: that of number ``numbers[i]`` is ``values[ends[i] : ends[i + 1]]``."""
        self.starts[numbers] = self._size + ends[:-1]
        self.counts[numbers] = np.diff(ends)
        with open(self._path, "ab") as file:
            file.write(values.data)
        self._size += len(values)

    def values(self) -> Keys:
        """All numbers, as the system maps them: list i is ``values()[starts[i] :][: counts[i]]``.

        No more can be added then.
        """
        if self._mapped is None and self._size:
            with open(self._path, "rb") as file:
                self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(self._mapped or b"", np.uint64)

    def release(self) -> None:
        """Let the system take back the memory in which it has laid what was read; it reads again if asked."""
        if self._mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED)


def _reserve(descriptor: int, size: int) -> None:
    """Give a file all its blocks, as zeros: a mapped file that finds the disk full kills the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:  # macOS
        for first in range(0, size, 2**20):
            os.write(descriptor, bytes(min(2**20, size - first)))
