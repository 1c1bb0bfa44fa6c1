"""A table of any form, opened: its columns, what was found out about it, and its rows one after the other.

Values come as they stand in the file: a cell of a delimited file is the text between its delimiters, letter
by letter, whether it looks like a number, a truth value or a word for nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from corpuskit.errors import EmptyError, InputError, SettingError, counted
from corpuskit.storage import streams
from corpuskit.storage.datasets.words import are_words, words_of
from corpuskit.storage.files import sha256_json
from corpuskit.storage.rows.formats import format_of
from corpuskit.storage.rows.text import marked
from corpuskit.storage.streams import BrokenStreamError, what_it_is
from corpuskit.train.data.tables.delimited import DelimitedFile
from corpuskit.train.data.tables.encodings import known_encoding, require_text
from corpuskit.train.data.tables.files import find_files
from corpuskit.train.data.tables.hub import named_tables
from corpuskit.train.data.tables.records import ColumnFile, JsonFile, arrow_table, parquet_file
from corpuskit.train.data.tables.row import Account, Problem, Row
from corpuskit.train.data.tables.shape import find_shape, known_delimiter

LONG_CELL = 2**20
"""Characters of a text from which it is told: such a cell is a book, or a quote that was never closed."""
_STREAM = b"\xff\xff\xff\xff"
"""What an Arrow stream begins with."""


class TableFile(Protocol):
    """What each kind of file offers."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns as the file has them."""

    @property
    def keys(self) -> tuple[str, ...]:
        """By what the values of a row are known, one a column, none twice."""

    @property
    def told(self) -> tuple[str, ...]:
        """What was found out about it."""

    def fingerprint(self) -> str:
        """A sha256, in hex, of what is read and of how."""

    def rows(self, only: frozenset[str] | None = None) -> Iterator[Row | Problem]:
        """Its rows and problems in order; of a table of columns those alone that are asked for."""


