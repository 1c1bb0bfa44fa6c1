"""Classification: one label of a text or of a pair of texts, or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from corpuskit.train.data.examples import Examples
from corpuskit.train.evaluate.classification import DIRECTIONS, classification_scores
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.model.transformer import ModelSettings, Transformer
from corpuskit.train.settings.tune import ClassifySettings
from corpuskit.train.tasks.task import Best, Inputs, Measuring, Metrics, Tensors, Validation
from corpuskit.train.tasks.tuned import Example, Tuned, padded


class Classify(Tuned):
    """A label of each text out of a list, or any number of them; a `Task`.

    Examples have "ids" and "labels", the numbers of the labels that hold. The loss is the cross entropy of
    the label, or with several the mean over labels of that of each by itself.

    Attributes:
        labels: the names, in the order of the classifier's outputs.
    """

    name = "classify"

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
        self.best = Best(settings.choose, DIRECTIONS[settings.choose] == "less")
        self.weights = self._class_weights()

    @property
    def several(self) -> bool:
        """Whether a text may have any number of labels."""
        return self._own.several is not None

    def tensors(self, rows: Sequence[Sequence[Example]]) -> Tensors:
        """ids (B, T), lengths (B,), labels (B,) with IGNORED in empty rows, or (B, C) of 0, 1 and IGNORED."""
        lines = [row[0]["ids"] if row else np.zeros(1, np.int64) for row in rows]
        lengths = torch.tensor([len(line) for line in lines])
        if not self.several:
            labels = torch.tensor([int(row[0]["labels"][0]) if row else IGNORED for row in rows])
        else:
            labels = torch.full((len(rows), len(self.labels)), IGNORED)
            for number, row in enumerate(rows):
                if row:
                    labels[number] = 0
                    labels[number, torch.from_numpy(row[0]["labels"].astype(np.int64))] = 1
        return {"ids": padded(lines, 0), "lengths": lengths, "labels": labels}

    def predicted(self, positions: int) -> int:
        """No logits over the vocabulary are computed."""
        return 0

    def answers(self, model: Transformer, batch: Inputs) -> Tensor:
        """Logits of the labels, (B, C)."""
        return model.classify(batch["ids"], batch["lengths"], self._own.pooling).float()

    def loss(self, model: Transformer, batch: Inputs) -> Tensor:
        """Sum of the losses of the rows, weighted as the settings say."""
        return self.loss_of(self.answers(model, batch), batch["labels"])

    def loss_of(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The same, of logits (B, C)."""
        weights = self.weights.to(logits.device)
        smoothing = self._own.label_smoothing
        if not self.several:
            return functional.cross_entropy(
                logits,
                labels,
                weights if self._own.class_weights == "balanced" else None,
                ignore_index=IGNORED,
                reduction="sum",
                label_smoothing=smoothing,
            )
        targets = labels.clamp_min(0).to(logits.dtype) * (1 - smoothing) + smoothing / 2
        each = functional.binary_cross_entropy_with_logits(logits, targets, weights, reduction="none")
        return (each * (labels != IGNORED)).sum() / len(self.labels)

    def count(self, batch: Tensors) -> float:
        """Rows that have a label, or what they weigh together."""
        labels = batch["labels"]
        if self.several:
            return int((labels[:, 0] != IGNORED).sum())
        if self._own.class_weights == "balanced":
            return float(self.weights[labels[labels != IGNORED]].sum())
        return int((labels != IGNORED).sum())

    def measure(self, model: Measuring, validation: Validation) -> Metrics:
        """The loss, and what `classification_scores` finds, of held-out rows."""
        logits, labels = model.answers(validation.batch), validation.batch["labels"]
        if self.several:
            scores = classification_scores(labels.numpy(), logits.sigmoid().numpy(), several=True)
        else:
            scores = classification_scores(labels.numpy(), logits.softmax(1).numpy())
        return Metrics(
            float(self.loss_of(logits, labels)), self.count(validation.batch), others=scores, of_tokens=False
        )

    def document(self) -> dict[str, Any]:
        """The labels and how a text is read."""
        settings = self._own
        return {
            "tuned": {
                "task": self.name,
                "labels": list(self.labels),
                "several": self.several,
                "pooling": settings.pooling,
                "long_texts": settings.long_texts,
                "context": settings.context,
            }
        }

    def _class_weights(self) -> Tensor:
        """What each label weighs: 1, or so that all of them weigh the same together."""
        marks = np.zeros(len(self.labels))
        if self._own.class_weights == "none":
            return torch.ones(len(self.labels))
        for number in range(len(self.train)):
            np.add.at(marks, self.train.row(number)["labels"].astype(np.int64), 1)
        weights = marks.sum() / np.maximum(marks, 1) / len(self.labels)
        return torch.tensor(weights, dtype=torch.float32)
