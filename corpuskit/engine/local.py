"""Runs tasks on this machine: in this process, or in a pool of spawned processes.

Workers are spawned, never forked: libraries that hold threads survive it, and it is the same on every
platform. A worker that dies (out of memory, killed) does not take the build with it: the pool is made
anew and what was unfinished is tried again.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from corpuskit.engine.task import Done, Task
from corpuskit.errors import EngineError, StageError

RETRIES = 2
"""How often a pool that lost a worker is made anew before the build stops."""


def run(tasks: Sequence[Task], workers: int) -> Iterator[Done]:
    """Run independent tasks and yield what they did, in the order in which they finish.

    Args:
        workers: number of processes; with 1 everything runs in this process.

    Raises:
        EngineError: workers died more often than `RETRIES`.
    """
    if workers == 1 or len(tasks) == 1:
        yield from (task.execute() for task in tasks)
        return
    pending = list(tasks)
    for attempt in range(RETRIES + 1):
        try:
            for done in _run_pool(pending, min(workers, len(pending))):
                pending = [task for task in pending if task.name != done.record.task]
                yield done
            return
        except BrokenProcessPool as error:
            if attempt == RETRIES:
                names = ", ".join(task.name for task in pending[:workers])
                raise EngineError(
                    f"a worker died {RETRIES + 1} times, at last near: {names}",
                    remedy="Most often the memory was used up: try fewer --workers."
                    " What was finished is kept; call the same command again to go on.",
                ) from error


def _run_pool(tasks: Sequence[Task], workers: int) -> Iterator[Done]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_watch_parent, initargs=(os.getpid(),)
    )
    with pool:
        # A few tasks ahead of the workers are enough; more would only hold memory.
        waiting = list(reversed(tasks))
        running: set[Future[Done]] = set()
        try:
            while waiting or running:
                while waiting and len(running) < 2 * workers:
                    running.add(_submit(pool, waiting.pop()))
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, task: Task) -> Future[Done]:
    try:
        pickle.dumps(task)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise StageError(
            f"{task.name}: cannot be sent to a worker process: {error}",
            remedy="Define your stages in an importable module, not in __main__ or inside a function,"
            " or use workers=1.",
        ) from error
    return pool.submit(_execute, task)


def _execute(task: Task) -> Done:
    return task.execute()


def _watch_parent(parent: int) -> None:
    """End this worker when the main process is gone, so that a killed build leaves no orphans."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
