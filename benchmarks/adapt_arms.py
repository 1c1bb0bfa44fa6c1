"""What the groups of `benchmarks.adapt` share: arms of fine-tuning, their rates, and what single runs gave.

An arm is a way of fine-tuning: where it begins and what learns. Its rate is the best of some on the
validation rows of the first split; the test rows of that split and of the others are never chosen by. What a
run gave is kept on disk at once, so that a benchmark that was interrupted goes on where it was.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from corpuskit.storage.files import json_bytes, read_sealed, seal, sha256_file, sha256_json
from corpuskit.train import TrainResult
from corpuskit.train.finetune import PURPOSES, finetune_model
from corpuskit.train.generate.generate import WEIGHTS, LanguageModel
from corpuskit.train.hub.export import save_tensors
from corpuskit.train.model.transformer import initialise
from corpuskit.train.result import RESUMABLE

KEPT = Path("build/benchmarks/adapt")
FIXED = {"device": "cpu", "compile": "off"}
"""Settings of all runs: nothing is compiled, which short runs do not pay for."""

Figures = dict[str, float]


@dataclass(frozen=True)
class Arm:
    """A way of fine-tuning.

    Attributes:
        name: in rows.
        rates: what its learning rate is chosen from.
        settings: beside those that all arms of a group share.
        random: whether it begins with random weights of the same shape.
    """

    name: str
    rates: tuple[float, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    random: bool = False


# --------------------------------------------------------------------------------------------------- the runs
class Kept:
    """What single runs of a group gave, a line each, until the group is done; quick ones by themselves."""

    def __init__(self, group: str, quick: bool) -> None:
        self._path = KEPT / f"{group}{'-quick' if quick else ''}.jsonl"
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() else []
        self._found: dict[str, Figures] = dict(json.loads(line) for line in lines)
        if self._found:
            self._say(f"{len(self._found)} runs of an interrupted benchmark are kept: {self._path}")

    def get(self, what: Mapping[str, Any], run: Callable[[], Figures]) -> Figures:
        """What a run gives, by all that it depends on; a line of it is told."""
        key = sha256_json(what)
        if key not in self._found:
            self._found[key] = run()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, self._found[key]]) + "\n")
        said = ", ".join(f"{name} {value:.4g}" for name, value in self._found[key].items())
        self._say(f"{' '.join(f'{name}={each}' for name, each in what.items() if name != 'base')}: {said}")
        return self._found[key]

    def done(self) -> None:
        """Forget them: a benchmark that is called again measures again."""
        self._path.unlink(missing_ok=True)

    @staticmethod
    def _say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)


def random_weights(model: Path, out: Path, seed: int) -> Path:
    """A model folder of the same shape and tokenizer, its weights drawn as those of a new run."""
    begun = LanguageModel.load(model)
    initialise(begun.model, seed)
    out.mkdir()
    (out / "tokenizer.json").write_bytes((model / "tokenizer.json").read_bytes())
    save_tensors(out / WEIGHTS, begun.model.state_dict())
    document = read_sealed(model / "model.json")
    document["files"] = {name: sha256_file(out / name) for name in (WEIGHTS, "tokenizer.json")}
    (out / "model.json").write_bytes(json_bytes(seal(document)))
    return out


def tune(model: Path, data: Path, out: Path, task: str, settings: Mapping[str, Any]) -> TrainResult:
    """A run of fine-tuning, as anybody would do it; one that is stopped ends the benchmark.

    A signal ends a run well, with what it has learnt so far: that is no figure of a whole one.
    """
    result = finetune_model(
        model, str(data), out, task, PURPOSES[task].settings(**FIXED, **settings), overwrite=True
    )
    if result.reason in RESUMABLE:
        raise SystemExit(f"{task}: {result.reason} after step {result.step}: nothing of this run is kept")
    return result


def shape_of(model: Path) -> str:
    """A model in words."""
    found = LanguageModel.load(model).model
    shape, count = found.settings, sum(each.numel() for each in found.parameters())
    return f"{shape.kind}, {shape.layers} layers of {shape.width}, {count / 1e6:.1f}M parameters"


def fingerprint(model: Path) -> str:
    """What tells a model from others."""
    return sha256_file(model / WEIGHTS)[:16]


# ------------------------------------------------------------------------------------------- arms on splits
Measure = Callable[[Path, TrainResult], Figures]
"""The figures of a tuned model, of which "validation" is what its rate is chosen by: more is better."""


@dataclass
class Study:
    """Arms that learn from the same splits of one data set and are measured on the same rows.

    Attributes:
        name: of the data set.
        model: what is begun with.
        task: of `PURPOSES`.
        splits: file to learn from, file to choose by, and file to measure on, for each split.
        shared: settings of all arms.
        measure: the figures of a tuned model on a split.
    """

    name: str
    model: Path
    task: str
    splits: Sequence[tuple[Path, Path, Path]]
    shared: Mapping[str, Any]
    measure: Callable[[TrainResult, Path], Figures]
    kept: Kept

    def results(self, arms: Sequence[Arm]) -> dict[str, list[Figures]]:
        """Of each arm the figures on each split, with its rate among them."""
        return {arm.name: self._arm(arm) for arm in arms}

    def _arm(self, arm: Arm) -> list[Figures]:
        first = {rate: self._run(arm, 0, rate) for rate in arm.rates}
        rate = max(first, key=lambda each: first[each]["validation"])
        rest = [self._run(arm, split, rate) for split in range(1, len(self.splits))]
        return [{**each, "rate": rate} for each in (first[rate], *rest)]

    def _run(self, arm: Arm, split: int, rate: float) -> Figures:
        train, validation, test = self.splits[split]
        settings = {**self.shared, **arm.settings, "learning_rate": rate, "seed": split}
        what = {"data": self.name, "arm": arm.name, "split": split, "rate": rate}
        unseen = {
            "base": fingerprint(self.model),
            "settings": settings,
            "threads": torch.get_num_threads(),
            "files": _digests(train, validation, test),
        }

        def run() -> Figures:
            with tempfile.TemporaryDirectory() as folder:
                work, model = Path(folder), self.model
                if arm.random:
                    model = random_weights(self.model, work / "random", split)
                held = {"validation": str(validation), "test": str(test)}
                result = tune(model, train, work / "tuned", self.task, {**settings, **held})
                core_seconds = result.seconds * torch.get_num_threads()
                return {**self.measure(result, test), "core seconds": core_seconds}

        return self.kept.get({**what, "base": unseen}, run)


def _digests(*files: Path) -> list[str]:
    return [sha256_file(each) for each in files]


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation."""
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def said(found: Sequence[Figures], figure: str) -> str:
    """Spread of a figure in words, and the rate of its arm."""
    values = [each[figure] for each in found]
    mean, deviation = spread(values)
    rate = f"; learning rate {found[0]['rate']:g}" if "rate" in found[0] else ""
    form = ".4f" if figure == "loss" else ".2f"
    least, most = min(values), max(values)
    return f"{mean:{form}} ± {deviation:{form}}, {least:{form}} to {most:{form}} over {len(values)}{rate}"


def table(found: Mapping[str, Sequence[Figures]], figures: Mapping[str, str]) -> str:
    """Means and spreads as a Markdown table, an arm a line."""
    lines = ["| | " + " | ".join(figures.values()) + " |", "|---|" + "---:|" * len(figures)]
    for arm, results in found.items():
        cells = (spread([each[figure] for each in results]) for figure in figures)
        lines.append(f"| {arm} | " + " | ".join(f"{mean:.2f} ± {each:.2f}" for mean, each in cells) + " |")
    return "\n".join(lines)


def threads() -> str:
    """Threads that torch computes with, in words."""
    count = torch.get_num_threads()
    return f"{count} thread{'' if count == 1 else 's'}"
