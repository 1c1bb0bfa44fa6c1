"""Sentences whose words have labels: CoNLL columns, CoNLL-U, or JSON; and the scheme that the labels follow.

CoNLL: a word a line, its columns parted by tabs or blanks, a blank line behind a sentence; lines that begin
with ``-DOCSTART-`` are none. CoNLL-U adds comments, ranges (``1-2``) and empty nodes (``8.1``), which are no
words. Rows of JSON, Parquet or Arrow have a list of words and a list of tags.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from corpuskit.errors import EmptyError, InputError, SettingError, counted
from corpuskit.storage import streams
from corpuskit.storage.datasets.words import are_words
from corpuskit.storage.places import local_path
from corpuskit.storage.rows.formats import format_of
from corpuskit.storage.rows.text import BOM, Lines
from corpuskit.storage.streams import BrokenStreamError
from corpuskit.train.data.tables.columns import find_columns
from corpuskit.train.data.tables.encodings import known_encoding, not_utf8, require_text
from corpuskit.train.data.tables.labels import clean
from corpuskit.train.data.tables.row import Account, Place
from corpuskit.train.data.tables.table import open_table
from corpuskit.train.data.tables.usual import TAGS, TEXT, WORDS

PLAIN, IOB1, IOB2, BIOES, BILOU = "plain", "IOB1", "IOB2", "BIOES", "BILOU"
SCHEMES = (PLAIN, IOB1, IOB2, BIOES, BILOU)
"""Plain labels stand for themselves (parts of speech); the others mark spans."""

_UD_COLUMNS = 10
_UD_ID = re.compile(r"[1-9][0-9]*|[1-9][0-9]*-[1-9][0-9]*|[0-9]+\.[0-9]+")
_WORD, _UPOS = 2, 4
_SPAN = re.compile(r"([BIESLU])-(.+)", re.DOTALL)
_BLANKS = re.compile(" +")
_SAMPLE = 2000


@dataclass(frozen=True)
class Sentence:
    """The words of a sentence and their tags, one a word.

    Attributes:
        place: its number in the file, and the line of its first word.
    """

    place: Place
    words: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Tagged:
    """A file of sentences with tags.

    Attributes:
        name: what messages call it.
        scheme: one of `SCHEMES`, found by the tags or given.
        told: what was found, in sentences.
    """

    name: str
    scheme: str
    told: tuple[str, ...]
    _path: str
    _encoding: str
    _columns: tuple[str, str] | tuple[int, int, bool]

    def sentences(self, account: Account | None = None) -> Iterator[Sentence]:
        """All sentences in order, one held at a time; `account` takes up those of JSON that are left out.

        Raises InputError, naming the line, for a line of too few columns and for bytes that are not UTF-8.
        """
        if len(self._columns) == 3:
            return _read_columns(self._path, self.name, self._encoding, *self._columns)
        return _read_lists(self._path, self._columns, self._encoding, account)


def read_conll(
    path: str | Path,
    *,
    word: int | str | None = None,
    tag: int | str | None = None,
    scheme: str | None = None,
    encoding: str | None = None,
) -> Tagged:
    """Open a file of words with labels.

    Args:
        word, tag: columns of both, by number from 1, or by name in JSON and tables of columns. Without them
            the first and the last; of CoNLL-U the form (2) and the universal part of speech (4).
        scheme: one of `SCHEMES`; found by the tags if it is not given.

    Raises:
        InputError: it is not there, or no such file.
        EmptyError: it holds no sentence.
        SettingError: a column or scheme that is not known.
    """
    if scheme is not None and scheme not in SCHEMES:
        raise SettingError(f"scheme {scheme!r} is not known", remedy=f"Known: {', '.join(SCHEMES)}.")
    codec, name = known_encoding(encoding), Path(path).name
    kind = format_of(name)
    if (kind and kind != "text") or are_words(str(path)) or Path(path).is_dir():
        table = open_table(path, encoding=encoding)
        given = {key: value for key, value in (("words", word), ("tags", tag)) if value is not None}
        found = find_columns(table, {"words": WORDS, "tags": TAGS}, given)
        columns: Any = (found.keys["words"], found.keys["tags"])
        told = [*table.told, *found.told]
    else:
        columns, told = _choose(str(local_path(path)), name, codec, word, tag)
    tagged = Tagged(name, "", (), str(path), codec, columns)
    counts: Counter[str] = Counter()
    detected, said = find_scheme(_counting(tagged.sentences(Account()), counts))
    if not counts:
        raise EmptyError(f"{name}: no sentence", remedy="Name another file.")
    if scheme is None:
        told += [f"tags: {said}"]
    return Tagged(name, scheme or detected, tuple(told), str(path), codec, columns)


def read_words(
    path: str | Path, *, word: int | str | None = None, encoding: str | None = None
) -> Iterator[tuple[str, ...]]:
    """The words of each sentence of a file that needs no tags: as `read_conll`, or rows of texts.

    A text is parted at its blanks. Raises as `read_conll`.
    """
    codec, name = known_encoding(encoding), Path(path).name
    kind = format_of(name)
    if not ((kind and kind != "text") or are_words(str(path)) or Path(path).is_dir()):
        path = str(local_path(path))
        (column, _, universal), _ = _choose(path, name, codec, word, None, tagged=False)
        for sentence in _read_columns(path, name, codec, column, column, universal):
            yield sentence.words
        return
    table = open_table(path, encoding=encoding)
    given = {} if word is None else {"words": word}
    for row in find_columns(table, {"words": (*WORDS, *TEXT)}, given).rows():
        words = row.values["words"]
        words = words.split() if isinstance(words, str) else words
        if (
            not isinstance(words, list)
            or not words
            or not all(isinstance(w, str) and w.strip() for w in words)
        ):
            message = f"{row.place}: neither words nor a text"
            raise InputError(message, remedy='Write {"words": [...]} or {"text": "..."}.')
        yield tuple(words)


def _counting(sentences: Iterator[Sentence], counts: Counter[str]) -> Iterator[tuple[str, ...]]:
    for sentence in islice(sentences, _SAMPLE):
        counts.update(sentence.tags)
        yield sentence.tags


# ------------------------------------------------------------------------------------------------- columns
def _choose(
    path: str,
    name: str,
    encoding: str,
    word: int | str | None,
    tag: int | str | None,
    *,
    tagged: bool = True,
) -> tuple[tuple[int, int, bool], list[str]]:
    """Which columns are read, whether the file is CoNLL-U, and what is said of it."""
    for column in (word, tag):
        if isinstance(column, str) and not column.isdecimal():
            message = f"{name}: its columns have no names, and {column!r} is asked for"
            raise SettingError(message, remedy="Give their numbers, from 1: --set word=1 --set tag=2.")
    head = _head(path)
    require_text(head, name, encoding)
    lines = (cells for _, cells in _lines(path, name, encoding) if cells and not _is_comment(cells))
    first = next(lines, None)
    if first is None:
        raise EmptyError(f"{name}: no sentence: it is empty", remedy="Name another file.")
    universal = len(first) == _UD_COLUMNS and bool(_UD_ID.fullmatch(first[0]))
    chosen = [
        int(word) if word is not None else _WORD if universal else 1,
        int(tag) if tag is not None else _UPOS if universal else len(first),
    ]
    for column in chosen:
        if not 1 <= column <= len(first) and (tagged or column == chosen[0]):
            message = f"{name}: no column {column}: a line has {len(first)} ({' | '.join(first)})"
            raise SettingError(message, remedy=f"Give a number from 1 to {len(first)}.")
    if tagged and chosen[0] == chosen[1]:
        message = f"{name}: words and tags would both be column {chosen[0]} of {len(first)}"
        raise SettingError(message, remedy="Give two columns: --set word=1 --set tag=2.")
    kind = "CoNLL-U" if universal else f"CoNLL, {len(first)} columns"
    return (chosen[0], chosen[1], universal), [f"{kind}: words in column {chosen[0]}, tags in {chosen[1]}"]


def _head(path: str) -> bytes:
    try:
        return next(iter(streams.chunks(path)), b"")
    except BrokenStreamError as error:
        raise InputError(f"{path}: it cannot be read: {error}", remedy=error.remedy) from error


def _lines(path: str, name: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line with its number; none of a blank line."""
    lines = Lines(path, None, 0, encoding)
    number = 0
    try:
        for data, size in lines:
            number += 1
            data = (data.removeprefix(BOM) if number == 1 else data).rstrip(b"\r")
            place = f"{name} line {number}"
            if size > streams.MAX_ROW_BYTES:
                raise InputError(f"{place}: {size:,} bytes in one line", remedy="It is no file of words.")
            if (decoded := lines.decode(data)) is None:
                why, remedy = not_utf8(path, 0, data)
                raise InputError(f"{place}: {why}", remedy=remedy)
            # In a line of tabs a word may hold blanks; a no-break space is a character of a word.
            text = decoded[0].strip(" \r" if b"\t" in data else " \t\r")
            parted = text.split("\t") if "\t" in text else _BLANKS.split(text)
            yield number, parted if text.strip() else []
    except BrokenStreamError as error:
        message = f"{name} line {number + 1}: the file cannot be read from here on: {error}"
        raise InputError(message, remedy=error.remedy) from error


