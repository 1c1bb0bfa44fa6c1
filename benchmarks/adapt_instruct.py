"""Instruction tuning, the group "instruct" of `benchmarks.adapt`: the loss of answers that were held out.

Ours and litgpt's scripts learn from the same conversations in the form that ours encodes, in batches of as
many, for as many steps, at a rate that warms up and falls along half a cosine to zero, by AdamW with the same
betas, no decay and no clipping of gradients, since litgpt does not clip. The order of the rows is each side's
own, by its seed. litgpt's model is the export of the same weights, its embedding tied to its head where ours
is. Both learn and are measured in float32, and say the same of the model before.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from benchmarks import adapt_examples as examples
from benchmarks.adapt_arms import Figures, Kept, fingerprint, said, shape_of, spread, threads, tune
from benchmarks.adapt_data import distinct, instructions, write_rows
from benchmarks.adapt_speed import ALPHA, PEERS, RANK, asked
from benchmarks.harness import OURS, MissingError, Options, Row, peer_versions
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.hub.export import export_model
from corpuskit.train.model.loss import IGNORED

MLP_TOO = ("q", "k", "v", "o", "gate", "up", "down")
WAYS: Mapping[str, Mapping[str, Any]] = {
    "all weights": {"rate": 1e-3, "rank": 0},
    "LoRA": {"rate": 3e-3, "rank": RANK},
}
SAME = 1e-4
"""How far the losses before may lie apart, as a share."""
NEVER = 1e6


@dataclass(frozen=True)
class Scale:
    """How much is done."""

    seeds: int
    steps: int
    held_out: int
    ways: tuple[str, ...]
    batch_rows: int = 8
    warmup: int = 20
    beta2: float = 0.99


FULL = Scale(seeds=5, steps=150, held_out=110, ways=("all weights", "LoRA"))
QUICK = Scale(seeds=2, steps=30, held_out=40, ways=("all weights", "LoRA"), warmup=5)


def instruct(options: Options) -> list[Row]:
    """Loss of held-out answers before, after ours, and after litgpt's."""
    base, scale = options.require("base"), QUICK if options.quick else FULL
    kept = Kept("instruct", options.quick)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(base, scale, options, kept, Path(folder))
        for way in scale.ways:
            rows += _rows(way, bench, *bench.results(way))
    kept.done()
    return rows


