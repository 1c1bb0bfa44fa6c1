"""What a barrier sees when it decides: the scans of all documents, and who is still kept.

Inside, a document is a number, its ordinal: its place in part order. Figures of a few bytes per document lie
in files that the system maps and may page out; what is held besides grows with the number of duplicates.
"""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpuskit.documents.batch import CLUSTER, place_of
from corpuskit.errors import StageError
from corpuskit.storage.spill import Keys, Ordinals, Records, array_on_disk, grouped

_FIGURES = ("kept", "bytes", "preference", "decider", "reason", "original", "placed")
"""Attributes of one row per document."""

Read = Callable[[str, list[str]], Iterator[pa.RecordBatch]]
"""Batches of some columns of a table, by the table's path."""

WriteTable = Callable[[str, pa.Table], None]
"""Takes rows of a side table, by its name; the schema of the first ones is that of all."""


CutRows = npt.NDArray[np.void]
"""Rows with the fields ordinal, start, end (bytes of the text), decider and reason (their numbers)."""

_CUT_FIELDS = ("ordinal", "start", "end", "decider", "reason")
_HELD_CUTS = 65_536
"""Rows that wait in memory for the next write."""


class Cuts:
    """Spans that barriers decide to cut: spilled as they are named, given back in the order of documents."""

    def __init__(self, folder: Path) -> None:
        self._records = Records(folder, [(name, np.int64) for name in _CUT_FIELDS], "cuts")
        self._held: list[tuple[int, ...]] = []

    def add(self, ordinal: int, start: int, end: int, decider: int, reason: int) -> None:
        """Add one span."""
        self._held.append((ordinal, start, end, decider, reason))
        if len(self._held) >= _HELD_CUTS:
            self._flush()

    def sorted(self, documents: int) -> Iterator[CutRows]:
        """All spans in the order of documents and places, some at a time; none parts those of a document.

        Args:
            documents: how many there are.
        """
        self._flush()
        for rows in self._records.ascending("ordinal", documents):
            yield rows[np.lexsort((rows["start"], rows["ordinal"]))]

    def _flush(self) -> None:
        if self._held:
            columns = zip(_CUT_FIELDS, np.array(self._held, np.int64).T, strict=True)
            self._records.add(**dict(columns))
            self._held.clear()


@dataclass(frozen=True)
class PartScan:
    """Where one part's documents and scans lie, and which ordinals its documents have.

    Attributes:
        build: name of the earlier build that the documents are of; empty for those that are built.
    """

    name: str
    documents: str
    scans: str
    first: int
    count: int
    build: str = ""


