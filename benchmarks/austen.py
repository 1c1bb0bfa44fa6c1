r"""The Austen story: a model of 15 million parameters on Jane Austen's books, and what it writes on the way.

    corpuskit fetch gutenberg --ids 20,105,121,141,158,161,946,1212,1342 \
        --mirror https://MIRROR/PATH --out austen
    corpuskit build pipelines/austen.yaml --out runs/austen
    python -m benchmarks.austen train --run runs/austen --out models/austen --steps 5000
    python -m benchmarks.austen verse --books austen --out models/verse
    python -m benchmarks.austen page --run runs/austen --out models/austen \
        --verse models/verse --page austen.md

`train` makes two arms, without the remedies against learning by heart and with them, and keeps a copy of each
after 0, 100, 1,000, 5,000 and 50,000 steps; called again it goes on where it was. `verse` trains a small
model on Paradise Lost, whose metre a scorer can find again. `page` writes what is in the folders: Markdown,
the figures as rows of a benchmark beside it (.json), and each arm's curves (.svg). What was not reached says
so. Figures of a copy are kept beside it, in at-STEP-ARM.json: taking them takes a minute or two.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.austen_facts import Facts, rows
from benchmarks.austen_figures import VERSION, Books, Scale, model_at, model_figures
from benchmarks.austen_page import page
from benchmarks.austen_verse import VERSE_MODEL, VERSE_RUN, train_verse, verse_figures
from benchmarks.harness import MissingError, write_rows
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.checkpoint import latest_checkpoint
from corpuskit.train.generate.generate import WEIGHTS
from corpuskit.train.memorize.memorize import load_weights
from corpuskit.train.settings.recipes import load_training_recipe

MILESTONES = (0, 100, 1000, 5000, 50_000)

ARMS: dict[str, dict[str, Any]] = {
    "plain": {"dropout": 0.0, "weight_decay": 0.1},
    "held-back": {"goldfish": 4},
}
"""What each arm sets otherwise than the recipe: without remedies against learning by heart, and with one
more than the recipe has."""

VALIDATED_EVERY = 250
"""Steps: early enough to see where the loss turns."""

HELD_OUT_TOKENS = 2**20
"""More than the split has: all of it is read at each validation."""


# ------------------------------------------------------------------------------------------------- training
def train(run: Path, out: Path, steps: int, say: Callable[[str], None] = print) -> None:
    """Make both arms up to a milestone, and a copy of each at every milestone that is passed."""
    for step in (each for each in MILESTONES if each <= steps):
        for arm, own in ARMS.items():
            kept = out / f"at-{step}-{arm}"
            if kept.exists():
                continue
            reach(run, out / arm, own, step)
            copy_folder(out / arm, kept)
            say(f"{kept}: kept")


def reach(run: Path, folder: Path, own: dict[str, Any], step: int) -> None:
    """Train an arm up to a step, from the beginning or from its latest checkpoint."""
    there = latest_checkpoint(folder)
    done = int(there.name.split("-")[1]) if there else -1
    # Weights of step 0 are saved before the first step: the model is stopped after one.
    pause = max(1, step)
    if done > pause:
        raise MissingError(f"{folder} is at step {done}, past {step}: give another --out")
    if done == pause:
        return
    values = load_training_recipe("austen-15m") | own
    values |= {"eval_every": VALIDATED_EVERY, "eval_tokens": HELD_OUT_TOKENS, "sample_at": MILESTONES}
    settings = None if there else TrainSettings.checked(values)
    train_model(run, folder, settings, resume=there is not None, pause_at=pause)


def copy_folder(folder: Path, to: Path) -> None:
    """Copy a model folder; what bears the name is whole."""
    unfinished = to.with_name(f"{to.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(folder, unfinished)
    unfinished.rename(to)


# ------------------------------------------------------------------------------------------------ the page
def facts_of(run: Path, out: Path, verse: Path | None, scale: Scale, say: Callable[[str], None]) -> Facts:
    """All that the page tells, taken or read from what was kept."""
    books, models = Books(run, scale), {}
    for arm in ARMS:
        for step in MILESTONES:
            if (folder := out / f"at-{step}-{arm}").is_dir():
                say(f"{folder}: figures")
                models[arm, step] = _kept(folder, scale, lambda f=folder, s=step: _figures(f, s, books))
    return Facts(
        titles=books.documents,
        tokens={"train": books.train.tokens, "held_out": books.held_out.tokens},
        held_out=books.held_out_figures(),
        models=models,
        verse=verse_figures(verse, books, say) if verse else None,
        scale=scale,
        arms=tuple(ARMS),
        milestones=MILESTONES,
    )


def _figures(folder: Path, step: int, books: Books) -> dict[str, Any]:
    """Figures of an arm at a milestone; of its best weights too, where they are of an earlier step."""
    model = model_at(folder, step)
    found = model_figures(model, books)
    document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    lines = (folder / "logs" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    events = [event for event in map(json.loads, lines) if event["event"] in ("validation", "sample")]
    training = document["training"]
    found["machine"], found["settings"] = training.get("machine", {}), training.get("settings", {})
    found["parameters"] = sum(each.numel() for each in model.model.parameters())
    found["validations"] = [e for e in events if e["event"] == "validation" and e["step"] <= step]
    found["best"] = None
    if step and (folder / WEIGHTS).exists():  # They appear with the first validation.
        best = load_weights(folder, "best", "cpu")
        at = int(best.document["measured_step"])
        found["best"] = {"step": at, "figures": model_figures(best, books) if at < step else None}
    return found


def _kept(folder: Path, scale: Scale, take: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was found out about a copy before, asked in the same way; else found out and kept."""
    path, asked = folder.with_name(f"{folder.name}.json"), {**vars(scale), "version": VERSION}
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["asked"] == asked:
            return dict(kept["figures"])
    figures = take()
    path.write_text(json.dumps({"asked": asked, "figures": figures}, ensure_ascii=False), encoding="utf-8")
    return figures


