"""Samples in numbers: known words, variety, repetition. None of them says that a text makes sense."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from corpuskit.shards import Split
from corpuskit.train.codec import Codec
from corpuskit.train.drafts import Sampling
from corpuskit.train.generate import LanguageModel

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SPECIAL = re.compile(r"<\|\w*\|>")
_KNOWN_TOKENS = 500_000
_PIECES = 16
_SAMPLES, _SAMPLE_TOKENS = 4, 60


def words(text: str) -> list[str]:
    """The words of a text in lower case: letters, and apostrophes between them.

    >>> words("It's 3 o'clock, Mr. X_Y!")
    ["it's", "o'clock", 'mr', 'x', 'y']
    """
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def known_words(split: Split, codec: Codec, max_tokens: int = _KNOWN_TOKENS) -> frozenset[str]:
    """The words that stand in a split; in one above max_tokens, in 16 pieces of it with so many in all."""
    whole = split.tokens <= max_tokens
    length = split.tokens if whole else max_tokens // _PIECES
    starts = [0] if whole else [split.tokens // _PIECES * number for number in range(_PIECES)]
    found: set[str] = set()
    for start in starts:
        piece = words(_SPECIAL.sub(" ", codec.decode(split.read(start, length).tolist())))
        # The first and the last word of a piece may be cut.
        found.update(piece if whole else piece[1:-1])
    return frozenset(found)


def score(texts: Sequence[str], known: Collection[str]) -> dict[str, float | None]:
    """Numbers for texts, all together; None where there are too few words to tell.

    known_words: share of the words that are among `known`.
    distinct_1, distinct_2, distinct_3: different n-grams of words for each n-gram (arXiv:1510.03055).
    longest_repeat: most words in a row that stand twice in one text, which may overlap: a text that goes in
        circles has a long one.

    >>> score(["the sea the sea the sea", "a zorb"], {"the", "sea", "a"})["known_words"]
    0.875
    >>> score(["the sea the sea the sea", "a zorb"], {"the", "sea", "a"})["longest_repeat"]
    4
    """
    split = [words(text) for text in texts]
    count = sum(map(len, split))
    scores: dict[str, float | None] = {
        "known_words": _share(sum(word in known for each in split for word in each), count)
    }
    for n in (1, 2, 3):
        grams = [gram for each in split for gram in _grams(each, n)]
        scores[f"distinct_{n}"] = _share(len(set(grams)), len(grams))
    scores["longest_repeat"] = max(map(_longest_repeat, split), default=0)
    return scores


def milestone(model: LanguageModel, prompt: str, seed: int, known: Collection[str]) -> dict[str, Any]:
    """What the model writes at this point, from the same prompt and seed each time, and its scores.

    Four texts of 60 tokens are scored without the prompt, the first is shown.
    """
    samples = model.sample(prompt, _SAMPLE_TOKENS, Sampling(), seed, _SAMPLES)
    return {
        "text": samples[0].text,
        "scores": score([sample.text[len(prompt) :] for sample in samples], known),
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _grams(each: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(each[start : start + n]) for start in range(len(each) - n + 1)]


def _longest_repeat(each: Sequence[str]) -> int:
    """Length of the longest run that stands twice: by halving, since each part of such a run does too."""
    low, high = 0, len(each)
    while high - low > 1:
        middle = (low + high) // 2
        grams = _grams(each, middle)
        if len(set(grams)) < len(grams):
            low = middle
        else:
            high = middle
    return low
