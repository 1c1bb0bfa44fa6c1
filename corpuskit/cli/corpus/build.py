"""``corpuskit build``: a recipe becomes a run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.progress import MofNCompleteColumn, TimeElapsedColumn

from corpuskit.build.build import BuildResult, Listener, build_corpus
from corpuskit.build.forecast.dry_run import dry_run, render, size
from corpuskit.build.recipe.recipe import load
from corpuskit.cli.shell import COUNT, GO_ON, PATH, Shell, progress, shell_options
from corpuskit.errors import counted
from corpuskit.storage.ownership import refuse_overlap


@click.command()
@click.argument("recipe", type=PATH)
@click.option("--out", type=PATH, required=True, help="The run folder.")
@click.option("--workers", type=COUNT, help="Processes. Default: one per core.")
@click.option(
    "--set", "overrides", multiple=True, metavar="A.B=VALUE", help="Override a setting of the recipe."
)
@click.option("--dry-run", "dry", is_flag=True, help="Show the plan and do nothing.")
@shell_options
def command(
    shell: Shell, recipe: Path, out: Path, workers: int | None, overrides: tuple[str, ...], dry: bool
) -> None:
    """Build documents, tokenizer and shards from a recipe.

    Call it again after a stop or a changed recipe: what is done and still fits is not done again.

    \b
    corpuskit build pipelines/sample.yaml --out runs/sample
    corpuskit build pipelines/austen.yaml --out runs/austen --set tokenizer.vocab_size=2048
    """
    loaded = load(recipe, overrides)
    refuse_overlap(out, [("the build", recipe)])
    if dry:
        planned = dry_run(loaded.pipeline, out)
        shell.result(planned, render(planned))
        return
    shell.kept = GO_ON
    with build_progress(shell) as listen:
        result = build_corpus(loaded.pipeline, out, workers=workers or os.cpu_count() or 1, listen=listen)
    shell.result(_facts(result), _sentence(result))


@contextmanager
def build_progress(shell: Shell) -> Iterator[Listener]:
    """A line of progress per step on standard error: a live bar in a terminal, plain lines elsewhere."""
    bars: dict[str, Any] = {}
    with progress(shell, MofNCompleteColumn(), TimeElapsedColumn()) as shown:
        console = shown.console

        def listen(event: str, facts: Mapping[str, Any]) -> None:
            title = str(facts.get("title", ""))
            if event == "step":
                tasks, skipped = facts["tasks"], facts["skipped"]
                bars[title] = shown.add_task(title, total=tasks, completed=skipped)
                done = f", {skipped} done before" if skipped else ""
                if not console.is_terminal:
                    console.print(f"{title}: {counted(tasks, 'task')}{done}", soft_wrap=True)
            elif event == "done":
                shown.advance(bars[title])
            elif event == "warning":
                # Whoever reads it from a file finds it whole on one line.
                console.print(f"warning: {facts['warning']}", soft_wrap=True)

        yield listen


def _facts(result: BuildResult) -> dict[str, Any]:
    return {
        "run": str(result.folder),
        "documents": result.documents,
        "bytes": result.bytes,
        "tokens": dict(result.tokens),
        "tasks_done": result.done,
        "tasks_skipped": result.skipped,
        "warnings": list(result.warnings),
        "ledger": result.ledger.to_json(),
    }


def _sentence(result: BuildResult) -> str:
    lines = [f"{result.folder}: {counted(result.documents, 'document')}, {size(result.bytes)} of text"]
    if result.tokens:
        split = ", ".join(f"{count} {name}" for name, count in result.tokens.items() if count)
        lines.append(f"tokens: {split or 'none'}")
    gone: Counter[str] = Counter()
    added: Counter[str] = Counter()
    for entry in result.ledger.entries.values():
        added.update(entry.documents_added)
        gone.update(entry.documents_dropped)
        gone.update(entry.documents_quarantined)
    if added:
        more = ", ".join(f"{count} {reason}" for reason, count in sorted(added.items()))
        lines.append(f"written with them: {more}, {result.documents + added.total()} documents in all")
    if gone:
        lines.append("not kept: " + ", ".join(f"{count} {reason}" for reason, count in sorted(gone.items())))
    lines.append(f"see: corpuskit inspect {result.folder}")
    return "\n".join(lines)
