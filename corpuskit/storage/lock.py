"""One writer at a time: a lock that the system releases when its process ends, however it ends.

The lock is the system's (`flock`) on a file that names its holder. On one machine it is exact. On a network
file system it is as exact between machines as the file system makes it: NFS since Linux 2.6.12 and most
cluster file systems pass it on to the server, some mounts (`nolock`, `local_lock=flock`) keep it to one
machine, and some know no locks at all. So a holder also touches its file every `BEAT` seconds, and where the
system's answer cannot be trusted (the file names a holder on another machine, or there are no locks) who
comes watches for that, by the server's clock alone, before the lock counts as free. What is not caught then
are two processes that begin within the same moment on machines that do not see each other's locks.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from corpuskit.storage.files import storing

BEAT = 5.0
"""Seconds after which a holder touches its lock again."""

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""What `flock` says on file systems that have none."""


@contextmanager
def hold(path: Path, writes: str, on_taken: Callable[[str], Exception]) -> Iterator[None]:
    """Hold a lock until the block ends. Whoever comes meanwhile is refused, he does not wait.

    Args:
        path: the file that is the lock; it is made, and stays unless the block removes it.
        writes: what the holder writes, which the file says as long as it is there, see `written_by`.
        on_taken: makes the error for a lock that another process holds, from words that say who and since
            when: ``process 4711 on castor since 2026-11-29 13:31:12 UTC``.

    Raises:
        StorageError: the file cannot be made.
    """
    with storing(path):
        descriptor = _take(path, on_taken)
        try:
            since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
            _write(descriptor, writes=writes, pid=os.getpid(), host=socket.gethostname(), since=since)
        except OSError:
            os.close(descriptor)
            raise
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(descriptor, ended), daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()
        with suppress(OSError):  # A full disk: then it looks as if its holder had been killed.
            _write(descriptor, writes=writes)
        os.close(descriptor)


def written_by(path: Path) -> str:
    """What the last holder of a lock wrote, by its file; empty where there is no such file."""
    return str(_read(path).get("writes", ""))


def _take(path: Path, on_taken: Callable[[str], Exception]) -> int:
    """The open file, locked."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not truncated on opening: until the lock is ours, what is in it is the name of its holder.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            holder, exact = _read(path), True
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise on_taken(_who(holder)) from error
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                exact = False
            elsewhere = holder.get("host") not in (None, socket.gethostname())
            if (elsewhere or (not exact and "host" in holder)) and _beats(path):
                raise on_taken(_who(holder))
            # Its holder may have removed it since it was opened: then this is the lock of nothing.
            if os.fstat(descriptor).st_ino == _inode(path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _read(path: Path) -> dict[str, Any]:
    """What a lock's file says: ``writes``; of a holder that has not let go ``pid``, ``host``, ``since``."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {"pid": said}  # Once it held the number alone.


def _write(descriptor: int, **said: object) -> None:
    data = json.dumps(said).encode()
    # Over what is there and then cut, so that at no moment it says nothing.
    os.pwrite(descriptor, data, 0)
    os.truncate(descriptor, len(data))


def _who(holder: dict[str, Any]) -> str:
    host = f" on {holder['host']}" if "host" in holder else ""
    since = f" since {str(holder['since']).removesuffix('+00:00')} UTC" if "since" in holder else ""
    return f"process {holder.get('pid', 'unknown')}{host}{since}"


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _beat(descriptor: int, ended: threading.Event) -> None:
    """Touch the lock until its holder lets go."""
    while not ended.wait(BEAT):
        with suppress(OSError):  # A server that is away for a while.
            os.utime(descriptor)


def _beats(path: Path) -> bool:
    """Whether somebody touches a lock within two and a half beats."""
    before = _touched(path)
    time.sleep(2.5 * BEAT)
    return _touched(path) != before


def _touched(path: Path) -> int | None:
    """When a lock was touched last; by opening it, since NFS may show what it knew of a file before."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return None
