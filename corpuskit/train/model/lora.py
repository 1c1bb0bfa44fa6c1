"""LoRA (arXiv:2106.09685): adapters of low rank beside matrices that stay as they are.

    y = W x + (alpha / rank) B A x            A (rank, inputs), B (outputs, rank)

B begins at zero, so that the first loss is that of the base, bit by bit. The rows of A begin orthonormal: the
first step of gradient descent then changes W by what full fine-tuning would change it by, projected onto the
rows of A (and times the square of alpha / rank); where the rank is the number of inputs that is all of it.

Matrices that are fused here (queries, keys and values; gate and up) have an adapter for each part, so that an
adapter can be said in the names of Hugging Face's `peft`, see `corpuskit.train.hub.adapters`. Names:

    decoder.blocks.0.attention.qkv.weight                   frozen, called as in a model without adapters
    decoder.blocks.0.attention.qkv.adapters.q.lora_a        learns

What learns is what requires a gradient: the adapters and, where there is one, the head for classes, which has
nothing to be adapted from. One process or several that share their rows can train them ("ddp", "fsdp");
tensor parallelism refuses them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from corpuskit.errors import SettingError, TrainError, nearest
from corpuskit.train.model.transformer import MLP, Attention, Dropout, Matrix, ModelSettings, Transformer

TARGETS = ("q", "k", "v", "o", "gate", "up", "down", "head", "embedding")
"""What may have adapters: in every block queries, keys, values and output of all attention, to a memory too,
and the MLP's matrices; the head and the embedding, where these are two."""

_LEARNED = ("lora_a", "lora_b")
CLASSIFIER = "classifier.weight"

Range = tuple[int, int]
"""Rows [first, last) of a matrix."""


