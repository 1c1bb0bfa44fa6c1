"""Adapters as files: our own, and in the form of Hugging Face's `peft`.

    adapter.safetensors          ours: the tensors by the model's names; in its header the settings and the
                                 fingerprint of the base
    adapter_model.safetensors,   peft's: with the names of a family of `corpuskit.train.hub.families`, for
    adapter_config.json          `PeftModel.from_pretrained(base, folder)` on the base that was exported

Where a family has in one matrix what has several adapters here (ModernBERT's queries, keys and values), they
are laid together as one of so many times the rank, which adds the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from corpuskit.errors import SettingError, TrainError
from corpuskit.storage.files import json_bytes, write_file
from corpuskit.train.hub.export import save_tensors
from corpuskit.train.hub.families import PLAIN, Link, family_of, links
from corpuskit.train.model.lora import (
    AdaptedEmbedding,
    LoraSettings,
    SavedAdapter,
    adapted,
)
from corpuskit.train.model.transformer import Transformer

ADAPTER = "adapter.safetensors"
"""Our file of an adapter."""

PEFT = ("adapter_config.json", "adapter_model.safetensors")
"""peft's files of one."""

_NOTE = "adapter"
_PREFIX = "base_model.model."


def adapter_bytes(
    tensors: Mapping[str, Tensor],
    settings: LoraSettings,
    base_fingerprint: str,
    document: Mapping[str, Any] | None = None,
) -> bytes:
    """Our file of an adapter, out of its tensors by the model's names, those of `adapter_state`.

    Args:
        document: what model.json says of what was learnt, so that base and adapter tell it again.
    """
    note = {"base": base_fingerprint, "document": dict(document or {}), **_plain(settings)}
    on_cpu = {name: each.detach().cpu().contiguous() for name, each in tensors.items()}
    return save(on_cpu, {_NOTE: json.dumps(note, sort_keys=True)})


def read_adapter(path: Path) -> SavedAdapter:
    """The adapter of a file, or of a folder that holds `ADAPTER`, for `load_adapter`.

    Raises TrainError, naming the file, when it cannot be read or is none.
    """
    path = path / ADAPTER if path.is_dir() else path
    try:
        with safe_open(path, "pt") as file:
            note = json.loads((file.metadata() or {})[_NOTE])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dictionary
        base, document = str(note.pop("base")), dict(note.pop("document", {}))
        settings = LoraSettings(**note)
    except FileNotFoundError as error:
        raise TrainError(
            f"there is no adapter {path}", remedy="Name what was tuned with adapters."
        ) from error
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise TrainError(
            f"{path} is no adapter of corpuskit, or damaged: {error}",
            remedy="Bring the file back from where it was copied, or train it again.",
        ) from error
    return SavedAdapter(str(path), base, settings, tensors, document)


def _plain(settings: LoraSettings) -> dict[str, Any]:
    return {**vars(settings), "targets": list(settings.targets)}


# ------------------------------------------------------------------------------------ in the form of peft
def write_peft(
    folder: Path, model: Transformer, settings: LoraSettings, base: str, rows: int
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Write `PEFT` of a model with adapters into a folder that is there; what was written, see `to_peft`.

    Args:
        base: path or name of the exported base, as adapter_config.json has it.
        rows: of the exported vocabulary.

    Raises:
        SettingError: no family of transformers computes what the model does, or one whose matrices lie
            otherwise than ours.
        StorageError: it cannot be written.
    """
    tensors, config = to_peft(model, settings, base, rows)
    save_tensors(folder / PEFT[1], tensors)
    write_file(folder / PEFT[0], json_bytes(config))
    return tensors, config


def to_peft(
    model: Transformer, settings: LoraSettings, base: str, rows: int
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, in float32 by peft's names, and the adapter_config.json of a model with adapters."""
    family = family_of(model.settings)
    if family not in PLAIN:
        raise SettingError(
            f"{family.architecture} has matrices that lie otherwise than ours, and cannot have our adapter",
            remedy="Export the whole model, whose weights have the adapter in them.",
        )
    tensors: dict[str, Tensor] = {}
    modules, ranks = set(), {}
    for link, part in _links_with_adapters(model):
        for name, a, b in _theirs(link, part):
            module = name.removesuffix(".weight")
            key = _short(module)
            modules.add(key)
            if len(a) != settings.rank:
                ranks[key] = len(a)
            kind = "lora_"
            if isinstance(part, AdaptedEmbedding):
                kind, a = "lora_embedding_", a[:, :rows]
            elif link.is_vocabulary:
                b = b[:rows]
            # Of an embedding they are parameters, of a linear map modules with a weight.
            end = "" if isinstance(part, AdaptedEmbedding) else ".weight"
            tensors[f"{_PREFIX}{module}.{kind}A{end}"] = a.detach().float().cpu().clone()
            tensors[f"{_PREFIX}{module}.{kind}B{end}"] = b.detach().float().cpu().clone()
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM" if family.auto == "AutoModelForCausalLM" else None,
        "base_model_name_or_path": base,
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": settings.dropout,
        "target_modules": sorted(modules),
        "rank_pattern": ranks,
        "alpha_pattern": {key: settings.scale * rank for key, rank in ranks.items()},
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "modules_to_save": None,
    }
    return tensors, config


def _links_with_adapters(model: Transformer) -> Iterator[tuple[Link, Any]]:
    parts = {f"{name}.weight": part for name, part in adapted(model)}
    for link in links(family_of(model.settings), model.settings):
        if link.ours in parts:
            yield link, parts[link.ours]


def _theirs(link: Link, part: Any) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Names of weights of theirs with A and B of what is added to each."""
    adapters = part.adapters
    if isinstance(part, AdaptedEmbedding):
        [adapter] = adapters.values()
        yield link.theirs[0], adapter.lora_a, adapter.lora_b
        return
    if not link.rows:
        yield link.theirs[0], *part.stacked(0, part.out_features)
        return
    starts = {first: name for name, (first, _) in part.ranges.items()}
    ends = torch.tensor(link.rows).cumsum(0).tolist()
    for name, first in zip(link.theirs, [0, *ends[:-1]], strict=True):
        if first in starts:
            adapter = adapters[starts[first]]
            yield name, adapter.lora_a, adapter.lora_b


def _short(module: str) -> str:
    """What peft knows a module by in all layers: ModernBERT calls the outputs of both its parts alike."""
    last, before = module.split(".")[-1], module.split(".")[-2:-1]
    return f"{before[0]}.{last}" if before and before[0] in ("attn", "mlp") and last[0] == "W" else last
