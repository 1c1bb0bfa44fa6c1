"""``corpuskit build``: a recipe becomes a run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpuskit.cli.shell import COUNT, GO_ON, PATH, Shell, importing, progress, shell_options
from corpuskit.errors import counted
from corpuskit.run.one_thread import start_no_threads

if TYPE_CHECKING:
    from corpuskit.build.build import BuildResult, Listener
    from corpuskit.build.recipe.recipe import Recipe


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
    start_no_threads()  # Before anything is imported that would.
    with importing():
        from corpuskit.build.recipe.recipe import load
        from corpuskit.storage.ownership import refuse_overlap

        loaded = load(recipe, overrides)
    refuse_overlap(out, [("the build", recipe)])
    if dry:
        from corpuskit.build.forecast.dry_run import dry_run, render

        planned = dry_run(loaded.pipeline, out)
        shell.result(planned, render(planned))
        return
    shell.kept = GO_ON
    result = _build(shell, loaded, out, workers or os.cpu_count() or 1)
    shell.result(_facts(result), _sentence(result))


def _build(shell: Shell, recipe: Recipe, out: Path, workers: int) -> BuildResult:
    with importing():
        from corpuskit.build.build import build_corpus
        from corpuskit.run.local_engine import LocalEngine
        from corpuskit.storage.without_pandas import leave_out_pandas

    own = recipe.pipeline.own
    if own:
        leave_out_pandas()
    with LocalEngine(workers, own=own) as engine:
        with shell.alone():
            engine.fork()
        with build_progress(shell) as listen:
            return build_corpus(recipe.pipeline, out, workers=workers, engine=engine, listen=listen)


@contextmanager
def build_progress(shell: Shell) -> Iterator[Listener]:
    """A line of progress per step on standard error: a live bar in a terminal, plain lines elsewhere."""
    from rich.progress import MofNCompleteColumn, TimeElapsedColumn

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
    from corpuskit.build.forecast.dry_run import size

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