class _Bench:
    """Both sides on the same data."""

    def __init__(self, base: Path, scale: Scale, options: Options, kept: Kept, work: Path) -> None:
        self.base, self.scale, self.kept, self._work, self._options = base, scale, kept, work, options
        rows = distinct(instructions(options.corpora))
        random.Random(0).shuffle(rows)
        self._data = write_rows(work / "train.jsonl", rows[scale.held_out :])
        self._held_out = write_rows(work / "held-out.jsonl", rows[: scale.held_out])
        export_model(base, work / "export", check=False)
        task = examples.encode(base, self._data, "instruct", self._own(0, 1e-3, 0), work / "examples")
        assert task.validation_examples is not None
        self._rows = examples.write(work / "rows.json", examples.rows_of(task.train))
        self.held_out = examples.rows_of(task.validation_examples)
        self._held_out_rows = examples.write(work / "held-out.json", self.held_out)
        self.learnt = len(task.train)
        self.before = held_out_loss(base, self.held_out)

    def results(self, way: str) -> tuple[list[Figures], dict[str, list[Figures]]]:
        """What ours gives by seed, and what peers do by name."""
        try:
            python = self._options.require_peers("litgpt", "transformers")
            [version] = peer_versions(python, ["litgpt"])
        except MissingError as error:
            self._options.left_out.append(f"instruct, rows of litgpt: {error}")
            version = ""
        ours: list[Figures] = []
        theirs: dict[str, list[Figures]] = {f"litgpt {version}": []} if version else {}
        for seed in range(1, self.scale.seeds + 1):
            what = {"way": way, "seed": seed, "base": [fingerprint(self.base), repr(self.scale), WAYS[way]]}
            ours.append(self.kept.get({"tool": OURS, **what}, lambda seed=seed: self._ours(way, seed)))
            for name, found in theirs.items():
                found.append(self.kept.get({"tool": name, **what}, lambda seed=seed: self._litgpt(way, seed)))
        return ours, theirs

    def _own(self, seed: int, rate: float, rank: int) -> dict[str, Any]:
        scale = self.scale
        found = {"steps": scale.steps, "eval_every": scale.steps, "sample_at": (scale.steps,), "seed": seed}
        found |= {"batch_rows": scale.batch_rows, "warmup_steps": scale.warmup, "schedule": "cosine"}
        found |= {"learning_rate": rate, "beta2": scale.beta2, "weight_decay": 0.0, "clip": NEVER}
        found |= {"validation": str(self._held_out), "pack": False, "precision": "fp32"}
        lora = {"lora_rank": rank, "lora_alpha": ALPHA, "lora_targets": MLP_TOO} if rank else {}
        return found | lora

    def _ours(self, way: str, seed: int) -> Figures:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "tuned"
            tune(self.base, self._data, out, "instruct", self._own(seed, **WAYS[way]))
            return {"loss": held_out_loss(out, self.held_out)}

    def _litgpt(self, way: str, seed: int) -> Figures:
        scale = self.scale
        spec = {"model": str(self._work / "export"), "rows": str(self._rows), "batch_rows": scale.batch_rows}
        spec |= {"held_out": str(self._held_out_rows), "steps": scale.steps, "warmup": scale.warmup}
        spec |= {"beta2": scale.beta2, "seed": seed, "alpha": ALPHA, "mlp": True, **WAYS[way]}
        with tempfile.TemporaryDirectory() as folder:
            script = [os.path.abspath(self._options.peers), str(PEERS / "tuning_litgpt.py")]
            spec |= {"out": folder, "precision": "fp32"}
            found = asked(script, spec)
        if abs(found["before"] / self.before - 1) > SAME:
            raise RuntimeError(f"before: {self.before:.6f} nats, by litgpt {found['before']:.6f}")
        return {"loss": found["after"]}


@torch.inference_mode()
def held_out_loss(model: Path, rows: examples.Rows) -> float:
    """Nats a token of answers, in float32."""
    found, total, count = LanguageModel.load(model, "cpu").model, 0.0, 0
    for row in rows:
        labels = torch.tensor(row["labels"][1:])
        logits = found(torch.tensor([row["ids"][:-1]]))[0].float()
        logits = logits[:, : found.settings.vocab_size]
        total += float(functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum"))
        count += int((labels != IGNORED).sum())
    return total / count


def _rows(way: str, bench: _Bench, ours: list[Figures], theirs: Mapping[str, list[Figures]]) -> list[Row]:
    scale, rate = bench.scale, WAYS[way]["rate"]
    given = (
        f"{shape_of(bench.base)}; {bench.learnt} conversations to learn from, {len(bench.held_out)} held "
        f"out; {scale.steps} steps of {scale.batch_rows}, rate {rate:g}, {scale.seeds} seeds; {threads()}"
    )
    mean, deviation = spread([each["loss"] for each in ours])
    what = f"loss of held-out answers, {way}"
    met, bar = mean < bench.before, "below before"
    rows = [Row(what, f"{OURS}, before", round(bench.before, 4), "nats", input=given)]
    for tool, found in theirs.items():
        their_mean, their_deviation = spread([each["loss"] for each in found])
        bar += f", at most the spread above {tool}"
        met = met and mean <= their_mean + max(deviation, their_deviation)
        rows.append(Row(what, tool, round(their_mean, 4), "nats", input=given, note=said(found, "loss")))
    note = said(ours, "loss")
    print(f"{way}: before {bench.before:.4f}, ours {note}", file=sys.stderr, flush=True)
    return [Row(what, OURS, round(mean, 4), "nats", None, None, bar, met, given, note), *rows]
