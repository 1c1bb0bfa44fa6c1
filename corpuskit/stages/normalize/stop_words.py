"""Lists of stop words for 58 languages: those of the package ``stopwordsiso`` (Stopwords ISO, MIT).

They are long: of English they have 1,298 entries, negations (``not``, ``never``) and many full words
(``computer``, ``world``) with them. Whoever wants a sentence to keep its sense gives a list of their own.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version

import stopwordsiso

from corpuskit.documents.words import words

UNSPACED = frozenset({"ja", "th", "zh"})
"""Languages that put no blanks between words: there a word of the list is found in the middle of others."""

ELIDING = frozenset({"ca", "fr", "ga", "it"})
"""Languages whose articles and pronouns stand before an apostrophe: of ``l'eau`` the ``l`` is a word."""

_SIGNS = frozenset('.,:;!?”"|')

_SAME = {"nb": "no", "nn": "no", "iw": "he", "in": "id", "fil": "tl"}
"""Codes of languages whose list has another one."""

VERSION = version("stopwordsiso")


def code_of(language: str) -> str:
    """The code that a language's list has; ``de-AT`` has that of ``de``.

    >>> code_of("de_AT"), code_of("nb")
    ('de', 'no')
    """
    code = language.replace("_", "-").split("-")[0].lower()
    return _SAME.get(code, code)


@lru_cache(maxsize=64)
def stop_words(code: str) -> frozenset[str]:
    """The words of a list in lower case with straight apostrophes; none where there is no list.

    Left out are numbers, signs and phrases, which no single word of a text equals, and all of `UNSPACED`. An
    elided word has its apostrophe (``l'``).

    >>> sorted(stop_words("sw"))[:3], "l'" in stop_words("fr"), len(stop_words("zh"))
    (['akasema', 'alikuwa', 'alisema'], True, 0)
    """
    if code in UNSPACED:
        return frozenset()
    listed = {entry.lower().replace("’", "'") for entry in stopwordsiso.stopwords(code)}
    found = {entry for entry in listed if entry[0].isalpha() and len(words(entry)) == 1}
    found = {entry for entry in found if _SIGNS.isdisjoint(entry)}
    if code in ELIDING:
        found |= {f"{entry}'" for entry in found if entry.isalpha()}
    return frozenset(found)
