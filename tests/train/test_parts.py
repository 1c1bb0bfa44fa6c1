"""Parts that can be exchanged, against what defines them: activations, norms, positions; who sees whom."""

import dataclasses
import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from corpuskit.train.device import ends_of
from corpuskit.train.hub.config import write_config
from corpuskit.train.hub.families import family_of
from corpuskit.train.model.cost import parameter_count, training_flops
from corpuskit.train.model.transformer import (
    MLP,
    Activation,
    Attention,
    Kind,
    ModelSettings,
    Norm,
    NormKind,
    Positions,
    Rotation,
    Transformer,
    initialise,
    is_real,
    places,
    rotary_tables,
    rotate,
)
from corpuskit.train.optim.optimizer import is_map
from corpuskit.train.settings.resolve import equal_hidden, resolve
from corpuskit.train.settings.settings import TrainSettings

SHAPE = ModelSettings(
    vocab_size=110, layers=2, width=64, heads=4, kv_heads=2, hidden=96, context=8, zero_init=False
)
POSITIONS: tuple[Positions, ...] = ("rope", "learned", "none")
IDS = torch.tensor([[5, 9, 9, 2, 7, 31]])
PERMUTATION = [3, 0, 5, 1, 4, 2]


def model_of(kind: Kind = "decoder", positions: Positions = "rope", **changes: Any) -> Transformer:
    model = Transformer(dataclasses.replace(SHAPE, kind=kind, positions=positions, **changes))
    initialise(model, 1)
    return model.eval()


@torch.inference_mode()
def layers_of(model: Transformer, ids: Tensor, **context: Any) -> list[Tensor]:
    """What comes out of each block, and last what the head reads."""
    kept: list[Tensor] = []
    states = model.states(ids, kept=kept, **context)
    return [*kept, states]


# ---------------------------------------------------------------------------------------- activations
X = [-3.0, -1.0, -0.1, 0.0, 0.5, 2.0]


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("gelu", [-0.004050, -0.158655, -0.046017, 0.000000, 0.345731, 1.954500]),
        ("relu", [0.0, 0.0, 0.0, 0.0, 0.5, 2.0]),
        ("relu2", [0.0, 0.0, 0.0, 0.0, 0.25, 4.0]),
    ],
)
def test_an_activation_without_a_gate_is_what_it_is_called(
    activation: Activation, expected: list[float]
) -> None:
    mlp = MLP(ModelSettings(8, 1, 2, 1, 1, 1, 4, activation=activation))
    with torch.no_grad():
        mlp.up.weight.copy_(torch.tensor([[1.0, 0.0]]))
        mlp.down.weight.copy_(torch.tensor([[1.0], [0.0]]))
    found = mlp(torch.tensor([[x, 7.0] for x in X]))[:, 0]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("activation", "expected"), [("swiglu", -2.452723), ("geglu", -2.799578)])
def test_it_is_the_gate_that_goes_through_the_function(activation: Activation, expected: float) -> None:
    mlp = MLP(ModelSettings(8, 1, 2, 1, 1, 1, 4, activation=activation))
    with torch.no_grad():
        mlp.up.weight.copy_(torch.eye(2))  # The gate's row is the first.
        mlp.down.weight.copy_(torch.tensor([[1.0], [0.0]]))
    assert mlp(torch.tensor([1.5, -2.0]))[0].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"activation": "gelu", "norm": "rms", "qk_norm": False}, "hidden_act", "gelu"),
        ({"activation": "relu2", "norm": "rms", "qk_norm": False}, "hidden_act", "relu2"),
        ({"activation": "relu", "qk_norm": False}, "hidden_act", "relu"),
        ({"activation": "geglu"}, "hidden_act", "gelu"),
        ({"activation": "swiglu"}, "hidden_act", "silu"),
        (
            {"activation": "gelu", "qk_norm": False, "positions": "learned", "kv_heads": 4},
            "activation_function",
            "gelu",
        ),
    ],
)
def test_an_export_says_the_activation_in_use(changes: dict[str, Any], name: str, said: str) -> None:
    """The exact GELU, which is what is computed here, is "gelu" there; the one by tanh has other names."""
    settings = dataclasses.replace(SHAPE, **changes)
    special = dict.fromkeys(("bos", "eos", "pad", "mask", "cls", "sep"), 0)
    assert write_config(family_of(settings), settings, 110, special)[name] == said


