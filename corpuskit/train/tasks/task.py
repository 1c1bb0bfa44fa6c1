"""The `Task` protocol: all that setup, loop and result know of what a model is trained for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from corpuskit.train.model.transformer import ModelSettings, Transformer
from corpuskit.train.settings.settings import RunSettings

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
        return len(next(iter(self.batch.values()), ()))


@dataclass(frozen=True)
class Metrics:
    """What was measured on fixed rows.

    Attributes:
        nats: sum of the losses of the targets; of a language model -log p of each.
        targets: how many there are.
        bytes: of text that they stand for; 0 where that is not known, or not all of the text is predicted.
        by_source: the same for each source, where there are several.
        others: what else the task measures, by name.
        of_tokens: whether the targets are tokens, so that there is a perplexity.
    """

    nats: float
    targets: float
    bytes: int = 0
    by_source: Mapping[str, Metrics] = field(default_factory=dict)
    others: Mapping[str, float | None] = field(default_factory=dict)
    of_tokens: bool = True

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
    def figures(self) -> dict[str, float | None]:
        """All by name, the loss first."""
        tokens = {"perplexity": self.perplexity, "bits_per_byte": self.bits_per_byte}
        return {"loss": self.loss, **(tokens if self.of_tokens else {}), **self.others}

    @property
    def sources(self) -> dict[str, dict[str, float | None]]:
        """Loss, bits per byte and targets by source, as plain values."""
        return {
            source: {"loss": each.loss, "bits_per_byte": each.bits_per_byte, "targets": each.targets}
            for source, each in self.by_source.items()
        }


class Best(NamedTuple):
    """Which weights are the best: by which figure, and whether less of it is better."""

    figure: str = "loss"
    less: bool = True

    def beats(self, value: float, before: float | None) -> bool:
        """Whether a value is better than the best before; of equal ones the first stays."""
        return before is None or (value < before if self.less else value > before)


class Extent(NamedTuple):
    """How large the longest row of a micro-batch is.

    Attributes:
        positions: T.
        source: S, of an encoder-decoder.
        predicted: positions of which the logits are computed.
        documents: whether rows are masked by document.
        tokens: of the corpus, that it holds.
    """

    positions: int
    source: int
    predicted: int
    documents: bool
    tokens: int


class Measuring(Protocol):
    """A model as it is, which a task measures; all processes call it together."""

    def loss(self, batch: Tensors) -> float:
        """The summed loss of fixed rows, which the processes divide among them."""

    def answers(self, batch: Tensors) -> Tensor:
        """What `Task.answers` gives for the rows, in their order, float32 on the CPU at every process."""


class Task(Protocol):
    """What is asked of it. A batch is a function of the step alone, whoever makes it and when.

    Attributes:
        name: what it is called: "causal", "classify" and so on.
        shape: of the model.
        best: how the weights that are kept are chosen.
        tokens: tokens that there are to learn from.
        tokens_left_out: of those, what a pass does not reach.
        batch_rows: rows of a batch, over all processes.
        rows_per_epoch: rows of a pass.
        tokens_per_step: tokens of the corpus that a batch reads; of rows of different lengths, the mean.
        fingerprint: of what fixes the batches beside settings and data; empty where nothing does.
        measuring: how many forward passes of a row it takes to measure on it.
    """

    name: str
    shape: ModelSettings
    best: Best
    tokens: int
    tokens_left_out: int
    batch_rows: int
    rows_per_epoch: int
    tokens_per_step: int
    fingerprint: str
    measuring: int

    @property
    def settings(self) -> RunSettings:
        """Resolved: nothing is open but the length of a run by minutes."""

    # ------------------------------------------------------------------------------------- the data
    @property
    def bytes_per_token(self) -> float:
        """Of text, where how often it is read is worth a word of advice; 0 where not."""

    def epochs(self, steps: int) -> float:
        """How often so many steps read what they read."""

    def shares(self, steps: int) -> str:
        """What else a person should know of what so many steps read, in words; may be empty."""

    def batch(self, step: int, rows: range) -> Tensors:
        """These rows of batch `step`: tensors on the CPU whose first dimension counts them."""

    def micro_batches(self, batch: Tensors, rows: int) -> list[Tensors]:
        """A batch in parts of so many rows, each no longer than it must be."""

    def extent(self) -> Extent:
        """How large the rows of its batches are at most."""

    def describe(self, step: int) -> str:
        """Where batch `step` comes from, for a message about it."""

    # -------------------------------------------------------------------------------- what is learnt
    def prepare(self, model: Transformer) -> None:
        """Make of a model with its first weights what is trained: what it adds, and what does not learn."""

    def loss(self, model: Transformer, batch: Inputs) -> Tensor:
        """Sum of the losses of the batch's targets, a float32 scalar."""

    def count(self, batch: Tensors) -> float:
        """Targets of a batch, by which its loss is divided."""

    def beside(self) -> dict[str, Tensor]:
        """What else the batches since the last call cost, by name: summed, as `loss` is; often nothing."""

    # --------------------------------------------------------------------------------- what is measured
    def validation(self, most_tokens: int) -> Validation:
        """What to measure on, all or so many tokens of it."""

    def finals(self) -> dict[str, Validation]:
        """What else is measured, once, at the end of a run, by name: a test split."""

    def answers(self, model: Transformer, batch: Inputs) -> Tensor:
        """What a model says of each row, (rows, K) float32, where `measure` asks for it."""

    def measure(self, model: Measuring, validation: Validation) -> Metrics:
        """What there is to measure on, measured."""

    def milestone(self, model: Transformer) -> dict[str, Any] | None:
        """What a model can do at some point of its training: a text, and scores; None for nothing."""

    # ------------------------------------------------------------------------------------ what is left
    def kept(self, weights: Tensors) -> Tensors:
        """The weights of the model that the run leaves, by name, out of those that were trained."""

    def taken(self, weights: Tensors) -> Tensors:
        """Weights to be trained, all of them, that make the model whose kept weights these are."""

    def files(self, weights: Tensors) -> dict[str, bytes]:
        """Further files of the model folder, out of the weights that were trained."""

    def document(self) -> dict[str, Any]:
        """What model.json says of what was learnt."""


def micro_batches(batch: Tensors, rows: int) -> list[Tensors]:
    """A batch in parts of so many rows."""
    starts = range(0, len(next(iter(batch.values()))), rows)
    return [{name: tensor[i : i + rows] for name, tensor in batch.items()} for i in starts]


class Plain:
    """What a task does that trains all weights of a model and leaves them as they are."""

    measuring = 1

    def shares(self, steps: int) -> str:
        """Nothing."""
        return ""

    def micro_batches(self, batch: Tensors, rows: int) -> list[Tensors]:
        """Rows of one length are cut as they are."""
        return micro_batches(batch, rows)

    def prepare(self, model: Transformer) -> None:
        """All of the model learns."""

    def beside(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def finals(self) -> dict[str, Validation]:
        """Nothing."""
        return {}

    def answers(self, model: Transformer, batch: Inputs) -> Tensor:
        """No task that measures its loss alone asks."""
        raise NotImplementedError

    def kept(self, weights: Tensors) -> Tensors:
        """All of them."""
        return weights

    def taken(self, weights: Tensors) -> Tensors:
        """All of them."""
        return weights

    def files(self, weights: Tensors) -> dict[str, bytes]:
        """None."""
        return {}

    def document(self) -> dict[str, Any]:
        """Nothing."""
        return {}
