"""``corpuskit tokenizer``: train one on files, or look at one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import click

from corpuskit.cli.shell import PATH, Shell, shell_options
from corpuskit.errors import InputError, SettingError
from corpuskit.sources.files.files import Files
from corpuskit.tokenizer.tokenizer import Tokenizer


@click.group()
def command() -> None:
    """Train a tokenizer on files, or look at one.

    \b
    corpuskit tokenizer train books/*.txt --vocab-size 8192 --out tokenizer.json
    corpuskit tokenizer encode tokenizer.json "It is a truth"
    """


@command.command("train")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("--out", required=True, type=PATH, help="The tokenizer.json to write.")
@click.option("--vocab-size", type=click.IntRange(min=384), default=32768, show_default=True)
@click.option("--pattern", type=click.Choice(["llama3", "gpt2"]), default="llama3", show_default=True)
@shell_options
def train_command(
    shell: Shell, files: tuple[Path, ...], out: Path, vocab_size: int, pattern: Literal["llama3", "gpt2"]
) -> None:
    """Train a byte-level BPE on text, JSON Lines or Parquet files or folders of them.

    \b
    corpuskit tokenizer train books/*.txt --vocab-size 8192 --out tokenizer.json
    """
    if out.name != "tokenizer.json":
        raise SettingError(f"--out {out}: is not called tokenizer.json", remedy="Others look for that name.")
    trained = Tokenizer.train(_texts(shell, files), vocab_size, pattern)
    trained.save(out)
    merges = len(json.loads(trained.data)["model"]["merges"])
    facts = {"vocab_size": trained.vocab_size, "merges": merges}
    shell.result({"tokenizer": str(out), **facts}, f"{out}: {facts['vocab_size']} tokens")


def _texts(shell: Shell, files: tuple[Path, ...]) -> Iterator[str]:
    met = False
    for path in files:
        source = Files(path=str(path), label="files")
        for part in source.parts():
            for reading in source.read(part):
                for item in reading.quarantined:
                    shell.say(f"warning: left out: {item.error}")
                met = met or bool(reading.batch.num_rows)
                yield from reading.batch.column("text").to_pylist()
    if not met:
        raise InputError("tokenizer train: the files hold no text", remedy="Give files with text in them.")


@command.command("encode")
@click.argument("tokenizer", type=PATH)
@click.argument("text")
@shell_options
def encode_command(shell: Shell, tokenizer: Path, text: str) -> None:
    """Show how a text is cut into tokens.

    \b
    corpuskit tokenizer encode runs/sample/tokenizer/tokenizer.json "It is a truth"
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SettingError(f"text {text!r}: is not UTF-8", remedy="Call it from a UTF-8 terminal.") from error
    # To be looked at, it may lose text: what it loses is told.
    loaded = Tokenizer.load(tokenizer, lossy=True)
    ids = loaded.encode(text)
    if change := loaded.changes(text):
        shell.say(f"warning: text does not come back: {change}")
    pieces = [loaded.decode([i]) for i in ids]
    shown = " ".join(f"{i}:{piece!r}" for i, piece in zip(ids, pieces, strict=True))
    shell.result({"ids": ids, "tokens": pieces}, shown)
