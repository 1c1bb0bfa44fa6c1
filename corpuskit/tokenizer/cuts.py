"""Where a text may be cut so that its ids stay what they are, and texts in batches of such pieces."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from corpuskit.documents import texts as cutting
from corpuskit.documents.texts import pieces
from corpuskit.tokenizer import special
from corpuskit.tokenizer.patterns import DIGITS, regex_of

# A blank in front belongs to what follows, and no pretoken goes on behind its letters: so much holds of all.
_WORDS = (
    r"(?<=\S)(?= )|"
    r"(?<=[\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff])(?=[\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f])"
)
_LAST_LINE_FEED = re.compile(rf"(?<=\n)(?=\S)|{_WORDS}")

_OTHERS = {
    "o200k": re.compile(rf"(?<=\n)(?=[^\s/])|{_WORDS}"),
    "gpt2": re.compile(rf"(?<=\S\n)(?=\S)|{_WORDS}"),
}
SAFE = {
    regex_of(name, digits): _OTHERS.get(name, _LAST_LINE_FEED)
    for name in special.PATTERNS
    for digits in (None, *DIGITS)
}
"""Where a text may be cut without changing a pretoken. Llama 3's pattern ends a run of white space at its
last line feed. GPT-2's looks beyond a run of several, so that only a single line feed will do; o200k's takes
slashes behind it to the signs before."""

LINE_END = re.compile(r"(?<=\n)")
LINES_CHARACTERS = 2**20
"""So much of a text that may not be cut anywhere is encoded at once."""

Piece = tuple[str, bool]
"""A piece of a text, and whether it is the last of its text."""


def split_pattern(document: Mapping[str, Any]) -> str | None:
    """The pattern by which a tokenizer.json first cuts a text into pretokens; None where it has none."""
    first = document.get("pre_tokenizer") or {}
    if first.get("type") == "ByteLevel" and first.get("use_regex") and not first.get("add_prefix_space"):
        return special.PATTERNS["gpt2"]  # It cuts by GPT-2's pattern itself.
    step = (first.get("pretokenizers") or [first])[0]
    if step.get("behavior") != "Isolated":
        return None
    pattern: str | None = (step.get("pattern") or {}).get("Regex")
    return pattern


def safe_border(document: Mapping[str, Any]) -> re.Pattern[str] | None:
    """Where texts may be cut; None unless a tokenizer.json cuts them into pretokens by a known pattern.

    Books as a whole would make ``tokenizers`` hold hundreds of times their size, on one core.
    """
    # An added token that is not special is looked for in the text, and a cut could part it.
    added = any(not token.get("special") for token in document.get("added_tokens", []))
    if document.get("normalizer") is not None or added:
        return None
    return SAFE.get(split_pattern(document) or "")


def cut_all(texts: Iterable[str], border: re.Pattern[str] | None) -> Iterator[Piece]:
    """The pieces of texts, one text after the other; a text without a border is one piece."""
    for text in texts:
        if border is None or len(text) <= cutting.PIECE_CHARACTERS:
            yield text, True
            continue
        held = None
        for piece in pieces(text, border):
            if held is not None:
                yield held, False
            held = piece
        yield held or "", True


def batched(items: Iterable[Piece], limit: Callable[[], int]) -> Iterator[list[Piece]]:
    """Pieces in batches that end with the piece that reaches so many bytes, as far as is seen at a glance."""
    batch: list[Piece] = []
    size, most = 0, limit()
    for item in items:
        batch.append(item)
        text = item[0]
        size += len(text) if text.isascii() else 3 * len(text)
        if size >= most:
            yield batch
            batch, size, most = [], 0, limit()
    if batch:
        yield batch


def runs_of(
    sizes: npt.NDArray[np.int64], limit: Callable[[], int], whole: Callable[[], int]
) -> Iterator[tuple[int, int]]:
    """Texts in runs [start, stop) that end with the text that reaches so many bytes.

    Args:
        sizes: bytes of each text.
        limit, whole: asked for each run: its bytes, and those of a text that may have to be cut, which is a
            run of its own.
    """
    ends = np.cumsum(sizes)
    start, count = 0, len(sizes)
    while start < count:
        stop = min(int(np.searchsorted(ends, ends[start] - sizes[start] + limit())) + 1, count)
        long = np.flatnonzero(sizes[start:stop] > whole())
        if len(long):
            stop = start + max(1, int(long[0]))
        yield start, stop
        start = stop
