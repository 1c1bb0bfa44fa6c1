"""From a task and a device to a trainer that the loop can run."""

from __future__ import annotations

import functools
import gc
import itertools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from corpuskit.errors import TrainError
from corpuskit.shards.batches import dropout_seed
from corpuskit.shards.permutation import derive_key
from corpuskit.train.device import compile_blocks, compile_parts, compiling_pays, on_device, takes_ends
from corpuskit.train.evaluate.loss import Evaluator
from corpuskit.train.generate.generate import model_document
from corpuskit.train.job import Job, Settings, Setup, overlaid
from corpuskit.train.loop import fits_on_the_way, steps_in, train_step
from corpuskit.train.model.cost import flops_per_token
from corpuskit.train.model.lora import CLASSIFIER, initial_adapters
from corpuskit.train.model.transformer import Dropout, Transformer, initial_weights, initialise
from corpuskit.train.optim.guard import Guard
from corpuskit.train.optim.optimizer import Optimizer
from corpuskit.train.parallel.parallel import Parallel
from corpuskit.train.parallel.processes import Grid
from corpuskit.train.tasks.task import Inputs, Task, Validation
from corpuskit.train.trainer import Intervals, Learner, Progress, Trainer

FINAL_TOKENS = 262_144
"""Of the validation split, so many tokens are measured on after the last step."""

_VALIDATIONS, _SAMPLES = 20, 5  # in a run, where nobody says how often
_PROBE_SHARE, _PROBE_STEPS = 0.03, 8  # spent to see how fast a run by minutes will be


def planned_steps(task: Task, usual: int, grid: Grid) -> int:
    """Steps that a run is expected to have; exact unless it goes by minutes, `usual` where nobody says."""
    settings = task.settings
    if settings.steps is not None:
        return settings.steps
    if settings.minutes is None:
        return usual
    each, row, passed = probe(task, grid)
    rows = _VALIDATIONS * task.validation(settings.eval_tokens or 0).rows + task.validation(FINAL_TOKENS).rows
    return steps_in(60 * settings.minutes - passed, each, rows * row)


def with_compile(settings: Settings, task: Task, steps: int, grid: Grid) -> Settings:
    """The settings with `compile` chosen, where it is open, for a run of so many steps."""
    if settings.compile != "auto":
        return settings
    flops = flops_per_token(task.shape, task) * task.tokens_per_step * steps
    # Blocks divided by tensors hold hooks that talk to other processes: nobody has measured these.
    pays = grid.tensor == 1 and not settings.recompute and compiling_pays(grid.device.type, flops)
    return settings.model_copy(update={"compile": "on" if pays else "off"})


def probe(task: Task, grid: Grid) -> tuple[float, float, float]:
    """Seconds of a step of a throw-away model, of measuring on a row, and of what is spent and will be again.

    Takes about 3 % of the run's time.
    """
    began, settings = time.monotonic(), task.settings
    # On a GPU blocks are compiled, unless that was forbidden: eager steps would say nothing of theirs.
    compiles = settings.compile == "on" or (settings.compile != "off" and grid.device.type == "cuda")
    provisional = make_learner(task, None, grid, compiles=compiles)
    batch = task.batch(0, provisional.rows)
    train_step(provisional, 0, 0.0, batch).loss.item()  # The first step is slower than the rest.
    first, done, spent = time.monotonic(), 0, 0.0
    while done == 0 or (done < _PROBE_STEPS and spent < _PROBE_SHARE * (settings.minutes or 0.0) * 60):
        done += 1
        train_step(provisional, done, 0.0, batch).loss.item()
        spent = grid.agree(time.monotonic() - first)[0]
    row, validation = 0.0, task.validation(settings.eval_tokens or 0)
    if validation.rows:
        start = time.monotonic()
        evaluator_of(provisional).evaluate(Validation(validation.batch, {}))
        row = grid.agree(time.monotonic() - start)[0] / validation.rows
    # The run itself begins with such a first step too.
    passed = grid.agree(time.monotonic() - began)[0] + (first - began)
    del provisional
    gc.collect()  # Parts of it refer to one another: on a GPU two models would stand beside each other.
    return spent / done, row, passed


