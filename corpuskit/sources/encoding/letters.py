"""Encodings that show only in what their letters make: steps 4 to 8 of `corpuskit.sources.encoding.decode`.

All candidates are held against the same evidence: the bytes above ASCII with their neighbours, which in most
books is a small part. The text itself is decoded once, by the winner.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from corpuskit.sources.encoding.evidence import CLEAN, GOOD, LEAST, MARGIN, has_alphabet, misfit
from corpuskit.sources.encoding.mixed import HIGH_RUN, decode_mixed
from corpuskit.sources.encoding.names import LATIN, LATIN_CODECS, MANY_BYTE, NAMEABLE, NARROWER, WINDOWS

CONTROL = re.compile(r"[\x00-\x08\x0e-\x19\x1b\x7f-\x84\x86-\x9f\ufffd\ue000-\uf8ff]")
"""Characters that betray a wrong encoding: controls (NEL is a line end, FF and SUB occur), private use."""

EVIDENCE_BYTES = 2**18
"""Bytes above ASCII and their neighbours that are looked at: more would cost time in every reading tried."""
_ASCII_CONTROLS = bytes({*range(9), *range(0x0E, 0x1A), 0x1B, 0x7F})
_MAX_CONTROLS = 0.01
"""Share of control characters of ASCII from which a file is no text in any encoding."""

_HIGH_BYTES = bytes(range(0x80, 0x100))
_GUESS_LEAST = 40
"""Bytes above ASCII that a guess needs: some twenty characters."""
_GUESS_CHAOS = 0.2
"""charset-normalizer's share of disorder up to which its guess is believed; right ones stay within it."""
_GUESS_GAIN = 0.1
"""Coherence (0 to 1) by which a guess must exceed that of the reading that it is to replace."""


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


class _Fit(NamedTuple):
    """An encoding, and the share of the evidence that speaks against it."""

    name: str
    misfit: float


@dataclass(frozen=True)
class _Evidence:
    """Bytes above ASCII with their neighbours (``around``), how many are above ASCII, the language."""

    around: bytes
    high: int
    language: str

    @property
    def few(self) -> bool:
        """Too little to tell anything against a declaration."""
        return self.high < LEAST

    def fits(self, names: Iterable[str]) -> list[_Fit]:
        """Those encodings in which the evidence can be read, and how badly."""
        found = []
        for name in names:
            text = strict(self.around, name)
            if text is None or CONTROL.search(text) or (name in LATIN and self.other_script()):
                continue
            found.append(_Fit(name, misfit(text, self.language)))
        return found

    def prefers(self, other: _Fit, declared: _Fit) -> bool:
        """Whether another reading is taken: it fits far better, or is all in the stated language.

        Without a stated language each reading is held against the alphabet that suits it best: Turkish read
        as ISO 8859-1 is clean Icelandic.
        """
        odd = declared.misfit * self.high  # how many characters, since a share of few says nothing
        clean = has_alphabet(self.language) and other.misfit <= CLEAN and odd >= LEAST
        return clean or other.misfit + MARGIN <= declared.misfit

    def many_byte_misfit(self) -> float:
        """0 where bytes stand in runs; else as much as a Latin reading that fits may overrule."""
        return 0.0 if self.few or self.other_script() else GOOD + MARGIN

    def narrow(self, name: str) -> float:
        """The misfit if all is to be in one language."""
        return misfit(self.around.decode(name), narrow=True)

    def other_script(self) -> bool:
        """Whether the bytes stand in such runs as Latin script does not have."""
        # A fifth: names and quotations in another script stand in western books, too.
        return sum(map(len, HIGH_RUN.findall(self.around))) * 5 > self.high


def by_letters(data: bytes, known: str | None, language: str) -> Decoded | None:
    """Decode text that is neither marked, nor ASCII, nor UTF-8; None if nothing reads it well enough.

    Args:
        known: Python's name of the declared encoding; None for none, or one that is not known.
        language: ISO 639 code, ``""`` if it is not known.
    """
    if len(data) - len(data.translate(None, _ASCII_CONTROLS)) > _MAX_CONTROLS * len(data):
        return None
    # Windows-1252 where no Latin encoding is declared: it has all letters of ISO 8859-1 and more.
    base = known if known in LATIN else "cp1252"
    around = _around(data)
    if (mixed := decode_mixed(data, around, WINDOWS.get(base, base), language)) is not None:
        flags = ("mixed_encodings", *(["damaged_characters"] if mixed.damaged else []))
        return Decoded(mixed.text, "utf-8" if mixed.mostly_utf8 else base, flags, mixed.lines)
    around = around[:EVIDENCE_BYTES]
    evidence = _Evidence(around, len(around) - len(around.translate(None, _HIGH_BYTES)), language)
    tried = [] if known in (None, "ascii", "utf-8") else [str(known), WINDOWS.get(str(known), "")]
    # A second byte may be ASCII, so many-byte encodings are tried on the text itself, not on the evidence.
    many = [n for n in tried if n.startswith(MANY_BYTE) and _reads(data, n)]
    one = [n for n in tried if n and not n.startswith(MANY_BYTE) and strict(data, n) is not None]
    fits = [_Fit(n, evidence.many_byte_misfit()) for n in many] or evidence.fits(one)
    best = fits[0] if fits else None
    return _choose(data, best, evidence)


