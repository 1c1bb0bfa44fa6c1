"""Forms of words and lines by which a block of a Gutenberg book shows what it is: chapters, dates, leaders.

Words are those of the languages of the corpora: English, German, French, Spanish, Portuguese, Italian, Dutch,
Swedish, Finnish, Hungarian, Polish, Esperanto. `corpuskit.sources.gutenberg.blocks` decides by them.
"""

from __future__ import annotations

import re

_MONTH = (
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
OPENING = " \t\u3000_\"'“”‘’«»„‚([{*=~+-—–†|"
CLOSING = " _\"'”’»“)]}=~+*"
GAP = re.compile(r"\S {3,}(?=\S)|\t|\.{4,} *(?=[\d$ivxlc])|\.{5,}|(?:\. ){4,}|\S  +(?=[\divxlc]+\.?$)")
NUMBER_AT_END = re.compile(r"(?:\s{2,}|[,;] _?=?|(?<=[^\W\d_]{4})\. )(?:\d[\d\-–,_= ]*|[ivxlc]+)[.;,_=]*$")
NOTE = re.compile(r"\s*(?:\[(?:\d{1,4}|[A-Z]{1,2}|\*{1,3}|[†‡])\]\S?|\[?footnote\b)", re.IGNORECASE)
"""The mark of a note at the beginning of a block."""
NOTE_LABEL = re.compile(r"\W*footnotes? \w{1,4}\W*", re.IGNORECASE)
"""The number of a note, alone on its line."""
LEADER = re.compile(r"\S(?: {3,}|\.{4,})_?(?:\$?[\d.]+|[ivxlc]+|frontispiece)[_.]*$", re.IGNORECASE)
ITEM = re.compile(r"\s*(?:\d{1,3}[.)]|[IVXLC]{1,7}[.)]|\([a-z\d]{1,3}\)|[*•-])\s+\S")
RULES = re.compile(r"[\s*_=·•.#~+<>|–—o-]+")
CHAPTER = re.compile(
    r"""[\W_]{0,4}(?:
        (?:chapter|chap\.|book|part|volume|vol\.|letter|act|scene|canto|section|sect\.|stave|epilogue|prologue|preface
        |introduction|contents|index|appendix|footnotes?|notes|glossary|dedication|foreword|postscript|finis
        |the\ end|end\ of|first|second|third|fourth|fifth|kapitel|buch|teil|akt|szene|auftritt|vorwort
        |inhalt|chapitre
        |livre|tome|partie|acte|scène|table\ des|préface|capítulo|capitulo|libro|parte|canto|cap\.|tomo
        |prólogo|capitolo
        |atto|scena|hoofdstuk|deel|inhoud|luku|runo|fejezet|rozdział|księga|ĉapitro|fin|fine|ende)(?!\w)
        |[IVXLC]{1,8}\.?\s*$|\d{1,3}[.)]?\s*$
    )""",
    re.IGNORECASE | re.VERBOSE,
)
ROMAN_TITLE = re.compile(r"[\W_]{0,4}(?:[IVXLC]{1,8}|\d{1,3})\.(?:\s|--|—)+\S")
YEAR = re.compile(r"\W*(?:1[4-9]\d\d|M[DCLXVI]{3,})\W*")
FOOTNOTE = re.compile(r"\s*(?:\[[\w*]{1,4}\]|\d{1,3}[:.)]|\*|\[?footnote)", re.IGNORECASE)
SIGNED = re.compile(
    r"[\W_]{0,3}(?:i am|i remain|i have the honou?r|believe me|ever|yours?|your own|very|most"
    r"|with)\b[^.!?]{0,70}"
    r"\b(?:yours?|ever|servant|friend|sister|brother|son|daughter|mother|father|wife|husband"
    r"|affectionate(?:ly)?"
    r"|truly|sincerely|faithfully|respectfully|obligation|obliged|attached|&c|etc)\b[.,;:]*",
    re.IGNORECASE,
)
SIGNED_FIRST = re.compile(
    r"[\W_]{0,3}(?:i am|i remain|i have the honou?r|believe me|ever|yours?|your own|most|with)\b", re.I
)
SALUTED = re.compile(
    r"[\W_]{0,3}(?:my |o )?(?:dear|dearest|beloved|honou?red|sir|madam|gentlemen)\b.{0,40}[,:—-]+$", re.I
)
INITIALS = re.compile(r"_?(?![IVXLC]+\.)(?:[A-Z]\. ?){1,4}_?")
DATED = re.compile(
    r"[^.!?;]{0,50}\b(?:"
    + _MONTH
    + r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b[^a-z]{0,12}\d[^!?]{0,24}$",
    re.IGNORECASE,
)
CAPTION = re.compile(
    r"\[?[_* ]*illustration\b|\[(?:picture|image|map|plate|headpiece|tailpiece)\b", re.IGNORECASE
)
LISTS = re.compile(
    r"\W*(?:table of |list of |the )?(?:contents|illustrations|plates|maps|persons.{0,40}"
    r"|dramatis person.{0,4}|characters.{0,30}"
    r"|cast.{0,20}|personnages|personen|personas|index.{0,30}|errata|(?:books|works|novels) by .{0,40}"
    r"|table des mati.res|inhalt"
    r"|inhoud|indice|índice|tabla|innehåll|sisällys|tartalom|spis rzeczy|enhavo)\W*",
    re.IGNORECASE,
)
SPEAKER = re.compile(
    r"[ \t]{0,8}_?(?!(?:Mrs?|Dr|St|M|Mme|Mlle|No|Vol|Chap|Fig|Sect|Art|Page)\b)"
    r"([A-Z][\w’']{0,15}(?:[ -][A-Z][\w’'.]{0,15}){0,3})_?(?:,? ?[(\[][^)\]\n]{1,60}[)\]])?[.:](?:_| |$)"
)

SPEAKER_ALONE = re.compile(
    r"[ \t]{0,24}_?((?:[^\W\d_]|[’'. -]){3,30}?)[.:]?_?(?: ?[(\[][^)\]\n]{1,60}[)\]])?[.:]?"
)
"""A name in capitals on a line of its own, with or without a direction."""
_IMAGE_FILE = re.compile(
    r"\W*(?:\S+\.(?:jpe?g|png|gif)\b.{0,40}|full size|enlarge|original size)\W*", re.IGNORECASE
)
IMPRINT = re.compile(
    r"\W*(?:copyright|all rights reserved|printed (?:in|by)|published (?:in|by)|entered,? according)\b",
    re.IGNORECASE,
)
DATE_AT_RIGHT = re.compile(
    r"\S {3,}(?=\S)[^.!?;]{0,30}\b(?:" + _MONTH + r")\b"
    r"[^a-z]{0,12}\d\D{0,3}\W*\d{0,4}\W*$",
    re.IGNORECASE,
)
_LONGEST_FILE_NAME = 300


def is_image_file(text: str) -> bool:
    """Whether a line names a file of a picture, or is the label of a link to one."""
    return len(text) <= _LONGEST_FILE_NAME and _IMAGE_FILE.fullmatch(text) is not None
