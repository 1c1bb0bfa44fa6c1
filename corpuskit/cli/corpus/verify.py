"""``corpuskit verify``: whether a run is what its manifest says."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import click

from corpuskit.cli.model import describe
from corpuskit.cli.shell import PATH, Shell, shell_options
from corpuskit.errors import counted
from corpuskit.report.check import check_run
from corpuskit.run.folder import Run


@click.command()
@click.argument("run", type=PATH)
@shell_options
def command(shell: Shell, run: Path) -> None:
    """Check a run: checksums, ledger, shards and their index; or a model.

    Of a run it reads every file that is recorded, decodes a sample of the documents from the shards and
    compares them with their texts; of a model it reads weights, tokenizer, checkpoints, curves and log. Ends
    with exit code 1 if anything does not hold.

    \b
    corpuskit verify runs/sample
    corpuskit verify models/sample
    """
    if describe.is_model(run):
        _verify_model(shell, run)
        return
    found = check_run(Run.open(run))
    facts = {"run": str(run), "sound": not found.problems, **dataclasses.asdict(found)}
    sound = f"{run}: sound: {counted(found.files, 'file')} of {counted(found.tasks, 'task')}, ledger balanced"
    shell.result(facts, "\n".join([*(found.problems or [sound]), *found.notes]))
    if found.problems:
        sys.exit(1)


def _verify_model(shell: Shell, model: Path) -> None:
    # torch takes seconds to load: not for a run.
    from corpuskit.train.check import problems

    found = list(problems(model))
    facts = {"model": str(model), "sound": not found, "problems": found}
    shell.result(facts, "\n".join(found) or f"{model}: sound")
    if found:
        sys.exit(1)
