"""Grouping by key on disk: rows of a key and an ordinal, partitioned, sorted, handed out in runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

PARTITION_ROWS = 4_000_000
"""Keyed rows (16 bytes each) that are sorted in memory at a time."""


Ordinals = npt.NDArray[np.int64]


def _reserve(path: Path, size: int) -> None:
    """Make a file of zeros with all its blocks: a mapped file that finds the disk full kills the process."""
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:  # macOS
            for first in range(0, size, 2**20):
                file.write(bytes(min(2**20, size - first)))


def _runs(keys: npt.NDArray[np.uint64], ordinals: Ordinals) -> Iterator[Ordinals]:
    """The ordinals of each run of at least two equal keys."""
    borders = np.flatnonzero(np.diff(keys)) + 1
    starts = np.concatenate([[0], borders])
    ends = np.concatenate([borders, [len(keys)]])
    for index in np.flatnonzero(ends - starts > 1):
        yield ordinals[starts[index] : ends[index]]
