"""From a run folder, settings and a device to a trainer that the loop can run."""

from __future__ import annotations

import functools
import gc
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from corpuskit.errors import TrainError
from corpuskit.shards.batches import dropout_seed
from corpuskit.shards.permutation import derive_key
from corpuskit.shards.reader import Shards
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.device import bf16_pays, compile_blocks, compile_parts, compiling_pays, on_device
from corpuskit.train.evaluate.loss import Evaluator
from corpuskit.train.evaluate.score import milestones
from corpuskit.train.generate.generate import LanguageModel, model_document
from corpuskit.train.loop import fits_on_the_way, steps_in, train_step
from corpuskit.train.model.cost import flops_per_token, parameter_count
from corpuskit.train.model.transformer import Transformer, initial_weights, initialise, takes_ends
from corpuskit.train.optim.guard import Guard
from corpuskit.train.optim.optimizer import Optimizer
from corpuskit.train.parallel.parallel import Parallel
from corpuskit.train.parallel.processes import Grid
from corpuskit.train.settings.resolve import (
    EPOCHS,
    PRESETS,
    choose_size,
    model_settings,
    regularise,
    resolve,
    shaped_as,
)
from corpuskit.train.settings.settings import TrainSettings
from corpuskit.train.tasks.pretrain import pretraining
from corpuskit.train.tasks.task import Inputs, Task, Validation
from corpuskit.train.trainer import Intervals, Learner, Progress, Trainer

FINAL_TOKENS = 262_144
"""Of the validation split, so many tokens are measured on after the last step."""

_VALIDATIONS, _SAMPLES = 20, 5  # in a run, where nobody says how often
# Of a run whose length nobody says: ten passes are a few steps of a page and millions of a Wikipedia.
_LEAST_STEPS, _MOST_STEPS = 200, 20_000
_PROBE_SHARE, _PROBE_STEPS = 0.03, 8  # spent to see how fast a run by minutes will be


class Corpus(NamedTuple):
    """What a trainer sees of a build: its shards and their tokenizer."""

    shards: Shards
    tokenizer: Tokenizer

    @classmethod
    def open(cls, run: Path) -> Corpus:
        """Those of a run folder; raises ShardError or TrainError where they do not hold together."""
        shards, file = Shards(run / "shards"), run / "tokenizer" / "tokenizer.json"
        return cls(shards, Tokenizer.load_expected(file, shards.tokenizer_sha256, shards.end_of_text))


class Setup(NamedTuple):
    """What a run is made from.

    Attributes:
        settings: all of them; nothing is open but the length of a run by minutes.
        steps: that the run is expected to have; exact unless it goes by minutes.
        weights: to begin with, where they are not drawn.
        notes: what was chosen that a user would not expect, in sentences.
    """

    settings: TrainSettings
    steps: int
    task: Task
    weights: Mapping[str, Tensor] | None = None
    notes: tuple[str, ...] = ()


def settle(settings: TrainSettings, corpus: Corpus, grid: Grid) -> Setup:
    """A new run: all that was left open is chosen."""
    settings, weights, notes = _begin_with(settings, corpus)
    tokens = corpus.shards.split("train").tokens
    if settings.minutes is not None and settings.init_from is None and not settings.is_shaped:
        settings = _sized(settings, corpus, grid)
    chosen = resolve(settings, tokens, grid.device.type, bf16_pays(grid.device))
    task = pretraining(chosen, *corpus)
    steps = _planned_steps(chosen, task, corpus.shards.vocab_size, grid)
    chosen = regularise(chosen, task.epochs(steps))
    if chosen.compile == "auto":
        shape = model_settings(chosen, corpus.shards.vocab_size)
        flops = flops_per_token(shape, task) * task.tokens_per_step * steps
        # Blocks divided by tensors hold hooks that talk to other processes: nobody has measured these.
        pays = grid.tensor == 1 and not chosen.recompute and compiling_pays(grid.device.type, flops)
        chosen = chosen.model_copy(update={"compile": "on" if pays else "off"})
    return Setup(chosen, steps, task, weights, notes)


