"""Near duplicates of documents in memory, with their ids, sources and preferences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from corpuskit import NearDuplicates
from corpuskit.documents.batch import BatchBuilder, byte_lengths
from corpuskit.stages.scans import PartScan, Scans


def decided(rows: list[dict[str, Any]], tmp_path: Path, **settings: Any) -> Scans:
    """The verdicts about documents in memory: ``id`` and ``text`` of each, ``source`` and ``preference``."""
    builder = BatchBuilder()
    for row in rows:
        builder.add(**{"source": "x", **row})
    [batch] = builder.take(rest=True)
    barrier = NearDuplicates(**settings)
    columns = {f"near_duplicates.{c.name}": barrier.scan(batch)[c.name] for c in barrier.scan_schema}
    columns |= {"id": batch["id"], "preference": batch["preference"]}
    columns["bytes"] = pa.array(byte_lengths(batch["text"]))
    tables = {"scans": pa.record_batch(columns), "documents": batch}
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    part = PartScan("alone", "documents", "scans", 0, len(rows))
    scans = Scans([part], folder, lambda path, wanted: iter([tables[path].select(wanted)]))
    view = scans.seen_by("near_duplicates")
    barrier.decide(view)
    return view
