"""``corpuskit sample``: text from a trained model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from corpuskit.cli.shell import COUNT, PATH, F, Shell, shell_options
from corpuskit.cli.terminal import plain, width_of, wrapped
from corpuskit.errors import SettingError, counted

if TYPE_CHECKING:
    from corpuskit.train import LanguageModel, Sampling
    from corpuskit.train.generate.fill import Filled

_TOKENS = 200
"""Most tokens of what is written, unless the context is the limit."""

DEVICES = click.Choice(["auto", "cpu", "cuda", "mps"])
_SAMPLING: tuple[tuple[str, Any, Any, str], ...] = (
    ("--temperature", float, 0.8, "0 takes the likeliest token."),
    ("--top-k", int, 0, "Only the k likeliest tokens; 0: all."),
    ("--top-p", float, 0.95, "Only the likeliest tokens up to p."),
    ("--min-p", float, 0.0, "Only tokens at least so many times as likely as the likeliest."),
    ("--device", DEVICES, "auto", "Where it is computed; auto: on a GPU where there is one."),
)


def sampling_options(function: F) -> F:
    """Give a command the options of `Sampling` under their names, and --device."""
    for name, kind, default, text in reversed(_SAMPLING):
        function = click.option(name, type=kind, default=default, show_default=True, help=text)(function)
    return function


@click.command()
@click.argument("model", type=PATH)
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    help="Text to continue, or an encoder-decoder's source; may be given several times; - reads standard "
    "input. Default: the beginning of a new document.",
)
@click.option("--prompts", "lines", type=PATH, help="A file of one prompt a line; - is standard input.")
@click.option(
    "--fill",
    help="A text whose gaps, marked <mask>, an encoder or encoder-decoder fills. One that learnt to denoise "
    "writes the text whole, a single one by its likeliest tokens unless --temperature or another says how.",
)
@click.option("--marker", default="<mask>", show_default=True, help="What marks a gap in --fill.")
@click.option("--top", type=COUNT, default=5, show_default=True, help="Tokens shown for each mask.")
@click.option(
    "--tokens",
    type=COUNT,
    help="Most tokens to write. Default: 200; the model's context where --fill has a text written whole, of "
    "which what stands around the gaps counts too.",
)
@sampling_options
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed writes the same text.")
@click.option("--count", type=COUNT, default=1, show_default=True, help="Texts for each prompt.")
@click.option("--stop", multiple=True, help="End a text before this string; may be given several times.")
@click.option("--batch", type=COUNT, default=8, show_default=True, help="Texts written at once.")
@shell_options
def command(
    shell: Shell,
    model: Path,
    prompts: tuple[str, ...],
    lines: Path | None,
    fill: str | None,
    marker: str,
    top: int,
    tokens: int | None,
    device: str,
    seed: int,
    count: int,
    stop: tuple[str, ...],
    batch: int,
    **drawn: Any,
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

    sampling = Sampling(**drawn)
    asked = _prompts(prompts, lines)
    if fill is not None and asked:
        raise SettingError("--fill and a prompt exclude each other", remedy="Give one of them.")
    loaded = loaded_model(shell, model, device)
    if fill is not None:
        filled = _filled(loaded, fill, marker, top, tokens, sampling, seed, count, batch)
        _tell_cut(shell, filled)
        data = {"model": str(model), "seed": seed, "filled": [asdict(each) for each in filled]}
        shell.result(data, "\n\n---\n\n".join(_shown(each) for each in filled))
        return
    asked, tokens = asked or [""], tokens or _TOKENS
    if len(asked) * count == 1 and not shell.as_json:
        _tell_unread(shell, loaded, [loaded.unread(loaded.prompt(asked[0], seed, 0, stop))])
        _stream(loaded, asked[0], tokens, sampling, seed, stop)
        return
    samples = loaded.generate(asked, tokens, sampling, seed, count, stop, batch)
    _tell_unread(shell, loaded, [each.unread for each in samples[::count]])
    told = [
        {
            "prompt": prompt,
            "text": each.text,
            "tokens": len(each.ids),
            "ended": each.ended,
            "unread": each.unread,
        }
        for prompt, each in zip((p for p in asked for _ in range(count)), samples, strict=True)
    ]
    data = {"model": str(model), "seed": seed, "samples": told}
    shell.result(data, "\n\n---\n\n".join(each.text for each in samples))


def _filled(
    model: LanguageModel,
    text: str,
    marker: str,
    top: int,
    tokens: int | None,
    sampling: Sampling,
    seed: int,
    count: int,
    batch: int,
) -> list[Filled]:
    """A text filled as the model learnt it."""
    from corpuskit.train.generate.fill import fill_masks, fill_spans, fill_text

    if model.objective == "spans":
        return fill_spans(model, text, tokens or _TOKENS, sampling, seed, count, marker, batch)
    if model.objective == "denoise":
        source = click.get_current_context().get_parameter_source
        drawn = any(source(field.name) is not ParameterSource.DEFAULT for field in fields(sampling))
        return fill_text(model, text, tokens, sampling if drawn else None, seed, count, marker, batch)
    return [fill_masks(model, text, top, marker)]


def _tell_cut(shell: Shell, filled: Sequence[Filled]) -> None:
    """Say which texts are cut, of which gaps may be missing."""
    for number, each in enumerate(filled, 1):
        if not each.ended:
            which = "What was written" if len(filled) == 1 else f"Text {number}"
            shell.say(wrapped(f"{which} was cut by the limit of tokens: see --tokens.", width_of(sys.stderr)))


def loaded_model(shell: Shell, folder: Path, device: str) -> LanguageModel:
    """The model of a folder, on a device; where that is one that nobody has tried, it is said."""
    from corpuskit.train.device import UNTRIED
    from corpuskit.train.generate.generate import load_model

    loaded = load_model(folder, device)
    if loaded.device.type == "mps":
        shell.say(UNTRIED)
    return loaded


def _tell_unread(shell: Shell, model: LanguageModel, unread: list[int]) -> None:
    """Say which prompts are longer than the context, of which the end alone is read."""
    for number, each in enumerate(unread, 1):
        if each:
            which = "The prompt" if len(unread) == 1 else f"Prompt {number}"
            context = model.model.settings.context
            shell.say(
                wrapped(
                    f"{which} is longer than the model's context of {counted(context, 'token')}: without its "
                    f"first {counted(each, 'token')} it is read.",
                    width_of(sys.stderr),
                )
            )


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
        click.echo(plain(prompt), nl=False)
    for piece in pieces:
        click.echo(plain(piece), nl=False)
        sys.stdout.flush()
    click.echo()


def _shown(filled: Filled) -> str:
    """A filled text for a person: the text, then the likeliest tokens of each gap."""
    lines = [filled.text]
    for number, candidates in enumerate(filled.candidates, 1):
        for place, each in enumerate(candidates):
            head = f"gap {number}" if place == 0 else ""
            lines.append(f"{head:8}{each.probability:7.2%}  {each.text!r}")
    return "\n".join(lines)
