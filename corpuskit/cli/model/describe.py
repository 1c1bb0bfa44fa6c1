"""What ``corpuskit inspect`` says of a model folder. It reads its JSON alone: torch is not loaded for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from corpuskit.build.forecast.dry_run import size
from corpuskit.errors import TrainError, counted
from corpuskit.storage.ownership import MODEL, RUN, kind_of_folder, no_model

_FILES = ("model.json", "model.safetensors", "checkpoints")
"""A model folder holds one of these, whatever was damaged, from its first checkpoint on."""

_SHOWN = 8
"""Validations that are shown, the last of them and others evenly before it; the log has them all."""


def is_model(folder: Path) -> bool:
    """Whether a folder was written by ``train``, ``import`` or ``export --to torch``, in whatever state."""
    if any((folder / name).exists() for name in _FILES):
        return not (folder / RUN.mark).is_file()
    return folder.is_dir() and kind_of_folder(folder) is MODEL


def gather(folder: Path) -> dict[str, Any]:
    """The facts of a model folder as JSON values, of a run under way too.

    Raises TrainError, naming the file, for a model.json that is damaged or missing. A damaged line of the log
    counts as none: ``corpuskit verify`` is what looks for damage.
    """
    path = folder / "model.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        model, training = dict(document["model"]), dict(document.get("training", {}))
    except FileNotFoundError as error:
        reason, remedy = no_model(folder)
        raise TrainError(reason, remedy=remedy) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        remedy = "Take it from a copy, or train again; checkpoints/ hold the weights."
        raise TrainError(f"{path} does not describe a model: {error}", remedy=remedy) from error
    events = _events(folder / "logs" / "train.jsonl")
    start: dict[str, Any] = next((e for e in reversed(events) if e["event"] == "start"), {})
    return {
        "model": str(folder),
        "shape": model,
        "parameters": start.get("parameters"),
        "train_tokens": start.get("train_tokens"),
        "imported": document.get("imported"),
        "training": training,
        "validations": [e for e in events if e["event"] == "validation"],
        "checkpoints": sorted(p.name for p in folder.glob("checkpoints/step-*") if p.is_dir()),
        "files": {p.name: p.stat().st_size for p in sorted(folder.iterdir()) if p.is_file()},
    }


def _events(log: Path) -> list[dict[str, Any]]:
    if not log.is_file():
        return []
    events = []
    with open(log, encoding="utf-8", errors="replace", newline="\n") as lines:
        for line in lines:
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue  # A run under way may have written half of it.
            if isinstance(event, dict) and isinstance(event.get("event"), str):
                events.append(event)
    return events


def render(facts: Mapping[str, Any]) -> str:
    """The facts as text for a terminal."""
    lines = [f"{facts['model']}", "", _shape(facts), *_training(facts)]
    rows = _validations(facts["validations"], facts["training"].get("best_step"))
    if rows:
        lines += ["", *rows]
    if facts["checkpoints"]:
        lines += ["", f"checkpoints: {', '.join(facts['checkpoints'])}"]
    lines += ["", "files: " + ", ".join(f"{name} {size(n)}" for name, n in facts["files"].items())]
    return "\n".join(lines)


def _shape(facts: Mapping[str, Any]) -> str:
    shape, preset = facts["shape"], facts["training"].get("settings", {}).get("size")
    kind = shape.get("kind", "decoder")
    named = f"{preset}, a" if preset else "a"
    words = f"{named}{'n' if kind[0] == 'e' else ''} {kind} of {counted(shape.get('layers', 0), 'layer')}"
    words += f" {shape.get('width')} wide, {counted(shape.get('heads', 0), 'head')}"
    words += f", context {shape.get('context')}, vocabulary {shape.get('vocab_size', 0):,}"
    if facts["parameters"]:
        words = f"{facts['parameters'] / 1e6:.1f}M parameters: {words}"
    return words


def _training(facts: Mapping[str, Any]) -> list[str]:
    if facts["imported"]:
        return [f"imported: {facts['imported'].get('architecture')}"]
    training = facts["training"]
    settings = training.get("settings", {})
    done, of = training.get("step"), training.get("steps") or settings.get("steps")
    if done is None:
        return ["training has not ended: no figures of it yet"]
    words = f"{settings.get('objective', 'causal')}, {done:,}{f' of {of:,}' if of else ''} steps"
    if training.get("epochs") is not None:
        words += f", {training['epochs']:.1f} epochs"
    if facts["train_tokens"]:
        words += f" of {facts['train_tokens']:,} tokens"
    lines = [f"{words}: {training.get('reason')}"]
    loss = training.get("validation_loss")
    if loss is not None:
        bits = training.get("bits_per_byte")
        in_bytes = f", {bits:.3f} bits per byte" if bits is not None else ""
        of_step = f" (weights of step {training['best_step']:,})" if training.get("best_step") else ""
        said = f"validation loss {loss:.4f}, perplexity {training['perplexity']:.2f}"
        lines.append(f"{said}{in_bytes}{of_step}")
    for name, figures in training.get("sources", {}).items():
        lines.append(f"  {name}: {figures['loss']:.4f} on {figures['targets']:,} tokens")
    return lines


def _validations(events: Sequence[Mapping[str, Any]], best: int | None) -> list[str]:
    """A table of some validations, that of the kept weights among them: step and both losses."""
    if not events:
        return []
    shown = min(_SHOWN, len(events))
    places = {round((i + 1) * len(events) / shown) - 1 for i in range(shown)}
    places |= {i for i, event in enumerate(events) if event.get("step") == best}
    rows = [f"{'step':>9}  {'train':>8}  {'validation':>10}"]
    for event in (events[place] for place in sorted(places)):
        found = (event.get("train_loss"), event.get("loss"))
        losses = ["-" if loss is None else f"{loss:.4f}" for loss in found]
        kept = "  kept" if event.get("step") == best else ""
        rows.append(f"{event['step']:>9,}  {losses[0]:>8}  {losses[1]:>10}{kept}")
    return rows
