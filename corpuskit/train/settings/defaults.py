"""What a setting should be when nobody says so: batch, learning rate and regularisation as pure functions."""

from __future__ import annotations

import math

BATCH_EXPONENT = 0.383
"""The best batch grows with this power of the tokens seen, whatever the model's size: arXiv:2505.13738."""

_REFERENCE_BATCH, _REFERENCE_TOKENS = 2**19, 1.2e9
_LEAST_STEPS = 2_000


def batch_tokens(seen: float) -> int:
    """Tokens of a batch for a run that sees so many tokens on an accelerator; a power of two.

    2^19 (seen / 1.2e9)^0.383: the exponent of arXiv:2505.13738 through the point where nanochat measured its
    12-layer model, as that trainer does. A short run is given at least 2,000 steps instead: no fit reaches
    down there. On a CPU the presets' small batches stay: below the best size a batch loses nothing for each
    token, and a CPU is busy with a thousand tokens already.

    >>> batch_tokens(1.2e9), batch_tokens(1e10), batch_tokens(1e6)
    (524288, 1048576, 512)
    """
    best = _REFERENCE_BATCH * (seen / _REFERENCE_TOKENS) ** BATCH_EXPONENT
    return int(2 ** round(math.log2(max(1.0, min(best, seen / _LEAST_STEPS)))))


def batch_tokens_for_steps(steps: int) -> int:
    """The same for a run of so many steps, which sees steps times the batch."""
    # B = c (steps B)^e has the solution B = (c steps^e)^(1 / (1 - e)).
    scale = _REFERENCE_BATCH * (steps / _REFERENCE_TOKENS) ** BATCH_EXPONENT
    batch = scale ** (1 / (1 - BATCH_EXPONENT))
    return batch_tokens(steps * batch)


def learning_rate(tuned: float, batch_ratio: float, width_ratio: float) -> float:
    """A rate for another batch and width than those at which `tuned` was found.

    It moves with the square root of the batch (the variance of Adam's steps then stays, arXiv:2205.10287) and
    falls with the width (arXiv:2203.03466). It is never raised above `tuned`: the presets' rates are near the
    highest that train well (four times the batch learnt worse at twice the rate).

    Args:
        tuned: the rate of the reference.
        batch_ratio: tokens of the batch over those of the reference.
        width_ratio: width of the model over that of the reference.
    """
    return tuned * min(math.sqrt(batch_ratio) / width_ratio, 1.0)


def dropout(epochs: float) -> float:
    """Dropout for a corpus that is read so often: none below 2 epochs, 0.1 below 10, then 0.2.

    In one pass there is nothing to learn by heart, and dropout only slows (nanochat); over many it helps
    (the slowrun, 100M tokens read for hours).
    """
    return 0.0 if epochs < 2 else 0.1 if epochs < 10 else 0.2


def weight_decay(epochs: float) -> float:
    """Weight decay for a corpus that is read so often: 0.1 times the root of the epochs, at most 0.5."""
    return round(0.1 * min(math.sqrt(max(epochs, 1.0)), 5.0), 4)
