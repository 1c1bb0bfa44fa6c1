"""Very small models whose probabilities are known, so that losses and likelihoods can be worked out by hand.

    unigram   each token costs ln(W / weight) nats, whatever stands before it; W is the sum of all weights
    uniform   each token costs the logarithm of the vocabulary's size
    bigram    the token before alone decides, by a table of weights
    random    for equalities, where no value is known in advance

Without merges a text of N bytes has N tokens: ids 0 to 255 are the bytes, then come the merges, then the
special tokens. `write_hub` writes what transformers would; `make_model` imports that, and `load` opens it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.numpy import save_file

from corpuskit.storage.files import json_bytes, seal
from corpuskit.tokenizer.byte_level import byte_alphabet
from corpuskit.train import LanguageModel
from corpuskit.train.checkpoint import save_weights
from corpuskit.train.generate.generate import model_document
from corpuskit.train.hub.importing import import_model
from corpuskit.train.model.transformer import ModelSettings, Transformer, initialise

Kind = Literal["unigram", "uniform", "bigram", "random"]
Table = Mapping[str, Mapping[str, float] | float]

END = "<|endoftext|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>", "<|end_of_turn|>")
_GROUPS = (
    ("abcdefghijklmnopqrstuvwxyz.,?!", 8),
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 2),
    ("0123456789\n", 4),
    (" ", 16),
)
_SPECIAL_WEIGHTS = {END: 32.0, "<|end_of_turn|>": 64.0}
_NOTHING = -50.0  # The logit of a row of the vocabulary that no token has.


def make_model(folder: Path, kind: Kind = "unigram", **options: Any) -> Path:
    """A model folder of ours below `folder`; the options are those of `write_hub`."""
    write_hub(folder / "hub", kind, **options)
    return import_model(folder / "hub", folder / "model").out


def load(folder: Path, kind: Kind = "unigram", **options: Any) -> LanguageModel:
    """The same, opened on the CPU."""
    return LanguageModel.load(make_model(folder, kind, **options))


def make_both(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """The folder of an encoder-decoder of random weights below `folder`, of bytes and their end."""
    names = token_names(roles=False)
    document = _tokenizer(names, range(len(names)), (), False)
    data = json.dumps(document, ensure_ascii=False).encode()
    shape = {"width": 32, "heads": 4, "kv_heads": 2, "hidden": 48, "context": 64, "layers": 2, **changes}
    settings = ModelSettings(
        len(names), kind="encoder-decoder", zero_init=False, tie_embeddings=False, **shape
    )
    model = Transformer(settings)
    initialise(model, seed)
    with torch.no_grad():  # So that what it writes depends on what it reads.
        model.embedding.weight.mul_(50)
        for name, weight in model.named_parameters():
            weight.mul_({"out": 4.0, "qkv": 2.0}.get(name.split(".")[-2], 1.0) if ".cross." in name else 1.0)
        chance = torch.Generator().manual_seed(seed)
        model.head_weight.copy_(torch.randn(model.head_weight.shape, generator=chance) / 2)
    out = folder / "both"
    out.mkdir(parents=True)
    (out / "tokenizer.json").write_bytes(data)
    save_weights(out / "model.safetensors", dict(model.state_dict()), {})
    end = names.index(END)
    described = model_document(settings, end, hashlib.sha256(data).hexdigest())
    (out / "model.json").write_bytes(json_bytes(seal(described)))
    return out


def token_names(merges: Sequence[tuple[str, str]] = (), *, roles: bool = True) -> list[str]:
    """All tokens in the order of their ids: a byte as the character of that number."""
    return [*map(chr, range(256)), *map("".join, merges), END, *(ROLES if roles else ())]


def unigram_weights(names: Sequence[str], changes: Mapping[str, float] | None = None) -> dict[str, float]:
    """The weight of each token, before it is divided by the sum of all; `changes` sets single ones."""
    known = {character: float(weight) for group, weight in _GROUPS for character in group}
    return {name: (known | _SPECIAL_WEIGHTS | dict(changes or {})).get(name, 1.0) for name in names}


def unigram_nats(names: Sequence[str], changes: Mapping[str, float] | None = None) -> dict[str, float]:
    """What each token costs."""
    weights = unigram_weights(names, changes)
    whole = sum(weights.values())
    return {name: math.log(whole / weight) for name, weight in weights.items()}


def bigram_logs(names: Sequence[str], table: Table) -> np.ndarray[Any, Any]:
    """ln p of each token (column) behind each token (row).

    Args:
        table: weights of what follows, by the token before; "" is for those that are not in it. What a row
            leaves out weighs "floor", which is 0.0001 unless it is given beside the rows.
    """
    place = {name: number for number, name in enumerate(names)}
    floor = table.get("floor", 1e-4)
    weights = np.full((len(names), len(names)), floor)
    for before in ["", *(key for key in table if key not in ("", "floor"))]:
        row = table.get(before, {})
        assert isinstance(row, Mapping)
        rows = slice(None) if before == "" else place[before]
        weights[rows] = floor
        for after, weight in row.items():
            weights[rows, place[after]] = weight
    logs: np.ndarray[Any, Any] = np.log(weights / weights.sum(axis=1, keepdims=True))
    return logs


def write_hub(
    folder: Path,
    kind: Kind = "unigram",
    *,
    merges: Sequence[tuple[str, str]] = (),
    weights: Mapping[str, float] | None = None,
    table: Table | None = None,
    seed: int = 0,
    context: int = 128,
    layers: int = 1,
    heads: int = 4,
    kv_heads: int | None = None,
    width: int | None = None,
    hidden: int = 64,
    shuffle: int | None = None,
    tie: bool = False,
    pad_rows: int = 0,
    family: Literal["llama", "qwen3"] = "llama",
    theta: float = 10000.0,
    eps: float = 1e-6,
    roles: bool = True,
) -> Path:
    """Write config.json, model.safetensors and tokenizer.json into a folder; returns it.

    Args:
        weights: single weights of a unigram model that differ from `unigram_weights`.
        table: of a bigram model, see `bigram_logs`.
        shuffle: seed by which bytes and merges change their ids; what each costs stays.
        pad_rows: rows of the vocabulary that belong to no token.
        roles: whether the tokens of a conversation are there.
    """
    names = token_names(merges, roles=roles)
    if width is None:
        width = -(-len(names) // 32) * 32 if kind == "bigram" else 64
    ids = _ids(names, roles, shuffle)
    random = np.random.default_rng(seed)
    tensors = _ends(kind, names, ids, width, pad_rows, weights, table, random)
    if tie:
        del tensors["lm_head.weight"]
    sizes = {"width": width, "heads": heads, "kv_heads": kv_heads or heads, "hidden": hidden}
    for number in range(layers):
        block = _block(sizes, kind == "random", family == "qwen3", random)
        tensors |= {f"model.layers.{number}.{name}": tensor for name, tensor in block.items()}
    folder.mkdir(parents=True)
    save_file(
        {name: np.ascontiguousarray(tensor, np.float32) for name, tensor in tensors.items()},
        folder / "model.safetensors",
    )
    end = ids[names.index(END)]
    config = {
        "architectures": ["Qwen3ForCausalLM" if family == "qwen3" else "LlamaForCausalLM"],
        "model_type": family,
        "vocab_size": len(names) + pad_rows,
        "hidden_size": width,
        "intermediate_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads or heads,
        "head_dim": width // heads,
        "max_position_embeddings": context,
        "rms_norm_eps": eps,
        "rope_theta": theta,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": tie,
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": None,
        "torch_dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    document = _tokenizer(names, ids, merges, roles)
    (folder / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return folder


def _ids(names: Sequence[str], roles: bool, shuffle: int | None) -> list[int]:
    """The id of each token."""
    ordinary = len(names) - 1 - len(ROLES) * roles
    order = list(range(ordinary))
    if shuffle is not None:
        order = np.random.default_rng(shuffle).permutation(ordinary).tolist()
    return [*order, *range(ordinary, len(names))]


def _ends(
    kind: Kind,
    names: Sequence[str],
    ids: Sequence[int],
    width: int,
    pad_rows: int,
    weights: Mapping[str, float] | None,
    table: Table | None,
    random: np.random.Generator,
) -> dict[str, np.ndarray[Any, Any]]:
    """The embedding, the last norm and the head, between which the blocks of all but "random" add nothing."""
    rows = len(names) + pad_rows
    norm = np.ones(width)
    if kind == "random":
        embedding, head = random.normal(0, 1, (rows, width)), random.normal(0, 0.3, (rows, width))
        norm = norm + random.normal(0, 0.05, width)
    elif kind == "bigram":
        assert table is not None
        assert width >= len(names), "a bigram model has a channel for each token"
        # One channel a token: the norm leaves sqrt(width), and its gain takes that away again.
        embedding, head = np.zeros((rows, width)), np.zeros((rows, width))
        embedding[ids, ids] = math.sqrt(width)
        norm /= math.sqrt(width)
        head[np.ix_(ids, ids)] = bigram_logs(names, table).T
        head[len(names) :] = _NOTHING
    else:
        # All states are ones, so that a row of the head is added up.
        embedding, head = np.ones((rows, width)), np.zeros((rows, width))
        if kind == "unigram":
            nats = unigram_nats(names, weights)
            head[ids] = -np.array([[nats[name]] for name in names]) / width
        head[len(names) :] = _NOTHING / width
    return {"model.embed_tokens.weight": embedding, "model.norm.weight": norm, "lm_head.weight": head}


def _block(
    sizes: Mapping[str, int], is_random: bool, normalised: bool, random: np.random.Generator
) -> dict[str, np.ndarray[Any, Any]]:
    """The weights of a block; unless it is random, what it would add is multiplied by zero."""
    width, hidden, head_width = sizes["width"], sizes["hidden"], sizes["width"] // sizes["heads"]
    heads, kv = sizes["heads"] * head_width, sizes["kv_heads"] * head_width
    shapes = {
        "self_attn.q_proj": (heads, width),
        "self_attn.k_proj": (kv, width),
        "self_attn.v_proj": (kv, width),
        "self_attn.o_proj": (width, heads),
        "mlp.gate_proj": (hidden, width),
        "mlp.up_proj": (hidden, width),
        "mlp.down_proj": (width, hidden),
    }
    block = {f"{name}.weight": random.normal(0, 0.2, shape) for name, shape in shapes.items()}
    gains = {"input_layernorm": width, "post_attention_layernorm": width}
    if normalised:
        gains |= {"self_attn.q_norm": head_width, "self_attn.k_norm": head_width}
    for name, size in gains.items():
        block[f"{name}.weight"] = 1 + random.normal(0, 0.05, size)
    if not is_random:
        for name in ("self_attn.o_proj", "mlp.down_proj"):
            block[f"{name}.weight"] = np.zeros(shapes[name])
    return block


def _tokenizer(
    names: Sequence[str], ids: Sequence[int], merges: Sequence[tuple[str, str]], roles: bool
) -> dict[str, Any]:
    """A tokenizer.json: a byte-level BPE of these merges."""
    spelling = {byte: character for character, byte in byte_alphabet().items()}

    def spelled(text: str) -> str:
        return "".join(spelling[byte] for byte in text.encode())

    ordinary = len(names) - 1 - len(ROLES) * roles
    texts = [spelling[number] for number in range(256)] + [spelled(name) for name in names[256:ordinary]]
    switches = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    special = zip(ids[ordinary:], names[ordinary:], strict=True)
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": name, **switches, "special": True} for number, name in special
        ],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": None,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": dict(zip(texts, ids[:ordinary], strict=True)),
            "merges": [[spelled(left), spelled(right)] for left, right in merges],
        },
    }
