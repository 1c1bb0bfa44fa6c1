"""What a model is trained on: the one interface between the loop and everything that can be learnt."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from corpuskit.shards.batches import Batches, objective_key
from corpuskit.shards.reader import SplitTokens
from corpuskit.train.data.batches import Tensors, as_tensors
from corpuskit.train.data.mixture import Mixture
from corpuskit.train.data.objectives import Causal, Masked, Spans
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.model.transformer import Transformer
from corpuskit.train.tasks.task import Inputs


@dataclass(frozen=True)
class Pretraining:
    """Learning from the shards of a split, by one of the three objectives."""

    split: SplitTokens
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
        """Arguments of `Transformer.loss`, see `corpuskit.train.data.objectives`."""
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
