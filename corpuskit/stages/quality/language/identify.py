"""The language of a text by CLD2, behind a look at its script, with a confidence of our own.

CLD2 (Sites, 2013, Apache-2.0) by pycld2 tells the language; on 200-character pieces of the Universal
Declaration it is right more often than the other identifiers that work without a net (`benchmarks/language`).
Three things are not its own:

- The script comes first. Where a script belongs to one language the answer is that one, however short the
  text is; Chinese is told from Japanese by kana, or a few characters by those that one of them alone has,
  simplified from traditional by characters of one alone.
- CLD2 is sure of nearly everything. The confidence here is a logistic function of what it says: how high it
  scores beside its usual score in that language, how long the text is, and whether the text's even and odd
  words are found to be in the language too. Its coefficients were fitted on pieces of 388 languages, mixed
  words of two languages and single words (`benchmarks/language_fit`).
- What is no language to speak of is ``und``: texts without a letter, addresses, program code.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import pycld2

from corpuskit.errors import checks_arguments
from corpuskit.stages.quality.language import codes
from corpuskit.stages.quality.language.scripts import count_letters, main_script, may_be_japanese
from corpuskit.stages.quality.language.signs import doubt, is_code

_WINDOW = 250
"""Characters of each of the four windows that are read of a text longer than the four together."""
_SURE = 0.65
"""Confidence below which a long text is looked at again, by windows of so many characters:"""
_LARGE_WINDOW = 600
_PLAIN = 0.9
"""Confidence below which the paragraphs of a short text are looked at: prose in one language has more."""

_SECOND = 0.08
"""Share of another language or script from which on the parts of a text are looked at one by one."""
_TOLD = 0.5
"""Confidence from which on a passage counts as one of its language."""

_BREAKS_CLD2 = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_ADDRESS = re.compile(r"(?:https?://|ftp://|www\.)\S+|[^\s@]{1,64}@[^\s@]{1,255}", re.IGNORECASE)
_WITH_DIGITS = re.compile(r"\S*\d\S*")
_MOST_HAN = 0.65
"""Share of Han characters beyond which a Japanese text may hold Chinese ones."""
_LONG_FOR_KANA = 40
"""Han characters from which on a Japanese text would have kana."""
_LEAST_LETTERS = 4
"""Fewer letters of a script of several languages tell nothing."""
_MAIN = 0.7
"""Confidence in the main language of a script that it shares with a few others, where CLD2 names none."""
_SHORT = 300
"""Characters up to which words with digits are taken out, since letters of part numbers weigh there."""
_CONSISTENT_WORDS = 40

_WEIGHTS = (-2.31, 0.01, 0.73, 1.85, -3.04, 4.36, -1.13, -3.47, 1.4)
"""Of `features`, the constant first."""


class Language(NamedTuple):
    """The language of a text.

    Attributes:
        code: ISO 639-1 where there is one, else 639-3; ``und`` for what has none.
        script: ISO 15924; None for a text without letters.
        confidence: probability that the code is right for the whole text, 0 to 1: in a text of several
            languages no more than the share of the largest.
        share: of the letters that a language was found for, how many are of this one.
    """

    code: str
    script: str | None
    confidence: float
    share: float


class Passage(NamedTuple):
    """A part of a text in one language: bytes ``start`` to ``end`` of its UTF-8, on characters.

    ``letters`` counts those of the passage; ``confidence`` is of the passage alone.
    """

    start: int
    end: int
    code: str
    script: str | None
    confidence: float
    letters: int


@checks_arguments
def identify_language(text: str, passages: list[Passage] | None = None) -> Language:
    """The language and script of a text, with a confidence.

    Of texts beyond 1,600 characters four windows of 250 are read. Norwegian is ``nb`` or ``nn``; Bosnian,
    Croatian and Serbian in Latin letters are not told apart reliably.

    Args:
        text: the text.
        passages: its passages, where they are known: then the language is that of most of their letters.

    >>> identify_language("We waited for the boat, and nobody came to the quay.")[:2]
    ('en', 'Latn')
    >>> identify_language("Καλημέρα"), identify_language("12:30")
    (Language(code='el', script='Grek', confidence=1.0, share=1.0),
     Language(code='und', script=None, confidence=0.0, share=0.0))
    """
    return identify(text, passages)


def identify(text: str, passages: list[Passage] | None) -> Language:
    """The same, for the stage: without a look at what the arguments are."""
    sample = _sample(text, _WINDOW)
    guess, mixed = _judge(sample)
    if guess.confidence < _SURE and len(text) > 4 * _WINDOW:
        sample = _sample(text, _LARGE_WINDOW)
        guess, mixed = _judge(sample)
    # CLD2 does not always name a near language beside one.
    least = _PLAIN if sample is text else _SURE
    unsure = guess.confidence < least and guess.code != codes.UNKNOWN and "\n\n" in sample
    if passages is None and not mixed and not unsure:
        return guess
    return _of_parts(find_passages(sample) if passages is None else passages, guess)


def _sample(text: str, size: int) -> str:
    """The text, or four windows of it, evenly spread and cut at white space where there is some."""
    if len(text) <= 4 * size:
        return text
    windows = []
    step = (len(text) - size) // 3
    for start in range(0, 3 * step + 1, step):
        window = text[start : start + size]
        if start:
            window = window.split(maxsplit=1)[-1] if " " in window[:40] else window
        windows.append(window)
    return "\n\n".join(windows)


def _of_parts(passages: list[Passage], whole: Language) -> Language:
    """The language of most letters of the passages that are told; as found for the whole where none is."""
    told = [p for p in passages if p.confidence >= _TOLD and p.code != codes.UNKNOWN]
    letters: Counter[str] = Counter()
    sure: dict[str, float] = defaultdict(float)
    for passage in told:
        letters[passage.code] += passage.letters
        sure[passage.code] += passage.letters * passage.confidence
    if not letters:
        return whole
    code = min(letters, key=lambda each: (-letters[each], each))
    share = letters[code] / letters.total()
    # The script of its largest passage: a text may be in one language and several scripts.
    script = max((p for p in told if p.code == code), key=lambda p: (p.letters, -p.start)).script
    return Language(code, script, round(sure[code] / letters[code] * share, 4), round(share, 4))


# ------------------------------------------------------------------------------------------------ passages
_PARAGRAPH = re.compile(r"\S[^\n]*(?:\n(?![ \t]*\n)[^\n]*)*")
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]+[\"'”’»)\]]*\s+|[。！？।]+[”’」』）]*\s*|\n+")


def find_passages(text: str) -> list[Passage]:
    """The paragraphs of a text, which blank lines part, with the language of each.

    A paragraph in several languages is cut where a sentence or a line ends and the language changes. Code,
    and what is too short to tell, is ``und``.
    """
    passages: list[Passage] = []
    size, done = 0, 0  # Bytes before character `done`.
    for found in _PARAGRAPH.finditer(text):
        for start, end, guess, letters in _within(found[0]):
            size += len(text[done : found.start() + start].encode("utf-8", "surrogatepass"))
            begin, done = size, found.start() + end
            size += len(text[found.start() + start : done].encode("utf-8", "surrogatepass"))
            passages.append(Passage(begin, size, guess.code, guess.script, guess.confidence, letters))
    return passages


def _within(paragraph: str) -> list[tuple[int, int, Language, int]]:
    """Parts of a paragraph as start, end (characters), language and letters."""
    guess, mixed = _judge(paragraph)
    parts: list[tuple[int, int, Language]] = []
    for start, end in _sentences(paragraph) if mixed else ():
        each = _told(_judge(paragraph[start:end])[0])
        if parts and each.code in (codes.UNKNOWN, parts[-1][2].code):
            start, _, each = parts.pop()
        parts.append((start, end, each))
    if len({guess.code for *_, guess in parts}) < 2:
        parts = [(0, len(paragraph), _told(guess))]
    shaped = []
    for start, end, each in parts:
        piece = paragraph[start:end].rstrip()
        # Judged anew: several sentences tell more than the first of them did.
        whole = _told(_judge(piece)[0]) if len(parts) > 1 else each
        kept = whole if whole.code == each.code else each
        shaped.append((start, start + len(piece), kept, count_letters(piece).total()))
    return shaped


def _sentences(paragraph: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence or line, in characters."""
    start = 0
    for found in _SENTENCE_END.finditer(paragraph):
        yield start, found.end()
        start = found.end()
    if start < len(paragraph):
        yield start, len(paragraph)


