"""The n-gram index against reading the line of tokens: the plain search below is its twin."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from corpuskit import _native, open_index, open_shards
from corpuskit.errors import SettingError, ShardError, StorageError
from corpuskit.shards.ngrams import index as ngram_index
from corpuskit.shards.ngrams.files import BLOCK_TOKENS, build_index, index_folder
from corpuskit.shards.ngrams.index import Matches, NgramIndex

Documents = Sequence[Sequence[int]]
MakeShards = Callable[..., Path]
END = 0


def sorted_places(line: Sequence[int], start: int, count: int) -> list[int]:
    """The twin: places of a block, by the tokens that follow up to the end of the document."""

    def suffix(place: int) -> list[int]:
        rest = list(line[place:])
        return rest[: rest.index(END) + 1] if END in rest else rest

    return sorted(range(start, start + count), key=suffix)


def entries_of(built: np.ndarray) -> list[int]:
    wide = built.reshape(-1, 3).astype(np.int64)
    return (wide[:, 0] | wide[:, 1] << 8 | wide[:, 2] << 16).tolist()


def found_by_reading(line: Sequence[int], query: Sequence[int]) -> list[int]:
    if END in query[:-1]:
        return []
    size = len(query)
    return [p for p in range(len(line) - size + 1) if list(line[p : p + size]) == list(query)]


def longest_by_reading(line: Sequence[int], query: Sequence[int]) -> list[int]:
    lengths = []
    for start in range(len(query)):
        size = 0
        while start + size < len(query) and found_by_reading(line, query[start : start + size + 1]):
            size += 1
        lengths.append(size)
    return lengths


def fibonacci(size: int) -> list[int]:
    before, word = [1], [1, 2]
    while len(word) < size:
        before, word = word, word + before
    return word[:size]


WORST = {
    "all equal": [5] * 120,
    "period 2": [1, 2] * 60,
    "fibonacci": fibonacci(130),
    "falling": list(range(120, 0, -1)),
    "rising": list(range(1, 120)),
    "empty documents": [END] * 30,
    "one token": [7],
    "short documents": [1, END, END, 1, 1, END, 2, END, 1, END] * 9,
    "a document many times": [3, 1, 4, 1, 5, 9, 2, 6, END] * 20,
}


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
@pytest.mark.parametrize("name", WORST)
def test_blocks_of_the_worst_lines_are_sorted(name: str, dtype: type) -> None:
    """Also where a block ends within a document, whose rest then decides."""
    tokens = [*WORST[name], END]
    line = np.array(tokens, dtype)
    for block in (1, 2, 7, 50, len(line)):
        for start in range(0, len(line), block):
            count = min(block, len(line) - start)
            entries, sums = _native.build_ngram_block(line, END, start, count)
            places = [start + entry for entry in entries_of(entries)]
            assert sorted(places) == list(range(start, start + count))
            twin = sorted_places(tokens, start, count)
            # Places that are equal to the end of their documents may come in any order.
            suffixes = [sorted_places_key(tokens, place) for place in places]
            assert suffixes == [sorted_places_key(tokens, place) for place in twin]
            assert len(sums) == -(-count // 4096)


def sorted_places_key(line: Sequence[int], place: int) -> list[int]:
    rest = list(line[place:])
    return rest[: rest.index(END) + 1]


def test_ids_of_any_size_are_sorted() -> None:
    """Sparse ids are numbered first: memory is that of the tokens, not of the greatest id."""
    tokens = [2**31 - 1, 5, 2**30, 2**31 - 1, 5, 2**31 - 2, 2**31 - 1, END]
    line = np.array(tokens, np.int32)
    for start, count in ((0, 8), (0, 4), (0, 7)):
        entries, _ = _native.build_ngram_block(line, END, start, count)
        assert entries_of(entries) == sorted_places(tokens, start, count)


def test_what_no_block_can_be_is_refused() -> None:
    line = np.array([1, 2, END], np.uint16)
    for start, count in ((4, 0), (0, 4), (2, 2)):
        with pytest.raises(ValueError, match="outside of the line"):
            _native.build_ngram_block(line, END, start, count)
    with pytest.raises(ValueError, match="2\\^24"):
        _native.build_ngram_block(np.zeros(BLOCK_TOKENS + 1, np.uint16), END, 0, BLOCK_TOKENS + 1)
    with pytest.raises(ValueError, match="2\\^31"):
        _native.build_ngram_block(np.array([-1, END], np.int32), END, 0, 2)


def random_documents(chance: random.Random, letters: int) -> list[list[int]]:
    """Some of which repeat parts of others, up to some of hundreds of tokens."""
    documents: list[list[int]] = []
    for _ in range(chance.randrange(1, 12)):
        own = [chance.randrange(1, letters + 1) for _ in range(chance.randrange(0, 60))]
        if documents and chance.random() < 0.6:
            other = chance.choice(documents)[:-1]
            own += other[: chance.randrange(0, len(other) + 1)]
        documents.append([*own, END])
    return documents


@pytest.mark.parametrize("letters", [1, 2, 3, 40])
@pytest.mark.parametrize("block", [5, 33, BLOCK_TOKENS])
def test_all_that_is_found_is_found_by_reading(
    letters: int, block: int, tmp_path: Path, make_shards: MakeShards
) -> None:
    for seed in range(3):
        chance = random.Random(100 * letters + seed)
        shards = [random_documents(chance, letters) for _ in range(chance.randrange(1, 4))]
        folder = make_shards(tmp_path / str(seed), {"train": shards}, letters + 1)
        opened = open_shards(folder)
        build_index(opened, tmp_path / f"index{seed}", block_tokens=block)
        index = open_index(folder, tmp_path / f"index{seed}", build=False).split("train")
        line = [token for shard in shards for document in shard for token in document]
        ends = np.flatnonzero(np.array(line) == END)
        for _ in range(25):
            at = chance.randrange(len(line))
            query = line[at : at + chance.randrange(1, 8)]
            if chance.random() < 0.3:
                query = [*query[:-1], chance.randrange(0, letters + 2)]
            places = found_by_reading(line, query)
            assert index.count(query) == len(places)
            assert index.places(query, len(line)).tolist() == places
            assert index.places(query, 2).tolist() == places[:2]
            assert index.documents(query) == len({int(np.searchsorted(ends, p)) for p in places})
            for hit, place in zip(index.find(query, 5), places, strict=False):
                assert hit.sequence == int(np.searchsorted(ends, place))
                assert hit.place == place
                assert line[place - hit.offset : place + 1].count(END) <= int(line[place] == END)
        at = chance.randrange(len(line))
        probe = [t for t in line[at : at + 90] if t != END] + [1, 2, 1, letters + 1, 1]
        [matches] = index.matches([probe])
        assert matches.lengths.tolist() == longest_by_reading(line, probe)
        for start, (length, place) in enumerate(zip(*matches, strict=True)):
            assert (place == -1) == (length == 0)
            assert line[place : place + length] == probe[start : start + length] or not length


def test_a_long_match_costs_its_length_once(tmp_path: Path, make_shards: MakeShards) -> None:
    """A copy of 50,000 tokens: looked through for each of its tokens it would take a minute and more."""
    chance = np.random.default_rng(1)
    own = chance.integers(1, 300, 50_000)
    folder = make_shards(tmp_path / "s", {"train": [[[*own.tolist(), END]]]}, 300)
    index = open_index(folder).split("train")
    query = np.concatenate([own[10:], own[:5_000], [1], own[20_000:40_000]])
    [found] = index.matches([query])
    assert found.lengths[:3].tolist() == [49_990, 49_989, 49_988]
    assert found.lengths[49_990:49_993].tolist() == [5_000, 4_999, 4_998]
    assert found.lengths[54_991] == 20_000


def test_a_document_a_thousand_times_is_indexed_in_linear_time(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    """One million tokens; comparing suffixes one by one would read each of them thousands of times."""
    own = np.random.default_rng(2).integers(1, 300, 999).tolist()
    folder = make_shards(tmp_path / "s", {"train": [[[*own, END]] * 1000]}, 300)
    index = open_index(folder)
    assert index.count(own) == 1000
    assert index.count([*own[500:], END]) == 1000
    assert [hit.sequence for hit in index.find(own[3:30], 4)] == [0, 1, 2, 3]
    assert index.split("train").documents(own[7:9]) == 1000


def test_the_files_do_not_depend_on_workers_or_on_the_call(run: Path, tmp_path: Path) -> None:
    shards = open_shards(run)
    for name, workers in (("a", 1), ("b", 3)):
        names = build_index(shards, tmp_path / name, workers=workers, block_tokens=100)
        assert names == ["train-00000", "train-00001", "validation-00000"]
    files = [{p.name: p.read_bytes() for p in (tmp_path / name).glob("*.ngrams")} for name in "ab"]
    assert files[0] == files[1]
    assert build_index(shards, tmp_path / "a") == []
    told: list[tuple[int, int]] = []
    build_index(shards, tmp_path / "a", again=True, told=lambda done, total: told.append((done, total)))
    total = sum(info.tokens for infos in shards.splits.values() for info in infos)
    assert told[-1] == (total, total)


def test_splits_are_searched_together_or_alone(run: Path, tmp_path: Path) -> None:
    index = open_index(run, tmp_path / "index")
    train, validation = (index.count([END], name) for name in ("train", "validation"))
    assert (train, validation, index.count([END])) == (60, 10, 70)
    hits = index.find([END], 65)
    assert [hit.split for hit in hits] == ["train"] * 60 + ["validation"] * 5
    assert [hit.sequence for hit in hits] == [*range(60), *range(5)]
    assert hits[25].origin.shard == "train-00001"
    assert index.bytes == sum(p.stat().st_size for p in (tmp_path / "index").glob("*.ngrams"))
    with pytest.raises(SettingError, match="has no split 'tain'"):
        index.count([1], "tain")


def test_of_a_run_it_lies_beside_its_outputs(run: Path, tmp_path: Path, make_shards: MakeShards) -> None:
    folder = make_shards(tmp_path / "r" / "shards", {"train": [[[1, 2, END]]]}, 5)
    assert index_folder(open_shards(folder)) == folder / "index"
    (tmp_path / "r" / "run.json").write_text(json.dumps({"format": 1}))
    for named in (folder, tmp_path / "r"):
        assert index_folder(open_shards(named)) == tmp_path / "r" / "index"


@pytest.mark.parametrize("query", [[], [1.5], "ab", [[1, 2]]])
def test_what_is_no_query_is_refused(query: object, run: Path, tmp_path: Path) -> None:
    index = open_index(run, tmp_path / "index")
    with pytest.raises(SettingError, match="query"):
        index.count(query)  # type: ignore[arg-type]


@pytest.mark.parametrize("query", [[-1], [2**40], [70_000], [1, -5], [END, 1]])
def test_ids_that_no_token_has_stand_nowhere(query: list[int], run: Path, tmp_path: Path) -> None:
    index = open_index(run, tmp_path / "index")
    assert index.count(query) == 0
    assert index.find(query) == []
    assert index.longest([*query, 1]).lengths[-1] == 1


# ------------------------------------------------------------------------------------- stale and damaged
@pytest.fixture
def indexed(tmp_path: Path, make_shards: MakeShards) -> NgramIndex:
    folder = make_shards(tmp_path / "s", {"train": [[[1, 2, 3, END], [2, 3, END]]]}, 5)
    return open_index(folder)


def test_a_changed_shard_makes_its_index_stale(indexed: NgramIndex, make_shards: MakeShards) -> None:
    folder = indexed.shards.folder
    make_shards(folder, {"train": [[[1, 2, 2, END], [2, 3, END]]]}, 5)
    with pytest.raises(ShardError, match=r"lacks the index of 1 shards as they are now.*\n.*--build"):
        open_index(folder, build=False)
    told: list[int] = []
    assert open_index(folder, told=lambda done, total: told.append(done)).count([2, 3]) == 1
    assert told == [7]


def test_the_index_of_a_shard_that_is_gone_goes(indexed: NgramIndex, make_shards: MakeShards) -> None:
    (indexed.folder / "other.ngrams").write_text("somebody else's")
    before = (indexed.folder / "train-00000.ngrams").read_bytes()
    (indexed.folder / "train-00007.ngrams").write_bytes(before)
    build_index(indexed.shards, indexed.folder)
    names = {p.name for p in indexed.folder.iterdir()}
    assert names == {"lock", "train-00000.ngrams", "other.ngrams"}


@pytest.mark.parametrize("at", [3, 9, 40, 100, -1])
def test_a_damaged_header_or_a_cut_file_is_built_anew(indexed: NgramIndex, at: int) -> None:
    path = indexed.folder / "train-00000.ngrams"
    whole = path.read_bytes()
    data = bytearray(whole)
    if at < 0:
        del data[-1]
    else:
        data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(ShardError, match="lacks the index"):
        open_index(indexed.shards.folder, build=False)
    assert open_index(indexed.shards.folder).count([2, 3]) == 2
    assert path.read_bytes() == whole


@pytest.mark.parametrize("at", [128, 140, -3])
def test_a_damaged_page_is_named_when_it_is_read(indexed: NgramIndex, at: int) -> None:
    path = indexed.folder / "train-00000.ngrams"
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)
    index = open_index(indexed.shards.folder, build=False)
    for search in (lambda: index.count([2, 3]), lambda: index.find([2]), lambda: index.longest([2, 3])):
        with pytest.raises(ShardError, match=r"train-00000.ngrams: is damaged.*\n.*Delete this file"):
            search()
    path.unlink()
    assert open_index(indexed.shards.folder).count([2, 3]) == 2


def test_a_damaged_shard_is_not_indexed(indexed: NgramIndex) -> None:
    path = indexed.shards.folder / "train-00000.bin"
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    with pytest.raises(ShardError, match=r"train-00000\.bin is damaged"):
        build_index(indexed.shards, indexed.folder, again=True)
    assert not (indexed.folder / ".tmp").exists() or not list((indexed.folder / ".tmp").iterdir())


def test_documents_without_their_end_are_refused(tmp_path: Path, make_shards: MakeShards) -> None:
    folder = make_shards(tmp_path / "s", {"train": [[[1, END], [1, 2]]]}, 5)
    with pytest.raises(ShardError, match="sequence 1 does not end with the end-of-text 0"):
        open_index(folder)


def test_a_folder_of_others_is_not_written(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(ShardError, match="is not empty and is no index"):
        open_index(run, tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_run_that_cannot_be_written_asks_for_another_place(tmp_path: Path, make_shards: MakeShards) -> None:
    folder = make_shards(tmp_path / "s", {"train": [[[1, END]]]}, 5)
    folder.chmod(0o500)
    with pytest.raises(StorageError, match="--index FOLDER"):
        open_index(folder)


def test_a_file_in_the_way_asks_for_another_place(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="--index FOLDER"):
        open_index(run, tmp_path / "file" / "index")


def test_a_forged_entry_leads_nowhere(indexed: NgramIndex) -> None:
    """Its page has the sum of what it holds: that it leaves the block is seen all the same."""
    line = np.array([1, 2, 3, END], np.uint16)
    entries, _ = _native.build_ngram_block(line, END, 0, 4)
    forged = entries.copy()
    forged[:] = 255
    # The sum of a page is XXH64; a reader that is given it takes the page for whole.
    xxhash = pytest.importorskip("xxhash")
    sums = np.array([xxhash.xxh64(forged.tobytes(), seed=0).intdigest()], np.uint64)
    block = _native.NgramBlock(line, END, 0, 4, forged, sums)
    with pytest.raises(_native.NgramDamageError, match="out of its block"):
        block.find(np.array([2]))


def test_the_header_says_what_made_the_file(indexed: NgramIndex) -> None:
    data = (indexed.folder / "train-00000.ngrams").read_bytes()
    info = indexed.shards.splits["train"][0]
    magic, version, entry, end, tokens, block, sha256 = struct.unpack_from("<8sIIIQQ32s", data)
    assert (magic, version, entry, end) == (b"CKNGRAMS", 1, 3, END)
    assert (tokens, block, sha256.hex()) == (7, BLOCK_TOKENS, info.bin_sha256)
    assert len(data) == 128 + 24 + 8


def test_many_shards_are_not_open_at_a_time(
    tmp_path: Path, make_shards: MakeShards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ngram_index, "_OPEN", 2)
    folder = make_shards(tmp_path / "s", {"train": [[[1, 2, END]]] * 5}, 5)
    index = open_index(folder).split("train")
    assert index.places([1, 2], 10).tolist() == [0, 3, 6, 9, 12]
    assert len(index._open) == 2


def test_an_empty_split_holds_nothing(tmp_path: Path, make_shards: MakeShards) -> None:
    folder = make_shards(tmp_path / "s", {"train": [[[1, END]]], "validation": [], "test": [[]]}, 5)
    index = open_index(folder)
    assert [index.count([1], name) for name in ("train", "validation", "test")] == [1, 0, 0]
    assert index.longest([1, 2], "test").lengths.tolist() == [0, 0]
    assert index.longest([]).lengths.tolist() == []


def test_covered_tokens_count_once() -> None:
    lengths = np.array([2, 5, 4, 3, 2, 1, 0, 3, 2, 1])
    matches = Matches(lengths, np.zeros(10, np.int64))
    assert (matches.covered(3), matches.covered(4), matches.covered(6)) == (8, 5, 0)
    assert matches.longest == 1
    assert Matches(lengths[:0], lengths[:0]).longest == 0
