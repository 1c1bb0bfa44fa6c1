"""Classification by a model that was pre-trained here: accuracy on four labelled sets, five splits each.

    python -m benchmarks.finetune --base DECODER --encoder ENCODER [--quick] [--only SET] [--json FILE]

A set is learnt by the kinds of model that it names, of one shape (see benchmarks/README.md), from pre-trained
weights and from random ones, on the same rows and for as many epochs. The peer is logistic regression on
TF-IDF of words and pairs of words; it learns from the rows to choose by, too. "spread" is the standard
deviation over the splits.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.adapt import MODELS
from benchmarks.adapt_arms import Arm, Figures, Kept, said, spread, table
from benchmarks.adapt_data import Counts, Rows, ag_news, distinct, polarity, sms, trec
from benchmarks.adapt_labels import FIGURES, Scale, splits_of, study_of, tfidf, told
from benchmarks.harness import OURS, Options, Row, run_benchmark

_PEERS_INPUT = "the same splits; the rows to choose by are learnt from too"
LEARNT, DRAWN, TFIDF = "pre-trained", "random weights", "TF-IDF"
ARMS = (Arm(LEARNT, (6e-4,)), Arm(DRAWN, (1e-3,), random=True))
"""Rates were chosen by hand on one more split of AG News and of TREC, of the same rows otherwise held
out: 3e-4 to 1.2e-3 were tried from pre-trained weights, 6e-4 to 3e-3 from random ones."""
OWN = {"dropout": 0.1, "label_smoothing": 0.1}

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
    """Rows of one set: its kinds of model from both beginnings, and the peer."""
    chosen = SETS[name]
    models = {kind: options.require({"decoder": "base"}.get(kind, kind)) for kind in chosen.kinds}
    counts = Counts(*(each // 8 for each in chosen.counts)) if options.quick else chosen.counts
    scale = Scale(2 if options.quick else 5, {name: counts}, chosen.epochs)
    kept = Kept(f"finetune {name}", options.quick)
    with tempfile.TemporaryDirectory() as folder:
        splits = splits_of(distinct(chosen.read(options.corpora)), counts, scale, Path(folder))
        found: dict[str, list[Figures]] = options.attempt(
            f"{name}, rows of scikit-learn", partial(tfidf, options, splits), {}
        )
        for kind, model in models.items():
            study = study_of(f"{name}, {kind}", model, splits, counts, scale, kept, **OWN)
            found |= {f"{kind}, {arm}": each for arm, each in study.results(ARMS).items()}
    given = {kind: _given(model, counts, scale) for kind, model in models.items()}
    print(f"\n{name}, {' | '.join(given.values())}\n\n{table(found, FIGURES)}\n", flush=True)
    kept.done()
    return _rows(name, found, chosen, given)


def _given(model: Path, counts: Counts, scale: Scale) -> str:
    return f"{told(model, counts, scale)}; {', '.join(f'{name} {each}' for name, each in OWN.items())}"


def _rows(
    name: str, found: Mapping[str, list[Figures]], chosen: LabelledSet, given_of: Mapping[str, str]
) -> list[Row]:
    """A row for each arm; bars stand on those of the pre-trained models."""
    rows = []
    peer = next((_mean(each) for arm, each in found.items() if arm.endswith(TFIDF)), None)
    for arm, results in found.items():
        kind, _, beginning = arm.partition(", ")
        what, given = f"{name}, accuracy: {arm}", given_of.get(kind, _PEERS_INPUT)
        note = f"{said(results, 'accuracy')}; macro-F1 {said(results, 'macro F1')}"
        tool, bar, met = OURS if kind in given_of else kind, None, None
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
    took = sum(each["core seconds"] for each in results)
    bar, met = f"value at most {CORE_SECONDS:,}", took <= CORE_SECONDS
    return Row(what, OURS, round(took), "core seconds", None, None, bar, met, given)


GROUPS = {name: partial(measure, name) for name in SETS}

if __name__ == "__main__":
    sys.exit(run_benchmark("finetune", GROUPS, paths=MODELS))
