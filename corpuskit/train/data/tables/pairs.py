"""Sources with their targets: two columns of a table, or two files line by line.

A line ends at LF or CR LF and nowhere else: what else Unicode or Python take for an end of one stays in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from corpuskit.errors import EmptyError, InputError, SettingError
from corpuskit.storage import streams
from corpuskit.storage.datasets.words import are_words
from corpuskit.storage.rows.formats import format_of
from corpuskit.train.data.tables import usual
from corpuskit.train.data.tables.columns import Columns, find_columns, text_of
from corpuskit.train.data.tables.delimited import DelimitedFile
from corpuskit.train.data.tables.row import Account, Place
from corpuskit.train.data.tables.table import Table, open_table

BETWEEN = "\t"
"""What stands before each feature of a source."""


class PairRow(NamedTuple):
    """A pair.

    Attributes:
        source: what is read, with its features.
        target: what is to be written.
        place: where it stands.
        alone: the source without its features: what a copy of it would be.
    """

    source: str
    target: str
    place: Place
    alone: str


class Pairs(Protocol):
    """Pairs that can be read again and again.

    Attributes:
        told: what was found out about them, in sentences.
    """

    @property
    def told(self) -> Sequence[str]:
        """What was found out about them, in sentences."""

    def rows(self, account: Account) -> Iterator[PairRow]:
        """Those whose sides both say something; the account takes up what is left out."""


class TablePairs:
    """Pairs of a table's columns."""

    def __init__(self, columns: Columns, features: int) -> None:
        self._columns = columns
        self._features = [f"feature {number}" for number in range(1, features + 1)]
        self.told: Sequence[str] = (*columns.table.told, *columns.told)

    def rows(self, account: Account) -> Iterator[PairRow]:
        """The pairs in order. A feature that is not there is empty; one of no text leaves its pair out."""
        for row in self._columns.texts(account, ("source", "target")):
            if wrong := next((why for name in self._features if (why := _no_text(row.values, name))), ""):
                account.leave(wrong, row.place)
                continue
            alone = str(row.values["source"])
            source = with_features(alone, [row.values.get(name) for name in self._features])
            account.use()
            yield PairRow(source, str(row.values["target"]), row.place, alone)


class LinePairs:
    """Pairs of two files, line by line."""

    told: Sequence[str] = ()

    def __init__(self, sources: Path, targets: Path) -> None:
        """Raises InputError where the files differ in their lines, EmptyError where they have none."""
        self._files = sources, targets
        counts = [sum(1 for _ in lines_of(path)) for path in self._files]
        if counts[0] != counts[1]:
            short, long = sorted(range(2), key=lambda side: counts[side])
            names = ("source", "target")
            raise InputError(
                f"{sources} has {counts[0]:,} lines, {targets} {counts[1]:,}: line {counts[short] + 1:,} is "
                f"the first without a partner, the {names[short]} file ends after line {counts[short]:,}",
                remedy=f"Line n of one belongs to line n of the other: bring back what {self._files[short]} "
                f"lacks, or take it out of {self._files[long]}.",
            )
        if not counts[0]:
            raise EmptyError(f"{sources}: no line: it is empty", remedy="Name another file.")
        self.told = (f"{counts[0]:,} lines of {sources.name} and {targets.name}",)

    def rows(self, account: Account) -> Iterator[PairRow]:
        """The pairs in order; those with a side that is empty or blank are left out."""
        name = self._files[0].name
        both = zip(*map(lines_of, self._files), strict=True)
        for number, (source, target) in enumerate(both, 1):
            place = Place(name, number, number)
            empty = [side for side, text in (("source", source), ("target", target)) if not text.strip()]
            if empty:
                account.leave(f"the {empty[0]} is empty", place)
                continue
            account.use()
            yield PairRow(source, target, place, source)


def _no_text(values: Mapping[str, Any], name: str) -> str:
    """Why a value is no text; ``""`` for one that is, an empty one, and one that is not there."""
    wrong = text_of(values[name], name)[1]
    return "" if isinstance(values[name], str | None) else wrong


