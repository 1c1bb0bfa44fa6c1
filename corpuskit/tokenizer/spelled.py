"""Documents that spell a special token. It stays text there, and whoever builds should know of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc


class Spelled:
    """Finds texts in which one of some special tokens is spelled.

    >>> Spelled(["<|pad|>", "<s>"]).count(pa.array(["a <|pad|>", "a pad", "<s><s>"]))
    2
    """

    def __init__(self, names: Iterable[str]) -> None:
        # The longest first, so that equal beginnings do not matter; RE2 makes one automaton of all.
        ordered = sorted(filter(None, names), key=lambda name: (-len(name), name))
        self._pattern = "|".join(map(_quoted, ordered))

    def count(self, texts: pa.Array) -> int:
        """How many of the texts do."""
        if not self._pattern:
            return 0
        found = pc.sum(pc.match_substring_regex(texts, self._pattern)).as_py()
        return int(found or 0)


def told(documents: int) -> list[str]:
    """A sentence where documents do."""
    if not documents:
        return []
    who = "1 document spells" if documents == 1 else f"{documents} documents spell"
    return [f"tokenizer: {who} a special token, e.g. <|endoftext|>: it stays text there"]


def _quoted(name: str) -> str:
    """A name as RE2 takes it literally: it knows no escapes of letters beyond ASCII."""
    return re.sub(r"([^\w\s]|_)", lambda found: f"\\{found[0]}" if found[0].isascii() else found[0], name)
