"""What a machine could do and what a run takes of it."""

from __future__ import annotations

import resource
import sys

import torch

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


def memory_bytes(device: torch.device) -> int:
    """The most memory that was in use up to now: of the GPU by torch, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
