"""``corpuskit distill``: a student learns from a run and from what a teacher says of it."""

from __future__ import annotations

import inspect
import time
from pathlib import Path
from typing import Any

import click

from corpuskit.cli.model.running import How, do_job, require_out, run_options, speaks
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
@run_options(lambda context: list_settings(context))
@shell_options
def command(
    shell: Shell,
    teacher: Path,
    run: Path,
    out: Path | None,
    stores: bool,
    k: int,
    recipe: str | None,
    how: How,
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
    require_out(out, how)
    from corpuskit.train.distil import Distilling

    values = how.values(recipe, options)
    if stores:
        return _store(shell, teacher, run, out, k, values)
    job = Distilling(teacher, run)
    settings = job.kind.checked(values)
    do_job(shell, job, settings, out, how, began, f"corpuskit distill {teacher} {run}", sentence)


def _store(shell: Shell, teacher: Path, run: Path, out: Path | None, k: int, values: dict[str, Any]) -> None:
    """Write a teacher's answers, with progress; the same call goes on with what was begun."""
    if out is None:
        raise SettingError("--store is not planned", remedy="Name --out, without --plan.")
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
