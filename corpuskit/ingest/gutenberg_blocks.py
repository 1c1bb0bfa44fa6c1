"""What each block of a Gutenberg book is: prose, verse, a table, a heading...

A block is a run of lines that are not blank. Plain text says nothing of what a block is, so it is told by its
shape against the book's: whether lines are as full as a wrapped line must be (the next word would not have
fitted), whether they begin with capitals in mid-sentence and end with punctuation, how they are indented,
whether they have columns, numbers at their ends, speakers at their beginnings. The book gives the width that
its prose is wrapped at and the indent of its paragraphs; neighbours decide what is left open.

The weights were set on 250 blocks of 69 books marked by hand (``tests/cases/gutenberg_blocks.tsv``, the rows
"tune"); `benchmarks.gutenberg_body` tells how many of 500 blocks of 102 other books they class right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

Kind = Literal["prose", "verse", "drama", "table", "list", "heading", "letter", "break", "caption"]
"""``drama`` is a block in which several speak; one speech is prose or verse. ``list`` are contents, indexes
and casts; ``letter`` a dateline, address or signature; ``break`` a row of asterisks; ``caption`` belongs to
an illustration."""


class Block(NamedTuple):
    """Lines ``first`` to ``stop`` (not included) of a book."""

    first: int
    stop: int
    kind: Kind


_OPENING = " \t\u3000_\"'“”‘’«»„‚([{*=~+-—–†|"
_CLOSING = " _\"'”’»“)]}=~+*"
_WORD = re.compile(r"\S+")
_GAP = re.compile(r"\S {3,}(?=\S)|\t|\.{4,}|(?:\. ){3,}|\S  +(?=[\divxlc]+\.?$)")
_NUMBER_AT_END = re.compile(r"(?:\s{2,}|, |\. ?)(?:\d[\d\-–, ]*|[ivxlc]+)\.?$")
_LONGEST_NUMBERS = 200
_LEADER = re.compile(r"\S(?: {3,}|\.{4,})_?(?:\$?[\d.]+|[ivxlc]+|frontispiece)[_.]*$", re.IGNORECASE)
_ITEM = re.compile(r"\s*(?:\d{1,3}[.)]|[IVXLC]{1,7}[.)]|\([a-z\d]{1,3}\)|[*•-])\s+\S")
_RULES = re.compile(r"[\s*_=·•.#~+<>|–—o-]+")
_CHAPTER = re.compile(
    r"""[\W_]{0,4}(?:
        (?:chapter|chap\.|book|part|volume|vol\.|letter|act|scene|canto|section|sect\.|stave|epilogue|prologue|preface
        |introduction|contents|index|appendix|footnotes?|notes|glossary|dedication|foreword|postscript|finis
        |the\ end|end\ of|first|second|third|fourth|fifth|kapitel|buch|teil|akt|szene|auftritt|vorwort
        |inhalt|chapitre
        |livre|tome|partie|acte|scène|table\ des|préface|capítulo|capitulo|libro|parte|canto|cap\.|tomo
        |prólogo|capitolo
        |atto|scena|hoofdstuk|deel|inhoud|luku|runo|fejezet|rozdział|księga|ĉapitro|fin|fine|ende)\b
        |[IVXLC]{1,8}\.?\s*$|\d{1,3}[.)]?\s*$
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_ROMAN_TITLE = re.compile(r"[\W_]{0,4}(?:[IVXLC]{1,8}|\d{1,3})\.(?:\s|--|—)+\S")
_YEAR = re.compile(r"\W*(?:1[4-9]\d\d|M[DCLXVI]{3,})\W*")
_FOOTNOTE = re.compile(r"\s*(?:\[[\w*]{1,4}\]|\d{1,3}[:.)]|\*|\[?footnote)", re.IGNORECASE)
_SIGNED = re.compile(
    r"[\W_]{0,3}(?:i am|i remain|i have the honou?r|believe me|ever|yours?|your own|very|most"
    r"|with)\b[^.!?]{0,70}"
    r"\b(?:yours?|ever|servant|friend|sister|brother|son|daughter|mother|father|wife|husband"
    r"|affectionate(?:ly)?"
    r"|truly|sincerely|faithfully|respectfully|obligation|obliged|attached|&c|etc)\b[.,;:]*",
    re.IGNORECASE,
)
_SALUTED = re.compile(
    r"[\W_]{0,3}(?:my |o )?(?:dear|dearest|beloved|honou?red|sir|madam|gentlemen)\b.{0,40}[,:—-]+$", re.I
)
_INITIALS = re.compile(r"[\W_]{0,3}(?:[A-Z]\. ?){1,4}[\W_]*")
_DATED = re.compile(
    r"[^.!?;]{0,50}\b(?:jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec|monday|tuesday|wednesday"
    r"|thursday|friday"
    r"|saturday|sunday)[a-z]*\b[^a-z]{0,12}\d[^!?]{0,24}$",
    re.IGNORECASE,
)
_CAPTION = re.compile(
    r"\[?[_* ]*illustration\b|\[(?:picture|image|map|plate|headpiece|tailpiece)\b", re.IGNORECASE
)
_LISTS = re.compile(
    r"\W*(?:table of |list of |the )?(?:contents|illustrations|plates|maps|persons.{0,40}"
    r"|dramatis person.{0,4}|characters.{0,30}"
    r"|cast.{0,20}|personnages|personen|personas|index.{0,30}|errata|(?:books|works|novels) by .{0,40}"
    r"|table des mati.res|inhalt"
    r"|inhoud|indice|índice|tabla|innehåll|sisällys|tartalom|spis rzeczy|enhavo)\W*",
    re.IGNORECASE,
)
_SPEAKER = re.compile(
    r"[ \t]{0,8}_?(?!(?:Mrs?|Dr|St|M|Mme|Mlle|No|Vol|Chap|Fig|Sect|Art|Page)\b)"
    r"([A-Z][\w’']{0,15}(?:[ -][A-Z][\w’'.]{0,15}){0,3})_?(?:,? ?[(\[][^)\]\n]{1,60}[)\]])?[.:](?:_| |$)"
)


