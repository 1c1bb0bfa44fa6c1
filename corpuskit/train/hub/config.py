"""config.json of the families of `corpuskit.train.hub.families`: written from a model's settings, and read.

It is written so that versions 4 and 5 of transformers read the same out of it (compared with 4.57 and 5.23):
version 5 moved `rope_theta` into `rope_parameters`, and ModernBERT's `global_attn_every_n_layers` into
`layer_types`. Both forms are read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from corpuskit.errors import InputError
from corpuskit.train.hub.families import (
    FAMILIES,
    GPT2,
    MODERNBERT,
    PERSIMMON,
    QWEN3,
    SMOLLM3,
    STABLELM,
    STARCODER2,
    Family,
)
from corpuskit.train.model.transformer import Activation, ModelSettings, Positions

_DEFAULT, _LLAMA3 = "default", "llama3"

_SCALING = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")
"""What transformers calls the four numbers of `ModelSettings.rope_scaling`."""

_NAMES = {
    "width": "hidden_size",
    "hidden": "intermediate_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "context": "max_position_embeddings",
}
"""Settings of a model's shape, and what all families call them."""

_GPT2_NAMES = {
    "width": "n_embd",
    "hidden": "n_inner",
    "layers": "n_layer",
    "heads": "n_head",
    "context": "n_positions",
}
"""What GPT-2 calls the same."""

_MUST_BE = {
    "use_parallel_residual": False,
    "use_sliding_window": False,
    "quantization_config": None,
    "classifier_activation": "gelu",
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}
"""Keys whose other values make another model; what is absent has the right one."""

_EPSILONS = {
    "qwen3": ("rms_norm_eps", 1e-6),
    "llama": ("rms_norm_eps", 1e-6),
    "smollm3": ("rms_norm_eps", 1e-6),
    "apertus": ("rms_norm_eps", 1e-5),
    "arcee": ("rms_norm_eps", 1e-5),
    "stablelm": ("layer_norm_eps", 1e-5),
    "persimmon": ("layer_norm_eps", 1e-5),
    "starcoder2": ("norm_epsilon", 1e-5),
    "gpt2": ("layer_norm_epsilon", 1e-5),
    "modernbert": ("norm_eps", 1e-5),
}
"""What the number in the denominator of a norm is called, and what it is where nothing is said."""

_OUR_EPSILONS = {"rms": 1e-6, "layer": 1e-5}
"""What it is here where nothing is said."""

_ACTIVATIONS = {
    "modernbert": ("hidden_activation", "gelu"),
    "gpt2": ("activation_function", "gelu_new"),
    "starcoder2": ("hidden_act", "gelu_pytorch_tanh"),
    "persimmon": ("hidden_act", "relu2"),
    "arcee": ("hidden_act", "relu2"),
    "apertus": ("hidden_act", "xielu"),
}
"""What the activation is called, and what it is where nothing is said; of others hidden_act and silu."""

_THETAS = {"modernbert": 160_000.0, "smollm3": 2_000_000.0, "apertus": 12_000_000.0}
"""Base of the rotary wavelengths where nothing is said, of others 10,000."""

_PARTS_TURNED = {"stablelm": 0.25, "persimmon": 0.5}
"""Share of each head that is turned where nothing is said, of others all of it."""


def write_config(
    family: Family, s: ModelSettings, vocab_size: int, special: Mapping[str, int | None]
) -> dict[str, Any]:
    """A config.json, in what both version 4 and version 5 of transformers read.

    Args:
        vocab_size: rows of the embedding.
        special: ids of special tokens by the names that transformers has for them, such as "eos".
    """
    # A padding id would keep the gradient of that row at zero in training: it stays open here.
    common = {
        "architectures": [family.architecture],
        "model_type": family.model_type,
        "vocab_size": vocab_size,
        **{theirs: getattr(s, ours) for ours, theirs in _names(family).items()},
        "tie_word_embeddings": s.tie_embeddings,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "bos_token_id": special["bos"],
        "eos_token_id": special["eos"],
        "pad_token_id": None,
        **dict.fromkeys(("dtype", "torch_dtype"), "float32"),
    }
    if family is GPT2:
        return common | _gpt2(s)
    return common | (_encoder(s, special) if family is MODERNBERT else _decoder(family, s))


