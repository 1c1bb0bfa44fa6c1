"""Encodings that show only in what their letters make: steps 5 and 6 of `corpuskit.sources.encoding.decode`.

chardet (0BSD) ranks the encodings in which the lines that are not ASCII could be, by what letters stand
beside one another in which languages; `misfit` says of each how much speaks against it. Both look at a part
of the text, which is decoded once, by the winner.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import filterfalse
from typing import NamedTuple

import numpy as np

from corpuskit.sources.encoding.evidence import (
    CLEAN,
    GOOD,
    LEAST,
    MARGIN,
    has_alphabet,
    is_of_latin_script,
    misfit,
    misfit_of_words,
)
from corpuskit.sources.encoding.mixed import HIGH_RUN, decode_mixed
from corpuskit.sources.encoding.names import LATIN, LATIN_CODECS, MANY_BYTE, NAMEABLE, NARROWER, WINDOWS

CONTROL = re.compile(r"[\x00-\x08\x0e-\x19\x1b\x7f-\x84\x86-\x9f\ufffd\ue000-\uf8ff]")
"""Characters that betray a wrong encoding: controls (NEL is a line end, FF and SUB occur), private use."""

EVIDENCE_BYTES = 2**18
"""Bytes of the lines that are not ASCII which are looked at: more would cost time in every reading tried."""
_HIGH_BYTES = bytes(range(0x80, 0x100))

_BELIEVED = 0.05
"""chardet's confidence from which its first encoding counts; right ones are below it only where the letters
beyond ASCII are few."""
_AS_LIKELY = 0.8
"""Share of the highest confidence from which an encoding is as likely: those that differ in a few signs."""
_OTHER_LEAST = 40
"""Bytes beyond ASCII that an encoding which was not declared needs where it is not of Latin script; where
they stand one by one, as in Latin script, those of different words."""
_WIDER: dict[str, list[str]] = {}
for _large, _forms in NARROWER.items():
    for _small in _forms:
        _WIDER.setdefault(_small, []).append(_large)


@dataclass(frozen=True)
class Decoded:
    """A decoded text.

    Attributes:
        encoding: Python's name of the encoding that was used, ``ascii`` for text of 7 bits.
        flags: ``wrong_encoding_declared``, ``unknown_encoding_declared``, ``mixed_encodings`` (see
            `mixed`), ``damaged_characters`` (bytes that are none became U+FFFD), ``guessed_encoding``,
            ``doubtful_encoding``.
        mixed: lines that were not in ``encoding``.
    """

    text: str
    encoding: str
    flags: tuple[str, ...] = ()
    mixed: int = 0


class _Reading(NamedTuple):
    """An encoding that reads a text, chardet's confidence in it (0 to 1), and what speaks against it."""

    name: str
    confidence: float
    misfit: float


