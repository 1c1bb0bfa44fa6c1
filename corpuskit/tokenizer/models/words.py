"""Tokenizers of words and of pieces of words: word level and WordPiece. Both lose text, and say how much.

Their special tokens have the reserved ids, as those of every tokenizer that is trained here; ``[UNK]``, which
stands for a word that is not known, has the place of the first spare one.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers

from corpuskit.errors import InputError, SettingError, counted
from corpuskit.tokenizer import special
from corpuskit.tokenizer.tokenizer import Tokenizer

UNKNOWN = "[UNK]"
PREFIX = "##"
"""Before a piece that goes on within a word."""

LONGEST = 100
"""Characters of a word from which on WordPiece gives no pieces, as BERT's tokenizer has it."""

SPECIAL = tuple(UNKNOWN if token == "<|reserved_0|>" else token for token in special.SPECIAL_TOKENS)

_BERT = re.compile(r"\[(?:UNK|CLS|SEP|PAD|MASK|unused\d+)\]")

# Unicode's White_Space, where `tokenizers` splits; `str.split` splits at four control characters more.
_BLANKS = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_WORD = re.compile(f"[^{_BLANKS}]+")
_MARK = "<|"
"""Special tokens begin so. Words are parted there, that none which a text spells is found in the
vocabulary.
"""


def train_word_level(
    texts: Iterable[str],
    words: int,
    min_frequency: int = 1,
    *,
    lowercase: bool = False,
    strip_accents: bool = False,
) -> Tokenizer:
    """A tokenizer of the most frequent words; each other word becomes one unknown token.

    Words are what stands between white space. Of equally frequent ones those enter that come first by their
    characters. Capitals are kept apart unless `lowercase` is set. Memory grows with the number of unlike
    words.

    Args:
        texts: read once.
        words: words of the vocabulary; special tokens come on top.
        min_frequency: how often a word must occur.

    >>> tokenizer = train_word_level(["the cat sat", "the dog sat", "a cat ran", "The end"], words=4)
    >>> [tokenizer.decode([i]) for i in tokenizer.encode("The cat and the dog ran")]
    ['The', 'cat', '[UNK]', 'the', '[UNK]', '[UNK]']
    """
    splitter = _word_splitter()
    counts = _counted(texts, _normalizer(lowercase, strip_accents), splitter)
    ranked = sorted((word for word, n in counts.items() if n >= min_frequency), key=lambda w: (-counts[w], w))
    vocabulary = [word for word in ranked if word not in SPECIAL][:words]
    model = tokenizers.Tokenizer(models.WordLevel(_numbered(vocabulary), unk_token=UNKNOWN))
    return _finished(model, splitter, lowercase, strip_accents)


def train_wordpiece(
    texts: Iterable[str],
    vocab_size: int,
    min_frequency: int = 2,
    *,
    lowercase: bool = False,
    strip_accents: bool = False,
) -> Tokenizer:
    """A WordPiece tokenizer learnt from texts.

    As in the trainer of ``tokenizers`` pieces are merged by how often they stand side by side; but of equally
    frequent pairs the one that comes first by its characters is merged, so that the same texts in any order
    give the same vocabulary. Words are cut at white space and at signs, as BERT does. Of characters those
    that occur `min_frequency` times enter, the most frequent first, up to half of the vocabulary.

    Args:
        texts: read once.
        vocab_size: ids, 128 special ones with them. Less come of little text.
        min_frequency: how often a pair must occur to be merged.
    """
    splitter = pre_tokenizers.BertPreTokenizer()
    counts = _counted(texts, _normalizer(lowercase, strip_accents), splitter)
    counts = Counter({word: n for word, n in counts.items() if len(word) <= LONGEST})
    pieces = _merged_pieces(counts, vocab_size - len(SPECIAL), min_frequency)
    return _wordpiece(pieces, lowercase, strip_accents)


