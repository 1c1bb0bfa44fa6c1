"""``corpuskit serve``: a model behind a local address."""

from __future__ import annotations

import errno
import socket
import time
from importlib.util import find_spec
from pathlib import Path

import click

from corpuskit.cli.model.sample import DEVICES, loaded_model
from corpuskit.cli.shell import COUNT, PATH, Shell, shell_options
from corpuskit.cli.terminal import plain as printable
from corpuskit.errors import SettingError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command()
@click.argument("model", type=PATH)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to wait at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free one."
)
@click.option("--name", help="What clients call the model. Default: the name of its folder.")
@click.option(
    "--allow-host", "hosts", multiple=True, metavar="NAME", help="Another name by which it may be called."
)
@click.option(
    "--at-once", type=COUNT, default=4, show_default=True, help="Texts that take turns; others wait."
)
@click.option("--most-bytes", type=COUNT, default=2**20, show_default=True, help="Of a request.")
@click.option("--plain", is_flag=True, help="Write who speaks as words although there are role tokens.")
@click.option("--log-texts", is_flag=True, help="Log what is asked and answered. Default: counts alone.")
@click.option("--device", type=DEVICES, default="auto", show_default=True, help="Where it is computed.")
@shell_options
def command(
    shell: Shell,
    model: Path,
    host: str,
    port: int,
    name: str | None,
    hosts: tuple[str, ...],
    at_once: int,
    most_bytes: int,
    plain: bool,
    log_texts: bool,
    device: str,
) -> None:
    """Let clients talk with a trained model, at an address of this machine.

    There is a page to talk with it at /, and /v1/completions and /v1/chat/completions are what OpenAI's
    clients speak: streaming, stop, temperature, top_p, seed, n, logprobs, counts. Requests that come together
    take turns, a token each, and each is answered as if it were alone. A client that goes away ends what was
    written for him. Requests of other sites' pages are refused (Host and Origin are checked), and so are
    those larger than --most-bytes. The log, on standard error, tells no text.

    \b
    corpuskit serve models/talks --port 8123
    curl localhost:8123/v1/completions -d '{"model": "talks", "prompt": "The mill", "max_tokens": 20}'
    """
    missing = [each for each in ("starlette", "uvicorn") if find_spec(each) is None]
    if missing:
        raise SettingError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            remedy="pip install 'corpuskit[serve]'",
        )
    if host not in _LOOPBACK and not hosts:
        raise SettingError(
            f"--host {host} can be reached from other machines, and no name is given by which they call it",
            remedy="Give it with --allow-host NAME. There is no password: whoever reaches it may use it.",
        )
    # An address that cannot be had is told at once: torch and a model take seconds to load.
    with _waiting(host, port) as waiting:
        from corpuskit.train.serve.app import House
        from corpuskit.train.serve.desk import Desk
        from corpuskit.train.serve.guard import LOOPBACK
        from corpuskit.train.serve.run import check_served, names_of, serve

        loaded = loaded_model(shell, model, device)
        check_served(loaded)
        names = names_of(model, name)
        named = f"[{host}]" if ":" in host else host
        address = f"http://{named}:{waiting.getsockname()[1]}/"

        def log(line: str) -> None:
            if not shell.quiet:
                click.echo(printable(line), err=True)

        house = House(Desk(loaded, at_once), names, log, (*LOOPBACK, *hosts), most_bytes, plain, log_texts)

        def ready() -> None:
            shell.say(f"{model} is served as {names[0]!r} at {address} (Ctrl-C ends it)")
            if log_texts:
                shell.say("--log-texts: what is asked and answered stands in this log.")
            if loaded.document.get("chat") is not True and loaded.model.settings.kind == "decoder":
                shell.say(
                    "It was not tuned for conversations: it goes on with a text and knows no questions."
                )
            shell.result({"address": address, "model": names[0]}, "")

        shell.kept = "The server has ended."
        began = time.monotonic()
        serve(house, waiting, ready)
        shell.say(f"Ended after {time.monotonic() - began:.0f} s.")


def _waiting(host: str, port: int) -> socket.socket:
    """A socket that waits at an address; raises SettingError, naming both and the option, where it cannot."""
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(128)
    except OSError as error:
        found.close()
        reason = "the port is in use" if error.errno == errno.EADDRINUSE else str(error)
        raise SettingError(
            f"cannot wait at {host}:{port}: {reason}",
            remedy="Give another with --port, or 0 for any that is free.",
        ) from error
    return found
