"""What stands in one run and not in another: documents added, removed and changed, and why.

Documents are joined by id, and texts are compared by digest. Nothing is held in memory but counts: what is
known of a document, of one that was set aside and of a range of tokens is a row of some 50 bytes on disk,
rows are spilled by the hash of their ids, and one partition after the other is joined.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpuskit.documents.batch import byte_lengths
from corpuskit.errors import SettingError
from corpuskit.report.check import read_records
from corpuskit.run.folder import Run
from corpuskit.run.layout import FINAL, PLANTED, REPEATED, folder_of
from corpuskit.run.record import Output
from corpuskit.stages.dedup.common import digest_words, digests
from corpuskit.storage.spill import Keys, Ordinals, array_on_disk, sorted_rows

SAME, REMOVED, ADDED, CHANGED = "same", "removed", "added", "changed"
STATES = (SAME, REMOVED, ADDED, CHANGED)
"""What became of a document between the first run and the second."""

_DOCUMENT, _ASIDE, _TOKENS = 0, 1, 2  # kinds of rows

NOT_READ = ("", "not read")
"""Why a document is not in a run that neither kept nor dropped it: its sources do not have it."""

NEW_TEXT, NEW_TOKENS = ("", "another text"), ("", "other tokens")

Why = tuple[str, str]
"""Stage and reason."""

_CHUNK = 1 << 16


@dataclass
class Figures:
    """Documents, and by how many bytes of text and tokens the second run has more than the first."""

    documents: int = 0
    bytes: int = 0
    tokens: int = 0

    def add(self, documents: int, size: int, tokens: int) -> None:
        """Add further ones."""
        self.documents += documents
        self.bytes += size
        self.tokens += tokens


@dataclass(frozen=True)
class Listed:
    """A document that was added, removed or changed.

    Attributes:
        stage, reason: of the decision that keeps it out of the other run.
        bytes, tokens: of the document; of a changed one, by how many the second run has more.
    """

    id: str
    source: str
    stage: str
    reason: str
    bytes: int
    tokens: int


@dataclass
class _Side:
    """One of the two runs."""

    run: Run
    documents: list[Output]
    aside: list[Output]
    tokens: list[Output]
    figures: Figures = field(default_factory=Figures)

    @classmethod
    def of(cls, folder: Path) -> _Side:
        run = Run.open_finished(folder)
        outputs = [o for record in read_records(run) for o in record.outputs if o.path.endswith(".parquet")]
        planted = [folder_of("planted") + f"{name}.parquet" for name in (PLANTED, REPEATED)]
        return cls(
            run,
            [o for o in outputs if o.path.startswith(f"{FINAL}/") or o.path in planted],
            [o for o in outputs if o.path.startswith((folder_of("dropped"), folder_of("quarantine")))],
            [o for o in outputs if o.path.endswith(".provenance.parquet")],
        )

    @property
    def rows(self) -> int:
        return sum(o.rows or 0 for o in (*self.documents, *self.aside, *self.tokens))


class Diff:
    """The difference of two finished runs. A context manager: what it spills is gone at its end.

    Args:
        first, second: folders of the runs; neither is written to.

    Attributes:
        totals: by what became of documents, source, and stage and reason of the decision.
        renamed: documents that were added under one id and removed under another, with the same text.

    Raises:
        RunError: a folder is no finished run, or a file of it is damaged.
    """

    def __init__(self, first: str | Path, second: str | Path) -> None:
        self.sides = (_Side.of(Path(first)), _Side.of(Path(second)))
        self.totals: dict[tuple[str, str, Why], Figures] = {}
        self.renamed = 0
        self._sources: dict[str, int] = {}
        self._whys: dict[Why, int] = {}

    def __enter__(self) -> Diff:
        self._temporary = tempfile.TemporaryDirectory(prefix="corpuskit-diff-")
        self._folder = Path(self._temporary.name)
        rows = sum(side.rows for side in self.sides)
        shapes: dict[str, tuple[npt.DTypeLike, tuple[int, ...]]] = {
            "kind": (np.int8, ()),  # twice the kind, and 1 more for the second run
            "second": (np.uint64, ()),  # word of the id's digest; the first is the key
            "text": (np.uint64, (2,)),
            "amount": (np.int64, ()),  # bytes, or tokens
            "code": (np.int32, ()),  # number of the source, or of the reason
            "state": (np.int8, ()),
            "why": (np.int32, ()),
            "tokens": (np.int64, ()),
            "more": (np.int64, ()),  # bytes
        }
        self._rows = {
            name: array_on_disk(self._folder, kind, (rows, *shape), name=name)
            for name, (kind, shape) in shapes.items()
        }
        for keys, values in sorted_rows(self._read(), self._folder, rows):
            self._join(keys, values)
        self._pair(rows)
        return self

    def __exit__(self, *_: object) -> None:
        del self._rows
        self._temporary.cleanup()

    # ------------------------------------------------------------------------------------ rows of the runs
    def _read(self) -> Iterator[tuple[Keys, Ordinals]]:
        """Fill the columns, documents first, and yield keys of ids with the numbers of their rows."""
        first = 0
        for kind, read in ((_DOCUMENT, self._documents), (_ASIDE, self._aside), (_TOKENS, self._tokens)):
            for number, side in enumerate(self.sides):
                for ids, columns in read(side):
                    words = digest_words(digests(ids))
                    last = first + len(ids)
                    self._rows["kind"][first:last] = 2 * kind + number
                    self._rows["second"][first:last] = words[:, 1]
                    for name, values in columns.items():
                        self._rows[name][first:last] = values
                    yield words[:, 0], np.arange(first, last, dtype=np.int64)
                    first = last

    def _documents(self, side: _Side) -> Iterator[tuple[list[str], Mapping[str, Any]]]:
        for output in side.documents:
            for batch in _batches(side.run, output, ["id", "source", "text"]):
                sizes = byte_lengths(batch.column("text"))
                side.figures.add(batch.num_rows, int(sizes.sum()), 0)
                sources = batch.column("source").to_pylist()
                planted = output.path.startswith(folder_of("planted"))
                why = (PLANTED, Path(output.path).stem) if planted else NOT_READ
                yield (
                    batch.column("id").to_pylist(),
                    {
                        "text": digest_words(digests(batch.column("text"))),
                        "amount": sizes,
                        "code": [self._sources.setdefault(name, len(self._sources)) for name in sources],
                        # Where the other run has no decision about it.
                        "why": self._why(why),
                    },
                )

    def _aside(self, side: _Side) -> Iterator[tuple[list[str], Mapping[str, Any]]]:
        for output in side.aside:
            reason = "reason" if output.path.startswith(folder_of("dropped")) else "kind"
            for batch in _batches(side.run, output, ["id", "stage", reason]):
                whys = zip(batch.column("stage").to_pylist(), batch.column(reason).to_pylist(), strict=True)
                # What never was a document, as a line that is broken, may lack an id.
                ids = [each or "" for each in batch.column("id").to_pylist()]
                yield ids, {"code": [self._why((stage or "", why or "")) for stage, why in whys]}

    def _tokens(self, side: _Side) -> Iterator[tuple[list[str], Mapping[str, Any]]]:
        for output in side.tokens:
            for batch in _batches(side.run, output, ["id", "token_start", "token_end"]):
                counts = batch.column("token_end").to_numpy() - batch.column("token_start").to_numpy()
                side.figures.add(0, 0, int(counts.sum()))
                yield batch.column("id").to_pylist(), {"amount": counts}

    def _why(self, why: Why) -> int:
        return self._whys.setdefault(why, len(self._whys))

    # ---------------------------------------------------------------------------------------- the join
    def _join(self, keys: Keys, values: Ordinals) -> None:
        """Join the rows of one partition by their ids, and count what became of each document."""
        rows = self._rows
        seconds = rows["second"][values]
        order = np.lexsort((values, seconds, keys))
        values, keys, seconds = values[order], keys[order], seconds[order]
        begins = np.ones(len(values), bool)
        begins[1:] = (np.diff(keys) != 0) | (np.diff(seconds) != 0)
        group = np.cumsum(begins) - 1
        count, kinds = int(group[-1]) + 1, rows["kind"][values]

        def found(kind: int, column: npt.NDArray[Any] | None = None) -> npt.NDArray[np.int64]:
            """By group, the first row of a kind, or what a column says in it; -1 without."""
            here, taken = np.flatnonzero(kinds == kind)[::-1], np.full(count, -1, np.int64)
            taken[group[here]] = values[here] if column is None else column[values[here]]
            return taken

        def summed(kind: int) -> npt.NDArray[np.int64]:
            total, here = np.zeros(count, np.int64), kinds == kind
            np.add.at(total, group[here], rows["amount"][values[here]])
            return total

        old, new = found(2 * _DOCUMENT), found(2 * _DOCUMENT + 1)
        before, after = summed(2 * _TOKENS), summed(2 * _TOKENS + 1)
        dropped = [found(2 * _ASIDE + number, rows["code"]) for number in (0, 1)]
        there = (old >= 0) & (new >= 0)
        differs = (rows["text"][old] != rows["text"][new]).any(axis=1) & there
        gone = np.where(dropped[1] >= 0, dropped[1], rows["why"][old])
        came = np.where(dropped[0] >= 0, dropped[0], rows["why"][new])
        states = (
            (SAME, there & ~differs, old, np.full(count, self._why(NEW_TOKENS))),
            (REMOVED, (old >= 0) & ~there, old, gone),
            (ADDED, (new >= 0) & ~there, new, came),
            (CHANGED, differs, new, np.full(count, self._why(NEW_TEXT))),
        )
        sizes = [np.where(row >= 0, rows["amount"][row], 0) for row in (old, new)]
        for state, chosen, row, why in states:
            here = np.flatnonzero(chosen)
            self._book(state, row[here], why[here], (sizes[1] - sizes[0])[here], (after - before)[here])

    def _book(
        self, state: str, row: Ordinals, why: Ordinals, more: npt.NDArray[np.int64], tokens: Ordinals
    ) -> None:
        """Note what became of documents, and add them to the totals."""
        rows = self._rows
        rows["state"][row] = STATES.index(state)
        rows["why"][row], rows["more"][row], rows["tokens"][row] = why, more, tokens
        pairs, which = np.unique(np.stack([rows["code"][row], why], axis=1), axis=0, return_inverse=True)
        sources, whys = list(self._sources), list(self._whys)
        for number, (source, code) in enumerate(pairs.tolist()):
            here = which.reshape(-1) == number
            figures = self.totals.setdefault((state, sources[source], whys[code]), Figures())
            figures.add(int(here.sum()), int(more[here].sum()), int(tokens[here].sum()))

    def _pair(self, rows: int) -> None:
        """Count texts that left one id for another."""
        state, text = self._rows["state"], self._rows["text"]

        def moved() -> Iterator[tuple[Keys, Ordinals]]:
            for first in range(0, rows, _CHUNK):
                here = first + np.flatnonzero(
                    np.isin(state[first : first + _CHUNK], [STATES.index(REMOVED), STATES.index(ADDED)])
                )
                yield text[here, 0], here

        for _, values in sorted_rows(moved(), self._folder, rows):
            _, which = np.unique(text[values], axis=0, return_inverse=True)
            gone = state[values] == STATES.index(REMOVED)
            counts = [np.bincount(which.reshape(-1)[each], minlength=len(values)) for each in (gone, ~gone)]
            self.renamed += int(np.minimum(*counts).sum())

    # ----------------------------------------------------------------------------------------- the answer
    def total(self, state: str, source: str | None = None) -> Figures:
        """The figures of what became of documents, of all sources or of one."""
        total = Figures()
        for (its, of, _), each in self.totals.items():
            if its == state and source in (None, of):
                total.add(each.documents, each.bytes, each.tokens)
        return total

    @property
    def sources(self) -> list[str]:
        """The sources of the documents of both runs."""
        return sorted(self._sources)

    def reasons(self) -> list[tuple[str, str, str, Figures]]:
        """(what became of them, stage, reason, figures), without documents that are the same in all."""
        found: dict[tuple[str, str, str], Figures] = {}
        for (state, _, why), each in self.totals.items():
            if state != SAME or each.tokens:
                figures = found.setdefault((state, *why), Figures())
                figures.add(each.documents, each.bytes, each.tokens)
        order = {state: number for number, state in enumerate(STATES[1:] + STATES[:1])}
        ordered = sorted(found.items(), key=lambda item: (order[item[0][0]], item[0][1:]))
        return [(*key, figures) for key, figures in ordered]

    def listed(self, state: str) -> Iterator[Listed]:
        """The documents that were added, removed or changed, in the order of their run."""
        if state not in STATES[1:]:
            raise SettingError(f"list: {state!r} is unknown", remedy=f"Write {', '.join(STATES[1:])}.")
        rows, whys, place = self._rows, list(self._whys), 0
        for number, side in enumerate(self.sides):
            for output in side.documents:
                for batch in side.run.read_batches(output.path, ["id", "source"]):
                    last = place + batch.num_rows
                    wanted = rows["state"][place:last] == STATES.index(state)
                    # A changed document has a row in each run, and what became of it stands in the second's.
                    for row in np.flatnonzero(wanted & (number == (state != REMOVED))).tolist():
                        at = place + row
                        sign = -1 if state == REMOVED else 1
                        stage, reason = whys[rows["why"][at]]
                        yield Listed(
                            batch.column("id")[row].as_py(),
                            batch.column("source")[row].as_py(),
                            stage,
                            reason,
                            sign * int(rows["more"][at]),
                            sign * int(rows["tokens"][at]),
                        )
                    place = last


def _batches(run: Run, output: Output, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    run.check(output)
    return run.read_batches(output.path, list(columns))