def with_features(source: str, features: Sequence[object]) -> str:
    r"""A source with what else is read of its row.

    >>> with_features("Haus", ["N;PL"])
    'Haus\tN;PL'
    """
    return BETWEEN.join([source, *(text_of(each, "feature")[0] for each in features)])


def open_pairs(
    data: str,
    targets: str | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
    features: Sequence[str] = (),
    delimiter: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
) -> Pairs:
    """Pairs of a table or, with a file of targets, of two files.

    Args:
        data: a table as `corpuskit.train.data.tables.table.open_table` takes it, or a file of sources.
        targets: a file of targets, line for line.
        source, target, features: columns of a table, by name or number; found without them, but for features.
        delimiter, header, encoding: of a table of cells.

    Raises:
        SettingError: a column is not there, or columns are named of files of lines.
        InputError: something cannot be read, or the files differ in how many lines they have.
        EmptyError: there is no row, or no line.
    """
    if targets is None:
        return TablePairs(
            _columns(data, source, target, features, delimiter, header, encoding), len(features)
        )
    named = [each for each in (source, target, *features) if each is not None]
    _refuse_reading(data, delimiter=delimiter, header=header, encoding=encoding)
    if named:
        raise SettingError(
            f"column {named[0]!r} is named, and {data} and {targets} are files of lines",
            remedy="Leave the column out, or name one table alone.",
        )
    return LinePairs(Path(data), Path(targets))


def _columns(
    data: str,
    source: str | None,
    target: str | None,
    features: Sequence[str],
    delimiter: str | None,
    header: bool | None,
    encoding: str | None,
    *,
    answered: bool = True,
) -> Columns:
    table = open_table(data, delimiter=delimiter, header=header, encoding=encoding)
    if header is None and _is_data(table, [each for each in (source, target) if each is not None]):
        told = "the first row is a pair: columns are numbered, and none of its cells is a usual name"
        table = replace(table.with_header(False), told=(*table.told, told))
    wanted: dict[str, Sequence[str]] = {"source": usual.SOURCE}
    wanted |= {"target": usual.TARGET} if answered else {}
    wanted |= {f"feature {number}": () for number in range(1, len(features) + 1)}
    given: dict[str, str | int] = {f"feature {n}": column for n, column in enumerate(features, 1)}
    given |= {"source": source} if source is not None else {}
    given |= {"target": target} if target is not None and answered else {}
    return find_columns(table, wanted, given)


def _refuse_reading(data: str, **reading: object) -> None:
    """Raise `SettingError` where it is said how a table is read, and data are lines."""
    for name, value in reading.items():
        if value is not None:
            raise SettingError(
                f"{name} = {value} says how a table is read, and {data} is a file of lines",
                remedy="Leave it out, and save the file as UTF-8; of a table name its columns.",
            )


def _is_data(table: Table, given: Sequence[str]) -> bool:
    """Whether the first row of a table of cells is no row of names, where columns are given by number alone.

    Words in a list of words look like names of columns, and one of them may be a usual one: who counts
    columns has none to name.
    """
    known = usual.KNOWN | {*usual.SOURCE, *usual.TARGET}
    cells = [cell.strip().casefold() for cell in table.first_row if cell.strip()]
    named = 2 * sum(cell in known for cell in cells) > len(cells)
    return _are_numbers(given) and bool(table.first_row) and not named


def _are_numbers(columns: Sequence[str]) -> bool:
    return bool(columns) and all(each.isdecimal() for each in columns)


def holds_columns(data: str, columns: Sequence[str]) -> bool:
    """Whether data are a table with columns that a model was taught: by name, or by number.

    Where its name does not say so, columns by name must stand in its first row, and tabs must part its lines
    into as many as columns by number ask for: sentences have commas too.
    """
    if is_table(data) or not columns:
        return is_table(data)
    try:
        table = open_table(data)
    except EmptyError:
        return False
    file = table.files[0]
    if _are_numbers(columns):
        parted = isinstance(file, DelimitedFile) and file.shape.delimiter == "\t"
        return parted and len(table.columns) >= max(map(int, columns))
    names = {*map(str.strip, table.first_row), *table.columns}
    return all(each in names for each in columns if not each.isdecimal())


