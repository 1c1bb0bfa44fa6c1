"""Whose a folder is: what kind of folder stands at a path, who may write into it, and what may be removed.

Each kind of folder that corpuskit writes is known by a file that nobody else writes, its mark; one whose
writer was killed before that file came, by the lock that it left. Whatever else is not empty belongs to
somebody else: nothing is written into it, and what others put into a folder of ours is left there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from corpuskit.errors import CorpuskitError, SettingError, StorageError
from corpuskit.storage.files import UNFINISHED, flush, writing
from corpuskit.storage.lock import hold, written_by
from corpuskit.storage.places import local_path

_SHOWN = 3
"""Names of a foreign folder that a message lists."""


class Kind(NamedTuple):
    """A kind of folder that corpuskit writes.

    Attributes:
        name: what messages call it.
        mark: the JSON file in it that shows what it is, and ``keys`` that this holds.
        inside: matches the folders in it that are its own: no other folder may be begun there.
        lock: the file that its writer holds; none of a folder that appears when it is whole.
        taken: what is said while it is held.
    """

    name: str
    mark: str
    keys: frozenset[str]
    inside: re.Pattern[str]
    lock: str = ""
    taken: str = ""

    def __str__(self) -> str:
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"


# A run's own folders are those of `corpuskit.run.layout`; what else lies in a run is its user's.
_RUN_FOLDERS = (
    r"candidates(-\d+)?|scans|decisions|documents|dropped|quarantine|cuts|tables|planted|counts|tokenizer|encoded"
    r"|shards|manifest|logs|report|index|packing|\.tmp"
)
RUN = Kind(
    "run",
    "run.json",
    frozenset({"format"}),
    re.compile(_RUN_FOLDERS),
    "logs/lock",
    "another build is writing this run",
)
MODEL = Kind(
    "model",
    "model.json",
    frozenset({"format", "model", "end_of_text", "tokenizer_sha256"}),
    re.compile("checkpoints|logs|evaluations|data"),
    "logs/lock",
    "another training is writing this model",
)
EXPORT = Kind(
    "exported model", "export.json", frozenset({"corpuskit", "architecture", "check"}), re.compile("$")
)
EXPORTED_DATA = Kind(
    "folder of exported data", "export.json", frozenset({"corpuskit", "form", "files"}), re.compile("$")
)
FETCHED = Kind(
    "folder of fetched files",
    "fetch.json",
    frozenset({"format", "files"}),
    re.compile(".*"),
    ".fetch-lock",
    "another fetch is writing here",
)
TEACHER = Kind(
    "folder of a teacher's answers",
    "teacher.json",
    frozenset({"format", "teacher", "shards_fingerprint", "splits"}),
    re.compile("logs"),
    "logs/lock",
    "another process is storing answers here",
)
WORKFLOW = Kind(
    "workflow",
    "workflow.json",
    frozenset({"format", "steps", "begun"}),
    # The folders of its steps are runs, models and so on, each with its own mark and lock.
    re.compile("logs"),
    "logs/lock",
    "another process is working on it",
)
KINDS = (RUN, EXPORT, EXPORTED_DATA, MODEL, FETCHED, TEACHER, WORKFLOW)
"""In the order in which they are asked for: an export in one file has a ``model.json`` too."""

_CHECKPOINT = frozenset({"format", "settings", "sha256", "planned_steps"})


def kind_of_folder(folder: Path | str, names: Iterable[str] | None = None) -> Kind | None:
    """What kind of folder of ours stands at a path; None for anything else, and for nothing.

    Args:
        names: what lies in the folder, where that is known: it spares a look at each mark.
    """
    folder = Path(folder)
    there = None if names is None else set(names)
    if there is not None and there.isdisjoint({"logs", "checkpoints", *(kind.mark for kind in KINDS)}):
        return None
    for kind in KINDS:
        if _holds(folder / kind.mark, kind.keys):
            return kind
    for kind in KINDS:
        if kind.lock and written_by(folder / kind.lock) == kind.name:
            return kind
    states = sorted(folder.glob("checkpoints/step-*/state.json"))
    return MODEL if any(_holds(state, _CHECKPOINT) for state in states) else None


def _holds(path: Path, keys: frozenset[str]) -> bool:
    """Whether a file is a JSON object with these keys."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    # run.json holds its format alone, a word that others use too: with more it is theirs.
    return isinstance(value, dict) and keys <= value.keys() and (keys != RUN.keys or value.keys() == keys)


