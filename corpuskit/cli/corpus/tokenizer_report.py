"""``corpuskit tokenizer report``: what the vocabulary of a run is worth on its shards."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import click

from corpuskit.cli.shell import COUNT, PATH, Shell, shell_options
from corpuskit.cli.terminal import width_of
from corpuskit.errors import SettingError
from corpuskit.run.folder import Run
from corpuskit.storage.ownership import making_files


@click.command("report")
@click.argument("run", type=PATH)
@click.option("--against", multiple=True, help="A tokenizer.json, or gpt2 or cl100k of the cache.")
@click.option(
    "--parameters", multiple=True, type=COUNT, help="A model's size to advise for, without vocabulary."
)
@click.option("--width", type=COUNT, help="Of that model's embeddings.")
@click.option("--html", type=PATH, help="Write the report as one HTML file.")
@click.option("--tokens", "tokens_file", type=PATH, help="Write a row for each token as JSON Lines.")
@shell_options
def command(
    shell: Shell,
    run: Path,
    against: tuple[str, ...],
    parameters: tuple[int, ...],
    width: int | None,
    html: Path | None,
    tokens_file: Path | None,
) -> None:
    """Measure the vocabulary of a finished run on its shards.

    Bytes per token and tokens per word by source and language; tokens that were never produced, that no text
    can produce, that one document owns; digits and white space; smaller vocabularies; other tokenizers.

    \b
    corpuskit tokenizer report runs/sample
    corpuskit tokenizer report runs/sample --against gpt2 --html vocabulary.html
    corpuskit tokenizer report runs/sample --parameters 3000000 --width 256
    corpuskit tokenizer report runs/sample --tokens tokens.jsonl
    """
    from corpuskit.report.vocabulary import PARAMETERS, vocabulary_report
    from corpuskit.report.vocabulary_page import page
    from corpuskit.report.vocabulary_text import lines

    found = Run.open_finished(run)
    written = [file for file in (html, tokens_file) if file is not None]
    if len(set(written)) < len(written):
        raise SettingError(f"--html and --tokens are both {html}", remedy="Give two paths.")
    with making_files(*written) if written else nullcontext():
        report = vocabulary_report(found, against, parameters or PARAMETERS, width)
        if html is not None:
            html.write_text(page(report.facts, report.tokens), encoding="utf-8")
        if tokens_file is not None:
            rows = (json.dumps(row, ensure_ascii=False) + "\n" for row in report.tokens)
            tokens_file.write_text("".join(rows), encoding="utf-8")
    shell.result(report.facts, "\n".join(lines(report.facts, report.tokens, width_of(sys.stdout))))
    for file in written:
        shell.say(f"{file}: written")
