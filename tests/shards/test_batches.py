"""Batch s is a function of (shards, settings, seed, s): every row once an epoch, from changing offsets."""

import inspect
import shutil
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from corpuskit.errors import SettingError, ShardError
from corpuskit.shards.batch import Batch
from corpuskit.shards.batches import Batches, dropout_seed, spread_rows
from corpuskit.shards.reader import Shards, open_shards


@pytest.fixture
def batches(run: Path) -> Batches:
    shards = Shards(run / "shards")
    return make(shards, 4)


def make(shards: Shards, batch_rows: int, seed: int = 7, context: int = 16) -> Batches:
    return Batches(shards.split("train"), context + 1, context, batch_rows, seed, shards.vocab_size)


def batch(batches: Batches, step: int) -> npt.NDArray[np.int64]:
    return batches.read(batches.samples(step, range(batches.batch_rows)))


def starts(batches: Batches, step: int) -> list[int]:
    return batches.starts(batches.samples(step, range(batches.batch_rows)))


def test_batches_do_not_depend_on_what_was_read_before(run: Path, batches: Batches) -> None:
    again = make(Shards(run / "shards"), 4)
    in_order = [batch(batches, step) for step in range(30)]
    for step in (29, 3, 3, 17):
        assert np.array_equal(batch(again, step), in_order[step])


@pytest.mark.parametrize("world", [1, 2, 4])
def test_all_processes_together_read_the_batch(batches: Batches, world: int) -> None:
    share = batches.batch_rows // world
    parts = [batches.samples(5, range(rank * share, (rank + 1) * share)) for rank in range(world)]
    assert np.array_equal(np.concatenate([batches.read(part) for part in parts]), batch(batches, 5))


def test_rows_are_the_tokens_at_their_starts(batches: Batches) -> None:
    line = batches.line.read(0, batches.line.tokens)
    for step in (0, 1, 50):
        for row, start in zip(batch(batches, step), starts(batches, step), strict=True):
            assert np.array_equal(row, line[start : start + 17])


def test_an_epoch_reads_each_row_once(batches: Batches) -> None:
    rows = batches.rows_per_epoch
    offsets = set()
    for epoch in range(4):
        found = sorted(batches.starts(range(epoch * rows, (epoch + 1) * rows)))
        assert [start - found[0] for start in found] == [16 * row for row in range(rows)]
        assert found[-1] + 17 <= batches.line.tokens
        offsets.add(found[0])
    assert len(offsets) > 1


def test_seed_and_epoch_change_the_order(run: Path, batches: Batches) -> None:
    assert starts(batches, 0) != starts(make(Shards(run / "shards"), 4, seed=8), 0)
    rows = batches.rows_per_epoch
    first, second = (batches.starts(range(epoch * rows, (epoch + 1) * rows)) for epoch in (0, 1))
    assert np.argsort(first).tolist() != np.argsort(second).tolist()


@pytest.mark.parametrize("spare", range(20))
@pytest.mark.parametrize("overlap", [0, 1])
def test_short_splits_give_rows_that_fit(batches: Batches, spare: int, overlap: int) -> None:
    split = batches.line
    length = split.tokens - spare
    few = Batches(split, length, length - overlap, 2, 7, batches.vocab_size)
    assert few.rows_per_epoch == 1
    for step in range(5):
        assert batch(few, step).shape == (2, length)
        assert few.tokens_left_out == spare


def test_a_row_longer_than_the_split_is_an_error(batches: Batches) -> None:
    length = batches.line.tokens + 1
    with pytest.raises(SettingError, match=f"needs {length}"):
        Batches(batches.line, length, length, 2, 7, batches.vocab_size)


def test_ids_outside_the_vocabulary_are_named(batches: Batches) -> None:
    wrong = Batches(batches.line, 17, 16, 4, 7, vocab_size=5)
    with pytest.raises(ShardError, match=r"split 'train' holds id .* vocab_size 5"):
        batch(wrong, 0)


