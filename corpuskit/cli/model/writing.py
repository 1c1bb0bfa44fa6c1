"""How a model writes a text for each line, on the command line: options, lines, and what is said of them."""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from corpuskit.cli.shell import COUNT, Shell
from corpuskit.cli.terminal import plain
from corpuskit.errors import SettingError, counted

if TYPE_CHECKING:
    from corpuskit.train.evaluate.written.pairs import Asked
    from corpuskit.train.generate.lines import Line, Manner, Writer

STOPPINGS = ("first", "likely", "never")
_OF_PAIRS = ("task", "source", "target", "features", "batch")
_OWN = ("max_new", "beams", "length_penalty", "stopping", "temperature", "top_k", "top_p", "seed")


def writing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of writing, which it is handed as `writing`, a dictionary."""
    options = (
        click.option("--max-new", type=COUNT, help="Tokens of a text at most, its end among them."),
        click.option("--beams", type=int, help="Beam search of this width. Default: greedy."),
        click.option(
            "--length-penalty",
            type=float,
            help="Scores are sums of logs / tokens^this, the end counted; 0 is neutral, more of it makes "
            "texts longer. Default: 1.",
        ),
        click.option(
            "--stopping",
            type=click.Choice(STOPPINGS),
            help="When a beam search is done: as soon as texts enough are kept (first), when the best that "
            "goes on is not above them at its present length (likely, the default, as transformers has it), "
            "or never before none can rise above them.",
        ),
        click.option("--temperature", type=float, help="Draw tokens, their logits divided by this."),
        click.option("--top-k", type=int, help="Draw among so many likeliest tokens."),
        click.option("--top-p", type=float, help="Draw among the likeliest that hold this share."),
        click.option("--seed", type=click.IntRange(min=0), help="Of what is drawn; it asks for drawing."),
    )

    return _gathered(function, options, _OWN, "writing")


def pair_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same and those of pairs whose targets are known, as `pairs`."""
    options = (
        click.option(
            "--task",
            type=click.Choice(["seq2seq"]),
            help="Score what is written for texts, also by models that were not fine-tuned for it.",
        ),
        click.option("--source", help="Column that is read, of --task seq2seq."),
        click.option("--target", help="Column that is to be written."),
        click.option("--features", metavar="COLUMN,...", help="Columns that are read behind the source."),
        click.option("--batch", type=COUNT, help="Pairs that are read, and texts that are written, at once."),
    )

    def joined(*args: Any, writing: dict[str, Any], pairs: dict[str, Any], **values: Any) -> Any:
        return function(*args, pairs=pairs | ({"writing": writing} if writing else {}), **values)

    named = functools.wraps(function)(joined)
    return writing_options(_gathered(named, options, _OF_PAIRS, "pairs"))


def _gathered(
    function: Callable[..., Any], options: Sequence[Callable[..., Any]], names: Sequence[str], into: str
) -> Callable[..., Any]:
    """Give a command options, and hand it those that were given as one dictionary."""

    @functools.wraps(function)
    def wrapper(*args: Any, **values: Any) -> Any:
        found = {name: values.pop(name) for name in names}
        given = {name: value for name, value in found.items() if value is not None}
        return function(*args, **{into: given}, **values)

    wrapped: Callable[..., Any] = wrapper
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


def asked_of(pairs: dict[str, Any]) -> Asked | None:
    """How pairs are read and texts are written; None where no option asks for it."""
    if not pairs:
        return None
    from corpuskit.train.evaluate.written.pairs import Asked

    columns = tuple(each.strip() for each in pairs.get("features", "").split(",") if each.strip())
    manner = manner_of(pairs.get("writing", {}))
    return Asked(pairs.get("source"), pairs.get("target"), columns, manner, pairs.get("batch", 32))


def manner_of(writing: dict[str, Any]) -> Manner:
    """How it is written; raises SettingError where options exclude each other."""
    from corpuskit.train.generate.lines import Manner
    from corpuskit.train.generate.sampling import Sampling

    drawing = {name: writing[name] for name in ("temperature", "top_k", "top_p") if name in writing}
    draws = bool(drawing) or "seed" in writing
    of_beams = [name for name in ("length_penalty", "stopping") if name in writing]
    if of_beams and "beams" not in writing:
        raise SettingError(
            f"--{of_beams[0].replace('_', '-')} is of beam search, and no --beams are given",
            remedy="Give --beams, as 4.",
        )
    return Manner(
        most=writing.get("max_new"),
        beams=writing.get("beams"),
        length_penalty=writing.get("length_penalty", 1.0),
        stop=writing.get("stopping", "likely"),
        sampling=Sampling(**drawing) if draws else None,
        seed=writing.get("seed", 0),
    )


def write_lines(shell: Shell, writer: Writer, sources: Sequence[str], manner: Manner, batch: int) -> None:
    """Write a text for each source, and say what there is to be said of all of them."""
    from corpuskit.train.generate.lines import LINE_RULE, one_line

    if not writer.tuned:
        shell.say("The model was not fine-tuned for seq2seq: it goes on behind each text as it can.")
    rows, cut, broken, ends = [], 0, 0, Counter[str]()
    for source, line in zip(sources, writer.stream(sources, manner, batch), strict=True):
        text = one_line(line.text)
        cut, broken = cut + (line.cut > 0), broken + (text != line.text)
        ends[line.finish] += 1
        if shell.as_json:
            rows.append(_row(source, line))
        else:  # One for each source, empty ones too; nothing of a text is changed for a file.
            click.echo(plain(text) if sys.stdout.isatty() else text)
    if cut:
        shell.say(f"{counted(cut, 'text')} longer than the context: not all of it was read.")
    if ends["length"]:
        shell.say(f"{counted(ends['length'], 'text')} cut by the limit of {writer.most(manner):,} tokens.")
    if ends["context"]:
        room = f"the context of {writer.context:,} tokens has no room for more"
        shell.say(f"{counted(ends['context'], 'text')} cut: {room}.")
    if broken and not shell.as_json:
        shell.say(f"{counted(broken, 'line')}: {LINE_RULE}.")
    if shell.as_json:
        counts = {"cut_by_limit": ends["length"], "cut_by_context": ends["context"]}
        shell.result({"manner": manner.describe(), **counts, "predictions": rows}, "")


def _row(source: str, line: Line) -> dict[str, Any]:
    row: dict[str, Any] = {"source": source, "text": line.text, "finish": line.finish}
    row |= {"tokens": line.tokens, "log_probability": line.log_probability}
    if line.cut:
        row["source_tokens_not_read"] = line.cut
    if line.kept:
        row["kept"] = [each._asdict() for each in line.kept]
    return row
