"""The permutation is a bijection for every size, depends on its key, and its two look-ups agree."""

import numpy as np
import pytest

from corpuskit.shards.permutation import Permutation


def test_bijective_for_every_small_size() -> None:
    for size in range(1, 2001):
        assert sorted(Permutation(size, 7, size).take(np.arange(size)).tolist()) == list(range(size)), size


def test_bijective_on_a_trillion_by_sampling() -> None:
    size = 10**12
    permutation = Permutation(size, 42, 3)
    sample = np.unique(np.random.default_rng(0).integers(0, size, 200_000))
    values = permutation.take(sample)
    assert values.min() >= 0
    assert values.max() < size
    assert len(np.unique(values)) == len(sample)
    # Values spread evenly: each tenth of the range gets its share within 5 standard deviations.
    shares = np.bincount(values // (size // 10), minlength=10)
    assert np.abs(shares - len(sample) / 10).max() < 5 * (len(sample) * 0.09) ** 0.5


@pytest.mark.parametrize("size", [1, 2, 3, 17, 1000, 65_537, 2**40 + 1, 2**62])
def test_scalar_and_array_look_ups_agree(size: int) -> None:
    permutation = Permutation(size, 5)
    indices = np.array(sorted({(size - 1) * step // 49 for step in range(50)}))
    assert permutation.take(indices).tolist() == [permutation[int(index)] for index in indices]


def test_key_and_size_change_the_order() -> None:
    orders = {
        tuple(Permutation(100, *key).take(np.arange(100)).tolist()) for key in [(0, 0), (0, 1), (1, 0), (1,)]
    }
    assert len(orders) == 4


def test_order_is_fixed_across_versions() -> None:
    """Training runs are resumed by this order: a change of these numbers breaks every checkpoint."""
    assert Permutation(10, 1337, 0).take(np.arange(10)).tolist() == [
        Permutation(10, 1337, 0)[i] for i in range(10)
    ]
    assert Permutation(10, 1337, 0).take(np.arange(10)).tolist() == GOLDEN


def test_no_visible_order() -> None:
    """Neighbours are not kept together: the correlation of value and index is that of a random order."""
    size = 10_000
    values = Permutation(size, 3).take(np.arange(size))
    assert abs(np.corrcoef(np.arange(size), values)[0, 1]) < 5 / size**0.5
    assert np.mean(np.abs(np.diff(values)) == 1) < 0.002
    assert np.mean(values == np.arange(size)) < 0.002


def test_outside_is_an_error() -> None:
    with pytest.raises(ValueError, match="not 0"):
        Permutation(0, 1)
    with pytest.raises(IndexError, match="index 5 lies outside range\\(5\\)"):
        Permutation(5, 1)[5]
    with pytest.raises(IndexError, match=r"-1\.\.2"):
        Permutation(5, 1).take(np.array([-1, 2]))


GOLDEN = [3, 0, 6, 7, 8, 9, 1, 5, 2, 4]
