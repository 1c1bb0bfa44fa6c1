"""The device that a model is trained on: which it is, how fast, its memory and random state, the batches that
it waits for, and what is compiled for it.

How its threads wait is settled before torch is loaded, in `corpuskit.train.threads`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from corpuskit.errors import SettingError, TrainError, checks_arguments, nearest
from corpuskit.train.model.loss import TokenLosses
from corpuskit.train.model.transformer import Attention, Block, Ends, Transformer, attend
from corpuskit.train.tasks.task import Inputs, Tensors

_PEAKS = {
    # Dense bfloat16 products with float32 sums, in 10^12 operations a second: the makers' data sheets.
    "B200": 2250,
    "H200": 989,
    "H100 PCIe": 756,
    "H100 NVL": 835,
    "H100": 989,
    "GH200": 989,
    "L40S": 362,
    "L4": 121,
    "A100": 312,
    "A40": 150,
    "A30": 165,
    "A10G": 70,
    "A10": 125,
    "RTX 4090": 165,
    "RTX 3090": 71,
}


# ----------------------------------------------------------------------------------------------- what it is
DEVICES = ("auto", "cpu", "cuda", "mps")
"""What can be asked for; "mps" is the GPU of an Apple computer."""

UNTRIED = "mps: Apple GPUs are untried. Where something fails or looks wrong, give device cpu."


@checks_arguments
def choose_device(wanted: str) -> str:
    """The device of "auto" (a GPU where there is one), "cpu", "cuda", "cuda:N" or "mps".

    Raises SettingError for one that is not there.
    """
    found = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if wanted == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if found[kind])
    kind, colon, number = wanted.partition(":")
    if kind not in found or (colon and not number.isdecimal()):
        raise SettingError(f"device = {wanted!r} is none", remedy=nearest(wanted, DEVICES))
    if int(number or 0) >= found[kind]:
        there = " or ".join(each for each, count in found.items() if count)
        raise SettingError(
            f"device = {wanted}: torch finds no such GPU", remedy=f"Leave it out, or give {there}."
        )
    return wanted


_CPU_BF16 = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")


def bf16_pays(device: torch.device) -> bool:
    """Whether bfloat16 matrix products are faster here: GPUs and CPUs that have instructions for them.

    A CPU's are Intel's tiles (AMX, since 2023) and AVX512_BF16 (AMD since Zen 4, Intel since 2020). With the
    latter alone a Zen 5 multiplies 1,024 x 384 by 384 x 1,536 4.6 times as fast as in float32, and a step of
    15 million parameters by AdamW takes 0.42 of the time, by Muon 0.38.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "mps":
        return False  # Nobody has measured it.
    probes = (getattr(torch.cpu, name, None) for name in _CPU_BF16)
    return any(probe is not None and probe() for probe in probes)


def peak_flops(device: str, precision: str) -> float | None:
    """Operations a second that a device of this name is able to; None where that is not known.

    Known are bfloat16 products on some GPUs, not float32, whose products may run in other types.

    >>> peak_flops("NVIDIA H100 80GB HBM3", "bf16"), peak_flops("NVIDIA H100 PCIe", "bf16")
    (989000000000000.0, 756000000000000.0)
    >>> peak_flops("NVIDIA H100 80GB HBM3", "fp32"), peak_flops("cpu", "bf16")
    (None, None)
    """
    if precision != "bf16":
        return None
    words = device.replace("-", " ").split()
    for name, peak in _PEAKS.items():
        if all(word in words for word in name.split()):
            return peak * 1e12
    return None


def device_name(device: torch.device) -> str:
    """The maker's name of a GPU, or "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


# ----------------------------------------------------------------------------------------------- its memory
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # malloc.h of glibc, mallopt(3)
_DEFAULT_TRIM, _DEFAULT_MMAP_MAX = 128 * 1024, 65_536


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Within it, memory that was freed stays with the process for the next tensor.

    A step frees and asks again for the same large tensors. By default glibc gives those of more than 32 MB
    back to the system each time, which must then clear them anew: with a vocabulary of 16,384 a sixth of a
    step's time was spent so. Other C libraries are left alone.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_MAX, _DEFAULT_MMAP_MAX)
        libc.mallopt(_TRIM_THRESHOLD, _DEFAULT_TRIM)
        libc.malloc_trim(0)


def memory_bytes(device: torch.device) -> int:
    """The most memory that was in use up to now: of the GPU by torch, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


# ------------------------------------------------------------------------------------------------ its state
@contextlib.contextmanager
def process_state(device: torch.device, deterministic: bool = False) -> Iterator[None]:
    """What training does to the process and gives back: torch's generators are seeded, memory is kept.

    Raises TrainError where the device has too little memory for what is done within.
    """
    kept = freed_memory_kept() if device.type == "cpu" else contextlib.nullcontext()
    try:
        with (
            kept,
            fixed_order(deterministic),
            torch.random.fork_rng(
                [] if device.type == "cpu" else [device],
                device_type="cuda" if device.type == "cpu" else device.type,
            ),
        ):
            yield
    except RuntimeError as error:  # A CPU's allocator knows no type of its own.
        if "does not have a deterministic implementation" in str(error):
            raise TrainError(
                f"deterministic = True: {str(error).partition(',')[0]}",
                remedy="Leave deterministic out: a run that goes on may then differ in its last bits.",
            ) from error
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise TrainError(
            f"{device_name(device)} has too little memory for this run: {str(error).partition('. ')[0]}",
            remedy="Lower micro_batch_rows, or set recompute=true; `--plan` says what a run needs.",
        ) from error


