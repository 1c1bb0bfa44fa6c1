"""What a request asks for: the fields of OpenAI's completions and chat completions, read and checked.

Every field is used, or says nothing of the text (`user`, `metadata`), or is refused by name: none is passed
over. What is said of a value repeats 100 characters of it at most.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from corpuskit.errors import nearest
from corpuskit.train.data.tables.conversations import Role, Turn
from corpuskit.train.generate.sampling import Sampling

MOST_CHOICES = 16
"""Answers to one request: `n` times its prompts."""
MOST_STOPS = 4
MOST_LIKELIEST = 20

_SHOWN = 100
_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_SHARED = (
    "model",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "n",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "logprobs",
)
_FIELDS = {
    True: (*_SHARED, "messages", "max_completion_tokens", "top_logprobs"),
    False: (*_SHARED, "prompt"),
}
_SAYS_NOTHING = ("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key")
"""Fields that bear on who asks, and on nothing that is answered."""
_ONLY: Mapping[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "parallel_tool_calls": (False, True),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
}
"""Fields of which only these values, or null, ask for what is done."""


class RefusedError(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        param: the field at fault; None for none.
        code: a word for programs; None for none.
    """

    def __init__(
        self, message: str, param: str | None = None, status: int = 400, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.param, self.status, self.code = message, param, status, code


def shown(value: Any) -> str:
    """A value of a request, as far as a message repeats it."""
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else repr(value)
    return _whole(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}...")


def _whole(text: str) -> str:
    """A text that can be written as UTF-8: halves of surrogate pairs are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True)
class Asked:
    """A request that can be answered.

    Attributes:
        prompts: texts to be continued; none of a conversation.
        turns: of a conversation; none of texts.
        choices: answers to each prompt.
        most: tokens of an answer; None for as many as there is room for.
        seed: None where each answer is to be another.
        likeliest: how many tokens are told beside each that is written; None for no log-probabilities.
        streams, tells_usage: whether the answer comes piece by piece, and its counts behind it.
    """

    prompts: tuple[str, ...]
    turns: tuple[Turn, ...]
    sampling: Sampling
    choices: int
    most: int | None
    seed: int | None
    stop: tuple[str, ...]
    likeliest: int | None
    streams: bool
    tells_usage: bool


def read_asked(body: bytes, chat: bool, names: Sequence[str]) -> Asked:
    """What a body asks for.

    Args:
        chat: whether it is of a conversation.
        names: what the model that is served is called, the first of which is told.

    Raises RefusedError, naming the field and what is allowed.
    """
    fields = _Fields(_object(body), chat)
    check_model(fields.given("model"), names)
    fields.check_names()
    choices = fields.whole("n", 1, MOST_CHOICES) or 1
    prompts = () if chat else _prompts(fields.given("prompt"))
    if len(prompts) * choices > MOST_CHOICES:
        raise RefusedError(f"n = {choices} for {len(prompts)} prompts: at most {MOST_CHOICES} answers", "n")
    streams = fields.flag("stream")
    return Asked(
        prompts=prompts,
        turns=_turns(fields.given("messages")) if chat else (),
        sampling=_sampling(fields),
        choices=choices,
        most=_most(fields),
        seed=fields.whole("seed", -(2**63), 2**63 - 1),
        stop=_stops(fields.given("stop")),
        likeliest=_likeliest(fields, chat),
        streams=streams,
        tells_usage=_tells_usage(fields.given("stream_options"), streams),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        # The error of the library quotes what it could not read.
        place = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise RefusedError(f"the body is no JSON in UTF-8{place}") from error
    if not isinstance(found, dict):
        raise RefusedError(f"the body is {_kind(found)}: an object is needed")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


class _Fields:
    """The fields of a request; null is as good as absent."""

    def __init__(self, fields: Mapping[str, Any], chat: bool) -> None:
        self._fields, self._chat = fields, chat

    def given(self, name: str) -> Any:
        return self._fields.get(name)

    def check_names(self) -> None:
        """Raise RefusedError for a field that is not known, and for one that asks for what is not done."""
        known = _FIELDS[self._chat]
        for name, value in self._fields.items():
            if name in known or name in _SAYS_NOTHING or value is None:
                continue
            if name not in _ONLY:
                cut = _whole(name[:_SHOWN])
                raise RefusedError(f"no field {cut!r}. {nearest(cut, (*known, *_ONLY))}", cut)
            # 0 is equal to False, and is not what a list of true and false allows.
            if not any(
                value == each and isinstance(value, bool) == isinstance(each, bool) for each in _ONLY[name]
            ):
                allowed = " or ".join(shown(each) for each in _ONLY[name])
                raise RefusedError(
                    f"{name} = {shown(value)} is not offered: leave it out, or give {allowed}", name
                )

    def whole(self, name: str, least: int, most: int) -> int | None:
        """A whole number; None where it is not given."""
        value = self.given(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise RefusedError(
                f"{name} = {shown(value)}: a whole number from {least} to {most} is needed", name
            )
        return value

    def number(self, name: str, least: float, most: float, default: float, above: bool = False) -> float:
        """A number from `least` to `most`, or above `least`."""
        value = self.given(name)
        if value is None:
            return default
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not least <= value <= most or (above and value == least):
            bounds = f"above {least:g} and up to {most:g}" if above else f"from {least:g} to {most:g}"
            raise RefusedError(f"{name} = {shown(value)}: a number {bounds} is needed", name)
        return float(value)

    def flag(self, name: str) -> bool:
        """true or false; false where it is not given."""
        value = self.given(name)
        if value is not None and not isinstance(value, bool):
            raise RefusedError(f"{name} = {shown(value)}: true or false is needed", name)
        return bool(value)


def check_model(name: Any, names: Sequence[str]) -> None:
    """Raise RefusedError unless a model is one of these names."""
    if name is None:
        raise RefusedError(f"model is missing: give {names[0]!r}", "model")
    if name not in names:
        raise RefusedError(
            f"no model {shown(name)} is served here: ask for {names[0]!r}", "model", 404, "model_not_found"
        )


def _sampling(fields: _Fields) -> Sampling:
    """How tokens are drawn: what a request leaves open is OpenAI's, the model's own distribution."""
    return Sampling(
        temperature=fields.number("temperature", 0, 2, 1.0),
        top_p=fields.number("top_p", 0, 1, 1.0, above=True),
        top_k=fields.whole("top_k", 0, 2**31) or 0,
        min_p=fields.number("min_p", 0, 1, 0.0),
    )


def _most(fields: _Fields) -> int | None:
    """The smaller of both limits, of which one is the newer name of the other."""
    found = [fields.whole(name, 1, 2**31) for name in ("max_tokens", "max_completion_tokens")]
    return min((each for each in found if each is not None), default=None)


def _stops(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
        raise RefusedError(f"stop = {shown(value)}: a text or a list of texts, none empty, is needed", "stop")
    if len(found) > MOST_STOPS:
        raise RefusedError(f"stop holds {len(found)} texts: at most {MOST_STOPS}", "stop")
    return tuple(_text(each, "stop") for each in found)


def _likeliest(fields: _Fields, chat: bool) -> int | None:
    """Of a conversation a flag and a number of its own, of a text the number alone."""
    if not chat:
        return fields.whole("logprobs", 0, MOST_LIKELIEST)
    wanted, likeliest = fields.flag("logprobs"), fields.whole("top_logprobs", 0, MOST_LIKELIEST)
    if likeliest and not wanted:
        raise RefusedError("top_logprobs needs logprobs: true", "top_logprobs")
    return (likeliest or 0) if wanted else None


def _tells_usage(options: Any, streams: bool) -> bool:
    if options is None:
        return False
    if not streams:
        raise RefusedError("stream_options needs stream: true", "stream_options")
    if not isinstance(options, dict) or not options.keys() <= {"include_usage", "include_obfuscation"}:
        raise RefusedError(
            f'stream_options = {shown(options)}: {{"include_usage": true}} is what it may hold',
            "stream_options",
        )
    return _Fields(options, True).flag("include_usage")


# --------------------------------------------------------------------------------------------------- texts
def _prompts(value: Any) -> tuple[str, ...]:
    if value is None:
        raise RefusedError("prompt is missing: a text or a list of texts is needed", "prompt")
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not found or not all(isinstance(each, str) for each in found):
        raise RefusedError(
            f"prompt is {_kind(value)}: a text or a list of texts is needed; ids of tokens are not read",
            "prompt",
        )
    return tuple(_text(each, "prompt") for each in found)


def _turns(messages: Any) -> tuple[Turn, ...]:
    if not isinstance(messages, list) or not messages:
        problem = (
            "is missing" if messages is None else f"is {_kind(messages)}" if messages != [] else "is empty"
        )
        raise RefusedError(
            f"messages {problem}: a list of objects with role and content is needed", "messages"
        )
    return tuple(_turn(each, f"messages[{number}]") for number, each in enumerate(messages))


def _turn(message: Any, place: str) -> Turn:
    if not isinstance(message, dict):
        raise RefusedError(f"{place} is {_kind(message)}: an object is needed", place)
    role = message.get("role")
    known = _ROLES.get(role) if isinstance(role, str) else None
    if known is None:
        raise RefusedError(f"{place}.role = {shown(role)}: {', '.join(_ROLES)} are known", f"{place}.role")
    for name, value in message.items():
        if name not in ("role", "content", "name") and value not in (None, [], ""):
            named = f"{place}.{_whole(name[:_SHOWN])}"
            raise RefusedError(f"{named} is not read: leave it out", named)
    return Turn(known, _content(message.get("content"), f"{place}.content"))


def _content(content: Any, place: str) -> str:
    """The text of a message; parts of text follow one another with nothing between."""
    if isinstance(content, str):
        return _text(content, place)
    if not isinstance(content, list) or not content:
        raise RefusedError(
            f"{place} is {_kind(content)}: a text, or a list of parts of text, is needed", place
        )
    texts = []
    for number, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text" or not isinstance(part.get("text"), str):
            raise RefusedError(
                f"{place}[{number}] is a part of type {shown(kind)}: only text is read", f"{place}[{number}]"
            )
        texts.append(_text(part["text"], place))
    return "".join(texts)


def _text(text: str, place: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RefusedError(f"{place}: half of a surrogate pair at character {error.start}", place) from error
    return text
