"""What a pass sets aside to be looked at, and the account that it keeps."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import pyarrow as pa

from corpuskit.documents.ledger import Ledger
from corpuskit.run.folder import Run
from corpuskit.storage.tables import Sink, parquet

DROPPED = pa.schema(
    [(name, pa.string()) for name in ("id", "stage", "reason", "title", "duplicate_of", "origin")]
    + [("bytes", pa.int64()), ("text", pa.large_string())]
)
QUARANTINED = pa.schema(
    [(name, pa.string()) for name in ("id", "stage", "kind", "error", "excerpt", "origin")]
    + [("bytes", pa.int64()), ("text", pa.large_string())]
)
CUT = pa.schema(
    [(name, pa.string()) for name in ("id", "stage", "reason")]
    + [("start", pa.int64()), ("end", pa.int64()), ("text", pa.large_string())]
)
ASIDE = {"dropped": DROPPED, "quarantine": QUARANTINED, "cuts": CUT}

TABLES = "tables"
"""Folder of the side tables of sources."""


@dataclass
class Aside:
    """What a pass sets aside, to be looked at: opened on first use, so that no empty files lie about."""

    run: Run
    name: str
    stack: ExitStack
    sinks: dict[str, Sink] = field(default_factory=dict)

    def write(self, kind: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Add rows to ``dropped``, ``quarantine`` or ``cuts``."""
        if rows:
            if kind not in self.sinks:
                path = self.run.folder / self.path(kind)
                sink = parquet(path, ASIDE[kind], self.run.temporary)
                self.sinks[kind] = self.stack.enter_context(sink)
            self.sinks[kind].write(pa.Table.from_pylist(list(rows), schema=ASIDE[kind]))

    def write_table(self, name: str, table: pa.Table) -> None:
        """Add rows to the side table ``name``; its schema is that of the first rows."""
        kind = f"{TABLES}/{name}"
        if kind not in self.sinks:
            sink = parquet(self.run.folder / self.path(kind), table.schema, self.run.temporary)
            self.sinks[kind] = self.stack.enter_context(sink)
        self.sinks[kind].write(table)

    def path(self, kind: str) -> str:
        """Path within the run."""
        return f"{kind}/{self.name}.parquet"


@dataclass
class Account:
    """Ledger, clock and set-aside rows of one pass."""

    aside: Aside
    ledger: Ledger = field(default_factory=Ledger)
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def clock(self, label: str, started: float) -> None:
        """Book the time since ``started`` on a stage."""
        self.seconds[label] = self.seconds.get(label, 0.0) + time.perf_counter() - started
