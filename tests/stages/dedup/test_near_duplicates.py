"""Near duplicates: signatures, planted pairs, chains, big groups, odd texts."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from datasketch import MinHash

from corpuskit import Files, NearDuplicates
from corpuskit.build.build import build_corpus
from corpuskit.documents.batch import BatchBuilder
from corpuskit.errors import InputError, SettingError
from corpuskit.stages.dedup.in_memory import near_duplicates
from corpuskit.stages.dedup.minhash import banding, shingles

Jsonl = Callable[..., None]


def batch(texts: list[str]) -> pa.RecordBatch:
    builder = BatchBuilder()
    for i, text in enumerate(texts):
        builder.add(id=str(i), source="x", text=text)
    return next(builder.take(rest=True))


def jaccard(left: str, right: str, size: int = 5) -> float:
    """The exact similarity of two texts' sets of shingles, counted in another way than the package does."""

    def grams(text: str) -> set[tuple[str, ...]]:
        words = "".join(c if c.isalnum() or c == "_" else " " for c in text.lower()).split()
        return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}

    a, b = grams(left), grams(right)
    return len(a & b) / len(a | b)


def kept(
    texts: list[str], tmp_path: Path, jsonl: Jsonl, **settings: Any
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Text of the kept documents by id, and the rows of the dropped ones. Ids are ``files:x:<number>``."""
    jsonl(tmp_path / "x.jsonl", [{"id": str(i), "text": text} for i, text in enumerate(texts)])
    source = Files(path=str(tmp_path / "x.jsonl"), label="x")
    build_corpus([source, NearDuplicates(**settings)], tmp_path / "run")
    documents, dropped = (
        [
            r
            for p in sorted((tmp_path / "run" / folder).glob("*.parquet"))
            for r in pq.read_table(p).to_pylist()
        ]
        for folder in ("documents", "dropped")
    )
    return {d["id"].rsplit(":")[-1]: d["text"] for d in documents}, dropped


def words(chance: random.Random, count: int) -> list[str]:
    return [f"w{chance.randrange(10**9)}" for _ in range(count)]


# ----------------------------------------------------------------------------------------- signatures


TEXTS = [
    "One fish, two fish. Red fish, blue fish. This one has a little star.",
    "short",
    "東京都は日本の首都です。" * 3,
    "Größe HÖHE straße ﬁne naïve déjà-vu " * 4,
    "a " * 5000,
    "🦉 🦉 mixed 123 4_5",
]


@pytest.mark.parametrize(("ngram", "seed"), [(5, 1), (1, 7), (3, 2)])
def test_signatures_equal_those_of_datasketch(ngram: int, seed: int) -> None:
    """One shingle at a time through datasketch's public interface, against our batch."""
    scanned = NearDuplicates(ngram=ngram, seed=seed).scan(batch(TEXTS)).column("signature").to_pylist()
    for text, signature in zip(TEXTS, scanned, strict=True):
        minhash = MinHash(num_perm=128, seed=seed, hashfunc=xxhash.xxh32_intdigest)
        for gram in shingles(text, ngram):
            minhash.update(gram.encode())
        assert np.frombuffer(signature, "<u4").tolist() == minhash.hashvalues.tolist()


def test_a_sliced_batch_scans_alike() -> None:
    rule = NearDuplicates()
    whole = rule.scan(batch(TEXTS)).column("signature").to_pylist()
    assert rule.scan(batch(TEXTS).slice(2, 3)).column("signature").to_pylist() == whole[2:5]
    assert rule.scan(batch(TEXTS).slice(0, 0)).num_rows == 0


def test_a_text_without_words_has_no_signature() -> None:
    scanned = NearDuplicates().scan(batch(["...!?", "", "—\n", "word"])).column("signature")
    assert scanned.is_null().to_pylist() == [True, True, True, False]


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("a b c d", 2, {"a b", "b c", "c d"}),
        ("a b", 5, {"a b"}),
        ("...", 5, set()),
        ("A-b_c", 1, {"a", "b_c"}),
        ("東京x", 2, {"東 京", "京 x"}),
        ("Ünï", 1, {"ünï"}),
    ],
)
def test_shingles(text: str, size: int, expected: set[str]) -> None:
    assert shingles(text, size) == expected


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.99, 1.0])
def test_the_bands_lose_no_pair_at_the_threshold(threshold: float) -> None:
    bands, rows = banding(threshold)
    assert bands * rows <= 128
    assert (1 - threshold**rows) ** bands <= 0.01 or rows == 1


