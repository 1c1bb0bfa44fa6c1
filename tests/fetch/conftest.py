"""A mirror on loopback that serves files rightly, and misbehaves where a test says so."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import sys
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from corpuskit.fetch.http import Web
from corpuskit.fetch.patience import Patience

Trick = Callable[["Handler", bytes], None]
"""Answers one request in place of the mirror."""


class Handler(BaseHTTPRequestHandler):
    """Serves `Mirror.files` with ETag, Range and If-Range, as RFC 9110 says."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        mirror = self.server.mirror
        mirror.requests.append((self.path, dict(self.headers)))
        with mirror.entered:
            mirror.at_once += 1
            mirror.most_at_once = max(mirror.most_at_once, mirror.at_once)
        try:
            tricks = mirror.tricks[self.path]
            data = mirror.files.get(self.path)
            if tricks:
                tricks.popleft()(self, data or b"")
            elif data is None:
                self.answer(404, b"<html>not found</html>", {"Content-Type": "text/html"})
            else:
                self.serve(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client had enough: some tests are about that
        finally:
            with mirror.entered:
                mirror.at_once -= 1

    def serve(self, data: bytes, *, etag: str | None = None, ranges: bool = True) -> None:
        """The file, or the part of it that is asked for and may be had."""
        etag = etag or tag(data)
        start = self.start_of_range() if ranges else 0
        if self.headers.get("If-Range", etag) != etag:
            start = 0
        if start >= len(data) > 0:
            self.answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            return
        headers = {"ETag": etag, "Content-Type": "application/octet-stream"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.answer(206 if start else 200, data[start:], headers)

    def start_of_range(self) -> int:
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))

    def answer(self, status: int, body: bytes, headers: dict[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        """End the connection the hard way, as a cable pulled out does."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            self.close_connection = True  # `reset` has closed it

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on standard error: `Mirror.requests` has it."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    mirror: Mirror

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.mirror.errors.append(sys.exc_info()[1])


def tag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()[:12]}"'


@dataclass
class Mirror:
    """What a test gives to the server and learns from it."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    tricks: defaultdict[str, deque[Trick]] = field(default_factory=lambda: defaultdict(deque))
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    entered: Any = field(default_factory=threading.Lock)
    errors: list[BaseException | None] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    def trick(self, path: str, *tricks: Trick) -> None:
        self.tricks[path].extend(tricks)

    def asked(self, path: str) -> list[dict[str, str]]:
        """Headers of the requests for a path."""
        return [headers for asked, headers in self.requests if asked == path]

    def ranges(self, path: str) -> list[str | None]:
        return [headers.get("Range") for headers in self.asked(path)]

    def dump(self, wiki: str, date: str, files: dict[str, bytes], **more: Any) -> dict[str, Any]:
        """Put a dump there, its dumpstatus.json as dumps.wikimedia.org writes it; returns that."""
        job = more.pop("job", "articlesmultistreamdump")
        status = more.pop("status", "done")
        listed = {
            name: {
                "size": len(data),
                "url": f"/{wiki}/{date}/{name}",
                "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
                "sha1": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
            }
            for name, data in files.items()
        }
        if status != "done":
            listed = {name: {} for name in files}
        jobs = {job: {"status": status, "updated": "2026-11-02 03:04:05", "files": listed}}
        value = {"jobs": {**jobs, **more.pop("jobs", {})}, "version": "0.8"}
        self.files |= {f"/{wiki}/{date}/{name}": data for name, data in files.items()}
        self.files[f"/{wiki}/{date}/dumpstatus.json"] = json.dumps(value).encode()
        dates = sorted({path.split("/")[2] for path in self.files if path.startswith(f"/{wiki}/2")})
        links = "".join(f'<a href="{d}/">{d}</a> 02-Nov-2026 -\n' for d in [*dates, "latest"])
        self.files[f"/{wiki}/"] = f"<html><pre><a href='../'>../</a>\n{links}</pre></html>".encode()
        return value


@contextmanager
def serving() -> Iterator[Mirror]:
    """A running mirror."""
    server = Server(("127.0.0.1", 0), Handler)
    server.mirror = Mirror(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
    thread.start()
    yield server.mirror
    server.shutdown()
    server.server_close()
    assert [error for error in server.mirror.errors if not isinstance(error, OSError)] == []


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A mirror, asked without any proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as running:
        yield running


@pytest.fixture
def second(mirror: Mirror) -> Iterator[Mirror]:
    """Another mirror."""
    with serving() as running:
        yield running


@dataclass
class Asking:
    """A `Web` whose waits are noted and take no time, and what it told."""

    web: Web
    waits: list[float]
    told: list[tuple[str, dict[str, Any]]]

    def reasons(self) -> list[str]:
        return [str(facts["reason"]) for event, facts in self.told if event == "retry"]


@pytest.fixture
def ask() -> Iterator[Callable[..., Asking]]:
    """Make an `Asking`: ``ask(pause=2.0, read=0.05)``."""
    opened: list[Web] = []

    def make(**options: Any) -> Asking:
        names = set(Patience.__dataclass_fields__) & set(options)
        patience = Patience(**{"read": 5.0, **{name: options.pop(name) for name in names}})
        waits: list[float] = []
        told: list[tuple[str, dict[str, Any]]] = []
        web = Web(
            patience=patience,
            sleep=waits.append,
            listen=lambda event, facts: told.append((event, dict(facts))),
            **options,
        )
        opened.append(web)
        return Asking(web, waits, told)

    yield make
    for web in opened:
        web.__exit__()


class Tricks:
    """What servers do in the wild."""

    @staticmethod
    def drop(count: int) -> Trick:
        """Promise all, send so many bytes of it, and break the connection."""

        def play(handler: Handler, data: bytes) -> None:
            start = handler.start_of_range()
            headers = {"ETag": tag(data)}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            body = data[start : start + count]
            handler.answer(206 if start else 200, body, headers, length=len(data) - start)
            handler.close_connection = True

        return play

    @staticmethod
    def reset(count: int) -> Trick:
        """As `drop`, with a reset in place of an orderly end."""

        def play(handler: Handler, data: bytes) -> None:
            Tricks.drop(count)(handler, data)
            handler.reset()

        return play

    @staticmethod
    def status(code: int, body: bytes = b"", **headers: str) -> Trick:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return lambda handler, data: handler.answer(code, body, named)

    @staticmethod
    def other(content: bytes, *, etag: str | None = None, ranges: bool = True) -> Trick:
        """Serve other bytes than those of the list."""
        return lambda handler, data: handler.serve(content, etag=etag, ranges=ranges)

    @staticmethod
    def no_ranges() -> Trick:
        return lambda handler, data: handler.serve(data, ranges=False)

    @staticmethod
    def wrong_range(shift: int) -> Trick:
        """A part that begins elsewhere than where it was asked to."""

        def play(handler: Handler, data: bytes) -> None:
            start = handler.start_of_range() + shift
            said = f"bytes {start}-{len(data) - 1}/{len(data)}"
            handler.answer(206, data[start:], {"Content-Range": said, "ETag": tag(data)})

        return play

    @staticmethod
    def silent(free: threading.Event) -> Trick:
        """No answer until the test is over."""

        def play(handler: Handler, data: bytes) -> None:
            free.wait(10)
            handler.close_connection = True

        return play

    @staticmethod
    def endless() -> Trick:
        """A body without a length that goes on and on."""

        def play(handler: Handler, data: bytes) -> None:
            handler.send_response(200)
            handler.send_header("Connection", "close")
            handler.end_headers()
            while True:
                handler.wfile.write(b"more and more " * 5_000)

        return play

    @staticmethod
    def length(value: str) -> Trick:
        """An answer whose length is what a test says."""

        def play(handler: Handler, data: bytes) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", value)
            handler.end_headers()
            handler.close_connection = True

        return play

    @staticmethod
    def trickle(chunk: int, seconds: float) -> Trick:
        """Some bytes at a time, always in time for a read, never enough."""

        def play(handler: Handler, data: bytes) -> None:
            handler.answer(200, b"", {"ETag": tag(data)}, length=len(data))
            for at in range(0, len(data), chunk):
                handler.wfile.write(data[at : at + chunk])
                handler.wfile.flush()
                threading.Event().wait(seconds)

        return play


@pytest.fixture(scope="session")
def tricks() -> type[Tricks]:
    return Tricks


@pytest.fixture(scope="session")
def body() -> bytes:
    """A file of 300,000 bytes in which no two places look alike."""
    return b"".join(hashlib.sha256(i.to_bytes(4, "big")).digest() for i in range(9375))
