"""What a run says of itself when it begins and when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from corpuskit.errors import TrainError
from corpuskit.storage.files import json_bytes, seal, sha256_file, write_file
from corpuskit.train.device import UNTRIED, device_name, peak_flops
from corpuskit.train.generate.generate import WEIGHTS
from corpuskit.train.hub.card import write_card
from corpuskit.train.hub.card_facts import environment
from corpuskit.train.model.cost import flops_per_token, parameter_count
from corpuskit.train.model.lora import trained_and_frozen
from corpuskit.train.tasks.task import Metrics
from corpuskit.train.trainer import Progress, Trainer
from corpuskit.train.watch.curves import NAME as CURVES
from corpuskit.train.watch.events import Event

_LEAST_EPOCHS = 0.5  # below which a user is warned
_SMALLER = ("tiny", "small", "15m", "124m")  # sizes below which there is another

RESUMABLE = ("interrupted", "paused")
"""Of the reasons to stop those that leave something to do."""


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        out: the model folder.
        task: what was learnt: "causal", "masked", "spans", "denoise", "classify" and so on.
        reason: "done", "early stop", "time is up" (by minutes, where the length was fixed before the first
            step), "interrupted" or "paused"; after the last two the run can be resumed.
        step, steps: steps done, and the length of the run where it is fixed.
        best_step: steps done when the kept weights were measured; None without a validation split.
        validation_loss: nats per token of the kept weights; on the whole validation split (up to 262,144
            tokens) for a run that ended, on the rows measured meanwhile for one that can be resumed.
        validation_share: of the split that this was measured on.
        perplexity, bits_per_byte: the same in other units; bits per byte only for byte-level tokenizers.
        figures: what else the task measures, of a run that ended, by name; of a test split, which is
            measured once, with test_ before it, and test_share, the share of the split.
        sources: loss, bits per byte and targets of each source, of a run that ended, where there are several.
        parameters: learned numbers in the model.
        tokens: training tokens seen.
        epochs: how often the corpus was read; of a mixture, the mean over what was read.
        seconds: time spent, interruptions excluded.
    """

    out: Path
    task: str
    reason: str
    step: int
    steps: int | None
    best_step: int | None
    validation_loss: float | None
    validation_share: float
    perplexity: float | None
    bits_per_byte: float | None
    figures: dict[str, float | None]
    sources: dict[str, dict[str, float | None]]
    parameters: int
    tokens: int
    epochs: float
    seconds: float

    @property
    def can_resume(self) -> bool:
        """Whether the run stopped before its end."""
        return self.reason in RESUMABLE


def write_model_document(trainer: Trainer, ending: dict[str, Any]) -> None:
    """Write OUT/model.json: the model's shape, the run's settings, and how it ended, with what it left."""
    if trainer.grid.is_first:
        document = trainer.document | {"training": {**trainer.identity, **trainer.facts, **ending}}
        if ending:
            paths = [trainer.out / name for name in (WEIGHTS, "tokenizer.json", CURVES)]
            document["files"] = {path.name: sha256_file(path) for path in paths if path.exists()}
        write_file(trainer.out / "model.json", json_bytes(seal(document)))


def start_event(trainer: Trainer, progress: Progress, state: dict[str, Any] | None) -> Event:
    """The first event of a run: what it is, in figures and in words; `state` is what it goes on from."""
    shape, task, settings = trainer.task.shape, trainer.task, trainer.settings
    planned = progress.steps or int(trainer.identity["planned_steps"])
    shares = task.shares(planned)
    summary = (
        f"{trainer.title}: {parameter_count(shape) / 1e6:.1f}M parameters, {shape.layers} layers of "
        f"{shape.width}, vocabulary {shape.vocab_size:,}; {task.name}, batch {task.batch_rows} x "
        f"{task.tokens_per_step // task.batch_rows} = {task.tokens_per_step:,} tokens\n"
        f"{'about ' if progress.steps is None else ''}"
        f"{planned:,} {'step reads' if planned == 1 else 'steps read'} the {task.tokens:,} training "
        f"tokens {task.epochs(planned):.1f} times; dropout {shape.dropout:g}, "
        f"weight decay {settings.weight_decay:g}\n"
        + (
            f"each pass leaves out {task.tokens_left_out:,} tokens at its ends; "
            if task.tokens_left_out
            else ""
        )
        + f"{trainer.learner.device.type}, {settings.precision}, {torch.get_num_threads()} threads"
        + _learning(trainer)
        + (f"\n{shares}" if shares else "")
        + (f"\nresumed at step {progress.step}" if state is not None else "")
    )
    peak = peak_flops(device_name(trainer.learner.device), settings.precision)
    event = {"event": "start", "step": progress.step, "steps": progress.steps, "planned_steps": planned}
    event |= {"settings": settings.model_dump(), "parameters": parameter_count(shape)}
    return event | {
        "environment": environment(trainer.learner.device),
        "flops_per_token": flops_per_token(shape, task),
        "peak_flops": peak and peak * trainer.grid.size,
        "train_tokens": task.tokens,
        "tokens_left_out_per_epoch": task.tokens_left_out,
        "summary": summary,
        "notes": list(trainer.notes),
        "warnings": list(_warnings(trainer, state)),
    }


