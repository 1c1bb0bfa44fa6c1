"""Telephone numbers in a text, by the forms in which countries write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from corpuskit.stages.quality.personal.net import IN_WORD, Place

_FORMS = """
US nxx nxx xxxx | 1 nxx nxx xxxx
CA nxx nxx xxxx | 1 nxx nxx xxxx
GB 02x xxxx xxxx | 01xx xxx xxxx | 01xxx x{5,6} | 01xxx xxx xxx | 07xxx x{6} | 07xxx xxx xxx
GB 0[389]xx xxx xxxx
GB 0800 x{6,7} | 0[58]xx x{6,7}
FR 0[1-9] xx xx xx xx | 0 [89]xx xx xx xx | 08xx xxx xxx
DE 0[2-9]x{1,4} x{4,8} | 0[2-9]x{1,3} x{3,5} x{2,5} | 0[2-9]x{1,3} xx xx xx x{0,2}
DE 0[2-9]x{1,3} x{2,3} xx xx
DE 01[5-7]x{1,3} x{6,8} | 01[5-7]x{1,2} xxx xx xx | 01[5-7]x{1,2} x{3,4} x{4,5} | 01[5-7]x{1,2} x{5} x{2}
DE 0800 xxx xxxx | 0800 x{7,10}
DE ~0[2-9]x{2,4} x{3,}
AT 0[1-9]x{0,3} x{5,9} | 0[1-9]x{0,3} xxx xx xx | 06xx xxx xxxx
AU 0[23478] xxxx xxxx | 04xx xxx xxx | 1[38]00 xxx xxx
SE 0[1-9]x{0,2} x{2,3} xx xx | 0[1-9]x{0,2} xxx xxx xx | 0[1-9]xx? xxx xx | 07x xxxxxxx
SE 0[1-9]x? x{5,7}
IE 01 xxx xxxx | 0[2-9]x xxx xxxx | 0[2-9]x{1,2} x{5,7} | 08x xxx xxxx | 1800 xxx xxx
ES [6789]xx xx xx xx | ~[6789]xx xxx xxx | ~[6789]x{8}
IT 0[1-9]x{0,2} x{3,4} x{4} | 0[1-9]x{0,3} x{6,8} | 3xx xxx xxxx
IT ~3xx x{6,7} | ~3xx xxx xxx | ~0[1-9]x{0,2} x{3,5} x{3,5} | ~800 xxx xxx
NL 0[1-9]x xxx xxxx | 0[1-9]xx xxx xxx | 0[1-9]x{1,2} x{6,7} | 06 x{8} | 06 xx xx xx xx | 06 xxxx xxxx
NL 0[89]00 x{4}(?:xxx)?
JP 0[1-9] xxxx xxxx | 0[1-9]x xxx xxxx | 0[1-9]xx xx xxxx | 0[5789]0 xxxx xxxx | 0120 xxx xxx
JP 0[1-9]xxx x xxxx
IN 0[6-9]xxxx x{5} | 0[1-9]x{1,2} x{7,8} | 0[1-9]x{1,2} x{3,4} xxxx | ~[6-9]xxxx x{5} | ~[6-9]x{9}
IN 1800 xxx? xxxx
BR [1-9]x 9xxxx xxxx | [1-9]x [2-57]xxx xxxx | 0[1-9]x 9?xxxx xxxx | 0[38]00 xxx? xxxx
BR ~4[0-9]xx xxxx
PL [1-9]x xxx xx xx | ~[1-9]xx xxx xxx | ~[1-9]x{8}
CH 0[1-9]x xxx xx xx | 0800 xxx xxx
BE 0[1-9] xxx xx xx | 0[1-9]x xx xx xx | 04xx xx xx xx | 0800 xx xxx
PT ~[29]x{2} xxx xxx | 2[12] xxx xxxx
DK ~[2-9]x xx xx xx | ~[2-9]x{7}
NO ~[2-9]x xx xx xx | ~[2-9]xx xx xxx
FI 0[1-9]x? x{6,8} | 0[45]x xxx xxxx? | 0[1-9] xxx xxxx
NZ 0[2-9] xxx xxxx | 02x xxx x{3,4} | 0[58]0[08] xxx xxx
ZA 0[1-8]x xxx xxxx
MX ~[2-9]xx xxx xxxx | ~[2-9]x xxxx xxxx
RU 8 xxx xxx xx xx | ~8x{10}
CN 1[3-9]x xxxx xxxx | ~1[3-9]x{9} | 0[1-9]x{1,2} xxxx xxxx | 0[1-9]x{1,2} x{7,8}
KR 0[1-9]x? x{3,4} xxxx | 01[016789] xxxx? xxxx
"""
"""National forms by country, groups of digits parted by one sign each. ``x`` is any digit, ``n`` one from 2.
Forms behind ``~`` are also those of other numbers: they count behind a word for telephone alone."""

_CALLING_CODES = """
1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66
81 82 84 86 90 91 92 93 94 95 98 211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232
233 234 235 236 237 238 239 240 241 242 243 244 245 248 249 250 251 252 253 254 255 256 257 258 260 261
262 263 264 265 266 267 268 269 290 291 297 298 299 350 351 352 353 354 355 356 357 358 359 370 371 372
373 374 375 376 377 378 380 381 382 383 385 386 387 389 420 421 423 500 501 502 503 504 505 506 507 508
509 590 591 592 593 594 595 596 597 598 599 670 672 673 674 675 676 677 678 679 680 681 682 683 685 686
687 688 689 690 691 692 800 850 852 853 855 856 870 880 886 960 961 962 963 964 965 966 967 968 970 971
972 973 974 975 976 977 979 992 993 994 995 996 998
"""
"""Country codes that are assigned (ITU-T E.164)."""

_SIGN = "[ \xa0\u202f.\u2010\u2011/-]"
_RUN = re.compile(
    rf"(?<!{IN_WORD})(?<![+.,/=&#%$£€¥@:\xb0-])(?<!\d[ \xa0\u202f])(?<![\d:][\u2013\u2014])"
    rf"(?:\(\+(?=\d{{1,3}}\) ?\d)|\+ ?|00 ?(?=[1-9]\d))?\(?\d+"
    rf"(?:(?: / |{_SIGN}|\)[ -]?|[ -]?\()\d+)*(?:\)\d+)*"
    rf"(?!{IN_WORD}|[.,/:-]\d|{_SIGN}\(?\d|%|[\u2013\u2014]\d|\xb0)"
)
_BEHIND_COLON = re.compile(
    rf"(?<=[A-Za-z.]:)(?:\+ ?)?\(?\d+(?:(?: / |{_SIGN}|\)[ -]?|[ -]?\()\d+)*(?!{IN_WORD}|[.,/:-]\d)"
)
_SIGN_KIND = dict.fromkeys(" \xa0\u202f", " ") | {".": "."}
_LEAST, _MOST = 8, 15
"""Digits of a number."""

_CALLED = re.compile(
    r"(?:\b(?:tel|tél|phone|telephone|call(?:s|ed|ing)?|dial(?:l?ed)?|ring|rang|reach|fax|mobiles?|cell|cellular|hotline"
    r"|whatsapp|sms|text|telefon|telefono|teléfono|telefone|téléphone|telefoon|telefonnummer|fon|fono|handy|mobil"
    r"|móvil|movil|celular|cellulare|portable|komórka|kom|numer|contact|contacto|rufnummer|ruf|puhelin|tlf|tfno)\b"
    r"|[☎☏📞📱]|電話|电话|手机|携帯|[拨撥]打|致[电電]|[热熱][线線]|전화|휴대폰|โทร|फ़?ोन|тел(?:ефон)?)[^\d\n]{0,24}$",
    re.IGNORECASE,
)
_NO_PHONE = re.compile(
    r"\b(?:isbn(?:-1[03])?|issn|ean|oclc|lccn|pmid|pmc|doi|arxiv|upc|gtin|asin|jstor|pp?|ss?|nos?|nr|lines?|vols?"
    r"|patent|patents|serial|model|part|order|invoice|ticket|ref|id|grid|lots?|pages?|years?|jahre?)\b[.:#\s]{0,3}$"
    r"|§+\s*$|[#№]\s*$",
    re.IGNORECASE,
)
_LOOK_BACK = 40
_CHAINED = 4
"""Characters up to which a number stands beside another: *or* and a blank on either side."""


@cache
def known_countries() -> tuple[str, ...]:
    """Countries whose national forms are known (ISO 3166-1)."""
    return tuple(dict.fromkeys(line.split(" ", 1)[0] for line in _FORMS.strip().splitlines()))


@cache
def _patterns(countries: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Forms that are a number's alone, and all forms, over groups of digits with one blank between them."""
    plain, all_forms = [], []
    for line in _FORMS.strip().splitlines():
        country, forms = line.split(" ", 1)
        if country not in countries:
            continue
        for form in forms.split(" | "):
            pattern = re.sub("n", "[2-9]", re.sub("x", r"\\d", form.strip().lstrip("~")))
            all_forms.append(pattern)
            if not form.strip().startswith("~"):
                plain.append(pattern)
    nothing = r"(?!)"
    return re.compile("|".join(plain) or nothing), re.compile("|".join(all_forms) or nothing)


