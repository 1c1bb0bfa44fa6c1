"""Preferences: of two answers to a prompt the model is to favour one, measured against a frozen reference.

    h      = (log pi(chosen) - log ref(chosen)) - (log pi(rejected) - log ref(rejected))
    dpo    -(1 - e) log sigmoid(beta h) - e log sigmoid(-beta h)                   arXiv:2305.18290, eq. 7
    ipo    (h' - 1 / (2 beta))^2, h' of the means over an answer's tokens          arXiv:2310.12036, eq. 17

The log-probability of an answer is the sum over its tokens and its end mark: those are the targets that are
not IGNORED. Where policy and reference are the same, h is 0 and the loss of dpo ln 2, whatever beta is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from corpuskit.errors import SettingError
from corpuskit.train.model.loss import IGNORED, TokenLosses, chunk_rows, wide, with_product
from corpuskit.train.model.transformer import Ends, Transformer


@dataclass(frozen=True)
class Preference:
    """What is learnt of pairs.

    Attributes:
        beta: how much it costs to leave the reference; of ipo its tau.
        label_smoothing: e, the share of pairs that are taken to be the wrong way round; of dpo alone.
        kind: "dpo" or "ipo".
    """

    beta: float = 0.1
    label_smoothing: float = 0.0
    kind: Literal["dpo", "ipo"] = "dpo"

    def __post_init__(self) -> None:
        """Raises SettingError for what cannot be."""
        if self.kind not in ("dpo", "ipo"):
            raise SettingError(f"kind = {self.kind!r} is neither dpo nor ipo", remedy="Give dpo, the usual.")
        if not 0 < self.beta < math.inf:
            raise SettingError(f"beta = {self.beta} is not above 0", remedy="Give 0.1, the usual.")
        if not 0 <= self.label_smoothing < 0.5:
            raise SettingError(
                f"label_smoothing = {self.label_smoothing} does not lie in [0, 0.5)",
                remedy="It is the share of pairs that are the wrong way round: give 0 or 0.1.",
            )
        if self.label_smoothing and self.kind == "ipo":
            raise SettingError("label_smoothing is none of ipo's", remedy="Leave it out, or take dpo.")


class Answers(NamedTuple):
    """Answers as a model sees them.

    Attributes:
        log_probabilities: summed over the tokens of each, (B,), in nats.
        tokens: how many these are, (B,).
    """

    log_probabilities: Tensor
    tokens: Tensor


class PreferenceLosses(NamedTuple):
    """Of each pair, (B,); only `losses` has a gradient.

    Attributes:
        losses: to be summed and divided by the pairs.
        chosen, rejected: rewards, beta (log pi - log ref) of the answer.
        margins: how much greater the first is.
        accuracy: 1 where it is greater, 0 where it is smaller, and one half of a tie.
    """

    losses: Tensor
    chosen: Tensor
    rejected: Tensor
    margins: Tensor
    accuracy: Tensor


def preference_losses(
    policy: tuple[Answers, Answers], reference: tuple[Answers, Answers], settings: Preference
) -> PreferenceLosses:
    """What pairs cost, of chosen and rejected answers as policy and reference see them.

    The reference gets no gradient. Raises SettingError for ipo where an answer has no token.
    """
    ratios = [
        ours.log_probabilities - theirs.log_probabilities.detach()
        for ours, theirs in zip(policy, reference, strict=True)
    ]
    beta, smoothing = settings.beta, settings.label_smoothing
    if settings.kind == "ipo":
        if any(bool((answers.tokens < 1).any()) for answers in policy):
            raise SettingError("an answer has no token, of which ipo takes the mean", remedy="Leave it out.")
        chosen, rejected = (ratio / answers.tokens for ratio, answers in zip(ratios, policy, strict=True))
        losses = (chosen - rejected - 1 / (2 * beta)).square()
    else:
        h = beta * (ratios[0] - ratios[1])
        losses = -(1 - smoothing) * functional.logsigmoid(h)
        if smoothing:
            losses = losses - smoothing * functional.logsigmoid(-h)
    rewards = [beta * ratio.detach() for ratio in ratios]
    margins = rewards[0] - rewards[1]
    return PreferenceLosses(losses, rewards[0], rewards[1], margins, (torch.sign(margins) + 1) / 2)


def answers_of(
    model: Transformer,
    ids: Tensor,
    targets: Tensor,
    *,
    source: Tensor | None = None,
    documents: Tensor | Ends | None = None,
) -> Answers:
    """The answers in rows of ids (B, T) whose targets (B, T) are not IGNORED, by a model that writes text.

    Args:
        source: (B, S), what an encoder-decoder reads first.
        documents: as for `Transformer.states`; an answer is all that counts in a row.
    """
    memory = None if source is None else model.encode(source)
    states = model.states(ids, documents=documents, memory=memory).flatten(0, 1)
    # Without the rows that pad the head: so it is what an exported model says, which has none.
    head = model.token_weight
    found = linear_log_probabilities(states, head, targets.flatten(), model.token_losses)
    return Answers(found.view(targets.shape).sum(1), (targets != IGNORED).sum(1))


def linear_log_probabilities(
    states: Tensor, weight: Tensor, targets: Tensor, token_losses: TokenLosses | None = None
) -> Tensor:
    """log p(target), (M,), in float32 or wider; 0 where the target is IGNORED.

    Logits are computed a chunk at a time, and once more in the backward pass: only there is it known how much
    each position matters. Where nothing is asked there are none, for which a GPU is waited for.

    Args:
        states: (M, C).
        weight: (V, C).
        targets: (M,).
        token_losses: may cap the logits.
    """
    device = states.device.type
    if torch.is_autocast_enabled(device):
        states = states.to(torch.get_autocast_dtype(device))
    asked = (targets != IGNORED).nonzero()[:, 0]
    with torch.autocast(device, enabled=False):
        found: Tensor = _LogProbabilities.apply(  # type: ignore[no-untyped-call]
            states[asked], weight, targets[asked], token_losses or TokenLosses()
        )
        return wide(states.new_zeros(len(targets))).index_put((asked,), found)


class _LogProbabilities(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, targets: Tensor, token_losses: TokenLosses
    ) -> Tensor:
        ctx.save_for_backward(states, weight, targets)
        ctx.token_losses = token_losses
        found = wide(states.new_empty(len(targets)))
        for rows, _, scores in _scores(states, weight, token_losses):
            found[rows] = scores.gather(1, targets[rows, None])[:, 0]
        return found

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        states, weight, targets = ctx.saved_tensors
        cap, matrix = ctx.token_losses.softcap, weight.to(states.dtype)
        to_states = torch.empty_like(states) if ctx.needs_input_grad[0] else None
        to_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        for rows, z, scores in _scores(states, weight, ctx.token_losses):
            error = scores.exp_().neg_()  # One at the target, less p.
            error.scatter_add_(1, targets[rows, None], error.new_ones(len(error), 1))
            error *= grad_outputs[0][rows, None]
            if cap:
                error *= 1 - (z / cap).square_()
            error = error.to(states.dtype)
            if to_states is not None:
                to_states[rows] = error @ matrix
            if to_weight is not None:
                to_weight = with_product(to_weight, error.T, states[rows])
        return to_states, to_weight, None, None


def _scores(
    states: Tensor, weight: Tensor, token_losses: TokenLosses
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Rows, their logits and their log-probabilities, (R, V) each, a chunk at a time."""
    matrix, chunk = weight.to(states.dtype), chunk_rows(len(states), len(weight), states.device.type)
    for first in range(0, len(states), chunk):
        rows = slice(first, first + chunk)
        z = token_losses.capped(functional.linear(states[rows], matrix))
        yield rows, z, torch.log_softmax(wide(z), 1)
