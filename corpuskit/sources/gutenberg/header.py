"""What the header of a Project Gutenberg file says about the book: number, title, author, language, dates.

Headers since about 2001 have fields (``Title: ...``). Before that the facts stand in sentences:
``The Project Gutenberg Etext of Persuasion by Jane Austen``, ``March, 1994  [Etext #11]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD_CHARS = 6_000
"""How far fields, number and copyright are looked for in a file without a start marker; the last field met
ends at 2,428. Further on the words would be the book's."""

_FIELD = re.compile(
    r"^[ \t]*(title|author|release date|posting date|official release date|language|sprache|langue|idioma"
    r"|character set encoding|most recently updated|last updated?)[ \t]*:[ \t]*([^\n]*)"
    r"((?:\n[ \t]{2,}(?![A-Z][\w ]{2,24}:)\S[^\n]*){0,4})",
    re.IGNORECASE | re.MULTILINE,
)
_CHARSET = re.compile(rb"character set encoding:[ \t]*([^\r\n]*)", re.IGNORECASE)
_LANGUAGE_FIELD = re.compile(rb"(?im)^[ \t]*(?:language|sprache|langue|idioma):[ \t]*([^\r\n]*)")
_NUMBER = re.compile(
    r"\[\s*(?:project\s+gutenberg\s+)?e-?(?:texte?|book|buch|bok|boek|kirja|libro|livre)[\s-]*"
    r"(?:#|no?[.:]|n[°ºo]\.?|nr\.?|number|nummer|numero)\s*:?\s*(\d{1,6})[a-z]?\s*\]",
    re.IGNORECASE,
)
"""``[EBook #1342]``, ``[Etext #11]``, ``[E-Text No. 11]``, ``[eBook-Nr. 2229]``."""
_FILE_NAME = re.compile(r"(?i)this\s+file\s+should\s+be\s+named\s+(?:pg)?(\d{1,6})(?:-\w+)?\.(?:txt|zip)")
_OLD_TITLE = re.compile(
    r"(?im)^\W*(?:this is )?(?:the )?project gutenberg(?:['’]s)? (?:e-?text|e-?book)(?: of)?[ ,]+(.+?)\W*$"
)
_IN_LANGUAGE = re.compile(
    r"(?:project gutenberg(?:['’]s)? e-?text .*[ ,(]|this e-?text is )in ([A-Z][a-z]+)\b", re.IGNORECASE
)
_COPYRIGHTED = re.compile(
    r"copyrighted\s+project\s+gutenberg|has certain copyright implications"
    r"|electronic\s+version\s+of\s.{0,200}?\bis\s+copyright\b",
    re.IGNORECASE | re.DOTALL,
)
_OLD_DATE = re.compile(
    r"^\W*(?:official release date )?((?:january|february|march|april|may|june|july|august|september|october"
    r"|november|december),? (?:\d{1,2}, )?\d{4})\b",
    re.IGNORECASE | re.MULTILINE,
)
_UPDATED = re.compile(r"\[?(?:date |this file )last updated(?: on)?:? ([^\]\n]+)", re.IGNORECASE)

_LANGUAGES = """
    afrikaans: af, arabic: ar, asturian: ast, breton: br, bulgarian: bg, catalan: ca, chinese: zh,
    croatian: hr, czech: cs, danish: da, dutch: nl, english: en, esperanto: eo, estonian: et, farsi: fa,
    finnish: fi, french: fr, frisian: fy, friulian: fur, gaelic: gd, galician: gl, german: de, greek: el,
    hebrew: he, hungarian: hu, icelandic: is, interlingua: ia, irish: ga, italian: it, japanese: ja,
    kashubian: csb, korean: ko, latin: la, lithuanian: lt, maori: mi, middle english: enm, nahuatl: nah,
    napoletano-calabrese: nap, norwegian: no, occitan: oc, old english: ang, polish: pl, portuguese: pt,
    romanian: ro, russian: ru, sanskrit: sa, scots: sco, serbian: sr, slovenian: sl, spanish: es,
    swedish: sv, tagalog: tl, telugu: te, turkish: tr, ukrainian: uk, vietnamese: vi, welsh: cy, yiddish: yi,
    deutsch: de, français: fr, francais: fr, español: es, castellano: es
"""
"""English names, and last what German, French and Spanish headers call their own language."""
LANGUAGES = dict(pair.strip().split(": ") for pair in _LANGUAGES.split(","))
"""Language names in headers and their ISO 639 codes."""


