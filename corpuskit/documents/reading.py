"""What a source hands on: a batch of documents with its account, and what was dropped or set aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from corpuskit.documents.batch import BATCH_BYTES, BatchBuilder, empty_batch

MAX_ENTRIES = 65_536
"""Documents, drops and errors after which a reading is closed, however little text they hold."""


@dataclass
class ReadingBuilder:
    """Collects documents, drops, errors and cuts; hands out a `Reading` whenever enough has come together.

    Call `met` once for each document as it is met, before it is known what becomes of it, and then exactly
    one of `keep`, `drop` and `quarantine`: the two sides of the account are counted apart, so that a
    document that falls between them shows.

    >>> builder = ReadingBuilder()
    >>> builder.met(5)
    >>> builder.keep(id="files:x:1", source="x", text="hello")
    >>> [(r.documents_in, r.bytes_in, r.batch.num_rows) for r in builder.take(rest=True)]
    [(1, 5, 1)]
    """

    limit: int = BATCH_BYTES
    extra: Mapping[str, pa.DataType] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.documents_in = 0
        self.bytes_in = 0
        self._rows = BatchBuilder(limit=self.limit, extra=self.extra)
        self._batch: pa.RecordBatch | None = None
        self._side_bytes = 0
        self._added: dict[str, int] = {}
        self._cut: dict[str, int] = {}
        self._spans: list[CutSpan] = []
        self._dropped: list[Dropped] = []
        self._quarantined: list[Quarantined] = []
        self._warnings: list[str] = []
        self._tables: dict[str, pa.Table] = {}

    def met(self, size: int) -> None:
        """Count one document of ``size`` bytes as met."""
        self.documents_in += 1
        self.bytes_in += size

    def keep(self, *, id: str, source: str, text: str, **columns: Any) -> None:
        """Pass a document on; ``columns`` as in `BatchBuilder.add`."""
        self._rows.add(id=id, source=source, text=text, **columns)

    def keep_batch(self, batch: pa.RecordBatch) -> None:
        """Pass documents on that are a batch already: all that the reading will have."""
        self._batch = batch

    def drop(self, document: Dropped) -> None:
        """Record a document that is not passed on."""
        self._dropped.append(document)  # its text is held as long as those of the documents
        self._side_bytes += document.bytes if document.text else 0

    def quarantine(self, document: Quarantined) -> None:
        """Record something that could not be read as a document."""
        self._quarantined.append(document)
        self._side_bytes += len(document.excerpt)

    def cut(self, span: CutSpan) -> None:
        """Record a piece that was removed from a kept document."""
        self._cut[span.reason] = self._cut.get(span.reason, 0) + span.end - span.start
        self._spans.append(span)
        self._side_bytes += span.end - span.start

    def cut_bytes(self, reason: str, size: int) -> None:
        """Count ``size`` bytes as removed from a kept document without keeping them for a look."""
        self._cut[reason] = self._cut.get(reason, 0) + size

    def add_bytes(self, reason: str, size: int) -> None:
        """Count ``size`` bytes as added to a kept document."""
        self._added[reason] = self._added.get(reason, 0) + size

    def side_table(self, name: str, table: pa.Table) -> None:
        """Hand on the rows of a side table with this reading."""
        self._tables[name] = table

    def warn(self, sentence: str) -> None:
        """Record a sentence for the log."""
        self._warnings.append(sentence)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to hand out: nothing was met, and nothing is to be said."""
        return not (self.documents_in or self._warnings)

    def take(self, *, rest: bool = False) -> Iterator[Reading]:
        """Yield the reading that is full; with ``rest`` also one that is not (but never an empty one)."""
        full = self._rows.full or self.documents_in >= MAX_ENTRIES or self._side_bytes >= self.limit
        if not full and not (rest and not self.empty):
            return
        rows = next(self._rows.take(rest=True), None)
        yield Reading(
            batch=self._batch or rows or empty_batch(self.extra),
            documents_in=self.documents_in,
            bytes_in=self.bytes_in,
            cut=self._cut,
            added=self._added,
            spans=self._spans,
            dropped=self._dropped,
            quarantined=self._quarantined,
            warnings=self._warnings,
            tables=self._tables,
        )
        self._clear()


@dataclass(frozen=True)
class Dropped:
    """A document that a source met and does not pass on: a redirect, another namespace...

    ``bytes`` are the UTF-8 bytes of its raw text; ``text`` may be left empty where the input still has it.
    """

    id: str
    reason: str
    bytes: int
    title: str = ""
    text: str = ""
    origin: str = ""


@dataclass(frozen=True)
class Quarantined:
    """Something that could not be read as a document. Counted, stored, never silently skipped.

    Attributes:
        id: the document's id where it is known, else a name of the place (``file#offset``).
        kind: a short word that is counted: ``truncated``, ``invalid_utf8``, ``over_budget``...
        error: the thing, the value and the remedy, as one line.
        bytes: raw bytes set aside.
        excerpt: the first bytes, decoded with replacement, so that a person can recognise it.
    """

    id: str
    kind: str
    error: str
    bytes: int
    excerpt: str = ""
    origin: str = ""


@dataclass(frozen=True)
class CutSpan:
    """A piece of raw text that a source removed from a document: a licence, a header.

    ``start`` and ``end`` are byte offsets into the raw UTF-8 text.
    """

    id: str
    reason: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Reading:
    """What a source hands on at a time, with its account.

    The account must hold, and is checked where it is read:
    ``documents_in == rows + dropped + quarantined`` and
    ``bytes_in + added == bytes of the texts + cut + dropped + quarantined``.

    Attributes:
        batch: the documents, columns of `corpuskit.documents.batch.SCHEMA` and the source's declared ones.
        documents_in: how many documents (pages, books, rows) were met, counted as they were met.
        bytes_in: bytes of raw text met, counted as they were met. UTF-8 bytes of decoded raw text for
            documents and drops, raw bytes for what could not be decoded.
        cut: bytes removed from kept documents, by reason (``{"markup": 812}``).
        added: bytes added to kept documents, by reason (``{"templates": 12}``).
        spans: the removed pieces that are worth keeping for a look; their bytes are part of ``cut``.
        warnings: sentences for the log.
        tables: rows for the source's side tables, by the names that it declares in `Source.side_tables`.
    """

    batch: pa.RecordBatch
    documents_in: int
    bytes_in: int
    cut: Mapping[str, int] = field(default_factory=dict)
    added: Mapping[str, int] = field(default_factory=dict)
    spans: Sequence[CutSpan] = ()
    dropped: Sequence[Dropped] = ()
    quarantined: Sequence[Quarantined] = ()
    warnings: Sequence[str] = ()
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
