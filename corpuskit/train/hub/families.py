"""The families of Hugging Face `transformers` that the model can be one of, and what they call its weights.

| family     | kind    | norm  | queries and keys normalised | MLP            |
|------------|---------|-------|-----------------------------|----------------|
| Qwen3      | decoder | rms   | yes                         | swiglu, geglu  |
| Llama      | decoder | rms   | no                          | swiglu, geglu  |
| StableLM   | decoder | layer | yes or no                   | swiglu, geglu  |
| ModernBERT | encoder | layer | no, and heads = kv_heads    | swiglu, geglu  |

Nothing here needs `transformers`: what its classes compute was read in their source (5.23) and is compared at
export. Their config.json is in `corpuskit.train.hub.config`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from corpuskit.errors import InputError, SettingError
from corpuskit.train.model.transformer import Activation, ModelSettings, Transformer

GATES: dict[Activation, str] = {"swiglu": "silu", "geglu": "gelu"}
"""What transformers calls the activation of a gate."""


@dataclass(frozen=True)
class Link:
    """A weight of ours and those of theirs that hold the same numbers.

    Attributes:
        ours: its name in our model.
        theirs: names in theirs.
        rows: of each of theirs; laid below one another they are ours. Without it each of theirs equals ours.
        is_vocabulary: whether its rows are the tokens of the vocabulary, which ours pads.
    """

    ours: str
    theirs: tuple[str, ...]
    rows: tuple[int, ...] = ()
    is_vocabulary: bool = False

    def split(self, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Theirs out of ours, by name; none shares memory with another."""
        pieces = torch.split(tensor, list(self.rows)) if self.rows else [tensor] * len(self.theirs)
        for name, piece in zip(self.theirs, pieces, strict=True):
            yield name, piece.clone()  # safetensors refuses tensors that share memory.


@dataclass(frozen=True)
class Family:
    """A family of models of `transformers`.

    Attributes:
        model_type: as its config.json says it.
        architecture: the class.
        auto: the class of `transformers` that finds it.
    """

    model_type: str
    architecture: str
    auto: Literal["AutoModelForCausalLM", "AutoModelForMaskedLM"] = "AutoModelForCausalLM"


QWEN3 = Family("qwen3", "Qwen3ForCausalLM")
LLAMA = Family("llama", "LlamaForCausalLM")
STABLELM = Family("stablelm", "StableLmForCausalLM")
MODERNBERT = Family("modernbert", "ModernBertForMaskedLM", "AutoModelForMaskedLM")
_STABLELM_NORMS = ("input_layernorm", "post_attention_layernorm")
FAMILIES = {family.model_type: family for family in (QWEN3, LLAMA, STABLELM, MODERNBERT)}


def family_of(settings: ModelSettings) -> Family:
    """The family that computes what a model of these settings computes.

    Raises SettingError, naming each setting in the way and what it would have to be, when none does.
    """
    encoder = settings.kind == "encoder"
    faults = []
    if settings.kind == "encoder-decoder":
        faults.append("kind = 'encoder-decoder' (exported: decoder, encoder)")
    if not settings.is_gated:
        faults.append(f"activation = {settings.activation!r} (exported: {', '.join(GATES)})")
    if settings.softcap:
        faults.append(f"softcap = {settings.softcap:g} (exported: 0)")
    if settings.attention_width != settings.width and (encoder or settings.norm == "layer"):
        faults.append(
            f"heads x head_dim = {settings.attention_width} (of models with LayerNorm exported: width = "
            f"{settings.width})"
        )
    if not encoder and settings.norm == "rms" and not settings.qk_norm and settings.width % settings.heads:
        faults.append(
            f"heads = {settings.heads} (of a Llama exported: one that divides width = {settings.width})"
        )
    if encoder and settings.norm != "layer":
        faults.append(f"norm = {settings.norm!r} (of an encoder exported: 'layer')")
    if encoder and settings.qk_norm:
        faults.append("qk_norm = True (of an encoder exported: False)")
    if encoder and settings.kv_heads != settings.heads:
        faults.append(f"kv_heads = {settings.kv_heads} (of an encoder exported: heads = {settings.heads})")
    if encoder and settings.rope_scaling:
        faults.append(f"rope_scaling = {settings.rope_scaling} (of an encoder exported: none)")
    if faults:
        raise SettingError(
            f"no family of transformers computes what this model does: {'; '.join(faults)}",
            remedy="Train it with the settings named, or export it with its own class: --to torch.",
        )
    if encoder:
        return MODERNBERT
    if settings.norm == "layer":
        return STABLELM
    return QWEN3 if settings.qk_norm else LLAMA


