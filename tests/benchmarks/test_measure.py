"""Measuring trees of processes: what is counted and how failures show. No test looks at a time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks.measure import measure_call, measure_command

ORPHAN = """
import os, time
if os.fork() == 0:
    if os.fork() == 0:
        held = b"x" * 60_000_000
        time.sleep(0.6)
        open({path!r}, "w").write("done")
    os._exit(0)
"""


def test_memory_of_a_child_counts_and_output_is_kept(tmp_path: Path) -> None:
    child = "x = b'a' * 90_000_000; print(len(x))"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    usage = measure_command([sys.executable, "-c", program], stdout=tmp_path / "out")
    assert usage.exit_code == 0
    assert usage.largest_mib > 85
    assert (tmp_path / "out").read_text() == "90000000\n"


def test_orphans_are_waited_for_and_counted(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    usage = measure_command([sys.executable, "-c", ORPHAN.format(path=str(marker))])
    assert marker.read_text() == "done"
    assert usage.largest_mib > 55
    assert usage.wall_s > 0.5


def test_exit_codes_and_signals_are_told() -> None:
    assert measure_command([sys.executable, "-c", "raise SystemExit(3)"]).exit_code == 3
    assert measure_command([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]).exit_code == 137
    with pytest.raises(FileNotFoundError, match="not found on PATH"):
        measure_command(["no-such-program-anywhere"])


def test_a_command_that_runs_too_long_is_ended(tmp_path: Path) -> None:
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with pytest.raises(TimeoutError, match=r"longer than 0\.5 s"):
        measure_command([sys.executable, "-c", program], stdout=tmp_path / "pid", timeout_s=0.5)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_function_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    target = tmp_path / "pid"
    usage = measure_call(lambda: target.write_text(str(os.getpid())))
    assert usage.exit_code == 0
    assert int(target.read_text()) != os.getpid()


def test_an_exception_of_a_function_is_told_in_its_log(tmp_path: Path) -> None:
    def fail() -> None:
        raise ValueError("the tokenizer is missing")

    assert measure_call(fail, log=tmp_path / "log").exit_code == 1
    assert "ValueError: the tokenizer is missing" in (tmp_path / "log").read_text()
