"""Training steps of ours, timed: ``python -m benchmarks.train_steps SHAPE`` prints JSON.

SHAPE and the answer are those of `benchmarks/peers/train_steps.py`; ``tied`` says whether the embedding is
the head too. The model has the peers' parts: LayerNorm, GELU, four times the width, and no norm of queries
and keys.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch
from torch import Tensor

from corpuskit.train.device import compile_blocks, device_name, freed_memory_kept, peak_flops
from corpuskit.train.model.cost import training_flops
from corpuskit.train.model.transformer import ModelSettings, Transformer, initialise
from corpuskit.train.optim.optimizer import Optimizer
from corpuskit.train.settings.settings import Optimization

WARM_UP = 3


def make_model(shape: dict[str, Any]) -> Transformer:
    """The model of a shape."""
    settings = ModelSettings(
        vocab_size=shape["vocab_size"],
        layers=shape["layers"],
        width=shape["width"],
        heads=shape["heads"],
        kv_heads=shape["heads"],
        hidden=4 * shape["width"],
        context=shape["context"],
        activation="gelu",
        qk_norm=False,
        tie_embeddings=shape["tied"],
    )
    model = Transformer(settings)
    initialise(model, 0)
    return model


def main() -> None:
    """Time the steps and print their seconds."""
    shape = json.loads(sys.argv[1])
    device = torch.device(shape.get("device", "cpu"))
    model = make_model(shape).to(device)
    optimizer = Optimizer(model, Optimization(optimizer="adamw", learning_rate=1e-3, weight_decay=0.1))
    generator = torch.Generator().manual_seed(0)
    size = (8, shape["rows"], shape["context"] + 1)
    rows = torch.randint(shape["vocab_size"], size, generator=generator).to(device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=shape["precision"] == "bf16")

    def loss_of(batch: Tensor) -> Tensor:
        with autocast:
            return model.loss(batch[:, :-1], batch[:, 1:])

    if shape.get("compile") and (failure := compile_blocks(model, lambda: loss_of(rows[0]))):
        raise RuntimeError(failure)
    seconds = []
    for step in range(WARM_UP + shape["steps"]):
        began = time.perf_counter()
        batch = rows[step % len(rows)]
        loss = loss_of(batch)
        (loss / batch[:, 1:].numel()).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(1e-3)
        loss.item()
        seconds.append(time.perf_counter() - began)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    answer = {
        "seconds": seconds[WARM_UP:],
        "parameters": parameters,
        "threads": torch.get_num_threads(),
        "flops": shape["rows"] * training_flops(model.settings, shape["context"]),
        "peak": peak_flops(device_name(device), shape["precision"]),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    with freed_memory_kept():  # as `corpuskit train` does
        main()
