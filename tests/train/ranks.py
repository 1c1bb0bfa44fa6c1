"""Steps of a small model on a grid of processes: run by itself as one of them, or called as the only one.

Called as a program it does the cases of argv[1] (JSON) and its first process writes the results to argv[2].
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from corpuskit.train.model.lora import LoraSettings, add_adapters, merged_weights
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.model.transformer import ModelSettings, Transformer, initial_weights, initialise
from corpuskit.train.optim.optimizer import Optimizer
from corpuskit.train.parallel.parallel import Parallel
from corpuskit.train.parallel.processes import Grid, processes
from corpuskit.train.settings.settings import Optimization

ROWS, LENGTH, VOCABULARY = 8, 12, 57


def make_model(kind: str, **changes: Any) -> Transformer:
    shape: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "layers": 2,
        "width": 32,
        "heads": 4,
        "kv_heads": 4,
        "hidden": 40,
        "context": 16,
        "zero_init": False,
    }
    model = Transformer(ModelSettings(kind=kind, **{**shape, **changes}))  # type: ignore[arg-type]
    if not model.embedding.weight.is_meta:
        initialise(model, 5)
    return model


def batch_of(step: int, rows: range) -> dict[str, Tensor]:
    """Rows of batch `step`; each row ignores another number of targets."""
    chance = torch.Generator().manual_seed(step)
    ids, source, targets = (torch.randint(0, VOCABULARY, (ROWS, LENGTH), generator=chance) for _ in range(3))
    for row in range(ROWS):
        targets[row, : (row * 7 + step) % LENGTH] = IGNORED
    batch = {"ids": ids, "targets": targets, "source": source}
    return {name: each[rows.start : rows.stop] for name, each in batch.items()}


def loss_of(model: Transformer, batch: Mapping[str, Tensor]) -> Tensor:
    if model.settings.kind == "encoder-decoder":
        return model.loss(batch["ids"], batch["targets"], source=batch["source"])
    return model.loss(batch["ids"], batch["targets"])


def run_case(grid: Grid, case: Mapping[str, Any]) -> dict[str, Any]:
    """Losses, gradient norms, validation and final weights of some steps."""
    empty = case.get("empty", False)
    with torch.device("meta" if empty else "cpu"):
        model = make_model(case["kind"], **case.get("model", {}))
    if "lora" in case:
        add_adapters(model, LoraSettings(**case["lora"]), seed=4)
    bf16 = case.get("bf16", False)

    def loss(model: Transformer, batch: Mapping[str, Tensor]) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return loss_of(model, batch)

    recompute = case.get("recompute", False)
    parallel = Parallel(model, grid, loss, mode=case.get("mode", "ddp"), recompute=recompute, bf16=bf16)
    if empty:
        parallel.fill(initial_weights(model.settings, 5))
    settings = Optimization(
        optimizer=case["optimizer"],
        learning_rate=1e-2,
        muon_rate=1e-2,
        weight_decay=0.1,
        weight_decay_fades=True,
        ema=case.get("ema", 0.0),
    )
    optimizer = Optimizer(model, settings, parallel)
    rows = grid.rows(ROWS)
    micro = case.get("micro", len(rows))
    losses, norms = [], []
    for step in range(case.get("steps", 4)):
        totals = torch.zeros(2)
        for first in range(rows.start, rows.stop, micro):
            batch = batch_of(step, range(first, first + micro))
            totals[0] += parallel.backward(batch, first + micro == rows.stop)
            totals[1] += (batch["targets"] != IGNORED).sum()
        totals = grid.sum_over_data(totals)
        gradients = optimizer.gradients()
        parallel.finish(gradients)
        torch._foreach_mul_(list(gradients.values()), 1 / totals[1])
        norms.append(float(parallel.norm(gradients)))
        optimizer.step(1e-2, gradients=gradients)
        optimizer.update_average(step)
        losses.append(float(totals[0] / totals[1]))
    with torch.no_grad(), optimizer.averaged():
        measured = grid.sum_over_data(parallel.loss(batch_of(99, rows)))
    # The model is whole again after a measurement, and its readable copy says the same.
    weights = parallel.whole_weights()
    readable = model
    if "lora" not in case:  # Their copy is made of merged weights, see below.
        readable = parallel.readable()
    elif grid.is_first:
        merged = merged_weights(weights, model.settings, LoraSettings(**case["lora"]))
        readable = make_model(case["kind"], **case.get("model", {}))
        readable.load_state_dict(merged)
    result: dict[str, Any] = {"losses": losses, "norms": norms, "measured": float(measured)}
    if grid.is_first:
        with torch.no_grad():
            result["readable"] = float(loss_of(readable, batch_of(3, range(ROWS))))
        result["weights"] = {name: each.tolist() for name, each in weights.items()}
    return result


def run_cases(size: int, tensor: int, cases: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Results of the cases at the first of `size` processes, each with one thread."""
    out = folder / f"results-{size}-{tensor}.json"
    start(size, [str(Path(__file__)), json.dumps(cases), str(out), str(tensor)])
    found: list[dict[str, Any]] = json.loads(out.read_text())
    return found


def start(size: int, arguments: list[str], **options: Any) -> list[subprocess.CompletedProcess[str]]:
    """Run a Python program as so many processes that find each other; all must succeed unless told else."""
    expected = options.pop("expected", 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(size):
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "OMP_NUM_THREADS": "1",
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(size),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        children.append(
            subprocess.Popen(
                [sys.executable, *arguments],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    done = []
    try:
        for child in children:
            out, error = child.communicate(timeout=120)
            done.append(subprocess.CompletedProcess(child.args, child.returncode, out, error))
    finally:
        for child in children:
            child.kill()
    if expected is not None:
        errors = "\n".join(each.stderr for each in done)
        assert [each.returncode for each in done] == [expected] * size, errors
    return done


def main() -> None:
    torch.set_num_threads(1)
    results = []
    with processes(int(sys.argv[3])) as grid:
        for case in json.loads(sys.argv[1]):
            results.append(run_case(grid, case))
        if grid.is_first:
            Path(sys.argv[2]).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
