"""One text while it is written: what it follows, how its tokens are drawn, what it says and when it ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from corpuskit.errors import SettingError
from corpuskit.train.codec import Codec


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn.

    Attributes:
        temperature: divides the logits; 0 takes the likeliest token.
        top_k: only the k likeliest tokens may be drawn; 0 for all.
        top_p: only the fewest likeliest tokens whose probabilities reach p may be drawn; 1 for all.
        min_p: only tokens at least so many times as likely as the likeliest may be drawn; 0 for all
            (arXiv:2407.01082).

    Raises SettingError for values outside those ranges.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95
    min_p: float = 0.0

    def __post_init__(self) -> None:
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


class Draft:
    """A text while it is written.

    Attributes:
        prompt: what it follows.
        ids: its ids so far, without the prompt's and without the one that ended it.
        ended: whether the model ended it itself.
        done: whether nothing more belongs to it.
        random: where its random numbers come from.
    """

    def __init__(self, codec: Codec, prompt: Prompt) -> None:
        self.prompt = prompt
        self.ids: list[int] = []
        self.ended = self.done = False
        self.random = torch.Generator().manual_seed(prompt.seed)
        self._decoder = codec.decoder(prompt.start)
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
        found = [at for at in (self._held.find(text) for text in self.prompt.stop) if at >= 0]
        if found:
            self.done, ready = True, min(found)
        else:
            ready = len(self._held) if self.done else max(0, len(self._held) - self._hold)
        piece, self._held = self._held[:ready], self._held[ready:]
        self._said.append(piece)
        return piece


def draw(logits: Tensor, sampling: Sampling, generators: Sequence[torch.Generator]) -> list[int]:
    """Draw a token from each row of logits (B, V) with its own generator; ties go to the lower id."""
    if sampling.temperature == 0:
        return [int(token) for token in logits.argmax(1)]
    ordered, order = torch.sort(logits / sampling.temperature, dim=1, descending=True, stable=True)
    probabilities = torch.softmax(ordered, dim=1)
    if sampling.top_k:
        probabilities[:, sampling.top_k :] = 0
    # A token stays while those before it have not reached p: the first always does.
    before = probabilities.cumsum(1) - probabilities
    unlikely = probabilities < sampling.min_p * probabilities[:, :1]
    probabilities[before >= sampling.top_p * probabilities.sum(1, keepdim=True)] = 0
    probabilities[unlikely] = 0
    places = [
        torch.multinomial(row, 1, generator=g) for row, g in zip(probabilities, generators, strict=True)
    ]
    return [int(token) for token in order.gather(1, torch.stack(places))]
