"""The head of a fine-tuned classifier or tagger in the form of `transformers`: class, names and weights.

Of decoders a text's classes are told by the last token that does not pad, of ModernBERT by the mean or by the
first; tags by each token. What else a model was taught to pool no class of theirs computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.hub.families import MODERNBERT, Family
from corpuskit.train.model.lora import CLASSIFIER

_CLASSES = {"classify": "SequenceClassification", "tag": "TokenClassification"}
_POOLINGS = {"mean": "mean", "first": "cls"}
"""Of an encoder, and what ModernBERT calls them."""


@dataclass(frozen=True)
class Head:
    """A head that goes along with an export.

    Attributes:
        architecture: the class of transformers; auto: the one that finds it.
        config: what config.json says of it.
        begun: the weights, by their names.
        without: names of the language model's head, which has no place in it.
    """

    architecture: str
    auto: str
    config: dict[str, Any]
    begun: dict[str, Tensor]
    without: tuple[str, ...] = ("lm_head.weight", "decoder.weight")

    def weights(self, theirs: dict[str, Tensor]) -> dict[str, Tensor]:
        """All weights of the export, out of those of the language model."""
        return {name: each for name, each in theirs.items() if name not in self.without} | self.begun


def head_of(model: LanguageModel, family: Family) -> Head | None:
    """The head of a model that was fine-tuned for labels or tags; None where transformers has none such."""
    tuned = model.document.get("tuned") or {}
    pooling = tuned.get("pooling") or ("mean" if family is MODERNBERT else "last")
    task, encoder = tuned.get("task"), family is MODERNBERT
    poolings = tuple(_POOLINGS) if encoder else ("last",)
    if task not in _CLASSES or task not in family.heads or (task == "classify" and pooling not in poolings):
        return None
    labels = list(tuned["labels"])
    name = "classifier" if encoder else "score"
    begun = {f"{name}.weight": model.model.state_dict()[CLASSIFIER].detach().float().cpu().clone()}
    if encoder or task == "tag":  # Their class has a bias, ours has none.
        begun[f"{name}.bias"] = torch.zeros(len(labels))
    config: dict[str, Any] = {
        "id2label": {str(number): label for number, label in enumerate(labels)},
        "label2id": {label: number for number, label in enumerate(labels)},
        "num_labels": len(labels),
        # By it their class finds the last token of a row. A text begins with it too, and goes on.
        "pad_token_id": model.end_of_text,
    }
    if task == "classify":
        several = "multi_label_classification" if tuned.get("several") else "single_label_classification"
        config |= {"problem_type": several} | ({"classifier_pooling": _POOLINGS[pooling]} if encoder else {})
    return Head(f"{family.stem}For{_CLASSES[task]}", f"AutoModelFor{_CLASSES[task]}", config, begun)


def class_logits(model: LanguageModel) -> Callable[[Tensor], Tensor]:
    """The logits of classes that a classifier or a tagger gives whole rows of ids."""
    tuned = model.document["tuned"]

    def of(ids: Tensor) -> Tensor:
        lengths = torch.full((len(ids),), ids.shape[1])
        if tuned["task"] == "tag":
            return model.model.classify_positions(ids, lengths)
        return model.model.classify(ids, lengths, tuned.get("pooling"))

    return of
