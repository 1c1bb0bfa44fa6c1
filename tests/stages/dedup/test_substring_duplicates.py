"""Repeats of words within and across documents: cut as spans, one copy of each run stays."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit.documents.words import words
from corpuskit.stages.barrier import scan_alone
from corpuskit.stages.dedup.substrings import SubstringDuplicates

Spans = list[tuple[int, int]]


def cut(texts: Sequence[str], **lengths: int) -> tuple[list[Spans | None], list[str]]:
    """The bytes cut of each text, None for one that is dropped, and warnings."""
    barrier = SubstringDuplicates(**lengths)
    batch = pa.record_batch({"text": pa.array(texts, pa.large_string())})
    with TemporaryDirectory() as folder:
        scans = scan_alone(barrier, batch, Path(folder))
        barrier.decide(scans)
        found: list[Spans | None] = [[] if kept else None for kept in scans.kept]
        for rows in scans.cuts.sorted(len(texts)):
            for row in rows.tolist():
                spans = found[row[0]]
                assert spans is not None
                spans.append((row[1], row[2]))
    return found, scans.warnings


def pieces(text: str, spans: Spans | None) -> list[str]:
    """What is left of a text, parted at its cuts; each piece must be UTF-8."""
    if spans is None:
        return []
    raw = text.encode()
    borders = zip([0, *(end for _, end in spans)], [*(start for start, _ in spans), len(raw)], strict=True)
    return [raw[a:b].decode() for a, b in borders]


def left(texts: Sequence[str], **lengths: int) -> list[str]:
    return ["".join(pieces(t, s)) for t, s in zip(texts, cut(texts, **lengths)[0], strict=True)]


def grams(texts: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        each = words(text)
        found.update(tuple(each[i : i + size]) for i in range(len(each) - size + 1))
    return found


def check(texts: Sequence[str], size: int) -> None:
    """What holds of any texts, whichever copies stay."""
    found, warnings = cut(texts, min_words=size, min_characters=size)
    before = grams(texts, size)
    parts = [piece for text, spans in zip(texts, found, strict=True) for piece in pieces(text, spans)]
    after = grams(parts, size)
    repeated = {gram for gram, count in before.items() if count > 1}
    assert all(after[gram] <= 1 for gram in repeated), "a run stands twice"
    lost = sum(not after[gram] for gram in repeated)
    assert lost == (int(warnings[0].split()[1]) if warnings else 0), "a run is lost without a word"
    for text, spans in zip(texts, found, strict=True):
        # Whole words go, and those that stay are the ones that were there, in their order.
        whole = "".join(pieces(text, spans))
        assert words(whole) == [word for piece in pieces(text, spans) for word in words(piece)]
        # What is in no run that repeats stays.
        own = words(text)
        kept = Counter(words(whole))
        for i, word in enumerate(own):
            near = [tuple(own[j : j + size]) for j in range(max(0, i - size + 1), i + 1)]
            if spans is not None and not any(gram in repeated for gram in near if len(gram) == size):
                kept[word] -= 1
                assert kept[word] >= 0, "a word of no repeat is gone"


letters = st.sampled_from("abc")
blanks = st.sampled_from([" ", " ", "\n\n", ", ", " - "])
text_of_few_words = st.lists(st.tuples(letters, blanks), max_size=30).map(
    lambda pairs: "".join(word + blank for word, blank in pairs)
)


@given(st.lists(text_of_few_words, min_size=1, max_size=6), st.integers(2, 6))
@settings(max_examples=100, deadline=None)
def test_no_run_stands_twice_and_each_stands_once_or_is_told(texts: list[str], size: int) -> None:
    check(texts, size)


mixed = st.text(st.sampled_from("ab 天地人1,'. \n👨\u200d👩\u0301é"), max_size=40)


@given(st.lists(mixed, min_size=1, max_size=5), st.integers(2, 4))
@settings(max_examples=100, deadline=None)
def test_scripts_with_and_without_blanks_side_by_side(texts: list[str], size: int) -> None:
    check(texts, size)


@given(st.lists(text_of_few_words, min_size=2, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_rows_does_not_matter(texts: list[str], order: random.Random) -> None:
    other = list(texts)
    order.shuffle(other)
    assert sorted(left(texts, min_words=3, min_characters=3)) == sorted(
        left(other, min_words=3, min_characters=3)
    )
