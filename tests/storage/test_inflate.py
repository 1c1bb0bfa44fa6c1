"""The engine's deflate says what zlib says, or nothing."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpuskit import _native
from corpuskit.sources.gutenberg.archives import gunzip

WORDS = b"the end of a book is not the end of the books that it was of, nor of those to come.\n"


def deflated(data: bytes, level: int = 6, strategy: int = zlib.Z_DEFAULT_STRATEGY, window: int = 15) -> bytes:
    pack = zlib.compressobj(level, zlib.DEFLATED, -window, 8, strategy)
    return pack.compress(data) + pack.flush()


def samples() -> list[bytes]:
    source = random.Random(4)
    noise = source.randbytes(70_000)
    skewed = bytes(min(255, int(source.expovariate(0.05))) for _ in range(20_000))
    return [b"", b"a", b"x" * 100_000, WORDS * 900, noise, skewed, noise[:40] * 2000]


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED])
def test_all_kinds_of_blocks(level: int, strategy: int) -> None:
    for data in samples():
        packed = deflated(data, level, strategy, 15 if level else 9)
        assert _native.inflate(b"...." + packed + b"tail", 4, len(data)) == (data, 4 + len(packed))
        assert _native.inflate(packed, 0, len(data) + 1) is None
        assert not data or _native.inflate(packed, 0, len(data) - 1) is None


def test_damaged_data_gives_what_zlib_gives() -> None:
    source = random.Random(5)
    for _ in range(3000):
        data = (WORDS * 9)[source.randrange(80) :][: source.choice((40, 300, 700))]
        packed = bytearray(deflated(data, source.randrange(1, 10), source.choice((0, 2, 4))))
        for _ in range(source.randrange(1, 4)):
            packed[source.randrange(len(packed))] ^= 1 << source.randrange(8)
        del packed[len(packed) - source.choice((0, 0, 1, 9)) :]
        stream = zlib.decompressobj(-15)
        try:
            whole = stream.decompress(bytes(packed))
        except zlib.error:
            whole = b""
        if stream.eof:
            end = len(packed) - len(stream.unused_data)
            assert _native.inflate(bytes(packed), 0, len(whole)) == (whole, end)
        else:
            assert _native.inflate(bytes(packed), 0, len(data)) is None


@given(st.binary(max_size=60), st.integers(0, 70), st.integers(0, 300))
def test_any_bytes(data: bytes, start: int, size: int) -> None:
    found = _native.inflate(data, start, size)
    assert found is None or (len(found[0]) == size and start < found[1] <= len(data))


def test_gzip_of_one_member() -> None:
    packed = gzip.compress(WORDS)
    named = packed[:3] + b"\x08" + packed[4:10] + b"name.txt\0" + packed[10:]
    with_check = packed[:3] + b"\x02" + packed[4:10]
    with_check += (zlib.crc32(with_check) & 0xFFFF).to_bytes(2, "little") + packed[10:]
    for data in (packed, named, with_check):
        assert gunzip(data, 1000) == WORDS
    wrong = bytearray(packed)
    wrong[-5] ^= 1  # of the checksum
    refused = (b"", packed[:9], packed[:-1], packed + b"\0", packed + packed, bytes(wrong), named[:14])
    assert [gunzip(bytes(data), 1000) for data in refused] == [None] * len(refused)
    assert gunzip(packed, len(WORDS) - 1) is None
    assert gunzip(gzip.compress(b""), 10) == b""