# ------------------------------------------------------------------------------------------ tensors
def links(family: Family, settings: ModelSettings) -> Iterator[Link]:
    """All weights of a model, ours and theirs."""
    return _encoder_links(settings) if family is MODERNBERT else _decoder_links(family, settings)


def _decoder_links(family: Family, s: ModelSettings) -> Iterator[Link]:
    yield Link("embedding.weight", ("model.embed_tokens.weight",), is_vocabulary=True)
    q, kv = s.attention_width, s.kv_heads * s.head_width
    for n in range(s.layers):
        ours, theirs = f"decoder.blocks.{n}", f"model.layers.{n}"
        attention = f"{theirs}.self_attn"
        yield Link(f"{ours}.attention_norm.weight", (f"{theirs}.input_layernorm.weight",))
        qkv = tuple(f"{attention}.{part}_proj.weight" for part in "qkv")
        yield Link(f"{ours}.attention.qkv.weight", qkv, (q, kv, kv))
        yield Link(f"{ours}.attention.out.weight", (f"{attention}.o_proj.weight",))
        if s.qk_norm and family is STABLELM:  # A gain for each head, where ours share one.
            for part, word, heads in (("q", "query", s.heads), ("k", "key", s.kv_heads)):
                gains = tuple(f"{attention}.{part}_layernorm.norms.{head}.weight" for head in range(heads))
                yield Link(f"{ours}.attention.{word}_norm.weight", gains)
        elif s.qk_norm:
            yield Link(f"{ours}.attention.query_norm.weight", (f"{attention}.q_norm.weight",))
            yield Link(f"{ours}.attention.key_norm.weight", (f"{attention}.k_norm.weight",))
        yield Link(f"{ours}.mlp_norm.weight", (f"{theirs}.post_attention_layernorm.weight",))
        gate_and_up = (f"{theirs}.mlp.gate_proj.weight", f"{theirs}.mlp.up_proj.weight")
        yield Link(f"{ours}.mlp.up.weight", gate_and_up, (s.hidden, s.hidden))
        yield Link(f"{ours}.mlp.down.weight", (f"{theirs}.mlp.down_proj.weight",))
    yield Link("decoder.norm.weight", ("model.norm.weight",))
    if not s.tie_embeddings:
        yield Link("head.weight", ("lm_head.weight",), is_vocabulary=True)


def _encoder_links(s: ModelSettings) -> Iterator[Link]:
    """ModernBERT lays queries, keys and values, and gate and up, below one another as we do."""
    yield Link("embedding.weight", ("model.embeddings.tok_embeddings.weight",), is_vocabulary=True)
    yield Link("embedding_norm.weight", ("model.embeddings.norm.weight",))
    for n in range(s.layers):
        ours, theirs = f"encoder.blocks.{n}", f"model.layers.{n}"
        if n:
            yield Link(f"{ours}.attention_norm.weight", (f"{theirs}.attn_norm.weight",))
        yield Link(f"{ours}.attention.qkv.weight", (f"{theirs}.attn.Wqkv.weight",))
        yield Link(f"{ours}.attention.out.weight", (f"{theirs}.attn.Wo.weight",))
        yield Link(f"{ours}.mlp_norm.weight", (f"{theirs}.mlp_norm.weight",))
        yield Link(f"{ours}.mlp.up.weight", (f"{theirs}.mlp.Wi.weight",))
        yield Link(f"{ours}.mlp.down.weight", (f"{theirs}.mlp.Wo.weight",))
    yield Link("encoder.norm.weight", ("model.final_norm.weight",))
    yield Link("head_dense.weight", ("head.dense.weight",))
    yield Link("head_norm.weight", ("head.norm.weight",))
    if not s.tie_embeddings:
        yield Link("head.weight", ("decoder.weight",), is_vocabulary=True)


