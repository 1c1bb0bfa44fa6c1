"""``corpuskit export``: a model for others."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from corpuskit.cli.shell import PATH, Shell, shell_options

if TYPE_CHECKING:
    from corpuskit.train.hub.export import ExportResult


@click.command()
@click.argument("model", type=PATH)
@click.option(
    "--to",
    type=click.Choice(["hf", "torch"]),
    default="hf",
    show_default=True,
    help="hf: a model of transformers. torch: our own class, in one file.",
)
@click.option("--out", type=PATH, required=True, help="The folder to make.")
@click.option("--no-check", is_flag=True, help="Do not compare what was written with the model.")
@click.option("--keep-padding", is_flag=True, help="Keep the rows that pad the vocabulary to 64s.")
@shell_options
def command(
    shell: Shell, model: Path, to: Literal["hf", "torch"], out: Path, no_check: bool, keep_padding: bool
) -> None:
    """Export a model: for transformers, or in one file with its class.

    Which class of transformers it is follows from the model's settings: Qwen3, Llama, StableLM or ModernBERT.
    What was written is loaded, and its logits are compared.

    \b
    corpuskit export models/austen --to hf --out export/austen
    corpuskit export models/summaries --to torch --out export/summaries
    """
    # torch takes seconds to load: not before there is something to export.
    from corpuskit.train.hub.export import export_model

    result = export_model(model, out, to, check=not no_check, keep_padding=keep_padding)
    shell.result({**dataclasses.asdict(result), "out": str(result.out)}, sentence(result))


def sentence(result: ExportResult) -> str:
    """What a person wants to know about an export."""
    removed = f", {result.padding_removed} rows of padding removed" if result.padding_removed else ""
    check = result.check
    if check.done:
        found = f"checked by {check.by}: logits of up to {check.largest:.3g} differ by {check.difference:.1e}"
        found += "; the tokenizer gives the same ids" if check.tokenizer else ""
    else:
        found = f"NOT checked: {check.by}"
    head = f"{result.out}: {result.architecture}, vocabulary {result.vocab_size:,}{removed}"
    return "\n".join([head, found, *result.remarks])
