"""How well a text of one byte to a character fits the encoding that it was read in.

A wrong code page shows in words: symbols between letters (``caf‚``, ``don™t``), capitals behind small letters
(``cafŽ``), letters of two scripts in one word, and letters that the language does not have (``õ`` for the
Hungarian ``ő``). `misfit` is the share of the characters above ASCII that stand so.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

GOOD = 0.1
"""Misfit up to which a reading is believed: foreign names and typing errors are below it in real books."""

CLEAN = 0.02
"""Misfit of a reading in which all is of one language but a name here and there."""

MARGIN = 0.2
"""How much better another reading must fit than a declared one to be taken instead."""

LEAST = 3
"""Characters above ASCII below which nothing is told against what is declared."""

_WESTERN = "àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿßœðþ"
_OWN_AND_LOANED = {
    "af": "éèêëîïôöûüá",
    "br": "âêîôûùüñ",
    "ca": "àèéíïòóúüç áêìñ",
    "cs": "áčďéěíňóřšťúůýž äöü",
    "cy": "âêîôûŵŷáàäéèëíìïóòöúùüẁẃẅỳýÿ",
    "da": "æøåé áäöüóèê",
    "de": "äöüßé èàáçêëïîôœæâñûíóú",
    "eo": "ĉĝĥĵŝŭ éèáíóúäöü",
    "es": "áéíóúüñ çàèêïöâî",
    "et": "äöüõšž é",
    "fi": "äöå éüšžáèêô",
    "fr": "àâæçèéêëîïôœùûüÿ äöñíáóúì",
    "fy": "âêôûúéëïöü ä",
    "ga": "áéíóú",
    "gl": "áéíóúüñ",
    "hr": "čćđšž éáíóúäöü",
    "hu": "áéíóöőúüű ä",
    "is": "áðéíóúýþæö äüø",
    "it": "àèéìíîòóùú çâêôûäöüáï",
    "lt": "ąčęėįšųūž",
    "lv": "āčēģīķļņšūž",
    "nl": "éëïöüèóáä àâçêíìîòôúùûñæœ",
    "no": "æøåé èêóòôäöüáí",
    "pl": "ąćęłńóśźż éäöüçèáàâ",
    "pt": "áâãàçéêíóôõúü èìòùîïöûñäë",
    "ro": "ăâîșțşţ éèàáöüä",
    "sk": "áäčďéíĺľňóôŕšťúýž öü",
    "sl": "čšž ćđéáíóúäöüêôà",
    "sr": "čćđšž",
    "sv": "åäöé èàáüæøêçôûë",
    "tl": "ñ áéíóúàèìòùâêîôû",
    "tr": "çğıiöşüâîû é",
}
"""Small letters beyond ASCII of languages, and after a space those that come with names and loan words."""

ALPHABETS = {language: letters.replace(" ", "") for language, letters in _OWN_AND_LOANED.items()} | {
    "en": _WESTERN,
    "la": _WESTERN + "āēīōūăĕĭŏŭ",
    "vi": "àáâãèéêìíòóôõùúýăđĩũơư",
}

_GLUE = frozenset("’‘´`—–‐‑-…·\u00ad\u00a0\u200d•ˈ“”„«»/'")
"""Marks that stand between two letters in honest text: apostrophes, dashes, dots, quotes without spaces."""

_ODD = re.compile(
    r"(?<=[lL])S(?=[luLU])|(?<=[oP])S(?=[oP])"  # a symbol between letters
    r"|(?<=[lL])B|B(?=[luL])"  # a line of a box at a letter
    r"|(?<=[lL])U|(?<=o)P"  # a capital behind a small letter
    r"|(?<=[luLU])[oOP]|[oOP](?=[luLU])"  # letters of another script beside Latin ones
    r"|(?<![luLUoOP])[LUoOP](?=d)"  # a letter in the place of the sign before a number
)
"""Over classes: d digits, l u Latin letters of ASCII, L U those beyond, o P O small, capital, other letters
of other scripts, S symbols."""
_ALONE = re.compile(r"(?<![luLUoOP])[oOP](?![luLUoOP])")
"""One letter of another script by itself, which a language of Latin script has no use for."""


def has_alphabet(language: str) -> bool:
    """Whether the letters of a language are known here."""
    return language in ALPHABETS


def is_of_latin_script(language: str) -> bool:
    """Whether a language is known to be written in Latin script alone, as Serbian is not."""
    return language in ALPHABETS and language != "sr"


def misfit(text: str, language: str = "") -> float:
    """The share of the characters above ASCII that speak against how a text was decoded, 0 to 1 and more.

    Args:
        language: ISO 639 code if it is known; else the alphabet that fits best counts.
    """
    return misfit_of_words(Counter(word for word in text.split(" ") if not word.isascii()), language)


def misfit_of_words(words: Mapping[str, int], language: str = "") -> float:
    """`misfit` of a text by what stands between its spaces, each once, and how often.

    Letters tell by the signs beside them alone: what is said again tells the same again.
    """
    beyond: Counter[str] = Counter()
    for word, count in words.items():
        for char in word:
            if char > "\x7f":
                beyond[char] += count
    if not beyond:
        return 0.0
    known = ALPHABETS.get(language)
    alphabets = (known,) if known else tuple(ALPHABETS.values())
    class_of = {ord(char): _class(char) for char in set().union(*words)}
    forms: Counter[str] = Counter()
    for word, count in words.items():
        forms[word.translate(class_of)] += count
    odd = sum(count * len(_ODD.findall(form)) for form, count in forms.items())
    if known:
        odd += sum(count * len(_ALONE.findall(form)) for form, count in forms.items())
    return (odd + _foreign(beyond, alphabets)) / beyond.total()


@lru_cache(maxsize=4096)
def _class(char: str) -> str:
    """The letter that stands for a character in `_ODD`."""
    if char < "\x80":
        return "l" if char.islower() else "u" if char.isupper() else "d" if char.isdigit() else " "
    if char in _GLUE:
        return "-"
    if "\u2500" <= char <= "\u259f":
        return "B"
    if "\uff61" <= char <= "\uff9f":
        return "O"  # half-width Japanese, its punctuation too
    if not char.isalpha():
        return "m" if unicodedata.category(char).startswith("M") else "S"
    if char in "ªº":
        return "-"
    if unicodedata.name(char, "").startswith("LATIN"):
        return "U" if char.isupper() else "L"
    return "P" if char.isupper() else "O" if not char.islower() else "o"


def _foreign(beyond: Counter[str], alphabets: tuple[str, ...]) -> int:
    """How many Latin letters beyond ASCII are not in the alphabet that has most of them."""
    letters: Counter[str] = Counter()
    for char, count in beyond.items():
        if _class(char) in "LU":
            letters[char.lower()] += count
    return min(sum(n for c, n in letters.items() if c not in alphabet) for alphabet in alphabets)
