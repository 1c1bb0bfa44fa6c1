"""How a model begins: its scale by depth, zeroed outputs, and tables that serve twice."""

import dataclasses
import math
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from corpuskit.train.model.cost import parameter_count
from corpuskit.train.model.transformer import Kind, ModelSettings, NormKind, Transformer, initialise

DEPTHS = (4, 8, 16, 24)
SHAPE = ModelSettings(vocab_size=261, layers=4, width=64, heads=4, kv_heads=4, hidden=128, context=16)
BEFORE = ("attention.qkv.weight", "mlp.up.weight")
OUTPUTS = ("attention.out.weight", "mlp.down.weight")
IDS = torch.randint(0, 261, (4, 17), generator=torch.Generator().manual_seed(2))


def model_of(kind: Kind = "decoder", **changes: object) -> Transformer:
    model = Transformer(dataclasses.replace(SHAPE, kind=kind, **changes))
    initialise(model, 1)
    return model


def loss_of(model: Transformer) -> Tensor:
    """The mean of one batch of random ids; of an encoder-decoder behind a source."""
    source = IDS[:, :9] if model.settings.kind == "encoder-decoder" else None
    return model.loss(IDS[:, :-1], IDS[:, 1:], source=source) / IDS[:, 1:].numel()


def gradients(model: Transformer) -> dict[str, Tensor]:
    model.zero_grad()
    loss_of(model).backward()
    return {name: each.grad for name, each in model.named_parameters() if each.grad is not None}


def step(model: Transformer) -> None:
    found = gradients(model)
    with torch.no_grad():
        for name, gradient in found.items():
            parameter = model.get_parameter(name)
            parameter -= 0.1 * gradient


def rms(x: Tensor) -> float:
    return float(x.detach().square().mean().sqrt())


@cache
def measured(depth: int, zero_init: bool, norm: NormKind) -> tuple[list[float], dict[str, float], float]:
    """The stream behind each block, and the norm of each gradient and of all, at the beginning."""
    model = model_of(layers=depth, zero_init=zero_init, norm=norm)
    kept: list[Tensor] = []
    with torch.no_grad():
        model.states(IDS[:, :-1], kept=kept)
    norms = {name: float(each.norm()) for name, each in gradients(model).items()}
    return [rms(x) for x in kept], norms, math.hypot(*norms.values())


