"""A user's own files as a source: text files, JSON Lines, Parquet, and datasets saved by ``datasets``.

Each row becomes a document. What cannot be one (a bad JSON line, a row without text, bytes that are not
UTF-8, the end of a truncated file) is quarantined with its place, and the rest of the file is read on.

The id of a document is ``files:<label>:<value of the id field>`` where the row has one, and otherwise
``files:<label>:<path>#<row>``, with the path relative to the root and rows counted from 0. A text file is
one row, number 0.

In a folder a file that cannot be read at all (a table without the text column, say) is quarantined as
``unreadable_file`` and the others are read; what is not read for its kind is told in a warning.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import PurePath
from typing import ClassVar, Literal

from pydantic import Field

from corpuskit.documents.reading import Dropped, Quarantined, Reading, ReadingBuilder
from corpuskit.documents.settings import Location
from corpuskit.errors import InputError
from corpuskit.sources import folders
from corpuskit.sources.files.saved_datasets import SavedDatasets
from corpuskit.sources.source import Part, Source
from corpuskit.storage import rows
from corpuskit.storage.files import canonical_json

PART_BYTES = 16 * 2**20
"""Bytes on disk after which a part is closed. A part holds whole files, so a bigger file is a part alone."""

_FORMATS: dict[str, tuple[rows.Reader, tuple[str, ...]]] = {
    "text": (rows.read_text, (".txt", ".text", ".md")),
    "jsonl": (rows.read_jsonl, (".jsonl", ".ndjson")),
    "parquet": (rows.read_parquet, (".parquet",)),
    "datasets": (rows.read_arrow, (".arrow",)),
}


class Files(Source):
    """Text, JSON Lines, Parquet files or saved datasets in a folder, or one such file.

    Attributes:
        path: a file, or a folder that is searched with its subfolders.
        label: the logical name of these files, which stands in ids instead of the path.
        format: ``auto`` goes by the suffix, which may be followed by ``.gz``, ``.bz2`` or ``.zst``.
        text_field: field or column that holds the text.
        id_field: field or column that holds the id, a string or a whole number; rows without one get their
            place as id.
        title_field: field or column that holds the title. A text file's title is its name.
        url_field: field or column that holds the address.
        language: language of all documents as a code (``en``), empty if unknown.
        licence: licence of all documents, empty if unknown.
        include: globs, matched against the relative path and against the name alone; empty for all.
    """

    name: ClassVar[str] = "files"

    path: Location[str]
    label: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    format: Literal["auto", "text", "jsonl", "parquet", "datasets"] = "auto"
    text_field: str = Field(default="text", min_length=1)
    id_field: str = "id"
    title_field: str = "title"
    url_field: str = "url"
    language: str = ""
    licence: str = ""
    include: tuple[str, ...] = ()

    def parts(self) -> list[Part]:
        """Whole files in the order of their relative paths, grouped up to `PART_BYTES`.

        Raises:
            InputError: the path is not there, no file in it can be read as ``format``, or none has the column
                ``text_field``.
        """
        return self._select().parts(PART_BYTES)

    def read(self, part: Part) -> Iterator[Reading]:
        """Read the files of a part row by row."""
        fields = self._fields
        out = folders.begin_reading(part)
        bad = part.detail.get("unreadable", {})
        for path in part.files:
            name = folders.relative_name(self.path, path)
            if name in bad:
                folders.set_aside(out, self._owner, name, os.path.getsize(path), bad[name])
                continue
            reader, _ = _FORMATS[self._kind(name)]
            for row in reader(path, name, fields):
                self._accept(row, name, out)
                yield from out.take()
        yield from out.take(rest=True)

    @property
    def _owner(self) -> str:
        return f"files {self.label!r}"

    @property
    def _fields(self) -> rows.Fields:
        return rows.Fields(self.text_field, self.id_field, self.title_field, self.url_field)

    def _select(self) -> folders.FolderSelection:
        """The files to read. What describes a saved dataset is none, and is not spoken of."""
        selection = folders.FolderSelection(self._owner, self.path, self.include)
        saved = SavedDatasets(selection.found)
        about = saved.passed | saved.states
        unknown = selection.leave(
            folders.NO_KNOWN_FORMAT, lambda name: name not in about and not self._kind(name)
        )
        selection.leave("not named by state.json", saved.unnamed.__contains__)
        selection.files = [
            (name, path) for name, path in selection.files if name not in saved.passed and self._kind(name)
        ]
        if not selection.files:
            count = sum(name not in saved.passed for name, _ in selection.found)
            seen = f"{count} files, none of them included"
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
            if (problem := rows.column_problem(path, name, self._kind(name), self._fields)) is None:
                return
            first = first or problem
        if first is not None:
            raise first

    def _kind(self, name: str) -> str:
        """The format to read a file as, ``""`` for a file that is not for us."""
        bare = name.lower()
        for suffix in rows.COMPRESSIONS:
            bare = bare.removesuffix(suffix)
        by_suffix = next((kind for kind, (_, ends) in _FORMATS.items() if bare.endswith(ends)), "")
        if self.format in ("auto", by_suffix):
            return by_suffix
        # A format is believed of files that were named, not of each README and picture in a folder.
        named = bool(self.include) or name == PurePath(self.path).name
        return self.format if named else ""

    def _accept(self, row: rows.Row | rows.Damage, name: str, out: ReadingBuilder) -> None:
        """Keep, drop or quarantine one row."""
        place = f"{name}#{row.row}"
        origin = canonical_json({"file": name, "row": row.row})
        if isinstance(row, rows.Damage):
            if row.kind == "unreadable_file":
                return folders.set_aside(out, self._owner, name, row.size, row.error)
            out.met(row.size)
            return out.quarantine(Quarantined(place, row.kind, row.error, row.size, row.excerpt, origin))
        if problem := _problem(row, self.text_field, self.id_field):
            kind, error = problem
            out.met(row.size)
            excerpt = str(row.text)[:200].encode("utf-8", "replace").decode() if row.text else ""
            return out.quarantine(Quarantined(place, kind, f"{place}: {error}", row.size, excerpt, origin))
        text = str(row.text)
        size = len(text.encode("utf-8"))
        known = row.id is not None and row.id != ""
        identity = f"files:{self.label}:{row.id if known else place}"
        title = _plain(row.title)
        out.met(size)
        if not text or text.isspace():
            return out.drop(Dropped(identity, "empty", size, title, text, origin))
        columns = {"title": title, "url": _plain(row.url), "language": self.language, "licence": self.licence}
        out.keep(id=identity, source=self.label, text=text, origin=origin, **columns)


def _problem(row: rows.Row, text_field: str, id_field: str) -> tuple[str, str] | None:
    """Why a row is no document: a short word and a sentence with the remedy; None for a good row."""
    if row.text is None:
        return "no_text", f"no field {text_field!r}. Set text_field, or mend the row."
    if not isinstance(row.text, str):
        kind = type(row.text).__name__
        return "no_text", f"field {text_field!r} holds {kind}, not a string. Set text_field, or mend the row."
    if not _encodable(row.text):
        return "invalid_utf8", f"field {text_field!r} holds half of a surrogate pair. Mend the row."
    # In Python True is a whole number; as an id it is a mistake in the name of the field.
    if row.id is not None and (isinstance(row.id, bool) or not isinstance(row.id, (str, int))):
        kind = type(row.id).__name__
        return "bad_id", f"field {id_field!r} holds {kind}, not a string or whole number. Set id_field."
    if isinstance(row.id, str) and not _encodable(row.id):
        return "bad_id", f"field {id_field!r} holds half of a surrogate pair. Mend the row."
    return None


def _encodable(text: str) -> bool:
    """Whether a string is free of lone surrogates, which JSON can escape but UTF-8 cannot hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _plain(value: object) -> str:
    """A title or address as text; empty if there is none."""
    return "" if value is None else str(value).encode("utf-8", "replace").decode("utf-8")
