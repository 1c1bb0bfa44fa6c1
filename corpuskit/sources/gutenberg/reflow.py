"""Hard-wrapped paragraphs joined into one line each; everything that is not prose keeps its lines.

A line end in prose is a space, except

* after a dash (``word--`` / ``word—``) and before one, where nothing stood in print;
* after a hyphen: what the book itself writes elsewhere decides between ``today`` and ``to-day``; when it
  writes neither, the hyphen stays (volunteers remove the hyphens of the printer, so that one left at a line
  end is mostly part of the word). German and Dutch leave a hyphen open (``Park- und Gartenseite``);
* between letters of scripts that are written without spaces.

A line that is set in further than the paragraph begins a new one. A paragraph that a page number stood in the
middle of goes on after it.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from corpuskit import _native
from corpuskit.sources.gutenberg.shape import BookLines, Kind

_HYPHENATED = re.compile(r"(\w+)-$")
_FIRST_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"\w+(?:-\w+)*")
_OPEN_HYPHEN = frozenset(("und", "oder", "bzw", "sowie", "en", "of", "ofte", "ou", "och", "eller"))
_ENDED = re.compile(r"[.!?:;…。！？：；．][\"'”’»)\]_*」』]*$")
_LONGEST_CLOSING = 20
"""Characters at the end of a line that are looked at for punctuation, brackets and quotation marks."""


_FEW_ASKED = 64


class Hyphens:
    """Decides what becomes of hyphens at line ends, by the words of the book, counted on first use.

    Attributes:
        removed: how many went.
    """

    def __init__(self, book: BookLines) -> None:
        self.removed = 0
        self._book = book
        self._asked = 0

    def join(self, left: str, right: str) -> str:
        """The two lines as one, ``left`` ending in a hyphen after a letter.

        >>> hyphens = Hyphens(BookLines("he came today\\nwell-known men"))
        >>> hyphens.join("they came to-", "day, and")
        'they came today, and'
        >>> hyphens.join("the well-", "known man")
        'the well-known man'
        """
        # No word is longer than 60 letters, and a line may be as long as a book.
        found, follows = _HYPHENATED.search(left[-60:]), _FIRST_WORD.match(right)
        if not found or not follows:
            return left + right
        if follows[0].lower() in _OPEN_HYPHEN:
            return f"{left} {right}"
        first, second = found[1].lower(), follows[0].lower()
        if not second.islower() or follows[0][0].isupper():
            return left + right
        whole, parted = self._count(first + second), self._count(f"{first}-{second}")
        # Written neither way: one word, unless its second half is one elsewhere (here it counts itself).
        one = whole > parted or (
            whole == parted == 0 and not (self._count(first, 1) and self._count(second, 2) > 1)
        )
        if not one:
            return left + right
        self.removed += 1
        return left[:-1] + right

    def _count(self, word: str, most: int = sys.maxsize) -> int:
        """How often the book has a word in small letters, parts of words with hyphens not counted.

        Above ``most`` it may say less.
        """
        self._asked += 1
        # Most books ask for a few words, and to look for those is far cheaper than to list all.
        if self._asked > _FEW_ASKED or self._context_matters:
            return self._words[word]
        return _native.count_word(self._book.lowered, word, most)

    @cached_property
    def _context_matters(self) -> bool:
        """Whether small letters of a word are others by itself than in its text: final sigma, dotted I."""
        return "\u03a3" in self._book.text or "\u0130" in self._book.text

    @cached_property
    def _words(self) -> Counter[str]:
        return Counter(map(str.lower, _TOKEN.findall(self._book.text)))


def block_text(lines: Sequence[str], kind: Kind, hyphens: Hyphens) -> str:
    """The lines of a block as text: a paragraph on one line, what is not prose on its lines. Work is linear.

    Indents of prose and headings go, those of verse, lists and tables stay relative to the block.
    """
    text = [line.rstrip() for line in lines]
    if kind == "prose":
        return _paragraphs(text, hyphens)
    # A caption of full lines was wrapped; shorter lines are names, numbers and credits one below the other.
    if kind == "caption" and len(text) > 1 and min(map(len, text[:-1])) > 50:
        return _paragraphs(text, hyphens)
    if kind in ("heading", "letter", "break", "caption"):
        return "\n".join(line.strip() for line in text)
    indent = min(len(line) - len(line.lstrip()) for line in text)
    return "\n".join(line[indent:] for line in text)


def goes_on(left: str, right: str) -> bool:
    """Whether two blocks of prose are one paragraph that the end of a page has cut.

    >>> goes_on("he had seen the", "elms fall."), goes_on("a receiv-", "ing"), goes_on("They fell.", "and he")
    (True, True, False)
    """
    hyphen = left.endswith("-") and left[-2:-1].isalpha() and right[:1].isalpha()
    return hyphen or (right[:1].islower() and not _ENDED.search(left[-_LONGEST_CLOSING:]))


def _paragraphs(text: list[str], hyphens: Hyphens) -> str:
    indents = [len(line) - len(line.lstrip()) for line in text]
    usual = min(indents[1:], default=0)
    pieces = [text[0].lstrip()]
    for line, indent, before in zip(text[1:], indents[1:], text, strict=False):
        piece = line.lstrip()
        if indent >= usual + (1 if line[:1] == "\u3000" else 2) and _ENDED.search(before):
            pieces += ["\n", piece]
        else:
            append_line(pieces, piece, hyphens)
    return "".join(pieces)


def append_line(pieces: list[str], piece: str, hyphens: Hyphens) -> None:
    """Join one line to the last piece; the last piece stays short so that the whole is linear work."""
    left = pieces[-1]
    if left.endswith("-") and left[-2:-1].isalnum() and piece[:1].isalnum():
        pieces[-1:] = [hyphens.join(left, piece)[: -len(piece)], piece]
    elif _closes_up(left, piece):
        pieces.append(piece)
    else:
        pieces += [" ", piece]


def _closes_up(left: str, right: str) -> bool:
    """Whether nothing stands between two lines of a paragraph: dashes, and scripts without spaces."""
    if left.endswith("--") and not left.endswith("---") and left[-3:-2].strip():
        return True
    if left.endswith("—") and not left.endswith("——") and left[-2:-1].strip():
        return True
    if right.startswith(("--", "—")) and not right.startswith(("---", "——")):
        return not right[1:3].endswith(" ") and left[-1:] not in ".!?"
    return _is_unspaced(left[-1:]) and _is_unspaced(right[:1])


def _is_unspaced(letter: str) -> bool:
    return "\u3000" <= letter <= "\u9fff" or "\uf900" <= letter <= "\ufaff" or "\uff00" <= letter <= "\uff60"
