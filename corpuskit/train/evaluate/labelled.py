"""Classifiers and taggers on files whose labels are known: the scores of a run's validation, on any data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from corpuskit.train.evaluate.classification import classification_scores, multilabel_scores
from corpuskit.train.evaluate.compare import Figure, Outcome, figures_of
from corpuskit.train.evaluate.tagging import Span, span_f1, spans
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.predict import Classifier, Tagger, task_of
from corpuskit.train.settings.tune import ClassifySettings
from corpuskit.train.tune.classify import LabelledRow, columns_of, labelled_rows

TASKS = ("classify", "tag")
"""Of fine-tuning those whose models are scored on labels."""

_COLUMNS = ("text", "pair", "label")
_READ_AS = "Write it as CSV in UTF-8: commas between the cells, the columns' names in the first row."
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


def score_labelled(model: LanguageModel, each: LabelledFile) -> Outcome:
    """What a model makes of a file.

    Raises SettingError for a model of another task, and for a file none of whose labels the model knows.
    """
    if task_of(model.document) != each.task:
        raise SettingError(
            f"{each.name} is scored by {each.task}, and a model was fine-tuned for "
            f"{task_of(model.document) or 'nothing'}",
            remedy="Compare models of one task.",
        )
    return _classified(model, each) if each.task == "classify" else _tagged(model, each)


# ---------------------------------------------------------------------------------------------------- labels
def _classified(model: LanguageModel, each: LabelledFile) -> Outcome:
    classifier, account = Classifier(model), Account()
    several = str(each.settings.get("several") or "") if classifier.several else ""
    unknown = UnknownLabels(Labels(classifier.labels, (), 0, several=classifier.several, separator=several))
    rows = list(each.rows(account))
    texts: list[Any] = [row.texts if len(row.texts) > 1 else row.texts[0] for row in rows]
    found = classifier.predict(texts)
    shares = np.array([[said.probabilities[name] for name in classifier.labels] for said in found])
    if classifier.several:
        gold, missed = np.zeros(shares.shape, np.int64), np.zeros(len(rows), np.int64)
        for number, row in enumerate(rows):
            numbers, missed[number] = unknown.numbers(row.label, row.place)
            gold[number, numbers] = 1
        scores = multilabel_scores(gold, shares, classifier.labels, unknown=missed)
        right = [
            float((g == (s >= 0.5)).all() and not m) for g, s, m in zip(gold, shares, missed, strict=True)
        ]
        names = ("subset_accuracy", "micro_f1", "macro_f1", "ece")
    else:
        truth = np.array([unknown.number(row.label, row.place) for row in rows])
        if (truth < 0).all():
            raise SettingError(
                f"{each.name}: the model knows none of its labels; {'; '.join(unknown.sentences())}",
                remedy="Name a file with the labels that it was fine-tuned for.",
            )
        scores = classification_scores(truth, shares, classifier.labels)
        right = [float(t == s) for t, s in zip(truth, shares.argmax(1), strict=True)]
        names = ("accuracy", "macro_f1", "ece", "loss")
    figures: dict[str, Any] = {
        name: {"value": scores.pop(name), "interval": scores["intervals"].get(name)} for name in names
    }
    del scores["intervals"]
    cut = sum(bool(said.cut) for said in found)
    figures |= scores | {"labels": list(classifier.labels), "texts_cut": cut}
    figures["told"] = [*account.sentences(), *unknown.sentences()]
    told = [
        {"place": str(row.place), "label": row.label, "labels": list(said.labels)}
        for row, said in zip(rows, found, strict=True)
    ]
    return Outcome(figures, {names[0]: Figure(right)}, told)


# ------------------------------------------------------------------------------------------------------ tags
def _tagged(model: LanguageModel, each: LabelledFile) -> Outcome:
    tagger, account = Tagger(model), Account()
    sentences = list(each.sentences(account, tagger.scheme))
    numbers = {tag: number for number, tag in enumerate(tagger.labels)}
    gold: list[list[str]] = []
    said: list[list[str]] = []
    nats, known = 0.0, 0
    strange: dict[str, int] = {}
    for sentence, shares in zip(sentences, tagger.shares([s.words for s in sentences]), strict=True):
        gold.append([tag if tag in numbers else _UNKNOWN for tag in sentence.tags])
        said.append([tagger.labels[at] for at in shares.argmax(1)])
        for word, tag in enumerate(sentence.tags):
            if tag in numbers:
                nats -= float(np.log(max(shares[word, numbers[tag]], np.finfo(np.float64).tiny)))
                known += 1
            else:
                strange[tag] = strange.get(tag, 0) + 1
    if not known:
        raise SettingError(
            f"{each.name}: the model knows none of its tags: {', '.join(sorted(strange)[:10])}; "
            f"it knows {', '.join(tagger.labels[:10])}",
            remedy="Name a file with the tags that it was fine-tuned for.",
        )
    scores = span_f1(gold, said, tagger.scheme, tagger.mode)
    right = [float(sum(a == b for a, b in zip(g, s, strict=True))) for g, s in zip(gold, said, strict=True)]
    words = Figure(right, [float(len(g)) for g in gold])
    figures: dict[str, Any] = {"accuracy": figures_of(words)}
    if tagger.scheme != "plain":
        pairs = [_both(g, s, tagger) for g, s in zip(gold, said, strict=True)]
        ratio = Figure([2.0 * len(a & b) for a, b in pairs], [float(len(a) + len(b)) for a, b in pairs])
        figures["span_f1"] = {**figures_of(ratio), "value": scores["f1"]}
        figures["spans"] = {
            name: scores[name] for name in ("gold", "predicted", "right", "precision", "recall")
        }
        figures |= {"kinds": scores["kinds"], "mode": scores["mode"], "scheme": tagger.scheme}
    figures["loss"] = {"value": nats / known, "interval": None}
    figures |= {"sentences": len(gold), "words": sum(map(len, gold)), "unknown": sum(strange.values())}
    told = [
        f"tag {tag!r} is not known from training, its {counted(n, 'word')} count as wrong"
        for tag, n in sorted(strange.items())
    ]
    figures["told"] = [*account.sentences(), *told]
    rows = [
        {"place": str(sentence.place), "tags": list(sentence.tags), "said": tags}
        for sentence, tags in zip(sentences, said, strict=True)
    ]
    return Outcome(figures, {"accuracy": words}, rows)


def _both(gold: Sequence[str], said: Sequence[str], tagger: Tagger) -> tuple[set[Span], set[Span]]:
    """The spans of a sentence, true and predicted."""
    return set(spans(gold, tagger.scheme, tagger.mode)), set(spans(said, tagger.scheme, tagger.mode))


def _is_number(column: Any) -> bool:
    return column is not None and str(column).isdecimal()
