"""Shards: the encoded parts, in part order, as Megatron files with a provenance table beside each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from corpuskit.build.decide.held_out import Split
from corpuskit.documents.columns import of_int64
from corpuskit.documents.ledger import Ledger
from corpuskit.documents.settings import Settings
from corpuskit.run.folder import Run
from corpuskit.run.layout import SHARDS, SHARDS_MANIFEST
from corpuskit.run.record import Output
from corpuskit.run.task import TaskResult
from corpuskit.shards.format import manifest, numpy_dtype, token_dtype
from corpuskit.shards.provenance import PROVENANCE
from corpuskit.shards.writer import ShardWriter
from corpuskit.storage.ahead import read_ahead
from corpuskit.storage.files import seal, storing
from corpuskit.storage.tables import Sink

T = TypeVar("T")


class _Block(NamedTuple):
    """Sequences of one part, one behind the other.

    Attributes:
        rows: their provenance, and ``tokens``, how many each has.
        ids: the tokens of all.
    """

    rows: pa.Table
    ids: npt.NDArray[np.integer]

    def first(self, count: int) -> tuple[_Block, _Block]:
        """So many of its sequences, and the others."""
        at = int(np.sum(self.lengths[:count]))
        return _Block(self.rows.slice(0, count), self.ids[:at]), _Block(self.rows.slice(count), self.ids[at:])

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each sequence."""
        lengths: npt.NDArray[np.int64] = self.rows.column("tokens").to_numpy()
        return lengths


_Found = dict[str, set[str]]

SPLITS = ("train", "validation", "test")


class WriteShards(Settings):
    """Encode the documents and write them as shards."""

    name: ClassVar[str] = "shards"

    shard_tokens: int = Field(
        2**27, ge=1, description="A shard is closed when it holds as many tokens; documents stay whole."
    )
    split: Split = Field(default_factory=lambda: Split(), description="Shares that are held out.")


_FLUSH_ROWS = 50_000
"""Provenance rows that are held before they are written."""


@dataclass
class _Open:
    """A shard in the making, with its provenance table."""

    name: str
    writer: ShardWriter
    provenance: Sink
    files: ExitStack
    rows: list[pa.Table] = field(default_factory=list)

    @classmethod
    def begin(cls, run: Run, name: str, dtype: str) -> _Open:
        with ExitStack() as stack:
            for suffix in (".bin", ".idx"):
                run.note(run.path("shards", f"{name}{suffix}"))
            writer = stack.enter_context(ShardWriter(run.local(SHARDS), name, dtype))
            path = run.path("shards", f"{name}.provenance.parquet")
            sink = stack.enter_context(run.table(path, PROVENANCE))
            return cls(name, writer, sink, stack.pop_all())

    def room(self, lengths: npt.NDArray[np.int64], limit: int) -> int:
        """How many of the next sequences begin before the shard holds so many tokens."""
        begins = np.cumsum(lengths) - lengths
        return int(np.searchsorted(begins, limit - self.writer.tokens))

    def append(self, block: _Block) -> None:
        lengths = block.lengths
        ends = self.writer.append_all(block.ids, lengths, given=True) + np.cumsum(lengths)
        columns = {"token_start": of_int64(ends - lengths), "token_end": of_int64(ends)}
        columns |= {name: block.rows.column(name) for name in PROVENANCE.names[2:]}
        self.rows.append(pa.table(columns, schema=PROVENANCE))
        if sum(map(len, self.rows)) >= _FLUSH_ROWS:
            self.flush()

    def flush(self, least: int = _FLUSH_ROWS) -> None:
        """Write rows in groups of `_FLUSH_ROWS`, and what is left over if it is at least so many."""
        table = pa.concat_tables(self.rows) if self.rows else PROVENANCE.empty_table()
        while len(table) >= _FLUSH_ROWS or len(table) >= max(least, 1):
            self.provenance.write(table.slice(0, _FLUSH_ROWS).combine_chunks())
            table = table.slice(_FLUSH_ROWS)
        self.rows = [table]


def write_shards(
    run: Run,
    *,
    parts: Sequence[str],
    planted: Sequence[str],
    settings: WriteShards,
    tokenizer_sha256: str,
    facts: Mapping[str, int],
    ledger: Ledger,
    told: Mapping[str, Any],
) -> TaskResult:
    """Join the encoded parts into shards, split by split, and write ``shards.json``.

    Args:
        planted: parts that are spread evenly among the others of the training split.
        ledger: the account of the encoding, which the record of the shards takes over.
        facts: ``vocab_size`` and ``end_of_text`` of the tokenizer.
        told: what the encoding has told, for the record: documents that spell a special token and, of a
            tokenizer that may lose text, what it has lost of a sample.
    """
    folder = run.local(SHARDS)
    folder.mkdir(parents=True, exist_ok=True)
    dtype = token_dtype(facts["vocab_size"])
    outputs: list[Output] = []
    splits: dict[str, list[dict[str, Any]]] = {}
    held: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    found: _Found = {}
    with storing(folder):
        for split in SPLITS:
            splits[split] = []
            for shard in _shards(
                run, split, (parts, planted), dtype, settings.shard_tokens, held[split], found
            ):
                splits[split].append(_close(run, shard, outputs))
    present = {name: shards for name, shards in splits.items() if shards or name == "train"}
    document = manifest(facts["vocab_size"], facts["end_of_text"], tokenizer_sha256, present)
    run.write_json(SHARDS_MANIFEST, seal(document))
    outputs.append(run.output(SHARDS_MANIFEST))
    totals = {name: sum(s["tokens"] for s in shards) for name, shards in splits.items()}
    shares = {"asked": settings.split.model_dump(), "held": {name: dict(held[name]) for name in SPLITS}}
    return TaskResult(outputs, ledger, {"tokens": totals, **shares, **told})


