"""Near duplicates: planted pairs, chains, big groups, odd texts, the rule of who stays, any order of rows."""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit import Files, NearDuplicates
from corpuskit.build.build import build_corpus
from corpuskit.errors import InputError, SettingError
from corpuskit.stages.dedup.in_memory import near_duplicates
from corpuskit.stages.dedup.near import _whole
from corpuskit.stages.scans import PartScan, Scans
from tests.stages.dedup.deciding import decided

Jsonl = Callable[..., None]


def jaccard(left: str, right: str, size: int = 5) -> float:
    """The exact similarity of two texts' sets of shingles, counted in another way than the package does."""

    def grams(text: str) -> set[tuple[str, ...]]:
        words = "".join(c if c.isalnum() or c == "_" else " " for c in text.lower()).split()
        if len(words) < size:
            return {tuple(words)} - {()}
        return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}

    a, b = grams(left), grams(right)
    return len(a & b) / len(a | b)


def number(identity: str) -> int:
    """Of the document ``files:x:<number>``."""
    return int(identity.rsplit(":")[-1])


def kept(
    texts: list[str], tmp_path: Path, jsonl: Jsonl, **settings: Any
) -> tuple[dict[int, str], list[dict[str, Any]]]:
    """Text of the kept documents by number, and the rows of the dropped ones."""
    jsonl(tmp_path / "x.jsonl", [{"id": f"{i:05}", "text": text} for i, text in enumerate(texts)])
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
    return {number(d["id"]): d["text"] for d in documents}, dropped


def words(chance: random.Random, count: int) -> list[str]:
    return [f"w{chance.randrange(10**9)}" for _ in range(count)]


# -------------------------------------------------------------------------------------- planted pairs


def test_planted_pairs_around_the_threshold(tmp_path: Path, jsonl: Jsonl) -> None:
    """Pairs of known exact Jaccard: those from 0.8 on go, and no other."""
    chance = random.Random(11)
    texts, similarity = [], {}
    for i in range(240):
        base = words(chance, 400)
        changed = 1 + i % 120  # Replacing the last k words of 400 changes k shingles of 396.
        other = base[:-changed] + words(chance, changed)
        texts += [" ".join(base), " ".join(other)]
        similarity[i] = jaccard(texts[-2], texts[-1])
    assert any(s == pytest.approx(0.8, abs=0.005) for s in similarity.values())
    _, dropped = kept(texts, tmp_path, jsonl, threshold=0.8, keep="smallest_id")
    gone = {number(d["id"]): number(d["duplicate_of"]) for d in dropped}
    assert gone == {2 * i + 1: 2 * i for i, s in similarity.items() if s >= 0.8}


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
    found, dropped = kept(texts, tmp_path, jsonl, threshold=0.8, keep="smallest_id")
    assert 3 < len(found) < 30
    assert 0 in found
    for row in dropped:
        original = number(row["duplicate_of"])
        assert original in found, "dropped in favour of a document that was itself dropped"
        assert jaccard(row["text"], found[original]) >= 0.8
    left = list(found.values())
    close = [(i, j) for i in range(len(left)) for j in range(i) if jaccard(left[i], left[j]) >= 0.8]
    assert close == [], "two kept documents are near duplicates"


def test_the_longest_copy_stays(tmp_path: Path, jsonl: Jsonl) -> None:
    base = " ".join(words(random.Random(1), 200))
    texts = [base, base + " and", base + " and more than that", base]
    found, dropped = kept(texts, tmp_path, jsonl)
    assert list(found) == [2]
    assert {number(d["duplicate_of"]) for d in dropped} == {2}


def test_a_big_group_of_copies_is_fast(tmp_path: Path, jsonl: Jsonl) -> None:
    """4,000 copies of a template: comparing all pairs would be 8 million comparisons."""
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
    found, dropped = kept(texts, tmp_path, jsonl, keep="smallest_id")
    assert list(found) == [0, 2, 3, 4, 5, 7]
    assert {(number(d["id"]), number(d["duplicate_of"])) for d in dropped} == {(1, 0), (6, 5)}


