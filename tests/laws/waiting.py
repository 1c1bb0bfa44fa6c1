"""A command of corpuskit in a process of its own that waits where a test wants it to.

As a script: argv is the place (``module:function``), then the words of the command. It says ``here`` on
standard error when the function is called, and goes on when a line comes on standard input.
"""

from __future__ import annotations

import importlib
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def waiting(place: str, *words: object, **how: Any) -> Iterator[subprocess.Popen[str]]:
    """The process, once it is there; killed at the end if it has not ended by then."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [sys.executable, __file__, place, *map(str, words)]
    with subprocess.Popen(command, env=environment, text=True, **{**pipes, **how}) as child:
        try:
            if child.stderr is not None:
                said: list[str] = []
                while "here\n" not in said and child.poll() is None:
                    said.append(child.stderr.readline())
                assert "here\n" in said, said
            yield child
        finally:
            child.kill()


def read_line() -> None:
    """Wait for a line, or the end, of standard input.

    A signal that comes just before a read that blocks is answered after it alone: Python looks for signals
    between its own instructions, and the system ends no read that has not begun. So the wait is many short
    ones.
    """
    while True:
        while not select.select([0], [], [], 0.05)[0]:
            pass
        if os.read(0, 1) in (b"\n", b""):
            return


def main(place: str, *words: str) -> None:
    """Run the command, waiting at each call of the function."""
    module_name, _, name = place.partition(":")
    module = importlib.import_module(module_name)
    real: Callable[..., Any] = getattr(module, name)

    def wait(*args: Any, **kwargs: Any) -> Any:
        os.write(2, b"here\n")
        read_line()
        return real(*args, **kwargs)

    setattr(module, name, wait)
    from corpuskit.cli.main import main as corpuskit

    sys.argv = ["corpuskit", *words]
    corpuskit()


if __name__ == "__main__":
    main(*sys.argv[1:])
