"""A model that is trained, as it is measured on fixed rows by all the processes that hold it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from corpuskit.train.device import uncompiled
from corpuskit.train.parallel.parallel import LossOf, Parallel
from corpuskit.train.tasks.task import Inputs, Metrics, Task, Tensors, Validation

_TOKENS_AT_ONCE = 8192


@dataclass(frozen=True)
class Evaluator:
    """Measures a model as it is.

    Attributes:
        task: what it is measured by.
        parallel: the model, divided among the processes that train it.
        place: brings a batch to the device.
        least_rows: rows that a process can surely compute at a time.
        answers_of: what the task makes of a model and a batch, in the precision of the run.
    """

    task: Task
    parallel: Parallel
    place: Callable[[Tensors], Inputs]
    least_rows: int
    answers_of: LossOf

    def evaluate(self, validation: Validation) -> Metrics:
        """What there is to measure on, measured."""
        return self.task.measure(self, validation)

    @torch.no_grad()
    def loss(self, batch: Tensors) -> float:
        """The summed loss of fixed rows, which the processes divide among them."""
        grid = self.parallel.grid
        wide = torch.float32 if grid.device.type == "mps" else torch.float64  # Apple's GPUs have no doubles.
        total = torch.zeros((), dtype=wide, device=grid.device)
        self.parallel.model.eval()
        parts = self._parts(batch)
        for first in range(0, len(parts), grid.data):
            # Processes that shard the model must call it equally often: one without a part repeats the first.
            number = first + grid.here.data
            with uncompiled():
                loss = self.parallel.loss(self.place(parts[number if number < len(parts) else 0]))
            total += loss if number < len(parts) else 0.0
        return float(grid.sum_over_data(total))

    @torch.no_grad()
    def answers(self, batch: Tensors) -> Tensor:
        """What the task asks of each of fixed rows, (rows, K) float32, in their order, at every process."""
        grid = self.parallel.grid
        self.parallel.model.eval()
        parts, found = self._parts(batch), []
        for first in range(0, len(parts), grid.data):
            number = first + grid.here.data
            with uncompiled():
                here = self.parallel.loss(
                    self.place(parts[number if number < len(parts) else 0]), self.answers_of
                ).float()
            # Each process puts its own in its place, and all of them add: parts may differ in their rows.
            for place in range(first, min(first + grid.data, len(parts))):
                rows = len(next(iter(parts[place].values())))
                whole = here if place == number else here.new_zeros(rows, here.shape[1])
                found.append(grid.sum_over_data(whole).cpu())
        return torch.cat(found)

    def _parts(self, batch: Tensors) -> list[Tensors]:
        # Without a backward pass more rows fit than a micro-batch has, and few large products are faster.
        longest = max(tensor.shape[1] for tensor in batch.values() if tensor.dim() > 1)
        return self.task.micro_batches(batch, max(self.least_rows, _TOKENS_AT_ONCE // longest))
