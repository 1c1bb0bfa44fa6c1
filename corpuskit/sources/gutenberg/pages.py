"""Numbers of printed pages that stand in the text as bare numbers in brackets: ``for miles [2]along``.

Notes, items and paragraphs are numbered in brackets, too. Numbers are of pages when they count up through
the book, when they stand in the middle of sentences, as the ends of pages do, and when most of them stand
there alone: the number of a note stands at its reference and again before the note.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

LEAST_PAGES = 20
"""Numbers below which a row that counts up may be of chapters, stanzas or notes."""
_LEAST_GLUED = 5
"""The same where most of them touch the next word, which neither notes nor items do."""
_STEPS = (1, 2, 3)
"""A page without a number makes a step of two, a picture on a leaf of its own one of three."""

# A number of a page has a word before it only where it cuts one; a note's number touches the word that it
# belongs to. In braces only pages are numbered.
_BEFORE = r"(?:(?<![^\s\"“‘'«„—–-])|(?<=[^\W\d_])(?=\S\d{1,4}\S[^\W\d_]))"
PAGE_WORD = (
    r"(?:pg|page|pp?|seite|s|bl[sz]?|bladzijde|p[áàa]g(?:in[ae])?|página|pàgina|sivu|side|sid(?:an)?"
    r"|str(?:ona|ana)?|oldal|paĝo|lk|tud|lch|σελ|стр|с)\b"
)
"""Words for page in the languages of the volunteers."""
_FORMS = (
    re.compile(_BEFORE + r"\[(\d{1,4})\] ?"),
    re.compile(r"\{(\d{1,4})\} ?"),
    re.compile(_BEFORE + rf"\((?:{PAGE_WORD}\.? ?)?(\d{{1,4}})\) ?", re.IGNORECASE),
    re.compile(_BEFORE + r"<(\d{1,4})> ?"),
    re.compile(_BEFORE + r"\|(\d{1,4})\| ?"),
)
_ANY = tuple(
    re.compile(rf"\{opening}\D{{0,6}}(\d{{1,4}})\{closing}")
    for opening, closing in ("[]", "{}", "()", "<>", "||")
)
_WORD_BEFORE = re.compile(r"[^\W\d_][,;]?\s*\Z")
_WORD_AFTER = re.compile(r"\s*[^\W\d_]")


class _Found(NamedTuple):
    """A number where the number of a page may stand: block, place among those of the block, value."""

    block: int
    place: int
    number: int
    glued: bool
    in_sentence: bool


class PageNumbers:
    """Which bracketed numbers of a book are those of its pages.

    Args:
        blocks: the text of each block, as its lines are.
    """

    def __init__(self, blocks: Sequence[str]) -> None:
        self._pages: list[dict[int, set[int]]] = []
        for form, anywhere in zip(_FORMS, _ANY, strict=True):
            opening = anywhere.pattern.removeprefix("\\")[0]
            held = [(i, text) for i, text in enumerate(blocks) if opening in text]
            found = [one for i, text in held for one in _numbers(i, text, form)]
            known = Counter(int(n) for _, text in held for n in anywhere.findall(text))
            pages: dict[int, set[int]] = {}
            for one in _row(found, known):
                pages.setdefault(one.block, set()).add(one.place)
            self._pages.append(pages)

    def without(self, i: int, text: str) -> str:
        """The text of block ``i``, joined or not, without its numbers of pages."""
        for form, pages in zip(_FORMS, self._pages, strict=True):
            if places := pages.get(i):
                found = list(form.finditer(text))
                for place in sorted(places & set(range(len(found))), reverse=True):
                    text = text[: found[place].start()] + text[found[place].end() :]
        return text


def _numbers(block: int, text: str, form: re.Pattern[str]) -> Iterable[_Found]:
    for place, found in enumerate(form.finditer(text)):
        glued = text[found.end() - 1] != " " and text[found.end() : found.end() + 1].isalpha()
        before, after = text[max(0, found.start() - 9) : found.start()], text[found.end() : found.end() + 9]
        in_sentence = bool(_WORD_BEFORE.search(before) and _WORD_AFTER.match(after))
        yield _Found(block, place, int(found[1]), glued, in_sentence)


def _row(found: Sequence[_Found], known: Counter[int]) -> list[_Found]:
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
    alone = sum(known[one.number] == 1 for one in row) * 2 > len(row)
    in_sentences = sum(one.in_sentence for one in row) * 3 > len(row)
    enough = len(row) >= (_LEAST_GLUED if glued else LEAST_PAGES)
    return row if enough and in_sentences and (alone or glued) else []
