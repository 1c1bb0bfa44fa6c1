"""Whole text files as rows, and the lines of files of rows, whatever encoding they are in."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator

from corpuskit.storage import streams
from corpuskit.storage.rows.row import (
    Damage,
    Decode,
    Decoded,
    Row,
    Rows,
    Wanted,
    broken_stream,
    excerpt,
    not_utf8,
    too_large,
)
from corpuskit.storage.streams import BrokenStreamError, chunks, compression, what_it_is

_CONTROLS = bytes({*range(9), *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F})
_MAX_CONTROLS = 0.01
"""Share of control characters of ASCII from which bytes are no text in UTF-8, although they may be valid:
UTF-16 of Cyrillic is, without its mark. Tabs, line ends, form feeds and escape sequences do not count."""
_ASCII = re.compile(rb"[\t\n\r -~]{16}")
"""What begins so is no UTF-16 or UTF-32: every other byte of the names that a table begins with would be
none of these."""
_HEAD_BYTES = 2**16
_SAMPLE_BYTES, _SAMPLED_BYTES = 2**18, 2**26
"""Bytes of lines that are not ASCII by which an encoding is judged, and of the file that is read for them."""

# UTF-32 before UTF-16: the mark of the one begins with that of the other.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
BOM = codecs.BOM_UTF8


def seems_binary(data: bytes) -> bool:
    """Whether the beginning of some bytes has more control characters than text has."""
    head = data[:_HEAD_BYTES]
    return len(head) - len(head.translate(None, _CONTROLS)) > _MAX_CONTROLS * len(head)


def marked(data: bytes) -> str:
    """The encoding that a byte order mark of UTF-16 or UTF-32 names; ``""`` without one."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), "")


def decode_marked(data: bytes) -> Decoded | None:
    """Decode UTF-16 and UTF-32 with their marks: what is done without a better `Decode`."""
    name = marked(data)
    try:
        return Decoded(data.decode(name), name) if name else None
    except UnicodeDecodeError:
        return None


def read_text(path: str, name: str, wanted: Wanted) -> Rows:
    """A whole file as one row; its title is the file's name."""
    held, size = [], 0
    try:
        for chunk in chunks(path):
            size += len(chunk)
            if size <= streams.MAX_ROW_BYTES:
                held.append(chunk)
    except BrokenStreamError as error:
        yield Damage(0, error.kind, broken_stream(name, error), size, excerpt(b"".join(held[:1])))
        return
    if size > streams.MAX_ROW_BYTES:
        error_text = too_large(
            name, size, streams.MAX_ROW_BYTES, "Split it into documents, or into JSON lines."
        )
        yield Damage(0, "too_large", error_text, size, excerpt(b"".join(held[:1])))
        return
    data = b"".join(held)
    values = {"title": _stem(name)}
    if not seems_binary(data):
        try:
            yield Row(0, {wanted.text: data.decode("utf-8-sig"), **values}, size)
            return
        except UnicodeDecodeError:
            pass
    what, remedy = what_it_is(data)
    decoded = None if what else (wanted.decode or decode_marked)(data)
    if decoded is None:
        yield _no_text(name, data, f"it is {what}. {remedy}." if what else "")
        return
    yield Row(0, {wanted.text: decoded.text, **values}, size, decoded=decoded._replace(text=""))


def _no_text(name: str, data: bytes, known: str) -> Damage:
    if known or (seems_binary(data) and not marked(data)):
        why = known or "its bytes are control characters in large part. Convert it, or take it out."
        return Damage(0, "not_text", f"{name}: not text: {why}", len(data), excerpt(data))
    return Damage(0, "invalid_utf8", not_utf8(name, data), len(data), excerpt(data))


def _stem(name: str) -> str:
    """The file's name without folders, compression and type: the title of a text file."""
    base = name.rsplit("/", 1)[-1]
    return os.path.splitext(base.removesuffix(compression(base)))[0]


# -------------------------------------------------------------------------------------------------- lines
Line = tuple[bytes, int]
"""A line without its end, and its bytes; of one beyond `MAX_ROW_BYTES` the first bytes alone."""


