"""Short forms of the sheets in ``pipelines/train`` and ``pipelines/workflows``: each is run, in minutes.

    python -m benchmarks.sheets [--quick] [--only NAME]... [--json FILE]

A sheet for training keeps its kind, norm, activation, optimizer, schedule and what holds it back; model,
batch and steps are small, and it reads the sample corpora. A workflow has a short form of its own. What a
sheet says behind "short" is what this has measured: tests hold the sheets to the committed results.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.adapt_arms import threads
from benchmarks.harness import OURS, Options, Row, run_benchmark
from corpuskit.build.build import build_corpus
from corpuskit.train import LanguageModel, TrainSettings, train_model
from corpuskit.train.settings.recipes import load_training_recipe, shipped
from corpuskit.workflow.file import load_workflow
from corpuskit.workflow.workflow import run_workflow

PIPELINES = Path(__file__).resolve().parents[1] / "pipelines"
SAMPLE = PIPELINES / "sample.yaml"

SHORT: Mapping[str, Any] = {
    "layers": 2,
    "width": 128,
    "heads": 4,
    "context": 128,
    "batch_rows": 8,
    "steps": 300,
    "eval_every": 100,
}
"""What is set otherwise than a sheet for training has it."""

LEFT_OUT = (
    *("size", "kv_heads", "hidden", "head_dim", "micro_batch_rows", "minutes", "warmup_steps", "sample_at"),
    *("parallel", "eval_tokens", "encoder_layers"),
)
"""Settings of a sheet that belong to its size."""


def short_settings(name: str) -> TrainSettings:
    """The settings of a sheet's short form; "tiny" is short as it is."""
    values = load_training_recipe(name)
    if name == "tiny":
        return TrainSettings.checked({**values, "device": "cpu"})
    kept = {key: value for key, value in values.items() if key not in LEFT_OUT}
    return TrainSettings.checked({**kept, **SHORT, "device": "cpu", "compile": "off"})


SHOWN = ("accuracy", "macro_f1", "exact_match", "chrf", "test_accuracy", "test_exact_match", "test_chrf")
"""Figures of a fine-tuned model that are told."""


def train_short(name: str, options: Options) -> list[Row]:
    """The loss of a sheet's short form, of held-out text of the sample corpora."""
    settings = short_settings(name)
    if options.quick:
        settings = settings.model_copy(update={"steps": 20})
    with tempfile.TemporaryDirectory() as folder:
        run, out = Path(folder) / "run", Path(folder) / "model"
        build_corpus(SAMPLE, run)
        began = time.perf_counter()
        result = train_model(run, out, settings)
        seconds = time.perf_counter() - began
        shape = LanguageModel.load(out).model.settings
    untrained = math.log(shape.vocab_size)
    loss = result.validation_loss
    assert loss is not None
    given = f"sample corpora, {result.steps} steps; {shape.kind}, {result.parameters:,} parameters"
    bar, note = f"below {untrained:.2f}, which knows nothing", f"{seconds:.0f} s, {threads()}"
    row = Row(
        f"{name}: held-out loss", OURS, round(loss, 3), "nats", None, None, bar, loss < untrained, given
    )
    return [replace(row, note=note)]


def workflow_short(name: str, options: Options) -> list[Row]:
    """What the short form of a workflow finds: of each step the figures that a person would look at."""
    with tempfile.TemporaryDirectory() as folder:
        flow = load_workflow(PIPELINES / "workflows" / f"{name}.yaml", Path(folder) / "out", short=True)
        done = run_workflow(flow).done
    given = f"its short form, {sum(facts['seconds'] for facts in done.values()):.0f} s; {threads()}"
    return [
        Row(f"{name}: {step}, {what}", OURS, value, unit, None, None, None, None, given)
        for step, facts in done.items()
        for what, value, unit in _figures(facts)
    ]


def _figures(facts: Mapping[str, Any]) -> Iterator[tuple[str, float, str]]:
    """Name, value and unit of what a step has found."""
    for set_of, models in (facts.get("right") or {}).items():
        for model, counts in models.items():
            yield f"{set_of}, right by {model}", counts["right"], f"of {counts['of']}"
    if facts.get("validation_loss") is not None:
        yield "held-out loss", round(facts["validation_loss"], 3), "nats"
    for figure, value in (facts.get("figures") or {}).items():
        if isinstance(value, float) and figure in SHOWN:
            yield figure.replace("_", " "), round(value, 3), "of 100" if figure.endswith("chrf") else "share"
    for each in facts.get("found") or []:
        yield f"nearest to {each['like']!r}", round(each["nearest"][0]["cosine"], 3), "cosine"


GROUPS: dict[str, Callable[[Options], list[Row]]] = {
    **{name: partial(train_short, name) for name in sorted(shipped())},
    **{
        path.stem: partial(workflow_short, path.stem)
        for path in sorted((PIPELINES / "workflows").glob("*.yaml"))
    },
}

if __name__ == "__main__":
    sys.exit(run_benchmark("sheets", GROUPS))
