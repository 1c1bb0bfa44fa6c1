"""Decisions: which documents stay, which go and why, and on which side of the split each one stands.

Rules and barriers decide one after the other, in pipeline order, each over the documents that are still
kept. Inside, a document is a number: its place in part order. Outside it is its id: decisions are written
with the id of every document, and applying one to another document is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from corpuskit.build.decide.earlier import EarlierPart, located
from corpuskit.build.decide.held_out import SIDES, Split, assign
from corpuskit.build.passes.inputs import CUTS, DECISIONS
from corpuskit.build.passes.run_stage import blaming
from corpuskit.build.passes.set_aside import SetAside
from corpuskit.build.segment import Segment
from corpuskit.documents.ledger import Entry, Ledger
from corpuskit.errors import LedgerError, StageError, counted
from corpuskit.run.folder import Run
from corpuskit.run.record import Output
from corpuskit.run.task import TaskResult
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.scans import CutRows, PartScan, Scans
from corpuskit.stages.stage import Rule
from corpuskit.storage.tables import GATHERED_BYTES


def decide(
    run: Run,
    *,
    segment: Segment,
    parts: Sequence[tuple[str, int]],
    split: Split | None,
    earlier: Sequence[tuple[EarlierPart, int]] = (),
) -> TaskResult:
    """Decide about all documents of a pass, and write one row per document, part by part.

    Args:
        parts: name and number of documents of each part, in order.
        split: how to split the kept documents; None when another pass follows.
        earlier: parts of earlier builds and how many documents each has, whose scans lie in this run.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(run.scratch())
        tables = SetAside(run, segment.folder, "decided", stack.enter_context(ExitStack()))
        own = _locate(segment, parts)
        known = located(segment, earlier, sum(part.count for part in own))
        # The tables of an earlier build have absolute paths, which they keep within a run.
        scans = Scans(own, folder, run.read_batches, known, tables.write_table)
        ledger = Ledger()
        if segment.index:
            scans.rejoin()
        for label, decider in segment.deciders:
            _run_decider(scans, label, decider, ledger)
        scans.head_clusters()
        splits = assign(scans, split) if split else None
        named = _named(scans)
        outputs = [_write(run, segment, scans, part, splits, named) for part in scans.parts]
        outputs += _write_cuts(run, segment, scans)
        tables.stack.close()
        outputs += tables.outputs()
        facts = {"kept": int(scans.kept.sum()), "clusters": len(scans.clustered())}
        return TaskResult(outputs, ledger, facts, warnings=scans.warnings)


def _locate(segment: Segment, parts: Sequence[tuple[str, int]]) -> list[PartScan]:
    located, first = [], 0
    for name, count in parts:
        documents = Run.path("documents", segment.folder, name)
        located.append(PartScan(name, documents, Run.path("scans", segment.folder, name), first, count))
        first += count
    return located


def _run_decider(scans: Scans, label: str, decider: Rule | Barrier, ledger: Ledger) -> None:
    view = scans.seen_by(label, earlier=isinstance(decider, Barrier) and decider.sees_earlier)
    entry = Entry(label)
    before = np.flatnonzero(scans.kept)
    entry.documents_in, entry.bytes_in = len(before), int(scans.bytes[before].sum())
    with blaming(label, "decide"):
        if isinstance(decider, Barrier):
            decider.decide(view)
        else:
            _run_rule(view, decider)
    dropped = before[~scans.kept[before]]
    if len(nameless := dropped[scans.reason[dropped] < 0]):
        raise LedgerError(
            f"{label}: document {nameless[0]} is gone without a reason",
            remedy="A barrier drops with `scans.drop`; it never writes into `scans.kept`.",
        )
    numbers, counts = np.unique(scans.reason[dropped], return_counts=True)
    sizes = np.zeros(len(scans.reasons), np.int64)
    np.add.at(sizes, scans.reason[dropped], scans.bytes[dropped])
    reasons = list(scans.reasons)
    for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
        entry.documents_dropped[reasons[number]] = count
        entry.bytes_dropped[reasons[number]] = int(sizes[number])
    for (decider_number, reason), size in scans.cut_bytes.items():
        if decider_number == view.number:
            entry.bytes_cut[reason] = size
    if entry.bytes_cut and not (isinstance(decider, Barrier) and decider.cuts):
        raise StageError(f"{label}: cuts spans without saying so", remedy="Let its property `cuts` be True.")
    entry.documents_kept = len(before) - len(dropped)
    entry.bytes_kept = int(scans.bytes[scans.kept].sum())
    ledger.add(entry)


def _run_rule(scans: Scans, rule: Rule) -> None:
    passed_over = Counter[str]()
    for first, scores in _together(scans.scores(["id", *rule.columns])):
        rows = rule.passed_over(scores)
        passed_over.update(rows[row] for row in sorted(rows) if scans.kept[first + row])
        for row, reason in rule.decide(scores).items():
            if not 0 <= row < scores.num_rows:
                raise StageError(
                    f"{scans.label}: drops row {row} of {scores.num_rows}", remedy="CutRows count from 0."
                )
            scans.drop(first + row, reason)
    for sentence, count in passed_over.items():
        scans.warnings.append(f"{scans.label}: {counted(count, 'document')} {sentence}")


