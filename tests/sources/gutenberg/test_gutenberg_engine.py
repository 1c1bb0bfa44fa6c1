"""The engine's half of a book is what its Python says: kinds of blocks, rules to ask, texts, counts."""

from __future__ import annotations

import gzip
import os
import random
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpuskit import _native
from corpuskit.sources.gutenberg import blocks as blocks_of
from corpuskit.sources.gutenberg import rules
from corpuskit.sources.gutenberg.blocks import ALONE, IN_RUN, KINDS, UNWRAPPED, find_blocks, tell_blocks
from corpuskit.sources.gutenberg.marks import _FORMS, EMPHASIS, NUMBERED, MarkOptions, Marks
from corpuskit.sources.gutenberg.note_words import lines_with_stems
from corpuskit.sources.gutenberg.reflow import _TOKEN, Hyphens, block_text
from corpuskit.sources.gutenberg.shape import (
    CHAPTER,
    BlockView,
    BookLines,
    BookShape,
    block_spans,
    book_shape,
    counted_shape,
    measure_block,
)
from corpuskit.sources.gutenberg.verse import WEIGHTS, beside_score, neighbours, verse_score

CORPORA = os.environ.get("CORPUSKIT_CORPORA")
SAMPLES = sorted((Path(__file__).parents[3] / "sample_corpora/books").glob("*/*.txt"))
ODD = [
    *"\t\u3000\u00a0_=~+[]{}()<>|*#-\u2014\u2013\u2028\x0b\x0c\x85\"'\u201c\u201d\u2018\u2019.,;:!?0123IVXLC",
    *"\u0130\u01c5\u01c6\u00b2\u00bd\u0663\u4e00\u3042\ud55c\u00e9\u017f\u212a\U0001f600\U0001d400",
    *("   ", "[Pg 12]", "[Illustration: ", "[Footnote 1: ", "--", "_the_", "....", "MR. SMITH."),
    *("FAUST (_alone_)", "CHAPTER I", "1. ", "Sc\u00e8ne", "Page 3", " \n", "\n\n\n", "Yours truly,"),
    *("I am, Sir,", "MDCCC", "fig.png", "Full size", "\nThe end\nof it\n", "iv", ". . . .", "Dear Sir,--"),
    *("June 3", "Footnote 1", "to-\nday", "[12]", "[A]", "\n1) ", "\n(a) ", ", 12", "  xii", "\u0142 "),
    *(
        "Ever your",
        "servant",
        "with",
        ", &c.",
        "My dear ",
        "Sir:--",
        "J. A.",
        "\nIV. ",
        "_II._--",
        "Monday, ",
    ),
    *("\nCopyright", "Printed by", "May 1", "1813", "[*]", "THE END.", "\n1. x\n\n2. y\n\n3. z\n\n"),
    *("\n     ", "\n  ", "12.", "\n          "),
]


PATTERNS_ALONE = "\u0130\u0663\u017f\u212a"
"""What the engine takes for no letters and digits, as patterns do; without them it decides more."""


