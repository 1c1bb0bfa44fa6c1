"""Workers that the command line forks: what they load, whom they obey, how they end, when there are none."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpuskit import Files, Length, Pipeline
from corpuskit.run import local_engine
from corpuskit.run.local_engine import LocalEngine
from corpuskit.run.one_thread import has_one_thread

Environment = Callable[..., dict[str, str]]

linux = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")


def child(environment: Environment, script: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own."""
    command = [sys.executable, "-c", script, *map(str, words)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=240)


BUILD = """
import os, signal, sys
from corpuskit.run.one_thread import start_no_threads
start_no_threads()
from corpuskit.cli.main import main
from corpuskit.run.local_engine import LocalEngine
from corpuskit.stages.dedup.exact import ExactDuplicates

log, crash, *sys.argv[1:] = sys.argv[1:]
main_process = os.getpid()

def note(event, facts):
    name = str(facts[0]).partition(".")[0] if event == "import" else ""
    refused = type(sys.meta_path[0]).__name__ == "_Refused"
    if name in ("pandas", "scipy", "datasketch", "torch") and not refused:
        print("imported", name, file=open(log, "a"))

def fork(engine):
    print("forked", real(engine), file=open(log, "a"))

def scan(stage, batch):
    print("scanned by", "main" if os.getpid() == main_process else "worker", file=open(log, "a"))
    if crash == "crash" and os.getpid() != main_process:
        os.kill(os.getpid(), signal.SIGKILL)
    return scans(stage, batch)

sys.addaudithook(note)
real, LocalEngine.fork = LocalEngine.fork, fork
scans, ExactDuplicates.scan = ExactDuplicates.scan, scan
if __name__ == "__main__":
    main()
"""


@linux
@pytest.mark.parametrize("crash", ["", "crash"])
def test_a_build_with_forked_workers(
    crash: str, built: Path, tmp_path: Path, environment: Environment, outputs: Any
) -> None:
    """The same bytes; nothing loaded that no step needs; a pool whose workers died is made anew by spawning.

    The change that kills is one of the forked ones alone: what is spawned imports the package as it is.
    """
    words = ("build", built / "corpus" / "recipe.yaml", "--out", tmp_path / "run", "--workers", 2, "--json")
    done = child(environment, BUILD, tmp_path / "log", crash, *words)
    assert done.returncode == 0, done.stderr
    said = (tmp_path / "log").read_text().splitlines()
    assert said[0] == "forked True"
    assert set(said[1:]) == {"scanned by worker"}
    assert outputs(tmp_path / "run") == outputs(built / "run")


FEW = """
import errno, multiprocessing, os, signal, sys
from corpuskit.run.one_thread import has_one_thread, start_no_threads
start_no_threads()
from corpuskit.run.local_engine import LocalEngine

real_fork, calls = os.fork, 0

def fork_once():
    global calls
    calls += 1
    if calls == 2:
        raise error
    return real_fork()

error, os.fork = OSError(errno.EAGAIN, "no more processes"), fork_once
"""

FORKING = f"""{FEW}
if __name__ == "__main__":
    for error in (error, MemoryError("no more memory")):
        while not has_one_thread():
            pass  # Threads of the pool before are about to end.
        with LocalEngine(3, own=True) as engine:
            calls = 0
            try:
                print(engine.fork())
            except MemoryError as caught:
                print(caught)
            print(calls, engine._pool, multiprocessing.active_children(), has_one_thread())
            print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
            print(engine.fork(), len(multiprocessing.active_children()))
"""


@linux
def test_of_workers_that_cannot_all_be_forked_none_stays(environment: Environment) -> None:
    """Where the system refuses one they may be spawned; any other error is told. Later they may be forked."""
    done = child(environment, FORKING)
    assert done.returncode == 0, done.stderr
    after = ["2 None [] True", "set()", "True 3"]
    assert done.stdout.splitlines() == ["False", *after, "no more memory", *after]
    assert done.stderr == ""


@linux
def test_a_build_spawns_its_workers_where_not_all_can_be_forked(
    built: Path, tmp_path: Path, environment: Environment, outputs: Any
) -> None:
    words = ("build", built / "corpus" / "recipe.yaml", "--out", tmp_path / "run", "--workers", 2, "--json")
    done = child(environment, FEW + BUILD, tmp_path / "log", "", *words)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "log").read_text().splitlines() == ["forked False"]
    assert outputs(tmp_path / "run") == outputs(built / "run")


STATE = """
import gc, json, os, signal, sys
from corpuskit.run.one_thread import has_one_thread, start_no_threads
start_no_threads()
from corpuskit.run.local_engine import LocalEngine

def state():
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    return [int(h) for h in handlers], len(blocked), signal.set_wakeup_fd(-1), gc.get_freeze_count() > 0

def interrupt(*_):
    raise KeyboardInterrupt

if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, interrupt)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    with LocalEngine(2, own=True) as engine:
        assert engine.fork()
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
        assert not engine.fork()
        print(json.dumps([engine._pool.submit(state).result(), [*engine._pool._processes]]), flush=True)
        sys.stdin.readline()
"""


@linux
def test_a_forked_worker_keeps_nothing_of_the_signals_of_its_main_process(environment: Environment) -> None:
    done = child(environment, STATE)
    assert done.returncode == 0, done.stderr
    (handlers, blocked, wakeup, frozen), _ = json.loads(done.stdout)
    assert handlers == [1, 1, 0]  # Two are ignored; a pool ends its workers by the third.
    assert (blocked, wakeup, frozen) == (0, -1, True)


@linux
def test_forked_workers_of_a_killed_build_end(environment: Environment) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", STATE], env=environment(), text=True, **pipes) as main:  # type: ignore[call-overload]
        _, workers = json.loads(main.stdout.readline())
        assert all(alive(worker) for worker in workers)
        main.kill()
        until = time.monotonic() + 20
        while any(alive(worker) for worker in workers):
            assert time.monotonic() < until
            time.sleep(0.1)


def alive(number: int) -> bool:
    """Whether a process runs: neither gone nor a zombie."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("workers", "own", "one_thread"), [(1, True, True), (2, False, True), (2, True, False)]
)
def test_nothing_is_forked_where_it_might_harm(
    workers: int, own: bool, one_thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_engine, "has_one_thread", lambda: one_thread)
    with LocalEngine(workers, own=own) as engine:
        assert not engine.fork()


def test_a_second_thread_is_seen() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert not has_one_thread()
    finally:
        end.set()
        thread.join()


ALONE = """
from corpuskit.cli.shell import Shell, _Watch
from corpuskit.run.one_thread import has_one_thread

shell = Shell(as_json=False, quiet=True)
shell.watch = _Watch(shell)
shell.watch.start()
for _ in range(50):
    with shell.alone():
        print(has_one_thread())
    print(has_one_thread())
"""


@linux
def test_a_command_that_is_alone_has_one_thread(environment: Environment) -> None:
    done = child(environment, ALONE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["True", "False"] * 50


def test_a_build_is_our_own_where_all_steps_are() -> None:
    class Mine(Length):
        """A user's stage, if only by its place."""

    files = Files(path="x", label="x")
    assert Pipeline([files, Length(min_words=2)]).own
    assert not Pipeline([files, Mine(min_words=2)]).own