def _together(batches: Iterator[tuple[int, pa.RecordBatch]]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The same rows, about `GATHERED_BYTES` at a time: ten take a rule as long as hundreds."""
    held: list[tuple[int, pa.RecordBatch]] = []
    for numbered in batches:
        held.append(numbered)
        if sum(batch.nbytes for _, batch in held) >= GATHERED_BYTES:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(held: Sequence[tuple[int, pa.RecordBatch]]) -> tuple[int, pa.RecordBatch]:
    table = pa.Table.from_batches([batch for _, batch in held])
    return held[0][0], table.combine_chunks().to_batches()[0]


# ----------------------------------------------------------------------------------------- what is written
class Named(NamedTuple):
    """Some documents: their ordinals, ascending, and the id of each. Looked up once, for all parts."""

    ordinals: npt.NDArray[np.int64]
    ids: pa.Array


def _write(
    run: Run,
    segment: Segment,
    scans: Scans,
    part: PartScan,
    splits: npt.NDArray[np.int8] | None,
    named: Named,
) -> Output:
    path = Run.path("decisions", segment.folder, part.name)
    with run.table(path, DECISIONS) as sink:
        for first, as_read, ids in scans.names(part):
            own, stands = pa.array(as_read, pa.string()), pa.array(ids, pa.string())
            sink.write(_decisions(scans, first, own, stands, splits, named))
    return run.output(path, part.count)


def _write_cuts(run: Run, segment: Segment, scans: Scans) -> list[Output]:
    """Write the spans to cut, part by part; parts without any have no such table."""
    outputs: list[Output] = []
    blocks = scans.cuts.sorted(scans.documents)
    rest: CutRows | None = next(blocks, None)
    for part in scans.parts:
        last = part.first + part.count
        if rest is None or rest["ordinal"][0] >= last:
            continue
        path = Run.path("decided_cuts", segment.folder, part.name)
        with run.table(path, CUTS) as sink:
            while rest is not None and rest["ordinal"][0] < last:
                count = int(np.searchsorted(rest["ordinal"], last))
                sink.write(_cuts(scans, part, rest[:count]))
                rest = rest[count:] if count < len(rest) else next(blocks, None)
        outputs.append(run.output(path, sink.rows))
    return outputs


def _cuts(scans: Scans, part: PartScan, rows: CutRows) -> pa.Table:
    columns = {
        "row": pa.array(rows["ordinal"] - part.first),
        "start": pa.array(rows["start"]),
        "end": pa.array(rows["end"]),
        "stage": _pick(scans.deciders, rows["decider"]),
        "reason": _pick(list(scans.reasons), rows["reason"]),
    }
    return pa.table(columns, schema=CUTS)


def _named(scans: Scans) -> Named:
    """Whose ids stand in decisions about others: originals of duplicates and roots of clusters."""
    originals = np.unique(scans.original).tolist()
    ordinals = {o for o in originals if o >= 0} | {scans.cluster(o) for o in scans.clustered()}
    ids = scans.ids(ordinals)
    others = sorted(ids)
    return Named(np.array(others, np.int64), pa.array([ids[o] for o in others], pa.string()))


def _decisions(
    scans: Scans,
    first: int,
    own: pa.Array,
    stands: pa.Array,
    splits: npt.NDArray[np.int8] | None,
    named: Named,
) -> pa.Table:
    """The decisions about the documents from ``first`` on, read as ``own``, standing as ``stands``."""
    last = first + len(own)
    kept = np.asarray(scans.kept[first:last])
    others, names = named
    original = scans.original[first:last]
    roots = np.fromiter((scans.cluster(o) for o in range(first, last)), np.int64, len(own))
    joined = roots != np.arange(first, last)
    root_names = _pick(names, np.searchsorted(others, roots[joined]))
    cluster = pc.replace_with_mask(stands, pa.array(joined), root_names)
    if splits is None:
        split = pa.nulls(len(own), pa.string())
    else:
        split = _pick(SIDES, np.where(kept, splits[first:last], -1))
    columns = {
        "id": own,
        "final_id": pc.if_else(pc.equal(own, stands), None, stands),
        "kept": pa.array(kept),
        "stage": _pick(scans.deciders, scans.decider[first:last]),
        "reason": _pick(list(scans.reasons), scans.reason[first:last]),
        "duplicate_of": _pick(names, np.where(original < 0, -1, np.searchsorted(others, original))),
        "cluster": cluster,
        "split": split,
    }
    return pa.table(columns, schema=DECISIONS)


def _pick(names: pa.Array | Collection[str], numbers: npt.NDArray[np.integer]) -> pa.Array:
    """The name of each number, null for one below 0."""
    names = names if isinstance(names, pa.Array) else pa.array(names, pa.string())
    return names.take(pa.array(numbers, mask=np.asarray(numbers < 0)))
