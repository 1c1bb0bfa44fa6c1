"""A batch: rows of tokens with their targets, and where in them documents begin and end.

The token that ends a document belongs to that document, and the next one begins behind it. Each row begins a
document, or a piece of one. Padding is what a row holds behind its last document: a segment of its own,
number -1, never trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]


class Batch:
    """Rows to learn the next token from; ``inputs, targets, bounds = batch`` takes the first three.

    >>> batch = Batch(np.array([[5, 6, 0, 7, 8, 0, 0]]), end_of_text=0, real=[6])
    >>> batch.inputs.tolist(), batch.targets.tolist(), batch.bounds.tolist()
    ([[5, 6, 0, 7, 8, 0]], [[6, 0, 7, 8, 0, 0]], [0, 3, 6])
    >>> batch.positions.tolist(), batch.documents.tolist()
    ([[0, 1, 2, 0, 1, 2]], [[0, 0, 0, 1, 1, 1]])
    >>> batch.trained.astype(int).tolist(), batch.within.astype(int).tolist()
    ([[1, 1, 1, 1, 1, 0]], [[1, 1, 0, 1, 1, 0]])

    Attributes:
        rows: the tokens, (B, T + 1) of the shards' type.
        real: how many tokens of each row are no padding, int64 (B,).
    """

    def __init__(
        self,
        rows: npt.NDArray[np.integer],
        end_of_text: int,
        real: Sequence[int] | None = None,
        begins: Sequence[Sequence[int]] | None = None,
    ) -> None:
        """A batch of rows.

        Args:
            rows: (B, T + 1).
            end_of_text: the token that ends a document.
            real: tokens of each row that are no padding; without it all.
            begins: where in each row documents begin, the first at 0; without it behind each end of text.
        """
        self.rows, self._end, self._borders = rows, end_of_text, begins
        self.real: Ids = np.full(len(rows), rows.shape[1]) if real is None else np.array(real, np.int64)

    def __iter__(self) -> Iterator[npt.NDArray[np.integer]]:
        return iter((self.inputs, self.targets, self.bounds))

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, object]:
        """What all else follows from: a worker passes on an eighth of it."""
        return {name: getattr(self, name) for name in ("rows", "_end", "_borders", "real")}

    # Arrays of their own: whoever masks targets in place must not change the inputs.
    @cached_property
    def inputs(self) -> Ids:
        """Ids, int64 (B, T)."""
        return self.rows[:, :-1].astype(np.int64)

    @cached_property
    def targets(self) -> Ids:
        """The ids that follow each of them, int64 (B, T)."""
        return self.rows[:, 1:].astype(np.int64)

    @cached_property
    def _begins(self) -> npt.NDArray[np.bool_]:
        """Where a document, or padding, begins, (B, T + 1)."""
        found = np.zeros(self.rows.shape, np.bool_)
        if self._borders is None:
            found[:, 1:] = self.rows[:, :-1] == self._end
        else:
            for row, borders in enumerate(self._borders):
                found[row, list(borders)] = True
        found[:, :1] = True
        width = self.rows.shape[1]
        for row in np.flatnonzero(self.real < width).tolist():
            found[row, self.real[row] :] = False
            found[row, self.real[row]] = True
        return found

    @cached_property
    def bounds(self) -> npt.NDArray[np.int32]:
        """Where documents begin in inputs.ravel(), int32 (documents + 1,), with B * T behind the last.

        What attention kernels call the cumulative lengths of sequences (`cu_seqlens`): strictly growing.
        """
        begins = self._begins[:, :-1]
        return np.append(np.flatnonzero(begins), begins.size).astype(np.int32)

    @cached_property
    def positions(self) -> Ids:
        """Place of each input in its document or, of one that is parted, in its piece, int64 (B, T)."""
        bounds = self.bounds.astype(np.int64)
        within = np.arange(self.inputs.size) - np.repeat(bounds[:-1], np.diff(bounds))
        return within.reshape(self.inputs.shape)

    @cached_property
    def documents(self) -> Ids:
        """Number of each input's document in its row, from 0; -1 for padding; int64 (B, T)."""
        numbers: Ids = np.cumsum(self._begins[:, :-1], axis=1, dtype=np.int64) - 1
        places = np.arange(self.inputs.shape[1])
        return np.where(places < self.real[:, None], numbers, -1)

    @cached_property
    def trained(self) -> npt.NDArray[np.bool_]:
        """Which places have a target that is a token, bool (B, T): all but padding.

        The first token of a document is the target of the end that stands before it.
        """
        return np.arange(1, self.rows.shape[1]) < self.real[:, None]

    @cached_property
    def within(self) -> npt.NDArray[np.bool_]:
        """Which of the trained places have a target in their own document, bool (B, T)."""
        return self.trained & ~self._begins[:, 1:]
