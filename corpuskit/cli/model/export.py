"""``corpuskit export``: a model, or the tokens or documents of a run, for others."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from corpuskit.cli.shell import PATH, Shell, shell_options
from corpuskit.errors import SettingError, counted
from corpuskit.storage.ownership import EXPORT, MODEL, RUN, kind_of_folder

if TYPE_CHECKING:
    from corpuskit.report.dataset import ExportedDataset
    from corpuskit.shards.export import ExportedTokens
    from corpuskit.train.hub.adapted import PeftResult
    from corpuskit.train.hub.export import ExportResult
    from corpuskit.train.hub.gguf_export import GgufResult, GgufType


Form = Literal["hf", "torch", "gguf", "peft", "nanogpt", "datatrove", "dataset"]
MODEL_FORMS: tuple[Form, ...] = ("hf", "torch", "gguf", "peft")
RUN_FORMS: tuple[Form, ...] = ("nanogpt", "datatrove", "dataset")


@click.command()
@click.argument("folder", metavar="MODEL|RUN", type=PATH)
@click.option(
    "--to",
    type=click.Choice([*MODEL_FORMS, *RUN_FORMS]),
    help="Of a model: hf (default), a model of transformers; torch, our own class in one file; gguf, one "
    "file for llama.cpp; peft, the adapter alone of a model that was tuned with one. Of a run: nanogpt, "
    "train.bin and val.bin; datatrove, .ds files with their index; dataset, the documents as Parquet "
    "with a card.",
)
@click.option("--out", type=PATH, required=True, help="The folder to make, or of gguf the file.")
@click.option(
    "--type",
    "kind",
    type=click.Choice(["f32", "f16", "bf16", "q8_0"]),
    help="Of the matrices in a gguf. Default: f32, as they are.",
)
@click.option("--no-check", is_flag=True, help="Do not compare what was written with the model.")
@click.option(
    "--file-bytes",
    type=click.IntRange(min=1),
    help="Bytes of texts in a file (of dataset). Default: 256 MiB.",
)
@click.option("--keep-padding", is_flag=True, help="Keep the rows that pad the vocabulary to 64s (of hf).")
@shell_options
def command(
    shell: Shell,
    folder: Path,
    to: Form | None,
    out: Path,
    kind: GgufType | None,
    no_check: bool,
    file_bytes: int | None,
    keep_padding: bool,
) -> None:
    """Export a model, or the tokens or documents of a run, for other tools.

    Which class of transformers it is follows from the model's settings: Qwen3, Llama, StableLM, ModernBERT,
    or one of six for models without a gate or with other positions; a GGUF file has the first three. What was
    written is loaded, and compared with the model.

    \b
    corpuskit export models/austen --to hf --out export/austen
    corpuskit export models/summaries --to torch --out export/summaries
    corpuskit export models/austen --to gguf --type q8_0 --out export/austen.gguf
    corpuskit export models/talks --to peft --out export/talks
    corpuskit export runs/sample --to nanogpt --out export/nano
    corpuskit export runs/sample --to datatrove --out export/ds
    corpuskit export runs/sample --to dataset --out export/dataset
    """
    found = kind_of_folder(folder)
    if to in RUN_FORMS:
        _export_run(shell, folder, to, out, file_bytes, unused=bool(kind or no_check or keep_padding))
        return
    if found is RUN:
        what = f"--to {to} is of a model" if to else "--to is not given"
        raise SettingError(
            f"{folder}: is a run: {what}", remedy=f"A run is exported --to {', '.join(RUN_FORMS)}."
        )
    if file_bytes is not None:
        raise SettingError("--file-bytes is of --to dataset alone", remedy="Leave it out.")
    _export_model(shell, folder, to or "hf", out, kind, no_check, keep_padding)


def _export_run(
    shell: Shell, run: Path, to: Form | None, out: Path, file_bytes: int | None, *, unused: bool
) -> None:
    """The tokens or the documents of a run."""
    if kind_of_folder(run) in (MODEL, EXPORT):
        raise SettingError(
            f"{run}: is a model: --to {to} is of a run",
            remedy=f"A model is exported --to {', '.join(MODEL_FORMS)}.",
        )
    if unused:
        raise SettingError(
            f"--type, --no-check and --keep-padding are not of --to {to}", remedy="Leave them out."
        )
    if to == "dataset":
        from corpuskit.report.dataset import FILE_BYTES, export_dataset

        written = export_dataset(run, out, file_bytes=file_bytes or FILE_BYTES)
        shell.result({**dataclasses.asdict(written), "out": str(written.out)}, dataset_sentence(written))
        return
    if file_bytes is not None:
        raise SettingError("--file-bytes is of --to dataset alone", remedy="Leave it out.")
    from corpuskit.shards.export import export_tokens

    form: Literal["nanogpt", "datatrove"] = "nanogpt" if to == "nanogpt" else "datatrove"
    tokens = export_tokens(run, out, form)
    shell.result({**dataclasses.asdict(tokens), "out": str(tokens.out)}, tokens_sentence(tokens))


def _export_model(
    shell: Shell,
    model: Path,
    to: Form,
    out: Path,
    kind: GgufType | None,
    no_check: bool,
    keep_padding: bool,
) -> None:
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

    form: Literal["hf", "torch"] = "torch" if to == "torch" else "hf"
    result = export_model(model, out, form, check=not no_check, keep_padding=keep_padding)
    shell.result({**dataclasses.asdict(result), "out": str(result.out)}, sentence(result))


def tokens_sentence(result: ExportedTokens) -> str:
    """What a person wants to know about exported tokens."""
    told = ", ".join(
        f"{name} {tokens:,} tokens in {counted(result.sequences[name], 'sequence')}"
        for name, tokens in result.splits.items()
    )
    head = f"{result.out}: {result.form}, {result.dtype}: {told}"
    return "\n".join([head, *result.remarks])


def dataset_sentence(result: ExportedDataset) -> str:
    """What a person wants to know about an exported data set."""
    told = ", ".join(f"{name} {counted(rows, 'row')}" for name, rows in result.rows.items())
    lines = [f"{result.out}: {told} in {counted(len(result.files), 'file')}, and a card"]
    if result.without_licence:
        lines.append(f"No licence is stated for documents of: {', '.join(result.without_licence)}")
    if result.held_out_inside:
        told = counted(result.held_out_inside, "document")
        lines.append(f"{told}, of which sections are held out in the shards, stand in train as a whole")
    return "\n".join([*lines, f'read it: datasets.load_dataset("{result.out}")'])


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
