"""Source, Stage, Rule and Barrier: what a pipeline is made of.

All four are frozen settings (pydantic models) with pure methods. They know no rank, no output path, no
clock and no random state, so that the same settings on the same input give the same bytes anywhere.

A **Source** lists parts and reads a part as a stream of `Reading`s. A **Stage** changes the texts of a
batch, adds columns, names spans to cut, documents to drop, documents that are broken. A **Rule** is a
stage that measures in one pass and decides later, so that a changed threshold never re-reads the text.
A **Barrier** must see every document before it can decide about any: it *scans* each batch into one row
per document, and decides over all rows.

Settings that only matter when deciding are annotated with `Decides`; settings that name where inputs lie
are annotated with `Location`. A pass over the text is redone when a setting without these marks changes.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from corpuskit.decide import Scans

T = TypeVar("T")


class _Mark:
    """A marker that stands in an annotation; compared by identity of its name."""

    def __init__(self, name: str) -> None:
        self.name = name


_DECIDES = _Mark("decides")
_LOCATION = _Mark("location")

Decides = Annotated[T, _DECIDES]
"""``threshold: Decides[float] = 0.8``: changing it redoes the decisions, not the pass over the text."""

Location = Annotated[T, _LOCATION]
"""``path: Location[str]``: says where an input lies. Never part of a fingerprint or an output."""


class Settings(BaseModel):
    """Frozen settings with a registered name and an integer version.

    The version is raised by hand whenever the same settings would give other bytes than before; a test
    with golden output guards it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)

    name: ClassVar[str]
    version: ClassVar[int] = 1

    @classmethod
    def _marked(cls, mark: _Mark) -> set[str]:
        return {k for k, f in cls.model_fields.items() if mark in f.metadata}

    def fingerprint(self, *, deciding: bool) -> dict[str, Any]:
        """What goes into a fingerprint, as JSON values: name, version and settings, without locations.

        Args:
            deciding: True for the settings marked `Decides` alone, False for all others.
        """
        decides = self._marked(_DECIDES)
        hidden = self._marked(_LOCATION)
        keys = decides if deciding else set(type(self).model_fields) - decides - hidden
        values = self.model_dump(mode="json", include=keys)
        return {"name": self.name, "version": self.version, "settings": values, **self.libraries()}

    def public(self) -> dict[str, Any]:
        """The settings without locations: what may stand in an output."""
        return self.model_dump(mode="json", exclude=self._marked(_LOCATION))

    @classmethod
    def locations(cls) -> set[str]:
        """Names of the settings that are marked `Location`."""
        return cls._marked(_LOCATION)

    def libraries(self) -> dict[str, Any]:
        """Further facts that the output depends on, e.g. ``{"ftfy": "6.3.1"}``."""
        return {}


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_json(value: object) -> str:
    """JSON with sorted keys, no spaces and plain Unicode: the form that is hashed and stored."""
    return _CANONICAL.encode(value)


# ------------------------------------------------------------------------------------------- sources


@dataclass(frozen=True)
class Part:
    """A stable unit of work: of parallelism and of resume. Cut by content, never by worker count.

    Attributes:
        name: unique within the source and stable; letters, digits, ``.``, ``_`` and ``-``.
        files: paths of the files that are read, in order.
        detail: JSON values that say which piece of the files is meant (a byte range, say).
        bytes: size of the raw input of this part, for the plan and the order of work.
    """

    name: str
    files: tuple[str, ...]
    detail: Mapping[str, Any] = field(default_factory=dict)
    bytes: int = 0


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
        batch: the documents, columns of `corpuskit.batch.SCHEMA` and the source's declared ones.
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


class Source(Settings, ABC):
    """Where documents come from.

    Attributes:
        columns: added columns, name to Arrow type, that every batch of this source has.
        side_tables: side tables, name to schema: what a source tells beside its documents (aliases of titles,
            say). A run keeps them in ``tables/<name>/``, a file per part; no stage sees them.
        same_id_reason: why the worse of two documents under one id is dropped.
    """

    columns: ClassVar[Mapping[str, pa.DataType]] = {}
    side_tables: ClassVar[Mapping[str, pa.Schema]] = {}
    same_id_reason: ClassVar[str] = "same_id"

    @abstractmethod
    def parts(self) -> list[Part]:
        """List the parts in their stable order. Raises `InputError` for an input that is not there."""

    @abstractmethod
    def read(self, part: Part) -> Iterator[Reading]:
        """Read one part as a stream of readings of bounded size."""


# -------------------------------------------------------------------------------------------- stages


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
