"""Which documents train, which are held out.

Documents are put in the order of the hash of their duplicate cluster's id, and held out from the smallest
on until the wanted share of bytes is reached: the same ids give the same split however the build ran, near
duplicates stand on one side, and one more document moves few others. With fewer than `FEW` documents a
whole document is too coarse a unit: a contiguous section of each is held out instead.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from corpuskit.stages.scans import Scans

FEW = 100
"""Fewer kept documents than this are split inside each document."""

SECTIONS = "sections"
"""Value of the ``split`` column for a document that is itself cut into sections."""

SIDES = ("validation", "test", "train", SECTIONS)
"""Values of the ``split`` column, in the order in which shares are handed out."""


class Split(BaseModel):
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
        sides[kept] = SIDES.index("train")
    elif len(kept) < FEW:
        sides[kept] = SIDES.index(SECTIONS)
    else:
        keys = _cluster_keys(scans)
        order = kept[np.lexsort((kept, keys[kept]))]
        sizes = scans.bytes[order]
        before = (np.cumsum(sizes) - sizes) / max(1, int(sizes.sum()))
        # A cluster never straddles a border: all of it stands where its first document stands.
        ordered = keys[order]
        before = before[np.searchsorted(ordered, ordered)]
        borders = [split.validation, split.validation + split.test]
        sides[order] = np.searchsorted(borders, before, side="right")
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
