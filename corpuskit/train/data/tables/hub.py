"""Data sets by the words of the library `datasets`, as a recipe has them, as tables to be fine-tuned on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os.path import basename
from pathlib import Path

from corpuskit.errors import EmptyError, InputError
from corpuskit.storage.datasets import hub
from corpuskit.storage.datasets.features import class_names, noted_features
from corpuskit.storage.datasets.find import Found, Named, chosen_splits, stream
from corpuskit.storage.datasets.words import Words
from corpuskit.storage.files import sha256_file, sha256_json
from corpuskit.train.data.tables.files import choose_split
from corpuskit.train.data.tables.records import Batches, ColumnFile, arrow_table, said


@dataclass(frozen=True)
class Tables:
    """A data set as it was found.

    Attributes:
        files: paths and names of its files, to be opened by what they hold; or tables that are open.
        told: which split is read, in sentences.
    """

    files: tuple[tuple[str, str], ...]
    open: tuple[ColumnFile, ...]
    told: tuple[str, ...]


def named_tables(data: str, words: Words, split: str | None) -> Tables:
    """The files or tables of a data set; what the Hub has is brought into the library's cache.

    Args:
        split: the split, by any of the words for it; that of ``words`` comes first, then train.

    Raises:
        SettingError: no such split, configuration or revision.
        InputError: it could not be had; the remedy says how without a net.
    """
    named = words.named(data)
    found = hub.find(named, fetch=True)
    there = list(found.splits)
    chosen = chosen_splits(data, there, words.split) if words.split else [choose_split(data, there, split)]
    others = [each for each in there if each not in chosen]
    several = f"splits {', '.join(chosen)} are read" if len(chosen) > 1 else f"split {chosen[0]!r} is read"
    told = (several + f"; there are also {', '.join(others)}" * bool(others),)
    if found.kind:
        files = tuple((path, basename(path)) for each in chosen for path in found.splits[each])
        return Tables(files, (), told)
    if found.revision:
        return Tables((), tuple(_cached(named, found, chosen)), (*told, f"revision {found.revision}"))
    return Tables((), tuple(_streamed(named, each, found.splits[each]) for each in chosen), told)


def _cached(named: Named, found: Found, chosen: list[str]) -> Iterator[ColumnFile]:
    """Splits of a data set of the Hub, out of the library's cache."""
    cached = hub.in_cache(replace(named, revision=found.revision, name=found.name))
    if cached is None:
        message = f"{named.owner}: it was fetched and is not in the cache of `datasets`"
        raise InputError(message, remedy="Give the folder of `load_dataset(...).save_to_disk(FOLDER)`.")
    for split in chosen:
        for path in cached.files[split]:
            yield arrow_table(path, basename(path), cached.features)


def _streamed(named: Named, split: str, files: tuple[str, ...]) -> ColumnFile:
    """A split of files that the library alone can read."""
    first = next(stream(named, split), None)
    if first is None:
        raise EmptyError(f"{named.owner}: split {split!r} holds no row", remedy="Name another split.")
    schema = first.schema

    @contextmanager
    def opened(columns: list[str] | None) -> Iterator[Batches]:
        batches = stream(named, split)
        yield batches if columns is None else (batch.select(columns) for batch in batches)

    classes = class_names(noted_features(schema))
    stamp = sha256_json([sha256_file(Path(path)) for path in files])
    return ColumnFile(named.owner, tuple(schema.names), opened, classes, tuple(said(classes)), stamp=stamp)
