"""What is counted in a text: the definition of every figure that a rule of quality asks for.

All figures are integers, so that a rule compares exactly: where a rule speaks of a share, numerator and
denominator stand here as two figures. This is the definition, written to be read; where something faster
stands in for it, its figures are equal.

**Words.** With ``splitter="unicode"`` the tokens are the words of `corpuskit.documents.words` (`word_spans`),
compared in the form of `fold_words`, measured as they are written. With ``"white_space"`` they are the pieces
between white space (``str.split``), compared as they are written; those of marks alone
(`characters.MARKS_ONLY`) are no words.

**Lines** are parted by line feeds. Those that hold nothing but white space are passed over in every figure
but ``line_ends``; of the others, white space at both ends is cut off before anything is compared or measured.
**Paragraphs** are runs of lines that hold text, parted by lines that hold none; the lines of a paragraph are
joined by a line feed, which counts as a character. White space is Unicode's property White_Space
(`characters.WHITE_SPACE`).

**Variant.** ``variant="datatrove"`` counts lines, paragraphs and n-grams as datatrove 0.10.1 does, blank
lines, ties and denominators included; which figures differ is said beside them. With white-space words its
verdicts are datatrove's.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Literal, NamedTuple

from corpuskit.documents.words import JOINERS, word_spans
from corpuskit.stages.quality.characters import BULLETS, END_MARKS, MARKS_ONLY, WHITE_SPACE, classes
from corpuskit.stages.quality.repeats import (
    REPEATED_ORDERS,
    TOP_ORDERS,
    Repeats,
    datatrove_repeated_grams,
    datatrove_top_gram,
    grams,
    lines_and_paragraphs,
    repeated_grams,
    repeats,
    top_gram,
)
from corpuskit.stages.quality.scripts import scripts
from corpuskit.stages.quality.sentences import count_sentences

Splitter = Literal["unicode", "white_space"]
Variant = Literal["corpuskit", "datatrove"]

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""The eight English words of Gopher."""

SHORT_LINE = 30
"""Characters of a line that FineWeb calls short, at most."""

HYPHENS = ("-", "\u2010", "\u2011")
"""What joins words to a compound: hyphen-minus, hyphen, hyphen without a break."""

