"""Rows of the Gutenberg benchmark about the inside of a book: bounds of the body, classes of blocks."""

from __future__ import annotations

from benchmarks.harness import Options, Row


def collect(options: Options) -> list[Row]:
    """No row is measured yet: the marks are still being made."""
    return []
