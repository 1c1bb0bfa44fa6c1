"""Compiled blocks compute what the others do; a compiler that fails costs a warning, not the run."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from corpuskit.train import ModelSettings, TrainSettings, Transformer, train_model
from corpuskit.train.device import WORTH_FLOPS, compile_blocks, compiling_pays, graphs_compiled, uncompiled
from corpuskit.train.model.loss import TokenLosses
from corpuskit.train.model.transformer import Block, initialise

SHAPE = ModelSettings(vocab_size=100, layers=2, width=32, heads=2, kv_heads=2, hidden=64, context=16)


def a_model(**change: Any) -> Transformer:
    model = Transformer(dataclasses.replace(SHAPE, **change))
    initialise(model, 1)
    return model


def test_compiling_is_for_gpus_and_long_runs() -> None:
    assert compiling_pays("cuda", 1.0)
    assert compiling_pays("cpu", WORTH_FLOPS)
    assert not compiling_pays("cpu", WORTH_FLOPS / 2)


def test_a_compiler_that_fails_leaves_the_model_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(block: Block, **options: Any) -> None:
        def call(*arguments: Any) -> None:
            raise RuntimeError("no compiler was found\nin a long list of places")

        block._compiled_call_impl = call

    monkeypatch.setattr(Block, "compile", broken)
    monkeypatch.setattr(TokenLosses, "compile", lambda token_losses: None)
    model, ids = a_model(), torch.arange(8)[None]
    expected = a_model().loss(ids, ids)
    assert compile_blocks(model, lambda: model.loss(ids, ids)) == "RuntimeError: no compiler was found"
    assert torch.equal(model.loss(ids, ids), expected)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_run_says_that_it_goes_on_without(
    run: Path, small: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpuskit.train.setup.compile_blocks", lambda *_: "RuntimeError: no compiler")
    settings = TrainSettings.checked({**small.given(), "compile": "on", "steps": 2})
    train_model(run, tmp_path / "m", settings)
    first = json.loads((tmp_path / "m" / "logs" / "train.jsonl").read_text().splitlines()[0])
    assert [w for w in first["warnings"] if "goes on without it: RuntimeError: no compiler" in w]


def test_short_runs_on_a_cpu_are_not_compiled(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    train_model(run, tmp_path / "m", TrainSettings.checked({**small.given(), "steps": 2}))
    document = json.loads((tmp_path / "m" / "model.json").read_text())
    assert document["training"]["settings"]["compile"] == "off"


@pytest.mark.parametrize(("factor", "norm"), [(float("nan"), "nan"), (0.5, r"[\d.]+")])
def test_a_compiler_that_computes_something_else_is_not_used(
    factor: float, norm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a new model, whose blocks are the identity as long as their last matrices are zero."""

    def broken(block: Block, **options: Any) -> None:
        block._compiled_call_impl = lambda x, *rest, **more: (
            x + factor * (block.forward(x, *rest, **more) - x)
        )

    monkeypatch.setattr(Block, "compile", broken)
    monkeypatch.setattr(TokenLosses, "compile", lambda token_losses: None)
    model, ids = a_model(), torch.arange(8)[None]
    expected = a_model().loss(ids, ids)
    assert re.match(
        rf"the gradient of \S+ is {norm} long, not", compile_blocks(model, lambda: model.loss(ids, ids))
    )
    assert torch.equal(model.loss(ids, ids), expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch.compile warns of much that is its own
def test_compiled_blocks_compute_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of as many blocks as there may be: one compilation serves all."""
    monkeypatch.setattr("torch._dynamo.config.fail_on_recompile_limit_hit", True)
    model, plain = (a_model(layers=10, zero_init=False) for _ in range(2))
    ids = torch.randint(100, (3, 16), generator=torch.Generator().manual_seed(0))
    assert compile_blocks(model, lambda: model.loss(ids, ids)) == ""
    for each in (model, plain):
        each.loss(ids, ids).backward()  # type: ignore[no-untyped-call]
    for (name, one), (_, other) in zip(model.named_parameters(), plain.named_parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5, msg=name)
    with uncompiled():
        assert torch.equal(model.loss(ids[:, :7], ids[:, :7]), plain.loss(ids[:, :7], ids[:, :7]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch.compile warns of much that is its own
def test_a_compiled_run_resumes_bit_for_bit(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    settings = TrainSettings.checked({**small.given(), "compile": "on"})
    train_model(run, tmp_path / "whole", settings)
    train_model(run, tmp_path / "halves", settings, pause_at=10)
    train_model(run, tmp_path / "halves", resume=True)
    for file in ("model.safetensors", "checkpoints/step-00000020/model.safetensors"):
        whole, halves = tmp_path / "whole" / file, tmp_path / "halves" / file
        if whole.exists():
            assert whole.read_bytes() == halves.read_bytes()


def test_what_is_compiled_on_the_way_is_told(
    run: Path, small: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was compiled before the first step is not; a later graph is, with how many there are."""
    counts = iter([3, 3, 3, 5, *[5] * 100])
    monkeypatch.setattr("corpuskit.train.loop.graphs_compiled", lambda: next(counts))
    train_model(run, tmp_path / "m", small.model_copy(update={"steps": 4}))
    lines = [json.loads(line) for line in (tmp_path / "m" / "logs" / "train.jsonl").read_text().splitlines()]
    assert [(e["step"], e["graphs"]) for e in lines if e["event"] == "compile"] == [(3, 2)]


def test_graphs_are_counted() -> None:
    before = graphs_compiled()
    torch.compile(lambda x: x + 1, backend="eager")(torch.ones(3))
    assert graphs_compiled() == before + 1
