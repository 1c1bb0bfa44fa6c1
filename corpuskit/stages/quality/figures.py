"""Figures that rules compare: counts of `statistics`, or one over another, never as a rounded number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError, nearest

Counts = Mapping[str, npt.NDArray[np.int64]]
"""The columns of `statistics`, each of shape (documents,)."""

Side = Literal["min", "max"]


@dataclass(frozen=True)
class Figure:
    """A count, or a ratio of counts.

    Attributes:
        name: what bounds call it: ``min_NAME``, ``max_NAME``.
        says: what it is, in words.
        count: the statistic that is counted.
        less: statistics that are taken off it.
        over: the statistic that it is held against; empty for a plain count.
        scale: what a count is divided by.
        of_words: whether it says nothing of a text without words: then a rule drops the text as ``no_words``.
    """

    name: str
    says: str
    count: str
    less: tuple[str, ...] = ()
    over: str = ""
    scale: int = 1
    of_words: bool = False

    @property
    def is_share(self) -> bool:
        """Whether it lies between 0 and 1."""
        return bool(self.over) and self.name not in _NO_SHARES

    @property
    def formula(self) -> str:
        """How it is made of statistics.

        >>> figure("mean_word_length").formula, figure("entropy").formula
        ('word_chars / words', 'entropy_millibits / 1000')
        """
        above = " - ".join((self.count, *self.less))
        above = f"({above})" if self.less and self.over else above
        return f"{above} / {self.over or self.scale}" if self.over or self.scale != 1 else above

    def parts(self, counts: Counts) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Numerator and denominator of each document; the denominator may be 0."""
        above = counts[self.count].copy()
        for name in self.less:
            above -= counts[name]
        return above, counts[self.over] if self.over else np.full(len(above), self.scale)

    def beyond(self, counts: Counts, side: Side, limit: Fraction) -> npt.NDArray[np.bool_]:
        """Which documents lie below (``min``) or above (``max``) a limit; whole numbers are compared.

        A ratio to nothing is neither.
        """
        above, below = self.parts(counts)
        left, right = above * limit.denominator, below * limit.numerator
        return (left < right if side == "min" else left > right) & (below > 0)

    def values(self, counts: Counts) -> npt.NDArray[np.float64]:
        """For people to look at: rounded, and 0 where there is nothing to be held against."""
        above, below = self.parts(counts)
        return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)


_NO_SHARES = ("mean_word_length", "hashes_per_word", "ellipses_per_word", "line_ends_per_word")

_FIGURES = (
    Figure("words", "words", "words"),
    Figure("chars", "characters", "chars"),
    Figure("lines", "lines that hold text", "lines"),
    Figure("paragraphs", "paragraphs", "paragraphs"),
    Figure("sentences", "sentences", "sentences"),
    Figure("distinct_words", "different words", "distinct_words"),
    Figure("longest_word", "characters of the longest word", "longest_word"),
    Figure("stop_words", "how many of Gopher's eight words occur", "stop_words"),
    Figure("stop_word_occurrences", "occurrences of Gopher's eight words", "stop_word_occurrences"),
    Figure("curly_brackets", "opening curly brackets", "curly_brackets"),
    Figure("lorem_ipsum", "occurrences of 'lorem ipsum'", "lorem_ipsum"),
    Figure("scripts", "scripts of its letters", "scripts"),
    Figure("entropy", "entropy of its words in bits", "entropy_millibits", scale=1000),
    Figure("median_word_length", "median length of a word", "median_word_length_2", scale=2, of_words=True),
    Figure("mean_word_length", "mean length of a word", "word_chars", over="words", of_words=True),
    Figure("hashes_per_word", "'#' to a word", "hashes", over="tokens", of_words=True),
    Figure("ellipses_per_word", "ellipses to a word", "ellipses", over="tokens", of_words=True),
    Figure("line_ends_per_word", "line ends to a word", "line_ends", over="tokens", of_words=True),
    Figure("alpha_words", "words with a letter", "alpha_words", over="compounds", of_words=True),
    Figure("distinct_share", "different words to all words", "distinct_words", over="tokens", of_words=True),
    Figure("bullet_lines", "lines that begin with a bullet", "bullet_lines", over="split_lines"),
    Figure("ellipsis_lines", "lines that end in an ellipsis", "ellipsis_lines", over="split_lines"),
    Figure("end_mark_lines", "lines that end in an end mark", "end_mark_lines", over="lines"),
    Figure("short_lines", "lines of 30 characters or fewer", "short_lines", over="lines"),
    Figure("dup_lines", "lines that repeat another", "dup_lines", over="repeat_lines"),
    Figure("dup_line_chars", "characters in such lines", "dup_line_chars", over="line_chars"),
    Figure("dup_paragraphs", "paragraphs that repeat another", "dup_paragraphs", over="repeat_paragraphs"),
    Figure(
        "dup_paragraph_chars", "characters in such paragraphs", "dup_paragraph_chars", over="paragraph_chars"
    ),
    Figure(
        "dup_text_line_chars",
        "characters in lines that repeat another, FineWeb's",
        "dup_text_line_chars",
        over="text_line_chars",
    ),
    *(
        Figure(
            f"top_{n}_gram",
            f"characters in the most frequent {n}-gram",
            f"top_{n}_gram_chars",
            over="gram_chars",
        )
        for n in (2, 3, 4)
    ),
    *(
        Figure(
            f"dup_{n}_gram",
            f"characters in {n}-grams that occur twice",
            f"dup_{n}_gram_chars",
            over="gram_chars",
        )
        for n in (5, 6, 7, 8, 9, 10)
    ),
    Figure(
        "non_alphanumeric", "characters outside of NeMo's class", "chars", ("nemo_alphanumeric",), "chars"
    ),
    Figure(
        "symbols_and_spaces",
        "characters that are no letter, mark or digit",
        "chars",
        ("letters", "marks", "digits"),
        "chars",
    ),
    Figure("digits", "digits", "digits", over="chars"),
    Figure("urls", "characters in addresses, NeMo's pattern", "url_chars", over="chars"),
    Figure("whole_urls", "characters in addresses up to the next blank", "whole_url_chars", over="chars"),
    Figure("white_space", "white space, NeMo's class", "nemo_space", over="chars"),
    Figure("brackets", "brackets", "brackets", over="chars"),
    Figure("punctuation", "punctuation", "punctuation", over="chars"),
    Figure("upper", "capitals among the letters", "upper", over="letters"),
    Figure("main_script", "letters of the most frequent script", "main_script_letters", over="letters"),
)

FIGURES: Mapping[str, Figure] = {each.name: each for each in _FIGURES}
"""By name."""


def figure(name: str) -> Figure:
    """The figure of a name. Raises `SettingError` with the nearest known name."""
    if name not in FIGURES:
        raise SettingError(f"no figure is called {name!r}", remedy=nearest(name, FIGURES))
    return FIGURES[name]


_LARGEST = 10**9
"""Of a limit as a fraction, numerator and denominator at most: products with counts stay within 64 bits."""


def exact(owner: str, value: Any) -> Fraction:
    """A limit as it is written: 0.1 is a tenth. Raises `SettingError` for what is no such number.

    >>> exact("max_digits", 0.15)
    Fraction(3, 20)
    """
    try:
        limit = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        limit = Fraction(-1)
    wrong = isinstance(value, bool) or limit < 0 or _LARGEST % limit.denominator
    if wrong or limit.numerator > _LARGEST:
        remedy = "Give a number from 0 on, of at most nine digits: 50, or 0.12."
        raise SettingError(f"{owner}: {value!r} is no limit", remedy=remedy)
    return limit
