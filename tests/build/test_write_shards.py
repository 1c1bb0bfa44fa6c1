"""Encoding and writing: shards hold exactly the documents, in order, in as many files as asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from corpuskit import Files, Pipeline, Shards, Split, TrainTokenizer, WriteShards
from corpuskit.build.build import build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.run.layout import TOKENIZER
from corpuskit.tokenizer.tokenizer import Tokenizer


def documents(run: Path) -> list[dict[str, str]]:
    return [r for p in sorted((run / "documents").glob("*.parquet")) for r in pq.read_table(p).to_pylist()]


@pytest.fixture
def many(tmp_path: Path, jsonl: Callable[..., None]) -> Pipeline:
    """120 documents in two parts, so that whole documents are held out."""
    for name in ("a", "b"):
        lines = [{"id": f"{i}", "text": f"Document {i} of {name}. " * (1 + i % 7)} for i in range(60)]
        jsonl(tmp_path / f"{name}.jsonl", lines)
    sources = [Files(path=str(tmp_path / f"{name}.jsonl"), label=name) for name in ("b", "a")]
    split = Split(validation=0.1, test=0.1)
    return Pipeline([*sources, TrainTokenizer(vocab_size=400), WriteShards(shard_tokens=500, split=split)])


def test_the_shards_decode_to_the_documents(many: Pipeline, tmp_path: Path) -> None:
    build_corpus(many, tmp_path / "run")
    shards, tokenizer = Shards(tmp_path / "run/shards"), Tokenizer.load(tmp_path / "run" / TOKENIZER)
    shards.verify()
    by_id = {d["id"]: d for d in documents(tmp_path / "run")}
    met = []
    for name, infos in shards.splits.items():
        split = shards.split(name)
        table = [
            row
            for info in infos
            for row in pq.read_table(tmp_path / f"run/shards/{info.name}.provenance.parquet").to_pylist()
        ]
        assert len(table) == split.sequences
        for number, row in enumerate(table):
            tokens = split.sequence(number)
            text = tokenizer.decode([int(t) for t in tokens[:-1]])
            assert text == by_id[row["id"]]["text"]
            assert by_id[row["id"]]["split"] == name
            assert (row["byte_start"], row["byte_end"]) == (0, len(text.encode()))
            assert row["token_end"] - row["token_start"] == len(tokens)
        met += [row["id"] for row in table]
        # Part order is recipe order (b before a), and within a part the order of the documents.
        places = [(row["part"] != "files-b-00000", int(row["id"].rsplit(":")[-1])) for row in table]
        assert places == sorted(places)
    assert sorted(met) == sorted(by_id)


def test_a_shard_is_closed_at_its_limit(many: Pipeline, tmp_path: Path) -> None:
    build_corpus(many, tmp_path / "run")
    shards = Shards(tmp_path / "run/shards")
    train = shards.splits["train"]
    assert len(train) > 3
    assert [info.name for info in train] == [f"train-{i:05d}" for i in range(len(train))]
    longest = max(
        len(ids) + 1
        for ids in Tokenizer.load(tmp_path / "run" / TOKENIZER).encode(
            [d["text"] for d in documents(tmp_path / "run")]
        )
    )
    assert all(500 <= info.tokens < 500 + longest for info in train[:-1])


def test_the_size_of_shards_changes_no_token(many: Pipeline, tmp_path: Path) -> None:
    lines = []
    for limit in (300, 10**9):
        steps = [*many.steps[:-1], WriteShards(shard_tokens=limit, split=Split(validation=0.1, test=0.1))]
        build_corpus(Pipeline(steps), tmp_path / str(limit))
        shards = Shards(tmp_path / str(limit) / "shards")
        lines.append({n: shards.split(n).read(0, shards.split(n).tokens).tolist() for n in shards.splits})
    assert lines[0] == lines[1]


def test_the_type_of_tokens_follows_the_vocabulary(finished: Path, corpus: Path, tmp_path: Path) -> None:
    assert Shards(finished / "shards").dtype == "uint16"
    import tokenizers

    big = tokenizers.Tokenizer.from_file(str(finished / TOKENIZER))
    big.add_tokens([f"never-typed-{i}" for i in range(70_000)])
    (tmp_path / "big").mkdir()
    big.save(str(tmp_path / "big" / "tokenizer.json"))
    text = (corpus / "recipe.yaml").read_text()
    recipe = text.replace("{vocab_size: 450}", f"{{file: {tmp_path}/big/tokenizer.json}}")
    (corpus / "recipe.yaml").write_text(recipe)
    build_corpus(load(corpus / "recipe.yaml").pipeline, tmp_path / "run")
    shards = Shards(tmp_path / "run/shards")
    assert shards.dtype == "int32"
    small = Shards(finished / "shards")
    for name in shards.splits:
        wide, narrow = shards.split(name), small.split(name)
        assert np.array_equal(wide.read(0, wide.tokens), narrow.read(0, narrow.tokens))


def test_datasets_reads_the_documents(
    sample_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The corpus loads as a user would load it, offline."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    files = [str(p) for p in sorted((sample_run / "documents").glob("*.parquet"))]
    loaded = datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache")
    )
    expected = documents(sample_run)
    assert loaded.num_rows == len(expected)
    assert loaded[3]["text"] == expected[3]["text"]
    assert set(loaded["source"]) == {"notes", "gutenberg", "wikipedia"}
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_nothing_of_the_encoding_is_left(sample_run: Path) -> None:
    assert not (sample_run / "encoded").exists()
    assert not (sample_run / ".tmp").exists()
    assert not list(sample_run.rglob("*.tmp"))


def test_provenance_is_written_in_groups_of_equal_size(
    many: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever batches the rows come in: 120 documents, of which 15 to 30 are held out."""
    from corpuskit.build.write import write_shards

    monkeypatch.setattr(write_shards, "_FLUSH_ROWS", 25)
    steps = [*many.steps[:-1], WriteShards(split=Split(validation=0.1, test=0.1))]
    build_corpus(steps, tmp_path / "run")
    file = pq.ParquetFile(tmp_path / "run/shards/train-00000.provenance.parquet")
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert sizes[:-1] == [25] * (len(sizes) - 1)
    assert 0 < sizes[-1] <= 25
    assert sum(sizes) == Shards(tmp_path / "run/shards").split("train").sequences