@cache
def _codes() -> frozenset[str]:
    return frozenset(_CALLING_CODES.split())


def find_phones(text: str, countries: tuple[str, ...], begin: int, end: int) -> Iterator[Place]:
    """Telephone numbers: international ones of any country, national ones of those given.

    A number stands by itself: in a longer run of groups, in an address or a word it is none. What has the
    form of other numbers as well (nine digits in threes, ten in one piece) counts behind a word for a phone.

    Args:
        text: the text.
        countries: ISO 3166-1 codes.
        begin: where to look from; what stands before is seen.
        end: where to look to, an end of a line.
    """
    last = -_CHAINED - 1
    for pattern in (_RUN, _BEHIND_COLON):
        for found in pattern.finditer(text, begin, end):
            # A bracket that does not close within the number belongs to the sentence.
            start = found.start() + (found[0][0] == "(" and ")" not in found[0])
            run = text[start : found.end()]
            if _is_phone(text, start, run, countries, chained=0 <= start - last <= _CHAINED):
                last = found.end()
                yield start, last


def _is_phone(text: str, start: int, run: str, countries: tuple[str, ...], *, chained: bool) -> bool:
    groups = re.findall(r"\d+", run)
    digits = sum(map(len, groups))
    if not _LEAST <= digits <= _MOST or not _signs_fit(run) or run.count("(") != run.count(")"):
        return False
    if run.lstrip("(")[0] == "+" or (run.startswith("00") and run[2:3] != ")"):
        return _is_international(groups, run)
    before = max(0, start - _LOOK_BACK)
    if _NO_PHONE.search(text, before, start) or _is_series(groups):
        return False
    alone, any_form = _patterns(countries)
    shape = " ".join(groups)
    if alone.fullmatch(shape) and not _is_clock(groups):
        return True
    called = chained or _CALLED.search(text, before, start)
    return bool(called and (any_form.fullmatch(shape) or _in_one_piece(groups, countries)))


