"""Decisions: which documents stay, which go and why, and on which side of the split each one stands.

Rules and barriers decide one after the other, in pipeline order, each over the documents that are still
kept. Inside, a document is a number: its place in part order. Outside it is its id: decisions are written
with the id of every document, and applying one to another document is an error.

Memory: arrays of a few bytes per document lie in files that the system maps and may page out; what is held
besides grows with the number of duplicates, not with the text.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpuskit import storage
from corpuskit.engine.task import Made
from corpuskit.errors import LedgerError, StageError
from corpuskit.inflow import CLUSTER, DECISIONS
from corpuskit.ledger import Entry, Ledger
from corpuskit.passes import Segment
from corpuskit.run import Output, Run
from corpuskit.split import SIDES, Split, assign
from corpuskit.stage import Barrier, Rule
from corpuskit.stage_runner import blaming

PARTITION_ROWS = 4_000_000
"""Keyed rows (16 bytes each) that are sorted in memory at a time."""

Ordinals = npt.NDArray[np.int64]


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
            for rows in storage.read_batches(part.scans, columns):
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
        partitions = 1 << max(0, (self.documents * per_document // PARTITION_ROWS)).bit_length()
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


# ---------------------------------------------------------------------------------------------- the task


def decide(
    run: Run,
    *,
    segment: Segment,
    parts: Sequence[tuple[str, int]],
    split: Split | None,
) -> Made:
    """Decide about all documents of a pass, and write one row per document, part by part.

    Args:
        parts: name and number of documents of each part, in order.
        split: how to split the kept documents; None when another pass follows.
    """
    run.temporary.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=run.temporary) as folder, storage.storing(run.temporary):
        scans = Scans(_locate(run, segment, parts), Path(folder))
        ledger = Ledger()
        if segment.index:
            scans.rejoin()
        for label, decider in segment.deciders:
            _run_decider(scans, label, decider, ledger)
        splits = assign(scans, split) if split else None
        named = scans.ids(_named(scans))
        outputs = [_write(run, segment, scans, part, splits, named) for part in scans.parts]
        facts = {"kept": int(scans.kept.sum()), "clusters": len(scans._clusters)}
        return Made(outputs, ledger, facts, warnings=scans.warnings)


def _locate(run: Run, segment: Segment, parts: Sequence[tuple[str, int]]) -> list[PartScan]:
    located, first = [], 0
    for name, count in parts:
        documents = run.folder / segment.folder / f"{name}.parquet"
        scans = run.folder / "scans" / segment.folder / f"{name}.parquet"
        located.append(PartScan(name, documents, scans, first, count))
        first += count
    return located


def _run_decider(scans: Scans, label: str, decider: Rule | Barrier, ledger: Ledger) -> None:
    scans.label = label
    scans.deciders.append(label)
    entry = Entry(label)
    before = np.flatnonzero(scans.kept)
    entry.documents_in, entry.bytes_in = len(before), int(scans.bytes[before].sum())
    with blaming(label, "decide"):
        if isinstance(decider, Barrier):
            decider.decide(scans)
        else:
            _run_rule(scans, decider)
    dropped = before[~scans.kept[before]]
    for ordinal in dropped.tolist():
        if ordinal not in scans.reasons:
            raise LedgerError(
                f"{label}: document {ordinal} is gone without a reason",
                remedy="A barrier drops with `scans.drop`; it never writes into `scans.kept`.",
            )
        reason = scans.reasons[ordinal]
        entry.documents_dropped[reason] += 1
        entry.bytes_dropped[reason] += int(scans.bytes[ordinal])
    entry.documents_kept = len(before) - len(dropped)
    entry.bytes_kept = int(scans.bytes[scans.kept].sum())
    ledger.add(entry)


def _run_rule(scans: Scans, rule: Rule) -> None:
    columns = ["id", *rule.columns]
    for part in scans.parts:
        position = part.first
        for scores in storage.read_batches(part.documents, columns):
            for row, reason in rule.decide(scores).items():
                if not 0 <= row < scores.num_rows:
                    raise StageError(
                        f"{scans.label}: drops row {row} of {scores.num_rows}", remedy="Rows count from 0."
                    )
                scans.drop(position + row, reason)
            position += scores.num_rows


def _write(
    run: Run,
    segment: Segment,
    scans: Scans,
    part: PartScan,
    splits: npt.NDArray[np.int8] | None,
    named: Mapping[int, str],
) -> Output:
    path = f"decisions/{segment.folder}/{part.name}.parquet"
    with storage.parquet(run.folder / path, DECISIONS, run.temporary) as sink:
        position = part.first
        for rows in storage.read_batches(part.scans, ["id"]):
            decided = [
                _decision(scans, position + i, identity, named, splits)
                for i, identity in enumerate(rows.column("id").to_pylist())
            ]
            sink.write(pa.Table.from_pylist(decided, schema=DECISIONS))
            position += rows.num_rows
    return run.output(path, part.count)


def _named(scans: Scans) -> set[int]:
    """Ordinals whose ids stand in decisions about others: originals of duplicates, roots of clusters."""
    return set(scans.originals.values()) | {scans.cluster(o) for o in scans.clustered()}


def _decision(
    scans: Scans, ordinal: int, identity: str, ids: Mapping[int, str], splits: npt.NDArray[np.int8] | None
) -> dict[str, object]:
    kept = bool(scans.kept[ordinal])
    root = scans.cluster(ordinal)
    original = scans.originals.get(ordinal)
    return {
        "id": identity,
        "kept": kept,
        "stage": None if kept else scans.decided_by(ordinal),
        "reason": scans.reasons.get(ordinal),
        "duplicate_of": None if original is None else ids[original],
        "cluster": identity if root == ordinal else ids[root],
        "split": SIDES[splits[ordinal]] if kept and splits is not None else None,
    }
