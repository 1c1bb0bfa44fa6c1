"""``corpuskit verify``: whether a run is what its manifest says."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import click

from corpuskit.cli.shell import PATH, Shell, shell_options
from corpuskit.report.check import check_run
from corpuskit.run.folder import Run


@click.command()
@click.argument("run", type=PATH)
@shell_options
def command(shell: Shell, run: Path) -> None:
    """Check a run: checksums, ledger, shards and their index.

    Reads every file that is recorded, decodes a sample of the documents from the shards and compares them
    with their texts. Ends with exit code 1 if anything does not hold.

    \b
    corpuskit verify runs/sample
    """
    found = check_run(Run.open(run))
    facts = {"run": str(run), "sound": not found.problems, **dataclasses.asdict(found)}
    sound = f"{run}: sound: {found.files} files of {found.tasks} tasks, ledger balanced"
    shell.result(facts, "\n".join([*(found.problems or [sound]), *found.notes]))
    if found.problems:
        sys.exit(1)
