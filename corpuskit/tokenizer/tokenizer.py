"""Byte-level BPE: trained and applied through Hugging Face ``tokenizers``; the artefact is tokenizer.json."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tokenizers

from corpuskit.errors import InputError, SettingError
from corpuskit.tokenizer.special import END_OF_TEXT, PATTERNS

FILE = "tokenizer/tokenizer.json"
"""Path within a run."""

_BATCH_CHARACTERS = 2**20
"""Text given to ``tokenizers`` at a time: its encodings weigh some 50 times the text."""

_PROBE = "Ab 1\u00e9 \u03a9\n\u65e5\u672c \u0639 \U0001f600\t\u0007."
"""A few scripts, a control character and an emoji: what a tokenizer must give back."""

_PIECE_CHARACTERS = 2**15
_SAFE = {
    PATTERNS["llama3"]: re.compile(r"(?<=\n)(?=[A-Za-z])"),
    PATTERNS["gpt2"]: re.compile(r"(?<=\S\n)(?=[A-Za-z])"),
}
"""Where a text may be cut without changing a pretoken. Llama 3's pattern ends a run of white space at its
last line feed and begins the next pretoken with the letter. GPT-2's looks beyond a run of several, so that
only a single line feed will do."""


def pieces(text: str, safe: re.Pattern[str]) -> Iterator[str]:
    """Cut a text into pieces of about 32,768 characters that give, one by one, the pretokens of the whole.

    Books as a whole would make ``tokenizers`` hold hundreds of times their size, on one core.

    >>> [len(piece) for piece in pieces("A line of words.\\n" * 4000, _SAFE[PATTERNS["gpt2"]])]
    [32776, 32776, 2448]
    """
    start = 0
    while len(text) - start > _PIECE_CHARACTERS:
        border = safe.search(text, start + _PIECE_CHARACTERS)
        if border is None:
            break
        yield text[start : border.start()]
        start = border.start()
    yield text[start:]


class Encoder:
    """A tokenizer.json, ready to turn documents into ids. Text that spells a special token stays text.

    Attributes:
        vocab_size: ids are below it.
        end_of_text: the id that ends a document.
        sha256: digest of the file.
    """

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        try:
            self._tokenizer = tokenizers.Tokenizer.from_buffer(data)
        except Exception as error:  # `tokenizers` raises bare Exception.
            raise InputError(
                f"{path}: not a tokenizer.json that `tokenizers` {tokenizers.__version__} reads: {error}",
                remedy="Train one with `corpuskit tokenizer train`, or give the file of another.",
            ) from error
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.vocab_size = self._tokenizer.get_vocab_size(with_added_tokens=True)
        end_of_text = self._tokenizer.token_to_id(END_OF_TEXT)
        if end_of_text is None:
            raise SettingError(
                f"{path}: has no token {END_OF_TEXT!r}, which ends each document",
                remedy="Add it to the tokenizer as a special token, or train one with corpuskit.",
            )
        self.end_of_text: int = end_of_text
        self._safe = _safe_cuts(json.loads(data))
        self._check(path)

    def _check(self, path: Path) -> None:
        """Refuse a tokenizer that takes text for control, or from which a text does not come back."""
        if self.end_of_text in self._tokenizer.encode(f"a{END_OF_TEXT}b", add_special_tokens=False).ids:
            raise SettingError(
                f"{path}: encodes a typed {END_OF_TEXT!r} as the end of a text",
                remedy="Mark that token as special in the tokenizer, or train one with corpuskit.",
            )
        ids = self._tokenizer.encode(_PROBE, add_special_tokens=False).ids
        if self._tokenizer.decode(ids, skip_special_tokens=False) != _PROBE:
            raise SettingError(
                f"{path}: text does not come back from its tokens: it would be lost without a word",
                remedy="Take a byte-level tokenizer without normalization, or train one with corpuskit.",
            )

    def encode(self, texts: Sequence[str]) -> Iterator[npt.NDArray[np.uint32]]:
        """Yield the ids of each text, without any special token."""
        ids: list[npt.NDArray[np.uint32]] = []
        for batch in _batches(self._pieces(texts)):
            encodings = self._tokenizer.encode_batch_fast([p for p, _ in batch], add_special_tokens=False)
            for encoding, (_, last) in zip(encodings, batch, strict=True):
                ids.append(np.array(encoding.ids, np.uint32))
                if last:
                    yield np.concatenate(ids)
                    ids = []

    def _pieces(self, texts: Iterable[str]) -> Iterator[tuple[str, bool]]:
        """Pieces of the texts, each with whether it is the last of its text."""
        for text in texts:
            cut = list(pieces(text, self._safe)) if self._safe else [text]
            yield from ((piece, number == len(cut)) for number, piece in enumerate(cut, 1))

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Where each token of one text lies: (start, end) in characters."""
        offsets: list[tuple[int, int]] = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return offsets

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some ids, special tokens spelled out."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        return text


def _safe_cuts(tokenizer: dict[str, Any]) -> re.Pattern[str] | None:
    """Where texts may be cut for a tokenizer.json; None unless it cuts text as one that `train` made."""
    steps = (tokenizer.get("pre_tokenizer") or {}).get("pretokenizers") or [{}]
    split = steps[0]
    # An added token that is not special is looked for in the text, and a cut could part it.
    added = [token for token in tokenizer.get("added_tokens", []) if not token.get("special")]
    if split.get("behavior") != "Isolated" or tokenizer.get("normalizer") is not None or added:
        return None
    return _SAFE.get(split.get("pattern", {}).get("Regex"))


def _batches(pieces: Iterable[tuple[str, bool]]) -> Iterator[list[tuple[str, bool]]]:
    batch: list[tuple[str, bool]] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece[0])
        if size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


# ---------------------------------------------------------------------------------------------- the task


def describe(path: Path) -> dict[str, Any]:
    """A few facts of a tokenizer.json for a person."""
    model = json.loads(path.read_text(encoding="utf-8"))["model"]
    return {"vocab_size": len(model["vocab"]), "merges": len(model["merges"])}
