"""GGUF files against llama.cpp itself: does it cut text as we do, and compute what we do?

    ids      each rule by which text is cut that an export gives a name: a tokenizer with that rule is trained
             on the texts, written with a small model, and its ids on 1,000 texts are compared one by one.
             Texts: lines drawn from the declaration of human rights in 388 languages, from books and
             wikis, and odd ones (blanks, digits, apostrophes, emoji, line ends, typed special tokens).
    logits   each architecture with random weights, in F32, F16 and Q8_0, on a row of random ids; that with
             stretched wavelengths (Llama 3.1) on a row longer than its first context.

Weights of random numbers make great logits out of small differences: a trained model's differ less.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from benchmarks.harness import (
    Bar,
    MissingError,
    Options,
    Row,
    compare,
    peer_versions,
    peers_there,
    run_benchmark,
)
from corpuskit.storage.files import json_bytes, sha256_file
from corpuskit.tokenizer.special import PATTERNS, SPECIAL_TOKENS
from corpuskit.train.generate.generate import LanguageModel, model_document
from corpuskit.train.hub.export import save_tensors
from corpuskit.train.hub.gguf_export import export_gguf
from corpuskit.train.hub.gguf_tokenizer import NAMES
from corpuskit.train.model.transformer import ModelSettings, Transformer, initialise

PEER = Path(__file__).resolve().parent / "peers" / "llama_cpp_reader.py"
CASES = Path(__file__).resolve().parent.parent / "tests" / "cases" / "pretokens.json"
TEXTS = 1000
VOCABULARY = 8192
PACKAGE = "llama-cpp-python"

SMALL = ModelSettings(VOCABULARY, 1, 32, 2, 2, 32, 64, norm="rms", qk_norm=False)
SHAPE = ModelSettings(
    VOCABULARY, 4, 128, 4, 2, 192, 256, norm="rms", qk_norm=False, zero_init=False, tie_embeddings=False
)
SHAPES = {
    "llama": SHAPE,
    "llama, stretched": dataclasses.replace(SHAPE, rope_scaling=(8.0, 1.0, 4.0, 64)),
    "qwen3": dataclasses.replace(SHAPE, qk_norm=True, head_dim=48, tie_embeddings=True),
    "stablelm": dataclasses.replace(SHAPE, norm="layer", qk_norm=True, tie_embeddings=True),
}


def texts(corpora: Path) -> list[str]:
    """1,000 texts, chosen by a seed: of languages, books and wikis as many each, and the odd ones."""
    chance = random.Random(7)
    odd: list[str] = json.loads(CASES.read_text(encoding="utf-8"))
    languages: list[str] = []
    with zipfile.ZipFile(corpora / "langid" / "udhr2.zip") as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".txt"):
                languages += archive.read(name).decode("utf-8", "replace").splitlines()[6:12]
    books = [
        line
        for path in sorted((corpora / "gutenberg").rglob("*.txt.gz"))[::12]
        for line in _unzipped(path).split("\n\n")
    ]
    wikis = [
        line
        for path in sorted((corpora / "wikipedia_extracted").rglob("*.gz"))
        for line in _unzipped(path).splitlines()
    ]
    chosen = list(odd)
    for several in (languages, books, wikis):
        several = [text for text in several if 10 < len(text) < 3000]
        chosen += chance.sample(several, min(len(several), (TEXTS - len(odd)) // 3 + 1))
    return chosen[:TEXTS]


def _unzipped(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode("utf-8", "replace").replace("\r\n", "\n")


def rules() -> dict[str, tuple[pre_tokenizers.PreTokenizer, bool]]:
    """By the name of a GGUF file: what cuts text, and whether a word that is a token is taken whole."""
    found: dict[str, tuple[pre_tokenizers.PreTokenizer, bool]] = {
        name: (_split(pattern), False) for pattern, name in NAMES.items()
    }
    found["llama-bpe"] = (_split(PATTERNS["llama3"]), True)
    digits = pre_tokenizers.Digits(individual_digits=True)
    found["smollm"] = (
        pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)]),
        False,
    )
    return found


def _split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def train(rule: pre_tokenizers.PreTokenizer, whole: bool, several: Sequence[str], path: Path) -> None:
    """Write a tokenizer.json with this rule, trained on the texts."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=whole))
    tokenizer.pre_tokenizer = rule
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(several, trainer)
    tokenizer.save(str(path))


