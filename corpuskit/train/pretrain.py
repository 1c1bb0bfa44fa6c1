"""Pretraining from a build's run folder: `train(run, out, settings)`."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from corpuskit.errors import SettingError, TrainError
from corpuskit.shards import Shards, derive_key
from corpuskit.train.allocator import freed_memory_kept
from corpuskit.train.checkpoint import FOLDER as CHECKPOINTS
from corpuskit.train.checkpoint import latest_checkpoint, read_state
from corpuskit.train.codec import SENTINEL, SENTINELS, Codec
from corpuskit.train.compiling import compile_blocks, compiling_pays
from corpuskit.train.curves import NAME as CURVES
from corpuskit.train.curves import Curves
from corpuskit.train.data import Batches
from corpuskit.train.files import write_file, writing
from corpuskit.train.generate import LanguageModel
from corpuskit.train.grid import Grid, processes
from corpuskit.train.guard import Guard
from corpuskit.train.job import Job, Progress, micro_rows
from corpuskit.train.loop import Saver, decay_begins, fit, fits_on_the_way, steps_in, train_step
from corpuskit.train.meter import device_name
from corpuskit.train.mixture import Mixture, mix
from corpuskit.train.model import Transformer, initialise, takes_ends
from corpuskit.train.objectives import Causal, Masked, Spans
from corpuskit.train.optim import Optimizer, OptimizerSettings
from corpuskit.train.parallel import Parallel
from corpuskit.train.score import known_words, passage
from corpuskit.train.settings import EPOCHS, TrainSettings, model_settings, regularise, resolve, shaped_as
from corpuskit.train.sources import validation_of
from corpuskit.train.summary import (
    FINAL_TOKENS,
    TrainResult,
    flops_per_token,
    start_event,
    sum_up,
    write_model_document,
)
from corpuskit.train.tasks import Inputs, Pretraining, on_device, validation_rows
from corpuskit.train.watch import Listener, Log

_VALIDATIONS = 20
_SAMPLES = 5
_LEAST_STEPS, _MOST_STEPS = 200, 20_000
# Of rates once, twice and four times AdamW's twice is best by little: a 4-layer model of 128 on Shakespeare.
_MUON_RATIO = 2.0
_PROBE_SHARE, _PROBE_STEPS = 0.03, 8
_SAME_AGAIN = ("keep", "save_every", "patience", "parallel", "tensor_parallel", "recompute")
"""Settings that may be given anew when a run is resumed: they change nothing of what it computes, but for the
order in which processes add."""
_STATE = {
    **dict.fromkeys(Progress.__dataclass_fields__, object),
    "step": int,
    "seconds": float,
    "planned_steps": int,
    "settings": dict,
    "sha256": dict,
    "machine": dict,
    "shards_fingerprint": str,
}
"""What a checkpoint to go on from must hold."""


def train(
    run: Path | str,
    out: Path | str,
    settings: TrainSettings | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    allow_changed_data: bool = False,
    pause_at: int | None = None,
    listen: Listener | None = None,
) -> TrainResult:
    """Train a language model on RUN/shards into the folder OUT.

    OUT holds model.json, model.safetensors (the weights with the least validation loss), tokenizer.json,
    checkpoints/, logs/train.jsonl and curves.svg. A run is a function of (settings, shards, seed, step): one
    stopped, by a signal or by force, and resumed computes bit for bit what it would have computed in one go,
    on the same kind of device with the same number of threads and version of torch; on a GPU with the
    setting `deterministic`.

    Args:
        run: folder of a finished build, with shards/ and tokenizer/tokenizer.json.
        out: the model folder; must not hold a model unless `resume` or `overwrite` is set.
        settings: see TrainSettings; a resumed run has its own, and what contradicts them is refused.
        resume: go on from OUT's latest checkpoint; each run saves one before its first step.
        overwrite: remove the model that OUT holds, with its checkpoints and logs, and begin anew.
        allow_changed_data: resume although the shards are not those that the run began with.
        pause_at: stop, resumably, after so many steps.
        listen: is called with every event, see corpuskit.train.watch.

    Raises:
        SettingError: a setting is wrong, or contradicts the run that is resumed.
        ShardError: the shards do not hold together.
        TrainError: OUT holds a model, or nothing to resume; a checkpoint is damaged, the data changed, the
            tokenizer makes its end-of-text id from text, or losses are not finite.
        StorageError: OUT cannot be written.
    """
    began = time.monotonic()
    run, out = Path(run), Path(out)
    if resume and overwrite:
        raise SettingError(
            "resume and overwrite exclude each other", remedy="Resume to go on, overwrite to begin anew."
        )
    shards = Shards(run / "shards")
    codec = Codec(run / "tokenizer" / "tokenizer.json", shards.tokenizer_sha256, shards.end_of_text)
    state = _state_to_resume(out, shards, resume, overwrite, allow_changed_data)
    resumed = None if state is None else _settings_to_resume(state, settings)
    wanted = resumed or settings or TrainSettings()
    with processes(wanted.tensor_parallel) as grid, process_state(grid.device, wanted.deterministic):
        weights = None
        if resumed is None or state is None:
            chosen, planned, task, weights = settle(settings or TrainSettings(), out, shards, codec, grid)
        else:
            chosen, planned, task = resumed, int(state["planned_steps"]), make_task(resumed, shards, codec)
        job = make_job(out, chosen, planned, task, shards, codec, grid, began, weights)
        if state is not None and not allow_changed_data:
            _check_mixture(state, job, shards)
        progress = _progress(job, state, shards)
        log = _begin_folder(out, codec, overwrite, progress) if grid.is_first else None
        grid.barrier()
        try:
            if log is not None:
                curves = Curves(out, log.path if progress.step else None)
                job.listeners.extend([log, curves, *([listen] if listen else [])])
            job.emit(start_event(job, task, shards, progress, state))
            if state is None:
                Saver(job).save(progress)
            # OUT counts as a model from here on, when there is something to resume.
            write_model_document(job, shards.end_of_text, {})
            reason = fit(job, progress, pause_at)
            return sum_up(job, task, shards, progress, reason)
        finally:
            if log is not None:
                log.close()


def settle(
    settings: TrainSettings, out: Path, shards: Shards, codec: Codec, grid: Grid
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


def _begin_folder(out: Path, codec: Codec, overwrite: bool, progress: Progress) -> Log:
    """Make OUT ready to be written; returns the log of the run."""
    if overwrite:
        _remove_model(out)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    write_file(out / "tokenizer.json", codec.data)
    return Log(out, progress.step)


def _state_to_resume(
    out: Path, shards: Shards, resume: bool, overwrite: bool, allow_changed_data: bool
) -> dict[str, Any] | None:
    """The state of the checkpoint to go on from; None to begin. Raises TrainError when that must not be."""
    if not resume:
        if (out / "model.json").exists() and not overwrite:
            raise TrainError(
                f"{out} holds a model", remedy="Go on with --resume, choose another --out, or --overwrite it."
            )
        return None
    folder = latest_checkpoint(out)
    if folder is None:
        begun = (out / "model.json").exists()
        raise TrainError(
            f"{out} holds no checkpoint: there is nothing to resume",
            remedy=f"Begin {'anew with --overwrite in place of' if begun else 'without'} --resume.",
        )
    state = read_state(folder, _STATE)
    if state["shards_fingerprint"] != shards.fingerprint and not allow_changed_data:
        raise TrainError(
            f"{shards.folder} is not what {out} was trained on: fingerprint {shards.fingerprint[:12]}, "
            f"recorded {state['shards_fingerprint'][:12]}",
            remedy="Bring the shards back, choose another --out, or accept it with --allow-changed-data.",
        )
    return state


def _check_mixture(state: dict[str, Any], job: Job, shards: Shards) -> None:
    """Raises TrainError where the tables beside the shards no longer give each source the same tokens."""
    if state.get("mixture_fingerprint", "") != job.saved_with["mixture_fingerprint"]:
        raise TrainError(
            f"the tables *.provenance.parquet in {shards.folder} are not those of the run in {job.out}",
            remedy="Bring them back, choose another --out, or accept it with --allow-changed-data.",
        )


def _settings_to_resume(state: dict[str, Any], given: TrainSettings | None) -> TrainSettings:
    """The run's settings; raises SettingError when the caller named one with another value."""
    saved = TrainSettings.checked(state["settings"])
    changed = {}
    for name, value in (given.given() if given else {}).items():
        if name in _SAME_AGAIN:
            changed[name] = value
        elif value not in (None, "auto") and value != getattr(saved, name):
            raise SettingError(
                f"{name} = {value!r} contradicts the run that is resumed, which has {getattr(saved, name)!r}",
                remedy="Leave it out, or begin anew with another --out.",
            )
    return saved.model_copy(update=changed)


