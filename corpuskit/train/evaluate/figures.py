"""Figures that training chooses by: whether more or less of one is better, and which value is the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from corpuskit.errors import SettingError, nearest

Direction = Literal["less", "more"]
_LESS = ("ece", "perplexity", "bits_per_byte", "bits_per_token", "error_rate")
_MORE = (
    "accuracy",
    "subset_accuracy",
    "macro_f1",
    "micro_f1",
    "f1",
    "span_f1",
    "precision",
    "recall",
    "margin",
    "reward_accuracy",
    "exact_match",
    "bleu",
    "chrf",
    "rouge_l",
)
DIRECTIONS: Mapping[str, Direction] = {
    **dict.fromkeys(_LESS, "less"),
    **dict.fromkeys(_MORE, "more"),
}
"""Figures by name; beside them every one whose name is or ends with ``loss``: less of it is better."""


def direction(name: str) -> Direction:
    """Whether less or more of a figure is better; a name of a split or source may stand before it.

    >>> direction("validation_news_loss"), direction("macro_f1"), direction("validation_ece")
    ('less', 'more', 'less')

    Raises SettingError for a figure whose direction is not known: it is never guessed.
    """
    if name == "loss" or name.endswith("_loss"):
        return "less"
    found = [known for known in DIRECTIONS if name == known or name.endswith(f"_{known}")]
    if not found:
        remedy = f"{nearest(name, DIRECTIONS)} Or any loss."
        raise SettingError(f"whether less or more of {name!r} is better is not known", remedy=remedy)
    return DIRECTIONS[max(found, key=len)]


def is_better(name: str, value: float | None, best: float | None) -> bool:
    """Whether a value is better than the best so far; equal is not, nothing and not-a-number never are."""
    sign = 1 if direction(name) == "more" else -1
    if value is None or math.isnan(value):
        return False
    return best is None or math.isnan(best) or sign * value > sign * best


def best_index(name: str, values: Sequence[float | None]) -> int:
    """Index of the best value of a figure, of equals the first; None and not-a-number are passed over.

    >>> best_index("loss", [0.9, 0.7, 0.7, 0.8]), best_index("macro_f1", [0.1, 0.5, 0.4, 0.5])
    (1, 1)

    Raises SettingError for an unknown figure, and if there is no value.
    """
    best: int | None = None
    for index, value in enumerate(values):
        if is_better(name, value, None if best is None else values[best]):
            best = index
    if best is None:
        raise SettingError(
            f"{name}: none of {len(values)} values is a number", remedy="Measure it at least once."
        )
    return best
