"""Text for terminals of any width: lines are broken between words there, and nowhere else at all."""

from __future__ import annotations

import shutil
import textwrap
from typing import TextIO

UNBROKEN = 10_000
"""The width of what is no terminal: whoever reads a file or a pipe breaks lines as they like."""


def width_of(stream: TextIO) -> int:
    """Columns of a terminal; UNBROKEN for a stream that is none."""
    return shutil.get_terminal_size().columns if stream.isatty() else UNBROKEN


def wrapped(text: str, width: int) -> str:
    """A text whose lines that are longer than the width are broken between words.

    >>> print(wrapped("three words here", 11))
    three words
    here
    """
    lines = []
    for line in text.split("\n"):
        parts = textwrap.wrap(
            line, width, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
        )
        lines += parts if len(line) > width else [line]
    return "\n".join(lines)
