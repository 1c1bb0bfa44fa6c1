"""What to expect of a run before it begins: how its length, model and corpus fit together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from corpuskit.train.settings import defaults as rules

WORTH_DECAY = 15.4
"""Repetitions after which reading again is worth 1 / e of a first reading: R* of arXiv:2305.16264."""

MANY_EPOCHS = 4
"""Up to so many epochs, repeated text is almost as good as new: arXiv:2305.16264."""

BITS_PER_PARAMETER = 3.6
"""What a language model can hold by heart: arXiv:2505.24832."""

BITS_PER_BYTE = 1.0
"""About what a good model needs to tell a byte of English."""

TOKENS_PER_PARAMETER = 20
"""Tokens for each parameter at which compute is spent best: arXiv:2203.15556."""


@dataclass(frozen=True)
class Facts:
    """What advice is drawn from.

    Attributes:
        train_tokens: tokens of the corpus.
        seen: tokens that the run reads, repetitions included.
        parameters: learned numbers in the model.
        dropout, weight_decay, goldfish, patience: as the settings are.
        bytes_per_token: of text, on average.
        causal: whether the objective is causal.
        validated: whether there is a validation split.
    """

    train_tokens: int
    seen: int
    parameters: int
    dropout: float
    weight_decay: float
    goldfish: int = 0
    patience: int = 10
    bytes_per_token: float = 4.5
    causal: bool = True
    validated: bool = True

    @property
    def epochs(self) -> float:
        """How often the corpus is read."""
        return self.seen / self.train_tokens

    @property
    def capacity(self) -> float:
        """How many times over the model could hold the corpus by heart."""
        bits = self.train_tokens * self.bytes_per_token * BITS_PER_BYTE
        return self.parameters * BITS_PER_PARAMETER / bits


@dataclass(frozen=True)
class Advice:
    """One thing to do.

    Attributes:
        setting: what to change, as `--set` takes it; empty where it is no setting.
        value: to what.
        why: the reason, with its figures.
        source: where the threshold comes from.
    """

    setting: str
    value: Any
    why: str
    source: str

    def __str__(self) -> str:
        change = f"--set {self.setting}={self.value}: " if self.setting else ""
        return f"{change}{self.why} ({self.source})"


def worth(train_tokens: int, epochs: float) -> float:
    """Tokens of new text that so many epochs are worth: U + U R* (1 - exp(-R / R*)) for R repetitions.

    >>> [round(worth(100, epochs)) for epochs in (0.5, 1, 4, 16, 1000)]
    [50, 100, 373, 1059, 1640]
    """
    if epochs <= 1:
        return train_tokens * epochs
    return train_tokens * (1 + WORTH_DECAY * (1 - math.exp((1 - epochs) / WORTH_DECAY)))


def expectation(facts: Facts) -> str:
    """In one sentence, what reading the corpus so often does."""
    times = f"Each token is read {facts.epochs:,.1f} times"
    if facts.epochs < 2:
        return f"{times}: there is little to learn by heart."
    gained = worth(facts.train_tokens, facts.epochs) / facts.seen
    if facts.epochs <= MANY_EPOCHS:
        return f"{times}: almost as good as new text (a token counts for {gained:.0%} of a new one)."
    if facts.capacity < 1:
        return f"{times}: a token counts for {gained:.0%} of a new one."
    often = facts.epochs > 1 + WORTH_DECAY
    return (
        f"{times}, and the model could hold {facts.capacity:,.1f} times the corpus: "
        f"{'expect it to recite' if often else 'it begins to recite'}. "
        "When validation loss turns up, the best weights are kept."
    )


def advise(facts: Facts) -> list[Advice]:
    """What to change, most telling first; empty when nothing speaks against the run."""
    return [
        *_about_size(facts),
        *_about_length(facts),
        *_about_regularisation(facts),
        *_about_watching(facts),
    ]


def _about_size(facts: Facts) -> Iterator[Advice]:
    per_parameter = facts.seen / facts.parameters
    if facts.epochs > MANY_EPOCHS and facts.capacity > 1:
        fitting = _rounded(facts.parameters / facts.capacity)
        yield Advice(
            "",
            None,
            f"a smaller model or more text: {facts.parameters:,} parameters hold about "
            f"{facts.capacity:,.1f} times this corpus; some {fitting:,} would hold it once",
            "3.6 bits for each parameter, arXiv:2505.24832",
        )
    elif per_parameter < TOKENS_PER_PARAMETER / 4:
        yield Advice(
            "",
            None,
            f"a longer run or a smaller model: {per_parameter:.1f} tokens are seen for each parameter, "
            f"and about {TOKENS_PER_PARAMETER} spend the compute best",
            "arXiv:2203.15556",
        )


def _about_length(facts: Facts) -> Iterator[Advice]:
    if facts.epochs > 1 + 2 * WORTH_DECAY:
        useful = math.ceil(1 + WORTH_DECAY)
        share = worth(facts.train_tokens, useful) / worth(facts.train_tokens, facts.epochs)
        yield Advice(
            "",
            None,
            f"a shorter run: {useful} epochs have {share:.0%} of what {facts.epochs:,.0f} are worth",
            "arXiv:2305.16264",
        )


def _about_regularisation(facts: Facts) -> Iterator[Advice]:
    epochs = facts.epochs
    if facts.dropout < rules.dropout(epochs):
        yield Advice(
            "dropout",
            rules.dropout(epochs),
            f"{facts.dropout:g} is little for {epochs:,.1f} epochs",
            "slowrun: dropout helps when text is repeated",
        )
    elif facts.dropout > 0 and epochs < 1.5:
        yield Advice(
            "dropout",
            0,
            "a corpus that is read once cannot be learnt by heart",
            "nanochat: useless in one pass",
        )
    if facts.weight_decay < rules.weight_decay(epochs) / 2:
        yield Advice(
            "weight_decay",
            rules.weight_decay(epochs),
            f"{facts.weight_decay:g} is little for {epochs:,.1f} epochs",
            "slowrun: up to 1.6 helped when text is repeated",
        )
    if facts.causal and epochs > MANY_EPOCHS and not facts.goldfish:
        yield Advice(
            "goldfish",
            4,
            "one target in four is never learnt, so that no passage can be recited; it costs a little loss",
            "arXiv:2406.10209",
        )


def _about_watching(facts: Facts) -> Iterator[Advice]:
    if facts.epochs <= 2:
        return
    if not facts.validated:
        yield Advice(
            "",
            None,
            "hold out a validation split (`shards: split: {validation: 0.05}`): without it nobody sees when "
            "the model begins to recite, and the last weights are kept",
            "nanoGPT issues 211 and 493",
        )
    elif not facts.patience:
        yield Advice(
            "patience", 10, "stop when validation has not fallen for so long", "nanoGPT issues 211 and 493"
        )


def _rounded(number: float) -> int:
    """A number to two figures."""
    size = int(10 ** max(0, math.floor(math.log10(max(number, 1))) - 1))
    return round(number / size) * size
