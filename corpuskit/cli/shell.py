"""What all commands share: --json, --quiet, exit codes, and where messages go.

Exit codes: 0 done, 1 the work failed or a check did not hold, 2 the call was wrong, 130 interrupted.
Data goes to standard output, messages and progress to standard error.
"""

from __future__ import annotations

import errno
import functools
import gc
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from corpuskit.cli.terminal import LocalPath, plain, plain_console, plain_json
from corpuskit.errors import CorpuskitError, SettingError, read_remedy
from corpuskit.run.one_thread import join_wholly

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

GO_ON = "Finished tasks are kept: call the same command again to go on."

F = TypeVar("F", bound=Callable[..., Any])
PATH = LocalPath(path_type=Path)
FILE_NAME = re.compile(r"[^\s:]*[^\s:.]\.[A-Za-z][A-Za-z0-9]{0,7}|\.{0,2}/[^\s:]*")
"""What is meant as the name of a file: one word that ends as file names do, or begins as paths do."""
COUNT = click.IntRange(min=1)


@contextmanager
def importing() -> Iterator[None]:
    """Import without looking for garbage within, and never look through what was imported: it stays."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


class Shell:
    """Where a command says things. `say` is for people (standard error), `result` is the answer.

    Attributes:
        kept: what is said of an interrupted command's work.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.kept = "Nothing was written."
        self.watch: _Watch | None = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within, the shell has no thread of its own: a process that is forked there misses none."""
        try:
            if self.watch is not None and (thread := self.watch.stop()) is not None:
                join_wholly(thread)
            yield
        finally:
            if self.watch is not None:
                self.watch.start()

    def say(self, message: str) -> None:
        """A message for a person, on standard error; nothing with --quiet."""
        if not self.quiet:
            click.echo(plain(message), err=True)

    def result(self, data: dict[str, Any], text: str) -> None:
        """The answer: ``data`` as one JSON object with --json, else ``text``, on standard output."""
        said = plain_json(data) if self.as_json else plain(text)
        try:
            if said:
                click.echo(said)
        except OSError as error:
            if error.errno not in GONE:
                raise
            silence(sys.stdout)  # The work is done, whoever reads of it.


def shell_options(function: F) -> F:
    """Give a command ``--json`` and ``--quiet``, pass it a `Shell` first, and turn errors into exit codes."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
    @click.option("--quiet", is_flag=True, help="No progress and no messages.")
    @functools.wraps(function)
    def wrapper(*args: Any, as_json: bool, quiet: bool, **kwargs: Any) -> Any:
        shell = Shell(as_json=as_json, quiet=quiet)
        try:
            with _signals_interrupt(shell):
                return function(shell, *args, **kwargs)
        except CorpuskitError as error:
            fail(shell, error)
        except MemoryError:
            remedy = "Try fewer --workers, or a machine with more of it; what was finished is kept."
            fail(shell, CorpuskitError("the memory is used up", remedy=remedy))
        except BrokenPipeError:
            raise
        except OSError as error:
            fail(shell, CorpuskitError(f"the system refused: {error}", remedy=read_remedy(error)))
        except KeyboardInterrupt:
            click.echo(f"Interrupted. {shell.kept}", err=True)
            sys.exit(130)

    return wrapper  # type: ignore[return-value]


@contextmanager
def _signals_interrupt(shell: Shell) -> Iterator[None]:
    """SIGTERM and SIGHUP (a closed terminal) do what Ctrl-C does, unless they are ignored (`nohup`)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    shell.watch = watch = _Watch(shell)
    try:
        watch.start()
        yield
    finally:
        try:
            watch.stop()
        finally:
            shell.watch = None
            for number, handler in watch.before.items():
                signal.signal(number, handler)


class _Watch:
    """Interrupts a command at a signal, and ends its process at a second one that nobody answers.

    Python answers a signal between two of its own instructions. A long call of native code has none
    unless it asks, as the training of a tokenizer does: there a second signal ends the process.

    Attributes:
        before: what the signals that interrupt did earlier.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._answered = 0
        self._writing = self._earlier = -1
        self._thread: threading.Thread | None = None
        self.before: dict[int, Any] = {}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler, leave):
                self.before[number] = signal.signal(number, self._interrupt)

    def _interrupt(self, number: int, frame: object) -> None:
        self._answered += 1
        raise KeyboardInterrupt

    def start(self) -> None:
        """Watch the signals that come from now on, in a thread."""
        self.stop()  # A signal may have come in its way before.
        reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._earlier = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        # Signals that were answered while nobody watched are none of those that this thread counts.
        self._thread = threading.Thread(target=self._watch, args=(reading, self._answered), daemon=True)
        self._thread.start()

    def stop(self) -> threading.Thread | None:
        """Let the thread end, and return it; nothing more where it was told to before."""
        if self._writing >= 0:
            signal.set_wakeup_fd(self._earlier)
            # Its number is forgotten first: soon it may be that of another file, which is not ours to close.
            writing, self._writing = self._writing, -1
            os.close(writing)
        return self._thread

    def _watch(self, reading: int, came: int) -> None:
        while number := os.read(reading, 1):
            # Who has a handler of his own, as training does, answers for himself.
            if number[0] in self.before and signal.getsignal(number[0]) == self._interrupt:
                came += 1
                time.sleep(_PATIENCE)
                if came - self._answered >= 2:
                    click.echo(f"Interrupted. {self._shell.kept}", err=True)
                    os._exit(130)
        os.close(reading)


_PATIENCE = 1.0
"""Seconds after a signal in which Python has answered it, unless it is within a call of native code."""


def leave(*_: object) -> None:
    """What a signal does before a command has begun: nothing is to be kept."""
    sys.exit(130)


GONE = (errno.EPIPE, errno.EIO)
"""What the system says of a pipe that nobody reads any more, and of a terminal that was closed."""


def silence(stream: TextIO) -> None:
    """Let what is still written to a stream go nowhere: nobody is at its other end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class Steady:
    """Standard error whose other end may go away: messages are lost then, and the work goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or be silent from now on."""
        try:
            return self._stream.write(text)
        except OSError:
            silence(self._stream)
            return len(text)

    def flush(self) -> None:
        """Flush, or be silent from now on."""
        try:
            self._stream.flush()
        except OSError:
            silence(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def progress(shell: Shell, *figures: ProgressColumn) -> Progress:
    """Bars on standard error with ``figures`` behind them; in a terminal alone, and not with --quiet."""
    from rich.progress import BarColumn, Progress, RenderableColumn, Task
    from rich.text import Text

    class Description(RenderableColumn):
        def render(self, task: Task) -> Text:
            return Text(plain(task.description))

    console = plain_console(stderr=True, quiet=shell.quiet)
    hidden = shell.quiet or not console.is_terminal
    return Progress(Description(), BarColumn(), *figures, console=console, disable=hidden)


def fail(shell: Shell, error: CorpuskitError) -> None:
    """Print an error (as JSON too, with --json) and leave with its exit code."""
    click.echo(plain(f"Error: {error}"), err=True)
    if shell.as_json:
        kind = type(error).__name__
        click.echo(plain_json({"error": kind, "message": error.message, "remedy": error.remedy}))
    sys.exit(2 if isinstance(error, SettingError) else 1)