def to_theirs(
    state: Mapping[str, Tensor], family: Family, s: ModelSettings, tokens: int
) -> dict[str, Tensor]:
    """Their weights, by name, in float32, out of ours; of the vocabulary the first `tokens` rows."""
    theirs: dict[str, Tensor] = {}
    for link in links(family, s):
        tensor = state[link.ours].detach().float().cpu()
        theirs.update(link.split(tensor[:tokens] if link.is_vocabulary else tensor))
    if family is STABLELM:  # Its class has biases and ours has none.
        norms = [f"layers.{n}.{each}" for n in range(s.layers) for each in _STABLELM_NORMS]
        theirs |= {f"model.{name}.bias": torch.zeros(s.width) for name in (*norms, "norm")}
    return theirs


def to_ours(
    read: Callable[[str], Tensor],
    names: Iterable[str],
    family: Family,
    s: ModelSettings,
    rows: int,
    folder: Path,
) -> dict[str, Tensor]:
    """Our weights, by name, in float32, out of theirs.

    Rows that pad the vocabulary are the mean of the others: a padding token is then never likelier than
    tokens are on average, by Jensen's inequality, and takes next to nothing from them in a softmax.

    Args:
        read: gives a tensor by its name.
        names: all that there are.
        rows: of their vocabulary.
        folder: where they are, for messages.

    Raises:
        InputError: a tensor is missing, has another shape, or holds what our model has no place for.
    """
    left = set(names)
    with torch.device("meta"):
        shapes = Transformer(s).state_dict()
    ours: dict[str, Tensor] = {}
    for link in links(family, s):
        missing = [name for name in link.theirs if name not in left]
        if missing:
            raise InputError(
                f"{folder}: there is no tensor {missing[0]}, which {family.architecture} has",
                remedy="Take a folder as save_pretrained writes it, with the head of its language model.",
            )
        left -= set(link.theirs)
        theirs = [read(name).float() for name in link.theirs]
        shape = list(shapes[link.ours].shape)
        heights = [rows] if link.is_vocabulary else link.rows or shape[:1] * len(theirs)
        for name, tensor, height in zip(link.theirs, theirs, heights, strict=True):
            found, expected = list(tensor.shape), [height, *shape[1:]]
            if found != expected:
                raise InputError(
                    f"{folder}: {name} has the shape {found}, by config.json {expected}",
                    remedy="The weights and config.json are of different models: bring back the right one.",
                )
        tensor = torch.cat(theirs) if link.rows else _shared(link, theirs, folder)
        ours[link.ours] = _padded(tensor, s) if link.is_vocabulary else tensor
    _refuse_left_over(read, left, ours, family, folder)
    return ours


def _shared(link: Link, theirs: list[Tensor], folder: Path) -> Tensor:
    """The one tensor that all of theirs are."""
    for name, tensor in zip(link.theirs, theirs, strict=True):
        if not torch.equal(tensor, theirs[0]):
            raise InputError(
                f"{folder}: {name} differs from {link.theirs[0]}: here all heads share one gain",
                remedy="A model whose heads have gains of their own cannot be imported.",
            )
    return theirs[0]


def _padded(tensor: Tensor, s: ModelSettings) -> Tensor:
    missing = s.padded_vocab_size - len(tensor)
    if missing <= 0:  # Rows beyond the padding belong to no token either.
        return tensor[: s.padded_vocab_size]
    return torch.cat([tensor, tensor.mean(0, keepdim=True).expand(missing, -1)])


def _refuse_left_over(
    read: Callable[[str], Tensor], left: set[str], ours: Mapping[str, Tensor], family: Family, folder: Path
) -> None:
    """Let pass what changes nothing: zero biases, tables of angles, the head that is the embedding."""
    head, embedding = ("decoder" if family is MODERNBERT else "lm_head"), ours["embedding.weight"]
    for name in sorted(left):
        if name.endswith("rotary_emb.inv_freq"):
            continue
        tensor = read(name).float()
        if name.endswith(".bias") and not tensor.any():
            continue
        if name == f"{head}.weight":
            rows = min(len(tensor), len(embedding))
            if torch.equal(tensor[:rows], embedding[:rows]):
                continue
            why = "differs from the embedding, to which config.json ties it"
        else:
            why = (
                "is not zero, and this model has no biases" if name.endswith(".bias") else "has no place here"
            )
        raise InputError(
            f"{folder}: the tensor {name} {why}", remedy="A model that needs it cannot be imported."
        )
