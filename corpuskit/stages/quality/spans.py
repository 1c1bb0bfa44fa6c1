"""Where the words of a text stand."""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from itertools import groupby

_APART = (
    # Scripts without blanks between words: each letter, with the marks on it, stands for a word.
    "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Hiragana, Katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\u0e01-\u0e30\u0e32-\u0e33\u0e40-\u0e46"  # Thai
    "\u0e81-\u0eb0\u0eb2-\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf"  # Lao
    "\u1000-\u102a\u103f\u1780-\u17b3"  # Burmese, Khmer
)


def word_spans(text: str) -> list[tuple[int, int]]:
    """Start and end of each word, in characters."""
    return [found.span() for found in _pattern().finditer(text)]


@functools.cache
def _pattern() -> re.Pattern[str]:
    marks = _marks()
    letter = rf"[^\W_{_APART}]"
    word = rf"(?:{letter}|[{marks}])+"
    inside = rf"(?:['’]{word}|(?<=\d)[.,:](?=\d){word})*"
    return re.compile(rf"[{_APART}][{marks}]*|{letter}[{marks}]*(?:{word})?{inside}")


def _marks() -> str:
    numbers = [n for n in range(sys.maxunicode + 1) if unicodedata.category(chr(n))[0] == "M"]
    ranges = []
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        found = [number for _, number in run]
        ranges.append(f"{chr(found[0])}-{chr(found[-1])}")
    return "".join(ranges)
