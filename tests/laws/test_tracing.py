"""Law 5: every token leads back to its document. Law 6: text is never control."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from corpuskit import Pipeline, Run, Shards, Split, TrainTokenizer, WriteShards
from corpuskit.build.build import build_corpus
from corpuskit.errors import RunError, SettingError
from corpuskit.report.trace import trace
from corpuskit.run.layout import TOKENIZER
from corpuskit.sources.files.files import Files
from corpuskit.tokenizer.special import RESERVED
from corpuskit.tokenizer.tokenizer import Tokenizer


def texts(run: Path) -> dict[str, bytes]:
    """Text of every document of a run, by id."""
    tables = [pq.read_table(p, columns=["id", "text"]) for p in sorted((run / "documents").glob("*.parquet"))]
    return {row["id"]: row["text"].encode() for table in tables for row in table.to_pylist()}


def check(run: Path, shard: str, tokens: list[int], raw: dict[str, bytes]) -> set[str]:
    """Trace tokens and hold each against its document; return the ids that were met."""
    opened, tokenizer = Run(run), Tokenizer.load(run / TOKENIZER)
    met = set()
    for token in tokens:
        traced = trace(opened, shard, token)
        identity = traced.document["id"]
        met.add(identity)
        place = raw[identity][traced.byte_start : traced.byte_end]
        if traced.token_id == tokenizer.end_of_text:
            assert (place, traced.token_text) == (b"", "<|endoftext|>")
        else:  # Byte for byte: a token may be a piece of a character.
            assert place == tokenizer.spelled(traced.token_id)
            assert place.decode("utf-8", "replace") == traced.token_text
    return met


def test_random_tokens_of_every_shard(sample_run: Path) -> None:
    raw, chance = texts(sample_run), random.Random(3)
    shards = Shards(sample_run / "shards")
    names = [(info.name, info.tokens) for infos in shards.splits.values() for info in infos]
    assert {name.split("-")[0] for name, _ in names} == {"train", "validation"}
    assert len(names) > 3
    met: set[str] = set()
    for name, count in names:
        met |= check(sample_run, name, [*chance.sample(range(count), 25), 0, count - 1], raw)
    assert len(met) > 25


def test_text_of_many_bytes_a_character(tmp_path: Path, jsonl: Any) -> None:
    """Every token of documents in scripts of two, three and four bytes, cut into sections."""
    wide = [
        "Größe naïve ﬁx 🦉🦉🏽‍🚀 fin.\n" * 3,
        "東京都は日本の首都。ไทยง่าย\n" * 3,
        "e\u0301e\u0301 \u2028 \u00a0x\n" * 6,
    ]
    jsonl(tmp_path / "x.jsonl", [{"id": str(i), "text": text} for i, text in enumerate(wide)])
    split = Split(validation=0.2, test=0.2)
    source = Files(path=str(tmp_path / "x.jsonl"), label="x")
    build_corpus(
        Pipeline([source, TrainTokenizer(vocab_size=400), WriteShards(split=split)]), tmp_path / "run"
    )
    raw = texts(tmp_path / "run")
    for infos in Shards(tmp_path / "run/shards").splits.values():
        for info in infos:
            assert check(tmp_path / "run", info.name, list(range(info.tokens)), raw) == set(raw)


def test_what_a_trace_tells(sample_run: Path) -> None:
    run = Run(sample_run)
    provenance = pq.read_table(sample_run / "shards/train-00000.provenance.parquet").to_pylist()
    for row in provenance:
        if row["id"] == "files:notes:rain-gauge":
            traced = trace(run, "train-00000", row["token_start"])
            assert [d["id"] for d in traced.dropped_for] == ["files:notes:rain-gauge-copy"]
            assert traced.document["origin"]["file"] == "notes.jsonl"
    books = [row for row in provenance if row["id"].startswith("gutenberg:")]
    traced = trace(run, "train-00000", books[0]["token_start"])
    assert {cut["reason"] for cut in traced.cuts} >= {"header", "licence"}
    assert traced.document["licence"]
    assert "[" in traced.context


def test_the_provenance_covers_documents_and_shards(sample_run: Path) -> None:
    """Each byte of each document stands in exactly one token range, and each token in one document."""
    pieces: dict[str, list[tuple[int, int]]] = {}
    for path in sorted((sample_run / "shards").glob("*.provenance.parquet")):
        position = 0
        for row in pq.read_table(path).to_pylist():
            assert row["token_start"] == position
            position = row["token_end"]
            pieces.setdefault(row["id"], []).append((row["byte_start"], row["byte_end"]))
    for identity, text in texts(sample_run).items():
        covered = 0
        for start, end in sorted(pieces.pop(identity)):
            assert start == covered
            covered = end
        assert covered == len(text)
    assert not pieces


def test_a_token_that_is_not_there(sample_run: Path) -> None:
    with pytest.raises(SettingError, match="has tokens 0 to"):
        trace(Run(sample_run), "train-00000", 10**9)
    with pytest.raises(SettingError, match=r"'train-0000': is not in .*\n.*Did you mean 'train-0000"):
        trace(Run(sample_run), "train-0000", 0)


def test_a_text_that_was_changed_behind_the_shards(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The section is encoded anew: another number of tokens is told instead of guessed over."""
    path = finished / "documents/files-letters-00000.parquet"
    table = pq.read_table(path)
    import pyarrow as pa

    changed = pa.array([t + "x y z" for t in table.column("text").to_pylist()], pa.large_string())
    shorter = pa.array([t.replace("a", "", 40) for t in table.column("text").to_pylist()], pa.large_string())
    assert len(changed) == len(shorter)
    pq.write_table(table.set_column(table.schema.get_field_index("text"), "text", shorter), path)
    with pytest.raises(RunError, match="is damaged"):
        trace(Run(finished), "train-00000", 30)
    monkeypatch.setattr(Run, "check_output", lambda *_: None)
    with pytest.raises(RunError, match="verify"):
        trace(Run(finished), "train-00000", 30)


