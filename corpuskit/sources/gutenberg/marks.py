"""Marks that volunteers put into plain text for what print had: italics, page numbers, illustrations, notes.

``_italics_``, ``=bold=``, ``+spaced out+``, ``~spaced out~``; ``[Pg 12]``, ``{12}``, ``[p. 12]`` and lines
that are only a number; ``[Illustration: caption]``; ``[1]`` and ``[Footnote 1: ...]``. A mark is
only taken for one where it stands as one: a single underscore inside of a word, an address or a name of a
file stays, and numbers are pages only when they count up through the book (`PageNumbers`).

Underscores stand for spaces, too (``_der_letzte_Mensch_``), and touch words that are not in italics. These
are the rest of one word (``_un_likely``, ``2_s._``) or have lost their space (``_Nautilus_aurait``): the
words of the book decide, and where it has neither, syllables are joined and words parted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from corpuskit.sources.gutenberg.blocks import ALONE, IN_RUN, UNWRAPPED, BookBlocks
from corpuskit.sources.gutenberg.rules import is_image_file
from corpuskit.sources.gutenberg.shape import Kind

EMPHASIS, MAY_BE_PAGE, PICTURE, MAY_BE_FILE, MAY_BE_LONE = (1 << bit for bit in range(5))
OPENINGS = tuple(1 << bit for bit in range(5, 10))
HYPHEN_JOIN = 1 << 10
NUMBERED = tuple(1 << bit for bit in range(11, 16))
"""Bits of `BookBlocks.marks`, as native/engine/gutenberg/book.hpp has them; openings are ``[ { ( < |``, and
numbered where the number of a page may be behind them."""

_By = str | Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class MarkOptions:
    """What becomes of marks; fields as the settings of `Gutenberg` of the same names."""

    emphasis: Literal["unwrap", "keep"] = "unwrap"
    illustrations: Literal["caption", "remove", "keep"] = "caption"
    footnotes: Literal["keep", "remove"] = "keep"
    page_numbers: Literal["remove", "keep"] = "remove"


# What is before a mark is looked at behind it, so that the mark itself is what is searched for.
_BETWEEN = r"{m}(?<![\w{m}]{m})(?=[^\s{m}])([^{m}]*[^\s{m}]){m}(?![\w{m}])"
# The second form is punctuation that alone is in italics.
_EMPHASIS = (
    ("_", "italics", re.compile(_BETWEEN.format(m="_"))),
    ("_", "italics", re.compile(r"_(?<=\w_)([.,;:!?]{1,3})_(?!\w)")),
    ("=", "bold", re.compile(_BETWEEN.format(m="="))),
    ("~", "spaced_out", re.compile(_BETWEEN.format(m="~"))),
    ("+", "spaced_out", re.compile(r"\+(?<![\w+]\+)(?=[^\W\d])([^+]*[^\W\d][.,;:!?]?)\+(?![\w+])")),
)
_SPACES = re.compile(r"_(?<![\w_]_)((?:[^\W_][^\s_]*_)+[^\W_][^\s_]*)_(?![\w_])")
"""Underscores in place of the spaces between words in italics."""
_TOUCHING = re.compile(r"(?<![^\W_])([^\W_]{0,60})(?<!_)_(?=[^\s_])([^_\n]{0,200}[^\s_])_(?!_)([^\W_]{0,60})")
"""Italics, and the letters that touch them at either side."""
_ORDINALS = frozenset(
    ("st", "nd", "rd", "th", "d", "er", "re", "ère", "e", "ème", "me", "ter", "ten", "te", "de")
)
"""What follows a number in the word of it."""
_SUFFIX, _WORD = 2, 4
"""Letters up to which what touches a word is an ending of it, and from which both are words."""
_MAX_EMPHASIS = 4_000
"""Characters between two marks: beyond them the second one opens, because the first was never closed."""
_NAME_OF_COMPUTERS = re.compile(
    r"[^\W_]__[^\W_]|(?<!\w)__[^\W_]|(?<!\S)[^\W\d_]{1,60}_[^\W\d_]{1,60}(?=[.,;:]*(?:\s|\Z))"
)
_FIRST_WORD, _LAST_WORD = re.compile(r"[^\W_]+"), re.compile(r"[^\W_]+\Z")
_FILE_ENDING = re.compile(r"[\w.-]{0,60}\.[a-z]{2,4}\b(?!\.)")
_ADDRESS = re.compile(r"[/@\\]|www\.")
_LEAST_PAGES = 20
"""Numbers below which a row that counts up may be of chapters, stanzas or notes."""
_LEAST_GLUED = 5
"""The same where most of them touch the next word, which neither notes nor items do."""
_STEPS = (1, 2, 3)
"""A page without a number makes a step of two, a picture on a leaf of its own one of three."""

# A number of a page has a word before it only where it cuts one; a note's number touches the word that it
# belongs to. In braces only pages are numbered.


def _where_pages_stand(opening: str) -> str:
    """An opening bracket in such a place; it is looked for first, and what is before it only then."""
    return (
        rf"\{opening}(?:(?<![^\s\"“‘'«„—–-]\{opening})"
        rf"|(?<=[^\W\d_]\{opening})(?=\d{{1,4}}\S[^\W\d_]))"
    )


_PAGE_WORD = (
    r"(?:pg|page|pp?|seite|s|bl[sz]?|bladzijde|p[áàa]g(?:in[ae])?|página|pàgina|sivu|side|sid(?:an)?"
    r"|str(?:ona|ana)?|oldal|paĝo|lk|tud|lch|σελ|стр|с)\b"
)
"""Words for page in the languages of the volunteers."""
_FORMS = (
    re.compile(_where_pages_stand("[") + r"(\d{1,4})\] ?"),
    re.compile(r"\{(\d{1,4})\} ?"),
    re.compile(_where_pages_stand("(") + rf"(?:{_PAGE_WORD}\.? ?)?(\d{{1,4}})\) ?", re.IGNORECASE),
    re.compile(_where_pages_stand("<") + r"(\d{1,4})> ?"),
    re.compile(_where_pages_stand("|") + r"(\d{1,4})\| ?"),
)
_ANY = tuple(
    re.compile(rf"\{opening}\D{{0,6}}(\d{{1,4}})\{closing}")
    for opening, closing in ("[]", "{}", "()", "<>", "||")
)
_WORD_BEFORE = re.compile(r"[^\W\d_][,;]?\s*\Z")
_WORD_AFTER = re.compile(r"\s*[^\W\d_]")
_NUMBER_OF_PAGE = r"\.? ?(?:\d{1,4}|[ivxlc]{1,8})[a-z]?\.?"
_PAGE_MARK = rf"(?:[\[{{<|]{_PAGE_WORD}{_NUMBER_OF_PAGE}[\]}}>|]|\(pg\b{_NUMBER_OF_PAGE}\))"
_PAGE = re.compile(rf" *{_PAGE_MARK}(?=[.,;:!?])|{_PAGE_MARK} ?", re.IGNORECASE)
"""Not in round brackets: authors cite pages so. `PageNumbers` tells which are none."""
_BRACKET = re.compile(r"[\[{(<|]")
_ONE_WORD = re.compile(r"[^\W_]+")
_IN_WORD = re.compile(r"\w")
_FEW_ASKED = 16
_STOPS = frozenset(".,;:!?")
"""Signs that no blank stands before."""
_NOTE_NUMBER = re.compile(
    r"^[ _*]{0,4}(?:(?:foot)?notes?\W{1,3})?(\d{1,4})[.:)]\s", re.IGNORECASE | re.MULTILINE
)
"""The number that a note begins with; one in brackets is counted with the references."""
_CLOSE, _FEW_CLOSE = 3, 10
"""A number of a page that is nearer to the one before it than a third of the mean is rare, as few as
one in ten; of references to notes a fifth and more stand so."""
_LONE = re.compile(r"[\[{(|~ -]*(?:(?:page|pg|p)\b\.? *)?(\d{1,4})[\]})|~ .-]*", re.IGNORECASE)
_REFERENCE = re.compile(r" ?\[(?:\d{1,4}|[A-Z]|\*+|†|‡|footnote \w{1,4})\]", re.IGNORECASE)
_NOTE = re.compile(r"\s*\[(?:footnote\b|\d{1,4}\]|[A-Z]\]|\*+\])", re.IGNORECASE)
_NOTES_HEADING = re.compile(r"\W*(?:foot)?notes?\W*", re.IGNORECASE)
_CAPTION = re.compile(r"[_* ]*\[?[_* ]*(?:illustration|picture|image)\s*(?:\(\w+\))?[\s:.]*", re.IGNORECASE)

_PICTURE_INSIDE = re.compile(r"\[Illustration(?::\s*([^\[\]\n]{0,80}))?\] ?")
# A file's name is one word with a number in it. A year is none of a file.
_FILE_NAME = re.compile(
    r"(?!1[0-9]\d\d\Z|20[0-2]\d\Z)(?:[a-z]{0,16}[-_.]?){0,3}\d{2,6}(?:[-_]?\d{1,4})?[-_]?[a-z]{0,8}(?:[-_][a-z]{1,8})?"
    r"|(?:illo|ill|img|image|pic|fig|i|p|f|plate|illus)[-_]?\d{1,6}[a-z]?"
)
_BINDING = re.compile(
    r"(?:the )?(?:original |book )?(?:front |back |inside )?(?:cover|spine|end-?papers?|dust ?jacket"
    r"|bookcover|(?:half ?)?title ?page|blank page)(?: image)?|decorati(?:on|ve)|uncaptioned|no caption"
    r"|(?:publisher['’]?s?['’]? |printer['’]?s?['’]? )?(?:logo|device)|page \d{1,4}|\d{1,4} page"
    r"|(?:the )?(?:image|illustration|picture)s?(?: of [\w'’ ]{1,40})?,? (?:is )?(?:not |un)available"
    r"|(?:image )?of [\w'’ ]{1,40}(?:not |un)available"
)


class Marks:
    """Takes the marks out of one block after the other.

    Attributes:
        cut: bytes taken, by reason.
        took_page: whether the number of a page was all of the last block.
    """

    def __init__(self, options: MarkOptions, blocks: BookBlocks) -> None:
        self.cut: Counter[str] = Counter()
        self.took_page = False
        self._options = options
        self._blocks = blocks
        remove = options.page_numbers == "remove"
        self._lone_pages = _lone_pages(blocks) if remove else frozenset()
        self._numbers = PageNumbers(blocks) if remove else None
        self._book = blocks.lines
        self._open_note = False
        self._asked = 0

    def parts(self) -> np.ndarray:
        """Where each block goes when the book is typeset: alone where `take` may take something from it.

        Where nothing but italics may be taken the engine is asked to take them.
        """
        if self._options.footnotes == "remove":
            # A note that is not closed reaches to any other block.
            return np.full(self._blocks.total, ALONE, np.uint8)
        signs = MAY_BE_FILE
        signs |= MAY_BE_PAGE if self._options.page_numbers == "remove" else 0
        signs |= PICTURE if self._options.illustrations != "keep" else 0
        special = (self._blocks.marks & signs) != 0
        special |= self._blocks.of_kind("caption")
        pages = [*self._lone_pages, *(self._numbers.blocks() if self._numbers else ())]
        special[np.array(pages, np.int64)] = True
        parts = np.where(special, ALONE, IN_RUN).astype(np.uint8)
        if self._options.emphasis == "unwrap":
            marked = (self._blocks.marks & EMPHASIS) != 0
            parts[marked & ~special & ~self._blocks.of_kind("table")] = UNWRAPPED
        return parts

    def take(self, text: str, i: int) -> str:
        """The text of block ``i`` without its marks; empty when nothing is left of it. Called in order."""
        kind = self._blocks.kind(i)
        self.took_page = i in self._lone_pages
        if self.took_page:
            return self._drop(text, "page_numbers")
        if kind == "caption" or is_image_file(text):
            return self._caption(text)
        if self._options.footnotes == "remove" and self._is_note(text, kind):
            return self._drop(text, "footnotes")
        if self._numbers:
            plain = self._numbers.without(i, text)
            plain = _PAGE.sub("", plain) if _BRACKET.search(plain) else plain
            if plain is not text:
                self.cut["page_numbers"] += len(text.encode("utf-8")) - len(plain.encode("utf-8"))
            self.took_page, text = not plain, plain
        if self._options.illustrations != "keep" and "[I" in text:
            text = self._sub(_PICTURE_INSIDE, _without_file_names, text, "illustrations")
        if self._options.footnotes == "remove" and "[" in text:
            text = self._sub(_REFERENCE, "", text, "footnotes")
        if self._options.emphasis == "unwrap" and kind != "table":
            text = self._unwrap(text)
        return text

    def _drop(self, text: str, reason: str) -> str:
        self.cut[reason] += len(text.encode("utf-8"))
        return ""

    def _sub(self, pattern: re.Pattern[str], by: _By, text: str, reason: str) -> str:
        out = pattern.sub(by, text)
        self.cut[reason] += len(text.encode("utf-8")) - len(out.encode("utf-8")) if out != text else 0
        return out

    def _unwrap(self, text: str) -> str:
        if text.count("_") > 2:
            text = self._sub(_SPACES, _spaced, text, "italics")
        for mark, reason, pattern in _EMPHASIS:
            if mark in text:
                out = pattern.sub(_inner, text)
                self.cut[reason] += len(text) - len(out)
                text = out
        if text.count("_") > 1:
            text = self._sub(_TOUCHING, self._touching, text, "italics")
        return text

    def _touching(self, found: re.Match[str]) -> str:
        """Italics that touch other letters, as one word or as several."""
        left, inner, right = found.groups()
        if not (left or right) or _is_in_address(found) or _FILE_ENDING.match(found.string, found.end()):
            return found[0]
        first, last = _FIRST_WORD.match(inner), _LAST_WORD.search(inner)
        if left and right:
            whole = f"{left}{inner}{right}"
            return whole if self._knows(whole) or not self._has_names_of_computers else found[0]
        several = any(map(str.isspace, inner))  # a part of a word is one piece
        if left[-1:].isdigit() and (inner[0].isdigit() or (first and first[0] in _ORDINALS)):
            return f"{left}{inner}{' ' * bool(right and several)}{right}"  # 6_th October_
        parted = (left and first and (several or self._are_words(left, first[0]))) or (
            right and last and (several or self._are_words(last[0], right))
        )
        return f"{left}{' ' * bool(left and parted)}{inner}{' ' * bool(right and parted)}{right}"

    def _are_words(self, left: str, right: str) -> bool:
        """Whether two pieces are words of their own, not one word."""
        if self._knows(left + right) or left.isdigit():
            return False
        if len(left) >= _SUFFIX and left[-1].islower() and right[0].isupper():
            return True
        if min(len(left), len(right)) <= _SUFFIX:
            return False
        if self._knows(left) and self._knows(right):
            return True
        return len(left) >= _WORD and len(right) >= _WORD and right[0].isalpha()

    @cached_property
    def _has_names_of_computers(self) -> bool:
        """Whether underscores join the pieces of names in the book: ``__init__``, ``file_name``."""
        return any(_NAME_OF_COMPUTERS.search(line) for line in self._book.all if "_" in line)

    def _knows(self, word: str) -> bool:
        """Whether the book has a word elsewhere."""
        word = word.lower()
        if not _ONE_WORD.fullmatch(word):
            return False
        if self._asked == _FEW_ASKED:
            return word in self._words
        # Most books ask for some words, and to look for those is far cheaper than to list all.
        self._asked += 1
        text, at = self._book.lowered, -1
        while (at := text.find(word, at + 1)) >= 0:
            if not _IN_WORD.match(text[at - 1 : at]) and not _IN_WORD.match(text, at + len(word)):
                return True
        return False

    @cached_property
    def _words(self) -> frozenset[str]:
        found = re.findall(r"(?<![\w_])[^\W_]+(?![\w_])", self._book.text)
        return frozenset(map(str.lower, found))

    def _caption(self, text: str) -> str:
        """The words of a caption, without the brackets and the word before them."""
        if self._options.illustrations == "keep":
            return text
        head = _CAPTION.match(text)
        words = text[head.end() :].strip() if head else text.strip()
        closes = words.count("]") > words.count("[")
        words = words[: words.rindex("]")] + words[words.rindex("]") + 1 :] if closes else words
        words = words.strip()
        if self._options.illustrations == "remove" or _is_no_caption(words):
            words = ""
        self.cut["illustrations"] += len(text.encode("utf-8")) - len(words.encode("utf-8"))
        return self._unwrap(words) if self._options.emphasis == "unwrap" else words

    def _is_note(self, text: str, kind: Kind) -> bool:
        """Whether a block is a footnote, or one of several blocks of it."""
        if kind == "heading":
            self._open_note = False
            return bool(_NOTES_HEADING.fullmatch(text))
        if _NOTE.match(text) or self._open_note:
            self._open_note = text.count("[") > text.count("]")
            return True
        return False


def _is_no_caption(words: str) -> bool:
    """Whether what stands for a picture says nothing of it: a file's name, a part of the binding, no word."""
    bare = words.strip(" _*=.:").lower()
    names = (_FILE_NAME, _BINDING)
    return not re.search(r"[^\W_]", bare) or is_image_file(words) or any(n.fullmatch(bare) for n in names)


def _without_file_names(found: re.Match[str]) -> str:
    return "" if _is_no_caption(found[1] or "") else found[0]


def _inner(found: re.Match[str]) -> str:
    """What stands between two marks, unless they are part of an address or far apart."""
    return found[0] if len(found[1]) > _MAX_EMPHASIS or _is_in_address(found) else found[1]


def _spaced(found: re.Match[str]) -> str:
    """Words in italics with spaces between them."""
    return found[0] if _is_in_address(found) else found[1].replace("_", " ")


def _is_in_address(found: re.Match[str]) -> bool:
    """Whether a mark is part of an address or of the name of a file."""
    text, start = found.string, found.start()
    near = max(0, start - 80)  # an address is a word; looking further back would be quadratic
    word = text[max(text.rfind(" ", near, start), text.rfind("\n", near, start), near - 1) + 1 : start]
    return _ADDRESS.search(word) is not None


def _count_up(numbers: Sequence[int]) -> bool:
    """Whether numbers are those of pages: many, and nearly always the next one."""
    # A page without a number makes a step of two; one number in ten may be misread.
    steps = sum(1 for a, b in pairwise(numbers) if 1 <= b - a <= 2)
    return len(numbers) >= _LEAST_PAGES and steps * 10 >= 9 * (len(numbers) - 1)


def _lone_pages(blocks: BookBlocks) -> frozenset[int]:
    """The blocks that are only the number of a page.

    Chapters and stanzas are numbered too: numbers are of pages when they count up and often stand in the
    middle of a sentence, or in brackets.
    """
    found = []
    broken = bracketed = 0
    for i in np.flatnonzero(blocks.marks & MAY_BE_LONE).tolist():
        line = blocks.raw(i)  # of one line
        if lone := _LONE.fullmatch(line):
            found.append((i, int(lone[1])))
            bracketed += line.lstrip()[:1] in "[{"
            broken += i > 0 and blocks.raw(i - 1).rstrip()[-1:].isalpha()
    if not _count_up([number for _, number in found]) or (broken + bracketed) * 5 < len(found):
        return frozenset()
    return frozenset(i for i, _ in found)


class _Found(NamedTuple):
    """A number where the number of a page may stand.

    Attributes:
        block: which block it is in.
        place: its place among those of the block.
        at: characters before it in the book.
        number: its value.
        glued: whether it touches the next word.
        in_sentence: whether words stand at both sides.
    """

    block: int
    place: int
    at: int
    number: int
    glued: bool
    in_sentence: bool


class PageNumbers:
    """Which bracketed numbers of a book are those of its pages: ``for miles [2]along``.

    Notes, items and paragraphs are numbered in brackets, too. Numbers are of pages when they count up through
    the book, when they stand in the middle of sentences, as the ends of pages do, and when most of them stand
    there alone: the number of a note stands at its reference and again before the note. Pages are as long as
    one another, and one number of theirs comes after the other; references stand as they come.

    """

    def __init__(self, blocks: BookBlocks) -> None:
        self._forms_met: list[tuple[re.Pattern[str], dict[int, set[int]]]] = []
        starts = (np.cumsum(blocks.size) - blocks.size).data
        notes = _NoteNumbers(blocks)
        for form, anywhere, opening, numbered in zip(_FORMS, _ANY, OPENINGS, NUMBERED, strict=True):
            held = np.flatnonzero(blocks.marks & numbered).tolist()
            found = [one for i in held for one in _numbers(i, starts[i], blocks.raw(i), form)]
            if len(found) < _LEAST_GLUED:
                continue
            opened = map(blocks.raw, np.flatnonzero(blocks.marks & opening).tolist())
            known = Counter(int(n) for text in opened for n in anywhere.findall(text))
            pages: dict[int, set[int]] = {}
            for one in _row(found, known, notes):
                pages.setdefault(one.block, set()).add(one.place)
            if pages:
                self._forms_met.append((form, pages))

    def blocks(self) -> set[int]:
        """The blocks that hold numbers of pages."""
        return {i for _, pages in self._forms_met for i in pages}

    def without(self, i: int, text: str) -> str:
        """The text of block ``i``, joined or not, without its numbers of pages."""
        for form, pages in self._forms_met:
            if places := pages.get(i):
                found = list(form.finditer(text))
                for place in sorted(places & set(range(len(found))), reverse=True):
                    left, right = text[: found[place].start()], text[found[place].end() :]
                    text = (left.rstrip(" ") if right[:1] in _STOPS else left) + right
        return text


def _numbers(block: int, start: int, text: str, form: re.Pattern[str]) -> Iterable[_Found]:
    for place, found in enumerate(form.finditer(text)):
        glued = text[found.end() - 1] != " " and text[found.end() : found.end() + 1].isalpha()
        before, after = text[max(0, found.start() - 9) : found.start()], text[found.end() : found.end() + 9]
        in_sentence = bool(_WORD_BEFORE.search(before) and _WORD_AFTER.match(after))
        yield _Found(block, place, start + found.start(), int(found[1]), glued, in_sentence)


class _NoteNumbers:
    """The numbers that notes of a book begin with, looked for when they are first asked for."""

    def __init__(self, blocks: BookBlocks) -> None:
        self._blocks = blocks

    @cached_property
    def all(self) -> frozenset[int]:
        texts = map(self._blocks.raw, range(self._blocks.total))
        return frozenset(int(n) for text in texts for n in _NOTE_NUMBER.findall(text))


def _row(found: Sequence[_Found], known: Counter[int], notes: _NoteNumbers) -> list[_Found]:
    """The longest row that counts up, if it is of pages; work is linear."""
    longest: dict[int, tuple[int, int]] = {}  # by last number: length, place in `found`
    before: list[int | None] = []
    for i, one in enumerate(found):
        ends = [longest[one.number - step] for step in _STEPS if one.number - step in longest]
        length, last = max(ends, default=(0, -1))
        before.append(last if length else None)
        if length + 1 > longest.get(one.number, (0, 0))[0]:
            longest[one.number] = (length + 1, i)
    _, at = max(longest.values(), default=(0, -1))
    row: list[_Found] = []
    next_one: int | None = at if found else None
    while next_one is not None:
        row.append(found[next_one])
        next_one = before[next_one]
    glued = sum(one.glued for one in row) * 2 > len(row)
    in_sentences = sum(one.in_sentence for one in row) * 3 > len(row)
    enough = len(row) >= (_LEAST_GLUED if glued else _LEAST_PAGES)
    if not (enough and in_sentences):
        return []
    alone = sum(known[one.number] == 1 for one in row) * 2 > len(row)
    return row if glued or (alone and not _are_references(row, notes)) else []


def _are_references(row: Sequence[_Found], notes: _NoteNumbers) -> bool:
    """Whether numbers refer to notes: the notes are there, or the numbers stand unevenly."""
    gaps = [after.at - before.at for after, before in pairwise(row)]
    close = sum(gap * _CLOSE * len(gaps) < sum(gaps) for gap in gaps)
    return close * _FEW_CLOSE > len(gaps) or sum(one.number in notes.all for one in row) * 2 > len(row)
