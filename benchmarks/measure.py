"""Wall time, processor time and memory of a whole tree of processes, with the standard library only.

The module is imported by the benchmarks and by the scripts that drive the peers, which run in another
environment; so it needs nothing but Python and Linux.

A build forks workers, and some libraries put a server process between (the ``forkserver`` of
multiprocessing), whose children nobody waits for: their processor time is lost to ``RUSAGE_CHILDREN``. Each
measured task is therefore run under a small *reaper* process that adopts every orphan below it
(``PR_SET_CHILD_SUBREAPER``) and waits for all of them; what the kernel then adds up is the whole tree.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_SAMPLE_SECONDS = 0.2


@dataclass(frozen=True)
class Usage:
    """What one task cost.

    Attributes:
        wall_s: Seconds from start to the end of its last process.
        cpu_s: User and system seconds of all its processes.
        largest_mib: Peak resident memory of its largest process, MiB, as the kernel counted it.
        tree_mib: Peak of the sum over its processes of proportional memory (shared pages counted once), MiB.
            Sampled every 0.2 s, so shorter peaks are missed.
        exit_code: 0, or the exit status of the task (128 + signal number when a signal ended it).
    """

    wall_s: float
    cpu_s: float
    largest_mib: float
    tree_mib: float
    exit_code: int


def measure_command(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
    stdout: Path | None = None,
    stderr: Path | None = None,
    timeout_s: float = 3600.0,
) -> Usage:
    """Run a command to its end and return what it and all its descendants cost.

    Args:
        command: Program and arguments.
        cwd: Working directory.
        environment: The whole environment of the command; default is this process's.
        stdout: File for its standard output; default is discarded.
        stderr: File for its standard error; default is discarded.
        timeout_s: After so many seconds the whole tree is killed and ``TimeoutError`` raised.

    Raises:
        FileNotFoundError: If the program does not exist.
        TimeoutError: If the command ran longer than ``timeout_s``.
    """
    program = _find_program(command[0], environment)

    def replace_process() -> int:
        _redirect(1, stdout)
        _redirect(2, stderr)
        if cwd is not None:
            os.chdir(cwd)
        os.execve(program, list(command), dict(os.environ) if environment is None else environment)

    return _measure(replace_process, timeout_s)


def measure_call(
    function: Callable[[], object], *, log: Path | None = None, timeout_s: float = 3600.0
) -> Usage:
    """Run a function in a forked process and return what it and all its descendants cost.

    The process starts with the modules of this one loaded, so that imports are not counted again for each
    stage. An exception is printed to standard error and gives exit code 1.

    Args:
        function: What to run.
        log: File for what it prints; default is this process's own standard output and error.
        timeout_s: After so many seconds the whole tree is killed and ``TimeoutError`` raised.

    Raises:
        TimeoutError: If the function ran longer than ``timeout_s``.
    """

    def call() -> int:
        if log is not None:
            _redirect(1, log)
            os.dup2(1, 2)
        function()
        return 0

    return _measure(call, timeout_s)


def _measure(body: Callable[[], int], timeout_s: float) -> Usage:
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        report = Path(folder) / "usage.json"
        sys.stdout.flush()
        sys.stderr.flush()
        start = time.perf_counter()
        reaper = os.fork()
        if reaper == 0:
            _reap(body, report)
        sampler = _MemorySampler(reaper)
        sampler.start()
        try:
            _wait_for(reaper, start + timeout_s, timeout_s)
        finally:
            sampler.stop()
        found = json.loads(report.read_text())
        return Usage(tree_mib=round(sampler.peak_mib, 1), **found)


def _reap(body: Callable[[], int], report: Path) -> None:
    """Become the subreaper, run ``body`` in a child, wait for every descendant, write the usage, exit."""
    status = 1
    try:
        os.setpgid(0, 0)
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")
        start = time.perf_counter()
        child = os.fork()
        if child == 0:
            _run_and_exit(body)
        exit_code = _wait_for_all(child)
        wall_s = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        usage = {
            "wall_s": round(wall_s, 3),
            "cpu_s": round(used.ru_utime + used.ru_stime, 3),
            "largest_mib": round(used.ru_maxrss / 1024, 1),
            "exit_code": exit_code,
        }
        report.write_text(json.dumps(usage))
        status = 0
    finally:
        os._exit(status)


def _run_and_exit(body: Callable[[], int]) -> None:
    code = 1
    try:
        code = body()
    except BaseException:
        os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _wait_for_all(first: int) -> int:
    """Wait until no descendant is left and return the exit code of ``first``."""
    exit_code = 1
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            return exit_code
        if pid == first:
            code = os.waitstatus_to_exitcode(status)
            exit_code = code if code >= 0 else 128 - code


def _wait_for(reaper: int, deadline: float, timeout_s: float) -> None:
    while True:
        pid, status = os.waitpid(reaper, os.WNOHANG)
        if pid:
            if status:
                raise RuntimeError(f"the measuring process ended with status {status}; nothing was measured")
            return
        if time.perf_counter() > deadline:
            _end_tree(reaper)
            raise TimeoutError(f"the measured task ran longer than {timeout_s:g} s and was killed")
        time.sleep(0.02)


def _end_tree(reaper: int) -> None:
    """Kill all descendants of the reaper until none is left; it collects them and then ends by itself."""
    while not os.waitpid(reaper, os.WNOHANG)[0]:
        for pid in _descendants(reaper):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _redirect(descriptor: int, target: Path | None) -> None:
    handle = os.open(target or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(handle, descriptor)
    os.close(handle)


def _find_program(name: str, environment: dict[str, str] | None) -> str:
    if os.sep in name:
        if not os.access(name, os.X_OK):
            raise FileNotFoundError(f"{name} is not an executable file")
        return name
    path = (os.environ if environment is None else environment).get("PATH", os.defpath)
    for folder in path.split(os.pathsep):
        candidate = os.path.join(folder, name)
        if os.access(candidate, os.X_OK):
            return candidate
    raise FileNotFoundError(f"{name} is not found on PATH; install it or give its full path")


class _MemorySampler(threading.Thread):
    """Follows the proportional memory of all descendants of one process."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._ended = threading.Event()
        self.peak_mib = 0.0

    def run(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            total_kib = sum(_proportional_kib(pid) for pid in _descendants(self._root))
            self.peak_mib = max(self.peak_mib, total_kib / 1024)

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _proportional_kib(pid: int) -> int:
    """Pss of a process in KiB; 0 when it has just ended."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as rollup:
        for line in rollup:
            if line.startswith(b"Pss:"):
                return int(line.split()[1])
    return 0


def _descendants(root: int) -> list[int]:
    """Process ids below ``root``, parents before their children."""
    found: list[int] = []
    waiting = [root]
    while waiting:
        parent = waiting.pop()
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):
                with (
                    contextlib.suppress(OSError),
                    open(f"/proc/{parent}/task/{task}/children", "rb") as listed,
                ):
                    children = [int(pid) for pid in listed.read().split()]
                found.extend(children)
                waiting.extend(children)
    return found
