"""Servers of tiny models whose answers are known, each in a thread of its own."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from corpuskit.train import LanguageModel
from corpuskit.train.serve.app import House
from corpuskit.train.serve.desk import Desk
from corpuskit.train.serve.guard import LOOPBACK
from corpuskit.train.serve.run import Server
from tests.tiny_models import make_model

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


@dataclass
class Answer:
    """A response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error object, in the form that clients expect."""
        assert self.headers["content-type"] == "application/json"
        found = self.data["error"]
        assert set(found) == {"message", "type", "param", "code"}
        return found  # type: ignore[no-any-return]

    @property
    def frames(self) -> list[Any]:
        """The frames of a stream, whose form is checked; the last one is left out, it says that it ends."""
        assert self.headers["content-type"].startswith("text/event-stream")
        *frames, end = self.body.decode("utf-8").split("\n\n")
        assert end == ""
        assert frames[-1] == "data: [DONE]"
        assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames)
        return [json.loads(frame.removeprefix("data: ")) for frame in frames[:-1]]


@dataclass
class Served:
    """A server that answers; `log` holds its lines."""

    port: int
    desk: Desk
    log: list[str] = field(default_factory=list)

    def send(
        self,
        path: str,
        body: Any = None,
        *,
        method: str | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Send a request: a body is sent as it is if it is bytes, else as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        all_headers = {"Content-Type": "application/json", **(headers or {})}
        kept = {name: value for name, value in all_headers.items() if value is not None}
        connection.request(method or ("GET" if body is None else "POST"), path, data, kept)
        response = connection.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        connection.close()
        return answer

    def ask(self, content: str, **fields: Any) -> Answer:
        """A conversation of one question, at temperature 0."""
        body = {"model": "S", "messages": [{"role": "user", "content": content}], "temperature": 0, **fields}
        return self.send(CHAT, body)

    def both(self, content: str, **fields: Any) -> tuple[str, str, dict[str, int]]:
        """Text, reason of the end and counts, which are the same whether streamed or not."""
        whole = self.ask(content, **fields)
        assert whole.status == 200, whole.body
        [choice] = whole.data["choices"]
        found = (choice["message"]["content"], choice["finish_reason"], whole.data["usage"])
        frames = self.ask(content, **fields, stream=True, stream_options={"include_usage": True}).frames
        assert streamed(frames) == found
        return found

    def idle(self, seconds: float = 5.0) -> bool:
        """Whether nothing is written any more, waited for at most so long."""
        end = time.monotonic() + seconds
        while self.desk.running and time.monotonic() < end:
            time.sleep(0.01)
        return not self.desk.running


def streamed(frames: list[Any]) -> tuple[str, str, dict[str, int]]:
    """What the frames of one choice say."""
    *chunks, usage = frames
    assert usage["choices"] == []
    deltas = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert set(reasons[:-1]) == {None}
    return "".join(deltas), reasons[-1], usage["usage"]


Start = Callable[..., Served]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Serves models: `start(kind, table=...)`, the server's options in `house`; they end with the module."""
    running: list[tuple[Any, threading.Thread, Desk]] = []

    def begin(
        kind: str = "bigram",
        *,
        folder: Path | None = None,
        house: Mapping[str, Any] | None = None,
        at_once: int = 4,
        **options: Any,
    ) -> Served:
        made = folder or make_model(tmp_path_factory.mktemp("served"), kind, **options)  # type: ignore[arg-type]
        waiting = socket.socket()
        waiting.bind(("127.0.0.1", 0))
        waiting.listen()
        port = waiting.getsockname()[1]
        served = Served(port, Desk(LanguageModel.load(made), at_once))
        given = {"hosts": LOOPBACK, **(house or {})}
        server = Server(House(served.desk, ("S.m", "S"), served.log.append, **given))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [waiting]}, daemon=True)
        served.desk.start()
        thread.start()
        running.append((server, thread, served.desk))
        return served

    yield begin
    for server, thread, desk in running:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()
        desk.close()


def says(text: str) -> dict[str, Any]:
    """A table of a model that replies with a text, whose letters are all different, and ends."""
    letters = list(text.encode().decode("latin-1"))
    names = ["<|assistant|>", *letters]
    following = [*letters, "<|end_of_turn|>"]
    return {
        "floor": 1e-9,
        "": {"<|end_of_turn|>": 1},
        **{name: {after: 1} for name, after in zip(names, following, strict=True)},
    }
