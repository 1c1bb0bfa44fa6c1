"""The bytes of a shard are Megatron's, written whole or not at all."""

import dataclasses
import hashlib
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from corpuskit.errors import ShardError, StorageError
from corpuskit.shards.format import read_index, token_dtype
from corpuskit.shards.writer import ShardWriter

# Two documents of 3 and 2 tokens, put together by hand from Megatron-core's writer: header, lengths, pointers
# and a document index with one entry more than documents (whose length the header counts).
HAND_MADE_UINT16 = (
    b"MMIDIDX\x00\x00"
    + b"\x01\x00\x00\x00\x00\x00\x00\x00"
    + b"\x08"
    + b"\x02\x00\x00\x00\x00\x00\x00\x00"
    + b"\x03\x00\x00\x00\x00\x00\x00\x00"
    + b"\x03\x00\x00\x00\x02\x00\x00\x00"
    + b"\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"
    + b"\x00" * 8
    + b"\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"
)


def write(folder: Path, documents: list[list[int]], dtype: str = "uint16", name: str = "train-00000") -> None:
    with ShardWriter(folder, name, dtype) as writer:
        for document in documents:
            writer.append(np.array(document))


def test_layout_equals_the_hand_made_bytes(tmp_path: Path) -> None:
    write(tmp_path, [[5, 6, 0], [65535, 0]])
    assert (tmp_path / "train-00000.idx").read_bytes() == HAND_MADE_UINT16
    assert (tmp_path / "train-00000.bin").read_bytes() == b"\x05\x00\x06\x00\x00\x00\xff\xff\x00\x00"


def test_large_vocabulary_layout(tmp_path: Path) -> None:
    write(tmp_path, [[5, 6, 0], [70_000, 0]], "int32")
    index = (tmp_path / "train-00000.idx").read_bytes()
    assert index[17] == 4
    assert struct.unpack_from("<2q", index, 34 + 8) == (0, 12)
    assert (tmp_path / "train-00000.bin").read_bytes() == struct.pack("<5i", 5, 6, 0, 70_000, 0)


def test_record_states_what_was_written(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, "validation-00003", "uint16") as writer:
        positions = [writer.append(np.array([1, 2, 0])), writer.append(np.array([0], np.uint16))]
        shard = writer.close()
    assert positions == [0, 3]
    assert (shard.name, shard.tokens, shard.sequences) == ("validation-00003", 4, 2)
    for suffix, digest in (("bin", shard.bin_sha256), ("idx", shard.idx_sha256)):
        assert digest == hashlib.sha256((tmp_path / f"validation-00003.{suffix}").read_bytes()).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "validation-00003.bin",
        "validation-00003.idx",
    ]


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ([], "lengths run from 0"),
        ([70_000, 0], "ids run from 0 to 70000, but uint16 holds 0 to 65535"),
        ([-1, 0], "ids run from -1 to 0"),
        ([0.5], "line of integers, not float64"),
    ],
)
def test_bad_tokens_are_refused(tmp_path: Path, tokens: list[float], words: str) -> None:
    writer = ShardWriter(tmp_path, "train-00000", "uint16")
    writer.append(np.array([1, 0]))
    with pytest.raises(ShardError, match=words) as caught:
        writer.append(np.array(tokens) if tokens else np.zeros(0, np.int64))
    assert "train-00000, sequence 1" in str(caught.value)
    assert writer.close().tokens == 2


def test_abandoned_writer_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with ShardWriter(tmp_path, "a", "uint16") as writer:
            writer.append(np.array([1, 0]))
            raise KeyError("reason")

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_and_closed_writer_are_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="missing"):
        ShardWriter(tmp_path / "missing", "a", "uint16")
    with pytest.raises(ShardError, match="float32"):
        ShardWriter(tmp_path, "a", "float32")
    writer = ShardWriter(tmp_path, "a", "uint16")
    assert writer.close() == writer.close()
    with pytest.raises(ShardError, match="closed"):
        writer.append(np.array([0]))


def test_token_type_by_vocabulary() -> None:
    assert [token_dtype(size) for size in (1, 65_536, 65_537, 1 << 31)] == [
        "uint16",
        "uint16",
        "int32",
        "int32",
    ]
    with pytest.raises(ValueError, match="not 0"):
        token_dtype(0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:-1], "109 bytes|bytes, 2 sequences"),
        (lambda data: b"X" + data[1:], "no Megatron index"),
        (lambda data: data[:9] + b"\x02" + data[10:], "version 2"),
        (lambda data: data[:17] + b"\x07" + data[18:], "token type 7"),
        (lambda data: data[:18] + b"\xff" * 8 + data[26:], "sequences"),
        (lambda data: data[:34] + b"\x04" + data[35:], "pointers do not follow"),
    ],
)
def test_damaged_index_is_named(tmp_path: Path, change: object, words: str) -> None:
    assert callable(change)
    path = tmp_path / "broken.idx"
    path.write_bytes(change(HAND_MADE_UINT16))
    with pytest.raises(ShardError, match=words) as caught:
        read_index(path)
    assert str(path) in str(caught.value)


def test_many_sequences_at_a_time_are_the_same_shard(tmp_path: Path) -> None:
    lines = [np.arange(1, n % 7 + 2, dtype=np.uint16) for n in range(50)]
    with ShardWriter(tmp_path, "one", "uint16") as writer:
        for line in lines:
            writer.append(line)
        one = writer.close()
    with ShardWriter(tmp_path, "all", "uint16") as writer:
        for some in (lines[:1], lines[1:40], [], lines[40:]):
            lengths = np.array([len(line) for line in some], np.int64)
            position = writer.tokens
            assert writer.append_all(np.concatenate([np.empty(0, np.uint16), *some]), lengths) == position
        whole = writer.close()
    assert whole == dataclasses.replace(one, name="all")
    for lengths, message in (([2, 2], "3 tokens, and 4 in sequences"), ([3, 0], "lengths run from 0 to 0")):
        with (
            pytest.raises(ShardError, match=message),
            ShardWriter(tmp_path, "wrong", "uint16") as writer,
        ):
            writer.append_all(np.array([1, 2, 3], np.uint16), np.array(lengths))
    assert not (tmp_path / "wrong.bin").exists()


def test_blocks_that_are_given_are_digested_beside_the_writing(tmp_path: Path) -> None:
    blocks = [np.arange(n, n + size, dtype=np.uint16) for n, size in enumerate((100_000, 5, 40_000, 70_000))]
    with ShardWriter(tmp_path, "train-00000", "uint16") as writer:
        for block in blocks:
            writer.append_all(block, np.array([len(block)]), given=True)
        shard = writer.close()
    assert shard.bin_sha256 == hashlib.sha256(np.concatenate(blocks).tobytes()).hexdigest()
    assert (tmp_path / "train-00000.bin").read_bytes() == np.concatenate(blocks).tobytes()


def test_a_writer_that_is_left_ends_its_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    writer = ShardWriter(tmp_path, "train-00000", "uint16")
    writer.append_all(np.zeros(100_000, np.uint16), np.array([100_000]), given=True)
    writer.__exit__(RuntimeError, RuntimeError(), None)
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []
