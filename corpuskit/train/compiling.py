"""torch.compile for the blocks of a model: where it pays, and never where it fails.

Blocks are compiled one by one: they are alike, so that one compilation serves all of them, and what is around
them (the loss with its own gradients) needs none. Measured on a CPU at 6 blocks of 256 in bfloat16, a step
takes two thirds as long, at 4 blocks of 128 in float32 nine tenths; compiling takes half a minute and more.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from corpuskit.train.model import Block, Transformer

WORTH_FLOPS = 5e13
"""Operations of a whole run on a CPU from which on compiling pays: some five minutes at 150 GFLOP/s."""


def compiling_pays(device: str, flops: float) -> bool:
    """Whether to compile where a user leaves it open: always on a GPU, on a CPU for long runs."""
    return device == "cuda" or flops >= WORTH_FLOPS


def compile_blocks(model: Transformer, loss: Callable[[], Tensor]) -> str:
    """Compile the model's blocks and try them; where that fails they are left as they were.

    Args:
        loss: computes a loss of the model as steps will; it is called once, with its backward pass.

    Returns:
        Why it failed, in one line; nothing where it did not.
    """
    blocks = [part for part in model.modules() if isinstance(part, Block)]
    for block in blocks:
        block.compile(dynamic=False)
    try:
        loss().backward()  # type: ignore[no-untyped-call]
    except Exception as error:  # No compiler, one that fails, a platform without it: of many types.
        for block in blocks:
            block._compiled_call_impl = None
        first = str(error).strip().partition("\n")[0]
        return f"{type(error).__name__}: {first}"
    finally:
        model.zero_grad(set_to_none=True)
    return ""


@contextlib.contextmanager
def uncompiled() -> Iterator[None]:
    """Inside, models run as they are written: shapes other than those of steps are not worth compiling."""
    # What nobody has loaded has compiled nothing, and to load it takes seconds.
    dynamo = "torch._dynamo" in sys.modules
    with torch.compiler.set_stance("force_eager") if dynamo else contextlib.nullcontext():
        yield
