"""Precision and recall of words against rendered pages.

The truth is what a reader sees of the page in a browser, read from the HTML by
`benchmarks.peers.rendered_html`, which says what belongs to which part of the page. A `Choice` says which
parts a text must hold (the *asked* words) and which it may hold or not (the *free* ones), alike for every
tool; what stands in neither is counted against a tool that writes it. With c_out, c_asked and c_free the
counts of one word,

    recall    = sum of min(c_out, c_asked) / sum of c_asked
    precision = sum of min(c_out, c_asked + c_free) / sum of c_out

Beside single words, *pairs* of words that are neighbours within a block (a paragraph, an item, a heading)
are counted in the same way: a text that lost its order or has holes loses pairs. A word is a run of letters
or a run of digits after NFKC (``m²`` is ``m`` and ``2``, as ``m<sup>2</sup>`` is); digits that a space
groups in threes are one number; ``n°`` is ``no``, as ``n<sup>o</sup>`` is; case counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Block = tuple[str, str]
"""The part of the page, and the text of a block of it."""

_WORD = re.compile(r"[^\W\d_]+|\d+")
_NUMERO = re.compile(r"\b([nN])°")
_GROUPED = re.compile(r"(?<=\d)[  \u202f\u2009](?=\d{3}(?!\d))")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")


@dataclass(frozen=True)
class Choice:
    """What of a page a text must hold.

    Attributes:
        name: What rows call it.
        asked: Parts that must be there.
        free: Parts that neither help nor harm.
    """

    name: str
    asked: frozenset[str]
    free: frozenset[str]


PROSE = Choice(
    "prose",
    frozenset({"prose"}),
    frozenset({"table", "infobox", "caption", "hatnote", "folded", "apparatus"}),
)
ALL = Choice(
    "prose, tables, infobox, captions, bibliography",
    frozenset({"prose", "table", "infobox", "caption", "folded", "apparatus"}),
    frozenset({"hatnote"}),
)


@dataclass(frozen=True)
class Agreement:
    """Words of a text and of the truth, and how many of them agree.

    Attributes:
        found: Asked words that the text holds.
        asked: Asked words.
        true: Words of the text that are asked or free.
        written: Words of the text.
    """

    found: int
    asked: int
    true: int
    written: int

    @property
    def recall(self) -> float:
        """Share of the asked words that the text holds, in percent."""
        return 100 * self.found / self.asked if self.asked else 100.0

    @property
    def precision(self) -> float:
        """Share of the words of the text that the page holds, in percent."""
        return 100 * self.true / self.written if self.written else 100.0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            self.found + other.found,
            self.asked + other.asked,
            self.true + other.true,
            self.written + other.written,
        )


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared."""
    plain = _INVISIBLE.sub("", unicodedata.normalize("NFKC", _GROUPED.sub("", text)))
    return _WORD.findall(_NUMERO.sub(r"\1o", _GROUPED.sub("", plain)))


def pairs_of(blocks: Iterable[str]) -> Counter[tuple[str, str]]:
    """How often two words are neighbours within a block."""
    found: Counter[tuple[str, str]] = Counter()
    for block in blocks:
        words = words_of(block)
        found.update(pairwise(words))
    return found


def agree(text: str, blocks: Sequence[Block], choice: Choice, *, pairs: bool = False) -> Agreement:
    """Compare a text with the blocks of its page."""

    def count(texts: Iterable[str]) -> Counter[str] | Counter[tuple[str, str]]:
        return pairs_of(texts) if pairs else Counter(word for text in texts for word in words_of(text))

    asked = count(text for part, text in blocks if part in choice.asked)
    free = count(text for part, text in blocks if part in choice.free)
    out = count(text.split("\n"))
    found = sum(min(times, asked[key]) for key, times in out.items())  # type: ignore[index]
    true = sum(min(times, asked[key] + free[key]) for key, times in out.items())  # type: ignore[index]
    return Agreement(found, sum(asked.values()), true, sum(out.values()))


def differences(
    text: str, blocks: Sequence[Block], choice: Choice
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Words that are missing in a text, and words that are too many, each with their number, most first."""
    asked = Counter(w for part, text in blocks if part in choice.asked for w in words_of(text))
    free = Counter(w for part, text in blocks if part in choice.free for w in words_of(text))
    out = Counter(words_of(text))
    return (asked - out).most_common(), (out - asked - free).most_common()
