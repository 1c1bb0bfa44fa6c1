"""The optimizer: AdamW and Muon under one roof, with a schedule in functions of the step.

Muon updates the matrices between the embedding and the head, AdamW everything else; with `adamw` it updates
all. Both work on what this process holds of each parameter, as a plain tensor: an optimizer of elements needs
to know nothing of sharding, and Muon's matrices are made whole on the way (see `corpuskit.train.optim.muon`).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from corpuskit.errors import SettingError
from corpuskit.train.optim.muon import Muon, Pieces
from corpuskit.train.parallel.layout import Rank, fused_parts, local_tensor, whole_layouts
from corpuskit.train.parallel.parallel import Parallel
from corpuskit.train.settings.settings import Optimization

# Those of Adam's paper, arXiv:1412.6980.
BETA1 = 0.9
EPSILON = 1e-8
# Their rows belong to a token, a class or a position each. They are no maps between hidden states, for which
# Muon is.
_LOOKED_UP = ("embedding.weight", "head.weight", "classifier.weight", "positions.weight")
# Neither are the halves of an adapter, see `corpuskit.train.model.lora`: only their product is one.
_HALVES = (".lora_a", ".lora_b")


def is_map(name: str) -> bool:
    """Whether a matrix of this name maps hidden states to hidden states: such are for Muon."""
    return not name.endswith((*_LOOKED_UP, *_HALVES))


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


class _Moments(NamedTuple):
    """What AdamW keeps of a parameter."""

    step: Tensor
    exp_avg: Tensor
    exp_avg_sq: Tensor


class Optimizer:
    """Updates a model's parameters from their gradients.

    Attributes:
        steps: updates done, as a scalar tensor: AdamW's, which skipped steps do not count for.
    """

    def __init__(self, model: nn.Module, settings: Optimization, parallel: Parallel | None = None) -> None:
        """An optimizer that has done no step; of a model that this process holds whole, or of `parallel`.

        Raises SettingError for a model of which nothing learns.
        """
        self.settings = settings
        self._parameters = {name: each for name, each in model.named_parameters() if each.requires_grad}
        if not self._parameters:
            raise SettingError("no parameter of the model learns", remedy="Let one require a gradient.")
        self._local = {name: local_tensor(each) for name, each in self._parameters.items()}
        layouts = parallel.layouts if parallel else whole_layouts(model)
        shapes = {name: layouts[name].shape for name in self._local}
        by_muon = [name for name, shape in shapes.items() if len(shape) == 2 and is_map(name)]
        by_muon = by_muon if settings.optimizer == "muon" else []
        self._muon: Muon | None = None
        if by_muon:
            here = (parallel.grid.index, parallel.grid.ranks) if parallel else (0, (Rank(),))
            device = self._local[by_muon[0]].device
            pieces = Pieces(*here, {name: layouts[name] for name in by_muon}, device)
            fused = parallel.parts if parallel else fused_parts(model)
            self._muon = Muon({name: self._local[name] for name in by_muon}, fused, pieces)
        rest = [name for name in self._local if name not in by_muon]
        self._adamw_names = rest
        self._device = next(iter(self._local.values())).device
        # Not the class: to make one loads torch's compiler, which takes longer than some runs.
        zeros = {name: torch.zeros_like(self._local[name]) for name in rest}
        self.steps = torch.zeros((), device=self._device)
        self._adamw = {n: _Moments(self.steps.clone(), each, each.clone()) for n, each in zeros.items()}
        self._average = (
            {n: each.detach().float().clone() for n, each in self._local.items()} if settings.ema else {}
        )

    def gradients(self) -> dict[str, Tensor]:
        """What this process holds of the gradients, by name; of parameters that took no part none."""
        return {
            name: local_tensor(each.grad) for name, each in self._parameters.items() if each.grad is not None
        }

    @torch.no_grad()
    def step(
        self, rate: float, keep: Tensor | None = None, gradients: Mapping[str, Tensor] | None = None
    ) -> None:
        """One update with this learning rate, then forget the gradients.

        Args:
            rate: AdamW's; Muon's is in the same proportion to its own peak.
            keep: a scalar, 0 or 1, on the device: with 0 nothing changes, whatever the gradients are.
            gradients: by default the parameters' own. A parameter without one does not decay either; its
                moments fade.
        """
        settings = self.settings
        taking = self.gradients() if gradients is None else gradients
        gradients = {
            name: taking[name] if name in taking else torch.zeros_like(each)
            for name, each in self._local.items()
        }
        kept = torch.ones((), device=self._device) if keep is None else keep.to(torch.float32)
        share = rate / settings.peak
        decay = (settings.weight_decay or 0.0) * (share if settings.weight_decay_fades else 1.0)
        # The fused kernels read this flag on the device: it is how a loss scaler skips a step.
        refused = None if keep is None else 1 - kept
        decaying = [name for name in self._adamw_names if self._local[name].dim() >= 2 and name in taking]
        others = [name for name in self._adamw_names if name not in decaying]
        for names, weight_decay in ((decaying, decay), (others, 0.0)):
            if names:
                self._update(names, gradients, rate, weight_decay, refused)
        if self._muon is not None:
            self._muon.step(gradients, share * settings.muon_peak, decay, kept, taking.keys())
        self.steps += kept
        self.zero_grad()

    def _update(
        self,
        names: list[str],
        gradients: Mapping[str, Tensor],
        rate: float,
        weight_decay: float,
        refused: Tensor | None,
    ) -> None:
        """AdamW (arXiv:1711.05101) on these parameters; on none where `refused` is 1."""
        moments = [self._adamw[name] for name in names]
        adamw(
            [self._local[name] for name in names],
            [gradients[name] for name in names],
            [each.exp_avg for each in moments],
            [each.exp_avg_sq for each in moments],
            [],
            [each.step for each in moments],
            fused=True,
            found_inf=refused,
            amsgrad=False,
            beta1=BETA1,
            beta2=self.settings.beta2,
            lr=rate,
            weight_decay=weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def update_average(self, step: int) -> None:
        """Take the weights into their moving average after step number `step`.

        In the beginning the average is of fewer steps: over (10 + s) / 9 of them after step s.
        """
        if self._average:
            decay = min(self.settings.ema, (1 + step) / (10 + step))
            weights = [self._local[name].detach() for name in self._average]
            torch._foreach_lerp_(list(self._average.values()), weights, 1 - decay)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """The model has the averaged weights inside the context; its own, bit for bit, after it."""
        own = {name: self._local[name].detach().clone() for name in self._average}
        self._write(self._average)
        try:
            yield
        finally:
            self._write(own)

    def state(self) -> dict[str, Tensor]:
        """What this process holds of the state, by kind and name of the parameter, and "steps"."""
        found = {f"ema.{name}": each for name, each in self._average.items()}
        for name in self._adamw_names:
            found[f"exp_avg.{name}"] = self._adamw[name].exp_avg
            found[f"exp_avg_sq.{name}"] = self._adamw[name].exp_avg_sq
        if self._muon is not None:
            found |= {f"momentum.{name}": each for name, each in self._muon.momentum_buffers.items()}
        return {**found, "steps": self.steps}

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state of the same names and shapes; raises KeyError or ValueError for another one."""
        own = self.state()
        if own.keys() != state.keys():
            raise KeyError(", ".join(sorted(own.keys() ^ state.keys())))
        for name, tensor in own.items():
            if tensor.shape != state[name].shape:
                raise ValueError(
                    f"{name} has the shape {tuple(state[name].shape)}, not {tuple(tensor.shape)}"
                )
            tensor.copy_(state[name])
        for moments in self._adamw.values():
            moments.step.copy_(self.steps)

    @torch.no_grad()
    def _write(self, weights: Mapping[str, Tensor]) -> None:
        for name, each in weights.items():
            self._local[name].detach().copy_(each)
