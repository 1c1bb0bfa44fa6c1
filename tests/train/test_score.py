"""Samples in numbers: what is counted, and that a run's samples are scored by its own words."""

import dataclasses
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from corpuskit.shards.reader import Shards
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.evaluate.score import (
    bits_per_byte,
    gaps,
    held_out_texts,
    known_words,
    milestones,
    passage,
    score,
    words,
)
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.generate.sampling import Completion, Prompt
from corpuskit.train.model.transformer import ModelSettings, Transformer
from tests.tiny_models import load, token_names, unigram_nats

GAP = "\N{OBJECT REPLACEMENT CHARACTER}"
SHAPE = ModelSettings(400, 1, 32, 2, 2, 48, context=200, kind="encoder-decoder")


def test_words_are_letters() -> None:
    assert words("Él dijo: “¡It’s 12 naïve-ish!” — don't_stop") == [
        "él",
        "dijo",
        "it's",
        "naïve",
        "ish",
        "don't",
        "stop",
    ]


def test_scores_are_what_they_say() -> None:
    texts = ["the sea and the sea and the boat", "xqz the"]
    found = score(texts, {"the", "sea", "and", "boat"})
    assert found["known_words"] == pytest.approx(9 / 10)
    assert found["distinct_1"] == pytest.approx(5 / 10)
    pairs = ["the sea", "sea and", "and the", "the sea", "sea and", "and the", "the boat", "xqz the"]
    assert found["distinct_2"] == pytest.approx(len(set(pairs)) / len(pairs))
    # "the sea and the" stands at 0 and at 3.
    assert found["longest_repeat"] == 4
    assert score(["a b c", "a b c"], set())["longest_repeat"] == 0, "across texts nothing repeats"
    assert score(["la " * 50], {"la"})["longest_repeat"] == 49
    assert score(["12 ... 7", ""], {"a"}) == {
        "known_words": None,
        "distinct_1": None,
        "distinct_2": None,
        "distinct_3": None,
        "longest_repeat": 0,
    }


