"""Labels of texts: their names in one order, how often each stands, and what is odd about them.

A label is a name, never a quantity: the number 1 of JSON and the text "1" are one label, and so are "ham" and
"ham ". Names are ordered as texts by their code points, whatever the order of the rows, so that the outputs
of two models over the same labels compare; those of a data set that names its classes as it does.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from corpuskit.errors import SettingError, counted, nearest
from corpuskit.storage.rows.row import as_text
from corpuskit.train.data.tables.row import Place, Seen

UNKNOWN = -1
"""Number of a label that a model does not know: whatever is predicted for its row is wrong."""
_SEPARATORS = (",", ";", "|")
_SHOWN = 10
_MANY, _SHARE = 20, 0.5
"""A column with more different values than this, and than this share of its rows, hardly holds labels."""
_KINDS = {bool: "a truth value", int: "a number", float: "a number", str: "text"}


@dataclass(frozen=True)
class Labels:
    """The labels that a model tells apart.

    Attributes:
        names: their names, sorted by code points, or in the order that a data set tells.
        counts: rows of each, in the order of the names.
        rows: rows that were counted.
        unlabelled: rows without any label (of several labels a row alone).
        several: whether a row may have several labels, or none.
        separator: between several labels of one cell; ``""`` if they come as lists.
        told: what was found and is odd, in sentences.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    rows: int
    unlabelled: int = 0
    several: bool = False
    separator: str = ""
    told: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def number(self, value: Any) -> int:
        """The number of a single label as it stands in a row; `UNKNOWN` if it is not among the names."""
        return self._at.get(clean(value) or "", UNKNOWN)

    def numbers(self, value: Any) -> tuple[list[int], list[str]]:
        """Numbers, ascending, of the labels of a row that may have several, and those that are not known."""
        found = parts(value, self.separator)
        known = sorted({self._at[name] for name in found if name in self._at})
        return known, [name for name in found if name not in self._at]

    def shown(self) -> list[str]:
        """The labels with their counts, as they are to be shown before the first step."""
        return [f"{name}: {count:,}" for name, count in zip(self.names, self.counts, strict=True)]

    @cached_property
    def _at(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}


def clean(value: Any) -> str | None:
    """A value as the name of a label: text without blanks around it; None for none.

    >>> clean(1), clean("1 "), clean(1.0), clean(True), clean(""), clean(None)
    ('1', '1', '1', 'true', None, None)
    """
    text = as_text(value)
    return (text.strip() or None) if text is not None else None


