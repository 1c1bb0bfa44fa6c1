"""Labels of texts and of pairs of texts: the groups "ablation" and "pairs" of `benchmarks.adapt`."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.adapt_arms import Arm, Figures, Kept, Study, said, shape_of, spread, table, threads
from benchmarks.adapt_data import Counts, Rows, Split, distinct, pairs, read_rows, sms, trec, write_split
from benchmarks.harness import OURS, Options, Row, compare, peer_versions
from corpuskit.train import TrainResult
from corpuskit.train.evaluate.classification import classification_scores

FIGURES = {"accuracy": "accuracy, %", "macro F1": "macro-F1, %"}
ALL_WEIGHTS, ADAPTERS = "all weights", "LoRA"
RATES, HIGH_RATES = (3e-4, 1e-3, 3e-3), (1e-3, 3e-3, 1e-2)
ARMS = (
    Arm(ALL_WEIGHTS, RATES),
    Arm("all weights, from random ones", RATES, random=True),
    Arm(
        ADAPTERS,
        HIGH_RATES,
        {"lora_rank": 16, "lora_targets": ("q", "k", "v", "o", "gate", "up", "down")},
    ),
    Arm("the last two layers", RATES, {"last_layers": 2}),
    Arm("the head alone", (3e-3, 1e-2, 3e-2), {"last_layers": 0}),
)


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Attributes:
        splits: so many, each with a seed of its own.
        counts: rows of each data set in a split.
        epochs: of every arm.
    """

    splits: int
    counts: Mapping[str, Counts]
    epochs: int
    batch_rows: int = 32


ABLATION = Scale(5, {"TREC": Counts(1500, 400, 1000), "SMS": Counts(800, 400, 1500)}, epochs=4)
QUICK_ABLATION = Scale(2, {"TREC": Counts(400, 100, 300), "SMS": Counts(200, 100, 300)}, epochs=3)
READ: Mapping[str, Callable[[Path], Rows]] = {"TREC": trec, "SMS": sms}

PARAPHRASES = Scale(5, {"MSRP": Counts(2800, 300, 900)}, epochs=4)
QUICK_PARAPHRASES = Scale(2, {"MSRP": Counts(600, 100, 300)}, epochs=2)


# -------------------------------------------------------------------------------------------------- ablation
def ablation(options: Options) -> list[Row]:
    """Ways of fine-tuning one pre-trained model on the same splits, and the same from random weights."""
    model, scale = options.require("base"), QUICK_ABLATION if options.quick else ABLATION
    kept = Kept("ablation", options.quick)
    arms = [replace(arm, rates=arm.rates[1:2]) for arm in ARMS] if options.quick else ARMS
    rows = []
    for name, counts in scale.counts.items():
        with tempfile.TemporaryDirectory() as folder:
            data = distinct(READ[name](options.corpora))
            splits = splits_of(data, counts, scale, Path(folder))
            found = study_of(name, model, splits, counts, scale, kept).results(arms)
        rows += _ablation_rows(name, found, told(model, counts, scale))
        print(f"\n{name}, {told(model, counts, scale)}\n\n{table(found, FIGURES)}\n", flush=True)
    kept.done()
    return rows


def splits_of(data: Rows, counts: Counts, scale: Scale, work: Path) -> list[Split]:
    """The splits of a set, by their numbers."""
    return [write_split(data, work / str(seed), seed, counts) for seed in range(scale.splits)]


