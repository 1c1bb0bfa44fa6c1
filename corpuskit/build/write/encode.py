"""Encoding: the documents of one part become token lines, one sequence per document or section of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from corpuskit.build.decide.held_out import SECTIONS, Split, sections
from corpuskit.documents.batch import byte_lengths
from corpuskit.documents.ledger import Entry, Ledger
from corpuskit.run.folder import Run
from corpuskit.run.task import Made
from corpuskit.shards.format import numpy_dtype, token_dtype
from corpuskit.shards.provenance import PROVENANCE
from corpuskit.storage.files import atomic
from corpuskit.storage.tables import parquet, read_batches
from corpuskit.tokenizer.tokenizer import FILE, Tokenizer

PIECES = pa.schema([pa.field("split", pa.string()), pa.field("tokens", pa.int64()), *list(PROVENANCE)[2:]])
"""One row per sequence, in part order: ``tokens`` counts the closing end-of-text, bytes are of the text."""

LABEL = "encode"


def encode_part(run: Run, *, part: str, documents: str, split: Split) -> Made:
    """Encode the documents of a part into ``encoded/<part>.bin`` and ``.parquet``, its list of pieces.

    The token file holds the sequences of all splits in document order; the shard writer sorts them out.
    """
    tokenizer = Tokenizer.load(run.folder / FILE)
    dtype = numpy_dtype(token_dtype(tokenizer.vocab_size))
    tokens, pieces = f"encoded/{part}.bin", f"encoded/{part}.parquet"
    entry = Entry(LABEL)
    with (
        atomic(run.folder / tokens, run.temporary) as unfinished,
        unfinished.open("wb") as file,
        parquet(run.folder / pieces, PIECES, run.temporary) as sink,
    ):
        columns = ["id", "source", "licence", "text", "split"]
        for batch in read_batches(run.folder / documents, columns):
            rows = list(_pieces(batch, part, split))
            sequences = tokenizer.encode([text for _, text in rows])
            for (row, _), ids in zip(rows, sequences, strict=True):
                file.write(ids.astype(dtype).tobytes() + dtype.type(tokenizer.end_of_text).tobytes())
                row["tokens"] = len(ids) + 1
            sink.write(pa.Table.from_pylist([row for row, _ in rows], schema=PIECES))
            _book(entry, batch, [row for row, _ in rows])
    return Made([run.output(tokens), run.output(pieces, sink.rows)], Ledger([entry]))


def _pieces(batch: pa.RecordBatch, part: str, split: Split) -> Iterator[tuple[dict[str, object], str]]:
    for document in batch.to_pylist():
        text = document.pop("text")
        whole = [(document["split"], 0, len(text))]
        cut = whole
        if document["split"] == SECTIONS:
            cut = sections(document["id"], text, split) or [("train", 0, 0)]
        position = 0
        for side, start, end in cut:
            piece = text[start:end]
            size = len(piece.encode())
            place = {"part": part, "byte_start": position, "byte_end": position + size}
            yield {**document, **place, "split": side}, piece
            position += size


def _book(entry: Entry, batch: pa.RecordBatch, rows: Sequence[dict[str, object]]) -> None:
    """Documents and bytes in are counted from the batch, those kept from the pieces that were written."""
    entry.documents_in += batch.num_rows
    entry.bytes_in += int(byte_lengths(batch.column("text")).sum())
    entry.documents_kept += len({row["id"] for row in rows})
    entry.bytes_kept += sum(int(str(row["byte_end"])) - int(str(row["byte_start"])) for row in rows)
