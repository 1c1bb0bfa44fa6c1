"""What a run consists of, and how far it has come."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from corpuskit.train.checkpoint import load_checkpoint
from corpuskit.train.data.batches import Tensors
from corpuskit.train.data.held_out import Validation
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.model.transformer import Transformer
from corpuskit.train.optim.guard import Guard
from corpuskit.train.optim.optimizer import Optimizer
from corpuskit.train.parallel.layout import local_tensor
from corpuskit.train.parallel.parallel import Parallel
from corpuskit.train.parallel.processes import Grid
from corpuskit.train.settings.settings import TrainSettings
from corpuskit.train.tasks.task import Inputs, Task
from corpuskit.train.watch.events import Event, Listener


@dataclass
class Progress:
    """What changes while a run goes on; with the weights and moments it is all that a checkpoint holds.

    Attributes:
        step: steps done.
        steps: length of the run; None while a run by minutes has not fixed it.
        decay_start: first step of the learning rate's decay; None as long as steps is.
        best_loss, best_step: least validation loss (nats per token) and the steps done then.
        validations_since_best: for stopping early.
        skipped, skipped_in_a_row: steps whose updates the guards refused, and those of them since the last
            that was made.
        seconds: time spent, which a run by minutes needs to know; counted over interruptions.
    """

    step: int = 0
    steps: int | None = None
    decay_start: int | None = None
    best_loss: float | None = None
    best_step: int | None = None
    validations_since_best: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    seconds: float = 0.0


def micro_rows(wanted: int | None, own: int) -> int | None:
    """Rows of a process's own that it computes at a time: all parts are of one size."""
    return wanted and math.gcd(wanted, own)


@dataclass
class Job:
    """What a run consists of; `settings` are resolved, so that nothing in them is open but the run's length.

    Attributes:
        parallel: the model, divided among the processes that train it.
        guard: decides which updates are made.
        validation: what to measure on; empty where there is nothing.
        known_words: the words of the training split, by which samples are scored.
        passage: a text in which an encoder or encoder-decoder fills gaps.
        place: brings a batch to the device.
        token_bytes: bytes of text per id, where they are known and all of the text is predicted.
        warmup, eval_every, sample_every: in steps.
        saved_with: what checkpoints hold besides Progress.
        final_rows: rows that will be measured on after the last step.
        earlier: seconds that the run had taken when it was resumed.
        started: when the run began or was resumed, on the monotonic clock.
        not_compiled: why blocks that were to be compiled are not.
    """

    out: Path
    settings: TrainSettings
    model: Transformer
    parallel: Parallel
    optimizer: Optimizer
    guard: Guard
    task: Task
    validation: Validation
    language_model: LanguageModel
    token_bytes: npt.NDArray[np.int64] | None
    device: torch.device
    place: Callable[[Tensors], Inputs]
    warmup: int
    eval_every: int
    sample_every: int
    saved_with: dict[str, Any]
    final_rows: int
    started: float
    earlier: float = 0.0
    not_compiled: str = ""
    known_words: Callable[[], Collection[str]] = tuple
    passage: Callable[[], str] = str
    listeners: list[Listener] = field(default_factory=list)

    def samples_at(self, step: int) -> bool:
        """Whether the model writes a sample after so many steps; it does so after the last one too."""
        return step in self.settings.sample_at if self.settings.sample_at else step % self.sample_every == 0

    def emit(self, event: Event) -> None:
        """Tell all listeners."""
        for listener in self.listeners:
            listener(event)

    @property
    def micro_rows(self) -> int | None:
        """Rows that this process computes at a time; None for all of its own."""
        return micro_rows(self.settings.micro_batch_rows, len(self.grid.rows(self.task.batch_rows)))

    @property
    def grid(self) -> Grid:
        """The processes of the run."""
        return self.parallel.grid

    def seconds(self) -> float:
        """Time spent on the run, interruptions excluded."""
        return self.earlier + time.monotonic() - self.started

    def held(self) -> dict[str, dict[str, Tensor]]:
        """What this process holds of the run's state, for a checkpoint."""
        weights = {name: local_tensor(each.detach()) for name, each in self.model.named_parameters()}
        return {"model": weights, "optimizer": {**self.optimizer.state(), **self.guard.state()}}

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint; raises TrainError where it is damaged or another model's."""
        found = load_checkpoint(folder, self.held(), self.grid, self.parallel.layouts)
        self.parallel.load(found["model"])
        self.guard.load(found["optimizer"])
        self.optimizer.load({k: v for k, v in found["optimizer"].items() if not k.startswith("guard.")})
