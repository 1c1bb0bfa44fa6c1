"""The length of a document in words and characters, and bounds on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from corpuskit import _native
from corpuskit.documents.columns import to_engine
from corpuskit.documents.settings import Decides
from corpuskit.stages.stage import Rule


class Length(Rule):
    """Measures documents and drops those that are ``too_short`` or ``too_long``.

    Words are those of `corpuskit.documents.words`, the one definition for every script: letters and digits
    with the marks on them; in scripts that put no blanks between words (Han, kana, Thai, Lao, Khmer, Burmese,
    Tibetan...) each letter is a word. Punctuation is none, and hyphens part words.

    Attributes:
        min_words: fewer words are too short. Five: what has fewer is a bare heading, or what is left of a
            page whose content was a table or a template; the shortest real sentences are longer. Rules for
            text of the web ask for 50, which would drop true stubs and short poems.
        max_words: more words are too long; None for no bound, since a whole book is a good document.
        min_chars: fewer characters (code points) are too short.
        max_chars: more characters are too long; None for no bound.
    """

    name: ClassVar[str] = "length"
    version: ClassVar[int] = 2
    columns: ClassVar[Mapping[str, pa.DataType]] = {"words": pa.int64(), "chars": pa.int64()}

    min_words: Decides[int] = Field(default=5, ge=0)
    max_words: Decides[int | None] = Field(default=None, ge=1)
    min_chars: Decides[int] = Field(default=0, ge=0)
    max_chars: Decides[int | None] = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Length:
        for least, most in (("min_words", "max_words"), ("min_chars", "max_chars")):
            low, high = getattr(self, least), getattr(self, most)
            if high is not None and high < low:
                raise ValueError(f"{most}: {high} is below {least}: {low}, so that every document is dropped")
        return self

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Add the columns ``words`` and ``chars``."""
        texts = batch.column("text")
        words = _native.count_words(to_engine(texts, "texts"))
        chars = pc.utf8_length(texts).cast(pa.int64())
        measured = batch.append_column("words", pa.array(words, pa.int64()))
        return measured.append_column("chars", chars)

    def decide(self, scores: pa.RecordBatch) -> Mapping[int, str]:
        """Rows outside of the bounds; one that is both too short and too long counts as short."""
        words, chars = (scores.column(name).to_numpy(zero_copy_only=False) for name in self.columns)
        short = (words < self.min_words) | (chars < self.min_chars)
        long = np.zeros(len(words), bool)
        for values, most in ((words, self.max_words), (chars, self.max_chars)):
            if most is not None:
                long |= values > most
        verdicts = dict.fromkeys(long.nonzero()[0].tolist(), "too_long")
        verdicts |= dict.fromkeys(short.nonzero()[0].tolist(), "too_short")
        return dict(sorted(verdicts.items()))
