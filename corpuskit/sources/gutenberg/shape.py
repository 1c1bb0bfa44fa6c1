"""The measures of a Gutenberg book's blocks, and of the book: what its blocks are told by.

A block is a run of lines that are not blank. The book gives the width that its prose is wrapped at, the
indent of its paragraphs and, when it is a play, the names of its speakers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from corpuskit.sources.gutenberg.forms import CHAPTER, CLOSING, OPENING, SPEAKER, SPEAKER_ALONE

_SENTENCE_ENDS = frozenset(".!?:")
_ENDS = frozenset(",.;:!?—-")


@dataclass(frozen=True)
class BookShape:
    """What is usual in a book.

    Attributes:
        width: characters at which its prose is wrapped.
        margin: column at which most lines of its prose begin; some books are set in as a whole.
        indent: column of the first line of its paragraphs.
        speakers: names that speak in it; empty for what is not a play.
    """

    width: int
    margin: int
    indent: int
    speakers: frozenset[str]


class Lines(NamedTuple):
    """A block's lines and their measures.

    Attributes:
        text: the lines, tabs expanded, white space at their ends gone.
        indents: first column of each, in characters.
        ends: last column of each.
        above: blank lines above the block.
        below: blank lines below it.
        upper: lines that begin with a capital in mid-sentence, see `line_edges`.
        lower: lines that begin with a small letter there.
        ended: lines but the last that end in punctuation.
    """

    text: Sequence[str]
    indents: Sequence[int]
    ends: Sequence[int]
    above: int
    below: int
    upper: int
    lower: int
    ended: int


def block_spans(lines: Sequence[str]) -> list[tuple[int, int]]:
    """First line of each block, and the line after its last."""
    spans = []
    first = -1
    for i, line in enumerate(lines):
        if not line or line.isspace():
            if first >= 0:
                spans.append((first, i))
                first = -1
        elif first < 0:
            first = i
    if first >= 0:
        spans.append((first, len(lines)))
    return spans


def measure(lines: Sequence[str], spans: Sequence[tuple[int, int]], i: int) -> Lines:
    """The measures of block ``i``, tabs expanded; 9 blank lines above the first and below the last."""
    first, stop = spans[i]
    text = [line.rstrip() for line in lines[first:stop]]
    if any("\t" in line for line in text):
        text = [line.expandtabs(8) for line in text]
    ends = [len(line) for line in text]
    indents = [end - len(line.lstrip()) for end, line in zip(ends, text, strict=True)]
    above = first - spans[i - 1][1] if i else 9
    below = spans[i + 1][0] - stop if i + 1 < len(spans) else 9
    return Lines(text, indents, ends, above, below, *line_edges(text))


def book_shape(blocks: Sequence[Lines]) -> BookShape:
    """Width and indent by the lines of blocks that look like prose; speakers by names at line starts."""
    widths: Counter[int] = Counter()
    indents: Counter[int] = Counter()
    names: Counter[str] = Counter()
    margin = _margin(blocks)
    for block in blocks:
        if len(block.text) >= 3 and capitals(block) < 0.6 and min(block.indents[1:]) <= margin + 1:
            widths[max(block.ends)] += len(block.text)
        if len(block.text) >= 2 and block.indents[1] == margin:
            indents[block.indents[0]] += 1
        for line in block.text[:1] if len(block.text) < 3 else block.text:
            found = SPEAKER.match(line) if "." in line[:80] or ":" in line[:80] else None
            if found:
                names[found[1]] += 1
        alone = lone_speaker(block.text[0]) if block.above < 2 else ""
        if alone:
            names[alone] += 1
    speakers = {name for name, count in names.items() if count >= 5}
    speeches = sum(names[name] for name in speakers)
    if len(speakers) < 3 or speeches < 40 or speeches * 8 < len(blocks):
        speakers = set()
    indent = max(indents, key=lambda n: (indents[n], -n), default=0)
    return BookShape(_median(widths), margin, indent, frozenset(speakers))


def _margin(blocks: Sequence[Lines]) -> int:
    """The column at which most lines of what looks like prose begin."""
    margins: Counter[int] = Counter()
    for block in blocks:
        if len(block.text) >= 3 and capitals(block) < 0.6:
            margins[min(block.indents[1:])] += len(block.text)
    return max(margins, key=lambda n: (margins[n], -n), default=0)


def lone_speaker(line: str) -> str:
    """The name in capitals that is all of a line but for a direction: ``FAUST (_alone_)``; else empty."""
    found = SPEAKER_ALONE.fullmatch(line) if len(line) < 100 else None
    return found[1] if found and found[1].isupper() and not CHAPTER.match(line) else ""


def _median(counts: Counter[int]) -> int:
    """Weighted; 70, the usual width of the project's files, when there is nothing to count."""
    left = sum(counts.values()) / 2
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return value
    return 70


def line_edges(text: Sequence[str]) -> tuple[int, int, int]:
    """Lines that begin with a capital, and with a small letter, in mid-sentence; lines that are punctuated.

    Lines after the end of a sentence say nothing by their first letter: there, prose begins with a capital
    too. The last line's end says nothing either.
    """
    upper = lower = ended = 0
    for above, line in pairwise(text):
        end = above[-1:]
        if not end.isalnum():
            end = above.rstrip(CLOSING)[-1:]
            ended += end in _ENDS
        if end in _SENTENCE_ENDS:
            continue
        letter = line[:1]
        if not letter.isalpha():
            letter = line.lstrip(OPENING)[:1]
        if letter.isupper():
            upper += 1
        elif letter.isalpha():
            lower += 1
    return upper, lower, ended


def capitals(block: Lines) -> float:
    """Share of the lines that begin in mid-sentence which begin with a capital; half when none says."""
    known = block.upper + block.lower
    return block.upper / known if known else 0.5
