"""A very small Llama or Qwen3 with random weights, as transformers would leave it: 256 bytes and five special
tokens, no merges. The same seed gives the same numbers on every machine."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from corpuskit.tokenizer.byte_level import byte_alphabet

SPECIAL = ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end_of_turn|>")
TOKENS = 256 + len(SPECIAL)
WIDTH, HIDDEN, HEADS = 64, 64, 4
HEAD = WIDTH // HEADS


def write_random(
    folder: Path,
    seed: int,
    *,
    layers: int = 1,
    kv_heads: int = HEADS,
    pad_rows: int = 0,
    family: str = "llama",
    tie: bool = False,
    **config: Any,
) -> dict[str, np.ndarray[Any, Any]]:
    """Write the folder; returns its tensors by name. `config` changes keys of config.json."""
    drawn = np.random.default_rng(seed)
    rows = TOKENS + pad_rows

    def gain(size: int) -> np.ndarray[Any, Any]:
        return 1 + drawn.normal(0, 0.05, size)

    tensors = {"model.embed_tokens.weight": drawn.normal(0, 1.0, (rows, WIDTH))}
    if not tie:
        tensors["lm_head.weight"] = drawn.normal(0, 0.3, (rows, WIDTH))
    tensors["model.norm.weight"] = gain(WIDTH)
    for n in range(layers):
        block = f"model.layers.{n}"
        tensors[f"{block}.input_layernorm.weight"] = gain(WIDTH)
        tensors[f"{block}.post_attention_layernorm.weight"] = gain(WIDTH)
        for part, height in (("q", HEADS), ("k", kv_heads), ("v", kv_heads), ("o", HEADS)):
            matrix = drawn.normal(0, 0.2, (height * HEAD, WIDTH))
            tensors[f"{block}.self_attn.{part}_proj.weight"] = matrix
        if family == "qwen3":
            tensors |= {f"{block}.self_attn.{part}_norm.weight": gain(HEAD) for part in "qk"}
        for part in ("gate", "up", "down"):
            tensors[f"{block}.mlp.{part}_proj.weight"] = drawn.normal(0, 0.2, (HIDDEN, WIDTH))
    tensors = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
    document = {
        "architectures": ["Qwen3ForCausalLM" if family == "qwen3" else "LlamaForCausalLM"],
        "model_type": family,
        "vocab_size": rows,
        "hidden_size": WIDTH,
        "intermediate_size": HIDDEN,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": kv_heads,
        "head_dim": HEAD,
        "max_position_embeddings": 128,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10_000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": tie,
        "eos_token_id": 256,
        "bos_token_id": 256,
    }
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(document | config))
    save_file(tensors, folder / "model.safetensors")
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    return tensors


def byte_tokenizer() -> Tokenizer:
    """Ids 0 to 255 are the bytes, and the special tokens follow."""
    tokenizer = Tokenizer(models.BPE(vocab=byte_alphabet(), merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in SPECIAL])
    return tokenizer
