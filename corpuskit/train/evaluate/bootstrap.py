"""How sure a figure is: intervals by bootstrap over items, and paired tests of two models on the same items.

Most figures are a ratio of sums over items (right answers over questions, nats over bytes). Items are drawn
anew with replacement, 2,000 times, by a fixed seed: the same values give the same interval. What is drawn are
items of this set; another seed of the training is another spread, which no interval of one model shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

RESAMPLES, LEVEL = 2_000, 0.95
_SEED = 20_000_003
_AT_ONCE = 2**22

Numbers = npt.NDArray[np.float64]
Drawn = npt.NDArray[np.int64]


class Interval(NamedTuple):
    """Bounds between which a figure lies in 95 of 100 samples of items."""

    low: float
    high: float


class Difference(NamedTuple):
    """How a figure of one model differs from another's on the same items.

    Attributes:
        value: the first less the second.
        interval: of that.
        p: chance of a difference as far from 0, on either side, were there none.
        items: that both were measured on.
    """

    value: float
    interval: Interval
    p: float
    items: int


def interval(values: Sequence[float], sizes: Sequence[float] | None = None) -> Interval | None:
    """Of sum(values) / sum(sizes), sizes being 1 unless given; None for fewer than 2 items.

    >>> [round(bound, 2) for bound in interval([1, 0, 1, 1, 0, 1, 1, 1, 0, 1] * 10)]
    [0.61, 0.79]
    """
    tops, bottoms = _arrays(values, sizes)
    if len(tops) < 2 or not bottoms.sum():
        return None
    return intervals({"": lambda draw: tops[draw].sum(1) / bottoms[draw].sum(1)}, len(tops))[""]


def intervals(
    figures: Mapping[str, Callable[[Drawn], Any]], items: int, resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """Of figures that are no such ratios, all on the same drawn items; nothing for no resamples.

    Args:
        figures: by name what gives one value for each line of numbers of items, (draws, items) to (draws,).
    """
    held: dict[str, list[Numbers]] = {name: [] for name in figures}
    for draw in draws(items, resamples):
        for name, figure in figures.items():
            held[name].append(np.asarray(figure(draw), np.float64))
    return {name: _bounds(np.concatenate(found)) for name, found in held.items() if found}


def paired(
    values: Sequence[float], others: Sequence[float], sizes: Sequence[float] | None = None
) -> Difference | None:
    """The paired bootstrap: both models on the same drawn items each time. None for fewer than 2 items.

    Args:
        values, others: of the two models, item by item.
        sizes: of the items, 1 unless given.
    """
    tops, bottoms = _arrays(values, sizes)
    change = tops - np.asarray(others, np.float64)
    if len(tops) < 2 or not bottoms.sum():
        return None
    drawn = np.concatenate([change[draw].sum(1) / bottoms[draw].sum(1) for draw in draws(len(tops))])
    least = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    value = float(change.sum() / bottoms.sum())
    return Difference(value, _bounds(drawn), min(1.0, 2 * (least + 1) / (RESAMPLES + 1)), len(tops))


def sign_test(right: Sequence[bool], others: Sequence[bool]) -> float:
    """Chance of so uneven a count of the items that one model alone has right, were both equally good.

    Exact, two-sided; items that both have right or wrong say nothing (McNemar's test).

    >>> sign_test([True] * 5 + [False], [False] * 5 + [False])
    0.0625
    """
    first = sum(a and not b for a, b in zip(right, others, strict=True))
    second = sum(b and not a for a, b in zip(right, others, strict=True))
    count, fewer = first + second, min(first, second)
    # By logarithms: thousands of items overflow a float.
    logs = [_log_choose(count, k) - count * math.log(2) for k in range(fewer + 1)]
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _arrays(values: Sequence[float], sizes: Sequence[float] | None) -> tuple[Numbers, Numbers]:
    tops = np.asarray(values, np.float64)
    return tops, np.ones(len(tops)) if sizes is None else np.asarray(sizes, np.float64)


def draws(items: int, resamples: int = RESAMPLES) -> Iterator[Drawn]:
    """Numbers of drawn items, (draws, items), in pieces that memory holds."""
    random, left = np.random.default_rng(_SEED), resamples
    while left:
        count = min(left, max(1, _AT_ONCE // items))
        yield random.integers(0, items, (count, items))
        left -= count


def _bounds(drawn: Numbers) -> Interval:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