def _told(guess: Language) -> Language:
    """The guess, or ``und`` where it is none."""
    if guess.confidence >= _TOLD:
        return guess
    return Language(codes.UNKNOWN, guess.script, 0.0, 0.0)


# ---------------------------------------------------------------------------------------------- one language
def _judge(text: str) -> tuple[Language, bool]:
    """The language of a text as a whole, and whether parts of it seem to be in others."""
    letters = count_letters(text)
    script = main_script(letters, text)
    if script is None:
        return Language(codes.UNKNOWN, None, 0.0, 0.0), False
    total = letters.total()
    share = _own(letters, script) / total
    if sole := codes.SOLE_LANGUAGE.get(script):
        mixed = share <= 1 - _SECOND or (script == "Jpan" and letters["Hani"] > _MOST_HAN * total)
        return Language(sole, script, round(share, 4), 1.0), mixed
    if script in ("Hans", "Hant", "Hani"):
        code, script, sure = _without_kana(text, script, total)
        return Language(code, script, round(sure * share, 4), 1.0), share <= 1 - _SECOND
    code, confidence, second = _ask(text, script, total)
    return Language(code, script, confidence, float(code != codes.UNKNOWN)), second or share <= 1 - _SECOND


def _without_kana(text: str, script: str, letters: int) -> tuple[str, str, float]:
    """Language, script and confidence of Han characters alone: Japanese titles have no kana either."""
    japanese = may_be_japanese(text) if letters < _LONG_FOR_KANA else 0.0
    if japanese > 0.5:
        return "ja", "Hani", japanese
    return "zh", script, 0.6 if japanese and letters < 5 else 0.95


