"""Data sets of the Hugging Face Hub: which commit is meant, and its rows out of a cache or the net.

What is read is a function of name, configuration, commit and split, wherever it comes from: the library's
cache holds the rows that it would stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from corpuskit.errors import InputError, SettingError
from corpuskit.storage.datasets.find import Found, Named, find_folder, needs_code, quiet, reason, stream
from corpuskit.storage.rows.arrow import DAMAGE, open_batches
from corpuskit.storage.streams import arrow_file

PATIENCE = 8.0
"""Seconds that the Hub has to answer."""

_COMMIT = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True)
class Cached:
    """A data set in the library's cache.

    Attributes:
        folder: where its Arrow files lie.
        name: its configuration.
        revision: its commit.
        files: of each split, in order.
    """

    folder: Path
    name: str
    revision: str
    features: dict[str, Any]
    files: dict[str, tuple[str, ...]]


def find(named: Named, *, fetch: bool = False) -> Found:
    """A data set on this machine, in the library's cache or on the Hub.

    Args:
        fetch: have the library bring all of it into its cache; it is streamed otherwise.

    Raises:
        InputError: it cannot be had, or needs code to run.
        SettingError: a revision or configuration that is not there.
    """
    if named.is_local:
        return find_folder(named)
    named.require_no_namesake()
    revision, why = _commit(named)
    if why is not None:
        return _offline(replace(named, revision=revision), why)
    import datasets

    def load(streaming: bool, name: str = named.name) -> Any:
        return datasets.load_dataset(named.path, name or None, revision=revision, streaming=streaming)

    try:
        with quiet():
            loaded = load(streaming=True)
            about = next(iter(loaded.values())).info
            name = str(about.config_name or "default")
            if fetch and in_cache(replace(named, revision=revision, name=name)) is None:
                load(streaming=False, name=name)
    except Exception as error:
        if "scripts are no longer supported" in str(error):
            raise needs_code(named, str(error).rpartition(" ")[2]) from error
        message = f"{named.owner} at {revision}: it cannot be loaded: {reason(error)}"
        raise InputError(message, remedy="Check path and name, or give a local folder.") from error
    features = about.features.to_dict() if about.features else {}
    return Found("", dict.fromkeys(map(str, loaded), ()), revision, name, features=features)


def _offline(named: Named, why: Exception) -> Found:
    """A data set at a commit that the cache has."""
    if (there := in_cache(named)) is None:
        message = f"{named.owner} at {named.revision}: is not whole in the cache of `datasets`"
        remedy = "Remove it there and connect once, or give the path of a local folder that holds it."
        raise InputError(f"{message}, and the Hub did not answer ({reason(why)})", remedy=remedy) from why
    splits: dict[str, tuple[str, ...]] = dict.fromkeys(there.files, ())
    return Found("", splits, there.revision, there.name, features=there.features)


def rows(named: Named, split: str) -> Iterator[pa.RecordBatch]:
    """The rows of a split of a commit, in the library's order: out of its cache where it is there.

    Raises InputError where they cannot be read to the end.
    """
    cached = in_cache(named)
    if cached is None:
        yield from stream(named, split)
        return
    for path in cached.files[split]:
        try:
            with arrow_file(path) as file:
                yield from open_batches(file)[1]
        except DAMAGE as error:
            message = f"{named.owner}: {path}: damaged in the cache of `datasets`: {reason(error)}"
            raise InputError(message, remedy=f"Remove {cached.folder}, and load it again.") from error


# -------------------------------------------------------------------------------------- which commit is meant
def _commit(named: Named) -> tuple[str, Exception | None]:
    """The commit that path and revision name now: by the Hub; or by the cache, and why."""
    from huggingface_hub import HfApi, errors

    try:
        about = HfApi().dataset_info(named.path, revision=named.revision or None, timeout=PATIENCE)
    except errors.RevisionNotFoundError as error:
        message = f"{named.owner}: no revision {named.revision!r} on the Hub"
        raise SettingError(message, remedy="Give a commit, a branch or a tag of it.") from error
    except errors.RepositoryNotFoundError as error:
        message = f"{named.owner}: no folder is there, and no data set that you may read"
        remedy = "Check `path`; log in with `hf auth login` for what is not public."
        raise InputError(f"{message} on the Hub", remedy=remedy) from error
    except Exception as error:  # Told not to ask, no net, no answer in time, trouble of the Hub.
        return _cached_commit(named, error), error
    script = f"{named.path.rpartition('/')[2]}.py"
    if any(each.rfilename == script for each in about.siblings or ()):
        raise needs_code(named, script)
    return str(about.sha), None


def _cached_commit(named: Named, error: Exception) -> str:
    """The commit that the cache has; that of ``revision`` where one is named."""
    there = _folders(named)
    commits = list(dict.fromkeys(folder.name for folder in there))
    if not commits:
        message = f"{named.owner}: no folder is there, and neither the net nor the cache of `datasets` had it"
        remedy = (
            "Connect once, so that it is fetched; or give the path of a local folder that holds it, as "
            "`datasets.load_dataset(NAME).save_to_disk(FOLDER)` writes it where there is a net."
        )
        raise InputError(f"{message} ({reason(error)})", remedy=remedy) from error
    asked = named.revision or "main"
    noted = _noted_commit(named.path, asked)
    for commit in commits:
        if commit == noted or (_COMMIT.fullmatch(asked) and commit.startswith(asked)):
            return commit
    if named.revision:
        message = f"{named.owner}: revision {named.revision!r} is not in the cache of `datasets`"
        remedy = f"There is: {', '.join(commits)}. Name one of them, or connect once."
        raise InputError(f"{message}, and the Hub did not answer", remedy=remedy) from error
    return commits[0]


def _noted_commit(path: str, revision: str) -> str:
    """The commit that a branch or tag had when the Hub was last asked; ``""`` if that was never noted."""
    from huggingface_hub import constants

    folder = f"datasets--{path.replace('/', '--')}"
    try:
        noted = Path(constants.HF_HUB_CACHE, folder, "refs", revision).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    return noted.strip()


# ---------------------------------------------------------------------------------------- the library's cache
def _folders(named: Named) -> list[Path]:
    """Folders of a data set in the cache, ``configuration/version/commit``, the newest first."""
    import datasets
    from datasets.naming import camelcase_to_snakecase

    *owner, name = named.path.split("/")
    root = Path(datasets.config.HF_DATASETS_CACHE, "___".join([*owner, camelcase_to_snakecase(name)]))
    found = [about.parent for about in root.glob("*/*/*/dataset_info.json")]
    if named.name:
        found = [folder for folder in found if folder.parts[-3] == named.name]
    return sorted(found, key=lambda folder: (-folder.stat().st_mtime_ns, folder.name))


def in_cache(named: Named) -> Cached | None:
    """A data set at a commit in the library's cache, whole; None if it is not there.

    Raises SettingError where several configurations are there, none of them being named or the default.
    """
    there = [folder for folder in _folders(named) if folder.name == named.revision]
    if len(there) > 1:
        usual = [folder for folder in there if folder.parts[-3] == "default"]
        if not usual:
            names = ", ".join(sorted(folder.parts[-3] for folder in there))
            message = f"{named.owner}: several configurations: {names}"
            raise SettingError(message, remedy="Say which: `name: ...`.")
        there = usual
    return _cached(there[0]) if there else None


def _cached(folder: Path) -> Cached | None:
    from datasets import DatasetInfo
    from datasets.naming import filenames_for_dataset_split

    info = DatasetInfo.from_directory(str(folder))
    files: dict[str, tuple[str, ...]] = {}
    for split in (info.splits or {}).values():
        paths: Sequence[str] = filenames_for_dataset_split(
            str(folder), info.dataset_name, split.name, "arrow", shard_lengths=split.shard_lengths
        )
        files[split.name] = tuple(paths)
    if not files or not all(Path(path).is_file() for paths in files.values() for path in paths):
        return None
    features = info.features.to_dict() if info.features else {}
    return Cached(folder, folder.parts[-3], folder.name, features, files)
