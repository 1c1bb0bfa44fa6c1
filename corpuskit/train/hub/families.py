"""The families of Hugging Face `transformers` that the model can be one of, and what they call its weights.

| family     | kind    | norm  | positions | queries and keys normalised     | MLP                |
|------------|---------|-------|-----------|---------------------------------|--------------------|
| Qwen3      | decoder | rms   | rope      | yes                             | swiglu, geglu      |
| Llama      | decoder | rms   | rope      | no                              | swiglu, geglu      |
| SmolLM3    | decoder | rms   | none      | no                              | swiglu, geglu      |
| Apertus    | decoder | rms   | rope      | yes                             | gelu, relu, relu2  |
| Arcee      | decoder | rms   | rope      | no                              | gelu, relu, relu2  |
| StableLM   | decoder | layer | rope      | yes or no                       | swiglu, geglu      |
| Persimmon  | decoder | layer | rope      | yes, and heads = kv_heads       | gelu, relu, relu2  |
| StarCoder2 | decoder | layer | rope      | no                              | gelu, relu, relu2  |
| GPT-2      | decoder | layer | learned   | no, and heads = kv_heads        | gelu, relu, relu2  |
| ModernBERT | encoder | layer | rope      | no, and heads = kv_heads        | swiglu, geglu      |

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
from corpuskit.train.model.transformer import Activation, ModelSettings, NormKind, Positions, Transformer

GATES: dict[Activation, str] = {"swiglu": "silu", "geglu": "gelu"}
"""What transformers calls the activation of a gate."""

UNGATED: dict[Activation, str] = {"gelu": "gelu", "relu": "relu", "relu2": "relu2"}
"""What it calls the activation of an MLP without one: "gelu" is the exact one, not that by tanh."""


@dataclass(frozen=True)
class Link:
    """A weight of ours and those of theirs that hold the same numbers.

    Attributes:
        ours: its name in our model.
        theirs: names in theirs.
        rows: of each of theirs; laid below one another they are ours. Without it each of theirs equals ours.
        is_vocabulary: whether its rows are the tokens of the vocabulary, which ours pads.
        is_turned: whether theirs has inputs and outputs changed over.
        heads: of theirs the rows of queries, keys and values alternate, head by head of so many; 0 if not.
    """

    ours: str
    theirs: tuple[str, ...]
    rows: tuple[int, ...] = ()
    is_vocabulary: bool = False
    is_turned: bool = False
    heads: int = 0

    def split(self, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Theirs out of ours, by name; none shares memory with another."""
        if self.heads:  # Ours are all queries, all keys and all values.
            tensor = tensor.view(3, self.heads, -1, tensor.shape[1]).transpose(0, 1).reshape(tensor.shape)
        pieces = torch.split(tensor, list(self.rows)) if self.rows else [tensor] * len(self.theirs)
        for name, piece in zip(self.theirs, pieces, strict=True):
            each = piece.T if self.is_turned else piece
            # safetensors refuses tensors that share memory, or lie otherwise than row by row.
            yield name, each.clone(memory_format=torch.contiguous_format)

    def joined(self, theirs: list[Tensor]) -> Tensor:
        """Ours out of theirs, of which there is one, or several to be laid below one another."""
        tensor = torch.cat(theirs) if self.rows else theirs[0]
        tensor = tensor.T.contiguous() if self.is_turned else tensor
        if self.heads:
            tensor = tensor.view(self.heads, 3, -1, tensor.shape[1]).transpose(0, 1).reshape(tensor.shape)
        return tensor


@dataclass(frozen=True)
class Names:
    """What a family of decoders calls its parts, those of a block without the block's own name."""

    embedding: str = "model.embed_tokens"
    blocks: str = "model.layers"
    attention_norm: str = "input_layernorm"
    qkv: tuple[str, ...] = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    query_norm: str = "self_attn.q_norm"
    key_norm: str = "self_attn.k_norm"
    out: str = "self_attn.o_proj"
    mlp_norm: str = "post_attention_layernorm"
    up: tuple[str, ...] = ("mlp.gate_proj", "mlp.up_proj")
    down: str = "mlp.down_proj"
    norm: str = "model.norm"


