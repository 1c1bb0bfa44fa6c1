"""Run the server: from a model and a socket that waits until the process is told to end."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from corpuskit.errors import SettingError
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.serve.app import House, make_app

_ENDS_WITHIN = 2
"""Seconds that requests in hand are given when the server is told to stop."""


def check_served(model: LanguageModel) -> None:
    """Raise SettingError for a model that writes no text."""
    if model.model.settings.kind == "encoder":
        raise SettingError(
            "this model is an encoder, which writes no text",
            remedy="Serve a decoder or an encoder-decoder; `corpuskit predict` says an encoder's labels.",
        )


def names_of(folder: Path, name: str | None = None) -> tuple[str, ...]:
    """What clients may call a model: a given name, or that of its folder, also without its ending.

    >>> names_of(Path("models/talks.m")), names_of(Path("talks"), "mine")
    (('talks.m', 'talks'), ('mine',))
    """
    if name:
        return (name,)
    folder = folder.resolve()
    return tuple(dict.fromkeys((folder.name, folder.stem)))


class Server(uvicorn.Server):
    """What answers requests; it is run with a socket that is bound and listens."""

    def __init__(self, house: House) -> None:
        self._desk = house.desk
        super().__init__(
            uvicorn.Config(
                make_app(house),
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                ws="none",
                http="h11",
                timeout_graceful_shutdown=_ENDS_WITHIN,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: what is being written ends, so that nobody has to be cut off."""
        self._desk.stop()
        super().handle_exit(sig, frame)


def serve(house: House, waiting: socket.socket, ready: Callable[[], None]) -> None:
    """Answer requests until the process is interrupted.

    Args:
        waiting: a socket that is bound and listens.
        ready: is called when the first request can come.
    """
    house.desk.start()
    try:
        ready()
        Server(house).run(sockets=[waiting])
    finally:
        house.desk.close()
