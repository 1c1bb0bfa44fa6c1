"""Rows of the benchmark of classification, out of invented figures of two splits."""

from collections.abc import Mapping

import pytest

from benchmarks.adapt_data import Counts
from benchmarks.finetune import LabelledSet, _rows
from benchmarks.harness import Row

GIVEN = {"encoder": "an encoder"}
PEER = "scikit-learn 1.0, TF-IDF"


def figures(*accuracies: float, seconds: float = 10.0) -> list[dict[str, float]]:
    return [
        {"accuracy": each, "macro F1": each, "core seconds": seconds, "rate": 1e-3} for each in accuracies
    ]


def rows(found: Mapping[str, list[dict[str, float]]], near: bool = False) -> dict[str, Row]:
    chosen = LabelledSet(lambda _: [], Counts(1, 1, 1), 1, held_to_peer=near)
    return {each.what: each for each in _rows("Set", found, chosen, GIVEN)}


@pytest.mark.parametrize(("learnt", "met"), [((90.0, 92.0), True), ((89.0, 91.0), False)])
def test_a_pre_trained_model_must_be_better_by_more_than_the_spread(
    learnt: tuple[float, float], met: bool
) -> None:
    """Random weights give 88 and 90: a spread of 1.41 around 89."""
    found = {"encoder, pre-trained": figures(*learnt), "encoder, random weights": figures(88.0, 90.0)}
    row = rows(found)["Set, accuracy: encoder, pre-trained"]
    assert (row.value, row.met) == (sum(learnt) / 2, met)
    assert rows(found)["Set, accuracy: encoder, random weights"].bar is None


@pytest.mark.parametrize(("peer", "met"), [(92.0, True), (92.1, False)])
def test_the_peer_may_be_a_point_better(peer: float, met: bool) -> None:
    found = {
        PEER: figures(peer, peer),
        "encoder, pre-trained": figures(91.0, 91.0),
        "encoder, random weights": figures(80.0, 80.0),
    }
    table = rows(found, near=True)
    row = table["Set: encoder, accuracy below logistic regression"]
    assert (row.value, row.met) == (round(peer - 91, 2), met)
    assert table[f"Set, accuracy: {PEER}"].tool == "scikit-learn 1.0"
    assert "learnt from too" in table[f"Set, accuracy: {PEER}"].input
    without = rows({name: each for name, each in found.items() if name != PEER}, near=True)
    assert "Set: encoder, accuracy below logistic regression" not in without


@pytest.mark.parametrize(("seconds", "met"), [(600.0, True), (601.0, False)])
def test_the_time_is_that_of_all_splits(seconds: float, met: bool) -> None:
    found = {
        "encoder, pre-trained": figures(91.0, 91.0, seconds=seconds),
        "encoder, random weights": figures(80.0, 80.0, seconds=1e6),
    }
    row = rows(found)["Set: encoder, all splits"]
    assert (row.value, row.met) == (2 * seconds, met)
