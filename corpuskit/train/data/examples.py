"""Encoded examples on disk: named columns of integers, of which each example has a line of its own length.

A folder of examples holds for each column NAME two files and for all of them one record:

    NAME.values    the integers of all examples, one behind the other, little-endian
    NAME.ends      int64 (examples,): where the line of each example ends among them
    examples.json  sealed: columns with type, counts and sha256, and what the writer's caller noted

The record is written last: a folder that has it is whole. Both files are memory-mapped, so a million examples
take no memory until they are asked for.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError, TrainError
from corpuskit.storage.files import (
    UNFINISHED,
    json_bytes,
    read_sealed,
    rename,
    seal,
    sha256_file,
    sha256_json,
    write_file,
    writing,
)

RECORD = "examples.json"
FORMAT = 1
DTYPES = ("uint8", "uint16", "int8", "int16", "int32", "int64")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_REMEDY = "Delete the folder: it is made again from the data."
_ADVICE = "Write the examples again; what was finished is kept."
_BUFFER = 2**20

Line = npt.NDArray[np.integer]


class _Column:
    """The two files of a column while they are written."""

    def __init__(self, folder: Path, name: str, dtype: str) -> None:
        self.name, self.dtype = name, dtype
        self._kind = np.dtype(dtype).newbyteorder("<")
        self._limits = np.iinfo(self._kind)
        self.paths = (folder / f"{name}.values", folder / f"{name}.ends")
        self.unfinished = tuple(path.with_name(UNFINISHED + path.name) for path in self.paths)
        self.values = 0
        self._digests = (hashlib.sha256(), hashlib.sha256())
        self._ends = array("q")
        with writing(self.paths[0], _ADVICE):
            folder.mkdir(parents=True, exist_ok=True)
            self._files: list[BinaryIO] = [
                open(path, "wb", _BUFFER)  # noqa: SIM115 - close() closes them
                for path in self.unfinished
            ]

    def take(self, line: npt.ArrayLike, example: int) -> npt.NDArray[np.integer]:
        """A line in this column's type; raises SettingError for what is no line of such integers."""
        found = np.asarray(line)
        if found.ndim != 1 or not (np.issubdtype(found.dtype, np.integer) or not found.size):
            message = f"example {example}, column {self.name!r}: {found.dtype}{list(found.shape)} is no line"
            raise SettingError(message, remedy="Give a 1-D array of integers.")
        if found.size and not np.can_cast(found.dtype, self._kind):
            low, high = int(found.min()), int(found.max())
            if low < self._limits.min or high > self._limits.max:
                message = f"example {example}, column {self.name!r}: {low} to {high} do not fit {self.dtype}"
                raise SettingError(message, remedy=f"Name a wider type: dtypes={{{self.name!r}: 'int64'}}.")
        return np.ascontiguousarray(found, self._kind)

    def append(self, line: npt.NDArray[np.integer]) -> None:
        self.values += len(line)
        self._ends.append(self.values)
        self._put(0, line.tobytes())
        if len(self._ends) * 8 >= _BUFFER:
            self._put_ends()

    def close(self) -> dict[str, Any]:
        """Finish both files under their own names; returns the column's part of the record."""
        self._put_ends()
        for file, unfinished, path in zip(self._files, self.unfinished, self.paths, strict=True):
            with writing(path, _ADVICE):
                file.close()
                rename(unfinished, path)
        values, ends = (digest.hexdigest() for digest in self._digests)
        return {"dtype": self.dtype, "values": self.values, "values_sha256": values, "ends_sha256": ends}

    def remove(self) -> None:
        """Remove what is not finished."""
        for file, unfinished in zip(self._files, self.unfinished, strict=True):
            with suppress(OSError):  # A full disk: what could not be flushed is not wanted either.
                file.close()
            unfinished.unlink(missing_ok=True)

    def _put_ends(self) -> None:
        self._put(1, np.array(self._ends, "<i8").tobytes())
        self._ends = array("q")

    def _put(self, which: int, data: bytes) -> None:
        with writing(self.paths[which], _ADVICE):
            self._files[which].write(data)
        self._digests[which].update(data)


