"""Sorting and grouping rows by key on disk, for more rows than memory should hold.

Rows are pairs of a 64-bit key and a 64-bit value. They are spilled to partitions by their keys, and one
partition after the other is sorted in memory. Each call has files of its own: two may be under way at once.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PARTITION_ROWS = 4_000_000
"""Rows (16 bytes each) that are sorted in memory at a time."""

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


def _reserve(descriptor: int, size: int) -> None:
    """Give a file all its blocks, as zeros: a mapped file that finds the disk full kills the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:  # macOS
        for first in range(0, size, 2**20):
            os.write(descriptor, bytes(min(2**20, size - first)))
