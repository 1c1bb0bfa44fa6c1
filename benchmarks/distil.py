"""What a student of half the depth learns of its teacher at equal tokens, and what stored answers cost.

    python -m benchmarks.distil [--quick] [--only GROUP] [--json FILE]

All models read the same Shakespeare, character by character, in the same number of steps: a teacher, a
student of half its layers from scratch, and students that are distilled: as `corpuskit distill` does it,
beginning with the teacher's layers; from drawn weights; and from drawn weights with the teacher's stored
answers. Figures are losses on the whole validation split, means over seeds. How long a step takes is measured
in turns.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import OURS, Options, Row, run_benchmark, time_functions
from benchmarks.shakespeare import TEXT, write_run
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.corpus import Corpus
from corpuskit.train.data.teacher import StoreSettings
from corpuskit.train.distil import Distilling, distil_model, store_teacher
from corpuskit.train.loop import train_step
from corpuskit.train.parallel.processes import Grid, processes
from corpuskit.train.settings.distil import DistilSettings
from corpuskit.train.setup import make_learner

K = 16
"""Likeliest tokens that are stored of each position."""

SCRATCH, TEACHER, DISTILLED = "from scratch", "teacher", "distilled"
DRAWN, STORED = "distilled from drawn weights", f"distilled from drawn weights, stored top {K}"


@dataclass(frozen=True)
class Scale:
    """How much is done: the teacher's shape, steps of each model, and those that are timed together."""

    steps: int
    seeds: int
    layers: int
    width: int
    context: int
    timed: int


QUICK = Scale(steps=300, seeds=1, layers=4, width=64, context=64, timed=10)
FULL = Scale(steps=500, seeds=3, layers=4, width=64, context=64, timed=20)


def losses(options: Options) -> list[Row]:
    """Train teachers and students; rows of their losses."""
    scale = QUICK if options.quick else FULL
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        work, run = Path(folder), Path(folder) / "run"
        write_run(options.corpora / TEXT, run)
        for seed in range(scale.seeds):
            for arm, loss in _seed(work / str(seed), run, scale, seed).items():
                found.setdefault(arm, []).append(loss)
    return _loss_rows(found, _described(scale))


