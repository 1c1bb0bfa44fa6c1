"""Membership: can it be told by its loss whether a text was trained on? And how sure shares are."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]

_Z = 1.959964  # of a normal distribution, 95 % within
_RESAMPLES = 500
_SAME = 6
"""Decimals of a loss that count: what rounding moves must not order equal texts."""


def membership_auc(members: Sequence[float] | Floats, others: Sequence[float] | Floats) -> float:
    """How likely a text that was trained on has a lower loss than one that was not, ties half.

    0.5 is chance, 1 tells each one. Losses are means over tokens: sums would make long texts look unknown.

    >>> membership_auc([1.0, 2.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    0.7916666666666666

    Raises ValueError where there are no members or no others.
    """
    own, theirs = np.round(np.asarray(members, float), _SAME), np.round(np.asarray(others, float), _SAME)
    if not len(own) or not len(theirs):
        raise ValueError(f"an AUC needs both kinds: {len(own)} members, {len(theirs)} others")
    theirs = np.sort(theirs)
    above = len(theirs) - np.searchsorted(theirs, own, side="right")
    ties = np.searchsorted(theirs, own, side="right") - np.searchsorted(theirs, own, side="left")
    return float((above + ties / 2).sum() / (len(own) * len(theirs)))


def auc_interval(
    members: Floats, others: Floats, member_texts: npt.NDArray[np.int64], other_texts: npt.NDArray[np.int64]
) -> Interval:
    """95 % of the AUCs of samples that are drawn anew, document by document, from those that there are.

    Args:
        member_texts, other_texts: which document each loss is of; pieces of one are drawn together.
    """
    random = np.random.default_rng(0)
    found = []
    for _ in range(_RESAMPLES):
        drawn = [_redrawn(random, texts) for texts in (member_texts, other_texts)]
        found.append(membership_auc(members[drawn[0]], others[drawn[1]]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _redrawn(random: np.random.Generator, texts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    order = np.argsort(texts, kind="stable")
    _, starts, counts = np.unique(texts[order], return_index=True, return_counts=True)
    chosen = random.integers(0, len(starts), len(starts))
    return np.concatenate([order[starts[n] : starts[n] + counts[n]] for n in chosen.tolist()])


def share_interval(hits: npt.NDArray[np.bool_], texts: npt.NDArray[np.int64]) -> Interval:
    """Wilson's 95 % interval of a share of windows, as if there were as many as their documents are worth.

    Windows of one document (and of its copies) say much the same: of a share that differs between documents
    so much that this cannot be chance, fewer count; of one that is 0 or 1, one for each document.

    Args:
        hits: of each window.
        texts: which document each window is of.
    """
    count = len(hits)
    if not count:
        return 0.0, 1.0
    share = float(hits.mean())
    _, owner = np.unique(texts, return_inverse=True)
    clusters = int(owner.max()) + 1
    worth = float(clusters)
    if 0 < share < 1 and clusters > 1:
        off = np.bincount(owner, hits - share)
        variance = float((off**2).sum()) / count**2 * clusters / (clusters - 1)
        worth = min(float(count), max(1.0, share * (1 - share) / variance)) if variance else float(count)
    middle = (share + _Z**2 / (2 * worth)) / (1 + _Z**2 / worth)
    half = _Z / (1 + _Z**2 / worth) * np.sqrt(share * (1 - share) / worth + _Z**2 / (4 * worth**2))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def loss_by_zlib(losses: Floats, texts: Sequence[str]) -> Floats:
    """Loss of a text, in nats, by its bytes when it is packed: common words are cheap for both.

    Carlini et al., arXiv:2012.07805.
    """
    return np.array(
        [loss / len(zlib.compress(text.encode())) for loss, text in zip(losses, texts, strict=True)]
    )
