"""The loader: one order for all, over the ends of epochs; mixtures; shards that lie elsewhere."""

import hashlib
import inspect
import json
import pickle
import random
import shutil
import textwrap
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

import corpuskit.shards.folder as folder_module
from corpuskit.errors import SettingError, ShardError
from corpuskit.shards.batch import Batch
from corpuskit.shards.loader import Loader
from corpuskit.shards.mixing import deviation, rows_of_each, shares, turns
from corpuskit.shards.permutation import Permutation
from corpuskit.shards.reader import Shards, open_shards
from corpuskit.storage import places

ROW = [11, 12, 13, 0, 0, 21, 22, 0, 31, 32, 33, 34, 0, 1, 1]
"""Documents of 4, 1, 3 and 5 tokens, and two places of padding."""


# ------------------------------------------------------------------------------------ borders in a row
@pytest.mark.parametrize("begins", [None, [[0, 4, 5, 8]]])
def test_borders_inside_a_row(begins: list[list[int]] | None) -> None:
    batch = Batch(np.array([ROW], np.uint16), 0, [13], begins)
    assert batch.inputs.tolist() == [ROW[:-1]]
    assert batch.targets.tolist() == [[12, 13, 0, 0, 21, 22, 0, 31, 32, 33, 34, 0, 1, 1]]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 0, 0, 1, 2, 0, 1, 2, 3, 4, 0]]
    assert batch.documents.tolist() == [[0, 0, 0, 0, 1, 2, 2, 2, 3, 3, 3, 3, 3, -1]]
    assert batch.bounds.tolist() == [0, 4, 5, 8, 13, 14], "padding is a segment of its own"
    assert batch.trained.astype(int).tolist() == [[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]]
    assert batch.within.astype(int).tolist() == [[1, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 0, 0]]


def test_a_row_that_ends_with_a_document() -> None:
    batch = Batch(np.array([[51, 52, 0, 61, 62, 63, 0]]), 0)
    assert batch.bounds.tolist() == [0, 3, 6]
    assert batch.trained.all()


def test_a_row_whose_extra_token_begins_a_document() -> None:
    batch = Batch(np.array([[51, 52, 0, 61, 62, 63, 0, 81]]), 0)
    assert batch.bounds.tolist() == [0, 3, 7]
    assert batch.targets[0, -1] == 81
    assert not batch.within[0, -1]


def test_rows_of_a_batch_have_borders_of_their_own() -> None:
    batch = Batch(np.array([[5, 0, 6], [7, 8, 9]]), 0)
    assert batch.bounds.tolist() == [0, 2, 4]
    assert batch.documents.tolist() == [[0, 0], [0, 0]]
    assert batch.positions.tolist() == [[0, 1], [0, 1]]


# --------------------------------------------------------------------------------------------- the order
@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory, make_shards: Callable[..., Path]) -> Path:
    """One document of 31,001 tokens, 1,000 rows of 31 targets; tests must not change it."""
    chance = random.Random(7)
    document = [chance.randrange(1, 500) for _ in range(31_000)] + [0]
    return make_shards(tmp_path_factory.mktemp("thousand") / "shards", {"train": [[document]]}, 500)


def loader(folder: Path | Shards, **settings: Any) -> Loader:
    return Loader(folder, **{"rows": 24, "context": 31, "seed": 7, **settings})


def numbers(found: Loader, step: int) -> list[int]:
    return [found.row(sample)[1] for sample in found.samples(step)]


@pytest.mark.parametrize("world", [1, 2, 4, 8])
def test_all_worlds_read_one_order(thousand: Path, world: int) -> None:
    alone = loader(thousand, epochs=1)
    assert (alone.rows_per_epoch, alone.left_over, len(alone)) == (1000, 0, 42)
    ranks = [loader(thousand, rank=rank, world=world, epochs=1) for rank in range(world)]
    seen: list[int] = []
    for step in range(42):
        together = np.concatenate([rank[step].rows for rank in ranks])
        assert np.array_equal(together, alone[step].rows)
        assert len(together) == 24
        seen += [number for rank in ranks for number in numbers(rank, step)]
    assert sorted(seen[:1000]) == list(range(1000)), "each row once in an epoch"
    assert len(set(seen[1000:])) == 8, "the last batch is filled from the next epoch"
    assert len(list(alone)) == 42


