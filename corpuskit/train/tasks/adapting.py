"""What learns of a model that is there: all of it, its last blocks, or adapters beside its matrices."""

from __future__ import annotations

from dataclasses import replace

import torch

from corpuskit.errors import SettingError
from corpuskit.shards.permutation import derive_key
from corpuskit.train.hub.adapters import ADAPTER, adapter_bytes
from corpuskit.train.model.lora import (
    CLASSIFIER,
    LoraSettings,
    adapter_state,
    add_adapters,
    is_adapter,
    merged_weights,
)
from corpuskit.train.model.transformer import ModelSettings, Stack, Transformer
from corpuskit.train.settings.tune import Adapting, TuneSettings
from corpuskit.train.tasks.task import Plain, Tensors


class Adaptable(Plain):
    """The part of a task that says what learns, and that leaves a plain model whatever did.

    Attributes:
        base: fingerprint of the model that is begun with, which adapters belong to.
        lora: the adapters; None for none.
    """

    shape: ModelSettings

    def adapt(self, adapting: Adapting, base: str, seed: int, dropout: float) -> None:
        """Take what the settings ask for; raises SettingError where that cannot be."""
        self.base, self.lora = base, lora_of(adapting, dropout)
        self._layers, self._seed = adapting.last_layers, derive_key(seed) >> 1
        self._adapters: dict[str, torch.Size] = {}

    def prepare(self, model: Transformer) -> None:
        """Let what the settings name learn, and nothing else."""
        if self.lora is None:
            freeze(model, self._layers)
            return
        add_adapters(model, self.lora, self._seed)
        self._adapters = {name: each.shape for name, each in adapter_state(model).items() if is_adapter(name)}

    def kept(self, weights: Tensors) -> Tensors:
        """Those of a plain model: adapters are merged into them."""
        return weights if self.lora is None else merged_weights(weights, self.shape, self.lora)

    def taken(self, weights: Tensors) -> Tensors:
        """The merged weights, and adapters that add nothing to them."""
        return weights | {name: torch.zeros(shape) for name, shape in self._adapters.items()}

    def files(self, weights: Tensors) -> dict[str, bytes]:
        """The adapter apart from its base, where there is one."""
        if self.lora is None:
            return {}
        own = {name: each for name, each in weights.items() if is_adapter(name) or name == CLASSIFIER}
        return {ADAPTER: adapter_bytes(own, self.lora, self.base, self.document())}


def tuned_shape(begun: ModelSettings, settings: TuneSettings, classes: int = 0) -> ModelSettings:
    """The shape of a model that is begun with, as it is tuned: where adapters learn, these alone drop."""
    return replace(begun, classes=classes, dropout=0.0 if settings.lora_rank else settings.dropout)


def lora_of(settings: Adapting, dropout: float) -> LoraSettings | None:
    """The adapters that settings ask for; None for none."""
    if not settings.lora_rank:
        if settings.lora_alpha is not None or settings.lora_targets != type(settings)().lora_targets:
            raise SettingError(
                "lora_alpha and lora_targets are of adapters, and lora_rank = 0 asks for none",
                remedy="Give lora_rank, as 8.",
            )
        return None
    if settings.last_layers is not None:
        raise SettingError(
            f"last_layers = {settings.last_layers} and lora_rank = {settings.lora_rank} exclude each other",
            remedy="Give one of them.",
        )
    alpha = settings.lora_alpha or 2.0 * settings.lora_rank
    return LoraSettings(settings.lora_rank, alpha, settings.lora_targets, dropout)


def freeze_unread(model: Transformer, memory_alone: bool) -> None:
    """Leave as it is what classes do not come from: the language model's head, and perhaps a decoder.

    Processes that share a model wait for the gradient of whatever learns.

    Args:
        memory_alone: of an encoder-decoder its memory tells the classes, and its decoder reads nothing.
    """
    unread = (
        ("head.", "decoder.") if memory_alone and model.settings.kind == "encoder-decoder" else ("head.",)
    )
    for name, parameter in model.named_parameters():
        if name.startswith(unread):
            parameter.requires_grad_(False)


def freeze(model: Transformer, layers: int | None) -> None:
    """Let only the last blocks of each stack learn, the norm behind them, and a classifier.

    Args:
        layers: so many; none with 0, all of the model with None.

    Raises SettingError where nothing would learn.
    """
    if layers is None:
        return
    learning = {CLASSIFIER}
    for name, part in model.named_modules():
        if name in ("encoder", "decoder") and layers:
            assert isinstance(part, Stack)
            first = max(0, len(part.blocks) - layers)
            learning.add(f"{name}.norm.weight")
            for number, block in enumerate(part.blocks[first:], first):
                learning |= {f"{name}.blocks.{number}.{each}" for each, _ in block.named_parameters()}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in learning)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise SettingError(
            f"last_layers = {layers} leaves nothing of the model to learn",
            remedy="Give 1 or more: 0 is for classify and tag, which add a head.",
        )
