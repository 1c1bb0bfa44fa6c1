"""Batch s is a function of (shards, settings, seed, s): every row once an epoch, from changing offsets."""

from pathlib import Path

import numpy as np
import pytest

from corpuskit.errors import ShardError
from corpuskit.shards import Shards
from corpuskit.train.data import Batches, dropout_seed, validation_rows


@pytest.fixture
def batches(run: Path) -> Batches:
    shards = Shards(run / "shards")
    return Batches(shards.split("train"), context=16, batch_rows=4, seed=7, vocab_size=shards.vocab_size)


def test_batches_do_not_depend_on_what_was_read_before(run: Path, batches: Batches) -> None:
    shards = Shards(run / "shards")
    again = Batches(shards.split("train"), 16, 4, 7, shards.vocab_size)
    in_order = [batches.batch(step) for step in range(30)]
    for step in (29, 3, 3, 17):
        assert np.array_equal(again.batch(step), in_order[step])


def test_rows_are_the_tokens_at_their_starts(batches: Batches) -> None:
    line = batches.split.read(0, batches.split.tokens)
    for step in (0, 1, 50):
        for row, start in zip(batches.batch(step), batches.starts(step), strict=True):
            assert np.array_equal(row, line[start : start + 17])


def test_an_epoch_reads_each_row_once(batches: Batches) -> None:
    rows = batches.rows_per_epoch
    single = Batches(batches.split, 16, 1, 7, batches.vocab_size)
    offsets = set()
    for epoch in range(4):
        starts = sorted(single.starts(epoch * rows + row)[0] for row in range(rows))
        assert [start - starts[0] for start in starts] == [16 * row for row in range(rows)]
        assert starts[-1] + 17 <= batches.split.tokens
        offsets.add(starts[0])
    assert len(offsets) > 1


def test_seed_and_epoch_change_the_order(batches: Batches) -> None:
    other = Batches(batches.split, 16, 4, 8, batches.vocab_size)
    assert batches.starts(0) != other.starts(0)
    single = Batches(batches.split, 16, batches.rows_per_epoch, 7, batches.vocab_size)
    assert np.argsort(single.starts(0)).tolist() != np.argsort(single.starts(1)).tolist()


@pytest.mark.parametrize("spare", range(20))
def test_short_splits_give_rows_that_fit(batches: Batches, spare: int) -> None:
    context = batches.split.tokens - 1 - spare
    few = Batches(batches.split, context, 2, 7, batches.vocab_size)
    assert few.rows_per_epoch == 1
    for step in range(5):
        assert few.batch(step).shape == (2, context + 1)


def test_ids_outside_the_vocabulary_are_named(batches: Batches) -> None:
    wrong = Batches(batches.split, 16, 4, 7, vocab_size=5)
    with pytest.raises(ShardError, match=r"split 'train' holds id .* vocab_size 5"):
        wrong.batch(0)


def test_validation_rows_are_fixed_and_spread(run: Path) -> None:
    shards = Shards(run / "shards")
    split = shards.split("validation")
    everything = validation_rows(split, 16, 10**9, shards.vocab_size)
    assert np.array_equal(everything[:, :-1].ravel(), split.read(0, len(everything) * 16))
    assert len(everything) == (split.tokens - 1) // 16
    few = validation_rows(split, 16, 64, shards.vocab_size)
    assert few.shape == (4, 17)
    chosen = [len(everything) * number // 4 for number in range(4)]
    assert np.array_equal(few, everything[chosen])
    assert validation_rows(split, split.tokens + 5, 64, shards.vocab_size).shape == (1, split.tokens)


def test_dropout_seeds_differ() -> None:
    seeds = {dropout_seed(seed, step, micro) for seed in (0, 1) for step in range(50) for micro in range(4)}
    assert len(seeds) == 400
    assert max(seeds) < 2**63
