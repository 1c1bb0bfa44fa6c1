"""The server: a page to talk with a model, and OpenAI's completions and chat completions.

    GET  /                       the page
    GET  /health                 texts that are written or wait
    GET  /v1/models              the one model, also under /v1/models/NAME
    POST /v1/completions         a text goes on; an encoder-decoder answers it
    POST /v1/chat/completions    a conversation goes on

Requests are read up to a bound. What they say stands in no line of the log unless it is asked for. A client
that goes away ends what was written for him.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from corpuskit.shards.permutation import derive_key
from corpuskit.train.data.pairs import prompt_ids
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.generate.lines import SEQ2SEQ
from corpuskit.train.generate.sampling import Prompt
from corpuskit.train.generate.turns import Speech
from corpuskit.train.serve.answers import Answer, error_object
from corpuskit.train.serve.asked import Asked, RefusedError, check_model, read_asked
from corpuskit.train.serve.desk import FAILED, STOPPING, Desk, Piece, Text
from corpuskit.train.serve.guard import LOOPBACK, check_caller

MOST_BYTES = 2**20
"""Of a request."""

PATHS = ("/", "/health", "/v1/models", "/v1/completions", "/v1/chat/completions")
_PAGE_HEADERS = {
    # The page needs nothing from anywhere, and nobody may show it in a frame of his own.
    "content-security-policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


@dataclass(frozen=True)
class House:
    """What a server has.

    Attributes:
        names: what the model is called; the first is told.
        log: is given a line of each request.
        hosts: names by which the server may be called.
        most_bytes: of a request.
        plain: whether the roles of a conversation are written as lines although there are role tokens.
        tells_texts: whether the log holds what was asked and answered.
    """

    desk: Desk
    names: Sequence[str]
    log: Callable[[str], None]
    hosts: Sequence[str] = LOOPBACK
    most_bytes: int = MOST_BYTES
    plain: bool = False
    tells_texts: bool = False

    @property
    def model(self) -> LanguageModel:
        """The one that is served."""
        return self.desk.model

    @property
    def speech(self) -> Speech:
        """How conversations are written."""
        return Speech(self.model.tokenizer, self.model.end_of_text, self.plain)


def make_app(house: House) -> ASGIApp:
    """The server as an ASGI application; the desk is begun and closed by who runs it."""
    routes = [
        Route("/", _page),
        Route("/health", _health),
        Route("/v1/models", _models),
        Route("/v1/models/{name:path}", _model),
        Route("/v1/completions", _completions, methods=["POST"]),
        Route("/v1/chat/completions", _chat, methods=["POST"]),
    ]
    handlers: dict[Any, Any] = {RefusedError: _refused, HTTPException: _not_found, Exception: _failed}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.state.house = house
    return _Door(app, house)


class _Door:
    """Lets in who may ask, and writes a line of each request."""

    def __init__(self, app: ASGIApp, house: House) -> None:
        self._app, self._house = app, house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began, told = time.monotonic(), {"status": 0}
        scope["corpuskit"], failed = {}, ""

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                told["status"] = message["status"]
            await send(message)

        try:
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            try:
                check_caller(headers.get(b"host"), headers.get(b"origin"), self._house.hosts)
            except RefusedError as refused:
                await _said(refused)(scope, receive, tell)
                return
            await self._app(scope, receive, tell)
        except Exception as error:
            # It has been answered. Its words, which may hold a request's, go no further.
            failed = f"failed: {type(error).__name__}"
        finally:
            path = scope["path"] if scope["path"] in PATHS else "(another path)"
            counts = scope["corpuskit"].get("counts", "")
            seconds = f"{time.monotonic() - began:.2f} s"
            status = str(told["status"])
            line = [time.strftime("%H:%M:%S"), scope["method"], path, status, counts, seconds, failed]
            self._house.log(" ".join(part for part in line if part))


# ------------------------------------------------------------------------------------------- what is refused
def _said(refused: RefusedError) -> JSONResponse:
    headers = {"connection": "close"} if refused.status in (403, 413) else None
    return JSONResponse(error_object(refused), refused.status, headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return _said(error)


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = ", ".join(PATHS)
    words = {404: f"no such path; there are {known}", 405: f"{request.method} is not what this path answers"}
    return _said(RefusedError(words.get(error.status_code, str(error.detail)), status=error.status_code))


async def _failed(request: Request, error: Exception) -> Response:
    # Its words may hold a request's: its kind must do.
    return _said(RefusedError(f"the server failed: {type(error).__name__}", status=500))


# ---------------------------------------------------------------------------------------------- what is told
def _house(request: Request) -> House:
    house = request.app.state.house
    assert isinstance(house, House)
    return house


async def _page(request: Request) -> Response:
    page = files("corpuskit.train.serve").joinpath("page.html").read_text(encoding="utf-8")
    return HTMLResponse(page, headers=_PAGE_HEADERS)


_UNWRITTEN = {
    FAILED: ("the model failed to write: most often for want of memory", 500),
    STOPPING: ("the server is stopping", 503),
}
"""What is said where a text is not written to its end, and its status."""


def _unwritten(ended: str) -> RefusedError:
    message, status = _UNWRITTEN[ended]
    return RefusedError(message, status=status)


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok", "running": _house(request).desk.running})


def _described(house: House) -> dict[str, Any]:
    settings = house.model.model.settings
    return {
        "id": house.names[0],
        "object": "model",
        "created": 0,
        "owned_by": "corpuskit",
        "kind": settings.kind,
        "context": settings.context,
        "tuned_for_chat": house.model.document.get("chat") is True,
    }


async def _models(request: Request) -> Response:
    return JSONResponse({"object": "list", "data": [_described(_house(request))]})


async def _model(request: Request) -> Response:
    house, name = _house(request), request.path_params["name"]
    check_model(name, house.names)
    return JSONResponse(_described(house))


# ------------------------------------------------------------------------------------------- what is written
async def _completions(request: Request) -> Response:
    return await _answered(request, chat=False)


async def _chat(request: Request) -> Response:
    return await _answered(request, chat=True)


async def _body(request: Request, most: int) -> bytes:
    """The body, of which no more than the bound is read; raises RefusedError, status 413."""
    too_large = RefusedError(f"the request is larger than {most:,} bytes", status=413)
    try:
        if int(request.headers.get("content-length", 0)) > most:
            raise too_large
    except ValueError as error:
        raise RefusedError("Content-Length is no number") from error
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise too_large
        parts.append(part)
    return b"".join(parts)


async def _answered(request: Request, *, chat: bool) -> Response:
    house = _house(request)
    asked = read_asked(await _body(request, house.most_bytes), chat, house.names)
    if house.tells_texts:
        house.log(f"asked: {json.dumps(asked.prompts or [turn._asdict() for turn in asked.turns])}")
    prompts = _prompts(house, asked)
    read = sum(len(each.source or each.start) for each in prompts[:: asked.choices])
    answer = Answer(asked, house.names[0], read, house.model.tokenizer)
    pieces = _Pieces(house, asked, prompts)
    note = request.scope["corpuskit"]

    def noted() -> None:
        note["counts"] = f"{read} + {answer.usage['completion_tokens']} tokens"
        if house.tells_texts:
            house.log(f"answered: {json.dumps([choice.text for choice in answer.choices])}")

    if asked.streams:
        return _Frames(_frames(answer, pieces, noted), pieces)
    watching = asyncio.create_task(pieces.leave_with(request.receive))
    try:
        async for piece in pieces:
            answer.add(piece)
    finally:
        watching.cancel()
        pieces.leave()
        noted()
    for choice in answer.choices:
        if choice.ended in _UNWRITTEN:
            raise _unwritten(choice.ended)
    if not answer.is_whole:
        raise RefusedError("the client has gone away", status=499)
    return JSONResponse(answer.whole())


def _prompts(house: House, asked: Asked) -> list[Prompt]:
    """A prompt for each answer; raises RefusedError for what does not fit the context."""
    model, found = house.model, []
    settings = model.model.settings
    for text in asked.prompts or ("",):
        ids, ends, stop = _conversation(house, asked) if asked.turns else _begun(model, text)
        source = ids if settings.kind == "encoder-decoder" else None
        room = settings.context - (1 if source else len(ids))
        if room < 1 or len(ids) > settings.context:
            raise RefusedError(
                f"the prompt has {len(ids):,} tokens, and the model's context {settings.context:,}, which an "
                "answer needs too",
                "messages" if asked.turns else "prompt",
                code="context_length_exceeded",
            )
        if source == []:
            raise RefusedError("prompt is empty, and this model answers a text", "prompt")
        for number in range(asked.choices):
            seed = secrets.randbits(63) if asked.seed is None else derive_key(asked.seed, number) >> 1
            start = [model.end_of_text] if source else ids
            found.append(Prompt(start, seed, ends, source, (*asked.stop, *stop)))
    return found


def _begun(model: LanguageModel, text: str) -> tuple[list[int], Sequence[int], Sequence[str]]:
    """Ids of a text to go on with, ids that end what follows, and strings that do."""
    ids = model.tokenizer.encode(text)
    if model.model.settings.kind == "decoder":
        tuned = model.document.get("tuned") or {}
        # Who was taught to answer a text answers it, and does not go on with it.
        answers = tuned.get("task") == SEQ2SEQ
        ids = prompt_ids(ids, model.end_of_text) if answers else [model.end_of_text, *ids]
    return ids, model.ends, ()


def _conversation(house: House, asked: Asked) -> tuple[list[int], Sequence[int], Sequence[str]]:
    """The same of a conversation, up to where the reply begins."""
    if house.model.model.settings.kind != "decoder":
        raise RefusedError("this model is an encoder-decoder, which is not talked with: use /v1/completions")
    speech = house.speech
    said = [token for turn in asked.turns for token in speech.turn(turn)]
    return [*speech.head(), *said, *speech.opening()], speech.ends, speech.stop


class _Pieces:
    """The pieces of an answer as they are written, in the loop that sends them; it ends when all is written,
    or when it is left."""

    def __init__(self, house: House, asked: Asked, prompts: Sequence[Prompt]) -> None:
        """Begin to write; raises RefusedError, status 503, where too many wait."""
        loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Piece | None] = asyncio.Queue()

        def tell(piece: Piece) -> None:
            with contextlib.suppress(RuntimeError):  # The loop has ended, and with it who waits.
                loop.call_soon_threadsafe(self._queue.put_nowait, piece)

        context = house.model.model.settings.context
        trims = bool(asked.turns) and not house.speech.has_roles
        self._texts = []
        for number, prompt in enumerate(prompts):
            room = context - len(prompt.start)
            most = room if asked.most is None else min(room, asked.most)
            text = Text(number, prompt, asked.sampling, most, asked.likeliest, trims, tell)
            self._texts.append(text)
        if not house.desk.add(self._texts):
            raise RefusedError("too many requests wait: ask again later", status=503, code="overloaded")
        self._open = len(prompts)

    async def __aiter__(self) -> AsyncIterator[Piece]:
        while self._open:
            piece = await self._queue.get()
            if piece is None:
                return
            self._open -= bool(piece.ended)
            yield piece

    def leave(self) -> None:
        """Nobody waits any more: what is not yet written is not written."""
        for text in self._texts:
            text.leave()
        self._queue.put_nowait(None)

    async def leave_with(self, receive: Receive) -> None:
        """Leave when the client goes away."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.leave()


async def _frames(answer: Answer, pieces: _Pieces, noted: Callable[[], None]) -> AsyncGenerator[str, None]:
    """The answer as server-sent events."""
    try:
        for chunk in answer.first_chunks():
            yield _frame(chunk)
        async for piece in pieces:
            if piece.ended in _UNWRITTEN:
                yield _frame(error_object(_unwritten(piece.ended)))
                return
            answer.add(piece)
            for chunk in answer.chunks(piece):
                yield _frame(chunk)
        if answer.is_whole:
            for chunk in answer.last_chunks():
                yield _frame(chunk)
            yield "data: [DONE]\n\n"
    finally:
        noted()


def _frame(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


class _Frames(StreamingResponse):
    """Frames that are written until the client goes away."""

    def __init__(self, frames: AsyncGenerator[str, None], pieces: _Pieces) -> None:
        super().__init__(frames, media_type="text/event-stream", headers={"cache-control": "no-store"})
        self._frames, self._pieces = frames, pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watching = asyncio.create_task(self._pieces.leave_with(receive))
        try:
            await self.stream_response(send)
        except OSError:  # The client is gone, and was found out in writing.
            return
        finally:
            watching.cancel()
            self._pieces.leave()
            await self._frames.aclose()
