"""What a training run will be, before it is one: size, memory, time and cost on this device, and advice."""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from corpuskit.errors import SettingError, checks_arguments
from corpuskit.train.corpus import Corpus
from corpuskit.train.device import process_state
from corpuskit.train.job import Job, Settings, Setup
from corpuskit.train.loop import train_step, write_sample
from corpuskit.train.model import cost as costs
from corpuskit.train.model.lora import trained_and_frozen
from corpuskit.train.model.transformer import ModelSettings
from corpuskit.train.parallel.processes import Grid, processes
from corpuskit.train.plan.advice import Advice, Facts, advise, expectation
from corpuskit.train.settings.settings import RunSettings, TrainSettings
from corpuskit.train.setup import make_trainer
from corpuskit.train.tasks.task import Validation
from corpuskit.train.trainer import Learner, Progress, Trainer

# Three for a median; more as long as they are short, so that a plan takes seconds.
_LEAST_STEPS, _MOST_STEPS, _PROBE_SECONDS = 3, 20, 10.0
_MEASURED_TOKENS = 16_384
_MAKING = "Making steps to see how long they take"

Tell = Callable[[str, int], None]


@dataclass(frozen=True)
class Plan:
    """A run as it would be.

    Attributes:
        settings: all of them, resolved: what `train` would use.
        task: what is learnt.
        shape: of the model.
        device: its kind, with the number of threads on a CPU.
        parameters: learned numbers in the model.
        trained: of all numbers, those that this run changes.
        train_tokens: tokens of the corpus.
        steps: of the run; about so many where it goes by minutes.
        tokens, epochs: what it reads of the corpus, repetitions included.
        batch_tokens: tokens of a step.
        memory: of a training step at its peak, and of writing one text as long as the context.
        flops: operations of all steps.
        seconds_per_step: measured, the median of some steps on this device.
        seconds: of the whole run, with validation and samples.
        cost: of those seconds, at the price of an hour.
        notes: what was found or chosen that a user would not expect.
        expectation: what reading the corpus so often does.
        advice: what to change.
    """

    settings: RunSettings
    task: str
    shape: ModelSettings
    device: str
    parameters: int
    trained: int
    train_tokens: int
    steps: int
    tokens: int
    epochs: float
    batch_tokens: int
    memory: costs.Memory
    generation: costs.Memory
    flops: int
    seconds_per_step: float
    seconds: float
    cost: float | None
    notes: tuple[str, ...]
    expectation: str
    advice: list[Advice]

    def as_json(self) -> dict[str, Any]:
        """The plan as plain values, memory with its total."""
        plain = asdict(self) | {"settings": self.settings.model_dump()}
        for name, memory in (("memory", self.memory), ("generation", self.generation)):
            plain[name] = asdict(memory) | {"total": memory.total}
        return plain


@checks_arguments
def plan_training(
    run: Path | str,
    settings: TrainSettings | None = None,
    hourly: float | None = None,
    tell: Callable[[str, int], None] | None = None,
) -> Plan:
    """Plan a pretraining run on the shards of a build, see `plan_job`.

    Args:
        run: folder of a finished build.
        settings: as for `corpuskit.train.train.train_model`.
        hourly, tell: as of `plan_job`.

    Raises:
        SettingError, ShardError, TrainError: as `corpuskit.train.train.train_model` does.
    """
    return plan_job(Corpus(Path(run)), settings or TrainSettings(), hourly, tell)


def plan_job(
    job: Job[Settings],
    settings: Settings,
    hourly: float | None = None,
    tell: Callable[[str, int], None] | None = None,
) -> Plan:
    """Plan a run: some steps are made to see how long they take, and forgotten.

    Args:
        job, settings: as for `corpuskit.train.run.run`.
        hourly: price of an hour of this machine.
        tell: is called with what is being done, and for which time.

    Raises:
        SettingError, TrainError: as `corpuskit.train.run.run` does.
    """
    if hourly is not None and not 0 <= hourly < math.inf:
        raise SettingError(f"hourly = {hourly} is no price", remedy="Give 0 or more.")
    began = time.monotonic()
    if tell is not None:
        tell("Getting the model and its data ready", 1)
    with _settled(job, settings) as (setup, grid, folder):
        trainer = make_trainer(folder, setup, job, grid, began)
        step, whole = _probe(trainer, time.monotonic() - began, setup.steps, tell or (lambda *_: None))
        return _plan(trainer, setup.steps, step, whole, hourly)


