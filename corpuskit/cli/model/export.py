"""``corpuskit export``: a model for others."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from corpuskit.cli.shell import PATH, Shell, shell_options
from corpuskit.errors import SettingError

if TYPE_CHECKING:
    from corpuskit.train.hub.adapted import PeftResult
    from corpuskit.train.hub.export import ExportResult
    from corpuskit.train.hub.gguf_export import GgufResult, GgufType


@click.command()
@click.argument("model", type=PATH)
@click.option(
    "--to",
    type=click.Choice(["hf", "torch", "gguf", "peft"]),
    default="hf",
    show_default=True,
    help="hf: a model of transformers. torch: our own class, in one file. gguf: one file for llama.cpp. "
    "peft: the adapter alone, of a model that was tuned with one.",
)
@click.option("--out", type=PATH, required=True, help="The folder to make, or of gguf the file.")
@click.option(
    "--type",
    "kind",
    type=click.Choice(["f32", "f16", "bf16", "q8_0"]),
    help="Of the matrices in a gguf. Default: f32, as they are.",
)
@click.option("--no-check", is_flag=True, help="Do not compare what was written with the model.")
@click.option("--keep-padding", is_flag=True, help="Keep the rows that pad the vocabulary to 64s (of hf).")
@shell_options
def command(
    shell: Shell,
    model: Path,
    to: Literal["hf", "torch", "gguf", "peft"],
    out: Path,
    kind: GgufType | None,
    no_check: bool,
    keep_padding: bool,
) -> None:
    """Export a model: for transformers, for llama.cpp, or in one file with its class.

    Which class of transformers it is follows from the model's settings: Qwen3, Llama, StableLM, ModernBERT,
    or one of six for models without a gate or with other positions; a GGUF file has the first three. What was
    written is loaded, and compared with the model.

    \b
    corpuskit export models/austen --to hf --out export/austen
    corpuskit export models/summaries --to torch --out export/summaries
    corpuskit export models/austen --to gguf --type q8_0 --out export/austen.gguf
    corpuskit export models/talks --to peft --out export/talks
    """
    if to == "gguf":
        if keep_padding:
            raise SettingError("--keep-padding is not of --to gguf", remedy="Leave it out.")
        # torch takes seconds to load: not before there is something to export.
        from corpuskit.train.hub.gguf_export import export_gguf

        written = export_gguf(model, out, kind or "f32", check=not no_check)
        shell.result({**dataclasses.asdict(written), "out": str(written.out)}, gguf_sentence(written))
        return
    if kind is not None:
        raise SettingError(f"--type {kind} is of --to gguf alone", remedy="Leave it out.")
    if to == "peft":
        if keep_padding or no_check:
            raise SettingError("--keep-padding and --no-check are not of --to peft", remedy="Leave them out.")
        from corpuskit.train.hub.adapted import export_peft

        adapter = export_peft(model, out)
        shell.result({**dataclasses.asdict(adapter), "out": str(adapter.out)}, peft_sentence(adapter))
        return
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


def peft_sentence(result: PeftResult) -> str:
    """What a person wants to know about an adapter of peft."""
    return (
        f"{result.out}: adapter of rank {result.rank} on {', '.join(result.modules)}, read back\n"
        f"put it on the export of its base ({result.base or 'not named'}, weights "
        f"{result.base_fingerprint[:12]}): PeftModel.from_pretrained(BASE, FOLDER)"
    )


def gguf_sentence(result: GgufResult) -> str:
    """What a person wants to know about a GGUF file."""
    removed = f", {result.padding_removed} rows of padding removed" if result.padding_removed else ""
    head = (
        f"{result.out}: {result.architecture}, {result.type}, {result.bytes / 1e6:,.1f} MB, vocabulary "
        f"{result.vocab_size:,}{removed}, pre-tokenizer {result.pre}"
    )
    found = "NOT read back: not asked for"
    if result.checked:
        found = (
            f"read back: {result.tensors} tensors are the model's; with them logits of up to "
            f"{result.largest:.3g} differ by {result.difference:.1e}"
        )
    other = f"Not {result.type} but f16, as their rows have another length: {', '.join(result.other)}."
    return "\n".join([head, found, *([other] if result.other else []), *result.remarks])
