"""A process of one thread, which alone may be forked.

A lock that another thread holds while a process is forked stays held in the child for ever, and what of the
process's own state that thread was about to change stays half changed. A process with one thread has neither.
This module is imported before NumPy and pyarrow are, and imports neither.
"""

from __future__ import annotations

import os
import sys
import threading
import time

_SETTINGS = {
    # A worker has one core: threads that NumPy's BLAS would wait with take it from the others.
    "OPENBLAS_NUM_THREADS": "1",
    # jemalloc, which pyarrow brings and does not use unless it is asked to, tidies up in a thread of its own.
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}


def start_no_threads() -> None:
    """Ask libraries that are loaded from now on, here and in children, to start no threads by themselves."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


_MOMENT = 0.2
"""Seconds that are waited at most for the system to end a thread that Python has ended."""


def join_wholly(thread: threading.Thread) -> None:
    """Wait until a thread has ended, for the system too: `has_one_thread` counts it no more.

    ``Thread.join`` returns when Python is done with it, which is a moment before.
    """
    thread.join()
    counted, until = f"/proc/self/task/{thread.native_id}", time.monotonic() + _MOMENT
    while os.path.exists(counted) and time.monotonic() < until:
        time.sleep(0.0002)


def has_one_thread() -> bool:
    """Whether this process has one thread, libraries' counted; false where the system does not tell."""
    if sys.platform != "linux":
        return False
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False
