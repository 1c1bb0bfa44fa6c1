"""Vectors of texts: transformers on the export, and how well vectors of news tell their subjects apart.

    python -m benchmarks.vectors --base DECODER --encoder ENCODER [--quick] [--only GROUP] [--json FILE]

`agreement`: vectors of ours against those that transformers makes of the exported models, the same ids padded
on the left and on the right. `centroids`: AG News, each text given the label whose mean vector, over the rows
to learn from, has the greatest cosine with its own; nothing else is learnt. "less the common part": the mean
of all those rows is taken from each vector first. Beside vectors of pre-trained models stand those of the
same models with random weights, another draw for each split (as training begins: blocks that add nothing, so
that a vector is a random projection of a text's tokens), the most frequent label, and TF-IDF of words by
scikit-learn with the same rule. "spread" is the standard deviation over splits, which share rows.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.adapt import MODELS
from benchmarks.adapt_arms import Figures, said, shape_of, spread, table, threads
from benchmarks.adapt_data import Rows, ag_news, distinct, write_rows
from benchmarks.harness import OURS, Bar, Options, Row, compare, peer_versions, run_benchmark
from corpuskit.train import LanguageModel, export_model
from corpuskit.train.model.transformer import Pooling, initialise

KINDS = {"encoder": "encoder", "decoder": "base"}
"""Kinds of model, and the options that give them."""

POOLINGS: tuple[Pooling, ...] = ("mean", "first", "last")
LEARNT, DRAWN, MOST = "pre-trained", "random weights", "the most frequent label"
FORMS = {"": False, " less the common part": True}
TOLERANCE = 1e-4
AGREEMENT_TEXTS = 64
Matrix = npt.NDArray[np.floating[Any]]


class Scale(NamedTuple):
    """How much is done: splits, rows to learn from, rows to measure on; all are drawn of as many rows."""

    splits: int
    train: int
    test: int
    rows: int


FULL, QUICK = Scale(5, 3000, 1000, 4000), Scale(5, 700, 300, 1000)


# ----------------------------------------------------------------------------------------------- agreement
def agreement(options: Options) -> list[Row]:
    """The greatest difference of any number, for each kind of model, pooling and side of the padding."""
    python = options.require_peers("transformers", "torch")
    [version] = peer_versions(python, ["transformers"])
    texts = [row["text"] for row in distinct(ag_news(options.corpora))[:AGREEMENT_TEXTS]]
    rows = []
    for kind, option in KINDS.items():
        folder = options.require(option)
        model = LanguageModel.load(folder)
        theirs = _theirs(python, folder, [model.tokenizer.encode(text) for text in texts])
        given = f"{shape_of(folder)}, {len(texts)} texts of AG News, float32; transformers {version}"
        for pooling in POOLINGS:
            own = model.embed(texts, pooling)
            off = max(float(np.abs(own - np.array(each[pooling])).max()) for each in theirs.values())
            what = f"{kind}, {pooling}: greatest difference from transformers on the export"
            bar = Bar(TOLERANCE, "value", "at most")
            sides = ", ".join(theirs)
            note = f"padded on the {sides}; numbers up to {np.abs(own).max():.1f}"
            rows += compare(what, off, {}, unit="difference", better="lower", input=given, bar=bar, note=note)
    return rows


def _theirs(python: Path, model: Path, ids: Sequence[Sequence[int]]) -> dict[str, dict[str, Any]]:
    """Vectors by pooling, for each side of the padding, as transformers makes them of the export."""
    script = Path(__file__).parent / "peers" / "vectors_hf.py"
    with tempfile.TemporaryDirectory() as work:
        export_model(model, Path(work) / "exported", check=False)
        (Path(work) / "ids.json").write_text(json.dumps([list(line) for line in ids]))
        called = [os.path.abspath(python), str(script), f"{work}/exported", f"{work}/ids.json"]
        done = subprocess.run(called, check=True, capture_output=True, text=True)
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


# ----------------------------------------------------------------------------------------------- centroids
def centroids(options: Options) -> list[Row]:
    """Accuracy of the nearest centroid by each kind of vector, on the same splits."""
    scale = QUICK if options.quick else FULL
    data = random.Random(0).sample(distinct(ag_news(options.corpora)), scale.rows)
    splits = [_split(scale, seed) for seed in range(scale.splits)]
    found = options.attempt("rows of scikit-learn", lambda: _tfidf(options, data, splits), {})
    peer = next(iter(found), None)
    labels = [row["label"] for row in data]
    found |= {MOST: [_most_frequent(labels, *split) for split in splits]}
    for kind, option in KINDS.items():
        found |= options.attempt(
            f"rows of the {kind}", lambda option=option: _arms(options.require(option), data, splits), {}
        )
    given = (
        f"{scale.rows:,} texts of AG News; {scale.splits} splits, {scale.train:,} to learn from, "
        f"{scale.test:,} to measure on; {threads()}"
    )
    print(f"\n{given}\n\n{table(found, {'accuracy': 'accuracy, %'})}\n", flush=True)
    return _rows(found, peer, given)


def _split(scale: Scale, seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the rows to learn from and to measure on."""
    order = random.Random(seed + 1).sample(range(scale.rows), scale.train + scale.test)
    return order[: scale.train], order[scale.train :]


