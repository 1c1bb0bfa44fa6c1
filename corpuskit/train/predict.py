"""What a fine-tuned model says of texts: `Classifier.load(folder).predict(texts)`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from corpuskit.errors import SettingError, TrainError, checks_arguments
from corpuskit.train.generate.generate import LanguageModel, check_counts
from corpuskit.train.tasks.tuned import padded
from corpuskit.train.tune.reading import text_ids

Text = str | tuple[str, ...]
"""A text or a pair of texts."""

_AT_ONCE = 4096  # texts that are sorted by length together


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of a text.

    Attributes:
        labels: those that it gives: the likeliest, or of several each that is likelier than not.
        probabilities: of each label by its name; of one label a text they add up to 1.
        cut: tokens of the text that were not read, since it is longer than the context.
    """

    labels: tuple[str, ...]
    probabilities: dict[str, float]
    cut: int = 0


class Classifier:
    """A model that was fine-tuned for `classify`.

    Attributes:
        labels: their names, in the order of the outputs.
        several: whether a text may have any number of them.
    """

    def __init__(self, model: LanguageModel) -> None:
        """Raises SettingError for a model that was not fine-tuned for classification."""
        tuned: dict[str, Any] = model.document.get("tuned") or {}
        if tuned.get("task") != "classify":
            raise SettingError(
                "this model was not fine-tuned for classification",
                remedy="Fine-tune it: `corpuskit finetune MODEL DATA --task classify --out MODEL2`.",
            )
        self.model, self.labels, self.several = model, tuple(tuned["labels"]), bool(tuned["several"])
        self._pooling, self._long_texts, self._context = (
            tuned["pooling"],
            tuned["long_texts"],
            tuned["context"],
        )
        if len(self.labels) != model.model.settings.classes:
            raise TrainError(
                f"model.json names {len(self.labels)} labels, the model has {model.model.settings.classes}",
                remedy="Bring model.json back from a copy, or fine-tune again.",
            )

    @classmethod
    @checks_arguments
    def load(cls, folder: Path | str, device: str = "auto") -> Classifier:
        """Load a model folder; raises as `LanguageModel.load`, and for a model that is no classifier."""
        return cls(LanguageModel.load(folder, device))

    @checks_arguments
    def predict(self, texts: Sequence[Text], batch_rows: int = 32) -> list[Prediction]:
        """What it says of each text or pair of texts; it does not depend on the batch, but for rounding."""
        return list(self.stream(texts, batch_rows))

    def stream(self, texts: Sequence[Text], batch_rows: int = 32) -> Iterator[Prediction]:
        """The same one by one, in the order of the texts."""
        check_counts(batch_rows=batch_rows)
        for first in range(0, len(texts), _AT_ONCE):
            yield from self._group(texts[first : first + _AT_ONCE], batch_rows)

    def _group(self, texts: Sequence[Text], batch_rows: int) -> list[Prediction]:
        logits, cut = self.logits(texts, batch_rows)
        shares = logits.sigmoid() if self.several else logits.softmax(1)
        return [
            Prediction(self._chosen(row), dict(zip(self.labels, row, strict=True)), left)
            for row, left in zip(shares.tolist(), cut, strict=True)
        ]

    @torch.inference_mode()
    def logits(self, texts: Sequence[Text], batch_rows: int = 32) -> tuple[Tensor, list[int]]:
        """What the labels of each text are told by, float32 (texts, labels), and the tokens not read of each.

        All texts are held at once.
        """
        model = self.model
        encoded = [
            text_ids(
                model.tokenizer,
                model.end_of_text,
                [each] if isinstance(each, str) else each,
                self._context,
                self._long_texts,
            )
            for each in texts
        ]
        order = sorted(range(len(encoded)), key=lambda number: len(encoded[number][0]))
        found = torch.zeros(len(texts), len(self.labels))
        for start in range(0, len(order), batch_rows):
            numbers = order[start : start + batch_rows]
            lines = [encoded[number][0] for number in numbers]
            lengths = torch.tensor([len(line) for line in lines], device=model.device)
            logits = model.model.classify(padded(lines, 0).to(model.device), lengths, self._pooling)
            found[torch.tensor(numbers)] = logits.float().cpu()
        return found, [cut for _, cut in encoded]

    def _chosen(self, row: list[float]) -> tuple[str, ...]:
        if self.several:
            return tuple(name for name, share in zip(self.labels, row, strict=True) if share > 0.5)
        return (self.labels[row.index(max(row))],)
