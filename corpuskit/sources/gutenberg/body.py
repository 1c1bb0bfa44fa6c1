"""From the text of a Project Gutenberg file to the text of the book.

`Body` knows nothing of files, numbers or catalogues; `corpuskit.sources.gutenberg.source` knows nothing of
markers.
Nothing may be lost: the bytes of the raw text are those of the body, of the removed pieces and of what else
was cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np

from corpuskit._native import lf, utf8_size
from corpuskit.sources.gutenberg.blocks import LEFT_OUT, BookBlocks, tell_blocks
from corpuskit.sources.gutenberg.bounds import MAX_CUT, find_bounds
from corpuskit.sources.gutenberg.header import HEAD_CHARS
from corpuskit.sources.gutenberg.marks import HYPHEN_JOIN, MarkOptions, Marks
from corpuskit.sources.gutenberg.notes import Piece, find_notes
from corpuskit.sources.gutenberg.reflow import Hyphens, append_line, block_text, goes_on

_MAX_BLANK = 2
"""Blank lines that are kept between two blocks of a reflowed book; files have four above a chapter."""
TYPESET_CHARS = 16 * 2**20
"""Characters of a text above which its inside is left alone: classing its blocks takes some 200 bytes of
memory a character. No book is as long; the etexts that are hold data."""
_NO_START = {"no_start_marker", "start_marker_too_late", "start_marker_remnant"}
_NO_END = {"no_end_marker", "end_marker_too_early", "start_after_end"}


@dataclass(frozen=True)
class BodyOptions(MarkOptions):
    """How the inside of a book is treated; fields as the settings of `Gutenberg` of the same names."""

    max_cut: int = MAX_CUT
    transcriber_notes: Literal["remove", "keep"] = "remove"
    reflow: bool = True


class Body:
    """The book inside a file.

    Its bounds are found at once. What its makers wrote inside is looked for, and the rest typeset, when it is
    first asked for: a book that is dropped for its language or its rights never is.

    Attributes:
        header: the part of the raw text in which the file speaks about itself: fields, number, copyright.
        flags: what was odd; see `corpuskit.sources.gutenberg.bounds.Bounds`, and ``too_long_to_typeset``
            (longer than `TYPESET_CHARS`: neither reflowed nor freed of notes and marks).
        bounds_found: 0, 1 or 2: at how many ends the book's bound was found.
    """

    def __init__(self, raw: str, options: BodyOptions) -> None:
        self._raw = raw
        self._options = options
        self._bounds = bounds = find_bounds(raw, options.max_cut)
        self._too_long = len(raw) > TYPESET_CHARS
        self.header = raw[: bounds.body or HEAD_CHARS]
        self.flags = (*bounds.flags, "too_long_to_typeset") if self._too_long else bounds.flags
        missing = [bool(ends & set(bounds.flags)) for ends in (_NO_START, _NO_END)]
        self.bounds_found = 2 - sum(missing)

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """Removed pieces that are worth keeping, in order, none overlapping."""
        raw, bounds = self._raw, self._bounds
        pieces = [Piece(0, bounds.header, "header"), Piece(bounds.header, bounds.body, "credits")]
        if self._options.transcriber_notes == "remove" and not self._too_long:
            pieces += find_notes(raw, bounds.body, bounds.licence)
        pieces.append(Piece(bounds.licence, len(raw), "licence"))
        return tuple(_close_gaps(raw, [piece for piece in pieces if piece.start < piece.stop]))

    @property
    def text(self) -> str:
        """What the document holds."""
        return self._inside[0]

    @property
    def cut(self) -> Mapping[str, int]:
        """Further UTF-8 bytes removed, by reason (line ends, say), that are not kept."""
        return self._inside[1]

    @cached_property
    def _inside(self) -> tuple[str, dict[str, int]]:
        edges = [0, *(edge for piece in self.pieces for edge in (piece.start, piece.stop)), len(self._raw)]
        kept = [(start, stop) for start, stop in list(pairwise(edges))[::2] if start < stop]
        if len(kept) == 1:
            text = lf(self._raw, *kept[0])
        else:
            text = lf("".join(self._raw[start:stop] for start, stop in kept))
        book, cut = (text, {}) if self._too_long else _typeset(text, self._options)
        if gone := sum(stop - start for start, stop in kept) - len(text):
            cut["line_ends"] = gone
        return book, cut


def _typeset(text: str, options: BodyOptions) -> tuple[str, dict[str, int]]:
    """The book with its marks taken out and its paragraphs joined; bytes cut by reason."""
    blocks = tell_blocks(text)
    marks, hyphens = Marks(options, blocks), Hyphens(blocks.lines)
    book = _reflowed(blocks, marks, hyphens) if options.reflow else _unmarked(blocks, marks)
    cut = {**marks.cut, "hyphens": hyphens.removed}
    # White space alone: a test over real books, with the marks kept, finds nothing else gone.
    cut["layout"] = utf8_size(text) - utf8_size(book) - sum(cut.values())
    return book, {reason: count for reason, count in sorted(cut.items()) if count}


def _reflowed(blocks: BookBlocks, marks: Marks, hyphens: Hyphens) -> str:
    """Paragraphs joined. The engine writes the runs of blocks in which there is nothing to take or decide."""
    by_words = (blocks.marks & HYPHEN_JOIN) != 0
    by_words |= blocks.of_kind("caption")
    parts = marks.parts()
    parts[by_words] = LEFT_OUT
    texts, parts, unwrapped = blocks.typeset(parts)
    marks.cut["italics"] += unwrapped
    pieces = iter(texts)
    out: list[str] = []
    last = at = 0
    paragraph = page = False  # whether the last words are a paragraph's, and a page number came after them
    for stop in [*np.flatnonzero(parts).tolist(), blocks.total]:
        # A run, then the special block behind it.
        for first, behind in ((at, stop), (stop, stop + 1)):
            if first == behind or first == blocks.total:
                continue
            if first == stop and parts[first] == LEFT_OUT:
                words = block_text(blocks.raw(first).split("\n"), blocks.kind(first), hyphens)
            else:
                words = next(pieces)
            words = words if first < stop else marks.take(words, first)
            if words and page and paragraph and blocks.kind(first) == "prose" and goes_on(out[-1], words):
                append_line(out, words, hyphens)
            elif words:
                gap = "\n" * (1 + min(blocks.first[first] - last, _MAX_BLANK)) if out else ""
                out.append(f"{gap}{words}")
            page = not words and (page or marks.took_page)
            paragraph = blocks.kind(behind - 1) == "prose" if words else paragraph
            last = blocks.stop[behind - 1]
        at = stop + 1
    return "".join(out)


def _unmarked(blocks: BookBlocks, marks: Marks) -> str:
    """Marks taken out, lines as they are."""
    out: list[str] = []
    last = 0
    for i, (first, stop) in enumerate(zip(blocks.first, blocks.stop, strict=True)):
        words = marks.take(blocks.raw(i), i)
        if words:
            gap = "".join(f"{blank}\n" for blank in blocks.lines.all[last:first])
            out.append(f"\n{gap}{words}" if out else f"{gap}{words}")
        last = stop
    return "".join([*out, *(f"\n{blank}" for blank in blocks.lines.all[last:])])


def _close_gaps(text: str, pieces: list[Piece]) -> list[Piece]:
    """Blank text between two pieces goes with the upper one; blank text at the end of the book is cut."""
    closed: list[Piece] = []
    for piece in pieces:
        if closed and _is_blank(text, closed[-1].stop, piece.start):
            closed[-1] = closed[-1]._replace(stop=piece.start)
        closed.append(piece)
    first = len(closed) - 1
    if first < 0 or closed[first].stop < len(text):
        return closed
    while first > 0 and closed[first - 1].stop == closed[first].start:
        first -= 1
    if first > 0:
        last = closed[first]
        book = text[closed[first - 1].stop : last.start]
        closed[first] = last._replace(start=last.start - len(book) + len(book.rstrip()))
    return closed


def _is_blank(text: str, start: int, stop: int) -> bool:
    return start >= stop or text[start:stop].isspace()