def write_model(folder: Path, tokenizer: Path, settings: ModelSettings) -> Path:
    """A model folder with random weights."""
    folder.mkdir()
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    size = Tokenizer.from_file(str(tokenizer)).get_vocab_size()
    settings = dataclasses.replace(settings, vocab_size=size)
    document = model_document(settings, 0, sha256_file(tokenizer))
    (folder / "model.json").write_bytes(json_bytes(document))
    model = Transformer(settings)
    initialise(model, 1)
    generator = torch.Generator().manual_seed(2)
    state = {
        # Gains and a head of their own, so that a wrong one shows.
        name: 1 + 0.2 * torch.randn(tensor.shape, generator=generator)
        if tensor.dim() == 1
        else tensor + 0.05 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in model.state_dict().items()
    }
    save_tensors(folder / "model.safetensors", state)
    return folder


def ask(options: Options, several: Sequence[str], files: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What llama.cpp says to the files."""
    question = json.dumps({"texts": list(several), "files": files})
    command = [str(options.peers), str(PEER)]
    said = subprocess.run(command, input=question, stdout=subprocess.PIPE, text=True, check=True).stdout
    return dict(json.loads(said))


def collect_ids(options: Options) -> list[Row]:
    """Texts with the same ids, in percent, for each rule."""
    python = _reader(options)
    several = texts(options.corpora)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, (rule, whole) in rules().items():
            train(rule, whole, several, place / f"{name}.json")
            model = write_model(place / name, place / f"{name}.json", SMALL)
            written = export_gguf(model, place / f"{name}.gguf")
            assert written.pre == name, (written.pre, name)
            found = ask(options, several, {name: {"path": str(written.out), "ids": None}})[name]["ids"]
            tokenizer = LanguageModel.load(model).tokenizer
            expected = [tokenizer.encode(text) for text in several]
            wrong = [text for text, a, b in zip(several, expected, found, strict=True) if a != b]
            rows += compare(
                f"ids equal to llama.cpp's, rule {name}",
                100 * (1 - len(wrong) / len(several)),
                {},
                unit="% of texts",
                better="higher",
                input=f"{len(several)} texts, {sum(map(len, expected)):,} tokens",
                bar=Bar(100, "value"),
                note="; ".join([_version(python), *(f"not: {text[:60]!r}" for text in wrong[:3])]),
            )
    return rows


def collect_logits(options: Options) -> list[Row]:
    """How far logits lie apart at most."""
    python = _reader(options)
    several = texts(options.corpora)[:200]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        train(_split(PATTERNS["llama3"]), False, several, place / "tokenizer.json")
        for name, settings in SHAPES.items():
            model = write_model(place / name, place / "tokenizer.json", settings)
            loaded = LanguageModel.load(model).model
            row = torch.randint(
                0, loaded.settings.vocab_size, (200,), generator=torch.Generator().manual_seed(1)
            )
            with torch.inference_mode():
                expected = loaded(row[None])[0, :, : loaded.settings.vocab_size].numpy()
            for kind in ("f32", "f16", "q8_0"):
                written = export_gguf(model, place / f"{name} {kind}.gguf", kind)  # type: ignore[arg-type]
                files = {name: {"path": str(written.out), "ids": row.tolist()}}
                said = ask(options, several[:1], files)[name]
                apart = float(np.abs(np.array(said["logits"], np.float32) - expected).max())
                exact = kind == "f32"
                rows += compare(
                    f"logits, greatest difference from llama.cpp's, {name}, {kind.upper()}",
                    apart,
                    {},
                    unit="(logit)",
                    better="lower",
                    input=f"200 positions, logits of up to {np.abs(expected).max():.3g}",
                    bar=Bar(0.01, "value", "at most") if exact else None,
                    note=f"{_version(python)}; by our own reading {written.difference:.2g}; a text begins as"
                    f" {said['begins'][:1]}",
                )
    return rows


def _reader(options: Options) -> Path:
    """The Python that has llama.cpp; raises MissingError, with what brings it, where it has not."""
    if not options.peers.exists() or not peers_there(options.peers, (PACKAGE,)):
        raise MissingError(
            f"{options.peers} has no {PACKAGE}: run 'make bench-install-gguf' (compiles llama.cpp, "
            "10 to 30 minutes), or name a Python with --peers"
        )
    return options.peers


def _version(python: Path) -> str:
    return f"{PACKAGE} {peer_versions(python, [PACKAGE])[0]}"


if __name__ == "__main__":
    sys.exit(run_benchmark("gguf", {"ids": collect_ids, "logits": collect_logits}))