class ExamplesWriter:
    """Writes a folder of examples in one pass; memory does not grow with them.

    Unfinished files stand beside the finished ones under names of their own; a writer that is left by an
    exception removes them. Examples that were there before are gone as soon as the writer is made.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with ExamplesWriter(Path(folder), facts={"seed": 1}) as writer:
    ...         writer.add(ids=np.array([5, 6, 7], np.int32), label=np.array([1], np.int16))
    ...         writer.add(ids=np.array([8], np.int32), label=np.array([0], np.int16))
    ...     examples = Examples(Path(folder))
    ...     len(examples), examples.lengths("ids").tolist(), examples.row(0)["ids"].tolist()
    (2, [3, 1], [5, 6, 7])
    """

    def __init__(
        self,
        folder: Path,
        dtypes: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Begin.

        Args:
            folder: made if it is not there; other files in it are left alone.
            dtypes: type of each column by name, one of `DTYPES`; without it that of its first line.
            facts: what the record is to say of them (what they were made from, by which settings).

        Raises SettingError for a type or a name that cannot be, StorageError where nothing can be written.
        """
        self.folder, self.facts = Path(folder), dict(facts or {})
        self._dtypes = dict(dtypes or {})
        self._columns: dict[str, _Column] = {}
        self._examples = 0
        self._closed = False
        for name, dtype in self._dtypes.items():
            _check_column(name, dtype)
        with writing(self.folder / RECORD, _ADVICE):
            (self.folder / RECORD).unlink(missing_ok=True)

    def __len__(self) -> int:
        return self._examples

    def add(self, **arrays: npt.ArrayLike) -> None:
        """Append one example: for each column its line, 1-D integers; an empty line is one too.

        Raises SettingError for another set of columns than the first example had, and for a line that is none
        or does not fit the column's type: then nothing of the example is written.
        """
        if self._closed:
            raise SettingError(f"{self.folder}: these examples are finished", remedy="Make another writer.")
        if not self._columns:
            self._begin(arrays)
        if arrays.keys() != self._columns.keys():
            message = f"example {self._examples} has the columns {_listed(arrays)}"
            raise SettingError(
                message, remedy=f"Give each example the first one's: {_listed(self._columns)}."
            )
        lines = {name: self._columns[name].take(line, self._examples) for name, line in arrays.items()}
        for name, line in lines.items():
            self._columns[name].append(line)
        self._examples += 1

    def close(self) -> None:
        """Finish the files, the record last; a second call does nothing."""
        if self._closed:
            return
        columns = {name: column.close() for name, column in sorted(self._columns.items())}
        record = {"format": FORMAT, "examples": self._examples, "columns": columns, "facts": self.facts}
        write_file(self.folder / RECORD, json_bytes(seal(record)))
        self._closed = True

    def __enter__(self) -> ExamplesWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            if not self._closed:
                for column in self._columns.values():
                    column.remove()

    def _begin(self, arrays: Mapping[str, npt.ArrayLike]) -> None:
        if not arrays:
            raise SettingError("example 0 has no column", remedy="Give add(NAME=array).")
        for name, line in arrays.items():
            dtype = self._dtypes.get(name) or str(np.asarray(line).dtype)
            _check_column(name, dtype)
            self._dtypes[name] = dtype
        for name in arrays:
            self._columns[name] = _Column(self.folder, name, self._dtypes[name])


class Examples:
    """The examples of a folder, mapped into memory.

    Attributes:
        folder: where they lie.
        columns: name of each column to its type.
        facts: what the writer's caller noted of them.
        fingerprint: sha256, in hex, over names, types and contents of all columns.
    """

    def __init__(self, folder: Path) -> None:
        """Open them; raises TrainError, naming the file, where one is missing, damaged or of a wrong size."""
        self.folder = Path(folder)
        self._record = _read_record(self.folder / RECORD)
        self.facts: dict[str, Any] = self._record["facts"]
        stated: dict[str, dict[str, Any]] = self._record["columns"]
        self.columns = {name: column["dtype"] for name, column in stated.items()}
        self.fingerprint = sha256_json({"examples": len(self), "columns": stated})
        self._values = {
            name: _mapped(self._path(name, "values"), c["dtype"], c["values"]) for name, c in stated.items()
        }
        self._ends = {name: _mapped(self._path(name, "ends"), "int64", len(self)) for name in stated}

    def __len__(self) -> int:
        return int(self._record["examples"])

    def row(self, number: int) -> dict[str, Line]:
        """The lines of one example by column, 1-D and not to be written; raises IndexError outside."""
        if not 0 <= number < len(self):
            raise IndexError(f"example {number} lies outside range({len(self)})")
        row: dict[str, Line] = {}
        for name, values in self._values.items():
            ends = self._ends[name]
            start, end = int(ends[number - 1]) if number else 0, int(ends[number])
            if not 0 <= start <= end <= len(values):
                raise _damaged(self._path(name, "ends"), f"example {number} would be [{start}, {end})")
            row[name] = values[start:end]
        return row

    def lengths(self, column: str) -> npt.NDArray[np.int64]:
        """How many integers each example has in a column, int64 (examples,)."""
        if column not in self._ends:
            raise SettingError(f"no column {column!r}", remedy=f"There are: {_listed(self.columns)}.")
        ends = np.asarray(self._ends[column], np.int64)
        lengths: npt.NDArray[np.int64] = ends - np.concatenate([np.zeros(1, np.int64), ends])[:-1]
        return lengths

    def moved(self, folder: Path) -> None:
        """Told that the folder is called this now; the files are mapped already."""
        self.folder = folder

    def verify(self) -> None:
        """Read all files once; raises TrainError for the first that is not what was written."""
        for name, column in self._record["columns"].items():
            for ending in ("values", "ends"):
                path = self._path(name, ending)
                try:
                    found = sha256_file(path)
                except OSError as error:
                    raise _damaged(path, f"it cannot be read: {error.strerror}") from error
                if found != column[f"{ending}_sha256"]:
                    raise _damaged(
                        path, f"its sha256 is {found[:12]}..., not {column[f'{ending}_sha256'][:12]}..."
                    )

    def _path(self, name: str, ending: str) -> Path:
        return self.folder / f"{name}.{ending}"


def _read_record(path: Path) -> dict[str, Any]:
    """The record of a folder; raises TrainError unless it is whole and of this format."""
    try:
        record = read_sealed(path)
        if record["format"] != FORMAT:
            raise ValueError(f"it is of format {record['format']}; known is {FORMAT}")
        for name, column in record["columns"].items():
            _check_column(name, column["dtype"])
        if missing := {"facts", "examples"} - record.keys():
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    except FileNotFoundError as error:
        raise TrainError(f"{path} is not there: no finished examples", remedy=_REMEDY) from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SettingError) as error:
        raise _damaged(path, str(error)) from error
    return record


def _mapped(path: Path, dtype: str, count: int) -> Line:
    """The integers of a file, mapped; raises TrainError when there are not `count` of them."""
    kind = np.dtype(dtype).newbyteorder("<")
    try:
        size = path.stat().st_size
        if size != count * kind.itemsize:
            raise _damaged(path, f"it has {size:,} bytes, not {count * kind.itemsize:,}")
        # An empty file cannot be mapped.
        return np.memmap(path, kind, "r") if count else np.empty(0, kind)
    except OSError as error:
        raise _damaged(path, f"it cannot be read: {error.strerror}") from error


def _damaged(path: Path, why: str) -> TrainError:
    return TrainError(f"{path} is damaged: {why}", remedy=_REMEDY)


def _check_column(name: str, dtype: str) -> None:
    if not _NAME.fullmatch(name):
        remedy = "Use small letters, digits and _, a letter first."
        raise SettingError(f"{name!r} can be no column of examples", remedy=remedy)
    if dtype not in DTYPES:
        raise SettingError(
            f"column {name!r}: {dtype} is no type of examples", remedy=f"Known: {', '.join(DTYPES)}."
        )


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names)) or "none"