def _signs_fit(run: str) -> bool:
    """Whether groups are parted by one sign throughout; a hyphen or slash may part the first, or brackets."""
    body = run.lstrip("(+ ").replace(") ", ")").replace(" (", "(")
    body = body.replace(" / ", "/")
    signs = re.findall(r"\D+", body)
    if "/" in signs and (signs[0] != "/" or signs.count("/") > 1 or len(set(map(len, body.split("/")))) == 1):
        return False  # Of one length on both sides, they are two numbers.
    kinds = [_SIGN_KIND.get(sign, "-") for sign in signs if sign not in "()"]
    if "." in kinds:
        return set(signs) == {"."}
    # 08-465 004 12, 030/23125 014, +1 202-555-0143: each kind once in a row.
    bracketed = any("(" in sign or ")" in sign for sign in signs)
    return bracketed or sum(one != other for one, other in pairwise(kinds)) < 2


def _is_international(groups: list[str], run: str) -> bool:
    """Whether the groups behind a + or 00 begin with a country's code and are as many as a number has."""
    digits = "".join(groups)
    if "+" not in run:
        digits = digits[2:]
        if len(groups) < 2 or run.count(".") > 0:
            return False
    code = next((digits[:size] for size in (1, 2, 3) if digits[:size] in _codes()), None)
    if code is None:
        return False
    rest = digits[len(code) :].removeprefix("0")
    return len(rest) == 10 if code == "1" else 7 <= len(rest) <= 12


def _in_one_piece(groups: list[str], countries: tuple[str, ...]) -> bool:
    """A national number without signs, behind a word for telephone."""
    if len(groups) > 1 or not countries:
        return False
    return 9 <= len(groups[0]) <= (12 if groups[0][0] == "0" else 11)


def _is_series(groups: list[str]) -> bool:
    """Numbers that count on by equal steps, as 01 02 03 04 05 do, or repeat one number."""
    if len(groups) < 4:
        return False
    steps = {int(other) - int(one) for one, other in pairwise(groups)}
    return len(steps) == 1


def _is_clock(groups: list[str]) -> bool:
    """Times of day without a colon: 0600 1200 1800."""
    return all(len(group) == 4 and group[:2] < "24" and group[2:] < "60" for group in groups)