def _choose(data: bytes, declared: _Fit | None, evidence: _Evidence) -> Decoded | None:
    """The declared reading, a Latin one, or a guess."""
    best = declared
    if best is None or (best.misfit > CLEAN and not evidence.few):
        best = min(evidence.fits(LATIN_CODECS), key=lambda fit: fit.misfit, default=declared)
        if declared and best and not evidence.prefers(best, declared):
            best = declared
    if best is None:
        return _guess(data, None)
    flags: tuple[str, ...] = ()
    if not evidence.few and not best.name.startswith(MANY_BYTE):
        if (other := _other_reading(data, best, evidence)) is not None:
            return other
        flags = ("doubtful_encoding",) if best.misfit > GOOD else ()
    text = strict(data, best.name)
    return None if text is None else Decoded(text, best.name, flags)


def _other_reading(data: bytes, best: _Fit, evidence: _Evidence) -> Decoded | None:
    """A better reading than `best`, where the language does not speak for it."""
    if has_alphabet(evidence.language):
        return _guess(data, best) if best.misfit > GOOD else None
    if best.name in LATIN:
        least = evidence.narrow(best.name) - CLEAN
        if least <= 0:
            return None  # all in one language: nothing is gained by a guess
        names = [fit.name for fit in evidence.fits(LATIN_CODECS)] if evidence.high >= _GUESS_LEAST else []
        clean = next((name for name in names if evidence.narrow(name) <= min(CLEAN, least)), None)
        text = strict(data, clean) if clean else None
        if text is not None:
            return Decoded(text, str(clean), ("guessed_encoding",))
    return _guess(data, best)


def _guess(data: bytes, known: _Fit | None) -> Decoded | None:
    """charset-normalizer's guess, where it makes clearly more sense than what is known; else None."""
    lines = b"\n".join(line for line in re.split(rb"[\r\n]+", data) if not line.isascii())[:EVIDENCE_BYTES]
    if len(lines) - len(lines.translate(None, _HIGH_BYTES)) < _GUESS_LEAST:
        return None
    from charset_normalizer import from_bytes

    match = from_bytes(lines).best()
    if match is None or match.chaos > _GUESS_CHAOS:
        return None
    if known is not None:
        own = from_bytes(lines, cp_isolation=[known.name]).best()
        if own is not None and own.coherence + _GUESS_GAIN > match.coherence:
            return None
    name = codecs.lookup(match.encoding).name
    # The narrower form first, for what people write; the maker's larger one last, if neither reads all.
    for codec in (*NARROWER.get(name, ()), name, WINDOWS.get(name, "")):
        if codec and NAMEABLE.fullmatch(codec) and _reads(data, codec):
            return Decoded(data.decode(codec), codec, ("guessed_encoding",))
    return None


def _around(data: bytes) -> bytes:
    """The bytes above ASCII with one neighbour at either side, spaces where something is left out."""
    held = np.frombuffer(data, np.uint8)
    near = held >= 0x80
    near[1:] |= held[:-1] >= 0x80
    near[:-1] |= held[1:] >= 0x80
    places = np.flatnonzero(near)
    gaps = np.flatnonzero(np.diff(places) > 1) + 1
    return np.insert(held[places], gaps, 0x20).tobytes()


def _reads(data: bytes, name: str) -> bool:
    """Whether an encoding reads all of a text and leaves no control characters behind."""
    text = strict(data, name)
    return text is not None and not CONTROL.search(text)


def strict(data: bytes, name: str) -> str | None:
    """Decode strictly; None if the bytes do not fit, or hold half a surrogate pair, as UTF-7 may."""
    try:
        text = data.decode(name)
        text.encode("utf-8")
    except UnicodeError:
        return None
    return text
