"""Which documents train, which are held out.

The documents of each source are put in the order of the hash of their duplicate cluster's id, and held out
from the smallest on until the wanted share of the source's bytes is reached: the same ids give the same split
however the build ran, near duplicates stand on one side, and one more document moves few others. Of a
document that is larger than a share, and of each one where there are fewer than `FEW`, a contiguous section
is held out instead.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field, model_validator

from corpuskit.documents.settings import Checked
from corpuskit.stages.scans import Scans

FEW = 100
"""Fewer kept documents than this are split inside each document."""

SECTIONS = "sections"
"""Value of the ``split`` column for a document that is itself cut into sections."""

SIDES = ("validation", "test", "train", SECTIONS)
"""Values of the ``split`` column, in the order in which shares are handed out."""

_TRAIN, _SECTIONS = SIDES.index("train"), SIDES.index(SECTIONS)

TOLERANCE = 0.2
"""A share that is missed by more than this part of itself is told."""

_NAMED = 4
"""Sources whose shares are told."""

_NEAR = 0.005
"""A share that lacks no more than this part of itself takes no further document, which ends the search."""


class Split(Checked):
    """Shares of bytes that are held out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    validation: float = Field(default=0.01, ge=0, le=0.5, description="Share of bytes held out to validate.")
    test: float = Field(default=0.0, ge=0, le=0.5, description="Share of bytes held out to test.")

    @model_validator(mode="after")
    def _leave_some(self) -> Split:
        if self.validation + self.test > 0.8:
            raise ValueError(f"validation + test = {self.validation + self.test}: more than 0.8 is held out")
        return self


def assign(scans: Scans, split: Split) -> npt.NDArray[np.int8]:
    """Index into `SIDES` of every kept document, by ordinal; -1 for dropped ones."""
    sides = np.full(scans.documents, -1, np.int8)
    kept = np.flatnonzero(scans.kept)
    if not split.validation and not split.test:
        sides[kept] = _TRAIN
    elif len(kept) < FEW:
        sides[kept] = _SECTIONS
    else:
        keys = _cluster_keys(scans)
        order = kept[np.lexsort((kept, keys[kept]))]
        first = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]]))
        # A cluster never straddles a border, and counts to that of its sources which has the most documents.
        sizes = np.add.reduceat(scans.bytes[order], first)
        alone = np.diff(first, append=len(order)) == 1
        strata = np.maximum.reduceat(_sources(scans)[order], first)
        chosen = np.full(len(first), _TRAIN, np.int8)
        for stratum in np.unique(strata):
            units = np.flatnonzero(strata == stratum)
            chosen[units] = _held_out(sizes[units], alone[units], (split.validation, split.test))
        sides[order] = np.repeat(chosen, np.diff(first, append=len(order)))
    return sides


def _sources(scans: Scans) -> npt.NDArray[np.int32]:
    """The rank of each document's source by its number of kept documents: a greater one has more."""
    numbers: dict[str, int] = {}
    sources = scans.array("source", np.int32)
    for first, rows in scans.scores(["source"]):
        names = rows.column("source").to_pylist()
        sources[first : first + len(names)] = [numbers.setdefault(name, len(numbers)) for name in names]
    counts = np.bincount(sources[scans.kept], minlength=len(numbers))
    # By name among equal ones: the order in which they were met is that of the recipe.
    names = sorted(numbers, key=lambda name: (counts[numbers[name]], name))
    ranks = np.empty(len(names), np.int32)
    ranks[[numbers[name] for name in names]] = np.arange(len(names))
    ranked: npt.NDArray[np.int32] = ranks[sources]
    return ranked


def _held_out(
    sizes: npt.NDArray[np.int64], alone: npt.NDArray[np.bool_], shares: tuple[float, float]
) -> npt.NDArray[np.int8]:
    """Sides of the clusters of one source, which come in the order of their hashes.

    What is larger than a share cannot be held out whole: of such a document a section is, while a cluster
    trains, since sections of near duplicates would stand on both sides. Of the rest each side takes the first
    that bring it nearer to its share. Where this misses a share, documents are too large for it: a section of
    each is held out.
    """
    least = min(share for share in shares if share) * (1 + TOLERANCE)
    fits = np.ones(len(sizes), bool)
    # Without the large ones the share is smaller, and others may be too large for it.
    while (fitting := fits & (sizes <= least * sizes[fits].sum())).sum() < fits.sum():
        fits = fitting
    sides = np.where(alone & ~fits, _SECTIONS, _TRAIN).astype(np.int8)
    total = int(sizes[fits].sum())
    wanted = [share * total for share in shares]
    held = [0, 0]
    for unit in np.flatnonzero(fits).tolist():
        size = int(sizes[unit])
        for side, (goal, so_far) in enumerate(zip(wanted, held, strict=True)):
            if goal and size <= 2 * (goal - so_far) and so_far + size <= goal * (1 + TOLERANCE):
                sides[unit], held[side] = side, so_far + size
                break
        if all(goal - so_far <= _NEAR * goal for goal, so_far in zip(wanted, held, strict=True)):
            break
    if any(abs(so_far - goal) > TOLERANCE * goal for goal, so_far in zip(wanted, held, strict=True)):
        sides[fits] = np.where(alone[fits], _SECTIONS, _TRAIN)
    return sides


