"""What a model of a given shape holds and costs, by formula: parameters, and floating-point operations.

Symbols as in `corpuskit.train.model`. Source of the operations: arXiv:2001.08361.
"""

from __future__ import annotations

from corpuskit.train.model import ModelSettings


def parameter_count(s: ModelSettings) -> int:
    """Learned numbers in the whole model."""
    stacks, crossed = (2, s.layers) if s.kind == "encoder-decoder" else (1, 0)
    gains = (stacks * s.layers + crossed) * (s.width + (2 * s.head_width if s.qk_norm else 0))
    gains += stacks * (s.layers + 1) * s.width
    if s.kind == "encoder":  # one norm behind the embedding in place of the first block's, one in the head
        gains += s.width
    embeddings = s.padded_vocab_size * s.width * (1 if s.tie_embeddings else 2)
    matrices = s.layers * (stacks * _block(s) + (_attention(s) if crossed else 0))
    return embeddings + gains + matrices + _head(s)


def training_flops(s: ModelSettings, positions: int, source: int = 0, predicted: int | None = None) -> int:
    """Operations of one training step, forward and backward, on one row.

    6 for each weight of a matrix and each position that it multiplies (the embedding look-up is none, the
    head is one), and 12 C for each pair of positions of which one looks at the other.

    Args:
        positions: T.
        source: S, of an encoder-decoder.
        predicted: positions of which the logits are computed; all if None.
    """
    predicted = positions if predicted is None else predicted
    pairs = positions * positions // (1 if s.kind == "encoder" else 2)
    total = 6 * predicted * (s.padded_vocab_size * s.width + _head(s))
    total += s.layers * (6 * positions * _block(s) + 12 * s.width * pairs)
    if s.kind == "encoder-decoder":
        # Of the cross-attention only keys and values read the source.
        crossed = 6 * (positions * (_attention(s) - _keys_and_values(s)) + source * _keys_and_values(s))
        looks = 12 * s.width * source * (source + positions)
        total += s.layers * (6 * source * _block(s) + crossed + looks)
    return total


def _keys_and_values(s: ModelSettings) -> int:
    return 2 * s.width * s.kv_heads * s.head_width


def _attention(s: ModelSettings) -> int:
    return 2 * s.width * s.width + _keys_and_values(s)


def _block(s: ModelSettings) -> int:
    return _attention(s) + (3 if s.is_gated else 2) * s.width * s.hidden


def _head(s: ModelSettings) -> int:
    return (s.width * s.width if s.kind == "encoder" else 0) + s.classes * s.width
