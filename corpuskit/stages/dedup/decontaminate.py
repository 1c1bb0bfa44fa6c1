"""Decontamination: documents that share words in a row with texts that models will be tested on."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator

from corpuskit.documents.overlap import Items
from corpuskit.documents.settings import Decides, Location
from corpuskit.errors import InputError, SettingError, read_remedy
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.dedup.common import lists
from corpuskit.stages.dedup.spans import CUT_FIELDS, cut_words
from corpuskit.stages.scans import Scans
from corpuskit.storage.places import stamp
from corpuskit.storage.rows.formats import format_of, read_rows, table_problem
from corpuskit.storage.rows.row import Damage, Row, Wanted, as_id, as_text
from corpuskit.storage.spill import Records

HITS = pa.schema(
    [(name, pa.string()) for name in ("id", "set", "item")]
    + [(name, pa.int64()) for name in ("words", "item_words", "first_word", "start", "end")]
)
"""Side table ``contamination``: a row for each document and item, with the longest run of words that they
share: how many of the item's words, and where it begins in the document, in words and bytes."""

ITEMS = pa.schema(
    [
        ("set", pa.string()),
        ("item", pa.string()),
        ("words", pa.int64()),
        ("sought", pa.string()),
        ("documents", pa.int64()),
    ]
)
"""Side table ``contamination_items``: each item that was read, how it was looked for (``n-grams``, ``whole``,
``too short``), and how many documents share words with it."""

COLUMNS = ("text", "question", "prompt", "input", "problem", "query", "sentence", "content", "instruction")
"""Where the text of an evaluation is looked for, the first that is there."""


