"""A long call of native code that Ctrl-C ends: made in a thread of its own, while Python waits for it.

Python answers a signal between two of its own instructions, of which such a call has none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

_LOOK = 0.1
"""Seconds between two looks whether a signal came."""

_ENDS_IN = 1.0
"""Seconds in which a call that is left ends by itself if it still reads what it is given."""


class _LeftError(Exception):
    """Nobody waits for the call any more."""


def call_native(call: Callable[[Iterator[T]], object], given: Iterable[T]) -> None:
    """Make a call with what it is given to read, which is read in its thread.

    Whatever is raised by either is raised. Where the caller is interrupted the call is left at once: it reads
    nothing more, and what it has begun to compute it goes on with, for nobody, until it or the process ends.
    """
    if threading.current_thread() is not threading.main_thread():
        call(iter(given))  # Signals are the main thread's alone.
        return
    left, ended = threading.Event(), threading.Event()
    raised: list[BaseException] = []

    def read() -> Iterator[T]:
        try:
            for each in given:
                if left.is_set():
                    raise _LeftError
                yield each
        finally:  # The files that it reads are closed before anybody is told.
            if isinstance(given, Generator):
                given.close()

    def work() -> None:
        try:
            call(read())
        except BaseException as error:  # It is raised where somebody can answer it.
            raised.append(error)
        finally:
            ended.set()

    # A process does not wait for a daemon before it ends.
    threading.Thread(target=work, name="native call", daemon=True).start()
    try:
        # Not `join`: in Python 3.11 one that is interrupted takes the thread for ended.
        while not ended.wait(_LOOK):
            pass
    except BaseException:
        left.set()
        ended.wait(_ENDS_IN)
        raise
    if raised:
        raise raised[0]
