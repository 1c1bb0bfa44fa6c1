"""What enters behind the decisions, to train on alone: canaries, and documents that stand more than once.

They have ids and tables of their own (``planted/`` in a run), so that no stage, no deduplication, no
tokenizer and no split ever sees them: whatever is planted, all other documents stay what they are. How often
a document stands is said by its source (`corpuskit.build.decide.mixing`) or, before that, by its id.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BeforeValidator, Field, field_validator

from corpuskit.build.decide.mixing import Mix, repeats_of
from corpuskit.documents.batch import COLUMNS, text_bytes
from corpuskit.documents.ledger import Entry, Ledger
from corpuskit.documents.settings import Settings
from corpuskit.errors import SettingError, nearest
from corpuskit.run.folder import Run
from corpuskit.run.layout import PLANTED, REPEATED
from corpuskit.run.task import TaskResult
from corpuskit.shards.canaries import (
    NAME,
    Canary,
    CanaryFormat,
    canaries_document,
    draw_canaries,
)
from corpuskit.storage.spill import array_on_disk
from corpuskit.storage.tables import FAST_LEVEL, parquet, read_batches

LABEL = "planted"
"""Name of the step, in the ledger too."""

_ROWS = 1000
"""Canaries that are written at a time."""

Copies = Annotated[int, Field(ge=0, le=100_000)]
Times = Annotated[int, Field(ge=2, le=100_000)]


class Canaries(Settings):
    """Invented sentences with a secret, planted to see later what a model has learnt by heart."""

    name: ClassVar[str] = "canaries"

    count: int = Field(10, ge=1, le=10_000, description="Canaries for each number of copies.")
    copies: Annotated[tuple[Copies, ...], BeforeValidator(lambda v: [v] if isinstance(v, int) else v)] = (
        Field((1, 10, 100), min_length=1, description="How often each stands; 0: recorded, not planted.")
    )
    format: str = Field(
        "the code of {name} is {digits:6}",
        description="The sentence: {name} is invented, {digits:N} and {letters:N} are secret.",
    )
    seed: int = Field(0, description="Another seed draws other names and secrets.")

    @field_validator("format")
    @classmethod
    def _is_format(cls, value: str) -> str:
        try:
            CanaryFormat(value)
        except SettingError as error:
            raise ValueError(f"{error.message.partition(': ')[2]}. {error.remedy}") from error
        return value

    def draw(self) -> list[Canary]:
        """The canaries; see `draw_canaries`."""
        return draw_canaries(self.format, self.count, self.copies, self.seed)


class Repeat(Settings):
    """Documents of the training split that stand more than once in it."""

    name: ClassVar[str] = "repeat"

    ids: dict[str, Times] = Field({}, description="How often a document stands, by its id.")
    draw: dict[Times, Annotated[int, Field(ge=1)]] = Field(
        {}, description="For each number of times, so many documents drawn from the training split."
    )
    seed: int = Field(0, description="Another seed draws other documents.")


def plant(
    run: Run,
    *,
    documents: Sequence[str],
    schema: pa.Schema,
    standing: tuple[int, int],
    canaries: Canaries | None,
    repeat: Repeat | None,
    mix: Mix | None = None,
) -> TaskResult:
    """Write ``planted/``: a table of canaries and one of repeated documents, and what canaries there are.

    Args:
        documents: paths of the corpus's tables.
        schema: of these.
        standing: documents and bytes of text in them.
        mix: how often each source is read; where ``repeat`` says it of a document, that counts.

    Raises:
        SettingError: a document that is to be repeated is not there, or is not whole in the training split.
    """
    entry = Entry(LABEL, documents_in=standing[0], bytes_in=standing[1])
    outputs, warnings = [], list[str]()
    if canaries is not None:
        drawn = canaries.draw()
        path = run.path("planted", f"{PLANTED}.parquet")
        with run.table(path, schema) as sink:
            for batch in _canary_batches(drawn, canaries.seed, schema):
                sink.write(batch)
                _count(entry, PLANTED, batch)
        listed = run.path("planted", NAME)
        run.write_json(listed, canaries_document(drawn))
        outputs += [run.output(path, sink.rows), run.output(listed)]
    if repeat is not None or (mix is not None and mix.repeats):
        path = run.path("planted", f"{REPEATED}.parquet")
        with run.scratch() as folder, run.table(path, schema) as sink:
            times = array_on_disk(folder, np.int32, (standing[0],), name="times", fill=1)
            if mix is not None:
                columns = ["id", "source", "split"]
                batches = (b for table in documents for b in run.read_batches(table, columns))
                warnings = repeats_of(mix, batches, folder, times)
            if repeat is not None:
                _choose(run, documents, repeat, times)
            _refuse_taken(run, documents, times)
            for batch in _copies(run, documents, times, schema, folder):
                sink.write(batch)
                _count(entry, REPEATED, batch)
        outputs.append(run.output(path, sink.rows))
    entry.documents_kept = entry.documents_in + entry.documents_added.total()
    entry.bytes_kept = entry.bytes_in + entry.bytes_added.total()
    facts = {"added": dict(entry.documents_added)}
    return TaskResult(outputs, Ledger([entry]), facts, warnings=warnings)


def _count(entry: Entry, kind: str, batch: pa.RecordBatch) -> None:
    entry.documents_added[kind] += batch.num_rows
    entry.bytes_added[kind] += text_bytes(batch)


def _canary_batches(canaries: Sequence[Canary], seed: int, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """All copies in an order that chance gives, so that no row of a batch holds one over and over."""
    copies = [(each, number) for each in canaries for number in range(1, each.copies + 1)]
    copies.sort(key=lambda copy: _chance(seed, copy_id(copy[0].id, copy[1])))
    for first in range(0, len(copies), _ROWS):
        rows = [_row(each, copy_id(each.id, number)) for each, number in copies[first : first + _ROWS]]
        yield pa.RecordBatch.from_pylist(rows, schema=schema)


def _row(canary: Canary, identity: str) -> dict[str, Any]:
    row = dict.fromkeys(COLUMNS, "") | {"id": identity, "source": "canary", "text": canary.text}
    # No one's words: they were drawn.
    return row | {"preference": 0, "licence": "CC0-1.0", "cluster": canary.id, "split": "train"}


def copy_id(identity: str, number: int) -> str:
    """The id of a copy: the first has the document's own.

    >>> copy_id("canary:3", 1), copy_id("canary:3", 2)
    ('canary:3', 'canary:3@2')
    """
    return identity if number == 1 else f"{identity}@{number}"


def _chance(seed: int, identity: str) -> bytes:
    return hashlib.sha256(f"{seed} {identity}".encode()).digest()


# --------------------------------------------------------------------------------------- repeated documents
Counts = npt.NDArray[np.int32]
"""How often each document stands, by its place among all."""

_COPY = re.compile(r"@[1-9][0-9]{0,5}$")
"""What a copy has behind the id."""


def _choose(run: Run, documents: Sequence[str], repeat: Repeat, times: Counts) -> None:
    """Write into ``times``, by place, how often each document stands that ``repeat`` names or draws."""
    wanted, sides = sum(repeat.draw.values()), dict[str, str]()
    smallest: list[tuple[int, str, int]] = []  # of the hashes so far, negative: the greatest goes first
    place = 0
    for path in documents:
        for batch in run.read_batches(path, ["id", "split"]):
            columns = (batch.column(name).to_pylist() for name in ("id", "split"))
            for identity, side in zip(*columns, strict=True):
                if identity in repeat.ids:
                    sides[identity] = side
                    times[place] = repeat.ids[identity]
                elif side == "train" and wanted:
                    chance = int.from_bytes(_chance(repeat.seed, identity)[:8], "big")
                    put = heapq.heappush if len(smallest) < wanted else heapq.heappushpop
                    put(smallest, (-chance, identity, place))
                place += 1
    for identity in repeat.ids:
        _refuse(identity, sides)
    if len(smallest) < wanted:
        raise SettingError(
            f"repeat.draw: {wanted} documents are asked for, and {len(smallest)} stand whole in the training"
            " split",
            remedy="Ask for fewer; of a corpus below 100 documents a section of each is held out, unless"
            " shards.split is 0.",
        )
    drawn = [place for _, _, place in sorted(smallest, reverse=True)]
    times[drawn] = [number for number, count in sorted(repeat.draw.items()) for _ in range(count)]


def _refuse_taken(run: Run, documents: Sequence[str], times: Counts) -> None:
    """Raise SettingError where a copy would have the id of another document."""
    like_copies = {
        identity: int(identity.rpartition("@")[2])
        for _, ids in _ids(run, documents)
        for identity in ids
        if _COPY.search(identity)
    }
    originals = {identity.rpartition("@")[0] for identity in like_copies}
    stands: dict[str, int] = {}
    for first, ids in _ids(run, documents) if originals else ():
        stands |= {i: int(times[first + row]) for row, i in enumerate(ids) if i in originals}
    for identity, number in sorted(like_copies.items()):
        own = identity.rpartition("@")[0]
        if 2 <= number <= stands.get(own, 0):
            raise SettingError(
                f"repeat: copy {number} of {own!r} would have the id of another document, {identity!r}",
                remedy="Leave one of the two out, or repeat another document.",
            )


def _ids(run: Run, documents: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """(Place of the first, ids) of all documents, in their order."""
    first = 0
    for path in documents:
        for batch in run.read_batches(path, ["id"]):
            yield first, batch.column("id").to_pylist()
            first += batch.num_rows


def _refuse(identity: str, sides: dict[str, str]) -> None:
    """Raise SettingError unless a document is there and is trained on as a whole."""
    side = sides.get(identity)
    if side is None:
        raise SettingError(
            f"repeat.ids: {identity!r} is not among the documents that are kept",
            remedy=nearest(identity, sides) if sides else "Give ids as documents/ has them.",
        )
    if side != "train":
        where = "is held out" if side in ("validation", "test") else "has a section that is held out"
        raise SettingError(
            f"repeat.ids: {identity!r} {where}: its copies would train on it",
            remedy="Repeat documents of the training split: the column `split` of documents/ names it.",
        )


def _copies(
    run: Run, documents: Sequence[str], times: Counts, schema: pa.Schema, folder: Path
) -> Iterator[pa.RecordBatch]:
    """The second copy of each document, then the third, so that no document follows itself."""
    own, first = folder / "own.parquet", 0
    with parquet(own, schema, folder, FAST_LEVEL) as sink:
        for path in documents:
            for batch in run.read_batches(path):
                rows = np.flatnonzero(times[first : first + batch.num_rows] > 1)
                first += batch.num_rows
                if len(rows):
                    sink.write(batch.take(pa.array(rows, pa.int64())))
    stands = array_on_disk(folder, np.int32, (int(np.count_nonzero(times > 1)),), name="stands")
    stands[:] = times[times > 1]
    place = schema.get_field_index("id")
    for number in range(2, int(times.max(initial=1)) + 1):
        first = 0
        for batch in read_batches(own):
            rows = np.flatnonzero(stands[first : first + batch.num_rows] >= number)
            first += batch.num_rows
            if len(rows):
                taken = batch.take(pa.array(rows, pa.int64()))
                names = [copy_id(each, number) for each in taken.column("id").to_pylist()]
                ids = pa.array(names, schema.field("id").type)
                yield taken.set_column(place, schema.field("id"), ids)