class Scans:
    """The scan of every document, and what has been decided so far. Each decider gets a view, see `seen_by`.

    Documents of an earlier build may stand behind those that are built: only a view that asks for them shows
    them, as documents like the others, from ``first_earlier`` on. They are always kept, and never dropped.

    Attributes:
        label, number: of the decider whose view this is.
        folder: where a barrier may spill; gone when the decisions are written.
        documents: how many there are, dropped ones too.
        first_earlier: the first ordinal of an earlier build's documents; ``documents`` where there are none.
        kept: bool per document; False for those that an earlier decider dropped.
        bytes: UTF-8 bytes of each text, without what was cut.
        cuts: the spans that were cut; cut_bytes: how many by number of decider and reason.
        preference: as the source gave it; greater is better.
        deciders: labels of all who have decided, in order.
        reasons: each reason that was given, with its number.
        decider, reason: of each dropped document: index into ``deciders`` and number of the reason; else -1.
        original: ordinal of the kept document that a dropped one repeats; -1 for none.
        placed: per document 1 where its place stands behind its id, since others share that, and 2 where
            not even its file and row tell it from these; else 0.
    """

    def __init__(
        self,
        parts: Sequence[PartScan],
        folder: Path,
        read: Read,
        earlier: Sequence[PartScan] = (),
        write_table: WriteTable | None = None,
    ) -> None:
        self.label, self.number = "scans", -1
        self._own, self._all = tuple(parts), (*parts, *earlier)
        self.parts = self._all
        self.documents = sum(p.count for p in self._all)
        self.first_earlier = sum(p.count for p in parts)
        self.deciders: list[str] = []
        self.reasons: dict[str, int] = {}
        self._warnings: list[str] = []
        self.folder = folder
        self._read_table = read
        self.tables: dict[str, list[pa.Table]] = {}
        self._write_table = write_table or (lambda name, rows: self.tables.setdefault(name, []).append(rows))
        self.cuts = Cuts(folder)
        self.cut_bytes: Counter[tuple[int, str]] = Counter()
        self._clusters: dict[int, int] = {}
        self.kept = self.array("kept", np.bool_, fill=True)
        self.bytes = self.array("bytes", np.int64)
        self.preference = self.array("preference", np.int64)
        self.decider = self.array("decider", np.int16, fill=-1)
        self.reason = self.array("reason", np.int32, fill=-1)
        self.original = self.array("original", np.int64, fill=-1)
        self.placed = self.array("placed", np.int8)
        self._trimmed = self.array("trimmed", np.bool_)
        for first, rows in self._read(["bytes", "preference"]):
            last = first + rows.num_rows
            self.bytes[first:last] = rows.column("bytes").to_numpy()
            self.preference[first:last] = rows.column("preference").to_numpy()
        self._whole = {name: getattr(self, name) for name in _FIGURES}
        self._show(earlier=False)

    def _show(self, *, earlier: bool) -> None:
        """Show the documents of earlier builds too, or those that are built alone."""
        self.parts = self._all if earlier else self._own
        self.documents = sum(part.count for part in self.parts)
        for name, figures in self._whole.items():
            setattr(self, name, figures[: self.documents])

    @property
    def warnings(self) -> list[str]:
        """Sentences for the log, to add to; no view can have others of its own."""
        return self._warnings

    def seen_by(self, label: str, *, earlier: bool = False) -> Scans:
        """The same documents for one more decider: it reads its own scan columns and drops in its name.

        Args:
            earlier: whether it sees the documents of earlier builds too.
        """
        view = copy.copy(self)  # Shallow: what one view drops, all see.
        view.label, view.number = label, len(self.deciders)
        view._show(earlier=earlier)
        self.deciders.append(label)
        return view

    def array(self, name: str, kind: Any, shape: tuple[int, ...] = (), *, fill: int = 0) -> npt.NDArray[Any]:
        """A new file-backed array of one row per document, gone when the decisions are written."""
        whole = (self.documents, *shape)
        return array_on_disk(self.folder, kind, whole, name=f"{self.label}-{name}", fill=fill)

    def _read(
        self, columns: Sequence[str], of: str = "scans", wanted: npt.NDArray[np.bool_] | None = None
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        for part in self.parts:
            position = part.first
            if wanted is not None and not wanted[position : position + part.count].any():
                continue
            for rows in self._read_table(getattr(part, of), list(columns)):
                yield position, rows
                position += rows.num_rows

    def rows(self, *columns: str) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield (ordinal of the first row, rows) of this barrier's scan columns, dropped documents too."""
        for first, rows in self._read([f"{self.label}.{c}" for c in columns]):
            yield first, rows.rename_columns(list(columns))

    def scores(
        self, columns: Sequence[str], wanted: npt.NDArray[np.bool_] | None = None
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield (ordinal of the first row, rows) of columns of the documents themselves.

        Args:
            wanted: bool per document: parts that hold none of these are not read.
        """
        return self._read(columns, "documents", wanted)

    def names(self, part: PartScan) -> Iterator[tuple[int, list[str], list[str]]]:
        """Yield (ordinal of the first, ids as they were read, ids that they stand under) of a part.

        Those of an earlier build stand under its name and theirs: ``old_run: files:x:1``.
        """
        first = part.first
        shared = not part.build and self.placed[first : first + part.count].any()
        # Only the documents know their places, and few builds have to ask.
        table, columns = (part.documents, ["id", "origin"]) if shared else (part.scans, ["id"])
        for rows in self._read_table(table, columns):
            as_read = rows.column("id").to_pylist()
            names = [f"{part.build}: {each}" for each in as_read] if part.build else as_read
            if shared:
                places = enumerate(zip(as_read, rows.column("origin").to_pylist(), strict=True), first)
                names = [self._name(part, ordinal, *place) for ordinal, place in places]
            yield first, as_read, names
            first += rows.num_rows

    def _name(self, part: PartScan, ordinal: int, identity: str, origin: str) -> str:
        if not self.placed[ordinal]:
            return identity
        place = f"{part.name}#{ordinal - part.first}"
        return f"{identity}#{place if self.placed[ordinal] > 1 else place_of(origin) or place}"

    def identities(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (ordinal of the first, ids) of all documents."""
        return ((first, ids) for part in self.parts for first, _, ids in self.names(part))

    def ids(self, ordinals: Iterable[int]) -> dict[int, str]:
        """The ids of some documents, by ordinal; of an earlier build's too, whether they are seen or not."""
        wanted = np.array(sorted(set(ordinals)), np.int64)
        found: dict[int, str] = {}
        for part in self._all:
            if np.searchsorted(wanted, part.first) == np.searchsorted(wanted, part.first + part.count):
                continue
            for first, _, ids in self.names(part):
                low, high = np.searchsorted(wanted, [first, first + len(ids)])
                found |= {o: ids[o - first] for o in wanted[low:high].tolist()}
        return found

    def groups(self, keys: Iterable[tuple[Keys, Ordinals]], per_document: int = 1) -> Iterator[Ordinals]:
        """Group documents by 64-bit keys; yield the ordinals of each group of at least two, ascending.

        Args:
            keys: arrays of keys and of the ordinals they belong to.
            per_document: how many keys a document has.
        """
        return grouped(keys, self.folder, self.documents * per_document)

    # ------------------------------------------------------------------------------------- deciding

    def drop(self, ordinal: int, reason: str, original: int | None = None) -> None:
        """Drop a document; ``original`` is the kept document that it repeats."""
        self._require_there(ordinal, "drops")
        if self._trimmed[ordinal]:
            raise StageError(
                f"{self.label}: drops document {ordinal}, of which it has cut something",
                remedy="Drop a document or cut it: what is dropped is kept whole, to be looked at.",
            )
        if ordinal >= self.first_earlier:
            raise StageError(
                f"{self.label}: drops document {ordinal}, which is of an earlier build",
                remedy="A barrier that sees earlier documents keeps those from `scans.first_earlier` on.",
            )
        if self.kept[ordinal]:
            self.kept[ordinal] = False
            self.decider[ordinal] = self.number
            self.reason[ordinal] = self.reasons.setdefault(reason, len(self.reasons))
            if original is not None:
                self.original[ordinal] = original
                self.join(ordinal, original)

    def cut(self, ordinal: int, start: int, end: int, reason: str) -> None:
        """Cut bytes ``start`` to ``end`` of the text of a kept document, as UTF-8; spans may not overlap.

        Only a barrier that says so by `corpuskit.stages.barrier.Barrier.cuts` may do it: what follows sees
        the text without them.
        """
        self._require_there(ordinal, "cuts")
        if not (self.kept[ordinal] and 0 <= start < end and end - start <= self.bytes[ordinal]):
            raise StageError(
                f"{self.label}: cuts {start}-{end} of document {ordinal}: it is gone, or has no such bytes",
                remedy="Cut byte ranges of the texts of kept documents, each byte once.",
            )
        self._trimmed[ordinal] = True
        self.bytes[ordinal] -= end - start
        self.cut_bytes[self.number, reason] += end - start
        number = self.reasons.setdefault(reason, len(self.reasons))
        self.cuts.add(int(ordinal), int(start), int(end), self.number, number)

    def table(self, name: str, rows: pa.Table) -> None:
        """Add rows to a side table: what a barrier tells beside its decisions. The run keeps it."""
        self._write_table(name, rows)

    def _require_there(self, ordinal: int, does: str) -> None:
        if not 0 <= ordinal < self.documents:
            raise StageError(
                f"{self.label}: {does} document {ordinal} of {self.documents}", remedy="They count from 0."
            )

    def join(self, left: int, right: int) -> None:
        """Say that two documents are variants of one text: a split never parts them."""
        a, b = self.cluster(left), self.cluster(right)
        if a != b:
            self._clusters[max(a, b)] = min(a, b)

    def cluster(self, ordinal: int) -> int:
        """The head of a document's cluster, the smallest ordinal while it grows; most are their own."""
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

        def keys() -> Iterator[tuple[Keys, Ordinals]]:
            for first, rows in self._read([CLUSTER]):
                names = rows.column(CLUSTER).to_pylist()
                digests = b"".join(hashlib.blake2b(n.encode(), digest_size=8).digest() for n in names)
                yield np.frombuffer(digests, "<u8"), np.arange(first, first + len(names), dtype=np.int64)

        for group in self.groups(keys()):
            for ordinal in group[1:].tolist():
                self.join(int(group[0]), ordinal)

    def head_clusters(self) -> None:
        """Let the kept document of the least id head each cluster, whatever the order of rows.

        What a cluster is called, and on which side of a split it stands, goes by that id. One of dropped
        documents alone goes by the least of theirs.
        """
        roots = {ordinal: self.cluster(ordinal) for ordinal in self.clustered()}
        roots |= {root: root for root in roots.values()}
        ids, heads = self.ids(roots), dict[int, int]()
        # The kept ones first: their ids are their own, while dropped ones may share theirs.
        for ordinal in sorted(roots, key=lambda each: (not self.kept[each], ids[each])):
            heads.setdefault(roots[ordinal], ordinal)
        self._clusters.clear()  # Not a new one: all views have this.
        self._clusters.update((o, heads[root]) for o, root in roots.items() if o != heads[root])

    def clustered(self) -> list[int]:
        """Ordinals of all documents that do not head their cluster, ascending."""
        return sorted(ordinal for ordinal in self._clusters if ordinal < self.first_earlier)
