"""The permutation is a bijection for every size and depends on its key."""

import numpy as np
import pytest

from corpuskit.shards.permutation import Permutation, mix64, mix64_array


def test_bijective_for_every_small_size() -> None:
    for size in (*range(1, 300), 1000, 1023, 1024, 1025):
        assert sorted(Permutation(size, 7, size)) == list(range(size)), size


def test_bijective_on_a_trillion_by_sampling() -> None:
    size = 10**12
    permutation = Permutation(size, 42, 3)
    sample = np.unique(np.random.default_rng(0).integers(0, size, 50_000))
    values = np.array([permutation[int(index)] for index in sample])
    assert values.min() >= 0
    assert values.max() < size
    assert len(np.unique(values)) == len(sample)
    # Values spread evenly: each tenth of the range gets its share within 5 standard deviations.
    shares = np.bincount(values // (size // 10), minlength=10)
    assert np.abs(shares - len(sample) / 10).max() < 5 * (len(sample) * 0.09) ** 0.5


def test_numbers_and_arrays_are_mixed_alike() -> None:
    values = [0, 1, 2, 12345, 2**32, 2**63, 2**64 - 1]
    assert mix64_array(np.array(values, np.uint64)).tolist() == [mix64(value) for value in values]


def test_key_and_size_change_the_order() -> None:
    orders = {tuple(Permutation(100, *key)) for key in [(0, 0), (0, 1), (1, 0), (1,)]}
    assert len(orders) == 4


def test_order_is_fixed_across_versions() -> None:
    """Training runs are resumed by this order: a change of these numbers breaks every checkpoint."""
    assert list(Permutation(10, 1337, 0)) == GOLDEN


def test_no_visible_order() -> None:
    """Neighbours are not kept together: the correlation of value and index is that of a random order."""
    size = 10_000
    values = np.array(list(Permutation(size, 3)))
    assert abs(np.corrcoef(np.arange(size), values)[0, 1]) < 5 / size**0.5
    assert np.mean(np.abs(np.diff(values)) == 1) < 0.002
    assert np.mean(values == np.arange(size)) < 0.002


def test_outside_is_an_error() -> None:
    with pytest.raises(ValueError, match="not 0"):
        Permutation(0, 1)
    with pytest.raises(IndexError, match="index 5 lies outside range\\(5\\)"):
        Permutation(5, 1)[5]
    with pytest.raises(IndexError, match="index -1"):
        Permutation(5, 1)[-1]


GOLDEN = [3, 0, 6, 7, 8, 9, 1, 5, 2, 4]
