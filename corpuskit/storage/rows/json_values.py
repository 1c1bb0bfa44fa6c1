"""The values of a JSON file, one at a time: of a list, or one behind the other. What is damaged costs itself.

Behind a value that is no JSON the next one is looked for where it can be told from what stands inside of
values: by the beginning of a line, as far indented as the values before it; else by a name that objects
before it began with, where none of these held objects in a list; else by the brackets of the damaged value,
where a whole object follows. None of these stands inside a string: line ends and quotes are written otherwise
there. Where it cannot be told, the rest of the file is left unread.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from corpuskit.storage import streams
from corpuskit.storage.rows.row import Decoded, TwiceDict, excerpt
from corpuskit.storage.rows.text import Lines
from corpuskit.storage.streams import EXCERPT_BYTES, BrokenStreamError

_BETWEEN = re.compile(r"[\s,]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[][{},]', re.DOTALL)
_ANY_NAME = r'"(?:[^"\\]|\\.){0,200}"'
_OPENED = re.compile(r"\{[ \t\r]*\n([ \t]*)")
_IN_LINE = re.compile(r"\{[ \t]*[^\s\x00-\x1f]")
_FOLLOWS = re.compile(r"\s*(?:,\s*(?=\{)|(?=\]\s*\Z))")
_ODD = re.compile("[\udc80-\udcff]+")
"""Bytes that could not be decoded, as "surrogateescape" keeps them."""

_BROKEN_OFF = 16
"""Characters at the end of a text in which its parser may find fault with a word or number that goes on."""

_SCANNED = 2**20
"""Characters in which the end of a damaged value is looked for by its brackets."""

_MARK = 1024
"""Characters of a place at which reading goes on, at the most: blanks, a bracket and a name."""

_NAMES = 64
"""Names that objects begin with, which are kept; in a file that has more any name will do."""


def _as_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object as Python's parser makes it, the last of equal names winning; which differ is remembered."""
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    twice = TwiceDict(value)
    twice.twice = frozenset(name for name, each in pairs if each != value[name])
    return twice


def _digits(number: str) -> int | str:
    """A whole number; its digits as they stand where Python refuses to convert so many."""
    try:
        return int(number)
    except ValueError:
        return number


_DECODER = json.JSONDecoder(object_pairs_hook=_as_dict)
_LENIENT = json.JSONDecoder(object_pairs_hook=_as_dict, parse_int=_digits)


