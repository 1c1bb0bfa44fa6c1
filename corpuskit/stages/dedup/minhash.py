"""Shingles of texts, and MinHash signatures of them (Broder 1997; Leskovec et al., chapter 3).

A text is the set of its word n-grams (`corpuskit.documents.words` says what a word is), its shingles. A
signature keeps of each of 128 permutations of all shingles the least that the set has. Two signatures agree
in a place with the probability of the Jaccard similarity of the two sets. The engine makes them bit for bit
as datasketch 2 does with its scheme "affine32" over XXH32.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from corpuskit import _native
from corpuskit.documents.columns import to_engine
from corpuskit.documents.words import fold_words, words
from corpuskit.errors import StageError

if TYPE_CHECKING:
    from datasketch import MinHash

SIZE = 128
"""Values of a signature."""

_LEAST_RECALL = 0.999
_CHUNK = 4096
"""Shingles hashed at a time by the references, which make a table of 128 columns of them."""

_SAMPLE = 4096
"""Characters of a text that are compared with NumPy's signature at most: it takes twenty times as long."""


class Signatures(NamedTuple):
    """Signatures of some texts.

    Attributes:
        values: uint32 of shape (texts, 128).
        there: bool of shape (texts,): a text without words has no signature.
        digests: uint64 of shape (texts, 2): XXH64 of each text with the seeds 0 and 1.
    """

    values: npt.NDArray[np.uint32]
    there: npt.NDArray[np.bool_]
    digests: npt.NDArray[np.uint64]


def shingles(text: str, size: int) -> set[str]:
    """The set of word ``size``-grams of a text, its words in the form in which they are compared.

    A text of fewer words is one shingle, so that short texts are compared whole; a text without words
    has none.

    >>> sorted(shingles("One fish, two fish.", 3))
    ['fish two fish', 'one fish two']
    """
    return _grams(words(text), size)


def _grams(found: list[str], size: int) -> set[str]:
    if len(found) < size:
        return {" ".join(found)} if found else set()
    return {" ".join(found[i : i + size]) for i in range(len(found) - size + 1)}


