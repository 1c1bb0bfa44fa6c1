"""What a model is asked: inputs and targets out of rows of tokens, as functions of (tokens, keys) alone.

A row's key follows from the seed and the row's number in the run, so that it is masked otherwise each time it
is read, and alike whenever the same batch is made again. Each function returns the arguments of
`Transformer.loss` as arrays whose first dimension counts the rows.

An encoder-decoder learns by each of the four: the second half of a row behind the first, tokens that its
encoder sees masked, spans that were taken out, or whole texts of which its encoder sees spans hidden. By the
last alone it learns to copy: of spans that were taken out no target stands in the source.

Sources: masked prediction arXiv:1810.04805, its rate arXiv:2202.08005; by an encoder-decoder, whose decoder
is asked for what was masked alone, arXiv:1905.02450; continuation behind a prefix and span corruption
arXiv:1910.10683 (sections 3.2.3 and 3.1.4, its code's random_spans_noise_mask); text infilling
arXiv:1910.13461 (section 2.2, with lengths drawn as for span corruption); goldfish loss arXiv:2406.10209.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError
from corpuskit.shards.permutation import derive_key, mix64_array
from corpuskit.train.model.loss import IGNORED

Ids = npt.NDArray[np.int64]
Arrays = dict[str, Ids]

GOLDFISH_TOKENS = 13
"""Tokens before a target that decide whether it is left out, as in the paper."""

LEAST_CONTEXT = 4
"""Positions that spans need."""

_MASKED, _RANDOM = 0.8, 0.1  # BERT's shares of the chosen positions; the rest stays as it is


def documents(ids: Ids, end_of_text: int, *, begins: bool = False) -> Ids:
    """Which document of its row each position belongs to, (B, T): the token that ends one belongs to it.

    Args:
        begins: it belongs to the next one instead, as what that is continued from: a text that is written
            begins with this token too.

    >>> documents(np.array([[5, 0, 6, 7, 0, 8]]), end_of_text=0).tolist()
    [[0, 0, 1, 1, 1, 2]]
    >>> documents(np.array([[5, 0, 6, 7, 0, 8]]), end_of_text=0, begins=True).tolist()
    [[0, 1, 1, 1, 2, 2]]
    """
    is_end = (ids == end_of_text).astype(np.int64)
    ended: Ids = np.cumsum(is_end, axis=1)
    return ended if begins else ended - is_end


# ------------------------------------------------------------------------------------------- causal
@dataclass(frozen=True)
class Causal:
    """Predict each token from those before it.

    Attributes:
        context: T.
        end_of_text: the token that ends a document.
        apart: let no position see another document of its row.
        goldfish: leave out one target in so many, always the same ones of a passage, so that it cannot be
            learnt by heart as a whole; 0 leaves out none.
    """

    context: int
    end_of_text: int
    apart: bool = False
    goldfish: int = 0

    @property
    def row_tokens(self) -> int:
        """T + 1: the last is a target only."""
        return self.context + 1

    @property
    def stride(self) -> int:
        """T."""
        return self.context

    def arrays(self, rows: Ids, keys: Sequence[int], real: Ids | None = None) -> Arrays:
        """ids and targets (B, T), and documents (B, T) where they are kept apart."""
        ids, targets = rows[:, :-1], rows[:, 1:]
        if self.goldfish:
            targets = np.where(goldfish_mask(rows, self.goldfish)[:, 1:], IGNORED, targets)
        if real is not None:
            targets = np.where(is_token(rows, real)[:, 1:], targets, IGNORED)
        batch = {"ids": ids, "targets": targets}
        return batch | ({"documents": documents(ids, self.end_of_text, begins=True)} if self.apart else {})


def is_token(rows: Ids, real: Ids) -> npt.NDArray[np.bool_]:
    """Which places of rows (B, R) hold a token, and no padding: the first `real` (B,) of each."""
    return np.arange(rows.shape[1]) < real[:, None]


def goldfish_mask(rows: Ids, one_in: int) -> npt.NDArray[np.bool_]:
    """Which tokens are left out as targets, (B, R): one in `one_in`, by a hash of the 13 before each.

    A passage loses the same tokens wherever it stands in a row and in the corpus: otherwise what one reading
    leaves out the next would teach. Tokens with fewer than 13 before them in their row stay.
    """
    mask = np.zeros(rows.shape, np.bool_)
    count = rows.shape[1] - GOLDFISH_TOKENS
    if count > 0:
        hashes = np.zeros((len(rows), count), np.uint64)
        words = rows.astype(np.uint64)
        for first in range(GOLDFISH_TOKENS):
            hashes = mix64_array(np.bitwise_xor(hashes, words[:, first : first + count]))
        mask[:, GOLDFISH_TOKENS:] = hashes % np.uint64(one_in) == 0
    return mask


@dataclass(frozen=True)
class Continuation:
    """Write the second half of a row behind the first, which an encoder reads whole.

    Rows overlap by a half, so that each token but the first T is a target once and a source once.

    Attributes:
        context: T, and as much is read before.
        end_of_text: begins what the decoder reads.
        goldfish: as of `Causal`.
    """

    context: int
    end_of_text: int
    goldfish: int = 0

    @property
    def row_tokens(self) -> int:
        """2 T."""
        return 2 * self.context

    @property
    def stride(self) -> int:
        """T."""
        return self.context

    def arrays(self, rows: Ids, keys: Sequence[int], real: Ids | None = None) -> Arrays:
        """source (B, S), ids and targets (B, T); of a row with an odd number of tokens T is one more."""
        half = rows.shape[1] // 2
        source, written = rows[:, :half], rows[:, half:]
        targets = written
        if self.goldfish:
            targets = np.where(goldfish_mask(rows, self.goldfish)[:, half:], IGNORED, targets)
        return {"source": source, "ids": _one_late(written, self.end_of_text), "targets": targets}


# ------------------------------------------------------------------------------------------- masked
@dataclass(frozen=True)
class Masked:
    """Predict tokens that were masked, from both sides.

    An encoder-decoder's encoder sees the text with the masks, and its decoder, which is asked for the masked
    tokens alone, the whole text before each.

    Of the chosen positions 80 % hold the mask, 10 % a random token, 10 % their own. A row has the same number
    of them each time, so that all tensors keep their shapes; ends of documents are never chosen.

    Attributes:
        context: T.
        end_of_text, mask: ids of these two tokens.
        special: ids that are neither chosen nor drawn.
        vocab_size: ids are below it.
        rate: share of the positions that are chosen.
        apart: let no position see another document of its row; not with `writes`.
        writes: the masked tokens are written by a decoder behind an encoder.
    """

    context: int
    end_of_text: int
    mask: int
    special: tuple[int, ...]
    vocab_size: int
    rate: float = 0.3
    apart: bool = False
    writes: bool = False

    @property
    def row_tokens(self) -> int:
        """T."""
        return self.context

    stride = row_tokens

    @functools.cached_property
    def _ordinary(self) -> Ids:
        """The ids that are not special."""
        return np.setdiff1d(np.arange(self.vocab_size), self.special)

    def arrays(self, rows: Ids, keys: Sequence[int], real: Ids | None = None) -> Arrays:
        """ids (B, T), positions and targets (B, M); a row with fewer tokens to choose has IGNORED ones.

        With `writes` a source (B, T) has the masks, and ids are the tokens themselves, one later.
        """
        count = max(1, round(self.rate * rows.shape[1]))
        draws = _draws(keys, rows.shape[1])
        special = np.isin(rows, self.special)
        if real is not None:
            special |= ~is_token(rows, real)
        draws[special] = 2**64 - 1  # Chosen last: in a row of few other tokens only.
        # Sorted, since the order in which argpartition leaves them is not stated.
        positions = np.sort(np.argpartition(draws, count - 1, axis=1)[:, :count], axis=1)
        targets = np.take_along_axis(rows, positions, axis=1)
        chosen = ~np.take_along_axis(special, positions, axis=1)

        choice = _draws([derive_key(key, 1) for key in keys], count) / 2.0**64
        numbers = _draws([derive_key(key, 2) for key in keys], count) % np.uint64(len(self._ordinary))
        drawn = self._ordinary[numbers.astype(np.int64)]
        other = np.where(choice < _MASKED, self.mask, drawn)
        ids = rows.copy()
        put = np.where(chosen & (choice < _MASKED + _RANDOM), other, targets)
        np.put_along_axis(ids, positions, put, axis=1)
        batch = {"ids": ids, "targets": np.where(chosen, targets, IGNORED), "positions": positions}
        if self.writes:
            return {**batch, "source": ids, "ids": _one_late(rows, self.end_of_text)}
        if self.apart:
            return batch | {"documents": documents(rows, self.end_of_text)}
        if real is None:
            return batch
        # No position that is read sees padding.
        return batch | {"documents": 1 - is_token(rows, real).astype(np.int64)}


# -------------------------------------------------------------------------------------------- spans
@dataclass(frozen=True)
class Spans:
    """Write the spans that were taken out of a text and stand for by sentinels.

    Of a row of R tokens n = density R are taken out in k = n / length spans. The source keeps the others,
    with a sentinel for each span; the target lists each sentinel with its span, and the end of text. How
    long spans are is drawn; how many there are and how many tokens they hold is not, so that all rows are
    equally long: R is the greatest for which the source fits the context.

    Attributes:
        context: greatest length of source and target, S.
        end_of_text: ends the target, and begins what the decoder reads.
        sentinels: their ids, the first span's first.
        density: share of the tokens taken out.
        length: tokens of a span on average.
    """

    context: int
    end_of_text: int
    sentinels: tuple[int, ...]
    density: float = 0.15
    length: float = 3.0

    def __post_init__(self) -> None:
        """Raises SettingError where there are too few sentinels, or no span fits."""
        if self.context < LEAST_CONTEXT:
            raise SettingError(
                f"context = {self.context}: spans need {LEAST_CONTEXT} positions at least",
                remedy="Raise context, or train on more text: a short corpus shortens it.",
            )
        noise, spans = self._parts(self.row_tokens)
        if spans > len(self.sentinels):
            raise SettingError(
                f"a row of {self.row_tokens} tokens has {spans} spans, and there are {len(self.sentinels)} "
                "sentinel tokens",
                remedy="Raise span_length, or lower context or span_density.",
            )
        if noise + spans + 1 > self.context:
            raise SettingError(
                f"span_density = {self.density} takes out {noise} tokens in {spans} spans: they do not fit "
                f"the context of {self.context}",
                remedy="Lower span_density.",
            )

    @property
    def row_tokens(self) -> int:
        """R."""
        tokens = self.context
        while self._source(tokens + 1) <= self.context:
            tokens += 1
        return tokens

    stride = row_tokens

    def arrays(self, rows: Ids, keys: Sequence[int], real: Ids | None = None) -> Arrays:
        """source (B, S), ids and targets (B, U): the decoder reads the target one token late."""
        if real is not None:
            return self._of_packed(rows, keys, real)
        pairs = [self._corrupt(row, key) for row, key in zip(rows, keys, strict=True)]
        targets = np.stack([target for _, target in pairs])
        source = np.stack([source for source, _ in pairs])
        return {"source": source, "ids": _one_late(targets, self.end_of_text), "targets": targets}

    def _of_packed(self, rows: Ids, keys: Sequence[int], real: Ids) -> Arrays:
        """The same of rows with padding: source and targets are filled up, the latter with IGNORED."""
        noise, spans = self._parts(rows.shape[1])
        source = np.full((len(rows), self._source(rows.shape[1])), self.end_of_text)
        targets = np.full((len(rows), noise + spans + 1), IGNORED)
        for number, (row, key, tokens) in enumerate(zip(rows, keys, real.tolist(), strict=True)):
            if tokens < LEAST_CONTEXT:  # Too few for a span between others: read, and not asked for.
                source[number, :tokens] = row[:tokens]
                continue
            kept, taken = self._corrupt(row[:tokens], key)
            source[number, : len(kept)], targets[number, : len(taken)] = kept, taken
        known = np.where(targets == IGNORED, self.end_of_text, targets)
        return {"source": source, "ids": _one_late(known, self.end_of_text), "targets": targets}

    def _parts(self, tokens: int) -> tuple[int, int]:
        # Some tokens are taken and some kept; a span holds one at least, and a kept one stands before it.
        noise = min(max(round(tokens * self.density), 1), tokens - 1)
        return noise, min(max(round(noise / self.length), 1), noise, tokens - noise)

    def _source(self, tokens: int) -> int:
        noise, spans = self._parts(tokens)
        return tokens - noise + spans

    def _corrupt(self, row: Ids, key: int) -> tuple[Ids, Ids]:
        """One row as (source, target)."""
        noise, spans = self._parts(len(row))
        taken = _composition(noise, spans, derive_key(key, 1))
        kept = _composition(len(row) - noise, spans, derive_key(key, 2))
        sentinels = np.array(self.sentinels[:spans])
        # The text alternates: what is kept, what is taken, and so on.
        ends = np.cumsum(np.stack([kept, taken], axis=1).ravel())
        part = np.searchsorted(ends, np.arange(len(row)), side="right")
        is_taken = part % 2 == 1
        first_taken = is_taken & np.concatenate([[True], part[1:] != part[:-1]])
        source = np.where(first_taken, sentinels[part // 2], row)[~is_taken | first_taken]
        at = np.flatnonzero(first_taken)
        target = np.insert(row, at, sentinels)[np.insert(is_taken, at, True)]
        return source, np.append(target, self.end_of_text)


# ---------------------------------------------------------------------------------------- denoise
@dataclass(frozen=True)
class Denoise:
    """Write a text whole of which spans are hidden, each behind one mask: text infilling.

    Of a row's n ordinary tokens rate n are hidden, in spans of `length` on average; how long each is and
    where it stands is drawn. No special token is hidden: it parts a span that would reach over it. Each mask
    stands for a token at least, where the paper has some for none.

    Documents are kept apart, so that what is written is of the text that is read: no position of either side
    sees another document of its row. Their ends are written and not read, as in tuning for pairs of texts.

    Attributes:
        context: T.
        end_of_text: ends a document, and begins what the decoder reads.
        mask: stands for a span.
        special: ids that are not hidden.
        rate: share of the ordinary tokens that are hidden.
        length: tokens of a span on average.
    """

    context: int
    end_of_text: int
    mask: int
    special: tuple[int, ...]
    rate: float = 0.3
    length: float = 3.0

    @property
    def row_tokens(self) -> int:
        """T."""
        return self.context

    stride = row_tokens

    def arrays(self, rows: Ids, keys: Sequence[int], real: Ids | None = None) -> Arrays:
        """source, ids and targets, and the documents of ids and source: source_documents; all (B, T).

        What fills up a source belongs to no document.
        """
        nowhere = rows.shape[1]
        shown = np.ones(rows.shape, np.bool_) if real is None else is_token(rows, real)
        numbers = np.where(shown, documents(rows, self.end_of_text), nowhere)
        hidden = np.stack(
            [
                self._hidden(of_text, key)
                for of_text, key in zip(shown & ~np.isin(rows, self.special), keys, strict=True)
            ]
        )
        is_mask = hidden & ~_before(hidden, nothing=False)
        # An end is read where its document holds nothing else: each needs something that it is written from.
        is_read = (rows != self.end_of_text) | (numbers != _before(numbers, nothing=-1))
        kept = shown & is_read & (is_mask | ~hidden)
        place = np.arange(rows.shape[1]) < kept.sum(axis=1)[:, None]
        source, source_numbers = np.full(rows.shape, self.end_of_text), np.full(rows.shape, nowhere)
        source[place], source_numbers[place] = np.where(is_mask, self.mask, rows)[kept], numbers[kept]
        return {
            "source": source,
            "ids": _one_late(rows, self.end_of_text),
            "targets": np.where(shown, rows, IGNORED),
            "documents": numbers,
            "source_documents": source_numbers,
        }

    def _hidden(self, of_text: npt.NDArray[np.bool_], key: int) -> npt.NDArray[np.bool_]:
        """Which tokens of a row are hidden, (T,), of those that may be."""
        hidden, tokens = np.zeros(len(of_text), np.bool_), int(of_text.sum())
        if not tokens:
            return hidden
        noise = min(max(round(tokens * self.rate), 1), tokens)
        spans = min(max(round(noise / self.length), 1), noise, tokens - noise + 1)
        # Spans are parted by a token at least; before the first and behind the last there may be none.
        shown = _composition(tokens - noise + 2, spans + 1, derive_key(key, 2))
        shown[[0, -1]] -= 1
        lengths = np.zeros(2 * spans + 1, np.int64)
        lengths[::2], lengths[1::2] = shown, _composition(noise, spans, derive_key(key, 1))
        hidden[of_text] = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
        return hidden


def _before(row: npt.NDArray[Any], *, nothing: int) -> npt.NDArray[Any]:
    """What stands before each place of rows (B, R): `nothing` before the first."""
    return np.pad(row, ((0, 0), (1, 0)), constant_values=nothing)[:, :-1]


def _one_late(targets: Ids, begin: int) -> Ids:
    """What a decoder reads while it writes the targets (B, T): `begin`, and all of them but the last."""
    return np.concatenate([np.full((len(targets), 1), begin), targets[:, :-1]], axis=1)


Objective = Causal | Continuation | Masked | Spans | Denoise
"""How rows of tokens become a batch: `arrays` takes rows (B, R) with one key each and, of packed ones, how
many tokens of each are no padding. Padding, which is ends of text, is never asked for. It reads rows of R
tokens, `row_tokens`, the next one `stride` tokens behind the start of the one before."""


# ------------------------------------------------------------------------------------------ chance
def _draws(keys: Sequence[int], count: int) -> npt.NDArray[np.uint64]:
    """`count` words for each key, (keys, count): SplitMix64's stream from a state that is the key."""
    steps = np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return mix64_array(np.array(keys, np.uint64)[:, None] + steps[None, :])


def _composition(total: int, parts: int, key: int) -> Ids:
    """`total` as a sum of so many numbers of at least 1, drawn evenly among all such sums."""
    # Stable: equal words, rare as they are, are ordered alike by every processor.
    cuts = np.sort(np.argsort(_draws([key], total - 1)[0], kind="stable")[: parts - 1]) + 1
    return np.diff(np.concatenate([[0], cuts, [total]]))