@dataclass(frozen=True)
class Header:
    """Facts of a header; empty where it does not state them.

    Attributes:
        number: the book's number.
        language: ISO 639 code of the first language named.
        language_name: as the header names it.
        released: newest of the release and update dates, ``yyyymmdd`` with zeros for what is not given.
        copyrighted: the file says that it is not in the public domain.
    """

    number: int | None = None
    title: str = ""
    author: str = ""
    language: str = ""
    language_name: str = ""
    released: int = 0
    copyrighted: bool = False


def declared_encoding(data: bytes) -> str:
    """The encoding that the header names, ``""`` for none. The field is ASCII in every encoding met."""
    found = _CHARSET.search(data[:HEAD_CHARS])
    return found[1].decode("ascii", "replace").strip() if found else ""


def declared_language(data: bytes) -> str:
    """ISO 639 code of the language that a header's bytes name, ``""`` for none.

    >>> declared_language(b"Title: X\\n\\nLanguage: Hungarian\\n"), declared_language(b"Sprache: Deutsch")
    ('hu', 'de')
    """
    found = _LANGUAGE_FIELD.search(data[:HEAD_CHARS])
    return _language_code(found[1].decode("latin-1")) if found else ""


def number_in_licence(text: str) -> int | None:
    """The number in ``This file should be named 1342-0.txt``, which stands above a licence.

    >>> number_in_licence("***** This file should be named 1342-0.txt or 1342-0.zip *****")
    1342
    """
    found = _FILE_NAME.search(text)
    return int(found[1]) or None if found else None


def read_header(text: str) -> Header:
    """Read a header (or the first `HEAD_CHARS` characters of a file whose header has no known end)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    fields: dict[str, str] = {}
    dates = []
    for found in _FIELD.finditer(text):
        name = found[1].lower()
        value = re.sub(r"\s+", " ", found[2] + found[3]).strip()
        fields.setdefault(name, value)
        if "date" in name:
            dates.append(found[2])
            # The date of the last update often stands on a line of its own below, indented.
            dates += re.findall(r"updated: *([^\n]+)", found[3])
    dates += [m[1] for pattern in (_OLD_DATE, _UPDATED) for m in pattern.finditer(text)]
    number = _NUMBER.search(text)
    old_title, old_author = _old_title(text)
    languages = (fields.get(k, "") for k in ("language", "sprache", "langue", "idioma"))
    spoken = _IN_LANGUAGE.search(text)
    old_language = spoken[1] if spoken and spoken[1].lower() in LANGUAGES else ""
    language = next(filter(None, languages), old_language)
    return Header(
        number=int(number[1]) if number and int(number[1]) else None,
        title=fields.get("title") or old_title,
        author=fields.get("author") or old_author,
        language=_language_code(language),
        language_name=language,
        released=max(map(_date, dates), default=0),
        copyrighted=bool(_COPYRIGHTED.search(text)),
    )


def _old_title(text: str) -> tuple[str, str]:
    """Title and author from ``The Project Gutenberg Etext of TITLE, by AUTHOR``."""
    if not (found := _OLD_TITLE.search(text)):
        return "", ""
    title, _, author = re.sub(r"\s+", " ", found[1]).partition(" by ")
    author = re.sub(r",? in [A-Z][a-z]+$", "", author)
    return title.strip(' ,"*'), author.strip(' ,"*')


def _language_code(name: str) -> str:
    """The code of the first language in ``English, with French``; ``""`` for one that is not known.

    >>> _language_code("English and Latin"), _language_code("Gaelic, Scottish"), _language_code("Volapük")
    ('en', 'gd', '')
    """
    words = re.split(r"\s*(?:[,;/(&]|\band\b|\bwith\b)\s*", name.strip().lower())
    return LANGUAGES.get(name.strip().lower()) or LANGUAGES.get(words[0], "")


_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def _date(words: str) -> int:
    """``yyyymmdd`` of a date in words, zeros for what is missing.

    >>> _date("June 25, 2008 [EBook #11]"), _date("March, 1994"), _date("26 Jul 2011"), _date("1999")
    (20080625, 19940300, 20110726, 19990000)
    """
    words = words.split("[")[0]
    if not (year := re.search(r"\b(1[89]\d\d|20\d\d)\b", words)):
        return 0
    names = (word[:3].lower() for word in re.findall(r"[A-Za-z]{3,}", words))
    month = next((_MONTHS.index(name) + 1 for name in names if name in _MONTHS), 0)
    day = re.search(r"\b([0-2]?\d|3[01])\b(?!\d)", words.replace(year[0], " "))
    return int(year[0]) * 10_000 + month * 100 + (int(day[0]) if day and month else 0)