def _cluster_keys(scans: Scans) -> npt.NDArray[np.uint64]:
    """The first 8 bytes of the sha256 of each document's cluster id."""
    keys = scans.array("cluster", np.uint64)
    for first, ids in scans.identities():
        # A hash that is the same everywhere and in each run, which Python's own is not.
        digests = b"".join(hashlib.sha256(identity.encode()).digest()[:8] for identity in ids)
        keys[first : first + len(ids)] = np.frombuffer(digests, ">u8")
    for ordinal in scans.clustered():
        keys[ordinal] = keys[scans.cluster(ordinal)]
    return keys


def missed(asked: Mapping[str, float], held: Mapping[str, Mapping[str, int]]) -> list[str]:
    """A sentence for each share that is missed by more than a fifth of itself, of all text or of a source.

    Args:
        asked: share of bytes of each held-out side.
        held: bytes of each side, training included, by source.

    >>> missed({"validation": 0.05}, {"train": {"a": 980, "b": 95}, "validation": {"a": 20, "b": 5}})
    ["split: validation: asked were 5 % of the bytes, it holds 2.27 % of all and 2 % of 'a'"]
    """
    told = []
    names = sorted({name for sources in held.values() for name in sources})
    for side, share in asked.items():
        mine = Counter(held.get(side, {}))
        whole = sum((Counter(sources) for sources in held.values()), Counter())
        found = {"all": (mine.total(), whole.total())}
        if len(names) > 1:
            found |= {repr(name): (mine[name], whole[name]) for name in names}
        shown = [
            f"{f'{100 * part / size:.3g} %' if part else 'nothing'} of {name}"
            for name, (part, size) in found.items()
            if abs(part / max(1, size) - share) > TOLERANCE * share
        ]
        if shown:
            more = [f"{len(shown) - _NAMED} sources more"] if len(shown) > _NAMED else []
            *first, last = [*shown[:_NAMED], *more]
            holds = f"holds {', '.join(first)} and {last}" if first else f"holds {last}"
            holds = holds if mine.total() else "is empty"
            told.append(f"split: {side}: asked were {100 * share:.3g} % of the bytes, it {holds}")
    return told


def sections(identity: str, text: str, split: Split) -> list[tuple[str, int, int]]:
    """Cut one document into contiguous sections.

    Returns:
        (split, start, end) in characters, in text order, without gaps. The held-out section begins at a
        place that the hash of the id chooses. It begins and ends at lines where one begins near enough to
        keep the share, else at words.

    >>> sections("files:x:1", "aaaa\\nbbbb\\ncccc\\ndddd\\n" * 25, Split(validation=0.2))[0][0]
    'train'
    """
    length = len(text)
    held_out = int(length * (split.validation + split.test))
    if not held_out:
        return [("train", 0, length)] if length else []
    chance = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") / 2**64
    # A border may move by a quarter of the share to meet the end of a line, so that the share stays about
    # right; 12 characters at least reach the end of most words.
    reach = max(held_out // 4, 12)
    start = _border(text, int(chance * max(0, length - held_out - reach)), reach)
    validation = int(length * split.validation)
    # A side without a share must stay empty: its border must not be looked for on its own.
    border = _border(text, start + validation, reach) if validation else start
    end = _border(text, start + held_out, reach) if held_out > validation else border
    borders = (0, start, border, end, length)
    pieces = zip(("train", "validation", "test", "train"), borders[:-1], borders[1:], strict=True)
    return [piece for piece in pieces if piece[1] < piece[2]]


def _border(text: str, position: int, reach: int) -> int:
    """The first line that begins up to ``reach`` characters behind ``position``, else the first word."""
    if position <= 0:
        return 0
    for mark in ("\n", " "):
        # From the character before: where that ends a line, the position is the border already.
        found = text.find(mark, position - 1, position + reach)
        if found >= 0:
            return found + 1
    return min(position, len(text))
