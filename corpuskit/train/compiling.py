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

from corpuskit.train.model import Attention, Block, TokenLosses, Transformer, attend

WORTH_FLOPS = 5e13
"""Operations of a whole run on a CPU from which on compiling pays: some five minutes at 150 GFLOP/s."""

_ALIKE = 0.4  # of a gradient's norm: compiled blocks draw other dropout masks


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
    parts = [part for part in model.modules() if isinstance(part, Block | TokenLosses)]
    zeros = _filled(model)
    usual = _gradient_norms(model, loss)
    attentions = [part for part in model.modules() if isinstance(part, Attention)]
    for part in parts:
        part.compile()
    for attention in attentions if next(model.parameters()).device.type == "cpu" else []:
        # There is nothing to fuse, and compiled for a CPU (torch 2.13) products in bfloat16 have a gradient
        # that is no number where queries, keys and values are parts of one matrix.
        attention.attend = torch.compiler.disable(attend)  # type: ignore[no-untyped-call]
    try:
        found = _gradient_norms(model, loss)
        other = [name for name, norm in usual.items() if not abs(found[name] - norm) <= _ALIKE * norm]
        failure = (
            f"the gradient of {other[0]} is {found[other[0]]:g} long, not {usual[other[0]]:g}"
            if other
            else ""
        )
    except Exception as error:  # No compiler, one that fails, a platform without it: of many types.
        model.zero_grad(set_to_none=True)
        failure = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    with torch.no_grad():
        for weight in zeros:
            weight.zero_()
    if failure:
        for part in parts:
            part._compiled_call_impl = None
        for attention in attentions:
            attention.attend = attend
    return failure


@torch.no_grad()
def _filled(model: Transformer) -> list[Tensor]:
    """Fill matrices of zeros with something: before the first step no gradient comes past them."""
    found: list[Tensor] = [each for each in model.parameters() if each.dim() == 2 and not each.any()]
    for weight in found:
        numbers = torch.arange(weight.numel(), dtype=torch.float32, device=weight.device).mul_(1.618).sin_()
        weight.copy_(numbers.mul_(weight.shape[1] ** -0.5).view_as(weight))
    return found


def _gradient_norms(model: Transformer, loss: Callable[[], Tensor]) -> dict[str, float]:
    """Of the matrices, by name, in one backward pass; the gradients are dropped again."""
    loss().backward()  # type: ignore[no-untyped-call]
    norms = {
        name: float(each.grad.float().norm())
        for name, each in model.named_parameters()
        if each.grad is not None and each.dim() == 2
    }
    model.zero_grad(set_to_none=True)
    return norms


@contextlib.contextmanager
def uncompiled() -> Iterator[None]:
    """Inside, models run as they are written: shapes other than those of steps are not worth compiling."""
    # What nobody has loaded has compiled nothing, and to load it takes seconds.
    dynamo = "torch._dynamo" in sys.modules
    with torch.compiler.set_stance("force_eager") if dynamo else contextlib.nullcontext():
        yield
