"""Keys of documents, and who of several copies stays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpuskit.stages.scans import Scans
from corpuskit.storage.spill import Ordinals

DIGEST = pa.binary(16)
"""128-bit BLAKE2b: two texts that share it are taken to be equal."""


def digests(texts: Sequence[str]) -> pa.Array:
    """The 128-bit BLAKE2b digest of each text."""
    return pa.array([hashlib.blake2b(t.encode(), digest_size=16).digest() for t in texts], DIGEST)


def digest_words(column: pa.Array) -> npt.NDArray[np.uint64]:
    """Digests as two 64-bit words each: shape (rows, 2)."""
    raw = b"".join(column.to_pylist())  # Not the column's buffer: it may be a slice of a larger one.
    return np.frombuffer(raw, "<u8").reshape(-1, 2)


def kept_keys(
    scans: Scans, columns: Iterable[tuple[int, pa.Array]], store: npt.NDArray[np.uint64]
) -> Iterator[tuple[npt.NDArray[np.uint64], Ordinals]]:
    """Yield first words and ordinals of the kept documents' digests; ``store`` (documents, 2) takes all."""
    for first, column in columns:
        words = digest_words(column)
        store[first : first + len(words)] = words
        ordinals = np.arange(first, first + len(words), dtype=np.int64)
        kept = scans.kept[first : first + len(words)]
        yield words[kept, 0], ordinals[kept]


def equal_groups(scans: Scans, column: str) -> Iterator[Ordinals]:
    """Groups of kept documents with equal digests in ``column``, each ascending."""
    return _equal(scans, ((first, rows.column(column)) for first, rows in scans.rows(column)))


def equal_names(scans: Scans) -> Iterator[Ordinals]:
    """Groups of kept documents that stand under one id, each ascending."""
    return _equal(scans, ((first, digests(ids)) for first, ids in scans.identities()))


def _equal(scans: Scans, columns: Iterable[tuple[int, pa.Array]]) -> Iterator[Ordinals]:
    store = scans.array("digest", np.uint64, (2,))
    for group in scans.groups(kept_keys(scans, columns, store)):
        # Equal first words are all but certain to be equal digests; the second word makes it exact.
        second = store[group, 1]
        if (second == second[0]).all():
            yield group
            continue
        for value in np.unique(second):
            same = group[second == value]
            if len(same) > 1:
                yield same
