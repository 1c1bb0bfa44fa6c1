"""What a model is trained on: the one interface between the loop and everything that can be learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from corpuskit.shards import Split
from corpuskit.train.data import Batches, evaluation_key, objective_key, spread_rows, spread_starts
from corpuskit.train.mixture import Mixture
from corpuskit.train.model import IGNORED, Ends, Transformer, ends_of
from corpuskit.train.objectives import LEAST_CONTEXT, Arrays, Causal, Masked, Objective, Spans

Tensors = dict[str, Tensor]
Inputs = Mapping[str, Any]
"""A batch where the model is: Tensors, but that documents may be told by their Ends."""


class Task(Protocol):
    """What the loop asks for. A batch is a function of the step alone, whoever makes it and when."""

    @property
    def batch_rows(self) -> int:
        """Rows of a batch, over all processes."""
        ...

    @property
    def tokens_per_step(self) -> int:
        """Tokens of the corpus that a batch reads."""
        ...

    def batch(self, step: int, rows: range) -> Tensors:
        """These rows of batch `step`: tensors on the CPU whose first dimension counts them."""
        ...

    def loss(self, model: Transformer, batch: Inputs) -> Tensor:
        """Sum of the losses of the batch's targets, a float32 scalar."""
        ...

    def count(self, batch: Tensors) -> int:
        """Targets of a batch, by which its loss is divided."""
        ...

    def describe(self, step: int) -> str:
        """Where batch `step` comes from, for a message about it."""
        ...


@dataclass(frozen=True)
class Pretraining:
    """Learning from the shards of a split, by one of the three objectives."""

    split: Split
    batches: Batches | Mixture
    objective: Causal | Masked | Spans

    @property
    def batch_rows(self) -> int:
        """B."""
        return self.batches.batch_rows

    @property
    def tokens_per_step(self) -> int:
        """Tokens of the split that a batch reads for the first time in its epoch."""
        return self.batches.batch_rows * self.batches.stride

    def batch(self, step: int, rows: range) -> Tensors:
        """Arguments of `Transformer.loss`, see `corpuskit.train.objectives`."""
        samples = self.batches.samples(step, rows)
        keys = [objective_key(self.batches.seed, sample) for sample in samples]
        return as_tensors(self.objective.arrays(self.batches.read(samples), keys))

    def epochs(self, steps: int) -> float:
        """How often so many steps read a token that they read; of sources read unequally often, the mean."""
        if isinstance(self.batches, Mixture):
            return self.batches.mean_epochs(steps * self.batch_rows)
        return steps * self.tokens_per_step / self.split.tokens

    def loss(self, model: Transformer, batch: Inputs) -> Tensor:
        """Sum of -log p(target)."""
        return model.loss(**batch)

    def count(self, batch: Tensors) -> int:
        """Targets that are not IGNORED."""
        return int((batch["targets"] != IGNORED).sum())

    def describe(self, step: int) -> str:
        """The documents that the batch's rows begin in, and where the first stands."""
        starts = self.batches.starts(self.batches.samples(step, range(self.batch_rows)))
        split = self.split
        numbers = sorted({split.sequence_at(start) for start in starts})
        shard, offset = split.locate(starts[0])
        return (
            f"rows that begin in the documents {', '.join(map(str, numbers))} of the split {split.name!r}, "
            f"the first at token {offset} of {shard}"
        )


def validation(split: Split, objective: Objective, max_tokens: int, vocab_size: int) -> Tensors:
    """A fixed batch of a split to measure on, masked alike in all runs; empty when the split is too short."""
    if isinstance(objective, Causal):
        objective = replace(objective, goldfish=0)
    if not validation_rows(split, objective, max_tokens):
        return {}
    rows = spread_rows(split, objective.row_tokens, objective.stride, max_tokens, vocab_size)
    return as_tensors(objective.arrays(rows, [evaluation_key(row) for row in range(len(rows))]))


def validation_rows(split: Split, objective: Objective, max_tokens: int) -> int:
    """Rows of the batch of `validation`."""
    if split.tokens < 2:
        return 0
    length = min(objective.row_tokens, split.tokens)
    if isinstance(objective, Spans) and length < LEAST_CONTEXT:
        return 0
    return len(spread_starts(split.tokens, length, objective.stride, max_tokens))


def micro_batches(batch: Tensors, rows: int | None) -> list[Tensors]:
    """A batch in parts of so many rows; whole without a number."""
    whole = len(next(iter(batch.values())))
    starts = range(0, whole, rows or whole)
    return [{name: tensor[i : i + (rows or whole)] for name, tensor in batch.items()} for i in starts]


def on_device(batch: Tensors, device: torch.device, *, by_ends: bool = False) -> Inputs:
    """A batch on a device; its documents by their ends, if so wanted, for which nothing waits."""
    if not by_ends or "documents" not in batch:
        return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
    rest = {name: tensor for name, tensor in batch.items() if name != "documents"}
    ends, longest = ends_of(batch["documents"])
    if device.type == "cuda":
        ends = ends.pin_memory()
    return {
        **on_device(rest, device),
        "documents": Ends(ends.to(device, non_blocking=True), longest),
    }


def as_tensors(arrays: Arrays) -> Tensors:
    """Arrays as tensors of their own memory."""
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
