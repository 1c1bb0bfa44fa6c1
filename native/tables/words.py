"""Write native/engine/text/word_tables.inc: what each code point is in a word, and what its case folds to.

    python native/tables/words.py

From the tables of the Python that runs it (`unicodedata`, `str.casefold`); the file says which version of
Unicode that is. Scripts without blanks between words are those of `corpuskit.documents.words`.
"""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

from cpp import spans, table

from corpuskit.documents.words import APART, JOINERS

OUT = Path(__file__).parents[1] / "engine" / "text" / "word_tables.inc"


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


def folds() -> tuple[list[str], list[str]]:
    """Runs of code points that fold to one other at a distance; those that fold to several."""
    simple: list[tuple[int, int]] = []
    several = []
    for number in range(0x80, sys.maxunicode + 1):
        folded = chr(number).casefold()
        if len(folded) > 1:
            points = ", ".join(f"0x{ord(c):X}" for c in folded)
            several.append(f"{{0x{number:X}, {{{points}}}}}")
        elif folded != chr(number):
            simple.append((number, ord(folded) - number))
    lines = []
    while simple:
        first, delta = simple[0]
        best = max((1, 2), key=lambda step: _run(simple, step))
        count = _run(simple, best)
        lines.append(f"{{0x{first:X}, {delta}, {count}, {best}}}")
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


def main() -> None:
    """Write the file."""
    simple, several = folds()
    kinds = ["" if number < 0x80 else kind(number) for number in range(sys.maxunicode + 1)]
    named = (f"{{0x{a:X}, 0x{b:X}, CodePoint::{name}}}" for a, b, name in spans(kinds) if name)
    OUT.write_text(
        f"// Unicode {unicodedata.unidata_version}, written by native/tables/words.py.\n"
        + table("kKinds", "KindSpan", named)
        + table("kFolds", "FoldRun", simple)
        + table("kSeveral", "Folded", several),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
