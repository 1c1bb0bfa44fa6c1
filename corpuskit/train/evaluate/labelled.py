"""Classifiers and taggers on files whose labels are known: the scores of a run's validation, on any data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from corpuskit.errors import EmptyError, InputError, SettingError, counted
from corpuskit.storage.files import read_sealed
from corpuskit.train.data.tables.conll import Sentence, read_conll
from corpuskit.train.data.tables.labels import Labels, UnknownLabels
from corpuskit.train.data.tables.row import Account
from corpuskit.train.data.tables.table import open_table
from corpuskit.train.evaluate.classification import (
    THRESHOLD,
    Numbers,
    classification_scores,
    multilabel_scores,
)
from corpuskit.train.evaluate.compare import Figure, Outcome, figures_of
from corpuskit.train.evaluate.learnt import Known, keeps_examples, met
from corpuskit.train.evaluate.tagging import Span, span_f1, spans
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.predict import Classifier, Tagger, task_of
from corpuskit.train.settings.tune import ClassifySettings
from corpuskit.train.tune.classify import LabelledRow, columns_of, labelled_rows

TASKS = ("classify", "tag", "seq2seq")
"""Of fine-tuning those whose models are scored on labels, or on texts for texts."""

_COLUMNS = ("text", "pair", "label")
_READ_AS = "Write it as CSV in UTF-8: commas between the cells, the columns' names in the first row."
_ROWS = {"classify": "row", "tag": "sentence"}
_LEAST = np.finfo(np.float64).tiny
_UNKNOWN = "\x00"  # Stands for a tag that the model does not know: no prediction is it.


@dataclass(frozen=True)
class LabelledFile:
    """A file of texts or words whose labels are known.

    Attributes:
        name: what the table calls it.
        task: which models are scored on it.
        settings: the columns that the first model was fine-tuned with, which are taken where they are there.
    """

    path: Path
    name: str
    task: str
    settings: Mapping[str, Any]

    @property
    def what(self) -> str:
        """In words."""
        return f"the labels of {'texts' if self.task == 'classify' else 'words'}"

    def rows(self, account: Account) -> Iterator[LabelledRow]:
        """Texts with their labels; what cannot be used is left out, and the account holds it."""
        table = open_table(str(self.path))
        given = {name: self.settings.get(name) for name in _COLUMNS}
        there = {name: each for name, each in given.items() if each in table.columns or _is_number(each)}
        return labelled_rows(columns_of(table, ClassifySettings.checked(there)), account)

    def sentences(self, account: Account, scheme: str | None = None) -> Iterator[Sentence]:
        """Words with their tags."""
        columns = {name: self.settings.get(name) for name in ("word", "tag")}
        return read_conll(self.path, **columns, scheme=scheme).sentences(account)

    def lines(self) -> Iterator[tuple[str, str]]:
        """Places and texts."""
        if self.task == "classify":
            for row in self.rows(Account()):
                yield str(row.place), "\n".join(row.texts)
            return
        for each in self.sentences(Account()):
            yield str(each.place), " ".join(each.words)


def labelled_task(folder: Path) -> tuple[str, Mapping[str, Any]]:
    """Which labels the model in a folder was fine-tuned for, "" for none, and with which settings."""
    try:
        document = read_sealed(folder / "model.json")
    except (OSError, ValueError):  # What is wrong with it is told by who loads it.
        return "", {}
    task = task_of(document)
    return (task if task in TASKS else ""), (document.get("training") or {}).get("settings") or {}


def labelled_file(path: Path, task: str, settings: Mapping[str, Any]) -> LabelledFile:
    """A file to score on; raises as its reader does where it cannot be read, EmptyError without any row."""
    found = LabelledFile(path, path.name, task, settings)
    account = Account()
    rows: Iterator[Any] = found.rows(account) if task == "classify" else found.sentences(account)
    try:
        first = next(rows, None)
    except (SettingError, InputError) as error:
        if "--set" not in error.remedy:  # Which fine-tuning has for it, and evaluation has not.
            raise
        raise type(error)(error.message, remedy=_READ_AS) from error
    if first is None:
        raise EmptyError(f"{path}: no row can be used", remedy="; ".join(account.sentences()) or "Add some.")
    return found


def score_labelled(model: LanguageModel, folder: Path, each: LabelledFile) -> Outcome:
    """What a model makes of a file: figures of all rows and, where it has learnt from some, of the others.

    Args:
        folder: the model's, which keeps what it was fine-tuned on.

    Raises SettingError for a model of another task, and for a file none of whose labels the model knows.
    """
    if task_of(model.document) != each.task:
        raise SettingError(
            f"{each.name} is scored by {each.task}, and a model was fine-tuned for "
            f"{task_of(model.document) or 'nothing'}",
            remedy="Compare models of one task.",
        )
    said = _Classified(model, each) if each.task == "classify" else _Tagged(model, each)
    known = Known(model, folder, said.read) if keeps_examples(folder) else None
    figures = said.figures(np.arange(len(said.read)))
    rest = None if known is None or not known.learnt.any() else np.flatnonzero(~known.learnt)
    figures |= {
        "learnt": None if known is None else int(known.learnt.sum()),
        "rest": None if rest is None or not len(rest) else said.figures(rest),
    }
    figures["told"] = [*said.told, *met(folder, known, _ROWS[each.task])]
    return Outcome(figures, said.compared, said.rows)


# ---------------------------------------------------------------------------------------------------- labels
class _Classified:
    """What a classifier says of the rows of a file.

    Attributes:
        read: of each row the ids that were read.
        told: what was odd.
        rows: what is told of each, as JSON values.
        compared: the figure by which models are compared.
    """

    def __init__(self, model: LanguageModel, each: LabelledFile) -> None:
        classifier, account = Classifier(model), Account()
        self._several, self._names = classifier.several, classifier.labels
        separator = str(each.settings.get("several") or "") if self._several else ""
        unknown = UnknownLabels(Labels(self._names, (), 0, several=self._several, separator=separator))
        rows = list(each.rows(account))
        texts: list[Any] = [row.texts if len(row.texts) > 1 else row.texts[0] for row in rows]
        found = classifier.predict(texts)
        self._shares = np.array([[said.probabilities[name] for name in self._names] for said in found])
        self._cut = np.array([bool(said.cut) for said in found])
        self.read = [[classifier.read(text)[0]] for text in texts]
        right = self._several_known(rows, unknown) if self._several else self._one_known(rows, unknown)
        if not self._several and (self._gold < 0).all():
            raise SettingError(
                f"{each.name}: the model knows none of its labels; {'; '.join(unknown.sentences())}",
                remedy="Name a file with the labels that it was fine-tuned for.",
            )
        self.told = [*account.sentences(), *unknown.sentences()]
        self.compared = {self._figures[0]: Figure(right)}
        self.rows = [
            {"place": str(row.place), "label": row.label, "labels": list(said.labels)}
            for row, said in zip(rows, found, strict=True)
        ]

    @property
    def _figures(self) -> tuple[str, ...]:
        if self._several:
            return ("subset_accuracy", "micro_f1", "macro_f1", "ece")
        return ("accuracy", "macro_f1", "ece", "loss")

    def _one_known(self, rows: Sequence[LabelledRow], unknown: UnknownLabels) -> list[float]:
        """Take up the true labels; whether each is what was said, 1 or 0."""
        self._gold = np.array([unknown.number(row.label, row.place) for row in rows])
        return (self._gold == self._shares.argmax(1)).astype(float).tolist()  # type: ignore[no-any-return]

    def _several_known(self, rows: Sequence[LabelledRow], unknown: UnknownLabels) -> list[float]:
        """The same, where a row is right if all of its labels are."""
        self._gold = np.zeros(self._shares.shape, np.int64)
        self._missed = np.zeros(len(rows), np.int64)
        for number, row in enumerate(rows):
            numbers, self._missed[number] = unknown.numbers(row.label, row.place)
            self._gold[number, numbers] = 1
        right = (self._gold == (self._shares >= THRESHOLD)).all(1) & (self._missed == 0)
        return right.astype(float).tolist()  # type: ignore[no-any-return]

    def figures(self, rows: Numbers) -> dict[str, Any]:
        """The figures of some rows, as JSON values."""
        gold, shares = self._gold[rows], self._shares[rows]
        if self._several:
            scores = multilabel_scores(gold, shares, self._names, unknown=self._missed[rows])
        else:
            scores = classification_scores(gold, shares, self._names)
        intervals = scores.pop("intervals")
        found: dict[str, Any] = {
            name: {"value": scores.pop(name), "interval": intervals.get(name)} for name in self._figures
        }
        return found | scores | {"labels": list(self._names), "texts_cut": int(self._cut[rows].sum())}


# ------------------------------------------------------------------------------------------------------ tags
class _Tagged:
    """What a tagger says of the sentences of a file; its attributes are those of `_Classified`."""

    def __init__(self, model: LanguageModel, each: LabelledFile) -> None:
        self._tagger, account = Tagger(model), Account()
        tagger = self._tagger
        sentences = list(each.sentences(account, tagger.scheme))
        numbers = {tag: number for number, tag in enumerate(tagger.labels)}
        self._gold: list[list[str]] = []
        self._said: list[list[str]] = []
        self._nats: list[list[float]] = []
        strange = Counter[str]()
        for sentence, shares in zip(sentences, tagger.shares([s.words for s in sentences]), strict=True):
            self._gold.append([tag if tag in numbers else _UNKNOWN for tag in sentence.tags])
            self._said.append([tagger.labels[at] for at in shares.argmax(1)])
            known = [(word, numbers[tag]) for word, tag in enumerate(sentence.tags) if tag in numbers]
            self._nats.append([-float(np.log(max(shares[at], _LEAST))) for at in known])
            strange.update(tag for tag in sentence.tags if tag not in numbers)
        if not any(self._nats):
            raise SettingError(
                f"{each.name}: the model knows none of its tags: {', '.join(sorted(strange)[:10])}; "
                f"it knows {', '.join(tagger.labels[:10])}",
                remedy="Name a file with the tags that it was fine-tuned for.",
            )
        self.read = [[ids for ids, _ in tagger.read(sentence.words)] for sentence in sentences]
        self.told = [
            *account.sentences(),
            *(
                f"tag {tag!r} is not known from training, its {counted(n, 'word')} count as wrong"
                for tag, n in sorted(strange.items())
            ),
        ]
        self.compared = {"accuracy": self._right(range(len(sentences)))}
        self.rows = [
            {"place": str(sentence.place), "tags": list(sentence.tags), "said": tags}
            for sentence, tags in zip(sentences, self._said, strict=True)
        ]

    def _right(self, rows: Iterable[int]) -> Figure:
        """Words that are right, sentence by sentence."""
        pairs = [(self._gold[row], self._said[row]) for row in rows]
        right = [float(sum(a == b for a, b in zip(g, s, strict=True))) for g, s in pairs]
        return Figure(right, [float(len(g)) for g, _ in pairs])

    def figures(self, rows: Numbers) -> dict[str, Any]:
        """The figures of some sentences, as JSON values."""
        tagger = self._tagger
        gold, said = [self._gold[row] for row in rows], [self._said[row] for row in rows]
        nats = [each for row in rows for each in self._nats[row]]
        found: dict[str, Any] = {"accuracy": figures_of(self._right(rows))}
        if tagger.scheme != "plain":
            scores = span_f1(gold, said, tagger.scheme, tagger.mode)
            pairs = [_both(g, s, tagger) for g, s in zip(gold, said, strict=True)]
            ratio = Figure([2.0 * len(a & b) for a, b in pairs], [float(len(a) + len(b)) for a, b in pairs])
            found["span_f1"] = {**figures_of(ratio), "value": scores["f1"]}
            found["spans"] = {
                name: scores[name] for name in ("gold", "predicted", "right", "precision", "recall")
            }
            found |= {"kinds": scores["kinds"], "mode": scores["mode"], "scheme": tagger.scheme}
        words = sum(map(len, gold))
        found["loss"] = {"value": float(np.mean(nats)) if nats else None, "interval": None}
        return found | {"sentences": len(gold), "words": words, "unknown": words - len(nats)}


def _both(gold: Sequence[str], said: Sequence[str], tagger: Tagger) -> tuple[set[Span], set[Span]]:
    """The spans of a sentence, true and predicted."""
    return set(spans(gold, tagger.scheme, tagger.mode)), set(spans(said, tagger.scheme, tagger.mode))


def _is_number(column: Any) -> bool:
    return column is not None and str(column).isdecimal()
