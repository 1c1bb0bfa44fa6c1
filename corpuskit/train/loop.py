"""The training loop: everything that happens from one step to the next."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from corpuskit.errors import TrainError
from corpuskit.storage.files import write_file
from corpuskit.train.checkpoint import save_checkpoint, save_weights
from corpuskit.train.device import Feed, graphs_compiled, memory_bytes, uncompiled
from corpuskit.train.optim.optimizer import Schedule
from corpuskit.train.settings.settings import Optimization
from corpuskit.train.tasks.task import Tensors
from corpuskit.train.trainer import Learner, Progress, Trainer

# To read a loss waits for the GPU, which would then stand still: results of so many steps are read at once.
_CUDA_SYNC_STEPS = 10
_SAVE_SECONDS = 60.0
# Of the time left when the run's end is fixed, this share is planned: steps do not all take as long.
_PLANNED_SHARE = 0.98
# One step that had to wait for something must not fix the length of the whole run.
_PACE_STEPS = 3


_STOPPING = b"\nStopping after this step, with a checkpoint. A second time leaves at once, without one.\n"


class Stopper:
    """Turns the first SIGINT, SIGTERM or SIGHUP into a request to stop after the step, and says so.

    A second one raises KeyboardInterrupt wherever the run is, and leaves what was saved before; a third one
    acts as the system has it, so that also a step that hangs can be left. Signals that the caller ignores
    stay ignored (`nohup`). They reach the main thread only; in another one the run can be stopped by nothing
    but its end.
    """

    def __init__(self, speaks: bool = True) -> None:
        self.requested = False
        self._speaks = speaks
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stopper:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._on_signal)
        return self

    def _on_signal(self, *_: object) -> None:
        if self.requested:
            for number in self._before:
                signal.signal(number, signal.SIG_DFL)
            raise KeyboardInterrupt
        self.requested = True
        if self._speaks:
            # Past all buffers, in which the run may just be writing; there may be nobody to read it.
            with contextlib.suppress(OSError, ValueError, AttributeError):
                os.write(sys.stderr.fileno(), _STOPPING)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class Saver:
    """Saves every `save_every` steps; by default every minute, or twenty times as long as a save takes.

    When a checkpoint is saved changes nothing of what is computed, so the clock may decide it. The run stands
    still meanwhile, by default for a twentieth of its time at most, and what the larger file of a checkpoint
    holds stands in memory once more.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._saved_at = time.monotonic()
        self._pause = _SAVE_SECONDS

    def due(self, step: int) -> bool:
        """Whether to save now, after so many steps."""
        every = self._trainer.settings.save_every
        return step % every == 0 if every else time.monotonic() - self._saved_at >= self._pause

    def save(self, progress: Progress) -> None:
        """Save a checkpoint."""
        trainer, began = self._trainer, time.monotonic()
        learner = trainer.learner
        state = {**trainer.identity, **asdict(progress)}
        path = save_checkpoint(
            trainer.out, learner.held(), state, trainer.settings.keep, trainer.grid, learner.parallel.layouts
        )
        self._saved_at = time.monotonic()
        self._pause = max(_SAVE_SECONDS, 20 * (self._saved_at - began))
        trainer.emit({"event": "save", "step": progress.step, "checkpoint": path.name})


@dataclass
class Pace:
    """How long a step takes, with what happens between steps: by those that this process has made.

    The first ones count with all that was before them, loading and compiling, and are left out.

    Attributes:
        row_seconds: how long it takes to measure on a row; None before that was done.
    """

    _first: tuple[int, float] | None = None
    _last: tuple[int, float] = (0, 0.0)
    row_seconds: float | None = None

    def note(self, progress: Progress) -> None:
        """Take note of the steps made and the time spent, when the device has made them."""
        self._last = progress.step, progress.seconds
        self._first = self._first or self._last

    @property
    def steps(self) -> int:
        """Steps that it is known by."""
        return self._last[0] - self._first[0] if self._first else 0

    @property
    def seconds(self) -> float:
        """Seconds of a step."""
        step, seconds = self._last
        if self._first is None or not self.steps:
            return seconds / max(1, step)
        return (seconds - self._first[1]) / self.steps


