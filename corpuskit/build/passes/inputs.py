"""Where the documents of a pass come from: a source, or an earlier pass and what was decided about it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from corpuskit.build.passes.run_stage import apply_cuts, blaming, with_columns
from corpuskit.build.passes.set_aside import PassAccount
from corpuskit.documents import batch as batches
from corpuskit.documents.batch import CLUSTER
from corpuskit.documents.ledger import Entry
from corpuskit.documents.reading import Reading
from corpuskit.errors import InputError, LedgerError, StageError
from corpuskit.run.folder import Run
from corpuskit.sources.source import Part, Source
from corpuskit.stages.stage import Cut
from corpuskit.storage.places import stamp

DECISIONS = pa.schema(
    [pa.field("id", pa.string(), nullable=False), pa.field("kept", pa.bool_(), nullable=False)]
    + [
        pa.field(name, pa.string())
        for name in ("final_id", "stage", "reason", "duplicate_of", "cluster", "split")
    ]
)
"""``id`` as the document has it; ``final_id`` the one that it stands under from now on where it differs."""

CUTS = pa.schema(
    [pa.field(name, pa.int64(), nullable=False) for name in ("row", "start", "end")]
    + [("stage", pa.string()), ("reason", pa.string())]
)
"""Spans to cut, by the row of the decision about their document: bytes of the text before the decisions."""


@dataclass(frozen=True)
class SourceInput:
    """The first pass: a part of a source.

    Attributes:
        label: the source's name in the ledger.
        columns: added columns of all sources of the pipeline; those of others are filled with nulls.
        stamps: each file with its stamp when it was hashed; one that changed since is an error.
    """

    label: str
    source: Source
    part: Part
    columns: Mapping[str, pa.DataType]
    stamps: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def batches(self, run: Run, account: PassAccount) -> Iterator[pa.RecordBatch]:
        """Read the part, book and store what the source set aside."""
        self._check_unchanged()
        readings = iter(self.source.read(self.part))
        account.ledger.add(Entry(self.label))  # Also of a part in which nothing is found.
        while True:
            started = time.perf_counter()
            with blaming(self.label, f"part {self.part.name}", reads=True):
                reading = next(readings, None)
            account.clock(self.label, started)
            if reading is None:
                self._check_unchanged()
                return
            batches.check(reading.batch, self.source.columns, self.label)
            self._book(reading, account)
            if reading.batch.num_rows:
                full = with_columns(reading.batch, self.columns)
                yield full.select([*batches.COLUMNS, *self.columns])

    def _check_unchanged(self) -> None:
        """The record will name the digest that a file had: what is read must be that file."""
        for file, hashed in self.stamps:
            try:
                unchanged = stamp(file) == hashed
            except OSError:
                unchanged = False
            if not unchanged:
                raise InputError(
                    f"{file}: changed while the build was under way",
                    remedy="Let whoever writes it finish, then call the same command again.",
                )

    def _book(self, reading: Reading, account: PassAccount) -> None:
        entry = Entry(self.label, documents_in=reading.documents_in, bytes_in=reading.bytes_in)
        entry.documents_kept = reading.batch.num_rows
        entry.bytes_kept = batches.text_bytes(reading.batch)
        entry.bytes_cut.update(reading.cut)
        entry.bytes_added.update(reading.added)
        for dropped in reading.dropped:
            entry.documents_dropped[dropped.reason] += 1
            entry.bytes_dropped[dropped.reason] += dropped.bytes
        for item in reading.quarantined:
            entry.documents_quarantined[item.kind] += 1
            entry.bytes_quarantined[item.kind] += item.bytes
        account.ledger.add(entry)
        account.warnings += reading.warnings
        stage = {"stage": self.label}
        account.aside.write("dropped", [vars(d) | stage for d in reading.dropped])
        account.aside.write("quarantine", [vars(q) | stage for q in reading.quarantined])
        account.aside.write("cuts", [vars(s) | stage for s in reading.spans])
        # Sorted, as all that is written must come in one order, whatever order a source fills its tables in.
        for name, table in sorted(reading.tables.items()):
            if table.schema != self.source.side_tables.get(name):
                columns = table.schema.names
                raise StageError(
                    f"{self.label}: table {name!r} has the columns {columns}, which are not declared",
                    remedy="Declare each side table with its schema in `side_tables`.",
                )
            account.aside.write_table(name, table)


@dataclass(frozen=True)
class DecidedInput:
    """A later pass: the documents of an earlier one, less those that the decisions drop.

    Attributes:
        documents: path within the run of the documents of the earlier pass.
        decisions: path of the decisions about them: one row per document, in the same order.
        final: whether ``split`` is added too, as the last pass does; ``cluster`` always is.
        cuts: path of the spans to cut from them; None where nothing is cut.
    """

    documents: str
    decisions: str
    final: bool
    cuts: str | None = None

    def batches(self, run: Run, account: PassAccount) -> Iterator[pa.RecordBatch]:
        """Join by row *and* id: a decision about another document than the one at hand is an error."""
        decisions = DecisionReader(run.read_batches(self.decisions))
        cuts = CutReader(run.read_batches(self.cuts) if self.cuts is not None else iter(()))
        for batch in run.read_batches(self.documents):
            decided = decisions.take(batch.num_rows)
            if not decided.column("id").combine_chunks().equals(batch.column("id").cast(pa.string())):
                raise LedgerError(
                    f"{self.decisions}: decisions do not belong to the documents of {self.documents}",
                    remedy="Delete the decisions folder of this run and build again.",
                )
            batch = _renamed(batch, decided.column("final_id").combine_chunks())
            kept = decided.column("kept").combine_chunks()
            self._store(batch, decided, account)
            batch = self._trimmed(batch, cuts.take(batch.num_rows), account)
            staying = batch.filter(kept)
            chosen = decided.filter(kept)
            if CLUSTER in staying.schema.names:  # That of the pass before; this one knows more.
                staying = staying.drop_columns([CLUSTER])
            for name in (CLUSTER, "split") if self.final else (CLUSTER,):
                column = chosen.column(name).combine_chunks()
                staying = staying.append_column(pa.field(name, pa.string()), column)
            if staying.num_rows:
                yield staying
        if decisions.left:  # The other way round `take` has raised already.
            raise LedgerError(
                f"{self.decisions}: has {decisions.left} decisions more than {self.documents} has documents",
                remedy="Delete the decisions folder of this run and build again.",
            )

    @staticmethod
    def _trimmed(batch: pa.RecordBatch, cuts: pa.Table, account: PassAccount) -> pa.RecordBatch:
        """Take the decided spans out of the texts and store them; the decision has booked them."""
        rows = cuts.select(["row", "start", "end", "reason"]).to_pylist()
        stages = cuts.column("stage").to_pylist()
        for stage in sorted(set(stages)):
            own = [Cut(**row) for row, whose in zip(rows, stages, strict=True) if whose == stage]
            batch, spans = apply_cuts(stage, batch, own)
            account.aside.write("cuts", spans)
        return batch

    @staticmethod
    def _store(batch: pa.RecordBatch, decided: pa.Table, account: PassAccount) -> None:
        """Store the dropped documents whole, with who dropped them, why, and for which other document."""
        gone = pc.invert(decided.column("kept")).combine_chunks()
        documents = batch.filter(gone)
        if documents.num_rows:
            why = decided.filter(gone)
            columns = {name: documents.column(name) for name in ("id", "title", "origin", "text")}
            columns |= {name: why.column(name) for name in ("stage", "reason", "duplicate_of")}
            columns["bytes"] = pa.array(batches.byte_lengths(columns["text"]), pa.int64())
            account.aside.write_dropped(pa.table(columns))


def _renamed(batch: pa.RecordBatch, names: pa.Array) -> pa.RecordBatch:
    """Documents with the ids of ``names`` where these are not null."""
    if names.null_count == len(names):
        return batch
    place = batch.schema.get_field_index("id")
    ids = pc.coalesce(names, batch.column("id").cast(pa.string()))
    return batch.set_column(place, batch.schema.field(place), ids)


PassInput = SourceInput | DecidedInput
"""Where the documents of a pass come from; batches have all columns that its first stage expects."""


class DecisionReader:
    """Takes decisions off their table in order, however its row groups are cut."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._rest = pa.Table.from_batches([], schema=DECISIONS)

    @property
    def left(self) -> int:
        """Decisions that no document was left for: 0 at the end, or they belong to something else."""
        return int(self._rest.num_rows) + sum(int(batch.num_rows) for batch in self._batches)

    def take(self, count: int) -> pa.Table:
        """The next ``count`` decisions; `LedgerError` if there are fewer."""
        while self._rest.num_rows < count:
            following = next(self._batches, None)
            if following is None:
                raise LedgerError(
                    f"decisions end {count - self._rest.num_rows} rows before the documents do",
                    remedy="Delete the decisions folder of this run and build again.",
                )
            # The row groups of decisions are those of the scans, not those of the documents.
            self._rest = pa.concat_tables([self._rest, pa.Table.from_batches([following]).cast(DECISIONS)])
        taken, self._rest = self._rest.slice(0, count), self._rest.slice(count)
        return taken


class CutReader:
    """Takes the spans to cut off their table, batch by batch of documents."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._rest = pa.Table.from_batches([], schema=CUTS)
        self._first = 0

    def take(self, count: int) -> pa.Table:
        """The spans in the next ``count`` documents, whose rows are counted from the first of these."""
        last = self._first + count
        while not self._rest.num_rows or self._rest.column("row")[-1].as_py() < last:
            following = next(self._batches, None)
            if following is None:
                break
            self._rest = pa.concat_tables([self._rest, pa.Table.from_batches([following]).cast(CUTS)])
        there = pc.sum(pc.less(self._rest.column("row"), last)).as_py() or 0
        taken, self._rest = self._rest.slice(0, there), self._rest.slice(there)
        rows = pc.subtract(taken.column("row"), self._first)
        self._first = last
        return taken.set_column(0, CUTS.field("row"), rows)
