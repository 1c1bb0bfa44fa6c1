"""``corpuskit wikipedia loss``: which words of a dump are missing from the texts made of it."""

from __future__ import annotations

from io import StringIO
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.progress import DownloadColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from corpuskit.cli.shell import COUNT, Shell, progress, shell_options
from corpuskit.cli.terminal import plain_console
from corpuskit.errors import CorpuskitError, counted
from corpuskit.sources.wikipedia.loss import BY_SETTING, HOLES, KINDS, LEFTOVERS, ON_PURPOSE, LossTotals
from corpuskit.sources.wikipedia.source import Wikipedia

_NOTES = dict.fromkeys(ON_PURPOSE, "on purpose") | {
    "heading": "kept where something stands under it",
    "dropped": "on purpose (class of the template)",
}
# The source speaks of the settings of a recipe, which the command has not.
_IN_THE_COMMAND = {
    "Check `path`.": "Check the name of the dump.",
    "Name a file, or files with `include`;": "Name one file;",
    " (`include` chooses others)": "",
    "Set `wiki`, for example to enwiki.": "Name it: --wiki enwiki.",
}
WIDTH = 150
WIDTHS = {"kind": 9, "template": 24, "page": 20, "example": 58}


@click.command("loss")
@click.argument("dump")
@click.option("--top", type=COUNT, default=30, show_default=True, help="Templates that are shown.")
@click.option("--every", type=COUNT, default=1, show_default=True, help="Measure every N-th page.")
@click.option("--wiki", default="", help="Name of the wiki (enwiki), where the dump does not tell it.")
@click.option("--language", default="", help="Language code, where the dump tells none or a wrong one.")
@shell_options
def loss_command(shell: Shell, dump: str, top: int, every: int, wiki: str, language: str) -> None:
    """Show which words of a dump its texts lack: by kind, and by template, most costly first.

    Also counts holes ("()", "of and") and marks that were left over. What a visible word is, and when one is
    kept, is said in corpuskit.sources.wikipedia.loss.

    \b
    corpuskit wikipedia loss sample_corpora/encyclopedia.xml --top 10
    """
    source = Wikipedia(path=dump, wiki=wiki, language=language, loss_every=every)
    totals = LossTotals()
    try:
        _measure(shell, source, totals)
    except CorpuskitError as error:
        raise type(error)(error.message, remedy=_in_the_command(error.remedy)) from error
    shell.result(_facts(totals, top), _text(totals, top))


def _in_the_command(sentence: str) -> str:
    """What the source says, in words of the command line."""
    for recipe, command in _IN_THE_COMMAND.items():
        sentence = sentence.replace(recipe, command)
    return sentence


def _measure(shell: Shell, source: Wikipedia, totals: LossTotals) -> None:
    parts = source.parts()
    with progress(shell, DownloadColumn(), TimeRemainingColumn()) as shown:
        bar = shown.add_task("reading", total=sum(part.bytes for part in parts))
        for part in parts:
            for reading in source.read(part):
                if "loss" in reading.tables:
                    totals.add(reading.tables)
                for sentence in reading.warnings:
                    shell.say(_in_the_command(sentence))
            shown.advance(bar, part.bytes)


def _facts(totals: LossTotals, top: int) -> dict[str, Any]:
    counts = totals.counts
    kinds = {
        k: {"words": counts[f"words_{k}"], "lost": counts[f"lost_{k}"], "kept": totals.kept((k,))}
        for k in KINDS
    }
    return {
        "pages": totals.pages,
        "sentences": counts["sentences"],
        "kinds": kinds,
        "holes": {hole: counts[f"hole_{hole}"] for hole in HOLES},
        "leftovers": {mark: counts[f"left_{mark}"] for mark in LEFTOVERS},
        "templates": [vars(row) for row in totals.costliest(top)],
    }


def _text(totals: LossTotals, top: int) -> str:
    if not totals.pages:
        return "no page was measured"
    console = plain_console(file=StringIO(), width=WIDTH)
    console.print(_kinds(totals))
    per = 1000 / max(1, totals.counts["sentences"])
    for what, prefix, names in (("holes", "hole", HOLES), ("leftovers", "left", LEFTOVERS)):
        found = {name: totals.counts[f"{prefix}_{name}"] for name in names}
        shown = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in found.items() if n) or "none"
        rate = sum(found.values()) * per
        console.print(f"{what}: {rate:.2f} in 1,000 sentences ({shown})", highlight=False, markup=False)
    if rows := totals.costliest(top):
        console.print()
        console.print(_templates(rows))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


def _kinds(totals: LossTotals) -> Table:
    table = Table(title=f"words of {counted(totals.pages, 'page')}", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("where they stand")
    for name in ("visible", "lost", "kept"):
        table.add_column(name, justify="right")
    table.add_column("")
    for kind in KINDS:
        words, lost = totals.counts[f"words_{kind}"], totals.counts[f"lost_{kind}"]
        note = _NOTES.get(kind, "by setting" if kind in BY_SETTING else "")
        table.add_row(kind, f"{words:,}", f"{lost:,}", f"{totals.kept((kind,)):.2%}" if words else "", note)
    return table


def _templates(rows: list[Any]) -> Table:
    table = Table(title="templates that lost the most", title_justify="left", box=SIMPLE_HEAD)
    for name in ("lost", "of", "uses"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, width in WIDTHS.items():
        table.add_column(name, no_wrap=True, overflow="ellipsis", width=width)
    for row in rows:
        texts = (row.kind, row.template, row.page, row.example)
        table.add_row(f"{row.lost:,}", f"{row.words:,}", f"{row.uses:,}", *(Text(text) for text in texts))
    return table
