"""Paragraphs and lines that stand in many documents: boilerplate, cut but for one copy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from corpuskit.documents.runs import Unit, text_units
from corpuskit.documents.settings import Decides
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.dedup.common import ORDER, alike, lists, order_keys, ranks, starts_of, values_of
from corpuskit.stages.scans import Scans
from corpuskit.storage.spill import Keys, Ordinals, array_on_disk, runs, sorted_rows

Flags = npt.NDArray[np.bool_]


class ParagraphRepeats(Barrier):
    """Cuts paragraphs that stand in at least ``min_documents`` documents, but for one copy.

    Documents are counted, not occurrences: a refrain of one poem is no repeat. Two paragraphs are equal
    when their texts are, in NFC, without the white space at both ends (128-bit digests). The copy that
    stays is the first one in the document whose text has the smallest digest (of equal texts, whose id
    has): a rule that knows neither the order of rows nor of files. With a paragraph goes the white space
    before it, of the first ones of a document that behind them. A document of which nothing would be left
    is dropped. What has no word, as a row of asterisks, stays unless ``min_words`` is 0.

    After CCNet (Wenzek et al. 2020, arXiv:1911.00359, section 3.1), which keeps none.
    """

    name = "paragraph_repeats"
    scan_schema: ClassVar[pa.Schema] = pa.schema(
        [("order", ORDER), ("units", pa.int64())]
        + [(name, pa.list_(pa.uint64())) for name in ("first", "second")]
        + [(name, pa.list_(pa.int64())) for name in ("begin", "end", "words", "characters")]
    )

    unit: Unit = Field("paragraph", description="What is compared: what blank lines part, or each line.")
    min_documents: Decides[int] = Field(3, ge=2, description="Documents that make a paragraph a repeat.")
    min_words: Decides[int] = Field(1, ge=0, description="Paragraphs of fewer words stay.")
    min_characters: Decides[int] = Field(1, ge=1, description="Paragraphs of fewer characters stay.")
    keep: Decides[Literal["one", "none"]] = Field("one", description="Whether one copy of each stays.")

    @property
    def cuts(self) -> bool:
        """It does."""
        return True

    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Digest, place and size of each paragraph."""
        found = text_units(batch.column("text"), self.unit)
        columns = [order_keys(batch), pa.array(np.diff(found.ends))]
        for pair in (found.digests, found.spans, found.sizes):
            columns += [lists(pair[:, side], found.ends) for side in (0, 1)]
        return pa.RecordBatch.from_arrays(columns, schema=self.scan_schema)

    def decide(self, scans: Scans) -> None:
        """Find the repeats by their digests, partition by partition, and cut all copies but one of each."""
        starts = starts_of(scans, "units")
        total = int(starts[-1])
        second = array_on_disk(scans.folder, np.uint64, (total,), name="second")
        repeated = array_on_disk(scans.folder, np.bool_, (total,), name="repeated")
        rank = ranks(scans, "order")
        for keys, numbers in sorted_rows(self._keys(scans, starts, second), scans.folder, total):
            repeated[self._repeats(keys, numbers, second, starts, rank)] = True
        for first, rows in scans.rows("begin", "end"):
            last = first + rows.num_rows
            if not repeated[starts[first] : starts[last]].any():
                continue
            for row, ordinal in enumerate(range(first, last)):
                gone = repeated[starts[ordinal] : starts[ordinal + 1]]
                if gone.any():
                    begins, ends = (rows.column(name)[row].values.to_numpy() for name in ("begin", "end"))
                    self._cut(scans, ordinal, gone, begins, ends)

    def _keys(
        self, scans: Scans, starts: npt.NDArray[np.int64], second: npt.NDArray[np.uint64]
    ) -> Iterator[tuple[Keys, Ordinals]]:
        """First words of the digests of all paragraphs of kept documents that are long enough."""
        for first, rows in scans.rows("units", "first", "second", "words", "characters"):
            last = first + rows.num_rows
            kept = np.repeat(scans.kept[first:last], rows.column("units").to_numpy())
            keys, others, words, characters = (
                values_of(rows.column(name))[kept] for name in ("first", "second", "words", "characters")
            )
            numbers = np.arange(starts[first], starts[last], dtype=np.int64)
            second[numbers] = others
            long = (words >= self.min_words) & (characters >= self.min_characters)
            yield keys[long], numbers[long]

    def _repeats(
        self,
        keys: Keys,
        numbers: Ordinals,
        second: npt.NDArray[np.uint64],
        starts: npt.NDArray[np.int64],
        rank: Ordinals,
    ) -> Ordinals:
        """Numbers of the paragraphs of one partition that are to be cut."""
        numbers, group = alike(keys, numbers, second)
        if not len(numbers):
            return numbers
        owner = np.searchsorted(starts, numbers, side="right") - 1
        # Numbers ascend within a group, and so do their documents.
        another = np.append(True, (group[1:] != group[:-1]) | (owner[1:] != owner[:-1]))
        often = np.bincount(group, weights=another)[group] >= self.min_documents
        numbers, owner, group = numbers[often], owner[often], group[often]
        if self.keep == "one":
            order = np.lexsort((numbers, rank[owner], group))
            first = np.append(True, np.diff(group[order]) > 0)[: len(order)]
            numbers = numbers[order[~first]]
        return numbers

    def _cut(self, scans: Scans, ordinal: int, gone: Flags, begins: Ordinals, ends: Ordinals) -> None:
        reason = f"{self.unit}_repeat"
        if gone.all():
            scans.drop(ordinal, f"only_{reason}s")
            return
        for first, last in runs(gone):
            if gone[first]:
                start = int(ends[first - 1]) if first else int(begins[0])
                end = int(ends[last - 1]) if first else int(begins[last])
                scans.cut(ordinal, start, end, reason)


class LineRepeats(ParagraphRepeats):
    """Cuts lines that stand in at least ``min_documents`` documents, but for one copy.

    As `ParagraphRepeats`, line by line.
    """

    name = "line_repeats"

    unit: Literal["line"] = "line"
