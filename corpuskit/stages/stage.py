"""Stage, Rule and Barrier: what happens to documents between a source and the shards.

All are frozen settings (pydantic models) with pure methods. They know no rank, no output path, no clock and
no random state, so that the same settings on the same input give the same bytes anywhere.

A **Stage** changes the texts of a batch, adds columns, names spans to cut, documents to drop, documents that
are broken. A **Rule** is a stage that measures in one pass and decides later, so that a changed threshold
never re-reads the text. A **Barrier** must see every document before it can decide about any: it *scans* each
batch into one row per document, and decides over all rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from corpuskit.documents.settings import Settings

if TYPE_CHECKING:
    from corpuskit.stages.scans import Scans


@dataclass(frozen=True)
class Cut:
    """Bytes ``start`` to ``end`` (UTF-8) of the text of row ``row``, to be removed for ``reason``."""

    row: int
    start: int
    end: int
    reason: str


@dataclass(frozen=True)
class Effect:
    """What a stage did to a batch. Rows stay in place: the runner removes what is named here.

    Attributes:
        batch: as many rows as came in, with the same ids in the same order.
        drops: row to reason.
        errors: row to error: the document goes to quarantine.
        cuts: spans to remove from the texts of ``batch``.
    """

    batch: pa.RecordBatch
    drops: Mapping[int, str] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)
    cuts: Sequence[Cut] = ()


class Stage(Settings, ABC):
    """One pure step over a batch.

    Attributes:
        columns: columns that the stage adds, name to Arrow type.
    """

    columns: ClassVar[Mapping[str, pa.DataType]] = {}

    @abstractmethod
    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch | Effect:
        """Return the changed batch, or an `Effect` that also names drops, errors and cuts."""


class Rule(Stage):
    """A stage that measures with `apply` (it adds score columns) and drops with `decide`."""

    @abstractmethod
    def decide(self, scores: pa.RecordBatch) -> Mapping[int, str]:
        """Rows to drop, with the reason. ``scores`` holds the columns ``id`` and the declared ones."""


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