def test_known_words_are_those_of_the_training_split(run: Path) -> None:
    shards = Shards(run / "shards")
    codec = Tokenizer.load_expected(run / "tokenizer" / "tokenizer.json", shards.tokenizer_sha256, 0)
    split = shards.split("train")
    known = known_words(split, codec)
    assert {"miller", "lantern", "nobody", "my", "coast"} <= known
    assert not {"endoftext", "zebra"} & known
    # Of a large split pieces are read; words that are cut at their ends are no words.
    part = known_words(split, codec, max_tokens=split.tokens // 3)
    assert part <= known
    assert len(part) > len(known) / 2


def test_samples_of_a_run_are_scored(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    settings = TrainSettings.checked({**small.given(), "steps": 60, "learning_rate": 1e-2, "prompt": "The"})
    train_model(run, tmp_path / "m", settings)
    events = [json.loads(line) for line in (tmp_path / "m" / "logs" / "train.jsonl").read_text().splitlines()]
    samples = [event for event in events if event["event"] == "sample"]
    assert len(samples) > 2
    first, last = samples[0]["scores"], samples[-1]["scores"]
    assert first["known_words"] < last["known_words"]
    assert last["known_words"] > 0.5
    assert all(event["text"].startswith("The") for event in samples)
    # Text that people wrote stands beside it: from the first its words are known, but for those cut at ends.
    human = [event["held_out"] for event in samples]
    assert min(each["known_words"] for each in human) > 0.9
    assert human[0].keys() == first.keys()
    assert 0 < human[-1]["bits_per_byte"] < human[0]["bits_per_byte"]
    assert 0 < last["bits_per_byte"] < human[-1]["bits_per_byte"], "what it says itself it finds likely"
    steps = [event for event in events if event["event"] == "step"]
    assert all(event["memory_bytes"] > 10**6 for event in steps)


def test_held_out_text_is_as_long_as_what_it_stands_beside(run: Path) -> None:
    shards = Shards(run / "shards")
    codec = Tokenizer.load_expected(run / "tokenizer" / "tokenizer.json", shards.tokenizer_sha256, 0)
    split = shards.split("validation")
    texts = held_out_texts(split, codec, [20, 5, 30])
    assert [len(codec.encode(text)) for text in texts] == [20, 5, 30]
    whole = codec.decode(split.read(0, split.tokens).tolist())
    known = set(words(whole.replace("<|endoftext|>", " ")))
    assert all(set(words(text)[:-1]) <= known for text in texts), "the last word alone may be cut"
    assert held_out_texts(split, codec, [split.tokens]) == []
    assert held_out_texts(split, codec, []) == []


def test_bits_are_those_of_the_text_alone(tmp_path: Path) -> None:
    """A token of this model costs ln(W / weight) nats whatever stands before it: 8 for a letter."""
    model = load(tmp_path, "unigram", context=8)
    names = token_names()
    cost = unigram_nats(names)["a"] / math.log(2)
    assert bits_per_byte(model, [("xyz", "aaaa"), ("", "aa")]) == pytest.approx(cost, abs=1e-4)
    assert bits_per_byte(model, [("", "a" * 8 + "!" * 100)]) == pytest.approx(cost, abs=1e-4)
    # Of a beginning that does not fit the end is read.
    assert bits_per_byte(model, [("x" * 9, "a")]) == pytest.approx(cost, abs=1e-4)
    assert bits_per_byte(model, [("x", "")]) is None
    assert bits_per_byte(model, [("", "")]) is None


def test_gaps_are_words_that_a_model_could_fill(run: Path) -> None:
    shards = Shards(run / "shards")
    codec = Tokenizer.load_expected(run / "tokenizer" / "tokenizer.json", shards.tokenizer_sha256, 0)
    text = passage(shards.split("validation"), codec, 1000)
    assert 8 < len(text.split()) <= 64
    assert "endoftext" not in text
    for one_token in (True, False):
        masked, answers = gaps(text, codec, one_token)
        assert answers
        pieces = masked.split("\N{OBJECT REPLACEMENT CHARACTER}")
        whole = "".join(piece + answer for piece, answer in zip(pieces, [*answers, ""], strict=True))
        assert whole == text
        if one_token:
            assert all(len(codec.encode(f" {answer}")) == 1 for answer in answers)
    assert gaps("Too short", codec, False) == ("Too short", [])


@pytest.mark.parametrize("objective", ["masked", "spans", "denoise"])
def test_models_that_fill_gaps_are_sampled_so(
    special_run: Path, small: TrainSettings, tmp_path: Path, objective: str
) -> None:
    settings = {**small.given(), "objective": objective, "steps": 60, "context": 32, "learning_rate": 1e-2}
    train_model(special_run, tmp_path / "m", TrainSettings.checked(settings))
    events = [json.loads(line) for line in (tmp_path / "m" / "logs" / "train.jsonl").read_text().splitlines()]
    samples = [event for event in events if event["event"] == "sample"]
    assert len(samples) > 3
    assert all(0 <= event["scores"]["right"] <= 1 for event in samples)
    # The text around the gaps is always the same one, unless the model wrote that too.
    around = {re.sub(r"\[.*?\]", "[]", event["text"]) for event in samples}
    assert len(around) == 1 or objective == "denoise"
    assert all("[]" in each for each in around) or objective == "denoise"
    assert "gaps filled right" in (tmp_path / "m" / "curves.svg").read_text()


@pytest.mark.parametrize("copied", [True, False])
def test_a_milestone_shows_what_was_written(
    special_run: Path, monkeypatch: pytest.MonkeyPatch, copied: bool
) -> None:
    shards = Shards(special_run / "shards")
    codec = Tokenizer.load_expected(special_run / "tokenizer/tokenizer.json", shards.tokenizer_sha256, 0)
    model = Transformer(dataclasses.replace(SHAPE, vocab_size=shards.vocab_size))
    text, answers = gaps(passage(shards.split("validation"), codec, SHAPE.context), codec, False)
    first, *rest = text.split(GAP)
    written = "".join([first, *(answer + part for answer, part in zip(answers, rest, strict=True))])
    written = written if copied else written.replace(" ", "  ", 1)
    limits: list[int] = []

    def scripted(
        self: LanguageModel, prompts: Sequence[Prompt], limit: int, *rest: object
    ) -> list[Completion]:
        limits.append(limit)
        completion = Completion(self.tokenizer, prompts[0])
        for token in codec.encode(written):
            completion.add(token, last=False)
        return [completion]

    monkeypatch.setattr(LanguageModel, "write", scripted)
    told = milestones(shards, codec, "", 0, "denoise")(model)
    marked = "".join([first, *(f"[{answer}]{part}" for answer, part in zip(answers, rest, strict=True))])
    assert told == {"text": marked if copied else written, "scores": {"right": float(copied)}}
    assert limits == [128]
