"""Write native/engine/bpe/letter_tables.inc: what each code point is to the patterns of pretokens.

    python native/tables/pretokens.py

From the regular expressions of `tokenizers`, tried on every code point, so that both agree.
"""

from __future__ import annotations

import sys
from pathlib import Path

import tokenizers
from cpp import spans, table
from tokenizers import Regex, pre_tokenizers

OUT = Path(__file__).parents[1] / "engine" / "bpe" / "letter_tables.inc"
CLASSES = {
    r"\p{Lu}|\p{Lt}": "kUpper",
    r"\p{Ll}": "kLower",
    r"\p{Lm}|\p{Lo}": "kOther",
    r"\p{N}": "kNumber",
    r"\p{M}": "kMark",
    r"\s": "kSpace",
}
NEWEST = {"17.0": 0x16EA0, "16.0": 0x105C0, "15.1": 0x2EBF0, "15.0": 0x11F04, "14.0": 0x10570}
"""A letter that each version of Unicode was the first to have."""

POINTS = [n for n in range(sys.maxunicode + 1) if not 0xD800 <= n < 0xE000]


def members(pattern: str) -> list[int]:
    """The code points that a pattern matches."""
    removed = pre_tokenizers.Split(Regex(pattern), behavior="removed")
    found = []
    # In parts: one text of all code points takes it minutes.
    for first in range(0, len(POINTS), 4096):
        part = POINTS[first : first + 4096]
        left = {ord(c) for piece, _ in removed.pre_tokenize_str("".join(map(chr, part))) for c in piece}
        found += [n for n in part if n not in left]
    return found


def main() -> None:
    """Write the file."""
    kinds = {number: name for pattern, name in CLASSES.items() for number in members(pattern)}
    found = spans([kinds.get(number, "") for number in range(sys.maxunicode + 1)])
    unicode = next(version for version, point in NEWEST.items() if point in kinds)
    version = f"tokenizers {tokenizers.__version__}"
    OUT.write_text(
        f"// As {version} has them, written by native/tables/pretokens.py.\n"
        f'constexpr char kUnicode[] = "{unicode}";\n'
        + table("kSpans", "LetterSpan", (f"{{0x{a:X}, 0x{b:X}, {name}}}" for a, b, name in found if name)),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
