"""Encoding: the documents of one part become token lines, one sequence per document or section of one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from corpuskit._native import sequence_bytes, token_line
from corpuskit.build.decide.held_out import SECTIONS, Split, sections
from corpuskit.documents.batch import byte_lengths, text_bytes
from corpuskit.documents.columns import to_engine
from corpuskit.documents.ledger import Entry, Ledger
from corpuskit.documents.memory import give_memory_back
from corpuskit.errors import EncodingError, SettingError
from corpuskit.run.folder import Run
from corpuskit.run.layout import PLANTED, REPEATED, TOKENIZER, original_id
from corpuskit.run.record import Output
from corpuskit.run.task import TaskResult
from corpuskit.shards.format import token_dtype
from corpuskit.shards.provenance import PROVENANCE
from corpuskit.storage.files import TEMPORARY, sha256_file
from corpuskit.storage.tables import FAST_LEVEL, GATHERED_BYTES
from corpuskit.tokenizer.engines.verdicts import Verdicts
from corpuskit.tokenizer.spelled import Spelled
from corpuskit.tokenizer.tokenizer import Tokenizer

Ids = npt.NDArray[np.uint32]

PIECES = pa.schema([pa.field("split", pa.string()), pa.field("tokens", pa.int64()), *list(PROVENANCE)[2:]])
"""One row per sequence, in part order: ``tokens`` counts the closing end-of-text, bytes are of the text."""

LABEL = "encode"

PROVED_EVERY = 32
"""Of the sequences of a part the first, and each that many behind it, is decoded and compared."""

GROUP_TOKENS = 2**22
"""A row group of pieces ends with the one that reaches so many: the shard writer holds those of one."""

_PROVED_TOKENS = 2**14
"""A longer sequence is proved by its beginning."""


@dataclass
class Proof:
    """Whether texts come back from the tokens that were made of them, as a sample shows it.

    Attributes:
        sampled, changed: sequences that were decoded, and those of them that came back otherwise.
        example: the first of these, in words.
        tokens, unknown: tokens of all sequences, and those that stand for what the vocabulary does not have;
            both 0 for a tokenizer without such a token.
    """

    sampled: int = 0
    changed: int = 0
    example: str = ""
    tokens: int = 0
    unknown: int = 0

    def look(self, tokenizer: Tokenizer, identity: str, text: str, ids: Ids, *, whole: bool) -> bool:
        """Decode tokens of a text, all or those of its beginning, and compare; whether it is another."""
        self.sampled += 1
        change = tokenizer.changes(text, ids, whole=whole)
        if change is not None:
            self.changed += 1
            self.example = self.example or f"{identity}: {change}"
        return change is not None

    def miss(self, example: str) -> None:
        """Note a change that is known without a look."""
        self.changed += 1
        self.example = self.example or example

    def add(self, other: Proof) -> None:
        """Add the figures of another part."""
        self.sampled += other.sampled
        self.changed += other.changed
        self.example = self.example or other.example
        self.tokens += other.tokens
        self.unknown += other.unknown


def encode_part(run: Run, *, part: str, documents: str, split: Split, lossy: bool) -> TaskResult:
    """Encode the documents of a part into ``encoded/<part>.bin`` and ``.parquet``, its list of pieces.

    The token file holds the sequences of all splits in document order; the shard writer sorts them out. Of a
    repeated document the training side alone is encoded: what is held out of it stays held out.

    Args:
        lossy: whether the text of a sequence may come back otherwise; it is a `SettingError` without it.
    """
    file = run.local(TOKENIZER)
    tokenizer = _loaded(file, sha256_file(file))
    # What an engine is worth depends on the machine: it is noted beside the log, in no output.
    judged = Verdicts(run.local(run.path("logs", "engines")), run.local(TEMPORARY), tokenizer.sha256)
    tokenizer.encoder.share(judged)
    give_memory_back()  # Of reading the tokenizer, twice.
    try:
        return _encoded(run, tokenizer, part, documents, split, lossy=lossy)
    except EncodingError:  # Nothing of the part has its name yet; the reference encodes from now on.
        return _encoded(run, tokenizer, part, documents, split, lossy=lossy)


@lru_cache(maxsize=1)
def _loaded(file: Path, sha256: str) -> Tokenizer:
    """The tokenizer of a file of this content: a worker reads it once."""
    return Tokenizer.load(file, lossy=True)


def _encoded(
    run: Run, tokenizer: Tokenizer, part: str, documents: str, split: Split, *, lossy: bool
) -> TaskResult:
    tokens, pieces = run.path("encoded", part, "bin"), run.path("encoded", part, "parquet")
    names, spelled = Spelled(tokenizer.spelling(number) or "" for number in tokenizer.special_ids()), 0
    entry = Entry(LABEL)
    with (
        run.unfinished(tokens) as unfinished,
        unfinished.open("wb") as file,
        run.table(pieces, PIECES, FAST_LEVEL, GATHERED_BYTES) as sink,
    ):
        lines, gathered = _Lines(tokenizer, file, lossy=lossy), 0
        for batch in run.read_batches(documents, ["id", "source", "licence", "text", "split"]):
            rows, sides, texts = _pieces(batch, part, split)
            table = _table(batch, part, rows, sides, texts)
            if part == REPEATED:
                trained = pc.equal(sides, "train")
                table, texts = table.filter(trained), texts.filter(trained)
            counts = lines.add(texts, table)
            spelled += names.count(batch.column("text")) if part not in (PLANTED, REPEATED) else 0
            sink.write(table.append_column("tokens", pa.array(counts, pa.int64())))
            gathered += int(counts.sum())
            if gathered >= GROUP_TOKENS:
                sink.flush()
                gathered = 0
            _book(entry, batch, table)
        tokenizer.encoder.settle()
    proof, encoder = lines.proof, tokenizer.encoder
    if proof.changed and not lossy:
        raise SettingError(
            f"tokenizer: text would be lost without a word: {proof.example}",
            remedy="Take another tokenizer; with `lossy: allow` beside its `file` losses are counted.",
        )
    written = Output(tokens, lines.digest.hexdigest(), run.size(tokens))
    outputs = [written, run.output(pieces, sink.rows)]
    # Which engine it was depends on the machine, not what it made: it is told in the log, in no output.
    told = {"encoder": encoder.name, "compared": encoder.compared}
    warnings = [f"encode: {encoder.why}: texts are encoded by {encoder.name}"] if encoder.why else []
    return TaskResult(
        outputs, Ledger([entry]), {"proof": vars(proof), "spelled": spelled}, warnings=warnings, told=told
    )


class _Lines:
    """Writes the tokens of sequences into a file, an end-of-text behind each.

    Attributes:
        proof: what a sample of them decodes to, and each whose bytes are not as many as its tokens have.
        digest: sha256 of what was written.
    """

    def __init__(self, tokenizer: Tokenizer, file: BinaryIO, *, lossy: bool) -> None:
        self.proof, self.digest = Proof(), hashlib.sha256()
        self._tokenizer, self._file, self._sequences = tokenizer, file, 0
        self._wide = token_dtype(tokenizer.vocab_size) != "uint16"
        lengths = None if lossy else tokenizer.byte_lengths
        # Narrow, so that the table stays near the processor.
        self._sizes: npt.NDArray[np.uint8] | npt.NDArray[np.uint32] | None = None
        if lengths is not None:
            narrow = int(lengths.max()) < 2**8
            self._sizes = lengths.astype(np.uint8) if narrow else lengths.astype(np.uint32)
        self._unknown = tokenizer.unknown_id

    def add(self, texts: pa.Array, table: pa.Table) -> npt.NDArray[np.int64]:
        """Write sequences, and return the tokens of each, its end-of-text counted.

        Args:
            table: their rows, with id and byte range.
        """
        expected = pc.subtract(table.column("byte_end"), table.column("byte_start")).to_numpy()
        ends = np.zeros(len(texts) + 1, np.int64)  # Where sequences end in the line of all tokens.
        done, tokens, size = 0, 0, 0
        head = np.empty(0, np.uint32)  # The beginning of a sequence that goes on behind its run.
        for run in self._tokenizer.encode_column(texts, checked=True):
            line = token_line(*run, self._tokenizer.end_of_text, self._wide).data
            self._file.write(line)
            self.digest.update(line)
            count = len(run.ends)
            ends[done + 1 : done + 1 + count] = run.ends + tokens
            sizes = None if self._sizes is None else sequence_bytes(*run, self._sizes)
            looked = set(range(-(self._sequences + done) % PROVED_EVERY, count, PROVED_EVERY))
            if sizes is not None:
                sizes[0] += size
                short = np.flatnonzero(sizes[:count] != expected[done : done + count]).tolist()
                looked |= set(short)
                size = int(sizes[-1])
            for index in sorted(looked):
                ids = np.concatenate([head, run.of(index)]) if index == 0 else run.of(index)
                whole = len(ids) <= _PROVED_TOKENS and len(ids) == ends[done + index + 1] - ends[done + index]
                identity = table.column("id")[done + index].as_py()
                text = texts[done + index].as_py()
                look = self.proof.look(
                    self._tokenizer, identity, text, ids[:_PROVED_TOKENS], whole=bool(whole)
                )
                if not look and sizes is not None and sizes[index] != expected[done + index]:
                    self.proof.miss(f"{identity}: {sizes[index]} of {expected[done + index]} bytes come back")
            if self._unknown is not None:
                self.proof.tokens += len(run.ids)
                self.proof.unknown += int(np.count_nonzero(run.ids == self._unknown))
            rest = run.ids[run.ends[-1] if count else 0 :]
            head = rest if count else np.concatenate([head[:_PROVED_TOKENS], rest])
            done, tokens = done + count, tokens + len(run.ids)
        self._sequences += done
        return np.diff(ends) + 1


def _pieces(
    batch: pa.RecordBatch, part: str, split: Split
) -> tuple[npt.NDArray[np.int64], pa.Array, pa.Array]:
    """Row of its document, side of the split and text of each piece; most documents are one.

    Copies of a document are cut where it is cut itself.
    """
    whole = batch.column("split").cast(pa.string())
    if not pc.any(pc.equal(whole, SECTIONS)).as_py():
        return np.arange(len(whole)), whole, batch.column("text")
    texts = batch.column("text").cast(pa.large_string())
    offsets, _ = to_engine(texts, "texts")
    rows, sides, ends = list[int](), list[str](), [int(offsets[0])]
    for row, side in enumerate(whole.to_pylist()):
        cut = [(side, int(offsets[row + 1] - offsets[row]))]
        if side == SECTIONS:
            identity, text = batch.column("id")[row].as_py(), texts[row].as_py()
            found = sections(original_id(identity, part), text, split)
            cut = [(name, len(text[start:end].encode())) for name, start, end in found] or [("train", 0)]
        for name, size in cut:
            rows.append(row)
            sides.append(name)
            ends.append(ends[-1] + size)
    # Sections follow one another without gaps: the pieces have the bytes of the column, and other borders.
    buffers = pa.py_buffer(np.array(ends, np.int64)), texts.buffers()[2]
    cut_texts = pa.LargeStringArray.from_buffers(len(rows), *buffers)
    return np.array(rows, np.int64), pa.array(sides, pa.string()), cut_texts


def _table(
    batch: pa.RecordBatch, part: str, rows: npt.NDArray[np.int64], sides: pa.Array, texts: pa.Array
) -> pa.Table:
    """All columns of `PIECES` but the tokens. Byte ranges follow one another within a document."""
    sizes = byte_lengths(texts)
    ends = np.cumsum(sizes)
    first = np.searchsorted(rows, rows)  # of the pieces of the same document
    starts = ends - sizes
    begin = starts - starts[first]
    own = batch.select(["id", "source", "licence"]).take(pa.array(rows, pa.int64()))
    columns = {name: own.column(name) for name in own.schema.names}
    columns |= {"split": sides, "part": pa.repeat(part, len(rows))}
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
    if (
        pieces.num_rows
        and pieces.column("part")[0].as_py() == REPEATED
        and (held_out := text_bytes(batch) - kept)
    ):
        entry.bytes_cut["held_out"] += held_out