def test_rows_to_measure_on_are_fixed_and_spread(run: Path) -> None:
    shards = Shards(run / "shards")
    split = shards.split("validation")
    everything = spread_rows(split, 17, 16, 10**9, shards.vocab_size)
    assert np.array_equal(everything[:, :-1].ravel(), split.read(0, len(everything) * 16))
    assert len(everything) == (split.tokens - 1) // 16
    few = spread_rows(split, 17, 16, 64, shards.vocab_size)
    assert few.shape == (4, 17)
    chosen = [len(everything) * number // 4 for number in range(4)]
    assert np.array_equal(few, everything[chosen])
    assert spread_rows(split, split.tokens + 5, 64, 64, shards.vocab_size).shape == (1, split.tokens)


def test_dropout_seeds_differ() -> None:
    seeds = {dropout_seed(seed, step, micro) for seed in (0, 1) for step in range(50) for micro in range(4)}
    assert len(seeds) == 400
    assert max(seeds) < 2**63


# ------------------------------------------------------------------- for a training loop of one's own


def epoch(
    run: Path, epoch: int = 0, rank: int = 0, world: int = 1, step: int = 0, **more: Any
) -> list[Batch]:
    return list(open_shards(run).batches(6, 16, 7, epoch, rank, world, step=step, **more))


def test_an_epoch_gives_the_batches_that_are_trained_on(run: Path) -> None:
    batches = make(Shards(run / "shards"), 6)
    found = epoch(run, shift=True)
    assert len(found) == -(-batches.rows_per_epoch // 6)
    assert sum(map(len, found)) == batches.rows_per_epoch
    for step, (inputs, targets, _) in enumerate(found[:-1]):
        rows = batch(batches, step)
        assert np.array_equal(inputs, rows[:, :-1])
        assert np.array_equal(targets, rows[:, 1:])
        assert (inputs.dtype, inputs.shape) == (np.int64, (6, 16))
    first, second = (np.concatenate([each.inputs for each in epoch(run, e, shift=True)]) for e in (0, 1))
    assert not np.array_equal(first, second)
    rows = batches.rows_per_epoch
    assert np.array_equal(second, batches.read(range(rows, rows + len(second)))[:, :-1])


def test_of_a_last_batch_a_process_may_have_no_row(run: Path) -> None:
    count = len(np.concatenate([b.rows for b in epoch(run)]))
    ranks = [list(open_shards(run).batches(count - 1, 16, 7, rank=r, world=count - 1)) for r in range(3)]
    assert [len(batches) for batches in ranks] == [2, 2, 2]
    empty = next(batch for _, batch in ranks if not len(batch))
    assert (empty.inputs.shape, empty.bounds.tolist(), empty.documents.shape) == ((0, 16), [0], (0, 16))


@pytest.mark.parametrize("packing", ["concatenate", "best_fit"])
def test_each_epoch_has_each_row_once_in_an_order_of_its_own(run: Path, packing: str) -> None:
    first, second = ([bytes(row) for b in epoch(run, e, packing=packing) for row in b.rows] for e in (0, 1))
    assert first != second
    assert sorted(first) == sorted(second)
    assert len(open_shards(run).batches(6, 16, 7, packing=packing)) == -(-len(first) // 6)


@pytest.mark.parametrize("world", [2, 3, 6])
def test_all_ranks_together_read_what_one_process_reads(run: Path, world: int) -> None:
    ranks = [epoch(run, 3, rank, world) for rank in range(world)]
    for whole, parts in zip(epoch(run, 3), zip(*ranks, strict=True), strict=True):
        assert np.array_equal(whole.inputs, np.concatenate([part.inputs for part in parts]))
        assert np.array_equal(whole.targets, np.concatenate([part.targets for part in parts]))
        before = np.cumsum([0, *(part.inputs.size for part in parts)])
        starts = [part.bounds[:-1] + at for at, part in zip(before[:-1], parts, strict=True)]
        assert np.array_equal(whole.bounds, np.append(np.concatenate(starts), whole.inputs.size))


def test_bounds_part_the_documents(run: Path) -> None:
    documents = 0
    for inputs, targets, bounds in epoch(run):
        assert bounds.dtype == np.int32
        assert set(range(0, inputs.size + 1, 16)) <= set(bounds.tolist())
        for document in np.split(inputs.ravel(), bounds[1:-1]):
            assert 0 not in document[:-1], "the end of a text belongs to what it ends"
            documents += 1
        inputs[:] = 0
        assert targets.any(), "who changes inputs in place must not change targets"
    assert documents > sum(len(each.inputs) for each in epoch(run))


def test_an_epoch_is_gone_on_with_at_any_step(run: Path) -> None:
    for whole, part in zip(epoch(run)[5:], epoch(run, step=5), strict=True):
        assert np.array_equal(whole.inputs, part.inputs)
    assert epoch(run, step=10**6) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rows": 0}, "rows = 0 is below 1\n  Give 1 or more"),
        ({"context": 0}, "context = 0 is below 1"),
        ({"epoch": -1}, "epoch = -1 is below 0"),
        ({"world": 0}, "world = 0 is below 1"),
        ({"rank": 2, "world": 2}, "rank = 2 of world = 2\n  Ranks are 0 to 1"),
        ({"rows": 3, "world": 2}, "rows = 3 cannot be shared by world = 2\n  Give a multiple of 2"),
        ({"split": "tarin"}, "Did you mean 'train'"),
        ({"packing": "bestfit"}, "packing = 'bestfit' is unknown\n  Did you mean 'best_fit'"),
        ({"context": 10**6}, "needs 1000001\n  Lower context"),
        ({"rows": 10**6, "context": 16}, "rows of context = 16, a batch has rows = 1000000\n  Lower rows"),
    ],
)
def test_wrong_arguments_are_named_at_once(run: Path, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        open_shards(run).batches(**arguments)


def test_shards_are_opened_by_their_run_or_their_folder(run: Path, tmp_path: Path) -> None:
    assert open_shards(str(run)).folder == open_shards(run / "shards").folder == run / "shards"
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ShardError, match=rf"{folder} is no run with shards .*\n  Name the folder"):
            open_shards(folder)


def test_the_example_runs(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(run, tmp_path / "runs" / "sample")
    monkeypatch.chdir(tmp_path)
    (code,) = [part for part in str(inspect.getdoc(open_shards)).split("\n\n") if part.startswith("    ")]
    places: dict[str, Any] = {"open_shards": open_shards}
    exec(textwrap.dedent(code), places)
    assert places["inputs"].shape == places["targets"].shape
    assert places["inputs"].shape[1] == 128
