"""E-mail and internet addresses in a text."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

Place = tuple[int, int]
"""First character and the one behind the last."""

_LETTER = "A-Za-z0-9À-ÖØ-öø-ɏͰ-ԯ"
"""Letters of addresses: Latin, Greek, Cyrillic. Those of Chinese stand beside an address without a space."""
_HAN = "\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3"
UNSPACED = rf"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff{_HAN}\uff66-\uff9d"
"""Letters of scripts without spaces, which may touch a number or an address and are no part of it."""
IN_WORD = rf"[^\W{UNSPACED}]"
"""A letter or digit that makes one word with a number beside it."""
_IN_LOCAL = re.compile(rf"[{_LETTER}_%+'.!#$&*^~-]")
_NO_START = "%+'.!#$&*^~-"
_QUOTED = re.compile(r'(?<!\w)"(?:[^"\\\s@]|\\.|[ @]){1,62}"$')
"""A local part in quotation marks (RFC 5321), up to the ``@``."""
_LONGEST_LOCAL, _LONGEST_DOMAIN = 64, 255
_LABEL = rf"[{_LETTER}](?:[{_LETTER}-]{{0,61}}[{_LETTER}])?"
_TOP = r"(?:xn--[A-Za-z0-9-]{2,59}|[A-Za-zÀ-ɏͰ-ԯ]{2,24})"
_TOP_HAN = "(?:中国|中國|公司|网络|網絡|网址|香港|台湾|台灣|新加坡|みんな|コム|한국|닷컴|닷넷)"
_DOMAIN = re.compile(
    rf"(?:(?:{_LABEL}|[{_HAN}]{{1,63}})\.)+(?:{_TOP_HAN}|{_TOP}(?![{_LETTER}_@]|-\d))"
    r"|\[(?:\d{1,3}(?:\.\d{1,3}){3}|IPv6:[0-9A-Fa-f:.]{2,45})\]"
)
_ENDINGS = """
png jpg jpeg gif svg webp avif heic bmp ico tif tiff pdf psd css js ts jsx json xml html htm php rb txt csv
zip gz tar exe dll woff ttf mp3 mp4 wav
"""
_FILE_ENDINGS = frozenset(_ENDINGS.split())
_SCALE = re.compile(r"\d+x\.", re.IGNORECASE)
_BEFORE_HOST = re.compile(r"://[^\s/@]{0,80}$")
"""The name of an account in a URL, as in ``ssh://git@example.org``."""


def find_emails(text: str) -> Iterator[Place]:
    """E-mail addresses, without the full stop, bracket or ``?subject=`` behind them.

    An address has a domain of two labels or more, the last of two letters or more and no ending of a file:
    ``photo@2x.png`` is an image. Or the domain is an internet address in square brackets. Local parts may
    stand in quotation marks; domains may be of Latin, Greek, Cyrillic, Han, kana or Hangul letters.
    """
    done = 0
    at = text.find("@")
    while at >= 0:
        local = _search_back(text, max(done, at - _LONGEST_LOCAL), at)
        domain = _DOMAIN.match(text, at + 1, at + 1 + _LONGEST_DOMAIN)
        if local is not None and domain and _is_mail(text, local, domain[0]):
            yield local, domain.end()
            done = domain.end()
        at = text.find("@", max(at + 1, done))


def _search_back(text: str, begin: int, at: int) -> int | None:
    """Where the local part in front of an ``@`` begins; None where there is none or it is too long."""
    if quoted := text[at - 1 : at] == '"' and _QUOTED.search(text, begin, at):
        return quoted.start()
    start = at
    while start > begin and _IN_LOCAL.match(text, start - 1):
        start -= 1
    if start == begin and at - begin == _LONGEST_LOCAL and begin and _IN_LOCAL.match(text, begin - 1):
        return None
    double = text.rfind("..", start, at)
    start = double + 2 if double >= 0 else start
    local = text[start:at].lstrip(_NO_START)
    return None if not local or local[-1] in ".!#$&*^~" else at - len(local)


def _is_mail(text: str, local: int, domain: str) -> bool:
    if domain.rpartition(".")[2].lower() in _FILE_ENDINGS or _SCALE.match(domain):
        return False
    repository = text.startswith(f"git@{domain}:", local)  # As in git@example.org:owner/name.
    return not repository and not _BEFORE_HOST.search(text, max(0, local - 90), local)


