"""The model: one transformer that is a decoder, an encoder, or both.

Read from top to bottom in the order of the forward pass; of the package this file imports its loss alone.

    decoder           ids (B, T) -> embedding -> N x block -> norm -> head -> (B, T, V); each position sees
                      itself and what stands before it
    encoder           ids (B, T) -> embedding -> norm -> N x block -> norm -> dense, GELU, norm -> head; each
                      position sees all; the first block has no norm before its attention, since one has just
                      been (this is ModernBERT's shape)
    encoder-decoder   source (B, S) -> embedding -> N x block -> norm -> memory (B, S, C); then a decoder
                      whose blocks also look at the memory

    block             x + attention(norm(x)), [x + cross_attention(norm(x), memory),] x + mlp(norm(x))

Shapes: B rows, T positions, S positions of the source, C width, H query heads, G key-value heads, D head
width (C / H if nobody says otherwise), F hidden width of the MLP, V padded vocabulary. No linear map has a
bias.

Sources: rotary positions arXiv:2104.09864, stretched arXiv:2407.21783; learned ones arXiv:1810.04805, none in
a decoder arXiv:2305.19466; grouped-query attention arXiv:2305.13245; SwiGLU and GEGLU arXiv:2002.05202; GELU
arXiv:1606.08415; squared ReLU arXiv:2109.08668; RMSNorm arXiv:1910.07467; normalised queries and keys
arXiv:2302.05442; capped logits arXiv:2408.00118; depth-scaled output projections GPT-2; the encoder's shape
arXiv:2412.13663; encoder-decoder arXiv:1910.10683.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, cast, get_args

import torch
from torch import Tensor, library, nn
from torch.nn import functional

from corpuskit.train.model.loss import TokenLosses, linear_cross_entropy

Kind = Literal["decoder", "encoder", "encoder-decoder"]
Activation = Literal["swiglu", "geglu", "gelu", "relu", "relu2"]
Positions = Literal["rope", "learned", "none"]
NormKind = Literal["layer", "rms"]
Pooling = Literal["last", "mean", "first"]

VOCABULARY_MULTIPLE = 64
"""Embedding rows are padded to a multiple of this, which matrix kernels like; the extra ids never occur."""

SMALL = 256
"""Positions up to which a CPU multiplies scores out in bfloat16: there its fused kernel is slower."""

_CHOICES = {"kind": Kind, "norm": NormKind, "activation": Activation, "positions": Positions}


@dataclass(frozen=True)
class ModelSettings:
    """The shape of a model.

    Attributes:
        vocab_size: tokens in the vocabulary, before padding.
        layers, width, heads: N, C and H. An encoder-decoder has N blocks on either side.
        kv_heads: G; divides heads. Equal to heads for plain multi-head attention.
        head_dim: D, even, where it is not width / heads; 0 where it is.
        hidden: F, hidden width of the MLP.
        context: greatest T, and greatest S.
        kind: what it is.
        norm: "layer" (LayerNorm without bias) or "rms" (RMSNorm), both with a learned gain. PyTorch has one
            fused CPU kernel for the first and none for the second: a step is about 10 % faster with it.
        activation: of the MLP: "swiglu" and "geglu" have a gate, "gelu" (x Phi(x), not its approximation by
            tanh), "relu" and "relu2" (its square) have none.
        qk_norm: normalise queries and keys per head before the rotation.
        tie_embeddings: use the embedding matrix as the head too.
        dropout: share of activations zeroed after the embedding and each part of a block while training.
        zero_init: output projections start at zero, so that every block starts as the identity; otherwise
            they start at 1 / sqrt(2 N) of the usual scale.
        rope_base: base of the rotary wavelengths.
        rope_scaling: (factor, low, high, context) as Llama 3.1 stretches wavelengths for texts longer than
            the context that it was first trained with: what turns fewer than `low` times over that context
            turns `factor` times more slowly, what turns more than `high` times as before, and between them
            it goes over evenly. Empty for none.
        softcap: logits z become softcap * tanh(z / softcap); 0 leaves them.
        classes: outputs of a head for classification beside the language model's; 0 for none.
        norm_eps: added to the mean square or variance in a norm; 0 for the usual, see `epsilon`.
        positions: "rope" turns queries and keys by their position; "learned" adds a vector of its own to the
            embedding at each of the `context` positions of a row, or of each document that is told apart in
            it, on either side of an encoder-decoder its own; with "none" a decoder knows the order of its
            text by what each position sees, and an encoder knows none.
    """

    vocab_size: int
    layers: int
    width: int
    heads: int
    kv_heads: int
    hidden: int
    context: int
    kind: Kind = "decoder"
    norm: NormKind = "layer"
    activation: Activation = "swiglu"
    qk_norm: bool = True
    tie_embeddings: bool = True
    dropout: float = 0.0
    zero_init: bool = True
    rope_base: float = 10_000.0
    softcap: float = 0.0
    classes: int = 0
    norm_eps: float = 0.0
    head_dim: int = 0
    rope_scaling: tuple[float, ...] = ()
    positions: Positions = "rope"

    def __post_init__(self) -> None:
        """Raises ValueError, naming all faults, for a shape that cannot be built."""
        object.__setattr__(self, "rope_scaling", tuple(self.rope_scaling))  # JSON has lists alone.
        faults = [
            f"{name} must be at least 1, not {getattr(self, name)}"
            for name in ("vocab_size", "layers", "width", "heads", "kv_heads", "hidden", "context")
            if getattr(self, name) < 1
        ]
        if not faults and not self.head_dim and self.width % (2 * self.heads):
            faults.append(
                f"width {self.width} must be a multiple of 2 x heads = {2 * self.heads}, or head_dim be given"
            )
        if self.head_dim < 0 or self.head_dim % 2:
            faults.append(f"head_dim must be an even number, not {self.head_dim}")
        if not faults and self.heads % self.kv_heads:
            faults.append(f"heads {self.heads} must be a multiple of kv_heads {self.kv_heads}")
        if not 0 <= self.dropout < 1:
            faults.append(f"dropout must lie in [0, 1), not {self.dropout}")
        if self.softcap < 0 or self.classes < 0 or self.norm_eps < 0:
            faults.append(
                f"softcap {self.softcap}, classes {self.classes} and norm_eps {self.norm_eps} "
                "must not be below 0"
            )
        if self.rope_scaling and not _is_scaling(self.rope_scaling):
            faults.append(
                "rope_scaling must be (factor of at least 1, low, high above it, context of at least 1), not "
                f"{self.rope_scaling}"
            )
        if self.rope_scaling and self.positions != "rope":
            faults.append(f"rope_scaling is for positions = 'rope', not {self.positions!r}")
        for name, choices in _CHOICES.items():
            known = get_args(choices)
            if getattr(self, name) not in known:
                faults.append(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def head_width(self) -> int:
        """D."""
        return self.head_dim or self.width // self.heads

    @property
    def attention_width(self) -> int:
        """H D: numbers of all heads."""
        return self.heads * self.head_width

    @property
    def padded_vocab_size(self) -> int:
        """V: vocab_size rounded up to a multiple of VOCABULARY_MULTIPLE."""
        return -(-self.vocab_size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE

    @property
    def epsilon(self) -> float:
        """What norms add: norm_eps, or 1e-5 for LayerNorm and 1e-6 for RMSNorm."""
        return self.norm_eps or (1e-6 if self.norm == "rms" else 1e-5)

    @property
    def is_gated(self) -> bool:
        """Whether the MLP has a gate."""
        return is_gated(self.activation)


def is_gated(activation: Activation) -> bool:
    """Whether an MLP of this activation has a gate.

    >>> is_gated("swiglu"), is_gated("gelu")
    (True, False)
    """
    return activation in ("swiglu", "geglu")


def _is_scaling(numbers: tuple[float, ...]) -> bool:
    if len(numbers) != 4 or not all(isinstance(number, int | float) for number in numbers):
        return False
    factor, low, high, context = numbers
    return 1 <= factor < math.inf and 0 < low < high < math.inf and 1 <= context < math.inf


class Norm(nn.Module):
    """Normalise the last dimension: x / rms(x) * gain, or with "layer" (x - mean(x)) / std(x) * gain."""

    def __init__(self, settings: ModelSettings, width: int) -> None:
        super().__init__()
        self.is_rms, self.eps = settings.norm == "rms", settings.epsilon
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., width)."""
        # Under autocast x may be bfloat16: the fused kernels want a gain of the same type.
        gain = self.weight.to(x.dtype)
        if self.is_rms:
            return functional.rms_norm(x, gain.shape, gain, eps=self.eps)
        return functional.layer_norm(x, gain.shape, gain, eps=self.eps)


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
        keep = _draw_kept if torch.compiler.is_compiling() else _kept
        return x * keep(x, dropped).to(x.dtype).mul_(256 / (256 - dropped))