# ---------------------------------------------------------------------------------------------- norms
ROWS = [[3.0, -4.0, 0.0, 0.0], [1e-3, -1e-3, 1e-3, 1e-3], [0.0] * 4, [1000.0, 1000.0, 1000.0, 1001.0]]
NORMED: dict[NormKind, list[list[float]]] = {
    "rms": [
        [1.2, -1.6, 0, 0],
        [0.301511, -0.301511, 0.301511, 0.301511],
        [0, 0, 0, 0],
        [0.99975, 0.99975, 0.99975, 1.00075],
    ],
    "layer": [
        [1.30655, -1.50756, 0.100504, 0.100504],
        [0.152499, -0.457496, 0.152499, 0.152499],
        [0, 0, 0, 0],
        [-0.577335, -0.577335, -0.577335, 1.732],
    ],
}


def norm_of(kind: NormKind) -> Norm:
    return Norm(ModelSettings(8, 1, 4, 1, 1, 4, 4, norm=kind, norm_eps=1e-5), 4)


@pytest.mark.parametrize("kind", ["rms", "layer"])
def test_norms_are_their_definition(kind: NormKind) -> None:
    """Their number is added inside of the root, the variance is that over n."""
    x = torch.tensor(ROWS, requires_grad=True)
    found, expected = norm_of(kind)(x), torch.tensor(NORMED[kind])
    torch.testing.assert_close(found[:3], expected[:3], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[3], expected[3], atol=1e-3, rtol=0)
    assert torch.equal(found[2], torch.zeros(4))
    found[2].sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("kind", ["rms", "layer"])
def test_norms_of_bfloat16_take_their_statistics_in_float32(kind: NormKind) -> None:
    generator = torch.Generator().manual_seed(1)
    rows = 100 + torch.randn(64, 512, generator=generator)
    norm = Norm(ModelSettings(8, 1, 512, 1, 1, 4, 4, norm=kind, norm_eps=1e-5), 512)
    given = rows.bfloat16()
    found, exact = norm(given).detach(), norm(given.float()).detach()
    # One rounding of the result; statistics in bfloat16 would be off by far more.
    torch.testing.assert_close(found.float(), exact, atol=2**-8 * float(exact.abs().max()), rtol=0)


