"""Where the book begins and ends in a Project Gutenberg text file.

A file is a header, sometimes credits, the book, and a licence. Since about 2001 a pair of lines stands
around the book (``*** START OF THE PROJECT GUTENBERG EBOOK ...`` and ``*** END OF ...``); before that the
header ends with the "small print" and the book is followed by a line such as ``End of the Project Gutenberg
Etext of ...``.

A file that names Project Gutenberg above its first fields and has no such line is cut below the last
paragraph of its header: fields, terms of use, credits. It is flagged all the same.

Nothing is searched for in the whole book: a header lies within the first `max_cut` characters and a licence
within the last ones, so that a phrase quoted in the middle of a book can never cut it. A side without a
marker is left whole and the reason flagged. Line ends may be LF, CRLF or CR.

Source: the forms were collected from Project Gutenberg files of 1991 to 2025.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, overload

MAX_CUT = 49_152
"""Characters. The longest header met is below 16,000 and the longest licence below 21,000; twice that is room
for other years' wording, and far less than what a wrong marker in the middle of a book would take away."""

_SHORT_HEADER = 6_000
"""Characters of a header told by its fields that need no further proof: their row is one already."""
_LEAST_LEFT = 0.5
"""Share of the text that one marker without its partner must leave to be believed."""

_WHO = r"(?:TH(?:E|IS)\s+)?(?:COPYRIGHTED\s+)?PROJECT\s+GUTENBERG"
_START = re.compile(rf"\W{{0,8}}\*\*\*\s*START\s+OF\s+{_WHO}", re.IGNORECASE)
_END = re.compile(rf"\W{{0,8}}\*\*\*\s*END\s+OF\s+{_WHO}", re.IGNORECASE)
_LICENCE = re.compile(r"\W{0,8}\*\*\*\s*START:\s+FULL\s+LICENSE", re.IGNORECASE)
"""The licence's own heading; it stands some way below the end marker, and counts only without one."""
_SMALL_PRINT_START = re.compile(r"\W*START\W*THE SMALL PRINT", re.IGNORECASE)
_SMALL_PRINT_END = re.compile(r"\W*END\W*THE SMALL PRINT|\W*SMALL PRINT\W{1,4}V\.\d", re.IGNORECASE)
"""The second form closes that of the complete Shakespeare of 1994: ``["Small Print" V.12.08.93]``."""
_REMNANT = re.compile(r".{1,200}\*\*\*\s*$")
"""A file that was cut at the words of its start marker begins with the rest: ``FRANKENSTEIN ***``."""