def study_of(
    name: str, model: Path, splits: Sequence[Split], counts: Counts, scale: Scale, kept: Kept, **own: Any
) -> Study:
    """Arms of classification on the same splits; with settings of their own beside those of all."""
    steps = scale.epochs * -(-counts.train // scale.batch_rows)
    every = max(1, steps // scale.epochs)
    shared = {"steps": steps, "batch_rows": scale.batch_rows, "eval_every": every, "choose": "accuracy"}
    shared |= {"text": "text", "label": "label", **own}
    return Study(name, model, "classify", splits, shared, figures_of, kept)


def figures_of(result: TrainResult, test: Path) -> Figures:
    """What a run has measured on its test rows, once."""
    found = {name: result.figures[f"test_{name}"] for name in ("accuracy", "macro_f1", "share")}
    accuracy, macro, share = (float(each or 0.0) for each in found.values())
    assert share == 1.0, "all rows are measured"
    chosen = float(result.figures["accuracy"] or 0.0)
    return {"accuracy": 100 * accuracy, "macro F1": 100 * macro, "validation": chosen}


def told(model: Path, counts: Counts, scale: Scale) -> str:
    """What a study is of, in words."""
    rows = f"{counts.train:,} rows to learn from, {counts.validation} to choose by, {counts.test:,} to score"
    return (
        f"{shape_of(model)}; {scale.splits} splits, {rows}; {scale.epochs} epochs of batches of "
        f"{scale.batch_rows}; {threads()}"
    )


def _ablation_rows(name: str, found: Mapping[str, Sequence[Figures]], given: str) -> list[Row]:
    """A row for each arm and figure; LoRA's is held against the spread of all weights."""
    rows = []
    for figure in FIGURES:
        whole, deviation = spread([each[figure] for each in found[ALL_WEIGHTS]])
        for arm, results in found.items():
            mean, _ = spread([each[figure] for each in results])
            bar, met = None, None
            if arm == ADAPTERS:
                bar, met = "at most the spread below all weights", mean >= whole - deviation
            note = said(results, figure)
            what = f"{name}, {figure}: {arm}"
            rows.append(Row(what, OURS, round(mean, 2), "%", None, None, bar, met, given, note))
    return rows


# ----------------------------------------------------------------------------------------------------- pairs
PAIR_ARM = Arm(OURS, (1e-4, 3e-4, 1e-3))


def paraphrases(options: Options) -> list[Row]:
    """Whether two sentences say the same, against the majority and against TF-IDF of both."""
    model, scale = options.require("encoder"), QUICK_PARAPHRASES if options.quick else PARAPHRASES
    kept, (counts,) = Kept("pairs", options.quick), scale.counts.values()
    arm = replace(PAIR_ARM, rates=PAIR_ARM.rates[1:2]) if options.quick else PAIR_ARM
    with tempfile.TemporaryDirectory() as folder:
        data = distinct(pairs(options.corpora))
        splits = splits_of(data, counts, scale, Path(folder))
        study = study_of("MSRP", model, splits, counts, scale, kept, pair="pair")
        found = {"majority": [_majority(train, test) for train, _, test in splits]}
        found |= options.attempt("pairs, rows of scikit-learn", lambda: tfidf(options, splits), {})
        found[OURS] = study.results([arm])[OURS]
    print(f"\nMSRP, {told(model, counts, scale)}\n\n{table(found, FIGURES)}\n", flush=True)
    kept.done()
    return _pair_rows(found, told(model, counts, scale))


def _majority(train: Path, test: Path) -> Figures:
    labels = sorted({row["label"] for row in read_rows(train)})
    [(most, _)] = Counter(row["label"] for row in read_rows(train)).most_common(1)
    gold = [labels.index(row["label"]) for row in read_rows(test)]
    shares = np.tile(np.eye(len(labels))[labels.index(most)], (len(gold), 1))
    scores = classification_scores(np.array(gold), shares, labels)
    return {"accuracy": 100 * scores["accuracy"], "macro F1": 100 * scores["macro_f1"]}


def tfidf(options: Options, splits: Sequence[Split]) -> dict[str, list[Figures]]:
    """Logistic regression on TF-IDF by the peers' Python, of pairs in two forms; figures of each split."""
    python = options.require_peers("scikit-learn")
    [version] = peer_versions(python, ["scikit-learn"])
    script = Path(__file__).parent / "peers" / "tfidf.py"
    called = [
        os.path.abspath(python),
        str(script),
        json.dumps([[str(file) for file in each] for each in splits]),
    ]
    done = subprocess.run(called, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return {f"scikit-learn {version}, {name}": results for name, results in found.items()}


def _pair_rows(found: Mapping[str, list[Figures]], given: str) -> list[Row]:
    rows = []
    for figure in FIGURES:
        means = {tool: spread([each[figure] for each in results])[0] for tool, results in found.items()}
        notes = {tool: said(results, figure) for tool, results in found.items()}
        ours, peers = means.pop(OURS), means
        own, *others = compare(
            f"MSRP, {figure}", round(ours, 2), {tool: round(each, 2) for tool, each in peers.items()},
            unit="%", better="higher", input=given, note=notes[OURS], notes=notes,
        )  # fmt: skip
        rows += [replace(own, bar="above each", met=ours > max(peers.values())), *others]
    return rows
