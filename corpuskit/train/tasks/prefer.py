"""Preference: of two answers to a prompt the better one, measured against the model that is begun with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from corpuskit.train.data.examples import Examples, Line
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.model.preference import (
    Answers,
    Preference,
    PreferenceLosses,
    answers_of,
    preference_losses,
)
from corpuskit.train.model.transformer import ModelSettings, Transformer
from corpuskit.train.settings.tune import PreferSettings
from corpuskit.train.tasks.task import Best, Extent, Inputs, Measuring, Metrics, Tensors, Validation
from corpuskit.train.tasks.tuned import Example, Tuned, asked, padded, rounded

ANSWERS = ("chosen", "rejected")


class Prefer(Tuned):
    """To favour chosen answers over rejected ones, by no more than it takes; a `Task`.

    Examples have for both answers the ids of the conversation, "chosen_ids" and "rejected_ids", what of them
    is the answer, "chosen_learnt" and "rejected_learnt", and "reference", the log-probabilities that the
    model that is begun with gives both: float32, by their bits.
    """

    name = "prefer"

    def __init__(
        self,
        settings: PreferSettings,
        shape: ModelSettings,
        train: Examples,
        validation: Examples | None,
        base: str = "",
    ) -> None:
        super().__init__(settings, shape, train, validation, base)
        self._own = settings
        self._learnt = Preference(settings.beta, settings.label_smoothing, settings.kind)
        self.best = Best()

    def lengths(self, examples: Examples) -> npt.NDArray[np.int64]:
        """Positions of the longer answer of each pair, twice."""
        chosen, rejected = (examples.lengths(f"{which}_ids") - 1 for which in ANSWERS)
        return 2 * np.maximum(chosen, rejected)

    def tensors(self, rows: Sequence[Sequence[Example]]) -> Tensors:
        """For both answers ids and targets (B, T); lengths (B,), reference (B, 2), counts (B,)."""
        batch: Tensors = {}
        for which in ANSWERS:
            ids, targets = zip(*(_row(row, which) for row in rows), strict=True)
            batch[f"{which}_ids"], batch[f"{which}_targets"] = padded(ids, 0), padded(targets, IGNORED)
        lengths = [max(len(_row(row, which)[0]) for which in ANSWERS) for row in rows]
        batch["lengths"] = torch.tensor(lengths)
        none = np.zeros(2, np.float32)
        found = [row[0]["reference"].astype(np.int32).view(np.float32) if row else none for row in rows]
        batch["reference"] = torch.from_numpy(np.stack(found))
        batch["counts"] = torch.tensor([int(bool(row)) for row in rows])
        return batch

    def micro_batches(self, batch: Tensors, rows: int) -> list[Tensors]:
        """Parts of so many pairs; the log-probabilities of the reference are no positions."""
        reference = batch["reference"]
        parts = super().micro_batches({k: v for k, v in batch.items() if k != "reference"}, rows)
        first = 0
        for part in parts:
            part["reference"] = reference[first : first + len(part["counts"])]
            first += len(part["counts"])
        return parts

    def extent(self) -> Extent:
        """Of both answers of a pair together."""
        longest = rounded(int(self.row_lengths.max()))
        return Extent(longest, 0, longest, False, max(1, round(self.tokens / len(self.rows))))

    def of(self, model: Transformer, batch: Inputs) -> PreferenceLosses:
        """What the pairs of a batch cost, and how far apart their answers are."""
        policy = pair_answers(model, batch)
        reference = batch["reference"]
        theirs = tuple(Answers(reference[:, at], policy[at].tokens) for at in range(2))
        return preference_losses(policy, (theirs[0], theirs[1]), self._learnt)

    def loss(self, model: Transformer, batch: Inputs) -> Tensor:
        """Sum of the losses of the pairs."""
        total: Tensor = (self.of(model, batch).losses * batch["counts"]).sum()
        return total

    def count(self, batch: Tensors) -> float:
        """Pairs."""
        return int(batch["counts"].sum())

    def answers(self, model: Transformer, batch: Inputs) -> Tensor:
        """Of each pair loss, margin, accuracy and both rewards, (B, 5)."""
        found = self.of(model, batch)
        return torch.stack([found.losses, found.margins, found.accuracy, found.chosen, found.rejected], 1)

    def measure(self, model: Measuring, validation: Validation) -> Metrics:
        """The loss, the mean margin, how often the better answer is favoured, and the rewards."""
        found = model.answers(validation.batch).double()
        _, margin, accuracy, chosen, rejected = found.mean(0).tolist()
        others = {"reward_accuracy": accuracy, "margin": margin}
        others |= {"chosen_reward": chosen, "rejected_reward": rejected}
        return Metrics(float(found[:, 0].sum()), len(found), others=others, of_tokens=False)

    def document(self) -> dict[str, Any]:
        """That it can be talked with, and how it was taught."""
        own = self._own
        return {
            "chat": bool(self.train.facts["chats"]),
            "tuned": {"task": self.name, "beta": own.beta, "kind": own.kind, "context": own.context},
        }


def pair_answers(model: Transformer, batch: Inputs) -> tuple[Answers, Answers]:
    """Both answers of each pair as a model sees them, in one pass."""
    longest = max(batch[f"{which}_ids"].shape[1] for which in ANSWERS)

    def wide(name: str, fill: int) -> Tensor:
        each = [batch[f"{which}_{name}"] for which in ANSWERS]
        return torch.cat([torch.nn.functional.pad(x, (0, longest - x.shape[1]), value=fill) for x in each])

    found = answers_of(model, wide("ids", 0), wide("targets", IGNORED))
    rows = len(batch["chosen_ids"])
    return (
        Answers(found.log_probabilities[:rows], found.tokens[:rows]),
        Answers(found.log_probabilities[rows:], found.tokens[rows:]),
    )


def _row(row: Sequence[Example], which: str) -> tuple[Line, Line]:
    """Inputs and targets of one answer of a pair."""
    if not row:  # One token is asked for, since a mean over none is none; the pair does not count.
        return np.zeros(1, np.int64), np.zeros(1, np.int64)
    ids, learnt = row[0][f"{which}_ids"], row[0][f"{which}_learnt"]
    return ids[:-1], asked(ids, learnt)[1:]
