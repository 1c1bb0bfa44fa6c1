"""Whitespace: one kind of each, in linear time, and nothing else changes."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit import _native
from corpuskit.documents import batch as batches
from corpuskit.documents.columns import from_engine, to_engine
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
        ("ខ្មែរ\u200bភាសា\u200b ไทย\u200bภาษา", "ខ្មែរ\u200bភាសា ไทย\u200bภาษา"),
        ("မြန်\u200bမာ ລາວ\u200bພາ a\u200bb 日\u200b本", "မြန်\u200bမာ ລາວ\u200bພາ ab 日本"),
        ("ក\u200b\u200b\u200bខ\u200b\xad\u200bគ", "ក\u200bខ\u200bគ"),
        ("a\u200bខ ខ\u200ba \xad\u200bខ ខ\xad\u200b\u2060a", "a\u200bខ ខ\u200ba ខ ខ\u200ba"),
        ("\u200bខ\u200b\r\nខ\x1c\u200bខ\u3000\u200bខ\u200b", "ខ\nខ\x1cខ ខ"),
        ("", ""),
        ("\r\n\xa0\r\n", ""),
    ],
)
def test_tidy(text: str, tidied: str) -> None:
    assert tidy(text) == tidied
    assert by_engine(text) == [tidied]


def by_engine(*texts: str) -> list[str]:
    status, tidied = _native.tidy_whitespace(to_engine(pa.array(texts, pa.large_string()), "texts"))
    assert not status.any()
    return list(texts) if tidied is None else from_engine(tidied).to_pylist()


def test_the_stage_drops_what_is_empty_afterwards_and_keeps_rows_in_place() -> None:
    builder = batches.BatchBuilder()
    for i, text in enumerate([" a ", "\u200b\n", "b"]):
        builder.add(id=str(i), source="x", text=text)
    effect = Whitespace().apply(next(builder.take(rest=True)))
    batches.check(effect.batch, {}, "whitespace")
    assert effect.batch.column("text").to_pylist() == ["a", "\u200b\n", "b"]
    assert effect.drops == {1: "empty"}


ODD = st.sampled_from([*" \t\n\r\v\f\x85\xa0\xad\u200b\u200c\u2028\u3000\ufeffab日é", "plain text", "ខ"])


TEXTS = st.lists(ODD, max_size=40).map("".join) | st.text(
    st.characters(codec="utf-8", exclude_characters="\u200b"), max_size=60
)


@given(TEXTS)
def test_tidy_twice_is_tidy_once_and_only_white_space_changes(text: str) -> None:
    once = tidy(text)
    assert tidy(once) == once
    assert not set(once) & set("\r\v\f\x85\xa0\xad\u2028\u2029\u3000\ufeff")
    assert all("ខ" in once[max(0, i - 1) : i + 2] for i, c in enumerate(once) if c == "\u200b")
    assert "\n\n\n" not in once
    assert " \n" not in once
    invisible = "\xad\u200b\u2060\ufeff"
    visible = [c for c in text if not c.isspace() and c not in invisible]
    assert [c for c in once if not c.isspace() and c != "\u200b"] == visible


@settings(max_examples=400)
@given(st.lists(TEXTS | st.text(max_size=20), max_size=8))
def test_the_engine_equals_its_twin(texts: list[str]) -> None:
    assert by_engine(*texts) == [tidy(text) for text in texts]


def test_every_character_between_others() -> None:
    texts = [
        f"{c}a {c}\n{c}\u200b{c}\n\nb{c}" for c in map(chr, range(0x110000)) if not 0xD800 <= ord(c) < 0xE000
    ]
    assert by_engine(*texts) == [tidy(text) for text in texts]


def test_slices_nulls_and_nothing() -> None:
    column = pa.array(["x", " a ", None, "b\r\nc", "d", "y\n"], pa.large_string())
    for first, count in ((1, 3), (0, 6), (4, 1), (2, 0)):
        texts = column.slice(first, count)
        status, tidied = _native.tidy_whitespace(to_engine(texts, "texts"))
        assert len(status) == count
        found = texts if tidied is None else from_engine(tidied)
        assert [text or "" for text in found.to_pylist()] == [tidy(text or "") for text in texts.to_pylist()]
    assert _native.tidy_whitespace(to_engine(column.slice(4, 1), "texts"))[1] is None


def test_bytes_that_are_not_utf8_and_half_pairs_stay_and_are_told() -> None:
    data = [
        b"good ",
        b" bad \xff\xa0",
        " half \ud83d\u00a0".encode("utf-8", "surrogatepass"),
        b"bad\xe2\x80",
        b"\xc2",
    ]
    buffers = pa.array(data, pa.large_binary()).buffers()
    builder = batches.BatchBuilder()
    for i in range(len(data)):
        builder.add(id=f"files:x:{i}", source="x", text="x")
    batch = batches.replace_text(
        next(builder.take(rest=True)), pa.Array.from_buffers(pa.large_string(), len(data), buffers)
    )
    effect = Whitespace().apply(batch)
    assert effect.batch.column("text").cast(pa.large_binary()).to_pylist() == [b"good", *data[1:]]
    assert effect.errors == {
        1: "files:x:1: the text is not UTF-8: byte 0xff at offset 5. Read it with its true encoding.",
        2: "files:x:2: the text holds half of a surrogate pair. Put the stage `unicode` before.",
        3: "files:x:3: the text is not UTF-8: byte 0xe2 at offset 3. Read it with its true encoding.",
        4: "files:x:4: the text is not UTF-8: byte 0xc2 at offset 0. Read it with its true encoding.",
    }


@pytest.mark.corpora
@pytest.mark.skipif(
    "CORPUSKIT_CORPORA" not in os.environ, reason="CORPUSKIT_CORPORA does not name the corpora"
)
def test_the_engine_equals_its_twin_in_388_languages() -> None:
    with zipfile.ZipFile(Path(os.environ["CORPUSKIT_CORPORA"]) / "langid" / "udhr2.zip") as archive:
        texts = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".txt")]
    assert len(texts) > 380
    assert by_engine(*texts) == [tidy(text) for text in texts]


def test_long_runs_are_linear_work() -> None:
    """Each of these would take hours if the work grew with the square of the length."""
    n = 3_000_000
    for text in (" " * n + "x", "x" + " \n" * n + "y", "\t " * n, "\n" * n, "x" + "\u00a0" * n + "y"):
        assert len(tidy(text)) <= n + 2
        assert by_engine(text) == [tidy(text)]