def _begin_with(
    settings: TrainSettings, shards: Shards, codec: Codec
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
    settings: TrainSettings, out: Path, task: Pretraining, shards: Shards, codec: Codec, grid: Grid
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


def make_task(settings: TrainSettings, shards: Shards, codec: Codec) -> Pretraining:
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
        sentinels = tuple(codec.special_id(SENTINEL.format(i)) for i in range(SENTINELS))
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
    codec: Codec,
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


def _progress(job: Job, state: dict[str, Any] | None, shards: Shards) -> Progress:
    """Where the run stands: at its beginning, or where a checkpoint left it, which is loaded into the job."""
    settings = job.settings
    if state is not None:
        folder = latest_checkpoint(job.out)
        assert folder is not None
        job.load(folder)
        progress = Progress(**{name: state[name] for name in Progress.__dataclass_fields__})
        job.earlier = progress.seconds
        if state["shards_fingerprint"] != shards.fingerprint:
            # Losses on other validation data cannot be compared: the best so far is unknown.
            progress.best_loss = progress.best_step = None
            progress.validations_since_best = 0
        return progress
    if settings.minutes is not None and fits_on_the_way(settings):
        return Progress()
    steps = int(job.saved_with["planned_steps"])
    return Progress(steps=steps, decay_start=decay_begins(steps, settings.decay_share))


@contextlib.contextmanager
def process_state(device: torch.device, deterministic: bool = False) -> Iterator[None]:
    """What training does to the process and gives back: torch's generators are seeded, memory is kept.

    Raises TrainError where the device has too little memory for what is done within.
    """
    kept = freed_memory_kept() if device.type == "cpu" else contextlib.nullcontext()
    try:
        with (
            kept,
            fixed_order(deterministic),
            torch.random.fork_rng([device] if device.type == "cuda" else []),
        ):
            yield
    except RuntimeError as error:  # A CPU's allocator knows no type of its own.
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise TrainError(
            f"{device_name(device)} has too little memory for this run: {str(error).partition('. ')[0]}",
            remedy="Lower micro_batch_rows, or set recompute=true; `--plan` says what a run needs.",
        ) from error


@contextlib.contextmanager
def fixed_order(deterministic: bool) -> Iterator[None]:
    """Have torch choose kernels that add in a fixed order, if so wanted; it says so where it knows none."""
    if not deterministic:  # Also to ask torch for it takes seconds.
        yield
        return
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it before its first product.
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def _remove_model(out: Path) -> None:
    """Remove what a training run writes, and nothing else that may lie in OUT; model.json last."""
    for name in (CHECKPOINTS, "logs"):
        with writing(out / name):
            if (out / name).exists():
                shutil.rmtree(out / name)
    for name in (CURVES, "model.safetensors", "tokenizer.json", "model.json"):
        with writing(out / name):
            (out / name).unlink(missing_ok=True)
