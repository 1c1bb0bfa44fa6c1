"""The `Task` protocol: all that the loop knows of what a model is trained for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from corpuskit.train.data.batches import (
    Tensors,
)
from corpuskit.train.model.transformer import Ends, Transformer, ends_of

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
