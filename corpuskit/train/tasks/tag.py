"""Tagging: a label of each word of a sentence."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from corpuskit.train.data.examples import Examples
from corpuskit.train.evaluate.tagging import span_f1
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.model.transformer import ModelSettings, Transformer
from corpuskit.train.settings.tune import TagSettings
from corpuskit.train.tasks.adapting import freeze_unread
from corpuskit.train.tasks.task import Inputs, Measuring, Metrics, Tensors, Validation
from corpuskit.train.tasks.tuned import Example, Tuned, best_by, padded

_NO_SENTENCE = np.array([-1, 0])

UNKNOWN = "\x00"
"""Stands in scores for a tag that is not known from training: no prediction is it."""


class Tag(Tuned):
    """A tag of each word out of a list; a `Task`.

    Examples have "ids", "at", where the last token of each word stands, "tags", the number of each word's
    tag, -1 for one that is not known, and "sentence": its number, and which of its words is the first here. A
    sentence longer than the context is several examples, and is scored as one. A word's tag is told where its
    last token is read, of which a decoder alone has read all of it.

    Attributes:
        tags: the names, in the order of the outputs.
        scheme: of the tags; "plain" for labels that mark no spans.
    """

    name = "tag"
    whole = frozenset({"sentence"})

    def __init__(
        self,
        settings: TagSettings,
        shape: ModelSettings,
        tags: Sequence[str],
        scheme: str,
        train: Examples,
        validation: Examples | None,
        base: str = "",
    ) -> None:
        super().__init__(settings, shape, train, validation, base)
        self._own, self.tags, self.scheme = settings, tuple(tags), scheme
        marked = () if scheme == "plain" else ("span_f1",)
        self.best = best_by(settings.choose, ("loss", "accuracy", *marked))

    def tensors(self, rows: Sequence[Sequence[Example]]) -> Tensors:
        """ids (B, T), lengths (B,), at and tags (B, W), sentence (B, 2).

        The tags are IGNORED where there is no word, a sentence is -1 where it is not known.
        """
        nothing = np.zeros(1, np.int64)
        lines = [row[0]["ids"] if row else nothing for row in rows]
        places = [row[0]["at"] if row else nothing for row in rows]
        tags = [row[0]["tags"] if row else np.full(1, IGNORED) for row in rows]
        lengths = torch.tensor([len(line) for line in lines])
        # What was encoded by earlier versions does not tell.
        known = [row[0].get("sentence", _NO_SENTENCE) if row else _NO_SENTENCE for row in rows]
        return {
            "ids": padded(lines, 0),
            "lengths": lengths,
            "at": padded(places, 0),
            "tags": padded(tags, IGNORED),
            "sentence": torch.from_numpy(np.stack(known).astype(np.int64)),
        }

    def measured_on(self, examples: Examples, most_tokens: int) -> list[int]:
        """Of a sentence all of its parts."""
        numbers = super().measured_on(examples, most_tokens)
        if "sentence" not in examples.columns or len(numbers) == len(examples):
            return numbers
        chosen = {int(examples.row(number)["sentence"][0]) for number in numbers}
        lengths = self.lengths(examples)
        whole = [n for n in range(len(examples)) if int(examples.row(n)["sentence"][0]) in chosen]
        return sorted(whole, key=lambda number: -int(lengths[number]))

    def prepare(self, model: Transformer) -> None:
        """What the settings name learns, but for what no tag comes from."""
        super().prepare(model)
        freeze_unread(model, memory_alone=True)

    @functools.cached_property
    def _most_words(self) -> int:
        sides = (self.train, self.validation_examples, self.test_examples)
        return max(int(each.lengths("tags").max(initial=0)) for each in sides if each is not None)

    def predicted(self, positions: int) -> int:
        """No logits over the vocabulary are computed."""
        return 0

    def logits(self, model: Transformer, batch: Inputs) -> Tensor:
        """Logits of the tags of each word, (B, W, C)."""
        found = model.classify_positions(batch["ids"], batch["lengths"]).float()
        return found.gather(1, batch["at"][:, :, None].expand(-1, -1, found.shape[2]))

    def loss(self, model: Transformer, batch: Inputs) -> Tensor:
        """Sum of the cross entropies of the words' tags."""
        return _losses(self.logits(model, batch), batch["tags"]).sum()

    def count(self, batch: Tensors) -> float:
        """Words whose tag is known."""
        return int((batch["tags"] >= 0).sum())

    def answers(self, model: Transformer, batch: Inputs) -> Tensor:
        """Of each row its loss, then the tag of each word as a number, (B, 1 + most words)."""
        logits = self.logits(model, batch)
        chosen = logits.argmax(2).float()
        losses = _losses(logits, batch["tags"]).sum(1, keepdim=True)
        # As many columns for each part of the rows: parts are put together.
        most = self._most_words
        room = most - chosen.shape[1]
        chosen = functional.pad(chosen, (0, room), value=-1.0) if room > 0 else chosen[:, :most]
        return torch.cat([losses, chosen], dim=1)

    def measure(self, model: Measuring, validation: Validation) -> Metrics:
        """The loss, the share of right words, and the F1 of spans where tags mark some."""
        batch = validation.batch
        found = model.answers(batch)
        scores = self.scores(found, batch)
        others = {"accuracy": scores["accuracy"]}
        if self.scheme != "plain":
            others["span_f1"] = scores["f1"]
        return Metrics(float(found[:, 0].double().sum()), self.count(batch), others=others, of_tokens=False)

    def scores(self, answers: Tensor, batch: Tensors) -> dict[str, Any]:
        """All scores of answers to a batch, see `span_f1`; parts of a sentence are put together before."""
        gold: dict[int, list[str]] = {}
        predicted: dict[int, list[str]] = {}
        for row in _in_order(batch["sentence"]):
            words = [number for number in batch["tags"][row].tolist() if number != IGNORED]
            number = int(batch["sentence"][row, 0])
            sentence = number if number >= 0 else -1 - row
            own = gold.setdefault(sentence, [])
            own += [self.tags[number] if number >= 0 else UNKNOWN for number in words]
            said = answers[row, 1 : 1 + len(words)].tolist()
            predicted.setdefault(sentence, []).extend(self.tags[int(number)] for number in said)
        return span_f1(list(gold.values()), list(predicted.values()), self.scheme, self._own.mode)

    def document(self) -> dict[str, Any]:
        """The tags and how they are counted."""
        own = self._own
        return {
            "tuned": {
                "task": self.name,
                "labels": list(self.tags),
                "scheme": self.scheme,
                "mode": own.mode,
                "context": own.context,
            }
        }


def _in_order(sentences: Tensor) -> list[int]:
    """Rows in the order of their sentences (B, 2), and in these of their words."""
    places = sentences.tolist()
    return sorted(range(len(places)), key=lambda row: (places[row], row))


def _losses(logits: Tensor, tags: Tensor) -> Tensor:
    """-log p of each tag that is known, (B, W); 0 elsewhere."""
    asked = tags.where(tags >= 0, IGNORED)
    return functional.cross_entropy(
        logits.flatten(0, 1), asked.flatten(), ignore_index=IGNORED, reduction="none"
    ).view(tags.shape)
