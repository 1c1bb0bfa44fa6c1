"""What a run says of evaluation texts that were looked for in its documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corpuskit.errors import counted
from corpuskit.run.folder import Run
from corpuskit.run.layout import folder_of
from corpuskit.run.record import Record
from corpuskit.stages.dedup.decontaminate import HITS, ITEMS

SHOWN = 10
"""Hits that are shown; the table has them all."""


def contamination_of(run: Run, records: Sequence[Record]) -> dict[str, Any] | None:
    """Items read, too short and found, and the longest hits; None where nothing was looked for."""
    items = _rows(run, records, "contamination_items", ITEMS)
    if not items:
        return None
    hits = _rows(run, records, "contamination", HITS)
    sought = [item["sought"] for item in items]
    return {
        "items": len(items),
        "too_short": sought.count("too short"),
        "whole": sought.count("whole"),
        "found": sum(item["documents"] > 0 for item in items),
        "documents": len({hit["id"] for hit in hits}),
        "hits": sorted(hits, key=lambda hit: (-hit["words"], hit["id"], hit["set"], hit["item"]))[:SHOWN],
    }


def contamination_lines(found: dict[str, Any]) -> list[str]:
    """The same as lines for a terminal."""
    told = f"{found['found']} of them in {counted(found['documents'], 'document')}"
    short = f", {found['too_short']} too short to be looked for" if found["too_short"] else ""
    lines = [f"evaluation: {counted(found['items'], 'item')} read{short}; {told}"]
    for hit in found["hits"]:
        of = f"{hit['words']} of {counted(hit['item_words'], 'word')}"
        lines.append(f"  {hit['id']}: {hit['item']} of {hit['set']}, {of}, from word {hit['first_word']} on")
    return lines


def _rows(run: Run, records: Sequence[Record], name: str, schema: Any) -> list[dict[str, Any]]:
    """Rows of a side table; none where a source of somebody else calls a table of its own so."""
    prefix = f"{folder_of('tables')}{name}/"
    outputs = (output for record in records for output in record.outputs)
    tables = [run.read_recorded(output) for output in outputs if output.path.startswith(prefix)]
    return [row for table in tables if table.schema.equals(schema) for row in table.to_pylist()]
