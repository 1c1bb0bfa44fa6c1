"""Muon is torch's; updates that a guard refuses change nothing; averages and states are exact."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corpuskit.errors import SettingError
from corpuskit.train.model.transformer import ModelSettings, Transformer, initialise
from corpuskit.train.optim.guard import WINDOW, Guard
from corpuskit.train.optim.muon import Muon, Pieces, orthogonalise
from corpuskit.train.optim.optimizer import Optimizer
from corpuskit.train.parallel.layout import Layout, Partition, Rank, fused_parts, whole_layouts
from corpuskit.train.settings.settings import Optimization

ONE = torch.ones(())


def make_model() -> Transformer:
    model = Transformer(
        ModelSettings(vocab_size=50, layers=2, width=16, heads=2, kv_heads=1, hidden=24, context=8)
    )
    initialise(model, 3)
    return model


def settings_of(optimizer: str, **change: Any) -> Optimization:
    usual = {"learning_rate": 1e-3, "muon_rate": 1e-3, "weight_decay": 0.1}
    return Optimization.model_validate({"optimizer": optimizer, **usual, **change})


def take_step(model: Transformer, optimizer: Optimizer, seed: int, keep: Tensor | None = None) -> None:
    ids = torch.randint(0, 50, (4, 9), generator=torch.Generator().manual_seed(seed))
    model.loss(ids[:, :-1], ids[:, 1:]).backward()  # type: ignore[no-untyped-call]
    optimizer.step(1e-2, keep)
    optimizer.update_average(seed)


@pytest.mark.parametrize("shape", [(6, 6), (6, 20), (20, 6), (1, 5)])
def test_orthogonal_means_singular_values_near_one_and_the_same_vectors(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    for matrix, result in zip(matrices, orthogonalise(matrices, torch.float32), strict=True):
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        values = left.T @ result @ right.T
        assert values.diagonal().min() > 0.6
        assert values.diagonal().max() < 1.25
        assert torch.allclose(values, values.diagonal().diag(), atol=1e-4)


@pytest.mark.parametrize("shape", [(12, 12), (12, 40), (40, 12)])
def test_plain_matrices_move_as_with_torchs_muon(shape: tuple[int, int]) -> None:
    """To what bfloat16, which torch computes in, can tell apart: 1 % of an update."""
    chance = torch.Generator().manual_seed(2)
    ours, theirs = torch.randn(shape, generator=chance), nn.Parameter(torch.zeros(shape))
    begin = ours.clone()
    theirs.data.copy_(ours)
    muon = Muon({"a": ours}, {}, Pieces(0, (Rank(),), {"a": Layout(shape)}))
    reference = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.2, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        gradient = torch.randn(shape, generator=chance)
        theirs.grad = gradient.clone()
        muon.step({"a": gradient}, 0.1, 0.2, ONE)
        reference.step()
    moved = (ours - begin).norm()
    assert (ours - theirs.data).norm() < 0.02 * moved
    assert torch.allclose(muon.momentum_buffers["a"], reference.state[theirs]["momentum_buffer"], atol=1e-6)


def test_a_batch_of_matrices_moves_as_each_would_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = {str(number): shape for number, shape in enumerate([(8, 20), (20, 8), (8, 20), (8, 8), (20, 8)])}
    moved = []
    for numbers in (1, 320, 2**22):
        monkeypatch.setattr("corpuskit.train.model.cost.BATCH_NUMBERS", (numbers, numbers))
        chance = torch.Generator().manual_seed(4)
        matrices = {name: torch.randn(shape, generator=chance) for name, shape in shapes.items()}
        gradients = {name: torch.randn(shape, generator=chance) for name, shape in shapes.items()}
        layouts = {name: Layout(shape) for name, shape in shapes.items()}
        Muon(matrices, {}, Pieces(0, (Rank(),), layouts)).step(gradients, 0.1, 0.0, ONE)
        moved.append(matrices)
    for other in moved[1:]:
        torch.testing.assert_close(moved[0], other)


def test_fused_matrices_move_as_they_would_apart() -> None:
    chance = torch.Generator().manual_seed(4)
    parts = [torch.randn(rows, 8, generator=chance) for rows in (8, 4, 4)]
    gradients = [torch.randn(rows, 8, generator=chance) for rows in (8, 4, 4)]
    fused = torch.cat(parts)
    Muon({"x": fused}, {"x": (8, 4, 4)}, Pieces(0, (Rank(),), {"x": Layout((16, 8))})).step(
        {"x": torch.cat(gradients)}, 0.1, 0.0, ONE
    )
    apart = {str(n): each for n, each in enumerate(parts)}
    layouts = {name: Layout(tuple(each.shape)) for name, each in apart.items()}
    muon = Muon(apart, {}, Pieces(0, (Rank(),), layouts))
    muon.step({str(n): each for n, each in enumerate(gradients)}, 0.1, 0.0, ONE)
    assert torch.allclose(fused, torch.cat([apart["0"], apart["1"], apart["2"]]), atol=1e-6)


@pytest.mark.parametrize("poison", [math.nan, math.inf, 0.0])
@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_a_refused_update_changes_no_bit(kind: str, poison: float) -> None:
    model = make_model()
    optimizer = Optimizer(model, settings_of(kind, weight_decay=0.3))
    for seed in range(3):
        take_step(model, optimizer, seed, ONE)
    before = {name: each.clone() for name, each in {**model.state_dict(), **optimizer.state()}.items()}
    gradients = {name: torch.full_like(each, poison) for name, each in optimizer.gradients().items()}
    optimizer.step(1e-2, torch.zeros(()), gradients)
    for name, each in {**model.state_dict(), **optimizer.state()}.items():
        assert torch.equal(each, before[name]), name
    assert float(optimizer.steps) == 3
    take_step(model, optimizer, 9, ONE)
    assert float(optimizer.steps) == 4


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_with_a_flag_that_keeps_all_it_is_the_plain_update(kind: str) -> None:
    (plain, first), (flagged, second) = (
        (model, Optimizer(model, settings_of(kind))) for model in (make_model(), make_model())
    )
    for seed in range(3):
        take_step(plain, first, seed)
        take_step(flagged, second, seed, ONE)
    for name, each in plain.state_dict().items():
        assert torch.equal(each, flagged.state_dict()[name]), name


def test_adamw_is_torchs() -> None:
    ours, theirs = make_model(), make_model()
    optimizer = Optimizer(ours, settings_of("adamw", learning_rate=1e-2, weight_decay=0.2, beta2=0.95))
    matrices = [each for each in theirs.parameters() if each.dim() == 2]
    gains = [each for each in theirs.parameters() if each.dim() == 1]
    groups = [{"params": matrices}, {"params": gains, "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95), weight_decay=0.2, fused=True)
    for seed in range(3):
        take_step(ours, optimizer, seed)
        ids = torch.randint(0, 50, (4, 9), generator=torch.Generator().manual_seed(seed))
        theirs.loss(ids[:, :-1], ids[:, 1:]).backward()  # type: ignore[no-untyped-call]
        reference.step()
        reference.zero_grad()
    for name, each in ours.state_dict().items():
        assert torch.equal(each, theirs.state_dict()[name]), name


def test_muon_takes_the_matrices_between_embedding_and_head() -> None:
    names = Optimizer(make_model(), settings_of("muon")).state()
    by_muon = {name.removeprefix("momentum.") for name in names if name.startswith("momentum.")}
    assert by_muon == {
        f"decoder.blocks.{block}.{part}.weight"
        for block in (0, 1)
        for part in ("attention.qkv", "attention.out", "mlp.up", "mlp.down")
    }
    assert "exp_avg.embedding.weight" in names
    assert "exp_avg.decoder.blocks.0.attention.query_norm.weight" in names


def test_weight_decay_fades_with_the_rate_where_it_is_told_to() -> None:
    left = {}
    for fading in (False, True):
        model = make_model()
        settings = settings_of(
            "muon", learning_rate=1.0, muon_rate=1.0, weight_decay=0.5, weight_decay_fades=fading
        )
        optimizer = Optimizer(model, settings)
        start = model.embedding.weight.detach().clone()
        # With gradients of zero nothing but the decay moves the weights.
        zeros = {name: torch.zeros_like(each) for name, each in model.named_parameters()}
        optimizer.step(0.1, None, zeros)
        left[fading] = float((model.embedding.weight.detach() / start).nanmean())
    assert left[False] == pytest.approx(1 - 0.1 * 0.5)
    assert left[True] == pytest.approx(1 - 0.1 * 0.1 * 0.5)


def test_the_average_is_lent_and_the_own_weights_come_back() -> None:
    model = make_model()
    optimizer = Optimizer(model, settings_of("muon", ema=0.5))
    history = []
    for seed in range(4):
        take_step(model, optimizer, seed)
        history.append(model.embedding.weight.detach().clone())
    expected = make_model().embedding.weight.detach()
    for seed, weights in enumerate(history):
        decay = min(0.5, (1 + seed) / (10 + seed))
        expected = decay * expected + (1 - decay) * weights
    with optimizer.averaged():
        assert torch.allclose(model.embedding.weight, expected, atol=1e-7)
    assert torch.equal(model.embedding.weight, history[-1])


def test_foreign_states_are_refused() -> None:
    optimizer = Optimizer(make_model(), settings_of("muon"))
    state = optimizer.state()
    with pytest.raises(KeyError, match=r"exp_avg\.embedding\.weight"):
        optimizer.load({name: each for name, each in state.items() if name != "exp_avg.embedding.weight"})
    with pytest.raises(ValueError, match=r"exp_avg\.embedding\.weight has the shape \(2,\), not \(64, 16\)"):
        optimizer.load({**state, "exp_avg.embedding.weight": torch.zeros(2)})


def test_guards_refuse_what_is_not_finite_and_what_leaps() -> None:
    plain, strict = Guard(torch.device("cpu")), Guard(torch.device("cpu"), 6.0)
    chance = torch.Generator().manual_seed(1)

    def keep(guard: Guard, loss: float, norm: float) -> bool:
        return bool(guard.keep(torch.tensor(loss), torch.tensor(norm)))

    assert keep(strict, 1e6, 1.0)  # Nothing is known yet.
    strict = Guard(torch.device("cpu"), 6.0)
    for step in range(2 * WINDOW):
        noise = float(torch.randn((), generator=chance))
        assert keep(strict, 3.0 + 0.1 * noise, 1.0 + 0.05 * noise), step
        assert keep(plain, 3.0 + 0.1 * noise, 1.0)
    for guard in (plain, strict):
        before = {name: each.clone() for name, each in guard.state().items()}
        assert not keep(guard, math.nan, 1.0)
        assert not keep(guard, math.inf, 1.0)
        assert not keep(guard, 3.0, math.nan)
        assert all(torch.equal(each, before[name]) for name, each in guard.state().items())
    assert keep(plain, 5.0, 1.0)
    assert not keep(strict, 5.0, 1.0)
    assert not keep(strict, 3.0, 2.0)
    assert keep(strict, 1.0, 0.1)  # A fall is no spike.
    again = Guard(torch.device("cpu"), 6.0)
    again.load(strict.state())
    for loss in (3.0, 5.0, 3.1):
        assert keep(again, loss, 1.0) == keep(strict, loss, 1.0)


@pytest.mark.parametrize("data", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("shape", "partition"),
    [
        ((12, 6), Partition(0, (8, 2, 2))),
        ((12, 6), Partition(1, (6,))),
        ((12, 6), None),
        ((4,), None),
        ((2, 4), Partition(0, (2,))),
    ],
)
def test_every_element_has_one_first_holder(
    shape: tuple[int, ...], partition: Partition | None, data: int
) -> None:
    whole = torch.arange(math.prod(shape)).view(shape)
    for tensor in (1, 2):
        layout = Layout(shape, partition, data, tensor)
        again, counts = torch.full(shape, -1), torch.zeros(shape)
        for number in range(data * tensor):
            rank = Rank(number // tensor, number % tensor)
            local = layout.take(whole, rank)
            assert tuple(local.shape) == layout.local_shape(rank)
            layout.put(again, local, rank)
            if layout.is_first_holder(rank):
                layout.put(counts, torch.ones(local.shape) + layout.take(counts, rank), rank)
        assert torch.equal(again, whole)
        assert torch.equal(counts, torch.ones(shape))


def test_heads_stay_whole_when_a_fused_matrix_is_cut() -> None:
    """Queries 0-3 in two heads of two rows, one key and one value head of two rows each for either rank."""
    layout = Layout((12, 1), Partition(0, (4, 4, 4)), tensor=2)
    rows = torch.arange(12)[:, None]
    assert layout.take(rows, Rank(0, 1)).flatten().tolist() == [2, 3, 6, 7, 10, 11]


def test_parts_of_a_model() -> None:
    model = make_model()
    parts = fused_parts(model)
    assert parts["decoder.blocks.0.attention.qkv.weight"] == (16, 8, 8)
    assert parts["decoder.blocks.1.mlp.up.weight"] == (24, 24)
    layouts = whole_layouts(model)
    assert all(sum(rows) == layouts[name].shape[0] for name, rows in parts.items())
    pieces = Pieces(0, tuple(Rank(n) for n in range(3)), {name: layouts[name] for name in parts})
    assert sorted(name for names in pieces.owned for name in names) == sorted(parts)
    assert {len(names) for names in pieces.owned} <= {1, 2}


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_matrices_alone_can_learn(kind: str) -> None:
    """As where all else is frozen: then AdamW has nothing to do, and counts the updates all the same."""
    model = make_model()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.dim() == 2 and "embedding" not in name)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    optimizer = Optimizer(model, settings_of(kind, ema=0.9))
    take_step(model, optimizer, 0)
    take_step(model, optimizer, 1, torch.zeros(()))
    assert float(optimizer.steps) == 1
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) is not parameter.requires_grad or not parameter.any()
    again = Optimizer(model, settings_of(kind, ema=0.9))
    again.load(optimizer.state())
    assert float(again.steps) == 1


def test_a_model_of_which_nothing_learns_is_refused() -> None:
    with pytest.raises(SettingError, match="no parameter"):
        Optimizer(make_model().requires_grad_(False), settings_of("muon"))


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_what_takes_no_part_does_not_decay(kind: str) -> None:
    """A classifier and a block's matrix that no loss comes past stay, to the last bit."""
    model = make_model()
    model.unused = nn.Linear(16, 16)
    model.classifier = nn.Linear(16, 3)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    optimizer = Optimizer(model, settings_of(kind, weight_decay=0.5))
    for seed in range(3):
        take_step(model, optimizer, seed)
    for name, each in model.state_dict().items():
        assert torch.equal(each, before[name]) == name.startswith(("unused", "classifier")), name
