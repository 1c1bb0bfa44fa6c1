"""Batch s is a function of (shards, settings, seed, s): every row once an epoch, from changing offsets."""

import contextlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from corpuskit.errors import SettingError, ShardError
from corpuskit.shards.reader import Shards
from corpuskit.train.data.batches import Batches, dropout_seed, spread_rows
from corpuskit.train.device import Feed


@pytest.fixture
def batches(run: Path) -> Batches:
    shards = Shards(run / "shards")
    return make(shards, 4)


def make(shards: Shards, batch_rows: int, seed: int = 7, context: int = 16) -> Batches:
    return Batches(shards.split("train"), context + 1, context, batch_rows, seed, shards.vocab_size)


def batch(batches: Batches, step: int) -> npt.NDArray[np.int64]:
    return batches.read(batches.samples(step, range(batches.batch_rows)))


def starts(batches: Batches, step: int) -> list[int]:
    return batches.starts(batches.samples(step, range(batches.batch_rows)))


def test_batches_do_not_depend_on_what_was_read_before(run: Path, batches: Batches) -> None:
    again = make(Shards(run / "shards"), 4)
    in_order = [batch(batches, step) for step in range(30)]
    for step in (29, 3, 3, 17):
        assert np.array_equal(batch(again, step), in_order[step])


@pytest.mark.parametrize("world", [1, 2, 4])
def test_all_processes_together_read_the_batch(batches: Batches, world: int) -> None:
    share = batches.batch_rows // world
    parts = [batches.samples(5, range(rank * share, (rank + 1) * share)) for rank in range(world)]
    assert np.array_equal(np.concatenate([batches.read(part) for part in parts]), batch(batches, 5))


def test_rows_are_the_tokens_at_their_starts(batches: Batches) -> None:
    line = batches.line.read(0, batches.line.tokens)
    for step in (0, 1, 50):
        for row, start in zip(batch(batches, step), starts(batches, step), strict=True):
            assert np.array_equal(row, line[start : start + 17])


def test_an_epoch_reads_each_row_once(batches: Batches) -> None:
    rows = batches.rows_per_epoch
    offsets = set()
    for epoch in range(4):
        found = sorted(batches.starts(range(epoch * rows, (epoch + 1) * rows)))
        assert [start - found[0] for start in found] == [16 * row for row in range(rows)]
        assert found[-1] + 17 <= batches.line.tokens
        offsets.add(found[0])
    assert len(offsets) > 1


def test_seed_and_epoch_change_the_order(run: Path, batches: Batches) -> None:
    assert starts(batches, 0) != starts(make(Shards(run / "shards"), 4, seed=8), 0)
    rows = batches.rows_per_epoch
    first, second = (batches.starts(range(epoch * rows, (epoch + 1) * rows)) for epoch in (0, 1))
    assert np.argsort(first).tolist() != np.argsort(second).tolist()


@pytest.mark.parametrize("spare", range(20))
@pytest.mark.parametrize("overlap", [0, 1])
def test_short_splits_give_rows_that_fit(batches: Batches, spare: int, overlap: int) -> None:
    split = batches.line
    length = split.tokens - spare
    few = Batches(split, length, length - overlap, 2, 7, batches.vocab_size)
    assert few.rows_per_epoch == 1
    for step in range(5):
        assert batch(few, step).shape == (2, length)
        assert few.tokens_left_out == spare


def test_a_row_longer_than_the_split_is_an_error(batches: Batches) -> None:
    length = batches.line.tokens + 1
    with pytest.raises(SettingError, match=f"needs {length}"):
        Batches(batches.line, length, length, 2, 7, batches.vocab_size)


def test_ids_outside_the_vocabulary_are_named(batches: Batches) -> None:
    wrong = Batches(batches.line, 17, 16, 4, 7, vocab_size=5)
    with pytest.raises(ShardError, match=r"split 'train' holds id .* vocab_size 5"):
        batch(wrong, 0)


def test_a_feed_gives_the_batch_that_is_asked_for(batches: Batches) -> None:
    feed = Feed(lambda step: {"ids": torch.from_numpy(batch(batches, step))}, torch.device("cpu"))
    with contextlib.closing(feed):
        for step in (0, 1, 2, 7, 3, 4):
            assert np.array_equal(feed.take(step)["ids"].numpy(), batch(batches, step))


def test_a_feed_passes_errors_on(batches: Batches) -> None:
    def broken(step: int) -> dict[str, torch.Tensor]:
        if step == 1:
            raise ShardError("the shard is gone")
        return {}

    with contextlib.closing(Feed(broken, torch.device("cpu"))) as feed:
        feed.take(0)
        with pytest.raises(ShardError, match="gone"):
            feed.take(1)


def test_rows_to_measure_on_are_fixed_and_spread(run: Path) -> None:
    shards = Shards(run / "shards")
    split = shards.split("validation")
    everything = spread_rows(split, 17, 16, 10**9, shards.vocab_size)
    assert np.array_equal(everything[:, :-1].ravel(), split.read(0, len(everything) * 16))
    assert len(everything) == (split.tokens - 1) // 16
    few = spread_rows(split, 17, 16, 64, shards.vocab_size)
    assert few.shape == (4, 17)
    chosen = [len(everything) * number // 4 for number in range(4)]
    assert np.array_equal(few, everything[chosen])
    assert spread_rows(split, split.tokens + 5, 64, 64, shards.vocab_size).shape == (1, split.tokens)


def test_dropout_seeds_differ() -> None:
    seeds = {dropout_seed(seed, step, micro) for seed in (0, 1) for step in range(50) for micro in range(4)}
    assert len(seeds) == 400
    assert max(seeds) < 2**63