@dataclass(frozen=True)
class BookShape:
    """What is usual in a book.

    Attributes:
        width: characters at which its prose is wrapped.
        indent: of the first line of its paragraphs.
        speakers: names that speak in it; empty for what is not a play.
    """

    width: int
    indent: int
    speakers: frozenset[str]


class _Lines(NamedTuple):
    """A block's lines and their measures: `indents` and `ends` (first and last column) in characters."""

    text: Sequence[str]
    indents: Sequence[int]
    ends: Sequence[int]
    above: int
    below: int


def find_blocks(lines: Sequence[str]) -> list[Block]:
    """The blocks of a book and their kinds, in order. Work is linear in the characters of the lines.

    >>> find_blocks(["CHAPTER I", "", "It was so late that nobody in the house", "came to the door."])
    [Block(first=0, stop=1, kind='heading'), Block(first=2, stop=4, kind='prose')]
    """
    spans = _spans(lines)
    measured = [_measure(lines, spans, i) for i in range(len(spans))]
    shape = _shape(measured)
    kinds: list[Kind] = []
    story = _first_paragraph(measured, shape)
    listed = False
    open_caption = 0
    for i, block in enumerate(measured):
        listed = listed and block.above < 3
        kind = _kind(block, shape, _Place(kinds[-1] if kinds else "heading", i < story, listed))
        open_caption = _still_open(block, kind, open_caption)
        if open_caption and kind != "caption":
            kind = "caption"
        elif kind == "heading":
            listed = len(block.text) <= 2 and bool(_LISTS.fullmatch(" ".join(block.text)))
        elif kind in ("prose", "verse") and len(block.text) > 3:
            listed = False
        kinds.append(kind)
    _settle(kinds, measured, shape)
    return [Block(first, stop, kind) for (first, stop), kind in zip(spans, kinds, strict=True)]


class _Place(NamedTuple):
    """Where a block stands: after which kind, before the first paragraph of the book, below "Contents"."""

    before: Kind
    front: bool
    listed: bool


def _still_open(block: _Lines, kind: Kind, blocks_open: int) -> int:
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


def _spans(lines: Sequence[str]) -> list[tuple[int, int]]:
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


def _measure(lines: Sequence[str], spans: Sequence[tuple[int, int]], i: int) -> _Lines:
    first, stop = spans[i]
    text = [line.rstrip() for line in lines[first:stop]]
    if any("\t" in line for line in text):
        text = [line.expandtabs(8) for line in text]
    ends = [len(line) for line in text]
    indents = [end - len(line.lstrip()) for end, line in zip(ends, text, strict=True)]
    above = first - spans[i - 1][1] if i else 9
    below = spans[i + 1][0] - stop if i + 1 < len(spans) else 9
    return _Lines(text, indents, ends, above, below)


