"""Tables of C++, as the writers of this folder need them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TypeVar

T = TypeVar("T")


def table(name: str, kind: str, items: Iterable[str]) -> str:
    """An array of constants, in lines of at most 100 columns."""
    lines, line = [], "   "
    for item in items:
        if len(line) + 2 + len(item) > 100:
            lines.append(line)
            line = "   "
        line += f" {item},"
    return f"constexpr {kind} {name}[] = {{\n" + "\n".join([*lines, line]) + "\n};\n"


def spans(kinds: Sequence[T]) -> Iterator[tuple[int, int, T]]:
    """First and last place of each run of equal kinds, and the kind."""
    for kind, run in groupby(range(len(kinds)), kinds.__getitem__):
        places = list(run)
        yield places[0], places[-1], kind


def numbered(kinds: Sequence[T]) -> tuple[list[T], list[str]]:
    """The different kinds by first place; where each run begins, with the number of its kind."""
    numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    return list(numbers), [f"{{0x{first:X}, {numbers[kind]}}}" for first, _, kind in spans(kinds)]