_PLAIN = str.maketrans("’", "'", JOINERS)
_URL = re.compile(r"https?://(?:[A-Za-z0-9$\-_@.&+!*\\(),]|%[0-9a-fA-F]{2})+")
_WHOLE_URL = re.compile(rf"https?://[^{WHITE_SPACE}]+")
_LOREM = re.compile("lorem ipsum", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Statistics:
    """The figures of a text.

    Attributes:
        chars: characters (code points), all.
        letters, marks, digits, punctuation, symbols: characters of the categories L, M, Nd, P, S.
        white_space: characters of the property White_Space.
        upper: letters of the categories Lu and Lt.
        brackets, nemo_alphanumeric, nemo_space: characters of these classes of NeMo Curator (`characters`).
        hashes: ``#``.
        curly_brackets: ``{``.
        ellipses: ``...``, counted from the left without overlap (six points are two), and ``…``. Spaced
            points are none.
        url_chars: characters of addresses by NeMo Curator's pattern, which ends before the first slash.
        whole_url_chars: characters of ``http://`` or ``https://`` and all that follows up to white space.
        lorem_ipsum: how often it stands there, in any case of its ASCII letters.
        line_ends: line feeds, all.

        tokens: what the splitter gives.
        words: tokens that are words; equal to ``tokens`` for Unicode words.
        word_chars: characters of the words, as they are written.
        median_word_length_2: twice the median of the words' lengths (sum of both middle ones where their
            number is even, else twice the middle one); 0 without a word.
        longest_word: characters of the longest token.
        compounds: tokens, where those that a single hyphen joins count as one (``B-52``, ``2024-05-17``).
        alpha_words: compounds with a letter (category L).
        stop_words: how many of the eight `STOP_WORDS` occur among the tokens as they are compared.
        stop_word_occurrences: tokens that are one of them.
        distinct_words: different tokens, as they are compared.
        entropy_millibits: entropy of the tokens in thousandths of a bit, rounded half up, see `entropy`.

        sentences: sentences of all paragraphs (`sentences.count_sentences`).
        scripts: different scripts among the letters; main_script_letters: letters of the most frequent one.

        lines: lines with text.
        end_mark_lines: of these, those that end in one of `characters.END_MARKS`, of any script. Quotation
            marks and brackets behind it are not looked through.
        short_lines: of these, those of at most `SHORT_LINE` characters.
            The two, datatrove: white space stays, so that a line that ends in a blank has no end mark.
        split_lines: lines that the next two are held against: lines with text. datatrove: those of
            ``str.splitlines``, blank ones too.
        bullet_lines: those whose first character is one of `characters.BULLETS`. datatrove: • and - alone.
        ellipsis_lines: those that end in ``...`` or ``…``. Quotation marks behind it are not looked through.

        repeat_lines, dup_lines, line_chars, dup_line_chars: lines; those equal to an earlier one; characters
            of all lines, and of those. datatrove: parted at runs of line feeds, nothing cut off, an empty
            piece at either end counts; line_chars is chars.
        paragraphs: paragraphs.
        repeat_paragraphs, dup_paragraphs, paragraph_chars, dup_paragraph_chars: the same of paragraphs.
            datatrove: parted at two or more line feeds in a row, white space cut off at both ends of the
            text; paragraph_chars is chars.
        text_line_chars, dup_text_line_chars: characters of all lines with text, and of those that repeat an
            earlier one; equal to line_chars and dup_line_chars. datatrove (FineWeb's rule): nothing cut off;
            text_line_chars are all characters but line feeds.
        gram_chars: what the n-gram figures are held against: characters of all tokens. datatrove: chars.
        top_2_gram_chars to top_4_gram_chars: `repeats.top_gram` of the tokens; datatrove:
            `repeats.datatrove_top_gram`.
        dup_5_gram_chars to dup_10_gram_chars: `repeats.repeated_grams` of the tokens; datatrove:
            `repeats.datatrove_repeated_grams`.
    """

    chars: int = 0
    letters: int = 0
    marks: int = 0
    digits: int = 0
    punctuation: int = 0
    symbols: int = 0
    white_space: int = 0
    upper: int = 0
    brackets: int = 0
    nemo_alphanumeric: int = 0
    nemo_space: int = 0
    hashes: int = 0
    curly_brackets: int = 0
    ellipses: int = 0
    url_chars: int = 0
    whole_url_chars: int = 0
    lorem_ipsum: int = 0
    line_ends: int = 0
    tokens: int = 0
    words: int = 0
    word_chars: int = 0
    median_word_length_2: int = 0
    longest_word: int = 0
    compounds: int = 0
    alpha_words: int = 0
    stop_words: int = 0
    stop_word_occurrences: int = 0
    distinct_words: int = 0
    entropy_millibits: int = 0
    sentences: int = 0
    scripts: int = 0
    main_script_letters: int = 0
    lines: int = 0
    end_mark_lines: int = 0
    short_lines: int = 0
    split_lines: int = 0
    bullet_lines: int = 0
    ellipsis_lines: int = 0
    repeat_lines: int = 0
    dup_lines: int = 0
    line_chars: int = 0
    dup_line_chars: int = 0
    paragraphs: int = 0
    repeat_paragraphs: int = 0
    dup_paragraphs: int = 0
    paragraph_chars: int = 0
    dup_paragraph_chars: int = 0
    text_line_chars: int = 0
    dup_text_line_chars: int = 0
    gram_chars: int = 0
    top_2_gram_chars: int = 0
    top_3_gram_chars: int = 0
    top_4_gram_chars: int = 0
    dup_5_gram_chars: int = 0
    dup_6_gram_chars: int = 0
    dup_7_gram_chars: int = 0
    dup_8_gram_chars: int = 0
    dup_9_gram_chars: int = 0
    dup_10_gram_chars: int = 0


FIGURES = tuple(field.name for field in fields(Statistics))
"""Names of all figures, in order."""


def statistics(text: str, *, splitter: Splitter = "unicode", variant: Variant = "corpuskit") -> Statistics:
    """Count everything in a text. Time is linear in it; an empty text has figures of 0.

    >>> found = statistics("To be, or not to be…\\n\\nThat is the question.")
    >>> found.words, found.stop_words, found.lines, found.paragraphs, found.sentences, found.ellipses
    (10, 4, 2, 2, 2, 1)
    """
    tokens = split(text, splitter)
    figures = _of_characters(text) | _of_words(tokens)
    stripped = [line.strip(WHITE_SPACE) for line in text.split("\n")]
    lines, paragraphs = lines_and_paragraphs(stripped)
    figures |= {"sentences": sum(map(count_sentences, paragraphs)), "paragraphs": len(paragraphs)}
    if variant == "datatrove":
        figures |= _datatrove_lines(text) | _datatrove_grams(tokens, len(text))
    else:
        figures |= _of_lines(lines, paragraphs) | _of_grams(tokens)
    return Statistics(**figures)


# --------------------------------------------------------------------------------------------- characters
def _of_characters(text: str) -> dict[str, int]:
    counts = Counter(text)
    figures: Counter[str] = Counter()
    for character, count in counts.items():
        for name in classes(character):
            figures[name] += count
    letters = scripts(counts)
    return dict(figures) | {
        "chars": len(text),
        "ellipses": text.count("...") + text.count("…"),
        "url_chars": sum(len(found[0]) for found in _URL.finditer(text)),
        "whole_url_chars": sum(len(found[0]) for found in _WHOLE_URL.finditer(text)),
        "lorem_ipsum": len(_LOREM.findall(text)),
        "scripts": len(letters),
        "main_script_letters": max(letters.values(), default=0),
    }


# -------------------------------------------------------------------------------------------------- words
class Token(NamedTuple):
    """A piece of a text.

    Attributes:
        written: as it stands there; what is measured.
        key: as it is compared with others.
        is_word: whether it is more than marks.
        joined: whether a single hyphen stands between it and the token before it, and nothing else.
    """

    written: str
    key: str
    is_word: bool = True
    joined: bool = False


def split(text: str, splitter: Splitter) -> list[Token]:
    """The tokens of a text.

    >>> [token.key for token in split("The End.", "unicode")]
    ['the', 'end']
    >>> [token.key for token in split("The End.", "white_space")]
    ['The', 'End.']
    """
    if splitter == "white_space":
        return [Token(piece, piece, not MARKS_ONLY.issuperset(piece)) for piece in text.split()]
    tokens, end = [], 0
    for start, stop in word_spans(text):
        piece = text[start:stop]
        tokens.append(Token(piece, _folded(piece), joined=bool(end) and text[end:start] in HYPHENS))
        end = stop
    return tokens


@cache
def _has_letter(character: str) -> bool:
    return unicodedata.category(character)[0] == "L"


def _folded(word: str) -> str:
    """As `corpuskit.documents.words.fold_words` gives it: a text that is not in NFC is taken as it stands."""
    return word.casefold().translate(_PLAIN)


def _of_words(tokens: Sequence[Token]) -> dict[str, int]:
    lengths = sorted(len(token.written) for token in tokens if token.is_word)
    counts = Counter(token.key for token in tokens)
    count = len(lengths)
    compounds: list[bool] = []
    for token in tokens:
        if not token.joined:
            compounds.append(False)
        compounds[-1] = compounds[-1] or any(map(_has_letter, token.written))
    return {
        "tokens": len(tokens),
        "compounds": len(compounds),
        "words": count,
        "word_chars": sum(lengths),
        "median_word_length_2": lengths[(count - 1) // 2] + lengths[count // 2] if count else 0,
        "longest_word": max((len(token.written) for token in tokens), default=0),
        "alpha_words": sum(compounds),
        "stop_words": sum(word in counts for word in STOP_WORDS),
        "stop_word_occurrences": sum(counts[word] for word in STOP_WORDS),
        "distinct_words": len(counts),
        "entropy_millibits": entropy(counts.values()),
    }


def entropy(counts: Iterable[int]) -> int:
    """Shannon's entropy of counts, in thousandths of a bit.

    log2(N) - (sum of (m c) log2(c)) / N for the m words that occur c times, N words in all. The terms are
    added in the order of growing c, in double precision, and the result is rounded half up, so that the order
    of the words decides nothing.

    >>> entropy([1, 1, 1, 1]), entropy([3]), entropy([])
    (2000, 0, 0)
    """
    alike = sorted(Counter(counts).items())
    total = sum(count * many for count, many in alike)
    if not total:
        return 0
    weighed = 0.0
    for count, many in alike:
        weighed += many * count * math.log2(count)
    return math.floor((math.log2(total) - weighed / total) * 1000 + 0.5)


# -------------------------------------------------------------------------------------------------- lines
def _of_lines(lines: Sequence[str], paragraphs: Sequence[str]) -> dict[str, int]:
    of_lines, of_paragraphs = repeats(lines), repeats(paragraphs)
    return {
        "lines": len(lines),
        "end_mark_lines": sum(line[-1] in END_MARKS for line in lines),
        "short_lines": sum(len(line) <= SHORT_LINE for line in lines),
        "split_lines": len(lines),
        "bullet_lines": sum(line[0] in BULLETS for line in lines),
        "ellipsis_lines": sum(line.endswith(("...", "…")) for line in lines),
        "text_line_chars": of_lines.characters,
        "dup_text_line_chars": of_lines.repeated_characters,
    } | _repeats(of_lines, of_paragraphs)


def _repeats(lines: Repeats, paragraphs: Repeats) -> dict[str, int]:
    return {
        "repeat_lines": lines.units,
        "dup_lines": lines.repeated,
        "line_chars": lines.characters,
        "dup_line_chars": lines.repeated_characters,
        "repeat_paragraphs": paragraphs.units,
        "dup_paragraphs": paragraphs.repeated,
        "paragraph_chars": paragraphs.characters,
        "dup_paragraph_chars": paragraphs.repeated_characters,
    }


def _of_grams(tokens: Sequence[Token]) -> dict[str, int]:
    lengths = [len(token.written) for token in tokens]
    orders = grams([token.key for token in tokens], REPEATED_ORDERS[-1])
    figures = {f"top_{n}_gram_chars": top_gram(orders[n - 1], n, lengths) for n in TOP_ORDERS}
    figures |= {f"dup_{n}_gram_chars": repeated_grams(orders[n - 1], n, lengths) for n in REPEATED_ORDERS}
    return figures | {"gram_chars": sum(lengths)}


# ---------------------------------------------------------------------------------------------- datatrove
def _datatrove_lines(text: str) -> dict[str, int]:
    """Lines of three kinds: of Gopher's quality, of Gopher's repetition, of FineWeb."""
    split_lines = text.splitlines()
    with_text = [line for line in text.split("\n") if line.strip()]
    repeated = repeats(with_text)
    of_lines = repeats(re.split(r"\n+", text))
    of_paragraphs = repeats(re.split(r"\n{2,}", text.strip()))
    figures = {
        "lines": len(with_text),
        "end_mark_lines": sum(line[-1] in END_MARKS for line in with_text),
        "short_lines": sum(len(line) <= SHORT_LINE for line in with_text),
        "split_lines": len(split_lines),
        "bullet_lines": sum(line.lstrip().startswith(("•", "-")) for line in split_lines),
        "ellipsis_lines": sum(line.rstrip().endswith(("...", "…")) for line in split_lines),
        "text_line_chars": len(text) - text.count("\n"),
        "dup_text_line_chars": repeated.repeated_characters,
    }
    return (
        figures
        | _repeats(of_lines, of_paragraphs)
        | dict.fromkeys(("line_chars", "paragraph_chars"), len(text))
    )


def _datatrove_grams(tokens: Sequence[Token], chars: int) -> dict[str, int]:
    words = [token.written for token in tokens]
    orders = grams(words, TOP_ORDERS[-1])
    figures = {f"top_{n}_gram_chars": datatrove_top_gram(words, orders[n - 1], n) for n in TOP_ORDERS}
    figures |= {f"dup_{n}_gram_chars": datatrove_repeated_grams(words, n) for n in REPEATED_ORDERS}
    return figures | {"gram_chars": chars}
