"""Rules and advice: each threshold is crossed from both sides."""

import dataclasses
import doctest

import pytest

from corpuskit.train.plan import advice
from corpuskit.train.plan.advice import Facts, advise, expectation, worth
from corpuskit.train.settings import defaults as rules

FINE = Facts(train_tokens=10**9, seen=10**9, parameters=50_000_000, dropout=0.0, weight_decay=0.1)


def changed(**values: object) -> list[str]:
    """Settings that advice names, or the first words where it is no setting."""
    found = advise(dataclasses.replace(FINE, **values))  # type: ignore[arg-type]
    assert all(item.why and item.source for item in found)
    return [item.setting or " ".join(item.why.split()[:3]) for item in found]


def test_examples_in_the_docstrings_hold() -> None:
    for module in (advice, rules):
        result = doctest.testmod(module)
        assert result.attempted
        assert not result.failed


def test_a_run_that_reads_once_needs_no_advice() -> None:
    assert changed() == []
    assert "little to learn by heart" in expectation(FINE)


def test_reading_often_calls_for_dropout_decay_and_goldfish() -> None:
    assert changed(seen=3 * 10**9) == ["dropout"]
    assert changed(seen=5 * 10**9) == ["dropout", "weight_decay", "goldfish"]
    assert changed(seen=5 * 10**9, dropout=0.1, weight_decay=0.2, goldfish=4) == []
    assert changed(seen=5 * 10**9, dropout=0.1, weight_decay=0.2, causal=False) == []
    assert changed(dropout=0.1) == ["dropout"]
    assert advise(dataclasses.replace(FINE, dropout=0.1))[0].value == 0


def test_a_model_that_could_hold_the_corpus_is_too_large() -> None:
    small = {"train_tokens": 10**6, "seen": 10**7, "dropout": 0.2, "weight_decay": 0.3, "goldfish": 4}
    assert changed(parameters=1_000_000, **small) == []
    assert changed(parameters=15_000_000, **small) == ["a smaller model"]
    characters = dataclasses.replace(FINE, parameters=1_000_000, bytes_per_token=1.0, **small)  # type: ignore[arg-type]
    assert characters.capacity == pytest.approx(3.6)
    (item,) = advise(dataclasses.replace(FINE, parameters=15_000_000, **small))  # type: ignore[arg-type]
    assert "hold about 12.0 times this corpus; some 1,200,000 would hold it once" in str(item)
    said = [
        expectation(dataclasses.replace(FINE, parameters=15_000_000, **{**small, "seen": epochs * 10**6}))  # type: ignore[arg-type]
        for epochs in (1, 3, 10, 20)
    ]
    for text, words in zip(
        said, ("little", "almost as good", "begins to recite", "expect it to recite"), strict=True
    ):
        assert words in text


def test_length_is_held_against_the_model_and_the_corpus() -> None:
    assert changed(parameters=2 * 10**8) == []
    assert changed(parameters=3 * 10**8) == ["a longer run"]
    often = {"dropout": 0.2, "weight_decay": 0.5, "goldfish": 4}
    assert changed(seen=30 * 10**9, **often) == []
    assert changed(seen=40 * 10**9, **often) == ["a shorter run:"]


def test_somebody_must_watch() -> None:
    often = {"seen": 3 * 10**9, "dropout": 0.1}
    assert changed(**often) == []
    assert changed(validated=False, **often) == ["hold out a"]
    assert changed(patience=0, **often) == ["patience"]
    assert changed(patience=0) == []


def test_repetition_is_worth_less_and_less() -> None:
    values = [worth(1000, epochs) for epochs in (1, 2, 4, 8, 40, 10_000)]
    assert values == sorted(values)
    assert values[2] > 0.9 * 4000
    assert values[-1] == pytest.approx(1000 * (1 + advice.WORTH_DECAY))


def test_the_batch_follows_the_tokens() -> None:
    sizes = [rules.batch_tokens(10.0**power) for power in range(4, 13)]
    assert sizes == sorted(sizes)
    assert all(size & (size - 1) == 0 for size in sizes)
    for steps in (500, 20_000, 500_000):
        batch = rules.batch_tokens_for_steps(steps)
        assert batch == rules.batch_tokens(steps * batch) or steps < 2_000
    assert rules.learning_rate(2e-3, 4.0, 1.0) == 2e-3
    assert rules.learning_rate(2e-3, 4.0, 4.0) == pytest.approx(1e-3)
    assert rules.learning_rate(2e-3, 1.0, 0.5) == 2e-3
    assert rules.learning_rate(2e-3, 1.0, 2.0) == pytest.approx(1e-3)
    assert rules.learning_rate(2e-3, 0.25, 1.0) == pytest.approx(1e-3)
