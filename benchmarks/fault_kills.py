"""SIGKILL at seeded moments of builds and of training; the same command goes on, and the bytes must be equal.

Each command runs in a process that is forked off this one, so that no time goes by with imports: what is
killed is the work. A chain is one folder: killed once or several times, each time by the next kill of the
seed, and then left to end. What it made is compared with an undisturbed run of the same command: all files
outside ``logs/`` and ``report/`` of a build; weights, newest checkpoint and history of losses of training.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import corpuskit.cli.corpus.build  # noqa: F401 - imported once for all processes
from benchmarks.fault_damage import digests, weights
from corpuskit.build.recipe.recipe import load

SAMPLES = Path(__file__).resolve().parents[1] / "sample_corpora"

RECIPES = {
    "files, a wiki, near duplicates, splits": """
sources:
  - files: {{path: {samples}/notes, label: notes}}
  - wikipedia: {{path: {samples}/encyclopedia.xml}}
  - wikipedia: {{path: {samples}/encyclopedia-cut.xml}}
stages: [unicode, whitespace, {{length: {{min_words: 5}}}}, exact_duplicates, near_duplicates]
tokenizer: {{vocab_size: 600}}
shards: {{shard_tokens: 15000, split: {{validation: 0.05, test: 0.05}}}}
""",
    "books and files, three passes": """
sources:
  - gutenberg: {{path: {samples}/books}}
  - files: {{path: {samples}/notes, label: notes}}
  - files: {{path: {samples}/books.md, label: list}}
stages: [exact_duplicates, whitespace, near_duplicates, lowercase]
tokenizer: {{vocab_size: 500, pattern: gpt2}}
shards: {{shard_tokens: 4000, split: {{validation: 0.1}}}}
""",
    "a wiki, documents alone": """
sources:
  - wikipedia: {{path: {samples}/encyclopedia-de-fr.xml.bz2}}
  - wikipedia: {{path: {samples}/encyclopedia.xml}}
stages: [exact_duplicates]
""",
}
"""Builds that are killed, each with one worker and with two."""

_SIZE = ("--size", "nano", "--set", "context=32", "--set", "batch_rows=4", "--set", "save_every=3")
TRAININGS = {
    "causal": ("--steps", "24", "--set", "eval_every=4", "--set", "dropout=0.1", *_SIZE),
    "masked": ("--steps", "16", "--set", "eval_every=5", "--set", "objective=masked", *_SIZE),
    "spans": ("--steps", "16", "--set", "eval_every=4", "--set", "objective=spans", *_SIZE),
    "denoise": ("--steps", "16", "--set", "eval_every=4", "--set", "objective=denoise", *_SIZE),
}
"""Runs of training that are killed, with checkpoints."""


class Work(NamedTuple):
    """What is killed: a name, the command's words by the folder it writes, and what it made."""

    name: str
    words: Callable[[Path], Sequence[object]]
    made: Callable[[Path], Any]


@dataclass
class Killed:
    """What came of the kills of one work.

    Attributes:
        kills: processes that died of the signal.
        missed: that ended before it came.
        chains, equal: folders that were compared, and those with equal bytes.
        faults: what differed, or a command that did not end well.
    """

    name: str
    kills: int = 0
    missed: int = 0
    chains: int = 0
    equal: int = 0
    faults: list[str] = field(default_factory=list)


def start(words: Sequence[object], log: Path) -> int:
    """Begin a command in a process of its own, and a group of its own; returns its id."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(said, stream)
        from corpuskit.cli.main import cli

        cli.main([*map(str, words)], standalone_mode=False)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        os.write(2, repr(error).encode())
    finally:
        sys.stderr.flush()
        os._exit(code)


def end(child: int, seconds: float | None, chance: random.Random) -> int:
    """Wait for a process, or kill it after so many seconds; returns its exit status, -9 if it was killed.

    It is killed alone, so that it leaves its workers behind, or with its whole group.
    """
    if seconds is not None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        with suppress(ProcessLookupError):
            (os.killpg if chance.random() < 0.5 else os.kill)(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def chain(work: Work, folder: Path, kills: int, seconds: float, chance: random.Random, to: Killed) -> str:
    """Kill a command so often, let it end, and say what went wrong; empty if nothing did."""
    log = folder.with_name(f"{folder.name}.log")
    for _ in range(kills):
        status = end(start(work.words(folder), log), chance.uniform(0, seconds), chance)
        if status == 0:
            to.missed += 1
        elif status == -signal.SIGKILL:
            to.kills += 1
        else:
            return f"exit {status} in place of going on: {log.read_text(errors='replace')[-300:]}"
    status = end(start(work.words(folder), log), None, chance)
    return "" if status == 0 else f"exit {status} at the end: {log.read_text(errors='replace')[-300:]}"


def kill_all(works: Sequence[Work], folder: Path, kills: int, seed: int) -> Iterator[Killed]:
    """Share the kills among the works; yields what came of each work when it is done with."""
    chance = random.Random(seed)
    for number, work in enumerate(works):
        share = kills // len(works) + (number < kills % len(works))
        found, out = Killed(work.name), folder / f"whole-{number}"
        began = time.monotonic()
        if end(start(work.words(out), folder / f"whole-{number}.log"), None, chance):
            found.faults.append((folder / f"whole-{number}.log").read_text(errors="replace")[-300:])
            yield found
            continue
        seconds, expected = time.monotonic() - began, work.made(out)
        while found.kills < share and found.missed < 4 * share and not found.faults[8:]:
            copy = folder / f"killed-{number}"
            shutil.rmtree(copy, ignore_errors=True)
            several = min(chance.choice([1, 1, 2, 3]), share - found.kills)
            fault = chain(work, copy, several, seconds, chance, found)
            found.chains += 1
            if not fault:
                made = work.made(copy)
                different = [n for n in {**made, **expected} if made.get(n) != expected.get(n)]
                fault = f"differ: {different[:5]}" if different else ""
            if fault:
                found.faults.append(fault)
                shutil.copytree(copy, folder / f"fault-{number}-{len(found.faults)}", dirs_exist_ok=True)
            found.equal += not fault
        yield found


def builds(folder: Path) -> list[Work]:
    """The builds, with one worker and with two."""
    works = []
    for number, (name, recipe) in enumerate(RECIPES.items()):
        path = folder / f"recipe-{number}.yaml"
        path.write_text(recipe.format(samples=SAMPLES), encoding="utf-8")
        load(path)  # Imports what the recipe names, once for all processes.
        for workers in (1, 2):

            def words(out: Path, path: Path = path, workers: int = workers) -> Sequence[object]:
                return ["build", path, "--out", out, "--workers", workers, "--quiet"]

            works.append(Work(f"build: {name}; {workers} worker{'s' * (workers > 1)}", words, digests))
    return works


def trainings(run: Path) -> list[Work]:
    """The runs of training, on the shards of a finished run."""
    import corpuskit.train.train  # noqa: F401 - takes seconds: once for all processes

    works = []
    for name, settings in TRAININGS.items():

        def words(out: Path, settings: Sequence[str] = settings) -> Sequence[object]:
            # Begun is what has a checkpoint to go on from; before that the same call begins again.
            going = ["--resume"] if (out / "model.json").exists() else settings
            return ["train", run, "--out", out, *going, "--quiet"]

        works.append(Work(f"train: {name}", words, weights))
    return works
