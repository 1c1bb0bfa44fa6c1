"""``corpuskit dedup``: how well copies are found in a run, and what went for what."""

from __future__ import annotations

from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from corpuskit.cli.shell import COUNT, PATH, Shell, shell_options
from corpuskit.cli.terminal import plain_console
from corpuskit.errors import counted
from corpuskit.report.clusters import Cluster, Copy, clusters
from corpuskit.report.recall import Measured, measure_recall
from corpuskit.run.folder import Run

_WIDTH = 120


@click.command("measure")
@click.argument("run", type=PATH)
@click.option("--documents", type=COUNT, default=600, show_default=True, help="Documents that are sampled.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the sample and its copies.")
@shell_options
def measure_command(shell: Shell, run: Path, documents: int, seed: int) -> None:
    """Plant near duplicates of known similarity and show how many are found.

    Of a sample of the run's documents copies are made with some words replaced, and the run's stage
    near_duplicates decides about all of them in memory. By exact Jaccard similarity it shows how many pairs
    are candidates, how many should be by the analytic curve, how many were found, and how many documents were
    dropped that should not have been. Nothing is written into the run.

    \b
    corpuskit dedup measure runs/sample
    """
    measured = measure_recall(Run.open_finished(run), documents, seed)
    shell.result({"run": str(run), **asdict(measured)}, _measured(measured))


def _measured(found: Measured) -> str:
    table = Table(box=SIMPLE_HEAD)
    for name in ("similarity", "pairs", "candidates", "expected", "found", "recall", "dropped wrongly"):
        table.add_column(name, justify="right")
    for band in found.bands:
        reaches = band.least >= found.threshold
        table.add_row(
            "1" if band.least == 1 else f"{band.least:g} to {band.below:g}",
            f"{band.pairs:,}",
            f"{band.met:,}",
            f"{band.expected:,.1f}",
            f"{band.found:,}",
            f"{band.found / band.pairs:.3f}" if reaches else "",
            f"{band.wrong:,}",
        )
    recall, precision = (
        "none" if share is None else f"{share:.4f}" for share in (found.recall, found.precision)
    )
    head = (
        f"{counted(found.documents, 'document')}, a copy of each; threshold {found.threshold:g},"
        f" {found.signature_bands} bands of {found.rows} rows"
    )
    return f"{head}\n{_drawn(table)}\nrecall {recall} from the threshold on, precision {precision}"


@click.command("clusters")
@click.argument("run", type=PATH)
@click.option("--limit", type=COUNT, default=10, show_default=True, help="Clusters that are shown.")
@shell_options
def clusters_command(shell: Shell, run: Path, limit: int) -> None:
    """Show what stays and what went as its near duplicate, side by side.

    The clusters with the most copies come first, and of each the copies that resemble it least. Words that
    differ stand between [ and ], with a few around them.

    \b
    corpuskit dedup clusters runs/sample --limit 3
    """
    found = list(clusters(Run.open_finished(run), limit))
    facts = {"run": str(run), "clusters": [asdict(cluster) for cluster in found]}
    shell.result(facts, "\n\n".join(map(_cluster, found)) or f"{run}: no document went as a near duplicate")


def _cluster(cluster: Cluster) -> str:
    said = f"{_named(cluster.kept, cluster.title)}: {counted(cluster.dropped, 'document')} went for it"
    return "\n".join([said, *map(_copy, cluster.copies)])


def _copy(copy: Copy) -> str:
    table = Table(box=SIMPLE_HEAD)
    for name in ("stays", "went"):
        table.add_column(name, width=(_WIDTH - 8) // 2)
    for hunk in copy.hunks:
        sides = (
            " ".join(filter(None, (hunk.before, f"[{middle}]", hunk.after)))
            for middle in (hunk.kept, hunk.dropped)
        )
        table.add_row(*sides)
    said = f"  {_named(copy.id, copy.title)}: Jaccard similarity {copy.similarity:.4f}, {_places(copy)}"
    return f"{said}\n{_drawn(table)}" if copy.hunks else said


def _places(copy: Copy) -> str:
    if not copy.places:
        return "the same words" if copy.whole else "the same words as far as compared"
    what = counted(copy.places, "place") + ("" if copy.whole else " and more")
    return f"{what}, {len(copy.hunks)} shown" if copy.places > len(copy.hunks) else what


def _named(identity: str, title: str) -> str:
    return f"{identity} ({title})" if title else identity


def _drawn(table: Table) -> str:
    console: Any = plain_console(file=StringIO(), width=_WIDTH)
    console.print(table)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines() if line.strip())


@click.group(commands=(measure_command, clusters_command))
def command() -> None:
    """See how well near duplicates are found in a run, and what went for what.

    \b
    corpuskit dedup measure runs/sample
    corpuskit dedup clusters runs/sample --limit 3
    """
