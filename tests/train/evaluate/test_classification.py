"""Scores of classifiers: those of scikit-learn, and what it does not say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpuskit.errors import SettingError
from corpuskit.train.evaluate.bootstrap import draws, interval
from corpuskit.train.evaluate.classification import (
    calibration_error,
    classification_scores,
    multilabel_scores,
)
from corpuskit.train.evaluate.figures import best_index, direction, is_better

CASES = json.loads((Path(__file__).parents[2] / "cases" / "classification.json").read_text())


def scores(truth: str, predicted: str, names: str = "abc", **options: Any) -> dict[str, Any]:
    certain = np.eye(len(names))[[names.index(each) for each in predicted]]
    return classification_scores([names.find(each) for each in truth], certain, list(names), **options)


def test_a_class_that_occurs_nowhere_is_left_out_of_the_mean() -> None:
    found = scores("aaabbbaaab", "aaabbbabab")
    assert found["macro_f1"] == pytest.approx(0.898990, abs=1e-6)
    assert found["macro_classes"] == 2
    assert found["accuracy"] == found["micro_f1"] == 0.9
    assert found["confusion"] == [[5, 1, 0], [0, 4, 0], [0, 0, 0]]
    assert found["classes"]["c"] == {"precision": None, "recall": None, "f1": None, "gold": 0, "predicted": 0}
    assert scores("aa", "aa")["macro_f1"] == 1.0


@pytest.mark.parametrize("case", CASES["single"])
def test_scores_are_those_of_scikit_learn(case: dict[str, Any]) -> None:
    names = [str(number) for number in range(len(case["probabilities"][0]))]
    found = classification_scores(case["gold"], case["probabilities"], names, resamples=0)
    for name in ("accuracy", "macro_f1", "micro_f1", "loss"):
        assert found[name] == pytest.approx(case[name], abs=1e-9), name


@pytest.mark.parametrize("case", CASES["multi"])
def test_scores_of_several_labels_are_those_of_scikit_learn(case: dict[str, Any]) -> None:
    names = [str(number) for number in range(len(case["probabilities"][0]))]
    found = multilabel_scores(case["gold"], case["probabilities"], names)
    for name in ("micro_f1", "macro_f1", "subset_accuracy"):
        assert found[name] == pytest.approx(case[name], abs=1e-12), name


def test_a_label_that_is_not_known_counts_as_wrong() -> None:
    found = scores("aba??", "abaab")
    assert (found["rows"], found["unknown"], found["accuracy"]) == (5, 2, 0.6)
    assert sum(map(sum, found["confusion"])) == 3
    assert found["classes"]["a"]["precision"] == pytest.approx(2 / 3)
    several = multilabel_scores([[1, 0], [0, 1]], [[0.9, 0.1], [0.1, 0.9]], ["a", "b"], unknown=[0, 2])
    assert several["subset_accuracy"] == 0.5
    assert several["micro_f1"] == pytest.approx(2 * 2 / (2 + 2 + 2))


def test_calibration_by_hand() -> None:
    """Two bins: (0.6, 0.667] with 0.65 sure and half right, (0.933, 1] with 1 sure and all right."""
    assert calibration_error([1, 0, 1, 1], [0.65, 0.65, 1.0, 1.0]) == pytest.approx(0.15 / 2)
    assert calibration_error([1, 1], [1.0, 1.0]) == 0.0
    assert calibration_error([0], [1.0]) == 1.0


def test_intervals_hold_the_figure_and_are_the_same_again() -> None:
    truth = "ab" * 100
    predicted = "".join(each if number % 5 else "c" for number, each in enumerate(truth))
    first, again, other = (scores(truth, predicted, resamples=n)["intervals"] for n in (2000, 2000, 500))
    assert first == again != other
    # As that of any figure that is a share, whatever is evaluated.
    right = [float(a == b) for a, b in zip(truth, predicted, strict=True)]
    assert first["accuracy"] == list(interval(right) or ())
    for name in ("accuracy", "macro_f1"):
        low, high = first[name]
        assert low < scores(truth, predicted)[name] < high
    # A share p of n rows: 1.96 standard errors on both sides.
    assert np.diff(first["accuracy"])[0] == pytest.approx(2 * 1.96 * np.sqrt(0.8 * 0.2 / 200), rel=0.15)
    assert scores("ab", "ab", resamples=0)["intervals"] == {}


def test_macro_f1_of_a_resample_is_that_of_its_rows() -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(4), 30)
    gold = rng.integers(-1, 4, 30)
    [drawn] = draws(30, 5)
    each = [classification_scores(gold[r], shares[r], list("abcd"), resamples=0)["macro_f1"] for r in drawn]
    found = classification_scores(gold, shares, list("abcd"), resamples=5)["intervals"]["macro_f1"]
    assert found == pytest.approx(np.quantile(each, [0.025, 0.975]).tolist())


@pytest.mark.parametrize(
    ("gold", "shares", "says"),
    [
        ([0, 1], [[0.5, 0.5]], "do not go together"),
        ([], np.zeros((0, 2)), "no row to be scored"),
        ([2], [[0.5, 0.5]], "gold runs from 2 to 2, with 2 labels"),
        ([0], [[0.5, 0.6]], "row 0: .* are no probabilities"),
        ([0], [[np.nan, 0.5]], "row 0: .* are no probabilities"),
        ([0], [[-0.5, 1.5]], "row 0: .* are no probabilities"),
    ],
)
def test_what_cannot_be_scored_is_named(gold: Any, shares: Any, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        classification_scores(gold, shares, ["a", "b"])


CURVES = {
    "loss": ([0.9, 0.7, 0.7, 0.8], 1),
    "validation_news_loss": ([0.5, 0.4, 0.3, 0.6], 2),
    "macro_f1": ([0.1, 0.5, 0.4, 0.5], 1),
    "accuracy": ([0.9, 0.8, 0.9, 0.7], 0),
    "ece": ([0.2, 0.15, 0.1, 0.05], 3),
    "perplexity": ([None, float("nan"), 9.0, 8.0], 3),
    "validation_macro_f1": ([float("nan"), 0.2, 0.1], 1),
}


@pytest.mark.parametrize("name", CURVES)
def test_the_best_is_chosen_by_the_direction_of_the_figure(name: str) -> None:
    values, expected = CURVES[name]
    assert best_index(name, values) == expected


def test_a_direction_is_never_guessed() -> None:
    for name in ("score", "lossy", "loss_rate", "news", ""):
        with pytest.raises(SettingError, match="is not known"):
            direction(name)
    with pytest.raises(SettingError, match="none of 2 values is a number"):
        best_index("loss", [None, float("nan")])
    assert not is_better("loss", float("nan"), 1.0)
    assert is_better("loss", 1.0, float("nan"))
