"""Exact repeats of many words, across documents and within them, cut but for one copy.

After Lee et al. 2022 ("Deduplicating Training Data Makes Language Models Better", arXiv:2107.06499), who find
them by a suffix array of the whole corpus. Here they are found by hashes, on disk:

1. The scan winnows: of each text the hashes of few of its n-grams, so chosen that texts which share a run of
   words share one of them within it.
2. Hashes that stand once are forgotten. Around the others the documents' words are read again: the shortest
   run of the asked-for length at each word, with 122 bits of its content.
3. Runs are grouped by these, partition by partition, whatever document they stand in. Which copy stays, and
   what is cut, is chosen document by document (`corpuskit.stages.dedup.copies`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from corpuskit.documents.runs import winnow, word_runs
from corpuskit.documents.words import fold_words
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.dedup.common import ORDER, lists, order_keys, ranks, starts_of, values_of
from corpuskit.stages.dedup.copies import Copies
from corpuskit.stages.dedup.spans import text_span
from corpuskit.stages.scans import Scans
from corpuskit.storage.spill import Keys, Ordinals, Records, array_on_disk, runs, sorted_rows

REASON, NOTHING_LEFT = "substring_repeat", "only_substring_repeats"

RUN_FIELDS = [(name, np.int64) for name in ("place", "until")] + [
    (name, np.uint64) for name in ("first", "second", "before", "behind")
]
"""A run: words from ``place`` to ``until`` as the corpus numbers them, digests of it and of what is around."""

CUT_FIELDS = [(name, np.int64) for name in ("ordinal", "begin", "end", "left", "right")]
"""A cut: words ``begin`` to ``end`` of a document, and whether what is beside them repeats, too."""


class SubstringDuplicates(Barrier):
    """Cuts runs of words that stand more than once, but for one copy.

    A run counts from ``min_words`` words on, or from ``min_characters`` where words have no spaces and each
    letter is a word (Han, kana, Thai and their kin); of both kinds the shares add up. Words are compared case
    folded and in NFC (`corpuskit.documents.words`). Cut are whole words with what stands between them; a border
    is left, so that the words before and behind are not run together.

    After the build no run of that length stands twice, unless a cut parts it. The copy that stays is in the
    document with the most words at which such runs begin, then in that whose text has the smallest digest: a
    rule that knows neither the order of rows nor of files. Where two runs that stay would make a third one
    stand twice, one of them stays in another document; where there is none, it goes, which is counted and told.
    """

    name = "substring_duplicates"
    scan_schema: ClassVar[pa.Schema] = pa.schema(
        [("order", ORDER), ("words", pa.int64()), ("entries", pa.int64())]
        + [("hashes", pa.list_(pa.uint64())), ("places", pa.list_(pa.int64()))]
    )

    min_words: int = Field(50, ge=2, le=10_000, description="Words of a repeat, at least.")
    min_characters: int = Field(
        100, ge=2, le=10_000, description="The same in scripts without blanks, whose letters are a word each."
    )

    @property
    def cuts(self) -> bool:
        """It does."""
        return True

    @property
    def _least(self) -> int:
        """Words that the shortest run has, whatever its script."""
        return min(self.min_words, self.min_characters)

    @property
    def _gram(self) -> int:
        """Words of an n-gram of the scan: long ones are rarely met by chance, short ones winnow better."""
        return max(1, self._least // 3)

    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The winnowed hashes of each text, and how many words it has."""
        found = winnow(batch.column("text"), self._least, self._gram)
        columns = [order_keys(batch), pa.array(found.words), pa.array(np.diff(found.ends))]
        columns += [lists(found.hashes, found.ends), lists(found.places, found.ends)]
        return pa.RecordBatch.from_arrays(columns, schema=self.scan_schema)

    def decide(self, scans: Scans) -> None:
        """Find the runs that stand more than once, choose what stays of each, and cut the rest.

        On disk lie 48 bytes for each word near a repeated n-gram, and 29 for each run that repeats; in memory
        a partition of either, and one document.
        """
        starts = starts_of(scans, "words")
        found = Records(scans.folder, RUN_FIELDS, "runs")
        self._find_runs(scans, starts, found)
        if not len(found):
            return
        group, groups = _grouped(scans, found)
        counts = np.zeros(scans.documents, np.int64)
        places = found.array()["place"]
        for first in range(0, len(group), 2**20):
            own = places[first : first + 2**20][group[first : first + 2**20] >= 0]
            np.add.at(counts, np.searchsorted(starts, own, side="right") - 1, 1)
        rank = ranks(scans, "order", -counts)
        repeating = np.flatnonzero(counts)
        copies = Copies(found.array(), group, groups, scans.folder)
        chosen = Records(scans.folder, CUT_FIELDS, "chosen")
        for ordinal in repeating[np.argsort(rank[repeating])].tolist():
            for cut in copies.of(int(starts[ordinal]), int(starts[ordinal + 1])):
                chosen.add(ordinal=ordinal, **cut._asdict())
        if lost := copies.lost():
            scans.warnings.append(
                f"{scans.label}: {lost} repeated runs stay nowhere: each of their copies overlaps another run's"
            )
        _cut(scans, chosen)

    def _find_runs(self, scans: Scans, starts: Ordinals, found: Records) -> None:
        """Read the words around each hash that stands more than once."""
        repeated = Ascending(self._repeated(scans, starts))
        reach = self._least - self._gram
        for first, rows in scans.scores(["text"]):
            last = first + rows.num_rows
            places = repeated.below(int(starts[last]))
            if not len(places):
                continue
            owner = np.searchsorted(starts, places, side="right") - 1
            documents = np.unique(owner)
            texts = rows.column("text").take(pa.array(documents - first))
            words = word_runs(texts, self.min_words, self.min_characters)
            # Words of these texts are numbered from 0 here; in the corpus they have other numbers.
            shift = starts[documents] - words.ends[:-1]
            row = np.searchsorted(documents, owner)
            here = places - shift[row]
            near = np.zeros(len(words.until) + 1, np.int64)
            np.add.at(near, np.maximum(here - reach, words.ends[row]), 1)
            np.add.at(near, here + 1, -1)
            wanted = np.flatnonzero((np.cumsum(near)[:-1] > 0) & (words.until > 0))
            row = np.searchsorted(words.ends, wanted, side="right") - 1
            if len(wanted):
                found.add(
                    place=wanted + shift[row],
                    until=words.until[wanted] + starts[documents[row]],
                    first=words.digests[wanted, 0],
                    second=words.digests[wanted, 1],
                    before=words.gaps[wanted, 0],
                    behind=words.gaps[wanted, 1],
                )

    def _repeated(self, scans: Scans, starts: Ordinals) -> Iterator[Ordinals]:
        """Where hashes stand that stand more than once, ascending."""
        entries = sum(int(rows.column("entries").to_numpy().sum()) for _, rows in scans.rows("entries"))

        def keys() -> Iterator[tuple[Keys, Ordinals]]:
            for first, rows in scans.rows("entries", "hashes", "places"):
                last = first + rows.num_rows
                counts = rows.column("entries").to_numpy()
                kept = np.repeat(scans.kept[first:last], counts)
                begins = np.repeat(starts[first:last], counts)
                hashes, places = values_of(rows.column("hashes")), values_of(rows.column("places"))
                yield hashes[kept], (begins + places)[kept]

        def again() -> Iterator[tuple[Keys, Ordinals]]:
            for hashes, places in sorted_rows(keys(), scans.folder, entries):
                equal = hashes[1:] == hashes[:-1]
                own = places[np.append(equal, False) | np.append(False, equal)]
                yield own.astype(np.uint64), own

        for _, places in sorted_rows(again(), scans.folder, entries, span=max(1, int(starts[-1]))):
            yield places


