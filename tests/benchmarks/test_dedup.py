"""What near duplicates are scored by: the truth of all pairs, and copies with some words changed."""

from __future__ import annotations

import json
import random

import pytest

from benchmarks.dedup import CHANGED, changed, megabytes, template, truth_of, with_copies
from benchmarks.peers.near_duplicates import shingles as their_shingles
from corpuskit.stages.dedup.minhash import shingles


def texts(count: int) -> list[str]:
    chance = random.Random(3)
    return [" ".join(f"w{chance.randrange(10**6)}" for _ in range(120)) for _ in range(count)]


def test_truth_is_that_of_all_pairs() -> None:
    whole = [*with_copies(texts(30), 12), "", "one", "one", "a b c d e", "a b c d e f"]
    truth = truth_of(whole)
    sets = [shingles(text, 5) for text in whole]
    expected = [
        (a, b)
        for b in range(len(whole))
        for a in range(b)
        if sets[a] & sets[b] and len(sets[a] & sets[b]) / len(sets[a] | sets[b]) >= 0.8
    ]
    assert sorted(truth.pairs) == sorted(expected)
    assert len(expected) > 5
    a, b = expected[0]
    assert truth.similarity(a, b) == len(sets[a] & sets[b]) / len(sets[a] | sets[b])


def test_copies_have_so_many_words_changed() -> None:
    [text] = texts(1)
    foreign = ["foreign"]
    for share in CHANGED:
        words = changed(text, share, random.Random(1), foreign).split()
        differ = sum(a != b for a, b in zip(words, text.split(), strict=True))
        assert differ == max(1, round(share * 120))
    assert len(with_copies(texts(10), 4)) == 14
    assert with_copies(texts(10), 4) == with_copies(texts(10), 4)


def test_pages_of_a_template_have_own_words() -> None:
    pages = template(3, (30, 30))
    a, b = (shingles(page, 5) for page in pages[:2])
    assert (len(a & b), len(a | b)) == (156, 216)
    assert template(2, (0, 0))[0] == template(2, (0, 0))[1]


def test_the_peers_get_the_same_shingles_of_plain_words() -> None:
    [text] = texts(1)
    assert set(their_shingles(text)) == shingles(text, 5)
    assert their_shingles("") == []
    assert json.dumps(their_shingles("A b")) == '["a b"]'
    assert megabytes(["ä" * 500_000]) == pytest.approx(1)
