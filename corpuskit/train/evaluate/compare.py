"""Several models on the same items: the figures of each, their spread over seeds, and paired tests.

A contender is a model, or several that were trained alike with other seeds. Its figure is the mean of theirs,
its spread their sample standard deviation. It is tested against the first contender on the same items: by the
paired bootstrap (of several models, on the mean of their values for each item), and of two single models
whose items are right or wrong by the exact sign test too. Neither test knows of the spread over seeds.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from corpuskit.train.evaluate.bootstrap import interval, paired, sign_test


class Figure(NamedTuple):
    """A figure as the sum of its items' values over the sum of their sizes.

    Attributes:
        values, sizes: by item; sizes are None where each counts 1.
        less_is_better: whether a smaller one is.
    """

    values: list[float]
    sizes: list[float] | None = None
    less_is_better: bool = False

    @property
    def value(self) -> float:
        """The figure itself."""
        whole = float(len(self.values)) if self.sizes is None else sum(self.sizes)
        return sum(self.values) / whole if whole else 0.0


@dataclass(frozen=True)
class Outcome:
    """What one model did on one set.

    Attributes:
        figures: all that is told of it, as JSON values.
        items: the figures by which it is compared.
        rows: what is told of each item, as JSON values.
    """

    figures: dict[str, Any]
    items: dict[str, Figure]
    rows: list[dict[str, Any]]


def figures_of(figure: Figure) -> dict[str, Any]:
    """A figure with its interval by bootstrap over its items."""
    bounds = interval(figure.values, figure.sizes)
    return {"value": figure.value, "interval": None if bounds is None else list(bounds)}


def summary(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float | int | None]]:
    """By figure the mean over a contender's models, their standard deviation (None of one), and how many."""
    found = {}
    for name in outcomes[0].items:
        values = [outcome.items[name].value for outcome in outcomes]
        spread = statistics.stdev(values) if len(values) > 1 else None
        found[name] = {"mean": statistics.fmean(values), "spread": spread, "models": len(values)}
    return found


def comparisons(outcomes: Mapping[str, Sequence[Outcome]]) -> list[dict[str, Any]]:
    """Each contender against the first, figure by figure, with the tests named."""
    (base, firsts), *others = outcomes.items()
    found = []
    for name, seconds in others:
        for figure in firsts[0].items:
            first, second = (_mean(each, figure) for each in (firsts, seconds))
            difference = paired(second, first, firsts[0].items[figure].sizes)
            if difference is None:
                continue
            entry: dict[str, Any] = {
                "figure": figure,
                "model": name,
                "against": base,
                "difference": difference.value,
                "interval": list(difference.interval),
                "p": difference.p,
                "test": "paired bootstrap",
                "items": difference.items,
            }
            single = len(firsts) == len(seconds) == 1
            if single and set(first) | set(second) <= {0.0, 1.0}:
                right = [[value == 1.0 for value in each] for each in (second, first)]
                entry["sign_test_p"] = sign_test(*right)
            found.append(entry)
    return found


def _mean(outcomes: Sequence[Outcome], figure: str) -> list[float]:
    """The mean over a contender's models, item by item."""
    values = np.array([outcome.items[figure].values for outcome in outcomes])
    return values.mean(axis=0).tolist()  # type: ignore[no-any-return]
