"""How well near duplicates are found: copies of known similarity, planted into a sample of a run's documents.

Of each sampled document one copy is made in which words are replaced until the exact Jaccard similarity of
the two is near one of `TARGETS`. The run's stage then decides about documents and copies together, in memory:
nothing is written into the run.
"""

from __future__ import annotations

import hashlib
import heapq
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from corpuskit.documents.words import word_spans
from corpuskit.errors import RunError
from corpuskit.report.clusters import jaccard, near_settings
from corpuskit.run.folder import Run
from corpuskit.run.layout import FINAL
from corpuskit.stages.barrier import scan_alone
from corpuskit.stages.dedup import minhash
from corpuskit.stages.dedup.near import NearDuplicates

TARGETS = (0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.82, 0.85, 0.9, 0.95, 0.98)
"""Similarities that copies are made for."""

BORDERS = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
"""Where bands of similarity begin; the threshold is one more border. The last band is that of equal sets."""

_LEAST_WORDS = 40
_CHARACTERS = 20_000
"""Of a longer document its beginning is taken."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Band:
    """Pairs of a document and its copy, by their exact Jaccard similarity.

    Attributes:
        least, below: the similarities of the band, the second exclusive (but for the last, 1).
        pairs: how many pairs there are.
        met: pairs whose signatures agree in a band, so that they are candidates.
        expected: how many of them do so on the average, by the analytic curve 1 - (1 - s**rows)**bands.
        found: pairs of which one document was dropped.
        wrong: documents of them that were dropped for one that they resemble less than the threshold.
    """

    least: float
    below: float
    pairs: int
    met: int
    expected: float
    found: int
    wrong: int


@dataclass(frozen=True)
class Measured:
    """What was found.

    Attributes:
        documents: how many were sampled.
        threshold: of the run's stage.
        signature_bands, rows: how signatures are cut.
        recall: found pairs of those whose similarity reaches the threshold; None without such pairs.
        precision: the share of dropped documents that reach the threshold to the copy that was kept; None
            where none was dropped.
        bands: from low similarity to high.
    """

    documents: int
    threshold: float
    signature_bands: int
    rows: int
    recall: float | None
    precision: float | None
    bands: list[Band]


def measure_recall(run: Run, documents: int, seed: int) -> Measured:
    """Plant copies and count which are found.

    Args:
        documents: how many are sampled, by the hashes of their ids.
        seed: of sample and copies.

    Raises:
        RunError: the run's recipe has no such stage, or the run has no document of at least 40 words.
    """
    stage = near_settings(run)
    texts = _sample(run, documents, seed)
    if len(texts) < 2:
        raise RunError(
            f"{run.folder}: has {len(texts)} documents of at least {_LEAST_WORDS} words; two are needed",
            remedy="Measure on a run with longer documents.",
        )
    chance = random.Random(seed)
    pairs = [
        (text, plant(text, texts[number - 1], TARGETS[number % len(TARGETS)], stage.ngram, chance))
        for number, text in enumerate(texts)
    ]
    return judge(stage, pairs)


def _sample(run: Run, documents: int, seed: int) -> list[str]:
    """The texts of the documents with the smallest hashes, in their order."""
    drawn: list[tuple[bytes, str]] = []
    for file in run.files(FINAL):
        for batch in run.read_batches(file, ["id", "text"]):
            rows = (
                (hashlib.blake2b(f"{seed}:{row['id']}".encode(), digest_size=16).digest(), row["text"])
                for row in batch.to_pylist()
            )
            cut = ((digest, text[:_CHARACTERS]) for digest, text in rows)
            long = (row for row in cut if len(word_spans(row[1])) >= _LEAST_WORDS)
            drawn = heapq.nsmallest(documents, [*drawn, *long])
    return [text for _, text in drawn]


def plant(text: str, other: str, similarity: float, ngram: int, chance: random.Random) -> str:
    """A copy with words replaced by those of another text, till its exact similarity is near a wanted one.

    The number of words is found by halving. Every other copy has them in one run, the rest anywhere.
    """
    spans, foreign = word_spans(text), word_spans(other)
    together = chance.random() < 0.5
    first = chance.randrange(len(spans))
    order = [(first + i) % len(spans) for i in range(len(spans))]
    if not together:
        chance.shuffle(order)
    words = [other[slice(*chance.choice(foreign))] for _ in spans]
    low, high = 0, len(spans)
    while high - low > 1:
        middle = (low + high) // 2
        changed = _replaced(text, spans, order[:middle], words)
        low, high = (middle, high) if jaccard(text, changed, ngram) >= similarity else (low, middle)
    return _replaced(text, spans, order[: low + chance.randrange(2)], words)


def _replaced(
    text: str, spans: Sequence[tuple[int, int]], places: Sequence[int], words: Sequence[str]
) -> str:
    pieces, at = [], 0
    for place in sorted(places):
        first, last = spans[place]
        pieces += [text[at:first], words[place]]
        at = last
    return "".join([*pieces, text[at:]])


def judge(stage: NearDuplicates, pairs: Sequence[Pair]) -> Measured:
    """What the stage decides about pairs of a document and its copy, all of them together."""
    column = pa.array([text for pair in pairs for text in pair], pa.large_string())
    batch = pa.record_batch({"text": column, "source": pa.array([""] * len(column), pa.string())})
    similarity = np.array([jaccard(*pair, stage.ngram) for pair in pairs])
    stage = stage.model_copy(update={"prefer": ()})
    with tempfile.TemporaryDirectory(prefix="corpuskit-") as folder:
        scans = scan_alone(stage, batch, Path(folder))
        stage.decide(scans)
        kept, original = np.array(scans.kept), np.array(scans.original)
    bands, rows = minhash.banding(stage.threshold)
    values = minhash.sign(column, stage.ngram, stage.seed).values[:, : bands * rows]
    cut = values.reshape(len(pairs), 2, bands, rows)
    met = (cut[:, 0] == cut[:, 1]).all(axis=2).any(axis=1)
    gone = np.flatnonzero(~kept)
    texts = column.to_pylist()
    wrong = np.zeros(len(pairs), np.int64)
    for row in gone.tolist():
        if jaccard(texts[row], texts[original[row]], stage.ngram) < stage.threshold:
            wrong[row // 2] += 1
    found = np.array(~kept.reshape(-1, 2).all(axis=1))
    expected = 1 - (1 - similarity**rows) ** bands
    reach = similarity >= stage.threshold
    return Measured(
        documents=len(pairs),
        threshold=stage.threshold,
        signature_bands=bands,
        rows=rows,
        recall=float(found[reach].mean()) if reach.any() else None,
        precision=float(1 - wrong.sum() / len(gone)) if len(gone) else None,
        bands=_by_band(stage.threshold, similarity, met, expected, found, wrong),
    )


def _by_band(
    threshold: float,
    similarity: np.ndarray,
    met: np.ndarray,
    expected: np.ndarray,
    found: np.ndarray,
    wrong: np.ndarray,
) -> list[Band]:
    borders = sorted({*BORDERS, threshold})
    bands = []
    for least, below in zip(borders, [*borders[1:], 1.0], strict=True):
        within = (similarity >= least) & ((similarity < below) | (least == 1))
        if within.any():
            counts = (int(within.sum()), int(met[within].sum()), float(expected[within].sum()))
            bands.append(Band(least, below, *counts, int(found[within].sum()), int(wrong[within].sum())))
    return bands
