"""What a word is, for every script: what is counted, measured, compared and looked for word by word.

The one definition, after the word borders of Unicode (UAX 29), with what matters to a corpus settled:

- Letters, digits and the marks on them are one word (``हिन्दी``, ``don't``, ``v2``). A mark belongs to the
  letter before it; a mark alone is none. Joiners (U+200C, U+200D) and soft hyphens within a word are part of
  it, though not of what is compared.
- An apostrophe, a middle dot or a geresh between letters or digits stays within the word (``l'eau``,
  ``col·lecció``, ``צה״ל``); a full stop, comma or colon stays between two digits (``1,300.50``,
  ``12:30``). Hyphens, underscores and every other sign part words.
- In scripts that put no blanks between words (`APART`: Han, kana, Thai, Lao, Khmer, Burmese, Tibetan,
  Javanese and their kin) each letter, with the marks on it, is a word: of such a text there are more words
  than a reader would count. Digits of these scripts make numbers, as others do.

`words` gives them in lower case for comparisons; `word_spans` says where they stand. The engine has the same
(``native/engine/text/segment.hpp``), which `fold_words` hands out for whole columns of texts.
"""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from collections.abc import Callable
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpuskit import _native
from corpuskit.documents.columns import from_engine, to_engine

APART = (
    (0x0E00, 0x0E7F),  # Thai
    (0x0E80, 0x0EFF),  # Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x3005, 0x3007),  # Ideographic repetition and zero
    (0x3021, 0x303B),  # Hangzhou numerals
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xA000, 0xA48F),  # Yi
    (0xA980, 0xA9FF),  # Javanese, Burmese
    (0xAA60, 0xAADF),  # Burmese, Tai Viet
    (0xF900, 0xFAFF),  # Han
    (0xFF66, 0xFF9F),  # Katakana of half width
    (0x11700, 0x1174F),  # Ahom
    (0x1AFF0, 0x1B16F),  # Kana
    (0x20000, 0x3FFFF),  # Han
)
"""Blocks of the scripts whose letters are a word each: those that Unicode breaks a line in by dictionary or
at any letter (UAX 14), Tibetan with them, whose syllables are parted but whose words are not."""

JOINERS = "\u00ad\u200c\u200d\u2060"
"""Within a word and no part of what it says: soft hyphen, zero-width non-joiner and joiner, word joiner."""

_MIDDLE = "'’·\u2027\u05f3\u05f4"
_POINTS = ".,:\u066b\u066c"
_PLAIN = str.maketrans("’", "'", JOINERS)


def words(text: str) -> list[str]:
    """The words of a text in the form in which they are compared: NFC, case folded, without joiners.

    >>> words("Don't panic: 42 हिन्दी, 1,300.50!"), words("2016年 日本語 text")
    (["don't", 'panic', '42', 'हिन्दी', '1,300.50'], ['2016', '年', '日', '本', '語', 'text'])
    """
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    return [word.casefold().translate(_PLAIN) for word in pattern().findall(text)]


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where each word of a text begins and ends, in characters of the text as it stands.

    >>> [("It's 3:30, ok"[first:last]) for first, last in word_spans("It's 3:30, ok")]
    ["It's", '3:30', 'ok']
    """
    return [found.span() for found in pattern().finditer(text)]


class FoldedWords(NamedTuple):
    """The words of a column of texts, one behind the other.

    Attributes:
        ends: int64 of shape (texts + 1,); text i has the words ``ends[i]`` to ``ends[i + 1]``.
        spans: int64 of shape (words, 2); first byte and end of each in its text, as UTF-8.
        folded: each in the form in which it is compared.
    """

    ends: npt.NDArray[np.int64]
    spans: npt.NDArray[np.int64]
    folded: pa.LargeStringArray


def fold_words(texts: pa.LargeStringArray) -> FoldedWords:
    """The words of each text as `words` gives them, by the engine, with their places.

    Args:
        texts: UTF-8; in NFC, where canonically equal texts shall have equal words.

    >>> found = fold_words(pa.array(["Two fish", ""], pa.large_string()))
    >>> found.ends.tolist(), found.spans.tolist(), found.folded.to_pylist()
    ([0, 2, 2], [[0, 3], [4, 8]], ['two', 'fish'])
    """
    ends, spans, folded = _native.fold_words(to_engine(texts, "texts"))
    return FoldedWords(ends, spans, from_engine(folded))


@functools.cache
def pattern() -> re.Pattern[str]:
    """A word as it is written. Made when it is first asked for: looking for all marks takes time."""
    marks = _class(lambda letter: unicodedata.category(letter)[0] == "M") + JOINERS
    apart = _class(
        lambda letter: (
            letter.isalnum() and not letter.isdecimal() and any(a <= ord(letter) <= b for a, b in APART)
        )
    )
    letter = rf"[^\W_{apart}]"
    inside = rf"{letter}|[{marks}]|[{_MIDDLE}](?={letter})|(?<=\d)[{_POINTS}](?=\d)"
    return re.compile(rf"[{apart}][{marks}]*|{letter}(?:{inside})*")


def _class(belongs: Callable[[str], bool]) -> str:
    """All characters for which something holds, as ranges of a character class."""
    numbers = [n for n in range(sys.maxunicode + 1) if belongs(chr(n))]
    ranges = []
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        found = [number for _, number in run]
        ranges.append(f"{chr(found[0])}-{chr(found[-1])}")
    return "".join(ranges)
