"""What a pass sets aside to be looked at, and the account that it keeps."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import pyarrow as pa

from corpuskit.documents.ledger import Ledger
from corpuskit.run.folder import Run
from corpuskit.run.record import Output
from corpuskit.stages.stage import Found
from corpuskit.storage.tables import Sink

DROPPED = pa.schema(
    [(name, pa.string()) for name in ("id", "stage", "reason", "title", "duplicate_of", "origin")]
    + [("bytes", pa.int64()), ("text", pa.large_string())]
)
QUARANTINED = pa.schema(
    [(name, pa.string()) for name in ("id", "stage", "kind", "error", "excerpt", "origin")]
    + [("bytes", pa.int64()), ("text", pa.large_string())]
)
CUT = pa.schema(
    [(name, pa.string()) for name in ("id", "stage", "reason", "origin")]
    + [("start", pa.int64()), ("end", pa.int64()), ("text", pa.large_string())]
)
FOUND = pa.schema([(name, pa.string()) for name in ("id", "stage", "kind")] + [("count", pa.int64())])
ASIDE = {"dropped": DROPPED, "quarantine": QUARANTINED, "cuts": CUT}


@dataclass
class SetAside:
    """What a pass sets aside, to be looked at: opened on first use, so that no empty files lie about."""

    run: Run
    segment: str
    part: str
    stack: ExitStack
    sinks: dict[str, Sink] = field(default_factory=dict)

    def write(self, kind: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Add rows to ``dropped``, ``quarantine`` or ``cuts``."""
        if rows:
            table = pa.Table.from_pylist(list(rows), ASIDE[kind])
            self._add(self.run.path(kind, self.segment, self.part), table)

    def write_dropped(self, table: pa.Table) -> None:
        """Add whole documents to ``dropped``, with the columns of `DROPPED` in any order."""
        rows = table.select(DROPPED.names).cast(DROPPED)
        self._add(self.run.path("dropped", self.segment, self.part), rows)

    def write_table(self, name: str, table: pa.Table) -> None:
        """Add rows to the side table ``name``; its schema is that of the first rows."""
        self._add(self.run.path("tables", name, self.segment, self.part), table)

    def _add(self, path: str, table: pa.Table) -> None:
        if path not in self.sinks:
            self.sinks[path] = self.stack.enter_context(self.run.table(path, table.schema))
        self.sinks[path].write(table)

    def outputs(self) -> list[Output]:
        """What was written, in the order of paths; call it when the files are closed."""
        return [self.run.output(path, sink.rows) for path, sink in sorted(self.sinks.items())]


@dataclass
class PassAccount:
    """Ledger, clock and set-aside rows of one pass."""

    aside: SetAside
    ledger: Ledger = field(default_factory=Ledger)
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    found: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)

    def tell(self, label: str, batch: pa.RecordBatch, found: Sequence[Found]) -> None:
        """Keep what a stage found in documents, and count it by kind: how often, in how many documents."""
        ids = batch.column("id")
        rows = []
        for each in found:
            total = self.found.setdefault(label, {}).setdefault(each.kind, {"count": 0, "documents": 0})
            total["count"] += each.count
            total["documents"] += 1
            told = {"stage": label, "kind": each.kind, "count": each.count}
            rows.append({"id": ids[each.row].as_py(), **told})
        if rows:
            self.aside.write_table("found", pa.Table.from_pylist(rows, FOUND))

    def clock(self, label: str, started: float) -> None:
        """Book the time since ``started`` on a stage."""
        self.seconds[label] = self.seconds.get(label, 0.0) + time.perf_counter() - started
