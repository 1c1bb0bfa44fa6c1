"""Checkpoints: what a run needs to go on as if it had never stopped. safetensors and JSON, no pickle.

    OUT/checkpoints/step-00000400/model.safetensors       the weights, by name
                                  optimizer.safetensors   AdamW's two moments, by kind and name
                                  state.json              step, settings, fingerprints, digests of both files
    OUT/checkpoints/latest                                name of the checkpoint to go on from

A checkpoint is written into a temporary folder, flushed, renamed, and only then named in `latest`: a kill at
any moment leaves the one before. There is no random state in it: the order of the data and the dropout masks
follow from the seed and the step, which are.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from corpuskit.errors import TrainError
from corpuskit.shards.writer import sync_folder
from corpuskit.train.files import TEMPORARY, json_bytes, write_durably, write_file, writing

FORMAT = 1
FOLDER = "checkpoints"
_MOMENTS = ("exp_avg", "exp_avg_sq")


def save_checkpoint(
    out: Path, model: nn.Module, optimizer: torch.optim.AdamW, state: Mapping[str, Any], keep: int
) -> Path:
    """Write a checkpoint of step `state["step"]` and name it the latest; only the newest `keep` stay.

    Raises StorageError, with the earlier checkpoints untouched, when it cannot be written.
    """
    folder = out / FOLDER
    name = _unused_name(folder, f"step-{state['step']:08d}")
    temporary = folder / f"{TEMPORARY}{name}"
    with writing(folder / name):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            _write_files(temporary, model, optimizer, state)
            os.replace(temporary, folder / name)
        except OSError:
            # On a full disk the half that was written takes the room that is needed.
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(folder)
        write_file(folder / "latest", name.encode())
        _remove_old(folder, name, keep)
    return folder / name


def _write_files(
    folder: Path, model: nn.Module, optimizer: torch.optim.AdamW, state: Mapping[str, Any]
) -> None:
    tensors = {
        "model.safetensors": _on_cpu(model.state_dict()),
        "optimizer.safetensors": _on_cpu(_moments(model, optimizer)),
    }
    digests = {file: write_durably(folder / file, save(tensors[file])) for file in tensors}
    write_durably(folder / "state.json", json_bytes({"format": FORMAT, **state, "sha256": digests}))


def latest_checkpoint(out: Path) -> Path | None:
    """Folder of the checkpoint that `latest` names; None where there is none yet.

    Raises TrainError when `latest` names a folder that is not there.
    """
    pointer = out / FOLDER / "latest"
    if not pointer.exists():
        return None
    folder = pointer.parent / pointer.read_text(encoding="utf-8").strip()
    if not (folder / "state.json").is_file():
        raise TrainError(
            f"{pointer} names the checkpoint {folder.name}, which is not there",
            remedy=f"Write the name of another folder of {pointer.parent} into {pointer.name}.",
        )
    return folder


def read_state(folder: Path) -> dict[str, Any]:
    """A checkpoint's state.json; raises TrainError when it cannot be read or is of another format."""
    path = folder / "state.json"
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainError(
            f"cannot read {path}: {error}", remedy="Name an older checkpoint in `latest`."
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise TrainError(f"{path} is no checkpoint of format {FORMAT}")
    return state


def load_checkpoint(folder: Path, model: nn.Module, optimizer: torch.optim.AdamW) -> None:
    """Put a checkpoint's weights and moments into the model and the optimizer.

    Raises TrainError when a file is damaged, or does not fit the model.
    """
    state = read_state(folder)
    files = ("model.safetensors", "optimizer.safetensors")
    weights, moments = (_read_tensors(folder / file, state["sha256"][file]) for file in files)
    names = dict(model.named_parameters())
    expected = {f"{kind}.{name}": tensor.shape for name, tensor in names.items() for kind in _MOMENTS}
    if {name: tensor.shape for name, tensor in moments.items()} != expected:
        raise TrainError(f"{folder / files[1]} does not hold the moments of this model")
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise TrainError(f"{folder / files[0]} does not hold the weights of this model: {error}") from error
    for name, parameter in names.items():
        step = torch.tensor(float(state["step"]), device=parameter.device)
        entry: dict[str, Tensor] = {"step": step}
        for kind in _MOMENTS:
            entry[kind] = moments[f"{kind}.{name}"].to(parameter.device)
        optimizer.state[parameter] = entry


def save_weights(path: Path, model: nn.Module, notes: Mapping[str, str]) -> str:
    """Write a model's weights with notes (text by name) in the file's header; returns the sha256 in hex.

    Raises StorageError, with the old file in place, when it cannot be written.
    """
    return write_file(path, save(_on_cpu(model.state_dict()), dict(notes)))


def _read_tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    try:
        actual = hashlib.sha256(path.read_bytes()).hexdigest()
        tensors: dict[str, Tensor] = load_file(path) if actual == sha256 else {}
    except (OSError, SafetensorError) as error:
        raise TrainError(
            f"cannot read {path}: {error}", remedy="Name an older checkpoint in `latest`."
        ) from error
    if actual != sha256:
        raise TrainError(
            f"{path} is damaged: sha256 {actual}, recorded {sha256}",
            remedy="Name an older checkpoint in `latest`.",
        )
    return tensors


def _moments(model: nn.Module, optimizer: torch.optim.AdamW) -> dict[str, Tensor]:
    """The optimizer's moments by kind and parameter name; zeros for a parameter that has had no step yet."""
    found = {}
    for name, parameter in model.named_parameters():
        entry = optimizer.state.get(parameter, {})
        for kind in _MOMENTS:
            found[f"{kind}.{name}"] = entry.get(kind, torch.zeros_like(parameter))
    return found


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _unused_name(folder: Path, name: str) -> str:
    """The name itself, or with a number when a checkpoint has it: `latest` must never lose what it names."""
    tries = (name if number == 0 else f"{name}-{number}" for number in itertools.count())
    return next(candidate for candidate in tries if not (folder / candidate).exists())


def _remove_old(folder: Path, newest: str, keep: int) -> None:
    """Remove what is older than the newest `keep` checkpoints, what is later than this one, and leftovers."""
    names = sorted(path.name for path in folder.glob("step-*"))
    kept = [name for name in names if name <= newest][-keep:]
    for path in folder.iterdir():
        if path.is_dir() and path.name not in kept:
            shutil.rmtree(path)
