"""Write native/engine/text/word_tables.inc: what each code point is in a word, and what its case folds to.

    python native/tables/words.py

From the tables of the Python that runs it (`unicodedata`, `str.casefold`); the file says which version of
Unicode that is. Scripts without blanks between words are those of `corpuskit.documents.words`.
"""

from __future__ import annotations

import sys
import unicodedata
from itertools import groupby
from pathlib import Path

from corpuskit.documents.words import APART, JOINERS

OUT = Path(__file__).parents[1] / "engine" / "text" / "word_tables.inc"
KINDS = {"N": "kDigit", "M": "kMark"}


def kind(number: int) -> str:
    """The name of a code point's kind, empty for what stands between words."""
    letter = chr(number)
    category = unicodedata.category(letter)
    if letter in JOINERS:
        return "kJoiner"
    if category[0] in "LN" and any(first <= number <= last for first, last in APART) and category != "Nd":
        return "kApart"
    if category == "Nd":
        return "kDigit"
    return {"L": "kLetter", "N": "kLetter", "M": "kMark"}.get(category[0], "")


def spans() -> list[str]:
    """Runs of code points of one kind."""
    lines = []
    for name, run in groupby(range(0x80, sys.maxunicode + 1), kind):
        numbers = list(run)
        if name:
            lines.append(f"{{0x{numbers[0]:X}, 0x{numbers[-1]:X}, CodePoint::{name}}},")
    return lines


def folds() -> tuple[list[str], list[str]]:
    """Runs of code points that fold to one other at a distance; those that fold to several."""
    simple: list[tuple[int, int]] = []
    several = []
    for number in range(0x80, sys.maxunicode + 1):
        folded = chr(number).casefold()
        if len(folded) > 1:
            points = ", ".join(f"0x{ord(c):X}" for c in folded)
            several.append(f"{{0x{number:X}, {{{points}}}}},")
        elif folded != chr(number):
            simple.append((number, ord(folded) - number))
    lines = []
    while simple:
        first, delta = simple[0]
        best = max((1, 2), key=lambda step: _run(simple, step))
        count = _run(simple, best)
        lines.append(f"{{0x{first:X}, {delta}, {count}, {best}}},")
        gone = {first + best * i for i in range(count)}
        simple = [pair for pair in simple if pair[0] not in gone]
    return lines, several


def _run(simple: list[tuple[int, int]], step: int) -> int:
    known = dict(simple)
    first, delta = simple[0]
    count = 1
    while known.get(first + step * count) == delta:
        count += 1
    return count


def _filled(lines: list[str]) -> str:
    rows, row = [], "   "
    for line in lines:
        if len(row) + 1 + len(line) > 100:
            rows.append(row)
            row = "   "
        row += " " + line
    return "\n".join([*rows, row])


def main() -> None:
    """Write the file."""
    simple, several = folds()
    OUT.write_text(
        f"// Unicode {unicodedata.unidata_version}, written by native/tables/words.py.\n"
        f"constexpr KindSpan kKinds[] = {{\n{_filled(spans())}\n}};\n"
        f"constexpr FoldRun kFolds[] = {{\n{_filled(simple)}\n}};\n"
        f"constexpr Folded kSeveral[] = {{\n{_filled(several)}\n}};\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
