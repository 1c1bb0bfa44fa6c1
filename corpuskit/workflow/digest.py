"""Digests of what a workflow reads from outside, and of what its steps have made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from corpuskit.errors import CorpuskitError, InputError
from corpuskit.run.folder import Run
from corpuskit.run.layout import BUILD, SHARDS_MANIFEST
from corpuskit.run.layout import path as path_in_run
from corpuskit.storage.digests import Digests
from corpuskit.storage.files import read_sealed, sha256_file, sha256_json
from corpuskit.storage.ownership import EXPORT, FETCHED, MODEL, RUN, TEACHER, kind_of_folder


def digest_of(path: Path, digests: Digests) -> str:
    """The digest of a file, of a folder of ours by its own record, or of all files of another folder.

    Raises InputError where there is nothing, or nothing whole.
    """
    if path.is_file():
        return digests.of(str(path))
    if not path.is_dir():
        raise InputError(f"{path}: is not there", remedy="Put it back, or name another.")
    kind = kind_of_folder(path)
    found: str | None
    if kind is RUN:
        found = run_digest(path)
    elif kind is MODEL:
        found = model_digest(path)
    elif kind in (TEACHER, FETCHED, EXPORT):
        found = sha256_file(path / kind.mark)
    else:
        files = sorted(each for each in path.rglob("*") if each.is_file())
        found = sha256_json([[each.relative_to(path).as_posix(), digests.of(str(each))] for each in files])
    if found is None:
        raise InputError(f"{path}: is not finished", remedy="Finish it, or name another.")
    return found


def run_digest(folder: Path) -> str | None:
    """The digest of a finished build; None where there is none."""
    try:
        run = Run.open_finished(folder)
        names = (path_in_run("record", BUILD), SHARDS_MANIFEST)
        return sha256_json([run.sha256(name) for name in names if run.exists(name)])
    except CorpuskitError:
        return None


def model_digest(folder: Path) -> str | None:
    """The digest of a model's files; None where its training has not ended, or they are not as recorded."""
    try:
        files = read_sealed(folder / "model.json").get("files")
        if not isinstance(files, dict) or not files:
            return None
        own = {name: sha256_file(folder / name) for name in files if name != "curves.svg"}
    except (OSError, ValueError):
        return None
    whole = all(files[name] == digest for name, digest in own.items())
    return sha256_json(own) if whole and own else None


def files_digest(folder: Path, names: list[str]) -> str | None:
    """The digest of files of a folder; None where one is not there."""
    try:
        return sha256_json({name: sha256_file(folder / name) for name in names})
    except OSError:
        return None


def bytes_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def plain(value: Any) -> Any:
    """A value of a YAML file as JSON values: dates, say, become texts.

    >>> plain({"a": (1, 2.5)})
    {'a': [1, 2.5]}
    """
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