@dataclass(frozen=True)
class Family:
    """A family of models of `transformers`.

    Attributes:
        model_type: as its config.json says it.
        architecture: the class.
        norm, positions, is_gated, qk_norm: what its models have; queries and keys are normalised in all of
            them, in none, or (None) as their config.json says.
        names: of their parts.
        has_biases: ends of the names of parts whose class has a bias, where ours has none.
        ties: whether the head is the embedding where config.json says nothing.
        heads: what its classes can be taught beside language, by the names of our tasks.
        auto: the class of `transformers` that finds it.
    """

    model_type: str
    architecture: str
    norm: NormKind = "rms"
    positions: Positions = "rope"
    is_gated: bool = True
    qk_norm: bool | None = False
    names: Names = Names()
    has_biases: tuple[str, ...] = ()
    ties: bool = False
    heads: tuple[str, ...] = ("classify", "tag")
    auto: Literal["AutoModelForCausalLM", "AutoModelForMaskedLM"] = "AutoModelForCausalLM"

    @property
    def stem(self) -> str:
        """What the names of all its classes begin with."""
        return self.architecture.removesuffix("LMHeadModel").partition("For")[0]

    @property
    def activations(self) -> dict[Activation, str]:
        """Those that its models have, and what it calls them."""
        return GATES if self.is_gated else UNGATED


_UNGATED = Names(up=("mlp.up_proj",))
_LAYER_NORMS = ("input_layernorm", "post_attention_layernorm", "model.norm")

QWEN3 = Family("qwen3", "Qwen3ForCausalLM", qk_norm=True)
LLAMA = Family("llama", "LlamaForCausalLM")
SMOLLM3 = Family("smollm3", "SmolLM3ForCausalLM", positions="none", ties=True)
APERTUS = Family(
    "apertus",
    "ApertusForCausalLM",
    is_gated=False,
    qk_norm=True,
    names=Names(up=("mlp.up_proj",), attention_norm="attention_layernorm", mlp_norm="feedforward_layernorm"),
    heads=("tag",),
)
ARCEE = Family("arcee", "ArceeForCausalLM", is_gated=False, names=_UNGATED)
STABLELM = Family("stablelm", "StableLmForCausalLM", "layer", qk_norm=None, has_biases=_LAYER_NORMS)
PERSIMMON = Family(
    "persimmon",
    "PersimmonForCausalLM",
    "layer",
    is_gated=False,
    qk_norm=True,
    names=Names(
        qkv=("self_attn.query_key_value",),
        query_norm="self_attn.q_layernorm",
        key_norm="self_attn.k_layernorm",
        out="self_attn.dense",
        up=("mlp.dense_h_to_4h",),
        down="mlp.dense_4h_to_h",
        norm="model.final_layernorm",
    ),
    has_biases=("layernorm", "query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"),
)
STARCODER2 = Family(
    "starcoder2",
    "Starcoder2ForCausalLM",
    "layer",
    is_gated=False,
    names=Names(up=("mlp.c_fc",), down="mlp.c_proj"),
    has_biases=_LAYER_NORMS,
    ties=True,
)
GPT2 = Family(
    "gpt2",
    "GPT2LMHeadModel",
    "layer",
    "learned",
    is_gated=False,
    names=Names(
        embedding="transformer.wte",
        blocks="transformer.h",
        attention_norm="ln_1",
        qkv=("attn.c_attn",),
        out="attn.c_proj",
        mlp_norm="ln_2",
        up=("mlp.c_fc",),
        down="mlp.c_proj",
        norm="transformer.ln_f",
    ),
    has_biases=("ln_1", "ln_2", "ln_f", "c_attn", "c_proj", "c_fc"),
    ties=True,
    heads=("classify",),
)
MODERNBERT = Family("modernbert", "ModernBertForMaskedLM", "layer", ties=True, auto="AutoModelForMaskedLM")
DECODERS = (QWEN3, LLAMA, SMOLLM3, APERTUS, ARCEE, STABLELM, PERSIMMON, STARCODER2, GPT2)
FAMILIES = {family.model_type: family for family in (*DECODERS, MODERNBERT)}
PLAIN = (QWEN3, LLAMA, SMOLLM3, APERTUS, ARCEE, STABLELM, STARCODER2, MODERNBERT)
"""Those whose matrices lie as ours do, so that adapters of ours are adapters of theirs."""


