"""Where a data set lies, which splits it has and of which files they are made.

A folder is looked through by the library `datasets`, whose rules for names of splits, configurations and
README files hold here too; but its files are read by our own readers, as they are now. The library's cache
knows a file by size and time alone, and would answer with the rows of an older one. What has code of its own
is refused: no code of a data set is ever run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from corpuskit.errors import InputError, SettingError, nearest
from corpuskit.storage.datasets.saved import ABOUT, SPLITS, STATE, is_saved, splits_of, state_of
from corpuskit.storage.places import is_uri, names_below, plain_name
from corpuskit.storage.rows.formats import format_of

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
"""Names of data sets on the Hub: ``owner/name``, or ``name`` of old ones."""

ALL = "all"
"""The word for all splits, where no split is called so."""

_KINDS = {"json": "jsonl", "csv": "csv", "parquet": "parquet", "arrow": "datasets"}
"""Readers of the library, and ours for the same files. Others are the library's own."""

_USUAL = {"name", "version", "data_dir", "data_files", "description", "features", "sep"}
"""Settings of a reader of the library that ours need not be told: the delimiter is found."""

_CARDS = {"README.md", ".huggingface.yaml", "dataset_infos.json", ".gitattributes"}
_BATCH = 256  # rows at once: a row may be a book


@dataclass(frozen=True)
class Named:
    """A data set by the words of the library.

    Attributes:
        owner: what messages call it: who wants it, and its path.
        path: a folder, one file, or a name on the Hub.
        name: the configuration; the only one, or the default one, if it is empty.
        revision: commit, branch or tag on the Hub.
        on_hub: a path that may be a name on the Hub is one, whatever stands in the working folder.
    """

    owner: str
    path: str
    name: str = ""
    revision: str = ""
    on_hub: bool = False

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine: all that is no name of the Hub, or that is there."""
        is_name = HUB_NAME.fullmatch(self.path)
        return not is_name or (not self.on_hub and os.path.lexists(self.path))

    def require_no_namesake(self) -> None:
        """Raise InputError where the Hub's is meant, and the library would take what lies here for it."""
        if self.on_hub and os.path.lexists(self.path):
            message = (
                f"{self.owner}: {self.path!r} of the Hub is meant, and the working folder holds one, too"
            )
            remedy = f"Call from another folder; or write ./{self.path} where that one is meant."
            raise InputError(message, remedy=remedy)


@dataclass(frozen=True)
class Found:
    """A data set as it was found.

    Attributes:
        kind: how its files are read, a key of `corpuskit.storage.rows.formats.FORMATS`; ``""`` where the
            library has to read them.
        splits: each split in the library's order, with the paths of its files in order; none on the Hub.
        revision: the commit on the Hub; ``""`` of what lies here.
        name: the configuration, where it is known which is meant.
        passed: names below the folder that are not read.
        features: as the library knows them, where it does; else each file tells its own.
    """

    kind: str
    splits: Mapping[str, tuple[str, ...]]
    revision: str = ""
    name: str = ""
    passed: tuple[str, ...] = ()
    features: Mapping[str, Any] = field(default_factory=dict)


def find_folder(named: Named) -> Found:
    """A data set on this machine: a folder of files, what `save_to_disk` wrote, or one file.

    Raises:
        InputError: nothing is there, it needs code to run, or its files are no data set.
        SettingError: a revision, or a configuration of what has none.
    """
    if named.revision:
        message = f"{named.owner}: revision {named.revision!r} of what lies on this machine"
        raise SettingError(message, remedy="Leave it out: revisions are those of the Hub.")
    path = Path(named.path)
    _refuse_code(named, path)
    if path.is_file():
        return _of_file(named, path)
    if not path.is_dir():
        remedy = "Check `path`: a folder, a file, or a name on the Hub (owner/name)."
        raise InputError(f"{named.owner}: is neither a file nor a folder", remedy=remedy)
    saved = splits_of(path)
    if (saved or is_saved(path)) and named.name:
        message = f"{named.owner}: configuration {named.name!r} of a saved data set"
        raise SettingError(message, remedy="Leave `name` out: it was saved without configurations.")
    if saved:
        return _of_saved(path, {split: path / split for split in saved})
    if is_saved(path):
        return _of_saved(path, {state_of(path).split or "train": path})
    return _of_folder(named, path)


def chosen_splits(owner: str, there: Sequence[str], split: str) -> list[str]:
    """The splits that are meant: one, several (``train+test``), or ``all``.

    Raises SettingError for one that is not there, and for none where there are several.

    >>> chosen_splits("x", ["train", "test"], "test+train"), chosen_splits("x", ["test"], "")
    (['test', 'train'], ['test'])
    """
    names = ", ".join(there)
    if not split:
        if len(there) == 1:
            return list(there)
        message = f"{owner}: no split is named, and there are {len(there)}: {names}"
        raise SettingError(message, remedy=f"Say which: `split: {there[0]}`, or `split: {ALL}`.")
    if split == ALL and ALL not in there:
        return list(there)
    wanted = [split] if split in there else [each.strip() for each in split.split("+")]
    for each in wanted:
        if each not in there:
            cut = " A piece of a split cannot be had." if "[" in each else ""
            message = f"{owner}: no split {each!r}; there are: {names}"
            raise SettingError(message, remedy=f"{nearest(each, there)}{cut}")
    return list(dict.fromkeys(wanted))


