"""``corpuskit diff``: what stands in one run and not in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from corpuskit.build.forecast.dry_run import size
from corpuskit.cli.shell import PATH, Shell, shell_options
from corpuskit.cli.terminal import plain
from corpuskit.errors import counted
from corpuskit.report.diff import ADDED, CHANGED, REMOVED, SAME, STATES, Diff, Figures


@click.command()
@click.argument("first", type=PATH, metavar="RUN_A")
@click.argument("second", type=PATH, metavar="RUN_B")
@click.option("--list", "listed", type=click.Choice(STATES[1:]), help="Name the documents, one a line.")
@shell_options
def command(shell: Shell, first: Path, second: Path, listed: str | None) -> None:
    """Compare two runs: documents added, removed and changed, and why.

    Documents are joined by id, and texts by digest. By source, and by the decision that keeps a document out
    of the other run. A line of --list is id, source, stage, reason, bytes and tokens, with tabs between them.

    \b
    corpuskit diff runs/old runs/new
    corpuskit diff runs/old runs/new --list removed
    """
    with Diff(first, second) as diff:
        data = facts(diff)
        if listed is None:
            shell.result(data, render(data))
        elif shell.as_json:
            shell.result(data | {"listed": [asdict(each) for each in diff.listed(listed)]}, "")
        else:
            for each in diff.listed(listed):
                click.echo(plain("\t".join(map(str, asdict(each).values()))))


def facts(diff: Diff) -> dict[str, Any]:
    """The difference as JSON values."""
    runs = [{"run": str(side.run.folder), **asdict(side.figures)} for side in diff.sides]
    return {
        "runs": runs,
        "documents": {state: diff.total(state).documents for state in STATES},
        "renamed": diff.renamed,
        "sources": {
            source: {state: asdict(diff.total(state, source)) for state in STATES} for source in diff.sources
        },
        "reasons": [
            {"change": state, "stage": stage, "reason": reason, **asdict(figures)}
            for state, stage, reason, figures in diff.reasons()
        ],
    }


def render(data: dict[str, Any]) -> str:
    """The difference as text for a terminal."""
    lines = []
    for run in data["runs"]:
        tokens = f", {counted(run['tokens'], 'token')}" if run["tokens"] else ""
        lines.append(f"{run['run']}: {counted(run['documents'], 'document')}, {size(run['bytes'])}{tokens}")
    rows: list[tuple[str, ...]] = [("source", SAME, ADDED, REMOVED, CHANGED, "bytes", "tokens")]
    for source, states in data["sources"].items():
        total = Figures()
        for each in states.values():
            total.add(**{("size" if name == "bytes" else name): value for name, value in each.items()})
        counts = [str(states[state]["documents"]) for state in (SAME, ADDED, REMOVED, CHANGED)]
        rows.append((source, *counts, f"{total.bytes:+,}", f"{total.tokens:+,}"))
    lines += ["", *_columns(rows, words=1)]
    if data["reasons"]:
        rows = [("change", "stage", "reason", "documents", "bytes", "tokens")]
        for each in data["reasons"]:
            words = (each["change"], each["stage"] or "-", each["reason"], str(each["documents"]))
            rows.append((*words, f"{each['bytes']:+,}", f"{each['tokens']:+,}"))
        lines += ["", *_columns(rows, words=3)]
    if data["renamed"]:
        lines += ["", f"of these, {counted(data['renamed'], 'text')} left one id for another"]
    return "\n".join(lines)


def _columns(rows: Sequence[Sequence[str]], words: int) -> list[str]:
    """Columns as wide as they must be: the first ``words`` to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number < words else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
