"""What a fine-tuned model says: `Classifier.load(folder).predict(texts)`, `Tagger`, `Writer`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from corpuskit.errors import SettingError, TrainError, checks_arguments
from corpuskit.train.generate.generate import LanguageModel, check_counts
from corpuskit.train.generate.lines import SEQ2SEQ, Writer, require_writer
from corpuskit.train.tasks.tuned import padded
from corpuskit.train.tune.reading import text_ids
from corpuskit.train.tune.tag import word_ids

Text = str | tuple[str, ...]
"""A text or a pair of texts."""

_AT_ONCE = 4096  # texts that are sorted by length together


Shares = npt.NDArray[np.float64]


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


@dataclass(frozen=True)
class TaggedWords:
    """What a tagger says of a sentence.

    Attributes:
        words, tags: of each word its likeliest tag.
        probabilities: of each of those tags.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    probabilities: tuple[float, ...]


def task_of(document: Mapping[str, Any]) -> str:
    """What a model was fine-tuned for, by its model.json; "" for nothing."""
    return str((document.get("tuned") or {}).get("task", ""))


def load_predictor(
    folder: Path | str, device: str = "auto", *, writes: bool = False
) -> Classifier | Tagger | Writer:
    """The classifier, the tagger or the writer in a model folder.

    Args:
        writes: a text is to be written for each text, whatever the model was taught.

    Raises as `LanguageModel.load`, and SettingError for a model that was taught none of it, or cannot write.
    """
    model = LanguageModel.load(folder, device)
    task = task_of(model.document)
    if writes or task == SEQ2SEQ:
        return Writer(model)
    if not task:
        require_writer(model)  # What of an encoder is to be said first.
    return Tagger(model) if task == "tag" else Classifier(model)


class Classifier:
    """A model that was fine-tuned for `classify`.

    Attributes:
        labels: their names, in the order of the outputs.
        several: whether a text may have any number of them.
    """

    def __init__(self, model: LanguageModel) -> None:
        """Raises SettingError for a model that was not fine-tuned for classification."""
        tuned = _tuned(model, "classify", "classification")
        self.model, self.labels, self.several = model, tuple(tuned["labels"]), bool(tuned["several"])
        self._pooling, self._long_texts, self._context = (
            tuned["pooling"],
            tuned["long_texts"],
            tuned["context"],
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
        wide = logits.double()
        shares = wide.sigmoid() if self.several else wide.softmax(1)
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
        encoded = [self.read(each) for each in texts]
        order = sorted(range(len(encoded)), key=lambda number: len(encoded[number][0]))
        found = torch.zeros(len(texts), len(self.labels))
        for start in range(0, len(order), batch_rows):
            numbers = order[start : start + batch_rows]
            lines = [encoded[number][0] for number in numbers]
            lengths = torch.tensor([len(line) for line in lines], device=model.device)
            logits = model.model.classify(padded(lines, 0).to(model.device), lengths, self._pooling)
            found[torch.tensor(numbers)] = logits.float().cpu()
        return found, [cut for _, cut in encoded]

    def read(self, text: Text) -> tuple[npt.NDArray[np.int64], int]:
        """The ids that it reads of a text or a pair, and how many it does not, since they are too many."""
        texts = [text] if isinstance(text, str) else text
        model = self.model
        return text_ids(model.tokenizer, model.end_of_text, texts, self._context, self._long_texts)

    def _chosen(self, row: list[float]) -> tuple[str, ...]:
        if self.several:
            return tuple(name for name, share in zip(self.labels, row, strict=True) if share > 0.5)
        return (self.labels[row.index(max(row))],)


class Tagger:
    """A model that was fine-tuned for `tag`.

    Attributes:
        labels: the tags, in the order of the outputs.
        scheme, mode: of the tags, and how spans are counted.
    """

    def __init__(self, model: LanguageModel) -> None:
        """Raises SettingError for a model that was not fine-tuned for tagging."""
        tuned = _tuned(model, "tag", "tagging")
        self.model, self.labels = model, tuple(tuned["labels"])
        self.scheme, self.mode, self._context = tuned["scheme"], tuned["mode"], tuned["context"]

    @classmethod
    @checks_arguments
    def load(cls, folder: Path | str, device: str = "auto") -> Tagger:
        """Load a model folder; raises as `LanguageModel.load`, and for a model that is no tagger."""
        return cls(LanguageModel.load(folder, device))

    @checks_arguments
    def tag(self, sentences: Sequence[Sequence[str]], batch_rows: int = 32) -> list[TaggedWords]:
        """The tags of the words of each sentence; they do not depend on the batch, but for rounding."""
        check_counts(batch_rows=batch_rows)
        found = []
        for words, shares in zip(sentences, self.shares(sentences, batch_rows), strict=True):
            tags = tuple(self.labels[number] for number in shares.argmax(1))
            found.append(TaggedWords(tuple(words), tags, tuple(shares.max(1).tolist())))
        return found

    def shares(self, sentences: Sequence[Sequence[str]], batch_rows: int = 32) -> Iterator[Shares]:
        """The probability of each tag for each word of each sentence, (words, tags) in their order."""
        for first in range(0, len(sentences), _AT_ONCE):
            yield from self._group(sentences[first : first + _AT_ONCE], batch_rows)

    @torch.inference_mode()
    def _group(self, sentences: Sequence[Sequence[str]], batch_rows: int) -> list[Shares]:
        model = self.model
        pieces = [(n, ids, at) for n, words in enumerate(sentences) for ids, at in self.read(words)]
        order = sorted(range(len(pieces)), key=lambda each: len(pieces[each][1]))
        found: dict[int, Shares] = {}
        for start in range(0, len(order), batch_rows):
            chosen = order[start : start + batch_rows]
            lines = [np.array(pieces[each][1]) for each in chosen]
            lengths = torch.tensor([len(line) for line in lines])
            logits = model.model.classify_positions(padded(lines, 0).to(model.device), lengths).float()
            shares = logits.cpu().double().softmax(2)
            for row, each in enumerate(chosen):
                found[each] = shares[row, pieces[each][2]].numpy()
        told: list[list[Shares]] = [[] for _ in sentences]
        for each, (number, _, _) in enumerate(pieces):
            told[number].append(found[each])
        return [np.concatenate(parts or [np.zeros((0, len(self.labels)))]) for parts in told]

    def read(self, words: Sequence[str]) -> Iterator[tuple[list[int], list[int]]]:
        """The ids that it reads of a sentence, and where the last one of each word stands.

        A sentence that does not fit the context is read in pieces, as in training.
        """
        return word_ids(self.model.tokenizer, self.model.end_of_text, words, self._context)


def _tuned(model: LanguageModel, task: str, what: str) -> dict[str, Any]:
    """What model.json says of how a model was fine-tuned; raises SettingError for another task."""
    if task_of(model.document) != task:
        raise SettingError(
            f"this model was not fine-tuned for {what}",
            remedy=f"Fine-tune it: `corpuskit finetune MODEL DATA --task {task} --out MODEL2`.",
        )
    tuned: dict[str, Any] = model.document["tuned"]
    if len(tuned["labels"]) != model.model.settings.classes:
        raise TrainError(
            f"model.json names {len(tuned['labels'])} labels, the model has {model.model.settings.classes}",
            remedy="Bring model.json back from a copy, or fine-tune again.",
        )
    return tuned
