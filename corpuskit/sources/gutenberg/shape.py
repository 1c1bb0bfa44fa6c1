"""The measures of a Gutenberg book's blocks, and of the book: what its blocks are told by.

A block is a run of lines that are not blank. The book gives the width that its prose is wrapped at, the
indent of its paragraphs and, when it is a play, the names of its speakers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple

from corpuskit import _native

Kind = Literal["prose", "verse", "drama", "table", "list", "heading", "letter", "break", "caption"]
"""``drama`` is a block in which several speak; one speech is prose or verse. ``list`` are contents, indexes
and casts; ``letter`` a dateline, address or signature; ``break`` a row of asterisks; ``caption`` belongs to
an illustration."""

OPENING = " \t\u3000_\"'“”‘’«»„‚([{*=~+-—–†|"
CLOSING = " _\"'”’»“)]}=~+*"
CHAPTER = re.compile(
    r"""[\W_]{0,4}(?:
        (?:chapter|chap\.|book|part|volume|vol\.|letter|act|scene|canto|section|sect\.|stave|epilogue|prologue|preface
        |introduction|contents|index|appendix|footnotes?|notes|glossary|dedication|foreword|postscript|finis
        |the\ end|end\ of|first|second|third|fourth|fifth|kapitel|buch|teil|akt|szene|auftritt|vorwort
        |inhalt|chapitre
        |livre|tome|partie|acte|scène|table\ des|préface|capítulo|capitulo|libro|parte|canto|cap\.|tomo
        |prólogo|capitolo
        |atto|scena|hoofdstuk|deel|inhoud|luku|runo|fejezet|rozdział|księga|ĉapitro|fin|fine|ende)(?!\w)
        |[IVXLC]{1,8}\.?\s*$|\d{1,3}[.)]?\s*$
    )""",
    re.IGNORECASE | re.VERBOSE,
)
SPEAKER = re.compile(
    r"[ \t]{0,8}_?(?!(?:Mrs?|Dr|St|M|Mme|Mlle|No|Vol|Chap|Fig|Sect|Art|Page)\b)"
    r"([A-Z][\w’']{0,15}(?:[ -][A-Z][\w’'.]{0,15}){0,3})_?(?:,? ?[(\[][^)\]\n]{1,60}[)\]])?[.:](?:_| |$)"
)
SPEAKER_ALONE = re.compile(
    r"[ \t]{0,24}_?((?:[^\W\d_]|[’'. -]){3,30}?)[.:]?_?(?: ?[(\[][^)\]\n]{1,60}[)\]])?[.:]?"
)
"""A name in capitals on a line of its own, with or without a direction."""
_GAP = re.compile(r"\S {3,}(?=\S)|\t|\.{4,} *(?=[\d$ivxlc])|\.{5,}|(?:\. ){4,}|\S  +(?=[\divxlc]+\.?$)")
_SENTENCE_ENDS = frozenset(".!?:")
ENDS = frozenset(",.;:!?—-")


@dataclass(frozen=True)
class BookShape:
    """What is usual in a book.

    Attributes:
        width: characters at which its prose is wrapped.
        margin: column at which most lines of its prose begin; some books are set in as a whole.
        indent: column of the first line of its paragraphs.
        speakers: names that speak in it; empty for what is not a play.
    """

    width: int
    margin: int
    indent: int
    speakers: frozenset[str]


class Lines(NamedTuple):
    """A block's lines and their measures.

    Attributes:
        text: the lines, tabs expanded, white space at their ends gone.
        indents: first column of each, in characters.
        ends: last column of each.
        above: blank lines above the block.
        below: blank lines below it.
        upper: lines that begin with a capital in mid-sentence, see `line_edges`.
        lower: lines that begin with a small letter there.
        ended: lines but the last that end in punctuation.
    """

    text: Sequence[str]
    indents: Sequence[int]
    ends: Sequence[int]
    above: int
    below: int
    upper: int
    lower: int
    ended: int


class BookLines:
    """A book as text, and as lines where they are asked for.

    Args:
        begin: characters before each block.
        size: characters of each.
    """

    def __init__(self, text: str, begin: Sequence[int] = (), size: Sequence[int] = ()) -> None:
        self.text, self._begin, self._size = text, begin, size

    def block(self, i: int) -> str:
        """The lines of block ``i``."""
        return self.text[self._begin[i] : self._begin[i] + self._size[i]]

    @cached_property
    def lowered(self) -> str:
        """The text in small letters."""
        return self.text.lower()

    @cached_property
    def all(self) -> list[str]:
        """All of them, those between blocks too."""
        return self.text.split("\n")


def block_spans(lines: Sequence[str]) -> list[tuple[int, int]]:
    """First line of each block, and the line after its last."""
    spans = []
    first = -1
    for i, line in enumerate(lines):
        if not line or line.isspace():
            if first >= 0:
                spans.append((first, i))
                first = -1
        elif first < 0:
            first = i
    if first >= 0:
        spans.append((first, len(lines)))
    return spans


def measure_block(lines: Sequence[str], spans: Sequence[tuple[int, int]], i: int) -> Lines:
    """The measures of block ``i``, tabs expanded; 9 blank lines above the first and below the last."""
    first, stop = spans[i]
    above = first - spans[i - 1][1] if i else 9
    below = spans[i + 1][0] - stop if i + 1 < len(spans) else 9
    return measure_lines(lines[first:stop], above, below)


def measure_lines(lines: Sequence[str], above: int, below: int) -> Lines:
    """The measures of a block by its lines and the blank lines around it, tabs expanded."""
    text = [line.rstrip() for line in lines]
    if any("\t" in line for line in text):
        text = [line.expandtabs(8) for line in text]
    ends = [len(line) for line in text]
    indents = [end - len(line.lstrip()) for end, line in zip(ends, text, strict=True)]
    return Lines(text, indents, ends, above, below, *line_edges(text))


def book_shape(blocks: Sequence[Lines]) -> BookShape:
    """Width and indent by the lines of blocks that look like prose; speakers by names at line starts."""
    widths: Counter[int] = Counter()
    indents: Counter[int] = Counter()
    names: Counter[str] = Counter()
    margin = _margin(blocks)
    for block in blocks:
        # Verse begins most lines with capitals, and two lines do not tell a width.
        if len(block.text) >= 3 and capitals(block) < 0.6 and min(block.indents[1:]) <= margin + 1:
            widths[max(block.ends)] += len(block.text)
        if len(block.text) >= 2 and block.indents[1] == margin:
            indents[block.indents[0]] += 1
        for line in block.text[:1] if len(block.text) < 3 else block.text:
            if found := _speech(line):
                names[found[1]] += 1
        alone = lone_speaker(block.text[0]) if block.above < 2 else ""
        if alone:
            names[alone] += 1
    indent = max(indents, key=lambda n: (indents[n], -n), default=0)
    return BookShape(_median(widths), margin, indent, _speakers(names, len(blocks)))


_LEAST_SPEECHES, _ONE_IN = 40, 8


def _speakers(names: Mapping[str, int], blocks: int) -> frozenset[str]:
    """The names that speak in a book of so many blocks, by how often each begins a line."""
    # Labels such as "Note." or "Fig." begin lines of any book: a play has several speakers who speak often,
    # and a speech in eight blocks at least.
    speakers = frozenset(name for name, count in names.items() if count >= 5)
    speeches = sum(names[name] for name in speakers)
    enough = len(speakers) >= 3 and speeches >= _LEAST_SPEECHES and speeches * _ONE_IN >= blocks
    return speakers if enough else frozenset()


def counted_shape(engine: _native.BookBlocks, blocks: int) -> BookShape:
    """`book_shape` of the blocks that the engine holds, which counts and finds what may name a speaker."""
    margins = engine.margins()
    margin = max(margins, key=lambda n: (margins[n], -n), default=0)
    widths, indents = engine.widths_and_indents(margin)
    names: Counter[str] = Counter()
    may_be = engine.count_may_be_speakers()
    if may_be >= _LEAST_SPEECHES and may_be * _ONE_IN >= blocks:
        speeches, alone = engine.may_be_speakers()
        names.update(found[1] for line in speeches if (found := _speech(line)))
        names.update(alone)
    indent = max(indents, key=lambda n: (indents[n], -n), default=0)
    return BookShape(_median(Counter(widths)), margin, indent, _speakers(names, blocks))


def _speech(line: str) -> re.Match[str] | None:
    """A line that begins with the name of a speaker and the sign behind it."""
    return SPEAKER.match(line) if "." in line[:80] or ":" in line[:80] else None


def _margin(blocks: Sequence[Lines]) -> int:
    """The column at which most lines of what looks like prose begin."""
    margins: Counter[int] = Counter()
    for block in blocks:
        if len(block.text) >= 3 and capitals(block) < 0.6:
            margins[min(block.indents[1:])] += len(block.text)
    return max(margins, key=lambda n: (margins[n], -n), default=0)


def lone_speaker(line: str) -> str:
    """The name in capitals that is all of a line but for a direction: ``FAUST (_alone_)``; else empty."""
    found = SPEAKER_ALONE.fullmatch(line) if len(line) < 100 else None
    return found[1] if found and found[1].isupper() and not CHAPTER.match(line) else ""


def _median(counts: Counter[int]) -> int:
    """Weighted; 70, the usual width of the project's files, when there is nothing to count."""
    left = sum(counts.values()) / 2
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return value
    return 70


