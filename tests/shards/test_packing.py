"""Packing: which documents stand in which row, what is parted, what is lost; and the index on disk."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpuskit.errors import SettingError
from corpuskit.shards import packed as packed_module
from corpuskit.shards import packing as packing_module
from corpuskit.shards.packed import Origin, PackedIndex, packed_index
from corpuskit.shards.packing import Geometry, PackReport, cut_report, geometry
from corpuskit.shards.reader import open_shards

Row = list[tuple[int, int, int]]
ROWS = [9, 11, 5, 13, 3, 7, 10, 2, 12, 8, 15, 6, 16, 4]
EDGES = [9, 8, 10, 18, 19, 1, 1, 4, 4, 4, 5]


def line_of(lengths: list[int]) -> tuple[np.ndarray, np.ndarray]:
    sizes = np.array(lengths, np.int64)
    return np.cumsum(sizes) - sizes, sizes


def index_of(lengths: list[int], rows: Geometry, folder: Path | None = None) -> PackedIndex:
    return packed_index(Origin("train", f"of {lengths}", lambda: [line_of(lengths)], folder), rows)


def packed(lengths: list[int], rows: Geometry) -> tuple[list[Row], PackReport]:
    """Each row as (document, from, to), and the report."""
    begins, index = line_of(lengths)[0], index_of(lengths, rows)
    found: list[Row] = []
    for number in range(index.rows):
        held = [(int(np.searchsorted(begins, p.start, "right")) - 1, *p) for p in index.pieces(number)]
        found.append([(d, start - int(begins[d]), start - int(begins[d]) + n) for d, start, n in held])
    return found, index.report


def cut(lengths: list[int], context: int) -> PackReport:
    return cut_report([line_of(lengths)], sum(lengths), geometry(context))


def by_looking_at_all_rows(lengths: list[int], capacity: int) -> list[list[int]]:
    """Best fit, longest first, with a look at every row for each document."""
    rows: list[list[int]] = []
    rooms: list[int] = []
    for document in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        fitting = [(room, row) for row, room in enumerate(rooms) if room >= lengths[document]]
        if not fitting:
            fitting = [(capacity, len(rows))]
            rows.append([])
            rooms.append(capacity)
        _, row = min(fitting)
        rows[row].append(document)
        rooms[row] -= lengths[document]
    return rows


def test_rows_of_known_lengths() -> None:
    rows, report = packed(ROWS, geometry(15))
    expected = [[12], [10], [3, 4], [8, 13], [1, 2], [6, 11], [0, 5], [9, 7]]
    assert [[document for document, _, _ in row] for row in rows] == expected
    assert all((first, last) == (0, ROWS[d]) for row in rows for d, first, last in row)
    assert (report.rows, report.padding, report.parted, report.longer) == (8, 7, 0, 0)
    assert (report.tokens, report.tokens_unused, report.targets_left_over) == (121, 0, 0)


def test_what_cutting_the_same_lengths_would_do() -> None:
    report = cut(ROWS, 15)
    assert (report.rows, report.parted, report.targets_left_over, report.padding) == (8, 6, 0, 0)
    assert (report.documents, report.longer, report.tokens_unused) == (14, 0, 0)


def test_the_edges_without_a_shared_token() -> None:
    rows, report = packed(EDGES, Geometry(9, 9))
    assert rows == [
        *([(0, 0, 9)], [(2, 0, 9)], [(3, 0, 9)], [(3, 9, 18)], [(4, 0, 9)], [(4, 9, 18)]),
        *([(1, 0, 8), (2, 9, 10)], [(10, 0, 5), (7, 0, 4)], [(8, 0, 4), (9, 0, 4), (4, 18, 19)]),
        [(5, 0, 1), (6, 0, 1)],
    ]
    assert (report.pieces, report.rows, report.padding, report.targets_left_over) == (15, 10, 7, 4)


def test_the_edges_with_a_shared_token() -> None:
    rows, report = packed(EDGES, geometry(8))
    assert rows[0] == [(0, 0, 9)], "what fills a row is not parted"
    assert (report.pieces, report.rows, report.padding) == (16, 10, 2)
    assert (report.longer, report.parted, report.targets_left_over) == (3, 0, 0)
    assert sum(len(row) for row in rows) == 16
    assert all(last > first for row in rows for _, first, last in row)
    # Documents of one length come in their order.
    order = [document for row in rows for document, first, _ in row if first == 0]
    assert [d for d in order if EDGES[d] == 4] == [7, 8, 9]
    assert [d for d in order if EDGES[d] == 1] == [5, 6]


def test_rows_of_two_tokens_and_a_row_for_all() -> None:
    rows, report = packed(EDGES, geometry(1))
    assert {len(row) for row in rows} == {1, 2}
    assert (report.targets_left_over, report.tokens_unused) == (0, 0)
    rows, report = packed(EDGES, geometry(99))
    assert len(rows) == 1
    assert (report.rows, report.padding) == (1, 17)
    assert cut(EDGES, 99).rows == 0
    assert cut(EDGES, 99).tokens_unused == 83
    assert cut(EDGES, 99).targets_left_over == 82, "all but the first of the line"


@pytest.mark.parametrize("context", [0, -1])
def test_there_are_no_rows_without_a_context(context: int) -> None:
    with pytest.raises(SettingError, match=rf"context = {context} is below 1"):
        geometry(context)


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(1, 40))
def test_rows_are_those_of_a_look_at_every_row(lengths: list[int], capacity: int) -> None:
    fitting = [length for length in lengths if length <= capacity] or [1]
    rows, report = packed(fitting, Geometry(capacity, capacity))
    expected = by_looking_at_all_rows(fitting, capacity)
    assert [[document for document, _, _ in row] for row in rows] == expected
    assert report.padding == len(expected) * capacity - sum(fitting)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(1, 12))
def test_nothing_is_lost_and_nothing_that_fits_is_parted(lengths: list[int], context: int) -> None:
    rows, report = packed(lengths, geometry(context))
    targets = {(d, place) for row in rows for d, first, last in row for place in range(first + 1, last)}
    assert targets == {(d, place) for d, n in enumerate(lengths) for place in range(1, n)}
    assert sum(last - first - 1 for row in rows for _, first, last in row) == len(targets)
    for row in rows:
        assert sum(last - first for _, first, last in row) <= context + 1
    whole = [d for row in rows for d, first, last in row if (first, last) == (0, lengths[d])]
    assert sorted(whole) == [d for d, n in enumerate(lengths) if n <= context + 1]
    assert report.longer == sum(n > context + 1 for n in lengths)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 12))
def test_the_report_of_cutting_counts_documents_as_they_lie(lengths: list[int], context: int) -> None:
    report, begins = cut(lengths, context), line_of(lengths)[0]
    rows = [(k * context, k * context + context + 1) for k in range(report.rows)]
    covered = rows[-1][1] if rows else 0
    assert covered == sum(lengths) - report.tokens_unused
    parted = 0
    for first, length in zip(begins.tolist(), lengths, strict=True):
        whole = any(a <= first and first + length <= b for a, b in rows)
        parted += not whole and length <= context + 1 and first < covered
    assert report.parted == parted


def test_pieces_are_placed_alike_however_many_are_looked_at_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(4)
    lengths = [chance.choice([1, 5, 40, chance.randrange(1, 900)]) for _ in range(300)]
    whole = packed(lengths, geometry(64))
    for pieces in (1, 7, 100):
        monkeypatch.setattr(packing_module, "_PIECES", pieces)
        assert packed(lengths, geometry(64)) == whole


# ------------------------------------------------------------------------------------- the index on disk
def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_index_is_kept_and_is_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = index_of(EDGES, geometry(8), tmp_path / "a")
    index_of(EDGES, geometry(8), tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert sorted(files(tmp_path / "a")) == ["train-9-8.groups", "train-9-8.json", "train-9-8.starts"]
    monkeypatch.setattr(packed_module, "_planned", None)  # It is not made again.
    again = index_of(EDGES, geometry(8), tmp_path / "a")
    assert again.report == first.report
    assert [again.pieces(row) for row in range(10)] == [first.pieces(row) for row in range(10)]


@pytest.mark.parametrize("name", ["groups", "json", "starts"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_a_damaged_index_is_made_again(tmp_path: Path, name: str, damage: str) -> None:
    first = index_of(EDGES, geometry(8), tmp_path)
    held = [first.pieces(row) for row in range(10)]
    whole, path = files(tmp_path), tmp_path / f"train-9-8.{name}"
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-3] if damage == "cut" else data[:9] + bytes([data[9] ^ 1]) + data[10:])
    again = index_of(EDGES, geometry(8), tmp_path)
    assert [again.pieces(row) for row in range(10)] == held
    assert files(tmp_path) == whole


def test_an_index_of_other_shards_is_made_again(tmp_path: Path) -> None:
    index_of(EDGES, geometry(8), tmp_path)
    assert index_of(ROWS, geometry(8), tmp_path).report.tokens == 121
    assert len(files(tmp_path)) == 3


def test_where_nothing_can_be_written_it_is_held_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert index_of(EDGES, geometry(8), tmp_path / "file").rows == 10


def test_rows_outside_are_an_error() -> None:
    for row in (-1, 10):
        with pytest.raises(IndexError, match=rf"row {row} lies outside range\(10\)"):
            index_of(EDGES, geometry(8)).pieces(row)


def test_an_empty_split_is_an_error(tmp_path: Path, make_shards: Callable[..., Path]) -> None:
    shards = open_shards(make_shards(tmp_path, {"train": []}, 4))
    with pytest.raises(SettingError, match="'train' has no tokens: there is nothing to pack"):
        shards.batches(rows=1, context=4, packing="best_fit")


def test_rows_say_which_part_of_which_document_they_hold(
    tmp_path: Path, make_shards: Callable[..., Path]
) -> None:
    documents = [[*range(1, length), 0] for length in EDGES]
    shards = open_shards(make_shards(tmp_path, {"train": [documents[:4], documents[4:]]}, 30))
    found = [[tuple(part) for part in row] for row in shards.packed_rows(8)]
    assert found == packed(EDGES, geometry(8))[0]
    assert found[-1] == [(4, 16, 19), (2, 8, 10), (3, 16, 18)]


def test_batches_hold_the_documents_of_the_index(tmp_path: Path, make_shards: Callable[..., Path]) -> None:
    documents = [[*range(1, length), 0] for length in EDGES]
    folder = make_shards(tmp_path / "run", {"train": [documents[:4], documents[4:]]}, 30)
    shards = open_shards(folder)
    seen = []
    for batch in shards.batches(rows=4, context=8, packing="best_fit"):
        for row, real, numbers in zip(batch.rows, batch.real, batch.documents, strict=True):
            assert not row[real:].any(), "padding is the end of text"
            assert (numbers == -1).sum() == max(0, 8 - real)
            seen += row[:real].tolist()
        assert not batch.trained[batch.documents == -1].any()
    # The shared tokens of longer documents twice, all others once.
    assert sorted(seen) == sorted([t for d in documents for t in d] + shared(EDGES))
    assert shards.packing(8)[0].rows == 10
    assert sorted(path.name for path in (folder / "packing").iterdir()) == sorted(
        f"train-9-8.{name}" for name in ("groups", "json", "starts")
    )


def shared(lengths: list[int]) -> list[int]:
    """The tokens that two pieces hold: those at each multiple of 8 that a piece begins with."""
    found = []
    for length in lengths:
        for place in range(8, length - 1, 8):
            found.append(place + 1 if place + 1 < length else 0)
    return found
