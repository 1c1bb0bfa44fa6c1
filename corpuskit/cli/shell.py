"""What all commands share: --json, --quiet, exit codes, and where messages go.

Exit codes: 0 done, 1 the work failed or a check did not hold, 2 the call was wrong, 130 interrupted.
Data goes to standard output, messages and progress to standard error.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from corpuskit.cli.terminal import LocalPath, plain, plain_console, plain_json
from corpuskit.errors import CorpuskitError, SettingError, read_remedy

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

F = TypeVar("F", bound=Callable[..., Any])
PATH = LocalPath(path_type=Path)
COUNT = click.IntRange(min=1)


class Shell:
    """Where a command says things. `say` is for people (standard error), `result` is the answer."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet

    def say(self, message: str) -> None:
        """A message for a person, on standard error; nothing with --quiet."""
        if not self.quiet:
            click.echo(plain(message), err=True)

    def result(self, data: dict[str, Any], text: str) -> None:
        """The answer: ``data`` as one JSON object with --json, else ``text``, on standard output."""
        if self.as_json:
            click.echo(plain_json(data))
        elif text:
            click.echo(plain(text))


def shell_options(function: F) -> F:
    """Give a command ``--json`` and ``--quiet``, pass it a `Shell` first, and turn errors into exit codes."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
    @click.option("--quiet", is_flag=True, help="No progress and no messages.")
    @functools.wraps(function)
    def wrapper(*args: Any, as_json: bool, quiet: bool, **kwargs: Any) -> Any:
        shell = Shell(as_json=as_json, quiet=quiet)
        try:
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
            kept = "Finished tasks are kept: call the same command again to go on."
            click.echo(f"Interrupted. {kept}", err=True)
            sys.exit(130)

    return wrapper  # type: ignore[return-value]


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


def counted(number: int, what: str) -> str:
    """A number of things in words: ``1 book``, ``2 books``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def fail(shell: Shell, error: CorpuskitError) -> None:
    """Print an error (as JSON too, with --json) and leave with its exit code."""
    click.echo(plain(f"Error: {error}"), err=True)
    if shell.as_json:
        kind = type(error).__name__
        click.echo(plain_json({"error": kind, "message": error.message, "remedy": error.remedy}))
    sys.exit(2 if isinstance(error, SettingError) else 1)
