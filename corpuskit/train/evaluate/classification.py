"""Scores of a classifier: accuracy, F1, confusion, calibration, and how sure they are.

Macro-F1 is the mean over the classes that stand in the truth or in the predictions; one that stands in
neither has no F1 and is left out (as scikit-learn does without a list of labels). Calibration is the expected
calibration error of C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: 15 bins of equal
width over the probability of the class that is predicted. Intervals are those of
`corpuskit.train.evaluate.bootstrap`, over rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError
from corpuskit.train.evaluate.bootstrap import RESAMPLES, intervals

BINS = 15
THRESHOLD = 0.5
"""Probability from which one of several labels is predicted."""
_SUM = 1e-3

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def classification_scores(
    gold: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    names: Sequence[str],
    *,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Scores of texts with one label each.

    Args:
        gold: number of each row's label, (N,); -1 for a label that the model does not know: a row that is
            wrong whatever is predicted, and counts.
        probabilities: of each label, (N, C); they add up to 1 in each row.
        names: of the C labels.
        resamples: of the bootstrap; 0 for no intervals.

    Returns:
        ``rows``, ``unknown`` (rows with gold -1), ``accuracy``, ``micro_f1`` (equal to it), ``macro_f1``,
        ``macro_classes`` (over how many), ``ece``, ``loss`` (mean negative log-likelihood of the known rows,
        natural logarithm; None without any), ``confusion`` (C lists of C, by gold and predicted), ``classes``
        (name to precision, recall, f1, gold and predicted rows) and ``intervals`` (accuracy and macro_f1 to
        low and high).

    Raises SettingError for arrays that do not go together and for rows that are no probabilities.
    """
    truth, shares = _checked(gold, probabilities, names)
    guess = shares.argmax(axis=1)
    matrix = confusion(truth, guess, len(names))
    predicted = np.bincount(guess, minlength=len(names))
    classes = _class_scores(matrix.diagonal(), matrix.sum(axis=1), predicted, names)
    accuracy = float(np.mean(truth == guess))
    macro, over = _macro(matrix.diagonal(), matrix.sum(axis=1), predicted)
    known = truth >= 0
    found = shares[known, truth[known]]
    sure = intervals(
        {
            "accuracy": lambda rows: np.mean(truth[rows] == guess[rows], axis=1),
            "macro_f1": lambda rows: _macro_of(truth, guess, len(names), rows),
        },
        len(truth),
        resamples,
    )
    return {
        "rows": len(truth),
        "unknown": int((~known).sum()),
        "accuracy": accuracy,
        "micro_f1": accuracy,
        "macro_f1": float(macro),
        "macro_classes": int(over),
        "ece": calibration_error(truth == guess, shares.max(axis=1)),
        "loss": float(-np.log(np.maximum(found, np.finfo(np.float64).tiny)).mean()) if known.any() else None,
        "confusion": matrix.tolist(),
        "classes": classes,
        "intervals": {name: list(bounds) for name, bounds in sure.items()},
    }


