"""Encoding: the documents of one part become token lines, one sequence per document or section of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from corpuskit.build.decide.held_out import SECTIONS, Split, sections
from corpuskit.build.decide.planted import original_id
from corpuskit.documents.batch import byte_lengths, text_bytes
from corpuskit.documents.ledger import Entry, Ledger
from corpuskit.errors import SettingError
from corpuskit.run.folder import Run
from corpuskit.run.layout import PLANTED, REPEATED, TOKENIZER
from corpuskit.run.task import TaskResult
from corpuskit.shards.format import numpy_dtype, token_dtype
from corpuskit.shards.provenance import PROVENANCE
from corpuskit.tokenizer.spelled import Spelled
from corpuskit.tokenizer.tokenizer import Tokenizer

PIECES = pa.schema([pa.field("split", pa.string()), pa.field("tokens", pa.int64()), *list(PROVENANCE)[2:]])
"""One row per sequence, in part order: ``tokens`` counts the closing end-of-text, bytes are of the text."""

LABEL = "encode"

PROVED_EVERY = 32
"""Of the sequences of a part the first, and each that many behind it, is decoded and compared."""

_PROVED_CHARACTERS = 2**15
"""A longer sequence is proved by its beginning."""


@dataclass
class Proof:
    """Whether texts come back from the tokens that were made of them, as a sample shows it.

    Attributes:
        sampled, changed: sequences that were decoded, and those of them that came back otherwise.
        example: the first of these, in words.
    """

    sampled: int = 0
    changed: int = 0
    example: str = ""

    def look(
        self, tokenizer: Tokenizer, identity: str, text: str, ids: npt.NDArray[np.unsignedinteger]
    ) -> None:
        """Decode the tokens of a text and compare; of a long one its beginning is encoded anew for it."""
        self.sampled += 1
        start = text[:_PROVED_CHARACTERS]
        change = tokenizer.changes(start, ids if len(start) == len(text) else None)
        if change is not None:
            self.changed += 1
            self.example = self.example or f"{identity}: {change}"

    def add(self, other: Proof) -> None:
        """Add the figures of another part."""
        self.sampled += other.sampled
        self.changed += other.changed
        self.example = self.example or other.example


def encode_part(run: Run, *, part: str, documents: str, split: Split, lossy: bool) -> TaskResult:
    """Encode the documents of a part into ``encoded/<part>.bin`` and ``.parquet``, its list of pieces.

    The token file holds the sequences of all splits in document order; the shard writer sorts them out. Of a
    repeated document the training side alone is encoded: what is held out of it stays held out.

    Args:
        lossy: whether the text of a sequence may come back otherwise; it is a `SettingError` without it.
    """
    tokenizer = Tokenizer.load(run.local(TOKENIZER), lossy=True)
    proof, sequences, spelled = Proof(), 0, 0
    names = Spelled(tokenizer.spelling(number) or "" for number in tokenizer.special_ids())
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
            rows, sides, texts = _pieces(batch, split, copies=part == REPEATED)
            table = _table(batch, part, rows, sides, texts)
            if part == REPEATED:
                trained = [number for number, side in enumerate(sides) if side == "train"]
                table = table.take(pa.array(trained, pa.int64()))
                rows, texts = [rows[n] for n in trained], [texts[n] for n in trained]
            counts = []
            spelled += names.count(batch.column("text")) if part not in (PLANTED, REPEATED) else 0
            for number, ids in enumerate(tokenizer.encode(texts)):
                if sequences % PROVED_EVERY == 0:
                    identity = batch.column("id")[rows[number]].as_py()
                    proof.look(tokenizer, identity, texts[number], ids)
                sequences += 1
                file.write(ids.astype(dtype).data)
                file.write(end_of_text)
                counts.append(len(ids) + 1)
            sink.write(table.append_column("tokens", pa.array(counts, pa.int64())))
            _book(entry, batch, table)
    if proof.changed and not lossy:
        raise SettingError(
            f"tokenizer: text would be lost without a word: {proof.example}",
            remedy="Take another tokenizer; with `lossy: allow` beside its `file` losses are counted.",
        )
    outputs = [run.output(tokens), run.output(pieces, sink.rows)]
    return TaskResult(outputs, Ledger([entry]), {"proof": vars(proof), "spelled": spelled})


def _pieces(
    batch: pa.RecordBatch, split: Split, *, copies: bool = False
) -> tuple[list[int], list[str], list[str]]:
    """Row of its document, side of the split and text of each piece; most documents are one.

    Args:
        copies: whether the documents are copies, which are cut where their originals are.
    """
    rows, sides, texts = [], [], []
    columns = (batch.column(name).to_pylist() for name in ("id", "split", "text"))
    for row, (identity, side, text) in enumerate(zip(*columns, strict=True)):
        cut = [(side, 0, len(text))]
        if side == SECTIONS:
            identity = original_id(identity) if copies else identity
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
    kept = pc.sum(sizes).as_py() or 0
    entry.bytes_kept += kept
    # What a copy lacks is held out of its original; of all others each byte is in a piece.
    if pieces.column("part").to_pylist()[:1] == [REPEATED] and (held_out := text_bytes(batch) - kept):
        entry.bytes_cut["held_out"] += held_out
