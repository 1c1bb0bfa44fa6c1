"""The sha256 of input files, remembered between calls by path, size and time of change."""

from __future__ import annotations

import json
from pathlib import Path

from corpuskit import storage
from corpuskit.errors import InputError


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
            state = path.stat()
            key, stamp = str(path.resolve()), [state.st_size, state.st_mtime_ns]
            known = self._known.get(key)
            if known is not None and known[:2] == stamp:
                return str(known[2])
            digest = storage.sha256_file(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}", remedy="Check the path.") from error
        self._known[key] = [*stamp, digest]
        return digest

    def save(self) -> None:
        """Remember what was computed."""
        storage.write_json(self._memory, self._known, self._memory.parent / storage.TEMPORARY)
        storage.clear(self._memory.parent / storage.TEMPORARY)
