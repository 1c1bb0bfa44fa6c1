"""Long texts that have nowhere to be cut: the ids of the whole, with memory for a piece of it.

Between pretokens a text is cut where both sides are cut into the same pretokens on their own. A pretoken of
megabytes is encoded in windows. Within a byte-pair encoding the merges inside of a span that no merge crosses
come in the order in which they come in the span alone. So each stretch of an encoding is the encoding of its
own bytes, and two encodings are joined to one if the token that ends the first and the token that begins the
second, merged together, stay those two. What a cut window ends with depends on what follows: the next window
begins some tokens before, where the two join.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tokenizers

from corpuskit import _native
from corpuskit.tokenizer.byte_level import TokenBytes, byte_alphabet
from corpuskit.tokenizer.engines.engines import Flat
from corpuskit.tokenizer.engines.native import cut_of

LONG = 2**18
"""Pieces of more characters are encoded so: engines hold tens of times a pretoken."""

_CHUNK, _WINDOW = 2**17, 2**15
"""Bytes that are encoded at a time, of many pretokens and of one."""

_OVERLAP = 16
"""Tokens before the end of a window among which a place is sought where it joins the next one."""

_LOOKED = 64
"""Pretokens before the end of a chunk among which a place is sought where the text may be cut."""

Ids = npt.NDArray[np.uint32]
_Encode = Callable[[Sequence[str]], Flat]


class _Window(NamedTuple):
    """Where a stretch of a pretoken begins and ends in it, and its ids."""

    start: int
    stop: int
    ids: Ids


class Unbroken:
    """Encodes long texts for a byte-level BPE tokenizer whose pattern the engine has a scanner for."""

    def __init__(self, model: tokenizers.Tokenizer, cut: tuple[int, int], tokens: TokenBytes) -> None:
        # The merges alone, with no step before them; the model is shared, not copied.
        self._merging = tokenizers.Tokenizer(model.model)
        self._cut, self._tokens = cut, tokens
        self._letters = {byte: letter for letter, byte in byte_alphabet().items()}

    @classmethod
    def of(
        cls, model: tokenizers.Tokenizer, document: Mapping[str, Any], tokens: TokenBytes | None
    ) -> Unbroken | None:
        """That of a tokenizer.json, which changes no text; None where it is of another kind."""
        cut = cut_of(document)
        if cut is None or tokens is None:
            return None
        # Where the bytes of a window end is counted by its ids: two tokens of one id have not one length.
        numbers = document["model"]["vocab"].values()
        return cls(model, cut, tokens) if len({*numbers}) == len(numbers) else None

    def encode(self, text: str, encode: _Encode) -> Iterator[Ids]:
        """The ids of a text, in parts; raises UnicodeEncodeError for what is no Unicode text.

        Args:
            encode: an engine, for stretches that are cut into the same pretokens on their own.
        """
        raw = text.encode()
        ends = self._ends(raw)
        at = 0
        while at < len(raw):
            stop = self._stop(raw, ends, at)
            if stop is None:
                stop = int(ends[np.searchsorted(ends, at, "right")])
                yield from self._merged(raw[at:stop], encode)
            else:
                yield encode([raw[at:stop].decode()]).ids
            at = stop

    def _ends(self, raw: bytes) -> npt.NDArray[np.int64]:
        scanner, digits = self._cut
        return _native.pretoken_ends(scanner, raw, digits)

    def _stop(self, raw: bytes, ends: npt.NDArray[np.int64], at: int) -> int | None:
        """The end of the next pretokens that are so on their own; None where they are encoded one by one."""
        first, last = np.searchsorted(ends, (at, at + _CHUNK), "right").tolist()
        # A pattern may look at what follows a blank, so that the last ones could be others.
        for count in range(last, max(first, last - _LOOKED), -1):
            stop = int(ends[count - 1])
            own = ends[first:count] - at
            if np.array_equal(self._ends(raw[at:stop]), own):
                return stop
        return None

    def _merged(self, pretoken: bytes, encode: _Encode) -> Iterator[Ids]:
        """The ids of a pretoken."""

        def window(start: int, size: int) -> _Window:
            stop = min(len(pretoken), start + size)
            while stop < len(pretoken) and pretoken[stop] & 0xC0 == 0x80:  # Within a character.
                stop -= 1
            return _Window(start, stop, self._of_window(pretoken[start:stop], encode))

        held = window(0, _WINDOW)
        while held.stop < len(pretoken):
            following = None
            for count, start in self._places(pretoken, held):
                following = window(start, _WINDOW)
                if self._join(int(held.ids[count - 1]), int(following.ids[0])):
                    break
                following = None
            if following is None:  # The place is of the kind that depends on what is far behind it.
                held = window(held.start, 2 * (held.stop - held.start))
                continue
            yield held.ids[:count]
            held = following
        yield held.ids

    def _places(self, pretoken: bytes, held: _Window) -> list[tuple[int, int]]:
        """Where the next window may begin, in tokens and bytes; where a character begins comes first."""
        places, start = [], held.stop
        for count in range(len(held.ids) - 1, max(0, len(held.ids) - 1 - _OVERLAP), -1):
            start -= int(self._tokens.lengths[held.ids[count]])
            places.append((count, start))
        return sorted(places, key=lambda place: pretoken[place[1]] & 0xC0 == 0x80)

    def _of_window(self, raw: bytes, encode: _Encode) -> Ids:
        """The ids of a stretch of a pretoken: by the engine where it is one pretoken on its own, too."""
        try:
            text = raw.decode()
        except UnicodeDecodeError:  # A token ends within a character.
            return self._merge(raw)
        return encode([text]).ids if len(self._ends(raw)) == 1 else self._merge(raw)

    def _join(self, left: int, right: int) -> bool:
        together = self._merge(self._tokens.join(np.array([left, right])))
        return bool(together.tolist() == [left, right])

    def _merge(self, raw: bytes) -> Ids:
        """The ids that the merges make of bytes, as of one pretoken."""
        letters = raw.decode("latin-1").translate(self._letters)
        [found] = self._merging.encode_batch_fast([letters], add_special_tokens=False)
        return np.array(found.ids, np.uint32)