def _shards(
    run: Run,
    split: str,
    parts: tuple[Sequence[str], Sequence[str]],
    dtype: str,
    limit: int,
    held: Counter[str],
    found: _Found,
) -> Iterator[_Open]:
    """Fill shards with the sequences of one split and yield each when it is full.

    Args:
        parts: those of the corpus, and those that are planted.
        held: bytes by source, to be added to; of the corpus alone, whose split it shows.
        found: the splits of each part that was read through, so that no part is read again for another.
    """
    shard: _Open | None = None
    count = 0
    for block in _blocks(run, split, *parts, dtype, found):
        if block.rows.column("part")[0].as_py() not in parts[1]:
            held.update(_bytes_by_source(block.rows))
        rest = block
        while len(rest.rows):
            # Before the next sequence, not after the last: an empty shard would follow a full last one.
            if shard is not None and shard.writer.tokens >= limit:
                yield shard
                shard = None
            if shard is None:
                shard, count = _Open.begin(run, f"{split}-{count:05d}", dtype), count + 1
            with shard.files.pop_all() as files:  # An error in between closes and removes the half shard.
                own, rest = rest.first(shard.room(rest.lengths, limit))
                shard.append(own)
                shard.files = files.pop_all()
    if shard is not None:
        yield shard


def _bytes_by_source(rows: pa.Table) -> dict[str, int]:
    """Bytes of sequences by their source; added up here, since pyarrow's own groups load half a library."""
    sizes = pc.subtract(rows.column("byte_end"), rows.column("byte_start")).to_numpy()
    found = Counter[str]()
    for chunk in rows.column("source").dictionary_encode().chunks:
        numbers = chunk.indices.to_numpy()
        own, sizes = sizes[: len(numbers)], sizes[len(numbers) :]
        sums = np.bincount(numbers, own, len(chunk.dictionary))
        found.update(dict(zip(chunk.dictionary.to_pylist(), sums.astype(np.int64).tolist(), strict=True)))
    return found


def _blocks(
    run: Run, split: str, parts: Sequence[str], planted: Sequence[str], dtype: str, found: _Found
) -> Iterator[_Block]:
    """The sequences of a split; what is planted stands between those of the corpus, in their order."""
    own = read_ahead(_of_parts(run, split, parts, dtype, found), 1)
    if split != "train" or not planted:
        return own
    guests = [
        (_count(run, split, [part]), _one_by_one(_of_parts(run, split, [part], dtype, found)))
        for part in planted
    ]
    return woven(_count(run, split, parts), _one_by_one(own), guests)


def _one_by_one(blocks: Iterator[_Block]) -> Iterator[_Block]:
    """Blocks of one sequence each."""
    for block in blocks:
        ends = np.cumsum(block.lengths).tolist()
        for row, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            yield _Block(block.rows.slice(row, 1), block.ids[start:end])


def woven(count: int, own: Iterator[T], guests: Sequence[tuple[int, Iterator[T]]]) -> Iterator[T]:
    """`count` items with so many guests evenly between them, each kind in its order.

    >>> "".join(woven(4, iter("abcd"), [(2, iter("xy")), (1, iter("z"))]))
    'abxcdyz'
    """
    given = [0] * len(guests)
    for number, item in enumerate(own, 1):
        yield item
        for which, (total, others) in enumerate(guests):
            due = total * number // count
            yield from islice(others, due - given[which])
            given[which] = due
    for _, others in guests:  # Where nothing stands that they could be spread among.
        yield from others


def _count(run: Run, split: str, parts: Sequence[str]) -> int:
    """Sequences of a split in some encoded parts."""
    tables = (run.path("encoded", part, "parquet") for part in parts)
    batches = (batch for table in tables for batch in run.read_batches(table, ["split"]))
    return sum(pc.sum(pc.equal(batch.column("split"), split)).as_py() or 0 for batch in batches)


def _of_parts(run: Run, split: str, parts: Sequence[str], dtype: str, found: _Found) -> Iterator[_Block]:
    kind = numpy_dtype(dtype)
    for part in parts:
        if split not in found.get(part, {split}):
            continue
        seen = set[str]()
        # Read a batch at a time, not mapped: a map's pages count as this process's memory until it ends.
        with run.reading(run.path("encoded", part, "bin")) as file:
            for batch in run.read_batches(run.path("encoded", part, "parquet")):
                rows = pa.Table.from_batches([batch])
                seen |= set(rows.column("split").unique().to_pylist())
                lengths = rows.column("tokens").to_numpy()
                inside = pc.equal(rows.column("split"), split).to_numpy()
                count = int(lengths.sum())
                if not inside.any():
                    file.seek(count * kind.itemsize, os.SEEK_CUR)
                    continue
                line = np.fromfile(file, kind, count)
                if not inside.all():
                    rows, line = rows.filter(pa.array(inside)), line[np.repeat(inside, lengths)]
                yield _Block(rows, line)
        found[part] = seen


def _close(run: Run, shard: _Open, outputs: list[Output]) -> dict[str, Any]:
    with shard.files:
        shard.flush(least=1)
    written = shard.writer.close()
    table = run.path("shards", f"{shard.name}.provenance.parquet")
    provenance = run.output(table, shard.provenance.rows)
    for suffix, digest in ((".bin", written.bin_sha256), (".idx", written.idx_sha256)):
        file = run.path("shards", f"{shard.name}{suffix}")
        outputs.append(Output(file, digest, run.size(file)))
    outputs.append(provenance)
    return {**vars(written), "provenance_sha256": provenance.sha256}
