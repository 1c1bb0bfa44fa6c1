"""Scores of texts that were written, each beside the rule or the signature that it was computed by.

    exact_match   share of texts that are the reference, letter by letter
    bleu, chrf    sacrebleu's of the whole corpus, one reference a text; arXiv:1804.08771, W15-3049
    rouge_l       mean of the F-measures of rouge-score's rougeL; W04-1013

Texts are scored as they stand in the file of predictions: an empty one counts like any other. Both libraries
are those of `corpuskit[seq2seq]`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from corpuskit.errors import SettingError

EXACT_RULE = "characters as they are"
NAMES = ("bleu", "chrf", "rouge_l")
"""Scores that libraries give."""


class Score(NamedTuple):
    """A score.

    Attributes:
        value: from 0 to 100.
        signature: how it was computed.
    """

    value: float
    signature: str


def exact_match(texts: Sequence[str], references: Sequence[str]) -> float:
    """The share of texts that are their reference, letter by letter, from 0 to 1; 0 of none.

    >>> exact_match(["ab", "a "], ["ab", "a"])
    0.5
    """
    return float(np.mean(matches(texts, references))) if texts else 0.0


def matches(texts: Sequence[str], references: Sequence[str]) -> list[float]:
    """Whether each text is its reference, 1 or 0."""
    return [float(text == reference) for text, reference in zip(texts, references, strict=True)]


@cache
def has_sacrebleu() -> bool:
    """Whether sacrebleu is installed."""
    return importlib.util.find_spec("sacrebleu") is not None


def require(name: str) -> None:
    """Raise SettingError where the library of a score is not installed."""
    library = "rouge_score" if name == "rouge_l" else "sacrebleu"
    if name in NAMES and importlib.util.find_spec(library) is None:
        raise SettingError(
            f"{name} is computed by {library.replace('_', '-')}, which is not installed",
            remedy="Install it: pip install 'corpuskit[seq2seq]'",
        )


def missing() -> list[str]:
    """What there is to be said of scores whose library is not installed."""
    found = []
    for name in NAMES:
        try:
            require(name)
        except SettingError as error:
            found.append(f"{error.message}. {error.remedy}")
    return found


def score_of(name: str, texts: Sequence[str], references: Sequence[str]) -> Score:
    """A score of a corpus, one of `NAMES`.

    Args:
        texts, references: as many of either, one at least.

    Raises SettingError where its library is not installed.
    """
    require(name)
    if name == "rouge_l":
        values = rouge_l(texts, references)
        return Score(100 * float(np.mean(values)), _rouge_signature())
    metric = _metric(name)
    found = metric.corpus_score(list(texts), [list(references)])
    return Score(float(found.score), str(metric.get_signature()))


def rouge_l(texts: Sequence[str], references: Sequence[str]) -> list[float]:
    """ROUGE-L of each text, its F-measure from 0 to 1, without stemming."""
    require("rouge_l")
    scorer = _rouge()
    pairs = zip(texts, references, strict=True)
    return [float(scorer.score(reference, text)["rougeL"].fmeasure) for text, reference in pairs]


def by_text(name: str, texts: Sequence[str], references: Sequence[str]) -> list[float]:
    """A score of each text by itself, from 0 to 100, by which models are compared: BLEU of one sentence has
    the rule for those ("eff:yes"), and the mean of them is not the corpus's score."""
    if name == "rouge_l":
        return [100 * value for value in rouge_l(texts, references)]
    require(name)
    metric = _metric(name, sentence=True)
    pairs = zip(texts, references, strict=True)
    return [float(metric.sentence_score(text, [reference]).score) for text, reference in pairs]


def rouge_note(texts: Sequence[str]) -> str:
    """What is to be said of ROUGE-L where texts hold letters that its tokenizer throws away; else ""."""
    if importlib.util.find_spec("rouge_score") is None:
        return ""
    other = sum(any(c.isalnum() and not c.isascii() for c in text) for text in texts)
    if not other:
        return ""
    return (
        f"{other:,} of {len(texts):,} references have letters or digits beyond a-z and 0-9: "
        "rouge-score's tokenizer parts words there and drops them"
    )


@cache
def _metric(name: str, sentence: bool = False) -> Any:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    return CHRF() if name == "chrf" else BLEU(effective_order=sentence)


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=False)


def _rouge_signature() -> str:
    from importlib.metadata import version

    return f"rougeL|F-measure|stemmer:no|tok:a-z0-9|mean of lines|rouge-score:{version('rouge-score')}"
