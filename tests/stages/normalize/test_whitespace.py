"""Whitespace: one kind of each, in linear time, and nothing else changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpuskit.documents import batch as batches
from corpuskit.stages.normalize.whitespace import Whitespace, tidy


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        ("a\r\nb\rc\x85d\x0be\x0cf\u2028g\u2029h", "a\nb\nc\nd\ne\nf\ng\nh"),
        ("a\r\n\r\nb", "a\n\nb"),
        ("a\u00a0b\u2003c\u202fd\u3000e", "a b c d e"),
        ("hy\u00adphen zero\u200bwidth \ufeffmark word\u2060joiner", "hyphen zerowidth mark wordjoiner"),
        ("می\u200cخواهم 👩\u200d🚀", "می\u200cخواهم 👩\u200d🚀"),
        ("a  \t\nb \n \n\t\n\n  c", "a\nb\n\n  c"),
        ("a\u00a0\nb", "a\nb"),
        ("\n\n  one  two\tthree \n", "one  two\tthree"),
        ("unchanged\n\ntext", "unchanged\n\ntext"),
        ("a\n\n\n\n\nb", "a\n\nb"),
    ],
)
def test_tidy(text: str, tidied: str) -> None:
    assert tidy(text) == tidied


def test_the_stage_drops_what_is_empty_afterwards_and_keeps_rows_in_place() -> None:
    builder = batches.BatchBuilder()
    for i, text in enumerate([" a ", "\u200b\n", "b"]):
        builder.add(id=str(i), source="x", text=text)
    effect = Whitespace().apply(next(builder.take(rest=True)))
    batches.check(effect.batch, {}, "whitespace")
    assert effect.batch.column("text").to_pylist() == ["a", "\u200b\n", "b"]
    assert effect.drops == {1: "empty"}


ODD = st.sampled_from(list(" \t\n\r\v\f\x85\xa0\xad\u200b\u200c\u2028\u3000\ufeffab"))


@given(st.text(ODD, max_size=60) | st.text(max_size=60))
def test_tidy_twice_is_tidy_once_and_only_white_space_changes(text: str) -> None:
    once = tidy(text)
    assert tidy(once) == once
    assert not set(once) & set("\r\v\f\x85\xa0\xad\u200b\u2028\u2029\u3000\ufeff")
    assert "\n\n\n" not in once
    assert " \n" not in once
    invisible = "\xad\u200b\u2060\ufeff"
    visible = [c for c in text if not c.isspace() and c not in invisible]
    assert [c for c in once if not c.isspace()] == visible


def test_long_runs_are_linear_work() -> None:
    """Each of these would take hours if the work grew with the square of the length."""
    n = 3_000_000
    for text in (" " * n + "x", "x" + " \n" * n + "y", "\t " * n, "\n" * n, "x" + "\u00a0" * n + "y"):
        assert len(tidy(text)) <= n + 2
