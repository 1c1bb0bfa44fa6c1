"""``corpuskit verify``: whether a run is what its manifest says."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from corpuskit.cli.shell import PATH, Shell, counted, shell_options
from corpuskit.report.check import problems
from corpuskit.run.folder import Run


@click.command()
@click.argument("run", type=PATH)
@shell_options
def command(shell: Shell, run: Path) -> None:
    """Check a run: checksums, ledger, shards and their index.

    Reads every file. Ends with exit code 1 if anything does not hold.

    \b
    corpuskit verify runs/sample
    """
    opened = Run.open(run)
    found = list(problems(opened))
    records = opened.records()
    files = sum(len(r.outputs) for r in records)
    facts = {"run": str(run), "sound": not found, "problems": found, "files": files, "tasks": len(records)}
    sound = f"{run}: sound: {counted(files, 'file')} of {counted(len(records), 'task')}, ledger balanced"
    shell.result(facts, "\n".join(found) or sound)
    if found:
        shell.say("Delete what is damaged and call `corpuskit build` with the same recipe: it is made anew.")
        sys.exit(1)