def test_text_without_spaces(tmp_path: Path, jsonl: Jsonl) -> None:
    chance = random.Random(8)
    line = "".join(chr(0x4E00 + chance.randrange(5000)) for _ in range(400))
    other = "".join(chr(0x4E00 + chance.randrange(5000)) for _ in range(400))
    found, _ = kept([line, line[:390] + "山川草木", other], tmp_path, jsonl)
    assert list(found) == [0, 2]


@pytest.mark.parametrize("threshold", [0.01, 1.0])
def test_the_ends_of_the_threshold(threshold: float, tmp_path: Path, jsonl: Jsonl) -> None:
    base = " ".join(words(random.Random(1), 200))
    found, _ = kept([base, base, base + " more"], tmp_path, jsonl, threshold=threshold, keep="smallest_id")
    assert 0 in found
    assert 1 not in found


def test_the_bounds_of_memory_change_nothing(
    tmp_path: Path, jsonl: Jsonl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys are sorted in partitions, components looked at some at a time, kept documents searched so too."""
    from corpuskit.stages.dedup import near
    from corpuskit.storage import spill

    chance = random.Random(6)
    shared = words(chance, 40)
    texts = []
    for _ in range(60):
        base = [*shared, *words(chance, 60)]
        texts += [" ".join(base), " ".join(base[:-1]), " ".join([*base[:-2], "x"])]
    chance.shuffle(texts)
    results = []
    bounds = ((4_000_000, 2**22, 2**20, 2**28), (50, 300, 7, 5000))
    for rows, hashes, block, postings in bounds:
        monkeypatch.setattr(spill, "PARTITION_ROWS", rows)
        monkeypatch.setattr(near, "_SHINGLES", hashes)
        monkeypatch.setattr(near, "_ROWS", block)
        monkeypatch.setattr(near, "_POSTINGS_BYTES", postings)
        folder = tmp_path / str(rows)
        folder.mkdir()
        found, dropped = kept(texts, folder, jsonl)
        results.append((found, [(d["id"], d["duplicate_of"]) for d in dropped]))
    assert results[0] == results[1]
    assert len(results[0][0]) == 60


def test_components_are_cut_between_one_another() -> None:
    components = np.array([1, 1, 4, 4, 4, 7, 9, 9])
    sizes = np.array([5, 5, 9, 9, 9, 2, 2, 2])
    for most, expected in (
        (1, [(0, 2), (2, 5), (5, 6), (6, 8)]),
        (12, [(0, 2), (2, 5), (5, 8)]),
        (37, [(0, 5), (5, 8)]),
        (100, [(0, 8)]),
    ):
        assert [(s.start, s.stop) for s in _whole(components, sizes, most)] == expected


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
    copies = {i: one.kept for one in alone for i, _ in one.copies}
    assert copies == {number(d["id"]): number(d["duplicate_of"]) for d in dropped}
    assert len(texts) - len(copies) == len(found)
    for one in alone:
        for copy, similarity in one.copies:
            assert similarity == jaccard(texts[copy], texts[one.kept]) >= 0.8


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


# ---------------------------------------------------------------------------------------- who stays


BASE = " ".join(f"word{i}" for i in range(60))
VARIANTS = [
    {"id": "b", "text": BASE + " x", "source": "web", "preference": 1},
    {"id": "c", "text": BASE + " longest", "source": "wiki", "preference": 2},
    {"id": "d", "text": BASE + " newest", "source": "books", "preference": 9},
    {"id": "a", "text": BASE + " y", "source": "web", "preference": 0},
]


@pytest.mark.parametrize(
    ("rule", "stays"),
    [
        ({}, "c"),
        ({"keep": "best"}, "d"),
        ({"keep": "smallest_id"}, "a"),
        ({"prefer": ("wiki",)}, "c"),
        ({"prefer": ("books", "web")}, "d"),
        ({"prefer": ("web",), "keep": "best"}, "b"),
        ({"prefer": ("web",), "keep": "smallest_id"}, "a"),
    ],
)
def test_the_copy_stays_that_the_rule_says_in_any_order(
    rule: dict[str, Any], stays: str, tmp_path: Path
) -> None:
    for rows in itertools.permutations(VARIANTS):
        scans = decided(list(rows), tmp_path, **rule)
        assert [rows[i]["id"] for i in np.flatnonzero(scans.kept)] == [stays]
        assert scans.warnings == []


def test_equal_texts_are_told_apart_by_their_ids(tmp_path: Path) -> None:
    for names in itertools.permutations(["10", "9", "x", "é"]):
        scans = decided([{"id": name, "text": BASE} for name in names], tmp_path)
        assert [names[i] for i in np.flatnonzero(scans.kept)] == ["10"]


def test_a_preferred_source_that_no_document_has_is_warned_about(tmp_path: Path) -> None:
    scans = decided(VARIANTS, tmp_path, prefer=("wiki", "wikki"))
    assert scans.warnings == ["near_duplicates: no document has a source that `prefer` names: ['wikki']"]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 7), max_size=12), max_size=12),
    st.sampled_from([0.1, 0.3, 0.5, 0.8, 1.0]),
    st.randoms(use_true_random=False),
    st.sampled_from(["longest", "best", "smallest_id"]),
)
def test_the_same_texts_stay_in_any_order_of_rows(
    texts: list[list[int]], threshold: float, chance: random.Random, keep: str
) -> None:
    """Also texts of no word and of one letter. Each that goes is like the kept one that is named."""
    rows = [
        {"id": f"{i}", "text": " ".join("abcdefgh"[w] for w in text), "preference": len(text) % 3}
        for i, text in enumerate(texts)
    ]
    verdicts = []
    for _ in range(2 if rows else 0):
        with tempfile.TemporaryDirectory() as folder:
            scans = decided(rows, Path(folder), threshold=threshold, keep=keep, ngram=2)
            verdicts.append(
                {
                    row["id"]: None if scans.kept[i] else rows[int(scans.original[i])]["id"]
                    for i, row in enumerate(rows)
                }
            )
        chance.shuffle(rows)
    assert verdicts[:1] == verdicts[1:]
    by_id = {row["id"]: row["text"] for row in rows}
    for identity, original in (verdicts[0] if verdicts else {}).items():
        if original is not None:
            assert verdicts[0][original] is None
            assert jaccard(by_id[identity], by_id[original], 2) >= threshold
        if not by_id[identity]:
            assert original is None


def test_earlier_texts_stand_first_and_never_go(tmp_path: Path) -> None:
    """Documents go for earlier texts, even shorter ones; earlier ones are no cluster of ours."""
    texts = [BASE + " and more", "new", BASE + " in another way", "new"]
    earlier = [BASE, "quite another text", BASE + " again", BASE + " again"]
    barrier = NearDuplicates()
    tables = {}
    for name, some in (("own", texts), ("old", earlier)):
        batch = pa.record_batch({"text": pa.array(some, pa.large_string()), "source": pa.array([""] * 4)})
        scanned = barrier.scan(batch)
        columns = {f"{barrier.name}.{each}": scanned.column(each) for each in scanned.schema.names}
        columns["bytes"] = pa.array([len(text) for text in some], pa.int64())
        columns |= {"preference": pa.array([0] * 4, pa.int64()), "id": pa.array(list("abcd"))}
        tables |= {f"{name} scans": pa.record_batch(columns), f"{name} documents": batch}
    parts = [PartScan(n, f"{n} documents", f"{n} scans", i * 4, 4) for i, n in enumerate(("own", "old"))]
    whole = Scans(parts[:1], tmp_path, lambda path, wanted: iter([tables[path].select(wanted)]), parts[1:])
    scans = whole.seen_by(barrier.name, earlier=True)
    found: list[tuple[int, int, float]] = []
    barrier.decide_telling(scans, lambda *copy: found.append(copy))
    assert {(copy, kept - 4) for copy, kept, _ in found if kept >= 4} == {(0, 0), (2, 0)}
    assert all(
        similarity == jaccard(texts[copy], [*texts, *earlier][kept]) for copy, kept, similarity in found
    )
    assert scans.kept.tolist() == [False, True, False, False, *[True] * 4]
    assert scans.original.tolist()[:4] == [4, -1, 4, 1]
    assert scans.cluster(2) == 0


def test_no_texts_and_texts_without_words_have_no_copies() -> None:
    assert near_duplicates([]) == []
    assert near_duplicates(["...", "", "...", "!"]) == []