def test_each_token_is_a_target_once(thousand: Path) -> None:
    epoch = open_shards(thousand).batches(24, 31, 7)
    assert len(epoch) == 42
    targets = np.concatenate([batch.targets.ravel() for batch in epoch])
    line = open_shards(thousand).split("train").read(0, 31_001)
    assert np.array_equal(np.sort(targets), np.sort(line[1:]))


def test_a_world_that_does_not_divide_names_both(thousand: Path) -> None:
    with pytest.raises(SettingError, match=r"rows = 24 cannot be shared by world = 5"):
        loader(thousand, world=5)
    with pytest.raises(SettingError, match=r"rank = 4 of world = 4"):
        loader(thousand, world=4, rank=4)


@pytest.mark.parametrize("packing", ["concatenate", "best_fit"])
def test_a_run_that_is_resumed_twice_reads_the_same(thousand: Path, packing: str) -> None:
    whole = loader(thousand, packing=packing)
    expected = [whole[step].rows for step in range(60)]
    found = []
    state: dict[str, Any] | None = None
    for stop in (10, 15, 60):
        part = loader(thousand, packing=packing)  # As a new process.
        if state is not None:
            part.load_state_dict(json.loads(json.dumps(state)))
        for batch in part:
            found.append(batch.rows)
            state = part.state_dict()
            if part.step == stop:
                break
    assert len(found) == 60
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert state == {"step": 60, "fingerprint": whole.fingerprint}


def test_a_state_is_of_any_world_and_of_no_other_batches(
    thousand: Path, tmp_path: Path, make_shards: Callable[..., Path]
) -> None:
    state = {**loader(thousand).state_dict(), "step": 10}
    other = loader(thousand, world=4, rank=1, prefetch=0)
    other.load_state_dict(state)
    assert other.step == 10
    shards = make_shards(tmp_path, {"train": [[[*range(1, 450), 0] * 20]]}, 500)
    changed = [
        loader(thousand, seed=8),
        loader(thousand, context=32),
        loader(shards),
        loader(thousand, rows=12),
    ]
    for wrong in [*changed, loader(thousand, packing="best_fit")]:
        with pytest.raises(
            SettingError, match=r"the state is of other batches: .* seed = .*\n  Open the same"
        ):
            wrong.load_state_dict(state)
    for bad in ({}, {"step": -1}, {"step": True}, {"step": "10"}):
        with pytest.raises(SettingError, match="the state has step = "):
            loader(thousand).load_state_dict({**bad, "fingerprint": state["fingerprint"]})


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16, 17, 1000, 1023, 1024, 1025, 65537])
def test_orders_are_bijections_for_every_count(size: int) -> None:
    for seed in range(5):
        orders = [Permutation(size, seed, epoch).part(0, size) for epoch in range(3)]
        for order in orders:
            assert np.array_equal(np.sort(order), np.arange(size))
        if size >= 16:
            assert not np.array_equal(orders[0], orders[1])
            assert not np.array_equal(orders[1], orders[2])


def test_there_is_no_order_of_nothing() -> None:
    with pytest.raises(ValueError, match="between 1 and"):
        Permutation(0, 1)


@given(st.integers(1, 300), st.integers(0, 9), st.data())
def test_a_part_of_an_order_is_its_elements(size: int, key: int, data: st.DataObject) -> None:
    order = Permutation(size, key)
    first = data.draw(st.integers(0, size))
    last = data.draw(st.integers(first, size))
    assert order.part(first, last).tolist() == [order[index] for index in range(first, last)]
    with pytest.raises(IndexError, match="lies outside"):
        order.part(0, size + 1)


def test_a_loader_without_epochs_has_no_length(thousand: Path) -> None:
    endless = loader(thousand)
    with pytest.raises(TypeError, match="has no end"):
        len(endless)
    assert endless[10**9].rows.shape == (24, 32)
    for wrong in (-1, 42):
        with pytest.raises(IndexError, match=f"no batch {wrong}"):
            loader(thousand, epochs=1)[wrong]


def test_wrong_settings_are_named(thousand: Path) -> None:
    for settings, words in (
        ({"rows": 0}, "rows = 0 is below 1"),
        ({"context": 0}, "context = 0 is below 1"),
        ({"epochs": 0}, "epochs = 0 is below 1"),
        ({"prefetch": -1}, "prefetch = -1 is below 0"),
        ({"rows": 1001}, "has 1000 rows of context = 31, a batch has rows = 1001"),
        ({"context": 40_000}, "a row of this context needs 40001"),
        ({"packing": "concat"}, "Did you mean 'concatenate'"),
        ({"rows": "8"}, "^Loader: rows = '8'"),
    ):
        with pytest.raises(SettingError, match=words):
            loader(thousand, **settings)


