"""Barrier: a stage that must see every document before it can decide about any.

It *scans* each batch into one row per document while a pass writes, and decides over all rows between two
passes. Like a `corpuskit.stages.stage.Stage` it is frozen settings with pure methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import pyarrow as pa

from corpuskit.documents.settings import Settings
from corpuskit.stages.scans import Scans


class Barrier(Settings, ABC):
    """A stage that sees every document before it decides about any.

    Attributes:
        scan_schema: columns of the scan; one row per document.
    """

    scan_schema: ClassVar[pa.Schema]

    @abstractmethod
    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One row per document of ``batch``, in order, with the columns of ``scan_schema``."""

    @abstractmethod
    def decide(self, scans: Scans) -> None:
        """Look at the scans of all documents that are still kept and call ``scans.drop`` for others."""
