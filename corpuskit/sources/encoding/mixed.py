"""Text that is UTF-8 in some places and one byte to a character in others: lines pasted from elsewhere.

Two files joined into one, or credits added by another person, leave lines in another encoding. Read as the
one or the other, a part of the text is garbage; read line by line, nothing is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from corpuskit.sources.encoding.evidence import GOOD, misfit

_SEQUENCE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}"
    rb"|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
"""A character above ASCII in UTF-8 (RFC 3629, section 4)."""

HIGH_RUN = re.compile(rb"[\x80-\x9f\xa1-\xff]{4,}")
"""Four accented letters in a row hardly occur in western Europe; other scripts are made of such runs.
No-break spaces (A0) stand in rows where somebody has indented with them."""

_HIGH_BYTES = bytes(range(0x80, 0x100))
_LINE = re.compile(rb"[^\r\n]*(?:[\r\n]+|\Z)")
_UNLIKELY = re.compile("[^\x00-\u017f\u2010-\u205f\u20ac\u2122]")
"""What few sequences among many single bytes may not give: in Macintosh text two letters in a row can look
like one Armenian or Cyrillic letter of UTF-8."""

_MOSTLY = 0.3
"""Misfit up to which a text that is mostly sequences is believed: a short Macintosh text can look so."""


class Mixed(NamedTuple):
    """A text read line by line.

    Attributes:
        mostly_utf8: whether UTF-8 prevails over single bytes.
        lines: how many lines are not, or not wholly, in what prevails.
        damaged: bytes that are no character in either and became U+FFFD.
    """

    text: str
    mostly_utf8: bool
    lines: int
    damaged: int


def decode_mixed(data: bytes, around: bytes, one_byte: str, language: str = "") -> Mixed | None:
    """Read UTF-8 where it is, and ``one_byte`` elsewhere; None for text that is no such mixture.

    Many sequences and few single bytes are believed in any script. Few sequences among many single bytes are
    believed only where they give characters of western text and the whole fits (`misfit`).

    Args:
        around: the bytes above ASCII with their neighbours.
        one_byte: Python's name of an encoding of one byte to a character.
    """
    rest, sequences = _SEQUENCE.subn(b"", around)
    single = len(rest) - len(rest.translate(None, _HIGH_BYTES))
    if not sequences or not single:
        return None
    mostly_utf8 = sequences >= single
    # Runs of high bytes are another script in one byte to a character, where sequences stand by chance.
    if not mostly_utf8 and sum(map(len, HIGH_RUN.findall(rest))) * 5 > single:
        return None
    if not mostly_utf8 and any(_UNLIKELY.search(m[0].decode()) for m in _SEQUENCE.finditer(around)):
        return None
    pieces: list[str] = []
    lines = damaged = 0
    for line in _LINE.findall(data):
        text, wrong = _line(line, one_byte)
        pieces.append(text)
        damaged += wrong
        if not line.isascii():
            lines += not _SEQUENCE.sub(b"", line).isascii() if mostly_utf8 else bool(_SEQUENCE.search(line))
    whole = "".join(pieces)
    if misfit(whole, language) > (_MOSTLY if mostly_utf8 else GOOD) or (damaged and not mostly_utf8):
        return None
    return Mixed(whole, mostly_utf8, lines, damaged)


def _line(line: bytes, one_byte: str) -> tuple[str, int]:
    """The text of a line and how many of its bytes are no character."""
    if line.isascii():
        return line.decode("ascii"), 0
    pieces = []
    at = 0
    for found in _SEQUENCE.finditer(line):
        pieces += [line[at : found.start()].decode(one_byte, "replace"), found[0].decode()]
        at = found.end()
    pieces.append(line[at:].decode(one_byte, "replace"))
    text = "".join(pieces)
    return text, text.count("\ufffd")