def _begin_with(
    settings: TrainSettings, corpus: Corpus
) -> tuple[TrainSettings, dict[str, Tensor] | None, tuple[str, ...]]:
    """The settings with the shape of the model that `init_from` names, its weights, and what became of them.

    There are no weights where it names none. Raises TrainError when the model is not whole or of another
    tokenizer, SettingError when settings contradict it.
    """
    if settings.init_from is None:
        return settings, None, ()
    folder, (shards, tokenizer) = Path(settings.init_from), corpus
    begun, file = LanguageModel.load(folder), folder / "tokenizer.json"
    vocab_size = begun.model.settings.vocab_size
    if (begun.tokenizer.sha256, vocab_size) != (tokenizer.sha256, shards.vocab_size):
        raise TrainError(
            f"{folder} has another tokenizer than the shards: {vocab_size:,} tokens, "
            f"sha256 {begun.tokenizer.sha256[:12]}; theirs {shards.vocab_size:,}, {tokenizer.sha256[:12]}",
            remedy=f"Build the shards with it: `tokenizer: {{file: {file}}}` in the recipe.",
        )
    chosen = shaped_as(settings, begun.model.settings, shards.split("train").tokens)
    weights, notes = begun.model.state_dict(), []
    if weights.pop("classifier.weight", None) is not None:  # The model that is trained here has no classes.
        notes.append(f"The classes of {folder} are left out: only its language model is trained on.")
    if chosen.tie_embeddings and weights.pop("head.weight", None) is not None:
        notes.append(f"The head of {folder} is left out: tie_embeddings = True takes its embedding for one.")
    elif not chosen.tie_embeddings and "head.weight" not in weights:
        weights["head.weight"] = weights["embedding.weight"].clone()
        notes.append(f"{folder} has no head of its own: it begins as a copy of its embedding.")
    return chosen, weights, tuple(notes)


def _planned_steps(settings: TrainSettings, task: Task, vocab_size: int, grid: Grid) -> int:
    """Steps that the run is expected to have; exact unless it goes by minutes.

    Without steps and minutes a run reads the corpus 10 times, in 200 to 20,000 steps.
    """
    if settings.steps is not None:
        return settings.steps
    if settings.minutes is None:
        steps = EPOCHS * task.rows_per_epoch // task.batch_rows
        return min(max(steps, _LEAST_STEPS), _MOST_STEPS)
    each, row, passed = _probe(settings, task, vocab_size, grid)
    rows = _VALIDATIONS * task.validation(settings.eval_tokens or 0).rows + task.validation(FINAL_TOKENS).rows
    return steps_in(60 * settings.minutes - passed, each, rows * row)


def _probe(settings: TrainSettings, task: Task, vocab_size: int, grid: Grid) -> tuple[float, float, float]:
    """Seconds of a step of a throw-away model, of measuring on a row, and of what is spent and will be again.

    Takes about 3 % of the run's time.
    """
    began = time.monotonic()
    # On a GPU blocks are compiled, unless that was forbidden: eager steps would say nothing of theirs.
    compiled = "on" if settings.compile != "off" and grid.device.type == "cuda" else settings.compile
    chosen = regularise(settings.model_copy(update={"compile": compiled}), EPOCHS)
    provisional = make_learner(Setup(chosen, 1, task), vocab_size, grid)
    batch = task.batch(0, provisional.rows)
    train_step(provisional, 0, 0.0, batch).loss.item()  # The first step is slower than the rest.
    first, done, spent = time.monotonic(), 0, 0.0
    while done == 0 or (done < _PROBE_STEPS and spent < _PROBE_SHARE * (settings.minutes or 0.0) * 60):
        done += 1
        train_step(provisional, done, 0.0, batch).loss.item()
        spent = grid.agree(time.monotonic() - first)[0]
    row, validation = 0.0, task.validation(settings.eval_tokens or 0)
    if validation.rows:
        evaluator = Evaluator(provisional.parallel, provisional.place, provisional.micro_rows, None)
        start = time.monotonic()
        evaluator.evaluate(Validation(validation.batch, {}))
        row = grid.agree(time.monotonic() - start)[0] / validation.rows
    # The run itself begins with such a first step too.
    passed = grid.agree(time.monotonic() - began)[0] + (first - began)
    del provisional
    gc.collect()  # Parts of it refer to one another: on a GPU two models would stand beside each other.
    return spent / done, row, passed


def _sized(settings: TrainSettings, corpus: Corpus, grid: Grid) -> TrainSettings:
    """Settings with the largest size for the corpus that reads a token for each of its parameters in time.

    A larger one makes too few steps to say anything, where a smaller one can. How many operations a second
    this machine does is told by the smallest; on a CPU the others do about as many. On a GPU, where they do
    far more, the corpus alone decides.
    """
    tokens, vocab_size = corpus.shards.split("train").tokens, corpus.shards.vocab_size
    sizes = list(PRESETS)[: list(PRESETS).index(choose_size(tokens, grid.device.type)) + 1]
    if grid.device.type != "cpu":
        return settings
    assert settings.minutes is not None
    speed = 0.0
    fitting = sizes[0]
    for size in sizes if len(sizes) > 1 else ():
        # Named like any other: what is derived from a size asks which settings were given.
        sized = TrainSettings.checked({**settings.given(), "size": size})
        chosen = resolve(sized, tokens, grid.device.type, bf16_pays(grid.device))
        task, shape = pretraining(chosen, *corpus), model_settings(chosen, vocab_size)
        flops = flops_per_token(shape, task)
        if not speed:
            speed = flops * task.tokens_per_step / _probe(chosen, task, vocab_size, grid)[0]
        elif speed * settings.minutes * 60 / flops >= parameter_count(shape):
            fitting = size
    return TrainSettings.checked({**settings.given(), "size": fitting})


