"""What a run says while it runs: events, the JSONL log that keeps them, and the display that shows them.

An event is a dictionary with the key "event": start, step, horizon, validation, sample, save or stop. The
trainer hands each event to the log and to the caller's listener; neither can change the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from corpuskit.train.files import finite, write_file, writing

Event = Mapping[str, Any]
Listener = Callable[[Event], None]


class Log:
    """OUT/logs/train.jsonl: one event a line. Timings are in it, so it is no output that must be equal.

    A resumed run first drops the lines of steps that it will do again, so that each step stands there once.
    """

    def __init__(self, out: Path, from_step: int) -> None:
        """Open the log of a run that goes on from `from_step` (0: a new log).

        Raises StorageError, as all writing does, when it cannot be written.
        """
        self.path = out / "logs" / "train.jsonl"
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in _lines(self.path) if _step_of(line) <= from_step] if from_step else []
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
    # A kill can leave half a last line; it belongs to a step that will be done again.
    return [
        line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")
    ]


def _step_of(line: str) -> int:
    """Steps done when the event was written; "step" events name their step, which counts from 0."""
    event = json.loads(line)
    return int(event["step"]) + (1 if event["event"] == "step" else 0)


class Display:
    """Shows events on a console: a live line on a terminal, a line for each validation elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        self._progress = Progress(
            TextColumn("step {task.completed:.0f}/{task.fields[steps]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[shown]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not self._live,
        )
        self._task: TaskID = self._progress.add_task("train", total=None, steps="?", shown="")
        self._facts: dict[str, str] = {}

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        getattr(self, f"_on_{event['event']}", self._ignore)(event)

    def _ignore(self, event: Event) -> None:
        """Events without a line of their own, such as "save"."""

    def _on_start(self, event: Event) -> None:
        self._say(event["summary"])
        for warning in event["warnings"]:
            self._say(f"Warning: {warning}")
        if event["steps"]:
            self._progress.update(self._task, total=event["steps"], steps=event["steps"])
        self._progress.update(self._task, completed=event["step"])

    def _on_step(self, event: Event) -> None:
        self._facts["loss"] = f"{event['loss']:.3f}"
        self._facts["tokens/s"] = f"{event['tokens_per_s']:,.0f}"
        if event["eta_s"] is not None:
            minutes, seconds = divmod(round(event["eta_s"]), 60)
            self._facts["left"] = f"{minutes}:{seconds:02d}"
        self._progress.update(self._task, completed=event["step"] + 1, shown=self._shown())

    def _on_horizon(self, event: Event) -> None:
        self._progress.update(self._task, total=event["steps"], steps=event["steps"])
        self._say(
            f"The run will have {event['steps']} steps; the learning rate falls from step {event['step']} on."
        )

    def _on_validation(self, event: Event) -> None:
        self._facts["validation"] = f"{event['loss']:.3f}"
        self._progress.update(self._task, shown=self._shown())
        per_byte = event["bits_per_byte"]
        self._say(
            f"step {event['step']:6d}  train {event['train_loss']:.3f}  validation {event['loss']:.3f}"
            f"  perplexity {event['perplexity']:.1f}"
            + (f"  bits/byte {per_byte:.3f}" if per_byte is not None else "")
            + ("  (best)" if event["best"] else "")
            + f"  {event['tokens_per_s']:,.0f} tokens/s"
            + (f"  {self._facts['left']} left" if "left" in self._facts else "")
        )

    def _on_sample(self, event: Event) -> None:
        self._say(f"--- sample after step {event['step']} ---\n{event['text']}\n---")

    def _on_stop(self, event: Event) -> None:
        self._say(f"Stopped at step {event['step']}: {event['reason']}.")

    def _shown(self) -> str:
        return "  ".join(f"{name} {value}" for name, value in self._facts.items())

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
