"""Items that a thread makes while the ones before are used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def read_ahead(items: Iterable[T], depth: int, name: str = "ahead") -> Iterator[T]:
    """The same items, of which up to `depth` wait to be used and one more is made.

    The thread ends with the items, and when nobody asks for them any more. What making one raises is raised
    where it would be used.

    >>> list(read_ahead(range(5), 2))
    [0, 1, 2, 3, 4]
    """
    ready: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: tuple[T] | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            if all(put((item,)) for item in items):
                put(None)
        except BaseException as error:  # Whatever it is, it is the caller's.
            put(error)

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        stopped.set()
        thread.join()