def multilabel_scores(
    gold: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    names: Sequence[str],
    *,
    unknown: npt.ArrayLike | None = None,
    threshold: float = THRESHOLD,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Scores of texts that may have several labels, or none; probabilities are independent.

    Args:
        gold: 0 or 1 for each label, (N, C).
        probabilities: of each label, (N, C).
        unknown: labels of each row that the model does not know, (N,): each is one that was missed.

    Returns:
        ``rows``, ``unknown``, ``threshold``, ``subset_accuracy`` (rows whose labels are all right),
        ``micro_f1``, ``macro_f1``, ``macro_classes``, ``ece`` (of each single decision), ``classes`` and
        ``intervals`` as of `classification_scores`.
    """
    truth, shares = np.asarray(gold), np.asarray(probabilities, np.float64)
    if truth.ndim != 2 or truth.shape != shares.shape or truth.shape[1] != len(names):
        what = f"gold {list(truth.shape)}, probabilities {list(shares.shape)}, {len(names)} names"
        raise SettingError(f"{what} do not go together", remedy="Both are (rows, labels).")
    _require_rows(len(truth))
    true, guess = truth.astype(np.bool_), shares >= threshold
    extra = np.zeros(len(true), np.int64) if unknown is None else np.asarray(unknown, np.int64)
    right, stand, said = (true & guess).sum(axis=0), true.sum(axis=0), guess.sum(axis=0)
    macro, over = _macro(right, stand, said)
    hit, both = (true & guess).sum(axis=1), true.sum(axis=1) + guess.sum(axis=1) + extra
    exact = (true == guess).all(axis=1) & (extra == 0)
    sides = np.where(guess, shares, 1 - shares)
    sure = intervals(
        {
            "subset_accuracy": lambda rows: exact[rows].mean(axis=1),
            "micro_f1": lambda rows: _f1(hit[rows].sum(axis=1), both[rows].sum(axis=1)),
        },
        len(true),
        resamples,
    )
    return {
        "rows": len(true),
        "unknown": int(extra.sum()),
        "threshold": threshold,
        "subset_accuracy": float(exact.mean()),
        "micro_f1": float(_f1(hit.sum(), both.sum())),
        "macro_f1": float(macro),
        "macro_classes": int(over),
        "ece": calibration_error((true == guess).ravel(), sides.ravel()),
        "classes": _class_scores(right, stand, said, names),
        "intervals": {name: list(bounds) for name, bounds in sure.items()},
    }


def _checked(
    gold: npt.ArrayLike, probabilities: npt.ArrayLike, names: Sequence[str]
) -> tuple[Numbers, Floats]:
    truth, shares = np.asarray(gold, np.int64), np.asarray(probabilities, np.float64)
    if truth.ndim != 1 or shares.shape != (len(truth), len(names)):
        what = f"gold {list(truth.shape)}, probabilities {list(shares.shape)}, {len(names)} names"
        raise SettingError(
            f"{what} do not go together", remedy="They are (rows,), (rows, labels) and labels."
        )
    _require_rows(len(truth))
    if truth.min() < -1 or truth.max() >= len(names):
        message = f"gold runs from {truth.min()} to {truth.max()}, with {len(names)} labels"
        raise SettingError(message, remedy="Number labels from 0; -1 is one that is not known.")
    wrong = np.flatnonzero(~(np.abs(shares.sum(axis=1) - 1) <= _SUM) | ~(shares >= 0).all(axis=1))
    if len(wrong):
        message = f"row {wrong[0]}: {shares[wrong[0]].tolist()} are no probabilities of labels"
        raise SettingError(message, remedy="Give softmax of the logits.")
    return truth, shares


def _require_rows(rows: int) -> None:
    if not rows:
        raise SettingError("no row to be scored", remedy="Give one at least.")


def confusion(gold: Numbers, predicted: Numbers, labels: int) -> Numbers:
    """How often each label was taken for each, int64 (gold, predicted); rows of an unknown label left out."""
    known = gold >= 0
    counts = np.bincount(gold[known] * labels + predicted[known], minlength=labels * labels)
    return counts.reshape(labels, labels).astype(np.int64)


def _f1(right: Any, both: Any) -> Any:
    """F1 from what is right, and gold and predicted together; 0 where there is nothing."""
    return np.where(both > 0, 2 * right / np.maximum(both, 1), 0.0)


def _macro(right: Any, gold: Any, predicted: Any) -> tuple[Any, Any]:
    """The mean F1 over the classes that occur, (..., C) to (...), and how many those are."""
    both = gold + predicted
    over = (both > 0).sum(axis=-1)
    return _f1(right, both).sum(axis=-1) / np.maximum(over, 1), over


def _macro_of(gold: Numbers, guess: Numbers, labels: int, rows: Numbers) -> Floats:
    """Macro-F1 of each resample, (resamples,)."""
    flat = np.arange(len(rows))[:, None] * labels

    def count(values: Numbers, where: npt.NDArray[np.bool_]) -> Numbers:
        held = np.bincount((flat + values)[where], minlength=len(rows) * labels)
        return held.reshape(len(rows), labels).astype(np.int64)

    true, said = gold[rows], guess[rows]
    everywhere = np.ones_like(said, np.bool_)
    found, _ = _macro(count(true, true == said), count(true, true >= 0), count(said, everywhere))
    return np.asarray(found, np.float64)


def _class_scores(right: Any, gold: Any, predicted: Any, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Precision, recall and F1 of each class; None for what is a share of nothing."""
    scores: dict[str, dict[str, Any]] = {}
    for at, name in enumerate(names):
        hit, stand, said = int(right[at]), int(gold[at]), int(predicted[at])
        scores[name] = {
            "precision": hit / said if said else None,
            "recall": hit / stand if stand else None,
            "f1": 2 * hit / (stand + said) if stand + said else None,
            "gold": stand,
            "predicted": said,
        }
    return scores


def calibration_error(right: npt.ArrayLike, confidence: npt.ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error: how far confidence and accuracy lie apart, weighted over bins.

    Args:
        right: whether each decision is, (N,).
        confidence: probability of each, (N,), in bins (0, 1/bins], (1/bins, 2/bins] ...

    >>> round(calibration_error([True, False], [0.9, 0.9]), 6)
    0.4
    """
    hits, sure = np.asarray(right, np.float64), np.asarray(confidence, np.float64)
    _require_rows(len(hits))
    which = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
    apart = np.bincount(which, sure - hits, minlength=bins)
    return float(np.abs(apart).sum() / len(hits))
