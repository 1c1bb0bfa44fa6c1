"""The published rules: verdicts at and beside each limit, chosen variants, languages, profiles."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from corpuskit.documents.words import APART, word_spans
from corpuskit.errors import SettingError
from corpuskit.stages.quality.bad_words import BadWords
from corpuskit.stages.quality.c4_lines import C4Lines
from corpuskit.stages.quality.figures import FIGURES
from corpuskit.stages.quality.filter import Filter
from corpuskit.stages.quality.profiles import PROFILES, reason_off
from corpuskit.stages.quality.published import RULES, SETS
from corpuskit.stages.quality.rules import choose
from corpuskit.stages.quality.statistics import FIGURES as STATISTICS
from tests.stages.quality.filtering import applied, cycled, verdicts
from tests.stages.quality.test_statistics import NEMO, repeated_texts, top_texts

DATATROVE = {"words": "white_space", "variant": "datatrove"}


def one(*rules: str, **settings: object) -> Filter:
    """Some rules alone."""
    return Filter(only=rules, profile="none", **settings)  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------- Gopher, quality
COMPOUNDS = "slow-moving-river stone-built-tower after-noon-train winter-wheat-field"
WORDS = {
    "a": ", ".join(cycled("go on to me and so we see it as an owl sat by us or at an elm", 66)) + ",.",
    "b": " ".join(cycled(COMPOUNDS, 54)) + ".",
    "c": " ".join(["at"] * 52 + ["extraordinarily"] * 14) + ".",
    "d": " ".join(cycled("— * … !!", 84)),
}


def test_the_mean_word_length() -> None:
    assert verdicts(one("mean_word_length"), WORDS) == {"a": "gopher_mean_word_length", "d": "no_words"}
    found = applied(one("mean_word_length"), WORDS).batch.column("statistics").to_pylist()
    assert [(row["word_chars"], row["words"]) for row in found] == [(149, 66), (810, 162), (314, 66), (0, 0)]
    median = Filter(rules=(), limits={"min_median_word_length": 3, "max_median_word_length": 10})
    assert verdicts(median, WORDS) == {
        "a": "min_median_word_length",
        "c": "min_median_word_length",
        "d": "no_words",
    }


FERRY = cycled("the ferry left at noon and the wind turned so that the crew had to wait", 60)


def marked(mark: str, count: int, *, before: bool = False) -> str:
    """60 words, so many of them with a mark."""
    words = list(FERRY)
    for place in range(4, 4 + 6 * count, 6):
        words[place] = f"{mark}{words[place]}" if before else f"{words[place]}{mark}"
    return " ".join(words)


SYMBOLS = {
    "a": marked("...", 6),
    "b": marked("…", 7),
    "c": marked(" ......", 4),
    "d": marked(" . . .", 7),
    "e": marked("#", 7, before=True),
    "f": " ".join(["##", *FERRY[:30], "\n###", *FERRY[30:], "\n##"]),
}


def test_symbols_to_words() -> None:
    """Six in sixty are a tenth and stay; six points are two ellipses; spaced points are none."""
    expected = {"b": "gopher_ellipses", "c": "gopher_ellipses", "e": "gopher_hashes", "f": "gopher_hashes"}
    assert verdicts(one("symbol_ratio"), SYMBOLS) == expected
    found = applied(one("symbol_ratio"), SYMBOLS).batch.column("statistics").to_pylist()
    assert [(row["tokens"], row["hashes"], row["ellipses"]) for row in found] == [
        (60, 0, 6),
        (60, 0, 7),
        (60, 0, 8),
        (60, 0, 0),
        (60, 7, 0),
        (60, 7, 0),
    ]
    both = marked("#", 4, before=True) + " " + marked("…", 4)
    assert verdicts(one("symbol_ratio", limits={"max_hashes_per_word": 0.05}), {"both": both}) == {}


GOODS = [
    "salt",
    "rope and tar",
    "two lamps",
    "a sack of rye",
    "nails",
    "oil",
    "cloth",
    "candles",
]
ENDINGS = [
    "by the door...",
    "came…",
    "struck… ",
    "“Then we go…”",
    "They left.",
    "How cold!",
    "A dog.",
    "Who?",
    "He.",
    "So.",
]
LINES = {
    "a": "\n\n".join(
        [
            "Taken along:",
            *(
                f"{'  ' * (i % 2)}{m} {g}"
                for i, (m, g) in enumerate(zip(cycled("• - * ‣ ●", 19), cycled(GOODS, 19), strict=True))
            ),
        ]
    ),
    "b": "\n".join(ENDINGS),
    "c": "\n\n".join(ENDINGS),
    "d": "\n".join(f"1. {item}" for item in cycled(GOODS, 20)),
}


def test_bullets_and_ellipses_at_lines() -> None:
    """19 of 20 lines begin with a bullet; 3 of 10 end in an ellipsis, which is not more than 0.3."""
    assert verdicts(one("bullet_lines", "ellipsis_lines"), LINES) == {"a": "gopher_bullet_lines"}
    found = applied(one("bullet_lines"), LINES).batch.column("statistics").to_pylist()
    assert [(row["split_lines"], row["bullet_lines"], row["ellipsis_lines"]) for row in found] == [
        (20, 19, 0),
        (10, 0, 3),
        (10, 0, 3),
        (20, 0, 0),
    ]
    assert verdicts(one("bullet_lines", "ellipsis_lines", **DATATROVE), LINES) == {}


NOUNS = "river stone bridge winter market lantern harbour meadow tower garden"
NUMBERS = "1,204 17 3.5 12:40"


def alpha_texts() -> dict[str, str]:
    a = cycled([*NOUNS.split()[:8], "17", "1,204"], 50) + cycled(NUMBERS, 2) + cycled(NOUNS, 8)
    b = [*a[:-1], "3.5"]
    return {
        "a": " ".join(a),
        "b": " ".join(b),
        "c": " , ".join(a[:30]) + " , " + " ".join(a[30:]),
        "d": " ".join(cycled("नदी पुल गाँव शहर रात सुबह", 54) + cycled("१७ ३", 6)),
        "e": " ".join(cycled("4th x2 B-52 3D", 60)),
    }


def test_words_with_a_letter() -> None:
    """48 of 60 are not below 0.8; commas that stand alone are no words; letters of every script count."""
    texts = alpha_texts()
    assert verdicts(one("alpha_words"), texts) == {"b": "gopher_alpha_words"}
    found = applied(one("alpha_words"), texts).batch.column("statistics").to_pylist()
    assert [(row["alpha_words"], row["compounds"]) for row in found] == [
        (48, 60),
        (47, 60),
        (48, 60),
        (54, 60),
        (60, 60),
    ]
    theirs = verdicts(one("alpha_words", **DATATROVE), texts)
    assert theirs == {"b": "gopher_alpha_words", "c": "gopher_alpha_words"}


STOP_WORDS = {
    "a": "Der Müller ging am Abend zum Fluss und sah, dass das Wasser über die Wiese lief.",
    "b": " ".join(["the"] * 5 + cycled(NOUNS, 55)),
    "c": " ".join(["The", *cycled(NOUNS, 27), "harbour. And", *cycled(NOUNS, 26)]),
    "d": " ".join([*cycled(NOUNS, 50), "within", "thereof", "another", "hand", "betrothed"]),
    "e": " ".join(["the", *cycled(NOUNS, 54), "of,"]),
}


def test_stop_words() -> None:
    """Different ones count, in any case, without the marks beside them; the rule is for English alone."""
    languages = {"a": "de"} | dict.fromkeys("bcde", "en")
    dropped = dict.fromkeys("bd", "gopher_stop_words")
    assert verdicts(one("stop_words"), STOP_WORDS, languages) == dropped
    assert verdicts(one("stop_words"), STOP_WORDS, languages | {"c": "en-GB"}) == dropped
    assert verdicts(one("stop_words"), STOP_WORDS) == {}
    assert verdicts(one("stop_words", language="en"), STOP_WORDS, {"a": "de"}) == dropped
    assert (
        verdicts(one("stop_words", every_language=True), STOP_WORDS) == {"a": "gopher_stop_words"} | dropped
    )
    occurrences = Filter(rules=(), limits={"min_stop_word_occurrences": 2})
    assert verdicts(occurrences, {"b": STOP_WORDS["b"]}) == {}
    theirs = verdicts(one("stop_words", language="en", every_language=True, **DATATROVE), STOP_WORDS)
    assert theirs == dict.fromkeys("abcde", "gopher_stop_words")


# -------------------------------------------------------------------------------------- Gopher, repetition
def repeated_lines() -> dict[str, str]:
    lengths = [13, 61, 9, 13, 44, 9, 13, 57, 16, 9]
    lines = [letter * length for letter, length in zip("abcaecagic", lengths, strict=True)]
    return {
        "a": "\n".join(lines),
        "b": "\n\n".join(lines),
        "c": "".join(f"{line}{' ' * (i % 2)}\n" for i, line in enumerate(lines)),
        "d": "\n\n".join(["a" * 106, "b" * 57, "a" * 106]),
        "e": "\n" * 40 + "a" * 61 + "\n" * 20,
    }


def test_lines_and_paragraphs_that_repeat() -> None:
    texts = repeated_lines()
    found = verdicts(one("dup_lines"), texts)
    assert found == {
        "a": "gopher_dup_lines",
        "b": "gopher_dup_lines",
        "c": "gopher_dup_lines",
        "d": "gopher_dup_lines",
    }
    characters = verdicts(one("gopher_dup_line_chars", "gopher_dup_paragraph_chars"), texts)
    assert characters == {"d": "gopher_dup_paragraph_chars"}
    both = verdicts(one("dup_lines", "dup_paragraphs"), texts)
    assert both["b"] == both["d"] == "gopher_dup_paragraphs"
    theirs = verdicts(one("dup_lines", "dup_paragraphs", **DATATROVE), texts)
    assert theirs == {
        "a": "gopher_dup_lines",
        "b": "gopher_dup_paragraphs",
        "d": "gopher_dup_paragraphs",
        "e": "gopher_dup_lines",
    }


def test_the_top_2_gram() -> None:
    """The order of words decides nothing; a word alone has no 2-gram."""
    assert verdicts(one("top_2_gram"), top_texts()) == dict.fromkeys("abc", "gopher_top_2_gram")
    theirs = verdicts(one("top_2_gram", **DATATROVE), top_texts())
    assert theirs == dict.fromkeys("bc", "gopher_top_2_gram")


def test_n_grams_that_repeat() -> None:
    texts = repeated_texts()
    assert verdicts(one("dup_n_grams"), texts) == dict.fromkeys("ab", "gopher_dup_5_gram")
    assert verdicts(one("dup_n_grams", **DATATROVE), texts) == dict.fromkeys("ab", "gopher_dup_5_gram")


# ------------------------------------------------------------------------------------------ FineWeb, NeMo
def web_page(ended: int, trailing: str = "") -> str:
    """25 lines of about twelve words, of which so many end in a full stop."""
    words = cycled("lamps along harbour walls were lit and nets hung drying between posts south", 293)
    lines = [" ".join(words[i * 12 : (i + 1) * 12]) for i in range(24)] + [" ".join(words[288:])]
    marks = ["." if i < ended else "," for i in range(25)]
    return (
        "\n".join(
            f"{i} {line}"[len(str(i)) + 1 :] + mark
            for i, (line, mark) in enumerate(zip(lines, marks, strict=True))
        )
        + trailing
    )


VERSE = "The kettle starts to sing,\nthe cat has gone to bed,\na moth is on the wing.\n"
CHINESE = "港口的灯亮了，渔网挂在铁柱之间晒着，有人在唱歌，船长站在码头上等待风停下来。"
FINEWEB = {
    "a": web_page(3),
    "b": web_page(3, "\n"),
    "c": web_page(4),
    "d": "\n".join(f"{CHINESE}{i}。" for i in range(8)),
    "e": VERSE + "\nI heard what you said,",
}


def test_the_lines_of_fineweb() -> None:
    """3 of 25 lines are 0.12 and stay; a line feed at the end changes nothing; each script has its marks."""
    rules = one("fineweb_end_mark_lines", "fineweb_short_lines", "fineweb_line_ends")
    assert verdicts(rules, FINEWEB) == {"e": "fineweb_short_lines"}
    found = applied(rules, FINEWEB).batch.column("statistics").to_pylist()
    told = [(r["end_mark_lines"], r["lines"], r["line_ends"], r["words"]) for r in found]
    assert told == [(3, 25, 24, 293), (3, 25, 25, 293), (4, 25, 24, 293), (8, 8, 7, 280), (1, 4, 4, 22)]
    assert verdicts(one("fineweb_end_mark_lines"), {"below": web_page(2)}) == {
        "below": "fineweb_end_mark_lines"
    }
    theirs = verdicts(one("fineweb", **DATATROVE), {name: FINEWEB[name] for name in "d"})
    assert theirs == {"d": "fineweb_line_ends"}


def test_verse_falls_on_the_web_alone() -> None:
    poem = {"files:poems:0": FINEWEB["e"]}
    fineweb = ("fineweb",)
    assert verdicts(Filter(profile="web", rules=fineweb), poem) == {"files:poems:0": "fineweb_short_lines"}
    assert verdicts(Filter(profile="verse", rules=fineweb), poem) == {}
    assert verdicts(Filter(profile="books", rules=fineweb), poem) == {}
    assert verdicts(Filter(profile="auto", rules=fineweb), poem) == {"files:poems:0": "fineweb_short_lines"}
    assert verdicts(Filter(profiles={"poems": "verse"}), poem) == {}
    [rule] = [rule for rule in RULES if rule.name == "fineweb_short_lines"]
    assert reason_off("verse", rule) == "a verse is a short line"


def test_nemo_asks_of_english_alone() -> None:
    texts = dict(zip("abcdef", NEMO, strict=True))
    ratios = one("non_alphanumeric", "digits", "urls", "white_space", "brackets")
    assert verdicts(ratios, texts, dict.fromkeys("abcde", "ru")) == {"f": "empty"}
    found = verdicts(ratios, texts, "en")
    assert found == {
        "a": "nemo_non_alphanumeric",
        "b": "nemo_non_alphanumeric",
        "c": "nemo_urls",
        "d": "nemo_non_alphanumeric",
        "e": "nemo_non_alphanumeric",
        "f": "empty",
    }
    forced = Filter(rules=("nemo_english",), only=("non_alphanumeric",), every_language=True)
    assert verdicts(forced, {"e": texts["e"]}, "ru") == {"e": "nemo_non_alphanumeric"}
    for figure, expected in (("numbers", "b"), ("urls", "c"), ("white_space", "d")):
        assert verdicts(one(f"nemo_{figure}"), texts, "en") == {expected: f"nemo_{figure}", "f": "empty"}
    assert verdicts(one("brackets"), texts, "en") == {"f": "empty"}


# ------------------------------------------------------------------------------------- languages, settings
def test_scripts_without_blanks_are_not_asked_for_the_length_of_words() -> None:
    chinese = "港口的灯亮了，渔网挂在铁柱之间晒着。" * 10
    assert verdicts(one("mean_word_length", "top_n_grams", "dup_n_grams"), {"zh": chinese}) == {}
    korean = {"ko": "모든 인류 구성원의 천부의 존엄성 은 세 계 인 권 선 언"}
    assert verdicts(one("mean_word_length"), korean, "ko") == {}
    assert verdicts(one("mean_word_length"), korean) == {"ko": "gopher_mean_word_length"}


def test_letters_that_are_words_are_those_of_the_definition() -> None:
    texts = {"a": "日本 2016年 ไทย ๑๒", "b": "plain", "c": "བོད་ཡིག", "d": "ｶﾞ〇㊀ﾞ"}
    found = applied(one("words"), texts).batch.column("statistics").to_pylist()
    patterns = [f"{chr(first)}-{chr(last)}" for first, last in APART]
    expected = [
        sum(
            bool(re.match(f"[{''.join(patterns)}]", text[first])) and not text[first].isdecimal()
            for first, _ in word_spans(text)
        )
        for text in texts.values()
    ]
    assert [row["apart_words"] for row in found] == expected
    spaced = applied(one("words", words="white_space"), texts).batch.column("statistics").to_pylist()
    assert [row["apart_words"] for row in spaced] == [0] * 4


def test_a_limit_of_ones_own() -> None:
    texts = {"short": "one two", "long": "one two three four"}
    assert verdicts(Filter(rules=(), limits={"min_words": 3}), texts) == {"short": "min_words"}
    assert verdicts(Filter(rules=("gopher_words",), limits={"min_words": 3}), texts) == {"short": "min_words"}
    assert verdicts(Filter(rules=("gopher_words",), limits={"min_words": None}), texts) == {}
    # A third is not a decimal number: what lies at the next ones does.
    third = {"third": "1 a b"}
    assert verdicts(Filter(rules=(), limits={"min_alpha_words": 0.666666666}), third) == {}
    assert verdicts(Filter(rules=(), limits={"min_alpha_words": 0.666666667}), third) == {
        "third": "min_alpha_words"
    }


def test_a_limit_holds_in_every_profile_and_leaves_the_other_rules_as_they_are() -> None:
    rules = Filter(limits={"min_words": 3, "min_stop_words": 1})
    assert rules.profile_in_use == "auto"
    names = [bound.name for bound in rules.bounds()]
    assert names[:3] == ["min_words", "gopher_words", "gopher_mean_word_length"]
    assert "min_stop_words" in names
    assert "gopher_stop_words" not in names
    assert {bound.name: bound.least for bound in rules.bounds()}["gopher_words"] is None
    wiki = {"wikipedia:x:1": "Ulm", "wikipedia:x:2": "Ulm lies on the Danube."}
    assert verdicts(rules, wiki) == {"wikipedia:x:1": "min_words"}
    # The limit is asked of the languages that the rule is asked of.
    text = {"gutenberg:1": "Wer reitet so spät durch Nacht und Wind?"}
    assert verdicts(rules, text, "de") == {}
    assert verdicts(rules, text, "en") == {"gutenberg:1": "min_stop_words"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rules": ["gopher_qualty"]}, "Did you mean 'gopher_quality'"),
        ({"rules": ["bad_words"]}, "add lists"),
        ({"rules": ["c4"], "lists": {"en": "bad.txt"}}, "add it to rules"),
        ({"rules": ["c4_lines"], "off": ["c4_lines"]}, "no rule is left"),
        ({"only": ["mean_word"]}, "no rule is called 'mean_word'"),
        ({"limits": {"min_wrds": 1}}, "no figure is called 'wrds'"),
        ({"limits": {"words": 1}}, "min_FIGURE"),
        ({"limits": {"min_words": -1}}, "is no limit"),
        ({"limits": {"max_digits": "a lot"}}, "is no limit"),
        ({"limits": {"min_words": 5, "max_words": 4}}, "at least"),
        ({"rules": ["gopher_words"], "off": ["words"]}, "no rule is left"),
        ({"profile": "prose"}, "profile"),
        ({"rules": ["c4"], "profiles": {"poems": "verse"}}, "profile: auto"),
    ],
)
def test_a_wrong_setting_is_told(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Filter(**settings)  # type: ignore[arg-type]


def test_what_hyphens_join_is_one_word_for_the_share_of_words_with_a_letter() -> None:
    texts = {"a": "F-16 17 COVID‑19 2024-05-17 x2", "b": "1--2 a -- b-", "c": "17\r\n18 ١٢-x", "d": ""}
    found = applied(one("alpha_words"), texts).batch.column("statistics").to_pylist()
    told = [(row["alpha_words"], row["compounds"], row["tokens"]) for row in found]
    assert told == [(3, 5, 9), (2, 4, 4), (1, 3, 4), (0, 0, 0)]


THAI = "เมื่อวานนี้ฝนตกทั้งวัน แม่น้ำขึ้นสูงจนถึงสะพาน และไม่มีใครออกจากบ้านในหมู่บ้านริมน้ำ"


def test_languages_without_end_marks_and_short_lines_without_blanks() -> None:
    """Thai parts sentences by blanks; 30 Chinese characters are a sentence, not the item of a menu."""
    thai = {"x": "\n".join([THAI] * 4)}
    marks = one("c4_sentences", "fineweb_end_mark_lines")
    assert verdicts(marks, thai, "th") == {}
    assert verdicts(marks, thai, "en") == {"x": "c4_sentences"}
    chinese = {"x": "\n".join(f"{i}年，港口的灯亮了，有人在唱歌。" for i in range(8))}
    assert verdicts(one("fineweb"), chinese, "zh") == {}
    assert verdicts(one("fineweb"), {"x": "Home\nNews\nContact us.\n"}) == {"x": "fineweb_short_lines"}


def test_documents_without_a_language_are_told_where_english_is_asked_for() -> None:
    texts = {"en": "stone river", "none": "stone river", "de": "Stein"}
    languages = {"en": "en", "de": "de"}

    def told(rule: Filter) -> Mapping[int, str]:
        return rule.passed_over(applied(rule, texts, languages).batch.select(["id", *rule.columns]))

    assert list(told(one("stop_words"))) == [1]
    assert "rules for English were not asked (gopher_stop_words)" in told(one("stop_words"))[1]
    for rule in (
        one("gopher_words"),
        one("stop_words", language="en"),
        one("stop_words", every_language=True),
    ):
        assert told(rule) == {}
    assert told(Filter(profile="verse")) == {}


def test_rules_of_lines_and_words_run_as_stages() -> None:
    """Sets and names of lines stand for their stages, before what is left of the filter."""
    lists = {"en": "bad.txt"}
    rule = Filter(rules=("c4", "refinedweb", "c4_bad_words"), lists=lists, language="en")
    found = rule.expanded()
    assert [stage.name for stage in found] == ["c4_lines", "refinedweb_lines", "bad_words", "filter"]
    assert found[2] == BadWords(lists=lists, language="en")
    left = found[-1]
    assert isinstance(left, Filter)
    assert [bound.name for bound in left.bounds()] == ["c4_lorem_ipsum", "c4_curly_brackets", "c4_sentences"]
    again = Filter.model_validate(left.model_dump(mode="json"))
    assert again.expanded() == (again,) == (left,)
    assert Filter(rules=("c4_lines",)).expanded() == (C4Lines(),)
    for whole in (
        Filter(),
        Filter(rules=("c4",), off=("c4_lines",)),
        Filter(rules=("c4",), only=("sentences",)),
    ):
        assert whole.expanded() == (whole,)


def test_the_tables_hold_together() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    assert {rule.set for rule in RULES} == set(SETS)
    for rule in RULES:
        assert rule.source
        assert FIGURES[rule.figure].count in STATISTICS
    for figure in FIGURES.values():
        assert {figure.count, *figure.less, *([figure.over] if figure.over else [])} <= set(STATISTICS)
    every = {name for rule in RULES for name in rule.names}
    for profile, off in PROFILES.items():
        assert set(off) <= every, profile
        assert all(off.values())
    assert [bound.name for bound in choose(None, (), (), {})] == names
