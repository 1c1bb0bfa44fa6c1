"""The index of packed rows: made when it is first asked for, kept on disk, mapped into memory.

For rows of R tokens, S apart, of a split there are three files:

    train-R-S.starts   int64 (pieces,): where each piece begins in the split, by falling length
    train-R-S.groups   int64: the arrays of `packing.Groups` one behind the other
    train-R-S.json     sealed: what it was made of, the counts of the report, sizes

They follow from the shards alone, byte for byte, and are made again where they are missing, damaged or of
other shards. Of a run they lie in ``packing/``, which is no output; elsewhere beside the shards. Where
nothing can be written, and of shards on an object store, the index is held in memory: 8 bytes for each piece.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError
from corpuskit.shards.packing import (
    Geometry,
    Groups,
    Numbers,
    PackReport,
    Sequences,
    best_fit,
    packed_report,
    piece_lengths,
    place_pieces,
)
from corpuskit.storage.files import UNFINISHED, flush, json_bytes, read_sealed, seal, sha256_file

VERSION = 1
"""Of the rows and of the files: raised when equal shards would give others."""


class Piece(NamedTuple):
    """A document, or a part of one, in a row.

    Attributes:
        start: place of its first token in the split.
        tokens: how many.
    """

    start: int
    tokens: int


class PackedIndex:
    """Which pieces of documents stand in which row.

    Attributes:
        report: what the packing does.
        rows: how many there are.
    """

    def __init__(self, groups: Groups, starts: Numbers, report: PackReport) -> None:
        self.report, self.rows = report, groups.rows
        self._starts = starts
        # Lists: a row is looked up in a microsecond.
        self._firsts, self._paths = groups.firsts.tolist(), groups.paths.tolist()
        self._entries = groups.entries.tolist()

    def pieces(self, row: int) -> list[Piece]:
        """The pieces of a row, as they stand in it. Raises IndexError outside range(rows)."""
        if not 0 <= row < self.rows:
            raise IndexError(f"row {row} lies outside range({self.rows})")
        group = bisect_right(self._firsts, row) - 1
        found = []
        for length, base, count, origin in self._entries[self._paths[group] : self._paths[group + 1]]:
            first = base + (row - origin) * count
            found += [Piece(start, length) for start in self._starts[first : first + count].tolist()]
        return found


class Origin(NamedTuple):
    """What an index is made of.

    Attributes:
        name: of the split or, behind a dot, of a part of it; what its files are called by.
        fingerprint: of the shards, and of which of their tokens these are.
        sequences: gives them anew, each time from the first on.
        folder: where the index is kept; None for nowhere.
    """

    name: str
    fingerprint: str
    sequences: Callable[[], Sequences]
    folder: Path | None


def packed_index(origin: Origin, rows: Geometry) -> PackedIndex:
    """The index of these rows, kept or made. Raises SettingError for a line without a token."""
    stem = f"{origin.name}-{rows.row_tokens}-{rows.stride}"
    made_from = {"version": VERSION, "shards": origin.fingerprint, "rows": [rows.row_tokens, rows.stride]}
    if origin.folder is not None:
        with suppress(OSError, ValueError, LookupError, TypeError):  # Not there, or damaged: made again.
            return _kept(origin.folder, stem, made_from)
        with suppress(OSError):  # A full disk, a folder of others: it is made in memory.
            _make(origin, rows, stem, made_from)
            return _kept(origin.folder, stem, made_from)
    histogram, before, groups = _planned(origin, rows)
    starts = np.empty(before.pieces, np.int64)
    place_pieces(origin.sequences(), rows, histogram, starts)
    return PackedIndex(groups, starts, packed_report(histogram, before, groups))


def _planned(origin: Origin, rows: Geometry) -> tuple[Numbers, PackReport, Groups]:
    histogram, before = piece_lengths(origin.sequences(), rows)
    if not before.tokens:
        raise SettingError(
            f"{origin.name!r} has no tokens: there is nothing to pack", remedy="Build shards of more text."
        )
    return histogram, before, best_fit(histogram)


def _make(origin: Origin, rows: Geometry, stem: str, made_from: dict[str, Any]) -> None:
    """Write the three files, the record last."""
    folder = origin.folder
    assert folder is not None
    folder.mkdir(exist_ok=True)
    histogram, before, groups = _planned(origin, rows)
    report = packed_report(histogram, before, groups)
    data = b"".join(np.ascontiguousarray(each, "<i8").tobytes() for each in groups[:3])
    # Two processes may make one index at a time: they write the same.
    unfinished = {name: folder / f"{UNFINISHED}{os.getpid()}-{stem}.{name}" for name in _FILES}
    try:
        starts = np.memmap(unfinished["starts"], "<i8", "w+", shape=(before.pieces,))
        place_pieces(origin.sequences(), rows, histogram, starts)
        starts.flush()
        unfinished["groups"].write_bytes(data)
        sizes = {"groups": len(groups.firsts), "entries": len(groups.entries), "rows": groups.rows}
        digest = hashlib.sha256(data).hexdigest()
        digests = {"groups_sha256": digest, "starts_sha256": sha256_file(unfinished["starts"])}
        record = {"made_from": made_from, "report": report.plain(), **digests, **sizes}
        unfinished["json"].write_bytes(json_bytes(seal(record)))
        for name in _FILES:
            flush(unfinished[name])
            os.replace(unfinished[name], folder / f"{stem}.{name}")
    finally:
        for path in unfinished.values():
            with suppress(OSError):
                path.unlink(missing_ok=True)


_FILES = ("starts", "groups", "json")


def _kept(folder: Path, stem: str, made_from: dict[str, Any]) -> PackedIndex:
    """The index that lies in a folder. Raises ValueError for one of other shards, or that is not whole."""
    record = read_sealed(folder / f"{stem}.json")
    if record["made_from"] != made_from:
        raise ValueError("it is of other shards")
    data = (folder / f"{stem}.groups").read_bytes()
    if hashlib.sha256(data).hexdigest() != record["groups_sha256"]:
        raise ValueError("its groups are damaged")
    count, entries = record["groups"], record["entries"]
    numbers = np.frombuffer(data, "<i8").astype(np.int64)
    firsts, paths, held = np.split(numbers, [count, 2 * count + 1])
    stated = {name: value for name, value in record["report"].items() if name != "padding_share"}
    report = PackReport(**stated)
    path = folder / f"{stem}.starts"
    if path.stat().st_size != 8 * report.pieces or sha256_file(path) != record["starts_sha256"]:
        raise ValueError("its starts are damaged")
    starts = np.memmap(path, "<i8", "r", shape=(report.pieces,)).view(np.ndarray)
    return PackedIndex(Groups(firsts, paths, held.reshape(entries, 4), record["rows"]), starts, report)


def fill_row(pieces: list[Piece], read: Callable[[int, int], npt.NDArray[np.integer]], out: Any) -> list[int]:
    """Write the tokens of a row's pieces into `out`, (R,); where each begins, and where the last one ends."""
    borders, place = [0], 0
    for start, tokens in pieces:
        out[place : place + tokens] = read(start, tokens)
        place += tokens
        borders.append(place)
    return borders
