"""What rules would drop of a run, before anything is decided: by source, with samples and values."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import yaml

from corpuskit.documents.batch import byte_lengths
from corpuskit.errors import RunError
from corpuskit.run.folder import Run
from corpuskit.run.layout import FINAL, path
from corpuskit.stages.quality.figures import Figure
from corpuskit.stages.quality.filter import Filter
from corpuskit.stages.quality.rules import Bound, Documents, asked_of, judge
from corpuskit.stages.quality.scores import COLUMN, TYPE, score

FOLDERS = ("candidates", FINAL)
"""Where documents are looked for: those of the first pass, else the corpus."""

EXCERPT = 240
"""Characters of a sample's text."""


@dataclass
class Amount:
    """Documents, and bytes of their texts."""

    documents: int = 0
    bytes: int = 0

    def add(self, sizes: npt.NDArray[np.int64]) -> None:
        """Count documents of these sizes."""
        self.documents += len(sizes)
        self.bytes += int(sizes.sum())


@dataclass
class OfSource:
    """What would go of a source.

    Attributes:
        all, gone: its documents, and those that would go.
        reasons: documents by the rule that is their reason.
    """

    all: Amount = field(default_factory=Amount)
    gone: Amount = field(default_factory=Amount)
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Sample:
    """A document that would go: its value is that of the rule's figure, rounded."""

    id: str
    source: str
    bytes: int
    value: float | None
    text: str


@dataclass
class OfRule:
    """What one rule would do.

    Attributes:
        asked: documents that it is asked of: by profile, language and script.
        breaks: documents that break it, whatever the other rules say.
        gone: those of which it is the reason: they break no rule before it.
        edges: lower ends of the classes of the histogram.
        histogram: asked documents by class of the figure; those without a value are left out.
        samples: documents of which it is the reason, chosen by the hash of their id.
    """

    bound: Bound | None
    asked: int = 0
    breaks: int = 0
    gone: Amount = field(default_factory=Amount)
    edges: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    histogram: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    samples: list[Sample] = field(default_factory=list)
    _heap: list[tuple[int, str, Sample]] = field(default_factory=list)

    def offer(self, rank: int, sample: Sample, most: int) -> None:
        """Keep the samples of the smallest ranks."""
        heapq.heappush(self._heap, (-rank, sample.id, sample))
        if len(self._heap) > most:
            heapq.heappop(self._heap)
        self.samples = [each for _, _, each in sorted(self._heap, key=lambda item: (-item[0], item[1]))]


@dataclass
class Preview:
    """What rules would drop.

    Attributes:
        folder: where the documents were read: ``candidates`` or ``documents``.
        taken_up: whether the run held the statistics; they were taken anew otherwise.
        sources: by label. rules: by name, in the order in which they are asked.
        unknown_language: documents of which rules for English were not asked since no language is known.
    """

    folder: str
    taken_up: bool
    all: Amount = field(default_factory=Amount)
    gone: Amount = field(default_factory=Amount)
    sources: dict[str, OfSource] = field(default_factory=dict)
    rules: dict[str, OfRule] = field(default_factory=dict)
    unknown_language: int = 0


def preview(run: Run, rules: Filter, *, samples: int = 3, seed: int = 0) -> Preview:
    """Ask rules of the documents of a run. Nothing is written; memory holds one row group.

    Args:
        rules: settings as a recipe has them; statistics that the run lacks are taken on the fly.
        samples: documents to show of each rule.
        seed: other samples for another number; the same ones for the same.

    Raises:
        RunError: the run has no documents.
    """
    folder, paths = _documents(run)
    taken_up = _has_statistics(run, paths[0], rules)
    found = Preview(folder, taken_up)
    bounds = rules.bounds()
    found.rules = {bound.name: _of_rule(bound) for bound in bounds}
    for table in paths:
        for batch in run.read_batches(table, _columns(taken_up)):
            _add(found, rules, bounds, batch, samples, seed)
    found.sources = dict(sorted(found.sources.items()))
    return found


