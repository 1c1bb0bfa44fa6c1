"""Folders that ``datasets.save_to_disk`` wrote: their splits, and which of their files hold the data.

Beside the data lie caches of `map`, other versions of the same rows, which no ``state.json`` names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from corpuskit.errors import InputError
from corpuskit.storage.places import plain_name

T = TypeVar("T")
SPLITS, STATE, ABOUT = "dataset_dict.json", "state.json", "dataset_info.json"
_WRONG = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What a document that is no JSON, or holds something else, makes its reader raise."""


class State(NamedTuple):
    """What ``state.json`` says of a data set: names of its Arrow files, in order, and of its split."""

    files: tuple[str, ...]
    split: str


def is_saved(folder: Path) -> bool:
    """Whether a folder is one data set that was saved, without splits."""
    return (folder / STATE).is_file() and (folder / ABOUT).is_file()


def splits_of(folder: Path) -> list[str]:
    """Names of the splits of a saved `DatasetDict`; none where the folder is no such thing.

    Raises InputError for a ``dataset_dict.json`` that names none.
    """
    path = folder / SPLITS
    if not path.is_file():
        return []
    splits = _read(path, lambda document: list(map(str, document["splits"])))
    if not splits:
        raise InputError(f"{path}: it names no split", remedy="Save the data set again.")
    return splits


def state_of(folder: Path) -> State:
    """The state of one saved data set. Raises InputError if it cannot be read, or names files in vain."""
    found = _read(folder / STATE, _state)
    if missing := [name for name in found.files if not (folder / name).is_file()]:
        message = f"{folder / STATE}: names {plain_name(missing[0])}, which is not there"
        raise InputError(message, remedy="Save the data set again.")
    return found


def _state(document: Any) -> State:
    names = tuple(str(each["filename"]) for each in document["_data_files"])
    return State(names, str(document.get("_split") or ""))


def _read(path: Path, read: Callable[[Any], T]) -> T:
    """What a JSON document says; raises InputError, naming it, if it does not."""
    try:
        return read(json.loads(path.read_text(encoding="utf-8")))
    except _WRONG as error:
        message = f"{path}: it does not describe a saved data set: {error!r}"
        raise InputError(message, remedy="Save the data set again.") from error


class SavedDatasets:
    """The saved datasets among the files of a folder, by their ``state.json``.

    A dataset whose ``state.json`` cannot be read, or names files that are not there, is not lost: its Arrow
    files that are there are read, and the ``state.json`` is reported.

    Args:
        files: relative name and path of all files.

    Attributes:
        states: names of the files that describe datasets and hold no data.
        passed: names of the files of datasets that are not to be read, ``states`` without the unreadable.
        unnamed: names of those among them that are Arrow files, which no ``state.json`` names.
        unreadable: name of each ``state.json`` that is no good, and why.
    """

    def __init__(self, files: Iterable[tuple[str, str]]) -> None:
        paths = dict(files)
        self.states: set[str] = {name for name in paths if _base(name) == SPLITS}
        self.passed: set[str] = set()
        self.unnamed: list[str] = []
        self.unreadable: dict[str, str] = {}
        for name in paths:
            folder = name.removesuffix(STATE)
            if _base(name) == STATE and f"{folder}{ABOUT}" in paths:
                self._take(name, folder, paths)

    def _take(self, name: str, folder: str, paths: dict[str, str]) -> None:
        """Look at one dataset."""
        inside = {n for n in paths if n.startswith(folder) and "/" not in n[len(folder) :]}
        self.states |= {name, f"{folder}{ABOUT}"}
        try:
            with open(paths[name], encoding="utf-8") as file:
                named = {folder + each for each in _state(json.load(file)).files}
        except _WRONG as error:
            named = {n for n in inside if n.endswith(".arrow")}
            problem = f"not the state of a saved dataset: {error!r}"
            self.unreadable[name] = f"{name}: {problem}. Its .arrow files are read; save the dataset again."
        if missing := sorted(named - inside):
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            first = plain_name(missing[0])
            self.unreadable[name] = f"{name}: names {first}{more}, not there. Save the dataset again."
        rest = inside - named - self.unreadable.keys()
        self.passed |= rest
        self.unnamed += sorted(n for n in rest if n.endswith(".arrow"))


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1]
