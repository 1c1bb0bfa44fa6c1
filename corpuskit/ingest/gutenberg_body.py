"""From the text of a Project Gutenberg file to the text of the book: the one call that the source makes.

`extract_body` knows nothing of files, numbers or catalogues; `corpuskit.ingest.gutenberg` knows nothing of
markers. What lies between them is a `Body`, whose account must hold: the bytes of the raw text and those
added are the bytes of the body, of the removed pieces and of what else was cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from corpuskit.ingest.gutenberg_header import HEAD_CHARS
from corpuskit.ingest.gutenberg_markers import MAX_CUT, find_bounds

_NO_START = {"no_start_marker", "start_marker_too_late", "start_marker_remnant"}
_NO_END = {"no_end_marker", "end_marker_too_early", "start_after_end"}


@dataclass(frozen=True)
class BodyOptions:
    """How the inside of a book is treated; fields as the settings of `Gutenberg` of the same names."""

    max_cut: int = MAX_CUT


@dataclass(frozen=True)
class Piece:
    """``text[start:stop]`` of the raw text (characters), removed for ``reason`` and kept for a look."""

    reason: str
    start: int
    stop: int


@dataclass(frozen=True)
class Body:
    """The book inside a file.

    Attributes:
        text: what the document holds.
        header: the part of the raw text in which the file speaks about itself: fields, number, copyright.
        pieces: removed pieces that are worth keeping, in order, none overlapping.
        cut: further UTF-8 bytes removed, by reason (line ends, say), that are not kept.
        added: UTF-8 bytes added, by reason.
        flags: what was odd; see `corpuskit.ingest.gutenberg_markers.Bounds`.
        bounds_found: 0, 1 or 2: at how many ends the book's bound was found.
    """

    text: str
    header: str
    pieces: tuple[Piece, ...] = ()
    cut: Mapping[str, int] = field(default_factory=dict)
    added: Mapping[str, int] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    bounds_found: int = 2


def extract_body(text: str, options: BodyOptions) -> Body:
    """Find the book in a file's text and take away what is around it."""
    bounds = find_bounds(text, options.max_cut)
    around = (
        Piece("header", 0, bounds.header),
        Piece("credits", bounds.header, bounds.body),
        Piece("licence", bounds.licence, len(text)),
    )
    flags = set(bounds.flags)
    return Body(
        text=text[bounds.body : bounds.licence],
        header=text[: bounds.body or HEAD_CHARS],
        pieces=tuple(piece for piece in around if piece.start < piece.stop),
        flags=bounds.flags,
        bounds_found=2 - bool(flags & _NO_START) - bool(flags & _NO_END),
    )
