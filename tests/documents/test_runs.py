"""Digests of runs, paragraphs and lines: equal where a plain reading says so, and nowhere else."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit import _native
from corpuskit.documents.columns import to_engine
from corpuskit.documents.runs import text_digests, text_units, winnow, word_runs
from corpuskit.documents.words import word_spans, words


def column(*texts: str) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


def test_digests_are_those_of_murmurhash3() -> None:
    """Known values of MurmurHash3_x64_128 with seed 0."""
    found = text_digests(column("hello", "The quick brown fox jumps over the lazy dog", ""))
    assert [f"{a:016x}{b:016x}" for a, b in found.tolist()] == [
        "cbd8a7b341bd9b025b1e906a48ae1d19",
        "e34bbc7bbc071b6c7a433ca9c49a9347",
        "0" * 32,
    ]


letters = st.text(st.sampled_from("aB 天地e\u0301é,.' 1"), max_size=30)


@given(st.lists(letters, min_size=1, max_size=4), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_runs_are_equal_where_their_words_are(texts: list[str], least: int, characters: int) -> None:
    found = word_runs(column(*texts), least, characters)
    digests: dict[tuple[str, ...], tuple[int, ...]] = {}
    for row, text in enumerate(texts):
        own = words(text)
        first, last = found.ends[row : row + 2].tolist()
        assert last - first == len(own)
        raw = text.encode()
        assert [raw[a:b].decode() for a, b in found.spans[first:last].tolist()] == [
            text[a:b] for a, b in word_spans(text)
        ]
        weights = [least if "\u4e00" <= word[0] <= "\u9fff" else characters for word in own]
        for begin in range(len(own)):
            ends = [e for e in range(begin, len(own) + 1) if sum(weights[begin:e]) >= least * characters]
            assert found.until[first + begin] == (ends[0] if ends else 0)
            if ends:
                digest = tuple(found.digests[first + begin].tolist())
                assert digests.setdefault(tuple(own[begin : ends[0]]), digest) == digest
    assert len(set(digests.values())) == len(digests)


@given(st.lists(st.sampled_from("abcd"), min_size=12, max_size=40), st.integers(0, 20), st.integers(1, 12))
@settings(max_examples=150, deadline=None)
def test_texts_that_share_a_run_share_an_entry_within_it(run: list[str], place: int, gram: int) -> None:
    """Of each 12 words in a row an entry lies within them, and it is the same in whatever text they stand."""
    other = [f"x{i}" for i in range(place)] + run + ["y"]
    found = winnow(column(" ".join(run), " ".join(other)), 12, gram)
    assert found.words.tolist() == [len(run), len(other)]
    entries = [
        set(zip(found.places[a:b].tolist(), found.hashes[a:b].tolist(), strict=True))
        for a, b in zip(found.ends[:-1], found.ends[1:], strict=True)
    ]
    for begin in range(len(run) - 11):
        here = {(p - begin, h) for p, h in entries[0] if begin <= p <= begin + 12 - gram}
        there = {(p - begin - place, h) for p, h in entries[1] if begin <= p - place <= begin + 12 - gram}
        assert here & there


lines = st.text(st.sampled_from("ab \t\n\r\u2028\u2029\u0085\x0bé\u00a0"), max_size=25)


@given(lines)
@settings(max_examples=300, deadline=None)
def test_units_are_what_python_splits_and_strips(text: str) -> None:
    split = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)
    raw = text.encode()
    found = text_units(column(text), "line")
    # What Python strips beside white space of the engine are the ends of lines.
    assert [raw[a:b].decode() for a, b in found.spans.tolist()] == [
        each.strip() for each in split if each.strip()
    ]
    marked = re.sub("\r\n|[\n\r\x85\u2028]", "\n", text.replace("\u2029", "\n\n"))
    blocks = [block.strip() for block in re.split(r"\n(?:[^\S\n]*\n)+", marked) if block.strip()]
    found = text_units(column(text), "paragraph")
    shown = [re.sub("\r\n|[\r\x85\u2028]", "\n", raw[a:b].decode()) for a, b in found.spans.tolist()]
    assert shown == blocks


def test_a_normal_form_makes_no_difference_and_places_are_the_own_ones() -> None:
    text = "École à l'été\n\nhier soir déjà"
    both = column(text, unicodedata.normalize("NFD", text))
    found = word_runs(both, 3)
    half = len(found.until) // 2
    assert (found.digests[:half] == found.digests[half:]).all()
    units = text_units(both, "paragraph")
    assert (units.digests[:2] == units.digests[2:]).all()
    for row, each in enumerate(both.to_pylist()):
        raw = each.encode()
        spans = found.spans[found.ends[row] : found.ends[row + 1]].tolist()
        assert [raw[a:b].decode() for a, b in spans] == [each[a:b] for a, b in word_spans(each)]
        assert raw[slice(*units.spans[2 * row + 1])].decode().startswith("hier")


def test_slices_and_empty_columns() -> None:
    texts = column("zero", "one two", "three four five").slice(1)
    assert word_runs(texts, 2).until.tolist() == [2, 0, 2, 3, 0]
    assert text_units(column().slice(0), "line").ends.tolist() == [0]
    assert winnow(column("", "a"), 2, 1).ends.tolist() == [0, 0, 0]
    assert np.array_equal(text_digests(texts), text_digests(column("one two", "three four five")))


@pytest.mark.parametrize("lengths", [(0, 5), (5, 0), (10**9, 5)])
def test_a_length_that_cannot_be_is_refused(lengths: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is not within"):
        _native.word_runs(to_engine(column("a"), "texts"), *lengths)
