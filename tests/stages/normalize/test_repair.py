"""The look before ftfy: whole batches in the engine give what ftfy gives, and little is handed to ftfy."""

from __future__ import annotations

import itertools
import os
import random
import re
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import ftfy
import numpy as np
import pyarrow as pa
import pytest
from ftfy import TextFixerConfig, chardata
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpuskit import _native
from corpuskit.documents.columns import to_engine
from corpuskit.stages.normalize import repair
from corpuskit.stages.normalize.repair import repair_rules, repair_texts

CORPORA = os.environ.get("CORPUSKIT_CORPORA")
needs_corpora = pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA does not name the corpora")

DEFAULTS = TextFixerConfig(uncurl_quotes=False, fix_character_width=False, explain=False)
ON = (True, True, False, False, True)


def repaired(texts: list[str], config: TextFixerConfig = DEFAULTS) -> list[str]:
    column = pa.array(texts, pa.large_string())
    fixed, wrong = repair_texts(column, config, np.zeros(len(texts), bool))
    assert not wrong.any()
    return (column if fixed is None else fixed).to_pylist()


def named(
    texts: list[str], form: int = 1, steps: tuple[bool, bool, bool, bool, bool] = ON
) -> np.ndarray[Any, Any]:
    """Which texts have a line that is handed to ftfy."""
    column = to_engine(pa.array(texts, pa.large_string()), "texts")
    _, spans, _ = _native.find_repairs(column, np.full(len(texts), 2, np.uint8), steps, form)
    found = np.zeros(len(texts), bool)
    found[spans[:, 0]] = True
    return found


def test_the_tables_are_of_this_ftfy() -> None:
    assert _native.repair_rules() == repair_rules(), "run native/tables/repairs.py"


def test_with_another_ftfy_the_twin_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "_engine_knows_ftfy", lambda: False)
    assert repaired(["plain", "schÃ¶n\r\nwarm", "", "a &amp; b"]) == ["plain", "schön\nwarm", "", "a & b"]
    column = pa.array([b"bad \xff", b"good"], pa.large_binary()).cast(pa.large_string(), safe=False)
    _, wrong = repair_texts(column, DEFAULTS, np.zeros(2, bool))
    assert wrong.tolist() == [True, False]


_BASIC = "".join(map(chr, range(0x10000)))
MEASURED = sorted(
    {c for sets in MOJIBAKE_CATEGORIES.values() for c in re.findall(f"[{sets}]", _BASIC)}
    | set("aZ09 \t,.!_-?²³вЂРСГў√≈‚Ä中Ａ\u0301\u3000—。ي")
)
"""All characters that ftfy's measure of what looks wrongly decoded asks for, and some that it does not."""


def test_the_measure_finds_all_that_ftfys_own_finds() -> None:
    """All pairs, and rows of up to nine."""
    draw = random.Random(1)
    texts = [a + b for a, b in itertools.product(MEASURED, repeat=2)]
    texts += ["".join(draw.choices(MEASURED, k=draw.randint(3, 9))) for _ in range(50_000)]
    found = named(texts, form=0, steps=(True, False, False, False, False))
    bad = np.fromiter((is_bad(text) for text in texts), bool, len(texts))
    assert not (bad & ~found).any()
    # Besides those with C1 controls or a soft hyphen (a control character) few are named needlessly.
    assert (found & ~bad).sum() < 0.03 * len(texts)


def test_no_text_that_is_not_composed_is_passed_over() -> None:
    draw = random.Random(2)
    marks = [c for c in map(chr, range(0x20000)) if unicodedata.combining(c)]
    marks += [chr(c) for c in (*range(0x1161, 0x1176), *range(0x11A7, 0x11C3), 0x9BE, 0xBBE, 0xD3E, 0xDCF)]
    whole = [c for c in map(chr, range(0x110000)) if unicodedata.normalize("NFD", c) != c]
    parts = sorted({*"".join(unicodedata.normalize("NFD", c) for c in whole)})
    starters = [*whole, *parts, *"aoAeu \u1100\u1112\u1113\uac00\uac01"]
    texts = [*whole, *(a + b for a in draw.sample(starters, 400) for b in draw.sample(marks, 100))]
    for _ in range(50_000):
        letters = (draw.choice(starters) + "".join(draw.choices(marks, k=draw.randint(0, 3))) for _ in "12")
        texts.append("".join(letters))
    found = named(texts, steps=(False,) * 5)
    composed = np.fromiter((unicodedata.is_normalized("NFC", text) for text in texts), bool, len(texts))
    assert not (~composed & ~found).any()
    assert (composed & found).sum() < 0.05 * len(texts)


