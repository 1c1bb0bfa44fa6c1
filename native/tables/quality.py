"""Write native/engine/quality/character_tables.inc: what the statistics ask of each code point.

    python native/tables/quality.py

From `corpuskit.stages.quality` and the tables of the Python that runs it (`unicodedata`); the file says which
version of Unicode that is.
"""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

from cpp import numbered, table

from corpuskit.stages.quality import characters as sets
from corpuskit.stages.quality.scripts import script_of

OUT = Path(__file__).parents[1] / "engine" / "quality" / "character_tables.inc"
_CLOSE = ("Ps", "Pe", "Pi", "Pf")


def flags(letter: str) -> int:
    """The classes of a character, a bit each in the order of `Flag` in characters.hpp."""
    category = unicodedata.category(letter)
    belongs = (
        *(category[0] == first for first in "LM"),
        category == "Nd",
        *(category[0] == first for first in "PS"),
        category in ("Lu", "Lt"),
        category == "Ll",
        letter in sets.WHITE_SPACE,
        letter.isspace(),
        letter in sets.END_MARKS,
        letter in sets.FULL_STOPS,
        letter in sets.CONTINUES,
        letter in sets.BULLETS,
        letter in "\"'" or category in _CLOSE,
        letter in sets.MARKS_ONLY,
        letter in sets.BRACKETS,
        letter in sets.NEMO_ALPHANUMERIC,
        letter in sets.NEMO_SPACE,
        letter == "#",
        letter == "{",
        letter == "\n",
        letter == "…",
        len(f"{letter}x".splitlines()) > 1,
        letter in "•-",
    )
    return sum(1 << bit for bit, there in enumerate(belongs) if there)


def kinds() -> list[tuple[int, int]]:
    """Flags and script of each code point; scripts are numbered from 1, 0 is for what is no letter."""
    letters = map(chr, range(sys.maxunicode + 1))
    scripts: dict[str, int] = {}
    found = []
    for letter in letters:
        bits = flags(letter)
        script = scripts.setdefault(script_of(letter), len(scripts) + 1) if bits & 1 else 0
        found.append((bits, script))
    return found


def main() -> None:
    """Write the file."""
    found, runs = numbered(kinds())
    OUT.write_text(
        f"// Unicode {unicodedata.unidata_version}, written by native/tables/quality.py.\n"
        + table("kKinds", "CharacterKind", (f"{{0x{bits:X}, {script}}}" for bits, script in found))
        + table("kRuns", "Run", runs),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
