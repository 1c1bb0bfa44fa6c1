"""Adapters: they begin as nothing, add what their product is, merge, and stay with their base."""

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from corpuskit.errors import SettingError, TrainError
from corpuskit.train.device import compile_blocks
from corpuskit.train.hub.adapters import ADAPTER, adapter_bytes, read_adapter, to_peft, write_peft
from corpuskit.train.hub.families import family_of, to_theirs
from corpuskit.train.model.lora import (
    TARGETS,
    AdaptedMatrix,
    LoraSettings,
    SavedAdapter,
    adapted,
    adapter_size,
    adapter_state,
    add_adapters,
    base_fingerprint,
    initial_adapters,
    is_adapter,
    load_adapter,
    merge,
    merged_weights,
    trained_and_frozen,
)
from corpuskit.train.model.transformer import ModelSettings, Transformer, initialise
from corpuskit.train.optim.optimizer import Optimizer
from corpuskit.train.parallel.parallel import Parallel
from corpuskit.train.parallel.processes import Grid
from corpuskit.train.settings.settings import Optimization
from tests.train import ranks
from tests.train.test_model import random_ids

SHAPE = ModelSettings(
    vocab_size=100, layers=2, width=32, heads=4, kv_heads=2, hidden=48, context=16, zero_init=False
)
KINDS = ("decoder", "encoder", "encoder-decoder")
BLOCK = ("q", "k", "v", "o", "gate", "up", "down")


def base(kind: str = "decoder", seed: int = 0, **changes: Any) -> Transformer:
    model = Transformer(dataclasses.replace(SHAPE, kind=kind, **changes))
    initialise(model, seed)
    if not model.settings.tie_embeddings:
        torch.nn.init.normal_(model.head.weight, std=0.2, generator=torch.Generator().manual_seed(seed))
    return model.eval()


def loss_of(model: Transformer, rows: int = 4) -> Tensor:
    ids = random_ids(rows, 12)
    source = random_ids(rows, 9, seed=2) if model.settings.kind == "encoder-decoder" else None
    return model.loss(ids[:, :-1], ids[:, 1:], source=source) / (rows * 11)


def logits_of(model: Transformer) -> Tensor:
    ids = random_ids(4, 11)
    memory = model.encode(random_ids(4, 9, seed=2)) if model.settings.kind == "encoder-decoder" else None
    with torch.no_grad():
        out: Tensor = model(ids, memory=memory)
    return out


@torch.no_grad()
def train_by_hand(model: Transformer, seed: int = 3, size: float = 0.3) -> None:
    """Adapters that have learnt something, whatever it is."""
    chance = torch.Generator().manual_seed(seed)
    for name, each in model.named_parameters():
        if name.endswith("lora_b"):
            each.copy_(torch.randn(each.shape, generator=chance) * size)


def some(kind: str, rank: int = 4) -> LoraSettings:
    """All targets that a model of two matrices for head and embedding has."""
    return LoraSettings(rank, 16.0, TARGETS)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_first_loss_is_that_of_the_base_bit_by_bit(kind: str, precision: str) -> None:
    model = base(kind, tie_embeddings=False)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        before = loss_of(model)
        add_adapters(model, some(kind), seed=1)
        assert torch.equal(loss_of(model), before)
        train_by_hand(model)
        assert not torch.equal(loss_of(model), before)
    assert not torch.equal(loss_of(model), before)


