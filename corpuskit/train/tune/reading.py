"""How a text becomes what a classifier reads, in training and in prediction alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from corpuskit.tokenizer.tokenizer import Tokenizer

LongTexts = Literal["start", "end", "both"]


def text_ids(
    tokenizer: Tokenizer,
    end_of_text: int,
    texts: Sequence[str],
    context: int,
    long_texts: LongTexts = "start",
) -> tuple[npt.NDArray[np.int64], int]:
    """Ids of a text, or of the texts of a pair, as a classifier reads them; and how many were cut away.

    They begin with the token that ends a text, as what a model writes from nothing does, and it stands
    between the texts of a pair. Of a pair that is too long the longer text is cut first.

    Args:
        context: most ids.
        long_texts: what is kept of a text that is too long: its start, its end, or half of each.
    """
    lines = [tokenizer.encode(text) for text in texts]
    room = max(0, context - len(texts))
    keep = shares([len(line) for line in lines], room)
    cut = sum(map(len, lines)) - sum(keep)
    ids: list[int] = []
    for line, count in zip(lines, keep, strict=True):
        ids += [end_of_text, *_kept(line, count, long_texts)]
    return np.array(ids, np.int64), cut


def shares(lengths: Sequence[int], room: int) -> list[int]:
    """How much of each is kept so that all fit: the longest gives first.

    >>> shares([10, 3], 8), shares([10, 9], 8), shares([2, 3], 8)
    ([5, 3], [4, 4], [2, 3])
    """
    kept = list(lengths)
    while (over := sum(kept) - room) > 0:
        longest = max(kept)
        last = max(number for number, each in enumerate(kept) if each == longest)
        others = [each for number, each in enumerate(kept) if number != last]
        # Down to the next shorter one, or by what is too much; where they are equal, half of it each.
        step = longest - max(others, default=0)
        kept[last] -= min(over, step) if step else max(1, over // len(kept))
    return kept


def _kept(line: list[int], count: int, long_texts: LongTexts) -> list[int]:
    if len(line) <= count:
        return line
    if long_texts == "start":
        return line[:count]
    if long_texts == "end":
        return line[len(line) - count :]
    head = (count + 1) // 2
    return line[:head] + line[len(line) - (count - head) :]
