"""Events as TensorBoard shows them; an option, since it is a package of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from corpuskit.errors import SettingError, TrainError
from corpuskit.storage.files import finite, write_file, writing

FOLDER = Path("logs") / "tensorboard"


class Board:
    """Writes OUT/logs/tensorboard: `tensorboard --logdir OUT/logs` shows it."""

    def __init__(self, out: Path) -> None:
        """Raises SettingError where the package tensorboard is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise SettingError(
                f"tensorboard cannot be used: {error}",
                remedy="Install it: pip install 'corpuskit[tensorboard]'.",
            ) from error
        self._open = SummaryWriter
        self._folder = out / FOLDER
        self._writer: Any = None

    def __call__(self, event: Event) -> None:
        """Write an event by the steps done; those that a resumed run does again replace those of before."""
        with writing(self._folder):
            if event["event"] == "start":
                purge = event["step"] + 1 if event["step"] else None
                self._writer = self._open(str(self._folder), purge_step=purge)
            elif self._writer is not None:
                self._write(event)

    def close(self) -> None:
        """Write out what is buffered."""
        if self._writer is not None:
            with writing(self._folder):
                self._writer.close()

    def _write(self, event: Event) -> None:
        step = event["step"]
        if event["event"] == "step":
            for name in ("loss", "learning_rate", "gradient_norm", "tokens_per_s", "memory_bytes"):
                self._scalar(f"train/{name}", event.get(name), step + 1)
        elif event["event"] == "validation":
            for name in ("loss", "perplexity", "bits_per_byte"):
                self._scalar(f"validation/{name}", event[name], step)
            for source, each in event.get("sources", {}).items():
                for name, value in each.items():
                    self._scalar(f"validation/{source}/{name}", value, step)
        elif event["event"] == "sample":
            self._writer.add_text("sample", f"```\n{event['text']}\n```", step)
            for name, value in (event.get("scores") or {}).items():
                self._scalar(f"sample/{name}", value, step)
        elif event["event"] in ("save", "stop"):
            self._writer.flush()

    def _scalar(self, name: str, value: float | None, step: int) -> None:
        if value is not None and math.isfinite(value):
            self._writer.add_scalar(name, value, step)


Event = Mapping[str, Any]


Listener = Callable[[Event], None]


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

        Raises StorageError when it cannot be written, TrainError for a damaged line.
        """
        self.path = out / "logs" / "train.jsonl"
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
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
        """Write out what is buffered."""
        with writing(self.path):
            self._file.close()


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
        raise TrainError(
            f"line {number} of {path} is no event: {line.strip()[:60]!r}",
            remedy="Take that line out: nothing is computed from the log.",
        ) from error
