"""``corpuskit inspect``: what a run holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from corpuskit import storage
from corpuskit.cli._shell import Shell, shell_options
from corpuskit.errors import RunError
from corpuskit.ledger import Entry, Ledger
from corpuskit.plan import size
from corpuskit.run import Record, Run


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@shell_options
def command(shell: Shell, run: Path) -> None:
    """Show what a run holds: ledger, sources, tokens, shards.

    \b
    corpuskit inspect runs/sample
    corpuskit inspect runs/sample --json | jq .sources
    """
    facts = gather(Run.open(run))
    shell.result(facts, render(facts))


def gather(run: Run) -> dict[str, Any]:
    """The facts of a finished run as JSON values."""
    path = run.folder / "ledger.json"
    if not path.is_file():
        raise RunError(
            f"{run.folder}: the build is not finished: there is no ledger.json",
            remedy="Call `corpuskit build` again with the same recipe: it goes on where it stopped.",
        )
    records = run.records()
    shards = run.folder / "shards" / "shards.json"
    return {
        "run": str(run.folder),
        "ledger": storage.read_json(path)["stages"],
        "sources": _sources(records),
        "tokenizer": next((dict(r.facts) for r in records if r.task == "tokenizer"), None),
        "shards": storage.read_json(shards)["splits"] if shards.is_file() else {},
        "aside": _aside(records),
    }


def _sources(records: list[Record]) -> dict[str, dict[str, int]]:
    """Documents and bytes that were kept, by source."""
    sources: dict[str, Counter[str]] = {}
    for record in records:
        if record.task.startswith("documents/"):
            for source, facts in record.facts["sources"].items():
                sources.setdefault(source, Counter()).update(facts)
    return {source: dict(facts) for source, facts in sorted(sources.items())}


def _aside(records: list[Record]) -> dict[str, int]:
    """How many rows lie in ``dropped/``, ``quarantine/`` and ``cuts/``."""
    rows: Counter[str] = Counter()
    for output in (o for record in records for o in record.outputs):
        folder = output.path.split("/")[0]
        if folder in ("dropped", "quarantine", "cuts"):
            rows[folder] += output.rows or 0
    return dict(sorted(rows.items()))


def render(facts: dict[str, Any]) -> str:
    """The facts as text for a terminal."""
    ledger = Ledger.from_json(facts["ledger"])
    lines = [f"{facts['run']}", "", _row("stage", "in", "kept", "bytes in", "kept", "not kept")]
    lines += [line for entry in ledger.entries.values() if (line := _entry(entry))]
    lines += ["", _row("source", "documents", "bytes")]
    lines += [_row(s, f["documents"], size(f["bytes"])) for s, f in facts["sources"].items()]
    if facts["tokenizer"]:
        lines += ["", f"tokenizer: {facts['tokenizer']['vocab_size']} tokens"]
    for split, shards in facts["shards"].items():
        tokens, sequences = (sum(s[k] for s in shards) for k in ("tokens", "sequences"))
        lines.append(f"{split}: {tokens} tokens, {sequences} sequences, {len(shards)} shards")
    if facts["aside"]:
        places = ", ".join(f"{count} in {folder}/" for folder, count in facts["aside"].items())
        lines += ["", f"to look at: {places}"]
    return "\n".join(lines)


def _entry(entry: Entry) -> str:
    gone = entry.documents_dropped + entry.documents_quarantined
    parts = [f"{count} {reason}" for reason, count in sorted(gone.items())]
    for verb, counter in (("cut", entry.bytes_cut), ("added", entry.bytes_added)):
        if counter.total():
            parts.append(f"{size(counter.total())} {verb}")
    figures = (entry.documents_in, entry.documents_kept, size(entry.bytes_in), size(entry.bytes_kept))
    return _row(entry.stage, *figures, ", ".join(parts))


def _row(first: object, *others: object) -> str:
    cells = [f"{first!s:<32}"] + [f"{cell!s:>10}" for cell in others[:4]] + [str(c) for c in others[4:]]
    return "  ".join(cells).rstrip()
