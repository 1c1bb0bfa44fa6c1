"""The rule sets as one rule of a recipe: texts are measured in the pass, and judged when it has ended."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field, model_validator

from corpuskit.documents.settings import Decides
from corpuskit.errors import SettingError
from corpuskit.stages.quality.profiles import PROFILES, profile_of
from corpuskit.stages.quality.rules import Bound, Documents, base_language, choose, judge
from corpuskit.stages.quality.scores import COLUMN, TYPE, counts_of, score
from corpuskit.stages.quality.statistics import Splitter, Variant
from corpuskit.stages.stage import Rule

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

    A document that lies at a limit stays: counts are compared as whole numbers. The reason is the rule's
    name, or ``empty`` for a text of white space, ``no_words`` where a rule asks for words and there are none.

    Attributes:
        words: how words are found: ``unicode`` by `corpuskit.documents.words`, ``white_space`` as many other
            tools do.
        variant: ``datatrove`` counts lines, paragraphs and n-grams as datatrove 0.10.1 does: with
            ``words: white_space`` the verdicts are its own.
        rules: names of sets or single rules; left out for all sets, ``[]`` for none but the limits.
        profile: which rules are on. ``auto``: by the source of each document (wikipedia, books for
            Gutenberg, else web); ``none``: all that are chosen. Left out: ``none`` where ``rules`` or
            ``only`` choose, else ``auto``.
        profiles: for ``auto``, source label (or kind of source) to profile.
        only, off: names of rules or groups of them to ask alone, to leave out.
        limits: ``min_FIGURE`` or ``max_FIGURE`` to a limit, in place of those of the chosen rules on this
            figure, in every profile; its name is the reason. null for no limit.
        language: the language of documents that name none. Rules for English are asked of English alone.
        every_language: ask them of all documents, whatever their language.
    """

    name: ClassVar[str] = "filter"
    columns: ClassVar[Mapping[str, pa.DataType]] = {COLUMN: TYPE}

    words: Splitter = "unicode"
    variant: Variant = "corpuskit"
    rules: Decides[tuple[str, ...] | None] = None
    profile: Decides[Profile | None] = None
    profiles: Decides[dict[str, Literal["web", "wikipedia", "books", "verse"]]] = Field(default_factory=dict)
    only: Decides[tuple[str, ...]] = ()
    off: Decides[tuple[str, ...]] = ()
    limits: Decides[dict[str, int | float | str | None]] = Field(default_factory=dict)
    language: Decides[str] = ""
    every_language: Decides[bool] = False

    @model_validator(mode="after")
    def _rules_are_known(self) -> Filter:
        try:
            bounds = self.bounds()
        except SettingError as error:  # So that a recipe's error names the line.
            raise ValueError(error.one_line()) from error
        if not bounds:
            raise ValueError("no rule is left: drop the stage, or name rules")
        if self.profiles and self.profile_in_use != "auto":
            raise ValueError("profiles are for profile: auto alone: add it")
        return self

    def libraries(self) -> dict[str, Any]:
        """The Unicode version of the classes of characters."""
        return {"unicode": unicodedata.unidata_version}

    @property
    def profile_in_use(self) -> str:
        """The profile, also where none is given."""
        return self.profile or ("auto" if self.rules is None and not self.only else "none")

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
