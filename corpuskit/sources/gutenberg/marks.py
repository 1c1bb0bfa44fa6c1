"""Marks that volunteers put into plain text for what print had: italics, page numbers, illustrations, notes.

``_italics_``, ``=bold=``, ``+spaced out+``, ``~spaced out~``; ``[Pg 12]``, ``{12}``, ``[p. 12]`` and lines
that are only a number; ``[Illustration: caption]``; ``[1]`` and ``[Footnote 1: ...]``. A mark is
only taken for one where it stands as one: an underscore inside of a word, an address or a name of a file
stays, and numbers are pages only when they count up through the book.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from corpuskit.sources.gutenberg.blocks import TextBlock
from corpuskit.sources.gutenberg.rules import is_image_file
from corpuskit.sources.gutenberg.shape import Kind


@dataclass(frozen=True)
class MarkOptions:
    """What becomes of marks; fields as the settings of `Gutenberg` of the same names."""

    emphasis: Literal["unwrap", "keep"] = "unwrap"
    illustrations: Literal["caption", "remove", "keep"] = "caption"
    footnotes: Literal["keep", "remove"] = "keep"
    page_numbers: Literal["remove", "keep"] = "remove"


_BETWEEN = r"(?<![\w{m}]){m}(?=[^\s{m}])([^{m}]*[^\s{m}]){m}(?![\w{m}])"
# The second form is punctuation that alone is in italics.
_EMPHASIS = (
    ("_", "italics", re.compile(_BETWEEN.format(m="_"))),
    ("_", "italics", re.compile(r"(?<=\w)_([.,;:!?]{1,3})_(?!\w)")),
    ("=", "bold", re.compile(_BETWEEN.format(m="="))),
    ("~", "spaced_out", re.compile(_BETWEEN.format(m="~"))),
    ("+", "spaced_out", re.compile(r"(?<![\w+])\+(?=[^\W\d])([^+]*[^\W\d][.,;:!?]?)\+(?![\w+])")),
)
_MAX_EMPHASIS = 4_000
"""Characters between two marks: beyond them the second one opens, because the first was never closed."""
_ADDRESS = re.compile(r"[/@\\]|www\.")
_PAGE = re.compile(
    r"[\[{(](?:pg|page|pp?|seite|s|bl[sz]|pág|pag|sivu|str)\b\.? ?(?:\d{1,4}|[ivxlc]{1,8})[a-z]?\.?[\]})] ?",
    re.IGNORECASE,
)
_BRACED = re.compile(r"\{(\d{1,4})\} ?")
_LONE = re.compile(r"[\[{(|~ -]*(?:(?:page|pg|p)\b\.? *)?(\d{1,4})[\]})|~ .-]*", re.IGNORECASE)
_LEAST_PAGES = 20
"""Numbers below which a row that counts up may be of chapters, stanzas or notes."""
_REFERENCE = re.compile(r" ?\[(?:\d{1,4}|[A-Z]|\*+|†|‡|footnote \w{1,4})\]", re.IGNORECASE)
_NOTE = re.compile(r"\s*\[(?:footnote\b|\d{1,4}\]|[A-Z]\]|\*+\])", re.IGNORECASE)
_NOTES_HEADING = re.compile(r"\W*(?:foot)?notes?\W*", re.IGNORECASE)
_CAPTION = re.compile(r"[_* ]*\[?[_* ]*(?:illustration|picture|image)\s*(?:\(\w+\))?[\s:.]*", re.IGNORECASE)


class Marks:
    """Takes the marks out of one block after the other.

    Attributes:
        cut: bytes taken, by reason.
        took_page: whether the number of a page was all of the last block.
    """

    def __init__(self, options: MarkOptions, lines: Sequence[str], blocks: Sequence[TextBlock]) -> None:
        self.cut: Counter[str] = Counter()
        self.took_page = False
        self._options = options
        remove = options.page_numbers == "remove"
        self._lone_pages = _lone_pages(lines, blocks) if remove else frozenset()
        self._braced_pages = remove and _count_up([int(n) for line in lines for n in _BRACED.findall(line)])
        self._open_note = False

    def take(self, text: str, block: TextBlock) -> str:
        """The block's text without its marks; empty when nothing is left of it."""
        kind = block.kind
        self.took_page = block.first in self._lone_pages
        if self.took_page:
            return self._drop(text, "page_numbers")
        if kind == "caption" or is_image_file(text):
            return self._caption(text)
        if self._options.footnotes == "remove" and self._is_note(text, kind):
            return self._drop(text, "footnotes")
        if self._options.page_numbers == "remove":
            text = self._sub(_PAGE, "", text, "page_numbers") if text.count("[") or "{" in text else text
            text = self._sub(_BRACED, "", text, "page_numbers") if self._braced_pages else text
            self.took_page = not text
        if self._options.footnotes == "remove" and "[" in text:
            text = self._sub(_REFERENCE, "", text, "footnotes")
        if self._options.emphasis == "unwrap" and kind != "table":
            text = self._unwrap(text)
        return text

    def _drop(self, text: str, reason: str) -> str:
        self.cut[reason] += len(text.encode("utf-8"))
        return ""

    def _sub(self, pattern: re.Pattern[str], by: str, text: str, reason: str) -> str:
        out = pattern.sub(by, text)
        self.cut[reason] += len(text.encode("utf-8")) - len(out.encode("utf-8")) if out != text else 0
        return out

    def _unwrap(self, text: str) -> str:
        for mark, reason, pattern in _EMPHASIS:
            if mark in text:
                out = pattern.sub(_inner, text)
                self.cut[reason] += len(text) - len(out)
                text = out
        return text

    def _caption(self, text: str) -> str:
        """The words of a caption, without the brackets and the word before them."""
        if self._options.illustrations == "keep":
            return text
        head = _CAPTION.match(text)
        words = text[head.end() :].strip() if head else text.strip()
        closes = words.count("]") > words.count("[")
        words = words[: words.rindex("]")] + words[words.rindex("]") + 1 :] if closes else words
        words = words.strip()
        if self._options.illustrations == "remove" or is_image_file(words) or not re.search(r"\w", words):
            words = ""
        self.cut["illustrations"] += len(text.encode("utf-8")) - len(words.encode("utf-8"))
        return self._unwrap(words) if self._options.emphasis == "unwrap" else words

    def _is_note(self, text: str, kind: Kind) -> bool:
        """Whether a block is a footnote, or one of several blocks of it."""
        if kind == "heading":
            self._open_note = False
            return bool(_NOTES_HEADING.fullmatch(text))
        if _NOTE.match(text) or self._open_note:
            self._open_note = text.count("[") > text.count("]")
            return True
        return False