def sources_of(
    data: str,
    *,
    source: str | None = None,
    features: Sequence[str] = (),
    taught: bool = False,
    delimiter: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    account: Account | None = None,
) -> Iterator[str]:
    """The sources of a file that needs no targets, one for each line or row, empty ones too.

    It is a table where `is_table` says so, a column is named, or it is said how a table is read, and a text a
    line otherwise.

    Args:
        taught: the columns are those that a model was taught, of which a file of lines has none.
        account: notes the rows without a source, which are empty, and lines that are no rows.

    Raises as `open_pairs`, and InputError for a row whose source or feature is no text.
    """
    columns = [each for each in (source, *features) if each is not None]
    told = delimiter is not None or header is not None
    named = bool(columns) and not taught
    if not (told or named or holds_columns(data, columns)):
        _refuse_reading(data, encoding=encoding)
        empty = True
        for line in lines_of(Path(data)):
            empty = False
            yield line
        if empty:
            raise EmptyError(f"{data}: no line: it is empty", remedy="Name another file.")
        return
    found = _columns(data, source, None, features, delimiter, header, encoding, answered=False)
    if account is not None and not (told or encoding or is_table(data)):
        _note_lines(found.table, account)
    yield from _sources(found, len(features), account)


def _note_lines(table: Table, account: Account) -> None:
    """Note the lines of what was found to be a table that are no rows of it: a head, and blank ones."""
    file = table.files[0]
    if isinstance(file, DelimitedFile) and file.shape.header:
        account.note("the first row is taken for the columns' names", Place(table.name, 1, 1))
    blank = "a blank line is no row of a table, and nothing is written for it"
    for number, line in enumerate(lines_of(Path(table.name)), 1):
        if not line.strip():
            account.note(blank, Place(table.name, number, number))


def _sources(columns: Columns, features: int, account: Account | None) -> Iterator[str]:
    names = [f"feature {number}" for number in range(1, features + 1)]
    for row in columns.rows():
        for name in ("source", *names):
            if wrong := _no_text(row.values, name):
                raise InputError(f"{row.place}: {wrong}", remedy="Mend the row, or name another column.")
        text = text_of(row.values["source"], "source")[0]
        if row.values["source"] is None and account is not None:
            account.note("the source is missing: its line is empty", row.place)
        text = with_features(text, [row.values[name] for name in names]) if text.strip() else ""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{row.place}: {text[:60]!r} is no text in UTF-8", remedy="Mend the row."
            ) from error
        yield text


def is_table(data: str) -> bool:
    """Whether data are a table by their name; others hold a text a line, where nobody names a column.

    >>> is_table("a.csv.gz"), is_table("a.txt"), is_table("hf:sms_spam"), is_table("{path: sms_spam}")
    (True, False, True, True)
    """
    return are_words(data) or Path(data).is_dir() or format_of(data) not in ("", "text")


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a text file in UTF-8, compressed or not, see `lines_in`.

    Raises InputError where it cannot be read.
    """
    try:
        yield from lines_in(streams.chunks(str(path)), str(path))
    except streams.BrokenStreamError as error:
        raise InputError(f"{path}: it cannot be read: {error}", remedy=error.remedy) from error


def lines_in(chunks: Iterable[bytes], name: str) -> Iterator[str]:
    r"""Lines out of bytes in UTF-8 that come in chunks, without their ends (LF or CR LF).

    What stands behind the last end is a line unless it is nothing. Raises InputError for what is not UTF-8.

    >>> list(lines_in([b"a\r", b"\nb\x0bc\n", b"\nd"], "given"))
    ['a', 'b\x0bc', '', 'd']
    """
    number = 0
    waiting: list[bytes] = []
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            number += 1
            yield _decoded(b"".join([*waiting, piece]), name, number)
            waiting = []
        waiting.append(rest)
    if last := b"".join(waiting):
        yield _decoded(last, name, number + 1)


def _decoded(line: bytes, name: str, number: int) -> str:
    try:
        text = line.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} line {number:,}: byte {error.start + 1} (0x{line[error.start]:02X}) is not UTF-8",
            remedy="Save the file as UTF-8.",
        ) from error
    # A mark at the beginning of a file is no letter.
    return text.removeprefix("\ufeff") if number == 1 else text
