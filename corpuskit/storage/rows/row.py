"""What readers of rows hand on, and how the value of a field is found and written out as text."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from corpuskit.errors import InputError, nearest
from corpuskit.storage.files import canonical_json, finite
from corpuskit.storage.places import plain_name
from corpuskit.storage.streams import EXCERPT_BYTES, BrokenStreamError

SHOWN = 8
"""Names of fields that a message lists."""

_LONGEST = 60
"""Characters of a name that a message shows: a file without a header may have a document there."""

_WHOLE_FLOATS = 2**53
"""From here on floats do not hold every whole number: two ids may have become one."""


class Decoded(NamedTuple):
    """Text that was not UTF-8: what it was decoded from, and what was odd about it."""

    text: str
    encoding: str
    flags: tuple[str, ...] = ()


Decode = Callable[[bytes], Decoded | None]
"""Decodes bytes that are not UTF-8, or are none to the eye; None if nothing reads them."""


@dataclass(frozen=True)
class Wanted:
    """What is read of a file.

    Attributes:
        text: the field that holds the text. A table must have it, as a column of strings or bytes.
        others: further fields, which may be absent.
        header: whether the first row of a delimited file names its columns; they are called by their numbers
            from 1 otherwise.
        decode: decodes what is not UTF-8; without it UTF-16 and UTF-32 with a byte order mark are read, and
            the rest is damage.
        encoding: what a text file is in, where that was told; found out otherwise.
        setting: the setting that names the field of the text, for remedies.
    """

    text: str
    others: tuple[str, ...] = ()
    header: bool = True
    decode: Decode | None = None
    encoding: str = ""
    setting: str = "text_field"


@dataclass(slots=True)
class Row:
    """One row as it was found; the values have whatever type the file gave them.

    Attributes:
        row: counted from 0 within the file.
        values: the values by field: all of a JSON object, those that are wanted of a table.
        size: bytes to set aside if the row turns out not to be a document.
        known: names of the fields that are there, where ``values`` does not have them all.
        decoded: how the row was decoded, its text left out; None for UTF-8.
        line: where it begins, from 1, in a file whose rows begin lines; 0 in others.
    """

    row: int
    values: Mapping[str, Any]
    size: int = 0
    known: Sequence[str] | None = None
    decoded: Decoded | None = None
    line: int = 0

    def get(self, name: str) -> Any:
        """The value of a field; None where it is not there. Raises `TwiceError` as `look_up`."""
        return look_up(self.values, name) if name else None

    def fields(self) -> list[str]:
        """Names of the fields that are there, those inside of others with a dot: ``meta.id``."""
        if self.known is not None:
            return list(self.known)
        names: list[str] = []
        for name, value in self.values.items():
            names += [f"{name}.{inner}" for inner in value] if isinstance(value, dict) and value else [name]
        return names


@dataclass(frozen=True)
class Damage:
    """A row, or the rest of a file, that cannot be read.

    Attributes:
        row: counted from 0 within the file.
        kind: a short word that is counted: ``truncated``, ``invalid_utf8``...
        error: the thing, the value and the remedy, as one line.
        size: raw bytes that are not read.
        excerpt: the first of them, decoded with replacement.
        line: as of `Row`.
    """

    row: int
    kind: str
    error: str
    size: int
    excerpt: str = ""
    line: int = 0


Rows = Iterator[Row | Damage]
Reader = Callable[[str, str, Wanted], Rows]
"""Yields a file's rows and damaged places in order; takes its path, what messages call it, what is wanted."""


class TwiceError(Exception):
    """A field that is asked for stands twice in an object, with different values."""


class TwiceDict(dict[str, Any]):
    """A JSON object in which fields stand twice with different values: their names are in ``twice``."""

    twice: frozenset[str] = frozenset()


def look_up(values: Mapping[str, Any], name: str) -> Any:
    """The value of a field, also of one inside another (``meta.text``); None where there is none.

    A field whose own name has a dot comes first.

    >>> look_up({"meta": {"text": "inner"}}, "meta.text")
    'inner'
    >>> look_up({"meta": {"text": "inner"}, "meta.text": "own"}, "meta.text")
    'own'

    Raises:
        TwiceError: it stands twice, with different values.
    """
    if name in values:
        if isinstance(values, TwiceDict) and name in values.twice:
            raise TwiceError(name)
        return values[name]
    at = name.rfind(".")
    while at > 0:
        inner = look_up(values, name[:at]) if name[:at] in values else None
        found = look_up(inner, name[at + 1 :]) if isinstance(inner, dict) else None
        if found is not None:
            return found
        at = name.rfind(".", 0, at)
    return None


