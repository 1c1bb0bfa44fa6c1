"""Mixing: how often the documents of each source are read, in epochs.

Below one epoch a share of a source's documents stays, drawn by the hash of their ids: the decision stands
behind all others, so that what is drawn from is clean already. Above one epoch all stay, and copies enter
behind the decisions, see `corpuskit.build.decide.planted`. Numbers are exact: a source of n documents gives
n times its epochs, rounded to the nearest document, halves upwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from corpuskit.build.decide.held_out import SECTIONS
from corpuskit.documents.settings import Decides, Settings
from corpuskit.errors import SettingError, nearest
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.scans import Scans
from corpuskit.storage.spill import Ordinals, array_on_disk

REASON = "mixture"
"""Why a document is dropped that the mixture leaves out."""


class Share(Settings):
    """How often the documents of one source are read."""

    name: ClassVar[str] = "mix"

    epochs: float = Field(
        default=1.0,
        ge=0,
        le=100_000,
        allow_inf_nan=False,
        description="Times that the source is read; 0: left out.",
    )
    max_repeats: int | None = Field(
        default=None, ge=1, description="A document stands at most so many times, whatever the epochs say."
    )


@dataclass(frozen=True)
class Mix:
    """The mixture of a recipe: a `Share` by source, which is read once where it has none.

    >>> Mix.of({"books": 2.5, "web": {"epochs": 3, "max_repeats": 2}}).shares["books"].epochs
    2.5
    """

    shares: Mapping[str, Share]

    @classmethod
    def of(cls, values: Mapping[str, float | Mapping[str, Any] | Share]) -> Mix:
        """A mixture of plain values: epochs alone, or the settings of a share."""
        shares = {}
        for source, value in values.items():
            if isinstance(value, Share):
                shares[source] = value
            else:
                given = value if isinstance(value, Mapping) else {"epochs": value}
                shares[source] = Share.checked(f"mix.{source}", **given)
        return cls(shares)

    @property
    def repeats(self) -> bool:
        """Whether a source is read more than once."""
        return any(share.epochs > 1 for share in self.shares.values())

    def plain(self) -> dict[str, Any]:
        """The values of a recipe."""
        return {name: share.model_dump(mode="json", exclude_none=True) for name, share in self.shares.items()}

    def check(self, sources: Iterable[str]) -> None:
        """Raise `SettingError` for a name that no source has."""
        known = sorted(sources)
        for name in self.shares:
            if name not in known:
                raise SettingError(f"mix: no source is called {name!r}", remedy=nearest(name, known))

    def deciders(self, known: Sequence[str] | None) -> tuple[list[Mixing], list[Mixing]]:
        """Who drops what the mixture leaves out: before deduplication, and behind all other decisions.

        What is left out whole must not stand for its copies in other sources.
        """
        zero = [name for name, share in self.shares.items() if not share.epochs]
        part = {name: share.epochs for name, share in self.shares.items() if 0 < share.epochs < 1}
        first = [Mixing(epochs=dict.fromkeys(zero, 0.0))] if zero else []
        # Also without anything to drop it sees that each name is that of a source, where none could be told.
        names = tuple(self.shares) if known is None else ()
        return first, [Mixing(epochs=part, names=names)] if part or names else []


class Mixing(Barrier):
    """Drops what a mixture leaves out, by a hash of the id: the same documents in any order."""

    name = "mix"
    scan_schema: ClassVar[pa.Schema] = pa.schema([])

    epochs: Decides[Mapping[str, float]] = Field(default_factory=dict)
    names: Decides[tuple[str, ...]] = ()

    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Nothing: sources and ids are looked up when it is decided."""
        return batch.select([])

    def decide(self, scans: Scans) -> None:
        """Keep so many documents of each source as its epochs say, those of the least hashes."""
        sources = Sources()
        numbers = scans.array("source", np.int32)
        for first, rows in scans.scores(["source"]):
            numbers[first : first + rows.num_rows] = sources.number(rows.column("source").to_pylist())
        Mix({name: Share() for name in self.names}).check(sources.names)
        chances = scans.array("chance", np.uint64)
        for first, ids in scans.identities() if any(self.epochs.values()) else ():
            chances[first : first + len(ids)] = chance(ids)
        for name, epochs in self.epochs.items():
            members = np.flatnonzero(scans.kept & (numbers == sources.known.get(name, -1)))
            stays = least(members, chances, rounded(len(members), epochs))
            gone = np.setdiff1d(members, stays, assume_unique=True)
            for ordinal in gone.tolist():
                scans.drop(ordinal, REASON)
            if not len(stays):
                why = "has 0 epochs" if not epochs else f"has {epochs:g} epochs of {len(members)} documents"
                scans.warnings.append(f"mix: source {name!r} {why}: all of its {len(members)} are left out")


