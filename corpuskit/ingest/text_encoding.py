"""Decoding a text file whose encoding is declared in words, rightly or wrongly, or not at all.

The order: a byte order mark; ASCII; strict UTF-8 (text in another encoding is practically never valid UTF-8
by chance); the declared encoding, if it decodes without an error and without control characters; at last
Windows-1252 or Latin-1, told apart by the bytes 0x80 to 0x9f, which are letters and quotes in the one and
control characters in the other. Nothing else is guessed: text that cannot be western European is not decoded.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x19\x1b\x7f-\x84\x86-\x9f\ufffd\ue000-\uf8ff]")
"""Characters that betray a wrong encoding: controls (NEL is a line end, FF and SUB occur), private use."""

_ODD_IN_WORD = re.compile(r"[A-Za-z][‚ƒ„†‡ˆ‰‹Œ‘“”•–—˜›¡¢¤¥¦¨ª«¬¯°±²³´µ¶¸¹º»¼½¾¿×÷][A-Za-z]")
"""Where a letter should be: what DOS and Macintosh letters look like, read as Windows-1252."""

_HIGH_BYTES = bytes(range(0x80, 0x100))
_HIGH_RUN = re.compile(rb"[\x80-\xff]{4,}")
"""Four accented letters in a row hardly occur in western Europe; other scripts are made of such runs."""

_WINDOWS = {
    "iso8859-1": "cp1252",
    "iso8859-2": "cp1250",
    "iso8859-7": "cp1253",
    "iso8859-9": "cp1254",
    "iso8859-15": "cp1252",
    "tis-620": "cp874",
}
"""What a file declared under an ISO or national standard is when it uses the bytes 0x80 to 0x9f."""

_NAMEABLE = re.compile(
    r"ascii|utf-(?:7|8|8-sig|16|16-le|16-be|32|32-le|32-be)|iso8859-\d+|cp\d+|koi8-[rtu]|kz1048|ptcp154|tis-620|"
    r"mac-[a-z0-9]+|big5|big5hkscs|gb2312|gbk|gb18030|hz|euc_(?:jp|jis_2004|jisx0213|kr)|johab|"
    r"shift_jis(?:_2004|x0213)?|iso2022_[a-z0-9_]+|hp-roman8"
)
"""Encodings of text by Python's names. A header may name no other codec, such as ``unicode_escape``."""

_ALIASES = {"uf-8": "utf-8", "ascii, with some iso-8859-1 characters": "latin-1", "big5-hkscs": "big5hkscs"}


@dataclass(frozen=True)
class Decoded:
    """A decoded text.

    Attributes:
        encoding: Python's name of the encoding that was used, ``ascii`` for text of 7 bits.
        flags: ``wrong_encoding_declared``, ``unknown_encoding_declared``, ``doubtful_encoding``.
    """

    text: str
    encoding: str
    flags: tuple[str, ...] = ()


def codec_name(declared: str) -> str | None:
    """Python's name for an encoding as people write it; None for one that is not known.

    >>> codec_name("ISO Latin-1"), codec_name("ISO-646-US (US-ASCII)"), codec_name("Windows Code Page 1252")
    ('iso8859-1', 'ascii', 'cp1252')
    """
    name = declared.strip().lower()
    bracketed = re.search(r"\(([^)]+)\)", name)
    bare = re.sub(r"\([^)]*\)", "", name).strip()
    candidates = [name, _ALIASES.get(name, ""), bare, bracketed[1] if bracketed else ""]
    candidates.append(re.sub(r"^(?:iso[ -]+)?latin[ -]*(?=\d)", "latin", bare))
    candidates.append(re.sub(r"^windows[ -]*code[ -]*page[ -]*", "cp", bare))
    candidates.append(re.sub(r"^(?:code ?page|cp)[ -]*", "cp", bare))
    for candidate in filter(None, candidates):
        try:
            # Python also lists transforms such as rot13 under its codecs; those refuse to decode.
            b"a".decode(candidate)
        except UnicodeDecodeError:
            pass  # an encoding of two or four bytes to a character: one byte is too few, the name is good
        except (LookupError, ValueError):
            continue
        name = codecs.lookup(candidate).name
        if _NAMEABLE.fullmatch(name):
            return name
    return None


def decode(data: bytes, declared: str = "") -> Decoded | None:
    """Decode ``data``; None if no encoding of the module's list reads it without leaving controls behind.

    Args:
        declared: the encoding's name as the file states it, ``""`` if it does not.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :] if name == "utf-8" else data, name, declared)
    known = codec_name(declared) if declared else None
    # UTF-16 without a mark is full of zero bytes; a stray one in a text file is left to later stages.
    if data.count(0) * 10 > len(data):
        wide = known is not None and known.startswith(("utf-16", "utf-32"))
        return _decoded(data, str(known), declared) if wide else None
    # Escape sequences and pairs of ASCII letters stand for characters in these.
    seven_bit = known is not None and known.startswith(("iso2022", "hz", "utf-7"))
    if data.isascii() and not seven_bit:
        return _decoded(data, "ascii", declared)
    unicode_text = None if seven_bit else _decoded(data, "utf-8", declared)
    if unicode_text is not None:
        return unicode_text
    if known not in (None, "ascii", "utf-8"):
        for name in filter(None, (known, _WINDOWS.get(known or ""))):
            text = _decoded(data, name, declared)
            if text is not None and not _CONTROL.search(text.text):
                return text
    return _western(data, declared)


def _western(data: bytes, declared: str) -> Decoded | None:
    """Decode as Windows-1252 or Latin-1; None for what cannot be text of western Europe."""
    high = len(data) - len(data.translate(None, _HIGH_BYTES))
    if sum(map(len, _HIGH_RUN.findall(data))) * 5 > high:
        return None
    text = _decoded(data, "cp1252" if re.search(rb"[\x80-\x9f]", data) else "latin-1", declared)
    if text is None or _CONTROL.search(text.text):
        return None
    if len(_ODD_IN_WORD.findall(text.text)) * 10 <= high:
        return text
    return Decoded(text.text, text.encoding, (*text.flags, "doubtful_encoding"))


def _decoded(data: bytes, name: str, declared: str) -> Decoded | None:
    """Decode strictly and compare with what was declared; None if the bytes do not fit."""
    try:
        text = data.decode(name)
        text.encode("utf-8")
    except UnicodeError:
        return None  # the bytes do not fit, or hold half of a surrogate pair, which UTF-7 lets through
    name = codecs.lookup(name).name
    known = codec_name(declared) if declared else None
    flags: tuple[str, ...] = ()
    if declared and known is None:
        flags = ("unknown_encoding_declared",)
    elif declared and name != "ascii" and known != name:
        # Text of 7 bits is right under every declaration that extends ASCII.
        flags = ("wrong_encoding_declared",)
    return Decoded(text, name, flags)
