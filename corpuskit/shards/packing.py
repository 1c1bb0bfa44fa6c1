"""Packing: which tokens of a split form row i, computed for a context length and cheap to make again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ConcatenatedRows:
    """The split as one line of tokens, cut every `length` tokens; neighbouring rows share one token.

    Row i holds the length + 1 tokens from `offset + i * length` on: the first `length` are inputs, the last
    `length` are their targets, so that every token but the first is a target exactly once.

    Attributes:
        tokens: tokens in the split.
        length: context length T; a row holds T + 1 tokens.
        offset: token with which row 0 begins.
        rows: number of whole rows.
    """

    tokens: int
    length: int
    offset: int
    rows: int

    @property
    def targets_left_over(self) -> int:
        """Tokens that are a target of no row: those before `offset` and the short last row."""
        return max(self.tokens - 1, 0) - self.rows * self.length

    def start(self, row: int) -> int:
        """Position in the split of the first of the row's length + 1 tokens; IndexError for no such row."""
        if not 0 <= row < self.rows:
            raise IndexError(f"row {row} lies outside range({self.rows})")
        return self.offset + row * self.length


def concatenate(tokens: int, length: int, offset: int = 0) -> ConcatenatedRows:
    """Cut a split of `tokens` tokens into rows of length + 1 tokens at stride `length`, from `offset` on.

    The short rest at the end makes no row; `targets_left_over` says how many targets that leaves out.

    >>> rows = concatenate(tokens=10, length=4)
    >>> rows.rows, rows.start(1), rows.targets_left_over
    (2, 4, 1)

    Raises ValueError for a length below 1, a negative offset or a negative count of tokens.
    """
    if length < 1 or offset < 0 or tokens < 0:
        raise ValueError(f"cannot pack tokens={tokens} into rows of length={length} from offset={offset}")
    return ConcatenatedRows(tokens, length, offset, max(tokens - 1 - offset, 0) // length)
