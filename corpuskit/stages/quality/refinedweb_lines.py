"""RefinedWeb's correction of lines: what is no text of the page but of its buttons goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field, field_validator

from corpuskit.documents.settings import Decides
from corpuskit.documents.words import word_spans
from corpuskit.errors import SettingError
from corpuskit.stages.quality.figures import exact
from corpuskit.stages.quality.lines import BLANK, Span, Verdict, cut_lines
from corpuskit.stages.stage import Cut, Effect, Rule

_COUNTER = re.compile(
    r"\W*\d(?:,|\.|\d)*[kmb]?\s+(?:likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes|"
    r"downloads|views|followers)\W*"
)
_PHRASES = re.compile(r"items in cart|Read more\.\.\.$|^Sign-in")
_PHRASE_WORDS = 10
"""Words of a line at most in which the phrases are looked for."""


class RefinedWebLines(Rule):
    """Cuts lines that are no running text, and drops documents of which too much was cut.

    Penedo et al. 2023, arXiv:2306.01116, G.2, as DCLM's ``refinedweb.yaml`` has them. Of each line that holds
    text, in this order: ``refinedweb_upper_case`` (more than half of its characters are capitals),
    ``refinedweb_numeric`` (digits alone), ``refinedweb_counter`` ("3 likes"), ``refinedweb_one_word``
    (fewer than two words). Out of lines of at most ten words "items in cart", "Read more..." at the end and
    "Sign-in" at the beginning are cut as ``refinedweb_phrase``; a line of nothing else goes. Documents
    of which more than 5 % of the words went are dropped as ``refinedweb_words_cut``.

    Words are those of `corpuskit.documents.words`, so that a line of Chinese is not one word. The counters
    and phrases are English; in other languages they are not found. Headings of one word go: for encyclopedias
    and books the stage is of no use.

    Attributes:
        max_words_cut: share of the words that may be cut.
    """

    name: ClassVar[str] = "refinedweb_lines"
    columns: ClassVar[Mapping[str, pa.DataType]] = {
        "refinedweb_words": pa.int64(),
        "refinedweb_words_cut": pa.int64(),
    }

    max_words_cut: Decides[float] = Field(default=0.05, ge=0, le=1)

    @field_validator("max_words_cut", mode="after")
    @classmethod
    def _is_exact(cls, value: Any) -> Any:
        try:
            exact("max_words_cut", value)
        except SettingError as error:
            raise ValueError(error.one_line()) from error
        return value

    def apply(self, batch: pa.RecordBatch) -> Effect:
        """Name what to cut, and count the words before and those that go."""
        cuts: list[Cut] = []
        words, gone = [], []
        for row, text in enumerate(batch.column("text").to_pylist()):
            found = cut_lines(row, text, verdict)
            raw = text.encode() if found else b""
            pieces = [raw[cut.start : cut.end].decode() for cut in found if cut.reason != BLANK]
            words.append(len(word_spans(text)))
            gone.append(sum(len(word_spans(piece)) for piece in pieces))
            cuts += found
        for (name, kind), values in zip(self.columns.items(), (words, gone), strict=True):
            batch = batch.append_column(pa.field(name, kind), pa.array(values, kind))
        return Effect(batch, cuts=cuts)

    def decide(self, scores: pa.RecordBatch) -> Mapping[int, str]:
        """Rows of which too much was cut."""
        most: Fraction = exact("max_words_cut", self.max_words_cut)
        words, gone = (scores.column(name).to_pylist() for name in self.columns)
        pairs = enumerate(zip(words, gone, strict=True))
        return {row: "refinedweb_words_cut" for row, (all_, cut) in pairs if cut > most * all_}


def verdict(line: str) -> Verdict:
    """Why a line goes, or the phrases to cut out of it.

    >>> verdict("HOME ABOUT US"), verdict("1.2K shares"), verdict("The end."), verdict("Sign-in")
    ('refinedweb_upper_case', 'refinedweb_counter', [], 'refinedweb_phrase')
    """
    if 2 * sum(character.isupper() for character in line) > len(line):
        return "refinedweb_upper_case"
    if all(character.isnumeric() for character in line):
        return "refinedweb_numeric"
    if _COUNTER.fullmatch(line.lower()):
        return "refinedweb_counter"
    phrases = list(_PHRASES.finditer(line)) if len(line.split()) <= _PHRASE_WORDS else []
    if phrases and not _PHRASES.sub("", line).strip():
        return "refinedweb_phrase"
    if len(word_spans(line)) < 2:
        return "refinedweb_one_word"
    return [Span(*found.span(), "refinedweb_phrase") for found in phrases]
