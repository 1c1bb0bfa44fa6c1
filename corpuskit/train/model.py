"""The decoder: a pre-norm transformer with rotary positions, grouped-query attention and SwiGLU.

Read from top to bottom in the order of the forward pass; this file imports nothing else of the package.

    ids (B, T) -> embedding -> N x [x + attention(norm(x)), x + mlp(norm(x))] -> norm -> head -> (B, T, V)

Shapes: B rows, T positions, C width, H query heads, G key-value heads, D = C / H head width, F hidden width
of the MLP, V padded vocabulary. Every linear map is without bias.

Sources: rotary positions arXiv:2104.09864; grouped-query attention arXiv:2305.13245; SwiGLU arXiv:2002.05202;
RMSNorm arXiv:1910.07467; normalised queries and keys arXiv:2302.05442; depth-scaled output projections GPT-2;
FLOP counts arXiv:2001.08361.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

VOCABULARY_MULTIPLE = 64
"""Embedding rows are padded to a multiple of this, which matrix kernels like; the extra ids never occur."""


@dataclass(frozen=True)
class ModelSettings:
    """The shape of a decoder.

    Attributes:
        vocab_size: tokens in the vocabulary, before padding.
        layers, width, heads: N, C and H; heads divides width, and each head's width is even.
        kv_heads: G; divides heads. Equal to heads for plain multi-head attention.
        hidden: F, hidden width of the MLP.
        context: greatest T.
        norm: "layer" (LayerNorm without bias) or "rms" (RMSNorm), both with a learned gain. PyTorch has one
            fused CPU kernel for the first and none for the second: a step is about 10 % faster with it.
        qk_norm: normalise queries and keys per head before the rotation.
        tie_embeddings: use the embedding matrix as the head too.
        dropout: share of activations zeroed after the embedding and each block while training.
        zero_init: output projections start at zero, so that every block starts as the identity; otherwise
            they start at 1 / sqrt(2 N) of the usual scale.
        rope_base: base of the rotary wavelengths.
    """

    vocab_size: int
    layers: int
    width: int
    heads: int
    kv_heads: int
    hidden: int
    context: int
    norm: Literal["layer", "rms"] = "layer"
    qk_norm: bool = True
    tie_embeddings: bool = True
    dropout: float = 0.0
    zero_init: bool = True
    rope_base: float = 10_000.0

    def __post_init__(self) -> None:
        """Raises ValueError, naming all faults, for a shape that cannot be built."""
        faults = [
            f"{name} must be at least 1, not {getattr(self, name)}"
            for name in ("vocab_size", "layers", "width", "heads", "kv_heads", "hidden", "context")
            if getattr(self, name) < 1
        ]
        if not faults and self.width % (2 * self.heads):
            faults.append(f"width {self.width} must be a multiple of 2 x heads = {2 * self.heads}")
        if not faults and self.heads % self.kv_heads:
            faults.append(f"heads {self.heads} must be a multiple of kv_heads {self.kv_heads}")
        if not 0 <= self.dropout < 1:
            faults.append(f"dropout must lie in [0, 1), not {self.dropout}")
        if self.norm not in ("rms", "layer"):
            faults.append(f"norm must be 'layer' or 'rms', not {self.norm!r}")
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def head_width(self) -> int:
        """D."""
        return self.width // self.heads

    @property
    def padded_vocab_size(self) -> int:
        """V: vocab_size rounded up to a multiple of VOCABULARY_MULTIPLE."""
        return -(-self.vocab_size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE

    def parameter_count(self) -> int:
        """Learned numbers in the whole model, by formula."""
        embeddings = self.padded_vocab_size * self.width * (1 if self.tie_embeddings else 2)
        gains = self.layers * (2 * self.width + (2 * self.head_width if self.qk_norm else 0)) + self.width
        return embeddings + gains + self.layers * self._block_matrices()

    def flops_per_token(self) -> int:
        """Floating-point operations of one training step (forward and backward) per token of a full row.

        6 per weight of each matrix that is multiplied (the embedding look-up is none, the head is one), and
        6 C T for attention's scores and sums, of which causal masking needs half of 12 C T.
        """
        matrices = self.layers * self._block_matrices() + self.padded_vocab_size * self.width
        return 6 * matrices + self.layers * 6 * self.width * self.context

    def _block_matrices(self) -> int:
        attention = 2 * self.width * self.width + 2 * self.width * self.kv_heads * self.head_width
        return attention + 3 * self.width * self.hidden


class Norm(nn.Module):
    """Normalise the last dimension: x / rms(x) * gain, or with "layer" (x - mean(x)) / std(x) * gain."""

    def __init__(self, settings: ModelSettings, width: int) -> None:
        super().__init__()
        self.is_rms = settings.norm == "rms"
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., width)."""
        # Under autocast x may be bfloat16: the fused kernels want a gain of the same type.
        gain = self.weight.to(x.dtype)
        if self.is_rms:
            return functional.rms_norm(x, gain.shape, gain, eps=1e-6)
        return functional.layer_norm(x, gain.shape, gain, eps=1e-5)


class Dropout(nn.Module):
    """While training, zero a share p of all elements and divide the others by 1 - p.

    On a CPU PyTorch draws one number for each element, on one core: with dropout in every block that took up
    to a quarter of a step on two cores. A byte decides there instead, so p is rounded to 1 / 256ths.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu":
            return functional.dropout(x, self.p)
        dropped = min(max(round(self.p * 256), 1), 255)
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        keep = words.view(torch.uint8)[: x.numel()].view(x.shape) >= dropped
        return x * keep.to(x.dtype).mul_(256 / (256 - dropped))


def rotary_tables(settings: ModelSettings) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary angles, each (context, D); the second half repeats the first."""
    half = settings.head_width // 2
    frequencies = settings.rope_base ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.outer(torch.arange(settings.context, dtype=torch.float64), frequencies)
    angles = torch.cat([angles, angles], dim=1)
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (x[i], x[i + D/2]) by its position's angle; x (B, H, T, D), cos and sin (T, D)."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


