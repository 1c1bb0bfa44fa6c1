"""The task that counts the pretokens of one part's documents, by source: a tokenizer is learnt from counts.

Parts are counted side by side, and a part that has not changed is not counted again.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from corpuskit.run.folder import Run
from corpuskit.run.task import TaskResult
from corpuskit.storage.tables import FAST_LEVEL, Sink
from corpuskit.tokenizer.count import SPILL_BYTES, PretokenCounter
from corpuskit.tokenizer.special import SPECIAL_TOKENS
from corpuskit.tokenizer.spelled import Spelled

COUNTED = pa.schema(
    [pa.field("source", pa.string()), pa.field("word", pa.large_binary()), pa.field("count", pa.int64())]
)
"""One row per pretoken and source, in the order of their bytes; of a large part there may be several."""

_ROWS = 2**16
"""Rows of a row group."""


def count_part(run: Run, *, part: str, documents: str, pattern: str, digits: int | None) -> TaskResult:
    """Count the pretokens of the documents of a part into ``counts/<part>.parquet``."""
    path = run.path("counts", part)
    counters: dict[str, PretokenCounter] = {}
    names, spelled = Spelled(SPECIAL_TOKENS), 0
    with run.table(path, COUNTED, FAST_LEVEL) as sink:
        for batch in run.read_batches(documents, ["source", "text"]):
            spelled += names.count(batch.column("text"))
            for source in pc.unique(batch.column("source")).to_pylist():
                own = batch.filter(pc.equal(batch.column("source"), source)).column("text")
                counter = counters.setdefault(source, PretokenCounter(pattern, digits))
                counter.add(own.cast(pa.large_string()))
            if sum(counter.bytes for counter in counters.values()) > SPILL_BYTES:
                _write(sink, counters)
        _write(sink, counters)
    return TaskResult([run.output(path, sink.rows)], facts={"spelled": spelled})


def _write(sink: Sink, counters: dict[str, PretokenCounter]) -> None:
    """Write what was counted so far, and begin anew."""
    for source, counter in sorted(counters.items()):
        counted = counter.take()
        for first in range(0, len(counted.words), _ROWS):
            words = counted.words.slice(first, _ROWS)
            columns = [pa.repeat(source, len(words)), words, pa.array(counted.counts[first : first + _ROWS])]
            sink.write(pa.record_batch(columns, schema=COUNTED))
    counters.clear()