def _kept(x: Tensor, dropped: int) -> Tensor:
    """Which elements of x stay, where of 256 so many are dropped."""
    # Of all 64 bits of a word, so that each number that is drawn decides eight elements.
    words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.uint8)[: x.numel()].view(x.shape) >= dropped


# A compiler knows no drawing in place, and would cut each block's graph there: to it this is one operation,
# which it does not make again for the backward pass. That x is named keeps them in their order.
_draw_kept = library.custom_op(
    "corpuskit::kept", _kept, mutates_args=(), tags=torch.Tag.nondeterministic_seeded
)
_draw_kept.register_fake(lambda x, dropped: torch.empty_like(x, dtype=torch.bool))


# ---------------------------------------------------------------------------------------- positions


class Rotation(NamedTuple):
    """Cosines and sines of the rotary angles of positions, (T, D), or (B, 1, T, D) for each row its own.

    The second half of D repeats the first.
    """

    cos: Tensor
    sin: Tensor


def rotary_slowing(settings: ModelSettings) -> Tensor:
    """By what each rotary frequency is divided, float64 (D / 2,): 1 without rope_scaling."""
    half = settings.head_width // 2
    if not settings.rope_scaling:
        return torch.ones(half, dtype=torch.float64)
    factor, low, high, context = settings.rope_scaling
    turns = _frequencies(settings) * context / (2 * math.pi)
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return 1 / (kept + (1 - kept) / factor)