def _learning(trainer: Trainer) -> str:
    """How many numbers learn, where not all do."""
    learning, frozen = trained_and_frozen(trainer.learner.model)
    return f"\n{learning:,} numbers learn, {frozen:,} stay as they are" if frozen else ""


def _warnings(trainer: Trainer, state: dict[str, Any] | None) -> Iterator[str]:
    failure, now = trainer.learner.not_compiled, trainer.identity
    if trainer.learner.device.type == "mps":
        yield UNTRIED
    if failure:
        yield f"torch.compile failed, the run goes on without it: {failure}"
    if not trainer.validation.batch:
        yield "There is no validation split: overfitting goes unseen, and the last weights are kept."
    for passed in state.get("passed_over", ()) if state is not None else ():
        yield f"{passed.message}. The checkpoint before it was taken: nothing is lost but time."
    if state is not None and state["machine"] != now["machine"]:
        yield f"Resumed on {now['machine']} after {state['machine']}: not bit for bit the same."
    fingerprints = ("data_fingerprint", "mixture_fingerprint")
    if state is not None and any(state.get(name, "") != now[name] for name in fingerprints):
        yield "Resumed on changed data, as allowed."
    if state is None:
        yield from _about_length(trainer)


def _kept_weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainError(
            f"{path} does not hold the weights that this run has kept: {error}",
            remedy="Bring the file back from a copy, or begin anew with --overwrite.",
        ) from error


def _about_length(trainer: Trainer) -> Iterator[str]:
    """What is odd in the length of a new run, and what to do about it."""
    settings, steps = trainer.settings, int(trainer.identity["planned_steps"])
    epochs, about = trainer.task.epochs(steps), "about " if settings.minutes is not None else ""
    if epochs < _LEAST_EPOCHS:
        smaller = ", or a smaller --size" if trainer.title in _SMALLER else ""
        yield (
            f"In {about}{steps:,} steps the run reads {epochs:.0%} of the data once, too little to learn "
            f"much: give it more time{smaller}."
        )
    if trainer.intervals.warmup > steps:
        yield (
            f"warmup_steps = {trainer.intervals.warmup:,} are more than the run's {about}{steps:,}: the rate "
            "never reaches learning_rate."
        )


def sum_up(trainer: Trainer, progress: Progress, reason: str) -> TrainResult:
    """Sum up; for a run that ended, measure the kept weights on the whole validation split and note it."""
    found: Metrics | None = None
    figures: dict[str, float | None] = {}
    task = trainer.task
    if reason not in RESUMABLE:
        trainer.grid.barrier()  # The first process may still be writing it.
        kept = _kept_weights(trainer.out / WEIGHTS)
        trainer.learner.parallel.load_whole(task.taken(kept))
        if trainer.final.batch:
            found = trainer.evaluator.evaluate(trainer.final)
            figures |= found.others
        for name, held_out in task.finals().items():
            measured = {**trainer.evaluator.evaluate(held_out).figures, "share": held_out.share}
            figures |= {f"{name}_{each}": value for each, value in measured.items()}
    # Of a run that can be resumed what was measured meanwhile is known by the figure that it is chosen by.
    loss = found.loss if found else progress.best if task.best.figure == "loss" else None
    of_tokens = found.of_tokens if found else task.bytes_per_token > 0
    result = TrainResult(
        out=trainer.out,
        task=task.name,
        reason=reason,
        step=progress.step,
        steps=progress.steps,
        best_step=progress.best_step,
        validation_loss=loss,
        validation_share=trainer.final.share if found else trainer.validation.share,
        perplexity=None if loss is None or not of_tokens else Metrics(loss, 1).perplexity,
        bits_per_byte=found.bits_per_byte if found and of_tokens else None,
        figures=figures,
        sources=found.sources if found else {},
        parameters=parameter_count(trainer.learner.model.settings),
        tokens=progress.step * task.tokens_per_step,
        epochs=task.epochs(progress.step),
        seconds=progress.seconds,
    )
    # What model.json says elsewhere, or what is no property of the model.
    unsaid = ("out", "task", "parameters", "tokens", "seconds")
    write_model_document(trainer, {name: each for name, each in vars(result).items() if name not in unsaid})
    if trainer.grid.is_first:
        write_card(trainer.out)
    return result
