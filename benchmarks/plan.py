"""What `corpuskit train --plan` says before a run, against what the run then takes: memory and time.

Memory: a model makes some steps in a fresh process (one thread), and the growth of its peak is compared with
`corpuskit.train.model.cost.training_memory`. What a process has loaded and set up is counted out by a step of
a tiny model of the same kind before.

Time: the sample corpora are built, and runs on them are planned, made, and planned again (one thread each);
the mean of both plans is compared with what the run took. All clocks count processor seconds here, since
other work on the machine would come between; the plans stand beside the figure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.harness import Bar, Options, Row, compare, run_benchmark

ROOT = Path(__file__).parents[1]
WITHIN = Bar(0.2, "value", "at most")
_SMALL = {"layers": 6, "width": 256, "heads": 4, "kv_heads": 4, "hidden": 704, "context": 256}
_TINY = {"layers": 4, "width": 128, "heads": 4, "kv_heads": 4, "hidden": 384, "context": 128}
_WIDE = {"layers": 2, "width": 512, "heads": 8, "kv_heads": 2, "hidden": 1408, "context": 128}
_124M = {"layers": 12, "width": 768, "heads": 12, "kv_heads": 12, "hidden": 2048, "context": 1024}
MEMORY_CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "decoder": (_SMALL, {"rows": 8, "positions": 256}),
    "decoder, Muon": (_SMALL, {"rows": 8, "positions": 256, "optimizer": "muon"}),
    "decoder of 28M, Muon, 1 row": (
        {**_WIDE, "layers": 8, "kv_heads": 8},
        {"rows": 1, "positions": 128, "optimizer": "muon"},
    ),
    "decoder of 28M, Muon, 1 row, 2 micro-batches": (
        {**_WIDE, "layers": 8, "kv_heads": 8},
        {"rows": 1, "positions": 128, "optimizer": "muon", "accumulates": True},
    ),
    "decoder, tiny, Muon": (_TINY, {"rows": 8, "positions": 128, "optimizer": "muon"}),
    "decoder, dropout, 32 rows": ({**_SMALL, "dropout": 0.1}, {"rows": 32, "positions": 256}),
    "decoder, bf16": (_SMALL, {"rows": 8, "positions": 256, "bf16": True}),
    "decoder, RMSNorm, 2 micro-batches": (
        {**_SMALL, "norm": "rms"},
        {"rows": 8, "positions": 256, "accumulates": True},
    ),
    "decoder, grouped queries, vocabulary 32,768": (
        {**_WIDE, "vocab_size": 32768},
        {"rows": 2, "positions": 128},
    ),
    "encoder, documents masked": (
        {**_SMALL, "kind": "encoder"},
        {"rows": 8, "positions": 256, "documents": True},
    ),
    "encoder-decoder": (
        {**_SMALL, "kind": "encoder-decoder"},
        {"rows": 8, "positions": 128, "source": 256},
    ),
    "decoder of 136M, 1 row": (
        {**_124M, "vocab_size": 32768, "tie_embeddings": False},
        {"rows": 1, "positions": 256},
    ),
}
TIME_CASES: dict[str, list[str]] = {
    "nano, 300 steps": ["--size", "nano", "--steps", "300"],
    "encoder, 100 steps": ["--size", "tiny", "--steps", "100", "--set", "objective=masked"],
    "tiny, 100 steps": ["--size", "tiny", "--steps", "100"],
    "encoder-decoder, 100 steps": ["--size", "tiny", "--steps", "100", "--set", "objective=spans"],
}
_BY_PROCESSOR_TIME = (
    "import time; time.monotonic = time.process_time; from corpuskit.cli.main import main; main()"
)
_QUICK = 4
_QUICK_TIMES = 2


def measure_case(model: dict[str, Any], load: dict[str, Any]) -> dict[str, int]:
    """Bytes that some training steps take in this process, measured and by formula."""
    from corpuskit.train import ModelSettings
    from corpuskit.train.device import freed_memory_kept
    from corpuskit.train.model.cost import Load, training_memory

    settings, loaded = ModelSettings(**{"vocab_size": 4096, **model}), Load(**load)
    small = replace(settings, layers=1, width=4 * settings.heads, hidden=16, vocab_size=64, context=8)
    _steps(small, replace(loaded, rows=1, positions=8, source=8), 1)
    Path("/proc/self/clear_refs").write_text("5")  # The peak begins anew: proc(5).
    before = _status("VmRSS")
    with freed_memory_kept():
        _steps(settings, loaded, 3)
    return {"measured": _status("VmHWM") - before, "formula": training_memory(settings, loaded).total}


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(name)))


def _steps(settings: Any, load: Any, count: int) -> None:
    import torch

    from corpuskit.train.model.transformer import Transformer, initialise
    from corpuskit.train.optim.optimizer import Optimizer
    from corpuskit.train.settings.settings import Optimization

    model = Transformer(settings)
    initialise(model, 1)
    optimizer = Optimizer(
        model, Optimization(optimizer=load.optimizer, learning_rate=1e-3, muon_rate=1e-3, weight_decay=0.1)
    )

    def ids(length: int) -> torch.Tensor:
        return torch.randint(0, settings.vocab_size, (load.rows, length))

    for _ in range(count):
        for _ in range(2 if load.accumulates else 1):
            context: dict[str, torch.Tensor] = {}
            if load.documents:
                context["documents"] = (torch.arange(load.positions) // 50).expand(load.rows, -1)
            with torch.autocast("cpu", torch.bfloat16, enabled=load.bf16):
                if settings.kind == "encoder-decoder":
                    context["source"] = ids(load.source)
                loss = model.loss(ids(load.positions), ids(load.positions), **context)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(1e-3)


def _memory_rows(options: Options) -> list[Row]:
    rows = []
    for name, (model, load) in list(MEMORY_CASES.items())[: _QUICK if options.quick else None]:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.plan", "--one", json.dumps({"model": model, "load": load})],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout)
        rows += compare(
            f"memory of a step, {name}: off by",
            round(abs(found["formula"] / found["measured"] - 1), 3),
            {},
            unit="share",
            better="lower",
            bar=WITHIN,
            input=f"{load['rows']} x {load['positions']} tokens",
            note=f"{found['formula'] / 2**20:,.0f} MiB said, {found['measured'] / 2**20:,.0f} MiB taken",
        )
    return rows


def _time_rows(options: Options) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        _corpuskit("build", ROOT / "pipelines" / "sample.yaml", "--out", run)
        for number, (name, arguments) in enumerate(TIME_CASES.items()):
            if options.quick and number == _QUICK_TIMES:
                break
            before = _corpuskit("train", run, "--plan", *arguments)["seconds"]
            taken = _corpuskit("train", run, "--out", Path(folder) / str(number), *arguments)["seconds"]
            after = _corpuskit("train", run, "--plan", *arguments)["seconds"]
            rows += compare(
                f"time of a run, {name}: off by",
                round(abs((before + after) / 2 / taken - 1), 3),
                {},
                unit="share",
                better="lower",
                bar=WITHIN,
                input="the sample corpora",
                note=f"processor seconds: {before:.1f} and {after:.1f} said, {taken:.1f} taken",
            )
    return rows


def _corpuskit(*arguments: object) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _BY_PROCESSOR_TIME, *map(str, arguments), "--json", "--quiet"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def collect(options: Options) -> list[Row]:
    """All figures."""
    return _memory_rows(options) + _time_rows(options)


if __name__ == "__main__":
    if "--one" in sys.argv:
        parser = argparse.ArgumentParser()
        parser.add_argument("--one", type=json.loads)
        case = parser.parse_args().one
        print(json.dumps(measure_case(case["model"], case["load"])))
        sys.exit(0)
    sys.exit(run_benchmark("plan", collect))
