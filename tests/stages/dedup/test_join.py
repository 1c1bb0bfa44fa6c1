"""Greedy deduplication by exact Jaccard similarity, held to comparing all pairs."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit import _native
from corpuskit.stages.dedup.near import fraction

BUDGET = 2**28


class Verdict(NamedTuple):
    first: list[int]
    cluster: list[int]


def jaccard(a: set[int], b: set[int]) -> Fraction:
    return Fraction(len(a & b), len(a | b))


def by_all_pairs(
    sets: Sequence[set[int]], components: Sequence[int], threshold: float, pinned: int = 0
) -> Verdict:
    """Each set in turn against all kept ones before it."""
    limit = Fraction(repr(threshold))
    first, cluster = list(range(len(sets))), list(range(len(sets)))
    kept: list[int] = []
    for x, own in enumerate(sets):
        alike = [k for k in kept if components[k] == components[x] and jaccard(own, sets[k]) >= limit]
        if not alike or x < pinned:
            kept.append(x)
            continue
        first[x] = alike[0]
        whole = {cluster[k] for k in (x, *alike)}
        cluster = [min(whole) if c in whole else c for c in cluster]
    return Verdict(first, cluster)


def by_engine(
    sets: Sequence[set[int]],
    components: Sequence[int],
    threshold: float,
    pinned: int = 0,
    budget: int = BUDGET,
) -> Verdict:
    # Spread over all bits, as hashes are; the least and the greatest too.
    spread = {token: token * 0x9E3779B97F4A7C15 % 2**64 for own in sets for token in own}
    hashes = [sorted(spread[token] for token in own) for own in sets]
    counts = np.array([len(own) for own in sets], np.int64)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    flat = np.array([h for own in hashes for h in own], np.uint64)
    pins = (np.arange(len(sets)) < pinned).astype(np.uint8)
    first, common, cluster = _native.keep_unlike(
        np.array(components, np.int64), starts, counts, pins, flat, *fraction(threshold), budget
    )
    assert common.tolist() == [len(own & sets[k]) for own, k in zip(sets, first.tolist(), strict=True)]
    return Verdict(first.tolist(), cluster.tolist())


THRESHOLDS = st.one_of(
    st.sampled_from([1.0, 0.8, 0.5, 0.1, 1 / 3, 2 / 3, 1e-9]),
    st.floats(1e-6, 1).filter(lambda t: Fraction(repr(t)).denominator <= 10**9),
    st.fractions(0, 1, max_denominator=20).filter(bool).map(float),
)
SETS = st.lists(st.sets(st.integers(0, 24), min_size=1, max_size=20), min_size=1, max_size=24)


@settings(max_examples=400)
@given(SETS, THRESHOLDS, st.sampled_from([1, 2000, BUDGET]), st.integers(0, 3))
def test_small_sets_are_judged_as_by_all_pairs(
    sets: list[set[int]], threshold: float, budget: int, pinned: int
) -> None:
    threshold = fraction(threshold)[0] / fraction(threshold)[1]
    if Fraction(*fraction(threshold)) != Fraction(repr(threshold)):
        return  # of more places than count
    one = [0] * len(sets)
    assert by_engine(sets, one, threshold, pinned, budget) == by_all_pairs(sets, one, threshold, pinned)


@settings(max_examples=60)
@given(st.integers(0, 2**32), THRESHOLDS, st.sampled_from([1, 3000, BUDGET]))
def test_variants_of_templates_are_judged_as_by_all_pairs(seed: int, threshold: float, budget: int) -> None:
    """Sets of all sizes that share much, where most pairs lie near the threshold."""
    chance = random.Random(seed)
    templates = [set(range(1000 * i, 1000 * i + chance.randrange(5, 60))) for i in range(3)]
    sets = []
    for n in range(60):
        base = chance.choice(templates)
        own = {t for t in base if chance.random() < 0.93}
        own |= {10**6 + 100 * n + i for i in range(chance.randrange(12))}
        own |= {chance.randrange(5000, 5040) for _ in range(chance.randrange(6))}
        sets.append(own or {7})
    components = sorted(chance.randrange(2) for _ in sets)
    if Fraction(*fraction(threshold)) == Fraction(repr(threshold)):
        expected = by_all_pairs(sets, components, threshold)
        assert by_engine(sets, components, threshold, budget=budget) == expected


def test_a_tie_with_the_threshold_counts() -> None:
    """8 of 10 are four fifths, which the nearest binary number is a little above."""
    assert by_engine([set(range(10)), set(range(8))], [0, 0], 0.8).first == [0, 0]
    assert by_engine([set(range(10)), set(range(1, 8))], [0, 0], 0.8).first == [0, 1]
    assert by_engine([set(range(3)), {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}], [0, 0], 0.3).first == [0, 0]


def test_components_are_apart() -> None:
    same = {1, 2, 3}
    assert by_engine([same] * 4, [3, 3, 9, 9], 0.5).first == [0, 0, 2, 2]


def test_pinned_sets_stay_and_others_go_for_them() -> None:
    same = {1, 2, 3}
    assert by_engine([same] * 4, [0] * 4, 0.5, pinned=2) == Verdict([0, 1, 0, 0], [0, 0, 0, 0])


def test_threshold_as_a_fraction() -> None:
    assert fraction(0.8) == (4, 5)
    assert fraction(0.123456789) == (123456789, 10**9)
    assert fraction(0.1234567891) == (123456790, 10**9), "more places are rounded up"
    assert fraction(5e-324) == (1, 10**9)


def template(count: int, shared: int, own: int, *, varied: int = 0) -> list[set[int]]:
    chance = random.Random(3)
    pages, following = [], 10**6
    for _ in range(count):
        more = own + chance.randrange(varied + 1)
        pages.append({*range(shared), *range(following, following + more)})
        following += more
    return pages


@pytest.mark.parametrize(
    ("shared", "own", "varied"), [(156, 30, 0), (156, 20, 0), (20, 150, 0), (156, 10, 60)]
)
def test_pages_of_one_template_cost_no_comparison_of_each_with_each(
    shared: int, own: int, varied: int
) -> None:
    """Twice as many pages take about twice as long, also where their shares differ."""
    spent = []
    for count in (4000, 16_000):
        pages = template(count, shared, own, varied=varied)
        started = time.process_time()
        by_engine(pages, [0] * count, 0.8)
        spent.append(time.process_time() - started)
    assert spent[1] < 10 * spent[0] + 0.5


def test_wrong_calls_are_named() -> None:
    one = np.zeros(1, np.int64)
    pins, hashes = np.zeros(1, np.uint8), np.zeros(3, np.uint64)
    with pytest.raises(ValueError, match="sets must lie within the hashes"):
        _native.keep_unlike(one, one, one + 4, pins, hashes, 1, 2, BUDGET)
    with pytest.raises(ValueError, match="a set is empty"):
        _native.keep_unlike(one, one, one, pins, hashes, 1, 2, BUDGET)
    with pytest.raises(ValueError, match="the threshold must be above 0"):
        _native.keep_unlike(one, one, one + 1, pins, hashes, 3, 2, BUDGET)
    with pytest.raises(ValueError, match="as many starts"):
        _native.keep_unlike(one, np.zeros(2, np.int64), one, pins, hashes, 1, 2, BUDGET)
