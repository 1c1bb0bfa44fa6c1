"""Pairs of a source and a target as a batch: what the model reads, and what it is to write.

    encoder-decoder   source  s1 s2 s3        read by the encoder
                      ids     B t1 t2         read by the decoder
                      targets t1 t2 E         asked for, position by position
    decoder           ids     B s1 s2 s3 B t1 t2
                      targets t1 t2 E         asked for at the last three positions

B begins and E ends a text: of a model both are the token that ends a text. What fills rows up is asked for
nowhere (IGNORED) and seen by no position that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from corpuskit.train.model.loss import IGNORED
from corpuskit.train.tune.reading import shares

Ids = Sequence[int] | npt.NDArray[np.integer]

_MULTIPLE = 8  # As rows of other tasks: fewer shapes.


class Pair(NamedTuple):
    """A pair as ids.

    Attributes:
        source, target: without begin and end.
        ended: whether the end is taught: not of a target that was cut.
    """

    source: Ids
    target: Ids
    ended: bool = True


def shifted(target: Ids, begin: int, end: int, ended: bool = True) -> tuple[list[int], list[int]]:
    """What a decoder reads of a target, and what it is asked for there.

    >>> shifted([11, 12], begin=900, end=901)
    ([900, 11, 12], [11, 12, 901])
    >>> shifted([11, 12], begin=900, end=901, ended=False)
    ([900, 11, 12], [11, 12, -100])
    """
    ids = [int(each) for each in target]
    return [begin, *ids], [*ids, end if ended else IGNORED]


def prompt_ids(source: Ids, begin: int) -> list[int]:
    """What of a source a decoder reads before it writes the target's first token.

    >>> prompt_ids([5, 6], begin=9)
    [9, 5, 6, 9]
    """
    return [begin, *(int(each) for each in source), begin]


def positions_of(source: int, target: int, *, both: bool) -> int:
    """Positions that a pair of so many tokens takes: of an encoder-decoder (`both`) on its longer side.

    >>> positions_of(5, 3, both=True), positions_of(5, 3, both=False)
    (5, 10)
    """
    return max(source, target + 1) if both else source + target + 2


def room_for(source: int, target: int, context: int, *, both: bool) -> tuple[int, int]:
    """How many tokens of a source and of a target fit a context; of a decoder the longer side gives first.

    >>> room_for(50, 20, 32, both=True), room_for(50, 20, 32, both=False), room_for(50, 5, 32, both=False)
    ((32, 20), (15, 15), (25, 5))
    """
    if both:
        return min(source, context), min(target, context - 1)
    first, second = shares([source, target], context - 2)
    return first, second


def pair_batch(
    pairs: Sequence[Pair | None],
    begin: int,
    end: int | None = None,
    *,
    both: bool,
    fill: int = 0,
    multiple: int = _MULTIPLE,
) -> dict[str, Tensor]:
    """Pairs as tensors whose first dimension counts them, B.

    Args:
        pairs: None for a row that holds nothing and is asked for nothing.
        begin: id that stands before each text.
        end: id that ends a target; that of the beginning without it.
        both: of an encoder-decoder; else of a decoder.
        fill: id of what fills rows up.
        multiple: rows are as long as a multiple of this.

    Returns "ids" (B, T) and "lengths" (B,), how many of them are real; "targets" (B, M), M = T of an
    encoder-decoder, and "asked" (B,), how many of those are real; of an encoder-decoder "source" (B, S) and
    "source_lengths" (B,), of a decoder "positions" (B, M), where each target is asked for.
    """
    end = begin if end is None else end
    ids, targets, sources, positions = [], [], [], []
    for pair in pairs:
        source, (inputs, labels) = (
            ([fill], ([fill], [IGNORED]))
            if pair is None
            else ([int(each) for each in pair.source], shifted(pair.target, begin, end, pair.ended))
        )
        sources.append(source)
        targets.append(labels)
        if both:
            ids.append(inputs)
        else:
            before = [] if pair is None else [begin, *source]
            ids.append([*before, *inputs])
            positions.append([len(before) + at for at in range(len(inputs))])
    found = {
        "ids": filled(ids, fill, multiple),
        "lengths": torch.tensor([len(row) for row in ids]),
        "targets": filled(targets, IGNORED, multiple),
        "asked": torch.tensor([len(row) for row in targets]),
    }
    if both:
        lengths = torch.tensor([len(row) for row in sources])
        return found | {"source": filled(sources, fill, multiple), "source_lengths": lengths}
    return found | {"positions": filled(positions, 0, multiple)}


def filled(rows: Sequence[Sequence[int]], fill: int, multiple: int = _MULTIPLE) -> Tensor:
    """Rows of different lengths as one tensor (rows, T) of int64, filled up on the right."""
    longest = max(1, *(len(row) for row in rows))
    longest = -(-longest // multiple) * multiple
    out = np.full((len(rows), longest), fill, np.int64)
    for number, row in enumerate(rows):
        out[number, : len(row)] = row
    return torch.from_numpy(out)


_WIDTHS = {"ids": "lengths", "targets": "asked", "positions": "asked", "source": "source_lengths"}


def trim(part: dict[str, Tensor], multiple: int = _MULTIPLE) -> dict[str, Tensor]:
    """Rows of a batch, each tensor cut to the longest of them."""
    found = dict(part)
    for name, lengths in _WIDTHS.items():
        if name in part:
            longest = -(-max(1, int(part[lengths].max())) // multiple) * multiple
            found[name] = part[name][:, :longest]
    return found
