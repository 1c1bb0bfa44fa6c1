"""From settings, shards and a device to a job that the loop can run."""

from __future__ import annotations

import functools
import gc
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from corpuskit.errors import TrainError
from corpuskit.shards.batches import Batches
from corpuskit.shards.permutation import derive_key
from corpuskit.shards.reader import Shards
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.data.held_out import validation_of, validation_rows
from corpuskit.train.data.mixture import Mixture, mix
from corpuskit.train.data.objectives import Causal, Masked, Spans
from corpuskit.train.device import compile_blocks, compiling_pays
from corpuskit.train.evaluate.score import known_words, passage
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.job import Job, micro_rows
from corpuskit.train.loop import steps_in, train_step
from corpuskit.train.model.transformer import Transformer, initialise, takes_ends
from corpuskit.train.optim.guard import Guard
from corpuskit.train.optim.optimizer import Optimizer, OptimizerSettings
from corpuskit.train.parallel.parallel import Parallel
from corpuskit.train.parallel.processes import Grid
from corpuskit.train.result import (
    FINAL_TOKENS,
    flops_per_token,
)
from corpuskit.train.settings.settings import (
    EPOCHS,
    TrainSettings,
    model_settings,
    regularise,
    resolve,
    shaped_as,
)
from corpuskit.train.tasks.pretrain import Pretraining
from corpuskit.train.tasks.task import Inputs, on_device

_VALIDATIONS = 20


_SAMPLES = 5


_LEAST_STEPS, _MOST_STEPS = 200, 20_000


# Of rates once, twice and four times AdamW's twice is best by little: a 4-layer model of 128 on Shakespeare.
_MUON_RATIO = 2.0


_PROBE_SHARE, _PROBE_STEPS = 0.03, 8


def settle(
    settings: TrainSettings, out: Path, shards: Shards, codec: Tokenizer, grid: Grid
) -> tuple[TrainSettings, int, Pretraining, dict[str, Tensor] | None]:
    """A new run: all of its settings, its planned steps, its task, and weights to begin with, if any."""
    settings, weights = _begin_with(settings, shards, codec)
    corpus = shards.split("train").tokens
    chosen = resolve(settings, corpus, grid.device.type, _bf16_pays(grid.device))
    task = make_task(chosen, shards, codec)
    planned = _planned_steps(chosen, out, task, shards, codec, grid)
    chosen = regularise(chosen, task.epochs(planned))
    return _with_compile(chosen, planned, task, shards.vocab_size, grid), planned, task, weights


def _with_compile(
    settings: TrainSettings, planned: int, task: Pretraining, vocab_size: int, grid: Grid
) -> TrainSettings:
    """The settings with compile on or off, where it was left to us."""
    if settings.compile != "auto":
        return settings
    flops = flops_per_token(model_settings(settings, vocab_size), task) * task.tokens_per_step * planned
    # Blocks divided by tensors hold hooks that talk to other processes: nobody has measured those compiled.
    pays = grid.tensor == 1 and not settings.recompute and compiling_pays(grid.device.type, flops)
    return settings.model_copy(update={"compile": "on" if pays else "off"})


def _begin_with(
    settings: TrainSettings, shards: Shards, codec: Tokenizer
) -> tuple[TrainSettings, dict[str, Tensor] | None]:
    """The settings with the shape of the model that `init_from` names, and its weights; none without it.

    Raises TrainError when it is not whole or of another tokenizer, SettingError when settings contradict it.
    """
    if settings.init_from is None:
        return settings, None
    folder = Path(settings.init_from)
    begun, file = LanguageModel.load(folder), folder / "tokenizer.json"
    vocab_size = begun.model.settings.vocab_size
    if (begun.codec.sha256, vocab_size) != (codec.sha256, shards.vocab_size):
        raise TrainError(
            f"{folder} has another tokenizer than the shards: {vocab_size:,} tokens, "
            f"sha256 {begun.codec.sha256[:12]}; theirs {shards.vocab_size:,}, {codec.sha256[:12]}",
            remedy=f"Build the shards with it: `tokenizer: {{file: {file}}}` in the recipe.",
        )
    weights = begun.model.state_dict()
    weights.pop("classifier.weight", None)
    return shaped_as(settings, begun.model.settings, shards.split("train").tokens), weights


