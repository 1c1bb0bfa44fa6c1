"""Batches as tensors, made ready ahead of the step that needs them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from corpuskit.train.data.objectives import Arrays

Tensors = dict[str, Tensor]


class Feed:
    """Batches made ready in the background, one step ahead, so that the device need not wait for them.

    Which batch comes next is only guessed; a wrong guess costs time and changes nothing.
    """

    def __init__(self, batch: Callable[[int], Tensors], device: torch.device) -> None:
        self._batch, self._device = batch, device
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._ahead: tuple[int, Future[Tensors]] | None = None

    def take(self, step: int) -> Tensors:
        """Batch `step`, in memory that a GPU copies from without waiting, where there is one."""
        if self._ahead is not None and self._ahead[0] == step:
            tensors = self._ahead[1].result()
        else:
            tensors = self._make(step)
        self._ahead = (step + 1, self._pool.submit(self._make, step + 1))
        return tensors

    def close(self) -> None:
        """Stop what runs in the background."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _make(self, step: int) -> Tensors:
        tensors = self._batch(step)
        return {k: v.pin_memory() for k, v in tensors.items()} if self._device.type == "cuda" else tensors


def as_tensors(arrays: Arrays) -> Tensors:
    """Arrays as tensors of their own memory."""
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
