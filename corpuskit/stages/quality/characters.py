"""Classes of characters that the statistics count, as sets of code points.

Categories are those of Unicode as Python's ``unicodedata`` has them. What has no category of its own stands
here as data, so that another implementation can take the same code points.
"""

from __future__ import annotations

import unicodedata
from functools import cache


def _characters(ranges: str) -> frozenset[str]:
    """The characters of ranges in hexadecimal, ``"21 2E-2F"``."""
    bounds = (each.partition("-") for each in ranges.split())
    return frozenset(chr(n) for a, _, b in bounds for n in range(int(a, 16), int(b or a, 16) + 1))


WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
)
"""Unicode's property White_Space, 25 characters: fewer than ``str.isspace``, which takes U+001C to U+001F."""

BULLETS = frozenset("-*•‣⁃⁌⁍∙○●◘◦⦾⦿▪▫■□")
"""What a line of a list begins with: NeMo Curator's marks, hyphen, asterisk and squares. A number is none."""

BRACKETS = frozenset("{}⟨⟩[]()")
"""NeMo Curator's brackets."""

NEMO_ALPHANUMERIC = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789\n?!,.")
"""What NeMo Curator takes for alphanumeric: ASCII letters and digits, four marks and the line feed."""

NEMO_SPACE = frozenset("\t\n\r\b ")
"""What NeMo Curator takes for white space."""

END_MARKS = _characters(
    "21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736"
    " 17D4-17D6 17D9-17DA 1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F"
    " 203C-203D 2047-2049 2E2E 2E3C 2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F"
    " A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52 FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59"
    " 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C"
    " 112A9 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C"
    " 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16E98 1BC9F 1DA88"
)
"""What ends a sentence in any script, 159 characters: Unicode's Sentence_Terminal of version 15 and three
Khmer signs. These are the marks of FineWeb-2 and of datatrove 0.10.1. The ellipsis U+2026 is none."""

FULL_STOPS = frozenset(".\ufe52\uff0e")
"""End marks that also stand in numbers and behind abbreviations."""

CONTINUES = frozenset(
    ",-:;\u055d\u060c\u060d\u07f8\u1802\u1808\u2013\u2014\u3001\ufe10\ufe11\ufe13\ufe31\ufe32\ufe50"
    "\ufe51\ufe55\ufe58\ufe63\uff0c\uff0d\uff1a\uff64"
)
"""Unicode's SContinue (UAX 29): behind an end mark they say that the sentence goes on."""

MARKS_ONLY = END_MARKS | _characters(
    "0-8 B-1F 22-2D 2F 3A-3E 40 5B-60 7B-9F AB B4 BB 2013-2014 2019 201C-201E 2026 2236 2501 25BA 3001"
    " 3008-300D 3010-3011 FF05 FF08-FF09 FF0C FF11 FF1A-FF1B FF5E"
)
"""datatrove 0.10.1's punctuation: a piece between white space that holds nothing else is no word there."""

_CLASSES = {"L": "letters", "M": "marks", "P": "punctuation", "S": "symbols"}


@cache
def classes(character: str) -> tuple[str, ...]:
    """The names of all counts of `Statistics` that a character belongs to.

    >>> classes("Ä"), classes("["), classes("7"), classes("\\u3000")
    (('letters', 'upper'), ('punctuation', 'brackets'), ('digits', 'nemo_alphanumeric'), ('white_space',))
    """
    category = unicodedata.category(character)
    found = [_CLASSES[category[0]]] if category[0] in _CLASSES else []
    belongs = {
        "upper": category in ("Lu", "Lt"),
        "digits": category == "Nd",
        "white_space": character in WHITE_SPACE,
        "brackets": character in BRACKETS,
        "nemo_alphanumeric": character in NEMO_ALPHANUMERIC,
        "nemo_space": character in NEMO_SPACE,
        "hashes": character == "#",
        "curly_brackets": character == "{",
        "line_ends": character == "\n",
    }
    return tuple(found + [name for name, there in belongs.items() if there])
