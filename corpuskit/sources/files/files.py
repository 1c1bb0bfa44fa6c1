"""A user's own files as a source: texts, JSON, delimited tables, Parquet, Arrow, and saved datasets.

Each row becomes a document. What cannot be one (a bad JSON line, a row without text, bytes in no encoding
that is known, the end of a truncated file) is quarantined with its place, and the rest of the file is read
on.

The id of a document is ``files:<label>:<value of the id field>`` where the row has one, in the form of
`corpuskit.storage.rows.row.as_text`, and otherwise ``files:<label>:<path>#<row>``, with the path relative to
the root and rows counted from 0. A text file is one row, number 0. A value that is no id (a list, a float
without an exact whole number) is passed over for the place, and counted in a warning.

What is not UTF-8 is decoded as books are (`corpuskit.sources.encoding`): ``origin`` then has ``encoding`` and
``flags``, and a warning counts such rows.

In a folder a file that cannot be read at all (a table without the text column, say) is quarantined as
``unreadable_file`` and the others are read; what is not read for its kind is told in a warning.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import ClassVar, Literal

import pyarrow as pa
from pydantic import Field, field_validator

from corpuskit.documents.reading import Reading
from corpuskit.documents.settings import Location
from corpuskit.errors import InputError
from corpuskit.sources import folders
from corpuskit.sources.files.accept import Accept, as_mapping, check_columns
from corpuskit.sources.files.decoding import decode
from corpuskit.sources.source import Part, Source
from corpuskit.storage.datasets.saved import SavedDatasets
from corpuskit.storage.rows.formats import format_of, read_rows, table_problem
from corpuskit.storage.rows.row import Wanted
from corpuskit.storage.streams import size_on_disk

PART_BYTES = 16 * 2**20
"""Bytes on disk after which a part is closed. A part holds whole files, so a bigger file is a part alone."""


class Files(Source):
    """Texts, JSON, delimited tables, Parquet, Arrow files or saved datasets in a folder, or one such file.

    Attributes:
        path: a file, a folder that is searched with its subfolders, or a pattern: ``in/*.txt``,
            ``in/**/*.jsonl``, where ``*`` and ``?`` stay within a folder and ``**`` does not. ``~`` is the
            home folder.
        label: the logical name of these files, which stands in ids instead of the path.
        format: ``auto`` goes by the ending, in large or small letters: ``text`` (.txt .text .md), ``jsonl``
            (.jsonl .ndjson .json: an object a line, a list of objects, or objects one after the other),
            ``csv`` (.csv .tsv .tab), each also with .gz, .bz2, .xz or .zst; ``parquet``; ``datasets`` (.arrow
            .arrows .feather .ipc).
        text_field: field or column that holds the text. Of a field inside another both names, with a dot:
            ``meta.text``; a field whose own name has the dot comes first. Of a delimited table also the
            column's number, from 1.
        id_field: field or column that holds the id; rows without one get their place as id.
        title_field: field or column that holds the title. A text file's title is its name.
        url_field: field or column that holds the address.
        language_field: field or column that holds the language of a row as a code; `language` where a row has
            none. Empty for no such field.
        keep: further fields, which become columns of text of the documents: a list of names, or a mapping of
            columns to fields.
        header: whether the first row of a delimited table names its columns.
        language: language of all documents as a code (``en``), empty if unknown.
        licence: licence of all documents, empty if unknown.
        include: globs, matched against the relative path and against the name alone; empty for all.
    """

    name: ClassVar[str] = "files"
    version: ClassVar[int] = 3

    path: Location[str]
    label: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    format: Literal["auto", "text", "jsonl", "csv", "parquet", "datasets"] = "auto"
    text_field: str = Field(default="text", min_length=1)
    id_field: str = "id"
    title_field: str = "title"
    url_field: str = "url"
    language_field: str = "language"
    keep: dict[str, str] = Field(default_factory=dict)
    header: bool = True
    language: str = ""
    licence: str = ""
    include: tuple[str, ...] = ()

    _as_mapping = field_validator("keep", mode="before")(as_mapping)
    _check_columns = field_validator("keep")(check_columns)

    @property
    def columns(self) -> Mapping[str, pa.DataType]:  # type: ignore[override]
        """The kept fields, as text."""
        return dict.fromkeys(self.keep, pa.string())

    @property
    def documents_source(self) -> str:
        """What the column ``source`` says of all documents."""
        return self.label

    def parts(self) -> list[Part]:
        """Whole files in the order of their relative paths, grouped up to `PART_BYTES`.

        Raises:
            InputError: the path is not there, no file in it can be read as ``format``, or none has the column
                ``text_field``.
        """
        return self._select().parts(PART_BYTES)

    def read(self, part: Part) -> Iterator[Reading]:
        """Read the files of a part row by row."""
        out = folders.begin_reading(part, self.columns)
        bad = part.detail.get("unreadable", {})
        root, wanted = folders.split_pattern(self.path)[0], self._wanted
        accept = Accept(self, self._owner, out)
        for path in part.files:
            name = folders.relative_name(root, path)
            if name in bad:
                folders.set_aside(out, self._owner, name, size_on_disk(path), bad[name])
                continue
            kind = self._kind(name)
            accept.begin(name, fields=kind != "text")
            for row in read_rows(path, wanted, name=name, kind=kind):
                accept(row)
                yield from out.take()
            accept.end()
        accept.tell()
        yield from out.take(rest=True)

    @property
    def _owner(self) -> str:
        return f"files {self.label!r}"

    @property
    def _wanted(self) -> Wanted:
        others = (self.id_field, self.title_field, self.url_field, self.language_field, *self.keep.values())
        asked = tuple(dict.fromkeys(name for name in others if name))
        return Wanted(self.text_field, asked, self.header, decode)

    def _select(self) -> folders.FolderSelection:
        """The files to read. What describes a saved dataset is none, and is not spoken of."""
        folders.require_local(self._owner, self.path)
        root, pattern = folders.split_pattern(self.path)
        selection = folders.FolderSelection(self._owner, root, self.include, pattern=pattern)
        saved = SavedDatasets(selection.found)
        about = saved.passed | saved.states
        if os.path.isdir(root):
            about |= {name for name, _ in selection.found if folders.COMPANION.fullmatch(name)}
        unknown = selection.leave(
            folders.NO_KNOWN_FORMAT, lambda name: name not in about and not self._kind(name)
        )
        selection.leave("not named by state.json", saved.unnamed.__contains__)
        selection.files = [
            (name, path) for name, path in selection.files if name not in about and self._kind(name)
        ]
        if not selection.files:
            count = sum(name not in about for name, _ in selection.found)
            if pattern and not any(folders.fits_pattern(name, pattern) for name, _ in selection.found):
                there = folders.by_suffix(name for name, _ in selection.found) or "none"
                message = f"{self._owner}: no file fits the pattern {self.path}; files there: {there}"
                raise InputError(message, remedy="Check `path`: ** stands for any number of folders.")
            seen = f"{count} file{'s' * (count != 1)}, none of them included"
            if unknown or saved.states:
                seen = f"only {folders.by_suffix([*unknown, *saved.states])}"
            seen = next(iter(saved.unreadable.values()), seen)
            remedy = "Check `path` and `include`, or name the `format` of the files."
            raise InputError(f"{self._owner}: nothing to read in {self.path}: {seen}", remedy=remedy)
        self._require_a_text_column(selection.files)
        # Read for its error alone: the dataset that it describes is read as far as it is there.
        states = [(name, path) for name, path in selection.found if name in saved.unreadable]
        selection.files = sorted([*selection.files, *states])
        selection.unreadable = saved.unreadable
        return selection

    def _require_a_text_column(self, files: list[tuple[str, str]]) -> None:
        """Raise the first file's `InputError` unless some file can have texts; opens no more than it must."""
        first: InputError | None = None
        for name, path in files:
            if (problem := table_problem(path, name, self._kind(name), self._wanted)) is None:
                return
            first = first or problem
        if first is not None:
            raise first

    def _kind(self, name: str) -> str:
        """The format to read a file as, ``""`` for a file that is not for us."""
        by_suffix = format_of(name)
        if self.format in ("auto", by_suffix):
            return by_suffix
        # A format is believed of files that were named, not of each README and picture in a folder.
        pattern = folders.split_pattern(self.path)[1]
        named = bool(self.include or pattern) or name == PurePath(self.path).name
        return self.format if named else ""
