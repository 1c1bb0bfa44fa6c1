"""Decoding what is not UTF-8 among a user's own files, as books are decoded."""

from __future__ import annotations

from collections import Counter

from corpuskit.sources.encoding.decode import decode_text
from corpuskit.storage.rows.row import Decoded
from corpuskit.storage.rows.text import marked, seems_binary

_ONE_SCRIPT = 0.9
"""Share of the characters of UTF-16 that must be of ASCII or of the one script that has most of them. 256
code points hold the letters of a script; Chinese and Japanese have a hundred times as many: not told so."""

_HIGH = bytes(range(0x80, 0x100))
_LEAST = 2
"""Bytes beyond ASCII from which an encoding of one byte is believed: one alone may be damage to UTF-8."""


def decode(data: bytes) -> Decoded | None:
    """Decode bytes in an encoding that is told by themselves (`corpuskit.sources.encoding.decode`).

    What holds more control characters than text does is no text in an encoding of one byte; it may be UTF-16
    without its mark, whose letters of one script have one byte in common.

    Returns:
        The text; None if nothing reads the bytes well enough.
    """
    found = decode_text(data)
    if found is not None and not seems_binary(found.text[: 2**16].encode("utf-8")):
        high = len(data) - len(data.translate(None, _HIGH))
        if not found.encoding.startswith("utf-") and (marked(data) or high < _LEAST):
            return None  # damage to UTF-8, or to UTF-16 with its mark
        return Decoded(found.text, found.encoding, found.flags)
    return _without_mark(data)


def _without_mark(data: bytes) -> Decoded | None:
    """UTF-16 without its mark, in one script that is not Latin; None for anything else."""
    for name, high in (("utf-16-le", 1), ("utf-16-be", 0)):
        blocks = Counter(data[high::2])
        most = max((count for block, count in blocks.items() if block), default=0)
        if len(data) % 2 or most < blocks[0] or most + blocks[0] < _ONE_SCRIPT * len(data) / 2:
            continue
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        if not seems_binary(text[: 2**16].encode("utf-8")) and sum(map(str.isalpha, text)) * 2 > len(text):
            return Decoded(text, name)
    return None
