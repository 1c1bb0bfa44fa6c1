"""``corpuskit sample``: text from a trained model."""

from __future__ import annotations

from pathlib import Path

import click

from corpuskit.cli._shell import Shell, shell_options


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--prompt", default="", help="Text to continue. Default: the beginning of a new document.")
@click.option(
    "--tokens", type=click.IntRange(min=1), default=200, show_default=True, help="Most tokens to write."
)
@click.option(
    "--temperature", type=float, default=0.8, show_default=True, help="0 takes the likeliest token."
)
@click.option(
    "--top-k", type=int, default=0, show_default=True, help="Only the k likeliest tokens; 0: no limit."
)
@click.option(
    "--top-p", type=float, default=0.95, show_default=True, help="Only the likeliest tokens up to p."
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed writes the same text.")
@click.option("--count", type=click.IntRange(min=1), default=1, show_default=True, help="How many texts.")
@shell_options
def command(
    shell: Shell,
    model: Path,
    prompt: str,
    tokens: int,
    temperature: float,
    top_k: int,
    top_p: float,
    seed: int,
    count: int,
) -> None:
    """Write text with a trained model.

    The text ends where the model ends it, or after --tokens.

    \b
    corpuskit sample models/austen --prompt "It is a truth" --tokens 100
    corpuskit sample models/austen --temperature 0.5 --top-k 50 --seed 7 --count 3
    """
    # torch takes seconds to load: not before there is something to sample.
    from corpuskit.train import LanguageModel, Sampling

    sampling = Sampling(temperature, top_k, top_p)
    samples = LanguageModel.load(model).sample(prompt, tokens, sampling, seed, count)
    data = {
        "model": str(model),
        "prompt": prompt,
        "seed": seed,
        "samples": [{"text": each.text, "tokens": len(each.ids), "ended": each.ended} for each in samples],
    }
    shell.result(data, "\n\n---\n\n".join(each.text for each in samples))
