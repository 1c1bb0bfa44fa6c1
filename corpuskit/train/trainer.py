"""What trains: a learner that steps change, what it is measured on, when what happens, and who is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from corpuskit.train.checkpoint import load_checkpoint
from corpuskit.train.evaluate.loss import Evaluator
from corpuskit.train.model.transformer import Transformer
from corpuskit.train.optim.guard import Guard
from corpuskit.train.optim.optimizer import Optimizer
from corpuskit.train.parallel.layout import local_tensor
from corpuskit.train.parallel.parallel import LossOf, Parallel
from corpuskit.train.parallel.processes import Grid
from corpuskit.train.settings.settings import RunSettings
from corpuskit.train.tasks.task import Inputs, Task, Tensors, Validation
from corpuskit.train.watch.events import Event, Listener


@dataclass
class Progress:
    """What changes while a run goes on; with the weights and moments it is all that a checkpoint holds.

    Attributes:
        step: steps done.
        steps: length of the run; None while a run by minutes has not fixed it.
        decay_start: first step of the learning rate's decay; None as long as steps is.
        best, best_step: of the figure that the task chooses weights by, and the steps done then.
        validations_since_best: for stopping early.
        skipped, skipped_in_a_row: steps whose updates the guards refused, and those of them since the last
            that was made.
        seconds: time spent, which a run by minutes needs to know; counted over interruptions.
    """

    step: int = 0
    steps: int | None = None
    decay_start: int | None = None
    best: float | None = None
    best_step: int | None = None
    validations_since_best: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Learner:
    """What a step changes, and what it needs for that.

    Attributes:
        task: where batches come from, and their loss.
        parallel: the model, divided among the processes that train it.
        guard: decides which updates are made.
        place: brings a batch to the device.
        answers_of: what the task makes of a model and a batch where it is measured by more than its loss.
        micro_rows: rows that this process computes at a time; its own are a multiple of them.
        clip: greatest norm of a gradient.
        dropout_seed: of a step's micro-batch, by the number of its first row; None where nothing is dropped.
        not_compiled: why blocks that were to be compiled are not.
    """

    task: Task
    parallel: Parallel
    optimizer: Optimizer
    guard: Guard
    place: Callable[[Tensors], Inputs]
    answers_of: LossOf
    micro_rows: int
    clip: float
    dropout_seed: Callable[[int, int], int] | None
    not_compiled: str = ""

    @property
    def model(self) -> Transformer:
        """The model."""
        return self.parallel.model

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return self.parallel.grid.device

    @property
    def rows(self) -> range:
        """The rows of a batch that are this process's own."""
        return self.parallel.grid.rows(self.task.batch_rows)

    def held(self) -> dict[str, dict[str, Tensor]]:
        """What this process holds of the run's state, for a checkpoint: of the weights those that learn."""
        learning = [(name, each) for name, each in self.model.named_parameters() if each.requires_grad]
        weights = {name: local_tensor(each.detach()) for name, each in learning}
        return {"model": weights, "optimizer": {**self.optimizer.state(), **self.guard.state()}}

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint; raises TrainError where it is damaged or another model's."""
        found = load_checkpoint(folder, self.held(), self.parallel.grid, self.parallel.layouts)
        self.parallel.load(found["model"])
        self.guard.load(found["optimizer"])
        # The optimizer refuses names that are not its own.
        self.optimizer.load({k: v for k, v in found["optimizer"].items() if not k.startswith("guard.")})


@dataclass(frozen=True)
class Intervals:
    """When what happens, in steps."""

    warmup: int
    validation: int
    sample: int
    sample_at: tuple[int, ...]

    def samples(self, step: int) -> bool:
        """Whether the model writes a sample after so many steps; it does so after the last one too.

        Before the first one it does where that is asked for.
        """
        return step in self.sample_at if self.sample_at else step > 0 and step % self.sample == 0


@dataclass
class Trainer:
    """A training run.

    Attributes:
        out: the model folder.
        title: what the model is called, in a word.
        evaluator: measures the model as it is.
        validation: what to measure on meanwhile; empty where there is nothing.
        final: what to measure on after the last step.
        started: when the run began, or was resumed less the seconds that it had taken by then, on the
            monotonic clock.
        notes: what was chosen that a user would not expect, in sentences.
        document: what model.json says of the model.
        facts: what it says of data and beginning.
        identity: what checkpoints and model.json hold besides Progress: settings, data, tokenizer, machine.
    """

    out: Path
    title: str
    learner: Learner
    evaluator: Evaluator
    validation: Validation
    final: Validation
    intervals: Intervals
    started: float
    notes: tuple[str, ...]
    document: dict[str, Any]
    facts: dict[str, Any]
    identity: dict[str, Any]
    listeners: list[Listener] = field(default_factory=list)

    @property
    def task(self) -> Task:
        """What is learnt."""
        return self.learner.task

    @property
    def settings(self) -> RunSettings:
        """The task's."""
        return self.learner.task.settings

    @property
    def grid(self) -> Grid:
        """The processes of the run."""
        return self.learner.parallel.grid

    def seconds(self) -> float:
        """Time spent up to now, interruptions excluded."""
        return time.monotonic() - self.started

    def emit(self, event: Event) -> None:
        """Tell all listeners."""
        for listener in self.listeners:
            listener(event)
