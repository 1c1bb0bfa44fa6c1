"""Several processes that train one model, by torch.distributed alone; one process is the smallest case.

They stand on a grid, see `corpuskit.train.parallel.processes`. Rows of a batch are divided among its data
ranks, whose gradients are summed ("ddp": each holds all weights; "fsdp": each holds a share of every one).
Matrices of a block are divided among the tensor ranks, by the table `STYLES`; what stands between them is
computed by all tensor ranks alike.

Tensor parallelism is Megatron's (arXiv:1909.08053) on plain local tensors: the matrices here are fused, and
cross-attention and the loss read weights without calling a module, which plans of torch's DTensor, made of
modules with one matrix each, do not reach. Sharding is FSDP2 (`fully_shard`).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from corpuskit.errors import SettingError
from corpuskit.train.model.transformer import Attention, Block, Transformer, rotary_tables
from corpuskit.train.parallel.layout import Layout, Partition, Rank, fused_parts, local_tensor, whole_layouts
from corpuskit.train.parallel.processes import Grid
from corpuskit.train.tasks.task import Inputs

Mode = Literal["ddp", "fsdp"]
Style = Literal["columns", "rows", "partial", "copied"]

STYLES: tuple[tuple[str, Style], ...] = (
    ("attention.qkv", "columns"),
    ("attention.query_norm", "partial"),
    ("attention.key_norm", "partial"),
    ("attention.out", "rows"),
    ("cross_norm", "copied"),
    ("cross.qkv", "columns"),
    ("cross.query_norm", "partial"),
    ("cross.key_norm", "partial"),
    ("cross.out", "rows"),
    ("mlp.up", "columns"),
    ("mlp.down", "rows"),
)
"""Tensor parallelism: what becomes of the modules of a block, by the end of their names.

columns: each rank has some outputs of the matrix (whole heads; a gate and what it gates), so the gradients of
    its input are summed. `cross.qkv` is called in two pieces: `cross_norm` and the encoder's end stand in.
rows: each rank has the inputs that its columns made, so its output is summed.
partial: all ranks have it, each sees some heads: its gradients are summed once a step.
copied: all ranks have it; the gradients of its output are summed.
"""


class _SumGradient(torch.autograd.Function):
    """The identity, whose gradient is summed over the tensor ranks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        gradient = grad_outputs[0].clone()
        dist.all_reduce(gradient, group=ctx.group)
        return gradient, None