def fit(trainer: Trainer, progress: Progress, pause_at: int | None = None) -> str:
    """Train from where `progress` stands; returns why it ended, see `TrainResult`.

    Each ending leaves a checkpoint of the last step. Raises TrainError, naming step and batch, where more
    updates in a row are refused than `skip_limit`; the checkpoint before them stays the latest.
    """
    train_loss, graphs = math.nan, graphs_compiled()
    saver, pace = Saver(trainer), Pace()
    learner, rows = trainer.learner, trainer.learner.rows
    feed = Feed(lambda step: trainer.task.batch(step, rows), learner.device)
    pending: list[StepResult] = []
    reason = _reason_to_stop(trainer, progress, pause_at)
    if not progress.step and trainer.intervals.samples(0):
        write_sample(trainer, progress)
    with Stopper(trainer.grid.is_first) as stopper, contextlib.closing(feed):
        while not reason:
            if progress.steps is None and fix_horizon(trainer, progress, pace):
                # The clock has fixed it: a run that is killed now must go on to the same end.
                _report_steps(trainer, progress, pending, pace)
                saver.save(progress)
                trainer.emit({"event": "horizon", "step": progress.step, "steps": progress.steps})
            rate = schedule(trainer, progress).rate(progress.step)
            pending.append(train_step(learner, progress.step, rate, feed.take(progress.step)))
            progress.step += 1

            local = trainer.seconds(), stopper.requested, saver.due(progress.step)
            progress.seconds, asked, due = trainer.grid.agree(*local)
            last = bool(_end(trainer, progress))
            validate = progress.step % trainer.intervals.validation == 0 or last
            save = bool(due) or last
            stops = bool(asked or _reason_to_stop(trainer, progress, pause_at))
            sample = last or trainer.intervals.samples(progress.step)
            # On a CPU a step is done when it is asked for: to read its loss costs nothing.
            waits = validate or save or stops or sample or learner.device.type == "cpu"
            if waits or len(pending) == _CUDA_SYNC_STEPS:
                train_loss = _report_steps(trainer, progress, pending, pace)
                if (found := graphs_compiled()) > graphs:  # The first ones were before the first step.
                    trainer.emit({"event": "compile", "step": progress.step, "graphs": found - graphs})
                    graphs = found
            # Before the checkpoint that will call these weights the best: killed in between, a run measures
            # again, while the other way about its best weights would be missing.
            if validate:
                began = time.monotonic()
                _validate(trainer, progress, train_loss)
                if trainer.validation.rows:
                    spent = trainer.grid.agree(time.monotonic() - began)[0]
                    pace.row_seconds = spent / trainer.validation.rows
            # While updates are skipped the weights may be such that nothing can be drawn.
            if sample and not progress.skipped_in_a_row:
                write_sample(trainer, progress)
            reason = _reason_to_stop(trainer, progress, pause_at) or ("interrupted" if stops else "")
            if reason or save:
                saver.save(progress)
    if _end(trainer, progress) and progress.skipped == progress.step:
        raise TrainError(
            f"nothing was learnt: of {progress.step} batches none had a target and a finite gradient",
            remedy="Look at what the objective leaves out, and at the learning rate.",
        )
    trainer.emit({"event": "stop", "step": progress.step, "reason": reason})
    return reason


def _end(trainer: Trainer, progress: Progress) -> str:
    """Why the run is at its end; empty while it is not."""
    if progress.step == progress.steps:
        return "done"
    minutes = trainer.settings.minutes
    # One that was fitted to its time on the way ends its decay, sooner or later; of another the fit was made
    # before its first step, and whatever slows it down would make it last longer.
    if minutes is not None and not fits_on_the_way(trainer.settings) and progress.seconds >= 60 * minutes:
        return "time is up"
    return ""


def _reason_to_stop(trainer: Trainer, progress: Progress, pause_at: int | None) -> str:
    """Why no further step is to be done; empty where one is."""
    end = _end(trainer, progress)
    if end:
        return end
    if 0 < trainer.settings.patience <= progress.validations_since_best:
        return "early stop"
    return "paused" if pause_at is not None and progress.step >= pause_at else ""


class StepResult(NamedTuple):
    """A step as the device knows it: scalars that are read later, so that nothing waits for them.

    Attributes:
        loss: mean over the batch's targets.
        norm: of the gradient, before it was clipped.
        kept: 1 where the update was made, 0 where a guard refused it or there was no target.
        some: whether the batch had a target.
        beside: what else was computed, means over the targets.
    """

    step: int
    rate: float
    loss: Tensor
    norm: Tensor
    kept: Tensor
    some: Tensor
    beside: Mapping[str, Tensor] = MappingProxyType({})