@pytest.mark.parametrize("kind", KINDS)
def test_merged_answers_as_base_and_adapter_do(kind: str) -> None:
    model = base(kind, tie_embeddings=False)
    first, plain = logits_of(model), list(model.state_dict())
    add_adapters(model, some(kind), seed=1)
    train_by_hand(model)
    loss, logits = loss_of(model).item(), logits_of(model)
    apart = merged_weights(model.state_dict(), model.settings, some(kind))
    merge(model)
    assert abs(loss_of(model).item() - loss) <= 1e-5
    assert (logits_of(model) - logits).abs().max() <= 1e-4
    assert (logits - first).abs().max() > 0.01
    assert list(model.state_dict()) == plain
    assert not list(adapted(model))
    assert apart.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(apart[name], tensor), name
    assert all(each.requires_grad for each in model.parameters())
    # What was merged can have adapters again.
    add_adapters(model, some(kind), seed=1)
    assert (logits_of(model) - logits).abs().max() <= 1e-4


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_adapts_what_it_names_and_nothing_else(target: str) -> None:
    model = base("encoder-decoder", tie_embeddings=False)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    add_adapters(model, LoraSettings(2, 2.0, (target,)), seed=1)
    train_by_hand(model)
    merge(model)
    q, kv = 32, 16
    rows = {"q": (0, q), "k": (q, q + kv), "v": (q + kv, q + 2 * kv), "gate": (0, 48), "up": (48, 96)}
    ends = {"o": "out", "head": "head", "down": "down", "embedding": "embedding"}
    end = "up" if target in ("gate", "up") else "qkv" if target in ("q", "k", "v") else ends[target]
    changed = 0
    for name, tensor in model.state_dict().items():
        first, last = rows.get(target, (0, len(tensor)))
        if name.removesuffix(".weight").rpartition(".")[2] == end:
            same = (tensor == before[name]).all(dim=1)
            assert not same[first:last].any(), name
            assert same[:first].all(), name
            assert same[last:].all(), name
            changed += 1
        else:
            assert torch.equal(tensor, before[name]), name
    # Two encoder blocks, and two decoder blocks whose attention is double.
    assert changed == {"qkv": 6, "out": 6, "up": 4, "down": 4}.get(end, 1)


@pytest.mark.parametrize("target", ["head", "embedding"])
def test_what_is_tied_has_no_adapter(target: str) -> None:
    model = base(tie_embeddings=True)
    with pytest.raises(
        SettingError, match=f"(?s)target '{target}'.*tie_embeddings.*Leave head and embedding out"
    ):
        add_adapters(model, LoraSettings(2, 4, ("q", target)), seed=1)
    assert all(each.requires_grad for each in model.parameters())
    assert not list(adapted(model))


def test_an_adapter_is_as_large_as_the_formula_says() -> None:
    shape = dataclasses.replace(SHAPE, layers=4, width=256, kv_heads=4, hidden=512)
    settings = LoraSettings(2, 4, ("q", "k", "v", "o"))
    assert adapter_size(shape, settings) == 4 * 4 * 2 * 512 == 16_384
    for kind, targets in itertools.product(KINDS, (("q",), BLOCK, TARGETS)):
        model = base(kind, tie_embeddings=False)
        whole = sum(each.numel() for each in model.parameters())
        expected = adapter_size(model.settings, LoraSettings(3, 4, targets))
        add_adapters(model, LoraSettings(3, 4, targets), seed=1)
        assert trained_and_frozen(model) == (expected, whole)
        assert sum(each.numel() for each in adapter_state(model).values()) == expected


def test_what_is_kept_of_an_adapter_is_small(tmp_path: Path) -> None:
    model = base(layers=4, width=256, kv_heads=4, hidden=512, vocab_size=261, tie_embeddings=False)
    settings = LoraSettings(2, 4, ("q", "k", "v", "o"))
    add_adapters(model, settings, seed=1)
    (tmp_path / ADAPTER).write_bytes(adapter_bytes(adapter_state(model), settings, "f" * 64))
    optimizer = Optimizer(model, Optimization(optimizer="muon", learning_rate=1e-3, muon_rate=1e-2))
    moments = sum(each.numel() * 4 for each in optimizer.state().values())
    file = (tmp_path / ADAPTER).stat().st_size
    assert 4 * 16_384 < file < 80_000
    assert moments == 4 * (2 * 16_384 + 1)


