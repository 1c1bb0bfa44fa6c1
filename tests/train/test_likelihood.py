"""Likelihoods of continuations and losses of long texts, against values that are known."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from corpuskit.errors import SettingError
from corpuskit.train import LanguageModel
from corpuskit.train.evaluate.likelihood import log_likelihoods, refuse_kind
from corpuskit.train.evaluate.windows import Windows, text_losses, total
from tests.tiny_models import END, bigram_logs, load, token_names, unigram_nats


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load(tmp_path_factory.mktemp("random"), "random", layers=2, context=24, seed=5)


def alone(model: LanguageModel, ids: list[int], start: int) -> float:
    """ln p of ids[start:] by one plain forward pass."""
    with torch.inference_mode():
        logits = model.model(torch.tensor([ids[:-1]]))[0, :, : model.model.settings.vocab_size]
    logs = logits.double().log_softmax(-1)
    return sum(logs[at - 1, ids[at]].item() for at in range(start, len(ids)))


def test_a_blank_at_the_border_belongs_to_the_continuation(tmp_path: Path) -> None:
    model = load(tmp_path, merges=[(" ", "a")], weights={" a": 40})
    found = log_likelihoods(model, [("x", " a"), ("x ", "a"), ("x", " b"), ("x  ", " a")])
    assert [round(each.nats, 4) for each in found.found[:3]] == [-2.8317, -2.8317, -8.1892]
    assert [each.tokens for each in found.found] == [1, 1, 2, 3]
    assert (found.cut, found.over_border) == (0, 0)


def test_a_token_over_the_border_is_the_continuation_s(tmp_path: Path) -> None:
    model = load(tmp_path, merges=[("x", "y"), ("a", "x")], weights={"xy": 40})
    nats = unigram_nats(token_names([("x", "y"), ("a", "x")]), {"xy": 40})
    found = log_likelihoods(model, [("x", "y"), ("bx", "yz")])
    assert found.over_border == 2
    assert [each.nats for each in found.found] == pytest.approx(
        [-nats["xy"], -nats["xy"] - nats["z"]], abs=1e-5
    )


def test_likelihoods_are_the_same_whatever_is_read_with_them(random: LanguageModel) -> None:
    contexts = ["one", "one two", "", "a longer context, cut", "one"]
    pairs = [(c, o) for c, o in itertools.product(contexts, [" x", " yes", " more words", "!"])]
    expected = []
    for context, continuation in pairs:
        before = random.tokenizer.encode(context) or [random.end_of_text]
        ids = [*before, *random.tokenizer.encode(continuation)]
        ids = ids[-25:]
        expected.append(alone(random, ids, len(ids) - len(continuation)))
    for tokens_at_once in (1, 64, 8192):
        found = log_likelihoods(random, pairs, tokens_at_once=tokens_at_once)
        assert [each.nats for each in found.found] == pytest.approx(expected, abs=2e-5)
        assert found.cut == sum(len(c) + len(o) > 25 for c, o in pairs)
        one_by_one = [log_likelihoods(random, [pair]).found[0] for pair in pairs]
        assert [each.nats for each in one_by_one] == pytest.approx(expected, abs=2e-5)
        assert [each.greedy for each in one_by_one] == [each.greedy for each in found.found]


@pytest.mark.parametrize("alike", [False, True])
def test_no_more_is_computed_at_once_than_was_asked_for(
    random: LanguageModel, monkeypatch: pytest.MonkeyPatch, alike: bool
) -> None:
    """Texts all begin with the same mark, choices with the same question: they are divided nonetheless."""
    positions: list[int] = []
    plain = random.model.states

    def states(ids: torch.Tensor, **more: Any) -> torch.Tensor:
        positions.append(ids.numel())
        return plain(ids, **more)

    monkeypatch.setattr(random.model, "states", states)
    texts = [f"{number:02} words" for number in range(40)]
    if alike:
        log_likelihoods(random, [("one", f" {text}") for text in texts], tokens_at_once=64)
    else:
        text_losses(random, texts, tokens_at_once=64)
    assert max(positions) <= 64


def test_greedy_is_what_the_model_would_write(tmp_path: Path) -> None:
    table = {"": {"a": 1}, "a": {"b": 9, "c": 1}, "b": {"c": 5}}
    model = load(tmp_path, "bigram", table=table)
    found = log_likelihoods(model, [("a", "bc"), ("a", "bd"), ("a", "c"), ("", "abc")]).found
    assert [each.greedy for each in found] == [True, False, False, True]
    logs = bigram_logs(token_names(), table)
    a, b, c = map(ord, "abc")
    assert found[0].nats == pytest.approx(logs[a, b] + logs[b, c], abs=1e-4)
    end = token_names().index(END)
    assert found[3].nats == pytest.approx(logs[end, a] + logs[a, b] + logs[b, c], abs=1e-4)


def test_a_context_may_begin_a_document(random: LanguageModel) -> None:
    ids = random.tokenizer.encode("ab")
    [plain] = log_likelihoods(random, [("a", "b")]).found
    [begun] = log_likelihoods(random, [("a", "b")], begin=True).found
    assert plain.nats == pytest.approx(alone(random, ids, 1), abs=1e-5)
    assert begun.nats == pytest.approx(alone(random, [random.end_of_text, *ids], 2), abs=1e-5)


def test_what_is_longer_than_the_context_is_scored_whole(tmp_path: Path) -> None:
    model = load(tmp_path, context=16)
    nats = unigram_nats(token_names())
    found = log_likelihoods(model, [("context " * 9 + ":", "words" * 9), ("x", "y")])
    assert found.found[0].tokens == 45
    assert found.found[0].nats == pytest.approx(-45 * nats["w"], abs=1e-3), "letters cost alike"
    assert found.cut == 1


def test_what_has_no_likelihood_is_refused(random: LanguageModel) -> None:
    with pytest.raises(SettingError, match="pair 1: the continuation behind 'b' is empty"):
        log_likelihoods(random, [("a", "x"), ("b", "")])
    with pytest.raises(SettingError, match=r"pair 0: .* is none"):
        log_likelihoods(random, [("a", "b", "c")])
    with pytest.raises(SettingError, match="this model is an encoder, and what is measured"):
        refuse_kind("encoder", "this model")


# ------------------------------------------------------------------------------------------------- windows
REPEATED = "ab ba abab b a " * 7
BIGRAM = {
    "": {"a": 1, "b": 1, " ": 1},
    "a": {"b": 6, " ": 2},
    "b": {"a": 6, " ": 1},
    " ": {"a": 3, "b": 3},
    END: {"a": 1, "b": 99},
}


@pytest.fixture(scope="module")
def bigram(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load(tmp_path_factory.mktemp("bigram"), "bigram", table=BIGRAM, context=64)


@pytest.mark.parametrize("stride", [None, 1, 7, 32, 63, 64])
def test_each_token_of_a_long_text_is_scored_once(bigram: LanguageModel, stride: int | None) -> None:
    text = REPEATED[:104]
    [loss] = text_losses(bigram, [text], stride)
    logs = bigram_logs(token_names(), BIGRAM)
    ids = [token_names().index(END), *text.encode()]
    expected = -sum(logs[before, after] for before, after in itertools.pairwise(ids))
    assert loss.tokens == 104
    assert loss.nats == pytest.approx(expected, abs=1e-3)
    found = total([loss], [104])
    assert found.loss == pytest.approx(expected / 104, abs=1e-5)
    assert found.bits_per_byte == pytest.approx(expected / 104 / math.log(2), abs=1e-5)


def test_windows_score_each_place_once_and_see_what_they_promise() -> None:
    for length, context, stride in itertools.product((2, 3, 9, 30), (2, 5, 8), (1, 2, 5)):
        if stride > context:
            continue
        windows = Windows(context, stride)
        places: list[int] = []
        for line in windows.lines(range(length)):
            assert len(line.ids) <= context + 1
            assert line.ids == list(range(line.ids[0], line.ids[0] + len(line.ids)))
            scored = line.ids[line.start :]
            assert all(place - line.ids[0] >= min(windows.least_context, place) for place in scored)
            places += scored
        assert places == list(range(1, length))


def test_bits_per_byte_are_those_of_bytes(tmp_path: Path) -> None:
    text = "Zoë ate 3 naïve pâtés.\n"[:-1]
    [loss] = text_losses(load(tmp_path), [text])
    found = total([loss], [len(text.encode())])
    assert (loss.tokens, len(text.encode()), len(text)) == (26, 26, 22)
    assert loss.nats == pytest.approx(129.8344, abs=1e-3)
    assert found.bits_per_byte == pytest.approx(7.204288, abs=1e-4)
    assert found.perplexity == pytest.approx(147.471, abs=1e-2)


def test_loss_of_a_short_text(tmp_path: Path) -> None:
    [loss] = text_losses(load(tmp_path), ["more words to read."])
    assert (loss.tokens, round(loss.nats / loss.tokens, 4)) == (19, 4.2710)


def test_texts_of_all_lengths_together_are_as_alone(random: LanguageModel) -> None:
    texts = ["a", "", "some words", "some words that are longer than its context of tokens", "b" * 24]
    together = text_losses(random, texts, 10, tokens_at_once=100)
    for text, loss in zip(texts, together, strict=True):
        [by_itself] = text_losses(random, [text], 10)
        assert loss.tokens == by_itself.tokens == len(text)
        assert loss.nats == pytest.approx(by_itself.nats, abs=1e-4)
    # With more context another figure: all of it is really looked at.
    assert abs(together[3].nats - text_losses(random, [texts[3]], 24)[0].nats) > 1e-3
    assert np.isclose(total(together, [None, 1, 1, 1, 1]).bytes, 0)


def test_a_stride_beyond_the_context_is_refused(random: LanguageModel) -> None:
    for stride in (0, 25):
        with pytest.raises(SettingError, match=f"stride = {stride} does not lie between 1 and"):
            text_losses(random, ["a"], stride)
