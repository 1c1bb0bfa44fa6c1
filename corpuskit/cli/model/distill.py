"""``corpuskit distill``: a student learns from a run and from what a teacher says of it."""

from __future__ import annotations

import inspect
import time
from pathlib import Path
from typing import Any

import click

from corpuskit.cli.model.running import (
    merged,
    parse_assignments,
    run_options,
    show_job,
    speaks,
    train_shown,
)
from corpuskit.cli.model.train import sentence
from corpuskit.cli.shell import COUNT, PATH, Shell, progress, shell_options
from corpuskit.errors import SettingError


@click.command()
@click.argument("teacher", type=PATH)
@click.argument("run", type=PATH)
@click.option("--out", type=PATH, help="The student's folder, or with --store that of the answers.")
@click.option(
    "--store", "stores", is_flag=True, help="Only write the teacher's answers, for students elsewhere."
)
@click.option("--top", "k", type=COUNT, default=16, help="Likeliest tokens that --store keeps. Default: 16.")
@click.option("--recipe", metavar="NAME|FILE", help="Settings from a recipe that ships, or from a YAML file.")
@click.option("--steps", type=COUNT, help="Length of the run. Default: 10 times over the corpus.")
@click.option("--minutes", type=float, help="Length of the run by time.")
@click.option("--layers", type=COUNT, help="Layers of the student. Default: half of the teacher's.")
@click.option("--direction", help="Of the distance: forward, reverse or jsd.")
@click.option("--temperature", type=float, help="By which the logits of both are divided.")
@click.option("--share", type=float, help="Of the distance in the loss. Default: 0.5.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of weights, order and dropout.")
@click.option(
    "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Any setting; --settings lists them."
)
@click.option(
    "--settings",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _, wanted: list_settings(context) if wanted else None,
    help="List all settings with their defaults, and end.",
)
@run_options
@shell_options
def command(
    shell: Shell,
    teacher: Path,
    run: Path,
    out: Path | None,
    stores: bool,
    k: int,
    recipe: str | None,
    assignments: tuple[str, ...],
    plans: bool,
    hourly: float | None,
    print_config: bool,
    resume: bool,
    overwrite: bool,
    pause_at: int | None,
    allow_changed_data: bool,
    tensorboard: bool,
    **options: Any,
) -> None:
    """Train a smaller model that learns from a larger one.

    It reads the shards of a run, and learns what the teacher says of each token. TEACHER is the folder of a
    model, also of an import, or of answers that --store wrote.

    \b
    corpuskit distill models/large runs/sample --out models/small --steps 500
    corpuskit distill models/large runs/sample --store --out answers
    corpuskit distill answers runs/sample --out models/small --layers 2
    """
    began = time.monotonic()
    if out is None and not plans and not print_config:
        raise SettingError("there is no --out", remedy="Name the folder that is to be written to.")
    from corpuskit.train.distil import Distilling
    from corpuskit.train.run import run as do
    from corpuskit.train.settings.recipes import load_training_recipe

    given = {name: value for name, value in options.items() if value is not None}
    values = merged(
        load_training_recipe(recipe) if recipe else {}, {**given, **parse_assignments(assignments)}
    )
    if stores:
        assert out is not None
        return _store(shell, teacher, run, out, k, values)
    job = Distilling(teacher, run)
    settings = job.kind.checked(values)
    if plans or print_config:
        return show_job(shell, job, settings, hourly, plans)
    assert out is not None
    into = out
    how: dict[str, Any] = {"resume": resume, "overwrite": overwrite, "pause_at": pause_at}
    how |= {"allow_changed_data": allow_changed_data}
    train_shown(
        shell,
        out,
        f"corpuskit distill {teacher} {run} --out {out} --resume",
        tensorboard,
        lambda listen: do(job, into, settings, **how, listen=listen, began=began),
        sentence,
    )


def _store(shell: Shell, teacher: Path, run: Path, out: Path, k: int, values: dict[str, Any]) -> None:
    """Write a teacher's answers, with progress; the same call goes on with what was begun."""
    from corpuskit.train.data.teacher import StoreSettings
    from corpuskit.train.distil import store_teacher
    from corpuskit.train.generate.generate import LanguageModel

    temperature = float(values.pop("temperature", 1.0))
    device = str(values.pop("device", "auto"))
    if values:
        raise SettingError(
            f"{', '.join(values)}: settings of a student, which --store does not train",
            remedy="Give them to the call that trains it.",
        )
    context = LanguageModel.load(teacher).model.settings.context
    temperatures = tuple(sorted({1.0, temperature}))
    settings = StoreSettings(k=k, context=context, temperatures=temperatures)
    shell.kept = "What is finished is kept: call the same command again."
    with progress(shell) as bars:
        bar = bars.add_task("Answers", total=None)
        store_teacher(
            teacher,
            run,
            out,
            settings,
            device=device,
            tell=lambda done, total: bars.update(bar, completed=done, total=total),
        )
    size = sum(path.stat().st_size for path in out.iterdir() if path.is_file())
    if speaks():
        facts = {"out": str(out), "bytes": size, "k": k, "temperatures": list(temperatures)}
        shell.result(
            facts, f"{out}: {size / 1e6:,.1f} MB; use them: corpuskit distill {out} {run} --out STUDENT"
        )


def list_settings(context: click.Context) -> None:
    """Print the settings of distillation, and what they mean by subject."""
    from corpuskit.train.settings.distil import DistilSettings, Teaching
    from corpuskit.train.settings.settings import GROUPS

    for name, field in DistilSettings.model_fields.items():
        click.echo(f"{name} = {'(chosen)' if field.default is None else field.default}")
    for group in (DistilSettings, Teaching, *GROUPS):
        click.echo("\n" + inspect.cleandoc(group.__doc__ or ""))
    context.exit()
