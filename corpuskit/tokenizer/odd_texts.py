"""Texts that two encoders may take differently, made by rule: an engine is judged by them before its use."""

from __future__ import annotations

import random
from collections.abc import Sequence

COUNT = 2000

# Atoms by kind, with a bar between them.
_KINDS = (
    " |  |   |\t|\n|\n\n|\r\n|\r| \n|\n |\xa0|\u3000|\u2028|\x0b|\x85",
    ".|,|!|?!|...|'|\"|\u2019|\u201c|(|)|-|\u2014|/|//|_|#|$|\\|##|</w>|<0x41>|\u2581|\u0120",
    "'s|'S|'t|'re|'LL|'d|'ve|\u2019s|'\u017f|''s|'x",
    "7|42|123|1234|1234567|3.14|\u0663\u0664|\xbd|\u2168|\u09ea|\U0001d7d8|\u2460",
    "a|the|The|THE|river|HTTPServer|iPhone|stra\xdfe|\u01c5ep|na\xefve|nai\u0308ve|\u02bcokina|\xaa|\ufb01",
    "\u043c\u0438\u0440|\u041c\u0418\u0420|\u03c3\u03af\u03b3\u03bc\u03b1|\u05e9\u05dc\u05d5\u05dd"
    "|\u0645\u064e\u0631\u062d|\u0928\u092e\u0938\u094d\u0924\u0947|\u0ba4\u0bae\u0bbf\u0bb4\u0bcd"
    "|\u0e20\u0e32\u0e29\u0e32|\u1019\u103c\u1014\u103a|\u6f22\u5b57|\u304b\u306a|\u30ab\u30ca\u30fc"
    "|\ud55c\uad6d\uc5b4|\u1112\u1161\u11ab|\u10e5\u10d0\u10e0\u10d7|\u2113|\U00010400\U00010428"
    "|\U00020000|\u0345|x\u0301\u0323",
    "\U0001f600|\U0001f9d1\u200d\U0001f680|\U0001f1eb\U0001f1f7|\u200b|\u200d|\ufeff|\ufffd|\0|\x1b[0m|\x7f"
    "|\xad|\ue000|\u0378|\U0001fbf0|\U000e0001",
)

# What engines count runs of, or look back over.
_RUNS = " |\n|\t|a|A|1|.|\u4e00|\u0301|\U0001f600|\r\n| \n|'s|a |0 |\xe9"


def odd_texts(spelled: Sequence[str] = (), count: int = COUNT) -> list[str]:
    """The same texts each time: mixtures of odd atoms, runs of one, characters of the whole of Unicode.

    Args:
        spelled: tokens whose names stand among the atoms: text is never control.
    """
    chance = random.Random(11)
    kinds = [*(kind.split("|") for kind in _KINDS), *([list(spelled)] if spelled else [])]
    runs = (run * length for run in _RUNS.split("|") for length in (2, 3, 4, 5, 31, 300))
    texts = ["", *spelled, *runs]
    while len(texts) < count:
        if len(texts) % 8 == 0:
            texts.append("".join(_character(chance) for _ in range(chance.randint(1, 30))))
        else:
            texts.append("".join(chance.choice(chance.choice(kinds)) for _ in range(chance.randint(1, 24))))
    return texts[:count]


def _character(chance: random.Random) -> str:
    """Any character but halves of pairs, those of the first planes more often."""
    number = chance.randrange(chance.choice((0x80, 0x250, 0x3000, 0x10000, 0x20000, 0x110000)))
    return chr(number) if not 0xD800 <= number < 0xE000 else "\ufffd"
