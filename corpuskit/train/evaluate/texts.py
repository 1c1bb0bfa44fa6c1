"""Texts to measure a loss on: a split of a run, document by document, or files of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from corpuskit.errors import EmptyError, InputError, SettingError, ShardError, counted, nearest
from corpuskit.shards.format import ShardInfo
from corpuskit.shards.reader import Shards
from corpuskit.storage.rows.formats import FORMATS, format_of, read_rows, table_problem
from corpuskit.storage.rows.row import Damage, TwiceError, Wanted, as_text, there_are
from corpuskit.storage.tables import read_batches
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.evaluate.questions.items import place_of

UNKNOWN = ""
"""The language or source of a text of which none is known."""

_LANGUAGES = ("language", "lang")


class Text(NamedTuple):
    """A text as a model reads it.

    Attributes:
        ids: without any mark.
        size: bytes of text; None where they are not known.
        source, language: what it belongs to; UNKNOWN where that is not told.
    """

    ids: npt.NDArray[np.integer]
    size: int | None
    source: str
    language: str


# --------------------------------------------------------------------------------------------- of a run
@dataclass(frozen=True)
class SplitTexts:
    """The documents of a split; their languages where the run still has its documents."""

    path: Path
    shards: Shards
    split: str
    name: str
    count: int

    @property
    def what(self) -> str:
        """In words."""
        return f"{counted(self.count, 'document')} of the split {self.split!r}"

    def read(self, tokenizer: Tokenizer) -> Iterator[Text]:
        """One after the other, for the tokenizer of the shards, whose ids are read as they are.

        Raises ShardError for a provenance table that does not fit its shard."""
        split, first = self.shards.split(self.split), 0
        sizes = tokenizer.token_bytes(self.shards.vocab_size)
        for info in self.shards.splits[self.split]:
            at, labels = 0, self._labels(info)
            for number in range(first, first + info.sequences):
                ids = split.sequence(number)
                source, language = labels(at)
                at += len(ids)
                ids = ids[:-1] if len(ids) and ids[-1] == self.shards.end_of_text else ids
                size = None if sizes is None else int(sizes[ids].sum())
                yield Text(ids, size, source, language)
            first += info.sequences

    def _labels(self, info: ShardInfo) -> _Labels:
        path = self.shards.folder / f"{info.name}.provenance.parquet"
        if not path.exists():
            return _Labels(np.array([info.tokens]), [UNKNOWN], [UNKNOWN])
        try:
            table = pq.read_table(path)
            ends = table.column("token_end").to_numpy()
            sources = table.column("source").to_pylist()
        except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are of these.
            raise ShardError(
                f"cannot read the provenance {path}: {error}", remedy="Build the shards again."
            ) from error
        if len(ends) == 0 or int(ends[-1]) != info.tokens:
            raise ShardError(
                f"{path} does not cover the {info.tokens} tokens of its shard",
                remedy="Build the shards again.",
            )
        if not {"id", "part"} <= set(table.column_names):
            return _Labels(ends, sources, [UNKNOWN] * len(sources))
        ids, parts = table.column("id").to_pylist(), table.column("part").to_pylist()
        known = self._languages(set(ids), sorted(set(parts)))
        return _Labels(ends, sources, [known.get(each, UNKNOWN) for each in ids])

    def _languages(self, ids: set[str], parts: Sequence[str]) -> Mapping[str, str]:
        """Languages of these documents, which stand in these parts of the run."""
        found: dict[str, str] = {}
        for part in parts:
            path = self.path / "documents" / f"{part}.parquet"
            if path.is_file():
                for batch in read_batches(path, ["id", "language"]):
                    pairs = zip(*(batch.column(name).to_pylist() for name in ("id", "language")), strict=True)
                    found.update((each, language) for each, language in pairs if each in ids)
        return found


@dataclass(frozen=True)
class _Labels:
    """Source and language of ranges of tokens, each told by where it ends."""

    ends: npt.NDArray[np.int64]
    sources: Sequence[str]
    languages: Sequence[str]

    def __call__(self, token: int) -> tuple[str, str]:
        place = int(np.searchsorted(self.ends, token, side="right"))
        return self.sources[place], self.languages[place]


def split_of(run: Path, split: str | None = None) -> SplitTexts:
    """The documents of a run's split: "validation", or "test" where there is none, unless one is named.

    Raises SettingError for a split that is not there, EmptyError for one without documents.
    """
    shards = Shards(run / "shards")
    held_out = next((name for name in ("validation", "test") if name in shards.splits), None)
    wanted = split or held_out
    if wanted is None:
        raise SettingError(
            f"{run} holds nothing out: it has no split validation and none called test",
            remedy="Build it with `shards: {split: {validation: 0.01}}`, or give --split train knowingly.",
        )
    if wanted not in shards.splits:
        raise SettingError(f"{run} has no split {wanted!r}", remedy=nearest(wanted, shards.splits))
    count = shards.split(wanted).sequences
    if not count:
        raise EmptyError(f"{run}: the split {wanted!r} has no document", remedy="Name another with --split.")
    return SplitTexts(run, shards, wanted, f"{run.name or run}/{wanted}", count)


# --------------------------------------------------------------------------------------------- of files
@dataclass(frozen=True)
class FileTexts:
    """Texts of files: a text file is one, each row of a table or of JSON lines is one."""

    path: Path
    name: str
    files: tuple[Path, ...]
    names: tuple[str, ...]
    field: str
    count: int

    @property
    def what(self) -> str:
        """In words."""
        return f"{counted(self.count, 'text')} of {counted(len(self.files), 'file')}"

    def read(self, tokenizer: Tokenizer) -> Iterator[Text]:
        """One after the other. Their languages are those of a field of that name, where there is one."""
        for file, name in zip(self.files, self.names, strict=True):
            for _, text, language in _rows(file, self.field):
                ids = next(iter(tokenizer.encode([text])))
                yield Text(ids, len(text.encode()), name, language)

    def lines(self) -> Iterator[tuple[str, str]]:
        """Each text with its place, for a person."""
        for file in self.files:
            yield from ((place, text) for place, text, _ in _rows(file, self.field))


def texts_of(path: Path, field: str = "text") -> FileTexts:
    """The texts of a file, or of all files below a folder that are of a known format.

    All of it is read once and checked. Empty texts are passed over: they have no token to score.

    Args:
        field: the one that holds the text, of rows.

    Raises SettingError, InputError or EmptyError, naming the file, for what cannot be read.
    """
    if not path.exists():
        raise InputError(f"{path} is not there", remedy="Name a file, a folder, a run or a TASK.yaml.")
    files = [path]
    if path.is_dir():
        below = sorted(each for each in path.rglob("*") if each.is_file())
        files = [each for each in below if format_of(each.name) and not each.name.startswith(".")]
        if not files:
            endings = ", ".join(end for _, ends in FORMATS.values() for end in ends)
            raise EmptyError(f"{path} holds no file that can be read", remedy=f"Read are {endings}.")
    count = 0
    for file in files:
        found = sum(1 for _ in _rows(file, field))
        if not found:
            raise EmptyError(f"{file} holds no text", remedy="Take it out, or name another.")
        count += found
    names = [each.relative_to(path).as_posix() if path.is_dir() else each.name for each in files]
    return FileTexts(path, path.name or str(path), tuple(files), tuple(names), field, count)


Texts = SplitTexts | FileTexts
"""Texts that can be read again for each model, always in the same order."""


def _rows(file: Path, field: str) -> Iterator[tuple[str, str, str]]:
    """Texts that are not empty, each with its place and language; raises InputError for a row without one."""
    wanted = Wanted(field, _LANGUAGES)
    kind = format_of(file.name)
    if kind and (problem := table_problem(str(file), str(file), kind, wanted)) is not None:
        known = (problem.remedy or "").replace("Set text_field to", "Set --field to")
        raise InputError(problem.message, remedy=known)
    for row in read_rows(str(file), wanted):
        if isinstance(row, Damage):
            raise InputError(row.error, remedy="Mend it, or take it out.")
        place = str(file) if kind == "text" else place_of(file, row)
        try:
            value = row.get(field)
        except TwiceError as error:
            raise InputError(f"{place}: field {field!r} stands twice", remedy="Rename one.") from error
        if value is None:
            raise InputError(
                f"{place}: has no field {field!r}",
                remedy=f"{there_are(field, row.fields())} Name it with --field.",
            )
        text = as_text(value) or ""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{place}: half of a surrogate pair at character {error.start}",
                remedy="Write it as UTF-8 again.",
            ) from error
        if text:
            language = next((row.get(name) for name in _LANGUAGES if row.get(name)), UNKNOWN)
            yield place, text, as_text(language) or UNKNOWN