# ------------------------------------------------------------------------------------- scale by depth
@pytest.mark.parametrize("depth", DEPTHS)
def test_residual_outputs_begin_smaller_the_deeper_a_model_is(depth: int) -> None:
    """By 1 / sqrt(2 layers) of what others with as many inputs have: 0.353553 of 4, 0.144338 of 24."""
    model = model_of(layers=depth, zero_init=False)
    for block in model.decoder.blocks:
        usual = float(block.attention.qkv.weight.detach().std())
        assert usual == pytest.approx(64**-0.5, rel=0.05)
        for matrix in (block.attention.out, block.mlp.down):
            spread = float(matrix.weight.detach().std()) * matrix.in_features**0.5
            assert spread == pytest.approx((2 * depth) ** -0.5, rel=0.05)


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_activations_keep_their_scale_by_depth(norm: NormKind) -> None:
    """Not so without the factor: 48 added branches of variance v make 1 + 48 v out of 1."""
    ends = {depth: measured(depth, False, norm)[0] for depth in DEPTHS}
    last = [stream[-1] for stream in ends.values()]
    assert max(last) / min(last) < 1.5
    for stream in ends.values():
        assert stream[-1] == pytest.approx(max(stream), rel=0.05)
    naive = model_of(layers=24, zero_init=False, norm=norm)
    with torch.no_grad():
        for block in naive.decoder.blocks:
            for matrix in (block.attention.out, block.mlp.down):
                matrix.weight *= 48**0.5
        kept: list[Tensor] = []
        naive.states(IDS[:, :-1], kept=kept)
    assert rms(kept[-1]) > 3 * max(last)


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_gradients_keep_their_scale_by_depth(norm: NormKind) -> None:
    totals = [measured(depth, False, norm)[2] for depth in DEPTHS]
    assert max(totals) / min(totals) < 2
    for depth in DEPTHS:
        _, norms, total = measured(depth, False, norm)
        blocks = [
            math.hypot(*(each for name, each in norms.items() if name.startswith(f"decoder.blocks.{n}.")))
            for n in range(depth)
        ]
        # Earlier blocks count for more, since what they add is large beside the embedding.
        assert 0.01 * total < min(blocks)
        assert max(blocks) < total
        assert norms["embedding.weight"] < total


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_gradients_of_zeroed_outputs_are_the_same_at_every_depth(norm: NormKind) -> None:
    """Nothing stands between them and the head: each has the gradient that it has in a shallow model."""
    for name in OUTPUTS:
        each = [
            measured(depth, True, norm)[1][f"decoder.blocks.{n}.{name}"]
            for depth in DEPTHS
            for n in (0, depth // 2, depth - 1)
        ]
        assert max(each) / min(each) < 1.5


# --------------------------------------------------------------------------------------- zeroed outputs
@pytest.mark.parametrize("depth", [4, 24])
def test_a_model_with_zeroed_outputs_begins_as_its_embedding(depth: int) -> None:
    model = model_of(layers=depth)
    kept: list[Tensor] = []
    with torch.no_grad():
        model.states(IDS[:, :-1], kept=kept)
        assert all(torch.equal(x, model.embedding(IDS[:, :-1])) for x in kept)
        logits = model(IDS[:, :-1])
        changed = IDS[:, :-1].clone()
        changed[:, 0] = (changed[:, 0] + 1) % 261
        assert torch.equal(model(changed)[:, 1:], logits[:, 1:])
        assert not torch.equal(model(changed)[:, 0], logits[:, 0])


@pytest.mark.parametrize("depth", [4, 24])
def test_zeroed_outputs_learn_at_the_first_step_and_what_is_before_them_at_the_second(depth: int) -> None:
    model = model_of(layers=depth)
    first = gradients(model)
    before = [n for n in first if n.endswith(BEFORE)]
    outputs = [n for n in first if n.endswith(OUTPUTS)]
    assert len(before) == len(outputs) == 2 * depth
    assert all(first[name].count_nonzero() == 0 for name in before)
    assert all(first[name].abs().max() > 0 for name in outputs)
    step(model)
    second = gradients(model)
    q, k, v = second[before[0]].split(64)
    assert all(part.abs().max() > 0 for part in (q, k, v, *second[before[1]].chunk(2)))
    assert all(second[name].abs().max() > 0 for name in before)


@pytest.mark.parametrize("depth", [4, 24])
def test_of_a_model_with_a_zeroed_head_the_head_learns_first(depth: int) -> None:
    model = model_of(layers=depth, tie_embeddings=False)
    assert loss_of(model).item() == pytest.approx(5.564520, abs=1e-5)  # ln 261
    first = gradients(model)
    assert first.pop("head.weight").abs().max() > 0
    assert all(each.count_nonzero() == 0 for each in first.values())


# ------------------------------------------------------------------------------- tables that serve twice
def untied_like(tied: Transformer) -> Transformer:
    """A model of the same numbers whose head is a table of its own."""
    model = Transformer(dataclasses.replace(tied.settings, tie_embeddings=False))
    state = tied.state_dict()
    model.load_state_dict({**state, "head.weight": state["embedding.weight"].clone()})
    return model


@pytest.mark.parametrize("kind", ["decoder", "encoder-decoder"])
def test_a_table_that_serves_twice_is_counted_and_kept_once(kind: Kind, tmp_path: Path) -> None:
    """Encoder and decoder always share theirs. 261 x 64 = 16,704 numbers; the rest pads the vocabulary."""
    tied = model_of(kind, zero_init=False)
    untied = untied_like(tied)
    more = parameter_count(untied.settings) - parameter_count(tied.settings)
    assert more == tied.settings.padded_vocab_size * 64 == 16_704 + (320 - 261) * 64
    assert more == sum(p.numel() for p in untied.parameters()) - sum(p.numel() for p in tied.parameters())
    save_file(tied.state_dict(), tmp_path / "model.safetensors")
    state = load_file(tmp_path / "model.safetensors")
    assert [name for name, each in state.items() if each.shape[0] == 320] == ["embedding.weight"]
    again = Transformer(tied.settings)
    again.load_state_dict(state)
    source = {"memory": tied.encode(IDS[:, :9])} if kind == "encoder-decoder" else {}
    assert torch.equal(again(IDS[:, :-1], **source), tied(IDS[:, :-1], **source))
    step(again)
    assert again.head_weight is again.embedding.weight
    assert not torch.equal(again.embedding.weight, tied.embedding.weight)


@pytest.mark.parametrize("kind", ["decoder", "encoder-decoder"])
def test_a_table_that_serves_twice_has_the_gradient_of_both_uses(kind: Kind) -> None:
    tied = model_of(kind, zero_init=False)
    untied = untied_like(tied)
    both, apart = gradients(tied), gradients(untied)
    total = apart["embedding.weight"] + apart["head.weight"]
    torch.testing.assert_close(both["embedding.weight"], total, atol=1e-6, rtol=1e-4)
    step(untied)
    assert not torch.equal(untied.embedding.weight, untied.head.weight)
