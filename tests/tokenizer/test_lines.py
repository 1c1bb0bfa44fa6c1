"""Lines of tokens, bytes of sequences and of tokens: the engine's are those of numpy and of Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpuskit._native import joined_tokens, sequence_bytes, token_line
from corpuskit.tokenizer.cuts import runs_of
from corpuskit.tokenizer.tokenizer import Tokenizer

SIZES = st.lists(st.integers(0, 5), max_size=8)
SPELLED = [b"", b"a", b"mill", b"\xc3", b"\xa9", b"\xff\x00", b" the"]


def given_ids(sizes: list[int], rest: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    ends = np.cumsum(sizes, dtype=np.int64)
    count = int(sum(sizes)) + rest
    return (np.arange(count, dtype=np.uint32) * 7919) % len(SPELLED), ends


@given(SIZES, st.integers(0, 4), st.booleans())
def test_a_line_is_the_ids_with_ends(sizes: list[int], rest: int, wide: bool) -> None:
    ids, ends = given_ids(sizes, rest)
    line = token_line(ids, ends, 9, wide)
    assert line.dtype == (np.int32 if wide else np.uint16)
    assert line.tolist() == np.insert(ids, ends, 9).tolist()


@given(SIZES, st.integers(0, 4), st.sampled_from([np.uint8, np.uint32]))
def test_bytes_are_summed_up_by_sequence(sizes: list[int], rest: int, kind: type[np.uint8]) -> None:
    ids, ends = given_ids(sizes, rest)
    lengths = np.array([len(one) for one in SPELLED], kind)
    expected = [int(lengths[part].sum()) for part in np.split(ids, ends)]
    assert sequence_bytes(ids, ends, lengths).tolist() == expected


@given(SIZES)
def test_bytes_are_joined(sizes: list[int]) -> None:
    ids, _ = given_ids(sizes, 3)
    offsets = np.cumsum([0, *map(len, SPELLED)], dtype=np.int64)
    tokens = offsets, np.frombuffer(b"".join(SPELLED), np.uint8)
    assert joined_tokens(tokens, ids) == b"".join(SPELLED[i] for i in ids)


def test_what_is_out_of_bounds_is_refused() -> None:
    ids, lengths = np.array([5, 70_000], np.uint32), np.ones(70_000, np.uint8)
    for ends in ([3], [2, 1], [-1]):
        with pytest.raises(ValueError, match="sequence"):
            token_line(ids[:1].repeat(2), np.array(ends), 0, False)
        with pytest.raises(ValueError, match="sequence"):
            sequence_bytes(ids[:1].repeat(2), np.array(ends), lengths)
    with pytest.raises(ValueError, match="an id is too large"):
        token_line(ids, np.array([2]), 0, False)
    with pytest.raises(ValueError, match="end_of_text"):
        token_line(ids[:1], np.array([1]), 70_000, False)
    assert token_line(ids, np.array([2]), 0, True).tolist() == [5, 70_000, 0]
    with pytest.raises(ValueError, match="outside of the vocabulary"):
        sequence_bytes(ids, np.array([2]), lengths)
    line = np.zeros(4, np.uint8)
    with pytest.raises(ValueError, match="outside of the vocabulary"):
        joined_tokens((np.array([0, 4]), line), ids)
    for offsets in ([0, 5], [3, 2], [-1, 2]):
        with pytest.raises(ValueError, match="offsets"):
            joined_tokens((np.array(offsets), line), np.zeros(1, np.uint32))


def test_runs_end_at_the_limit_and_long_texts_stand_alone() -> None:
    sizes = np.array([10, 20, 30, 40_000, 0, 5, 40_000, 50_000, 7])

    def runs(limit: int, whole: int = 2**15, sizes: Any = sizes) -> list[tuple[int, int]]:
        return list(runs_of(sizes, lambda: limit, lambda: whole))

    assert runs(25) == [(0, 2), (2, 3), (3, 4), (4, 6), (6, 7), (7, 8), (8, 9)]
    assert runs(10**6) == [(0, 3), (3, 4), (4, 6), (6, 7), (7, 8), (8, 9)]
    assert runs(10**6, 45_000) == [(0, 7), (7, 8), (8, 9)]
    assert runs(25, sizes=sizes[:0]) == []
    assert runs(1, 1, sizes=np.zeros(3, np.int64)) == [(0, 3)]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_a_column_is_encoded_as_its_texts(kind: pa.DataType) -> None:
    texts = ["the mill", "", "stra\u00dfe " * 9000, "past the river", "\u6f22" * 40_000, "", "end"] * 3
    tokenizer = Tokenizer.train(["the mill past the river stra\u00dfe " * 20], 500)
    expected = [ids.tolist() for ids in tokenizer.encode(texts)]
    column = pa.array(["before", *texts], kind).slice(1)
    found, base = list[int](), 0
    ids = np.concatenate([run.ids for run in tokenizer.encode_column(column)])
    for run in tokenizer.encode_column(column):
        found += (run.ends + base).tolist()
        base += len(run.ids)
    assert [part.tolist() for part in np.split(ids, found)[:-1]] == expected