def parse(text: str) -> Any:
    """The value of a JSON text. Raises ValueError or RecursionError."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # A number of too many digits, in whatever field: no reason to lose the text.
        return _LENIENT.decode(text)


class Unread(NamedTuple):
    """A value, or the rest of a file, that cannot be read.

    Attributes:
        kind, why: a word that is counted, and what is wrong.
        line: in which it begins, from 1.
        goes_on: whether what stands behind it is read.
    """

    kind: str
    why: str
    line: int
    excerpt: str = ""
    goes_on: bool = False


class _TooLargeError(ValueError):
    """One value is larger than a document may be."""


class Values:
    """The values of a file with their sizes in bytes."""

    def __init__(self, lines: Lines) -> None:
        self._window = _Window(lines)
        self._gap = "\n"  # What stands between a value and the one before: here the beginning of a line.
        self._line_gap = ""  # The last of these with a line end.
        self._names: set[str] = set()  # That objects began with.
        self._nested = False  # Whether objects held lists of objects,
        self._lines = False  # and whether they stood in several lines.

    @property
    def decoded(self) -> Decoded | None:
        """How the file was decoded, if it is not in UTF-8."""
        return self._window.decoded

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        """Yield them; what is none as an `Unread` or, where the stream breaks off, a `BrokenStreamError`."""
        try:
            yield from self._values()
        except BrokenStreamError as error:
            yield error, self._window.rest()
        else:
            if self._window.broken:
                yield self._window.broken, 0

    def _values(self) -> Iterator[tuple[Any, int]]:
        window, inside = self._window, False
        window.grow()
        window.at = len(window.text) - len(window.text.removeprefix("\ufeff"))
        while mark := self._next_mark():
            self._line_gap = self._gap if "\n" in self._gap else self._line_gap
            if mark == "]" or (mark == "[" and not inside):
                inside = mark == "["
                window.at += 1
            else:
                try:
                    value, end = window.value()
                except (ValueError, RecursionError) as error:
                    unread, size = self._pass_over(error)
                    yield unread, size
                    if not unread.goes_on:
                        return
                else:
                    if odd := window.odd(end):
                        value = Unread("invalid_utf8", odd, window.line(), window.excerpt(), goes_on=True)
                    elif isinstance(value, dict):
                        self._note(value)
                        self._lines = self._lines or "\n" in window.text[window.at : end]
                    yield value, window.take(end)
            self._gap = ""
        if inside:
            yield Unread("bad_json", "not JSON: the list is not closed", window.line()), 0

    def _next_mark(self) -> str:
        """The first character that is no blank and no comma, to which the window moves; empty at the end."""
        window = self._window
        while True:
            between = _BETWEEN.match(window.text, window.at)
            assert between is not None  # It matches nothing, too.
            self._gap = (self._gap + between.group())[-_MARK:]
            window.at = between.end()
            if window.at < len(window.text) or window.ended:
                return window.text[window.at : window.at + 1]
            window.grow()

    def _note(self, value: dict[str, Any]) -> None:
        """Take note of what an object is like: by that the next one is told where one is damaged."""
        if len(self._names) < _NAMES and value:
            self._names.add(next(iter(value)))
        self._nested = self._nested or _holds_objects(value)

    # ------------------------------------------------------------------------------------ what is damaged
    def _pass_over(self, error: Exception) -> tuple[Unread, int]:
        """What is wrong with the value that begins here, and its bytes; the window moves behind it."""
        window = self._window
        line, began, ahead = window.line(), window.excerpt(), 0
        kind, why = "too_large" if isinstance(error, _TooLargeError) else "bad_json", f"not JSON: {error}"
        if isinstance(error, json.JSONDecodeError):
            ahead = error.pos - window.at
            why = f"not JSON: {error.msg} at character {window.before + error.pos + 1:,} of the file"
        mark = self._mark(certain=isinstance(error, json.JSONDecodeError))
        end = None
        # What is left of a value whose end stood too early may hold what looks like others.
        if mark is None or not window.text.startswith("{", window.at):
            end = None if kind == "too_large" else self._end_by_brackets()
        if end is not None:
            size, goes_on = window.take(end), True
        elif mark is not None:
            size, goes_on = window.skip_to(mark, _token_before(window.text, window.at, ahead))
        else:
            size, goes_on = window.rest(), False
        return Unread(kind, why, line, began, goes_on), size

    def _mark(self, *, certain: bool) -> re.Pattern[str] | None:
        """What a value behind this one begins with, and nothing inside of values; None if it is not known.

        Args:
            certain: whether it is known where the damage stands: what stands before it is not looked at.
        """
        window, flat = self._window, bool(self._names) and not self._nested
        is_object = window.text.startswith("{", window.at)
        # What is left of a value stands behind its beginning.
        _, newline, indent = (self._gap if is_object else self._line_gap).rpartition("\n")
        if newline:
            opened = _OPENED.match(window.text, window.at)
            if opened and (flat or len(opened[1]) > len(indent)):
                return re.compile(rf"\n{re.escape(indent)}\{{[ \t\r]*\n{opened[1]}(?=[\"}}])")
            # Where lines are broken inside of values without being indented, more of these may begin alike.
            in_line = not self._lines and (self._names or _IN_LINE.match(window.text, window.at))
            if flat or in_line:
                return re.compile(rf"\n{re.escape(indent)}\{{(?=\s*[\"}}])")
        if not flat or not certain:
            return None
        spelt = {json.dumps(name, ensure_ascii=plain) for name in self._names for plain in (True, False)}
        name = _ANY_NAME if len(self._names) == _NAMES else "|".join(map(re.escape, sorted(spelt)))
        return re.compile(r",\s*\{\s*(?:" + name + r")\s*:")

    def _end_by_brackets(self) -> int | None:
        """Where the damaged value ends by its own brackets, if a whole object or the end of all follows."""
        window = self._window
        try:
            while len(window.text) - window.at < _SCANNED and not window.ended:
                window.grow()
        except BrokenStreamError as error:
            window.broken = error
            return None
        end = _closing(window.text, window.at)
        follows = None if end is None else _FOLLOWS.match(window.text, end)
        if follows is None or end is None:
            return None
        at = follows.end()
        if not window.text.startswith("{", at):
            return end if window.ended else None
        try:
            value, _ = _raw(window.text, at)
        except (ValueError, RecursionError):
            return None
        return end if value else None


def _holds_objects(value: dict[str, Any]) -> bool:
    """Whether there is a list of objects in an object."""
    inside = [each for each in value.values() if isinstance(each, dict | list)]
    while inside:  # It may be nested as deep as its parser goes, deeper than functions can call themselves.
        held = inside.pop()
        if isinstance(held, list) and any(isinstance(each, dict) for each in held):
            return True
        values = held.values() if isinstance(held, dict) else held
        inside += [each for each in values if isinstance(each, dict | list)]
    return False


def _closing(text: str, start: int) -> int | None:
    """Where the value that begins at ``start`` ends by its brackets, or at a comma without any."""
    opened: list[str] = []
    has_brackets = text[start] in "{["
    for token in _TOKEN.finditer(text, start, start + _SCANNED):
        mark = token.group()
        if mark in "{[":
            opened.append(mark)
        elif mark in "}]" and opened:
            if opened.pop() + mark not in ("{}", "[]"):
                return None
            if has_brackets and not opened:
                return token.end()
        elif mark in ",]" and not opened:
            return token.start()
    return None


def _token_before(text: str, start: int, ahead: int) -> int:
    """From where on the next value may begin: the string or the marks just before a place of damage.

    A quote that is missing makes the beginning of the next value the end of a string.
    """
    before = start + ahead
    while before > start and text[before - 1] in " \t\r\n,":
        before -= 1
    if text[before - 1] == '"':
        before = next((t.start() for t in _TOKEN.finditer(text, start, before) if t.end() == before), before)
    return max(before, start + 1)


class _Window:
    """The text of a file from some place on, as much of it as is needed.

    Attributes:
        text: what is held of the file.
        at: where in ``text`` to read on.
        before: characters of the file before ``text``.
        ended: whether nothing follows.
        broken: why what follows cannot be had, although nobody was told.
        decoded: how it was decoded, if it is not in UTF-8.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._left = lines.utf8()
        self._decoder: codecs.IncrementalDecoder = codecs.getincrementaldecoder("utf-8")()
        self._has_odd = False
        self._line, self._line_at = 1, 0  # The line in which the place of the text stands.
        self.text = ""
        self.at = self.before = 0
        self.ended = False
        self.broken: BrokenStreamError | None = None
        self.decoded: Decoded | None = None

    def grow(self) -> None:
        """Take in more text: as much again as there is, so that parsing it anew stays linear."""
        self.line()
        pieces = [self.text[self.at :]]
        size, least = 0, len(pieces[0])
        try:
            while size <= least and not self.ended:
                data = next(self._left, None)
                self.ended = data is None
                pieces.append(self._decode(data or b""))
                size += len(pieces[-1])
        finally:  # What came before a break is there, too.
            self.before += self.at
            self.text, self.at, self._line_at = "".join(pieces), 0, 0

    def _decode(self, data: bytes) -> str:
        try:
            return self._decoder.decode(data, final=self.ended)
        except UnicodeDecodeError:
            data = self._decoder.getstate()[0] + data
        self._has_odd = True
        encoding = "utf-8"
        if self.decoded is None and (found := self._lines.judge(data)) is not None:
            self.decoded, encoding = found, found.encoding
        # What is not to be decoded is kept as it is: it costs the value that it stands in.
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
        return self._decoder.decode(data, final=self.ended)

    def value(self) -> tuple[Any, int]:
        """The value at which the window stands, and where it ends. Raises ValueError or RecursionError."""
        while True:
            try:
                value, end = _raw(self.text, self.at)
                # A number at the end of what is there may go on.
                if end < len(self.text) or self.ended:
                    return value, end
            except json.JSONDecodeError as error:
                goes_on = error.pos + _BROKEN_OFF > len(self.text) or error.msg.startswith("Unterminated")
                if self.ended or not goes_on:
                    raise
            if len(self.text) - self.at > streams.MAX_ROW_BYTES:
                raise _TooLargeError(f"a value of more than {streams.MAX_ROW_BYTES:,} bytes")
            self.grow()

    def take(self, end: int) -> int:
        """Move to a place behind; returns the bytes up to there."""
        size = len(self.text[self.at : end].encode("utf-8", "surrogateescape"))
        self.at = end
        return size

    def skip_to(self, mark: re.Pattern[str], start: int) -> tuple[int, bool]:
        """Move to the next mark behind a place, or to the end; returns the bytes, and whether it is one."""
        size = 0
        while True:
            if found := mark.search(self.text, start):
                return size + self.take(found.start()), True
            if self.ended:
                return size + self.take(len(self.text)), False
            # A mark may begin in what is there; the rest is not needed any more.
            size += self.take(max(start, len(self.text) - _MARK))
            start = 0
            try:
                self.grow()
            except BrokenStreamError as error:
                self.broken = error
                return size + self.rest(), False

    def rest(self) -> int:
        """Bytes that are left of the file, which are read for it."""
        size = self.take(len(self.text))
        try:
            return size + sum(map(len, self._left))
        except BrokenStreamError as error:
            self.broken = self.broken or error
            return size

    def line(self) -> int:
        """Number of the line in which the window stands, from 1."""
        self._line += self.text.count("\n", self._line_at, self.at)
        self._line_at = self.at
        return self._line

    def excerpt(self) -> str:
        """The beginning of what follows, for a person to recognise it."""
        return excerpt(self.text[self.at : self.at + EXCERPT_BYTES].encode("utf-8", "surrogateescape"))

    def odd(self, end: int) -> str:
        """What cannot be decoded of the value that ends there, in words; empty where all is."""
        found = _ODD.search(self.text, self.at, end) if self._has_odd else None
        if found is None:
            return ""
        return f"bytes that are not UTF-8: {found.group().encode('utf-8', 'surrogateescape')[:8]!r}"


def _raw(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _LENIENT.raw_decode(text, at)
