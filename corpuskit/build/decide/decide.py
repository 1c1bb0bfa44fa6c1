"""Decisions: which documents stay, which go and why, and on which side of the split each one stands.

Rules and barriers decide one after the other, in pipeline order, each over the documents that are still
kept. Inside, a document is a number: its place in part order. Outside it is its id: decisions are written
with the id of every document, and applying one to another document is an error.

Memory: arrays of a few bytes per document lie in files that the system maps and may page out; what is held
besides grows with the number of duplicates, not with the text.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpuskit.build.decide.held_out import SIDES, Split, assign
from corpuskit.build.passes.inputs import DECISIONS
from corpuskit.build.passes.run_stage import blaming
from corpuskit.build.segment import Segment
from corpuskit.documents.ledger import Entry, Ledger
from corpuskit.errors import LedgerError, StageError
from corpuskit.run.folder import Output, Run
from corpuskit.run.task import Made
from corpuskit.stages.scans import PartScan, Scans
from corpuskit.stages.stage import Barrier, Rule
from corpuskit.storage.files import storing
from corpuskit.storage.tables import parquet, read_batches

# ---------------------------------------------------------------------------------------------- the task


def decide(
    run: Run,
    *,
    segment: Segment,
    parts: Sequence[tuple[str, int]],
    split: Split | None,
) -> Made:
    """Decide about all documents of a pass, and write one row per document, part by part.

    Args:
        parts: name and number of documents of each part, in order.
        split: how to split the kept documents; None when another pass follows.
    """
    run.temporary.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=run.temporary) as folder, storing(run.temporary):
        scans = Scans(_locate(run, segment, parts), Path(folder))
        ledger = Ledger()
        if segment.index:
            scans.rejoin()
        for label, decider in segment.deciders:
            _run_decider(scans, label, decider, ledger)
        splits = assign(scans, split) if split else None
        named = scans.ids(_named(scans))
        outputs = [_write(run, segment, scans, part, splits, named) for part in scans.parts]
        facts = {"kept": int(scans.kept.sum()), "clusters": len(scans._clusters)}
        return Made(outputs, ledger, facts, warnings=scans.warnings)


def _locate(run: Run, segment: Segment, parts: Sequence[tuple[str, int]]) -> list[PartScan]:
    located, first = [], 0
    for name, count in parts:
        documents = run.folder / segment.folder / f"{name}.parquet"
        scans = run.folder / "scans" / segment.folder / f"{name}.parquet"
        located.append(PartScan(name, documents, scans, first, count))
        first += count
    return located


def _run_decider(scans: Scans, label: str, decider: Rule | Barrier, ledger: Ledger) -> None:
    scans.label = label
    scans.deciders.append(label)
    entry = Entry(label)
    before = np.flatnonzero(scans.kept)
    entry.documents_in, entry.bytes_in = len(before), int(scans.bytes[before].sum())
    with blaming(label, "decide"):
        if isinstance(decider, Barrier):
            decider.decide(scans)
        else:
            _run_rule(scans, decider)
    dropped = before[~scans.kept[before]]
    for ordinal in dropped.tolist():
        if ordinal not in scans.reasons:
            raise LedgerError(
                f"{label}: document {ordinal} is gone without a reason",
                remedy="A barrier drops with `scans.drop`; it never writes into `scans.kept`.",
            )
        reason = scans.reasons[ordinal]
        entry.documents_dropped[reason] += 1
        entry.bytes_dropped[reason] += int(scans.bytes[ordinal])
    entry.documents_kept = len(before) - len(dropped)
    entry.bytes_kept = int(scans.bytes[scans.kept].sum())
    ledger.add(entry)


def _run_rule(scans: Scans, rule: Rule) -> None:
    columns = ["id", *rule.columns]
    for part in scans.parts:
        position = part.first
        for scores in read_batches(part.documents, columns):
            for row, reason in rule.decide(scores).items():
                if not 0 <= row < scores.num_rows:
                    raise StageError(
                        f"{scans.label}: drops row {row} of {scores.num_rows}", remedy="Rows count from 0."
                    )
                scans.drop(position + row, reason)
            position += scores.num_rows


def _write(
    run: Run,
    segment: Segment,
    scans: Scans,
    part: PartScan,
    splits: npt.NDArray[np.int8] | None,
    named: Mapping[int, str],
) -> Output:
    path = f"decisions/{segment.folder}/{part.name}.parquet"
    with parquet(run.folder / path, DECISIONS, run.temporary) as sink:
        position = part.first
        for rows in read_batches(part.scans, ["id"]):
            decided = [
                _decision(scans, position + i, identity, named, splits)
                for i, identity in enumerate(rows.column("id").to_pylist())
            ]
            sink.write(pa.Table.from_pylist(decided, schema=DECISIONS))
            position += rows.num_rows
    return run.output(path, part.count)


def _named(scans: Scans) -> set[int]:
    """Ordinals whose ids stand in decisions about others: originals of duplicates, roots of clusters."""
    return set(scans.originals.values()) | {scans.cluster(o) for o in scans.clustered()}


def _decision(
    scans: Scans, ordinal: int, identity: str, ids: Mapping[int, str], splits: npt.NDArray[np.int8] | None
) -> dict[str, object]:
    kept = bool(scans.kept[ordinal])
    root = scans.cluster(ordinal)
    original = scans.originals.get(ordinal)
    return {
        "id": identity,
        "kept": kept,
        "stage": None if kept else scans.decided_by(ordinal),
        "reason": scans.reasons.get(ordinal),
        "duplicate_of": None if original is None else ids[original],
        "cluster": identity if root == ordinal else ids[root],
        "split": SIDES[splits[ordinal]] if kept and splits is not None else None,
    }
