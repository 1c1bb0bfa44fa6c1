"""``corpuskit train``: the shards of a run become a model."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpuskit.cli.model.running import How, do_job, require_out, run_options, speaks
from corpuskit.cli.shell import COUNT, PATH, Shell, shell_options
from corpuskit.cli.terminal import width_of, wrapped
from corpuskit.errors import RunError, counted
from corpuskit.run.folder import Run
from corpuskit.run.layout import SHARDS_MANIFEST

if TYPE_CHECKING:
    from corpuskit.train import TrainResult, TrainSettings

SIZES = ("nano", "tiny", "small", "15m", "124m")


@click.command()
@click.argument("run", type=PATH)
@click.option("--out", type=PATH, help="The model folder.")
@click.option("--recipe", metavar="NAME|FILE", help="Settings from a recipe that ships, or from a YAML file.")
@click.option("--steps", type=COUNT, help="Length of the run. Default: 10 times over the corpus.")
@click.option("--minutes", type=float, help="Length of the run by time; the schedule is fitted to the speed.")
@click.option(
    "--size", type=click.Choice(SIZES), help="Size of the model. Default: by the size of the corpus."
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of weights, order and dropout. Default: 1337.")
@click.option("--prompt", help="What the samples shown on the way begin with.")
@run_options(lambda context: list_settings(context))
@click.option(
    "--verify-resume", is_flag=True, help="Only prove, in some steps, that these settings resume bit for bit."
)
@shell_options
def command(
    shell: Shell,
    run: Path,
    out: Path | None,
    recipe: str | None,
    how: How,
    verify_resume: bool,
    **options: Any,
) -> None:
    """Train a model on the shards of a run.

    Stop it with Ctrl-C (once: it saves) and go on with --resume: the result is the same, bit for bit.

    \b
    corpuskit train runs/sample --out models/sample --steps 1200
    corpuskit train runs/austen --out models/austen --steps 3000 --size small --set dropout=0.2
    corpuskit train runs/austen --out models/austen --resume
    corpuskit train runs/austen --recipe austen-15m --plan --hourly 2.50
    """
    began = time.monotonic()
    if not Run(run).exists(SHARDS_MANIFEST):
        Run.open(run)  # Says so when it is no run at all.
        message = f"{run}: holds no shards: the build is not finished, or its recipe has no `shards:`"
        remedy = "Call `corpuskit build` with a recipe that has `tokenizer:` and `shards:`."
        raise RunError(message, remedy=remedy)
    if not verify_resume:
        require_out(out, how)
    # torch takes seconds to load: not before there is something to train.
    from corpuskit.train import TrainSettings
    from corpuskit.train.corpus import Corpus

    settings = TrainSettings.checked(how.values(recipe, options))
    if verify_resume and not how.looks:
        return prove_resume(shell, run, out or run, settings)
    do_job(shell, Corpus(run), settings, out, how, began, f"corpuskit train {run}", sentence)


def list_settings(context: click.Context) -> None:
    """Print the settings of a run, and what they mean by subject."""
    from corpuskit.train.settings.settings import GROUPS, TrainSettings

    for name, field in TrainSettings.model_fields.items():
        click.echo(f"{name} = {'(chosen)' if field.default is None else field.default}")
    for group in (TrainSettings, *GROUPS):
        click.echo("\n" + inspect.cleandoc(group.__doc__ or ""))
    context.exit()


def prove_resume(shell: Shell, run: Path, out: Path, settings: TrainSettings) -> None:
    """Say whether these settings resume exactly; exits with 1 when they do not."""
    from corpuskit.train.verify import verify_resume

    proof = verify_resume(run, out, settings)
    if speaks():
        shell.result(
            {"exact": proof.exact, **dataclasses.asdict(proof)}, wrapped(str(proof), width_of(sys.stdout))
        )
    if not proof.exact:
        sys.exit(1)


def sentence(result: TrainResult) -> str:
    """What a person wants to know about a finished run."""
    lines = [
        f"{result.out}: {result.reason} after {counted(result.step, 'step')} in {result.seconds:,.0f} s; "
        f"{result.parameters / 1e6:.1f}M parameters, {counted(result.tokens, 'token')}, "
        f"{result.epochs:.1f} epochs"
    ]
    if result.validation_loss is not None:
        where = "on the whole split"
        if result.can_resume:
            where = "on what is measured meanwhile"
        elif result.validation_share < 1:
            where = f"on {result.validation_share:.1%} of the split, spread over it"
        per_byte = "" if result.bits_per_byte is None else f", {result.bits_per_byte:.3f} bits per byte"
        lines.append(
            f"validation loss {result.validation_loss:.4f}, perplexity {result.perplexity:.2f}{per_byte} "
            f"{where} (weights of step {result.best_step:,})"
        )
    if result.sources:
        from corpuskit.cli.model.training_display import sources_line

        lines.append(f"of each source: {sources_line(result.sources)}")
    if not result.can_resume:
        fills = result.task.split(",")[0] in ("masked", "spans", "denoise")
        use = '--fill "... <mask> ..."' if fills else '--prompt "..."'
        lines.append(f"{'fill gaps' if fills else 'write'} with it: corpuskit sample {result.out} {use}")
    return "\n".join(lines)
