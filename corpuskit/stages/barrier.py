"""Barrier: a stage that must see every document before it can decide about any.

It *scans* each batch into one row per document while a pass writes, and decides over all rows between two
passes. Like a `corpuskit.stages.stage.Stage` it is frozen settings with pure methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from corpuskit.documents.batch import byte_lengths
from corpuskit.documents.settings import Settings
from corpuskit.stages.scans import PartScan, Scans


class Barrier(Settings, ABC):
    """A stage that sees every document before it decides about any.

    Attributes:
        scan_schema: columns of the scan; one row per document.
        sees_earlier: whether it compares with the documents of an earlier build, which it then meets as
            documents from ``scans.first_earlier`` on: they come before all others, and it drops none of them.
    """

    scan_schema: ClassVar[pa.Schema]
    sees_earlier: ClassVar[bool] = False

    @abstractmethod
    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One row per document of ``batch``, in order, with the columns of ``scan_schema``."""

    @abstractmethod
    def decide(self, scans: Scans) -> None:
        """Look at the scans of all documents that are still kept and call ``scans.drop`` for others."""


def scan_alone(barrier: Barrier, batch: pa.RecordBatch, folder: Path) -> Scans:
    """The scans of documents that lie in memory, for a barrier that is used without a build.

    Args:
        batch: what the barrier's `scan` reads, ``text`` at least; a document's ordinal is its row, and stands
            for its id where there is none.
        folder: where may be spilled; it may go when the decisions are no longer needed.
    """
    scanned = barrier.scan(batch)
    columns = {f"{barrier.name}.{name}": scanned.column(name) for name in scanned.schema.names}
    named = "id" in batch.schema.names
    columns["id"] = batch.column("id") if named else pa.array(map(str, range(batch.num_rows)), pa.string())
    columns["bytes"] = pa.array(byte_lengths(batch.column("text")), pa.int64())
    columns["preference"] = pa.array(np.zeros(batch.num_rows, np.int64))
    table = pa.record_batch(columns)
    part = PartScan("alone", "documents", "scans", 0, batch.num_rows)
    return Scans([part], folder, lambda _, wanted: iter([table.select(wanted)])).seen_by(barrier.name)
