"""Examples on disk: what is written comes back, damage is named, and memory does not grow with them."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from corpuskit.errors import SettingError, TrainError
from corpuskit.train.data.examples import RECORD, Examples, ExamplesWriter


def write(folder: Path, count: int = 50) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(3)
    rows = [
        {
            "ids": rng.integers(0, 60_000, rng.integers(0, 40)).astype(np.uint16),
            "mask": rng.integers(0, 2, rng.integers(1, 9)).astype(np.uint8),
        }
        for _ in range(count)
    ]
    with ExamplesWriter(folder, facts={"tokenizer": "abc"}) as writer:
        for row in rows:
            writer.add(**row)
    return rows


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    rows = write(tmp_path / "e")
    examples = Examples(tmp_path / "e")
    examples.verify()
    assert (len(examples), examples.columns) == (50, {"ids": "uint16", "mask": "uint8"})
    assert examples.facts == {"tokenizer": "abc"}
    for number, row in enumerate(rows):
        found = examples.row(number)
        assert {name: line.tolist() for name, line in found.items()} == {
            n: a.tolist() for n, a in row.items()
        }
    lengths = examples.lengths("ids")
    assert lengths.dtype == np.int64
    assert lengths.tolist() == [len(row["ids"]) for row in rows]
    assert sorted(path.name for path in (tmp_path / "e").iterdir()) == [
        "examples.json",
        "ids.ends",
        "ids.values",
        "mask.ends",
        "mask.values",
    ]


def test_a_line_is_not_to_be_written(tmp_path: Path) -> None:
    write(tmp_path)
    line = Examples(tmp_path).row(3)["ids"]
    with pytest.raises(ValueError, match="read-only"):
        line[0] = 1


def test_the_fingerprint_is_that_of_the_contents(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b")
    write(tmp_path / "c", 49)
    prints = [Examples(tmp_path / name).fingerprint for name in "abc"]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize("name", ["ids.values", "ids.ends", "mask.values", RECORD])
def test_a_flipped_bit_is_named(tmp_path: Path, name: str) -> None:
    write(tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(TrainError, match=name):
        Examples(tmp_path).verify()


@pytest.mark.parametrize("name", ["ids.values", "mask.ends"])
def test_a_cut_or_missing_file_is_named_when_they_are_opened(tmp_path: Path, name: str) -> None:
    write(tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:-1])
    with pytest.raises(TrainError, match=name):
        Examples(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(TrainError, match=name):
        Examples(tmp_path)


def test_ends_that_lead_nowhere_are_named(tmp_path: Path) -> None:
    write(tmp_path)
    ends = np.fromfile(tmp_path / "ids.ends", "<i8")
    ends[7] = 2**40
    ends.tofile(tmp_path / "ids.ends")
    with pytest.raises(TrainError, match=r"ids\.ends is damaged: example 7"):
        Examples(tmp_path).row(7)


def test_a_writer_that_is_left_by_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SettingError), ExamplesWriter(tmp_path) as writer:  # noqa: PT012 - it writes before
        writer.add(ids=[1, 2])
        writer.add(other=[1])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TrainError, match=RECORD):
        Examples(tmp_path)


def test_beginning_anew_takes_the_old_record_away(tmp_path: Path) -> None:
    write(tmp_path)
    ExamplesWriter(tmp_path)
    with pytest.raises(TrainError, match="no finished examples"):
        Examples(tmp_path)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (
            {"ids": np.array([1], np.uint8)},
            {"ids": [256]},
            r"example 1, column 'ids': 256 to 256 do not fit uint8",
        ),
        ({"ids": np.array([1], np.uint16)}, {"ids": [-1]}, "-1 to -1 do not fit uint16"),
        ({"ids": [1]}, {"ids": [1.5]}, "is no line"),
        ({"ids": [1]}, {"ids": [[1]]}, "is no line"),
        ({"ids": [1]}, {"mask": [1]}, "example 1 has the columns mask"),
        ({"ids": [1]}, {"ids": [1], "mask": [1]}, "example 1 has the columns ids, mask"),
        ({"ids": [0.5]}, {}, "float64 is no type of examples"),
        ({"Ids": [1]}, {}, "'Ids' can be no column"),
        ({}, {}, "example 0 has no column"),
    ],
)
def test_what_is_no_example_is_named(tmp_path: Path, first: dict, second: dict, says: str) -> None:
    def both() -> None:
        with ExamplesWriter(tmp_path) as writer:
            writer.add(**first)
            writer.add(**second)

    with pytest.raises(SettingError, match=says):
        both()


def test_a_refused_example_leaves_the_others_whole(tmp_path: Path) -> None:
    with ExamplesWriter(tmp_path, {"ids": "uint8", "mask": "uint8"}) as writer:
        writer.add(ids=[1, 2], mask=[1])
        with pytest.raises(SettingError):
            writer.add(ids=[3], mask=[999])
        writer.add(ids=[4], mask=[0])
    examples = Examples(tmp_path)
    assert [examples.row(i)["ids"].tolist() for i in range(len(examples))] == [[1, 2], [4]]


def test_no_example_at_all_is_a_folder_of_none(tmp_path: Path) -> None:
    with ExamplesWriter(tmp_path, {"ids": "int32"}):
        pass
    assert len(Examples(tmp_path)) == 0


def test_columns_of_empty_lines_can_be_mapped(tmp_path: Path) -> None:
    with ExamplesWriter(tmp_path, {"ids": "int32"}) as writer:
        writer.add(ids=[])
    assert Examples(tmp_path).row(0)["ids"].tolist() == []


def test_writing_takes_no_memory_for_what_is_written(tmp_path: Path) -> None:
    line = np.arange(1000, dtype=np.int32)
    tracemalloc.start()
    with ExamplesWriter(tmp_path) as writer:
        for _ in range(5000):
            writer.add(ids=line)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "ids.values").stat().st_size == 20_000_000
    assert peak < 5_000_000
