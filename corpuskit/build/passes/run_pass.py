"""One pass over the text of one part: read or take up documents, run stages, scan, write.

The runner counts what goes into a stage and what comes out; the stage names what it dropped, cut or could
not handle. From the two the ledger is made, so a row that vanishes without a name is an error.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

import numpy as np
import pyarrow as pa

from corpuskit.build.passes.inputs import PassInput
from corpuskit.build.passes.run_stage import blaming, run_stage
from corpuskit.build.passes.set_aside import PassAccount, SetAside
from corpuskit.build.segment import Segment
from corpuskit.documents import batch as batches
from corpuskit.documents.batch import CLUSTER
from corpuskit.documents.ledger import Entry
from corpuskit.errors import StageError
from corpuskit.run.folder import Run
from corpuskit.run.layout import FINAL
from corpuskit.run.task import TaskResult
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.stage import Stage
from corpuskit.storage.tables import FAST_LEVEL, GATHERED_BYTES, Sink


def run_pass(run: Run, *, segment: Segment, part: str, documents: PassInput) -> TaskResult:
    """Run one segment over one part and write its documents, scans and what is set aside.

    Args:
        part: name of the part, which is also the stem of all files written.
        documents: where they come from: a source, or an earlier pass and its decisions.
    """
    written, scanned = (run.path(kind, segment.folder, part) for kind in ("documents", "scans"))
    with ExitStack() as stack:
        account = PassAccount(SetAside(run, segment.folder, part, stack))
        passing = segment.folder != FINAL
        sink = stack.enter_context(run.table(written, segment.schema, FAST_LEVEL))
        scan = None
        if passing:
            scans = run.table(scanned, segment.scan_schema, FAST_LEVEL, GATHERED_BYTES)
            scan = stack.enter_context(scans)
        entry = Entry(segment.folder)
        by_source: dict[str, list[int]] = {}
        for batch in documents.batches(run, account):
            for label, step in segment.steps:
                if isinstance(step, Stage) and batch.num_rows:
                    started = time.perf_counter()
                    batch = run_stage(label, step, batch, account)
                    account.clock(label, started)
            if batch.num_rows:
                _write(batch, sink, scan, segment, entry, by_source, account)
        if scan is None:  # The corpus is an entry of the ledger; what only later passes read is none.
            account.ledger.add(entry)
    outputs = [run.output(written, sink.rows)]
    if scan is not None:
        outputs.append(run.output(scanned, scan.rows))
    outputs += account.aside.outputs()
    sources = {k: {"documents": v[0], "bytes": v[1]} for k, v in sorted(by_source.items())}
    facts: dict[str, Any] = {"sources": sources}
    if account.found:
        facts["found"] = account.found
    return TaskResult(outputs, account.ledger, facts, account.seconds, account.warnings)


def _write(
    batch: pa.RecordBatch,
    sink: Sink,
    scan: Sink | None,
    segment: Segment,
    written: Entry,
    by_source: dict[str, list[int]],
    account: PassAccount,
) -> None:
    started = time.perf_counter()
    sizes = batches.byte_lengths(batch.column("text"))
    count = Entry(written.stage)
    count.documents_in = count.documents_kept = batch.num_rows
    count.bytes_in = count.bytes_kept = int(sizes.sum())
    written.add(count)
    for source, size in zip(batch.column("source").to_pylist(), sizes.tolist(), strict=True):
        total = by_source.setdefault(source, [0, 0])
        total[0] += 1
        total[1] += size
    sink.write(batch)
    account.clock("write", started)
    if scan is not None:
        scan.write(_scan(segment, batch, sizes, account))


def _scan(segment: Segment, batch: pa.RecordBatch, sizes: np.ndarray, account: PassAccount) -> pa.RecordBatch:
    columns = [batch.column("id"), batch.column("preference"), pa.array(sizes, pa.int64())]
    if segment.index:
        columns.append(batch.column(CLUSTER))
    for label, barrier in segment.barriers:
        started = time.perf_counter()
        if len(barrier.scan_schema):  # A barrier that looks at ids alone has nothing to scan.
            with blaming(label, "scan"):
                rows = barrier.scan(batch)
            _check_scan(label, barrier, rows, batch.num_rows)
            columns += [rows.column(f.name) for f in barrier.scan_schema]
        account.clock(label, started)
    return pa.RecordBatch.from_arrays(columns, schema=segment.scan_schema)


def _check_scan(label: str, barrier: Barrier, rows: pa.RecordBatch, documents: int) -> None:
    """Hold a barrier to its contract: one row per document, with the declared columns."""
    if rows.num_rows != documents:
        raise StageError(
            f"{label}: scan gave {rows.num_rows} rows for {documents} documents",
            remedy="A scan has one row per document, in order.",
        )
    declared = {f.name: str(f.type) for f in barrier.scan_schema}
    given = {f.name: str(f.type) for f in rows.schema}
    if given != declared:
        raise StageError(
            f"{label}: scan gave the columns {given}, declared are {declared}",
            remedy="Give what the barrier's `scan_schema` says.",
        )
