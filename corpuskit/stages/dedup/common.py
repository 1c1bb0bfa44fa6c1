"""Keys of documents, and who of several copies stays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpuskit.documents.columns import to_engine
from corpuskit.documents.runs import text_digests
from corpuskit.stages.scans import Scans
from corpuskit.storage.spill import Keys, Ordinals, array_on_disk

DIGEST = pa.binary(16)
"""128-bit BLAKE2b: two texts that share it are taken to be equal."""


def digests(texts: Sequence[str] | pa.Array) -> pa.Array:
    """The 128-bit BLAKE2b digest of each text; those of a column of strings are hashed where they lie."""
    raw = _raw(texts) if isinstance(texts, pa.Array) else (text.encode() for text in texts)
    return pa.array([hashlib.blake2b(text, digest_size=16).digest() for text in raw], DIGEST)


def _raw(texts: pa.Array) -> Iterator[memoryview]:
    """The bytes of each text of a column, without a copy."""
    offsets, data = to_engine(texts.cast(pa.large_string()), "texts")
    whole = data.data
    return (whole[first:last] for first, last in pairwise(offsets.tolist()))


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


ORDER = pa.binary(24)
"""What documents are ordered by where nothing else tells which is better: whatever the order of rows."""


def order_keys(batch: pa.RecordBatch) -> pa.Array:
    """Digests of each text, and of its id: `ORDER`. Texts that are equal are told apart by their ids."""
    texts = text_digests(batch.column("text"))
    ids = [bytes(8)] * batch.num_rows
    if "id" in batch.schema.names:
        ids = [hashlib.blake2b(i.encode(), digest_size=8).digest() for i in batch.column("id").to_pylist()]
    return pa.array([text.tobytes() + own for text, own in zip(texts, ids, strict=True)], ORDER)


def ranks(scans: Scans, column: str, least: npt.NDArray[np.int64] | None = None) -> Ordinals:
    """The place of each document when they are ordered by ``least``, then by the digests of ``column``."""
    keys = scans.array("order", np.uint64, (3,))
    for first, rows in scans.rows(column):
        raw = b"".join(rows.column(column).to_pylist())
        keys[first : first + rows.num_rows] = np.frombuffer(raw, "<u8").reshape(-1, 3)
    ordinals = np.arange(scans.documents, dtype=np.int64)
    by: list[npt.NDArray[Any]] = [ordinals, keys[:, 2], keys[:, 1], keys[:, 0]]
    order = np.lexsort(by if least is None else [*by, least])
    rank = scans.array("rank", np.int64)
    rank[order] = ordinals
    return rank


def lists(values: npt.NDArray[Any], ends: npt.NDArray[np.int64]) -> pa.ListArray:
    """A column of lists: row i has the values ``ends[i]`` to ``ends[i + 1]``."""
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(values))


def values_of(column: pa.Array) -> npt.NDArray[Any]:
    """The values of all lists of a column, one behind the other."""
    found: npt.NDArray[Any] = column.flatten().to_numpy()
    return found


def starts_of(scans: Scans, name: str) -> npt.NDArray[np.int64]:
    """Where the items of each document begin when all are numbered; shape (documents + 1,).

    Args:
        name: a column of the scan: how many items a document has. Dropped documents have none here.
    """
    starts = array_on_disk(scans.folder, np.int64, (scans.documents + 1,), name=f"{scans.label}-starts")
    for first, rows in scans.rows(name):
        last = first + rows.num_rows
        starts[first + 1 : last + 1] = rows.column(name).to_numpy() * scans.kept[first:last]
    np.cumsum(starts, out=starts)
    return starts


def alike(keys: Keys, numbers: Ordinals, second: npt.NDArray[np.uint64]) -> tuple[Ordinals, Ordinals]:
    """Rows that share a key with another one, and the second half of their digests: their numbers and groups.

    Args:
        keys, numbers: a partition as `sorted_rows` gives it.
        second: the second half of the digest of each row, by its number.

    Returns:
        Numbers, ascending within each group, and groups, numbered from 0, ascending.
    """
    equal = keys[1:] == keys[:-1]
    shared = np.append(equal, False) | np.append(False, equal)
    keys, numbers = keys[shared], numbers[shared]
    others = second[numbers]
    new = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
    if (~new[1:] & (others[1:] != others[:-1])).any():
        order = np.lexsort((numbers, others, keys))
        keys, numbers, others = keys[order], numbers[order], others[order]
        new = np.append(True, (keys[1:] != keys[:-1]) | (others[1:] != others[:-1]))
    group = np.cumsum(new) - 1
    several = np.bincount(group)[group] > 1 if len(group) else np.zeros(0, bool)
    if several.all():
        return numbers, group
    return numbers[several], np.unique(group[several], return_inverse=True)[1]