def given_wordpiece(path: Path | str, *, lowercase: bool = False, strip_accents: bool = False) -> Tokenizer:
    """A WordPiece tokenizer of a vocab.txt, one piece a line, those within a word behind ``##``.

    Pieces have the ids from 128 on in the order of the file; BERT's own ``[CLS]`` and the like are special
    there, and no text becomes one. Nothing is lower-cased unless it is said.

    Raises `InputError` for a file that cannot be read, or holds a piece twice.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is no UTF-8"
        raise InputError(
            f"vocabulary: {path}: {why}", remedy="Give a vocab.txt in UTF-8 with one piece per line."
        ) from error
    pieces = [line.rstrip("\r") for line in lines]
    pieces = [piece for piece in pieces if piece and piece != UNKNOWN]
    if not pieces:
        raise InputError(f"vocabulary: {path}: holds no piece", remedy="Write one piece per line.")
    twice = next((piece for piece, count in Counter(pieces).items() if count > 1), None)
    if twice is not None:
        raise InputError(f"vocabulary: {path}: {twice!r} stands twice", remedy="Leave one of them.")
    if (ours := next((piece for piece in pieces if piece in SPECIAL), None)) is not None:
        raise InputError(
            f"vocabulary: {path}: {ours!r} is a special token, which has its own id",
            remedy="Leave the line out.",
        )
    return _wordpiece(pieces, lowercase, strip_accents)


def _wordpiece(pieces: Sequence[str], lowercase: bool, strip_accents: bool) -> Tokenizer:
    model = tokenizers.Tokenizer(
        models.WordPiece(
            _numbered(pieces),
            unk_token=UNKNOWN,
            continuing_subword_prefix=PREFIX,
            max_input_chars_per_word=LONGEST,
        )
    )
    model.decoder = decoders.WordPiece(prefix=PREFIX, cleanup=False)
    more = [piece for piece in pieces if _BERT.fullmatch(piece)]
    return _finished(model, pre_tokenizers.BertPreTokenizer(), lowercase, strip_accents, more)


def _finished(
    model: tokenizers.Tokenizer,
    splitter: pre_tokenizers.PreTokenizer,
    lowercase: bool,
    strip_accents: bool,
    more: Sequence[str] = (),
) -> Tokenizer:
    normalizer = _normalizer(lowercase, strip_accents)
    if normalizer is not None:
        model.normalizer = normalizer
    model.pre_tokenizer = splitter
    model.add_special_tokens([*SPECIAL, *more])
    return Tokenizer(model, model.to_str(pretty=True).encode(), SPECIAL.index(special.END_OF_TEXT))


def _numbered(tokens: Sequence[str]) -> dict[str, int]:
    return {token: number for number, token in enumerate([*SPECIAL, *tokens])}


def _word_splitter() -> pre_tokenizers.PreTokenizer:
    mark = pre_tokenizers.Split(Regex(re.escape(_MARK)), behavior="isolated")
    return pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), mark])


def _normalizer(lowercase: bool, strip_accents: bool) -> normalizers.Normalizer | None:
    steps: list[normalizers.Normalizer] = []
    if strip_accents:
        steps += [normalizers.NFD(), normalizers.StripAccents()]
    if lowercase:
        steps.append(normalizers.Lowercase())
    return normalizers.Sequence(steps) if steps else None


def _counted(
    texts: Iterable[str],
    normalizer: normalizers.Normalizer | None,
    splitter: pre_tokenizers.PreTokenizer,
) -> Counter[str]:
    """How often each word occurs."""
    counts: Counter[str] = Counter()
    simple: Counter[str] = Counter()
    by_signs = isinstance(splitter, pre_tokenizers.BertPreTokenizer)
    for text in texts:
        if normalizer is not None:
            text = normalizer.normalize_str(text)
        simple.update(_WORD.findall(text))
    # Words between blanks are cut further each once, not wherever they stand.
    for word, count in simple.items():
        if by_signs or _MARK in word:
            for piece, _ in splitter.pre_tokenize_str(word):
                counts[piece] += count
        else:
            counts[word] += count
    return counts


def _merged_pieces(counts: Counter[str], size: int, min_frequency: int) -> list[str]:
    """Letters, those within a word behind ``##``, and then what merges give, up to so many.

    Raises `SettingError` where not even the letters have room.
    """
    letters: Counter[str] = Counter()
    for word, count in counts.items():
        letters.update({PREFIX * (place > 0) + letter: 0 for place, letter in enumerate(word)})
        for place, letter in enumerate(word):
            letters[PREFIX * (place > 0) + letter] += count
    ranked = sorted((c for c, n in letters.items() if n >= min_frequency), key=lambda c: (-letters[c], c))
    pieces = sorted(ranked[: size // 2])
    if not pieces:
        if ranked:
            raise SettingError(
                f"vocab_size: leaves {counted(size, 'id')} for pieces", remedy="Give a larger one."
            )
        times = counted(min_frequency, "time")
        raise SettingError(
            f"min_frequency: no letter of the text occurs {times}", remedy="Lower it, or give more text."
        )
    known = set(pieces)
    words: list[list[str]] = []
    weights: list[int] = []
    for word in sorted(counts):
        split = [PREFIX * (place > 0) + letter for place, letter in enumerate(word)]
        if len(split) > 1 and known.issuperset(split):
            words.append(split)
            weights.append(counts[word])
    return _learnt(words, weights, pieces, size, min_frequency)


def _learnt(
    words: list[list[str]], weights: Sequence[int], pieces: list[str], size: int, min_frequency: int
) -> list[str]:
    """Merge the most frequent pair, then the next, until there are `size` pieces."""
    pairs: Counter[tuple[str, str]] = Counter()
    places: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for number, word in enumerate(words):
        for pair in pairwise(word):
            pairs[pair] += weights[number]
            places[pair].add(number)
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(heap)
    known = set(pieces)
    while heap and len(pieces) < size:
        count, pair = heapq.heappop(heap)
        if -count != pairs[pair]:  # It was merged, or lost some to a merge: its right place is elsewhere.
            continue
        if -count < min_frequency:
            break
        whole = pair[0] + pair[1].removeprefix(PREFIX)
        if whole not in known:
            known.add(whole)
            pieces.append(whole)
        changed: Counter[tuple[str, str]] = Counter()
        for number in sorted(places.pop(pair)):
            before = words[number]
            after = _joined(before, pair, whole)
            for old in pairwise(before):
                changed[old] -= weights[number]
            for new in pairwise(after):
                changed[new] += weights[number]
                places[new].add(number)
            words[number] = after
        for other, gain in changed.items():
            if gain and other != pair:
                pairs[other] += gain
                heapq.heappush(heap, (-pairs[other], other))
        del pairs[pair]
    return pieces


def _joined(word: list[str], pair: tuple[str, str], whole: str) -> list[str]:
    after: list[str] = []
    place = 0
    while place < len(word):
        if tuple(word[place : place + 2]) == pair:
            after.append(whole)
            place += 2
        else:
            after.append(word[place])
            place += 1
    return after
