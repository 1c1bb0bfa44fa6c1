"""Which columns of a table are meant: by name, by number, or by the names that such columns usually have."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from corpuskit.errors import SettingError
from corpuskit.storage.places import plain_name
from corpuskit.storage.rows.row import TwiceError, as_text, look_up, there_are
from corpuskit.train.data.tables.row import Account, Row
from corpuskit.train.data.tables.table import Table

_BLANK = "the {} is empty"
_MISSING = "there is no {}"
_NO_TEXT = "the {} is no text but {}"


@dataclass(frozen=True)
class Columns:
    """Columns of a table, by what they are wanted as.

    Attributes:
        table: the table, with its first row taken for names or for data as the columns were asked for.
        keys: what each is wanted as (``text``) to the key of its column in `Row.values`.
        told: which columns were found, and how, in sentences.
    """

    table: Table
    keys: Mapping[str, str]
    told: tuple[str, ...]

    def rows(self, account: Account | None = None) -> Iterator[Row]:
        """Rows whose values are called as they are wanted (``text``, ``label``), as they stand in the file.

        A value that a row does not have is None. Raises as `Table.rows`.
        """
        only = frozenset(self.keys.values()) | {key.partition(".")[0] for key in self.keys.values()}
        for row in self.table.rows(account, only):
            try:
                values = {name: look_up(row.values, key) for name, key in self.keys.items()}
            except TwiceError as error:
                reason = f"field {error} stands twice, with two values"
                if account is None:
                    raise SettingError(f"{row.place}: {reason}", remedy="Rename one of them.") from error
                account.leave(reason, row.place)
                continue
            yield Row(row.place, values)

    def texts(self, account: Account, names: Collection[str] = ("text",)) -> Iterator[Row]:
        """Rows whose values of these names are texts that are not blank; the others are left out.

        A number or a truth value of JSON, Parquet or Arrow becomes a text in the form of
        `corpuskit.storage.rows.row.as_text`, and is noted. Rows that are handed on are not counted as used:
        who reads may leave them out too.
        """
        for row in self.rows(account):
            values = dict(row.values)
            reason = ""
            for name in names:
                values[name], wrong = text_of(values.get(name), name)
                reason = reason or wrong
            if reason:
                account.leave(reason, row.place)
                continue
            for name in names:
                if not isinstance(row.values[name], str):
                    account.note(f"the {name} is a number or a truth value, taken as text", row.place)
            yield Row(row.place, values)


def text_of(value: Any, name: str) -> tuple[str, str]:
    """A value as text, and why it is none (``""`` if it is).

    >>> text_of(7, "text"), text_of(" ", "text"), text_of(["a"], "text")
    (('7', ''), (' ', 'the text is empty'), ('', 'the text is no text but a list'))
    """
    if isinstance(value, list | dict | bytes):
        what = {list: "a list", dict: "an object", bytes: "bytes"}[type(value)]
        return "", _NO_TEXT.format(name, what)
    text = as_text(value)
    if text is None:
        return "", _MISSING.format(name)
    return text, "" if text.strip() else _BLANK.format(name)


def find_columns(
    table: Table,
    wanted: Mapping[str, Sequence[str]],
    given: Mapping[str, str | int] | None = None,
    *,
    optional: Collection[str] = (),
) -> Columns:
    """The columns that are wanted.

    Args:
        wanted: what each is wanted as, to the names that it usually has, the likeliest first; capitals do not
            matter. Of a field inside another both names with a dot: ``meta.text``.
        given: what each is wanted as, to the name or the number (from 1) of its column, where that was told.
        optional: those that may be absent.

    Raises:
        SettingError: a column is not there, stands twice, or one column is given for two things; the columns
            that are there are named.
    """
    told_with = {name: column for name, column in table.given.items() if name in wanted}
    asked = told_with | {name: str(column) for name, column in (given or {}).items() if column is not None}
    for name in asked:
        if name not in wanted:
            raise SettingError(f"no column is wanted as {name!r}", remedy=f"Wanted: {', '.join(wanted)}.")
    table = _with_right_header(table, list(asked.values()))
    keys: dict[str, str] = {}
    told: list[str] = []
    for name, usual in wanted.items():
        if name in asked:
            keys[name] = _given(table, name, asked[name])
            told.append(f"{name}: column {_shown(table, keys[name])}, as given")
            continue
        free = [each for each in _usual(table, usual) if each not in keys.values()]
        taken = {_given(table, each, asked[each]) for each in asked}
        free = [each for each in free if each not in taken]
        if free:
            keys[name] = _given(table, name, free[0])
            others = f"; also there: {', '.join(map(repr, free[1:]))}" * bool(free[1:])
            told.append(f"{name}: column {_shown(table, keys[name])}, by its name{others}")
        elif name not in optional:
            raise _missing(table, name, usual)
    _require_different(keys)
    return Columns(table, keys, tuple(told))


def _with_right_header(table: Table, given: Sequence[str]) -> Table:
    """The table, its first row taken for names where a column is given by one that stands there."""
    named = [each for each in given if each in map(str.strip, table.first_row) and not each.isdecimal()]
    return table.with_header(True) if table.doubt and named else table


def _given(table: Table, name: str, column: str) -> str:
    """The key of a column by its name, or else by its number."""
    places = [str(number) for number, each in enumerate(table.columns, 1) if each == column]
    if len(places) > 1:
        message = f"{table.name}: column {column!r} stands {len(places)} times (columns {', '.join(places)})"
        raise SettingError(message, remedy=f"Name the {name} by its number, or rename one of them.")
    if places:
        return table.keys[int(places[0]) - 1]
    if column in table.keys:
        return column
    if column.isdecimal() and 1 <= int(column) <= len(table.keys):
        return table.keys[int(column) - 1]
    if column.partition(".")[0] in table.keys:
        return column
    raise _missing(table, name, (), column)


def _usual(table: Table, usual: Sequence[str]) -> list[str]:
    """The columns that are called by usual names, in the order of these."""
    folded: dict[str, str] = {}
    for each in table.columns:
        folded.setdefault(each.strip().casefold(), each)
    return [folded[name] for name in usual if name in folded]


def _shown(table: Table, key: str) -> str:
    number = table.keys.index(key) + 1 if key in table.keys else 0
    return f"{key!r} ({number} of {len(table.keys)})" if number else repr(key)


def _missing(table: Table, name: str, usual: Sequence[str], column: str = "") -> SettingError:
    what = (
        f"no column {column!r}" if column else f"no column for the {name} (usual names: {', '.join(usual)})"
    )
    seen = [each or f"#{number}" for number, each in enumerate(table.columns, 1)]
    known = there_are(column or name, seen)
    how = f"Name the column of the {name}, or give its number."
    if table.doubt:
        cells = " | ".join(plain_name(cell)[:40] for cell in table.first_row)
        doubt = f"The first row ({cells}) looks like data: {table.doubt}."
        how = f"{doubt} {how} If it has names, --set header=true."
    elif len(table.columns) == 1 and table.first_row:
        how = f"{how} If cells are parted by something else than , ; tab or |, --set delimiter=..."
    return SettingError(f"{table.name}: {what}", remedy=f"{known} {how}")


def _require_different(keys: Mapping[str, str]) -> None:
    names = list(keys)
    for at, name in enumerate(names):
        for other in names[:at]:
            if keys[name] == keys[other]:
                message = f"column {keys[name]!r} is given for {other} and for {name}"
                raise SettingError(message, remedy="Name another column for one of them.")
