"""The loss of a language model, computed without holding all logits at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

IGNORED = -100
"""A target that is not to be predicted."""

CHUNK_LOGITS = {"cpu": 2**24, "cuda": 2**27}
"""Logits that are held at a time while a loss is computed: 64 MB of them, on a GPU 512 MB. For each chunk the
gradient of the whole head is read and written once."""


class TokenLosses(nn.Module):
    """What logits (R, V) cost at targets (R, 1), and its gradient: one pass over them when it is compiled."""

    def __init__(self, softcap: float = 0.0) -> None:
        super().__init__()
        self.softcap = softcap

    def capped(self, logits: Tensor) -> Tensor:
        """softcap * tanh(logits / softcap), in float32 or wider; the logits themselves without a cap."""
        return self.softcap * torch.tanh(wide(logits) / self.softcap) if self.softcap else logits

    def forward(self, logits: Tensor, targets: Tensor, learns: bool) -> tuple[Tensor, Tensor | None]:
        """-log p(target), (R, 1) float32, and its gradient by the logits, (R, V) of their type."""
        z = self.capped(logits)
        scores = torch.log_softmax(z, 1, dtype=torch.float32)
        losses = -scores.gather(1, targets)
        if not learns:
            return losses, None
        error = scores.exp_()  # p, then p - 1 at the target
        error.scatter_add_(1, targets, error.new_full(targets.shape, -1.0))
        if self.softcap:
            error *= 1 - (z / self.softcap).square_()
        return losses, error.to(logits.dtype)


def wide(x: Tensor) -> Tensor:
    """x in float32, or in its own type where that is wider."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def linear_cross_entropy(
    states: Tensor, weight: Tensor, targets: Tensor, token_losses: TokenLosses | None = None
) -> Tensor:
    """Sum of -log p(target) over the targets that are not IGNORED, a float32 scalar.

    A chunk of the logits is computed at a time, and its gradient with it: all of them would be the largest
    tensor of a step. Softmax and sums are float32 whatever the products are computed in; PyTorch's function
    of this name (2.13) holds all logits unless told otherwise, and sums the head's gradient in 16 bits.

    Args:
        states: (M, C).
        weight: (V, C).
        targets: (M,).
        token_losses: may cap the logits.
    """
    cost = _TargetCost(targets, token_losses or TokenLosses())
    return linear_cost(states, weight, cost, (targets != IGNORED)[:, None])


class Cost:
    """What logits cost, a chunk of rows at a time; it computes its gradient itself, in the same pass."""

    def __call__(self, logits: Tensor, rows: slice, learns: bool) -> tuple[Tensor, Tensor | None]:
        """The cost of logits (R, V) of these rows, (R, 1) in float32 or wider.

        If it `learns`, its gradient by the logits too, (R, V) of their type.
        """
        raise NotImplementedError


class _TargetCost(Cost):
    def __init__(self, targets: Tensor, token_losses: TokenLosses) -> None:
        self._targets, self._token_losses = targets[:, None], token_losses

    def __call__(self, logits: Tensor, rows: slice, learns: bool) -> tuple[Tensor, Tensor | None]:
        # IGNORED is no place in the logits: whatever is looked up for it is not counted.
        found: tuple[Tensor, Tensor | None]
        found = self._token_losses(logits, self._targets[rows].clamp_min(0), learns)
        return found


def linear_cost(states: Tensor, weight: Tensor, cost: Cost, counts: Tensor) -> Tensor:
    """Sum over rows of what the logits states weight^T cost, a scalar, a chunk of them at a time.

    The sum is in float32, or in the type of the states where that is wider. Gradients are computed for what
    requires one: none of a head that is frozen, which would be a third of the work, and none of the states
    where the head alone learns.

    Args:
        states: (M, C).
        weight: (V, C).
        cost: of a chunk's logits.
        counts: (M, 1), the rows that count; the others' cost is dropped, with their gradient.
    """
    device = states.device.type
    if torch.is_autocast_enabled(device):
        states = states.to(torch.get_autocast_dtype(device))
    learns = torch.is_grad_enabled() and (states.requires_grad or weight.requires_grad)
    with torch.autocast(device, enabled=False):
        out: Tensor = _LinearCost.apply(states, weight, cost, counts, learns)  # type: ignore[no-untyped-call]
    return out


class _LinearCost(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, cost: Cost, counts: Tensor, learns: bool) -> Tensor:
        matrix, chunk = weight.to(states.dtype), chunk_rows(len(states), len(weight), states.device.type)
        total = wide(states.new_zeros(()))
        to_states = torch.empty_like(states) if learns and ctx.needs_input_grad[0] else None
        to_weight = torch.zeros_like(weight) if learns and ctx.needs_input_grad[1] else None
        for first in range(0, len(states), chunk):
            rows = slice(first, first + chunk)
            x, counted = states[rows], counts[rows]
            losses, error = cost(functional.linear(x, matrix), rows, learns)
            total += (losses * counted).sum()
            # What does not count is left out here, where a row is narrower than its logits.
            if to_states is not None and error is not None:
                to_states[rows] = (error @ matrix) * counted
            if to_weight is not None and error is not None:
                to_weight = with_product(to_weight, error.T, x * counted)
            del error  # The next chunk's logits take its place.
        # Made with the loss, while the logits were there: to make it later they would be computed again.
        ctx.save_for_backward(to_states, to_weight)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        to_states, to_weight = ctx.saved_tensors
        if to_states is not None:
            to_states = to_states * grad_outputs[0].to(to_states.dtype)
        if to_weight is not None:
            to_weight = to_weight * grad_outputs[0]
        return to_states, to_weight, None, None, None


WIDE_PRODUCTS = ("cuda",)
"""Devices whose products of 16-bit numbers can be had in 32 bits."""


def with_product(total: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """total + a b, in float32, where the device can without rounding the product to the type of a and b."""
    if a.dtype != total.dtype and total.device.type in WIDE_PRODUCTS:
        return torch.addmm(total, a, b, out_dtype=total.dtype)
    return total.add_(a @ b)


def chunk_rows(targets: int, vocabulary: int, device: str) -> int:
    """Targets whose logits are computed at a time: all chunks but the last are of one size."""
    chunks = -(-targets * vocabulary // CHUNK_LOGITS.get(device, CHUNK_LOGITS["cpu"]))
    return -(-targets // max(1, chunks)) or 1
