"""A row with its place as a person counts it, and an account of what was left out or is odd."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from corpuskit.errors import InputError, counted

SHOWN = 5
"""Places that a sentence names."""


class Place(NamedTuple):
    """Where a row stands.

    Attributes:
        file: as it was named, or its path below the folder that was.
        row: from 1, without a header.
        line: of the file, from 1, where the row begins; 0 where rows begin no lines.
    """

    file: str
    row: int
    line: int = 0

    def __str__(self) -> str:
        """``data.csv row 3 (line 4)``."""
        return f"{self.file} row {self.row}" + f" (line {self.line})" * bool(self.line)


@dataclass(slots=True)
class Row:
    """One row: its place, and its values by column as they stand in the file."""

    place: Place
    values: Mapping[str, Any]


@dataclass(slots=True)
class Seen:
    """How often something was met, and the first places of it."""

    count: int = 0
    places: list[Place] = field(default_factory=list)

    def add(self, place: Place) -> None:
        """Count one more."""
        self.count += 1
        if len(self.places) < SHOWN:
            self.places.append(place)

    def where(self) -> str:
        """The first places in words: ``data.csv rows 1, 3 and 2 more``."""
        return named(self.places, self.count)


def named(places: list[Place], count: int | None = None) -> str:
    """Places in words; those of one file share its name.

    >>> named([Place("a.csv", 1, 2), Place("a.csv", 3, 4)], count=4)
    'a.csv rows 1, 3 and 2 more'
    >>> named([Place("a.csv", 1, 2)])
    'a.csv row 1 (line 2)'
    """
    count = len(places) if count is None else count
    if count == 1:
        return str(places[0])
    files = {place.file for place in places}
    if len(files) == 1:
        head = f"{places[0].file} rows "
        each = [str(place.row) for place in places]
    else:
        head, each = "", [f"{place.file} row {place.row}" for place in places]
    if count > len(places):
        return f"{head}{', '.join(each)} and {count - len(places):,} more"
    return f"{head}{', '.join(each[:-1])} and {each[-1]}"


class Account:
    """What became of rows: used, left out with a reason, or used although something is odd.

    ``used + left_out`` is the number of rows that were met.

    >>> account = Account()
    >>> account.use()
    >>> account.leave("the text is empty", Place("a.csv", 2, 3))
    >>> account.used, account.left_out, account.sentences()
    (1, 1, ['1 row left out: the text is empty (a.csv row 2 (line 3))'])

    Attributes:
        used: rows that are used.
        reasons: why rows were left out.
        notes: what is odd about rows that may be used all the same.
    """

    def __init__(self) -> None:
        self.used = 0
        self.reasons: dict[str, Seen] = {}
        self.notes: dict[str, Seen] = {}

    @property
    def left_out(self) -> int:
        """Rows that were left out, for whatever reason."""
        return sum(seen.count for seen in self.reasons.values())

    def use(self) -> None:
        """Count a row that is used."""
        self.used += 1

    def leave(self, reason: str, place: Place) -> None:
        """Count a row that is left out."""
        self.reasons.setdefault(reason, Seen()).add(place)

    def note(self, what: str, place: Place) -> None:
        """Count something odd about a row."""
        self.notes.setdefault(what, Seen()).add(place)

    def sentences(self) -> list[str]:
        """What is to be said before the first step, one sentence for each reason and oddity."""
        left = [
            f"{counted(s.count, 'row')} left out: {reason} ({s.where()})"
            for reason, s in self.reasons.items()
        ]
        return left + [f"{counted(s.count, 'row')}: {what} ({s.where()})" for what, s in self.notes.items()]


@dataclass(frozen=True, slots=True)
class Problem:
    """A row, or the rest of a file, that cannot be read.

    Attributes:
        kind: a key of `KINDS`, by which such rows are counted.
        why: the thing and the value, without the place.
        remedy: what to do about it.
        ask: gives both where they take another look at the file: it is called for an error alone.
    """

    place: Place
    kind: str
    why: str = ""
    remedy: str = ""
    ask: Callable[[], tuple[str, str]] | None = None

    def error(self) -> InputError:
        """The error that names place, value and remedy."""
        why, remedy = self.ask() if self.ask else (self.why, self.remedy)
        return InputError(f"{self.place}: {why}", remedy=remedy)

    def reason(self) -> str:
        """Why the row is left out, in the same words for all of its kind."""
        if self.kind in KINDS:
            return KINDS[self.kind]
        return f"the file cannot be read from there on: {self.kind}"


KINDS = {
    "invalid_utf8": "bytes that are not UTF-8",
    "ragged": "more or fewer cells than columns",
    "bad_csv": "quotes that do not hold together",
    "bad_json": "no JSON object",
    "twice": "a field stands twice, with two values",
    "nul": "a NUL byte in the text",
    "too_large": "too large for one row",
}
