"""Card and bank account numbers in a text, by their checksums."""

from __future__ import annotations

import re
from collections.abc import Iterator

from corpuskit.stages.quality.personal.net import IN_WORD, Place

_BLANK = " \xa0\u2007\u2009\u202f"
_DASH = "\u2010\u2011\u2012\u2013\\-"
_GAP = rf"[{_BLANK}]{{1,2}}|[{_DASH}.]"
_CARD = re.compile(
    rf"(?<!{IN_WORD})(?<![+])(?<!\d[.,/:-])"
    rf"(?:[0-9]{{12,19}}(?![.,-]\d)|(?<!\d{{3}}[{_BLANK}])"
    rf"(?:\d{{4}}({_GAP})\d{{4}}\1\d{{4}}\1\d{{3,4}}(?:\1\d{{3}})?|\d{{4}}({_GAP})\d{{6}}\2\d{{4,5}})"
    rf"(?![.,/:-]\d)(?![{_BLANK}]\d{{4}}))(?!{IN_WORD})"
)
_VISA, _SIXTEEN_TO_19 = (13, 16, 19), (16, 17, 18, 19)
_ISSUERS = (
    # First digits from, to, lengths: ISO/IEC 7812 ranges as the networks publish them.
    ("4", "4", _VISA),
    ("51", "55", (16,)),
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),
    ("37", "37", (15,)),
    ("6011", "6011", _SIXTEEN_TO_19),
    ("644", "649", _SIXTEEN_TO_19),
    ("65", "65", _SIXTEEN_TO_19),
    ("300", "305", (14, 16)),
    ("3095", "3095", (14, 16)),
    ("36", "36", (14, 16)),
    ("38", "39", (14, 16)),
    ("3528", "3589", _SIXTEEN_TO_19),
    ("62", "62", _SIXTEEN_TO_19),
    ("2200", "2204", _SIXTEEN_TO_19),
    *((each, each, tuple(range(12, 20))) for each in ("5018", "5020", "5038", "5893", "6304", "6759")),
    ("6761", "6763", tuple(range(12, 20))),
    ("67", "67", _SIXTEEN_TO_19),
    # Of one country or a few: Dankort, RuPay, Verve, Elo, Hipercard, Troy.
    ("5019", "5019", (16,)),
    *((*each, (16,)) for each in (("508500", "508999"), ("606985", "608500"), ("817200", "820199"))),
    ("506099", "506198", (16, 18, 19)),
    *((*each, (16,)) for each in (("506699", "506778"), ("509000", "509999"), ("636368", "636368"))),
    *((each, each, (16,)) for each in ("606282", "9792")),
)


def find_cards(text: str, begin: int, end: int) -> Iterator[Place]:
    """Card numbers: an issuer's first digits and length, Luhn's check digit, never part of a longer number.

    In one piece, or in the groups of four (Amex and Diners: 4-6-5, 4-6-4) that are printed on cards, parted
    by one kind of sign: one or two blanks, hyphens, dashes or points.
    """
    for found in _CARD.finditer(text, begin, end):
        start, stop = found.span()
        if is_card(found[0]):
            yield start, stop
        elif found[1] and is_card(found[0][: 16 + 3 * len(found[1])]):
            yield start, start + 16 + 3 * len(found[1])  # What is behind it is the card's check value.


def is_card(number: str) -> bool:
    """Whether digits, with blanks or hyphens between them, are the number of a card.

    >>> is_card("4111 1111 1111 1111"), is_card("4111 1111 1111 1112"), is_card("1748503543004")
    (True, False, False)
    """
    digits = re.sub(r"\D", "", number)
    issued = any(
        low <= digits[: len(low)] <= high and len(digits) in lengths for low, high, lengths in _ISSUERS
    )
    # The numbers of goods have thirteen digits too, of which one in ten keeps Luhn's sum.
    return issued and _luhn(digits) and not (len(digits) == 13 and _is_ean(digits))


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _is_ean(digits: str) -> bool:
    return (sum(map(int, digits[::2])) + 3 * sum(map(int, digits[1::2]))) % 10 == 0


_IBAN_LENGTHS = """
AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29
ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20
LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29
PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20
YE30
"""
IBAN_LENGTH = {entry[:2]: int(entry[2:]) for entry in _IBAN_LENGTHS.split()}
"""Characters of an IBAN by country (SWIFT, IBAN Registry)."""

_BETWEEN = _BLANK + _DASH + "."
_IBAN_START = re.compile(
    rf"(?<![A-Za-z0-9])[A-Za-z]{{2}}[{_BETWEEN}]?[0-9]{{2}}(?=[{_BETWEEN}]{{0,2}}[A-Za-z0-9]{{2}})"
)
_IBAN_PIECE = re.compile(rf"([{_BETWEEN}]{{0,2}})([A-Za-z0-9]+)")
_LEAST_DIGITS = 12
"""In groups of other sizes than four: words in a row would else be taken for an account."""


def find_ibans(text: str, begin: int, end: int) -> Iterator[Place]:
    """IBANs of either case, in one piece or in groups that one kind of sign parts.

    Groups are of four, as printed, with or without a sign behind the country; of other sizes where letters
    are upper case and digits many. Signs are one or two blanks, a hyphen, dash or point.
    """
    done = 0
    for found in _IBAN_START.finditer(text, begin, end):
        length = IBAN_LENGTH.get(found[0][:2].upper())
        if length is None or found.start() < done:
            continue
        stop = _iban_end(text, found.start(), end, length)
        if stop and is_iban(text[found.start() : stop]):
            yield found.start(), stop
            done = stop


def _iban_end(text: str, start: int, end: int, length: int) -> int | None:
    """Behind the last of so many characters; None where there are fewer, or more in one piece."""
    gaps: set[str] = set()
    sizes: list[int] = []
    at = start
    while sum(sizes) < length and (piece := _IBAN_PIECE.match(text, at, end)):
        if piece[1]:
            gaps.add(" " * len(piece[1]) if piece[1].strip(_BLANK) == "" else piece[1])
        sizes.append(len(piece[2]))
        at = piece.end()
    if sum(sizes) != length or len(gaps) > 1 or (gaps and len(min(gaps)) > 1 and min(gaps) != "  "):
        return None
    if len(sizes) > 1 and sizes[0] == 2:  # The country stands alone.
        sizes[:2] = [2 + sizes[1]]
    printed = all(size == 4 for size in sizes[:-1]) and sizes[-1] <= 4
    number = text[start:at]
    many = sum(map(str.isdigit, number)) >= _LEAST_DIGITS and number.isupper()
    return at if len(sizes) == 1 or printed or many else None


def is_iban(number: str) -> bool:
    """Whether a number has the length of its country and ISO 7064's mod 97-10 check digits.

    >>> is_iban("GB82 WEST 1234 5698 7654 32"), is_iban("GB82 WEST 1234 5698 7654 33")
    (True, False)
    """
    plain = re.sub(rf"[{_BETWEEN}]", "", number).upper()
    if not (plain.isascii() and plain.isalnum() and plain[2:4].isdigit()):
        return False
    if len(plain) != IBAN_LENGTH.get(plain[:2]) or not 2 <= int(plain[2:4]) <= 98:
        return False
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1