def train_step(learner: Learner, step: int, rate: float, batch: Tensors) -> StepResult:
    """One update of the weights from this process's rows of a batch.

    Micro-batches of all processes add the gradients of their summed losses; the sum is divided by the whole
    batch's count of targets, so that the gradient is that of the whole batch however it is divided.
    """
    parallel, optimizer = learner.parallel, learner.optimizer
    totals = torch.zeros(2, device=learner.device)
    learner.task.beside()  # What a compiler tried is no part of a step.
    learner.model.train()
    parts = learner.task.micro_batches(batch, learner.micro_rows)
    for number, part in enumerate(parts):
        if learner.dropout_seed is not None:  # Seeding takes over a millisecond.
            # A micro-batch of these rows has these dropout masks, whichever process computes it.
            torch.manual_seed(learner.dropout_seed(step, learner.rows.start + number * learner.micro_rows))
        totals[0] += parallel.backward(learner.place(part), number == len(parts) - 1)
    totals[1] = learner.task.count(batch)
    beside = learner.task.beside()
    loss, targets, *others = parallel.grid.sum_over_data(torch.stack([*totals, *beside.values()]))
    # A batch may have no target, all of which a mask left out: nothing is learnt from it.
    some, targets = targets > 0, targets.clamp(min=1)
    gradients = optimizer.gradients()
    parallel.finish(gradients)
    norm, loss = parallel.norm(gradients) / targets, loss / targets
    kept = learner.guard.keep(loss, norm, some)
    # The 1e-6 is that of torch's clip_grad_norm_: a gradient of zero has no norm to divide by.
    torch._foreach_mul_(list(gradients.values()), (learner.clip / (norm + 1e-6)).clamp(max=1.0) / targets)
    optimizer.step(rate, kept, gradients)
    optimizer.update_average(step)
    means = {name: each / targets for name, each in zip(beside, others, strict=True)}
    return StepResult(step, rate, loss, norm, kept, some, means)


def schedule(trainer: Trainer, progress: Progress) -> Schedule:
    """The learning rates as far as they are known: while the run's length is open they warm up and stay."""
    settings, never = trainer.settings, 2**62  # A step that no run comes to, with which can be reckoned.
    steps = never if progress.steps is None else progress.steps
    decay_start = never if progress.decay_start is None else progress.decay_start
    return Schedule(settings.schedule, settings.peak, trainer.intervals.warmup, decay_start, steps)


def fix_horizon(trainer: Trainer, progress: Progress, pace: Pace) -> bool:
    """Fix the length of a run by minutes when its decay must begin, by the speed measured up to now.

    Returns whether it was fixed.
    """
    settings = trainer.settings
    assert settings.minutes is not None
    budget = settings.minutes * 60
    spent = progress.seconds
    if pace.steps < _PACE_STEPS or spent < budget * (1 - settings.decay_share):
        return False
    progress.decay_start = progress.step
    # A row that is measured on goes forward only: about a third of the cost of a training row.
    row = pace.row_seconds or pace.seconds / (3 * trainer.task.batch_rows)
    progress.steps = progress.step + steps_in(budget - spent, pace.seconds, trainer.final.rows * row)
    return True


def fits_on_the_way(settings: Optimization) -> bool:
    """Whether a run by minutes fixes its length when its decay begins, and not before its first step."""
    return settings.schedule == "wsd" and settings.decay_share > 0


def steps_in(seconds: float, each: float, after: float) -> int:
    """Steps of so many seconds each, and `after` seconds for what follows, in so much time; 1 at least."""
    return max(1, int((seconds * _PLANNED_SHARE - after) / each))


def _report_steps(trainer: Trainer, progress: Progress, pending: list[StepResult], pace: Pace) -> float:
    """Emit and clear the pending steps, which waits for the device; returns the last loss.

    Raises TrainError when the guards refused more updates in a row than they may.
    """
    if not pending:
        return math.nan
    # This waits for the device: what the clock says before would be how fast steps are asked for.
    scalars = [torch.stack([each.loss, each.norm, each.kept.float(), each.some.float()]) for each in pending]
    numbers: list[list[float]] = torch.stack(scalars).tolist()
    progress.seconds = trainer.grid.agree(trainer.seconds())[0]
    pace.note(progress)
    memory, each = memory_bytes(trainer.learner.device), pace.seconds
    for done, (loss, norm, kept, some) in zip(pending, numbers, strict=True):
        if not some:
            progress.skipped += 1
            event = {"event": "skip", "step": done.step, "loss": None, "gradient_norm": None}
            trainer.emit(event | {"reason": "no target", "batch": trainer.task.describe(done.step)})
            continue
        if not kept:
            _report_skip(trainer, progress, done.step, loss, norm)
            continue
        progress.skipped_in_a_row = 0
        event = {"event": "step", "step": done.step, "loss": loss, "learning_rate": done.rate}
        event |= {name: float(each) for name, each in done.beside.items()}
        event |= {"gradient_norm": norm, "memory_bytes": memory}
        speed = trainer.task.tokens_per_step / each
        trainer.emit(event | {"tokens_per_s": speed, "eta_s": _seconds_left(trainer, progress, each)})
    pending.clear()
    loss, *_, some = numbers[-1]
    return loss if some else math.nan


