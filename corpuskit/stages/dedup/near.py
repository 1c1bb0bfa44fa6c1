"""Near duplicates: candidates by MinHash and locality-sensitive hashing, decided by exact Jaccard similarity.

The scan keeps a MinHash signature of each document (`corpuskit.stages.dedup.minhash`). Documents whose
signatures agree in one whole band are candidates, and what hangs together by such bands is a component. The
texts of candidates alone are read again. In each component documents are taken in the order of the rule that
says which copy stays: each is kept, unless its exact Jaccard similarity to a kept one reaches the threshold.
Because the scan keeps signatures and not bands, another threshold needs no new pass over the text.

Memory: half a million keys of bands, or figures of as many candidates (of a larger component, of all of it:
about 200 bytes each), `_SHINGLES` shingles, and at most `_POSTINGS_BYTES` for the search within a component.
All else lies in files, which the system maps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import ceil
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from corpuskit import _native
from corpuskit.documents.settings import Decides
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.dedup import minhash
from corpuskit.stages.scans import Scans
from corpuskit.storage.spill import Keys, Lists, Ordinals, array_on_disk, sorted_rows

_POSTINGS_BYTES = 256 * 2**20
"""What is held to find kept documents by their shingles. Where they need more, the documents of a component
are gone through once more for each time as much."""

_PARTS = 10**9
"""Parts of a threshold: it counts to nine places behind the point, so that products fit into 64 bits."""

_SHINGLES = 2**22
"""Shingles of some components that are looked at at a time, at least one component."""

_FINER = 8
"""So many times as many partitions as usual, since their rows are many: half a million in each."""

_ROWS = 2**20
"""Figures of documents that are looked at at a time."""


Dropped = Callable[[int, int, float], None]
"""Hears of a document that goes, of the one it goes for, and of their exact Jaccard similarity."""


class NearDuplicates(Barrier):
    """Drops a document that nearly repeats a kept one.

    Documents are taken in the order of ``prefer`` and ``keep``; each that is still there is kept, and drops
    those whose exact Jaccard similarity to it reaches the threshold. So every dropped document is similar to
    the very copy that was kept, and the same texts stay in any order of rows and parts: of documents that
    are alike for the rule, the one whose text has the smaller hash stays, of equal texts the smaller id. The
    documents of an earlier build come before all others, and all of them stay.
    """

    name = "near_duplicates"
    version: ClassVar[int] = 2
    sees_earlier: ClassVar[bool] = True
    scan_schema: ClassVar[pa.Schema] = pa.schema(
        [("signature", pa.binary(4 * minhash.SIZE)), ("digest", pa.binary(16)), ("source", pa.string())]
    )

    ngram: int = Field(5, ge=1, le=50, description="Words per shingle.")
    seed: int = Field(1, ge=0, lt=2**32, description="Seed of the permutations.")
    threshold: Decides[float] = Field(0.8, gt=0, le=1, description="Exact Jaccard similarity to drop at.")
    keep: Decides[Literal["longest", "best", "smallest_id"]] = Field(
        "longest",
        description="Which copy stays: the longest in bytes; the best by what sources say (newest revision"
        " of a page, best edition of a book), then the longest; or the one of the smallest id.",
    )
    prefer: Decides[tuple[str, ...]] = Field(
        (), description="Labels of sources whose copies stay before those of others, the first ones first."
    )
    engine: Literal["native", "reference"] = Field(
        "native", description="`reference` lets datasketch make all signatures: the same, slower."
    )

    def libraries(self) -> dict[str, str]:
        """Signatures of different schemes cannot be compared."""
        return {"datasketch": minhash.reference(), "scheme": "affine32, xxh32"}

    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The MinHash signature of each text, null for one without words; its digest and its source."""
        texts = batch.column("text")
        make = minhash.sign if self.engine == "native" else minhash.sign_by_reference
        signed = make(texts, self.ngram, self.seed)
        if self.engine == "native":
            minhash.check_sample(texts, signed, self.ngram, self.seed, self.name)
        kinds = [self.scan_schema.field(name).type for name in ("signature", "digest")]
        values = (signed.values.astype("<u4", copy=False), signed.digests.astype("<u8", copy=False))
        valid = (np.packbits(signed.there, bitorder="little"), None)
        signatures, digests = (
            pa.FixedSizeBinaryArray.from_buffers(kind, len(texts), [bits, value])
            for kind, bits, value in zip(kinds, map(_buffer, valid), map(_buffer, values), strict=True)
        )
        source = batch.column("source").cast(pa.string())
        return pa.RecordBatch.from_arrays([signatures, digests, source], schema=self.scan_schema)

    def decide(self, scans: Scans) -> None:
        """Keep greedily in the order of ``prefer`` and ``keep``."""
        self.decide_telling(scans)

    def decide_telling(self, scans: Scans, dropped: Dropped | None = None) -> None:
        """The same, and tell of each document that goes."""
        candidates = _Candidates(self, scans)
        sets = candidates.sets()
        for components, documents in candidates.components():
            order = candidates.order(components, documents)
            components, documents = components[order], documents[order]
            for some in _whole(components, sets.counts[documents], _SHINGLES):
                for copy in self._drop(scans, sets, components[some], documents[some]):
                    if dropped is not None:
                        dropped(*copy)
                sets.release()

    def _drop(
        self, scans: Scans, sets: Lists, components: Ordinals, documents: Ordinals
    ) -> Iterator[tuple[int, int, float]]:
        """Decide about the documents of some components, which come in the order of the rule."""
        over, under = fraction(self.threshold)
        earlier = documents >= scans.first_earlier
        starts, counts = sets.starts[documents], sets.counts[documents]
        pinned = earlier.astype(np.uint8)
        first, common, cluster = _native.keep_unlike(
            components, starts, counts, pinned, sets.values(), over, under, _POSTINGS_BYTES
        )
        similarity = common / (counts + counts[first] - common)
        for row in np.flatnonzero(first != np.arange(len(first))).tolist():
            document, original = int(documents[row]), int(documents[first[row]])
            scans.drop(document, "near_duplicate", original)
            yield document, original, float(similarity[row])
        # All that hang together by a copy are one cluster; earlier texts stand in no cluster of ours.
        own = np.flatnonzero(~earlier)
        least = np.full(len(documents), np.iinfo(np.int64).max)
        np.minimum.at(least, cluster[own], documents[own])
        heads = least[cluster[own]]
        for row in np.flatnonzero(heads != documents[own]).tolist():
            scans.join(int(heads[row]), int(documents[own[row]]))


