"""An adapter that was kept apart: put on its base again, or given to others in the form of `peft`.

corpuskit import models/talks --base models/sample --out models/again     base and adapter, merged
corpuskit export models/talks --to peft --out export/talks                for PeftModel.from_pretrained
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

import corpuskit
from corpuskit.errors import SettingError, TrainError, checks_arguments
from corpuskit.storage.files import json_bytes, read_sealed, seal, sha256_file, write_durably
from corpuskit.storage.ownership import EXPORT, MODEL, making_folder
from corpuskit.storage.places import local_path
from corpuskit.train.generate.generate import WEIGHTS, LanguageModel, model_document
from corpuskit.train.hub.adapters import PEFT, read_adapter, write_peft
from corpuskit.train.hub.card_facts import base_facts
from corpuskit.train.hub.export import save_tensors
from corpuskit.train.job import kept_of, overlaid
from corpuskit.train.model.lora import (
    CLASSIFIER,
    SavedAdapter,
    adapter_state,
    base_fingerprint,
    load_adapter,
    merged_weights,
)
from corpuskit.train.model.transformer import ModelSettings, Transformer


@dataclass(frozen=True)
class AdaptedResult:
    """What an adapter and its base became.

    Attributes:
        out: the model folder.
        base: fingerprint of the base's weights.
        rank, targets: of the adapter.
        task: what it was tuned for; "" where that is not noted.
    """

    out: Path
    base: str
    rank: int
    targets: tuple[str, ...]
    task: str


@checks_arguments
def import_adapter(adapter: Path | str, base: Path | str, out: Path | str) -> AdaptedResult:
    """Make a model folder of an adapter and the model that it was trained on; its weights are merged.

    Args:
        adapter: an adapter.safetensors, or the folder of a model that was tuned with adapters.
        base: the folder of the model that the tuning began with, wherever it lies now.
        out: a folder that is not there yet, or empty.

    Raises:
        TrainError: the adapter was trained on another base, does not fit it, or is damaged; `out` holds
            something.
        StorageError: `out` cannot be written.
    """
    saved, out = read_adapter(local_path(adapter)), local_path(out)
    begun = LanguageModel.load(local_path(base))
    fingerprint = base_fingerprint(begun.model)
    shape = _shape(begun.model.settings, saved)
    weights = {name: each for name, each in begun.model.state_dict().items() if name != CLASSIFIER}
    model = Transformer(shape)
    model.load_state_dict(weights, strict=False)  # The classes, which it lacks, are the adapter's.
    load_adapter(model, saved, fingerprint)
    merged = merged_weights({**weights, **adapter_state(model)}, shape, saved.settings)
    document = model_document(shape, begun.end_of_text, begun.tokenizer.sha256)
    document |= overlaid(kept_of(begun.document, classes=bool(shape.classes)), saved.document)
    named = base_facts(local_path(base))
    kind = f"model {named['name']} with an adapter of rank {saved.settings.rank}"
    document["imported"] = {"architecture": kind, "remarks": [], "base": named}
    document["imported"] |= {"hub": named["hub"]} if named["hub"] else {}
    with making_folder(out, MODEL, TrainError) as temporary:
        write_durably(temporary / "tokenizer.json", begun.tokenizer.data)
        save_tensors(temporary / WEIGHTS, merged)
        document["files"] = {name: sha256_file(temporary / name) for name in (WEIGHTS, "tokenizer.json")}
        write_durably(temporary / "model.json", json_bytes(seal(document)))
    task = str((saved.document.get("tuned") or {}).get("task", ""))
    return AdaptedResult(out, fingerprint, saved.settings.rank, saved.settings.targets, task)


def _shape(base: ModelSettings, adapter: SavedAdapter) -> ModelSettings:
    """That of the base, with the classes that learnt with the adapter."""
    head = adapter.tensors.get(CLASSIFIER)
    return replace(base, classes=0 if head is None else len(head), dropout=0.0)


@dataclass(frozen=True)
class PeftResult:
    """What was written in the form of peft.

    Attributes:
        out: the folder.
        base: what it calls its base, and the fingerprint of that.
        rank: of the adapter.
        modules: of the base that it adapts, by the names of transformers.
    """

    out: Path
    base: str
    base_fingerprint: str
    rank: int
    modules: tuple[str, ...]


@checks_arguments
def export_peft(folder: Path | str, out: Path | str) -> PeftResult:
    """Write the adapter of a model folder for `PeftModel.from_pretrained(BASE, OUT)`.

    BASE is the export of the model that the tuning began with, as `corpuskit export` writes it.

    Args:
        folder: a model that was tuned with adapters.
        out: a folder that is not there yet, or empty.

    Raises:
        SettingError: no family of transformers computes what the model does, or labels were learnt, whose
            head is no part of its language model.
        TrainError: the folder holds no adapter, or it is damaged; `out` holds something.
        StorageError: `out` cannot be written.
    """
    folder, out = local_path(folder), local_path(out)
    saved, document = read_adapter(folder), _document(folder)
    shape = ModelSettings(**document["model"])
    if shape.classes:
        raise SettingError(
            f"{folder} has {shape.classes} classes: an adapter of peft beside a language model has none",
            remedy="Export it merged with its base: --to hf.",
        )
    model = Transformer(shape)
    load_adapter(model, saved, saved.base)  # Of what it is put on the adapter alone is written.
    base = (document.get("training") or {}).get("base") or {}
    name = str(base.get("hub") or base.get("name") or "")
    with making_folder(out, EXPORT, TrainError) as temporary:
        tensors, config = write_peft(temporary, model, saved.settings, name, shape.vocab_size)
        found = load_file(temporary / PEFT[1])
        if found.keys() != tensors.keys() or any(not torch.equal(found[n], tensors[n]) for n in tensors):
            raise TrainError(f"{out}: what was written is not the adapter", remedy="Try another disk.")
        result = PeftResult(out, name, saved.base, saved.settings.rank, tuple(config["target_modules"]))
        check = {"done": True, "by": "reading it back"}
        note = {"corpuskit": corpuskit.__version__, "architecture": "PeftModel", "check": check}
        write_durably(temporary / "export.json", json_bytes({**note, **_told(result)}))
    return result


def _told(result: PeftResult) -> dict[str, Any]:
    return {name: value for name, value in asdict(result).items() if name != "out"}


def _document(folder: Path) -> dict[str, Any]:
    """A model folder's model.json."""
    try:
        return dict(read_sealed(folder / "model.json"))
    except (OSError, ValueError) as error:
        raise TrainError(
            f"{folder / 'model.json'} does not describe a model: {error}",
            remedy="Name the folder of a model that was tuned with adapters.",
        ) from error
