"""The sha256 of input files, remembered between calls by path, size and time of change."""

from __future__ import annotations

import json
import os
from pathlib import Path

from corpuskit import storage
from corpuskit.errors import InputError


def stamp(path: Path) -> tuple[int, ...]:
    """What changes when a file does: its size, times of change, and which file it is.

    The time of change alone can be kept (``cp -p``, ``rsync``, ``tar``); that of the entry cannot.
    """
    state = path.stat()
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino


class Digests:
    """Digests of files. The memory lies in ``logs/``: it speeds a build up and no output depends on it."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, list[object]] = {}
        if memory.is_file():
            try:
                known = json.loads(memory.read_text(encoding="utf-8"))
            except ValueError:
                known = {}  # Damaged: the files are read again.
            self._known = known if isinstance(known, dict) else {}

    def of(self, path: Path) -> str:
        """The sha256 of a file. Raises `InputError` if it is not there."""
        try:
            key, state = os.fsencode(path.resolve()).decode("utf-8", "backslashreplace"), list(stamp(path))
            known = self._known.get(key)
            if known is not None and known[:-1] == state:
                return str(known[-1])
            digest = storage.sha256_file(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}", remedy="Check the path.") from error
        self._known[key] = [*state, digest]
        return digest

    def save(self) -> None:
        """Remember what was computed."""
        storage.write_json(self._memory, self._known, self._memory.parent / storage.TEMPORARY)
        storage.clear(self._memory.parent / storage.TEMPORARY)