def _frequencies(settings: ModelSettings) -> Tensor:
    half = settings.head_width // 2
    return settings.rope_base ** (-torch.arange(half, dtype=torch.float64) / half)


def rotary_tables(settings: ModelSettings) -> Rotation:
    """The angles of all positions of the context."""
    # Rounded to float32 once, at the end: an angle's own rounding grows with the position.
    frequencies = _frequencies(settings) / rotary_slowing(settings)
    angles = torch.outer(torch.arange(settings.context, dtype=torch.float64), frequencies)
    # With their signs in the table a rotation is x cos + swapped(x) sin.
    sines = torch.cat([-angles.sin(), angles.sin()], dim=1)
    return Rotation(torch.cat([angles, angles], dim=1).cos().float(), sines.float())


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Turn each pair (x[i], x[i + D/2]) by its position's angle; x (B, H, T, D).

    Only differences of positions count in the product of a query and a key: a document that begins in the
    middle of a row is seen as one that begins at its start.
    """
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        out: Tensor = _Rotate.apply(x, rotation.cos, rotation.sin)  # type: ignore[no-untyped-call]
        return out
    first, second = x.chunk(2, dim=-1)
    return torch.addcmul(x * rotation.cos, torch.cat([second, first], dim=-1), rotation.sin)


class _Rotate(torch.autograd.Function):
    """The same without the copies that autograd makes of the halves, where no compiler leaves them out."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        half = x.shape[-1] // 2
        y = x * cos
        y[..., :half].addcmul_(x[..., half:], sin[..., :half])
        y[..., half:].addcmul_(x[..., :half], sin[..., half:])
        return y

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        half, grad = cos.shape[-1] // 2, grad_outputs[0]
        out = grad * cos  # Turned back: the sines change their sign, which is where they are swapped.
        out[..., :half].addcmul_(grad[..., half:], sin[..., half:])
        out[..., half:].addcmul_(grad[..., :half], sin[..., :half])
        return out, None, None


# ---------------------------------------------------------------------------------------- attention


class Ends(NamedTuple):
    """Documents of packed rows as kernels for them take them, the rows laid one behind the other.

    Attributes:
        ends: where each ends, (documents + 1,) int32, beginning with 0.
        longest: what none is longer than.
    """

    ends: Tensor
    longest: int


@dataclass(frozen=True)
class Sight:
    """Which keys a query sees, in one of three forms.

    Attributes:
        causal: those at its own position and before; else all.
        mask: those where it is True, (B, 1, T, S) or (T, S); then `causal` is not looked at.
        documents: those of its own document that `causal` allows.
    """

    causal: bool
    mask: Tensor | None = None
    documents: Ends | None = None


def sight(causal: bool, documents: Tensor | Ends | None) -> Sight:
    """What the positions of packed rows see: those of their own document.

    Args:
        documents: (B, T), equal numbers for positions of the same document, each of which stands in one
            piece; or its `Ends`, on CUDA in 16 bits; None where each row is one document.
    """
    if documents is None or isinstance(documents, Ends):
        return Sight(causal, documents=documents)
    mask = documents[:, :, None] == documents[:, None, :]
    if causal:
        mask = mask & torch.ones(mask.shape[1:], dtype=torch.bool, device=mask.device).tril()
    return Sight(causal, mask[:, None])


def places(documents: Tensor | Ends, shape: torch.Size) -> Tensor:
    """Where in its document each position of packed rows stands, (B, T), counted from 0."""
    if isinstance(documents, Ends):
        ends = documents.ends.long()
        at = torch.arange(shape.numel(), device=ends.device)
        return (at - ends[torch.searchsorted(ends, at, right=True) - 1]).view(shape)
    at = torch.arange(shape[1], device=documents.device).expand(shape)
    begins = torch.ones_like(documents, dtype=torch.bool)
    begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
    return at - torch.where(begins, at, 0).cummax(1).values


def attend(q: Tensor, k: Tensor, v: Tensor, seen: Sight) -> Tensor:
    """softmax(q k^T / sqrt(D)) v over the keys seen; q (B, H, T, D), k and v (B, G, S, D) -> (B, H, T, D)."""
    if seen.documents is not None:
        return _attend_by_ends(q, k, v, seen.causal, seen.documents)
    if _small_on_cpu(q, k):
        return attend_by_products(q, k, v, seen)
    groups = q.shape[1] // k.shape[1]
    if groups > 1 and expands(q.device.type, q.dtype, q.shape[2], seen):
        k, v, groups = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1), 1
    is_causal = seen.causal and seen.mask is None
    return functional.scaled_dot_product_attention(
        q, k, v, attn_mask=seen.mask, is_causal=is_causal, enable_gqa=groups > 1
    )


