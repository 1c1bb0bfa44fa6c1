"""A training run at a terminal: its display, what is said when it stops, and what came of it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpuskit.cli.shell import COUNT, Shell
from corpuskit.cli.terminal import plain_console, width_of, wrapped
from corpuskit.errors import SettingError

if TYPE_CHECKING:
    from corpuskit.train import TrainResult
    from corpuskit.train.job import Job
    from corpuskit.train.settings.settings import RunSettings
    from corpuskit.train.watch.events import Event, Listener


@dataclasses.dataclass(frozen=True)
class How:
    """What a command that trains is told beside what it trains: how it goes on, or what is looked at."""

    assignments: tuple[str, ...]
    plans: bool
    hourly: float | None
    print_config: bool
    resume: bool
    overwrite: bool
    pause_at: int | None
    allow_changed_data: bool
    tensorboard: bool

    @property
    def looks(self) -> bool:
        """Whether nothing is trained."""
        return self.plans or self.print_config

    def values(self, recipe: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
        """Settings by name: the recipe's, under the options that were given, under --set."""
        from corpuskit.train.settings.recipes import load_training_recipe

        given = {name: value for name, value in options.items() if value is not None}
        assigned = parse_assignments(self.assignments)
        return merged(load_training_recipe(recipe) if recipe else {}, {**given, **assigned})


def run_options(
    list_settings: Callable[[click.Context], None],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command that trains the options of `How`, which it is handed as `how`, and --settings.

    Args:
        list_settings: prints them, and ends.
    """

    def show(context: click.Context, _: object, wanted: bool) -> None:
        if wanted:
            list_settings(context)

    options = (
        click.option(
            *("--set", "assignments"),
            multiple=True,
            metavar="NAME=VALUE",
            help="Any setting; --settings lists them.",
        ),
        click.option(
            "--settings",
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=show,
            help="List all settings with their defaults, and what they mean, and end.",
        ),
        click.option("--plan", "plans", is_flag=True, help="Only say what the run would be, and take."),
        click.option("--hourly", type=click.FloatRange(min=0), help="Price of an hour, for --plan."),
        click.option("--print-config", is_flag=True, help="Only print all settings, as YAML."),
        click.option("--resume", is_flag=True, help="Go on from the latest checkpoint of --out."),
        click.option("--overwrite", is_flag=True, help="Remove the model that --out holds, begin anew."),
        click.option("--pause-at", type=COUNT, help="Stop, to be resumed, after so many steps."),
        click.option("--allow-changed-data", is_flag=True, help="Resume on other data than before."),
        click.option("--tensorboard", is_flag=True, help="Write OUT/logs/tensorboard too."),
    )

    def give(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **values: Any) -> Any:
            how = How(**{field.name: values.pop(field.name) for field in dataclasses.fields(How)})
            return function(*args, how=how, **values)

        given: Callable[..., Any] = wrapper
        for option in reversed(options):
            given = option(given)
        return given

    return give


def require_out(out: Path | None, how: How) -> None:
    """Raise SettingError where there is no --out, and something is to be written."""
    if out is None and not how.looks:
        raise SettingError("there is no --out", remedy="Name the folder that is to be written to.")


def do_job(
    shell: Shell,
    job: Job[Any],
    settings: RunSettings,
    out: Path | None,
    how: How,
    began: float,
    go_on: str,
    sentence: Callable[[TrainResult], str],
) -> None:
    """Do a job with a display, or show what it would be, see `train_shown` and `show_job`.

    Args:
        go_on: the command that goes on with the run, but for its --out and --resume.
    """
    from corpuskit.train.run import run

    if how.looks or out is None:
        return show_job(shell, job, settings, how.hourly, how.plans)

    def train(listen: Listener) -> TrainResult:
        return run(
            job,
            out,
            settings,
            resume=how.resume,
            overwrite=how.overwrite,
            pause_at=how.pause_at,
            allow_changed_data=how.allow_changed_data,
            listen=listen,
            began=began,
        )

    train_shown(shell, out, f"{go_on} --out {out} --resume", how.tensorboard, train, sentence)


def speaks() -> bool:
    """Whether this process says anything: of those that torchrun started, the first."""
    return os.environ.get("RANK", "0") == "0"


def train_shown(
    shell: Shell,
    out: Path,
    go_on: str,
    tensorboard: bool,
    train: Callable[[Listener], TrainResult],
    sentence: Callable[[TrainResult], str],
) -> None:
    """Train, with a display, and say what came of it; exits with 130 when a signal stopped it.

    Args:
        go_on: the command that goes on with the run.
        train: does it, told who listens.
        sentence: what a person wants to know about the finished run.
    """
    from corpuskit.cli.model.training_display import Display
    from corpuskit.storage.files import finite
    from corpuskit.train.watch.events import together
    from corpuskit.train.watch.tensorboard import TensorBoard

    shell.kept = "Nothing new was saved: call the same command again."

    def note(event: Event) -> None:
        if event["event"] == "save":
            shell.kept = f"The checkpoint of step {event['step']:,} is kept. Go on with: {go_on}"

    with contextlib.ExitStack() as stack:
        listeners: list[Listener] = [note]
        if tensorboard and speaks():
            listeners.append(stack.enter_context(contextlib.closing(TensorBoard(out))))
        console = plain_console(stderr=True, quiet=shell.quiet or not speaks())
        listeners.append(stack.enter_context(Display(console)))
        result = train(together(listeners))
    if speaks():
        shown = wrapped(sentence(result), width_of(sys.stdout))
        shell.result(finite({**dataclasses.asdict(result), "out": str(result.out)}), shown)
    if result.can_resume and speaks():
        shell.say(f"Go on with: {go_on}")
    if result.reason == "interrupted":
        sys.exit(130)


def show_job(shell: Shell, job: Job[Any], settings: RunSettings, hourly: float | None, plans: bool) -> None:
    """Print what a run would be, or its settings alone."""
    import yaml
    from rich.console import Console

    from corpuskit.cli.model.plan_text import PlanProgress, plan_text
    from corpuskit.train.plan.plan import plan_job, resolved_of

    if plans:
        console = Console(stderr=True, quiet=shell.quiet or not speaks())
        with PlanProgress(console) as progress:
            found = plan_job(job, settings, hourly, progress)
        if speaks():
            shell.result(found.as_json(), plan_text(found, width_of(sys.stdout)))
        return
    chosen = {k: v for k, v in resolved_of(job, settings).model_dump(mode="json").items() if v is not None}
    if speaks():
        shell.result(chosen, yaml.safe_dump(chosen, sort_keys=False).rstrip())


def parse_assignments(assignments: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE, ... as a dictionary; raises SettingError for one without a name or a value."""
    values = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name or not value:
            remedy = "Write it as --set dropout=0.2."
            raise SettingError(f"--set {assignment} is not NAME=VALUE", remedy=remedy)
        values[name.strip().replace("-", "_")] = value.strip()
    return values


def merged(recipe: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The recipe's settings under those that are given; a length that is given stands for any other.

    >>> merged({"steps": 100, "size": "tiny"}, {"minutes": 1.0})
    {'size': 'tiny', 'minutes': 1.0}
    """
    lengths = {"steps", "minutes", "epochs"}
    replaced = lengths if lengths & given.keys() else set()
    return {name: value for name, value in recipe.items() if name not in replaced} | given