def test_only_adapters_learn_and_adamw_updates_them() -> None:
    model = base(classes=3)
    add_adapters(model, LoraSettings(2, 4, BLOCK), seed=1)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    settings = Optimization(optimizer="muon", learning_rate=1e-2, muon_rate=1e-2)
    optimizer = Optimizer(model, settings)
    loss_of(model).backward()
    lengths = torch.tensor([3, 5, 7, 11])
    model.classify(random_ids(4, 11), lengths).square().sum().backward()
    assert set(optimizer.gradients()) == set(adapter_state(model))
    optimizer.step(1e-2)
    names = {name.partition(".")[2] for name in optimizer.state() if name != "steps"}
    assert names == set(adapter_state(model))
    assert {name.partition(".")[0] for name in optimizer.state()} == {"exp_avg", "exp_avg_sq", "steps"}
    for name, tensor in model.state_dict().items():
        # A learns from the second step on: before it, B is zero.
        learns = name.endswith("lora_b")
        assert torch.equal(tensor, before[name]) != learns or name == "classifier.weight", name


def test_an_adapter_goes_on_its_own_base_alone(tmp_path: Path) -> None:
    settings = LoraSettings(2, 4, ("q", "v"))
    model, other = base(seed=21, classes=3), base(seed=22, classes=3)
    fingerprint = base_fingerprint(model)
    assert fingerprint == base_fingerprint(base(seed=21, classes=3))  # wherever it lies
    add_adapters(model, settings, seed=1)
    train_by_hand(model)
    assert base_fingerprint(model) == fingerprint
    (tmp_path / ADAPTER).write_bytes(adapter_bytes(adapter_state(model), settings, fingerprint))
    saved = read_adapter(tmp_path)
    assert (saved.base, saved.settings) == (fingerprint, settings)
    with pytest.raises(TrainError) as caught:
        load_adapter(other, saved, base_fingerprint(other))
    for words in (str(tmp_path), fingerprint[:12], base_fingerprint(other)[:12], "Put it on the base"):
        assert words in str(caught.value)
    assert not list(adapted(other))

    again = base(seed=21, classes=3)
    load_adapter(again, saved, base_fingerprint(again))
    assert torch.equal(logits_of(again), logits_of(model))
    train_by_hand(again, seed=9)
    load_adapter(again, saved, base_fingerprint(again))
    assert torch.equal(logits_of(again), logits_of(model))


def test_an_adapter_that_does_not_fit_is_named() -> None:
    model = base()
    add_adapters(model, LoraSettings(2, 4, ("q",)), seed=1)
    state, fingerprint = adapter_state(model), base_fingerprint(model)
    other = SavedAdapter("a", fingerprint, LoraSettings(2, 4, ("k",)), state)
    with pytest.raises(TrainError, match=r"the adapter a does not fit.*adapters\.q\.lora_a"):
        load_adapter(base(), other, fingerprint)


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"{}"])
def test_a_damaged_adapter_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / ADAPTER).write_bytes(content)
    with pytest.raises(TrainError, match="is no adapter of corpuskit"):
        read_adapter(tmp_path)
    with pytest.raises(TrainError, match="there is no adapter"):
        read_adapter(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rank": 0}, "rank = 0"),
        ({"alpha": 0.0}, "alpha = 0"),
        ({"dropout": 1.0}, "dropout = 1"),
        ({"targets": ()}, "targets = "),
        ({"targets": ("q", "q")}, "named twice"),
        ({"targets": ("gates",)}, "'gates'.*Did you mean 'gate'"),
    ],
)
def test_settings_that_cannot_be_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=f"(?s){words}"):
        LoraSettings(**change)


def test_what_a_model_lacks_has_no_adapter() -> None:
    with pytest.raises(SettingError, match="target 'gate': a model with activation = 'gelu'"):
        add_adapters(base(activation="gelu"), LoraSettings(2, 4, ("gate",)), seed=1)
    model = base()
    add_adapters(model, LoraSettings(2, 4, ("q",)), seed=1)
    with pytest.raises(SettingError, match="has adapters already"):
        add_adapters(model, LoraSettings(2, 4, ("k",)), seed=1)