@contextlib.contextmanager
def _settled(job: Job[Settings], settings: Settings) -> Iterator[tuple[Setup, Grid, Path]]:
    """A run as it would begin, in a folder that is gone afterwards."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="corpuskit-plan-")))
        grid = stack.enter_context(processes(settings.tensor_parallel, settings.device))
        stack.enter_context(process_state(grid.device, settings.deterministic))
        folder = folder.parent / grid.texts(folder.name)[0]  # The first process's, for all of them.
        job.refuse(folder, settings)
        job.open(folder, settings, grid, resumes=False)
        yield job.settle(settings, grid), grid, folder
        grid.barrier()


def _plan(trainer: Trainer, steps: int, step: float, whole: float, hourly: float | None) -> Plan:
    chosen, shape, task = trainer.settings, trainer.task.shape, trainer.task
    tokens, device = steps * task.tokens_per_step, trainer.learner.device.type
    seconds = whole if chosen.minutes is None else chosen.minutes * 60
    facts = Facts(
        # Of a mixture, those of a corpus that would be read as often.
        train_tokens=round(tokens / task.epochs(steps)),
        seen=tokens,
        parameters=costs.parameter_count(shape),
        dropout=shape.dropout,
        weight_decay=chosen.weight_decay or 0.0,
        goldfish=getattr(chosen, "goldfish", 0),
        patience=chosen.patience,
        bytes_per_token=task.bytes_per_token,
        causal=task.name.startswith("causal"),
        validated=bool(trainer.validation.batch),
    )
    return Plan(
        settings=chosen,
        task=task.name,
        shape=shape,
        device=f"cpu, {torch.get_num_threads()} threads" if device == "cpu" else device,
        parameters=facts.parameters,
        trained=trained_and_frozen(trainer.learner.model)[0],
        train_tokens=task.tokens,
        steps=steps,
        tokens=tokens,
        epochs=facts.epochs,
        batch_tokens=task.tokens_per_step,
        memory=costs.training_memory(shape, load_of(trainer)),
        generation=costs.generation_memory(shape, 1),
        flops=costs.flops_per_token(shape, task) * tokens,
        seconds_per_step=step,
        seconds=seconds,
        cost=None if hourly is None else hourly * seconds / 3600,
        notes=trainer.notes,
        # What reading text so often does is known of language models alone.
        expectation=expectation(facts) if facts.bytes_per_token else "",
        advice=advise(facts) if facts.bytes_per_token else [],
    )


@checks_arguments
def resolved(run: Path | str, settings: TrainSettings | None = None) -> TrainSettings:
    """The settings that a run would have, with what is open chosen; raises what `plan_training` raises."""
    return resolved_of(Corpus(Path(run)), settings or TrainSettings())


def resolved_of(job: Job[Settings], settings: Settings) -> Settings:
    """The settings that a job's run would have, with what is open chosen."""
    with _settled(job, settings) as (setup, _, _):
        return job.kind.checked(setup.task.settings.model_dump())


def load_of(trainer: Trainer) -> costs.Load:
    """What a micro-batch of the run asks of the device's memory."""
    settings, learner, grid = trainer.settings, trainer.learner, trainer.grid
    row = learner.task.extent()
    return costs.Load(
        rows=learner.micro_rows,
        positions=row.positions,
        source=row.source,
        predicted=row.predicted,
        documents=row.documents,
        accumulates=learner.micro_rows < len(learner.rows),
        bf16=settings.precision == "bf16",
        checkpointing=settings.recompute,
        optimizer=settings.optimizer,
        ema=settings.ema > 0,
        ranks=grid.tensor * (grid.data if settings.parallel == "fsdp" else 1),
        device=learner.device.type,
    )


def _probe(trainer: Trainer, start: float, steps: int, tell: Tell) -> tuple[float, float]:
    """Seconds of a step, and of a run of so many that is not stopped early and took `start` to get ready.

    Some steps are made, it is measured and written, all at a rate of zero.
    """
    learner, batch, rows = trainer.learner, trainer.validation.batch, trainer.validation.rows
    parts = len(learner.rows) // learner.micro_rows
    # Of many micro-batches the time of one and of two tells that of all.
    few = _step_seconds(learner, min(parts, 2), tell)
    step = few if parts <= 2 else few + (parts - 2) * max(0.0, few - _step_seconds(learner, 1, tell))
    validation = final = 0.0
    if rows:
        measured = min(rows, max(1, _MEASURED_TOKENS // learner.task.extent().positions))
        part = {name: each[:measured] for name, each in batch.items()}
        tell("Measuring on held-out text", 1)
        began = time.monotonic()
        trainer.evaluator.evaluate(Validation(part, {}))
        validation = (time.monotonic() - began) * rows / measured
        final = validation * trainer.final.rows / rows
    # The first one also collects the words of the corpus, by which all are scored.
    samples = [0.0, 0.0]
    for number in range(2):
        tell("Writing a sample", number + 1)
        began = time.monotonic()
        write_sample(trainer, Progress())
        samples[number] = time.monotonic() - began
    validations = math.ceil(steps / trainer.intervals.validation)
    later = sum(trainer.intervals.samples(done) for done in range(1, steps))
    passing = steps * step + validations * validation + final
    return step, start + passing + samples[0] + later * samples[1]


def _step_seconds(learner: Learner, parts: int, tell: Tell) -> float:
    """Median seconds of steps of so many micro-batches of this process's rows."""
    first, grid = learner.rows.start, learner.parallel.grid
    rows = range(first, first + parts * learner.micro_rows)
    tell(_MAKING, 1)
    train_step(learner, 0, 0.0, learner.task.batch(0, rows)).loss.item()  # slower than the rest
    times: list[float] = []
    while len(times) < _LEAST_STEPS or (len(times) < _MOST_STEPS and sum(times) < _PROBE_SECONDS):
        tell(_MAKING, len(times) + 2)
        batch = learner.task.batch(1 + len(times), rows)
        began = time.monotonic()
        train_step(learner, 1 + len(times), 0.0, batch).loss.item()
        # The processes agree, so that none of them stops before the others.
        times.append(grid.agree(time.monotonic() - began)[0])
    return sorted(times)[len(times) // 2]
