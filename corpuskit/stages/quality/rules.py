"""The rules of a recipe: which are chosen, and which documents break one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError, nearest
from corpuskit.stages.quality.figures import Counts, Figure, Side, exact, figure
from corpuskit.stages.quality.profiles import reason_off
from corpuskit.stages.quality.published import RULES, PublishedRule
from corpuskit.stages.quality.scores import APART_WORDS

EMPTY, NO_WORDS = "empty", "no_words"
"""Reasons of their own: nothing but white space; no word where a rule asks for something of the words."""

ENGLISH = ("en", "eng")
"""Codes of English."""

SIDES: tuple[Side, Side] = ("min", "max")

LINE_STAGES: Mapping[str, tuple[str, ...]] = {
    "c4_lines": ("c4_lines", "c4"),
    "refinedweb_lines": ("refinedweb_lines", "refinedweb"),
    "bad_words": ("bad_words", "c4_bad_words"),
}
"""Stages that cut or search texts, in the order in which they run, and by what ``rules`` can name each."""

_LINE_NAMES = {name for names in LINE_STAGES.values() for name in names}


@dataclass(frozen=True)
class Bound:
    """A rule that is in use.

    Attributes:
        name: the reason of what it drops.
        figure: what it compares.
        least, most: the limits, inclusive; None for none.
        published: the published rule that it is, or that it stands for: it is asked of the same languages.
        given: whether it is a limit of the recipe, on in every profile.
    """

    name: str
    figure: Figure
    least: Fraction | None
    most: Fraction | None
    published: PublishedRule | None = None
    given: bool = False

    @property
    def english(self) -> bool:
        """Whether it holds for English alone."""
        return self.published is not None and self.published.english

    def limited(self, side: str, limit: Fraction | None) -> Bound:
        """The same with another limit."""
        return replace(self, least=limit) if side == "min" else replace(self, most=limit)

    def broken(self, counts: Counts) -> npt.NDArray[np.bool_]:
        """Which documents lie beyond a limit."""
        found = np.zeros(len(counts["chars"]), bool)
        for side, limit in zip(SIDES, (self.least, self.most), strict=True):
            if limit is not None:
                found |= self.figure.beyond(counts, side, limit)
        return found

    def wordless(self, counts: Counts) -> npt.NDArray[np.bool_]:
        """Which documents have no word that it could ask about."""
        if not self.figure.of_words:
            return np.zeros(len(counts["chars"]), bool)
        return np.asarray(counts["words"] == 0)

    def fits(self, profile: str) -> bool:
        """Whether it is on in a profile; limits of a recipe are on in all."""
        return self.given or self.published is None or not reason_off(profile, self.published)


def choose(
    rules: Sequence[str] | None, only: Sequence[str], off: Sequence[str], limits: Mapping[str, Any]
) -> list[Bound]:
    """The rules in use, in the order in which they are asked.

    Args:
        rules: names of sets, of rules or of groups of them; None for all sets, empty for none but the limits.
        only: names of rules or groups of them, to leave out all others.
        off: names of rules or groups to leave out.
        limits: ``min_FIGURE`` or ``max_FIGURE`` to a limit, None for none. They stand in place of the limits
            of the chosen rules on this figure.

    Raises:
        SettingError: an unknown name, or a limit that is none.
    """
    _check((*(rules or ()), *only, *off), {name for rule in RULES for name in rule.names} | _LINE_NAMES)
    chosen = [_bound(rule) for rule in RULES if rules is None or {*rule.names} & {*rules}]
    chosen = [each for each in chosen if _stays(each, only, off)]
    return _limited(chosen, limits)


def line_stages(rules: Sequence[str] | None, only: Sequence[str], off: Sequence[str]) -> list[str]:
    """The stages that cut or search texts and are asked for by name, or by that of their set.

    >>> line_stages(["c4", "fineweb"], [], []), line_stages(["c4"], [], ["c4_lines"])
    (['c4_lines'], [])
    """
    return [
        stage
        for stage, names in LINE_STAGES.items()
        if {*names} & {*(rules or ())} and (not only or {*names} & {*only}) and not {*names} & {*off}
    ]


@cache
def _bound(rule: PublishedRule) -> Bound:
    least, most = (None if limit is None else Fraction(limit) for limit in (rule.least, rule.most))
    return Bound(rule.name, figure(rule.figure), least, most, rule)


def _stays(bound: Bound, only: Sequence[str], off: Sequence[str]) -> bool:
    assert bound.published is not None
    names = set(bound.published.names)
    return (not only or bool(names & set(only))) and not names & set(off)


def _check(names: Sequence[str], known: set[str]) -> None:
    for name in names:
        if name not in known:
            raise SettingError(f"no rule is called {name!r}", remedy=nearest(name, sorted(known)))


def _limited(chosen: list[Bound], limits: Mapping[str, Any]) -> list[Bound]:
    """The rules with other limits: each is a rule of its own, in the place of the first that it changes."""
    given: dict[str, dict[str, Fraction | None]] = {}
    for name, value in limits.items():
        side, _, rest = name.partition("_")
        if side not in SIDES or not rest:
            remedy = "Write min_FIGURE or max_FIGURE, e.g. min_words: 50."
            raise SettingError(f"limits: {name!r} is no limit", remedy=remedy)
        asked, limit = figure(rest), None if value is None else exact(name, value)
        given.setdefault(rest, {})[side] = limit
        places = [place for place, bound in enumerate(chosen) if bound.figure == asked]
        like = chosen[places[0]].published if places else None
        chosen = [b if b.figure != asked or b.given else b.limited(side, None) for b in chosen]
        if limit is not None:
            own = Bound(name, asked, None, None, like, given=True).limited(side, limit)
            chosen.insert(places[0] if places else len(chosen), own)
    for name, sides in given.items():
        least, most = sides.get("min"), sides.get("max")
        if least is not None and most is not None and most < least:
            raise SettingError(
                f"{name}: at least {float(least):g} and at most {float(most):g}",
                remedy="Every document would be dropped: exchange them.",
            )
    return [bound for bound in chosen if bound.least is not None or bound.most is not None]


class Documents(NamedTuple):
    """What rules are asked of.

    Attributes:
        counts: the figures.
        languages: code of the language of each, as `base_language` gives it; empty where it is not known.
        profiles: the profile of each; None to ask every rule of all.
        every_language: whether rules for English are asked of all languages.
    """

    counts: Counts
    languages: npt.NDArray[np.str_]
    profiles: npt.NDArray[np.str_] | None = None
    every_language: bool = False


def base_language(code: str) -> str:
    """A language code without what follows, in small letters.

    >>> base_language("en_US"), base_language("zh-Hant"), base_language("")
    ('en', 'zh', '')
    """
    return code.replace("_", "-").partition("-")[0].lower()


def asked_of(bound: Bound, documents: Documents) -> npt.NDArray[np.bool_]:
    """Of which documents a rule is asked."""
    counts, languages = documents.counts, documents.languages
    asked = np.ones(len(languages), bool)
    rule = bound.published
    if rule is None:
        return asked
    if not documents.every_language:
        if rule.english:
            asked &= np.isin(languages, ENGLISH)
        if rule.not_for:
            asked &= ~np.isin(languages, rule.not_for)
    if rule.spaced:
        asked &= 2 * counts[APART_WORDS] < np.maximum(counts["tokens"], 1)
    if documents.profiles is not None:
        names, where = np.unique(documents.profiles, return_inverse=True)
        asked &= np.array([bound.fits(str(name)) for name in names], bool)[where]
    return asked


def judge(bounds: Sequence[Bound], documents: Documents) -> dict[int, str]:
    """Rows that break a rule, with the first that each breaks; `EMPTY` and `NO_WORDS` come before it."""
    counts = documents.counts
    reasons: dict[int, str] = {}
    undecided = np.ones(len(documents.languages), bool)

    def drop(rows: npt.NDArray[np.bool_], reason: str) -> None:
        reasons.update(dict.fromkeys(np.flatnonzero(rows & undecided).tolist(), reason))
        undecided[rows] = False

    if bounds:
        drop(counts["white_space"] == counts["chars"], EMPTY)
    for bound in bounds:
        asked = asked_of(bound, documents)
        drop(asked & bound.wordless(counts), NO_WORDS)
        drop(asked & bound.broken(counts), bound.name)
    return dict(sorted(reasons.items()))
