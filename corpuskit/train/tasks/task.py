"""The `Task` protocol: all that setup, loop and result know of what a model is trained for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from corpuskit.train.model.transformer import Transformer

Tensors = dict[str, Tensor]
"""A batch on the CPU, its rows along the first dimension of each tensor."""

Inputs = Mapping[str, Any]
"""A batch where the model is: Tensors, but that documents may be told by their Ends."""


class Validation(NamedTuple):
    """What to measure on.

    Attributes:
        batch: fixed rows of the split; empty where there is nothing to measure on.
        by_source: the same by source, where there are several and they are known.
        share: of the split that the rows are.
    """

    batch: Tensors
    by_source: dict[str, Tensors]
    share: float = 1.0

    @property
    def rows(self) -> int:
        """Rows of the batch."""
        return len(self.batch.get("targets", ()))


class Task(Protocol):
    """What is asked of it. A batch is a function of the step alone, whoever makes it and when.

    Attributes:
        tokens: tokens that there are to learn from.
        tokens_left_out: of those, what a pass does not reach.
        batch_rows: rows of a batch, over all processes.
        rows_per_epoch: rows of a pass.
        tokens_per_step: tokens of the corpus that a batch reads.
        fingerprint: of what fixes the batches beside settings and shards; empty where nothing does.
    """

    tokens: int
    tokens_left_out: int
    batch_rows: int
    rows_per_epoch: int
    tokens_per_step: int
    fingerprint: str

    def epochs(self, steps: int) -> float:
        """How often so many steps read what they read."""

    def shares(self, steps: int) -> str:
        """How often so many steps read each part of the data, in words; empty where all is read alike."""

    def validation(self, most_tokens: int) -> Validation:
        """What to measure on, all or so many tokens of it."""

    def batch(self, step: int, rows: range) -> Tensors:
        """These rows of batch `step`: tensors on the CPU whose first dimension counts them."""

    def loss(self, model: Transformer, batch: Inputs) -> Tensor:
        """Sum of the losses of the batch's targets, a float32 scalar."""

    def count(self, batch: Tensors) -> int:
        """Targets of a batch, by which its loss is divided."""

    def describe(self, step: int) -> str:
        """Where batch `step` comes from, for a message about it."""


def micro_batches(batch: Tensors, rows: int) -> list[Tensors]:
    """A batch in parts of so many rows."""
    starts = range(0, len(next(iter(batch.values()))), rows)
    return [{name: tensor[i : i + rows] for name, tensor in batch.items()} for i in starts]