def _shape(blocks: Sequence[_Lines]) -> BookShape:
    """Width and indent by the lines of blocks that look like prose; speakers by names at line starts."""
    widths: Counter[int] = Counter()
    indents: Counter[int] = Counter()
    names: Counter[str] = Counter()
    for block in blocks:
        if len(block.text) >= 3 and _capitals(block.text) < 0.6 and min(block.indents[1:]) <= 1:
            widths[max(block.ends)] += len(block.text)
        if len(block.text) >= 2 and block.indents[1] == 0:
            indents[block.indents[0]] += 1
        for line in block.text[:1] if len(block.text) < 3 else block.text:
            found = _SPEAKER.match(line) if "." in line[:80] or ":" in line[:80] else None
            if found:
                names[found[1]] += 1
    speakers = {name for name, count in names.items() if count >= 5}
    speeches = sum(names[name] for name in speakers)
    if len(speakers) < 3 or speeches < 40 or speeches * 8 < len(blocks):
        speakers = set()
    indent = max(indents, key=lambda n: (indents[n], -n), default=0)
    return BookShape(_median(widths), indent, frozenset(speakers))


def _median(counts: Counter[int]) -> int:
    """Weighted; 70, the usual width of the project's files, when there is nothing to count."""
    left = sum(counts.values()) / 2
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return value
    return 70


def _capitals(text: Sequence[str]) -> float:
    """Share of the lines that begin with a capital in mid-sentence, of those that begin there with a letter.

    Half when no line says: after the end of a sentence, prose begins with a capital too.
    """
    seen = upper = 0
    for above, line in pairwise(text):
        letter = line.lstrip(_OPENING)[:1]
        if letter.isalpha() and above.rstrip(_CLOSING)[-1:] not in tuple(".!?:"):
            seen += 1
            upper += letter.isupper()
    return upper / seen if seen else 0.5


def _first_paragraph(blocks: Sequence[_Lines], shape: BookShape) -> int:
    """Index of the first block that is a paragraph: what stands above is title page and contents."""
    for i, block in enumerate(blocks[:400]):
        if len(block.text) >= 4 and _verse_score(block, shape) < -1 and not _columns(block):
            return i
    return 0


# ------------------------------------------------------------------------------------------------- one block


def _kind(block: _Lines, shape: BookShape, place: _Place) -> Kind:
    if _is_plain(block, shape):
        return "prose"
    joined = " ".join(line.strip() for line in block.text[:8])
    if _RULES.fullmatch(joined):
        return "break"
    if _CAPTION.match(joined):
        return "caption"
    if shape.speakers and len(block.text) == 1 and joined.rstrip(":.") in shape.speakers:
        return "drama"
    if _is_letter_part(block, shape, joined):
        return "letter"
    columns = _columns(block)
    if columns and not (shape.speakers and columns == "list" and _speeches(block.text[:1], shape)):
        return columns
    if place.listed and max(block.ends) <= shape.width + 9 and not joined.startswith(tuple("\"“‘'")):
        return "list"
    if _is_heading(block, shape, joined, place):
        return "heading"
    if len(block.text) == 1:
        return _single(block, shape, joined)
    if shape.speakers and _speeches(block.text, shape) >= 2:
        return "drama"
    if _is_list(block, shape):
        return "heading" if place.front and len(block.text) <= 6 and not place.listed else "list"
    if _FOOTNOTE.match(joined) and joined[0] in "[*":
        return "prose"
    return "verse" if _verse_score(block, shape) > 0 else "prose"


def _is_plain(block: _Lines, shape: BookShape) -> bool:
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
    if any(block.indents[1:]) or any("   " in line or "..." in line for line in block.text[1:]):
        return False
    return len(block.text) > 2 and _verse_score(block, shape) < -2


def _single(block: _Lines, shape: BookShape, joined: str) -> Kind:
    """One line that is neither heading nor list: a line of verse stands in, and is short."""
    inset = block.indents[0] - shape.indent
    if _FOOTNOTE.match(joined):
        return "prose"
    if inset >= 3 and block.ends[0] < shape.width - 3 and not _starts_low(joined):
        return "verse"
    return "prose"


def _starts_low(joined: str) -> bool:
    return joined.lstrip(_OPENING)[:1].islower()


def _speeches(text: Sequence[str], shape: BookShape) -> int:
    found = (_SPEAKER.match(line) for line in text)
    return sum(1 for match in found if match and match[1] in shape.speakers)


