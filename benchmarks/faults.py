"""What becomes of damaged files and of killed processes: nothing unnoticed, no byte different.

    python -m benchmarks.faults [--quick] [--json FILE] [--only damage|kills]

Damage: each class of file of a run and of a model is flipped, cut, emptied, deleted, lengthened, exchanged
for another and replaced by a folder; see `benchmarks.fault_damage`. Kills: 300 seeded SIGKILLs over builds
and training, 40 with --quick; see `benchmarks.fault_kills`. The tables of both go to standard error.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import fault_damage, fault_kills
from benchmarks.harness import Bar, Options, Row, compare, run_benchmark

KILLS, QUICK_KILLS = 300, 40
QUICK_SHARE = 0.05
"""Of the trials of damage, with --quick; 2,000 are all."""

RECIPE = """
sources:
  - wikipedia: {{path: {samples}/encyclopedia.xml}}
  - wikipedia: {{path: {samples}/encyclopedia-cut.xml}}
  - gutenberg: {{path: {samples}/books}}
  - files: {{path: {samples}/notes, label: notes}}
stages:
  - exact_duplicates
  - near_duplicates
  - paragraph_repeats: {{min_documents: 2}}
  - decontaminate: {{against: {folder}/evaluation.jsonl, words: 8}}
dedup: {{against: {folder}/earlier}}
tokenizer: {{vocab_size: 500}}
shards: {{shard_tokens: 20000, split: {{validation: 0.1}}}}
"""
"""Something of all that a run may hold: also what is cut, or dropped for an item or an earlier build."""

EARLIER = """
sources:
  - wikipedia: {{path: {samples}/encyclopedia-cut.xml}}
"""
CHANGED = ("tokenizer.vocab_size=480",)

NONE = Bar(0, of="value", side="at most")
ALL = Bar(1, of="value")


def write_recipe(folder: Path) -> Path:
    """The recipe of the run that is damaged, in a folder, and what it needs: items, and an earlier build."""
    book = min((fault_kills.SAMPLES / "books").rglob("*.txt")).read_text(encoding="utf-8")
    item = {"id": "sentence", "text": book[6000:6200]}
    (folder / "evaluation.jsonl").write_text(json.dumps(item), encoding="utf-8")
    for name, text in (("earlier", EARLIER), ("recipe", RECIPE)):
        path = folder / f"{name}.yaml"
        path.write_text(text.format(samples=fault_kills.SAMPLES, folder=folder), encoding="utf-8")
    fault_damage.build(folder / "earlier.yaml", folder / "earlier")
    return path


def damage_rows(folder: Path, seed: int, share: float) -> list[Row]:
    """Trials of damage: how many were unnoticed, and how many ended in a traceback."""
    bench = fault_damage.Bench.make(folder, write_recipe(folder), CHANGED).train()
    found = []
    for trial in fault_damage.trials(bench, seed, share=share):
        found.append(trial)
        if trial.outcome in fault_damage.BAD:
            print(trial, file=sys.stderr, flush=True)
    show(found)
    outcomes = Counter(trial.outcome for trial in found)
    note = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    what = f"{len(found)} trials, seed {seed}"
    return [
        *compare("damage unnoticed", outcomes["unnoticed"], {}, unit="trials", better="lower", bar=NONE,
                 input=what, note=note),
        *compare("damage that ends in a crash", outcomes["crashed"], {}, unit="trials", better="lower",
                 bar=NONE, input=what, note=note),
    ]  # fmt: skip


def show(trials: Sequence[fault_damage.Trial]) -> None:
    """A table of what each command made of each class of file."""
    commands = list(dict.fromkeys(trial.command for trial in trials))
    cells: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for trial in trials:
        cells[trial.kind, trial.command][trial.outcome] += 1
    table = Table("file", *commands)
    for kind in dict.fromkeys(trial.kind for trial in trials):
        table.add_row(kind, *(_cell(cells[kind, command]) for command in commands))
    Console(stderr=True, width=200).print(table)


def _cell(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))


def kill_rows(folder: Path, kills: int, seed: int) -> list[Row]:
    """Kills: which share of the folders that were killed holds what an undisturbed run gives."""
    builds, run = fault_kills.builds(folder), folder / "run"
    chance = random.Random(seed)
    if fault_kills.end(fault_kills.start(builds[0].words(run), folder / "run.log"), None, chance):
        raise SystemExit((folder / "run.log").read_text(errors="replace"))
    training, places = kills // 3, [folder / "builds", folder / "trainings"]
    for place in places:  # A model is not written where a run lies.
        place.mkdir()
    found = list(told(fault_kills.kill_all(builds, places[0], kills - training, seed)))
    found += told(fault_kills.kill_all(fault_kills.trainings(run), places[1], training, seed))
    rows = []
    for killed in found:
        equal = killed.equal / killed.chains if killed.chains else 0.0
        note = f"{killed.kills} kills in {killed.chains} folders; {killed.missed} came too late"
        rows += compare(
            f"killed, then equal bytes: {killed.name}", equal, {}, unit="share", better="higher", bar=ALL,
            input=f"the sample corpora, seed {seed}", note="; ".join([note, *killed.faults]),
        )  # fmt: skip
    return rows


def told(found: Iterable[fault_kills.Killed]) -> Iterator[fault_kills.Killed]:
    """The same, each told as it comes."""
    for killed in found:
        print(killed, file=sys.stderr, flush=True)
        yield killed


def _kills(options: Options) -> list[Row]:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # Processes are forked off this one: it has no threads.
    with tempfile.TemporaryDirectory() as folder:
        return kill_rows(Path(folder), QUICK_KILLS if options.quick else KILLS, 1)


def _damage(options: Options) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        return damage_rows(Path(folder), 1, QUICK_SHARE if options.quick else 1.0)


if __name__ == "__main__":
    # Kills first: they are forked off a process that has computed nothing.
    sys.exit(run_benchmark("faults", {"kills": _kills, "damage": _damage}))
