"""The run folder: what a build has made, and the records that prove it.

A task is done when its record stands in ``manifest/`` with the fingerprint of what made it and its
outputs are there with the recorded bytes. A marker file alone proves nothing. Paths are those of
`corpuskit.run.layout`, relative to the run; what lies there is read and written through `Run` alone, so that
another kind of storage has one place to stand in.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpuskit.errors import RunError, RunLockedError
from corpuskit.run import layout
from corpuskit.run.record import Output, Record, read_record
from corpuskit.storage import files
from corpuskit.storage.files import seal
from corpuskit.storage.ownership import RUN, claim, no_run, refuse_foreign
from corpuskit.storage.places import local_path, stamp
from corpuskit.storage.tables import SMALL_LEVEL, Sink, parquet, read_batches, reading_table

if TYPE_CHECKING:
    from datasets import DatasetDict

FORMAT = 1
"""Version of the folder's layout. Raised when older builds could not go on in it."""

WORKERS_END = 60
"""Seconds that the workers of a killed build are given to end; they look for it 5 times a second."""

_SPILL = "spill-"
_AGAIN = "Call `corpuskit build` with the same recipe: it is made again."

_ATTENDED: list[IO[str]] = []  # Kept open to the end of a worker: closing a file gives its lock back.


class Run:
    """A run folder on a local disk."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = local_path(folder)
        self.damaged: list[str] = []
        """What was found not to be as recorded, by path: whoever drives tasks tells of it."""
        self._hashed: dict[str, tuple[tuple[int, ...], str]] = {}

    def __getstate__(self) -> dict[str, object]:
        """Its folder alone: a task takes its run along to a worker."""
        return {"folder": self.folder, "damaged": [], "_hashed": {}}

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
        """Digest of a file, in hexadecimal. One that is the same file as before is not read again."""
        state = stamp(self.local(path))
        known = self._hashed.get(path)
        if known is None or known[0] != state:
            known = self._hashed[path] = (state, files.sha256_file(self.local(path)))
        return known[1]

    def is_whole(self, output: Output) -> bool:
        """Whether a file that a record names is there with the recorded bytes."""
        try:
            # The size first: it costs nothing.
            return self.size(output.path) == output.bytes and self.sha256(output.path) == output.sha256
        except OSError:  # Missing, a folder, or not to be read.
            return False

    def check(self, output: Output) -> None:
        """Raise `RunError` unless a file is as recorded. What a task or a command reads is checked by it."""
        if not self.is_whole(output):
            raise RunError(f"{self.local(output.path)}: is damaged: not what its record says", remedy=_AGAIN)

    def check_output(self, task: str, path: str) -> None:
        """`check` of a file by the task that made it."""
        self.check(read_record(self.local(layout.path("record", task))).file(path))

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
        with reading_table(self.local(path)):
            return pq.read_table(self.local(path), columns=columns)

    def read_recorded(self, output: Output, columns: list[str] | None = None) -> pa.Table:
        """`read_table` of what a record names, once it is known to be whole: `check`."""
        self.check(output)
        return self.read_table(output.path, columns)

    def rows(self, path: str) -> int:
        """How many rows a table has, by its footer."""
        with reading_table(self.local(path)):
            return int(pq.read_metadata(self.local(path)).num_rows)

    def schema(self, path: str) -> pa.Schema:
        """The columns of a table, by its footer."""
        with reading_table(self.local(path)):
            return pq.read_schema(self.local(path))

    def unfinished(self, path: str) -> AbstractContextManager[Path]:
        """A temporary name to write to; the file appears under ``path`` when the block ends well."""
        self.note(path)
        return files.atomic(self.local(path), self._temporary)

    def table(
        self, path: str, schema: pa.Schema, level: int = SMALL_LEVEL, gathered: int = 0
    ) -> AbstractContextManager[Sink]:
        """Write a table batch by batch, see `parquet`; it appears under ``path`` when the block ends well."""
        self.note(path)
        return parquet(self.local(path), schema, self._temporary, level, gathered)

    def write_bytes(self, path: str, data: bytes) -> None:
        """Write a whole file."""
        self.note(path)
        files.write_bytes(self.local(path), data, self._temporary)

    def write_json(self, path: str, value: object) -> None:
        """Write a JSON file."""
        self.note(path)
        files.write_json(self.local(path), value, self._temporary)

    def note(self, path: str) -> None:
        """Note that an output is ours before it is written, since only what is ours is ever swept.

        Records name what was finished; this names what a task had written when it was killed.
        """
        if layout.is_output(path):
            written = self.local(layout.path("logs", "written"))
            written.parent.mkdir(parents=True, exist_ok=True)
            with files.storing(written), written.open("a", encoding="utf-8") as file:
                file.write(path + "\n")

    def remove(self, path: str) -> None:
        """Remove a file, if it is there, for good also if the machine stops now."""
        file = self.local(path)
        with files.storing(file):
            if file.is_symlink() or file.exists():
                file.unlink()
                # The name lives in the folder: without this it may come back after a crash.
                files.flush(file.parent)

    @property
    def _temporary(self) -> Path:
        return self.folder / files.TEMPORARY

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder on this disk for what is spilled, gone at the end; a full disk is a `StorageError`."""
        self._temporary.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=_SPILL, dir=self._temporary) as folder,
            files.storing(self._temporary),
        ):
            yield Path(folder)

    def clear_temporary(self) -> None:
        """Remove what a call that was killed has left unfinished, and nothing that others put beside it."""
        if not self._temporary.is_dir():
            return
        for path in self._temporary.iterdir():
            if path.is_dir() and path.name.startswith(_SPILL):
                shutil.rmtree(path)
            elif files.ATOMIC.fullmatch(path.name) and not path.is_dir():
                path.unlink()
        with suppress(OSError):  # It holds what is not ours.
            self._temporary.rmdir()

    def to_datasets(self, cache_dir: str | Path | None = None) -> DatasetDict:
        """The documents of a finished run as a `datasets.DatasetDict`: a `Dataset` for each split.

        The splits are ``train``, ``validation`` and ``test`` as documents were held out; all is ``train`` in
        a run without shards. Of a run of few documents, whose text is held out in sections of each one, the
        split is called ``sections``. Columns are those of ``documents/``. Memory does not grow with the run:
        the library writes the rows to its cache once, and maps them from there.

        Args:
            cache_dir: where the library keeps them; its usual cache without it.

        >>> from tempfile import mkdtemp
        >>> from corpuskit import Files, build_corpus
        >>> folder = Path(mkdtemp())
        >>> _ = (folder / "note.txt").write_text("A note.")
        >>> result = build_corpus([Files(path=str(folder), label="notes")], out=mkdtemp())
        >>> Run.open_finished(result.folder).to_datasets(cache_dir=mkdtemp())["train"][0]["text"]
        'A note.'

        Raises:
            RunError: the build is not finished, or a file of documents is damaged.
            EmptyError: there is no document.
        """
        from corpuskit.run.to_datasets import document_files, documents_as_datasets

        run = Run.open_finished(self.folder)
        found = document_files(run.records())
        for output in found:
            run.check(output)
        return documents_as_datasets(run.folder, found, cache_dir)

    # -------------------------------------------------------------------------------- life of a run
    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """A finished or unfinished run to look at. Raises `RunError` if the folder is none."""
        run = cls(folder)
        if not run.exists(layout.path("run")):
            reason, remedy = no_run(run.folder)
            raise RunError(reason, remedy=remedy)
        run._check_format()
        return run

    @classmethod
    def open_finished(cls, folder: str | Path) -> Run:
        """A run whose build has ended. Raises `RunError` if the folder is none, or has no account yet."""
        run = cls.open(folder)
        if not run.exists(layout.LEDGER):
            remedy = "Call `corpuskit build` again with the same recipe: it goes on where it stopped."
            raise RunError(f"{run.folder}: the build is not finished: there is no ledger.json", remedy=remedy)
        return run

    def require_ours(self) -> None:
        """Raise `RunError` unless a build may write here: into nothing, an empty folder or a run of ours."""
        if self.exists(layout.path("run")):
            self._check_format()
        refuse_foreign(self.folder, RUN, RunError)

    def mend_format(self) -> None:
        """Write run.json anew where blanks or the like stand in it too."""
        if self.local(layout.path("run")).read_bytes() != self.format_bytes():
            self.write_bytes(layout.path("run"), self.format_bytes())

    @staticmethod
    def format_bytes() -> bytes:
        """What run.json holds."""
        return files.json_text({"format": FORMAT}).encode()

    def _check_format(self) -> None:
        try:
            facts = self.read_json(layout.path("run"))
        except RunError as error:
            remedy = f"Write {json.dumps({'format': FORMAT})} into it, or build into a new folder."
            raise RunError(error.message, remedy=remedy) from error
        found = facts.get("format") if isinstance(facts, dict) else facts
        if found != FORMAT or type(found) is not int:
            raise RunError(
                f"{self.folder}: run format {found!r}; this corpuskit reads and writes {FORMAT}",
                remedy="Build into a new folder, or use the corpuskit that wrote this run.",
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock; the folder is made where it is missing. Raises what `require_ours` raises."""
        self.require_ours()
        with claim(self.folder, RUN, RunError, taken=RunLockedError):
            if not self.exists(layout.path("run")):
                self.write_json(layout.path("run"), {"format": FORMAT})
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
        path = layout.path("record", task)
        if not self.exists(path):
            return None
        try:
            record = read_record(self.local(path))
        except RunError:
            self._found_damaged(path)
            return None
        if record.task != task:  # That of another task, under its name.
            self._found_damaged(path)
            return None
        return record

    def done(self, task: str, fingerprint: str) -> Record | None:
        """The record of a task if it was made from ``fingerprint`` and its outputs are as recorded.

        Reads all of them, at the speed of sha256: what is not made again is what a build vouches for.
        """
        record = self.record(task)
        if record is None or record.fingerprint != fingerprint:
            return None
        damaged = [o.path for o in record.outputs if not self.is_whole(o)]
        for path in damaged:
            self._found_damaged(path)
        return None if damaged else record

    def _found_damaged(self, path: str) -> None:
        if path not in self.damaged:
            self.log("damaged", path=path)
            self.damaged.append(path)

    def forget(self, task: str) -> None:
        """Remove the record of a task, for good also if the machine stops now. Its outputs are still ours."""
        path = self.local(layout.path("record", task))
        if path.exists():
            record = self.record(task)
            for output in record.outputs if record else ():
                self.note(output.path)
            self.remove(layout.path("record", task))

    def finish(self, record: Record) -> None:
        """Store a record: from now on its task is done."""
        self.write_json(layout.path("record", record.task), seal(record.to_json()))

    def output(self, path: str, rows: int | None = None) -> Output:
        """Describe a file that was just written."""
        return Output(path, self.sha256(path), self.size(path), rows)

    def records(self) -> list[Record]:
        """All records, by task name. A damaged one, or one under another's name, is an error here."""
        paths = self._record_files()
        records = [read_record(self.local(path)) for path in paths]
        for path, record in zip(paths, records, strict=True):
            if path != layout.path("record", record.task):
                raise RunError(
                    f"{self.local(path)}: is the record of the task {record.task!r}", remedy=_AGAIN
                )
        return records

    def _record_files(self) -> list[str]:
        return [path for path in self.files(layout.folder_of("record")) if path.endswith(".json")]

    def sweep(self, tasks: set[str]) -> list[str]:
        """Remove what builds wrote and no record of ``tasks`` names, with the folders that this leaves empty.

        Returns:
            What lies among the outputs and is not ours: nobody but its owner removes it.
        """
        written = self.local(layout.path("logs", "written"))
        ours = set(written.read_text(encoding="utf-8").splitlines()) if written.is_file() else set()
        kept = set(layout.KEPT)
        for path in self._record_files():
            record = self.record(layout.task_of(path))
            outputs = {o.path for o in record.outputs} if record else set()
            ours |= {path, *outputs}
            if layout.task_of(path) in tasks:
                kept |= {path, *outputs}
        strangers = []
        for path in filter(layout.is_output, self.files()):
            if path not in ours and path.removesuffix(".tmp") not in ours:
                strangers.append(path)
            elif path not in kept:
                self.remove(path)
                for folder in self.local(path).parents:
                    if folder == self.folder or any(folder.iterdir()):
                        break
                    folder.rmdir()
        written.unlink(missing_ok=True)
        return strangers

    # ----------------------------------------------------------------------------------------- logs
    def log(self, event: str, **facts: Any) -> None:
        """Append a line to ``logs/build.jsonl``. Clocks and machine facts belong here and nowhere else."""
        path = self.local(layout.path("logs", "build.jsonl"))
        path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"time": round(time.time(), 3), "event": event, **facts}, ensure_ascii=False)
        with files.storing(path), path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
