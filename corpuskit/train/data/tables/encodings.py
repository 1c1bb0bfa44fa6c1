"""Bytes that are not UTF-8 in a file that ought to be: which, where, and what may be done about them."""

from __future__ import annotations

import codecs

from corpuskit.errors import InputError, SettingError, counted
from corpuskit.storage import streams
from corpuskit.storage.rows.text import marked, seems_binary
from corpuskit.storage.streams import BrokenStreamError, what_it_is

_SCANNED_BYTES = 2**26
_ZEROS = 0.2
"""Share of zero bytes in the first ones from which they are taken for UTF-16 without its mark."""


def known_encoding(encoding: str | None) -> str:
    """The codec's name of an encoding that was told; ``""`` for none and for UTF-8, which needs no telling.

    Raises SettingError for one that is not known.
    """
    if encoding is None:
        return ""
    try:
        name = codecs.lookup(encoding).name
        b"".decode(name)
    except LookupError as error:
        remedy = "Say utf-8, windows-1252, latin-1, utf-16, gb18030, shift_jis ..."
        raise SettingError(f"encoding {encoding!r} is not known", remedy=remedy) from error
    return "" if name in ("utf-8", "utf-8-sig", "ascii") else name


def require_text(head: bytes, name: str, encoding: str) -> None:
    """Raises InputError for a file that begins like no text: an archive, a picture, UTF-16 without a mark."""
    what, remedy = what_it_is(head)
    if what:
        raise InputError(f"{name}: it is {what}", remedy=f"{remedy}.")
    if encoding or marked(head):
        return
    if head.count(0) > _ZEROS * len(head) and len(head) > 1:
        order = "le" if head[1::2].count(0) >= head[::2].count(0) else "be"
        remedy = f"If it is UTF-16, say so: --set encoding=utf-16-{order}; else take it out."
        raise InputError(f"{name}: it has no text in UTF-8, but {head.count(0):,} zero bytes", remedy=remedy)
    if seems_binary(head):
        raise InputError(f"{name}: its bytes are control characters in large part", remedy="Take it out.")


def not_utf8(path: str, line: int, data: bytes) -> tuple[str, str]:
    """What is wrong with a line that is not UTF-8, and the remedy, by what the other lines of the file are.

    Args:
        line: its number from 1, 0 if it is not known.
        data: its bytes.
    """
    try:
        data.decode("utf-8")
        byte = "bytes that are not UTF-8"
    except UnicodeDecodeError as error:
        byte = f"byte 0x{data[error.start]:02X} at offset {error.start} is not UTF-8"
    at = f"line {line}: {byte}" if line else byte
    odd, fine = _count(path)
    if fine:
        others = (
            f"{counted(odd, 'line')} of the file are not UTF-8, {counted(fine, 'line')} with letters beyond"
        )
        return f"{at}; {others} ASCII are", "Mend the line, or leave it out: the file has two encodings."
    guess = "windows-1252 if it is Western European"
    remedy = f"Say its encoding (--set encoding=..., {guess}), or convert it: iconv -f WINDOWS-1252 -t UTF-8"
    return f"{at}, nor is any of the {counted(odd, 'line')} with letters beyond ASCII", remedy


def _count(path: str) -> tuple[int, int]:
    """Lines with bytes beyond ASCII that are not UTF-8, and such lines that are, in the first 64 MiB."""
    odd = fine = size = 0
    tail = b""
    try:
        for chunk in streams.chunks(path):
            *lines, tail = (tail + chunk).split(b"\n")
            size += len(chunk)
            for line in lines:
                if not line.isascii():
                    good = _is_utf8(line)
                    odd, fine = odd + (not good), fine + good
            if size > _SCANNED_BYTES:
                break
    except BrokenStreamError:
        pass  # What was read before it is enough to judge by.
    if not tail.isascii():
        good = _is_utf8(tail)
        odd, fine = odd + (not good), fine + good
    return odd, fine


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
