"""What the makers of a Project Gutenberg file wrote inside the book: transcriber's notes, inner headers.

Volunteers explain their work in the file itself: in brackets (``[Transcriber's Note: ...]``), in a box of
``+---+`` and ``|``, under a heading at the beginning or the end, or in a paragraph that speaks of "this
etext"; files that hold several etexts repeat a header before each. None of it is the author's. What names
its maker (a transcriber, a scanner, in the languages of the volunteers) is found anywhere; what only speaks
of Project Gutenberg is believed near the beginning alone, and not at all in a book about Project Gutenberg.

A note ends where its form ends: at the closing bracket, at the edge of the box, at the next gap of two blank
lines, at a title, or with the book. No note is longer than `MAX_NOTE` characters, and none ends inside of a
paragraph. A list of errata is the book's own, unless its words say that this file was mended: what was
corrected, changed or transcribed here.

Source: the forms were collected from files of Project Gutenberg of 1991 to 2025 and from the guidelines of
Distributed Proofreaders (https://www.pgdp.net/wiki/DP_Official_Documentation:PP_and_PPV).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from corpuskit._native import lf
from corpuskit.sources.gutenberg.note_words import FORMS, lines_with_stems

MAX_NOTE = 24_576
"""Characters. The longest list of corrections met has 16,000; a longer one is left in the book."""

_MAX_BRACKET = 6_000
"""Characters in which a bracket must close (the longest met has 1,686): one that never closes would take the
book with it."""
_MAX_HEADED = 6_000
"""Characters of a note, at the beginning or in the middle, that may follow the last word that notes have."""
_MAX_PARAGRAPH = 8_000
"""The longest paragraph of a note; a line of a list of corrections is none."""
_HEAD_WINDOW = 12_000
"""Characters at the beginning of the body in which a paragraph on Project Gutenberg is a note."""
_MANY_MENTIONS = 40
"""Mentions of Project Gutenberg that make a book one about it; in no other are there more than 22."""

_NAMED = re.compile(rf"[^\w\n]{{0,80}}(?:\[\w{{1,4}}\]\s*)?({FORMS})", re.IGNORECASE | re.VERBOSE)
_LIST_OF_CHANGES = re.compile(
    r"\W*(?:list\s+of\s+|liste?\s+d(?:er|es)\s+|lijst\s+van\s+|lista\s+de\s+)?(?:errata|erratum|corrigenda|corrections|changes"
    r"|emendations|amendments|typos|(?:printer['’]?s\s+)?errors|verbeteringen|correcties|berichtigungen|korrekturen"
    r"|änderungen|rettelser|rättelser|korjauksia|javítások|erros|erratas|fe\s+de\s+erratas|corrigés|poprawki|opravy"
    r"|διορθώσεις|опечатки|исправления|colophon|colofon|kolofon)\b[^.!?\n]{0,60}[.:]?\W*",
    re.IGNORECASE,
)
_MENDED = re.compile(
    r"(?:has|have|was|were)\s+been\s+(?:corrected|changed|amended|emended|mended)|\b(?:corrected|changed|amended)\s+(?:to|from|in)"
    r"|\b(?:was|were)\s+(?:corrected|changed|amended|emended)|trans[ck]ri|e-?text|e-?bo[eo]k|gutenberg"
    r"|in\s+th(?:is|e)\s+(?:file|electronic|digital|online)|original\s+(?:reads|has|had|text\s+(?:reads|has))"
    r"|geändert|korrigiert|verbessert\s+in|verbeterd\s+in|gewijzigd|\bwas\s*:|ont\s+été\s+corrig|corrigid[oa]s?\b"
    r"|se\s+han?\s+corregido|sono\s+stat[ie]\s+corrett|javított|javítva|er\s+rettet|har\s+rättats|ändrat|korjattu"
    r"|poprawiono|opraveno|διορθώθηκ|исправлен",
    re.IGNORECASE,
)
"""What says that a list of errata was worked into the file: an author asks his readers to do so."""
_BRACKETED = re.compile(
    r"""
    \[\W{0,4}(?:t\.?n\.?\s*: | (?:original\s+)?transcri(?:ber|ptor)\b['’´`]?s?['’]?(?:\s+notes?)?\b
      | end\s+of\s+tran?scri(?:ber['’]?s?\s+notes?|ptions?)\b
      | (?:this|the\s+present)\s+(?:electronic|digital)\s+(?:edition|text|version)\b
      | (?:note|redactor['’]s\s+note)\s*:?[^\]\n]{0,80}\b(?:e-?text|project\s+gutenberg)\b
      | (?:a\s+|some\s+)?(?:very\s+)?(?:few\s+)?(?:very\s+)?(?:small\s+)?changes\s+have\s+been\s+made
            \s+to\s+this\s+version
      | project\s+gutenberg\b
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_WORLD_LIBRARY = re.compile(r"<<THIS ELECTRONIC VERSION OF[^<>]{0,1500}>>")
"""Stands dozens of times in the complete Shakespeare of 1994."""
_INNER_HEADER = re.compile(
    r"""[ ]{0,8}(?:
        \W{0,40}(?:the\s+|this\s+is\s+the\s+)?project\s+gutenberg(?:['’]s)?\s+(?:e-?text|e-?book)s?\s+of\b
      | [^\n\[]{0,60}\[e-?(?:text|book)\s+\#\d+\]
      | \W{0,40}end\s+of\s+the\s+collected\s+e-?texts\b
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_MENTION = re.compile(r"project\s+gutenberg|\be-?texts?\b|this\s+transcription\b", re.IGNORECASE)
_OF_THE_PROJECT = re.compile(
    r"(?=.*?(?:e-?text|e-?book|edition|version|volume|transcri|digiti|scan|proof|collect|html|director))"
    r".*?\bproject\s+gutenberg\b|.*?\bPG\s+e-?book",
    re.IGNORECASE | re.DOTALL,
)
_NEEDED = ("gutenberg", "pg", "etext", "e-text", "transcription")
_AS_I_OR_S = "\u0130\u0131\u017f"
"""One of the words stands in what such a paragraph says, unless one of the letters that patterns alone take
for i and s is in it."""
_DIGITIZED = re.compile(r"\W{0,8}(?:digiti[sz]ed|scanned|typed)\b.{0,40}\bby\b", re.IGNORECASE)
_RULE = re.compile(r"[_=~-]{20,} *\n")
_RULE_BELOW = re.compile(r"^[_=~-]{20,}[ ]*$", re.MULTILINE)
_BOX_LINE = re.compile(r"\s*[|+*#:│┃┌┐└┘├╔╚║]")
_NOTE_WORDS = re.compile(
    r"italic|underscor|hyphen|spelling|typograph|corrected|punctuation|footnote|e-?text|e-?book|transcri"
    r"|scan|proof|small capitals|printer|original (?:text|book|edition)|\bpages? \d|e-?mail|illustration"
    r"|retained|archaic"
    # the same in other languages: spelling, misprints, what was mended, kept or changed
    r"|ortogr|orthogra|rechtschreib|druckfehler|zeichensetzung|interpunk|kursiv|cursiv|cursief|gesperrt|corrig|korrig"
    r"|coquille|erreur|erros?\b|errores|ponctuation|puntua|pontua|stavning|stavefejl|skrivefeil|trykfejl|tryckfel|trykkfeil"
    r"|rettet|rättat|oikeinkirj|painovirh|spelfout|drukfout|spelling|verbeter|pisowni|błęd|helyesír|nyomdai|javít|pravopis"
    r"|chyb|tiskov|greșel|tipogr|pagbabaybay|binago|орфогр|правопис|опечат|исправл|ορθογρ|διορθ|τονισ|τονικ|原文|誤植|校正|修正|改正",
    re.IGNORECASE,
)
_NOT_A_NOTE = re.compile(
    r"(?i)\W{0,8}(?:foot\s*notes?|index|the\s+end|fin(?:is)?|chapter|contents|appendix|advertise\w+)\W*$"
)
_AUTHOR = re.compile(r"(?i)(?:by|von|par|por|di|door|af|av|do|od|de)\n?\s+\S[^\n.!?]{1,60}")
_SIGNATURE = re.compile(r"(?:[-—]+ *)?[^\W\d_a-z][\w.'’-]*(?:,? [^\W\d_a-z][\w.'’-]*){1,3}")
_FIRST_PERSON = re.compile(r"\b(?:I|[Ww]e|[Mm]y|[Oo]ur|ich|[Ww]ir|[Jj]e|[Nn]ous|ik|jag|jeg)\b")
"""Who signs a note speaks of himself in it; without that a name below a note is a title."""
_ILLUSTRATION = re.compile(r"\s*\[?illustration", re.IGNORECASE)


class Piece(NamedTuple):
    """``text[start:stop]`` of the raw text (characters) is no part of the book; the ledger has the reason."""

    start: int
    stop: int
    reason: str


def find_notes(text: str, start: int, stop: int) -> list[Piece]:
    """The notes inside the body ``text[start:stop]``, in order, none overlapping. Work is linear.

    Args:
        text: the whole raw text; offsets count its characters. Line ends may be LF, CRLF or CR.
        start: where the body begins.
        stop: where it ends.

    >>> raw = "A TITLE\\n\\n[Transcriber's Note: Two typos mended.]\\n\\nIt begins."
    >>> [raw[n.start : n.stop] for n in find_notes(raw, 0, len(raw))]
    ["[Transcriber's Note: Two typos mended.]\\n\\n"]
    """
    body = lf(text, start, stop, same_length=True)
    lines = lines_with_stems(body)
    found = [*_named_notes(body, lines), *_inner_headers(body, lines), *_statements(body)]
    for notice in _WORLD_LIBRARY.finditer(body) if "<<THIS" in body else ():
        found.append(Piece(*_whole_lines(body, notice.start(), notice.end()), "inner_header"))
    merged: list[Piece] = []
    for note in sorted(found):
        if merged and note.start <= merged[-1].stop:
            last = merged.pop()
            merged.append(last._replace(stop=max(last.stop, note.stop)))
        else:
            merged.append(note)
    return [Piece(start + n.start, start + n.stop, n.reason) for n in merged if n.start < n.stop]


def _named_notes(body: str, lines: list[int]) -> list[Piece]:
    found: list[Piece] = []
    done = 0
    for line in lines:
        at = _note_at(body, line) if line >= done else None
        if at and at[1] - at[0] <= MAX_NOTE:
            found.append(Piece(*at, "transcriber_note"))
            done = at[1]
    return found


def _note_at(body: str, line: int) -> tuple[int, int] | None:
    """The note that begins on the line at offset ``line``; None where none does or its end cannot be told."""
    if not (named := _NAMED.match(body, line)):
        if (mended := _list_of_changes(body, line)) is not None:
            return mended
        end = _line_end(body, line)
        bracket = _BRACKETED.search(body, line, min(end + 200, len(body)))
        return _bracket(body, bracket.start()) if bracket and bracket.start() <= end else None
    before = body[line : named.start(1)]
    if before.rfind("[") > before.rfind("]") and (closed := _bracket(body, line + before.rindex("["))):
        return closed
    if _BOX_LINE.match(before) and (boxed := _box(body, line)):
        return boxed
    end = _line_end(body, line)
    rest = body[named.end() : end].strip()
    alone = end >= len(body) or _is_blank(body, end + 1)
    if named[1].lower().startswith("preface"):
        return _headed(body, line) if alone and _is_blank_above(body, line) else None
    if alone and (not re.search(r"\w", rest) or rest.endswith(":")):
        return _headed(body, line)
    # Where heading and first paragraph are one, a title page may follow close by; not so at the end.
    return (
        _headed(body, line)
        if _is_near_end(body, line) and not re.search(r"\w", rest)
        else _run_on(body, line)
    )


def _is_near_end(body: str, line: int) -> bool:
    return len(body) - line <= min(MAX_NOTE, max(4_000, len(body) // 4)) and line > len(body) // 2


def _list_of_changes(body: str, line: int) -> tuple[int, int] | None:
    """A list of errata, or a colophon, whose words speak of this file; the book's own has no such words."""
    end = _line_end(body, line)
    if not _LIST_OF_CHANGES.fullmatch(body, line, end) or not _is_blank_above(body, line):
        return None
    stop = end
    for begin, last, gap in _paragraphs(body, line, min(len(body), line + MAX_NOTE)):
        words = body[begin:last]
        if begin > line and (_NOT_A_NOTE.match(words) or _ILLUSTRATION.match(words) or _is_title(words)):
            break
        if begin > line and gap > 2 and not _is_near_end(body, line):
            break
        stop = last
    return _whole_lines(body, line, stop) if _MENDED.search(body, end, stop) else None


def _bracket(body: str, opening: int) -> tuple[int, int] | None:
    """From a ``[`` to its partner, with the line when nothing else stands on it."""
    depth = 0
    limit = min(len(body), opening + _MAX_BRACKET)
    for found in re.compile(r"[\[\]]").finditer(body, opening, limit):
        depth += 1 if found[0] == "[" else -1
        if depth == 0:
            return _whole_lines(body, opening, found.end())
    return None


def _box(body: str, line: int) -> tuple[int, int] | None:
    """The run of lines that begin with a box character, when a frame of at least three lines is there.

    The longest box met has 37 lines; the bounds keep a book that is one table from costing more than that.
    """
    first, last, lines = line, _line_end(body, line), 1
    while first > 0 and lines < 400:
        above = body.rfind("\n", 0, first - 1) + 1
        if not _BOX_LINE.match(body[above : first - 1]) or _is_stars(body[above : first - 1]):
            break
        first, lines = above, lines + 1
    while last + 1 < len(body) and lines < 800:
        end = _line_end(body, last + 1)
        if not _BOX_LINE.match(body[last + 1 : end]) or _is_stars(body[last + 1 : end]):
            break
        last, lines = end, lines + 1
    return _whole_lines(body, first, last) if lines >= 3 else None


def _is_stars(line: str) -> bool:
    return not line.replace("*", "").strip() and "* " in line


def _run_on(body: str, line: int) -> tuple[int, int] | None:
    """A note that begins on the line of its name: the paragraph, and those after it that go on about it."""
    paragraphs = _paragraphs(body, line, min(len(body), line + MAX_NOTE))
    _, stop, _ = next(paragraphs, (0, 0, 0))
    if not stop:
        return None
    for begin, end, gap in paragraphs:
        words = body[begin:end]
        if (
            _ILLUSTRATION.match(words)
            or _is_title(words)
            or gap > 1
            or len(words) > 1500  # a note goes on in short paragraphs, the book in long ones
            or not _NOTE_WORDS.search(words)
            or len(words.split()) < 4
        ):
            break
        stop = end
    return _whole_lines(body, line, stop)


def _headed(body: str, line: int) -> tuple[int, int] | None:
    """A note under a heading: to the end of the book when it is near, else to the next wide gap."""
    at_end = _is_near_end(body, line)
    paragraphs = _paragraphs(body, line, min(len(body), line + MAX_NOTE))
    _, heading, _ = next(paragraphs, (0, line, 0))
    stop = last_note_like = sure = heading
    signed = 0  # where a signature ends that would be one below the note
    for i, (begin, end, gap) in enumerate(paragraphs, start=1):
        words = body[begin:end]
        like_a_note = bool(_NOTE_WORDS.search(words))
        if _ILLUSTRATION.match(words) or (at_end and _NOT_A_NOTE.match(words)):
            return _whole_lines(body, line, stop)
        first_words = i == 1 and gap <= 4
        if not at_end:
            if (gap >= 2 and not first_words and not (gap == 2 and like_a_note)) or _is_title(words):
                return _whole_lines(body, line, max(sure, signed)) if sure > heading else None
            if end - last_note_like > _MAX_HEADED:
                break
        before, stop = stop, end
        signs = gap == 1 and sure == before > heading and _SIGNATURE.fullmatch(words.strip())
        signed = end if signs and _FIRST_PERSON.search(body, heading, begin) else 0
        sure = sure if _is_bare(words) and not like_a_note else end
        last_note_like = end if like_a_note else last_note_like
    else:
        if at_end:
            return _whole_lines(body, line, len(body))
    return _whole_lines(body, line, last_note_like) if last_note_like > heading else None


def _is_bare(words: str) -> bool:
    """Whether a paragraph is a line or two without the end of a sentence, as titles are."""
    return len(words) < 120 and words.count("\n") < 2 and words.strip()[-1:] not in ".,;:!?)]\"'”’»。"


def _is_title(words: str) -> bool:
    """Whether a paragraph stands on a title page: in capitals, or who wrote the book."""
    letters = [char for char in words if char.isalpha()]
    capitals = sum(map(str.isupper, letters)) > 0.85 * len(letters) and len(letters) > 1
    return (capitals or _AUTHOR.fullmatch(words.strip()) is not None) and not _NOTE_WORDS.search(words)


def _inner_headers(body: str, lines: list[int]) -> list[Piece]:
    """Headers of the single etexts in a file of several; from a header to the last mention close below."""
    found: list[Piece] = []
    done = 0
    for line in lines:
        if line < done or not _INNER_HEADER.match(body, line) or not _is_blank_above(body, line):
            continue
        paragraphs = _paragraphs(body, line, min(len(body), line + _MAX_HEADED))
        (_, stop, _), since = next(paragraphs, (0, line, 0)), 0
        for begin, end, _ in paragraphs:
            since = 0 if _MENTION.search(body, begin, end) else since + 1
            if since > 4 or begin - stop > 1500:
                break
            stop = stop if since else end
        found.append(Piece(*_whole_lines(body, line, stop), "inner_header"))
        done = stop
    return found if sum(n.stop - n.start for n in found) <= len(body) // 4 else []


def _statements(body: str) -> list[Piece]:
    """Paragraphs near the beginning that speak of this file and of Project Gutenberg."""
    window = body[:_HEAD_WINDOW]
    small = window.lower()
    if not any(word in small for word in _NEEDED) and not any(sign in window for sign in _AS_I_OR_S):
        return []
    if body.count("Project Gutenberg") > _MANY_MENTIONS:
        return []
    found = []
    ruled = 0
    for begin, end, _ in _paragraphs(body, 0, len(window)):
        words = body[begin:end]
        # What is longer, or cut off by the window, is a chapter of the book that mentions the project.
        if begin < ruled or len(words) > 2_500 or end == len(window) < len(body):
            continue
        if (rule := _RULE.match(words)) and "this transcription" in words:
            below = _RULE_BELOW.search(body, begin + rule.end(), min(begin + _MAX_HEADED, len(body)))
            ruled = below.end() if below else end
            found.append(Piece(*_whole_lines(body, begin, ruled), "transcriber_note"))
        elif _speaks_of_the_file(words):
            found.append(Piece(*_whole_lines(body, begin, end), "transcriber_note"))
    return found


def _speaks_of_the_file(words: str) -> bool:
    if _DIGITIZED.match(words):
        return bool(_MENTION.search(words))
    if len(words.splitlines()) > 12 and re.search(r"\n {1,8}\S", words):
        return False  # a list of contents that names a preface to the etext
    return bool(_OF_THE_PROJECT.match(words))


def _line_end(body: str, position: int) -> int:
    end = body.find("\n", position)
    return len(body) if end < 0 else end


def _is_blank(body: str, line: int) -> bool:
    return not body[line : _line_end(body, line)].strip()


def _is_blank_above(body: str, line: int) -> bool:
    return line == 0 or not body[body.rfind("\n", 0, line - 1) + 1 : line].strip()


_BLOCK = re.compile(r"^[^\S\n]*+\S[^\n]*(?:\n[^\S\n]*+\S[^\n]*)*", re.MULTILINE)


def _paragraphs(body: str, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Runs of lines that are not blank: first and last offset, blank lines above.

    Those that are whole in ``body[start:stop]``, and shorter than `_MAX_PARAGRAPH` in a note's window.
    """
    last = start
    for block in _BLOCK.finditer(body, start, stop):
        cut = block.end() == stop < len(body) and body[stop] != "\n" and body[stop - 1] != "\n"
        if cut or (stop - start > _MAX_PARAGRAPH and block.end() - block.start() > _MAX_PARAGRAPH):
            return
        gap = max(0, body.count("\n", last, block.start()) - 1)
        yield block.start(), block.end(), gap
        last = block.end()


def _whole_lines(body: str, start: int, stop: int) -> tuple[int, int]:
    """Widen a span to whole lines, with the blank lines below it, when nothing else stands on them."""
    line = body.rfind("\n", 0, start) + 1
    end = _line_end(body, stop)
    if body[line:start].strip() or body[stop:end].strip():
        return start, stop
    below = re.compile(r"\s*(?=\n)\n|\s*\Z").match(body, end)
    return line, below.end() if below else end
