"""Which part of each parameter a rank holds, in plain arithmetic: no process is asked, nothing is sent.

Ranks stand on a grid of `data` x `tensor`. Tensor parallelism cuts a matrix along one dimension; where
several matrices are fused into one (queries, keys and values; gate and up), each of them is cut evenly, so
that a rank holds whole heads. Full sharding then cuts what is left by rows, as `torch.chunk` does.
Checkpoints, gradient norms and Muon all read the same table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from corpuskit.train.model.transformer import MLP, Attention

Region = tuple[slice, ...]
"""A box in a whole tensor, one slice a dimension."""


@dataclass(frozen=True)
class Partition:
    """How tensor parallelism divides a tensor: along `dim`, each of the fused `parts` (lengths) evenly."""

    dim: int
    parts: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """Where the elements of one tensor lie.

    Attributes:
        shape: of the whole tensor.
        partition: by tensor parallelism; None where every tensor rank holds all.
        data, tensor: among how many ranks it is divided by rows, and by the cut; 1 where it is not.
    """

    shape: tuple[int, ...]
    partition: Partition | None = None
    data: int = 1
    tensor: int = 1

    @property
    def replicated(self) -> bool:
        """Whether every rank holds the whole tensor."""
        return self.data == 1 and (self.partition is None or self.tensor == 1)

    def regions(self, rank: Rank) -> list[Region]:
        """The boxes that the rank holds; laid one below the other they are its local tensor."""
        rows, columns = [(0, self.shape[0])], [slice(0, size) for size in self.shape[1:]]
        if self.partition is not None and self.tensor > 1:
            start, ranges = 0, []
            for length in self.partition.parts:
                each = length // self.tensor
                ranges.append((start + rank.tensor * each, start + (rank.tensor + 1) * each))
                start += length
            if self.partition.dim == 0:
                rows = ranges
            else:
                columns[self.partition.dim - 1] = slice(ranges[0][0], ranges[0][1])
        return [(slice(*each), *columns) for each in self._sharded(rows, rank.data)]

    def local_shape(self, rank: Rank) -> tuple[int, ...]:
        """Shape of the rank's local tensor."""
        rest = list(self.shape[1:])
        if self.partition is not None and self.tensor > 1 and self.partition.dim > 0:
            rest[self.partition.dim - 1] //= self.tensor
        return (sum(region[0].stop - region[0].start for region in self.regions(rank)), *rest)

    def take(self, whole: Tensor, rank: Rank) -> Tensor:
        """The rank's local tensor out of the whole one."""
        if self.replicated:
            return whole
        regions = self.regions(rank)
        if not regions:
            return whole.new_zeros(self.local_shape(rank))
        return torch.cat([whole[region] for region in regions])

    def put(self, whole: Tensor, local: Tensor, rank: Rank) -> None:
        """Copy a rank's local tensor to its place in the whole one."""
        first = 0
        for region in self.regions(rank):
            count = region[0].stop - region[0].start
            whole[region].copy_(local[first : first + count])
            first += count

    def is_first_holder(self, rank: Rank) -> bool:
        """Whether the rank is the first of those that hold the same elements: it writes and counts them."""
        return (self.data > 1 or rank.data == 0) and (
            (self.partition is not None and self.tensor > 1) or rank.tensor == 0
        )

    def _sharded(self, rows: list[tuple[int, int]], data_rank: int) -> Iterator[tuple[int, int]]:
        """Of the rows that are laid one behind the other, those of one data rank, as ranges of the whole."""
        # The first ranks hold equally many rows, the last ones fewer or none: so does torch.chunk.
        total = sum(stop - start for start, stop in rows)
        chunk = -(-total // self.data)
        number = data_rank if self.data > 1 else 0
        first, last = number * chunk, (number + 1) * chunk
        for start, stop in rows:
            inside = (max(start, start + first), min(stop, start + last))
            if inside[0] < inside[1]:
                yield inside
            first, last = first - (stop - start), last - (stop - start)


@dataclass(frozen=True)
class Rank:
    """A process's place in the grid."""

    data: int = 0
    tensor: int = 0


def fused_parts(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Rows of each matrix in those that hold several, by the parameter's name."""
    found: dict[str, tuple[int, ...]] = {}
    for name, part in model.named_modules():
        if isinstance(part, Attention):
            keys = part.kv_heads * part.head_width
            found[f"{name}.qkv.weight"] = (part.heads * part.head_width, keys, keys)
        elif isinstance(part, MLP) and part.is_gated:
            found[f"{name}.up.weight"] = (part.up.out_features // 2,) * 2
    return found


def whole_layouts(model: nn.Module) -> dict[str, Layout]:
    """Layouts of a model that nothing has divided."""
    return {name: Layout(tuple(parameter.shape)) for name, parameter in model.named_parameters()}


def local_tensor(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor: itself, or its piece of a distributed one."""
    piece = getattr(tensor, "to_local", None)
    return tensor if piece is None else piece().detach()
