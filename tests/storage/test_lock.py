"""A lock names who holds it, waits for nobody, and goes with its process."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from corpuskit.errors import StorageError
from corpuskit.storage import lock
from corpuskit.storage.lock import hold, written_by

# argv: the lock, and the name of the machine that it is held on.
HOLDER = """
import sys, socket
from pathlib import Path
from corpuskit.storage import lock
if len(sys.argv) > 2:
    socket.gethostname = lambda: sys.argv[2]
    lock.BEAT = 0.05
with lock.hold(Path(sys.argv[1]), "run", RuntimeError):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path, *words: str) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    return child


def test_a_file_names_its_holder_until_it_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "lock"
    who = rf"process {os.getpid()} on {socket.gethostname()} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    with hold(path, "run", RuntimeError):
        assert json.loads(path.read_text())["pid"] == os.getpid()
        with pytest.raises(RuntimeError, match=who), hold(path, "model", RuntimeError):
            pass
        assert written_by(path) == "run"
    assert json.loads(path.read_text()) == {"writes": "run"}
    for left in ("a longer text than any holder of a lock has ever left in its file" * 9, "4711", ""):
        path.write_text(left)
        with hold(path, "model", RuntimeError):
            assert (json.loads(path.read_text())["pid"], written_by(path)) == (os.getpid(), "model")


def test_a_killed_holder_releases_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as child:
        with pytest.raises(RuntimeError, match=f"process {child.pid} on "), hold(path, "run", RuntimeError):
            pass
        child.kill()
        child.wait()
        assert written_by(path) == "run"
        with hold(path, "run", RuntimeError):
            pass


def test_a_lock_that_its_holder_removed_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It went between opening and locking: a lock on what nobody can open keeps nobody out."""
    path, real = tmp_path / "lock", lock.fcntl.flock

    def removed(descriptor: int, how: int) -> None:
        monkeypatch.setattr(lock.fcntl, "flock", real)
        path.unlink()
        real(descriptor, how)

    monkeypatch.setattr(lock.fcntl, "flock", removed)
    with hold(path, "run", RuntimeError):
        with pytest.raises(RuntimeError), hold(path, "run", RuntimeError):
            pass
        path.unlink()
    assert not path.exists()


@pytest.mark.parametrize("refusal", [None, errno.ENOLCK])
def test_a_holder_on_another_machine_is_known_by_its_beat(
    refusal: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `flock` is kept to one machine, or there is none, as on some mounts of network file systems."""

    def flock(descriptor: int, how: int) -> None:
        if refusal is not None:
            raise OSError(refusal, os.strerror(refusal))

    path = tmp_path / "lock"
    monkeypatch.setattr(lock.fcntl, "flock", flock)
    monkeypatch.setattr(lock, "BEAT", 0.2)
    with holder(path, "castor") as child:
        with (
            pytest.raises(RuntimeError, match=f"{child.pid} on castor since "),
            hold(path, "x", RuntimeError),
        ):
            pass
        child.kill()
        child.wait()
        with hold(path, "model", RuntimeError):
            assert written_by(path) == "model"
    with hold(path, "model", RuntimeError):  # Nobody is named in it: nothing is waited for.
        pass


def test_a_lock_ends_its_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    with hold(tmp_path / "lock", "run", RuntimeError):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_what_is_raised_inside_is_not_taken_for_the_lock(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), hold(tmp_path / "lock", "run", RuntimeError):
        raise BlockingIOError


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError), hold(tmp_path / "file" / "lock", "run", RuntimeError):
        pass