def test_reading_ahead_is_bounded_and_ends(thousand: Path) -> None:
    made: list[int] = []

    class Counting(Loader):
        def __getitem__(self, step: int) -> Batch:
            made.append(step)
            return super().__getitem__(step)

    counting = Counting(thousand, rows=24, context=31, seed=7, prefetch=2)
    batches = iter(counting)
    next(batches)
    for _ in range(200):
        if len(made) >= 4:
            break
        threading.Event().wait(0.01)
    threading.Event().wait(0.05)
    # One was given, two wait, one is ready to be put.
    assert made == [0, 1, 2, 3]
    batches.close()
    assert not [each for each in threading.enumerate() if each.name == "batches"]


def test_what_goes_wrong_while_reading_ahead_is_told(
    tmp_path: Path, make_shards: Callable[..., Path]
) -> None:
    folder = make_shards(tmp_path, {"train": [[[9] * 100 + [0]]]}, 5)
    with pytest.raises(ShardError, match=r"holds id 9, but its manifest says vocab_size 5"):
        next(iter(Loader(folder, rows=1, context=10)))


def test_shards_that_are_not_as_recorded_are_refused(run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run / "shards", tmp_path / "shards"))
    Loader(folder, rows=6, context=16, verify=True)
    path = folder / "train-00001.bin"
    data = path.read_bytes()
    path.write_bytes(data[:8] + bytes([data[8] ^ 1]) + data[9:])
    with pytest.raises(ShardError, match=r"train-00001.bin is damaged: sha256"):
        Loader(folder, rows=6, context=16, verify=True)
    path.write_bytes(data[:-2])
    with pytest.raises(ShardError, match=r"train-00001.bin has \d+ bytes where the manifest counts"):
        Loader(folder, rows=6, context=16)


