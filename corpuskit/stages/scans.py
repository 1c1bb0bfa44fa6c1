"""What a barrier sees when it decides: the scans of all documents, and who is still kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpuskit.documents.batch import CLUSTER
from corpuskit.errors import StageError
from corpuskit.storage import spill
from corpuskit.storage.spill import Ordinals, _reserve, _runs
from corpuskit.storage.tables import read_batches


@dataclass(frozen=True)
class PartScan:
    """Where one part's documents and scans lie, and which ordinals its documents have."""

    name: str
    documents: Path
    scans: Path
    first: int
    count: int


class Scans:
    """What a barrier sees when it decides: the scan of every document, and who is still kept.

    Attributes:
        kept: bool per document; False for those that an earlier decider dropped.
        bytes: UTF-8 bytes of each text.
        preference: as the source gave it; greater is better.
    """

    def __init__(self, parts: Sequence[PartScan], folder: Path) -> None:
        self.parts = parts
        self.folder = folder
        self.documents = sum(p.count for p in parts)
        self.label = ""
        self.kept = self.array("kept", np.bool_, fill=True)
        self.bytes = self.array("bytes", np.int64)
        self.preference = self.array("preference", np.int64)
        self._by = self.array("by", np.int16, fill=-1)
        self.deciders: list[str] = []
        self.reasons: dict[int, str] = {}
        self.originals: dict[int, int] = {}
        self._clusters: dict[int, int] = {}
        self.warnings: list[str] = []
        for first, rows in self._read(["bytes", "preference"]):
            last = first + rows.num_rows
            self.bytes[first:last] = rows.column("bytes").to_numpy()
            self.preference[first:last] = rows.column("preference").to_numpy()

    def array(self, name: str, kind: Any, shape: tuple[int, ...] = (), *, fill: int = 0) -> npt.NDArray[Any]:
        """A file-backed array of one row per document, gone when the decisions are written."""
        path = self.folder / f"{self.label}-{name}.array"
        whole = (max(self.documents, 1), *shape)
        _reserve(path, int(np.prod(whole)) * np.dtype(kind).itemsize)
        made = np.memmap(path, kind, "r+", shape=whole)
        if fill:
            made[:] = fill
        return made[: self.documents]

    def _read(self, columns: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        for part in self.parts:
            position = part.first
            for rows in read_batches(part.scans, columns):
                yield position, rows
                position += rows.num_rows

    def rows(self, *columns: str) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield (ordinal of the first row, rows) of this barrier's scan columns, dropped documents too."""
        names = [f"{self.label}.{c}" for c in columns]
        for first, rows in self._read(names):
            yield first, rows.rename_columns(list(columns))

    def identities(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (ordinal of the first, ids) of all documents."""
        for first, rows in self._read(["id"]):
            yield first, rows.column("id").to_pylist()

    def ids(self, ordinals: Iterable[int]) -> dict[int, str]:
        """The ids of some documents, by ordinal."""
        wanted = np.array(sorted(set(ordinals)), np.int64)
        found: dict[int, str] = {}
        for first, rows in self._read(["id"]):
            low, high = np.searchsorted(wanted, [first, first + rows.num_rows])
            ids = rows.column("id")
            found |= {int(o): ids[int(o) - first].as_py() for o in wanted[low:high]}
        return found

    # ------------------------------------------------------------------------------------- deciding

    def drop(self, ordinal: int, reason: str, original: int | None = None) -> None:
        """Drop a document; ``original`` is the kept document that it repeats."""
        if not 0 <= ordinal < self.documents:
            raise StageError(
                f"{self.label}: drops document {ordinal} of {self.documents}", remedy="They count from 0."
            )
        if self.kept[ordinal]:
            self.kept[ordinal] = False
            self._by[ordinal] = len(self.deciders) - 1
            self.reasons[ordinal] = reason
            if original is not None:
                self.originals[ordinal] = original
                self.join(ordinal, original)

    def join(self, left: int, right: int) -> None:
        """Say that two documents are variants of one text: a split never parts them."""
        a, b = self.cluster(left), self.cluster(right)
        if a != b:
            self._clusters[max(a, b)] = min(a, b)

    def cluster(self, ordinal: int) -> int:
        """The smallest ordinal of the cluster of a document; most are their own."""
        root = ordinal
        while root in self._clusters:
            root = self._clusters[root]
        while ordinal != root:  # Path compression keeps look-ups short in long chains.
            following = self._clusters[ordinal]
            self._clusters[ordinal] = root
            ordinal = following
        return root

    def rejoin(self) -> None:
        """Take over the clusters that an earlier pass has found."""

        def keys() -> Iterator[tuple[npt.NDArray[np.uint64], Ordinals]]:
            for first, rows in self._read([CLUSTER]):
                names = rows.column(CLUSTER).to_pylist()
                digests = b"".join(hashlib.blake2b(n.encode(), digest_size=8).digest() for n in names)
                yield np.frombuffer(digests, "<u8"), np.arange(first, first + len(names), dtype=np.int64)

        for group in self.groups(keys()):
            for ordinal in group[1:].tolist():
                self.join(int(group[0]), ordinal)

    def clustered(self) -> list[int]:
        """Ordinals of all documents that are not the first of their cluster."""
        return sorted(self._clusters)

    def decided_by(self, ordinal: int) -> str:
        """Label of the decider that dropped a document."""
        return self.deciders[int(self._by[ordinal])]

    def groups(
        self, keys: Iterable[tuple[npt.NDArray[np.uint64], Ordinals]], per_document: int = 1
    ) -> Iterator[Ordinals]:
        """Group documents by 64-bit keys; yield the ordinals of each group of at least two, ascending.

        Keyed rows are spilled to partitions by the low bits of the key and sorted partition by partition,
        so memory is bounded by `PARTITION_ROWS`. The order of the groups depends on the number of
        partitions: what is decided must not.

        Args:
            keys: arrays of keys and of the ordinals they belong to.
            per_document: how many keys a document has, to choose the number of partitions.
        """
        partitions = 1 << max(0, (self.documents * per_document // spill.PARTITION_ROWS)).bit_length()
        pair = np.dtype([("key", np.uint64), ("ordinal", np.int64)])
        paths = [self.folder / f"{self.label}-{i}.keys" for i in range(partitions)]
        for path in paths:
            path.unlink(missing_ok=True)
        for key, ordinal in keys:
            rows = np.empty(len(key), pair)
            rows["key"], rows["ordinal"] = key, ordinal
            where = (key & np.uint64(partitions - 1)).astype(np.int64)
            for i in np.unique(where):
                # Not `tofile`: its error for a full disk has no number that could be told from others.
                with paths[i].open("ab") as file:
                    file.write(rows[where == i].tobytes())
        for path in paths:
            if path.exists():
                rows = np.fromfile(path, pair)
                path.unlink()
                rows.sort(order=("key", "ordinal"))
                yield from _runs(rows["key"], rows["ordinal"])
