"""Texts with planted personal data and with what looks like it: seeded, none of it anybody's.

Every item stands in a sentence of its own; the look-alikes are of the kinds that users of such tools report.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import NamedTuple

from corpuskit.stages.quality.personal.numbers import IBAN_LENGTH

_FRAMES = {
    "email": (
        "Write to {}.",
        "Mail <{}>, please",
        "Contact: {}",
        "mailto:{}?subject=hi",
        "({})",
        "Ask {}; or {}",
    ),
    "ip": (
        "From {} came a request.",
        "Host {}:8080 is up",
        "See http://{}/x for more",
        "It was {}.",
        "({}, late)",
    ),
    "card": ("Card {} was used.", "Paid with {}, thanks", "no. {} (exp. 12/27)", "{}", "Number: {}."),
    "iban": ("Paid to {}.", "IBAN {}", "Account {}, Anna B.", "transfer ({})", "{} is ours"),
    "phone": (
        *(
            "Call {} today.",
            "Tel. {}",
            "phone: {}, evenings",
            "Fax {}.",
            "Ring us ({})",
            "Mobile {} or write",
        ),
        *("Tel: {}", "Telefon {}", "Tél. {}", "Teléfono: {}"),
    ),
}
_NAMES = "anna ben carla dov elin farid gita hugo ines jan kaja lea mona nils oda per quinn rosa sven tove"
_WORDS = _NAMES.split()


class Sentence(NamedTuple):
    """A sentence, the items in it as kind and text, and the country whose forms they have, for telephone."""

    text: str
    items: tuple[tuple[str, str], ...]
    country: str = ""


def planted(count: int, seed: int) -> list[Sentence]:
    """So many sentences of each kind but telephone, whose numbers are given (`with_phones`)."""
    chance = random.Random(seed)
    made = []
    kinds: dict[str, Callable[[random.Random], str]] = {
        "email": _email,
        "ip": _ip,
        "card": _card,
        "iban": _iban,
    }
    for kind, make in kinds.items():
        for _ in range(count):
            frame = chance.choice(_FRAMES[kind])
            items = [make(chance) for _ in range(frame.count("{}"))]
            if ":" in items[0]:  # In front of a port and in a URL, version 6 stands in brackets.
                frame = frame.replace("{}:", "[{}]:").replace("//{}", "//[{}]")
            made.append(Sentence(frame.format(*items), tuple((kind, item) for item in items)))
    return made


def with_phones(
    numbers: list[tuple[str, str, str]], seed: int, frames: tuple[str, ...] = _FRAMES["phone"]
) -> list[Sentence]:
    """A sentence for each number, given as country, form and number."""
    chance = random.Random(seed)
    return [
        Sentence(chance.choice(frames).format(number), (("phone", number),), country)
        for country, _, number in numbers
    ]


def look_alikes(count: int, seed: int) -> list[Sentence]:
    """So many sentences of each sort of thing that is none."""
    chance = random.Random(seed)
    return [Sentence(make(chance), ()) for make in _LOOK_ALIKES for _ in range(count)]


# ---------------------------------------------------------------------------------------------------- items
def _digits(chance: random.Random, count: int) -> str:
    return "".join(chance.choice(string.digits) for _ in range(count))


def _email(chance: random.Random) -> str:
    local = chance.choice(_WORDS)
    if chance.random() < 0.6:
        local += chance.choice(("", ".", "_", "-", "+")) + chance.choice(
            (chance.choice(_WORDS), _digits(chance, 2))
        )
    domain = ".".join(chance.sample(_WORDS, chance.choice((1, 1, 2))))
    return f"{local}@{domain}.{chance.choice(('org', 'com', 'net', 'de', 'co.uk', 'se', 'info', 'com.br'))}"


def _ip(chance: random.Random) -> str:
    if chance.random() < 0.7:
        first = chance.choice([n for n in range(1, 224) if n != 127])
        return ".".join(str(n) for n in (first, *(chance.randint(0, 255) for _ in range(3))))
    groups = ["2001", *(f"{chance.randint(0x1000, 0xFFFF):x}" for _ in range(7))]
    if chance.random() < 0.5:
        return ":".join(groups)
    cut = chance.randint(2, 4)
    return f"{':'.join(groups[:cut])}::{':'.join(groups[6:])}"


_ISSUED = (
    ("4", 16),
    ("51", 16),
    ("55", 16),
    ("2500", 16),
    ("34", 15),
    ("37", 15),
    ("6011", 16),
    ("3530", 16),
    ("36", 14),
)


def _card(chance: random.Random) -> str:
    start, length = chance.choice(_ISSUED)
    body = start + _digits(chance, length - len(start) - 1)
    total = sum(sum(divmod(2 * int(d), 10)) for d in body[::-1][::2]) + sum(int(d) for d in body[::-1][1::2])
    number = body + str(-total % 10)
    sizes = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}[length]
    sign = chance.choice(("", " ", "-"))
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    return sign.join(parts)


def _iban(chance: random.Random) -> str:
    country = chance.choice(sorted(IBAN_LENGTH))
    body = _digits(chance, IBAN_LENGTH[country] - 4)
    if country in ("GB", "NL", "IE"):
        body = "".join(chance.choice(string.ascii_uppercase) for _ in range(4)) + body[4:]
    turned = "".join(str(int(character, 36)) for character in f"{body}{country}00")
    number = f"{country}{98 - int(turned) % 97:02d}{body}"
    if chance.random() < 0.5:
        return number
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))


# ----------------------------------------------------------------------------------------------- look-alikes
def _isbn(chance: random.Random) -> str:
    group, publisher = str(chance.choice((0, 1, 3, 91))), _digits(chance, chance.randint(2, 5))
    title = _digits(chance, 9 - len(group) - len(publisher))
    prefix = chance.choice(("", "978-", "979-"))
    return f"ISBN {prefix}{group}-{publisher}-{title}-{_digits(chance, 1)}, cloth."


def _date(chance: random.Random) -> str:
    day, month, year = chance.randint(1, 28), chance.randint(1, 12), chance.randint(1500, 2026)
    forms = (
        f"on {day:02d}.{month:02d}.{year}",
        f"on {day:02d}/{month:02d}/{year}",
        f"from {day:02d}.{month:02d}.{year}-{year + 1}",
        f"{year}-{month:02d}-{day:02d}",
        f"{day:02d}.{month:02d}.-{day:02d}.{month:02d}.",
    )
    return f"{chance.choice(forms)} it was."


def _version(chance: random.Random) -> str:
    word = chance.choice(("version", "v", "release", "firmware", "driver", "section", "chapter"))
    gap = "" if word == "v" else " "
    return f"The {word}{gap}{'.'.join(str(chance.randint(0, 60)) for _ in range(4))} is meant."


def _uuid(chance: random.Random) -> str:
    number = f"{chance.getrandbits(128):032x}"
    return f"Key {number[:8]}-{number[8:12]}-{number[12:16]}-{number[16:20]}-{number[20:]} failed."


def _series(chance: random.Random) -> str:
    start, step = chance.randint(100, 900), chance.choice((10, 50, 100))
    return "lines " + " ".join(str(start + n * step) for n in range(chance.randint(3, 6)))


def _bad_card(chance: random.Random) -> str:
    card = _card(chance)
    return f"The number {card[:-1]}{(int(card[-1]) + chance.randint(1, 9)) % 10} is none."


def _bad_iban(chance: random.Random) -> str:
    iban = _iban(chance)
    return f"Nor is {iban[:-1]}{(int(iban[-1]) + chance.randint(1, 9)) % 10} one."


_LOOK_ALIKES: tuple[Callable[[random.Random], str], ...] = (
    _isbn,
    _date,
    _version,
    _uuid,
    _series,
    _bad_card,
    _bad_iban,
    lambda chance: (
        f"the years {chance.randint(1100, 1990)}-{chance.randint(1991, 2026)} and {chance.randint(1, 9)}"
    ),
    lambda chance: (
        f"pp. {chance.randint(100, 2000)}-{chance.randint(2000, 4000)}, {chance.randint(100, 999)} n. 2"
    ),
    lambda chance: f"a town of {chance.randint(1, 9)} {_digits(chance, 3)} {_digits(chance, 3)} people",
    lambda chance: (
        f"at {chance.randint(0, 59)}.{_digits(chance, 4)} {chance.randint(0, 59)}.{_digits(chance, 4)}"
    ),
    lambda chance: f"0.{_digits(chance, 16)} of it",
    lambda chance: f"at {chance.randint(10, 23)}:{_digits(chance, 2)}:{_digits(chance, 2)} it began",
    lambda chance: f"stamp 17{_digits(chance, 11)} of the log",
    lambda chance: f"won {chance.randint(0, 7)}-{chance.randint(0, 7)}, 6-{chance.randint(0, 4)}, 7-6",
    lambda chance: "MAC " + ":".join(f"{chance.randint(0, 255):02x}" for _ in range(6)),
    lambda chance: f"doi 10.{_digits(chance, 4)}/{_digits(chance, 4)}.{_digits(chance, 5)}",
    lambda chance: f"costs 1,{_digits(chance, 3)},{_digits(chance, 3)}.{_digits(chance, 2)} in all",
    lambda chance: (
        f"{chance.choice(_WORDS)}@{chance.randint(2, 4)}x.png and @{chance.choice(_WORDS)} said so"
    ),
    lambda chance: (
        f"Host {chance.randint(256, 999)}.1.{chance.randint(0, 255)}.2 and 1.2.3.{chance.randint(0, 9)}.5"
    ),
    lambda chance: f"No. {_digits(chance, 7)} of {_digits(chance, 7)}",
    lambda chance: f"train 0{_digits(chance, 4)}/0{_digits(chance, 4)} to the coast",
)
