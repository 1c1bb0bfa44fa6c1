"""What a model of a given shape holds and costs, by formula: parameters, operations, and memory.

Symbols as in `corpuskit.train.model.transformer`. Source of the operations: arXiv:2001.08361. The memory of a
step is what the forward pass of that file keeps for its backward pass, counted tensor by tensor; tests
compare it with what autograd keeps, and `python -m benchmarks.plan` with what the process takes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import torch

from corpuskit.train.model.loss import chunk_rows
from corpuskit.train.model.transformer import SMALL, ModelSettings
from corpuskit.train.tasks.task import Task

_FLOAT = 4
# On a CPU, glibc's allocator holds so much more than the tensors that come and go: between 0.4 and 1 of them
# over many shapes. With MALLOC_MMAP_THRESHOLD_=65536, which is slow, there is none: the counts hold to 2 %.
_CPU_SLACK = 0.6
# For each number of a batch of matrices in Muon's step, as measured.
_MUON_BYTES = 28


def parameter_count(s: ModelSettings) -> int:
    """Learned numbers in the whole model."""
    stacks, crossed = (2, s.layers) if s.kind == "encoder-decoder" else (1, 0)
    gains = (stacks * s.layers + crossed) * (s.width + (2 * s.head_width if s.qk_norm else 0))
    gains += stacks * (s.layers + 1) * s.width
    if s.kind == "encoder":  # one norm behind the embedding in place of the first block's, one in the head
        gains += s.width
    embeddings = s.padded_vocab_size * s.width * (1 if s.tie_embeddings else 2)
    if s.positions == "learned":
        embeddings += stacks * s.context * s.width
    return embeddings + gains + _matrices(s) + _head(s)


def training_flops(s: ModelSettings, positions: int, source: int = 0, predicted: int | None = None) -> int:
    """Operations of one training step, forward and backward, on one row.

    6 for each weight of a matrix and each position that it multiplies (looking up embeddings and learned
    positions is none, the head is one), and 12 H D for each pair of positions of which one looks at the
    other.

    Args:
        positions: T.
        source: S, of an encoder-decoder.
        predicted: positions of which the logits are computed; all if None.
    """
    predicted = positions if predicted is None else predicted
    pairs = positions * positions // (1 if s.kind == "encoder" else 2)
    total = 6 * predicted * (s.vocab_size * s.width + _head(s))
    total += s.layers * (6 * positions * _block(s) + 12 * s.attention_width * pairs)
    if s.kind == "encoder-decoder":
        # Of the cross-attention only keys and values read the source.
        crossed = 6 * (positions * (_attention(s) - _keys_and_values(s)) + source * _keys_and_values(s))
        looks = 12 * s.attention_width * source * (source + positions)
        total += s.layers * (6 * source * _block(s) + crossed + looks)
    return total


def flops_per_token(s: ModelSettings, task: Task) -> int:
    """Operations of a training step for each token of the corpus that it reads, all weights learning."""
    row = task.extent()
    flops = training_flops(s, row.positions, row.source, row.predicted)
    # Rows of different lengths hold fewer tokens than the longest, and take as much less.
    return flops // max(1, row.tokens)


@dataclass(frozen=True)
class Load:
    """What one device computes at a time, and how.

    Attributes:
        rows, positions: B and T of a micro-batch.
        source: S, of an encoder-decoder.
        predicted: positions of a row of which the logits are computed; all if None.
        documents: packed rows are masked by document. On a CPU each block then keeps a mask of (B, T, T); an
            encoder-decoder does on each device, and has one of (B, S, S) and one of (B, T, S) as well.
        accumulates: a step has several micro-batches, so that gradients stand while activations do.
        bf16: computed under autocast; weights, gradients and moments stay float32.
        checkpointing: blocks keep only what comes in, and compute the rest again in the backward pass.
        optimizer: "adamw" has two moments for each weight, "muon" one for the blocks' matrices.
        ema: an average of the weights is kept.
        ranks: processes that share weights, gradients and moments (FSDP).
        device: "cpu" or "cuda".
    """

    rows: int
    positions: int
    source: int = 0
    predicted: int | None = None
    documents: bool = False
    accumulates: bool = False
    bf16: bool = False
    checkpointing: bool = False
    optimizer: Literal["adamw", "muon"] = "adamw"
    ema: bool = False
    ranks: int = 1
    device: str = "cpu"

    @property
    def targets(self) -> int:
        """Positions of a row of which the logits are computed."""
        return self.positions if self.predicted is None else self.predicted

    @property
    def computed(self) -> int:
        """Bytes of a number that is computed with."""
        return 2 if self.bf16 else _FLOAT


@dataclass(frozen=True)
class Memory:
    """Bytes that a device holds when it holds most.

    Attributes:
        weights: float32, and under autocast a copy of the matrices.
        gradients: those that stand at that time.
        moments: of the optimizer, and the average of the weights.
        activations: what the forward pass keeps for the backward pass; in generation, keys and values.
        working: what is needed for a moment: chunks of logits, gradients on their way.
        slack: what the allocator holds beyond the tensors.
    """

    weights: int
    gradients: int
    moments: int
    activations: int
    working: int
    slack: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return sum(getattr(self, part.name) for part in fields(self))


def training_memory(s: ModelSettings, load: Load) -> Memory:
    """Bytes of a training step at its peak; without the interpreter, its libraries and the corpus.

    The peak is in the backward pass when it begins, or, for large models with small batches, when all
    gradients stand: at its end, or in Muon's step.
    """
    parameters = parameter_count(s)
    weights = _FLOAT * parameters // load.ranks
    if load.ranks > 1:  # FSDP gathers a block while it computes with it, and the next one ahead.
        weights += 2 * load.computed * _block(s)
    held = 2 * parameters
    if load.optimizer == "muon":
        held -= _matrices(s)
    moments = _FLOAT * (held + (parameters if load.ema else 0)) // load.ranks
    gradients = _FLOAT * parameters // load.ranks
    copies = 2 * _matrices(s) if load.bf16 and load.ranks == 1 else 0

    activations, on_cpu = activation_memory(s, load), load.device == "cpu"
    head = _FLOAT * s.padded_vocab_size * s.width
    loss = max(_loss_memory(s, load), head)
    slack = int(_CPU_SLACK * (activations + loss)) if on_cpu else 0
    standing = gradients if load.accumulates else head
    begins = Memory(weights + copies, standing, moments, activations, loss, slack)
    # On a CPU gradients come to stand between activations: what these leave is too cut up for Muon's copies.
    slack = activations + loss if on_cpu else 0
    ends = Memory(weights, gradients, moments, 0, max(head, _muon_memory(s, load)), slack)
    return max(begins, ends, key=lambda memory: memory.total)


def activation_memory(s: ModelSettings, load: Load) -> int:
    """Bytes that the forward pass of one micro-batch keeps for its backward pass.

    Left out are the norms' means and the attention's sums, some numbers for each head and position.
    """
    n = load.computed
    # What comes into the last norm, and into an encoder's first one; the embedding with dropout.
    kept = _FLOAT * s.width * (1 + (s.kind == "encoder") + (s.dropout > 0))
    # The gradient of what the head reads; an encoder's head has a matrix and an activation before that.
    read = n * s.width * (3 if s.kind == "encoder" else 1)
    rest = load.rows * (kept * load.positions + read * load.targets)
    block = _block_memory(s, load, load.positions)
    blocks = s.layers * block
    entered = s.layers * _FLOAT * s.width * load.rows * load.positions
    if s.kind == "encoder-decoder":
        reader = _block_memory(s, load, load.source)
        crossed = _cross_memory(s, load)
        blocks += s.layers * (reader + crossed)
        rest += (_FLOAT + n) * s.width * load.rows * load.source
        entered += s.layers * _FLOAT * s.width * load.rows * load.source
        block = max(block + crossed, reader)
    return rest + (entered + block if load.checkpointing else blocks)


def generation_memory(s: ModelSettings, rows: int) -> Memory:
    """Bytes of continuing `rows` texts up to the whole context: weights, and keys and values of all blocks.

    An encoder-decoder holds those of a source as long as its context too.
    """
    sources = 2 if s.kind == "encoder-decoder" else 1
    cache = (
        0 if s.kind == "encoder" else sources * 2 * s.layers * rows * s.kv_heads * s.context * s.head_width
    )
    return Memory(_FLOAT * parameter_count(s), 0, 0, _FLOAT * cache, 3 * _FLOAT * rows * s.padded_vocab_size)


def _block_memory(s: ModelSettings, load: Load, positions: int) -> int:
    """Bytes that a block keeps without attention to a memory."""
    n, queries, keys = load.computed, s.attention_width, s.kv_heads * s.head_width
    # Both norms' results; queries, keys and values, the first two again when rotated or normalised;
    # attention's result.
    numbers = 2 * s.width + 2 * (queries + keys) + keys + queries
    if s.positions != "rope" and not s.qk_norm:
        numbers -= queries + keys
    # Of a gated MLP gate, what it becomes, up and their product; else what comes in and out, which is one
    # tensor where the derivative of relu is told by its result.
    numbers += (4 if s.is_gated else 1 if s.activation == "relu" else 2) * s.hidden
    single = 2 * s.width  # what comes into both norms
    if s.qk_norm:
        numbers += queries
    if s.norm == "rms" and load.device == "cpu":  # no fused kernel: what is normalised is kept as well
        single += 2 * s.width
        if s.qk_norm:
            single += (queries + keys) * (2 if load.bf16 else 1)
    if s.dropout:
        numbers += 2 * s.width
    if _is_masked(s, load):
        numbers += positions
    numbers += _score_memory(s, load, positions, positions)
    return (n * numbers + _FLOAT * single) * load.rows * positions


def _cross_memory(s: ModelSettings, load: Load) -> int:
    """Bytes that a block's attention to a memory keeps."""
    n, queries, keys = load.computed, s.attention_width, s.kv_heads * s.head_width
    single, numbers = s.width, s.width + 2 * queries + (s.width if s.dropout else 0)
    of_source = 2 * keys + (s.width if load.bf16 else 0)
    if s.qk_norm:
        numbers += 2 * queries
        of_source += keys
    if s.norm == "rms" and load.device == "cpu":
        single += s.width
        if s.qk_norm:
            numbers += queries
            of_source += keys
    if _is_masked(s, load):
        numbers += load.source
    numbers += _score_memory(s, load, load.positions, load.source)
    return load.rows * ((n * numbers + _FLOAT * single) * load.positions + n * of_source * load.source)


