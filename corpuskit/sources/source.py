"""The contract of a source: it lists parts and reads a part as a stream of `Reading`s.

A source is frozen settings with pure methods: it knows no rank, no output path, no clock and no random
state, so that the same settings on the same input give the same bytes anywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from corpuskit.documents.reading import Reading
from corpuskit.documents.settings import Settings


@dataclass(frozen=True)
class Part:
    """A stable unit of work: of parallelism and of resume. Cut by content, never by worker count.

    Attributes:
        name: unique within the source and stable; letters, digits, ``.``, ``_`` and ``-``.
        files: paths of the files that are read, in order.
        detail: JSON values that say which piece of the files is meant (a byte range, say).
        bytes: size of the raw input of this part, for the plan and the order of work.
        found: what was read of the files when they were listed, picklable and small: it spares a reader
            another look. It says nothing that ``files`` and ``detail`` do not, so no record is made from it,
            and a reader that is not given it finds it itself.
    """

    name: str
    files: tuple[str, ...]
    detail: Mapping[str, Any] = field(default_factory=dict)
    bytes: int = 0
    found: Any = field(default=None, compare=False, repr=False)


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

    @property
    def documents_source(self) -> str | None:
        """What the column ``source`` says of all its documents; None where that is not known beforehand."""
        return None

    @abstractmethod
    def parts(self) -> list[Part]:
        """List the parts in their stable order. Raises `InputError` for an input that is not there."""

    @abstractmethod
    def read(self, part: Part) -> Iterator[Reading]:
        """Read one part as a stream of readings of bounded size."""
