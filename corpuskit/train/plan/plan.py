"""What a training run will be, before it is one: size, memory, time and cost on this device, and advice."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from corpuskit.shards.reader import Shards
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.data.held_out import Validation
from corpuskit.train.device import process_state
from corpuskit.train.evaluate.loss import measure
from corpuskit.train.job import Job, Progress
from corpuskit.train.loop import train_step, write_sample
from corpuskit.train.model.cost import Load, Memory, generation_memory, parameter_count, training_memory
from corpuskit.train.parallel.processes import processes
from corpuskit.train.plan.advice import Advice, Facts, advise, expectation
from corpuskit.train.result import flops_per_token
from corpuskit.train.settings.settings import TrainSettings
from corpuskit.train.setup import make_job, settle
from corpuskit.train.tasks.pretrain import Pretraining

_LEAST_STEPS, _MOST_STEPS, _PROBE_SECONDS = 3, 20, 10.0
_MEASURED_TOKENS = 16_384


@dataclass(frozen=True)
class Plan:
    """A run as it would be.

    Attributes:
        settings: all of them, resolved: what `train` would use.
        device: its kind, with the number of threads on a CPU.
        parameters: learned numbers in the model.
        train_tokens: tokens of the corpus.
        steps: of the run; about so many where it goes by minutes.
        tokens, epochs: what it reads of the corpus, repetitions included.
        batch_tokens: tokens of a step.
        memory: of a training step at its peak, and of writing one text as long as the context.
        flops: operations of all steps.
        seconds_per_step: measured, the median of some steps on this device.
        seconds: of the whole run, with validation and samples.
        cost: of those seconds, at the price of an hour.
        expectation: what reading the corpus so often does.
        advice: what to change.
    """

    settings: TrainSettings
    device: str
    parameters: int
    train_tokens: int
    steps: int
    tokens: int
    epochs: float
    batch_tokens: int
    memory: Memory
    generation: Memory
    flops: int
    seconds_per_step: float
    seconds: float
    cost: float | None
    expectation: str
    advice: list[Advice]

    def as_json(self) -> dict[str, Any]:
        """The plan as plain values, memory with its total."""
        plain = asdict(self) | {"settings": self.settings.model_dump()}
        for name, memory in (("memory", self.memory), ("generation", self.generation)):
            plain[name] = asdict(memory) | {"total": memory.total}
        return plain


def plan(run: Path | str, settings: TrainSettings | None = None, hourly: float | None = None) -> Plan:
    """Plan a run on the shards of a build: some steps are made to see how long they take, and forgotten.

    Args:
        run: folder of a finished build.
        settings: as for `corpuskit.train.train.train_model`.
        hourly: price of an hour of this machine.

    Raises:
        SettingError, ShardError, TrainError: as `corpuskit.train.train.train_model` does.
    """
    began = time.monotonic()
    with _prepared(Path(run), settings or TrainSettings()) as (job, task, planned):
        probe = _probe(job, task, time.monotonic() - began)
        return _plan(job, task, planned, probe, hourly)


def _plan(job: Job, task: Pretraining, planned: int, probe: _Probe, hourly: float | None) -> Plan:
    chosen, shape = job.settings, job.model.settings
    tokens = planned * task.tokens_per_step
    train_tokens = task.split.tokens
    seconds = probe.seconds(job, planned) if chosen.minutes is None else chosen.minutes * 60
    facts = Facts(
        # Of a mixture, those of a corpus that would be read as often.
        train_tokens=round(tokens / task.epochs(planned)),
        seen=tokens,
        parameters=parameter_count(shape),
        dropout=shape.dropout,
        weight_decay=chosen.weight_decay or 0.0,
        goldfish=chosen.goldfish,
        patience=chosen.patience,
        bytes_per_token=_bytes_per_token(job, task),
        causal=chosen.objective == "causal",
        validated=bool(job.validation.batch),
    )
    is_cpu = job.device.type == "cpu"
    return Plan(
        settings=chosen,
        device=f"cpu, {torch.get_num_threads()} threads" if is_cpu else job.device.type,
        parameters=facts.parameters,
        train_tokens=train_tokens,
        steps=planned,
        tokens=tokens,
        epochs=facts.epochs,
        batch_tokens=task.tokens_per_step,
        memory=training_memory(shape, load_of(job, task)),
        generation=generation_memory(shape, 1),
        flops=flops_per_token(shape, task) * tokens,
        seconds_per_step=probe.step,
        seconds=seconds,
        cost=None if hourly is None else hourly * seconds / 3600,
        expectation=expectation(facts),
        advice=advise(facts),
    )


def resolved(run: Path | str, settings: TrainSettings | None = None) -> TrainSettings:
    """The settings that a run would have, with what is open chosen; raises what `plan` raises."""
    settings, shards, codec = settings or TrainSettings(), *_inputs(Path(run))
    with processes(settings.tensor_parallel) as grid, process_state(grid.device):
        return settle(settings, Path(run), shards, codec, grid)[0]


def load_of(job: Job, task: Pretraining) -> Load:
    """What a micro-batch of the job asks of the device's memory."""
    settings = job.settings
    own = len(job.grid.rows(task.batch_rows))
    rows = job.micro_rows or own
    batch = task.batch(0, range(1))
    return Load(
        rows=rows,
        positions=batch["ids"].shape[1],
        source=batch["source"].shape[1] if "source" in batch else 0,
        predicted=batch["targets"].shape[1],
        documents="documents" in batch,
        accumulates=rows < own,
        bf16=settings.precision == "bf16",
        checkpointing=settings.recompute,
        optimizer=settings.optimizer,
        ema=settings.ema > 0,
        ranks=job.grid.tensor * (job.grid.data if settings.parallel == "fsdp" else 1),
        device=job.device.type,
    )