def test_adapters_begin_from_the_seed_alone() -> None:
    def numbers(seed: int, targets: tuple[str, ...]) -> dict[str, Tensor]:
        model = base()
        add_adapters(model, LoraSettings(4, 4, targets), seed)
        assert {n: t.shape for n, t in initial_adapters(model, seed)}.keys() == adapter_state(model).keys()
        return adapter_state(model)

    one, same, less, other = numbers(1, BLOCK), numbers(1, BLOCK), numbers(1, ("q",)), numbers(2, BLOCK)
    for name, tensor in one.items():
        assert torch.equal(same[name], tensor)
        assert name not in less or torch.equal(less[name], tensor)
        if name.endswith("lora_a"):
            assert not torch.equal(other[name], tensor)
            torch.testing.assert_close(tensor @ tensor.T, torch.eye(4), atol=1e-5, rtol=0)
        else:
            assert not tensor.any()


# ----------------------------------------------------------------------- what a step changes, in exact terms
def descend(model: Transformer, rate: float = 0.1) -> None:
    """One step of plain gradient descent."""
    loss_of(model).backward()
    with torch.no_grad():
        for each in model.parameters():
            if each.grad is not None:
                each -= rate * each.grad


@pytest.mark.parametrize("kind", KINDS)
def test_at_full_rank_the_first_step_is_that_of_full_fine_tuning(kind: str) -> None:
    """Rank = the most inputs that a target has, alpha = rank, gradient descent: A^T A = 1, so that
    W - rate (dL/dW A^T) A = W - rate dL/dW, for each matrix that is adapted."""
    full, tuned = base(kind).double(), base(kind).double()
    add_adapters(tuned, LoraSettings(48, 48, BLOCK), seed=1)
    with torch.no_grad():
        for name, tensor in initial_adapters(tuned, 1):  # Orthonormal to the precision of float64.
            if name.endswith("lora_a"):
                u, _, v = torch.linalg.svd(tensor.double(), full_matrices=False)
                tuned.get_parameter(name).copy_(u @ v)
    before = {name: each.clone() for name, each in full.state_dict().items()}
    descend(full)
    descend(tuned)
    merge(tuned)
    for name, tensor in tuned.state_dict().items():
        if name.endswith(("qkv.weight", "out.weight", "up.weight", "down.weight")):
            step = (full.state_dict()[name] - before[name]).norm()
            assert step > 0
            # The loss itself is computed in float32: gradients are equal to its rounding.
            assert (tensor - full.state_dict()[name]).norm() < 1e-5 * step, name
        else:
            assert torch.equal(tensor, before[name]), name


def test_at_a_lower_rank_it_is_a_projection_of_it() -> None:
    full, tuned = base(), base()
    settings = LoraSettings(4, 2.0, ("down",))
    add_adapters(tuned, settings, seed=1)
    a = tuned.get_parameter("decoder.blocks.0.mlp.down.adapters.down.lora_a").detach().clone()
    weight = full.decoder.blocks[0].mlp.down.weight
    before = weight.detach().clone()
    descend(full)
    step = weight.detach() - before
    descend(tuned)
    merge(tuned)
    found = tuned.decoder.blocks[0].mlp.down.weight.detach() - before
    torch.testing.assert_close(found, settings.scale**2 * step @ a.T @ a, atol=1e-6, rtol=1e-3)


