"""Events of a run, who listens to them, and the log of all: OUT/logs/train.jsonl."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from corpuskit.errors import TrainError
from corpuskit.storage.files import finite, sha256_file, write_file, writing

Event = Mapping[str, Any]
"""What happened, under "event", after how many steps, under "step", and its figures."""

Listener = Callable[[Event], None]

LOG = Path("logs") / "train.jsonl"
"""Where the log of a run lies in its folder."""


def together(listeners: Sequence[Listener]) -> Listener:
    """A listener that hands each event to all of these."""

    def listen(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return listen


class Log:
    """OUT/logs/train.jsonl: one event a line. Timings are in it, so it is no output that must be equal.

    A resumed run first drops the lines of steps that it will do again, so that each step stands there once.
    """

    def __init__(self, out: Path, from_step: int) -> None:
        """Open the log of a run that goes on from `from_step` (0: a new log).

        Raises StorageError when it cannot be written, TrainError for one that is damaged.
        """
        self.path = out / LOG
        self._digest = digest_of(self.path)
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if from_step:
                check_log(self.path)
            self._digest.unlink(
                missing_ok=True
            )  # Of a run that is killed the log is not the one that was closed.
        lines = _lines(self.path) if from_step else []
        kept = [
            line for number, line in enumerate(lines, 1) if _step_of(line, self.path, number) <= from_step
        ]
        write_file(self.path, "".join(kept).encode())
        with writing(self.path):
            self._file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115 - close() closes it

    def __call__(self, event: Event) -> None:
        """Write an event; numbers that are not finite become null."""
        line = json.dumps(finite(dict(event)), ensure_ascii=False, allow_nan=False) + "\n"
        with writing(self.path):
            self._file.write(line)
            if event["event"] != "step":
                self._file.flush()

    def close(self) -> None:
        """Write out what is buffered, and the log's digest beside it, as ``sha256sum --check`` reads it."""
        with writing(self.path):
            self._file.close()
            write_file(self._digest, f"{sha256_file(self.path)}  {self.path.name}\n".encode())


def digest_of(log: Path) -> Path:
    """Where the digest of a log is kept, of a run that has ended or was stopped."""
    return log.with_name(f"{log.name}.sha256")


def check_log(log: Path) -> None:
    """Raise TrainError unless a log is what was written, as far as its digest is there. Raises OSError."""
    kept = digest_of(log)
    if not kept.exists():
        return
    found, recorded = sha256_file(log) if log.is_file() else "missing", kept.read_bytes()
    if recorded != f"{found}  {log.name}\n".encode():
        shown = recorded[:64].decode(errors="replace")
        raise TrainError(
            f"{log} is not what was written: sha256 {found}, recorded {shown!r}",
            remedy=f"Bring it back, or delete {kept.name} and go on: nothing is computed from the log.",
        )


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    # A kill can leave half a last line; it belongs to a step that will be done again. Not `splitlines`: texts
    # may hold signs that end a line elsewhere, as U+2028, and JSON leaves them as they are.
    with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
        return [line for line in file if line.endswith("\n")]


def _step_of(line: str, path: Path, number: int) -> int:
    """Steps done when the event was written; "step" and "skip" name their step, which counts from 0."""
    try:
        event = json.loads(line)
        return int(event["step"]) + (1 if event["event"] in ("step", "skip") else 0)
    except (ValueError, KeyError, TypeError) as error:
        raise damaged_line(path, number, line) from error


def damaged_line(path: Path, number: int, line: str) -> TrainError:
    """The error for a line of a log that is no event."""
    return TrainError(
        f"line {number} of {path} is no event: {line.strip()[:60]!r}",
        remedy="Take that line out: nothing is computed from the log.",
    )
