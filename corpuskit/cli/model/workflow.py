"""``corpuskit workflow``: the whole way in one file, from dumps and books to a model that is measured."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import click

from corpuskit.cli.corpus.build import build_progress
from corpuskit.cli.corpus.fetch import fetch_progress
from corpuskit.cli.shell import COUNT, PATH, Shell, progress, shell_options
from corpuskit.cli.terminal import plain_console
from corpuskit.errors import counted
from corpuskit.storage.files import finite
from corpuskit.workflow.digest import plain
from corpuskit.workflow.dry_run import dry_run, duration, render
from corpuskit.workflow.file import load_workflow
from corpuskit.workflow.step import Step, Watch
from corpuskit.workflow.workflow import Done, run_workflow

_GO_ON = "Finished steps are kept: call the same command again to go on."


@click.command()
@click.argument("file", type=PATH)
@click.option("--out", type=PATH, required=True, help="The folder; each step has one of its name in it.")
@click.option("--short", is_flag=True, help="The short form, which the file gives under `short:`.")
@click.option(
    "--set", "overrides", multiple=True, metavar="STEP.SETTING=VALUE", help="Set something of a step."
)
@click.option("--workers", type=COUNT, help="Processes of a build. Default: one per core.")
@click.option("--dry-run", "dry", is_flag=True, help="Show the steps and do nothing.")
@click.option("--no-plans", is_flag=True, help="With --dry-run: make no steps of trainings to time them.")
@shell_options
def command(
    shell: Shell,
    file: Path,
    out: Path,
    short: bool,
    overrides: tuple[str, ...],
    workers: int | None,
    dry: bool,
    no_plans: bool,
) -> None:
    """Do the whole way that a file describes, step by step.

    A step is a command with its settings: fetch, build, questions, train, finetune, distill, eval, memorize,
    export. It reads earlier steps by their names. What is done is not done again, unless a setting or
    something that it reads has changed; what was stopped goes on where it was.
    `python -m pydoc corpuskit.workflow.file` says what such a file holds.

    \b
    corpuskit workflow pipelines/workflows/laptop.yaml --out laptop --dry-run
    corpuskit workflow pipelines/workflows/laptop.yaml --out laptop --short
    corpuskit workflow pipelines/workflows/laptop.yaml --out laptop --set base.minutes=60
    """
    flow = load_workflow(file, out, overrides, short=short)
    if dry:
        planned = dry_run(flow, plans=not no_plans, tell=shell.say)
        shell.result(finite(plain(planned)), render(planned))
        return
    shell.kept = _GO_ON
    done = run_workflow(flow, workers=workers or os.cpu_count() or 1, watch=_Shown(shell))
    shell.result(finite(plain(_facts(done))), _sentence(done))
    if done.stopped is not None:
        shell.say(f"{done.stopped} was stopped. {_GO_ON}")
        sys.exit(130)


class _Shown(Watch):
    """Progress on standard error: a line for each step, and in it what its command shows."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def begins(self, step: Step, number: int, of: int, why: str) -> None:
        """Say so."""
        self._shell.say(f"[{number}/{of}] {step.section} {step.name} ({why})")

    def kept(self, step: Step) -> None:
        """Say so."""
        self._shell.say(f"{step.section} {step.name}: done before")

    def ends(self, step: Step, seconds: float, facts: Mapping[str, Any]) -> None:
        """Say how long it took, and what its figures are."""
        self._shell.say(f"  {duration(seconds)}: {_figures(step.section, facts)}")

    def work(self, step: Step) -> AbstractContextManager[Callable[..., Any] | None]:
        """What the command shows."""
        if step.section == "build":
            return build_progress(self._shell)
        if step.section == "fetch":
            return fetch_progress(self._shell, "books" if "gutenberg" in step.values else "bytes")
        if step.section == "eval":
            return _measuring(self._shell)
        if step.section in ("train", "finetune") or (
            step.section == "distill" and not step.values.get("store")
        ):
            return _training(self._shell)
        return super().work(step)


@contextmanager
def _training(shell: Shell) -> Iterator[Callable[..., Any]]:
    from corpuskit.cli.model.training_display import Display

    with Display(plain_console(stderr=True, quiet=shell.quiet)) as display:
        yield display


@contextmanager
def _measuring(shell: Shell) -> Iterator[Callable[..., Any]]:
    with progress(shell) as bars:

        def begins(what: str, steps: int) -> Any:
            task = bars.add_task(what, total=steps or None)
            return lambda done: bars.update(task, advance=done)

        yield begins


def _figures(section: str, facts: Mapping[str, Any]) -> str:
    """What a person wants to know of a finished step, in a line."""
    if section == "build":
        tokens = ", ".join(f"{count:,} {name}" for name, count in facts["tokens"].items() if count)
        return f"{counted(facts['documents'], 'document')}; tokens: {tokens or 'none'}"
    if section == "questions":
        chance = f"{facts['by_chance']:.0%} are right by chance"
        return f"{facts['taught']:,} to be taught, {facts['held_out']:,} held out; {chance}"
    if section == "eval":
        return "; ".join(_evaluated(facts)) or "measured"
    if section == "memorize":
        rates = ", ".join(
            f"{each['rate']:.1%} of {name}" for name, each in facts["splits"].items() if each["windows"]
        )
        return f"recited word for word: {rates}"
    if section == "embed":
        nearest = [f"; like {each['like']!r}: {_closest(each)}" for each in facts["found"]]
        return f"{counted(facts['rows'], 'vector')} of {facts['width']} numbers{''.join(nearest)}"
    if section == "fetch":
        return f"{facts['fetched']} fetched, {facts['there']} there before"
    if "step" in facts:
        loss = facts["validation_loss"]
        figures = "" if loss is None else f", validation loss {loss:.4f}"
        for name, value in facts["figures"].items():
            figures += "" if value is None else f", {name.replace('_', ' ')} {value:.4f}"
        return f"{facts['reason']} after {counted(facts['step'], 'step')}{figures}"
    return "done"


def _closest(found: Mapping[str, Any]) -> str:
    """The text that is nearest to one that was looked for."""
    near = found["nearest"]
    return f"{near[0]['id']} ({near[0]['cosine']:.3f})" if near else "none"


def _evaluated(facts: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each set: how many answers are right, or bits per byte."""
    for each in facts["sets"]:
        name = each["set"]
        if name in facts["right"]:
            told = [f"{model} {row['right']} of {row['of']}" for model, row in facts["right"][name].items()]
            yield f"{name}, right: {', '.join(told)}"
            continue
        rows = {model: found["members"][model] for model, found in each["models"].items()}
        bits = {model: row.get("bits_per_byte") for model, row in rows.items()}
        if all(isinstance(value, float) for value in bits.values()):
            told = [f"{model} {value:.4f}" for model, value in bits.items()]
            yield f"{name}, bits per byte: {', '.join(told)}"


def _facts(done: Done) -> dict[str, Any]:
    return {"out": str(done.out), "done": done.done, "kept": list(done.kept), "stopped": done.stopped}


def _sentence(done: Done) -> str:
    seconds = sum(facts["seconds"] for facts in done.done.values())
    lines = [
        f"{done.out}: {counted(len(done.done), 'step')} done in {duration(seconds)}, "
        f"{len(done.kept)} done before"
    ]
    for name, facts in done.done.items():
        if "right" in facts:
            lines += [f"{name}: {told}" for told in _evaluated(facts)]
    return "\n".join(lines)