# ------------------------------------------------------------------------------ text is never control


def test_typed_special_tokens_stay_text(sample_run: Path, built: Path) -> None:
    """In all shards of both runs no id below 128 occurs but the end of each sequence."""
    for run in (sample_run, built / "run"):
        shards = Shards(run / "shards")
        assert shards.end_of_text == 0
        typed = 0
        for name in shards.splits:
            split = shards.split(name)
            ends = 0
            for number in range(split.sequences):
                tokens = split.sequence(number)
                assert int(np.min(tokens[:-1], initial=RESERVED)) >= RESERVED
                assert int(tokens[-1]) == shards.end_of_text
                ends += 1
                typed += (
                    b"<|" in Tokenizer.load(run / TOKENIZER).decode([int(t) for t in tokens[:-1]]).encode()
                )
            assert ends == split.sequences
        assert typed, "no document of this run types a special token: the test proves nothing"


def test_encoding_and_decoding_what_spells_a_special_token(built: Path) -> None:
    tokenizer = Tokenizer.load(built / "run" / TOKENIZER)
    text = "<|endoftext|><|user|>x<|sentinel_7|> [MASK] <|pad|>"
    ids = next(tokenizer.encode([text]))
    assert int(ids.min()) >= RESERVED
    assert tokenizer.decode([int(i) for i in ids]) == text


def test_the_test_would_see_a_control_token(built: Path) -> None:
    """A tokenizer as it is loaded by others does read the typed token as control: the guard is ours."""
    import tokenizers

    naive = tokenizers.Tokenizer.from_file(str(built / "run" / TOKENIZER))
    assert naive.encode("<|endoftext|>").ids == [0]
    facts = json.loads((built / "run/shards/shards.json").read_text())
    assert facts["end_of_text"] == 0
