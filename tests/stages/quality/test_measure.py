"""The statistics of the engine are those of the definition, figure by figure."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpuskit import _native
from corpuskit.stages.quality.measure import as_statistics, measure_texts
from corpuskit.stages.quality.statistics import FIGURES, Splitter, Variant, statistics

CORPORA = os.environ.get("CORPUSKIT_CORPORA")
WAYS: list[tuple[Splitter, Variant]] = [(s, v) for s in get_args(Splitter) for v in get_args(Variant)]


def hold(texts: list[str]) -> None:
    column = pa.array(texts, pa.large_string())
    for splitter, variant in WAYS:
        found = as_statistics(measure_texts(column, splitter=splitter, variant=variant))
        for text, figures in zip(texts, found, strict=True):
            assert figures == statistics(text, splitter=splitter, variant=variant), (splitter, variant, text)


PIECES = st.sampled_from(
    [
        *" \n\t\r\x1c\x1d\x85\xa0\u2028\u3000.!?…,;:-'’\"()[]{}#•*%$é日ไกאहि्\u0301\u200d\xad“”»aBz9ǅⅧ½٣ªİßſﬁ",
        *(
            "the ",
            "be ",
            "and",
            "that",
            "have",
            "lorem ipsum",
            "LOREM ",
            "Ipsum",
            "m ipsum",
            "http://a.b/c%2f ",
        ),
        *(
            "https://x",
            "http",
            "://",
            "...",
            "\n\n",
            "\n\n\n",
            "\r\n",
            "a b ",
            "a\n",
            "ab",
            "1,300.50",
            " \n",
        ),
    ]
)
TEXTS = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=40)
REPETITIVE = st.lists(st.sampled_from(["a ", "b ", "c\n", "\n", "ab ", "the "]), max_size=90).map("".join)


@settings(deadline=None, max_examples=150)
@given(st.lists(TEXTS | REPETITIVE, max_size=5))
@example(["", " ", "\n", " \n ", "a", "…", ".......", ". . .", "ha " * 100, "ab a b ab a b ab"])
@example(["http://http://x", "https://", "http://\u3000", "xhttps://a", "lorem ipsumlorem ipsum"])
@example(["Mr. Hale left at 10 a.m. and no more. Really?! “Yes.” \n He left", "为什么？好。"])
def test_all_figures_are_those_of_the_definition(texts: list[str]) -> None:
    hold(texts)


def test_every_character() -> None:
    """Within words, at the ends of sentences, at both ends of lines, alone."""
    characters = [chr(n) for n in range(0x110000) if not 0xD800 <= n < 0xE000]
    groups = ["".join(characters[i : i + 16]) for i in range(0, 0x30000, 16)]
    hold([" ".join(f"a{c}b {c}. {c}c\n{c}x{c}\nx.{c} D\n" for c in group) for group in groups[::16]])
    hold(["".join(characters[i : i + 64]) for i in range(0, len(characters), 64)][::6])


def test_slices_nulls_and_nothing() -> None:
    column = pa.array(["x", "one two", None, "", "three. Four", "y"], pa.large_string())
    for first, count in ((1, 4), (0, 6), (2, 1), (3, 0)):
        found = as_statistics(measure_texts(column.slice(first, count)))
        assert found == [statistics(text or "") for text in column.slice(first, count).to_pylist()]
    assert measure_texts(pa.array([], pa.large_string())).shape == (0, len(FIGURES))


def test_a_call_that_cannot_be_is_refused() -> None:
    broken = (np.array([0, 4], np.int64), np.zeros(3, np.uint8))
    with pytest.raises(ValueError, match="offsets must ascend"):
        _native.text_statistics(broken, False, False)
    with pytest.raises(ValueError, match="offsets must ascend"):
        _native.count_words(broken)


@pytest.mark.parametrize("way", WAYS, ids="-".join)
@pytest.mark.parametrize(
    "text",
    [
        "word " * 1_000_000,
        "a" * 5_000_000,
        "a b " * 1_000_000,
        ". " * 2_000_000,
        "\n" * 4_000_000,
        "http://" * 600_000,
        "日" * 1_500_000,
        ("x. " + "- " * 50 + "\n") * 40_000,
    ],
    ids=["one word", "no blank", "two words", "stops", "line feeds", "addresses", "Han", "bullets"],
)
def test_time_is_linear_on_hostile_texts(text: str, way: tuple[Splitter, Variant]) -> None:
    """Ten times the text takes about ten times as long; what grows with its square would take a hundred."""
    splitter, variant = way

    def seconds(part: str) -> float:
        column = pa.array([part], pa.large_string())
        started = time.process_time()
        measure_texts(column, splitter=splitter, variant=variant)
        return time.process_time() - started

    tenth = max(seconds(text[: len(text) // 10]), 0.005)
    assert seconds(text) < 40 * tenth


@pytest.mark.corpora
@pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA does not name the corpora")
def test_all_figures_in_388_languages() -> None:
    with zipfile.ZipFile(Path(str(CORPORA)) / "langid" / "udhr2.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".txt"))
        texts = [archive.read(name).decode("utf-8-sig")[:4000] for name in names]
    assert len(texts) == 388
    hold(texts)
