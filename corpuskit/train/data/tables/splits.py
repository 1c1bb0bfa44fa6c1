"""Which rows are learned from and which are measured on, so that no text stands on both sides.

Texts are equal if they are after Unicode's NFKC, case folding and making one blank of each run of blanks.
A cut goes by the distinct texts, in an order that the seed fixes: equal texts fall together, whatever the
seed and the order of the rows.
"""

from __future__ import annotations

import hashlib
import unicodedata
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError, counted
from corpuskit.shards.permutation import derive_key, mix64_array
from corpuskit.train.data.tables.row import SHOWN, Place, named

TRAIN, VALIDATION, TEST = "train", "validation", "test"
_CUT = 0x5B117
"""Part of the key of a cut, so that it is independent of other draws under the same seed."""


def normalised(text: str) -> str:
    """The form by which texts are compared.

    >>> normalised("  Ｆree\\n MONEY ") == normalised("free money")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def text_key(*texts: str) -> int:
    """64 bits that stand for a text, or for a pair of texts, in its normalised form."""
    joined = "\0".join(map(normalised, texts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(joined, digest_size=8).digest(), "big")


class TextIndex:
    """The texts of rows by their keys, with places and labels: some 30 bytes a row, whatever a text's length.

    >>> index = TextIndex()
    >>> for row, text in enumerate(["Free money", "hello", "free  money"], 1):
    ...     index.add(Place("a.csv", row), text)
    >>> index.sentences()
    ['1 of 3 rows repeats the text of another: a.csv row 3']
    """

    def __init__(self) -> None:
        self._keys, self._rows, self._lines = array("Q"), array("q"), array("q")
        self._file, self._labels = array("l"), array("q")
        self._files: dict[str, int] = {}
        self._names: list[str] = []

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, place: Place, *texts: str, label: int = 0) -> None:
        """Add a row: its text, or its pair of texts, and the number of its label if it has one."""
        if place.file not in self._files:
            self._files[place.file] = len(self._names)
            self._names.append(place.file)
        self._keys.append(text_key(*texts))
        self._rows.append(place.row)
        self._lines.append(place.line)
        self._file.append(self._files[place.file])
        self._labels.append(label)

    def subset(self, rows: npt.NDArray[np.int64]) -> TextIndex:
        """An index of some rows alone, by their numbers."""
        found = TextIndex()
        found._files, found._names = dict(self._files), list(self._names)
        for own, other in zip(found._columns(), self._columns(), strict=True):
            own.extend(other[row] for row in rows.tolist())
        return found

    def _columns(self) -> tuple[array[int], ...]:
        return self._keys, self._rows, self._lines, self._file, self._labels

    def place(self, row: int) -> Place:
        """Where a row stands, by its number here, from 0."""
        return Place(self._names[self._file[row]], self._rows[row], self._lines[row])

    @property
    def keys(self) -> npt.NDArray[np.uint64]:
        """The keys of all rows, uint64 (rows,)."""
        return np.array(self._keys, np.uint64)

    def copies(self) -> npt.NDArray[np.int64]:
        """Numbers, ascending, of the rows whose text an earlier row has."""
        _, first = np.unique(self.keys, return_index=True)
        is_first = np.zeros(len(self), np.bool_)
        is_first[first] = True
        return np.flatnonzero(~is_first)

    def contradictions(self) -> npt.NDArray[np.int64]:
        """Numbers of the rows whose text an earlier row has with another label."""
        _, first, inverse = np.unique(self.keys, return_index=True, return_inverse=True)
        labels = np.array(self._labels, np.int64)
        return np.flatnonzero(labels != labels[first][inverse.reshape(-1)])

    def shared(self, other: TextIndex) -> npt.NDArray[np.int64]:
        """Numbers, ascending, of the rows whose text also stands in another index."""
        return np.flatnonzero(np.isin(self.keys, other.keys))

    def where(self, rows: npt.NDArray[np.int64]) -> str:
        """The first places of some rows, in words."""
        return named([self.place(row) for row in rows[:SHOWN].tolist()], len(rows))

    def sentences(self) -> list[str]:
        """What is to be said of copies, and of those whose labels contradict one another."""
        said = []
        if len(copies := self.copies()):
            verb = "repeats" if len(copies) == 1 else "repeat"
            rows = f"{len(copies):,} of {counted(len(self), 'row')}"
            said.append(f"{rows} {verb} the text of another: {self.where(copies)}")
        if len(against := self.contradictions()):
            have = "row has a text that stands" if len(against) == 1 else "rows have texts that stand"
            said.append(f"{len(against):,} {have} with another label too: {self.where(against)}")
        return said


@dataclass(frozen=True)
class Cut:
    """Which split each row belongs to.

    Attributes:
        splits: names of the splits, train first.
        of_row: number of the split of each row, uint8 (rows,).
    """

    splits: tuple[str, ...]
    of_row: npt.NDArray[np.uint8]

    def rows(self, split: str) -> npt.NDArray[np.int64]:
        """Numbers, ascending, of the rows of a split."""
        return np.flatnonzero(self.of_row == self.splits.index(split))

    def counts(self) -> dict[str, int]:
        """Rows of each split."""
        return {split: len(self.rows(split)) for split in self.splits}


def cut(index: TextIndex, *, validation: float = 0.0, test: float = 0.0, seed: int = 0) -> Cut:
    """Cut rows into splits by their texts.

    Distinct texts are taken in an order that the seed fixes, until a split has its share of the rows; each
    split that is asked for has one text at least, and so has train.

    Args:
        validation, test: shares of the rows; 0 for none.

    Raises SettingError for shares that are none, and for too few distinct texts.
    """
    shares = {VALIDATION: validation, TEST: test}
    for name, share in shares.items():
        if not 0 <= share < 1:
            message = f"{name} = {share} is no share between 0 and 1"
            raise SettingError(message, remedy="Give a share such as 0.1, or a file.")
    if validation + test >= 1:
        message = f"validation = {validation} and test = {test} leave nothing to train on"
        raise SettingError(message, remedy="Lower them.")
    asked = [name for name, share in shares.items() if share > 0]
    texts, inverse, rows = np.unique(index.keys, return_inverse=True, return_counts=True)
    if len(texts) < len(asked) + 1:
        message = f"{counted(len(texts), 'different text')} cannot be cut into {len(asked) + 1} splits"
        raise SettingError(message, remedy="Give more rows, or a file for validation.")
    order = np.argsort(mix64_array(texts ^ np.uint64(derive_key(seed, _CUT))), kind="stable")
    of_text = np.zeros(len(texts), np.uint8)
    start = 0
    for number, name in enumerate(asked, 1):
        reached = np.cumsum(rows[order[start:]])
        # The nearest to the share; but a text for this split, and one for each that follows.
        want = shares[name] * len(index)
        count = int(np.argmin(np.abs(reached - want))) + 1
        count = min(count, len(texts) - start - (len(asked) - number + 1))
        of_text[order[start : start + count]] = number
        start += count
    return Cut((TRAIN, *asked), of_text[inverse.reshape(-1)])


@dataclass(frozen=True)
class Overlap:
    """Rows of a held-out split whose texts stand in train; they are left out of the held-out split.

    What was given to be learned from stays whole, and the figure is one of unseen texts; how many rows it is
    taken over is said.

    Attributes:
        split: the held-out split.
        rows: how many rows it has.
        left_out: numbers, ascending, of the rows that are left out.
    """

    split: str
    rows: int
    left_out: npt.NDArray[np.int64]
    where: str = ""
    train: str = TRAIN

    def sentences(self) -> list[str]:
        """What is to be said before the first step."""
        if not len(self.left_out):
            return []
        have = "row has its text" if len(self.left_out) == 1 else "rows have their texts"
        which = f"{len(self.left_out):,} of {self.rows:,} {self.split} {have} in {self.train}"
        left = self.rows - len(self.left_out)
        remain = f"{counted(left, 'row')} {'remains' if left == 1 else 'remain'}"
        return [f"{which} and are left out of {self.split} ({self.where}): {remain}"]


def overlap(train: TextIndex, held_out: TextIndex, *, split: str = VALIDATION, name: str = TRAIN) -> Overlap:
    """The rows of a given held-out split whose texts stand in train.

    Args:
        name: how messages call train: its file.

    Raises SettingError where that is all of them.
    """
    shared = held_out.shared(train)
    where = held_out.where(shared) if len(shared) else ""
    if len(shared) == len(held_out):
        message = f"all {counted(len(held_out), 'row')} of {split} have their texts in {name}"
        raise SettingError(message, remedy=f"Give other rows for {split}, or a share to be cut off.")
    return Overlap(split, len(held_out), shared, where, name)


def between(indexes: Mapping[str, TextIndex]) -> Iterator[str]:
    """Sentences that name texts which stand in several of the splits that were given."""
    names: Sequence[str] = list(indexes)
    for at, first in enumerate(names):
        for second in names[at + 1 :]:
            shared = indexes[second].shared(indexes[first])
            if len(shared):
                where = indexes[second].where(shared)
                rows = f"{len(shared):,} of {counted(len(indexes[second]), 'row')} of {second}"
                yield f"{rows} have their texts in {first}: {where}"
