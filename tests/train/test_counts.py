"""Memory by formula against what autograd keeps and what the process takes."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from corpuskit.train.model.cost import (
    Load,
    activation_memory,
    generation_memory,
    parameter_count,
    training_memory,
)
from corpuskit.train.model.transformer import ModelSettings, Transformer, initialise

ROOT = Path(__file__).parents[2]
SHAPE = ModelSettings(
    vocab_size=500, layers=3, width=128, heads=2, kv_heads=2, hidden=192, context=64, dropout=0.0
)
LOAD = Load(rows=3, positions=60)


def step_loss(model: Transformer, load: Load) -> torch.Tensor:
    ids = torch.zeros((load.rows, load.positions), dtype=torch.long)
    context: dict[str, Any] = {}
    if load.documents:
        context["documents"] = (torch.arange(load.positions) // 16).expand(load.rows, -1)
    with torch.autocast("cpu", torch.bfloat16, enabled=load.bf16):
        if model.settings.kind == "encoder-decoder":
            context["source"] = torch.zeros((load.rows, load.source), dtype=torch.long)
            if load.documents:
                context["source_documents"] = context["documents"][:, : load.source].contiguous()
        if load.predicted:
            context["positions"] = ids[:, : load.predicted]
        return model.loss(ids, ids[:, : load.targets], **context)


def kept_bytes(model: Transformer, load: Load) -> int:
    """Bytes that autograd keeps, without weights, their bfloat16 copies and the gradient of the head."""
    constant = {x.untyped_storage().data_ptr() for x in [*model.parameters(), *model.buffers()]}
    # That of the head's gradient has no rows for the padding of the vocabulary.
    shape = model.settings
    matrices = {tuple(p.shape) for p in model.parameters()} | {(shape.vocab_size, shape.width)}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        # A product keeps its matrix, or a bfloat16 copy, transposed.
        if tensor.untyped_storage().data_ptr() not in constant and not (
            {tuple(tensor.shape), tuple(tensor.T.shape)} & matrices if tensor.dim() == 2 else False
        ):
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step_loss(model, load)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize(
    ("shape", "load"),
    [
        ({}, {}),
        ({}, {"bf16": True}),
        ({"dropout": 0.1}, {}),
        ({"dropout": 0.1}, {"bf16": True}),
        ({"norm": "rms"}, {}),
        ({"norm": "rms", "kv_heads": 1}, {"bf16": True}),
        ({"qk_norm": False, "activation": "gelu"}, {"documents": True}),
        ({"kind": "encoder", "activation": "geglu"}, {"documents": True, "rows": 2}),
        ({"kind": "encoder", "dropout": 0.1}, {"bf16": True}),
        ({"kind": "encoder"}, {"predicted": 20}),
        ({"kind": "encoder-decoder"}, {"source": 24}),
        ({"kind": "encoder-decoder", "width": 32, "hidden": 32}, {"source": 60, "documents": True}),
        ({"kind": "encoder-decoder"}, {"source": 54, "documents": True, "bf16": True}),
        ({"heads": 4, "head_dim": 96}, {}),
        ({"norm": "rms", "kv_heads": 1, "head_dim": 16}, {"bf16": True}),
        ({"kind": "encoder-decoder", "norm": "rms", "head_dim": 96}, {"source": 24}),
        ({"kind": "encoder-decoder", "norm": "rms", "dropout": 0.1}, {"source": 50, "positions": 20}),
        ({"kind": "encoder-decoder", "qk_norm": False, "kv_heads": 1}, {"source": 60, "bf16": True}),
        ({"activation": "relu"}, {}),
        ({"activation": "relu2"}, {"bf16": True}),
        ({"positions": "none", "qk_norm": False, "kv_heads": 1}, {}),
        ({"positions": "learned", "qk_norm": False}, {"bf16": True}),
        ({"positions": "learned", "kind": "encoder-decoder", "activation": "relu"}, {"source": 24}),
    ],
)
def test_activations_are_what_autograd_keeps(shape: dict[str, Any], load: dict[str, Any]) -> None:
    settings, loaded = dataclasses.replace(SHAPE, **shape), dataclasses.replace(LOAD, **load)
    model = Transformer(settings)
    initialise(model, 1)
    model.train()
    assert activation_memory(settings, loaded) == pytest.approx(kept_bytes(model, loaded), rel=0.05)


def test_masks_by_document_are_counted_where_they_are_made() -> None:
    """On a GPU a kernel takes the documents of one side by their ends, and no mask is made."""
    masked, plain = (
        Load(rows=3, positions=60, source=24, documents=each, device="cuda") for each in (True, False)
    )
    assert activation_memory(SHAPE, masked) == activation_memory(SHAPE, plain)
    both = dataclasses.replace(SHAPE, kind="encoder-decoder")
    masks = 4 * SHAPE.layers * 3 * (24 * 24 + 60 * 60 + 60 * 24)
    assert activation_memory(both, masked) - activation_memory(both, plain) == masks


def test_parts_of_the_memory_follow_the_settings() -> None:
    parameters = parameter_count(SHAPE)
    plain = training_memory(SHAPE, LOAD)
    assert plain.moments == 8 * parameters
    assert training_memory(SHAPE, dataclasses.replace(LOAD, ema=True)).moments == 12 * parameters
    muon = training_memory(SHAPE, dataclasses.replace(LOAD, optimizer="muon")).moments
    assert 4 * parameters < muon < 8 * parameters
    assert training_memory(SHAPE, dataclasses.replace(LOAD, accumulates=True)).gradients == 4 * parameters
    cuda = training_memory(SHAPE, dataclasses.replace(LOAD, device="cuda"))
    assert (cuda.slack, plain.slack > 0) == (0, True)
    shared = training_memory(SHAPE, dataclasses.replace(LOAD, ranks=4))
    assert shared.moments == plain.moments // 4

    deep = dataclasses.replace(SHAPE, layers=24)
    checkpointed = activation_memory(deep, dataclasses.replace(LOAD, checkpointing=True))
    assert checkpointed < activation_memory(deep, LOAD) / 6


def test_memory_of_generation_is_that_of_the_cache() -> None:
    model = Transformer(SHAPE)
    cache = model.new_cache(rows=3)
    found = generation_memory(SHAPE, rows=3)
    assert found.activations == cache.keys.nbytes + cache.values.nbytes
    assert found.weights == 4 * sum(p.numel() for p in model.parameters())
    both = generation_memory(dataclasses.replace(SHAPE, kind="encoder-decoder"), rows=3)
    assert both.activations == 2 * found.activations
    assert generation_memory(dataclasses.replace(SHAPE, kind="encoder"), rows=3).activations == 0


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="needs Linux: a process's peak is read there"
)
def test_the_process_takes_what_the_formula_says() -> None:
    """One shape, in a fresh process; `python -m benchmarks.plan` measures many, and holds them to 20 %.

    Beside other tests the C library gave back more than it does alone, so the limit here is wider.
    """
    case = {
        "model": {**vars(SHAPE), "layers": 4, "vocab_size": 4096, "hidden": 384, "context": 128},
        "load": {"rows": 16, "positions": 128},
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.plan", "--one", json.dumps(case)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["formula"] == pytest.approx(found["measured"], rel=0.35)
