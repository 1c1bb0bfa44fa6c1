"""Texts with labels, out of a table, as examples of classification."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError, counted
from corpuskit.train.data.examples import Examples
from corpuskit.train.data.tables import usual
from corpuskit.train.data.tables.columns import Columns, find_columns
from corpuskit.train.data.tables.labels import LabelCounter, Labels, UnknownLabels
from corpuskit.train.data.tables.row import Account, Place
from corpuskit.train.data.tables.splits import TRAIN
from corpuskit.train.data.tables.table import Table, open_table
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.model.lora import base_fingerprint
from corpuskit.train.predict import Classifier
from corpuskit.train.settings.tune import ClassifySettings, TuneSettings
from corpuskit.train.tasks.adapting import tuned_shape
from corpuskit.train.tasks.classify import Classify
from corpuskit.train.tune.reading import text_ids
from corpuskit.train.tune.sides import Sides, SidesWriter

_LABELS_SHOWN = 30
_AT_ONCE = 32  # texts that a teacher reads together


class LabelledRow(NamedTuple):
    """A row of a table: its text or pair of texts, and its label or labels as they stand there."""

    texts: tuple[str, ...]
    label: object
    place: Place


class Classification:
    """Fine-tuning for labels of texts; a `Purpose`."""

    name = "classify"
    settings = ClassifySettings
    epochs, batch_rows, rate = 3.0, 16, 1e-4

    def encode(self, data: str, begun: LanguageModel, settings: ClassifySettings, folder: Path) -> list[str]:
        """Two passes: one counts labels and copies and refuses what cannot be learnt, the other encodes."""
        columns = columns_of(open_data(data, settings), settings)
        account, sides = Account(), Sides(settings)
        label, several = columns.keys["label"], settings.several
        classes = columns.table.classes.get(label)
        counter = LabelCounter(label, several is not None, several or "", classes=classes)
        numbers: dict[str, int] = {}
        for row in labelled_rows(columns, account):
            counter.add(row.label, row.place)
            number = numbers.setdefault(str(row.label).strip(), len(numbers))
            sides.add(row.place, *row.texts, label=number)
        labels = counter.finish()
        told = [*columns.table.told, *columns.told, *labels.told, _shown(labels), *account.sentences()]
        told += sides.finish()
        held = {side: columns_of(open_data(file, settings), settings) for side, file in sides.files.items()}
        teacher = None if settings.teacher is None else _Teacher(settings.teacher, settings.device, labels)
        facts = {"labels": list(labels.names)} | ({"teacher": teacher.facts} if teacher else {})
        with SidesWriter(folder, facts) as writer:
            encoder = _Encoder(begun, settings, labels, writer, teacher)
            for number, row in enumerate(labelled_rows(columns, Account())):
                encoder.add(sides.of_row(number), row)
            for side, others in held.items():
                rows = partial(labelled_rows, others)
                told += [
                    *others.told,
                    *sides.add_file(side, data, rows, lambda row: row.texts, encoder.add),
                ]
            encoder.flush()
            encoder.require_all_labels()
            told += encoder.told()
        return told

    def task(
        self, settings: ClassifySettings, begun: LanguageModel, sides: Mapping[str, Examples], base: str
    ) -> Classify:
        """Learning the labels that were found."""
        labels = sides[TRAIN].facts["labels"]
        shape = tuned_shape(begun.model.settings, settings, len(labels))
        return Classify(settings, shape, labels, sides[TRAIN], sides.get("validation"), base)


def open_data(data: str, settings: TuneSettings) -> Table:
    """A table of the data, as the settings say that it is written."""
    return open_table(data, delimiter=settings.delimiter, header=settings.header, encoding=settings.encoding)


def columns_of(table: Table, settings: ClassifySettings) -> Columns:
    """The columns of texts and labels."""
    return find_columns(table, *_wanted(table, settings))


def _wanted(
    table: Table, settings: ClassifySettings
) -> tuple[dict[str, tuple[str, ...]], dict[str, str | int]]:
    """The columns that are wanted, with their usual names, and those that were given."""
    given = {"text": settings.text, "pair": settings.pair, "label": settings.label}
    wanted: dict[str, tuple[str, ...]] = {"text": usual.TEXT, "label": usual.LABEL}
    pairs = [names for names in usual.PAIRS if set(names) <= set(table.columns)]
    if settings.pair is not None or (pairs and settings.text is None):
        first, second = pairs[0] if pairs else ("", "")
        wanted = {"text": (first, *usual.TEXT), "pair": (second,), "label": usual.LABEL}
    chosen: dict[str, str | int] = {
        name: column for name, column in given.items() if column is not None and name in wanted
    }
    return wanted, chosen


def texts_of(
    data: str, settings: ClassifySettings, tell: Callable[[str], None]
) -> Iterator[str | tuple[str, ...]]:
    """The texts, or pairs of texts, of a table that needs no labels; what is odd is told at its end."""
    table = open_data(data, settings)
    wanted, given = _wanted(table, settings)
    del wanted["label"]
    given.pop("label", None)
    columns, account = find_columns(table, wanted, given), Account()
    names = tuple(wanted)
    for row in columns.texts(account, names):
        texts = tuple(str(row.values[name]) for name in names)
        yield texts if len(texts) > 1 else texts[0]
    for sentence in account.sentences():
        tell(sentence)


def labelled_rows(columns: Columns, account: Account) -> Iterator[LabelledRow]:
    """The rows that have a text; what is left out, and what is odd, the account takes up."""
    names = ("text", "pair") if "pair" in columns.keys else ("text",)
    has_classes = columns.keys["label"] in columns.table.classes
    for row in columns.texts(account, names):
        if has_classes and row.values["label"] is None:
            account.leave("there is no label: class -1", row.place)
            continue
        texts = tuple(str(row.values[name]) for name in names)
        yield LabelledRow(texts, row.values["label"], row.place)


def _shown(labels: Labels) -> str:
    shown = ", ".join(labels.shown()[:_LABELS_SHOWN])
    more = f" and {len(labels) - _LABELS_SHOWN} more" if len(labels) > _LABELS_SHOWN else ""
    none = f"; none in {counted(labels.unlabelled, 'row')}" if labels.several and labels.unlabelled else ""
    return f"labels in {counted(labels.rows, 'row')}: {shown}{more}{none}"


class _Teacher:
    """A classifier that is asked for the labels of texts.

    Attributes:
        facts: who it is.
    """

    def __init__(self, folder: str, device: str, labels: Labels) -> None:
        """Raises SettingError for a model that was not fine-tuned for these labels."""
        self._classifier = Classifier.load(folder, device)
        theirs = self._classifier
        if theirs.several != labels.several:
            raise SettingError(
                f"teacher = {folder} gives {_HOW_MANY[theirs.several]}, the data {_HOW_MANY[labels.several]}",
                remedy="Fine-tune a teacher on data of this kind, or give `several` as it had it.",
            )
        if theirs.labels != labels.names:
            others = [name for name in labels.names if name not in theirs.labels]
            which = f"the data has {others[0]!r}, it has not" if others else ""
            others = [name for name in theirs.labels if name not in labels.names]
            which = which or f"it has {others[0]!r}, the data has not"
            raise SettingError(
                f"teacher = {folder} knows other labels: {len(theirs.labels)} against {len(labels)}; {which}",
                remedy="Take a teacher that was fine-tuned for the labels of the data.",
            )
        fingerprint = base_fingerprint(theirs.model.model)
        self.facts = {"name": Path(folder).resolve().name, "fingerprint": fingerprint}

    def logits(self, texts: Sequence[tuple[str, ...]]) -> npt.NDArray[np.float32]:
        """Those of its answers, (texts, labels)."""
        found: npt.NDArray[np.float32] = self._classifier.logits(texts, len(texts))[0].numpy()
        return found


_HOW_MANY = {True: "several labels of a text", False: "one label of a text"}


class _Encoder:
    """Encodes rows into the examples of each side, those to learn from with what a teacher says of them."""

    def __init__(
        self,
        begun: LanguageModel,
        settings: ClassifySettings,
        labels: Labels,
        writer: SidesWriter,
        teacher: _Teacher | None = None,
    ) -> None:
        self._teacher = teacher
        self._waiting: list[tuple[tuple[str, ...], dict[str, npt.ArrayLike]]] = []
        self._begun, self._settings, self._labels, self._writer = begun, settings, labels, writer
        self._context = settings.context or begun.model.settings.context
        self._unknown = UnknownLabels(labels)
        self._rows = self._cut = 0
        self._learnt = np.zeros(len(labels), np.int64)

    def add(self, side: str, row: LabelledRow) -> None:
        """Encode a row of a side."""
        if self._labels.several:
            numbers, unknown = self._unknown.numbers(row.label, row.place)
        else:
            numbers, unknown = [self._unknown.number(row.label, row.place)], 0
        tokenizer, end, rule = self._begun.tokenizer, self._begun.end_of_text, self._settings.long_texts
        ids, cut = text_ids(tokenizer, end, row.texts, self._context, rule)
        self._rows += 1
        self._cut += bool(cut)
        if side == TRAIN:
            np.add.at(self._learnt, numbers, 1)
        lines: dict[str, npt.ArrayLike] = {"ids": ids.astype(np.int32), "labels": np.array(numbers, np.int32)}
        lines["unknown"] = np.array([unknown], np.int32)
        if side != TRAIN or self._teacher is None:
            self._writer.add(side, **lines)
            return
        self._waiting.append((row.texts, lines))
        if len(self._waiting) == _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Ask the teacher about the rows that wait, and write them."""
        if self._teacher is None or not self._waiting:
            return
        found = self._teacher.logits([texts for texts, _ in self._waiting])
        for (_, lines), logits in zip(self._waiting, found, strict=True):
            self._writer.add(TRAIN, **lines, teacher=logits.view(np.int32))
        self._waiting = []

    def require_all_labels(self) -> None:
        """Raise SettingError where a label cannot be learnt: no row of it is learnt from."""
        each = zip(self._labels.names, self._labels.counts, self._learnt, strict=True)
        missing = [name for name, rows, learnt in each if rows and not learnt]
        if missing and not self._labels.several:
            raise SettingError(
                f"label {missing[0]!r} stands in held-out rows alone: there is none to learn it from",
                remedy="Hold out less, --set split_seed=N for another cut, or add rows of it.",
            )

    def told(self) -> list[str]:
        """What is to be told of what was written."""
        told = [self._writer.told("row")]
        if self._cut:
            told.append(
                f"{counted(self._cut, 'text')} of {self._rows:,} longer than the context of {self._context} "
                f"tokens; of each is kept: {self._settings.long_texts}"
            )
        return [*told, *self._unknown.sentences()]