def test_gradients_are_those_of_the_equation() -> None:
    """W + scale B A written out in float64, through autograd."""
    model = base("encoder-decoder", tie_embeddings=False).double()
    settings = some("encoder-decoder")
    add_adapters(model, settings, seed=1)
    train_by_hand(model)
    loss_of(model).backward()

    plain = base("encoder-decoder", tie_embeddings=False).double()
    learnt = {name: each.clone().requires_grad_() for name, each in adapter_state(model).items()}
    weights = dict(plain.state_dict())
    for module, part in adapted(model):
        total = weights[f"{module}.weight"]
        for target in part.adapters:
            a, b = (learnt[f"{module}.adapters.{target}.{half}"] for half in ("lora_a", "lora_b"))
            change = settings.scale * b @ a
            first, last = part.ranges[target] if isinstance(part, AdaptedMatrix) else (0, len(total))
            change = change if isinstance(part, AdaptedMatrix) else change.T
            total = total + torch.nn.functional.pad(change, (0, 0, first, len(total) - last))
        weights[f"{module}.weight"] = total

    class Loss(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = plain

        def forward(self) -> Tensor:
            return loss_of(self.model)

    loss = torch.func.functional_call(Loss(), {f"model.{n}": t for n, t in weights.items()}, ())
    expected = torch.autograd.grad(loss, list(learnt.values()))
    for (name, _), gradient in zip(learnt.items(), expected, strict=True):
        found = model.get_parameter(name).grad
        assert found is not None
        # Head and embedding are float32 products, where logits are made.
        torch.testing.assert_close(found, gradient, atol=1e-7, rtol=1e-5, msg=name)


def test_dropout_is_of_the_adapter_alone() -> None:
    model = base()
    add_adapters(model, LoraSettings(4, 4, BLOCK, dropout=0.5), seed=1)
    before = loss_of(model.train())
    assert torch.equal(before, loss_of(model))  # B is zero.
    train_by_hand(model)
    assert not torch.equal(loss_of(model), loss_of(model))
    model.eval()
    assert torch.equal(loss_of(model), loss_of(model))


# ------------------------------------------------------------------------------------- where models are used
@pytest.mark.parametrize("kind", ["decoder", "encoder-decoder"])
def test_a_text_continued_with_a_cache_is_read_as_without(kind: str) -> None:
    model = base(kind, tie_embeddings=False)
    add_adapters(model, some(kind), seed=1)
    train_by_hand(model)
    ids = random_ids(2, 10)
    with torch.no_grad():
        memory = model.encode(random_ids(2, 7, seed=2)) if kind == "encoder-decoder" else None
        expected, cache = model(ids, memory=memory), model.new_cache(2)
        found = [model(part, memory=memory, cache=cache) for part in (ids[:, :4], ids[:, 4:5], ids[:, 5:])]
    torch.testing.assert_close(torch.cat(found, 1), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore")  # torch.compile warns of much that is its own
def test_compiled_blocks_with_adapters_compute_the_same() -> None:
    model, plain = base(), base()
    for each in (model, plain):
        add_adapters(each, LoraSettings(4, 8, BLOCK), seed=1)
    assert compile_blocks(model, lambda: loss_of(model)) == ""
    for each in (model, plain):
        train_by_hand(each)
        loss_of(each).backward()
    torch.testing.assert_close(loss_of(model), loss_of(plain))
    for name, parameter in plain.named_parameters():
        found = model.get_parameter(name).grad
        assert (found is None) == (parameter.grad is None)
        if found is not None and parameter.grad is not None:
            torch.testing.assert_close(found, parameter.grad, atol=1e-5, rtol=1e-3)


def test_processes_train_the_adapters_that_one_trains(tmp_path: Path) -> None:
    lora = {"rank": 3, "alpha": 6.0, "targets": [*BLOCK]}
    cases: list[dict[str, Any]] = [
        {"kind": kind, "optimizer": "muon", "mode": mode, "lora": lora}
        for kind in ("decoder", "encoder-decoder")
        for mode in ("ddp", "fsdp")
    ]
    alone = Grid(torch.device("cpu"))
    for case, found in zip(cases, ranks.run_cases(2, 1, cases, tmp_path), strict=True):
        expected = ranks.run_case(alone, case)
        for key in ("losses", "norms", "measured", "readable"):
            assert found[key] == pytest.approx(expected[key], rel=1e-5), (case, key)
        assert expected["losses"][-1] < expected["losses"][0]
        assert found["weights"].keys() == expected["weights"].keys()
        # Two blocks of 7 adapters; two more whose second attention has 4.
        adapters = 14 if case["kind"] == "decoder" else 14 + 22
        assert sum(map(is_adapter, found["weights"])) == 2 * adapters
        for name, weights in expected["weights"].items():
            assert torch.allclose(torch.tensor(found["weights"][name]), torch.tensor(weights), atol=1e-4), (
                name
            )


def test_ranks_that_divide_matrices_refuse_adapters() -> None:
    model = base()
    add_adapters(model, LoraSettings(2, 4, ("q",)), seed=1)
    with pytest.raises(SettingError, match="tensor_parallel = 2 divides no model of which a part is frozen"):
        Parallel(model, Grid(torch.device("cpu"), 1, 2), ranks.loss_of)


# --------------------------------------------------------------------------------------- in the form of peft
FAMILIES = {
    "qwen3": {"norm": "rms"},
    "llama": {"norm": "rms", "qk_norm": False, "tie_embeddings": False},
    "stablelm": {"norm": "layer", "tie_embeddings": False},
    "modernbert": {"kind": "encoder", "kv_heads": 4, "qk_norm": False, "norm": "layer"},
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("targets", [("q", "v"), TARGETS])
def test_in_the_form_of_peft_it_adds_the_same(family: str, targets: tuple[str, ...], tmp_path: Path) -> None:
    """Their rule is weight + alpha / rank B A of the module of that name."""
    model = base(**FAMILIES[family])
    shape, rows = model.settings, 100
    assert family_of(shape).model_type == family
    if shape.tie_embeddings:
        targets = tuple(each for each in targets if each not in ("head", "embedding"))
    settings = LoraSettings(4, 6.0, targets)
    add_adapters(model, settings, seed=1)
    train_by_hand(model)
    plain = {name: each for name, each in model.state_dict().items() if not is_adapter(name)}
    theirs = to_theirs(plain, family_of(shape), shape, rows)
    tensors, config = to_peft(model, settings, "base", rows)
    for name, a in tensors.items():
        if "A" not in name.split("lora_")[1]:
            continue
        embedding = "lora_embedding_A" in name
        module = name.removeprefix("base_model.model.").rpartition(".lora_")[0]
        b = tensors[name.replace("lora_A", "lora_B").replace("lora_embedding_A", "lora_embedding_B")]
        key = [each for each in config["target_modules"] if module.endswith(f".{each}") or module == each]
        assert len(key) == 1, module
        rank, alpha = (
            config[f"{word}_pattern"].get(key[0], config[usual])
            for word, usual in (("rank", "r"), ("alpha", "lora_alpha"))
        )
        assert len(a) == rank
        change = alpha / rank * (b @ a)
        theirs[f"{module}.weight"] += change.T if embedding else change
    merge(model)
    expected = to_theirs(model.state_dict(), family_of(shape), shape, rows)
    for name, tensor in expected.items():
        torch.testing.assert_close(theirs[name], tensor, atol=1e-6, rtol=1e-5, msg=name)
    assert config["target_modules"] == sorted(set(config["target_modules"]))


def test_the_files_of_peft(tmp_path: Path) -> None:
    model, settings = base(norm="rms"), LoraSettings(2, 4, ("q", "down"))
    add_adapters(model, settings, seed=1)
    write_peft(tmp_path, model, settings, "the/base", 100)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["target_modules"] == ["down_proj", "q_proj"]
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (2, 4, "the/base")
    assert (tmp_path / "adapter_model.safetensors").stat().st_size > 4 * adapter_size(
        model.settings, settings
    )
    with pytest.raises(SettingError, match="no family of transformers"):
        write_peft(tmp_path, base("encoder-decoder"), settings, "b", 100)
    for changes in (
        {"positions": "learned", "qk_norm": False, "activation": "gelu", "norm": "layer", "kv_heads": 4},
        {"qk_norm": True, "activation": "relu", "norm": "layer", "kv_heads": 4},
    ):
        with pytest.raises(SettingError, match="has matrices that lie otherwise than ours"):
            write_peft(tmp_path, base(**changes), settings, "b", 100)
