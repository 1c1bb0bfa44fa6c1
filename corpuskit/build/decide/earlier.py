"""Earlier builds that a new one is compared with, so that a corpus can grow by what it has not yet.

The documents that an earlier build kept are scanned as they stand there, part by part, by the barriers that
compare texts. In the decisions they stand behind the new ones (`Scans.first_earlier`): what repeats one of
them goes, and they all stay. The earlier run is read and nothing else; what was dropped there does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import pyarrow as pa
from pydantic import BeforeValidator, Field

from corpuskit.build.passes.run_stage import blaming
from corpuskit.build.segment import Segment
from corpuskit.documents.batch import COLUMNS, byte_lengths
from corpuskit.documents.settings import Location, Settings
from corpuskit.errors import RunError, SettingError
from corpuskit.run.folder import Run
from corpuskit.run.layout import FINAL
from corpuskit.run.record import Output
from corpuskit.run.task import TaskResult
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.scans import PartScan
from corpuskit.storage.places import plain_name
from corpuskit.storage.tables import FAST_LEVEL, GATHERED_BYTES


class Dedup(Settings):
    """What texts are compared with besides one another."""

    name: ClassVar[str] = "dedup"

    against: Location[
        Annotated[tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)]
    ] = Field(default=(), description="Finished runs: what repeats a document that one of them kept goes.")


@dataclass(frozen=True)
class EarlierPart:
    """The kept documents of one part of an earlier build.

    Attributes:
        build: the name of its folder, which stands in decisions; where that lies stands nowhere.
        run: the earlier run.
        part: path within the new run's scans, without its ending.
        documents: the table in the earlier run, as its record says.
    """

    build: str
    run: Run
    part: str
    documents: Output

    @property
    def path(self) -> str:
        """Where the table lies on this machine."""
        return str(self.run.local(self.documents.path).resolve())

    @property
    def identity(self) -> list[str]:
        """What it puts into a fingerprint."""
        return [self.build, self.documents.sha256]


def open_earlier(places: Iterable[str]) -> list[EarlierPart]:
    """The parts of earlier builds, in order.

    Raises:
        RunError: a folder is no run, or one that is unfinished, of another format, or lacks documents.
        SettingError: two of them have one name.
    """
    found: list[EarlierPart] = []
    names: dict[str, str] = {}
    for number, place in enumerate(places):
        run = Run.open_finished(Path(place).expanduser())
        name = plain_name(run.folder.resolve().name)
        if name in names:
            raise SettingError(
                f"dedup.against: {names[name]} and {place} have the same name, {name!r}",
                remedy="Documents are named by it: give one of the two folders another name.",
            )
        names[name] = place
        tables = [o for r in run.records() for o in r.outputs if o.path.startswith(f"{FINAL}/")]
        if not tables:
            raise RunError(f"{run.folder}: holds no documents", remedy="Name a finished build.")
        for output in sorted(tables, key=lambda output: output.path):
            if not run.exists(output.path) or run.size(output.path) != output.bytes:
                run.check(output)
            stem = output.path.removeprefix(f"{FINAL}/").removesuffix(".parquet")
            found.append(EarlierPart(name, run, f"{number}-{stem}", output))
    return found


def comparing(segment: Segment) -> list[tuple[str, Barrier]]:
    """Label and barrier of those who look at earlier documents."""
    return [(label, barrier) for label, barrier in segment.barriers if barrier.sees_earlier]


def scan_path(segment: Segment, part: EarlierPart) -> str:
    """Where the scans of an earlier part lie in the new run."""
    return Run.path("scans", f"{segment.folder}-earlier", part.part)


def scan_earlier(run: Run, *, segment: Segment, part: EarlierPart) -> TaskResult:
    """Scan the documents of an earlier part as the barriers of a segment scan those that are built."""
    part.run.check(part.documents)
    barriers = comparing(segment)
    fields = [("id", pa.string()), ("preference", pa.int64()), ("bytes", pa.int64())]
    fields += [(f"{label}.{f.name}", f.type) for label, barrier in barriers for f in barrier.scan_schema]
    schema, path = pa.schema(fields), scan_path(segment, part)
    with run.table(path, schema, FAST_LEVEL, GATHERED_BYTES) as sink:
        for batch in part.run.read_batches(part.documents.path, list(COLUMNS)):
            sizes = pa.array(byte_lengths(batch.column("text")), pa.int64())
            columns = [batch.column("id"), batch.column("preference"), sizes]
            for label, barrier in barriers:
                with blaming(label, "scan"):
                    rows = barrier.scan(batch)
                columns += [rows.column(f.name) for f in barrier.scan_schema]
            sink.write(pa.RecordBatch.from_arrays(columns, schema=schema))
    return TaskResult([run.output(path, sink.rows)])


def located(segment: Segment, parts: Sequence[tuple[EarlierPart, int]], first: int) -> list[PartScan]:
    """The earlier parts, each with its number of documents, behind ``first`` documents that are built."""
    found = []
    for part, count in parts:
        part.run.check(part.documents)
        found.append(PartScan(part.part, part.path, scan_path(segment, part), first, count, part.build))
        first += count
    return found
