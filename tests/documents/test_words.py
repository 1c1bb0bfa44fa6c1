"""One definition of a word, in Python and in the engine."""

from __future__ import annotations

import random
import sys
import unicodedata
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpuskit.documents.words import APART, fold_words, word_spans, words

SCRIPTS = (
    "aZß\u0130é\u0301 \u0915\u093f\u05e6\u05f4"
    "\u0e01\u0e31\u0e32\u0f40\u0f72\u1000\u103b\u1780\u17d2\u6c34\u3042\u30fc19\u0663'’·.,:-_\u200c\u200d\u00ad\u200b\U00020000\U000e0101\n"
)


def native(text: str) -> list[str]:
    return fold_words(pa.array([text], pa.large_string())).folded.to_pylist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don’t l'eau 'quoted' o' rock'n'roll", ["don't", "l'eau", "quoted", "o", "rock'n'roll"]),
        ("1,300.50 at 12:30, v1.2.3. 3.", ["1,300.50", "at", "12:30", "v1.2.3", "3"]),
        ("col·lecció צה״ל well-known foo_bar", ["col·lecció", "צה״ל", "well", "known", "foo", "bar"]),
        ("हिन्दी की", ["हिन्दी", "की"]),
        ("می\u200cخواهم co\u00adop", ["میخواهم", "coop"]),
        ("2016年 x水", ["2016", "年", "x", "水"]),
        ("กำลัง ๑๒๓", ["ก", "ำ", "ลั", "ง", "๑๒๓"]),
        ("Straße ΣΟΦΟΣ İ", ["strasse", "σοφοσ", "i\u0307"]),
        ("\u0301 -- …", []),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    text = unicodedata.normalize("NFC", text)
    assert words(text) == native(text) == expected


def test_canonically_equal_texts_have_the_same_words() -> None:
    text = "Ångström réél 한국어"
    assert words(unicodedata.normalize("NFD", text)) == words(text)


def test_every_code_point_has_one_kind_in_both() -> None:
    """Alone, behind a letter and between digits."""
    points = [chr(n) for n in range(sys.maxunicode + 1) if not 0xD800 <= n < 0xE000]
    texts = [f"{c} a{c} 1{c}1 a{c}b" for c in points]
    column = pa.array(texts, pa.large_string())
    found = fold_words(column)
    folded = found.folded.to_pylist()
    unlike = []
    for row, text in enumerate(texts):
        if unicodedata.is_normalized("NFC", text):
            ours = folded[found.ends[row] : found.ends[row + 1]]
            if ours != words(text):
                unlike.append((hex(ord(points[row])), ours, words(text)))
    assert unlike == []


@given(st.text(alphabet=SCRIPTS) | st.text())
def test_engine_and_python_agree(text: str) -> None:
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    found = fold_words(pa.array(["x", text], pa.large_string()).slice(1))
    raw = text.encode()
    assert found.folded.to_pylist() == words(text)
    written = [raw[a:b].decode() for a, b in found.spans.tolist()]
    assert written == [text[a:b] for a, b in word_spans(text)]


def test_no_text_breaks_the_engine() -> None:
    """Bytes that are no UTF-8, cut anywhere, part words."""
    choose = random.Random(5)
    for _ in range(300):
        raw = bytearray(SCRIPTS.encode() * 3)
        for _ in range(choose.randrange(8)):
            raw[choose.randrange(len(raw))] = choose.randrange(256)
        del raw[choose.randrange(len(raw)) :]
        column = pa.array([bytes(raw)], pa.large_binary()).cast(pa.large_string(), safe=False)
        found = fold_words(column)
        edges = found.spans.ravel().tolist()
        assert edges == sorted(edges)
        assert all(0 <= edge <= len(raw) for edge in edges)


def test_a_real_text_of_every_language(corpora: Path) -> None:
    """388 translations of the Universal Declaration."""
    with zipfile.ZipFile(corpora / "langid" / "udhr2.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".txt")]
        assert len(names) > 380
        for name in names:
            text = unicodedata.normalize("NFC", archive.read(name).decode("utf-8"))
            assert native(text) == words(text), name


def test_apart_names_blocks_in_order() -> None:
    assert list(APART) == sorted(APART)
    assert all(first <= last for first, last in APART)
