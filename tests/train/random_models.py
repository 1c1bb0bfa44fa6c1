"""Model folders with random weights, of each kind."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from corpuskit.train import ModelSettings, Transformer
from corpuskit.train.generate.generate import model_document
from corpuskit.train.model.transformer import Kind, initialise

ROLES = ["<|system|>", "<|user|>", "<|assistant|>", "<|end_of_turn|>"]


def write_model(folder: Path, roles: bool = True, kind: Kind = "decoder", **document: object) -> Path:
    """A model folder with random weights, as training leaves one."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>", "<|mask|>", "<|sentinel_0|>", *(ROLES if roles else [])],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["User: hello there. Assistant: good day to you."] * 3, trainer)
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    digest = hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
    settings = ModelSettings(
        tokenizer.get_vocab_size(), 2, 32, 4, 4, 64, 64, kind, zero_init=False, tie_embeddings=False
    )
    model = Transformer(settings)
    initialise(model, 3)
    torch.nn.init.normal_(model.head.weight, std=0.3, generator=torch.Generator().manual_seed(1))
    save_file(model.state_dict(), folder / "model.safetensors")
    (folder / "model.json").write_text(json.dumps({**model_document(settings, 0, digest), **document}))
    return folder
