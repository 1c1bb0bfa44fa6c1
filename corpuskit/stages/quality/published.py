"""Published rule sets as data: each rule with its limits, their source, and the variant that was chosen.

Limits are inclusive: a document at a limit stays. Where a paper and its codes differ, the ``variant`` says
what is done here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_GOPHER = "Rae et al. 2021, arXiv:2112.11446, A.1.1"
_C4 = "Raffel et al. 2020, JMLR 21(140), 2.2"
_FINEWEB = "Penedo et al. 2024, arXiv:2406.17557, 3.6; datatrove 0.10.1"
_NEMO = "NVIDIA NeMo Curator 1.x, heuristic_filter_english_pipeline.yaml"

_OTHER_LENGTHS = (
    *("ada", "chj", "cot", "cpu", "fon", "ii", "iii"),
    *("kal", "kl", "ko", "kor", "mal", "ml", "vai"),
)
"""Languages in which the Universal Declaration of Human Rights has a mean word length below 3 or above 10, of
the 388 of udhrinunicode.org: Dangme, Chinantec, Caquinte, Ashéninka, Fon, Yi, Greenlandic, Korean, Malayalam,
Vai."""

_WITHOUT_END_MARKS = ("bo", "bod", "dz", "dzo", "th", "tha")
"""Languages that end sentences with a blank or with a mark that Unicode does not call the end of one (the
Tibetan shad): of the Declaration's lines in them at most one in seventy ends in an end mark."""


@dataclass(frozen=True)
class PublishedRule:
    """Bounds on one figure.

    Attributes:
        name: also the reason of what it drops.
        set: the rule set.
        figure: what is compared (`figures.FIGURES`).
        least: smaller values are dropped; None for no such bound.
        most: greater values are dropped.
        source: where the limits are from.
        variant: what was chosen where definitions differ.
        english: whether it holds for English alone.
        spaced: whether it holds only where blanks part words: it is not asked of texts of which half of the
            words or more are letters of scripts without blanks (Han, kana, Thai, Lao, Khmer, Burmese,
            Tibetan).
        group: a name that several rules share, for ``only`` and ``off``.
        not_for: languages whose ordinary prose breaks it (codes of ISO 639), of which it is not asked.
    """

    name: str
    set: str
    figure: str
    least: str | None = None
    most: str | None = None
    source: str = ""
    variant: str = ""
    english: bool = False
    spaced: bool = False
    group: str = ""
    not_for: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """By what it can be named: its own name, its set, its group, and its name without the set's."""
        return (self.name, self.set, self.group or self.figure, self.name.partition("_")[2])


def _gopher_quality() -> list[PublishedRule]:
    name = "gopher_quality"
    return [
        PublishedRule("gopher_words", name, "words", "50", "100000", _GOPHER, "words of letters and digits"),
        PublishedRule(
            "gopher_mean_word_length",
            name,
            "mean_word_length",
            "3",
            "10",
            _GOPHER,
            "the mean, of words without the marks beside them (dolma: the median)",
            spaced=True,
            not_for=_OTHER_LENGTHS,
        ),
        PublishedRule(
            "gopher_hashes",
            name,
            "hashes_per_word",
            None,
            "0.1",
            _GOPHER,
            "each '#' counts (NeMo: words that are mostly '#'); apart from ellipses, never their sum",
            group="symbol_ratio",
        ),
        PublishedRule(
            "gopher_ellipses",
            name,
            "ellipses_per_word",
            None,
            "0.1",
            _GOPHER,
            "'…' and '...' from the left without overlap, so that six points are two; '. . .' is none",
            group="symbol_ratio",
        ),
        PublishedRule(
            "gopher_bullet_lines",
            name,
            "bullet_lines",
            None,
            "0.9",
            _GOPHER,
            "of lines that hold text; bullets are - * • ‣ ⁃ ⁌ ⁍ ∙ ○ ● ◘ ◦ ⦾ ⦿ ▪ ▫ ■ □, a number is none"
            " (datatrove: • and -, of all lines)",
        ),
        PublishedRule(
            "gopher_ellipsis_lines",
            name,
            "ellipsis_lines",
            None,
            "0.3",
            _GOPHER,
            "of lines that hold text; blanks behind it are passed over, quotation marks are not",
        ),
        PublishedRule(
            "gopher_alpha_words",
            name,
            "alpha_words",
            "0.8",
            None,
            _GOPHER,
            "letters of any script; marks that stand alone are no words, and what hyphens join is one",
        ),
        PublishedRule(
            "gopher_stop_words",
            name,
            "stop_words",
            "2",
            None,
            _GOPHER,
            "different ones of the, be, to, of, and, that, have, with, in any case (DCLM, NeMo: occurrences;"
            " datatrove: small letters alone)",
            english=True,
        ),
    ]


