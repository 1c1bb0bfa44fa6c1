"""Muon: momentum whose matrices are made orthogonal before they are subtracted.

    buffer <- m buffer + (1 - m) gradient
    update <- orthogonal((1 - m) gradient + m buffer)
    weight <- (1 - rate decay) weight - 0.2 sqrt(max(rows, columns)) rate update

The factor gives an update the root mean square that AdamW's have, so that one learning rate serves both
(arXiv:2502.16982). This is `torch.optim.Muon` with `adjust_lr_fn="match_rms_adamw"`, which tests hold it to,
and does three things more: matrices that are fused into one are made orthogonal apart; equal shapes are
multiplied in one batch, which takes a seventh to a half of the time for matrices up to 256 wide; and matrices
that lie in pieces on several ranks are made whole by the one rank that owns them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor

from corpuskit.train.device import bf16_pays
from corpuskit.train.model.cost import batch_size
from corpuskit.train.parallel.layout import Layout, Rank

# Coefficients of the quintic iteration: Keller Jordan, https://kellerjordan.github.io/posts/muon/
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5
_MOMENTUM = 0.95
_EPSILON = 1e-7
# Below this the tiles that multiply bfloat16 are not filled: of 32 x 32 float32 takes a quarter of the time.
_BF16_WIDTH = 128


def orthogonalise(matrices: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Matrices (N, R, C) with singular values moved to about 1 (0.7 to 1.2), singular vectors kept.

    Args:
        dtype: to compute in; by default bfloat16 where the device multiplies it fast and the matrices are
            128 or more wide, else float32.
    """
    x = matrices.to(dtype or _iteration_type(matrices))
    # What is multiplied most is the product with itself: it is the smaller one of a wide matrix.
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    # The iteration converges for singular values of up to 1, which this norm bounds; zeros stay zeros.
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(_EPSILON)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return (x.mT if tall else x).to(matrices.dtype)


def _iteration_type(matrices: Tensor) -> torch.dtype:
    wide = matrices.device.type == "cuda" or min(matrices.shape[1:]) >= _BF16_WIDTH
    return torch.bfloat16 if wide and bf16_pays(matrices.device) else torch.float32


