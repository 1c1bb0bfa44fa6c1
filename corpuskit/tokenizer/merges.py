"""Merges of a byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909), learnt from counted pretokens.

The rule is that of the trainer of Hugging Face's ``tokenizers``, in 64-bit counts: the pair that comes most
often is merged, of equal ones that of the smaller ids; a special token is never spelled by a merge. A smaller
vocabulary is the beginning of a larger one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpuskit import _native
from corpuskit.documents.columns import to_engine
from corpuskit.errors import SettingError
from corpuskit.tokenizer.byte_level import byte_alphabet
from corpuskit.tokenizer.count import Counted


@dataclass(frozen=True)
class Merges:
    """A vocabulary in the order of its ids.

    Attributes:
        tokens: all, as tokenizer.json spells them: special ones, bytes, and what each merge gives.
        pairs: the two parts of each merge, in order, spelled so.
        counts: int64 of shape (merges,), how often each pair came when it was merged.
    """

    tokens: list[str]
    pairs: list[tuple[str, str]]
    counts: npt.NDArray[np.int64]

    def first(self, vocab_size: int) -> Merges:
        """A smaller vocabulary: what training for it alone gives."""
        many = max(0, len(self.pairs) - (len(self.tokens) - vocab_size))
        whole = len(self.tokens) - len(self.pairs)
        return Merges(self.tokens[: whole + many], self.pairs[:many], self.counts[:many])


def learn_merges(
    counted: Counted,
    vocab_size: int,
    special: Sequence[str],
    min_frequency: int = 2,
    told: Callable[[int], bool] = lambda done: True,
) -> Merges:
    """Learn a vocabulary of byte-level tokens.

    Args:
        vocab_size: ids, those of special tokens and of 256 bytes among them; less come of little text.
        special: tokens of the first ids, which no merge may spell.
        min_frequency: how often a pair must come to be merged.
        told: hears of merges now and then, and may end the training by False.

    Raises `SettingError` for counts whose sums 64 bits do not hold.
    """
    of_byte = {byte: letter for letter, byte in byte_alphabet().items()}
    tokens = [*special, *sorted(of_byte.values())]
    place = {token: number for number, token in enumerate(tokens)}
    ids = np.array([place[of_byte[byte]] for byte in range(256)], np.uint32)
    words = counted.words.cast(pa.large_string(), safe=False)
    many = np.ascontiguousarray(counted.counts, np.int64)
    room = max(0, vocab_size - len(tokens))
    asked = (ids, len(tokens), room, max(1, min_frequency), list(special), told)
    try:
        left, right, whole, counts = _native.train_bpe(to_engine(words, "words"), many, *asked)
    except ValueError as error:
        raise SettingError(
            f"the tokenizer cannot be learnt: {error}", remedy="Give weights with fewer digits, or less text."
        ) from error
    pairs = []
    for a, b, number in zip(left.tolist(), right.tolist(), whole.tolist(), strict=True):
        pairs.append((tokens[a], tokens[b]))
        if number == len(tokens):
            tokens.append(tokens[a] + tokens[b])
    return Merges(tokens, pairs, counts)