def repeats_of(
    mix: Mix, batches: Iterable[pa.RecordBatch], folder: Path, times: npt.NDArray[np.int32]
) -> list[str]:
    """Write into ``times``, by place, how often each document of the training side stands.

    Each stands as often as its source has whole epochs; for what is left of an epoch those of the least
    hashes of their ids stand once more.

    Args:
        batches: ``id``, ``source`` and ``split`` of all documents that are kept, in their order.
        folder: where may be spilled.

    Returns:
        A sentence for each source that comes short of its epochs.
    """
    sources, first = Sources(), 0
    numbers = array_on_disk(folder, np.int32, (len(times),), name="source", fill=-1)
    chances = array_on_disk(folder, np.uint64, (len(times),), name="chance")
    for batch in batches:
        last = first + batch.num_rows
        found = np.array(sources.number(batch.column("source").to_pylist()), np.int32)
        # A document with a held-out section is repeated without that.
        sides = pc.is_in(batch.column("split"), pa.array(["train", SECTIONS]))
        numbers[first:last] = np.where(sides.to_numpy(zero_copy_only=False), found, -1)
        chances[first:last] = chance(batch.column("id").to_pylist())
        first = last
    told = []
    for name, share in mix.shares.items():
        members = np.flatnonzero(numbers == sources.known.get(name, -2))
        if share.epochs <= 1 or not len(members):
            continue
        asked, whole = rounded(len(members), share.epochs), floor(Fraction(str(share.epochs)))
        most = share.max_repeats or whole + 1
        times[members] = min(whole, most)
        if most > whole:
            times[least(members, chances, asked - whole * len(members))] = whole + 1
        if short := asked - int(times[members].sum()):
            told.append(
                f"mix: {name}: {asked} documents were asked for, {share.epochs:g} epochs of {len(members)},"
                f" and {asked - short} are written: {short} too few, since each stands at most {most} times"
            )
    return told


class Sources:
    """Numbers for names of sources, as they are met."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        """All that were met, by their numbers."""
        return list(self.known)

    def number(self, names: Iterable[str]) -> list[int]:
        """The number of each name."""
        return [self.known.setdefault(name, len(self.known)) for name in names]


def rounded(count: int, epochs: float) -> int:
    """``count`` times ``epochs`` as it is written in decimals, to the nearest whole, halves upwards.

    >>> rounded(10, 0.35), rounded(5, 0.5), rounded(4, 2.5)
    (4, 3, 10)
    """
    return floor(count * Fraction(str(epochs)) + Fraction(1, 2))


def chance(ids: Iterable[str]) -> npt.NDArray[np.uint64]:
    """The first 8 bytes of the sha256 of ``mix`` and each id: what documents are drawn by."""
    digests = b"".join(hashlib.sha256(f"mix {identity}".encode()).digest()[:8] for identity in ids)
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def least(members: Ordinals, chances: npt.NDArray[np.uint64], count: int) -> Ordinals:
    """The ``count`` members of the least chances, ascending.

    Two ids of one chance are not to be expected: of a billion, one pair in forty corpora.
    """
    if count >= len(members):
        return members
    if not count:
        return members[:0]
    drawn = chances[members]
    border = np.partition(drawn, count - 1)[count - 1]
    below, level = members[drawn < border], members[drawn == border]
    return np.sort(np.concatenate([below, level[: count - len(below)]]))
