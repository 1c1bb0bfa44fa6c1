"""Folders that ``datasets.save_to_disk`` wrote: which of their files hold the data."""

from __future__ import annotations

import json
from collections.abc import Iterable

from corpuskit.storage.places import plain_name


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
        self.states: set[str] = {name for name in paths if _base(name) == "dataset_dict.json"}
        self.passed: set[str] = set()
        self.unnamed: list[str] = []
        self.unreadable: dict[str, str] = {}
        for name in paths:
            folder = name.removesuffix("state.json")
            if _base(name) == "state.json" and f"{folder}dataset_info.json" in paths:
                self._take(name, folder, paths)

    def _take(self, name: str, folder: str, paths: dict[str, str]) -> None:
        """Look at one dataset."""
        inside = {n for n in paths if n.startswith(folder) and "/" not in n[len(folder) :]}
        self.states |= {name, f"{folder}dataset_info.json"}
        try:
            with open(paths[name], encoding="utf-8") as file:
                named = {folder + str(entry["filename"]) for entry in json.load(file)["_data_files"]}
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            named = {n for n in inside if n.endswith(".arrow")}
            problem = f"not the state of a saved dataset: {error!r}"
            self.unreadable[name] = f"{name}: {problem}. Its .arrow files are read; save the dataset again."
        if missing := sorted(named - inside):
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            first = plain_name(missing[0])
            self.unreadable[name] = f"{name}: names {first}{more}, not there. Save the dataset again."
        # Beside the data lie caches of `map`: other versions of the same rows.
        rest = inside - named - self.unreadable.keys()
        self.passed |= rest
        self.unnamed += sorted(n for n in rest if n.endswith(".arrow"))


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1]
