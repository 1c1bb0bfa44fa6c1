"""Writing files so that a kill at any moment leaves either the old file or the new one, never half of one."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from corpuskit.errors import RunError, StorageError, write_remedy

TEMPORARY = ".tmp"
"""Folder of a run that holds unfinished files; emptied when a build begins and gone when it ends."""

ATOMIC = re.compile(r"[0-9a-f]{16}-\d+(\.\w+)?")
"""Names of unfinished files in such a folder, see `atomic`."""


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into a `StorageError` that names the file and the remedy."""
    try:
        yield
    except OSError as error:
        reason = f"{path}: cannot be written: {os.strerror(error.errno) if error.errno else error}"
        remedy = f"{write_remedy(error)} Then call the same command again: what was finished is kept."
        raise StorageError(reason, remedy=remedy) from error


@contextmanager
def atomic(path: Path, temporary: Path) -> Iterator[Path]:
    """Yield a temporary name; when the block ends well, flush it to disk and rename it to ``path``.

    Args:
        temporary: a folder on the same file system; the name in it carries the process id.
    """
    with storing(path):
        temporary.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two files of one name lie in different folders, and two processes may write one file.
        name = hashlib.sha256(str(path).encode()).hexdigest()[:16]
        unfinished = temporary / f"{name}-{os.getpid()}{path.suffix}"
        try:
            yield unfinished
            rename(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)


def rename(unfinished: Path, path: Path) -> None:
    """Give a finished file of the same file system its name, for good also if the machine stops now."""
    # The bytes first, then the name: after a crash there must be no name without its bytes.
    flush(unfinished)
    os.replace(unfinished, path)
    flush(path.parent)


