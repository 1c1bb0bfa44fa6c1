"""Tiny Shakespeare as a run that can be trained on: characters as tokens, nine tenths to train on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from corpuskit.shards.format import MANIFEST_NAME, NO_PROVENANCE, manifest
from corpuskit.shards.writer import ShardWriter
from corpuskit.tokenizer.tokenizer import Tokenizer

TEXT = "small_lm/tinyshakespeare/input.txt"
SHARE = 0.9


def write_run(path: Path, run: Path, *, held_back: bool = False) -> None:
    """Shards and a tokenizer of single bytes, as a build would leave them, with nanoGPT's cut of the text.

    Args:
        path: the text.
        run: the folder to make.
        held_back: cut the training text alone: what settings are chosen on, so that the validation split is
            looked at only by the benchmark.
    """
    text = path.read_text(encoding="utf-8")
    if held_back:
        text = text[: int(len(text) * SHARE)]
    cut = int(len(text) * SHARE)
    tokenizer = Tokenizer.train(text, vocab_size=384)
    tokenizer.save(run / "tokenizer" / "tokenizer.json")
    (run / "shards").mkdir()
    splits = {}
    for split, piece in (("train", text[:cut]), ("validation", text[cut:])):
        with ShardWriter(run / "shards", f"{split}-00000", "uint16") as writer:
            writer.append(np.asarray(next(tokenizer.encode([piece]))))
            splits[split] = [{**vars(writer.close()), "provenance_sha256": NO_PROVENANCE}]
    document = manifest(tokenizer.vocab_size, tokenizer.end_of_text, tokenizer.sha256, splits)
    (run / "shards" / MANIFEST_NAME).write_text(json.dumps(document), encoding="utf-8")
