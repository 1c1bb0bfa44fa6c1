"""Decoding a text file whose encoding is declared in words, rightly or wrongly, or not at all.

In this order, each step only where those before it do not fit:

1. a byte order mark;
2. UTF-16 and UTF-32 without a mark, where zero bytes or control characters show that bytes are no characters;
3. ASCII, with escape sequences ISO 2022;
4. strict UTF-8: text in another encoding is practically never valid UTF-8 by chance;
5. UTF-8 and one-byte characters mixed, line by line (`corpuskit.sources.encoding.mixed`);
6. by letters (`corpuskit.sources.encoding.letters`): the declared encoding, or its maker's larger form
   (Windows-1252 for ISO 8859-1, CP949 for EUC-KR), unless another reading is clearly better; that is the one
   which chardet ranks first, or among those that it finds as likely the one whose letters fit best; where the
   letters are too few for it, the encoding of Latin script whose letters fit best.

A text whose letters fit in no reading has the flag ``doubtful_encoding``; one that nothing reads is none.

Whatever is used, a declaration that says otherwise is flagged as ``wrong_encoding_declared``.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
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

# BS is not counted, which manual pages print letters twice with, nor SO, SI and ESC, which switch ISO 2022.
_CONTROLS = bytes({*range(8), *range(0x10, 0x1A), 0x7F})
_FEW_CONTROLS, _MANY_CONTROLS, _FEW_ZEROS = 0.01, 0.1, 0.002
"""Shares of bytes: what is no ASCII, no UTF-8 and has more than few of them is no text of single bytes; what
has many is none in any case. UTF-16 in a script without spaces has a zero byte at each line end alone."""
_HEAD = 2**18
"""Bytes at the beginning in which control characters are counted."""
_STOPS = re.compile("[ \n\r\u3000-\u3002\uff01\uff0c\uff0e\uff1f]")
_STOP_EVERY = 200
"""Characters of which one at least is a space, a line end or a stop; lines of old Chinese books are long."""


def decode_text(data: bytes, declared: str = "", language: str = "") -> Decoded | None:
    """Decode ``data``; None if nothing reads it well enough.

    Args:
        declared: the encoding's name as the file states it, ``""`` if it does not.
        language: ISO 639 code of the language as the file states it, ``""`` if it does not.
    """
    known = codec_name(declared) if declared else None
    marked = (_marked(data, mark, name) for mark, name in _BOMS)
    if (decoded := next(filter(None, marked), None)) is None:
        head = data[:_HEAD]
        controls = (len(head) - len(head.translate(None, _CONTROLS))) / max(1, len(head))
        # Spaces and line ends of UTF-16 and UTF-32 hold zero bytes, as do halves of its Latin letters;
        # halves of other letters are control characters.
        if controls > _FEW_CONTROLS or (0 in data and data.count(0) > _FEW_ZEROS * len(data)):
            decoded = _wide(data, known)
        if decoded is None and controls <= _MANY_CONTROLS:
            decoded = _by_form(data, known)
        if decoded is None and controls <= _FEW_CONTROLS:
            decoded = by_letters(data, known, language)
    return None if decoded is None else _flagged(decoded, declared, known)


def _marked(data: bytes, mark: bytes, name: str) -> Decoded | None:
    text = strict(data, name) if data.startswith(mark) else None
    return None if text is None else Decoded(text.removeprefix("\ufeff"), name)


def _by_form(data: bytes, known: str | None) -> Decoded | None:
    """Steps 3 and 4: ASCII and UTF-8."""
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
    tail = re.search(rb"[\xc2-\xf4][\x80-\xbf]{0,2}\Z", data[-3:])
    text = strict(data[: len(data) - len(tail[0])], "utf-8") if tail else None
    if text is None or text.isascii():
        return None
    return Decoded(text + "\ufffd", "utf-8", ("damaged_characters",))


def _wide(data: bytes, known: str | None) -> Decoded | None:
    """UTF-16 or UTF-32 without a mark, declared or told by its bytes; None for what is neither.

    Of the two bytes of a letter of UTF-16 the higher one names its script: there are fewer of them. In
    UTF-32 both higher bytes are the same in nearly all texts. A text has spaces, line ends or full stops.
    """
    if known is not None and known.startswith(("utf-16", "utf-32")):
        named = strict(data, known)
        if named is not None and not CONTROL.search(named):
            return Decoded(named, known)
    kinds = [len(set(data[place::2])) for place in (0, 1)]
    utf_16 = ("utf-16-be", "utf-16-le") if kinds[0] < kinds[1] else ("utf-16-le", "utf-16-be")
    # UTF-32 first: as UTF-16, each of its characters is a letter and a zero.
    for name in ("utf-32-le", "utf-32-be", *utf_16):
        odd = len(data) % (4 if "32" in name else 2)
        text = strict(data[: len(data) - odd], name)
        if not text or CONTROL.search(text) or len(_STOPS.findall(text)) * _STOP_EVERY < len(text):
            continue
        if not any(unicodedata.category(char) == "Cn" for char in set(text)):
            return Decoded(text + "\ufffd" * bool(odd), name, ("damaged_characters",) * bool(odd))
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
