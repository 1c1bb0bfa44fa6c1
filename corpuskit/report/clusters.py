"""Near duplicates of a finished run, side by side: what stays, what went, and where the two differ."""

from __future__ import annotations

import difflib
import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from corpuskit.documents.words import word_spans
from corpuskit.errors import RunError
from corpuskit.run.folder import Run
from corpuskit.run.layout import FINAL, folder_of, path
from corpuskit.stages.dedup.minhash import shingle_hashes
from corpuskit.stages.dedup.near import NearDuplicates

REASON = "near_duplicate"
SHOWN_COPIES, SHOWN_HUNKS = 3, 8
"""Copies of a cluster, and places of a copy, that are shown; how many there are is said."""

_COMPARED = 4000
"""Words behind the beginning that two texts share, that are compared word by word: it takes their square."""

_CONTEXT = 4


@dataclass(frozen=True)
class Hunk:
    """A place where two texts differ.

    Attributes:
        before, after: a few words around it, from the text that stays.
        kept, dropped: what stands there in the one and in the other; empty for nothing.
    """

    before: str
    kept: str
    dropped: str
    after: str


@dataclass(frozen=True)
class Copy:
    """A document that went.

    Attributes:
        similarity: exact Jaccard similarity to the one that stays, by the shingles of the run's stage.
        hunks: the first `SHOWN_HUNKS` places where it differs from it.
        places: how many such places there are in the words that were compared.
        whole: whether all words were compared.
    """

    id: str
    title: str
    similarity: float
    hunks: list[Hunk]
    places: int
    whole: bool


@dataclass(frozen=True)
class Cluster:
    """A document that stays, and those that went for it.

    Attributes:
        copies: the `SHOWN_COPIES` that resemble it least.
        dropped: how many went.
    """

    kept: str
    title: str
    copies: list[Copy]
    dropped: int


def near_settings(run: Run) -> NearDuplicates:
    """The settings of the stage in the run's recipe. Raises `RunError` where it has none."""
    with run.reading(path("recipe")) as file:
        steps = (yaml.safe_load(file) or {}).get("stages") or []
    for step in steps:
        values: Mapping[str, Any] = step if isinstance(step, Mapping) else {step: {}}
        if NearDuplicates.name in values:
            return NearDuplicates(**(values[NearDuplicates.name] or {}))
    raise RunError(f"{run.folder}: its recipe has no stage near_duplicates", remedy="Add it and build again.")


def clusters(run: Run, limit: int) -> Iterator[Cluster]:
    """The clusters with the most copies, ties by id.

    Args:
        limit: how many.
    """
    ngram = near_settings(run).ngram
    sizes: Counter[str] = Counter()
    for batch in _dropped(run, ["reason", "duplicate_of"]):
        sizes.update(name for name in batch.column("duplicate_of").to_pylist() if name is not None)
    chosen = [name for name, _ in heapq.nsmallest(limit, sizes.items(), key=lambda item: (-item[1], item[0]))]
    kept = {row["id"]: row for row in _rows(_documents(run), "id", chosen)}
    copies: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    for row in _rows(
        _dropped(run, ["id", "title", "reason", "duplicate_of", "text"]), "duplicate_of", chosen
    ):
        name = row["duplicate_of"]
        if name in kept:
            row["similarity"] = jaccard(kept[name]["text"], row["text"], ngram)
            copies[name] = heapq.nsmallest(
                SHOWN_COPIES, [*copies[name], row], key=lambda r: (r["similarity"], r["id"])
            )
    for name in chosen:
        if name not in kept:
            raise RunError(f"{run.folder}: has no document {name}", remedy="Run `corpuskit verify` on it.")
        made = [_copy(kept[name]["text"], row) for row in copies[name]]
        yield Cluster(name, kept[name]["title"], made, sizes[name])


def jaccard(left: str, right: str, ngram: int) -> float:
    """The exact Jaccard similarity of two texts' shingles; 0 where neither has any."""
    ends, hashes = shingle_hashes(pa.array([left, right], pa.large_string()), ngram)
    common = len(np.intersect1d(hashes[: ends[1]], hashes[ends[1] :], assume_unique=True))
    return common / max(1, len(hashes) - common)


def _documents(run: Run) -> Iterator[pa.RecordBatch]:
    for file in run.files(FINAL):
        yield from run.read_batches(file, ["id", "title", "text"])


def _dropped(run: Run, columns: list[str]) -> Iterator[pa.RecordBatch]:
    for file in run.files(folder_of("dropped")):
        for batch in run.read_batches(file, columns):
            yield batch.filter(pc.equal(batch.column("reason"), REASON))


def _rows(batches: Iterator[pa.RecordBatch], column: str, names: list[str]) -> Iterator[dict[str, Any]]:
    wanted = pa.array(names, pa.string())
    for batch in batches:
        yield from batch.filter(pc.is_in(batch.column(column), value_set=wanted)).to_pylist()


def _copy(kept: str, row: Mapping[str, Any]) -> Copy:
    hunks, whole = differences(kept, row["text"])
    return Copy(row["id"], row["title"], row["similarity"], hunks[:SHOWN_HUNKS], len(hunks), whole)


def differences(kept: str, dropped: str) -> tuple[list[Hunk], bool]:
    """The places where two texts differ, word by word as words are compared, and whether all was compared."""
    ours, theirs = word_spans(kept), word_spans(dropped)
    same = 0
    left, right = ([text[a:b].casefold() for a, b in s] for text, s in ((kept, ours), (dropped, theirs)))
    while same < min(len(left), len(right)) and left[same] == right[same]:
        same += 1
    # What both begin with needs no comparison; of it a few words stand before the first difference.
    first = max(0, same - _CONTEXT)
    left, right = left[first : first + _COMPARED], right[first : first + _COMPARED]
    whole = max(len(ours), len(theirs)) <= first + _COMPARED
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    hunks = []
    for what, a, b, c, d in matcher.get_opcodes():
        if what != "equal":
            a, b, c, d = a + first, b + first, c + first, d + first
            hunks.append(
                Hunk(
                    _cut(kept, ours, a - _CONTEXT, a),
                    _cut(kept, ours, a, b),
                    _cut(dropped, theirs, c, d),
                    _cut(kept, ours, b, b + _CONTEXT),
                )
            )
    return hunks, whole


def _cut(text: str, spans: list[tuple[int, int]], first: int, last: int) -> str:
    """Words ``first`` to ``last - 1`` of a text as they stand, in one line."""
    spans = spans[max(0, first) : max(0, last)]
    return " ".join(text[spans[0][0] : spans[-1][1]].split()) if spans else ""
