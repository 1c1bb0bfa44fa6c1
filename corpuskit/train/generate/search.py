"""What a model writes behind prompts or for sources, token by token: the likeliest one each, or drawn.

Rows are of different lengths, each of which sees what it would see alone; each token is read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from corpuskit.train.generate.sampling import Sampling, draw
from corpuskit.train.model.transformer import Transformer


class Written(NamedTuple):
    """What was written for one prompt.

    Attributes:
        ids: without the end.
        log_probability: sum over these and the end where there is one, in nats, at temperature 1.
        ended: whether the model ended it; else the limit did.
    """

    ids: list[int]
    log_probability: float
    ended: bool


class Growing:
    """Texts that grow by a token each, with what a model has read of them."""

    def __init__(
        self,
        model: Transformer,
        prompts: Sequence[Sequence[int]],
        sources: Sequence[Sequence[int]] | None,
        most: int,
        forbidden: Sequence[int] = (),
    ) -> None:
        """Begin; `most` tokens are added at most, and those that are `forbidden` are impossible.

        Args:
            prompts: ids, at least one each.
            sources: what an encoder-decoder reads, at least one id each; None for a decoder.
        """
        self._model, self._vocabulary = model, model.settings.vocab_size
        device = model.embedding.weight.device
        self._forbidden = torch.tensor(list(forbidden), dtype=torch.long, device=device)
        room = min(model.settings.context, max(map(len, prompts)) + most)
        self._cache = model.new_cache(len(prompts), room)
        self._memory: Tensor | None = None
        self._mask: Tensor | None = None
        if sources is not None:
            ids, real = padded(sources, device)
            self._memory, self._mask = model.encode(ids, real.long()), real[:, None]
        self._prompts = prompts

    def first(self) -> Tensor:
        """Log-probabilities of the first token of each, (rows, V) float32."""
        device = self._model.embedding.weight.device
        ids, _ = padded(self._prompts, device)
        states = self._states(ids)
        # The padding has been read too: it is forgotten.
        lengths = [len(prompt) for prompt in self._prompts]
        self._cache.lengths = lengths
        last = torch.tensor(lengths, device=device) - 1
        return self._scores(states[torch.arange(len(lengths), device=device), last])

    def next(self, tokens: Tensor) -> Tensor:
        """Take a token each, (rows,); log-probabilities of the next one, (rows, V) float32."""
        return self._scores(self._states(tokens[:, None])[:, 0])

    def select(self, rows: Tensor) -> None:
        """Go on with these rows, some of which may stand there several times."""
        self._cache = self._cache.select(rows.tolist())
        if self._memory is not None and self._mask is not None:
            self._memory, self._mask = self._memory[rows], self._mask[rows]

    def reorder(self, rows: Tensor) -> None:
        """Go on with as many rows, each of which has the source of the row that it stands in place of."""
        cache, chosen = self._cache, rows.tolist()
        if chosen != list(range(len(chosen))):
            lengths = [cache.lengths[row] for row in chosen]
            keys, values = cache.keys[:, rows], cache.values[:, rows]
            self._cache = replace(cache, keys=keys, values=values, lengths=lengths)

    def _states(self, ids: Tensor) -> Tensor:
        return self._model.states(ids, cache=self._cache, memory=self._memory, memory_mask=self._mask)

    def _scores(self, states: Tensor) -> Tensor:
        logits = self._model.logits(states)[:, : self._vocabulary]
        scores = torch.log_softmax(logits.float(), 1)
        return scores.index_fill_(1, self._forbidden, -torch.inf)


@torch.no_grad()
def write(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    *,
    end: int,
    most: Sequence[int],
    sources: Sequence[Sequence[int]] | None = None,
    sampling: Sampling | None = None,
    seeds: Sequence[int] = (),
    forbidden: Sequence[int] = (),
) -> list[Written]:
    """One text for each prompt, written together: greedily or, with `sampling`, drawn.

    Args:
        prompts, sources, forbidden: as of `Growing`.
        end: id that ends a text.
        most: tokens of each at most, the end among them; a row must have room for them in the context.
        seeds: of each one's random numbers.
    """
    rows = list(range(len(prompts)))
    ids: list[list[int]] = [[] for _ in rows]
    sums, ended = [0.0] * len(rows), [False] * len(rows)
    chance = [torch.Generator().manual_seed(seed) for seed in seeds]
    growing = Growing(model, prompts, sources, max(most), forbidden)
    scores = growing.first()
    for step in range(max(most)):
        if sampling is None:
            tokens = scores.argmax(1)
        else:
            drawn = draw(scores.float().cpu(), sampling, [chance[row] for row in rows])
            tokens = torch.tensor(drawn, device=scores.device)
        found = scores.gather(1, tokens[:, None])[:, 0].tolist()
        going = []
        for place, (row, token, score) in enumerate(zip(rows, tokens.tolist(), found, strict=True)):
            sums[row] += score
            ended[row] = token == end
            ids[row] += [] if ended[row] else [token]
            if not ended[row] and step + 1 < most[row]:
                going.append(place)
        if not going:
            break
        if len(going) < len(rows):
            chosen = torch.tensor(going, device=scores.device)
            growing.select(chosen)
            tokens, rows = tokens[chosen], [rows[place] for place in going]
        scores = growing.next(tokens)
    return [Written(*each) for each in zip(ids, sums, ended, strict=True)]


def padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids (B, T), filled up with 0 on the right, and which of them are real."""
    longest = max(len(row) for row in rows)
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], device=device)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return ids, torch.arange(longest, device=device) < lengths[:, None]
