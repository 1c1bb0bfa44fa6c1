"""What each block of a Gutenberg book is: prose, verse, a table, a heading...

A block is a run of lines that are not blank. Plain text says nothing of what a block is, so it is told by its
shape against the book's: whether lines are as full as a wrapped line must be (the next word would not have
fitted), whether they begin with capitals in mid-sentence and end with punctuation, how they are indented,
whether they have columns, numbers at their ends, speakers at their beginnings. The book gives the width that
its prose is wrapped at and the indent of its paragraphs; neighbours decide what is left open.

Verse is told from prose by a scored model (`corpuskit.sources.gutenberg.verse`), the rest by rules. Both were
made on blocks marked by hand (``tests/cases/gutenberg_blocks.tsv``, all rows but "uniform2");
`benchmarks.gutenberg_body` tells how many of them are right.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from corpuskit.sources.gutenberg.forms import (
    CAPTION,
    CHAPTER,
    CLOSING,
    DATE_AT_RIGHT,
    DATED,
    FOOTNOTE,
    GAP,
    IMPRINT,
    INITIALS,
    ITEM,
    LEADER,
    LISTS,
    NOTE,
    NOTE_LABEL,
    NUMBER_AT_END,
    OPENING,
    ROMAN_TITLE,
    RULES,
    SALUTED,
    SIGNED,
    SIGNED_FIRST,
    SPEAKER,
    YEAR,
    is_image_file,
)
from corpuskit.sources.gutenberg.shape import (
    BookShape,
    Lines,
    block_spans,
    book_shape,
    capitals,
    lone_speaker,
    measure,
)
from corpuskit.sources.gutenberg.verse import Beside, beside_score, neighbours, verse_score

_LONGEST_NUMBERS = 200
_AROUND, _ENTRIES = 3, 5
"""Blocks above and below that tell of a short one, and how many with itself make it an entry of a list."""
_DIGITS = frozenset("0123456789ivxlc")
Kind = Literal["prose", "verse", "drama", "table", "list", "heading", "letter", "break", "caption"]
"""``drama`` is a block in which several speak; one speech is prose or verse. ``list`` are contents, indexes
and casts; ``letter`` a dateline, address or signature; ``break`` a row of asterisks; ``caption`` belongs to
an illustration."""


class Block(NamedTuple):
    """Lines ``first`` to ``stop`` (not included) of a book."""

    first: int
    stop: int
    kind: Kind


def find_blocks(lines: Sequence[str]) -> list[Block]:
    """The blocks of a book and their kinds, in order. Work is linear in the characters of the lines.

    >>> find_blocks(["CHAPTER I", "", "It was so late that nobody in the house", "came to the door."])
    [Block(first=0, stop=1, kind='heading'), Block(first=2, stop=4, kind='prose')]
    """
    spans = block_spans(lines)
    measured = [measure(lines, spans, i) for i in range(len(spans))]
    shape = book_shape(measured)
    scores = [verse_score(block, shape) for block in measured]
    in_verse = sum(score > 0 for score in scores) > sum(score < 0 for score in scores)
    kinds: list[Kind] = []
    story = _first_paragraph(measured, scores)
    listed = False
    open_caption = 0
    for i, block in enumerate(measured):
        listed = listed and block.above < 3
        kind: Kind = "prose"
        if not _is_plain(block, shape, scores[i]):
            beside = neighbours(measured, scores, i)
            scores[i] += beside_score(block, shape, beside)
            before = kinds[-1] if kinds else "heading"
            apart = _stands_apart(measured, i)
            place = _Place(before, i < story, listed, apart, beside, scores[i], in_verse)
            kind = _kind(block, shape, place)
        open_caption = _still_open(block, kind, open_caption)
        if open_caption and kind != "caption":
            kind = "caption"
        elif kind == "heading":
            listed = len(block.text) <= 2 and bool(LISTS.fullmatch(" ".join(block.text)))
        elif kind in ("prose", "verse") and len(block.text) > 3:
            listed = False
        kinds.append(kind)
    _settle(kinds, measured, shape, scores)
    return [Block(first, stop, kind) for (first, stop), kind in zip(spans, kinds, strict=True)]


class _Place(NamedTuple):
    """Where a block stands.

    Attributes:
        before: kind of the block above.
        front: whether it stands before the first paragraph of the book.
        listed: whether it stands below "Contents".
        apart: whether more blank lines are above it than is usual near it.
        beside: what stands near it, as far in as it does.
        score: how much it looks like verse, `verse_score`.
        in_verse: whether most blocks of the book are verse.
    """

    before: Kind
    front: bool
    listed: bool
    apart: bool
    beside: Beside
    score: float
    in_verse: bool


def _stands_apart(blocks: Sequence[Lines], i: int) -> bool:
    """Whether two blank lines and more are above a block, and more than above most blocks near it."""
    above = blocks[i].above
    if above < 2:
        return False
    gaps = sorted(block.above for block in blocks[max(0, i - 4) : i + 5])
    return above > gaps[len(gaps) // 2] or above > 3


def _still_open(block: Lines, kind: Kind, blocks_open: int) -> int:
    """How many blocks the bracket of an illustration has been open for, this one included; 0 when closed.

    A bracket that does not close within eight blocks was never one.
    """
    if kind == "caption":
        joined = " ".join(block.text)
        return 1 if joined.count("[") > joined.count("]") else 0
    if not blocks_open or blocks_open > 8:
        return 0
    closes = any("]" in line for line in block.text)
    return 99 if closes else blocks_open + 1


def _first_paragraph(blocks: Sequence[Lines], scores: Sequence[float]) -> int:
    """Index of the first block that is a paragraph: what stands above is title page and contents."""
    for i, block in enumerate(blocks[:400]):
        if len(block.text) >= 4 and scores[i] < -1 and not _columns(block):
            return i
    return 0


# ------------------------------------------------------------------------------------------------- one block


def _kind(block: Lines, shape: BookShape, place: _Place) -> Kind:
    joined = " ".join(line.strip() for line in block.text[:8])
    if RULES.fullmatch(joined):
        return "break"
    if CAPTION.match(joined) or is_image_file(joined):
        return "caption"
    if shape.speakers and len(block.text) == 1 and _is_stage_line(block, shape, joined):
        return "drama"
    if shape.speakers and len(block.text) > 1 and lone_speaker(block.text[0]) in shape.speakers:
        return "drama"
    note = NOTE.match(joined) is not None
    if (not note and _is_letter_part(block, shape, joined)) or (
        place.before == "letter" and _is_name(block, joined)
    ):
        return "letter"
    columns = None if note else _columns(block)
    if columns and not (shape.speakers and columns == "list" and _speeches(block.text[:1], shape)):
        return columns
    if place.listed and not _is_sentence(block, shape, joined, place):
        return "list"
    if _is_heading(block, shape, joined, place):
        return "heading"
    if len(block.text) == 1:
        return _single(block, shape, joined, place)
    if shape.speakers and _speeches(block.text, shape) >= 2:
        return "drama"
    if _is_list(block, shape, place.beside):
        return "heading" if place.front and len(block.text) <= 6 and not place.listed else "list"
    if FOOTNOTE.match(joined) and joined[0] in "[*":
        return "prose"
    return "verse" if place.score > 0 else "prose"


def _is_sentence(block: Lines, shape: BookShape, joined: str, place: _Place) -> bool:
    """Whether a block below "Contents" is no entry: speech, lines too long, a paragraph with a full stop."""
    if max(block.ends) > shape.width + 9 or joined.startswith(tuple("\"“‘'")):
        return True
    return len(block.text) >= 2 and place.score < -2 and block.text[-1].rstrip(CLOSING).endswith(".")


def _is_plain(block: Lines, shape: BookShape, score: float) -> bool:
    """An ordinary paragraph, which needs no closer look: most blocks are one."""
    first = block.text[0].lstrip()[:1]
    if (
        shape.speakers
        or first in "[|*+"
        or block.indents[0] > shape.indent + 1
        or max(block.ends) < 0.8 * shape.width
    ):
        return False
    if len(block.text) == 1:
        return first in "\"“«„‘'" and block.above < 2 and "   " not in block.text[0].lstrip()
    if any(indent != shape.margin for indent in block.indents[1:]) or any(
        "   " in line.lstrip() or "..." in line for line in block.text[1:]
    ):
        return False
    return len(block.text) > 2 and score < -2


def _single(block: Lines, shape: BookShape, joined: str, place: _Place) -> Kind:
    """One line that is neither heading nor list: a line of verse stands in, and is short."""
    inset = block.indents[0] - shape.indent
    if NOTE_LABEL.fullmatch(joined):
        return "heading"
    if FOOTNOTE.match(joined):
        return "prose"
    spoken = place.in_verse and place.before == "drama"
    if place.beside.prose and not (place.beside.verse or spoken):
        return "prose"
    least = -1 if spoken else 1 if place.beside.verse else 3
    if inset >= least and block.ends[0] < shape.width - 3 and not _starts_low(joined):
        return "verse"
    return "prose"


def _is_stage_line(block: Lines, shape: BookShape, joined: str) -> bool:
    """The name of a speaker alone, or a direction at the right: ``[_Exit_.``."""
    return (block.above < 2 and lone_speaker(joined) in shape.speakers) or (
        joined[0] == "[" and block.indents[0] > 20
    )


def _is_name(block: Lines, joined: str) -> bool:
    """One line in capitals, of which a signature is made when it stands below the closing words."""
    return len(block.text) == 1 and block.above == 1 and _is_short_name(joined)


def _starts_low(joined: str) -> bool:
    return joined.lstrip(OPENING)[:1].islower()


def _speeches(text: Sequence[str], shape: BookShape) -> int:
    found = (SPEAKER.match(line) for line in text)
    return sum(1 for match in found if match and match[1] in shape.speakers)


def _columns(block: Lines) -> Kind | None:
    """Table or list when most lines have columns, or numbers at their ends."""
    count = len(block.text)
    stripped = [line.strip() for line in block.text]
    gaps = [
        len(GAP.findall(line)) if "  " in line or ". ." in line or ".." in line else 0 for line in stripped
    ]
    with_gap = sum(1 for n in gaps if n)
    ruled = sum(1 for line in block.text if line.count("|") >= 2 or line.lstrip().startswith(("+--", "|--")))
    if ruled * 2 > count > 1 or (sum(1 for n in gaps if n >= 2) * 2 > count and count > 1):
        return "table"
    if with_gap * 2 > count or (with_gap * 2 == count and count > 2):
        if count == 1 and block.indents[0] > 20 and not _ends_in_number(block.text[0]):
            return None
        return "list"
    if count <= 4 and gaps[-1] == 1 and LEADER.search(block.text[-1]):
        return "list"
    numbered = sum(1 for line in block.text if _ends_in_number(line))
    if numbered * 5 >= count * 3 and max(block.ends) < 70 and (count > 1 or block.above < 2):
        return "list"
    return None


def _ends_in_number(line: str) -> bool:
    """Whether a line ends as one of an index does. Only its end is looked at, however long it is."""
    end = line[-_LONGEST_NUMBERS:]
    return end.rstrip(" .;,_=-–")[-1:] in _DIGITS and NUMBER_AT_END.search(end) is not None


def _is_letter_part(block: Lines, shape: BookShape, joined: str) -> bool:
    """Dateline or address at the right, closing words, a name at the right."""
    if len(block.text) > 4 or len(joined) > 160:
        return False
    right = min(block.indents) >= shape.width // 3 and max(block.ends) >= 0.6 * shape.width
    if right and not _is_centred(block, shape):
        return not (joined.isupper() and _is_centred(block, shape, within=7))
    if 2 <= len(block.text) <= 3 and _is_address(block):
        return True
    if len(block.text) > 1 and SIGNED_FIRST.match(joined) and _is_short_name(block.text[-1]):
        return True
    if len(block.text) == 1 and DATE_AT_RIGHT.search(joined):
        return True
    if len(block.text) == 1 and (SALUTED.match(joined) or INITIALS.fullmatch(joined)):
        return len(joined.split()) <= 6
    if len(joined) < 60 and DATED.fullmatch(joined):
        return len(block.text) == 1 or min(block.indents) >= shape.width // 4
    signed = SIGNED.fullmatch(joined) or SIGNED.fullmatch(block.text[0].strip())
    return (
        bool(signed) and max(block.ends) - block.indents[0] < 0.8 * shape.width and len(joined.split()) <= 16
    )


def _is_short_name(line: str) -> bool:
    return line.isupper() and len(line.split()) <= 4


def _is_address(block: Lines) -> bool:
    """Few words a line, each line further in than the one above: ``Miss AUSTEN,`` / ``  Faversham.``"""
    stairs = all(a < b for a, b in pairwise(block.indents))
    return stairs and block.text[0].endswith(",") and block.text[-1].endswith(".") and max(block.ends) < 40


def _is_centred(block: Lines, shape: BookShape, within: int = 4) -> bool:
    """Whether the middles of most lines lie in the middle of the page, ``within`` so many characters."""
    middles = [(indent + end) / 2 for indent, end in zip(block.indents, block.ends, strict=True)]
    page = shape.width / 2
    near = sum(1 for middle in middles if abs(middle - page) <= within)
    return near * 2 > len(middles) and min(block.indents) >= 4


def _is_heading(block: Lines, shape: BookShape, joined: str, place: _Place) -> bool:
    """Chapter headings, title pages, dedications: short, apart, in capitals, centred or named as such."""
    count = len(block.text)
    if (
        count > 12
        or (count > 4 and not place.front and not joined.isupper())
        or len(joined) > 60 * count + 40
    ):
        return False
    letters = [c for c in joined if c.isalpha()]
    if not letters:
        return count == 1 and (place.apart or bool(CHAPTER.match(joined)))
    centred = count <= 12 and min(block.indents) >= 4 and _is_centred(block, shape)
    if joined[0] in "\"“«„‘'" and not (place.apart or joined.isupper() or (place.front and centred)):
        return False
    upper = sum(map(str.isupper, letters)) / len(letters)
    if upper > 0.85 and len(letters) > 1 and (count < 4 or place.front or place.before == "heading"):
        return joined[0] not in "[(" or block.above >= 2
    if (
        count <= 6
        and any(YEAR.fullmatch(line) for line in block.text)
        and max(block.ends) < 0.8 * shape.width
    ):
        return True
    if any(line.endswith((",", ";")) for line in block.text) and not (place.front or centred):
        return False
    if (place.front or place.before == "heading") and count <= 3 and IMPRINT.match(joined):
        return True
    return _is_title(block, shape, joined, place, centred)


def _is_title(block: Lines, shape: BookShape, joined: str, place: _Place, centred: bool) -> bool:
    """Headings that are not in capitals."""
    count = len(block.text)
    short = max(block.ends) - min(block.indents) < 0.8 * shape.width
    bare = joined.rstrip(CLOSING)
    ended = bare[-1:] in tuple(".,;:!?—-")
    first = block.text[0].strip()
    if count <= 5 and block.above >= 2 and (len(first) < 60 or block.above > 3) and CHAPTER.match(first):
        return True
    if count <= 4 and CHAPTER.match(joined) and short and len(joined) < 60 and joined[0].isupper():
        return count == 1 and not ended
    if count <= 4 and place.apart and short and ROMAN_TITLE.match(joined):
        return True
    if place.apart and short and count <= 3 and not ended:
        return not _starts_low(joined)
    if place.apart and count == 1 and bare.endswith(".") and len(joined.split()) <= 4:
        return not _starts_low(joined)
    if centred and count <= 8 and short:
        return place.apart or place.front or not ended or place.before == "heading"
    if place.front and short and (count <= 4 or centred):
        return not ended or len(joined) < 70
    return place.before == "heading" and count <= 2 and short and not ended and not _starts_low(joined)


def _is_list(block: Lines, shape: BookShape, beside: Beside) -> bool:
    """Short entries, each on its line: numbered, or without the punctuation that verse has."""
    count = len(block.text)
    items = sum(1 for line in block.text if ITEM.match(line) or CHAPTER.match(line))
    if items * 5 >= count * 3 and count >= 2:
        return True
    amounts = sum(1 for line in block.text if line.lstrip()[:1].isdigit())
    if amounts * 5 >= count * 3 and count >= 3 and max(block.ends) < 0.7 * shape.width:
        return True
    if count < 3 or beside.verse or capitals(block) < 0.75 or max(block.ends) > 0.9 * shape.width:
        return False
    ended = sum(1 for line in block.text if line.rstrip(CLOSING)[-1:] in tuple(",.;:!?—-"))
    return ended * 5 < count


# -------------------------------------------------------------------------------------------- with neighbours


def _settle(kinds: list[Kind], blocks: Sequence[Lines], shape: BookShape, scores: Sequence[float]) -> None:
    """Short blocks take the kind of the neighbours that they stand between."""
    for i in range(1, len(kinds) - 1):
        if len(blocks[i].text) > 3:
            continue
        above, below = kinds[i - 1], kinds[i + 1]
        if _is_among_entries(kinds, blocks, i):
            above = below = "list"
        if above == below:
            kinds[i] = _settled(kinds[i], above, blocks[i], shape, scores[i])


def _is_among_entries(kinds: Sequence[Kind], blocks: Sequence[Lines], i: int) -> bool:
    """Whether most blocks near a short one are entries of a list, or headings of chapters with no text."""
    first, stop = max(0, i - _AROUND), min(len(kinds), i + _AROUND + 1)
    near = kinds[first:stop]
    entries = near.count("list")
    if entries + near.count("heading") >= _ENTRIES:
        entries += sum(near[j] == "heading" and _is_chapter(blocks[first + j]) for j in range(len(near)))
    return entries >= _ENTRIES


def _is_chapter(block: Lines) -> bool:
    return block.above < 3 and len(block.text) <= 2 and CHAPTER.match(block.text[0]) is not None


def _settled(kind: Kind, around: Kind, block: Lines, shape: BookShape, score: float) -> Kind:
    count = len(block.text)
    if (
        around == "list"
        and kind in ("prose", "heading", "verse")
        and count <= 2
        and min(block.above, block.below) == 1
    ):
        return "list" if max(block.ends) < 0.9 * shape.width or block.indents[0] > 1 else kind
    if around == "verse" and kind == "prose":
        doubtful = count > 1 and score > -1.5
        return "verse" if doubtful or block.indents[0] > shape.indent + 1 else kind
    if around == "prose" and kind == "verse" and count > 1 and min(block.indents) <= shape.indent:
        return "prose" if score < 0.5 else kind
    return kind
