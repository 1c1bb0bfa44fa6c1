"""The steps of a build, and what each of its tasks is made from."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from corpuskit.build.segment import Segment
from corpuskit.errors import StageError
from corpuskit.run.folder import Record
from corpuskit.sources.source import Part, Source
from corpuskit.storage.files import sha256_json
from corpuskit.storage.places import is_uri

CODE = 1
"""Version of what the runner itself does to bytes: raised when equal settings would give others."""


RUNNER: Mapping[str, Any] = {
    "code": CODE,
    # What writes the bytes of every output, and what decides about letters and normal forms.
    "pyarrow": pa.__version__,
    "unicode": unicodedata.unidata_version,
}
"""Part of what every task is made from."""


@dataclass(frozen=True)
class PlannedPart:
    """A part of a source, with the name that its files carry in the run."""

    name: str
    label: str
    source: Source
    part: Part
    made_from: Mapping[str, Any]
    stamps: tuple[tuple[str, tuple[int, ...]], ...]


def _check_names(names: Sequence[str]) -> None:
    """Part names are file names and must differ, whatever a user's source calls its parts."""
    for name, count in Counter(names).items():
        if count > 1:
            raise StageError(
                f"part {name!r}: {count} parts have this name",
                remedy="Give the sources other labels; within a source the names of parts must differ.",
            )


def _rows(record: Record, segment: Segment) -> int:
    rows = record.output(f"scans/{segment.folder}/").rows
    assert rows is not None
    return rows


_LONGEST_NAME = 120


def _part_name(label: str, part: str) -> str:
    """Label and part as the stem of a file name; a part that is named after its source says it once."""
    own = label.partition(":")[2]
    rest = part.removeprefix(f"{own}.") if own else part
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{label}-{rest}")
    if len(name) <= _LONGEST_NAME:
        return name
    # File systems take 255 bytes, suffixes included.
    return f"{name[:_LONGEST_NAME]}-{sha256_json(name)[:16]}"


def logical_name(source: Source, file: str) -> str:
    """The name of an input that may stand in outputs: its path below the source's location."""
    if is_uri(file):
        root_uri = str(getattr(source, "path", "")).rstrip("/") + "/"
        return file[len(root_uri) :] if file.startswith(root_uri) else file.rpartition("/")[2]
    root = Path(str(getattr(source, "path", Path(file).parent)))
    path = Path(file)
    below = path != root and path.is_relative_to(root)
    name = path.relative_to(root).as_posix() if below else path.name
    # A name that is not UTF-8 could not be stored; its odd bytes are written out.
    return os.fsencode(name).decode("utf-8", "backslashreplace")