def _attend_by_ends(q: Tensor, k: Tensor, v: Tensor, causal: bool, documents: Ends) -> Tensor:
    """`attend` within documents, by the kernel that takes their ends."""
    from torch.nn.attention.varlen import varlen_attn

    groups = q.shape[1] // k.shape[1]
    flat_q, flat_k, flat_v = (x.transpose(1, 2).flatten(0, 1) for x in (q, k, v))  # (B T, H or G, D)
    options: dict[str, Any] = {}
    known = inspect.signature(varlen_attn).parameters  # They differ between versions 2.11 and 2.13.
    if groups > 1 and "enable_gqa" in known:
        options["enable_gqa"] = True
    elif groups > 1:
        flat_k, flat_v = (x.repeat_interleave(groups, dim=1) for x in (flat_k, flat_v))
    if "window_size" in known:
        options["window_size"] = (-1, 0 if causal else -1)
    else:
        options["is_causal"] = causal
    ends, longest = documents
    out = cast(Tensor, varlen_attn(flat_q, flat_k, flat_v, ends, ends, longest, longest, **options))
    return out.view(q.shape[0], q.shape[2], *out.shape[1:]).transpose(1, 2)


def expands(device: str, dtype: torch.dtype, queries: int, seen: Sight) -> bool:
    """Whether each query head gets keys and values of its own before attention.

    On CUDA only flash attention takes fewer of them, in 16 bits and without a mask. The kernel for the rest
    holds all scores (B, H, T, S), which are more than the copies unless there is one query.
    """
    flash = seen.mask is None and dtype in (torch.bfloat16, torch.float16)
    return device == "cuda" and queries > 1 and not flash


def _small_on_cpu(q: Tensor, k: Tensor) -> bool:
    """Whether a CPU's fused kernel takes longer in bfloat16 than plain products do.

    Three times as long at 64 positions, half as long again at 256, and less from 384 on.
    """
    small = 1 < q.shape[2] <= SMALL and k.shape[2] <= SMALL
    return small and q.device.type == "cpu" and q.dtype == torch.bfloat16


def attend_by_products(q: Tensor, k: Tensor, v: Tensor, seen: Sight) -> Tensor:
    """`attend` as it is written down, with all scores (B, H, T, S) in memory, rounded to the type of q."""
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    mask = seen.mask
    if mask is None and seen.causal:
        mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril()
    scores = (q @ k.mT) * q.shape[3] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return torch.matmul(torch.softmax(scores, -1), v)


