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
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, ClassVar, Literal

import pyarrow as pa
from pydantic import Field, field_validator

from corpuskit.documents.batch import SCHEMA
from corpuskit.documents.reading import Dropped, Quarantined, Reading, ReadingBuilder
from corpuskit.documents.settings import Location
from corpuskit.errors import InputError
from corpuskit.sources import folders
from corpuskit.sources.files.decoding import decode
from corpuskit.sources.files.saved_datasets import SavedDatasets
from corpuskit.sources.source import Part, Source
from corpuskit.storage.files import canonical_json
from corpuskit.storage.rows.formats import FORMATS, format_of, read_rows, table_problem
from corpuskit.storage.rows.row import Damage, Row, TwiceError, Wanted, as_id, as_text, there_are
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
        language_field: field or column that holds the language; `language` where it is empty.
        keep: further fields, which become columns of text of the documents: a list of names, or a mapping of
            columns to fields.
        header: whether the first row of a delimited table names its columns.
        language: language of all documents as a code (``en``), empty if unknown.
        licence: licence of all documents, empty if unknown.
        include: globs, matched against the relative path and against the name alone; empty for all.
    """

    name: ClassVar[str] = "files"
    version: ClassVar[int] = 2

    path: Location[str]
    label: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    format: Literal["auto", "text", "jsonl", "csv", "parquet", "datasets"] = "auto"
    text_field: str = Field(default="text", min_length=1)
    id_field: str = "id"
    title_field: str = "title"
    url_field: str = "url"
    language_field: str = ""
    keep: dict[str, str] = Field(default_factory=dict)
    header: bool = True
    language: str = ""
    licence: str = ""
    include: tuple[str, ...] = ()

    @field_validator("keep", mode="before")
    @classmethod
    def _as_mapping(cls, value: Any) -> Any:
        """A list of fields is a mapping of columns that are called as they are."""
        if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
            return {name: name for name in value}
        return value

    @field_validator("keep")
    @classmethod
    def _check_columns(cls, value: dict[str, str]) -> dict[str, str]:
        taken = {*SCHEMA.names, "cluster", "split"} & value.keys()
        if taken:
            name = min(taken)
            raise ValueError(
                f"{name!r} is a column of every document; give the field another one: {{own_{name}: {name}}}"
            )
        return value

    @property
    def columns(self) -> Mapping[str, pa.DataType]:  # type: ignore[override]
        """The kept fields, as text."""
        return dict.fromkeys(self.keep, pa.string())

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
        root, wanted = self._root, self._wanted
        said = _Said()
        for path in part.files:
            name = folders.relative_name(root, path)
            if name in bad:
                folders.set_aside(out, self._owner, name, size_on_disk(path), bad[name])
                continue
            rows, without = 0, _WithoutText()
            for row in read_rows(path, wanted, name=name, kind=self._kind(name)):
                rows += 1
                self._accept(row, name, out, said, without)
                yield from out.take()
            if not rows:
                said.empty.append(name)
            elif without.rows == rows > 1:
                known = there_are(self.text_field, without.known)
                out.warn(f"{self._owner}: {name}: none of {rows} rows has a {self.text_field!r}. {known}")
        for sentence in said.sentences():
            out.warn(f"{self._owner}: {sentence}")
        yield from out.take(rest=True)

    @property
    def _owner(self) -> str:
        return f"files {self.label!r}"

    @property
    def _root(self) -> str:
        return folders.split_pattern(self.path)[0]

    @property
    def _wanted(self) -> Wanted:
        others = (self.id_field, self.title_field, self.url_field, self.language_field, *self.keep.values())
        asked = tuple(dict.fromkeys(name for name in others if name))
        return Wanted(self.text_field, asked, self.header, decode)

    def _select(self) -> folders.FolderSelection:
        """The files to read. What describes a saved dataset is none, and is not spoken of."""
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

    def _accept(
        self, row: Row | Damage, name: str, out: ReadingBuilder, said: _Said, without: _WithoutText
    ) -> None:
        """Keep, drop or quarantine one row."""
        place = f"{name}#{row.row}"
        facts: dict[str, Any] = {"file": name, "row": row.row}
        if isinstance(row, Damage):
            if row.kind == "unreadable_file":
                return folders.set_aside(out, self._owner, name, row.size, row.error)
            out.met(row.size)
            error = row.error.encode("utf-8", "backslashreplace").decode()
            bad = Quarantined(place, row.kind, error, row.size, row.excerpt, canonical_json(facts))
            return out.quarantine(bad)
        if row.decoded is not None:
            facts |= {"encoding": row.decoded.encoding}
            facts |= {"flags": list(row.decoded.flags)} if row.decoded.flags else {}
            said.decoded[" ".join((row.decoded.encoding, *row.decoded.flags))] += 1
        origin = canonical_json(facts)
        try:
            text, problem = self._text(row, without)
            wanted = (self.id_field, self.title_field, self.url_field, self.language_field)
            id_, title, url, language = (row.get(field) for field in wanted)
            columns = {column: _plain(row.get(field)) for column, field in self.keep.items()}
        except TwiceError as error:
            text = ""
            problem = "twice", f"field {str(error)!r} stands twice, with different values. Mend the row."
        if problem:
            kind, sentence = problem
            out.met(row.size)
            excerpt = text[:200].encode("utf-8", "replace").decode()
            bad = Quarantined(place, kind, f"{place}: {sentence}", row.size, excerpt, origin)
            return out.quarantine(bad)
        size = len(text.encode("utf-8"))
        identity = f"files:{self.label}:{self._id(id_, place, said)}"
        out.met(size)
        if not text or text.isspace():
            return out.drop(Dropped(identity, "empty", size, _plain(title), text, origin))
        columns |= {"title": _plain(title), "url": _plain(url), "licence": self.licence}
        columns["language"] = _plain(language) or self.language
        out.keep(id=identity, source=self.label, text=text, origin=origin, **columns)

    def _text(self, row: Row, without: _WithoutText) -> tuple[str, tuple[str, str] | None]:
        """The text of a row, and why it is no document: a short word and a sentence with the remedy."""
        text = row.get(self.text_field)
        if text is None:
            known = row.fields()
            without.rows += 1
            without.known = without.known or known
            is_null = self.text_field in known
            what = f"field {self.text_field!r} is null." if is_null else f"no field {self.text_field!r}."
            hint = "" if is_null else f" {there_are(self.text_field, known)}"
            return "", ("no_text", f"{what}{hint} Set text_field, or mend the row.")
        if not isinstance(text, str):
            what = f"field {self.text_field!r} holds {type(text).__name__}, not a string."
            return str(text)[:200], ("no_text", f"{what} Set text_field, or mend the row.")
        if not _encodable(text):
            return text, (
                "invalid_utf8",
                f"field {self.text_field!r} holds half of a surrogate pair. Mend the row.",
            )
        return text, None

    def _id(self, value: Any, place: str, said: _Said) -> str:
        """The id of a row: the value of its field, or its place where there is none or it is no id."""
        if value is None or value == "":
            return place
        identity = as_id(value)
        if identity is None and value != value:  # not-a-number: how tables hold a missing number
            return place
        if not identity or not _encodable(identity):
            said.odd_ids[type(value).__name__] += 1
            return place
        return identity


@dataclass
class _Said:
    """What is counted over the files of a part, for one sentence each."""

    odd_ids: Counter[str] = field(default_factory=Counter)
    decoded: Counter[str] = field(default_factory=Counter)
    empty: list[str] = field(default_factory=list)

    def sentences(self) -> Iterator[str]:
        """The sentences for the log."""
        for kind, count in sorted(self.odd_ids.items()):
            yield f"ids that are none ({kind}): {count}; these rows are named by their places"
        for how, count in sorted(self.decoded.items()):
            encoding, *flags = how.split()
            yield f"not UTF-8, decoded as {encoding}{' (' + ', '.join(flags) + ')' if flags else ''}: {count}"
        if self.empty:
            yield f"without any row: {folders.some(self.empty)}"


@dataclass
class _WithoutText:
    """How many rows of a file have no text, and which fields the first of them has."""

    rows: int = 0
    known: list[str] = field(default_factory=list)


def _encodable(text: str) -> bool:
    """Whether a string is free of lone surrogates, which JSON can escape but UTF-8 cannot hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _plain(value: Any) -> str:
    """A title, an address or a kept value as text; empty if there is none."""
    return (as_text(value) or "").encode("utf-8", "replace").decode("utf-8")


__all__ = ["FORMATS", "Files"]
