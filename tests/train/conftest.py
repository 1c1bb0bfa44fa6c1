"""A small run folder as a build leaves it: shards written by ShardWriter, and their tokenizer."""

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from corpuskit.shards.format import NO_PROVENANCE, manifest
from corpuskit.shards.reader import Shards
from corpuskit.shards.writer import ShardWriter
from corpuskit.tokenizer.special import SPECIAL_TOKENS
from corpuskit.train import TrainSettings

MakeRun = Callable[..., Path]


def sentences(count: int, seed: int) -> list[str]:
    """Documents of simple English sentences with enough order in them to be learnt."""
    chance = random.Random(seed)
    who, does, what = (
        ["The miller", "A sailor", "My aunt", "The old dog", "Nobody"],
        ["sold", "found", "watched", "carried", "forgot"],
        ["a lantern", "the blue boat", "three letters", "some bread", "a map of the coast"],
    )
    return [
        " ".join(f"{chance.choice(who)} {chance.choice(does)} {chance.choice(what)}." for _ in range(6))
        for _ in range(count)
    ]


def make_tokenizer(path: Path, texts: list[str], specials: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=299 + len(specials),
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    path.parent.mkdir(parents=True)
    tokenizer.save(str(path))
    return tokenizer


def write_run(
    run: Path, splits: dict[str, list[list[str]]], specials: Sequence[str] = SPECIAL_TOKENS[:1]
) -> Path:
    """A run whose splits hold shards of documents."""
    texts = [text for shards in splits.values() for shard in shards for text in shard]
    tokenizer = make_tokenizer(run / "tokenizer" / "tokenizer.json", texts, specials)
    (run / "shards").mkdir()
    entries: dict[str, list[dict[str, Any]]] = {}
    for split, shards in splits.items():
        entries[split] = []
        for number, shard in enumerate(shards):
            with ShardWriter(run / "shards", f"{split}-{number:05d}", "uint16") as writer:
                for text in shard:
                    writer.append(np.array([*tokenizer.encode(text).ids, 0]))
                entries[split].append({**vars(writer.close()), "provenance_sha256": NO_PROVENANCE})
    sha256 = hashlib.sha256((run / "tokenizer" / "tokenizer.json").read_bytes()).hexdigest()
    document = manifest(tokenizer.get_vocab_size(), 0, sha256, entries)
    (run / "shards" / "shards.json").write_text(json.dumps(document))
    return run


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> MakeRun:
    def make(
        documents: int = 60,
        seed: int = 1,
        validation: bool = True,
        specials: Sequence[str] = SPECIAL_TOKENS[:1],
    ) -> Path:
        texts = sentences(documents, seed)
        splits = {"train": [texts[: documents // 3], texts[documents // 3 :]]}
        if validation:
            splits["validation"] = [sentences(10, seed + 1000)]
        return write_run(tmp_path_factory.mktemp("run") / "run", splits, specials)

    return make


@pytest.fixture(scope="session")
def write_provenance() -> Callable[[Path, str, Sequence[str]], None]:
    """Writes the tables beside the shards of a split whose documents are of these sources in turn."""

    def write(folder: Path, name: str, sources: Sequence[str]) -> None:
        shards = Shards(folder)
        split, number = shards.split(name), 0
        for info in shards.splits[name]:
            ends = np.cumsum([len(split.sequence(number + i)) for i in range(info.sequences)]).tolist()
            rows = {
                "token_start": [0, *ends[:-1]],
                "token_end": ends,
                "source": [sources[(number + i) % len(sources)] for i in range(info.sequences)],
            }
            path = folder / f"{info.name}.provenance.parquet"
            pq.write_table(pa.table(rows), path)
            number += info.sequences
            document = json.loads((folder / "shards.json").read_text())
            [entry] = [each for each in document["splits"][name] if each["name"] == info.name]
            entry["provenance_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
            (folder / "shards.json").write_text(json.dumps(document))

    return write


@pytest.fixture(scope="session")
def run(make_run: MakeRun) -> Path:
    """A run with two training shards and one for validation; tests must not change it."""
    return make_run()


@pytest.fixture(scope="session")
def special_run(make_run: MakeRun) -> Path:
    """A run whose tokenizer has all special tokens; tests must not change it."""
    return make_run(specials=SPECIAL_TOKENS)


@pytest.fixture(scope="session")
def small() -> TrainSettings:
    """Settings of a run that takes about a second, dropout included."""
    return TrainSettings(
        layers=2,
        width=32,
        heads=2,
        context=16,
        batch_rows=4,
        steps=20,
        dropout=0.1,
        learning_rate=3e-3,
        eval_every=5,
        precision="fp32",
    )


@pytest.fixture(scope="session")
def by_heart() -> TrainSettings:
    """Settings of a run that learns few documents by heart, so that its validation turns up and it ends."""
    return TrainSettings(
        layers=2,
        width=64,
        heads=2,
        context=32,
        batch_rows=8,
        steps=400,
        dropout=0,
        eval_every=10,
        patience=3,
        learning_rate=1e-2,
        warmup_steps=5,
        precision="fp32",
    )
