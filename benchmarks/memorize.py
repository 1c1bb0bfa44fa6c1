"""What keeps a small model from learning its corpus by heart, and what each remedy costs.

    python -m benchmarks.memorize [--quick] [--json FILE]

Documents of Shakespeare stand 1, 10 and 100 times in the training split, and so do canaries. One model is
trained for long with nothing against it, others with one remedy each; all are asked for the planted
documents and canaries, and their loss on held-out text is the cost. Deduplication is done by the build, on an
input with the copies in it, and what is left is read as often; early stopping takes the weights with least
validation loss of the untreated run. Canaries are planted behind deduplication, which cannot remove them.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.harness import OURS, Options, Row, run_benchmark
from corpuskit.build.build import build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.shards.canaries import read_canaries
from corpuskit.shards.ngrams.index import open_index
from corpuskit.shards.reader import Shards
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.memorize.exposure import exposures
from corpuskit.train.memorize.extract import extract
from corpuskit.train.memorize.memorize import canaries_by_copies, load_weights
from corpuskit.train.memorize.scoring import score_windows
from corpuskit.train.memorize.windows import draw_windows

TEXT = "small_lm/tinyshakespeare/input.txt"
COPIES = (1, 10, 100)
PREFIX, NEXT = 32, 32


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Attributes:
        characters: of the text, from its beginning.
        planted: documents, and canaries, for each number of copies.
        seeds: each arm is trained with so many.
    """

    characters: int
    planted: int
    steps: int
    seeds: int
    layers: int
    width: int
    context: int


# Enough readings that the held-out loss of the untreated model turns: else there is nothing to stop early.
QUICK = Scale(characters=60_000, planted=2, steps=900, seeds=2, layers=2, width=96, context=64)
FULL = Scale(characters=250_000, planted=6, steps=1600, seeds=3, layers=2, width=160, context=128)

ARMS: Mapping[str, Mapping[str, Any]] = {
    "nothing": {},
    "early stopping": {},
    "deduplication": {},
    "goldfish 1 in 4": {"goldfish": 4},
    "dropout 0.2": {"dropout": 0.2},
    "weight decay 0.3": {"weight_decay": 0.3},
    "smaller model": {},
}
"""Settings of each arm beside those that all share."""


def collect(options: Options) -> list[Row]:
    """Build, train and ask; rows of each arm."""
    scale = QUICK if options.quick else FULL
    text = (options.corpora / TEXT).read_text(encoding="utf-8")[: scale.characters]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        runs = _runs(work, text, scale)
        found: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
        for seed in range(scale.seeds):
            for arm in ARMS:
                found[arm].append(_arm(work, runs, scale, seed, arm))
                print(f"seed {seed}: {arm}: {_told(found[arm][-1])}", file=sys.stderr, flush=True)
        tokens = Shards(runs["copies"] / "shards").split("train").tokens
    print(_table(found))
    model = f"{scale.layers} layers of {scale.width}, {scale.steps} steps, {scale.seeds} seeds"
    return _rows(found, f"tinyshakespeare, {tokens:,} training tokens with copies; {model}")


# -------------------------------------------------------------------------------------------- the corpora
def _documents(text: str) -> list[str]:
    """The text in documents of some speeches, each of 400 characters at least."""
    found, speech = [], ""
    for part in text.split("\n\n"):
        speech += f"{part}\n\n"
        if len(speech) >= 400:
            found.append(speech)
            speech = ""
    return found


def _runs(work: Path, text: str, scale: Scale) -> dict[str, Path]:
    """Two runs: one whose planted documents stand so often, one whose copies deduplication has removed."""
    rows = [{"id": f"d{number}", "text": each} for number, each in enumerate(_documents(text))]
    _build(work, "plain", rows, "tokenizer: {vocab_size: 1024}")
    # Documents that are trained on, in an order that has nothing to do with the text.
    table = pq.read_table(work / "plain" / "documents").select(["id", "split", "text"]).to_pylist()
    trained = [row for row in table if row["split"] == "train"]
    trained.sort(key=lambda row: hashlib.sha256(row["id"].encode()).digest())
    times = [copies for copies in COPIES for _ in range(scale.planted)]
    planted = dict(zip((row["id"] for row in trained), times, strict=False))
    repeated = {identity: copies for identity, copies in planted.items() if copies > 1}
    given = f"tokenizer: {{file: {work / 'plain' / 'tokenizer' / 'tokenizer.json'}}}"
    canaries = (
        f"canaries: {{count: {scale.planted}, copies: [0, 1, 10, 100],"
        ' format: "{name} hid the key under stone {digits:3}"}'
    )
    _build(work, "copies", rows, f"{given}\n{canaries}\nrepeat: {{ids: {json.dumps(repeated)}}}")
    texts = {row["id"]: row["text"] for row in trained}
    again = [
        {"id": f"copy-{identity}-{number}", "text": texts[identity]}
        for identity, copies in repeated.items()
        for number in range(1, copies)
    ]
    _build(work, "deduplicated", rows + again, f"{given}\n{canaries}", "stages: [exact_duplicates]")
    (work / "planted.json").write_text(json.dumps(planted), encoding="utf-8")
    return {name: work / name for name in ("copies", "deduplicated")}


def _build(work: Path, name: str, rows: list[dict[str, str]], more: str, stages: str = "") -> None:
    source = work / f"{name}-input"
    source.mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (source / "rows.jsonl").write_text(lines, encoding="utf-8")
    recipe = work / f"{name}.yaml"
    split = "shards: {split: {validation: 0.1}}"
    words = [f"sources: [files: {{path: {source}, label: plays}}]", stages, more, split]
    recipe.write_text("\n".join(words) + "\n", encoding="utf-8")
    build_corpus(load(recipe), work / name)


