"""Classification: one label of a text or of a pair of texts, or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from corpuskit.errors import SettingError
from corpuskit.train.data.examples import Examples
from corpuskit.train.data.tables.labels import UNKNOWN
from corpuskit.train.evaluate.classification import classification_scores, multilabel_scores
from corpuskit.train.model.distances import divergence
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.model.transformer import ModelSettings, Transformer
from corpuskit.train.settings.tune import ClassifySettings
from corpuskit.train.tasks.adapting import freeze_unread
from corpuskit.train.tasks.task import Inputs, Measuring, Metrics, Tensors, Validation
from corpuskit.train.tasks.tuned import Example, Tuned, best_by, padded

_FIGURES = ("accuracy", "subset_accuracy", "micro_f1", "macro_f1", "ece")
"""Of the scores, what is shown at each validation."""


class Classify(Tuned):
    """A label of each text out of a list, or any number of them; a `Task`.

    Examples have "ids" and "labels", the numbers of the labels that hold. The loss is the cross entropy of
    the label, or with several the mean over labels of that of each by itself; balanced, what is lost on a
    label that holds counts as often as there are texts without it to one with it, as `pos_weight` of torch's
    BCEWithLogitsLoss has it. Where a teacher has answered, those that are learnt from have "teacher" too, its
    logits: float32, by their bits. KL(teacher || student) then has a share of the loss, see
    `corpuskit.train.model.distances`; what is measured is the rest alone.

    Attributes:
        labels: the names, in the order of the classifier's outputs.
    """

    name = "classify"
    whole = frozenset({"labels", "teacher"})

    def __init__(
        self,
        settings: ClassifySettings,
        shape: ModelSettings,
        labels: Sequence[str],
        train: Examples,
        validation: Examples | None,
        base: str = "",
    ) -> None:
        super().__init__(settings, shape, train, validation, base)
        self._own, self.labels = settings, tuple(labels)
        if settings.pooling == "first" and shape.kind == "decoder":
            raise SettingError(
                "pooling = 'first' of a decoder, whose first position has read nothing else",
                remedy="Leave it out, or give 'last' or 'mean'.",
            )
        right = "subset_accuracy" if self.several else "accuracy"
        self.best = best_by(settings.choose, ("loss", right, "micro_f1", "macro_f1", "ece"))
        self.weights = self._class_weights()

    @property
    def several(self) -> bool:
        """Whether a text may have any number of labels."""
        return self._own.several is not None

    def tensors(self, rows: Sequence[Sequence[Example]]) -> Tensors:
        """ids (B, T), lengths (B,), labels (B,) with IGNORED in empty rows, or (B, C) of 0, 1 and IGNORED.

        With what a teacher answered, "teacher" (B, C), 0 in empty rows.
        """
        batch = self._asked(rows)
        if any(row and "teacher" in row[0] for row in rows):
            none = np.zeros(len(self.labels), np.float32)
            found = [row[0]["teacher"].astype(np.int32).view(np.float32) if row else none for row in rows]
            batch["teacher"] = torch.from_numpy(np.stack(found))
        return batch

    def _asked(self, rows: Sequence[Sequence[Example]]) -> Tensors:
        lines = [row[0]["ids"] if row else np.zeros(1, np.int64) for row in rows]
        lengths = torch.tensor([len(line) for line in lines])
        if not self.several:
            labels = torch.tensor([int(row[0]["labels"][0]) if row else IGNORED for row in rows])
            return {"ids": padded(lines, 0), "lengths": lengths, "labels": labels}
        else:
            labels = torch.full((len(rows), len(self.labels)), IGNORED)
            for number, row in enumerate(rows):
                if row:
                    labels[number] = 0
                    labels[number, torch.from_numpy(row[0]["labels"].astype(np.int64))] = 1
        unknown = torch.tensor([int(row[0]["unknown"][0]) if row else 0 for row in rows])
        return {"ids": padded(lines, 0), "lengths": lengths, "labels": labels, "unknown": unknown}

    def prepare(self, model: Transformer) -> None:
        """What the settings name learns, but for what no label comes from."""
        super().prepare(model)
        freeze_unread(model, memory_alone=self._own.pooling != "last")

    def predicted(self, positions: int) -> int:
        """No logits over the vocabulary are computed."""
        return 0

    def answers(self, model: Transformer, batch: Inputs) -> Tensor:
        """Logits of the labels, (B, C)."""
        return model.classify(batch["ids"], batch["lengths"], self._own.pooling).float()

    def loss(self, model: Transformer, batch: Inputs) -> Tensor:
        """Sum of the losses of the rows, weighted as the settings say, with what a teacher says of them."""
        logits = self.answers(model, batch)
        plain = self.loss_of(logits, batch["labels"])
        # Held-out rows have no teacher's answers: they are measured by their labels.
        if "teacher" not in batch:
            return plain
        share = self._own.teacher_share
        return (1 - share) * plain + share * self.distance(logits, batch["labels"], batch["teacher"])

    def distance(self, logits: Tensor, labels: Tensor, teacher: Tensor) -> Tensor:
        """Sum over the rows of KL(teacher || student), times T^2, of logits (B, C), weighted as their losses.

        Of several labels it is the mean over the labels of that of each, which holds or does not.
        """
        t = self._own.teacher_temperature
        weights = self.weights.to(logits.device)
        if not self.several:
            each = divergence(logits, teacher, t=t)
            balanced = self._own.class_weights == "balanced"
            weight = weights[labels.clamp_min(0)] if balanced else torch.ones_like(each)
            return (each * weight * (labels >= 0)).sum()
        ours, theirs = (torch.stack([side, torch.zeros_like(side)], 2) for side in (logits, teacher))
        each = divergence(ours.flatten(0, 1), theirs.flatten(0, 1), t=t).view_as(logits)
        each = each * torch.where(labels == 1, weights, 1.0)
        return (each * (labels != IGNORED)).sum() / len(self.labels)

    def loss_of(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The same, of logits (B, C)."""
        weights = self.weights.to(logits.device)
        smoothing = self._own.label_smoothing
        if not self.several:
            return functional.cross_entropy(
                logits,
                labels.where(labels != UNKNOWN, IGNORED),
                weights if self._own.class_weights == "balanced" else None,
                ignore_index=IGNORED,
                reduction="sum",
                label_smoothing=smoothing,
            )
        targets = labels.clamp_min(0).to(logits.dtype) * (1 - smoothing) + smoothing / 2
        each = functional.binary_cross_entropy_with_logits(
            logits, targets, pos_weight=weights, reduction="none"
        )
        return (each * (labels != IGNORED)).sum() / len(self.labels)

    def count(self, batch: Tensors) -> float:
        """Rows that have a label, or what they weigh together."""
        labels = batch["labels"]
        if self.several:
            return int((labels[:, 0] != IGNORED).sum())
        known = labels[labels >= 0]
        return float(self.weights[known].sum()) if self._own.class_weights == "balanced" else len(known)

    def measure(self, model: Measuring, validation: Validation) -> Metrics:
        """The loss, and the scores of held-out rows; a label that is not known counts as a wrong answer."""
        logits, labels = model.answers(validation.batch), validation.batch["labels"]
        scores = self.scores(logits, validation.batch)
        others = {name: scores[name] for name in _FIGURES if name in scores}
        count = self.count(validation.batch)
        return Metrics(float(self.loss_of(logits, labels)), count, others=others, of_tokens=False)

    def scores(self, logits: Tensor, batch: Tensors, resamples: int = 0) -> dict[str, Any]:
        """All scores of answers to a batch, with intervals by so many resamples of its rows."""
        labels = batch["labels"].numpy()
        if self.several:
            unknown = batch["unknown"].numpy()
            shares = logits.sigmoid().numpy()
            return multilabel_scores(labels, shares, self.labels, unknown=unknown, resamples=resamples)
        return classification_scores(
            labels, logits.double().softmax(1).numpy(), self.labels, resamples=resamples
        )

    def document(self) -> dict[str, Any]:
        """The labels and how a text is read."""
        settings = self._own
        taught = self.train.facts.get("teacher")
        return {
            "tuned": {
                "task": self.name,
                "labels": list(self.labels),
                "several": self.several,
                "pooling": settings.pooling,
                "long_texts": settings.long_texts,
                "context": settings.context,
                **({"teacher": taught} if taught else {}),
            }
        }

    def _class_weights(self) -> Tensor:
        """What each label weighs: 1, or so that all of them weigh the same together.

        Of several labels it is what a text with the label weighs where one without it weighs 1: so that both
        weigh the same together (torch's BCEWithLogitsLoss: negatives / positives, as 300 / 100 = 3).
        """
        marks = np.zeros(len(self.labels))
        if self._own.class_weights == "none":
            return torch.ones(len(self.labels))
        for number in range(len(self.train)):
            np.add.at(marks, self.train.row(number)["labels"].astype(np.int64), 1)
        present = np.maximum(marks, 1)
        if self.several:
            weights = np.maximum(len(self.train) - marks, 1) / present
        else:
            weights = marks.sum() / present / len(self.labels)
        return torch.tensor(weights, dtype=torch.float32)
