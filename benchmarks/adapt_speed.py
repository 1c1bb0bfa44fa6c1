"""How fast steps of fine-tuning are, the group "speed" of `benchmarks.adapt`.

Ours is the run that `corpuskit finetune` does, in a process of its own; Hugging Face's Trainer trains the
export of the same model on the same rows in the same batches, with peft where adapters learn, and litgpt's
script for LoRA a checkpoint made of the export. Sides take turns. A step lasts from the end of one to the end
of the next, with what is read for it. That all do the same is checked: the loss of the first step, the
threads, and how many numbers learn where these are adapters, of which that loss says nothing.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import adapt_examples as examples
from benchmarks.adapt_arms import FIXED, shape_of, threads, tune
from benchmarks.adapt_data import INSTRUCTIONS, distinct, trec, write_rows
from benchmarks.harness import OURS, Bar, Options, Row, compare, peer_versions
from corpuskit.train.hub.export import export_model

PEERS = Path(__file__).parent / "peers"
RANK, ALPHA, TARGETS = 8, 16.0, ("q", "k", "v", "o")
RATE = 1e-4
WARM_UP = 5
CLOSE = {"fp32": 1e-4, "bf16": 1e-3}
"""How far the first losses of two sides may lie apart, as a share."""


@dataclass(frozen=True)
class Scale:
    """How much is done: steps of a run behind the first ones, and runs of each side."""

    steps: int
    rounds: int


FULL, QUICK = Scale(steps=40, rounds=3), Scale(steps=10, rounds=1)


class Job(NamedTuple):
    """What is timed: a task, rows of a batch, the model that ours begins with, its export and the data."""

    task: str
    batch_rows: int
    model: Path
    export: Path
    data: Path


def speed(options: Options) -> list[Row]:
    """Steps a second of classification, all weights, and of instruction tuning by adapters."""
    base, scale = options.require("base"), QUICK if options.quick else FULL
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for job in (_classification(base, options.corpora, work), _instruction(base, options.corpora, work)):
            for precision in CLOSE:
                found = _turns(options, job, precision, scale, work)
                rows += _rows(base, job, precision, scale, found)
    return rows


def _classification(base: Path, corpora: Path, work: Path) -> Job:
    """Questions, by a model that has their classes already: they begin as others' do."""
    data = write_rows(work / "trec.jsonl", distinct(trec(corpora))[:2000])
    settings = {"steps": 1, "learning_rate": 1e-9, "validation": "0", "text": "text", "label": "label"}
    tune(base, data, work / "classifier", "classify", settings)
    export_model(work / "classifier", work / "classifier-export", check=False)
    return Job("classify", 16, work / "classifier", work / "classifier-export", data)


def _instruction(base: Path, corpora: Path, work: Path) -> Job:
    export_model(base, work / "export", check=False)
    return Job("instruct", 8, base, work / "export", corpora / INSTRUCTIONS)


# -------------------------------------------------------------------------------------------------- the sides
def _settings(job: Job, precision: str, steps: int) -> dict[str, Any]:
    """Settings of ours; nothing but steps is done between the first and the last."""
    rows = {"batch_rows": job.batch_rows, "micro_batch_rows": job.batch_rows}
    length = {"steps": steps, "eval_every": steps, "save_every": steps, "sample_at": (steps,)}
    found = {**FIXED, **rows, **length, "validation": "0", "learning_rate": RATE, "precision": precision}
    if job.task == "classify":
        return found | {"text": "text", "label": "label"}
    return found | {"pack": False, "lora_rank": RANK, "lora_alpha": ALPHA, "lora_targets": TARGETS}