def line_edges(text: Sequence[str]) -> tuple[int, int, int]:
    """Lines that begin with a capital, and with a small letter, in mid-sentence; lines that are punctuated.

    Lines after the end of a sentence say nothing by their first letter: there, prose begins with a capital
    too. The last line's end says nothing either.
    """
    upper = lower = ended = 0
    for above, line in pairwise(text):
        end = above[-1:]
        if not end.isalnum():
            end = above.rstrip(CLOSING)[-1:]
            ended += end in ENDS
        if end in _SENTENCE_ENDS:
            continue
        letter = line[:1]
        if not letter.isalpha():
            letter = line.lstrip(OPENING)[:1]
        if letter.isupper():
            upper += 1
        elif letter.isalpha():
            lower += 1
    return upper, lower, ended


def capitals(block: Lines) -> float:
    """Share of the lines that begin in mid-sentence which begin with a capital; half when none says."""
    known = block.upper + block.lower
    return block.upper / known if known else 0.5


class Beside(NamedTuple):
    """What stands near a block, as far in as it does: paragraphs that are prose beyond doubt, or verse."""

    prose: bool = False
    verse: bool = False


_NOTHING = Beside()


@dataclass
class BlockView:
    """A block in its place: what the rules look at.

    Attributes:
        lines: the block and its measures.
        score: how much it looks like verse, `verse_score`; with `beside_score` once its neighbours are known.
        before: kind of the block above.
        front: whether it stands before the first paragraph of the book.
        listed: whether it stands below "Contents".
        apart: whether more blank lines are above it than is usual near it.
        in_row: whether its number goes on from the lines beside it.
        beside: what stands near it, as far in as it does.
        in_verse: whether most blocks of the book are verse.
        own: the kind found so far, for the rules of `SETTLING` alone.
        around: the kind of the blocks above and below, where it is the same; for them too.
    """

    lines: Lines
    shape: BookShape
    score: float = 0.0
    before: Kind = "heading"
    front: bool = False
    listed: bool = False
    apart: bool = False
    in_row: bool = False
    beside: Beside = _NOTHING
    in_verse: bool = False
    own: Kind | None = None
    around: Kind | None = None

    def __post_init__(self) -> None:
        self.text, self.indents, self.ends, self.above = self.lines[:4]
        self.count = len(self.text)
        self.first = self.text[0].lstrip()[:1]
        self.inset, self.end = min(self.indents), max(self.ends)

    @cached_property
    def joined(self) -> str:
        """Its first eight lines as one: no sign is longer."""
        return " ".join(line.strip() for line in self.text[:8])

    @property
    def words(self) -> int:
        """Words of `joined`."""
        return len(self.joined.split())

    @property
    def bare(self) -> str:
        """`joined` without closing quotation marks, brackets and marks of italics."""
        return self.joined.rstrip(CLOSING)

    @property
    def ended(self) -> bool:
        """Whether it ends in punctuation."""
        return self.bare[-1:] in ENDS

    @property
    def starts_low(self) -> bool:
        """Whether it begins with a small letter."""
        return self.joined.lstrip(OPENING)[:1].islower()

    @cached_property
    def letters(self) -> list[str]:
        """The letters of `joined`."""
        return list(filter(str.isalpha, self.joined))

    @cached_property
    def capital_title(self) -> bool:
        """Whether nearly all letters are capitals: a lower-case "by" or "of" stands in many titles."""
        if len(self.letters) < 2 or not (self.count < 4 or self.front or self.before == "heading"):
            return False
        return sum(map(str.isupper, self.letters)) / len(self.letters) > 0.85

    @property
    def short(self) -> bool:
        """Whether its lines, their indents aside, are shorter than a wrap makes them."""
        return self.end - self.inset < 0.8 * self.shape.width

    def ends_before(self, share: float) -> bool:
        """Whether all its lines end before a share of the book's width."""
        return self.end < share * self.shape.width

    def is_centred(self, within: int) -> bool:
        """Whether the middles of most lines lie in the middle of the page, ``within`` so many characters."""
        if self.inset < 4:
            return False
        page = self.shape.width / 2
        near = sum(abs((a + z) / 2 - page) <= within for a, z in zip(self.indents, self.ends, strict=True))
        return near * 2 > self.count

    @cached_property
    def centred(self) -> bool:
        """Whether it stands in the middle of the page."""
        return self.is_centred(4)

    @property
    def at_right(self) -> bool:
        """Whether it begins in the second third of the page and ends at its right, and is not centred."""
        right = self.inset >= self.shape.width // 3 and self.end >= 0.6 * self.shape.width
        return right and not self.centred

    @cached_property
    def gaps(self) -> list[int]:
        """Gaps between columns, by line."""
        stripped = [line.strip() for line in self.text]
        return [len(_GAP.findall(s)) if "  " in s or ". ." in s or ".." in s else 0 for s in stripped]

    @property
    def mostly_gapped(self) -> bool:
        """Whether most lines have a gap; of more than two, half of them are enough."""
        with_gap = sum(1 for gaps in self.gaps if gaps)
        return with_gap * 2 > self.count or (with_gap * 2 == self.count and self.count > 2)

    def is_speaker(self, line: str) -> bool:
        """Whether a line is the name of a speaker and no more; never outside of plays."""
        return bool(self.shape.speakers) and lone_speaker(line) in self.shape.speakers

    def speeches(self, text: Sequence[str]) -> int:
        """Lines that begin with the name of a speaker; 0 outside of plays."""
        if not self.shape.speakers:
            return 0
        found = (SPEAKER.match(line) for line in text)
        return sum(1 for match in found if match and match[1] in self.shape.speakers)

    def mostly(self, test: Callable[[str], object]) -> bool:
        """Whether three fifths of the lines pass a test."""
        return sum(1 for line in self.text if test(line)) * 5 >= self.count * 3