class Ascending:
    """Takes numbers off an ascending stream of arrays, up to one limit after the other."""

    def __init__(self, blocks: Iterator[Ordinals]) -> None:
        self._blocks = blocks
        self._rest = np.zeros(0, np.int64)

    def below(self, limit: int) -> Ordinals:
        """The next numbers, as long as they are below ``limit``."""
        taken: list[Ordinals] = []
        while True:
            count = int(np.searchsorted(self._rest, limit))
            taken.append(self._rest[:count])
            self._rest = self._rest[count:]
            if len(self._rest):
                break
            following = next(self._blocks, None)
            if following is None:
                break
            self._rest = following
        return np.concatenate(taken)


def _grouped(scans: Scans, found: Records) -> tuple[Ordinals, int]:
    """The group of each run, -1 for one that stands once, and how many groups there are."""
    group = array_on_disk(scans.folder, np.int64, (len(found),), name="group", fill=-1)
    groups, second = 0, found.array()["second"]
    for keys, numbers in sorted_rows(found.keys("first"), scans.folder, len(found)):
        others = second[numbers]
        order = np.lexsort((numbers, others, keys))
        keys, others, numbers = keys[order], others[order], numbers[order]
        new = np.append(True, (keys[1:] != keys[:-1]) | (others[1:] != others[:-1]))
        own = np.cumsum(new) - 1
        several = np.bincount(own)[own] > 1
        _, own = np.unique(own[several], return_inverse=True)
        group[numbers[several]] = groups + own
        groups += int(own.max()) + 1 if len(own) else 0
    return group, groups


def _cut(scans: Scans, chosen: Records) -> None:
    """Find the bytes of the words that are cut, and cut them or drop the document if nothing else is there."""
    blocks = chosen.ascending("ordinal", scans.documents)
    rest: npt.NDArray[np.void] | None = next(blocks, None)
    for first, rows in scans.scores(["text"]):
        last = first + rows.num_rows
        while rest is not None and rest["ordinal"][0] < last:
            count = int(np.searchsorted(rest["ordinal"], last))
            for begin, end in runs(rest["ordinal"][:count]):
                own = rest[begin:end]
                ordinal = int(own["ordinal"][0])
                _cut_document(scans, ordinal, rows.column("text").slice(ordinal - first, 1), own)
            rest = rest[count:] if count < len(rest) else next(blocks, None)


def _cut_document(scans: Scans, ordinal: int, text: pa.LargeStringArray, cuts: npt.NDArray[np.void]) -> None:
    raw, words = text[0].as_py().encode(), fold_words(text).spans
    found = [text_span(raw, words, *cut) for cut in cuts[["begin", "end", "left", "right"]].tolist()]
    found.sort()
    left = [raw[a:b] for a, b in zip([0, *(e for _, e in found)], [*(s for s, _ in found), len(raw)], strict=True)]
    if not b"".join(left).decode().strip():
        scans.drop(ordinal, NOTHING_LEFT)
        return
    for start, end in found:
        scans.cut(ordinal, start, end, REASON)
