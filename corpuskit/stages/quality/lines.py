"""Rules that look at one line at a time and cut lines out of a text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from corpuskit.documents.words import word_spans
from corpuskit.stages.quality.characters import WHITE_SPACE
from corpuskit.stages.stage import Cut

BLANK = "blank_line"
"""Reason of blank lines that go with the lines around them."""


class Span(NamedTuple):
    """Characters ``start`` to ``end`` of a line that go for ``reason``."""

    start: int
    end: int
    reason: str


Verdict = str | Sequence[Span]
"""Of a line: why it goes, or what goes of it."""


def cut_lines(row: int, text: str, verdict: Callable[[str], Verdict]) -> list[Cut]:
    """The cuts in a text, of whole lines with their line feed and of spans within lines.

    A blank line stays where it still parts two lines that stay; blank lines that stood behind lines that are
    cut, and those at an end that has become bare, go as `BLANK`. A text of which nothing is cut stays as it
    is.

    Args:
        row: of the document in its batch.
        verdict: asked of each line that holds text, without white space at its ends.
    """
    cuts: list[Cut] = []
    behind = True  # Whether a blank line would stand behind another or at the beginning.
    touched = False  # Whether a line was cut since the last one that stays.
    blanks: list[tuple[int, int]] = []
    last = 0  # Byte behind the last line that stays.
    for start, end, line in _lines(text):
        stripped = line.strip(WHITE_SPACE)
        if not stripped:
            if touched and behind:
                cuts.append(Cut(row, start, end, BLANK))
            else:
                blanks.append((start, end))
                behind = True
            continue
        found = verdict(stripped)
        if isinstance(found, str) and found:
            cuts.append(Cut(row, start, end, found))
            touched = True
            continue
        first = start + len(line[: line.index(stripped[0])].encode())
        cuts += _within(row, first, stripped, found)
        behind = touched = False
        blanks.clear()
        last = end
    if touched:
        cuts += [Cut(row, start, end, BLANK) for start, end in blanks]
        if last and not text.endswith("\n"):
            cuts.append(Cut(row, last - 1, last, BLANK))  # The line feed before what was the last line.
    return sorted(cuts, key=lambda cut: cut.start)


def _within(row: int, first: int, line: str, spans: Sequence[Span] | str) -> list[Cut]:
    """Spans of characters of a line as cuts of bytes of the text, where the line begins at byte ``first``."""
    places = [span for span in spans if isinstance(span, Span)]
    return [
        Cut(row, first + len(line[: s.start].encode()), first + len(line[: s.end].encode()), s.reason)
        for s in places
    ]


def _lines(text: str) -> Iterator[tuple[int, int, str]]:
    """First byte, byte behind the line feed, and each line without it."""
    at = 0
    lines = text.split("\n")
    for number, line in enumerate(lines):
        end = at + len(line.encode()) + (number + 1 < len(lines))
        yield at, end, line
        at = end


def count_words(line: str, *, between_spaces: bool) -> int:
    """Words of a line: pieces between white space, or those of `corpuskit.documents.words`."""
    return len(line.split()) if between_spaces else len(word_spans(line))