@contextlib.contextmanager
def fixed_order(deterministic: bool) -> Iterator[None]:
    """Have torch choose kernels that add in a fixed order, if so wanted, and fail where it knows none.

    Only so do attention's fused kernels keep an order in their backward pass: asked to warn, they warn.
    """
    if not deterministic:  # Also to ask torch for it takes seconds.
        yield
        return
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it before its first product.
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


# ---------------------------------------------------------------------------------------------- its batches
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


def takes_ends(device: torch.device, bf16: bool, head_width: int) -> bool:
    """Whether there is a kernel that takes documents by their ends: flash attention's, arXiv:2307.08691.

    That is on CUDA from compute capability 8.0 on, in 16 bits, for D a multiple of 8 up to 256.
    """
    fits = device.type == "cuda" and bf16 and head_width % 8 == 0 and head_width <= 256
    return fits and torch.cuda.get_device_capability(device) >= (8, 0)


def ends_of(documents: Tensor) -> Ends:
    """The ends of documents (B, T). How many there are must be known: on a GPU this waits for it."""
    edge = torch.ones_like(documents, dtype=torch.bool)
    edge[:, 1:] = documents[:, 1:] != documents[:, :-1]
    starts = edge.flatten().nonzero().flatten()
    ends = torch.cat([starts, starts.new_tensor([documents.numel()])]).to(torch.int32)
    # A row is as long as a document can be; to look for the longest would be another wait.
    return Ends(ends, documents.shape[1])


def on_device(batch: Tensors, device: torch.device, *, by_ends: bool = False) -> Inputs:
    """A batch on a device; its documents by their ends, if so wanted, for which nothing waits.

    Not where those of a source stand beside them: `Sight` has the ends of one side.
    """
    if not by_ends or "documents" not in batch or "source_documents" in batch:
        return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
    rest = {name: tensor for name, tensor in batch.items() if name != "documents"}
    ends, longest = ends_of(batch["documents"])
    if device.type == "cuda":
        ends = ends.pin_memory()
    return {**on_device(rest, device), "documents": Ends(ends.to(device, non_blocking=True), longest)}


# ---------------------------------------------------------------------------------- what is compiled for it
WORTH_FLOPS = 5e13
"""Operations of a whole run on a CPU from which on compiling pays: some five minutes at 150 GFLOP/s."""

_ALIKE = {"cpu": 0.05, "cuda": 0.4}
"""How far norms of gradients may lie apart: on a GPU compiled blocks draw other dropout masks."""


def compiling_pays(device: str, flops: float) -> bool:
    """Whether to compile where a user leaves it open: always on a GPU, on a CPU for long runs."""
    return device == "cuda" or flops >= WORTH_FLOPS


def compile_parts(model: Transformer) -> None:
    """Have the model's blocks and its loss compiled when they are called first."""
    for part in model.modules():
        if isinstance(part, Block | TokenLosses):
            part.compile()
        if isinstance(part, Attention) and next(model.parameters()).device.type == "cpu":
            # There is nothing to fuse, and compiled for a CPU (torch 2.13) products in bfloat16 have a
            # gradient that is no number where queries, keys and values are parts of one matrix.
            part.attend = torch.compiler.disable(attend)  # type: ignore[no-untyped-call]


def graphs_compiled() -> int:
    """Graphs that were compiled in this process up to now."""
    if "torch._dynamo" not in sys.modules:  # What nobody has loaded has compiled nothing.
        return 0
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])


def compile_blocks(model: Transformer, loss: Callable[[], Tensor]) -> str:
    """Compile the model's blocks and try them; where that fails they are left as they were.

    Args:
        loss: computes a loss of the model as steps will; it is called twice, with its backward pass.

    Returns:
        Why it failed, in one line; nothing where it did not.
    """
    zeros = _filled(model)
    alike = _ALIKE.get(next(model.parameters()).device.type, max(_ALIKE.values()))
    usual = _gradient_norms(model, loss)
    compile_parts(model)
    try:
        found = _gradient_norms(model, loss)
        other = [name for name, norm in usual.items() if not abs(found[name] - norm) <= alike * norm]
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
        for part in model.modules():
            if isinstance(part, Block | TokenLosses):
                part._compiled_call_impl = None
            if isinstance(part, Attention):
                part.attend = attend
    return failure


@torch.no_grad()
def _filled(model: Transformer) -> list[Tensor]:
    """Fill matrices of zeros with something: before the first step no gradient comes past them.

    With random numbers, which keep the rank: through matrices of a wave, whose rank is two, the norms
    of gradients were half as long again under one dropout mask as under another.
    """
    generator = torch.Generator().manual_seed(0)  # Of its own: steps draw from the other.
    found: list[Tensor] = [each for each in model.parameters() if each.dim() == 2 and not each.any()]
    for weight in found:
        weight.copy_(torch.randn(weight.shape, generator=generator).mul_(weight.shape[1] ** -0.5))
    return found


def _gradient_norms(model: Transformer, loss: Callable[[], Tensor]) -> dict[str, float]:
    """Of the matrices, by name, in one backward pass; the gradients are dropped again."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
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