class Lines:
    """The lines of a file as UTF-8, cut at LF alone.

    UTF-16 and UTF-32 are told by the beginning of the file and decoded as they come. A line in another
    encoding is decoded by `decode`, which goes by all such lines of the file.

    Args:
        least: bytes beyond ASCII that must be there for the lines to be decoded; fewer may be damage.
        encoding: that of all of the file, where it was told.
    """

    def __init__(self, path: str, decode: Decode | None, least: int, encoding: str = "") -> None:
        self._path, self._decode, self._least = path, decode, least
        self._wide = self._told = encoding
        self._odd: Decoded | None = None
        self._asked = False

    def __iter__(self) -> Iterator[Line]:
        """Yield the lines; when the stream breaks off, what stands after the last line end comes first.

        Raises:
            BrokenStreamError: the stream breaks off, or is not in the encoding in which it begins.
        """
        for data, size in self.runs():
            if size > streams.MAX_ROW_BYTES:
                yield data, size
            else:
                yield from ((line, len(line)) for line in data.removesuffix(b"\n").split(b"\n"))

    def runs(self) -> Iterator[Line]:
        """Yield as many lines together as come at a time, each with its LF; a last one may have none.

        Of one that is larger than `MAX_ROW_BYTES` the beginning comes, without its LF, and its size. What
        stands behind the last LF when the stream breaks off comes, too, also if it is nothing.
        """
        held: list[bytes] = []
        size = 0
        try:
            for chunk in self.utf8():
                end = chunk.rfind(b"\n") + 1
                if end and size + end <= streams.MAX_ROW_BYTES:
                    yield b"".join([*held, chunk[:end]]), size + end
                    held, size = [], 0
                elif end:  # One of them may be too long.
                    for line in chunk[: end - 1].split(b"\n"):
                        yield _line([*held, line], size + len(line), b"\n")
                        held, size = [], 0
                if tail := chunk[end:]:
                    size += len(tail)
                    # Of a line that is too long the first piece is kept, for the excerpt: memory is bounded.
                    held = [*(held[:1] if size > streams.MAX_ROW_BYTES else held), tail]
        except BrokenStreamError:
            yield _line(held, size)
            raise
        if size:
            yield _line(held, size)

    def decode(self, line: bytes) -> tuple[str, Decoded | None] | None:
        """The text of a line, and how it was decoded if it is not UTF-8; None if nothing reads it."""
        try:
            return line.decode("utf-8"), self.wide
        except UnicodeDecodeError:
            if self._decode is None or self._wide:
                return None
        if self.judge(line) is None or self._odd is None:
            return None
        if "mixed_encodings" in self._odd.flags:
            found = self._decode(line)
            return found and (found.text, Decoded("", found.encoding, self._odd.flags))
        try:
            return line.decode(self._odd.encoding), self._odd
        except UnicodeDecodeError:
            return None

    @property
    def wide(self) -> Decoded | None:
        """The UTF-16 or UTF-32 in which all of the file is; None for other files."""
        return Decoded("", self._wide) if self._wide else None

    def utf8(self) -> Iterator[bytes]:
        """The chunks of the file, as UTF-8 if they are UTF-16 or UTF-32."""
        pieces = chunks(self._path, streams.CHUNK_BYTES)
        first = next(pieces, b"")
        self._wide = self._told or marked(first)
        if not self._wide and self._decode and seems_binary(first) and not _ASCII.match(first):
            found = self._decode(first[: len(first) // 4 * 4])
            self._wide = found.encoding if found and found.encoding.startswith("utf-") else ""
        if not self._wide:
            yield first
            yield from pieces
            return
        decoder = codecs.getincrementaldecoder(self._wide)()
        try:
            yield decoder.decode(first).encode("utf-8")
            for piece in pieces:
                yield decoder.decode(piece).encode("utf-8")
            yield decoder.decode(b"", final=True).encode("utf-8")
        except UnicodeDecodeError as error:
            remedy = f"Convert it: iconv -f {self._wide} -t UTF-8"
            raise BrokenStreamError("undecodable", f"{self._wide}: {error.reason}", remedy) from error

    def judge(self, line: bytes) -> Decoded | None:
        """How what is not UTF-8 is decoded, by the lines that are not ASCII and ``line``; asked once."""
        if not self._asked:
            self._asked = True
            self._odd = self._found(line) if self._decode and not self._wide else None
        return self._odd

    def _found(self, line: bytes) -> Decoded | None:
        assert self._decode is not None
        sample, size, left = [line], len(line), _SAMPLED_BYTES
        try:
            for chunk in chunks(self._path):
                odd = [piece for piece in chunk.split(b"\n") if not piece.isascii() and piece != line]
                sample += odd
                size += sum(map(len, odd))
                left -= len(chunk)
                if size > _SAMPLE_BYTES or left < 0:
                    break
        except BrokenStreamError:
            pass  # what was read before it is enough
        data = b"\n".join(sample)
        if sum(byte >= 0x80 for byte in data) < self._least:
            return None
        found = self._decode(data)
        return found and found._replace(text="")


def _line(held: list[bytes], size: int, end: bytes = b"") -> Line:
    if size > streams.MAX_ROW_BYTES:
        return held[0][: streams.EXCERPT_BYTES], size
    return b"".join([*held, end]), size
