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

from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from corpuskit.documents.runs import winnow, word_runs
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.dedup.common import ORDER, alike, lists, order_keys, ranks, starts_of, values_of
from corpuskit.stages.dedup.copies import Copies, Flags, WordCut
from corpuskit.stages.dedup.spans import CUT_FIELDS, cut_words
from corpuskit.stages.scans import Scans
from corpuskit.storage.spill import Keys, Ordinals, Records, array_on_disk, sorted_rows

_CHUNK = 2**20
"""Runs that are looked at at a time."""

_HELD = 65_536
"""Cuts that wait in memory for the next write."""

_ROUNDS = 4
"""How often it is tried at most to let each repeated run stay somewhere."""

REASON = "substring_repeat"

RUN_FIELDS = [(name, np.int64) for name in ("place", "until")] + [
    (name, np.uint64) for name in ("first", "second", "before", "behind")
]
"""A run: words ``place`` to ``until`` as the corpus numbers them, digests of it and of what is around."""


class SubstringDuplicates(Barrier):
    """Cuts runs of words that stand more than once, but for one copy.

    A run counts from ``min_words`` words on, or from ``min_characters`` where words have no spaces and each
    letter is a word (Han, kana, Thai and their kin); of both kinds the shares add up. Words are compared case
    folded and in NFC (`corpuskit.documents.words`). Cut are whole words with what stands between them; a
    border is left, so that the words before and behind are not run together.

    After the build no run of that length stands twice, unless a cut parts it. The copy that stays is in the
    document with the most words at which such runs begin, then in that whose text has the smallest digest: a
    rule that knows neither the order of rows nor of files. Where two runs that stay would make a third one
    stand twice, one of them stays in another document; where there is none, it goes, which is counted and
    told.
    """

    name = "substring_duplicates"
    scan_schema: ClassVar[pa.Schema] = pa.schema(
        [
            ("order", ORDER),
            ("words", pa.int64()),
            ("entries", pa.int64()),
            ("hashes", pa.list_(pa.uint64())),
            ("places", pa.list_(pa.int64())),
        ]
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
        counts = _per_document(found, starts, lambda first, last: group[first:last] >= 0)
        rank = ranks(scans, "order", -counts)
        repeating = np.flatnonzero(counts)
        order = repeating[np.argsort(rank[repeating])]
        best, least = None, groups + 1
        copies = Copies(found.array(), group, groups, scans.folder)
        for _ in range(_ROUNDS):
            copies.begin()
            chosen = _chosen(scans, copies, order, starts)
            if (lost := copies.lost()) < least:
                best, least = chosen, lost
            if not lost:
                break
        if least:
            scans.warnings.append(
                f"{scans.label}: {least} repeated runs stay nowhere: their copies overlap those of others"
            )
        if best is not None:
            cut_words(scans, best, REASON)

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
        several, own = alike(keys, numbers, second)
        group[several] = groups + own
        groups += int(own[-1]) + 1 if len(own) else 0
    return group, groups


def _chosen(scans: Scans, copies: Copies, order: Ordinals, starts: Ordinals) -> Records:
    """The words to cut of documents that are taken in some order."""
    chosen = Records(scans.folder, CUT_FIELDS, "chosen")
    held: list[tuple[int, ...]] = []
    for ordinal in order.tolist():
        own = copies.of(ordinal, int(starts[ordinal]), int(starts[ordinal + 1]))
        held += [(ordinal, *cut) for cut in own]
        if len(held) >= _HELD or ordinal == order[-1]:
            columns = zip(
                ("ordinal", *WordCut._fields), np.array(held, np.int64).reshape(-1, 5).T, strict=True
            )
            chosen.add(**dict(columns))
            held = []
    return chosen


def _per_document(found: Records, starts: Ordinals, chosen: Callable[[int, int], Flags]) -> Ordinals:
    """How many runs each document has, of those that ``chosen`` says for a range of their numbers."""
    counts = np.zeros(len(starts) - 1, np.int64)
    places = found.array()["place"]
    for first in range(0, len(places), _CHUNK):
        own = places[first : first + _CHUNK][chosen(first, first + _CHUNK)]
        counts += np.bincount(np.searchsorted(starts, own, side="right") - 1, minlength=len(counts))
    return counts
