"""What a terminal is told: text from outside is never markup nor control there; lines keep to its width."""

from __future__ import annotations

import json
import os
import re
import shutil
import textwrap
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]|\r(?!\n)")
"""All that a terminal acts on but line ends and tabs; and what cannot be written as UTF-8."""
_IN_JSON = re.compile("[\x7f-\x9f\ud800-\udfff]")
"""What JSON leaves as it is of those."""


def plain(text: str) -> str:
    """Text with its control characters written out, so that a terminal shows them and does nothing else.

    >>> plain("a\\x1b[31m.txt\\n")
    'a\\\\x1b[31m.txt\\n'
    """
    if not _CONTROL.search(text):
        return text
    from corpuskit.storage.places import written_out

    return _CONTROL.sub(written_out, text)


def plain_json(data: Any) -> str:
    """A value as JSON in one line, with nothing in it that a terminal acts on."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def plain_console(**options: Any) -> Console:
    """A console of rich to which a string is text alone: neither markup, nor an emoji's name, nor control."""
    from rich.console import Console

    class PlainConsole(Console):
        def render_str(self, text: str, **how: Any) -> Any:
            return super().render_str(plain(text), **how)

    return PlainConsole(markup=False, emoji=False, highlight=False, **options)


class LocalPath(click.Path):
    """A path of this machine. ``~`` is the home folder, which shells leave as it is behind ``--out=``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Turn a word of the command line into a path. Refuses a URI: it would become a folder so called."""
        from corpuskit.storage.places import is_uri

        word = os.fsdecode(value)
        if is_uri(word):
            remedy = "give the path of a file or folder of this machine"
            self.fail(
                f"{plain(word)}: is a URI, which is neither read nor written here; {remedy}", param, ctx
            )
        return super().convert(os.path.expanduser(word), param, ctx)


UNBROKEN = 10_000
"""The width of what is no terminal: whoever reads a file or a pipe breaks lines as they like."""


def width_of(stream: TextIO) -> int:
    """Columns of a terminal; UNBROKEN for a stream that is none."""
    return shutil.get_terminal_size().columns if stream.isatty() else UNBROKEN


def wrapped(text: str, width: int) -> str:
    """A text whose lines that are longer than the width are broken between words.

    >>> print(wrapped("three words here", 11))
    three words
    here
    """
    lines = []
    for line in text.split("\n"):
        parts = textwrap.wrap(
            line, width, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
        )
        lines += parts if len(line) > width else [line]
    return "\n".join(lines)
