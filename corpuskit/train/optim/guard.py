"""Guards: which updates are not made, decided on the device, so that no step waits for the answer."""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW = 64
"""Steps, of those whose updates were made, that a loss and a norm are compared with."""

# From fewer values mean and deviation are too uncertain to refuse a step by.
_LEAST = 32


class Guard:
    """Refuses steps whose loss or gradient norm is not finite, and, if asked to, those that leap up.

    A leap is a value more than so many standard deviations above the mean of the last 64 steps that were not
    refused; no step is one before there are 32.
    """

    def __init__(self, device: torch.device, deviations: float = 0.0) -> None:
        """Begin with an empty window; with 0 deviations leaps are let through."""
        self._deviations = deviations
        self._window = torch.zeros(2, WINDOW, device=device)
        self._count = torch.zeros((), dtype=torch.int64, device=device)
        self._places = torch.arange(WINDOW, device=device)

    @torch.no_grad()
    def keep(self, loss: Tensor, norm: Tensor, some: Tensor | None = None) -> Tensor:
        """1.0 where the step is to be made, else 0.0, as a scalar on the device; takes the step in.

        Args:
            some: a scalar, False where the batch had no target, which makes no step.
        """
        values = torch.stack([loss, norm]).float()
        kept = values.isfinite().all()
        if some is not None:
            kept &= some
        if self._deviations:
            filled = self._places < self._count
            size = self._count.clamp(2, WINDOW)  # 2: the variance is divided by one less.
            mean = (self._window * filled).sum(1) / size
            squares = ((self._window - mean[:, None]) * filled).square().sum(1)
            limit = mean + self._deviations * (squares / (size - 1)).sqrt()
            # All on the device, also whether there are enough: to ask would be to wait for it.
            kept &= (values <= limit).all() | (self._count < _LEAST)
        here = (self._places == self._count % WINDOW) & kept
        self._window = torch.where(here, values[:, None], self._window)
        self._count = self._count + kept
        return kept.float()

    def state(self) -> dict[str, Tensor]:
        """The window, for a checkpoint."""
        return {"guard.window": self._window, "guard.count": self._count}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self._window = state["guard.window"].to(self._window.device)
        self._count = state["guard.count"].to(self._count.device)