def flush(path: Path) -> None:
    """Ask the operating system to bring a file or folder to the disk (`fsync`)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class EarlySync:
    """Brings what is written into an open file to the disk meanwhile, so that little is left to `flush`.

    A thread waits for the disk, which takes no time of a processor. What the disk refuses is an OSError of
    each later call: it says so once, and what was written may not be there.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._written = file, 0
        self._thread: ThreadPoolExecutor | None = None
        self._pending: Future[None] | None = None
        self._error: OSError | None = None

    def wrote(self, size: int) -> None:
        """So many more bytes were written."""
        self._written += size
        busy = self._pending is not None and not self._pending.done()
        if self._error is None and (busy or self._written < _SYNC_BYTES):
            return
        self._wait()
        self._file.flush()
        self._written, self._thread = 0, self._thread or ThreadPoolExecutor(1, "sync")
        self._pending = self._thread.submit(os.fsync, self._file.fileno())

    def end(self) -> None:
        """Wait for what is on its way and end the thread; to be called before the file is closed."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        self._wait()

    def _wait(self) -> None:
        pending, self._pending = self._pending, None
        try:
            if pending is not None:
                pending.result()
        except OSError as error:
            self._error = error
        if self._error is not None:
            raise self._error


_SYNC_BYTES = 4 * 2**20
"""Less than so much is left to `flush`."""


def write_bytes(path: Path, data: bytes, temporary: Path) -> None:
    """Write a whole file atomically."""
    with atomic(path, temporary) as unfinished:
        unfinished.write_bytes(data)


def write_json(path: Path, value: object, temporary: Path) -> None:
    """Write JSON as `json_text` gives it."""
    write_bytes(path, json_text(value).encode(), temporary)


def json_text(value: object) -> str:
    """JSON with sorted keys, one key a line so that people and `diff` can read it."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def read_json(path: Path) -> Any:
    """Read JSON; a damaged file is a `RunError` that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        remedy = "Delete this file and build again: only what depends on it is redone."
        raise RunError(f"{path}: not readable as JSON: {error}", remedy=remedy) from error


def sha256_file(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_json(value: object) -> str:
    """The sha256 of a value's canonical JSON, in hexadecimal: what fingerprints are."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def remove_files(folder: Path, names: re.Pattern[str]) -> None:
    """Remove the files in a folder whose names match, last names first, and the folder if it is empty then.

    Nothing below it is looked at, and a link to a folder is no folder of ours. Raises OSError.
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in sorted(folder.iterdir(), reverse=True):
        if names.fullmatch(path.name) and not path.is_dir():
            path.unlink()
    with suppress(OSError):  # It holds what others put there.
        folder.rmdir()


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_json(value: object) -> str:
    """JSON with sorted keys, no spaces and plain Unicode: the form that is hashed and stored."""
    return _CANONICAL.encode(value)


# ------------------------------------------------------------------------- folders that are no runs
# A model folder has no place of its own for unfinished files: they stand beside what they will become.

UNFINISHED = "tmp-"
"""What the names of unfinished files and folders begin with, where they stand beside finished ones."""


GOES_ON = "What was saved is whole: a run that had begun goes on with --resume."


@contextmanager
def writing(path: Path, kept: str = GOES_ON) -> Iterator[None]:
    """`storing` for a training run, whose remedy is another: what was saved, and how to go on."""
    try:
        yield
    except OSError as error:
        message = f"{path} could not be written: {error.strerror or error}"
        raise StorageError(message, remedy=f"{write_remedy(error)} {kept}") from error


def write_file(path: Path, data: bytes) -> str:
    """Write a file so that a kill leaves the old one or the new one; returns its sha256 in hex.

    Raises StorageError, with the old file in place, when it cannot be written.
    """
    unfinished = path.with_name(f"{UNFINISHED}{path.name}")
    with writing(path):
        try:
            digest = write_durably(unfinished, data)
            os.replace(unfinished, path)
            flush(path.parent)
        except OSError:
            # On a full disk the half that was written takes the room that is needed. If even this fails, the
            # first error says why.
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise
    return digest


def write_durably(path: Path, data: bytes) -> str:
    """Write a file under its own name and flush it to the disk; returns its sha256 in hex. Raises OSError."""
    path.write_bytes(data)
    flush(path)
    return hashlib.sha256(data).hexdigest()


def finite(value: Any) -> Any:
    """The value with None for each number that JSON has no word for: infinities and not-a-number.

    >>> finite({"loss": 710.0, "perplexity": float("inf"), "rates": [0.5, float("nan")]})
    {'loss': 710.0, 'perplexity': None, 'rates': [0.5, None]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return value


def json_bytes(document: Any) -> bytes:
    """A document as JSON with sorted keys, one a line; numbers that are not finite become null."""
    return (json.dumps(finite(document), indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


# ------------------------------------------- JSON documents that tell by themselves whether they are whole
# A file of which a record keeps the sha256 needs no checksum. Records need one, and what is changed in place.

CHECKSUM = "checksum"
_FORM = "sha256:"


def seal(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as JSON values, with its checksum under `CHECKSUM`; see `finite`.

    >>> seal({"step": 3})["checksum"][:15]
    'sha256:f2c76473'
    """
    # What is read back is hashed: a tuple is a list there, and a number that is a key is a text.
    plain = json.loads(json_bytes({k: v for k, v in document.items() if k != CHECKSUM}))
    return {**plain, CHECKSUM: _FORM + sha256_json(plain)}


def read_sealed(path: Path) -> dict[str, Any]:
    """Read a document, without its checksum. One that has none is of an older version and taken as it is.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON object, or not what was written.
    """
    return unsealed(path.read_bytes())


def unsealed(data: bytes) -> dict[str, Any]:
    """`read_sealed` of the bytes of a document. Raises ValueError as it does."""
    try:
        document = json.loads(data.decode())
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    stated = document.pop(CHECKSUM, None)
    # The second: one flipped bit in the name of the checksum, and a new document would pass for an old one.
    if stated is None and not any(str(value).startswith(_FORM) for value in document.values()):
        return document
    # White space around it is no part of the JSON, nor of what was written but for the last line's end.
    if stated != _FORM + sha256_json(document) or data != data.strip() + b"\n":
        raise ValueError("it is not what was written: its checksum does not hold")
    return document


def is_sealed(path: Path) -> bool:
    """Whether a document that can be read has a checksum."""
    return CHECKSUM in json.loads(path.read_bytes())
