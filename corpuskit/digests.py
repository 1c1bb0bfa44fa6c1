"""The sha256 of input files, remembered between calls by path, size and time of change."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from corpuskit import storage
from corpuskit.errors import InputError

_STREAM_BYTES = 2**20


def is_uri(file: str) -> bool:
    """Whether an input is named by the URI of one of pyarrow's file systems (``s3://bucket/key``)."""
    return "://" in file


def stamp(file: str | Path) -> tuple[int, ...]:
    """What changes when a file does: its size, times of change, and which file it is.

    The time of change alone can be kept (``cp -p``, ``rsync``, ``tar``); that of the entry cannot. An object
    store tells size and time alone.

    Raises:
        OSError: the file is not there or cannot be looked at.
    """
    if is_uri(str(file)):
        from pyarrow import fs

        system, path = fs.FileSystem.from_uri(str(file))
        info = system.get_file_info(path)
        if info.type != fs.FileType.File:
            raise FileNotFoundError(f"{file}: there is no such file")
        return int(info.size), int(info.mtime_ns or 0)
    state = Path(file).stat()
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino


def _sha256(file: str) -> str:
    if not is_uri(file):
        return storage.sha256_file(Path(file))
    from pyarrow import fs

    system, path = fs.FileSystem.from_uri(file)
    digest = hashlib.sha256()
    with system.open_input_file(path) as stream:
        while data := stream.read(_STREAM_BYTES):
            digest.update(data)
    return digest.hexdigest()


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
            digest = _sha256(file)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"{file}: cannot be read: {reason}", remedy="Check the path.") from error
        self._known[place] = [*state, digest]
        return digest

    def save(self) -> None:
        """Remember what was computed."""
        storage.write_json(self._memory, self._known, self._memory.parent / storage.TEMPORARY)
        storage.clear(self._memory.parent / storage.TEMPORARY)
