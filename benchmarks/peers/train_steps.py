"""Training steps of a peer, timed: ``python train_steps.py {nanogpt,litgpt} SHAPE`` prints JSON.

Run by the peers' Python. SHAPE is JSON: layers, width, heads, context, rows, vocab_size, precision ("fp32"
or "bf16"), steps, folder (of nanoGPT's source), and perhaps device and compile. Each step does what the
peer's training script does: forward, loss, backward, clipping to 1, fused AdamW where the peer has it, on
random tokens made beforehand.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

WARM_UP = 3


def nanogpt(shape: dict[str, Any]) -> tuple[torch.nn.Module, torch.optim.Optimizer, Callable[..., Any]]:
    """Its GPT, the optimizer that it configures, and its loss; source: model.py and train.py."""
    spec = importlib.util.spec_from_file_location("nanogpt_model", Path(shape["folder"]) / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with contextlib.redirect_stdout(sys.stderr):
        spec.loader.exec_module(module)
        config = module.GPTConfig(
            block_size=shape["context"], vocab_size=shape["vocab_size"], n_layer=shape["layers"],
            n_head=shape["heads"], n_embd=shape["width"], dropout=0.0, bias=False,
        )  # fmt: skip
        model = module.GPT(config).to(shape.get("device", "cpu"))
        optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.99), shape.get("device", "cpu"))
    called = torch.compile(model) if shape.get("compile") else model
    return model, optimizer, lambda ids, targets: called(ids, targets)[1]


def litgpt(shape: dict[str, Any]) -> tuple[torch.nn.Module, torch.optim.Optimizer, Callable[..., Any]]:
    """Its GPT with the same parts as ours, and AdamW as its pretraining makes it (not fused)."""
    from litgpt.config import Config
    from litgpt.model import GPT
    from litgpt.utils import chunked_cross_entropy

    config = Config(
        block_size=shape["context"], vocab_size=shape["vocab_size"], padded_vocab_size=shape["vocab_size"],
        n_layer=shape["layers"], n_head=shape["heads"], n_embd=shape["width"], rotary_percentage=1.0,
        parallel_residual=False, bias=False, norm_class_name="LayerNorm", mlp_class_name="GptNeoxMLP",
        intermediate_size=4 * shape["width"], gelu_approximate="none",
    )  # fmt: skip
    model = GPT(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1)
    return model, optimizer, lambda ids, targets: chunked_cross_entropy(model(ids), targets)


def main() -> None:
    """Time the steps and print their seconds."""
    peer, shape = sys.argv[1], json.loads(sys.argv[2])
    torch.manual_seed(0)
    device = torch.device(shape.get("device", "cpu"))
    model, optimizer, loss_of = {"nanogpt": nanogpt, "litgpt": litgpt}[peer](shape)
    rows = torch.randint(shape["vocab_size"], (8, shape["rows"], shape["context"] + 1)).to(device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=shape["precision"] == "bf16")
    seconds = []
    for step in range(WARM_UP + shape["steps"]):
        began = time.perf_counter()
        batch = rows[step % len(rows)]
        with autocast:
            loss = loss_of(batch[:, :-1].contiguous(), batch[:, 1:].contiguous())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        seconds.append(time.perf_counter() - began)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(
        json.dumps(
            {"seconds": seconds[WARM_UP:], "parameters": parameters, "threads": torch.get_num_threads()}
        )
    )


if __name__ == "__main__":
    main()
