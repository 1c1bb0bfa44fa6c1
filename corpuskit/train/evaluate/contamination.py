"""Evaluation texts that stand in a run's training documents: those that share 13 words in a row with one.

Thirteen is GPT-3's number (arXiv:2005.14165, appendix C); words are those of `corpuskit.documents.words`. The
n-grams of the evaluation are kept, and the documents of the training split are read one after the other, as
the model was given them: planted and repeated ones too. Time is linear in both; memory is that of the
evaluation and of some documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpuskit.documents.overlap import Items
from corpuskit.documents.words import words
from corpuskit.errors import ShardError
from corpuskit.shards.reader import Shards
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.evaluate.likelihood import Told

WORDS = 13
"""Words in a row that make a text a contaminated one."""

_BATCH = 4 * 2**20
"""Characters of documents that are looked through at a time."""


class Shared(NamedTuple):
    """A text of the evaluation that stands in a training document.

    Attributes:
        number: of the text.
        document: the first one that shares words with it; documents: how many do.
        words: the first that they share.
    """

    number: int
    document: str
    documents: int
    words: str


@dataclass(frozen=True)
class Contamination:
    """What was found.

    Attributes:
        texts: how many were looked for.
        too_short: of those, how many have fewer words than are asked for: nothing can be said of them.
        shared: those that stand in a document, in their order.
        documents: how many were read.
    """

    texts: int
    too_short: int
    shared: tuple[Shared, ...]
    documents: int


def find_shared(
    texts: Sequence[str], documents: Iterator[tuple[str, str]], told: Told | None = None
) -> Contamination:
    """Which texts share `WORDS` words in a row with a document.

    Args:
        documents: id and text each.
        told: hears of each document that was read.

    >>> text = "one two three four five six seven eight nine ten eleven twelve thirteen"
    >>> find_shared([text, "one two"], iter([("a", f"Zero, {text}.")])).shared[0].document
    'a'
    """
    items = Items(texts, WORDS)
    found: dict[int, list[object]] = {}
    count = 0
    for some in _batched(documents):
        overlaps = items.search(pa.array([text for _, text in some], pa.large_string()))
        seen: set[tuple[int, int]] = set()
        for row, number, at in zip(*(column.tolist() for column in overlaps[:3]), strict=True):
            if (row, number) not in seen:
                seen.add((row, number))
                name, text = some[row]
                first = found.setdefault(number, [name, 0, ""])
                first[1] += 1  # type: ignore[operator]
                first[2] = first[2] or " ".join(words(text)[at : at + WORDS])
        count += len(some)
        if told is not None:
            told(len(some))
    shared = tuple(Shared(number, *found[number]) for number in sorted(found))  # type: ignore[arg-type]
    return Contamination(len(texts), int((items.lengths < WORDS).sum()), shared, count)


def _batched(documents: Iterator[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Documents, so many at a time that they have `_BATCH` characters or a little more."""
    some: list[tuple[str, str]] = []
    size = 0
    for document in documents:
        some.append(document)
        size += len(document[1])
        if size >= _BATCH:
            yield some
            some, size = [], 0
    if some:
        yield some


def training_documents(run: Path, shards: Shards) -> Iterator[tuple[str, str]]:
    """Id and text of each document of the training split, decoded from the shards.

    Raises ShardError, TrainError or SettingError where they cannot be read.
    """
    tokenizer = Tokenizer.load_expected(
        run / "tokenizer" / "tokenizer.json", shards.tokenizer_sha256, shards.end_of_text
    )
    split, first = shards.split("train"), 0
    for info in shards.splits["train"]:
        path, ends, names = shards.folder / f"{info.name}.provenance.parquet", None, [""]
        if path.exists():
            try:
                table = pq.read_table(path)
            except (OSError, ValueError) as error:
                raise ShardError(
                    f"cannot read the provenance {path}: {error}", remedy="Build the shards again."
                ) from error
            if "id" in table.column_names:
                ends, names = table.column("token_end").to_numpy(), table.column("id").to_pylist()
        at = 0
        for number in range(first, first + info.sequences):
            ids = split.sequence(number)
            name = f"{info.name} sequence {number - first}"
            if ends is not None:
                name = names[min(int(np.searchsorted(ends, at, side="right")), len(names) - 1)]
            at += len(ids)
            yield name, tokenizer.decode(ids[:-1] if ids[-1] == shards.end_of_text else ids)
        first += info.sequences
