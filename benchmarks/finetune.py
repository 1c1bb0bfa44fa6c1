"""Classification by a model that was pre-trained here: accuracy on four labelled sets, five splits each.

    python -m benchmarks.finetune --base DECODER --encoder ENCODER [--quick] [--only SET] [--json FILE]

Both models are to be of one shape, pre-trained on the same tokens (see benchmarks/README.md). Each is begun
from its weights and from random ones, on the same rows and for as many epochs, with a rate of its own that
the validation rows of the first split choose. The peer is logistic regression on TF-IDF of words and pairs of
words. "spread" is the standard deviation over the splits.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks.adapt import MODELS
from benchmarks.adapt_arms import Arm, Figures, Kept, Study, said, shape_of, spread, table, threads
from benchmarks.adapt_data import Counts, Rows, ag_news, distinct, polarity, sms, trec, write_split
from benchmarks.adapt_labels import FIGURES, figures_of
from benchmarks.harness import OURS, Options, Row, peer_versions, run_benchmark

LEARNT, DRAWN, TFIDF = "pre-trained", "random weights", "TF-IDF"
ARMS = (Arm(LEARNT, (6e-4,)), Arm(DRAWN, (1e-3,), random=True))
"""Rates were chosen on splits of AG News and TREC that are none of those measured, among 3e-4 to 1.2e-3 for
pre-trained weights and 6e-4 to 3e-3 for random ones."""

POINT = 1.0
"""Percentage points that AG News may lie below logistic regression."""

CORE_SECONDS = 2 * 600
"""All splits of a set take so many at most: ten minutes of two cores."""


@dataclass(frozen=True)
class LabelledSet:
    """A set, its rows, and how long it is learnt from.

    Attributes:
        kinds: of models that are measured on it.
        held_to_peer: whether ours must come near the peer's accuracy.
    """

    read: Callable[[Path], Rows]
    counts: Counts
    epochs: int
    kinds: tuple[str, ...] = ("encoder",)
    held_to_peer: bool = False


BOTH = ("encoder", "decoder")

SETS: Mapping[str, LabelledSet] = {
    "AG News": LabelledSet(ag_news, Counts(5320, 760, 1520), 3, held_to_peer=True),
    "SMS spam": LabelledSet(sms, Counts(3600, 500, 1050), 3),
    "TREC": LabelledSet(trec, Counts(3800, 540, 1030), 6, BOTH),
    "sentence polarity": LabelledSet(polarity, Counts(7400, 1060, 2120), 3),
}


def measure(name: str, options: Options) -> list[Row]:
    """Rows of one set: both kinds of model from both beginnings, and the peer."""
    models = {"decoder": options.require("base"), "encoder": options.require("encoder")}
    chosen, splits, kept = SETS[name], 2 if options.quick else 5, Kept(f"finetune {name}")
    counts = Counts(*(each // 8 for each in chosen.counts)) if options.quick else chosen.counts
    with tempfile.TemporaryDirectory() as folder:
        data = distinct(chosen.read(options.corpora))
        files = [write_split(data, Path(folder) / str(seed), seed, counts) for seed in range(splits)]
        found: dict[str, list[Figures]] = options.attempt(
            f"{name}, rows of scikit-learn", partial(_peer, options, files), {}
        )
        for kind in chosen.kinds:
            study = _study(f"{name}, {kind}", models[kind], files, chosen, counts, kept)
            found |= {f"{kind}, {arm}": each for arm, each in study.results(ARMS).items()}
    given = {kind: _told(models[kind], counts, chosen, splits) for kind in chosen.kinds}
    print(f"\n{name}, {given['encoder']}\n\n{table(found, FIGURES)}\n", flush=True)
    kept.done()
    return _rows(name, found, chosen, given)


def _study(
    name: str, model: Path, files: Sequence[tuple[Path, ...]], chosen: LabelledSet, counts: Counts, kept: Kept
) -> Study:
    rows = 32
    steps = chosen.epochs * -(-counts.train // rows)
    shared = {
        "steps": steps,
        "batch_rows": rows,
        "eval_every": max(1, steps // chosen.epochs),
        "choose": "accuracy",
        "dropout": 0.1,
        "label_smoothing": 0.1,
        "text": "text",
        "label": "label",
    }
    return Study(name, model, "classify", files, shared, figures_of, kept)  # type: ignore[arg-type]


def _peer(options: Options, files: Sequence[tuple[Path, ...]]) -> dict[str, list[Figures]]:
    python = options.require_peers("scikit-learn")
    [version] = peer_versions(python, ["scikit-learn"])
    script = Path(__file__).parent / "peers" / "tfidf.py"
    called = [os.path.abspath(python), str(script), *(str(train.parent) for train, *_ in files)]
    done = subprocess.run(called, check=True, capture_output=True, text=True)
    return {f"scikit-learn {version}, {TFIDF}": json.loads(done.stdout)}


def _told(model: Path, counts: Counts, chosen: LabelledSet, splits: int) -> str:
    rows = f"{counts.train:,} rows to learn from, {counts.validation} to choose by, {counts.test:,} to score"
    return f"{shape_of(model)}; {splits} splits, {rows}; {chosen.epochs} epochs of batches of 32; {threads()}"


def _rows(
    name: str, found: Mapping[str, list[Figures]], chosen: LabelledSet, told: Mapping[str, str]
) -> list[Row]:
    """A row for each arm; bars stand on those of the pre-trained models."""
    rows = []
    peer = next((_mean(each) for arm, each in found.items() if arm.endswith(TFIDF)), None)
    for arm, results in found.items():
        kind, _, beginning = arm.partition(", ")
        what, given = f"{name}, accuracy: {arm}", told.get(kind, told["encoder"])
        note = f"{said(results, 'accuracy')}; macro-F1 {said(results, 'macro F1')}"
        tool, bar, met = OURS if kind in told else kind, None, None
        if beginning == LEARNT:
            bar = "above random weights by more than the spread"
            met = _is_above(results, found[f"{kind}, {DRAWN}"])
        rows.append(Row(what, tool, round(_mean(results), 2), "%", None, None, bar, met, given, note))
        if beginning == LEARNT:
            rows.append(_time_row(f"{name}: {kind}, all splits", results, given))
            if chosen.held_to_peer and peer is not None:
                rows.append(_distance_row(f"{name}: {kind}", peer - _mean(results), given))
    return rows


def _mean(results: Sequence[Figures]) -> float:
    return spread([each["accuracy"] for each in results])[0]


def _is_above(results: Sequence[Figures], others: Sequence[Figures]) -> bool:
    """Whether the means lie further apart than the greater of the two spreads."""
    (mean, own), (other, theirs) = (spread([row["accuracy"] for row in each]) for each in (results, others))
    return mean - other > max(own, theirs)


def _distance_row(what: str, points: float, given: str) -> Row:
    said_bar, met = f"value at most {POINT:g}", points <= POINT
    what += ", accuracy below logistic regression"
    return Row(what, OURS, round(points, 2), "points", None, None, said_bar, met, given)


def _time_row(what: str, results: Sequence[Figures], given: str) -> Row:
    took = sum(each["seconds"] for each in results) * torch.get_num_threads()
    bar, met = f"value at most {CORE_SECONDS:,}", took <= CORE_SECONDS
    return Row(what, OURS, round(took), "core seconds", None, None, bar, met, given)


GROUPS = {name: partial(measure, name) for name in SETS}

if __name__ == "__main__":
    sys.exit(run_benchmark("finetune", GROUPS, paths=MODELS))
