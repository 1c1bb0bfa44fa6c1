"""Weights of sources in the training of a tokenizer, exact: counts are multiplied, never rounded.

Weights are decimals of at most `PLACES` places, and what is learnt from are whole numbers: the counts of each
source times its weight, all times the least number that makes every weight whole. So 1.5 and 1 are 3 and 2,
and what is equally frequent stays so. A minimum frequency bounds weighted counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np

from corpuskit.errors import SettingError, nearest
from corpuskit.tokenizer.count import Counted

PLACES = 6
"""Digits behind the point that a weight may have."""


@dataclass(frozen=True)
class Weights:
    """Whole weights by source.

    >>> Weights.of({"books": 1.5, "web": 1})
    Weights(scale=2, by_source={'books': 3, 'web': 2})

    Attributes:
        scale: the weight of a source that has none; what a minimum frequency is multiplied by.
    """

    scale: int
    by_source: Mapping[str, int]

    @classmethod
    def of(cls, values: Mapping[str, float]) -> Weights:
        """Weights as a recipe gives them; SettingError for one that is negative or has too many places."""
        exact = {}
        for name, value in values.items():
            # As it is written, not the binary number beside it.
            exact[name] = Fraction(str(value)) if np.isfinite(value) and value >= 0 else Fraction(-1)
            if exact[name] < 0 or (exact[name] * 10**PLACES).denominator != 1:
                raise SettingError(
                    f"tokenizer.weights.{name}: {value!r} is no weight",
                    remedy=f"Give 0 or more, with at most {PLACES} digits behind the point.",
                )
        scale = lcm(*(weight.denominator for weight in exact.values()))
        return cls(scale, {name: int(weight * scale) for name, weight in exact.items()})

    def check(self, sources: Iterable[str]) -> None:
        """Raise `SettingError` for a name that no source has, and where all sources count for nothing."""
        known = sorted(sources)
        for name in self.by_source:
            if name not in known:
                raise SettingError(
                    f"tokenizer.weights: no source is called {name!r}", remedy=nearest(name, known)
                )
        if known and not any(self.by_source.get(name, self.scale) for name in known):
            raise no_text_left(known)

    def apply(self, source: str, counted: Counted) -> Counted | None:
        """The counts of a source, weighted; None where it counts for nothing.

        Raises SettingError where 64 bits do not hold them.
        """
        weight = self.by_source.get(source, self.scale)
        if not weight or not len(counted.counts):
            return None
        if int(counted.counts.max()) * weight >= 2**62:
            raise SettingError(
                f"tokenizer.weights.{source}: its counts pass 2**62",
                remedy="Give all weights fewer digits behind the point, or none.",
            )
        return Counted(counted.words, counted.counts * weight)


def no_text_left(sources: Iterable[str]) -> SettingError:
    """What to raise where all these sources, which have text, count for nothing."""
    names = sorted(sources)
    have = "has" if len(names) == 1 else "have"
    return SettingError(
        f"tokenizer.weights: no text is left: {', '.join(names)} {have} the weight 0",
        remedy="Give one of them a weight above 0.",
    )
