"""Text that grows id by id: what can be said of it as soon as an id is there, and nothing that changes."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from typing import Protocol

_NEIGHBOURS = 4
"""Ids before a new one that the decoders which look at their neighbours are shown again."""


class Decoder(Protocol):
    """All that it gives, one behind the other, is what `Tokenizer.decode` gives."""

    def add(self, token: int) -> str:
        """What is certain with this id and was not before: part of a character waits for the rest of it."""

    def rest(self) -> str:
        """What still waits when no id follows: U+FFFD for part of a character."""


def decoder_of(
    decode: Callable[[Sequence[int]], str],
    token_bytes: Callable[[int], bytes | None] | None,
    before: Sequence[int],
) -> Decoder:
    """For ids that follow `before`: by the bytes of each id, or by `decode` where they are None."""
    return _TailDecoder(decode, before) if token_bytes is None else _ByteDecoder(token_bytes)


class _ByteDecoder:
    """For byte-level tokenizers: the bytes of an id are the same wherever it stands."""

    def __init__(self, token_bytes: Callable[[int], bytes | None]) -> None:
        self._bytes = token_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, token: int) -> str:
        return self._utf8.decode(self._bytes(token) or b"")

    def rest(self) -> str:
        return self._utf8.decode(b"", final=True)


class _TailDecoder:
    """For all others: the last ids are decoded again with each new one, until what they say is whole.

    Decoding the whole text each time would take time that grows with the square of its length.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], before: Sequence[int]) -> None:
        self._decode, self._ids = decode, list(before)[-_NEIGHBOURS:]
        self._said = len(decode(self._ids))

    def add(self, token: int) -> str:
        self._ids.append(token)
        text = self._decode(self._ids)
        # The id may be part of a character only, which the next one finishes.
        if text.endswith("\N{REPLACEMENT CHARACTER}"):
            return ""
        piece = text[self._said :]
        self._ids = self._ids[-_NEIGHBOURS:]
        self._said = len(self._decode(self._ids))
        return piece

    def rest(self) -> str:
        return self._decode(self._ids)[self._said :]