def _documents(run: Run) -> tuple[str, list[str]]:
    for folder in FOLDERS:
        if paths := [each for each in run.files(folder) if each.endswith(".parquet")]:
            return folder, paths
    remedy = "Build it first: corpuskit build RECIPE --out RUN."
    raise RunError(f"{run.folder}: holds no documents to look at", remedy=remedy)


def _has_statistics(run: Run, table: str, rules: Filter) -> bool:
    """Whether the documents hold the statistics that the rules ask for, counted in the same way."""
    if not run.exists(path("recipe")) or COLUMN not in run.schema(table).names:
        return False
    with run.reading(path("recipe")) as file:
        recipe = yaml.safe_load(file)
    steps = [step.get(Filter.name) for step in recipe.get("stages") or [] if isinstance(step, dict)]
    used: dict[str, Any] = next((step for step in steps if step is not None), {})
    same = (used.get("words"), used.get("variant")) == (rules.words, rules.variant)
    return same and run.schema(table).field(COLUMN).type == TYPE


def _add(
    found: Preview, rules: Filter, bounds: Sequence[Bound], batch: pa.RecordBatch, samples: int, seed: int
) -> None:
    texts, ids = batch.column("text"), batch.column("id").to_pylist()
    documents = rules.documents(ids, _statistics(batch, rules, found.taken_up))
    sizes = byte_lengths(texts)
    reasons = judge(bounds, documents)
    gone = np.array(sorted(reasons), np.int64)
    found.all.add(sizes)
    found.gone.add(sizes[gone])
    if any(bound.english for bound in bounds) and not rules.every_language:
        found.unknown_language += int((documents.languages == "").sum())
    _add_sources(found, batch.column("source").to_pylist(), sizes, reasons)
    for bound in bounds:
        _add_rule(found.rules[bound.name], bound, documents)
    values = {bound.name: bound.figure.values(documents.counts) for bound in bounds}
    sources = batch.column("source").to_pylist()
    for row, reason in reasons.items():
        rule = found.rules.setdefault(reason, OfRule(None))
        rule.gone.add(sizes[[row]])
        value = float(values[reason][row]) if reason in values else None
        text = texts[row].as_py()[:EXCERPT]
        rule.offer(
            _rank(seed, ids[row]), Sample(ids[row], sources[row], int(sizes[row]), value, text), samples
        )


def _add_sources(
    found: Preview, sources: Sequence[str], sizes: npt.NDArray[np.int64], reasons: dict[int, str]
) -> None:
    for row, label in enumerate(sources):
        of_source = found.sources.setdefault(label, OfSource())
        of_source.all.add(sizes[[row]])
        if row in reasons:
            of_source.gone.add(sizes[[row]])
            of_source.reasons[reasons[row]] += 1


def _add_rule(rule: OfRule, bound: Bound, documents: Documents) -> None:
    asked = asked_of(bound, documents)
    rule.asked += int(asked.sum())
    rule.breaks += int((asked & bound.broken(documents.counts)).sum())
    # What is held against nothing has no value; without a word it goes as `no_words`.
    _, over = bound.figure.parts(documents.counts)
    values = bound.figure.values(documents.counts)[asked & (over > 0)]
    places = np.clip(np.searchsorted(rule.edges, values, side="right") - 1, 0, None)
    rule.histogram += np.bincount(places, minlength=len(rule.edges))


