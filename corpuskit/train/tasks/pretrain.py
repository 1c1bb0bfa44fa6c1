"""Pretraining: to predict the tokens of a split, the next ones, masked ones, or spans that were taken out."""

from __future__ import annotations

from torch import Tensor

from corpuskit.shards.batches import Batches, objective_key
from corpuskit.shards.reader import Shards, SplitTokens
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.data.batches import as_tensors
from corpuskit.train.data.held_out import validation_of
from corpuskit.train.data.mixture import ROUND, Mixture, mix
from corpuskit.train.data.objectives import Causal, Masked, Objective, Spans
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.model.transformer import Transformer
from corpuskit.train.settings.settings import TrainSettings
from corpuskit.train.tasks.task import Inputs, Tensors, Validation


class Pretraining:
    """Learning from the shards of a split, by one of the three objectives; a `Task`."""

    def __init__(
        self, shards: Shards, split: SplitTokens, batches: Batches | Mixture, objective: Objective
    ) -> None:
        self.shards, self.split, self.batches, self.objective = shards, split, batches, objective
        self.tokens, self.tokens_left_out = split.tokens, batches.tokens_left_out
        self.batch_rows, self.rows_per_epoch = batches.batch_rows, batches.rows_per_epoch
        # Of the split, those that a batch reads for the first time in its epoch.
        self.tokens_per_step = batches.batch_rows * batches.stride
        # Of a mixture, which tokens are of which source.
        self.fingerprint = batches.fingerprint if isinstance(batches, Mixture) else ""

    def batch(self, step: int, rows: range) -> Tensors:
        """Arguments of `Transformer.loss`, see `corpuskit.train.data.objectives`."""
        samples = self.batches.samples(step, rows)
        keys = [objective_key(self.batches.seed, sample) for sample in samples]
        return as_tensors(self.objective.arrays(self.batches.read(samples), keys))

    def epochs(self, steps: int) -> float:
        """How often so many steps read a token that they read; of sources read unequally often, the mean."""
        if isinstance(self.batches, Mixture):
            return self.batches.mean_epochs(steps * self.batch_rows)
        # Of all tokens, though a pass leaves some out at its ends: the next one leaves out others.
        return steps * self.tokens_per_step / self.split.tokens

    def shares(self, steps: int) -> str:
        """How often so many steps read each source of a mixture; empty without one."""
        if not isinstance(self.batches, Mixture):
            return ""
        return "of what is read: " + ", ".join(
            f"{source} {self.batches.counts[source] / ROUND:.1%}, {each:.1f} times over"
            for source, each in self.batches.epochs(steps * self.batch_rows).items()
        )

    def validation(self, most_tokens: int) -> Validation:
        """Rows of the validation split."""
        return validation_of(self.shards, self.objective, most_tokens)

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


def pretraining(settings: TrainSettings, shards: Shards, tokenizer: Tokenizer) -> Pretraining:
    """That of resolved settings; raises TrainError where the tokenizer lacks a token that it needs."""
    assert settings.context is not None
    assert settings.batch_rows is not None
    end = shards.end_of_text
    objective: Objective
    if settings.objective == "causal":
        objective = Causal(settings.context, end, settings.document_mask, settings.goldfish)
    elif settings.objective == "masked":
        objective = Masked(
            settings.context,
            end,
            tokenizer.mask_id(),
            tuple(tokenizer.special_ids()),
            shards.vocab_size,
            settings.mask_rate,
            settings.document_mask,
        )
    else:
        sentinels = tuple(tokenizer.sentinel_ids())
        objective = Spans(settings.context, end, sentinels, settings.span_density, settings.span_length)
    split = shards.split("train")
    rows = objective.row_tokens, objective.stride
    if settings.mixture is None:
        batches = Batches(split, *rows, settings.batch_rows, settings.seed, shards.vocab_size)
        return Pretraining(shards, split, batches, objective)
    mixture = mix(shards, split.name, settings.mixture, rows, settings.batch_rows, settings.seed)
    return Pretraining(shards, split, mixture, objective)