def _columns(block: _Lines) -> Kind | None:
    """Table or list when most lines have columns, or numbers at their ends."""
    count = len(block.text)
    stripped = [line.strip() for line in block.text]
    gaps = [
        len(_GAP.findall(line)) if "  " in line or ". ." in line or ".." in line else 0 for line in stripped
    ]
    with_gap = sum(1 for n in gaps if n)
    ruled = sum(1 for line in block.text if line.count("|") >= 2 or line.lstrip().startswith(("+--", "|--")))
    if ruled * 2 > count > 1 or (sum(1 for n in gaps if n >= 2) * 2 > count and count > 1):
        return "table"
    if with_gap * 2 > count or (with_gap * 2 == count and count > 2):
        if count == 1 and block.indents[0] > 20 and not _ends_in_number(block.text[0]):
            return None
        return "list"
    if count <= 4 and gaps[-1] == 1 and _LEADER.search(block.text[-1]):
        return "list"
    numbered = sum(1 for line in block.text if _ends_in_number(line))
    if numbered * 5 >= count * 3 and max(block.ends) < 70 and (count > 1 or block.above < 2):
        return "list"
    return None


def _ends_in_number(line: str) -> bool:
    """Whether a line ends as one of an index does. Only its end is looked at, however long it is."""
    return _NUMBER_AT_END.search(line[-_LONGEST_NUMBERS:]) is not None


def _is_letter_part(block: _Lines, shape: BookShape, joined: str) -> bool:
    """Dateline or address at the right, closing words, a name at the right."""
    if len(block.text) > 4 or len(joined) > 160:
        return False
    right = min(block.indents) >= shape.width // 3 and max(block.ends) >= 0.6 * shape.width
    if right and not _is_centred(block, shape):
        return not (joined.isupper() and _is_centred(block, shape, within=7))
    if 2 <= len(block.text) <= 3 and _is_address(block):
        return True
    if len(block.text) == 1 and (_SALUTED.match(joined) or _INITIALS.fullmatch(joined)):
        return len(joined.split()) <= 6
    if len(joined) < 60 and _DATED.fullmatch(joined):
        return len(block.text) == 1 or min(block.indents) >= shape.width // 4
    signed = _SIGNED.fullmatch(joined) or _SIGNED.fullmatch(block.text[0].strip())
    return (
        bool(signed) and max(block.ends) - block.indents[0] < 0.8 * shape.width and len(joined.split()) <= 16
    )


def _is_address(block: _Lines) -> bool:
    """Few words a line, each line further in than the one above: ``Miss AUSTEN,`` / ``  Faversham.``"""
    stairs = all(a < b for a, b in pairwise(block.indents))
    return stairs and block.text[0].endswith(",") and block.text[-1].endswith(".") and max(block.ends) < 40


def _is_centred(block: _Lines, shape: BookShape, within: int = 4) -> bool:
    """Whether the middles of most lines lie in the middle of the page, ``within`` so many characters."""
    middles = [(indent + end) / 2 for indent, end in zip(block.indents, block.ends, strict=True)]
    page = shape.width / 2
    near = sum(1 for middle in middles if abs(middle - page) <= within)
    return near * 2 > len(middles) and min(block.indents) >= 4


def _is_heading(block: _Lines, shape: BookShape, joined: str, place: _Place) -> bool:
    """Chapter headings, title pages, dedications: short, apart, in capitals, centred or named as such."""
    count = len(block.text)
    if count > 12 or (count > 4 and not place.front) or len(joined) > 60 * count + 40:
        return False
    letters = [c for c in joined if c.isalpha()]
    if not letters:
        return bool(_CHAPTER.match(joined)) and count == 1
    centred = count <= 12 and min(block.indents) >= 4 and _is_centred(block, shape)
    if joined[0] in "\"“«„‘'" and block.above < 3 and not (place.front and centred):
        return False
    upper = sum(map(str.isupper, letters)) / len(letters)
    if upper > 0.85 and len(letters) > 1 and (count < 4 or place.front):
        return joined[0] not in "[(" or block.above >= 2
    if (
        count <= 6
        and any(_YEAR.fullmatch(line) for line in block.text)
        and max(block.ends) < 0.8 * shape.width
    ):
        return True
    if any(line.endswith((",", ";")) for line in block.text) and not (place.front or centred):
        return False
    return _is_title(block, shape, joined, place, centred)


