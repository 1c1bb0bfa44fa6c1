"""Which function trains the tokenizer of a recipe that asks for another model than byte-level BPE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from corpuskit.tokenizer import special
from corpuskit.tokenizer.models.unigram import train_unigram
from corpuskit.tokenizer.models.words import given_wordpiece, train_word_level, train_wordpiece
from corpuskit.tokenizer.tokenizer import Tokenizer

Model = Literal["bpe", "word_level", "wordpiece", "unigram"]

LOSSY = ("word_level", "wordpiece")
"""Models that make one unknown token of what is not in their vocabulary, and keep no white space."""

_SETTINGS = {
    "word_level": ("words", "min_frequency", "lowercase", "strip_accents"),
    "wordpiece": ("vocab_size", "vocabulary", "min_frequency", "lowercase", "strip_accents"),
    "unigram": ("vocab_size", "min_frequency", "pattern"),
}


def settings_of(model: str) -> tuple[str, ...]:
    """Names of the settings that a model beside BPE has."""
    return _SETTINGS[model]


def train_other(texts: Iterable[str], settings: Mapping[str, Any]) -> Tokenizer:
    """Train, or read from its vocabulary, the tokenizer that settings (`TrainTokenizer`) ask for.

    Args:
        texts: read once; not at all where a vocabulary is given.
    """
    model, frequency = settings["model"], settings["min_frequency"]
    forms = {name: settings[name] for name in ("lowercase", "strip_accents")}
    if model == "word_level":
        words = settings["words"] or settings["vocab_size"] - special.RESERVED
        return train_word_level(texts, words, frequency, **forms)
    if model == "unigram":
        return train_unigram(texts, settings["vocab_size"], settings["pattern"], frequency)
    if settings["vocabulary"] is not None:
        return given_wordpiece(settings["vocabulary"], **forms)
    return train_wordpiece(texts, settings["vocab_size"], frequency, **forms)
