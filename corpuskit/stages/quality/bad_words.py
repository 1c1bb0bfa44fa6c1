"""Documents that hold a word of a given list."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from corpuskit.documents.settings import Decides, Location
from corpuskit.errors import InputError
from corpuskit.stages.quality.rules import base_language
from corpuskit.stages.stage import Rule
from corpuskit.storage.places import stamp

UNSPACED = [
    "bo",
    "bod",
    "dz",
    "dzo",
    "ja",
    "jpn",
    "jv",
    "khm",
    "km",
    "lao",
    "lo",
    "mya",
    "my",
    "th",
    "tha",
    "yue",
    "zh",
    "zho",
]
"""Languages that put no blanks between words: entries of their lists are found within words."""


class BadWords(Rule):
    """Drops documents that hold an entry of the list of their language, as ``c4_bad_words``.

    C4 dropped pages with a word of the "List of Dirty, Naughty, Obscene or Otherwise Bad Words" (LDNOOBW);
    no list is part of this package. Entries are found as whole words, in any case and normal form: between
    two characters that are neither letters, marks, digits nor ``_``, or at the ends of the text. An entry of
    several words is found with the single blanks that it is written with. In languages without blanks between
    words its characters are found wherever they stand, so that short entries match much (C4's own code
    exempts some).

    A document of a language without a list is not searched: its column ``bad_words`` is null, and a warning
    counts such documents.

    Attributes:
        lists: language code to a UTF-8 file with one entry a line, ``#`` for remarks. Contents, not places,
            decide whether a finished run is still good.
        language: of documents that name none.
        max_bad_words: how many different entries a document may hold.
    """

    name: ClassVar[str] = "bad_words"
    columns: ClassVar[Mapping[str, pa.DataType]] = {"bad_words": pa.int64()}

    lists: Location[dict[str, str]] = Field(default_factory=dict)
    language: str = ""
    max_bad_words: Decides[int] = Field(default=0, ge=0)

    def libraries(self) -> dict[str, Any]:
        """The digests of the lists, and the Unicode version of words and normal forms."""
        digests = {language: _list(path).sha256 for language, path in sorted(self.lists.items())}
        return {"unicode": unicodedata.unidata_version, "lists_sha256": digests}

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Add the column ``bad_words``: different entries in a document, null where there is no list."""
        languages, texts = batch.column("language").to_pylist(), batch.column("text").to_pylist()
        found = [self._count(*each) for each in zip(languages, texts, strict=True)]
        return batch.append_column(pa.field("bad_words", pa.int64()), pa.array(found, pa.int64()))

    def _count(self, language: str, text: str) -> int | None:
        code = base_language(language or self.language)
        path = next((self.lists[key] for key in self.lists if base_language(key) == code), None)
        if path is None:
            return None
        return len(set(_list(path).pattern(code in UNSPACED).findall(_plain(text))))

    def decide(self, scores: pa.RecordBatch) -> Mapping[int, str]:
        """Rows with more entries than are allowed."""
        counts = scores.column("bad_words").to_pylist()
        return {
            row: "c4_bad_words" for row, n in enumerate(counts) if n is not None and n > self.max_bad_words
        }

    def passed_over(self, scores: pa.RecordBatch) -> Mapping[int, str]:
        """Documents of a language without a list."""
        rows = np.flatnonzero(scores.column("bad_words").is_null().to_numpy(zero_copy_only=False))
        listed = ", ".join(sorted(self.lists)) or "none"
        sentence = f"not searched: there is no list for their language, or they name none (lists: {listed})"
        return dict.fromkeys(rows.tolist(), sentence)


class _List:
    """The entries of a file."""

    def __init__(self, entries: list[str], sha256: str) -> None:
        self.entries, self.sha256 = entries, sha256
        self._patterns: dict[bool, re.Pattern[str]] = {}

    def pattern(self, bare: bool) -> re.Pattern[str]:
        """Finds an entry; ``bare`` wherever it stands, else as whole words."""
        if bare not in self._patterns:
            # The longest first: of two that begin alike the shorter would hide the longer.
            words = "|".join(map(re.escape, sorted(self.entries, key=lambda entry: (-len(entry), entry))))
            border = rf"[\w{_marks()}]"
            # Of borders behind it, so that two entries may share the blank between them.
            found = words if bare else rf"(?<!{border})(?:{words})(?!{border})"
            self._patterns[bare] = re.compile(found)
        return self._patterns[bare]


def _list(path: str) -> _List:
    """The entries of a user's file. Raises `InputError` for one that is not usable."""
    try:
        return _list_as_of(path, stamp(Path(path)))
    except (OSError, UnicodeDecodeError) as error:
        remedy = "Give a UTF-8 text file with one word or phrase a line."
        raise InputError(f"bad_words: {path}: {error}", remedy=remedy) from error


# Asked for each document: an edited file is read anew.
@lru_cache(maxsize=64)
def _list_as_of(path: str, state: tuple[int, ...]) -> _List:
    data = Path(path).read_bytes()
    lines = [line.strip() for line in data.decode("utf-8-sig").splitlines()]
    entries = sorted({_plain(line) for line in lines if line and not line.startswith("#")})
    if not entries:
        raise InputError(f"bad_words: {path} holds no entry", remedy="Write one word or phrase a line.")
    return _List(entries, hashlib.sha256(data).hexdigest())


def _plain(text: str) -> str:
    """In the form in which texts and entries are compared."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


@cache
def _marks() -> str:
    """All combining marks as a part of a character class: Python's own \\\\w knows none."""
    marks = [chr(n) for n in range(0x300, 0x1F000) if unicodedata.category(chr(n))[0] == "M"]
    return "".join(marks)
