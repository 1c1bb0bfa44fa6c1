"""Batches as tensors."""

from __future__ import annotations

import numpy as np
import torch

from corpuskit.train.data.objectives import Arrays
from corpuskit.train.tasks.task import Tensors


def as_tensors(arrays: Arrays) -> Tensors:
    """Arrays as tensors of their own memory."""
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
