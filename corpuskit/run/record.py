"""Records: the proof that a task is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from corpuskit.documents.ledger import Ledger
from corpuskit.errors import RunError
from corpuskit.storage.files import read_sealed


@dataclass(frozen=True)
class Output:
    """A file that a task has written: path within the run, sha256, size, rows where it has rows."""

    path: str
    sha256: str
    bytes: int
    rows: int | None = None

    def __post_init__(self) -> None:
        kinds = {"path": str, "sha256": str, "bytes": int, "rows": int | None}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"{name} of an output is {getattr(self, name)!r}")


@dataclass(frozen=True)
class Record:
    """The proof that a task is done."""

    task: str
    fingerprint: str
    made_from: Mapping[str, Any]
    outputs: tuple[Output, ...]
    ledger: Ledger = field(default_factory=Ledger)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def _by_path(self) -> dict[str, Output]:
        return {output.path: output for output in self.outputs}

    def file(self, path: str) -> Output:
        """The output of a path; a record may have one for each of a hundred thousand parts."""
        if path not in self._by_path:
            raise RunError(f"{self.task}: no output {path!r}", remedy="Delete its record and build again.")
        return self._by_path[path]

    def find(self, path: str) -> Output | None:
        """The output of a path; None where the task made none."""
        return self._by_path.get(path)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        return plain | {"outputs": [vars(o) for o in self.outputs], "ledger": self.ledger.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        """The inverse of `to_json`. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            str(value["task"]),
            str(value["fingerprint"]),
            dict(value["made_from"]),
            tuple(Output(**o) for o in value["outputs"]),
            Ledger.from_json(value["ledger"]),
            dict(value["facts"]),
        )


def read_record(path: Path) -> Record:
    """Read the record of a task. Raises `RunError` for a file that is none."""
    try:
        return Record.from_json(read_sealed(path))
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError, OSError) as error:
        raise RunError(
            f"{path}: is no record of a task: {type(error).__name__}: {error}",
            remedy="Call `corpuskit build` with the same recipe: only what this task made is made again.",
        ) from error
