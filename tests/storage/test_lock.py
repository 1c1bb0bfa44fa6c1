"""A lock names who holds it, waits for nobody, and goes with its process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from corpuskit.errors import StorageError
from corpuskit.storage.lock import hold

HOLDER = """
import sys
from pathlib import Path
from corpuskit.storage.lock import hold
with hold(Path(sys.argv[1]), RuntimeError):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_file_names_its_holder_until_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "lock"
    with hold(path, RuntimeError):
        assert path.read_text() == str(os.getpid())
        with pytest.raises(RuntimeError, match=str(os.getpid())), hold(path, RuntimeError):
            pass
        assert path.read_text() == str(os.getpid())
    path.write_text("a longer name than any process has")
    with hold(path, RuntimeError):
        assert path.read_text() == str(os.getpid())


def test_a_folder_is_a_lock_without_a_trace(tmp_path: Path) -> None:
    with (
        hold(tmp_path, RuntimeError),
        pytest.raises(RuntimeError, match="unknown"),
        hold(tmp_path, RuntimeError),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["lock", ""])
def test_a_killed_holder_releases_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        said = str(holder.pid) if name else "unknown"
        with pytest.raises(RuntimeError, match=said), hold(path, RuntimeError):
            pass
        holder.kill()
        holder.wait()
        with hold(path, RuntimeError):
            pass


def test_what_is_raised_inside_is_not_taken_for_the_lock(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), hold(tmp_path, RuntimeError):
        raise BlockingIOError


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError), hold(tmp_path / "file" / "lock", RuntimeError):
        pass
