"""What all commands share: --json, --quiet, exit codes, and where messages go.

Exit codes: 0 done, 1 the work failed or a check did not hold, 2 the call was wrong, 130 interrupted.
Data goes to standard output, messages and progress to standard error.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from corpuskit.errors import CorpuskitError, SettingError

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
COUNT = click.IntRange(min=1)


class Shell:
    """Where a command says things. `say` is for people (standard error), `result` is the answer."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet

    def say(self, message: str) -> None:
        """A message for a person, on standard error; nothing with --quiet."""
        if not self.quiet:
            click.echo(message, err=True)

    def result(self, data: dict[str, Any], text: str) -> None:
        """The answer: ``data`` as one JSON object with --json, else ``text``, on standard output."""
        if self.as_json:
            click.echo(json.dumps(data, ensure_ascii=False, allow_nan=False))
        elif text:
            click.echo(text)


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
            fail(shell, CorpuskitError(f"the system refused: {error}", remedy="Look at the file it names."))
        except KeyboardInterrupt:
            kept = "Finished tasks are kept: call the same command again to go on."
            click.echo(f"Interrupted. {kept}", err=True)
            sys.exit(130)

    return wrapper  # type: ignore[return-value]


def progress(shell: Shell, *figures: ProgressColumn) -> Progress:
    """Bars on standard error with ``figures`` behind them; in a terminal alone, and not with --quiet."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True, quiet=shell.quiet)
    hidden = shell.quiet or not console.is_terminal
    return Progress(TextColumn("{task.description}"), BarColumn(), *figures, console=console, disable=hidden)


def counted(number: int, what: str) -> str:
    """A number of things in words: ``1 book``, ``2,000 books``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def fail(shell: Shell, error: CorpuskitError) -> None:
    """Print an error (as JSON too, with --json) and leave with its exit code."""
    click.echo(f"Error: {error}", err=True)
    if shell.as_json:
        kind = type(error).__name__
        click.echo(json.dumps({"error": kind, "message": error.message, "remedy": error.remedy}))
    sys.exit(2 if isinstance(error, SettingError) else 1)
