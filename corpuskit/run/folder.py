"""The run folder: what a build has made, and the record that proves it.

    run.json         format of the folder
    recipe.yaml      the resolved recipe, without the places where inputs lie
    manifest/        one record per finished task: fingerprint, outputs with sha256, its ledger
    ledger.json      the account of the whole build, written when it is finished
    candidates/ scans/ decisions/ documents/ dropped/ quarantine/ cuts/ tables/ tokenizer/ shards/
    logs/ report/    the only places for clocks, machines and absolute paths

A task is done when its record stands in ``manifest/`` with the fingerprint of what made it and its
outputs are there with the recorded sizes. A marker file alone proves nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from corpuskit.documents.ledger import Ledger
from corpuskit.errors import RunError, RunLockedError
from corpuskit.storage.files import TEMPORARY, flush, read_json, sha256_file, storing, write_json

FORMAT = 1
"""Version of the folder's layout. Raised when older builds could not go on in it."""

WORKERS_END = 60
"""Seconds that the workers of a killed build are given to end; they look for it 5 times a second."""

_ATTENDED: list[IO[str]] = []

UNTRACKED = ("logs", "report", TEMPORARY)
"""Folders that are not outputs: no promise of equal bytes, no record in the manifest."""


OUTPUTS = re.compile(
    r"(?:candidates(?:-\d+)?|scans|decisions|documents|dropped|quarantine|cuts|tables|tokenizer|encoded|shards|manifest)/"
)
"""Folders that a build writes into and sweeps. What else lies in a run belongs to somebody else."""


def is_output(path: str) -> bool:
    """Whether a path within a run lies in a folder that builds write and sweep, or is one."""
    return OUTPUTS.match(f"{path}/") is not None


@dataclass(frozen=True)
class Output:
    """A file that a task has written: path within the run, sha256, size, rows where it has rows."""

    path: str
    sha256: str
    bytes: int
    rows: int | None = None


@dataclass(frozen=True)
class Record:
    """The proof that a task is done."""

    task: str
    fingerprint: str
    made_from: Mapping[str, Any]
    outputs: tuple[Output, ...]
    ledger: Ledger = field(default_factory=Ledger)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def _by_path(self) -> dict[str, Output]:
        return {output.path: output for output in self.outputs}

    def file(self, path: str) -> Output:
        """The output of a path; a record may have one for each of a hundred thousand parts."""
        if path not in self._by_path:
            raise RunError(f"{self.task}: no output {path!r}", remedy="Delete its record and build again.")
        return self._by_path[path]

    def output(self, prefix: str) -> Output:
        """The output whose path starts with ``prefix``; a record has one of each kind."""
        for output in self.outputs:
            if output.path.startswith(prefix):
                return output
        raise RunError(
            f"{self.task}: no output under {prefix!r}", remedy="Delete its record and build again."
        )

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "task": self.task,
            "fingerprint": self.fingerprint,
            "made_from": self.made_from,
            "outputs": [vars(o) for o in self.outputs],
            "ledger": self.ledger.to_json(),
            "facts": self.facts,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        """The inverse of `to_json`."""
        return cls(
            value["task"],
            value["fingerprint"],
            value["made_from"],
            tuple(Output(**o) for o in value["outputs"]),
            Ledger.from_json(value["ledger"]),
            value["facts"],
        )


def _read_record(path: Path) -> Record:
    try:
        return Record.from_json(read_json(path))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RunError(
            f"{path}: is no record of a task: {type(error).__name__}: {error}",
            remedy="Delete this file and build again: only what depends on it is redone.",
        ) from error


