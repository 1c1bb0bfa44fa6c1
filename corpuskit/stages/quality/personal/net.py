"""E-mail and internet addresses in a text."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

Place = tuple[int, int]
"""First character and the one behind the last."""

_LETTER = "A-Za-z0-9À-ÖØ-öø-ɏ"
"""Letters of addresses. Others, as of Chinese, stand beside an address without a space."""
_IN_LOCAL = re.compile(rf"[{_LETTER}_%+'.-]")
_NO_START = "%+'.-"
_LONGEST_LOCAL, _LONGEST_DOMAIN = 64, 255
_LABEL = rf"[{_LETTER}](?:[{_LETTER}-]{{0,61}}[{_LETTER}])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+[A-Za-zÀ-ɏ]{{2,24}}(?![{_LETTER}_@-])")
_ENDINGS = """
png jpg jpeg gif svg webp bmp ico tif tiff pdf psd css js ts jsx json xml html htm php py rb md txt csv zip gz
tar exe dll so woff ttf mp3 mp4 wav
"""
_FILE_ENDINGS = frozenset(_ENDINGS.split())
_SCALE = re.compile(r"\d+x\.", re.IGNORECASE)
_BEFORE_HOST = re.compile(r"://[^\s/@]{0,80}$")
"""The name of an account in a URL, as in ``ssh://git@example.org``."""


def find_emails(text: str) -> Iterator[Place]:
    """E-mail addresses, without the full stop, bracket or ``?subject=`` behind them.

    An address has a domain of two labels or more, the last of two letters or more and no ending of a file:
    ``photo@2x.png`` is an image.
    """
    done = 0
    at = text.find("@")
    while at >= 0:
        begin = max(done, at - _LONGEST_LOCAL)
        local = _search_back(text, begin, at)
        domain = _DOMAIN.match(text, at + 1, at + 1 + _LONGEST_DOMAIN)
        if local is not None and domain and _is_mail(text, local, domain[0]):
            yield local, domain.end()
            done = domain.end()
        at = text.find("@", max(at + 1, done))


def _search_back(text: str, begin: int, at: int) -> int | None:
    """Where the local part in front of an ``@`` begins; None where there is none or it is too long."""
    start = at
    while start > begin and _IN_LOCAL.match(text, start - 1):
        start -= 1
    if start == begin and at - begin == _LONGEST_LOCAL and begin and _IN_LOCAL.match(text, begin - 1):
        return None
    double = text.rfind("..", start, at)
    start = double + 2 if double >= 0 else start
    local = text[start:at].lstrip(_NO_START)
    return None if not local or local[-1] == "." else at - len(local)


def _is_mail(text: str, local: int, domain: str) -> bool:
    if domain.rpartition(".")[2].lower() in _FILE_ENDINGS or _SCALE.match(domain):
        return False
    return not _BEFORE_HOST.search(text, max(0, local - 90), local)


_IPV4 = re.compile(r"(?<![\w.])(?<![A-Za-z]-)\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d|-[A-Za-z])")
_DOTTED = re.compile(r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
_NUMBERED = re.compile(
    r"\b(?:versions?|vers?|v|releases?|rel|builds?|firmware|drivers?|updates?|upgrades?|patch|packages?|kernel"
    r"|revision|rev|sections?|sect?|chapters?|chap|clauses?|articles?|art|paragraphs?|paras?|rules?|figures?|figs?"
    r"|tables?|appendix|items?|steps?|lemma|theorem|equations?|eq|exercises?|examples?|no|nr|ziffer|abschnitt"
    r"|kapitel|absatz|versión|versão|versione|wersja|secci[oó]n|sección|cap[ií]tulo|capitolo|chapitre|article"
    r"|rozdział|oid|asn)\b\.?[\s:#=(\"'-]*(?:(?:number|no|nr|is|was)\b\.?[\s:#]*)?(?:v\.?\s?)?$|§+\s*$",
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


_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{1,40}(?:\.\d{1,3}){0,3}(?![\w:]|\.\d)")


def _ipv6(text: str) -> Iterator[Place]:
    for found in _IPV6.finditer(text):
        candidate = found[0]
        if candidate.count(":") == 8 and "::" not in candidate:  # All eight groups, and a port.
            candidate = candidate.rpartition(":")[0]
        groups = [group for group in candidate.split(":") if group]
        # Names of programs (std::vector, Fe::De) and times are of the same characters.
        told = "::" in candidate or len(groups) == 8
        long = any(len(group) > 2 for group in groups) and any(c.isdigit() for c in candidate)
        if told and long and len(groups) > 1:
            try:
                address = ipaddress.IPv6Address(candidate)
            except ValueError:
                continue
            if not (address.is_loopback or address.is_unspecified):
                yield found.start(), found.start() + len(candidate)
