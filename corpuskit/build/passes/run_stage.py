"""One stage over one batch: apply it, hold it to its contract, take out what it named, and book it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from corpuskit.build.passes.set_aside import PassAccount
from corpuskit.documents import batch as batches
from corpuskit.documents.ledger import Entry
from corpuskit.errors import CorpuskitError, InputError, StageError, read_remedy
from corpuskit.stages.stage import Cut, Effect, Rule, Stage


@contextmanager
def blaming(label: str, doing: str, *, reads: bool = False) -> Iterator[None]:
    """Turn whatever a source, stage or barrier raises on its own into a `StageError` that names it.

    Args:
        reads: whether it reads inputs: then what the system refuses is an `InputError`. Elsewhere it is
            the writer's to explain.
    """
    try:
        yield
    except (CorpuskitError, MemoryError):  # These say what is wrong; memory is nobody's fault in particular.
        raise
    except OSError as error:
        if not reads:
            raise
        raise InputError(
            f"{label}: {doing}: {error}", remedy=f"{read_remedy(error)} What was finished is kept."
        ) from error
    except Exception as error:
        raise StageError(
            f"{label}: {doing}: {type(error).__name__}: {error}",
            remedy="This is a fault of that source or stage: mend it, or leave it out of the recipe.",
        ) from error


def run_stage(label: str, stage: Stage, batch: pa.RecordBatch, account: PassAccount) -> pa.RecordBatch:
    """Apply a stage, take out what it named, and book it."""
    entry = Entry(label, documents_in=batch.num_rows)
    # Measured here, not told by the stage: what it does not name must show as a difference.
    before = batches.byte_lengths(batch.column("text"))
    entry.bytes_in = int(before.sum())
    effect = _apply(label, stage, batch)
    # A document that leaves is booked and stored as it came in: nothing is cut from it.
    leaving = {**effect.drops, **effect.errors}
    cuts = [cut for cut in effect.cuts if cut.row not in leaving]
    after, spans = _apply_cuts(label, effect.batch, cuts)
    account.aside.write("cuts", spans)
    sizes = batches.byte_lengths(after.column("text"))
    cut_by_row = np.zeros(batch.num_rows, np.int64)
    for cut in cuts:
        cut_by_row[cut.row] += cut.end - cut.start
        entry.bytes_cut[cut.reason] += cut.end - cut.start
    for found in effect.found:
        if found.removed and found.row not in leaving:
            cut_by_row[found.row] += found.removed
            entry.bytes_cut[found.kind] += found.removed
    account.tell(label, batch, effect.found)
    change = sizes + cut_by_row - before
    staying = np.ones(batch.num_rows, bool)
    staying[list(leaving)] = False
    if grown := int(change[staying & (change > 0)].sum()):
        entry.bytes_added[label] += grown
    if shrunk := -int(change[staying & (change < 0)].sum()):
        entry.bytes_cut[label] += shrunk
    _set_aside(label, batch, before, effect, entry, account)
    kept = after.filter(pa.array(staying)) if leaving else after
    entry.documents_kept = kept.num_rows
    entry.bytes_kept = int(sizes[staying].sum())
    account.ledger.add(entry)
    return kept


def _set_aside(
    label: str, batch: pa.RecordBatch, sizes: np.ndarray, effect: Effect, entry: Entry, account: PassAccount
) -> None:
    """Store and book the documents that a stage dropped or could not handle, as they came in."""
    dropped, quarantined = [], []
    for row, reason in sorted(effect.drops.items()):
        if row not in effect.errors:
            document = batch.slice(row, 1).to_pylist()[0]
            facts = {k: document[k] for k in ("id", "title", "origin", "text")}
            dropped.append({**facts, "stage": label, "reason": reason, "bytes": int(sizes[row])})
            entry.documents_dropped[reason] += 1
            entry.bytes_dropped[reason] += int(sizes[row])
    for row, error in sorted(effect.errors.items()):
        document = batch.slice(row, 1).to_pylist()[0]
        facts = {k: document[k] for k in ("id", "origin", "text")} | {"excerpt": document["text"][:500]}
        kind = f"{label}_failed"
        quarantined.append({**facts, "stage": label, "kind": kind, "error": error, "bytes": int(sizes[row])})
        entry.documents_quarantined[kind] += 1
        entry.bytes_quarantined[kind] += int(sizes[row])
    account.aside.write("dropped", dropped)
    account.aside.write("quarantine", quarantined)
    if len(effect.errors) == batch.num_rows > 1:
        first = next(iter(effect.errors.values()))
        account.warnings.append(f"{label} failed on each of {batch.num_rows} documents: {first}")


def _apply(label: str, stage: Stage, batch: pa.RecordBatch) -> Effect:
    """Apply a stage; when it fails on a batch, find the documents it fails on and quarantine those."""
    try:
        result = stage.apply(batch)
        effect = result if isinstance(result, Effect) else Effect(result)
        if not isinstance(effect.batch, pa.RecordBatch):
            raise StageError(
                f"{label}: gave back {type(effect.batch).__name__}, not a record batch",
                remedy="`apply` returns a pyarrow.RecordBatch, or an Effect that holds one.",
            )
    except (CorpuskitError, MemoryError):
        raise
    except Exception as error:
        if batch.num_rows == 1:
            message = f"{label}: {type(error).__name__}: {error}"
            return Effect(with_columns(batch, stage.columns), errors={0: message})
    else:
        _check_effect(label, stage, batch, effect)
        return effect
    # One by one from here on: slow, but a batch that fails is rare and most of its documents are sound.
    results = [_apply(label, stage, batch.slice(row, 1)) for row in range(batch.num_rows)]
    names = results[0].batch.schema.names
    # A document that failed has its columns in another order: the missing ones were added at the end.
    rows = [pa.Table.from_batches([r.batch]).select(names) for r in results]
    return Effect(
        pa.concat_tables(rows, promote_options="default").combine_chunks().to_batches()[0],
        drops={row: r.drops[0] for row, r in enumerate(results) if r.drops},
        errors={row: r.errors[0] for row, r in enumerate(results) if r.errors},
        cuts=[replace(c, row=row) for row, r in enumerate(results) for c in r.cuts],
        found=[replace(f, row=row) for row, r in enumerate(results) for f in r.found],
    )


def with_columns(batch: pa.RecordBatch, columns: Mapping[str, pa.DataType]) -> pa.RecordBatch:
    """Add the columns that are missing, filled with nulls."""
    for name, kind in columns.items():
        if name not in batch.schema.names:
            batch = batch.append_column(pa.field(name, kind), pa.nulls(batch.num_rows, kind))
    return batch


def _check_effect(label: str, stage: Stage, before: pa.RecordBatch, effect: Effect) -> None:
    """Hold a stage to its contract: same rows, declared columns, and a rule leaves the text alone."""
    after = effect.batch
    extra = {f.name: f.type for f in before.schema if f.name not in batches.COLUMNS} | dict(stage.columns)
    batches.check(after, extra, label)
    if not after.column("id").equals(before.column("id")):
        raise StageError(
            f"{label}: {before.num_rows} documents went in, {after.num_rows} came out, or their ids changed",
            remedy="A stage keeps rows in place and names those to drop in Effect.drops.",
        )
    # What a rule decides may be decided anew without another pass, which only holds for an unchanged text.
    if isinstance(stage, Rule) and not after.column("text").equals(before.column("text")):
        raise StageError(f"{label}: a rule changed a text", remedy="Make it a Stage instead of a Rule.")
    told = [*(cut.row for cut in effect.cuts), *(found.row for found in effect.found)]
    named = (*effect.drops, *effect.errors, *told)
    if wrong := [row for row in named if not 0 <= row < before.num_rows]:
        raise StageError(
            f"{label}: names row {wrong[0]} of a batch of {before.num_rows}", remedy="Rows count from 0."
        )
    reasons = (*effect.drops.values(), *effect.errors.values())
    if unsaid := [reason for reason in reasons if not isinstance(reason, str) or not reason]:
        raise StageError(f"{label}: {unsaid[0]!r} is no reason", remedy="Give a word for each document.")


def _apply_cuts(
    label: str, batch: pa.RecordBatch, cuts: Sequence[Cut]
) -> tuple[pa.RecordBatch, list[dict[str, Any]]]:
    """Remove the named spans from the texts; the rows to keep of them, for a look."""
    if not cuts:
        return batch, []
    texts = batch.column("text").to_pylist()
    ids = batch.column("id")
    spans: list[dict[str, Any]] = []
    by_row: dict[int, list[Cut]] = {}
    for cut in cuts:
        by_row.setdefault(cut.row, []).append(cut)
    for row, row_cuts in by_row.items():
        raw = texts[row].encode()
        kept, position = [], 0
        for cut in sorted(row_cuts, key=lambda c: (c.start, c.end)):
            if not position <= cut.start <= cut.end <= len(raw):
                raise StageError(
                    f"{label}: cut {cut.start}-{cut.end} of {ids[row]} overlaps another or leaves the text"
                    f" of {len(raw)} bytes",
                    remedy="Cuts are byte ranges of the text after the stage, apart from each other.",
                )
            kept.append(raw[position : cut.start])
            text = raw[cut.start : cut.end].decode("utf-8", "replace")
            whose = {"id": ids[row].as_py(), "origin": batch.column("origin")[row].as_py()}
            place = {"start": cut.start, "end": cut.end, "text": text}
            spans.append({**whose, "stage": label, "reason": cut.reason, **place})
            position = cut.end
        texts[row] = _joined(label, ids[row].as_py(), [*kept, raw[position:]])
    return batches.replace_text(batch, texts), spans


def _joined(label: str, identity: str, pieces: Sequence[bytes]) -> str:
    """What is left of a text; each piece must begin and end between characters."""
    try:
        return "".join(piece.decode() for piece in pieces)
    except UnicodeDecodeError as error:
        raise StageError(
            f"{label}: a cut of {identity} begins or ends inside a character",
            remedy="Cuts are byte ranges of UTF-8: count them in text.encode(), not in characters.",
        ) from error
