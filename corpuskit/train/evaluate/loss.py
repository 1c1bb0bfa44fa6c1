"""Metrics of a model on fixed batches, whole and by source."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from corpuskit.train.device import uncompiled
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.parallel.parallel import Parallel
from corpuskit.train.tasks.task import Inputs, Tensors, Validation, micro_batches

_TOKENS_AT_ONCE = 8192


@dataclass(frozen=True)
class Metrics:
    """What the targets of a fixed batch cost.

    Attributes:
        nats: sum of -log p over the targets.
        targets: how many there are.
        bytes: of text that they stand for; 0 where that is not known, or not all of the text is predicted.
        by_source: the same for each source, where there are several.
    """

    nats: float
    targets: int
    bytes: int
    by_source: Mapping[str, Metrics] = field(default_factory=dict)

    @property
    def loss(self) -> float:
        """Nats per target."""
        return self.nats / max(1, self.targets)

    @property
    def perplexity(self) -> float:
        """exp(loss); infinite where that cannot be represented."""
        return math.exp(self.loss) if self.loss < 700 else math.inf

    @property
    def bits_per_byte(self) -> float | None:
        """The same for each byte of text, which compares over tokenizers; None where bytes are not known."""
        return self.nats / math.log(2) / self.bytes if self.bytes else None

    @property
    def sources(self) -> dict[str, dict[str, float | None]]:
        """Loss, bits per byte and targets by source, as plain values."""
        return {
            source: {"loss": each.loss, "bits_per_byte": each.bits_per_byte, "targets": each.targets}
            for source, each in self.by_source.items()
        }


@dataclass(frozen=True)
class Evaluator:
    """Measures a model as it is.

    Attributes:
        parallel: the model, divided among the processes that train it.
        place: brings a batch to the device.
        least_rows: rows that a process can surely compute at a time.
        token_bytes: bytes of text per id, where they are known and all of the text is predicted.
    """

    parallel: Parallel
    place: Callable[[Tensors], Inputs]
    least_rows: int
    token_bytes: npt.NDArray[np.int64] | None

    def evaluate(self, validation: Validation) -> Metrics:
        """What there is to measure on, measured; no target is read twice."""
        if not validation.by_source:
            return self._of_batch(validation.batch)
        found = {source: self._of_batch(part) for source, part in validation.by_source.items()}
        names = ("nats", "targets", "bytes")
        totals = {name: sum(getattr(each, name) for each in found.values()) for name in names}
        return Metrics(**totals, by_source=found)

    @torch.no_grad()
    def _of_batch(self, batch: Tensors) -> Metrics:
        grid = self.parallel.grid
        self.parallel.model.eval()
        wide = torch.float32 if grid.device.type == "mps" else torch.float64  # Apple's GPUs have no doubles.
        total = torch.zeros((), dtype=wide, device=grid.device)
        # Without a backward pass more rows fit than a micro-batch has, and few large products are faster.
        longest = max(tensor.shape[1] for tensor in batch.values())
        parts = micro_batches(batch, max(self.least_rows, _TOKENS_AT_ONCE // longest))
        for first in range(0, len(parts), grid.data):
            # Processes that shard the model must call it equally often: one without a part repeats the first.
            number = first + grid.here.data
            part = parts[number if number < len(parts) else 0]
            with uncompiled():
                loss = self.parallel.loss(self.place(part))
            total += loss if number < len(parts) else 0.0
        targets = batch["targets"][batch["targets"] != IGNORED].numpy()
        size = 0 if self.token_bytes is None else int(self.token_bytes[targets].sum())
        return Metrics(float(grid.sum_over_data(total)), targets.size, size)