def test_every_character_alone_and_between_others() -> None:
    texts = [f"{c}|a{c}é{c} {c}" for c in map(chr, range(0x110000)) if not 0xD800 <= ord(c) < 0xE000]
    plain = [text for text, found in zip(texts, named(texts), strict=True) if not found]
    assert len(plain) > 100_000
    whole = "\n".join(plain)
    assert ftfy.fix_text(whole, DEFAULTS) == whole


@pytest.mark.parametrize(
    "text",
    [
        "Il était une fois à l’école, « dit-elle » – où ça ? Über Größe, naïve “quotes” … and more—yes",
        "Wikipédia est une encyclopédie libre ; cœur, œuvre, Œdipe.",
        "Россия — страна. Ёлка и подъезд; «кавычки» № 5",
        "Η Ελλάδα είναι χώρα. Τί κάνεις;",
        "维基百科，是一个（自由）的百科全书。日本語のテキスト、カタカナ！ 한국어 위키백과",
        "हिन्दी भाषा में क्षेत्र। বাংলা ভাষা কোন মো তামিল தமிழ் கொண்டு സംസ്ഥാനം ಕನ್ನಡ ෙකා",
        "ภาษาไทย ພາສາລາວ ភាសាខ្មែរ မြန်မာဘာသာ བོད་སྐད",
        "Tiếng Việt là ngôn ngữ của người Việt Đà Nẵng",
        "العربية لغة سَامِيّة. עִבְרִית שפה 🙂👩‍🚀",
        "AT&T & Co. a<b &c Q&A; x&y;z" + "&" * 30,
        "Zażółć gęślą jaźń. Příliš žluťoučký kůň. Şişli, İstanbul; ığdır. Łódź",
    ],
)
def test_ordinary_text_is_spared(text: str) -> None:
    assert ftfy.fix_text(text, DEFAULTS) == text
    assert not named([text.replace("&y;", "&y ")]).any()
    assert repaired([text]) == [text]


PIECES = st.sampled_from(
    [
        *("&amp;", "&lt;", "&nosuch;", "&#233;", "&#x1F600;", "<", "\n", "\r\n", "\r", "Ã©", "â€œ", "é"),
        *("e\u0301", "\x85", "\x1b[1m", "\ufeff", "ﬁ", "a b", "’", "” “", "œ", "Ã ", "Ø·", "×²"),
        *("a" * 40, " plain ASCII of more than thirty characters ", "\u1100\u1161", "ă€", "Â ", "x Â "),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=8)).map("".join)
CONFIGS = st.builds(
    DEFAULTS._replace,
    unescape_html=st.sampled_from(["auto", True, False]),
    fix_encoding=st.booleans(),
    fix_latin_ligatures=st.booleans(),
    fix_character_width=st.booleans(),
    uncurl_quotes=st.booleans(),
    remove_control_chars=st.booleans(),
    normalization=st.sampled_from(["NFC", "NFC", "NFC", "NFD", "NFKC", "NFKD", None]),
)


@settings(max_examples=400)
@given(st.lists(TEXTS, max_size=6), CONFIGS)
@example(["œ\r\n’\r\n", "œuvre\r\n\n", "&amp;\n<\n&amp;\n"], DEFAULTS)
@example(["a" * 100 + "é" + "b" * 100 + "Ã©" + "c" * 100], DEFAULTS)
@example(["Â " + "x" * 50 + "Â \n" + "Â y"], DEFAULTS)
def test_equal_to_ftfy(texts: list[str], config: TextFixerConfig) -> None:
    assert repaired(texts, config) == [ftfy.fix_text(text, config) for text in texts]


@pytest.mark.parametrize(
    "begin", ["é" * 1_000_000, "x" * 999_999 + "é", "Ã" + "©" * 999_999, "y" * 1_000_001]
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "Â ", "\u0301", "<&amp;\n&amp;", "&amp;<\n&amp;"])
def test_lines_longer_than_what_ftfy_takes_at_once(begin: str, end: str) -> None:
    assert repaired([begin + end]) == [ftfy.fix_text(begin + end, DEFAULTS)]


