"""Documents that are taken down: by a list of ids, or of digests of their texts."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa
from pydantic import BeforeValidator, Field

from corpuskit.documents.settings import Decides, Location, Settings
from corpuskit.errors import InputError, SettingError
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.scans import Scans

_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_LINE_END = re.compile(r"\r\n|\r|\n")

Paths = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]


class Removal(Settings):
    """What is to be taken down, as a recipe says it under `remove`.

    A line of a file is one id, as ``documents/`` has it, without white space at its ends; commas, spaces,
    ``#`` and leading zeros belong to it. A line of 64 hexadecimal digits is also taken for the sha256 of a
    text, of its UTF-8 bytes as ``documents/`` has them. A byte order mark, line ends of any kind and blank
    lines are no matter, and what stands twice counts once.

    Attributes:
        ids, hashes: files; those of hashes hold nothing but sha256.
        listed: ids that stand here and in no file.
        unknown: whether a line that no document has is a warning or an error.
    """

    name: ClassVar[str] = "remove"

    ids: Location[Paths] = Field(default=(), description="Files of ids, one a line.")
    hashes: Location[Paths] = Field(default=(), description="Files of the sha256 of texts, one a line.")
    listed: tuple[str, ...] = Field(default=(), description="Ids, without a file.")
    unknown: Literal["warn", "refuse"] = Field(
        default="warn", description="What becomes of a build where no document has one of them."
    )

    def read(self) -> Remove:
        """The stage that removes them. Raises `SettingError` for a file that is missing or no such list."""
        ids = set(self.listed)
        for place in self.ids:
            ids.update(lines_of(place))
        # What is no id of any document may be a digest; what is meant as one must be one.
        digests = {line.lower() for line in ids if _SHA256.fullmatch(line)}
        for place in self.hashes:
            for line in lines_of(place):
                if not _SHA256.fullmatch(line):
                    raise SettingError(
                        f"remove.hashes: {place}: {line!r} is no sha256 of 64 hexadecimal digits",
                        remedy="Give one of the text's UTF-8 bytes a line, or list ids under `ids`.",
                    )
                digests.add(line.lower())
        return Remove(ids=tuple(sorted(ids)), sha256=tuple(sorted(digests)), unknown=self.unknown)


def lines_of(place: str) -> Iterator[str]:
    """The lines of a list that are not blank, without white space at their ends."""
    path = Path(os.path.expanduser(place))
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingError(f"remove: {path}: {error}", remedy="Save it as UTF-8.") from error
    except OSError as error:
        reason = (
            "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        )
        raise SettingError(
            f"remove: {path} {reason}", remedy="Give the path of a file with one id a line."
        ) from error
    return filter(None, map(str.strip, _LINE_END.split(text)))


class Remove(Barrier):
    """Drops the documents that are listed, by the id they stand under or by the sha256 of their texts.

    Of an id that several documents share, all go. A text is taken as the pass before the decisions leaves it.
    """

    name = "remove"
    scan_schema: ClassVar[pa.Schema] = pa.schema([])

    ids: Decides[tuple[str, ...]] = ()
    sha256: Decides[tuple[str, ...]] = ()
    unknown: Decides[Literal["warn", "refuse"]] = "warn"

    def fingerprint(self, *, deciding: bool) -> dict[str, Any]:
        """As of other stages, with one digest in place of a list that may hold a hundred thousand lines."""
        settings = {"listed": self.digest(), "unknown": self.unknown} if deciding else {}
        return {"name": self.name, "version": self.version, "settings": settings}

    def digest(self) -> str:
        """sha256 of what is listed, whatever its order; empty for nothing."""
        if not self.ids and not self.sha256:
            return ""
        lists = ("\n".join(sorted(each)) for each in (self.ids, self.sha256))
        return hashlib.sha256("\0".join(lists).encode()).hexdigest()

    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Nothing: ids and texts are looked up when it is decided."""
        return batch.select([])

    def decide(self, scans: Scans) -> None:
        """Drop what is listed; name all that no document has."""
        met = self._by_id(scans) | self._by_text(scans)
        texts = set(self.sha256)
        missing = sorted((set(self.ids) - met) | (texts - met - {i.lower() for i in self.ids}))
        if missing:
            message = (
                f"remove: listed, and no document has it: {len(missing)}: {', '.join(map(repr, missing))}"
            )
            if bare := [line for line in missing if ":" not in line and not _SHA256.fullmatch(line)]:
                _, _, ids = next(each for part in scans.parts for each in scans.names(part))
                message += f". Ids begin with their source, as {ids[0]!r} does and {bare[0]!r} does not"
            if self.unknown == "refuse":
                raise InputError(
                    message, remedy="Mend the list, or set `unknown: warn` under `remove` to go on without."
                )
            scans.warnings.append(message)

    def _by_id(self, scans: Scans) -> set[str]:
        wanted = set(self.ids)
        met: set[str] = set()
        for part in scans.parts if wanted else ():
            for first, as_read, ids in scans.names(part):
                # By the id that it stands under, or by the one that it shared with others.
                for row, either in enumerate(zip(as_read, ids, strict=True)):
                    if not wanted.isdisjoint(either):
                        met.update(either)
                        scans.drop(first + row, "removed")
        return met

    def _by_text(self, scans: Scans) -> set[str]:
        wanted = set(self.sha256)
        met: set[str] = set()
        if wanted:
            for first, rows in scans.scores(["text"]):
                for row, digest in enumerate(_sha256(rows.column("text").to_pylist())):
                    if digest in wanted:
                        met.add(digest)
                        scans.drop(first + row, "removed")
        # A line of 64 digits stands in both lists, as it was written in that of ids.
        return met | {line for line in self.ids if line.lower() in met}


def _sha256(texts: Iterable[str]) -> Iterator[str]:
    return (hashlib.sha256(text.encode()).hexdigest() for text in texts)
