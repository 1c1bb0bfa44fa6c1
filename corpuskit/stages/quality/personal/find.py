"""All personal data of a text, kind by kind, without overlaps."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Literal, NamedTuple, get_args

from corpuskit.errors import SettingError, checks_arguments, nearest
from corpuskit.stages.quality.personal.net import Place, find_emails, find_ips
from corpuskit.stages.quality.personal.numbers import find_cards, find_ibans
from corpuskit.stages.quality.personal.phone import find_phones, known_countries

Kind = Literal["iban", "card", "email", "ip", "phone"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Kinds in the order in which they are looked for: what is found first keeps its characters."""

_DIGITS = re.compile(r"[0-9](?:[^0-9\n]{0,6}[0-9]){7}")


class PersonalItem(NamedTuple):
    """What was found: its kind, and the characters ``start`` to ``end`` of the text."""

    kind: Kind
    start: int
    end: int
    text: str


@checks_arguments
def find_personal_data(
    text: str, kinds: tuple[str, ...] = KINDS, countries: tuple[str, ...] | None = None
) -> list[PersonalItem]:
    """E-mail, internet and telephone addresses, card and bank account numbers of a text, in order.

    Args:
        text: the text.
        kinds: those to look for, of ``email``, ``phone``, ``ip``, ``card``, ``iban``.
        countries: ISO 3166-1 codes of the countries whose national forms of telephone numbers are looked for;
            None for all that are known. International forms, with ``+``, are of any country.

    Raises:
        SettingError: an unknown kind or country, with the nearest known one.

    >>> [item[::3] for item in find_personal_data("Write to anna@example.org or call 020 7946 0018.")]
    [('email', 'anna@example.org'), ('phone', '020 7946 0018')]
    """
    check_kinds(kinds)
    chosen = check_countries(known_countries() if countries is None else countries)
    return find_all(text, kinds, chosen)


def find_all(text: str, kinds: Collection[str], countries: tuple[str, ...]) -> list[PersonalItem]:
    """The same, for the stage, whose settings are checked already."""
    return sorted(_found(text, kinds, countries), key=lambda item: item.start)


def check_kinds(kinds: Collection[str]) -> None:
    """Raise `SettingError` for a kind that is not known."""
    for kind in kinds:
        if kind not in KINDS:
            raise SettingError(f"{kind!r} is no kind of personal data", remedy=nearest(kind, KINDS))


def check_countries(countries: tuple[str, ...]) -> tuple[str, ...]:
    """The countries, all of whose forms are known; raises `SettingError` for another."""
    for country in countries:
        if country not in known_countries():
            raise SettingError(
                f"no forms of telephone numbers are known for the country {country!r}",
                remedy=nearest(country, known_countries()),
            )
    return countries


def _found(text: str, kinds: Collection[str], countries: tuple[str, ...]) -> Iterator[PersonalItem]:
    taken: list[Place] = []
    lines = _lines_with_numbers(text)
    searches: dict[Kind, Callable[[], Iterator[Place]]] = {
        "iban": lambda: _in_lines(find_ibans, text, lines),
        "card": lambda: _in_lines(find_cards, text, lines),
        "email": lambda: find_emails(text),
        "ip": lambda: find_ips(text),
        "phone": lambda: _in_lines(partial(find_phones, countries=countries), text, lines),
    }
    for kind in KINDS:
        for start, end in searches[kind]() if kind in kinds else ():
            at = bisect(taken, (start, end))
            before, behind = taken[at - 1 : at], taken[at : at + 1]
            if all(stop <= start for _, stop in before) and all(begin >= end for begin, _ in behind):
                taken.insert(at, (start, end))
                yield PersonalItem(kind, start, end, text[start:end])


def _lines_with_numbers(text: str) -> list[Place]:
    """Lines with eight digits near each other: others hold no number of a card, account or telephone."""
    lines: list[Place] = []
    found = _DIGITS.search(text)
    while found:
        end = text.find("\n", found.end())
        end = len(text) if end < 0 else end
        lines.append((text.rfind("\n", 0, found.start()) + 1, end))
        found = _DIGITS.search(text, end)
    return lines


def _in_lines(search: Callable[..., Iterator[Place]], text: str, lines: list[Place]) -> Iterator[Place]:
    for begin, end in lines:
        yield from search(text, begin=begin, end=end)