def _planned_steps(
    settings: TrainSettings, out: Path, task: Pretraining, shards: Shards, codec: Tokenizer, grid: Grid
) -> int:
    """Steps that the run is expected to have; exact unless it goes by minutes.

    Without steps and minutes a run reads the corpus 10 times, in 200 to 20,000 steps. By minutes, a
    throw-away model makes some steps, for at most about 3 % of the time, to see how long they take.
    """
    if settings.steps is not None:
        return settings.steps
    if settings.minutes is None:
        steps = EPOCHS * task.batches.rows_per_epoch // task.batch_rows
        return min(max(steps, _LEAST_STEPS), _MOST_STEPS)
    began = time.monotonic()
    # On a GPU blocks are compiled, unless that was forbidden: eager steps would say nothing of theirs.
    compiled = "on" if settings.compile != "off" and grid.device.type == "cuda" else settings.compile
    chosen = regularise(settings.model_copy(update={"compile": compiled}), EPOCHS)
    provisional = make_job(out, chosen, 1, task, shards, codec, grid, began)
    batch = task.batch(0, grid.rows(task.batch_rows))
    train_step(provisional, 0, 0.0, batch).loss.item()  # The first step is slower than the rest.
    first, done, spent = time.monotonic(), 0, 0.0
    while done == 0 or (done < _PROBE_STEPS and spent < _PROBE_SHARE * settings.minutes * 60):
        done += 1
        train_step(provisional, done, 0.0, batch).loss.item()
        spent = grid.agree(time.monotonic() - first)[0]
    each = spent / done
    # What came before is spent; the run itself begins with such a first step, and measures now and then.
    passed = grid.agree(time.monotonic() - began)[0] + (first - began)
    measured = _VALIDATIONS * (settings.eval_tokens or 0) / (3 * task.tokens_per_step) * each
    steps = steps_in(provisional, 60 * settings.minutes - passed - measured, each)
    del provisional
    gc.collect()  # Parts of it refer to one another: on a GPU two models would stand beside each other.
    return steps


def make_task(settings: TrainSettings, shards: Shards, codec: Tokenizer) -> Pretraining:
    """The task of resolved settings; raises TrainError where the tokenizer lacks a token that it needs."""
    assert settings.context is not None
    assert settings.batch_rows is not None
    end = shards.end_of_text
    objective: Causal | Masked | Spans
    if settings.objective == "causal":
        objective = Causal(settings.context, end, settings.document_mask, settings.goldfish)
    elif settings.objective == "masked":
        objective = Masked(
            settings.context,
            end,
            codec.mask_id(),
            tuple(codec.special_ids()),
            shards.vocab_size,
            settings.mask_rate,
            settings.document_mask,
        )
    else:
        sentinels = tuple(codec.sentinel_ids())
        objective = Spans(settings.context, end, sentinels, settings.span_density, settings.span_length)
    split = shards.split("train")
    rows = objective.row_tokens, objective.stride
    if settings.mixture is None:
        batches = Batches(split, *rows, settings.batch_rows, settings.seed, shards.vocab_size)
        return Pretraining(split, batches, objective)
    mixture = mix(shards, split.name, settings.mixture, rows, settings.batch_rows, settings.seed)
    return Pretraining(split, mixture, objective)


