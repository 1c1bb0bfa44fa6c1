"""A training run, whatever it trains for: `run(job, out, settings)` does a job into a model folder."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpuskit.errors import SettingError, StorageError, TrainError
from corpuskit.storage.files import GOES_ON, UNFINISHED, read_sealed, remove_files, write_file, writing
from corpuskit.storage.ownership import MODEL, claim
from corpuskit.train.checkpoint import FOLDER as CHECKPOINTS
from corpuskit.train.checkpoint import remove_checkpoints
from corpuskit.train.device import process_state
from corpuskit.train.hub.adapters import ADAPTER
from corpuskit.train.hub.card import NAME as CARD
from corpuskit.train.hub.card import is_ours
from corpuskit.train.hub.card_facts import EVALUATIONS
from corpuskit.train.job import Job, Settings, kept_of
from corpuskit.train.loop import Saver, fit
from corpuskit.train.parallel.processes import Grid, processes
from corpuskit.train.result import TrainResult, start_event, sum_up, write_model_document
from corpuskit.train.resume import Checkpoint, newest_checkpoint, refuse_model
from corpuskit.train.setup import beginning, make_trainer
from corpuskit.train.trainer import Progress, Trainer
from corpuskit.train.tune.kept import DATA, put_in_place, remove_kept, unfinished
from corpuskit.train.watch.curves import NAME as CURVES
from corpuskit.train.watch.curves import Curves
from corpuskit.train.watch.events import Listener, Log
from corpuskit.train.watch.tensorboard import FILES as EVENT_FILES
from corpuskit.train.watch.tensorboard import FOLDER as EVENTS


def run(
    job: Job[Settings],
    out: Path,
    settings: Settings | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    allow_changed_data: bool = False,
    pause_at: int | None = None,
    listen: Listener | None = None,
    began: float | None = None,
) -> TrainResult:
    """Do a job: train into the folder OUT, from its settings and from where OUT stands.

    A run is a function of (settings, data, seed, step): one stopped, by a signal or by force, and resumed
    computes bit for bit what it would have computed in one go, on the same kind of device with the same
    number of threads and version of torch; on a GPU with the setting `deterministic`.

    Args:
        job: what is trained on what.
        out: the model folder: new, empty or one that a run has written; it must not hold a model unless
            `resume` or `overwrite` is set. One process at a time writes it.
        settings: of the job's kind; a resumed run has its own, and what contradicts them is refused.
        resume: go on from OUT's latest checkpoint; each run saves one before its first step.
        overwrite: remove the model that OUT holds, with its checkpoints and logs, and begin anew; what
            others put there stays.
        allow_changed_data: resume although the data are not those that the run began with.
        pause_at: stop, resumably, after so many steps.
        listen: is called with every event, see corpuskit.train.watch.events.
        began: when it began on the monotonic clock, where what came before counts among its minutes too.

    Raises:
        SettingError: a setting is wrong, or contradicts the run that is resumed.
        TrainError: OUT holds a model, nothing to resume or what others wrote, or another process is writing
            it; no checkpoint is whole, the data changed, or losses are not finite.
        StorageError: OUT cannot be written.
        CorpuskitError: what the job's data raise.
    """
    began = time.monotonic() if began is None else began
    if resume and overwrite:
        remedy = "Resume to go on, overwrite to begin anew."
        raise SettingError("resume and overwrite exclude each other", remedy=remedy)
    # Of processes that torchrun started the first one writes.
    first = os.environ.get("RANK", "0") == "0"
    with _unsaved(out), claim(out, MODEL, TrainError) if first else contextlib.nullcontext():
        checkpoint = newest_checkpoint(out, job) if resume else None
        chosen = checkpoint.settings(settings) if checkpoint else settings or job.kind()
        if not checkpoint:
            job.refuse(out, chosen)
            if first and not overwrite:
                refuse_model(out)
        with contextlib.ExitStack() as stack:
            grid = stack.enter_context(processes(chosen.tensor_parallel, chosen.device))
            stack.enter_context(process_state(grid.device, chosen.deterministic))
            if not checkpoint and grid.is_first:
                stack.callback(_remove_unbegun, out)
            job.open(out, chosen, grid, resumes=resume)
            if checkpoint:
                checkpoint.check_data(job, allow_changed_data)
            if grid.is_first:
                if checkpoint:
                    checkpoint.check_given(job, allow_changed_data)
                job.verify()
            trainer, progress = _trainer(job, chosen, checkpoint, out, grid, began, allow_changed_data)
            log = _begin_folder(out, job, overwrite, progress, checkpoint) if grid.is_first else None
            grid.barrier()
            if not checkpoint:
                job.begin(out)
            with contextlib.closing(log) if log else contextlib.nullcontext():
                if log is not None:
                    trainer.listeners += [log, Curves(out, log.path if progress.step else None)]
                    trainer.listeners += [listen] if listen else []
                return _train(trainer, progress, checkpoint.state if checkpoint else None, pause_at)


def _trainer(
    job: Job[Settings],
    settings: Settings,
    checkpoint: Checkpoint[Settings] | None,
    out: Path,
    grid: Grid,
    began: float,
    allow_changed_data: bool,
) -> tuple[Trainer, Progress]:
    """A new run, or one as its checkpoint left it."""
    if checkpoint is None:
        setup = job.settle(settings, grid)
        return make_trainer(out, setup, job, grid, began), beginning(setup)
    setup = job.again(settings, int(checkpoint.state["planned_steps"]))
    # What the run began with may be gone, or may have become something else.
    facts, kept = _recorded(out)
    given = checkpoint.state.get("given") or {}
    setup = setup._replace(facts=facts, kept={**setup.kept, **kept}, given=given)
    trainer = make_trainer(out, setup, job, grid, began)
    return trainer, checkpoint.load(trainer, allow_changed_data)


def _train(
    trainer: Trainer, progress: Progress, state: dict[str, Any] | None, pause_at: int | None
) -> TrainResult:
    """Train from where `progress` stands; `state` is that of the checkpoint that the run goes on from."""
    trainer.emit(start_event(trainer, progress, state))
    if state is None:
        Saver(trainer).save(progress)
    # OUT counts as a model from here on, when there is something to resume.
    write_model_document(trainer, {})
    return sum_up(trainer, progress, fit(trainer, progress, pause_at))


@contextlib.contextmanager
def _unsaved(out: Path) -> Iterator[None]:
    """What could not be written before there is a checkpoint is told without a promise of one."""
    try:
        yield
    except StorageError as error:
        if any((out / CHECKPOINTS).glob("step-*/state.json")):
            raise
        begin = "Nothing was saved that a run could go on from: then call the same command again."
        raise StorageError(error.message, remedy=error.remedy.replace(GOES_ON, begin)) from error


def _recorded(out: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What OUT's model.json says of data and beginning, and what it kept; nothing where it cannot be read."""
    try:
        document = read_sealed(out / "model.json")
        training = document["training"]
    except (OSError, ValueError, KeyError, RecursionError):
        return {}, {}
    names = ("data", "base", "examples")
    return {name: training[name] for name in names if name in training}, kept_of(document)