def _names(family: Family) -> dict[str, str]:
    return _GPT2_NAMES if family is GPT2 else _NAMES


def _angles(s: ModelSettings) -> dict[str, Any]:
    return {**_scaling(s), "rope_theta": float(s.rope_base)}


def _scaling(s: ModelSettings) -> dict[str, Any]:
    if not s.rope_scaling:
        return {"rope_type": _DEFAULT}
    numbers = dict(zip(_SCALING, s.rope_scaling, strict=True))
    # transformers wants a whole number here, and decimal ones before.
    context = {_SCALING[-1]: int(numbers.pop(_SCALING[-1]))}
    return {"rope_type": _LLAMA3} | {name: float(number) for name, number in numbers.items()} | context


def _encoder(s: ModelSettings, special: Mapping[str, int | None]) -> dict[str, Any]:
    return {
        "hidden_activation": MODERNBERT.activations[s.activation],
        "norm_eps": s.epsilon,
        **dict.fromkeys(("norm_bias", "mlp_bias", "decoder_bias", "classifier_bias"), False),
        "classifier_activation": "gelu",
        "classifier_pooling": "mean",
        "cls_token_id": special["cls"],
        "sep_token_id": special["sep"],
        "layer_types": ["full_attention"] * s.layers,
        "global_attn_every_n_layers": 1,
        "rope_parameters": {"full_attention": _angles(s), "sliding_attention": _angles(s)},
        **dict.fromkeys(("global_rope_theta", "local_rope_theta"), float(s.rope_base)),
    }


def _gpt2(s: ModelSettings) -> dict[str, Any]:
    return {
        "activation_function": GPT2.activations[s.activation],
        "layer_norm_epsilon": s.epsilon,
        "use_cache": True,
        **dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), 0.0),
    }


def _decoder(family: Family, s: ModelSettings) -> dict[str, Any]:
    common: dict[str, Any] = {
        "num_key_value_heads": s.kv_heads,
        "hidden_act": family.activations[s.activation],
        _EPSILONS[family.model_type][0]: s.epsilon,
        "use_cache": True,
        "rope_theta": float(s.rope_base),
        "rope_parameters": _angles(s),
    }
    if s.rope_scaling:
        common["rope_scaling"] = _scaling(s)
    if family in (STABLELM, PERSIMMON):
        return common | {
            "qk_layernorm": s.qk_norm,
            "use_qkv_bias": False,
            "use_parallel_residual": False,
            "hidden_dropout": 0.0,
            "partial_rotary_factor": 1.0,
            "rope_parameters": _angles(s) | {"partial_rotary_factor": 1.0},
        }
    if family is STARCODER2:
        no_dropout = dict.fromkeys(("embedding_dropout", "residual_dropout"), 0.0)
        return common | {"use_bias": False, "sliding_window": None, **no_dropout}
    common |= {"head_dim": s.head_width}
    if family is SMOLLM3:
        common |= {"no_rope_layers": [0] * s.layers, "layer_types": ["full_attention"] * s.layers}
    return common | ({"use_sliding_window": False} if family in (QWEN3, SMOLLM3) else {"mlp_bias": False})


