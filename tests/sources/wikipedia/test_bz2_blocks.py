"""bzip2 by blocks: equal to the standard library's decoder, from any block on, however a file is damaged."""

from __future__ import annotations

import bz2
import io
import random
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit import _native
from corpuskit.sources.wikipedia import bzip2 as bz2_blocks
from corpuskit.sources.wikipedia.bzip2 import cuts
from corpuskit.sources.wikipedia.items import Break, Chunk, Range


def decode(data: bytes, start: int = 0, end: int = -1, blocks: int = 8) -> Iterator[Chunk | Break]:
    part = Range(start, len(data) if end < 0 else end)
    return bz2_blocks.decompress(io.BytesIO(data), len(data), part, blocks=blocks)


def whole(data: bytes, blocks: int = 8) -> bytes:
    """The decoded file; a break is an error."""
    chunks = list(decode(data, blocks=blocks))
    assert not [c for c in chunks if isinstance(c, Break)]
    return b"".join(c.data for c in chunks if isinstance(c, Chunk))


def words(count: int, seed: int = 0) -> bytes:
    """Text that compresses as text does: words of a Zipf-like choice."""
    choose = random.Random(seed)
    stock = [bytes(choose.choices(b"etaoinshrdlu", k=choose.randint(1, 9))) for _ in range(3000)]
    weights = [1 / (i + 1) for i in range(3000)]
    return b" ".join(choose.choices(stock, weights, k=count))


RUNS = b"".join(
    bytes([65 + n % 26]) * n for n in [1, 2, 3, 4, 5, 6, 7, 8, 254, 255, 256, 258, 259, 260, 1000]
)
INPUTS = {
    "nothing": b"",
    "one byte": b"a",
    "runs": RUNS,
    "runs at the end": b"x" * 3,
    "a run of four at the end": b"xyzz" + b"y" * 4,
    "every byte": bytes(range(256)) * 40,
    "one byte for long": b"\0" * 3_000_000,
    "pairs": b"ab" * 100_000,
    "noise": random.Random(1).randbytes(250_000),
    "text": words(250_000),
}


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("level", [1, 9])
def test_equals_the_standard_library(name: str, level: int) -> None:
    packed = bz2.compress(INPUTS[name], level)
    assert whole(packed) == whole(packed, blocks=3) == INPUTS[name]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=6), st.integers(1, 300)), max_size=40), st.integers(1, 9))
def test_equals_the_standard_library_on_odd_inputs(pieces: list[tuple[bytes, int]], level: int) -> None:
    data = b"".join(piece * times for piece, times in pieces)
    packed = bz2.compress(data, level) + bz2.compress(data[::-1])
    assert whole(packed) == bz2.decompress(packed)


