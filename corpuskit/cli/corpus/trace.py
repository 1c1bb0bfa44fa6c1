"""``corpuskit trace``: a token and where it comes from."""

from __future__ import annotations

from pathlib import Path

import click

from corpuskit.cli.shell import PATH, Shell, shell_options
from corpuskit.report.trace import Trace, trace
from corpuskit.run.folder import Run


@click.command()
@click.argument("run", type=PATH)
@click.option("--shard", required=True, help="Name of the shard, e.g. train-00000.")
@click.option("--token", type=int, required=True, help="Place of the token in the shard, from 0.")
@shell_options
def command(shell: Shell, run: Path, shard: str, token: int) -> None:
    """Lead a token back to its document, source and licence.

    \b
    corpuskit trace runs/sample --shard train-00000 --token 12345
    """
    traced = trace(Run.open(run), shard, token)
    shell.result(vars(traced), _text(traced))


def _text(traced: Trace) -> str:
    document = traced.document
    lines = [
        f"{traced.shard}, token {traced.token}: id {traced.token_id}, {traced.token_text!r}",
        f"  in    {traced.context!r}",
        f"  bytes {traced.byte_start} to {traced.byte_end} of {document['bytes']}",
    ]
    if traced.cuts and traced.byte_end > traced.byte_start:
        lines.append(f"  before the cuts, bytes {traced.read_start} to {traced.read_end}")
    if traced.copy > 1:
        lines.append(f"  copy     {traced.copy} of {traced.copy_of}")
    names = ("id", "title", "source", "licence", "url", "language", "split", "cluster")
    lines += [f"  {name:<9}{document[name]}" for name in names if document[name]]
    lines += [f"  origin   {key}: {value}" for key, value in document["origin"].items()]
    for cut in traced.cuts:
        lines.append(f"  cut      {cut['stage']}, {cut['reason']}: bytes {cut['start']} to {cut['end']}")
    lines += [f"  kept in place of {d['id']} ({d['stage']}: {d['reason']})" for d in traced.dropped_for]
    return "\n".join(lines)
