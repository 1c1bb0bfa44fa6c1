"""``corpuskit predict``: what a fine-tuned model says of texts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpuskit.cli.shell import COUNT, PATH, Shell, shell_options
from corpuskit.errors import SettingError, counted

if TYPE_CHECKING:
    from corpuskit.train.predict import Prediction

_WIDE = 60
"""Characters of a text that a table shows."""


@click.command()
@click.argument("model", type=PATH)
@click.argument("data")
@click.option("--text", help="Column of the texts, by name or number. Default: by its usual names.")
@click.option("--pair", help="Column of the second text of each row.")
@click.option("--delimiter", help="Between the cells of a CSV file; found without it.")
@click.option("--batch", type=COUNT, default=32, help="Texts that are read at once.")
@click.option("--device", default="auto", help="Where it is computed: auto, cpu, cuda.")
@shell_options
def command(
    shell: Shell,
    model: Path,
    data: str,
    text: str | None,
    pair: str | None,
    delimiter: str | None,
    batch: int,
    device: str,
) -> None:
    """Say the labels of texts with a fine-tuned model.

    DATA is a table of texts where there is a file of that name, - for each line of standard input, or else
    the text itself.

    \b
    corpuskit predict models/spam "You won a prize"
    corpuskit predict models/spam messages.csv --json
    printf 'win a prize\\nsee you at noon\\n' | corpuskit predict models/spam -
    """
    from corpuskit.train.predict import Classifier
    from corpuskit.train.settings.tune import ClassifySettings

    classifier = Classifier.load(model, device)
    texts: list[Any]
    if data == "-":
        texts = [line.rstrip("\n") for line in sys.stdin]
        if not texts:
            raise SettingError("standard input is empty", remedy="Give a text, a file, or lines.")
    elif _is_data(data):
        settings = ClassifySettings(text=text, pair=pair, delimiter=delimiter)
        texts = list(_texts(shell, data, settings))
    else:
        texts = [data]
    found = classifier.predict(texts, batch)
    cut = sum(bool(each.cut) for each in found)
    if cut:
        shell.say(f"{counted(cut, 'text')} longer than the context: not all of it was read.")
    rows = [_row(each, said) for each, said in zip(texts, found, strict=True)]
    shell.result({"labels": list(classifier.labels), "predictions": rows}, _table(rows))


def _is_data(data: str) -> bool:
    try:
        return data.startswith("hf:") or Path(data).exists()
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