@pytest.mark.parametrize("step", [1, 20_000, 60_000])
@pytest.mark.parametrize("count", [1, 5])
def test_ranges_hold_each_block_once(step: int, count: int) -> None:
    """A single stream is cut as well as many, and a range hands out what lies behind it when asked."""
    data = words(250_000, count)
    size = len(data) // count + 1
    packed = b"".join(bz2.compress(data[i : i + size], 3) for i in range(0, len(data), size))
    places = cuts(io.BytesIO(packed), len(packed), step)
    assert len(places) > 3
    assert all(b // step > a // step for a, b in pairwise(places))
    together = b""
    for start, end in zip(places, [*places[1:], len(packed)], strict=True):
        chunks = [c for c in decode(packed, start, end) if isinstance(c, Chunk)]
        own = b"".join(c.data for c in chunks if not c.beyond)
        behind = b"".join(c.data for c in chunks if c.beyond)
        assert data == together + own + behind
        together += own
    assert together == data


def test_streams_are_cut_at_their_heads() -> None:
    streams = [bz2.compress(words(2000, i)) for i in range(6)]
    ends = [sum(map(len, streams[:i])) for i in range(6)]
    assert cuts(io.BytesIO(b"".join(streams)), sum(map(len, streams)), 1) == ends


def test_little_is_looked_at_to_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(io.BytesIO):
        looked = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.looked += len(data)
            return data

    packed = b"".join(bz2.compress(random.Random(i).randbytes(10_000)) for i in range(300))
    monkeypatch.setattr(bz2_blocks, "WINDOW_BYTES", 4096)
    monkeypatch.setattr(bz2_blocks, "_HEAD_BYTES", 8192)
    file = Counting(packed)
    assert len(cuts(file, len(packed), 800_000)) in (4, 5)
    assert file.looked < 0.1 * len(packed)


@pytest.mark.parametrize("window", [64, 1000, 4096])
def test_blocks_are_found_wherever_the_window_ends(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = bz2.compress(words(300_000), 1)
    expected = cuts(io.BytesIO(packed), len(packed), 1)
    monkeypatch.setattr(bz2_blocks, "WINDOW_BYTES", window)
    assert cuts(io.BytesIO(packed), len(packed), 1) == expected
    assert len(expected) > 10


def blocks_of(packed: bytes) -> list[tuple[int, bytes]]:
    """First byte and text of each block."""
    texts = [c.data for c in decode(packed) if isinstance(c, Chunk)]
    return list(zip(cuts(io.BytesIO(packed), len(packed), 1), texts, strict=True))


def test_damage_costs_one_block() -> None:
    """Also in a single stream, and what is lost is the bytes from that block to the next."""
    packed = bz2.compress(words(200_000), 2)
    blocks = blocks_of(packed)
    for broken in (0, 3, len(blocks) - 1):
        bad = bytearray(packed)
        bad[blocks[broken][0] + 5000] ^= 0x10
        found = list(decode(bytes(bad)))
        texts = [c.data for c in found if isinstance(c, Chunk)]
        (gone,) = [c for c in found if isinstance(c, Break)]
        assert texts == [text for i, (_, text) in enumerate(blocks) if i != broken]
        end = blocks[broken + 1][0] if broken + 1 < len(blocks) else len(packed)
        assert (gone.offset, gone.size) == (blocks[broken][0], end - blocks[broken][0])
        assert gone.kind in ("damaged", "truncated")


def test_damage_between_streams_costs_nothing_but_itself() -> None:
    first, second = bz2.compress(b"first " * 1000), bz2.compress(b"second " * 1000)
    found = list(decode(first + b"junk" + second))
    assert [c.data[:6] for c in found if isinstance(c, Chunk)] == [b"first ", b"second"]
    (gone,) = [c for c in found if isinstance(c, Break)]
    assert (gone.kind, gone.offset, gone.size) == ("damaged", len(first), 4)


def test_every_truncation_is_told() -> None:
    first = bz2.compress(words(3000))
    packed = first + bz2.compress(words(2000, 1))
    for end in range(1, len(packed), 7):
        found = list(decode(packed[:end]))
        breaks = [c for c in found if isinstance(c, Break)]
        assert [b.kind for b in breaks] == ([] if end == len(first) else ["truncated"])
        assert all(b.offset + b.size == end for b in breaks)


TEXTS = [words(2000, i) for i in range(4)]
STREAMS = b"".join(map(bz2.compress, TEXTS))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_damage_is_taken_for_text(data: st.DataObject) -> None:
    """Whatever is changed: blocks that are handed out are blocks that were there, and the rest is told."""
    packed = bytearray(STREAMS)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(packed) - 1))
        if data.draw(st.booleans()):
            packed[at] ^= 1 << data.draw(st.integers(0, 7))
        else:
            del packed[at : at + data.draw(st.integers(1, 200))]
    found = list(decode(bytes(packed)))
    assert {c.data for c in found if isinstance(c, Chunk)} <= set(TEXTS)
    for gone in found:
        if isinstance(gone, Break):
            assert 0 <= gone.offset <= gone.offset + gone.size <= len(packed)


def test_a_magic_number_alone_is_no_block() -> None:
    magic = (0x314159265359).to_bytes(6)
    noise = random.Random(3).randbytes(200_000)
    for shift in range(8):
        shifted = (int.from_bytes(magic) << shift).to_bytes(7)
        assert _native.find_bz2_block(noise[:1000] + shifted + noise, 0) == -1
    packed = bz2.compress(b"a text" * 1000)
    assert _native.find_bz2_block(noise + packed, 0) == 8 * (len(noise) + 4)
    assert _native.find_bz2_block(noise + packed, 8 * (len(noise) + 4) + 1) == -1


def test_many_places_that_look_like_blocks_are_linear_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The beginning of a block over and over: from some time on, what was looked at is passed over."""
    bad = bz2.compress(words(20_000))[:2000] * 40
    assert len([c for c in decode(bad) if isinstance(c, Break)]) == 40
    monkeypatch.setattr(bz2_blocks, "_FAILURES", 4)
    breaks = [c for c in decode(bad) if isinstance(c, Break)]
    assert len(breaks) < 30
    assert sum(c.size for c in breaks) == len(bad)


def test_a_block_that_swells_is_handed_out_alone() -> None:
    """45 bytes can hold 45 MB: not eight of those are held at a time."""
    packed = bz2.compress(b"a" * 100_000_000)
    assert len(packed) < 500
    run = _native.Bz2Decoder().decode(packed, 0, 8 * len(packed), False, 8)
    assert len(run["bytes"]) < 64 * 2**20
    assert sum(len(c.data) for c in decode(packed) if isinstance(c, Chunk)) == 100_000_000