class _SumValue(torch.autograd.Function):
    """The sum over the tensor ranks, whose gradient is passed on as it is."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: dist.ProcessGroup) -> Tensor:
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        return grad_outputs[0], None


LossOf = Callable[[Transformer, Inputs], Tensor]


class _Losses(nn.Module):
    """What DDP and FSDP2 wrap: its forward is what the task asks of the model, whatever that calls of it."""

    def __init__(self, model: Transformer, loss: LossOf) -> None:
        super().__init__()
        self.model, self._loss = model, loss

    def forward(self, batch: Inputs, other: LossOf | None = None) -> Tensor:
        return (other or self._loss)(self.model, batch)


class Parallel:
    """A model divided among the processes of a grid.

    Attributes:
        grid: the processes.
        layouts: where the elements of each parameter lie.
        parts: rows of each fused matrix in a whole one.
    """

    def __init__(
        self,
        model: Transformer,
        grid: Grid,
        loss: LossOf,
        *,
        mode: Mode = "ddp",
        recompute: bool = False,
        bf16: bool = False,
    ) -> None:
        """Divide a model, which must hold the same weights in every process, or none; it is changed in place.

        Args:
            loss: summed loss of a model on a batch.
            mode: how the data ranks share the weights.
            recompute: keep no activations inside blocks; the backward pass computes them again.
            bf16: under "fsdp" the weights of blocks travel in bfloat16, as they are multiplied.

        Raises:
            SettingError: heads or hidden channels do not divide among the tensor ranks.
        """
        self.grid, self.model, self._mode = grid, model, mode
        self.parts = fused_parts(model)
        styles = _styles(model) if grid.tensor > 1 else {}
        self.layouts = _layouts(model, grid, mode, self.parts, styles)
        self._partial = [f"{name}.weight" for name, style in styles.items() if style == "partial"]
        if grid.tensor > 1:
            _refuse_frozen(model, grid)
            _divide_matrices(model, grid, self.layouts, styles)
        if recompute:
            for part in model.modules():
                if isinstance(part, Block):
                    recomputing = functools.partial(checkpoint, part.forward, use_reentrant=False)
                    part.forward = recomputing  # type: ignore[method-assign]
        self._losses: nn.Module = _Losses(model, loss)
        if grid.data > 1 and mode == "fsdp":
            _shard(self._losses, grid, bf16)
        elif grid.data > 1:
            # The buffers are tables that all processes compute alike; the word for it changed.
            known = inspect.signature(DistributedDataParallel).parameters
            sync = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
            options: dict[str, Any] = {"gradient_as_bucket_view": True, sync: False}
            self._losses = DistributedDataParallel(self._losses, process_group=grid.group("data"), **options)

    def settle(self, batch: Callable[[], Inputs]) -> None:
        """Let a first backward pass decide what the later ones do: its gradients are dropped.

        After it DDP puts gradients together in another order, in which three processes and more add
        otherwise: a run that goes on would differ from one that was never stopped.
        """
        if isinstance(self._losses, DistributedDataParallel):
            self.backward(batch(), last=True)
            self.model.zero_grad(set_to_none=True)

    def backward(self, batch: Inputs, last: bool) -> Tensor:
        """Add the gradients of the summed loss of a micro-batch; with the `last` one they are exchanged.

        Returns the loss of this process's rows.
        """
        exchanges: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        factor = 1
        if isinstance(self._losses, DistributedDataParallel):
            # It takes the mean over the ranks, where the sum is wanted.
            factor = self.grid.data
            exchanges = exchanges if last else self._losses.no_sync()
        elif self._sharded:
            cast(Any, self._losses).set_requires_gradient_sync(last)
        with exchanges:
            loss: Tensor = self._losses(batch)
            (loss * factor).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def loss(self, batch: Inputs, other: LossOf | None = None) -> Tensor:
        """The summed loss of this process's rows, or what `other` makes of them; no gradient is asked for."""
        module = self._losses
        if isinstance(module, DistributedDataParallel):
            module = module.module
        loss: Tensor = module(batch, other)
        if self._sharded:
            # Without a backward pass the outermost weights would stay whole.
            cast(Any, self._losses).reshard()
        return loss

    def finish(self, gradients: Mapping[str, Tensor]) -> None:
        """Make gradients of parameters that all tensor ranks have the same in all of them, in place.

        Those of which each knows a part are summed. Of the others the mean is taken: they are equal but for
        the order in which a GPU adds, and weights must not drift apart by that.
        """
        if self.grid.tensor == 1:
            return
        shared = [name for name in gradients if self.layouts[name].partition is None]
        sizes = [gradients[name].numel() for name in shared]
        flat = torch.cat([gradients[name].flatten() for name in shared])
        dist.all_reduce(flat, group=self.grid.group("tensor"))
        for name, total in zip(shared, torch.split(flat, sizes), strict=True):
            gradients[name].copy_(total.view_as(gradients[name]))
            if name not in self._partial:
                gradients[name].div_(self.grid.tensor)

    def norm(self, gradients: Mapping[str, Tensor]) -> Tensor:
        """The norm of the whole gradient, a scalar, alike in all processes."""
        counted = [
            each for name, each in gradients.items() if self.layouts[name].is_first_holder(self.grid.here)
        ]
        norms = torch._foreach_norm(counted) if counted else [torch.zeros((), device=self.grid.device)]
        squares = torch.stack(list(norms)).square().sum()
        return self.grid.sum_over_all(squares).sqrt()

    def whole(self, name: str, local: Tensor) -> Tensor:
        """A whole tensor laid out like parameter `name`, at every process, out of what all hold of it."""
        layout, grid = self.layouts[name], self.grid
        if layout.replicated:
            return local
        whole = local.new_zeros(layout.shape)
        if layout.is_first_holder(grid.here):
            layout.put(whole, local, grid.here)
        return grid.sum_over_all(whole)

    def whole_weights(self) -> dict[str, Tensor]:
        """All parameters as whole tensors, at the first process; the others help and keep nothing."""
        found = {}
        for name, parameter in self.model.named_parameters():
            whole = self.whole(name, local_tensor(parameter.detach()))
            if self.grid.is_first:
                found[name] = whole.cpu()  # A GPU need not hold the whole model beside its part.
        return found

    @torch.no_grad()
    def fill(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Take whole weights, by name and one at a time, of which each process keeps its part.

        A model that was divided without memory (on "meta") gets its own, of that part alone.
        """
        if any(parameter.is_meta for parameter in self.model.parameters()):
            self._losses.to_empty(device=self.grid.device)
            if self.model.settings.positions == "rope":
                tables = rotary_tables(self.model.settings)
                self.model.cos.copy_(tables.cos)
                self.model.sin.copy_(tables.sin)
        parameters = dict(self.model.named_parameters())
        for name, whole in weights:
            here = self.layouts[name].take(whole, self.grid.here)
            local_tensor(parameters[name].detach()).copy_(here)

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights that are divided as the model is; the others stay."""
        parameters = dict(self.model.named_parameters())
        for name, each in weights.items():
            local_tensor(parameters[name].detach()).copy_(each)

    def load_whole(self, weights: Mapping[str, Tensor]) -> None:
        """Take whole weights, of which each process keeps its part."""
        self.fill((name, weights[name]) for name in self.layouts)

    def readable(self, kept: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None) -> Transformer:
        """The model as one that can be called by itself: it, or at the first process a whole copy of it.

        A copy has the weights that `kept` makes of those that are trained. The other processes of a divided
        model get one without weights of its own (on "meta").
        """
        if all(layout.replicated for layout in self.layouts.values()):
            return self.model
        weights = self.whole_weights()
        with torch.device("meta" if not self.grid.is_first else self.grid.device):
            copy = Transformer(self.model.settings)
        if self.grid.is_first:
            copy.load_state_dict(weights if kept is None else kept(weights))
        return copy.eval()

    @property
    def _sharded(self) -> bool:
        return self.grid.data > 1 and self._mode == "fsdp"


def _styles(model: nn.Module) -> dict[str, Style]:
    """The style of each module that the plan names, by its full name."""
    return {
        name: style
        for name, _ in model.named_modules()
        for ending, style in STYLES
        if name.endswith(f".{ending}")
    }


def _layouts(
    model: nn.Module,
    grid: Grid,
    mode: Mode,
    parts: Mapping[str, tuple[int, ...]],
    styles: Mapping[str, Style],
) -> dict[str, Layout]:
    """Where each parameter's elements will lie; raises SettingError for what does not divide."""
    found = {}
    for name, layout in whole_layouts(model).items():
        style = styles.get(name.removesuffix(".weight"))
        partition = None
        if style == "columns":
            partition = Partition(0, parts.get(name, layout.shape[:1]))
        elif style == "rows":
            partition = Partition(1, (layout.shape[1],))
        if partition is not None and any(part % grid.tensor for part in partition.parts):
            raise SettingError(
                f"tensor_parallel = {grid.tensor} does not divide {name}, whose parts are {partition.parts}",
                remedy="Choose a number that divides heads, kv_heads and hidden.",
            )
        found[name] = replace(
            layout, partition=partition, data=grid.data if mode == "fsdp" else 1, tensor=grid.tensor
        )
    return found


def _refuse_frozen(model: Transformer, grid: Grid) -> None:
    """Raises SettingError where not all learns: adapters have no style, and a copy would always learn."""
    frozen = [name for name, each in model.named_parameters() if not each.requires_grad]
    if frozen:
        raise SettingError(
            f"tensor_parallel = {grid.tensor} divides no model of which a part is frozen, as {frozen[0]} is",
            remedy="Let all processes share the rows instead: tensor_parallel = 1.",
        )


def _divide_matrices(
    model: Transformer, grid: Grid, layouts: Mapping[str, Layout], styles: Mapping[str, Style]
) -> None:
    """Leave each tensor rank its part of the matrices, and sum where the plan says so."""
    group = grid.group("tensor")
    for part in model.modules():
        if isinstance(part, Attention):
            if part.kv_heads % grid.tensor:
                raise SettingError(
                    f"tensor_parallel = {grid.tensor} does not divide kv_heads = {part.kv_heads}",
                    remedy="Choose a number that divides both heads and kv_heads.",
                )
            part.heads //= grid.tensor
            part.kv_heads //= grid.tensor

    def sum_inputs_gradient(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (_SumGradient.apply(inputs[0], group), *inputs[1:])  # type: ignore[no-untyped-call]

    def sum_outputs_gradient(module: nn.Module, inputs: Any, output: Tensor) -> Any:
        return _SumGradient.apply(output, group)  # type: ignore[no-untyped-call]

    def sum_output(module: nn.Module, inputs: Any, output: Tensor) -> Any:
        return _SumValue.apply(output, group)  # type: ignore[no-untyped-call]

    for name, style in styles.items():
        module = model.get_submodule(name)
        if style in ("columns", "rows"):
            rank = Rank(0, grid.here.tensor)
            layout = replace(layouts[f"{name}.weight"], data=1)
            weight = cast(Tensor, module.weight).detach()
            module.weight = nn.Parameter(layout.take(weight, rank).clone())
        if style == "columns":
            module.register_forward_pre_hook(sum_inputs_gradient)
        elif style == "rows":
            module.register_forward_hook(sum_output)
        elif style == "copied":
            module.register_forward_hook(sum_outputs_gradient)
    if model.settings.kind == "encoder-decoder":
        model.encoder.register_forward_hook(sum_outputs_gradient)


def _shard(losses: nn.Module, grid: Grid, bf16: bool) -> None:
    """Shard every block by itself, so that one is whole at a time, and then the rest."""
    # It takes a quarter as long to load as all of torch: only for those who shard.
    from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

    assert grid.mesh is not None
    mesh = grid.mesh["data"]
    policy = MixedPrecisionPolicy()
    if bf16:
        policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    for part in list(losses.modules()):
        if isinstance(part, Block):
            fully_shard(part, mesh=mesh, mp_policy=policy)
    fully_shard(losses, mesh=mesh)
    for part in losses.modules():
        if isinstance(part, FSDPModule):
            # It would take the mean over the ranks, where the sum is wanted. gloo can only add.
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)
