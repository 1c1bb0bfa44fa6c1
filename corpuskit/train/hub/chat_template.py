"""The chat template: a conversation as `corpuskit.train.generate.chat` writes it, in Jinja."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from corpuskit.errors import TrainError
from corpuskit.tokenizer.special import ASSISTANT, END_OF_TURN, SYSTEM, USER
from corpuskit.tokenizer.tokenizer import Tokenizer

_ROLES = (
    "{%% if message['role'] not in ['system', 'user', 'assistant'] %%}"
    "{{ raise_exception('a message of role ' ~ message['role'] ~ ': known are system, user, assistant') }}"
    "{%% endif %%}"
)
_TOKENS = (
    "{{ %(begin)s }}{%% for message in messages %%}" + _ROLES + "{{ '<|' ~ message['role'] ~ '|>' "
    "~ message['content'] ~ '%(end)s' }}{%% endfor %%}"
    "{%% if add_generation_prompt %%}{{ '%(assistant)s' }}{%% endif %%}"
)
_LINES = (
    "{{ %(begin)s }}{%% for message in messages %%}" + _ROLES + "{{ message['role'] | capitalize ~ ': ' "
    "~ message['content'] ~ '\\n' }}{%% endfor %%}"
    "{%% if add_generation_prompt %%}{{ 'Assistant:' }}{%% endif %%}"
)


def chat_template(document: Mapping[str, Any], tokenizer: Tokenizer, end_of_text: str) -> str | None:
    """The template of a model that was tuned for conversations; None for any other.

    It writes the token that begins a text itself: whoever renders it must add none.

    Args:
        document: what model.json says; "chat": true marks a tuned model.
        end_of_text: the token that begins and ends a text.
    """
    if document.get("chat") is not True:
        return None
    words = {"begin": json.dumps(end_of_text, ensure_ascii=False), "end": END_OF_TURN, "assistant": ASSISTANT}
    return (_TOKENS if has_roles(tokenizer) else _LINES) % words


def turn_end(document: Mapping[str, Any], tokenizer: Tokenizer) -> int | None:
    """The id that ends a reply of a model tuned for conversations, where that is a token of its own."""
    if document.get("chat") is not True or not has_roles(tokenizer):
        return None
    return tokenizer.special_id(END_OF_TURN)


def has_roles(tokenizer: Tokenizer) -> bool:
    """Whether a tokenizer has all tokens that mark who speaks."""
    try:
        for name in (SYSTEM, USER, ASSISTANT, END_OF_TURN):
            tokenizer.special_id(name)
    except TrainError:
        return False
    return True
