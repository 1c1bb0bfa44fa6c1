"""A thread makes the next items: the same ones, and nothing of it stays."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from corpuskit.storage.ahead import read_ahead


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "reader"]


def counted(made: list[int], stop: int = 10**6) -> Iterator[int]:
    for number in range(stop):
        made.append(number)
        yield number


def test_items_come_in_order_and_no_thread_is_left() -> None:
    assert list(read_ahead(counted([], 1000), 3, "reader")) == list(range(1000))
    assert list(read_ahead([], 1, "reader")) == []
    assert list(read_ahead([None, None], 1, "reader")) == [None, None]
    assert threads() == []


def test_so_many_are_made_before_they_are_asked_for() -> None:
    made: list[int] = []
    items = read_ahead(counted(made), 2, "reader")
    assert next(items) == 0
    until = time.monotonic() + 20
    while len(made) < 4 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.05)
    assert made == [0, 1, 2, 3]  # One that was used, two that wait, and one that has no place yet.
    items.close()  # type: ignore[attr-defined]
    assert threads() == []


def test_what_making_an_item_raises_is_raised_in_its_turn() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("two cannot be made")

    items = read_ahead(broken(), 5, "reader")
    assert next(items) == 1
    with pytest.raises(ValueError, match="two cannot be made"):
        next(items)
    assert threads() == []


def failing() -> None:
    for number in read_ahead(counted([]), 1, "reader"):
        raise KeyError(number)


def test_whoever_uses_them_may_fail() -> None:
    with pytest.raises(KeyError):
        failing()
    assert threads() == []