def stream(named: Named, split: str) -> Iterator[pa.RecordBatch]:
    """The rows of a split as the library reads them, in its order; nothing is kept on this disk.

    Raises InputError where that breaks off.
    """
    import datasets

    with quiet():
        try:
            data = datasets.load_dataset(
                named.path, named.name or None, split=split, revision=named.revision or None, streaming=True
            )
            for table in data.with_format("arrow").iter(batch_size=_BATCH):
                yield from table.combine_chunks().to_batches()
        except Exception as error:  # Of the net, or of whatever reader the library has for such files.
            message = f"{named.owner}: split {split!r} cannot be read on: {reason(error)}"
            raise InputError(message, remedy="Call again; if it stays, save it as Parquet.") from error


@contextmanager
def quiet() -> Iterator[None]:
    """The library without progress bars, and without torch: it imports that to read a stream."""
    import datasets

    bars, torch = datasets.are_progress_bars_disabled(), datasets.config.TORCH_AVAILABLE
    level = datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    datasets.config.TORCH_AVAILABLE = False
    try:
        yield
    finally:
        datasets.config.TORCH_AVAILABLE = torch
        datasets.logging.set_verbosity(level)
        if not bars:
            datasets.enable_progress_bars()


def reason(error: BaseException) -> str:
    """What an error of the library says, on one line of bounded length."""
    return (" ".join(str(error).split()) or type(error).__name__)[:400]


def needs_code(named: Named, script: str) -> InputError:
    """The error of a data set that is made by a script."""
    message = f"{named.owner}: is made by {script}, and code of a data set is never run"
    remedy = "Have it converted to Parquet where you trust it, or name a file of data in it as `path`."
    return InputError(message, remedy=remedy)


def _refuse_code(named: Named, path: Path) -> None:
    script = f"{path.name}.py"
    if path.suffix == ".py" or (path / script).is_file():
        raise needs_code(named, path.name if path.suffix == ".py" else script)


# -------------------------------------------------------------------------------------------- what lies here
def _of_file(named: Named, path: Path) -> Found:
    kind = format_of(path.name)
    if kind in ("", "text") or named.name:
        what = f"configuration {named.name!r} of one file" if named.name else "of no kind that has rows"
        remedy = (
            "Leave `name` out." if named.name else "Read are JSON, CSV, Parquet, Arrow; `files` reads text."
        )
        raise InputError(f"{named.owner}: {what}", remedy=remedy)
    return Found(kind, {"train": (str(path),)})


def _of_saved(root: Path, folders: Mapping[str, Path]) -> Found:
    splits = {
        split: tuple(str(folder / name) for name in state_of(folder).files)
        for split, folder in folders.items()
    }
    return Found("datasets", splits, passed=_passed(root, splits, {SPLITS, STATE, ABOUT}))


def _passed(root: Path, splits: Mapping[str, Sequence[str]], known: set[str]) -> tuple[str, ...]:
    """Names below a folder that no split has, and that do not only describe it."""
    read = {os.path.relpath(path, root) for paths in splits.values() for path in paths}
    names = [name for name in names_below(root) if name not in read]
    return tuple(plain_name(name) for name in names if name.rpartition("/")[2] not in known | _CARDS)


def _of_folder(named: Named, folder: Path) -> Found:
    """By the library's builder, which looks at names alone; its cache is none of the user's."""
    import datasets

    try:
        with quiet(), TemporaryDirectory() as cache:
            builder = datasets.load_dataset_builder(str(folder), named.name or None, cache_dir=cache)
    except Exception as error:  # Names of configurations, a README that is none, no file of a known kind.
        seen = ", ".join(names_below(folder)[:6]) or "nothing"
        message = f"{named.owner}: no data set: {reason(error)}; there is {plain_name(seen)}"
        remedy = "Check `path` and `name`. Read are CSV, JSON, Parquet, Arrow and what `datasets` knows."
        raise InputError(message, remedy=remedy) from error
    config = builder.config
    splits = {str(split): tuple(map(str, files)) for split, files in (config.data_files or {}).items()}
    for path in (path for files in splits.values() for path in files):
        if is_uri(path):
            message = f"{named.owner}: its README names files that lie elsewhere: {path}"
            raise InputError(message, remedy="Bring them here, so that what is read can be proved.")
    if not any(splits.values()):
        raise InputError(f"{named.owner}: no file of data", remedy="Check `path`.")
    # The library follows links on the way to the folder; names are those below the path that was given.
    real, root = str(folder.resolve()), str(folder)
    splits = {
        split: tuple(
            root + path.removeprefix(real) if path.startswith(f"{real}/") else path for path in files
        )
        for split, files in splits.items()
    }
    kind = _KINDS.get(type(builder).__module__.rpartition(".")[2], "")
    plain = all(format_of(path) == kind for files in splits.values() for path in files)
    kind = kind if plain and not _told_how(config) else ""
    return Found(kind, splits, passed=_passed(folder, splits, set()))


def _told_how(config: Any) -> bool:
    """Whether a README says how the files are to be read, beyond which these are."""
    usual = vars(type(config)(name=config.name))
    return any(value != usual.get(key) for key, value in vars(config).items() if key not in _USUAL)
