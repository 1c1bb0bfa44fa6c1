"""What a barrier may do with its scans: arrays and groups of its own, drops that all later deciders see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from corpuskit.errors import StageError
from corpuskit.stages.scans import PartScan, Scans
from corpuskit.storage.spill import Keys, Ordinals


@pytest.fixture
def scans(tmp_path: Path) -> Scans:
    tables = {
        f"scans/{part}": pa.RecordBatch.from_pylist(
            [{"id": f"{part}{i}", "bytes": 10 * i, "preference": i, "mine.key": i} for i in range(count)]
        )
        for part, count in (("a", 3), ("b", 2))
    }

    def read(path: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
        yield tables[path].select(columns)

    parts = [PartScan("a", "documents/a", "scans/a", 0, 3), PartScan("b", "documents/b", "scans/b", 3, 2)]
    return Scans(parts, tmp_path, read)


def test_an_array_that_is_asked_for_twice_keeps_what_the_first_one_holds(scans: Scans) -> None:
    mine = scans.seen_by("mine")
    first = mine.array("x", np.int64)
    first[:] = np.arange(5)
    second = mine.array("x", np.int64)
    assert first.tolist() == [0, 1, 2, 3, 4]
    assert second.tolist() == [0, 0, 0, 0, 0]


def test_each_decider_has_its_columns_and_all_see_what_was_dropped(scans: Scans) -> None:
    mine, other = scans.seen_by("mine"), scans.seen_by("other")
    assert [rows.to_pydict() for _, rows in mine.rows("key")] == [{"key": [0, 1, 2]}, {"key": [0, 1]}]
    mine.drop(1, "odd")
    other.drop(4, "odd", original=0)
    assert other.kept.tolist() == [True, False, True, True, False]
    assert scans.deciders == ["mine", "other"]
    assert scans.decider.tolist() == [-1, 0, -1, -1, 1]
    assert scans.original.tolist() == [-1, -1, -1, -1, 0]
    assert scans.cluster(4) == 0


def test_warnings_are_added_to_and_never_replaced(scans: Scans) -> None:
    mine = scans.seen_by("mine")
    mine.warnings.append("odd")
    assert scans.warnings == ["odd"]
    with pytest.raises(AttributeError):
        mine.warnings = ["lost"]  # type: ignore[misc]


def test_a_document_that_is_not_there_cannot_be_dropped(scans: Scans) -> None:
    with pytest.raises(StageError, match="mine: drops document 5 of 5"):
        scans.seen_by("mine").drop(5, "odd")


def test_two_groupings_may_be_under_way_at_once(scans: Scans) -> None:
    def keys(value: int) -> Iterator[tuple[Keys, Ordinals]]:
        yield np.array([value, value, 9, 9], np.uint64), np.array([0, 1, 2, 3], np.int64)

    mine = scans.seen_by("mine")
    outer = mine.groups(keys(1))
    assert next(outer).tolist() == [0, 1]
    assert [g.tolist() for g in mine.groups(keys(10))] == [[2, 3], [0, 1]]
    assert next(outer).tolist() == [2, 3]


@pytest.fixture
def grown(tmp_path: Path) -> Scans:
    """Two documents that are built, and two of an earlier build behind them."""
    tables = {
        name: pa.RecordBatch.from_pylist(
            [{"id": f"{name[6:]}{i}", "bytes": 10 * i, "preference": i, "mine.key": i} for i in range(2)]
        )
        for name in ("scans/new", "scans/old")
    }

    def read(path: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
        yield tables[path].select(columns)

    new = PartScan("new", "documents/new", "scans/new", 0, 2)
    old = PartScan("old", "/elsewhere/old", "scans/old", 2, 2, "runs-old")
    return Scans([new], tmp_path, read, [old])


def test_documents_of_an_earlier_build_are_seen_by_those_who_ask_and_never_dropped(grown: Scans) -> None:
    unaware, aware = grown.seen_by("mine"), grown.seen_by("mine", earlier=True)
    assert (grown.documents, unaware.documents, aware.documents) == (2, 2, 4)
    assert [rows.num_rows for _, rows in unaware.rows("key")] == [2]
    assert [first for first, _ in aware.rows("key")] == [0, 2]
    assert aware.bytes.tolist() == [0, 10, 0, 10]
    assert [ids for _, ids in aware.identities()] == [["new0", "new1"], ["runs-old: old0", "runs-old: old1"]]
    aware.drop(1, "copy", original=3)
    assert grown.kept.tolist() == [True, False]
    assert grown.original.tolist() == [-1, 3]
    assert grown.ids([1, 3]) == {1: "new1", 3: "runs-old: old1"}
    # What is joined with an earlier document is a cluster of those that are built.
    assert (grown.cluster(1), grown.clustered()) == (1, [])
    with pytest.raises(StageError, match="drops document 2, which is of an earlier build"):
        aware.drop(2, "copy")
    with pytest.raises(StageError, match="drops document 2 of 2"):
        unaware.drop(2, "copy")