def no_model(folder: Path) -> tuple[str, str]:
    """What a folder without its model.json is, and what to do: the two parts of a message."""
    found, lacks = kind_of_folder(folder) if folder.is_dir() else None, f"{folder} holds no {MODEL.mark}"
    if found is not MODEL:
        return lacks + (f": it is {found}" if found else ""), "Name the --out of a training run."
    if any(folder.glob("checkpoints/step-*/state.json")):
        return lacks, "Go on with `corpuskit train --resume`: it is written anew."
    return (
        f"{folder} holds no model yet: a training has begun here, and has saved no checkpoint",
        "If it has ended, call the same `corpuskit train` again: it begins anew.",
    )


def no_run(folder: Path) -> tuple[str, str]:
    """What a folder without its run.json is, and what to do: the two parts of a message."""
    found = kind_of_folder(folder) if folder.is_dir() else None
    if found is RUN:
        begun = f"{folder}: a build has begun here, but there is no {RUN.mark}"
        return begun, "If it has ended, call the same `corpuskit build` again: it begins anew."
    why = f"it is {found}" if found else f"it has no {RUN.mark}"
    return f"{folder}: not a run folder: {why}", "Give the folder that `corpuskit build --out` has written."


# ------------------------------------------------------------------------------------------- to be written
@contextmanager
def claim(
    out: Path,
    kind: Kind,
    error: type[CorpuskitError],
    *,
    taken: type[CorpuskitError] | None = None,
    adopts: Callable[[str], bool] | None = None,
) -> Iterator[None]:
    """Make a folder, or take one of this kind, and hold its lock until the block ends.

    What was made is gone again where nothing was written into it.

    Args:
        error: of which kind a refusal is; taken: a refusal since another process is writing there.
        adopts: as of `refuse_foreign`.

    Raises:
        error: as of `refuse_foreign`, or another process is writing there.
        StorageError: it cannot be written.
    """
    refuse_foreign(out, kind, error, adopts)
    lock = out / kind.lock
    left = lock.exists()

    def on_taken(who: str) -> CorpuskitError:
        return (taken or error)(
            f"{out}: {kind.taken} ({who})",
            remedy="Wait for it to end, or choose another --out.",
        )

    def marks() -> list[Kind]:
        return [each for each in KINDS if _holds(out / each.mark, each.keys)]

    def keeps() -> bool:
        # A folder without its mark is known as ours by the lock that stays in it.
        return kind not in marks() and (left or not _only(out, lock))

    with _holding(lock, kind.name, on_taken, keeps):
        if others := [each for each in marks() if each is not kind]:  # It came between the look and the lock.
            raise _not_this(out, others[0], kind, error)
        yield


@contextmanager
def _holding(
    lock: Path, writes: str, on_taken: Callable[[str], CorpuskitError], keeps: Callable[[], bool]
) -> Iterator[None]:
    """Hold a lock that goes at the end, unless ``keeps`` says so, with the empty folders made for it."""
    made = [folder for folder in lock.parents if not folder.exists()]
    try:
        with hold(lock, writes, on_taken):
            try:
                yield
            finally:
                if not keeps():
                    lock.unlink(missing_ok=True)
    finally:
        for folder in made:
            with suppress(OSError):  # It holds something.
                folder.rmdir()


def refuse_foreign(
    out: Path, kind: Kind, error: type[CorpuskitError], adopts: Callable[[str], bool] | None = None
) -> None:
    """Raise unless ``out`` may be written as a folder of a kind: not there yet, empty, or of this kind.

    Args:
        adopts: whether a file, by its path below ``out``, may be taken over although nothing shows whose the
            folder is; none may without it.

    Raises:
        error: it holds something of others, is of another kind, is a file, or lies within a folder of ours.
        SettingError: it is a URI.
    """
    local_path(out)
    new = "Choose another --out: a new or empty folder."
    if out.is_symlink() and not out.exists():
        raise error(f"{out}: is a link that leads nowhere: {out.readlink()}", remedy=new)
    if out.exists() and not out.is_dir():
        raise error(f"{out}: is a file, not a folder", remedy=new)
    found = kind_of_folder(out) if out.is_dir() else None
    if found is kind:
        return
    if found is not None:
        raise _not_this(out, found, kind, error)
    try:
        names = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    except OSError as refused:
        raise StorageError(f"{out}: cannot be listed: {refused.strerror}", remedy=new) from refused
    if names and not (adopts and all(map(adopts, _files(out)))):
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise error(
            f"{out}: is not empty and is not {kind}: it holds {', '.join(names[:_SHOWN])}{more}",
            remedy=f"{new} What others wrote is never touched.",
        )
    _refuse_inside(out, error)