class _Candidates:
    """Documents that share a band with others."""

    def __init__(self, rule: NearDuplicates, scans: Scans) -> None:
        self._rule, self._scans = rule, scans
        self._digests = scans.array("digest", np.uint64, (2,))
        self._preferred = scans.array("preferred", np.int16)
        self._count = scans.documents
        self._parents = self._array("component", np.int64, fill=-1)
        bands, rows = minhash.banding(rule.threshold)
        keys = sorted_rows(_gathered(self._keys(bands, rows)), scans.folder, _FINER * self._count * bands)
        for partition, numbers in keys:
            _native.join_candidates(self._parents, partition, numbers)
        _native.flatten_parents(self._parents)
        # Where earlier texts alone hang together there is nothing to decide.
        own = self._array("own", np.bool_)
        self._wanted = self._array("wanted", np.bool_)
        for block in self._blocks(scans.first_earlier):
            parents = self._parents[block]
            own[parents[parents >= 0]] = True
        for block in self._blocks(self._count):
            parents = self._parents[block]
            self._wanted[block] = (parents >= 0) & own[parents]

    def _array(self, name: str, kind: npt.DTypeLike, fill: int = 0) -> npt.NDArray[Any]:
        return array_on_disk(self._scans.folder, kind, (self._count,), name=name, fill=fill)

    @staticmethod
    def _blocks(count: int) -> Iterator[slice]:
        return (slice(first, min(count, first + _ROWS)) for first in range(0, count, _ROWS))

    def _keys(self, bands: int, rows: int) -> Iterator[tuple[Keys, Ordinals]]:
        """One key per band of every kept document that has words; takes up the facts of all on the way."""
        rule, scans = self._rule, self._scans
        labels = pa.array(rule.prefer, pa.string())
        met: set[int] = set()
        for first, scanned in scans.rows("signature", "digest", "source"):
            span = slice(first, first + scanned.num_rows)
            self._digests[span] = _matrix(scanned.column("digest"), "<u8")
            rank = pc.index_in(scanned.column("source"), value_set=labels).fill_null(len(labels)).to_numpy()
            self._preferred[span] = rank
            met.update(np.unique(rank[: max(0, scans.first_earlier - first)]).tolist())
            # A text without words has no signature and stands in no band: it is nobody's copy.
            there = scanned.column("signature").is_valid().to_numpy(zero_copy_only=False) & scans.kept[span]
            values = _matrix(scanned.column("signature"), "<u4")[there]
            yield _spread(values, first + np.flatnonzero(there), bands, rows)
        if scans.first_earlier and (unmet := [rule.prefer[i] for i in range(len(labels)) if i not in met]):
            scans.warnings.append(f"{scans.label}: no document has a source that `prefer` names: {unmet}")

    def sets(self) -> Lists:
        """The shingles of all candidates, from their texts."""
        lists = Lists(self._scans.folder, self._count)
        for first, documents in self._scans.scores(["text"], self._wanted):
            wanted = np.asarray(self._wanted[first : first + documents.num_rows])
            if wanted.any():
                texts = documents.column("text").filter(pa.array(wanted))
                numbers = first + np.flatnonzero(wanted)
                lists.add(numbers, *minhash.shingle_hashes(texts, self._rule.ngram))
        return lists

    def components(self) -> Iterator[tuple[Ordinals, Ordinals]]:
        """Yield components, ascending, with the candidates of each, some whole components at a time."""

        def rows() -> Iterator[tuple[Keys, Ordinals]]:
            for block in self._blocks(self._count):
                numbers = block.start + np.flatnonzero(self._wanted[block])
                yield self._parents[numbers].astype(np.uint64), numbers

        wanted = sum(int(self._wanted[block].sum()) for block in self._blocks(self._count))
        for components, numbers in sorted_rows(rows(), self._scans.folder, _FINER * wanted):
            yield components.astype(np.int64), numbers

    def order(self, components: Ordinals, numbers: Ordinals) -> Ordinals:
        """The order in which they are taken: by component, earlier texts first, then by the rule."""
        scans, rule = self._scans, self._rule
        own = numbers < scans.first_earlier
        at = np.where(own, numbers, 0)
        keys = [components, own, self._preferred[at]]
        if rule.keep == "best":
            keys.append(-scans.preference[at])
        if rule.keep != "smallest_id":
            keys += [-scans.bytes[at], self._digests[at, 0], self._digests[at, 1]]
        keys = [*keys[:2], *(np.where(own, key, 0) for key in keys[2:])]
        order = np.lexsort(keys[::-1])
        equal = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
        tied = own[order] & (np.append(False, equal) | np.append(equal, False))
        rows = order[tied]
        ids = np.where(own, 0, numbers)
        ids[rows] = _id_ranks(scans, numbers[rows])
        return np.lexsort([ids, *keys[::-1]])


