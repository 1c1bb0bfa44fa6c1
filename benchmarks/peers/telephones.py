"""Telephone numbers by phonenumbers: ``python telephones.py {make COUNT SEED | find} [< texts.json]``.

Run by the peers' Python. ``make`` prints ``[[country, form, number], ...]``: numbers that are valid in
fourteen countries, fixed and mobile, in national and international form. ``find``
reads ``[[country, text], ...]`` and prints what its matcher finds in each, as ``[start, end]``.
"""

from __future__ import annotations

import json
import random
import sys

import phonenumbers

COUNTRIES = ("US", "GB", "FR", "DE", "AU", "SE", "IE", "ES", "IT", "NL", "JP", "IN", "BR", "PL")
FORMS = {
    "national": phonenumbers.PhoneNumberFormat.NATIONAL,
    "international": phonenumbers.PhoneNumberFormat.INTERNATIONAL,
}


def make(count: int, seed: int) -> list[tuple[str, str, str]]:
    """So many numbers of each country, each in both forms."""
    chance = random.Random(seed)
    made = []
    for country in COUNTRIES:
        found: set[str] = set()
        while len(found) < count:
            kind = chance.choice(
                [phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE]
            )
            example = phonenumbers.example_number_for_type(country, kind)
            digits = str(example.national_number)
            kept = chance.randint(1, 3)
            number = digits[:kept] + "".join(chance.choice("0123456789") for _ in digits[kept:])
            zero = bool(example.italian_leading_zero)
            parsed = phonenumbers.PhoneNumber(example.country_code, int(number), italian_leading_zero=zero)
            if phonenumbers.is_valid_number_for_region(parsed, country) and number not in found:
                found.add(number)
                made += [(country, name, phonenumbers.format_number(parsed, f)) for name, f in FORMS.items()]
    return made


def find(texts: list[tuple[str, str]]) -> list[list[tuple[int, int]]]:
    """Places that the matcher finds, at the leniency of valid numbers."""
    return [
        [(match.start, match.end) for match in phonenumbers.PhoneNumberMatcher(text, country)]
        for country, text in texts
    ]


if __name__ == "__main__":
    if sys.argv[1] == "make":
        json.dump(make(int(sys.argv[2]), int(sys.argv[3])), sys.stdout)
    else:
        json.dump(find(json.load(sys.stdin)), sys.stdout)
