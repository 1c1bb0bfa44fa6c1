"""``corpuskit pack``: what packing would do with a run's documents."""

from __future__ import annotations

from pathlib import Path

import click

from corpuskit.cli.shell import PATH, Shell, shell_options
from corpuskit.shards.packing import PackReport, by_method
from corpuskit.shards.reader import open_shards


@click.command()
@click.argument("run", type=PATH)
@click.option("--context", type=int, multiple=True, help="Tokens that a model reads; may be repeated. 1024.")
@click.option("--split", default="train", help="train, validation or test.")
@shell_options
def command(shell: Shell, run: Path, context: tuple[int, ...], split: str) -> None:
    """Show what packing would do with a run's documents.

    Both ways beside each other, for each context; nothing is written.

    \b
    corpuskit pack runs/sample --context 1024 --context 2048
    """
    shards = open_shards(run)
    found = {length: shards.packing(length, split) for length in context or (1024,)}
    plain = {str(length): by_method(both) for length, both in found.items()}
    text = "\n\n".join(_text(split, length, *both) for length, both in found.items())
    shell.result({"split": split, "packed_by": shards.packed_by, "contexts": plain}, text)


def _text(split: str, context: int, packed: PackReport, cut: PackReport) -> str:
    lines = [
        f"{split}: {packed.tokens:,} tokens in {packed.documents:,} documents or sections, of which "
        f"{packed.longer:,} are longer than a row of {packed.row_tokens:,} (context {context:,})",
        f"{'':<34}{'best_fit':>14}{'concatenate':>14}",
    ]
    rows = [
        ("rows", f"{packed.rows:,}", f"{cut.rows:,}"),
        ("padding, of all places", _share(packed), _share(cut)),
        ("parted documents that would fit", f"{packed.parted:,}", f"{cut.parted:,}"),
        ("tokens in no row", f"{packed.tokens_unused:,}", f"{cut.tokens_unused:,}"),
        ("targets left over", f"{packed.targets_left_over:,}", f"{cut.targets_left_over:,}"),
    ]
    return "\n".join(lines + [f"{name:<34}{one:>14}{other:>14}" for name, one, other in rows])


def _share(report: PackReport) -> str:
    return f"{report.padding:,} ({100 * report.padding_share:.3f} %)" if report.padding else "0"
