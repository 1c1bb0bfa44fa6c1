"""Loss of a model on fixed batches, whole and by source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from corpuskit.train.data.batches import Tensors
from corpuskit.train.data.held_out import Validation
from corpuskit.train.device import uncompiled
from corpuskit.train.job import Job
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.tasks.task import micro_batches

_MEASURED_TOKENS = 8192


@dataclass(frozen=True)
class Measure:
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
    by_source: Mapping[str, Measure] = field(default_factory=dict)

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


def measure(job: Job, validation: Validation) -> Measure:
    """Loss of the model on what there is to measure on; no target is read twice."""
    if not validation.by_source:
        return measure_batch(job, validation.batch)
    found = {source: measure_batch(job, part) for source, part in validation.by_source.items()}
    parts = found.values()
    return Measure(
        sum(each.nats for each in parts),
        sum(each.targets for each in parts),
        sum(each.bytes for each in parts),
        found,
    )


@torch.no_grad()
def measure_batch(job: Job, batch: Tensors) -> Measure:
    """Loss of the model on one batch."""
    job.model.eval()
    total = torch.zeros((), dtype=torch.float64, device=job.device)
    # Without a backward pass more rows fit than a micro-batch has, and few large products are faster.
    longest = max(tensor.shape[1] for tensor in batch.values())
    rows = max(job.micro_rows or 1, _MEASURED_TOKENS // longest)
    parts, grid = micro_batches(batch, rows), job.grid
    for first in range(0, len(parts), grid.data):
        # Processes that shard the model must call it equally often: one without a part repeats the first.
        number = first + grid.here.data
        part = parts[number if number < len(parts) else 0]
        with uncompiled():
            loss = job.parallel.loss(job.place(part))
        total += loss if number < len(parts) else 0.0
    targets = batch["targets"][batch["targets"] != IGNORED].numpy()
    size = 0 if job.token_bytes is None else int(job.token_bytes[targets].sum())
    return Measure(float(grid.sum_over_data(total)), targets.size, size)
