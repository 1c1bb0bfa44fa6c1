"""Texts with their ids in the order of the files: documents of runs, columns of tables, lines of text files.

No row is lost: one that cannot be read is an error, one without a text is an empty text. Tables are read as
fine-tuning reads them (`corpuskit.train.data.tables`), whole text files as `corpuskit eval` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from corpuskit.errors import InputError, SettingError
from corpuskit.storage.datasets.words import HUB
from corpuskit.storage.ownership import RUN, kind_of_folder
from corpuskit.storage.places import names_below
from corpuskit.storage.rows.formats import format_of, read_rows
from corpuskit.storage.rows.row import Damage, Wanted, as_id
from corpuskit.storage.tables import read_batches
from corpuskit.train.data.run_documents import document_files
from corpuskit.train.data.tables import usual
from corpuskit.train.data.tables.columns import Columns, find_columns, text_of
from corpuskit.train.data.tables.table import open_table

Id = str | int


class NamedText(NamedTuple):
    """A text, by what it is known: a whole number where its file has one, else text."""

    id: Id
    text: str


@dataclass(frozen=True)
class NamedTexts:
    """Texts that can be read again, always in the same order.

    Attributes:
        parts: what yields the texts of each input.
        told: which columns were found, and how, in sentences.
    """

    parts: tuple[Callable[[], Iterator[NamedText]], ...]
    told: tuple[str, ...]

    def read(self) -> Iterator[NamedText]:
        """One after the other. Raises InputError, naming the place, for what cannot be read."""
        for part in self.parts:
            yield from part()


def named_texts(
    inputs: Sequence[str],
    text: str | None = None,
    identity: str | None = None,
    *,
    whole: bool = False,
    reading: Mapping[str, Any] | None = None,
) -> NamedTexts:
    """The texts of run folders, of tables in any form that `open_table` knows, and of text files.

    A document of a run has its own id, a row of a table that of its column; what has none is called by its
    file and its row, from 1: ``notes.txt#3``.

    Args:
        text, identity: columns, by name or number; by their usual names without them.
        whole: a text file is one text; otherwise each of its lines is one, empty ones too.
        reading: delimiter, header, encoding, as `open_table` takes them.

    Raises:
        InputError, EmptyError: nothing is there that can be read.
        RunError: a run is not finished, or its documents are not what its records say.
        SettingError: a column is not there.
    """
    if not inputs:
        raise SettingError("no file is named", remedy="Name run folders, tables or text files.")
    given = {name: each for name, each in (("text", text), ("id", identity)) if each is not None}
    parts: list[Callable[[], Iterator[NamedText]]] = []
    told: list[str] = []
    for place in inputs:
        for part, said in _parts(place, given, whole, dict(reading or {})):
            parts.append(part)
            told += said
    return NamedTexts(tuple(parts), tuple(told))


Part = tuple[Callable[[], Iterator[NamedText]], Sequence[str]]


def _parts(place: str, given: Mapping[str, str], whole: bool, reading: dict[str, Any]) -> Iterator[Part]:
    """What reads an input, with what is to be told of it."""
    path = Path(place)
    if not place.startswith(HUB) and path.is_dir():
        if kind_of_folder(path) is RUN:
            yield partial(_documents, document_files(path)), ()
            return
        names = [name for name in names_below(path) if format_of(name)]
        if names and all(format_of(name) == "text" for name in names):
            for name in names:
                yield _text_file(str(path / name), name, given, whole, reading)
            return
    if format_of(place) == "text" and path.is_file():
        yield _text_file(place, path.name, given, whole, reading)
        return
    yield _table(place, given, reading)


def _text_file(path: str, name: str, given: Mapping[str, str], whole: bool, reading: dict[str, Any]) -> Part:
    """A text file whose lines are texts, unless it is one text or said to be a table."""
    if whole:
        return partial(_whole, path, name), ()
    if not reading.get("delimiter"):
        reading = {**reading, "delimiter": "none"}
    return _table(path, given, reading, name)


def _table(place: str, given: Mapping[str, str], reading: dict[str, Any], name: str = "") -> Part:
    table = open_table(place, **reading)
    wanted = {"text": usual.TEXT, "id": usual.ID}
    columns = find_columns(table, wanted, given, optional=() if "id" in given else ("id",))
    return partial(_rows, columns, name), (*table.told, *columns.told)


def _rows(columns: Columns, file: str) -> Iterator[NamedText]:
    """The rows of a table, a number or a truth value taken as its text; `file` stands in made ids."""
    named = "id" in columns.keys
    for row in columns.rows():
        value = row.values["text"]
        text, wrong = ("", "") if value is None else text_of(value, "text")
        if wrong and not isinstance(value, str) and not text:
            raise InputError(f"{row.place}: {wrong}", remedy="Name another column with --text.")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            message = f"{row.place}: half of a surrogate pair at character {error.start}"
            raise InputError(message, remedy="Write it as UTF-8 again.") from error
        if not named:
            yield NamedText(f"{file or row.place.file}#{row.place.row}", text)
            continue
        found = row.values["id"]
        whole = isinstance(found, int) and not isinstance(found, bool)
        name = found if whole else as_id(found)
        if name is None or name == "":
            message = f"{row.place}: {found!r} is no id"
            raise InputError(message, remedy="Give each row one, or name another column with --id.")
        yield NamedText(name, text)


def _whole(path: str, name: str) -> Iterator[NamedText]:
    for row in read_rows(path, Wanted("text"), name=name, kind="text"):
        if isinstance(row, Damage):
            raise InputError(row.error, remedy="Mend it, or take it out.")
        yield NamedText(name, str(row.values["text"]))


def _documents(files: Sequence[Path]) -> Iterator[NamedText]:
    """The documents of a run, part by part."""
    for path in files:
        for batch in read_batches(path, ["id", "text"]):
            pairs = zip(batch.column("id").to_pylist(), batch.column("text").to_pylist(), strict=True)
            yield from (NamedText(*pair) for pair in pairs)