def _remove_unbegun(out: Path) -> None:
    """Remove what was made of data where a run ended before its first checkpoint: nothing goes on there."""
    remove_kept(unfinished(out))
    if not (out / CHECKPOINTS / "latest").exists() and not (out / "model.json").exists():
        remove_kept(out / DATA)


def _begin_folder(
    out: Path,
    job: Job[Settings],
    overwrite: bool,
    progress: Progress,
    checkpoint: Checkpoint[Settings] | None,
) -> Log:
    """Make OUT ready to be written; returns the log of the run."""
    if overwrite:
        _remove_model(out)
    if not checkpoint:
        put_in_place(out)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    write_file(out / "tokenizer.json", job.tokenizer.data)
    return Log(out, progress.step)


def _remove_model(out: Path) -> None:
    """Remove what a training run writes, and nothing else that may lie in OUT; model.json last."""
    checkpoints, logs = out / CHECKPOINTS, out / "logs"
    with writing(out):
        remove_checkpoints(checkpoints)
        remove_files(checkpoints, _names("latest"))
        remove_files(out / EVENTS, EVENT_FILES)
        remove_files(logs, _names("train.jsonl"))
        _remove_evaluations(out / EVALUATIONS)
        # Without model.json OUT is no longer known as a model: killed in between, the rest would be nobody's.
        if is_ours(out / CARD):
            remove_files(out, _names(CARD))
        for names in ((CURVES, "model.safetensors", "tokenizer.json", ADAPTER), ("model.json",)):
            remove_files(out, _names(*names))


def _remove_evaluations(folder: Path) -> None:
    """Remove what was measured of weights that are gone, and no file that somebody else put there."""
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(OSError, ValueError):
            if {"what", "figures"} <= read_sealed(path).keys():
                path.unlink()


def _names(*names: str) -> re.Pattern[str]:
    """Matches these names, also of files that a kill left unfinished."""
    return re.compile(rf"(?:{UNFINISHED})?(?:{'|'.join(map(re.escape, names))})")
