"""Evaluation texts that stand in a run's training documents: those that share 13 words in a row with one.

Thirteen is GPT-3's number (arXiv:2005.14165, appendix C); words are those of `corpuskit.documents.words`. The
n-grams of the evaluation are kept, and the documents of the training split are read one after the other, as
the model was given them: planted and repeated ones too. Time is linear in both; memory is that of the
evaluation and of one document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from corpuskit.documents.words import words
from corpuskit.errors import ShardError
from corpuskit.shards.reader import Shards
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.evaluate.likelihood import Told

WORDS = 13
"""Words in a row that make a text a contaminated one."""

_BASE = np.uint64(0x9E3779B97F4A7C15)  # Odd, and its powers spread: what it finds is compared word by word.


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
    known: dict[str, int] = {}
    wanted = [np.array([known.setdefault(w, len(known) + 1) for w in words(t)], np.uint64) for t in texts]
    owners = [np.full(max(0, len(each) - WORDS + 1), number) for number, each in enumerate(wanted)]
    places = [np.arange(len(each)) for each in owners]
    hashes = np.concatenate([_hashes(each) for each in wanted] or [np.zeros(0, np.uint64)])
    owner, place = (np.concatenate([*each, np.zeros(0, np.int64)]) for each in (owners, places))
    # One place for each text will do: words that are said again and again are looked at once.
    order = np.lexsort((place, owner, hashes))
    hashes, owner, place = hashes[order], owner[order], place[order]
    new = np.append(True, (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1]))[: len(hashes)]
    hashes, owner, place = hashes[new], owner[new], place[new]
    found: dict[int, list[object]] = {}
    count = 0
    for name, text in documents:
        count += 1
        spelled = words(text)
        for number, at in _shared(spelled, known, wanted, hashes, owner, place):
            first = found.setdefault(number, [name, 0, " ".join(spelled[at : at + WORDS])])
            first[1] += 1  # type: ignore[operator]
        if told is not None:
            told(1)
    shared = tuple(Shared(number, *found[number]) for number in sorted(found))  # type: ignore[arg-type]
    return Contamination(len(texts), sum(len(each) < WORDS for each in wanted), shared, count)


def _hashes(ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A hash of each n-gram of some words, by their numbers; 0 is a word that no text has."""
    count = max(0, len(ids) - WORDS + 1)
    hashes = np.zeros(count, np.uint64)
    for offset in range(WORDS):
        hashes = hashes * _BASE + ids[offset : offset + count]
    return hashes


def _shared(
    spelled: Sequence[str],
    known: dict[str, int],
    wanted: Sequence[npt.NDArray[np.uint64]],
    hashes: npt.NDArray[np.uint64],
    owner: npt.NDArray[np.int64],
    place: npt.NDArray[np.int64],
) -> list[tuple[int, int]]:
    """The texts that share words with a document, each with where they begin in it."""
    ids = np.fromiter((known.get(word, 0) for word in spelled), np.uint64, len(spelled))
    strange = np.concatenate([[0], np.cumsum(ids == 0)])
    here = _hashes(ids)
    whole = strange[WORDS:] == strange[: len(here)] if len(here) else np.zeros(0, bool)
    starts = np.flatnonzero(whole)
    starts = starts[np.sort(np.unique(here[starts], return_index=True)[1])]
    low, high = (np.searchsorted(hashes, here[starts], side=side) for side in ("left", "right"))
    found: dict[int, int] = {}
    for start, first, last in zip(starts[low < high], low[low < high], high[low < high], strict=True):
        for entry in range(first, last):
            number, at = int(owner[entry]), int(place[entry])
            if number not in found and (wanted[number][at : at + WORDS] == ids[start : start + WORDS]).all():
                found[number] = int(start)
    return sorted(found.items())


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
