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

    @property
    def cuts(self) -> bool:
        """Whether `decide` may cut spans from texts: then what follows it takes another pass."""
        return False

    @abstractmethod
    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One row per document of ``batch``, in order, with the columns of ``scan_schema``."""

    @abstractmethod
    def decide(self, scans: Scans) -> None:
        """Look at the scans of all documents that are still kept and call ``scans.drop`` for others.

        A barrier that `cuts` may call ``scans.cut``, too.
        """


def scan_alone(barrier: Barrier, batch: pa.RecordBatch, folder: Path) -> Scans:
    """The scans of documents that lie in memory, for a barrier that is used without a build.

    Args:
        batch: what the barrier's `scan` reads, ``text`` at least; a document's ordinal is its row, and stands
            for its id where there is none, with zeros before it, so that ids stand in the order of rows.
        folder: where may be spilled; it may go when the decisions are no longer needed.
    """
    scanned = barrier.scan(batch)
    columns = {f"{barrier.name}.{name}": scanned.column(name) for name in scanned.schema.names}
    columns["bytes"] = pa.array(byte_lengths(batch.column("text")), pa.int64())
    columns["preference"] = pa.array(np.zeros(batch.num_rows, np.int64))
    named = "id" in batch.schema.names
    numbered = [f"{row:012}" for row in range(0 if named else batch.num_rows)]
    columns["id"] = batch.column("id") if named else pa.array(numbered, pa.string())
    tables = {"scans": pa.record_batch(columns), "documents": batch}
    part = PartScan("alone", "documents", "scans", 0, batch.num_rows)
    scans = Scans([part], folder, lambda path, wanted: iter([tables[path].select(wanted)]))
    return scans.seen_by(barrier.name)