def _gopher_repetition() -> list[PublishedRule]:
    name, source = "gopher_repetition", f"{_GOPHER}, table A1"
    copies = "copies of an earlier one; blank lines and blanks at both ends are passed over"
    rules = [
        PublishedRule(
            "gopher_dup_paragraphs",
            name,
            "dup_paragraphs",
            None,
            "0.3",
            source,
            copies,
            group="dup_paragraphs",
        ),
        PublishedRule(
            "gopher_dup_paragraph_chars",
            name,
            "dup_paragraph_chars",
            None,
            "0.2",
            source,
            "of the characters in paragraphs",
            group="dup_paragraphs",
        ),
        PublishedRule("gopher_dup_lines", name, "dup_lines", None, "0.3", source, copies, group="dup_lines"),
        PublishedRule(
            "gopher_dup_line_chars",
            name,
            "dup_line_chars",
            None,
            "0.2",
            source,
            "of the characters in lines (dolma 1.0: of those without blanks)",
            group="dup_lines",
        ),
    ]
    top = "each word once, of the characters in words; of equally frequent ones that with most characters"
    rules += [
        PublishedRule(
            f"gopher_top_{n}_gram",
            name,
            f"top_{n}_gram",
            None,
            most,
            source,
            top,
            spaced=True,
            group="top_n_grams",
        )
        for n, most in ((2, "0.2"), (3, "0.18"), (4, "0.16"))
    ]
    doubled = (
        "all copies, the first too, each word once, of the characters in words (datatrove: later copies)"
    )
    return rules + [
        PublishedRule(
            f"gopher_dup_{n}_gram",
            name,
            f"dup_{n}_gram",
            None,
            most,
            source,
            doubled,
            spaced=True,
            group="dup_n_grams",
        )
        for n, most in zip(range(5, 11), ("0.15", "0.14", "0.13", "0.12", "0.11", "0.1"), strict=True)
    ]


def _c4() -> list[PublishedRule]:
    anywhere = "anywhere in the text, as in the paper (C4's code: on lines that stay; the stage c4_lines)"
    return [
        PublishedRule("c4_lorem_ipsum", "c4", "lorem_ipsum", None, "0", _C4, anywhere),
        PublishedRule("c4_curly_brackets", "c4", "curly_brackets", None, "0", _C4, anywhere),
        PublishedRule(
            "c4_sentences",
            "c4",
            "sentences",
            "5",
            None,
            _C4,
            "sentences by Unicode's rules, of any script",
            not_for=_WITHOUT_END_MARKS,
        ),
    ]


def _fineweb() -> list[PublishedRule]:
    name = "fineweb"
    return [
        PublishedRule(
            "fineweb_end_mark_lines",
            name,
            "end_mark_lines",
            "0.12",
            None,
            _FINEWEB,
            "of lines that hold text; end marks of every script; at the limit it stays",
            not_for=_WITHOUT_END_MARKS,
        ),
        PublishedRule(
            "fineweb_short_lines",
            name,
            "short_lines",
            None,
            "0.67",
            _FINEWEB,
            "of lines that hold text, up to 30 characters, which in scripts without blanks are a sentence",
            spaced=True,
        ),
        PublishedRule(
            "fineweb_dup_line_chars",
            name,
            "dup_text_line_chars",
            None,
            "0.01",
            _FINEWEB,
            "of the characters in lines",
        ),
        PublishedRule(
            "fineweb_line_ends",
            name,
            "line_ends_per_word",
            None,
            "0.3",
            _FINEWEB,
            "to words of any script: of scripts without blanks each letter",
        ),
    ]


def _nemo() -> list[PublishedRule]:
    ascii_only = "NeMo's class: ASCII letters and digits, ? ! , . and the line feed"
    bounds = (
        ("words", "words", "50", "100000", ""),
        ("mean_word_length", "mean_word_length", "3", "10", "of words without the marks beside them"),
        ("longest_word", "longest_word", None, "1000", ""),
        ("non_alphanumeric", "non_alphanumeric", None, "0.25", ascii_only),
        ("numbers", "digits", None, "0.15", "digits of any script"),
        ("urls", "urls", None, "0.2", "NeMo's pattern, which ends before the first slash behind the host"),
        ("white_space", "white_space", None, "0.25", "tab, line feed, return, backspace and blank"),
        ("brackets", "brackets", None, "0.1", "round, square, curly and angle brackets"),
        ("alpha_words", "alpha_words", "0.8", None, ""),
        ("common_words", "stop_word_occurrences", "2", None, "occurrences, in any case"),
        ("bullet_lines", "bullet_lines", None, "0.9", ""),
        ("ellipsis_lines", "ellipsis_lines", None, "0.3", "'...' and '…' alone"),
    )
    return [
        PublishedRule(f"nemo_{name}", "nemo_english", figure, least, most, _NEMO, variant, english=True)
        for name, figure, least, most, variant in bounds
    ]


RULES = (*_gopher_quality(), *_gopher_repetition(), *_c4(), *_fineweb(), *_nemo())
"""All rules, in the order in which they are asked: the first that a document breaks is its reason."""

SETS: Mapping[str, str] = {
    "gopher_quality": "Gopher, quality",
    "gopher_repetition": "Gopher, repetition",
    "c4": "C4, rules of whole documents; in a recipe its lines too (c4_lines); its words are bad_words",
    "fineweb": "FineWeb's own rules",
    "nemo_english": "NeMo Curator's English heuristics but those that repeat Gopher's repetition",
}
"""The rule sets, by name."""


LINE_RULES: Mapping[str, str] = {
    "c4_lines": f"C4's lines: end mark, 3 words, longest word 1000, javascript, policies, citations ({_C4})",
    "bad_words": f"words of given lists, by language ({_C4})",
    "refinedweb_lines": "lines of capitals, digits, counters or one word; at most 5 % of the words"
    " (Penedo et al. 2023, arXiv:2306.01116, G.2)",
}
"""Stages that cut lines or search for words, with their source."""