def _bytes_per_token(job: Job, task: Pretraining) -> float:
    """Of text, in the rows of the first batch; that of English where the tokenizer is not one of bytes."""
    sizes = job.language_model.codec.token_bytes(job.model.settings.vocab_size)
    rows = task.batches.read(task.batches.samples(0, range(task.batch_rows)))
    return Facts.bytes_per_token if sizes is None else float(sizes[rows].mean())


def _inputs(run: Path) -> tuple[Shards, Tokenizer]:
    shards = Shards(run / "shards")
    return shards, Tokenizer.load_expected(
        run / "tokenizer" / "tokenizer.json", shards.tokenizer_sha256, shards.end_of_text
    )


@contextlib.contextmanager
def _prepared(run: Path, settings: TrainSettings) -> Iterator[tuple[Job, Pretraining, int]]:
    """A run as it stands before its first step, its task, and its planned steps."""
    began = time.monotonic()
    shards, codec = _inputs(run)
    with processes(settings.tensor_parallel) as grid, process_state(grid.device, settings.deterministic):
        chosen, planned, task, weights = settle(settings, run, shards, codec, grid)
        yield make_job(run, chosen, planned, task, shards, codec, grid, began, weights), task, planned


@dataclass(frozen=True)
class _Probe:
    """Seconds of what a run consists of: getting ready, a step, a validation, the last one, a sample."""

    start: float
    step: float
    validation: float
    final: float
    first_sample: float
    sample: float

    def seconds(self, job: Job, steps: int) -> float:
        """Of a run of so many steps that is not stopped early."""
        validations = math.ceil(steps / job.eval_every)
        samples = 1 + sum(job.samples_at(step) for step in range(1, steps))
        passing = steps * self.step + validations * self.validation + self.final
        return self.start + passing + self.first_sample + (samples - 1) * self.sample


def _probe(job: Job, task: Pretraining, start: float) -> _Probe:
    """Make some steps, measure and write once, all at a rate of zero."""
    own = len(job.grid.rows(task.batch_rows))
    parts = own // (job.micro_rows or own)
    # Of many micro-batches the time of one and of two tells that of all.
    few = _step_seconds(job, task, min(parts, 2))
    step = few if parts <= 2 else few + (parts - 2) * max(0.0, few - _step_seconds(job, task, 1))
    validation = final = 0.0
    if job.validation.batch:
        rows = len(job.validation.batch["targets"])
        measured = min(rows, max(1, _MEASURED_TOKENS // job.validation.batch["targets"].shape[1]))
        part = {name: each[:measured] for name, each in job.validation.batch.items()}
        began = time.monotonic()
        measure(job, Validation(part, {}))
        validation = (time.monotonic() - began) * rows / measured
        final = validation * job.final_rows / rows
    samples = [0.0, 0.0]
    for number in range(2):
        began = time.monotonic()
        write_sample(job, Progress())
        samples[number] = time.monotonic() - began
    return _Probe(start, step, validation, final, *samples)


def _step_seconds(job: Job, task: Pretraining, parts: int) -> float:
    """Median seconds of steps of so many micro-batches of this process's rows."""
    own = job.grid.rows(task.batch_rows)
    rows = range(own.start, own.start + parts * (job.micro_rows or len(own)))
    train_step(job, 0, 0.0, task.batch(0, rows)).loss.item()  # slower than the rest
    times: list[float] = []
    while len(times) < _LEAST_STEPS or (len(times) < _MOST_STEPS and sum(times) < _PROBE_SECONDS):
        batch = task.batch(1 + len(times), rows)
        began = time.monotonic()
        train_step(job, 1 + len(times), 0.0, batch).loss.item()
        # The processes agree, so that none of them stops before the others.
        times.append(job.grid.agree(time.monotonic() - began)[0])
    return sorted(times)[len(times) // 2]
