"""Packing and the order of examples."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit.errors import SettingError
from corpuskit.train.data.rows import ExampleOrder, pack


def best_fit(lengths: list[int], capacity: int) -> list[list[int]]:
    """Best fit decreasing, by looking at every row."""
    rows: list[list[int]] = []
    left: list[int] = []
    for example in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        fitting = [(room, row) for row, room in enumerate(left) if room >= lengths[example]]
        if fitting:
            row = min(fitting)[1]
        else:
            row = len(rows)
            rows.append([])
            left.append(capacity)
        rows[row].append(example)
        left[row] -= lengths[example]
    return rows


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 40).flatmap(lambda c: st.tuples(st.just(c), st.lists(st.integers(1, c), max_size=60))))
def test_packing_is_best_fit(case: tuple[int, list[int]]) -> None:
    capacity, lengths = case
    rows = pack(lengths, capacity)
    assert rows == best_fit(lengths, capacity)
    assert sorted(example for row in rows for example in row) == list(range(len(lengths)))
    assert all(sum(lengths[example] for example in row) <= capacity for row in rows)


def test_many_examples_are_packed_tightly() -> None:
    lengths = np.random.default_rng(0).integers(1, 512, 20_000)
    rows = pack(lengths, 1024)
    assert len(rows) <= 1.01 * lengths.sum() / 1024


@pytest.mark.parametrize(
    ("lengths", "says"), [([3, 9], "example 1 has 9 tokens"), ([3, 0], "example 1 has 0")]
)
def test_what_fits_in_no_row_is_named(lengths: list[int], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        pack(lengths, 8)


@pytest.mark.parametrize(("examples", "batch"), [(3, 32), (7, 2), (8, 4), (1, 1)])
def test_every_epoch_visits_all_examples_once(examples: int, batch: int) -> None:
    order = ExampleOrder(examples, batch, seed=4)
    steps = order.steps_per_epoch
    assert steps == -(-examples // batch)
    for epoch in range(3):
        seen = [number for step in range(steps) for number in order.batch_at(epoch * steps + step).tolist()]
        assert sorted(seen) == list(range(examples))
        assert order.seen_before((epoch + 1) * steps) == (epoch + 1) * examples


def test_fewer_rows_than_a_batch_are_a_step() -> None:
    """Two epochs over 3 rows with batches of 32: two steps of 3 rows each, 6 in all."""
    order = ExampleOrder(examples=3, batch=32, seed=0)
    assert order.steps_per_epoch == 1
    assert [len(order.batch_at(step)) for step in range(2)] == [3, 3]


def test_the_order_follows_from_seed_and_epoch() -> None:
    def of(seed: int, epoch: int) -> tuple[int, ...]:
        order = ExampleOrder(50, 8, seed)
        first = epoch * order.steps_per_epoch
        steps = range(first, first + order.steps_per_epoch)
        return tuple(number for step in steps for number in order.batch_at(step).tolist())

    orders = [of(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert max(Counter(orders).values()) == 1
    assert of(1, 2) == orders[5]


def test_an_order_of_nothing_is_refused() -> None:
    with pytest.raises(SettingError, match="examples = 0"):
        ExampleOrder(0, 1, 0)
