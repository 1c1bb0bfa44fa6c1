"""The processes of a run: who they are, which rows each reads, and what they tell each other.

`torchrun` starts them; they stand on a grid of `data` x `tensor` ranks. gloo carries what they say on CPUs,
NCCL what GPUs compute. One process is the smallest grid, and needs none of it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from corpuskit.errors import SettingError, TrainError
from corpuskit.train.device import choose_device
from corpuskit.train.parallel.layout import Rank

# What gloo says when a process at the other end has ended; it has no type for it.
_GONE = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "remote process exited")
# While the first process writes a sample or the kept weights the others stand in an exchange.
_WAIT = timedelta(minutes=30)


@dataclass(frozen=True)
class Grid:
    """The processes of a run, and which of them this is.

    Attributes:
        device: where this process computes.
        data, tensor: ranks that divide rows, and ranks that divide matrices.
        index: of this process, 0 to data * tensor - 1; tensor ranks stand side by side.
        mesh: torch's view of the grid; None for a single process.
    """

    device: torch.device
    data: int = 1
    tensor: int = 1
    index: int = 0
    mesh: DeviceMesh | None = None

    @property
    def ranks(self) -> tuple[Rank, ...]:
        """All places of the grid, in the order of the processes."""
        return tuple(Rank(number // self.tensor, number % self.tensor) for number in range(self.size))

    @property
    def here(self) -> Rank:
        """This process's place."""
        return self.ranks[self.index]

    @property
    def size(self) -> int:
        """Number of processes."""
        return self.data * self.tensor

    @property
    def is_first(self) -> bool:
        """Whether this process writes logs, samples and the kept model."""
        return self.index == 0

    def rows(self, batch_rows: int) -> range:
        """The rows of a global batch that this process reads.

        Raises SettingError where they do not divide.
        """
        if batch_rows % self.data:
            raise SettingError(
                f"batch_rows = {batch_rows} is no multiple of the {self.data} processes that divide it",
                remedy=f"Set batch_rows={-(-batch_rows // self.data) * self.data}, or start other processes.",
            )
        each = batch_rows // self.data
        return range(self.here.data * each, (self.here.data + 1) * each)

    def group(self, name: Literal["data", "tensor"]) -> dist.ProcessGroup:
        """The processes that differ from this one in that direction alone."""
        assert self.mesh is not None
        return self.mesh.get_group(name)

    def sum_over_data(self, values: Tensor) -> Tensor:
        """The sum over the data ranks, the same to the last bit in all processes.

        Tensor ranks compute the same values, but kernels of GPUs may add in another order: their mean is
        taken, since all must draw the same conclusions from it.
        """
        return self.sum_over_all(values.clone()) / self.tensor if self.size > 1 else values

    def sum_over_all(self, values: Tensor) -> Tensor:
        """The sum, in place, over all processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def agree(self, *values: float) -> list[float]:
        """The greatest of each value that any process names: clocks and signals reach them apart."""
        if self.size == 1:
            return list(values)
        agreed = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(agreed, dist.ReduceOp.MAX)
        return [float(value) for value in agreed]

    def texts(self, text: str) -> list[str]:
        """A short ASCII text of each process, in order, at each process."""
        if self.size == 1:
            return [text]
        lengths = [int(n) for n in self._bytes_of_all(torch.tensor([len(text)]), 1).flatten()]
        padded = torch.tensor(list(text.ljust(max(lengths)).encode("ascii")))
        rows = self._bytes_of_all(padded, max(lengths))
        return [bytes(row[:n].tolist()).decode() for row, n in zip(rows, lengths, strict=True)]

    def barrier(self) -> None:
        """Wait until all processes have come here."""
        self.agree(0.0)

    def _bytes_of_all(self, values: Tensor, count: int) -> Tensor:
        out = torch.zeros(self.size, count, dtype=values.dtype)
        out[self.index] = values
        dist.all_reduce(out)
        return out


@contextlib.contextmanager
def processes(tensor: int, wanted: str = "auto") -> Iterator[Grid]:
    """Join the processes that torchrun started with this one, or be a single one where it did not.

    Args:
        tensor: ranks that divide each matrix; the rest of the processes divide rows.
        wanted: where they compute, "auto", "cpu", "cuda" or "mps".

    Raises:
        SettingError: the number of processes is no multiple of `tensor`, or there is no such device.
        TrainError: the processes do not find each other.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size % tensor:
        raise SettingError(
            f"tensor_parallel = {tensor} does not divide the number of processes, {size}",
            remedy=f"Start a multiple of them: torchrun --nproc-per-node {tensor} -m corpuskit train ...",
        )
    chosen = choose_device(wanted)
    if size > 1 and chosen == "mps":
        chosen = "cpu"  # One computer has one, which processes cannot share.
    cuda, local = chosen == "cuda", int(os.environ.get("LOCAL_RANK", "0"))
    if cuda and local >= torch.cuda.device_count():
        raise SettingError(
            f"process {local} of this machine has no GPU: there are {torch.cuda.device_count()}",
            remedy=f"Start as many as there are: torchrun --nproc-per-node {torch.cuda.device_count()} ...",
        )
    device = torch.device("cuda", local) if cuda else torch.device(chosen)
    if cuda:
        torch.cuda.set_device(device)
    if size == 1:
        yield Grid(torch.device(device.type))
        return
    shape = (size // tensor, tensor)
    outer = dist.is_initialized()  # By a caller, whose context ends it.
    try:
        if not outer:
            # Both: tensors of a GPU travel by NCCL, what processes agree on by gloo, which waits for no GPU.
            dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=_WAIT)
        mesh = init_device_mesh(device.type, shape, mesh_dim_names=("data", "tensor"))
    except (RuntimeError, ValueError) as error:
        raise TrainError(
            f"the {size} processes do not find each other: {error}",
            remedy="Start all of them by one torchrun, or on several machines with the same --rdzv-endpoint, "
            "a port that is open between them.",
        ) from error
    try:
        yield Grid(device, size // tensor, tensor, dist.get_rank(), mesh)
    except RuntimeError as error:
        if any(sign in str(error) for sign in _GONE):
            raise TrainError(
                f"another process of the {size} that train together has ended",
                remedy="Its own message says why; what was saved is whole: go on with --resume.",
            ) from error
        raise
    # After an error the others may wait in an exchange: they end when this process does.
    if not outer:
        dist.destroy_process_group()
