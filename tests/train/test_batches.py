"""Batches are made ready ahead: which is asked for is given, and errors arrive where it is asked for."""

import contextlib
from pathlib import Path

import pytest
import torch

from corpuskit.errors import ShardError
from corpuskit.shards.batches import Batches
from corpuskit.shards.reader import Shards
from corpuskit.train.device import Feed


def test_a_feed_gives_the_batch_that_is_asked_for(run: Path) -> None:
    shards = Shards(run / "shards")
    batches = Batches(shards.split("train"), 17, 16, 4, 7, shards.vocab_size)

    def batch(step: int) -> dict[str, torch.Tensor]:
        return {"ids": torch.from_numpy(batches.read(batches.samples(step, range(4))))}

    with contextlib.closing(Feed(batch, torch.device("cpu"))) as feed:
        for step in (0, 1, 2, 7, 3, 4):
            assert torch.equal(feed.take(step)["ids"], batch(step)["ids"])


def test_a_feed_passes_errors_on() -> None:
    def broken(step: int) -> dict[str, torch.Tensor]:
        if step == 1:
            raise ShardError("the shard is gone")
        return {}

    with contextlib.closing(Feed(broken, torch.device("cpu"))) as feed:
        feed.take(0)
        with pytest.raises(ShardError, match="gone"):
            feed.take(1)