def test_slices_nulls_and_nothing() -> None:
    column = pa.array(["x", "Ã©\r\n", None, "&lt;\n", "a\r\nb", "y"], pa.large_string())
    for first, count in ((1, 4), (0, 6), (2, 1), (4, 2), (3, 0)):
        texts = column.slice(first, count)
        fixed, _ = repair_texts(texts, DEFAULTS, np.zeros(count, bool))
        wanted = [ftfy.fix_text(text or "", DEFAULTS) for text in texts.to_pylist()]
        assert [text or "" for text in (texts if fixed is None else fixed).to_pylist()] == wanted
    fixed, wrong = repair_texts(pa.array([], pa.large_string()), DEFAULTS, np.zeros(0, bool))
    assert (fixed, len(wrong)) == (None, 0)


def test_what_does_not_change_is_not_copied() -> None:
    column = pa.array(["plain", "naïve “quotes”\n<p> &amp;", "日本語"], pa.large_string())
    assert repair_texts(column, DEFAULTS, np.zeros(3, bool))[0] is None


def test_a_call_that_cannot_be_is_refused() -> None:
    offsets, data = np.array([0, 3], np.int64), np.zeros(3, np.uint8)
    one = np.zeros(1, np.uint8)
    for broken in ([0, 4], [2, 1], [-1, 3]):
        with pytest.raises(ValueError, match="offsets must ascend"):
            _native.find_repairs((np.array(broken, np.int64), data), one, ON, 1)
    with pytest.raises(ValueError, match="one for each text"):
        _native.find_repairs((offsets, data), np.zeros(2, np.uint8), ON, 1)
    with pytest.raises(ValueError, match="each is 0, 1 or 2"):
        _native.find_repairs((offsets, data), np.full(1, 3, np.uint8), ON, 1)
    with pytest.raises(ValueError, match="form"):
        _native.find_repairs((offsets, data), one, ON, 3)


def test_every_wrong_byte_is_found() -> None:
    """What Python's decoder refuses, and nothing else, in every place of what is told apart."""
    heads = [bytes([a, b]) for a in range(256) for b in range(0, 256, 7)]
    tails = [b"", b"\x80", b"\x80\x80", b"\xbf\x80x", b"a"]
    data = [head + tail for head in heads for tail in tails]
    for lead in (b"", "plain text that is longer than thirty-two bytes, é: ".encode()):
        texts = [lead + each for each in data]
        column = pa.array(texts, pa.large_binary()).cast(pa.large_string(), safe=False)
        _, wrong = repair_texts(column, DEFAULTS, np.zeros(len(texts), bool))
        for text, found in zip(texts, wrong, strict=True):
            assert found == _is_wrong(text), text


def _is_wrong(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return True
    return False


@pytest.mark.corpora
@needs_corpora
def test_equal_to_ftfy_in_388_languages() -> None:
    """Each as it stands, and twice decoded wrongly."""
    with zipfile.ZipFile(Path(str(CORPORA)) / "langid" / "udhr2.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".txt")]
        texts = [archive.read(name).decode("utf-8-sig") for name in names]
    assert len(texts) > 380
    texts = [text[:3000] for text in texts]
    for wrong in ("latin-1", "cp1252"):
        texts += [text[:300].encode().decode(wrong, "replace") for text in texts[:388]]
    assert repaired(texts) == [ftfy.fix_text(text, DEFAULTS) for text in texts]


def test_the_steps_of_ftfy_are_those_that_are_known() -> None:
    known = {
        *("unescape_html", "remove_terminal_escapes", "fix_encoding", "restore_byte_a0", "explain"),
        *("replace_lossy_sequences", "decode_inconsistent_utf8", "fix_c1_controls", "fix_latin_ligatures"),
        *("fix_character_width", "uncurl_quotes", "fix_line_breaks", "fix_surrogates"),
        *("remove_control_chars", "normalization", "max_decode_length"),
    }
    assert set(TextFixerConfig._fields) == known
    assert chardata.HTML_ENTITY_RE.pattern == "&#?[0-9A-Za-z]{1,24};"
