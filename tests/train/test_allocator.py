"""Memory that was freed stays with the process while it trains, and goes back afterwards."""

import platform
import resource

import pytest
import torch

from corpuskit.train.allocator import freed_memory_kept

LARGE = 2**24  # 64 MB of float32: by default each one is taken from the system anew


def faults() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(LARGE)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_large_tensors_are_not_taken_from_the_system_each_time() -> None:
    usual = faults()
    with freed_memory_kept():
        faults()
        kept = faults()
    assert kept < usual / 10
    assert faults() > usual / 2
