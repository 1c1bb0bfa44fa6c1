"""``corpuskit inspect``: what a run or a model folder holds."""

from __future__ import annotations

import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from corpuskit.build.empty import most_lost
from corpuskit.build.forecast.dry_run import size
from corpuskit.build.told import warnings_of
from corpuskit.build.write.pack_shards import LABEL
from corpuskit.cli.model import describe
from corpuskit.cli.shell import PATH, Shell, shell_options
from corpuskit.cli.terminal import UNBROKEN, width_of
from corpuskit.documents.ledger import Entry, Ledger
from corpuskit.errors import counted
from corpuskit.report.check import read_ledger, read_records
from corpuskit.run.folder import Run
from corpuskit.run.layout import FINAL, SHARDS, folder_of
from corpuskit.run.record import Record
from corpuskit.shards.format import PACKING_NAME
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import unsealed

_COSTLIEST = 5
"""Templates that are named; `corpuskit wikipedia loss` shows them all."""

_WORDS_WIDTH = 30
"""Columns behind the figures of a table from which on words are written beside them."""


@click.command()
@click.argument("folder", type=PATH)
@shell_options
def command(shell: Shell, folder: Path) -> None:
    """Show what a run or a model holds.

    Of a run: its ledger, sources, tokens, shards. Of a model: its shape, training and losses.

    \b
    corpuskit inspect runs/sample
    corpuskit inspect runs/sample --json | jq .sources
    corpuskit inspect models/sample
    """
    if describe.is_model(folder):
        model = describe.gather(folder)
        shell.result(model, describe.render(model))
        return
    facts = gather(Run.open_finished(folder))
    shell.result(facts, render(facts, width_of(sys.stdout)))


def gather(run: Run) -> dict[str, Any]:
    """The facts of a finished run as JSON values."""
    records, ledger = read_records(run), read_ledger(run)
    return {
        "run": str(run.folder),
        "ledger": ledger["stages"],
        "sources": _sources(records),
        "tokenizer": next((dict(r.facts) for r in records if r.task == "tokenizer"), None),
        "warnings": [w for r in records if r.task == "shards" for w in warnings_of(r.facts)],
        # Where they were made they must be there: without shards.json that is an error.
        "shards": _shards(run) if any(record.task == "shards" for record in records) else {},
        "packing": _packing(run) if any(record.task == LABEL for record in records) else None,
        "found": _found(records),
        "aside": _aside(records),
        "most_lost": most_lost(run, records, Ledger.from_json(ledger["stages"])),
        "loss": _loss(run, records),
        "contamination": _contamination(run, records),
    }


def _shards(run: Run) -> dict[str, list[dict[str, Any]]]:
    splits = Shards(run.local(SHARDS)).splits
    return {split: [vars(info) for info in infos] for split, infos in splits.items()}


def _packing(run: Run) -> dict[str, Any]:
    """The way of packing that the recipe names, and what both ways do, by split and context."""
    noted = unsealed(run.local(run.path("shards", PACKING_NAME)).read_bytes())
    return {"method": noted["method"], "splits": noted["splits"]}


def _sources(records: list[Record]) -> dict[str, dict[str, int]]:
    """Documents and bytes that were kept, by source."""
    sources: dict[str, Counter[str]] = {}
    for record in records:
        if record.task.startswith(f"{FINAL}/"):
            for source, facts in record.facts["sources"].items():
                sources.setdefault(source, Counter()).update(facts)
    return {source: dict(facts) for source, facts in sorted(sources.items())}


def _found(records: list[Record]) -> dict[str, dict[str, dict[str, int]]]:
    """What stages met in documents, by stage and kind: how often, in how many documents."""
    found: dict[str, dict[str, Counter[str]]] = {}
    for record in records:
        for stage, kinds in record.facts.get("found", {}).items():
            for kind, counts in kinds.items():
                found.setdefault(stage, {}).setdefault(kind, Counter()).update(counts)
    return {stage: {k: dict(n) for k, n in sorted(kinds.items())} for stage, kinds in sorted(found.items())}


def _aside(records: list[Record]) -> dict[str, int]:
    """How many rows lie in ``dropped/``, ``quarantine/``, ``cuts/`` and the side tables of sources."""
    rows: Counter[str] = Counter()
    for output in (o for record in records for o in record.outputs):
        folder = output.path.split("/")[0]
        if folder in ("dropped", "quarantine", "cuts"):
            rows[folder] += output.rows or 0
        elif output.path.startswith(folder_of("tables")):
            rows[output.path.rpartition("/")[0]] += output.rows or 0
    return dict(sorted(rows.items()))


def _contamination(run: Run, records: list[Record]) -> dict[str, Any] | None:
    # It loads the stages, which most runs do not need.
    if not any(o.path.startswith(f"{folder_of('tables')}contamination") for r in records for o in r.outputs):
        return None
    from corpuskit.report.contamination import contamination_of

    return contamination_of(run, records)


def _loss(run: Run, records: list[Record]) -> dict[str, Any] | None:
    """What the loss meter found on its sample of a wiki's pages; None where no page was measured."""
    # It loads the sources, which nothing else here needs.
    from corpuskit.sources.wikipedia.loss import SIDE_TABLES, LossTotals

    totals = LossTotals()
    outputs = {output.path: output for record in records for output in record.outputs}
    prefix = f"{folder_of('tables')}loss_pages/"
    for part in (path.removeprefix(prefix) for path in outputs if path.startswith(prefix)):
        paths = {name: f"{folder_of('tables')}{name}/{part}" for name in SIDE_TABLES}
        if not outputs.keys() >= set(paths.values()):
            continue
        tables = {name: run.read_recorded(outputs[path]) for name, path in paths.items()}
        # Somebody else's source may call a table of its own so.
        if all(table.schema.equals(SIDE_TABLES[name]) for name, table in tables.items()):
            totals.add(tables)
    if not totals.pages:
        return None
    return {
        "pages": totals.pages,
        "kept": totals.kept(),
        "kept_prose": totals.kept(("prose",)),
        "templates": {row.template: row.lost for row in totals.costliest(_COSTLIEST)},
    }


