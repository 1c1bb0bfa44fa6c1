"""Writing files: a training run writes through here alone, so that each refusal is the same error."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpuskit.errors import StorageError, TrainError, write_remedy
from corpuskit.shards.writer import sync_folder

TEMPORARY = "tmp-"
"""What the names of unfinished files and folders begin with."""


@contextlib.contextmanager
def writing(
    path: Path, kept: str = "What was saved is whole: a run that had begun goes on with --resume."
) -> Iterator[None]:
    """Turn every refusal of the operating system into a StorageError that names the file and the remedy."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path} could not be written: {error.strerror or error}", remedy=f"{write_remedy(error)} {kept}"
        ) from error


def write_file(path: Path, data: bytes) -> str:
    """Write a file so that a kill leaves the old one or the new one; returns its sha256 in hex.

    Raises StorageError, with the old file in place, when it cannot be written.
    """
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    with writing(path):
        try:
            digest = write_durably(temporary, data)
            os.replace(temporary, path)
            sync_folder(path.parent)
        except OSError:
            # On a full disk the half that was written takes the room that is needed. If even this fails, the
            # first error says why.
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    return digest


def write_durably(path: Path, data: bytes) -> str:
    """Write a file under its own name and flush it to the disk; returns its sha256 in hex. Raises OSError."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def making_folder(out: Path) -> Iterator[Path]:
    """A temporary folder that becomes OUT, whole, when the block is done; an error leaves nothing.

    Raises TrainError when OUT holds something, StorageError when it cannot be written.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise TrainError(f"{out} is there already", remedy="Choose another --out, or remove it first.")
    place = out.resolve()
    temporary = place.with_name(f"{TEMPORARY}{place.name}-{os.getpid()}")
    with writing(out, "Nothing of it was left there."):
        temporary.mkdir(parents=True)
        try:
            yield temporary
            for path in temporary.iterdir():
                with open(path, "rb+") as file:
                    os.fsync(file.fileno())
            os.replace(temporary, place)
            sync_folder(place.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


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