# ------------------------------------------------------------------------------------------ positions
def test_an_encoder_without_positions_knows_no_order() -> None:
    model = model_of("encoder", "none")
    with torch.inference_mode():
        plain, permuted = model.encode(IDS)[0], model.encode(IDS[:, PERMUTATION])[0]
    torch.testing.assert_close(permuted, plain[PERMUTATION], atol=1e-5, rtol=0)
    torch.testing.assert_close(plain[1], plain[2], atol=1e-5, rtol=0)  # The same token at both places.
    torch.testing.assert_close(permuted.mean(0), plain.mean(0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("positions", ["learned", "rope"])
def test_an_encoder_with_positions_knows_the_order(positions: Positions) -> None:
    model = model_of("encoder", positions)
    with torch.inference_mode():
        plain, permuted = model.encode(IDS)[0], model.encode(IDS[:, PERMUTATION])[0]
    assert (permuted - plain[PERMUTATION]).abs().max() > 1e-3


def test_a_decoder_without_positions_knows_the_order_by_what_it_sees() -> None:
    model = model_of("decoder", "none")
    before = [4, 2, 0, 3, 1, 5]  # The last place stays.
    plain, permuted = layers_of(model, IDS), layers_of(model, IDS[:, before])
    # Behind one block the last place has read the same tokens, whatever their order.
    torch.testing.assert_close(permuted[0][0, -1], plain[0][0, -1], atol=1e-5, rtol=0)
    assert (permuted[-1][0] - plain[-1][0, before]).abs().max() > 1e-3


def test_scores_of_rotary_positions_depend_on_distances_alone() -> None:
    """The same ids at places 0.. and at places 2..: all products of queries and keys are equal."""
    settings = dataclasses.replace(SHAPE, context=16)
    model = Transformer(settings)
    initialise(model, 1)
    attention = model.decoder.blocks[0].attention
    assert isinstance(attention, Attention)
    tables = rotary_tables(settings)

    def scores(first: int) -> Tensor:
        x = model.decoder.blocks[0].attention_norm(model.embedding(IDS))
        q, k, _ = attention.qkv(x).split([64, 32, 32], dim=-1)
        q, k = (part.view(1, 6, -1, 16).transpose(1, 2) for part in (q, k))
        turned = Rotation(tables.cos[first : first + 6], tables.sin[first : first + 6])
        return rotate(q, turned)[:, ::2] @ rotate(k, turned).mT

    torch.testing.assert_close(scores(0), scores(2), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["decoder", "encoder", "encoder-decoder"])
def test_a_table_of_learned_positions_is_not_read_past_its_end(kind: Kind) -> None:
    model = model_of(kind, "learned")
    memory = {"memory": model.encode(IDS)} if kind == "encoder-decoder" else {}
    assert model.states(torch.ones(1, 8, dtype=torch.long), **memory).shape == (1, 8, 64)
    nine = torch.ones(1, 9, dtype=torch.long)
    with pytest.raises(ValueError, match=r"9 positions .* context 8, .*learnt a vector: give 8 or fewer"):
        model.states(nine, **memory)
    if kind != "decoder":
        with pytest.raises(ValueError, match=r"9 positions .* 8, for each of which .* with context = 9"):
            model.encode(nine)
    if kind != "encoder":
        cache = model.new_cache(1)
        model.states(nine[:, :8], cache=cache, **memory)
        with pytest.raises(ValueError, match=r"9 positions .* 8, for each"):
            model.states(nine[:, :1], cache=cache, **memory)


@pytest.mark.parametrize("kind", ["decoder", "encoder", "encoder-decoder"])
def test_a_learned_position_is_added_where_it_stands(kind: Kind) -> None:
    model = model_of(kind, "learned")
    stack = model.encoder if kind == "encoder" else model.decoder
    memory = {"memory": model.encode(IDS)} if kind == "encoder-decoder" else {}
    before = layers_of(model, IDS, **memory)[-1]
    with torch.no_grad():
        stack.positions.weight[6:] += 1.0  # Beyond the row.
    assert torch.equal(layers_of(model, IDS, **memory)[-1], before)
    with torch.no_grad():
        stack.positions.weight[4, 0] += 1.0
    changed = (layers_of(model, IDS, **memory)[-1] - before).abs().amax(2)[0] > 1e-4
    assert changed.tolist() == ([True] * 6 if kind == "encoder" else [False] * 4 + [True] * 2)


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_a_document_in_the_middle_of_a_row_is_read_as_alone(kind: Kind, positions: Positions) -> None:
    model = model_of(kind, positions)
    one, other = IDS[:, :3], IDS[:, 2:6]
    documents = torch.tensor([[4, 4, 4, 7, 7, 7, 7]])
    with torch.inference_mode():
        packed = model.states(torch.cat([one, other], 1), documents=documents)
        alone = torch.cat([model.states(one), model.states(other)], 1)
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=0)


def test_places_in_documents_are_the_same_by_their_ends() -> None:
    documents = torch.tensor([[1, 1, 2, 2, 2, 3], [0, 1, 1, 1, 1, 1], [5, 5, 5, 5, 5, 5]])
    expected = [[0, 1, 0, 1, 2, 0], [0, 0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]]
    assert places(documents, documents.shape).tolist() == expected
    assert places(ends_of(documents), documents.shape).tolist() == expected


@pytest.mark.parametrize(
    ("kind", "positions", "activation"),
    [*itertools.product(("decoder", "encoder", "encoder-decoder"), POSITIONS, ("relu", "swiglu"))],
)
def test_the_formulas_count_what_is_there(kind: Kind, positions: Positions, activation: Activation) -> None:
    model = model_of(kind, positions, activation=activation)
    assert parameter_count(model.settings) == sum(each.numel() for each in model.parameters())
    none = dataclasses.replace(model.settings, positions="none")
    tables = (2 if kind == "encoder-decoder" else 1) * 8 * 64 if positions == "learned" else 0
    assert parameter_count(model.settings) - parameter_count(none) == tables
    # A table is looked up, and costs no operation that is counted.
    assert training_flops(model.settings, 8, 8) == training_flops(none, 8, 8)


def test_a_table_of_positions_is_no_map_between_states() -> None:
    names = dict(model_of("encoder-decoder", "learned").named_parameters())
    tables = {name for name in names if name.endswith("positions.weight")}
    assert tables == {"encoder.positions.weight", "decoder.positions.weight"}
    assert not any(map(is_map, [*tables, "embedding.weight"]))
    assert is_map("decoder.blocks.0.mlp.up.weight")


# ----------------------------------------------------------------------------------------------- leaks
@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("norm", ["layer", "rms"])
@pytest.mark.parametrize("kind", ["decoder", "encoder-decoder"])
def test_nothing_of_a_later_token_is_seen_at_any_layer(
    kind: Kind, norm: NormKind, positions: Positions
) -> None:
    model = model_of(kind, positions, norm=norm)
    target = torch.tensor([[1, 97, 98, 99, 100, 101, 102]])
    changed = target.clone()
    changed[0, 4:] = torch.tensor([3, 5, 8])
    memory = {"memory": model.encode(torch.tensor([[65, 66, 67, 68]]))} if kind != "decoder" else {}
    with torch.inference_mode():
        before, after = model(target, **memory), model(changed, **memory)
    torch.testing.assert_close(before[:, :4], after[:, :4], atol=1e-6, rtol=0)
    assert (before[:, 4:] - after[:, 4:]).abs().max() > 1e-3
    for one, other in zip(
        layers_of(model, target, **memory), layers_of(model, changed, **memory), strict=True
    ):
        torch.testing.assert_close(one[:, :4], other[:, :4], atol=1e-6, rtol=0)
        assert not torch.equal(one[:, 4:], other[:, 4:])


@pytest.mark.parametrize("positions", POSITIONS)
def test_padding_of_a_source_changes_nothing_and_its_end_is_seen_from_its_beginning(
    positions: Positions,
) -> None:
    model = model_of("encoder-decoder", positions, context=16)
    target, source = torch.tensor([[1, 97, 98, 99]]), torch.tensor([[65, 66, 67, 68]])
    with torch.inference_mode():
        expected = model(target, memory=model.encode(source))
        for padding in (0, 1, 2, 7):
            padded = torch.nn.functional.pad(source, (0, padding), value=100)
            real = is_real(padded, torch.tensor([4]))
            memory = model.encode(padded, real.long())
            found = model(target, memory=memory, memory_mask=real[:, None])
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        other = model.encode(torch.tensor([[65, 66, 67, 69]]))
    assert (other[:, 0] - model.encode(source)[:, 0]).abs().max() > 1e-3


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("kind", ["decoder", "encoder-decoder"])
def test_a_text_read_token_by_token_is_read_as_a_whole(kind: Kind, positions: Positions) -> None:
    model = model_of(kind, positions)
    memory = {"memory": model.encode(IDS)} if kind == "encoder-decoder" else {}
    with torch.inference_mode():
        whole, cache = model(IDS, **memory), model.new_cache(1)
        pieces = [model(IDS[:, n : n + 1], cache=cache, **memory) for n in range(6)]
    torch.testing.assert_close(torch.cat(pieces, 1), whole, atol=1e-5, rtol=0)


# ------------------------------------------------------------------------------------------ equal size
@pytest.mark.parametrize("activation", ["swiglu", "geglu", "gelu", "relu", "relu2"])
def test_an_mlp_without_a_gate_is_as_large_as_one_with(activation: Activation) -> None:
    hidden = equal_hidden(activation, 128)
    assert hidden == (128 if activation in ("swiglu", "geglu") else 192)
    settings = ModelSettings(261, 2, 64, 4, 4, hidden, 128, activation=activation)
    assert sum(each.numel() for each in MLP(settings).parameters()) == 24_576
    for odd in (1, 171, 385):
        numbers = (3 if settings.is_gated else 2) * equal_hidden(activation, odd)
        assert math.isclose(numbers, 3 * odd, abs_tol=1)


@pytest.mark.parametrize("size", ["nano", "tiny", "small", "15m", "124m"])
def test_a_run_without_a_hidden_width_is_as_large_with_each_activation(size: str) -> None:
    def hidden(activation: str) -> int:
        settings = TrainSettings(size=size, activation=activation)
        return int(resolve(settings, 10**9, "cpu", False).hidden or 0)

    gated = hidden("swiglu")
    assert gated == hidden("geglu")
    assert {2 * hidden(each) for each in ("gelu", "relu", "relu2")} == {3 * gated}


def test_norms_without_a_bias_have_as_many_numbers() -> None:
    for positions, more in (("rope", 0), ("none", 0), ("learned", 8 * 64)):
        for norm in ("layer", "rms"):
            changed = dataclasses.replace(SHAPE, norm=norm, positions=positions)
            assert parameter_count(changed) - parameter_count(SHAPE) == more


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"positions": "sinusoidal"}, "positions must be one of rope, learned, none, not 'sinusoidal'"),
        ({"activation": "tanh"}, "activation must be one of swiglu, geglu, gelu, relu, relu2"),
        (
            {"positions": "none", "rope_scaling": (8.0, 1.0, 4.0, 64.0)},
            "rope_scaling is for positions = 'rope', not 'none'",
        ),
    ],
)
def test_parts_that_there_are_not_are_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SHAPE, **changes)
