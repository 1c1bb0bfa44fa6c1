"""Data sets of the library `datasets` as a source: folders, what it saved, its cache, and the Hub.

The id of a document is ``datasets:<name>:<value of the id column>`` where a row has one, and otherwise
``datasets:<name>:<split>#<row>``, with rows counted from 0 through all files of the split in their order. The
name is the `label`; without one that of the Hub with the configuration (``owner/set/en``), and ``local`` for
what lies on this machine, since where it lies is no part of an output.

Rows become documents as those of `corpuskit.sources.files` do: what has no text, or cannot be read, is
quarantined with its place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from itertools import chain
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import ConfigDict, Field, field_validator

from corpuskit.documents.reading import Reading
from corpuskit.documents.settings import Location
from corpuskit.errors import SettingError
from corpuskit.sources import folders
from corpuskit.sources.datasets.columns import (
    TABLES,
    Fields,
    columns_of,
    count_of,
    require_columns,
    require_id,
    with_class_names,
)
from corpuskit.sources.files.accept import Accept, as_mapping, check_columns
from corpuskit.sources.files.decoding import decode
from corpuskit.sources.files.files import PART_BYTES
from corpuskit.sources.source import Part, Source
from corpuskit.storage.datasets import hub
from corpuskit.storage.datasets.find import HUB_NAME, Found, Named, chosen_splits, stream
from corpuskit.storage.datasets.words import HUB
from corpuskit.storage.rows.arrow import require_text, rows_of, schema_of
from corpuskit.storage.rows.formats import read_rows
from corpuskit.storage.rows.row import Rows, Wanted
from corpuskit.storage.streams import size_on_disk


class Datasets(Source):
    """A data set as `datasets.load_dataset` knows it: a folder or a name, a configuration and a split.

    Attributes:
        path: a folder, one file of data, or a name on the Hub (``owner/name``). A folder is one of files,
            with or without a README that tells its configurations, or what `save_to_disk` wrote. A recipe
            means the Hub's where nothing of that name lies in its own folder, and ``hf:owner/name`` always.
        name: the configuration; the only one, or the default one, without it.
        split: one (``train``), several (``train+test``) or ``all``; the only one without it.
        revision: commit, branch or tag on the Hub.
        text: the column of the text; of one inside another both names with a dot: ``translation.en``.
        id: the column of the id, which must be there; without it ``id`` where there is one. Rows without an
            id get their place as id, and all do with an empty name.
        title, url: columns of titles and addresses, where they are there.
        label: the name that stands in ids.
        keep: further columns, which become columns of text of the documents: a list of names, or a mapping of
            columns to those of the data set. Numbers of classes become their names.
        language: language of all documents as a code (``en``), empty if unknown.
        licence: licence of all documents, empty if unknown.
        streaming: whether a data set of the Hub is read from there as it comes; else `datasets` fetches all
            of it into its cache first. Both give the same documents. What lies here is read as it lies.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    name: ClassVar[str] = "datasets"
    version: ClassVar[int] = 1
    foreign: ClassVar[bool] = True

    path: Location[str] = Field(min_length=1)
    configuration: str = Field(default="", alias="name")
    split: str = ""
    revision: str = ""
    text: str = Field(default="text", min_length=1)
    id: str | None = None
    title: str = "title"
    url: str = "url"
    label: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$")
    keep: dict[str, str] = Field(default_factory=dict)
    language: str = ""
    licence: str = ""
    streaming: bool = True

    @field_validator("path")
    @classmethod
    def _check_path(cls, value: str) -> str:
        if value.startswith(HUB) and not HUB_NAME.fullmatch(value.removeprefix(HUB)):
            raise ValueError("behind hf: stands no name on the Hub; a configuration is given as `name`")
        return value

    _as_mapping = field_validator("keep", mode="before")(as_mapping)
    _check_columns = field_validator("keep")(check_columns)

    @property
    def columns(self) -> Mapping[str, pa.DataType]:  # type: ignore[override]
        """The kept columns, as text."""
        return dict.fromkeys(self.keep, pa.string())

    @classmethod
    def located(cls, value: str, folder: str) -> str:
        """A path below ``folder``, unless it is a name of the Hub and nothing lies there: then hf:NAME."""
        if value.startswith(HUB):
            return value
        path = super().located(value, folder)
        return HUB + value if HUB_NAME.fullmatch(value) and not os.path.lexists(path) else path

    def fingerprint(self, *, deciding: bool) -> dict[str, Any]:
        """As of all settings, with the name on the Hub; the commit that is meant stands in each part."""
        found = super().fingerprint(deciding=deciding)
        if not deciding:
            settings = {k: v for k, v in found["settings"].items() if k not in ("revision", "streaming")}
            found["settings"] = settings | self._hub_name
        return found

    def public(self) -> dict[str, Any]:
        """The settings without places of this machine; a name of the Hub is none."""
        return self._hub_name | {k: v for k, v in super().public().items() if k != "streaming"}

    @property
    def _hub_name(self) -> dict[str, str]:
        return {} if self._named.is_local else {"path": self._named.path}

    # --------------------------------------------------------------------------------------------- parts
    @property
    def documents_source(self) -> str:
        """What the column ``source`` says of all documents."""
        return self._fields.label

    def parts(self) -> list[Part]:
        """Whole files of each split in order, grouped up to `PART_BYTES`; of the Hub each split is a part.

        Raises:
            InputError: nothing is there, it needs code to run, or it has no such column of text.
            SettingError: no such split, configuration or revision.
        """
        found = hub.find(self._named, fetch=not self.streaming)
        splits = self._chosen(found)
        parts = []
        for split in splits:
            parts += self._file_parts(found, split) if found.kind else [self._one_part(found, split)]
        if not found.passed or not parts:
            return parts
        passed = f"{self._told}: not read, of no split or format: {folders.some(found.passed)}"
        return [replace(parts[0], detail={**parts[0].detail, "not_read": [passed]}), *parts[1:]]

    def _chosen(self, found: Found) -> list[str]:
        """The splits that are meant; an error about them says which columns there are, too."""
        try:
            return chosen_splits(self._owner, list(found.splits), self.split)
        except SettingError as error:
            columns = list(found.features)
            for path in (path for files in found.splits.values() for path in files[:1]):
                columns = columns or columns_of(path, found.kind)
            known = f" Its columns: {', '.join(columns)}." if columns else ""
            raise SettingError(error.message, remedy=f"{error.remedy}{known}") from error

    def _file_parts(self, found: Found, split: str) -> list[Part]:
        """Parts of the files that are read here."""
        files = found.splits[split]
        require_columns(self._where(split), found.kind, files, self._wanted, self._named_id)
        sizes = [size_on_disk(path) for path in files]
        parts: list[Part] = []
        row, first, start = 0, list[int](), 0
        for index, path in enumerate(files):
            first.append(row)
            last = index + 1 == len(files)
            row += 0 if last else count_of(path, found.kind, self._wanted)
            if last or sum(sizes[start : index + 2]) > PART_BYTES:
                detail = {"split": split, "kind": found.kind, "first_rows": first}
                name = f"{split}-{len(parts):05d}"
                parts.append(Part(name, files[start : index + 1], detail, sum(sizes[start : index + 1])))
                first, start = [], index + 1
        return parts

    def _one_part(self, found: Found, split: str) -> Part:
        """A split that the library reads. Where its rows come from is no part of what they are."""
        detail = {"split": split, "kind": "", "revision": found.revision, "configuration": found.name}
        if found.features:
            import datasets

            schema = datasets.Features.from_dict(dict(found.features)).arrow_schema
        else:
            batch = next(self._batches(detail), None)
            schema = pa.schema([]) if batch is None else batch.schema
        require_text(schema, self._where(split), self._wanted)
        require_id(self._where(split), schema.names, self._named_id)
        files = found.splits[split]
        return Part(split, files, detail | {"datasets": version("datasets")}, sum(map(size_on_disk, files)))

    def _where(self, split: str) -> str:
        return f"{self._owner}: split {split!r}"

    # ---------------------------------------------------------------------------------------------- rows
    def read(self, part: Part) -> Iterator[Reading]:
        """Read a part row by row."""
        out = folders.begin_reading(part, self.columns)
        split, revision = part.detail["split"], part.detail.get("revision")
        accept = Accept(self._fields, self._told, out, "datasets", "text")
        facts = {"split": split} | ({"revision": revision} if revision else {})
        # The rows of a split are counted through, whatever files they stand in.
        accept.begin(split, origin=facts)
        for row in self._rows(part):
            accept(row)
            yield from out.take()
        accept.end()
        accept.tell()
        yield from out.take(rest=True)

    def _rows(self, part: Part) -> Rows:
        kind = part.detail["kind"]
        if not kind:
            batches = self._batches(part.detail)
            if (first := next(batches, None)) is not None:
                rows = rows_of(chain([first], batches), part.detail["split"], self._wanted)
                yield from with_class_names(rows, first.schema, self.keep.values())
            return
        for path, first_row in zip(part.files, part.detail["first_rows"], strict=True):
            rows = read_rows(path, self._wanted, name=os.path.basename(path), kind=kind)
            if self.keep and kind in TABLES:
                rows = with_class_names(rows, schema_of(path, kind), self.keep.values())
            for row in rows:
                yield replace(row, row=row.row + first_row) if first_row else row

    def _batches(self, detail: Mapping[str, Any]) -> Iterator[pa.RecordBatch]:
        split, revision = detail["split"], detail["revision"]
        if not revision:
            return stream(self._named, split)
        return hub.rows(replace(self._named, revision=revision, name=detail["configuration"]), split)

    @property
    def _owner(self) -> str:
        """What errors call it. No output may say where something lies: those say `_told`."""
        return f"datasets {self.path.removeprefix(HUB)!r}"

    @property
    def _told(self) -> str:
        return f"datasets {self._fields.label!r}"

    @property
    def _named(self) -> Named:
        path, on_hub = self.path.removeprefix(HUB), self.path.startswith(HUB)
        return Named(self._owner, path, self.configuration, self.revision, on_hub)

    @property
    def _named_id(self) -> str:
        """The column of the id where it was named on purpose."""
        return self.id or ""

    @property
    def _id(self) -> str:
        return "id" if self.id is None else self.id

    @property
    def _fields(self) -> Fields:
        """The settings as those of files are called."""
        base = "local" if self._named.is_local else self._named.path
        own = f"{base}/{self.configuration}" if self.configuration else base
        given = {f"{name}_field" for name in self.model_fields_set}
        names = {"text_field": self.text, "id_field": self._id, "title_field": self.title}
        names |= {"url_field": self.url, "language": self.language, "licence": self.licence}
        return Fields(label=self.label or own, keep=self.keep, model_fields_set=given, **names)

    @property
    def _wanted(self) -> Wanted:
        others = (self._id, self.title, self.url, *self.keep.values())
        asked = tuple(dict.fromkeys(name for name in others if name))
        return Wanted(self.text, asked, True, decode, setting="text")