@dataclass(frozen=True)
class Table:
    """A table as it was opened.

    Attributes:
        name: what messages call it: the path that was given.
        files: its files in order.
        columns: names of the columns as the files have them; ``("1", "2", ...)`` without a header. One may
            stand twice.
        keys: by what `Row.values` knows them: their names, or ``#3`` for the third where a name is empty or
            stands twice.
        told: what was found out (delimiter, header, split, names of classes), in sentences.
        given: columns that were told with the data: what each is, and its name.
    """

    name: str
    files: tuple[TableFile, ...]
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    told: tuple[str, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def first_row(self) -> tuple[str, ...]:
        """The cells of the first record of a delimited file, whether they name columns or not; else none."""
        file = self.files[0]
        return file.shape.first if isinstance(file, DelimitedFile) else ()

    @property
    def doubt(self) -> str:
        """Why the first row was taken for data; ``""`` where it was not, or where that was told."""
        file = self.files[0]
        return file.shape.doubt if isinstance(file, DelimitedFile) else ""

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """Names of classes by column, where the data set tells them (`datasets.ClassLabel`)."""
        file = self.files[0]
        return file.classes if isinstance(file, ColumnFile) else {}

    def fingerprint(self) -> str:
        """A sha256, in hex, over the contents of all files and how they are read; paths are no part of it."""
        return sha256_json([file.fingerprint() for file in self.files])

    def with_header(self, header: bool) -> Table:
        """The same table, the first row of each delimited file taken for names, or for data."""
        files = tuple(f.with_header(header) if isinstance(f, DelimitedFile) else f for f in self.files)
        return replace(self, files=files, columns=files[0].columns, keys=files[0].keys)

    def rows(self, account: Account | None = None, only: frozenset[str] | None = None) -> Iterator[Row]:
        """All rows in order, one held at a time.

        Args:
            account: takes up what cannot be read, which is left out then; and texts of `LONG_CELL` characters
                or more, which are handed on.
            only: keys of the columns that are needed.

        Raises:
            InputError: a row that cannot be read, without an account for it.
            EmptyError: there was none that could.
        """
        count = 0
        for file in self.files:
            for row in file.rows(only):
                if isinstance(row, Row):
                    count += 1
                    if account is not None:
                        _note_long(row, account, only)
                    yield row
                elif account is None:
                    raise row.error()
                else:
                    account.leave(row.reason(), row.place)
        if not count:
            left = (
                f", {counted(account.left_out, 'row')} cannot be read" if account and account.left_out else ""
            )
            told = account.sentences() if left and account else []
            remedy = told[0] if told else "Add rows to it, or name another file."
            raise EmptyError(f"{self.name}: no row{left}; columns: {', '.join(self.columns)}", remedy=remedy)


def _note_long(row: Row, account: Account, only: frozenset[str] | None) -> None:
    for key, value in row.values.items():
        if isinstance(value, str) and len(value) >= LONG_CELL and (only is None or key in only):
            account.note(f"a text of {LONG_CELL:,} characters or more in column {key!r}", row.place)


def open_table(
    data: str | Path | Sequence[str | Path],
    *,
    columns: Sequence[str] | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    split: str | None = None,
) -> Table:
    """Open a table: a file, several, a folder of them, a saved data set, ``hf:NAME[:CONFIG]``,
    or a data set by the words of a recipe, ``{path: NAME, split: train}``.

    A file is read by what it holds, then by its ending: Parquet, Arrow (stream or file), JSON (a list or
    lines), delimited cells, else lines of text, in one column ``text``. Text files may be compressed (.gz
    .bz2 .xz .zst).

    Args:
        columns: names for the columns of delimited files that have none of their own.
        delimiter: between cells, as a character or a word (comma, semicolon, tab, bar, blank), or ``none``
            for lines that are texts; found among , ; tab | if it is not given. With blanks or several
            characters quotes mean nothing, and the last of `columns` takes the rest of a line.
        header: whether the first row names columns; found if it is not given.
        encoding: of text files; UTF-8, or UTF-16 and UTF-32 by their marks, if it is not given.
        split: train, validation (valid, val, dev) or test of a folder or data set; the only one, or train, if
            it is not given.

    Raises:
        InputError: nothing is there that can be read, or the files differ in their columns.
        EmptyError: there is no row.
        SettingError: an encoding, delimiter or split that is not known, or that does not apply.
    """
    codec, parted = known_encoding(encoding), known_delimiter(delimiter)
    options = {"delimiter": parted, "header": header, "columns": columns}
    words = words_of(data) if isinstance(data, str) and are_words(data) else None
    if words is not None:
        tables = named_tables(str(data), words, split)
        files: list[TableFile] = [*tables.open]
        files += [_open_file(path, name, codec, options) for path, name in tables.files]
        told = [*tables.told]
    else:
        found = find_files(data, split)
        told = [*found.told]
        if found.saved:
            files = [arrow_table(path, name) for path, name in found.files]
        else:
            files = [_open_file(path, name, codec, options) for path, name in found.files]
    label = str(data) if isinstance(data, str | Path) else ", ".join(map(str, data))
    if not files:
        raise EmptyError(f"{label}: a data set without files", remedy="Save it again.")
    names, keys = _agreed(files)
    for file in files:
        told += [each if len(files) == 1 else f"{file.name}: {each}" for each in file.told]
    given = {} if words is None else {k: v for k, v in (("text", words.text), ("id", words.id)) if v}
    return Table(label, tuple(files), names, keys, tuple(told[:_TOLD]), given)


_TOLD = 20
"""Sentences that are kept of a folder with very many files."""


def _agreed(files: Sequence[TableFile]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns of all files; raises InputError, naming two of them, where they differ.

    Objects of JSON may lack fields: there it is all fields of all files.
    """
    if all(isinstance(file, JsonFile) for file in files):
        fields = tuple(dict.fromkeys(name for file in files for name in file.columns))
        return fields, fields
    first = files[0]
    for file in files[1:]:
        if file.columns != first.columns:
            message = f"{first.name} has the columns {_listed(first)}, {file.name} has {_listed(file)}"
            raise InputError(message, remedy="Name files alone that have the same columns.")
    return first.columns, first.keys


def _listed(file: TableFile) -> str:
    return ", ".join(file.columns)


def _open_file(path: str, name: str, encoding: str, options: Mapping[str, Any]) -> TableFile:
    """One file, by what it holds and by its ending."""
    try:
        head = _head(path)
        if not head:
            raise EmptyError(f"{name}: no row: it is empty", remedy="Name another file.")
        kind, ending = _kind(head, encoding), format_of(name)
        if kind == "parquet" or (not kind and ending == "parquet"):
            return parquet_file(path, name)
        if kind == "datasets" or (not kind and ending == "datasets"):
            return arrow_table(path, name)
        require_text(head, name, encoding)
        told = [f"encoding {encoding}"] if encoding else []
        asked = options["delimiter"] is not None
        if (kind == "jsonl" or ending == "jsonl") and not asked:
            if kind != "jsonl" and ending == "jsonl":
                return _no_json(path, name, encoding)
            if ending and ending != "jsonl":
                told.append("it holds JSON, whatever its ending says")
            return JsonFile(path, name, encoding, tuple(told))
        shape = find_shape(path, name, encoding, table=ending == "csv", **options)
        given = tuple(options["columns"] or ())
        if len(given) > len(shape.first):
            message = f"{name}: {len(given)} names for {len(shape.first)} columns: {', '.join(given)}"
            raise SettingError(message, remedy="Name as many as there are, or another delimiter.")
        shape = replace(shape, told=(*told, *shape.told))
        return DelimitedFile(path, name, shape, encoding, given)
    except BrokenStreamError as error:
        raise InputError(f"{name}: it cannot be read: {error}", remedy=error.remedy) from error


def _no_json(path: str, name: str, encoding: str) -> TableFile:
    """A file with an ending of JSON that does not begin like it; raises InputError, saying what it holds."""
    try:
        return JsonFile(path, name, encoding)
    except InputError as error:
        with open(path, "rb") as file:
            seen = file.read(60).decode("utf-8", "replace").splitlines()[:1]
        message = f"{name}: by its ending JSON, but it begins with {''.join(seen)!r}"
        raise InputError(message, remedy="Give it the ending of what it is (.csv, .tsv, .txt).") from error


def _head(path: str) -> bytes:
    """The first bytes, decompressed."""
    return next(iter(streams.chunks(path)), b"")


def _kind(head: bytes, encoding: str) -> str:
    """The format that the first bytes tell; ``""`` where they do not."""
    what, _ = what_it_is(head)
    if what == "a Parquet file":
        return "parquet"
    if what == "an Arrow file" or head.startswith(_STREAM):
        return "datasets"
    try:
        text = head.decode(encoding or marked(head) or "utf-8", "ignore").lstrip("\ufeff \t\r\n")
    except LookupError:
        return ""
    if text.startswith("["):
        return "jsonl" if text[1:].lstrip().startswith(("{", "]")) else ""
    return "jsonl" if text.startswith("{") and _begins_an_object(text) else ""


def _begins_an_object(text: str) -> bool:
    """Whether a text that begins with a brace begins with an object, or with as much of one as is there."""
    inner = text[1:].lstrip()
    if not inner.startswith(('"', "}")):
        return False
    try:
        json.JSONDecoder().raw_decode(text)
    except RecursionError:
        return True
    except ValueError:
        # Half of an object is one too; what is not is a text with a brace at its beginning.
        return '":' in inner[:10_000] or '" :' in inner[:10_000]
    return True
