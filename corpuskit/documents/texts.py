"""Texts as a person in a notebook gives them: what is none is named before anything is done with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from corpuskit.errors import InputError, SettingError


def as_texts(owner: str, texts: Iterable[object]) -> list[str]:
    """The texts as a list.

    Args:
        owner: the function that was called, for the message.

    Raises:
        SettingError: one string, bytes or a mapping in place of several texts: each would be taken apart.
        InputError: one of them is no string.
    """
    if isinstance(texts, str | bytes | Mapping) or not isinstance(texts, Iterable):
        raise SettingError(
            f"{owner}: a {type(texts).__name__} is no list of texts", remedy="Give [text, ...]."
        )
    found: list[str] = []
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            message = f"{owner}: text {number} is of type {type(text).__name__}, not str"
            raise InputError(message, remedy="Decode bytes, and leave out what is missing.")
        found.append(text)
    return found
