"""A Unigram tokenizer (Kudo 2018, arXiv:1804.10959), learnt from counted pretokens, the same each time.

The trainer of ``tokenizers`` sums probabilities in the order of a hash table, so that two runs on the same
texts give other scores. Here pretokens are sorted first, and scores rounded. Bytes are the alphabet: no text
is lost.

The way is SentencePiece's: frequent substrings are the seed; by expectation and maximization each gets a
probability; those whose loss costs least are left out, a quarter at a time, until the vocabulary is small
enough.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers

from corpuskit.documents.texts import strings
from corpuskit.tokenizer import special
from corpuskit.tokenizer.byte_level import byte_alphabet
from corpuskit.tokenizer.count import PretokenCounter
from corpuskit.tokenizer.patterns import DEFAULT, regex_of
from corpuskit.tokenizer.tokenizer import LEAST_VOCABULARY, Tokenizer

_LONGEST = 16
"""Letters of a piece, at most: SentencePiece's default."""

_STRETCH = 64
"""Longer pretokens are cut into such stretches to learn from; they are encoded whole."""

_WORDS = 2**18
"""Unlike stretches that are learnt from, the most frequent ones."""

_SEEDS = 8
"""Pieces of the seed for each of the vocabulary."""

_SHRINK = 0.75
_ROUNDS = 2
_DIGITS = 6
"""Decimals of a score: what is beyond them goes with the processor."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def train_unigram(
    texts: Iterable[str], vocab_size: int, pattern: str = DEFAULT, min_frequency: int = 2
) -> Tokenizer:
    """A byte-level Unigram tokenizer.

    Args:
        texts: read once.
        vocab_size: ids, 128 special ones and 256 bytes with them. Less come of little text.
        pattern: how text is cut into pretokens, which no piece goes beyond.
        min_frequency: how often a substring must occur to be a piece.
    """
    split = pre_tokenizers.Split(Regex(regex_of(pattern)), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    splitter = pre_tokenizers.Sequence([split, byte_level])
    counter = PretokenCounter(pattern)
    counter.add(strings("train_unigram", texts), "train_unigram")
    words, times = counter.take()
    letters = {byte: letter for letter, byte in byte_alphabet().items()}
    spelled = ["".join(letters[byte] for byte in word) for word in words.to_pylist()]
    counts = dict(zip(spelled, times.tolist(), strict=True))
    scores = learn_pieces(counts, vocab_size - special.RESERVED, min_frequency)
    vocabulary = [(token, 0.0) for token in special.SPECIAL_TOKENS] + list(scores.items())
    model = tokenizers.Tokenizer(models.Unigram(vocabulary, unk_id=None, byte_fallback=False))
    model.pre_tokenizer = splitter
    model.decoder = decoders.ByteLevel()
    model.add_special_tokens(list(special.SPECIAL_TOKENS))
    end_of_text = special.SPECIAL_TOKENS.index(special.END_OF_TEXT)
    return Tokenizer(model, model.to_str(pretty=True).encode(), end_of_text)


def learn_pieces(counts: Mapping[str, int], size: int, min_frequency: int = 2) -> dict[str, float]:
    """Pieces with their scores, the natural logarithm of their probability, the likeliest first.

    Args:
        counts: pretokens, each letter a byte, and how often each occurs.
        size: pieces, the 256 letters among them.
    """
    size = max(size, LEAST_VOCABULARY - special.RESERVED)
    stretches: Counter[str] = Counter()
    for word, count in counts.items():
        for start in range(0, len(word), _STRETCH):
            stretches[word[start : start + _STRETCH]] += count
    # Memory is that of so many; what is left out occurs least.
    frequent = sorted(stretches, key=lambda word: (-stretches[word], word))[:_WORDS]
    words = sorted(frequent)
    weights = np.array([stretches[word] for word in words], np.float64)
    pieces = _seed(words, stretches, max(_SEEDS * size, 2**14), min_frequency)
    while True:
        for _ in range(_ROUNDS):
            pieces = _maximized(pieces, words, weights)
        if len(pieces) <= size:
            break
        pieces = _pruned(pieces, words, weights, max(size, int(_SHRINK * len(pieces))))
    ranked = sorted(pieces, key=lambda piece: (-pieces[piece], piece))
    return {piece: pieces[piece] for piece in ranked}


def _seed(words: Sequence[str], counts: Mapping[str, int], size: int, min_frequency: int) -> dict[str, float]:
    """Substrings by how many letters they cover, and all letters; their first scores are by count."""
    found: defaultdict[str, int] = defaultdict(int)
    for word in words:
        count = counts[word]
        for start in range(len(word)):
            for end in range(start + 2, min(len(word), start + _LONGEST) + 1):
                found[word[start:end]] += count
    letters = Counter(dict.fromkeys(byte_alphabet(), 1))
    for word in words:
        for letter in word:
            letters[letter] += counts[word]
    frequent = [(piece, n) for piece, n in found.items() if n >= min_frequency]
    frequent.sort(key=lambda pair: (-pair[1] * len(pair[0]), pair[0]))
    kept = sorted([*letters.items(), *frequent[:size]])
    total = sum(n for _, n in kept)
    return {piece: float(np.log(n / total)) for piece, n in kept}


@dataclass
class _Lattice:
    """All ways to part some words into pieces, as edges between the places of their letters.

    Attributes:
        start, end, piece, word: int64 of shape (edges,), sorted by `end` and word.
        length: int64 of shape (words,).
    """

    start: Ints
    end: Ints
    piece: Ints
    word: Ints
    length: Ints

    @classmethod
    def of(cls, words: Sequence[str], place: Mapping[str, int], whole: bool = True) -> _Lattice:
        """The lattice of words.

        Args:
            place: pieces and their numbers.
            whole: whether a word may be one piece.
        """
        starts, ends, pieces, owners = [], [], [], []
        for number, text in enumerate(words):
            for first in range(len(text)):
                for last in range(first + 1, min(len(text), first + _LONGEST) + 1):
                    found = place.get(text[first:last])
                    if found is not None and (whole or last - first < len(text)):
                        starts.append(first)
                        ends.append(last)
                        pieces.append(found)
                        owners.append(number)
        columns = [np.array(column, np.int64) for column in (starts, ends, pieces, owners)]
        order = np.lexsort((columns[0], columns[3], columns[1]))
        length = np.array([len(word) for word in words], np.int64)
        start, end, piece, word = (column[order] for column in columns)
        return cls(start, end, piece, word, length)

    def forward(self, scores: Floats, best: bool = False) -> Floats:
        """Of each word and place the logarithm of the sum (or the best) of all ways to there.

        Returns:
            shape (words, longest + 1).
        """
        reached = np.full((len(self.length), int(self.length.max(initial=0)) + 1), -np.inf)
        reached[:, 0] = 0.0
        join = np.maximum if best else np.logaddexp
        for end, rows in _steps(self.end):
            words = self.word[rows]
            values = reached[words, self.start[rows]] + scores[self.piece[rows]]
            first = np.flatnonzero(np.diff(words, prepend=-1))
            reached[words[first], end] = join.reduceat(values, first)
        return reached

    def backward(self, scores: Floats) -> Floats:
        """Of each word and place the logarithm of the sum of all ways from there to the end."""
        order = np.lexsort((self.end, self.word, -self.start))
        start, end, piece, word = (column[order] for column in (self.start, self.end, self.piece, self.word))
        left = np.full((len(self.length), int(self.length.max(initial=0)) + 1), -np.inf)
        left[np.arange(len(self.length)), self.length] = 0.0
        for negative, rows in _steps(-start):
            words = word[rows]
            values = left[words, end[rows]] + scores[piece[rows]]
            first = np.flatnonzero(np.diff(words, prepend=-1))
            left[words[first], -negative] = np.logaddexp.reduceat(values, first)
        return left


def _steps(values: Ints) -> list[tuple[int, slice]]:
    """Runs of equal values in a sorted line."""
    kinds, first = np.unique(values, return_index=True)
    borders = [*first.tolist(), len(values)]
    return [(int(kind), slice(borders[i], borders[i + 1])) for i, kind in enumerate(kinds)]


def _maximized(pieces: Mapping[str, float], words: Sequence[str], weights: Floats) -> dict[str, float]:
    """One step of expectation and maximization; pieces that are hardly expected go, letters stay."""
    names = list(pieces)
    scores = np.array(list(pieces.values()))
    lattice = _Lattice.of(words, {piece: number for number, piece in enumerate(names)})
    before, behind = lattice.forward(scores), lattice.backward(scores)
    whole = before[np.arange(len(words)), lattice.length]
    share = np.exp(
        before[lattice.word, lattice.start]
        + scores[lattice.piece]
        + behind[lattice.word, lattice.end]
        - whole[lattice.word]
    )
    expected = np.bincount(lattice.piece, share * weights[lattice.word], minlength=len(names))
    kept = [n for n, piece in enumerate(names) if len(piece) == 1 or expected[n] >= 0.5]
    counts = np.maximum(expected[kept], 1e-3)
    # As SentencePiece does it: the digamma function holds back what is expected seldom.
    found = np.round(_digamma(counts) - _digamma(counts.sum(keepdims=True)), _DIGITS)
    return {names[n]: float(score) for n, score in zip(kept, found, strict=True)}


def _digamma(values: Floats) -> Floats:
    """The logarithmic derivative of the gamma function, for values above 0."""
    values = values.copy()
    found = np.zeros_like(values)
    while (small := values < 8).any():
        found[small] -= 1 / values[small]
        values[small] += 1
    square = 1 / values**2
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)))
    return np.asarray(found + np.log(values) - 0.5 / values - series)


def _pruned(
    pieces: Mapping[str, float], words: Sequence[str], weights: Floats, size: int
) -> dict[str, float]:
    """Leave out the pieces without which the texts lose the least likelihood, until so many are left."""
    names = list(pieces)
    scores = np.array(list(pieces.values()))
    place = {piece: number for number, piece in enumerate(names)}
    # How likely a piece is spelled by others; and how often it is needed.
    others = _Lattice.of(names, place, whole=False)
    instead = others.forward(scores, best=True)[np.arange(len(names)), others.length]
    used = _best_counts(_Lattice.of(words, place), scores, weights, len(names))
    loss = used * (scores - np.where(np.isfinite(instead), instead, scores))
    letters = [n for n, piece in enumerate(names) if len(piece) == 1]
    longer = [n for n, piece in enumerate(names) if len(piece) > 1]
    longer.sort(key=lambda n: (-loss[n], names[n]))
    kept = sorted([*letters, *longer[: max(0, size - len(letters))]])
    return {names[n]: pieces[names[n]] for n in kept}


def _best_counts(lattice: _Lattice, scores: Floats, weights: Floats, size: int) -> Floats:
    """How often each piece stands in the best way to part each word."""
    reached = lattice.forward(scores, best=True)
    values = reached[lattice.word, lattice.start] + scores[lattice.piece]
    counts = np.zeros(size)
    # From the end of each word back: of the edges that end at a place, the first of the best.
    place = lattice.length.copy()
    for end, rows in reversed(_steps(lattice.end)):
        words = lattice.word[rows]
        open_ = (place[words] == end) & (values[rows] >= reached[words, end])
        chosen = np.flatnonzero(open_)
        owners, first = np.unique(words[chosen], return_index=True)
        chosen = chosen[first] + rows.start
        place[owners] = lattice.start[chosen]
        counts += np.bincount(lattice.piece[chosen], weights[owners], minlength=size)
    return counts