def as_text(value: Any) -> str | None:
    """A value as text in one form whatever the file: what ids and kept fields look like.

    Whole floats lose their ``.0`` (tables of ids with a gap hold 1.0 for 1), decimals the zeros at their
    end; truth values are ``true`` and ``false``, times ISO 8601 without a fraction of zeros, those of a zone
    in UTC with a ``Z``; bytes are their text where they are printable UTF-8, else hexadecimal; lists and
    objects JSON. None for nothing: null, not-a-number, and what is nested too deeply to be written.

    >>> [as_text(v) for v in (1.0, 0.5, True, b"k7", b"\\xff\\x00", Decimal("7.50"), [1, None])]
    ['1', '0.5', 'true', 'k7', 'ff00', '7.5', '[1,null]']
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < _WHOLE_FLOATS else repr(value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value.is_finite() else str(value)
    if isinstance(value, bytes):
        return _bytes_as_text(value)
    if isinstance(value, datetime.datetime):
        in_utc = value.astimezone(datetime.UTC).replace(tzinfo=None) if value.tzinfo else value
        return in_utc.isoformat() + ("Z" if value.tzinfo else "")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, dict | list | tuple):
        try:
            return canonical_json(_jsonable(value))
        except RecursionError:
            return None
    return str(value)


def as_id(value: Any) -> str | None:
    """A value as the id of a row, in the form of `as_text`; None for one that is no id.

    Lists and objects are none, and floats neither that are infinite or so large that not every whole number
    is among them.
    """
    if isinstance(value, dict | list | tuple):
        return None
    if isinstance(value, float) and not abs(value) < _WHOLE_FLOATS:
        return None
    return as_text(value)


def _bytes_as_text(value: bytes) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()
    return text if text.isprintable() else value.hex()


def _jsonable(value: Any) -> Any:
    """A value of JSON's own types; what has none becomes text."""
    if isinstance(value, dict):
        return {str(name): _jsonable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(each) for each in value]
    return finite(value) if value is None or isinstance(value, str | bool | int | float) else as_text(value)


# ----------------------------------------------------------------------------------------------- messages
def excerpt(data: bytes) -> str:
    """The first bytes of something, for a person to recognise it."""
    return data[:EXCERPT_BYTES].decode("utf-8", "replace")


def broken_stream(name: str, error: BrokenStreamError) -> str:
    """The message for a file whose stream broke off."""
    state = error.kind if error.kind in ("truncated", "corrupt") else "not readable"
    what = f"the compressed file is {state} ({error}); what follows could not be read"
    return f"{name}: {what}. {error.remedy}"


def not_utf8(name: str, data: bytes) -> str:
    """The message for bytes that are not UTF-8."""
    guess = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "WINDOWS-1252 (or what it is in)"
    try:
        data.decode("utf-8")
        what = "in no encoding that is known here"
    except UnicodeDecodeError as error:
        what = f"not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"
    return f"{name}: {what}. Convert it: iconv -f {guess} -t UTF-8"


def too_large(name: str, size: int, limit: int, remedy: str) -> str:
    """The message for a row or text of too many bytes."""
    return f"{name}: {size:,} bytes are more than the {limit:,} of one document. {remedy}"


def once(column: str, names: Sequence[str], name: str, *, numbered: bool = False) -> None:
    """Raise `InputError` for a column that stands twice in a table: which is meant cannot be known.

    Args:
        numbered: whether columns may be named by their numbers, too.
    """
    places = [str(place) for place, each in enumerate(names, 1) if each == column]
    if len(places) > 1:
        message = f"{name}: column {column!r} stands {len(places)} times (columns {', '.join(places)})"
        raise InputError(message, remedy=f"Rename one of them{' or name it by its number' * numbered}.")


def there_are(name: str, known: Sequence[str]) -> str:
    """A sentence that names the fields that are there, and the one that may be meant by ``name``."""
    if not known:
        return "There are none."
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    known = [plain_name(each[:_LONGEST]) for each in known]
    hint = nearest(name, known)
    meant = f" {hint}" if hint.startswith("Did") else ""
    return f"There are: {', '.join(known[:SHOWN])}{more}.{meant}"
