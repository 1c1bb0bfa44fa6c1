"""``corpuskit finetune``: a model that is there learns something from data of one's own."""

from __future__ import annotations

import inspect
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpuskit.cli.model.running import How, do_job, require_out, run_options
from corpuskit.cli.shell import COUNT, PATH, Shell, shell_options
from corpuskit.errors import SettingError, counted

if TYPE_CHECKING:
    from corpuskit.train import TrainResult

TASKS = ("classify", "tag", "instruct", "prefer", "seq2seq", "lm")


@click.command()
@click.argument("model", type=PATH)
@click.argument("data")
@click.argument("targets", required=False)
@click.option("--task", type=click.Choice(TASKS), required=True, help="What it is to learn.")
@click.option("--out", type=PATH, help="The new model's folder.")
@click.option("--recipe", metavar="FILE", help="Settings from a YAML file.")
@click.option("--text", help="Column of the texts, by name or number. Default: by its usual names.")
@click.option("--pair", help="Column of the second text of each row.")
@click.option("--label", help="Column of the labels.")
@click.option("--source", help="Column that is read, of --task seq2seq.")
@click.option("--target", help="Column that is to be written.")
@click.option("--features", metavar="COLUMN,...", help="Columns that are read behind the source.")
@click.option(
    "--label-smoothing",
    type=float,
    help="Share e of a target that is spread over all V tokens or labels, (1 - e) of its loss and e / V of "
    "that of each, as torch's cross_entropy has it. What is measured is not smoothed.",
)
@click.option("--choose", metavar="FIGURE", help="Figure by which the weights that are kept are chosen.")
@click.option("--several", metavar="SIGN", help="A text may have several labels, parted by this sign.")
@click.option("--validation", metavar="FILE|SHARE", help="What is measured on. Default: a tenth of the data.")
@click.option("--test", metavar="FILE|SHARE", help="What is measured on once, at the end.")
@click.option("--epochs", type=float, help="How often all examples are read.")
@click.option("--steps", type=COUNT, help="Length of the run, in place of epochs.")
@click.option("--minutes", type=float, help="Length of the run by time.")
@click.option("--lr", "learning_rate", type=float, help="Greatest learning rate.")
@click.option(
    "--batch",
    "batch_rows",
    type=COUNT,
    help="Examples, or packed rows, of a step; of a part of it with --accumulate.",
)
@click.option(
    "--accumulate", type=COUNT, help="Parts, each of --batch examples, that are added up in a step."
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of order, dropout and what is new.")
@click.option("--last-layers", type=click.IntRange(min=0), help="Only the last so many blocks learn.")
@click.option("--lora-rank", type=COUNT, help="Adapters of this rank learn in place of the weights.")
@click.option("--lora-alpha", type=float, help="Strength of the adapters. Default: twice the rank.")
@run_options(lambda context: list_settings(context))
@shell_options
def command(
    shell: Shell,
    model: Path,
    data: str,
    targets: str | None,
    task: str,
    out: Path | None,
    recipe: str | None,
    accumulate: int | None,
    how: How,
    **options: Any,
) -> None:
    """Fine-tune a model on labels, answers or texts of your own.

    DATA is a table in CSV, JSON, Parquet or Arrow, a folder of them, a data set of `datasets` (saved,
    hf:NAME, or "{path: NAME, split: train}" with the words of a recipe), or with --task lm text files or a
    run. What was found in the data is shown before the first
    step; columns that it does not find are named by options. Stop it with Ctrl-C (once: it saves) and go on
    with --resume: the result is the same, bit by bit.

    With --task seq2seq a text is written for a text: DATA has a column of sources and one of targets, or is a
    file of sources, a line each, and TARGETS the file of their targets, line for line.

    \b
    corpuskit finetune models/sample reviews.csv --task classify --out models/reviews
    corpuskit finetune models/sample talks.jsonl --task instruct --lora-rank 8 --out models/talks
    corpuskit finetune models/sample train.en train.de --task seq2seq --choose chrf --out models/en-de
    corpuskit finetune models/sample reviews.csv --task classify --plan
    """
    began = time.monotonic()
    require_out(out, how)
    from corpuskit.train.finetune import finetuning

    values, job = how.values(recipe, options), finetuning(model, data, task)
    if targets is not None:
        if task != "seq2seq":
            raise SettingError(
                f"{targets} is a second file, and --task {task} reads one", remedy="Leave it out."
            )
        values |= {"targets": targets}
    if accumulate is not None:
        rows = int(values.get("batch_rows") or job.usual_rows)
        values |= {"batch_rows": rows * accumulate, "micro_batch_rows": rows}
    go_on = f"corpuskit finetune {model} {data}{f' {targets}' if targets else ''} --task {task}"
    do_job(shell, job, job.kind.checked(values), out, how, began, go_on, sentence)


def list_settings(context: click.Context) -> None:
    """Print the settings of each task, and what they mean by subject."""
    from corpuskit.train.finetune import PURPOSES
    from corpuskit.train.settings.settings import Batching, Computing, Optimization, Watching
    from corpuskit.train.settings.tune import Adapting, ContinueSettings, Reading, TuneSettings

    shared = TuneSettings.model_fields
    for name, field in shared.items():
        click.echo(f"{name} = {'(chosen)' if field.default is None else field.default}")
    kinds = {name: purpose.settings for name, purpose in PURPOSES.items()} | {"lm": ContinueSettings}
    for task, kind in kinds.items():
        click.echo(f"\n--task {task}")
        for name, field in kind.model_fields.items():
            if name not in shared:
                click.echo(f"{name} = {'(none)' if field.default is None else field.default}")
    groups = (TuneSettings, *kinds.values())
    for group in (*groups, Adapting, Reading, Batching, Optimization, Watching, Computing):
        click.echo("\n" + inspect.cleandoc(group.__doc__ or ""))
    context.exit()


def sentence(result: TrainResult) -> str:
    """What a person wants to know about a finished run."""
    lines = [
        f"{result.out}: {result.reason} after {counted(result.step, 'step')} in {result.seconds:,.0f} s; "
        f"{result.epochs:.1f} epochs"
    ]
    if result.validation_loss is not None:
        where = "on all held-out examples"
        if result.can_resume:
            where = "on what is measured meanwhile"
        elif result.validation_share < 1:
            where = f"on {result.validation_share:.1%} of the held-out examples"
        figures = [f"validation loss {result.validation_loss:.4f}"]
        figures += _figures(result, test=False)
        lines.append(f"{', '.join(figures)} {where} (weights of step {result.best_step:,})")
    if tested := _figures(result, test=True):
        lines.append(f"on the test split: {', '.join(tested)}")
    if not result.can_resume:
        use = {
            "instruct": "chat {}",
            "prefer": "chat {}",
            "classify": 'predict {} "..."',
            "tag": 'predict {} "..."',
            "seq2seq": 'predict {} "..."',
        }
        lines.append(f"use it: corpuskit {use.get(result.task, 'sample {}').format(result.out)}")
    return "\n".join(lines)


def _figures(result: TrainResult, *, test: bool) -> list[str]:
    """The figures of the held-out examples, or of the test split, in words."""
    found = {name: value for name, value in result.figures.items() if name.startswith("test_") == test}
    if found.get("test_share") == 1:
        del found["test_share"]
    return [
        f"{name.removeprefix('test_').replace('_', ' ')} {value:.4f}"
        for name, value in found.items()
        if value is not None
    ]