class Run:
    """A run folder on a local disk."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @property
    def temporary(self) -> Path:
        """Where unfinished files are written."""
        return self.folder / TEMPORARY

    @property
    def manifest(self) -> Path:
        """The folder of records."""
        return self.folder / "manifest"

    # -------------------------------------------------------------------------------- life of a run

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """A finished or unfinished run to look at. Raises `RunError` if the folder is none."""
        run = cls(folder)
        if not (run.folder / "run.json").is_file():
            raise RunError(
                f"{run.folder}: not a run folder: it has no run.json",
                remedy="Give the folder that `corpuskit build --out` has written.",
            )
        run._check_format()
        return run

    def create(self) -> None:
        """Make the folder, or check that an existing one has this format."""
        if (self.folder / "run.json").is_file():
            self._check_format()
            return
        if self.folder.exists() and not self.folder.is_dir():
            raise RunError(f"{self.folder}: is a file", remedy="Give a new or empty folder as --out.")
        if self.folder.is_dir() and any(p.name not in UNTRACKED for p in self.folder.iterdir()):
            raise RunError(
                f"{self.folder}: is not empty and is not a run",
                remedy="Give a new or empty folder as --out.",
            )
        with storing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "run.json", {"format": FORMAT}, self.temporary)

    def _check_format(self) -> None:
        try:
            facts = read_json(self.folder / "run.json")
        except RunError as error:
            raise RunError(error.message, remedy="Build into a new folder, or mend the file.") from error
        found = facts.get("format") if isinstance(facts, dict) else facts
        if found != FORMAT:
            raise RunError(
                f"{self.folder}: run format {found!r}; this corpuskit reads and writes {FORMAT}",
                remedy="Build into a new folder, or use the corpuskit that wrote this run.",
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock. The system releases it when the process ends, however it ends."""
        path = self.folder / "logs" / "lock"
        with storing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise RunLockedError(
                    f"{self.folder}: another build is writing this run (process {owner})",
                    remedy="Wait for it to end, or build into another folder.",
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            self._wait_for_workers()
            yield

    def attend(self) -> None:
        """Tell, from a worker process and until it ends, that somebody may still write into this run."""
        path = self.folder / "logs" / "workers"
        path.parent.mkdir(parents=True, exist_ok=True)
        _ATTENDED.append(path.open("a"))
        fcntl.flock(_ATTENDED[-1], fcntl.LOCK_SH)

    def _wait_for_workers(self) -> None:
        """Wait until the workers of a build that was killed have noticed it and ended."""
        with (self.folder / "logs" / "workers").open("a") as file:
            for _ in range(10 * WORKERS_END):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    time.sleep(0.1)
                else:
                    return
        raise RunLockedError(
            f"{self.folder}: workers of a killed build have not ended after {WORKERS_END} s",
            remedy="End their processes and build again.",
        )

    # -------------------------------------------------------------------------------------- records

    def record(self, task: str) -> Record | None:
        """The record of a task, if there is one that can be read; a damaged one counts as none."""
        path = self.manifest / f"{task}.json"
        if not path.is_file():
            return None
        try:
            return _read_record(path)
        except RunError:
            self.log("damaged_record", task=task)
            return None

    def done(self, task: str, fingerprint: str) -> Record | None:
        """The record of a task if it was made from ``fingerprint`` and its outputs are all there."""
        record = self.record(task)
        if record is None or record.fingerprint != fingerprint:
            return None
        whole = all(self._size(output) == output.bytes for output in record.outputs)
        return record if whole else None

    def _size(self, output: Output) -> int | None:
        path = self.folder / output.path
        return path.stat().st_size if path.is_file() else None

    def forget(self, task: str) -> None:
        """Remove the record of a task, for good also if the machine stops now."""
        path = self.manifest / f"{task}.json"
        if path.exists():
            path.unlink()
            flush(path.parent)

    def finish(self, record: Record) -> None:
        """Store a record: from now on its task is done."""
        path = self.manifest / f"{record.task}.json"
        write_json(path, record.to_json(), self.temporary)

    def output(self, path: str, rows: int | None = None) -> Output:
        """Describe a file that was just written."""
        full = self.folder / path
        return Output(path, sha256_file(full), full.stat().st_size, rows)

    def records(self) -> list[Record]:
        """All records, by task name. A damaged one is an error here."""
        files = sorted(self.manifest.rglob("*.json")) if self.manifest.is_dir() else []
        return [_read_record(path) for path in files]

    def sweep(self, tasks: set[str], keep: set[str]) -> list[str]:
        """Remove records of other tasks than ``tasks`` and files that no record names; return the paths.

        Only folders that a build writes are looked at: a model or a note that a user put beside them stays.

        Args:
            keep: paths within the run that have no record, like ``ledger.json``.
        """
        removed = []
        named = set(keep)
        for record in filter(None, map(self.record, sorted(tasks))):
            named |= {o.path for o in record.outputs} | {f"manifest/{record.task}.json"}
        for path in sorted(self.folder.rglob("*"), reverse=True):
            relative = path.relative_to(self.folder).as_posix()
            if not is_output(relative):
                continue
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif relative not in named:
                path.unlink()
                removed.append(relative)
        return removed

    # ----------------------------------------------------------------------------------------- logs

    def log(self, event: str, **facts: Any) -> None:
        """Append a line to ``logs/build.jsonl``. Clocks and machine facts belong here and nowhere else."""
        path = self.folder / "logs" / "build.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"time": round(time.time(), 3), "event": event, **facts}, ensure_ascii=False)
        with storing(path), path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
