"""``corpuskit search``: where a text stands in the corpus, and what of a text stands there."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from corpuskit.cli.shell import COUNT, FILE_NAME, PATH, Shell, progress, shell_options
from corpuskit.errors import InputError, SettingError, counted, read_remedy
from corpuskit.report.search import Found, Longest, Searched, Searcher
from corpuskit.shards.ngrams.files import build_index, index_folder
from corpuskit.shards.ngrams.index import NgramIndex, open_index
from corpuskit.shards.reader import open_shards

_PIECES = 5
"""Pieces of a text that are shown; --json has as many as --limit."""


@click.command()
@click.argument("run", type=PATH)
@click.argument("text", required=False)
@click.option("--tokens", metavar="IDS", help='Ids instead of a text, as "523 889".')
@click.option("--longest", metavar="FILE|TEXT", help="The longest matches of a text, or of a file's.")
@click.option("--at-end", is_flag=True, help="Only where a document ends with the text.")
@click.option("--split", help="Search this split alone.  [default: all]")
@click.option("--limit", type=click.IntRange(min=0), default=10, show_default=True, help="Places to list.")
@click.option("--build", is_flag=True, help="Build the index anew, also where it is there.")
@click.option("--index", type=PATH, help="Folder of the index, instead of RUN/index.")
@click.option("--workers", type=COUNT, default=min(os.cpu_count() or 1, 4), help="Threads that build it.")
@shell_options
def command(
    shell: Shell,
    run: Path,
    text: str | None,
    tokens: str | None,
    longest: str | None,
    at_end: bool,
    split: str | None,
    limit: int,
    build: bool,
    index: Path | None,
    workers: int,
) -> None:
    """Find where a text stands in the shards of a run: how often, in which documents, at which byte.

    A text is found where it was cut into the same tokens, within one document. With a blank before it a word
    is mostly another token: such places are counted and listed apart. The first call builds an index of all
    n-grams in RUN/index (3 bytes a token, 300 MB of memory for each of --workers), later ones take
    milliseconds; where the shards have changed it is built anew.

    \b
    corpuskit search runs/sample "the river"
    corpuskit search runs/sample --longest essay.txt
    corpuskit search runs/sample --tokens "523 889 0" --json
    """
    asked = [each for each in (text, tokens, longest) if each is not None]
    if len(asked) > 1 or (not asked and not build):
        raise SettingError(
            f"{counted(len(asked), 'thing')} to search for instead of one",
            remedy="Give a text, --tokens or --longest; or --build alone.",
        )
    if at_end and (longest is not None or not asked):
        raise SettingError("--at-end: is for a text or --tokens", remedy="Leave it away.")
    opened = indexed(shell, run, index, workers, again=build)
    if not asked:
        data = {"run": str(run), "index": str(opened.folder), "bytes": opened.bytes}
        shell.result(data, f"{opened.folder}: {opened.bytes:,} bytes")
        return
    searcher = Searcher.open(run, opened)
    if longest is not None:
        matched = searcher.longest(_text_of(longest), limit, split)
        shell.result({"run": str(run), **asdict(matched)}, _longest(matched))
        return
    if tokens is not None:
        end = [searcher.index.shards.end_of_text] if at_end else []
        found = Searched(searcher.tokens([*_ids(tokens), *end], limit, split))
    else:
        found = searcher.text(text or "", limit, split, at_end=at_end)
    more = {"behind_blank": found.behind_blank and asdict(found.behind_blank), "notes": found.notes}
    shell.result({"run": str(run), **asdict(found.found), **more}, _searched(found))


def indexed(
    shell: Shell, run: Path, index: Path | None, workers: int = 1, *, again: bool = False
) -> NgramIndex:
    """The index of a run; what is missing of it, or all of it, is built before one's eyes."""
    from rich.progress import MofNCompleteColumn, TimeRemainingColumn

    with progress(shell, MofNCompleteColumn(), TimeRemainingColumn()) as bars:
        bar = None

        def told(done: int, total: int) -> None:
            nonlocal bar
            if bar is None:
                shell.say(f"index: sorting {total:,} tokens")
                bar = bars.add_task("index", total=total)
            bars.update(bar, completed=done)

        if again:
            shards = open_shards(run)
            build_index(shards, index or index_folder(shards), told=told, workers=workers, again=True)
        return open_index(run, index, told=told, workers=workers)


def _ids(words: str) -> list[int]:
    try:
        return [int(word) for word in words.replace(",", " ").split()]
    except ValueError as error:
        raise SettingError(
            f"--tokens {words!r}: is no list of ids", remedy='Write whole numbers: --tokens "523 889".'
        ) from error


def _text_of(what: str) -> str:
    """The text of a file, where there is one of this name."""
    path = Path(what)
    try:
        if not path.is_file():
            if FILE_NAME.fullmatch(what):
                raise SettingError(
                    f"--longest {what}: no file is called that", remedy="Check the name; or give a text."
                )
            return what
        return path.read_bytes().decode("utf-8")  # Its line ends are those of the shards.
    except UnicodeDecodeError as error:
        raise InputError(f"{what}: is no text in UTF-8", remedy="Convert it first.") from error
    except OSError as error:
        if not os.path.lexists(what):  # Too long for a name: a text.
            return what
        raise InputError(f"{what}: cannot be read: {error.strerror}", remedy=read_remedy(error)) from error


# ----------------------------------------------------------------------------------------------- as text
def _searched(found: Searched) -> str:
    lines = _found(found.found)
    if (behind := found.behind_blank) is not None:
        lines += ["", *_found(behind)]
    if not found.found.count and not (behind and behind.count):
        lines.append("A text is found where it was cut into the same tokens, within one document.")
    elif behind is not None and found.found.text.isalnum():
        lines.append("Inside of longer words it may stand in other tokens, and is not counted there.")
    return "\n".join([*lines, *found.notes])


def _found(found: Found) -> list[str]:
    by_split = ", ".join(f"{name} {count:,}" for name, count in found.splits.items())
    ids = " ".join(map(str, found.tokens[:12])) + (" ..." if len(found.tokens) > 12 else "")
    head = f"'{_shown(found.text)}': {_times(found)}"
    lines = [f"{head} ({by_split}); {counted(len(found.tokens), 'token')}: {ids}"]
    lines += _hits(found)
    if found.count > len(found.hits) > 0:
        lines.append(f"  and {found.count - len(found.hits):,} more: --limit")
    return lines


def _times(found: Found) -> str:
    times = counted(found.count, "time")
    return times if found.documents is None else f"{times} in {counted(found.documents, 'document')}"


def _hits(found: Found) -> list[str]:
    lines: list[str] = []
    for hit in found.hits:
        place = "" if hit.byte_start is None else f", bytes {hit.byte_start} to {hit.byte_end}"
        lines.append(f"  {hit.id or hit.shard}{place} ({hit.shard}, token {hit.token})")
        lines.append(f"    {_shown(hit.before)}[{_shown(hit.text)}]{_shown(hit.after)}")
    return lines


def _shown(text: str) -> str:
    """A text on one line."""
    return text.replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t")


def _longest(found: Longest) -> str:
    if not found.pieces:
        return f"none of the {counted(found.tokens, 'token')} stands in the run"
    lines = [
        f"{counted(found.tokens, 'token')}, {found.covered:,} of them in matches of {found.least} or more",
    ]
    for piece in found.pieces[:_PIECES]:
        tokens = counted(len(piece.found.tokens), "token")
        lines.append(f"{tokens}, bytes {piece.byte_start} to {piece.byte_end}: {_times(piece.found)}")
        lines += _hits(piece.found)
    return "\n".join(lines)
