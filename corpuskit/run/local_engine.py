"""Runs tasks on this machine: in this process, or in a pool of spawned processes.

Workers are spawned, never forked: libraries that hold threads survive it, and it is the same on every
platform. They stay for the whole build, because importing what they need takes a second or more. A worker
that dies (out of memory, killed) does not take the build with it: the pool is made anew and what was
unfinished is tried again.
"""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.synchronize import Event

from corpuskit.errors import EngineError, StageError
from corpuskit.run.folder import Run
from corpuskit.run.task import BuildTask, FinishedTask

RETRIES = 2
"""How often a pool that lost a worker is made anew for one step before the build stops."""


class LocalEngine:
    """Runs tasks with a number of processes; with 1, everything runs in this process.

    Use it as a context manager: leaving it ends the workers.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._stop: Event | None = None

    def run(self, tasks: Sequence[BuildTask]) -> Iterator[FinishedTask]:
        """Run independent tasks and yield what they did, in the order in which they finish.

        Raises:
            EngineError: workers died more often than `RETRIES`.
            StageError: a task cannot be sent to a worker.
        """
        # One task has no company to share the cores with: the way to a worker would only cost time.
        if self.workers == 1 or len(tasks) <= 1:
            yield from (task.execute() for task in tasks)
            return
        _check_picklable(tasks)
        pending = {task.name: task for task in tasks}
        for attempt in range(RETRIES + 1):
            try:
                for done in self._run_pool(list(pending.values())):
                    del pending[done.record.task]
                    yield done
                return
            except BrokenProcessPool as error:
                self.close()
                if attempt == RETRIES:
                    names = ", ".join(list(pending)[: self.workers])
                    raise EngineError(
                        f"a worker died {RETRIES + 1} times, at last near: {names}",
                        remedy="Most often the memory was used up: try fewer --workers."
                        " What was finished is kept; call the same command again to go on."
                        ' A script of your own that builds needs `if __name__ == "__main__":`.',
                    ) from error

    def _run_pool(self, tasks: Sequence[BuildTask]) -> Iterator[FinishedTask]:
        if self._pool is None:
            self._pool, self._stop = _make_pool(self.workers, tasks[0].run)
        # A few tasks ahead of the workers are enough; more would only hold memory.
        waiting = list(reversed(tasks))  # Taken off the end, so that the first is begun first.
        running: set[Future[FinishedTask]] = set()
        try:
            while waiting or running:
                while waiting and len(running) < 2 * self.workers:
                    running.add(self._pool.submit(BuildTask.execute, waiting.pop()))
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
        except (KeyboardInterrupt, GeneratorExit):
            if self._stop is not None:
                self._stop.set()  # Nobody waits for what is half done; it leaves nothing behind.
            raise
        finally:
            for future in running:
                future.cancel()

    def close(self) -> None:
        """End the workers; what they are at is finished first, what waits is not begun."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _make_pool(workers: int, run: Run) -> tuple[ProcessPoolExecutor, Event]:
    # A worker has one core: threads that numpy's BLAS would wait with take it from the others.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Forked children of a process that has threads may hang on a lock that one of them held.
    context = multiprocessing.get_context("spawn")
    # It cleans up behind the pool, and must outlive the end of a terminal, as it does Ctrl-C.
    with _hangups_ignored():
        resource_tracker.ensure_running()
    stop = context.Event()
    arguments = (os.getpid(), stop, run)
    return ProcessPoolExecutor(workers, context, initializer=_begin_worker, initargs=arguments), stop


@contextmanager
def _hangups_ignored() -> Iterator[None]:
    """What is started within ignores SIGHUP for good; signals are the main thread's alone to set."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _check_picklable(tasks: Sequence[BuildTask]) -> None:
    # One stands for all, and here the reason can be told: in the pool it would only look broken.
    try:
        pickle.dumps(tasks[0])
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise StageError(
            f"{tasks[0].name}: cannot be sent to a worker process: {error}",
            remedy="Define your stages in an importable module, not in __main__ or inside a function,"
            " or use workers=1.",
        ) from error


def _begin_worker(parent: int, stop: Event, run: Run) -> None:
    """Make this process a worker that ends when its build does, so that a killed build leaves no orphans."""
    # Ctrl-C and the end of a terminal reach all of its processes: the main one alone decides what becomes of
    # them. Not so SIGTERM, with which a pool ends its workers.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    run.attend()

    # A parent that is killed tells nobody; its orphans get another parent, and that can be seen.
    def watch() -> None:
        while os.getppid() == parent and not stop.is_set():
            time.sleep(0.2)
        os._exit(1)

    if os.getppid() != parent:  # It died before this process had begun to look.
        os._exit(1)
    threading.Thread(target=watch, daemon=True).start()
    # The first to be registered is the last to be called. What a worker holds is memory, which the system
    # takes back at once: to take modules and tables apart one by one is a tenth of a second for nothing.
    atexit.register(os._exit, 0)
    gc.freeze()  # What was imported stays: no collection need look at it again.
