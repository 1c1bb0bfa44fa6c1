"""Events as TensorBoard shows them; an option, since it is a package of its own."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from corpuskit.errors import SettingError
from corpuskit.storage.files import writing
from corpuskit.train.watch.events import Event

FOLDER = Path("logs") / "tensorboard"

_SUFFIX = ".corpuskit"
# By their first part alone nobody could tell them from events that others write into the same folder.
FILES = re.compile(rf"events\.out\.tfevents\..*{re.escape(_SUFFIX)}")
"""Names of the files that are written here."""


class TensorBoard:
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
                # TensorBoard would show both what was done before a kill and what is done again.
                purge = event["step"] + 1 if event["step"] else None
                self._writer = self._open(str(self._folder), purge_step=purge, filename_suffix=_SUFFIX)
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
            for name, value in event.items():
                if isinstance(value, float) and name not in ("train_loss", "seconds", "tokens_per_s"):
                    self._scalar(f"validation/{name}", value, step)
            for source, each in event.get("sources", {}).items():
                for name, value in each.items():
                    self._scalar(f"validation/{source}/{name}", value, step)
        elif event["event"] == "sample":
            self._writer.add_text("sample", f"```\n{event['text']}\n```", step)
            for whose, key in (("sample", "scores"), ("sample/held_out", "held_out")):
                for name, value in (event.get(key) or {}).items():
                    self._scalar(f"{whose}/{name}", value, step)
        elif event["event"] in ("save", "stop"):
            self._writer.flush()

    def _scalar(self, name: str, value: float | None, step: int) -> None:
        if value is not None and math.isfinite(value):
            self._writer.add_scalar(name, value, step)