def _seed(work: Path, run: Path, scale: Scale, seed: int) -> dict[str, float]:
    """The losses of all models of one seed."""
    found: dict[str, float] = {}

    def keep(arm: str, train: Callable[[Path], Any]) -> None:
        found[arm] = train(work / arm.replace(" ", "-").replace(",", "")).validation_loss
        print(f"seed {seed}: {arm}: {found[arm]:.4f}", file=sys.stderr, flush=True)

    half = _settings(scale, scale.layers // 2, seed)
    keep(TEACHER, lambda out: train_model(run, out, TrainSettings(**_settings(scale, scale.layers, seed))))
    keep(SCRATCH, lambda out: train_model(run, out, TrainSettings(**half)))
    teacher, stored = work / TEACHER, work / "stored"
    store_teacher(teacher, run, stored, StoreSettings(k=K, context=scale.context), device="cpu")
    begun, drawn = (DistilSettings(**half, begin=begin) for begin in ("layers", "drawn"))
    keep(DISTILLED, lambda out: distil_model(teacher, run, out, begun))
    keep(DRAWN, lambda out: distil_model(teacher, run, out, drawn))
    keep(STORED, lambda out: distil_model(stored, run, out, drawn))
    return found


def _settings(scale: Scale, layers: int, seed: int) -> dict[str, Any]:
    """Settings of a model; the rest is chosen as for anybody."""
    shape = {"layers": layers, "width": scale.width, "heads": 4, "context": scale.context}
    length = {"batch_rows": 16, "steps": scale.steps, "eval_every": scale.steps, "patience": 0, "seed": seed}
    return {**shape, **length, "sample_at": (scale.steps,), "device": "cpu", "compile": "off"}


def _loss_rows(found: Mapping[str, list[float]], given: str) -> list[Row]:
    means = {arm: statistics.mean(values) for arm, values in found.items()}
    gap, rows = means[SCRATCH] - means[TEACHER], []
    for arm, values in found.items():
        bar, met, note = None, None, f"{min(values):.4f} to {max(values):.4f} over {len(values)} seeds"
        if arm == DISTILLED:
            bar, met = "below from scratch", means[arm] < means[SCRATCH]
        if arm == STORED:
            bar, met = "within 1 % of online", abs(means[STORED] / means[DRAWN] - 1) <= 0.01
            note += f"; {means[STORED] / means[DRAWN] - 1:+.2%} to online"
        rows.append(
            Row(f"loss, {arm}", OURS, round(means[arm], 4), "nats", None, None, bar, met, given, note)
        )
    for arm in (DISTILLED, DRAWN, STORED):
        closed = 100 * (means[SCRATCH] - means[arm]) / gap
        bar, met = ("50 % at least", gap > 0 and closed >= 50) if arm == DISTILLED else (None, None)
        what = f"gap from scratch to teacher closed, {arm}"
        note = f"the gap is {gap:.4f} nats"
        rows.append(Row(what, OURS, round(closed, 1), "%", None, None, bar, met, given, note))
    return rows


def times(options: Options) -> list[Row]:
    """Time steps of a student with no teacher, with stored answers and with the teacher itself, in turns."""
    scale = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory() as folder, processes(1, "cpu") as grid:
        work, run = Path(folder), Path(folder) / "run"
        write_run(options.corpora / TEXT, run)
        # How long a step takes does not depend on what a teacher knows: this one has made a single step.
        one = TrainSettings(**{**_settings(scale, scale.layers, 0), "steps": 1, "eval_every": 1})
        train_model(run, work / TEACHER, one)
        stored = StoreSettings(k=K, context=scale.context)
        store_teacher(work / TEACHER, run, work / "stored", stored, device="cpu")
        half = _settings(scale, scale.layers // 2, 0)
        student = DistilSettings(**half)
        sides = {
            "no teacher": _steps(Corpus(run), TrainSettings(**half), grid, scale.timed),
            "stored answers": _steps(Distilling(work / "stored", run), student, grid, scale.timed),
            "teacher online": _steps(Distilling(work / TEACHER, run), student, grid, scale.timed),
        }
        found = time_functions(sides, runs=9)
    plain, rows = found["no teacher"].cpu_s, []
    for side, timing in found.items():
        stands = side == "stored answers"
        met = timing.cpu_s <= 1.1 * plain if stands else None
        note = f"{timing.cpu_s / plain:.2f} times that of no teacher; spread {timing.spread:.0%}"
        rows.append(
            Row(
                f"processor time of a step, {side}",
                OURS,
                round(1000 * timing.cpu_s / scale.timed, 2),
                "ms",
                bar="at most 1.10 x no teacher" if stands else None,
                met=met,
                input=_described(scale),
                note=note,
            )
        )
    return rows


def _steps(job: Corpus, settings: TrainSettings, grid: Grid, count: int) -> Callable[[], None]:
    """A function that does so many steps of a job, other ones at each call."""
    setup = job.settle(settings, grid)
    learner, done = make_learner(setup.task, setup.weights, grid), [0]

    def go() -> None:
        for _ in range(count):
            batch = setup.task.batch(done[0], learner.rows)
            train_step(learner, done[0], 1e-3, batch).loss.item()
            done[0] += 1

    return go


def _described(scale: Scale) -> str:
    return (
        f"tinyshakespeare by characters, {scale.steps} steps of 16 rows of {scale.context}; teacher "
        f"{scale.layers} layers of {scale.width}, students {scale.layers // 2}; {scale.seeds} seeds"
    )


if __name__ == "__main__":
    sys.exit(run_benchmark("distil", {"losses": losses, "times": times}))
