"""Memory that is no longer used, and that libraries keep for themselves."""

from __future__ import annotations

import pyarrow as pa

from corpuskit import _native


def give_memory_back() -> None:
    """Give it back to the system: what is done next takes memory anew, and would stand beside it."""
    pa.default_memory_pool().release_unused()
    _native.give_memory_back()
