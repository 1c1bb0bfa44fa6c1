"""How the C library hands out memory while a model is trained on a CPU."""

from __future__ import annotations

import contextlib
import ctypes
import platform
from collections.abc import Iterator

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