def _is_comment(cells: Sequence[str]) -> bool:
    return cells[0].startswith("#") and (len(cells) == 1 or cells[0] == "#" or "=" in cells[0:3])


def _read_columns(
    path: str, name: str, encoding: str, word: int, tag: int, universal: bool
) -> Iterator[Sentence]:
    words: list[str] = []
    tags: list[str] = []
    start, count, width = 0, 0, 0
    for number, cells in _lines(path, name, encoding):
        if not cells or cells[0].startswith("-DOCSTART-"):
            if words:
                count += 1
                yield Sentence(Place(name, count, start), tuple(words), tuple(tags))
                words, tags = [], []
            continue
        if universal and (cells[0].startswith("#") or not cells[0].isdecimal()):
            if not cells[0].startswith("#") and not _UD_ID.fullmatch(cells[0]):
                raise _bad_line(name, number, cells, f"{cells[0]!r} is no number of a word")
            continue
        # A number sign may be a word; as a comment it has not the columns of one.
        if not universal and cells[0].startswith("#") and len(cells) != (width or len(cells)):
            continue
        if not universal and not width and not words and _is_comment(cells):
            continue
        if len(cells) < max(word, tag):
            raise _bad_line(name, number, cells, f"{len(cells)} columns where {max(word, tag)} are needed")
        width = width or len(cells)
        if len(cells) != width:
            raise _bad_line(name, number, cells, f"{len(cells)} columns where the lines before have {width}")
        start = start if words else number
        words.append(cells[word - 1])
        tags.append(cells[tag - 1].strip())
    if words:
        yield Sentence(Place(name, count + 1, start), tuple(words), tuple(tags))