def _own(letters: Counter[str], script: str) -> int:
    """Letters that are of a script, which may be a union of several."""
    eastern = ("Hani", "Hira", "Kana", "Hang", "Bopo")
    if script in ("Jpan", "Kore", "Hans", "Hant", "Hira", "Kana", *eastern):
        return sum(letters[each] for each in eastern)
    return letters[script]


def _ask(text: str, script: str, letters: int) -> tuple[str, float, bool]:
    """What CLD2 finds in a text, how sure that is, and whether it finds a second language."""
    usual, plain = codes.MAIN_LANGUAGE.get(script), readable(text)
    if not any(map(str.isalpha, plain)) or is_code(plain, letters):
        return codes.UNKNOWN, 0.0, False
    evidence = find(plain)
    if letters < _LEAST_LETTERS or evidence.code == codes.UNKNOWN or evidence.code in codes.OWN_SCRIPT:
        return (usual, _MAIN, False) if usual else (codes.UNKNOWN, 0.0, evidence.second >= _SECOND)
    values = features(plain, script, letters, evidence)
    logit = sum(weight * value for weight, value in zip(_WEIGHTS, values, strict=True))
    confidence = doubt(plain, script) / (1 + math.exp(-logit))
    if evidence.code == usual:
        confidence = max(confidence, _MAIN)
    return evidence.code, round(confidence, 4), evidence.second >= _SECOND


def readable(text: str) -> str:
    """A text without what leads CLD2 astray: addresses, characters it refuses, short texts' part numbers."""
    if "://" in text or "www." in text or "@" in text:
        text = _ADDRESS.sub(" ", text)
    if not text.isprintable():  # A line feed is not printable: most longer texts are looked through.
        text = _BREAKS_CLD2.sub(" ", text)
    return _WITH_DIGITS.sub(" ", text) if len(text) < _SHORT else text


class Evidence(NamedTuple):
    """What CLD2 says of a text: code, its share of what is told, its score (per 1,024 bytes), whether it is
    sure by its own measure, and the share of the second language."""

    code: str
    share: float
    score: float
    reliable: bool
    second: float


def find(text: str) -> Evidence:
    """What CLD2 says of a text; where it says nothing, what it says of its even or odd words.

    It takes back Russian, for one, where Ukrainian or Bulgarian comes close, and then names neither.
    """
    evidence = ask_cld2(text)
    if evidence.code == codes.UNKNOWN:
        words = text.split()
        halves = [ask_cld2(" ".join(words[start::2])) for start in (0, 1)]
        evidence = max(halves, key=lambda half: half.share * half.score)
    return evidence


def ask_cld2(text: str) -> Evidence:
    """CLD2's first two languages, in our codes."""
    reliable, _, found = pycld2.detect(text, isPlainText=True, bestEffort=True)
    told = [(codes.ENGINE_CODES.get(code, code), share / 100, score) for _, code, share, score in found]
    known = [each for each in told if each[1] and each[0] in codes.languages()]
    if not known:
        return Evidence(codes.UNKNOWN, 0.0, 0.0, False, 0.0)
    (code, share, score), *others = known
    second = sum(share for other, share, _ in others if not codes.same_language(other, code))
    # Of Russian, for one, CLD2 leaves a third untold where other languages come close.
    told_of = share + sum(share for _, share, _ in others)
    return Evidence(code, share / told_of, score, reliable, second)


def features(text: str, script: str, letters: int, evidence: Evidence) -> tuple[float, ...]:
    """What the confidence is computed from, a constant 1 first."""
    usual = codes.typical_score(evidence.code, script)
    height = math.log((evidence.score + 1) / usual) if usual else 0.0
    words = text.split(maxsplit=_CONSISTENT_WORDS)[:_CONSISTENT_WORDS]
    agreeing = 0
    for half in (words[::2], words[1::2]):
        found = ask_cld2(" ".join(half)).code if half else codes.UNKNOWN
        agreeing += codes.same_language(evidence.code, found)
    return (
        1.0,
        math.log(min(letters, 500) + 1),
        evidence.share,
        float(evidence.reliable),
        evidence.second,
        max(-2.0, min(height, 0.0)),
        max(-2.0, min(0.0, height + 0.4)),
        float(not usual),
        float(agreeing),
    )
