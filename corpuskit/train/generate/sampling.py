"""One text while it is written: what it follows, how its tokens are drawn, what it says and when it ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from corpuskit.errors import SettingError, check_fields
from corpuskit.tokenizer.tokenizer import Tokenizer

_COLD = 1e-6
"""Temperatures below it would divide logits beyond what float32 holds."""

_FEW = 256
"""Tokens that are sorted where it is certain that no other can be drawn."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn.

    Attributes:
        temperature: divides the logits; 0, and what is below 1e-6, takes the likeliest token.
        top_k: only the k likeliest tokens may be drawn; 0 for all.
        top_p: only the fewest likeliest tokens whose probabilities reach p may be drawn; 1 for all.
        min_p: only tokens at least so many times as likely as the likeliest may be drawn; 0 for all
            (arXiv:2407.01082).

    Raises SettingError for values outside those ranges, or of other types.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95
    min_p: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 <= self.temperature < math.inf:
            raise SettingError(
                f"temperature = {self.temperature} is not in [0, inf)", remedy="Give 0 (greedy) or more."
            )
        if self.top_k < 0:
            raise SettingError(f"top_k = {self.top_k} is below 0", remedy="Give 0 for no limit.")
        if not 0 < self.top_p <= 1:
            raise SettingError(f"top_p = {self.top_p} is not in (0, 1]", remedy="Give 1 for no limit.")
        if not 0 <= self.min_p <= 1:
            raise SettingError(f"min_p = {self.min_p} is not in [0, 1]", remedy="Give 0 for no limit.")


@dataclass(frozen=True)
class Prompt:
    """What one text follows, and how it may end.

    Attributes:
        start: ids that it follows.
        seed: of its random numbers.
        ends: special tokens that end it.
        source: ids that an encoder-decoder reads before.
        stop: strings before the first of which it ends.
        may_say: special tokens that may be drawn beside `ends`.
    """

    start: list[int]
    seed: int
    ends: Sequence[int]
    source: list[int] | None = None
    stop: Sequence[str] = ()
    may_say: Sequence[int] = ()


class Completion:
    """A text while it is written.

    Attributes:
        prompt: what it follows.
        ids: its ids so far, without the prompt's and without the one that ended it.
        ended: whether the model ended it itself.
        stopped: whether one of the prompt's strings to stop at ended it.
        done: whether nothing more belongs to it.
        random: where its random numbers come from.
    """

    def __init__(self, tokenizer: Tokenizer, prompt: Prompt) -> None:
        self.prompt = prompt
        self.ids: list[int] = []
        self.ended = self.stopped = self.done = False
        self.random = torch.Generator().manual_seed(prompt.seed)
        self._decoder = tokenizer.decoder(prompt.start)
        self._said: list[str] = []
        self._held = ""
        # What may yet become a string to stop at is held back.
        self._hold = max((len(text) for text in prompt.stop), default=1) - 1

    @property
    def all_ids(self) -> list[int]:
        """The ids of the prompt and its own."""
        return [*self.prompt.start, *self.ids]

    @property
    def text(self) -> str:
        """What it says so far, without the prompt."""
        return "".join(self._said)

    def add(self, token: int, *, last: bool) -> str:
        """Take the next token, the last one at most; returns what can be said now and could not before."""
        self.ended = token in self.prompt.ends
        self.done = self.ended or last
        if not self.ended:
            self.ids.append(token)
            self._held += self._decoder.add(token)
        if self.done:
            self._held += self._decoder.rest()
        found = [(at + len(text), at) for text in self.prompt.stop if (at := self._held.find(text)) >= 0]
        if found:  # The first to be complete; of those that end together the longest.
            self.stopped = self.done = True
            ready = min(found)[1]
        else:
            ready = len(self._held) if self.done else max(0, len(self._held) - self._hold)
        piece, self._held = self._held[:ready], self._held[ready:]
        self._said.append(piece)
        return piece


def draw(logits: Tensor, sampling: Sampling, generators: Sequence[torch.Generator]) -> list[int]:
    """Draw a token from each row of logits (B, V) with its own generator; ties go to the lower id."""
    if sampling.temperature < _COLD:
        return [int(token) for token in logits.argmax(1)]
    scaled = logits / sampling.temperature
    scale = scaled.logsumexp(1, keepdim=True)
    ordered, order = _ordered(scaled, scale, sampling)
    # Summed up in float32, the many small ones of a large vocabulary would be lost.
    probabilities = (ordered - scale).exp().double()
    total: Tensor | float = 1.0
    if sampling.top_k:
        probabilities[:, sampling.top_k :] = 0
        total = probabilities.sum(1, keepdim=True)
    if sampling.top_p < 1:
        # A token stays while those before it have not reached p: the first always does.
        before = probabilities.cumsum(1) - probabilities
        probabilities[before >= sampling.top_p * total] = 0
    probabilities[probabilities < sampling.min_p * probabilities[:, :1]] = 0
    # One number a token, whatever the vocabulary: the place where the sum of those before passes it.
    sums = probabilities.cumsum(1)
    uniform = torch.stack([torch.rand(1, generator=g, dtype=torch.float64) for g in generators])
    places = torch.searchsorted(sums, uniform * sums[:, -1:], right=True)
    # Rounded up, the number drawn can be the whole sum, behind which stands what may not be drawn.
    places = torch.minimum(places, (probabilities > 0).sum(1, keepdim=True) - 1)
    return [int(token) for token in order.gather(1, places)]


def _ordered(scaled: Tensor, scale: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Logits (B, K), greatest first, and their ids: all, or as many as can be drawn where _FEW hold them.

    Sorting a whole vocabulary would take as long as a small model's step.
    """
    if scaled.shape[1] > _FEW:
        values, ids = torch.topk(scaled, _FEW, dim=1)
        # What is equal to the last one may have been left out: only those above it are known to be in order.
        last = values[:, -1:]
        if sampling.top_k:
            enough = (values > last).sum(1) >= sampling.top_k
        else:
            above = torch.where(values > last, values - scale, -torch.inf).exp().sum(1)
            # Sums in another order differ in their last bits: only what is clearly above p is surely enough.
            enough = above > sampling.top_p * (1 + 1e-6)
            if sampling.min_p:
                enough |= (last - values[:, :1]).flatten() < math.log(sampling.min_p)
        if bool(enough.all()):
            ids = ids.sort(dim=1).values  # So that of equals the lower id comes first, as among all.
            ordered, places = scaled.gather(1, ids).sort(dim=1, descending=True, stable=True)
            return ordered, ids.gather(1, places)
    return torch.sort(scaled, dim=1, descending=True, stable=True)