def _bad_line(name: str, number: int, cells: Sequence[str], why: str) -> InputError:
    shown = " ".join(cells)[:60]
    remedy = "A line is a word with its columns, or blank; mend it, or name the columns."
    return InputError(f"{name} line {number}: {why}: {shown!r}", remedy=remedy)


# --------------------------------------------------------------------------------------------------- lists
def _read_lists(
    path: str, columns: tuple[str, str], encoding: str, account: Account | None
) -> Iterator[Sentence]:
    table = open_table(path, encoding=encoding or None)
    given = dict(zip(("words", "tags"), columns, strict=True))
    for row in find_columns(table, {"words": (), "tags": ()}, given).rows(account):
        words, tags = row.values["words"], row.values["tags"]
        reason = _lists_problem(words, tags)
        if not reason:
            yield Sentence(row.place, tuple(words), tuple(clean(tag) or "" for tag in tags))
        elif account is None:
            raise InputError(f"{row.place}: {reason}", remedy='Write {"words": [...], "tags": [...]}.')
        else:
            account.leave(reason, row.place)


def _lists_problem(words: Any, tags: Any) -> str:
    """Why two values are not the words of a sentence and their tags."""
    if not isinstance(words, list) or not isinstance(tags, list):
        return "words and tags are not two lists"
    if len(words) != len(tags):
        return "not as many tags as words"
    if not words:
        return "no words"
    if not all(isinstance(word, str) and word.strip() for word in words):
        return "a word is no text, or empty"
    return "" if all(clean(tag) for tag in tags) else "a word has no tag"


# ------------------------------------------------------------------------------------------------- schemes
def find_scheme(sentences: Iterable[Sequence[str]]) -> tuple[str, str]:
    """The scheme that tags follow, and what is said of it.

    >>> find_scheme([["B-PER", "I-PER", "O", "B-LOC"]])
    ('IOB2', 'spans by IOB2: LOC, PER')
    >>> find_scheme([["DET", "NOUN"]])
    ('plain', 'plain labels, one a word (2 different)')
    """
    prefixes: Counter[str] = Counter()
    kinds: set[str] = set()
    plain: set[str] = set()
    lonely = joined = 0  # I- that begins a span; B- that stands right behind its own kind
    for tags in sentences:
        before = ""
        for tag in tags:
            found = _SPAN.fullmatch(tag)
            if found is None:
                plain |= {tag} - {"O"}
                before = ""
                continue
            prefix, kind = found.groups()
            prefixes[prefix] += 1
            kinds.add(kind)
            lonely += prefix == "I" and kind != before
            joined += prefix == "B" and kind == before
            before = kind
    if plain or not prefixes:
        return PLAIN, f"plain labels, one a word ({len(plain | kinds):,} different)"
    if prefixes["L"] or prefixes["U"]:
        scheme = BILOU
    elif prefixes["E"] or prefixes["S"]:
        scheme = BIOES
    else:
        scheme = IOB1 if lonely and joined == prefixes["B"] else IOB2
    odd = ""
    if scheme == IOB2 and lonely:
        begin = f"{counted(lonely, 'span')} {'begins' if lonely == 1 else 'begin'} with I-"
        odd = f"; {begin}, which strict IOB2 does not count and conlleval does"
    return scheme, f"spans by {scheme}: {', '.join(sorted(kinds))}{odd}"