def write_page(facts: Facts, out: Path, path: Path) -> None:
    """Write the page, its rows and the curves beside it."""
    curves = {}
    for arm in ARMS:
        reached = [step for step in MILESTONES if step and (out / f"at-{step}-{arm}" / "curves.svg").exists()]
        if reached:
            curves[arm] = f"{path.stem}-{arm}.svg"
            shutil.copy(out / f"at-{max(reached)}-{arm}" / "curves.svg", path.with_name(curves[arm]))
    path.write_text(page(facts, curves), encoding="utf-8")
    write_rows(rows(facts), path.with_suffix(".json"))


# ------------------------------------------------------------------------------------------- command line
def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the module."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.austen", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    each = {name: commands.add_parser(name) for name in ("train", "verse", "page")}
    for name in ("train", "page"):
        each[name].add_argument("--run", type=Path, required=True, help="the run of pipelines/austen.yaml")
    for name in ("train", "verse", "page"):
        each[name].add_argument("--out", type=Path, required=True, help="folder of the models")
    each["train"].add_argument(
        "--steps", type=int, default=5000, choices=MILESTONES, help="the last milestone"
    )
    each["verse"].add_argument(
        "--books", type=Path, required=True, help="folder that has Gutenberg's book 20"
    )
    each["verse"].add_argument("--steps", type=int, default=1500)
    each["page"].add_argument("--verse", type=Path, help="--out of the command verse")
    each["page"].add_argument("--page", type=Path, required=True, help="the Markdown file to write")
    for name in ("samples", "windows"):
        each["page"].add_argument(f"--{name}", type=int, default=getattr(Scale, name))
    asked = parser.parse_args(arguments)
    if asked.command == "train":
        train(asked.run, asked.out, asked.steps)
    elif asked.command == "verse":
        train_verse(asked.books, asked.out / VERSE_RUN, asked.out / VERSE_MODEL, asked.steps)
    else:
        scale = Scale(samples=asked.samples, windows=asked.windows)
        facts = facts_of(asked.run, asked.out, asked.verse, scale, lambda line: print(line, file=sys.stderr))
        if not facts.models:
            raise MissingError(f"{asked.out} holds no at-STEP-ARM: call the command train first")
        write_page(facts, asked.out, asked.page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