def parts(value: Any, separator: str) -> list[str]:
    """The labels of a row that may have several: of a list, a JSON list in a text, or a separated text.

    >>> parts("blue, red", ","), parts('["a", "b"]', ","), parts(["a", 1], ""), parts("", ",")
    (['blue', 'red'], ['a', 'b'], ['a', '1'], [])
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            listed = json.loads(value)
        except (ValueError, RecursionError):
            listed = None
        value = listed if isinstance(listed, list) else value
    if isinstance(value, str) and separator:
        value = value.split(separator)
    values = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(name for each in values if (name := clean(each))))


@dataclass
class LabelCounter:
    """Counts the labels of rows, one after the other; memory grows with the different labels alone.

    >>> counter = LabelCounter("label")
    >>> for row, value in enumerate(["spam", "ham ", "ham"], 1):
    ...     counter.add(value, Place("a.csv", row))
    >>> labels = counter.finish()
    >>> labels.names, labels.counts, labels.number(" ham"), labels.told
    (('ham', 'spam'), (2, 1), 0, ('1 label has blanks around it, which are taken off: a.csv row 2',))

    Args:
        column: how messages call the column.
        several: whether a row may have several labels, or none.
        separator: between several labels of one cell; lists need none.
        names: the only labels, where that is told: others are errors.
        classes: the labels as a data set names its classes: in this order, whether a row has them or not.
    """

    column: str = "label"
    several: bool = False
    separator: str = ""
    names: Sequence[str] | None = None
    classes: Sequence[str] | None = None
    rows: int = 0
    _counts: Counter[str] = field(default_factory=Counter)
    _kinds: dict[str, set[str]] = field(default_factory=dict)
    _first: dict[str, Place] = field(default_factory=dict)
    _blanks: Seen = field(default_factory=Seen)
    _none: Seen = field(default_factory=Seen)
    _lists: Seen = field(default_factory=Seen)
    _an_object: Place | None = None

    def add(self, value: Any, place: Place) -> None:
        """Count the label or labels of one row, as they stand in it."""
        self.rows += 1
        if isinstance(value, dict | bytes):
            self._an_object = self._an_object or place
            return
        if isinstance(value, list) and not self.several:
            self._lists.add(place)
            return
        found = parts(value, self.separator) if self.several else [clean(value)]
        if not found or found[0] is None:
            self._none.add(place)
            return
        if isinstance(value, str) and not self.several and value != value.strip():
            self._blanks.add(place)
        for name in found:
            assert name is not None
            self._counts[name] += 1
            self._first.setdefault(name, place)
            if not isinstance(value, list):
                self._kinds.setdefault(name, set()).add(_KINDS.get(type(value), "text"))

    def finish(self) -> Labels:
        """The labels that were met.

        Raises SettingError, naming the column and the rows: for no label, for one label alone, for rows
        without a label, for lists where a row has one label, and for labels that are not among `names`.
        """
        told = self._told()
        self._require_labels(told)
        names = sorted(set(self._counts) if self.names is None else {str(clean(n)) for n in self.names})
        if self.classes is not None:
            classes = list(dict.fromkeys(str(clean(name)) for name in self.classes))
            names = [*classes, *(name for name in names if name not in classes)]
            if unmet := [name for name in classes if not self._counts[name]]:
                told.append(f"classes of the data set that no row has: {', '.join(map(repr, unmet))}")
        counts = tuple(self._counts[name] for name in names)
        found = Labels(
            tuple(names), counts, self.rows, self._none.count, self.several, self.separator, tuple(told)
        )
        if len(names) < 2 and not self.several:
            message = f"column {self.column!r} holds one label, {names[0]!r}, in {counted(counts[0], 'row')}"
            remedy = "A classifier needs two labels or more: add rows of another, or name another column."
            raise SettingError(message, remedy=remedy)
        return found

    def _require_labels(self, told: Sequence[str]) -> None:
        column, hint = f"column {self.column!r}", "".join(f" Also: {each}." for each in told)
        if self._an_object is not None:
            message = f"{column} holds an object or bytes, not a label: {self._an_object}"
            raise SettingError(message, remedy="Name the field of the object that is the label, with a dot.")
        if self._lists.count:
            message = f"{column} holds lists, and a text has one label: {self._lists.where()}"
            raise SettingError(message, remedy="Say that a text may have several labels.")
        if not self._counts:
            message = f"{column} holds no label in {counted(self.rows, 'row')}"
            raise SettingError(message, remedy="Name another column.")
        if self._none.count and not self.several:
            message = f"{column} is empty in {counted(self._none.count, 'row')}: {self._none.where()}"
            remedy = (
                f"Give them a label, take them out, or say that a text may have several labels or none.{hint}"
            )
            raise SettingError(message, remedy=remedy)
        if self.names is not None:
            allowed = {clean(name) or "" for name in self.names}
            for name in sorted(set(self._counts) - allowed):
                message = f"{column}: label {name!r} is not among those named ({self._first[name]})"
                raise SettingError(message, remedy=nearest(name, allowed))
            if empty := sorted(allowed - set(self._counts)):
                message = f"{column}: no row has the label {empty[0]!r}, which is among those named"
                raise SettingError(message, remedy="Take it off the list, or add rows of it.")

    def _told(self) -> list[str]:
        told = []
        if self._blanks.count:
            have = (
                "label has blanks around it" if self._blanks.count == 1 else "labels have blanks around them"
            )
            which = f"{self._blanks.count:,} {have}, which are taken off"
            told.append(f"{which}: {self._blanks.where()}")
        both = sorted(name for name, kinds in self._kinds.items() if len(kinds) > 1)
        if both:
            kinds = " and ".join(sorted(set().union(*(self._kinds[name] for name in both))))
            told.append(f"labels stand as {kinds}, and count as one label each: {_listed(both)}")
        told += [f"labels that differ in capitals or blanks alone: {_listed(same)}" for same in self._alike()]
        told += self._told_lists()
        if len(self._counts) > max(_MANY, _SHARE * self.rows) and not self.several:
            told.append(
                f"column {self.column!r} has {len(self._counts):,} different values in {self.rows:,} rows: "
                "does it hold labels?"
            )
        return told

    def _alike(self) -> list[list[str]]:
        """Groups of labels that a person would take for the same."""
        groups: dict[str, list[str]] = {}
        for name in sorted(self._counts):
            folded = unicodedata.normalize("NFKC", name).casefold()
            groups.setdefault(re.sub(r"[\s_-]+", " ", folded), []).append(name)
        return [names for names in groups.values() if len(names) > 1]

    def _told_lists(self) -> list[str]:
        """Labels that look like several in one cell: one of their parts is a label too, or stands in two."""
        if self.several:
            return []
        for separator in _SEPARATORS:
            split = {name: parts(name, separator) for name in self._counts if separator in name}
            split = {name: found for name, found in split.items() if len(found) > 1}
            often = Counter(part for found in split.values() for part in found)
            listed = [
                n for n, found in split.items() if any(p in self._counts or often[p] > 1 for p in found)
            ]
            if listed:
                cells = sum(self._counts[name] for name in listed)
                what = f"{counted(cells, 'cell')} of {self.column!r} look like lists parted by {separator!r}"
                return [f"{what}: {_listed(sorted(listed))}; say so if a text may have several labels"]
        return []


@dataclass
class UnknownLabels:
    """Labels of held-out rows that the training rows do not have; such rows count as wrong.

    Attributes:
        rows: rows that were looked at.
        seen: the unknown labels, each with its rows; ``""`` for none at all.
    """

    labels: Labels
    rows: int = 0
    seen: dict[str, Seen] = field(default_factory=dict)

    def number(self, value: Any, place: Place) -> int:
        """The number of a row's label, `UNKNOWN` for one that is noted here."""
        self.rows += 1
        number = self.labels.number(value)
        if number == UNKNOWN:
            self.seen.setdefault(clean(value) or "", Seen()).add(place)
        return number

    def numbers(self, value: Any, place: Place) -> tuple[list[int], int]:
        """Numbers of a row's labels where it may have several, and how many are unknown: each a miss."""
        self.rows += 1
        known, unknown = self.labels.numbers(value)
        for name in unknown:
            self.seen.setdefault(name, Seen()).add(place)
        return known, len(unknown)

    def sentences(self) -> list[str]:
        """What is to be said before the first step, one sentence for each unknown label."""
        known = f"known: {_listed(self.labels.names)}"
        return [
            f"label {name!r} is not known from training, its {counted(seen.count, 'row')} count as wrong: "
            f"{seen.where()}; {known}"
            if name
            else f"{counted(seen.count, 'row')} without a label count as wrong: {seen.where()}; {known}"
            for name, seen in sorted(self.seen.items())
        ]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more