def render(facts: dict[str, Any], columns: int = UNBROKEN) -> str:
    """The facts as text for a terminal of so many columns."""
    ledger = Ledger.from_json(facts["ledger"])
    # What a rule measured is no news: its decision follows. What it failed on or cut is.
    decided = {name for name in ledger.entries if f"{name} decided" in ledger.entries}
    entries = ledger.entries.items()
    shown = [e for name, e in entries if name not in decided or e.bytes_kept != e.bytes_in]
    rows = [("stage", "in", "kept", "bytes in", "kept", "what went"), *map(_entry, shown)]
    lines = [f"{facts['run']}", "", *_table(rows, columns), ""]
    sources = [(s, str(f["documents"]), size(f["bytes"])) for s, f in facts["sources"].items()]
    lines += _table([("source", "documents", "bytes"), *sources])
    if facts["tokenizer"]:
        lines += ["", f"tokenizer: {facts['tokenizer']['vocab_size']} tokens"]
    for split, shards in facts["shards"].items():
        tokens, sequences = (sum(s[k] for s in shards) for k in ("tokens", "sequences"))
        told = f"{counted(tokens, 'token')} in {counted(sequences, 'sequence')}"
        lines.append(f"{split}: {told}, {counted(len(shards), 'shard')}")
    if facts["packing"]:
        lines += _packing_lines(facts["packing"])
    lines += [f"warning: {warning}" for warning in facts["warnings"]]
    if facts["loss"]:
        lines += ["", _loss_line(facts["loss"])]
    for stage, kinds in facts["found"].items():
        each = (f"{k} {n['count']:,} in {counted(n['documents'], 'document')}" for k, n in kinds.items())
        lines += _wrapped(", ".join(each), columns, f"{stage} found: ", "    ")
    if facts["contamination"]:
        from corpuskit.report.contamination import contamination_lines

        lines += ["", *contamination_lines(facts["contamination"])]
    if facts["aside"]:
        places = ", ".join(f"{counted(n, 'row')} in {folder}/" for folder, n in facts["aside"].items())
        lines += ["", f"to look at: {places}"]
    if facts["most_lost"]:
        lines.append(f"the most went here: {facts['most_lost']}")
    return "\n".join(lines)


def _packing_lines(packing: dict[str, Any]) -> list[str]:
    """What the way that the recipe names does, a line for each split and context."""
    found = [
        (split, int(context), reports[packing["method"]])
        for split, by_context in packing["splits"].items()
        for context, reports in by_context.items()
    ]
    return [
        f"{split} by {packing['method']}, context {context:,}: {counted(report['rows'], 'row')}, "
        f"{report['padding_share']:.2%} padding, {report['parted']:,} parted that would fit, "
        f"{counted(report['tokens_unused'], 'token')} in no row"
        for split, context, report in sorted(found, key=lambda item: item[:2])
    ]


def _loss_line(loss: dict[str, Any]) -> str:
    costly = ", ".join(f"{name} {lost:,}" for name, lost in loss["templates"].items())
    return (
        f"words of {counted(loss['pages'], 'wiki page')} measured: kept {loss['kept_prose']:.2%} of prose, "
        f"{loss['kept']:.2%} of all; templates that lost the most: {costly or 'none'}"
    )


def _entry(entry: Entry) -> tuple[str, ...]:
    gone = entry.documents_dropped + entry.documents_quarantined
    parts = [f"{count} {reason}" for reason, count in sorted(gone.items())]
    parts += [f"{count} {reason}" for reason, count in sorted(entry.documents_added.items())]
    for verb, counter in (("cut", entry.bytes_cut), ("added", entry.bytes_added)):
        if counter.total():
            parts.append(f"{size(counter.total())} {verb}")
    documents = (str(entry.documents_in), str(entry.documents_kept))
    return (entry.stage, *documents, size(entry.bytes_in), size(entry.bytes_kept), ", ".join(parts))


def _table(rows: Sequence[Sequence[str]], columns: int = UNBROKEN) -> list[str]:
    """Columns as wide as they must be: the first to the left, figures to the right, words last.

    Args:
        columns: of the terminal; words that go beyond it are continued in the next line, below where they
            began, or, where less than a few words have room there, below the first column.
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        figures = [cell.rjust(width) for cell, width in zip(others[:4], widths[1:5], strict=False)]
        start = "  ".join([first.ljust(widths[0]), *figures])
        words = " ".join(others[4:])
        begins = len(start) + 2
        if begins + len(words) <= columns:
            lines.append(f"{start}  {words}".rstrip())
        elif columns - begins >= _WORDS_WIDTH:
            lines += _wrapped(words, columns, f"{start}  ", " " * begins)
        else:
            lines += [start, *_wrapped(words, columns, "    ", "    ")]
    return lines


def _wrapped(words: str, columns: int, first: str, indent: str) -> list[str]:
    """Items with commas between them as lines; a number stays beside its reason."""
    glued = words.replace(" ", "\xa0").replace(",\xa0", ", ")
    lines = textwrap.wrap(glued, columns, initial_indent=first, subsequent_indent=indent)
    return [line.replace("\xa0", " ") for line in lines]
