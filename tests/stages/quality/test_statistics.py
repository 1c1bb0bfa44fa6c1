"""Statistics: each figure against values counted by hand, and what holds for any text."""

from __future__ import annotations

import math
from dataclasses import asdict
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit.stages.quality.sentences import count_sentences
from corpuskit.stages.quality.statistics import FIGURES, Statistics, entropy, statistics
from tests.stages.quality.filtering import cycled, fillers

SENTENCES = {
    "The ship left. It came back! Did it? Yes.": (4, 1),
    "It cost 3.50 at 10.30 a.m. and weighed 1.5 kg.": (1, 1),
    "Wait... what?! No!!": (2, 1),
    "नदी शांत थी। नाव आई।": (2, 1),
    "船开了。没有人挥手。为什么？": (3, 1),
    "One line\nof a broken paragraph.\n\nA second one.\n\n\n\n  \nA third.": (3, 3),
    "He said: “Go.” She went.": (2, 1),
    "Mr. Hale met Dr. Orn at 5 p.m. in St. Ives.": (4, 1),  # By Unicode's rule, which knows no abbreviation.
    "No end mark here": (1, 1),
    "": (0, 0),
    " \n\t\n ": (0, 0),
    "See v1.2.3 at example.org. Done.": (2, 1),
    "— * * …\n\n###": (0, 2),
    "Good! , she said. And left": (2, 1),
    "Er kam um 5. Dann ging er.": (2, 1),
    "ဗမာစာ။ ကောင်းသည်။": (2, 1),
    "كيف حالك؟ بخير.": (2, 1),
}


@pytest.mark.parametrize(("text", "expected"), SENTENCES.items())
def test_sentences_and_paragraphs(text: str, expected: tuple[int, int]) -> None:
    found = statistics(text)
    assert (found.sentences, found.paragraphs) == expected


def test_characters_by_class() -> None:
    found = statistics("Äb1 ²(x)\n‘₽’\u3000e\u0301٣{")
    figures = {"chars": 17, "letters": 4, "marks": 1, "digits": 2, "upper": 1, "white_space": 3}
    figures |= {"punctuation": 5, "symbols": 1, "brackets": 3, "curly_brackets": 1, "line_ends": 1}
    assert {name: value for name, value in asdict(found).items() if name in figures} == figures


# Characters, outside of NeMo's class, signs and blanks, digits, address, whole address, blanks, brackets.
NEMO = {
    "Café naïve coöperate déjà vu, all in one short line of text here.": (65, 17, 14, 0, 0, 0, 12, 0),
    "Call 555 then 12 and 7 more of 90210 codes 33 44 (now) [or later].": (66, 18, 19, 15, 0, 0, 14, 4),
    "See https://example.org/a_long/path?with=query#part for it.": (59, 11, 14, 0, 19, 47, 3, 0),
    "word   word\tword\n\n\nword        word": (35, 12, 15, 0, 0, 0, 15, 0),
    "Пароход шёл по реке всю ночь.": (29, 28, 6, 0, 0, 0, 5, 0),
    "": (0, 0, 0, 0, 0, 0, 0, 0),
}


@pytest.mark.parametrize(("text", "expected"), NEMO.items())
def test_the_ratios_of_nemo(text: str, expected: tuple[int, ...]) -> None:
    found = statistics(text)
    outside = found.chars - found.nemo_alphanumeric
    signs = found.chars - found.letters - found.marks - found.digits
    urls = (found.url_chars, found.whole_url_chars)
    assert (found.chars, outside, signs, found.digits, *urls, found.nemo_space, found.brackets) == expected


def test_lines_and_paragraphs_that_repeat() -> None:
    lines = [
        letter * length
        for letter, length in zip("abcaecagic", [13, 61, 9, 13, 44, 9, 13, 57, 16, 9], strict=True)
    ]
    plain, spaced = statistics("\n".join(lines)), statistics("\n\n".join(lines))
    trailing = statistics(" \n".join(lines) + " ")
    for found in (plain, spaced, trailing):
        assert (found.dup_lines, found.repeat_lines) == (4, 10)
        assert (found.dup_line_chars, found.line_chars) == (44, 244)
    assert (spaced.dup_paragraphs, spaced.repeat_paragraphs, spaced.dup_paragraph_chars) == (4, 10, 44)
    assert (plain.dup_paragraphs, plain.paragraph_chars) == (0, 253)
    twice = statistics("\n\n".join(["a" * 106, "b" * 57, "a" * 106]))
    assert (twice.dup_paragraphs, twice.repeat_paragraphs) == (1, 3)
    assert (twice.dup_paragraph_chars, twice.paragraph_chars) == (106, 269)
    blank = statistics("\n" * 40 + "a" * 61 + "\n" * 20)
    assert (blank.dup_lines, blank.repeat_lines, blank.dup_line_chars) == (0, 1, 0)


def top_texts() -> dict[str, str]:
    """Two texts of the same words: which of two 2-grams that occur three times each comes first differs."""
    words = fillers([5] * 25 + [6] * 6)
    short, long = "an ox", "lighthouse keepers"

    def text(first: str, second: str) -> str:
        parts = [first, *words[:5], second, *words[5:10], first, *words[10:15], second, *words[15:20], first]
        return " ".join([*parts, *words[20:25], second, *words[25:]])

    return {"a": text(short, long), "b": text(long, short), "c": " ".join(["ha"] * 30), "d": "quiet"}


