"""What a tokenizer.json says of its tokens: their bytes, their parts, and which of them no text can produce.

A token of a byte-pair encoding is produced by some text if, and only if, its own bytes are merged to it:
within a longer text the merges inside of a token come in the order in which they come in the token alone.
Whether two tokens may stand side by side is asked of the two alone, for the same reason. No pattern is
asked, which would call tokens unreachable that stand in the middle of a pretoken.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection, Iterator
from functools import cached_property

import tokenizers
from tokenizers import models

from corpuskit.tokenizer.byte_level import byte_alphabet, is_byte_level

NEVER_IN_UTF8 = frozenset([0xC0, 0xC1, *range(0xF5, 0x100)])
"""Bytes that stand in no UTF-8 (RFC 3629); byte-level tokenizers have a token for each of them all the
same.
"""


_LETTERS = byte_alphabet()


class Vocabulary:
    """The tokens of a tokenizer.json.

    Attributes:
        kind: the type of its model: ``BPE``, ``WordPiece``, ``WordLevel`` or ``Unigram``.
        special: ids that stand for no text, to be placed by a writer alone.
        added: ids of tokens that are found in a text as they are written, before anything is merged.
        spellings: id to token as the file spells it, without `special`.
        byte_level: whether each character of a token stands for a byte.
    """

    def __init__(self, data: bytes) -> None:
        document = json.loads(data)
        whole = tokenizers.Tokenizer.from_buffer(data)
        whole.encode_special_tokens = True
        self._whole, self._model = whole, document["model"]
        self.kind = type(whole.model).__name__
        # By the ids that they have once they are read, which need not be those of the file.
        added = whole.get_added_tokens_decoder()
        marked = {number for number, token in added.items() if token.special}
        # What is not known is text all the same, although it is marked as special.
        self.special = frozenset(marked - {self.unknown})
        self.added = frozenset(added.keys() - marked)
        self.special_texts = {added[number].content: number for number in sorted(self.special)}
        known = whole.get_vocab(with_added_tokens=True)
        self.spellings = {n: token for token, n in known.items() if n not in self.special}
        self.byte_level = is_byte_level(document)

    @cached_property
    def merges(self) -> list[tuple[str, str]]:
        """The merges in order; old files write the two parts in one word with a blank between."""
        spelled = (
            pair.split(" ", 1) if isinstance(pair, str) else pair for pair in self._model.get("merges") or []
        )
        return [(str(left), str(right)) for left, right in spelled]

    @cached_property
    def raw(self) -> dict[int, bytes]:
        """The bytes of each token: those that its letters stand for, or the UTF-8 of its spelling."""
        return {number: self._bytes_of(number, token) for number, token in self.spellings.items()}

    def _bytes_of(self, number: int, token: str) -> bytes:
        if number not in self.added:
            if self.byte_level and set(token) <= _LETTERS.keys():
                return bytes(_LETTERS[letter] for letter in token)
            if self._is_byte(token):
                return bytes([int(token[3:5], 16)])
        return token.encode()

    @property
    def unknown(self) -> int | None:
        """The id of the token that stands for what the vocabulary does not have; None where there is none."""
        named = self._model.get("unk_token")
        if self.kind == "Unigram":
            found = self._model.get("unk_id")
            return None if found is None or self._model.get("byte_fallback") else int(found)
        return self._whole.token_to_id(named) if named else None

    def merged(self, number: int) -> bool:
        """Whether a token is more than one letter of the alphabet: made by merges, or meant to be."""
        token = self.spellings[number]
        return number not in self.added and len(token) > 1 and not self._is_byte(token)

    def _is_byte(self, token: str) -> bool:
        return bool(self._model.get("byte_fallback")) and len(token) == 6 and token.startswith("<0x")

    def partial(self) -> list[int]:
        """Tokens that are no valid UTF-8 by themselves: parts of characters; ascending."""
        return sorted(number for number, raw in self.raw.items() if not _is_utf8(raw))

    def intermediate(self, produced: Collection[int]) -> list[int]:
        """Tokens that were not produced, and are merged on the way to one that was; ascending."""
        place = {token: number for number, token in self.spellings.items()}
        on_the_way = {self.spellings[number] for number in produced if number in self.spellings}
        for left, right in reversed(self.merges):
            if left + right in on_the_way:
                on_the_way |= {left, right}
        found = (place[token] for token in on_the_way if token in place)
        return sorted(set(found) - set(produced))

    def unreachable(self) -> list[int] | None:
        """Tokens of more than one letter that no text can produce, ascending.

        None where the merges alone do not say it: of other models than BPE, and of those that mark the
        letters at the end or in the middle of a word.
        """
        marks = ("continuing_subword_prefix", "end_of_word_suffix")
        if self.kind != "BPE" or any(self._model.get(mark) for mark in marks):
            return None
        return _Reach(self).unreachable()

    @cached_property
    def pieces(self) -> models.BPE:
        """The merges alone, without the pattern: for what is no whole pretoken."""
        return models.BPE(dict(self._model["vocab"]), self.merges)

    @property
    def whole_words_first(self) -> bool:
        """Whether a pretoken that is in the vocabulary becomes one token whatever the merges say."""
        return bool(self._model.get("ignore_merges"))

    def encode_whole(self, text: str) -> list[int]:
        """The ids of a text, cut by the pattern first."""
        return list(self._whole.encode(text, add_special_tokens=False).ids)


class _Reach:
    """The search for texts that hold a token."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary, self._pieces = vocabulary, vocabulary.pieces
        self._spellings, self._bytes = vocabulary.spellings, vocabulary.raw
        own = [number for number in self._spellings if number not in vocabulary.added]
        self._merges_to_it = {n for n in own if self._ids(self._spellings[n]) == [n]}
        # Short ones first: a single byte nearly always does.
        known = sorted(self._merges_to_it, key=lambda n: (len(self._bytes[n]), n))
        self._asked: set[int] = set()
        self._inside = [n for n in known if self._bytes[n][:1] and _continues(self._bytes[n][0])]
        self._open = [n for n in known if _open_end(self._bytes[n])]

    def unreachable(self) -> list[int]:
        """See `Vocabulary.unreachable`."""
        vocabulary = self._vocabulary
        asked = (number for number in sorted(self._spellings) if vocabulary.merged(number))
        return [number for number in asked if not self._reached(number)]

    def _reached(self, number: int) -> bool:
        if number in self._merges_to_it and (not self._vocabulary.byte_level or self._in_text(number)):
            return True
        if not self._vocabulary.whole_words_first or not _is_utf8(self._bytes[number]):
            return False
        return self._vocabulary.encode_whole(self._bytes[number].decode()) == [number]

    def _in_text(self, number: int) -> bool:
        """Whether what is missing of its first and last character can stand beside it."""
        raw = self._bytes[number]
        if not _within_utf8(raw):
            return False
        if all(map(_continues, raw)):
            return any(self._ends(number, start + raw) for start in self._starts(number))
        begins = not _continues(raw[0]) or self._begun(number)
        return begins and self._ends(number, _open_end(raw))

    def _starts(self, number: int) -> Iterator[bytes]:
        """What can stand before a token that begins within a character, from the character's first byte
        on.
        """
        raw = self._bytes[number]
        size = next((i for i, byte in enumerate(raw) if not _continues(byte)), len(raw))
        stack, seen = [(number, raw[:size])], {(number, raw[:size])}
        while stack:
            after, rest = stack.pop()
            for before in self._open:
                joined = _open_end(self._bytes[before]) + rest
                if len(joined) > 4 or not _within_utf8(joined) or not self._beside(before, after):
                    continue
                if _continues(joined[0]):
                    if (before, joined) not in seen:
                        seen.add((before, joined))
                        stack.append((before, joined))
                elif not _continues(self._bytes[before][0]) or self._begun(before):
                    yield joined[: len(joined) - size]

    def _begun(self, number: int) -> bool:
        """Whether anything can stand before a token that begins within one character and ends in another."""
        if number in self._asked:  # A way that comes back to it begins no text.
            return False
        self._asked.add(number)
        found = any(True for _ in self._starts(number))
        self._asked.discard(number)
        return found

    def _ends(self, number: int, pending: bytes) -> bool:
        """Whether a text can go on behind a token that ends within a character, until one is whole."""
        stack, seen = [(number, pending)], {(number, pending)}
        while stack:
            before, rest = stack.pop()
            if _is_utf8(rest):
                return True
            for after in self._inside:
                joined = rest + self._bytes[after]
                if _within_utf8(joined) and self._beside(before, after):
                    state = (after, _open_end(joined))
                    if state not in seen:
                        seen.add(state)
                        stack.append(state)
        return False

    def _beside(self, before: int, after: int) -> bool:
        return self._ids(self._spellings[before] + self._spellings[after]) == [before, after]

    def _ids(self, spelling: str) -> list[int]:
        return [token.id for token in self._pieces.tokenize(spelling)]


def _continues(byte: int) -> bool:
    return 0x80 <= byte < 0xC0


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _within_utf8(raw: bytes) -> bool:
    """Whether bytes are a stretch of some UTF-8 text, cut anywhere.

    >>> [_within_utf8(raw) for raw in (b"\\x9f\\x98", b"a\\xf0\\x9f", b"\\xc3a", b"\\x80\\x80\\x80\\x80")]
    [True, True, False, False]
    """
    start = next((i for i, byte in enumerate(raw) if not _continues(byte)), len(raw))
    if start > 3:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(raw[start:], final=False)
    except UnicodeDecodeError:
        return False
    return True


def _open_end(raw: bytes) -> bytes:
    """The bytes at the end that begin a character and do not finish it; of bytes within one, all of them.

    >>> _open_end(b"a\\xf0\\x9f"), _open_end("a\u00e9".encode()), _open_end(b"\\x9f")
    (b'\\xf0\\x9f', b'', b'\\x9f')
    """
    for size in range(1, min(4, len(raw)) + 1):
        lead = raw[-size]
        if not _continues(lead):
            needs = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
            return raw[-size:] if needs > size else b""
    return raw
