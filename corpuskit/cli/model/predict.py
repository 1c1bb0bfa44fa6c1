"""``corpuskit predict``: what a fine-tuned model says of texts."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpuskit.cli.model.running import parse_assignments
from corpuskit.cli.model.writing import manner_of, write_lines, writing_options
from corpuskit.cli.shell import COUNT, FILE_NAME, PATH, Shell, shell_options
from corpuskit.errors import SettingError, counted, nearest

if TYPE_CHECKING:
    from corpuskit.train.generate.lines import Writer
    from corpuskit.train.predict import Classifier, Prediction, TaggedWords, Tagger

_READING = ("delimiter", "header", "encoding")

_WIDE = 60
"""Characters of a text that a table shows."""


@click.command()
@click.argument("model", type=PATH)
@click.argument("data")
@click.option(
    "--task",
    type=click.Choice(["seq2seq"]),
    help="Write a text for each text, also with a model that was not fine-tuned for it.",
)
@click.option("--text", help="Column of the texts, by name or number. Default: by its usual names.")
@click.option("--pair", help="Column of the second text of each row.")
@click.option("--delimiter", help="Between the cells of a CSV file; found without it.")
@click.option(
    *("--set", "assignments"),
    multiple=True,
    metavar="NAME=VALUE",
    help="How a table is read, where that is not found: header, encoding, delimiter.",
)
@click.option("--batch", type=COUNT, default=32, help="Texts that are read at once.")
@click.option("--device", default="auto", help="Where it is computed: auto, cpu, cuda.")
@writing_options
@shell_options
def command(
    shell: Shell,
    model: Path,
    data: str,
    task: str | None,
    text: str | None,
    pair: str | None,
    delimiter: str | None,
    assignments: tuple[str, ...],
    batch: int,
    device: str,
    writing: dict[str, Any],
) -> None:
    """Say the labels of texts or the tags of their words, or write texts, with a fine-tuned model.

    DATA is a table of texts where there is a file of that name, - for each line of standard input, or else
    the text itself. A model of --task tag reads CoNLL files too, and prints a word with its tag a line.

    A model of --task seq2seq writes a line for each line of a file (or row of a .csv, .tsv, .jsonl or
    .parquet file), in their order, whatever --batch is: greedily, by beam search or drawn. A line ends at LF
    or CR LF. An empty line stays empty; a line break in a text is written as one blank, and --json has it as
    it is. What is drawn follows from the seed and the text alone.

    \b
    corpuskit predict models/spam "You won a prize"
    corpuskit predict models/spam messages.csv --json
    printf 'win a prize\\nsee you at noon\\n' | corpuskit predict models/spam -
    corpuskit predict models/en-de test.en --beams 4
    """
    from corpuskit.train.generate.lines import Writer
    from corpuskit.train.predict import Tagger, load_predictor

    writes = task is not None or bool(writing)
    manner = manner_of(writing) if writes else None
    predictor = load_predictor(model, device, writes=writes)
    if isinstance(predictor, Writer):
        predictor.check(manner := manner or manner_of({}))
        if pair is not None:
            raise SettingError("--pair is for classifiers", remedy="Leave it out.")
        reading = _reading(delimiter, assignments)
        return write_lines(shell, predictor, _sources(shell, predictor, data, text, reading), manner, batch)
    lines = _lines(data)
    if isinstance(predictor, Tagger):
        if pair is not None or delimiter is not None or assignments:
            raise SettingError("--pair, --delimiter and --set are for classifiers", remedy="Leave them out.")
        return _tag(shell, predictor, data, lines, text, batch)
    reading = _reading(delimiter, assignments)
    _classify(shell, predictor, data, lines, {"text": text, "pair": pair, **reading}, batch)


def _lines(data: str) -> list[str]:
    """The texts of the command line or of standard input; none where DATA is a file."""
    if data == "-":
        lines = [line.rstrip("\n") for line in sys.stdin]
        if not lines:
            raise SettingError("standard input is empty", remedy="Give a text, a file, or lines.")
        return lines
    if _is_data(data):
        return []
    if not data.strip():
        raise SettingError("the text is empty", remedy="Give a text, a file, or - for standard input.")
    if FILE_NAME.fullmatch(data):
        raise SettingError(
            f"{data}: no file is called that",
            remedy="Check the name; a text that looks like it goes in by -.",
        )
    return [data]


def _sources(
    shell: Shell, writer: Writer, data: str, column: str | None, reading: dict[str, Any]
) -> list[str]:
    """The sources of lines or of a file, empty ones too, whose columns are those that were taught."""
    from corpuskit.train.data.tables.pairs import lines_in, sources_of
    from corpuskit.train.data.tables.row import Account
    from corpuskit.train.settings.tune import Reading

    if data == "-":  # As bytes: Python ends lines of text elsewhere too.
        found = list(lines_in(sys.stdin.buffer, "standard input"))
        if not found:
            raise SettingError("standard input is empty", remedy="Give a text, a file, or lines.")
        return found
    if lines := _lines(data):
        return lines
    how = Reading.model_validate(reading)
    taught, features = writer.tuned.get("source"), writer.tuned.get("features") or ()
    account = Account()
    found = list(
        sources_of(
            data,
            source=column or taught,
            features=features,
            taught=column is None,
            delimiter=how.delimiter,
            header=how.header,
            encoding=how.encoding,
            account=account,
        )
    )
    for sentence in account.sentences():
        shell.say(f"{sentence}.")
    return found


def _reading(delimiter: str | None, assignments: tuple[str, ...]) -> dict[str, Any]:
    """How a table is read, by name."""
    reading = {"delimiter": delimiter} if delimiter is not None else {}
    reading |= parse_assignments(assignments)
    if other := reading.keys() - _READING:
        raise SettingError(
            f"--set {sorted(other)[0]} says nothing of how a table is read",
            remedy=nearest(sorted(other)[0], _READING),
        )
    return reading


def _classify(
    shell: Shell, classifier: Classifier, data: str, lines: list[str], columns: dict[str, Any], batch: int
) -> None:
    """Labels of lines, or without any of a table."""
    from corpuskit.train.settings.tune import ClassifySettings

    texts: list[Any] = list(lines or _texts(shell, data, ClassifySettings(**columns)))
    found = classifier.predict(texts, batch)
    cut = sum(bool(each.cut) for each in found)
    if cut:
        shell.say(f"{counted(cut, 'text')} longer than the context: not all of it was read.")
    rows = [_row(each, said) for each, said in zip(texts, found, strict=True)]
    shell.result({"labels": list(classifier.labels), "predictions": rows}, _table(rows))


def _tag(shell: Shell, tagger: Tagger, data: str, lines: list[str], column: str | None, batch: int) -> None:
    """Tags of the words of lines, or without any of a file."""
    from corpuskit.train.data.tables.conll import read_words

    sentences = [tuple(line.split()) for line in lines] or list(read_words(data, word=column))
    found = tagger.tag([words for words in sentences if words], batch)
    rows = [
        {"words": list(each.words), "tags": list(each.tags), "probabilities": list(each.probabilities)}
        for each in found
    ]
    shell.result({"labels": list(tagger.labels), "predictions": rows}, _words(found))


def _is_data(data: str) -> bool:
    from corpuskit.storage.datasets.words import are_words

    try:
        return are_words(data) or Path(data).exists()
    except (OSError, ValueError):  # Too long, or with a sign that no name may have: a text.
        return False


def _texts(shell: Shell, data: str, settings: Any) -> Iterator[Any]:
    from corpuskit.train.tune.classify import texts_of

    yield from texts_of(data, settings, shell.say)


def _row(text: Any, said: Prediction) -> dict[str, Any]:
    return {
        "text": text if isinstance(text, str) else list(text),
        "labels": list(said.labels),
        "probabilities": said.probabilities,
    }


def _words(found: Sequence[TaggedWords]) -> str:
    """A word and its tag a line, parted by a tab, and a blank line between sentences."""
    blocks = ["\n".join(map("\t".join, zip(each.words, each.tags, strict=True))) for each in found]
    return "\n\n".join(blocks)


def _table(rows: list[dict[str, Any]]) -> str:
    """A line for each text: its labels with their probabilities, and how it begins."""
    lines = []
    for row in rows:
        text = row["text"] if isinstance(row["text"], str) else " | ".join(row["text"])
        shown = " ".join(text.split())
        shown = shown if len(shown) <= _WIDE else shown[: _WIDE - 1] + "…"
        labels = ", ".join(f"{name} {row['probabilities'][name]:.3f}" for name in row["labels"]) or "(none)"
        lines.append(f"{labels:24}  {shown}")
    return "\n".join(lines)
