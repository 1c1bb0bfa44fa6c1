"""The sides of data, train and held out, as examples are written to them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy.typing as npt

from corpuskit.errors import SettingError, counted
from corpuskit.storage.files import UNFINISHED, remove_files
from corpuskit.train.data.examples import ExamplesWriter
from corpuskit.train.data.tables.row import Account, Place
from corpuskit.train.data.tables.splits import TEST, TRAIN, VALIDATION, Cut, TextIndex, cut, overlap
from corpuskit.train.settings.tune import TuneSettings

SIDES = (TRAIN, VALIDATION, TEST)

EXAMPLE_FILES = re.compile(rf"(?:{UNFINISHED})?(?:examples\.json|[a-z][a-z0-9_]*\.(?:values|ends))")
"""Files of encoded examples, finished or not."""


def remove_examples(folder: Path) -> None:
    """Remove the examples of all sides below a folder, by name, and the folder if it is empty then."""
    for side in SIDES:
        remove_files(folder / side, EXAMPLE_FILES)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


DEFAULT_SHARE = 0.1
"""Of the data, where nobody says what is held out to measure on."""

LEAST_TEXTS = 20
"""Of fewer examples nothing is held out unless somebody says so: a figure of one or two would say nothing."""


def share_of(given: str | None) -> float | None:
    """A share that a setting names; None where it names a file or nothing.

    >>> share_of("0.2"), share_of("dev.csv"), share_of(None)
    (0.2, None, None)
    """
    try:
        return None if given is None else float(given)
    except ValueError:
        return None


class HasPlace(Protocol):
    """A row, or what was made of one."""

    @property
    def place(self) -> Place:
        """Where it stands."""


Placed = TypeVar("Placed", bound=HasPlace)


class Sides:
    """Which side each row of the data stands on, and which files are held out.

    Rows are added once, in order; then `of_row` says where each stands. A held-out file loses the rows whose
    texts are learnt from.

    Attributes:
        files: held-out files by side.
    """

    def __init__(self, settings: TuneSettings) -> None:
        self._shares: dict[str, float] = {}
        self.files: dict[str, str] = {}
        self._seed = settings.split_seed
        for side, given in ((VALIDATION, settings.validation), (TEST, settings.test)):
            share = share_of(given)
            if given is not None and share is None:
                self.files[side] = given
            elif share is not None:
                self._shares[side] = share
        self._chooses = settings.validation is None
        self.index = TextIndex()
        self._cut: Cut | None = None

    def add(self, place: Place, *texts: str, label: int = 0) -> None:
        """Take a row of the data."""
        self.index.add(place, *texts, label=label)

    def finish(self) -> list[str]:
        """Decide; returns what is to be told of copies. Raises SettingError as `cut`."""
        told = self.index.sentences()
        if self._chooses and len(self.index) - len(self.index.copies()) >= LEAST_TEXTS:
            self._shares[VALIDATION] = DEFAULT_SHARE
        elif self._chooses:
            told.append(f"fewer than {LEAST_TEXTS} different examples: none is held out to measure on")
        asked = {side: share for side, share in self._shares.items() if share}
        self._cut = cut(self.index, **asked, seed=self._seed)
        if asked and len(self.index.copies()):
            told.append("equal texts stay on one side")
        return told

    def of_row(self, number: int) -> str:
        """The side of a row, by its number from 0."""
        assert self._cut is not None
        return self._cut.splits[int(self._cut.of_row[number])]

    def learnt(self) -> TextIndex:
        """The texts of the rows that are learnt from."""
        assert self._cut is not None
        return self.index.subset(self._cut.rows(TRAIN))

    def add_file(
        self,
        side: str,
        data: str,
        rows: Callable[[Account], Iterable[Placed]],
        texts: Callable[[Placed], Iterable[str]],
        add: Callable[[str, Placed], None],
    ) -> list[str]:
        """Encode a held-out file without the examples that are learnt from; returns what is to be told.

        Args:
            data: what is learnt from.
            rows: reads the file; twice.
            texts: of a row, those by which it is known again.
            add: encodes a row of a side.
        """
        index, account = TextIndex(), Account()
        for row in rows(account):
            index.add(row.place, *texts(row))
        found = overlap(self.learnt(), index, split=side, name=Path(data).name)
        left = set(found.left_out.tolist())
        for number, row in enumerate(rows(Account())):
            if number not in left:
                add(side, row)
        return [*account.sentences(), *found.sentences()]


class SidesWriter:
    """Writes examples by side below a folder; nothing stays of what an exception interrupts."""

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self._folder, self._facts = folder, dict(facts)
        self._stack = contextlib.ExitStack()
        self._writers: dict[str, ExamplesWriter] = {}

    def __enter__(self) -> SidesWriter:
        self._stack.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def add(self, side: str, **arrays: npt.ArrayLike) -> None:
        """Append an example to a side."""
        if side not in self._writers:
            writer = ExamplesWriter(self._folder / side, facts=self._facts)
            self._writers[side] = self._stack.enter_context(writer)
        self._writers[side].add(**arrays)

    def count(self, side: str) -> int:
        """Examples of a side so far."""
        return len(self._writers[side]) if side in self._writers else 0

    def told(self, what: str) -> str:
        """How many examples there are on each side, in words."""
        sides = [(side, self.count(side)) for side in SIDES if self.count(side)]
        return ", ".join(f"{counted(count, what)} to {_USES[side]}" for side, count in sides)

    def require(self, why: str) -> None:
        """Raise SettingError where nothing is left to learn from."""
        if not self.count(TRAIN):
            raise SettingError(f"no example is left to learn from: {why}", remedy="Give more or other data.")


_USES = {TRAIN: "learn from", VALIDATION: "measure on", TEST: "test on at the end"}
