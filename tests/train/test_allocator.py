"""Memory that was freed stays with the process while it trains, and goes back afterwards."""

import json
import platform
import subprocess
import sys

import pytest

# In a process of its own: what other tests left of the heap, and threads with heaps of their own, count too.
CHILD = """
import json, resource, torch
from corpuskit.train.device import freed_memory_kept

LARGE = 2**24  # 64 MB of float32: by default each one is taken from the system anew

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(LARGE)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = faults()
with freed_memory_kept():
    faults()
    kept = min(faults() for _ in range(3))
print(json.dumps([usual, kept, faults()]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_large_tensors_are_not_taken_from_the_system_each_time() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    usual, kept, afterwards = json.loads(done.stdout)
    assert kept < usual / 10
    assert afterwards > usual / 4