class _Evidence:
    """What tells of an encoding: the lines that are not ASCII, and in them the bytes beyond it.

    Attributes:
        around: bytes beyond ASCII with one neighbour at either side.
        high: how many there are beyond ASCII, of those that are looked at.
    """

    def __init__(self, data: bytes, around: bytes, language: str) -> None:
        self._data, self.around, self._language = data, around[:EVIDENCE_BYTES], language
        self._misfits: dict[tuple[bool, str], float] = {}
        self._words = Counter(self.around.split(b" "))
        self.high = len(self.around) - len(self.around.translate(None, _HIGH_BYTES))
        # Four letters in a row beyond ASCII are rare in Latin script; names and quotations in another
        # script stand in western books too, hence the fifth.
        runs = (count * sum(map(len, HIGH_RUN.findall(word))) for word, count in self._words.items())
        self._in_runs = sum(runs) * 5 > self.high

    @cached_property
    def _may_be_of_other_script(self) -> bool:
        """Whether enough tells of it; what is said again tells once, a known language more."""
        if self._in_runs:
            return self.high >= _OTHER_LEAST
        once = b"".join(set(self.around.split()))
        enough = len(once) - len(once.translate(None, _HIGH_BYTES)) >= _OTHER_LEAST
        return enough and not is_of_latin_script(self._language)

    @cached_property
    def _lines(self) -> bytes:
        lines = filterfalse(bytes.isascii, self._data.splitlines())
        return b"\n".join(lines)[:EVIDENCE_BYTES]

    @cached_property
    def _bytes(self) -> bytes:
        """Each byte of the text once."""
        return _once(self._data)

    @cached_property
    def _bytes_around(self) -> bytes:
        """Each byte of `around` once."""
        return _once(self.around)

    @cached_property
    def _ranked(self) -> dict[str, float]:
        """Python's names of encodings with chardet's confidence, highest first."""
        from chardet import detect_all

        found = detect_all(self._lines, ignore_threshold=True, max_bytes=EVIDENCE_BYTES, compat_names=False)
        ranked = {str(one["encoding"]): one["confidence"] for one in found}
        return {name: ranked[name] for name in ranked if NAMEABLE.fullmatch(name) and name != "utf-8"}

    def reading(self, name: str) -> _Reading | None:
        """A reading of all of the text; None where an encoding leaves errors or control characters."""
        # A second byte may be ASCII, so that encodings of several bytes need whole lines; what one byte to a
        # character reads is told by which bytes there are.
        many = name.startswith(MANY_BYTE)
        some, whole = (self._lines, self._data) if many else (self._bytes_around, self._bytes)
        text = strict(some, name)
        if text is None or CONTROL.search(text) or strict(whole, name) is None:
            return None
        forms = (name, *NARROWER.get(name, ()), WINDOWS.get(name, ""), *_WIDER.get(name, ()))
        confidence = max(self._ranked.get(form, 0.0) for form in forms)
        return _Reading(name, confidence, self._misfit(text if many else None, name))

    def _misfit(self, lines: str | None, name: str) -> float:
        """Of the lines, or where an encoding has one byte to a character of `around`."""
        text = lines if lines is not None else b" ".join(self._words).decode(name)
        key = (lines is None, text)
        if key not in self._misfits:
            words = dict.fromkeys(text.split(" "), 0)
            once = len(words) == len(self._words) == text.count(" ") + 1 and strict(b" ", name) == " "
            if lines is None and once:
                found = misfit_of_words(dict(zip(words, self._words.values(), strict=True)), self._language)
            else:
                # Two words that are read alike, or an encoding in which a space is another byte.
                found = misfit(lines if lines is not None else self.around.decode(name), self._language)
            self._misfits[key] = found
        return self._misfits[key]

    def best(self) -> _Reading | None:
        """The reading that fits best of those that are as likely as any; None where nothing tells enough."""
        top = next(iter(self._ranked.values()), 0.0)
        names = [name for name, confidence in self._ranked.items() if confidence >= _AS_LIKELY * top]
        likely = self._readings(names) if top >= _BELIEVED and self.high >= LEAST else []
        fits = any(found.misfit <= GOOD for found in likely) or not is_of_latin_script(self._language)
        others = [] if self._in_runs or (likely and fits) else self._readings(LATIN_CODECS)
        return min([*likely, *others], key=lambda found: found.misfit, default=None)

    def _readings(self, names: Iterable[str]) -> list[_Reading]:
        found = []
        for name in names:
            forms = (*NARROWER.get(name, ()), name, WINDOWS.get(name, ""))
            reading = next(filter(None, map(self.reading, filter(None, forms))), None)
            if reading and (reading.name in LATIN or self._may_be_of_other_script):
                found.append(reading)
        return sorted(found, key=_order)

    def stands(self, declared: _Reading) -> bool:
        """Whether `overrules` holds for no reading, so that none need be looked at."""
        odd = declared.misfit * self.high
        top = next(iter(self._ranked.values()), 0.0)
        return odd < LEAST and declared.misfit < MARGIN and declared.confidence >= _AS_LIKELY * top

    def overrules(self, best: _Reading, declared: _Reading) -> bool:
        """Whether a reading is taken in place of the declared one."""
        if strict(self._lines, best.name) == strict(self._lines, declared.name):
            return False
        likelier = best.confidence >= _BELIEVED and declared.confidence < _AS_LIKELY * best.confidence
        if self.high >= LEAST and likelier:
            return best.misfit <= declared.misfit + GOOD
        odd = declared.misfit * self.high  # how many characters, since a share of few says nothing
        # In a language that is not known Latin letters are held against the alphabet that suits them best:
        # Turkish read as ISO 8859-1 is clean Icelandic.
        sure = has_alphabet(self._language) or best.name not in LATIN
        clean = sure and best.misfit <= CLEAN and odd >= LEAST
        return clean or best.misfit + MARGIN <= declared.misfit

    def flags(self, chosen: _Reading, *, guessed: bool) -> tuple[str, ...]:
        """What is to be said of a reading."""
        if guessed and (chosen.name not in LATIN or chosen.misfit > CLEAN):
            return ("guessed_encoding",)
        many = chosen.name.startswith(MANY_BYTE)
        return ("doubtful_encoding",) if chosen.misfit > GOOD and self.high >= LEAST and not many else ()


