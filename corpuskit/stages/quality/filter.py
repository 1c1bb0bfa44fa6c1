"""The rule sets as one rule of a recipe: texts are measured in the pass, and judged when it has ended."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field, model_validator

from corpuskit.documents.settings import Decides, Location
from corpuskit.errors import SettingError
from corpuskit.stages.quality.bad_words import BadWords
from corpuskit.stages.quality.c4_lines import C4Lines
from corpuskit.stages.quality.profiles import PROFILES, profile_of
from corpuskit.stages.quality.refinedweb_lines import RefinedWebLines
from corpuskit.stages.quality.rules import (
    Bound,
    Documents,
    asked_of,
    base_language,
    choose,
    judge,
    line_stages,
)
from corpuskit.stages.quality.scores import COLUMN, TYPE, counts_of, score
from corpuskit.stages.quality.statistics import Splitter, Variant
from corpuskit.stages.stage import Rule, Stage

Profile = Literal["auto", "web", "wikipedia", "books", "verse", "none"]


class Filter(Rule):
    """Measures texts (`corpuskit.stages.quality.statistics`) and drops those that break a published rule.

    Without settings every rule set is asked, as far as the profile of the document's source has it on. With
    ``rules`` these are asked of all documents. A changed rule or limit decides anew and reads no text.
    `corpuskit filter rules` lists all rules with their limits, sources and variants.

        - filter                                        # every set, by the profile of each source
        - filter: {rules: [gopher_quality, fineweb], off: [stop_words], limits: {min_words: 20}}
        - filter: {profile: auto, profiles: {poems: verse}}
        - filter: {limits: {max_urls: 0.3}}             # a limit of one's own beside them, on any figure
        - filter: {rules: [], limits: {min_words: 50}}  # this one alone
        - filter: {rules: [c4, bad_words], lists: {en: bad_en.txt}}  # C4 whole, with its lines and words

    Rules of lines and words are stages of their own, with further settings: `C4Lines`, `RefinedWebLines`,
    `BadWords`. Where ``rules`` name one of them (``c4_lines``, ``refinedweb_lines``, ``bad_words``), or the
    set ``c4``, it runs before this stage in the pipeline, on all documents; ``off: [c4_lines]`` leaves the
    lines whole.

    A document that lies at a limit stays: counts are compared as whole numbers. The reason is the rule's
    name, or ``empty`` for a text of white space, ``no_words`` where a rule asks for words and there are none.

    Attributes:
        words: how words are found: ``unicode`` by `corpuskit.documents.words`, ``white_space`` as many other
            tools do.
        variant: ``datatrove`` counts lines, paragraphs and n-grams as datatrove 0.10.1 does: with
            ``words: white_space`` the verdicts are its own.
        rules: names of sets, rules or groups of rules; left out for all sets, ``[]`` for none but the limits.
        profile: which rules are on. ``auto``: by the source of each document (wikipedia, books for
            Gutenberg, else web); ``none``: all that are chosen. Left out: ``none`` where ``rules`` or
            ``only`` choose, else ``auto``.
        profiles: for ``auto``, source label (or kind of source) to profile.
        only, off: names of rules or groups of them to ask alone, to leave out.
        limits: ``min_FIGURE`` or ``max_FIGURE`` to a limit, in place of those of the chosen rules on this
            figure, in every profile; its name is the reason. null for no limit.
        lists: for ``bad_words``, language to a file with words (`BadWords`).
        language: the language of documents that name none. Rules for English are asked of English alone.
        every_language: ask them of all documents, whatever their language.
    """

    name: ClassVar[str] = "filter"
    version: ClassVar[int] = 2
    columns: ClassVar[Mapping[str, pa.DataType]] = {COLUMN: TYPE}

    words: Splitter = "unicode"
    variant: Variant = "corpuskit"
    rules: Decides[tuple[str, ...] | None] = None
    profile: Decides[Profile | None] = None
    profiles: Decides[dict[str, Literal["web", "wikipedia", "books", "verse"]]] = Field(default_factory=dict)
    only: Decides[tuple[str, ...]] = ()
    off: Decides[tuple[str, ...]] = ()
    limits: Decides[dict[str, int | float | str | None]] = Field(default_factory=dict)
    lists: Location[dict[str, str]] = Field(default_factory=dict)
    language: Decides[str] = ""
    every_language: Decides[bool] = False

    @model_validator(mode="after")
    def _rules_are_known(self) -> Filter:
        try:
            bounds = self.bounds()
        except SettingError as error:  # So that a recipe's error names the line.
            raise ValueError(error.one_line()) from error
        lines = self._line_stages
        if not bounds and not lines:
            raise ValueError("no rule is left: drop the stage, or name rules")
        if self.profiles and self.profile_in_use != "auto":
            raise ValueError("profiles are for profile: auto alone: add it")
        if "bad_words" in lines and not self.lists:
            raise ValueError("bad_words has no list: add lists: {en: FILE}")
        if self.lists and "bad_words" not in lines:
            raise ValueError("lists are for the rule bad_words: add it to rules")
        return self

    def libraries(self) -> dict[str, Any]:
        """The Unicode version of the classes of characters."""
        return {"unicode": unicodedata.unidata_version}

    @property
    def profile_in_use(self) -> str:
        """The profile, also where none is given."""
        return self.profile or ("auto" if self.rules is None and not self.only else "none")

    @property
    def _line_stages(self) -> list[str]:
        return line_stages(self.rules, self.only, self.off)

    def expanded(self) -> tuple[Stage, ...]:
        """The stages of lines and words that its rules name, then itself without them."""
        made: dict[str, Callable[[], Stage]] = {
            "c4_lines": C4Lines,
            "refinedweb_lines": RefinedWebLines,
            "bad_words": lambda: BadWords(lists=self.lists, language=self.language),
        }
        lines = self._line_stages
        if not lines:
            return (self,)
        # So that what is left, as a recipe again, is left alone.
        rest = {"lists": {}, "off": (*self.off, *lines)}
        own = (self.model_copy(update=rest),) if self.bounds() else ()
        return (*(made[name]() for name in lines), *own)

    def bounds(self) -> list[Bound]:
        """The rules that are asked, in order."""
        return choose(self.rules, self.only, self.off, self.limits)

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Add the column ``statistics``."""
        found = score(
            batch.column("text"), batch.column("language"), splitter=self.words, variant=self.variant
        )
        return batch.append_column(pa.field(COLUMN, TYPE), found)

    def decide(self, scores: pa.RecordBatch) -> Mapping[int, str]:
        """Rows that break a rule, with its name."""
        return judge(self.bounds(), self.documents(scores.column("id").to_pylist(), scores.column(COLUMN)))

    def passed_over(self, scores: pa.RecordBatch) -> Mapping[int, str]:
        """Documents without a language, where a rule for English would have been asked of them."""
        english = [bound for bound in self.bounds() if bound.english]
        if not english or self.every_language:
            return {}
        found = self.documents(scores.column("id").to_pylist(), scores.column(COLUMN))
        asked = [asked_of(bound, found._replace(every_language=True)) for bound in english]
        rows = np.flatnonzero(np.any(asked, axis=0) & (found.languages == ""))
        names = ", ".join(bound.name for bound in english[:3]) + (", ..." if english[3:] else "")
        sentence = f"without a language: rules for English were not asked ({names}); set `language`"
        return dict.fromkeys(rows.tolist(), f"{sentence}, or put the stage language before")

    def documents(self, ids: list[str], statistics: pa.StructArray) -> Documents:
        """Documents as rules ask of them."""
        counts, codes = counts_of(statistics)
        languages = np.array([base_language(code or self.language) for code in codes], dtype=str)
        return Documents(counts, languages, self._profiles_of(ids), self.every_language)

    def _profiles_of(self, ids: list[str]) -> npt.NDArray[np.str_] | None:
        """The profile of each document; None where every rule is asked of all."""
        profile = self.profile_in_use
        if profile == "none":
            return None
        if profile in PROFILES:
            return np.full(len(ids), profile)
        return np.array([profile_of(each, self.profiles) for each in ids], dtype=str)