def edited(text: str, seed: int) -> str:
    """A piece of a text with signs put in that blocks are told by."""
    source = random.Random(seed)
    signs = ODD if seed % 4 == 0 else [sign for sign in ODD if sign not in PATTERNS_ALONE]
    start = source.randrange(max(1, len(text) - 4000))
    piece = list(text[start : start + source.choice((300, 1500, 4000))])
    for _ in range(max(4, len(piece) // source.choice((15, 60)))):
        at = source.randrange(len(piece) + 1)
        piece[at:at] = [source.choice(signs)] if source.random() < 0.8 else ["\n"]
    if source.random() < 0.2:
        piece = list("".join(piece).upper())
    return "".join(piece).replace("\r", "\n")


def texts() -> list[str]:
    whole = [path.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n") for path in SAMPLES]
    return [*whole, *(edited(whole[seed % len(whole)], seed) for seed in range(160))]


@pytest.fixture(scope="module")
def samples() -> list[str]:
    found = texts()
    assert len(SAMPLES) > 1
    return found


def told(text: str) -> list[tuple[int, int, str]]:
    found = tell_blocks(text)
    return list(zip(found.first, found.stop, found.kinds, strict=True))


def test_kinds_are_those_of_the_reference(samples: list[str]) -> None:
    for text in samples:
        assert told(text) == [tuple(block) for block in find_blocks(text.split("\n"))]


@given(st.text(st.sampled_from("ab A\n\n.,-[]()_*1I\u201c\t\u3000\u00e9|"), max_size=120))
def test_kinds_of_any_text(text: str) -> None:
    assert told(text) == [tuple(block) for block in find_blocks(text.split("\n"))]


@pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA names no folder of real corpora")
def test_kinds_of_real_books() -> None:
    for path in sorted((Path(CORPORA or "") / "gutenberg").glob("*/*.txt.gz"))[::20]:
        text = gzip.decompress(path.read_bytes()).decode("utf-8", "replace").replace("\r\n", "\n")
        assert told(text) == [tuple(block) for block in find_blocks(text.split("\n"))], path.name


def test_the_engine_knows_the_rules_in_their_order() -> None:
    names = [rule.name for section in rules.SECTIONS for rule in section if rule.name != "entry"]
    assert _native.book_rules() == names


SPARED = {"line_of_note", "line_beside_prose", "note"}
"""They tell prose, which is what a block is without them: their bit is set where another rule waits."""


def check_rules(text: str) -> None:
    """A rule that holds has its bit, whatever stands above the block; a bit that is proof, its rule."""
    lines = text.split("\n")
    spans = block_spans(lines)
    measured = [measure_block(lines, spans, i) for i in range(len(spans))]
    shape = book_shape(measured)
    engine = _native.BookBlocks(text, lambda line: CHAPTER.match(line) is not None)
    assert counted_shape(engine, len(measured)) == shape
    for speakers in (shape.speakers, frozenset({"FAUST", "MR. SMITH"})):
        asked = BookShape(shape.width, shape.margin, shape.indent, speakers)
        scores = [verse_score(block, asked) for block in measured]
        numbers = (asked.width, asked.margin, asked.indent, speakers)
        assert engine.score(*numbers, np.array(list(WEIGHTS.values()))).tolist() == scores
        story = len(measured) // 2
        found = engine.tell(story)
        in_verse = sum(s > 0 for s in scores) > sum(s < 0 for s in scores)
        for i, block in enumerate(measured):
            view = BlockView(block, asked, scores[i], front=i < story, in_verse=in_verse)
            assert (rules.first_kind(rules.PLAIN, view) is not None) == bool(found["plain"][i])
            if found["plain"][i]:
                continue
            view.apart, view.beside = blocks_of._stands_apart(measured, i), neighbours(measured, scores, i)
            view.in_row = blocks_of._goes_on_counting(measured, i)
            scores[i] += beside_score(block, asked, view.beside)
            view.score = scores[i]
            assert (view.score, view.apart) == (found["scores"][i], bool(found["apart"][i]))
            check_block(view, int(found["rules"][i]), int(found["sure"][i]))


def check_block(view: BlockView, bits: int, proven: int) -> None:
    for before in KINDS:
        view.before = before
        view.__dict__.pop("capital_title", None)
        for section in rules.SECTIONS:
            for rule in section:
                if (section is rules.SEVERAL and view.count == 1) or rule.name == "entry":
                    continue
                bit = blocks_of._BITS[rule.name]
                holds = bool(rule.test(view))
                assert not holds or bits & bit or rule.name in SPARED, (rule.name, view.text)
                assert not proven & bits & bit & blocks_of._AFTER[before] or holds, (rule.name, view.text)
                if rule.kind is None and proven & bit:
                    break  # nothing is asked behind it
                only_after = blocks_of._AFTER[before] & bit
                assert only_after or not holds, (rule.name, view.text)


def test_a_rule_that_holds_is_asked(samples: list[str]) -> None:
    for text in samples[len(SAMPLES) :: 2]:
        check_rules(text)


def test_blocks_are_typeset_as_python_does(samples: list[str]) -> None:
    for text in samples[len(SAMPLES) - 1 :: 3]:
        blocks = tell_blocks(text)
        lines, n = text.split("\n"), len(blocks.kinds)
        for kind in KINDS[:-1]:
            codes = np.full(n, KINDS.index(kind), np.uint8)
            alone, _, _ = blocks.engine.typeset(codes, np.ones(n, np.uint8))
            runs, _, _ = blocks.engine.typeset(codes, np.zeros(n, np.uint8))
            spans = list(zip(blocks.first, blocks.stop, strict=True))
            joins = blocks.marks & (1 << 10)
            plain = Unjoined(BookLines(text))
            expected = [block_text(lines[first:stop], kind, plain) for first, stop in spans]
            kept = [i for i in range(n) if kind != "prose" or not joins[i]]
            assert [alone[i] for i in kept] == [expected[i] for i in kept]
            if len(kept) == n:
                gaps = ["\n" * (1 + min(b[0] - a[1], 2)) for a, b in pairwise(spans)]
                whole = "".join(f"{words}{gap}" for words, gap in zip(expected, [*gaps, ""], strict=True))
                assert "".join(runs) == whole


ITALICS = [*"__ a.,/@=~+-1\u00e9", "_of_", " _the_ ", "www.", "\n", "_\n", " _a b_", "c_", "x" * 90]


@given(st.lists(st.sampled_from(ITALICS), min_size=1, max_size=14).map("".join))
def test_italics_are_taken_out_as_python_does(text: str) -> None:
    blocks = tell_blocks(text)
    blocks = blocks._replace(codes=np.zeros(blocks.total, np.uint8))
    marks = Marks(MarkOptions(), blocks)
    raw, _, _ = blocks.typeset(np.full(blocks.total, ALONE, np.uint8))
    asked = (blocks.marks & EMPHASIS) != 0
    runs, parts, taken = blocks.typeset(np.where(asked, UNWRAPPED, ALONE).astype(np.uint8))
    # Two blocks beside one another may share a run: none that was not asked for is in one.
    unwrapped = [marks._unwrap(words) for words in raw]
    expected = [
        plain if part == IN_RUN else words for plain, words, part in zip(unwrapped, raw, parts, strict=True)
    ]
    assert [line for run in runs for line in run.split("\n") if line] == [
        line for words in expected for line in words.split("\n") if line
    ]
    assert taken == sum(len(a) - len(b) for a, b in zip(raw, expected, strict=True))
    plain = [words for words, part, ask in zip(raw, parts, asked, strict=True) if ask and part == IN_RUN]
    assert all("_" not in marks._unwrap(words) for words in plain)


def test_every_bracket_before_a_decimal_may_begin_a_page() -> None:
    """What the forms of page numbers take for a digit is one to the engine, in whatever script."""
    decimals = [c for c in map(chr, range(0x110000)) if c.isdecimal()]
    assert len(decimals) > 600
    brackets = ("[]", "{}", "()", "<>", "||")
    for (opening, closing), form, numbered in zip(brackets, _FORMS, NUMBERED, strict=True):
        texts = [f"x {opening}{c}{closing} y" for c in decimals]
        assert all(map(form.search, texts))
        marks = tell_blocks("\n\n".join(texts)).marks
        assert len(marks) == len(texts)
        assert ((marks & numbered) != 0).all()


class Unjoined(Hyphens):
    """Leaves hyphens at line ends: where they stand is the engine's to say, what becomes of them not."""

    def join(self, left: str, right: str) -> str:
        return left + right


def test_words_are_counted_as_all_words_are() -> None:
    lines = [
        "to-day To-Day today, a_b -day day- x-to-day",
        "TODAY day.day to--day \u00e9t\u00e9 \u00c9T\u00c9",
    ]
    listed = Counter(word.lower() for line in lines for word in _TOKEN.findall(line))
    for word in (*listed, "oday", "to", "t", "a"):
        assert Hyphens(BookLines("\n".join(lines)))._count(word) == listed[word], word
    # A word at the end of a sentence has another sigma, and a dotted I is two signs: all words are listed.
    odd = ["\u039f\u0394\u039f\u03a3'\u03b1 \u0130stanbul", "\u03bf\u03b4\u03bf\u03c2"]
    assert Hyphens(BookLines("\n".join(odd)))._count("\u03bf\u03b4\u03bf\u03c2") == 2


@given(
    st.text(st.sampled_from("ab-_ \n\u00e9\u4e00"), max_size=90),
    st.text(st.sampled_from("ab\u00e9\u4e00"), min_size=1, max_size=3),
)
def test_words_of_any_text_are_counted(text: str, word: str) -> None:
    assert _native.count_word(text, word, sys.maxsize) == _TOKEN.findall(text).count(word)
    assert _native.count_word(text, f"{word}-{word}", 99) == _TOKEN.findall(text).count(f"{word}-{word}")


@given(st.text())
def test_bytes_of_a_text(text: str) -> None:
    sound = text.encode("utf-8", "ignore").decode()
    assert _native.utf8_size(sound) == len(sound.encode())


@given(st.lists(st.sampled_from(["\r", "\n", "\r\n", "ab", "\u00e9", "\u2014", "\U0001d11e"])).map("".join))
def test_line_ends(text: str) -> None:
    assert _native.lf(text) == text.replace("\r\n", "\n").replace("\r", "\n")
    assert _native.lf(text, same_length=True) == text.replace("\r\n", " \n").replace("\r", "\n")


@given(
    st.text(st.sampled_from("ab\r\n\u00e9\u2014\U0001d11e"), max_size=30),
    st.integers(0, 32),
    st.integers(0, 32),
)
def test_line_ends_of_a_part(text: str, start: int, stop: int) -> None:
    part = text[start:stop]
    found = _native.lf(text, start, stop)
    assert found == part.replace("\r\n", "\n").replace("\r", "\n")
    # As narrow as it may be: of new texts, since others may hold their UTF-8 too.
    assert sys.getsizeof(found + "b") == sys.getsizeof(str(found.encode(), "utf-8") + "b")
    assert _native.lf(text, start, stop, same_length=True) == part.replace("\r\n", " \n").replace("\r", "\n")


def test_small_letters_of_all_characters() -> None:
    every = "".join(map(chr, (*range(0x3A3), *range(0x3A4, 0xD800), *range(0xE000, 0x110000))))
    for text in (every, every[:0x100], every[:0x10000]):
        assert _native.lower_utf8(text) == text.replace("\u0130", "I").lower().encode()


_OF_STEMS = (
    "abc",
    "[tn",
    "etex",
    "transcri",
    "\u00e1t\u00edr",
    "\u8f49\u9304",
    "\u03c4\u03bf\u03bd\u03b9\u03ba\u03cc",
    "index",
)
_PIECES_OF_LINES = (
    *_OF_STEMS,
    "\n",
    " ",
    "i",
    "\u0130NDEX",
    "TRANSCRI",
    "\u00c1T\u00cdR",
    "x" * 30,
    "\U0001d11e",
    "AB",
    "C",
)


@given(st.lists(st.sampled_from(_PIECES_OF_LINES), max_size=12).map("".join))
def test_lines_with_stems_are_found(text: str) -> None:
    starts = [0, *(i + 1 for i, sign in enumerate(text) if sign == "\n")]
    small = [line.replace("\u0130", "I").lower() for line in text.split("\n")]
    expected = [at for at, line in zip(starts, small, strict=True) if any(stem in line for stem in _OF_STEMS)]
    assert _native.Stems(list(_OF_STEMS)).lines(text).tolist() == expected


def test_a_sigma_at_the_end_of_a_word_is_found() -> None:
    text = "one\nDIGIT \u03a3\n\u03a4\u039f\u039d\u0399\u03a3\u039c\u038c\u03a3\n\u03a3"
    assert lines_with_stems(text) == [4, 12]


@pytest.mark.parametrize("stem", ["", "ab", "a\nbc"])
def test_stems_that_cannot_be_found(stem: str) -> None:
    with pytest.raises(ValueError, match="stems"):
        _native.Stems(["fine", stem])


def test_wrong_calls_of_the_engine() -> None:
    engine = _native.BookBlocks("one\n\ntwo", lambda line: False)
    weights = np.array(list(WEIGHTS.values()))
    with pytest.raises(ValueError, match=r"score\(\) comes first"):
        engine.tell(0)
    with pytest.raises(ValueError, match="as many as the model has features"):
        engine.score(70, 0, 0, (), weights[1:])
    with pytest.raises(ValueError, match="one for each block"):
        engine.typeset(np.zeros(1, np.uint8), np.zeros(2, np.uint8))
    with pytest.raises(ValueError, match="no such kind"):
        engine.typeset(np.full(2, len(KINDS), np.uint8), np.zeros(2, np.uint8))
    assert _native.BookBlocks("", lambda line: False).measures()["first"].tolist() == []
