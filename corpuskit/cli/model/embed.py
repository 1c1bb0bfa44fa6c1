"""``corpuskit embed``: vectors of texts, and the texts that are like another one."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpuskit.cli.model.running import parse_assignments
from corpuskit.cli.model.sample import DEVICES, loaded_model
from corpuskit.cli.shell import COUNT, PATH, Shell, shell_options
from corpuskit.errors import SettingError, counted, nearest

if TYPE_CHECKING:
    from corpuskit.train import LanguageModel
    from corpuskit.train.data.named_texts import NamedTexts
    from corpuskit.train.generate.embed import Embedder
    from corpuskit.train.generate.vectors import Census, Near
    from corpuskit.train.parallel.processes import Grid

_READING = ("delimiter", "header", "encoding")
_OF_TEXTS = {"text": "--text", "identity": "--id", "whole": "--whole", "reading": "--set"}


@click.command()
@click.argument("model", type=PATH)
@click.argument("files", nargs=-1, required=True)
@click.option("--out", type=PATH, help="Parquet file to write; it must not be there yet.")
@click.option(
    "--pool",
    type=click.Choice(["mean", "first", "last"]),
    help="Mean of all tokens (default), or one of them. Of a decoder the first token is equal for all texts "
    "that begin alike, since it sees nothing else.",
)
@click.option("--normalize/--no-normalize", default=None, help="Give each vector the length 1.")
@click.option(
    "--long-texts",
    type=click.Choice(["cut", "windows", "windows-alike"]),
    help="Of texts longer than the context: cut them, or average windows, weighed by their tokens (default) "
    "or alike.",
)
@click.option("--overlap", type=click.IntRange(min=0), help="Tokens that windows share; default 0.")
@click.option("--half", is_flag=True, help="Store float16; it is computed in float32 all the same.")
@click.option("--text", help="Column of the texts, by name or number. Default: by its usual names.")
@click.option("--id", "identity", help="Column of the ids. Default: id, or else FILE#ROW from 1.")
@click.option("--whole", is_flag=True, help="A text file is one text. Default: each line is one.")
@click.option(
    *("--set", "assignments"),
    multiple=True,
    metavar="NAME=VALUE",
    help="How a table is read, where that is not found: delimiter, header, encoding.",
)
@click.option(
    "--like", multiple=True, metavar="TEXT", help="Print the nearest texts, by the cosine with all."
)
@click.option("--top", type=COUNT, default=10, show_default=True, help="Texts printed for each --like.")
@click.option("--batch", type=COUNT, default=32, show_default=True, help="Texts or windows read at once.")
@click.option("--device", type=DEVICES, default="auto", help="Where it is computed.")
@shell_options
def command(
    shell: Shell,
    model: Path,
    files: tuple[str, ...],
    out: Path | None,
    half: bool,
    assignments: tuple[str, ...],
    like: tuple[str, ...],
    top: int,
    batch: int,
    device: str,
    **options: Any,
) -> None:
    """Make vectors of texts with any kind of model, or find texts that are like another one.

    FILES are run folders, whose documents are read, tables (CSV, TSV, JSON, Parquet, Arrow, or hf:NAME), or
    text files; or one file of vectors, to look in with --like. Vectors stand in the order of the texts, under
    their ids. A text without a token has a vector of zeros, and is never among the nearest. Nothing is put
    before or behind a text. Under torchrun processes share the work, and the file is the same.

    \b
    corpuskit embed models/sample runs/sample --out vectors.parquet
    corpuskit embed models/sample vectors.parquet --like "The river floods its banks."
    corpuskit embed models/sample news.csv --text title --pool last --normalize --half --out news.parquet
    """
    if out is None and not like:
        raise SettingError("neither --out nor --like is given", remedy="Name a file to write, or a text.")
    if not all(like):
        raise SettingError("--like: the text is empty", remedy="Give some words.")
    how = {"pooling": options.pop("pool")}
    how |= {name: options.pop(name) for name in ("normalize", "long_texts", "overlap")}
    options["reading"] = _reading(assignments)
    from corpuskit.train.generate.vectors import read_made
    from corpuskit.train.parallel.processes import processes

    vectors = [Path(each) for each in files if read_made(Path(each)) is not None]
    if vectors:
        given = [name for key, name in _OF_TEXTS.items() if options[key]] + ["--half"] * half
        if len(files) > 1 or out is not None or given:
            what = given[0] if given else "--out" if out is not None else "another file"
            raise SettingError(
                f"{vectors[0]}: holds vectors, and {what} is for texts",
                remedy="Give it alone, with --like.",
            )
        loaded = loaded_model(shell, model, device)
        return _look(shell, loaded, vectors[0], like, top, how, {"vectors": str(vectors[0])})
    with processes(1, device) as grid:
        if not grid.is_first:
            shell.quiet = True
        _embed(shell, grid, model, files, out, half, like, top, batch, how, options)


def _reading(assignments: tuple[str, ...]) -> dict[str, Any]:
    """How tables are read, checked."""
    reading = parse_assignments(assignments)
    if other := sorted(reading.keys() - set(_READING)):
        raise SettingError(
            f"--set {other[0]} says nothing of how a table is read", remedy=nearest(other[0], _READING)
        )
    if not reading:
        return {}
    from corpuskit.train.settings.tune import ClassifySettings

    checked = ClassifySettings.checked(reading)
    return {name: getattr(checked, name) for name in reading}


def _embed(
    shell: Shell,
    grid: Grid,
    model: Path,
    files: tuple[str, ...],
    out: Path | None,
    half: bool,
    like: tuple[str, ...],
    top: int,
    batch: int,
    how: dict[str, Any],
    options: dict[str, Any],
) -> None:
    """Make vectors of texts: into a file, or to look in at once."""
    from corpuskit.build.forecast.dry_run import size
    from corpuskit.storage.ownership import refuse_overlap
    from corpuskit.train.data.named_texts import named_texts
    from corpuskit.train.generate.embed import Embedder, VectorSettings
    from corpuskit.train.generate.vectors import (
        count_texts,
        embedded,
        how_made,
        nearest_to,
        write_vectors,
    )

    settings = VectorSettings(**{name: value for name, value in how.items() if value is not None})
    if out is not None:
        refuse_overlap(out, [("FILES", Path(each)) for each in files if Path(each).exists()])
    texts = named_texts(files, **options)
    loaded = loaded_model(shell, model, grid.device.type)
    share = (grid.index, grid.size)
    embedder = Embedder(loaded.model, loaded.tokenizer, settings, batch, share, grid.sum_over_all)
    made = how_made(loaded, settings, half)
    if not grid.is_first:
        deque(embedded(texts, embedder, half), maxlen=0)  # Its share of the work; the first one writes.
        return
    if out is None:
        census = count_texts(texts, embedder)
        _tell(shell, texts, embedder, census)
        found = nearest_to(loaded, settings, embedded(texts, embedder, half), like, top)
        _show(shell, like, found, _told(made, census))
        return
    census = write_vectors(out, texts, embedder, made, lambda counts: _tell(shell, texts, embedder, counts))
    told = {"out": str(out), **_told(made, census)}
    if like:
        return _look(shell, loaded, out, like, top, {}, told)
    vectors = f"{counted(census.rows, 'vector')} of {embedder.width} numbers, {made['type']}"
    look = f'look in it: corpuskit embed {model} {out} --like "..."'
    shell.result(told, f"{out}: {vectors}, {size(out.stat().st_size)}\n{look}")


def _told(made: dict[str, Any], census: Census) -> dict[str, Any]:
    """What --json tells of vectors that were made."""
    counts = {name: getattr(census, name) for name in ("rows", "tokens", "empty", "long", "twice")}
    return {**made, **counts}


def _tell(shell: Shell, texts: NamedTexts, embedder: Embedder, census: Census) -> None:
    """Say what was found, before the first vector."""
    for sentence in texts.told:
        shell.say(f"{sentence}.")
    shell.say(f"{counted(census.rows, 'text')} of {counted(census.tokens, 'token')} in all.")
    if census.long:
        which, rule = _some(census.long_ids, census.long), embedder.settings.rule(embedder.context)
        shell.say(
            f"{census.long:,} of {counted(census.rows, 'text')} {'is' if census.long == 1 else 'are'} longer "
            f"than the model's context of {embedder.context} tokens ({which}): {rule}."
        )
    if census.empty:
        which = _some(census.empty_ids, census.empty)
        shell.say(f"{counted(census.empty, 'text')} without a token ({which}): a vector of zeros.")
    if census.twice:
        shell.say(f"{counted(census.twice, 'text')} with an id that an earlier one has.")


def _some(ids: list[Any], count: int) -> str:
    more = f" and {count - len(ids):,} more" if count > len(ids) else ""
    return f"{', '.join(map(str, ids))}{more}"


def _look(
    shell: Shell,
    model: LanguageModel,
    path: Path,
    like: tuple[str, ...],
    top: int,
    how: dict[str, Any],
    told: dict[str, Any],
) -> None:
    """Print the nearest texts of a file of vectors."""
    from corpuskit.train.generate.vectors import nearest_to, read_made, read_vectors, settings_of

    made = read_made(path)
    assert made is not None
    settings = settings_of(path, made, model, **how)
    _show(shell, like, nearest_to(model, settings, read_vectors(path), like, top), told)


def _show(shell: Shell, like: tuple[str, ...], found: list[list[Near]], told: dict[str, Any]) -> None:
    """One line a text: cosine, id, and how it begins."""
    data = [
        {"like": text, "nearest": [each._asdict() for each in near]}
        for text, near in zip(like, found, strict=True)
    ]
    blocks = []
    for text, near in zip(like, found, strict=True):
        wide = max((len(str(each.id)) for each in near), default=0)
        lines = [f"{each.cosine:7.4f}  {each.id!s:{wide}}  {each.text}" for each in near]
        head = [f"like: {text}"] if len(like) > 1 else []
        blocks.append("\n".join([*head, *(lines or ["No text has a token."])]))
    shell.result({**told, "found": data}, "\n\n".join(blocks))
