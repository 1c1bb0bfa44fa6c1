"""Data sets by the name that the Hugging Face Hub knows them by: from its cache, or from the Hub itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from corpuskit.errors import EmptyError, InputError, SettingError
from corpuskit.train.data.tables.files import choose_split
from corpuskit.train.data.tables.records import Batches, ColumnFile, class_names, said

HUB = "hf:"
"""What the names of such data sets begin with: ``hf:NAME`` or ``hf:NAME:CONFIG``."""
_BATCH = 256


def hub_table(data: str, split: str | None) -> ColumnFile:
    """A data set through `datasets.load_dataset`, which asks the Hub, or its cache where there is no net.

    Raises:
        SettingError: no name, or no such split.
        InputError: it could not be had; the remedy says how without a net.
    """
    name, _, config = data.removeprefix(HUB).partition(":")
    if not name:
        raise SettingError(f"{data}: no data set is named", remedy="Say hf:NAME, or hf:NAME:CONFIG.")
    loaded = _load(data, name, config)
    there = sorted(loaded)
    chosen = choose_split(data, there, split)
    dataset = loaded[chosen]
    if not len(dataset):
        raise EmptyError(
            f"{data}: split {chosen!r} has no row",
            remedy="Save another split by itself, and give its folder.",
        )

    @contextmanager
    def opened(columns: list[str] | None) -> Iterator[Batches]:
        chosen_columns = dataset if columns is None else dataset.select_columns(columns)
        yield _batches(chosen_columns.with_format("arrow"))

    classes = class_names(dataset.features.to_dict())
    others = [each for each in there if each != chosen]
    told = [f"split {chosen!r} is read" + f"; there are also {', '.join(others)}" * bool(others)]
    names, sentences = tuple(dataset.column_names), (*told, *said(classes))
    return ColumnFile(data, names, opened, classes, sentences, stamp=str(dataset._fingerprint))


def _batches(dataset: Any) -> Iterator[pa.RecordBatch]:
    for table in dataset.iter(batch_size=_BATCH):
        yield from table.combine_chunks().to_batches()


def _load(data: str, name: str, config: str) -> Any:
    """All splits of a data set by name."""
    import datasets

    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(name, config or None)
    except Exception as error:  # Of the Hub, of the net, of the reader of whatever the data set is made of.
        why = " ".join(str(error).split()) or type(error).__name__
        remedy = (
            "Check name and configuration. Without a net: load it once where there is one, save it with "
            "`datasets.load_dataset(NAME).save_to_disk(FOLDER)`, and give FOLDER."
        )
        raise InputError(f"{data}: it cannot be loaded: {why[:300]}", remedy=remedy) from error
