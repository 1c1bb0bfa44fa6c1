"""What a run says of itself when it begins and when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from corpuskit.shards.reader import Shards
from corpuskit.storage.files import json_bytes, write_file
from corpuskit.train.data.held_out import validation_of
from corpuskit.train.data.mixture import ROUND, Mixture
from corpuskit.train.device import device_name, peak_flops
from corpuskit.train.evaluate.loss import Measure, measure
from corpuskit.train.generate.generate import model_document
from corpuskit.train.job import Job, Progress
from corpuskit.train.model.cost import parameter_count, training_flops
from corpuskit.train.model.transformer import ModelSettings
from corpuskit.train.tasks.pretrain import Pretraining
from corpuskit.train.watch.events import Event

FINAL_TOKENS = 262_144
"""Of the validation split, so many tokens are measured on after the last step."""

RESUMABLE = ("interrupted", "paused")
"""Of the reasons to stop those that leave something to do."""


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        out: the model folder.
        objective: what was learnt: "causal", "masked" or "spans".
        reason: "done", "early stop", "time is up" (by minutes, where the length was fixed before the first
            step), "interrupted" or "paused"; after the last two the run can be resumed.
        step, steps: steps done, and the length of the run where it is fixed.
        best_step: steps done when the kept weights were measured; None without a validation split.
        validation_loss: nats per token of the kept weights; on the whole validation split (up to 262,144
            tokens) for a run that ended, on the rows measured meanwhile for one that can be resumed.
        perplexity, bits_per_byte: the same in other units; bits per byte only for byte-level tokenizers.
        sources: loss, bits per byte and targets of each source, of a run that ended, where there are several.
        parameters: learned numbers in the model.
        tokens: training tokens seen.
        epochs: how often the corpus was read; of a mixture, the mean over what was read.
        seconds: time spent, interruptions excluded.
    """

    out: Path
    objective: str
    reason: str
    step: int
    steps: int | None
    best_step: int | None
    validation_loss: float | None
    perplexity: float | None
    bits_per_byte: float | None
    sources: dict[str, dict[str, float | None]]
    parameters: int
    tokens: int
    epochs: float
    seconds: float

    @property
    def can_resume(self) -> bool:
        """Whether the run stopped before its end."""
        return self.reason in RESUMABLE


def write_model_document(job: Job, end_of_text: int, training: dict[str, Any]) -> None:
    """Write OUT/model.json: the model's shape, the run's settings, and how it ended."""
    if not job.grid.is_first:
        return
    document = model_document(job.model.settings, end_of_text, job.saved_with["tokenizer_sha256"])
    document["training"] = {**job.saved_with, **training}
    write_file(job.out / "model.json", json_bytes(document))


def start_event(
    job: Job, task: Pretraining, shards: Shards, progress: Progress, state: dict[str, Any] | None
) -> Event:
    """The first event of a run: what it is, in figures and in words; `state` is what it goes on from."""
    settings, shape = job.settings, job.model.settings
    train, left_over = task.split, task.batches.tokens_left_out
    planned = progress.steps or int(job.saved_with["planned_steps"])
    batch_tokens = task.tokens_per_step
    warnings = []
    if job.not_compiled:
        warnings.append(f"torch.compile failed, the run goes on without it: {job.not_compiled}")
    if not job.validation.batch:
        warnings.append(
            "There is no validation split: overfitting goes unseen, and the last weights are kept."
        )
    if state is not None and state["machine"] != job.saved_with["machine"]:
        warnings.append(
            f"Resumed on {job.saved_with['machine']} after {state['machine']}: not bit for bit the same."
        )
    fingerprints = {
        "shards_fingerprint": shards.fingerprint,
        "mixture_fingerprint": job.saved_with["mixture_fingerprint"],
    }
    if state is not None and any(state.get(name, "") != now for name, now in fingerprints.items()):
        warnings.append("Resumed on changed data, as allowed.")
    summary = (
        f"{settings.size}: {parameter_count(shape) / 1e6:.1f}M parameters, {shape.layers} layers of "
        f"{shape.width}, vocabulary {shape.vocab_size:,}; "
        f"{settings.objective}, batch {task.batch_rows} x {task.batches.stride} = {batch_tokens:,} tokens\n"
        f"{'about ' if progress.steps is None else ''}{planned:,} steps read the {train.tokens:,} training "
        f"tokens {task.epochs(planned):.1f} times; dropout {shape.dropout:g}, "
        f"weight decay {settings.weight_decay:g}\n"
        f"each pass leaves out {left_over:,} tokens at its ends; {job.device.type}, {settings.precision}, "
        f"{torch.get_num_threads()} threads"
        + _mixture_line(task, planned)
        + (f"\nresumed at step {progress.step}" if state is not None else "")
    )
    peak = peak_flops(device_name(job.device), settings.precision)
    return {
        "event": "start",
        "step": progress.step,
        "steps": progress.steps,
        "planned_steps": planned,
        "settings": settings.model_dump(),
        "parameters": parameter_count(shape),
        "flops_per_token": flops_per_token(shape, task),
        "peak_flops": peak and peak * job.grid.size,
        "train_tokens": train.tokens,
        "tokens_left_out_per_epoch": left_over,
        "summary": summary,
        "warnings": warnings,
    }


def _mixture_line(task: Pretraining, steps: int) -> str:
    """How often a run of so many steps reads each source of a mixture; empty without one."""
    if not isinstance(task.batches, Mixture):
        return ""
    epochs = task.batches.epochs(steps * task.batch_rows)
    counts = task.batches.counts
    return "\nof what is read: " + ", ".join(
        f"{source} {counts[source] / ROUND:.1%}, {each:.1f} times over" for source, each in epochs.items()
    )


def flops_per_token(shape: ModelSettings, task: Pretraining) -> int:
    """Operations of a training step for each token of the corpus that it reads."""
    batch = task.batch(0, range(1))
    source = batch["source"].shape[1] if "source" in batch else 0
    predicted = batch["targets"].shape[1]
    return training_flops(shape, batch["ids"].shape[1], source, predicted) // task.batches.stride


def sum_up(job: Job, task: Pretraining, shards: Shards, progress: Progress, reason: str) -> TrainResult:
    """Sum up; for a run that ended, measure the kept weights on the whole validation split and note it."""
    found: Measure | None = None
    loss = progress.best_loss
    if reason not in RESUMABLE:
        job.grid.barrier()  # The first process may still be writing it.
        job.parallel.load_whole(load_file(job.out / "model.safetensors"))
        validation = validation_of(shards, task.objective, FINAL_TOKENS)
        if validation.batch:
            found = measure(job, validation)
            loss = found.loss
    tokens = progress.step * task.tokens_per_step
    result = TrainResult(
        out=job.out,
        objective=job.settings.objective,
        reason=reason,
        step=progress.step,
        steps=progress.steps,
        best_step=progress.best_step,
        validation_loss=loss,
        perplexity=None if loss is None else Measure(loss, 1, 0).perplexity,
        bits_per_byte=found.bits_per_byte if found else None,
        sources=found.sources if found else {},
        parameters=parameter_count(job.model.settings),
        tokens=tokens,
        epochs=task.epochs(progress.step),
        seconds=progress.seconds,
    )
    kept = (
        "reason",
        "step",
        "steps",
        "best_step",
        "validation_loss",
        "perplexity",
        "bits_per_byte",
        "sources",
        "epochs",
    )
    write_model_document(job, shards.end_of_text, {name: getattr(result, name) for name in kept})
    return result