def family_of(settings: ModelSettings) -> Family:
    """The family that computes what a model of these settings computes.

    Raises SettingError, naming each setting in the way and what it would have to be, when none does.
    """
    family = MODERNBERT if settings.kind == "encoder" else _nearest(settings)
    faults = list(_faults(settings, family))
    if faults:
        raise SettingError(
            f"no family of transformers computes what this model does: {'; '.join(faults)}",
            remedy="Train it with the settings named, or export it with its own class: --to torch.",
        )
    return family


def _nearest(s: ModelSettings) -> Family:
    """The family of decoders in whose way the fewest settings are; of equals the first."""

    def differences(family: Family) -> int:
        return (
            4 * (family.positions != s.positions)
            + (family.norm != s.norm)
            + (family.is_gated != s.is_gated)
            + (family.qk_norm not in (None, s.qk_norm))
        )

    return min(DECODERS, key=differences)


def _faults(s: ModelSettings, family: Family) -> Iterator[str]:
    """Each setting that a family has otherwise, and how it has it."""
    encoder = family is MODERNBERT
    of = "an encoder" if encoder else f"a decoder with positions = {family.positions!r}"
    if s.kind == "encoder-decoder":
        yield "kind = 'encoder-decoder' (exported: decoder, encoder)"
    if s.softcap:
        yield f"softcap = {s.softcap:g} (exported: 0)"
    if s.positions != family.positions:
        yield f"positions = {s.positions!r} (of {of} exported: {family.positions!r})"
    if s.norm != family.norm:
        yield f"norm = {s.norm!r} (of {of} exported: {family.norm!r})"
    if s.is_gated != family.is_gated:
        yield f"activation = {s.activation!r} (of {of} exported: {', '.join(family.activations)})"
    if family.qk_norm not in (None, s.qk_norm):
        yield f"qk_norm = {s.qk_norm} (of {of} exported: {family.qk_norm})"
    if s.attention_width != s.width and family.norm == "layer":
        yield (
            f"heads x head_dim = {s.attention_width} (of models with LayerNorm exported: width = {s.width})"
        )
    if family.norm == "rms" and family is not QWEN3 and s.width % s.heads:
        yield (f"heads = {s.heads} (of {family.architecture} exported: one that divides width = {s.width})")
    if family in (PERSIMMON, GPT2, MODERNBERT) and s.kv_heads != s.heads:
        yield f"kv_heads = {s.kv_heads} (of {family.architecture} exported: heads = {s.heads})"
    if encoder and s.rope_scaling:
        yield f"rope_scaling = {s.rope_scaling} (of an encoder exported: none)"


# ------------------------------------------------------------------------------------------ tensors
def links(family: Family, settings: ModelSettings) -> Iterator[Link]:
    """All weights of a model, ours and theirs."""
    return _encoder_links(settings) if family is MODERNBERT else _decoder_links(family, settings)


