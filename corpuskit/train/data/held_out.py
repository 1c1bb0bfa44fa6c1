"""Validation by source: how well a model reads each of the sources that its corpus was made of.

The provenance tables beside the shards say which source each token came from. The rows to measure on are cut
up by it: each source has the rows in which it has targets, and there all other targets are IGNORED. So every
target is measured once, and the loss of the whole is the mean of the sources' weighted by their targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from corpuskit.shards.batches import evaluation_key, spread_rows, spread_starts
from corpuskit.shards.provenance import Numbers, source_ranges
from corpuskit.shards.reader import Shards
from corpuskit.train.data.batches import as_tensors
from corpuskit.train.data.objectives import (
    LEAST_CONTEXT,
    Causal,
    Continuation,
    Denoise,
    Masked,
    Objective,
    Spans,
)
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.tasks.task import Tensors, Validation


def validation_of(shards: Shards, objective: Objective, max_tokens: int) -> Validation:
    """Fixed rows of the validation split, all or so many tokens, masked alike in all runs; maybe none.

    Raises ShardError for a provenance table that cannot be read or does not cover its shard.
    """
    split = shards.split("validation") if "validation" in shards.splits else None
    if split is None or split.tokens < (LEAST_CONTEXT if isinstance(objective, Spans) else 2):
        return Validation({}, {})
    # What training leaves out is measured too, so that runs with and without goldfish compare.
    asked = replace(objective, goldfish=0) if isinstance(objective, Causal | Continuation) else objective
    rows = spread_rows(split, objective.row_tokens, objective.stride, max_tokens, shards.vocab_size)
    batch = as_tensors(asked.arrays(rows, [evaluation_key(row) for row in range(len(rows))]))
    rows_in_all = (split.tokens - min(objective.row_tokens, split.tokens)) // objective.stride + 1
    return Validation(batch, _by_source(shards, objective, max_tokens, batch), len(rows) / rows_in_all)


def _by_source(shards: Shards, objective: Objective, max_tokens: int, batch: Tensors) -> dict[str, Tensors]:
    """The batch divided by source; nothing where there is only one, or no provenance beside the shards.

    Rows of span corruption, whose targets are shuffled, belong as a whole to the source of most of their
    tokens.
    """
    split = shards.split("validation")
    table = source_ranges(shards, split.name)
    if table is None or len(table[0]) < 2:
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
    if isinstance(objective, Denoise):
        return by_token
    if isinstance(objective, Continuation):
        return by_token[:, by_token.shape[1] // 2 :]
    if isinstance(objective, Masked):
        return np.take_along_axis(by_token, arrays["positions"], axis=1)
    most = np.array([[np.bincount(row).argmax()] for row in by_token])
    return np.broadcast_to(most, arrays["targets"].shape)