def _order(reading: _Reading) -> int:
    return LATIN_CODECS.index(reading.name) if reading.name in LATIN_CODECS else len(LATIN_CODECS)


def by_letters(data: bytes, known: str | None, language: str) -> Decoded | None:
    """Decode text that is neither marked, nor ASCII, nor UTF-8; None if nothing reads it well enough.

    Args:
        known: Python's name of the declared encoding; None for none, or one that is not known.
        language: ISO 639 code, ``""`` if it is not known.
    """
    # Windows-1252 where no Latin encoding is declared: it has all letters of ISO 8859-1 and more.
    base = known if known in LATIN else "cp1252"
    around = _around(data)
    if (mixed := decode_mixed(data, around, WINDOWS.get(base, base), language)) is not None:
        flags = ("mixed_encodings", *(["damaged_characters"] if mixed.damaged else []))
        return Decoded(mixed.text, "utf-8" if mixed.mostly_utf8 else base, flags, mixed.lines)
    evidence = _Evidence(data, around, language)
    tried = [] if known in (None, "ascii", "utf-8") else [str(known), WINDOWS.get(str(known), "")]
    declared = next(filter(None, map(evidence.reading, filter(None, tried))), None)
    best = declared if declared and evidence.stands(declared) else evidence.best()
    if best is None or (declared and not evidence.overrules(best, declared)):
        best = declared
    text = strict(data, best.name) if best else None
    if best is None or text is None:
        return None
    return Decoded(text, best.name, evidence.flags(best, guessed=best is not declared))


def _once(data: bytes) -> bytes:
    """Each byte once, in their order."""
    every = bytes(range(256))
    return every.translate(None, every.translate(None, data))


def _around(data: bytes) -> bytes:
    """The bytes above ASCII with one neighbour at either side, spaces where something is left out."""
    held = np.frombuffer(data, np.uint8)
    near = held >= 0x80
    near[1:] |= held[:-1] >= 0x80
    near[:-1] |= held[1:] >= 0x80
    places = np.flatnonzero(near)
    gaps = np.flatnonzero(np.diff(places) > 1) + 1
    return np.insert(held[places], gaps, 0x20).tobytes()


_MAY_GIVE_HALVES = ("utf-7", "utf_7", *(name for name in MANY_BYTE if name != "utf"))
"""Encodings of one byte, and UTF-8, 16 and 32, have no half of a surrogate pair."""


def strict(data: bytes, name: str) -> str | None:
    """Decode strictly; None if the bytes do not fit, or hold half a surrogate pair, as UTF-7 may."""
    try:
        text = data.decode(name)
        if name.startswith(_MAY_GIVE_HALVES):
            text.encode("utf-8")
    except UnicodeError:
        return None
    return text
