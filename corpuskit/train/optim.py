"""The optimizer: AdamW with a schedule, in functions of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

BETA1 = 0.9
EPSILON = 1e-8


@dataclass(frozen=True)
class Schedule:
    """The learning rate as a function of the step.

    "wsd" warms up, stays, and falls in a line to zero from `decay_start` on; "cosine" warms up and falls
    along half a cosine to zero. Step numbers begin at 0; step `steps` would have rate 0.

    Attributes:
        kind: "wsd" or "cosine".
        peak: the greatest rate.
        warmup: steps of linear warm-up.
        decay_start: first step of the decay ("wsd").
        steps: length of the run.
    """

    kind: str
    peak: float
    warmup: int
    decay_start: int
    steps: int

    def rate(self, step: int) -> float:
        """Learning rate of step `step`."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        if self.kind == "cosine":
            share = max(0, step - self.warmup) / max(1, self.steps - self.warmup)
            return self.peak * min(rise, 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))
        # The decay of a run by minutes may begin before its warm-up is over: the lower line holds.
        return self.peak * min(rise, max(0.0, (self.steps - step) / max(1, self.steps - self.decay_start)))


def make_optimizer(model: nn.Module, peak: float, weight_decay: float, beta2: float) -> torch.optim.AdamW:
    """AdamW over the model's parameters: matrices decay, gains (one dimension) do not.

    The fused kernel is used where torch has one for the device; the rate is set anew before each step.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    fused = all(parameter.device.type in ("cpu", "cuda") for parameter in parameters)
    return torch.optim.AdamW(groups, lr=peak, betas=(BETA1, beta2), eps=EPSILON, fused=fused)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use this learning rate from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate
