"""Validation by source: how well a model reads each of the sources that its corpus was made of.

The provenance tables beside the shards say which source each token came from. The rows to measure on are cut
up by it: each source has the rows in which it has targets, and there all other targets are IGNORED. So every
target is measured once, and the loss of the whole is the mean of the sources' weighted by their targets.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from corpuskit.errors import ShardError
from corpuskit.shards import Shards
from corpuskit.train.data import spread_starts
from corpuskit.train.model import IGNORED
from corpuskit.train.objectives import Causal, Masked, Objective
from corpuskit.train.tasks import Tensors, as_tensors, validation

Numbers = npt.NDArray[np.int64]


def validation_by_source(
    shards: Shards, name: str, objective: Objective, max_tokens: int
) -> dict[str, Tensors]:
    """The batch of `corpuskit.train.tasks.validation` for the split `name`, divided by source.

    Rows of span corruption, whose targets are shuffled, belong as a whole to the source of most of their
    tokens. Nothing where there is only one source, or no provenance beside the shards.

    Raises ShardError for a provenance table that cannot be read or does not cover its shard.
    """
    split = shards.split(name)
    batch = validation(split, objective, max_tokens, shards.vocab_size)
    table = _sources(shards, name)
    if not batch or table is None or len(table[0]) < 2:
        return {}
    names, ends, owners = table
    length = min(objective.row_tokens, split.tokens)
    starts = spread_starts(split.tokens, length, objective.stride, max_tokens)
    positions = np.array(starts)[:, None] + np.arange(length)
    by_token = owners[np.searchsorted(ends, positions, side="right")]  # (rows, R)
    arrays = {key: tensor.numpy() for key, tensor in batch.items()}
    of_targets = _owners_of_targets(objective, by_token, arrays)
    parts = {}
    for number, source in enumerate(names):
        targets = np.where(of_targets == number, arrays["targets"], IGNORED)
        rows = (targets != IGNORED).any(axis=1)
        if rows.any():
            chosen = {key: array[rows] for key, array in {**arrays, "targets": targets}.items()}
            parts[source] = as_tensors(chosen)
    return parts if len(parts) > 1 else {}


def _owners_of_targets(objective: Objective, by_token: Numbers, arrays: Mapping[str, Numbers]) -> Numbers:
    """The source of each target, of the same shape as the targets, from that of each token of the rows."""
    if isinstance(objective, Causal):
        return by_token[:, 1:]
    if isinstance(objective, Masked):
        return np.take_along_axis(by_token, arrays["positions"], axis=1)
    most = np.array([[np.bincount(row).argmax()] for row in by_token])
    return np.broadcast_to(most, arrays["targets"].shape)


def _sources(shards: Shards, name: str) -> tuple[list[str], Numbers, Numbers] | None:
    """Names of the sources, and runs of tokens of the split: where each ends, and its source's number.

    None without provenance tables.
    """
    ends, codes, base = [], [], 0
    for info in shards.splits[name]:
        path = shards.folder / f"{info.name}.provenance.parquet"
        if not path.exists():
            return None
        try:
            table = pq.read_table(path, columns=["token_end", "source"])
        except (OSError, pa.ArrowException) as error:
            raise ShardError(f"cannot read the provenance {path}: {error}") from error
        found = table.column("token_end").to_numpy()
        if len(found) == 0 or int(found[-1]) != info.tokens or (np.diff(found) <= 0).any():
            raise ShardError(
                f"{path} does not cover the {info.tokens} tokens of its shard one range behind the other",
                remedy="Build the shards again, or bring the file back from where it was copied.",
            )
        ends.append(found + base)
        codes.extend(table.column("source").to_pylist())
        base += info.tokens
    names = sorted(set(codes))
    numbers = {source: number for number, source in enumerate(names)}
    if not ends:
        return None
    return names, np.concatenate(ends), np.array([numbers[source] for source in codes])
