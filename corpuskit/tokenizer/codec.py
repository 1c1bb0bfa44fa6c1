"""The tokenizer as the trainer needs it: check it, encode a prompt, decode ids, count bytes."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from corpuskit.errors import SettingError, TrainError

END_OF_TEXT = "<|endoftext|>"
MASK, SENTINEL, SENTINELS = "<|mask|>", "<|sentinel_{}|>", 100
_OTHER_MASKS = ("[MASK]", "<mask>")  # of models that others trained
SYSTEM, USER, ASSISTANT, END_OF_TURN = "<|system|>", "<|user|>", "<|assistant|>", "<|end_of_turn|>"
"""Special tokens, by the names that a build gives them."""

_NEIGHBOURS = 4
"""Ids before a new one that the decoders which look at their neighbours are shown again."""


class Codec:
    """A tokenizer.json between text and ids.

    Attributes:
        data: the file's bytes.
        sha256: their digest in hex.
    """

    def __init__(self, path: Path, expected_sha256: str, end_of_text: int) -> None:
        """Read a tokenizer.json whose id `end_of_text` ends a document.

        Raises TrainError when it is missing, damaged, not the expected one, or makes that id from text.
        """
        try:
            self.data = path.read_bytes()
        except OSError as error:
            raise TrainError(
                f"cannot read the tokenizer {path}: {error.strerror}",
                remedy="Bring the file back: it was copied with the model or made by the build.",
            ) from error
        self.sha256 = hashlib.sha256(self.data).hexdigest()
        if self.sha256 != expected_sha256:
            raise TrainError(
                f"{path} is not the tokenizer that made the tokens: "
                f"sha256 {self.sha256}, expected {expected_sha256}",
                remedy="Bring back the tokenizer.json that the shards or the model were made with.",
            )
        try:
            self._tokenizer = Tokenizer.from_str(self.data.decode("utf-8"))
        except Exception as error:  # The library raises bare Exception for any fault of the file.
            raise TrainError(
                f"{path} is no tokenizer.json: {error}", remedy="Bring back the file that the build made."
            ) from error
        # Text is never control: "<|endoftext|>" in a prompt is encoded as the characters that it is made of.
        self._tokenizer.encode_special_tokens = True
        # That holds for added tokens marked as special alone.
        for word in {END_OF_TEXT, self._tokenizer.id_to_token(end_of_text) or END_OF_TEXT}:
            if end_of_text in self.encode(f"a{word}b"):
                raise TrainError(
                    f"{path}: the text {word!r} is encoded as the id {end_of_text}, which ends a document",
                    remedy='Mark it with "special": true in added_tokens, and build the shards again.',
                )

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without special tokens; raises SettingError for one that is no Unicode."""
        try:
            return list(self._tokenizer.encode(text, add_special_tokens=False).ids)
        except TypeError as error:  # Bytes of an argument that are no UTF-8 come as half characters.
            raise SettingError(f"{text[:60]!r} is no text in UTF-8", remedy="Convert it first.") from error

    def decode(self, ids: list[int]) -> str:
        """Text of ids, special tokens written out by name."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=False))

    def decoder(self, before: Sequence[int] = ()) -> Decoder:
        """Decode, one by one, ids that follow `before`."""
        if self._pieces is not None:
            return _ByteDecoder(self._pieces)
        return _TailDecoder(self, list(before)[-_NEIGHBOURS:])

    @cached_property
    def _pieces(self) -> dict[int, bytes] | None:
        """The bytes of each id, of a byte-level tokenizer; None for others."""
        if not self._is_byte_level:
            return None
        alphabet = _byte_alphabet()
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        return {
            number: bytes(alphabet[c] for c in token) if set(token) <= alphabet.keys() else token.encode()
            for token, number in vocabulary.items()
        }

    @property
    def _is_byte_level(self) -> bool:
        decoder = json.loads(self.data).get("decoder") or {}
        return [part.get("type") for part in decoder.get("decoders", [decoder])] == ["ByteLevel"]

    def special_ids(self) -> list[int]:
        """Ids of the tokens that the tokenizer marks as special, ascending."""
        added = self._tokenizer.get_added_tokens_decoder()
        return sorted(number for number, token in added.items() if token.special)

    def special_id(self, name: str) -> int:
        """Id of the special token of this name; raises TrainError where there is none."""
        number = self._tokenizer.token_to_id(name)
        if number is None or number not in self.special_ids():
            raise TrainError(
                f"the tokenizer has no special token {name}",
                remedy="Build with a tokenizer that corpuskit trains; objective causal needs no such token.",
            )
        return int(number)

    def mask_id(self) -> int:
        """Id of the token that stands for a masked one; raises TrainError where there is none."""
        special = set(self.special_ids())
        known = (self._tokenizer.token_to_id(name) for name in (MASK, *_OTHER_MASKS))
        found = next((number for number in known if number in special), None)
        return self.special_id(MASK) if found is None else int(found)

    def token_bytes(self, vocab_size: int) -> npt.NDArray[np.int64] | None:
        """Bytes of text that each id stands for, (vocab_size,); 0 for special tokens.

        None unless the tokenizer is byte-level, where each character of a token stands for one byte: in
        others the bytes of a token depend on its neighbours.
        """
        if not self._is_byte_level:
            return None
        added = {entry["id"] for entry in json.loads(self.data).get("added_tokens", [])}
        lengths = np.zeros(vocab_size, np.int64)
        for token, number in self._tokenizer.get_vocab(with_added_tokens=True).items():
            if number not in added and number < vocab_size:
                lengths[number] = len(token)
        return lengths


class Decoder(Protocol):
    """A text that grows id by id; all that it gives, one behind the other, is what `Codec.decode` gives."""

    def add(self, token: int) -> str:
        """What is certain with this id and was not before: part of a character waits for the rest of it."""
        ...

    def rest(self) -> str:
        """What still waits when no id follows: U+FFFD for part of a character."""
        ...


class _ByteDecoder:
    """For byte-level tokenizers: the bytes of an id are the same wherever it stands."""

    def __init__(self, pieces: dict[int, bytes]) -> None:
        self._pieces = pieces
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, token: int) -> str:
        return self._utf8.decode(self._pieces.get(token, b""))

    def rest(self) -> str:
        return self._utf8.decode(b"", final=True)


class _TailDecoder:
    """For all others: the last ids are decoded again with each new one, until what they say is whole."""

    def __init__(self, codec: Codec, before: list[int]) -> None:
        self._codec, self._ids, self._said = codec, before, len(codec.decode(before))

    def add(self, token: int) -> str:
        self._ids.append(token)
        text = self._codec.decode(self._ids)
        if text.endswith("\N{REPLACEMENT CHARACTER}"):
            return ""
        piece = text[self._said :]
        self._ids = self._ids[-_NEIGHBOURS:]
        self._said = len(self._codec.decode(self._ids))
        return piece

    def rest(self) -> str:
        return self._codec.decode(self._ids)[self._said :]


def _byte_alphabet() -> dict[str, int]:
    """The character that stands for each byte in a byte-level vocabulary (GPT-2's encoder.py).

    Bytes that are printable characters of Latin-1 stand for themselves, the others for U+0100 and on.

    >>> [_byte_alphabet()[c] for c in "A\u0120\u010a"]
    [65, 32, 10]
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}