# -------------------------------------------------------------------------------------- planted pairs


def test_planted_pairs_around_the_threshold(tmp_path: Path, jsonl: Jsonl) -> None:
    """Pairs of known exact Jaccard: all well above the threshold go, none well below it does."""
    chance = random.Random(11)
    texts, similarity = [], {}
    for i in range(240):
        base = words(chance, 400)
        changed = 1 + i % 120  # Replacing the last k words of 400 changes k shingles of 396.
        other = base[:-changed] + words(chance, changed)
        texts += [" ".join(base), " ".join(other)]
        similarity[i] = jaccard(texts[-2], texts[-1])
    # The estimate has a standard deviation of sqrt(s (1 - s) / 128), 0.035 at 0.8. These are four away.
    sure, never = (
        [i for i, s in similarity.items() if test(s)] for test in (lambda s: s > 0.92, lambda s: s < 0.66)
    )
    assert len(sure) > 20
    assert len(never) > 20
    _, dropped = kept(texts, tmp_path, jsonl, threshold=0.8, keep="first")
    gone = {int(d["id"].rsplit(":")[-1]) for d in dropped}
    assert {2 * i + 1 for i in sure} <= gone
    assert not {2 * i + 1 for i in never} & gone
    assert not any(number % 2 == 0 for number in gone), "the first of a pair is the one that stays"
    between = [i for i, s in similarity.items() if s >= 0.8]
    recall = sum(2 * i + 1 in gone for i in between) / len(between)
    assert recall > 0.85, f"of the pairs from 0.8 on, {recall:.2f} were found"
    assert all(d["duplicate_of"] == f"files:x:{int(d['id'].rsplit(':')[-1]) - 1}" for d in dropped)


def test_every_dropped_document_is_similar_to_the_copy_that_was_kept(tmp_path: Path, jsonl: Jsonl) -> None:
    """A chain drifts away from its start; greedy keeping must not drop what resembles a dropped one alone."""
    chance = random.Random(2)
    chain = [words(chance, 300)]
    for _ in range(40):
        following = list(chain[-1])
        at = chance.randrange(0, 285)
        following[at : at + 12] = words(chance, 12)
        chain.append(following)
    texts = [" ".join(line) for line in chain]
    assert jaccard(texts[0], texts[-1]) < 0.3
    found, dropped = kept(texts, tmp_path, jsonl, threshold=0.8, keep="first")
    assert 3 < len(found) < 30
    assert "0" in found
    for row in dropped:
        original = row["duplicate_of"].rsplit(":")[-1]
        assert original in found, "dropped in favour of a document that was itself dropped"
        assert jaccard(row["text"], found[original]) > 0.8 - 4 * 0.036
    left = list(found.values())
    close = [
        (i, j) for i in range(len(left)) for j in range(i) if jaccard(left[i], left[j]) > 0.8 + 4 * 0.036
    ]
    assert close == [], "two kept documents are near duplicates"


def test_the_longest_copy_stays(tmp_path: Path, jsonl: Jsonl) -> None:
    base = " ".join(words(random.Random(1), 200))
    texts = [base, base + " and", base + " and more than that", base]
    found, dropped = kept(texts, tmp_path, jsonl)
    assert list(found) == ["2"]
    assert {d["duplicate_of"] for d in dropped} == {"files:x:2"}


def test_a_big_group_of_copies_is_fast(tmp_path: Path, jsonl: Jsonl) -> None:
    """4,000 copies of a template: comparing all pairs would be 8 million comparisons of signatures."""
    chance = random.Random(4)
    base = words(chance, 120)
    texts = [" ".join([*base, str(i)]) for i in range(4000)]
    started = time.perf_counter()
    found, dropped = kept(texts, tmp_path, jsonl)
    seconds = time.perf_counter() - started
    assert (len(found), len(dropped)) == (1, 3999)
    assert seconds < 60


def test_short_texts_and_texts_without_words(tmp_path: Path, jsonl: Jsonl) -> None:
    """Short texts are compared whole; texts without words resemble nothing, not even each other."""
    texts = ["Yes.", "yes!", "No.", "...", "!!!", "東京", "東京。", "大阪"]
    found, dropped = kept(texts, tmp_path, jsonl, keep="first")
    assert list(found) == ["0", "2", "3", "4", "5", "7"]
    assert {(d["id"], d["duplicate_of"]) for d in dropped} == {
        ("files:x:1", "files:x:0"),
        ("files:x:6", "files:x:5"),
    }