def make_learner(setup: Setup, vocab_size: int, grid: Grid) -> Learner:
    """A model with its optimizer, as they are at the beginning."""
    settings, task = setup.settings, setup.task
    assert settings.micro_batch_rows is not None
    shape, seed = model_settings(settings, vocab_size), derive_key(settings.seed) >> 1
    # Of a model that is sharded no process could perhaps hold the whole: it is filled when it is divided.
    sharded = settings.parallel == "fsdp" and grid.data > 1
    with torch.device("meta" if sharded else "cpu"):
        model = Transformer(shape)
    if not sharded:
        initialise(model.to(grid.device), seed)
        if setup.weights is not None:
            model.load_state_dict(setup.weights)
    bf16 = settings.precision == "bf16"

    def loss(model: Transformer, batch: Inputs) -> Tensor:
        with torch.autocast(grid.device.type, torch.bfloat16, enabled=bf16):
            return task.loss(model, batch)

    by_ends = takes_ends(grid.device, bf16, model.settings.head_width)
    place = functools.partial(on_device, device=grid.device, by_ends=by_ends)
    # Parts of one size: of those of a process's own, each of which may be fewer than were asked for.
    micro_rows = math.gcd(settings.micro_batch_rows, len(grid.rows(task.batch_rows)))

    def example() -> Inputs:
        return place(task.batch(0, range(micro_rows)))

    failure = ""
    if settings.compile == "on":
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
        parallel.fill(initial_weights(shape, seed) if setup.weights is None else setup.weights.items())
    parallel.settle(example)
    return Learner(
        task=task,
        parallel=parallel,
        optimizer=Optimizer(model, settings, parallel),
        guard=Guard(grid.device, settings.spike_guard),
        place=place,
        micro_rows=micro_rows,
        clip=settings.clip,
        dropout_seed=functools.partial(dropout_seed, settings.seed) if settings.dropout else None,
        not_compiled=failure,
    )


def make_trainer(out: Path, setup: Setup, corpus: Corpus, grid: Grid, began: float) -> Trainer:
    """Put together a run, its weights as they are at the beginning; `began` on the monotonic clock."""
    settings, steps, (shards, tokenizer) = setup.settings, setup.steps, corpus
    # A fiftieth of the run, at least 10 and at most 200 steps, and of a short run no more than a quarter.
    warmup = min(max(10, steps // 50), 200, max(1, steps // 4))
    learner = make_learner(setup, shards.vocab_size, grid)
    validation = setup.task.validation(settings.eval_tokens or FINAL_TOKENS)
    # A row that is measured on goes forward only: about a third of the cost of a training row. In a short run
    # the steps take four times as long as what is measured between them at least.
    least = 4 * validation.rows // (3 * setup.task.batch_rows)
    token_bytes = tokenizer.token_bytes(shards.vocab_size) if settings.objective == "causal" else None
    return Trainer(
        out=out,
        settings=settings,
        learner=learner,
        evaluator=Evaluator(learner.parallel, learner.place, learner.micro_rows, token_bytes),
        validation=validation,
        final=setup.task.validation(FINAL_TOKENS),
        milestone=milestones(shards, tokenizer, settings.prompt, settings.seed),
        intervals=Intervals(
            warmup=warmup if settings.warmup_steps is None else settings.warmup_steps,
            validation=settings.eval_every or max(1, steps // _VALIDATIONS, least),
            sample=max(1, steps // _SAMPLES),
            sample_at=settings.sample_at,
        ),
        started=began,
        notes=setup.notes,
        document=model_document(learner.model.settings, shards.end_of_text, tokenizer.sha256),
        identity={
            "settings": settings.model_dump(),
            "planned_steps": steps,
            "shards_fingerprint": shards.fingerprint,
            "mixture_fingerprint": setup.task.fingerprint,
            "tokenizer_sha256": tokenizer.sha256,
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
    settings, steps = setup.settings, setup.steps
    if settings.minutes is not None and fits_on_the_way(settings):
        return Progress()
    return Progress(steps=steps, decay_start=steps - round(steps * settings.decay_share))