_CLOSING = re.compile(
    r"""\W*(?:
        (?:this\s+is\s+)?(?:the\s+)?end\s+of\s+(?:the\s+|this\s+)?(?:copyrighted\s+)?
            (?:project\s+gutenberg|e-?text\s+of)
      | ende\s+(?:dieses|des)\s+proje[ck]ts?\s+gutenberg
      | fin\s+(?:de\s+|du\s+)?(?:ce\s+|cet\s+|l['’]\s*)?(?:projet\s+gutenberg|e-?texte?\s+(?:de|du)\b)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
"""The line after the book: English, German and French forms."""

_HEADER_PARAGRAPH = re.compile(
    r"""\W*(?:
        portions\s+of\s+this\s+header
      | project\s+gutenberg\s+is\s+a\s+trademark
      | (?:the\s+)?project\s+gutenberg(?:['’]s)?\s+(?:e-?text|e-?book)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
"""Paragraphs after the small print that still belong to the header."""

_NAMES_PROJECT = re.compile(
    r"(?i)project\s+gutenberg|\[e-?(?:book|text)\s+#\d+\]|this\s+e-?(?:book|text)\s+is\b"
)
_FIELD = re.compile(
    r"""(?:
        (?:sub|alternate\s+)?title | authors? | editors? | translators? | illustrators? | contributors?
      | compilers? | commentators? | annotators? | language | edition | credits?
      | (?:official\s+|original\s+)?(?:release|posting|publication)(?:\s+date)?
      | character\s+set(?:\s+encoding)?
      | (?:most\s+recently|last)\s+updated? | e-?(?:book|text)\s+(?:no|number)
      | titel | verfasser | autoren | übersetzer | sprache | zeichensatz | veröffentlichung\w*
      | titre | auteurs? | traduct(?:eur|or|ores) | langue | date\s+de\s+\w+
      | título | titulo | titolo | autor[ae]?s? | idioma | lingua | taal
    )\s*[:\#]\s*\S | \[e-?(?:book|text)\s+\#\d+\]""",
    re.IGNORECASE | re.VERBOSE,
)
"""Fields of headers, in the languages that headers are in."""
_TERMS = re.compile(
    r"(?i)for\s+the\s+use\s+of\s+anyone|almost\s+no\s+restrictions|copyright\s+laws|project\s+gutenberg"
    r"|this\s+header\s+should|plain\s+vanilla|www\.gutenberg|if\s+you\s+are\s+not\s+located\s+in\s+the\s+united"
)
_LEAST_FIELDS, _STRANGERS = 2, 1
"""Fields that make a header, and paragraphs of others that may stand between its own (a field's value)."""

_MADE = r"produced|prepared|scanned|transcribed|typed|digiti[sz]ed|reformatted|created|proofed|proofread"
_MAKERS = rf"(?:{_MADE})"
_CREDITS = re.compile(
    rf"""\W*(?:
        {_MAKERS}\s+by\b
      | html\s+version\s+by\b
      | additional\s+editing\s+by\b
      | transcribed\s+from\s+the\s.*\bby\b
      | (?:editor['’]s\s+)?note:\s.*\bproject\s+gutenberg\s+e-?book
      | e-?text\s+(?:\w+\s+){{0,2}}{_MAKERS}\b
      | this\s+(?:e-?text|e-?book|file|book)\s+(?:of\s+.{{1,80}}?\s+)?(?:was\s+|is\s+)?(?:\w+\s+)?{_MAKERS}\b
      | this\s+(?:e-?text|e-?book)\s+is\s+in\s+\w+\s*$
      | this\s+(?:file|book)\s+was\s+(?:made|produced)\s+(?:using|from)\b
      | produced\s+from\s+images\b
      | (?:special\s+)?thanks\s+are\s+due\b.*\be-?text
      | note:\s+project\s+gutenberg\s+also\s+has\b
      | (?:note:\s+)?images\s+of\s+the\s+original\s+pages\s+are\s+available\b
      | see\s+\d+-?h\.(?:htm|zip)
      | \(?https?://\S+\)?\s*(?:or\s*)?$
      | or\s*$
      | dieses\s+buch\s+wurde\s+uns\s+freundlicherweise\b
      | this\s+book\s+was\s+generously\s+provided\s+by\s+the\s+german\s+gutenberg\b
      | this\s+work\s+contains\s+.{{0,40}}ascii\s+characters\b
    )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_CREDITS_WITH_ADDRESS = re.compile(rf"(?=.*\S@\S).*\b(?:{_MADE}|submitted)\s+by\b", re.I | re.DOTALL)
"""Thanks to people named with their e-mail address: who made the file, not the book."""

_MAX_CREDIT_CHARS = 1500
"""The longest credits met have 276; a paragraph of the book that begins so ("Produced by ...") is longer."""
_MAX_CLOSING_REST = 400
"""Characters that may follow a closing line where no licence does; the most met are 72. A closing line with
a chapter below it is a quotation."""


class Line(NamedTuple):
    """A line without its end; offsets count characters of the whole text, ``stop`` is after the line end."""

    start: int
    stop: int
    text: str


@dataclass(frozen=True)
class Bounds:
    """The parts of a text, as character offsets.

    The header is ``[0, header)``, credits ``[header, body)``, the book ``[body, licence)`` and the licence
    ``[licence, end)``; each but the book may be empty.

    Attributes:
        flags: why a side was left whole, or what was odd: ``no_start_marker``, ``no_end_marker``,
            ``start_marker_too_late``, ``end_marker_too_early``, ``start_marker_remnant``,
            ``start_after_end``, ``header_cut_at_fields``; ``cut_too_much``: with a marker at one end alone,
            less than half of the text would have been left, so it was left whole.
    """

    header: int
    body: int
    licence: int
    flags: tuple[str, ...] = ()


def find_bounds(text: str, max_cut: int = MAX_CUT) -> Bounds:
    """Find the book in a file's text. Looks at the first and last ``max_cut`` characters alone."""
    header, body, head_flags = _head(text, max_cut)
    licence, tail_flags = _tail(text, body, max_cut)
    flags = (*head_flags, *tail_flags)
    by_fields = "header_cut_at_fields" in flags and body <= _SHORT_HEADER
    if by_fields or (body > 0) == (licence < len(text)) or licence - body >= _LEAST_LEFT * len(text):
        return Bounds(header, body, licence, flags)
    return Bounds(0, 0, len(text), (*flags, "cut_too_much"))


class _Lines(Sequence[Line]):
    """Whole and partial lines of ``text[start:stop]``, each made when it is asked for: few are.

    Args:
        skipped: how many of the first are left out.
    """

    def __init__(self, text: str, start: int, stop: int, skipped: int = 0) -> None:
        self._text = text[start:stop]
        pieces = self._text.splitlines(keepends=True)
        self._start = start
        self._edges = list(accumulate(map(len, pieces), initial=start))[skipped:]
        self._pieces = pieces[skipped:]

    def __len__(self) -> int:
        return len(self._pieces)

    @overload
    def __getitem__(self, i: int) -> Line: ...
    @overload
    def __getitem__(self, i: slice) -> list[Line]: ...
    def __getitem__(self, i: int | slice) -> Line | list[Line]:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self._pieces)))]
        i += len(self._pieces) if i < 0 else 0
        return Line(self._edges[i], self._edges[i + 1], self._pieces[i].rstrip("\r\n"))

    def is_blank(self, i: int) -> bool:
        """Whether nothing but white space is in line ``i``."""
        return self._pieces[i].isspace()  # none is empty

    def starred(self, marker: re.Pattern[str]) -> Iterator[int]:
        """Indexes of the lines that begin as a marker does, which has asterisks in its line."""
        at = 0
        while (at := self._text.find("***", at)) >= 0:
            i = bisect_right(self._edges, self._start + at) - 1
            if 0 <= i < len(self._pieces) and marker.match(self[i].text):
                yield i
            at = self._edges[i + 1] - self._start if i + 1 < len(self._edges) else len(self._text)


def _head(text: str, max_cut: int) -> tuple[int, int, list[str]]:
    """End of the header, end of the credits, flags."""
    lines = _Lines(text, 0, max_cut)
    last, flags = _header_end(lines)
    if last is None:
        if _stands_elsewhere(text, _START, max_cut):
            return 0, 0, ["start_marker_too_late"]
        flags = ["no_start_marker"]
        if (last := _last_of_fields(lines)) is None:
            return 0, 0, flags
        flags.append("header_cut_at_fields")
    header = body = last + 1
    while paragraph := _next_paragraph(lines, body):
        first, after = paragraph
        words = "\n".join(line.text.strip() for line in lines[first:after])
        if header == body and _HEADER_PARAGRAPH.match(words):
            header = after
        elif not _is_credit(words):
            break
        body = after
    return _skip_blank(lines, header), _skip_blank(lines, body), flags


def _header_end(lines: _Lines) -> tuple[int | None, list[str]]:
    """Index of the header's last line, None without a marker."""
    start = next(lines.starred(_START), None)
    if start is not None:
        last = _marker_end(lines, start)
        small_print = _small_print_below(lines, last)
        return (last if small_print is None else small_print), []
    small_print = next((i for i, line in enumerate(lines) if _SMALL_PRINT_END.match(line.text)), None)
    if small_print is not None:
        return small_print, []
    first = next((i for i in range(len(lines)) if not lines.is_blank(i)), None)
    if first is not None and _REMNANT.match(lines[first].text):
        return first, ["start_marker_remnant"]
    return None, []


def _last_of_fields(lines: _Lines) -> int | None:
    """Index of the last line of a header that nothing closes; None where none is to be seen."""
    last, fields, strangers, at = None, 0, 0, 0
    while (paragraph := _next_paragraph(lines, at)) and strangers <= _STRANGERS:
        first, at = paragraph
        words = "\n".join(line.text.strip() for line in lines[first:at])
        if last is None and not _NAMES_PROJECT.search(words):
            return None  # the first paragraph of such a file says what it is
        known = sum(1 for line in lines[first:at] if _FIELD.match(line.text))
        if known or last is None or _TERMS.search(words) or _is_credit(words):
            last, fields, strangers = at - 1, fields + known, 0
        else:
            strangers += 1
    return last if fields >= _LEAST_FIELDS else None


def _marker_end(lines: _Lines, start: int) -> int:
    """The last line of a marker, which may be wrapped until its closing asterisks."""
    if lines[start].text.rstrip().endswith("***"):
        return start
    # Long titles wrap a marker to two lines; one whose asterisks never come must not eat the book.
    for i in range(start + 1, min(start + 4, len(lines))):
        if lines.is_blank(i):
            return start
        if lines[i].text.rstrip().endswith("***"):
            return i
    return start


def _small_print_below(lines: _Lines, marker: int) -> int | None:
    """End of a small print that begins within 40 lines below the start marker."""
    if not any(_SMALL_PRINT_START.match(line.text) for line in lines[marker + 1 : marker + 41]):
        return None
    below = range(marker + 1, len(lines))
    return next((i for i in below if _SMALL_PRINT_END.match(lines[i].text)), None)


def _is_credit(words: str) -> bool:
    short = len(words) <= _MAX_CREDIT_CHARS
    return short and bool(_CREDITS.match(words) or _CREDITS_WITH_ADDRESS.match(words))


def _next_paragraph(lines: _Lines, start: int) -> tuple[int, int] | None:
    """First line and line after the next run of lines that are not blank; None at the end of `lines`."""
    first = next((i for i in range(start, len(lines)) if not lines.is_blank(i)), None)
    if first is None:
        return None
    after = next((i for i in range(first, len(lines)) if lines.is_blank(i)), None)
    return None if after is None else (first, after)


def _skip_blank(lines: _Lines, index: int) -> int:
    """Offset of the first line from ``index`` on that is not blank."""
    filled = next((i for i in range(index, len(lines)) if not lines.is_blank(i)), None)
    return lines[filled].start if filled is not None else lines[-1].stop if lines else 0


def _tail(text: str, body: int, max_cut: int) -> tuple[int, list[str]]:
    """Start of the licence (the blank lines above it included), flags."""
    begin = max(body, len(text) - max_cut)
    # Of a window the first line is most likely the end of one only.
    lines = _Lines(text, begin, len(text), skipped=int(begin > body))
    marker = max(lines.starred(_END), default=None)
    flags: list[str] = []
    if marker is not None and max(lines.starred(_START), default=-1) > marker:
        return len(text), ["start_after_end"]
    if marker is None:
        marker = _closing(lines)
    if marker is None:
        marker = next(lines.starred(_LICENCE), None)
    if marker is None:
        early = _stands_elsewhere(text, _END, body)
        return len(text), ["end_marker_too_early" if early else "no_end_marker"]
    while (above := _paragraph_above(lines, marker)) is not None and _CLOSING.match(lines[above].text):
        marker = above
    if (last := next((i for i in reversed(range(marker)) if not lines.is_blank(i)), None)) is None:
        return (body if begin == body else lines[marker].start), flags
    return lines[last].start + len(lines[last].text), flags


def _closing(lines: _Lines) -> int | None:
    """The closing line of a file without an end marker: nothing but little or boilerplate may follow it."""
    for i in reversed(range(len(lines))):
        if not _CLOSING.match(lines[i].text) or (i and not lines.is_blank(i - 1)):
            continue
        rest = "\n".join(line.text for line in lines[i + 1 :])
        # A licence names the project again and again, a remark below the book once or twice.
        boilerplate = "SMALL PRINT" in rest or rest.count("Project Gutenberg") >= 3
        return i if len(rest.strip()) <= _MAX_CLOSING_REST or boilerplate else None
    return None


def _paragraph_above(lines: _Lines, index: int) -> int | None:
    """Index of the first line of the paragraph that ends above ``index``."""
    if (last := next((i for i in reversed(range(index)) if not lines.is_blank(i)), None)) is None:
        return None
    first = last
    while first > 0 and not lines.is_blank(first - 1):
        first -= 1
    return first


def _stands_elsewhere(text: str, marker: re.Pattern[str], start: int) -> bool:
    """Whether a marker stands at the beginning of a line from ``start`` on, outside of the window."""
    stars = re.finditer(r"(?i)[\r\n]\W{0,8}\*\*\*\s*(?:START|END)\b", text[start:])
    return any(marker.match(text, start + found.start() + 1) for found in stars)
