"""``corpuskit import``: a model of Hugging Face transformers becomes one of ours."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from corpuskit.cli.shell import COUNT, PATH, Shell, shell_options
from corpuskit.errors import SettingError


@click.command()
@click.argument("folder", type=PATH)
@click.option("--out", type=PATH, required=True, help="The model folder to make.")
@click.option("--context", type=COUNT, help="Use at most so many positions. Default: all that it has.")
@click.option("--base", type=PATH, help="The model that an adapter was trained on: FOLDER is the adapter.")
@click.option("--end-of-text", type=click.IntRange(min=0), help="Id that ends a text. Default: eos_token_id.")
@shell_options
def command(
    shell: Shell,
    folder: Path,
    out: Path,
    context: int | None,
    base: Path | None,
    end_of_text: int | None,
) -> None:
    """Import a model of Hugging Face transformers from a folder, or an adapter onto its base.

    Qwen3, Llama, StableLM, ModernBERT and, without a gate or with other positions, Apertus, Arcee, Persimmon,
    StarCoder2, GPT-2 and SmolLM3 are imported where our model can be the same; what is in the way is named.
    Only safetensors and JSON are read. With --base FOLDER is an adapter.safetensors, or a model that has one:
    it is merged with the model that it was trained on, and with no other.

    \b
    corpuskit import downloads/smollm2-135m --out models/smollm2
    corpuskit import downloads/qwen3-1.7b-base --out models/qwen3 --context 2048
    corpuskit import talks/adapter.safetensors --base models/sample --out models/talks
    """
    if base is not None:
        return _adapter(shell, folder, base, out, {"--context": context, "--end-of-text": end_of_text})
    # torch takes seconds to load: not before there is something to import.
    from corpuskit.train.hub.importing import import_model

    result = import_model(folder, out, context=context, end_of_text=end_of_text)
    data = {**dataclasses.asdict(result), "out": str(result.out)}
    shape = result.settings
    head = (
        f"{result.out}: {result.architecture}, {result.parameters / 1e6:.1f}M parameters, vocabulary "
        f"{shape.vocab_size:,}, context {shape.context:,}, end of text {result.end_of_text}"
    )
    shell.result(data, "\n".join([head, *result.remarks]))


def _adapter(shell: Shell, adapter: Path, base: Path, out: Path, others: dict[str, int | None]) -> None:
    """Put an adapter on its base."""
    if given := [name for name, value in others.items() if value is not None]:
        raise SettingError(f"{given[0]} is not of an adapter: the base has it", remedy="Leave it out.")
    from corpuskit.train.hub.adapted import import_adapter

    result = import_adapter(adapter, base, out)
    kind = f"tuned for {result.task}, " if result.task else ""
    targets, weights = ", ".join(result.targets), result.base[:12]
    head = f"{result.out}: {kind}adapter of rank {result.rank} on {targets} of {base}, weights {weights}"
    shell.result({**dataclasses.asdict(result), "out": str(result.out)}, head)