def test_text_without_spaces(tmp_path: Path, jsonl: Jsonl) -> None:
    chance = random.Random(8)
    line = "".join(chr(0x4E00 + chance.randrange(5000)) for _ in range(400))
    other = "".join(chr(0x4E00 + chance.randrange(5000)) for _ in range(400))
    found, _ = kept([line, line[:390] + "山川草木", other], tmp_path, jsonl)
    assert list(found) == ["0", "2"]


@pytest.mark.parametrize("threshold", [0.01, 1.0])
def test_the_ends_of_the_threshold(threshold: float, tmp_path: Path, jsonl: Jsonl) -> None:
    base = " ".join(words(random.Random(1), 200))
    found, _ = kept([base, base, base + " more"], tmp_path, jsonl, threshold=threshold, keep="first")
    assert "0" in found
    assert "1" not in found


def test_the_partitions_change_nothing(tmp_path: Path, jsonl: Jsonl, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keyed rows are sorted in partitions to bound memory; what is decided does not depend on how many."""
    from corpuskit.storage import spill

    chance = random.Random(6)
    texts = []
    for _ in range(60):
        base = words(chance, 60)
        texts += [" ".join(base), " ".join(base[:-1]), " ".join([*base[:-2], "x"])]
    chance.shuffle(texts)
    results = []
    for rows in (4_000_000, 50):
        monkeypatch.setattr(spill, "PARTITION_ROWS", rows)
        folder = tmp_path / str(rows)
        folder.mkdir()
        found, dropped = kept(texts, folder, jsonl)
        results.append((found, [(d["id"], d["duplicate_of"]) for d in dropped]))
    assert results[0] == results[1]
    assert len(results[0][0]) == 60


def test_pages_of_one_template_are_compared_with_a_bounded_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpuskit.stages.dedup.near._LEADERS", 3)
    shared = " ".join(f"template{i}" for i in range(40))
    texts = [f"{shared} " + " ".join(f"own{n}word{i}" for i in range(14)) for n in range(30)]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"id": str(i), "text": t}) + "\n" for i, t in enumerate(texts)))
    result = build_corpus([Files(path=str(path), label="x"), NearDuplicates()], tmp_path / "run")
    assert result.documents == 30
    assert [w for w in result.warnings if "over 3 unlike ones" in w]


def test_texts_in_memory_are_judged_as_in_a_build(tmp_path: Path, jsonl: Jsonl) -> None:
    chance = random.Random(11)
    texts = []
    for _ in range(30):
        base = words(chance, 60)
        texts += [" ".join(base), " ".join(base[:-1]), " ".join([*base[:-3], "x", "y"])]
    chance.shuffle(texts)
    folder = tmp_path / "x"
    folder.mkdir()
    found, dropped = kept(texts, folder, jsonl)
    alone = near_duplicates(texts)
    copies = {f"files:x:{i}": f"files:x:{one.kept}" for one in alone for i, _ in one.copies}
    assert copies == {d["id"]: d["duplicate_of"] for d in dropped}
    assert len(texts) - len(copies) == len(found)
    assert all(similarity >= 0.8 for one in alone for _, similarity in one.copies)


@pytest.mark.parametrize(
    ("texts", "settings", "message"),
    [
        ("abc", {}, "a str is no list of texts"),
        ({"x": "a"}, {}, "a dict is no list of texts"),
        (["a", None], {}, "text 1 is of type NoneType"),
        (["a"], {"threshold": 2}, "threshold = 2: "),
        (["a"], {"ngram": 0}, "ngram = 0: "),
        (["a"], {"keep": "x"}, "keep = 'x': "),
        (["a", "\ud800 b"], {}, "half of a surrogate pair at character 0"),
    ],
)
def test_what_cannot_be_compared_is_named(texts: Any, settings: Any, message: str) -> None:
    with pytest.raises((SettingError, InputError)) as caught:
        near_duplicates(texts, **settings)
    assert message in caught.value.message
    assert caught.value.remedy


def test_no_texts_and_texts_without_words_have_no_copies() -> None:
    assert near_duplicates([]) == []
    assert near_duplicates(["...", "", "...", "!"]) == []
