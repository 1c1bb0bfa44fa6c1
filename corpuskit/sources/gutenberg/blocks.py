"""What each block of a Gutenberg book is: prose, verse, a table, a heading...

A block is a run of lines that are not blank. Plain text says nothing of what a block is, so it is told by its
shape against the book's: whether lines are as full as a wrapped line must be (the next word would not have
fitted), whether they begin with capitals in mid-sentence and end with punctuation, how they are indented,
whether they have columns, numbers at their ends, speakers at their beginnings. The book gives the width that
its prose is wrapped at and the indent of its paragraphs; neighbours decide what is left open.

Verse is told from prose by a scored model (`corpuskit.sources.gutenberg.verse`), the rest by a table of rules
(`corpuskit.sources.gutenberg.rules`). Both were made on blocks marked by hand
(``tests/cases/gutenberg_blocks.tsv``, all rows but "uniform2"); `benchmarks.gutenberg_body` tells how many of
them are right.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from corpuskit.sources.gutenberg import rules
from corpuskit.sources.gutenberg.shape import (
    CHAPTER,
    BlockView,
    BookShape,
    Kind,
    Lines,
    block_spans,
    book_shape,
    measure_block,
)
from corpuskit.sources.gutenberg.verse import beside_score, neighbours, verse_score

_SHORT = 3
"""Lines up to which a block may take the kind of its neighbours; a longer paragraph ends the contents."""
_NEW_SECTION = 3
"""Blank lines at which the contents are over, and at which the number of a chapter is no entry of them."""
_AROUND, _ENTRIES = 3, 5
"""Blocks above and below that tell of a short one, and how many with itself make it an entry of a list."""
_FRONT_BLOCKS = 400
"""Blocks in which the first paragraph is looked for: contents with an entry a block are long."""
_OPEN_BLOCKS = 8
"""Blocks after which the bracket of an illustration that has not closed was never one."""


class TextBlock(NamedTuple):
    """Lines ``first`` to ``stop`` (not included) of a book."""

    first: int
    stop: int
    kind: Kind


def find_blocks(lines: Sequence[str], *, without: Collection[str] = ()) -> list[TextBlock]:
    """The blocks of a book and their kinds, in order. Work is linear in the characters of the lines.

    Args:
        without: names of rules that are switched off, to see what they do.

    Raises:
        SettingError: there is no rule of such a name.

    >>> find_blocks(["CHAPTER I", "", "It was so late that nobody in the house", "came to the door."])
    [TextBlock(first=0, stop=1, kind='heading'), TextBlock(first=2, stop=4, kind='prose')]
    """
    plain, settling, *sections = rules.switched_on(without)
    spans = block_spans(lines)
    measured = [measure_block(lines, spans, i) for i in range(len(spans))]
    shape = book_shape(measured)
    scores = [verse_score(block, shape) for block in measured]
    in_verse = sum(score > 0 for score in scores) > sum(score < 0 for score in scores)
    kinds: list[Kind] = []
    story = _first_paragraph(measured, scores, shape)
    listed = False
    open_caption = 0
    for i, block in enumerate(measured):
        listed = listed and block.above < _NEW_SECTION
        view = BlockView(block, shape, scores[i], front=i < story, listed=listed, in_verse=in_verse)
        if (kind := rules.first_kind(plain, view)) is None:
            view.before = kinds[-1] if kinds else "heading"
            view.apart = _stands_apart(measured, i)
            view.in_row = _goes_on_counting(measured, i)
            view.beside = neighbours(measured, scores, i)
            scores[i] += beside_score(block, shape, view.beside)
            view.score = scores[i]
            kind = rules.kind_by_sections(sections, view)
        if (open_caption := _still_open(block, kind, open_caption)) and kind != "caption":
            kind = "caption"
        elif kind == "heading":
            listed = len(block.text) <= 2 and bool(rules.LISTS.fullmatch(" ".join(block.text)))
        elif kind in ("prose", "verse") and len(block.text) > _SHORT:
            listed = False
        kinds.append(kind)
    for i in range(1, len(kinds) - 1):
        around = _around(kinds, measured, i)
        if around not in (None, kinds[i]):
            view = BlockView(measured[i], shape, scores[i], own=kinds[i], around=around)
            kinds[i] = rules.first_kind(settling, view) or kinds[i]
    return [TextBlock(first, stop, kind) for (first, stop), kind in zip(spans, kinds, strict=True)]


def _stands_apart(blocks: Sequence[Lines], i: int) -> bool:
    """Whether two blank lines and more are above a block, and more than above most blocks near it."""
    above = blocks[i].above
    if above < 2:
        return False
    gaps = sorted(block.above for block in blocks[max(0, i - 4) : i + 5])
    # Four and more set a block apart even where most blocks near it have as many.
    return above > gaps[len(gaps) // 2] or above > 3


def _goes_on_counting(blocks: Sequence[Lines], i: int) -> bool:
    """Whether a line begins with a number, and two of the four beside it with those before and after."""
    if (own := rules.item_number(blocks[i].text)) is None:
        return False
    beside = (j for j in range(max(0, i - 2), min(len(blocks), i + 3)) if j != i)
    return sum(rules.item_number(blocks[j].text) == own + j - i for j in beside) >= 2


def _still_open(block: Lines, kind: Kind, blocks_open: int) -> int:
    """How many blocks the bracket of an illustration has been open for, this one included; 0 when closed."""
    if kind == "caption":
        joined = " ".join(block.text)
        return 1 if joined.count("[") > joined.count("]") else 0
    if not blocks_open or blocks_open > _OPEN_BLOCKS:
        return 0
    closes = any("]" in line for line in block.text)
    return _OPEN_BLOCKS + 1 if closes else blocks_open + 1


def _first_paragraph(blocks: Sequence[Lines], scores: Sequence[float], shape: BookShape) -> int:
    """Index of the first block that is a paragraph: what stands above is title page and contents."""
    for i, block in enumerate(blocks[:_FRONT_BLOCKS]):
        # Four lines and odds of one to three against verse: mottoes and entries are shorter or looser.
        paragraph = len(block.text) >= 4 and scores[i] < -1
        columns = (*rules.TABLES, *rules.COLUMN_LISTS)
        if paragraph and not rules.first_kind(columns, BlockView(block, shape)):
            return i
    return 0


def _around(kinds: Sequence[Kind], blocks: Sequence[Lines], i: int) -> Kind | None:
    """The kind that a short block stands between, above and below it; None for long ones and unlike sides."""
    if len(blocks[i].text) > _SHORT:
        return None
    if _is_among_entries(kinds, blocks, i):
        return "list"
    return kinds[i - 1] if kinds[i - 1] == kinds[i + 1] else None


def _is_among_entries(kinds: Sequence[Kind], blocks: Sequence[Lines], i: int) -> bool:
    """Whether most blocks near a short one are entries of a list, or headings of chapters with no text."""
    first, stop = max(0, i - _AROUND), min(len(kinds), i + _AROUND + 1)
    near = kinds[first:stop]
    entries = near.count("list")
    if entries + near.count("heading") >= _ENTRIES:
        entries += sum(near[j] == "heading" and _is_chapter(blocks[first + j]) for j in range(len(near)))
    return entries >= _ENTRIES


def _is_chapter(block: Lines) -> bool:
    return block.above < _NEW_SECTION and len(block.text) <= 2 and CHAPTER.match(block.text[0]) is not None
