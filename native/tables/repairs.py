"""Write native/engine/normalize/repair_tables.inc: what ftfy may change, character by character.

    python native/tables/repairs.py

From ftfy's own tables and its own measure of what looks wrongly decoded (`ftfy.badness`), and from the tables
of the Python that runs it (`unicodedata`); the file says which versions those are. The measure is a regular
expression of alternatives that are short and of bounded length: each becomes a row of sets of characters,
which the engine follows all at once, a bit for each place (Baeza-Yates and Gonnet, 1992).
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser
from typing import Any

import ftfy
from cpp import numbered, table
from ftfy import chardata
from ftfy.badness import BADNESS_RE

from corpuskit.stages.normalize.repair import repair_rules

OUT = Path(__file__).parents[1] / "engine" / "normalize" / "repair_tables.inc"
LAST = sys.maxunicode

Set = frozenset[int]

NO_WORD = ("Cc", "Cf", "P", "S", "Z")
"""Categories of what is no letter, digit or mark."""

WORD: Set = frozenset(
    n for n in range(LAST + 1) if not unicodedata.category(chr(n)).startswith(NO_WORD) or n == ord("_")
)
"""What may be ``\\w`` in any version of Unicode: also marks and what is not assigned yet."""

ANY: Set = frozenset(range(LAST + 1))
SPACE: Set = frozenset(n for n in range(LAST + 1) if chr(n).isspace())


def characters(items: Iterable[tuple[Any, Any]]) -> Set:
    """The characters that a class of a regular expression names."""
    found: set[int] = set()
    negated = False
    for kind, value in items:
        if kind is codes.NEGATE:
            negated = True
        elif kind is codes.LITERAL:
            found.add(value)
        elif kind is codes.RANGE:
            found.update(range(value[0], value[1] + 1))
        elif kind is codes.CATEGORY:
            found |= {codes.CATEGORY_WORD: WORD, codes.CATEGORY_SPACE: SPACE}[value]
        else:
            raise ValueError(f"ftfy's measure holds {kind}, which is not known here")
    return ANY - found if negated else frozenset(found)


def alternatives(tree: Any) -> list[list[Set | None]]:
    """All rows of sets that a regular expression stands for; None is the start of the text."""
    rows: list[list[Set | None]] = [[]]
    for kind, value in tree:
        if kind is codes.BRANCH:
            more = [row for branch in value[1] for row in alternatives(branch)]
        elif kind is codes.MAX_REPEAT and value[:2] == (0, 1):
            more = [[], *alternatives(value[2])]
        elif kind is codes.IN:
            more = [[characters(value)]]
        elif kind is codes.LITERAL:
            more = [[frozenset({value})]]
        elif kind is codes.ANY:
            more = [[ANY - {ord("\n")}]]
        elif kind is codes.AT and value is codes.AT_BEGINNING:
            more = [[None]]
        else:
            raise ValueError(f"ftfy's measure holds {kind}, which is not known here")
        rows = [row + end for row in rows for end in more]
    return rows


class Places:
    """The places of all alternatives as bits of two numbers of 64 bits."""

    def __init__(self, rows: list[list[Set | None]]) -> None:
        self.sets: list[tuple[int, Set]] = []
        self.first, self.last, self.at_start = [0, 0], [0, 0], [0, 0]
        used = [0, 0]
        # What is found at the start alone comes first, so that no other place moves into it.
        for row in sorted(rows, key=lambda row: row[0] is not None):
            sets = [each for each in row if each is not None]
            if all(min(each) < 0x80 for each in sets):
                raise ValueError("ftfy's measure finds something in ASCII, which the engine passes over")
            if len(sets) > 7:
                raise ValueError("ftfy's measure looks at more characters than the engine does")
            half = 0 if used[0] + len(sets) <= 64 else 1
            begin, used[half] = used[half], used[half] + len(sets)
            (self.at_start if row[0] is None else self.first)[half] |= 1 << begin
            self.last[half] |= 1 << (used[half] - 1)
            self.sets += [(64 * half + begin + i, each) for i, each in enumerate(sets)]
        if used[1] > 64:
            raise ValueError("ftfy's measure has more places than two numbers have bits")


def composites() -> dict[tuple[int, int], int]:
    """Pairs that the composed form writes as one character, without the syllables of Hangul."""
    found = {}
    for n in range(LAST + 1):
        parts = unicodedata.decomposition(chr(n)).split()
        if len(parts) == 2 and parts[0][0] != "<" and unicodedata.is_normalized("NFC", chr(n)):
            found[int(parts[0], 16), int(parts[1], 16)] = n
    return found


def flags(n: int, seconds: set[int]) -> int:
    """Why ftfy may change a character by itself; the names of the bits are those of repair.cpp."""
    letter = chr(n)
    why = 0
    if letter in "\r\x1b\u2028\u2029" or 0x80 <= n <= 0x9F or 0xD800 <= n <= 0xDFFF:
        why |= 1
    why |= 2 * (n in chardata.CONTROL_CHARS) | 4 * (n in chardata.LIGATURES)
    why |= 8 * (n in chardata.WIDTH_MAP)
    why |= 16 * bool(chardata.SINGLE_QUOTE_RE.match(letter) or chardata.DOUBLE_QUOTE_RE.match(letter))
    composed = unicodedata.normalize("NFC", letter)
    why |= 32 * (composed != letter) | 64 * (n in seconds)
    # What another version of Unicode may know more of.
    return why | 128 * (unicodedata.category(letter) == "Cn")


def kinds(places: Places, seconds: set[int]) -> list[tuple[int, ...]]:
    """Of each code point: two numbers of places, flags, combining class, that of its last part."""
    masks = [[0, 0] for _ in range(LAST + 1)]
    for place, each in places.sets:
        for n in each:
            masks[n][place // 64] |= 1 << place % 64
    found = []
    for n in range(LAST + 1):
        last = unicodedata.normalize("NFD", chr(n))[-1]
        why = (*masks[n], flags(n, seconds), unicodedata.combining(chr(n)), unicodedata.combining(last))
        found.append(why)
    return found


def main() -> None:
    """Write the file."""
    places = Places(alternatives(parser.parse(BADNESS_RE.pattern, re.VERBOSE)))
    pairs = composites()
    seconds = {second for _, second in pairs} | {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}
    found, runs = numbered(kinds(places, seconds))
    ends = [f"0x{mask[half]:X}" for mask in (places.first, places.at_start, places.last) for half in (0, 1)]
    text = [
        f"// ftfy {ftfy.__version__}, Unicode {unicodedata.unidata_version}, written by"
        " native/tables/repairs.py.\n",
        f'constexpr char kRules[] =\n    "{repair_rules()}";\n',
        table("kEnds", "std::uint64_t", ends),
        table("kKinds", "Kind", [f"{{0x{a:X}, 0x{b:X}, {c}, {d}, {e}}}" for a, b, c, d, e in found]),
        table("kRuns", "Run", runs),
        table("kPairs", "Pair", [f"{{0x{a:X}, 0x{b:X}}}" for a, b in sorted(pairs)]),
    ]
    OUT.write_text("".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
