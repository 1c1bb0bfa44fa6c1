"""Of several processes one judges the fast engine; what the others made before gets no name without it."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from corpuskit import Files, TrainTokenizer, WriteShards
from corpuskit.build.build import build_corpus
from corpuskit.errors import EncodingError
from corpuskit.tokenizer import encoding
from corpuskit.tokenizer.encoding import Encoder
from corpuskit.tokenizer.engines import verdicts as verdicts_module
from corpuskit.tokenizer.engines.engines import Flat, Reference
from corpuskit.tokenizer.engines.native import Native
from corpuskit.tokenizer.engines.verdicts import Verdict, Verdicts
from corpuskit.tokenizer.tokenizer import Tokenizer

MARK = "\u00a7"


def text_of(size: int) -> str:
    """Prose of many different words, the same each time."""
    return " ".join(f"mill{n * 7919 % 613}" for n in range(size // 8))[:size]


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for who will not judge."""
    monkeypatch.setattr(verdicts_module, "_PATIENCE", 0.05)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine of another test, and a small sample."""
    monkeypatch.setattr(encoding, "_ENCODERS", type(encoding._ENCODERS)())
    monkeypatch.setattr(encoding, "SAMPLE_BYTES", 2**12)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([text_of(20_000)], vocab_size=600)


@pytest.fixture
def verdicts(tmp_path: Path, tokenizer: Tokenizer) -> Verdicts:
    return Verdicts(tmp_path, tmp_path, tokenizer.sha256)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts the reference was given, a number a call."""
    counts = list[int]()
    encode = Reference.encode

    def counting(self: Reference, texts: Sequence[str]) -> Flat:
        counts.append(len(texts))
        return encode(self, texts)

    monkeypatch.setattr(Reference, "encode", counting)
    return counts


class Wrong(Native):
    """Wrong about every text that holds a mark."""

    def encode_column(self, texts: pa.Array) -> Flat:
        return self.encode(texts.to_pylist())

    def encode(self, texts: Sequence[str]) -> Flat:
        found = super().encode(texts)
        return Flat((found.ids + 1) % 400, found.ends) if any(MARK in text for text in texts) else found


def encoder_of(tokenizer: Tokenizer) -> Encoder:
    return Encoder(tokenizer._model, tokenizer._document, tokenizer.vocab_size)


def test_one_judges_and_the_other_takes_its_verdict(
    tokenizer: Tokenizer, verdicts: Verdicts, asked: list[int]
) -> None:
    first, second, third = (encoder_of(tokenizer) for _ in range(3))
    first.share(verdicts)
    second.share(verdicts)
    assert (first.name, second.name) == (Reference.name, Native.name)
    texts = [text_of(3000), text_of(3000)]
    found = first.encode(texts)
    assert (first.name, first.compared) == (Native.name, 2)
    assert asked == [2, 2000]
    assert second.encode(texts).ids.tolist() == found.ids.tolist()
    second.settle()
    # Who comes when the verdict is there begins with the engine, and is in no doubt.
    third.share(verdicts)
    third.encode(texts)
    third.settle()
    assert asked == [2, 2000]
    assert (second.why, third.why, second.compared, third.compared) == ("", "", 0, 0)


def test_where_nobody_judged_one_judges_by_what_it_made(
    tokenizer: Tokenizer, verdicts: Verdicts, asked: list[int]
) -> None:
    assert verdicts.begin()  # And died.
    encoder = encoder_of(tokenizer)
    encoder.share(verdicts)
    encoder.encode([text_of(900)])
    encoder.settle()  # Right in all of it, and that is too little to trust it from now on.
    assert (asked, verdicts.find()) == ([2000, 1], None)
    encoder.encode([text_of(3000), text_of(3000), text_of(9)])
    encoder.settle()
    assert asked == [2000, 1, 0, 2]  # The odd ones, and what came first, were seen before.
    assert verdicts.find() == Verdict("")
    encoder.settle()
    assert asked == [2000, 1, 0, 2]
    assert encoder.compared == 3


