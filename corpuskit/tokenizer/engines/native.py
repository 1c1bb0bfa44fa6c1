"""Byte-pair encoding by this package's engine (``native/engine/bpe/encode.hpp``): the published patterns.

Pretokens of up to 15 bytes are looked up among those that came before, of which as many are kept as fit into
8 MB; for all others the merges are done. Memory does not grow with the texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from corpuskit import _native
from corpuskit.documents.columns import from_bytes, to_engine
from corpuskit.tokenizer.byte_level import byte_alphabet, byte_spelling
from corpuskit.tokenizer.cuts import safe_border, split_pattern
from corpuskit.tokenizer.engines.engines import Flat
from corpuskit.tokenizer.patterns import DIGITS, SCANNERS, regex_of

ENGINE = 2
"""Version of how it encodes: raised with each change, so that it is judged again."""

_HEAD = "#version"

_IDS = 2**24
"""Ids are below it."""

_CUTS = {
    regex_of(name, digits): (scanner, digits or 0)
    for name, scanner in SCANNERS.items()
    for digits in (None, *DIGITS)
}


def cut_of(document: Mapping[str, Any]) -> tuple[int, int] | None:
    """How the engine cuts as a tokenizer.json does, a scanner and digits that stand together.

    None unless it is a byte-level byte-pair encoding with a published pattern that merges bytes alone.
    """
    merged, cut = document["model"], _CUTS.get(split_pattern(document) or "")
    first = document.get("pre_tokenizer") or {}
    *before, last = first.get("pretokenizers") or [first]
    kept = "add_prefix_space", "use_regex"
    alone = last.get("type") == "ByteLevel" and [last.get(name) for name in kept] == [False, not before]
    odd = ("continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "dropout")
    if merged.get("type") != "BPE" or any(merged.get(name) for name in odd) or not alone or len(before) > 1:
        return None
    return cut if byte_alphabet().keys() <= merged["vocab"].keys() else None


class Native:
    """The engine of this package, on the core that calls it."""

    name = f"corpuskit's engine {ENGINE}"
    whole_bytes = 2**20

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Raises ValueError or KeyError for a tokenizer that it cannot do."""
        cut = cut_of(document)
        if cut is None or safe_border(document) is None:
            raise ValueError("it is no byte-pair encoding of bytes by a published pattern")
        model = document["model"]
        vocabulary: Mapping[str, int] = model["vocab"]
        numbers = vocabulary.values()
        if len({*numbers}) < len(numbers) or not all(type(n) is int and 0 <= n < _IDS for n in numbers):
            raise ValueError("its ids are not one for each token, or no whole numbers below 2**24")
        # A line that begins like the head of a file of merges is none to `tokenizers`; a pair always is one.
        lines = (each for each in model["merges"] if not isinstance(each, str) or not each.startswith(_HEAD))
        merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in lines]
        left, right, made = (
            np.array([vocabulary[token] for token in tokens], np.uint32)
            for tokens in (
                [left for left, _ in merges],
                [right for _, right in merges],
                [left + right for left, right in merges],
            )
        )
        byte_ids = np.empty(256, np.uint32)
        for letter, byte in byte_alphabet().items():
            byte_ids[byte] = vocabulary[letter]
        # Some take a pretoken that is a token for that token, whatever the merges say.
        spelled = {token: byte_spelling(token) for token in vocabulary} if model.get("ignore_merges") else {}
        whole = {raw: vocabulary[token] for token, raw in spelled.items() if raw}
        whole_ids = np.array([*whole.values()], np.uint32)
        self._encoder = _native.BpeEncoder(*cut, byte_ids, left, right, made, from_bytes([*whole]), whole_ids)

    def encode(self, texts: Sequence[str]) -> Flat:
        """See `Engine`."""
        try:
            return Flat(*self._encoder.encode_strings(list(texts)))
        except ValueError:
            for text in texts:
                text.encode()  # Half of a surrogate pair is named by it.
            raise

    def encode_column(self, texts: pa.Array) -> Flat:
        """The same of a column of strings, without a copy of them."""
        return Flat(*self._encoder.encode(to_engine(texts.cast(pa.large_string()), "texts")))
