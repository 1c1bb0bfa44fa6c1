"""Answers in the form of OpenAI's completions and chat completions, whole and in pieces."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.serve.asked import Asked, RefusedError
from corpuskit.train.serve.desk import Piece, Token


def error_object(refused: RefusedError) -> dict[str, Any]:
    """The body of an answer that says why there is none."""
    kind = "server_error" if refused.status >= 500 else "invalid_request_error"
    said = {"message": refused.message, "type": kind, "param": refused.param, "code": refused.code}
    return {"error": said}


@dataclass
class Choice:
    """One of the answers, while it is written."""

    text: str = ""
    tokens: list[Token] = field(default_factory=list)
    ended: str = ""
    written: int = 0


class Answer:
    """The answer to a request, put together piece by piece.

    Attributes:
        choices: all answers, in the order of their prompts.
    """

    def __init__(self, asked: Asked, name: str, read: int, tokenizer: Tokenizer) -> None:
        """Of a request; `read` is the number of its prompts' tokens."""
        self._asked, self._name, self._read, self._tokenizer = asked, name, read, tokenizer
        self._chat = bool(asked.turns)
        self._id = f"{'chatcmpl' if self._chat else 'cmpl'}-{secrets.token_hex(12)}"
        self._created = int(time.time())
        self.choices = [Choice() for _ in range(max(1, len(asked.prompts)) * asked.choices)]

    @property
    def usage(self) -> dict[str, int]:
        """Tokens that were read, each prompt once, and those that were written, without ends of texts."""
        written = sum(choice.written for choice in self.choices)
        return {
            "prompt_tokens": self._read,
            "completion_tokens": written,
            "total_tokens": self._read + written,
        }

    @property
    def is_whole(self) -> bool:
        """Whether all has been written."""
        return all(choice.ended for choice in self.choices)

    def add(self, piece: Piece) -> None:
        """Take a piece."""
        choice = self.choices[piece.number]
        choice.text += piece.text
        choice.tokens += piece.tokens
        choice.ended, choice.written = piece.ended, piece.written

    def whole(self) -> dict[str, Any]:
        """The answer in one object."""
        kind = "chat.completion" if self._chat else "text_completion"
        choices = [self._choice(number, choice) for number, choice in enumerate(self.choices)]
        return {**self._begin(kind), "choices": choices, "usage": self.usage}

    def _choice(self, number: int, choice: Choice) -> dict[str, Any]:
        said: dict[str, Any] = {"index": number, "finish_reason": choice.ended}
        if self._chat:
            said["message"] = {"role": "assistant", "content": choice.text, "refusal": None}
        else:
            said["text"] = choice.text
        return {**said, "logprobs": self._logs(choice.tokens)}

    # ------------------------------------------------------------------------------------------- in pieces
    def first_chunks(self) -> Iterator[dict[str, Any]]:
        """What stands before all pieces: who speaks, of a conversation."""
        if self._chat:
            for number in range(len(self.choices)):
                yield self._chunk(number, {"delta": {"role": "assistant", "content": ""}})

    def chunks(self, piece: Piece) -> Iterator[dict[str, Any]]:
        """What a piece is told as: its text, where there is some, and behind the last one why it ends."""
        if piece.text or piece.tokens:
            said = {"delta": {"content": piece.text}} if self._chat else {"text": piece.text}
            yield self._chunk(piece.number, said | {"logprobs": self._logs(piece.tokens)})
        if piece.ended:
            nothing: dict[str, Any] = {"delta": {}} if self._chat else {"text": ""}
            yield self._chunk(piece.number, nothing, piece.ended)

    def last_chunks(self) -> Iterator[dict[str, Any]]:
        """What stands behind all pieces: the counts, where they were asked for."""
        if self._asked.tells_usage:
            yield {**self._begin(self._piece), "choices": [], "usage": self.usage}

    @property
    def _piece(self) -> str:
        return "chat.completion.chunk" if self._chat else "text_completion"

    def _chunk(self, number: int, said: dict[str, Any], ended: str | None = None) -> dict[str, Any]:
        choice = {"index": number, "logprobs": None, **said, "finish_reason": ended}
        begin = self._begin(self._piece) | {"choices": [choice]}
        return begin | {"usage": None} if self._asked.tells_usage else begin

    def _begin(self, kind: str) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._name}

    # --------------------------------------------------------------------------------- log-probabilities
    def _logs(self, tokens: Sequence[Token]) -> dict[str, Any] | None:
        if self._asked.likeliest is None:
            return None
        if self._chat:
            return {"content": [self._entry(token) for token in tokens], "refusal": None}
        best = [{self._spelled(each): log for each, log in token.likeliest} for token in tokens]
        return {
            "tokens": [self._spelled(token.id) for token in tokens],
            "token_logprobs": [token.log for token in tokens],
            "top_logprobs": best if self._asked.likeliest else None,
            "text_offset": None,
        }

    def _entry(self, token: Token) -> dict[str, Any]:
        best = [self._logged(each, log) for each, log in token.likeliest]
        return {**self._logged(token.id, token.log), "top_logprobs": best}

    def _logged(self, token: int, log: float) -> dict[str, Any]:
        spelled = self._tokenizer.spelled(token)
        return {
            "token": self._spelled(token),
            "logprob": log,
            "bytes": None if spelled is None else list(spelled),
        }

    def _spelled(self, token: int) -> str:
        return self._tokenizer.decode([token])