def in_nfc(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """The texts in NFC, in which canonically equal ones have equal words; the column itself if all are."""
    unsure = np.flatnonzero(~_native.surely_in_nfc(to_engine(texts, "texts")))
    whole = {row: texts[row].as_py() for row in unsure.tolist()}
    odd = {row: text for row, text in whole.items() if not unicodedata.is_normalized("NFC", text)}
    if not odd:
        return texts
    mask = np.zeros(len(texts), np.bool_)
    mask[list(odd)] = True
    mended = pa.array([unicodedata.normalize("NFC", text) for text in odd.values()], texts.type)
    return pc.replace_with_mask(texts, pa.array(mask), mended)


def shingle_hashes(
    texts: pa.LargeStringArray, ngram: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """The sets of shingles as ascending 64-bit hashes (XXH64), one set behind the other.

    Returns:
        Ends of shape (texts + 1,), and the hashes: text i has ``hashes[ends[i]:ends[i + 1]]``.
    """
    return _native.hash_shingles(to_engine(in_nfc(texts), "texts"), ngram)


def sign(texts: pa.LargeStringArray, ngram: int, seed: int) -> Signatures:
    """The signatures of texts, by the engine."""
    a, b = _permutations(seed)
    return Signatures(*_native.minhash(to_engine(in_nfc(texts), "texts"), ngram, a, b))


@functools.cache
def reference() -> str:
    """The version of datasketch, which is loaded by `sign_by_reference` alone: it brings all of SciPy."""
    from importlib.metadata import version

    return version("datasketch")


def sign_by_reference(texts: pa.LargeStringArray, ngram: int, seed: int) -> Signatures:
    """The same by datasketch itself, of words that Python finds."""
    values = np.full((len(texts), SIZE), np.iinfo(np.uint32).max, np.uint32)
    there = np.zeros(len(texts), np.bool_)
    digests = np.zeros((len(texts), 2), np.uint64)
    for row, text in enumerate(in_nfc(texts).to_pylist()):
        grams = shingles(text, ngram)
        there[row] = bool(grams)
        values[row] = _by_datasketch(grams, seed)
        digests[row] = [xxhash.xxh64_intdigest(text.encode(), seed=s) for s in (0, 1)]
    return Signatures(values, there, digests)


def check_sample(texts: pa.LargeStringArray, signed: Signatures, ngram: int, seed: int, label: str) -> None:
    """Compare the signature of one of the texts, chosen by its digest, with what NumPy makes of it.

    Of a long text its beginning is signed and compared.

    Raises:
        StageError: they differ.
    """
    rows = np.flatnonzero(signed.there)
    if not len(rows):
        return
    row = int(rows[np.argmin(signed.digests[rows, 0])])
    text = texts[row].as_py()
    piece = pa.array([unicodedata.normalize("NFC", text[:_SAMPLE])], pa.large_string())
    ours = sign(piece, ngram, seed)
    theirs = by_numpy(_grams(fold_words(piece).folded.to_pylist(), ngram), seed)
    whole = len(text) > _SAMPLE or bool((signed.values[row] == theirs).all())
    if whole and (ours.values[0] == theirs).all():
        return
    raise StageError(
        f"{label}: the signature of a text of {len(text)} characters is not what NumPy makes of it"
        f" (the scheme of datasketch {reference()})",
        remedy="Set `engine: reference`, which lets datasketch make all of them; and report it.",
    )


def by_numpy(grams: Iterable[str], seed: int) -> npt.NDArray[np.uint32]:
    """The signature of a set of shingles, uint32 of shape (128,), as datasketch defines it.

    A shingle's XXH32 goes through the finalizer of MurmurHash3 and then through each permutation
    ``a * hash + b``, all modulo 2**32; what is kept is the least of each.
    """
    a, b = _permutations(seed)
    least = np.full(SIZE, np.iinfo(np.uint32).max, np.uint32)
    # A minimum over the set: its order, which varies from run to run, has no part in it.
    hashes = np.fromiter((xxhash.xxh32_intdigest(gram.encode()) for gram in grams), np.uint32)
    hashes ^= hashes >> 16
    hashes *= 0x85EBCA6B
    hashes ^= hashes >> 13
    hashes *= 0xC2B2AE35
    hashes ^= hashes >> 16
    for first in range(0, len(hashes), _CHUNK):
        made = hashes[first : first + _CHUNK, np.newaxis] * a + b
        np.minimum(least, made.min(axis=0), out=least)
    return least


def _by_datasketch(grams: Iterable[str], seed: int) -> npt.NDArray[np.uint32]:
    minhash = _base(seed).copy()
    encoded = [gram.encode() for gram in grams]
    for first in range(0, len(encoded), _CHUNK):
        minhash.update_batch(encoded[first : first + _CHUNK])
    values: npt.NDArray[np.uint32] = minhash.hashvalues
    return values


@functools.cache
def _base(seed: int) -> MinHash:
    from datasketch import MinHash

    return MinHash(num_perm=SIZE, seed=seed, hashfunc=xxhash.xxh32_intdigest, scheme="affine32")


@functools.cache
def _permutations(seed: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Factors, which are odd, and addends of the permutations, as datasketch draws them."""
    draw = np.random.RandomState(seed)
    a = draw.randint(0, 2**31, SIZE, np.uint32) * np.uint32(2) + np.uint32(1)
    return a, draw.randint(0, 2**32, SIZE, np.uint32)


def banding(threshold: float) -> tuple[int, int]:
    """Bands, and rows per band, that lose at most 0.1 % of the pairs at the threshold.

    A pair of Jaccard similarity s meets in one of b bands of r rows with probability 1 - (1 - s**r)**b.
    What meets by chance costs a comparison, no mistake, so bands are chosen to lose nothing: of as many
    rows as may be, and no more than do. `datasketch` balances both kinds of error and loses half at 0.8.
    Below a threshold of 0.053 bands of one row lose more.

    >>> banding(0.8), banding(1.0)
    ((18, 5), (1, 128))
    """
    for rows in range(SIZE, 0, -1):
        lost = 1.0
        for bands in range(1, SIZE // rows + 1):
            lost *= 1 - threshold**rows
            if lost <= 1 - _LEAST_RECALL:
                return bands, rows
    return SIZE, 1


def recall(similarity: float, threshold: float) -> float:
    """The share of pairs of a Jaccard similarity that meet in one of the bands at a threshold."""
    bands, rows = banding(threshold)
    return 1 - (1 - similarity**rows) ** bands
