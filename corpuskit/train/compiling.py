"""torch.compile for the blocks of a model: where it pays, and never where it fails.

Blocks are compiled one by one: they are alike, so that one compilation serves all of them. Around them it is
the passes over the logits that are compiled into one. On a CPU, at 4 blocks of 256 in bfloat16 or of 128 in
float32, a step takes nine tenths as long; compiling takes half a minute and more.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from corpuskit.train.model import Attention, Block, Scorer, Transformer, attend

WORTH_FLOPS = 5e13
"""Operations of a whole run on a CPU from which on compiling pays: some five minutes at 150 GFLOP/s."""

_ALIKE = 0.2  # of a gradient's norm: compiled blocks draw other dropout masks


def compiling_pays(device: str, flops: float) -> bool:
    """Whether to compile where a user leaves it open: always on a GPU, on a CPU for long runs."""
    return device == "cuda" or flops >= WORTH_FLOPS


def compile_blocks(model: Transformer, loss: Callable[[], Tensor]) -> str:
    """Compile the model's blocks and try them; where that fails they are left as they were.

    Args:
        loss: computes a loss of the model as steps will; it is called twice, with its backward pass.

    Returns:
        Why it failed, in one line; nothing where it did not.
    """
    parts = [part for part in model.modules() if isinstance(part, Block | Scorer)]
    usual = _gradient_norm(model, loss)
    attentions = [part for part in model.modules() if isinstance(part, Attention)]
    for part in parts:
        part.compile()
    for attention in attentions if next(model.parameters()).device.type == "cpu" else []:
        # There is nothing to fuse, and compiled for a CPU (torch 2.13) products in bfloat16 have a gradient
        # that is no number where queries, keys and values are parts of one matrix.
        attention.attend = torch.compiler.disable(attend)  # type: ignore[no-untyped-call]
    try:
        found = _gradient_norm(model, loss)
        failure = (
            "" if abs(found - usual) <= _ALIKE * usual else f"a gradient's norm is {found:g}, not {usual:g}"
        )
    except Exception as error:  # No compiler, one that fails, a platform without it: of many types.
        model.zero_grad(set_to_none=True)
        failure = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    if failure:
        for part in parts:
            part._compiled_call_impl = None
        for attention in attentions:
            attention.attend = attend
    return failure


def _gradient_norm(model: Transformer, loss: Callable[[], Tensor]) -> float:
    """Of one backward pass; the gradient is dropped again."""
    loss().backward()  # type: ignore[no-untyped-call]
    gradients = [each.grad for each in model.parameters() if each.grad is not None]
    norm = torch.stack([gradient.float().norm() for gradient in gradients]).norm()
    model.zero_grad(set_to_none=True)
    return float(norm)


@contextlib.contextmanager
def uncompiled() -> Iterator[None]:
    """Inside, models run as they are written: shapes other than those of steps are not worth compiling."""
    # What nobody has loaded has compiled nothing, and to load it takes seconds.
    dynamo = "torch._dynamo" in sys.modules
    with torch.compiler.set_stance("force_eager") if dynamo else contextlib.nullcontext():
        yield
