"""Runs of words, and paragraphs and lines, with digests by which equal ones are found.

Words are those of `corpuskit.documents.words`, in the form in which they are compared; the engine
(``native/engine/text/runs.hpp``, ``units.hpp``) reads whole columns of texts. Texts that are not in NFC are
compared as if they were; places are always those of the text as it stands.
"""

from __future__ import annotations

import unicodedata
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpuskit import _native
from corpuskit.documents.columns import to_engine
from corpuskit.documents.words import fold_words

Unit = Literal["paragraph", "line"]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


class WordRuns(NamedTuple):
    """The words of a column of texts, one text behind the other, and the run that begins at each.

    Attributes:
        ends: shape (texts + 1,); text i has the words ``ends[i]`` to ``ends[i + 1]``.
        spans: shape (words, 2); first byte and end of each word in its text, as UTF-8.
        until: shape (words,); the word behind the run, counted within its text; 0 where no run begins.
        digests: shape (words, 2); two polynomials modulo 2^61 - 1 over the words of the run: 122 bits.
        gaps: shape (words, 2); digests of what stands between the words before and behind the run.
    """

    ends: Ints
    spans: Ints
    until: Ints
    digests: Hashes
    gaps: Hashes


def word_runs(texts: pa.LargeStringArray, min_words: int, min_characters: int | None = None) -> WordRuns:
    """The shortest run of a length that begins at each word.

    A run is long enough with ``min_words`` words, or with ``min_characters`` words that are a letter each (of
    scripts without blanks); in a run of both kinds the shares add up. What is equal has equal runs, so
    repeats of at least that length are found by the digests of the runs that they begin with.

    >>> found = word_runs(pa.array(["One fish, two fish"], pa.large_string()), 2)
    >>> found.until.tolist(), found.spans[found.until[0] - 1].tolist()
    ([2, 3, 4, 0], [4, 8])
    """
    characters = min_words if min_characters is None else min_characters
    composed, odd = _composed(texts)
    found = WordRuns(*_native.word_runs(to_engine(composed, "texts"), min_words, characters))
    for row in odd:  # Places are those of the text as it stands.
        found.spans[found.ends[row] : found.ends[row + 1]] = fold_words(texts.slice(row, 1)).spans
    return found


class Winnowed(NamedTuple):
    """Entries of a column of texts by which those are found that share runs of words.

    Attributes:
        words: shape (texts,); how many words each text has.
        ends: shape (texts + 1,); text i has the entries ``ends[i]`` to ``ends[i + 1]``.
        hashes: shape (entries,); of n-grams of words.
        places: shape (entries,); words within the text at which the n-grams begin, ascending.
    """

    words: Ints
    ends: Ints
    hashes: Hashes
    places: Ints


def winnow(texts: pa.LargeStringArray, run: int, gram: int) -> Winnowed:
    """Winnowing (Schleimer, Wilkerson and Aiken 2003): the smallest of the n-grams of each run.

    Two texts that share ``run`` words in a row share an entry within them, and of all n-grams of ``gram``
    words about 2 in ``run - gram + 2`` are entries.
    """
    composed, _ = _composed(texts)
    return Winnowed(*_native.winnow_words(to_engine(composed, "texts"), run, gram))


class Units(NamedTuple):
    """The paragraphs or lines of a column of texts that are not blank, without white space at their ends.

    Attributes:
        ends: shape (texts + 1,); text i has the units ``ends[i]`` to ``ends[i + 1]``.
        spans: shape (units, 2); first byte and end of each in its text.
        digests: shape (units, 2); 128 bits of each, in NFC.
        sizes: shape (units, 2); words and characters of each, in NFC.
    """

    ends: Ints
    spans: Ints
    digests: Hashes
    sizes: Ints


def text_units(texts: pa.LargeStringArray, unit: Unit) -> Units:
    """The paragraphs, which blank lines part, or the lines of each text.

    >>> text_units(pa.array([" a \\n\\n b\\nc"], pa.large_string()), "paragraph").spans.tolist()
    [[1, 2], [6, 9]]
    """
    lines = unit == "line"
    composed, odd = _composed(texts)
    found = Units(*_native.text_units(to_engine(composed, "texts"), lines))
    if odd:  # A normal form changes neither white space nor ends of lines: the same units, elsewhere.
        return found._replace(spans=Units(*_native.text_units(to_engine(texts, "texts"), lines)).spans)
    return found


def text_digests(texts: pa.LargeStringArray) -> Hashes:
    """128 bits of each text as it stands, shape (texts, 2)."""
    return _native.text_digests(to_engine(texts, "texts"))


def _composed(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, list[int]]:
    """The texts in NFC, and the rows of those that were not; without any, the very same column.

    A normal form makes no word two, nor two one, but of a few letters that hardly a text has: one where it
    does stays as it is, so that words have the same numbers in both.
    """
    changed: dict[int, str] = {}
    for row, text in enumerate(texts.to_pylist()):
        if text and not unicodedata.is_normalized("NFC", text):
            composed = unicodedata.normalize("NFC", text)
            both = fold_words(pa.array([text, composed], pa.large_string())).ends
            if 2 * both[1] == both[2]:
                changed[row] = composed
    if not changed:
        return texts, []
    rows = enumerate(texts.to_pylist())
    return pa.array([changed.get(row, text) for row, text in rows], pa.large_string()), list(changed)
