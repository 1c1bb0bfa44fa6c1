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
IN_RUN, ALONE, LEFT_OUT, UNWRAPPED = range(4)
"""Where the text of a block goes when a book is typeset."""

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
        if (open_caption := _still_open("\n".join(block.text), kind, open_caption)) and kind != "caption":
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
        codes: what it is, as a place in `KINDS`, of uint8.
    """

    engine: _native.BookBlocks
    lines: BookLines
    first: Sequence[int]
    stop: Sequence[int]
    size: np.ndarray
    marks: np.ndarray
    codes: np.ndarray

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.first)

    @property
    def kinds(self) -> list[Kind]:
        """What each is."""
        return [KINDS[code] for code in self.codes.tolist()]

    def kind(self, i: int) -> Kind:
        """What a block is."""
        return KINDS[int(self.codes[i])]

    def of_kind(self, kind: Kind) -> np.ndarray:
        """Which blocks are of a kind."""
        of_kind: np.ndarray = self.codes == KINDS.index(kind)
        return of_kind

    def raw(self, i: int) -> str:
        """The lines of a block as they are."""
        return self.lines.block(i)

    def typeset(self, parts: np.ndarray) -> tuple[list[str], np.ndarray, int]:
        """The text of each run of blocks, blank lines between them, and of each block that is not in one.

        Args:
            parts: of uint8: `IN_RUN`, `ALONE`, `LEFT_OUT`, or `UNWRAPPED`: in a run without its marks of
                italics, unless there is more to decide; then it stands alone with them.

        Returns:
            The texts; what became of the parts; how many marks were taken out, a byte each.
        """
        return self.engine.typeset(self.codes, parts)


class _Measured(Sequence[Lines]):
    """The measures of blocks, taken when they are asked for."""

    def __init__(self, lines: BookLines, above: Sequence[int], below: Sequence[int]) -> None:
        self._lines, self.above, self._below = lines, above, below
        self._known: dict[int, Lines] = {}

    def __len__(self) -> int:
        return len(self.above)

    def whole(self, i: int) -> str:
        """The lines of a block as they are."""
        return self._lines.block(i)

    def text(self, i: int) -> Sequence[str]:
        """`Lines.text` of a block, of which the rest need not be measured."""
        whole = self.whole(i)
        return self[i].text if "\t" in whole else [line.rstrip() for line in whole.split("\n")]

    def __getitem__(self, i: int) -> Lines:  # type: ignore[override]  # never sliced
        if (known := self._known.get(i)) is None:
            text = self.whole(i).split("\n")
            known = self._known[i] = measure_lines(text, self.above[i], self._below[i])
        return known


def tell_blocks(text: str) -> BookBlocks:
    """The blocks of a book and their kinds: those of `find_blocks`, of which the engine spares most work.

    The engine measures and scores all blocks and says which rules may hold for each: only those are asked.
    """
    engine = _native.BookBlocks(text, lambda line: CHAPTER.match(line) is not None)
    found = engine.measures()
    columns = ("first", "stop", "above", "below", "begin", "size")
    first, stop, above, below, begin, size = (found[name].data for name in columns)
    lines = BookLines(text, begin, size)
    measured = _Measured(lines, above, below)
    shape = counted_shape(engine, len(first))
    weights = np.array(list(WEIGHTS.values()))
    alone = engine.score(shape.width, shape.margin, shape.indent, shape.speakers, weights)
    counts = found["stop"] - found["first"]
    story = _first_of_story(counts, alone, measured, shape)
    in_verse = bool(np.count_nonzero(alone > 0) > np.count_nonzero(alone < 0))
    told = engine.tell(story)
    codes = _codes(told, counts.data, measured, (shape, story, in_verse))
    engine.settle(codes)
    return BookBlocks(engine, lines, first, stop, found["size"], found["marks"], codes)


def _first_of_story(counts: np.ndarray, scores: np.ndarray, blocks: Sequence[Lines], shape: BookShape) -> int:
    """`_first_paragraph` by columns."""
    paragraphs = (counts[:_FRONT_BLOCKS] >= 4) & (scores[:_FRONT_BLOCKS] < -1)
    columns = (*rules.TABLES, *rules.COLUMN_LISTS)
    for i in np.flatnonzero(paragraphs).tolist():
        if not rules.first_kind(columns, BlockView(blocks[i], shape)):
            return int(i)
    return 0


def _codes(
    told: Mapping[str, np.ndarray],
    counts: Sequence[int],
    blocks: _Measured,
    book: tuple[BookShape, int, bool],
) -> np.ndarray:
    """The kind of each block, as a place in `KINDS`, but for what its neighbours settle."""
    shape, story, in_verse = book
    may_hold, sure, apart, beside, scores = (
        told[name].data for name in ("rules", "sure", "apart", "beside", "scores")
    )
    plain = told["plain"]
    codes = np.full(len(counts), _CODES["prose"], np.uint8)
    asked = iter([*np.flatnonzero(plain == 0).tolist(), len(counts)])
    listed = False
    open_caption = 0
    kind: Kind | None
    i = following = next(asked)
    before: Kind = "prose" if i else "heading"
    while i < len(counts):
        if i == following:
            following = next(asked)
        count = counts[i]
        listed = listed and blocks.above[i] < _NEW_SECTION
        kind, sections = _PROSE if plain[i] else _asked(may_hold[i] & _AFTER[before], sure[i], listed)
        if kind is None:
            view = BlockView(blocks[i], shape, scores[i], before)
            view.front, view.listed, view.in_verse = i < story, listed, in_verse
            view.apart, view.beside = bool(apart[i]), _BESIDE[beside[i]]
            view.in_row = bool(may_hold[i] & _IN_ROW) and _goes_on_counting(blocks, i)
            kind = rules.kind_by_sections(sections, view)
        if open_caption or kind == "caption":
            open_caption = _still_open(blocks.whole(i), kind, open_caption)
            kind = "caption" if open_caption else kind
        if kind == "heading":
            listed = count <= 2 and bool(rules.LISTS.fullmatch(" ".join(blocks.text(i))))
        elif listed and kind in ("prose", "verse") and count > _SHORT:
            listed = False
        codes[i] = _CODES[kind]
        # What is plainly prose is only looked at where something above it may make it something else.
        i, before = (i + 1, kind) if listed or open_caption or following == i + 1 else (following, "prose")
    return codes


_CODES = {kind: code for code, kind in enumerate(KINDS)}
_BESIDE = tuple(Beside(bool(i & 1), bool(i & 2)) for i in range(4))
_BITS = {name: 1 << bit for bit, name in enumerate(_native.book_rules())} | {"entry": 0}
"""By rule: its bit among those that may hold. That of an entry is needed nowhere: it holds when asked."""
_IN_ROW = _BITS["numbered_line"]
_PROSE: tuple[Kind | None, tuple[rules.Rules, ...]] = ("prose", ())
_ONLY_AFTER: dict[str, Kind] = {"name_below_closing": "letter", "below_heading": "heading"}
_AFTER = {kind: ~sum(_BITS[name] for name, before in _ONLY_AFTER.items() if before != kind) for kind in KINDS}
"""By the kind of the block before: the bits of the rules that can hold there."""


@lru_cache(maxsize=2**16)
def _asked(may_hold: int, sure: int, listed: bool) -> tuple[Kind | None, tuple[rules.Rules, ...]]:
    """The kind of a block by the bits of rules that may hold for it, else the sections that must be asked.

    Args:
        sure: bits of those of them that do hold for it.
    """
    sections: list[rules.Rules] = []
    for section in rules.SECTIONS:
        if section is rules.CONTENTS and not listed:
            continue
        held: list[rules.BlockRule] = []
        holds = False
        for rule in section:
            bit = _BITS[rule.name]
            if may_hold & bit or not bit:
                held.append(rule)
                if holds := bool(sure & bit) or not bit:
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


def _still_open(text: str, kind: Kind, blocks_open: int) -> int:
    """How many blocks the bracket of an illustration has been open for, this one included; 0 when closed."""
    if kind == "caption":
        return 1 if text.count("[") > text.count("]") else 0
    if not blocks_open or blocks_open > _OPEN_BLOCKS:
        return 0
    return _OPEN_BLOCKS + 1 if "]" in text else blocks_open + 1


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
