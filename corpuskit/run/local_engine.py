"""Runs tasks on this machine: in this process, or in a pool of processes that stays for the whole build.

Workers are spawned: libraries that hold threads survive it, and it is the same on every platform. Each then
imports for itself what it needs. The command line, whose process is its own, has them forked instead where
that is as safe: on Linux, before there is a second thread, and where no code of others is loaded.

A worker that dies (out of memory, killed) does not take the build with it: a pool is spawned anew and what
was unfinished is tried again.
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
from pathlib import Path

from corpuskit.errors import EngineError, StageError
from corpuskit.run.one_thread import has_one_thread, start_no_threads
from corpuskit.run.task import BuildTask, FinishedTask
from corpuskit.storage.without_pandas import leave_out_pandas

RETRIES = 2
"""How often a pool that lost a worker is made anew for one step before the build stops."""


class LocalEngine:
    """Runs tasks with a number of processes; with 1, everything runs in this process.

    Use it as a context manager: leaving it ends the workers.

    Args:
        workers: processes.
        own: no task runs code of others: workers need not know what only others use.
    """

    def __init__(self, workers: int, *, own: bool = False) -> None:
        self.workers, self.own = workers, own
        self._pool: ProcessPoolExecutor | None = None
        self._stop: Event | None = None

    def fork(self) -> bool:
        """Start the workers ahead of the tasks, with all that this process has imported, if that is safe.

        Returns:
            whether it was: on Linux, in a process of one thread, for tasks that are our `own`, and where
            the system lets all of them be forked.
        """
        if self.workers == 1 or self._pool is not None or not self.own or not has_one_thread():
            return False
        gc.freeze()  # Pages that no collection writes to stay one copy for all processes.
        # Signals that come meanwhile are this process's: a worker takes none before it knows how.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)
        try:
            self._pool, self._stop = _make_pool("fork", self.workers, own=True)
            self._pool.submit(_nothing)  # Which starts all of them, and only then the pool's own threads.
        except OSError:  # No more processes or files, or no memory: one after the other may still be spawned.
            self._give_up()
            return False
        except BaseException:
            self._give_up()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return True

    def _give_up(self) -> None:
        """End the workers of a pool that could not start all of them.

        It has no thread yet that would end them, nor one that would hand them what was submitted: that is
        gone with the pool, and nobody waits for it.
        """
        pool, stop, self._pool, self._stop = self._pool, self._stop, None, None
        if pool is None or stop is None:
            return
        stop.set()
        workers = list(pool._processes.values())
        for worker in workers:
            worker.kill()  # It has nothing to leave in order, and may not have begun to listen to more.
        for worker in workers:
            worker.join()
        pool.shutdown(wait=False)

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
            # It cleans up behind the pool, and must outlive the end of a terminal, as it does Ctrl-C.
            with _hangups_ignored():
                resource_tracker.ensure_running()
            self._pool, self._stop = _make_pool("spawn", self.workers, own=self.own)
        # A few tasks ahead of the workers are enough; more would only hold memory.
        waiting = list(reversed(tasks))  # Taken off the end, so that the first is begun first.
        running: set[Future[FinishedTask]] = set()
        try:
            while waiting or running:
                while waiting and len(running) < 2 * self.workers:
                    running.add(self._pool.submit(_execute, waiting.pop()))
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


def _make_pool(method: str, workers: int, *, own: bool) -> tuple[ProcessPoolExecutor, Event]:
    start_no_threads()
    context = multiprocessing.get_context(method)
    stop = context.Event()
    arguments = (os.getpid(), stop, own)
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


_OURS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
"""Signals that mean a build, and are for its main process to answer."""


def _begin_worker(parent: int, stop: Event, own: bool) -> None:
    """Make this process a worker that ends when its build does, so that a killed build leaves no orphans."""
    # Ctrl-C and the end of a terminal reach all of its processes: the main one alone decides what becomes of
    # them. Not so SIGTERM, with which a pool ends its workers.
    signal.set_wakeup_fd(-1)
    for number in _OURS:
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
    if own:
        leave_out_pandas()

    # A parent that is killed tells nobody; its orphans get another parent, and that can be seen.
    def watch() -> None:
        while os.getppid() == parent and not stop.is_set():
            time.sleep(0.2)
        os._exit(1)

    global _parent
    _parent = parent
    if os.getppid() != parent:  # It died before this process had begun to look.
        os._exit(1)
    threading.Thread(target=watch, daemon=True).start()
    # The first to be registered is the last to be called. What a worker holds is memory, which the system
    # takes back at once: to take modules and tables apart one by one is a tenth of a second for nothing.
    atexit.register(os._exit, 0)
    gc.freeze()  # What was imported stays: no collection need look at it again.


_parent = 0
_attended: set[Path] = set()


def _execute(task: BuildTask) -> FinishedTask:
    """Run a task in a worker, and let its run know of the worker before anything is written."""
    if task.run.folder not in _attended:
        _attended.add(task.run.folder)
        task.run.attend()
        if os.getppid() != _parent:  # Somebody else may have begun to build there since.
            os._exit(1)
    return task.execute()


def _nothing() -> None:
    """What starts the workers of a pool."""