def make_job(
    out: Path,
    settings: TrainSettings,
    planned: int,
    task: Pretraining,
    shards: Shards,
    codec: Tokenizer,
    grid: Grid,
    began: float,
    weights: Mapping[str, Tensor] | None = None,
) -> Job:
    """Put together a run of about `planned` steps, its weights as they are at the beginning."""
    assert settings.learning_rate is not None
    model = Transformer(model_settings(settings, shards.vocab_size)).to(grid.device)
    initialise(model, derive_key(settings.seed) >> 1)
    if weights is not None:
        model.load_state_dict(weights)
    bf16 = settings.precision == "bf16"

    def loss(model: Transformer, batch: Inputs) -> Tensor:
        with torch.autocast(grid.device.type, torch.bfloat16, enabled=bf16):
            return task.loss(model, batch)

    by_ends = takes_ends(grid.device, bf16, model.settings.head_width)
    place = functools.partial(on_device, device=grid.device, by_ends=by_ends)

    failure = ""
    own = len(grid.rows(task.batch_rows))
    rows = range(micro_rows(settings.micro_batch_rows, own) or own)
    if settings.compile == "on":
        example = place(task.batch(0, rows))
        failure = compile_blocks(model, lambda: loss(model, example))
    parallel = Parallel(model, grid, loss, mode=settings.parallel, recompute=settings.recompute, bf16=bf16)
    parallel.settle(lambda: place(task.batch(0, rows)))
    optimizer = Optimizer(
        model,
        optimizer_settings(settings),
        layouts=parallel.layouts,
        parts=parallel.parts,
        ranks=grid.ranks,
        me=grid.index,
    )
    default_warmup = min(max(10, planned // 50), 200, max(1, planned // 4))
    held_out = "validation" in shards.splits
    says_all = isinstance(task.objective, Causal)
    return Job(
        out=out,
        settings=settings,
        model=model,
        parallel=parallel,
        optimizer=optimizer,
        guard=Guard(grid.device, settings.spike_guard),
        task=task,
        validation=validation_of(shards, task.objective, settings.eval_tokens or FINAL_TOKENS),
        known_words=functools.cache(lambda: known_words(task.split, codec)),
        passage=lambda: passage(
            shards.split("validation" if held_out else "train"),
            codec,
            model.settings.context,
        ),
        language_model=LanguageModel(model, codec, shards.end_of_text),
        token_bytes=codec.token_bytes(shards.vocab_size) if says_all else None,
        device=grid.device,
        place=place,
        warmup=default_warmup if settings.warmup_steps is None else settings.warmup_steps,
        eval_every=settings.eval_every or max(1, planned // _VALIDATIONS),
        sample_every=max(1, planned // _SAMPLES),
        saved_with={
            "settings": settings.model_dump(),
            "planned_steps": planned,
            "shards_fingerprint": shards.fingerprint,
            "mixture_fingerprint": task.batches.fingerprint if isinstance(task.batches, Mixture) else "",
            "tokenizer_sha256": codec.sha256,
            "machine": _machine(grid, settings.compile == "on" and not failure),
        },
        final_rows=validation_rows(shards.split("validation"), task.objective, FINAL_TOKENS)
        if held_out
        else 0,
        not_compiled=failure,
        started=began,
    )


def optimizer_settings(settings: TrainSettings) -> OptimizerSettings:
    """The optimizer out of resolved settings."""
    assert settings.learning_rate is not None
    return OptimizerSettings(
        settings.optimizer,
        settings.learning_rate,
        settings.muon_rate or _MUON_RATIO * settings.learning_rate,
        settings.weight_decay or 0.0,
        settings.weight_decay_fades,
        settings.beta2,
        settings.ema,
    )


def _machine(grid: Grid, compiled: bool) -> dict[str, Any]:
    """What the last bits of a result depend on besides the run itself."""
    return {
        "torch": torch.__version__,
        "device": grid.device.type,
        "threads": torch.get_num_threads(),
        "processes": [grid.data, grid.tensor],
        "compiled": compiled,
    }


def _bf16_pays(device: torch.device) -> bool:
    """Whether bfloat16 matrix products are faster here: GPUs that have them, and CPUs with AMX tiles."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(probe and probe())