def _is_title(block: _Lines, shape: BookShape, joined: str, place: _Place, centred: bool) -> bool:
    """Headings that are not in capitals."""
    count = len(block.text)
    short = max(block.ends) - min(block.indents) < 0.8 * shape.width
    ended = joined.rstrip(_CLOSING)[-1:] in tuple(".,;:!?—-")
    if count <= 5 and block.above >= 2 and len(block.text[0].strip()) < 60 and _CHAPTER.match(joined):
        return count == 1 or short or centred or bool(_CHAPTER.match(block.text[0].strip()))
    if count <= 4 and _CHAPTER.match(joined) and short and len(joined) < 60 and joined[0].isupper():
        return count == 1 and not ended
    if count <= 4 and block.above >= 2 and short and _ROMAN_TITLE.match(joined):
        return True
    if block.above >= 2 and short and count <= 3 and not ended:
        return not _starts_low(joined)
    if block.above >= 2 and count == 1 and joined.endswith(".") and len(joined.split()) <= 4:
        return joined[0].isupper()
    if centred and count <= 8 and short:
        return block.above >= 2 or place.front or not ended or place.before == "heading"
    if place.front and short and (count <= 4 or centred):
        return not ended or len(joined) < 70
    return place.before == "heading" and count <= 2 and short and not ended and not _starts_low(joined)


def _is_list(block: _Lines, shape: BookShape) -> bool:
    """Short entries, each on its line: numbered, or without the punctuation that verse has."""
    count = len(block.text)
    items = sum(1 for line in block.text if _ITEM.match(line) or _CHAPTER.match(line))
    if items * 5 >= count * 3 and count >= 2:
        return True
    amounts = sum(1 for line in block.text if line.lstrip()[:1].isdigit())
    if amounts * 5 >= count * 3 and count >= 3 and max(block.ends) < 0.7 * shape.width:
        return True
    if count < 3 or _capitals(block.text) < 0.75 or max(block.ends) > 0.9 * shape.width:
        return False
    ended = sum(1 for line in block.text if line.rstrip(_CLOSING)[-1:] in tuple(",.;:!?—-"))
    return ended * 5 < count


def _verse_score(block: _Lines, shape: BookShape) -> float:
    """Above zero for verse, below for prose; far from zero when it is sure."""
    text, indents, ends = block.text, block.indents, block.ends
    last = len(text) - 1
    if last < 1:
        return 0.0
    inset = min(indents)
    width = max(ends) if last >= 3 else max(*ends, shape.width - (inset if inset < 12 else 0))
    fits = filled = ended = 0.0
    for i in range(last):
        word = _WORD.search(text[i + 1], indents[i + 1])
        following = word.end() - word.start() if word else 1
        fits += ends[i] + 1 + following <= width
        filled += (ends[i] - inset) / max(1, shape.width - inset)
        ended += text[i].rstrip(_CLOSING)[-1:] in ",.;:!?—-"
    return _weigh(
        _capitals(text), fits / last, filled / last, ended / last, inset > shape.indent + 1, last + 1
    )


def _weigh(capitals: float, fits: float, filled: float, ended: float, inset: bool, count: int) -> float:
    score = 4.0 * (capitals - 0.5) + 3.0 * (fits - 0.4) + 5.0 * (0.8 - filled) + 2.0 * (ended - 0.4)
    if count >= 4 and fits > 0.3 and filled < 0.7:
        score += 1.0  # short lines that a wrap did not make, whatever they begin with
    if inset:
        return score + 0.5
    return score - (2.0 if count <= 3 else 0.5)  # a couplet that stands in prose is inset


# -------------------------------------------------------------------------------------------- with neighbours


def _settle(kinds: list[Kind], blocks: Sequence[_Lines], shape: BookShape) -> None:
    """Short blocks take the kind of the neighbours that they stand between."""
    for i in range(1, len(kinds) - 1):
        around = {kinds[i - 1], kinds[i + 1]}
        if len(around) == 1 and len(blocks[i].text) <= 3:
            kinds[i] = _settled(kinds[i], around.pop(), blocks[i], shape)


def _settled(kind: Kind, around: Kind, block: _Lines, shape: BookShape) -> Kind:
    count = len(block.text)
    if (
        around == "list"
        and kind in ("prose", "heading", "verse")
        and count <= 2
        and min(block.above, block.below) == 1
    ):
        return "list" if max(block.ends) < 0.9 * shape.width or block.indents[0] > 1 else kind
    if around == "verse" and kind == "prose":
        doubtful = count > 1 and _verse_score(block, shape) > -1.5
        return "verse" if doubtful or block.indents[0] > shape.indent + 1 else kind
    if around == "prose" and kind == "verse" and count > 1 and min(block.indents) <= shape.indent:
        return "prose" if _verse_score(block, shape) < 0.5 else kind
    return kind
