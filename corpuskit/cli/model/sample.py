"""``corpuskit sample``: text from a trained model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from corpuskit.cli.shell import Shell, shell_options
from corpuskit.errors import SettingError

if TYPE_CHECKING:
    from corpuskit.train import LanguageModel, Sampling
    from corpuskit.train.generate.fill import Filled

F = TypeVar("F", bound=Callable[..., Any])


def sampling_options(function: F) -> F:
    """Give a command the options of `Sampling`, and --device."""
    options = [
        click.option(
            "--temperature", type=float, default=0.8, show_default=True, help="0 takes the likeliest token."
        ),
        click.option(
            "--top-k", type=int, default=0, show_default=True, help="Only the k likeliest tokens; 0: all."
        ),
        click.option(
            "--top-p", type=float, default=0.95, show_default=True, help="Only the likeliest tokens up to p."
        ),
        click.option(
            "--min-p",
            type=float,
            default=0.0,
            show_default=True,
            help="Only tokens at least so many times as likely as the likeliest.",
        ),
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            show_default=True,
            help="Where it is computed; auto: on a GPU where there is one.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    help="Text to continue, or an encoder-decoder's source; may be given several times; - reads standard "
    "input. Default: the beginning of a new document.",
)
@click.option(
    "--prompts",
    "lines",
    type=click.Path(path_type=Path),
    help="A file of one prompt a line; - is standard input.",
)
@click.option("--fill", help="A text whose gaps, marked <mask>, an encoder or encoder-decoder fills.")
@click.option("--marker", default="<mask>", show_default=True, help="What marks a gap in --fill.")
@click.option(
    "--top", type=click.IntRange(min=1), default=5, show_default=True, help="Tokens shown for each mask."
)
@click.option(
    "--tokens", type=click.IntRange(min=1), default=200, show_default=True, help="Most tokens to write."
)
@sampling_options
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed writes the same text.")
@click.option(
    "--count", type=click.IntRange(min=1), default=1, show_default=True, help="Texts for each prompt."
)
@click.option("--stop", multiple=True, help="End a text before this string; may be given several times.")
@click.option(
    "--batch", type=click.IntRange(min=1), default=8, show_default=True, help="Texts written at once."
)
@shell_options
def command(
    shell: Shell,
    model: Path,
    prompts: tuple[str, ...],
    lines: Path | None,
    fill: str | None,
    marker: str,
    top: int,
    tokens: int,
    temperature: float,
    top_k: int,
    top_p: float,
    min_p: float,
    device: str,
    seed: int,
    count: int,
    stop: tuple[str, ...],
    batch: int,
) -> None:
    """Write text with a trained model.

    The text ends where the model ends it, at a --stop, or after --tokens. A single text is shown as it is
    written. Several are written together, --batch at a time.

    \b
    corpuskit sample models/austen --prompt "It is a truth" --tokens 100
    corpuskit sample models/austen --temperature 0.5 --top-k 50 --seed 7 --count 3
    corpuskit sample models/austen --prompts prompts.txt --json
    corpuskit sample models/mlm --fill "Emma <mask> Woodhouse"
    """
    # torch takes seconds to load: not before there is something to sample.
    from corpuskit.train import Sampling

    sampling = Sampling(temperature, top_k, top_p, min_p)
    asked = _prompts(prompts, lines)
    if fill is not None and asked:
        raise SettingError("--fill and a prompt exclude each other", remedy="Give one of them.")
    loaded = load_model(model, device)
    if fill is not None:
        filled = _fill(loaded, fill, marker, top, tokens, sampling, seed, count, batch)
        data = {"model": str(model), "seed": seed, "filled": [asdict(each) for each in filled]}
        shell.result(data, "\n\n---\n\n".join(_shown(each) for each in filled))
        return
    asked = asked or [""]
    if len(asked) * count == 1 and not shell.as_json:
        _stream(loaded, asked[0], tokens, sampling, seed, stop)
        return
    samples = loaded.generate(asked, tokens, sampling, seed, count, stop, batch)
    data = {
        "model": str(model),
        "seed": seed,
        "samples": [
            {"prompt": prompt, "text": each.text, "tokens": len(each.ids), "ended": each.ended}
            for prompt, each in zip((p for p in asked for _ in range(count)), samples, strict=True)
        ],
    }
    shell.result(data, "\n\n---\n\n".join(each.text for each in samples))


def load_model(folder: Path, device: str) -> LanguageModel:
    """Load a model folder; raises SettingError for "cuda" where there is none."""
    from corpuskit.train import LanguageModel
    from corpuskit.train.device import choose_device

    return LanguageModel.load(folder, choose_device(device))


def _prompts(prompts: tuple[str, ...], lines: Path | None) -> list[str]:
    """All prompts that were given: those of --prompt, then those of --prompts, one a line."""
    given = [_read(Path("-")) if prompt == "-" else prompt for prompt in prompts]
    if lines is not None:
        given += [line for line in _read(lines).splitlines() if line.strip()]
        if not given:
            raise SettingError(f"{lines} holds no prompt", remedy="Write one a line.")
    return given


def _read(path: Path) -> str:
    """The text of a file, of standard input for "-"; raises SettingError when it cannot be read."""
    try:
        return sys.stdin.read() if path == Path("-") else path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingError(f"{path} is not UTF-8: {error}", remedy="Convert it first.") from error


def _stream(
    model: LanguageModel, prompt: str, tokens: int, sampling: Sampling, seed: int, stop: tuple[str, ...]
) -> None:
    """Show one text as it is written."""
    pieces = model.stream(prompt, tokens, sampling, seed, stop=stop)
    if model.model.settings.kind == "decoder":
        click.echo(prompt, nl=False)
    for piece in pieces:
        click.echo(piece, nl=False)
        sys.stdout.flush()
    click.echo()


def _fill(
    model: LanguageModel,
    text: str,
    marker: str,
    top: int,
    tokens: int,
    sampling: Sampling,
    seed: int,
    count: int,
    batch: int,
) -> list[Filled]:
    from corpuskit.train.generate.fill import fill_masks, fill_spans

    if model.model.settings.kind == "encoder-decoder":
        return fill_spans(model, text, tokens, sampling, seed, count, marker, batch)
    return [fill_masks(model, text, top, marker)]


def _shown(filled: Filled) -> str:
    """A filled text for a person: the text, then the likeliest tokens of each gap."""
    lines = [filled.text]
    for number, candidates in enumerate(filled.candidates, 1):
        for place, each in enumerate(candidates):
            head = f"gap {number}" if place == 0 else ""
            lines.append(f"{head:8}{each.probability:7.2%}  {each.text!r}")
    return "\n".join(lines)
