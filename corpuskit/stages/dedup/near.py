"""Near duplicates by MinHash and locality-sensitive hashing (Broder 1997; Leskovec et al., chapter 3).

A document is the set of its word n-grams. The scan keeps its MinHash signature (datasketch's), from which
the Jaccard similarity of two sets is estimated. Documents whose signatures agree in one whole band are
candidates; a candidate counts when the estimate reaches the threshold. Because the scan keeps signatures
and not bands, another threshold needs no new pass over the text.
"""

from __future__ import annotations

import itertools
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import datasketch
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash
from datasketch import MinHash
from pydantic import Field

from corpuskit.documents.settings import Decides
from corpuskit.documents.texts import as_texts, pieces
from corpuskit.errors import InputError
from corpuskit.stages.barrier import Barrier, scan_alone
from corpuskit.stages.scans import Scans
from corpuskit.storage.spill import Keys, Ordinals, runs, sorted_rows

_SIGNATURE_SIZE = 128
_CHUNK = 4096
"""Shingles hashed at a time: datasketch makes a table of 128 columns of them, gigabytes for a whole book."""

_GROUPS = 2**14
"""Groups written to disk at a time: most hold two documents, and a write for each would cost most."""

_LEADERS = 1000
"""Unlike documents of one band that others are compared with: what keeps pages made from one template, which
share bands without being copies, from costing a comparison for every two of them."""

# Scripts without spaces have no words to split at: each of their characters counts as one.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]|\w+")


# White space and marks of a sentence: no word goes on behind them, and no letter's lower case looks beyond.
_BORDER = re.compile(r"(?=[\s,;!?()\u3001\u3002\uff0c\uff01\uff1b\uff1f])")


def shingles(text: str, size: int) -> set[str]:
    """The set of word ``size``-grams of a text, lower-cased, without punctuation.

    A text of fewer words is one shingle, so that short texts are compared whole; a text without words
    has none.

    >>> sorted(shingles("One fish, two fish.", 3))
    ['fish two fish', 'one fish two']
    """
    return set().union(*_shingles(text, size))


def _shingles(text: str, size: int) -> Iterator[set[str]]:
    """The shingles of one piece of a text after the other; those of two pieces may be the same."""
    words: list[str] = []
    whole = True
    for piece in pieces(text, _BORDER):
        words += _WORD.findall(piece.lower())
        if len(words) >= size:
            yield {" ".join(words[i : i + size]) for i in range(len(words) - size + 1)}
            words, whole = words[len(words) - size + 1 :], False
    if whole and words:
        yield {" ".join(words)}


