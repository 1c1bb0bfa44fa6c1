"""Tokens back to text: a sample of the documents in the shards, decoded and compared with their texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpuskit.run.folder import Run
from corpuskit.run.layout import text_of
from corpuskit.shards.reader import Shards
from corpuskit.tokenizer.tokenizer import Tokenizer

SHARDS_SAMPLED, DOCUMENTS_SAMPLED = 16, 16
"""Shards of a run, evenly chosen, and sequences of each: little beside the checksums, which read all."""


class Difference(NamedTuple):
    """A sequence whose tokens do not give its text back.

    Attributes:
        shard, id: where it lies, and of which document it is.
        tokens_differ: whether the text has other tokens; if not, the tokenizer loses or changes text.
        text, decoded: from the first character on that differs, up to 20 characters.
    """

    shard: str
    id: str
    tokens_differ: bool
    text: str
    decoded: str


class Sequence(NamedTuple):
    """A sequence of the sample: which tokens of which shard stand for which bytes of which document."""

    shard: str
    id: str
    part: str
    bytes: slice
    tokens: list[int]


def differences(run: Run, shards: Shards, tokenizer: Tokenizer) -> tuple[int, list[Difference]]:
    """How many sequences were compared, and those that differ.

    Raises RunError for a table that cannot be read, and for a document that is not where its tokens say.
    """
    by_part: dict[str, list[Sequence]] = defaultdict(list)
    for sequence in _sample(run, shards):
        by_part[sequence.part].append(sequence)
    found = []
    for part, sequences in by_part.items():
        texts = _texts(run, part, {sequence.id for sequence in sequences})
        for sequence in sequences:
            whole = texts.get(sequence.id, "").encode()
            text = whole[sequence.bytes].decode("utf-8", "replace")
            decoded = tokenizer.decode(sequence.tokens)
            if decoded != text:
                pairs = zip(text, decoded, strict=False)
                shorter = min(len(text), len(decoded))
                first = next((i for i, (a, b) in enumerate(pairs) if a != b), shorter)
                other = tokenizer.encode(text) != sequence.tokens
                shown = text[first : first + 20], decoded[first : first + 20]
                found.append(Difference(sequence.shard, sequence.id, other, *shown))
    return sum(map(len, by_part.values())), found


def _sample(run: Run, shards: Shards) -> Iterator[Sequence]:
    infos = [(split, info) for split, split_infos in shards.splits.items() for info in split_infos]
    for number in _evenly(len(infos), SHARDS_SAMPLED):
        split, info = infos[number]
        line, before = shards.split(split), 0
        for other in shards.splits[split]:
            if other.name == info.name:
                break
            before += other.tokens
        table = run.read_table(run.path("shards", f"{info.name}.provenance.parquet"))
        for row in table.take(pa.array(_evenly(table.num_rows, DOCUMENTS_SAMPLED))).to_pylist():
            start, end = row["token_start"], row["token_end"] - 1  # Without the end-of-text.
            tokens = line.read(before + start, end - start).tolist()
            yield Sequence(
                info.name, row["id"], row["part"], slice(row["byte_start"], row["byte_end"]), tokens
            )


def _evenly(count: int, most: int) -> list[int]:
    """Up to ``most`` of the numbers below ``count``, evenly spread, the first and the last among them."""
    return sorted(set(np.linspace(0, count - 1, min(count, most)).astype(int).tolist()))


def _texts(run: Run, part: str, ids: set[str]) -> dict[str, str]:
    wanted, found = pa.array(sorted(ids)), dict[str, str]()
    for batch in run.read_batches(text_of(part)[0], ["id", "text"]):
        rows = batch.filter(pc.is_in(batch.column("id"), wanted))
        found |= zip(*(rows.column(name).to_pylist() for name in ("id", "text")), strict=True)
    return found
