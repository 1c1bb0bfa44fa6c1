"""The trainer on one GPU, against nanoGPT: ``python -m benchmarks.train_gpu --peers PYTHON``.

Needs a CUDA device; NANOGPT names the folder of nanoGPT's source, and the peers' Python needs torch alone
(it may be the package's own). Groups of rows: see `GROUPS`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import OURS, Bar, Options, Row, compare, run_benchmark
from benchmarks.shakespeare import TEXT, write_run
from benchmarks.train_cpu import nanogpt, take_turns, train_command

GPT2: dict[str, Any] = {
    "layers": 12,
    "width": 768,
    "heads": 12,
    "context": 1024,
    "rows": 32,
    "vocab_size": 50_304,
    "precision": "bf16",
    "steps": 30,
    "tied": True,
    "device": "cuda",
    "compile": True,
}
LEAST_MFU = 45.0
SHAKESPEARE_LOSS, SHAKESPEARE_SECONDS = 1.4697, 30.0
SHAKESPEARE = (
    *("--set", "layers=6", "--set", "width=384", "--set", "heads=6", "--set", "context=256"),
    *("--set", "batch_rows=64", "--set", "optimizer=muon", "--set", "dropout=0.2", "--minutes", "0.4"),
)
"""Not tuned: nobody has run it on a GPU yet."""


def steps(options: Options) -> list[Row]:
    """Tokens a second and MFU of 124 million parameters on random tokens, both sides compiled."""
    shape = {**GPT2, "folder": str(nanogpt())}
    said = json.dumps({**shape, "steps": 10} if options.quick else shape)
    ours = [sys.executable, "-m", "benchmarks.train_steps", said]
    theirs = [str(options.require_peers("torch")), str(Path(__file__).parent / "peers" / "train_steps.py")]
    seconds = take_turns(ours, [*theirs, "nanogpt", said], 1 if options.quick else 3)
    tokens = GPT2["rows"] * GPT2["context"]
    rows = compare(
        "tokens a second, 124M parameters, one GPU, bf16, compiled",
        tokens / seconds[0],
        {"nanoGPT": tokens / seconds[1]},
        unit="tokens/s",
        better="higher",
        input=f"{GPT2['rows']} x {GPT2['context']} random tokens, {torch.cuda.get_device_name()}",
        bar=Bar(1.1),
    )
    answer = json.loads(subprocess.run(ours, check=True, capture_output=True, text=True).stdout)
    if answer["peak"] is None:
        return rows
    mfu = 100 * answer["flops"] / seconds[0] / answer["peak"]
    return [
        *rows,
        _row(
            "share of the peak of the GPU, 124M parameters",
            mfu,
            "% MFU",
            f"value at least {LEAST_MFU:g}",
            mfu >= LEAST_MFU,
        ),
    ]


def shakespeare(options: Options) -> list[Row]:
    """Seconds from process start to nanoGPT's best loss on an A100; infinite where it is not reached."""
    with tempfile.TemporaryDirectory(prefix="train-gpu-") as name:
        write_run(options.corpora / TEXT, Path(name) / "run")
        seconds, loss = train_command(Path(name), SHAKESPEARE)
        reached = loss <= SHAKESPEARE_LOSS
        row = _row(
            f"tiny Shakespeare: from process start to a validation loss of {SHAKESPEARE_LOSS}",
            seconds if reached else float("inf"),
            "s",
            f"value at most {SHAKESPEARE_SECONDS:g}",
            reached and seconds <= SHAKESPEARE_SECONDS,
        )
        return [row]


def _row(what: str, value: float, unit: str, bar: str, met: bool) -> Row:
    given = f"one {torch.cuda.get_device_name()}"
    return Row(what=what, tool=OURS, value=value, unit=unit, bar=bar, met=met, input=given)


GROUPS = {"steps": steps, "shakespeare": shakespeare}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, or say that there is no GPU."""
    if not torch.cuda.is_available():
        print("benchmarks.train_gpu: there is no CUDA device on this machine", file=sys.stderr)
        return 2
    return run_benchmark("train_gpu", GROUPS, arguments)


if __name__ == "__main__":
    sys.exit(main())
