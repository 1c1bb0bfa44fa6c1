"""Shingles, signatures and bands: equal to datasketch's, on all processors, whatever the length of a text."""

from __future__ import annotations

import itertools
import sys
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from corpuskit import NearDuplicates, _native
from corpuskit.documents.batch import BatchBuilder
from corpuskit.documents.columns import to_engine
from corpuskit.errors import StageError
from corpuskit.stages.dedup import minhash
from corpuskit.stages.dedup.minhash import banding, by_numpy, in_nfc, recall, shingle_hashes, shingles, sign

TEXTS = [
    "One fish, two fish. Red fish, blue fish. This one has a little star.",
    "short",
    "東京都は日本の首都です。" * 3,
    "Größe HÖHE straße ﬁne naïve déjà-vu " * 4,
    "a " * 5000,
    "🦉 🦉 mixed 123 4_5",
    "Cafe\u0301 au lait, e\u0301te\u0301 et hiver, l\u2019eau: 1,300.5 don't",
    "",
    "...!?",
]


def column(texts: list[str]) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


def batch(texts: list[str]) -> pa.RecordBatch:
    builder = BatchBuilder()
    for i, text in enumerate(texts):
        builder.add(id=str(i), source="x", text=text)
    return next(builder.take(rest=True))


def by_datasketch(text: str, ngram: int, seed: int) -> list[int]:
    """One shingle at a time through its public interface."""
    made = MinHash(num_perm=128, seed=seed, hashfunc=xxhash.xxh32_intdigest)
    for gram in shingles(text, ngram):
        made.update(gram.encode())
    return list(made.hashvalues.tolist())


@pytest.mark.parametrize(("ngram", "seed"), [(5, 1), (1, 7), (3, 2**32 - 1)])
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_signatures_equal_those_of_datasketch(ngram: int, seed: int, engine: str) -> None:
    scanned = NearDuplicates(ngram=ngram, seed=seed, engine=engine).scan(batch(TEXTS))
    for text, signature in zip(TEXTS, scanned.column("signature").to_pylist(), strict=True):
        if signature is None:
            assert not shingles(text, ngram)
        else:
            assert np.frombuffer(signature, "<u4").tolist() == by_datasketch(text, ngram, seed)


def test_both_engines_scan_alike() -> None:
    native, reference = (NearDuplicates(engine=e).scan(batch(TEXTS)) for e in ("native", "reference"))
    assert native.equals(reference)


@given(st.sets(st.text(max_size=20), max_size=40), st.integers(0, 2**32 - 1))
def test_numpy_signs_as_datasketch_does(grams: set[str], seed: int) -> None:
    made = MinHash(num_perm=128, seed=seed, hashfunc=xxhash.xxh32_intdigest)
    assert np.array_equal(minhash._permutations(seed), made.permutations)
    for gram in grams:
        made.update(gram.encode())
    assert by_numpy(grams, seed).tolist() == made.hashvalues.tolist()


@given(st.lists(st.text(max_size=40), max_size=4), st.integers(1, 6))
def test_any_text_is_signed_as_by_datasketch(texts: list[str], ngram: int) -> None:
    signed = sign(column(texts), ngram, 1)
    for text, values, there in zip(texts, signed.values, signed.there, strict=True):
        assert values.tolist() == by_datasketch(text, ngram, 1)
        assert there == bool(shingles(text, ngram))