def test_the_example_of_the_loader_runs(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(run, tmp_path / "runs" / "sample")
    monkeypatch.chdir(tmp_path)
    (code,) = [part for part in str(inspect.getdoc(Loader)).split("\n\n") if part.startswith("    ")]
    names: dict[str, Any] = {"Loader": Loader}
    exec(textwrap.dedent(code), names)
    assert names["inputs"].shape == (8, 128)
    assert names["state"]["step"] == len(names["loader"])


# --------------------------------------------------------------------------------------------- mixtures
MIXTURES: list[tuple[dict[str, int], dict[str, float], int, dict[str, int]]] = [
    ({"a": 100, "b": 40, "c": 7}, {"a": 7, "b": 2, "c": 1}, 1000, {"a": 700, "b": 200, "c": 100}),
    ({"a": 100, "b": 40, "c": 7}, {"a": 1, "b": 1, "c": 1}, 100, {"a": 34, "b": 33, "c": 33}),
    ({"a": 500, "b": 500}, {"a": 0.999, "b": 0.001}, 1000, {"a": 999, "b": 1}),
    ({"a": 10, "b": 10}, {"a": 1, "b": 0}, 10, {"a": 10, "b": 0}),
]


def sourced(folder: Path, rows: dict[str, int], make_shards: Callable[..., Path], context: int = 4) -> Path:
    """Shards whose sources have so many rows of T tokens, in turn where they can, with their tables."""
    left = Counter({name: count * context + 1 for name, count in rows.items()})
    documents: list[list[int]] = []
    owners: list[str] = []
    while any(left.values()):
        for number, name in enumerate(sorted(rows)):
            if left[name]:
                length = min(left[name], 3 + number)
                documents.append([number + 1] * (length - 1) + [0])
                owners.append(name)
                left[name] -= length
    make_shards(folder, {"train": [documents]}, 10)
    ends = np.cumsum([len(document) for document in documents]).tolist()
    table = pa.table({"token_start": [0, *ends[:-1]], "token_end": ends, "source": owners})
    path = folder / "train-00000.provenance.parquet"
    pq.write_table(table, path)
    manifest = json.loads((folder / "shards.json").read_text())
    manifest["splits"]["train"][0]["provenance_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "shards.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize("world", [1, 2, 5])
@pytest.mark.parametrize(("rows", "weights", "draw", "counts"), MIXTURES)
def test_a_mixture_has_exact_counts(
    tmp_path: Path,
    make_shards: Callable[..., Path],
    rows: dict[str, int],
    weights: dict[str, float],
    draw: int,
    counts: dict[str, int],
    world: int,
) -> None:
    folder = sourced(tmp_path, rows, make_shards)
    settings: dict[str, Any] = {"rows": 10, "context": 4, "seed": 3, "mixture": weights, "mixture_rows": draw}
    ranks = [Loader(folder, rank=rank, world=world, epochs=1, **settings) for rank in range(world)]
    assert ranks[0].counts == counts
    assert ranks[0].rows_of == {name: rows[name] for name, count in counts.items() if count}
    drawn = [
        rank.row(sample) for step in range(draw // 10) for rank in ranks for sample in rank.samples(step)
    ]
    assert Counter(source for source, _ in drawn) == Counter({k: v for k, v in counts.items() if v})
    for name, (times, more) in rows_of_each(counts, rows).items():
        each = Counter(number for source, number in drawn if source == name)
        assert max(each) < rows[name]
        held = [each[number] for number in range(rows[name])]
        assert sorted(held) == [times] * (rows[name] - more) + [times + 1] * more
    given = Counter()
    for k, (source, _) in enumerate(drawn, 1):
        given[source] += 1
        assert all(abs(given[name] - k * counts[name] / draw) < 1 for name in counts)
    # What is drawn is read: each source has tokens of its own.
    batch = ranks[0][0]
    for row, sample in zip(batch.rows, ranks[0].samples(0), strict=True):
        assert set(row.tolist()) <= {0, sorted(rows).index(ranks[0].row(sample)[0]) + 1}


def test_a_weight_of_nothing_is_told(tmp_path: Path, make_shards: Callable[..., Path]) -> None:
    folder = sourced(tmp_path, {"a": 10, "b": 10}, make_shards)
    found = Loader(folder, rows=2, context=4, mixture={"a": 1, "b": 0})
    assert found.notes == ["b has the weight 0: it is left out."]
    tiny = Loader(folder, rows=2, context=4, mixture={"a": 1, "b": 1e-6})
    assert tiny.notes == ["b has the weight 1e-06: too little for a row in 1,000."]


def test_a_source_without_rows_is_an_error(tmp_path: Path, make_shards: Callable[..., Path]) -> None:
    folder = sourced(tmp_path, {"a": 10}, make_shards)
    with pytest.raises(SettingError, match=r"mixture: 'b' has the weight 1 and no row in the split 'train'"):
        Loader(folder, rows=2, context=4, mixture={"a": 1, "b": 1})
    assert Loader(folder, rows=2, context=4, mixture={"a": 1, "b": 0}).counts == {"a": 1000, "b": 0}


@pytest.mark.parametrize(
    ("mixture", "words"),
    [
        ({"a": 1}, "mixture names a; the split 'train' has b too"),
        ({"a": -1, "b": 1}, "a = -1 is no weight"),
        ({"a": float("nan"), "b": 1}, "a = nan is no weight"),
        ({"a": 0, "b": 0}, "gives no source a weight above 0"),
    ],
)
def test_wrong_mixtures_are_named(
    tmp_path: Path, make_shards: Callable[..., Path], mixture: dict[str, float], words: str
) -> None:
    folder = sourced(tmp_path, {"a": 10, "b": 10}, make_shards)
    with pytest.raises(SettingError, match=words):
        Loader(folder, rows=2, context=4, mixture=mixture)
    with pytest.raises(SettingError, match="mixture_rows = 0: a round has 1 to"):
        Loader(folder, rows=2, context=4, mixture={"a": 1, "b": 1}, mixture_rows=0)


def test_a_mixture_needs_the_tables(thousand: Path) -> None:
    with pytest.raises(SettingError, match="says whose its tokens are"):
        loader(thousand, mixture={"a": 1})


def test_a_mixture_of_packed_sources(tmp_path: Path, make_shards: Callable[..., Path]) -> None:
    folder = sourced(tmp_path, {"a": 30, "b": 10}, make_shards)
    found = Loader(folder, rows=4, context=4, seed=1, packing="best_fit", mixture={"a": 1, "b": 1})
    for step in range(20):
        for row, sample in zip(found[step].rows, found.samples(step), strict=True):
            assert set(row.tolist()) <= {0, 1 if found.row(sample)[0] == "a" else 2}
    assert found.fingerprint != loader(folder, rows=4, context=4, seed=1).fingerprint
    assert len(list((folder / "packing").glob("train.*-5-4.starts"))) == 2


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6).filter(any))
def test_no_source_is_a_row_ahead_or_behind(counts: list[int]) -> None:
    order = turns(tuple(counts))
    for number, count in enumerate(counts):
        assert [turn.row for turn in order if turn.source == number] == list(range(count))
    assert deviation(tuple(counts)) < 1


def test_equal_remainders_go_by_name_however_they_are_written() -> None:
    assert shares({"c": 0.1, "b": 0.3, "a": 0.4}, 3) == {"a": 2, "b": 1, "c": 0}
    assert shares({"b": 0.15, "a": 0.35, "c": 0.5}, 10) == {"a": 4, "b": 1, "c": 5}
    third = dict.fromkeys("dcab", 1 / 3)
    assert shares(third, 2) == {"a": 1, "b": 1, "c": 0, "d": 0}
    assert shares({"a": 1e-7, "b": 1 - 1e-7}, 1 << 20) == {"a": 0, "b": 1 << 20}


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1e6), min_size=1, max_size=8), st.integers(1, 3000))
def test_shares_are_those_of_largest_remainders(weights: dict[str, float], rows: int) -> None:
    total = sum(weights.values())
    if not total > 1e-3:
        return
    found = shares(weights, rows)
    assert sum(found.values()) == rows
    assert all(abs(found[name] - weight / total * rows) < 1 + 1e-6 for name, weight in weights.items())