def _decoder_links(family: Family, s: ModelSettings) -> Iterator[Link]:
    names, turned = family.names, family is GPT2
    yield Link("embedding.weight", (f"{names.embedding}.weight",), is_vocabulary=True)
    if s.positions == "learned":
        yield Link("decoder.positions.weight", ("transformer.wpe.weight",))
    q, kv = s.attention_width, s.kv_heads * s.head_width
    for n in range(s.layers):
        ours, theirs = f"decoder.blocks.{n}", f"{names.blocks}.{n}"

        def parts(*each: str, block: str = theirs) -> tuple[str, ...]:
            return tuple(f"{block}.{name}.weight" for name in each)

        yield Link(f"{ours}.attention_norm.weight", parts(names.attention_norm))
        heads = s.heads if family is PERSIMMON else 0
        rows: tuple[int, ...] = (q, kv, kv) if len(names.qkv) > 1 else ()
        yield Link(f"{ours}.attention.qkv.weight", parts(*names.qkv), rows, is_turned=turned, heads=heads)
        yield Link(f"{ours}.attention.out.weight", parts(names.out), is_turned=turned)
        if s.qk_norm and family is STABLELM:  # A gain for each head, where ours share one.
            for part, word, count in (("q", "query", s.heads), ("k", "key", s.kv_heads)):
                gains = parts(*(f"self_attn.{part}_layernorm.norms.{head}" for head in range(count)))
                yield Link(f"{ours}.attention.{word}_norm.weight", gains)
        elif s.qk_norm:
            yield Link(f"{ours}.attention.query_norm.weight", parts(names.query_norm))
            yield Link(f"{ours}.attention.key_norm.weight", parts(names.key_norm))
        yield Link(f"{ours}.mlp_norm.weight", parts(names.mlp_norm))
        rows = (s.hidden, s.hidden) if s.is_gated else ()
        yield Link(f"{ours}.mlp.up.weight", parts(*names.up), rows, is_turned=turned)
        yield Link(f"{ours}.mlp.down.weight", parts(names.down), is_turned=turned)
    yield Link("decoder.norm.weight", (f"{names.norm}.weight",))
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
    biases = {}
    for name, tensor in theirs.items():
        part = name.removesuffix(".weight")
        if family.has_biases and part.endswith(family.has_biases):
            outputs = tensor.shape[-1] if family is GPT2 else len(tensor)
            biases[f"{part}.bias"] = torch.zeros(outputs)
    return theirs | biases


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
            if link.is_turned:
                expected.reverse()
            if found != expected:
                raise InputError(
                    f"{folder}: {name} has the shape {found}, by config.json {expected}",
                    remedy="The weights and config.json are of different models: bring back the right one.",
                )
        if not link.rows:
            _require_equal(link, theirs, folder)
        tensor = link.joined(theirs)
        ours[link.ours] = _padded(tensor, s) if link.is_vocabulary else tensor
    _refuse_left_over(read, left, ours, family, folder)
    return ours


def _require_equal(link: Link, theirs: list[Tensor], folder: Path) -> None:
    """Raise InputError where tensors that are one of ours differ."""
    for name, tensor in zip(link.theirs, theirs, strict=True):
        if not torch.equal(tensor, theirs[0]):
            raise InputError(
                f"{folder}: {name} differs from {link.theirs[0]}: here all heads share one gain",
                remedy="A model whose heads have gains of their own cannot be imported.",
            )


def _padded(tensor: Tensor, s: ModelSettings) -> Tensor:
    missing = s.padded_vocab_size - len(tensor)
    if missing <= 0:  # Rows beyond the padding belong to no token either.
        return tensor[: s.padded_vocab_size]
    return torch.cat([tensor, tensor.mean(0, keepdim=True).expand(missing, -1)])


_TABLES = ("rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias")
"""Ends of the names of what old versions wrote beside weights: angles, and GPT-2's causal mask."""


def _refuse_left_over(
    read: Callable[[str], Tensor], left: set[str], ours: Mapping[str, Tensor], family: Family, folder: Path
) -> None:
    """Let pass what changes nothing: zero biases, tables of angles, the head that is the embedding."""
    head, embedding = ("decoder" if family is MODERNBERT else "lm_head"), ours["embedding.weight"]
    for name in sorted(left):
        if name.endswith(_TABLES):
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
