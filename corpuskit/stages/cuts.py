"""Spans that a barrier decides to cut: spilled as they are named, given back in the order of documents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpuskit.storage.spill import Records

Rows = npt.NDArray[np.void]
"""Rows with the fields ordinal, start, end (bytes of the text), decider and reason (their numbers)."""

_FIELDS = ("ordinal", "start", "end", "decider", "reason")
_HELD = 65_536
"""Rows that wait in memory for the next write."""


class Cuts:
    """Spans to cut, kept in a file."""

    def __init__(self, folder: Path) -> None:
        self._records = Records(folder, [(name, np.int64) for name in _FIELDS], "cuts")
        self._held: list[tuple[int, ...]] = []

    def add(self, ordinal: int, start: int, end: int, decider: int, reason: int) -> None:
        """Add one span."""
        self._held.append((ordinal, start, end, decider, reason))
        if len(self._held) >= _HELD:
            self._flush()

    def sorted(self, documents: int) -> Iterator[Rows]:
        """All spans in the order of documents and places, some at a time; none parts those of a document.

        Args:
            documents: how many there are.
        """
        self._flush()
        for rows in self._records.ascending("ordinal", documents):
            yield rows[np.lexsort((rows["start"], rows["ordinal"]))]

    def _flush(self) -> None:
        if self._held:
            columns = zip(_FIELDS, np.array(self._held, np.int64).T, strict=True)
            self._records.add(**dict(columns))
            self._held.clear()