def _whole(components: Ordinals, sizes: Ordinals, most: int) -> Iterator[slice]:
    """Cut documents, which come by component, into some whole components of at most ``most``, or one."""
    ends = np.append(np.flatnonzero(np.diff(components)) + 1, len(components))
    sums = np.cumsum(sizes)[ends - 1]
    first = done = 0
    while done < len(ends):
        before = sums[done - 1] if done else 0
        done = max(done + 1, int(np.searchsorted(sums, before + most, side="right")))
        yield slice(first, int(ends[done - 1]))
        first = int(ends[done - 1])


def _gathered(rows: Iterator[tuple[Keys, Ordinals]]) -> Iterator[tuple[Keys, Ordinals]]:
    """The same rows, more at a time: each time is a write to all partitions."""
    held: list[tuple[Keys, Ordinals]] = []
    for some in rows:
        held.append(some)
        if sum(len(keys) for keys, _ in held) >= _ROWS // 4:
            yield np.concatenate([k for k, _ in held]), np.concatenate([n for _, n in held])
            held = []
    if held:
        yield np.concatenate([k for k, _ in held]), np.concatenate([n for _, n in held])


def _id_ranks(scans: Scans, ordinals: Ordinals) -> npt.NDArray[np.int64]:
    """The places of the ids of some documents among one another, by code points."""
    back = np.argsort(ordinals)
    wanted = ordinals[back]
    found = [pa.array([], pa.string())]
    for first, ids in scans.identities() if len(wanted) else ():
        low, high = np.searchsorted(wanted, [first, first + len(ids)])
        if low < high:
            found.append(pa.array(ids, pa.string()).take(pa.array(wanted[low:high] - first)))
    ranks = np.empty(len(ordinals), np.int64)
    ranks[back] = pc.rank(pa.chunked_array(found), tiebreaker="dense").to_numpy()
    return ranks


def _spread(
    signatures: npt.NDArray[np.uint32], numbers: Ordinals, bands: int, rows: int
) -> tuple[Keys, Ordinals]:
    values = np.ascontiguousarray(signatures, np.uint32).ravel()
    return _native.hash_bands(values, bands, rows).ravel(), np.repeat(numbers, bands)


def _matrix(column: pa.FixedSizeBinaryArray, kind: str) -> npt.NDArray[Any]:
    """Numbers of a fixed-size binary column, one row each; what stands behind a null is undefined."""
    width = column.type.byte_width
    _, data = column.buffers()
    if not len(column) or data is None:
        return np.zeros((len(column), width // np.dtype(kind).itemsize), kind)
    start = column.offset * width
    raw = np.frombuffer(data, np.uint8)[start : start + len(column) * width]
    return raw.view(kind).reshape(len(column), -1)


def _buffer(values: npt.NDArray[Any] | None) -> pa.Buffer | None:
    return None if values is None else pa.py_buffer(np.ascontiguousarray(values))


def fraction(threshold: float) -> tuple[int, int]:
    """A threshold as two whole numbers, over and under a line, as it is written: 0.8 is four fifths.

    >>> fraction(0.8), fraction(1.0), fraction(1e-12)
    ((4, 5), (1, 1), (1, 1000000000))
    """
    exact = Fraction(repr(float(threshold)))
    if exact.denominator <= _PARTS:
        return exact.numerator, exact.denominator
    return ceil(exact * _PARTS), _PARTS