def _is_masked(s: ModelSettings, load: Load) -> bool:
    """Whether attention is given a mask: a kernel on a GPU takes documents by their ends, but of one side."""
    return load.documents and (load.device == "cpu" or s.kind == "encoder-decoder")


def _score_memory(s: ModelSettings, load: Load, queries: int, keys: int) -> int:
    """Numbers that each query keeps where no fused kernel is used: its scores."""
    small = load.bf16 and load.device == "cpu" and max(queries, keys) <= SMALL
    return s.heads * keys if small else 0


def _loss_memory(s: ModelSettings, load: Load) -> int:
    """Bytes that the loss takes for a moment: chunks of logits, and what one adds to the head's gradient."""
    rows = chunk_rows(load.rows * load.targets, s.vocab_size, load.device)
    # Logits and probabilities in float32; under autocast logits in 16 bits, probabilities in both.
    held = 4 if s.softcap else 2
    return _FLOAT * s.vocab_size * (held * rows + s.width)


def _muon_memory(s: ModelSettings, load: Load) -> int:
    """Bytes of the matrices that Muon makes orthogonal at a time, and of what it multiplies them into."""
    if load.optimizer != "muon":
        return 0
    keys = s.kv_heads * s.head_width
    sizes = [s.width * other for other in (s.attention_width, keys, s.hidden)]
    batches = [batch_size(size, load.device) * size for size in sizes]
    return _MUON_BYTES * min(_matrices(s), max(batches))


def _matrices(s: ModelSettings) -> int:
    """Numbers in the matrices of all blocks."""
    stacks, crossed = (2, 1) if s.kind == "encoder-decoder" else (1, 0)
    return s.layers * (stacks * _block(s) + crossed * _attention(s))


def _keys_and_values(s: ModelSettings) -> int:
    return 2 * s.width * s.kv_heads * s.head_width


def _attention(s: ModelSettings) -> int:
    return 2 * s.width * s.attention_width + _keys_and_values(s)


def _block(s: ModelSettings) -> int:
    return _attention(s) + (3 if s.is_gated else 2) * s.width * s.hidden


def _head(s: ModelSettings) -> int:
    return (s.width * s.width if s.kind == "encoder" else 0) + s.classes * s.width


BATCH_NUMBERS = (2**21, 2**24)
"""Numbers of the matrices that are multiplied in one batch on a CPU and on a GPU."""


def batch_size(numbers: int, device: torch.device | str) -> int:
    """How many matrices of so many numbers are made orthogonal at once: a step needs copies of these."""
    return max(1, BATCH_NUMBERS[torch.device(device).type == "cuda"] // numbers)