@dataclass(frozen=True)
class LoraSettings:
    """What adapters there are.

    Attributes:
        rank: of each.
        alpha: alpha / rank is the factor of what they add.
        targets: which matrices have one, names of `TARGETS`.
        dropout: share of an adapter's inputs zeroed while training; fused matrices share one draw.
    """

    rank: int = 8
    alpha: float = 16.0
    targets: tuple[str, ...] = ("q", "k", "v", "o")
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Raises SettingError for what cannot be."""
        object.__setattr__(self, "targets", tuple(self.targets))
        if self.rank < 1:
            raise SettingError(f"rank = {self.rank} of an adapter is below 1", remedy="Give 1 or more.")
        if not self.alpha > 0:
            raise SettingError(
                f"alpha = {self.alpha} of an adapter is not above 0", remedy="Give rank or 16."
            )
        if not 0 <= self.dropout < 1:
            raise SettingError(f"dropout = {self.dropout} does not lie in [0, 1)", remedy="Give 0 or 0.05.")
        if not self.targets or len(set(self.targets)) < len(self.targets):
            raise SettingError(f"targets = {self.targets}: one is named twice, or none", remedy="Give q, v.")
        for name in self.targets:
            if name not in TARGETS:
                raise SettingError(
                    f"target {name!r} is none that can be adapted", remedy=nearest(name, TARGETS)
                )

    @property
    def scale(self) -> float:
        """The factor of what adapters add."""
        return self.alpha / self.rank


class Adapter(nn.Module):
    """The two matrices of one adapter; what they mean is the business of the map that holds them."""

    def __init__(self, inputs: int, outputs: int, rank: int, base: Tensor) -> None:
        super().__init__()
        # Steps are too small for 16 bits, whatever the base is in.
        like: dict[str, Any] = {"device": base.device, "dtype": _wide(base)}
        self.lora_a = nn.Parameter(torch.empty(rank, inputs, **like))
        self.lora_b = nn.Parameter(torch.zeros(outputs, rank, **like))


def _wide(tensor: Tensor) -> torch.dtype:
    """float32, or the type of a tensor that is wider."""
    return torch.promote_types(tensor.dtype, torch.float32)


class AdaptedMatrix(Matrix):
    """A frozen linear map with an adapter for each of some ranges of its outputs.

    Attributes:
        ranges: the rows of the matrix that each adapter is for.
    """

    def __init__(self, base: nn.Linear, ranges: Mapping[str, Range], settings: LoraSettings) -> None:
        nn.Module.__init__(self)  # It takes the weight that there is and makes none.
        self.in_features, self.out_features = base.in_features, base.out_features
        self.weight = base.weight
        self.register_parameter("bias", None)
        self.ranges, self.scale = dict(ranges), settings.scale
        self.dropout = Dropout(settings.dropout)
        self.adapters = nn.ModuleDict(
            {
                name: Adapter(self.in_features, last - first, settings.rank, self.weight)
                for name, (first, last) in ranges.items()
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """x (..., inputs) -> (..., outputs)."""
        return self._added(functional.linear(x, self.weight), x, 0, self.out_features)

    def rows(self, x: Tensor, first: int, last: int) -> Tensor:
        """The outputs [first, last) for x (..., inputs)."""
        return self._added(super().rows(x, first, last), x, first, last)

    def whole(self) -> Tensor:
        """The matrix with what its adapters add, (outputs, inputs); it has their gradients."""
        return self.weight + self.change().to(self.weight.dtype)

    def change(self) -> Tensor:
        """What the adapters add to the matrix, (outputs, inputs), in float32 or wider."""
        with torch.autocast(self.weight.device.type, enabled=False):
            a, b = self.stacked(0, self.out_features)
            return self.scale * (b @ a)

    def _added(self, y: Tensor, x: Tensor, first: int, last: int) -> Tensor:
        names = [name for name, (start, stop) in self.ranges.items() if start < last and stop > first]
        if not names:
            return y
        a, b = self.stacked(first, last)
        inner = functional.linear(self.dropout(x), a.to(x.dtype)) * self.scale
        return y + functional.linear(inner, b.to(x.dtype))

    def stacked(self, first: int, last: int) -> tuple[Tensor, Tensor]:
        """A of all adapters of a range of outputs, below one another, and B with zeros: one product."""
        a, b = [], []
        for name, (start, stop) in self.ranges.items():
            if start < last and stop > first:
                adapter: Any = self.adapters[name]
                a.append(adapter.lora_a)
                b.append(functional.pad(adapter.lora_b, (0, 0, start - first, last - stop)))
        return (a[0], b[0]) if len(a) == 1 else (torch.cat(a), torch.cat(b, dim=1))


class AdaptedEmbedding(nn.Embedding):
    """A frozen embedding with an adapter: its inputs are tokens, its outputs the hidden width.

    A look-up has no dropout.
    """

    def __init__(self, base: nn.Embedding, settings: LoraSettings) -> None:
        nn.Module.__init__(self)
        self.num_embeddings, self.embedding_dim = base.num_embeddings, base.embedding_dim
        self.padding_idx = self.max_norm = None
        self.norm_type, self.scale_grad_by_freq, self.sparse = 2.0, False, False
        self.weight = base.weight
        self.scale = settings.scale
        adapter = Adapter(self.num_embeddings, self.embedding_dim, settings.rank, self.weight)
        self.adapters = nn.ModuleDict({"embedding": adapter})

    def forward(self, ids: Tensor) -> Tensor:
        """ids (B, T) -> (B, T, C)."""
        x = functional.embedding(ids, self.weight)
        adapter: Any = self.adapters["embedding"]
        inner = functional.embedding(ids, adapter.lora_a.T)
        return x + functional.linear(inner * self.scale, adapter.lora_b).to(
            x.dtype
        )  # Wider than x, or alike.

    def change(self) -> Tensor:
        """What the adapter adds to the embedding, (V, C), in float32 or wider."""
        adapter: Any = self.adapters["embedding"]
        with torch.autocast(self.weight.device.type, enabled=False):
            change: Tensor = self.scale * (adapter.lora_b @ adapter.lora_a).T
        return change


Adapted = AdaptedMatrix | AdaptedEmbedding


# ----------------------------------------------------------------------------- into a model and out of it
def add_adapters(model: Transformer, settings: LoraSettings, seed: int) -> None:
    """Freeze a model and give it adapters, in place; its head for classes learns on.

    On the device "meta" they get no numbers, which `initial_adapters` has.

    Raises SettingError where it has some, for "gate" of a model without gates, and for "head" or "embedding"
    where one matrix is both: an adapter on either would change the other's answers, or untie them.
    """
    if any(True for _ in adapted(model)):
        raise SettingError("the model has adapters already", remedy="Merge them first, or go on with them.")
    _refuse(model.settings, settings)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name == CLASSIFIER)
    for name, ranges in list(_places(model, settings.targets)):
        base = model.get_submodule(name)
        new = (
            AdaptedEmbedding(base, settings)
            if isinstance(base, nn.Embedding)
            else AdaptedMatrix(base, ranges, settings)  # type: ignore[arg-type]
        )
        model.set_submodule(name, new.train(base.training))
    if not model.embedding.weight.is_meta:
        parameters = dict(model.named_parameters())
        with torch.no_grad():
            for name, tensor in initial_adapters(model, seed):
                parameters[name].copy_(tensor)


def initial_adapters(model: Transformer, seed: int) -> Iterator[tuple[str, Tensor]]:
    """The numbers with which adapters begin, by name, on the CPU: A orthonormal, B zero.

    Those of a matrix follow from the seed and its name, whatever else is adapted.
    """
    for name, parameter in model.named_parameters():
        if name.endswith(".lora_a"):
            digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
            yield name, nn.init.orthogonal_(torch.empty(parameter.shape), generator=generator)
        elif name.endswith(".lora_b"):
            yield name, torch.zeros(parameter.shape)


def _refuse(shape: ModelSettings, settings: LoraSettings) -> None:
    tied = [name for name in ("head", "embedding") if name in settings.targets]
    if shape.tie_embeddings and tied:
        raise SettingError(
            f"target {tied[0]!r}: the model's head is its embedding (tie_embeddings): an adapter changes "
            "both, or unties them",
            remedy="Leave head and embedding out of the targets, or tune all weights.",
        )
    if "gate" in settings.targets and not shape.is_gated:
        raise SettingError(
            f"target 'gate': a model with activation = {shape.activation!r} has no gate",
            remedy="Leave it out; `up` is its first matrix.",
        )


def _places(model: Transformer, targets: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Range]]]:
    """Names of modules that targets mean, and the rows of each target in them."""
    for name, part in model.named_modules():
        if isinstance(part, Attention):
            q, kv = part.heads * part.head_width, part.kv_heads * part.head_width
            inside = {"q": (0, q), "k": (q, q + kv), "v": (q + kv, q + 2 * kv)}
            found = {f"{name}.qkv": inside, f"{name}.out": {"o": (0, part.out.out_features)}}
        elif isinstance(part, MLP):
            hidden = part.down.in_features
            up = {"gate": (0, hidden), "up": (hidden, 2 * hidden)} if part.is_gated else {"up": (0, hidden)}
            found = {f"{name}.up": up, f"{name}.down": {"down": (0, part.down.out_features)}}
        elif name in ("head", "embedding"):
            found = {name: {name: (0, model.settings.padded_vocab_size)}}
        else:
            continue
        for module, ranges in found.items():
            wanted = {target: ranges[target] for target in ranges if target in targets}
            if wanted:
                yield module, wanted


def adapted(model: nn.Module) -> Iterator[tuple[str, Adapted]]:
    """The maps of a model that have adapters, by name."""
    for name, part in model.named_modules():
        if isinstance(part, AdaptedMatrix | AdaptedEmbedding):
            yield name, part


def is_adapter(name: str) -> bool:
    """Whether a parameter of this name belongs to an adapter: AdamW updates it, never Muon."""
    return name.rpartition(".")[2] in _LEARNED


@torch.no_grad()
def merge(model: Transformer) -> None:
    """Add to each matrix what its adapters add, in float32 or wider, and take these out, in place.

    The model is then like one that never had any: all its weights require gradients.
    """
    for name, part in list(adapted(model)):
        total = (part.weight.to(_wide(part.weight)) + part.change()).to(part.weight.dtype)
        plain: nn.Module
        with torch.device("meta"):
            if isinstance(part, AdaptedEmbedding):
                plain = nn.Embedding(part.num_embeddings, part.embedding_dim)
            elif name.endswith((".qkv", "head")):
                plain = Matrix(part.in_features, part.out_features, bias=False)
            else:
                plain = nn.Linear(part.in_features, part.out_features, bias=False)
        plain.weight = nn.Parameter(total)
        model.set_submodule(name, plain.train(part.training))
    model.requires_grad_(True)


@torch.no_grad()
def merged_weights(
    weights: Mapping[str, Tensor], shape: ModelSettings, settings: LoraSettings
) -> dict[str, Tensor]:
    """The weights of a plain model, by name, out of those of one with adapters: `merge` without the model."""
    plain = {name: tensor for name, tensor in weights.items() if not is_adapter(name)}
    with torch.device("meta"):
        model = Transformer(shape)
    for module, ranges in _places(model, settings.targets):
        weight = plain[f"{module}.weight"]
        total = weight.to(_wide(weight), copy=True)
        for target, (first, last) in ranges.items():
            a, b = (weights[f"{module}.adapters.{target}.{each}"] for each in _LEARNED)
            change = settings.scale * (b @ a)
            total[first:last] += change.T if module == "embedding" else change
        plain[f"{module}.weight"] = total.to(weight.dtype)
    return plain


# ------------------------------------------------------------------------------------------- what is kept
@dataclass(frozen=True)
class SavedAdapter:
    """An adapter apart from its base.

    Attributes:
        where: the file or folder that it is from, for messages.
        base: fingerprint of the weights that it was trained on, see `base_fingerprint`.
        settings: what it adapts.
        tensors: what `adapter_state` gave.
        document: what model.json said of what was learnt; empty for those of earlier versions.
    """

    where: str
    base: str
    settings: LoraSettings
    tensors: Mapping[str, Tensor]
    document: Mapping[str, Any] = field(default_factory=dict)


def adapter_state(model: nn.Module) -> dict[str, Tensor]:
    """What an adapter consists of, by name: its matrices, and the head for classes that learnt with them."""
    return {
        name: parameter.detach()
        for name, parameter in model.named_parameters()
        if is_adapter(name) or name == CLASSIFIER
    }


def load_adapter(model: Transformer, adapter: SavedAdapter, base_fingerprint: str) -> None:
    """Put an adapter on the base that it was trained on, in place; a model with like ones gets its numbers.

    Args:
        base_fingerprint: of the model, as `base_fingerprint` gives it.

    Raises:
        TrainError: it was trained on another base, or does not hold what its settings say.
        SettingError: the model has other adapters.
    """
    if adapter.base != base_fingerprint:
        raise TrainError(
            f"the adapter {adapter.where} was trained on a base with the fingerprint {adapter.base[:12]}, "
            f"this one has {base_fingerprint[:12]}",
            remedy="Put it on the base that it was trained on, wherever that lies now, or train another.",
        )
    if not any(True for _ in adapted(model)):
        add_adapters(model, adapter.settings, seed=0)
    own = adapter_state(model)
    if own.keys() != adapter.tensors.keys() or any(
        own[name].shape != tensor.shape for name, tensor in adapter.tensors.items()
    ):
        other = [n for n, t in adapter.tensors.items() if n not in own or own[n].shape != t.shape]
        names = [*other, *sorted(own.keys() - adapter.tensors.keys())]
        raise TrainError(
            f"the adapter {adapter.where} does not fit this model: they differ in {', '.join(names[:3])}",
            remedy="Load it as it was saved, into its base alone.",
        )
    with torch.no_grad():
        for name, tensor in adapter.tensors.items():
            own[name].copy_(tensor)
    for _, part in adapted(model):  # Its own factor, where a model came with adapters of equal shape.
        part.scale = adapter.settings.scale


def base_fingerprint(model: Transformer) -> str:
    """sha256, in hex, of a model's weights without adapters and head for classes: equal wherever it lies."""
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        if not is_adapter(name) and name != CLASSIFIER:
            tensor = parameter.detach().cpu().contiguous()
            digest.update(f"{name} {tensor.dtype} {list(tensor.shape)} ".encode())
            digest.update(tensor.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def adapter_size(shape: ModelSettings, settings: LoraSettings) -> int:
    """Numbers in the adapters: rank (inputs + outputs), summed over all that is adapted."""
    _refuse(shape, settings)
    with torch.device("meta"):
        model = Transformer(shape)
    total = 0
    for module, ranges in _places(model, settings.targets):
        inputs = shape.width if module == "embedding" else model.get_parameter(f"{module}.weight").shape[1]
        total += sum(settings.rank * (inputs + last - first) for first, last in ranges.values())
    return total


def trained_and_frozen(model: nn.Module) -> tuple[int, int]:
    """Numbers of a model that learn, and those that do not."""
    trained = sum(each.numel() for each in model.parameters() if each.requires_grad)
    return trained, sum(each.numel() for each in model.parameters()) - trained
