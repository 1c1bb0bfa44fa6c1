"""Which examples are learnt from and which are held out: by what they say, so that equal ones never part.

A share is cut by a hash of the text: of the different texts in the order of their hashes the first ones are
held out, until they have that share of the rows. A file of its own is held out as it is, but for texts that
are learnt from too: these are left out of it, and named.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError, counted
from corpuskit.shards.permutation import derive_key, mix64_array

_CUT = 7  # what keys of these draws are derived for

DEFAULT_SHARE = 0.1
"""Of the data, where nobody says what is held out to measure on."""


def key_of(*texts: str) -> int:
    """64 bits of a text or of the texts of an example; blanks between words and capitals make no difference.

    >>> key_of("Win a  prize ") == key_of("win a prize"), key_of("a", "b") == key_of("ab", "")
    (True, False)
    """
    folded = "\\0".join(" ".join(text.casefold().split()) for text in texts)
    return int.from_bytes(
        hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )


def share_of(given: str | None, name: str) -> float | None:
    """A share that a setting names; None where it names a file. Raises SettingError outside [0, 1)."""
    try:
        share = float(given) if given is not None else None
    except ValueError:
        return None
    if share is not None and not 0 <= share < 1:
        raise SettingError(f"{name} = {given} is no share", remedy="Give one from 0 to below 1, or a file.")
    return share


@dataclass
class Cut:
    """Takes the keys of all examples, then says on which side each stands.

    Attributes:
        validation, test: shares that are held out.
        seed: fixes which texts they are.
    """

    validation: float
    test: float
    seed: int
    _keys: array[int] = field(default_factory=lambda: array("Q"))
    _held: dict[str, npt.NDArray[np.uint64]] = field(default_factory=dict)

    def add(self, key: int) -> None:
        """Take the key of one example."""
        self._keys.append(key)

    def finish(self) -> list[str]:
        """Decide; returns what is to be told of copies among the examples.

        Raises SettingError where nothing is left to learn from.
        """
        keys, counts = np.unique(np.frombuffer(self._keys, np.uint64), return_counts=True)
        rows = int(counts.sum())
        self._keys = array("Q")
        order = np.argsort(mix64_array(keys ^ np.uint64(derive_key(self.seed, _CUT))), kind="stable")
        taken, sums = 0, np.cumsum(counts[order])
        for side, share in (("validation", self.validation), ("test", self.test)):
            before = int(sums[taken - 1]) if taken else 0
            end = int(np.searchsorted(sums, before + share * rows)) + 1 if share else taken
            self._held[side] = np.sort(keys[order[taken:end]])
            taken = end
        if taken >= len(keys):
            raise SettingError(
                f"{counted(len(keys), 'different text')} and nothing left to learn from: validation = "
                f"{self.validation:g}, test = {self.test:g}",
                remedy="Hold out less, or give more data.",
            )
        copies = rows - len(keys)
        if not copies:
            return []
        return [
            f"{counted(copies, 'row')} of {rows:,} repeat the text of another: equal texts stay on one side"
        ]

    def side(self, key: int) -> str:
        """Where an example stands: "train", "validation" or "test"."""
        for side, held in self._held.items():
            at = int(np.searchsorted(held, np.uint64(key)))
            if at < len(held) and int(held[at]) == key:
                return side
        return "train"


def contained(keys: Iterable[int], others: npt.NDArray[np.uint64]) -> list[bool]:
    """Which keys stand among others, which are sorted."""
    found = np.array(list(keys), np.uint64)
    if not len(others) or not len(found):
        return [False] * len(found)
    at = np.minimum(np.searchsorted(others, found), len(others) - 1)
    return [bool(each) for each in others[at] == found]
