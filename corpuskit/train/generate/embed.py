"""Vectors of texts: what a model makes of their tokens, pooled to one vector a text.

What is pooled is the output of the last norm: of a decoder and an encoder at each token, of an
encoder-decoder its memory. Nothing is put before or behind a text's tokens. A text longer than the context
is cut, or read in windows whose vectors are averaged; a text without a token has a vector of zeros.
Sentence vectors by the mean of all tokens: arXiv:1908.10084.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from corpuskit.errors import SettingError, TrainError, check_fields
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.model.transformer import Pooling, Transformer, is_real, pool

LongTexts = Literal["cut", "windows", "windows-alike"]
Vectors = npt.NDArray[np.float32]
Ids = npt.NDArray[np.integer]

BATCH_TOKENS = 2**14
"""Positions of a batch, padding included: of long texts fewer are read at once."""


@dataclass(frozen=True)
class VectorSettings:
    """How a text becomes a vector.

    Attributes:
        pooling: "mean" of all tokens, the "first" or the "last" one. Of a decoder, whose tokens see what
            stands before them alone, "first" is equal for all texts that begin with the same token.
        normalize: give each vector the length 1, after windows were averaged; zeros stay zeros.
        long_texts: of a text longer than the context read its first tokens alone ("cut"), or windows one
            behind the other, whose vectors are averaged by their numbers of tokens ("windows") or each as
            much as any other ("windows-alike").
        overlap: tokens that a window shares with the one before; at most half of the context.
    """

    pooling: Pooling = "mean"
    normalize: bool = False
    long_texts: LongTexts = "windows"
    overlap: int = 0

    def __post_init__(self) -> None:
        """Raises SettingError, naming setting and value."""
        check_fields(self)
        if self.overlap < 0 or (self.overlap and self.long_texts == "cut"):
            raise SettingError(
                f"overlap = {self.overlap} with long_texts = {self.long_texts}",
                remedy="Give 0 or more tokens, and only where long texts are read in windows.",
            )

    def rule(self, context: int) -> str:
        """What becomes of texts longer than the context, in words."""
        if self.long_texts == "cut":
            return f"of each the first {context} tokens are read"
        weighed = "by their tokens" if self.long_texts == "windows" else "alike"
        shared = f" that share {self.overlap}" if self.overlap else ""
        return f"each is read in windows of {context} tokens{shared}, whose vectors are averaged {weighed}"


def pooled(states: Tensor, lengths: Tensor, pooling: Pooling) -> Tensor:
    """One vector a row, float32 (B, C), of states (B, T, C), the first `lengths` (B,) of each row real.

    Sums are float32 also where states are halves, in which a sum would be infinite from 65,520 on.
    """
    return pool(states.float(), lengths, pooling)


def normalised(vectors: npt.ArrayLike) -> Vectors:
    """Vectors (N, C) of any type divided by their lengths, float32; those of length 0 as they are.

    >>> normalised([[3.0, 4.0], [0.0, 0.0]]).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    wide = np.asarray(vectors).astype(np.float64)  # A square of float32 may be beyond float32.
    lengths = np.sqrt((wide * wide).sum(axis=1, keepdims=True))
    found: Vectors = np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths > 0).astype(np.float32)
    return found


def stored(
    vectors: Vectors, names: Sequence[object], half: bool = False
) -> npt.NDArray[np.float32 | np.float16]:
    """Vectors (N, C) as they are kept, float32 or float16.

    Args:
        names: what each is called in a message.

    Raises TrainError for a number that is none or infinite, and for one beyond 65,504 where half is asked
    for.
    """
    sound = np.isfinite(vectors).all(axis=1)
    if not sound.all():
        raise TrainError(
            f"the vector of {names[int(sound.argmin())]} holds a number that is not finite",
            remedy="The model's weights or its numbers overflow: try other weights, or a shorter text.",
        )
    if not half:
        return vectors
    with np.errstate(over="ignore"):
        small = vectors.astype(np.float16)
    sound = np.isfinite(small).all(axis=1)
    if not sound.all():
        row = int(sound.argmin())
        largest = float(np.abs(vectors[row]).max())
        raise TrainError(
            f"the vector of {names[row]} holds {largest:g}, and float16 ends at 65,504",
            remedy="Store float32, or normalize.",
        )
    return small


def windows_of(length: int, context: int, settings: VectorSettings) -> list[tuple[int, int]]:
    """Which tokens of a text of `length` are read together, as (start, end); none of an empty text.

    >>> windows_of(33, 16, VectorSettings()), windows_of(33, 16, VectorSettings(long_texts="cut"))
    ([(0, 16), (16, 32), (32, 33)], [(0, 16)])
    >>> windows_of(24, 16, VectorSettings(overlap=8))
    [(0, 16), (8, 24)]
    """
    if length <= context or settings.long_texts == "cut":
        return [(0, min(length, context))] if length else []
    starts = range(0, length - settings.overlap, context - settings.overlap)
    return [(start, min(start + context, length)) for start in starts]


