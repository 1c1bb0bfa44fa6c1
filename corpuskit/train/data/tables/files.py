"""Which files a table is made of: one, several, a folder of them, or a data set saved to a folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from corpuskit.errors import InputError, SettingError, nearest
from corpuskit.storage.datasets.saved import is_saved, splits_of, state_of
from corpuskit.storage.places import local_path, names_below, plain_name
from corpuskit.storage.rows.formats import format_of

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "testing"),
}
"""Splits, and how they are called in names of files."""
_TABLES = ("jsonl", "csv", "parquet", "datasets")
_SHOWN = 6


@dataclass(frozen=True)
class Found:
    """The files of a table.

    Attributes:
        files: paths and names, in the order in which they are read.
        saved: whether they are the Arrow files of a saved data set.
        split: which of several splits they are; ``""`` if there is but one.
        told: what was found and passed over, in sentences.
    """

    files: tuple[tuple[str, str], ...]
    saved: bool = False
    split: str = ""
    told: tuple[str, ...] = field(default=())


def find_files(data: str | Path | Sequence[str | Path], split: str | None) -> Found:
    """The files that are meant by a path, or by several.

    Raises:
        InputError: nothing is there, or nothing that can be a table.
        SettingError: there is no such split, or none is asked for where none is that of training.
    """
    if not isinstance(data, str | Path):
        paths = [_there(path) for path in data]
        if not paths or split is not None:
            what = "no file is named" if not paths else f"split {split!r} of files that are named one by one"
            raise SettingError(what, remedy="Name the files of this split alone.")
        return Found(tuple((str(path), path.name) for path in paths))
    path = _there(data)
    if path.is_dir():
        return _of_folder(path, split)
    if split is not None and split_of(path.name) != known_split(split):
        remedy = "Name the file of that split, or a folder in which files are called train, validation, test."
        raise SettingError(f"{path}: a file has no split {split!r}", remedy=remedy)
    return Found(((str(path), path.name),))


def known_split(split: str) -> str:
    """The name of a split by any of the words for it: ``dev`` is ``validation``.

    >>> known_split("dev"), known_split("unsupervised")
    ('validation', 'unsupervised')
    """
    return next((name for name, words in SPLITS.items() if split.lower() in words), split)


def split_of(name: str) -> str:
    """The split that the path of a file tells; ``""`` for none.

    >>> split_of("train-00000-of-00002.parquet"), split_of("validation/a.csv"), split_of("trained.csv")
    ('train', 'validation', '')
    """
    *folders, file = name.lower().split("/")
    words = [re.split(r"[^a-z]+", file)[:-1] or [file], *([folder] for folder in reversed(folders))]
    for each in words:
        found = [split for split, called in SPLITS.items() if set(each) & set(called)]
        if len(found) == 1:
            return found[0]
    return ""


def choose_split(name: str, there: Sequence[str], split: str | None) -> str:
    """Which of several splits is meant; raises SettingError if none is.

    >>> choose_split("squad", ["train", "validation"], None)
    'train'
    """
    if split is None:
        if len(there) == 1 or "train" in there:
            return there[0] if len(there) == 1 else "train"
        raise SettingError(
            f"{name}: it has the splits {', '.join(there)}",
            remedy="Give the files, or the saved folder, of one of them alone.",
        )
    by_name = {known_split(each): each for each in there} | {each: each for each in there}
    found = by_name.get(split) or by_name.get(known_split(split))
    if found is None:
        raise SettingError(f"{name}: no split {split!r}", remedy=nearest(split, there))
    return found


def _there(data: str | Path) -> Path:
    path = local_path(data).expanduser()
    if not str(data) or not (path.is_file() or path.is_dir()):
        near = _near(path) if str(data) else ""
        remedy = f"{near}Check the path; a data set of the Hub is called hf:NAME."
        raise InputError(f"{str(data)!r}: no file and no folder is there", remedy=remedy)
    return path


def _near(path: Path) -> str:
    try:
        there = [each.name for each in path.parent.iterdir()]
    except OSError:
        return f"There is no folder {path.parent}. "
    hint = nearest(path.name, there) if there else ""
    return f"{hint} " if hint.startswith("Did") else ""


def _of_folder(folder: Path, split: str | None) -> Found:
    if there := splits_of(folder):
        chosen = choose_split(str(folder), there, split)
        return _saved(folder / chosen, chosen, _others(there, chosen))
    if is_saved(folder):
        found = _saved(folder, "", ())
        if split is not None and known_split(split) != known_split(found.split):
            message = f"{folder}: no split {split!r}: it is one data set, split {found.split or 'not told'}"
            raise SettingError(message, remedy="Leave split out.")
        return found
    names = names_below(folder)
    tables = [name for name in names if format_of(name) in _TABLES]
    if not tables:
        seen = ", ".join(map(plain_name, names[:_SHOWN])) or "nothing"
        remedy = "Read are .csv, .tsv, .jsonl, .json, .parquet, .arrow; name a file of another ending itself."
        raise InputError(f"{folder}: no table in this folder; there is {seen}", remedy=remedy)
    passed = [f"{len(names) - len(tables)} other files are passed over"] if len(names) > len(tables) else []
    by_split: dict[str, list[str]] = {}
    for name in tables:
        by_split.setdefault(split_of(name), []).append(name)
    there = sorted(each for each in by_split if each)
    if not there and split is not None:
        message = f"{folder}: no split {split!r}: no file is called train, validation or test"
        raise SettingError(message, remedy="Name the file, without a split.")
    chosen = choose_split(str(folder), there, split) if there else ""
    if there and by_split.get(""):
        passed.append(f"{len(by_split[''])} tables whose names tell no split are passed over")
    files = tuple((str(folder / name), name) for name in by_split[chosen])
    return Found(files, split=chosen, told=(*_others(there, chosen), *passed))


def _others(there: Sequence[str], chosen: str) -> tuple[str, ...]:
    if len(there) < 2:
        return ()
    return (
        f"split {chosen!r} is read; there are also {', '.join(each for each in there if each != chosen)}",
    )


def _saved(folder: Path, split: str, told: tuple[str, ...]) -> Found:
    """The Arrow files of one saved data set: those of its state, not the caches that lie beside them."""
    state = state_of(folder)
    files = tuple((str(folder / name), name) for name in state.files)
    return Found(files, True, split or state.split, told)
