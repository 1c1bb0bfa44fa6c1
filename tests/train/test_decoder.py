"""The decoder against its own equations: causality, counts, rotary positions, attention written out."""

import dataclasses
import itertools
import math

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from corpuskit.train.model import (
    Attention,
    Decoder,
    Dropout,
    ModelSettings,
    initialise,
    rotary_tables,
    rotate,
)

SHAPE = ModelSettings(vocab_size=100, layers=2, width=32, heads=4, kv_heads=4, hidden=64, context=12)
VARIANTS = [
    dataclasses.replace(SHAPE, norm=norm, qk_norm=qk_norm, kv_heads=kv_heads, tie_embeddings=tie)
    for norm, qk_norm, kv_heads, tie in itertools.product(
        ("layer", "rms"), (True, False), (4, 1), (True, False)
    )
]


def decoder(settings: ModelSettings, seed: int = 0) -> Decoder:
    """A decoder with weights everywhere: neither output projections nor the head are left at zero."""
    model = Decoder(dataclasses.replace(settings, zero_init=False))
    initialise(model, seed)
    if not settings.tie_embeddings:
        torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(seed))
    return model.eval()


@pytest.mark.parametrize("settings", VARIANTS)
def test_no_position_sees_a_later_one(settings: ModelSettings) -> None:
    model = decoder(settings)
    ids = torch.randint(0, 100, (2, 12), generator=torch.Generator().manual_seed(1))
    before = model(ids)
    for position in range(12):
        changed = ids.clone()
        changed[:, position] = (changed[:, position] + 1) % 100
        after = model(changed)
        assert torch.equal(after[:, :position], before[:, :position])
        assert not torch.allclose(after[:, position:], before[:, position:])


@pytest.mark.parametrize("settings", VARIANTS)
def test_counts_equal_the_formulas(settings: ModelSettings) -> None:
    model = decoder(settings)
    assert sum(parameter.numel() for parameter in model.parameters()) == settings.parameter_count()
    ids = torch.zeros((3, 12), dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model.loss(ids, ids).backward()
    counts = counter.get_flop_counts()["Global"]
    products = sum(count for kind, count in counts.items() if "attention" not in str(kind))
    attention = settings.layers * 6 * settings.width * settings.context
    assert products == ids.numel() * (settings.flops_per_token() - attention)


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_attention_equals_its_definition(kv_heads: int) -> None:
    settings = dataclasses.replace(SHAPE, kv_heads=kv_heads, qk_norm=False)
    attention = Attention(settings)
    torch.nn.init.normal_(attention.qkv.weight, generator=torch.Generator().manual_seed(0))
    x = torch.randn((2, 12, 32), generator=torch.Generator().manual_seed(1))
    cos, sin = rotary_tables(settings)
    q, k, v = attention.qkv(x).split([32, 8 * kv_heads, 8 * kv_heads], dim=-1)
    expected = torch.zeros(2, 12, 32)
    for row, head in itertools.product(range(2), range(4)):
        group = head * kv_heads // 4
        query = rotate(q[row, :, head * 8 : head * 8 + 8], cos, sin)
        key = rotate(k[row, :, group * 8 : group * 8 + 8], cos, sin)
        scores = (query @ key.T / math.sqrt(8)).masked_fill(torch.ones(12, 12).triu(1).bool(), -math.inf)
        expected[row, :, head * 8 : head * 8 + 8] = scores.softmax(-1) @ v[row, :, group * 8 : group * 8 + 8]
    torch.testing.assert_close(attention(x, cos, sin), functional.linear(expected, attention.out.weight))


def test_rotation_makes_products_relative() -> None:
    cos, sin = rotary_tables(dataclasses.replace(SHAPE, context=64))
    q, k = torch.randn((2, 8), generator=torch.Generator().manual_seed(0))

    def product(a: int, b: int) -> torch.Tensor:
        return (
            rotate(q[None], cos[a : a + 1], sin[a : a + 1])[0]
            @ rotate(k[None], cos[b : b + 1], sin[b : b + 1])[0]
        )

    for distance in (0, 1, 17):
        torch.testing.assert_close(product(5 + distance, 5), product(40 + distance, 40))
    assert not torch.allclose(product(6, 5), product(9, 5))


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_one_batch_is_learnt_by_heart(norm: str) -> None:
    model = Decoder(dataclasses.replace(SHAPE, norm=norm))
    initialise(model, 0)
    ids = torch.randint(0, 100, (4, 13), generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(120):
        loss = model.loss(ids[:, :-1], ids[:, 1:]) / ids[:, 1:].numel()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(128), abs=0.3)
    assert losses[-1] < 0.02


def test_loss_is_the_sum_over_positions() -> None:
    model = decoder(SHAPE)
    ids = torch.randint(0, 100, (3, 13), generator=torch.Generator().manual_seed(1))
    each = functional.cross_entropy(model(ids[:, :-1]).transpose(1, 2), ids[:, 1:], reduction="none")
    torch.testing.assert_close(model.loss(ids[:, :-1], ids[:, 1:]), each.sum())


def test_initial_weights_follow_from_the_seed_alone() -> None:
    torch.manual_seed(5)
    first = decoder(SHAPE, seed=3).state_dict()
    torch.manual_seed(6)
    second = decoder(SHAPE, seed=3).state_dict()
    other = decoder(SHAPE, seed=4).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["embedding.weight"], other["embedding.weight"])


def test_blocks_begin_as_the_identity() -> None:
    model = Decoder(SHAPE)
    initialise(model, 0)
    x = torch.randn(1, 12, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.blocks[0](x, model.cos, model.sin), x)


@pytest.mark.parametrize(
    ("p", "dtype"), [(0.1, torch.float32), (0.5, torch.bfloat16), (0.999, torch.float32)]
)
def test_dropout_keeps_the_mean(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    ones = torch.ones((1000, 1003), dtype=dtype, requires_grad=True)
    dropped = Dropout(p)(ones)
    share = float((dropped == 0).double().mean())
    assert share == pytest.approx(min(p, 255 / 256), abs=1 / 256)
    assert float(dropped.detach().double().mean()) == pytest.approx(1, abs=0.05)
    dropped.sum().backward()
    assert torch.equal(ones.grad, dropped)
    assert Dropout(0.0)(ones) is ones
    # Columns are hit alike, and neighbours independently of each other.
    zero = dropped == 0
    assert zero.double().mean(0).std() < 2 * (share * (1 - share) / 1000) ** 0.5
    together = float((zero[:, 1:] & zero[:, :-1]).double().mean())
    assert together == pytest.approx(share**2, abs=0.005)


def test_dropout_acts_only_while_training() -> None:
    model = decoder(dataclasses.replace(SHAPE, dropout=0.5))
    ids = torch.zeros((1, 12), dtype=torch.long)
    assert torch.equal(model(ids), model(ids))
    model.train()
    assert not torch.equal(model(ids), model(ids))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"width": 30}, "width 30 must be a multiple of 2 x heads = 8"),
        ({"kv_heads": 3}, "heads 4 must be a multiple of kv_heads 3"),
        ({"layers": 0, "hidden": -1}, "layers must be at least 1, not 0; hidden must be at least 1, not -1"),
        ({"dropout": 1.0}, "dropout must lie in"),
        ({"norm": "batch"}, "norm must be 'layer' or 'rms', not 'batch'"),
    ],
)
def test_impossible_shapes_are_named(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SHAPE, **change)


def test_too_many_positions_are_named() -> None:
    with pytest.raises(ValueError, match="13 positions are more than the model's context 12"):
        decoder(SHAPE)(torch.zeros((1, 13), dtype=torch.long))