_IPV4 = re.compile(
    rf"(?<!{IN_WORD})(?<!\.)(?<![A-Za-z]-)[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}(?!{IN_WORD}|\.\d|-[A-Za-z])"
)
_DOTTED = re.compile(r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
_NUMBERED = re.compile(
    r"(?:\b(?:versions?|vers?|v|releases?|rel|builds?|firmware|drivers?|hotfix|patch|packages?|kernel|revision|rev"
    r"|software|apps?|plug-?ins?|sdk|bios|editions?|librar(?:y|ies)|modules?"
    r"|up(?:dat|grad)(?:es?|ed|ing)(?:\s(?:from|to))?"
    r"|(?:sub)?sections?|sect?|(?:sub)?chapters?|chap|(?:sub)?clauses?|articles?|art|(?:sub)?paragraphs?|paras?"
    r"|annex|rules?|figures?|figs?|tables?|appendix|items?|steps?|lemma|theorem|propositions?|definitions?"
    r"|corollary|equations?|eq|exercises?|examples?|requirements?|no|nr|oid|asn"
    r"|ziffer|abschnitt|kapitel|absatz|artikel|tabelle|abbildung|abb|anhang|versionen|versión|versiones|versão"
    r"|versões|versione|versioni|versie|wersj[aięe]|verze|sürüm|verzió|versio|secci[oó]n|sección|seção|sezione"
    r"|cap[ií]tulo|capitolo|chapitre|rozdział|hoofdstuk|avsnitt|верси[яиюей]|раздел[аеу]?|глав[аеуы]|пункт[аеу]?"
    r"|стать[яиюе]|версія|версії)|[a-z_]version)\b\.?[\s:#=(>\"'-]*"
    r"(?:(?:number|no|nr|is|was)\b\.?[\s:#]*)?(?:v\.?\s?)?$|(?:版本|バージョン|버전|เวอร์ชัน)[\s:：号]*$|§+\s*$",
    re.IGNORECASE,
)
"""What stands in front of four numbers that are no address."""
_AND = re.compile(r"[\s,;(]*(?:to|and|or|through|und|bis|y|et|a|e)?[\s,;(–—-]*")
_LOOK_BACK = 40


def find_ips(text: str) -> Iterator[Place]:
    """Internet addresses of versions 4 and 6, without port or path.

    Four numbers behind a word such as version or section are none, nor are those that follow such ones with
    *to*, *and* or a comma. Addresses that are nobody's (0.0.0.0/8, loopback, network masks, ``::1``) stay;
    private ones and those of documentation are found.
    """
    if "::" in text or text.count(":") > 6:
        yield from _ipv6(text)
    numbered = -1
    if not _DOTTED.search(text):  # Found faster: it begins with no look behind.
        return
    for found in _IPV4.finditer(text):
        follows = numbered >= 0 and _AND.fullmatch(text, numbered, found.start())
        if follows or _NUMBERED.search(text, max(0, found.start() - _LOOK_BACK), found.start()):
            numbered = found.end()
        elif _is_ipv4(found[0]):
            yield found.span()


def _is_ipv4(text: str) -> bool:
    parts = text.split(".")
    if any(int(part) > 255 or (part[0] == "0" and part != "0") for part in parts):
        return False
    return parts[0] not in ("0", "127", "255")


_IPV6 = re.compile(
    rf"(?<!{IN_WORD})(?<![:.])(?:[A-Za-z]\w{{0,20}}:(?=[0-9A-Fa-f]))?"
    rf"(?P<address>[0-9A-Fa-f]{{0,4}}:[0-9A-Fa-f:]{{1,40}}(?:\.[0-9]{{1,3}}){{0,3}})(?!{IN_WORD}|:|\.\d)"
)
"""A word may stand before it with a colon, as in ``IPv6:2001:db8::1``."""


def _ipv6(text: str) -> Iterator[Place]:
    for found in _IPV6.finditer(text):
        # What may be a word before a colon may be the first group, too.
        for start in dict.fromkeys((found.start(), found.start("address"))):
            if size := _ipv6_size(text[start : found.end()]):
                yield start, start + size
                break


def _ipv6_size(candidate: str) -> int:
    """Characters of the address that a text begins with; 0 where it is none, or nobody's."""
    if candidate[-1] == ":" and candidate[-2] != ":":  # Of the sentence.
        candidate = candidate[:-1]
    if candidate.count(":") == 8 and "::" not in candidate:  # All eight groups, and a port.
        candidate = candidate.rpartition(":")[0]
    groups = [group for group in candidate.split(":") if group]
    # Names of programs (std::vector, Fe::De) and times are of the same characters.
    told = "::" in candidate or len(groups) == 8
    long = any(len(group) > 2 for group in groups) and any(c.isdigit() for c in candidate)
    if not told or not long or len(groups) < 2:
        return 0
    try:
        address = ipaddress.IPv6Address(candidate)
    except ValueError:
        return 0
    return 0 if address.is_loopback or address.is_unspecified else len(candidate)