def _report_skip(trainer: Trainer, progress: Progress, step: int, loss: float, norm: float) -> None:
    """Count a step whose update was refused; raises TrainError when it is one too many."""
    progress.skipped += 1
    progress.skipped_in_a_row += 1
    finite = math.isfinite(loss) and math.isfinite(norm)
    event = {"event": "skip", "step": step, "loss": loss, "gradient_norm": norm}
    reason = "spike" if finite else "not finite"
    trainer.emit(event | {"reason": reason, "batch": trainer.task.describe(step)})
    if progress.skipped_in_a_row <= trainer.settings.skip_limit:
        return
    raise TrainError(
        f"the loss of step {step} is {loss:.4g} and its gradient norm {norm:.4g}"
        + (", far above those of the steps before" if finite else "")
        + f"; {progress.skipped_in_a_row - 1} updates in a row were skipped for that before. "
        f"Its batch holds the {trainer.task.describe(step)}",
        remedy="Begin again with another --out and a "
        f"learning_rate below {trainer.settings.peak:g}, or with precision fp32.",
    )


def _seconds_left(trainer: Trainer, progress: Progress, each: float) -> float | None:
    if progress.steps is not None:
        return (progress.steps - progress.step) * each
    minutes = trainer.settings.minutes
    return None if minutes is None else max(0.0, minutes * 60 - progress.seconds)


def _validate(trainer: Trainer, progress: Progress, train_loss: float) -> None:
    """Measure, and keep the weights where they are the best so far or there is nothing to measure on."""
    best = True
    if trainer.validation.batch:
        with trainer.learner.optimizer.averaged():
            result = trainer.evaluator.evaluate(trainer.validation)
        if not math.isfinite(result.loss):
            raise TrainError(
                f"the validation loss after {progress.step} steps is {result.loss}",
                remedy=f"Begin again with another --out and a learning_rate below {trainer.settings.peak:g}.",
            )
        chosen = trainer.task.best
        value = result.figures[chosen.figure]
        assert value is not None  # A task names no figure that may be missing.
        best = chosen.beats(value, progress.best)
        progress.validations_since_best = 0 if best else progress.validations_since_best + 1
        if best:
            progress.best, progress.best_step = value, progress.step
        event: dict[str, Any] = {"event": "validation", "step": progress.step, "train_loss": train_loss}
        event |= {**result.figures, "sources": result.sources, "best": best, "seconds": progress.seconds}
        speed = progress.step * trainer.task.tokens_per_step / progress.seconds
        trainer.emit(event | {"tokens_per_s": speed})
    if best:
        keep_weights(trainer, progress)


def keep_weights(trainer: Trainer, progress: Progress) -> None:
    """Write the weights, or their moving average where there is one, as the model that the run leaves."""
    # Written while the average lasts: on one CPU these are the model's own tensors, and no copies.
    with trainer.learner.optimizer.averaged():
        weights = trainer.learner.parallel.whole_weights()
        if trainer.grid.is_first:
            for name, content in trainer.task.files(weights).items():
                write_file(trainer.out / name, content)
            kept = trainer.task.kept(weights)
            save_weights(trainer.out / "model.safetensors", kept, {"step": str(progress.step)})


def write_sample(trainer: Trainer, progress: Progress) -> None:
    """Emit a text that the model writes at this point, and its scores."""
    with trainer.learner.optimizer.averaged():
        model = trainer.learner.parallel.readable(trainer.task.kept)
        if not trainer.grid.is_first:
            return
        with uncompiled():
            written = trainer.task.milestone(model)
    if written is not None:
        trainer.emit({"event": "sample", "step": progress.step, **written})
