"""Texts with labels, out of a table, as examples of classification."""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from corpuskit.errors import SettingError, counted
from corpuskit.train.data.examples import Examples, ExamplesWriter
from corpuskit.train.data.tables import usual
from corpuskit.train.data.tables.columns import Columns, find_columns
from corpuskit.train.data.tables.labels import LabelCounter, Labels, UnknownLabels
from corpuskit.train.data.tables.row import Account, Place
from corpuskit.train.data.tables.table import Table, open_table
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.settings.tune import ClassifySettings, TuneSettings
from corpuskit.train.tasks.classify import Classify
from corpuskit.train.tune.reading import text_ids
from corpuskit.train.tune.sides import DEFAULT_SHARE, Cut, contained, key_of, share_of

_LABELS_SHOWN = 30


class _Row(NamedTuple):
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
        account, counter = Account(), self._counter(columns, settings)
        validation, test = (share_of(getattr(settings, side), side) for side in ("validation", "test"))
        cut = Cut(
            (DEFAULT_SHARE if settings.validation is None else validation or 0.0), test or 0.0, settings.seed
        )
        for row in _rows(columns, account):
            counter.add(row.label, row.place)
            cut.add(key_of(*row.texts))
        labels = counter.finish()
        told = [*columns.table.told, *columns.told, *labels.told, _shown(labels), *account.sentences()]
        told += cut.finish()
        writer = _Writer(begun, settings, labels, folder)
        with writer:
            for row in _rows(columns, Account()):
                side = cut.side(key_of(*row.texts))
                writer.add(side, row)
            for side, given in (("validation", settings.validation), ("test", settings.test)):
                if given is not None and share_of(given, side) is None:
                    told += writer.add_file(side, columns_of(open_data(given, settings), settings))
        return [*told, *writer.told()]

    def task(
        self,
        settings: ClassifySettings,
        begun: LanguageModel,
        sides: Mapping[str, Examples],
        base: str,
    ) -> Classify:
        """Learning the labels that were found."""
        train = sides["train"]
        labels = train.facts["labels"]
        shape = replace(
            begun.model.settings, classes=len(labels), dropout=0.0 if settings.lora_rank else settings.dropout
        )
        return Classify(settings, shape, labels, train, sides.get("validation"), base)

    def _counter(self, columns: Columns, settings: ClassifySettings) -> LabelCounter:
        return LabelCounter(
            columns.keys["label"], several=settings.several is not None, separator=settings.several or ""
        )


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


def _rows(columns: Columns, account: Account) -> Iterator[_Row]:
    names = ("text", "pair") if "pair" in columns.keys else ("text",)
    for row in columns.texts(account, names):
        texts = tuple(str(row.values[name]) for name in names)
        yield _Row(texts, row.values["label"], row.place)


def _shown(labels: Labels) -> str:
    shown = ", ".join(labels.shown()[:_LABELS_SHOWN])
    more = f" and {len(labels) - _LABELS_SHOWN} more" if len(labels) > _LABELS_SHOWN else ""
    none = f"; none in {counted(labels.unlabelled, 'row')}" if labels.several and labels.unlabelled else ""
    return f"labels in {counted(labels.rows, 'row')}: {shown}{more}{none}"


class _Writer:
    """Encodes rows into the examples of each side."""

    def __init__(
        self, begun: LanguageModel, settings: ClassifySettings, labels: Labels, folder: Path
    ) -> None:
        self._begun, self._settings, self._labels, self._folder = begun, settings, labels, folder
        self._context = settings.context or begun.model.settings.context
        self._stack = contextlib.ExitStack()
        self._writers: dict[str, ExamplesWriter] = {}
        self._train_keys = array("Q")
        self._unknown = UnknownLabels(labels)
        self._rows: dict[str, int] = {}
        self._cut, self._learnt = 0, np.zeros(len(labels), np.int64)

    def __enter__(self) -> _Writer:
        self._stack.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]
        if error[0] is None:
            self._require_all_labels()

    def add(self, side: str, row: _Row) -> None:
        """Encode a row of a side."""
        if self._labels.several:
            numbers, unknown = self._unknown.numbers(row.label, row.place)
        else:
            number = self._unknown.number(row.label, row.place)
            numbers, unknown = [number], 0
        ids, cut = text_ids(
            self._begun.tokenizer,
            self._begun.end_of_text,
            row.texts,
            self._context,
            self._settings.long_texts,
        )
        self._cut += bool(cut)
        if side == "train":
            self._train_keys.append(key_of(*row.texts))
            np.add.at(self._learnt, numbers, 1)
        self._rows[side] = self._rows.get(side, 0) + 1
        self._writer(side).add(
            ids=ids.astype(np.int32),
            labels=np.array(numbers, np.int32),
            unknown=np.array([unknown], np.int32),
        )

    def add_file(self, side: str, columns: Columns) -> list[str]:
        """Encode a file that is held out, but for texts that are learnt from; what is to be told of it."""
        account = Account()
        known = np.sort(np.frombuffer(self._train_keys, np.uint64))
        for row in _rows(columns, account):
            if contained([key_of(*row.texts)], known)[0]:
                account.leave(f"the text is learnt from too, so it is not measured on ({side})", row.place)
                continue
            self.add(side, row)
        return [*columns.told, *account.sentences()]

    def told(self) -> list[str]:
        """What is to be told of what was written."""
        sides = ", ".join(f"{counted(count, 'row')} {side}" for side, count in self._rows.items())
        told = [sides]
        if self._cut:
            told.append(
                f"{counted(self._cut, 'text')} of {sum(self._rows.values()):,} longer than the context of "
                f"{self._context} tokens: of each its {self._settings.long_texts} is kept"
            )
        return [*told, *self._unknown.sentences()]

    def _writer(self, side: str) -> ExamplesWriter:
        if side not in self._writers:
            facts = {"labels": list(self._labels.names)}
            self._writers[side] = self._stack.enter_context(ExamplesWriter(self._folder / side, facts=facts))
        return self._writers[side]

    def _require_all_labels(self) -> None:
        missing = [n for n, count in zip(self._labels.names, self._learnt, strict=True) if not count]
        if missing and not self._labels.several:
            raise SettingError(
                f"label {missing[0]!r} stands in held-out rows alone: there is none to learn it from",
                remedy="Hold out less, give another --seed, or add rows of it.",
            )
