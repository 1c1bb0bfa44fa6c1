"""Scripts of letters: ISO 15924 codes, counted in a text."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import Counter
from functools import cache

import numpy as np
import numpy.typing as npt

_STARTS = """
41:Latn b5:- ba:Latn 2b9:- 2e0:Latn 2ec:- 370:Grek 374:- 376:Grek 3e2:Copt 3f0:Grek 400:Cyrl
531:Armn 5d0:Hebr 620:Arab 640:- 641:Arab 710:Syrc 750:Arab 780:Thaa 7ca:Nkoo 800:Samr 840:Mand
860:Syrc 870:Arab 904:Deva 980:Beng a05:Guru a85:Gujr b05:Orya b83:Taml c05:Telu c80:Knda d04:Mlym
d85:Sinh e01:Thai e81:Laoo f00:Tibt 1000:Mymr 10a0:Geor 1100:Hang 1200:Ethi 13a0:Cher 1401:Cans
1681:Ogam 16a0:Runr 1700:Tglg 1720:Hano 1740:Buhd 1760:Tagb 1780:Khmr 1820:Mong 18b0:Cans 1900:Limb
1950:Tale 1980:Talu 1a00:Bugi 1a20:Lana 1b05:Bali 1b83:Sund 1bc0:Batk 1c00:Lepc 1c5a:Olck 1c80:Cyrl
1c90:Geor 1ce9:- 1d00:Latn 1d26:Grek 1d2b:Cyrl 1d2c:Latn 1d5d:Grek 1d62:Latn 1d66:Grek 1d6b:Latn
1d78:Cyrl 1d79:Latn 1dbf:Grek 1e00:Latn 1f00:Grek 2071:Latn 2102:- 2126:Grek 2128:- 212a:Latn 212c:-
2132:Latn 2133:- 214e:Latn 2c00:Glag 2c60:Latn 2c80:Copt 2d00:Geor 2d30:Tfng 2d80:Ethi 2e2f:-
3005:Hani 3006:- 303b:Hani 303c:- 3041:Hira 30a1:Kana 30fc:- 30fd:Kana 3105:Bopo 3131:Hang 31a0:Bopo
31f0:Kana 3400:Hani a000:Yiii a4d0:Lisu a500:Vaii a640:Cyrl a6a0:Bamu a717:- a722:Latn a788:-
a78b:Latn a800:Sylo a840:Phag a882:Saur a8f2:Deva a90a:Kali a930:Rjng a960:Hang a984:Java a9cf:-
a9e0:Mymr aa00:Cham aa60:Mymr aa80:Tavt aae0:Mtei ab01:Ethi ab30:Latn ab65:Grek ab66:Latn ab70:Cher
abc0:Mtei ac00:Hang f900:Hani fb00:Latn fb13:Armn fb1d:Hebr fb50:Arab ff21:Latn ff66:Kana ff70:-
ff71:Kana ff9e:- ffa0:Hang 10000:- 10300:Ital 10330:Goth 10350:- 10400:Dsrt 10450:Shaw 10480:-
104b0:Osge 10500:- 10780:Latn 10800:- 10900:Phnx 10920:- 10d00:Rohg 10e80:- 11003:Brah 11083:Kthi
110d0:- 11103:Cakm 11150:- 11183:Shrd 11200:Khoj 11280:- 112b0:Sind 11305:- 11400:Newa 11480:Tirh
11580:Sidd 11600:Modi 11680:Takr 11700:- 118a0:Wara 11900:- 11ab0:Cans 11ac0:- 11fb0:Lisu 12000:Xsux
12f90:- 13000:Egyp 14400:- 16800:Bamu 16a40:Mroo 16a70:- 16b00:Hmng 16e40:- 16f00:Plrd 16fe0:-
16fe3:Hani 17000:- 1aff0:Kana 1b001:Hira 1b120:Kana 1b150:Hira 1b164:Kana 1b170:- 1df00:Latn
1e100:Hmnp 1e290:- 1e2c0:Wcho 1e7e0:Ethi 1e800:- 1e900:Adlm 1ee00:Arab 20000:Hani
"""
"""Where a run of letters of one script begins, as hexadecimal code point and ISO 15924 code, ``-`` for
letters that several scripts share. From the property Script of Unicode; what lies between is no letter."""

_NO_ASCII_LETTERS = bytes(b for b in range(256) if not (chr(b).isascii() and chr(b).isalpha()))
_JAPANESE = ("Hani", "Hira", "Kana")
_LEAST_KANA = 0.05
"""Share of kana from which on Han characters around them are Japanese: Chinese texts quote single kana."""
_CLEAR = 0.8
"""Share of the characters of one form of Chinese among those that tell the two apart."""


@cache
def _table() -> tuple[list[int], list[str]]:
    entries = [entry.split(":") for entry in _STARTS.split()]
    return [int(start, 16) for start, _ in entries], ["" if code == "-" else code for _, code in entries]


@cache
def script_of(character: str) -> str:
    """ISO 15924 code of a letter's script; ``""`` for what is no letter or belongs to several scripts.

    >>> script_of("я"), script_of("的"), script_of("7")
    ('Cyrl', 'Hani', '')
    """
    if not character.isalpha() or character < "A":
        return ""
    starts, codes = _table()
    return codes[bisect_right(starts, ord(character)) - 1]


@cache
def _numbers() -> tuple[npt.NDArray[np.uint8], list[str]]:
    """`script_of` of each code point as the number of a name; 0 is ``""``."""
    starts, codes = _table()
    names = ["", *dict.fromkeys(filter(None, codes))]
    number = {name: place for place, name in enumerate(names)}
    numbers = np.zeros(sys.maxunicode + 1, np.uint8)
    for start, end, code in zip(starts, [*starts[1:], len(numbers)], codes, strict=True):
        letters = np.fromiter(map(str.isalpha, map(chr, range(start, end))), bool, end - start)
        numbers[start:end] = number[code] * letters
    return numbers, names


def count_letters(text: str) -> Counter[str]:
    """Letters of a text by script.

    >>> dict(count_letters("OK, да 12"))
    {'Latn': 2, 'Cyrl': 2}
    """
    if text.isascii():
        letters = len(text.encode().translate(None, _NO_ASCII_LETTERS))
        return Counter({"Latn": letters} if letters else {})
    numbers, names = _numbers()
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    counts = np.bincount(numbers[points], minlength=len(names))
    return Counter({names[number]: int(counts[number]) for number in np.flatnonzero(counts[1:]) + 1})


def main_script(letters: Counter[str], text: str) -> str | None:
    """The script that most letters are of; None where there are no letters.

    Han characters among kana are ``Jpan``, among Hangul ``Kore``; alone they are ``Hans`` or ``Hant`` where
    characters tell (`chinese_form`), else ``Hani``.
    """
    if not letters:
        return None
    kana, han, hangul = letters["Hira"] + letters["Kana"], letters["Hani"], letters["Hang"]
    groups = Counter({script: n for script, n in letters.items() if script not in (*_JAPANESE, "Hang")})
    eastern = kana + han + hangul
    if not eastern or (groups and max(groups.values()) > eastern):
        return min(groups, key=lambda script: (-groups[script], script))
    if hangul > kana and hangul >= _LEAST_KANA * eastern:
        return "Kore" if han else "Hang"
    if kana >= _LEAST_KANA * (kana + han):
        used = [script for script in _JAPANESE if letters[script]]
        return used[0] if len(used) == 1 else "Jpan"
    return chinese_form(text)


@cache
def _forms() -> tuple[frozenset[str], frozenset[str]]:
    """Characters of simplified Chinese alone, and of traditional Chinese alone, by what two standards hold.

    Simplified: in GB 2312 and not in Big5. Traditional: on the first level of Big5 (the common characters)
    and not in GB 2312.
    """
    han = [chr(code) for code in range(0x4E00, 0xA000)]
    simplified = {c for c in han if _encoded(c, "gb2312")}
    traditional = {c for c in han if _encoded(c, "big5")}
    common = {c for c in traditional if _encoded(c, "big5") < b"\xc6\xa1"}
    return frozenset(simplified - traditional), frozenset(common - simplified)


def _encoded(character: str, encoding: str) -> bytes:
    return character.encode(encoding, "ignore")


def chinese_form(text: str) -> str:
    """``Hans``, ``Hant``, or ``Hani`` where no character tells the two apart or both stand in a text.

    >>> chinese_form("我们"), chinese_form("我們"), chinese_form("山上有大石")
    ('Hans', 'Hant', 'Hani')
    """
    simplified, traditional = _forms()
    used = set(text)
    only_hans, only_hant = simplified & used, traditional & used
    if not (only_hans and only_hant):
        return "Hans" if only_hans else "Hant" if only_hant else "Hani"
    hans, hant = (sum(map(text.count, form)) for form in (only_hans, only_hant))
    told = hans + hant
    return "Hans" if hans >= _CLEAR * told else "Hant" if hant >= _CLEAR * told else "Hani"


@cache
def _in_japanese_set(character: str) -> bool:
    """Whether a Han character is of JIS X 0208, the set of Japanese texts."""
    try:
        return len(character.encode("euc_jp")) == 2
    except UnicodeEncodeError:
        return False


@cache
def _japanese_alone(character: str) -> bool:
    """Whether a character of that set is in neither of the two Chinese sets, as 沢 and 駅 are."""
    return _in_japanese_set(character) and not any(_encoded(character, other) for other in ("gb2312", "big5"))


def may_be_japanese(text: str) -> float:
    """How sure a few Han characters without kana are Japanese, 0 to 0.7.

    0 where a character is not in the Japanese set. 0.7 where one is in neither Chinese set; 0.6 where forms
    of both kinds of Chinese stand side by side, as 国 and 憲 do in Japanese; else 0.5.

    >>> may_be_japanese("我们等了一天"), may_be_japanese("中山"), may_be_japanese("東京駅")
    (0.0, 0.5, 0.7)
    """
    han = {character for character in text if script_of(character) == "Hani"} - {"々"}
    if not all(map(_in_japanese_set, han)):
        return 0.0
    if any(map(_japanese_alone, han)):
        return 0.7
    simplified, traditional = _forms()
    return 0.6 if han & simplified and han & traditional else 0.5
