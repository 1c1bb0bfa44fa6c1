"""``corpuskit chat``: a conversation with a trained model."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from corpuskit.cli.model.sample import loaded_model, sampling_options
from corpuskit.cli.shell import COUNT, PATH, Shell, shell_options
from corpuskit.cli.terminal import plain
from corpuskit.errors import CorpuskitError, SettingError, counted, nearest

if TYPE_CHECKING:
    from corpuskit.train.generate.chat import Chat

N = TypeVar("N", int, float)

COMMANDS = {
    "/reset": "forget the conversation",
    "/seed N": "other replies: the same seed gives the same ones",
    "/temperature X": "0 takes the likeliest token each time",
    "/help": "show this",
    "/quit": "leave, as the end of the input does",
}


@click.command()
@click.argument("model", type=PATH)
@click.option("--system", default="", help="What the model is told before the conversation.")
@click.option("--tokens", type=COUNT, default=200, show_default=True, help="Most tokens of a reply.")
@sampling_options
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same replies.")
@click.option("--plain", is_flag=True, help="Write who speaks as words although there are role tokens.")
@shell_options
def command(
    shell: Shell, model: Path, system: str, tokens: int, device: str, seed: int, plain: bool, **drawn: Any
) -> None:
    """Talk with a trained model.

    What you type is answered line by line; /help shows what else can be typed. The conversation is kept as
    far as it fits the model's context. Ctrl-C ends a reply.

    \b
    corpuskit chat models/austen
    echo "What is a good fortune?" | corpuskit chat models/austen --seed 3 --json
    """
    # torch takes seconds to load: not before there is something to talk with.
    from corpuskit.train import Sampling
    from corpuskit.train.generate.chat import Chat

    sampling = Sampling(**drawn)
    chat = Chat(loaded_model(shell, model, device), sampling, seed, tokens, system, plain)
    if not chat.is_tuned:
        shell.say(
            f"{model} was not tuned for conversations: it goes on with a text and knows no questions."
            + (" Its role tokens mean nothing to it yet: try --plain." if chat.has_roles else "")
        )
    _converse(shell, chat)
    turns = [{"role": turn.role, "text": turn.text} for turn in chat.turns]
    shell.result({"model": str(model), "tuned": chat.is_tuned, "seed": chat.seed, "turns": turns}, "")


def _converse(shell: Shell, chat: Chat) -> None:
    """Read lines and answer them until the input ends."""
    while (line := _line()) is not None:
        text = line.strip()
        if text.startswith("/"):
            if text == "/quit":
                return
            try:
                shell.say(_obey(chat, text))
            except CorpuskitError as error:
                shell.say(str(error))
        elif text:
            _answer(shell, chat, text)


def _line() -> str | None:
    """The next line of standard input; None at its end, or when it is interrupted."""
    try:
        if sys.stdin.isatty():
            return input("> ")
        line = sys.stdin.readline()
    except (EOFError, KeyboardInterrupt):
        return None
    except UnicodeDecodeError as error:
        raise SettingError(f"the input is not UTF-8: {error}", remedy="Convert it first.") from error
    return line or None


def _answer(shell: Shell, chat: Chat, text: str) -> None:
    reply = chat.reply(text)
    try:
        for piece in reply:
            if not shell.as_json:
                click.echo(plain(piece), nl=False)
                sys.stdout.flush()
    except KeyboardInterrupt:
        reply.close()
        shell.say("(interrupted)")
    if not shell.as_json:
        click.echo()
    if chat.forgotten:
        shell.say(f"(Written without the first {counted(chat.forgotten, 'turn')}: the context is full.)")
    if chat.unread:
        shell.say(f"(Written without the first {counted(chat.unread, 'token')} of what you said: too long.)")


def _obey(chat: Chat, text: str) -> str:
    """Do what a line that begins with a slash says; returns what to say about it. Raises SettingError."""
    name, _, value = text.partition(" ")
    if name == "/reset":
        chat.reset()
        return "The conversation is forgotten."
    if name == "/seed":
        chat.seed = _number(name, value, int)
        return f"The seed is {chat.seed}."
    if name == "/temperature":
        chat.sampling = replace(chat.sampling, temperature=_number(name, value, float))
        return f"The temperature is {chat.sampling.temperature:g}."
    if name == "/help":
        return "\n".join(f"{each:16} {what}" for each, what in COMMANDS.items())
    names = [each.split()[0] for each in COMMANDS]
    raise SettingError(f"{name} is no command", remedy=f"{nearest(name, names)} /help shows all.")


def _number(name: str, value: str, kind: type[N]) -> N:
    try:
        return kind(value)
    except ValueError as error:
        raise SettingError(f"{name} {value}: {value!r} is no number", remedy=f"Write {name} 1.") from error