def _arms(
    folder: Path, data: Rows, splits: Sequence[tuple[list[int], list[int]]]
) -> dict[str, list[Figures]]:
    """Figures of a pre-trained model by two poolings, and of random weights by the mean."""
    model, texts = LanguageModel.load(folder), [row["text"] for row in data]
    labels, kind = [row["label"] for row in data], model.model.settings.kind
    poolings: tuple[Pooling, ...] = ("mean", "last") if kind == "decoder" else ("mean", "first")
    found: dict[str, list[Figures]] = {}
    for pooling in poolings:
        vectors = model.embed(texts, pooling, normalize=True)
        for name, centred in FORMS.items():
            arm = f"{kind}, {pooling}{name}, {LEARNT}"
            found[arm] = [right(vectors, labels, *split, centred) for split in splits]
    for seed, split in enumerate(splits):
        initialise(model.model, seed)
        vectors = model.embed(texts, "mean", normalize=True)
        for name, centred in FORMS.items():
            arm = found.setdefault(f"{kind}, mean{name}, {DRAWN}", [])
            arm.append(right(vectors, labels, *split, centred))
    return found


def right(
    vectors: Matrix, labels: Sequence[str], train: Sequence[int], test: Sequence[int], centred: bool = False
) -> Figures:
    """Share of the rows to measure on, in percent, whose own label has the nearest centroid by the cosine.

    Args:
        centred: take the mean of the rows to learn from from all vectors, and give them the length 1 again.
    """
    if centred:
        vectors = vectors - vectors[list(train)].mean(0)
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    names = sorted(set(labels))
    gold = np.array([names.index(label) for label in labels])
    means = np.stack([vectors[[n for n in train if gold[n] == each]].mean(0) for each in range(len(names))])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    told = (vectors[list(test)] @ means.T).argmax(1)
    return {"accuracy": 100 * float((told == gold[list(test)]).mean())}


def _most_frequent(labels: Sequence[str], train: Sequence[int], test: Sequence[int]) -> Figures:
    [(most, _)] = Counter(labels[number] for number in train).most_common(1)
    return {"accuracy": 100 * sum(labels[number] == most for number in test) / len(test)}


def _tfidf(options: Options, data: Rows, splits: Sequence[Any]) -> dict[str, list[Figures]]:
    """Centroids of TF-IDF by the peers' Python."""
    python = options.require_peers("scikit-learn")
    [version] = peer_versions(python, ["scikit-learn"])
    script = Path(__file__).parent / "peers" / "tfidf_centroids.py"
    with tempfile.TemporaryDirectory() as work:
        rows = write_rows(Path(work) / "rows.jsonl", data)
        called = [os.path.abspath(python), str(script), str(rows), json.dumps(splits)]
        done = subprocess.run(called, check=True, capture_output=True, text=True)
    return {f"scikit-learn {version}, TF-IDF": [{"accuracy": each} for each in json.loads(done.stdout)]}


def _rows(found: Mapping[str, list[Figures]], peer: str | None, given: str) -> list[Row]:
    """A row for each arm; a bar stands on those of pre-trained models by the mean."""
    rows = []
    chance = spread([each["accuracy"] for each in found[MOST]])[0]
    for arm, results in found.items():
        mean, deviation = spread([each["accuracy"] for each in results])
        tool = peer.partition(",")[0] if peer and arm == peer else OURS
        bar, met = None, None
        if ", mean" in arm and arm.endswith(LEARNT):
            other, theirs = spread([each["accuracy"] for each in found[arm.replace(LEARNT, DRAWN)]])
            bar = "twice the most frequent label, above random weights by more than the spread"
            met = mean >= 2 * chance and mean - other > max(deviation, theirs)
        what = f"AG News by the nearest centroid, accuracy: {arm}"
        rows.append(
            Row(what, tool, round(mean, 2), "%", None, None, bar, met, given, said(results, "accuracy"))
        )
    return rows


GROUPS = {"agreement": agreement, "centroids": centroids}

if __name__ == "__main__":
    sys.exit(run_benchmark("vectors", GROUPS, paths=MODELS))