@pytest.mark.parametrize("size", [100, 9000])
def test_what_was_made_by_one_that_differs_is_in_doubt(
    tokenizer: Tokenizer, verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(encoding, "Native", Wrong)
    assert verdicts.begin()
    encoder = encoder_of(tokenizer)
    encoder.share(verdicts)
    texts = [f"{MARK} {text_of(size)}"]
    encoder.encode(texts)
    with pytest.raises(EncodingError, match="otherwise than tokenizers") as caught:
        encoder.settle()
    assert "Call again: tokenizers 0.23.3 encodes from now on" in caught.value.remedy
    right = tokenizer._model.encode(texts[0], add_special_tokens=False).ids
    assert encoder.encode(texts).ids.tolist() == right
    # Others hear of it: who begins, and who had begun.
    other = encoder_of(tokenizer)
    other.share(verdicts)
    assert (other.name, other.why) == (Reference.name, encoder.why)


def test_a_verdict_against_it_reaches_who_had_begun(
    tokenizer: Tokenizer, verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "Native", Wrong)
    first, second = encoder_of(tokenizer), encoder_of(tokenizer)
    first.share(verdicts)
    second.share(verdicts)
    second.encode([text_of(3000)])
    first.encode([f"{MARK} {text_of(9000)}"])
    assert first.name == Reference.name
    with pytest.raises(EncodingError, match="in doubt"):
        second.settle()
    assert second.why == first.why


def test_what_a_comparison_finds_later_stands_against_the_verdict(
    tokenizer: Tokenizer, verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "Native", Wrong)
    monkeypatch.setattr(encoding, "COMPARED_EVERY", 2)
    first = encoder_of(tokenizer)
    first.share(verdicts)
    first.encode([text_of(9000)])
    assert verdicts.find() == Verdict("")
    with pytest.raises(EncodingError):
        first.encode([text_of(9), f"{MARK} one"])
    found = verdicts.find()
    assert found is not None
    assert "encodes '\u00a7 one'... otherwise" in found.why
    verdicts.record(Verdict(""))
    assert verdicts.find() == found


def test_a_fault_stands_against_a_verdict_that_is_recorded_at_the_same_time(
    tmp_path: Path, verdicts: Verdicts, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one has looked, and found nothing yet."""
    write = verdicts_module.write_json

    def meanwhile(*words: Any) -> None:
        monkeypatch.setattr(verdicts_module, "write_json", write)
        Verdicts(tmp_path, tmp_path, tokenizer.sha256).record(Verdict("it is wrong"))
        write(*words)

    monkeypatch.setattr(verdicts_module, "write_json", meanwhile)
    verdicts.record(Verdict(""))
    assert verdicts.find() == Verdict("it is wrong")
    verdicts.record(Verdict(""))
    verdicts.record(Verdict("it is wrong, too"))
    assert verdicts.find() == Verdict("it is wrong")


class Refusing(Native):
    """Raises for a text that holds a mark."""

    def encode_column(self, texts: pa.Array) -> Flat:
        return self.encode(texts.to_pylist())

    def encode(self, texts: Sequence[str]) -> Flat:
        if any(MARK in text for text in texts):
            raise ValueError("knows no such sign")
        return super().encode(texts)


def test_what_the_fast_engine_refuses_is_a_fault_that_others_hear_of(
    tokenizer: Tokenizer, verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "Native", Refusing)
    assert verdicts.begin()
    encoder = encoder_of(tokenizer)
    encoder.share(verdicts)
    with pytest.raises(EncodingError, match="knows no such sign"):
        encoder.encode([f"{MARK} one"])
    assert verdicts.find() == Verdict(f"{Native.name} knows no such sign")


def test_who_met_too_little_text_to_judge_keeps_nobody_waiting(
    tokenizer: Tokenizer, verdicts: Verdicts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts_module, "_PATIENCE", 30.0)
    first, second = encoder_of(tokenizer), encoder_of(tokenizer)
    first.share(verdicts)
    second.share(verdicts)
    first.encode([text_of(900)])
    first.settle()
    assert [*tmp_path.iterdir()] == []
    second.encode([text_of(9000)])
    started = time.monotonic()
    second.settle()
    assert time.monotonic() - started < 15
    assert (second.compared, verdicts.find()) == (1, Verdict(""))
    # It comes to the same when it meets more; nobody who has begun since is disturbed.
    assert verdicts.begin()
    first.encode([text_of(9000)])
    first.settle()
    assert (first.compared, len([*tmp_path.glob("*.begun")])) == (2, 1)


def test_a_verdict_is_of_its_tokenizer_versions_and_machine(
    tmp_path: Path, verdicts: Verdicts, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts.record(Verdict(""))
    assert Verdicts(tmp_path, tmp_path, tokenizer.sha256).find() == Verdict("")
    assert Verdicts(tmp_path, tmp_path, "5eed").find() is None
    [file] = tmp_path.glob("*.json")
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "fastokens": "0.1"}))
    assert verdicts.find() is None
    file.write_text("{")
    assert verdicts.find() is None
    file.unlink()
    for what in ("platform.node", f"{verdicts_module.__name__}._processor"):
        monkeypatch.setattr(what, lambda: "another")
        assert Verdicts(tmp_path, tmp_path, tokenizer.sha256).begin()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_a_machine_is_told_by_what_its_processor_can_do() -> None:
    digest = verdicts_module._processor()
    assert len(digest) == 16
    assert int(digest, 16)


def test_one_waits_for_who_has_just_begun(verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts_module, "_PATIENCE", 30.0)
    assert verdicts.wait() is None  # Nobody has begun.
    assert verdicts.begin()
    recording = threading.Timer(0.2, verdicts.record, [Verdict("")])
    recording.start()
    assert verdicts.wait() == Verdict("")
    recording.join()


def test_one_does_not_wait_for_the_dead(
    tmp_path: Path, verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts_module, "_PATIENCE", 30.0)
    assert verdicts.begin()
    [begun] = tmp_path.glob("*.begun")
    os.utime(begun, (0, time.time() - 60))
    started = time.monotonic()
    assert verdicts.wait() is None
    assert time.monotonic() - started < 5


def steps(folder: Path, shard_tokens: int = 2**27) -> list[Any]:
    """Two parts, each more than a worker's sample."""
    sources = []
    for label in "ab":
        place = folder / label
        place.mkdir(parents=True, exist_ok=True)
        lines = (f"{label}{line * 31 % 9973} {text_of(60)}" for line in range(4600))
        (place / "text.txt").write_text("\n".join(lines), encoding="utf-8")
        sources.append(Files(path=str(place), label=label))
    written = WriteShards(split={"validation": 0}, shard_tokens=shard_tokens)
    return [*sources, TrainTokenizer(vocab_size=600), written]


def judged(run: Path) -> tuple[int, int, int]:
    """Files that say who judges, verdicts, and workers that told of texts that both engines encoded."""
    lines = map(json.loads, (run / "logs" / "build.jsonl").read_text().splitlines())
    compared = [line["compared"] for line in lines if "compared" in line]
    assert len(compared) == 2
    places = run / "logs" / "engines"
    return len([*places.glob("*.begun")]), len([*places.glob("*.json")]), sum(map(bool, compared))


def test_workers_judge_once_and_a_later_build_not_again(tmp_path: Path) -> None:
    shards = {}
    for workers in (1, 2):
        run = tmp_path / f"run-{workers}"
        build_corpus(steps(tmp_path / "in"), run, workers=workers)
        shards[workers] = [path.read_bytes() for path in sorted((run / "shards").iterdir())]
    assert shards[1] == shards[2]
    run = tmp_path / "run-2"
    begun, found, looked = judged(run)
    assert (begun, found) == (1, 1)
    assert looked in (1, 2)  # On a busy machine the one does not wait for the other to the end.
    (run / "logs" / "build.jsonl").unlink()
    build_corpus(steps(tmp_path / "in", 2**16), run, workers=2)
    assert judged(run) == (1, 1, 0)
