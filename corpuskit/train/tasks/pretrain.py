"""Pretraining: to predict the tokens of a split: next ones, masked ones, spans taken out, or whole texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from corpuskit.errors import SettingError
from corpuskit.shards.batches import Batches, objective_key
from corpuskit.shards.reader import Shards, SplitTokens
from corpuskit.shards.rows import PackedBatches
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.data.batches import as_tensors
from corpuskit.train.data.held_out import validation_of
from corpuskit.train.data.mixture import ROUND, Mixture, batches_of, mix
from corpuskit.train.data.objectives import Causal, Continuation, Denoise, Masked, Objective, Spans
from corpuskit.train.evaluate.score import milestones
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.model.transformer import Transformer
from corpuskit.train.settings.resolve import kind_of, model_settings
from corpuskit.train.settings.settings import TrainSettings
from corpuskit.train.tasks.task import (
    Best,
    Extent,
    Inputs,
    Measuring,
    Metrics,
    Plain,
    Tensors,
    Validation,
)

_BYTES_PER_TOKEN = 4.5  # of English


class Pretraining(Plain):
    """Learning from the shards of a split, by one of the objectives; a `Task`."""

    best = Best()

    def __init__(
        self,
        settings: TrainSettings,
        shards: Shards,
        tokenizer: Tokenizer,
        batches: Batches | PackedBatches | Mixture,
        objective: Objective,
    ) -> None:
        self.name: str = settings.objective
        self.settings, self.tokenizer = settings, tokenizer
        self.shape = model_settings(settings, shards.vocab_size)
        self.shards, self.split, self.batches = shards, shards.split("train"), batches
        self.objective = objective
        self.tokens, self.tokens_left_out = self.split.tokens, batches.tokens_left_out
        self.batch_rows, self.rows_per_epoch = batches.batch_rows, batches.rows_per_epoch
        # Of the split, those that a batch reads for the first time in its epoch.
        self.tokens_per_step = batches.batch_rows * batches.stride
        # Of a mixture, which tokens are of which source.
        self.fingerprint = batches.fingerprint if isinstance(batches, Mixture) else ""
        self._token_bytes = tokenizer.token_bytes(shards.vocab_size)
        self._write = milestones(shards, tokenizer, settings.prompt, settings.seed, settings.objective)

    @property
    def bytes_per_token(self) -> float:
        """Of text, in the first batch's rows; that of English where the tokenizer is not one of bytes."""
        if self._token_bytes is None:
            return _BYTES_PER_TOKEN
        rows = self.batches.read(self.batches.samples(0, range(self.batch_rows)))
        return float(self._token_bytes[rows].mean())

    def batch(self, step: int, rows: range) -> Tensors:
        """Arguments of `Transformer.loss`, see `corpuskit.train.data.objectives`."""
        samples = self.batches.samples(step, rows)
        keys = [objective_key(self.batches.seed, sample) for sample in samples]
        ids, real = self.batches.read(samples), self.batches.real(samples)
        return as_tensors(self.objective.arrays(ids, keys, real))

    def extent(self) -> Extent:
        """That of all rows, which are equally long."""
        batch = self.batch(0, range(1))
        source = batch["source"].shape[1] if "source" in batch else 0
        predicted = batch["targets"].shape[1]
        return Extent(batch["ids"].shape[1], source, predicted, "documents" in batch, self.objective.stride)

    def epochs(self, steps: int) -> float:
        """How often so many steps read a token that they read; of sources read unequally often, the mean."""
        if isinstance(self.batches, Mixture):
            return self.batches.mean_epochs(steps * self.batch_rows)
        # Of all tokens, though a pass leaves some out at its ends: the next one leaves out others.
        return steps * self.tokens_per_step / self.split.tokens

    def shares(self, steps: int) -> str:
        """How rows are packed, or how often so many steps read each source of a mixture; maybe empty."""
        if isinstance(self.batches, PackedBatches):
            report = self.batches.rows.index.report
            return f"best fit: {report.rows:,} rows, of whose places {report.padding_share:.3%} are padding"
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

    def count(self, batch: Tensors) -> float:
        """Targets that are not IGNORED."""
        return int((batch["targets"] != IGNORED).sum())

    def measure(self, model: Measuring, validation: Validation) -> Metrics:
        """The loss of the rows, whole and by source; no target is read twice."""
        sizes = self._token_bytes if isinstance(self.objective, Causal | Continuation) else None
        return measure_tokens(model, validation, sizes)

    def milestone(self, model: Transformer) -> dict[str, Any] | None:
        """A text that the model writes, or gaps that it fills, and scores."""
        return self._write(model)

    def describe(self, step: int) -> str:
        """The documents that the batch's rows begin in, and where the first stands."""
        return described(self.split, self.batches, step)

    def document(self) -> dict[str, Any]:
        """The objective, which is true of what is tuned out of the model too."""
        return {"objective": self.settings.objective}


