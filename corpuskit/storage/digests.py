"""The sha256 of input files, remembered between calls by path, size and time of change."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from corpuskit.errors import InputError, read_remedy
from corpuskit.storage.files import TEMPORARY, read_sealed, seal, write_json
from corpuskit.storage.places import is_uri, open_file, stamp


class Digests:
    """Digests of files. The memory lies in ``logs/``: it speeds a build up and no output depends on it."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, list[object]] = {}
        # Damaged, or of an older version: the files are read again.
        with suppress(OSError, ValueError):
            known = read_sealed(memory).get("files")
            self._known = known if isinstance(known, dict) else {}

    def of(self, file: str) -> str:
        """The sha256 of a file, by path or URI. Raises `InputError` if it is not there."""
        try:
            place = (
                file
                if is_uri(file)
                else os.fsencode(Path(file).resolve()).decode("utf-8", "backslashreplace")
            )
            state = list(stamp(file))
            known = self._known.get(place)
            if known is not None and known[:-1] == state:
                return str(known[-1])
            with open_file(file) as stream:
                digest = hashlib.file_digest(cast(Any, stream), "sha256").hexdigest()
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"{file}: cannot be read: {reason}", remedy=read_remedy(error)) from error
        self._known[place] = [*state, digest]
        return digest

    def save(self) -> None:
        """Remember what was computed."""
        write_json(self._memory, seal({"files": self._known}), self._memory.parent / TEMPORARY)
        with suppress(OSError):  # Another process is writing there, too.
            (self._memory.parent / TEMPORARY).rmdir()
