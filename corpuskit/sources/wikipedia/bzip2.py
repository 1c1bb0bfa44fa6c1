"""bzip2 by blocks: any .bz2, of one stream or many, is cut into ranges of blocks and read from any of them.

A bzip2 file is a sequence of blocks of up to 900,000 bytes that can be decoded one without the other. Each
begins with a magic number, at any bit. A block belongs to the range of bytes in which it begins, so that
ranges need neither an index nor streams of their own. The native engine finds and decodes the blocks.

A block that is damaged costs itself alone: it is reported with the bytes up to the next one, which is found
by its magic number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from corpuskit import _native
from corpuskit.sources.wikipedia.items import Break, Chunk, Range

WINDOW_BYTES = 2**20
"""Compressed bytes that are searched for a block at a time."""

RUN_BLOCKS = 8
"""Blocks that are decoded together. Their tables take 40 MB, and their texts 7 MB."""

_HEAD_BYTES = 48 * 2**10
"""A block's magic number and codes take less: to judge one, as much must follow."""

_BLOCK_BYTES = 3 * 2**20
"""A block takes less, however badly it is coded: 18,002 groups of 50 codes of 20 bits."""

_FAILURES = 64
"""Places in a row that look like a block and are none, after which what they span is passed over."""

_STREAM_HEAD = tuple(b"BZh%d" % level for level in range(1, 10))
_END_MARK = 0x177245385090
_ENOUGH, _INPUT, _END, _DAMAGED = range(4)


class _Window:
    """A piece of a file that moves along with who reads it.

    Attributes:
        data: the bytes at hand.
        base: where they begin in the file.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size
        self.data, self.base = b"", 0

    @property
    def end(self) -> int:
        """Where the bytes at hand end in the file."""
        return self.base + len(self.data)

    @property
    def ended(self) -> bool:
        """Whether the file ends as a stream does: end mark, checksum, zero bits up to a whole byte."""
        # The mark has 48 bits, the checksum 32, the padding up to 7: they lie within the last 11 bytes.
        self._file.seek(max(0, self.size - 11))
        last = int.from_bytes(self._file.read(11))
        return any(last >> (32 + pad) & (1 << 48) - 1 == _END_MARK for pad in range(8))

    def move(self, start: int, length: int) -> None:
        """Hold the bytes from ``start`` on: ``length`` of them, or all there are."""
        kept = self.data[start - self.base :] if self.base <= start < self.end else b""
        if len(kept) < length:
            self._file.seek(start + len(kept))
            kept += self._file.read(length - len(kept))
        self.data, self.base = kept, start

    def find(self, bit: int) -> int:
        """The bit of the file at which the next block from ``bit`` on begins; -1 if there is none."""
        start = bit // 8
        while start < self.size:
            self.move(start, WINDOW_BYTES + _HEAD_BYTES)
            found = _native.find_bz2_block(self.data, max(0, bit - 8 * start))
            whole = self.end >= self.size
            if found >= 0 and (whole or found < 8 * WINDOW_BYTES):
                return 8 * start + found
            if whole:
                return -1
            start += WINDOW_BYTES
        return -1

    def edge(self, bit: int) -> int:
        """The byte in which a block begins, or the head of its stream if the block is the first in it."""
        byte = bit // 8
        if bit % 8 == 0 and byte >= 4:
            self._file.seek(byte - 4)
            if self._file.read(4) in _STREAM_HEAD:
                return byte - 4
        return byte


def cuts(file: BinaryIO, size: int, step: int) -> list[int]:
    """Where a file is cut: before the first block from each multiple of ``step`` bytes on. Begins with 0.

    Only as much is looked at as lies between such a place and the next block.
    """
    window = _Window(file, size)
    found, target = [0], step
    while target < size and (bit := window.find(8 * target)) >= 0:
        edge = window.edge(bit)
        if edge > found[-1]:
            found.append(edge)
        target = (bit // 8 // step + 1) * step
    return found


def decompress(
    file: BinaryIO, size: int, piece: Range, *, blocks: int = RUN_BLOCKS
) -> Iterator[Chunk | Break]:
    """Decompress the blocks of a range and, for as long as the caller asks, those behind it.

    Args:
        size: of the file.
        blocks: how many are taken together.
    """
    window = _Window(file, size)
    decoder = _native.Bz2Decoder()
    in_stream = piece.start > 0  # a block is looked for there; a file begins with the head of a stream
    at = window.find(8 * piece.start) if in_stream else 0
    failures = 0
    while at >= 0:
        if window.base > at // 8 or window.end < min(size, at // 8 + _BLOCK_BYTES):
            # Room for a block however badly it is coded, and for eight of those that occur.
            window.move(at // 8, 2 * _BLOCK_BYTES)
        shift = 8 * window.base
        run = decoder.decode(window.data, at - shift, max(0, 8 * piece.end - shift), in_stream, blocks)
        yield from _chunks(run, shift, piece)
        at, in_stream = run["next"] + shift, run["in_stream"]
        if run["stop"] == _ENOUGH:
            failures = 0
            continue
        if window.end < size and window.end < at // 8 + _BLOCK_BYTES:
            continue  # more of the file is at hand the next time
        if run["stop"] == _END:
            return
        failures = 0 if run["starts"] else failures + 1
        broken = at
        at = window.find(max(broken + 1, run["reached"] + shift if failures > _FAILURES else 0))
        gone = _break(window, run, broken, at, piece)
        yield gone
        if gone.beyond:
            return
        in_stream = True


def _chunks(run: _native.Bz2Run, shift: int, piece: Range) -> Iterator[Chunk]:
    data, begin = run["bytes"], 0
    for start, length in zip(run["starts"], run["sizes"], strict=True):
        yield Chunk(data[begin : begin + length].tobytes(), (start + shift) // 8 >= piece.end)
        begin += length


def _break(window: _Window, run: _native.Bz2Run, bit: int, following: int, piece: Range) -> Break:
    """What is lost from ``bit`` up to the block at ``following``, or to the end of the file if that is -1."""
    offset = window.edge(bit) if run["in_stream"] else bit // 8
    end = window.size if following < 0 else window.edge(following)
    kind, error = "damaged", run["error"]
    if run["stop"] == _INPUT and following < 0 and not window.ended:
        kind, error = "truncated", "the file ends inside a compressed stream"
    elif run["stop"] == _INPUT:
        error = "the block has no end"
    return Break(kind, offset, end - offset, error, offset >= piece.end)