# ------------------------------------------------------------------------------------ training and asking
def _arm(work: Path, runs: Mapping[str, Path], scale: Scale, seed: int, arm: str) -> dict[str, float]:
    """The figures of an arm for one seed."""
    out, run = work / f"{arm}-{seed}".replace(" ", "-"), runs["copies"]
    weights, width = "last", scale.width
    if arm == "deduplication":
        run = runs["deduplicated"]
    elif arm == "smaller model":
        width //= 2
    elif arm == "early stopping":  # That of the first arm, whose best weights were kept.
        out, weights = work / f"nothing-{seed}", "best"
    if not out.exists():
        # Each reads its corpus equally often, so that a smaller one is not read to pieces.
        tokens = [Shards(each / "shards").split("train").tokens for each in (run, runs["copies"])]
        steps = round(scale.steps * tokens[0] / tokens[1])
        train_model(run, out, _settings(scale, steps, width, seed, ARMS[arm]))
    return _ask(out, run, weights, json.loads((work / "planted.json").read_text()))


def _settings(scale: Scale, steps: int, width: int, seed: int, own: Mapping[str, Any]) -> TrainSettings:
    shared = {"layers": scale.layers, "width": width, "heads": 4, "context": scale.context, "batch_rows": 16}
    shared |= {"steps": steps, "dropout": 0.0, "weight_decay": 0.0, "patience": 0, "seed": seed}
    shared |= {"eval_every": max(1, steps // 20), "sample_at": (steps,), "device": "cpu"}
    return TrainSettings(**{**shared, "precision": "fp32", "compile": "off", **own})


def _ask(out: Path, run: Path, weights: str, planted: Mapping[str, int]) -> dict[str, float]:
    """Share of windows of planted documents that is recited by copies, exposures, held-out loss."""
    model, shards = load_weights(out, weights, "cpu"), Shards(run / "shards")
    split = shards.split("train")
    numbers: dict[str, list[int]] = {str(copies): [] for copies in COPIES}
    first = 0
    for info in shards.splits["train"]:
        table = pq.read_table(shards.folder / f"{info.name}.provenance.parquet", columns=["id"])
        for number, identity in enumerate(table.column("id").to_pylist(), first):
            if (own := identity.partition("@")[0]) in planted:
                numbers[str(planted[own])].append(number)
        first += info.sequences
    index = open_index(run).split("train")
    figures = {}
    for copies, sequences in numbers.items():
        asked = extract(
            model, split, index, prefix=PREFIX, following=NEXT, most=400, only=np.array(sequences, np.int64)
        )
        figures[f"recited, {copies} copies"] = 100 * float(asked.extracted[: asked.sampled].mean())
    figures["recited, mean"] = statistics.mean(figures.values())
    held = draw_windows(shards.split("validation"), PREFIX + NEXT, 500)
    figures["held-out loss"] = float(score_windows(model, held.ids).losses.mean())
    for row in canaries_by_copies(exposures(model, read_canaries(run))):
        figures[f"exposure, {row['copies']} copies"] = row["exposure"]
        if row["copies"] == COPIES[-1]:
            figures["canaries recited"] = float(row["recited"])
    return figures


# --------------------------------------------------------------------------------------------- what is told
def _told(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in figures.items())


def _table(found: Mapping[str, list[dict[str, float]]]) -> str:
    """One table of all arms: means over seeds, and the half of their span behind them."""
    names = list(found["nothing"][0])
    rows = [["remedy", *names]]
    for arm, seeds in found.items():
        cells = []
        for name in names:
            values = [each[name] for each in seeds]
            cells.append(f"{statistics.mean(values):.2f} ±{(max(values) - min(values)) / 2:.2f}")
        rows.append([arm, *cells])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows)


_LOWERS = ("deduplication", "goldfish 1 in 4", "early stopping")
"""Remedies that must lower the share that is recited."""


def _rows(found: Mapping[str, list[dict[str, float]]], given: str) -> list[Row]:
    means = {
        arm: {name: statistics.mean(each[name] for each in seeds) for name in seeds[0]}
        for arm, seeds in found.items()
    }
    base, rows = means["nothing"], []
    rising = [base[f"recited, {copies} copies"] for copies in COPIES]
    bits = [base[f"exposure, {copies} copies"] for copies in COPIES]
    for what, values, unit in (("recited rises with copies", rising, "%"), ("exposure rises", bits, "bits")):
        told = ", ".join(f"{value:.2f} at {copies}" for copies, value in zip(COPIES, values, strict=True))
        met = values == sorted(values) and values[-1] > values[0]
        bar = "more at 100 than at 10 than at 1 copies"
        rows.append(Row(what, OURS, round(values[-1], 3), unit, bar=bar, met=met, input=given, note=told))
    for arm, figures in means.items():
        for name, value in figures.items():
            spread = [each[name] for each in found[arm]]
            unit = "%" if name.startswith("recited") else "nats" if name.endswith("loss") else "bits"
            unit = "canaries" if name == "canaries recited" else unit
            bar = met = None
            if arm in _LOWERS and name == "recited, mean":
                bar, met = "less than with nothing", value < base[name]
            note = f"{min(spread):.3f} to {max(spread):.3f} over seeds"
            if name == "held-out loss":
                note += f"; {value - base[name]:+.3f} to nothing"
            what = f"{arm}: {name}"
            rows.append(Row(what, OURS, round(value, 3), unit, bar=bar, met=met, input=given, note=note))
    return rows


if __name__ == "__main__":
    sys.exit(run_benchmark("memorize", collect))
