"""How many sentences a paragraph has, in any script."""

from __future__ import annotations

import unicodedata
from functools import cache

from corpuskit.stages.quality.characters import CONTINUES, END_MARKS, FULL_STOPS, WHITE_SPACE

_CLOSE = frozenset({"Ps", "Pe", "Pi", "Pf"})


def count_sentences(text: str) -> int:
    """Sentences of a paragraph, by a short form of Unicode's rules (UAX 29, SB6 to SB11).

    A sentence ends behind a run of end marks (`characters.END_MARKS`), with the quotation marks and brackets
    that close it, and at the end of the text. It goes on all the same

    - where a comma, colon, semicolon, hyphen or dash, or behind white space another end mark follows
      (SB8a; what follows is looked at behind the closing marks and white space);
    - behind full stops (`characters.FULL_STOPS`) alone, where no white space follows ("3.50", "example.org"),
      or where the next letter is a small one (category Ll), whatever but an end mark stands before it (SB7,
      SB8: "10 a.m. and").

    So "Mr. Hale" is parted, as Unicode parts it: abbreviations are not known. A line feed is white space (SB4
    would part there): a broken line does not end a sentence. A sentence without letter or digit is none.
    The time is linear in the text.

    >>> count_sentences("It cost 3.50 at 10 a.m. and no more. Really?! “Yes.” He left")
    4
    >>> count_sentences("为什么？好。")
    2
    """
    count, at, size, worded = 0, 0, len(text), False
    while at < size:
        character = text[at]
        if character not in END_MARKS:
            worded = worded or is_word_character(character)
            at += 1
            continue
        stops_alone = True
        while at < size and text[at] in END_MARKS:
            stops_alone, at = stops_alone and text[at] in FULL_STOPS, at + 1
        while at < size and _closes(text[at]):
            at += 1
        spaced = at
        while at < size and text[at] in WHITE_SPACE:
            at += 1
        if at < size and (text[at] in CONTINUES or text[at] in END_MARKS):
            continue
        if at < size and stops_alone and (at == spaced or _small_letter_follows(text, at)):
            continue
        count, worded = count + worded, False
    return count + worded


@cache
def is_word_character(character: str) -> bool:
    """Whether it is a letter or a digit of any script: categories L and Nd."""
    category = unicodedata.category(character)
    return category[0] == "L" or category == "Nd"


@cache
def _closes(character: str) -> bool:
    return character in "\"'" or unicodedata.category(character) in _CLOSE


def _small_letter_follows(text: str, at: int) -> bool:
    """Whether the first letter from here on, before any end mark, is a small one."""
    while at < len(text):
        character = text[at]
        category = unicodedata.category(character)
        if category[0] == "L":
            return category == "Ll"
        if character in END_MARKS:
            return False
        at += 1
    return False