def described(split: SplitTokens, batches: Batches | PackedBatches | Mixture, step: int) -> str:
    """The documents of a split that a batch's rows begin in, and where the first stands."""
    starts = batches.starts(batches.samples(step, range(batches.batch_rows)))
    numbers = sorted({split.sequence_at(start) for start in starts})
    shard, offset = split.locate(starts[0])
    return (
        f"rows that begin in the documents {', '.join(map(str, numbers))} of the split {split.name!r}, "
        f"the first at token {offset} of {shard}"
    )


def measure_tokens(
    model: Measuring, validation: Validation, token_bytes: npt.NDArray[np.int64] | None
) -> Metrics:
    """The loss of rows whose targets are tokens, whole and by source.

    Args:
        token_bytes: bytes of text per id, where they are known and all of the text is predicted.
    """

    def of(batch: Tensors) -> Metrics:
        targets = batch["targets"][batch["targets"] != IGNORED].numpy()
        size = 0 if token_bytes is None else int(token_bytes[targets].sum())
        return Metrics(model.loss(batch), targets.size, size)

    if not validation.by_source:
        return of(validation.batch)
    found = {source: of(part) for source, part in validation.by_source.items()}
    each = found.values()
    return Metrics(
        sum(part.nats for part in each),
        sum(part.targets for part in each),
        sum(part.bytes for part in each),
        by_source=found,
    )


def pretraining(settings: TrainSettings, shards: Shards, tokenizer: Tokenizer) -> Pretraining:
    """That of resolved settings.

    Raises TrainError where the tokenizer lacks a token that it needs, SettingError for an objective whose
    rows cannot be packed.
    """
    assert settings.context is not None
    assert settings.batch_rows is not None
    end = shards.end_of_text
    writes = kind_of(settings) == "encoder-decoder"
    objective: Objective
    if settings.objective == "causal" and writes:
        objective = Continuation(settings.context, end, settings.goldfish)
    elif settings.objective == "causal":
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
            writes,
        )
    elif settings.objective == "denoise":
        objective = Denoise(
            settings.context,
            end,
            tokenizer.mask_id(),
            tuple(tokenizer.special_ids()),
            settings.mask_rate,
            settings.span_length,
        )
    else:
        sentinels = tuple(tokenizer.sentinel_ids())
        objective = Spans(settings.context, end, sentinels, settings.span_density, settings.span_length)
    split = shards.split("train")
    rows = objective.row_tokens, objective.stride
    # Runs of before there was a choice say nothing, and concatenated.
    packing = settings.packing or "concatenate"
    if packing == "best_fit" and isinstance(objective, Continuation):
        raise SettingError(
            "packing = 'best_fit': an encoder-decoder that continues texts reads halves of rows that overlap",
            remedy="Take packing = concatenate, or objective = spans or denoise.",
        )
    batches: Batches | PackedBatches | Mixture
    if settings.mixture is None:
        batches = batches_of(shards, split, split, rows, settings.batch_rows, settings.seed, packing)
    else:
        weights = settings.mixture
        batches = mix(shards, split.name, weights, rows, settings.batch_rows, settings.seed, packing)
    return Pretraining(settings, shards, tokenizer, batches, objective)
