"""Mixtures of rows: how many of each source, exactly, and in which order they come.

Rows are drawn in rounds. In each every source has as many as its weight says, rounded by largest remainders,
and the sources take turns so that nowhere in a round a source is a whole row ahead of its share or behind it.

Source: R. Tijdeman, "The chairman assignment problem", Discrete Mathematics 32, 1980, whose bound for n
sources is 1 - 1 / (2n - 2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from corpuskit.errors import SettingError

MOST_ROWS = 1 << 20
"""Rows of a round, whose order is held in memory."""


def shares(weights: Mapping[str, float], rows: int) -> dict[str, int]:
    """How many of so many rows each source has, by name: its share, rounded by largest remainders.

    Of equal remainders the first by name has the row.

    >>> shares({"a": 1, "c": 1, "b": 1}, 100), shares({"a": 0.999, "b": 0.001}, 1000)
    ({'a': 34, 'b': 33, 'c': 33}, {'a': 999, 'b': 1})

    Raises SettingError for weights that are negative, no numbers, or all 0, and for no rows.
    """
    for name, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise SettingError(f"mixture: {name} = {weight} is no weight", remedy="Give 0 or more.")
    if not any(weights.values()):
        raise SettingError(
            f"mixture = {dict(weights)} gives no source a weight above 0", remedy="Give one of them 1."
        )
    if not 1 <= rows <= MOST_ROWS:
        raise SettingError(
            f"mixture_rows = {rows}: a round has 1 to {MOST_ROWS:,} rows", remedy="Leave it out, for 1000."
        )
    # As they are written, not the binary numbers beside them: 0.7 of 10 is 7.
    written = {name: Fraction(str(float(weights[name]))) for name in sorted(weights)}
    whole = sum(written.values())
    exact = {name: weight / whole * rows for name, weight in written.items()}
    counts = {name: math.floor(share) for name, share in exact.items()}
    left = rows - sum(counts.values())
    by_rest = sorted(exact, key=lambda name: (counts[name] - exact[name], name))
    for name in by_rest[:left]:
        counts[name] += 1
    return counts


class Turn(NamedTuple):
    """A row of a round.

    Attributes:
        source: number of the source, by name.
        row: how many rows of that source came before in the round.
    """

    source: int
    row: int


@lru_cache(maxsize=8)
def turns(counts: tuple[int, ...]) -> list[Turn]:
    """The order of a round in which each source has so many rows, the sources by number.

    After k rows of n a source has more than k times its share less 1, and less than that share and 1.

    >>> [turn.source for turn in turns((3, 1))]
    [0, 0, 1, 0]
    """
    common = math.gcd(*counts)
    small = [count // common for count in counts]
    period = _period(tuple(small))
    return [Turn(source, row + number * small[source]) for number in range(common) for source, row in period]


def _period(counts: tuple[int, ...]) -> list[Turn]:
    """Of those whose next row may come already the one whose next row must come first."""
    total, given = sum(counts), [0] * len(counts)
    drawn = [number for number, count in enumerate(counts) if count]
    if len(drawn) == 1:
        return [Turn(drawn[0], row) for row in range(total)]
    # In whole numbers: times 2n - 2 and the total.
    scale = 2 * len(drawn) - 2
    found = []
    for place in range(1, total + 1):
        best, due = -1, (0, 1)
        for number in drawn:
            ahead = place * counts[number] - given[number] * total
            if ahead * scale >= total:
                own = (scale - 1) * total - ahead * scale
                if best < 0 or own * due[1] < due[0] * counts[number]:
                    best, due = number, (own, counts[number])
        found.append(Turn(best, given[best]))
        given[best] += 1
    return found


def deviation(counts: tuple[int, ...]) -> float:
    """The most rows by which a source is ahead of its share of a round, or behind it.

    >>> deviation((34, 33, 33)) < 1
    True
    """
    total, given, worst = sum(counts), [0] * len(counts), 0.0
    for place, turn in enumerate(turns(counts), 1):
        given[turn.source] += 1
        worst = max(worst, *(abs(g - place * c / total) for g, c in zip(given, counts, strict=True)))
    return worst


def rows_of_each(counts: Mapping[str, int], rows: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """How often each row of a source stands in a round, and how many stand there once more.

    >>> rows_of_each({"a": 700, "c": 100}, {"a": 100, "c": 7})
    {'a': (7, 0), 'c': (14, 2)}
    """
    return {name: divmod(count, rows[name]) for name, count in counts.items() if count}