def _turns(
    options: Options, job: Job, precision: str, scale: Scale, work: Path
) -> dict[str, list[dict[str, Any]]]:
    """What each side said of each of its runs, by tool; sides take turns."""
    steps = WARM_UP + scale.steps
    settings = _settings(job, precision, steps)
    place = work / f"{job.task}-{precision}"
    place.mkdir()
    task = examples.encode(job.model, job.data, job.task, settings, place / "examples")
    batches = examples.write(place / "batches.json", examples.batches(task, steps))
    spec = {"model": str(job.model), "data": str(job.data), "task": job.task, "settings": settings}
    sides = {OURS: ([sys.executable, "-m", "benchmarks.adapt_steps"], spec)}
    sides |= _peers(options, job, precision, batches, steps)
    found: dict[str, list[dict[str, Any]]] = {tool: [] for tool in sides}
    for turn in range(scale.rounds):
        for number, (tool, (command, said)) in enumerate(sides.items()):
            out = place / f"out-{number}-{turn}"
            found[tool].append(asked(command, {**said, "out": str(out)}))
            seconds = statistics.median(_steps(found[tool][-1]["walls"]))
            print(f"{job.task}, {precision}, {tool}: {seconds:.4f} s a step", file=sys.stderr, flush=True)
    return found


def _peers(
    options: Options, job: Job, precision: str, batches: Path, steps: int
) -> dict[str, tuple[list[str], dict[str, Any]]]:
    """Command and specification of each peer that is there."""
    lora = job.task == "instruct"
    needed = ("transformers", "accelerate", *(("peft", "litgpt") if lora else ()))
    there = options.there(f"speed of {job.task}, {precision}", needed)
    python, found = os.path.abspath(options.peers), {}
    versions = dict(zip(there, peer_versions(options.peers, there), strict=True)) if there else {}
    said = {"model": str(job.export), "batches": str(batches), "train": str(batches), "task": job.task}
    said |= {"precision": precision, "rate": RATE, "rank": RANK if lora else 0, "alpha": ALPHA}
    said |= {"targets": TARGETS, "steps": steps, "batch_rows": job.batch_rows, "mlp": False, "seed": 1}
    said |= {"held_out": "", "warmup": 1, "beta2": 0.99}
    if set(needed[:3]) <= versions.keys():
        name = f"Trainer of transformers {versions['transformers']}"
        name += f" with peft {versions['peft']}" if lora else ""
        found[name] = ([python, str(PEERS / "tuning_hf.py")], said)
    if lora and "litgpt" in versions:
        found[f"litgpt {versions['litgpt']}"] = ([python, str(PEERS / "tuning_litgpt.py")], said)
    return found


def asked(command: Sequence[str], spec: Mapping[str, Any]) -> dict[str, Any]:
    """What a side says of its run."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([*command, json.dumps(spec)], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


# --------------------------------------------------------------------------------------------------- the rows
def _steps(clock: Sequence[float]) -> list[float]:
    """What each step behind the first ones took."""
    return [after - before for before, after in zip(clock[WARM_UP - 1 :], clock[WARM_UP:], strict=False)]


def _rows(
    base: Path, job: Job, precision: str, scale: Scale, found: Mapping[str, list[dict[str, Any]]]
) -> list[Row]:
    first = {tool: runs[0]["losses"][0] for tool, runs in found.items()}
    for tool, loss in first.items():
        if abs(loss / first[OURS] - 1) > CLOSE[precision]:
            raise RuntimeError(f"{job.task}, {precision}: the first loss is {first[OURS]}, of {tool} {loss}")
    for name in ("threads", *(("learning",) if job.task == "instruct" else ())):
        if len({runs[0][name] for runs in found.values()}) > 1:
            each = ", ".join(f"{runs[0][name]:,} of {tool}" for tool, runs in found.items())
            raise RuntimeError(f"{job.task}, {precision}: {name}: {each}")
    learnt = f"LoRA of rank {RANK} on q, k, v, o" if job.task == "instruct" else "all weights"
    given = (
        f"{shape_of(base)}; batches of {job.batch_rows}, {learnt}, {precision}; {threads()}; medians of "
        f"{scale.steps} steps, {scale.rounds} runs in turns"
    )
    losses = ", ".join(f"{loss:.6f} {tool}" for tool, loss in first.items())
    rows = []
    for clock, unit, what in (("walls", "s", "a step"), ("cpus", "s", "processor time of a step")):
        medians = {
            tool: statistics.median(statistics.median(_steps(run[clock])) for run in runs)
            for tool, runs in found.items()
        }
        ours = medians.pop(OURS)
        rows += compare(
            f"{job.task}, {precision}: {what}", ours, medians, unit=unit, better="lower",
            bar=Bar(1) if medians else None, input=given, note=f"loss of the first step: {losses}",
        )  # fmt: skip
    return rows