def test_the_top_2_gram() -> None:
    found = {name: statistics(text) for name, text in top_texts().items()}
    assert {(found[n].top_2_gram_chars, found[n].gram_chars, found[n].chars) for n in "ab"} == {
        (51, 224, 266)
    }
    assert (found["c"].top_2_gram_chars, found["c"].gram_chars) == (60, 60)
    assert (found["d"].top_2_gram_chars, found["d"].gram_chars) == (0, 5)
    theirs = {n: statistics(t, splitter="white_space", variant="datatrove") for n, t in top_texts().items()}
    assert [theirs[n].top_2_gram_chars for n in "abcd"] == [15, 54, 145, 0]


def repeated_texts() -> dict[str, str]:
    phrase = ["all", "visitors", "must", "leave", "the", "quay", "before", "the", "last", "bell", "rings"]
    words = fillers([5] * 7 + [4] * 28)
    a = [*words[:12], *phrase, *words[12:24], *phrase, *words[24:], *phrase]
    return {"a": " ".join(a), "b": " ".join(cycled("all visitors must", 34))}


def test_n_grams_that_repeat() -> None:
    texts = repeated_texts()
    a, b = statistics(texts["a"]), statistics(texts["b"])
    assert (a.words, a.gram_chars, a.chars) == (68, 294, 361)
    assert (a.dup_5_gram_chars, a.dup_7_gram_chars, a.dup_10_gram_chars) == (147, 147, 147)
    assert (b.gram_chars, b.chars) == (168, 201)
    assert (b.dup_5_gram_chars, b.dup_7_gram_chars, b.dup_10_gram_chars) == (168, 168, 168)
    for name, expected in (("a", (88, 66, 88)), ("b", (150, 138, 150))):
        found = statistics(texts[name], splitter="white_space", variant="datatrove")
        assert (found.dup_5_gram_chars, found.dup_7_gram_chars, found.dup_10_gram_chars) == expected


def test_words() -> None:
    found = statistics("It's 1,204 slow-moving B-52s, the The.\n— * 日本")
    assert (found.words, found.tokens, found.word_chars) == (10, 10, 31)
    assert (found.alpha_words, found.compounds) == (7, 8)
    assert (found.distinct_words, found.stop_words, found.stop_word_occurrences) == (9, 1, 2)
    assert (found.median_word_length_2, found.longest_word) == (2 * 3, 6)
    spaced = statistics("It's — the The. 日本", splitter="white_space")
    assert (spaced.tokens, spaced.words, spaced.stop_words) == (5, 4, 1)


def test_scripts() -> None:
    found = statistics("Москва и Paris, 東京と ไทย")
    assert (found.scripts, found.main_script_letters) == (5, 7)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_entropy_is_shannons_in_any_order(counts: list[int]) -> None:
    total = sum(counts)
    expected = -sum(count / total * math.log2(count / total) for count in counts)
    assert abs(entropy(counts) - 1000 * expected) <= 1
    assert entropy(counts) == entropy(sorted(counts))


ALPHABET = st.sampled_from("ab c.\n …#-•!?\"'1,{the 日ा\u3000\x85A€")


@settings(max_examples=300)
@given(st.text(ALPHABET, max_size=120), st.sampled_from(["unicode", "white_space"]))
def test_what_holds_for_every_text(text: str, splitter: str) -> None:
    found = statistics(text, splitter=splitter)  # type: ignore[arg-type]
    assert all(isinstance(value, int) and value >= 0 for value in asdict(found).values())
    shares = [
        ("dup_lines", "repeat_lines"),
        ("dup_line_chars", "line_chars"),
        ("bullet_lines", "split_lines"),
    ]
    shares += [("dup_paragraphs", "repeat_paragraphs"), ("dup_paragraph_chars", "paragraph_chars")]
    shares += [(name, "gram_chars") for name in FIGURES if name.endswith("_gram_chars")]
    shares += [
        ("alpha_words", "compounds"),
        ("compounds", "tokens"),
        ("words", "tokens"),
        ("short_lines", "lines"),
        ("url_chars", "chars"),
    ]
    for part, whole in shares:
        assert getattr(found, part) <= getattr(found, whole), (part, whole)
    assert found.paragraphs <= found.lines
    assert found.stop_words <= found.stop_word_occurrences


@given(st.lists(st.sampled_from(["x", "yy", "a b"]), max_size=12), st.integers(2, 4))
def test_top_and_repeated_n_grams_by_their_definition(pieces: list[str], n: int) -> None:
    words = " ".join(pieces).split()
    places: dict[tuple[str, ...], list[int]] = {}
    for at in range(len(words) - n + 1):
        places.setdefault(tuple(words[at : at + n]), []).append(at)

    def covered(starts: list[int]) -> int:
        return sum(len(words[at]) for at in {start + i for start in starts for i in range(n)})

    most = max(map(len, places.values()), default=0)
    top = max((covered(p) for p in places.values() if len(p) == most > 1), default=0)
    assert getattr(statistics(" ".join(words)), f"top_{n}_gram_chars") == top


def test_an_empty_text_has_nothing() -> None:
    assert statistics("") == Statistics()
    assert set(asdict(statistics("", variant="datatrove", splitter="white_space")).values()) <= {0, 1}


@pytest.mark.parametrize(
    "text", ["word " * 40_000, "x" * 200_000, ". " * 100_000, "a\n" * 100_000, "1. 2" * 50_000]
)
def test_long_texts_take_linear_time(text: str) -> None:
    """A quadratic way would take minutes here."""
    assert statistics(text).chars == len(text)
    assert count_sentences(text) >= 0


def test_the_mean_is_exact() -> None:
    found = statistics(
        ", ".join(cycled("go on to me and so we see it as an owl sat by us or at an elm", 66)) + ",."
    )
    assert Fraction(found.word_chars, found.words) == Fraction(149, 66)
