"""The loss of a language model with part of each target spread over the vocabulary, arXiv:1512.00567.

    (1 - e) (-log p(target)) + e mean over all V tokens of -log p

as torch's cross_entropy and transformers' LabelSmoother have it; the padding of the vocabulary is no token.
"""

from __future__ import annotations

import torch
from torch import Tensor

from corpuskit.train.model.loss import IGNORED, Cost, TokenLosses, linear_cost, wide


def smoothed_cross_entropy(
    states: Tensor, weight: Tensor, targets: Tensor, smoothing: float, token_losses: TokenLosses
) -> tuple[Tensor, Tensor]:
    """Sum of the smoothed losses over the targets that are not IGNORED, and of the plain ones: nats.

    Both are float32 scalars, of which only the first has a gradient; logits are computed a chunk at a time.

    Args:
        states: (M, C).
        weight: (V, C).
        targets: (M,).
        smoothing: e, from 0 on and below 1.
        token_losses: may cap the logits.
    """
    counts = (targets != IGNORED)[:, None]
    cost = _SmoothedCost(targets, counts, smoothing, token_losses)
    total = linear_cost(states, weight, cost, counts)
    return total, cost.plain


class _SmoothedCost(Cost):
    """The cost of logits, chunk by chunk; adds up what they cost without smoothing."""

    def __init__(self, targets: Tensor, counts: Tensor, smoothing: float, token_losses: TokenLosses) -> None:
        self._targets, self._counts = targets[:, None].clamp_min(0), counts
        self._smoothing, self._token_losses = smoothing, token_losses
        self.plain = torch.zeros((), device=targets.device)

    def __call__(self, logits: Tensor, rows: slice, learns: bool) -> tuple[Tensor, Tensor | None]:
        e, target = self._smoothing, self._targets[rows]
        z = wide(self._token_losses.capped(logits))
        scores = torch.log_softmax(z, 1)
        plain = -scores.gather(1, target)
        self.plain = self.plain + (plain * self._counts[rows]).sum()
        losses = (1 - e) * plain - e * scores.mean(1, keepdim=True)
        if not learns:
            return losses, None
        error = scores.exp_()
        error.scatter_add_(1, target, error.new_full(target.shape, e - 1))
        error -= e / error.shape[1]
        if cap := self._token_losses.softcap:
            error *= 1 - (z / cap).square_()
        return losses, error.to(logits.dtype)