def read_config(
    config: Mapping[str, Any], vocab_size: int, context: int | None, folder: Path
) -> tuple[Family, ModelSettings]:
    """The family of a config.json of version 4 or 5, and the settings of the same model here.

    Args:
        vocab_size: tokens of the vocabulary.
        context: the greatest number of positions to be used, where not all that the model has.
        folder: where it is, for messages.

    Raises:
        InputError: it is of no such family, a number is missing, or a setting makes another model; all
            faults are named.
    """
    family = FAMILIES.get(str(config.get("model_type")))
    if family is None:
        raise InputError(
            f"{folder}: model_type = {config.get('model_type')!r} is not imported",
            remedy=f"Imported are models of type {', '.join(FAMILIES)}.",
        )
    shape = _shape(config, family, folder)
    shape["context"] = min(shape["context"], context or shape["context"])
    activation, faults = _activation(config, family)
    positions, unturned = _positions(config, family, shape["layers"])
    faults += unturned
    theta, scaling, rotary_faults = _rotary(config, family)
    faults += [*rotary_faults, *_attention_faults(config, family, shape["layers"])]
    faults += [
        f"{name} = {config[name]!r} (imported: {value!r})"
        for name, value in _MUST_BE.items()
        if config.get(name) is not None and (config[name] or None) != (value or None)
    ]
    if family is STARCODER2 and config.get("sliding_window") is not None:
        faults.append(f"sliding_window = {config['sliding_window']!r} (imported: None)")
    epsilon = config.get(*_EPSILONS[family.model_type])
    if not faults:
        try:
            return family, ModelSettings(
                **shape,
                vocab_size=vocab_size,
                kind="encoder" if family is MODERNBERT else "decoder",
                norm=family.norm,
                activation=activation,
                positions=positions,
                qk_norm=bool(config.get("qk_layernorm", family is PERSIMMON))
                if family in (STABLELM, PERSIMMON)
                else bool(family.qk_norm),
                tie_embeddings=bool(config.get("tie_word_embeddings", family.ties)),
                zero_init=False,
                rope_base=theta,
                rope_scaling=scaling,
                norm_eps=0.0 if epsilon == _OUR_EPSILONS[family.norm] else float(epsilon),
            )
        except (ValueError, TypeError) as error:
            faults.append(str(error))
    raise InputError(
        f"{folder}/config.json describes a model that cannot be imported: {'; '.join(faults)}",
        remedy="Take a model without these.",
    )


def _shape(config: Mapping[str, Any], family: Family, folder: Path) -> dict[str, int]:
    """The numbers of a model's shape, by our names; raises InputError for values of another type."""
    names = _names(family)
    found = {theirs: config.get(theirs) for theirs in (*names.values(), "num_key_value_heads")}
    if found["num_key_value_heads"] is None or family in (MODERNBERT, PERSIMMON, GPT2):
        found["num_key_value_heads"] = found[names["heads"]]
    if family is GPT2 and found["n_inner"] is None and type(found["n_embd"]) is int:
        found["n_inner"] = 4 * found["n_embd"]
    # Families with LayerNorm have no such number, and in Qwen3 it is 128 where nothing is said.
    if family.norm == "rms":
        head_width = config.get("head_dim", 128 if family is QWEN3 else None)
        found |= {} if head_width is None else {"head_dim": head_width}
    # Not isinstance: true and false would be numbers.
    faults = [f"{n} = {v!r} is no count" for n, v in found.items() if type(v) is not int or v < 1]
    for kind, keys in (
        (dict, ("rope_parameters", "rope_scaling")),
        (list, ("layer_types", "no_rope_layers")),
    ):
        values = {name: config.get(name) for name in keys}
        faults += [
            f"{n} = {v!r} is no {kind.__name__}" for n, v in values.items() if not isinstance(v, kind | None)
        ]
    if faults:
        raise InputError(
            f"{folder}/config.json: {'; '.join(faults)}", remedy="Bring back the model's own config.json."
        )
    ours = {**names, "kv_heads": "num_key_value_heads", "head_dim": "head_dim"}
    shape = {name: int(found[theirs] or 0) for name, theirs in ours.items() if theirs in found}
    if shape.get("head_dim", 0) * shape["heads"] == shape["width"]:
        del shape["head_dim"]
    return shape


