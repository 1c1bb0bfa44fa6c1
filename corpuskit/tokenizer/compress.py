"""How much text a token holds: of a tokenizer, of its smaller selves, and how large a vocabulary should be.

A vocabulary of merges holds all smaller ones: the first n merges are those that training for n alone gives.
The curve over sizes costs no training, only another count of the same sample.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import models

from corpuskit.documents.texts import in_batches
from corpuskit.tokenizer.files import named_tokenizer, read_given

_BATCH_CHARACTERS = 2**17

SOURCE = "Tao et al. 2024, Scaling Laws with Vocabulary (arXiv:2407.13623), approaches 1 and 2"

FITTED = (33_000_000, 1_130_000_000)
"""Parameters beside the vocabulary of the models that the laws were fitted on."""

# (at most so many parameters beside the vocabulary, width): the models of the paper.
_WIDTHS = (
    (50e6, 512),
    (200e6, 768),
    (500e6, 1024),
    (1e9, 1536),
    (2e9, 2048),
    (5e9, 3200),
    (10e9, 4096),
    (20e9, 5120),
    (50e9, 6048),
    (100e9, 8192),
)


class TokenCounter:
    """A tokenizer.json that counts tokens, and makes none: it needs no end of a text, and may lose some."""

    def __init__(self, data: bytes) -> None:
        self._model = tokenizers.Tokenizer.from_buffer(data)
        self._model.encode_special_tokens = True
        self._model.no_truncation()
        self._model.no_padding()
        if getattr(self._model.model, "dropout", None):
            self._model.model.dropout = None

    @classmethod
    def read(cls, path: Path | str) -> TokenCounter:
        """That of a file, folder or cached repository (`named_tokenizer`). Raises `InputError` for others."""
        return cls(read_given(named_tokenizer(path))[1])

    @property
    def vocab_size(self) -> int:
        """Its tokens, added ones with them."""
        return int(self._model.get_vocab_size(with_added_tokens=True))

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        counts: list[int] = []
        for batch in in_batches(texts, _BATCH_CHARACTERS):
            found = self._model.encode_batch_fast(batch, add_special_tokens=False)
            counts += [len(encoding.ids) for encoding in found]
        return counts


@dataclass(frozen=True)
class Point:
    """One size of a vocabulary.

    Attributes:
        vocab_size: ids, special tokens with them.
        tokens: of the sample.
        bytes_per_token: of the sample.
        saved: tokens of the sample that each id saves which the size before had not; None of the first.
    """

    vocab_size: int
    tokens: int
    bytes_per_token: float
    saved: float | None


def curve(data: bytes, texts: Sequence[str]) -> list[Point]:
    """Bytes per token for the smaller vocabularies within one, down to single bytes or letters.

    Args:
        data: a tokenizer.json.
        texts: the sample.

    Returns:
        a point for each power of two below the size, and one for the size; one alone where the model is no
        byte-pair encoding, or takes whole words from its vocabulary before it merges.
    """
    document = json.loads(data)
    model = document["model"]
    whole = TokenCounter(data).vocab_size
    merges = model.get("merges") or []
    nested = bool(merges) and not model.get("ignore_merges")
    least = whole - len(merges)
    sizes = [whole]
    if nested:
        # Below, a blank in front of most letters is not merged yet: of no use to anyone.
        powers = (2**n for n in range(math.ceil(math.log2(max(2, least + 1))), 40))
        sizes = (
            [least, *(size for size in iter(powers) if least < size < whole), whole]
            if least < whole
            else sizes
        )
    size_of_text = sum(len(text.encode()) for text in texts)
    words = _pretokens(document, texts) if nested else None
    points: list[Point] = []
    for size in sizes:
        kept = merges[: len(merges) - (whole - size)]
        if words is not None:
            tokens = _count_words(model["vocab"], kept, words)
        else:
            smaller = document | {"model": model | {"merges": kept}} if nested else document
            tokens = sum(TokenCounter(json.dumps(smaller).encode()).count(texts))
        before = points[-1] if points else None
        saved = (before.tokens - tokens) / (size - before.vocab_size) if before else None
        points.append(Point(size, tokens, size_of_text / tokens if tokens else 0.0, saved))
    return points


def _pretokens(document: dict[str, Any], texts: Sequence[str]) -> Counter[str] | None:
    """How often each pretoken stands in texts, so that each is encoded once for a size.

    None unless pretokens alone say what the tokens are: a file may find words of its own first.
    """
    model = document["model"]
    more = [token for token in document.get("added_tokens") or [] if not token.get("special")]
    marks = ("continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "unk_token", "dropout")
    if document.get("normalizer") or more or any(model.get(mark) for mark in marks):
        return None
    splitter = tokenizers.Tokenizer.from_str(json.dumps(document)).pre_tokenizer
    if splitter is None:
        return None
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in splitter.pre_tokenize_str(text))
    return counts


def _count_words(vocabulary: dict[str, int], merges: Sequence[Any], words: Counter[str]) -> int:
    spelled = (pair.split(" ", 1) if isinstance(pair, str) else pair for pair in merges)
    pairs = [(str(left), str(right)) for left, right in spelled]
    model = models.BPE(vocabulary, pairs)
    return sum(count * len(model.tokenize(word)) for word, count in words.items())


@dataclass(frozen=True)
class Advice:
    """A size of vocabulary for a model.

    Attributes:
        parameters: of the model beside its vocabulary.
        width: of its embeddings.
        by_flops, by_derivative: ids by the two laws of `SOURCE`.
        fitted: whether a model of this size was among those that the laws were fitted on.
        cheapest: of the sizes of a curve the one at which reading the sample costs least; None without a
            curve.
    """

    parameters: int
    width: int
    by_flops: int
    by_derivative: int
    fitted: bool
    cheapest: int | None


def advise(parameters: int, points: Sequence[Point] = (), width: int | None = None) -> Advice:
    """How large a vocabulary should be for a model that is trained for as long as its size is worth.

    The laws say how many parameters the vocabulary, ids times width, should have beside N others:

    1. of the best models for so much computation F: N = e^-2.4847 F^0.5 and ids x width = e^-1.5890 F^0.4164;
    2. from where the computation for the same text is least: ids x width = 3,145,728 (N / 33e6)^0.8354.

    They were fitted on models of 33 million to 1.13 billion parameters beside the vocabulary, with embeddings
    that are not tied, on English text of SlimPajama with a byte-pair encoding; with much less or much more
    text than is worth it the best vocabulary is smaller or larger. Tied embeddings were not tried, and
    neither were smaller models. Beside them stands what the computation for this text says: the size at which
    (N + ids x width) x tokens is least, which knows nothing of how well a model learns rare tokens.

    Args:
        parameters: N.
        points: a curve of this corpus.
        width: of the embeddings; without it that of the paper's models of this size.

    >>> advice = advise(2_870_000_000)
    >>> advice.width, advice.by_flops, advice.by_derivative
    (3200, 37942, 40993)
    """
    width = width or next((size for most, size in _WIDTHS if parameters <= most), 12288)
    flops = (parameters / math.exp(-2.4846510161625193)) ** 2
    by_flops = math.exp(-1.589031299255507) * flops**0.4163622634135234
    by_derivative = 3_145_728 * (parameters / 33e6) ** 0.8353974035228025
    cheapest = min(points, key=lambda p: (parameters + width * p.vocab_size) * p.tokens, default=None)
    return Advice(
        parameters,
        width,
        int(by_flops / width),
        int(by_derivative / width),
        FITTED[0] <= parameters <= FITTED[1],
        cheapest.vocab_size if cheapest else None,
    )