class NearDuplicates(Barrier):
    """Drops a document that nearly repeats a kept one.

    Documents are taken in the order of ``keep``; each that is still there is kept, and drops those that
    are similar to it. So every dropped document is similar to the very copy that was kept. The documents of
    an earlier build come before all others, and all of them stay.
    """

    name = "near_duplicates"
    sees_earlier: ClassVar[bool] = True
    scan_schema: ClassVar[pa.Schema] = pa.schema([("signature", pa.binary(4 * _SIGNATURE_SIZE))])

    ngram: int = Field(5, ge=1, le=50, description="Words per shingle.")
    seed: int = Field(1, ge=0, description="Seed of the permutations.")
    threshold: Decides[float] = Field(0.8, gt=0, le=1, description="Estimated Jaccard similarity to drop at.")
    keep: Decides[Literal["longest", "first"]] = Field(
        "longest", description="Which copy stays; ties go to the first in part order."
    )

    def libraries(self) -> dict[str, str]:
        """Signatures of different datasketch schemes cannot be compared."""
        return {"datasketch": datasketch.__version__}

    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The MinHash signature of each text; null for a text without words."""
        base = MinHash(num_perm=_SIGNATURE_SIZE, seed=self.seed, hashfunc=xxhash.xxh32_intdigest)
        rows = [self._signature(text, base) for text in batch.column("text").to_pylist()]
        column = pa.array(rows, self.scan_schema.field("signature").type)
        return pa.RecordBatch.from_arrays([column], schema=self.scan_schema)

    def _signature(self, text: str, base: MinHash) -> bytes | None:
        # A signature is a minimum over the set: neither its order, which varies from run to run, nor what
        # comes twice has a part in it.
        minhash = None
        for grams in map(list, _shingles(text, self.ngram)):
            minhash = minhash or base.copy()
            for first in range(0, len(grams), _CHUNK):
                minhash.update_batch([gram.encode() for gram in grams[first : first + _CHUNK]])
        return None if minhash is None else minhash.hashvalues.astype("<u4").tobytes()

    def decide(self, scans: Scans) -> None:
        """Keep greedily in the order of ``keep``.

        A document is compared with the kept ones of its bands alone: many copies of one text cost one
        comparison each, not one for every two. Memory grows with the kept documents that share a band.
        """
        signatures = scans.array("signature", np.uint32, (_SIGNATURE_SIZE,))
        bands, rows_per_band = banding(self.threshold)
        order = self._order(scans)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        keys = self._keys(scans, signatures, bands, rows_per_band)
        leaders: dict[int, list[int]] = {}
        crowded = 0
        for place, groups in _by_rank(scans.groups(keys, per_document=bands), rank, scans.folder, bands):
            ordinal = int(order[place])
            near = sorted({leader for group in groups for leader in leaders.get(group, ())})
            # Equal places of two signatures: their share is the estimate (Broder 1997).
            estimates = (signatures[near] == signatures[ordinal]).mean(axis=1) if near else np.empty(0)
            alike = [near[i] for i in np.flatnonzero(estimates >= self.threshold)]
            if not alike or ordinal >= scans.first_earlier:
                open_groups = [g for g in groups if len(leaders.setdefault(g, [])) < _LEADERS]
                for group in open_groups:
                    leaders[group].append(ordinal)
                crowded += not open_groups
                continue
            # Of several kept ones that it resembles, the best is named; all of them are one cluster now.
            scans.drop(ordinal, "near_duplicate", min(alike, key=rank.__getitem__))
            for other in alike:
                scans.join(other, ordinal)
        if crowded:
            scans.warnings.append(
                f"{scans.label}: {crowded} documents share all their bands with over {_LEADERS} unlike ones,"
                " as pages of one template do: near copies of them were not looked for"
            )

    def _order(self, scans: Scans) -> Ordinals:
        """All documents in the order of ``keep``: the first is kept first; those of an earlier build lead."""
        ordinals = np.arange(scans.documents, dtype=np.int64)
        own = ordinals < scans.first_earlier
        return np.lexsort((ordinals, own) if self.keep == "first" else (ordinals, -scans.bytes, own))

    @staticmethod
    def _keys(
        scans: Scans, signatures: npt.NDArray[np.uint32], bands: int, rows_per_band: int
    ) -> Iterator[tuple[npt.NDArray[np.uint64], Ordinals]]:
        """One key per band of every kept document; ``signatures`` (documents, 128) takes all signatures."""
        for first, rows in scans.rows("signature"):
            column = rows.column("signature")
            # A text without words has no signature and stands in no band: it is nobody's copy.
            there = np.flatnonzero(~column.is_null().to_numpy(zero_copy_only=False))
            raw = b"".join(s for s in column.to_pylist() if s is not None)
            values = np.frombuffer(raw, "<u4").reshape(-1, _SIGNATURE_SIZE)
            signatures[first + there] = values
            kept = scans.kept[first + there]
            for band in range(bands):
                span = values[kept, band * rows_per_band : (band + 1) * rows_per_band]
                yield _mix(span, band), (first + there)[kept]


@dataclass(frozen=True)
class NearCopies:
    """One text that stays, and the texts that nearly repeat it.

    Attributes:
        kept: index of the text that stays.
        copies: index of each of the others, with its estimated Jaccard similarity to the one that stays.
    """

    kept: int
    copies: tuple[tuple[int, float], ...]


def near_duplicates(
    texts: Iterable[str],
    threshold: float = 0.8,
    *,
    ngram: int = 5,
    keep: Literal["longest", "first"] = "longest",
) -> list[NearCopies]:
    """Find texts that nearly repeat others, as the stage `NearDuplicates` does with the same settings.

    Args:
        threshold: estimated Jaccard similarity of the sets of word ``ngram``-grams from which on a text is a
            copy.
        keep: which of several copies stays; ties go to the first.

    Returns:
        In the order of those that stay; texts that have no copies are left out.

    Raises:
        SettingError: ``texts`` is one string, or a setting is out of bounds.
        InputError: a text is no string, or holds half of a surrogate pair.

    >>> verse = "the sea is calm tonight the tide is full the moon lies fair upon the straits"
    >>> near_duplicates([verse, "On the French coast the light gleams.", verse + " ."])
    [NearCopies(kept=2, copies=((0, 1.0),))]
    """
    barrier = NearDuplicates.checked("near_duplicates", threshold=threshold, ngram=ngram, keep=keep)
    try:
        batch = pa.record_batch({"text": pa.array(as_texts("near_duplicates", texts), pa.large_string())})
    except UnicodeEncodeError as error:
        raise InputError(
            f"near_duplicates: a text holds half of a surrogate pair at character {error.start}",
            remedy="Read its file as UTF-8, or call fix_unicode on the texts before.",
        ) from None
    with tempfile.TemporaryDirectory(prefix="corpuskit-") as folder:
        scans = scan_alone(barrier, batch, Path(folder))
        barrier.decide(scans)
        [(_, rows)] = scans.rows("signature")
        signatures = rows.column("signature").to_pylist()
        found: dict[int, list[tuple[int, float]]] = {}
        for copy in np.flatnonzero(~scans.kept).tolist():
            kept = int(scans.original[copy])
            alike = np.frombuffer(signatures[copy], "<u4") == np.frombuffer(signatures[kept], "<u4")
            found.setdefault(kept, []).append((copy, float(alike.mean())))
    return [NearCopies(kept, tuple(copies)) for kept, copies in sorted(found.items())]


def banding(threshold: float) -> tuple[int, int]:
    """Bands, and rows per band, that lose at most 1 % of the pairs at the threshold.

    The fewest bands that do: a pair of Jaccard similarity s meets in one of b bands of r rows with
    probability 1 - (1 - s**r)**b. What meets by chance costs one comparison of signatures, no mistake, so
    bands are chosen to lose nothing; `datasketch` balances both kinds of error and loses half at 0.8.

    >>> banding(0.8), banding(1.0)
    ((21, 6), (1, 128))
    """
    for rows_per_band in range(_SIGNATURE_SIZE, 1, -1):
        bands = _SIGNATURE_SIZE // rows_per_band
        if (1 - threshold**rows_per_band) ** bands <= 0.01:
            return bands, rows_per_band
    return _SIGNATURE_SIZE, 1


def _by_rank(
    groups: Iterator[Ordinals], rank: Ordinals, folder: Path, bands: int
) -> Iterator[tuple[int, list[int]]]:
    """Yield the rank of each document that shares a band with another, best first, with its groups' numbers.

    The groups come in the order of their hashes and are wanted in the order of documents: they are sorted on
    disk, since there may be one for each band of each document.
    """

    def rows() -> Iterator[tuple[Keys, Ordinals]]:
        numbered = enumerate(groups)
        # Many small groups are one write to disk, not one each.
        while batch := list(itertools.islice(numbered, _GROUPS)):
            numbers = np.repeat([n for n, _ in batch], [len(group) for _, group in batch])
            yield rank[np.concatenate([group for _, group in batch])].astype(np.uint64), numbers

    for ranks, numbers in sorted_rows(rows(), folder, len(rank) * bands, span=max(1, len(rank))):
        for first, last in runs(ranks):
            yield int(ranks[first]), numbers[first:last].tolist()


def _mix(values: npt.NDArray[np.uint32], band: int) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each row, different for each band (the finalizer of splitmix64, chained)."""
    state = np.full(len(values), band + 1, np.uint64)
    with np.errstate(over="ignore"):
        for column in range(values.shape[1]):
            state ^= (
                values[:, column].astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15) + (state << np.uint64(6))
            )
            state ^= state >> np.uint64(30)
            state *= np.uint64(0xBF58476D1CE4E5B9)
            state ^= state >> np.uint64(27)
            state *= np.uint64(0x94D049BB133111EB)
            state ^= state >> np.uint64(31)
    return state