@dataclass
class Cache:
    """Keys and values of the positions read so far, so that a text is continued without reading it again.

    Rows may be of different lengths: each is continued where it ends. Rows that were padded on the right are
    read as if they were not, once `lengths` is set back to what is real: a position sees none behind it, and
    what stands there is written over.

    Attributes:
        keys, values: of each block, (N, B, G, room, D).
        lengths: positions of each row that are filled, B of them.
        at: positions that are being read, (B, T).
        memory: keys and values of the source of an encoder-decoder, by block.
    """

    keys: Tensor
    values: Tensor
    lengths: list[int]
    at: Tensor
    memory: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def begin(self, count: int) -> None:
        """Set `at` to the next `count` positions of each row."""
        starts = torch.tensor(self.lengths, device=self.keys.device)
        self.at = starts[:, None] + torch.arange(count, device=self.keys.device)

    def put(self, block: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Keep k and v (B, G, T, D) of the positions `at`; returns those of all positions (B, G, S, D)."""
        rows, stop = torch.arange(len(k), device=k.device)[:, None], max(self.lengths) + k.shape[2]
        self.keys[block][rows, :, self.at] = k.transpose(1, 2)
        self.values[block][rows, :, self.at] = v.transpose(1, 2)
        return self.keys[block, :, :, :stop], self.values[block, :, :, :stop]

    def sight(self) -> Sight:
        """What the positions `at` see: those of their row up to themselves."""
        if not any(self.lengths):
            return Sight(True)
        keys = torch.arange(max(self.lengths) + self.at.shape[1], device=self.at.device)
        return Sight(True, (keys <= self.at[:, :, None])[:, None])

    def select(self, rows: list[int]) -> Cache:
        """A cache of these rows alone."""
        memory = {block: (k[rows], v[rows]) for block, (k, v) in self.memory.items()}
        lengths = [self.lengths[row] for row in rows]
        return Cache(self.keys[:, rows], self.values[:, rows], lengths, self.at[rows], memory)

    def put_rows(self, rows: list[int], other: Cache) -> None:
        """Take the positions of these rows from a cache that was selected."""
        self.keys[:, rows], self.values[:, rows] = other.keys, other.values
        for row, length in zip(rows, other.lengths, strict=True):
            self.lengths[row] = length


class Matrix(nn.Linear):
    """A linear map without bias of which a part, or the matrix itself, is wanted too."""

    def rows(self, x: Tensor, first: int, last: int) -> Tensor:
        """The outputs [first, last) for x (..., inputs)."""
        return functional.linear(x, self.weight[first:last])

    def whole(self) -> Tensor:
        """The matrix (outputs, inputs)."""
        return self.weight


class Attention(nn.Module):
    """Attention of a block's positions to each other (`forward`) or to a memory (`cross`)."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = settings.heads, settings.kv_heads, settings.head_width
        # Queries, keys and values in one matrix: one large product is faster than three.
        self.qkv = Matrix(settings.width, (self.heads + 2 * self.kv_heads) * self.head_width, bias=False)
        self.out = nn.Linear(settings.attention_width, settings.width, bias=False)
        self.query_norm = Norm(settings, self.head_width) if settings.qk_norm else nn.Identity()
        self.key_norm = Norm(settings, self.head_width) if settings.qk_norm else nn.Identity()
        self.attend = attend

    def forward(
        self, x: Tensor, rotation: Rotation | None, seen: Sight, cache: Cache | None = None, block: int = 0
    ) -> Tensor:
        """x (B, T, C) -> (B, T, C); keys and values of `block` are kept in the cache, if there is one."""
        heads = self._heads(self.qkv(x), self.heads + 2 * self.kv_heads)
        q, k, v = torch.split(heads, [self.heads, self.kv_heads, self.kv_heads], dim=1)  # (B, H or G, T, D)
        q, k = self.query_norm(q), self.key_norm(k)
        if rotation is not None:
            q, k = rotate(q, rotation), rotate(k, rotation)
        # The tables are float32, and so is what was turned by them, under autocast too.
        q, k = q.to(v.dtype), k.to(v.dtype)
        if cache is not None:
            k, v = cache.put(block, k, v)
        return self._join(self.attend(q, k, v, seen))

    def cross(
        self, x: Tensor, memory: Tensor, seen: Sight, cache: Cache | None = None, block: int = 0
    ) -> Tensor:
        """x (B, T, C) looks at memory (B, S, C) -> (B, T, C). Positions play no part."""
        first, last = self.heads * self.head_width, (self.heads + 2 * self.kv_heads) * self.head_width
        q = self.query_norm(self._heads(self.qkv.rows(x, 0, first), self.heads))
        if cache is not None and block in cache.memory:
            k, v = cache.memory[block]
        else:
            k, v = self._heads(self.qkv.rows(memory, first, last), 2 * self.kv_heads).chunk(2, dim=1)
            k = self.key_norm(k).to(v.dtype)
            if cache is not None:
                cache.memory[block] = (k, v)
        return self._join(self.attend(q.to(v.dtype), k, v, seen))

    def _heads(self, x: Tensor, heads: int) -> Tensor:
        return x.view(*x.shape[:-1], heads, self.head_width).transpose(1, 2)

    def _join(self, y: Tensor) -> Tensor:
        out: Tensor = self.out(y.transpose(1, 2).flatten(2))
        return out


# ------------------------------------------------------------------------------------------- blocks


def squared_relu(x: Tensor) -> Tensor:
    """max(x, 0) squared, of any shape."""
    return functional.relu(x).square()


_FUNCTIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "swiglu": functional.silu,
    "geglu": functional.gelu,
    "gelu": functional.gelu,
    "relu": functional.relu,
    "relu2": squared_relu,
}
"""What each activation applies, of a gated one to the gate."""


class MLP(nn.Module):
    """down(f(up(x))), or with a gate down(f(gate(x)) * up(x)): (B, T, C) -> (B, T, C) through F channels."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.is_gated, self.function = settings.is_gated, _FUNCTIONS[settings.activation]
        # The gate comes first in its matrix.
        self.up = nn.Linear(settings.width, (2 if self.is_gated else 1) * settings.hidden, bias=False)
        self.down = nn.Linear(settings.hidden, settings.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, C)."""
        hidden = self.up(x)
        if self.is_gated:
            gate, up = hidden.chunk(2, dim=-1)
            hidden = self.function(gate) * up
        else:
            hidden = self.function(hidden)
        out: Tensor = self.down(hidden)
        return out