class Decontaminate(Barrier):
    """Drops or cuts what shares ``words`` words in a row with an item of an evaluation.

    Words are compared case folded, in NFC, whatever marks and ends of lines stand between them
    (`corpuskit.documents.words`); thirteen is GPT-3's number (Brown et al. 2020, arXiv:2005.14165, appendix
    C). Each document is looked at alone: what two of them hold together is no hit. Items of fewer words are
    told and not looked for, unless ``shortest`` lets them be looked for as a whole. Every hit stands in the
    run's side table ``contamination``, every item in ``contamination_items``; ``corpuskit inspect`` shows
    both.

    With ``action: cut`` the shared words go, and no more than these; GPT-3 cut 200 characters on both sides,
    too.
    """

    name = "decontaminate"
    scan_schema: ClassVar[pa.Schema] = pa.schema(
        [("hits", pa.int64())]
        + [(name, pa.list_(pa.int64())) for name in ("item", "first", "words", "start", "end")]
    )

    against: Location[tuple[str, ...]] = Field(min_length=1, description="Files of the evaluation's items.")
    columns: tuple[str, ...] = Field((), description="Fields that hold their texts; found if none is named.")
    words: int = Field(13, ge=2, le=1000, description="Words in a row that make a hit.")
    shortest: int | None = Field(
        None, ge=2, description="Items of fewer words than `words` are looked for whole from so many on."
    )
    action: Decides[Literal["drop", "cut"]] = Field("drop", description="What becomes of a hit.")

    @field_validator("against", "columns", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("against")
    @classmethod
    def _from_home(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(os.path.expanduser(path) for path in value)

    @property
    def cuts(self) -> bool:
        """If it is told to."""
        return self.action == "cut"

    def libraries(self) -> dict[str, Any]:
        """The digests of the files: what they hold decides, not where they lie."""
        return {"against_sha256": [_sha256(path, _state(path)) for path in self.against]}

    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """What each text shares with which item."""
        found = self._sought()[1].search(batch.column("text"))
        ends = np.searchsorted(found.row, np.arange(batch.num_rows + 1))
        columns = [pa.array(np.diff(ends)), *(lists(column, ends) for column in found[1:])]
        return pa.RecordBatch.from_arrays(columns, schema=self.scan_schema)

    def decide(self, scans: Scans) -> None:
        """Drop or cut the documents with hits, and write down each hit and each item."""
        named, items = self._sought()
        documents = np.zeros(len(named), np.int64)
        chosen = Records(scans.folder, CUT_FIELDS, "chosen")
        every_id = itertools.chain.from_iterable(ids for _, ids in scans.identities())
        for first, rows in scans.rows("hits", "item", "first", "words", "start", "end"):
            ids = list(itertools.islice(every_id, rows.num_rows))
            hits: list[dict[str, Any]] = []
            for row in np.flatnonzero(rows.column("hits").to_numpy()).tolist():
                if scans.kept[first + row]:
                    one = {name: rows.column(name)[row].values.to_numpy() for name in rows.schema.names[1:]}
                    best = _longest(one["item"], one["words"])
                    documents[one["item"][best]] += 1
                    hits += [_hit(ids[row], named, items, one, number) for number in best.tolist()]
                    self._act(scans, first + row, one, chosen)
            if hits:
                scans.table("contamination", pa.Table.from_pylist(hits, HITS))
        if self.cuts:
            cut_words(scans, chosen, "contamination")
        self._tell(scans, named, items, documents)

    def _act(self, scans: Scans, ordinal: int, hit: dict[str, Any], chosen: Records) -> None:
        if not self.cuts:
            scans.drop(ordinal, "contaminated")
            return
        # Stretches of several items may overlap.
        gone = np.zeros(int((hit["first"] + hit["words"]).max()) + 2, np.int64)
        np.add.at(gone, hit["first"] + 1, 1)
        np.add.at(gone, hit["first"] + hit["words"] + 1, -1)
        edges = np.flatnonzero(np.diff(np.cumsum(gone) > 0))
        chosen.add(ordinal=ordinal, begin=edges[::2], end=edges[1::2], left=0, right=0)

    def _tell(self, scans: Scans, named: Sequence[Item], items: Items, documents: Any) -> None:
        how = np.where(
            items.sought == 0, "too short", np.where(items.lengths < self.words, "whole", "n-grams")
        )
        columns = {
            "set": [item.set for item in named],
            "item": [item.name for item in named],
            "words": items.lengths,
            "sought": how.tolist(),
            "documents": documents,
        }
        scans.table("contamination_items", pa.table(columns, schema=ITEMS))
        if short := np.flatnonzero(items.sought == 0).tolist():
            many = f"{len(short)} item{'s' if len(short) > 1 else ''} of {len(named)}"
            scans.warnings.append(
                f"{scans.label}: too short for {self.words} words: {many}, e.g. {named[short[0]].name}:"
                " not looked for; set `shortest` to look for them as a whole"
            )

    def _sought(self) -> tuple[tuple[Item, ...], Items]:
        states = tuple(_state(path) for path in self.against)
        return _sought(self.against, states, self.columns, self.words, self.shortest)


class Item(NamedTuple):
    """A text of an evaluation: the name of its file, its id (or its row), and what it says."""

    set: str
    name: str
    text: str


def read_items(path: str, columns: Sequence[str] = ()) -> Iterator[Item]:
    """The items of a file of rows (.jsonl, .csv, .tsv, .parquet, Arrow), one for each row and column.

    Args:
        columns: fields with texts; the first of `COLUMNS` that is there if none is named.

    Raises:
        InputError: the file is not there, is damaged, or has no such field.
        SettingError: it is of no known format.
    """
    name, kind = Path(path).name, format_of(path)
    chosen = tuple(columns) or (_column(path, name, kind),)
    met: set[str] = set()
    for row in read_rows(path, Wanted(chosen[0], (*chosen[1:], "id"), setting="columns"), name=name):
        if isinstance(row, Damage):
            raise InputError(
                row.error, remedy="Mend the file: an evaluation that is read in part protects in part."
            )
        identity = as_id(row.get("id")) or f"{name}#{row.row}"
        for column in chosen:
            value = row.get(column)
            if value is not None:
                met.add(column)
                yield Item(name, identity if len(chosen) == 1 else f"{identity}.{column}", _text(value))
    if missing := [column for column in chosen if column not in met]:
        raise InputError(
            f"{name}: no row has a text in {missing[0]!r}",
            remedy="Name the fields of its texts in `columns`.",
        )


def _text(value: Any) -> str:
    """A value as text; of a list, as of choices, its items below one another."""
    if isinstance(value, list):
        return "\n".join(_text(each) for each in value)
    return as_text(value) or ""


def _column(path: str, name: str, kind: str) -> str:
    """The first of `COLUMNS` that a file has."""
    if kind in ("csv", "parquet", "datasets"):
        for column in COLUMNS:
            if table_problem(path, name, kind, Wanted(column)) is None:
                return column
    else:
        row = next(iter(read_rows(path, Wanted("text"), name=name)), None)
        fields = row.fields() if isinstance(row, Row) else []
        for column in COLUMNS:
            if column in fields or not fields:
                return column
    raise InputError(
        f"{name}: none of its fields is called {', '.join(COLUMNS)}",
        remedy="Name the fields of its texts: `columns: [...]`.",
    )


def _state(path: str) -> tuple[int, ...]:
    try:
        return stamp(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"decontaminate: {path}: cannot be read: {reason}", remedy=read_remedy(error)
        ) from error


@lru_cache
def _sha256(path: str, state: tuple[int, ...]) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=4)
def _sought(
    paths: tuple[str, ...],
    states: tuple[tuple[int, ...], ...],
    columns: tuple[str, ...],
    words: int,
    shortest: int | None,
) -> tuple[tuple[Item, ...], Items]:
    named = tuple(item for path in paths for item in read_items(path, columns))
    if not named:
        raise SettingError("decontaminate: there is no item in its files", remedy="Name files with rows.")
    return named, Items([item.text for item in named], words, shortest)


def _longest(item: Any, words: Any) -> Any:
    """Which hit of each item has the most words, the first of equal ones."""
    order = np.lexsort((np.arange(len(item)), -words, item))
    return order[np.append(True, np.diff(item[order]) > 0)]


def _hit(
    identity: str, named: Sequence[Item], items: Items, hit: dict[str, Any], number: int
) -> dict[str, Any]:
    item = int(hit["item"][number])
    facts = {"id": identity, "set": named[item].set, "item": named[item].name}
    places = {"first_word": "first", "words": "words", "start": "start", "end": "end"}
    found = {name: int(hit[field][number]) for name, field in places.items()}
    return {**facts, **found, "item_words": int(items.lengths[item])}