def _not_this(out: Path, found: Kind, kind: Kind, error: type[CorpuskitError]) -> CorpuskitError:
    return error(
        f"{out}: is {found}, not {kind}",
        remedy="Choose another --out: a folder of its own for each.",
    )


def _refuse_inside(out: Path, error: type[CorpuskitError]) -> None:
    """Raise where a new folder would lie among the files that another folder of ours is made of."""
    place = out.resolve()
    for below, above in zip((place, *place.parents), place.parents, strict=False):
        found = kind_of_folder(above)
        if found is not None and found.inside.fullmatch(below.name):
            raise error(
                f"{out}: lies among the files of the {found.name} {above}",
                remedy="Choose another --out, outside of it.",
            )


def _files(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()]


def _only(out: Path, lock: Path) -> bool:
    """Whether a folder holds nothing but its lock."""
    own = {lock, *lock.parents}
    return all(path in own for path in out.rglob("*"))


@contextmanager
def making_files(*paths: Path) -> Iterator[None]:
    """Hold a lock while files are written that are not there yet.

    Raises:
        SettingError: one is there, would lie among the files of a folder of ours, or another process is
            writing it.
    """
    _refuse_existing(paths)
    first = paths[0]

    def on_taken(who: str) -> CorpuskitError:
        return SettingError(
            f"--out {first}: another process is writing it ({who})", remedy="Choose another --out."
        )

    lock = first.with_name(f"{UNFINISHED}{first.name}.lock")
    with _holding(lock, first.name, on_taken, keeps=lambda: False):
        _refuse_existing(paths)
        yield


def _refuse_existing(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.exists() or path.is_symlink():
            raise SettingError(
                f"--out {path}: is there already", remedy="Remove it, or choose another --out."
            )
        if (kind := kind_of_folder(path.parent)) is not None:
            raise SettingError(f"--out {path}: {path.parent} is {kind}", remedy="Choose another --out.")
        _refuse_inside(path, SettingError)


def refuse_overlap(out: Path, inputs: Iterable[tuple[str, Path]]) -> None:
    """Raise `SettingError` where ``out`` lies in a folder that is read, or what is read lies in ``out``.

    Args:
        inputs: what each is called, and where it lies; links and ``..`` are followed.
    """
    place = out.resolve()
    for name, path in inputs:
        if not path.exists():
            continue  # Whoever reads it says so.
        read = path.resolve()
        if read.is_dir() and place.is_relative_to(read):
            raise SettingError(
                f"--out {out}: lies in {path}, which {name} reads: a later call would read what this writes",
                remedy=f"Choose an --out outside of {path}.",
            )
        if read.is_relative_to(place):
            how = "is" if read == place else f"holds {path},"
            raise SettingError(
                f"--out {out}: {how} what {name} reads",
                remedy="Choose another --out: what is read is never written.",
            )


@contextmanager
def making_folder(out: Path, kind: Kind, error: type[CorpuskitError]) -> Iterator[Path]:
    """A temporary folder beside OUT that becomes OUT, whole, when the block is done; an error leaves nothing.

    What a process that was killed left of one is removed.

    Raises:
        error: OUT holds something, or another process is making it.
        StorageError: it cannot be written.
    """
    _refuse_full(out, error)
    refuse_foreign(out, kind, error)
    place = out.resolve()
    unfinished = place.with_name(f"{UNFINISHED}{place.name}")
    lock = place.with_name(f"{UNFINISHED}{place.name}.lock")
    left = written_by(lock) != ""

    def on_taken(who: str) -> CorpuskitError:
        return error(f"{out}: another process is making it ({who})", remedy="Choose another --out.")

    with _holding(lock, kind.name, on_taken, keeps=lambda: False):
        _refuse_full(out, error)
        # Without the lock that a killed process leaves it is not ours, whatever it is called.
        if unfinished.exists() and not left:
            raise error(f"{unfinished}: is in the way", remedy="Remove it, or choose another --out.")
        with writing(out, "Nothing of it was left there."):
            shutil.rmtree(unfinished, ignore_errors=True)
            try:
                unfinished.mkdir()
                yield unfinished
                for path in unfinished.iterdir():
                    flush(path)
                os.replace(unfinished, place)
                flush(place.parent)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)


def _refuse_full(out: Path, error: type[CorpuskitError]) -> None:
    if out.is_dir() and any(out.iterdir()):
        raise error(
            f"{out}: is there already, and not empty", remedy="Choose another --out, or remove it first."
        )