class Block(nn.Module):
    """Attention, attention to the memory where there is one, and the MLP, each added to what came in."""

    def __init__(self, settings: ModelSettings, number: int, *, crosses: bool) -> None:
        super().__init__()
        self.number = number
        follows_norm = settings.kind == "encoder" and number == 0
        self.attention_norm = nn.Identity() if follows_norm else Norm(settings, settings.width)
        self.attention = Attention(settings)
        if crosses:
            self.cross_norm = Norm(settings, settings.width)
            self.cross = Attention(settings)
        self.mlp_norm = Norm(settings, settings.width)
        self.mlp = MLP(settings)
        self.dropout = Dropout(settings.dropout)

    def forward(
        self,
        x: Tensor,
        rotation: Rotation | None,
        seen: Sight,
        memory: tuple[Tensor, Sight] | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """x (B, T, C)."""
        # A compiler takes a number for a constant, and would compile each block anew for its own.
        number = 0 if cache is None else self.number
        x = x + self.dropout(self.attention(self.attention_norm(x), rotation, seen, cache, number))
        if memory is not None:
            x = x + self.dropout(self.cross.cross(self.cross_norm(x), *memory, cache, number))
        x = x + self.dropout(self.mlp(self.mlp_norm(x)))
        return x


class Stack(nn.Module):
    """N blocks and the norm behind them; what learned positions there are before them."""

    def __init__(self, settings: ModelSettings, *, crosses: bool = False) -> None:
        super().__init__()
        if settings.positions == "learned":
            self.positions = nn.Embedding(settings.context, settings.width)
        self.blocks = nn.ModuleList(
            [Block(settings, number, crosses=crosses) for number in range(settings.layers)]
        )
        self.norm = Norm(settings, settings.width)

    def forward(
        self,
        x: Tensor,
        rotation: Rotation | None,
        seen: Sight,
        memory: tuple[Tensor, Sight] | None = None,
        cache: Cache | None = None,
        kept: list[Tensor] | None = None,
    ) -> Tensor:
        """x (B, T, C); what comes out of each block is added to `kept`, where that is asked for."""
        for block in self.blocks:
            x = block(x, rotation, seen, memory, cache)
            if kept is not None:
                kept.append(x)
        out: Tensor = self.norm(x)
        return out


# -------------------------------------------------------------------------------------------- model


class Transformer(nn.Module):
    """`forward` gives logits, `loss` the summed cross entropy, `classify` the logits of classes."""

    cos: Tensor
    sin: Tensor

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        both = settings.kind == "encoder-decoder"
        self.embedding = nn.Embedding(settings.padded_vocab_size, settings.width)
        self.dropout = Dropout(settings.dropout)
        if settings.kind == "encoder":
            self.embedding_norm = Norm(settings, settings.width)
            self.head_dense = nn.Linear(settings.width, settings.width, bias=False)
            self.head_norm = Norm(settings, settings.width)
        if settings.kind != "decoder":
            self.encoder = Stack(settings)
        if settings.kind != "encoder":
            self.decoder = Stack(settings, crosses=both)
        if not settings.tie_embeddings:
            self.head = Matrix(settings.width, settings.padded_vocab_size, bias=False)
        if settings.classes:
            self.classifier = nn.Linear(settings.width, settings.classes, bias=False)
        self.token_losses = TokenLosses(settings.softcap)  # A module: it is compiled by itself.
        if settings.positions == "rope":
            # They follow from the shape: no file of weights has to hold them.
            for name, table in rotary_tables(settings)._asdict().items():
                self.register_buffer(name, table, persistent=False)

    def new_cache(self, rows: int, room: int | None = None) -> Cache:
        """An empty cache for so many rows and positions (the context), in the type attention computes in."""
        s, weight = self.settings, self.embedding.weight
        autocast = torch.is_autocast_enabled(weight.device.type)
        dtype = torch.get_autocast_dtype(weight.device.type) if autocast else weight.dtype
        shape = (s.layers, rows, s.kv_heads, min(room or s.context, s.context), s.head_width)
        keys, values = (torch.zeros(shape, dtype=dtype, device=weight.device) for _ in range(2))
        return Cache(keys, values, [0] * rows, torch.zeros((rows, 0), dtype=torch.long))

    def encode(
        self, ids: Tensor, documents: Tensor | Ends | None = None, kept: list[Tensor] | None = None
    ) -> Tensor:
        """The encoder's output (B, T, C) for ids (B, T); raises ValueError for T above the context.

        Args:
            documents: (B, T), what belongs together in packed or padded rows, see `sight`.
            kept: gets what comes out of each block, (B, T, C), before the last norm.
        """
        x, rotation = self._embed(ids, self.encoder, documents)
        if self.settings.kind == "encoder":
            x = self.embedding_norm(x)
        out: Tensor = self.encoder(self.dropout(x), rotation, sight(False, documents), kept=kept)
        return out

    def states(
        self,
        ids: Tensor,
        *,
        documents: Tensor | Ends | None = None,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
        cache: Cache | None = None,
        kept: list[Tensor] | None = None,
    ) -> Tensor:
        """What the head reads, (B, T, C), for ids (B, T).

        Args:
            documents: (B, T), what belongs together in packed or padded rows, see `sight`; not with a cache.
            memory: an encoder-decoder's encoded source, (B, S, C).
            memory_mask: which positions of the memory each position sees, (B, T, S) or (B, 1, S); all if
                None.
            cache: continue the positions that it holds, and keep these in it too.
            kept: gets what comes out of each block of this stack, (B, T, C), before the last norm.

        Raises:
            ValueError: T, with what the cache holds, is above the context or the cache's room.
        """
        if self.settings.kind == "encoder":
            return self.encode(ids, documents, kept)
        x, rotation = self._embed(ids, self.decoder, documents, cache)
        seen = sight(True, documents) if cache is None else cache.sight()
        source = None
        if memory is not None:
            source = (memory, Sight(False, None if memory_mask is None else memory_mask[:, None]))
        out: Tensor = self.decoder(self.dropout(x), rotation, seen, source, cache, kept)
        if cache is not None:
            cache.lengths = [length + ids.shape[1] for length in cache.lengths]
        return out

    def forward(self, ids: Tensor, **context: Tensor | Ends | Cache | None) -> Tensor:
        """ids (B, T) -> logits (B, T, V), of which those from vocab_size on belong to no token."""
        return self.logits(self.states(ids, **context))  # type: ignore[arg-type]

    def logits(self, states: Tensor) -> Tensor:
        """states (..., C) -> logits (..., V)."""
        return self.token_losses.capped(functional.linear(self._before_head(states), self.head_weight))

    def loss(
        self,
        ids: Tensor,
        targets: Tensor,
        *,
        positions: Tensor | None = None,
        source: Tensor | None = None,
        documents: Tensor | Ends | None = None,
        source_documents: Tensor | None = None,
    ) -> Tensor:
        """Sum of -log p(target) over all targets that are not IGNORED, a float32 scalar.

        The padding of the vocabulary is no part of the softmax: p is what it is without it.

        Args:
            ids: (B, T).
            targets: (B, T), or (B, M) with positions.
            positions: (B, M), where in its row each target stands; without them every position has one.
            source: (B, S), what an encoder-decoder reads first.
            documents: as for `states`.
            source_documents: (B, S), the document of each position of the source, of which then those of the
                same number in `documents` (B, T) see it alone; each must have one at least.
        """
        states = self.head_states(
            ids, positions=positions, source=source, documents=documents, source_documents=source_documents
        )
        return linear_cross_entropy(states, self.token_weight, targets.flatten(), self.token_losses)

    def head_states(
        self,
        ids: Tensor,
        *,
        positions: Tensor | None = None,
        source: Tensor | None = None,
        documents: Tensor | Ends | None = None,
        source_documents: Tensor | None = None,
        kept: list[Tensor] | None = None,
    ) -> Tensor:
        """What is multiplied by the head for each target, (M, C); arguments as of `loss` and `states`."""
        memory = None if source is None else self.encode(source, source_documents)
        seen = None
        if source_documents is not None:
            assert isinstance(documents, Tensor)
            seen = documents[:, :, None] == source_documents[:, None]
        states = self.states(ids, documents=documents, memory=memory, memory_mask=seen, kept=kept)
        if positions is not None:
            states = states.gather(1, positions[:, :, None].expand(-1, -1, states.shape[2]))
        return self._before_head(states).flatten(0, 1)

    def classify(self, ids: Tensor, lengths: Tensor, pooling: Pooling | None = None) -> Tensor:
        """Logits of classes (B, classes) for rows of ids (B, T) of which the first `lengths` (B,) are real.

        What is pooled is what the language model's head reads: of an encoder its positions, of a decoder or
        with "last" of an encoder-decoder, both of whose sides then read the row, those of the decoder; else
        of an encoder-decoder its memory. An encoder's dense part follows on pooling, as in ModernBERT.

        Args:
            pooling: "last", the last real position, which alone of a decoder has read all; "mean" of the
                real ones; "first". By default "last" of a decoder and "mean" of the others.

        Raises:
            ValueError: a row has no real position or more than there are, for which a GPU is waited for; or
                "first" of a decoder, whose first position has read nothing else.
        """
        pooling = pooling or ("last" if self.settings.kind == "decoder" else "mean")
        if pooling == "first" and self.settings.kind == "decoder":
            raise ValueError("pooling = 'first': a decoder's first position has read none but itself")
        states = self._read(ids, lengths, through=pooling == "last")
        return self._classes(pool(states, lengths, pooling))

    def classify_positions(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Logits of classes (B, T, classes) of every position, of which the first `lengths` (B,) are real.

        A decoder's positions know what stands before them alone. Raises ValueError as `classify`.
        """
        return self._classes(self._read(ids, lengths, through=False))

    def _read(self, ids: Tensor, lengths: Tensor, through: bool) -> Tensor:
        """What of each position of padded rows is classified, (B, T, C); `through` to the decoder's end."""
        shortest, longest = int(lengths.min()), int(lengths.max())
        if shortest < 1 or longest > ids.shape[1]:
            raise ValueError(
                f"lengths must lie between 1 and {ids.shape[1]}, the positions of a row; "
                f"they go from {shortest} to {longest}"
            )
        if self.settings.kind == "decoder":
            return self.states(ids)  # No real position sees the padding behind it.
        real = is_real(ids, lengths)
        states = self.encode(ids, real.long())
        if self.settings.kind == "encoder" or not through:
            return states
        return self.states(ids, memory=states, memory_mask=real[:, None])

    def _classes(self, states: Tensor) -> Tensor:
        out: Tensor = self.classifier(self._before_head(states))
        return out

    @property
    def head_weight(self) -> Tensor:
        """The matrix that turns hidden states into logits, (V, C)."""
        return self.embedding.weight if self.settings.tie_embeddings else self.head.whole()

    @property
    def token_weight(self) -> Tensor:
        """Of that matrix the rows that belong to tokens, (vocab_size, C)."""
        weight, tokens = self.head_weight, self.settings.vocab_size
        # A part of it costs a copy of its gradient, where there is nothing to leave out for nothing.
        return weight if len(weight) == tokens else weight[:tokens]

    def _embed(
        self, ids: Tensor, stack: Stack, documents: Tensor | Ends | None, cache: Cache | None = None
    ) -> tuple[Tensor, Rotation | None]:
        """What a stack reads of ids (B, T), (B, T, C), and by what it turns them, where it does."""
        count, s = ids.shape[1], self.settings
        last = count + (max(cache.lengths) if cache else 0)
        room = cache.keys.shape[3] if cache else s.context
        if last > room:
            whose = "cache's room" if room < s.context else "model's context"
            raise ValueError(
                f"{last} positions are more than the {whose} {room}"
                + (", for each of which it has learnt a vector" if s.positions == "learned" else "")
                + f": give {room} or fewer, or train a model with context = {last}"
            )
        if cache is not None:
            cache.begin(count)
        x: Tensor = self.embedding(ids)
        if s.positions == "learned":
            at = None if cache is None else cache.at
            if documents is not None:
                at = places(documents, ids.shape)
            x = x + (stack.positions.weight[:count] if at is None else stack.positions(at))
        if s.positions != "rope":
            return x, None
        if cache is None:
            return x, Rotation(self.cos[:count], self.sin[:count])
        return x, Rotation(self.cos[cache.at][:, None], self.sin[cache.at][:, None])

    def _before_head(self, states: Tensor) -> Tensor:
        if self.settings.kind != "encoder":
            return states
        out: Tensor = self.head_norm(functional.gelu(self.head_dense(states)))
        return out


def is_real(ids: Tensor, lengths: Tensor) -> Tensor:
    """Which positions of rows (B, T, ...) stand before their `lengths` (B,): (B, T), True or False."""
    return torch.arange(ids.shape[1], device=ids.device)[None, :] < lengths[:, None]


def pool(states: Tensor, lengths: Tensor, pooling: Pooling) -> Tensor:
    """One vector a row, (B, C), out of states (B, T, C) of which the first `lengths` (B,) count."""
    if pooling == "first":
        return states[:, 0]
    if pooling == "last":
        return states[torch.arange(len(states), device=states.device), lengths - 1]
    return (states * is_real(states, lengths)[:, :, None]).sum(1) / lengths[:, None]


@torch.no_grad()
def initialise(model: Transformer, seed: int) -> None:
    """Set every weight, from the seed alone."""
    parameters = dict(model.named_parameters())
    for name, weight in initial_weights(model.settings, seed):
        parameters[name].copy_(weight)


def initial_weights(settings: ModelSettings, seed: int) -> Iterator[tuple[str, Tensor]]:
    """The weights with which a model begins, by name, one at a time, on the CPU.

    Matrices have a standard deviation of 1 / sqrt(fan-in), the embedding of 0.02 (as GPT-2: tied to the head,
    a greater one would begin by predicting each token to follow itself), learned positions too; an untied
    head and a classifier are zero; output projections are zero or, without zero_init, scaled by
    1 / sqrt(2 N); gains are 1.
    """
    generator = torch.Generator().manual_seed(seed)  # The CPU's: on all devices the same weights.
    with torch.device("meta"):
        model = Transformer(settings)
    yield "embedding.weight", torch.randn(model.embedding.weight.shape, generator=generator) * 0.02
    output_scale = 0.0 if settings.zero_init else (2 * settings.layers) ** -0.5
    for name, part in model.named_modules():
        if isinstance(part, Norm):
            yield f"{name}.weight", torch.ones(part.weight.shape)
        elif isinstance(part, nn.Embedding) and part is not model.embedding:
            yield f"{name}.weight", torch.randn(part.weight.shape, generator=generator) * 0.02
        elif isinstance(part, nn.Linear):
            is_output = name.endswith((".out", ".down"))
            scale = 0.0 if name in ("head", "classifier") else output_scale if is_output else 1.0
            weight = torch.randn(part.weight.shape, generator=generator)
            yield f"{name}.weight", weight * (part.in_features**-0.5 * scale)
