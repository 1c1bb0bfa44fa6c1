"""The parts of a build: what the sources list, named for the run, with the digests of the files they read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpuskit.build.passes.run_stage import blaming
from corpuskit.build.source_code import fingerprint
from corpuskit.errors import StageError
from corpuskit.sources.folders import split_pattern
from corpuskit.sources.source import Part, Source
from corpuskit.storage.digests import Digests
from corpuskit.storage.files import sha256_json
from corpuskit.storage.places import is_uri, plain_name, stamp

_LONGEST_NAME = 120
"""Characters of a part's name: file systems take 255 bytes, and suffixes come behind it."""


@dataclass(frozen=True)
class NamedPart:
    """A part of a source, with the name that its files carry in the run.

    Attributes:
        label: the source's, as the ledger calls it.
        made_from: what identifies its content, as JSON values: settings of the source, digests of files.
        stamps: each file with its stamp when it was hashed.
    """

    name: str
    label: str
    source: Source
    part: Part
    made_from: Mapping[str, Any]
    stamps: tuple[tuple[str, tuple[int, ...]], ...]


def list_parts(sources: Sequence[tuple[str, Source]], digests: Digests) -> list[NamedPart]:
    """List the parts of all sources, in their order."""
    named = []
    for label, source in sources:
        identity = fingerprint(source, deciding=False)
        with blaming(label, "parts", reads=True):
            parts = source.parts()
        for part in parts:
            files = [[logical_name(source, f), digests.of(f)] for f in part.files]
            made_from = {"source": identity, "label": label, "files": files, "detail": dict(part.detail)}
            stamps = tuple((f, stamp(f)) for f in part.files)
            named.append(NamedPart(_part_name(label, part.name), label, source, part, made_from, stamps))
    _check_names([part.name for part in named])
    return named


def _check_names(names: Sequence[str]) -> None:
    """Part names are file names and must differ, whatever a user's source calls its parts."""
    for name, count in Counter(names).items():
        if count > 1:
            raise StageError(
                f"part {name!r}: {count} parts have this name",
                remedy="Give the sources other labels; within a source the names of parts must differ.",
            )


def _part_name(label: str, part: str) -> str:
    """Label and part as the stem of a file name; a part that is named after its source says it once."""
    own = label.partition(":")[2]
    rest = part.removeprefix(f"{own}.") if own else part
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{label}-{rest}")
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}-{sha256_json(name)[:16]}"


def logical_name(source: Source, file: str) -> str:
    """The name of an input that may stand in outputs: its path below the source's location."""
    if is_uri(file):
        root_uri = str(getattr(source, "path", "")).rstrip("/") + "/"
        return file[len(root_uri) :] if file.startswith(root_uri) else file.rpartition("/")[2]
    path = Path(file)
    root = Path(split_pattern(str(getattr(source, "path", path.parent)))[0])
    below = path != root and path.is_relative_to(root)
    return plain_name(path.relative_to(root).as_posix() if below else path.name)