LONG = {
    "words": " ".join(f"word{i % 3000} l'eau,{i}" for i in range(9000)),
    "no blanks": "".join(chr(0x4E00 + i * i % 5000) for i in range(40_000)),
    "marks": "".join("नि"[j] for i in range(30_000) for j in range(2)) + " क" * 400,
    "one word": "x" * 100_000,
    "few blanks": ("x" * 33_000 + " y. ") * 3,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_long_text_is_read_in_pieces_without_a_seam(text: str) -> None:
    assert len(text.encode()) > 2 * 2**15
    ends, hashes = shingle_hashes(column([text]), 5)
    assert set(hashes.tolist()) == {xxhash.xxh64_intdigest(gram.encode()) for gram in shingles(text, 5)}
    assert ends.tolist() == [0, len(hashes)]
    assert (np.diff(hashes.astype(object)) > 0).all()
    assert sign(column([text]), 5, 1).values[0].tolist() == by_numpy(shingles(text, 5), 1).tolist()


def test_all_processors_sign_alike() -> None:
    a, b = minhash._permutations(1)
    texts = to_engine(column([*TEXTS, *LONG.values()]), "texts")
    portable, avx2, avx512 = (_native.minhash(texts, 5, a, b, lanes) for lanes in (0, 1, 2))
    for wide in (avx2, avx512):
        assert all((x == y).all() for x, y in zip(portable, wide, strict=True))


@pytest.mark.parametrize("size", [*range(70), 127, 128, 129, 1000])
def test_the_hashes_are_those_of_xxhash(size: int) -> None:
    """One word is one shingle; digests hash all bytes."""
    text = "".join(chr(97 + i * i % 26) for i in range(size))
    digests = sign(column([text]), 5, 1).digests[0].tolist()
    assert digests == [xxhash.xxh64_intdigest(text.encode(), seed) for seed in (0, 1)]
    _, hashes = shingle_hashes(column([text]), 5)
    assert hashes.tolist() == ([xxhash.xxh64_intdigest(text.encode())] if text else [])


def test_a_sliced_batch_scans_alike() -> None:
    rule = NearDuplicates()
    whole = rule.scan(batch(TEXTS))
    assert rule.scan(batch(TEXTS).slice(2, 5)).equals(whole.slice(2, 5))
    assert rule.scan(batch(TEXTS).slice(0, 0)).num_rows == 0


def test_a_text_without_words_has_no_signature() -> None:
    scanned = NearDuplicates().scan(batch(["...!?", "", "—\n", "word"])).column("signature")
    assert scanned.is_null().to_pylist() == [True, True, True, False]


def test_texts_are_brought_to_nfc_where_they_are_not() -> None:
    plain = column(["plain", "é", "日本"])
    assert in_nfc(plain) is plain
    texts = ["plain", "e\u0301", "", "日本", "o\u0308 x", "\u1100\u1161"]
    for first in range(len(texts) + 1):
        mended = in_nfc(column(texts).slice(first)).to_pylist()
        assert mended == [unicodedata.normalize("NFC", text) for text in texts[first:]]
    signed = sign(column(["Cafe\u0301", "Café"]), 5, 1)
    assert (signed.values[0] == signed.values[1]).all()


def test_the_quick_look_at_nfc_is_never_wrong() -> None:
    """Of every character alone and behind those that most marks join."""
    every = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    for before in ("", "a", "\u1100", "\uac00", "\u09c7"):
        texts = [before + c for c in every]
        sure = _native.surely_in_nfc(to_engine(column(texts), "texts"))
        assert all(unicodedata.is_normalized("NFC", text) for text in itertools.compress(texts, sure))
        assert sure.sum() > 60_000 or before == "\u1100" or before == "\u09c7"
    assert _native.surely_in_nfc(
        to_engine(column(["日本語の文 “und” Straße Привет", "", "x" * 99]), "texts")
    ).all()
    assert not _native.surely_in_nfc(to_engine(column(["x" * 98 + "e\u0301"]), "texts")).any()


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("a b c d", 2, {"a b", "b c", "c d"}),
        ("a b", 5, {"a b"}),
        ("...", 5, set()),
        ("A-b_c", 1, {"a", "b", "c"}),
        ("東京x", 2, {"東 京", "京 x"}),
        ("Ünï", 1, {"ünï"}),
        ("2016年度", 2, {"2016 年", "年 度"}),
        ("कि की", 1, {"कि", "की"}),
    ],
)
def test_shingles(text: str, size: int, expected: set[str]) -> None:
    assert shingles(text, size) == expected


@pytest.mark.parametrize("threshold", [0.06, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.99, 1.0])
def test_the_bands_lose_a_thousandth_of_the_pairs_at_the_threshold(threshold: float) -> None:
    bands, rows = banding(threshold)
    assert bands * rows <= 128
    assert recall(threshold, threshold) >= 0.999
    assert 1 - (1 - threshold**rows) ** (bands - 1) < 0.999, "fewer bands would do"


def test_equal_bands_have_equal_keys_and_unequal_ones_have_not() -> None:
    chance = np.random.default_rng(1)
    values = chance.integers(0, 2**32, (200, 128), np.uint32)
    values[1, :5] = values[0, :5]
    values[2, 5:10] = values[0, :5]  # the same values in another band
    keys = _native.hash_bands(values.ravel(), 18, 5)
    assert keys.shape == (200, 18)
    assert keys[0, 0] == keys[1, 0]
    assert len(np.unique(keys)) == keys.size - 1


def test_a_signature_that_is_not_datasketchs_stops_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: object) -> tuple[object, ...]:
        values, *others = _native_minhash(*arguments)
        values[:, 127] ^= 1
        return (values, *others)

    _native_minhash = _native.minhash
    monkeypatch.setattr(_native, "minhash", wrong)
    for texts in (["some words"], [LONG["words"]]):
        with pytest.raises(
            StageError, match=r"near_duplicates: the signature .* is not what NumPy makes of it"
        ):
            NearDuplicates().scan(batch(texts))
    NearDuplicates(engine="reference").scan(batch(["some words"]))


def test_wrong_calls_are_named() -> None:
    a, b = minhash._permutations(1)
    texts = to_engine(column(["x"]), "texts")
    with pytest.raises(ValueError, match="ngram must be at least 1"):
        _native.minhash(texts, 0, a, b)
    with pytest.raises(ValueError, match="a and b must be 128 numbers"):
        _native.minhash(texts, 5, a[:100], b)
    with pytest.raises(ValueError, match="no more than 128 together"):
        _native.hash_bands(np.zeros(128, np.uint32), 20, 7)
    with pytest.raises(ValueError, match="signatures must be 128 numbers each"):
        _native.hash_bands(np.zeros(100, np.uint32), 2, 7)
    with pytest.raises(ValueError, match="values must number the parents"):
        _native.join_candidates(np.full(2, -1), np.zeros(2, np.uint64), np.array([0, 2]))