def _rank(seed: int, identity: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{identity}".encode()).digest()[:8], "big")


def _of_rule(bound: Bound) -> OfRule:
    edges = _edges(bound.figure)
    return OfRule(bound, edges=edges, histogram=np.zeros(len(edges), np.int64))


def _edges(figure: Figure) -> npt.NDArray[np.float64]:
    """Lower ends of the classes of a figure's values; the last class has no upper end."""
    if figure.over and figure.name != "mean_word_length":
        return np.arange(20) / 20
    if figure.name in _SMALL:
        return np.arange(21, dtype=float)
    return np.array([0, *(2**n for n in range(31))], float)


_SMALL = ("mean_word_length", "median_word_length", "entropy", "stop_words", "scripts")
"""Figures whose values are small numbers: a class for each whole one."""


# ------------------------------------------------------------------------------------------- for people
def facts(found: Preview) -> dict[str, Any]:
    """The preview as JSON values."""
    return {
        "folder": found.folder,
        "statistics": "of the run" if found.taken_up else "taken on the fly",
        "documents": found.all.documents,
        "bytes": found.all.bytes,
        "gone": vars(found.gone),
        "unknown_language": found.unknown_language,
        "sources": {
            label: {**vars(each.all), "gone": vars(each.gone), "reasons": dict(sorted(each.reasons.items()))}
            for label, each in found.sources.items()
        },
        "rules": {name: _rule_facts(rule) for name, rule in found.rules.items()},
    }


def _rule_facts(rule: OfRule) -> dict[str, Any]:
    told: dict[str, Any] = {"gone": vars(rule.gone), "samples": [vars(each) for each in rule.samples]}
    if rule.bound is None:
        return told
    bound = rule.bound
    return {
        "figure": bound.figure.name,
        "formula": bound.figure.formula,
        "min": None if bound.least is None else float(bound.least),
        "max": None if bound.most is None else float(bound.most),
        "asked": rule.asked,
        "breaks": rule.breaks,
        **told,
        "histogram": [[float(edge), int(count)] for edge, count in filled(rule)],
    }


def filled(rule: OfRule) -> Iterator[tuple[float, int]]:
    """Lower end and documents of each class, from the first to the last that holds any."""
    there = np.flatnonzero(rule.histogram)
    if len(there):
        for place in range(int(there[0]), int(there[-1]) + 1):
            yield float(rule.edges[place]), int(rule.histogram[place])


# ------------------------------------------------------------------------------------- values of documents
@dataclass(frozen=True)
class Value:
    """A figure of a document: a count and what it is held against; no value where that is nothing."""

    count: int
    over: int
    value: float | None


def values(
    run: Run, figures: Sequence[Figure], rules: Filter, *, ids: Sequence[str] = (), most: int = 20
) -> Iterator[tuple[str, dict[str, Value]]]:
    """Figures of the first documents of a run, or of those with given ids: id, and value by figure.

    Args:
        rules: how words and lines are counted.
        most: documents at most; all that are named by ``ids``.

    Raises:
        RunError: the run has no documents, or none of these ids.
    """
    folder, paths = _documents(run)
    taken_up = _has_statistics(run, paths[0], rules)
    wanted, told = set(ids), 0
    for batch in (each for table in paths for each in run.read_batches(table, _columns(taken_up))):
        names = batch.column("id").to_pylist()
        rows = [row for row, name in enumerate(names) if not wanted or name in wanted]
        rows = rows if wanted else rows[: most - told]
        if not rows:
            continue
        chosen = batch.take(pa.array(rows))
        counts = rules.documents([names[row] for row in rows], _statistics(chosen, rules, taken_up)).counts
        shown = {each.name: (*each.parts(counts), each.values(counts)) for each in figures}
        for place, row in enumerate(rows):
            yield (
                names[row],
                {
                    name: Value(
                        int(above[place]), int(below[place]), float(value[place]) if below[place] else None
                    )
                    for name, (above, below, value) in shown.items()
                },
            )
        told += len(rows)
        if told >= (len(wanted) or most):
            return
    if wanted and not told:
        raise RunError(
            f"{run.folder}: holds no document {sorted(wanted)[0]!r}", remedy=f"Ids are those of {folder}/."
        )


def _columns(taken_up: bool) -> list[str]:
    return ["id", "source", "language", "text"] + [COLUMN] * taken_up


def _statistics(batch: pa.RecordBatch, rules: Filter, taken_up: bool) -> pa.StructArray:
    if taken_up:
        return batch.column(COLUMN)
    return score(batch.column("text"), batch.column("language"), splitter=rules.words, variant=rules.variant)