class Embedder:
    """Makes vectors of texts.

    Attributes:
        settings, context, width: how a text becomes a vector, most tokens read at once, numbers of a vector.
    """

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        settings: VectorSettings,
        batch_rows: int = 32,
        share: tuple[int, int] = (0, 1),
        gather: Callable[[Tensor], Tensor] = lambda found: found,
    ) -> None:
        """Raises SettingError for an overlap of more than half of the context.

        Args:
            batch_rows: windows that are read at once.
            share: of batches dealt round by round, the number of this process and of how many.
            gather: adds up what each of them found.
        """
        self.settings, self.context, self.width = settings, model.settings.context, model.settings.width
        if settings.overlap > self.context // 2:
            raise SettingError(
                f"overlap = {settings.overlap} is more than half of the model's context of {self.context}",
                remedy=f"Give {self.context // 2} at most.",
            )
        self.tokenizer = tokenizer
        self._model, self._batch_rows, self._share, self._gather = model, batch_rows, share, gather

    def vectors(self, texts: Sequence[str]) -> tuple[Vectors, list[int]]:
        """Vectors (N, C) of texts in their order, all held at once, and their numbers of tokens.

        Equal texts have vectors that are equal bit by bit. A vector does not depend on the other texts but
        for rounding, since matrix products of another height may add in another order.
        """
        encoded = list(self.tokenizer.encode(iter(texts)))
        pieces: dict[bytes, int] = {}  # Each is read once, however often it stands.
        parts: list[tuple[list[int], list[int]]] = []
        for ids in encoded:
            spans = windows_of(len(ids), self.context, self.settings)
            keys = [ids[start:end].astype(np.int32).tobytes() for start, end in spans]
            parts.append(([pieces.setdefault(key, len(pieces)) for key in keys], [e - s for s, e in spans]))
        found = self._pooled([np.frombuffer(key, np.int32) for key in pieces])
        out = np.zeros((len(texts), self.width), np.float32)
        for row, (numbers, sizes) in enumerate(parts):
            if numbers:
                out[row] = self._weights(sizes) @ found[numbers]
        # Zeros lose their sign, which a sum over processes takes away as well.
        return (normalised(out) if self.settings.normalize else out) + np.float32(0), list(map(len, encoded))

    def _weights(self, sizes: list[int]) -> Vectors:
        """What each window of a text counts for; of one alone exactly 1."""
        counts = np.array(sizes if self.settings.long_texts == "windows" else [1] * len(sizes), np.float64)
        weights: Vectors = (counts / counts.sum()).astype(np.float32)
        return weights

    def _pooled(self, pieces: Sequence[Ids]) -> Vectors:
        """The vector of each window, (windows, C)."""
        found, model = torch.zeros(len(pieces), self.width), self._model
        was_training = model.training
        model.eval()
        try:
            with torch.inference_mode():
                for turn, numbers in enumerate(self._batches(pieces)):
                    if turn % self._share[1] == self._share[0]:
                        found[numbers] = self._read([pieces[number] for number in numbers])
        finally:
            model.train(was_training)
        vectors: Vectors = self._gather(found).numpy()
        return vectors

    def _batches(self, pieces: Sequence[Ids]) -> Iterator[list[int]]:
        """Numbers of windows that are read together, of like lengths."""
        batch: list[int] = []
        for number in sorted(range(len(pieces)), key=lambda each: len(pieces[each])):
            room = min(self._batch_rows, BATCH_TOKENS // len(pieces[number]))
            if batch and len(batch) >= room:
                yield batch
                batch = []
            batch.append(number)
        if batch:
            yield batch

    def _read(self, pieces: Sequence[Ids]) -> Tensor:
        """Vectors (B, C) of windows, padded on the right, where no pooling looks."""
        model, device = self._model, self._model.embedding.weight.device
        lengths = torch.tensor([len(piece) for piece in pieces], device=device)
        longest = max(map(len, pieces))
        ids = torch.zeros(len(pieces), longest, dtype=torch.long)
        for row, piece in enumerate(pieces):
            ids[row, : len(piece)] = torch.from_numpy(piece.astype(np.int64))
        ids = ids.to(device)
        if model.settings.kind == "decoder":
            states = model.states(ids)  # No real position sees the padding behind it.
        else:
            states = model.encode(ids, is_real(ids, lengths).long())
        return pooled(states, lengths, self.settings.pooling).cpu()
