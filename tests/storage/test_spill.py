"""Sorting and grouping on disk: the same rows whatever the partitions, and no call disturbs another."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from corpuskit.storage import spill
from corpuskit.storage.spill import Keys, Lists, Ordinals, array_on_disk, grouped, sorted_rows


def rows(pairs: list[tuple[int, int]], batch: int = 7) -> Iterator[tuple[Keys, Ordinals]]:
    for first in range(0, len(pairs), batch):
        some = pairs[first : first + batch]
        yield np.array([k for k, _ in some], np.uint64), np.array([v for _, v in some], np.int64)


@pytest.mark.parametrize("partition", [4_000_000, 16, 1])
@pytest.mark.parametrize("span", [None, 2**63, 1000])
def test_rows_come_sorted_whatever_the_partitions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, partition: int, span: int | None
) -> None:
    monkeypatch.setattr(spill, "PARTITION_ROWS", partition)
    chance = random.Random(3)
    pairs = [(chance.randrange(span or 2**64), i) for i in range(100)]
    pairs += [(pairs[i][0], i - 50) for i in range(0, 100, 3)]
    chance.shuffle(pairs)
    pieces = list(sorted_rows(rows(pairs), tmp_path, len(pairs), span=span))
    found = [pair for keys, values in pieces for pair in zip(keys.tolist(), values.tolist(), strict=True)]
    assert sorted(found) == sorted(pairs)
    assert all(piece.tolist() == sorted(piece.tolist()) for piece, _ in pieces)
    assert (len(pieces) > 1) == (partition < 100)
    sets = [set(keys.tolist()) for keys, _ in pieces]
    assert not any(a & b for a, b in itertools.combinations(sets, 2))
    if span is not None:
        assert found == sorted(pairs)
    assert list(tmp_path.iterdir()) == []


def test_the_largest_key_has_a_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "PARTITION_ROWS", 1)
    found = [
        k for keys, _ in sorted_rows(rows([(9, 1), (0, 3)]), tmp_path, 3, span=10) for k in keys.tolist()
    ]
    assert found == [0, 9]


def test_small_keys_are_spread_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A barrier may number its groups instead of hashing them: no partition takes all."""
    monkeypatch.setattr(spill, "PARTITION_ROWS", 10)
    pieces = list(sorted_rows(rows([(i % 40, i) for i in range(80)]), tmp_path, 80))
    assert max(len(keys) for keys, _ in pieces) <= 10


def test_groups_have_two_members_at_least(tmp_path: Path) -> None:
    pairs = [(5, 9), (7, 1), (5, 2), (6, 4), (7, 0), (5, 3)]
    assert [group.tolist() for group in grouped(rows(pairs), tmp_path, 6)] == [[2, 3, 9], [0, 1]]


def test_no_rows(tmp_path: Path) -> None:
    assert list(sorted_rows(rows([]), tmp_path, 0)) == []
    assert list(grouped(rows([]), tmp_path, 0)) == []


def test_two_calls_may_be_under_way_in_one_folder(tmp_path: Path) -> None:
    first = grouped(rows([(1, 1), (1, 2), (2, 3), (2, 4)]), tmp_path, 4)
    assert next(first).tolist() == [1, 2]
    second = grouped(rows([(8, 5), (8, 6)]), tmp_path, 2)
    assert next(second).tolist() == [5, 6]
    assert next(first).tolist() == [3, 4]
    second.close()  # type: ignore[attr-defined]
    first.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []


def test_arrays_of_one_name_do_not_share_a_file(tmp_path: Path) -> None:
    first = array_on_disk(tmp_path, np.int64, (3,), name="x")
    first[:] = [1, 2, 3]
    second = array_on_disk(tmp_path, np.int64, (3,), name="x", fill=-1)
    assert first.tolist() == [1, 2, 3]
    assert second.tolist() == [-1, -1, -1]


def test_an_array_of_no_rows(tmp_path: Path) -> None:
    assert array_on_disk(tmp_path, np.uint32, (0, 128)).shape == (0, 128)


def test_lists_of_different_lengths(tmp_path: Path) -> None:
    lists = Lists(tmp_path, 6)
    assert lists.values().tolist() == []
    lists.release()
    lists.add(np.array([4, 1]), np.array([0, 2, 2]), np.array([7, 2**64 - 1], np.uint64))
    lists.add(np.array([0, 3]), np.array([0, 1, 4]), np.array([5, 1, 2, 3], np.uint64))
    for _ in range(2):
        found = {i: lists.values()[lists.starts[i] :][: lists.counts[i]].tolist() for i in range(6)}
        assert found == {0: [5], 1: [], 2: [], 3: [1, 2, 3], 4: [7, 2**64 - 1], 5: []}
        lists.release()