def make_learner(
    task: Task, weights: Mapping[str, Tensor] | None, grid: Grid, *, compiles: bool | None = None
) -> Learner:
    """A model with its optimizer, as they are at the beginning.

    Args:
        weights: to begin with, by name; those that it lacks are drawn.
        compiles: whether blocks are compiled; by default as the settings say.
    """
    settings, shape = task.settings, task.shape
    assert settings.micro_batch_rows is not None
    seed = derive_key(settings.seed) >> 1
    # Of a model that is sharded no process could perhaps hold the whole: it is filled when it is divided.
    sharded = settings.parallel == "fsdp" and grid.data > 1
    with torch.device("meta" if sharded else "cpu"):
        model = Transformer(shape)
    if not sharded:
        initialise(model.to(grid.device), seed)
        if weights is not None:
            own = model.state_dict()
            # Classes are new; of all else nothing may be drawn, nor be left over.
            if wrong := (own.keys() ^ weights.keys()) - {CLASSIFIER}:
                raise TrainError(
                    f"the model that is begun with is another: they differ in {', '.join(sorted(wrong)[:3])}",
                    remedy="Name the model that the run began with.",
                )
            model.load_state_dict({**own, **weights})
    task.prepare(model)
    # Adapters have a dropout of their own, whatever the shape says.
    drops = any(isinstance(each, Dropout) and each.p > 0 for each in model.modules())
    bf16 = settings.precision == "bf16"

    def in_precision(of: Callable[[Transformer, Inputs], Tensor]) -> Callable[[Transformer, Inputs], Tensor]:
        def wrapped(model: Transformer, batch: Inputs) -> Tensor:
            with torch.autocast(grid.device.type, torch.bfloat16, enabled=bf16):
                return of(model, batch)

        return wrapped

    loss = in_precision(task.loss)
    by_ends = takes_ends(grid.device, bf16, model.settings.head_width)
    place = functools.partial(on_device, device=grid.device, by_ends=by_ends)
    # Parts of one size: of those of a process's own, each of which may be fewer than were asked for.
    micro_rows = math.gcd(settings.micro_batch_rows, len(grid.rows(task.batch_rows)))

    def example() -> Inputs:
        return place(task.micro_batches(task.batch(0, range(micro_rows)), micro_rows)[0])

    failure = ""
    if settings.compile == "on" if compiles is None else compiles:
        batch, tried = example(), model
        if sharded:  # A model of one block is compiled and compared in its place.
            tried = Transformer(replace(shape, layers=1)).to(grid.device)
            initialise(tried, seed)
        failure = compile_blocks(tried, lambda: loss(tried, batch))
        if sharded and not failure:
            compile_parts(model)
        del tried
    parallel = Parallel(model, grid, loss, mode=settings.parallel, recompute=settings.recompute, bf16=bf16)
    if sharded:
        given = weights or {}
        drawn = itertools.chain(initial_weights(shape, seed), initial_adapters(model, seed))
        parallel.fill((name, given.get(name, each)) for name, each in drawn)
    parallel.settle(example)
    return Learner(
        task=task,
        parallel=parallel,
        optimizer=Optimizer(model, settings, parallel),
        guard=Guard(grid.device, settings.spike_guard),
        place=place,
        answers_of=in_precision(task.answers),
        micro_rows=micro_rows,
        clip=settings.clip,
        dropout_seed=functools.partial(dropout_seed, settings.seed) if drops else None,
        not_compiled=failure,
    )


def evaluator_of(learner: Learner) -> Evaluator:
    """What measures a learner's model."""
    return Evaluator(learner.task, learner.parallel, learner.place, learner.micro_rows, learner.answers_of)


def usual_warmup(steps: int) -> int:
    """Steps over which the learning rate rises where that is not said: a fiftieth of the run, at least 10 and
    at most 200, and of a short run no more than a quarter."""
    return min(max(10, steps // 50), 200, max(1, steps // 4))


def make_trainer(out: Path, setup: Setup, job: Job[Settings], grid: Grid, began: float) -> Trainer:
    """Put together a run, its weights as they are at the beginning; `began` on the monotonic clock."""
    task, steps = setup.task, setup.steps
    settings = task.settings
    learner = make_learner(task, setup.weights, grid)
    validation = task.validation(settings.eval_tokens or FINAL_TOKENS)
    # A row that is measured on goes forward only: about a third of the cost of a training row. In a short run
    # the steps take four times as long as what is measured between them at least.
    least = 4 * validation.rows * task.measuring // (3 * task.batch_rows)
    document = model_document(learner.model.settings, job.end_of_text, job.tokenizer.sha256)
    return Trainer(
        out=out,
        title=setup.title,
        learner=learner,
        evaluator=evaluator_of(learner),
        validation=validation,
        final=task.validation(FINAL_TOKENS),
        intervals=Intervals(
            warmup=usual_warmup(steps) if settings.warmup_steps is None else settings.warmup_steps,
            validation=settings.eval_every or max(1, steps // _VALIDATIONS, least),
            sample=max(1, steps // _SAMPLES),
            sample_at=settings.sample_at,
        ),
        started=began,
        notes=setup.notes,
        document=document | overlaid(setup.kept, task.document()),
        facts=dict(setup.facts),
        identity={
            "command": job.command,
            "task": task.name,
            "settings": settings.model_dump(),
            "planned_steps": steps,
            "data_fingerprint": job.fingerprint,
            "given": dict(setup.given),
            "mixture_fingerprint": task.fingerprint,
            "tokenizer_sha256": job.tokenizer.sha256,
            # What the last bits of a result depend on besides the run itself.
            "machine": {
                "torch": torch.__version__,
                "device": grid.device.type,
                "threads": torch.get_num_threads(),
                "processes": [grid.data, grid.tensor],
                "compiled": settings.compile == "on" and not learner.not_compiled,
            },
        },
    )


def beginning(setup: Setup) -> Progress:
    """Where a new run stands: its length is open where the clock will fix it on the way."""
    settings, steps = setup.task.settings, setup.steps
    if settings.minutes is not None and fits_on_the_way(settings):
        return Progress()
    return Progress(steps=steps, decay_start=steps - round(steps * settings.decay_share))
