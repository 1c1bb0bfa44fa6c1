"""One writer at a time: a lock that the system releases when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from corpuskit.storage.files import storing


@contextmanager
def hold(path: Path, on_taken: Callable[[str], Exception]) -> Iterator[None]:
    """Hold a lock until the block ends. Whoever comes meanwhile is refused, he does not wait.

    Args:
        path: a folder that is there, which is the lock itself and keeps no trace of it; else a file, which is
            made and stays, and in which the holder writes its process id.
        on_taken: makes the error for a lock that another process holds, from that process's id; ``unknown``
            where it is not written down, as in a folder.

    Raises:
        StorageError: the file cannot be made.
    """
    with storing(path):
        # Not truncated on opening: until the lock is ours, what is in it is the name of its holder.
        flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, flags, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 100, 0).decode().strip() if flags != os.O_RDONLY else ""
            raise on_taken(owner or "unknown") from error
        if flags != os.O_RDONLY:
            os.truncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)
