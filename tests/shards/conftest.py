"""Folders of shards out of lists of ids."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from corpuskit.shards.format import MANIFEST_NAME, NO_PROVENANCE, manifest
from corpuskit.shards.writer import ShardWriter

Documents = Sequence[Sequence[int]]
MakeShards = Callable[[Path, Mapping[str, Sequence[Documents]], int], Path]


def write_shards(folder: Path, splits: Mapping[str, Sequence[Documents]], vocab_size: int) -> Path:
    """Each split is a list of shards, each of which is a list of documents with their ends of text, id 0."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    for split, shards in splits.items():
        entries[split] = []
        for number, documents in enumerate(shards):
            with ShardWriter(folder, f"{split}-{number:05d}", "uint16") as writer:
                for document in documents:
                    writer.append(np.array(document))
                entries[split].append({**vars(writer.close()), "provenance_sha256": NO_PROVENANCE})
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest(vocab_size, 0, "ab", entries)))
    return folder


@pytest.fixture(scope="session")
def make_shards() -> MakeShards:
    """Writes a folder of shards out of the documents of each shard of each split."""
    return write_shards


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two training shards and one for validation; tests must not change it."""
    chance = random.Random(1)
    documents = [[chance.randrange(1, 400) for _ in range(chance.randrange(5, 60))] + [0] for _ in range(70)]
    splits = {"train": [documents[:20], documents[20:60]], "validation": [documents[60:]]}
    folder = tmp_path_factory.mktemp("run") / "run"
    write_shards(folder / "shards", splits, 400)
    return folder