def _inner(found: re.Match[str]) -> str:
    """What stands between two marks, unless they are part of an address or far apart."""
    text, start = found.string, found.start()
    near = max(0, start - 80)  # an address is a word; looking further back would be quadratic
    word = text[max(text.rfind(" ", near, start), text.rfind("\n", near, start), near - 1) + 1 : start]
    if len(found[1]) > _MAX_EMPHASIS or _ADDRESS.search(word):
        return found[0]
    return found[1]


def _count_up(numbers: Sequence[int]) -> bool:
    """Whether numbers are those of pages: many, and nearly always the next one."""
    # A page without a number makes a step of two; one number in ten may be misread.
    steps = sum(1 for a, b in pairwise(numbers) if 1 <= b - a <= 2)
    return len(numbers) >= _LEAST_PAGES and steps * 10 >= 9 * (len(numbers) - 1)


def _lone_pages(lines: Sequence[str], blocks: Sequence[TextBlock]) -> frozenset[int]:
    """First lines of the blocks that are only the number of a page.

    Chapters and stanzas are numbered too: numbers are of pages when they count up and often stand in the
    middle of a sentence, or in brackets.
    """
    found = []
    broken = bracketed = 0
    for i, block in enumerate(blocks):
        if block.stop - block.first == 1 and (lone := _LONE.fullmatch(lines[block.first])):
            found.append((block.first, int(lone[1])))
            bracketed += lines[block.first].lstrip()[:1] in "[{"
            broken += i > 0 and lines[blocks[i - 1].stop - 1].rstrip()[-1:].isalpha()
    if not _count_up([number for _, number in found]) or (broken + bracketed) * 5 < len(found):
        return frozenset()
    return frozenset(first for first, _ in found)
