"""Scripts of letters: which alphabets a text is written in."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Mapping
from functools import cache

_RANGES = {
    "Adlm": "1E900-1E94B",
    "Arab": "620-63F 641-6FF 750-77F 870-8C9 FB50-FEFC 10EC2-10EEE 1EE00-1EEBB",
    "Armn": "531-58C FB13-FB17",
    "Bali": "1B05-1B4C",
    "Beng": "980-9FC 11DF1-11DF1",
    "Bopo": "3105-312F 31A0-31BF",
    "Cans": "1401-167F 18B0-18F5 11AB0-11ABF",
    "Cham": "AA00-AA4B",
    "Cher": "13A0-13FD AB70-ABBF",
    "Copt": "3E2-3EF 2C80-2CF3",
    "Cyrl": "400-52F 1C80-1C8A 1D2B-1D2B 1D78-1D78 A640-A69D 1E030-1E06D",
    "Deva": "904-97F A8F2-A8FE 11B0A-11B0A",
    "Ethi": "1200-138F 2D80-2DDE AB01-AB2E 1E7E0-1E7FE",
    "Geor": "10A0-10FF 1C90-1CBF 2D00-2D2D",
    "Goth": "10330-10349",
    "Grek": "370-373 376-3E1 3F0-3FF 1D26-1D2A 1D5D-1D61 1D66-1D6A 1DBF-1DBF 1F00-1FFC 2126-2126 AB65-AB65"
    " 1DFF3-1DFF4",
    "Gujr": "A85-AF9",
    "Guru": "A05-A74",
    "Hang": "1100-11FF 3131-318E A960-A97C AC00-D7FB FFA0-FFDC",
    "Hani": "3005-3005 303B-303B 3400-9FFF F900-FAD9 16FE3-16FF3 20000-33479",
    "Hebr": "5D0-5F2 FB1D-FB4F",
    "Hira": "3041-309F 1B001-1B11F 1B123-1B152",
    "Hmnp": "1E100-1E14E",
    "Java": "A984-A9B2",
    "Kana": "30A1-30FA 30FD-30FF 31F0-31FF FF66-FF6F FF71-FF9D 1AFF0-1B000 1B120-1B128 1B155-1B168",
    "Khmr": "1780-17DC",
    "Knda": "C80-CF2",
    "Lana": "1A20-1AA7",
    "Laoo": "E81-EDF",
    "Latn": "41-AA BA-2B8 2E0-2E4 1D00-1D25 1D2C-1D5C 1D62-1D65 1D6B-1D77 1D79-1DBE 1E00-1EFF 2071-209F"
    " 212A-212B 2132-2132 214E-2184 2C60-2C7F A722-A787 A78B-A7FF AB30-AB64 AB66-AB6D FB00-FB06 FF21-FF5A"
    " 10780-107BF"
    " 1DF00-1DFFF",
    "Lepc": "1C00-1C4F",
    "Limb": "1900-191E",
    "Mlym": "D04-D7F",
    "Mong": "1820-18AA",
    "Mtei": "AAE0-AAF4 ABC0-ABE2",
    "Mymr": "1000-108E A9E0-A9FE AA60-AA7F",
    "Nkoo": "7CA-7FA",
    "Olck": "1C5A-1C7D",
    "Orya": "B05-B71",
    "Samr": "800-828",
    "Sinh": "D85-DC6",
    "Sund": "1B83-1BBF",
    "Syrc": "710-74F 860-86A",
    "Tale": "1950-1974",
    "Talu": "1980-19C9",
    "Taml": "B83-BD0",
    "Telu": "C05-C61",
    "Tfng": "2D30-2D6F",
    "Thaa": "780-7B1",
    "Thai": "E01-E46",
    "Tibt": "F00-F8C",
    "Vaii": "A500-A62B",
    "Yiii": "A000-A48C",
}
"""ISO 15924 code to ranges of code points, of the scripts in use today: Unicode's property Script, of
letters. Gaps between letters of one script are filled, since what is no letter is not asked for."""

OTHER = "Zyyy"
"""What letters of no script of the table are counted under."""


@cache
def script_of(letter: str) -> str:
    """The script of a letter.

    >>> script_of("ß"), script_of("я"), script_of("ー"), script_of("語")
    ('Latn', 'Cyrl', 'Zyyy', 'Hani')
    """
    starts, bounds = _table()
    at = bisect_right(starts, ord(letter)) - 1
    return bounds[at][1] if at >= 0 and ord(letter) <= bounds[at][0] else OTHER


def scripts(counts: Mapping[str, int]) -> dict[str, int]:
    """Letters of each script of a text, in the order of the codes.

    Args:
        counts: how often each character stands in the text.

    >>> scripts({"a": 2, "я": 1, "!": 5})
    {'Cyrl': 1, 'Latn': 2}
    """
    found: dict[str, int] = {}
    for character, count in counts.items():
        if unicodedata.category(character)[0] == "L":
            script = script_of(character)
            found[script] = found.get(script, 0) + count
    return dict(sorted(found.items()))


@cache
def _table() -> tuple[list[int], list[tuple[int, str]]]:
    """First code point of each range, and beside it its last one with the script."""
    rows = sorted(
        (int(first, 16), int(last, 16), script)
        for script, ranges in _RANGES.items()
        for first, _, last in (each.partition("-") for each in ranges.split())
    )
    return [row[0] for row in rows], [row[1:] for row in rows]
