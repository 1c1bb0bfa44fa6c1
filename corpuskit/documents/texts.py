"""Texts as a person in a notebook gives them: what is none is named before anything is done with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from corpuskit.errors import InputError, SettingError


def as_texts(owner: str, texts: Iterable[object]) -> list[str]:
    """The texts as a list.

    Args:
        owner: the function that was called, for the message.

    Raises:
        SettingError: one string, bytes or a mapping in place of several texts: each would be taken apart.
        InputError: one of them is no string.
    """
    return list(strings(owner, texts))


def each_text(owner: str, texts: Iterable[object]) -> Iterator[str]:
    """The texts one by one; raises as `as_texts`, and InputError for one that holds half a surrogate pair."""
    return (whole_text(owner, number, text) for number, text in enumerate(strings(owner, texts)))


PIECE_CHARACTERS = 2**15
"""Where a long text is taken piece by piece, so that what is made of it takes memory for one piece alone."""


_LOOKED_BACK = 4
"""Characters before and behind a border that its pattern looks at, at most."""


def pieces(text: str, border: re.Pattern[str], size: int | None = None) -> Iterator[str]:
    """Cut a text at the first border behind each `PIECE_CHARACTERS` or ``size``; without one it stays whole.

    >>> list(pieces("one two three", re.compile("(?= )"), 2))
    ['one', ' two', ' three']
    """
    return pieces_of((text,), border, size)


def pieces_of(blocks: Iterable[str], border: re.Pattern[str], size: int | None = None) -> Iterator[str]:
    """The same of a text that comes in blocks: its pieces do not depend on how it comes.

    Of a text with borders no more than a piece and a block is held.

    >>> list(pieces_of(["one t", "w", "o thr", "ee"], re.compile("(?= )"), 2))
    ['one', ' two', ' three']
    """
    size = size or PIECE_CHARACTERS
    held, at, none = "", size, True
    for block in blocks:
        held, start = held + block, 0
        while len(held) > at:
            found = border.search(held, at)
            if found is None:
                at = max(at, len(held) - _LOOKED_BACK)  # There is none before, whatever follows.
                break
            yield held[start : found.start()]
            start, none = found.start(), False
            at = start + size
        held, at = held[start:], at - start
    if held or none:
        yield held


def in_batches(texts: Iterable[str], characters: int) -> Iterator[list[str]]:
    """The texts in lists that end with the text that reaches so many characters.

    >>> list(in_batches(["one", "two", "three"], 5))
    [['one', 'two'], ['three']]
    """
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= characters:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def strings(owner: str, texts: Iterable[object]) -> Iterator[str]:
    """The texts one by one; what is no list of them is named at once, what is no text when it is met."""
    if isinstance(texts, str | bytes | Mapping) or not isinstance(texts, Iterable):
        raise SettingError(
            f"{owner}: a {type(texts).__name__} is no list of texts", remedy="Give [text, ...]."
        )
    return (_string(owner, number, text) for number, text in enumerate(texts))


def _string(owner: str, number: int, text: object) -> str:
    if isinstance(text, str):
        return text
    message = f"{owner}: text {number} is of type {type(text).__name__}, not str"
    raise InputError(message, remedy="Decode bytes, and leave out what is missing.")


def whole_text(owner: str, number: int, text: str) -> str:
    """The text; InputError, which calls it by its number, where it holds half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{owner}: text {number} holds half of a surrogate pair at character {error.start}",
            remedy="Read its file as UTF-8, or call fix_unicode on the texts before.",
        ) from None
    return text
