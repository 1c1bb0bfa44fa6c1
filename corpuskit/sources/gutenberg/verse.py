"""How much a block of a Gutenberg book looks like verse and not like prose: a scored model.

The score is a sum of features, each a number that a reader can check against the lines, times the weights of
`WEIGHTS`; above zero it is verse. It is the logarithm of the odds: at 2, verse is seven times as likely as
prose. The weights were fitted by logistic regression (ridge 0.5) on the blocks of two lines and more that are
prose or verse in ``tests/cases/gutenberg_blocks.tsv`` (the rows "tune", "test", "tune2"), and rounded;
"lower" and "ragged" were then moved towards verse whose lines begin with small letters (Romance verse). Each
feature lowers the loss on books left out (ten parts).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from corpuskit.sources.gutenberg.shape import CHAPTER, Beside, BookShape, Lines

WEIGHTS = {
    "bias": -1.5,
    "short": -0.9,  # two or three lines: most such blocks are a paragraph's
    "capitals": 1.1,  # lines that begin with a capital in mid-sentence, at most four
    "lower": -0.9,  # lines that begin with a small letter there, at most two: some verse does too
    "fits": 2.3,  # share of the line ends at which the next word would have fitted
    "unfilled": 2.2,  # how much shorter lines are than the book's width, on average
    "short_unfilled": 1.2,  # the same again for two or three lines
    "ended": 1.5,  # share of the line ends with punctuation
    "ragged": 2.9,  # four lines and more, shorter than a wrap makes them
    "full": -4.0,  # four lines and more, as wide as the book: no next word had fitted (names make capitals)
    "inset": 1.4,  # further in than all lines but the first of a paragraph of the book
    "inset_short": 1.0,  # two or three such lines with room for more, but for what somebody wrote
    "inset_as_prose": -1.8,  # but so is a sure paragraph near it
    "quote_flush": -1.3,  # speech: begins with a quotation mark and is not inset
    "beside_verse": 1.4,  # sure verse near it is as far in
}
"""Weight by feature, in natural logarithms of odds."""

_NEAR, _SURE = 2, 1.0
"""Blocks that a neighbour may be away, and the score from which it is sure of itself."""
_STOP_INSIDE = re.compile(r"[.!?]\s+[^\W\d_]")
_MAX_CAPITALS, _MAX_LOWER = 4, 2
"""Lines that begin with a capital, or with a small letter, beyond which more of them prove no more."""


def verse_score(block: Lines, shape: BookShape) -> float:
    """Above zero for verse, below for prose, far from zero when it is sure; zero for a single line.

    The score of a block alone, to which `beside_score` is added.
    """
    if len(block.text) < 2:
        return 0.0
    # Not by `sum`, which from Python 3.12 on rounds otherwise: the engine adds in this order, too.
    score = 0.0
    for name, value in features(block, shape).items():
        score += WEIGHTS[name] * value
    return score


def beside_score(block: Lines, shape: BookShape, beside: Beside) -> float:
    """What is added to the score of a block of two lines and more for what stands beside it."""
    if len(block.text) < 2:
        return 0.0
    inset_as_prose = beside.prose and min(block.indents) > shape.margin + 1
    return WEIGHTS["inset_as_prose"] * inset_as_prose + WEIGHTS["beside_verse"] * beside.verse


def features(block: Lines, shape: BookShape) -> dict[str, float]:
    """The features of a block of two lines and more but those of what is beside it."""
    text, indents, ends = block.text, block.indents, block.ends
    last = len(text) - 1
    inset = min(indents)
    width = max(ends) if last >= 3 else max(*ends, shape.width - (inset if inset < 12 else 0))
    fits = 0
    for i in range(last):
        room = width - ends[i] - 1
        fits += room > 0 and _first_word(text[i + 1], indents[i + 1], room) <= room
    filled = (sum(ends[:-1]) / last - inset) / max(1, shape.width - inset)
    short = last < 3
    stands_in = inset > shape.margin + 1
    full = not (short or fits or stands_in) and filled > 0.85 and width > 0.9 * shape.width
    full = full and not CHAPTER.match(text[0])  # entries of contents, all of whose words have capitals
    said = short and block.lower and any(_STOP_INSIDE.search(line) for line in text)  # two lines of a letter
    # 0.4 and 0.8 only centre a feature; the bias takes up what they move.
    return {
        "bias": 1.0,
        "short": float(short),
        "capitals": float(min(block.upper, _MAX_CAPITALS)),
        "lower": float(min(block.lower, _MAX_LOWER)),
        "fits": fits / last - 0.4,
        "unfilled": 0.8 - filled,
        "short_unfilled": 0.8 - filled if short else 0.0,
        "ended": block.ended / last - 0.4,
        "ragged": float(not short and fits > 0.3 * last and filled < 0.7),
        "full": float(full),
        "inset": float(stands_in),
        "inset_short": float(stands_in and short and filled < 0.7 and not said),
        "quote_flush": float(not stands_in and text[0].lstrip()[:1] in tuple("\"“‘'«„")),
    }


def neighbours(blocks: Sequence[Lines], scores: Sequence[float], i: int) -> Beside:
    """What is beside block ``i``, by the scores known so far: below it, those that the blocks have alone."""
    inset = min(blocks[i].indents)
    prose = verse = False
    for j in range(max(0, i - _NEAR), min(len(blocks), i + _NEAR + 1)):
        if j != i and len(blocks[j].text) > 1 and abs(min(blocks[j].indents) - inset) <= 1:
            prose = prose or scores[j] < -_SURE
            verse = verse or (scores[j] > _SURE and blocks[j].ended * 4 >= len(blocks[j].text) - 1)
    return Beside(prose, verse)


def _first_word(line: str, start: int, most: int) -> int:
    """Length of the word at ``start``, at most one more than ``most``."""
    return len(line[start : start + most + 1].split(maxsplit=1)[0])