# ------------------------------------------------------------------------------- shards that lie elsewhere
@pytest.fixture
def bucket(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of a copy of the run in what stands for an object store."""
    shutil.copytree(run, tmp_path / "store" / "runs" / "sample")
    store = fs.SubTreeFileSystem(str(tmp_path / "store"), fs.LocalFileSystem())

    def system(place: str) -> tuple[fs.FileSystem, str]:
        return store, place.removeprefix("s3://bucket/")

    for module in (places, folder_module):
        monkeypatch.setattr(module, "system_of", system)
    return "s3://bucket/runs/sample"


@pytest.mark.parametrize("packing", ["concatenate", "best_fit"])
def test_shards_on_an_object_store_are_read_where_they_lie(
    run: Path, bucket: str, packing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "BLOCK", 64)
    monkeypatch.setattr(folder_module, "KEPT_BLOCKS", 3)
    here, there = (Loader(place, rows=6, context=16, seed=2, packing=packing) for place in (run, bucket))
    assert there.fingerprint == here.fingerprint
    for step in range(30):
        assert np.array_equal(here[step].rows, there[step].rows)
    files = there.shards.files
    assert isinstance(files, folder_module.RemoteFolder)
    assert 0 < len(files._blocks) <= 3
    again = pickle.loads(pickle.dumps(files))
    assert (again.uri, again.fetched) == (files.uri, 0)
    there.shards.verify()


def test_a_block_is_fetched_once(bucket: str) -> None:
    found = Loader(bucket, rows=6, context=16)
    for step in range(20):
        found[step]
    files = found.shards.files
    assert isinstance(files, folder_module.RemoteFolder)
    names = [info.name for info in found.shards.splits["train"]]
    assert files.fetched == sum(files.size(f"{name}.bin") for name in names)


def test_damage_elsewhere_names_the_file(bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "store" / "runs" / "sample" / "shards"
    with pytest.raises(ShardError, match=r"s3://bucket/nothing is no run with shards"):
        open_shards("s3://bucket/nothing")
    with pytest.raises(SettingError, match="is a URI, and this reads shards that lie on this machine"):
        open_shards(bucket).folder  # noqa: B018
    path = folder / "train-00000.bin"
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    with pytest.raises(ShardError, match=r"s3://bucket/runs/sample/shards/train-00000.bin is damaged"):
        open_shards(bucket).verify()
    path.write_bytes(data[:-2])
    with pytest.raises(ShardError, match=r"s3://.*train-00000.bin has \d+ bytes where the manifest counts"):
        open_shards(bucket)


def test_a_uri_of_this_machine_is_read_by_ranges(run: Path) -> None:
    assert np.array_equal(
        Loader(run.as_uri(), rows=6, context=16)[3].rows, Loader(run, rows=6, context=16)[3].rows
    )


def test_names_of_sources(tmp_path: Path, make_shards: Callable[..., Path]) -> None:
    names: Sequence[str] = ("a/b", "../c")
    folder = sourced(tmp_path, dict.fromkeys(names, 5), make_shards)
    Loader(folder, rows=2, context=4, packing="best_fit", mixture=dict.fromkeys(names, 1.0))
    assert all(path.parent == folder / "packing" for path in folder.rglob("*.starts"))
