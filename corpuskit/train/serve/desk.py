"""Texts that are written for many at once, each as if it were alone.

One thread writes. Each text has its own forward pass for each token and its own random numbers, so that what
it says does not depend on what else is written, bit by bit; the texts take turns, a token each, so that a
long one keeps no short one waiting. More than `at_once` wait. Who is told goes away by `leave`, and nothing
more is computed for him.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.generate.sampling import Completion, Prompt, Sampling

AT_ONCE = 4
"""Texts that take turns: each holds keys and values of its own."""
MOST_WAITING = 64

FAILED, STOPPING = "failed", "stopping"
"""Why a text is not written to its end: the model failed, or the server was told to stop."""


class Token(NamedTuple):
    """A token that was written, with what the model gave to it.

    Attributes:
        id: its own.
        log: ln p of the model's own distribution: before temperature, and before anything is forbidden.
        likeliest: ids and ln p of the likeliest ones, best first.
    """

    id: int
    log: float
    likeliest: tuple[tuple[int, float], ...]


class Piece(NamedTuple):
    """What is new of a text.

    Attributes:
        number: which text of its request it belongs to.
        text: the new characters, whole ones; often none.
        tokens: what was written for them, where that was asked for.
        ended: "stop" or "length" with the last piece, `FAILED` or `STOPPING` where none comes, else "".
        written: tokens that the text has so far, without one that ended it.
    """

    number: int
    text: str
    tokens: tuple[Token, ...] = ()
    ended: str = ""
    written: int = 0


@dataclass
class Text:
    """A text that is to be written.

    Attributes:
        number: which of its request it is.
        most: its tokens at most.
        likeliest: see `Asked`.
        trims: whether blanks before its first letter are left out.
        tell: is called, by the thread that writes, with each piece.
    """

    number: int
    prompt: Prompt
    sampling: Sampling
    most: int
    likeliest: int | None
    trims: bool
    tell: Callable[[Piece], None]
    _left: threading.Event = field(default_factory=threading.Event)

    def leave(self) -> None:
        """Nobody waits for it any more."""
        self._left.set()

    @property
    def is_left(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._left.is_set()


class Desk:
    """Writes texts; `start` it, and `close` it at the end.

    Attributes:
        model: what writes.
    """

    def __init__(self, model: LanguageModel, at_once: int = AT_ONCE) -> None:
        self.model = model
        self._at_once = at_once
        self._new: queue.SimpleQueue[Text | None] = queue.SimpleQueue()
        self._count, self._lock = 0, threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def start(self) -> None:
        """Begin to wait for texts."""
        self._thread.start()

    def stop(self) -> None:
        """Write no more after the present token; whoever waits is told so."""
        self._closing.set()
        self._new.put(None)

    def close(self, seconds: float = 2.0) -> None:
        """Stop, and wait so long for the thread to end."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(seconds)

    @property
    def running(self) -> int:
        """Texts that are written or wait."""
        return self._count

    def add(self, texts: list[Text]) -> bool:
        """Take texts; False, and none is taken, where too many wait or it has been told to stop."""
        with self._lock:
            if self._closing.is_set() or self._count + len(texts) > self._at_once + MOST_WAITING:
                return False
            self._count += len(texts)
        for text in texts:
            self._new.put(text)
        return True

    # ------------------------------------------------------------------------- in the thread that writes
    def _work(self) -> None:
        live: list[Iterator[bool]] = []
        while live or not self._closing.is_set():
            while len(live) < self._at_once and (not live or not self._new.empty()):
                text = self._new.get()
                if text is None:
                    break
                live.append(self._written(text))
            live = [each for each in live if next(each)]
        while not self._new.empty():
            if text := self._new.get():
                text.tell(Piece(text.number, "", ended=STOPPING))

    def _written(self, text: Text) -> Iterator[bool]:
        """Write a text, a token at each step; True for as long as there is more to do."""
        try:
            for piece in self._pieces(text):
                if text.is_left:
                    break
                if self._closing.is_set():
                    text.tell(Piece(text.number, "", ended=STOPPING))
                    break
                text.tell(piece)
                if piece.ended:
                    break
                yield True
        except Exception:  # Whatever it is, the others go on: there is no other thread that writes.
            text.tell(Piece(text.number, "", ended=FAILED))
        finally:
            with self._lock:
                self._count -= 1
        yield False

    def _pieces(self, text: Text) -> Iterator[Piece]:
        if text.is_left:
            return
        completion = Completion(self.model.tokenizer, text.prompt)
        tokens: list[Token] = []

        def seen(logits: Tensor, drawn: list[int]) -> None:
            if drawn[0] not in text.prompt.ends:
                tokens.append(_told(logits[0], drawn[0], text.likeliest or 0))

        watch = None if text.likeliest is None else seen
        begun = not text.trims
        for new in self.model.pieces([completion], text.most, text.sampling, watch):
            piece = new if begun else new.lstrip()
            begun = begun or bool(piece)
            ended = ""
            if completion.done:
                ended = "stop" if completion.ended or completion.stopped else "length"
            yield Piece(text.number, piece, tuple(tokens), ended, len(completion.ids))
            tokens.clear()


def _told(logits: Tensor, token: int, likeliest: int) -> Token:
    logs = logits.double().log_softmax(0)
    # Of equals the lower id comes first.
    best = torch.sort(logs, descending=True, stable=True).indices[:likeliest].tolist()
    return Token(token, float(logs[token]), tuple((each, float(logs[each])) for each in best))
