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

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, get_args

import numpy as np

from corpuskit import _native
from corpuskit.sources.gutenberg import rules
from corpuskit.sources.gutenberg.shape import (
    CHAPTER,
    Beside,
    BlockView,
    BookLines,
    BookShape,
    Kind,
    Lines,
    block_spans,
    book_shape,
    counted_shape,
    measure_block,
    measure_lines,
)
from corpuskit.sources.gutenberg.verse import WEIGHTS, beside_score, neighbours, verse_score

KINDS: tuple[Kind, ...] = get_args(Kind)

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
        around = _around(kinds, len(measured[i].text), measured, i)
        if around not in (None, kinds[i]):
            view = BlockView(measured[i], shape, scores[i], own=kinds[i], around=around)
            kinds[i] = rules.first_kind(settling, view) or kinds[i]
    return [TextBlock(first, stop, kind) for (first, stop), kind in zip(spans, kinds, strict=True)]


class BookBlocks(NamedTuple):
    """The blocks of a book as columns, a row a block.

    Attributes:
        engine: measures and typesets them.
        lines: the lines of the book.
        first: first line of each.
        stop: the line after its last.
        size: characters of each, line ends inside included.
        marks: bits of `MARKS`: what signs stand in it.
        kinds: what it is.
    """

    engine: _native.BookBlocks
    lines: BookLines
    first: list[int]
    stop: list[int]
    size: np.ndarray
    marks: np.ndarray
    kinds: list[Kind]

    def raw(self, i: int) -> str:
        """The lines of a block as they are."""
        return self.lines.block(i)

    def typeset(self, special: np.ndarray, left: np.ndarray) -> list[str]:
        """The text of each run of blocks that are not special, blank lines between them, and of each that is.

        Args:
            left: which of the special ones are left out.
        """
        codes = np.frombuffer(bytes(map(KINDS.index, self.kinds)), np.uint8)
        return self.engine.typeset(codes, special.astype(np.uint8) + (special & left))


class _Measured(Sequence[Lines]):
    """The measures of blocks, taken when they are asked for."""

    def __init__(self, lines: BookLines, above: Sequence[int], below: Sequence[int]) -> None:
        self._lines, self._above, self._below = lines, above, below
        self._known: dict[int, Lines] = {}

    def __len__(self) -> int:
        return len(self._above)

    def text(self, i: int) -> Sequence[str]:
        """`Lines.text` of a block, of which the rest need not be measured."""
        whole = self._lines.block(i)
        return self[i].text if "\t" in whole else [line.rstrip() for line in whole.split("\n")]

    def __getitem__(self, i: int) -> Lines:  # type: ignore[override]  # never sliced
        if (known := self._known.get(i)) is None:
            text = self._lines.block(i).split("\n")
            known = self._known[i] = measure_lines(text, self._above[i], self._below[i])
        return known


def tell_blocks(text: str) -> BookBlocks:
    """The blocks of a book and their kinds: those of `find_blocks`, of which the engine spares most work.

    The engine measures and scores all blocks and says which rules may hold for each: only those are asked.
    """
    engine = _native.BookBlocks(text, lambda line: CHAPTER.match(line) is not None)
    found = engine.measures()
    columns = ("first", "stop", "above", "below", "begin", "size")
    first, stop, above, below, begin, size = (found[name].tolist() for name in columns)
    lines = BookLines(text, begin, size)
    measured = _Measured(lines, above, below)
    shape = counted_shape(engine, len(first))
    weights = np.array(list(WEIGHTS.values()))
    alone = engine.score(shape.width, shape.margin, shape.indent, bool(shape.speakers), weights)
    counts = found["stop"] - found["first"]
    story = _first_of_story(counts, alone, measured, shape)
    in_verse = bool(np.count_nonzero(alone > 0) > np.count_nonzero(alone < 0))
    told = engine.tell(story)
    kinds = _kinds(told, above, counts.tolist(), measured, (shape, story, in_verse))
    _settle(kinds, counts, told["scores"], measured, shape)
    return BookBlocks(engine, lines, first, stop, found["size"], found["marks"], kinds)


def _first_of_story(counts: np.ndarray, scores: np.ndarray, blocks: Sequence[Lines], shape: BookShape) -> int:
    """`_first_paragraph` by columns."""
    paragraphs = (counts[:_FRONT_BLOCKS] >= 4) & (scores[:_FRONT_BLOCKS] < -1)
    columns = (*rules.TABLES, *rules.COLUMN_LISTS)
    for i in np.flatnonzero(paragraphs).tolist():
        if not rules.first_kind(columns, BlockView(blocks[i], shape)):
            return int(i)
    return 0


