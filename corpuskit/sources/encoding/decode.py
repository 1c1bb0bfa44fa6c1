"""Decoding a text file whose encoding is declared in words, rightly or wrongly, or not at all.

In this order, each step only where those before it do not fit:

1. a byte order mark; zero bytes in every second or fourth place (UTF-16 and UTF-32 without a mark);
2. ASCII, with escape sequences ISO 2022;
3. strict UTF-8: text in another encoding is practically never valid UTF-8 by chance;
4. UTF-8 and one-byte characters mixed, line by line (`corpuskit.sources.encoding.mixed`);
5. the declared encoding, and its maker's larger form (Windows-1252 for ISO 8859-1, CP949 for EUC-KR), if it
   decodes without an error, leaves no control characters, and its letters fit (`evidence.misfit`);
6. the one-byte encodings of Latin script, DOS and Macintosh ones included, of which the best must fit;
7. charset-normalizer's guess from the lines that are not ASCII, if they are enough and it decodes all;
8. what was declared, or Windows-1252, with the flag ``doubtful_encoding``, unless it cannot be such text at
   all: then nothing.

Whatever is used, a declaration that says otherwise is flagged as ``wrong_encoding_declared``.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import replace

from corpuskit.sources.encoding.letters import CONTROL, Decoded, by_letters, strict
from corpuskit.sources.encoding.names import codec_name

# UTF-32 before UTF-16: the mark of the one begins with that of the other.
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode_text(data: bytes, declared: str = "", language: str = "") -> Decoded | None:
    """Decode ``data``; None if nothing reads it well enough.

    Args:
        declared: the encoding's name as the file states it, ``""`` if it does not.
        language: ISO 639 code of the language as the file states it, ``""`` if it does not.
    """
    known = codec_name(declared) if declared else None
    decoded = _by_form(data, known) or by_letters(data, known, language)
    return None if decoded is None else _flagged(decoded, declared, known)


def _by_form(data: bytes, known: str | None) -> Decoded | None:
    """Steps 1 to 3: encodings that show in the bytes themselves."""
    for mark, name in _BOMS:
        if data.startswith(mark) and (marked := strict(data, name)) is not None:
            return Decoded(marked.removeprefix("\ufeff"), name)
    # UTF-16 of Latin script is half zeros, UTF-32 of any script a quarter at least. A stray zero byte in a
    # text file is left to later stages.
    if data.count(0) * 10 > len(data):
        return _wide(data, known)
    # Encodings that are ASCII to the eye: read as such, their escape sequences would stay in the text.
    seven_bit = known is not None and known.startswith(("iso2022", "hz", "utf-7"))
    if data.isascii():
        escaped = known if seven_bit else _escaped(data)
        text = strict(data, escaped) if escaped else None
        return Decoded(text, str(escaped)) if text is not None else Decoded(data.decode("ascii"), "ascii")
    if seven_bit:
        return None
    text = strict(data, "utf-8")
    return _cut_off(data) if text is None else Decoded(text, "utf-8")


def _cut_off(data: bytes) -> Decoded | None:
    """UTF-8 that ends within a character: a file that was cut off, or a piece of one."""
    tail = re.search(rb"[\xc2-\xf4][\x80-\xbf]{0,2}\Z", data)
    text = strict(data[: tail.start()], "utf-8") if tail else None
    if text is None or text.isascii():
        return None
    return Decoded(text + "\ufffd", "utf-8", ("damaged_characters",))


def _wide(data: bytes, known: str | None) -> Decoded | None:
    """UTF-16 or UTF-32 without a mark, by where the zero bytes of ASCII characters stand."""
    if known is not None and known.startswith(("utf-16", "utf-32")):
        named = strict(data, known)
        if named is not None and not CONTROL.search(named):
            return Decoded(named, known)
    for name, width, high in (
        ("utf-32-le", 4, 3),
        ("utf-32-be", 4, 0),
        ("utf-16-le", 2, 1),
        ("utf-16-be", 2, 0),
    ):
        # UTF-32 first: UTF-16 has zeros in its places, too, but two letters of it are no code point.
        places = data[high::width]
        if len(data) % width == 0 and places.count(0) * 2 > len(places):
            text = strict(data, name)
            if text is not None and not CONTROL.search(text):
                return Decoded(text, name)
    return None


def _escaped(data: bytes) -> str | None:
    """The encoding whose escape sequences stand in text of 7 bits; None without any."""
    if b"\x1b" not in data:
        return None
    names = ("iso2022_jp", "iso2022_jp_2", "iso2022_jp_2004", "iso2022_kr")
    texts = ((name, strict(data, name)) for name in names)
    return next((name for name, text in texts if text and not text.isascii() and "\x1b" not in text), None)


def _flagged(decoded: Decoded, declared: str, known: str | None) -> Decoded:
    """Compare what was used with what was declared."""
    used = codecs.lookup(decoded.encoding).name
    flags = decoded.flags
    if declared and known is None:
        flags = (*flags, "unknown_encoding_declared")
    elif declared and used != "ascii" and known != used and not _same_family(str(known), used):
        # Text of 7 bits is right under every declaration that extends ASCII.
        flags = (*flags, "wrong_encoding_declared")
    return replace(decoded, encoding=used, flags=flags)


def _same_family(known: str, used: str) -> bool:
    """Whether one is the other with the order of its bytes named: ``utf-16`` and ``utf-16-le``."""
    return known.startswith(("utf-16", "utf-32")) and used.startswith(known)
