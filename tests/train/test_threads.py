"""Whether torch's threads sleep while they wait: where other programs want the cores that they have."""

import os
import subprocess
import sys
from typing import Any

import pytest

from corpuskit.train import threads


@pytest.mark.parametrize(
    ("cores", "own", "others", "taken"),
    [
        (2, 2, 0, False),
        (2, 2, 1, True),  # One busy program is enough: three want two cores.
        (2, 1, 1, False),
        (2, 1, 9, False),  # A thread alone waits for no other.
        (16, 8, 8, False),
        (16, 8, 9, True),
        (4, 4, 1, True),
    ],
)
def test_threads_sleep_where_there_are_too_few_cores(
    cores: int, own: int, others: int, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(threads, "_threads", lambda: own)
    monkeypatch.setattr(threads, "_others", lambda: others)
    assert threads._cores_are_taken() is taken


def test_where_nothing_is_known_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any) -> int:
        raise OSError

    monkeypatch.setattr(threads, "_others", unknown)
    assert not threads._cores_are_taken()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells what runs")
def test_what_is_asked_of_openmp_stands_before_torch_is_loaded() -> None:
    """Threads that the user counts are counted so, and a value that the user has set stays."""
    code = """
import os, sys
os.cpu_count = lambda: 1
from corpuskit.train import threads
print(threads._threads(), os.environ["OMP_WAIT_POLICY"])
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("OMP_WAIT_POLICY", None)
    for given, expected in (({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")):
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment | given, capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["7", expected]