def _kinds(
    told: Mapping[str, np.ndarray],
    above: Sequence[int],
    counts: Sequence[int],
    blocks: _Measured,
    book: tuple[BookShape, int, bool],
) -> list[Kind]:
    """The kind of each block but for what its neighbours settle."""
    shape, story, in_verse = book
    may_hold, sure, plain, apart, beside = (
        told[name].tolist() for name in ("rules", "sure", "plain", "apart", "beside")
    )
    scores = told["scores"]
    kinds: list[Kind] = []
    listed = False
    open_caption = 0
    kind: Kind | None
    for i, count in enumerate(counts):
        listed = listed and above[i] < _NEW_SECTION
        before = kinds[-1] if kinds else "heading"
        kind, sections = _PROSE if plain[i] else _asked(may_hold[i] & _AFTER[before], sure[i], listed)
        if kind is None:
            view = BlockView(blocks[i], shape, float(scores[i]), before)
            view.front, view.listed, view.in_verse = i < story, listed, in_verse
            view.apart, view.beside = bool(apart[i]), _BESIDE[beside[i]]
            view.in_row = count == 1 and _goes_on_counting(blocks, i)
            kind = rules.kind_by_sections(sections, view)
        if open_caption or kind == "caption":
            open_caption = _still_open(blocks[i], kind, open_caption)
            kind = "caption" if open_caption else kind
        if kind == "heading":
            listed = count <= 2 and bool(rules.LISTS.fullmatch(" ".join(blocks.text(i))))
        elif listed and kind in ("prose", "verse") and count > _SHORT:
            listed = False
        kinds.append(kind)
    return kinds


_BESIDE = tuple(Beside(bool(i & 1), bool(i & 2)) for i in range(4))
_BITS = {name: (1 << bit, sure) for bit, (name, sure) in enumerate(_native.book_rules())}
"""By rule: its bit among those that may hold, and whether that is proof."""
_PROSE: tuple[Kind | None, tuple[rules.Rules, ...]] = ("prose", ())
_ONLY_AFTER: dict[str, Kind] = {"name_below_closing": "letter", "below_heading": "heading"}
_AFTER = {
    kind: ~sum(_BITS[name][0] for name, before in _ONLY_AFTER.items() if before != kind) for kind in KINDS
}
"""By the kind of the block before: the bits of the rules that can hold there."""


@lru_cache(maxsize=2**16)
def _asked(may_hold: int, sure: int, listed: bool) -> tuple[Kind | None, tuple[rules.Rules, ...]]:
    """The kind of a block by the bits of rules that may hold for it, else the sections that must be asked.

    Args:
        sure: bits of those that do hold for it, beside those that hold wherever they may.
    """
    sections: list[rules.Rules] = []
    for section in rules.SECTIONS:
        if section is rules.CONTENTS:
            sections += [section] * listed
            continue
        held: list[rules.BlockRule] = []
        holds = False
        for rule in section:
            bit, proof = _BITS[rule.name]
            if may_hold & bit:
                held.append(rule)
                if holds := proof or bool(sure & bit):
                    break
        while held and held[-1].kind is None:
            held.pop()  # it would end the section, which ends anyway
            holds = False
        if not held:
            continue
        if holds and not sections and {rule.kind for rule in held} == {held[-1].kind}:
            return held[-1].kind, ()
        sections.append(tuple(held))
    return (None, tuple(sections)) if sections else ("prose", ())


def _settle(
    kinds: list[Kind], counts: np.ndarray, scores: np.ndarray, blocks: Sequence[Lines], shape: BookShape
) -> None:
    """Ask the rules of `rules.SETTLING` of short blocks that have another kind within reach, and of headings,
    which may be entries among themselves."""
    if len(kinds) < 3:
        return
    codes = np.frombuffer(bytes(map(KINDS.index, kinds)), np.uint8)
    changes = np.concatenate([[0], np.cumsum(codes[1:] != codes[:-1])])
    # What is settled counts for those after it: twice as far as a block looks.
    first = np.maximum(np.arange(len(kinds)) - 2 * _AROUND, 0)
    last = np.minimum(np.arange(len(kinds)) + 2 * _AROUND, len(kinds) - 1)
    near = ((changes[first] != changes[last]) | (codes == KINDS.index("heading"))) & (counts <= _SHORT)
    for i in np.flatnonzero(near[1:-1]).tolist():
        i += 1
        around = _around(kinds, 1, blocks, i)
        if around not in (None, kinds[i]):
            view = BlockView(blocks[i], shape, float(scores[i]), own=kinds[i], around=around)
            kinds[i] = rules.first_kind(rules.SETTLING, view) or kinds[i]


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


def _around(kinds: Sequence[Kind], count: int, blocks: Sequence[Lines], i: int) -> Kind | None:
    """The kind that a block of so many lines stands between; None for long ones and unlike sides."""
    if count > _SHORT:
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