class Attention(nn.Module):
    """Causal self-attention: softmax(q k^T / sqrt(D)) v over this and earlier positions."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = settings.heads, settings.kv_heads, settings.head_width
        # Queries, keys and values in one matrix: one large product is faster than three.
        self.qkv = nn.Linear(settings.width, (self.heads + 2 * self.kv_heads) * self.head_width, bias=False)
        self.out = nn.Linear(settings.width, settings.width, bias=False)
        self.query_norm = Norm(settings, self.head_width) if settings.qk_norm else nn.Identity()
        self.key_norm = Norm(settings, self.head_width) if settings.qk_norm else nn.Identity()

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x (B, T, C) -> (B, T, C); cos and sin (T, D) of the positions."""
        rows, positions, width = x.shape
        qkv = (
            self.qkv(x).view(rows, positions, self.heads + 2 * self.kv_heads, self.head_width).transpose(1, 2)
        )
        q, k, v = qkv.split([self.heads, self.kv_heads, self.kv_heads], dim=1)  # (B, H or G, T, D)
        q = rotate(self.query_norm(q), cos, sin).to(v.dtype)
        k = rotate(self.key_norm(k), cos, sin).to(v.dtype)
        grouped = self.kv_heads != self.heads
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
        out: Tensor = self.out(y.transpose(1, 2).reshape(rows, positions, width))
        return out


class MLP(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x)), (B, T, C) -> (B, T, C) through F hidden channels."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.gate_up = nn.Linear(settings.width, 2 * settings.hidden, bias=False)
        self.down = nn.Linear(settings.hidden, settings.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, C)."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        out: Tensor = self.down(functional.silu(gate) * up)
        return out


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.attention_norm = Norm(settings, settings.width)
        self.attention = Attention(settings)
        self.mlp_norm = Norm(settings, settings.width)
        self.mlp = MLP(settings)
        self.dropout = Dropout(settings.dropout)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x (B, T, C)."""
        x = x + self.dropout(self.attention(self.attention_norm(x), cos, sin))
        x = x + self.dropout(self.mlp(self.mlp_norm(x)))
        return x


class Decoder(nn.Module):
    """The language model: `forward` gives logits, `loss` the summed cross entropy."""

    cos: Tensor
    sin: Tensor

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(settings.padded_vocab_size, settings.width)
        self.dropout = Dropout(settings.dropout)
        self.blocks = nn.ModuleList([Block(settings) for _ in range(settings.layers)])
        self.norm = Norm(settings, settings.width)
        if not settings.tie_embeddings:
            self.head = nn.Linear(settings.width, settings.padded_vocab_size, bias=False)
        cos, sin = rotary_tables(settings)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def hidden_states(self, ids: Tensor) -> Tensor:
        """ids (B, T) -> the last norm's output (B, T, C). Raises ValueError for T above the context."""
        positions = ids.shape[1]
        if positions > self.settings.context:
            raise ValueError(
                f"{positions} positions are more than the model's context {self.settings.context}"
            )
        cos, sin = self.cos[:positions], self.sin[:positions]
        x = self.dropout(self.embedding(ids))
        for block in self.blocks:
            x = block(x, cos, sin)
        out: Tensor = self.norm(x)
        return out

    @property
    def head_weight(self) -> Tensor:
        """The matrix that turns hidden states into logits, (V, C)."""
        return self.embedding.weight if self.settings.tie_embeddings else self.head.weight

    def forward(self, ids: Tensor) -> Tensor:
        """ids (B, T) -> logits (B, T, V), of which those from vocab_size on belong to no token."""
        return functional.linear(self.hidden_states(ids), self.head_weight)

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Sum over all positions of -log p(target), a float32 scalar; ids and targets (B, T).

        The padding of the vocabulary takes part in the softmax: training drives it to nothing.
        """
        logits = self(ids).flatten(0, 1).float()
        return functional.cross_entropy(logits, targets.flatten(), reduction="sum")


@torch.no_grad()
def initialise(model: Decoder, seed: int) -> None:
    """Set every weight, from the seed alone.

    Matrices have a standard deviation of 1 / sqrt(fan-in), the embedding of 0.02 (as GPT-2: tied to the head,
    a greater one would begin by predicting each token to follow itself); an untied head is zero; output
    projections are zero or, without zero_init, scaled by 1 / sqrt(2 N); gains are 1.
    """
    settings = model.settings
    generator = torch.Generator().manual_seed(seed)

    def normal(weight: Tensor, std: float) -> None:
        weight.copy_(torch.randn(weight.shape, generator=generator) * std)

    normal(model.embedding.weight, 0.02)
    if not settings.tie_embeddings:
        model.head.weight.zero_()
    for part in model.modules():
        if isinstance(part, Norm):
            part.weight.fill_(1.0)
    output_scale = 0.0 if settings.zero_init else (2 * settings.layers) ** -0.5
    for module in model.blocks:
        assert isinstance(module, Block)
        normal(module.attention.qkv.weight, settings.width**-0.5)
        normal(module.attention.out.weight, settings.width**-0.5 * output_scale)
        normal(module.mlp.gate_up.weight, settings.width**-0.5)
        normal(module.mlp.down.weight, settings.hidden**-0.5 * output_scale)
