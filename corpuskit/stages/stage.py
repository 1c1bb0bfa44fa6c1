"""Stage and Rule: what happens to documents between a source and the shards, a batch at a time.

Both are frozen settings (pydantic models) with pure methods. They know no rank, no output path, no clock and
no random state, so that the same settings on the same input give the same bytes anywhere.

A **Stage** changes the texts of a batch, adds columns, names spans to cut, documents to drop, documents that
are broken. A **Rule** is a stage that measures in one pass and decides later, so that a changed threshold
never re-reads the text. What must see every document first is a `corpuskit.stages.barrier.Barrier`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import pyarrow as pa

from corpuskit.documents.settings import Settings


@dataclass(frozen=True)
class Cut:
    """Bytes ``start`` to ``end`` (UTF-8) of the text of row ``row``, to be removed for ``reason``."""

    row: int
    start: int
    end: int
    reason: str


@dataclass(frozen=True)
class Found:
    """What a stage met in the text of row ``row``, to be told in the run's facts and in ``tables/found``.

    Attributes:
        kind: a word for it, of which there are few: ``U+200B``, ``email``.
        count: how often it stands in the text as it came in.
        removed: bytes of it that the stage took out by changing the text (not by a `Cut`); the ledger
            books them as cut for ``kind``.
    """

    row: int
    kind: str
    count: int
    removed: int = 0


@dataclass(frozen=True)
class Effect:
    """What a stage did to a batch. Rows stay in place: the runner removes what is named here.

    Attributes:
        batch: as many rows as came in, with the same ids in the same order.
        drops: row to reason.
        errors: row to error: the document goes to quarantine.
        cuts: spans to remove from the texts of ``batch``.
        found: what is to be told of documents, whatever becomes of them.
    """

    batch: pa.RecordBatch
    drops: Mapping[int, str] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)
    cuts: Sequence[Cut] = ()
    found: Sequence[Found] = ()


class Stage(Settings, ABC):
    """One pure step over a batch.

    Attributes:
        columns: columns that the stage adds, name to Arrow type.
    """

    columns: ClassVar[Mapping[str, pa.DataType]] = {}

    @abstractmethod
    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch | Effect:
        """Return the changed batch, or an `Effect` that also names drops, errors and cuts."""

    def expanded(self) -> Sequence[Stage]:
        """What stands for it in a pipeline: itself, or several stages where its settings ask for them."""
        return (self,)


class Rule(Stage):
    """A stage that measures with `apply` (it adds score columns) and drops with `decide`."""

    @abstractmethod
    def decide(self, scores: pa.RecordBatch) -> Mapping[int, str]:
        """Rows to drop, with the reason. ``scores`` holds the columns ``id`` and the declared ones."""

    def passed_over(self, scores: pa.RecordBatch) -> Mapping[int, str]:
        """Rows that it could not judge, with the end of a sentence: a warning says "3 documents ...".

        There are few sentences: rows are counted by them.
        """
        return {}
