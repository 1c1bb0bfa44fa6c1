"""The rules by which a block of a Gutenberg book is told: a table of name, kind, test and reason.

A rule is a sign that a reader can check against the lines. Sections are asked in their order and the rules of
a section in theirs; the first that holds gives the kind. One without a kind ends its section: the block is
none of what the section tells. Each can be switched off by its name: `find_blocks` takes it as ``without``,
and ``python -m benchmarks.gutenberg_body --without all`` says what each changes. Numbers were set on the
blocks marked by hand (``tests/cases/gutenberg_blocks.tsv``).

Widths are in characters and columns; shares of a width are of the width that the book's prose is wrapped at.
Words are those of the languages of the corpora: English, German, French, Spanish, Portuguese, Italian, Dutch,
Swedish, Finnish, Hungarian, Polish, Esperanto.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from corpuskit.errors import SettingError
from corpuskit.sources.gutenberg.shape import CHAPTER, CLOSING, ENDS, BlockView, Kind, capitals

# ----------------------------------------------------------------------------------- forms of words and lines

_MONTH = (
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
_QUOTES = tuple("\"“«„‘'")
_NUMBER_AT_END = re.compile(r"(?:\s{2,}|[,;] _?=?|(?<=[^\W\d_]{4})\. )(?:\d[\d\-–,_= ]*|[ivxlc]+)[.;,_=]*$")
_DIGITS = frozenset("0123456789ivxlc")
_LONGEST_NUMBERS = 200
"""Characters at the end of a line that are looked at for numbers: a line without end costs no more."""
_NOTE = re.compile(r"\s*(?:\[(?:\d{1,4}|[A-Z]{1,2}|\*{1,3}|[†‡])\]\S?|\[?footnote\b)", re.IGNORECASE)
"""The mark of a note at the beginning of a block."""
_NOTE_LABEL = re.compile(r"\W*footnotes? \w{1,4}\W*", re.IGNORECASE)
"""The number of a note, alone on its line."""
_FOOTNOTE = re.compile(r"\s*(?:\[[\w*]{1,4}\]|\d{1,3}[:.)]|\*|\[?footnote)", re.IGNORECASE)
_LEADER = re.compile(r"\S(?: {3,}|\.{4,})_?(?:\$?[\d.]+|[ivxlc]+|frontispiece)[_.]*$", re.IGNORECASE)
_ITEM = re.compile(r"\s*(?:\d{1,3}[.)]|[IVXLC]{1,7}[.)]|\([a-z\d]{1,3}\)|[*•-])\s+\S")
_ITEM_NUMBER = re.compile(r"\s*(?:\((?=\d{1,3}\)\.))?(\d{1,3})[.)]")
_ORNAMENT = re.compile(r"[\s*_=·•.#~+<>|–—o-]+")
_ROMAN_TITLE = re.compile(r"[\W_]{0,4}(?:[IVXLC]{1,8}|\d{1,3})\.(?:\s|--|—)+\S")
_YEAR = re.compile(r"\W*(?:1[4-9]\d\d|M[DCLXVI]{3,})\W*")
_CLOSING_WORDS = r"[\W_]{0,3}(?:i am|i remain|i have the honou?r|believe me|ever|yours?|your own|most|with"
_SIGNED_FIRST = re.compile(rf"{_CLOSING_WORDS})\b", re.IGNORECASE)
_SIGNED = re.compile(
    rf"{_CLOSING_WORDS}|very)\b[^.!?]{{0,70}}"
    r"\b(?:yours?|ever|servant|friend|sister|brother|son|daughter|mother|father|wife|husband"
    r"|affectionate(?:ly)?"
    r"|truly|sincerely|faithfully|respectfully|obligation|obliged|attached|&c|etc)\b[.,;:]*",
    re.IGNORECASE,
)
_SALUTED = re.compile(
    r"(?i)[\W_]{0,3}(?:my |o )?(?:dear|dearest|beloved|honou?red|sir|madam|gentlemen)\b.{0,40}[,:—-]+$"
)
_NAME_IN_CAPITALS = re.compile(r"_?(?:[A-Z][a-z]{0,3}\. ?){1,3}(?:[A-Z]{2,} ?){1,2}[,.]?_?")
_GAP = 3
"""Blank lines that set a line apart from what is below it, too."""
_INITIALS = re.compile(r"_?(?![IVXLC]+\.)(?:[A-Z]\. ?){1,4}_?")
_DATED = re.compile(
    rf"[^.!?;]{{0,50}}\b(?:{_MONTH}|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b[^a-z]{{0,12}}\d[^!?]{{0,24}}$",
    re.IGNORECASE,
)
_DATE_AT_RIGHT = re.compile(
    rf"\S {{3,}}(?=\S)[^.!?;]{{0,30}}\b(?:{_MONTH})\b[^a-z]{{0,12}}\d\D{{0,3}}\W*\d{{0,4}}\W*$", re.IGNORECASE
)
_CAPTION = re.compile(r"(?i)\[?[_* ]*illustration\b|\[(?:picture|image|map|plate|headpiece|tailpiece)\b")
LISTS = re.compile(
    r"\W*(?:table of |list of |the )?(?:contents|illustrations|plates|maps|persons.{0,40}"
    r"|dramatis person.{0,4}|characters.{0,30}"
    r"|cast.{0,20}|personnages|personen|personas|index.{0,30}|errata|(?:books|works|novels) by .{0,40}"
    r"|table des mati.res|inhalt"
    r"|inhoud|indice|índice|tabla|innehåll|sisällys|tartalom|spis rzeczy|enhavo)\W*",
    re.IGNORECASE,
)
"""Headings of contents, indexes and casts."""
_IMPRINT = re.compile(
    r"(?i)\W*(?:copyright|all rights reserved|printed (?:in|by)|published (?:in|by)|entered,? according)\b"
)
_IMAGE_FILE = re.compile(r"(?i)\W*(?:\S+\.(?:jpe?g|png|gif)\b.{0,40}|full size|enlarge|original size)\W*")
_LONGEST_FILE_NAME = 300


def is_image_file(text: str) -> bool:
    """Whether a line names a file of a picture, or is the label of a link to one."""
    return len(text) <= _LONGEST_FILE_NAME and _IMAGE_FILE.fullmatch(text) is not None


def _ends_in_number(line: str) -> bool:
    """Whether a line ends as one of an index does. Only its end is looked at, however long it is."""
    end = line[-_LONGEST_NUMBERS:]
    return end.rstrip(" .;,_=-–")[-1:] in _DIGITS and _NUMBER_AT_END.search(end) is not None


def item_number(text: Sequence[str]) -> int | None:
    """The number that a block of one line begins with; None for other blocks."""
    found = _ITEM_NUMBER.match(text[0]) if len(text) == 1 else None
    return int(found[1]) if found else None


def _is_short_name(line: str) -> bool:
    return line.isupper() and len(line.split()) <= 4


def _is_address(b: BlockView) -> bool:
    """Few words a line, each line further in than the one above: ``Miss AUSTEN,`` / ``  Faversham.``"""
    stairs = 2 <= b.count <= 3 and all(above < below for above, below in pairwise(b.indents))
    return stairs and b.text[0].endswith(",") and b.text[-1].endswith(".") and b.end < 40


def _is_salutation(b: BlockView) -> bool:
    return bool(_SALUTED.match(b.joined) or _INITIALS.fullmatch(b.joined))


def _names_a_chapter(b: BlockView) -> bool:
    joined = b.joined
    return len(joined) < 60 and b.short and joined[0].isupper() and CHAPTER.match(joined) is not None


def _has_numbered_items(b: BlockView) -> bool:
    return b.count >= 2 and b.mostly(lambda line: _ITEM.match(line) or CHAPTER.match(line))


def _has_amounts(b: BlockView) -> bool:
    return b.count >= 3 and b.ends_before(0.7) and b.mostly(lambda line: line.lstrip()[:1].isdigit())


def _has_bare_lines(b: BlockView) -> bool:
    if b.count < 3 or b.beside.verse or capitals(b.lines) < 0.75 or b.end > 0.9 * b.shape.width:
        return False
    return sum(1 for line in b.text if line.rstrip(CLOSING)[-1:] in ENDS) * 5 < b.count


# -------------------------------------------------------------------------------------------------- the rules


@dataclass(frozen=True)
class BlockRule:
    """One sign by which a block is told.

    Attributes:
        name: by which it can be switched off.
        kind: what a block is for which the test holds; None when it is nothing that the section tells.
        test: holds when what it returns is true.
        reason: why the sign tells.
    """

    name: str
    kind: Kind | None
    test: Callable[[BlockView], object]
    reason: str


Rules = tuple[BlockRule, ...]

# Laid out by hand, so that the tables can be read as such.
# fmt: off
PLAIN: Rules = (
    BlockRule("in_a_play", None, lambda b: b.shape.speakers, "in a play any short line may be a speech"),
    BlockRule("marked_beginning", None, lambda b: b.first in "[|*+",
        "a note, a caption, a table or a row of asterisks begins so"),
    BlockRule("set_in", None, lambda b: b.indents[0] > b.shape.indent + 1,
        "further in than a paragraph of the book begins"),
    BlockRule("narrow", None, lambda b: b.ends_before(0.8), "no line is as full as a wrapped one"),
    BlockRule("line_of_speech", "prose",
        lambda b: b.count == 1 and b.first in _QUOTES and b.above < 2 and "   " not in b.text[0].lstrip(),
        "one line in quotation marks, neither apart nor in columns, is said by somebody"),
    BlockRule("uneven", None, lambda b: any(indent != b.shape.margin for indent in b.indents[1:]),
        "a paragraph is set in at its first line alone"),
    BlockRule("gaps_inside", None, lambda b: any("   " in s.lstrip() or "..." in s for s in b.text[1:]),
        "gaps and leaders make columns"),
    BlockRule("sure_paragraph", "prose", lambda b: b.count > 2 and b.score < -2,
        "odds of one to seven and less against verse: nearly all paragraphs, which are spared the rest"),
)
"""Ordinary paragraphs, which need no closer look: most blocks are one."""

MARKS: Rules = (
    BlockRule("ornament", "break", lambda b: _ORNAMENT.fullmatch(b.joined),
        "a row of asterisks or dashes and nothing else"),
    BlockRule("caption", "caption", lambda b: _CAPTION.match(b.joined) or is_image_file(b.joined),
        "volunteers write [Illustration: ...] in place of a picture"),
    BlockRule("speaker_alone", "drama",
        lambda b: b.count == 1 and b.above < 2 and b.is_speaker(b.joined),
        "the name of a speaker on a line of its own; further apart it is a heading"),
    BlockRule("direction_at_right", "drama",
        lambda b: b.shape.speakers and b.count == 1 and b.joined[0] == "[" and b.indents[0] > 20,
        "a direction of a play at the right, [_Exit_."),
    BlockRule("speaker_above_speech", "drama",
        lambda b: b.count > 1 and b.is_speaker(b.text[0]),
        "the name of a speaker on a line, the speech below it"),
)

LETTERS: Rules = (
    BlockRule("name_below_closing", "letter",
        lambda b: b.before == "letter" and b.count == 1 and b.above == 1 and _is_short_name(b.joined),
        "a signature is one line in capitals below the closing words"),
    BlockRule("no_letter_in_a_note", None, lambda b: _NOTE.match(b.joined),
        "a note is no letter, though it may name a date"),
    BlockRule("too_long_for_a_letter_part", None, lambda b: b.count > 4 or len(b.joined) > 160,
        "a dateline, an address or a signature takes four lines at the most"),
    BlockRule("centred_title", None, lambda b: b.joined.isupper() and b.at_right and b.is_centred(7),
        "a title in capitals may be up to seven characters off the middle"),
    BlockRule("at_right", "letter", lambda b: b.at_right, "datelines and signatures stand at the right"),
    BlockRule("address", "letter", _is_address,
        "lines like stairs, from a comma to a full stop, shorter than half a line"),
    BlockRule("name_and_office", "letter",
        lambda b: 2 <= b.count <= 3 and b.ends_before(0.7) and _NAME_IN_CAPITALS.fullmatch(b.text[0].strip()),
        "a name in capitals with its initials, and what he is"),
    BlockRule("closing_and_name", "letter",
        lambda b: b.count > 1 and _SIGNED_FIRST.match(b.joined) and _is_short_name(b.text[-1]),
        "closing words with a name in capitals below them"),
    BlockRule("date_at_right", "letter", lambda b: b.count == 1 and _DATE_AT_RIGHT.search(b.joined),
        "a place at the left and a date at the right of one line"),
    BlockRule("sentence_to_somebody", None, lambda b: b.count == 1 and b.words > 6 and _is_salutation(b),
        "more than six words that begin as a salutation are a sentence"),
    BlockRule("salutation", "letter", lambda b: b.count == 1 and _is_salutation(b),
        "MY DEAR SIR, or the initials of who writes"),
    BlockRule("dated_sentence", None, lambda b: b.count > 1 and b.inset < b.shape.width // 4
        and len(b.joined) < 60 and _DATED.fullmatch(b.joined),
        "several lines at the left that end in a date are a sentence"),
    BlockRule("dateline", "letter", lambda b: len(b.joined) < 60 and _DATED.fullmatch(b.joined),
        "a place and a date"),
    BlockRule("signature", "letter",
        lambda b: (_SIGNED.fullmatch(b.joined) or _SIGNED.fullmatch(b.text[0].strip())) and b.words <= 16
        and b.end - b.indents[0] < 0.8 * b.shape.width,
        "I am, Sir, your obedient servant: few words, short of a full line"),
)

TABLES: Rules = (
    BlockRule("ruled", "table",
        lambda b: sum(s.count("|") >= 2 or s.lstrip().startswith(("+--", "|--")) for s in b.text) * 2
        > b.count > 1, "most lines are drawn with | and +--"),
    BlockRule("three_columns", "table", lambda b: b.count > 1 and sum(n >= 2 for n in b.gaps) * 2 > b.count,
        "most lines have two gaps"),
)
COLUMN_LISTS: Rules = (
    BlockRule("line_at_right", None,
        lambda b: b.count == 1 and b.indents[0] > 20 and b.mostly_gapped and not _ends_in_number(b.text[0]),
        "one line at the right with a gap and no number is spaced out, no entry"),
    BlockRule("two_columns", "list", lambda b: b.mostly_gapped, "a name, a gap, and what belongs to it"),
    BlockRule("leader", "list", lambda b: b.count <= 4 and b.gaps[-1] == 1 and _LEADER.search(b.text[-1]),
        "an entry of contents on up to four lines ends in dots and its page"),
    BlockRule("numbers_at_ends", "list",
        lambda b: b.end < 70 and (b.count > 1 or b.above < 2) and b.mostly(_ends_in_number),
        "entries of an index end in pages; lines as wide as a page are prose with numbers"),
)
COLUMNS: Rules = (
    BlockRule("no_columns_in_a_note", None, lambda b: _NOTE.match(b.joined),
        "notes quote tables and end in pages of books"),
    *TABLES,
    BlockRule("no_list_of_speeches", None, lambda b: b.speeches(b.text[:1]),
        "a speech of a play may hold a gap"),
    *COLUMN_LISTS,
)

CONTENTS: Rules = (
    BlockRule("no_entry", None,
        lambda b: b.end > b.shape.width + 9 or b.joined.startswith(("\"", "“", "‘", "'")),
        "speech, or far wider than the book: the contents are over"),
    BlockRule("no_entry_but_a_paragraph", None,
        lambda b: b.count >= 2 and b.score < -2 and b.text[-1].rstrip(CLOSING).endswith("."),
        "full lines down to a full stop: the contents are over"),
    BlockRule("entry", "list", lambda b: b.listed, "what stands below the heading of a list"),
)

HEADINGS: Rules = (
    BlockRule("too_long_for_a_heading", None,
        lambda b: b.count > 12 or (b.count > 4 and not b.front and not b.joined.isupper())
        or len(b.joined) > 60 * b.count + 40,
        "a title page has up to twelve lines, other headings four if they are not in capitals"),
    BlockRule("year_alone", "heading",
        lambda b: b.count == 1 and _YEAR.fullmatch(b.joined) and (b.front or b.lines.below >= _GAP),
        "a year that ends a title page"),
    BlockRule("number_alone", "heading",
        lambda b: not b.letters and b.count == 1 and (b.apart or CHAPTER.match(b.joined)),
        "the number of a chapter"),
    BlockRule("no_letters", None, lambda b: not b.letters, "nothing to be a title"),
    BlockRule("no_heading_in_speech", None,
        lambda b: b.joined[0] in _QUOTES and not (b.apart or b.joined.isupper() or (b.front and b.centred)),
        "speech in quotation marks, unless it stands as titles do"),
    BlockRule("bracketed_capitals", None, lambda b: b.capital_title and b.joined[0] in "[(" and b.above < 2,
        "a direction or a remark in capitals"),
    BlockRule("capitals", "heading", lambda b: b.capital_title, "titles are set in capitals"),
    BlockRule("year", "heading",
        lambda b: b.count <= 6 and any(map(_YEAR.fullmatch, b.text)) and b.ends_before(0.8),
        "a line that is a year stands on title pages"),
    BlockRule("open_lines", None,
        lambda b: any(s.endswith((",", ";")) for s in b.text) and not (b.front or b.centred),
        "lines of titles do not end in commas, but for those of title pages"),
    BlockRule("imprint", "heading",
        lambda b: (b.front or b.before == "heading") and b.count <= 3 and _IMPRINT.match(b.joined),
        "who printed it, and when"),
    BlockRule("chapter_apart", "heading",
        lambda b: b.count <= 5 and b.above >= 2 and (len(b.text[0].strip()) < 60 or b.above > 3)
        and CHAPTER.match(b.text[0].strip()),
        "a word or number of a chapter below a gap; a long line needs a wide one"),
    BlockRule("sentence_on_a_chapter", None,
        lambda b: b.count <= 4 and (b.count > 1 or b.ended) and _names_a_chapter(b),
        "several lines, or a sentence, that begin with a word of chapters"),
    BlockRule("chapter", "heading", lambda b: b.count == 1 and _names_a_chapter(b),
        "such a word on one line that does not end as a sentence"),
    BlockRule("numbered_title", "heading",
        lambda b: b.count <= 4 and b.apart and b.short and _ROMAN_TITLE.match(b.joined),
        "a number and a title"),
    BlockRule("small_letter_apart", None,
        lambda b: b.apart and b.starts_low and ((b.short and b.count <= 3 and not b.ended)
        or (b.count == 1 and b.bare.endswith(".") and b.words <= 4)),
        "the rest of a sentence that something else has cut"),
    BlockRule("short_apart", "heading", lambda b: b.apart and b.short and b.count <= 3 and not b.ended,
        "up to three short lines that are no sentence, below a gap"),
    BlockRule("alone_in_a_gap", "heading",
        lambda b: b.apart and b.short and b.count == 1 and b.lines.below >= _GAP and b.above >= _GAP,
        "a line far from what is above and below it, even a question"),
    BlockRule("few_words_apart", "heading",
        lambda b: b.apart and b.count == 1 and b.bare.endswith(".") and b.words <= 4,
        "titles of up to four words had a full stop once"),
    BlockRule("centred", "heading", lambda b: b.centred and b.count <= 8 and b.short
        and (b.apart or b.front or not b.ended or b.before == "heading"), "titles stand in the middle"),
    BlockRule("centred_sentence", None, lambda b: b.centred and b.count <= 8 and b.short,
        "centred by chance, or verse"),
    BlockRule("title_page", "heading",
        lambda b: b.front and b.short and (b.count <= 4 or b.centred) and (not b.ended or len(b.joined) < 70),
        "what is short before the first paragraph is the title page"),
    BlockRule("sentence_in_front", None, lambda b: b.front and b.short and (b.count <= 4 or b.centred),
        "a sentence of more than a line: a motto, a remark"),
    BlockRule("below_heading", "heading",
        lambda b: b.before == "heading" and b.count <= 2 and b.short and not b.ended and not b.starts_low,
        "the title below the number of a chapter"),
)

SINGLES: Rules = (
    BlockRule("note_label", "heading", lambda b: b.count == 1 and _NOTE_LABEL.fullmatch(b.joined),
        "Footnote 3, with the note below it"),
    BlockRule("numbered_line", "list", lambda b: b.count == 1 and b.in_row,
        "numbers go on in the lines beside it"),
    BlockRule("line_of_note", "prose", lambda b: b.count == 1 and _FOOTNOTE.match(b.joined),
        "a note on one line, which may be set in"),
    BlockRule("line_beside_prose", "prose",
        lambda b: b.count == 1 and b.beside.prose and not b.beside.verse and not _is_verse_speech(b),
        "sure paragraphs near it are as far in"),
    BlockRule("inset_line", "verse",
        lambda b: b.count == 1 and b.indents[0] - b.shape.indent >= _least_inset(b)
        and b.ends[0] < b.shape.width - 3 and not b.starts_low,
        "a line of verse is set in, is short and begins with a capital"),
)
"""One line that is neither heading nor list; what no rule holds for is prose."""

SEVERAL: Rules = (
    BlockRule("speeches", "drama", lambda b: b.speeches(b.text) >= 2, "two lines that begin with speakers"),
    BlockRule("list_on_title_page", "heading", lambda b: b.front and b.count <= 6 and not b.listed
        and (_has_numbered_items(b) or _has_amounts(b) or _has_bare_lines(b)),
        "few bare lines before the first paragraph and not below Contents are the title page"),
    BlockRule("numbered_items", "list", _has_numbered_items, "lines begin with 1. or (a) or Chapter"),
    BlockRule("amounts", "list", _has_amounts, "a recipe: lines begin with numbers and are short"),
    BlockRule("bare_lines", "list", _has_bare_lines,
        "short lines with capitals and without the punctuation that verse has"),
    BlockRule("note", "prose", lambda b: b.joined[0] in "[*" and _FOOTNOTE.match(b.joined),
        "a note in brackets, whatever its lines look like"),
    BlockRule("verse_score", "verse", lambda b: b.score > 0,
        "the scored model of `corpuskit.sources.gutenberg.verse`"),
)
"""Several lines; what no rule holds for is prose."""

SETTLING: Rules = (
    BlockRule("between_entries", "list",
        lambda b: b.around == "list" and b.own in ("prose", "heading", "verse") and b.count <= 2
        and min(b.above, b.lines.below) == 1 and (b.ends_before(0.9) or b.indents[0] > 1),
        "one or two lines close to entries, unless they are full and at the left"),
    BlockRule("between_verse", "verse", lambda b: b.around == "verse" and b.own == "prose"
        and ((b.count > 1 and b.score > -1.5) or b.indents[0] > b.shape.indent + 1),
        "between stanzas what is set in, or no sure prose, is one"),
    BlockRule("between_prose", "prose",
        lambda b: b.around == "prose" and b.own == "verse" and b.count > 1 and b.inset <= b.shape.indent
        and b.score < 0.5, "between paragraphs what is not set in must be sure verse"),
)
"""Short blocks between two of one kind, asked when all blocks have one."""
# fmt: on

SECTIONS = (MARKS, LETTERS, COLUMNS, CONTENTS, HEADINGS, SINGLES, SEVERAL)
"""Asked in this order for what is not `PLAIN`: datelines have gaps as columns have, entries below "Contents"
look like headings, and a heading would pass for a line of prose or verse."""

RULES = tuple(chain(PLAIN, *SECTIONS, SETTLING))
"""All rules."""


def _is_verse_speech(b: BlockView) -> bool:
    """A short speech of a play in verse."""
    return b.in_verse and b.before == "drama"


def _least_inset(b: BlockView) -> int:
    """Columns that a line of verse must be further in than a paragraph begins; less where verse is likely."""
    return -1 if _is_verse_speech(b) else 1 if b.beside.verse else 3


def switched_on(without: Collection[str]) -> list[Rules]:
    """`PLAIN`, `SETTLING` and the sections, without some rules."""
    if unknown := sorted(set(without) - {rule.name for rule in RULES}):
        remedy = f"Known: {', '.join(r.name for r in RULES)}."
        raise SettingError(f"without={unknown}: no rules of blocks", remedy=remedy)
    sections = (PLAIN, SETTLING, *SECTIONS)
    return [tuple(rule for rule in section if rule.name not in without) for section in sections]


def first_kind(rules: Sequence[BlockRule], view: BlockView) -> Kind | None:
    """The kind by the first rule that holds; None when that one has none, or none holds."""
    for rule in rules:
        if rule.test(view):
            return rule.kind
    return None


def kind_by_sections(sections: Sequence[Rules], view: BlockView) -> Kind:
    """The kind by the first section that tells one; prose when none does."""
    kinds = (first_kind(section, view) for section in sections)
    return next(filter(None, kinds), "prose")
