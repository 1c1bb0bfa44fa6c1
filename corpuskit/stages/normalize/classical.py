"""The classical steps of text preparation: lower-casing, removing punctuation, removing stop words.

They come from the time of bag-of-words models. Language models of today are trained without them, since all
three throw away what a model could learn; they are here for those who compare with older work, and are used
only where a recipe names them.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from corpuskit.documents.settings import Location
from corpuskit.documents.words import pattern
from corpuskit.errors import InputError
from corpuskit.stages.normalize.stop_words import VERSION, code_of, stop_words
from corpuskit.stages.normalize.texts import map_texts
from corpuskit.stages.stage import Effect, Stage
from corpuskit.storage.places import stamp

_APOSTROPHES = "'’ʼ"
_APOSTROPHE_IN_WORD = re.compile(rf"(?<=\w)[{_APOSTROPHES}](?=\w)")
_SPACES = re.compile(r" {2,}")


def _tidy_spaces(text: str) -> str:
    """Single spaces, and none at the ends of lines or of the text."""
    lines = _SPACES.sub(" ", text).split("\n")
    return "\n".join([line.strip(" ") for line in lines]).strip("\n")


class Lowercase(Stage):
    """Turns text into lower case by Unicode's full mapping, without regard to language."""

    name: ClassVar[str] = "lowercase"

    def libraries(self) -> dict[str, Any]:
        """The Unicode version of the mapping."""
        return {"unicode": unicodedata.unidata_version}

    def apply(self, batch: pa.RecordBatch) -> Effect:
        """Lower-case every text."""
        return map_texts(batch, lambda text, _: text.lower())


class _PunctuationTable(dict[int, str]):
    """For `str.translate`: punctuation and symbols to a space, everything else to itself, looked up once."""

    def __init__(self, keep: str) -> None:
        super().__init__({ord(c): c for c in keep})

    def __missing__(self, code: int) -> str:
        character = chr(code)
        value = " " if unicodedata.category(character)[0] in "PS" else character
        self[code] = value  # `translate` asks for a character again at each place where it stands.
        return value


# Kept between batches, and with it what it has looked up; not in the stage, whose settings are frozen.
@lru_cache(maxsize=8)
def _punctuation_table(keep: str) -> _PunctuationTable:
    return _PunctuationTable(keep)


class Punctuation(Stage):
    """Removes punctuation and symbols: the Unicode categories P and S.

    An apostrophe within a word goes without a trace (``don't`` becomes ``dont``); everything else becomes a
    space, so that words stay apart, and several spaces become one.

    Attributes:
        keep: characters that stay, such as ``-`` or ``$``.
    """

    name: ClassVar[str] = "punctuation"

    keep: str = ""

    def libraries(self) -> dict[str, Any]:
        """The Unicode version of the categories."""
        return {"unicode": unicodedata.unidata_version}

    def apply(self, batch: pa.RecordBatch) -> Effect:
        """Remove the punctuation of every text."""
        table = _punctuation_table(self.keep)
        apostrophes = not set(_APOSTROPHES) & set(self.keep)

        def bare(text: str, row: int) -> str:
            # Before the table, which would part "don't" into two words.
            text = _APOSTROPHE_IN_WORD.sub("", text) if apostrophes else text
            return _tidy_spaces(text.translate(table))

        return map_texts(batch, bare)


def _words_of_file(path: str) -> tuple[frozenset[str], str]:
    """Words of a user's file, and the sha256 of its bytes. Raises `InputError` for one that is not usable."""
    try:
        return _words_as_of(path, stamp(Path(path)))
    except (OSError, UnicodeDecodeError) as error:
        remedy = "Give a UTF-8 text file with one word per line."
        raise InputError(f"stop_words: {path}: {error}", remedy=remedy) from error


# Asked for each document: reading the file each time would cost more than removing its words.
@lru_cache(maxsize=8)
def _words_as_of(path: str, state: tuple[int, ...]) -> tuple[frozenset[str], str]:
    """The words of a file in one state of it: an edited file is read anew."""
    data = Path(path).read_bytes()
    lines = data.decode("utf-8-sig").splitlines()
    words = frozenset(_plain_word(line) for line in lines if line.strip() and not line.startswith("#"))
    if not words:
        raise InputError(f"stop_words: {path} holds no word", remedy="Write one word per line.")
    return words, hashlib.sha256(data).hexdigest()


def _plain_word(word: str) -> str:
    """The form in which words are compared: lower case, straight apostrophes."""
    return word.strip().lower().replace("’", "'").replace("ʼ", "'")


class StopWords(Stage):
    """Removes stop words: articles, pronouns, prepositions and the like.

    The lists are those of ``stopwordsiso`` for 58 languages (Stopwords ISO); they are long, and negations are
    in them. Words (`corpuskit.documents.words`) are compared without regard to case. Of an elided article the
    article alone goes (``l'eau`` becomes ``eau``). A document keeps all its words if there is no list for its
    language, and in Chinese, Japanese and Thai, where a word of the list stands within others.

    Attributes:
        language: the language of the list for all documents; empty to take each document's own, or where its
            source says none, what the stage ``language`` found.
        keep: words that stay although a list has them, such as ``not``.
        file: a UTF-8 file with one word per line, ``#`` for remarks, instead of the built-in lists. Its
            contents, not its place, decide whether a finished run is still good.
    """

    name: ClassVar[str] = "stop_words"
    version: ClassVar[int] = 2

    language: str = ""
    keep: tuple[str, ...] = ()
    file: Location[str] = ""

    def libraries(self) -> dict[str, Any]:
        """The digest of a user's file, or the version of the lists."""
        if self.file:
            return {"stop_words_sha256": _words_of_file(self.file)[1]}
        return {"stopwordsiso": VERSION}

    def apply(self, batch: pa.RecordBatch) -> Effect:
        """Remove the stop words of every text."""
        languages = batch.column("language").to_pylist()
        found = (
            batch.column("language_code").to_pylist() if "language_code" in batch.schema.names else languages
        )
        kept = frozenset(map(_plain_word, self.keep))

        def without(text: str, row: int) -> str:
            words = self._list(self.language or languages[row] or found[row] or "") - kept
            return remove_words(text, words) if words else text

        return map_texts(batch, without)

    def _list(self, language: str) -> frozenset[str]:
        """The words for a language code; ``de-AT`` has those of ``de``."""
        return _words_of_file(self.file)[0] if self.file else stop_words(code_of(language))


def remove_words(text: str, words: frozenset[str]) -> str:
    """The text without these words and without the spaces that they leave.

    >>> remove_words("The water and l'eau, de l’air", frozenset({"the", "and", "l'", "de"}))
    'water eau, air'
    """

    def kept(match: re.Match[str]) -> str:
        word = _plain_word(match[0])
        if word in words:
            return ""
        article, apostrophe, rest = word.partition("'")
        if not apostrophe or article + "'" not in words:
            return match[0]
        return "" if rest in words else match[0][len(article) + 1 :]

    return _tidy_spaces(pattern().sub(kept, text))
