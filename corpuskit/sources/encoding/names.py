"""Names of encodings as people write them, and which encodings are forms of one another."""

from __future__ import annotations

import codecs
import re

LATIN_CODECS = (
    *("iso8859-1", "cp1252", "cp1250", "iso8859-2", "cp1254", "iso8859-15", "iso8859-3", "cp1257"),
    *("iso8859-4", "iso8859-13", "iso8859-16", "cp437", "cp850", "cp852", "mac-roman", "cp865"),
    *("cp857", "cp775", "mac-latin2"),
)
"""Tried in this order where neither declaration nor UTF-8 fits; of equal ones the first is taken."""

_WINDOWS = """
    iso8859-1 cp1252, iso8859-2 cp1250, iso8859-7 cp1253, iso8859-9 cp1254, iso8859-15 cp1252,
    iso8859-4 cp1257, iso8859-5 cp1251, iso8859-6 cp1256, iso8859-8 cp1255, tis-620 cp874, big5 cp950,
    gb2312 gb18030, gbk gb18030, shift_jis cp932, euc_kr cp949
"""
WINDOWS = dict(pair.split() for pair in _WINDOWS.split(","))
"""The makers' forms of standards, which hold more characters: text is often declared under the standard."""

_NARROWER = """
    cp932 shift_jis, shift_jis_2004 shift_jis cp932, euc_jis_2004 euc_jp, gbk gb2312, gb18030 gb2312 gbk,
    cp949 euc_kr, cp950 big5, big5hkscs big5 cp950, cp1125 cp866, cp1253 iso8859-7, cp874 tis-620
"""
NARROWER = {larger: smaller for larger, *smaller in map(str.split, _NARROWER.split(","))}
"""Where a guess is the larger of two forms: the smaller ones are tried first, as people write them."""

NAMEABLE = re.compile(
    r"ascii|utf-(?:7|8|8-sig|16|16-le|16-be|32|32-le|32-be)|iso8859-\d+|cp\d+|koi8-[rtu]|kz1048|ptcp154|tis-620|"
    r"mac-[a-z0-9]+|big5|big5hkscs|gb2312|gbk|gb18030|hz|euc_(?:jp|jis_2004|jisx0213|kr)|johab|"
    r"shift_jis(?:_2004|x0213)?|iso2022_[a-z0-9_]+|hp-roman8"
)
"""Encodings of text by Python's names. A header may name no other codec, such as ``unicode_escape``."""

LATIN = frozenset(LATIN_CODECS) | {
    *("iso8859-1", "iso8859-9", "iso8859-10", "iso8859-14", "cp1258", "cp858", "cp860", "cp861", "cp863"),
    *("mac-croatian", "mac-iceland", "mac-romanian", "mac-turkish", "hp-roman8"),
}
"""Encodings of one byte to a character, of Latin script alone."""
# Beginnings of names of encodings of several bytes to a character.
MANY_BYTE = ("big5", "gb", "hz", "euc", "johab", "shift_jis", "iso2022", "utf", "cp932", "cp949", "cp950")
# What headers say that Python does not know, or knows as the form with a mark.
_ALIASES = {
    "uf-8": "utf-8",
    "utf-8-sig": "utf-8",
    "ascii, with some iso-8859-1 characters": "latin-1",
    "big5-hkscs": "big5hkscs",
}


def codec_name(declared: str) -> str | None:
    """Python's name for an encoding as people write it; None for one that is not known.

    >>> codec_name("ISO Latin-1"), codec_name("ISO-646-US (US-ASCII)"), codec_name("Windows Code Page 1252")
    ('iso8859-1', 'ascii', 'cp1252')
    """
    name = declared.strip().lower()
    bracketed = re.search(r"\(([^)]+)\)", name)
    bare = re.sub(r"\([^)]*\)", "", name).strip()
    candidates = [name, _ALIASES.get(name, ""), bare, bracketed[1] if bracketed else ""]
    candidates.append(re.sub(r"^(?:iso[ -]+)?latin[ -]*(?=\d)", "latin", bare))
    candidates.append(re.sub(r"^windows[ -]*code[ -]*page[ -]*", "cp", bare))
    candidates.append(re.sub(r"^(?:code ?page|cp)[ -]*", "cp", bare))
    for candidate in filter(None, candidates):
        try:
            # Python also lists transforms such as rot13 under its codecs; those refuse to decode.
            b"a".decode(candidate)
        except UnicodeDecodeError:
            pass  # an encoding of two or four bytes to a character: one byte is too few, the name is good
        except (LookupError, ValueError):
            continue
        name = codecs.lookup(_ALIASES.get(candidate, candidate)).name
        if NAMEABLE.fullmatch(name):
            return name
    return None
