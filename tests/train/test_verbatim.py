"""Longest verbatim matches and counts of a suffix array, against plain search."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from corpuskit.shards.reader import Shards
from corpuskit.shards.writer import ShardWriter
from corpuskit.train.memorize import verbatim
from corpuskit.train.memorize.verbatim import Matches, SuffixIndex

Ids = npt.NDArray[np.int64]


class Line:
    """Tokens as a split reads them."""

    def __init__(self, tokens: Ids) -> None:
        self.line, self.tokens = tokens, len(tokens)

    def read(self, start: int, count: int) -> Ids:
        return self.line[start : start + count]


def longest_by_search(line: Ids, query: Ids) -> list[int]:
    text = bytes(line.tolist())
    found = []
    for start in range(len(query)):
        length = 0
        while start + length < len(query) and bytes(query[start : start + length + 1].tolist()) in text:
            length += 1
        found.append(length)
    return found


def index_of(line: Ids, **sizes: int) -> SuffixIndex:
    return SuffixIndex(Line(line), 6, **sizes)  # type: ignore[arg-type]


@pytest.mark.parametrize("letters", [1, 2, 5])
@pytest.mark.parametrize(("block_tokens", "depth"), [(64, 8), (1000, 8), (37, 4), (1000, 64)])
def test_matches_are_those_of_plain_search(letters: int, block_tokens: int, depth: int) -> None:
    random = np.random.default_rng(letters)
    line = random.integers(0, letters, 300)
    line[150:230] = line[20:100]
    queries = [line[10:120], random.integers(0, 6, 40), np.append(line[160:229], [5, 5, 0]), line[:0]]
    for query, found in zip(
        queries, index_of(line, block_tokens=block_tokens, depth=depth).matches(queries), strict=True
    ):
        assert found.lengths.tolist() == longest_by_search(line, query)
        for start, (length, place) in enumerate(zip(found.lengths, found.places, strict=True)):
            assert (place == -1) == (length == 0)
            assert (
                line[place : place + length].tolist() == query[start : start + length].tolist() or not length
            )


@pytest.mark.parametrize(("block_tokens", "depth"), [(64, 8), (1000, 64)])
def test_counts_are_those_of_plain_search(block_tokens: int, depth: int) -> None:
    line = np.random.default_rng(3).integers(0, 2, 300)
    line[100:200] = np.tile(line[:20], 5)
    queries = [line[:20], line[100:140], line[5:8], np.array([5, 5]), line[250:300]]
    wanted = [
        sum(line[start : start + len(q)].tolist() == q.tolist() for start in range(len(line) - len(q) + 1))
        for q in queries
    ]
    assert index_of(line, block_tokens=block_tokens, depth=depth).counts(queries) == wanted


def test_a_block_that_was_let_go_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbatim, "KEPT_BLOCKS", 2)
    line = np.arange(300) % 6
    index = index_of(line, block_tokens=32, depth=8)
    first = index.counts([line[:10]])
    assert first == index.counts([line[:10]])
    assert len(index._blocks) == 2


def test_a_run_of_many_places_stays_quick() -> None:
    """One token over and over is the worst of inputs."""
    line = np.ones(20_000, np.int64)
    [found] = index_of(line).matches([np.ones(300, np.int64)])
    assert found.lengths.tolist() == list(range(300, 0, -1))


def test_an_empty_split_holds_nothing() -> None:
    index = index_of(np.zeros(0, np.int64))
    assert index.counts([np.array([1])]) == [0]
    assert index.matches([np.array([1, 2])])[0].lengths.tolist() == [0, 0]


def test_covered_tokens_count_once() -> None:
    lengths = np.array([2, 5, 4, 3, 2, 1, 0, 3, 2, 1])
    matches = Matches(lengths, np.zeros(10, np.int64))
    assert (matches.covered(3), matches.covered(4), matches.covered(6)) == (8, 5, 0)
    assert matches.longest == 1


def test_matches_go_over_the_border_of_a_shard(tmp_path: Path, write_shards: Callable[..., Shards]) -> None:
    """What stands in one document stays whole in one shard: a match ends with its document."""
    shards = write_shards(tmp_path, [[[1, 2, 3, 4], [2, 3]], [[4, 3, 4, 5]]])
    index = SuffixIndex(shards.split("train"), 6)
    assert index.counts([np.array([3, 4]), np.array([2, 3]), np.array([3, 4, 3])]) == [2, 2, 0]


@pytest.fixture
def write_shards() -> Callable[..., Shards]:
    from corpuskit.shards.format import manifest

    def write(folder: Path, documents: list[list[list[int]]]) -> Shards:
        import json

        entries = []
        for number, shard in enumerate(documents):
            with ShardWriter(folder, f"train-{number:05d}", "uint16") as writer:
                for document in shard:
                    writer.append(np.array([*document, 0]))
                entries.append({**vars(writer.close()), "provenance_sha256": "0" * 64})
        (folder / "shards.json").write_text(json.dumps(manifest(6, 0, "0" * 64, {"train": entries})))
        return Shards(folder)

    return write