def _activation(config: Mapping[str, Any], family: Family) -> tuple[Activation, list[str]]:
    name, usual = _ACTIVATIONS.get(family.model_type, ("hidden_act", "silu"))
    value, known = config.get(name, usual), family.activations
    for ours, theirs in known.items():
        if value == theirs:
            return ours, []
    return next(iter(known)), [f"{name} = {value!r} (imported: {', '.join(known.values())})"]


def _positions(config: Mapping[str, Any], family: Family, layers: int) -> tuple[Positions, list[str]]:
    """What tells positions; of SmolLM3 each layer says whether queries and keys are turned in it."""
    if family is not SMOLLM3:
        return family.positions, []
    every = config.get("no_rope_layer_interval", 4)
    turned = config.get("no_rope_layers")
    if turned is None:
        if not isinstance(every, int) or every < 1:
            return "none", [f"no_rope_layer_interval = {every!r} (imported: a whole number from 1)"]
        turned = [int((n + 1) % every != 0) for n in range(layers)]
    if not isinstance(turned, list) or not all(each in (0, 1) for each in turned):
        return "none", [f"no_rope_layers = {turned!r} (imported: a list of 0 and 1)"]
    if set(turned) in ({0}, {1}) and len(turned) == layers:
        return ("rope" if turned[0] else "none"), []
    return "none", [f"no_rope_layers = {turned} (imported: the same in all {layers} layers)"]


def _attention_faults(config: Mapping[str, Any], family: Family, layers: int) -> Iterator[str]:
    kinds = config.get("layer_types")
    if family is MODERNBERT and layers > 1:
        every = config.get("global_attn_every_n_layers", 3 if kinds is None else 1)
        if every != 1:
            yield f"global_attn_every_n_layers = {every} (imported: 1, no sliding windows)"
    others = sorted({str(kind) for kind in kinds or ()} - {"full_attention"})
    if others:
        yield f"layer_types has {', '.join(others)} (imported: full_attention, no sliding windows)"


def _rotary(config: Mapping[str, Any], family: Family) -> tuple[float, tuple[float, ...], list[str]]:
    """Base of the rotary wavelengths, how they are stretched, and what is not imported about them."""
    parameters = config.get("rope_parameters") or {}
    usual = _THETAS.get(family.model_type, 10_000.0)
    theta = config.get("rope_theta", usual)
    if family is MODERNBERT:
        nested = parameters.get("full_attention")
        parameters = nested if isinstance(nested, dict) else {}
        theta = config.get("global_rope_theta", usual)
    theta = parameters.get("rope_theta", theta)
    faults = []
    if not isinstance(theta, int | float) or isinstance(theta, bool) or not 0 < theta < math.inf:
        faults.append(f"rope_theta = {theta!r} is not a number above 0")
        theta = 10_000.0
    scaling: tuple[float, ...] = ()
    for name, value in (("rope_scaling", config.get("rope_scaling")), ("rope_parameters", parameters)):
        kind = (value or {}).get("rope_type", (value or {}).get("type", _DEFAULT))
        if kind == _LLAMA3 and family is not MODERNBERT:
            numbers = {each: (value or {}).get(each) for each in _SCALING}
            wrong = [each for each, number in numbers.items() if type(number) not in (int, float)]
            faults += [f"{name} of type {kind!r} has {each} = {numbers[each]!r}" for each in wrong]
            scaling = () if wrong else tuple(float(number or 0) for number in numbers.values())
        elif kind != _DEFAULT:
            only = "none" if family is MODERNBERT else f"none, {_LLAMA3!r}"
            faults.append(f"{name} of type {kind!r} (imported: {only})")
    whole = config.get("partial_rotary_factor", _PARTS_TURNED.get(family.model_type, 1.0))
    share = parameters.get("partial_rotary_factor", whole)
    if share != 1:
        faults.append(f"partial_rotary_factor = {share} (imported: 1.0)")
    return float(theta), scaling, faults
