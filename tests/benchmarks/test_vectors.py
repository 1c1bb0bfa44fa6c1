"""Nearest centroids on numbers that are known, and the rows that are made of accuracies."""

import numpy as np
import pytest

from benchmarks.vectors import DRAWN, LEARNT, MOST, _rows, right


def test_a_row_gets_the_label_of_the_nearest_centroid() -> None:
    """Rows 0 and 1 are the centroids; of the others the last is nearer to the wrong one."""
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1], [0.2, 0.8], [0.8, 0.3]])
    labels = ["a", "b", "a", "b", "b"]
    assert right(vectors, labels, [0, 1], [2, 3])["accuracy"] == 100
    assert right(vectors, labels, [0, 1], [2, 3, 4])["accuracy"] == pytest.approx(200 / 3)


def test_a_common_part_is_taken_away() -> None:
    """Labels differ by little beside what all rows share, and by their side of it alone."""
    vectors = np.array([[10.0, 6.0], [10.5, 4.0], [9.5, 2.0], [10.0, 8.0]])
    labels = ["a", "b", "b", "a"]
    assert right(vectors, labels, [0, 1], [2, 3], centred=True)["accuracy"] == 100
    shifted = right(vectors + 100, labels, [0, 1], [2, 3], centred=True)
    assert shifted["accuracy"] == 100


@pytest.mark.parametrize(
    ("learnt", "met"), [((80.0, 82.0), True), ((61.0, 63.0), False), ((49.0, 49.5), False)]
)
def test_a_pre_trained_model_must_be_better_than_chance_and_random_weights(
    learnt: tuple[float, float], met: bool
) -> None:
    """Random weights give 59 and 63, a spread of 2.8 around 61; twice the most frequent label is 50."""
    arms = {
        "scikit-learn 1.0, TF-IDF": (85.0, 85.0),
        MOST: (25.0, 25.0),
        f"encoder, mean, {LEARNT}": learnt,
        f"encoder, first, {LEARNT}": (40.0, 42.0),
        f"encoder, mean, {DRAWN}": (59.0, 63.0),
    }
    found = {arm: [{"accuracy": each} for each in values] for arm, values in arms.items()}
    rows = {each.what.rpartition("accuracy: ")[2]: each for each in _rows(found, next(iter(arms)), "rows")}
    assert rows[f"encoder, mean, {LEARNT}"].met is met
    assert rows["scikit-learn 1.0, TF-IDF"].tool == "scikit-learn 1.0"
    assert [name for name, row in rows.items() if row.bar] == [f"encoder, mean, {LEARNT}"]
