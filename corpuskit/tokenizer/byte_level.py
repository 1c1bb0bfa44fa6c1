"""The bytes that the tokens of a byte-level vocabulary stand for: the same wherever a token stands."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from corpuskit import _native


def byte_alphabet() -> dict[str, int]:
    """The character that stands for each byte in a byte-level vocabulary (GPT-2's encoder.py).

    Bytes that are printable characters of Latin-1 stand for themselves, the others for U+0100 and on.

    >>> [byte_alphabet()[c] for c in "A\u0120\u010a"]
    [65, 32, 10]
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


_TABLE = str.maketrans(byte_alphabet())


def is_byte_level(document: Mapping[str, Any]) -> bool:
    """Whether the decoder of a tokenizer.json is byte-level alone."""
    decoder = document.get("decoder") or {}
    return [part.get("type") for part in decoder.get("decoders", [decoder])] == ["ByteLevel"]


class TokenBytes:
    """The bytes of each id, all in one line: an object for each would take many times the memory.

    >>> tokens = TokenBytes({0: b"the", 2: b" cat"})
    >>> tokens.join(np.array([0, 2, 0])), tokens.of(2), tokens.of(1), tokens.lengths.tolist()
    (b'the catthe', b' cat', None, [3, 0, 4])

    Attributes:
        lengths: how many each id has, (ids,); 0 for an id that there is not.
    """

    def __init__(self, by_id: Mapping[int, bytes]) -> None:
        numbers = sorted(by_id)
        self.lengths: npt.NDArray[np.int64] = np.zeros(max(by_id, default=-1) + 1, np.int64)
        self.lengths[numbers] = [len(by_id[number]) for number in numbers]
        line = np.frombuffer(b"".join(by_id[number] for number in numbers), np.uint8)
        self._line = np.concatenate([[0], np.cumsum(self.lengths)]), line

    @classmethod
    def of_file(cls, document: Mapping[str, Any], vocabulary: Mapping[str, int]) -> TokenBytes | None:
        """Those of a tokenizer.json, with ids by token; None where it is not byte-level.

        Special and added tokens have the bytes that they are written with.
        """
        if not is_byte_level(document):
            return None
        spelled = ((number, token, byte_spelling(token)) for token, number in vocabulary.items())
        # Added ones stand in the file as they are written.
        return cls({number: token.encode() if raw is None else raw for number, token, raw in spelled})

    def of(self, number: int) -> bytes | None:
        """The bytes of an id; None for one that there is not."""
        if not 0 <= number < len(self.lengths) or not self.lengths[number]:
            return None
        offsets, line = self._line
        return line[offsets[number] : offsets[number + 1]].tobytes()

    def join(self, ids: npt.NDArray[np.integer]) -> bytes:
        """The bytes of some ids, one behind the other. Raises ValueError for one that there cannot be."""
        return _native.joined_tokens(self._line, np.ascontiguousarray(ids, np.uint32))


def byte_spelling(token: str) -> bytes | None:
    """The bytes that a token of a byte-level vocabulary stands for; None where a character of it has none."""
    try:
        return codecs.charmap_encode(token, "strict", _TABLE)[0]
    except UnicodeEncodeError:
        return None
