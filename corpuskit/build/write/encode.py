"""Encoding: the documents of one part become token lines, one sequence per document or section of one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpuskit.build.decide.held_out import SECTIONS, Split, sections
from corpuskit.documents.batch import byte_lengths, text_bytes
from corpuskit.documents.ledger import Entry, Ledger
from corpuskit.run.folder import Run
from corpuskit.run.layout import TOKENIZER
from corpuskit.run.task import TaskResult
from corpuskit.shards.format import numpy_dtype, token_dtype
from corpuskit.shards.provenance import PROVENANCE
from corpuskit.tokenizer.tokenizer import Tokenizer

PIECES = pa.schema([pa.field("split", pa.string()), pa.field("tokens", pa.int64()), *list(PROVENANCE)[2:]])
"""One row per sequence, in part order: ``tokens`` counts the closing end-of-text, bytes are of the text."""

LABEL = "encode"


def encode_part(run: Run, *, part: str, documents: str, split: Split) -> TaskResult:
    """Encode the documents of a part into ``encoded/<part>.bin`` and ``.parquet``, its list of pieces.

    The token file holds the sequences of all splits in document order; the shard writer sorts them out.
    """
    tokenizer = Tokenizer.load(run.local(TOKENIZER))
    dtype = numpy_dtype(token_dtype(tokenizer.vocab_size))
    end_of_text = dtype.type(tokenizer.end_of_text).tobytes()
    tokens, pieces = run.path("encoded", part, "bin"), run.path("encoded", part, "parquet")
    entry = Entry(LABEL)
    with (
        run.unfinished(tokens) as unfinished,
        unfinished.open("wb") as file,
        run.table(pieces, PIECES) as sink,
    ):
        for batch in run.read_batches(documents, ["id", "source", "licence", "text", "split"]):
            rows, sides, texts = _pieces(batch, split)
            counts = []
            for ids in tokenizer.encode(texts):
                file.write(ids.astype(dtype).tobytes() + end_of_text)
                counts.append(len(ids) + 1)
            table = _table(batch, part, rows, sides, texts)
            sink.write(table.append_column("tokens", pa.array(counts, pa.int64())))
            _book(entry, batch, table)
    return TaskResult([run.output(tokens), run.output(pieces, sink.rows)], Ledger([entry]))


def _pieces(batch: pa.RecordBatch, split: Split) -> tuple[list[int], list[str], list[str]]:
    """Row of its document, side of the split and text of each piece; most documents are one."""
    rows, sides, texts = [], [], []
    columns = (batch.column(name).to_pylist() for name in ("id", "split", "text"))
    for row, (identity, side, text) in enumerate(zip(*columns, strict=True)):
        cut = [(side, 0, len(text))]
        if side == SECTIONS:
            cut = sections(identity, text, split) or [("train", 0, 0)]
        for name, start, end in cut:
            rows.append(row)
            sides.append(name)
            texts.append(text[start:end])
    return rows, sides, texts


def _table(
    batch: pa.RecordBatch, part: str, rows: Sequence[int], sides: Sequence[str], texts: Sequence[str]
) -> pa.Table:
    """All columns of `PIECES` but the tokens. Byte ranges follow one another within a document."""
    sizes = byte_lengths(pa.array(texts, pa.large_string()))
    ends = np.cumsum(sizes)
    first = np.searchsorted(rows, rows)  # of the pieces of the same document
    starts = ends - sizes
    begin = starts - starts[first]
    own = batch.select(["id", "source", "licence"]).take(pa.array(rows, pa.int64()))
    columns = {name: own.column(name) for name in own.schema.names}
    columns |= {"split": pa.array(sides, pa.string()), "part": pa.repeat(part, len(rows))}
    return pa.table(columns | {"byte_start": begin, "byte_end": begin + sizes})


def _book(entry: Entry, batch: pa.RecordBatch, pieces: pa.Table) -> None:
    """Documents and bytes in are counted from the batch, those kept from the pieces that were written."""
    entry.documents_in += batch.num_rows
    entry.bytes_in += text_bytes(batch)
    entry.documents_kept += pc.count_distinct(pieces.column("id")).as_py()
    sizes = pc.subtract(pieces.column("byte_end"), pieces.column("byte_start"))
    entry.bytes_kept += pc.sum(sizes).as_py() or 0
