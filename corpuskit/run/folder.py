"""The run folder: what a build has made, and the records that prove it.

A task is done when its record stands in ``manifest/`` with the fingerprint of what made it and its
outputs are there with the recorded sizes. A marker file alone proves nothing. Paths are those of
`corpuskit.run.layout`, relative to the run; what lies there is read and written through `Run` alone, so that
another kind of storage has one place to stand in.
"""

from __future__ import annotations

import fcntl
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpuskit.errors import RunError, RunLockedError
from corpuskit.run import layout
from corpuskit.run.record import Output, Record, read_record
from corpuskit.storage import files
from corpuskit.storage.lock import hold
from corpuskit.storage.places import local_path
from corpuskit.storage.tables import KEPT_LEVEL, Sink, parquet, read_batches

FORMAT = 1
"""Version of the folder's layout. Raised when older builds could not go on in it."""

WORKERS_END = 60
"""Seconds that the workers of a killed build are given to end; they look for it 5 times a second."""

_ATTENDED: list[IO[str]] = []  # Kept open to the end of a worker: closing a file gives its lock back.


class Run:
    """A run folder on a local disk."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = local_path(folder)

    # ------------------------------------------------------------------------------- what lies in it
    path = staticmethod(layout.path)

    def local(self, path: str) -> Path:
        """Where something lies on this disk: for what needs a file, as mapped shards and tokenizers do."""
        return self.folder / path

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return self.local(path).is_file()

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return self.local(path).stat().st_size

    def sha256(self, path: str) -> str:
        """Digest of a file, in hexadecimal."""
        return files.sha256_file(self.local(path))

    def files(self, folder: str = "") -> list[str]:
        """Paths of all files below a folder, in the order of names; none where there is no such folder."""
        found = (p for p in self.local(folder).rglob("*") if p.is_file())
        return [p.relative_to(self.folder).as_posix() for p in sorted(found)]

    def reading(self, path: str) -> IO[bytes]:
        """A file, open to be read."""
        return self.local(path).open("rb")

    def read_json(self, path: str) -> Any:
        """The value of a JSON file. Raises `RunError` for one that is missing or damaged."""
        return files.read_json(self.local(path))

    def read_batches(self, path: str, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The row groups of a table, one at a time."""
        return read_batches(self.local(path), columns)

    def read_table(self, path: str, columns: list[str] | None = None) -> pa.Table:
        """A whole table."""
        return pq.read_table(self.local(path), columns=columns)

    def rows(self, path: str) -> int:
        """How many rows a table has, by its footer."""
        return int(pq.read_metadata(self.local(path)).num_rows)

    def unfinished(self, path: str) -> AbstractContextManager[Path]:
        """A temporary name to write to; the file appears under ``path`` when the block ends well."""
        return files.atomic(self.local(path), self._temporary)

    def table(self, path: str, schema: pa.Schema, level: int = KEPT_LEVEL) -> AbstractContextManager[Sink]:
        """Write a table batch by batch; it appears under ``path`` when the block ends well."""
        return parquet(self.local(path), schema, self._temporary, level)

    def write_bytes(self, path: str, data: bytes) -> None:
        """Write a whole file."""
        files.write_bytes(self.local(path), data, self._temporary)

    def write_json(self, path: str, value: object) -> None:
        """Write a JSON file."""
        files.write_json(self.local(path), value, self._temporary)

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        self.local(path).unlink(missing_ok=True)

    @property
    def _temporary(self) -> Path:
        return self.folder / files.TEMPORARY

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder on this disk for what is spilled, gone at the end; a full disk is a `StorageError`."""
        self._temporary.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._temporary) as folder, files.storing(self._temporary):
            yield Path(folder)

    def clear_temporary(self) -> None:
        """Remove what a call that was killed has left unfinished."""
        files.clear(self._temporary)

    # -------------------------------------------------------------------------------- life of a run
    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """A finished or unfinished run to look at. Raises `RunError` if the folder is none."""
        run = cls(folder)
        if not run.exists(layout.path("run")):
            raise RunError(
                f"{run.folder}: not a run folder: it has no run.json",
                remedy="Give the folder that `corpuskit build --out` has written.",
            )
        run._check_format()
        return run

    def create(self) -> None:
        """Make the folder, or check that an existing one has this format."""
        if self.exists(layout.path("run")):
            self._check_format()
            return
        if self.folder.exists() and not self.folder.is_dir():
            raise RunError(f"{self.folder}: is a file", remedy="Give a new or empty folder as --out.")
        if self.folder.is_dir() and any(p.name not in layout.UNTRACKED for p in self.folder.iterdir()):
            raise RunError(
                f"{self.folder}: is not empty and is not a run", remedy="Give a new or empty folder as --out."
            )
        with files.storing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self.write_json(layout.path("run"), {"format": FORMAT})

    def _check_format(self) -> None:
        try:
            facts = self.read_json(layout.path("run"))
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

        def taken(owner: str) -> RunLockedError:
            return RunLockedError(
                f"{self.folder}: another build is writing this run (process {owner})",
                remedy="Wait for it to end, or build into another folder.",
            )

        with hold(self.local(layout.path("logs", "lock")), taken):
            self._wait_for_workers()
            yield

    def attend(self) -> None:
        """Tell, from a worker process and until it ends, that somebody may still write into this run."""
        path = self.local(layout.path("logs", "workers"))
        path.parent.mkdir(parents=True, exist_ok=True)
        _ATTENDED.append(path.open("a"))
        fcntl.flock(_ATTENDED[-1], fcntl.LOCK_SH)

    def _wait_for_workers(self) -> None:
        """Wait until the workers of a build that was killed have noticed it and ended."""
        with self.local(layout.path("logs", "workers")).open("a") as file:
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
        path = self.local(layout.path("record", task))
        if not path.is_file():
            return None
        try:
            return read_record(path)
        except RunError:
            self.log("damaged_record", task=task)
            return None

    def done(self, task: str, fingerprint: str) -> Record | None:
        """The record of a task if it was made from ``fingerprint`` and its outputs are all there."""
        record = self.record(task)
        if record is None or record.fingerprint != fingerprint:
            return None
        # Sizes, not digests: this is asked for every task of every call, and reading all would cost a build.
        whole = all(self.exists(o.path) and self.size(o.path) == o.bytes for o in record.outputs)
        return record if whole else None

    def forget(self, task: str) -> None:
        """Remove the record of a task, for good also if the machine stops now."""
        path = self.local(layout.path("record", task))
        if path.exists():
            path.unlink()
            # The name lives in the folder: without this it may come back after a crash.
            files.flush(path.parent)

    def finish(self, record: Record) -> None:
        """Store a record: from now on its task is done."""
        self.write_json(layout.path("record", record.task), record.to_json())

    def output(self, path: str, rows: int | None = None) -> Output:
        """Describe a file that was just written."""
        return Output(path, self.sha256(path), self.size(path), rows)

    def records(self) -> list[Record]:
        """All records, by task name. A damaged one is an error here."""
        files = self.files(layout.folder_of("record"))
        return [read_record(self.local(path)) for path in files if path.endswith(".json")]

    def sweep(self, tasks: set[str]) -> list[str]:
        """Remove records of other tasks than ``tasks`` and files that no record names; return the paths.

        Only folders that a build writes are looked at: a model or a note that a user put beside them stays.
        """
        removed = []
        named = set(layout.KEPT)
        for record in filter(None, map(self.record, sorted(tasks))):
            named |= {o.path for o in record.outputs} | {layout.path("record", record.task)}
        # Backwards, so that a folder comes after all that lay in it, and is gone when it is empty.
        for path in sorted(self.folder.rglob("*"), reverse=True):
            relative = path.relative_to(self.folder).as_posix()
            if not layout.is_output(relative):
                continue
            # A link to a folder goes as a link: what it points to is not ours.
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
        path = self.local(layout.path("logs", "build.jsonl"))
        path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"time": round(time.time(), 3), "event": event, **facts}, ensure_ascii=False)
        with files.storing(path), path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