@dataclass(frozen=True)
class Pieces:
    """Ranks that hold matrices, and how one of them comes to see a matrix as a whole.

    Attributes:
        me: index of this process in `ranks`.
        ranks: all ranks, in the order of the process group.
        layouts: where the elements of each matrix lie, by name.
        device: where they are.
        owned: the matrices of each rank.
    """

    me: int
    ranks: Sequence[Rank]
    layouts: Mapping[str, Layout]
    device: torch.device | str = "cpu"
    owned: list[list[str]] = field(init=False)

    def __post_init__(self) -> None:
        """Give each matrix to the rank that has least to do, the costliest first: all ranks decide alike."""
        costs = {name: min(layout.shape) * math.prod(layout.shape) for name, layout in self.layouts.items()}
        loads = [0] * len(self.ranks)
        owned: list[list[str]] = [[] for _ in self.ranks]
        for name in sorted(costs, key=lambda each: (-costs[each], each)):
            owner = loads.index(min(loads))
            owned[owner].append(name)
            loads[owner] += costs[name]
        object.__setattr__(self, "owned", owned)

    def gather(self, local: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The matrices that this rank owns, whole, out of what all ranks hold of them."""
        if len(self.ranks) == 1:
            return dict(local)
        everyone = range(len(self.ranks))
        sent = [[local[name] for name in self._sent(self.me, to)] for to in everyone]
        names = [self._sent(source, self.me) for source in everyone]
        shapes = [
            [self.layouts[name].local_shape(self.ranks[source]) for name in names[source]]
            for source in everyone
        ]
        received = exchange(sent, shapes, self.device)
        wholes = {}
        for name in self.owned[self.me]:
            layout = self.layouts[name]
            wholes[name] = local[name] if layout.replicated else local[name].new_empty(layout.shape)
        for source in everyone:
            for name, tensor in zip(names[source], received[source], strict=True):
                self.layouts[name].put(wholes[name], tensor, self.ranks[source])
        return wholes

    def scatter(self, wholes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What this rank holds of all matrices, out of the whole ones that their owners have."""
        if len(self.ranks) == 1:
            return dict(wholes)
        mine = self.owned[self.me]
        sent = [[self.layouts[name].take(wholes[name], rank) for name in mine] for rank in self.ranks]
        here = self.ranks[self.me]
        shapes = [[self.layouts[name].local_shape(here) for name in names] for names in self.owned]
        received = exchange(sent, shapes, self.device)
        return {
            name: tensor
            for names, tensors in zip(self.owned, received, strict=True)
            for name, tensor in zip(names, tensors, strict=True)
        }

    def _sent(self, source: int, to: int) -> list[str]:
        """What `source` sends to an owner: what the owner lacks, each element by the first that holds it."""
        rank, layouts = self.ranks[source], self.layouts
        return [
            name
            for name in self.owned[to]
            if not layouts[name].replicated and layouts[name].is_first_holder(rank)
        ]


def exchange(
    sent: list[list[Tensor]], shapes: list[list[tuple[int, ...]]], device: torch.device | str
) -> list[list[Tensor]]:
    """Send lists of float32 tensors to all ranks, `sent[rank]`, and receive theirs, of these shapes."""
    out = torch.cat(
        [torch.zeros(0, device=device), *(each.flatten() for tensors in sent for each in tensors)]
    )
    sizes = [[math.prod(shape) for shape in each] for each in shapes]
    back = out.new_empty(sum(map(sum, sizes)))
    dist.all_to_all_single(
        back, out, [sum(each) for each in sizes], [sum(t.numel() for t in tensors) for tensors in sent]
    )
    flat = iter(torch.split(back, [size for each in sizes for size in each]))
    return [[next(flat).view(shape) for shape in each] for each in shapes]


class Muon:
    """The optimizer of matrices, over what this rank holds of them.

    Attributes:
        momentum_buffers: by name, shaped like the local matrices.
    """

    def __init__(
        self, matrices: Mapping[str, Tensor], parts: Mapping[str, tuple[int, ...]], pieces: Pieces
    ) -> None:
        """Begin with zero momentum.

        Args:
            matrices: what this rank holds, by name; updated in place.
            parts: rows of each fused matrix in a whole one; names that are not here hold one matrix.
            pieces: how matrices are made whole.
        """
        self._matrices, self._parts, self._pieces = dict(matrices), parts, pieces
        self.momentum_buffers = {name: torch.zeros_like(each) for name, each in matrices.items()}

    @torch.no_grad()
    def step(
        self,
        gradients: Mapping[str, Tensor],
        rate: float,
        decay: float,
        keep: Tensor,
        decaying: Collection[str] | None = None,
    ) -> None:
        """One update; none, to the last bit, where `keep` (a scalar, 0 or 1) is 0, whatever the gradients.

        The gradients' memory is written over. Of the matrices only those of `decaying` decay; all if None.
        """
        names = list(self._matrices)
        matrices, buffers = list(self._matrices.values()), [self.momentum_buffers[name] for name in names]
        updates = [gradients[name] for name in names]
        for update, buffer in zip(updates, buffers, strict=True):
            # Where nothing is kept the gradient is replaced: zero times not-a-number would be not-a-number.
            torch.where(keep > 0, update, buffer, out=update)
        torch._foreach_lerp_(buffers, updates, 1 - _MOMENTUM)
        torch._foreach_lerp_(updates, buffers, _MOMENTUM)
        whole = self._pieces.gather(dict(zip(names, updates, strict=True)))
        self._orthogonalise(whole)
        local = self._pieces.scatter(whole)
        scaled = [local[name] for name in names]
        torch._foreach_mul_(scaled, keep * rate)
        decayed = [each for name, each in self._matrices.items() if decaying is None or name in decaying]
        if decayed:
            torch._foreach_mul_(decayed, 1 - keep * (rate * decay))
        torch._foreach_sub_(matrices, scaled)

    def _orthogonalise(self, whole: Mapping[str, Tensor]) -> None:
        """Make whole updates orthogonal in place, each fused part apart, and scale them as AdamW's are."""
        by_shape: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
        for name, update in whole.items():
            for part in torch.split(update, list(self._parts.get(name, update.shape[:1]))):
                # Tall and wide ones of the same size go into one batch.
                wide = part.mT if part.shape[0] > part.shape[1] else part
                by_shape[wide.shape[0], wide.shape[1]].append(wide)
        for shape, members in by_shape.items():
            together = batch_size(shape[0] * shape[1], self._pieces.device)
            for first in range(0, len(members), together):
                batch = members[first : first + together]
                results = orthogonalise(torch.stack(batch)).mul_(0.2 * shape[1] ** 0.5)
                for wide, result in zip(batch, results, strict=True):
                    wide.copy_(result)
